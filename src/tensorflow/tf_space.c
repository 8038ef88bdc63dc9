/* tf_space.c -- blocks of space moved into rows or channels and back.
 *
 * Dilated convolutions of older graphs are SpaceToBatchND, Conv2D, BatchToSpaceND; the three are
 * emitted as they stand.
 * Source: tensorflow/core/ops/array_ops.cc (SpaceToBatchND, BatchToSpaceND), depthtospace_op.cc.
 */
#include "tensorflow/tf_emit.h"

#define BLOCKS_MAX 3

/* Block lengths, and two lists of paddings or crops. */
typedef struct blocks {
    uint32_t count;
    int64_t size[BLOCKS_MAX];
    const dim *borders; /* before and after, axis by axis */
    int64_t product;
} blocks;

static bool blocks_read(tf_build *b, const tf_call *c, uint32_t rank, blocks *k)
{
    uint32_t border_count;

    if (!tf_numbers(b, c, 1, "the block shape", k->size, BLOCKS_MAX, &k->count) ||
        !tf_lengths(b, c, 2, "the list of borders", &k->borders, &border_count))
        return false;
    if (border_count != 2 * k->count || k->count + 1 > rank || rank + k->count > EBB_RANK_MAX)
        return tf_fail(b, c, EBB_E_SHAPE, "%u block lengths and %u borders for %u axes", k->count,
                       border_count, rank);
    k->product = 1;
    for (uint32_t i = 0; i < k->count; i++) {
        if (k->size[i] < 1 || k->size[i] > INT16_MAX)
            return tf_fail(b, c, EBB_E_ARGUMENT, "a block of length %lld", (long long)k->size[i]);
        k->product *= k->size[i];
    }
    return true;
}

/* [n, s..., rest] -> pad -> [n, s / k, k, ..., rest] -> [k..., n, s / k, ..., rest] -> [n k...,
 * ...] */
bool tf_emit_space_to_batch(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    pad_attributes pad = {.kind = PAD_CONSTANT};
    value x = tf_input(b, c, 0);
    blocks k;

    (void)e;
    if (x == VALUE_NONE || !blocks_read(b, c, graph_rank(g, x), &k)) return false;
    for (uint32_t i = 0; i < k.count; i++) {
        pad.before[i + 1] = k.borders[2 * i];
        pad.after[i + 1] = k.borders[2 * i + 1];
    }
    x = op_pad(g, x, &pad);
    if (!graph_ok(g)) return false;
    const shape s = *graph_shape(g, x);
    shape cut = {.rank = 1, .dims = {s.dims[0]}}, to = s;
    uint32_t order[EBB_RANK_MAX], place = 0;
    to.dims[0] = dim_make(g, DIM_MUL, s.dims[0], k.product);
    for (uint32_t i = 0; i < k.count; i++) {
        to.dims[i + 1] = dim_make(g, DIM_DIV, s.dims[i + 1], k.size[i]);
        cut.dims[cut.rank++] = to.dims[i + 1];
        cut.dims[cut.rank++] = k.size[i];
        order[place++] = 2 * i + 2;
    }
    order[place++] = 0;
    for (uint32_t i = 0; i < k.count; i++) order[place++] = 2 * i + 1;
    for (uint32_t i = k.count + 1; i < s.rank; i++) {
        order[place++] = cut.rank;
        cut.dims[cut.rank++] = s.dims[i];
    }
    x = tf_transpose(b, tf_reshape(b, x, &cut), order);
    return tf_give(b, c, 0, tf_reshape(b, x, &to), c->inputs[0].type);
}

/* The other way round, then the crops. */
bool tf_emit_batch_to_space(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    value x = tf_input(b, c, 0);
    uint32_t order[EBB_RANK_MAX], place = 0;
    blocks k;

    (void)e;
    if (x == VALUE_NONE || !blocks_read(b, c, graph_rank(g, x), &k)) return false;
    const shape s = *graph_shape(g, x);
    shape cut = {.rank = 0}, to = s;
    slice_attributes inner = {.start = {0}};
    for (uint32_t i = 0; i < k.count; i++) cut.dims[cut.rank++] = k.size[i];
    to.dims[0] = cut.dims[cut.rank++] = dim_make(g, DIM_DIV, s.dims[0], k.product);
    order[place++] = k.count;
    for (uint32_t i = 1; i < s.rank; i++) {
        order[place++] = cut.rank;
        cut.dims[cut.rank++] = s.dims[i];
        if (i > k.count) continue;
        order[place++] = i - 1;
        to.dims[i] = dim_make(g, DIM_MUL, s.dims[i], k.size[i - 1]);
    }
    x = tf_reshape(b, tf_transpose(b, tf_reshape(b, x, &cut), order), &to);
    for (uint32_t i = 0; i < s.rank; i++) {
        const bool is_cut = i > 0 && i <= k.count;
        const dim before = is_cut ? k.borders[2 * i - 2] : 0,
                  after = is_cut ? k.borders[2 * i - 1] : 0;
        inner.start[i] = before;
        inner.step[i] = 1;
        inner.length[i] = dim_make(g, DIM_SUB, to.dims[i], dim_make(g, DIM_ADD, before, after));
    }
    return tf_give(b, c, 0, op_slice(g, x, &inner), c->inputs[0].type);
}

/* parameter 1: SpaceToDepth. Both work on [n, h, w, c]. */
bool tf_emit_space_to_depth(tf_build *b, tf_call *c, const tf_entry *e)
{
    static const uint32_t order[] = {0, 1, 3, 2, 4, 5}; /* its own inverse */
    graph *g = b->graph;
    const int64_t k = tf_int(c, e, "block_size");
    const bool is_first = tf_text_is(c, e, "data_format", "NCHW");
    value x = tf_input(b, c, 0);

    if (x == VALUE_NONE) return false;
    if (graph_rank(g, x) != 4 || k < 2 || k > INT16_MAX)
        return tf_fail(b, c, EBB_E_ARGUMENT, "takes 4 axes and a block of 2 or more");
    if (!is_first && !tf_text_is(c, e, "data_format", "NHWC"))
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "an unknown 'data_format'");
    if (is_first) x = tf_channels_last(b, x);
    if (!graph_ok(g)) return false;
    const shape s = *graph_shape(g, x);
    shape cut = {.rank = 6}, to = s;
    cut.dims[0] = s.dims[0];
    if (e->parameter == 1) { /* [n, h/k, k, w/k, k, c] -> [n, h/k, w/k, k, k, c] */
        cut.dims[1] = to.dims[1] = dim_make(g, DIM_DIV, s.dims[1], k);
        cut.dims[3] = to.dims[2] = dim_make(g, DIM_DIV, s.dims[2], k);
        cut.dims[2] = cut.dims[4] = k;
        cut.dims[5] = s.dims[3];
        to.dims[3] = dim_make(g, DIM_MUL, s.dims[3], k * k);
    } else { /* [n, h, w, k, k, c/kk] -> [n, h, k, w, k, c/kk] */
        cut.dims[1] = s.dims[1];
        cut.dims[2] = s.dims[2];
        cut.dims[3] = cut.dims[4] = k;
        cut.dims[5] = to.dims[3] = dim_make(g, DIM_DIV, s.dims[3], k * k);
        to.dims[1] = dim_make(g, DIM_MUL, s.dims[1], k);
        to.dims[2] = dim_make(g, DIM_MUL, s.dims[2], k);
    }
    x = tf_reshape(b, x, &cut);
    x = tf_reshape(b, tf_transpose(b, x, order), &to);
    return tf_give(b, c, 0, is_first ? tf_channels_first(b, x) : x, c->inputs[0].type);
}
