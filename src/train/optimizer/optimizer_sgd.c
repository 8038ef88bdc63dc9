/* optimizer_sgd.c -- SGD (with momentum, Nesterov's too) and Lion. */
#include <math.h>

#include "train/optimizer/optimizer_state.h"

static const slot_def momentum_slot = {.name = "momentum"};

/* -- SGD: m = momentum * m - lr * g; w + m, or w + momentum * m - lr * g -------------------------
 */

typedef struct sgd {
    optimizer_base base;
    double momentum;
    bool nesterov;
} sgd;

static const layer_field sgd_fields[] = {
    OPTIMIZER_FIELDS(NAN),
    TRAIN_FIELD(sgd, momentum, FIELD_F64, 0),
    TRAIN_FIELD(sgd, nesterov, FIELD_BOOL, 0),
    TRAIN_FIELD_END,
};

static ebb_status sgd_check(const void *config, const char *where, ebb_error *error)
{
    const sgd *c = config;

    if (c->momentum >= 0 && c->momentum <= 1) return EBB_OK;
    return train_range_fail(error, where, "momentum", "a number from 0 to 1", c->momentum);
}

static void sgd_build(optimizer_state *s)
{
    const sgd *c = s->o->config;

    if (c->momentum != 0) optimizer_slots(s, 0, &momentum_slot, 1);
}

static value sgd_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const sgd *c = s->o->config;
    const value step = op_mul(g, gradient, s->learning_rate), m = slot(s, index, 0);

    if (m == VALUE_NONE) return op_sub(g, w, step);
    const value m_next = op_sub(g, arith_affine(g, m, (float)c->momentum, 0), step);
    optimizer_put(s, m, m_next);
    if (!c->nesterov) return op_add(g, w, m_next);
    return op_add(g, w, op_sub(g, arith_affine(g, m_next, (float)c->momentum, 0), step));
}

const optimizer_def optimizer_def_sgd = {
    .entry = {"SGD", "momentum", sizeof(sgd), sgd_fields, sgd_check},
    .default_name = "sgd",
    .learning_rate = 0.01,
    .build = sgd_build,
    .update = sgd_update,
};

/* -- Lion: w - lr * sign(beta_1 * m + (1 - beta_1) * g) -------------------------------------------
 */

typedef struct lion {
    optimizer_base base;
    double beta_1, beta_2;
} lion;

static const layer_field lion_fields[] = {
    OPTIMIZER_FIELDS(NAN),
    TRAIN_FIELD(lion, beta_1, FIELD_F64, 0.9),
    TRAIN_FIELD(lion, beta_2, FIELD_F64, 0.99),
    TRAIN_FIELD_END,
};

static ebb_status lion_check(const void *config, const char *where, ebb_error *error)
{
    const lion *c = config;

    if (c->beta_1 > 0 && c->beta_1 <= 1) return EBB_OK;
    return train_range_fail(error, where, "beta_1", "above 0 and at most 1", c->beta_1);
}

static void lion_build(optimizer_state *s)
{
    optimizer_slots(s, 0, &momentum_slot, 1);
}

/* beta * m + (1 - beta) * g, with 1 - beta in float32 */
static value lion_mix(graph *g, value m, value gradient, double beta)
{
    const float b = (float)beta;

    return op_add(g, arith_affine(g, m, b, 0), arith_affine(g, gradient, 1.0f - b, 0));
}

static value lion_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const lion *c = s->o->config;
    const value m = slot(s, index, 0);
    const value direction = op_unary(g, UNARY_SIGN, lion_mix(g, m, gradient, c->beta_1));

    optimizer_put(s, m, lion_mix(g, m, gradient, c->beta_2));
    return op_sub(g, w, op_mul(g, direction, s->learning_rate));
}

const optimizer_def optimizer_def_lion = {
    .entry = {"Lion", NULL, sizeof(lion), lion_fields, lion_check},
    .default_name = "lion",
    .learning_rate = 0.001,
    .build = lion_build,
    .update = lion_update,
};
