/* tf_slice.c -- parts of tensors: StridedSlice with its masks, Slice, Split, Unpack.
 *
 * Everything becomes a start, a number of items and a step for each axis, all of which may depend
 * on the lengths of the inputs. Source: tensorflow/core/util/strided_slice_op.cc.
 */
#include "tensorflow/tf_emit.h"

/* A part of input 0, as far as it was read. */
typedef struct part {
    shape from, to; /* to: with new axes, without those that are dropped */
    uint32_t axis;  /* the next of `from` */
    slice_attributes slice;
} part;

/* Gives the part; parts of lengths are lengths. */
static bool part_give(tf_build *b, tf_call *c, const part *p)
{
    const tf_tensor *t = &c->inputs[0];
    int64_t start[EBB_RANK_MAX];
    uint32_t count[EBB_RANK_MAX], dims[EBB_RANK_MAX];
    bool is_whole = true, is_known = t->has_lengths;

    if (!graph_ok(b->graph)) return false;
    for (uint32_t i = 0; i < p->from.rank; i++) {
        is_whole &= p->slice.start[i] == 0 && p->slice.length[i] == p->from.dims[i] &&
                    p->slice.step[i] == 1;
        is_known &= dim_known(p->slice.start[i]) && dim_known(p->slice.length[i]);
        start[i] = p->slice.start[i];
        count[i] = (uint32_t)p->slice.length[i];
    }
    for (uint32_t i = 0; i < p->to.rank; i++) dims[i] = (uint32_t)p->to.dims[i];
    if (is_known) return tf_fold_slice(b, c, start, p->slice.step, count, p->to.rank, dims);
    value x = tf_input(b, c, 0);
    if (x == VALUE_NONE) return false;
    if (!is_whole) x = op_slice(b->graph, x, &p->slice);
    return tf_give(b, c, c->output_count, tf_reshape(b, x, &p->to), t->type);
}

static void take_whole(part *p)
{
    p->slice.length[p->axis] = p->to.dims[p->to.rank++] = p->from.dims[p->axis];
    p->slice.step[p->axis] = 1;
    p->axis++;
}

/* -- strided slices ---------------------------------------------------------------------------- */

/* A place as Python counts it, negative numbers from the end, cut to [0, length]. With `shift`
 * places are one higher, so that "before the first" is 0. */
static dim place_of(tf_build *b, dim bound, dim length, int64_t shift)
{
    graph *g = b->graph;
    int64_t number;

    if (tf_dim_number(g, bound, &number) && number < 0) bound = dim_make(g, DIM_ADD, length, bound);
    bound = dim_make(g, DIM_ADD, bound, shift);
    if (!tf_dim_is_above(b, length, bound)) bound = tf_dim_min(b, bound, length);
    return tf_dim_is_above(b, bound, 0) ? bound : dim_make(g, DIM_MAX, bound, 0);
}

/* Start and number of items of one axis. */
static void range_of(tf_build *b, dim length, const dim *begin, const dim *end, int64_t step,
                     dim *start, dim *count)
{
    graph *g = b->graph;
    const bool is_back = step < 0;
    const dim first_all = is_back ? length : 0, last_all = is_back ? 0 : length;
    const dim first = begin != NULL ? place_of(b, *begin, length, is_back ? 1 : 0) : first_all;
    const dim last = end != NULL ? place_of(b, *end, length, is_back ? 1 : 0) : last_all;
    const dim span =
        is_back ? dim_make(g, DIM_SUB, first, last) : dim_make(g, DIM_SUB, last, first);

    *count = dim_make(g, DIM_DIV_UP, span, is_back ? -step : step);
    if (!tf_dim_is_above(b, *count, 0)) *count = dim_make(g, DIM_MAX, *count, 0);
    *start = *count == 0 ? 0 : is_back ? dim_make(g, DIM_SUB, first, 1) : first;
}

/* The bits of the masks at one place of begin, end and strides. */
typedef struct spec {
    const dim *begin, *end;
    int64_t step;
    bool is_ellipsis, is_new, shrinks;
} spec;

static bool shrink_axis(tf_build *b, const tf_call *c, part *p, const spec *s)
{
    graph *g = b->graph;
    const dim length = p->from.dims[p->axis];
    int64_t number;
    dim start = s->begin != NULL ? *s->begin : 0;

    if (tf_dim_number(g, start, &number) && number < 0) start = dim_make(g, DIM_ADD, length, start);
    if (tf_dim_number(g, start, &number) && (number < 0 || (dim_known(length) && number >= length)))
        return tf_fail(b, c, EBB_E_SHAPE, "there is no item %lld on axis %u of length %lld",
                       (long long)number, p->axis, (long long)length);
    p->slice.start[p->axis] = start;
    p->slice.length[p->axis] = 1;
    p->slice.step[p->axis] = 1;
    p->axis++;
    return graph_ok(g);
}

