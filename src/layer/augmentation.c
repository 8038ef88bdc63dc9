/* augmentation.c -- the random image layers that train: flips, crops, brightness, contrast, and the
 * ones that move pixels by a matrix. At inference they let images through.
 *
 * Every image of a batch gets random numbers of its own, RandomCrop one place for all, as in Keras.
 * Source: Keras 3, keras/src/layers/preprocessing/image_preprocessing/, and the
 * ImageProjectiveTransformV3 of TensorFlow that does the work there. */
#include "layer/image.h"

#include <inttypes.h>
#include <math.h>

enum { FLIP_HORIZONTAL, FLIP_VERTICAL, FLIP_BOTH };
enum { FILL_REFLECT, FILL_WRAP, FILL_CONSTANT, FILL_NEAREST };
enum { PIXEL_NEAREST, PIXEL_BILINEAR };

typedef struct augmentation {
    const json *factor, *height_factor, *width_factor, *value_range;
    int64_t height, width;
    uint32_t mode, fill_mode, interpolation, data_format;
    float fill_value;
} augmentation;

#define FIELD_OF(kind, key, otherwise, choices)                                                    \
    {                                                                                              \
#key, kind, offsetof(augmentation, key), false, otherwise, choices                         \
    }
#define FIELDS_OF_PIXELS                                                                           \
    FIELD_OF(FIELD_CHOICE, fill_mode, FILL_REFLECT, "reflect|wrap|constant|nearest"),              \
        FIELD_OF(FIELD_CHOICE, interpolation, PIXEL_BILINEAR, "nearest|bilinear"),                 \
        FIELD_OF(FIELD_F32, fill_value, 0, NULL)
#define FIELDS_OF_IMAGES FIELD_DATA_FORMAT(augmentation), FIELD_UNUSED("bounding_box_format")

static const layer_field flip_fields[] = {
    FIELD_OF(FIELD_CHOICE, mode, FLIP_BOTH, "horizontal|vertical|horizontal_and_vertical"),
    FIELDS_OF_IMAGES, FIELD_END};
static const layer_field crop_fields[] = {
    {"height", FIELD_I64, offsetof(augmentation, height), true, 0, NULL},
    {"width", FIELD_I64, offsetof(augmentation, width), true, 0, NULL},
    FIELDS_OF_IMAGES,
    FIELD_END};
static const layer_field color_fields[] = {FIELD_OF(FIELD_JSON, factor, 0, NULL),
                                           FIELD_OF(FIELD_JSON, value_range, 0, NULL),
                                           FIELDS_OF_IMAGES, FIELD_END};
static const layer_field rotation_fields[] = {FIELD_OF(FIELD_JSON, factor, 0, NULL),
                                              FIELDS_OF_PIXELS, FIELDS_OF_IMAGES, FIELD_END};
static const layer_field shift_fields[] = {FIELD_OF(FIELD_JSON, height_factor, 0, NULL),
                                           FIELD_OF(FIELD_JSON, width_factor, 0, NULL),
                                           FIELDS_OF_PIXELS, FIELDS_OF_IMAGES, FIELD_END};

/* -- numbers ----------------------------------------------------------------------------------- */

typedef struct range {
    double low, high;
} range;

static bool range_fault(layer_build *b, const char *key, double least, double most)
{
    return layer_fail(b, EBB_E_FORMAT, "%s: expected a number or two from %g to %g", key, least,
                      most);
}

/* Two numbers, or one for both directions. */
static bool range_read(layer_build *b, const json *given, const char *key, double least,
                       range *result)
{
    const bool is_list = given != NULL && given->kind == JSON_ARRAY;
    const double one = json_number(given, NAN);
    const double first = is_list ? json_number(json_item(given, 0), NAN) : -fabs(one);
    const double second = is_list ? json_number(json_item(given, 1), NAN) : fabs(one);

    if (is_list && given->count != 2) return range_fault(b, key, least, 1);
    result->low = first < second ? first : second;
    result->high = first < second ? second : first;
    if (!is_list && result->low < least) result->low = least;
    if (!(result->low >= least) || !(result->high <= 1)) return range_fault(b, key, least, 1);
    return true;
}

static value uniform(layer_build *b, const shape *s, double low, double high)
{
    const random_attributes a = {
        .kind = RANDOM_UNIFORM, .to = *s, .low = (float)low, .high = (float)high};

    return build_random(b, &a);
}

