/* hdf5_write.c -- fixes the addresses of a file to be, and writes it from front to back. */
#include "format/hdf5/hdf5_write.h"

#include "base/size.h"
#include "base/status.h"
#include "format/hdf5/hdf5_write_internal.h"
#include "format/order.h"

#define HEAP_BYTES       32 /* of a local heap before its names */
#define SYMBOL_BYTES     40
#define LEAF_BYTES       (8 + 2 * LEAF_K * SYMBOL_BYTES)
#define NODE_BYTES       (24 + 2 * NODE_K * 8 + (2 * NODE_K + 1) * 8)
#define OBJECT_BYTES     16   /* before a string of the global heap */
#define COLLECTION_MIN   4096 /* readers refuse smaller ones */
#define COLLECTION_TEXTS 32768

static uint32_t parts_of(uint32_t count, uint32_t most)
{
    return count == 0 ? 0 : (count - 1) / most + 1;
}

static size_t names_bytes(const hdf5_item *group)
{
    size_t bytes = 8; /* offset 0 is the empty name */

    for (uint32_t i = 0; i < group->child_count; i++)
        bytes += padded(strlen(group->sorted[i]->name) + 1);
    return bytes;
}

/* -- layout ------------------------------------------------------------------------------------ */

static int name_compare(const void *a, const void *b)
{
    return strcmp((*(hdf5_item *const *)a)->name, (*(hdf5_item *const *)b)->name);
}

static bool children_sort(hdf5_writer *w, hdf5_item *group)
{
    uint32_t count = 0;

    group->sorted = region_new(w->home, hdf5_item *, (size_t)group->child_count + 1);
    if (group->sorted == NULL) return false;
    for (hdf5_item *c = group->child; c != NULL; c = c->sibling) group->sorted[count++] = c;
    order_sort(group->sorted, count, sizeof *group->sorted, name_compare);
    return true;
}

static uint32_t tree_nodes(const hdf5_item *group)
{
    uint32_t level = parts_of(parts_of(group->child_count, 2 * LEAF_K), 2 * NODE_K), nodes;

    if (level == 0) level = 1;
    for (nodes = level; level > 1; nodes += level) level = parts_of(level, 2 * NODE_K);
    return nodes;
}

static bool item_layout(hdf5_writer *w, hdf5_item *item, uint64_t *at, size_t *largest)
{
    item->address = *at;
    item->header_bytes = item->metadata_bytes = hdf5_header_bytes(item);
    if (item->header_bytes == 0) {
        w->status = EBB_E_ARGUMENT;
        w->where = item->name;
        w->fault = "its attributes are too large";
        return false;
    }
    if (item->chunks != NULL) item->metadata_bytes += hdf5_chunk_tree_bytes(item);
    if (!item->is_dataset) {
        if (!children_sort(w, item)) {
            w->no_memory = true;
            return false;
        }
        item->metadata_bytes += HEAP_BYTES + names_bytes(item) +
                                (size_t)parts_of(item->child_count, 2 * LEAF_K) * LEAF_BYTES +
                                (size_t)tree_nodes(item) * NODE_BYTES;
    }
    if (item->metadata_bytes > *largest) *largest = item->metadata_bytes;
    *at += item->metadata_bytes;
    return true;
}

static bool collection_add(hdf5_writer *w, hdf5_collection_out ***link, hdf5_attribute_out *a)
{
    hdf5_collection_out *c = **link;

    if (c != NULL && c->count == COLLECTION_TEXTS) {
        *link = &c->next;
        c = NULL;
    }
    if (c == NULL) {
        const uint32_t capacity =
            w->text_count < COLLECTION_TEXTS ? w->text_count : COLLECTION_TEXTS;
        c = region_new(w->home, hdf5_collection_out, 1);
        if (c != NULL) c->texts = region_new(w->home, hdf5_attribute_out *, capacity);
        if (c == NULL || c->texts == NULL) return false;
        c->bytes = OBJECT_BYTES;
        **link = c;
    }
    c->texts[c->count++] = a;
    c->bytes += OBJECT_BYTES + padded(strlen(a->text));
    a->heap_index = c->count;
    return true;
}

