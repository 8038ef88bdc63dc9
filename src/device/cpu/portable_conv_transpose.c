/* portable_conv_transpose.c -- transposed convolution, gathered per output line.
 *
 * Output position o of an axis receives input i through kernel position k where o = i * stride + k
 * * dilation - pad. For one k the receiving positions are every stride-th one, so an output line
 * gets, for each kernel position, one small product whose rows lie `stride` pixels apart. No two
 * units of work write the same element.
 */
#include "device/cpu/gemm.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/window.h"

enum { CONV_X, CONV_KERNEL };

#define BLOCK_FILTERS ((int64_t)64)

typedef struct transpose_state {
    window w;
    int64_t blocks; /* of the filters */
    epilogue epilogue;
    plain_weight kernel;
    uint32_t input_count;
} transpose_state;

typedef struct transpose_work {
    const transpose_state *s;
    const float *x, *kernel;
    epilogue_operands operands;
    float *y;
} transpose_work;

/* The input position behind output position `o` for a kernel position; -1 if there is none. */
static int64_t source_of(const window *w, uint32_t axis, int64_t o, int64_t tap)
{
    const int64_t from = o + w->pad[axis] - tap * w->dilations[axis];

    if (from < 0 || from % w->strides[axis] != 0) return -1;
    return from / w->strides[axis] < w->in[axis] ? from / w->strides[axis] : -1;
}

/* One input line through one kernel line. */
static void transpose_line_add(const transpose_work *k, int64_t filter, int64_t filters,
                               const float *x_line, const float *taps, float *y_line)
{
    const window *const w = &k->s->w;

    for (int64_t tap = 0; tap < w->kernel[2]; tap++) {
        const int64_t shift = tap * w->dilations[2] - w->pad[2], step = w->strides[2];
        const int64_t first = clamp_i64(div_up(-shift, step), 0, w->in[2]);
        const int64_t end = clamp_i64(div_up(w->out[2] - shift, step), first, w->in[2]);

        if (first == end) continue;
        const gemm g = {.m = (size_t)(end - first),
                        .n = (size_t)filters,
                        .k = (size_t)w->channels,
                        .a = x_line + first * w->channels,
                        .a_row = w->channels,
                        .a_column = 1,
                        .b = taps + (tap * w->filters + filter) * w->channels,
                        .b_row = 1,
                        .b_column = w->channels,
                        .c = y_line + (first * step + shift) * w->filters + filter,
                        .c_row = step * w->filters};
        gemm_add(&g);
    }
}

static void transpose_range(void *context, size_t begin, size_t end)
{
    const transpose_work *const k = context;
    const transpose_state *const s = k->s;
    const window *const w = &s->w;

    for (int64_t unit = (int64_t)begin; unit < (int64_t)end; unit++) {
        const int64_t line = unit / s->blocks, filter = unit % s->blocks * BLOCK_FILTERS;
        const int64_t rest = w->filters - filter,
                      filters = rest < BLOCK_FILTERS ? rest : BLOCK_FILTERS;
        const int64_t item = line / (w->out[0] * w->out[1]);
        const int64_t od = line / w->out[1] % w->out[0], oh = line % w->out[1];
        const int64_t at = line * w->out[2] * w->filters;
        const epilogue_operands *const o = &k->operands;
        const epilogue_operands here = {o->scale == NULL ? NULL : o->scale + filter,
                                        o->bias == NULL ? NULL : o->bias + filter,
                                        o->residual == NULL ? NULL : o->residual + at + filter};

        gemm_clear(k->y + at + filter, w->filters, (size_t)w->out[2], (size_t)filters);
        for (int64_t tap = 0; tap < w->kernel[0] * w->kernel[1]; tap++) {
            const int64_t d = source_of(w, 0, od, tap / w->kernel[1]);
            const int64_t h = source_of(w, 1, oh, tap % w->kernel[1]);

            if (d < 0 || h < 0) continue;
            transpose_line_add(
                k, filter, filters,
                k->x + ((item * w->in[0] + d) * w->in[1] + h) * w->in[2] * w->channels,
                k->kernel + tap * w->kernel[2] * w->filters * w->channels, k->y + at);
        }
        epilogue_apply(&s->epilogue, &here, k->y + at + filter, (size_t)w->out[2], (size_t)filters,
                       (size_t)w->filters);
    }
}

static bool transpose_plan(kernel_plan *plan)
{
    const conv_transpose_attributes *const a = plan->node->attributes;
    const window_options options = {
        a->spatial, plan->inputs[CONV_KERNEL].dims, a->strides, a->dilations, a->pad_before, false};

    if (plan->inputs[CONV_X].dtype != EBB_F32 || plan->inputs[CONV_KERNEL].dtype != EBB_F32)
        return false;
    transpose_state *const s = region_new(plan->home, transpose_state, 1);
    if (s == NULL) return false;
    s->w = window_make(&plan->inputs[CONV_X], &plan->outputs[0], &options);
    s->blocks = div_up(s->w.filters, BLOCK_FILTERS);
    s->epilogue = a->epilogue;
    s->kernel = plain_weight_plan(plan, CONV_KERNEL);
    s->input_count = plan->node->input_count;
    plan->state = s;
    return true;
}

static void transpose_run(const kernel_call *call)
{
    const transpose_state *const s = call->state;
    transpose_work k = {s, call->inputs[CONV_X], plain_weight_find(&s->kernel, call, CONV_KERNEL),
                        call_epilogue(call, s->input_count), call->outputs[0]};

    parallel_for(call->threads, (size_t)(s->w.batch * s->w.out[0] * s->w.out[1] * s->blocks), 1,
                 transpose_range, &k);
}

const kernel_def kernel_portable_conv_transpose = {.name = "portable.conv_transpose",
                                                   .op = OP_conv_transpose,
                                                   .plan = transpose_plan,
                                                   .run = transpose_run};
