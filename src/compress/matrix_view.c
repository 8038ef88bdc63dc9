/* matrix_view.c -- see matrix_view.h. */
#include "compress/matrix_view.h"

#include "graph/op.h"

#define STEPS_MAX 16 /* reshapes one behind the other */

static void by_last_axis(const shape *s, packed_layout *l)
{
    l->columns = s->rank == 0 ? 1 : (uint64_t)s->dims[s->rank - 1];
    l->rows = 1;
    for (uint32_t i = 0; i + 1 < s->rank; i++) l->rows *= (uint64_t)s->dims[i];
    l->is_by_row = false;
}

static void by_first_axis(const shape *s, packed_layout *l)
{
    l->rows = s->rank == 0 ? 1 : (uint64_t)s->dims[0];
    l->columns = 1;
    for (uint32_t i = 1; i < s->rank; i++) l->columns *= (uint64_t)s->dims[i];
    l->is_by_row = true;
}

/* The first live node that reads v, and at which place. */
static const node *reader_of(const graph *g, value v, uint32_t *place)
{
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        for (*place = 0; *place < n->input_count && !n->is_dead; ++*place)
            if (n->inputs[*place] == v) return n;
    }
    return NULL;
}

/* Does the node hand the weight on, as the same elements or with a factor for each? */
static bool looks_through(const graph *g, const node *n, value v)
{
    if (n->op == OP_binary || n->op == OP_unary)
        return shape_equal(graph_shape(g, n->outputs[0]), graph_shape(g, v));
    return n->op == OP_reshape || n->op == OP_unpack || n->op == OP_stop;
}

void matrix_view_find(const graph *g, value weight, packed_layout *l)
{
    uint32_t place = 0;
    value v = weight;
    const node *n = reader_of(g, v, &place);

    for (uint32_t i = 0; i < STEPS_MAX && n != NULL && looks_through(g, n, v); i++) {
        v = n->outputs[0];
        n = reader_of(g, v, &place);
    }
    const shape *s = graph_shape(g, v);
    by_last_axis(graph_shape(g, weight), l);
    if (n == NULL) return;
    if (n->op == OP_gather && place == 0) {
        by_first_axis(s, l);
    } else if (n->op == OP_matmul && place == 1) {
        by_last_axis(s, l);
        l->is_by_row = ((const matmul_attributes *)n->attributes)->transpose_b;
    } else if (n->op == OP_conv && place == 1) {
        by_last_axis(s, l);
    } else if (n->op == OP_conv_transpose && place == 1) {
        by_last_axis(s, l);
        l->is_by_row = true;
    }
}
