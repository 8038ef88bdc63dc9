/* optimizer_schedule_free.c -- ScheduleFreeAdamW: steps are taken from a point z (slot momentum), x
 * is the mean of all z, and the variable is a mixture y of both. */
#include <math.h>

#include "train/optimizer/optimizer_state.h"

typedef struct schedule_free {
    optimizer_base base;
    double beta_1, beta_2, epsilon, warmup_steps;
} schedule_free;

static const layer_field schedule_free_fields[] = {
    OPTIMIZER_FIELDS(NAN),
    TRAIN_FIELD(schedule_free, beta_1, FIELD_F64, 0.9),
    TRAIN_FIELD(schedule_free, beta_2, FIELD_F64, 0.999),
    TRAIN_FIELD(schedule_free, epsilon, FIELD_F64, 1e-8),
    TRAIN_FIELD(schedule_free, warmup_steps, FIELD_F64, 0),
    TRAIN_FIELD_END,
};

static void schedule_free_build(optimizer_state *s)
{
    static const slot_def slots[] = {{.name = "momentum", .is_copy = true}, {.name = "velocity"}};

    optimizer_slots(s, 0, slots, 2);
}

enum { RATE, CORRECTION, WEIGHT, ONE_LESS_WEIGHT };

static void schedule_free_prepare(optimizer_state *s)
{
    graph *const g = s->g;
    const schedule_free *c = s->o->config;

    s->scalars[RATE] = s->learning_rate;
    if (c->warmup_steps > 0) {
        const value part = op_div(g, s->t, graph_scalar(g, (float)c->warmup_steps));
        s->scalars[RATE] = op_mul(g, s->learning_rate, arith_min(g, part, graph_scalar(g, 1)));
    }
    s->scalars[CORRECTION] = optimizer_correction(s, c->beta_2);
    s->scalars[WEIGHT] = op_unary(g, UNARY_RECIPROCAL, s->t);
    s->scalars[ONE_LESS_WEIGHT] = arith_complement(g, s->scalars[WEIGHT]);
}

static value schedule_free_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const schedule_free *c = s->o->config;
    const float beta_1 = (float)c->beta_1, rest = 1.0f - beta_1;
    const value z = slot(s, index, 0), squares = optimizer_square(s, index, gradient);
    const value v = optimizer_towards(g, slot(s, index, 1), squares, 1.0f - (float)c->beta_2);
    const value root = op_unary(g, UNARY_SQRT, op_div(g, v, s->scalars[CORRECTION]));
    const value step = op_div(g, op_mul(g, gradient, s->scalars[RATE]),
                              arith_affine(g, root, 1, (float)c->epsilon));
    const value z_next = op_sub(g, z, step);
    /* Keras means z as it was, but its TensorFlow variable is read after it was changed. */
    const value of_z = arith_affine(g, z_next, rest, 0);
    const value x = op_div(g, op_sub(g, w, of_z), graph_scalar(g, beta_1));
    const value x_next =
        op_add(g, op_mul(g, x, s->scalars[ONE_LESS_WEIGHT]), op_mul(g, z_next, s->scalars[WEIGHT]));

    optimizer_put(s, z, z_next);
    optimizer_put(s, slot(s, index, 1), v);
    return op_add(g, of_z, arith_affine(g, x_next, beta_1, 0));
}

const optimizer_def optimizer_def_schedule_free_adamw = {
    .entry = {"ScheduleFreeAdamW", NULL, sizeof(schedule_free), schedule_free_fields, NULL},
    .default_name = "schedule_free_adam_w",
    .learning_rate = 0.0025,
    .build = schedule_free_build,
    .prepare = schedule_free_prepare,
    .update = schedule_free_update,
};
