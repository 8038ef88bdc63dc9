/* hdf5_group.c -- groups: listing members and walking paths.
 *
 * Old groups are a B-tree of symbol nodes with names in a local heap; new ones hold link messages,
 * in the header or, when there are many, in a fractal heap. Each group is read once: its sorted
 * list stays in the file's region and later calls find it through a hash trie by address.
 *
 * Invariants: names of a list are unique and hold no '/'. A group's depth is one more than that of
 * every group that lists it; a depth over HDF5_DEPTH_MAX is a cycle or too deep, so a caller that
 * walks down from the root always ends. Named datatypes are left out of lists: they are neither
 * group nor dataset. Source: HDF5 File Format Specification 3.0, III.B to III.D, IV.A.2.c, g and
 * r. */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"
#include "format/order.h"

#define LINK_HARD       0u
#define LINK_SOFT       1u
#define LINK_EXTERNAL   64u
#define CACHE_GROUP     1u
#define CACHE_SOFT_LINK 2u

typedef struct entry {
    const char *name; /* not terminated; in scratch */
    uint32_t name_bytes;
    bool is_kind_known, is_left_out;
    hdf5_kind kind;
    uint64_t address;
} entry;

/* What one listing gathers. */
typedef struct listing {
    hdf5_file *file;
    region *scratch;
    uint64_t address; /* of the group */
    entry *entries;
    uint32_t count, capacity;
    const uint8_t *names; /* the local heap of an old group */
    size_t names_bytes;
    hdf5_heap heap; /* the fractal heap of a new group */
} listing;

/* -- known groups -------------------------------------------------------------------------------
 */

/* The place in the trie where the group is or belongs. */
static hdf5_group **group_place(hdf5_file *file, uint64_t address)
{
    uint64_t hash = address * 0x9e3779b97f4a7c15u;
    hdf5_group **place = &file->groups;

    for (; *place != NULL && (*place)->address != address; hash = hash << 2 | hash >> 62) {
        place = &(*place)->children[hash >> 62];
    }
    return place;
}

