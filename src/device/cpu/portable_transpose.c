/* portable_transpose.c -- rows that only copy elements along strides: transpose, broadcast and
 * slice. */
#include "device/cpu/portable.h"

typedef struct copy_state {
    size_t bytes; /* per element */
    walk w;
} copy_state;

/* `strides` of x for each axis of the output; `start` in elements. */
static bool copy_state_make(kernel_plan *plan, int64_t strides[WALK_OPERANDS][EBB_RANK_MAX],
                            int64_t start)
{
    const tensor_desc *const y = &plan->outputs[0];

    if (!plan_weights_are_plain(plan)) return false;
    copy_state *const s = region_new(plan->home, copy_state, 1);
    if (s == NULL) return false;
    s->bytes = ebb_dtype_bytes(y->dtype);
    walk_make(&s->w, y->rank, y->dims, 1, strides);
    s->w.start[0] = (ptrdiff_t)start;
    plan->state = s;
    return true;
}

static void copy_run(const kernel_call *call)
{
    const copy_state *const s = call->state;

    copy_walk(&s->w, s->bytes, call->inputs[0], call->outputs[0], call->threads);
}

static bool transpose_plan(kernel_plan *plan)
{
    const transpose_attributes *const a = plan->node->attributes;
    int64_t own[EBB_RANK_MAX];
    int64_t strides[WALK_OPERANDS][EBB_RANK_MAX] = {{0}};

    desc_strides(&plan->inputs[0], own);
    for (uint32_t i = 0; i < plan->outputs[0].rank; i++) strides[0][i] = own[a->order[i]];
    return copy_state_make(plan, strides, 0);
}

static bool broadcast_plan(kernel_plan *plan)
{
    if (!copy_state_make(plan, (int64_t[WALK_OPERANDS][EBB_RANK_MAX]){{0}}, 0)) return false;
    walk_broadcast(&((copy_state *)plan->state)->w, &plan->outputs[0], plan->inputs, 1);
    return true;
}

static bool slice_plan(kernel_plan *plan)
{
    const slice_attributes *const a = plan->node->attributes;
    int64_t own[EBB_RANK_MAX], from = 0, start;
    int64_t strides[WALK_OPERANDS][EBB_RANK_MAX] = {{0}};

    desc_strides(&plan->inputs[0], own);
    for (uint32_t i = 0; i < plan->outputs[0].rank; i++) {
        if (!plan_dim(plan, a->start[i], &start)) return false;
        from += start * own[i];
        strides[0][i] = own[i] * a->step[i];
    }
    return copy_state_make(plan, strides, from);
}

const kernel_def kernel_portable_transpose = {
    .name = "portable.transpose", .op = OP_transpose, .plan = transpose_plan, .run = copy_run};
const kernel_def kernel_portable_broadcast = {
    .name = "portable.broadcast", .op = OP_broadcast, .plan = broadcast_plan, .run = copy_run};
const kernel_def kernel_portable_slice = {
    .name = "portable.slice", .op = OP_slice, .plan = slice_plan, .run = copy_run};
