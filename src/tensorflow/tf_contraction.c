/* tf_contraction.c -- MatMul and Einsum.
 *
 * Matrices of integers are multiplied as floats where no sum can leave the 24 bits that a float
 * holds (8 bit integers, as quantised layers have), else element by element.
 *
 * Einsum: every axis of an operand carries a label, its letter, or a number counted from the right
 * for axes under "...". Axes of both operands that the result has come first (batch), then those of
 * one operand only (rows, columns), and those that the result lacks are summed:
 *
 *     x [batch..., rows..., summed...] . y [batch..., summed..., columns...]
 *
 * Source: tensorflow/core/kernels/linalg/einsum_op_impl.h, matmul_op_impl.h.
 */
#include "tensorflow/tf_emit.h"

#include <string.h>

#include "tensorflow/tf_parameter.h"

/* Products of 8 bit integers that add up to less than 2^24. */
#define EXACT_TERMS_MAX 1024

/* -- matrices ---------------------------------------------------------------------------------- */

static value turned(tf_build *b, value x, bool is_turned)
{
    uint32_t order[EBB_RANK_MAX];

    if (!is_turned || !graph_ok(b->graph)) return x;
    const uint32_t rank = graph_rank(b->graph, x);
    for (uint32_t i = 0; i < rank; i++) order[i] = i;
    order[rank - 2] = rank - 1;
    order[rank - 1] = rank - 2;
    return op_transpose(b->graph, x, order);
}

/* [..., m, k] x [..., k, n] as [..., m, k, 1] * [..., 1, k, n], summed over k. */
static value integer_product(tf_build *b, value x, value y)
{
    graph *g = b->graph;

    if (!graph_ok(g)) return VALUE_NONE;
    shape sx = *graph_shape(g, x), sy = *graph_shape(g, y);
    if (sx.rank == EBB_RANK_MAX || sy.rank == EBB_RANK_MAX)
        return graph_fail(g, EBB_E_UNSUPPORTED, "a product of integers with too many axes");
    sx.dims[sx.rank++] = 1;
    sy.dims[sy.rank] = sy.dims[sy.rank - 1];
    sy.dims[sy.rank - 1] = sy.dims[sy.rank - 2];
    sy.dims[sy.rank - 2] = 1;
    sy.rank++;
    const value all = op_mul(g, op_reshape(g, x, &sx), op_reshape(g, y, &sy));
    if (!graph_ok(g)) return VALUE_NONE;
    return op_reduce(g, REDUCE_SUM, all, 1u << (graph_rank(g, all) - 2), false);
}

static bool is_byte(tf_type type)
{
    return type == TF_INT8 || type == TF_UINT8;
}

bool tf_emit_matmul(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const bool is_batch = e->parameter == TF_MATMUL_BATCH;
    const bool turn_x = tf_bool(c, e, is_batch ? "adj_x" : "transpose_a");
    const bool turn_y = tf_bool(c, e, is_batch ? "adj_y" : "transpose_b");
    const tf_type type = c->inputs[0].type, other = c->inputs[1].type;
    const tf_type wanted = is_batch ? tf_type_attribute(c, e, "Tout") : TF_NONE;
    const value x = tf_input(b, c, 0), y = tf_input(b, c, 1);

    if (!graph_ok(g)) return false;
    const uint32_t rank_x = graph_rank(g, x), rank_y = graph_rank(g, y);
    if (rank_x < 2 || rank_y < 2 || (!is_batch && (rank_x != 2 || rank_y != 2)))
        return tf_fail(b, c, EBB_E_SHAPE, "its inputs have %u and %u axes, it takes %s", rank_x,
                       rank_y, is_batch ? "two or more" : "two");
    if (tf_is_float(type) != tf_is_float(other) || (!is_byte(type) && type != other))
        return tf_fail(b, c, EBB_E_DTYPE, "its inputs need one type, they are %s and %s",
                       tf_type_name(type), tf_type_name(other));
    if (tf_is_float(type))
        return tf_give(b, c, 0, op_matmul(g, x, y, turn_x, turn_y),
                       wanted != TF_NONE ? wanted : type);
    const dim inner = graph_dim(g, x, turn_x ? -2 : -1);
    const bool is_exact =
        is_byte(type) && is_byte(other) && dim_known(inner) && inner <= EXACT_TERMS_MAX / 4;
    const value z =
        is_exact
            ? op_cast(g,
                      op_matmul(g, op_cast(g, x, EBB_F32), op_cast(g, y, EBB_F32), turn_x, turn_y),
                      EBB_I32)
            : integer_product(b, turned(b, x, turn_x), turned(b, y, turn_y));
    return tf_give(b, c, 0, z, wanted != TF_NONE ? wanted : is_byte(type) ? TF_INT32 : type);
}

