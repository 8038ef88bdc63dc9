/* region.c -- regions: bump allocation inside chunks, blocks of their own pages, exact counting.
 *
 * Chunks grow 4 KiB, 8 KiB ... 64 KiB (more when one allocation needs it), so a region that stays
 * small holds one page and a big one wastes little. A region's struct and its list of blocks are
 * not in its own pages (see ledger.h): bytes_live counts chunks and blocks only, and the same
 * sequence of calls gives the same bytes_live every time, whatever else the ledger holds.
 *
 * Locking: counters and the tree change under the ledger's lock. The free part of a chunk belongs
 * to the region's own thread, so a small allocation takes no lock unless the caller set an admit
 * hook. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "mem/ledger.h"
#include "mem/observer.h"
#include "mem/pages.h"

#define SMALL_ALIGNMENT  ((size_t)16)
#define CHUNK_BYTES_MAX  ((size_t)64 << 10)
#define HUGE_BLOCK_BYTES ((size_t)4 << 20) /* from here on blocks are of 2 MB pages */

_Static_assert(sizeof(chunk) == SMALL_ALIGNMENT, "the chunk header keeps the alignment");

/* -- counting; all under the lock -------------------------------------------------------------- */

static void *refuse(region *r, refusal_kind kind, uint64_t asked)
{
    memset(&r->refused, 0, sizeof r->refused);
    r->refused.kind = kind;
    r->refused.asked = asked;
    memcpy(r->refused.tag, r->tag, sizeof r->tag);
    r->refusals++;
    return NULL;
}

static bool is_room(uint64_t live, uint64_t limit, uint64_t bytes)
{
    return limit == 0 || (live <= limit && bytes <= limit - live);
}

static bool refuse_limit(region *r, refusal_kind kind, uint64_t asked, uint64_t live,
                         uint64_t limit, const char *name)
{
    refuse(r, kind, asked);
    r->refused.live = live;
    r->refused.limit = limit;
    memcpy(r->refused.tag, name, sizeof r->refused.tag);
    return false;
}

/* May `bytes` more pages come in? Looks at every limit on the way up, and at that of the account,
 * before anything is mapped. */
static bool fits(region *r, uint64_t bytes)
{
    for (const region *level = r; level != NULL; level = level->parent) {
        if (!is_room(level->bytes_live, level->bytes_max, bytes)) {
            return refuse_limit(r, REFUSAL_LIMIT, bytes, level->bytes_live, level->bytes_max,
                                level->tag);
        }
    }
    const account *a = r->account;
    return is_room(a->bytes_live, a->bytes_max, bytes) ||
           refuse_limit(r, REFUSAL_ACCOUNT, bytes, a->bytes_live, a->bytes_max, a->name);
}

static void count_up(region *r, uint64_t bytes)
{
    r->bytes_own += bytes;
    for (region *level = r; level != NULL; level = level->parent) {
        level->bytes_live += bytes;
        if (level->bytes_live > level->bytes_peak) level->bytes_peak = level->bytes_live;
    }
    account *a = r->account;
    a->bytes_live += bytes;
    if (a->bytes_live > a->bytes_peak) a->bytes_peak = a->bytes_live;
    ledger_notice(r, (int64_t)bytes);
}

static void count_down(region *r, uint64_t bytes)
{
    r->bytes_own -= bytes;
    r->account->bytes_live -= bytes;
    for (region *level = r; level != NULL; level = level->parent) level->bytes_live -= bytes;
    ledger_notice(r, -(int64_t)bytes);
}

static void *pages_take(region *r, size_t bytes, size_t alignment)
{
    if (!fits(r, bytes)) return NULL;
    void *memory = ledger_pages_take(r->owner, bytes, alignment);
    if (memory == NULL) return refuse(r, REFUSAL_SYSTEM, bytes);
    count_up(r, bytes);
    return memory;
}

static void pages_give(region *r, void *memory, size_t bytes)
{
    ledger_pages_give(r->owner, memory, bytes);
    count_down(r, bytes);
}

