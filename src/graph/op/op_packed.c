/* op_packed.c -- what reads weights that are kept in fewer bytes: unpack, packed_matmul,
 * packed_gather. The weight's value says F32 and its own shape; its layout says how the bytes lie,
 * and which matrix they are. */
#include "graph/op/gradient_rule.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "tensor/packed.h"

enum { PACKED_A, PACKED_WEIGHT, PACKED_BIAS, PACKED_RESIDUAL, PACKED_SCALE, PACKED_PLACES };

static const packed_layout *layout_of(graph *g, const char *op, value weight)
{
    const packed_layout *l = graph_value(g, weight)->packing;

    if (l == NULL) graph_fault(g, EBB_E_ARGUMENT, "%s: value %u is no packed weight", op, weight);
    return l;
}

static void describe_layout(const graph *g, value weight, char *text, uint32_t capacity)
{
    const packed_layout *l = graph_value(g, weight)->packing;

    (void)snprintf(text, capacity, "%s%s", l->is_sparse ? "sparse " : "", ebb_dtype_name(l->kind));
}

/* -- unpack ------------------------------------------------------------------------------------ */

static bool unpack_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    if (layout_of(g, "unpack", n->inputs[0]) == NULL) return false;
    dtypes[0] = EBB_F32;
    shapes[0] = *graph_shape(g, n->inputs[0]);
    return true;
}

static void unpack_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    describe_layout(g, n->inputs[0], text, capacity);
}

const op_def op_def_unpack = {.name = "unpack",
                              .inputs_min = 1,
                              .inputs_max = 1,
                              .output_count = 1,
                              .infer = unpack_infer,
                              .is_random = true,
                              .describe = unpack_describe};

value op_unpack(graph *g, value weight)
{
    return graph_node(g, OP_unpack, &weight, 1, NULL);
}

/* -- packed_matmul ----------------------------------------------------------------------------- */

static bool packed_matmul_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    static const char op[] = "packed_matmul";
    const packed_layout *l = layout_of(g, op, n->inputs[PACKED_WEIGHT]);
    const shape a = *graph_shape(g, n->inputs[PACKED_A]);

    if (l == NULL || !expect_dtype(g, op, "a", n->inputs[PACKED_A], EBB_F32)) return false;
    if (a.rank < 2 || a.dims[a.rank - 1] != (dim)l->rows)
        return shape_fault(g, op, "the inner lengths differ", &a,
                           graph_shape(g, n->inputs[PACKED_WEIGHT]));
    shapes[0] = a;
    shapes[0].dims[a.rank - 1] = (dim)l->columns;
    dtypes[0] = EBB_F32;
    const shape vector = {.rank = 1, .dims = {(dim)l->columns}};
    for (uint32_t i = PACKED_BIAS; i < n->input_count; i++) {
        if (n->inputs[i] == VALUE_NONE) continue;
        const shape *want = i == PACKED_RESIDUAL ? &shapes[0] : &vector;
        if (!expect_dtype(g, op, "an operand", n->inputs[i], EBB_F32)) return false;
        if (!shape_equal(graph_shape(g, n->inputs[i]), want))
            return shape_fault(g, op, "an operand does not fit", want,
                               graph_shape(g, n->inputs[i]));
    }
    return true;
}

static uint64_t packed_matmul_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const packed_layout *l = graph_value(g, n->inputs[PACKED_WEIGHT])->packing;
    uint64_t flops;

    (void)u64_mul(2 * l->rows, shape_count_at(graph_shape(g, n->outputs[0]), dim_values), &flops);
    return flops;
}

static void packed_matmul_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const packed_matmul_attributes *m = n->attributes;

    describe_layout(g, n->inputs[PACKED_WEIGHT], text, capacity);
    const size_t used = strlen(text);
    if (m->epilogue.activation.kind != UNARY_IDENTITY && used < capacity)
        (void)snprintf(text + used, capacity - used, " then %s",
                       unary_name(m->epilogue.activation.kind));
}

const op_def op_def_packed_matmul = {.name = "packed_matmul",
                                     .attribute_bytes = sizeof(packed_matmul_attributes),
                                     .inputs_min = 2,
                                     .inputs_max = PACKED_PLACES,
                                     .output_count = 1,
                                     .infer = packed_matmul_infer,
                                     .flops = packed_matmul_flops,
                                     .is_random = true,
                                     .describe = packed_matmul_describe};

value op_packed_matmul(graph *g, const value *inputs, const epilogue *e)
{
    packed_matmul_attributes attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.epilogue = *e;
    return graph_node(g, OP_packed_matmul, inputs, PACKED_PLACES, &attributes);
}

/* -- packed_gather ----------------------------------------------------------------------------- */

static bool packed_gather_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    static const char op[] = "packed_gather";
    const packed_layout *l = layout_of(g, op, n->inputs[0]);
    const shape x = *graph_shape(g, n->inputs[0]), indices = *graph_shape(g, n->inputs[1]);

    if (l == NULL || !expect_dtype(g, op, "the indices", n->inputs[1], EBB_I32)) return false;
    if (x.rank == 0 || x.dims[0] != (dim)l->rows || indices.rank + x.rank - 1 > EBB_RANK_MAX)
        return shape_fault(g, op, "rows cannot be taken", &x, &indices);
    shapes[0] = indices;
    for (uint32_t i = 1; i < x.rank; i++) shapes[0].dims[shapes[0].rank++] = x.dims[i];
    dtypes[0] = EBB_F32;
    return true;
}

static void packed_gather_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    describe_layout(g, n->inputs[0], text, capacity);
}

const op_def op_def_packed_gather = {.name = "packed_gather",
                                     .attribute_bytes = sizeof(packed_gather_attributes),
                                     .inputs_min = 2,
                                     .inputs_max = 2,
                                     .output_count = 1,
                                     .infer = packed_gather_infer,
                                     .is_random = true,
                                     .describe = packed_gather_describe};

value op_packed_gather(graph *g, value weight, value indices, bool wrap)
{
    packed_gather_attributes attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.wrap = wrap;
    return graph_node(g, OP_packed_gather, (const value[]){weight, indices}, 2, &attributes);
}
