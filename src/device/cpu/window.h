/* window.h -- the geometry of convolutions and pools, always as three spatial axes (leading ones of
 * length 1). */
#ifndef EBB_DEVICE_CPU_WINDOW_H
#define EBB_DEVICE_CPU_WINDOW_H

#include "device/kernel.h"

typedef struct window {
    int64_t batch, channels, filters;
    int64_t in[SPATIAL_MAX], out[SPATIAL_MAX], kernel[SPATIAL_MAX];
    int64_t strides[SPATIAL_MAX], dilations[SPATIAL_MAX], pad[SPATIAL_MAX]; /* pad: before */
} window;

/* What an op says about its window; arrays of `spatial` items, `dilations` may be NULL (1),
 * `pad_before` too (0). */
typedef struct window_options {
    uint32_t spatial;
    const int64_t *kernel, *strides, *dilations, *pad_before;
    bool same; /* TensorFlow SAME instead of pad_before: half of what is missing, the smaller half
                  first */
} window_options;

/* x and y [n, spatial..., channels]. */
window window_make(const tensor_desc *x, const tensor_desc *y, const window_options *options);

/* Kernel positions [*first, *end) on `axis` whose cell lies inside the input, for output position
 * `o`. */
void window_taps(const window *w, uint32_t axis, int64_t o, int64_t *first, int64_t *end);
/* Output positions [*first, *end) on `axis` for which kernel positions [tap, last] all lie inside
 * the input. */
void window_positions(const window *w, uint32_t axis, int64_t tap, int64_t last, int64_t *first,
                      int64_t *end);

static inline int64_t window_cell(const window *w, uint32_t axis, int64_t o, int64_t tap)
{
    return o * w->strides[axis] - w->pad[axis] + tap * w->dilations[axis];
}

/* floor and ceiling of a / b for b > 0. */
static inline int64_t div_down(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}
static inline int64_t div_up(int64_t a, int64_t b)
{
    return a / b + (a % b > 0);
}
static inline int64_t clamp_i64(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

#endif
