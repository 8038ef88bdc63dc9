/* portable_random.c -- random tensors from a counter-based generator (base/philox.h).
 *
 * Element i depends on the seed, the stream and i only: threads and splits change nothing. The
 * stream is the node's input; without one it is the number of the run.
 */
#include "base/philox.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

typedef struct random_state {
    random_kind kind;
    float low, high;
    uint64_t seed;
    size_t count;
    bool has_stream;
} random_state;

typedef struct random_work {
    const random_state *s;
    uint32_t stream;
    float *y;
} random_work;

static const philox_kind philox_kind_of[] = {
    [RANDOM_UNIFORM] = PHILOX_UNIFORM,
    [RANDOM_NORMAL] = PHILOX_NORMAL,
    [RANDOM_TRUNCATED_NORMAL] = PHILOX_TRUNCATED_NORMAL,
};

static void random_range(void *context, size_t begin, size_t end)
{
    const random_work *const k = context;
    const random_state *const s = k->s;
    const bool uniform = s->kind == RANDOM_UNIFORM;
    const float first = s->low, factor = uniform ? s->high - s->low : s->high;

    for (size_t block = begin; block < end; block++) {
        float four[4];
        const size_t from = block * 4, count = size_min(4, s->count - from);

        philox_block(philox_kind_of[s->kind], s->seed, k->stream, block, four);
        for (size_t j = 0; j < count; j++) {
            const float y = first + factor * four[j];

            k->y[from + j] = uniform && y >= s->high && s->high > s->low ? s->low : y;
        }
    }
}

static bool random_plan(kernel_plan *plan)
{
    const node *const n = plan->node;
    const random_attributes *const a = n->attributes;
    const bool has_stream = n->input_count > 0 && n->inputs[0] != VALUE_NONE;

    if (plan->outputs[0].dtype != EBB_F32) return false;
    random_state *const s = region_new(plan->home, random_state, 1);
    if (s == NULL) return false;
    *s = (random_state){
        a->kind,   a->low, a->high, a->seed, (size_t)tensor_desc_count(&plan->outputs[0]),
        has_stream};
    plan->state = s;
    return true;
}

static void random_run(const kernel_call *call)
{
    const random_state *const s = call->state;
    random_work k = {.s = s, .y = call->outputs[0]};

    k.stream = s->has_stream ? *(const uint32_t *)call->inputs[0] : call->run;
    parallel_for(call->threads, (s->count + 3) / 4, GRAIN_ELEMENTS / 16, random_range, &k);
}

const kernel_def kernel_portable_random = {
    .name = "portable.random", .op = OP_random, .plan = random_plan, .run = random_run};
