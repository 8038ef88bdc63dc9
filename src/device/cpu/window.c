/* window.c -- see window.h. SAME padding as in tensorflow/core/framework/kernel_shape_util.cc. */
#include "device/cpu/window.h"

window window_make(const tensor_desc *x, const tensor_desc *y, const window_options *options)
{
    const uint32_t missing = SPATIAL_MAX - options->spatial;
    window w = {
        .batch = x->dims[0], .channels = x->dims[x->rank - 1], .filters = y->dims[y->rank - 1]};

    for (uint32_t i = 0; i < SPATIAL_MAX; i++) {
        const bool given = i >= missing;
        const uint32_t from = i - missing;

        w.in[i] = given ? x->dims[1 + from] : 1;
        w.out[i] = given ? y->dims[1 + from] : 1;
        w.kernel[i] = given ? options->kernel[from] : 1;
        w.strides[i] = given ? options->strides[from] : 1;
        w.dilations[i] = given && options->dilations != NULL ? options->dilations[from] : 1;
        if (options->same) {
            const int64_t total =
                (w.out[i] - 1) * w.strides[i] + (w.kernel[i] - 1) * w.dilations[i] + 1 - w.in[i];

            w.pad[i] = total > 0 ? total / 2 : 0;
        } else if (given && options->pad_before != NULL) {
            w.pad[i] = options->pad_before[from];
        }
    }
    return w;
}

void window_taps(const window *w, uint32_t axis, int64_t o, int64_t *first, int64_t *end)
{
    const int64_t cell = window_cell(w, axis, o, 0), step = w->dilations[axis];

    *first = clamp_i64(div_up(-cell, step), 0, w->kernel[axis]);
    *end = clamp_i64(div_up(w->in[axis] - cell, step), *first, w->kernel[axis]);
}

void window_positions(const window *w, uint32_t axis, int64_t tap, int64_t last, int64_t *first,
                      int64_t *end)
{
    const int64_t step = w->strides[axis];
    const int64_t low = w->pad[axis] - tap * w->dilations[axis];
    const int64_t high = w->in[axis] + w->pad[axis] - last * w->dilations[axis];

    *first = clamp_i64(div_up(low, step), 0, w->out[axis]);
    *end = clamp_i64(div_up(high, step), *first, w->out[axis]);
}
