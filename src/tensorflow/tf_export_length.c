/* tf_export_length.c -- lengths that are only known when the function runs: read off the shapes of
 * its inputs and computed as I32 scalars; and the small compositions that take lengths. */
#include "tensorflow/tf_export_internal.h"

#include <stdlib.h>

#include "base/size.h"

length length_number(int64_t number)
{
    return (length){.number = number};
}

/* -- arithmetic -------------------------------------------------------------------------------- */

static int64_t floor_quotient(int64_t a, int64_t b)
{
    if (b == 0) return 0;
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static length number_make(emitter *e, dim_kind kind, int64_t a, int64_t b)
{
    int64_t result = a;
    bool fits = true;

    switch (kind) {
    case DIM_ADD: fits = i64_add(a, b, &result); break;
    case DIM_SUB: fits = !__builtin_sub_overflow(a, b, &result); break;
    case DIM_MUL: fits = i64_mul(a, b, &result); break;
    case DIM_DIV: result = floor_quotient(a, b); break;
    case DIM_DIV_UP: result = -floor_quotient(-a, b); break;
    case DIM_MAX: result = a > b ? a : b; break;
    case DIM_BROADCAST: result = a == 1 ? b : a; break;
    case DIM_INPUT:
    case DIM_SAME: break;
    }
    if (!fits) export_fail(e, EBB_E_SHAPE, "a length does not fit");
    return length_number(result);
}

/* One side is a number that settles it. */
static bool settled(dim_kind kind, length a, length b, length *result)
{
    const bool a_is = a.ref == NULL, b_is = b.ref == NULL;

    *result = a;
    if (kind == DIM_SAME) {
        if (b_is) *result = b;
        return true;
    }
    if ((kind == DIM_ADD || kind == DIM_SUB) && b_is && b.number == 0) return true;
    if ((kind == DIM_MUL || kind == DIM_DIV || kind == DIM_DIV_UP) && b_is && b.number == 1)
        return true;
    if (kind == DIM_BROADCAST && ((a_is && a.number != 1) || (b_is && b.number == 1))) return true;
    *result = b;
    if (kind == DIM_BROADCAST && (a_is || b_is)) return true;
    return (kind == DIM_ADD && a_is && a.number == 0) || (kind == DIM_MUL && a_is && a.number == 1);
}

static tensor_ref quotient_up(emitter *e, tensor_ref a, tensor_ref b)
{
    const tensor_ref down = export_2(e, TF_FloorDiv, TF_INT32, export_1(e, TF_Neg, TF_INT32, a), b);

    return export_1(e, TF_Neg, TF_INT32, down);
}

length length_make(emitter *e, dim_kind kind, length a, length b)
{
    static const operation_id operations[] = {[DIM_ADD] = TF_AddV2,
                                              [DIM_SUB] = TF_Sub,
                                              [DIM_MUL] = TF_Mul,
                                              [DIM_DIV] = TF_FloorDiv,
                                              [DIM_MAX] = TF_Maximum};
    length result = a;

    if (a.ref == NULL && b.ref == NULL) return number_make(e, kind, a.number, b.number);
    if (settled(kind, a, b, &result)) return result;
    const tensor_ref left = length_ref(e, a), right = length_ref(e, b);
    if (kind == DIM_BROADCAST) {
        const tensor_ref is_one = export_2(e, TF_Equal, TF_INT32, left, export_i32(e, 1));
        result.ref = export_3(e, TF_SelectV2, TF_INT32, is_one, right, left);
    } else if (kind == DIM_DIV_UP) {
        result.ref = quotient_up(e, left, right);
    } else {
        result.ref = export_2(e, operations[kind], TF_INT32, left, right);
    }
    return result;
}

/* -- expressions ------------------------------------------------------------------------------- */

static length axis_length(emitter *e, uint32_t input, int64_t axis)
{
    attributes a = {.count = 0}, slice = {.count = 0};
    length result = {0};

    if (e->input_shapes[input] == NULL) {
        const value v = e->g->inputs[input];
        const tensor_ref x = export_ref(e, v);
        attributes_type(&a, "T", export_type(e, v));
        attributes_type(&a, "out_type", TF_INT32);
        e->input_shapes[input] = export_node(e, TF_Shape, &x, 1, &a);
    }
    const int64_t end = axis + 1, one = 1;
    const tensor_ref inputs[] = {e->input_shapes[input], export_list(e, &axis, 1),
                                 export_list(e, &end, 1), export_list(e, &one, 1)};
    attributes_type(&slice, "T", TF_INT32);
    attributes_type(&slice, "Index", TF_INT32);
    attributes_int(&slice, "shrink_axis_mask", 1);
    result.ref = export_node(e, TF_StridedSlice, inputs, 4, &slice);
    return result;
}

/* The first axis of an input that the free symbol `d` stands for. */
static length symbol_length(emitter *e, dim d)
{
    const graph *g = e->g;

    for (uint32_t i = 0; i < g->input_count; i++) {
        const shape *s = graph_shape(g, g->inputs[i]);
        for (uint32_t k = 0; k < s->rank; k++) {
            if (s->dims[k] == d) return axis_length(e, i, k);
        }
    }
    export_fail(e, EBB_E_UNSUPPORTED, "no input tells the length '%s'",
                dim_symbol_name(g, (uint32_t)dim_symbol_number(g, d)));
    return (length){0};
}

/* What `d` is made of comes before it in the table: marked from the end, made from the front. */
length length_of(emitter *e, dim d)
{
    dim_kind kind;
    dim a, b;

    if (dim_known(d)) return length_number(d);
    const uint32_t last = (uint32_t)(-1 - d);
    if (!export_ok(e) || e->has_length[last]) return e->lengths[last];
    bool *needed = export_memory(e, (size_t)last + 1, sizeof *needed);
    if (needed == NULL) return (length){0};
    needed[last] = true;
    for (uint32_t i = last + 1; i-- > 0;) {
        if (!needed[i] || e->has_length[i] || !dim_parts(e->g, -1 - (dim)i, &kind, &a, &b) ||
            kind == DIM_INPUT)
            continue;
        if (!dim_known(a)) needed[-1 - a] = true;
        if (!dim_known(b)) needed[-1 - b] = true;
    }
    for (uint32_t i = 0; i <= last && export_ok(e); i++) {
        if (!needed[i] || e->has_length[i] || !dim_parts(e->g, -1 - (dim)i, &kind, &a, &b))
            continue;
        e->lengths[i] = kind == DIM_INPUT ? symbol_length(e, -1 - (dim)i)
                                          : length_make(e, kind, length_of(e, a), length_of(e, b));
        e->has_length[i] = true;
    }
    return e->lengths[last];
}

tensor_ref length_ref(emitter *e, length n)
{
    return n.ref != NULL ? n.ref : export_i32(e, n.number);
}

static bool are_numbers(const length *lengths, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (lengths[i].ref != NULL) return false;
    }
    return true;
}

