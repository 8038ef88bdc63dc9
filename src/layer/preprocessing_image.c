/* preprocessing_image.c -- Resizing, CenterCrop, AutoContrast, and the random image layers, which
 * let images through at inference.
 *
 * Source: Keras 3, keras/src/layers/preprocessing/image_preprocessing/,
 * keras/src/backend/tensorflow/image.py (resize) and keras/src/utils/image_utils.py (smart_resize).
 * Inputs are images; dictionaries with boxes are not taken. */
#include "layer/image.h"
#include "tensor/dtype.h"

#include <inttypes.h>

/* -- windows of an image [n, h, w, c] ---------------------------------------------------------- */

typedef struct crop {
    int64_t top, left, height, width;
} crop;

static int64_t clamp(int64_t n, int64_t least, int64_t most)
{
    n = n < most ? n : most;
    return n > least ? n : least;
}

/* The largest window in the middle with the aspect of height x width; float32 and truncation as in
 * TensorFlow. */
static crop crop_to_aspect(int64_t rows, int64_t columns, int64_t height, int64_t width)
{
    crop c;

    c.height = clamp((int64_t)((float)(columns * height) / (float)width), 1, rows);
    c.width = clamp((int64_t)((float)(rows * width) / (float)height), 1, columns);
    c.top = (rows - c.height) / 2;
    c.left = (columns - c.width) / 2;
    return c;
}

static value crop_take(layer_build *b, value x, const crop *c)
{
    x = op_slice_axis(b->graph, x, 1, c->top, c->height, 1);
    return op_slice_axis(b->graph, x, 2, c->left, c->width, 1);
}

value image_open(layer_build *b, const layer_call *call, uint32_t data_format)
{
    value x = lowering_input_f32(b, call, 3, 4);

    if (x != VALUE_NONE && graph_rank(b->graph, x) == 3) x = lowering_expand(b, x, 0);
    return data_format == CHANNELS_FIRST && x != VALUE_NONE ? build_channels_last(b, x) : x;
}

value image_close(layer_build *b, const layer_call *call, uint32_t data_format, value x)
{
    if (data_format == CHANNELS_FIRST && graph_ok(b->graph)) x = build_channels_first(b, x);
    if (!graph_ok(b->graph) || graph_rank(b->graph, call->inputs[0].v) == 4) return x;
    return lowering_squeeze(b, x, 0);
}

static bool size_check(layer_build *b, int64_t height, int64_t width)
{
    if (height > 0 && width > 0 && height <= INT32_MAX && width <= INT32_MAX) return true;
    return layer_fail(b, EBB_E_FORMAT,
                      "expected a height and width of at least 1, got %" PRId64 " and %" PRId64,
                      height, width);
}

/* -- Resizing ---------------------------------------------------------------------------------- */

typedef struct resizing {
    int64_t height, width;
    uint32_t interpolation, data_format, fill_mode;
    bool crop_to_aspect_ratio, pad_to_aspect_ratio, antialias;
    float fill_value;
} resizing;

static const layer_field resizing_fields[] = {
    {"height", FIELD_I64, offsetof(resizing, height), true, 0, NULL},
    {"width", FIELD_I64, offsetof(resizing, width), true, 0, NULL},
    {"interpolation", FIELD_CHOICE, offsetof(resizing, interpolation), false, RESIZE_BILINEAR,
     "nearest|bilinear|bicubic|lanczos3|lanczos5"}, /* in the order of resize_kind */
    {"crop_to_aspect_ratio", FIELD_BOOL, offsetof(resizing, crop_to_aspect_ratio), false, 0, NULL},
    {"pad_to_aspect_ratio", FIELD_BOOL, offsetof(resizing, pad_to_aspect_ratio), false, 0, NULL},
    {"fill_mode", FIELD_CHOICE, offsetof(resizing, fill_mode), false, 0, "constant"},
    {"fill_value", FIELD_F32, offsetof(resizing, fill_value), false, 0, NULL},
    {"antialias", FIELD_BOOL, offsetof(resizing, antialias), false, 0, NULL},
    FIELD_DATA_FORMAT(resizing),
    FIELD_UNUSED("bounding_box_format"),
    FIELD_END,
};

