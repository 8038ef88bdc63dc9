/* portable_resize.c -- resizing of images [n, h, w, c] as tf.image.resize does it, half-pixel
 * centres.
 *
 * Per axis the plan makes a span for each output position: the first input position and its
 * weights. A run mixes input lines into scratch (down the height), then pixels of that line (along
 * the width).
 *
 * Sources, tensorflow/core/kernels/image/: resize_bilinear_op.cc; resize_bicubic_op.cc (weights
 * from a table of 1024 steps, a = -0.5); scale_and_translate_op.cc and sampling_kernels.h
 * (antialiasing and both Lanczos kernels); resize_nearest_neighbor_op.cc. Positions are computed in
 * float, as there.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

typedef struct span_axis {
    size_t in, out, width; /* width: weights kept per output position */
    int64_t *first;        /* [out] */
    int64_t *count;        /* [out]; 0: the result is 0 */
    float *weights;        /* [out, width] */
} span_axis;

typedef struct resize_state {
    span_axis height, width;
    size_t batch, channels, bytes; /* per element */
    bool nearest;
    uint64_t scratch; /* one line per thread */
    size_t parts;
} resize_state;

/* -- spans ------------------------------------------------------------------------------------ */

static int64_t clamp_index(int64_t i, size_t length)
{
    return i < 0 ? 0 : i >= (int64_t)length ? (int64_t)length - 1 : i;
}

static void span_nearest(span_axis *s)
{
    const float scale = (float)s->in / (float)s->out;

    for (size_t i = 0; i < s->out; i++) {
        s->first[i] = clamp_index((int64_t)floorf(((float)i + 0.5f) * scale), s->in);
        s->count[i] = 1;
    }
}

static void span_bilinear(span_axis *s)
{
    const float scale = (float)s->in / (float)s->out;

    for (size_t i = 0; i < s->out; i++) {
        const float at = ((float)i + 0.5f) * scale - 0.5f;
        const int64_t lower = clamp_index((int64_t)floorf(at), s->in);
        const int64_t upper = clamp_index((int64_t)ceilf(at), s->in);
        const float part = at - floorf(at);

        s->first[i] = lower;
        s->count[i] = upper - lower + 1;
        s->weights[i * s->width] = upper == lower ? 1.0f : 1.0f - part;
        if (upper > lower) s->weights[i * s->width + 1] = part;
    }
}

/* Keys's kernel with a = -0.5, near (|x| < 1) and far (1 <= |x| < 2). */
static float cubic_near(float x)
{
    return ((1.5f * x - 2.5f) * x) * x + 1.0f;
}
static float cubic_far(float x)
{
    return ((-0.5f * x + 2.5f) * x - 4.0f) * x + 2.0f;
}

static void span_bicubic(span_axis *s)
{
    const float scale = (float)s->in / (float)s->out;

    for (size_t i = 0; i < s->out; i++) {
        const float at = ((float)i + 0.5f) * scale - 0.5f;
        const int64_t from = (int64_t)floorf(at) - 1;
        const float part = rintf((at - floorf(at)) * 1024.0f) / 1024.0f;
        const float all[4] = {cubic_far(1.0f + part), cubic_near(part), cubic_near(1.0f - part),
                              cubic_far(2.0f - part)};
        float *const weights = s->weights + i * s->width;
        float sum = 0;
        int64_t count = 0;

        s->first[i] = from < 0 ? 0 : from;
        for (int64_t k = 0; k < 4; k++) {
            if (from + k < 0 || from + k >= (int64_t)s->in) continue;
            weights[count++] = all[k];
            sum += all[k];
        }
        s->count[i] = count;
        for (int64_t k = 0; k < count && fabsf(sum) >= 1000.0f * FLT_MIN; k++) weights[k] /= sum;
    }
}

static float lanczos(float x, float radius)
{
    const float pi = 3.14159265359f;

    if (x > radius) return 0;
    if (x <= 1e-3f) return 1;
    return radius * sinf(pi * x) * sinf(pi * x / radius) / (pi * pi * x * x);
}

