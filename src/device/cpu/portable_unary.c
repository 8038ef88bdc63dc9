/* portable_unary.c -- unary functions and casts, element by element. */
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "tensor/dtype.h"

/* -- unary ------------------------------------------------------------------------------------ */

typedef struct unary_work {
    const unary_attributes *attributes;
    const void *x;
    void *y;
} unary_work;

static void unary_range_f32(void *context, size_t begin, size_t end)
{
    const unary_work *const w = context;

    unary_apply(w->attributes, (const float *)w->x + begin, (float *)w->y + begin, end - begin);
}

static void unary_range_i32(void *context, size_t begin, size_t end)
{
    const unary_work *const w = context;

    unary_apply_i32(w->attributes->kind, (const int32_t *)w->x + begin, (int32_t *)w->y + begin,
                    end - begin);
}

static void unary_range_test(void *context, size_t begin, size_t end)
{
    const unary_work *const w = context;

    unary_apply_test(w->attributes->kind, (const float *)w->x + begin, (uint8_t *)w->y + begin,
                     end - begin);
}

static void unary_range_bool(void *context, size_t begin, size_t end)
{
    const unary_work *const w = context;
    const uint8_t *const x = w->x;
    uint8_t *const y = w->y;
    const uint8_t flip = w->attributes->kind == UNARY_LOGICAL_NOT;

    for (size_t i = begin; i < end; i++) y[i] = (x[i] != 0) ^ flip;
}

typedef struct unary_state {
    unary_attributes attributes;
    void (*range)(void *context, size_t begin, size_t end);
    size_t count;
} unary_state;

static bool unary_plan(kernel_plan *plan)
{
    const unary_attributes *const a = plan->node->attributes;
    const ebb_dtype from = plan->inputs[0].dtype, to = plan->outputs[0].dtype;
    void (*range)(void *context, size_t begin, size_t end) = NULL;

    if (from == EBB_F32 && to == EBB_F32 && a->kind < UNARY_LOGICAL_NOT) {
        range = unary_range_f32;
    } else if (from == EBB_F32 && to == EBB_BOOL && unary_apply_test(a->kind, NULL, NULL, 0)) {
        range = unary_range_test;
    } else if (from == EBB_I32 && to == EBB_I32 && unary_apply_i32(a->kind, NULL, NULL, 0)) {
        range = unary_range_i32;
    } else if (from == EBB_BOOL && to == EBB_BOOL &&
               (a->kind == UNARY_LOGICAL_NOT || a->kind == UNARY_IDENTITY)) {
        range = unary_range_bool;
    }
    if (range == NULL || !plan_weights_are_plain(plan)) return false;
    unary_state *const s = region_new(plan->home, unary_state, 1);
    if (s == NULL) return false;
    *s = (unary_state){*a, range, (size_t)tensor_desc_count(&plan->outputs[0])};
    plan->state = s;
    plan->in_place = from == to;
    return true;
}

static void unary_run(const kernel_call *call)
{
    const unary_state *const s = call->state;
    unary_work w = {&s->attributes, call->inputs[0], call->outputs[0]};

    parallel_for(call->threads, s->count, GRAIN_ELEMENTS, s->range, &w);
}

const kernel_def kernel_portable_unary = {
    .name = "portable.unary", .op = OP_unary, .plan = unary_plan, .run = unary_run};

/* -- cast ------------------------------------------------------------------------------------- */

typedef struct cast_work {
    ebb_dtype from, to;
    const char *x;
    char *y;
} cast_work;

static void cast_range(void *context, size_t begin, size_t end)
{
    const cast_work *const w = context;

    dtype_convert(w->to, w->y + begin * ebb_dtype_bytes(w->to), w->from,
                  w->x + begin * ebb_dtype_bytes(w->from), end - begin);
}

static bool cast_plan(kernel_plan *plan)
{
    if (!plan_weights_are_plain(plan)) return false;
    plan->in_place =
        ebb_dtype_bytes(plan->inputs[0].dtype) == ebb_dtype_bytes(plan->outputs[0].dtype);
    return true;
}

static void cast_run(const kernel_call *call)
{
    const tensor_desc *const to = &call->output_descs[0];
    cast_work w = {call->input_descs[0].dtype, to->dtype, call->inputs[0], call->outputs[0]};

    if (w.x == w.y && w.from == w.to) return;
    parallel_for(call->threads, (size_t)tensor_desc_count(to), GRAIN_ELEMENTS, cast_range, &w);
}

const kernel_def kernel_portable_cast = {
    .name = "portable.cast", .op = OP_cast, .plan = cast_plan, .run = cast_run};
