/* portable_conv.c -- convolution in 1, 2 and 3 dimensions, grouped and depthwise, without im2col.
 *
 * The unit of work is a piece of one output line (the last spatial axis) times a block of filters:
 * it is cleared, every kernel position adds a small matrix product to it, then the epilogue
 * finishes it.
 *
 *     x line     [ . . . . . . . . ]   pixels next to one another, channels inside
 *                  |---k---|
 *                    |---k---|
 *     y line     [ o o o o o o ]
 *
 * The cells of a window along the line are one run of k * channels numbers, and so are the weights:
 * wherever the window lies inside the input, a whole kernel line is one product. Pixels at the ends
 * use shorter runs.
 *
 * Depthwise convolutions multiply channel by channel in vectors of 16.
 */
#include "device/cpu/gemm.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/window.h"

enum { CONV_X, CONV_KERNEL };

#define LINE_PIXELS   ((int64_t)128)
#define BLOCK_FILTERS ((int64_t)64)
#define CHANNEL_LANES 16

typedef struct conv_state {
    window w;
    int64_t groups, group_channels, group_filters;
    int64_t pieces, blocks; /* of an output line; of the filters of a group */
    epilogue epilogue;
    plain_weight kernel;
    uint32_t input_count;
} conv_state;

typedef struct conv_work {
    const conv_state *s;
    const float *x, *kernel;
    epilogue_operands operands;
    float *y;
} conv_work;

/* One unit of work. */
typedef struct piece {
    int64_t line;       /* of the output, over batch and all spatial axes but the last */
    int64_t first, end; /* pixels of the line */
    int64_t group, filter, filters; /* filter: within all filters */
} piece;

/* Adds the kernel positions [tap, tap_end) to the pixels [first, end), for all of which they lie
 * inside. */
static void conv_run_add(const conv_work *k, const piece *p, const float *x_line, const float *taps,
                         int64_t tap, int64_t tap_end, int64_t first, int64_t end)
{
    const conv_state *const s = k->s;
    const window *const w = &s->w;
    const int64_t line = p->line * w->out[2];

    if (end <= first) return;
    const gemm g = {.m = (size_t)(end - first),
                    .n = (size_t)p->filters,
                    .k = (size_t)((tap_end - tap) * s->group_channels),
                    .a = x_line + window_cell(w, 2, first, tap) * w->channels +
                         p->group * s->group_channels,
                    .a_row = w->strides[2] * w->channels,
                    .a_column = 1,
                    .b = taps + tap * s->group_channels * w->filters + p->filter,
                    .b_row = w->filters,
                    .b_column = 1,
                    .c = k->y + (line + first) * w->filters + p->filter,
                    .c_row = w->filters};
    gemm_add(&g);
}

/* One line of the input against one line of the kernel. */
static void conv_line_add(const conv_work *k, const piece *p, const float *x_line,
                          const float *taps)
{
    const window *const w = &k->s->w;
    int64_t first, end;

    if (k->s->groups > 1 || w->dilations[2] > 1) {
        for (int64_t tap = 0; tap < w->kernel[2]; tap++) {
            window_positions(w, 2, tap, tap, &first, &end);
            conv_run_add(k, p, x_line, taps, tap, tap + 1, first > p->first ? first : p->first,
                         end < p->end ? end : p->end);
        }
        return;
    }
    window_positions(w, 2, 0, w->kernel[2] - 1, &first, &end);
    first = clamp_i64(first, p->first, p->end);
    end = clamp_i64(end, first, p->end);
    conv_run_add(k, p, x_line, taps, 0, w->kernel[2], first, end);
    for (int64_t o = p->first; o < p->end; o++) {
        int64_t tap, tap_end;

        if (o == first) o = end;
        if (o == p->end) break;
        window_taps(w, 2, o, &tap, &tap_end);
        if (tap < tap_end) conv_run_add(k, p, x_line, taps, tap, tap_end, o, o + 1);
    }
}

/* Sixteen channels of one pixel over one kernel line, multiplier 1. */
static void depthwise_sixteen(const float *x, const float *taps, float *y, int64_t count,
                              int64_t x_step, int64_t tap_step)
{
    float sums[CHANNEL_LANES] = {0};

    for (int64_t t = 0; t < count; t++) {
        const float *const a = x + t * x_step, *const b = taps + t * tap_step;

        for (int c = 0; c < CHANNEL_LANES; c++) sums[c] += a[c] * b[c];
    }
    for (int c = 0; c < CHANNEL_LANES; c++) y[c] += sums[c];
}

/* All channels of one pixel over one kernel line. */
static void depthwise_pixel(const conv_state *s, const float *x, const float *taps, float *y,
                            int64_t count)
{
    const int64_t channels = s->w.channels, filters = s->w.filters, each = s->group_filters;
    const int64_t x_step = s->w.dilations[2] * channels;
    int64_t c = 0;

    for (; each == 1 && c + CHANNEL_LANES <= channels; c += CHANNEL_LANES) {
        depthwise_sixteen(x + c, taps + c, y + c, count, x_step, filters);
    }
    for (int64_t t = 0; t < count; t++) {
        const float *const a = x + t * x_step, *const b = taps + t * filters;

        for (int64_t i = c; i < channels; i++) {
            for (int64_t f = i * each; f < (i + 1) * each; f++) y[f] += a[i] * b[f];
        }
    }
}

