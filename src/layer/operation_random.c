/* operation_random.c -- keras.random as operation nodes: what a layer written in Python draws in
 * its call. They draw at inference, too. With them, what such a call knows beside its tensors:
 * lengths, and whether it is training.
 *
 *     RandomNormal(shape=[null, 2], axes=[0], mean=0, stddev=1, seed=7, draw=3)(x)
 *
 * Each null of `shape` is the length of axis axes[i] of argument number i. `seed` and `draw` tell
 * the numbers of one node from those of others; with is_fixed they are the same in every run, as
 * Keras's are when the seed is a number instead of a SeedGenerator.
 *
 * Source of the semantics: keras/src/random/random.py, keras/src/backend/tensorflow/random.py of
 * 3.15. Keras has no such nodes: files with them are read here only. */
#include "layer/lowering.h"
#include "layer/operation.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Integers are made from 24 random bits. */
#define SPAN_MAX ((int64_t)1 << 24)

typedef struct drawing {
    int_list shape, axes, noise_shape;
    double first, second; /* mean and deviation; range; rate */
    int64_t low, high;    /* of integers */
    int64_t count, axis;
    const char *dtype;
} drawing;

/* clang-format off */
#define FIELD(key, kind, member, required, otherwise)                                              \
    {key, kind, offsetof(drawing, member), required, otherwise, NULL}
/* Read by build_random(). */
#define FIELD_SEED FIELD_UNUSED("draw"), FIELD_UNUSED("is_fixed"), FIELD_UNUSED("seed")
#define FIELD_SHAPE FIELD("shape", FIELD_INTS, shape, true, 0),                                    \
                    FIELD("axes", FIELD_INTS, axes, false, 0)
#define FIELD_DTYPE(name) {"dtype", FIELD_TEXT, offsetof(drawing, dtype), false, 0, name}
/* clang-format on */

/* -- shapes ------------------------------------------------------------------------------------ */

static bool length_read(layer_build *b, const drawing *c, const layer_call *call, uint32_t index,
                        dim *length)
{
    const value like = operation_operand(b, call, index, "like");

    if (like == VALUE_NONE) return false;
    if (index >= c->axes.count) {
        return layer_fail(b, EBB_E_FORMAT,
                          "axes: expected the axis of argument %" PRIu32 ", which gives a length",
                          index);
    }
    const int axis = build_axis(b, like, c->axes.items[index]);
    if (axis < 0) return false;
    *length = graph_dim(b->graph, like, (uint32_t)axis);
    return true;
}

static bool shape_read(layer_build *b, const drawing *c, const layer_call *call, shape *result)
{
    uint32_t taken = 0;

    if (c->shape.count > EBB_RANK_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "shape: at most %d axes are possible, got %" PRIu32,
                          EBB_RANK_MAX, c->shape.count);
    }
    *result = (shape){.rank = c->shape.count};
    for (uint32_t i = 0; i < c->shape.count; i++) {
        const int64_t length = c->shape.items[i];
        if (length >= 0)
            result->dims[i] = length;
        else if (length != INT_LIST_NULL)
            return layer_fail(b, EBB_E_FORMAT, "shape: expected lengths, got %" PRId64, length);
        else if (!length_read(b, c, call, taken++, &result->dims[i]))
            return false;
    }
    return graph_ok(b->graph);
}

/* -- distributions ----------------------------------------------------------------------------- */

static const layer_field normal_fields[] = {
    FIELD_SHAPE,
    FIELD("mean", FIELD_F64, first, false, 0),
    FIELD("stddev", FIELD_F64, second, false, 1),
    FIELD_DTYPE("float32"),
    FIELD_SEED,
    FIELD_END,
};
static const layer_field uniform_fields[] = {
    FIELD_SHAPE,
    FIELD("minval", FIELD_F64, first, false, 0),
    FIELD("maxval", FIELD_F64, second, false, 1),
    FIELD_DTYPE("float32"),
    FIELD_SEED,
    FIELD_END,
};

static value drawn(layer_build *b, random_kind kind, const shape *to, double low, double high)
{
    const random_attributes a = {.kind = kind, .to = *to, .low = (float)low, .high = (float)high};

    return build_random(b, &a);
}

static bool give(layer_build *b, const drawing *c, layer_call *call, value v)
{
    ebb_dtype *const declared = &call->outputs[0].declared;

    if (!operation_dtype(b, c->dtype, declared)) return false;
    return operation_result(b, call, operation_cast(b, v, *declared));
}

