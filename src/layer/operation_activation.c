/* operation_activation.c -- keras.ops.nn: activations as operation nodes, one line each.
 * Source: keras/src/ops/nn.py. */
#include <math.h>

#include "layer/operation.h"

/* The one or two numbers an activation may have; their keys differ. */
typedef struct activation_config {
    float first, second;
    bool approximate;
} activation_config;

static bool activation_apply(layer_build *b, layer_call *call, unary_attributes attributes)
{
    const value x = build_f32(b, operation_operand(b, call, 0, "x"));
    return operation_result(b, call, op_unary_with(b->graph, attributes, x));
}

#define PLAIN_ACTIVATIONS(X)                                                                       \
    X(relu, "Relu", RELU, 0, 0, INFINITY)                                                          \
    X(relu6, "Relu6", RELU, 0, 0, 6)                                                               \
    X(selu, "Selu", SELU, 0, 0, 0)                                                                 \
    X(silu, "Silu", SILU, 0, 0, 0)                                                                 \
    X(hard_silu, "HardSilu", HARD_SILU, 0, 0, 0)                                                   \
    X(sigmoid, "Sigmoid", SIGMOID, 0, 0, 0)                                                        \
    X(hard_sigmoid, "HardSigmoid", HARD_SIGMOID, 1.0f / 6, 0.5f, 0)                                \
    X(log_sigmoid, "LogSigmoid", LOG_SIGMOID, 0, 0, 0)                                             \
    X(softplus, "Softplus", SOFTPLUS, 0, 0, 0)                                                     \
    X(softsign, "Softsign", SOFTSIGN, 0, 0, 0)                                                     \
    X(tanh, "Tanh", TANH, 0, 0, 0)                                                                 \
    X(hard_tanh, "HardTanh", HARD_TANH, 0, 0, 0)                                                   \
    X(tanh_shrink, "TanhShrink", TANH_SHRINK, 0, 0, 0)                                             \
    X(mish, "Mish", MISH, 0, 0, 0)                                                                 \
    X(sparse_plus, "SparsePlus", SPARSE_PLUS, 0, 0, 0)                                             \
    X(sparse_sigmoid, "SparseSigmoid", SPARSE_SIGMOID, 0, 0, 0)
