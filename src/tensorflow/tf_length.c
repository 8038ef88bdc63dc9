/* tf_length.c -- arithmetic of lengths: what TensorFlow computes of shapes, done while the graph is
 * built.
 *
 * Each function answers true when it gave the output and false when it cannot (an operand that is
 * no length, a comparison that depends on the inputs); the caller then computes with values.
 * Numbers of type INT32 wrap as they would at run time.
 */
#include "tensorflow/tf_call.h"

#include <string.h>

#define DEPTH_MAX 12 /* of expressions that are looked into */

/* -- one length -------------------------------------------------------------------------------- */

bool tf_dim_number(const graph *g, dim d, int64_t *number)
{
    dim_kind kind;
    dim a, c;

    *number = d;
    if (dim_known(d)) return true;
    if (!dim_parts(g, d, &kind, &a, &c) || kind != DIM_SUB || a != 0 || !dim_known(c)) return false;
    *number = -c;
    return true;
}

dim tf_dim_of(tf_build *b, int64_t number)
{
    return number >= 0 ? number : dim_make(b->graph, DIM_SUB, 0, -number);
}

dim tf_dim_min(tf_build *b, dim a, dim c)
{
    graph *g = b->graph;

    if (a == c) return a;
    return dim_make(g, DIM_SUB, dim_make(g, DIM_ADD, a, c), dim_make(g, DIM_MAX, a, c));
}

/* Depth at most DEPTH_MAX. */
static bool is_positive(const graph *g, dim d, uint32_t depth)
{
    dim_kind kind;
    dim a, c;
    int64_t number;

    if (dim_known(d)) return true;
    if (depth == 0 || !dim_parts(g, d, &kind, &a, &c)) return false;
    if (kind == DIM_INPUT) return true;
    if (kind == DIM_SUB)
        return tf_dim_number(g, c, &number) && number <= 0 && is_positive(g, a, depth - 1);
    if (kind == DIM_DIV || kind == DIM_DIV_UP) return is_positive(g, a, depth - 1);
    if (kind == DIM_MAX) return is_positive(g, a, depth - 1) || is_positive(g, c, depth - 1);
    return is_positive(g, a, depth - 1) && is_positive(g, c, depth - 1);
}

bool tf_dim_is_positive(const graph *g, dim d)
{
    return is_positive(g, d, DEPTH_MAX);
}

/* Is a >= c + margin for all inputs? */
static bool is_above_by(tf_build *b, dim a, dim c, int64_t margin)
{
    graph *g = b->graph;
    const dim room = dim_make(g, DIM_SUB, dim_make(g, DIM_SUB, a, c), tf_dim_of(b, margin));
    int64_t number;

    if (!graph_ok(g)) return false;
    return tf_dim_number(g, room, &number) ? number >= 0 : tf_dim_is_positive(g, room);
}

bool tf_dim_is_above(tf_build *b, dim a, dim c)
{
    return a == c || is_above_by(b, a, c, 0);
}

int tf_dim_compare(tf_build *b, dim a, dim c)
{
    if (a == c) return 0;
    if (is_above_by(b, a, c, 1)) return 1;
    return is_above_by(b, c, a, 1) ? -1 : 2;
}

/* -- two lengths ------------------------------------------------------------------------------- */