/* -- einsum ------------------------------------------------------------------------------------ */

#define ELLIPSIS 128 /* label of the last axis under "..."; the one before it has the next number  \
                      */

typedef struct term {
    value v;
    uint32_t rank;
    uint8_t labels[EBB_RANK_MAX];
} term;

static uint32_t place_of(const term *t, uint8_t label)
{
    uint32_t i = 0;

    while (i < t->rank && t->labels[i] != label) i++;
    return i;
}
static bool has(const term *t, uint8_t label)
{
    return place_of(t, label) < t->rank;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Reads one term; `covered`: axes under its "...". NULL: the text is no term. */
static const char *term_read(const char *at, term *t, uint32_t covered)
{
    t->rank = 0;
    for (; *at != '\0' && *at != ',' && *at != '-'; at++) {
        const bool is_ellipsis = strncmp(at, "...", 3) == 0;
        if (*at == ' ') continue;
        if (!is_ellipsis && !is_letter(*at)) return NULL;
        for (uint32_t k = is_ellipsis ? covered : 1; k > 0; k--) {
            const uint8_t label = is_ellipsis ? (uint8_t)(ELLIPSIS + k - 1) : (uint8_t)*at;
            if (t->rank == EBB_RANK_MAX || has(t, label)) return NULL;
            t->labels[t->rank++] = label;
        }
        if (is_ellipsis) at += 2;
    }
    return at;
}

static uint32_t letters_of(const char *at)
{
    uint32_t count = 0;

    for (; *at != '\0' && *at != ',' && *at != '-'; at++) count += is_letter(*at);
    return count;
}

static bool equation_read(tf_build *b, const char *at, term *terms, uint32_t count, term *out)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t rank = graph_rank(b->graph, terms[i].v), letters = letters_of(at);
        const uint32_t covered = rank > letters ? rank - letters : 0;
        at = term_read(at, &terms[i], covered);
        if (at == NULL || terms[i].rank != rank || (*at == ',') != (i + 1 < count)) return false;
        if (covered > most) most = covered;
        at += *at == ',';
    }
    if (at[0] != '-' || at[1] != '>') return false;
    at = term_read(at + 2, out, most);
    if (at == NULL || *at != '\0') return false;
    for (uint32_t i = 0; i < out->rank; i++) {
        if (!has(&terms[0], out->labels[i]) && (count == 1 || !has(&terms[1], out->labels[i])))
            return false;
    }
    return true;
}

/* Sums the axes that neither the result nor the other operand has. */
static void sum_unwanted(tf_build *b, term *t, const term *out, const term *other)
{
    uint32_t axes = 0, kept = 0;

    for (uint32_t i = 0; i < t->rank; i++) {
        const bool is_wanted =
            has(out, t->labels[i]) || (other != NULL && has(other, t->labels[i]));
        if (is_wanted)
            t->labels[kept++] = t->labels[i];
        else
            axes |= 1u << i;
    }
    t->rank = kept;
    if (axes != 0) t->v = op_reduce(b->graph, REDUCE_SUM, t->v, axes, false);
}

static void order_as(tf_build *b, term *t, const uint8_t *labels)
{
    uint32_t order[EBB_RANK_MAX] = {0};

    for (uint32_t i = 0; i < t->rank; i++) order[i] = place_of(t, labels[i]);
    t->v = tf_transpose(b, t->v, order);
    memmove(t->labels, labels, t->rank);
}

/* Labels of two operands by their part in the product. */
typedef struct parts {
    uint8_t batch[EBB_RANK_MAX], summed[EBB_RANK_MAX], rows[EBB_RANK_MAX], columns[EBB_RANK_MAX];
    uint32_t batch_count, summed_count, row_count, column_count;
} parts;

static void parts_find(const term *x, const term *y, const term *out, parts *p)
{
    *p = (parts){.batch_count = 0};
    for (uint32_t i = 0; i < x->rank; i++) {
        const uint8_t label = x->labels[i];
        if (!has(y, label))
            p->rows[p->row_count++] = label;
        else if (has(out, label))
            p->batch[p->batch_count++] = label;
        else
            p->summed[p->summed_count++] = label;
    }
    for (uint32_t i = 0; i < y->rank; i++)
        if (!has(x, y->labels[i])) p->columns[p->column_count++] = y->labels[i];
}

