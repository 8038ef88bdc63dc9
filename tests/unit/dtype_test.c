/* dtype_test.c -- data types: tables, half types over all their values, every pair of types against
 * a slow reference that shares no code with the product. */
#include "harness.h"

#include <math.h>
#include <string.h>

#include "tensor/dtype.h"

#define TYPE_COUNT 13

TEST(dtype_tables)
{
    CHECK_EQ(ebb_dtype_bytes(EBB_F32), 4);
    CHECK_EQ(ebb_dtype_bytes(EBB_BF16), 2);
    CHECK_EQ(ebb_dtype_bytes(EBB_BOOL), 1);
    CHECK_EQ(ebb_dtype_bytes(EBB_U64), 8);
    CHECK_EQ(ebb_dtype_bytes(EBB_DTYPE_NONE), 0);
    CHECK_EQ(ebb_dtype_bytes((ebb_dtype)77), 0);
    CHECK_EQ(ebb_dtype_bytes((ebb_dtype)-1), 0);
    CHECK_TEXT(ebb_dtype_name(EBB_F32), "float32");
    CHECK_TEXT(ebb_dtype_name((ebb_dtype)77), "none");
    for (int i = 1; i <= TYPE_COUNT; i++) {
        CHECK_EQ(dtype_from_name(ebb_dtype_name((ebb_dtype)i)), i);
    }
    CHECK_EQ(dtype_from_name("float"), EBB_DTYPE_NONE);
    CHECK_EQ(dtype_from_name("none"), EBB_DTYPE_NONE);
    CHECK_EQ(dtype_from_name(NULL), EBB_DTYPE_NONE);
    CHECK(dtype_is_float(EBB_BF16) && dtype_is_float(EBB_F64) && !dtype_is_float(EBB_I32));
    CHECK(!dtype_is_float(EBB_DTYPE_NONE) && !dtype_is_integer(EBB_DTYPE_NONE));
    CHECK(dtype_is_integer(EBB_U64) && dtype_is_integer(EBB_I8) && !dtype_is_integer(EBB_BOOL));
}

/* -- slow reference: values from the definition of the formats, rounding by search ------------- */

/* Value of a binary16, from its definition. */
static double half_value(uint16_t half)
{
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    const double sign = half >> 15 ? -1.0 : 1.0;
    if (exponent == 31) return mantissa != 0 ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(mantissa, -24);
    return sign * ldexp(1024 + mantissa, exponent - 25);
}

/* Nearest of the ascending non-negative values, ties to the even index. The value after the last
 * finite one counts as 2^limit: what rounds to it is infinity. */
static uint16_t nearest(double x, double (*value)(uint16_t), uint16_t infinity, double limit)
{
    const double magnitude = fabs(x);
    uint16_t low = 0, high = infinity;
    while (high - low > 1) {
        const uint16_t middle = (uint16_t)((low + high) / 2);
        if (value(middle) <= magnitude) {
            low = middle;
        } else {
            high = middle;
        }
    }
    if (isinf(magnitude)) low = infinity;
    const double below = value(low), above = high == infinity ? limit : value(high);
    if (low != infinity) {
        const double to_below = magnitude - below, to_above = above - magnitude;
        if (to_above < to_below || (to_above == to_below && low % 2 == 1)) low = high;
    }
    return (uint16_t)(low | (signbit(x) ? 0x8000u : 0u));
}

static uint16_t half_nearest(double x)
{
    return nearest(x, half_value, 0x7C00, 65536.0);
}

static double bfloat_value(uint16_t bfloat)
{
    const int exponent = bfloat >> 7 & 255, mantissa = bfloat & 127;
    const double sign = bfloat >> 15 ? -1.0 : 1.0;
    if (exponent == 255) return mantissa != 0 ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(mantissa, -133);
    return sign * ldexp(128 + mantissa, exponent - 134);
}

static uint16_t bfloat_nearest(double x)
{
    return nearest(x, bfloat_value, 0x7F80, ldexp(1, 128));
}

/* -- half types -------------------------------------------------------------------------------- */

TEST(half_all_values)
{
    for (uint32_t i = 0; i < 65536; i++) {
        const float found = half_to_float((uint16_t)i);
        const double wanted = half_value((uint16_t)i);
        CHECK(isnan(wanted) ? isnan(found) : (double)found == wanted);
        CHECK_EQ(signbit(found) != 0, i >> 15);
        const uint16_t back = float_to_half(found);
        CHECK(isnan(wanted) ? isnan(half_value(back)) : back == i);
        if (isnan(wanted)) CHECK_EQ(back | 0x200, i | 0x200);
    }
}

TEST(bfloat_all_values)
{
    for (uint32_t i = 0; i < 65536; i++) {
        const float found = bfloat_to_float((uint16_t)i);
        const double wanted = bfloat_value((uint16_t)i);
        CHECK(isnan(wanted) ? isnan(found) : (double)found == wanted);
        const uint16_t back = float_to_bfloat(found);
        CHECK(isnan(wanted) ? isnan(bfloat_value(back)) : back == i);
    }
}

