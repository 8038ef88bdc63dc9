/* hdf5_btree.c -- walks both kinds of B-tree, node by node, with one buffer per level.
 *
 * Invariants: a child is exactly one level below its parent, so a walk ends; nodes that are reached
 * again and again use up the work budget of the file. Depth is at most HDF5_DEPTH_MAX.
 * Source: HDF5 File Format Specification 3.0, III.A (version 1: groups and chunks) and III.A.2. */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"

/* One node on the way down. */
typedef struct frame {
    uint8_t *bytes;
    size_t capacity;
    uint32_t count, next; /* entries, and the one to visit next */
} frame;

static ebb_status frame_reserve(hdf5_file *file, region *scratch, frame *f, size_t bytes,
                                ebb_error *error)
{
    if (bytes <= f->capacity) return EBB_OK;
    f->capacity = bytes < 2 * f->capacity ? 2 * f->capacity : bytes;
    f->bytes = hdf5_scratch_alloc(file, scratch, f->capacity, 1, error);
    return f->bytes == NULL ? EBB_E_MEMORY : EBB_OK;
}

/* -- version 1: "TREE" type level count left right | key child key child ... key
 * ------------------- */

static ebb_status node1_read(hdf5_file *file, region *scratch, const hdf5_btree1 *tree,
                             uint64_t address, frame *f, uint32_t *level, ebb_error *error)
{
    uint8_t prefix[24];
    const size_t prefix_bytes = 8 + 2 * (size_t)file->address_bytes;
    ebb_status status = hdf5_read(file, address, prefix, prefix_bytes, error);

    if (status != EBB_OK) return status;
    if (memcmp(prefix, "TREE", 4) != 0 || prefix[4] != tree->node_type) {
        return hdf5_damaged(file, address, error, "expected a B-tree node of type %u",
                            tree->node_type);
    }
    *level = prefix[5];
    f->count = (uint32_t)prefix[6] | (uint32_t)prefix[7] << 8;
    f->next = 0;
    const size_t bytes = f->count * (tree->key_bytes + file->address_bytes) + tree->key_bytes;

    status = frame_reserve(file, scratch, f, bytes, error);
    if (status != EBB_OK) return status;
    return hdf5_read(file, address + prefix_bytes, f->bytes, bytes, error);
}

ebb_status hdf5_btree1_walk(hdf5_file *file, region *scratch, const hdf5_btree1 *tree,
                            ebb_error *error)
{
    const size_t stride = tree->key_bytes + file->address_bytes;
    frame frames[HDF5_DEPTH_MAX] = {{0}}, root = {0};
    uint32_t top = 0, level = 0;
    ebb_status status = node1_read(file, scratch, tree, tree->address, &root, &top, error);

    if (status != EBB_OK) return status;
    if (top >= HDF5_DEPTH_MAX) {
        return hdf5_damaged(file, tree->address, error, "a B-tree of %u levels", top);
    }
    level = top;
    frames[top] = root;
    while (level <= top) {
        frame *f = &frames[level];

        if (f->next == f->count) {
            level++;
            continue;
        }
        const uint8_t *key = f->bytes + f->next++ * stride;
        hdf5_cursor c = hdf5_cursor_make(key + tree->key_bytes, file->address_bytes);
        const uint64_t child = hdf5_take_address(file, &c);
        uint32_t child_level = 0;

        if (level == 0) {
            status = tree->visit(tree->context, key, child, error);
            if (status != EBB_OK) return status;
            continue;
        }
        status = node1_read(file, scratch, tree, child, &frames[level - 1], &child_level, error);
        if (status != EBB_OK) return status;
        if (child_level != --level) {
            return hdf5_damaged(file, child, error,
                                "a B-tree node of level %u where %u is expected", child_level,
                                level);
        }
    }
    return EBB_OK;
}

/* -- version 2: a header, inner nodes (records, then child pointers), leaves (records)
 * ------------- */

typedef struct tree2 {
    uint8_t type;
    uint32_t node_bytes, record_bytes, depth;
    uint64_t root, root_count;
    struct {
        uint64_t records_max;   /* in one node */
        uint64_t total_max;     /* in the node and all below it */
        uint32_t count_bytes;   /* width of the number of records of a node of this level */
        uint32_t total_bytes;   /* width of the number of all records below; 0 for leaves */
        uint32_t pointer_bytes; /* of one child pointer in a node of this level */
    } levels[HDF5_DEPTH_MAX];
} tree2;

