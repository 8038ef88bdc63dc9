/* portable_concat.c -- concatenation along one axis, of elements of any size. */
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

typedef struct concat_state {
    uint32_t axis, input_count;
    size_t bytes; /* per element */
} concat_state;

/* One input: `rows` runs of `run` bytes, `step` bytes apart in y. */
typedef struct concat_work {
    const char *x;
    char *y;
    size_t run, step;
} concat_work;

static void concat_range(void *context, size_t begin, size_t end)
{
    const concat_work *const k = context;

    for (size_t i = begin; i < end; i++) memcpy(k->y + i * k->step, k->x + i * k->run, k->run);
}

static bool concat_plan(kernel_plan *plan)
{
    const concat_attributes *const a = plan->node->attributes;

    if (!plan_weights_are_plain(plan)) return false;
    concat_state *const s = region_new(plan->home, concat_state, 1);
    if (s == NULL) return false;
    *s = (concat_state){a->axis, plan->node->input_count, ebb_dtype_bytes(plan->outputs[0].dtype)};
    plan->state = s;
    return true;
}

static void concat_run(const kernel_call *call)
{
    const concat_state *const s = call->state;
    const tensor_desc *const y = &call->output_descs[0];
    const size_t rows = desc_product(y, 0, s->axis);
    const size_t step = desc_product(y, s->axis, y->rank) * s->bytes;
    char *to = call->outputs[0];

    for (uint32_t i = 0; i < s->input_count; i++) {
        const tensor_desc *const x = &call->input_descs[i];
        concat_work k = {call->inputs[i], to, desc_product(x, s->axis, x->rank) * s->bytes, step};

        if (k.run == 0) continue;
        parallel_for(call->threads, rows, GRAIN_ELEMENTS * 4 / k.run + 1, concat_range, &k);
        to += k.run;
    }
}

const kernel_def kernel_portable_concat = {
    .name = "portable.concat", .op = OP_concat, .plan = concat_plan, .run = concat_run};
