/* half.h -- inside of tensor/: binary16 and bfloat16, bit by bit.
 *
 * Inline and without branches that depend on the value (only selections), so that a loop over them
 * becomes vector code. Rounding is to nearest, ties to even, as numpy (half) and ml_dtypes
 * (bfloat16) do it: NaN stays NaN, half keeps the upper payload bits, bfloat gets the canonical
 * NaN. No result depends on how the processor treats subnormal numbers. */
#ifndef EBB_TENSOR_HALF_H
#define EBB_TENSOR_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float half_expand(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t magnitude = half & 0x7FFFu, mantissa = half & 0x3FFu;
    const uint32_t normal = (magnitude << 13) + (112u << 23);
    const uint32_t subnormal = bits_of((float)(int32_t)mantissa * 0x1p-24f);
    const uint32_t endless = magnitude << 13 | 0x7F800000u;
    const uint32_t finite = magnitude < 0x400u ? subnormal : normal;
    return float_of(sign | (magnitude >= 0x7C00u ? endless : finite));
}

/* Below the normal halves the sum with 0.5 (whose last bit weighs 2^-24, as the last bit of a half
 * does there) makes the processor round; the bits above those of 0.5 are the answer. */
static inline uint16_t half_round(float value)
{
    const uint32_t all = bits_of(value), sign = all >> 16 & 0x8000u, bits = all & 0x7FFFFFFFu;
    const uint32_t payload = bits >> 13 & 0x3FFu;
    const uint32_t nan = 0x7C00u | payload | (payload == 0);
    const uint32_t small = bits < 0x38800000u ? bits : 0; /* below 2^-14 */
    const uint32_t subnormal = bits_of(float_of(small) + 0.5f) - bits_of(0.5f);
    const uint32_t normal = (bits + 0xFFFu + (bits >> 13 & 1u) - (112u << 23)) >> 13;
    const uint32_t finite = bits < 0x38800000u ? subnormal : normal;
    const uint32_t large = bits > 0x7F800000u ? nan : 0x7C00u;
    return (uint16_t)(sign | (bits >= 0x47800000u ? large : finite)); /* from 65536 on */
}

static inline float bfloat_expand(uint16_t bfloat)
{
    return float_of((uint32_t)bfloat << 16);
}

static inline uint16_t bfloat_round(float value)
{
    const uint32_t bits = bits_of(value);
    const uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
    const uint32_t nan = (bits >> 16 & 0x8000u) | 0x7FC0u;
    return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
}

/* One rounding, as numpy: by way of float there would be two. */
uint16_t double_to_half(double value);

#endif
