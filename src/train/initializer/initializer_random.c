/* initializer_random.c -- RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling and its
 * named forms. */
#include <inttypes.h>
#include <math.h>

#include "base/status.h"
#include "train/initializer/initializer.h"

/* -- RandomNormal, TruncatedNormal (nothing beyond two deviations), RandomUniform ----------------
 */

typedef struct normal {
    double mean, stddev;
    const json *seed;
} normal;

static const layer_field normal_fields[] = {
    TRAIN_FIELD(normal, mean, FIELD_F64, 0),
    TRAIN_FIELD(normal, stddev, FIELD_F64, 0.05),
    TRAIN_FIELD(normal, seed, FIELD_JSON, 0),
    TRAIN_FIELD_END,
};

static ebb_status normal_fill(const void *config, const initializer_call *call)
{
    const normal *c = config;
    const initializer_call seeded = initializer_seeded(call, c->seed);

    initializer_random(&seeded, PHILOX_NORMAL, (float)c->mean, (float)c->stddev);
    return EBB_OK;
}

static ebb_status truncated_fill(const void *config, const initializer_call *call)
{
    const normal *c = config;
    const initializer_call seeded = initializer_seeded(call, c->seed);

    initializer_random(&seeded, PHILOX_TRUNCATED_NORMAL, (float)c->mean, (float)c->stddev);
    return EBB_OK;
}

const initializer_def initializer_def_random_normal = {
    {"RandomNormal", "normal", sizeof(normal), normal_fields, NULL}, normal_fill};
const initializer_def initializer_def_truncated_normal = {
    {"TruncatedNormal", NULL, sizeof(normal), normal_fields, NULL}, truncated_fill};

typedef struct uniform {
    double minval, maxval;
    const json *seed;
} uniform;

static const layer_field uniform_fields[] = {
    TRAIN_FIELD(uniform, minval, FIELD_F64, -0.05),
    TRAIN_FIELD(uniform, maxval, FIELD_F64, 0.05),
    TRAIN_FIELD(uniform, seed, FIELD_JSON, 0),
    TRAIN_FIELD_END,
};

static ebb_status uniform_fill(const void *config, const initializer_call *call)
{
    const uniform *c = config;
    const initializer_call seeded = initializer_seeded(call, c->seed);
    const float low = (float)c->minval;

    initializer_random(&seeded, PHILOX_UNIFORM, low, (float)c->maxval - low);
    return EBB_OK;
}

const initializer_def initializer_def_random_uniform = {
    {"RandomUniform", "uniform", sizeof(uniform), uniform_fields, NULL}, uniform_fill};

/* -- VarianceScaling: the variance is scale / fan ------------------------------------------------
 */

enum { FAN_IN, FAN_OUT, FAN_AVERAGE };
enum { TRUNCATED, NORMAL, UNTRUNCATED, UNIFORM };

typedef struct scaling {
    double scale;
    uint32_t mode, distribution;
    int_list input_axes, output_axes; /* the default when one is empty */
    const json *seed;
} scaling;

#define SCALING_FIELDS(scale_, mode_, distribution_)                                               \
    TRAIN_FIELD(scaling, scale, FIELD_F64, scale_),                                                \
        TRAIN_FIELD_CHOICE(scaling, mode, mode_, "fan_in|fan_out|fan_avg"),                        \
        TRAIN_FIELD_CHOICE(scaling, distribution, distribution_,                                   \
                           "truncated_normal|normal|untruncated_normal|uniform"),                  \
        TRAIN_FIELD(scaling, input_axes, FIELD_INTS, 0),                                           \
        TRAIN_FIELD(scaling, output_axes, FIELD_INTS, 0),                                          \
        TRAIN_FIELD(scaling, seed, FIELD_JSON, 0), TRAIN_FIELD_END

static ebb_status scaling_check(const void *config, const char *where, ebb_error *error)
{
    const scaling *c = config;

    if (c->scale > 0) return EBB_OK;
    return train_range_fail(error, where, "scale", "a positive number", c->scale);
}

/* The product of the lengths of these axes; false when one is outside the shape. */
static bool axes_product(const initializer_call *call, const int_list *axes, double *product)
{
    *product = 1;
    for (uint32_t i = 0; i < axes->count; i++) {
        int64_t axis = axes->items[i];

        if (axis < 0) axis += call->rank;
        if (axis < 0 || axis >= call->rank) return false;
        *product *= (double)call->dims[axis];
    }
    return true;
}

/* How many numbers go into and out of one unit; false: axes outside the shape. */
static bool fans(const scaling *c, const initializer_call *call, double *in, double *out)
{
    const uint32_t rank = call->rank;
    double field = 1;

    if (c->input_axes.count > 0 && c->output_axes.count > 0) {
        return axes_product(call, &c->input_axes, in) && axes_product(call, &c->output_axes, out);
    }
    for (uint32_t i = 0; i + 2 < rank; i++) field *= (double)call->dims[i];
    *in = rank == 0 ? 1 : field * (double)call->dims[rank == 1 ? 0 : rank - 2];
    *out = rank == 0 ? 1 : field * (double)call->dims[rank - 1];
    return true;
}

static ebb_status scaling_fill(const void *config, const initializer_call *call)
{
    const scaling *c = config;
    const initializer_call seeded = initializer_seeded(call, c->seed);
    double in, out;

    if (!fans(c, call, &in, &out)) {
        return fail(call->error, EBB_E_SHAPE, call->where,
                    "input_axes and output_axes: one is outside a weight of rank %" PRIu32,
                    call->rank);
    }
    const double fan = c->mode == FAN_IN ? in : c->mode == FAN_OUT ? out : (in + out) / 2;
    const double variance = c->scale / fmax(1, fan);

    if (c->distribution == UNIFORM) {
        const float limit = (float)sqrt(3 * variance);
        initializer_random(&seeded, PHILOX_UNIFORM, -limit, 2 * limit);
    } else if (c->distribution == UNTRUNCATED) {
        initializer_random(&seeded, PHILOX_NORMAL, 0, (float)sqrt(variance));
    } else {
        /* the deviation of a normal distribution cut at two deviations is 0.88 of the whole one's
         */
        const double deviation = sqrt(variance) / 0.8796256610342398;
        initializer_random(&seeded, PHILOX_TRUNCATED_NORMAL, 0, (float)deviation);
    }
    return EBB_OK;
}

#define SCALING(name, class_name, scale, mode, distribution)                                       \
    static const layer_field name##_fields[] = {SCALING_FIELDS(scale, mode, distribution)};        \
    const initializer_def initializer_def_##name = {                                               \
        {class_name, NULL, sizeof(scaling), name##_fields, scaling_check}, scaling_fill};

SCALING(variance_scaling, "VarianceScaling", 1, FAN_IN, TRUNCATED)
SCALING(glorot_uniform, "GlorotUniform", 1, FAN_AVERAGE, UNIFORM)
SCALING(glorot_normal, "GlorotNormal", 1, FAN_AVERAGE, TRUNCATED)
SCALING(he_uniform, "HeUniform", 2, FAN_IN, UNIFORM)
SCALING(he_normal, "HeNormal", 2, FAN_IN, TRUNCATED)
SCALING(lecun_uniform, "LecunUniform", 1, FAN_IN, UNIFORM)
SCALING(lecun_normal, "LecunNormal", 1, FAN_IN, TRUNCATED)