static bool admitted(region *r, size_t bytes)
{
    if (r->sealed) {
        refuse(r, REFUSAL_SEALED, bytes);
        return false;
    }
    if (pages_admit(ledger_source(r->owner), bytes)) return true;
    refuse(r, REFUSAL_HOOK, bytes);
    return false;
}

/* -- tree; all under the lock ------------------------------------------------------------------ */

/* Next region below `top` in an order where parents come before children; NULL: no more. */
static region *walk_next(const region *top, const region *r)
{
    if (r->child_first != NULL) return r->child_first;
    while (r != top) {
        if (r->next != NULL) return r->next;
        r = r->parent;
    }
    return NULL;
}

static void link_child(region *parent, region *child)
{
    child->parent = parent;
    child->next = parent->child_first;
    if (child->next != NULL) child->next->previous = child;
    parent->child_first = child;
}

static void unlink_child(region *child)
{
    if (child->next != NULL) child->next->previous = child->previous;
    if (child->previous != NULL) {
        child->previous->next = child->next;
    } else {
        child->parent->child_first = child->next;
    }
}

region *region_open(region *parent, const char *tag, ebb_class class_index, uint64_t bytes_max)
{
    return region_open_on(parent, NULL, tag, class_index, bytes_max);
}

region *region_open_on(region *parent, account *a, const char *tag, ebb_class class_index,
                       uint64_t bytes_max)
{
    ledger *l = parent->owner;
    region *r = NULL;

    ledger_lock(l);
    if (!pages_admit(ledger_source(l), sizeof *r)) {
        refuse(parent, REFUSAL_HOOK, sizeof *r);
    } else if ((r = ledger_slot_take(l)) == NULL) {
        refuse(parent, REFUSAL_SYSTEM, PAGE_BYTES);
    } else {
        r->owner = l;
        r->account = a != NULL ? a : parent->account;
        r->class_index = class_index;
        r->serial = ledger_serial_next(l);
        r->bytes_max = bytes_max;
        r->chunk_bytes = PAGE_BYTES;
        snprintf(r->tag, sizeof r->tag, "%s", tag != NULL ? tag : "");
        link_child(parent, r);
        ledger_region_counted(l, true);
    }
    ledger_unlock(l);
    return r;
}

static void give_everything(region *r)
{
    for (block_list *list = &r->blocks; list != NULL;) {
        block_list *next = list->next;
        for (size_t i = 0; i < REGION_BLOCKS; i++) {
            const block b = list->items[i];
            if (b.memory != NULL) pages_give(r, b.memory, b.bytes);
        }
        if (list != &r->blocks) ledger_slot_give(r->owner, list);
        list = next;
    }
    memset(&r->blocks, 0, sizeof r->blocks);
    for (chunk *c = r->chunks; c != NULL;) {
        chunk *next = c->next;
        pages_give(r, c, c->bytes);
        c = next;
    }
    r->chunks = NULL;
    r->cursor = r->end = NULL;
    r->chunk_bytes = PAGE_BYTES;
}

void region_close(region *r)
{
    if (r == NULL) return;
    ledger *l = r->owner;
    ledger_lock(l);
    for (region *at = r;;) {
        while (at->child_first != NULL) at = at->child_first;
        give_everything(at);
        region *parent = at->parent;
        if (parent != NULL) { /* the root lives in the ledger */
            unlink_child(at);
            ledger_slot_give(l, at);
            ledger_region_counted(l, false);
        }
        if (at == r) break;
        at = parent;
    }
    ledger_unlock(l);
}

void region_seal(region *r)
{
    ledger_lock(r->owner);
    for (region *at = r; at != NULL; at = walk_next(r, at)) at->sealed = true;
    ledger_unlock(r->owner);
}

/* -- allocation -------------------------------------------------------------------------------- */

