/* optimizer_adam.c -- Adam (with AMSGrad), AdamW, Adamax, Nadam, Lamb: moving averages of the
 * gradient (momentum) and of its square (velocity). */
#include <math.h>

#include "train/optimizer/optimizer_state.h"

typedef struct adam {
    optimizer_base base;
    double beta_1, beta_2, epsilon;
    bool amsgrad;
} adam;

#define ADAM_FIELDS(default_weight_decay)                                                          \
    OPTIMIZER_FIELDS(default_weight_decay), TRAIN_FIELD(adam, beta_1, FIELD_F64, 0.9),             \
        TRAIN_FIELD(adam, beta_2, FIELD_F64, 0.999), TRAIN_FIELD(adam, epsilon, FIELD_F64, 1e-7)

static const slot_def moments[] = {{.name = "momentum"}, {.name = "velocity"}};
static const slot_def velocity_hat = {.name = "velocity_hat"};

static void moments_build(optimizer_state *s)
{
    optimizer_slots(s, 0, moments, 2);
}

/* The new averages of the gradient and of its square, which are also put. */
static void moments_next(optimizer_state *s, uint32_t index, value gradient, value *m, value *v)
{
    graph *const g = s->g;
    const adam *c = s->o->config;

    *m = optimizer_towards(g, slot(s, index, 0), gradient, 1 - c->beta_1);
    *v = optimizer_towards(g, slot(s, index, 1), optimizer_square(s, index, gradient),
                           1 - c->beta_2);
    optimizer_put(s, slot(s, index, 0), *m);
    optimizer_put(s, slot(s, index, 1), *v);
}

/* -- Adam: w - m * lr * sqrt(1 - beta_2^t) / (1 - beta_1^t) / (sqrt(v) + epsilon) -----------------
 */

static const layer_field adam_fields[] = {
    ADAM_FIELDS(NAN),
    TRAIN_FIELD(adam, amsgrad, FIELD_BOOL, 0),
    TRAIN_FIELD_END,
};

static void adam_build(optimizer_state *s)
{
    const adam *c = s->o->config;

    moments_build(s);
    if (c->amsgrad) optimizer_slots(s, 2, &velocity_hat, 1);
}

enum { ADAM_ALPHA };

static void adam_prepare(optimizer_state *s)
{
    graph *const g = s->g;
    const adam *c = s->o->config;
    const value root = op_unary(g, UNARY_SQRT, optimizer_correction(s, c->beta_2));

    s->scalars[ADAM_ALPHA] =
        op_div(g, op_mul(g, s->learning_rate, root), optimizer_correction(s, c->beta_1));
}

static value adam_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const adam *c = s->o->config;
    value m, v;

    moments_next(s, index, gradient, &m, &v);
    if (c->amsgrad) {
        v = arith_max(g, slot(s, index, 2), v);
        optimizer_put(s, slot(s, index, 2), v);
    }
    const value below = arith_affine(g, op_unary(g, UNARY_SQRT, v), 1, (float)c->epsilon);
    return op_sub(g, w, op_div(g, op_mul(g, m, s->scalars[ADAM_ALPHA]), below));
}

const optimizer_def optimizer_def_adam = {
    .entry = {"Adam", NULL, sizeof(adam), adam_fields, NULL},
    .default_name = "adam",
    .learning_rate = 0.001,
    .build = adam_build,
    .prepare = adam_prepare,
    .update = adam_update,
};

/* -- AdamW: Adam with a weight decay that is not optional -----------------------------------------
 */

static const layer_field adamw_fields[] = {
    ADAM_FIELDS(0.004),
    TRAIN_FIELD(adam, amsgrad, FIELD_BOOL, 0),
    TRAIN_FIELD_END,
};

static ebb_status adamw_check(const void *config, const char *where, ebb_error *error)
{
    const adam *c = config;

    if (!isnan(c->base.weight_decay)) return EBB_OK;
    return train_range_fail(error, where, "weight_decay", "a number", c->base.weight_decay);
}

const optimizer_def optimizer_def_adamw = {
    .entry = {"AdamW", NULL, sizeof(adam), adamw_fields, adamw_check},
    .default_name = "adam_w",
    .learning_rate = 0.001,
    .build = adam_build,
    .prepare = adam_prepare,
    .update = adam_update,
};

/* -- Adamax: u = max(beta_2 * u, |g|); w - lr * m / ((1 - beta_1^t) * (u + epsilon)) --------------
 */

static const layer_field plain_fields[] = {
    ADAM_FIELDS(NAN),
    TRAIN_FIELD_END,
};

static void adamax_build(optimizer_state *s)
{
    static const slot_def slots[] = {{.name = "momentum"}, {.name = "norm"}};

    optimizer_slots(s, 0, slots, 2);
}

enum { ADAMAX_CORRECTION };

static void adamax_prepare(optimizer_state *s)
{
    const adam *c = s->o->config;

    s->scalars[ADAMAX_CORRECTION] = optimizer_correction(s, c->beta_1);
}

