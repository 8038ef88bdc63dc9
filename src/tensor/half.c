/* half.c -- the half types as functions, and the rounding of a double to a half. See half.h. */
#include "tensor/half.h"

#include "tensor/dtype.h"

float half_to_float(uint16_t half)
{
    return half_expand(half);
}

uint16_t float_to_half(float value)
{
    return half_round(value);
}

float bfloat_to_float(uint16_t bfloat)
{
    return bfloat_expand(bfloat);
}

uint16_t float_to_bfloat(float value)
{
    return bfloat_round(value);
}

uint16_t double_to_half(double value)
{
    const double magic = 0x1p28; /* its last bit weighs 2^-24, as that of a subnormal half */
    uint64_t all, rounded, base;
    memcpy(&all, &value, sizeof all);
    memcpy(&base, &magic, sizeof base);
    const uint64_t sign = all >> 48 & 0x8000u;
    uint64_t bits = all & 0x7FFFFFFFFFFFFFFFu, half;

    if (bits > 0x7FF0000000000000u) {
        half = 0x7C00u | (bits >> 42 & 0x3FFu);
        if (half == 0x7C00u) half++;
    } else if (bits >= 0x40F0000000000000u) { /* from 65536 on */
        half = 0x7C00u;
    } else if (bits < 0x3F10000000000000u) { /* below 2^-14 */
        const double sum = (value < 0 ? -value : value) + magic;
        memcpy(&rounded, &sum, sizeof rounded);
        half = rounded - base;
    } else {
        bits += 0x1FFFFFFFFFFu + (bits >> 42 & 1u);
        half = (bits - (1008ull << 52)) >> 42;
    }
    return (uint16_t)(sign | half);
}
