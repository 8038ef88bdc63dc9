/* build.c -- what build functions use: arguments, weights, scopes, children, axes and casts.
 *
 * A weight is known by its object path and name: the first call of a layer makes it, later calls
 * find it. */
#include "layer/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "layer/assembly.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

bool layer_fail(layer_build *b, ebb_status status, const char *format, ...)
{
    if (!graph_ok(b->graph)) return false;
    char text[sizeof(((ebb_error *)0)->text)];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    va_end(arguments);
    fail(&b->graph->error, status, b->instance->title, "%s: %s", b->instance->class_name, text);
    return false;
}

static bool no_memory(layer_build *b)
{
    return layer_fail(b, EBB_E_MEMORY, "no memory for the layer");
}

const call_argument *call_find(const layer_call *call, uint32_t index, const char *name)
{
    static const call_argument none = {0};
    for (uint32_t i = 0; i < call->argument_count; i++) {
        const call_argument *a = &call->arguments[i];
        if (a->name == NULL ? i == index : name != NULL && strcmp(a->name, name) == 0) return a;
    }
    return &none;
}

/* -- weights --------------------------------------------------------------------------------------
 */

static const char *object_path(layer_build *b)
{
    const char *base = b->instance->path;
    if (b->scope[0] == '\0') return base;
    return region_format(b->home, "%s%s%s", base, base[0] != '\0' ? "/" : "", b->scope);
}

static layer_weight *weight_find(const layer_instance *i, const char *path, const char *name)
{
    for (uint32_t k = 0; k < i->weight_count; k++) {
        layer_weight *w = &i->weights[k];
        if (strcmp(w->name, name) == 0 && strcmp(w->path, path) == 0) return w;
    }
    return NULL;
}

static bool weight_agrees(layer_build *b, const layer_weight *w, uint32_t rank, const int64_t *dims)
{
    if (w->rank == rank && memcmp(w->dims, dims, rank * sizeof dims[0]) == 0) return true;
    char have[96], want[96];
    return layer_fail(
        b, EBB_E_SHAPE,
        "a later call needs weight '%s' of shape %s, the first made it %s; shared layers "
        "must see inputs with the same last axes",
        w->name, dims_text(rank, dims, want, sizeof want),
        dims_text(w->rank, w->dims, have, sizeof have));
}

static layer_weight *weight_slot(layer_build *b)
{
    layer_instance *i = b->instance;
    if (i->weight_count == i->weight_capacity) {
        const uint32_t capacity = i->weight_capacity == 0 ? 4 : i->weight_capacity * 2;
        layer_weight *larger = region_new(b->home, layer_weight, capacity);
        if (larger == NULL) return NULL;
        if (i->weight_count > 0) memcpy(larger, i->weights, i->weight_count * sizeof *larger);
        i->weights = larger;
        i->weight_capacity = capacity;
    }
    return &i->weights[i->weight_count];
}

static ebb_dtype compute_dtype(ebb_dtype stored)
{
    if (stored == EBB_BOOL) return EBB_BOOL;
    return dtype_is_integer(stored) ? EBB_I32 : EBB_F32;
}

static bool weight_dims_fit(layer_build *b, const char *name, uint32_t rank, const int64_t *dims)
{
    uint64_t count = 0;
    if (rank <= EBB_RANK_MAX && dims_count(rank, dims, &count) && count <= UINT64_MAX / 16)
        return true;
    return layer_fail(b, EBB_E_SHAPE, "weight '%s' of rank %u has dimensions that cannot be", name,
                      rank);
}

static void weight_number(layer_weight *w, const layer_instance *i)
{
    for (uint32_t k = 0; k < i->weight_count; k++) {
        if (strcmp(i->weights[k].path, w->path) == 0) w->variable++;
    }
}

value build_weight(layer_build *b, const char *name, uint32_t rank, const int64_t *dims,
                   const weight_options *options)
{
    static const weight_options defaults = {0};
    if (options == NULL) options = &defaults;
    if (!graph_ok(b->graph)) return VALUE_NONE;
    const char *path = object_path(b);
    if (path == NULL) return no_memory(b), VALUE_NONE;
    const layer_weight *known = weight_find(b->instance, path, name);
    if (known != NULL) return weight_agrees(b, known, rank, dims) ? known->computed : VALUE_NONE;
    if (!weight_dims_fit(b, name, rank, dims)) return VALUE_NONE;
    layer_weight *w = weight_slot(b);
    if (w == NULL) return no_memory(b), VALUE_NONE;
    ebb_dtype dtype =
        options->dtype != EBB_DTYPE_NONE ? options->dtype : b->instance->variable_dtype;
    if (dtype == EBB_DTYPE_NONE) dtype = EBB_F32;
    *w = (layer_weight){.name = region_text(b->home, name),
                        .title = b->scope[0] == '\0' ? b->instance->title
                                                     : region_format(b->home, "%s/%s",
                                                                     b->instance->title, b->scope),
                        .path = path,
                        .index = b->assembly->weight_count,
                        .dtype = dtype,
                        .rank = rank,
                        .trainable = !options->is_not_trainable && b->instance->trainable,
                        .is_state = options->is_not_trainable};
    if (w->name == NULL || w->title == NULL) return no_memory(b), VALUE_NONE;
    shape s = {.rank = rank};
    for (uint32_t i = 0; i < rank; i++) s.dims[i] = w->dims[i] = dims[i];
    w->v = b->assembly->options->has_variables ? graph_variable(b->graph, dtype, &s, w->index)
                                               : graph_weight(b->graph, dtype, &s, w->index);
    w->latest = w->v;
    w->computed = op_cast(b->graph, w->v, compute_dtype(dtype));
    if (!graph_ok(b->graph)) return VALUE_NONE;
    weight_number(w, b->instance);
    weight_settings_read(b->instance, w);
    b->instance->weight_count++;
    b->assembly->weight_count++;
    const weight_watch *watch = b->instance->watch;
    if (watch != NULL) watch->made(watch->context, w);
    return w->computed;
}

