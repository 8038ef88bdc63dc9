/* tf_tensor.c -- tensors of TensorFlow beside values of our graph: types, what is known of their
 * elements, inputs and outputs of calls. */
#include "tensorflow/tf_call.h"

#include <string.h>

#include "base/size.h"
#include "tensor/dtype.h"

/* Integers below this are kept as lengths only in short tensors: each is an entry in the table of
 * lengths. */
#define LOW_LENGTHS_MAX 16

/* -- types ------------------------------------------------------------------------------------- */

ebb_dtype tf_compute(tf_type type)
{
    const ebb_dtype dtype = tf_type_dtype(type);

    if (dtype == EBB_DTYPE_NONE || dtype == EBB_BOOL) return dtype;
    return dtype_is_float(dtype) ? EBB_F32 : dtype_is_integer(dtype) ? EBB_I32 : EBB_DTYPE_NONE;
}

bool tf_is_integer(tf_type type)
{
    return tf_compute(type) == EBB_I32;
}

bool tf_is_float(tf_type type)
{
    return tf_compute(type) == EBB_F32;
}

value tf_wrap(tf_build *b, value v, tf_type type)
{
    const ebb_dtype dtype = tf_type_dtype(type);

    if (!tf_is_integer(type) || ebb_dtype_bytes(dtype) >= 4) return v;
    return op_cast(b->graph, op_cast(b->graph, v, dtype), EBB_I32);
}

static bool keeps_lengths(tf_type type)
{
    return type == TF_INT32 || type == TF_INT64 || type == TF_BOOL;
}

/* -- values ------------------------------------------------------------------------------------ */

value tf_scalar(tf_build *b, double number, ebb_dtype dtype)
{
    const uint8_t truth = number != 0;

    if (dtype == EBB_F32) return graph_scalar(b->graph, (float)number);
    if (dtype == EBB_I32) return graph_scalar_i32(b->graph, (int32_t)number);
    return graph_constant(b->graph, EBB_BOOL, &(shape){.rank = 0}, &truth);
}

value tf_reshape(tf_build *b, value x, const shape *to)
{
    if (!graph_ok(b->graph) || shape_equal(graph_shape(b->graph, x), to)) return x;
    return op_reshape(b->graph, x, to);
}

value tf_transpose(tf_build *b, value x, const uint32_t *order)
{
    bool moves = false;

    if (!graph_ok(b->graph)) return VALUE_NONE;
    for (uint32_t i = 0; i < graph_rank(b->graph, x); i++) moves |= order[i] != i;
    return moves ? op_transpose(b->graph, x, order) : x;
}

value tf_channels_last(tf_build *b, value x)
{
    uint32_t order[EBB_RANK_MAX] = {0};

    if (!graph_ok(b->graph)) return VALUE_NONE;
    const uint32_t rank = graph_rank(b->graph, x);
    for (uint32_t i = 1; i + 1 < rank; i++) order[i] = i + 1;
    if (rank > 1) order[rank - 1] = 1;
    return tf_transpose(b, x, order);
}

value tf_channels_first(tf_build *b, value x)
{
    uint32_t order[EBB_RANK_MAX] = {0};

    if (!graph_ok(b->graph)) return VALUE_NONE;
    const uint32_t rank = graph_rank(b->graph, x);
    for (uint32_t i = 2; i < rank; i++) order[i] = i - 1;
    if (rank > 1) order[1] = rank - 1;
    return tf_transpose(b, x, order);
}

value tf_length_value(tf_build *b, dim d)
{
    graph *g = b->graph;
    int64_t number;

    if (tf_dim_number(g, d, &number)) {
        if (number < INT32_MIN || number > INT32_MAX)
            return graph_fail(g, EBB_E_UNSUPPORTED,
                              "the integer %lld does not fit the 32 bits that integers are "
                              "computed in",
                              (long long)number);
        return graph_scalar_i32(g, (int32_t)number);
    }
    if (tf_dim_is_positive(g, d)) return op_length(g, d);
    const value above = op_length(g, dim_make(g, DIM_MAX, d, 0));
    const value below = op_length(g, dim_make(g, DIM_MAX, dim_make(g, DIM_SUB, 0, d), 0));
    return op_sub(g, above, below);
}

static bool lengths_known(const graph *g, const tf_tensor *t)
{
    int64_t number;

    for (uint32_t i = 0; i < t->length_count; i++) {
        if (!tf_dim_number(g, t->lengths[i], &number)) return false;
    }
    return true;
}

static shape lengths_shape(const tf_tensor *t)
{
    shape s = {.rank = t->rank};

    for (uint32_t i = 0; i < t->rank; i++) s.dims[i] = t->dims[i];
    return s;
}

