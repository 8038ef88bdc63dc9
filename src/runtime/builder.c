/* builder.c -- life of a builder, its sticky fault, and its lists of layers, nodes and tensors.
 *
 * What callers hold is a number with a mark of the builder in its upper half, so that a tensor of
 * another builder is an answer and not a fault of memory. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/naming.h"
#include "mem/handle.h"
#include "runtime/model_builder.h"
#include "train/nearest.h"

#define NONE UINT32_MAX

/* -- life -------------------------------------------------------------------------------------- */

static void builder_link(runtime *r, builder *b)
{
    pthread_mutex_lock(&r->mutex);
    b->next = r->builders;
    if (b->next != NULL) b->next->previous = b;
    r->builders = b;
    pthread_mutex_unlock(&r->mutex);
}

ebb_status builder_open(runtime *r, const char *name, uint64_t *id, ebb_error *error)
{
    const char *where = name != NULL ? name : "ebb_build_open";
    region *home = region_open(r->root, "builder", EBB_CLASS_META, 0);

    if (home == NULL) return region_fail(r->root, error, where, "a builder");
    builder *b = region_new(home, builder, 1);
    if (b != NULL && name != NULL && name[0] != '\0') b->name = region_text(home, name);
    if (b == NULL || (b->name == NULL && name != NULL && name[0] != '\0')) {
        const ebb_status status = region_fail(home, error, where, "a builder");
        region_close(home);
        return status;
    }
    b->owner = r;
    b->home = home;
    builder_link(r, b);
    *id = b->id = handle_issue(HANDLE_BUILDER, b);
    if (*id != 0) return EBB_OK;
    builder_discard(b);
    return fail(error, EBB_E_MEMORY, where, "no handle left for another builder");
}

void builder_discard(builder *b)
{
    runtime *r = b->owner;

    pthread_mutex_lock(&r->mutex);
    if (b->previous != NULL)
        b->previous->next = b->next;
    else
        r->builders = b->next;
    if (b->next != NULL) b->next->previous = b->previous;
    pthread_mutex_unlock(&r->mutex);
    region_close(b->home);
}

void builders_close(runtime *r)
{
    while (r->builders != NULL) {
        builder *b = r->builders;
        void *object = NULL;
        const uint64_t id = b->id;
        const bool won = handle_close_begin(HANDLE_BUILDER, id, 0, &object);
        builder_discard(b);
        if (won) handle_close_end(id);
    }
}

/* -- faults ------------------------------------------------------------------------------------ */

bool builder_good(const builder *b)
{
    return b->error.status == EBB_OK;
}

bool builder_fail(builder *b, ebb_status status, const char *where, const char *format, ...)
{
    char text[sizeof b->error.text];
    va_list arguments;

    if (!builder_good(b)) return false;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    va_end(arguments);
    fail(&b->error, status, where, "%s", text);
    return false;
}

bool builder_no_memory(builder *b, const char *where)
{
    if (builder_good(b)) region_fail(b->home, &b->error, where, "the builder");
    return false;
}

/* Room for one more item; the old list stays in the region. */
static bool list_grow(builder *b, void **items, uint32_t count, uint32_t *capacity, uint32_t limit,
                      size_t bytes)
{
    if (count < *capacity) return true;
    if (count >= limit) {
        return builder_fail(b, EBB_E_UNSUPPORTED, b->name != NULL ? b->name : "model",
                            "more than %u layers, calls or tensors", limit);
    }
    const uint32_t larger = *capacity == 0 ? 16 : *capacity * 2;
    void *copy = region_alloc(b->home, larger, bytes);
    if (copy == NULL) return builder_no_memory(b, "model");
    if (count > 0) memcpy(copy, *items, count * bytes);
    *items = copy;
    *capacity = larger;
    return true;
}

/* -- layers ------------------------------------------------------------------------------------ */

uint32_t builder_layer_find(const builder *b, const char *name)
{
    for (uint32_t i = 0; i < b->layer_count; i++) {
        if (strcmp(b->layers[i].config.name, name) == 0) return i;
    }
    return NONE;
}

uint32_t builder_layer_wanted(builder *b, const char *name)
{
    char names[160];
    const uint32_t found = name == NULL ? NONE : builder_layer_find(b, name);

    if (found != NONE || !builder_good(b)) return found;
    nearest n = nearest_begin(name != NULL ? name : "");
    for (uint32_t i = 0; i < b->layer_count; i++) nearest_consider(&n, b->layers[i].config.name);
    builder_fail(b, EBB_E_NOT_FOUND, name != NULL ? name : "layer",
                 "there is no layer of that name; nearest are %s",
                 nearest_text(&n, names, sizeof names));
    return NONE;
}

static name_count *name_counter(builder *b, const char *base)
{
    void *items = b->names;

    for (uint32_t i = 0; i < b->name_count; i++) {
        if (strcmp(b->names[i].base, base) == 0) return &b->names[i];
    }
    if (!list_grow(b, &items, b->name_count, &b->name_capacity, BUILDER_LAYERS_MAX,
                   sizeof *b->names)) {
        return NULL;
    }
    b->names = items;
    const char *copy = region_text(b->home, base);
    if (copy == NULL) return builder_no_memory(b, base), NULL;
    b->names[b->name_count] = (name_count){copy, 0};
    return &b->names[b->name_count++];
}

