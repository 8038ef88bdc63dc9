/* operation_index.c -- keras.ops that pick elements: x[...], take, one_hot, triangles.
 * Source: keras/src/ops/numpy.py (GetItem, Take, ...), core.py (Slice), nn.py (OneHot). */
#include <string.h>

#include "layer/operation.h"

/* -- x[key]
 * -------------------------------------------------------------------------------------------- */

typedef enum key_kind { KEY_NUMBER, KEY_SLICE, KEY_NEW_AXIS, KEY_ELLIPSIS, KEY_OTHER } key_kind;

typedef struct picker {
    layer_build *b;
    graph *g;
    value x;
    uint32_t axis; /* of x, next to be used */
    slice_attributes slice;
    shape to; /* of the result */
    dim lengths[EBB_RANK_MAX];
} picker;

static key_kind key_of(const json *key)
{
    if (json_is_null(key)) return KEY_NEW_AXIS;
    if (key->kind == JSON_INTEGER) return KEY_NUMBER;
    const char *class_name = json_text(json_get(key, "class_name"), "");
    if (strcmp(class_name, "__slice__") == 0) return KEY_SLICE;
    return strcmp(class_name, "__ellipsis__") == 0 ? KEY_ELLIPSIS : KEY_OTHER;
}

/* A bound as Python reads it: negative ones count from the end, all are cut to [low, high]. */
static dim bound_read(graph *g, const json *bound, dim length, dim otherwise, dim low, dim high)
{
    if (json_is_null(bound)) return otherwise;
    const int64_t n = json_integer(bound, 0);
    if (n < 0) {
        const dim at = dim_make(g, DIM_SUB, length, -(n < -INT32_MAX ? -INT32_MAX : n));
        return low == -1
                   ? dim_make(g, DIM_SUB, dim_make(g, DIM_MAX, dim_make(g, DIM_ADD, at, 1), 0), 1)
                   : dim_make(g, DIM_MAX, at, low);
    }
    return operation_min(g, n, high);
}

static bool slice_apply(picker *p, const json *key)
{
    const json *config = json_get(key, "config");
    const dim length = p->lengths[p->axis];
    const int64_t step = json_integer(json_get(config, "step"), 1);
    graph *g = p->g;
    if (step == 0 || step > INT32_MAX || step < -INT32_MAX) {
        return layer_fail(p->b, EBB_E_FORMAT, "a slice with step %lld", (long long)step);
    }
    const json *start_key = json_get(config, "start"), *stop_key = json_get(config, "stop");
    if (step < 0 &&
        (!dim_known(length) || (!json_is_null(stop_key) && json_integer(stop_key, 0) < 0 &&
                                json_integer(stop_key, 0) < -length))) {
        stop_key = NULL;
    }
    dim start, count;
    if (step > 0) {
        start = bound_read(g, start_key, length, 0, 0, length);
        const dim stop = bound_read(g, stop_key, length, length, 0, length);
        const dim span = dim_make(g, DIM_SUB, dim_make(g, DIM_MAX, stop, start), start);
        count = dim_make(g, DIM_DIV_UP, span, step);
    } else {
        const dim last = dim_make(g, DIM_SUB, length, 1);
        start = bound_read(g, start_key, length, last, 0, last);
        const dim above =
            json_is_null(stop_key)
                ? 0
                : dim_make(g, DIM_ADD, bound_read(g, stop_key, length, 0, 0, last), 1);
        const dim end = dim_make(g, DIM_ADD, start, 1);
        const dim span = dim_make(g, DIM_SUB, dim_make(g, DIM_MAX, end, above), above);
        count = dim_make(g, DIM_DIV_UP, span, -step);
    }
    p->slice.start[p->axis] = start;
    p->slice.length[p->axis] = count;
    p->slice.step[p->axis] = step;
    p->to.dims[p->to.rank++] = count;
    p->axis++;
    return graph_ok(g);
}

static bool number_apply(picker *p, const json *key)
{
    const int64_t n = key->as.integer;
    const dim length = p->lengths[p->axis];
    if (n > INT32_MAX || n < -INT32_MAX || (dim_known(length) && (n >= length || n < -length))) {
        char text[160];
        return layer_fail(p->b, EBB_E_SHAPE, "index %lld is outside axis %u of %s", (long long)n,
                          p->axis, shape_text(p->g, graph_shape(p->g, p->x), text, sizeof text));
    }
    p->slice.start[p->axis] = n < 0 ? dim_make(p->g, DIM_SUB, length, -n) : n;
    p->slice.length[p->axis] = 1;
    p->axis++;
    return graph_ok(p->g);
}

static void axes_skip(picker *p, uint32_t count)
{
    for (; count > 0; count--) p->to.dims[p->to.rank++] = p->lengths[p->axis++];
}