/* Raises the depth of a group and of all below it. Recursion ends at HDF5_DEPTH_MAX. */
static ebb_status depth_raise(hdf5_file *file, hdf5_group *group, uint32_t depth, ebb_error *error)
{
    if (depth > HDF5_DEPTH_MAX) {
        file->work_left = 0; /* the depths are no longer true: nothing more is listed */
        return hdf5_damaged(file, group->address, error,
                            "groups lie in a circle, or in each other over %u deep",
                            HDF5_DEPTH_MAX);
    }
    if (depth <= group->depth) return EBB_OK;
    group->depth = depth;
    for (uint32_t i = 0; i < group->count; i++) {
        if (group->objects[i].kind != HDF5_GROUP) continue;
        ebb_status status = hdf5_charge(file, group->address, 64, error);

        if (status == EBB_OK) {
            status =
                depth_raise(file, *group_place(file, group->objects[i].address), depth + 1, error);
        }
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* -- gathering ----------------------------------------------------------------------------------
 */

static ebb_status entry_add(listing *l, entry e, ebb_error *error)
{
    void *items = l->entries;

    if (e.name_bytes == 0 || memchr(e.name, '/', e.name_bytes) != NULL ||
        memchr(e.name, '\0', e.name_bytes) != NULL) {
        return hdf5_damaged(l->file, l->address, error,
                            "a member of the group has an impossible name");
    }
    if (l->file->objects_left == 0) {
        return hdf5_damaged(l->file, l->address, error, "the file holds over %u objects",
                            HDF5_OBJECTS_MAX);
    }
    l->file->objects_left--;
    const ebb_status status =
        hdf5_scratch_grow(l->file, l->scratch, &items, &l->capacity, l->count, sizeof e, error);
    if (status != EBB_OK) return status;
    l->entries = items;
    l->entries[l->count++] = e;
    return EBB_OK;
}

static ebb_status link_refuse(const listing *l, const char *kind, const char *name, size_t length,
                              ebb_error *error)
{
    return hdf5_unsupported(l->file, l->address, error,
                            "\"%.*s\" is %s; model files may hold only objects of their own",
                            (int)(length < 80 ? length : 80), name, kind);
}

/* One entry of a symbol node. */
static ebb_status symbol_add(listing *l, hdf5_cursor *c, ebb_error *error)
{
    const uint64_t name_offset = hdf5_take_number(c, l->file->address_bytes);
    entry e = {.address = hdf5_take_address(l->file, c)};
    const uint64_t cache = hdf5_take_number(c, 4);
    const uint8_t *name, *end;

    hdf5_take(c, 20);
    if (c->is_bad || name_offset >= l->names_bytes) {
        return hdf5_damaged(l->file, l->address, error,
                            "a symbol whose name lies outside the group's heap");
    }
    name = l->names + name_offset;
    end = memchr(name, '\0', l->names_bytes - (size_t)name_offset);
    if (end == NULL || end - name > UINT16_MAX) {
        return hdf5_damaged(l->file, l->address, error, "a symbol whose name does not end");
    }
    e.name = (const char *)name;
    e.name_bytes = (uint32_t)(end - name);
    if (cache == CACHE_SOFT_LINK) return link_refuse(l, "a soft link", e.name, e.name_bytes, error);
    e.is_kind_known = cache == CACHE_GROUP;
    e.kind = HDF5_GROUP;
    return entry_add(l, e, error);
}

/* A leaf of an old group's B-tree points to a symbol node: "SNOD" 1 0 count | entries. */
static ebb_status symbols_visit(void *context, const uint8_t *key, uint64_t child, ebb_error *error)
{
    listing *const l = context;
    uint8_t prefix[8];
    uint8_t *bytes = NULL;
    ebb_status status = hdf5_read(l->file, child, prefix, sizeof prefix, error);

    (void)key;
    if (status != EBB_OK) return status;
    if (memcmp(prefix, "SNOD", 4) != 0) {
        return hdf5_damaged(l->file, child, error, "expected a symbol node of a group");
    }
    const uint32_t count = (uint32_t)prefix[6] | (uint32_t)prefix[7] << 8;
    const size_t length = count * (24 + 2 * (size_t)l->file->address_bytes);

    status = hdf5_read_new(l->file, l->scratch, child + sizeof prefix, length, &bytes, error);
    if (status != EBB_OK) return status;
    hdf5_cursor c = hdf5_cursor_make(bytes, length);
    for (uint32_t i = 0; i < count && status == EBB_OK; i++) status = symbol_add(l, &c, error);
    return status;
}

static ebb_status old_group_gather(listing *l, const hdf5_header *header, const hdf5_message *m,
                                   ebb_error *error)
{
    hdf5_file *const file = l->file;
    hdf5_cursor c = hdf5_message_cursor(header, m);
    hdf5_btree1 tree = {.node_type = 0, .visit = symbols_visit, .context = l};
    uint8_t heap[8 + 3 * 8];
    const size_t heap_bytes = 8 + 2 * (size_t)file->length_bytes + file->address_bytes;

    tree.address = hdf5_take_address(file, &c);
    tree.key_bytes = file->length_bytes;
    const uint64_t heap_address = hdf5_take_address(file, &c);

    if (c.is_bad)
        return hdf5_damaged(file, l->address, error, "a symbol table message is cut short");
    ebb_status status = hdf5_read(file, heap_address, heap, heap_bytes, error);
    if (status != EBB_OK) return status;
    if (memcmp(heap, "HEAP", 4) != 0) {
        return hdf5_damaged(file, heap_address, error, "expected the local heap of a group");
    }
    c = hdf5_cursor_make(heap + 8, heap_bytes - 8);
    const uint64_t names_bytes = hdf5_take_length(file, &c);

    hdf5_take_length(file, &c);
    const uint64_t names_address = hdf5_take_address(file, &c);
    uint8_t *names = NULL;

    status = hdf5_read_new(file, l->scratch, names_address, names_bytes, &names, error);
    if (status != EBB_OK) return status;
    l->names = names;
    l->names_bytes = (size_t)names_bytes;
    return hdf5_btree1_walk(file, l->scratch, &tree, error);
}

static ebb_status link_add(listing *l, hdf5_cursor *c, ebb_error *error)
{
    const uint64_t version = hdf5_take_number(c, 1);
    const uint64_t flags = hdf5_take_number(c, 1);
    const uint64_t type = (flags & 8) != 0 ? hdf5_take_number(c, 1) : LINK_HARD;
    entry e = {0};

    if ((flags & 4) != 0) hdf5_take(c, 8);
    if ((flags & 16) != 0) hdf5_take(c, 1);
    const uint64_t length = hdf5_take_number(c, (size_t)1 << (flags & 3));

    if (c->is_bad || version != 1 || length > hdf5_left(c) || length > UINT16_MAX) {
        return hdf5_damaged(l->file, l->address, error, "a link message is cut short or damaged");
    }
    e.name = (const char *)hdf5_take(c, (size_t)length);
    e.name_bytes = (uint32_t)length;
    if (type == LINK_EXTERNAL)
        return link_refuse(l, "an external link", e.name, e.name_bytes, error);
    if (type == LINK_SOFT) return link_refuse(l, "a soft link", e.name, e.name_bytes, error);
    if (type != LINK_HARD)
        return link_refuse(l, "a user-defined link", e.name, e.name_bytes, error);
    e.address = hdf5_take_address(l->file, c);
    if (c->is_bad) return hdf5_damaged(l->file, l->address, error, "a link message is cut short");
    return entry_add(l, e, error);
}

/* A record of the name index: hash 4, heap id. */
static ebb_status link_visit(void *context, const uint8_t *record, size_t length, ebb_error *error)
{
    listing *const l = context;
    hdf5_cursor object;

    if (length < 4 + (size_t)l->heap.id_bytes) {
        return hdf5_damaged(l->file, l->address, error, "a link record of %zu bytes", length);
    }
    const ebb_status status =
        hdf5_heap_object(l->file, l->scratch, &l->heap, record + 4, &object, error);
    if (status != EBB_OK) return status;
    return link_add(l, &object, error);
}

static ebb_status new_group_gather(listing *l, const hdf5_header *header, const hdf5_message *m,
                                   ebb_error *error)
{
    hdf5_cursor c = hdf5_message_cursor(header, m);
    ebb_status status = EBB_OK;

    hdf5_take(&c, 1);
    if ((hdf5_take_number(&c, 1) & 1) != 0) hdf5_take(&c, 8);
    const uint64_t heap = hdf5_take_address(l->file, &c), names = hdf5_take_address(l->file, &c);

    if (c.is_bad)
        return hdf5_damaged(l->file, l->address, error, "a link info message is cut short");
    for (uint32_t i = 0; i < header->count && status == EBB_OK; i++) {
        if (header->messages[i].type != HDF5_MESSAGE_LINK) continue;
        hdf5_cursor link = hdf5_message_cursor(header, &header->messages[i]);

        status = link_add(l, &link, error);
    }
    if (status != EBB_OK || heap == HDF5_UNDEFINED) return status;
    status = hdf5_heap_open(l->file, heap, &l->heap, error);
    if (status != EBB_OK) return status;
    const hdf5_btree2 tree = {names, 5, 5, 4 + (size_t)l->heap.id_bytes, link_visit, l};

    return hdf5_btree2_walk(l->file, l->scratch, &tree, error);
}

/* -- listing ------------------------------------------------------------------------------------
 */

static void kind_set(const hdf5_header *header, entry *e)
{
    e->kind = HDF5_GROUP;
    if (hdf5_header_find(header, HDF5_MESSAGE_SYMBOL_TABLE) != NULL) return;
    if (hdf5_header_find(header, HDF5_MESSAGE_LINK_INFO) != NULL) return;
    e->kind = HDF5_DATASET;
    e->is_left_out = hdf5_header_find(header, HDF5_MESSAGE_LAYOUT) == NULL;
}

static int compare_entries(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const uint32_t shorter = x->name_bytes < y->name_bytes ? x->name_bytes : y->name_bytes;
    const int order = memcmp(x->name, y->name, shorter);

    if (order != 0) return order;
    return x->name_bytes < y->name_bytes ? -1 : x->name_bytes > y->name_bytes;
}

/* Finds out what each member is, drops what is neither group nor dataset, sorts, finds duplicates.
 */
static ebb_status entries_finish(listing *l, hdf5_header *header, ebb_error *error)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < l->count; i++) {
        entry e = l->entries[i];

        if (!e.is_kind_known) {
            const ebb_status status =
                hdf5_header_read(l->file, l->scratch, e.address, header, error);

            if (status != EBB_OK) return status;
            kind_set(header, &e);
        }
        if (!e.is_left_out) l->entries[kept++] = e;
    }
    l->count = kept;
    order_sort(l->entries, l->count, sizeof *l->entries, compare_entries);
    for (uint32_t i = 1; i < l->count; i++) {
        if (compare_entries(&l->entries[i - 1], &l->entries[i]) != 0) continue;
        return hdf5_damaged(l->file, l->address, error, "the group has two members \"%.*s\"",
                            (int)(l->entries[i].name_bytes < 80 ? l->entries[i].name_bytes : 80),
                            l->entries[i].name);
    }
    return EBB_OK;
}