static float kernel_value(resize_kind kind, float x)
{
    switch (kind) {
    case RESIZE_BICUBIC: return x >= 2 ? 0 : x >= 1 ? cubic_far(x) : cubic_near(x);
    case RESIZE_LANCZOS3: return lanczos(x, 3);
    case RESIZE_LANCZOS5: return lanczos(x, 5);
    default: return x < 1 ? 1 - x : 0;
    }
}

static float kernel_radius(resize_kind kind)
{
    return kind == RESIZE_BICUBIC    ? 2.0f
           : kind == RESIZE_LANCZOS3 ? 3.0f
           : kind == RESIZE_LANCZOS5 ? 5.0f
                                     : 1.0f;
}

/* Input positions per output position, and how far the kernel is stretched. */
static float sample_stretch(const span_axis *s, bool antialias)
{
    const float inverse = 1.0f / ((float)s->out / (float)s->in);

    return antialias && inverse > 1.0f ? inverse : 1.0f;
}

static void span_sample(span_axis *s, resize_kind kind, bool antialias)
{
    const float inverse = 1.0f / ((float)s->out / (float)s->in);
    const float stretch = sample_stretch(s, antialias), shrink = 1.0f / stretch;
    const float reach = kernel_radius(kind) * stretch;

    for (size_t i = 0; i < s->out; i++) {
        const float at = ((float)i + 0.5f) * inverse;
        const int64_t first = clamp_index((int64_t)ceilf(at - reach - 0.5f), s->in);
        const int64_t last = clamp_index((int64_t)floorf(at + reach - 0.5f), s->in);
        float *const weights = s->weights + i * s->width;
        float sum = 0;

        if (at < 0 || at > (float)s->in) continue;
        s->first[i] = first;
        s->count[i] = last - first + 1;
        for (int64_t k = 0; k < s->count[i]; k++) {
            weights[k] = kernel_value(kind, fabsf(((float)(first + k) + 0.5f - at) * shrink));
            sum += weights[k];
        }
        for (int64_t k = 0; k < s->count[i]; k++) {
            weights[k] = fabsf(sum) >= 1000.0f * FLT_MIN ? weights[k] * (1.0f / sum) : 0.0f;
        }
    }
}

static size_t span_width(const span_axis *s, resize_kind kind, bool antialias)
{
    if (kind == RESIZE_NEAREST) return 1;
    if (!antialias && kind == RESIZE_BILINEAR) return 2;
    if (!antialias && kind == RESIZE_BICUBIC) return 4;
    const size_t reach = (size_t)ceilf(kernel_radius(kind) * sample_stretch(s, antialias));
    return size_min(2 * reach + 2, s->in);
}

static bool span_make(span_axis *s, region *home, int64_t in, int64_t out,
                      const resize_attributes *a)
{
    s->in = (size_t)in;
    s->out = (size_t)out;
    if (in == 0 || out == 0) return true;
    s->width = span_width(s, a->kind, a->antialias);
    s->first = region_new(home, int64_t, s->out);
    s->count = region_new(home, int64_t, s->out);
    s->weights = region_new(home, float, s->out * s->width);
    if (s->first == NULL || s->count == NULL || s->weights == NULL) return false;
    if (a->kind == RESIZE_NEAREST) {
        span_nearest(s);
    } else if (!a->antialias && a->kind == RESIZE_BILINEAR) {
        span_bilinear(s);
    } else if (!a->antialias && a->kind == RESIZE_BICUBIC) {
        span_bicubic(s);
    } else {
        span_sample(s, a->kind, a->antialias);
    }
    return true;
}

/* -- running ---------------------------------------------------------------------------------- */

typedef struct resize_work {
    const resize_state *s;
    const char *x;
    char *y;
    float *scratch;
} resize_work;

static void nearest_line(const resize_state *s, const char *x, char *y)
{
    const size_t pixel = s->channels * s->bytes;

    for (size_t i = 0; i < s->width.out; i++) {
        memcpy(y + i * pixel, x + (size_t)s->width.first[i] * pixel, pixel);
    }
}

