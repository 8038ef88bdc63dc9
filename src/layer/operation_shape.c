/* operation_shape.c -- keras.ops that move elements without computing: reshape, transpose, tile,
 * pad, roll. Source: keras/src/ops/numpy.py. */
#include <string.h>

#include "layer/operation.h"

typedef struct shape_config {
    int_list list;     /* newshape, axes, shape, repeats */
    int_list axis, to; /* axis or axes; null = empty */
    int64_t shift;
    const json *pad_width;
    uint32_t mode;
} shape_config;

#define INTS_FIELD(key, member, required)                                                          \
    {                                                                                              \
        key, FIELD_INTS, offsetof(shape_config, member), required, 0, NULL                         \
    }

/* -- reshape
 * ----------------------------------------------------------------------------------------- */

static const layer_field reshape_fields[] = {INTS_FIELD("newshape", list, true), FIELDS_END};

/* Lengths as given; -1 (or null) is what is left over. */
static value reshape_to(layer_build *b, value x, const int_list *list)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    if (list->count > EBB_RANK_MAX) {
        layer_fail(b, EBB_E_UNSUPPORTED, "a shape of rank %u; at most %d is possible", list->count,
                   EBB_RANK_MAX);
        return VALUE_NONE;
    }
    shape to = {.rank = list->count};
    dim known = 1;
    uint32_t open = EBB_RANK_MAX;
    for (uint32_t k = 0; k < list->count; k++) {
        to.dims[k] = list->items[k];
        if (list->items[k] >= 0)
            known = dim_make(b->graph, DIM_MUL, known, list->items[k]);
        else if (open == EBB_RANK_MAX)
            open = k;
        else {
            layer_fail(b, EBB_E_FORMAT, "the new shape leaves two lengths open");
            return VALUE_NONE;
        }
    }
    if (open < EBB_RANK_MAX) {
        const dim all = shape_count(b->graph, graph_shape(b->graph, x));
        to.dims[open] = known == 0 ? 0 : dim_make(b->graph, DIM_DIV, all, known);
    }
    return op_reshape(b->graph, x, &to);
}

static bool reshape_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    const value x = operation_operand(b, call, 0, "x");
    return operation_result(b, call, reshape_to(b, x, &c->list));
}
OPERATION_DEF(reshape, "Reshape", NULL, sizeof(shape_config), reshape_fields);

static bool ravel_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    return operation_result(b, call, operation_flat(b, operation_operand(b, call, 0, "x")));
}
OPERATION_DEF(ravel, "Ravel", NULL, 0, NULL);

static const layer_field axis_fields[] = {INTS_FIELD("axis", axis, false), FIELDS_END};

static bool expand_dims_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    value x = operation_operand(b, call, 0, "x");
    if (x == VALUE_NONE) return false;
    const int64_t rank = (int64_t)graph_rank(b->graph, x) + c->axis.count;
    uint32_t mask = 0;
    for (uint32_t k = 0; k < c->axis.count; k++) {
        const int64_t axis = c->axis.items[k] < 0 ? c->axis.items[k] + rank : c->axis.items[k];
        if (axis < 0 || axis >= rank || rank > EBB_RANK_MAX) {
            return layer_fail(b, EBB_E_SHAPE, "no axis %lld can be added to a tensor of rank %lld",
                              (long long)c->axis.items[k], (long long)rank - c->axis.count);
        }
        mask |= 1u << axis;
    }
    for (uint32_t axis = 0; axis < EBB_RANK_MAX; axis++) {
        if (mask & (1u << axis)) x = operation_axis_insert(b, x, axis);
    }
    return operation_result(b, call, x);
}
OPERATION_DEF(expand_dims, "ExpandDims", NULL, sizeof(shape_config), axis_fields);

