/* convolution.c -- Conv1D/2D/3D, Conv1D/2D/3DTranspose, DepthwiseConv1D/2D, SeparableConv1D/2D.
 *
 * Kernels keep Keras's layout whatever data_format says: [spatial..., in / groups, out], transposed
 * ones [spatial..., out, in], depthwise ones [spatial..., in, multiplier]. channels_first inputs
 * are transposed around. Source: Keras 3, keras/src/layers/convolutional/ and
 * keras/src/backend/tensorflow/nn.py; output lengths and padding of the transposed ones:
 * keras/src/backend/common/backend_utils.py and TensorFlow's rule for SAME. */
#include "layer/lowering.h"

#include <inttypes.h>

enum { PADDING_VALID, PADDING_SAME, PADDING_CAUSAL };

typedef struct convolution {
    int64_t filters, groups, depth_multiplier;
    int_list kernel_size, strides, dilation_rate, output_padding;
    uint32_t padding, data_format;
    bool use_bias;
    activation activation;
} convolution;

#define FIELDS_SPATIAL(paddings)                                                                   \
    {"kernel_size", FIELD_INTS, offsetof(convolution, kernel_size), true, 0, NULL},                \
        {"strides", FIELD_INTS, offsetof(convolution, strides), false, 0, NULL},                   \
        {"padding", FIELD_CHOICE, offsetof(convolution, padding), false, 0, paddings},             \
        FIELD_DATA_FORMAT(convolution),                                                            \
        {"dilation_rate", FIELD_INTS, offsetof(convolution, dilation_rate), false, 0, NULL},       \
        {"activation", FIELD_ACTIVATION, offsetof(convolution, activation), false, 0, NULL},       \
        {"use_bias", FIELD_BOOL, offsetof(convolution, use_bias), false, 1, NULL},                 \
        FIELD_INITIALIZER(bias_initializer)
#define FIELDS_KERNEL FIELD_INITIALIZER(kernel_initializer)
#define FIELDS_DEPTHWISE                                                                           \
    {"depth_multiplier", FIELD_I64, offsetof(convolution, depth_multiplier), false, 1, NULL},      \
        FIELD_INITIALIZER(depthwise_initializer)
/* clang-format off */
#define FIELD_FILTERS {"filters", FIELD_I64, offsetof(convolution, filters), true, 0, NULL}
/* clang-format on */

/* Keras 3 has "causal" for Conv1D alone, Keras 2 for the other layers with one axis, too. */
#define SAME           "valid|same"
#define SAME_OR_CAUSAL SAME "|causal"

static const layer_field conv1d_fields[] = {
    FIELD_FILTERS,
    FIELDS_SPATIAL(SAME_OR_CAUSAL),
    FIELDS_KERNEL,
    {"groups", FIELD_I64, offsetof(convolution, groups), false, 1, NULL},
    FIELD_UNUSED("lora_rank"),
    FIELD_UNUSED("lora_alpha"),
    FIELD_END,
};
static const layer_field conv_fields[] = {
    FIELD_FILTERS,
    FIELDS_SPATIAL(SAME),
    FIELDS_KERNEL,
    {"groups", FIELD_I64, offsetof(convolution, groups), false, 1, NULL},
    FIELD_UNUSED("lora_rank"),
    FIELD_UNUSED("lora_alpha"),
    FIELD_END,
};
static const layer_field conv_transpose_fields[] = {
    FIELD_FILTERS,
    FIELDS_SPATIAL(SAME),
    FIELDS_KERNEL,
    {"output_padding", FIELD_INTS, offsetof(convolution, output_padding), false, 0, NULL},
    FIELD_UNUSED("groups"), /* written by Keras 2, always 1 */
    FIELD_END,
};
static const layer_field depthwise1d_fields[] = {
    FIELDS_SPATIAL(SAME_OR_CAUSAL),
    FIELDS_DEPTHWISE,
    FIELDS_KERNEL, /* Keras 2 writes both spellings */
    FIELD_UNUSED("groups"),
    FIELD_UNUSED("filters"),
    FIELD_END,
};
static const layer_field depthwise_fields[] = {
    FIELDS_SPATIAL(SAME),
    FIELDS_DEPTHWISE,
    FIELDS_KERNEL, /* Keras 2 writes both spellings */
    FIELD_UNUSED("groups"),
    FIELD_UNUSED("filters"),
    FIELD_END,
};
static const layer_field separable1d_fields[] = {
    FIELD_FILTERS, FIELDS_SPATIAL(SAME_OR_CAUSAL),           FIELDS_DEPTHWISE,
    FIELDS_KERNEL, FIELD_INITIALIZER(pointwise_initializer), FIELD_UNUSED("groups"),
    FIELD_END,
};
static const layer_field separable_fields[] = {
    FIELD_FILTERS,
    FIELDS_SPATIAL(SAME),
    FIELDS_DEPTHWISE,
    FIELDS_KERNEL,
    FIELD_INITIALIZER(pointwise_initializer),
    FIELD_UNUSED("groups"),
    FIELD_END,
};

