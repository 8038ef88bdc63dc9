/* portable_reshape.c -- reshape: the same bytes, free where they may stay where they are. */
#include <string.h>

#include "device/cpu/portable.h"

static bool reshape_plan(kernel_plan *plan)
{
    if (!plan_weights_are_plain(plan)) return false;
    plan->in_place = true;
    return true;
}

static void reshape_run(const kernel_call *call)
{
    const size_t bytes = (size_t)tensor_desc_bytes(&call->output_descs[0]);

    if (call->outputs[0] == call->inputs[0] || bytes == 0) return;
    memcpy(call->outputs[0], call->inputs[0], bytes);
}

const kernel_def kernel_portable_reshape = {
    .name = "portable.reshape", .op = OP_reshape, .plan = reshape_plan, .run = reshape_run};
