/* optimizer_adagrad.c -- Adagrad, Adadelta, RMSprop, Ftrl: steps divided by the root of the squares
 * of past gradients. */
#include <math.h>

#include "train/optimizer/optimizer_state.h"

/* factor * old + (1 - factor) * fresh */
static value mix(graph *g, value old, value fresh, double factor)
{
    return op_add(g, arith_affine(g, old, (float)factor, 0),
                  arith_affine(g, fresh, (float)(1 - factor), 0));
}

static value root_of(graph *g, value x, double epsilon)
{
    return op_unary(g, UNARY_SQRT, arith_affine(g, x, 1, (float)epsilon));
}

/* -- Adagrad: a = a + g^2; w - lr * g / sqrt(a + epsilon)
 * ------------------------------------------ */

typedef struct adagrad {
    optimizer_base base;
    double initial_accumulator_value, epsilon;
} adagrad;

static const layer_field adagrad_fields[] = {
    OPTIMIZER_FIELDS(NAN),
    TRAIN_FIELD(adagrad, initial_accumulator_value, FIELD_F64, 0.1),
    TRAIN_FIELD(adagrad, epsilon, FIELD_F64, 1e-7),
    TRAIN_FIELD_END,
};

static void adagrad_build(optimizer_state *s)
{
    const adagrad *c = s->o->config;

    optimizer_slots(s, 0,
                    &(slot_def){.name = "accumulator", .initial = c->initial_accumulator_value}, 1);
}

static value adagrad_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const adagrad *c = s->o->config;
    const value sum = op_add(g, slot(s, index, 0), optimizer_square(s, index, gradient));

    optimizer_put(s, slot(s, index, 0), sum);
    return op_sub(g, w,
                  op_div(g, op_mul(g, gradient, s->learning_rate), root_of(g, sum, c->epsilon)));
}

const optimizer_def optimizer_def_adagrad = {
    .entry = {"Adagrad", NULL, sizeof(adagrad), adagrad_fields, NULL},
    .default_name = "adagrad",
    .learning_rate = 0.001,
    .build = adagrad_build,
    .update = adagrad_update,
};

/* -- Adadelta: the step is -g * rms(past steps) / rms(gradients)
 * ----------------------------------- */

typedef struct adadelta {
    optimizer_base base;
    double rho, epsilon;
} adadelta;

static const layer_field adadelta_fields[] = {
    OPTIMIZER_FIELDS(NAN),
    TRAIN_FIELD(adadelta, rho, FIELD_F64, 0.95),
    TRAIN_FIELD(adadelta, epsilon, FIELD_F64, 1e-7),
    TRAIN_FIELD_END,
};

static void adadelta_build(optimizer_state *s)
{
    static const slot_def slots[] = {{.name = "accumulated_grad"},
                                     {.name = "accumulated_delta_var"}};

    optimizer_slots(s, 0, slots, 2);
}

static value adadelta_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const adadelta *c = s->o->config;
    const value steps = slot(s, index, 1);
    const value squares = mix(g, slot(s, index, 0), optimizer_square(s, index, gradient), c->rho);
    const value above = root_of(g, steps, c->epsilon), below = root_of(g, squares, c->epsilon);
    const value against = op_div(g, op_mul(g, above, gradient), below);
    const value against_square =
        optimizer_square_of(s, index, gradient, op_div(g, above, below), against);

    optimizer_put(s, slot(s, index, 0), squares);
    optimizer_put(s, steps, mix(g, steps, against_square, c->rho));
    return op_sub(g, w, op_mul(g, against, s->learning_rate));
}

const optimizer_def optimizer_def_adadelta = {
    .entry = {"Adadelta", NULL, sizeof(adadelta), adadelta_fields, NULL},
    .default_name = "adadelta",
    .learning_rate = 0.001,
    .build = adadelta_build,
    .update = adadelta_update,
};

/* -- RMSprop: v = rho * v + (1 - rho) * g^2; lr * g / sqrt(v + epsilon), with momentum
 * -------------- */

typedef struct rmsprop {
    optimizer_base base;
    double rho, momentum, epsilon;
    bool centered;
} rmsprop;

static const layer_field rmsprop_fields[] = {
    OPTIMIZER_FIELDS(NAN),
    TRAIN_FIELD(rmsprop, rho, FIELD_F64, 0.9),
    TRAIN_FIELD(rmsprop, momentum, FIELD_F64, 0),
    TRAIN_FIELD(rmsprop, epsilon, FIELD_F64, 1e-7),
    TRAIN_FIELD(rmsprop, centered, FIELD_BOOL, 0),
    TRAIN_FIELD_END,
};

enum { RMSPROP_VELOCITY, RMSPROP_MOMENTUM, RMSPROP_AVERAGE };

static void rmsprop_build(optimizer_state *s)
{
    static const slot_def slots[] = {
        {.name = "velocity"}, {.name = "momentum"}, {.name = "average_gradient"}};
    const rmsprop *c = s->o->config;

    optimizer_slots(s, RMSPROP_VELOCITY, &slots[RMSPROP_VELOCITY], 1);
    if (c->momentum > 0) optimizer_slots(s, RMSPROP_MOMENTUM, &slots[RMSPROP_MOMENTUM], 1);
    if (c->centered) optimizer_slots(s, RMSPROP_AVERAGE, &slots[RMSPROP_AVERAGE], 1);
}