/* All elements are numbers: a constant. */
static value lengths_constant(tf_build *b, const tf_tensor *t)
{
    int32_t numbers[TF_LENGTHS_MAX];
    uint8_t truths[TF_LENGTHS_MAX];
    const shape s = lengths_shape(t);

    for (uint32_t i = 0; i < t->length_count; i++) {
        int64_t number = 0;
        (void)tf_dim_number(b->graph, t->lengths[i], &number);
        if (number < INT32_MIN || number > INT32_MAX)
            return graph_fail(b->graph, EBB_E_UNSUPPORTED,
                              "the integer %lld does not fit the 32 bits that integers are "
                              "computed in",
                              (long long)number);
        numbers[i] = (int32_t)number;
        truths[i] = number != 0;
    }
    if (t->type == TF_BOOL) return graph_constant(b->graph, EBB_BOOL, &s, truths);
    return graph_constant(b->graph, EBB_I32, &s, numbers);
}

static value lengths_value(tf_build *b, const tf_tensor *t)
{
    value items[TF_LENGTHS_MAX];
    const shape one = {.rank = 1, .dims = {1}}, s = lengths_shape(t);

    if (lengths_known(b->graph, t)) return lengths_constant(b, t);
    if (t->rank == 0) return tf_length_value(b, t->lengths[0]);
    for (uint32_t i = 0; i < t->length_count; i++)
        items[i] = op_reshape(b->graph, tf_length_value(b, t->lengths[i]), &one);
    return tf_reshape(b, op_concat(b->graph, items, t->length_count, 0), &s);
}

/* A value of any dtype in the one that it is computed in. */
static value computed(tf_build *b, value v)
{
    if (!graph_ok(b->graph) || v == VALUE_NONE) return VALUE_NONE;
    const ebb_dtype dtype = graph_value(b->graph, v)->dtype;
    return dtype == EBB_BOOL       ? v
           : dtype_is_float(dtype) ? op_cast(b->graph, v, EBB_F32)
                                   : op_cast(b->graph, v, EBB_I32);
}

value tf_value(tf_build *b, const tf_tensor *t)
{
    if (!graph_ok(b->graph)) return VALUE_NONE;
    if (t->v != VALUE_NONE) return t->v;
    if (t->has_lengths) return lengths_value(b, t);
    if (t->type == TF_RESOURCE && b->variables.read != NULL)
        return computed(b, b->variables.read(b->variables.context, t->resource));
    return graph_fail(b->graph, EBB_E_UNSUPPORTED, "a tensor of type %s has no numbers",
                      tf_type_name(t->type));
}

tf_tensor tf_tensor_of(const tf_build *b, value v, tf_type type)
{
    tf_tensor t = {.type = type, .v = v};

    if (type == TF_NONE && v != VALUE_NONE && graph_ok(b->graph))
        t.type = tf_type_of(graph_value(b->graph, v)->dtype);
    return t;
}

/* -- constants --------------------------------------------------------------------------------- */

static int64_t integer_at(const tf_constant *c, uint64_t i)
{
    if (c->type == TF_INT64) return ((const int64_t *)c->data)[i];
    if (c->type == TF_BOOL) return ((const uint8_t *)c->data)[i] != 0;
    return ((const int32_t *)c->data)[i];
}

/* Are these integers worth keeping as lengths? */
static bool constant_is_lengths(const tf_constant *c)
{
    if (!keeps_lengths(c->type) || c->count > TF_LENGTHS_MAX) return false;
    for (uint64_t i = 0; i < c->count; i++) {
        const int64_t number = integer_at(c, i);
        if (number == INT64_MIN || (number < -1 && c->count > LOW_LENGTHS_MAX)) return false;
    }
    return true;
}

static bool constant_lengths(tf_build *b, const tf_constant *c, tf_tensor *result)
{
    dim *lengths = tf_memory(b, c->count + 1, sizeof *lengths);

    if (lengths == NULL) return false;
    *result = (tf_tensor){.type = c->type,
                          .has_lengths = true,
                          .rank = c->shape.rank,
                          .length_count = (uint32_t)c->count,
                          .lengths = lengths};
    for (uint32_t i = 0; i < c->shape.rank; i++) result->dims[i] = (uint32_t)c->shape.dims[i];
    for (uint64_t i = 0; i < c->count; i++) lengths[i] = tf_dim_of(b, integer_at(c, i));
    return graph_ok(b->graph);
}

static bool fits_32_bits(const tf_constant *c)
{
    for (uint64_t i = 0; i < c->count; i++) {
        const int64_t number = c->type == TF_INT64    ? ((const int64_t *)c->data)[i]
                               : c->type == TF_UINT32 ? ((const uint32_t *)c->data)[i]
                                                      : 0;
        const bool is_large = c->type == TF_UINT64 && ((const uint64_t *)c->data)[i] > INT32_MAX;
        if (number < INT32_MIN || number > INT32_MAX || is_large) return false;
    }
    return true;
}

