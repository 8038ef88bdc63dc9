/* merging.c -- Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot.
 *
 * Inputs of lower rank get axes of length 1 behind the batch axis, then numpy broadcasting applies.
 * Source: Keras 3, keras/src/layers/merging/. */
#include "layer/assembly.h"
#include "layer/lowering.h"
#include "tensor/dtype.h"

#include <inttypes.h>
#include <string.h>

/* All inputs in one dtype, in region memory; NULL after a failure. */
static value *inputs_read(layer_build *b, const layer_call *call, uint32_t least)
{
    if (!graph_ok(b->graph)) return NULL;
    if (call->input_count < least) {
        layer_fail(b, EBB_E_SHAPE, "expected at least %" PRIu32 " inputs, got %" PRIu32, least,
                   call->input_count);
        return NULL;
    }
    value *items = region_new(b->home, value, call->input_count);
    if (items == NULL) {
        layer_fail(b, EBB_E_MEMORY, "no memory for the list of inputs");
        return NULL;
    }
    for (uint32_t i = 0; i < call->input_count; i++) items[i] = call->inputs[i].v;
    lowering_promote(b, items, call->input_count);
    return graph_ok(b->graph) ? items : NULL;
}

/* -- elementwise ------------------------------------------------------------------------------- */

/* The mask is on where any input's is; there is none when an input has none. */
static value masks_union(layer_build *b, const layer_call *call)
{
    value all = call->inputs[0].mask;

    for (uint32_t i = 1; i < call->input_count && all != VALUE_NONE; i++) {
        const value mask = call->inputs[i].mask;
        all = mask == VALUE_NONE ? VALUE_NONE : op_binary(b->graph, BINARY_OR, all, mask);
    }
    return all;
}

static value rank_raise(layer_build *b, value v, uint32_t rank)
{
    dim dims[EBB_RANK_MAX];

    if (!graph_ok(b->graph) || graph_rank(b->graph, v) == rank) return v;
    const shape *s = graph_shape(b->graph, v);
    const uint32_t added = rank - s->rank;
    for (uint32_t i = 0; i < rank; i++) {
        dims[i] = i < 1 && s->rank > 0 ? s->dims[0] : i <= added ? 1 : s->dims[i - added];
    }
    return lowering_reshape(b, v, rank, dims);
}

static bool merge_build(layer_build *b, layer_call *call, binary_kind kind)
{
    value *items = inputs_read(b, call, 1);
    uint32_t rank = 0;

    if (items == NULL) return false;
    for (uint32_t i = 0; i < call->input_count; i++) {
        const uint32_t own = graph_rank(b->graph, items[i]);
        rank = own > rank ? own : rank;
    }
    value y = rank_raise(b, items[0], rank);
    for (uint32_t i = 1; i < call->input_count; i++) {
        y = op_binary(b->graph, kind, y, rank_raise(b, items[i], rank));
    }
    call->outputs[0].mask = masks_union(b, call);
    return lowering_done(b, call, y);
}

static bool add_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    return merge_build(b, call, BINARY_ADD);
}

static bool multiply_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    return merge_build(b, call, BINARY_MUL);
}

static bool maximum_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    return merge_build(b, call, BINARY_MAX);
}

static bool minimum_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    return merge_build(b, call, BINARY_MIN);
}

static bool subtract_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    if (call->input_count != 2) {
        return layer_fail(b, EBB_E_SHAPE, "expected two inputs, got %" PRIu32, call->input_count);
    }
    return merge_build(b, call, BINARY_SUB);
}

/* TensorFlow divides integers of 32 and 64 bits in float64. */
static ebb_dtype quotient_dtype(const layer_call *call)
{
    ebb_dtype all = EBB_DTYPE_NONE;

    for (uint32_t i = 0; i < call->input_count; i++) {
        all = dtype_promote(all, call->inputs[i].declared);
    }
    if (!dtype_is_integer(all)) return EBB_DTYPE_NONE;
    return ebb_dtype_bytes(all) >= 4 ? EBB_F64 : EBB_F32;
}