static value rmsprop_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const rmsprop *c = s->o->config;
    const value v =
        mix(g, slot(s, index, RMSPROP_VELOCITY), optimizer_square(s, index, gradient), c->rho);
    value variance = v;

    optimizer_put(s, slot(s, index, RMSPROP_VELOCITY), v);
    if (c->centered) {
        const value average = mix(g, slot(s, index, RMSPROP_AVERAGE), gradient, c->rho);
        optimizer_put(s, slot(s, index, RMSPROP_AVERAGE), average);
        variance = op_sub(g, v, arith_square(g, average));
    }
    value step = op_div(g, op_mul(g, gradient, s->learning_rate), root_of(g, variance, c->epsilon));
    if (c->momentum > 0) {
        const value m = slot(s, index, RMSPROP_MOMENTUM);
        step = op_add(g, arith_affine(g, m, (float)c->momentum, 0), step);
        optimizer_put(s, m, step);
    }
    return op_sub(g, w, step);
}

const optimizer_def optimizer_def_rmsprop = {
    .entry = {"RMSprop", NULL, sizeof(rmsprop), rmsprop_fields, NULL},
    .default_name = "rm_sprop",
    .learning_rate = 0.001,
    .build = rmsprop_build,
    .update = rmsprop_update,
};

/* -- Ftrl: follow the regularized leader
 * ----------------------------------------------------------- */

typedef struct ftrl {
    optimizer_base base;
    double learning_rate_power, initial_accumulator_value, l1_regularization_strength,
        l2_regularization_strength, l2_shrinkage_regularization_strength, beta;
} ftrl;

static const layer_field ftrl_fields[] = {
    OPTIMIZER_FIELDS(NAN),
    TRAIN_FIELD(ftrl, learning_rate_power, FIELD_F64, -0.5),
    TRAIN_FIELD(ftrl, initial_accumulator_value, FIELD_F64, 0.1),
    TRAIN_FIELD(ftrl, l1_regularization_strength, FIELD_F64, 0),
    TRAIN_FIELD(ftrl, l2_regularization_strength, FIELD_F64, 0),
    TRAIN_FIELD(ftrl, l2_shrinkage_regularization_strength, FIELD_F64, 0),
    TRAIN_FIELD(ftrl, beta, FIELD_F64, 0),
    TRAIN_FIELD_END,
};

static ebb_status ftrl_check(const void *config, const char *where, ebb_error *error)
{
    const ftrl *c = config;
    const struct {
        const char *key;
        double number;
    } least_0[] = {
        {"initial_accumulator_value", c->initial_accumulator_value},
        {"l1_regularization_strength", c->l1_regularization_strength},
        {"l2_regularization_strength", c->l2_regularization_strength},
        {"l2_shrinkage_regularization_strength", c->l2_shrinkage_regularization_strength},
    };

    for (size_t i = 0; i < sizeof least_0 / sizeof least_0[0]; i++) {
        if (least_0[i].number >= 0) continue;
        return train_range_fail(error, where, least_0[i].key, "no negative number",
                                least_0[i].number);
    }
    if (c->learning_rate_power <= 0) return EBB_OK;
    return train_range_fail(error, where, "learning_rate_power", "no positive number",
                            c->learning_rate_power);
}

static void ftrl_build(optimizer_state *s)
{
    const ftrl *c = s->o->config;
    const slot_def slots[] = {{.name = "accumulator", .initial = c->initial_accumulator_value},
                              {.name = "linear"}};

    optimizer_slots(s, 0, slots, 2);
}

static value ftrl_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const ftrl *c = s->o->config;
    const value lr = s->learning_rate, sum = slot(s, index, 0), linear = slot(s, index, 1);
    const float shrinkage = (float)(2 * c->l2_shrinkage_regularization_strength);
    const float exponent = (float)-c->learning_rate_power,
                l1 = (float)c->l1_regularization_strength;
    const value sum_next = op_add(g, sum, optimizer_square(s, index, gradient));
    const value power_next = arith_power(g, sum_next, exponent);
    const value change = op_div(g, op_sub(g, power_next, arith_power(g, sum, exponent)), lr);
    const value shrunk = op_add(g, gradient, arith_affine(g, w, shrinkage, 0));
    const value linear_next = op_add(g, linear, op_sub(g, shrunk, op_mul(g, change, w)));
    /* 2 * (l2 + beta / (2 * lr)) */
    const value half = op_div(g, graph_scalar(g, (float)c->beta), arith_affine(g, lr, 2, 0));
    const value l2 = arith_affine(g, half, 2, (float)(2 * c->l2_regularization_strength));
    const value quadratic = op_add(g, op_div(g, power_next, lr), l2);

    optimizer_put(s, sum, sum_next);
    optimizer_put(s, linear, linear_next);
    return op_div(g, op_sub(g, arith_clip(g, linear_next, -l1, l1), linear_next), quadratic);
}

const optimizer_def optimizer_def_ftrl = {
    .entry = {"Ftrl", NULL, sizeof(ftrl), ftrl_fields, ftrl_check},
    .default_name = "ftrl",
    .learning_rate = 0.001,
    .build = ftrl_build,
    .update = ftrl_update,
};