static ebb_status tree2_open(hdf5_file *file, const hdf5_btree2 *tree, tree2 *t, ebb_error *error)
{
    uint8_t bytes[64];
    const size_t length = 22 + (size_t)file->address_bytes + file->length_bytes;
    ebb_status status = hdf5_read(file, tree->address, bytes, length, error);
    hdf5_cursor c = hdf5_cursor_make(bytes, length);

    if (status != EBB_OK) return status;
    if (memcmp(hdf5_take(&c, 4), "BTHD", 4) != 0 || hdf5_take_number(&c, 1) != 0 ||
        !hdf5_sum_matches(bytes, length)) {
        return hdf5_damaged(file, tree->address, error,
                            "expected a B-tree (signature or checksum is wrong)");
    }
    t->type = (uint8_t)hdf5_take_number(&c, 1);
    t->node_bytes = (uint32_t)hdf5_take_number(&c, 4);
    t->record_bytes = (uint32_t)hdf5_take_number(&c, 2);
    t->depth = (uint32_t)hdf5_take_number(&c, 2);
    hdf5_take(&c, 2);
    t->root = hdf5_take_address(file, &c);
    t->root_count = hdf5_take_number(&c, 2);
    if (t->type < tree->type_first || t->type > tree->type_last ||
        t->record_bytes < tree->record_bytes_min || t->depth >= HDF5_DEPTH_MAX ||
        t->node_bytes < 10 + t->record_bytes) {
        return hdf5_damaged(file, tree->address, error,
                            "a B-tree of type %u, depth %u, records of %u in nodes of %u bytes",
                            t->type, t->depth, t->record_bytes, t->node_bytes);
    }
    return EBB_OK;
}

/* How many records a node of each level can hold decides how wide its counts are in the file. */
static ebb_status tree2_levels(const hdf5_file *file, const hdf5_btree2 *tree, tree2 *t,
                               ebb_error *error)
{
    const uint64_t room = t->node_bytes - 10;

    t->levels[0].records_max = room / t->record_bytes;
    t->levels[0].total_max = t->levels[0].records_max;
    t->levels[0].count_bytes = hdf5_bytes_for(t->levels[0].records_max);
    for (uint32_t i = 1; i <= t->depth; i++) {
        const uint32_t pointer =
            file->address_bytes + t->levels[0].count_bytes + t->levels[i - 1].total_bytes;

        if (room < pointer + (uint64_t)t->record_bytes + pointer) {
            return hdf5_damaged(file, tree->address, error, "a B-tree with nodes of %u bytes",
                                t->node_bytes);
        }
        t->levels[i].pointer_bytes = pointer;
        t->levels[i].records_max = (room - pointer) / (t->record_bytes + (uint64_t)pointer);
        if (!u64_mul(t->levels[i].records_max + 1, t->levels[i - 1].total_max,
                     &t->levels[i].total_max) ||
            !u64_add(t->levels[i].total_max, t->levels[i].records_max, &t->levels[i].total_max)) {
            return hdf5_damaged(file, tree->address, error, "a B-tree of depth %u", t->depth);
        }
        t->levels[i].total_bytes = hdf5_bytes_for(t->levels[i].total_max);
    }
    return EBB_OK;
}

/* Reads a node and hands its records out. */
static ebb_status node2_read(hdf5_file *file, region *scratch, const hdf5_btree2 *tree,
                             const tree2 *t, uint32_t level, uint64_t address, uint64_t count,
                             frame *f, ebb_error *error)
{
    if (count > t->levels[level].records_max) {
        return hdf5_damaged(file, address, error, "a B-tree node of %" PRIu64 " records", count);
    }
    const size_t records = (size_t)count * t->record_bytes;
    const size_t pointers = level == 0 ? 0 : ((size_t)count + 1) * t->levels[level].pointer_bytes;
    const size_t length = 6 + records + pointers + 4;
    ebb_status status = frame_reserve(file, scratch, f, length, error);

    if (status == EBB_OK) status = hdf5_read(file, address, f->bytes, length, error);
    if (status != EBB_OK) return status;
    if (memcmp(f->bytes, level == 0 ? "BTLF" : "BTIN", 4) != 0 || f->bytes[5] != t->type ||
        !hdf5_sum_matches(f->bytes, length)) {
        return hdf5_damaged(file, address, error,
                            "expected a B-tree node (signature, type or checksum is wrong)");
    }
    f->count = level == 0 ? 0 : (uint32_t)count + 1;
    f->next = 0;
    for (size_t at = 6; at < 6 + records && status == EBB_OK; at += t->record_bytes) {
        status = tree->visit(tree->context, f->bytes + at, t->record_bytes, error);
    }
    return status;
}

ebb_status hdf5_btree2_walk(hdf5_file *file, region *scratch, const hdf5_btree2 *tree,
                            ebb_error *error)
{
    frame frames[HDF5_DEPTH_MAX] = {{0}};
    tree2 t = {0};
    ebb_status status = tree2_open(file, tree, &t, error);

    if (status == EBB_OK) status = tree2_levels(file, tree, &t, error);
    if (status != EBB_OK) return status;
    if (t.root == HDF5_UNDEFINED || t.root_count == 0) return EBB_OK;
    uint32_t level = t.depth;

    status =
        node2_read(file, scratch, tree, &t, level, t.root, t.root_count, &frames[level], error);
    while (status == EBB_OK && level <= t.depth) {
        frame *f = &frames[level];

        if (f->next == f->count) {
            level++;
            continue;
        }
        const uint32_t pointer = t.levels[level].pointer_bytes;
        const size_t at = 6 + (size_t)(f->count - 1) * t.record_bytes + (size_t)f->next++ * pointer;
        hdf5_cursor c = hdf5_cursor_make(f->bytes + at, pointer);
        const uint64_t child = hdf5_take_address(file, &c);
        const uint64_t count = hdf5_take_number(&c, t.levels[0].count_bytes);

        level--;
        status = node2_read(file, scratch, tree, &t, level, child, count, &frames[level], error);
    }
    return status;
}