/* One number for each image: [n, 1, ...] of the given rank. */
static value one_each(layer_build *b, value x, uint32_t rank, double low, double high)
{
    shape s = {.rank = rank};

    for (uint32_t i = 0; i < rank; i++) s.dims[i] = 1;
    s.dims[0] = graph_dim(b->graph, x, 0);
    return uniform(b, &s, low, high);
}

static value affine(graph *g, value x, double factor, double term)
{
    const unary_attributes a = {UNARY_AFFINE, (float)factor, (float)term, 0.0f};

    return op_unary_with(g, a, x);
}

static value clipped(graph *g, value x, double low, double high)
{
    const unary_attributes a = {UNARY_CLIP, (float)low, (float)high, 0.0f};

    return op_unary_with(g, a, x);
}

/* -- pixels moved by a matrix --------------------------------------------------------------------
 */

/* Where the pixel in column x and row y of the result comes from:
 * column ax * x + ay * y + a, row bx * x + by * y + b. Each [n, 1, 1] or a scalar. */
typedef struct movement {
    value ax, ay, a, bx, by, b;
} movement;

typedef struct sampler {
    layer_build *b;
    const augmentation *c;
    value x;    /* [n, h * w, c] */
    shape grid; /* [n, h, w] */
    dim count;  /* h * w */
    value last_row, last_column;
} sampler;

/* Length of an axis less 1. */
static value last_of(graph *g, value x, int axis)
{
    return affine(g, op_cast(g, op_length(g, graph_dim(g, x, axis)), EBB_F32), 1, -1);
}

static value within(graph *g, value x, value last)
{
    return op_binary(g, BINARY_MIN, op_binary(g, BINARY_MAX, x, graph_scalar(g, 0)), last);
}

/* The coordinate in the next copy of the image that holds it, counted from that copy's start. */
static value wrapped(graph *g, value at, value last)
{
    const value length = affine(g, last, 1, 1), one = graph_scalar(g, 1), zero = graph_scalar(g, 0);
    const value turns =
        op_unary(g, UNARY_TRUNC, op_div(g, at, op_binary(g, BINARY_MAX, last, one)));
    const value below = op_mul(g, affine(g, turns, -1, 1), length);
    const value above = op_mul(g, affine(g, turns, -1, 0), length);
    const value shift =
        op_select(g, op_compare(g, COMPARE_LESS, at, zero), below,
                  op_select(g, op_compare(g, COMPARE_GREATER, at, last), above, zero));

    return op_add(g, at, shift);
}

/* A coordinate outside the image as one inside, by the fill mode. */
static value fold_back(const sampler *s, value at, value last)
{
    graph *g = s->b->graph;

    if (s->c->fill_mode == FILL_CONSTANT) return at;
    if (s->c->fill_mode == FILL_REFLECT) {
        const value m = op_binary(g, BINARY_MOD, at, affine(g, last, 2, 2));
        const value is_back = op_compare(g, COMPARE_GREATER_EQUAL, m, affine(g, last, 1, 1));
        at = op_select(g, is_back, op_sub(g, affine(g, last, 2, 1), m), m);
    } else if (s->c->fill_mode == FILL_WRAP) {
        at = wrapped(g, at, last);
    }
    return within(g, at, last);
}

/* The pixels at whole coordinates, [n, h * w, c]; the fill value where there is none. */
static value pixels_at(const sampler *s, value column, value row)
{
    graph *g = s->b->graph;
    const value inside_column = within(g, column, s->last_column);
    const value inside_row = within(g, row, s->last_row);
    const shape flat = {.rank = 2, .dims = {s->grid.dims[0], s->count}};
    const shape each = {.rank = 3, .dims = {s->grid.dims[0], s->count, 1}};
    const gather_attributes by_image = {.axis = 1, .batch_dims = 1};
    const value index =
        op_add(g, op_cast(g, inside_column, EBB_I32),
               op_mul(g, op_cast(g, inside_row, EBB_I32), op_length(g, s->grid.dims[2])));
    const value taken = op_gather_with(g, s->x, op_reshape(g, index, &flat), &by_image);
    const value is_inside =
        op_binary(g, BINARY_AND, op_compare(g, COMPARE_EQUAL, inside_column, column),
                  op_compare(g, COMPARE_EQUAL, inside_row, row));

    return op_select(g, op_reshape(g, is_inside, &each), taken, graph_scalar(g, s->c->fill_value));
}