/* One call: the input in channels-last order and the numbers per spatial axis. */
typedef struct window {
    uint32_t spatial;
    int64_t channels;
    int64_t kernel[SPATIAL_MAX], strides[SPATIAL_MAX], dilations[SPATIAL_MAX];
    value x;
} window;

static bool window_read(layer_build *b, const convolution *c, layer_call *call, uint32_t spatial,
                        window *w)
{
    w->spatial = spatial;
    w->x = lowering_input_f32(b, call, spatial + 2, spatial + 2);
    if (w->x == VALUE_NONE ||
        !lowering_ints(b, &c->kernel_size, spatial, 1, 1, "kernel_size", w->kernel) ||
        !lowering_ints(b, &c->strides, spatial, 1, 1, "strides", w->strides) ||
        !lowering_ints(b, &c->dilation_rate, spatial, 1, 1, "dilation_rate", w->dilations)) {
        return false;
    }
    if (c->data_format == CHANNELS_FIRST) w->x = build_channels_last(b, w->x);
    w->channels = build_known_dim(b, w->x, -1, "channels");
    if (w->channels == 0) return layer_fail(b, EBB_E_SHAPE, "the input has no channels");
    return w->channels > 0;
}

static bool counts_check(layer_build *b, const char *what, int64_t count)
{
    if (count > 0) return true;
    return layer_fail(b, EBB_E_FORMAT, "%s: expected a positive number, got %" PRId64, what, count);
}

static conv_attributes conv_window(const convolution *c, const window *w, int64_t groups)
{
    conv_attributes a = {
        .spatial = w->spatial, .same = c->padding == PADDING_SAME, .groups = groups};

    for (uint32_t i = 0; i < w->spatial; i++) {
        a.strides[i] = w->strides[i];
        a.dilations[i] = w->dilations[i];
        if (c->padding == PADDING_CAUSAL) a.pad_before[i] = w->dilations[i] * (w->kernel[i] - 1);
    }
    return a;
}

/* A kernel of the window's lengths and two more axes. */
static value kernel_weight(layer_build *b, const window *w, const char *name, int64_t rows,
                           int64_t columns)
{
    int64_t dims[SPATIAL_MAX + 2];

    for (uint32_t i = 0; i < w->spatial; i++) dims[i] = w->kernel[i];
    dims[w->spatial] = rows;
    dims[w->spatial + 1] = columns;
    return build_weight(b, name, w->spatial + 2, dims, NULL);
}

/* Bias, activation and, for channels_first, the way back; softmax and its like see Keras's own axis
 * order. */
static bool finish(layer_build *b, const convolution *c, layer_call *call, value y,
                   int64_t channels)
{
    if (c->use_bias) y = op_add(b->graph, y, build_weight(b, "bias", 1, &channels, NULL));
    const bool is_early = activation_is_unary(&c->activation);
    if (is_early) y = activation_build(b->graph, &c->activation, y);
    if (c->data_format == CHANNELS_FIRST && graph_ok(b->graph)) y = build_channels_first(b, y);
    if (!is_early) y = activation_build(b->graph, &c->activation, y);
    return lowering_done(b, call, y);
}

/* -- Conv -------------------------------------------------------------------------------------- */

