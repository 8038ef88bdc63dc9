/* onednn_cut.c -- cutting source and result of a step into rows for several threads.
 *
 * The axis is the outermost one that is longer than 1, so that rows of it are contiguous. Where a
 * window slides along it, a part takes the rows of the source that its results see, and the padding
 * that lies inside its reach:
 *
 *     source   p p 0 1 2 3 4 5 6 7 p      results [0, 4) see p p 0 1 2 3; results [4, 8) see 2 .. 7
 * p
 *
 * Transposed, result rows o = i * stride - pad + tap ask for the source rows i that reach them. */
#include <string.h>

#include "device/cpu/onednn/onednn_step.h"

/* A part of less work than this is not worth waking a thread for. */
#define PART_FLOPS_MIN ((uint64_t)1 << 16)

void onednn_cut_image(onednn_cut *cut, const onednn_window *w, const int64_t *reach)
{
    cut->axis = 0;
    cut->window = ONEDNN_NO_WINDOW;
    if (cut->source_dims[0] > 1) return;
    for (uint32_t i = 0; i < w->spatial; i++) {
        if (cut->source_dims[2 + i] == 1 && cut->result_dims[2 + i] == 1) continue;
        cut->axis = 2 + i;
        cut->window = i;
        cut->stride = w->strides[i];
        cut->reach = reach[i];
        cut->pad = w->pad_before[i];
        return;
    }
}

uint32_t onednn_cut_parts(const onednn_cut *cut, uint32_t threads, uint64_t flops)
{
    const uint64_t rows = (uint64_t)cut->result_dims[cut->axis];
    uint64_t parts = threads;

    if (cut->is_fixed || rows == 0) return 1;
    if (parts > rows) parts = rows;
    if (parts > flops / PART_FLOPS_MIN) parts = flops / PART_FLOPS_MIN;
    if (parts <= 1) return 1;
    const uint64_t each = (rows - 1) / parts + 1;
    return (uint32_t)((rows - 1) / each + 1);
}

static int64_t clamp(int64_t x, int64_t least, int64_t most)
{
    return x < least ? least : x > most ? most : x;
}

static void slice_forward(const onednn_cut *cut, onednn_slice *s)
{
    const int64_t length = cut->source_dims[cut->axis];
    const int64_t first = s->result * cut->stride - cut->pad;
    const int64_t end = (s->result + s->result_count - 1) * cut->stride - cut->pad + cut->reach;

    s->source = clamp(first, 0, length);
    s->source_count = clamp(end, 0, length) - s->source;
    s->pad_before = s->source - first;
    s->pad_after = end - s->source - s->source_count;
}

static void slice_transpose(const onednn_cut *cut, onednn_slice *s)
{
    const int64_t length = cut->source_dims[cut->axis], step = cut->stride;
    const int64_t first = s->result + cut->pad, last = first + s->result_count - 1;
    const int64_t lowest = first - cut->reach + 1;

    s->source = clamp(lowest <= 0 ? 0 : (lowest + step - 1) / step, 0, length);
    s->source_count = clamp(last / step + 1, 0, length) - s->source;
    s->pad_before = first - s->source * step;
    s->pad_after = (s->source_count - 1) * step + cut->reach - s->pad_before - s->result_count;
}

bool onednn_cut_slice(const onednn_cut *cut, uint32_t k, uint32_t parts, onednn_slice *slice)
{
    const int64_t rows = cut->result_dims[cut->axis], each = (rows - 1) / parts + 1;

    *slice = (onednn_slice){.result = k * each};
    slice->result_count = rows - slice->result < each ? rows - slice->result : each;
    if (parts == 1) {
        slice->source_count = cut->source_dims[cut->axis];
        return true;
    }
    if (cut->window == ONEDNN_NO_WINDOW) {
        slice->source = slice->result;
        slice->source_count = slice->result_count;
        return true;
    }
    if (cut->is_transpose)
        slice_transpose(cut, slice);
    else
        slice_forward(cut, slice);
    return slice->source_count > 0 && slice->result_count > 0 && slice->pad_before >= 0 &&
           slice->pad_after >= 0;
}

/* dims with `count` rows; the strides of the axes outside, all of length 1, follow. */
static bool make_desc(const onednn_cut *cut, const int64_t *whole_dims,
                      const int64_t *whole_strides, int64_t count, onednn_desc *desc)
{
    dnnl_dims_t dims, strides;
    const int64_t stride = whole_strides[cut->axis];

    memcpy(dims, whole_dims, sizeof dims);
    memcpy(strides, whole_strides, sizeof strides);
    for (uint32_t i = 0; i < cut->axis; i++)
        if (strides[i] > stride) strides[i] = stride * count;
    dims[cut->axis] = count;
    return onednn_desc_make(desc, cut->rank, dims, strides);
}

bool onednn_cut_descs(const onednn_cut *cut, const onednn_slice *slice, onednn_desc *source,
                      onednn_desc *result)
{
    return make_desc(cut, cut->source_dims, cut->source_strides, slice->source_count, source) &&
           make_desc(cut, cut->result_dims, cut->result_strides, slice->result_count, result);
}

void onednn_cut_window(const onednn_cut *cut, const onednn_slice *slice, onednn_window *w)
{
    const bool is_whole = slice->result_count == cut->result_dims[cut->axis];

    if (is_whole || cut->window == ONEDNN_NO_WINDOW) return;
    w->pad_before[cut->window] = slice->pad_before;
    w->pad_after[cut->window] = slice->pad_after;
}

uint64_t onednn_cut_source_offset(const onednn_cut *cut, const onednn_slice *slice)
{
    return (uint64_t)(slice->source * cut->source_strides[cut->axis]) * sizeof(float);
}

uint64_t onednn_cut_result_offset(const onednn_cut *cut, const onednn_slice *slice)
{
    return (uint64_t)(slice->result * cut->result_strides[cut->axis]) * sizeof(float);
}

bool onednn_slice_same(const onednn_slice *a, const onednn_slice *b)
{
    return a->source_count == b->source_count && a->result_count == b->result_count &&
           a->pad_before == b->pad_before && a->pad_after == b->pad_after;
}
