/* portable_normalize_gradient.c -- gradients of layer and root-mean-square normalisation.
 *
 *     n = (x - mean) * r, r = 1 / sqrt(variance + epsilon), d = dy * scale
 *     dx = r * (d - mean(d) - n * mean(d * n))        (root mean square: without mean(d))
 *     dscale = sum of dy * n over rows, doffset = sum of dy
 *
 * Each part of the rows sums into scratch of its own; the parts are added in their order, so the
 * result does not depend on timing.
 */
#include <math.h>
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

typedef struct normalize_gradient_state {
    normalize_attributes attributes;
    size_t rows, length, parts;
    uint32_t input_count;
    uint64_t sums; /* [parts, 2, length] in scratch */
} normalize_gradient_state;

typedef struct normalize_gradient_work {
    const normalize_gradient_state *s;
    const float *x, *dy, *scale;
    float *dx, *sums;
} normalize_gradient_work;

typedef struct line_facts {
    double mean, factor, d_mean, dn_mean;
} line_facts;

static line_facts line_measure(const normalize_gradient_work *k, const float *x, const float *dy)
{
    const size_t count = k->s->length;
    const double by_count = 1.0 / (double)count;
    line_facts f = {0};
    double spread = 0;

    for (size_t i = 0; i < count && !k->s->attributes.is_rms; i++) f.mean += (double)x[i];
    f.mean *= by_count;
    for (size_t i = 0; i < count; i++) {
        const double apart = (double)x[i] - f.mean;
        const double d = (double)dy[i] * (k->scale == NULL ? 1.0 : (double)k->scale[i]);

        spread += apart * apart;
        f.d_mean += d;
        f.dn_mean += d * apart;
    }
    f.factor = 1.0 / sqrt(spread * by_count + (double)k->s->attributes.epsilon);
    f.d_mean = k->s->attributes.is_rms ? 0.0 : f.d_mean * by_count;
    f.dn_mean *= by_count * f.factor;
    return f;
}

static void line_gradient(const normalize_gradient_work *k, size_t row, float *dscale,
                          float *doffset)
{
    const size_t count = k->s->length;
    const float *const x = k->x + row * count, *const dy = k->dy + row * count;
    float *const dx = k->dx + row * count;
    const line_facts f = line_measure(k, x, dy);
    const float mean = (float)f.mean, factor = (float)f.factor;
    const float d_mean = (float)f.d_mean, dn_mean = (float)f.dn_mean;

    for (size_t i = 0; i < count; i++) {
        const float n = (x[i] - mean) * factor;
        const float d = k->scale == NULL ? dy[i] : dy[i] * k->scale[i];

        dscale[i] += dy[i] * n;
        doffset[i] += dy[i];
        dx[i] = factor * (d - d_mean - n * dn_mean);
    }
}

static void normalize_gradient_parts(void *context, size_t begin, size_t end)
{
    const normalize_gradient_work *const k = context;
    const normalize_gradient_state *const s = k->s;

    for (size_t part = begin; part < end; part++) {
        float *const sums = k->sums + part * 2 * s->length;

        memset(sums, 0, 2 * s->length * sizeof *sums);
        for (size_t row = s->rows * part / s->parts; row < s->rows * (part + 1) / s->parts; row++)
            line_gradient(k, row, sums, sums + s->length);
    }
}

static bool normalize_gradient_plan(kernel_plan *plan)
{
    const normalize_attributes *const a = plan->node->attributes;
    const tensor_desc *const x = &plan->inputs[0];

    if (!plan_weights_are_plain(plan)) return false;
    normalize_gradient_state *const s = region_new(plan->home, normalize_gradient_state, 1);
    if (s == NULL) return false;
    s->attributes = *a;
    s->rows = desc_product(x, 0, x->rank - a->axis_count);
    s->length = desc_product(x, x->rank - a->axis_count, x->rank);
    s->parts = plan->threads == 0 ? 1 : plan->threads;
    s->input_count = plan->node->input_count;
    s->sums = plan_scratch(plan, s->parts * 2 * s->length * sizeof(float));
    plan->state = s;
    return true;
}

static void normalize_gradient_run(const kernel_call *call)
{
    const normalize_gradient_state *const s = call->state;
    float *const totals[2] = {call->outputs[1], call->outputs[2]};
    normalize_gradient_work k = {s,
                                 call->inputs[0],
                                 call->inputs[1],
                                 call_input(call, 2, s->input_count),
                                 call->outputs[0],
                                 call_scratch(call, s->sums)};

    parallel_for(call->threads, s->parts, 1, normalize_gradient_parts, &k);
    for (uint32_t t = 0; t < 2; t++) {
        if (totals[t] == NULL) continue;
        memset(totals[t], 0, s->length * sizeof(float));
        for (size_t part = 0; part < s->parts; part++) {
            const float *const sums = k.sums + (part * 2 + t) * s->length;

            for (size_t i = 0; i < s->length; i++) totals[t][i] += sums[i];
        }
    }
}

const kernel_def kernel_portable_normalize_gradient = {.name = "portable.normalize_gradient",
                                                       .op = OP_normalize_gradient,
                                                       .plan = normalize_gradient_plan,
                                                       .run = normalize_gradient_run};
