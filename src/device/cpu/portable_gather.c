/* portable_gather.c -- gather and one_hot: whatever an index may be, nothing outside x is read.
 *
 *     x        [batch, outer, length, inner]     batch: leading axes shared with the indices
 *     indices  [batch, picks]
 *     y        [batch, outer, picks, inner]
 */
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

typedef struct gather_state {
    size_t outer, length, picks;
    size_t rows;  /* of y: batch * outer * picks */
    size_t bytes; /* of inner */
    bool wrap;
    plain_weight x; /* a table may be shared with a contraction that packed it */
} gather_state;

typedef struct gather_work {
    const gather_state *s;
    const char *x;
    const int32_t *indices;
    char *y;
} gather_work;

static size_t index_inside(const gather_state *s, int32_t index)
{
    const int64_t length = (int64_t)s->length;
    const int64_t at = s->wrap && index < 0 ? index + length : index;

    return at < 0 ? 0 : at >= length ? s->length - 1 : (size_t)at;
}

static void gather_range(void *context, size_t begin, size_t end)
{
    const gather_work *const k = context;
    const gather_state *const s = k->s;

    for (size_t row = begin; row < end; row++) {
        const size_t pick = row % s->picks, outside = row / s->picks;
        const int32_t index = k->indices[outside / s->outer * s->picks + pick];

        memcpy(k->y + row * s->bytes,
               k->x + (outside * s->length + index_inside(s, index)) * s->bytes, s->bytes);
    }
}

static bool gather_plan(kernel_plan *plan)
{
    const gather_attributes *const a = plan->node->attributes;
    const tensor_desc *const x = &plan->inputs[0], *const indices = &plan->inputs[1];

    if (indices->dtype != EBB_I32) return false;
    gather_state *const s = region_new(plan->home, gather_state, 1);
    if (s == NULL) return false;
    s->outer = desc_product(x, a->batch_dims, a->axis);
    s->length = (size_t)x->dims[a->axis];
    s->picks = desc_product(indices, a->batch_dims, indices->rank);
    s->rows = desc_product(x, 0, a->axis) * s->picks;
    s->bytes = desc_product(x, a->axis + 1, x->rank) * ebb_dtype_bytes(x->dtype);
    s->wrap = a->wrap;
    s->x = plain_weight_plan(plan, 0);
    plan->state = s;
    return true;
}

static void gather_run(const kernel_call *call)
{
    const gather_state *const s = call->state;
    gather_work k = {s, plain_weight_find(&s->x, call, 0), call->inputs[1], call->outputs[0]};

    if (s->rows == 0 || s->bytes == 0) return;
    if (s->length == 0) {
        memset(k.y, 0, s->rows * s->bytes);
        return;
    }
    parallel_for(call->threads, s->rows, GRAIN_ELEMENTS * 4 / s->bytes + 1, gather_range, &k);
}

const kernel_def kernel_portable_gather = {
    .name = "portable.gather", .op = OP_gather, .plan = gather_plan, .run = gather_run};

/* -- one_hot ---------------------------------------------------------------------------------- */

static bool one_hot_plan(kernel_plan *plan)
{
    return plan->inputs[0].dtype == EBB_I32 && plan->outputs[0].dtype == EBB_F32 &&
           plan_weights_are_plain(plan);
}

static void one_hot_run(const kernel_call *call)
{
    const tensor_desc *const y = &call->output_descs[0];
    const int32_t *const indices = call->inputs[0];
    float *const to = call->outputs[0];
    const int64_t depth = y->dims[y->rank - 1];
    const size_t count = desc_product(y, 0, y->rank - 1);

    if (count == 0 || depth == 0) return;
    memset(to, 0, (size_t)tensor_desc_bytes(y));
    for (size_t i = 0; i < count; i++) {
        if (indices[i] >= 0 && indices[i] < depth) to[i * (size_t)depth + (size_t)indices[i]] = 1;
    }
}

const kernel_def kernel_portable_one_hot = {
    .name = "portable.one_hot", .op = OP_one_hot, .plan = one_hot_plan, .run = one_hot_run};
