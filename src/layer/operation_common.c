/* operation_common.c -- arguments, types and axes of operation nodes. */
#include "layer/assembly.h"
#include "layer/operation.h"
#include "tensor/dtype.h"

static value argument_value(layer_build *b, const call_argument *a)
{
    if (a->kind == CALL_TENSOR) return a->tensor.v;
    layer_tensor t = {0};
    if (a->kind != CALL_LITERAL || !literal_tensor(b->graph, a->literal, &t)) return VALUE_NONE;
    return t.v;
}

value operation_optional(layer_build *b, const layer_call *call, uint32_t index, const char *name)
{
    const call_argument *a = call_find(call, index, name);
    if (a->kind == CALL_NONE || (a->kind == CALL_LITERAL && json_is_null(a->literal)))
        return VALUE_NONE;
    return operation_operand(b, call, index, name);
}

value operation_operand(layer_build *b, const layer_call *call, uint32_t index, const char *name)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    const call_argument *a = call_find(call, index, name);
    const value v = argument_value(b, a);
    if (v == VALUE_NONE && graph_ok(b->graph)) {
        char text[80] = "nothing";
        if (a->kind == CALL_LITERAL) json_describe(a->literal, text, sizeof text);
        layer_fail(b, EBB_E_FORMAT, "argument '%s': expected a tensor or a number, found %s", name,
                   text);
    }
    return v;
}

uint32_t operation_list(layer_build *b, const layer_call *call, uint32_t index, const char *name,
                        value *items, uint32_t capacity)
{
    const call_argument *a = call_find(call, index, name);
    if (a->kind != CALL_LIST) {
        items[0] = operation_operand(b, call, index, name);
        return items[0] != VALUE_NONE;
    }
    if (a->item_count == 0 || a->item_count > capacity) {
        layer_fail(b, EBB_E_UNSUPPORTED, "a list of %u tensors; 1 to %u are possible",
                   a->item_count, capacity);
        return 0;
    }
    for (uint32_t i = 0; i < a->item_count; i++) {
        items[i] = argument_value(b, &a->items[i]);
        if (items[i] != VALUE_NONE) continue;
        layer_fail(b, EBB_E_FORMAT, "item %u of '%s' is neither a tensor nor a number", i, name);
        return 0;
    }
    return a->item_count;
}

void operation_meet(layer_build *b, meeting how, value *x, value *y)
{
    graph *g = b->graph;
    if (!graph_ok(g)) return;
    const ebb_dtype p = graph_value(g, *x)->dtype, q = graph_value(g, *y)->dtype;
    ebb_dtype to = EBB_I32;
    if (how == MEET_FLOATS || p == EBB_F32 || q == EBB_F32) to = EBB_F32;
    if (how == MEET_BOOLS || (how == MEET_ANY && p == EBB_BOOL && q == EBB_BOOL)) to = EBB_BOOL;
    *x = op_cast(g, *x, to);
    *y = op_cast(g, *y, to);
}

value operation_number(layer_build *b, value x)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    return graph_value(b->graph, x)->dtype == EBB_BOOL ? op_cast(b->graph, x, EBB_I32) : x;
}

bool operation_result(layer_build *b, layer_call *call, value v)
{
    call->outputs[0].v = v;
    return graph_ok(b->graph);
}

bool operation_axes(layer_build *b, value x, const int_list *axes, uint32_t *mask)
{
    *mask = 0;
    for (uint32_t i = 0; i < axes->count; i++) {
        const int axis = build_axis(b, x, axes->items[i]);
        if (axis < 0) return false;
        *mask |= 1u << axis;
    }
    return graph_ok(b->graph);
}

int operation_axis(layer_build *b, value x, const json *axis, int otherwise)
{
    if (json_is_null(axis)) return build_axis(b, x, otherwise);
    const int64_t at = json_integer(axis, INT64_MIN);
    if (at != INT64_MIN) return build_axis(b, x, at);
    char text[80];
    layer_fail(b, EBB_E_FORMAT, "key 'axis': expected an integer, found %s",
               json_describe(axis, text, sizeof text));
    return -1;
}

value operation_flat(layer_build *b, value x)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    const shape to = {.rank = 1, .dims = {shape_count(b->graph, graph_shape(b->graph, x))}};
    return op_reshape(b->graph, x, &to);
}

value operation_axis_insert(layer_build *b, value x, uint32_t axis)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    shape to = *graph_shape(b->graph, x);
    if (to.rank == EBB_RANK_MAX || axis > to.rank) {
        layer_fail(b, EBB_E_SHAPE, "no axis %u can be added to a tensor of rank %u", axis, to.rank);
        return VALUE_NONE;
    }
    for (uint32_t k = to.rank; k > axis; k--) to.dims[k] = to.dims[k - 1];
    to.dims[axis] = 1;
    to.rank++;
    return op_reshape(b->graph, x, &to);
}

value operation_axis_remove(layer_build *b, value x, uint32_t axis)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    shape to = *graph_shape(b->graph, x);
    to.rank--;
    for (uint32_t k = axis; k < to.rank; k++) to.dims[k] = to.dims[k + 1];
    return op_reshape(b->graph, x, &to);
}

dim operation_min(graph *g, dim a, dim b)
{
    if (a == b) return a;
    return dim_make(g, DIM_SUB, dim_make(g, DIM_ADD, a, b), dim_make(g, DIM_MAX, a, b));
}

bool operation_dtype(layer_build *b, const char *name, ebb_dtype *dtype)
{
    *dtype = EBB_DTYPE_NONE;
    if (name == NULL) return true;
    *dtype = dtype_from_name(name);
    if (*dtype != EBB_DTYPE_NONE) return true;
    return layer_fail(b, EBB_E_UNSUPPORTED, "the dtype '%.40s' is not supported", name);
}

value operation_cast(layer_build *b, value x, ebb_dtype declared)
{
    if (declared == EBB_DTYPE_NONE) return x;
    if (declared == EBB_BOOL) return op_cast(b->graph, x, EBB_BOOL);
    return op_cast(b->graph, x, dtype_is_integer(declared) ? EBB_I32 : EBB_F32);
}
