/* object_graph.c -- see object_graph.h.
 *
 * Looking at children is counted, so that a graph made to be slow is refused. */
#include "format/savedmodel/object_graph.h"

#include <string.h>

#include "base/status.h"
#include "format/keras/reader.h"

#define LOOKS_MAX ((uint64_t)1 << 28)
#define NO_OBJECT UINT32_MAX

static const char graph_key[] = "_CHECKPOINTABLE_OBJECT_GRAPH";

typedef struct walk {
    region *home, *scratch;
    const bundle *b;
    const checkpoint_objects_message *objects;
    const char **names; /* of layers, by object; NULL: not told */
    description *d;
    uint32_t tensors;
    uint64_t looks;
    ebb_error *error;
} walk;

ebb_status object_graph_read(region *scratch, const bundle *b,
                             const checkpoint_objects_message **result, ebb_error *error)
{
    const bundle_entry *e = bundle_find(b, graph_key);
    const uint8_t *bytes = NULL;
    const void *message = NULL;
    size_t length = 0;

    *result = NULL;
    if (e == NULL) return EBB_OK;
    ebb_status status = bundle_text(scratch, b, e, &bytes, &length, error);
    if (status == EBB_OK) {
        status = message_read(scratch, &ebb__read__checkpoint_objects__descriptor, bytes, length,
                              graph_key, &message, error);
    }
    *result = message;
    return status;
}

static const char *value_key(const checkpoint_object_message *o, const char **full_name)
{
    for (size_t i = 0; i < o->n_attributes; i++) {
        if (strcmp(o->attributes[i]->name, "VARIABLE_VALUE") != 0) continue;
        if (full_name != NULL) *full_name = o->attributes[i]->full_name;
        return o->attributes[i]->checkpoint_key;
    }
    return NULL;
}

const char *object_key_by_name(const checkpoint_objects_message *objects, const char *full_name)
{
    const char *found = NULL;

    for (size_t i = 0; objects != NULL && i < objects->n_nodes; i++) {
        const char *name = NULL, *key = value_key(objects->nodes[i], &name);
        if (key == NULL || strcmp(name, full_name) != 0) continue;
        if (found != NULL && strcmp(found, key) != 0) return NULL;
        found = key;
    }
    return found;
}

static uint32_t child_find(walk *w, uint32_t object, const char *name)
{
    const checkpoint_object_message *o = w->objects->nodes[object];

    for (size_t i = 0; i < o->n_children; i++) {
        w->looks++;
        if (strcmp(o->children[i]->local_name, name) != 0) continue;
        const int32_t id = o->children[i]->node_id;
        return id >= 0 && (size_t)id < w->objects->n_nodes ? (uint32_t)id : NO_OBJECT;
    }
    return NO_OBJECT;
}

