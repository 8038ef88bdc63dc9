/* ledger.c -- the root of all regions of a runtime: lock, page source, counters, table of structs.
 *
 * Invariants: a table page is in the list `roomy` exactly while it has a free slot. Slots are found
 * from their address: a table begins where its page begins. A spare page holds nothing but the way
 * to the next one. */
#include "mem/ledger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "mem/observer.h"
#include "mem/pages.h"

/* Single pages kept at most. None under the address sanitizer, which sees a use of memory that was
 * given back by the page being gone. */
#define SPARE_MAX (PAGES_ASAN ? 0 : 16)

typedef union slot {
    union slot *next_free;
    region region;
    account account;
    block_list blocks;
} slot;

typedef struct table {
    struct table *next, *previous; /* in the list of tables with room */
    slot *free;
    uint32_t used;
    bool roomy; /* in that list */
} table;

typedef struct spare {
    struct spare *next;
} spare;

struct ledger {
    table first;
    table *roomy;
    pthread_mutex_t lock;
    ebb_allocator source;
    region root;
    account account;   /* the first one */
    account *accounts; /* the others */
    spare *spares;
    int spare_count;
    uint64_t bytes_fixed;
    uint32_t regions; /* open ones, without the root */
    uint64_t serials; /* given so far; the root has 0 */
    ledger_observer observer; /* NULL: nobody looks */
    void *observer_context;
    _Atomic uint32_t threads, descriptors;
};

_Static_assert(sizeof(ledger) + sizeof(slot) <= PAGE_BYTES, "the ledger must fit its page");
_Static_assert(sizeof(block_list) <= sizeof(region), "a slot must not grow for the block list");
_Static_assert(sizeof(account) <= sizeof(region), "a slot must not grow for an account");

/* -- pages ------------------------------------------------------------------------------------- */

static bool has_hooks(const ledger *l)
{
    return l->source.map != NULL || l->source.admit != NULL;
}

void *ledger_pages_take(ledger *l, size_t bytes, size_t alignment)
{
    spare *page = l->spares;

    if (page == NULL || bytes != PAGE_BYTES || alignment > PAGE_BYTES)
        return pages_map(&l->source, bytes, alignment);
    l->spares = page->next;
    l->spare_count--;
    l->bytes_fixed -= PAGE_BYTES;
    return memset(page, 0, PAGE_BYTES);
}

void ledger_pages_give(ledger *l, void *memory, size_t bytes)
{
    if (bytes != PAGE_BYTES || l->spare_count >= SPARE_MAX || has_hooks(l)) {
        pages_unmap(&l->source, memory, bytes);
        return;
    }
    spare *page = memory;
    page->next = l->spares;
    l->spares = page;
    l->spare_count++;
    l->bytes_fixed += PAGE_BYTES;
}

static void spares_drop(ledger *l)
{
    while (l->spares != NULL) {
        spare *page = l->spares;
        l->spares = page->next;
        l->spare_count--;
        l->bytes_fixed -= PAGE_BYTES;
        pages_unmap(&l->source, page, PAGE_BYTES);
    }
}

void ledger_rest(ledger *l)
{
    ledger_lock(l);
    spares_drop(l);
    ledger_unlock(l);
}

/* -- table of slots ---------------------------------------------------------------------------- */

static table *table_of(const void *memory)
{
    return (table *)((uintptr_t)memory & ~(uintptr_t)(PAGE_BYTES - 1));
}

static void table_list(ledger *l, table *t)
{
    t->roomy = true;
    t->previous = NULL;
    t->next = l->roomy;
    if (l->roomy != NULL) l->roomy->previous = t;
    l->roomy = t;
}

static void table_unlist(ledger *l, table *t)
{
    t->roomy = false;
    if (t->next != NULL) t->next->previous = t->previous;
    if (t->previous != NULL) t->previous->next = t->next;
    if (l->roomy == t) l->roomy = t->next;
}

static void table_fill(ledger *l, table *t, size_t head_bytes)
{
    char *const page = (char *)t;
    const size_t begin = (head_bytes + 15) & ~(size_t)15;
    for (size_t at = begin; at + sizeof(slot) <= PAGE_BYTES; at += sizeof(slot)) {
        slot *s = (slot *)(void *)(page + at);
        s->next_free = t->free;
        t->free = s;
    }
    l->bytes_fixed += PAGE_BYTES;
    table_list(l, t);
}

void *ledger_slot_take(ledger *l)
{
    if (l->roomy == NULL) {
        table *fresh = ledger_pages_take(l, PAGE_BYTES, PAGE_BYTES);
        if (fresh == NULL) return NULL;
        table_fill(l, fresh, sizeof *fresh);
    }
    table *t = l->roomy;
    slot *s = t->free;
    t->free = s->next_free;
    t->used++;
    if (t->free == NULL) table_unlist(l, t);
    memset(s, 0, sizeof *s);
    return s;
}

void ledger_slot_give(ledger *l, void *memory)
{
    table *t = table_of(memory);
    slot *s = memory;
    s->next_free = t->free;
    t->free = s;
    t->used--;
    if (!t->roomy) table_list(l, t);
    if (t->used > 0 || t == &l->first) return;
    table_unlist(l, t);
    l->bytes_fixed -= PAGE_BYTES;
    ledger_pages_give(l, t, PAGE_BYTES);
}

/* -- ledger ------------------------------------------------------------------------------------ */