/* y = sum of weights * lines that lie `step` apart. */
static void mix(const float *x, size_t step, const float *weights, int64_t count, float *y,
                size_t length)
{
    memset(y, 0, length * sizeof *y);
    for (int64_t k = 0; k < count; k++) {
        const float weight = weights[k];
        const float *const line = x + (size_t)k * step;

        LOOP_INDEPENDENT
        for (size_t i = 0; i < length; i++) y[i] += weight * line[i];
    }
}

static void resize_line(const resize_state *s, size_t row, const char *image, char *y,
                        float *scratch)
{
    const size_t line = s->width.in * s->channels;
    const span_axis *const h = &s->height, *const w = &s->width;
    float *const to = (float *)(void *)y;

    if (s->nearest) {
        nearest_line(s, image + (size_t)h->first[row] * line * s->bytes, y);
        return;
    }
    mix((const float *)(const void *)image + (size_t)h->first[row] * line, line,
        h->weights + row * h->width, h->count[row], scratch, line);
    for (size_t i = 0; i < w->out; i++) {
        mix(scratch + (size_t)w->first[i] * s->channels, s->channels, w->weights + i * w->width,
            w->count[i], to + i * s->channels, s->channels);
    }
}

/* Part p of s->parts: each has a line of scratch of its own. */
static void resize_parts(void *context, size_t begin, size_t end)
{
    const resize_work *const k = context;
    const resize_state *const s = k->s;
    const size_t lines = s->batch * s->height.out, in_line = s->width.in * s->channels;
    const size_t out_line = s->width.out * s->channels * s->bytes;

    for (size_t part = begin; part < end; part++) {
        float *const scratch = k->scratch == NULL ? NULL : k->scratch + part * in_line;

        for (size_t i = lines * part / s->parts; i < lines * (part + 1) / s->parts; i++) {
            resize_line(s, i % s->height.out,
                        k->x + i / s->height.out * s->height.in * in_line * s->bytes,
                        k->y + i * out_line, scratch);
        }
    }
}

static bool resize_plan(kernel_plan *plan)
{
    const resize_attributes *const a = plan->node->attributes;
    const tensor_desc *const x = &plan->inputs[0], *const y = &plan->outputs[0];

    if (a->kind != RESIZE_NEAREST && x->dtype != EBB_F32) return false;
    if (!plan_weights_are_plain(plan)) return false;
    resize_state *const s = region_new(plan->home, resize_state, 1);
    if (s == NULL) return false;
    s->batch = (size_t)x->dims[0];
    s->channels = (size_t)x->dims[3];
    s->bytes = ebb_dtype_bytes(x->dtype);
    s->nearest = a->kind == RESIZE_NEAREST;
    s->parts = plan->threads == 0 ? 1 : plan->threads;
    if (!span_make(&s->height, plan->home, x->dims[1], y->dims[1], a)) return false;
    if (!span_make(&s->width, plan->home, x->dims[2], y->dims[2], a)) return false;
    if (!s->nearest) {
        s->scratch = plan_scratch(plan, s->parts * s->width.in * s->channels * sizeof(float));
    }
    plan->state = s;
    return true;
}

static void resize_run(const kernel_call *call)
{
    const resize_state *const s = call->state;
    resize_work k = {s, call->inputs[0], call->outputs[0],
                     s->nearest ? NULL : call_scratch(call, s->scratch)};

    if (tensor_desc_count(&call->output_descs[0]) == 0) return;
    if (tensor_desc_count(&call->input_descs[0]) == 0) {
        memset(k.y, 0, (size_t)tensor_desc_bytes(&call->output_descs[0]));
        return;
    }
    parallel_for(call->threads, s->parts, 1, resize_parts, &k);
}

const kernel_def kernel_portable_resize = {
    .name = "portable.resize", .op = OP_resize, .plan = resize_plan, .run = resize_run};