static bool collections_layout(hdf5_writer *w, uint64_t *at)
{
    hdf5_collection_out **link = &w->collections;

    for (hdf5_item *item = w->root; item != NULL; item = item->next) {
        for (hdf5_attribute_out *a = item->attributes; a != NULL; a = a->next) {
            if (a->text == NULL || a->text[0] == '\0') continue;
            if (!collection_add(w, &link, a)) return false;
        }
    }
    for (hdf5_collection_out *c = w->collections; c != NULL; c = c->next) {
        c->address = *at;
        if (c->bytes < COLLECTION_MIN) c->bytes = COLLECTION_MIN;
        *at += c->bytes;
        for (uint32_t i = 0; i < c->count; i++) c->texts[i]->heap = c->address;
    }
    return true;
}

static bool data_layout(hdf5_writer *w, uint64_t *at)
{
    for (hdf5_item *item = w->root; item != NULL; item = item->next) {
        uint64_t begin;
        item->data = NO_ADDRESS;
        if (!item->is_dataset || item->data_bytes == 0) continue;
        if (!u64_add(*at, DATA_ALIGNMENT - 1, &begin)) return false;
        item->data = begin & ~(uint64_t)(DATA_ALIGNMENT - 1);
        if (!u64_add(item->data, stored_bytes(item), at) || *at > INT64_MAX) return false;
    }
    return true;
}

static ebb_status failure(const hdf5_writer *w, ebb_error *error)
{
    if (w->no_memory) return region_fail(w->home, error, "hdf5", "the directory of a file");
    return fail(error, w->status, w->where[0] == '\0' ? "hdf5" : w->where, "%s", w->fault);
}

ebb_status hdf5_write_layout(hdf5_writer *w, ebb_error *error)
{
    uint64_t at = SUPERBLOCK_BYTES;
    size_t largest = SUPERBLOCK_BYTES;

    if (w->no_memory || w->status != EBB_OK) return failure(w, error);
    for (hdf5_item *item = w->root; item != NULL; item = item->next) {
        if (!item_layout(w, item, &at, &largest)) return failure(w, error);
    }
    w->no_memory = !collections_layout(w, &at);
    if (w->no_memory) return failure(w, error);
    if (!data_layout(w, &at)) {
        return fail(error, EBB_E_SHAPE, "hdf5", "the weights are more than a file can hold");
    }
    w->bytes = at;
    w->largest = largest;
    w->next_data = w->root;
    return EBB_OK;
}

uint64_t hdf5_write_bytes(const hdf5_writer *w)
{
    return w->bytes;
}

/* -- groups ------------------------------------------------------------------------------------ */

static void symbol_put(hdf5_pen *p, const hdf5_item *item, uint64_t name)
{
    const uint64_t heap = item->address + item->header_bytes;

    pen_number(p, name, 8);
    pen_number(p, item->address, 8);
    pen_number(p, !item->is_dataset, 4); /* 1: the addresses of its tree and heap follow */
    pen_skip(p, 4);
    if (item->is_dataset) {
        pen_skip(p, 16);
    } else {
        pen_number(p, item->address + item->metadata_bytes - NODE_BYTES, 8);
        pen_number(p, heap, 8);
    }
}

static void names_put(hdf5_pen *p, const hdf5_item *group)
{
    const size_t bytes = names_bytes(group);

    pen_bytes(p, "HEAP", 4);
    pen_skip(p, 4); /* version 0 */
    pen_number(p, bytes, 8);
    pen_number(p, 1, 8); /* nothing free in it */
    pen_number(p, group->address + group->header_bytes + HEAP_BYTES, 8);
    pen_skip(p, 8);
    for (uint32_t i = 0; i < group->child_count; i++) {
        const size_t length = strlen(group->sorted[i]->name);
        pen_bytes(p, group->sorted[i]->name, length);
        pen_skip(p, padded(length + 1) - length);
    }
}

static void leaves_put(hdf5_pen *p, const hdf5_item *group)
{
    uint64_t name = 8;

    for (uint32_t first = 0; first < group->child_count; first += 2 * LEAF_K) {
        const uint32_t left = group->child_count - first;
        const uint32_t count = left < 2 * LEAF_K ? left : 2 * LEAF_K;
        pen_bytes(p, "SNOD\1\0", 6);
        pen_number(p, count, 2);
        for (uint32_t i = first; i < first + count; i++) {
            symbol_put(p, group->sorted[i], name);
            name += padded(strlen(group->sorted[i]->name) + 1);
        }
        pen_skip(p, (size_t)(2 * LEAF_K - count) * SYMBOL_BYTES);
    }
}