static bool key_apply(picker *p, const json *key, uint32_t covered)
{
    const key_kind kind = key_of(key);
    const uint32_t rank = graph_rank(p->g, p->x);
    char text[80];
    if (p->to.rank >= EBB_RANK_MAX)
        return layer_fail(p->b, EBB_E_UNSUPPORTED, "the result has too many axes");
    if ((kind == KEY_NUMBER || kind == KEY_SLICE) && p->axis >= rank) {
        return layer_fail(p->b, EBB_E_SHAPE, "more indices than the tensor has axes");
    }
    switch (kind) {
    case KEY_NUMBER: return number_apply(p, key);
    case KEY_SLICE: return slice_apply(p, key);
    case KEY_NEW_AXIS: p->to.dims[p->to.rank++] = 1; return true;
    case KEY_ELLIPSIS: axes_skip(p, covered); return true;
    case KEY_OTHER: break;
    }
    return layer_fail(p->b, EBB_E_UNSUPPORTED, "an index that is %s",
                      json_describe(key, text, sizeof text));
}

static bool keys_apply(picker *p, const json *keys, uint32_t count)
{
    const uint32_t rank = graph_rank(p->g, p->x);
    uint32_t used = 0, inserted = 0;
    for (uint32_t k = 0; k < count; k++) {
        const key_kind kind = key_of(&keys[k]);
        used += kind == KEY_NUMBER || kind == KEY_SLICE;
        inserted += kind == KEY_NEW_AXIS;
    }
    if (used > rank || rank - used + inserted > EBB_RANK_MAX) {
        return layer_fail(p->b, EBB_E_SHAPE, "%u indices for a tensor of rank %u", used, rank);
    }
    for (uint32_t k = 0; k < count; k++) {
        if (!key_apply(p, &keys[k], rank - used)) return false;
    }
    if (p->to.rank + (rank - p->axis) > EBB_RANK_MAX) {
        return layer_fail(p->b, EBB_E_UNSUPPORTED, "the result has too many axes");
    }
    axes_skip(p, rank - p->axis);
    return true;
}

static bool get_item_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    const value x = operation_operand(b, call, 0, "x");
    const call_argument *key = call_find(call, 1, "key");
    if (x == VALUE_NONE) return false;
    if (key->kind != CALL_LITERAL) {
        return layer_fail(b, EBB_E_UNSUPPORTED,
                          "indices that are computed; only fixed ones are possible");
    }
    picker p = {.b = b, .g = b->graph, .x = x};
    const shape from = *graph_shape(b->graph, x);
    for (uint32_t k = 0; k < from.rank; k++) {
        p.lengths[k] = p.slice.length[k] = from.dims[k];
        p.slice.step[k] = 1;
    }
    static const json none = {0};
    const json *keys = key->literal != NULL ? key->literal : &none;
    const bool is_list = keys->kind == JSON_ARRAY;
    if (!keys_apply(&p, is_list ? keys->as.items : keys, is_list ? keys->count : 1)) return false;
    return operation_result(b, call, op_reshape(b->graph, op_slice(b->graph, x, &p.slice), &p.to));
}
OPERATION_DEF(get_item, "GetItem", NULL, 0, NULL);

typedef struct slice_config {
    int_list shape;
} slice_config;
static const layer_field slice_fields[] = {
    {"shape", FIELD_INTS, offsetof(slice_config, shape), true, 0, NULL}, FIELDS_END};

static bool slice_build(layer_build *b, const void *config, layer_call *call)
{
    const slice_config *c = config;
    const value x = operation_operand(b, call, 0, "inputs");
    const call_argument *start = call_find(call, 1, "start_indices");
    if (x == VALUE_NONE) return false;
    const shape from = *graph_shape(b->graph, x);
    if (start->kind != CALL_LITERAL || start->literal == NULL ||
        start->literal->count != from.rank || c->shape.count != from.rank) {
        return layer_fail(b, EBB_E_UNSUPPORTED,
                          "a slice must have a fixed start and length per axis");
    }
    slice_attributes slice = {0};
    for (uint32_t k = 0; k < from.rank; k++) {
        const int64_t first = json_integer(json_item(start->literal, k), -1);
        if (first < 0) return layer_fail(b, EBB_E_FORMAT, "the start of axis %u is no index", k);
        slice.start[k] = first;
        slice.length[k] = c->shape.items[k] >= 0 ? c->shape.items[k]
                                                 : dim_make(b->graph, DIM_SUB, from.dims[k], first);
        slice.step[k] = 1;
    }
    return operation_result(b, call, op_slice(b->graph, x, &slice));
}
OPERATION_DEF(slice, "Slice", NULL, sizeof(slice_config), slice_fields);

/* -- take
 * -----------------------------------------------------------------------------------------------
 */

typedef struct index_config {
    const json *axis;
    int64_t num_classes, k;
    const char *dtype;
} index_config;

static const layer_field take_fields[] = {
    {"axis", FIELD_JSON, offsetof(index_config, axis), false, 0, NULL}, FIELDS_END};

static bool take_build(layer_build *b, const void *config, layer_call *call)
{
    const index_config *c = config;
    value x = operation_operand(b, call, 0, "x");
    const value indices = build_i32(b, operation_operand(b, call, 1, "indices"));
    if (c->axis == NULL) x = operation_flat(b, x);
    const int axis = graph_ok(b->graph) ? operation_axis(b, x, c->axis, 0) : -1;
    if (axis < 0) return false;
    const gather_attributes attributes = {(uint32_t)axis, 0, true};
    return operation_result(b, call, op_gather_with(b->graph, x, indices, &attributes));
}
OPERATION_DEF(take, "Take", NULL, sizeof(index_config), take_fields);

