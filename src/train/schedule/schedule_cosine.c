/* schedule_cosine.c -- CosineDecay (with a linear warm-up before it) and CosineDecayRestarts. */
#include <math.h>

#include "train/arithmetic.h"
#include "train/schedule/schedule.h"

#define PI 3.14159265358979323846

/* -- CosineDecay: lr * ((1 - alpha) * (1 + cos(pi * step / steps)) / 2 + alpha) ------------------
 */

typedef struct cosine {
    double initial_learning_rate, decay_steps, alpha;
    double warmup_target; /* NAN: no warm-up */
    double warmup_steps;
} cosine;

static const layer_field cosine_fields[] = {
    TRAIN_FIELD_REQUIRED(cosine, initial_learning_rate, FIELD_F64),
    TRAIN_FIELD_REQUIRED(cosine, decay_steps, FIELD_F64),
    TRAIN_FIELD(cosine, alpha, FIELD_F64, 0),
    TRAIN_FIELD(cosine, warmup_target, FIELD_F64_OR_NONE, NAN),
    TRAIN_FIELD(cosine, warmup_steps, FIELD_F64, 0),
    TRAIN_FIELD_END,
};

static ebb_status cosine_check(const void *config, const char *where, ebb_error *error)
{
    const cosine *c = config;

    if (c->decay_steps > 0) return EBB_OK;
    return train_range_fail(error, where, "decay_steps", "a positive number", c->decay_steps);
}

/* base * (scale * (1 + cos(pi * fraction)) / 2 * (1 - alpha) + alpha) */
static value cosine_of(graph *g, value fraction, value scale, double base, double alpha)
{
    const value angle = arith_affine(g, fraction, PI, 0);
    value half = arith_affine(g, op_unary(g, UNARY_COS, angle), 0.5, 0.5);

    if (scale != VALUE_NONE) half = op_mul(g, half, scale);
    return arith_affine(g, arith_affine(g, half, 1 - alpha, alpha), base, 0);
}

static value cosine_emit(graph *g, const void *config, value step)
{
    const cosine *c = config;
    const value steps = graph_scalar(g, (float)c->decay_steps);

    if (isnan(c->warmup_target)) {
        const value fraction = op_div(g, arith_min(g, step, steps), steps);
        return cosine_of(g, fraction, VALUE_NONE, c->initial_learning_rate, c->alpha);
    }
    const value warmup = graph_scalar(g, (float)c->warmup_steps);
    step = arith_min(g, step, op_add(g, steps, warmup));
    const float span = (float)c->warmup_target - (float)c->initial_learning_rate;
    const value rising = arith_affine(g, op_div(g, step, warmup), span, c->initial_learning_rate);
    const value falling = cosine_of(g, op_div(g, op_sub(g, step, warmup), steps), VALUE_NONE,
                                    c->warmup_target, c->alpha);

    return op_select(g, op_compare(g, COMPARE_LESS, step, warmup), rising, falling);
}

const schedule_def schedule_def_cosine_decay = {
    {"CosineDecay", NULL, sizeof(cosine), cosine_fields, cosine_check}, cosine_emit};

/* -- CosineDecayRestarts: round i lasts steps * t_mul^i and starts at lr * m_mul^i ---------------
 */

typedef struct restarts {
    double initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha;
} restarts;

static const layer_field restarts_fields[] = {
    TRAIN_FIELD_REQUIRED(restarts, initial_learning_rate, FIELD_F64),
    TRAIN_FIELD_REQUIRED(restarts, first_decay_steps, FIELD_F64),
    TRAIN_FIELD(restarts, t_mul, FIELD_F64, 2),
    TRAIN_FIELD(restarts, m_mul, FIELD_F64, 1),
    TRAIN_FIELD(restarts, alpha, FIELD_F64, 0),
    TRAIN_FIELD_END,
};

static ebb_status restarts_check(const void *config, const char *where, ebb_error *error)
{
    const restarts *c = config;

    if (c->first_decay_steps > 0) return EBB_OK;
    return train_range_fail(error, where, "first_decay_steps", "a positive number",
                            c->first_decay_steps);
}

static value restarts_emit(graph *g, const void *config, value step)
{
    const restarts *c = config;
    const float t = (float)c->t_mul;
    value fraction = op_div(g, step, graph_scalar(g, (float)c->first_decay_steps));
    value round;

    if (t == 1.0f) {
        round = op_unary(g, UNARY_FLOOR, fraction);
        fraction = op_sub(g, fraction, round);
    } else {
        const value grown = op_unary(g, UNARY_LOG, arith_affine(g, fraction, t - 1.0f, 1));
        round = op_unary(g, UNARY_FLOOR, op_div(g, grown, graph_scalar(g, logf(t))));
        const value length = arith_power_of(g, t, round);
        const value begin = op_div(g, arith_affine(g, length, -1, 1), graph_scalar(g, 1.0f - t));
        fraction = op_div(g, op_sub(g, fraction, begin), length);
    }
    return cosine_of(g, fraction, arith_power_of(g, c->m_mul, round), c->initial_learning_rate,
                     c->alpha);
}

const schedule_def schedule_def_cosine_decay_restarts = {
    {"CosineDecayRestarts", NULL, sizeof(restarts), restarts_fields, restarts_check},
    restarts_emit};
