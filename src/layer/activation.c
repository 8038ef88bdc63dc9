/* activation.c -- the table of Keras activations.
 *
 * Most are one unary op with fixed attributes; softmax, log_softmax, glu and sparsemax look along
 * the last axis and emit ops. Source: keras/src/activations/activations.py. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "layer/layer.h"

static uint32_t last_axis(const graph *g, value x)
{
    const uint32_t rank = graph_rank(g, x);
    return rank == 0 ? 0 : 1u << (rank - 1);
}

static value softmax_build(graph *g, value x)
{
    return op_softmax(g, x, last_axis(g, x), false);
}

static value log_softmax_build(graph *g, value x)
{
    return op_softmax(g, x, last_axis(g, x), true);
}

/* The last axis in two halves: a * sigmoid(b). */
static value glu_build(graph *g, value x)
{
    const dim length = graph_dim(g, x, -1);
    if (dim_known(length) && length % 2 != 0) {
        return graph_fail(g, EBB_E_SHAPE, "glu needs an even last axis, found %lld",
                          (long long)length);
    }
    const dim half = dim_make(g, DIM_DIV, length, 2);
    const value a = op_slice_axis(g, x, -1, 0, half, 1), b = op_slice_axis(g, x, -1, half, half, 1);
    return op_mul(g, a, op_unary(g, UNARY_SIGMOID, b));
}

static value as_float(graph *g, value flags)
{
    return op_cast(g, flags, EBB_F32);
}

/* [row, column]: 1 where element `column` comes before or at element `row` when sorted from above,
 * equal elements in their order. other: [..., 1, n], own: [..., n, 1]. */
static value sorted_before(graph *g, value other, value own, dim length)
{
    const shape along = {.rank = 2, .dims = {1, length}}, down = {.rank = 2, .dims = {length, 1}};
    const value index = op_iota(g, length);
    const value earlier = op_compare(g, COMPARE_LESS_EQUAL, op_reshape(g, index, &along),
                                     op_reshape(g, index, &down));
    const value tied =
        op_mul(g, as_float(g, op_compare(g, COMPARE_EQUAL, other, own)), as_float(g, earlier));
    return op_add(g, as_float(g, op_compare(g, COMPARE_GREATER, other, own)), tied);
}

/* Without sorting: k and s of element i are the number and the sum of the elements up to it when
 * sorted from above; it is in the support when 1 + k x_i > s. Keras's threshold is (sum of s over
 * the support - 1) / size of the support, where the projection on the simplex has the last s alone:
 * these are Keras's numbers. */
static value sparsemax_build(graph *g, value x)
{
    const uint32_t rank = graph_rank(g, x);
    if (rank == 0 || rank + 1 > EBB_RANK_MAX) {
        return graph_fail(g, EBB_E_UNSUPPORTED, "sparsemax of rank %u is not supported", rank);
    }
    shape row = *graph_shape(g, x), column = row;
    row.rank = column.rank = rank + 1;
    row.dims[rank] = row.dims[rank - 1];
    row.dims[rank - 1] = 1;
    column.dims[rank] = 1;
    const value other = op_reshape(g, x, &row), own = op_reshape(g, x, &column);
    const value before = sorted_before(g, other, own, graph_dim(g, x, -1));
    const value count = op_reduce(g, REDUCE_SUM, before, 1u << rank, false);
    const value sum = op_reduce(g, REDUCE_SUM, op_mul(g, before, other), 1u << rank, false);
    const value bound = op_add(g, op_mul(g, count, x), graph_scalar(g, 1));
    const value inside = as_float(g, op_compare(g, COMPARE_GREATER, bound, sum));
    const uint32_t last = 1u << (rank - 1);
    const value total = op_reduce(g, REDUCE_SUM, op_mul(g, inside, sum), last, true);
    const value size = op_reduce(g, REDUCE_SUM, inside, last, true);
    const value threshold = op_div(g, op_sub(g, total, graph_scalar(g, 1)), size);
    return op_unary(g, UNARY_RELU, op_sub(g, x, threshold));
}

#define ONE(kind) {UNARY_##kind, 0, 0, 0}, NULL

static const activation_def activations[] = {
    {"linear", NULL, ONE(IDENTITY)},
    {"relu", NULL, {UNARY_RELU, 0, 0, INFINITY}, NULL},
    {"relu6", "relu_6", {UNARY_RELU, 0, 0, 6}, NULL},
    {"leaky_relu", "lrelu", {UNARY_RELU, 0.2f, 0, INFINITY}, NULL},
    {"elu", NULL, {UNARY_ELU, 1, 0, 0}, NULL},
    {"selu", NULL, ONE(SELU)},
    {"celu", NULL, {UNARY_CELU, 1, 0, 0}, NULL},
    {"gelu", NULL, ONE(GELU)},
    {"silu", "swish", ONE(SILU)},
    {"hard_silu", "hard_swish", ONE(HARD_SILU)},
    {"sigmoid", NULL, ONE(SIGMOID)},
    {"hard_sigmoid", NULL, {UNARY_HARD_SIGMOID, 1.0f / 6.0f, 0.5f, 0}, NULL},
    {"log_sigmoid", NULL, ONE(LOG_SIGMOID)},
    {"softplus", NULL, ONE(SOFTPLUS)},
    {"softsign", NULL, ONE(SOFTSIGN)},
    {"softmax", NULL, {UNARY_IDENTITY, 0, 0, 0}, softmax_build},
    {"log_softmax", NULL, {UNARY_IDENTITY, 0, 0, 0}, log_softmax_build},
    {"sparsemax", NULL, {UNARY_IDENTITY, 0, 0, 0}, sparsemax_build},
    {"tanh", NULL, ONE(TANH)},
    {"hard_tanh", NULL, ONE(HARD_TANH)},
    {"tanh_shrink", NULL, ONE(TANH_SHRINK)},
    {"hard_shrink", NULL, {UNARY_HARD_SHRINK, 0.5f, 0, 0}, NULL},
    {"soft_shrink", NULL, {UNARY_SOFT_SHRINK, 0.5f, 0, 0}, NULL},
    {"mish", NULL, ONE(MISH)},
    {"glu", NULL, {UNARY_IDENTITY, 0, 0, 0}, glu_build},
    {"exponential", NULL, ONE(EXP)},
    {"squareplus", NULL, {UNARY_SQUAREPLUS, 4, 0, 0}, NULL},
    {"sparse_plus", NULL, ONE(SPARSE_PLUS)},
    {"sparse_sigmoid", NULL, ONE(SPARSE_SIGMOID)},
    /* Named so by format/, and by nobody else: the last ones. */
    {"hard_sigmoid_keras2", NULL, {UNARY_HARD_SIGMOID, 0.2f, 0.5f, 0}, NULL},
};
#define OF_FILES 1u