static int64_t floor_divide(int64_t x, int64_t y)
{
    return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

static bool power(int64_t x, int64_t y, int64_t *result)
{
    *result = 1;
    if (y < 0 || y > 64) return false;
    for (; y > 0; y--) {
        if (__builtin_mul_overflow(*result, x, result)) return false;
    }
    return true;
}

/* False: not a number of 64 bits, or division by zero. */
static bool numbers_combine(binary_kind kind, int64_t x, int64_t y, int64_t *result)
{
    const bool divides = kind == BINARY_DIV || kind == BINARY_FLOOR_DIV || kind == BINARY_MOD;

    if (divides && (y == 0 || (y == -1 && x == INT64_MIN))) return false;
    switch (kind) {
    case BINARY_ADD: return !__builtin_add_overflow(x, y, result);
    case BINARY_SUB: return !__builtin_sub_overflow(x, y, result);
    case BINARY_MUL: return !__builtin_mul_overflow(x, y, result);
    case BINARY_DIV: *result = x / y; return true;
    case BINARY_FLOOR_DIV: *result = floor_divide(x, y); return true;
    case BINARY_MOD: *result = x - floor_divide(x, y) * y; return true;
    case BINARY_MAX: *result = x > y ? x : y; return true;
    case BINARY_MIN: *result = x < y ? x : y; return true;
    case BINARY_POW: return power(x, y, result);
    case BINARY_AND: *result = x != 0 && y != 0; return true;
    case BINARY_OR: *result = x != 0 || y != 0; return true;
    case BINARY_SQUARED_DIFFERENCE:
        return !__builtin_sub_overflow(x, y, result) &&
               !__builtin_mul_overflow(*result, *result, result);
    default: return false;
    }
}

static bool symbols_combine(tf_build *b, binary_kind kind, dim x, dim y, dim *result)
{
    graph *g = b->graph;
    int64_t number;
    const bool divides = kind == BINARY_FLOOR_DIV || kind == BINARY_MOD ||
                         (kind == BINARY_DIV && tf_dim_is_positive(g, x));

    if (divides && tf_dim_number(g, y, &number) && number <= 0) return false;
    switch (kind) {
    case BINARY_ADD: *result = dim_make(g, DIM_ADD, x, y); return true;
    case BINARY_SUB: *result = dim_make(g, DIM_SUB, x, y); return true;
    case BINARY_MUL: *result = dim_make(g, DIM_MUL, x, y); return true;
    case BINARY_MAX: *result = dim_make(g, DIM_MAX, x, y); return true;
    case BINARY_MIN: *result = tf_dim_min(b, x, y); return true;
    default: break;
    }
    if (!divides) return false;
    *result = dim_make(g, DIM_DIV, x, y);
    if (kind == BINARY_MOD) *result = dim_make(g, DIM_SUB, x, dim_make(g, DIM_MUL, *result, y));
    return true;
}

static bool lengths_combine(tf_build *b, tf_type type, binary_kind kind, dim x, dim y, dim *result)
{
    int64_t p, q, number;

    if (!graph_ok(b->graph)) return false;
    if (!tf_dim_number(b->graph, x, &p) || !tf_dim_number(b->graph, y, &q))
        return type != TF_BOOL && symbols_combine(b, kind, x, y, result);
    if (!numbers_combine(kind, p, q, &number) || number == INT64_MIN) return false;
    *result = tf_dim_of(b, type == TF_INT32 ? (int32_t)(uint32_t)(uint64_t)number : number);
    return graph_ok(b->graph);
}

/* -- tensors of lengths ------------------------------------------------------------------------ */

/* Shape of the result of broadcasting; false: too many elements, or no common shape. */
static bool broadcast_dims(const tf_tensor *const *items, uint32_t item_count, tf_tensor *result)
{
    uint64_t count = 1;

    result->rank = 0;
    for (uint32_t k = 0; k < item_count; k++)
        if (items[k]->rank > result->rank) result->rank = items[k]->rank;
    for (uint32_t i = 0; i < result->rank; i++) {
        uint32_t *to = &result->dims[result->rank - 1 - i];
        *to = 1;
        for (uint32_t k = 0; k < item_count; k++) {
            const tf_tensor *t = items[k];
            const uint32_t length = i < t->rank ? t->dims[t->rank - 1 - i] : 1;
            if (length != 1 && *to != 1 && length != *to) return false;
            if (length != 1) *to = length;
        }
        count *= *to;
        if (count > TF_LENGTHS_MAX) return false;
    }
    result->length_count = (uint32_t)count;
    return true;
}

/* The element of `t` that is broadcast to place `at` of the result. */
static dim element_of(const tf_tensor *t, const tf_tensor *result, uint32_t at)
{
    uint32_t place = 0, stride = 1;

    for (uint32_t i = 0; i < result->rank; i++) {
        const uint32_t length = result->dims[result->rank - 1 - i], index = at % length;
        at /= length;
        if (i >= t->rank) continue;
        const uint32_t own = t->dims[t->rank - 1 - i];
        if (own != 1) place += index * stride;
        stride *= own;
    }
    return t->lengths[place];
}

/* Inputs as tensors of lengths, small constants too; false: they are not, or none of them is. */
static bool operands(tf_build *b, const tf_call *c, tf_tensor *items, const tf_tensor **pointers)
{
    uint32_t lengths = 0;

    for (uint32_t i = 0; i < c->input_count; i++) lengths += c->inputs[i].has_lengths;
    if (lengths == 0) return false;
    for (uint32_t i = 0; i < c->input_count; i++) {
        items[i] = c->inputs[i];
        pointers[i] = &items[i];
        if (items[i].has_lengths) continue;
        if (!tf_find_lengths(b, &c->inputs[i], &items[i].lengths, &items[i].length_count))
            return false;
        const shape *s = graph_shape(b->graph, items[i].v);
        items[i].rank = s->rank;
        for (uint32_t k = 0; k < s->rank; k++) items[i].dims[k] = (uint32_t)s->dims[k];
    }
    return true;
}

bool tf_fold_unary(tf_build *b, tf_call *c, int kind)
{
    dim results[TF_LENGTHS_MAX];
    const tf_tensor *t = &c->inputs[0];

    if (!t->has_lengths) return false;
    for (uint32_t i = 0; i < t->length_count; i++) {
        const dim x = t->lengths[i];
        int64_t number;
        const bool is_number = tf_dim_number(b->graph, x, &number);
        if (kind == UNARY_NEG) {
            if (!lengths_combine(b, t->type, BINARY_SUB, 0, x, &results[i])) return false;
        } else if (kind == UNARY_SQUARE) {
            if (!lengths_combine(b, t->type, BINARY_MUL, x, x, &results[i])) return false;
        } else if (kind == UNARY_LOGICAL_NOT && is_number) {
            results[i] = number == 0;
        } else if (kind == UNARY_ABS && is_number) {
            results[i] = number < 0 ? -number : number;
        } else if (kind == UNARY_SIGN && is_number) {
            results[i] = tf_dim_of(b, (number > 0) - (number < 0));
        } else {
            return false;
        }
    }
    return tf_give_lengths(b, c, t->type, t->rank, t->dims, results, t->length_count);
}

bool tf_fold_binary(tf_build *b, tf_call *c, int kind)
{
    tf_tensor items[2], result = {.type = c->inputs[0].type};
    const tf_tensor *pointers[2];
    dim results[TF_LENGTHS_MAX];

    if (!operands(b, c, items, pointers) || !broadcast_dims(pointers, 2, &result)) return false;
    for (uint32_t i = 0; i < result.length_count; i++) {
        if (!lengths_combine(b, result.type, (binary_kind)kind, element_of(&items[0], &result, i),
                             element_of(&items[1], &result, i), &results[i]))
            return false;
    }
    return tf_give_lengths(b, c, result.type, result.rank, result.dims, results,
                           result.length_count);
}

/* 1, 0, or -1: it depends on the inputs. */
static int compare(tf_build *b, compare_kind kind, dim x, dim y)
{
    const int order = tf_dim_compare(b, x, y);

    switch (kind) {
    case COMPARE_EQUAL: return order == 2 ? -1 : order == 0;
    case COMPARE_NOT_EQUAL: return order == 2 ? -1 : order != 0;
    case COMPARE_LESS: return order != 2 ? order < 0 : tf_dim_is_above(b, x, y) ? 0 : -1;
    case COMPARE_GREATER: return order != 2 ? order > 0 : tf_dim_is_above(b, y, x) ? 0 : -1;
    case COMPARE_LESS_EQUAL: return order != 2 ? order <= 0 : tf_dim_is_above(b, y, x) ? 1 : -1;
    case COMPARE_GREATER_EQUAL: return order != 2 ? order >= 0 : tf_dim_is_above(b, x, y) ? 1 : -1;
    }
    return -1;
}

bool tf_fold_compare(tf_build *b, tf_call *c, int kind)
{
    tf_tensor items[2], result = {.type = TF_BOOL};
    const tf_tensor *pointers[2];
    dim results[TF_LENGTHS_MAX];

    if (!operands(b, c, items, pointers) || !broadcast_dims(pointers, 2, &result)) return false;
    for (uint32_t i = 0; i < result.length_count; i++) {
        const int truth = compare(b, (compare_kind)kind, element_of(&items[0], &result, i),
                                  element_of(&items[1], &result, i));
        if (truth < 0) return false;
        results[i] = truth;
    }
    return tf_give_lengths(b, c, TF_BOOL, result.rank, result.dims, results, result.length_count);
}

bool tf_fold_select(tf_build *b, tf_call *c)
{
    tf_tensor items[3], result = {.type = c->inputs[1].type};
    const tf_tensor *pointers[3];
    dim results[TF_LENGTHS_MAX];

    if (!operands(b, c, items, pointers) || !broadcast_dims(pointers, 3, &result)) return false;
    for (uint32_t i = 0; i < result.length_count; i++) {
        int64_t condition;
        if (!tf_dim_number(b->graph, element_of(&items[0], &result, i), &condition)) return false;
        results[i] = element_of(&items[condition != 0 ? 1 : 2], &result, i);
    }
    return tf_give_lengths(b, c, result.type, result.rank, result.dims, results,
                           result.length_count);
}

/* -- reductions and slices --------------------------------------------------------------------- */

static bool reducer(int kind, binary_kind *combine, int64_t *start)
{
    *start = 0;
    switch (kind) {
    case REDUCE_SUM: *combine = BINARY_ADD; return true;
    case REDUCE_PROD:
        *combine = BINARY_MUL;
        *start = 1;
        return true;
    case REDUCE_MAX: *combine = BINARY_MAX; return true;
    case REDUCE_MIN: *combine = BINARY_MIN; return true;
    case REDUCE_ANY: *combine = BINARY_OR; return true;
    case REDUCE_ALL:
        *combine = BINARY_AND;
        *start = 1;
        return true;
    default: return false;
    }
}

bool tf_fold_reduce(tf_build *b, tf_call *c, int kind, uint32_t axes, bool keep_dims)
{
    const tf_tensor *t = &c->inputs[0];
    dim results[TF_LENGTHS_MAX];
    uint32_t dims[EBB_RANK_MAX] = {0}, rank = 0, count = 1;
    bool is_set[TF_LENGTHS_MAX] = {false};
    binary_kind combine;
    int64_t start;

    if (!t->has_lengths || !reducer(kind, &combine, &start)) return false;
    for (uint32_t i = 0; i < t->rank; i++) {
        const bool is_reduced = (axes >> i & 1) != 0;
        if (!is_reduced) count *= t->dims[i];
        if (!is_reduced || keep_dims) dims[rank++] = is_reduced ? 1 : t->dims[i];
    }
    const bool has_start = kind != REDUCE_MAX && kind != REDUCE_MIN;
    if (count > TF_LENGTHS_MAX || (!has_start && t->length_count == 0)) return false;
    for (uint32_t i = 0; i < count && has_start; i++) {
        results[i] = tf_dim_of(b, start);
        is_set[i] = true;
    }
    for (uint32_t i = 0; i < t->length_count; i++) {
        uint32_t place = 0, stride = 1, rest = i;
        for (uint32_t k = t->rank; k-- > 0;) {
            if ((axes >> k & 1) == 0) {
                place += rest % t->dims[k] * stride;
                stride *= t->dims[k];
            }
            rest /= t->dims[k];
        }
        if (!is_set[place])
            results[place] = t->lengths[i];
        else if (!lengths_combine(b, t->type, combine, results[place], t->lengths[i],
                                  &results[place]))
            return false;
        is_set[place] = true;
    }
    return tf_give_lengths(b, c, t->type, rank, dims, results, count);
}

bool tf_fold_slice(tf_build *b, tf_call *c, const int64_t *start, const int64_t *step,
                   const uint32_t *count, uint32_t rank, const uint32_t *dims)
{
    const tf_tensor *t = &c->inputs[0];
    dim results[TF_LENGTHS_MAX];
    uint32_t total = 1;

    for (uint32_t i = 0; i < t->rank; i++) total *= count[i];
    for (uint32_t at = 0; at < total; at++) {
        uint32_t place = 0, stride = 1, rest = at;
        for (uint32_t i = t->rank; i-- > 0;) {
            place += (uint32_t)(start[i] + (int64_t)(rest % count[i]) * step[i]) * stride;
            stride *= t->dims[i];
            rest /= count[i];
        }
        results[at] = t->lengths[place];
    }
    return tf_give_lengths(b, c, t->type, rank, dims, results, total);
}