bool tf_tensor_constant(tf_build *b, const tf_constant *c, tf_tensor *result)
{
    const ebb_dtype dtype = tf_type_dtype(c->type), compute = tf_compute(c->type);
    shape s = {.rank = c->shape.rank};
    uint64_t count = 1;
    size_t bytes;

    if (!graph_ok(b->graph)) return false;
    *result = (tf_tensor){.type = c->type};
    if (c->type == TF_STRING) return true; /* for what is never computed: messages, names */
    if (dtype == EBB_DTYPE_NONE || compute == EBB_DTYPE_NONE) {
        (void)graph_fail(b->graph, EBB_E_UNSUPPORTED, "a constant of type %s is not supported",
                         tf_type_name(c->type));
        return false;
    }
    if (s.rank > EBB_RANK_MAX || !c->shape.has_rank) {
        (void)graph_fail(b->graph, EBB_E_SHAPE, "a constant of unknown or too high rank");
        return false;
    }
    for (uint32_t i = 0; i < s.rank; i++) {
        s.dims[i] = c->shape.dims[i];
        if (s.dims[i] < 0 || !u64_mul(count, (uint64_t)s.dims[i], &count)) count = UINT64_MAX;
    }
    if (count != c->count || !size_mul(c->count, ebb_dtype_bytes(compute), &bytes)) {
        (void)graph_fail(b->graph, EBB_E_SHAPE, "a constant whose elements do not fill its shape");
        return false;
    }
    if (constant_is_lengths(c)) return constant_lengths(b, c, result);
    if (!fits_32_bits(c)) {
        (void)graph_fail(
            b->graph, EBB_E_UNSUPPORTED,
            "a constant has integers beyond the 32 bits that integers are computed in");
        return false;
    }
    void *numbers = tf_memory(b, bytes + 1, 1);
    if (numbers == NULL) return false;
    dtype_convert(compute, numbers, dtype, c->data, (size_t)c->count);
    result->v = graph_constant(b->graph, compute, &s, numbers);
    return graph_ok(b->graph);
}

/* -- inputs ------------------------------------------------------------------------------------ */

value tf_input(tf_build *b, const tf_call *c, uint32_t i)
{
    return tf_value(b, &c->inputs[i]);
}

bool tf_input_shape(tf_build *b, const tf_call *c, uint32_t i, shape *result)
{
    const tf_tensor *t = &c->inputs[i];

    if (t->v == VALUE_NONE && t->has_lengths) {
        *result = lengths_shape(t);
        return true;
    }
    const value v = tf_value(b, t);
    if (v == VALUE_NONE) return false;
    *result = *graph_shape(b->graph, v);
    return true;
}

/* Elements of a small constant of our own graph. */
static bool constant_elements(tf_build *b, value v, const dim **lengths, uint32_t *count)
{
    const value_info *info = graph_value(b->graph, v);

    if (info->kind != VALUE_CONSTANT || info->dtype != EBB_I32) return false;
    const uint64_t elements = shape_count_at(&info->shape, NULL);
    if (elements > TF_LENGTHS_MAX) return false;
    dim *list = tf_memory(b, elements + 1, sizeof *list);
    if (list == NULL) return false;
    for (uint64_t i = 0; i < elements; i++)
        list[i] = tf_dim_of(b, ((const int32_t *)info->data)[i]);
    *lengths = list;
    *count = (uint32_t)elements;
    return graph_ok(b->graph);
}

bool tf_find_lengths(tf_build *b, const tf_tensor *t, const dim **lengths, uint32_t *count)
{
    if (!graph_ok(b->graph)) return false;
    if (!t->has_lengths) return t->v != VALUE_NONE && constant_elements(b, t->v, lengths, count);
    *lengths = t->lengths;
    *count = t->length_count;
    return true;
}

bool tf_lengths(tf_build *b, const tf_call *c, uint32_t i, const char *what, const dim **lengths,
                uint32_t *count)
{
    if (tf_find_lengths(b, &c->inputs[i], lengths, count)) return true;
    return tf_fail(b, c, EBB_E_UNSUPPORTED,
                   "%s is computed from data; only constants and lengths of tensors can be used",
                   what);
}

bool tf_length(tf_build *b, const tf_call *c, uint32_t i, const char *what, dim *length)
{
    const dim *lengths = NULL;
    uint32_t count = 0;

    if (!tf_lengths(b, c, i, what, &lengths, &count)) return false;
    if (count != 1) return tf_fail(b, c, EBB_E_SHAPE, "%s has %u elements, not one", what, count);
    *length = lengths[0];
    return true;
}

