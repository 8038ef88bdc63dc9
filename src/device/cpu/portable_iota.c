/* portable_iota.c -- numbers that count up by one. */
#include "device/cpu/portable.h"

static bool iota_plan(kernel_plan *plan)
{
    int64_t start;

    if (plan->outputs[0].dtype != EBB_I32 ||
        !plan_dim(plan, ((const iota_attributes *)plan->node->attributes)->start, &start))
        return false;
    int32_t *const first = region_new(plan->home, int32_t, 1);
    if (first == NULL) return false;
    *first = (int32_t)start;
    plan->state = first;
    return true;
}

static void iota_run(const kernel_call *call)
{
    const int32_t first = *(const int32_t *)call->state;
    int32_t *const y = call->outputs[0];
    const int64_t count = call->output_descs[0].dims[0];

    for (int64_t i = 0; i < count; i++) y[i] = first + (int32_t)i;
}

const kernel_def kernel_portable_iota = {
    .name = "portable.iota", .op = OP_iota, .plan = iota_plan, .run = iota_run};