static bool conv_build(layer_build *b, const convolution *c, layer_call *call, uint32_t spatial)
{
    window w;

    if (!window_read(b, c, call, spatial, &w) || !counts_check(b, "filters", c->filters) ||
        !counts_check(b, "groups", c->groups)) {
        return false;
    }
    if (w.channels % c->groups != 0 || c->filters % c->groups != 0) {
        return layer_fail(b, EBB_E_SHAPE,
                          "groups: %" PRId64 " does not divide %" PRId64 " channels and %" PRId64
                          " filters",
                          c->groups, w.channels, c->filters);
    }
    const value kernel = kernel_weight(b, &w, "kernel", w.channels / c->groups, c->filters);
    const conv_attributes attributes = conv_window(c, &w, c->groups);
    return finish(b, c, call, op_conv(b->graph, w.x, kernel, &attributes), c->filters);
}

static bool conv1d_build(layer_build *b, const void *config, layer_call *call)
{
    return conv_build(b, config, call, 1);
}
static bool conv2d_build(layer_build *b, const void *config, layer_call *call)
{
    return conv_build(b, config, call, 2);
}
static bool conv3d_build(layer_build *b, const void *config, layer_call *call)
{
    return conv_build(b, config, call, 3);
}

const layer_def layer_def_conv1d = {
    "Conv1D",      "convolution", "Convolution1D", sizeof(convolution),
    conv1d_fields, MASK_DROPS,    conv1d_build};
const layer_def layer_def_conv2d = {
    "Conv2D",    "convolution", "Convolution2D", sizeof(convolution),
    conv_fields, MASK_DROPS,    conv2d_build};
const layer_def layer_def_conv3d = {
    "Conv3D",    "convolution", "Convolution3D", sizeof(convolution),
    conv_fields, MASK_DROPS,    conv3d_build};

/* -- ConvTranspose ----------------------------------------------------------------------------- */

/* length' = (length - 1) * stride + rest, where rest depends on padding and output_padding alone.
 * What the gradient of a SAME convolution cuts off is what lies beyond length', the smaller half in
 * front. */
static void transpose_axis(conv_transpose_attributes *a, uint32_t i, int64_t kernel, bool is_same,
                           bool has_output_padding, int64_t output_padding)
{
    const int64_t reach = (kernel - 1) * a->dilations[i] + 1, stride = a->strides[i];
    int64_t rest = has_output_padding ? output_padding + (is_same ? reach % 2 : reach) : stride;

    if (!is_same && !has_output_padding) rest = reach > stride ? reach : stride;
    const int64_t cut = is_same && reach > rest ? reach - rest : 0;
    a->pad_before[i] = cut / 2;
    a->pad_after[i] = cut - cut / 2;
    a->output_padding[i] = rest - (reach - cut);
}

static bool conv_transpose_build(layer_build *b, const convolution *c, layer_call *call,
                                 uint32_t spatial)
{
    conv_transpose_attributes attributes = {.spatial = spatial};
    int64_t output_padding[SPATIAL_MAX];
    window w;

    if (!window_read(b, c, call, spatial, &w) || !counts_check(b, "filters", c->filters) ||
        !lowering_ints(b, &c->output_padding, spatial, 0, 0, "output_padding", output_padding)) {
        return false;
    }
    for (uint32_t i = 0; i < spatial; i++) {
        attributes.strides[i] = w.strides[i];
        attributes.dilations[i] = w.dilations[i];
        transpose_axis(&attributes, i, w.kernel[i], c->padding == PADDING_SAME,
                       c->output_padding.count > 0, output_padding[i]);
    }
    const value kernel = kernel_weight(b, &w, "kernel", c->filters, w.channels);
    return finish(b, c, call, op_conv_transpose(b->graph, w.x, kernel, &attributes), c->filters);
}

static bool conv1d_transpose_build(layer_build *b, const void *config, layer_call *call)
{
    return conv_transpose_build(b, config, call, 1);
}
static bool conv2d_transpose_build(layer_build *b, const void *config, layer_call *call)
{
    return conv_transpose_build(b, config, call, 2);
}
static bool conv3d_transpose_build(layer_build *b, const void *config, layer_call *call)
{
    return conv_transpose_build(b, config, call, 3);
}