/* a + (b - a) * part, part as [n, h * w, 1]. */
static value between(const sampler *s, value a, value b, value part)
{
    graph *g = s->b->graph;
    const shape each = {.rank = 3, .dims = {s->grid.dims[0], s->count, 1}};
    const value weight = op_reshape(g, part, &each);

    return op_add(g, op_mul(g, a, affine(g, weight, -1, 1)), op_mul(g, b, weight));
}

static value sampled(const sampler *s, value column, value row)
{
    graph *g = s->b->graph;

    if (s->c->interpolation == PIXEL_NEAREST)
        return pixels_at(s, op_unary(g, UNARY_FLOOR, affine(g, column, 1, 0.5)),
                         op_unary(g, UNARY_FLOOR, affine(g, row, 1, 0.5)));
    const value left = op_unary(g, UNARY_FLOOR, column), top = op_unary(g, UNARY_FLOOR, row);
    const value right = affine(g, left, 1, 1), bottom = affine(g, top, 1, 1);
    const value across = op_sub(g, column, left), down = op_sub(g, row, top);
    const value upper = between(s, pixels_at(s, left, top), pixels_at(s, right, top), across);
    const value lower = between(s, pixels_at(s, left, bottom), pixels_at(s, right, bottom), across);

    return between(s, upper, lower, down);
}

/* 0, 1, ... along one axis of the grid. */
static value steps_along(graph *g, uint32_t axis, dim length)
{
    shape s = {.rank = 3, .dims = {1, 1, 1}};

    s.dims[axis] = length;
    return op_reshape(g, op_cast(g, op_iota(g, length), EBB_F32), &s);
}

static value moved_along(graph *g, value by_x, value by_y, value offset, value x, value y)
{
    return op_add(g, op_add(g, op_mul(g, by_x, x), op_mul(g, by_y, y)), offset);
}

static value pixels_moved(layer_build *b, const augmentation *c, value x, const movement *m)
{
    graph *g = b->graph;

    if (!graph_ok(g)) return VALUE_NONE;
    const shape whole = *graph_shape(g, x);
    const dim rows = whole.dims[1], columns = whole.dims[2];
    const dim count = dim_make(g, DIM_MUL, rows, columns);
    const shape flat = {.rank = 3, .dims = {whole.dims[0], count, whole.dims[3]}};
    if (count > INT32_MAX) {
        layer_fail(b, EBB_E_UNSUPPORTED, "an image of %" PRId64 " by %" PRId64, rows, columns);
        return VALUE_NONE;
    }
    const sampler s = {.b = b,
                       .c = c,
                       .x = op_reshape(g, x, &flat),
                       .grid = {.rank = 3, .dims = {whole.dims[0], rows, columns}},
                       .count = count,
                       .last_row = last_of(g, x, 1),
                       .last_column = last_of(g, x, 2)};
    const value at_x = steps_along(g, 2, columns), at_y = steps_along(g, 1, rows);
    const value column = op_broadcast(g, moved_along(g, m->ax, m->ay, m->a, at_x, at_y), &s.grid);
    const value row = op_broadcast(g, moved_along(g, m->bx, m->by, m->b, at_x, at_y), &s.grid);

    return op_reshape(
        g, sampled(&s, fold_back(&s, column, s.last_column), fold_back(&s, row, s.last_row)),
        &whole);
}

/* -- layers -------------------------------------------------------------------------------------
 */

static bool finish(layer_build *b, const augmentation *c, layer_call *call, value y)
{
    if (y == VALUE_NONE) return false;
    return lowering_done(b, call, image_close(b, call, c->data_format, y));
}

static bool flip_build(layer_build *b, const void *config, layer_call *call)
{
    const augmentation *c = config;
    graph *g = b->graph;

    if (!b->is_training) return image_to_float(b, config, call);
    value x = image_open(b, call, c->data_format);
    if (x == VALUE_NONE) return false;
    const value is_flipped =
        op_compare(g, COMPARE_LESS_EQUAL, one_each(b, x, 4, 0, 1), graph_scalar(g, 0.5f));
    if (c->mode != FLIP_VERTICAL) x = op_select(g, is_flipped, op_reverse(g, x, 2), x);
    if (c->mode != FLIP_HORIZONTAL) x = op_select(g, is_flipped, op_reverse(g, x, 1), x);
    return finish(b, c, call, x);
}

