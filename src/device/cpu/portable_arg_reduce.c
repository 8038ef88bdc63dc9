/* portable_arg_reduce.c -- the index of the largest or smallest item along one axis, the first of
 * equals. A nan is never the largest or smallest; where all are nan the answer is 0. -0 is smaller
 * than 0. Source: Keras 3, backend/tensorflow/numpy.py, argmax and argmin. */
#include <math.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

#define WIDTH ((size_t)64)

typedef struct arg_work {
    const kernel_call *call;
    size_t length, inner;
    bool is_max, is_float;
} arg_work;

/* Between every negative float and 0. */
#define NEGATIVE_ZERO (-1e-300)

/* Items of either type fit a double. */
static inline double item_at(const arg_work *k, size_t index)
{
    if (!k->is_float) return ((const int32_t *)k->call->inputs[0])[index];
    const float x = ((const float *)k->call->inputs[0])[index];
    return x == 0 && signbit(x) ? NEGATIVE_ZERO : (double)x;
}

static void arg_block(const arg_work *k, size_t base, int32_t *y, size_t width)
{
    double best[WIDTH];

    for (size_t j = 0; j < width; j++) {
        best[j] = k->is_max ? -INFINITY : INFINITY;
        y[j] = 0;
    }
    for (size_t i = 0; i < k->length; i++) {
        for (size_t j = 0; j < width; j++) {
            const double x = item_at(k, base + i * k->inner + j);

            if (k->is_max ? x > best[j] : x < best[j]) {
                best[j] = x;
                y[j] = (int32_t)i;
            }
        }
    }
}

static void arg_range(void *context, size_t begin, size_t end)
{
    const arg_work *const k = context;
    int32_t *const y = k->call->outputs[0];

    for (size_t i = begin; i < end;) {
        const size_t outer = i / k->inner, within = i % k->inner;
        const size_t width = size_min(size_min(WIDTH, k->inner - within), end - i);

        arg_block(k, outer * k->length * k->inner + within, y + i, width);
        i += width;
    }
}

typedef struct arg_state {
    uint32_t axis;
    bool is_max;
} arg_state;

static bool arg_plan(kernel_plan *plan)
{
    const arg_reduce_attributes *const a = plan->node->attributes;

    if (plan->inputs[0].dtype != EBB_F32 && plan->inputs[0].dtype != EBB_I32) return false;
    if (!plan_weights_are_plain(plan)) return false;
    arg_state *const s = region_new(plan->home, arg_state, 1);
    if (s == NULL) return false;
    *s = (arg_state){a->axis, a->is_max};
    plan->state = s;
    return true;
}

static void arg_run(const kernel_call *call)
{
    const arg_state *const s = call->state;
    const tensor_desc *const x = &call->input_descs[0];
    arg_work k = {call, (size_t)x->dims[s->axis], desc_product(x, s->axis + 1, x->rank), s->is_max,
                  x->dtype == EBB_F32};

    parallel_for(call->threads, (size_t)tensor_desc_count(&call->output_descs[0]),
                 (GRAIN_ELEMENTS / (k.length + 1) / WIDTH + 1) * WIDTH, arg_range, &k);
}

const kernel_def kernel_portable_arg_reduce = {
    .name = "portable.arg_reduce", .op = OP_arg_reduce, .plan = arg_plan, .run = arg_run};
