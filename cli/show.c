/* show.c -- see show.h. */
#include "show.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "console.h"

#define VALUES_SHOWN 10

/* Half precision and bfloat16, exactly. */
static double half_value(uint16_t bits)
{
    const int exponent = bits >> 10 & 31;
    const double fraction = bits & 1023;
    const double sign = (bits & 0x8000) != 0 ? -1 : 1;

    if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
    return sign * (exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25));
}

static double brain_value(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;

    memcpy(&value, &wide, sizeof value);
    return (double)value;
}

double view_value(const ebb_view *view, uint64_t index)
{
    const char *at = (const char *)view->data + index * ebb_dtype_bytes(view->dtype);

#define READ_AS(type, convert)                                                                     \
    do {                                                                                           \
        type value;                                                                                \
        memcpy(&value, at, sizeof value);                                                          \
        return convert(value);                                                                     \
    } while (0)
    switch (view->dtype) {
    case EBB_F32: READ_AS(float, (double));
    case EBB_F64: READ_AS(double, );
    case EBB_F16: READ_AS(uint16_t, half_value);
    case EBB_BF16: READ_AS(uint16_t, brain_value);
    case EBB_I8: READ_AS(int8_t, (double));
    case EBB_I16: READ_AS(int16_t, (double));
    case EBB_I32: READ_AS(int32_t, (double));
    case EBB_I64: READ_AS(int64_t, (double));
    case EBB_U16: READ_AS(uint16_t, (double));
    case EBB_U32: READ_AS(uint32_t, (double));
    case EBB_U64: READ_AS(uint64_t, (double));
    default: READ_AS(uint8_t, (double));
    }
#undef READ_AS
}

static void show_row(const ebb_view *view, uint64_t first, uint64_t count)
{
    const bool has_largest = view->rank == 2 && count > 1;
    uint64_t largest = 0;

    for (uint64_t i = 1; has_largest && i < count; i++) {
        if (view_value(view, first + i) > view_value(view, first + largest)) largest = i;
    }
    if (has_largest) printf("%4" PRIu64 " (%.4g)", largest, view_value(view, first + largest));
    if (has_largest)
        printf("\t[");
    else
        printf("[");
    for (uint64_t i = 0; i < count && i < VALUES_SHOWN; i++) {
        printf("%s%.3g", i > 0 ? " " : "", view_value(view, first + i));
    }
    printf(count > VALUES_SHOWN ? " ...]\n" : "]\n");
}

void show_array(const char *name, const ebb_view *view, uint32_t rows)
{
    text_buffer shape;
    const uint64_t total = ebb_view_bytes(view) / ebb_dtype_bytes(view->dtype);
    const uint64_t all = view->rank == 0 ? 1 : (uint64_t)view->dims[0];
    const uint64_t length = all == 0 ? 0 : total / all;

    put_clean(stdout, name);
    printf("  %s %s\n", ebb_dtype_name(view->dtype), text_shape(&shape, view->dims, view->rank));
    if (view->rank == 2 && length > 1) printf("   row  largest\tvalues\n");
    for (uint64_t row = 0; row < all && row < rows; row++) {
        printf("%6" PRIu64 "  ", row);
        show_row(view, row * length, length);
    }
    if (all > rows) printf("   ...  %" PRIu64 " rows more\n", all - rows);
}

/* -- JSON ---------------------------------------------------------------------------- */

static int digits_of(ebb_dtype dtype)
{
    return dtype == EBB_F32 || dtype == EBB_F16 || dtype == EBB_BF16 ? 9 : 17;
}

static void put_value(json_output *j, const ebb_view *view, uint64_t index)
{
    int64_t whole = 0;
    uint64_t natural = 0;

    switch (view->dtype) {
    case EBB_I64:
        memcpy(&whole, (const char *)view->data + index * sizeof whole, sizeof whole);
        json_integer(j, NULL, whole);
        break;
    case EBB_U64:
        memcpy(&natural, (const char *)view->data + index * sizeof natural, sizeof natural);
        json_count(j, NULL, natural);
        break;
    case EBB_BOOL: json_bool(j, NULL, view_value(view, index) != 0); break;
    default: json_number(j, NULL, view_value(view, index), digits_of(view->dtype)); break;
    }
}

/* Depth is bounded by the rank. Arrays of numbers stand on one line. */
static void put_values(json_output *j, const char *key, const ebb_view *view, uint32_t axis,
                       uint64_t *at)
{
    if (axis == view->rank) {
        put_value(j, view, (*at)++);
        return;
    }
    json_array(j, key);
    const bool is_last = axis + 1 == view->rank;
    if (is_last) j->is_line = true;
    for (int64_t i = 0; i < view->dims[axis]; i++) put_values(j, NULL, view, axis + 1, at);
    json_array_end(j);
    if (is_last) j->is_line = false;
}

void show_array_json(json_output *j, const char *name, const ebb_view *view)
{
    uint64_t at = 0;

    json_object(j, NULL);
    json_text(j, "name", name);
    json_text(j, "dtype", ebb_dtype_name(view->dtype));
    json_array(j, "shape");
    j->is_line = true;
    for (uint32_t i = 0; i < view->rank; i++) json_integer(j, NULL, view->dims[i]);
    json_array_end(j);
    j->is_line = false;
    if (view->rank > 0) {
        put_values(j, "values", view, 0, &at);
    } else {
        json_number(j, "values", view_value(view, 0), digits_of(view->dtype));
    }
    json_object_end(j);
}
