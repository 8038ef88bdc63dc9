/* hdf5_write_tree.c -- the tree of a file to be: groups, datasets, attributes. */
#include "format/hdf5/hdf5_write_internal.h"
#include "tensor/view.h"

static void *no_memory(hdf5_writer *w)
{
    w->no_memory = true;
    return NULL;
}

static void *fault(hdf5_writer *w, ebb_status status, const char *where, const char *text)
{
    if (w->status == EBB_OK) {
        w->status = status;
        w->where = where;
        w->fault = text;
    }
    return NULL;
}

static bool is_failed(const hdf5_writer *w)
{
    return w->no_memory || w->status != EBB_OK;
}

hdf5_writer *hdf5_write_open(region *home)
{
    hdf5_writer *w = region_new(home, hdf5_writer, 1);
    hdf5_item *root = region_new(home, hdf5_item, 1);

    if (w == NULL || root == NULL) return NULL;
    root->name = "";
    w->home = home;
    w->root = w->last = root;
    return w;
}

hdf5_item *hdf5_write_root(const hdf5_writer *w)
{
    return w->root;
}

/* -- names ------------------------------------------------------------------------------------- */

static uint32_t bucket_of(const hdf5_item *parent, const char *name, size_t length)
{
    uint64_t hash = (uint64_t)(uintptr_t)parent * 0x9e3779b97f4a7c15u;

    for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3u;
    return (uint32_t)(hash >> 32) % BUCKETS;
}

static hdf5_item *child_find(const hdf5_writer *w, const hdf5_item *parent, const char *name,
                             size_t length)
{
    hdf5_item *item = w->buckets[bucket_of(parent, name, length)];

    for (; item != NULL; item = item->next_hashed) {
        if (item->parent == parent && strncmp(item->name, name, length) == 0 &&
            item->name[length] == '\0') {
            return item;
        }
    }
    return NULL;
}

static hdf5_item *child_make(hdf5_writer *w, hdf5_item *parent, const char *name, size_t length)
{
    hdf5_item *item = region_new(w->home, hdf5_item, 1);
    char *copy = region_text_length(w->home, name, length);
    hdf5_item **bucket = &w->buckets[bucket_of(parent, name, length)];

    if (item == NULL || copy == NULL) return no_memory(w);
    if (length == 0 || length > NAME_BYTES_MAX || strcmp(copy, ".") == 0)
        return fault(w, EBB_E_ARGUMENT, parent->name, "a name in it is empty, '.' or too long");
    item->name = copy;
    item->parent = parent;
    item->next_hashed = *bucket;
    *bucket = item;
    item->sibling = parent->child;
    parent->child = item;
    parent->child_count++;
    w->last->next = item;
    w->last = item;
    return item;
}

/* Walks "a/b/" of "a/b/c" and leaves *path at "c". */
static hdf5_item *folders_make(hdf5_writer *w, hdf5_item *parent, const char **path)
{
    for (const char *slash; parent != NULL && (slash = strchr(*path, '/')) != NULL;
         *path = slash + 1) {
        const size_t length = (size_t)(slash - *path);
        hdf5_item *found = child_find(w, parent, *path, length);
        if (found == NULL) found = child_make(w, parent, *path, length);
        if (found != NULL && found->is_dataset)
            return fault(w, EBB_E_ARGUMENT, found->name, "is a dataset and cannot hold others");
        parent = found;
    }
    return parent;
}

hdf5_item *hdf5_write_group(hdf5_writer *w, hdf5_item *parent, const char *path)
{
    if (is_failed(w)) return NULL;
    parent = folders_make(w, parent, &path);
    if (parent == NULL || path[0] == '\0') return parent;
    hdf5_item *found = child_find(w, parent, path, strlen(path));
    if (found == NULL) return child_make(w, parent, path, strlen(path));
    return found->is_dataset ? fault(w, EBB_E_ARGUMENT, found->name, "is a dataset, not a group")
                             : found;
}

bool hdf5_write_has(const hdf5_writer *w, const hdf5_item *parent, const char *path)
{
    for (const char *slash; parent != NULL && (slash = strchr(path, '/')) != NULL;
         path = slash + 1) {
        parent = child_find(w, parent, path, (size_t)(slash - path));
    }
    return parent != NULL && child_find(w, parent, path, strlen(path)) != NULL;
}

