/* portable_cumulative.c -- running sums and products along one axis, F32 and I32, in either
 * direction. */
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

typedef struct cumulative_state {
    cumulative_attributes attributes;
    size_t outer, length, inner;
    bool is_float;
} cumulative_state;

typedef struct cumulative_work {
    const cumulative_state *s;
    const void *x;
    void *y;
} cumulative_work;

/* x is read before y is written at the same place: in place is fine. */
#define CUMULATIVE_LINE(name, type, sum_type)                                                      \
    static void name(const cumulative_attributes *a, const type *x, type *y, size_t length,        \
                     ptrdiff_t step)                                                               \
    {                                                                                              \
        sum_type so_far = a->is_product ? 1 : 0;                                                   \
                                                                                                   \
        for (size_t i = 0; i < length; i++) {                                                      \
            const ptrdiff_t at = (ptrdiff_t)(a->reverse ? length - 1 - i : i) * step;              \
            const sum_type one = (sum_type)x[at];                                                  \
            const sum_type next = a->is_product ? so_far * one : so_far + one;                     \
                                                                                                   \
            y[at] = (type)(a->exclusive ? so_far : next);                                          \
            so_far = next;                                                                         \
        }                                                                                          \
    }
CUMULATIVE_LINE(cumulative_f32, float, double)
CUMULATIVE_LINE(cumulative_i32, int32_t, uint32_t)

static void cumulative_range(void *context, size_t begin, size_t end)
{
    const cumulative_work *const k = context;
    const cumulative_state *const s = k->s;

    for (size_t i = begin; i < end; i++) {
        const size_t at = i / s->inner * s->length * s->inner + i % s->inner;

        if (s->is_float) {
            cumulative_f32(&s->attributes, (const float *)k->x + at, (float *)k->y + at, s->length,
                           (ptrdiff_t)s->inner);
        } else {
            cumulative_i32(&s->attributes, (const int32_t *)k->x + at, (int32_t *)k->y + at,
                           s->length, (ptrdiff_t)s->inner);
        }
    }
}

static bool cumulative_plan(kernel_plan *plan)
{
    const cumulative_attributes *const a = plan->node->attributes;
    const tensor_desc *const x = &plan->inputs[0];

    if ((x->dtype != EBB_F32 && x->dtype != EBB_I32) || !plan_weights_are_plain(plan)) return false;
    cumulative_state *const s = region_new(plan->home, cumulative_state, 1);
    if (s == NULL) return false;
    s->attributes = *a;
    s->outer = desc_product(x, 0, a->axis);
    s->length = (size_t)x->dims[a->axis];
    s->inner = desc_product(x, a->axis + 1, x->rank);
    s->is_float = x->dtype == EBB_F32;
    plan->state = s;
    plan->in_place = true;
    return true;
}

static void cumulative_run(const kernel_call *call)
{
    const cumulative_state *const s = call->state;
    cumulative_work k = {s, call->inputs[0], call->outputs[0]};

    parallel_for(call->threads, s->outer * s->inner, GRAIN_ELEMENTS / (s->length + 1) + 1,
                 cumulative_range, &k);
}

const kernel_def kernel_portable_cumulative = {.name = "portable.cumulative",
                                               .op = OP_cumulative,
                                               .plan = cumulative_plan,
                                               .run = cumulative_run};