static bool average_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    if (!merge_build(b, call, BINARY_ADD)) return false;
    const value sum = build_f32(b, call->outputs[0].v);
    call->outputs[0].declared = quotient_dtype(call);
    return lowering_done(b, call,
                         op_div(b->graph, sum, graph_scalar(b->graph, (float)call->input_count)));
}

const layer_def layer_def_add = {"Add", "merging", NULL, 0, NULL, MASK_OWN, add_build};
const layer_def layer_def_subtract = {"Subtract", "merging", NULL,          0,
                                      NULL,       MASK_OWN,  subtract_build};
const layer_def layer_def_multiply = {"Multiply", "merging", NULL,          0,
                                      NULL,       MASK_OWN,  multiply_build};
const layer_def layer_def_average = {"Average", "merging", NULL, 0, NULL, MASK_OWN, average_build};
const layer_def layer_def_maximum = {"Maximum", "merging", NULL, 0, NULL, MASK_OWN, maximum_build};
const layer_def layer_def_minimum = {"Minimum", "merging", NULL, 0, NULL, MASK_OWN, minimum_build};

/* -- Concatenate ------------------------------------------------------------------------------- */

typedef struct concatenate {
    int64_t axis;
} concatenate;

static const layer_field concatenate_fields[] = {
    {"axis", FIELD_I64, offsetof(concatenate, axis), false, -1, NULL},
    FIELD_END,
};

/* The mask of an input: its own, or all on. */
static value mask_or_ones(layer_build *b, const layer_tensor *input)
{
    if (input->mask != VALUE_NONE || !graph_ok(b->graph)) return input->mask;
    shape s = *graph_shape(b->graph, input->v);
    s.rank--;
    return lowering_filled(b, EBB_BOOL, true, &s);
}

/* Masks without the last axis. On the last axis joining features leaves a step on where any input's
 * is. */
static value masks_join(layer_build *b, const layer_call *call, uint32_t axis)
{
    value *masks = region_new(b->home, value, call->input_count);
    bool has_mask = false;
    uint32_t rank = graph_rank(b->graph, call->inputs[0].v);

    if (masks == NULL) {
        layer_fail(b, EBB_E_MEMORY, "no memory for the list of masks");
        return VALUE_NONE;
    }
    for (uint32_t i = 0; i < call->input_count; i++)
        has_mask = has_mask || call->inputs[i].mask != VALUE_NONE;
    if (!has_mask) return VALUE_NONE;
    for (uint32_t i = 0; i < call->input_count; i++) {
        masks[i] = mask_or_ones(b, &call->inputs[i]);
        if (!graph_ok(b->graph)) return VALUE_NONE;
        if (graph_rank(b->graph, masks[i]) == rank) {
            masks[i] = op_reduce(b->graph, REDUCE_ANY, masks[i], 1u << (rank - 1), false);
        }
        if (graph_ok(b->graph) && graph_rank(b->graph, masks[i]) + 1 != rank) {
            layer_fail(b, EBB_E_UNSUPPORTED,
                       "a mask of rank %" PRIu32 " beside an input of rank %" PRIu32,
                       graph_rank(b->graph, masks[i]), rank);
            return VALUE_NONE;
        }
    }
    if (axis + 1 < rank) return op_concat(b->graph, masks, call->input_count, (int)axis);
    value all = masks[0];
    for (uint32_t i = 1; i < call->input_count; i++)
        all = op_binary(b->graph, BINARY_OR, all, masks[i]);
    return all;
}

static bool concatenate_build(layer_build *b, const void *config, layer_call *call)
{
    const concatenate *c = config;
    value *items = inputs_read(b, call, 1);

    if (items == NULL) return false;
    const int axis = build_axis(b, items[0], c->axis);
    if (axis < 0) return false;
    call->outputs[0].mask = masks_join(b, call, (uint32_t)axis);
    return lowering_done(b, call, op_concat(b->graph, items, call->input_count, axis));
}

