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

static bool plan_step(kernel_plan *plan, onednn_step *step)
{
    const pool_attributes *a = plan->node->attributes;
    int64_t dims[ONEDNN_RANK_MAX], strides[ONEDNN_RANK_MAX];
    onednn_desc source = {0}, destination = {0};
    const onednn_operands o = {.source = &source, .destination = &destination};
    onednn_window w;

    make_window(a, plan, &w);
    uint32_t rank = onednn_image_dims(&plan->inputs[0], a->spatial, dims, strides);
    bool good = onednn_desc_make(&source, rank, dims, strides);
    rank = onednn_image_dims(&plan->outputs[0], a->spatial, dims, strides);
    good = good && onednn_desc_make(&destination, rank, dims, strides);
    if (good) step->main.work = onednn_pool_work(&o, &w, a->kind == POOL_MAX);
    good = good && step->main.work != NULL &&
           onednn_step_add(&step->main, DNNL_ARG_SRC, PLACE_INPUT, 0, &source) &&
           onednn_step_add(&step->main, DNNL_ARG_DST, PLACE_OUTPUT, 0, &destination);
    onednn_desc_drop(&source);
    onednn_desc_drop(&destination);
    return good;
}

static bool pool_plan(kernel_plan *plan)
{
    onednn_step step = {.threads = plan->threads};

    if (!onednn_ready(plan->device) || plan->inputs[0].dtype != EBB_F32 ||
        plan->weights[0].form != WEIGHT_PLAIN || tensor_desc_count(&plan->inputs[0]) == 0 ||
        tensor_desc_count(&plan->outputs[0]) == 0)
        return false;
    const int before = onednn_enter(plan->threads);
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
