/* einsum.c -- Einstein sums lowered to a few ops.
 *
 * Every axis of an operand carries a label: its letter, or for axes under "..." a number counted
 * from the right. Two operands x and y are combined so:
 *
 *     shared     in x, in y, wanted later      leading axes of the matmul
 *     contracted in x, in y, not wanted later  summed by the matmul
 *     free       in one only, wanted later     rows (x) or columns (y) of the matmul
 *     the rest   in one only, not wanted       summed away beforehand
 *
 * More operands are combined from left to right. Source: numpy.einsum, keras/src/ops/numpy.py. */
#include "layer/einsum.h"

#include <string.h>

#define LABELS 256
#define ELLIPSIS_FIRST                                                                             \
    128 /* label of the last axis under "..."; the one before it has the next number */

typedef struct term {
    value v;
    uint32_t rank;
    uint8_t labels[EBB_RANK_MAX];
} term;

typedef struct einsum {
    layer_build *b;
    graph *g;
    term terms[EINSUM_OPERANDS_MAX];
    uint32_t count;
    term out; /* v unused */
    uint32_t ellipsis_rank;
} einsum;

static bool has_label(const term *t, uint8_t label)
{
    return memchr(t->labels, label, t->rank) != NULL;
}

static uint32_t label_axis(const term *t, uint8_t label)
{
    uint32_t axis = 0;
    while (axis < t->rank && t->labels[axis] != label) axis++;
    return axis;
}

/* -- reading the equation
 * -------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool label_add(einsum *e, term *t, uint8_t label, const char *equation)
{
    if (t->rank == EBB_RANK_MAX || has_label(t, label)) {
        return layer_fail(e->b, EBB_E_UNSUPPORTED,
                          "the equation '%.60s' has a term with too many or repeated letters",
                          equation);
    }
    t->labels[t->rank++] = label;
    return true;
}

/* Reads one term up to ',', '-' or the end. `covered`: axes under its "...". */
static const char *term_read(einsum *e, const char *at, term *t, uint32_t covered,
                             const char *equation)
{
    for (; *at != '\0' && *at != ',' && *at != '-'; at++) {
        if (*at == ' ') continue;
        if (strncmp(at, "...", 3) == 0) {
            for (uint32_t k = covered; k > 0; k--) {
                if (!label_add(e, t, (uint8_t)(ELLIPSIS_FIRST + k - 1), equation)) return NULL;
            }
            at += 2;
        } else if (is_letter(*at)) {
            if (!label_add(e, t, (uint8_t)*at, equation)) return NULL;
        } else {
            layer_fail(e->b, EBB_E_FORMAT, "the equation '%.60s' is not an Einstein sum", equation);
            return NULL;
        }
    }
    return at;
}

static uint32_t letters_of(const char *at)
{
    uint32_t count = 0;
    for (; *at != '\0' && *at != ',' && *at != '-'; at++) count += is_letter(*at);
    return count;
}

/* Without "->": the axes under "..." and the letters that occur once, in order. */
static void output_default(einsum *e)
{
    for (uint32_t k = e->ellipsis_rank; k > 0; k--) {
        e->out.labels[e->out.rank++] = (uint8_t)(ELLIPSIS_FIRST + k - 1);
    }
    for (uint32_t letter = 'A'; letter <= 'z'; letter++) {
        uint32_t times = 0;
        for (uint32_t i = 0; i < e->count; i++) times += has_label(&e->terms[i], (uint8_t)letter);
        if (times == 1 && e->out.rank < EBB_RANK_MAX)
            e->out.labels[e->out.rank++] = (uint8_t)letter;
    }
}

static bool output_check(einsum *e, const char *equation)
{
    for (uint32_t k = 0; k < e->out.rank; k++) {
        bool is_there = false;
        for (uint32_t i = 0; i < e->count; i++)
            is_there |= has_label(&e->terms[i], e->out.labels[k]);
        if (!is_there) {
            return layer_fail(e->b, EBB_E_FORMAT,
                              "the equation '%.60s' has a result letter of no operand", equation);
        }
    }
    return true;
}

static bool equation_read(einsum *e, const char *equation)
{
    const char *at = equation;
    for (uint32_t i = 0; i < e->count; i++) {
        term *t = &e->terms[i];
        const uint32_t rank = graph_rank(e->g, t->v), letters = letters_of(at);
        const uint32_t covered = rank > letters ? rank - letters : 0;
        at = term_read(e, at, t, covered, equation);
        if (at == NULL) return false;
        if (t->rank != rank || (i + 1 < e->count) != (*at == ',')) {
            return layer_fail(e->b, EBB_E_SHAPE,
                              "the equation '%.60s' does not fit %u operands, number %u of rank %u",
                              equation, e->count, i, rank);
        }
        if (covered > e->ellipsis_rank) e->ellipsis_rank = covered;
        if (*at == ',') at++;
    }
    if (at[0] != '-' || at[1] != '>') {
        output_default(e);
        return true;
    }
    at = term_read(e, at + 2, &e->out, e->ellipsis_rank, equation);
    return at != NULL && output_check(e, equation);
}

