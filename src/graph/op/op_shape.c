/* op_shape.c -- shapes: comparison, broadcasting, text, and the checks that all shape rules
 * share. */
#include "graph/builder.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

bool shape_equal(const shape *a, const shape *b)
{
    if (a->rank != b->rank) return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

dim shape_count(graph *g, const shape *s)
{
    dim count = 1;

    for (uint32_t i = 0; i < s->rank; i++) count = dim_make(g, DIM_MUL, count, s->dims[i]);
    return count;
}

uint64_t shape_count_at(const shape *s, const int64_t *dim_values)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < s->rank; i++)
        if (!u64_mul(count, (uint64_t)dim_value(s->dims[i], dim_values), &count)) return UINT64_MAX;
    return count;
}

char *shape_text(const graph *g, const shape *s, char *text, uint32_t capacity)
{
    size_t used = 0;

    if (capacity == 0) return text;
    text[0] = '\0';
    for (uint32_t i = 0; i < s->rank && used + 1 < capacity; i++) {
        char number[96];
        const int length = snprintf(text + used, capacity - used, "%s%s", i == 0 ? "(" : ", ",
                                    dim_text(g, s->dims[i], number, sizeof number));
        used += length > 0 ? (size_t)length : 0;
    }
    if (used + 1 < capacity)
        (void)snprintf(text + used, capacity - used, "%s",
                       s->rank == 0   ? "()"
                       : s->rank == 1 ? ",)"
                                      : ")");
    return text;
}

void shape_require(graph *g, const shape *s)
{
    for (uint32_t i = 0; i < s->rank; i++) dim_require(g, s->dims[i]);
}

bool shape_fault(graph *g, const char *op, const char *what, const shape *a, const shape *b)
{
    char left[SHAPE_TEXT_MAX], right[SHAPE_TEXT_MAX];

    return graph_fault(g, EBB_E_SHAPE, "%s: %s: %s and %s", op, what,
                       shape_text(g, a, left, sizeof left), shape_text(g, b, right, sizeof right));
}

bool shape_broadcast(graph *g, const shape *a, const shape *b, shape *result)
{
    const uint32_t rank = a->rank > b->rank ? a->rank : b->rank;
    shape both = {.rank = rank}; /* result may be a or b */

    for (uint32_t i = 0; i < rank; i++) { /* from the last axis */
        const dim x = i < a->rank ? a->dims[a->rank - 1 - i] : 1;
        const dim y = i < b->rank ? b->dims[b->rank - 1 - i] : 1;
        if (dim_known(x) && dim_known(y) && x != y && x != 1 && y != 1)
            return shape_fault(g, "broadcast", "these shapes do not fit together", a, b);
        both.dims[rank - 1 - i] = dim_make(g, DIM_BROADCAST, x, y);
    }
    *result = both;
    return graph_ok(g);
}

bool expect_dtype(graph *g, const char *op, const char *what, value v, ebb_dtype dtype)
{
    if (graph_value(g, v)->dtype == dtype) return true;
    return graph_fault(g, EBB_E_DTYPE, "%s: %s must be %s, it is %s", op, what,
                       ebb_dtype_name(dtype), ebb_dtype_name(graph_value(g, v)->dtype));
}

bool expect_compute_dtype(graph *g, const char *op, value v)
{
    const ebb_dtype dtype = graph_value(g, v)->dtype;

    if (dtype == EBB_F32 || dtype == EBB_I32 || dtype == EBB_BOOL) return true;
    return graph_fault(g, EBB_E_DTYPE, "%s: computes float32, int32 and bool, not %s; cast first",
                       op, ebb_dtype_name(dtype));
}

bool expect_rank(graph *g, const char *op, const char *what, value v, uint32_t rank)
{
    char text[SHAPE_TEXT_MAX];

    if (graph_rank(g, v) == rank) return true;
    return graph_fault(g, EBB_E_SHAPE, "%s: %s must have %u axes, it is %s", op, what, rank,
                       shape_text(g, graph_shape(g, v), text, sizeof text));
}

bool expect_same(graph *g, const char *op, const char *what, dim a, dim b, dim *result)
{
    if (dim_known(a) && dim_known(b) && a != b)
        return graph_fault(g, EBB_E_SHAPE, "%s: %s must be equal, they are %lld and %lld", op, what,
                           (long long)a, (long long)b);
    *result = dim_make(g, DIM_SAME, a, b);
    return graph_ok(g);
}

uint64_t flops_none(const graph *g, const node *n, const int64_t *dim_values)
{
    (void)g;
    (void)n;
    (void)dim_values;
    return 0;
}

uint64_t flops_of_input(const graph *g, const node *n, const int64_t *dim_values)
{
    return shape_count_at(graph_shape(g, n->inputs[0]), dim_values);
}