layer_weight *build_weight_find(layer_build *b, const char *name)
{
    const char *path = graph_ok(b->graph) ? object_path(b) : NULL;
    if (path == NULL && graph_ok(b->graph)) no_memory(b);
    return path != NULL ? weight_find(b->instance, path, name) : NULL;
}

void build_scope_push(layer_build *b, const char *attribute)
{
    const char *scope = b->scope[0] == '\0' ? region_text(b->home, attribute)
                                            : region_format(b->home, "%s/%s", b->scope, attribute);
    if (scope == NULL)
        no_memory(b);
    else
        b->scope = scope;
}

void build_scope_pop(layer_build *b)
{
    const char *end = strrchr(b->scope, '/');
    const char *outer =
        end == NULL ? "" : region_text_length(b->home, b->scope, (size_t)(end - b->scope));
    if (outer == NULL)
        no_memory(b);
    else
        b->scope = outer;
}

void build_adopt(layer_build *b, const layer_instance *child, const char *name)
{
    b->instance->adopted_from = child;
    b->instance->adopted_name = name;
}

/* -- children -------------------------------------------------------------------------------------
 */

static bool child_add(layer_build *b, layer_instance *child)
{
    layer_instance *i = b->instance;
    if (i->child_count == i->child_capacity) {
        const uint32_t capacity = i->child_capacity == 0 ? 2 : i->child_capacity * 2;
        layer_instance **larger = region_new(b->home, layer_instance *, capacity);
        if (larger == NULL) return no_memory(b);
        if (i->child_count > 0) memcpy(larger, i->children, i->child_count * sizeof larger[0]);
        i->children = larger;
        i->child_capacity = capacity;
    }
    i->children[i->child_count++] = child;
    return true;
}

layer_instance *build_child(layer_build *b, const char *attribute, const json *object)
{
    if (!graph_ok(b->graph)) return NULL;
    const char *outer = object_path(b);
    const char *path = outer == NULL ? NULL : region_format(b->home, "%s/%s", outer, attribute);
    const char *title = region_format(b->home, "%s/%s", b->instance->title, attribute);
    if (path == NULL || title == NULL) return no_memory(b), NULL;
    for (uint32_t k = 0; k < b->instance->child_count; k++) {
        if (strcmp(b->instance->children[k]->path, path) == 0) return b->instance->children[k];
    }
    layer_instance *child =
        instance_make_json(b->assembly, object, path, title, b->instance->trainable, b->depth + 1);
    if (child == NULL || !instance_works(child)) return NULL;
    return child_add(b, child) ? child : NULL;
}

bool build_child_call(layer_build *b, layer_instance *child, layer_call *call)
{
    return instance_call(b->assembly, child, b->depth + 1, call);
}

void build_mask_drop(layer_build *b, const layer_tensor *t)
{
    assembly *a = b->assembly;
    if (t->mask == VALUE_NONE || !graph_ok(b->graph) || assembly_mask_is_lost(a, t->v)) return;
    if (a->unmasked_count == a->unmasked_capacity) {
        const uint32_t capacity = a->unmasked_capacity == 0 ? 8 : a->unmasked_capacity * 2;
        value *larger = region_new(b->home, value, capacity);
        if (larger == NULL) {
            no_memory(b);
            return;
        }
        if (a->unmasked_count > 0) memcpy(larger, a->unmasked, a->unmasked_count * sizeof *larger);
        a->unmasked = larger;
        a->unmasked_capacity = capacity;
    }
    a->unmasked[a->unmasked_count++] = t->v;
}

/* -- small help -----------------------------------------------------------------------------------
 */

int build_axis(layer_build *b, value v, int64_t axis)
{
    if (!graph_ok(b->graph)) return -1;
    const int64_t rank = graph_rank(b->graph, v);
    if (axis >= -rank && axis < rank) return (int)(axis < 0 ? axis + rank : axis);
    layer_fail(b, EBB_E_SHAPE, "axis %lld is outside a tensor of rank %lld", (long long)axis,
               (long long)rank);
    return -1;
}

int64_t build_known_dim(layer_build *b, value v, int axis, const char *what)
{
    const int at = build_axis(b, v, axis);
    if (at < 0) return -1;
    const dim d = graph_dim(b->graph, v, at);
    if (dim_known(d)) return d;
    char text[160];
    layer_fail(b, EBB_E_SHAPE, "%s (axis %d) must be a known number; the shape is %s", what, axis,
               shape_text(b->graph, graph_shape(b->graph, v), text, sizeof text));
    return -1;
}

value build_channels_last(layer_build *b, value v)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    const uint32_t rank = graph_rank(b->graph, v);
    if (rank < 3) return v;
    uint32_t order[EBB_RANK_MAX] = {0};
    for (uint32_t i = 1; i + 1 < rank; i++) order[i] = i + 1;
    order[rank - 1] = 1;
    return op_transpose(b->graph, v, order);
}

value build_channels_first(layer_build *b, value v)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    const uint32_t rank = graph_rank(b->graph, v);
    if (rank < 3) return v;
    uint32_t order[EBB_RANK_MAX] = {0};
    order[1] = rank - 1;
    for (uint32_t i = 2; i < rank; i++) order[i] = i - 1;
    return op_transpose(b->graph, v, order);
}

value build_f32(layer_build *b, value v)
{
    return op_cast(b->graph, v, EBB_F32);
}

value build_i32(layer_build *b, value v)
{
    return op_cast(b->graph, v, EBB_I32);
}