tensor_ref length_list(emitter *e, const length *lengths, uint32_t count)
{
    attributes a = {.count = 0};
    int64_t numbers[2 * EBB_RANK_MAX];
    tensor_ref refs[2 * EBB_RANK_MAX];

    if (are_numbers(lengths, count)) {
        for (uint32_t i = 0; i < count; i++) numbers[i] = lengths[i].number;
        return export_list(e, numbers, count);
    }
    for (uint32_t i = 0; i < count; i++) refs[i] = length_ref(e, lengths[i]);
    attributes_int(&a, "N", count);
    attributes_type(&a, "T", TF_INT32);
    return export_node(e, TF_Pack, refs, count, &a);
}

tensor_ref length_shape(emitter *e, const shape *s)
{
    length lengths[EBB_RANK_MAX];

    for (uint32_t i = 0; i < s->rank; i++) lengths[i] = length_of(e, s->dims[i]);
    return length_list(e, lengths, s->rank);
}

/* -- small compositions ------------------------------------------------------------------------ */

tensor_ref export_cast(emitter *e, tensor_ref x, tf_type from, tf_type to)
{
    attributes a = {.count = 0};

    if (from == to) return x;
    attributes_type(&a, "SrcT", from);
    attributes_type(&a, "DstT", to);
    return export_node(e, TF_Cast, &x, 1, &a);
}