/* Around every half: the value, the middle to the next, and one step of a float beside both. */
TEST(half_rounds_to_nearest_even)
{
    for (uint32_t i = 0; i < 0x7C00; i++) {
        const double here = half_value((uint16_t)i);
        const double next = i == 0x7BFF ? 65536.0 : half_value((uint16_t)(i + 1));
        const float middle = (float)((here + next) / 2);
        const float around[] = {middle, nextafterf(middle, 0), nextafterf(middle, 1e9f),
                                nextafterf((float)here, 1e9f)};
        for (size_t j = 0; j < 4; j++) {
            CHECK_EQ(float_to_half(around[j]), half_nearest((double)around[j]));
            CHECK_EQ(float_to_half(-around[j]), half_nearest((double)-around[j]));
        }
        /* a double just above the middle rounds up; by way of float it would be a tie */
        const double above = nextafter((double)middle, 1e9);
        const uint16_t wanted = half_nearest(above);
        uint16_t found = 0;
        dtype_convert(EBB_F16, &found, EBB_F64, &above, 1);
        CHECK_EQ(found, wanted);
        CHECK_EQ(found, i + 1);
    }
    CHECK_EQ(float_to_half(INFINITY), 0x7C00);
    CHECK_EQ(float_to_half(1e30f), 0x7C00);
    CHECK_EQ(float_to_half(-65520.0f), 0xFC00);
    CHECK_EQ(float_to_half(65519.996f), 0x7BFF);
    CHECK_EQ(float_to_half(1e-30f), 0);
}

TEST(bfloat_rounds_to_nearest_even)
{
    for (uint32_t i = 0; i < 0x7F80; i++) {
        const uint32_t bits[] = {i << 16 | 0x8000u, i << 16 | 0x7FFFu, i << 16 | 0x8001u};
        for (size_t j = 0; j < 3; j++) {
            float value;
            memcpy(&value, &bits[j], sizeof value);
            CHECK_EQ(float_to_bfloat(value), bfloat_nearest((double)value));
        }
    }
}

/* -- every pair -------------------------------------------------------------------------------- */

typedef struct number {
    bool is_float;
    __int128 integer;
    long double real;
} number;

static number read_slowly(ebb_dtype dtype, const char *from)
{
    number n = {false, 0, 0};
    uint64_t raw = 0;
    for (size_t i = ebb_dtype_bytes(dtype); i > 0; i--) raw = raw << 8 | (unsigned char)from[i - 1];
    switch (dtype) {
    case EBB_F32: {
        float value;
        memcpy(&value, from, sizeof value);
        return (number){true, 0, (long double)value};
    }
    case EBB_F64: {
        double value;
        memcpy(&value, from, sizeof value);
        return (number){true, 0, (long double)value};
    }
    case EBB_F16: return (number){true, 0, (long double)half_value((uint16_t)raw)};
    case EBB_BF16: return (number){true, 0, (long double)bfloat_value((uint16_t)raw)};
    case EBB_I8: n.integer = (int8_t)raw; break;
    case EBB_I16: n.integer = (int16_t)raw; break;
    case EBB_I32: n.integer = (int32_t)raw; break;
    case EBB_I64: n.integer = (int64_t)raw; break;
    case EBB_BOOL: n.integer = raw != 0; break;
    default: n.integer = raw; break;
    }
    return n;
}

/* The integer a float becomes, before its low bits are taken. */
static __int128 truncated(ebb_dtype to, long double x)
{
    const bool narrow = ebb_dtype_bytes(to) < 4 || to == EBB_I32;
    long double low = narrow ? -0x1p31L : -0x1p63L, high = narrow ? 0x1p31L : 0x1p63L;
    if (to == EBB_U64) high = 0x1p64L;
    if (to == EBB_U64 && x >= high) return 0;
    const long double whole = truncl(x);
    return whole >= low && whole < high ? (__int128)whole : (__int128)low;
}

static void write_slowly(ebb_dtype to, number n, char *out)
{
    const bool is_double_rounded = !n.is_float || to == EBB_BF16;
    const double real = n.is_float ? (double)n.real : (double)n.integer;
    const float single = n.is_float ? (float)n.real : (float)n.integer;
    if (to == EBB_F32) {
        memcpy(out, &single, sizeof single);
    } else if (to == EBB_F64) {
        memcpy(out, &real, sizeof real);
    } else if (to == EBB_F16 || to == EBB_BF16) {
        const double value = is_double_rounded ? (double)single : real;
        const uint16_t half = to == EBB_F16 ? half_nearest(value) : bfloat_nearest(value);
        memcpy(out, &half, sizeof half);
    } else {
        const __int128 whole = n.is_float ? truncated(to, n.real) : n.integer;
        for (size_t i = 0; i < ebb_dtype_bytes(to); i++) {
            out[i] = (char)(unsigned char)((unsigned __int128)whole >> (8 * i));
        }
        if (to == EBB_BOOL) out[0] = n.is_float ? !(n.real == 0) : n.integer != 0;
    }
}