/* -- gradient --------------------------------------------------------------------------------- */

typedef struct gradient_work {
    const resize_state *s; /* in: dx, out: dy */
    const float *dy;
    float *dx, *scratch;
} gradient_work;

/* y[first + k] += weights[k] * x for pixels `step` apart. */
static void unmix(float *y, size_t step, const float *weights, int64_t count, const float *x,
                  size_t length)
{
    for (int64_t k = 0; k < count; k++) {
        const float weight = weights[k];
        float *const line = y + (size_t)k * step;

        LOOP_INDEPENDENT
        for (size_t i = 0; i < length; i++) line[i] += weight * x[i];
    }
}

/* One image: each line of dy is spread along the width into scratch, then over lines of dx. */
static void gradient_image(const resize_state *s, const float *dy, float *dx, float *scratch)
{
    const size_t line = s->width.in * s->channels, result = s->width.out * s->channels;
    const span_axis *const h = &s->height, *const w = &s->width;
    const float one = 1.0f;

    memset(dx, 0, s->height.in * line * sizeof *dx);
    for (size_t row = 0; row < h->out; row++) {
        memset(scratch, 0, line * sizeof *scratch);
        for (size_t i = 0; i < w->out; i++) {
            unmix(scratch + (size_t)w->first[i] * s->channels, s->channels,
                  s->nearest ? &one : w->weights + i * w->width, w->count[i],
                  dy + row * result + i * s->channels, s->channels);
        }
        unmix(dx + (size_t)h->first[row] * line, line,
              s->nearest ? &one : h->weights + row * h->width, h->count[row], scratch, line);
    }
}

static void gradient_parts(void *context, size_t begin, size_t end)
{
    const gradient_work *const k = context;
    const resize_state *const s = k->s;
    const size_t in_line = s->width.in * s->channels, out_line = s->width.out * s->channels;

    for (size_t part = begin; part < end; part++) {
        for (size_t i = s->batch * part / s->parts; i < s->batch * (part + 1) / s->parts; i++) {
            gradient_image(s, k->dy + i * s->height.out * out_line,
                           k->dx + i * s->height.in * in_line, k->scratch + part * in_line);
        }
    }
}

static bool resize_gradient_plan(kernel_plan *plan)
{
    const resize_attributes *const a =
        &((const resize_gradient_attributes *)plan->node->attributes)->resize;
    const tensor_desc *const dy = &plan->inputs[0], *const dx = &plan->outputs[0];

    if (!plan_weights_are_plain(plan)) return false;
    resize_state *const s = region_new(plan->home, resize_state, 1);
    if (s == NULL) return false;
    s->batch = (size_t)dx->dims[0];
    s->channels = (size_t)dx->dims[3];
    s->nearest = a->kind == RESIZE_NEAREST;
    s->parts = plan->threads == 0 ? 1 : plan->threads;
    if (!span_make(&s->height, plan->home, dx->dims[1], dy->dims[1], a)) return false;
    if (!span_make(&s->width, plan->home, dx->dims[2], dy->dims[2], a)) return false;
    s->scratch = plan_scratch(plan, s->parts * s->width.in * s->channels * sizeof(float));
    plan->state = s;
    return true;
}

static void resize_gradient_run(const kernel_call *call)
{
    const resize_state *const s = call->state;
    gradient_work k = {s, call->inputs[0], call->outputs[0], call_scratch(call, s->scratch)};

    if (tensor_desc_count(&call->output_descs[0]) == 0) return;
    if (tensor_desc_count(&call->input_descs[0]) == 0) {
        memset(k.dx, 0, (size_t)tensor_desc_bytes(&call->output_descs[0]));
        return;
    }
    parallel_for(call->threads, s->parts, 1, gradient_parts, &k);
}

const kernel_def kernel_portable_resize_gradient = {.name = "portable.resize_gradient",
                                                    .op = OP_resize_gradient,
                                                    .plan = resize_gradient_plan,
                                                    .run = resize_gradient_run};