hdf5_item *hdf5_write_dataset(hdf5_writer *w, hdf5_item *parent, const char *path, ebb_dtype dtype,
                              uint32_t rank, const int64_t *dims)
{
    uint64_t count = 0, bytes = 0;

    if (is_failed(w)) return NULL;
    parent = folders_make(w, parent, &path);
    if (parent == NULL) return NULL;
    if (child_find(w, parent, path, strlen(path)) != NULL)
        return fault(w, EBB_E_ARGUMENT, parent->name, "two datasets in it have one name");
    hdf5_item *item = child_make(w, parent, path, strlen(path));
    if (item == NULL) return NULL;
    if (ebb_dtype_bytes(dtype) == 0)
        return fault(w, EBB_E_ARGUMENT, item->name, "a dataset needs a data type");
    if (rank > EBB_RANK_MAX || !dims_count(rank, dims, &count) ||
        !u64_mul(count, ebb_dtype_bytes(dtype), &bytes)) {
        return fault(w, EBB_E_SHAPE, item->name, "the shape is none that a file can hold");
    }
    item->is_dataset = true;
    item->dtype = dtype;
    item->rank = rank;
    if (rank > 0) memcpy(item->dims, dims, rank * sizeof dims[0]);
    item->data_bytes = bytes;
    if (dtype == EBB_BF16) hdf5_write_text(w, item, "dtype", "bfloat16");
    return item;
}

/* -- attributes -------------------------------------------------------------------------------- */

static hdf5_attribute_out *attribute_make(hdf5_writer *w, hdf5_item *item, const char *name)
{
    hdf5_attribute_out *a = region_new(w->home, hdf5_attribute_out, 1);

    if (a == NULL) return no_memory(w);
    a->name = name;
    if (item->last_attribute == NULL) {
        item->attributes = a;
    } else {
        item->last_attribute->next = a;
    }
    item->last_attribute = a;
    return a;
}

void hdf5_write_text(hdf5_writer *w, hdf5_item *item, const char *name, const char *text)
{
    if (is_failed(w) || item == NULL) return;
    if (strlen(text) > UINT32_MAX) {
        fault(w, EBB_E_ARGUMENT, name, "the text is longer than 4 GiB");
        return;
    }
    hdf5_attribute_out *a = attribute_make(w, item, name);
    if (a == NULL) return;
    a->text = text;
    w->text_count += text[0] != '\0';
}

static uint32_t width_of(const char *const *texts, uint32_t count)
{
    size_t width = 1;

    for (uint32_t i = 0; i < count; i++) {
        const size_t length = strlen(texts[i]);
        if (length > width) width = length;
    }
    return width <= HDF5_ATTRIBUTE_BYTES_MAX ? (uint32_t)width : UINT32_MAX;
}

/* Parts as numpy's array_split: the first ones get one more. */
static void texts_split(hdf5_writer *w, hdf5_item *item, const char *name, const char *const *texts,
                        uint32_t count, uint32_t width, uint32_t parts)
{
    for (uint32_t i = 0, at = 0; i < parts; i++) {
        const uint32_t length = count / parts + (i < count % parts);
        const char *part = parts == 1 ? name : region_format(w->home, "%s%u", name, i);
        hdf5_attribute_out *a = part == NULL ? no_memory(w) : attribute_make(w, item, part);
        if (a == NULL) return;
        a->texts = texts + at;
        a->count = length;
        a->width = width;
        at += length;
    }
}

void hdf5_write_texts(hdf5_writer *w, hdf5_item *item, const char *name, const char *const *texts,
                      uint32_t count)
{
    const uint32_t width = width_of(texts, count);

    if (is_failed(w) || item == NULL) return;
    if (width == UINT32_MAX) {
        fault(w, EBB_E_ARGUMENT, name, "a text in the list is longer than 64512 bytes");
        return;
    }
    const uint32_t most = HDF5_ATTRIBUTE_BYTES_MAX / width;
    texts_split(w, item, name, texts, count, width, count <= most ? 1 : (count + most - 1) / most);
}
