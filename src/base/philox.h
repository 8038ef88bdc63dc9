/* philox.h -- random bits from Philox 4x32-10, a counter-based generator: the bits are a function
 * of a counter and a seed, so any of them can be had at once, in any order, by any thread.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011). */
#ifndef EBB_BASE_PHILOX_H
#define EBB_BASE_PHILOX_H

#include <math.h>
#include <stdint.h>

#define PHILOX_ROUNDS 10

/* Replaces the counter by four random words. */
static inline void philox(uint32_t counter[4], uint64_t seed)
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
static inline float philox_unit(uint32_t bits)
{
    return (float)(bits >> 8) * 0x1p-24f;
}
static inline float philox_unit_open(uint32_t bits)
{
    return ((float)(bits >> 9) + 0.5f) * 0x1p-23f;
}

/* Four numbers in [0, 1). */
static inline void philox_uniform(const uint32_t bits[4], float four[4])
{
    for (int j = 0; j < 4; j++) four[j] = philox_unit(bits[j]);
}

/* Four numbers of the normal distribution with mean 0 and deviation 1 (Box and Muller). */
static inline void philox_normal(const uint32_t bits[4], float four[4])
{
    for (int j = 0; j < 4; j += 2) {
        const float radius = sqrtf(-2.0f * logf(philox_unit_open(bits[j])));
        const float angle = 6.2831853f * philox_unit(bits[j + 1]);

        four[j] = radius * cosf(angle);
        four[j + 1] = radius * sinf(angle);
    }
}

/* A normal number beyond two deviations is drawn again with probability 0.046; so many misses in a
 * row do not happen. */
#define PHILOX_DRAWS_MAX 64

/* The kinds of numbers that a block of four can be. */
typedef enum philox_kind { PHILOX_UNIFORM, PHILOX_NORMAL, PHILOX_TRUNCATED_NORMAL } philox_kind;

/* Block number `block` of stream number `stream`: four numbers of `kind`, with mean 0 and deviation
 * 1 (before truncation) or in [0, 1). */
static inline void philox_block(philox_kind kind, uint64_t seed, uint32_t stream, uint64_t block,
                                float four[4])
{
    for (uint32_t draw = 0; draw <= PHILOX_DRAWS_MAX; draw++) {
        uint32_t bits[4] = {(uint32_t)block, (uint32_t)(block >> 32), stream, draw};
        float more[4];
        int missing = 0;

        philox(bits, seed);
        if (kind == PHILOX_UNIFORM) {
            philox_uniform(bits, four);
            return;
        }
        philox_normal(bits, more);
        for (int j = 0; j < 4; j++) {
            if (draw == 0 || fabsf(four[j]) > 2.0f) four[j] = more[j];
            missing += fabsf(four[j]) > 2.0f;
        }
        if (kind == PHILOX_NORMAL || missing == 0) return;
    }
    for (int j = 0; j < 4; j++) four[j] = fabsf(four[j]) <= 2.0f ? four[j] : 0.0f;
}

#endif