/* The number of an item, "3" or "layer-3"; UINT32_MAX: no number. */
static uint32_t number_of(const char *name, const char *prefix)
{
    const size_t length = strlen(prefix);
    uint64_t number = 0;

    if (strncmp(name, prefix, length) != 0 || name[length] == '\0') return UINT32_MAX;
    for (const char *at = name + length; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || number > GROUPS_MAX) return UINT32_MAX;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

/* Children prefix0, prefix1, ... of an object in their order; those that are missing are left out.
 * NULL: no memory. */
static uint32_t *items_list(walk *w, uint32_t object, const char *prefix, uint32_t *count)
{
    const checkpoint_object_message *o = w->objects->nodes[object];
    uint32_t *items = region_new(w->scratch, uint32_t, o->n_children + 1);
    uint32_t found = 0;

    *count = 0;
    if (items == NULL) return NULL;
    for (size_t i = 0; i < o->n_children; i++) items[i] = NO_OBJECT;
    for (size_t i = 0; i < o->n_children; i++) {
        const uint32_t number = number_of(o->children[i]->local_name, prefix);
        const int32_t id = o->children[i]->node_id;
        w->looks++;
        if (number < o->n_children && id >= 0 && (size_t)id < w->objects->n_nodes)
            items[number] = (uint32_t)id;
    }
    for (size_t i = 0; i < o->n_children; i++) {
        if (items[i] != NO_OBJECT) items[found++] = items[i];
    }
    *count = found;
    return items;
}

static ebb_status no_memory(walk *w)
{
    return region_fail(w->home, w->error, w->d->path, "the directory of tensors");
}

static ebb_status variable_add(walk *w, tensor_group *group, uint32_t object)
{
    const char *full_name = "", *key = value_key(w->objects->nodes[object], &full_name);

    if (key == NULL) return EBB_OK; /* kept in another way: a table, a generator */
    const bundle_entry *e = bundle_find(w->b, key);
    if (e == NULL) {
        return fail(w->error, EBB_E_FORMAT, w->b->path,
                    "the model has a variable '%.120s' (%.80s), the checkpoint has no value for it",
                    key, full_name);
    }
    const char *path = region_text(w->home, key), *name = region_text(w->home, full_name);
    if (path == NULL || name == NULL) return no_memory(w);
    const ebb_status status =
        bundle_tensor(w->home, w->b, e, path, name, &group->tensors[group->count], w->error);
    group->count += status == EBB_OK;
    return status;
}

/* Layers that tf.keras makes anew from their configuration (preprocessing layers, as Normalization)
 * have no lists: their variables are the attributes they were assigned to, first names first. */
static uint32_t *attributes_list(walk *w, uint32_t layer, uint32_t *count)
{
    const checkpoint_object_message *o = w->objects->nodes[layer];
    uint32_t *items = region_new(w->scratch, uint32_t, o->n_children + 1);

    *count = 0;
    for (size_t i = 0; items != NULL && i < o->n_children; i++) {
        const int32_t id = o->children[i]->node_id;
        const char *full_name = NULL;
        uint32_t k = 0;
        w->looks++;
        if (id < 0 || (size_t)id >= w->objects->n_nodes) continue;
        if (value_key(w->objects->nodes[id], &full_name) == NULL) continue;
        while (k < *count && items[k] != (uint32_t)id) k++;
        w->looks += k;
        if (k == *count) items[(*count)++] = (uint32_t)id;
        if (w->looks > LOOKS_MAX) break;
    }
    return items;
}

/* Lists that hold a layer's variables: trainable ones, then the others. */
static ebb_status layer_add(walk *w, uint32_t layer, const char *name, tensor_group *group)
{
    uint32_t lists[2] = {child_find(w, layer, "trainable_variables"), NO_OBJECT};
    const uint32_t keras = child_find(w, layer, "keras_api");
    uint32_t *items[2] = {NULL, NULL};
    uint32_t counts[2] = {0, 0};

    if (keras != NO_OBJECT) lists[1] = child_find(w, keras, "non_trainable_variables");
    if (lists[0] == NO_OBJECT && lists[1] == NO_OBJECT)
        lists[0] = child_find(w, layer, "variables");
    for (uint32_t k = 0; k < 2; k++) {
        if (lists[k] == NO_OBJECT) continue;
        items[k] = items_list(w, lists[k], "", &counts[k]);
        if (items[k] == NULL) return no_memory(w);
    }
    if (lists[0] == NO_OBJECT && lists[1] == NO_OBJECT) {
        items[0] = attributes_list(w, layer, &counts[0]);
        if (items[0] == NULL) return no_memory(w);
    }
    w->tensors += counts[0] + counts[1];
    if (w->tensors > TENSORS_MAX || w->looks > LOOKS_MAX)
        return fail(w->error, EBB_E_FORMAT, w->b->path, "the checkpoint holds too many objects");
    *group = (tensor_group){
        .name = name,
        .tensors = region_new(w->home, tensor_entry, (size_t)counts[0] + counts[1] + 1)};
    if (group->tensors == NULL) return no_memory(w);
    for (uint32_t k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < counts[k]; i++) {
            const ebb_status status = variable_add(w, group, items[k][i]);
            if (status != EBB_OK) return status;
        }
    }
    return EBB_OK;
}

/* Names of layers stand in their metadata. */
static ebb_status names_read(walk *w, const keras_objects *k)
{
    w->names = region_new(w->scratch, const char *, w->objects->n_nodes);
    if (w->names == NULL) return no_memory(w);
    for (uint32_t i = 0; i < k->layer_count; i++) {
        const keras_object *layer = &k->layers[i];
        const json *object = NULL;
        ebb_error ignored;
        if (strncmp(layer->path, "layer", 5) != 0 || strchr(layer->path, '.') != NULL) continue;
        const uint32_t at = child_find(w, 0, layer->path);
        if (w->looks > LOOKS_MAX) break;
        if (at == NO_OBJECT || w->names[at] != NULL) continue;
        const ebb_status status = json_read(w->scratch, layer->metadata, strlen(layer->metadata),
                                            layer->path, &object, &ignored);
        if (status == EBB_E_MEMORY) return no_memory(w);
        const char *name = status == EBB_OK ? json_text(json_get(object, "name"), NULL) : NULL;
        if (name == NULL) continue;
        w->names[at] = region_text(w->home, name);
        if (w->names[at] == NULL) return no_memory(w);
    }
    return EBB_OK;
}

ebb_status object_groups_read(region *home, region *scratch, const bundle *b,
                              const checkpoint_objects_message *objects, const keras_objects *names,
                              description *d, ebb_error *error)
{
    walk w = {.home = home, .scratch = scratch, .b = b, .objects = objects, .d = d, .error = error};
    uint32_t count = 0;

    d->layout = WEIGHTS_BY_ORDER;
    if (objects == NULL || objects->n_nodes == 0) return EBB_OK;
    ebb_status status = names_read(&w, names);
    if (status != EBB_OK) return status;
    const uint32_t *layers = items_list(&w, 0, "layer-", &count);
    if (layers == NULL) return no_memory(&w);
    d->groups = region_new(home, tensor_group, (size_t)count + 1);
    if (d->groups == NULL) return no_memory(&w);
    for (uint32_t i = 0; i < count && status == EBB_OK; i++) {
        const char *name = w.names[layers[i]];
        if (name == NULL) name = region_format(home, "layer-%u", i);
        if (name == NULL) return no_memory(&w);
        status = layer_add(&w, layers[i], name, &d->groups[d->group_count]);
        d->group_count += status == EBB_OK;
    }
    return status;
}