/* A chunk with room for `need`. The chunk with more room left stays the one being filled. */
static void *chunk_alloc(region *r, size_t need)
{
    const size_t grown = r->chunk_bytes;
    size_t bytes;
    if (!size_add(need, sizeof(chunk), &bytes) || !size_align(bytes, PAGE_BYTES, &bytes)) {
        return refuse(r, REFUSAL_SIZE, need);
    }
    if (bytes < grown) bytes = grown;
    chunk *c = pages_take(r, bytes, PAGE_BYTES);
    if (c == NULL) return NULL;

    c->next = r->chunks;
    c->bytes = bytes;
    r->chunks = c;
    r->chunk_bytes = grown < CHUNK_BYTES_MAX ? grown * 2 : CHUNK_BYTES_MAX;
    char *const memory = (char *)(c + 1), *const end = (char *)c + bytes;
    pages_poison(memory, bytes - sizeof *c);
    if (end - (memory + need) >= r->end - r->cursor) {
        r->cursor = memory + need;
        r->end = end;
    }
    return memory;
}

static void *bump(region *r, size_t need)
{
    if (need > (size_t)(r->end - r->cursor)) return NULL;
    void *memory = r->cursor;
    r->cursor += need;
    return memory;
}

void *region_alloc(region *r, size_t count, size_t size)
{
    size_t bytes, need;
    if (!size_mul(count, size, &bytes) || !size_add(bytes, PAGES_RED_ZONE, &need) ||
        !size_align(need > 0 ? need : 1, SMALL_ALIGNMENT, &need)) {
        ledger_lock(r->owner);
        refuse(r, REFUSAL_SIZE, UINT64_MAX);
        ledger_unlock(r->owner);
        return NULL;
    }
    void *memory = NULL;
    if (!r->sealed && ledger_source(r->owner)->admit == NULL) memory = bump(r, need);
    if (memory == NULL) {
        ledger_lock(r->owner);
        if (admitted(r, bytes)) {
            memory = bump(r, need);
            if (memory == NULL) memory = chunk_alloc(r, need);
        }
        ledger_unlock(r->owner);
    }
    if (memory != NULL) pages_unpoison(memory, bytes);
    return memory;
}

static bool block_size(size_t bytes, size_t *whole, size_t *alignment)
{
    *alignment = bytes >= HUGE_BLOCK_BYTES ? HUGE_PAGE_BYTES : PAGE_BYTES;
    return size_align(bytes > 0 ? bytes : 1, *alignment, whole);
}

uint64_t region_block_bytes(size_t bytes)
{
    size_t whole, alignment;
    return block_size(bytes, &whole, &alignment) ? whole : UINT64_MAX;
}

/* A free place in the list of blocks; NULL: no slot for more. */
static block *block_place(region *r)
{
    block_list *list = &r->blocks;
    for (;; list = list->next) {
        for (size_t i = 0; i < REGION_BLOCKS; i++) {
            if (list->items[i].memory == NULL) return &list->items[i];
        }
        if (list->next != NULL) continue;
        list->next = ledger_slot_take(r->owner);
        if (list->next == NULL) return refuse(r, REFUSAL_SYSTEM, PAGE_BYTES);
    }
}

void *region_block(region *r, size_t bytes)
{
    size_t whole, alignment;
    void *memory = NULL;

    ledger_lock(r->owner);
    if (!block_size(bytes, &whole, &alignment)) {
        refuse(r, REFUSAL_SIZE, bytes);
    } else if (admitted(r, bytes) && fits(r, whole)) {
        block *place = block_place(r);
        if (place != NULL) memory = pages_take(r, whole, alignment);
        if (memory != NULL) *place = (block){memory, whole};
    }
    ledger_unlock(r->owner);
    if (memory != NULL) pages_poison((char *)memory + bytes, whole - bytes);
    return memory;
}

void region_block_release(region *r, void *memory)
{
    if (memory == NULL) return;
    ledger_lock(r->owner);
    for (block_list *list = &r->blocks; list != NULL; list = list->next) {
        for (size_t i = 0; i < REGION_BLOCKS; i++) {
            block *b = &list->items[i];
            if (b->memory != memory) continue;
            pages_give(r, memory, b->bytes);
            *b = (block){NULL, 0};
            ledger_unlock(r->owner);
            return;
        }
    }
    ledger_unlock(r->owner);
}

/* -- text -------------------------------------------------------------------------------------- */

char *region_text_length(region *r, const char *text, size_t length)
{
    if (text == NULL) return NULL;
    size_t bytes;
    if (!size_add(length, 1, &bytes)) return NULL;
    char *copy = region_alloc(r, bytes, 1);
    if (copy != NULL) memcpy(copy, text, length);
    return copy;
}