static bool spec_apply(tf_build *b, const tf_call *c, part *p, const spec *s, uint32_t covered)
{
    if (s->is_ellipsis) {
        for (uint32_t i = 0; i < covered; i++) take_whole(p);
        return true;
    }
    if (p->to.rank == EBB_RANK_MAX && !s->shrinks)
        return tf_fail(b, c, EBB_E_SHAPE, "the result has more than %d axes", EBB_RANK_MAX);
    if (s->is_new) {
        p->to.dims[p->to.rank++] = 1;
        return true;
    }
    if (p->axis == p->from.rank)
        return tf_fail(b, c, EBB_E_SHAPE, "more places than the %u axes of the tensor",
                       p->from.rank);
    if (s->shrinks) return shrink_axis(b, c, p, s);
    if (s->step == 0 || s->step == INT64_MIN) return tf_fail(b, c, EBB_E_ARGUMENT, "a step of 0");
    dim *start = &p->slice.start[p->axis], *count = &p->slice.length[p->axis];
    range_of(b, p->from.dims[p->axis], s->begin, s->end, s->step, start, count);
    p->slice.step[p->axis] = s->step;
    p->to.dims[p->to.rank++] = *count;
    p->axis++;
    return graph_ok(b->graph);
}

/* The five masks, a bit for each place. */
typedef struct masks {
    uint64_t begin, end, shrink, fresh, ellipsis;
} masks;

/* Bounds that the masks do not leave open. *bounds is NULL where nothing reads them. */
static bool bounds_read(tf_build *b, const tf_call *c, uint32_t i, uint64_t open,
                        const dim **bounds, uint32_t *count, bool *is_data)
{
    shape s;

    *bounds = NULL;
    if (tf_find_lengths(b, &c->inputs[i], bounds, count)) return true;
    if (!graph_ok(b->graph) || !tf_input_shape(b, c, i, &s)) return false;
    if (s.rank != 1 || !dim_known(s.dims[0]) || s.dims[0] > 2 * EBB_RANK_MAX)
        return tf_fail(b, c, EBB_E_SHAPE, "begin and end must be short vectors");
    *count = (uint32_t)s.dims[0];
    if ((open | ~0ull << s.dims[0]) != ~0ull) *is_data = true;
    return true;
}

/* Items whose places are data, x[i, :, j]: gathered axis by axis. All other axes are whole. */
static bool give_picked(tf_build *b, tf_call *c, const masks *m, const int64_t *steps,
                        uint32_t count, uint32_t covered, part *p)
{
    graph *g = b->graph;
    value picks[EBB_RANK_MAX] = {VALUE_NONE}, x = tf_input(b, c, 0);
    const value begin = tf_input(b, c, 1);

    for (uint32_t i = 0; i < count && graph_ok(g); i++) {
        const bool is_whole = (m->begin >> i & m->end >> i & 1) != 0 && steps[i] == 1;
        const bool is_pick = ((m->shrink & ~m->fresh & ~m->ellipsis) >> i & 1) != 0;
        const spec other = {.step = 1,
                            .is_ellipsis = (m->ellipsis >> i & 1) != 0,
                            .is_new = (m->fresh >> i & 1) != 0};
        if (!is_pick && !is_whole && !other.is_ellipsis && !other.is_new)
            return tf_fail(b, c, EBB_E_UNSUPPORTED,
                           "a range of items is computed from data; only constants and lengths of "
                           "tensors can be used");
        if (!is_pick) {
            if (!spec_apply(b, c, p, &other, covered)) return false;
            continue;
        }
        if (p->axis == p->from.rank)
            return tf_fail(b, c, EBB_E_SHAPE, "more places than the %u axes of the tensor",
                           p->from.rank);
        picks[p->axis++] = op_reshape(g, op_slice_axis(g, begin, 0, i, 1, 1), &(shape){.rank = 0});
    }
    while (p->axis < p->from.rank && p->to.rank < EBB_RANK_MAX) take_whole(p);
    for (uint32_t axis = p->from.rank; axis-- > 0;) {
        const gather_attributes pick = {.axis = axis, .wrap = true};
        if (picks[axis] != VALUE_NONE) x = op_gather_with(g, x, picks[axis], &pick);
    }
    return graph_ok(g) && tf_give(b, c, 0, tf_reshape(b, x, &p->to), c->inputs[0].type);
}

