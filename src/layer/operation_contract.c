/* operation_contract.c -- keras.ops that multiply and sum over axes: matmul, einsum, dot,
 * tensordot, inner, outer.
 *
 * Products of integers are computed in float32 and cast back: exact up to 2^24.
 * Source: keras/src/ops/numpy.py. */
#include <string.h>

#include "layer/einsum.h"
#include "layer/operation.h"

typedef struct contract_config {
    const char *subscripts;
    const json *axes;
} contract_config;

static bool both_integers(const layer_build *b, value x, value y)
{
    return graph_value(b->graph, x)->dtype != EBB_F32 && graph_value(b->graph, y)->dtype != EBB_F32;
}

/* Two F32 operands; *integers: the result is to be cast back. */
static bool operands(layer_build *b, const layer_call *call, value *x, value *y, bool *integers)
{
    *x = operation_operand(b, call, 0, "x1");
    *y = operation_operand(b, call, 1, "x2");
    if (!graph_ok(b->graph)) return false;
    *integers = both_integers(b, *x, *y);
    *x = build_f32(b, *x);
    *y = build_f32(b, *y);
    return graph_ok(b->graph);
}

static bool product_result(layer_build *b, layer_call *call, value v, bool integers)
{
    return operation_result(b, call, integers ? build_i32(b, v) : v);
}

/* Vectors take part as a row (first) or a column (second) that is taken away again. */
static value matmul(layer_build *b, value x, value y)
{
    const uint32_t rank_x = graph_rank(b->graph, x), rank_y = graph_rank(b->graph, y);
    if (rank_x == 0 || rank_y == 0) {
        layer_fail(b, EBB_E_SHAPE, "a single number is no matrix");
        return VALUE_NONE;
    }
    if (rank_x == 1) x = operation_axis_insert(b, x, 0);
    if (rank_y == 1) y = operation_axis_insert(b, y, 1);
    value v = op_matmul(b->graph, x, y, false, false);
    if (rank_y == 1 && graph_ok(b->graph))
        v = operation_axis_remove(b, v, graph_rank(b->graph, v) - 1);
    if (rank_x == 1 && graph_ok(b->graph)) {
        v = operation_axis_remove(b, v, graph_rank(b->graph, v) - (rank_y == 1 ? 1 : 2));
    }
    return v;
}

static bool matmul_build(layer_build *b, const void *config, layer_call *call)
{
    value x, y;
    bool integers;
    (void)config;
    return operands(b, call, &x, &y, &integers) &&
           product_result(b, call, matmul(b, x, y), integers);
}
OPERATION_DEF(matmul, "Matmul", NULL, 0, NULL);

/* Sums over pairs of axes, written as an Einstein sum: the axes of y that are summed get x's
 * letters. */
static value contract(layer_build *b, value x, value y, const uint32_t *axes_x,
                      const uint32_t *axes_y, uint32_t count)
{
    char text[3 * EBB_RANK_MAX + 8], in_y[EBB_RANK_MAX], out[2 * EBB_RANK_MAX];
    const uint32_t rank_x = graph_rank(b->graph, x), rank_y = graph_rank(b->graph, y);
    uint32_t length = 0, out_count = 0;
    bool is_summed[EBB_RANK_MAX] = {false};
    memset(in_y, 0, sizeof in_y);
    for (uint32_t k = 0; k < count; k++) {
        is_summed[axes_x[k]] = true;
        in_y[axes_y[k]] = (char)('a' + axes_x[k]);
    }
    for (uint32_t k = 0; k < rank_x; k++) {
        text[length++] = (char)('a' + k);
        if (!is_summed[k]) out[out_count++] = (char)('a' + k);
    }
    text[length++] = ',';
    for (uint32_t k = 0; k < rank_y; k++) {
        const char letter = in_y[k] != 0 ? in_y[k] : (char)('n' + k);
        text[length++] = letter;
        if (in_y[k] == 0) out[out_count++] = letter;
    }
    if (out_count > EBB_RANK_MAX) {
        layer_fail(b, EBB_E_UNSUPPORTED, "the result would have %u axes", out_count);
        return VALUE_NONE;
    }
    memcpy(text + length, "->", 2);
    memcpy(text + length + 2, out, out_count);
    text[length + 2 + out_count] = '\0';
    return einsum_build(b, text, x, y);
}

static bool axes_read(layer_build *b, value v, const json *list, uint32_t *axes, uint32_t *count)
{
    const bool is_list = list != NULL && list->kind == JSON_ARRAY;
    const uint32_t items = is_list ? list->count : 1;
    if (items > EBB_RANK_MAX) return layer_fail(b, EBB_E_FORMAT, "too many axes");
    *count = items;
    for (uint32_t k = 0; k < items; k++) {
        const int axis =
            build_axis(b, v, json_integer(is_list ? json_item(list, k) : list, INT32_MAX));
        if (axis < 0) return false;
        axes[k] = (uint32_t)axis;
    }
    return true;
}

static const layer_field tensordot_fields[] = {
    {"axes", FIELD_JSON, offsetof(contract_config, axes), true, 0, NULL}, FIELDS_END};