/* The axis goes last, where gather works row by row. */
static bool take_along_axis_build(layer_build *b, const void *config, layer_call *call)
{
    const index_config *c = config;
    graph *g = b->graph;
    value x = operation_operand(b, call, 0, "x");
    value indices = build_i32(b, operation_operand(b, call, 1, "indices"));
    if (c->axis == NULL) x = operation_flat(b, x), indices = operation_flat(b, indices);
    const int axis = graph_ok(g) ? operation_axis(b, x, c->axis, 0) : -1;
    if (axis < 0) return false;
    const uint32_t rank = graph_rank(g, x);
    if (graph_rank(g, indices) != rank)
        return layer_fail(b, EBB_E_SHAPE, "x and indices differ in rank");
    uint32_t order[EBB_RANK_MAX];
    for (uint32_t k = 0; k < rank; k++) order[k] = k;
    order[axis] = rank - 1;
    order[rank - 1] = (uint32_t)axis;
    const gather_attributes attributes = {rank - 1, rank - 1, true};
    const value y =
        op_gather_with(g, op_transpose(g, x, order), op_transpose(g, indices, order), &attributes);
    return operation_result(b, call, op_transpose(g, y, order));
}
OPERATION_DEF(take_along_axis, "TakeAlongAxis", NULL, sizeof(index_config), take_fields);

/* -- patterns
 * -------------------------------------------------------------------------------------------- */

static const layer_field one_hot_fields[] = {
    {"num_classes", FIELD_I64, offsetof(index_config, num_classes), true, 0, NULL},
    {"axis", FIELD_JSON, offsetof(index_config, axis), false, 0, NULL},
    {"dtype", FIELD_TEXT, offsetof(index_config, dtype), false, 0, NULL},
    FIELDS_END,
};

static bool one_hot_build(layer_build *b, const void *config, layer_call *call)
{
    const index_config *c = config;
    const value x = build_i32(b, operation_operand(b, call, 0, "x"));
    if (c->num_classes < 1) return layer_fail(b, EBB_E_FORMAT, "num_classes must be at least 1");
    value y = op_one_hot(b->graph, x, c->num_classes);
    const int axis = graph_ok(b->graph) ? operation_axis(b, y, c->axis, -1) : -1;
    if (axis < 0 || !operation_dtype(b, c->dtype, &call->outputs[0].declared)) return false;
    const uint32_t rank = graph_rank(b->graph, y);
    uint32_t order[EBB_RANK_MAX], next = 0;
    for (uint32_t k = 0; k < rank; k++) order[k] = k == (uint32_t)axis ? rank - 1 : next++;
    if ((uint32_t)axis + 1 != rank) y = op_transpose(b->graph, y, order);
    if (call->outputs[0].declared == EBB_DTYPE_NONE) call->outputs[0].declared = EBB_F32;
    return operation_result(b, call, operation_cast(b, y, call->outputs[0].declared));
}
OPERATION_DEF(one_hot, "OneHot", NULL, sizeof(index_config), one_hot_fields);

static const layer_field triangle_fields[] = {
    {"k", FIELD_I64, offsetof(index_config, k), false, 0, NULL}, FIELDS_END};

/* Keeps x[i, j] with j - i <= k (lower) or j - i >= k, over the last two axes. */
static bool triangle_apply(layer_build *b, const index_config *c, layer_call *call, bool lower)
{
    graph *g = b->graph;
    const value x = operation_operand(b, call, 0, "x");
    if (x == VALUE_NONE) return false;
    if (graph_rank(g, x) < 2 || c->k > INT32_MAX || c->k < -INT32_MAX) {
        return layer_fail(b, EBB_E_SHAPE, "a triangle needs two axes");
    }
    value rows = op_iota(g, graph_dim(g, x, -2));
    rows = op_add(g, operation_axis_insert(b, rows, 1), graph_scalar_i32(g, (int32_t)c->k));
    const value columns = op_iota(g, graph_dim(g, x, -1));
    const value keep =
        op_compare(g, lower ? COMPARE_LESS_EQUAL : COMPARE_GREATER_EQUAL, columns, rows);
    if (!graph_ok(g)) return false;
    const value zero = op_cast(g, graph_scalar(g, 0), graph_value(g, x)->dtype);
    return operation_result(b, call, op_select(g, keep, x, zero));
}

static bool tril_build(layer_build *b, const void *config, layer_call *call)
{
    return triangle_apply(b, config, call, true);
}
OPERATION_DEF(tril, "Tril", NULL, sizeof(index_config), triangle_fields);

static bool triu_build(layer_build *b, const void *config, layer_call *call)
{
    return triangle_apply(b, config, call, false);
}
OPERATION_DEF(triu, "Triu", NULL, sizeof(index_config), triangle_fields);