static bool kind_build(layer_build *b, const drawing *c, layer_call *call, random_kind kind)
{
    shape to;

    return shape_read(b, c, call, &to) &&
           give(b, c, call, drawn(b, kind, &to, c->first, c->second));
}

static bool random_normal_build(layer_build *b, const void *config, layer_call *call)
{
    return kind_build(b, config, call, RANDOM_NORMAL);
}
OPERATION_DEF(random_normal, "RandomNormal", NULL, sizeof(drawing), normal_fields);

static bool random_truncated_normal_build(layer_build *b, const void *config, layer_call *call)
{
    return kind_build(b, config, call, RANDOM_TRUNCATED_NORMAL);
}
OPERATION_DEF(random_truncated_normal, "RandomTruncatedNormal", NULL, sizeof(drawing),
              normal_fields);

static bool random_uniform_build(layer_build *b, const void *config, layer_call *call)
{
    return kind_build(b, config, call, RANDOM_UNIFORM);
}
OPERATION_DEF(random_uniform, "RandomUniform", NULL, sizeof(drawing), uniform_fields);

static const layer_field integer_fields[] = {
    FIELD_SHAPE,
    FIELD("minval", FIELD_I64, low, true, 0),
    FIELD("maxval", FIELD_I64, high, true, 0),
    FIELD_DTYPE("int32"),
    FIELD_SEED,
    FIELD_END,
};

static bool random_integer_build(layer_build *b, const void *config, layer_call *call)
{
    const drawing *c = config;
    graph *g = b->graph;
    shape to;

    if (c->low < INT32_MIN || c->high > (int64_t)INT32_MAX + 1 || c->low >= c->high) {
        return layer_fail(b, EBB_E_FORMAT,
                          "minval, maxval: expected a range of int32, got %" PRId64 " to %" PRId64,
                          c->low, c->high);
    }
    if (c->high - c->low > SPAN_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED,
                          "minval, maxval: %" PRId64 " numbers; at most %" PRId64
                          " are drawn inside a model",
                          c->high - c->low, SPAN_MAX);
    }
    if (!shape_read(b, c, call, &to)) return false;
    const int64_t span = c->high - c->low;
    const unary_attributes scale = {UNARY_AFFINE, (float)span, 0, 0};
    const value unit = drawn(b, RANDOM_UNIFORM, &to, 0, 1);
    const value place =
        op_cast(g, op_unary(g, UNARY_FLOOR, op_unary_with(g, scale, unit)), EBB_I32);
    const value inside = op_binary(g, BINARY_MIN, place, graph_scalar_i32(g, (int32_t)(span - 1)));
    return give(b, c, call, op_add(g, inside, graph_scalar_i32(g, (int32_t)c->low)));
}
OPERATION_DEF(random_integer, "RandomInteger", NULL, sizeof(drawing), integer_fields);

/* -- of a tensor ------------------------------------------------------------------------------- */

static const layer_field categorical_fields[] = {
    FIELD("num_samples", FIELD_I64, count, true, 0),
    FIELD_DTYPE("int32"),
    FIELD_SEED,
    FIELD_END,
};

/* The largest of logits with Gumbel noise: -log(-log(u)). */
static bool random_categorical_build(layer_build *b, const void *config, layer_call *call)
{
    const drawing *c = config;
    graph *g = b->graph;
    const value x = operation_operand(b, call, 0, "logits");

    if (x == VALUE_NONE) return false;
    if (graph_rank(g, x) != 2)
        return layer_fail(b, EBB_E_SHAPE, "logits: expected two axes, got %u", graph_rank(g, x));
    if (c->count < 1 || c->count > INT32_MAX)
        return layer_fail(b, EBB_E_FORMAT, "num_samples: expected at least 1, got %" PRId64,
                          c->count);
    const shape to = {.rank = 3, .dims = {graph_dim(g, x, 0), c->count, graph_dim(g, x, 1)}};
    const value u = drawn(b, RANDOM_UNIFORM, &to, 0x1p-25, 1);
    const value waits = op_unary(g, UNARY_LOG, op_unary(g, UNARY_NEG, op_unary(g, UNARY_LOG, u)));
    const value rows = operation_axis_insert(b, build_f32(b, x), 1);
    return give(b, c, call, op_arg_reduce(g, true, op_sub(g, rows, waits), 2));
}
OPERATION_DEF(random_categorical, "RandomCategorical", NULL, sizeof(drawing), categorical_fields);

