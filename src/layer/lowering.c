/* lowering.c -- small steps that many layers share when they lower to ops; see lowering.h. */
#include "layer/lowering.h"

#include <inttypes.h>
#include <math.h>

#include "layer/assembly.h"
#include "tensor/dtype.h"

value lowering_input(layer_build *b, const layer_call *call, uint32_t rank_min, uint32_t rank_max)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    if (call->input_count != 1) {
        layer_fail(b, EBB_E_UNSUPPORTED, "expected one input tensor, got %" PRIu32,
                   call->input_count);
        return VALUE_NONE;
    }
    const value x = call->inputs[0].v;
    const uint32_t rank = graph_rank(b->graph, x);
    if (rank >= rank_min && rank <= rank_max) return x;

    char text[128];
    shape_text(b->graph, graph_shape(b->graph, x), text, sizeof text);
    if (rank_min == rank_max) {
        layer_fail(b, EBB_E_SHAPE, "expected an input of rank %" PRIu32 ", got shape %s", rank_min,
                   text);
    } else {
        layer_fail(b, EBB_E_SHAPE,
                   "expected an input of rank %" PRIu32 " to %" PRIu32 ", got shape %s", rank_min,
                   rank_max, text);
    }
    return VALUE_NONE;
}

value lowering_input_f32(layer_build *b, const layer_call *call, uint32_t rank_min,
                         uint32_t rank_max)
{
    const value x = lowering_input(b, call, rank_min, rank_max);
    return x == VALUE_NONE ? VALUE_NONE : build_f32(b, x);
}

bool lowering_done(layer_build *b, layer_call *call, value y)
{
    call->outputs[0].v = y;
    return graph_ok(b->graph);
}

bool lowering_identity(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    if (call->input_count == 0 || call->input_count > LAYER_OUTPUTS_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "expected 1 to %d input tensors, got %" PRIu32,
                          LAYER_OUTPUTS_MAX, call->input_count);
    }
    for (uint32_t i = 0; i < call->input_count; i++) {
        call->outputs[i] = (layer_tensor){.v = call->inputs[i].v, .mask = call->inputs[i].mask};
    }
    call->output_count = call->input_count;
    return graph_ok(b->graph);
}

value lowering_mask(const layer_call *call, uint32_t position)
{
    const call_argument *given = call_find(call, position, "mask");
    if (given->kind == CALL_TENSOR) return given->tensor.v;
    return call->input_count > 0 ? call->inputs[0].mask : VALUE_NONE;
}

void lowering_pass_mask(layer_call *call)
{
    const call_argument *given = call_find(call, UINT32_MAX, "mask");
    call->outputs[0].mask = given->kind == CALL_TENSOR ? given->tensor.v : call->inputs[0].mask;
}

bool lowering_ints(layer_build *b, const int_list *list, uint32_t count, int64_t least,
                   int64_t otherwise, const char *what, int64_t *result)
{
    for (uint32_t i = 0; i < count; i++) result[i] = otherwise;
    if (list->count == 0) return true;
    if (list->count != 1 && list->count != count) {
        return layer_fail(b, EBB_E_FORMAT, "%s: expected %" PRIu32 " numbers, got %" PRIu32, what,
                          count, list->count);
    }
    for (uint32_t i = 0; i < count; i++) {
        result[i] = list->items[list->count == 1 ? 0 : i];
        if (result[i] < least) {
            return layer_fail(b, EBB_E_FORMAT,
                              "%s: expected numbers of at least %" PRId64 ", got %" PRId64, what,
                              least, result[i]);
        }
    }
    return true;
}

/* The numbers of {"class_name": "__numpy__", "config": {"value": ...}} and its older spellings, or
 * the value itself. */
static const json *plain_value(const json *config)
{
    if (config == NULL || config->kind != JSON_OBJECT) return config;
    const json *inner = json_path(config, "config.value");
    return inner != NULL ? inner : json_get(config, "value");
}

double lowering_number(layer_build *b, const json *config, double otherwise, const char *what)
{
    const json *plain = plain_value(config);
    while (plain != NULL && plain->kind == JSON_ARRAY && plain->count == 1)
        plain = json_item(plain, 0);
    if (json_is_null(config)) return otherwise;
    if (plain != NULL && (plain->kind == JSON_INTEGER || plain->kind == JSON_NUMBER)) {
        return json_number(plain, otherwise);
    }
    layer_fail(b, EBB_E_FORMAT, "%s: expected a number, got %s", what,
               plain != NULL ? json_kind_name(plain->kind) : "null");
    return (double)NAN;
}

value lowering_constant(layer_build *b, const json *config, const char *what)
{
    layer_tensor tensor;

    if (!graph_ok(b->graph)) return VALUE_NONE;
    if (literal_tensor(b->graph, config, &tensor)) return build_f32(b, tensor.v);
    if (graph_ok(b->graph))
        layer_fail(b, EBB_E_FORMAT, "%s: expected a number or a list of numbers", what);
    return VALUE_NONE;
}

uint32_t lowering_axes(layer_build *b, value v, const json *config, int64_t otherwise)
{
    uint32_t axes = 0;

    if (!graph_ok(b->graph)) return 0;
    const bool is_list = config != NULL && config->kind == JSON_ARRAY;
    const uint32_t count = is_list ? config->count : 1;
    for (uint32_t i = 0; i < count; i++) {
        const int axis =
            build_axis(b, v, json_integer(is_list ? json_item(config, i) : config, otherwise));
        if (axis < 0) return 0;
        axes |= 1u << axis;
    }
    if (axes == 0) layer_fail(b, EBB_E_FORMAT, "axis: expected at least one axis");
    return axes;
}

