/* tf_array.c -- tensors put together, spread, turned and picked from.
 *
 * Source: tensorflow/core/kernels/concat_op.cc, gather_op.cc, gather_nd_op.h, one_hot_op.h,
 * linalg/matrix_band_part_op.cc, reverse_sequence_op.cc, pad_op.cc, mirror_pad_op.h. Indices out of
 * range, an error there, are cut to the range here.
 */
#include "tensorflow/tf_emit.h"

#include <string.h>

/* -- join -------------------------------------------------------------------------------------- */

/* Vectors and scalars of lengths one after the other: a vector. */
static bool join_lengths(tf_build *b, tf_call *c, uint32_t first, uint32_t count, bool is_pack)
{
    dim all[TF_LENGTHS_MAX];
    uint32_t total = 0, dims[EBB_RANK_MAX] = {0}, lengths_seen = 0;
    const uint32_t rank = c->inputs[first].rank;

    for (uint32_t i = 0; i < count; i++) {
        const tf_tensor *t = &c->inputs[first + i];
        const dim *lengths;
        uint32_t many;
        if (t->type != c->inputs[first].type || !tf_find_lengths(b, t, &lengths, &many) ||
            !t->has_lengths || t->rank != rank || many > TF_LENGTHS_MAX - total)
            return false;
        memcpy(&all[total], lengths, many * sizeof *lengths);
        total += many;
        lengths_seen += rank > 0 ? t->dims[0] : 1;
        for (uint32_t k = 1; k < rank; k++)
            if (t->dims[k] != c->inputs[first].dims[k]) return false;
    }
    const tf_tensor *t = &c->inputs[first];
    for (uint32_t k = 0; k < rank; k++) dims[k + (is_pack ? 1 : 0)] = t->dims[k];
    dims[0] = is_pack ? count : lengths_seen;
    if (is_pack)
        for (uint32_t i = 1; i < count; i++)
            if (rank > 0 && c->inputs[first + i].dims[0] != t->dims[0]) return false;
    return tf_give_lengths(b, c, t->type, rank + (is_pack ? 1 : 0), dims, all, total);
}

static bool same_types(tf_build *b, const tf_call *c, uint32_t first, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (c->inputs[first + i].type != c->inputs[first].type)
            return tf_fail(b, c, EBB_E_DTYPE, "its inputs need one type, they are %s and %s",
                           tf_type_name(c->inputs[first].type),
                           tf_type_name(c->inputs[first + i].type));
    }
    return true;
}

bool tf_emit_pack(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    shape s, to = {.rank = 0};
    uint32_t axis;

    if (!same_types(b, c, 0, c->input_count) || !tf_input_shape(b, c, 0, &s) ||
        !tf_axis_place(b, c, tf_int(c, e, "axis"), s.rank + 1, &axis))
        return false;
    if (s.rank == EBB_RANK_MAX)
        return tf_fail(b, c, EBB_E_SHAPE, "more than %d axes", EBB_RANK_MAX);
    if (axis == 0 && join_lengths(b, c, 0, c->input_count, true)) return true;
    value *items = tf_memory(b, c->input_count, sizeof *items);
    if (items == NULL) return false;
    for (uint32_t i = 0; i < c->input_count; i++) {
        const value v = tf_input(b, c, i);
        if (v == VALUE_NONE) return false;
        if (graph_rank(g, v) != s.rank)
            return tf_fail(b, c, EBB_E_SHAPE, "inputs with %u and %u axes", s.rank,
                           graph_rank(g, v));
        s = *graph_shape(g, v);
        to.rank = 0;
        for (uint32_t k = 0; k <= s.rank; k++) {
            if (k == axis) to.dims[to.rank++] = 1;
            if (k < s.rank) to.dims[to.rank++] = s.dims[k];
        }
        items[i] = op_reshape(g, v, &to);
    }
    return tf_give(b, c, 0, op_concat(g, items, c->input_count, (int)axis), c->inputs[0].type);
}

