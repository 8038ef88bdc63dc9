/* onednn_conv.c -- conv and conv_transpose through oneDNN, activations channels-last as they
 * are. A single spatial axis is given to the library as an image one row high: its fast code is
 * written for two. */
#include "device/cpu/onednn/onednn_step.h"

/* The kernel [spatial..., inner, outer] of one group as oneDNN's [groups, out, in, spatial...]
 * (groups only if > 1), as strides over Keras's bytes. `is_outer_input`: the last axis is the
 * input (conv_transpose). */
static void weights_shape(onednn_contraction *c, const tensor_desc *t, uint32_t spatial,
                          int64_t groups, bool is_outer_input, int64_t *strides)
{
    const int64_t inner = t->dims[spatial], outer = t->dims[spatial + 1];
    int64_t step = inner * outer;
    uint32_t n = 0;

    if (groups > 1) {
        c->weights_dims[n] = groups;
        strides[n++] = outer / groups;
    }
    c->weights_dims[n] = is_outer_input ? inner : outer / groups;
    strides[n++] = is_outer_input ? outer : 1;
    c->weights_dims[n] = is_outer_input ? outer : inner;
    strides[n++] = is_outer_input ? 1 : outer;
    const uint32_t first = n;
    n += spatial == 1 ? 2 : spatial;
    c->weights_rank = n;
    for (uint32_t i = n, axis = spatial; i-- > first;) {
        const bool is_added = axis == 0;

        c->weights_dims[i] = is_added ? 1 : t->dims[--axis];
        strides[i] = step;
        step *= c->weights_dims[i];
    }
}

/* Copies [spatial] numbers into a window's array, a row of one in front if spatial is 1. */
static void spread(int64_t *to, const int64_t *from, uint32_t spatial, int64_t added, int64_t minus)
{
    const uint32_t front = spatial == 1 ? 1 : 0;

    to[0] = added;
    for (uint32_t i = 0; i < spatial; i++) to[front + i] = from[i] - minus;
}

static void same_padding(const conv_attributes *a, const kernel_plan *plan, int64_t *before,
                         int64_t *after)
{
    for (uint32_t i = 0; i < a->spatial; i++) {
        const int64_t reach = (plan->inputs[1].dims[i] - 1) * a->dilations[i] + 1;
        int64_t total = (plan->outputs[0].dims[1 + i] - 1) * a->strides[i] + reach -
                        plan->inputs[0].dims[1 + i];

        if (total < 0) total = 0;
        before[i] = total / 2;
        after[i] = total - total / 2;
    }
}

static bool is_supported(const kernel_plan *plan)
{
    if (!onednn_ready(plan->device)) return false;
    for (uint32_t i = 0; i < plan->node->input_count; i++) {
        if (plan->inputs[i].dtype == EBB_DTYPE_NONE) continue;
        if (plan->inputs[i].dtype != EBB_F32 || tensor_desc_count(&plan->inputs[i]) == 0)
            return false;
    }
    for (uint32_t i = INPUT_BIAS; i < plan->node->input_count; i++)
        if (plan->weights[i].form != WEIGHT_PLAIN) return false;
    return tensor_desc_count(&plan->outputs[0]) != 0;
}

/* Does every result see one cell of the source, the one in the same place? */
static bool is_flat(const onednn_contraction *c)
{
    const uint32_t first = c->weights_rank - c->window.spatial;

    for (uint32_t i = 0; i < c->window.spatial; i++) {
        if (c->weights_dims[first + i] != 1 || c->window.strides[i] != 1 ||
            c->window.pad_before[i] != 0 || c->window.pad_after[i] != 0)
            return false;
    }
    return true;
}

/* [n, c, spatial...] as [1, c, 1..., all cells]. */
static void flatten(uint32_t rank, int64_t *dims, int64_t *strides)
{
    int64_t cells = dims[0];

    for (uint32_t i = 2; i < rank; i++) {
        cells *= dims[i];
        dims[i] = 1;
        strides[i] = cells;
    }
    dims[0] = 1;
    dims[rank - 1] = cells;
    strides[rank - 1] = dims[1];
    for (uint32_t i = 0; i + 1 < rank; i++)
        if (i != 1) strides[i] = cells * dims[1];
}

/* Descs of the whole; afterwards the window may be a flat one: where the kernel is one cell, all
 * cells are rows of one axis. */