static bool tensordot_build(layer_build *b, const void *config, layer_call *call)
{
    const contract_config *c = config;
    value x, y;
    bool integers;
    uint32_t axes_x[EBB_RANK_MAX], axes_y[EBB_RANK_MAX], count = 0, count_y = 0;
    if (!operands(b, call, &x, &y, &integers)) return false;
    if (c->axes->kind == JSON_ARRAY) {
        if (!axes_read(b, x, json_item(c->axes, 0), axes_x, &count) ||
            !axes_read(b, y, json_item(c->axes, 1), axes_y, &count_y)) {
            return false;
        }
    } else {
        const int64_t n = json_integer(c->axes, -1), rank = graph_rank(b->graph, x);
        if (n < 0 || n > rank || n > (int64_t)graph_rank(b->graph, y)) {
            return layer_fail(b, EBB_E_SHAPE, "%lld axes cannot be summed", (long long)n);
        }
        count = count_y = (uint32_t)n;
        for (uint32_t k = 0; k < count; k++) axes_x[k] = (uint32_t)(rank - n) + k, axes_y[k] = k;
    }
    if (count != count_y) return layer_fail(b, EBB_E_FORMAT, "the lists of axes differ in length");
    return product_result(b, call, contract(b, x, y, axes_x, axes_y, count), integers);
}
OPERATION_DEF(tensordot, "Tensordot", NULL, sizeof(contract_config), tensordot_fields);

static bool dot_build(layer_build *b, const void *config, layer_call *call)
{
    value x, y;
    bool integers;
    (void)config;
    if (!operands(b, call, &x, &y, &integers)) return false;
    const uint32_t rank_x = graph_rank(b->graph, x), rank_y = graph_rank(b->graph, y);
    if (rank_x == 0 || rank_y == 0)
        return product_result(b, call, op_mul(b->graph, x, y), integers);
    const uint32_t last_x = rank_x - 1, axis_y = rank_y == 1 ? 0 : rank_y - 2;
    return product_result(b, call, contract(b, x, y, &last_x, &axis_y, 1), integers);
}
OPERATION_DEF(dot, "Dot", NULL, 0, NULL);

static bool inner_build(layer_build *b, const void *config, layer_call *call)
{
    value x, y;
    bool integers;
    (void)config;
    if (!operands(b, call, &x, &y, &integers)) return false;
    const uint32_t rank_x = graph_rank(b->graph, x), rank_y = graph_rank(b->graph, y);
    if (rank_x == 0 || rank_y == 0)
        return product_result(b, call, op_mul(b->graph, x, y), integers);
    const uint32_t last_x = rank_x - 1, last_y = rank_y - 1;
    return product_result(b, call, contract(b, x, y, &last_x, &last_y, 1), integers);
}
OPERATION_DEF(inner, "Inner", NULL, 0, NULL);

static bool vdot_build(layer_build *b, const void *config, layer_call *call)
{
    value x, y;
    bool integers;
    (void)config;
    if (!operands(b, call, &x, &y, &integers)) return false;
    const value product = op_mul(b->graph, operation_flat(b, x), operation_flat(b, y));
    return product_result(b, call, op_reduce(b->graph, REDUCE_SUM, product, 0, false), integers);
}
OPERATION_DEF(vdot, "Vdot", NULL, 0, NULL);

static bool outer_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    value x = operation_operand(b, call, 0, "x1"), y = operation_operand(b, call, 1, "x2");
    if (!graph_ok(b->graph)) return false;
    operation_meet(b, MEET_NUMBERS, &x, &y);
    x = operation_axis_insert(b, operation_flat(b, x), 1);
    return operation_result(b, call, op_mul(b->graph, x, operation_flat(b, y)));
}
OPERATION_DEF(outer, "Outer", NULL, 0, NULL);

static const layer_field einsum_fields[] = {
    {"subscripts", FIELD_TEXT, offsetof(contract_config, subscripts), true, 0, NULL}, FIELDS_END};

static bool einsum_operation_build(layer_build *b, const void *config, layer_call *call)
{
    const contract_config *c = config;
    value items[EINSUM_OPERANDS_MAX] = {0};
    bool integers = true;
    if (call->argument_count > EINSUM_OPERANDS_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "an Einstein sum of %u operands",
                          call->argument_count);
    }
    for (uint32_t k = 0; k < call->argument_count; k++) {
        items[k] = operation_operand(b, call, k, "operand");
        if (items[k] == VALUE_NONE) return false;
        integers &= graph_value(b->graph, items[k])->dtype != EBB_F32;
        items[k] = build_f32(b, items[k]);
    }
    return product_result(b, call, einsum_build_many(b, c->subscripts, items, call->argument_count),
                          integers);
}

const layer_def layer_def_op_einsum = {
    .name = "Einsum",
    .family = "operation",
    .config_bytes = sizeof(contract_config),
    .fields = einsum_fields,
    .masking = MASK_DROPS,
    .build = einsum_operation_build,
};