static void depthwise_line_add(const conv_work *k, const piece *p, const float *x_line,
                               const float *taps)
{
    const window *const w = &k->s->w;

    for (int64_t o = p->first; o < p->end; o++) {
        int64_t tap, tap_end;

        window_taps(w, 2, o, &tap, &tap_end);
        if (tap == tap_end) continue;
        depthwise_pixel(k->s, x_line + window_cell(w, 2, o, tap) * w->channels,
                        taps + tap * w->filters, k->y + (p->line * w->out[2] + o) * w->filters,
                        tap_end - tap);
    }
}

static void conv_piece(const conv_work *k, const piece *p)
{
    const conv_state *const s = k->s;
    const window *const w = &s->w;
    const int64_t item = p->line / (w->out[0] * w->out[1]);
    const int64_t od = p->line / w->out[1] % w->out[0], oh = p->line % w->out[1];
    const int64_t at = (p->line * w->out[2] + p->first) * w->filters + p->filter;
    const size_t pixels = (size_t)(p->end - p->first), filters = (size_t)p->filters;
    const epilogue_operands *const o = &k->operands;
    const epilogue_operands here = {o->scale == NULL ? NULL : o->scale + p->filter,
                                    o->bias == NULL ? NULL : o->bias + p->filter,
                                    o->residual == NULL ? NULL : o->residual + at};
    int64_t d, d_end, h, h_end;

    gemm_clear(k->y + at, w->filters, pixels, filters);
    window_taps(w, 0, od, &d, &d_end);
    for (; d < d_end; d++) {
        window_taps(w, 1, oh, &h, &h_end);
        for (; h < h_end; h++) {
            const int64_t line =
                (item * w->in[0] + window_cell(w, 0, od, d)) * w->in[1] + window_cell(w, 1, oh, h);
            const float *const x_line = k->x + line * w->in[2] * w->channels;
            const float *const taps =
                k->kernel + (d * w->kernel[1] + h) * w->kernel[2] * s->group_channels * w->filters;

            if (s->group_channels == 1 && s->groups > 1) {
                depthwise_line_add(k, p, x_line, taps);
            } else {
                conv_line_add(k, p, x_line, taps);
            }
        }
    }
    epilogue_apply(&s->epilogue, &here, k->y + at, pixels, filters, (size_t)w->filters);
}

static int64_t conv_units(const conv_state *s)
{
    const bool depthwise = s->group_channels == 1 && s->groups > 1;

    return s->w.batch * s->w.out[0] * s->w.out[1] * s->pieces *
           (depthwise ? 1 : s->groups * s->blocks);
}

static void conv_range(void *context, size_t begin, size_t end)
{
    const conv_work *const k = context;
    const conv_state *const s = k->s;
    const bool depthwise = s->group_channels == 1 && s->groups > 1;

    for (int64_t unit = (int64_t)begin; unit < (int64_t)end; unit++) {
        const int64_t across = depthwise ? 1 : s->groups * s->blocks;
        const int64_t block = unit % across, place = unit / across;
        const int64_t first = place % s->pieces * LINE_PIXELS;
        const int64_t within = block % s->blocks * BLOCK_FILTERS, rest = s->group_filters - within;
        piece p = {.line = place / s->pieces, .first = first, .end = s->w.out[2]};

        if (p.end - first > LINE_PIXELS) p.end = first + LINE_PIXELS;
        p.group = block / s->blocks;
        p.filter = depthwise ? 0 : p.group * s->group_filters + within;
        p.filters = depthwise ? s->w.filters : rest < BLOCK_FILTERS ? rest : BLOCK_FILTERS;
        conv_piece(k, &p);
    }
}

/* A kernel of one cell that visits every pixel sees one long line. */
static void conv_flatten(window *w)
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

static bool conv_plan(kernel_plan *plan)
{
    const conv_attributes *const a = plan->node->attributes;
    const window_options options = {a->spatial,    plan->inputs[CONV_KERNEL].dims,
                                    a->strides,    a->dilations,
                                    a->pad_before, a->same};

    if (plan->inputs[CONV_X].dtype != EBB_F32 || plan->inputs[CONV_KERNEL].dtype != EBB_F32)
        return false;
    conv_state *const s = region_new(plan->home, conv_state, 1);
    if (s == NULL) return false;
    s->w = window_make(&plan->inputs[CONV_X], &plan->outputs[0], &options);
    conv_flatten(&s->w);
    s->groups = a->groups;
    s->group_channels = s->w.channels / a->groups;
    s->group_filters = s->w.filters / a->groups;
    s->pieces = div_up(s->w.out[2], LINE_PIXELS);
    s->blocks = div_up(s->group_filters, BLOCK_FILTERS);
    s->epilogue = a->epilogue;
    s->kernel = plain_weight_plan(plan, CONV_KERNEL);
    s->input_count = plan->node->input_count;
    plan->state = s;
    return true;
}

static void conv_run(const kernel_call *call)
{
    const conv_state *const s = call->state;
    conv_work k = {s, call->inputs[CONV_X], plain_weight_find(&s->kernel, call, CONV_KERNEL),
                   call_epilogue(call, s->input_count), call->outputs[0]};

    parallel_for(call->threads, (size_t)conv_units(s), 1, conv_range, &k);
}

const kernel_def kernel_portable_conv = {
    .name = "portable.conv", .op = OP_conv, .plan = conv_plan, .run = conv_run};
