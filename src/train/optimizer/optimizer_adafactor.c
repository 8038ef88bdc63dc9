/* optimizer_adafactor.c -- Adafactor: the average of squared gradients is kept by rows and columns.
 */
#include <math.h>
#include <string.h>

#include "train/optimizer/optimizer_state.h"

typedef struct adafactor {
    optimizer_base base;
    double beta_2_decay, epsilon_1, epsilon_2, clip_threshold;
    bool relative_step;
} adafactor;

static const layer_field adafactor_fields[] = {
    OPTIMIZER_FIELDS(NAN),
    TRAIN_FIELD(adafactor, beta_2_decay, FIELD_F64, -0.8),
    TRAIN_FIELD(adafactor, epsilon_1, FIELD_F64, 1e-30),
    TRAIN_FIELD(adafactor, epsilon_2, FIELD_F64, 0.001),
    TRAIN_FIELD(adafactor, clip_threshold, FIELD_F64, 1),
    TRAIN_FIELD(adafactor, relative_step, FIELD_BOOL, 1),
    TRAIN_FIELD_END,
};

enum { ROWS, COLUMNS, VELOCITY };
enum { RATE, BETA_2, ONE_LESS_BETA_2 };

/* The variable's shape without axis `without`, named like the variable itself; a variable of rank
 * 0 or 1 has an integer that is never used, outside the optimizer's name, as in Keras. */
static value part_new(optimizer_state *s, uint32_t index, uint32_t without)
{
    const optimizer_variable *const like = &s->variables[index];
    const uint32_t rank = graph_rank(s->g, like->v);
    const char *last = strrchr(like->path, '/');
    int64_t dims[EBB_RANK_MAX] = {0};
    uint32_t used = 0;

    last = last != NULL ? last + 1 : like->path;
    if (rank < 2) return optimizer_variable_new(s, last, EBB_I32, 0);
    for (uint32_t i = 0; i < rank; i++) {
        if (i != without) dims[used++] = graph_dim(s->g, like->v, (int)i);
    }
    const char *const path = optimizer_path(s, last);
    return path == NULL ? VALUE_NONE : train_variable_new(s->e, path, EBB_F32, used, dims, 0);
}

static void adafactor_build(optimizer_state *s)
{
    static const slot_def velocity = {.name = "velocity"};

    for (uint32_t i = 0; i < s->count && graph_ok(s->g); i++) {
        const uint32_t rank = graph_rank(s->g, s->variables[i].v);
        const value rows = part_new(s, i, rank - 1), columns = part_new(s, i, rank - 2);

        optimizer_slots_of(s, i, VELOCITY, &velocity, 1);
        if (!graph_ok(s->g)) return;
        s->slots[i][ROWS] = rows;
        s->slots[i][COLUMNS] = columns;
    }
}

static void adafactor_prepare(optimizer_state *s)
{
    graph *const g = s->g;
    const adafactor *c = s->o->config;
    const value slowing = op_unary(g, UNARY_RECIPROCAL, op_unary(g, UNARY_SQRT, s->t));
    const value less = arith_power(g, s->t, (float)c->beta_2_decay);

    s->scalars[RATE] = arith_min(g, s->learning_rate, slowing);
    s->scalars[BETA_2] = arith_complement(g, less);
    s->scalars[ONE_LESS_BETA_2] = arith_complement(g, s->scalars[BETA_2]);
}

static value average(optimizer_state *s, value old, value fresh)
{
    graph *const g = s->g;

    return op_add(g, op_mul(g, old, s->scalars[BETA_2]),
                  op_mul(g, fresh, s->scalars[ONE_LESS_BETA_2]));
}

static value root_mean(graph *g, value squares)
{
    return op_unary(g, UNARY_SQRT, arith_all(g, REDUCE_MEAN, squares));
}

/* The outer product of row and column averages, as far as it says what the whole average would. */
static value factored(optimizer_state *s, uint32_t index, value squares)
{
    graph *const g = s->g;
    const uint32_t rank = graph_rank(g, squares);
    const value rows = average(s, slot(s, index, ROWS),
                               op_reduce(g, REDUCE_MEAN, squares, 1u << (rank - 1), false));
    const value columns = average(s, slot(s, index, COLUMNS),
                                  op_reduce(g, REDUCE_MEAN, squares, 1u << (rank - 2), false));
    const value mean = op_reduce(g, REDUCE_MEAN, rows, 1u << (rank - 2), true);

    optimizer_put(s, slot(s, index, ROWS), rows);
    optimizer_put(s, slot(s, index, COLUMNS), columns);
    return op_mul(g, arith_expand(g, op_div(g, rows, mean), -1), arith_expand(g, columns, -2));
}

static value adafactor_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const adafactor *c = s->o->config;
    const value squares =
        arith_affine(g, optimizer_square(s, index, gradient), 1, (float)c->epsilon_1);

    if (!graph_ok(g)) return VALUE_NONE;
    const value v = graph_rank(g, w) >= 2 ? factored(s, index, squares)
                                          : average(s, slot(s, index, VELOCITY), squares);
    optimizer_put(s, slot(s, index, VELOCITY), v);
    const value root = op_unary(g, UNARY_SQRT, v), step = op_div(g, gradient, root);
    const value step_square =
        optimizer_square_of(s, index, gradient, op_unary(g, UNARY_RECIPROCAL, root), step);
    const value threshold = graph_scalar(g, (float)c->clip_threshold);
    const value excess = arith_at_least(g, op_div(g, root_mean(g, step_square), threshold), 1);
    const value size = arith_at_least(g, root_mean(g, arith_square(g, w)), (float)c->epsilon_2);

    return op_sub(g, w, op_mul(g, op_div(g, step, excess), op_mul(g, size, s->scalars[RATE])));
}

const optimizer_def optimizer_def_adafactor = {
    .entry = {"Adafactor", NULL, sizeof(adafactor), adafactor_fields, NULL},
    .default_name = "adafactor",
    .learning_rate = 0.001,
    .build = adafactor_build,
    .prepare = adafactor_prepare,
    .update = adafactor_update,
};