static bool rotation_build(layer_build *b, const void *config, layer_call *call)
{
    static const double turn = 6.283185307179586;
    const augmentation *c = config;
    graph *g = b->graph;
    range part;

    if (!b->is_training) return image_to_float(b, config, call);
    const value x = image_open(b, call, c->data_format);
    if (x == VALUE_NONE || !range_read(b, c->factor, "factor", -1, &part)) return false;
    const value middle_x = affine(g, last_of(g, x, 2), 0.5, 0),
                middle_y = affine(g, last_of(g, x, 1), 0.5, 0);
    const value angle = one_each(b, x, 3, part.low * turn, part.high * turn);
    const value cosine = op_unary(g, UNARY_COS, angle), sine = op_unary(g, UNARY_SIN, angle);
    const movement m = {
        .ax = cosine,
        .ay = affine(g, sine, -1, 0),
        .a = op_add(g, op_sub(g, middle_x, op_mul(g, cosine, middle_x)), op_mul(g, sine, middle_y)),
        .bx = sine,
        .by = cosine,
        .b =
            op_sub(g, op_sub(g, middle_y, op_mul(g, cosine, middle_y)), op_mul(g, sine, middle_x))};
    return finish(b, c, call, pixels_moved(b, c, x, &m));
}

static bool translation_build(layer_build *b, const void *config, layer_call *call)
{
    const augmentation *c = config;
    graph *g = b->graph;
    range up, along;

    if (!b->is_training) return image_to_float(b, config, call);
    const value x = image_open(b, call, c->data_format);
    if (x == VALUE_NONE || !range_read(b, c->height_factor, "height_factor", -1, &up) ||
        !range_read(b, c->width_factor, "width_factor", -1, &along))
        return false;
    const value rows = affine(g, last_of(g, x, 1), 1, 1),
                columns = affine(g, last_of(g, x, 2), 1, 1);
    const value one = graph_scalar(g, 1), zero = graph_scalar(g, 0);
    const movement m = {.ax = one,
                        .ay = zero,
                        .bx = zero,
                        .by = one,
                        .b = op_mul(g, one_each(b, x, 3, -up.high, -up.low), rows),
                        .a = op_mul(g, one_each(b, x, 3, -along.high, -along.low), columns)};
    return finish(b, c, call, pixels_moved(b, c, x, &m));
}

static bool zoom_build(layer_build *b, const void *config, layer_call *call)
{
    const augmentation *c = config;
    graph *g = b->graph;
    range up, along;
    const bool is_square = json_is_null(c->width_factor);

    if (!b->is_training) return image_to_float(b, config, call);
    const value x = image_open(b, call, c->data_format);
    if (x == VALUE_NONE || !range_read(b, c->height_factor, "height_factor", -1, &up) ||
        (!is_square && !range_read(b, c->width_factor, "width_factor", -1, &along)))
        return false;
    const value middle_x = affine(g, last_of(g, x, 2), 0.5, 0),
                middle_y = affine(g, last_of(g, x, 1), 0.5, 0);
    const value high = one_each(b, x, 3, 1 + up.low, 1 + up.high);
    const value wide = is_square ? high : one_each(b, x, 3, 1 + along.low, 1 + along.high);
    const value zero = graph_scalar(g, 0);
    const movement m = {.ax = wide,
                        .ay = zero,
                        .a = op_sub(g, middle_x, op_mul(g, wide, middle_x)),
                        .bx = zero,
                        .by = high,
                        .b = op_sub(g, middle_y, op_mul(g, high, middle_y))};
    return finish(b, c, call, pixels_moved(b, c, x, &m));
}

static bool values_read(layer_build *b, const augmentation *c, range *values)
{
    const bool is_given = !json_is_null(c->value_range);

    values->low = is_given ? json_number(json_item(c->value_range, 0), NAN) : 0;
    values->high = is_given ? json_number(json_item(c->value_range, 1), NAN) : 255;
    if (isfinite(values->low) && isfinite(values->high)) return true;
    return layer_fail(b, EBB_E_FORMAT, "value_range: expected two numbers");
}

