/* portable_unary_gradient.c -- unary_gradient, and stop, which copies. */
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/unary_gradient_math.h"

typedef struct gradient_work {
    const unary_attributes *attributes;
    const float *v, *dy;
    float *dx;
} gradient_work;

static void gradient_range(void *context, size_t begin, size_t end)
{
    const gradient_work *const w = context;

    unary_gradient_apply(w->attributes, w->v + begin, w->dy + begin, w->dx + begin, end - begin);
}

static bool gradient_plan(kernel_plan *plan)
{
    const unary_attributes *const a = plan->node->attributes;

    if (a->kind >= UNARY_LOGICAL_NOT || !plan_weights_are_plain(plan)) return false;
    plan->state = region_new(plan->home, unary_attributes, 1);
    if (plan->state == NULL) return false;
    *(unary_attributes *)plan->state = *a;
    plan->in_place = true;
    plan->in_place_with = 1;
    return true;
}

static void gradient_run(const kernel_call *call)
{
    gradient_work w = {call->state, call->inputs[0], call->inputs[1], call->outputs[0]};

    parallel_for(call->threads, (size_t)tensor_desc_count(&call->output_descs[0]), GRAIN_ELEMENTS,
                 gradient_range, &w);
}

const kernel_def kernel_portable_unary_gradient = {.name = "portable.unary_gradient",
                                                   .op = OP_unary_gradient,
                                                   .plan = gradient_plan,
                                                   .run = gradient_run};

/* -- stop ------------------------------------------------------------------------------------- */

static bool stop_plan(kernel_plan *plan)
{
    plan->in_place = true;
    return plan_weights_are_plain(plan);
}

static void stop_run(const kernel_call *call)
{
    const size_t bytes = (size_t)tensor_desc_bytes(&call->output_descs[0]);

    if (call->inputs[0] != call->outputs[0] && bytes > 0)
        memcpy(call->outputs[0], call->inputs[0], bytes);
}

const kernel_def kernel_portable_stop = {
    .name = "portable.stop", .op = OP_stop, .plan = stop_plan, .run = stop_run};