const char *builder_default_name(builder *b, const char *class_name)
{
    char base[96];

    keras_snake_case(class_name, base, sizeof base);
    name_count *counter = name_counter(b, base);
    while (counter != NULL) {
        const uint32_t number = counter->count++;
        const char *name = number == 0 ? region_text(b->home, base)
                                       : region_format(b->home, "%s_%u", base, number);
        if (name == NULL) return builder_no_memory(b, base), NULL;
        if (builder_layer_find(b, name) == NONE) return name;
    }
    return NULL;
}

builder_layer *builder_layer_add(builder *b, const char *name)
{
    void *items = b->layers;

    if (!builder_good(b)) return NULL;
    if (name[0] == '\0' || strchr(name, '/') != NULL) {
        builder_fail(b, EBB_E_ARGUMENT, name, "expected a layer's name without '/', got '%.100s'",
                     name);
        return NULL;
    }
    if (builder_layer_find(b, name) != NONE) {
        builder_fail(b, EBB_E_ARGUMENT, name,
                     "two layers have the name '%.100s'; give one of them another (name='...'), or "
                     "make the layer once and call it twice to share its weights",
                     name);
        return NULL;
    }
    if (!list_grow(b, &items, b->layer_count, &b->layer_capacity, BUILDER_LAYERS_MAX,
                   sizeof *b->layers)) {
        return NULL;
    }
    b->layers = items;
    builder_layer *layer = &b->layers[b->layer_count++];
    *layer = (builder_layer){.config = {.name = name, .module = "keras.layers"}};
    return layer;
}

/* -- nodes ------------------------------------------------------------------------------------- */

/* Counts the tensors of an argument; writes their nodes when there is a place for them. Recursion:
 * as deep as arguments are nested, two levels here and ARGUMENT_DEPTH_MAX in files. */
static uint32_t parents_list(const argument *a, uint32_t *to, uint32_t count)
{
    if (a->kind == ARGUMENT_TENSOR) {
        if (to != NULL) to[count] = a->ref.layer;
        return count + 1;
    }
    for (uint32_t i = 0; a->kind == ARGUMENT_LIST && i < a->item_count; i++)
        count = parents_list(&a->items[i], to, count);
    return count;
}

uint32_t builder_node_add(builder *b, uint32_t layer, const call_config *call)
{
    void *items = b->nodes;
    uint32_t count = 0;

    if (!builder_good(b) || !list_grow(b, &items, b->node_count, &b->node_capacity,
                                       BUILDER_NODES_MAX, sizeof *b->nodes)) {
        return NONE;
    }
    b->nodes = items;
    for (uint32_t i = 0; i < call->argument_count; i++)
        count = parents_list(&call->arguments[i], NULL, count);
    uint32_t *parents = region_new(b->home, uint32_t, (size_t)count + 1);
    if (parents == NULL) return builder_no_memory(b, b->layers[layer].config.name), NONE;
    count = 0;
    for (uint32_t i = 0; i < call->argument_count; i++)
        count = parents_list(&call->arguments[i], parents, count);
    b->nodes[b->node_count] = (builder_node){layer, *call, parents, count};
    return b->node_count++;
}

/* -- what callers hold ------------------------------------------------------------------------- */

static uint64_t mark(const builder *b)
{
    return ((b->id * 0x9E3779B97F4A7C15u) >> 32 | 1) << 32;
}

static bool mark_fits(const builder *b, uint64_t id, uint32_t count)
{
    const uint32_t number = (uint32_t)id;

    return (id & ~(uint64_t)UINT32_MAX) == mark(b) && number > 0 && number <= count;
}

ebb_tensor builder_tensor_make(builder *b, uint32_t node, uint32_t index)
{
    const ebb_tensor none = {0};
    void *items = b->tensors;

    if (node == NONE || !builder_good(b) ||
        !list_grow(b, &items, b->tensor_count, &b->tensor_capacity, BUILDER_NODES_MAX,
                   sizeof *b->tensors)) {
        return none;
    }
    b->tensors = items;
    b->tensors[b->tensor_count++] = (tensor_ref){node, 0, index};
    return (ebb_tensor){mark(b) | b->tensor_count};
}

bool builder_tensor_find(const builder *b, ebb_tensor x, tensor_ref *ref)
{
    if (!mark_fits(b, x.id, b->tensor_count)) return false;
    *ref = b->tensors[(uint32_t)x.id - 1];
    return true;
}

bool builder_tensor_read(builder *b, ebb_tensor x, tensor_ref *ref)
{
    if (!builder_tensor_find(b, x, ref)) {
        return builder_fail(b, EBB_E_ARGUMENT, b->name != NULL ? b->name : "model",
                            x.id == 0 ? "a tensor is missing"
                                      : "a tensor is of another builder; tensors are good for the "
                                        "builder that made them");
    }
    return true;
}

ebb_layer builder_layer_handle(const builder *b, uint32_t layer)
{
    return (ebb_layer){layer == NONE ? 0 : mark(b) | (layer + 1)};
}

bool builder_layer_read(builder *b, ebb_layer layer, uint32_t *index)
{
    if (!mark_fits(b, layer.id, b->layer_count)) {
        return builder_fail(b, EBB_E_ARGUMENT, b->name != NULL ? b->name : "model",
                            "no layer of this builder was given to be called");
    }
    *index = (uint32_t)layer.id - 1;
    return true;
}