static bool brightness_build(layer_build *b, const void *config, layer_call *call)
{
    const augmentation *c = config;
    graph *g = b->graph;
    range part, values;

    if (!b->is_training) return image_keep(b, config, call);
    const value x = image_open(b, call, c->data_format);
    if (x == VALUE_NONE || !range_read(b, c->factor, "factor", -1, &part) ||
        !values_read(b, c, &values))
        return false;
    const double least = fmin(values.low, values.high), most = fmax(values.low, values.high);
    const value shift = affine(g, one_each(b, x, 4, part.low, part.high), most - least, 0);
    return finish(b, c, call, clipped(g, op_add(g, x, shift), least, most));
}

static bool contrast_build(layer_build *b, const void *config, layer_call *call)
{
    const augmentation *c = config;
    graph *g = b->graph;
    range part, values;

    if (!b->is_training) return image_keep(b, config, call);
    const value x = image_open(b, call, c->data_format);
    if (x == VALUE_NONE || !range_read(b, c->factor, "factor", 0, &part) ||
        !values_read(b, c, &values))
        return false;
    const value factor = one_each(b, x, 4, 1 - part.low, 1 + part.high);
    const value mean = op_reduce(g, REDUCE_MEAN, x, 6, true);
    const value y = op_add(g, op_mul(g, op_sub(g, x, mean), factor), mean);
    return finish(b, c, call, clipped(g, y, values.low, values.high));
}

/* `wanted` pixels of an axis, from a place that is the same for the whole batch. */
static value crop_axis(layer_build *b, value x, int axis, int64_t length, int64_t wanted)
{
    graph *g = b->graph;
    const value from = uniform(b, &(shape){.rank = 0}, 0, (double)(length - wanted + 1));

    return op_gather(g, x, op_add(g, op_iota(g, wanted), op_cast(g, from, EBB_I32)), axis);
}

/* The part of an axis that Keras takes where the image is too small on either side. */
static value crop_middle(layer_build *b, value x, int axis, int64_t length, int64_t window,
                         int64_t wanted)
{
    const int64_t kept = window < 1 ? 1 : window < length ? window : length;
    const int64_t from = (length - kept) / 2;
    const int64_t count = from + wanted < length ? wanted : length - from;

    return op_slice_axis(b->graph, x, axis, from, count, 1);
}

static bool crop_build(layer_build *b, const void *config, layer_call *call)
{
    const augmentation *c = config;
    graph *g = b->graph;

    if (!b->is_training) return image_as_is(b, config, call);
    value x = image_open(b, call, c->data_format);
    if (x == VALUE_NONE) return false;
    const int64_t rows = build_known_dim(b, x, 1, "height"),
                  columns = build_known_dim(b, x, 2, "width");
    if (rows < 1 || columns < 1) return false;
    if (c->height < 1 || c->width < 1 || c->height > INT32_MAX || c->width > INT32_MAX ||
        rows > INT32_MAX || columns > INT32_MAX)
        return layer_fail(b, EBB_E_FORMAT, "expected a height and width of at least 1");
    if (rows > c->height && columns > c->width) {
        x = crop_axis(b, x, 1, rows, c->height);
        return finish(b, c, call, crop_axis(b, x, 2, columns, c->width));
    }
    x = crop_middle(b, x, 1, rows, columns * c->height / c->width, c->height);
    x = crop_middle(b, x, 2, columns, rows * c->width / c->height, c->width);
    const resize_attributes to = {.kind = RESIZE_BILINEAR, .height = c->height, .width = c->width};
    if (graph_ok(g) && (graph_dim(g, x, 1) != c->height || graph_dim(g, x, 2) != c->width))
        x = op_resize(g, x, &to);
    return finish(b, c, call, x);
}

#define AUGMENTATION(id, class_name, fields, build)                                                \
    const layer_def layer_def_##id = {class_name, "preprocessing", NULL, sizeof(augmentation),     \
                                      fields,     MASK_DROPS,      build};

AUGMENTATION(random_brightness, "RandomBrightness", color_fields, brightness_build)
AUGMENTATION(random_contrast, "RandomContrast", color_fields, contrast_build)
AUGMENTATION(random_crop, "RandomCrop", crop_fields, crop_build)
AUGMENTATION(random_flip, "RandomFlip", flip_fields, flip_build)
AUGMENTATION(random_rotation, "RandomRotation", rotation_fields, rotation_build)
AUGMENTATION(random_translation, "RandomTranslation", shift_fields, translation_build)
AUGMENTATION(random_zoom, "RandomZoom", shift_fields, zoom_build)