static bool squeeze_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    value x = operation_operand(b, call, 0, "x");
    uint32_t mask = 0;
    if (x == VALUE_NONE || !operation_axes(b, x, &c->axis, &mask)) return false;
    const shape from = *graph_shape(b->graph, x);
    for (uint32_t k = 0; c->axis.count == 0 && k < from.rank; k++) mask |= (from.dims[k] == 1) << k;
    for (uint32_t k = from.rank; k-- > 0;) {
        if (!(mask & (1u << k))) continue;
        if (dim_known(from.dims[k]) && from.dims[k] != 1) {
            return layer_fail(b, EBB_E_SHAPE, "axis %u has %lld elements and cannot be squeezed", k,
                              (long long)from.dims[k]);
        }
        x = operation_axis_remove(b, x, k);
    }
    return operation_result(b, call, x);
}
OPERATION_DEF(squeeze, "Squeeze", NULL, sizeof(shape_config), axis_fields);

/* -- order of axes
 * ------------------------------------------------------------------------------------ */

static const layer_field transpose_fields[] = {INTS_FIELD("axes", list, false), FIELDS_END};

static bool transpose_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    const value x = operation_operand(b, call, 0, "x");
    if (x == VALUE_NONE) return false;
    const uint32_t rank = graph_rank(b->graph, x);
    uint32_t order[EBB_RANK_MAX] = {0};
    if (c->list.count != 0 && c->list.count != rank) {
        return layer_fail(b, EBB_E_SHAPE, "%u axes for a tensor of rank %u", c->list.count, rank);
    }
    for (uint32_t k = 0; k < rank; k++) {
        const int axis =
            c->list.count == 0 ? (int)(rank - 1 - k) : build_axis(b, x, c->list.items[k]);
        if (axis < 0) return false;
        order[k] = (uint32_t)axis;
    }
    return operation_result(b, call, op_transpose(b->graph, x, order));
}
OPERATION_DEF(transpose, "Transpose", NULL, sizeof(shape_config), transpose_fields);

static const layer_field swapaxes_fields[] = {INTS_FIELD("axis1", axis, true),
                                              INTS_FIELD("axis2", to, true), FIELDS_END};

static bool swapaxes_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    const value x = operation_operand(b, call, 0, "x");
    if (x == VALUE_NONE || c->axis.count != 1 || c->to.count != 1) return false;
    const int p = build_axis(b, x, c->axis.items[0]), q = build_axis(b, x, c->to.items[0]);
    uint32_t order[EBB_RANK_MAX];
    if (p < 0 || q < 0) return false;
    for (uint32_t k = 0; k < EBB_RANK_MAX; k++) order[k] = k;
    order[p] = (uint32_t)q;
    order[q] = (uint32_t)p;
    return operation_result(b, call, op_transpose(b->graph, x, order));
}
OPERATION_DEF(swapaxes, "Swapaxes", NULL, sizeof(shape_config), swapaxes_fields);

static const layer_field moveaxis_fields[] = {INTS_FIELD("source", axis, true),
                                              INTS_FIELD("destination", to, true), FIELDS_END};

static bool moveaxis_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    const value x = operation_operand(b, call, 0, "x");
    if (x == VALUE_NONE) return false;
    const uint32_t rank = graph_rank(b->graph, x);
    uint32_t order[EBB_RANK_MAX], moved = 0, taken = 0, next = 0;
    if (c->axis.count != c->to.count)
        return layer_fail(b, EBB_E_FORMAT, "lists of different lengths");
    for (uint32_t k = 0; k < c->axis.count; k++) {
        const int from = build_axis(b, x, c->axis.items[k]), to = build_axis(b, x, c->to.items[k]);
        if (from < 0 || to < 0) return false;
        order[to] = (uint32_t)from;
        moved |= 1u << from;
        taken |= 1u << to;
    }
    for (uint32_t k = 0; k < rank; k++) {
        if (taken & (1u << k)) continue;
        while (moved & (1u << next)) next++;
        order[k] = next++;
    }
    return operation_result(b, call, op_transpose(b->graph, x, order));
}
OPERATION_DEF(moveaxis, "Moveaxis", NULL, sizeof(shape_config), moveaxis_fields);

static value flip_axes(layer_build *b, value x, uint32_t mask)
{
    const uint32_t rank = x != VALUE_NONE ? graph_rank(b->graph, x) : 0;
    for (uint32_t k = 0; k < rank; k++) {
        if (mask == 0 || mask & (1u << k)) x = op_reverse(b->graph, x, (int)k);
    }
    return x;
}

