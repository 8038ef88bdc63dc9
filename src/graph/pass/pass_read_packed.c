/* pass_read_packed.c -- matmul, gather and convolutions of one place that read packed weights
 * themselves:
 *
 *     matmul(a, reshape(unpack(w)))  ->  packed_matmul(a, w)     where w is packed as that matrix
 *     conv(x, unpack(w)), 1 x 1      ->  packed_matmul(x, w)
 *     gather(unpack(w), indices)     ->  packed_gather(w, indices)
 *
 * Other users of the same weight keep the unpack node. */
#include "graph/pass/rewrite.h"

#include <string.h>

#include "tensor/packed.h"

/* The packed weight behind `v`, reshaped or not; VALUE_NONE: there is none. */
static value packed_behind(const graph *g, value v, bool is_reshaped)
{
    uint32_t index = rewrite_producer(g, v);

    while (is_reshaped && index != NODE_NONE && g->nodes[index].op == OP_reshape)
        index = rewrite_producer(g, g->nodes[index].inputs[0]);
    if (index == NODE_NONE || g->nodes[index].op != OP_unpack) return VALUE_NONE;
    return g->nodes[index].inputs[0];
}

static bool is_matrix(const graph *g, value b, const packed_layout *l)
{
    const shape *s = graph_shape(g, b);

    for (uint32_t i = 0; i + 2 < s->rank; i++)
        if (s->dims[i] != 1) return false;
    return s->dims[s->rank - 2] == (dim)l->rows && s->dims[s->rank - 1] == (dim)l->columns;
}

static value read_matmul(graph *g, const node *n)
{
    const matmul_attributes *m = n->attributes;
    const value weight = packed_behind(g, n->inputs[PLACE_KERNEL], true);
    value inputs[PLACE_SCALE + 1] = {VALUE_NONE};

    if (weight == VALUE_NONE || m->transpose_a || m->transpose_b ||
        !is_matrix(g, n->inputs[PLACE_KERNEL], graph_value(g, weight)->packing) ||
        graph_rank(g, n->outputs[0]) != graph_rank(g, n->inputs[PLACE_X]))
        return VALUE_NONE;
    memcpy(inputs, n->inputs, n->input_count * sizeof *inputs);
    inputs[PLACE_KERNEL] = weight;
    return op_packed_matmul(g, inputs, &m->epilogue);
}

/* Does each place of the result come from the same place of x alone? */
static bool is_pointwise(const graph *g, const node *n)
{
    const conv_attributes *c = n->attributes;
    bool is_one = c->groups == 1;

    for (uint32_t i = 0; i < c->spatial; i++) {
        is_one = is_one && graph_dim(g, n->inputs[PLACE_KERNEL], (int)i) == 1 &&
                 c->strides[i] == 1 && (c->same || (c->pad_before[i] == 0 && c->pad_after[i] == 0));
    }
    return is_one;
}

static value read_conv(graph *g, const node *n)
{
    const conv_attributes *c = n->attributes;
    const value weight = packed_behind(g, n->inputs[PLACE_KERNEL], true);
    value inputs[PLACE_SCALE + 1] = {VALUE_NONE};

    if (weight == VALUE_NONE || !is_pointwise(g, n) ||
        !is_matrix(g, n->inputs[PLACE_KERNEL], graph_value(g, weight)->packing))
        return VALUE_NONE;
    memcpy(inputs, n->inputs, n->input_count * sizeof *inputs);
    inputs[PLACE_KERNEL] = weight;
    return op_packed_matmul(g, inputs, &c->epilogue);
}

static value read_gather(graph *g, const node *n)
{
    const gather_attributes *a = n->attributes;
    const value weight = packed_behind(g, n->inputs[0], false);

    if (weight == VALUE_NONE || a->axis != 0 || a->batch_dims != 0) return VALUE_NONE;
    const packed_layout *l = graph_value(g, weight)->packing;
    if (graph_dim(g, weight, 0) != (dim)l->rows) return VALUE_NONE;
    return op_packed_gather(g, weight, n->inputs[1], a->wrap);
}

static uint32_t run(graph *g)
{
    const char *const scope = g->scope;
    const uint32_t count = g->node_count;
    uint32_t changes = 0;

    for (uint32_t i = 0; i < count && graph_ok(g); i++) {
        const node n = g->nodes[i];
        if (n.is_dead || (n.op != OP_matmul && n.op != OP_conv && n.op != OP_gather)) continue;
        g->scope = n.name;
        const value y = n.op == OP_matmul ? read_matmul(g, &n)
                        : n.op == OP_conv ? read_conv(g, &n)
                                          : read_gather(g, &n);
        if (y == VALUE_NONE) continue;
        rewrite_retire(g, i, y);
        changes++;
    }
    g->scope = scope;
    if (changes > 0) (void)rewrite_finish(g);
    return changes;
}

const pass_def pass_def_read_packed = {.name = "read_packed",
                                       .description = "matmul, gather read packed weights "
                                                      "themselves",
                                       .run = run};
