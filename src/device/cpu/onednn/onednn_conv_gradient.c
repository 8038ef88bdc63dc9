/* onednn_conv_gradient.c -- the gradient of a convolution by its input, through oneDNN: it is the
 * transposed convolution of dy with the same kernel, and planned as one. Kernels that a
 * convolution packed are left to others: there the axes of a packed kernel mean other things.
 */
#include "device/cpu/onednn/onednn_step.h"
#include "device/cpu/portable.h"

#include <string.h>

/* The transposed convolution that gives back x; false: there is none. */
static bool turn(const kernel_plan *plan, conv_transpose_attributes *t)
{
    const conv_attributes *a = &((const conv_gradient_attributes *)plan->node->attributes)->conv;
    const tensor_desc *dy = &plan->inputs[0], *kernel = &plan->inputs[1], *dx = &plan->outputs[0];

    memset(t, 0, sizeof *t);
    t->spatial = a->spatial;
    for (uint32_t i = 0; i < a->spatial; i++) {
        const int64_t reach = (kernel->dims[i] - 1) * a->dilations[i] + 1;
        const int64_t full = (dy->dims[1 + i] - 1) * a->strides[i] + reach;
        const int64_t total = full > dx->dims[1 + i] ? full - dx->dims[1 + i] : 0;

        t->strides[i] = a->strides[i];
        t->dilations[i] = a->dilations[i];
        t->pad_before[i] = a->same ? total / 2 : a->pad_before[i];
        t->pad_after[i] = a->same ? total - total / 2 : a->pad_after[i];
        t->output_padding[i] = dx->dims[1 + i] + t->pad_before[i] + t->pad_after[i] - full;
        if (t->output_padding[i] < 0 || t->output_padding[i] >= a->strides[i]) return false;
    }
    return true;
}

static bool conv_gradient_plan(kernel_plan *plan)
{
    const conv_gradient_attributes *const a = plan->node->attributes;
    conv_transpose_attributes t;

    if (!turn(plan, &t) || !plan_weights_are_plain(plan)) return false;
    const bool is_weight = plan->weights[1].is_weight;
    plan->weights[1].is_weight = false; /* or this row would pack it */
    const bool good = onednn_conv_transpose_plan(plan, &t, a->conv.groups);
    plan->weights[1].is_weight = is_weight;
    return good;
}

const kernel_def kernel_onednn_conv_gradient_input = {
    "onednn.conv_gradient_input",
    OP_conv_gradient_input,
    conv_gradient_plan,
    onednn_step_open,
    onednn_step_bind,
    onednn_step_run,
    onednn_step_unbind,
    onednn_step_close,
};