static bool flip_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    const value x = operation_operand(b, call, 0, "x");
    uint32_t mask = 0;
    if (x == VALUE_NONE || !operation_axes(b, x, &c->axis, &mask)) return false;
    return operation_result(b, call, flip_axes(b, x, mask));
}
OPERATION_DEF(flip, "Flip", NULL, sizeof(shape_config), axis_fields);

static bool flipud_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    return operation_result(b, call, flip_axes(b, operation_operand(b, call, 0, "x"), 1));
}
OPERATION_DEF(flipud, "Flipud", NULL, 0, NULL);

static bool fliplr_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    return operation_result(b, call, flip_axes(b, operation_operand(b, call, 0, "x"), 2));
}
OPERATION_DEF(fliplr, "Fliplr", NULL, 0, NULL);

/* -- copies
 * ------------------------------------------------------------------------------------------- */

/* Every element `times` times along an axis: `inner` puts copies side by side, else the whole axis
 * repeats. */
static value copies(layer_build *b, value x, uint32_t axis, int64_t times, bool inner)
{
    if (times == 1 || x == VALUE_NONE) return x;
    graph *g = b->graph;
    x = operation_axis_insert(b, x, inner ? axis + 1 : axis);
    if (x == VALUE_NONE) return x;
    shape wide = *graph_shape(g, x);
    wide.dims[inner ? axis + 1 : axis] = times;
    x = op_broadcast(g, x, &wide);
    shape to = wide;
    to.dims[axis] = dim_make(g, DIM_MUL, wide.dims[axis], wide.dims[axis + 1]);
    for (uint32_t k = axis + 1; k + 1 < wide.rank; k++) to.dims[k] = wide.dims[k + 1];
    to.rank--;
    return op_reshape(g, x, &to);
}

static const layer_field repeat_fields[] = {INTS_FIELD("repeats", list, true),
                                            INTS_FIELD("axis", axis, false), FIELDS_END};

static bool repeat_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    value x = operation_operand(b, call, 0, "x");
    if (c->axis.count == 0) x = operation_flat(b, x);
    const int axis =
        x != VALUE_NONE ? build_axis(b, x, c->axis.count == 0 ? 0 : c->axis.items[0]) : -1;
    if (axis < 0) return false;
    if (c->list.count != 1 || c->list.items[0] < 0) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "repeats must be one number");
    }
    return operation_result(b, call, copies(b, x, (uint32_t)axis, c->list.items[0], true));
}
OPERATION_DEF(repeat, "Repeat", NULL, sizeof(shape_config), repeat_fields);

static const layer_field tile_fields[] = {INTS_FIELD("repeats", list, true), FIELDS_END};

static bool tile_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    value x = operation_operand(b, call, 0, "x");
    if (x == VALUE_NONE) return false;
    if (c->list.count > EBB_RANK_MAX) return layer_fail(b, EBB_E_UNSUPPORTED, "too many repeats");
    while (x != VALUE_NONE && graph_rank(b->graph, x) < c->list.count)
        x = operation_axis_insert(b, x, 0);
    if (x == VALUE_NONE) return false;
    const uint32_t skipped = graph_rank(b->graph, x) - c->list.count;
    for (uint32_t k = 0; k < c->list.count; k++) {
        if (c->list.items[k] < 0)
            return layer_fail(b, EBB_E_FORMAT, "repeats must not be negative");
        x = copies(b, x, skipped + k, c->list.items[k], false);
    }
    return operation_result(b, call, x);
}
OPERATION_DEF(tile, "Tile", NULL, sizeof(shape_config), tile_fields);

static const layer_field broadcast_to_fields[] = {INTS_FIELD("shape", list, true), FIELDS_END};