char *region_text(region *r, const char *text)
{
    return text != NULL ? region_text_length(r, text, strlen(text)) : NULL;
}

char *region_format(region *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) return NULL;

    char *text = region_alloc(r, (size_t)length + 1, 1);
    if (text == NULL) return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

/* -- reading and limits ------------------------------------------------------------------------ */

static uint64_t read_locked(const region *r, const uint64_t *field)
{
    ledger_lock(r->owner);
    const uint64_t value = *field;
    ledger_unlock(r->owner);
    return value;
}

uint64_t region_bytes_live(const region *r)
{
    return read_locked(r, &r->bytes_live);
}

uint64_t region_bytes_peak(const region *r)
{
    return read_locked(r, &r->bytes_peak);
}

uint64_t region_bytes_max(const region *r)
{
    return read_locked(r, &r->bytes_max);
}

uint64_t region_refusals(const region *r)
{
    return read_locked(r, &r->refusals);
}

void region_peak_reset(region *r)
{
    ledger_lock(r->owner);
    r->bytes_peak = r->bytes_live;
    ledger_unlock(r->owner);
}

void region_limit(region *r, uint64_t bytes_max)
{
    ledger_lock(r->owner);
    r->bytes_max = bytes_max;
    ledger_unlock(r->owner);
}

void region_measured(region *r, uint64_t bytes)
{
    ledger_lock(r->owner);
    r->bytes_measured = bytes;
    ledger_unlock(r->owner);
}

/* A mark covers everything below, also what is opened later: readers look upwards. */
void region_mark_cached(region *r)
{
    ledger_lock(r->owner);
    r->cached = true;
    ledger_unlock(r->owner);
}

static bool is_cached(const region *r)
{
    while (r != NULL && !r->cached) r = r->parent;
    return r != NULL;
}

void region_read(const region *r, ebb_memory *memory)
{
    region_read_account(r, NULL, memory);
}

/* Under the lock. */
static void add_up(const region *r, const account *a, ebb_memory *memory)
{
    for (const region *at = r; at != NULL; at = walk_next(r, at)) {
        if (a != NULL && at->account != a) continue;
        memory->live += at->bytes_own;
        memory->by_class[at->class_index] += at->bytes_own;
        memory->by_class[EBB_CLASS_CODE] += at->bytes_measured;
        if (is_cached(at)) memory->cached += at->bytes_own;
    }
}

void region_read_account(const region *r, const account *a, ebb_memory *memory)
{
    ledger_lock(r->owner);
    add_up(r, a, memory);
    ledger_unlock(r->owner);
}

uint32_t region_children_read(const region *r, region_entry *entries, uint32_t capacity)
{
    uint32_t count = 0;

    ledger_lock(r->owner);
    for (const region *at = r->child_first; at != NULL; at = at->next, count++) {
        if (count >= capacity) continue;
        region_entry *entry = &entries[count];
        *entry = (region_entry){.r = at};
        memcpy(entry->tag, at->tag, sizeof entry->tag);
        add_up(at, NULL, &entry->memory);
        entry->memory.peak = at->bytes_peak;
        entry->memory.limit = at->bytes_max;
    }
    ledger_unlock(r->owner);
    return count;
}

ledger *region_ledger(const region *r)
{
    return r->owner;
}

account *region_account(const region *r)
{
    ledger_lock(r->owner);
    account *a = r->account;
    ledger_unlock(r->owner);
    return a;
}

bool region_charge(region *r, account *to)
{
    uint64_t bytes = 0;

    ledger_lock(r->owner);
    account *const from = r->account;
    for (const region *at = r; at != NULL; at = walk_next(r, at)) {
        if (at->account == from && from != to) bytes += at->bytes_own;
    }
    const bool has_room = is_room(to->bytes_live, to->bytes_max, bytes) ||
                          refuse_limit(r, REFUSAL_ACCOUNT, bytes, to->bytes_live, to->bytes_max,
                                       to->name);
    for (region *at = r; at != NULL && has_room; at = walk_next(r, at)) {
        if (at->account == from) at->account = to;
    }
    if (has_room) {
        from->bytes_live -= bytes;
        to->bytes_live += bytes;
        if (to->bytes_live > to->bytes_peak) to->bytes_peak = to->bytes_live;
    }
    ledger_unlock(r->owner);
    return has_room;
}

