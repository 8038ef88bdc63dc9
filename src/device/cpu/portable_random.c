/* portable_random.c -- random tensors from Philox 4x32-10, a counter-based generator.
 *
 * Element i of the n-th run of a lane depends on the seed, n and i only: threads and splits change
 * nothing, and every run of a lane gives new numbers. The lane's state is its number of runs.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
 */
#include <math.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

#define PHILOX_ROUNDS 10
/* A truncated normal is drawn again with probability 0.046; so many misses in a row do not happen.
 */
#define DRAWS_MAX 64

typedef struct random_state {
    random_kind kind;
    float low, high;
    uint64_t seed;
    size_t count;
} random_state;

typedef struct random_work {
    const random_state *s;
    uint32_t run;
    float *y;
} random_work;

static void philox(uint32_t counter[4], uint64_t seed)
{
    uint32_t key_low = (uint32_t)seed, key_high = (uint32_t)(seed >> 32);

    for (int i = 0; i < PHILOX_ROUNDS; i++) {
        const uint64_t a = (uint64_t)0xD2511F53u * counter[0],
                       b = (uint64_t)0xCD9E8D57u * counter[2];
        const uint32_t next[4] = {(uint32_t)(b >> 32) ^ counter[1] ^ key_low, (uint32_t)b,
                                  (uint32_t)(a >> 32) ^ counter[3] ^ key_high, (uint32_t)a};

        for (int j = 0; j < 4; j++) counter[j] = next[j];
        key_low += 0x9E3779B9u;
        key_high += 0xBB67AE85u;
    }
}

/* [0, 1) and (0, 1) with 24 and 23 bits. */
static float unit(uint32_t bits)
{
    return (float)(bits >> 8) * 0x1p-24f;
}
static float unit_open(uint32_t bits)
{
    return ((float)(bits >> 9) + 0.5f) * 0x1p-23f;
}

/* Four numbers of the distribution with mean 0 and deviation 1, or in [0, 1). */
static void four_make(const random_work *k, uint64_t block, uint32_t draw, float four[4])
{
    uint32_t bits[4] = {(uint32_t)block, (uint32_t)(block >> 32), k->run, draw};

    philox(bits, k->s->seed);
    for (int j = 0; j < 4; j += 2) {
        if (k->s->kind == RANDOM_UNIFORM) {
            four[j] = unit(bits[j]);
            four[j + 1] = unit(bits[j + 1]);
            continue;
        }
        const float radius = sqrtf(-2.0f * logf(unit_open(bits[j])));
        const float angle = 6.2831853f * unit(bits[j + 1]);

        four[j] = radius * cosf(angle);
        four[j + 1] = radius * sinf(angle);
    }
}

/* Replaces numbers beyond two deviations. */
static void four_truncate(const random_work *k, uint64_t block, float four[4])
{
    for (uint32_t draw = 1; draw <= DRAWS_MAX; draw++) {
        float more[4];
        bool is_done = true;

        for (int j = 0; j < 4; j++) is_done &= fabsf(four[j]) <= 2.0f;
        if (is_done) return;
        four_make(k, block, draw, more);
        for (int j = 0; j < 4; j++) four[j] = fabsf(four[j]) <= 2.0f ? four[j] : more[j];
    }
    for (int j = 0; j < 4; j++) four[j] = fabsf(four[j]) <= 2.0f ? four[j] : 0.0f;
}

static void random_range(void *context, size_t begin, size_t end)
{
    const random_work *const k = context;
    const random_state *const s = k->s;
    const bool uniform = s->kind == RANDOM_UNIFORM;
    const float first = s->low, factor = uniform ? s->high - s->low : s->high;

    for (size_t block = begin; block < end; block++) {
        float four[4];
        const size_t from = block * 4, count = size_min(4, s->count - from);

        four_make(k, block, 0, four);
        if (s->kind == RANDOM_TRUNCATED_NORMAL) four_truncate(k, block, four);
        for (size_t j = 0; j < count; j++) {
            const float y = first + factor * four[j];

            k->y[from + j] = uniform && y >= s->high && s->high > s->low ? s->low : y;
        }
    }
}

static bool random_plan(kernel_plan *plan)
{
    const random_attributes *const a = plan->node->attributes;

    if (plan->outputs[0].dtype != EBB_F32) return false;
    random_state *const s = region_new(plan->home, random_state, 1);
    if (s == NULL) return false;
    *s = (random_state){a->kind, a->low, a->high, a->seed,
                        (size_t)tensor_desc_count(&plan->outputs[0])};
    plan->state = s;
    plan->lane_bytes = sizeof(uint32_t);
    return true;
}

static void random_run(const kernel_call *call)
{
    const random_state *const s = call->state;
    uint32_t *const runs = call->lane;
    random_work k = {s, (*runs)++, call->outputs[0]};

    parallel_for(call->threads, (s->count + 3) / 4, GRAIN_ELEMENTS / 16, random_range, &k);
}

const kernel_def kernel_portable_random = {
    .name = "portable.random", .op = OP_random, .plan = random_plan, .run = random_run};