static bool broadcast_to_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    const value x = operation_operand(b, call, 0, "x");
    if (x == VALUE_NONE) return false;
    const shape *from = graph_shape(b->graph, x);
    shape to = {.rank = c->list.count};
    if (c->list.count > EBB_RANK_MAX || c->list.count < from->rank) {
        return layer_fail(b, EBB_E_SHAPE, "a tensor of rank %u cannot become one of rank %u",
                          from->rank, c->list.count);
    }
    for (uint32_t k = 0; k < to.rank; k++) {
        const uint32_t skipped = to.rank - from->rank;
        const bool is_kept = c->list.items[k] < 0 && k >= skipped;
        to.dims[k] = is_kept ? from->dims[k - skipped] : c->list.items[k];
        if (c->list.items[k] < 0 && !is_kept)
            return layer_fail(b, EBB_E_SHAPE, "a length is missing");
    }
    return operation_result(b, call, op_broadcast(b->graph, x, &to));
}
OPERATION_DEF(broadcast_to, "BroadcastTo", NULL, sizeof(shape_config), broadcast_to_fields);

/* -- borders
 * ------------------------------------------------------------------------------------------ */

static const layer_field pad_fields[] = {
    {"pad_width", FIELD_JSON, offsetof(shape_config, pad_width), true, 0, NULL},
    {"mode", FIELD_CHOICE, offsetof(shape_config, mode), false, 0, "constant|reflect|symmetric"},
    FIELDS_END,
};

/* 3, [1, 2] or [[1, 2], [3, 4], ...]: how much before and after an axis. */
static bool pad_of_axis(const json *width, uint32_t axis, int64_t *before, int64_t *after)
{
    const json *own = width;
    if (width->kind == JSON_ARRAY && width->count > 0 && width->as.items[0].kind == JSON_ARRAY) {
        own = json_item(width, width->count == 1 ? 0 : axis);
    }
    const bool is_pair = own != NULL && own->kind == JSON_ARRAY;
    *before = json_integer(is_pair ? json_item(own, 0) : own, -1);
    *after = json_integer(is_pair ? json_item(own, own->count - 1) : own, -1);
    return *before >= 0 && *after >= 0;
}

static bool pad_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    const value x = operation_number(b, operation_operand(b, call, 0, "x"));
    if (x == VALUE_NONE) return false;
    pad_attributes attributes = {.kind = (pad_kind)c->mode};
    for (uint32_t k = 0; k < graph_rank(b->graph, x); k++) {
        int64_t before, after;
        if (!pad_of_axis(c->pad_width, k, &before, &after)) {
            return layer_fail(b, EBB_E_FORMAT, "pad_width says nothing about axis %u", k);
        }
        attributes.before[k] = before;
        attributes.after[k] = after;
    }
    const call_argument *number = call_find(call, 1, "constant_values");
    if (number->kind == CALL_LITERAL) attributes.number = (float)json_number(number->literal, 0);
    return operation_result(b, call, op_pad(b->graph, x, &attributes));
}
OPERATION_DEF(pad, "Pad", NULL, sizeof(shape_config), pad_fields);

static const layer_field roll_fields[] = {
    {"shift", FIELD_I64, offsetof(shape_config, shift), true, 0, NULL},
    INTS_FIELD("axis", axis, false),
    FIELDS_END,
};

static bool roll_build(layer_build *b, const void *config, layer_call *call)
{
    const shape_config *c = config;
    graph *g = b->graph;
    const value x = operation_operand(b, call, 0, "x");
    if (x == VALUE_NONE) return false;
    const bool is_flat = c->axis.count == 0;
    const value line = is_flat ? operation_flat(b, x) : x;
    const int axis = build_axis(b, line, is_flat ? 0 : c->axis.items[0]);
    const int64_t length = axis < 0 ? -1 : build_known_dim(b, line, axis, "the rolled axis");
    if (length < 0 || c->axis.count > 1) return false;
    const int64_t shift = length == 0 ? 0 : ((c->shift % length) + length) % length;
    value y = line;
    if (shift != 0) {
        const value parts[] = {op_slice_axis(g, line, axis, length - shift, shift, 1),
                               op_slice_axis(g, line, axis, 0, length - shift, 1)};
        y = op_concat(g, parts, 2, axis);
    }
    return operation_result(b, call,
                            is_flat && graph_ok(g) ? op_reshape(g, y, graph_shape(g, x)) : y);
}
OPERATION_DEF(roll, "Roll", NULL, sizeof(shape_config), roll_fields);
