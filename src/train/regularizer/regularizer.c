/* regularizer.c -- the table of regularizers and all of them: L1, L2, L1L2, orthogonal. */
#include "train/regularizer/regularizer.h"

#include "train/arithmetic.h"

#define REGULARIZER(name, parameters) static const regularizer_def regularizer_def_##name;
#include "train/regularizer/list.inc"
#undef REGULARIZER

static const train_entry *const entries[] = {
#define REGULARIZER(name, parameters) &regularizer_def_##name.entry,
#include "train/regularizer/list.inc"
#undef REGULARIZER
};

static const constructor constructors[] = {
#define REGULARIZER(name, parameters) {#name, parameters},
#include "train/regularizer/list.inc"
#undef REGULARIZER
};

const train_table regularizer_table = {"regularizer", entries, sizeof entries / sizeof entries[0],
                                       constructors, NULL};

ebb_status regularizer_read(region *home, const json *given, const char *where,
                            train_object *result, ebb_error *error)
{
    return train_object_read(&regularizer_table, home, given, where, result, error);
}

value regularizer_emit(graph *g, const train_object *regularizer, value x)
{
    return ((const regularizer_def *)regularizer->entry)->emit(g, regularizer->config, x);
}

value penalty_emit(graph *g, region *home, const json *given, const char *where, value x)
{
    train_object regularizer;
    ebb_error error = {0};

    if (!graph_ok(g)) return VALUE_NONE;
    if (regularizer_read(home, given, where, &regularizer, &error) == EBB_OK)
        return regularizer_emit(g, &regularizer, x);
    g->error = error;
    return VALUE_NONE;
}

/* -- L1, L2, L1L2: l1 * sum(|x|) + l2 * sum(x^2) ------------------------------------------------
 */

typedef struct sums {
    double l1, l2;
} sums;

static ebb_status sums_check(const void *config, const char *where, ebb_error *error)
{
    const sums *c = config;

    if (c->l1 < 0) return train_range_fail(error, where, "l1", "no negative number", c->l1);
    if (c->l2 < 0) return train_range_fail(error, where, "l2", "no negative number", c->l2);
    return EBB_OK;
}

static value sums_emit(graph *g, const void *config, value x)
{
    const sums *c = config;
    value first = VALUE_NONE, second = VALUE_NONE;

    if (c->l1 != 0) {
        first = arith_affine(g, arith_all(g, REDUCE_SUM, op_unary(g, UNARY_ABS, x)), c->l1, 0);
    }
    if (c->l2 != 0) {
        second = arith_affine(g, arith_all(g, REDUCE_SUM, op_unary(g, UNARY_SQUARE, x)), c->l2, 0);
    }
    if (first != VALUE_NONE && second != VALUE_NONE) return op_add(g, first, second);
    if (first == VALUE_NONE && second == VALUE_NONE) return graph_scalar(g, 0);
    return first != VALUE_NONE ? first : second;
}

static const layer_field l1_fields[] = {
    TRAIN_FIELD(sums, l1, FIELD_F64, 0.01),
    TRAIN_FIELD_END,
};

static const layer_field l2_fields[] = {
    TRAIN_FIELD(sums, l2, FIELD_F64, 0.01),
    TRAIN_FIELD_END,
};

static const layer_field l1_l2_fields[] = {
    TRAIN_FIELD(sums, l1, FIELD_F64, 0),
    TRAIN_FIELD(sums, l2, FIELD_F64, 0),
    TRAIN_FIELD_END,
};

static const regularizer_def regularizer_def_l1 = {
    {"L1", NULL, sizeof(sums), l1_fields, sums_check}, sums_emit};
static const regularizer_def regularizer_def_l2 = {
    {"L2", NULL, sizeof(sums), l2_fields, sums_check}, sums_emit};
static const regularizer_def regularizer_def_l1_l2 = {
    {"L1L2", NULL, sizeof(sums), l1_l2_fields, sums_check}, sums_emit};

/* -- OrthogonalRegularizer: the mean |cosine| between two rows (or columns), times factor --------
 */

enum { MODE_ROWS, MODE_COLUMNS };

typedef struct orthogonal {
    double factor;
    uint32_t mode;
} orthogonal;

static const layer_field orthogonal_fields[] = {
    TRAIN_FIELD(orthogonal, factor, FIELD_F64, 0.01),
    TRAIN_FIELD_CHOICE(orthogonal, mode, MODE_ROWS, "rows|columns"),
    TRAIN_FIELD_END,
};

static ebb_status orthogonal_check(const void *config, const char *where, ebb_error *error)
{
    const orthogonal *c = config;

    if (c->factor >= 0) return EBB_OK;
    return train_range_fail(error, where, "factor", "no negative number", c->factor);
}

static value orthogonal_emit(graph *g, const void *config, value x)
{
    const orthogonal *c = config;
    const bool by_rows = c->mode == MODE_ROWS;

    if (!graph_ok(g)) return VALUE_NONE;
    if (graph_rank(g, x) != 2 || !dim_known(graph_dim(g, x, by_rows ? 0 : 1))) {
        return graph_fail(g, EBB_E_SHAPE,
                          "OrthogonalRegularizer: expected a matrix of known size, got rank %u",
                          graph_rank(g, x));
    }
    const int64_t size = graph_dim(g, x, by_rows ? 0 : 1);
    const value squares = op_reduce(g, REDUCE_SUM, arith_square(g, x), by_rows ? 2 : 1, true);
    const value inverse = arith_min(g, op_unary(g, UNARY_RSQRT, squares), graph_scalar(g, 1e7f));
    const value unit = op_mul(g, x, inverse);
    const value cosines = op_matmul(g, unit, unit, !by_rows, by_rows);
    const value others = arith_affine(g, op_one_hot(g, op_iota(g, size), size), -1, 1);
    const value sum = arith_all(g, REDUCE_SUM, op_unary(g, UNARY_ABS, op_mul(g, cosines, others)));
    const double pairs = (double)size * ((double)size - 1) / 2;

    return op_div(g, arith_affine(g, sum, c->factor * 0.5, 0), graph_scalar(g, (float)pairs));
}

static const regularizer_def regularizer_def_orthogonal_regularizer = {
    {"OrthogonalRegularizer", "Orthogonal", sizeof(orthogonal), orthogonal_fields,
     orthogonal_check},
    orthogonal_emit};