/* parameter 1: the axis comes first (Concat), 2: last (ConcatV2). */
bool tf_emit_concat(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const uint32_t first = e->parameter == 1 ? 1 : 0, count = c->input_count - 1;
    uint32_t axis;
    shape s;

    if (!same_types(b, c, first, count) || !tf_input_shape(b, c, first, &s) ||
        !tf_axis(b, c, e->parameter == 1 ? 0 : count, s.rank, &axis))
        return false;
    if (axis == 0 && join_lengths(b, c, first, count, false)) return true;
    value *items = tf_memory(b, count, sizeof *items);
    if (items == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
        items[i] = tf_input(b, c, first + i);
        if (items[i] == VALUE_NONE) return false;
    }
    const value v = count == 1 ? items[0] : op_concat(g, items, count, (int)axis);
    return tf_give(b, c, 0, v, c->inputs[first].type);
}

/* -- spread, turn ------------------------------------------------------------------------------ */

bool tf_emit_transpose(tf_build *b, tf_call *c, const tf_entry *e)
{
    int64_t numbers[EBB_RANK_MAX];
    uint32_t order[EBB_RANK_MAX], count;
    const value x = tf_input(b, c, 0);

    (void)e;
    if (x == VALUE_NONE || !tf_numbers(b, c, 1, "the order", numbers, EBB_RANK_MAX, &count))
        return false;
    if (count != graph_rank(b->graph, x))
        return tf_fail(b, c, EBB_E_SHAPE, "an order of %u axes for a tensor of %u", count,
                       graph_rank(b->graph, x));
    for (uint32_t i = 0; i < count; i++)
        if (!tf_axis_place(b, c, numbers[i], count, &order[i])) return false;
    return tf_give(b, c, 0, tf_transpose(b, x, order), c->inputs[0].type);
}

/* [a, b] twice and three times over is [2, a, 3, b] broadcast from [1, a, 1, b]. */
bool tf_emit_tile(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const dim *times;
    uint32_t count, repeated = 0;
    value x = tf_input(b, c, 0);

    (void)e;
    if (x == VALUE_NONE || !tf_lengths(b, c, 1, "the multiples", &times, &count)) return false;
    const shape s = *graph_shape(g, x);
    shape from = {.rank = 0}, wide = {.rank = 0}, to = s;
    if (count != s.rank)
        return tf_fail(b, c, EBB_E_SHAPE, "%u multiples for %u axes", count, s.rank);
    for (uint32_t i = 0; i < s.rank; i++) repeated += times[i] != 1 && s.dims[i] != 1;
    if (repeated + s.rank > EBB_RANK_MAX)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "of too many axes at once");
    for (uint32_t i = 0; i < s.rank; i++) {
        to.dims[i] = dim_make(g, DIM_MUL, s.dims[i], times[i]);
        if (times[i] != 1 && s.dims[i] != 1) {
            from.dims[from.rank++] = 1;
            wide.dims[wide.rank++] = times[i];
        }
        from.dims[from.rank++] = s.dims[i];
        wide.dims[wide.rank++] = s.dims[i] == 1 ? times[i] : s.dims[i];
    }
    x = op_broadcast(g, tf_reshape(b, x, &from), &wide);
    return tf_give(b, c, 0, tf_reshape(b, x, &to), c->inputs[0].type);
}