const layer_def layer_def_conv1d_transpose = {
    "Conv1DTranspose",     "convolution", "Convolution1DTranspose", sizeof(convolution),
    conv_transpose_fields, MASK_DROPS,    conv1d_transpose_build};
const layer_def layer_def_conv2d_transpose = {
    "Conv2DTranspose",     "convolution",         "Convolution2DTranspose|Deconvolution2D",
    sizeof(convolution),   conv_transpose_fields, MASK_DROPS,
    conv2d_transpose_build};
const layer_def layer_def_conv3d_transpose = {
    "Conv3DTranspose",     "convolution",         "Convolution3DTranspose|Deconvolution3D",
    sizeof(convolution),   conv_transpose_fields, MASK_DROPS,
    conv3d_transpose_build};

/* -- DepthwiseConv, SeparableConv -------------------------------------------------------------- */

/* [spatial..., c, multiplier] is the grouped kernel [spatial..., 1, c * multiplier], byte for byte.
 */
static value depthwise(layer_build *b, const convolution *c, const window *w, const char *name)
{
    const value kernel = kernel_weight(b, w, name, w->channels, c->depth_multiplier);
    dim dims[SPATIAL_MAX + 2];

    for (uint32_t i = 0; i < w->spatial; i++) dims[i] = w->kernel[i];
    dims[w->spatial] = 1;
    dims[w->spatial + 1] = w->channels * c->depth_multiplier;
    const conv_attributes attributes = conv_window(c, w, w->channels);
    return op_conv(b->graph, w->x, lowering_reshape(b, kernel, w->spatial + 2, dims), &attributes);
}

static bool depthwise_build(layer_build *b, const convolution *c, layer_call *call,
                            uint32_t spatial)
{
    window w;

    if (!window_read(b, c, call, spatial, &w) ||
        !counts_check(b, "depth_multiplier", c->depth_multiplier)) {
        return false;
    }
    return finish(b, c, call, depthwise(b, c, &w, "kernel"), w.channels * c->depth_multiplier);
}

static bool separable_build(layer_build *b, const convolution *c, layer_call *call,
                            uint32_t spatial)
{
    conv_attributes point = {.spatial = spatial, .groups = 1};
    window w;

    if (!window_read(b, c, call, spatial, &w) || !counts_check(b, "filters", c->filters) ||
        !counts_check(b, "depth_multiplier", c->depth_multiplier)) {
        return false;
    }
    value y = depthwise(b, c, &w, "depthwise_kernel");
    for (uint32_t i = 0; i < spatial; i++) w.kernel[i] = point.strides[i] = point.dilations[i] = 1;
    const value kernel =
        kernel_weight(b, &w, "pointwise_kernel", w.channels * c->depth_multiplier, c->filters);
    return finish(b, c, call, op_conv(b->graph, y, kernel, &point), c->filters);
}

static bool depthwise_conv1d_build(layer_build *b, const void *config, layer_call *call)
{
    return depthwise_build(b, config, call, 1);
}
static bool depthwise_conv2d_build(layer_build *b, const void *config, layer_call *call)
{
    return depthwise_build(b, config, call, 2);
}
static bool separable_conv1d_build(layer_build *b, const void *config, layer_call *call)
{
    return separable_build(b, config, call, 1);
}
static bool separable_conv2d_build(layer_build *b, const void *config, layer_call *call)
{
    return separable_build(b, config, call, 2);
}

const layer_def layer_def_depthwise_conv1d = {"DepthwiseConv1D",     "convolution",      NULL,
                                              sizeof(convolution),   depthwise1d_fields, MASK_DROPS,
                                              depthwise_conv1d_build};
const layer_def layer_def_depthwise_conv2d = {"DepthwiseConv2D",     "convolution",    NULL,
                                              sizeof(convolution),   depthwise_fields, MASK_DROPS,
                                              depthwise_conv2d_build};
const layer_def layer_def_separable_conv1d = {
    "SeparableConv1D",  "convolution", "SeparableConvolution1D", sizeof(convolution),
    separable1d_fields, MASK_DROPS,    separable_conv1d_build};
const layer_def layer_def_separable_conv2d = {
    "SeparableConv2D", "convolution", "SeparableConvolution2D", sizeof(convolution),
    separable_fields,  MASK_DROPS,    separable_conv2d_build};