tensor_ref export_reduce(emitter *e, operation_id op, tf_type type, tensor_ref x, uint32_t axes,
                         uint32_t rank, bool keep_dims)
{
    attributes a = {.count = 0};
    int64_t numbers[EBB_RANK_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < rank; i++) {
        if (axes == 0 || (axes >> i & 1) != 0) numbers[count++] = i;
    }
    if (op != TF_Any && op != TF_All) attributes_type(&a, "T", type);
    attributes_bool(&a, "keep_dims", keep_dims);
    return export_node(e, op, (const tensor_ref[]){x, export_list(e, numbers, count)}, 2, &a);
}

tensor_ref export_transpose(emitter *e, tf_type type, tensor_ref x, const int64_t *order,
                            uint32_t rank)
{
    return export_2(e, TF_Transpose, type, x, export_list(e, order, rank));
}

tensor_ref export_expand(emitter *e, tf_type type, tensor_ref x, int64_t axis)
{
    return export_2(e, TF_ExpandDims, type, x, export_i32(e, axis));
}

tensor_ref export_squeeze(emitter *e, tf_type type, tensor_ref x, int64_t axis)
{
    attributes a = {.count = 0};

    attributes_type(&a, "T", type);
    attributes_ints(&a, "squeeze_dims", &axis, 1);
    return export_node(e, TF_Squeeze, &x, 1, &a);
}

tensor_ref export_reshape(emitter *e, tf_type type, tensor_ref x, const int64_t *dims,
                          uint32_t rank)
{
    return export_2(e, TF_Reshape, type, x, export_list(e, dims, rank));
}

tensor_ref export_pad(emitter *e, tf_type type, tensor_ref x, const int64_t *before,
                      const int64_t *after, uint32_t rank)
{
    int64_t numbers[2 * EBB_RANK_MAX];

    for (uint32_t i = 0; i < rank; i++) {
        numbers[2 * i] = before[i];
        numbers[2 * i + 1] = after[i];
    }
    return export_3(e, TF_PadV2, type, x, export_matrix(e, numbers, rank, 2), export_zero(e, type));
}

static bool is_whole(const length *start, const length *lengths, int64_t step, const shape *of,
                     uint32_t axis, emitter *e)
{
    const length all = length_of(e, of->dims[axis]);

    if (step != 1 || start->ref != NULL || start->number != 0) return false;
    return all.ref == lengths->ref && (all.ref != NULL || all.number == lengths->number);
}

/* Negative steps: the same elements forwards, then turned around. */
tensor_ref export_slice(emitter *e, tf_type type, tensor_ref x, const length *start,
                        const length *lengths, const int64_t *steps, const shape *of, uint32_t rank)
{
    attributes a = {.count = 0}, turn = {.count = 0};
    length begin[EBB_RANK_MAX] = {{0}}, end[EBB_RANK_MAX] = {{0}};
    int64_t step[EBB_RANK_MAX], turned[EBB_RANK_MAX], mask = 0;
    uint32_t turned_count = 0;

    for (uint32_t i = 0; i < rank; i++) {
        const length span = length_make(e, DIM_MUL, lengths[i], length_number(llabs(steps[i])));
        step[i] = llabs(steps[i]);
        begin[i] = start[i];
        if (steps[i] < 0) {
            const length back = length_make(e, DIM_SUB, span, length_number(step[i]));
            begin[i] = length_make(e, DIM_SUB, start[i], back);
            turned[turned_count++] = i;
        }
        end[i] = length_make(e, DIM_ADD, begin[i], span);
        if (!is_whole(&start[i], &lengths[i], steps[i], of, i, e)) continue;
        mask |= (int64_t)1 << i;
        begin[i] = end[i] = length_number(0);
    }
    const tensor_ref inputs[] = {x, length_list(e, begin, rank), length_list(e, end, rank),
                                 export_list(e, step, rank)};
    attributes_type(&a, "T", type);
    attributes_type(&a, "Index", TF_INT32);
    attributes_int(&a, "begin_mask", mask);
    attributes_int(&a, "end_mask", mask);
    if (mask != ((int64_t)1 << rank) - 1) x = export_node(e, TF_StridedSlice, inputs, 4, &a);
    if (turned_count == 0) return x;
    attributes_type(&turn, "T", type);
    return export_node(e, TF_ReverseV2,
                       (const tensor_ref[]){x, export_list(e, turned, turned_count)}, 2, &turn);
}
