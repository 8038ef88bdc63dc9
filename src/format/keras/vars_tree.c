/* vars_tree.c -- weights kept by object path (.keras, .weights.h5): every group with a child
 * "vars" becomes one tensor group named by its path, tensors in numeric order.
 *
 * Names are made those of newest Keras: "_layer_checkpoint_dependencies" (tf.keras 2.12 to 2.14)
 * is "layers", "\" is "/", and the parts of attention layers have no underscore in front (Keras 2
 * and 3.0 write one). In files of Keras 2 the numbers behind class names are closed up, because
 * 2.12 and 2.13 skip some: conv2d, conv2d_2 -> conv2d, conv2d_1.
 * Source: keras/src/saving/saving_lib.py, tf_keras/src/saving/saving_lib.py.
 */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/reader.h"
#include "format/keras/upgrade.h"
#include "format/order.h"

#define SIBLINGS_MAX 65536

typedef struct walk {
    region *home;
    hdf5_file *file;
    description *d;
    uint32_t capacity, tensors, visited;
    ebb_error *error;
} walk;

/* A child on its way to its new name: "conv2d_2" = base "conv2d", number 2. */
typedef struct sibling {
    const hdf5_object *object;
    uint32_t base_length, number;
} sibling;

static bool is_digits(const char *text)
{
    if (text[0] == '\0') return false;
    return strspn(text, "0123456789") == strlen(text) && strlen(text) < 9;
}

static sibling sibling_of(const hdf5_object *object)
{
    const char *end = strrchr(object->name, '_');
    if (end == NULL || !is_digits(end + 1))
        return (sibling){object, (uint32_t)strlen(object->name), 0};
    return (sibling){object, (uint32_t)(end - object->name), (uint32_t)atoi(end + 1)};
}

static int sibling_compare(const void *a, const void *b)
{
    const sibling *x = a, *y = b;
    const uint32_t shorter = x->base_length < y->base_length ? x->base_length : y->base_length;
    const int order = memcmp(x->object->name, y->object->name, shorter);
    if (order != 0) return order;
    if (x->base_length != y->base_length) return x->base_length < y->base_length ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number ? 1 : 0;
}

static int number_compare(const void *a, const void *b)
{
    const hdf5_object *x = *(const hdf5_object *const *)a, *y = *(const hdf5_object *const *)b;
    const int i = atoi(x->name), k = atoi(y->name);
    return i != k ? (i < k ? -1 : 1) : strcmp(x->name, y->name);
}

static bool is_layers(const char *name)
{
    return strcmp(name, "layers") == 0 || strcmp(name, "_layer_checkpoint_dependencies") == 0;
}

/* "a/b" with the names of newest Keras. */
static const char *path_join(walk *w, const char *path, const char *name)
{
    if (strcmp(name, "_layer_checkpoint_dependencies") == 0) name = "layers";
    if (name_in("|_query_dense|_key_dense|_value_dense|_output_dense|", name)) name++;
    char *joined =
        path[0] == '\0' ? region_text(w->home, name) : region_format(w->home, "%s/%s", path, name);
    for (char *c = joined; c != NULL && *c != '\0'; c++) {
        if (*c == '\\') *c = '/';
    }
    return joined;
}

static ebb_status no_memory(walk *w)
{
    return region_fail(w->home, w->error, "weights", "the directory of tensors");
}

static tensor_group *group_add(walk *w)
{
    description *d = w->d;
    if (d->group_count == w->capacity) {
        const uint32_t capacity = w->capacity * 2 + 16;
        tensor_group *groups = region_new(w->home, tensor_group, capacity);
        if (groups == NULL) return NULL;
        if (d->group_count > 0) memcpy(groups, d->groups, d->group_count * sizeof *groups);
        d->groups = groups;
        w->capacity = capacity;
    }
    return &d->groups[d->group_count++];
}