/* Where the name of the last child below a node is: `reach` children belong to the nodes before it
 * and itself. */
static uint64_t name_offset(const hdf5_item *group, uint64_t reach)
{
    uint64_t offset = 8;

    if (reach > group->child_count) reach = group->child_count;
    for (uint64_t i = 0; i + 1 < reach; i++) offset += padded(strlen(group->sorted[i]->name) + 1);
    return reach == 0 ? 0 : offset;
}

typedef struct tree_level {
    uint32_t number, nodes, children; /* children: of all its nodes */
    uint64_t begin;                   /* address of its first node */
    uint64_t child_begin, child_bytes;
    uint64_t span; /* names below one child */
} tree_level;

static void level_put(hdf5_pen *p, const hdf5_item *group, const tree_level *l)
{
    for (uint32_t n = 0; n < l->nodes; n++) {
        const uint32_t first = n * 2 * NODE_K, left = l->children - first;
        const uint32_t count = left < 2 * NODE_K ? left : 2 * NODE_K;
        uint8_t *const begin = p->at;
        pen_bytes(p, "TREE\0", 5);
        pen_number(p, l->number, 1);
        pen_number(p, count, 2);
        pen_number(p, n > 0 ? l->begin + (uint64_t)(n - 1) * NODE_BYTES : NO_ADDRESS, 8);
        pen_number(p, n + 1 < l->nodes ? l->begin + (uint64_t)(n + 1) * NODE_BYTES : NO_ADDRESS, 8);
        pen_number(p, name_offset(group, first * l->span), 8);
        for (uint32_t i = first; i < first + count; i++) {
            pen_number(p, l->child_begin + i * l->child_bytes, 8);
            pen_number(p, name_offset(group, (i + 1) * l->span), 8);
        }
        p->at = begin + NODE_BYTES;
    }
}

static void tree_put(hdf5_pen *p, const hdf5_item *group, uint64_t leaves)
{
    tree_level l = {.children = parts_of(group->child_count, 2 * LEAF_K),
                    .child_begin = leaves,
                    .child_bytes = LEAF_BYTES,
                    .span = 2 * LEAF_K};

    l.begin = leaves + (uint64_t)l.children * LEAF_BYTES;
    for (;; l.number++) {
        l.nodes = l.children == 0 ? 1 : parts_of(l.children, 2 * NODE_K);
        level_put(p, group, &l);
        if (l.nodes == 1) return;
        l.children = l.nodes;
        l.child_begin = l.begin;
        l.child_bytes = NODE_BYTES;
        l.begin += (uint64_t)l.nodes * NODE_BYTES;
        l.span *= 2 * NODE_K;
    }
}

static void item_put(hdf5_pen *p, const hdf5_item *item)
{
    const uint64_t heap = item->address + item->header_bytes;
    const size_t node = item->chunks != NULL ? hdf5_chunk_tree_bytes(item) : NODE_BYTES;

    hdf5_header_put(p, item, item->address + item->metadata_bytes - node, heap);
    if (item->chunks != NULL) hdf5_chunk_tree_put(p, item);
    if (item->is_dataset) return;
    names_put(p, item);
    leaves_put(p, item);
    tree_put(p, item, heap + HEAP_BYTES + names_bytes(item));
}

/* -- the file ---------------------------------------------------------------------------------- */

static void superblock_put(hdf5_pen *p, const hdf5_writer *w)
{
    pen_bytes(p, "\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0", 16);
    pen_number(p, LEAF_K, 2);
    pen_number(p, NODE_K, 2);
    pen_skip(p, 4);
    pen_number(p, 0, 8); /* begins here */
    pen_number(p, NO_ADDRESS, 8);
    pen_number(p, w->bytes, 8);
    pen_number(p, NO_ADDRESS, 8);
    symbol_put(p, w->root, 0);
}

static ebb_status put(hdf5_writer *w, const void *bytes, uint64_t length, ebb_error *error)
{
    w->position += length;
    return w->sink.put(w->sink.context, bytes, length, error);
}

