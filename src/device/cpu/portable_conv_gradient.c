/* portable_conv_gradient.c -- gradients of a convolution by its input and by its kernel, in 1, 2
 * and 3 dimensions, grouped and depthwise.
 *
 * Pixel i of an axis of x meets output o through kernel position k where i = o * stride + k *
 * dilation - pad. By the input: a line of dx collects, for each kernel position, one small product
 * whose rows lie `stride` pixels apart. By the kernel: each kernel position is one sum of products
 * over all lines. No two units of work write the same element, and the order of sums is always the
 * same.
 */
#include <string.h>

#include "device/cpu/gemm.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/window.h"

#define BLOCK ((int64_t)64)

typedef struct conv_gradient_state {
    window w; /* in: x, out: dy */
    int64_t groups, group_channels, group_filters;
    int64_t channel_blocks, filter_blocks; /* of a group */
    bool is_depthwise;
    plain_weight kernel;
} conv_gradient_state;

typedef struct conv_gradient_work {
    const conv_gradient_state *s;
    const float *x, *dy, *kernel;
    float *to; /* dx, or the gradient of the kernel */
} conv_gradient_work;

static void state_fill(conv_gradient_state *s, const conv_attributes *a)
{
    s->groups = a->groups;
    s->group_channels = s->w.channels / a->groups;
    s->group_filters = s->w.filters / a->groups;
    s->channel_blocks = div_up(s->group_channels, BLOCK);
    s->filter_blocks = div_up(s->group_filters, BLOCK);
    s->is_depthwise = s->group_channels == 1 && s->groups > 1;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* -- by the input ----------------------------------------------------------------------------- */

/* The output position that kernel position `tap` ties to pixel i; -1 if there is none. */
static int64_t result_of(const window *w, uint32_t axis, int64_t i, int64_t tap)
{
    const int64_t from = i + w->pad[axis] - tap * w->dilations[axis];

    if (from < 0 || from % w->strides[axis] != 0) return -1;
    return from / w->strides[axis] < w->out[axis] ? from / w->strides[axis] : -1;
}

/* A line of dx and the channels of it that one unit of work makes. */
typedef struct line_part {
    float *dx;
    int64_t group, channel, channels; /* channel: within the group */
} line_part;

static void depthwise_pixel_back(const conv_gradient_state *s, const float *dy, const float *taps,
                                 float *dx)
{
    const int64_t each = s->group_filters, channels = s->w.channels;

    if (each == 1) {
        LOOP_INDEPENDENT
        for (int64_t c = 0; c < channels; c++) dx[c] += dy[c] * taps[c];
        return;
    }
    for (int64_t c = 0; c < channels; c++)
        for (int64_t f = c * each; f < (c + 1) * each; f++) dx[c] += dy[f] * taps[f];
}

/* One line of dy through one line of the kernel. */
static void line_back(const conv_gradient_work *k, const line_part *p, const float *dy,
                      const float *taps)
{
    const conv_gradient_state *const s = k->s;
    const window *const w = &s->w;
    const int64_t step = w->strides[2];

    for (int64_t tap = 0; tap < w->kernel[2]; tap++) {
        const int64_t shift = tap * w->dilations[2] - w->pad[2];
        const float *const weights = taps + tap * s->group_channels * w->filters;
        int64_t first, end;

        window_positions(w, 2, tap, tap, &first, &end);
        if (first >= end) continue;
        if (s->is_depthwise) {
            for (int64_t o = first; o < end; o++)
                depthwise_pixel_back(s, dy + o * w->filters, weights,
                                     p->dx + (o * step + shift) * w->channels);
            continue;
        }
        const gemm g = {.m = (size_t)(end - first),
                        .n = (size_t)p->channels,
                        .k = (size_t)s->group_filters,
                        .a = dy + first * w->filters + p->group * s->group_filters,
                        .a_row = w->filters,
                        .a_column = 1,
                        .b = weights + p->channel * w->filters + p->group * s->group_filters,
                        .b_row = 1,
                        .b_column = w->filters,
                        .c = p->dx + (first * step + shift) * w->channels +
                             p->group * s->group_channels + p->channel,
                        .c_row = step * w->channels};
        gemm_add(&g);
    }
}

static int64_t input_parts(const conv_gradient_state *s)
{
    return s->is_depthwise ? 1 : s->groups * s->channel_blocks;
}

static void input_range(void *context, size_t begin, size_t end)
{
    const conv_gradient_work *const k = context;
    const conv_gradient_state *const s = k->s;
    const window *const w = &s->w;
    const int64_t parts = input_parts(s);

    for (int64_t unit = (int64_t)begin; unit < (int64_t)end; unit++) {
        const int64_t line = unit / parts, part = unit % parts;
        const int64_t item = line / (w->in[0] * w->in[1]);
        const int64_t id = line / w->in[1] % w->in[0], ih = line % w->in[1];
        line_part p = {.dx = k->to + line * w->in[2] * w->channels, .channels = w->channels};

        if (!s->is_depthwise) {
            p.group = part / s->channel_blocks;
            p.channel = part % s->channel_blocks * BLOCK;
            p.channels = smaller(s->group_channels - p.channel, BLOCK);
        }
        gemm_clear(p.dx + p.group * s->group_channels + p.channel, w->channels, (size_t)w->in[2],
                   (size_t)p.channels);
        for (int64_t tap = 0; tap < w->kernel[0] * w->kernel[1]; tap++) {
            const int64_t d = result_of(w, 0, id, tap / w->kernel[1]);
            const int64_t h = result_of(w, 1, ih, tap % w->kernel[1]);

            if (d < 0 || h < 0) continue;
            line_back(k, &p,
                      k->dy + ((item * w->out[0] + d) * w->out[1] + h) * w->out[2] * w->filters,
                      k->kernel + tap * w->kernel[2] * s->group_channels * w->filters);
        }
    }
}

static bool input_plan(kernel_plan *plan)
{
    const conv_gradient_attributes *const a = plan->node->attributes;
    const window_options options = {a->conv.spatial,   plan->inputs[1].dims, a->conv.strides,
                                    a->conv.dilations, a->conv.pad_before,   a->conv.same};

    conv_gradient_state *const s = region_new(plan->home, conv_gradient_state, 1);
    if (s == NULL) return false;
    s->w = window_make(&plan->outputs[0], &plan->inputs[0], &options);
    state_fill(s, &a->conv);
    s->kernel = plain_weight_plan(plan, 1);
    plan->state = s;
    return true;
}

static void input_run(const kernel_call *call)
{
    const conv_gradient_state *const s = call->state;
    conv_gradient_work k = {s, NULL, call->inputs[0], plain_weight_find(&s->kernel, call, 1),
                            call->outputs[0]};
    const int64_t lines = s->w.batch * s->w.in[0] * s->w.in[1];

    parallel_for(call->threads, (size_t)(lines * input_parts(s)), 1, input_range, &k);
}

const kernel_def kernel_portable_conv_gradient_input = {.name = "portable.conv_gradient_input",
                                                        .op = OP_conv_gradient_input,
                                                        .plan = input_plan,
                                                        .run = input_run};

/* -- by the kernel ---------------------------------------------------------------------------- */

/* What one unit of work makes: channels and filters of one kernel position. */
typedef struct tap_part {
    int64_t tap[SPATIAL_MAX];
    int64_t group, channel, channels, filter, filters; /* within the group */
    float *to;
} tap_part;

/* One line of x with one line of dy. */
static void line_gather(const conv_gradient_work *k, const tap_part *p, const float *x,
                        const float *dy, int64_t first, int64_t end)
{
    const conv_gradient_state *const s = k->s;
    const window *const w = &s->w;
    const float *const from = x + window_cell(w, 2, first, p->tap[2]) * w->channels;
    const int64_t pace = w->strides[2] * w->channels, each = s->group_filters;

    if (!s->is_depthwise) {
        const gemm g = {.m = (size_t)p->channels,
                        .n = (size_t)p->filters,
                        .k = (size_t)(end - first),
                        .a = from + p->group * s->group_channels + p->channel,
                        .a_row = 1,
                        .a_column = pace,
                        .b = dy + first * w->filters + p->group * each + p->filter,
                        .b_row = w->filters,
                        .b_column = 1,
                        .c = p->to,
                        .c_row = w->filters};
        gemm_add(&g);
        return;
    }
    for (int64_t o = first; o < end; o++) {
        const float *const a = from + (o - first) * pace, *const b = dy + o * w->filters;

        if (each == 1) {
            LOOP_INDEPENDENT
            for (int64_t c = 0; c < w->channels; c++) p->to[c] += a[c] * b[c];
            continue;
        }
        for (int64_t c = 0; c < w->channels; c++)
            for (int64_t f = c * each; f < (c + 1) * each; f++) p->to[f] += a[c] * b[f];
    }
}

static void tap_gather(const conv_gradient_work *k, const tap_part *p)
{
    const window *const w = &k->s->w;
    int64_t first[SPATIAL_MAX], end[SPATIAL_MAX];

    for (uint32_t i = 0; i < SPATIAL_MAX; i++)
        window_positions(w, i, p->tap[i], p->tap[i], &first[i], &end[i]);
    if (first[2] >= end[2]) return;
    for (int64_t item = 0; item < w->batch; item++) {
        for (int64_t d = first[0]; d < end[0]; d++) {
            for (int64_t h = first[1]; h < end[1]; h++) {
                const int64_t from =
                    (item * w->in[0] + window_cell(w, 0, d, p->tap[0])) * w->in[1] +
                    window_cell(w, 1, h, p->tap[1]);
                const int64_t result = (item * w->out[0] + d) * w->out[1] + h;

                line_gather(k, p, k->x + from * w->in[2] * w->channels,
                            k->dy + result * w->out[2] * w->filters, first[2], end[2]);
            }
        }
    }
}

static int64_t kernel_parts(const conv_gradient_state *s)
{
    return s->is_depthwise ? 1 : s->groups * s->channel_blocks * s->filter_blocks;
}

static void kernel_range(void *context, size_t begin, size_t end)
{
    const conv_gradient_work *const k = context;
    const conv_gradient_state *const s = k->s;
    const window *const w = &s->w;
    const int64_t parts = kernel_parts(s);

    for (int64_t unit = (int64_t)begin; unit < (int64_t)end; unit++) {
        const int64_t tap = unit / parts, part = unit % parts;
        tap_part p = {.tap = {tap / (w->kernel[1] * w->kernel[2]),
                              tap / w->kernel[2] % w->kernel[1], tap % w->kernel[2]},
                      .channels = 1,
                      .filters = w->filters};

        if (!s->is_depthwise) {
            p.group = part / (s->channel_blocks * s->filter_blocks);
            p.channel = part / s->filter_blocks % s->channel_blocks * BLOCK;
            p.channels = smaller(s->group_channels - p.channel, BLOCK);
            p.filter = part % s->filter_blocks * BLOCK;
            p.filters = smaller(s->group_filters - p.filter, BLOCK);
        }
        p.to = k->to + (tap * s->group_channels + p.channel) * w->filters +
               p.group * s->group_filters + p.filter;
        gemm_clear(p.to, w->filters, (size_t)p.channels, (size_t)p.filters);
        tap_gather(k, &p);
    }
}

/* A kernel of one cell that visits every pixel sees one long line. */
static void flatten(window *w)
{
    int64_t pixels = w->batch;

    for (uint32_t i = 0; i < SPATIAL_MAX; i++) {
        if (w->kernel[i] != 1 || w->strides[i] != 1 || w->pad[i] != 0 || w->in[i] != w->out[i])
            return;
        pixels *= w->in[i];
    }
    w->batch = 1;
    for (uint32_t i = 0; i < SPATIAL_MAX; i++) w->in[i] = w->out[i] = i == 2 ? pixels : 1;
}

static bool kernel_plan_make(kernel_plan *plan)
{
    const conv_gradient_attributes *const a = plan->node->attributes;
    const window_options options = {a->conv.spatial,   plan->outputs[0].dims, a->conv.strides,
                                    a->conv.dilations, a->conv.pad_before,    a->conv.same};

    if (!plan_weights_are_plain(plan)) return false;
    conv_gradient_state *const s = region_new(plan->home, conv_gradient_state, 1);
    if (s == NULL) return false;
    s->w = window_make(&plan->inputs[0], &plan->inputs[1], &options);
    flatten(&s->w);
    state_fill(s, &a->conv);
    plan->state = s;
    return true;
}

static void kernel_run(const kernel_call *call)
{
    const conv_gradient_state *const s = call->state;
    const window *const w = &s->w;
    conv_gradient_work k = {s, call->inputs[0], call->inputs[1], NULL, call->outputs[0]};
    const int64_t taps = w->kernel[0] * w->kernel[1] * w->kernel[2];

    parallel_for(call->threads, (size_t)(taps * kernel_parts(s)), 1, kernel_range, &k);
}

const kernel_def kernel_portable_conv_gradient_kernel = {.name = "portable.conv_gradient_kernel",
                                                         .op = OP_conv_gradient_kernel,
                                                         .plan = kernel_plan_make,
                                                         .run = kernel_run};
