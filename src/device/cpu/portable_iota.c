/* portable_iota.c -- 0, 1, 2 ... */
#include "device/cpu/portable.h"

static bool iota_plan(kernel_plan *plan)
{
    return plan->outputs[0].dtype == EBB_I32;
}

static void iota_run(const kernel_call *call)
{
    int32_t *const y = call->outputs[0];
    const int64_t count = call->output_descs[0].dims[0];

    for (int64_t i = 0; i < count; i++) y[i] = (int32_t)i;
}

const kernel_def kernel_portable_iota = {
    .name = "portable.iota", .op = OP_iota, .plan = iota_plan, .run = iota_run};