/* -- lowering
 * --------------------------------------------------------------------------------------- */

/* Sums the axes of t whose label is not marked. */
static void sum_unwanted(einsum *e, term *t, const bool *wanted)
{
    uint32_t axes = 0, kept = 0;
    for (uint32_t k = 0; k < t->rank; k++) {
        if (wanted[t->labels[k]])
            t->labels[kept++] = t->labels[k];
        else
            axes |= 1u << k;
    }
    t->rank = kept;
    if (axes != 0) t->v = op_reduce(e->g, REDUCE_SUM, t->v, axes, false);
}

/* Brings the axes into the order of the labels. */
static void order_axes(einsum *e, term *t, const uint8_t *labels)
{
    uint32_t order[EBB_RANK_MAX];
    bool is_same = true;
    for (uint32_t k = 0; k < t->rank; k++) {
        order[k] = label_axis(t, labels[k]);
        is_same &= order[k] == k;
    }
    if (!is_same && graph_ok(e->g)) t->v = op_transpose(e->g, t->v, order);
    memmove(t->labels, labels, t->rank);
}

/* Labels of two terms by their role in the product. */
typedef struct roles {
    uint8_t shared[EBB_RANK_MAX], contracted[EBB_RANK_MAX], rows[EBB_RANK_MAX],
        columns[EBB_RANK_MAX];
    uint32_t shared_count, contracted_count, row_count, column_count;
} roles;

static void roles_find(const term *x, const term *y, const bool *wanted, roles *r)
{
    for (uint32_t k = 0; k < x->rank; k++) {
        const uint8_t label = x->labels[k];
        if (!has_label(y, label))
            r->rows[r->row_count++] = label;
        else if (wanted[label])
            r->shared[r->shared_count++] = label;
        else
            r->contracted[r->contracted_count++] = label;
    }
    for (uint32_t k = 0; k < y->rank; k++) {
        if (!has_label(x, y->labels[k])) r->columns[r->column_count++] = y->labels[k];
    }
}

static dim product(graph *g, const shape *s, uint32_t first, uint32_t count)
{
    dim d = 1;
    for (uint32_t k = 0; k < count; k++) d = dim_make(g, DIM_MUL, d, s->dims[first + k]);
    return d;
}

/* [lead..., a..., b...] -> [lead..., product a, product b]. */
static value merge(graph *g, value v, uint32_t lead, uint32_t a, uint32_t b)
{
    if (!graph_ok(g) || (a == 1 && b == 1)) return v;
    const shape *s = graph_shape(g, v);
    shape to = {.rank = lead + 2};
    memcpy(to.dims, s->dims, lead * sizeof(dim));
    to.dims[lead] = product(g, s, lead, a);
    to.dims[lead + 1] = product(g, s, lead + a, b);
    return op_reshape(g, v, &to);
}

static uint32_t append(uint8_t *labels, uint32_t count, const uint8_t *more, uint32_t more_count)
{
    memcpy(labels + count, more, more_count);
    return count + more_count;
}

/* No axis is contracted: both are spread over all axes and multiplied. */
static value product_spread(graph *g, const term *x, const term *y, const roles *r)
{
    if (!graph_ok(g)) return VALUE_NONE;
    const shape *sx = graph_shape(g, x->v), *sy = graph_shape(g, y->v);
    shape wide = {.rank = sx->rank + r->column_count}, tall = {.rank = wide.rank};
    for (uint32_t k = 0; k < wide.rank; k++) {
        wide.dims[k] = k < sx->rank ? sx->dims[k] : 1;
        if (k < r->shared_count)
            tall.dims[k] = sy->dims[k];
        else
            tall.dims[k] = k < sx->rank ? 1 : sy->dims[k - r->row_count];
    }
    const value a = shape_equal(sx, &wide) ? x->v : op_reshape(g, x->v, &wide);
    const bool is_spread = shape_equal(graph_shape(g, y->v), &tall);
    return op_mul(g, a, is_spread ? y->v : op_reshape(g, y->v, &tall));
}

/* Rows stay apart when y is a plain matrix: [rows..., k] x [k, n] needs no reshape around it. */
static value product_matmul(graph *g, const term *x, const term *y, const roles *r, shape *result)
{
    const uint32_t shared = r->shared_count;
    const bool rows_apart = shared == 0 && r->row_count > 0;
    const value rows = rows_apart ? merge(g, x->v, r->row_count - 1, 1, r->contracted_count)
                                  : merge(g, x->v, shared, r->row_count, r->contracted_count);
    const value columns = merge(g, y->v, shared, r->contracted_count, r->column_count);
    const value v = op_matmul(g, rows, columns, false, false);
    if (!graph_ok(g)) return VALUE_NONE;
    for (uint32_t k = 0; k < shared; k++) result->dims[k] = graph_dim(g, v, (int)k);
    const bool is_flat =
        rows_apart ? r->column_count == 1 : r->row_count == 1 && r->column_count == 1;
    return is_flat ? v : op_reshape(g, v, result);
}