/* The smallest frame around the image with the aspect of the result; both sides get the same
 * margin. */
static value pad_to_aspect(layer_build *b, const resizing *c, value x, int64_t rows,
                           int64_t columns)
{
    const int64_t high = (int64_t)((float)(columns * c->height) / (float)c->width);
    const int64_t wide = (int64_t)((float)(rows * c->width) / (float)c->height);
    const int64_t top = high > rows ? (high - rows) / 2 : 0,
                  left = wide > columns ? (wide - columns) / 2 : 0;
    pad_attributes attributes = {.kind = PAD_CONSTANT, .number = c->fill_value};

    attributes.before[1] = attributes.after[1] = top;
    attributes.before[2] = attributes.after[2] = left;
    return op_pad(b->graph, x, &attributes);
}

static value to_aspect(layer_build *b, const resizing *c, value x)
{
    const int64_t rows = build_known_dim(b, x, 1, "height"),
                  columns = build_known_dim(b, x, 2, "width");

    if (rows < 0 || columns < 0) return VALUE_NONE;
    if (rows > INT32_MAX || columns > INT32_MAX) {
        layer_fail(b, EBB_E_UNSUPPORTED, "an image of %" PRId64 " by %" PRId64, rows, columns);
        return VALUE_NONE;
    }
    if (c->pad_to_aspect_ratio) return pad_to_aspect(b, c, x, rows, columns);
    const crop window = crop_to_aspect(rows, columns, c->height, c->width);
    return crop_take(b, x, &window);
}

static bool resizing_build(layer_build *b, const void *config, layer_call *call)
{
    const resizing *c = config;
    value x = image_open(b, call, c->data_format);
    const resize_attributes attributes = {.kind = (resize_kind)c->interpolation,
                                          .antialias = c->antialias,
                                          .height = c->height,
                                          .width = c->width};

    if (x == VALUE_NONE || !size_check(b, c->height, c->width)) return false;
    if (c->crop_to_aspect_ratio && c->pad_to_aspect_ratio) {
        return layer_fail(b, EBB_E_FORMAT,
                          "crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other");
    }
    if (c->crop_to_aspect_ratio || c->pad_to_aspect_ratio) x = to_aspect(b, c, x);
    x = op_resize(b->graph, x, &attributes);
    if (graph_ok(b->graph) && graph_value(b->graph, call->inputs[0].v)->dtype == EBB_I32) {
        x = lowering_saturate(b, x, call->inputs[0].declared);
    }
    return lowering_done(b, call, image_close(b, call, c->data_format, x));
}

const layer_def layer_def_resizing = {"Resizing",       "preprocessing", NULL,
                                      sizeof(resizing), resizing_fields, MASK_DROPS,
                                      resizing_build};

/* -- CenterCrop: the middle, or where the image is too small the largest window, resized ------- */

typedef struct center_crop {
    int64_t height, width;
    uint32_t data_format;
} center_crop;

static const layer_field center_crop_fields[] = {
    {"height", FIELD_I64, offsetof(center_crop, height), true, 0, NULL},
    {"width", FIELD_I64, offsetof(center_crop, width), true, 0, NULL},
    FIELD_DATA_FORMAT(center_crop),
    FIELD_UNUSED("bounding_box_format"),
    FIELD_END,
};

/* The middle `length` cells of an axis; unknown lengths are taken for long enough, as Keras does.
 */
static value middle(layer_build *b, value x, int axis, int64_t length)
{
    const dim spare = dim_make(b->graph, DIM_SUB, graph_dim(b->graph, x, axis), length);

    return op_slice_axis(b->graph, x, axis, dim_make(b->graph, DIM_DIV, spare, 2), length, 1);
}