/* Copies the entries into the file's region: the list, nodes for groups not met before, names. */
static ebb_status listing_keep(listing *l, uint32_t groups, hdf5_group **result, ebb_error *error)
{
    hdf5_group **place = group_place(l->file, l->address);
    size_t bytes = l->count * sizeof(hdf5_object) + ((size_t)groups + 1) * sizeof(hdf5_group);
    void *memory = NULL;

    for (uint32_t i = 0; i < l->count; i++) bytes += l->entries[i].name_bytes + (size_t)1;
    ebb_status status = hdf5_keep(l->file, bytes, "a group's members", &memory, error);
    if (status != EBB_OK) return status;
    hdf5_group *nodes = memory;
    hdf5_object *objects = (hdf5_object *)(nodes + groups + 1);
    char *names = (char *)(objects + l->count);

    if (*place == NULL) {
        *place = nodes++;
        (*place)->address = l->address;
    }
    hdf5_group *const group = *place;

    group->objects = objects;
    for (uint32_t i = 0; i < l->count && status == EBB_OK; i++) {
        const entry *e = &l->entries[i];

        objects[i] = (hdf5_object){names, e->kind, e->address};
        memcpy(names, e->name, e->name_bytes);
        names += e->name_bytes + 1;
        group->count = i + 1;
        if (e->kind != HDF5_GROUP) continue;
        hdf5_group **child = group_place(l->file, e->address);

        if (*child == NULL) {
            *child = nodes++;
            (*child)->address = e->address;
        }
        status = depth_raise(l->file, *child, group->depth + 1, error);
    }
    group->is_listed = status == EBB_OK;
    *result = group;
    return status;
}

