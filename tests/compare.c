/* compare.c -- see compare.h. */
#include "compare.h"

#include <math.h>
#include <string.h>

#include "tensor/dtype.h"

static double element(const ebb_view *view, uint64_t index)
{
    double result = 0;
    const size_t bytes = ebb_dtype_bytes(view->dtype);

    dtype_convert(EBB_F64, &result, view->dtype, (const uint8_t *)view->data + index * bytes, 1);
    return result;
}

static uint64_t count_of(const ebb_view *view)
{
    return ebb_view_bytes(view) / ebb_dtype_bytes(view->dtype);
}

bool compare_views(const ebb_view *got, const ebb_view *want, double rtol, double atol,
                   double *worst)
{
    double largest = 1;
    bool ok = true;

    *worst = 0;
    if (got->rank != want->rank ||
        memcmp(got->dims, want->dims, got->rank * sizeof got->dims[0]) != 0) {
        *worst = INFINITY;
        return false;
    }
    const uint64_t count = count_of(want);
    for (uint64_t i = 0; i < count; i++) {
        const double b = fabs(element(want, i));
        if (isfinite(b) && b > largest) largest = b;
    }
    const bool is_exact = !dtype_is_float(want->dtype);
    for (uint64_t i = 0; i < count; i++) {
        const double a = element(got, i), b = element(want, i);
        if (a == b || (isnan(a) && isnan(b))) continue;
        const double allowed = is_exact ? 0 : atol * largest + rtol * fabs(b);
        const double excess = fabs(a - b) - allowed;
        if (excess <= 0) continue;
        ok = false;
        if (!(excess <= *worst)) *worst = isnan(excess) ? INFINITY : excess;
    }
    return ok;
}