uint32_t activation_count(void)
{
    return (uint32_t)(sizeof activations / sizeof activations[0]);
}

uint32_t activation_keras_count(void)
{
    return activation_count() - OF_FILES;
}

const activation_def *activation_at(uint32_t index)
{
    return index < activation_count() ? &activations[index] : NULL;
}

static const activation_def *activation_find(const char *name)
{
    for (uint32_t i = 0; i < activation_count(); i++) {
        const activation_def *const def = &activations[i];
        if (strcmp(def->name, name) == 0 || name_among(def->aliases, name)) return def;
    }
    return NULL;
}

ebb_status activation_named(const char *name, const char *where, activation *result,
                            ebb_error *error)
{
    *result = (activation){0};
    if (name == NULL) return EBB_OK;
    const activation_def *def = activation_find(name);
    if (def == NULL) {
        return fail(
            error, EBB_E_UNSUPPORTED, where,
            "the activation '%.80s' is none of Keras's; custom functions are Python code, which "
            "is never run",
            name);
    }
    if (def != &activations[0]) *result = (activation){def, def->attributes};
    return EBB_OK;
}

void activation_for_version(activation *a, uint32_t keras_major)
{
    if (a->def == NULL || a->def->attributes.kind != UNARY_HARD_SIGMOID || keras_major >= 3) return;
    a->attributes.alpha = 0.2f;
    a->attributes.beta = 0.5f;
}

/* An activation given as a layer: {"class_name": "LeakyReLU", "config": {"negative_slope": 0.1}}.
 */
static ebb_status activation_layer(const char *class_name, const json *config, const char *where,
                                   activation *result, ebb_error *error)
{
    if (strcmp(class_name, "ReLU") == 0) {
        const ebb_status status = activation_named("relu", where, result, error);
        result->attributes.alpha = (float)json_number(json_get(config, "negative_slope"), 0);
        result->attributes.beta = (float)json_number(json_get(config, "threshold"), 0);
        result->attributes.gamma = (float)json_number(json_get(config, "max_value"), INFINITY);
        return status;
    }
    if (strcmp(class_name, "LeakyReLU") == 0) {
        const ebb_status status = activation_named("leaky_relu", where, result, error);
        const double old = json_number(json_get(config, "alpha"), (double)0.3f);
        result->attributes.alpha = (float)json_number(json_get(config, "negative_slope"), old);
        return status;
    }
    if (strcmp(class_name, "ELU") == 0) {
        const ebb_status status = activation_named("elu", where, result, error);
        result->attributes.alpha = (float)json_number(json_get(config, "alpha"), 1);
        return status;
    }
    if (strcmp(class_name, "Softmax") == 0 && json_integer(json_get(config, "axis"), -1) == -1) {
        return activation_named("softmax", where, result, error);
    }
    if (strcmp(class_name, "Activation") == 0) {
        const json *inner = json_get(config, "activation");
        const char *name = json_text(inner, json_text(json_get(inner, "config"), NULL));
        if (name != NULL) return activation_named(name, where, result, error);
    }
    return fail(error, EBB_E_UNSUPPORTED, where, "the activation %.80s is not supported",
                class_name);
}

ebb_status activation_read(const json *config, const char *where, activation *result,
                           ebb_error *error)
{
    *result = (activation){0};
    if (json_is_null(config)) return EBB_OK;
    if (config->kind == JSON_STRING) {
        return activation_named(config->as.string, where, result, error);
    }
    const char *class_name = json_text(json_get(config, "class_name"), NULL);
    if (class_name == NULL) {
        char text[80];
        return fail(error, EBB_E_FORMAT, where, "expected an activation, found %s",
                    json_describe(config, text, sizeof text));
    }
    const json *inner = json_get(config, "config");
    if (strcmp(class_name, "function") == 0) {
        return activation_named(json_text(inner, "?"), where, result, error);
    }
    if (activation_find(class_name) != NULL) {
        return activation_named(class_name, where, result, error);
    }
    return activation_layer(class_name, inner, where, result, error);
}

bool activation_is_unary(const activation *a)
{
    return a->def == NULL || a->def->build == NULL;
}

value activation_build(graph *g, const activation *a, value x)
{
    if (a->def == NULL) return x;
    return a->def->build != NULL ? a->def->build(g, x) : op_unary_with(g, a->attributes, x);
}
