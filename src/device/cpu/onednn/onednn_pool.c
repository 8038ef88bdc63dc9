/* onednn_pool.c -- max and average pooling through oneDNN, channels-last. */
#include "device/cpu/onednn/onednn_step.h"

static void make_window(const pool_attributes *a, const kernel_plan *plan, onednn_window *w)
{
    const uint32_t front = a->spatial == 1 ? 1 : 0;

    *w = (onednn_window){.spatial = front + a->spatial};
    w->kernel[0] = w->strides[0] = 1;
    for (uint32_t i = 0; i < a->spatial; i++) {
        const int64_t length = plan->inputs[0].dims[1 + i], result = plan->outputs[0].dims[1 + i];
        const int64_t total = (result - 1) * a->strides[i] + a->window[i] - length;

        w->kernel[front + i] = a->window[i];
        w->strides[front + i] = a->strides[i];
        if (!a->same || total <= 0) continue;
        w->pad_before[front + i] = total / 2;
        w->pad_after[front + i] = total - total / 2;
    }
}

static bool plan_part(const onednn_cut *cut, const onednn_slice *slice, onednn_window w,
                      bool is_max, onednn_task *task)
{
    onednn_desc source = {0}, destination = {0};
    const onednn_operands o = {.source = &source, .destination = &destination};

    onednn_cut_window(cut, slice, &w);
    if (onednn_cut_descs(cut, slice, &source, &destination))
        task->work = onednn_pool_work(&o, &w, is_max);
    onednn_desc_drop(&source);
    onednn_desc_drop(&destination);
    return task->work != NULL &&
           onednn_step_add(task, DNNL_ARG_SRC, PLACE_INPUT, 0,
                           onednn_cut_source_offset(cut, slice)) &&
           onednn_step_add(task, DNNL_ARG_DST, PLACE_OUTPUT, 0,
                           onednn_cut_result_offset(cut, slice));
}

static bool plan_step(kernel_plan *plan, onednn_step *step)
{
    const pool_attributes *a = plan->node->attributes;
    onednn_cut cut = {0};
    onednn_window w;
    bool good = true;

    make_window(a, plan, &w);
    cut.rank = onednn_image_dims(&plan->inputs[0], a->spatial, cut.source_dims, cut.source_strides);
    onednn_image_dims(&plan->outputs[0], a->spatial, cut.result_dims, cut.result_strides);
    onednn_cut_image(&cut, &w, w.kernel);
    uint64_t flops = tensor_desc_count(&plan->outputs[0]);
    for (uint32_t i = 0; i < w.spatial; i++) flops *= (uint64_t)w.kernel[i];
    const uint32_t parts = onednn_cut_parts(&cut, plan->threads, flops);
    if (!onednn_step_parts(plan, step, parts)) return false;
    for (uint32_t k = 0; good && k < parts; k++) {
        onednn_slice slice;

        good = onednn_cut_slice(&cut, k, parts, &slice) &&
               plan_part(&cut, &slice, w, a->kind == POOL_MAX, &step->parts[k].task);
    }
    return good;
}

static bool pool_plan(kernel_plan *plan)
{
    onednn_step step = {0};

    if (!onednn_ready(plan->device) || plan->inputs[0].dtype != EBB_F32 ||
        plan->weights[0].form != WEIGHT_PLAIN || tensor_desc_count(&plan->inputs[0]) == 0 ||
        tensor_desc_count(&plan->outputs[0]) == 0)
        return false;
    const int before = onednn_enter();
    bool good = plan_step(plan, &step);
    if (good)
        good = onednn_step_finish(plan, &step);
    else
        onednn_step_drop(&step);
    onednn_leave(before);
    return good;
}

const kernel_def kernel_onednn_pool = {
    "onednn.pool",    OP_pool,         pool_plan,          onednn_step_open,
    onednn_step_bind, onednn_step_run, onednn_step_unbind, onednn_step_close,
};