static value adamax_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const adam *c = s->o->config;
    const value m = optimizer_towards(g, slot(s, index, 0), gradient, 1 - c->beta_1);
    const value u = arith_max(g, arith_affine(g, slot(s, index, 1), (float)c->beta_2, 0),
                              optimizer_magnitude(s, index, gradient));
    const value below =
        op_mul(g, arith_affine(g, u, 1, (float)c->epsilon), s->scalars[ADAMAX_CORRECTION]);

    optimizer_put(s, slot(s, index, 0), m);
    optimizer_put(s, slot(s, index, 1), u);
    return op_sub(g, w, op_div(g, op_mul(g, m, s->learning_rate), below));
}

const optimizer_def optimizer_def_adamax = {
    .entry = {"Adamax", NULL, sizeof(adam), plain_fields, NULL},
    .default_name = "adamax",
    .learning_rate = 0.001,
    .build = adamax_build,
    .prepare = adamax_prepare,
    .update = adamax_update,
};

/* -- Nadam: the momentum's factor u_t changes with t, and m looks one step ahead ------------------
 */

#define NADAM_DECAY 0.96f

enum { NADAM_OF_M, NADAM_OF_GRADIENT, NADAM_VELOCITY_CORRECTION };
enum { NADAM_PRODUCT }; /* extra: the product of all u_t */

static void nadam_build(optimizer_state *s)
{
    moments_build(s);
    s->extras[NADAM_PRODUCT] = optimizer_variable_new(s, "variable", EBB_F32, 1);
}

/* beta_1 * (1 - 0.96^t / 2) */
static value nadam_factor(graph *g, value t, double beta)
{
    const value lag = arith_affine(g, arith_power_of(g, NADAM_DECAY, t), -0.5f, 1);

    return arith_affine(g, lag, (float)beta, 0);
}

static void nadam_prepare(optimizer_state *s)
{
    graph *const g = s->g;
    const adam *c = s->o->config;
    const value now = nadam_factor(g, s->t, c->beta_1);
    const value later = nadam_factor(g, arith_affine(g, s->t, 1, 1), c->beta_1);
    const value product = op_mul(g, s->extras[NADAM_PRODUCT], now);
    const value product_later = op_mul(g, product, later);

    optimizer_put(s, s->extras[NADAM_PRODUCT], product);
    s->scalars[NADAM_OF_M] = op_div(g, later, arith_complement(g, product_later));
    s->scalars[NADAM_OF_GRADIENT] =
        op_div(g, arith_complement(g, now), arith_complement(g, product));
    s->scalars[NADAM_VELOCITY_CORRECTION] = optimizer_correction(s, c->beta_2);
}

static value nadam_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const adam *c = s->o->config;
    value m, v;

    moments_next(s, index, gradient, &m, &v);
    const value ahead = op_add(g, op_mul(g, m, s->scalars[NADAM_OF_M]),
                               op_mul(g, gradient, s->scalars[NADAM_OF_GRADIENT]));
    const value root = op_unary(g, UNARY_SQRT, op_div(g, v, s->scalars[NADAM_VELOCITY_CORRECTION]));

    return op_sub(
        g, w,
        op_div(g, op_mul(g, ahead, s->learning_rate), arith_affine(g, root, 1, (float)c->epsilon)));
}

const optimizer_def optimizer_def_nadam = {
    .entry = {"Nadam", NULL, sizeof(adam), plain_fields, NULL},
    .default_name = "nadam",
    .learning_rate = 0.001,
    .build = nadam_build,
    .prepare = nadam_prepare,
    .update = nadam_update,
};

/* -- Lamb: Adam's step brought to the length of the variable
 * --------------------------------------- */

enum { LAMB_MOMENTUM, LAMB_VELOCITY };

static void lamb_prepare(optimizer_state *s)
{
    const adam *c = s->o->config;

    s->scalars[LAMB_MOMENTUM] = optimizer_correction(s, c->beta_1);
    s->scalars[LAMB_VELOCITY] = optimizer_correction(s, c->beta_2);
}

static value lamb_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const adam *c = s->o->config;
    const value zero = graph_scalar(g, 0), one = graph_scalar(g, 1);
    value m, v;

    moments_next(s, index, gradient, &m, &v);
    const value root = op_unary(g, UNARY_SQRT, op_div(g, v, s->scalars[LAMB_VELOCITY]));
    const value step = op_div(g, op_div(g, m, s->scalars[LAMB_MOMENTUM]),
                              arith_affine(g, root, 1, (float)c->epsilon));
    const value w_norm = arith_norm(g, w, 0), step_norm = arith_norm(g, step, 0);
    const value both = arith_both(g, op_compare(g, COMPARE_GREATER, w_norm, zero),
                                  op_compare(g, COMPARE_GREATER, step_norm, zero));
    const value ratio = op_select(g, both, op_div(g, w_norm, step_norm), one);

    return op_sub(g, w, op_mul(g, step, op_mul(g, ratio, s->learning_rate)));
}

const optimizer_def optimizer_def_lamb = {
    .entry = {"Lamb", NULL, sizeof(adam), plain_fields, NULL},
    .default_name = "lamb",
    .learning_rate = 0.001,
    .build = moments_build,
    .prepare = lamb_prepare,
    .update = lamb_update,
};
