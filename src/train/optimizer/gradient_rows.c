/* gradient_rows.c -- see gradient_rows.h. Source: keras/src/backend/tensorflow/sparse.py of 3.15.
 */
#include "train/optimizer/gradient_rows.h"

#include "train/arithmetic.h"

static const node *maker_of(const graph *g, value v)
{
    const value_info *info = graph_value(g, v);

    return info->kind == VALUE_RESULT ? &g->nodes[info->node] : NULL;
}

static bool source_add(const graph *g, value v, gradient_rows *result)
{
    const node *n = maker_of(g, v);

    if (n == NULL || n->op != OP_scatter_add || result->count == ROW_SOURCES_MAX) return false;
    const scatter_add_attributes *a = n->attributes;
    if (a->gather.axis != 0 || a->gather.batch_dims != 0) return false;
    result->sources[result->count++] = (row_source){n->inputs[0], n->inputs[1], a->gather};
    return true;
}

/* Contributions of several look-ups were added one after the other: the first two innermost. */
bool gradient_rows_find(const graph *g, value gradient, gradient_rows *result)
{
    *result = (gradient_rows){.to = *graph_shape(g, gradient)};
    for (;;) {
        const node *n = maker_of(g, gradient);
        const binary_attributes *a = n != NULL && n->op == OP_binary ? n->attributes : NULL;

        if (a == NULL || a->kind != BINARY_ADD) return source_add(g, gradient, result);
        if (!source_add(g, n->inputs[1], result)) return false;
        gradient = n->inputs[0];
    }
}

void gradient_rows_map(graph *g, gradient_rows *rows, value (*make)(graph *g, value x, value y),
                       value operand)
{
    for (uint32_t i = 0; i < rows->count; i++)
        rows->sources[i].rows = make(g, rows->sources[i].rows, operand);
}

void gradient_rows_clip(graph *g, gradient_rows *rows, float limit)
{
    for (uint32_t i = 0; i < rows->count; i++)
        rows->sources[i].rows = arith_clip(g, rows->sources[i].rows, -limit, limit);
}

value gradient_rows_sum(graph *g, const gradient_rows *rows, unary_kind kind)
{
    value sum = VALUE_NONE;

    for (uint32_t i = 0; i < rows->count && graph_ok(g); i++) {
        const row_source *s = &rows->sources[i];
        const value x = kind == UNARY_IDENTITY ? s->rows : op_unary(g, kind, s->rows);
        const value part = op_scatter_add(g, x, s->indices, &s->how, &rows->to);
        sum = sum == VALUE_NONE ? part : op_add(g, sum, part);
    }
    return sum;
}

value gradient_rows_squares(graph *g, const gradient_rows *rows)
{
    value sum = VALUE_NONE;

    for (uint32_t i = 0; i < rows->count && graph_ok(g); i++) {
        const value part = arith_all(g, REDUCE_SUM, arith_square(g, rows->sources[i].rows));
        sum = sum == VALUE_NONE ? part : op_add(g, sum, part);
    }
    return sum;
}
