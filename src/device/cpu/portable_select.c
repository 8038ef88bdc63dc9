/* portable_select.c -- condition ? a : b over elements of any size, with numpy broadcasting. */
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

typedef void (*select_line)(const uint8_t *condition, const void *a, const void *b, void *y,
                            const ptrdiff_t steps[3], size_t count);

#define SELECT_LOOP(name, type)                                                                    \
    static void name(const uint8_t *condition, const void *a, const void *b, void *y,              \
                     const ptrdiff_t steps[3], size_t count)                                       \
    {                                                                                              \
        const type *const as = a, *const bs = b;                                                   \
        type *const ys = y;                                                                        \
                                                                                                   \
        if (steps[0] == 1 && steps[1] == 1 && steps[2] == 1) {                                     \
            for (size_t i = 0; i < count; i++) ys[i] = condition[i] ? as[i] : bs[i];               \
            return;                                                                                \
        }                                                                                          \
        for (size_t i = 0; i < count; i++) {                                                       \
            const ptrdiff_t at = (ptrdiff_t)i;                                                     \
                                                                                                   \
            ys[i] = condition[at * steps[0]] ? as[at * steps[1]] : bs[at * steps[2]];              \
        }                                                                                          \
    }
SELECT_LOOP(select_1, uint8_t)
SELECT_LOOP(select_2, uint16_t)
SELECT_LOOP(select_4, uint32_t)
SELECT_LOOP(select_8, uint64_t)

static const select_line lines[] = {[1] = select_1, [2] = select_2, [4] = select_4, [8] = select_8};

typedef struct select_state {
    size_t bytes; /* per element */
    walk w;
} select_state;

typedef struct select_work {
    const select_state *s;
    const uint8_t *condition;
    const char *a, *b;
    char *y;
} select_work;

static void select_range(void *context, size_t begin, size_t end)
{
    const select_work *const k = context;
    const select_state *const s = k->s;
    const uint32_t last = s->w.rank - 1;
    const ptrdiff_t bytes = (ptrdiff_t)s->bytes;
    const ptrdiff_t steps[3] = {s->w.strides[0][last], s->w.strides[1][last],
                                s->w.strides[2][last]};
    walk_cursor at;

    walk_seek(&s->w, begin, &at);
    for (size_t i = begin; i < end;) {
        const size_t run = size_min(at.run, end - i);

        lines[s->bytes](k->condition + at.offset[0], k->a + at.offset[1] * bytes,
                        k->b + at.offset[2] * bytes, k->y + i * s->bytes, steps, run);
        walk_move(&s->w, &at, run);
        i += run;
    }
}

static bool select_plan(kernel_plan *plan)
{
    if (plan->inputs[0].dtype != EBB_BOOL || plan->inputs[1].dtype != plan->inputs[2].dtype ||
        !plan_weights_are_plain(plan)) {
        return false;
    }
    select_state *const s = region_new(plan->home, select_state, 1);
    if (s == NULL) return false;
    s->bytes = ebb_dtype_bytes(plan->inputs[1].dtype);
    walk_broadcast(&s->w, &plan->outputs[0], plan->inputs, 3);
    plan->state = s;
    return true;
}

static void select_run(const kernel_call *call)
{
    const select_state *const s = call->state;
    select_work w = {s, call->inputs[0], call->inputs[1], call->inputs[2], call->outputs[0]};

    parallel_for(call->threads, s->w.count, GRAIN_ELEMENTS, select_range, &w);
}

const kernel_def kernel_portable_select = {
    .name = "portable.select", .op = OP_select, .plan = select_plan, .run = select_run};