static bool make_descs(onednn_contraction *c, const kernel_plan *plan, uint32_t spatial,
                       const int64_t *weight_strides)
{
    onednn_cut *cut = &c->cut;
    int64_t vector_dims[ONEDNN_RANK_MAX] = {1, 1, 1, 1, 1, 1}, strides[ONEDNN_RANK_MAX];
    const int64_t one = 1;

    c->rank = cut->rank =
        onednn_image_dims(&plan->inputs[0], spatial, cut->source_dims, cut->source_strides);
    onednn_image_dims(&plan->outputs[0], spatial, cut->result_dims, cut->result_strides);
    const int64_t columns = vector_dims[1] = cut->result_dims[1];
    c->columns = (uint64_t)columns;
    c->rows = tensor_desc_count(&plan->outputs[0]) / c->columns;
    if (is_flat(c)) {
        flatten(cut->rank, cut->source_dims, cut->source_strides);
        flatten(cut->rank, cut->result_dims, cut->result_strides);
    }
    onednn_strides(c->rank, vector_dims, strides);
    return onednn_desc_make(&c->source, c->rank, cut->source_dims, cut->source_strides) &&
           onednn_desc_make(&c->weights, c->weights_rank, c->weights_dims, weight_strides) &&
           onednn_desc_make(&c->destination, c->rank, cut->result_dims, cut->result_strides) &&
           onednn_desc_make(&c->bias, 1, &columns, &one) &&
           onednn_desc_make(&c->vector, c->rank, vector_dims, strides);
}

/* Length along each spatial axis that one result sees. */
static void reaches(const onednn_contraction *c, int64_t *reach)
{
    const uint32_t first = c->weights_rank - c->window.spatial;

    for (uint32_t i = 0; i < c->window.spatial; i++)
        reach[i] = (c->weights_dims[first + i] - 1) * (c->window.dilations[i] + 1) + 1;
}

static bool plan_image(kernel_plan *plan, onednn_contraction *c, uint32_t spatial,
                       const int64_t *weight_strides)
{
    int64_t reach[SPATIAL_MAX];

    bool good = make_descs(c, plan, spatial, weight_strides);
    reaches(c, reach);
    onednn_cut_image(&c->cut, &c->window, reach);
    good = good && onednn_contraction_plan(plan, c);
    onednn_contraction_drop(c);
    return good;
}

/* Some result lies so far in the padding that it sees no input at all. The library's code for
 * that case (2.6) calls activations with an unset register. */
static bool sees_only_padding(const conv_attributes *a, const kernel_plan *plan,
                              const int64_t *before)
{
    for (uint32_t i = 0; i < a->spatial; i++) {
        const int64_t length = plan->inputs[0].dims[1 + i], taps = plan->inputs[1].dims[i],
                      step = a->dilations[i];

        for (int64_t o = 0; o < plan->outputs[0].dims[1 + i]; o++) {
            const int64_t first = o * a->strides[i] - before[i];
            const int64_t tap = first < 0 ? (-first + step - 1) / step : 0;

            if (tap >= taps || first + tap * step >= length) return true;
        }
    }
    return false;
}

static bool conv_plan(kernel_plan *plan)
{
    const conv_attributes *a = plan->node->attributes;
    onednn_contraction c = {.make = onednn_conv_work, .epilogue = &a->epilogue};
    int64_t strides[ONEDNN_RANK_MAX], before[SPATIAL_MAX], after[SPATIAL_MAX];
    const uint32_t s = a->spatial;

    if (!is_supported(plan)) return false;
    weights_shape(&c, &plan->inputs[1], s, a->groups, false, strides);
    for (uint32_t i = 0; i < s; i++) {
        before[i] = a->pad_before[i];
        after[i] = a->pad_after[i];
    }
    if (a->same) same_padding(a, plan, before, after);
    if (sees_only_padding(a, plan, before)) return false;
    spread(c.window.strides, a->strides, s, 1, 0);
    spread(c.window.dilations, a->dilations, s, 0, 1);
    spread(c.window.pad_before, before, s, 0, 0);
    spread(c.window.pad_after, after, s, 0, 0);
    c.window.spatial = s == 1 ? 2 : s;
    return plan_image(plan, &c, s, strides);
}

static bool conv_transpose_plan(kernel_plan *plan)
{
    const conv_transpose_attributes *a = plan->node->attributes;
    onednn_contraction c = {.make = onednn_conv_transpose_work,
                            .epilogue = &a->epilogue,
                            .cut = {.is_transpose = true}};
    int64_t strides[ONEDNN_RANK_MAX];
    const uint32_t s = a->spatial;

    if (!is_supported(plan)) return false;
    for (uint32_t i = 0; i < s; i++)
        if (a->output_padding[i] >= a->strides[i] || a->output_padding[i] < 0) return false;
    weights_shape(&c, &plan->inputs[1], s, 1, true, strides);
    spread(c.window.strides, a->strides, s, 1, 0);
    spread(c.window.dilations, a->dilations, s, 0, 1);
    spread(c.window.pad_before, a->pad_before, s, 0, 0);
    spread(c.window.pad_after, a->pad_after, s, 0, 0);
    c.window.spatial = s == 1 ? 2 : s;
    return plan_image(plan, &c, s, strides);
}

const kernel_def kernel_onednn_conv = {
    "onednn.conv",    OP_conv,         conv_plan,          onednn_step_open,
    onednn_step_bind, onednn_step_run, onednn_step_unbind, onednn_step_close,
};

const kernel_def kernel_onednn_conv_transpose = {
    "onednn.conv_transpose", OP_conv_transpose, conv_transpose_plan, onednn_step_open,
    onednn_step_bind,        onednn_step_run,   onednn_step_unbind,  onednn_step_close,
};