const layer_def layer_def_concatenate = {"Concatenate",       "merging",          NULL,
                                         sizeof(concatenate), concatenate_fields, MASK_OWN,
                                         concatenate_build};

/* -- Dot: sum over one axis of each, sample by sample ------------------------------------------ */

typedef struct dot {
    const json *axes;
    bool normalize;
} dot;

static const layer_field dot_fields[] = {
    {"axes", FIELD_JSON, offsetof(dot, axes), true, 0, NULL},
    {"normalize", FIELD_BOOL, offsetof(dot, normalize), false, 0, NULL},
    FIELD_END,
};

/* The other axes of an operand, merged: [batch, kept, summed] or, with `is_right`, [batch, summed,
 * kept]. */
static value dot_operand(layer_build *b, value v, uint32_t axis, bool is_right, shape *result)
{
    const uint32_t rank = graph_rank(b->graph, v);
    dim kept = 1;

    const value moved = lowering_move_axis(b, v, axis, is_right ? 1 : rank - 1);
    const shape *s = graph_shape(b->graph, v);
    const dim sum = s->dims[axis];
    for (uint32_t i = 1; i < rank; i++) {
        if (i == axis) continue;
        kept = dim_make(b->graph, DIM_MUL, kept, s->dims[i]);
        if (result->rank < EBB_RANK_MAX) result->dims[result->rank] = s->dims[i];
        result->rank++;
    }
    const dim dims[] = {s->dims[0], is_right ? sum : kept, is_right ? kept : sum};
    return lowering_reshape(b, moved, 3, dims);
}

static bool dot_axes(layer_build *b, const dot *c, const value *items, int *axes)
{
    const bool is_list = c->axes->kind == JSON_ARRAY;

    if (is_list && c->axes->count != 2)
        return layer_fail(b, EBB_E_FORMAT, "axes: expected one axis or two");
    for (uint32_t i = 0; i < 2; i++) {
        axes[i] = build_axis(b, items[i],
                             json_integer(is_list ? json_item(c->axes, i) : c->axes, INT64_MAX));
        if (axes[i] < 0) return false;
        if (axes[i] == 0)
            return layer_fail(b, EBB_E_FORMAT, "axes: the batch axis cannot be summed over");
    }
    const dim first = graph_dim(b->graph, items[0], axes[0]);
    const dim second = graph_dim(b->graph, items[1], axes[1]);
    if (!dim_known(first) || !dim_known(second) || first == second) return true;
    return layer_fail(b, EBB_E_SHAPE, "axes: lengths %" PRId64 " and %" PRId64 " differ", first,
                      second);
}

static bool dot_build(layer_build *b, const void *config, layer_call *call)
{
    const dot *c = config;
    int axes[2];

    if (call->input_count != 2) {
        return layer_fail(b, EBB_E_SHAPE, "expected two inputs, got %" PRIu32, call->input_count);
    }
    value items[] = {build_f32(b, call->inputs[0].v), build_f32(b, call->inputs[1].v)};
    if (!dot_axes(b, c, items, axes)) return false;
    for (uint32_t i = 0; i < 2 && c->normalize; i++)
        items[i] = lowering_unit(b, items[i], 1u << axes[i], 1e-7);
    if (!graph_ok(b->graph)) return false;

    shape to = {.rank = 1, .dims = {graph_dim(b->graph, items[0], 0)}};
    const value left = dot_operand(b, items[0], (uint32_t)axes[0], false, &to);
    const value right = dot_operand(b, items[1], (uint32_t)axes[1], true, &to);
    const value y = op_matmul(b->graph, left, right, false, false);
    if (to.rank == 1) to.dims[to.rank++] = 1;
    return lowering_done(b, call, lowering_reshape(b, y, to.rank, to.dims));
}

const layer_def layer_def_dot = {"Dot",      "merging",  NULL,     sizeof(dot),
                                 dot_fields, MASK_DROPS, dot_build};