static bool give_ranges(tf_build *b, tf_call *c, const masks *m, const dim *begin, const dim *end,
                        const int64_t *steps, uint32_t count, uint32_t covered, part *p)
{
    for (uint32_t i = 0; i < count; i++) {
        const bool is_new = (m->fresh >> i & 1) != 0;
        const spec s = {.begin = begin == NULL || (m->begin >> i & 1) != 0 ? NULL : &begin[i],
                        .end = end == NULL || (m->end >> i & 1) != 0 ? NULL : &end[i],
                        .step = steps[i],
                        .is_ellipsis = (m->ellipsis >> i & 1) != 0,
                        .is_new = is_new,
                        .shrinks = !is_new && (m->shrink >> i & 1) != 0};
        if (!spec_apply(b, c, p, &s, covered)) return false;
    }
    while (p->axis < p->from.rank && p->to.rank < EBB_RANK_MAX) take_whole(p);
    return p->axis == p->from.rank ? part_give(b, c, p)
                                   : tf_fail(b, c, EBB_E_SHAPE, "the result has too many axes");
}

bool tf_emit_strided_slice(tf_build *b, tf_call *c, const tf_entry *e)
{
    const masks m = {.begin = (uint64_t)tf_int(c, e, "begin_mask"),
                     .end = (uint64_t)tf_int(c, e, "end_mask"),
                     .shrink = (uint64_t)tf_int(c, e, "shrink_axis_mask"),
                     .fresh = (uint64_t)tf_int(c, e, "new_axis_mask"),
                     .ellipsis = (uint64_t)tf_int(c, e, "ellipsis_mask")};
    const dim *begin, *end;
    int64_t steps[2 * EBB_RANK_MAX];
    uint32_t count, ends, step_count, used = 0;
    bool is_data = false;
    part p = {.axis = 0};

    if (!tf_input_shape(b, c, 0, &p.from) ||
        !bounds_read(b, c, 1, m.begin | m.fresh | m.ellipsis, &begin, &count, &is_data) ||
        !bounds_read(b, c, 2, m.end | m.fresh | m.ellipsis | m.shrink, &end, &ends, &is_data) ||
        !tf_numbers(b, c, 3, "the strides", steps, 2 * EBB_RANK_MAX, &step_count))
        return false;
    if (count != ends || count != step_count || (m.ellipsis & (m.ellipsis - 1)) != 0)
        return tf_fail(b, c, EBB_E_ARGUMENT, "begin, end and strides have %u, %u and %u places",
                       count, ends, step_count);
    for (uint32_t i = 0; i < count; i++) used += ((m.ellipsis >> i | m.fresh >> i) & 1) == 0;
    const uint32_t covered = p.from.rank > used ? p.from.rank - used : 0;
    return is_data ? give_picked(b, c, &m, steps, count, covered, &p)
                   : give_ranges(b, c, &m, begin, end, steps, count, covered, &p);
}

/* -- slices and pieces ------------------------------------------------------------------------- */

bool tf_emit_slice(tf_build *b, tf_call *c, const tf_entry *e)
{
    const dim *begin, *size;
    uint32_t begins, sizes;
    int64_t number;
    part p = {.axis = 0};

    (void)e;
    if (!tf_input_shape(b, c, 0, &p.from) || !tf_lengths(b, c, 1, "the begin", &begin, &begins) ||
        !tf_lengths(b, c, 2, "the size", &size, &sizes))
        return false;
    if (begins != p.from.rank || sizes != p.from.rank)
        return tf_fail(b, c, EBB_E_SHAPE, "%u begins and %u sizes for %u axes", begins, sizes,
                       p.from.rank);
    for (uint32_t i = 0; i < p.from.rank; i++) {
        const dim rest = dim_make(b->graph, DIM_SUB, p.from.dims[i], begin[i]);
        const bool is_rest = tf_dim_number(b->graph, size[i], &number) && number == -1;
        if (tf_dim_number(b->graph, begin[i], &number) && number < 0)
            return tf_fail(b, c, EBB_E_ARGUMENT, "a begin of %lld", (long long)number);
        if (tf_dim_number(b->graph, dim_make(b->graph, DIM_SUB, rest, is_rest ? 0 : size[i]),
                          &number) &&
            number < 0)
            return tf_fail(b, c, EBB_E_SHAPE, "the part leaves axis %u", i);
        p.slice.start[i] = begin[i];
        p.slice.length[i] = p.to.dims[i] = is_rest ? rest : size[i];
        p.slice.step[i] = 1;
    }
    p.to.rank = p.from.rank;
    return part_give(b, c, &p);
}

