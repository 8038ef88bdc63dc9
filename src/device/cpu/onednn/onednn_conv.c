/* onednn_conv.c -- conv and conv_transpose through oneDNN, activations channels-last as they
 * are. A single spatial axis is given to the library as an image one row high: its fast code is
 * written for two. */
#include "device/cpu/onednn/onednn_step.h"

/* The kernel [spatial..., inner, outer] as oneDNN's [groups, out, in, spatial...] (groups only if
 * > 1), as strides over Keras's bytes. is_turned: what goes in are the outer ones, group by group
 * (conv_transpose). */
static void weights_shape(onednn_contraction *c, const tensor_desc *t, uint32_t spatial,
                          int64_t groups, bool is_turned)
{
    const int64_t inner = t->dims[spatial], outer = t->dims[spatial + 1];
    int64_t *const strides = c->weights_strides, step = inner * outer;
    uint32_t n = 0;

    if (groups > 1) {
        c->weights_dims[n] = groups;
        strides[n++] = outer / groups;
    }
    c->weights_dims[n] = is_turned ? inner : outer / groups;
    strides[n++] = is_turned ? outer : 1;
    c->weights_dims[n] = is_turned ? outer / groups : inner;
    strides[n++] = is_turned ? 1 : outer;
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

static void same_padding(const onednn_image *image, int64_t *before, int64_t *after)
{
    const conv_attributes *a = image->attributes;

    for (uint32_t i = 0; i < a->spatial; i++) {
        const int64_t reach = (image->kernel->dims[i] - 1) * a->dilations[i] + 1;
        int64_t total =
            (image->result->dims[1 + i] - 1) * a->strides[i] + reach - image->source->dims[1 + i];

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
static bool make_descs(onednn_contraction *c, const tensor_desc *source, const tensor_desc *result,
                       uint32_t spatial)
{
    onednn_cut *cut = &c->cut;
    int64_t vector_dims[ONEDNN_RANK_MAX] = {1, 1, 1, 1, 1, 1}, strides[ONEDNN_RANK_MAX];
    const int64_t one = 1;

    c->rank = cut->rank = onednn_image_dims(source, spatial, cut->source_dims, cut->source_strides);
    onednn_image_dims(result, spatial, cut->result_dims, cut->result_strides);
    const int64_t columns = vector_dims[1] = cut->result_dims[1];
    c->columns = (uint64_t)columns;
    c->rows = tensor_desc_count(result) / c->columns;
    if (is_flat(c)) {
        flatten(cut->rank, cut->source_dims, cut->source_strides);
        flatten(cut->rank, cut->result_dims, cut->result_strides);
    }
    onednn_strides(c->rank, vector_dims, strides);
    return onednn_desc_make(&c->source, c->rank, cut->source_dims, cut->source_strides) &&
           onednn_desc_make(&c->weights, c->weights_rank, c->weights_dims, c->weights_strides) &&
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

static bool describe(onednn_contraction *c, const tensor_desc *source, const tensor_desc *result,
                     uint32_t spatial)
{
    int64_t reach[SPATIAL_MAX];
    const bool good = make_descs(c, source, result, spatial);

    reaches(c, reach);
    onednn_cut_image(&c->cut, &c->window, reach);
    return good;
}

/* Some result lies so far in the padding that it sees no input at all. The library's code for
 * that case (2.6) calls activations with an unset register. */
static bool sees_only_padding(const onednn_image *image, const int64_t *before)
{
    const conv_attributes *a = image->attributes;

    for (uint32_t i = 0; i < a->spatial; i++) {
        const int64_t length = image->source->dims[1 + i], taps = image->kernel->dims[i],
                      step = a->dilations[i];

        for (int64_t o = 0; o < image->result->dims[1 + i]; o++) {
            const int64_t first = o * a->strides[i] - before[i];
            const int64_t tap = first < 0 ? (-first + step - 1) / step : 0;

            if (tap >= taps || first + tap * step >= length) return true;
        }
    }
    return false;
}

bool onednn_conv_describe(onednn_contraction *c, const onednn_image *image)
{
    const conv_attributes *a = image->attributes;
    int64_t before[SPATIAL_MAX], after[SPATIAL_MAX];
    const uint32_t s = a->spatial;

    weights_shape(c, image->kernel, s, a->groups, false);
    for (uint32_t i = 0; i < s; i++) {
        before[i] = a->pad_before[i];
        after[i] = a->pad_after[i];
    }
    if (a->same) same_padding(image, before, after);
    if (sees_only_padding(image, before)) return false;
    spread(c->window.strides, a->strides, s, 1, 0);
    spread(c->window.dilations, a->dilations, s, 0, 1);
    spread(c->window.pad_before, before, s, 0, 0);
    spread(c->window.pad_after, after, s, 0, 0);
    c->window.spatial = s == 1 ? 2 : s;
    return describe(c, image->source, image->result, s);
}

static bool conv_plan(kernel_plan *plan)
{
    const conv_attributes *a = plan->node->attributes;
    const onednn_image image = {&plan->inputs[0], &plan->inputs[1], &plan->outputs[0], a};
    onednn_contraction c = {.make = onednn_conv_work, .epilogue = &a->epilogue};

    if (!is_supported(plan)) return false;
    const bool good = onednn_conv_describe(&c, &image) && onednn_contraction_plan(plan, &c);
    onednn_contraction_drop(&c);
    return good;
}

bool onednn_conv_transpose_plan(kernel_plan *plan, const conv_transpose_attributes *a,
                                int64_t groups)
{
    onednn_contraction c = {.make = onednn_conv_transpose_work,
                            .epilogue = &a->epilogue,
                            .cut = {.is_transpose = true}};
    const uint32_t s = a->spatial;

    if (!is_supported(plan)) return false;
    for (uint32_t i = 0; i < s; i++)
        if (a->output_padding[i] >= a->strides[i] || a->output_padding[i] < 0) return false;
    weights_shape(&c, &plan->inputs[1], s, groups, true);
    spread(c.window.strides, a->strides, s, 1, 0);
    spread(c.window.dilations, a->dilations, s, 0, 1);
    spread(c.window.pad_before, a->pad_before, s, 0, 0);
    spread(c.window.pad_after, a->pad_after, s, 0, 0);
    c.window.spatial = s == 1 ? 2 : s;
    const bool good =
        describe(&c, &plan->inputs[0], &plan->outputs[0], s) && onednn_contraction_plan(plan, &c);
    onednn_contraction_drop(&c);
    return good;
}

static bool conv_transpose_plan(kernel_plan *plan)
{
    return onednn_conv_transpose_plan(plan, plan->node->attributes, 1);
}

const kernel_def kernel_onednn_conv = {
    "onednn.conv",    OP_conv,         conv_plan,          onednn_step_open,
    onednn_step_bind, onednn_step_run, onednn_step_unbind, onednn_step_close,
};

const kernel_def kernel_onednn_conv_transpose = {
    "onednn.conv_transpose", OP_conv_transpose, conv_transpose_plan, onednn_step_open,
    onednn_step_bind,        onednn_step_run,   onednn_step_unbind,  onednn_step_close,
};
