/* portable_normalize.c -- layer and root-mean-square normalisation over the trailing axes.
 *
 * Mean and variance in two passes, in double. Source: Keras 3,
 * layers/normalization/layer_normalization.py and rms_normalization.py.
 */
#include <math.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

#define PARTS 8

typedef struct normalize_state {
    normalize_attributes attributes;
    size_t rows, length;
    uint32_t input_count;
} normalize_state;

typedef struct normalize_work {
    const normalize_state *s;
    const float *x, *scale, *offset;
    float *y;
} normalize_work;

static double parts_sum(const double parts[PARTS])
{
    return ((parts[0] + parts[1]) + (parts[2] + parts[3])) +
           ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

static double line_mean(const float *x, size_t count)
{
    double parts[PARTS] = {0};
    size_t i = 0;

    for (; i + PARTS <= count; i += PARTS) {
        for (size_t j = 0; j < PARTS; j++) parts[j] += (double)x[i + j];
    }
    for (size_t j = 0; i < count; i++, j++) parts[j] += (double)x[i];
    return parts_sum(parts) / (double)count;
}

/* Mean of (x - centre)^2. */
static double line_spread(const float *x, size_t count, double centre)
{
    double parts[PARTS] = {0};
    size_t i = 0;

    for (; i + PARTS <= count; i += PARTS) {
        for (size_t j = 0; j < PARTS; j++) {
            const double apart = (double)x[i + j] - centre;

            parts[j] += apart * apart;
        }
    }
    for (size_t j = 0; i < count; i++, j++)
        parts[j] += ((double)x[i] - centre) * ((double)x[i] - centre);
    return parts_sum(parts) / (double)count;
}

static void normalize_line(const normalize_work *k, const float *x, float *y)
{
    const size_t count = k->s->length;
    const double mean = k->s->attributes.is_rms ? 0.0 : line_mean(x, count);
    const double spread = line_spread(x, count, mean);
    const float centre = (float)mean;
    const float factor = (float)(1.0 / sqrt(spread + (double)k->s->attributes.epsilon));

    LOOP_INDEPENDENT
    for (size_t i = 0; i < count; i++) y[i] = (x[i] - centre) * factor;
    if (k->scale != NULL) {
        LOOP_INDEPENDENT
        for (size_t i = 0; i < count; i++) y[i] *= k->scale[i];
    }
    if (k->offset != NULL) {
        LOOP_INDEPENDENT
        for (size_t i = 0; i < count; i++) y[i] += k->offset[i];
    }
}

static void normalize_range(void *context, size_t begin, size_t end)
{
    const normalize_work *const k = context;

    for (size_t i = begin; i < end; i++) {
        normalize_line(k, k->x + i * k->s->length, k->y + i * k->s->length);
    }
}

static bool normalize_plan(kernel_plan *plan)
{
    const normalize_attributes *const a = plan->node->attributes;
    const tensor_desc *const x = &plan->inputs[0];

    if (x->dtype != EBB_F32 || !plan_weights_are_plain(plan)) return false;
    normalize_state *const s = region_new(plan->home, normalize_state, 1);
    if (s == NULL) return false;
    s->attributes = *a;
    s->rows = desc_product(x, 0, x->rank - a->axis_count);
    s->length = desc_product(x, x->rank - a->axis_count, x->rank);
    s->input_count = plan->node->input_count;
    plan->state = s;
    plan->in_place = true;
    return true;
}

static void normalize_run(const kernel_call *call)
{
    const normalize_state *const s = call->state;
    normalize_work k = {s, call->inputs[0], call_input(call, 1, s->input_count),
                        call_input(call, 2, s->input_count), call->outputs[0]};

    parallel_for(call->threads, s->rows, GRAIN_ELEMENTS / 2 / (s->length + 1) + 1, normalize_range,
                 &k);
}

const kernel_def kernel_portable_normalize = {
    .name = "portable.normalize", .op = OP_normalize, .plan = normalize_plan, .run = normalize_run};