static ebb_status zeros_put(hdf5_writer *w, uint64_t length, ebb_error *error)
{
    static const uint8_t zeros[1024];

    while (length > 0) {
        const uint64_t part = length < sizeof zeros ? length : sizeof zeros;
        const ebb_status status = put(w, zeros, part, error);
        if (status != EBB_OK) return status;
        length -= part;
    }
    return EBB_OK;
}

static ebb_status text_put_in(hdf5_writer *w, const hdf5_attribute_out *a, ebb_error *error)
{
    uint8_t head[OBJECT_BYTES] = {0};
    hdf5_pen p = {head};
    const size_t length = strlen(a->text);

    pen_number(&p, a->heap_index, 2);
    pen_skip(&p, 6);
    pen_number(&p, length, 8);
    ebb_status status = put(w, head, sizeof head, error);
    if (status == EBB_OK) status = put(w, a->text, length, error);
    if (status == EBB_OK) status = zeros_put(w, padded(length) - length, error);
    return status;
}

static ebb_status collection_put(hdf5_writer *w, const hdf5_collection_out *c, ebb_error *error)
{
    uint8_t head[OBJECT_BYTES] = {0};
    hdf5_pen p = {head};

    pen_bytes(&p, "GCOL\1\0\0\0", 8);
    pen_number(&p, c->bytes, 8);
    ebb_status status = put(w, head, sizeof head, error);
    for (uint32_t i = 0; i < c->count && status == EBB_OK; i++)
        status = text_put_in(w, c->texts[i], error);
    const uint64_t left = c->address + c->bytes - w->position;
    if (status != EBB_OK || left < OBJECT_BYTES)
        return status == EBB_OK ? zeros_put(w, left, error) : status;
    memset(head, 0, sizeof head); /* object 0: what is free */
    p.at = head + 8;
    pen_number(&p, left, 8);
    status = put(w, head, sizeof head, error);
    return status == EBB_OK ? zeros_put(w, left - sizeof head, error) : status;
}

static ebb_status items_put(hdf5_writer *w, uint8_t *buffer, ebb_error *error)
{
    hdf5_pen p = {buffer};

    superblock_put(&p, w);
    ebb_status status = put(w, buffer, SUPERBLOCK_BYTES, error);
    for (const hdf5_item *item = w->root; item != NULL && status == EBB_OK; item = item->next) {
        memset(buffer, 0, item->metadata_bytes);
        p.at = buffer;
        item_put(&p, item);
        status = put(w, buffer, item->metadata_bytes, error);
    }
    return status;
}

ebb_status hdf5_write_begin(hdf5_writer *w, const hdf5_sink *sink, ebb_error *error)
{
    region *work = region_open(w->home, "hdf5 header", EBB_CLASS_SCRATCH, 0);
    uint8_t *buffer = work == NULL ? NULL : region_block(work, w->largest);
    ebb_status status;

    w->sink = *sink;
    w->position = 0;
    if (buffer == NULL) {
        status = region_fail(work == NULL ? w->home : work, error, "hdf5", "a header");
        region_close(work);
        return status;
    }
    status = items_put(w, buffer, error);
    region_close(work);
    for (const hdf5_collection_out *c = w->collections; c != NULL && status == EBB_OK; c = c->next)
        status = collection_put(w, c, error);
    return status;
}

ebb_status hdf5_write_data(hdf5_writer *w, const hdf5_item *item, const void *bytes,
                           ebb_error *error)
{
    while (w->next_data != NULL && !w->next_data->is_dataset) w->next_data = w->next_data->next;
    if (item == NULL || item != w->next_data) {
        return fail(error, EBB_E_INTERNAL, item == NULL ? "hdf5" : item->name,
                    "the data of a dataset come out of turn");
    }
    w->next_data = item->next;
    if (item->data_bytes == 0) return EBB_OK;
    ebb_status status = zeros_put(w, item->data - w->position, error);
    if (item->chunks == NULL)
        return status == EBB_OK ? put(w, bytes, item->data_bytes, error) : status;
    for (uint32_t i = 0; i < item->chunks->count && status == EBB_OK; i++)
        status = put(w, item->chunks->data[i], item->chunks->bytes[i], error);
    return status;
}