static ebb_status vars_read(walk *w, uint64_t address, const char *path)
{
    const hdf5_object *objects = NULL;
    uint32_t count = 0;
    ebb_status status = hdf5_list(w->file, address, &objects, &count, w->error);

    if (status != EBB_OK) return status;
    w->tensors += count;
    if (w->tensors > TENSORS_MAX)
        return fail(w->error, EBB_E_FORMAT, path, "more than %d tensors", TENSORS_MAX);
    const hdf5_object **sorted = region_new(w->home, const hdf5_object *, (size_t)count + 1);
    tensor_entry *entries = region_new(w->home, tensor_entry, (size_t)count + 1);
    tensor_group *group = group_add(w);
    if (sorted == NULL || entries == NULL || group == NULL) return no_memory(w);
    for (uint32_t i = 0; i < count; i++) sorted[i] = &objects[i];
    order_sort(sorted, count, sizeof *sorted, number_compare);
    *group = (tensor_group){.name = path, .tensors = entries};
    const char *vars = path_join(w, path, "vars");
    for (uint32_t i = 0; i < count && status == EBB_OK; i++) {
        if (sorted[i]->kind != HDF5_DATASET || vars == NULL) continue;
        status = tensor_entry_open(w->home, w->file, sorted[i]->address,
                                   path_join(w, vars, sorted[i]->name), sorted[i]->name,
                                   &entries[group->count++], w->error);
    }
    return vars == NULL ? no_memory(w) : status;
}

static ebb_status group_walk(walk *w, uint64_t address, const char *path, bool in_layers,
                             uint32_t depth);

/* Layers of Keras 2, renumbered. */
static ebb_status siblings_walk(walk *w, const hdf5_object *objects, uint32_t count,
                                const char *path, uint32_t depth)
{
    sibling *siblings = region_new(w->home, sibling, (size_t)count + 1);
    uint32_t number = 0;

    if (siblings == NULL) return no_memory(w);
    for (uint32_t i = 0; i < count; i++) siblings[i] = sibling_of(&objects[i]);
    order_sort(siblings, count, sizeof *siblings, sibling_compare);
    for (uint32_t i = 0; i < count; i++) {
        const sibling *s = &siblings[i], *before = i > 0 ? s - 1 : NULL;
        const bool is_same = before != NULL && before->base_length == s->base_length &&
                             memcmp(before->object->name, s->object->name, s->base_length) == 0;
        number = is_same ? number + 1 : 0;
        char *name = region_text_length(w->home, s->object->name, s->base_length);
        if (name != NULL && number > 0) name = region_format(w->home, "%s_%u", name, number);
        const char *child = name == NULL ? NULL : path_join(w, path, name);
        if (child == NULL) return no_memory(w);
        if (s->object->kind != HDF5_GROUP) continue;
        const ebb_status status = group_walk(w, s->object->address, child, false, depth + 1);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* Recursion: GROUP_DEPTH_MAX; the number of groups is bounded too, as links may lead to one group
 * twice. */
static ebb_status group_walk(walk *w, uint64_t address, const char *path, bool in_layers,
                             uint32_t depth)
{
    const hdf5_object *objects = NULL;
    uint32_t count = 0;

    if (depth > GROUP_DEPTH_MAX || ++w->visited > GROUPS_MAX) {
        return fail(w->error, EBB_E_FORMAT, path,
                    "too many groups, or nested too deep (at most %d, %d)", GROUPS_MAX,
                    GROUP_DEPTH_MAX);
    }
    const ebb_status listed = hdf5_list(w->file, address, &objects, &count, w->error);
    if (listed != EBB_OK) return listed;
    if (in_layers && w->d->keras_major == 2 && count <= SIBLINGS_MAX) {
        return siblings_walk(w, objects, count, path, depth);
    }
    for (uint32_t i = 0; i < count; i++) {
        const hdf5_object *o = &objects[i];
        if (o->kind != HDF5_GROUP) continue;
        ebb_status status;
        if (strcmp(o->name, "vars") == 0 && !in_layers) {
            status = vars_read(w, o->address, path);
        } else {
            const char *child = path_join(w, path, o->name);
            if (child == NULL) return no_memory(w);
            status = group_walk(w, o->address, child, is_layers(o->name), depth + 1);
        }
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

ebb_status vars_tree_read(region *home, hdf5_file *file, description *d, ebb_error *error)
{
    walk w = {.home = home, .file = file, .d = d, .error = error};
    d->layout = WEIGHTS_BY_PATH;
    const ebb_status status = group_walk(&w, hdf5_root(file), "", false, 0);
    if (status == EBB_OK) d->optimizer = description_group(d, "optimizer");
    return status;
}

ebb_status vars_tree_is(hdf5_file *file, bool *is_tree, ebb_error *error)
{
    static const char *const names[] = {"layers", "_layer_checkpoint_dependencies", "vars"};
    hdf5_object object;

    *is_tree = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !*is_tree; i++) {
        const ebb_status status = hdf5_find(file, hdf5_root(file), names[i], &object, error);
        if (status != EBB_OK && status != EBB_E_NOT_FOUND) return status;
        *is_tree = status == EBB_OK;
    }
    return EBB_OK;
}