bool tf_numbers(tf_build *b, const tf_call *c, uint32_t i, const char *what, int64_t *numbers,
                uint32_t count_max, uint32_t *count)
{
    const dim *lengths;

    if (!tf_lengths(b, c, i, what, &lengths, count)) return false;
    if (*count > count_max)
        return tf_fail(b, c, EBB_E_SHAPE, "%s has %u elements, more than %u", what, *count,
                       count_max);
    for (uint32_t k = 0; k < *count; k++) {
        if (!tf_dim_number(b->graph, lengths[k], &numbers[k]))
            return tf_fail(b, c, EBB_E_UNSUPPORTED,
                           "%s depends on the lengths of the inputs; it must be constant", what);
    }
    return true;
}

bool tf_number(tf_build *b, const tf_call *c, uint32_t i, const char *what, int64_t *number)
{
    uint32_t count;

    if (!tf_numbers(b, c, i, what, number, 1, &count)) return false;
    return count == 1 || tf_fail(b, c, EBB_E_SHAPE, "%s has no element", what);
}

bool tf_find_scalar(tf_build *b, const tf_tensor *t, double *number)
{
    int64_t integer;

    if (!graph_ok(b->graph)) return false;
    if (t->has_lengths) {
        if (t->length_count != 1 || !tf_dim_number(b->graph, t->lengths[0], &integer)) return false;
        *number = (double)integer;
        return true;
    }
    if (t->v == VALUE_NONE) return false;
    const value_info *info = graph_value(b->graph, t->v);
    if (info->kind != VALUE_CONSTANT || shape_count_at(&info->shape, NULL) != 1) return false;
    dtype_convert(EBB_F64, number, info->dtype, info->data, 1);
    return true;
}

bool tf_axis_place(tf_build *b, const tf_call *c, int64_t axis, uint32_t rank, uint32_t *place)
{
    const int64_t found = axis < 0 && axis >= -(int64_t)rank ? axis + rank : axis;

    if (found < 0 || found >= rank)
        return tf_fail(b, c, EBB_E_ARGUMENT, "there is no axis %lld in a tensor of rank %u",
                       (long long)axis, rank);
    *place = (uint32_t)found;
    return true;
}

bool tf_axis(tf_build *b, const tf_call *c, uint32_t i, uint32_t rank, uint32_t *axis)
{
    int64_t number;

    return tf_number(b, c, i, "the axis", &number) && tf_axis_place(b, c, number, rank, axis);
}

bool tf_shape_input(tf_build *b, const tf_call *c, uint32_t i, shape *result)
{
    const dim *lengths;
    uint32_t count;
    int64_t number;

    if (!tf_lengths(b, c, i, "the shape", &lengths, &count)) return false;
    if (count > EBB_RANK_MAX)
        return tf_fail(b, c, EBB_E_SHAPE, "the shape has %u axes, at most %d are possible", count,
                       EBB_RANK_MAX);
    *result = (shape){.rank = count};
    for (uint32_t k = 0; k < count; k++) {
        if (tf_dim_number(b->graph, lengths[k], &number) && number < 0)
            return tf_fail(b, c, EBB_E_SHAPE, "axis %u of the shape would be %lld", k,
                           (long long)number);
        result->dims[k] = lengths[k];
    }
    return true;
}

/* -- outputs ----------------------------------------------------------------------------------- */

bool tf_give_tensor(tf_build *b, tf_call *c, uint32_t i, const tf_tensor *t)
{
    if (!graph_ok(b->graph)) return false;
    if (i >= TF_OUTPUTS_MAX)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "more than %d outputs", TF_OUTPUTS_MAX);
    c->outputs[i] = *t;
    if (c->output_count <= i) c->output_count = i + 1;
    return true;
}

bool tf_give(tf_build *b, tf_call *c, uint32_t i, value v, tf_type type)
{
    if (!graph_ok(b->graph)) return false;
    if (v == VALUE_NONE) return tf_fail(b, c, EBB_E_INTERNAL, "output %u has no value", i);
    const tf_tensor t = tf_tensor_of(b, v, type);
    return tf_give_tensor(b, c, i, &t);
}

bool tf_give_lengths(tf_build *b, tf_call *c, tf_type type, uint32_t rank, const uint32_t *dims,
                     const dim *lengths, uint32_t count)
{
    tf_tensor t = {.type = type, .has_lengths = true, .rank = rank, .length_count = count};
    dim *copy = tf_memory(b, count + 1, sizeof *copy);

    if (copy == NULL) return false;
    if (count > 0) memcpy(copy, lengths, count * sizeof *copy);
    t.lengths = copy;
    for (uint32_t i = 0; i < rank; i++) t.dims[i] = dims != NULL ? dims[i] : count;
    return tf_give_tensor(b, c, c->output_count, &t);
}