/* -- owners ------------------------------------------------------------------------------------ */

void region_mark_group(region *r)
{
    ledger_lock(r->owner);
    r->is_group = true;
    ledger_unlock(r->owner);
}

uint64_t region_serial(const region *r)
{
    return r->serial;
}

const region *region_owner(const region *r)
{
    while (r->parent != NULL && r->parent->parent != NULL && !r->parent->is_group) r = r->parent;
    return r;
}

uint64_t region_bytes_below(const region *r)
{
    return r->bytes_live;
}

void region_owner_name(const region *owner, char *text, size_t capacity)
{
    const region *path[REGION_GROUPS_MAX];
    size_t depth = 0, length = 0;

    for (const region *at = owner; depth < REGION_GROUPS_MAX; at = at->parent) {
        path[depth++] = at;
        if (at->parent == NULL || at->parent->parent == NULL) break;
    }
    text[0] = '\0';
    while (depth-- > 0 && length < capacity) {
        const int written = snprintf(text + length, capacity - length, "%s%s",
                                     length > 0 ? "/" : "", path[depth]->tag);
        if (written < 0) break;
        length += (size_t)written;
    }
}

ebb_class region_class(const region *r)
{
    return r->class_index;
}

void region_each(const region *top, ledger_observer look, void *context)
{
    for (const region *at = top; at != NULL; at = walk_next(top, at)) {
        if (at->bytes_own > 0) look(context, at, (int64_t)at->bytes_own);
    }
}

bool ledger_region_bytes(ledger *l, uint64_t serial, uint64_t *bytes)
{
    const region *const root = ledger_root(l);

    *bytes = 0;
    ledger_lock(l);
    const region *at = root;
    while (at != NULL && at->serial != serial) at = walk_next(root, at);
    if (at != NULL) *bytes = at->bytes_live;
    ledger_unlock(l);
    return at != NULL;
}

/* -- why it failed ----------------------------------------------------------------------------- */

/* 1048576 as "1,048,576". */
static const char *number_text(uint64_t number, char text[32])
{
    char digits[24];
    const size_t count = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, number);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

ebb_status region_fail(const region *r, ebb_error *error, const char *where, const char *what)
{
    ledger_lock(r->owner);
    const refusal refused = r->refused;
    ledger_unlock(r->owner);

    char asked[32], live[32], limit[32];
    number_text(refused.asked, asked);
    switch (refused.kind) {
    case REFUSAL_SIZE:
        return fail(error, EBB_E_MEMORY, where,
                    "no memory for %s: its size does not fit into 64 bits", what);
    case REFUSAL_SEALED:
        return fail(
            error, EBB_E_MEMORY, where,
            "no memory for %s: region '%s' is sealed, so nothing more may be allocated in it", what,
            refused.tag);
    case REFUSAL_HOOK:
        return fail(error, EBB_E_MEMORY, where,
                    "no memory for %s: the allocator's admit function refused %s bytes", what,
                    asked);
    case REFUSAL_LIMIT:
        return fail(error, EBB_E_MEMORY, where,
                    "no memory for %s: limit of %s bytes on '%s' reached: %s live, %s more needed; "
                    "raise bytes_max or unload a model",
                    what, number_text(refused.limit, limit), refused.tag,
                    number_text(refused.live, live), asked);
    case REFUSAL_ACCOUNT:
        return fail(error, EBB_E_MEMORY, where,
                    "no memory for %s: %s is limited to %s bytes, %s in use, %s asked; unload a "
                    "model from it or raise its limit",
                    what, refused.tag, number_text(refused.limit, limit),
                    number_text(refused.live, live), asked);
    case REFUSAL_SYSTEM:
        return fail(error, EBB_E_MEMORY, where,
                    "no memory for %s: the system refused %s bytes; unload a model or give the "
                    "process more memory",
                    what, asked);
    case REFUSAL_NONE: break;
    }
    return fail_memory(error, where, what);
}