static ebb_status group_list(listing *l, hdf5_group **result, ebb_error *error)
{
    hdf5_header header = {0};
    uint32_t groups = 0;
    ebb_status status = hdf5_header_read(l->file, l->scratch, l->address, &header, error);

    if (status != EBB_OK) return status;
    const hdf5_message *old = hdf5_header_find(&header, HDF5_MESSAGE_SYMBOL_TABLE);
    const hdf5_message *new = hdf5_header_find(&header, HDF5_MESSAGE_LINK_INFO);

    if (old == NULL && new == NULL) {
        return hdf5_damaged(l->file, l->address, error, "expected a group, found another object");
    }
    status = old != NULL ? old_group_gather(l, &header, old, error)
                         : new_group_gather(l, &header, new, error);
    /* Names of links in the header point into its bytes: the headers of members get a buffer of
     * their own. */
    hdf5_header members = {0};

    if (status == EBB_OK) status = entries_finish(l, &members, error);
    if (status != EBB_OK) return status;
    for (uint32_t i = 0; i < l->count; i++) groups += l->entries[i].kind == HDF5_GROUP;
    return listing_keep(l, groups, result, error);
}

ebb_status hdf5_list(hdf5_file *file, uint64_t address, const hdf5_object **objects,
                     uint32_t *count, ebb_error *error)
{
    hdf5_group *group = *group_place(file, address);

    if (group == NULL || !group->is_listed) {
        listing l = {.file = file,
                     .scratch = hdf5_scratch_open(file, HDF5_SCRATCH_BYTES_MAX, error),
                     .address = address};

        if (l.scratch == NULL) return EBB_E_MEMORY;
        const ebb_status status = group_list(&l, &group, error);
        region_close(l.scratch);
        if (status != EBB_OK) return status;
    }
    *objects = group->objects;
    *count = group->count;
    return EBB_OK;
}

/* -- paths --------------------------------------------------------------------------------------
 */

static const hdf5_object *member_find(const hdf5_object *objects, uint32_t count, const char *name,
                                      size_t length)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strncmp(name, objects[middle].name, length);
        const bool is_shorter = order == 0 && objects[middle].name[length] != '\0';

        if (order == 0 && !is_shorter) return &objects[middle];
        if (order < 0 || is_shorter)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

ebb_status hdf5_find(hdf5_file *file, uint64_t address, const char *path, hdf5_object *object,
                     ebb_error *error)
{
    hdf5_object found = {"", HDF5_GROUP, address};

    for (const char *at = path + strspn(path, "/"); *at != '\0';) {
        const size_t length = strcspn(at, "/");
        const hdf5_object *objects = NULL, *member = NULL;
        uint32_t count = 0;

        if (found.kind == HDF5_GROUP) {
            const ebb_status status = hdf5_list(file, found.address, &objects, &count, error);

            if (status != EBB_OK) return status;
            member = member_find(objects, count, at, length);
        }
        if (member == NULL) {
            return fail(error, EBB_E_NOT_FOUND, source_name(file->s),
                        "no \"%.*s\" in \"%.*s\", looking for \"%.200s\"",
                        (int)(length < 80 ? length : 80), at,
                        (int)(at - path < 80 ? at - path : 80), path, path);
        }
        found = *member;
        at += length;
        at += strspn(at, "/");
    }
    *object = found;
    return EBB_OK;
}