/* `length` items from `start` on, along one axis; the axis goes if `is_dropped`. */
static bool piece_give(tf_build *b, tf_call *c, const shape *from, uint32_t axis, dim start,
                       dim length, bool is_dropped)
{
    part p = {.from = *from};

    while (p.axis < from->rank) take_whole(&p);
    p.slice.start[axis] = start;
    p.slice.length[axis] = p.to.dims[axis] = length;
    if (is_dropped) {
        for (uint32_t i = axis; i + 1 < p.to.rank; i++) p.to.dims[i] = p.to.dims[i + 1];
        p.to.rank--;
    }
    return part_give(b, c, &p);
}

/* The tensor to cut is the first for piece_give(). */
static bool swap_inputs(tf_build *b, tf_call *c, tf_tensor swapped[2])
{
    swapped[0] = c->inputs[1];
    swapped[1] = c->inputs[0];
    c->inputs = swapped;
    return graph_ok(b->graph);
}

bool tf_emit_split(tf_build *b, tf_call *c, const tf_entry *e)
{
    tf_tensor swapped[2];
    const int64_t count = tf_int(c, e, "num_split");
    uint32_t axis;
    shape s;

    if (!swap_inputs(b, c, swapped) || !tf_input_shape(b, c, 0, &s) ||
        !tf_axis(b, c, 1, s.rank, &axis))
        return false;
    if (count < 1 || count > TF_OUTPUTS_MAX)
        return tf_fail(b, c, EBB_E_ARGUMENT, "into %lld parts; 1 to %d are possible",
                       (long long)count, TF_OUTPUTS_MAX);
    if (dim_known(s.dims[axis]) && s.dims[axis] % count != 0)
        return tf_fail(b, c, EBB_E_SHAPE, "axis %u of length %lld into %lld equal parts", axis,
                       (long long)s.dims[axis], (long long)count);
    const dim length = dim_make(b->graph, DIM_DIV, s.dims[axis], count);
    for (int64_t i = 0; i < count; i++) {
        if (!piece_give(b, c, &s, axis, dim_make(b->graph, DIM_MUL, length, i), length, false))
            return false;
    }
    return true;
}

bool tf_emit_split_v(tf_build *b, tf_call *c, const tf_entry *e)
{
    const dim *sizes;
    uint32_t axis, count, open = UINT32_MAX;
    int64_t number;
    dim sum = 0, start = 0;
    shape s;

    (void)e;
    if (!tf_input_shape(b, c, 0, &s) || !tf_axis(b, c, 2, s.rank, &axis) ||
        !tf_lengths(b, c, 1, "the list of sizes", &sizes, &count))
        return false;
    if (count < 1 || count > TF_OUTPUTS_MAX)
        return tf_fail(b, c, EBB_E_ARGUMENT, "into %u parts; 1 to %d are possible", count,
                       TF_OUTPUTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const bool is_open = tf_dim_number(b->graph, sizes[i], &number) && number == -1;
        if (is_open)
            open = i;
        else
            sum = dim_make(b->graph, DIM_ADD, sum, sizes[i]);
    }
    const dim rest = dim_make(b->graph, DIM_SUB, s.dims[axis], sum);
    if (!graph_ok(b->graph)) return false;
    if (tf_dim_number(b->graph, rest, &number) && (open == UINT32_MAX ? number != 0 : number < 0))
        return tf_fail(b, c, EBB_E_SHAPE, "the sizes do not add up to the length of axis %u", axis);
    for (uint32_t i = 0; i < count; i++) {
        const dim length = i == open ? rest : sizes[i];
        if (!piece_give(b, c, &s, axis, start, length, false)) return false;
        start = dim_make(b->graph, DIM_ADD, start, length);
    }
    return true;
}

bool tf_emit_unpack(tf_build *b, tf_call *c, const tf_entry *e)
{
    const int64_t count = tf_int(c, e, "num");
    uint32_t axis;
    shape s;

    if (!tf_input_shape(b, c, 0, &s) || !tf_axis_place(b, c, tf_int(c, e, "axis"), s.rank, &axis))
        return false;
    if (count < 0 || count > TF_OUTPUTS_MAX)
        return tf_fail(b, c, EBB_E_ARGUMENT, "into %lld parts; at most %d are possible",
                       (long long)count, TF_OUTPUTS_MAX);
    if (dim_known(s.dims[axis]) && s.dims[axis] != count)
        return tf_fail(b, c, EBB_E_SHAPE, "axis %u has length %lld, not %lld", axis,
                       (long long)s.dims[axis], (long long)count);
    for (int64_t i = 0; i < count; i++) {
        if (!piece_give(b, c, &s, axis, i, 1, true)) return false;
    }
    return true;
}