static bool center_crop_build(layer_build *b, const void *config, layer_call *call)
{
    const center_crop *c = config;
    value x = image_open(b, call, c->data_format);

    if (x == VALUE_NONE || !size_check(b, c->height, c->width) || !graph_ok(b->graph)) return false;
    const dim rows = graph_dim(b->graph, x, 1), columns = graph_dim(b->graph, x, 2);
    if ((!dim_known(rows) || rows >= c->height) && (!dim_known(columns) || columns >= c->width)) {
        x = middle(b, x, 1, c->height);
        if (!graph_ok(b->graph)) return false;
        x = middle(b, x, 2, c->width);
        return lowering_done(b, call, image_close(b, call, c->data_format, x));
    }
    if (build_known_dim(b, x, 1, "height") < 0 || build_known_dim(b, x, 2, "width") < 0)
        return false;
    const crop window = crop_to_aspect(rows, columns, c->height, c->width);
    const resize_attributes attributes = {
        .kind = RESIZE_BILINEAR, .height = c->height, .width = c->width};
    x = op_resize(b->graph, crop_take(b, x, &window), &attributes);
    return lowering_done(b, call, image_close(b, call, c->data_format, x));
}

const layer_def layer_def_center_crop = {"CenterCrop",        "preprocessing",    NULL,
                                         sizeof(center_crop), center_crop_fields, MASK_DROPS,
                                         center_crop_build};

/* -- random image layers ----------------------------------------------------------------------- */

/* Every key any of them writes: none matters while they let images through. */
static const layer_field random_fields[] = {
    FIELD_UNUSED("all_ops"),
    FIELD_UNUSED("alpha"),
    FIELD_UNUSED("addition_factor"),
    FIELD_UNUSED("bounding_box_format"),
    FIELD_UNUSED("bins"),
    FIELD_UNUSED("brightness_factor"),
    FIELD_UNUSED("chain_depth"),
    FIELD_UNUSED("contrast_factor"),
    FIELD_UNUSED("data_format"),
    FIELD_UNUSED("factor"),
    FIELD_UNUSED("fill_mode"),
    FIELD_UNUSED("fill_value"),
    FIELD_UNUSED("height"),
    FIELD_UNUSED("height_factor"),
    FIELD_UNUSED("hue_factor"),
    FIELD_UNUSED("interpolation"),
    FIELD_UNUSED("kernel_size"),
    FIELD_UNUSED("max_number"),
    FIELD_UNUSED("mode"),
    FIELD_UNUSED("num_chains"),
    FIELD_UNUSED("num_ops"),
    FIELD_UNUSED("saturation_factor"),
    FIELD_UNUSED("scale"),
    FIELD_UNUSED("sigma"),
    FIELD_UNUSED("threshold_factor"),
    FIELD_UNUSED("value_range"),
    FIELD_UNUSED("width"),
    FIELD_UNUSED("width_factor"),
    FIELD_UNUSED("x_factor"),
    FIELD_UNUSED("y_factor"),
    FIELD_END,
};

/* What they do in training is left out. */
static bool is_refused(layer_build *b)
{
    if (!b->is_training) return false;
    layer_fail(b, EBB_E_UNSUPPORTED,
               "training: random image layers are run at inference only; leave %s out of the model "
               "and augment the data",
               b->instance->class_name);
    return true;
}

bool image_keep(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    if (is_refused(b)) return false;
    return lowering_done(b, call, lowering_input(b, call, 1, EBB_RANK_MAX));
}

/* Bounding boxes do not get here: an image stays in training, too. */
static bool image_without_boxes(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    return lowering_done(b, call, lowering_input(b, call, 1, EBB_RANK_MAX));
}

/* RandomCrop does not even cast between float types: what it gives is a tensor of its own. */
bool image_as_is(layer_build *b, const void *config, layer_call *call)
{
    if (!image_keep(b, config, call)) return false;
    call->outputs[0].declared = call->inputs[0].declared;
    if (graph_value(b->graph, call->outputs[0].v)->dtype != EBB_F32) return true;
    return lowering_done(b, call, op_unary(b->graph, UNARY_IDENTITY, call->outputs[0].v));
}

bool image_to_float(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    if (is_refused(b)) return false;
    return lowering_done(b, call, lowering_input_f32(b, call, 1, EBB_RANK_MAX));
}

/* Some of them turn integer images into the layer's dtype even when they do nothing else. */
#define RANDOM(id, class_name, build)                                                              \
    const layer_def layer_def_##id = {class_name,    "preprocessing", NULL, 0,                     \
                                      random_fields, MASK_DROPS,      build};