/* Axes from input 1: numbers (ReverseV2) or one truth for each (Reverse). */
bool tf_emit_reverse(tf_build *b, tf_call *c, const tf_entry *e)
{
    int64_t numbers[EBB_RANK_MAX];
    uint32_t count, axis;
    value x = tf_input(b, c, 0);

    if (x == VALUE_NONE || !tf_numbers(b, c, 1, "the axes", numbers, EBB_RANK_MAX, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (e->parameter == 1 && numbers[i] == 0) continue;
        if (!tf_axis_place(b, c, e->parameter == 1 ? i : numbers[i], graph_rank(b->graph, x),
                           &axis))
            return false;
        x = op_reverse(b->graph, x, (int)axis);
    }
    return tf_give(b, c, 0, x, c->inputs[0].type);
}

bool tf_emit_roll(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    int64_t shifts[EBB_RANK_MAX], axes[EBB_RANK_MAX];
    uint32_t shift_count, count, axis;
    value x = tf_input(b, c, 0);

    (void)e;
    if (x == VALUE_NONE || !tf_numbers(b, c, 1, "the shift", shifts, EBB_RANK_MAX, &shift_count) ||
        !tf_numbers(b, c, 2, "the axes", axes, EBB_RANK_MAX, &count))
        return false;
    if (shift_count != count) return tf_fail(b, c, EBB_E_SHAPE, "one shift for each axis");
    for (uint32_t i = 0; i < count && graph_ok(g); i++) {
        if (!tf_axis_place(b, c, axes[i], graph_rank(g, x), &axis)) return false;
        const dim length = graph_dim(g, x, (int)axis), shift = tf_dim_of(b, shifts[i]);
        if (length == 0 || shifts[i] == 0) continue;
        const dim turns = dim_make(g, DIM_MUL, dim_make(g, DIM_DIV, shift, length), length);
        const dim over = dim_make(g, DIM_SUB, shift, turns); /* shift mod length */
        const dim rest = dim_make(g, DIM_SUB, length, over);
        const value parts[] = {op_slice_axis(g, x, (int)axis, rest, over, 1),
                               op_slice_axis(g, x, (int)axis, 0, rest, 1)};
        if (over != 0) x = op_concat(g, parts, 2, (int)axis);
    }
    return tf_give(b, c, 0, x, c->inputs[0].type);
}

/* -- pads -------------------------------------------------------------------------------------- */

static bool paddings_read(tf_build *b, const tf_call *c, uint32_t rank, pad_attributes *pad)
{
    const dim *list;
    uint32_t count;

    if (!tf_lengths(b, c, 1, "the padding", &list, &count)) return false;
    if (count != 2 * rank)
        return tf_fail(b, c, EBB_E_SHAPE, "%u paddings for %u axes", count, rank);
    for (uint32_t i = 0; i < rank; i++) {
        pad->before[i] = list[2 * i];
        pad->after[i] = list[2 * i + 1];
    }
    return true;
}

/* What the padding holds is computed: chosen where ones were padded with zeros. */
static value pad_with(tf_build *b, const tf_call *c, value x, const pad_attributes *pad)
{
    graph *g = b->graph;
    const value ones = op_broadcast(g, graph_scalar(g, 1), graph_shape(g, x));
    const value inside = op_compare(g, COMPARE_NOT_EQUAL, op_pad(g, ones, pad), graph_scalar(g, 0));

    return op_select(g, inside, op_pad(g, x, pad), tf_input(b, c, 2));
}

bool tf_emit_pad(tf_build *b, tf_call *c, const tf_entry *e)
{
    pad_attributes pad = {.kind = PAD_CONSTANT};
    const tf_type type = c->inputs[0].type;
    value x = tf_input(b, c, 0);
    double number = 0;

    if (x == VALUE_NONE || !paddings_read(b, c, graph_rank(b->graph, x), &pad)) return false;
    const bool is_known = e->parameter == 1 || tf_find_scalar(b, &c->inputs[2], &number);
    if (!graph_ok(b->graph)) return false;
    if (!is_known || (tf_is_integer(type) && (float)number != number))
        return tf_give(b, c, 0, pad_with(b, c, x, &pad), type);
    pad.number = (float)number;
    return tf_give(b, c, 0, op_pad(b->graph, x, &pad), type);
}

bool tf_emit_mirror_pad(tf_build *b, tf_call *c, const tf_entry *e)
{
    pad_attributes pad = {.kind =
                              tf_text_is(c, e, "mode", "REFLECT") ? PAD_REFLECT : PAD_SYMMETRIC};
    const value x = tf_input(b, c, 0);

    return x != VALUE_NONE && paddings_read(b, c, graph_rank(b->graph, x), &pad) &&
           tf_give(b, c, 0, op_pad(b->graph, x, &pad), c->inputs[0].type);
}

/* -- pick -------------------------------------------------------------------------------------- */

/* Elements of a vector of lengths. */
static bool gather_lengths(tf_build *b, tf_call *c)
{
    const tf_tensor *x = &c->inputs[0], *t = &c->inputs[1];
    dim results[TF_LENGTHS_MAX];
    int64_t place;

    if (!x->has_lengths || !t->has_lengths || x->rank != 1) return false;
    for (uint32_t i = 0; i < t->length_count; i++) {
        if (!tf_dim_number(b->graph, t->lengths[i], &place) || place < 0 ||
            place >= x->length_count)
            return false;
        results[i] = x->lengths[place];
    }
    return tf_give_lengths(b, c, x->type, t->rank, t->dims, results, t->length_count);
}

/* `shared` leading axes of both, fewer than `axis`: the axis moves to the front of the others, and
 * what was before it back. */
static value gather_moved(tf_build *b, value x, value indices, uint32_t axis, uint32_t shared)
{
    graph *g = b->graph;
    uint32_t order[EBB_RANK_MAX], back[EBB_RANK_MAX], place = 0;
    const uint32_t rank = graph_rank(g, x), picked = graph_rank(g, indices) - shared;
    const gather_attributes a = {.axis = shared, .batch_dims = shared};

    for (uint32_t i = 0; i < rank; i++)
        order[i] = i < shared ? i : i == shared ? axis : i <= axis ? i - 1 : i;
    const value y = op_gather_with(g, tf_transpose(b, x, order), indices, &a);
    /* y: shared, picked, axes shared .. axis - 1 of x, the rest. */
    for (uint32_t i = 0; i < shared; i++) back[place++] = i;
    for (uint32_t i = shared; i < axis; i++) back[place++] = i + picked;
    for (uint32_t i = 0; i < picked; i++) back[place++] = shared + i;
    while (graph_ok(g) && place < graph_rank(g, y)) {
        back[place] = place;
        place++;
    }
    return tf_transpose(b, y, back);
}

static bool give_gathered(tf_build *b, tf_call *c, value x, value indices, uint32_t axis,
                          int64_t shared)
{
    graph *g = b->graph;
    const int64_t rank = graph_rank(g, indices);

    if (shared < 0) shared += rank;
    if (shared < 0 || shared > rank || shared > axis)
        return tf_fail(b, c, EBB_E_ARGUMENT, "%lld shared axes, with axis %u", (long long)shared,
                       axis);
    const gather_attributes a = {.axis = axis, .batch_dims = (uint32_t)shared};
    const value y = shared == 0 || shared == axis
                        ? op_gather_with(g, x, indices, &a)
                        : gather_moved(b, x, indices, axis, (uint32_t)shared);
    return tf_give(b, c, 0, y, c->inputs[0].type == TF_RESOURCE ? TF_NONE : c->inputs[0].type);
}

bool tf_emit_gather(tf_build *b, tf_call *c, const tf_entry *e)
{
    shape s;
    uint32_t axis = 0;

    if (!tf_input_shape(b, c, 0, &s)) return false;
    if (e->parameter == 2 && !tf_axis(b, c, 2, s.rank, &axis)) return false;
    if (gather_lengths(b, c)) return true;
    const value x = tf_input(b, c, 0), indices = tf_input(b, c, 1);
    return graph_ok(b->graph) && give_gathered(b, c, x, indices, axis,
                                               e->parameter == 2 ? tf_int(c, e, "batch_dims") : 0);
}

bool tf_emit_resource_gather(tf_build *b, tf_call *c, const tf_entry *e)
{
    const value x = tf_input(b, c, 0), indices = tf_input(b, c, 1);

    return graph_ok(b->graph) &&
           give_gathered(b, c, x, indices, (uint32_t)tf_int(c, e, "batch_dims"),
                         tf_int(c, e, "batch_dims"));
}

/* Places in the first axes become one place in all of them together. */
bool tf_emit_gather_nd(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const value x = tf_input(b, c, 0), indices = tf_input(b, c, 1);

    (void)e;
    if (!graph_ok(g)) return false;
    const shape sx = *graph_shape(g, x), si = *graph_shape(g, indices);
    const dim depth = si.rank > 0 ? si.dims[si.rank - 1] : 0;
    if (!dim_known(depth) || depth < 1 || depth > sx.rank)
        return tf_fail(b, c, EBB_E_UNSUPPORTED,
                       "the last axis of the indices must be known, from 1 to %u", sx.rank);
    shape flat = {.rank = 1, .dims = {1}}, places = si;
    places.rank--;
    for (uint32_t i = 0; i < depth; i++)
        flat.dims[0] = dim_make(g, DIM_MUL, flat.dims[0], sx.dims[i]);
    for (uint32_t i = (uint32_t)depth; i < sx.rank; i++) flat.dims[flat.rank++] = sx.dims[i];
    value at = VALUE_NONE;
    for (dim i = 0; i < depth; i++) {
        const value one =
            tf_reshape(b, op_slice_axis(g, indices, (int)si.rank - 1, i, 1, 1), &places);
        at = at == VALUE_NONE ? one : op_add(g, op_mul(g, at, tf_length_value(b, sx.dims[i])), one);
    }
    return tf_give(b, c, 0, op_gather(g, tf_reshape(b, x, &flat), at, 0), c->inputs[0].type);
}

/* -- made of places ---------------------------------------------------------------------------- */

bool tf_emit_one_hot(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const tf_type type = c->inputs[2].type;
    const value indices = tf_input(b, c, 0);
    uint32_t order[EBB_RANK_MAX], axis;
    int64_t depth;

    if (indices == VALUE_NONE || !tf_number(b, c, 1, "the depth", &depth) ||
        !tf_axis_place(b, c, tf_int(c, e, "axis"), graph_rank(g, indices) + 1, &axis))
        return false;
    const value on = tf_input(b, c, 2), off = tf_input(b, c, 3);
    value y = op_one_hot(g, indices, depth);
    if (!graph_ok(g)) return false;
    const uint32_t rank = graph_rank(g, y);
    for (uint32_t i = 0; i < rank; i++) order[i] = i < axis ? i : i == axis ? rank - 1 : i - 1;
    y = tf_transpose(b, y, order);
    double high = 0, low = 1;
    const bool is_plain = tf_is_float(type) && tf_find_scalar(b, &c->inputs[2], &high) &&
                          tf_find_scalar(b, &c->inputs[3], &low) && high == 1 && low == 0;
    if (!is_plain)
        y = op_select(g, op_compare(g, COMPARE_NOT_EQUAL, y, graph_scalar(g, 0)), on, off);
    return tf_give(b, c, 0, y, type);
}

/* column - row of the last two axes: I32 [rows, columns]. */
static value diagonal_of(tf_build *b, dim rows, dim columns)
{
    graph *g = b->graph;
    const value row = op_reshape(g, op_iota(g, rows), &(shape){.rank = 2, .dims = {rows, 1}});

    return op_sub(g, op_iota(g, columns), row);
}

bool tf_emit_matrix_band_part(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const tf_type type = c->inputs[0].type;
    const value x = tf_input(b, c, 0), lower = tf_input(b, c, 1), upper = tf_input(b, c, 2);

    (void)e;
    if (!graph_ok(g)) return false;
    if (graph_rank(g, x) < 2) return tf_fail(b, c, EBB_E_SHAPE, "takes two or more axes");
    const value zero = graph_scalar_i32(g, 0), far = graph_scalar_i32(g, INT32_MAX);
    const value below = op_select(g, op_compare(g, COMPARE_LESS, lower, zero), far, lower);
    const value above = op_select(g, op_compare(g, COMPARE_LESS, upper, zero), far, upper);
    const value distance = diagonal_of(b, graph_dim(g, x, -2), graph_dim(g, x, -1));
    const value in_band = op_binary(
        g, BINARY_AND, op_compare(g, COMPARE_LESS_EQUAL, op_unary(g, UNARY_NEG, distance), below),
        op_compare(g, COMPARE_LESS_EQUAL, distance, above));
    return tf_give(b, c, 0, op_select(g, in_band, x, tf_scalar(b, 0, tf_compute(type))), type);
}

bool tf_emit_matrix_diag(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const tf_type type = c->inputs[0].type;
    const value x = tf_input(b, c, 0);

    (void)e;
    if (x == VALUE_NONE) return false;
    shape s = *graph_shape(g, x);
    if (s.rank == 0 || s.rank == EBB_RANK_MAX) return tf_fail(b, c, EBB_E_SHAPE, "of a scalar");
    const dim length = s.dims[s.rank - 1];
    s.dims[s.rank++] = 1;
    const value on =
        op_compare(g, COMPARE_EQUAL, diagonal_of(b, length, length), graph_scalar_i32(g, 0));
    return tf_give(b, c, 0,
                   op_select(g, on, op_reshape(g, x, &s), tf_scalar(b, 0, tf_compute(type))), type);
}

bool tf_emit_matrix_diag_part(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const value x = tf_input(b, c, 0);

    (void)e;
    if (x == VALUE_NONE) return false;
    const shape s = *graph_shape(g, x);
    if (s.rank < 2) return tf_fail(b, c, EBB_E_SHAPE, "takes two or more axes");
    const dim rows = s.dims[s.rank - 2], columns = s.dims[s.rank - 1];
    const dim length = tf_dim_min(b, rows, columns);
    shape flat = s;
    flat.rank--;
    flat.dims[flat.rank - 1] = dim_make(g, DIM_MUL, rows, columns);
    const value step = tf_length_value(b, dim_make(g, DIM_ADD, columns, 1));
    const value places = op_mul(g, op_iota(g, length), step);
    return tf_give(b, c, 0, op_gather(g, op_reshape(g, x, &flat), places, (int)flat.rank - 1),
                   c->inputs[0].type);
}

/* The first `length` items of each row turned around: gathered from length - 1 - i. */
bool tf_emit_reverse_sequence(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const value x = tf_input(b, c, 0), lengths = tf_input(b, c, 1);
    uint32_t along, rows;

    if (!graph_ok(g)) return false;
    const shape s = *graph_shape(g, x);
    if (!tf_axis_place(b, c, tf_int(c, e, "seq_dim"), s.rank, &along) ||
        !tf_axis_place(b, c, tf_int(c, e, "batch_dim"), s.rank, &rows))
        return false;
    if (along == rows || graph_rank(g, lengths) != 1)
        return tf_fail(b, c, EBB_E_SHAPE, "takes one length for each row");
    uint32_t order[EBB_RANK_MAX], back[EBB_RANK_MAX], place = 2;
    order[0] = rows;
    order[1] = along;
    for (uint32_t i = 0; i < s.rank; i++)
        if (i != rows && i != along) order[place++] = i;
    for (uint32_t i = 0; i < s.rank; i++) back[order[i]] = i;
    const shape tall = {.rank = 2, .dims = {s.dims[rows], 1}};
    const value many = op_reshape(g, lengths, &tall), i = op_iota(g, s.dims[along]);
    const value mirrored = op_sub(g, op_sub(g, many, graph_scalar_i32(g, 1)), i);
    const value at = op_select(g, op_compare(g, COMPARE_LESS, i, many), mirrored, i);
    const gather_attributes a = {.axis = 1, .batch_dims = 1};
    const value y = op_gather_with(g, tf_transpose(b, x, order), at, &a);
    return tf_give(b, c, 0, tf_transpose(b, y, back), c->inputs[0].type);
}