ledger *ledger_open(const ebb_allocator *allocator, uint64_t bytes_max)
{
    const ebb_allocator none = {NULL, NULL, NULL, NULL};
    const ebb_allocator source = allocator != NULL ? *allocator : none;
    if ((source.map == NULL) != (source.unmap == NULL)) return NULL;
    if (!pages_admit(&source, PAGE_BYTES)) return NULL;
    ledger *l = pages_map(&source, PAGE_BYTES, PAGE_BYTES);
    if (l == NULL) return NULL;
    if (pthread_mutex_init(&l->lock, NULL) != 0) {
        pages_unmap(&source, l, PAGE_BYTES);
        return NULL;
    }
    l->source = source;
    table_fill(l, &l->first, sizeof *l);
    l->account.owner = l;
    memcpy(l->account.name, "CPU:0", sizeof "CPU:0");
    l->root.owner = l;
    l->root.account = &l->account;
    l->root.class_index = EBB_CLASS_META;
    l->root.bytes_max = bytes_max;
    l->root.chunk_bytes = PAGE_BYTES;
    memcpy(l->root.tag, "runtime", sizeof "runtime");
    return l;
}

void ledger_close(ledger *l)
{
    if (l == NULL) return;
    region_close(&l->root);
    while (l->accounts != NULL) account_close(l->accounts);
    spares_drop(l);
    pthread_mutex_destroy(&l->lock);
    const ebb_allocator source = l->source;
    pages_unmap(&source, l, PAGE_BYTES);
}

region *ledger_root(ledger *l)
{
    return &l->root;
}

account *ledger_account(ledger *l)
{
    return &l->account;
}

void ledger_account_link(ledger *l, account *a)
{
    a->next = l->accounts;
    if (a->next != NULL) a->next->previous = a;
    l->accounts = a;
}

void ledger_account_unlink(ledger *l, account *a)
{
    if (a->next != NULL) a->next->previous = a->previous;
    if (a->previous != NULL)
        a->previous->next = a->next;
    else
        l->accounts = a->next;
}

/* Locking does not change what the ledger says, so a reader may do it. */
void ledger_lock(const ledger *l)
{
    pthread_mutex_lock(&((ledger *)(uintptr_t)l)->lock);
}

void ledger_unlock(const ledger *l)
{
    pthread_mutex_unlock(&((ledger *)(uintptr_t)l)->lock);
}

void ledger_before_fork(ledger *l)
{
    pthread_mutex_lock(&l->lock);
}

void ledger_after_fork_parent(ledger *l)
{
    pthread_mutex_unlock(&l->lock);
}

/* The child has one thread, a copy of the one that took the lock. */
void ledger_after_fork_child(ledger *l)
{
    atomic_store(&l->threads, 0);
    pthread_mutex_unlock(&l->lock);
}

const ebb_allocator *ledger_source(const ledger *l)
{
    return &l->source;
}

void ledger_region_counted(ledger *l, bool opened)
{
    if (opened) {
        l->regions++;
    } else {
        l->regions--;
    }
}

uint32_t ledger_regions(const ledger *l)
{
    ledger_lock(l);
    const uint32_t regions = l->regions;
    ledger_unlock(l);
    return regions;
}

uint64_t ledger_bytes_fixed(const ledger *l)
{
    ledger_lock(l);
    const uint64_t bytes = l->bytes_fixed;
    ledger_unlock(l);
    return bytes;
}

/* -- who looks --------------------------------------------------------------------------------- */

uint64_t ledger_serial_next(ledger *l)
{
    return ++l->serials;
}

void ledger_notice(const region *r, int64_t bytes)
{
    const ledger *l = r->owner;

    if (l->observer != NULL) l->observer(l->observer_context, r, bytes);
}

bool ledger_observe(ledger *l, ledger_observer observer, void (*started)(void *context),
                    void *context)
{
    ledger_lock(l);
    const bool is_free = l->observer == NULL;
    if (is_free) {
        region_each(&l->root, observer, context);
        started(context);
        l->observer = observer;
        l->observer_context = context;
    }
    ledger_unlock(l);
    return is_free;
}

void ledger_observe_end(ledger *l)
{
    ledger_lock(l);
    l->observer = NULL;
    l->observer_context = NULL;
    ledger_unlock(l);
}

void ledger_with_lock(const ledger *l, void (*run)(void *context), void *context)
{
    ledger_lock(l);
    run(context);
    ledger_unlock(l);
}

/* -- threads and descriptors ------------------------------------------------------------------- */

void ledger_thread_started(ledger *l)
{
    atomic_fetch_add(&l->threads, 1);
}

void ledger_thread_ended(ledger *l)
{
    atomic_fetch_sub(&l->threads, 1);
}

void ledger_descriptor_opened(ledger *l)
{
    atomic_fetch_add(&l->descriptors, 1);
}

void ledger_descriptor_closed(ledger *l)
{
    atomic_fetch_sub(&l->descriptors, 1);
}

uint32_t ledger_threads(const ledger *l)
{
    return atomic_load(&l->threads);
}

uint32_t ledger_descriptors(const ledger *l)
{
    return atomic_load(&l->descriptors);
}

/* -- classes ----------------------------------------------------------------------------------- */

const char *ebb_class_name(ebb_class class_index)
{
    static const char *const names[EBB_CLASS_COUNT] = {
#define EBB_CLASS_ENTRY(name, number, text) [number] = text,
        EBB_CLASS_MAP(EBB_CLASS_ENTRY)
#undef EBB_CLASS_ENTRY
    };
    return (unsigned)class_index < EBB_CLASS_COUNT ? names[class_index] : "unknown";
}