static bool is_nan(ebb_dtype dtype, const char *item)
{
    if (!dtype_is_float(dtype)) return false;
    return isnan((double)read_slowly(dtype, item).real);
}

/* Random bits, and values around the limits of every integer type. */
static size_t fill(ebb_dtype dtype, char *items, size_t capacity)
{
    static const double limits[] = {
        0,           1,          -1,     0.5,        -0.5,   1.5,     2.5,     -1.9,
        127,         128,        -128,   -129,       255,    256,     32767,   32768,
        -32768,      -32769,     65504,  65520,      65535,  65536,   0x1p31,  -0x1p31,
        -0x1p31 - 1, 0x1p31 - 1, 0x1p32, 0x1p32 - 1, 0x1p63, -0x1p63, 0x1p64,  0x1.fffffffffffffp63,
        1e30,        -1e30,      1e300,  -1e300,     1e-8,   6e-8,    0x1p-24, 0x1p-25,
        0x1.8p-25};
    const size_t bytes = ebb_dtype_bytes(dtype);
    uint64_t random = 88172645463325252u;
    size_t count = 0;
    if (dtype_is_float(dtype)) {
        for (; count < sizeof limits / sizeof limits[0]; count++) {
            const number n = {true, 0, (long double)limits[count]};
            write_slowly(dtype, n, items + count * bytes);
        }
    }
    for (; count < capacity; count++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        memcpy(items + count * bytes, &random, bytes);
    }
    return count;
}

TEST(dtype_converts_every_pair)
{
    enum { COUNT = 1500 };
    static char source[COUNT * 8 + 1], found[COUNT * 8 + 9], wanted[8];
    for (int i = 1; i <= TYPE_COUNT; i++) {
        const ebb_dtype from = (ebb_dtype)i;
        const size_t count = fill(from, source + 1, COUNT); /* + 1: nothing is aligned */
        for (int j = 1; j <= TYPE_COUNT; j++) {
            const ebb_dtype to = (ebb_dtype)j;
            const size_t in = ebb_dtype_bytes(from), out = ebb_dtype_bytes(to);
            memset(found, 0x77, sizeof found);
            dtype_convert(to, found + 1, from, source + 1, count);
            CHECK_EQ(found[0], 0x77);
            CHECK_EQ(found[1 + count * out], 0x77);
            for (size_t k = 0; k < count; k++) {
                const char *item = found + 1 + k * out;
                if (is_nan(from, source + 1 + k * in) && dtype_is_float(to)) {
                    CHECK(is_nan(to, item));
                    continue;
                }
                write_slowly(to, read_slowly(from, source + 1 + k * in), wanted);
                if (memcmp(item, wanted, out) == 0) continue;
                harness_fail(__FILE__, __LINE__, "%s to %s, item %zu: %.12Lg", ebb_dtype_name(from),
                             ebb_dtype_name(to), k, read_slowly(from, source + 1 + k * in).real);
            }
        }
    }
}

TEST(dtype_converts_in_place)
{
    int32_t integers[1000];
    float floats[1000];
    const uint32_t before = 0x3F800000;
    for (int i = 0; i < 1000; i++) integers[i] = i - 500;
    dtype_convert(EBB_F32, integers, EBB_I32, integers, 1000);
    memcpy(floats, integers, sizeof floats);
    for (int i = 0; i < 1000; i++) CHECK_NEAR(floats[i], i - 500, 0);
    dtype_convert(EBB_I32, floats, EBB_F32, floats, 1000);
    memcpy(integers, floats, sizeof integers);
    for (int i = 0; i < 1000; i++) CHECK_EQ(integers[i], i - 500);
    memcpy(floats, &before, sizeof before);
    dtype_convert(EBB_F32, floats, EBB_F32, floats, 1);
    CHECK_NEAR(floats[0], 1, 0);
}

TEST(dtype_makes_bools_clean)
{
    const unsigned char dirty[] = {0, 1, 2, 255};
    unsigned char clean[4];
    dtype_convert(EBB_BOOL, clean, EBB_BOOL, dirty, 4);
    CHECK_EQ(clean[0], 0);
    for (int i = 1; i < 4; i++) CHECK_EQ(clean[i], 1);
    dtype_convert(EBB_DTYPE_NONE, clean, EBB_BOOL, dirty, 4);
    dtype_convert(EBB_F32, NULL, EBB_F32, NULL, 0);
    CHECK_EQ(clean[3], 1);
}

TEST_MAIN(RUN(dtype_tables), RUN(half_all_values), RUN(bfloat_all_values),
          RUN(half_rounds_to_nearest_even), RUN(bfloat_rounds_to_nearest_even),
          RUN(dtype_converts_every_pair), RUN(dtype_converts_in_place),
          RUN(dtype_makes_bools_clean))