/* x as [shared, rows, contracted], y as [shared, contracted, columns]. */
static void operands_order(einsum *e, term *x, term *y, const roles *r)
{
    uint8_t labels[2 * EBB_RANK_MAX];
    const uint32_t shared = append(labels, 0, r->shared, r->shared_count);
    uint32_t count = append(labels, shared, r->rows, r->row_count);
    append(labels, count, r->contracted, r->contracted_count);
    order_axes(e, x, labels);
    count = append(labels, shared, r->contracted, r->contracted_count);
    append(labels, count, r->columns, r->column_count);
    order_axes(e, y, labels);
}

/* Combines y into x. `wanted`: labels that the result or a later operand needs. */
static bool combine(einsum *e, term *x, term *y, const bool *wanted)
{
    roles r = {0};
    bool keep[LABELS];
    for (uint32_t k = 0; k < LABELS; k++) keep[k] = wanted[k] || has_label(y, (uint8_t)k);
    sum_unwanted(e, x, keep);
    for (uint32_t k = 0; k < LABELS; k++) keep[k] = wanted[k] || has_label(x, (uint8_t)k);
    sum_unwanted(e, y, keep);
    roles_find(x, y, wanted, &r);
    const uint32_t rank = r.shared_count + r.row_count + r.column_count;
    if (rank > EBB_RANK_MAX || r.shared_count + 2 > EBB_RANK_MAX) {
        return layer_fail(e->b, EBB_E_UNSUPPORTED, "an Einstein sum with %u axes at once", rank);
    }
    operands_order(e, x, y, &r);
    if (!graph_ok(e->g)) return false;
    shape result = {.rank = rank};
    const shape *sx = graph_shape(e->g, x->v), *sy = graph_shape(e->g, y->v);
    for (uint32_t k = 0; k < r.row_count; k++) {
        result.dims[r.shared_count + k] = sx->dims[r.shared_count + k];
    }
    for (uint32_t k = 0; k < r.column_count; k++) {
        result.dims[r.shared_count + r.row_count + k] =
            sy->dims[r.shared_count + r.contracted_count + k];
    }
    x->v = r.contracted_count == 0 ? product_spread(e->g, x, y, &r)
                                   : product_matmul(e->g, x, y, &r, &result);
    x->rank = rank;
    uint32_t count = append(x->labels, 0, r.shared, r.shared_count);
    count = append(x->labels, count, r.rows, r.row_count);
    append(x->labels, count, r.columns, r.column_count);
    return graph_ok(e->g);
}

/* Does the result begin with free labels of y? Then y gives the rows, and nothing is transposed
 * afterwards. */
static bool goes_first(const einsum *e, const term *x, const term *y)
{
    for (uint32_t k = 0; k < e->out.rank; k++) {
        const bool in_x = has_label(x, e->out.labels[k]), in_y = has_label(y, e->out.labels[k]);
        if (in_x != in_y) return in_y;
    }
    return false;
}

value einsum_build_many(layer_build *b, const char *equation, const value *operands, uint32_t count)
{
    einsum e = {.b = b, .g = b->graph, .count = count};
    if (!graph_ok(b->graph)) return VALUE_NONE;
    if (count == 0 || count > EINSUM_OPERANDS_MAX || equation == NULL) {
        layer_fail(b, EBB_E_UNSUPPORTED, "an Einstein sum of %u operands", count);
        return VALUE_NONE;
    }
    for (uint32_t i = 0; i < count; i++) e.terms[i].v = operands[i];
    if (!equation_read(&e, equation)) return VALUE_NONE;
    bool wanted[LABELS] = {false};
    for (uint32_t i = 1; i < count; i++) {
        memset(wanted, 0, sizeof wanted);
        for (uint32_t k = 0; k < e.out.rank; k++) wanted[e.out.labels[k]] = true;
        for (uint32_t j = i + 1; j < count; j++) {
            for (uint32_t k = 0; k < e.terms[j].rank; k++) wanted[e.terms[j].labels[k]] = true;
        }
        if (goes_first(&e, &e.terms[0], &e.terms[i])) {
            const term other = e.terms[0];
            e.terms[0] = e.terms[i];
            e.terms[i] = other;
        }
        if (!combine(&e, &e.terms[0], &e.terms[i], wanted)) return VALUE_NONE;
    }
    memset(wanted, 0, sizeof wanted);
    for (uint32_t k = 0; k < e.out.rank; k++) wanted[e.out.labels[k]] = true;
    sum_unwanted(&e, &e.terms[0], wanted);
    order_axes(&e, &e.terms[0], e.out.labels);
    return graph_ok(b->graph) ? e.terms[0].v : VALUE_NONE;
}

value einsum_build(layer_build *b, const char *equation, value x, value y)
{
    const value operands[] = {x, y};
    return einsum_build_many(b, equation, operands, 2);
}