static uint32_t joined(uint8_t *labels, uint32_t count, const uint8_t *more, uint32_t more_count)
{
    memcpy(labels + count, more, more_count);
    return count + more_count;
}

static dim product_of(tf_build *b, const shape *s, uint32_t first, uint32_t count)
{
    dim d = 1;

    for (uint32_t i = 0; i < count; i++) d = dim_make(b->graph, DIM_MUL, d, s->dims[first + i]);
    return d;
}

/* [batch..., u..., w...] -> [batch..., product of u, product of w]. */
static value merged(tf_build *b, value v, uint32_t batch, uint32_t u, uint32_t w)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    const shape s = *graph_shape(b->graph, v);
    shape to = s;
    to.rank = batch + 2;
    to.dims[batch] = product_of(b, &s, batch, u);
    to.dims[batch + 1] = product_of(b, &s, batch + u, w);
    return tf_reshape(b, v, &to);
}

/* x and y -> x: their product with the labels batch, rows, columns. */
static bool multiply(tf_build *b, const tf_call *c, term *x, term *y, const parts *p)
{
    uint8_t labels[2 * EBB_RANK_MAX];
    const uint32_t rank = p->batch_count + p->row_count + p->column_count;

    if (rank > EBB_RANK_MAX || p->batch_count + 2 > EBB_RANK_MAX)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "an Einstein sum with too many axes");
    const uint32_t batch = joined(labels, 0, p->batch, p->batch_count);
    joined(labels, joined(labels, batch, p->rows, p->row_count), p->summed, p->summed_count);
    order_as(b, x, labels);
    joined(labels, joined(labels, batch, p->summed, p->summed_count), p->columns, p->column_count);
    order_as(b, y, labels);
    if (!graph_ok(b->graph)) return false;
    const shape sx = *graph_shape(b->graph, x->v), sy = *graph_shape(b->graph, y->v);
    shape to = {.rank = rank};
    for (uint32_t i = 0; i < batch; i++)
        to.dims[i] = dim_make(b->graph, DIM_BROADCAST, sx.dims[i], sy.dims[i]);
    for (uint32_t i = 0; i < p->row_count; i++) to.dims[batch + i] = sx.dims[batch + i];
    for (uint32_t i = 0; i < p->column_count; i++)
        to.dims[batch + p->row_count + i] = sy.dims[batch + p->summed_count + i];
    const value rows = merged(b, x->v, batch, p->row_count, p->summed_count);
    const value columns = merged(b, y->v, batch, p->summed_count, p->column_count);
    x->v = tf_reshape(b, op_matmul(b->graph, rows, columns, false, false), &to);
    x->rank = rank;
    joined(x->labels,
           joined(x->labels, joined(x->labels, 0, p->batch, p->batch_count), p->rows, p->row_count),
           p->columns, p->column_count);
    return graph_ok(b->graph);
}

bool tf_emit_einsum(tf_build *b, tf_call *c, const tf_entry *e)
{
    const char *equation = tf_attribute_of(c, "equation")->values[0].s.bytes;
    const tf_type type = c->inputs[0].type;
    term terms[2] = {{.rank = 0}, {.rank = 0}}, out = {.rank = 0};
    parts p;

    (void)e;
    if (!tf_is_float(type)) return tf_fail(b, c, EBB_E_DTYPE, "of %s", tf_type_name(type));
    for (uint32_t i = 0; i < c->input_count; i++) terms[i].v = tf_input(b, c, i);
    if (!graph_ok(b->graph)) return false;
    if (!equation_read(b, equation, terms, c->input_count, &out))
        return tf_fail(b, c, EBB_E_SHAPE,
                       "the equation '%.60s' does not fit its inputs, or names an axis twice",
                       equation);
    sum_unwanted(b, &terms[0], &out, c->input_count == 2 ? &terms[1] : NULL);
    if (c->input_count == 2) {
        sum_unwanted(b, &terms[1], &out, &terms[0]);
        parts_find(&terms[0], &terms[1], &out, &p);
        if (!multiply(b, c, &terms[0], &terms[1], &p)) return false;
    }
    order_as(b, &terms[0], out.labels);
    return tf_give(b, c, 0, terms[0].v, type);
}