RANDOM(aug_mix, "AugMix", image_to_float)
RANDOM(cut_mix, "CutMix", image_to_float)
RANDOM(equalization, "Equalization", image_keep)
RANDOM(max_num_bounding_boxes, "MaxNumBoundingBoxes", image_without_boxes)
RANDOM(mix_up, "MixUp", image_keep)
RANDOM(rand_augment, "RandAugment", image_to_float)
RANDOM(random_color_degeneration, "RandomColorDegeneration", image_keep)
RANDOM(random_color_jitter, "RandomColorJitter", image_keep)
RANDOM(random_elastic_transform, "RandomElasticTransform", image_to_float)
RANDOM(random_erasing, "RandomErasing", image_to_float)
RANDOM(random_gaussian_blur, "RandomGaussianBlur", image_to_float)
RANDOM(random_grayscale, "RandomGrayscale", image_keep)
RANDOM(random_hue, "RandomHue", image_keep)
RANDOM(random_invert, "RandomInvert", image_keep)
RANDOM(random_perspective, "RandomPerspective", image_to_float)
RANDOM(random_posterization, "RandomPosterization", image_keep)
RANDOM(random_saturation, "RandomSaturation", image_keep)
RANDOM(random_sharpness, "RandomSharpness", image_to_float)
RANDOM(random_shear, "RandomShear", image_to_float)
RANDOM(solarization, "Solarization", image_to_float)

/* -- AutoContrast: every image and channel stretched over the whole range --------------------- */

typedef struct auto_contrast {
    const json *value_range;
} auto_contrast;

static const layer_field auto_contrast_fields[] = {
    {"value_range", FIELD_JSON, offsetof(auto_contrast, value_range), false, 0, NULL},
    FIELD_UNUSED("data_format"),
    FIELD_UNUSED("bounding_box_format"),
    FIELD_END,
};

/* The range [low, high] of x becomes [to_low, to_high]. */
static value range_change(graph *g, value x, const double *from, const double *to)
{
    const unary_attributes shift = {UNARY_AFFINE, 1.0f, (float)-from[0], 0.0f};
    const unary_attributes grow = {UNARY_AFFINE, (float)(to[1] - to[0]), (float)to[0], 0.0f};

    if (from[0] == to[0] && from[1] == to[1]) return x;
    x = op_div(g, op_unary_with(g, shift, x), graph_scalar(g, (float)(from[1] - from[0])));
    return op_unary_with(g, grow, x);
}

/* Axes 1 and 2 whatever data_format says, as Keras does; what becomes NaN (all equal) stays. */
static bool auto_contrast_build(layer_build *b, const void *config, layer_call *call)
{
    static const double bytes[] = {0, 255};
    const unary_attributes clip = {UNARY_CLIP, 0.0f, 255.0f, 0.0f};
    const auto_contrast *c = config;
    graph *g = b->graph;
    const value given = lowering_input_f32(b, call, 3, 4);
    const json *range = c->value_range;
    const double own[] = {json_number(json_item(range, 0), 0),
                          json_number(json_item(range, 1), 255)};

    if (given == VALUE_NONE) return false;
    const value x = range_change(g, given, own, bytes);
    const value low = op_reduce(g, REDUCE_MIN, x, 6, true);
    const value span = op_sub(g, op_reduce(g, REDUCE_MAX, x, 6, true), low);
    const value scale = op_div(g, graph_scalar(g, 255.0f), span);
    const value offset = op_mul(g, op_unary(g, UNARY_NEG, low), scale);
    value y = op_unary_with(g, clip, op_add(g, op_mul(g, x, scale), offset));
    y = range_change(g, y, bytes, own);
    return lowering_done(b, call, op_select(g, op_unary(g, UNARY_IS_NAN, y), given, y));
}

const layer_def layer_def_auto_contrast = {"AutoContrast",        "preprocessing",      NULL,
                                           sizeof(auto_contrast), auto_contrast_fields, MASK_DROPS,
                                           auto_contrast_build};