#define PLAIN_ACTIVATION(id, class_name, which, first, second, third)                              \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        (void)config;                                                                              \
        return activation_apply(b, call, (unary_attributes){UNARY_##which, first, second, third}); \
    }                                                                                              \
    OPERATION_DEF(id, class_name, NULL, 0, NULL);
PLAIN_ACTIVATIONS(PLAIN_ACTIVATION)

/* With one number: key, default, and what gamma is. */
#define NUMBER_ACTIVATIONS(X)                                                                      \
    X(leaky_relu, "LeakyRelu", RELU, "negative_slope", 0.2, INFINITY)                              \
    X(elu, "Elu", ELU, "alpha", 1, 0)                                                              \
    X(celu, "Celu", CELU, "alpha", 1, 0)                                                           \
    X(hard_shrink, "HardShrink", HARD_SHRINK, "threshold", 0.5, 0)                                 \
    X(soft_shrink, "SoftShrink", SOFT_SHRINK, "threshold", 0.5, 0)                                 \
    X(squareplus, "Squareplus", SQUAREPLUS, "b", 4, 0)

#define NUMBER_ACTIVATION(id, class_name, kind, key, otherwise, gamma)                             \
    static const layer_field id##_fields[] = {                                                     \
        {key, FIELD_F32, offsetof(activation_config, first), false, otherwise, NULL}, FIELDS_END}; \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        const activation_config *c = config;                                                       \
        return activation_apply(b, call, (unary_attributes){UNARY_##kind, c->first, 0, gamma});    \
    }                                                                                              \
    OPERATION_DEF(id, class_name, NULL, sizeof(activation_config), id##_fields);
NUMBER_ACTIVATIONS(NUMBER_ACTIVATION)

static const layer_field threshold_fields[] = {
    {"threshold", FIELD_F32, offsetof(activation_config, first), true, 0, NULL},
    {"default_value", FIELD_F32, offsetof(activation_config, second), true, 0, NULL},
    FIELDS_END,
};

static bool threshold_build(layer_build *b, const void *config, layer_call *call)
{
    const activation_config *c = config;
    return activation_apply(b, call, (unary_attributes){UNARY_THRESHOLD, c->first, c->second, 0});
}
OPERATION_DEF(threshold, "Threshold", NULL, sizeof(activation_config), threshold_fields);

static const layer_field gelu_fields[] = {
    {"approximate", FIELD_BOOL, offsetof(activation_config, approximate), false, 1, NULL},
    FIELDS_END};

static bool gelu_build(layer_build *b, const void *config, layer_call *call)
{
    const activation_config *c = config;
    const unary_kind kind = c->approximate ? UNARY_GELU_TANH : UNARY_GELU;
    return activation_apply(b, call, (unary_attributes){kind, 0, 0, 0});
}
OPERATION_DEF(gelu, "Gelu", NULL, sizeof(activation_config), gelu_fields);

/* -- along an axis
 * --------------------------------------------------------------------------------- */

typedef struct axes_config {
    int_list axis;
} axes_config;
static const layer_field axes_fields[] = {
    {"axis", FIELD_INTS, offsetof(axes_config, axis), false, 0, NULL}, FIELDS_END};

static bool softmax_apply(layer_build *b, const axes_config *c, layer_call *call, bool is_log)
{
    const value x = build_f32(b, operation_operand(b, call, 0, "x"));
    uint32_t axes = 0;
    if (x == VALUE_NONE || !operation_axes(b, x, &c->axis, &axes)) return false;
    if (axes == 0) axes = (1u << graph_rank(b->graph, x)) - 1;
    return operation_result(b, call, op_softmax(b->graph, x, axes, is_log));
}

static bool softmax_build(layer_build *b, const void *config, layer_call *call)
{
    return softmax_apply(b, config, call, false);
}
OPERATION_DEF(softmax, "Softmax", NULL, sizeof(axes_config), axes_fields);

static bool log_softmax_build(layer_build *b, const void *config, layer_call *call)
{
    return softmax_apply(b, config, call, true);
}
OPERATION_DEF(log_softmax, "LogSoftmax", NULL, sizeof(axes_config), axes_fields);

/* Brings the axis to the end, applies the activation of the table, and brings it back. */
static bool last_axis_apply(layer_build *b, const axes_config *c, layer_call *call,
                            const char *name)
{
    value x = build_f32(b, operation_operand(b, call, 0, "x"));
    activation a;
    if (x == VALUE_NONE ||
        activation_named(name, b->instance->title, &a, &b->graph->error) != EBB_OK) {
        return false;
    }
    const int axis = build_axis(b, x, c->axis.count > 0 ? c->axis.items[0] : -1);
    if (axis < 0) return false;
    const uint32_t rank = graph_rank(b->graph, x);
    uint32_t order[EBB_RANK_MAX];
    for (uint32_t k = 0; k < rank; k++) order[k] = k;
    order[axis] = rank - 1;
    order[rank - 1] = (uint32_t)axis;
    const bool moves = (uint32_t)axis + 1 != rank;
    if (moves) x = op_transpose(b->graph, x, order);
    x = activation_build(b->graph, &a, x);
    if (moves) x = op_transpose(b->graph, x, order);
    return operation_result(b, call, x);
}

static bool glu_build(layer_build *b, const void *config, layer_call *call)
{
    return last_axis_apply(b, config, call, "glu");
}
OPERATION_DEF(glu, "Glu", NULL, sizeof(axes_config), axes_fields);

static bool sparsemax_build(layer_build *b, const void *config, layer_call *call)
{
    return last_axis_apply(b, config, call, "sparsemax");
}
OPERATION_DEF(sparsemax, "Sparsemax", NULL, sizeof(axes_config), axes_fields);
