/* onednn_conv_gradient_kernel.c -- the gradient of a convolution by its kernel, through oneDNN.
 *
 * Each part sees some rows of x and dy and makes a whole kernel of its own, in the layout that the
 * library likes, in scratch; the kernels are added up, always in the same order, and delivered in
 * the plain layout:
 *
 *     x, dy rows 0 .. 3 -> kernel 0 \
 *     x, dy rows 4 .. 7 -> kernel 1  + -> kernel 0 -> plain
 */
#include "device/cpu/onednn/onednn_step.h"

/* All kernels of the parts together take no more than this, unless there is one alone. */
#define TERM_BYTES_MAX ((uint64_t)64 << 20)

/* The primitive of one slice; `want` is the layout of its kernel, or empty: the library chooses. */
static dnnl_primitive_desc_t slice_work(const onednn_contraction *c, const onednn_slice *slice,
                                        const onednn_desc *weights)
{
    onednn_desc source = {0}, result = {0};
    onednn_window window = c->window;
    dnnl_primitive_desc_t work = NULL;

    onednn_cut_window(&c->cut, slice, &window);
    if (onednn_cut_descs(&c->cut, slice, &source, &result)) {
        const onednn_operands o = {.source = &source, .weights = weights, .destination = &result};

        work = onednn_conv_gradient_kernel_work(&o, &window);
    }
    onednn_desc_drop(&source);
    onednn_desc_drop(&result);
    return work;
}

static bool add_part(const onednn_contraction *c, onednn_step *step, uint32_t k,
                     const onednn_desc *weights)
{
    onednn_task *const task = &step->parts[k].task;
    const bool is_direct = step->sum_floats == 0;
    onednn_slice slice;

    if (!onednn_cut_slice(&c->cut, k, step->part_count, &slice)) return false;
    if (task->work == NULL) task->work = slice_work(c, &slice, weights);
    return task->work != NULL &&
           onednn_step_add(task, DNNL_ARG_SRC, PLACE_INPUT, 0,
                           onednn_cut_source_offset(&c->cut, &slice)) &&
           onednn_step_add(task, DNNL_ARG_DIFF_DST, PLACE_INPUT, 1,
                           onednn_cut_result_offset(&c->cut, &slice)) &&
           onednn_step_add(task, DNNL_ARG_DIFF_WEIGHTS, is_direct ? PLACE_OUTPUT : PLACE_SCRATCH, 0,
                           k * step->sum_stride);
}

/* The first part in the layout it likes best; *layout is that. */
static bool choose_layout(const onednn_contraction *c, onednn_step *step, onednn_desc *layout)
{
    onednn_desc any = {0};
    onednn_slice slice;

    if (onednn_cut_slice(&c->cut, 0, step->part_count, &slice) &&
        onednn_desc_any(&any, c->weights_rank, c->weights_dims))
        step->parts[0].task.work = slice_work(c, &slice, &any);
    onednn_desc_drop(&any);
    return step->parts[0].task.work != NULL &&
           onednn_work_argument(step->parts[0].task.work, DNNL_ARG_DIFF_WEIGHTS, layout);
}

static bool plan_layout(kernel_plan *plan, const onednn_contraction *c, onednn_step *step,
                        const onednn_desc *layout)
{
    const uint64_t bytes = onednn_desc_bytes(layout);
    bool good = true;

    if (step->part_count > 1 && bytes * step->part_count > TERM_BYTES_MAX) return false;
    if (step->part_count > 1 || !onednn_desc_equal(layout, &c->weights)) {
        step->sum_floats = bytes / sizeof(float);
        step->sum_stride = (bytes + 63) & ~(uint64_t)63;
        plan->scratch_bytes = step->sum_stride * step->part_count;
        step->deliver.work = onednn_reorder_work(layout, &c->weights);
        good = step->deliver.work != NULL &&
               onednn_step_add(&step->deliver, DNNL_ARG_FROM, PLACE_SCRATCH, 0, 0) &&
               onednn_step_add(&step->deliver, DNNL_ARG_TO, PLACE_OUTPUT, 0, 0);
    }
    for (uint32_t k = 0; good && k < step->part_count; k++) good = add_part(c, step, k, layout);
    return good;
}

static bool plan_parts(kernel_plan *plan, const onednn_contraction *c, uint32_t parts)
{
    onednn_step step = {0};
    onednn_desc layout = {0};
    bool good = onednn_step_parts(plan, &step, parts) && choose_layout(c, &step, &layout) &&
                plan_layout(plan, c, &step, &layout);

    onednn_desc_drop(&layout);
    if (good && onednn_step_finish(plan, &step)) return true;
    onednn_step_drop(&step);
    plan->scratch_bytes = 0;
    return false;
}

static bool is_supported(const kernel_plan *plan)
{
    if (!onednn_ready(plan->device) || tensor_desc_count(&plan->outputs[0]) == 0) return false;
    for (uint32_t i = 0; i < 2; i++)
        if (plan->inputs[i].dtype != EBB_F32 || tensor_desc_count(&plan->inputs[i]) == 0 ||
            plan->weights[i].form != WEIGHT_PLAIN)
            return false;
    return true;
}

static uint64_t flops_of(const onednn_contraction *c)
{
    uint64_t count = 2 * c->rows;

    for (uint32_t i = 0; i < c->weights_rank; i++) count *= (uint64_t)c->weights_dims[i];
    return count;
}

static bool gradient_plan(kernel_plan *plan)
{
    const conv_gradient_attributes *const a = plan->node->attributes;
    const onednn_image image = {&plan->inputs[0], &plan->outputs[0], &plan->inputs[1], &a->conv};
    onednn_contraction c = {0};
    bool good = false;

    if (!is_supported(plan)) return false;
    const int before = onednn_enter();
    if (onednn_conv_describe(&c, &image)) {
        const uint32_t parts = onednn_cut_parts(&c.cut, plan->threads, flops_of(&c));

        good = plan_parts(plan, &c, parts) || (parts > 1 && plan_parts(plan, &c, 1));
    }
    onednn_contraction_drop(&c);
    onednn_leave(before);
    return good;
}

const kernel_def kernel_onednn_conv_gradient_kernel = {
    "onednn.conv_gradient_kernel",
    OP_conv_gradient_kernel,
    gradient_plan,
    onednn_step_open,
    onednn_step_bind,
    onednn_step_run,
    onednn_step_unbind,
    onednn_step_close,
};