static const layer_field dropout_fields[] = {
    FIELD("rate", FIELD_F64, first, true, 0),
    FIELD("noise_shape", FIELD_INTS, noise_shape, false, 0),
    FIELD_SEED,
    FIELD_END,
};

static bool random_dropout_build(layer_build *b, const void *config, layer_call *call)
{
    const drawing *c = config;
    const value x = operation_operand(b, call, 0, "inputs");
    shape noise;

    if (x == VALUE_NONE) return false;
    if (!(c->first >= 0 && c->first <= 1))
        return layer_fail(b, EBB_E_FORMAT, "rate: expected a number from 0 to 1, got %g", c->first);
    if (!lowering_noise(b, &c->noise_shape, x, &noise)) return false;
    return operation_result(b, call, build_dropout(b, build_f32(b, x), c->first, &noise));
}
OPERATION_DEF(random_dropout, "RandomDropout", NULL, sizeof(drawing), dropout_fields);

static const layer_field shuffle_fields[] = {
    FIELD("axis", FIELD_I64, axis, false, 0),
    FIELD_SEED,
    FIELD_END,
};

/* Position i gets the part whose number is the rank of u[i] among n random numbers; of equal ones
 * the first is the smaller. */
static bool random_shuffle_build(layer_build *b, const void *config, layer_call *call)
{
    const drawing *c = config;
    graph *g = b->graph;
    const value x = operation_operand(b, call, 0, "x");
    const int axis = x == VALUE_NONE ? -1 : build_axis(b, x, c->axis);

    if (axis < 0) return false;
    const dim n = graph_dim(g, x, (uint32_t)axis);
    const shape line = {.rank = 1, .dims = {n}}, row = {.rank = 2, .dims = {1, n}},
                column = {.rank = 2, .dims = {n, 1}};
    const value u = drawn(b, RANDOM_UNIFORM, &line, 0, 1), number = op_iota(g, n);
    const value others = op_reshape(g, u, &row), own = op_reshape(g, u, &column);
    const value before =
        op_compare(g, COMPARE_LESS, op_reshape(g, number, &row), op_reshape(g, number, &column));
    const value is_less =
        op_binary(g, BINARY_OR, op_compare(g, COMPARE_LESS, others, own),
                  op_binary(g, BINARY_AND, op_compare(g, COMPARE_EQUAL, others, own), before));
    const value rank = op_reduce(g, REDUCE_SUM, op_cast(g, is_less, EBB_I32), 1u << 1, false);
    return operation_result(b, call, op_gather(g, x, rank, axis));
}
OPERATION_DEF(random_shuffle, "RandomShuffle", NULL, sizeof(drawing), shuffle_fields);

/* -- beside tensors ---------------------------------------------------------------------------- */

static const layer_field length_fields[] = {
    FIELD("axis", FIELD_I64, axis, true, 0),
    FIELD_END,
};

static bool length_build(layer_build *b, const void *config, layer_call *call)
{
    const drawing *c = config;
    const value x = operation_operand(b, call, 0, "x");
    const int axis = x == VALUE_NONE ? -1 : build_axis(b, x, c->axis);

    if (axis < 0) return false;
    call->outputs[0].declared = EBB_I32;
    return operation_result(b, call, op_length(b->graph, graph_dim(b->graph, x, (uint32_t)axis)));
}
OPERATION_DEF(length, "Length", NULL, sizeof(drawing), length_fields);

static const layer_field filled_fields[] = {
    FIELD_SHAPE,
    FIELD("number", FIELD_F64, first, true, 0),
    FIELD_DTYPE("float32"),
    FIELD_END,
};

static bool filled_build(layer_build *b, const void *config, layer_call *call)
{
    const drawing *c = config;
    shape to;

    return shape_read(b, c, call, &to) &&
           give(b, c, call, op_broadcast(b->graph, graph_scalar(b->graph, (float)c->first), &to));
}
OPERATION_DEF(filled, "Filled", NULL, sizeof(drawing), filled_fields);

/* The first argument in training, the second otherwise: the two ways of an `if training`. */
static bool in_training_build(layer_build *b, const void *config, layer_call *call)
{
    const call_argument *way = call_find(call, b->is_training ? 0 : 1, "x");

    (void)config;
    if (way->kind != CALL_TENSOR)
        return layer_fail(b, EBB_E_FORMAT, "expected two tensors, one for training, one without");
    call->outputs[0] = way->tensor;
    return graph_ok(b->graph);
}
const layer_def layer_def_op_in_training = {
    .name = "InTraining", .family = "operation", .masking = MASK_OWN, .build = in_training_build};