value lowering_reshape(layer_build *b, value v, uint32_t rank, const dim *dims)
{
    shape to = {.rank = rank};

    if (!graph_ok(b->graph)) return VALUE_NONE;
    if (rank > EBB_RANK_MAX) {
        layer_fail(b, EBB_E_UNSUPPORTED,
                   "a tensor of rank %" PRIu32 " is needed, at most %d is possible", rank,
                   EBB_RANK_MAX);
        return VALUE_NONE;
    }
    for (uint32_t i = 0; i < rank; i++) to.dims[i] = dims[i];
    return op_reshape(b->graph, v, &to);
}

value lowering_expand(layer_build *b, value v, uint32_t axis)
{
    dim dims[EBB_RANK_MAX + 1];

    if (!graph_ok(b->graph)) return VALUE_NONE;
    const shape *s = graph_shape(b->graph, v);
    for (uint32_t i = 0; i <= s->rank; i++) {
        dims[i] = i == axis ? 1 : s->dims[i < axis ? i : i - 1];
    }
    return lowering_reshape(b, v, s->rank + 1, dims);
}

value lowering_squeeze(layer_build *b, value v, uint32_t axis)
{
    dim dims[EBB_RANK_MAX];
    uint32_t rank = 0;

    if (!graph_ok(b->graph)) return VALUE_NONE;
    const shape *s = graph_shape(b->graph, v);
    for (uint32_t i = 0; i < s->rank; i++) {
        if (i != axis) dims[rank++] = s->dims[i];
    }
    return lowering_reshape(b, v, rank, dims);
}

value lowering_align(layer_build *b, value v, uint32_t rank, uint32_t axis)
{
    dim dims[EBB_RANK_MAX];

    if (!graph_ok(b->graph) || axis + 1 == rank) return v;
    dims[0] = graph_dim(b->graph, v, 0);
    for (uint32_t i = 1; i < rank - axis; i++) dims[i] = 1;
    return lowering_reshape(b, v, rank - axis, dims);
}

value lowering_move_axis(layer_build *b, value v, uint32_t from, uint32_t to)
{
    uint32_t order[EBB_RANK_MAX];

    if (!graph_ok(b->graph) || from == to) return v;
    const uint32_t rank = graph_rank(b->graph, v);
    uint32_t next = 0;
    for (uint32_t i = 0; i < rank; i++) {
        if (next == from) next++;
        order[i] = i == to ? from : next++;
    }
    return op_transpose(b->graph, v, order);
}

value lowering_filled(layer_build *b, ebb_dtype dtype, bool on, const shape *s)
{
    static const shape scalar = {.rank = 0};
    const float number = on ? 1.0f : 0.0f;
    const int32_t integer = on;
    const uint8_t boolean = on;
    const void *data = &number;

    if (!graph_ok(b->graph)) return VALUE_NONE;
    if (dtype == EBB_I32) data = &integer;
    if (dtype == EBB_BOOL) data = &boolean;
    return op_broadcast(b->graph, graph_constant(b->graph, dtype, &scalar, data), s);
}

bool lowering_noise(layer_build *b, const int_list *given, value x, shape *noise)
{
    *noise = *graph_shape(b->graph, x);
    if (given->count == 0) return true;
    if (given->count != noise->rank) {
        return layer_fail(b, EBB_E_SHAPE, "noise_shape: expected %" PRIu32 " lengths, got %" PRIu32,
                          noise->rank, given->count);
    }
    for (uint32_t i = 0; i < noise->rank; i++) {
        if (given->items[i] == INT_LIST_NULL) continue;
        if (given->items[i] <= 0)
            return layer_fail(b, EBB_E_FORMAT, "noise_shape: expected positive lengths");
        noise->dims[i] = given->items[i];
    }
    return true;
}

value lowering_unit(layer_build *b, value x, uint32_t axes, double epsilon)
{
    graph *g = b->graph;
    const value square = op_reduce(g, REDUCE_SUM, op_unary(g, UNARY_SQUARE, x), axes, true);
    const value inverse = op_unary(g, UNARY_RSQRT, square);

    return op_mul(g, x, op_binary(g, BINARY_MIN, inverse, graph_scalar(g, (float)(1.0 / epsilon))));
}

void lowering_promote(layer_build *b, value *items, uint32_t count)
{
    bool has_f32 = false;

    if (!graph_ok(b->graph)) return;
    for (uint32_t i = 0; i < count; i++)
        has_f32 = has_f32 || graph_value(b->graph, items[i])->dtype == EBB_F32;
    for (uint32_t i = 0; i < count; i++)
        items[i] = has_f32 ? build_f32(b, items[i]) : build_i32(b, items[i]);
}

value lowering_saturate(layer_build *b, value x, ebb_dtype dtype)
{
    const uint32_t bits = 8 * (uint32_t)ebb_dtype_bytes(dtype);

    x = op_unary(b->graph, UNARY_ROUND, x);
    if (bits < 32) {
        const bool is_signed = dtype == EBB_I8 || dtype == EBB_I16;
        const float span = (float)(1u << (is_signed ? bits - 1 : bits));
        unary_attributes clip = {UNARY_CLIP, is_signed ? -span : 0.0f, span - 1.0f, 0.0f};
        x = op_unary_with(b->graph, clip, x);
    }
    return build_i32(b, x);
}
