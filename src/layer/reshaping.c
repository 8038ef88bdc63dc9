/* reshaping.c -- Flatten, Reshape, Permute, RepeatVector, Cropping1-3D, ZeroPadding1-3D,
 * UpSampling1-3D.
 *
 * Source: Keras 3, keras/src/layers/reshaping/. None of them passes a mask on. */
#include "layer/lowering.h"

#include <inttypes.h>

/* -- Flatten ----------------------------------------------------------------------------------- */

typedef struct flatten {
    uint32_t data_format;
} flatten;

static const layer_field flatten_fields[] = {FIELD_DATA_FORMAT(flatten), FIELD_END};

/* Product of the dims from axis `from` on. */
static dim dims_product(layer_build *b, const shape *s, uint32_t from)
{
    dim product = 1;

    for (uint32_t i = from; i < s->rank; i++)
        product = dim_make(b->graph, DIM_MUL, product, s->dims[i]);
    return product;
}

static bool flatten_build(layer_build *b, const void *config, layer_call *call)
{
    const flatten *c = config;
    value x = lowering_input(b, call, 1, EBB_RANK_MAX);

    if (x == VALUE_NONE) return false;
    if (c->data_format == CHANNELS_FIRST)
        x = lowering_move_axis(b, x, 1, graph_rank(b->graph, x) - 1);
    if (!graph_ok(b->graph)) return false;
    const shape *s = graph_shape(b->graph, x);
    const dim dims[] = {s->dims[0], dims_product(b, s, 1)};
    return lowering_done(b, call, lowering_reshape(b, x, 2, dims));
}

const layer_def layer_def_flatten = {"Flatten",      "reshaping", NULL,         sizeof(flatten),
                                     flatten_fields, MASK_DROPS,  flatten_build};

/* -- Reshape ----------------------------------------------------------------------------------- */

typedef struct reshape {
    int_list target_shape;
} reshape;

static const layer_field reshape_fields[] = {
    {"target_shape", FIELD_INTS, offsetof(reshape, target_shape), true, 0, NULL},
    FIELD_END,
};

/* The length that -1 stands for. */
static dim reshape_rest(layer_build *b, dim total, int64_t known)
{
    if (dim_known(total) && (known == 0 || total % known != 0)) {
        layer_fail(b, EBB_E_SHAPE, "target_shape: %" PRId64 " elements do not divide into %" PRId64,
                   total, known);
        return 0;
    }
    return dim_make(b->graph, DIM_DIV, total, known);
}

static bool reshape_build(layer_build *b, const void *config, layer_call *call)
{
    const reshape *c = config;
    const value x = lowering_input(b, call, 1, EBB_RANK_MAX);
    dim dims[EBB_RANK_MAX];
    int64_t known = 1;
    int free = -1;

    if (x == VALUE_NONE) return false;
    if (c->target_shape.count >= EBB_RANK_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "target_shape: at most %d axes are possible",
                          EBB_RANK_MAX - 1);
    }
    const shape s = *graph_shape(b->graph, x);
    const dim total = dims_product(b, &s, 1);
    for (uint32_t i = 0; i < c->target_shape.count; i++) {
        const int64_t length = c->target_shape.items[i];
        const bool is_free = length == -1 || length == INT_LIST_NULL;
        if ((is_free && free >= 0) ||
            (!is_free && (length < 0 || length > INT32_MAX || known > INT32_MAX))) {
            return layer_fail(b, EBB_E_FORMAT, "target_shape: expected lengths and at most one -1");
        }
        if (is_free) free = (int)i;
        if (!is_free) known *= length;
        dims[i + 1] = length;
    }
    if (free >= 0) dims[free + 1] = reshape_rest(b, total, known);
    if (free < 0 && dim_known(total) && total != known) {
        return layer_fail(b, EBB_E_SHAPE,
                          "target_shape: expected %" PRId64 " elements, got %" PRId64, total,
                          known);
    }
    dims[0] = s.dims[0];
    return lowering_done(b, call, lowering_reshape(b, x, c->target_shape.count + 1, dims));
}

const layer_def layer_def_reshape = {"Reshape",      "reshaping", NULL,         sizeof(reshape),
                                     reshape_fields, MASK_DROPS,  reshape_build};

/* -- Permute: axes counted from 1, the batch axis stays ---------------------------------------- */

typedef struct permute {
    int_list dims;
} permute;

static const layer_field permute_fields[] = {
    {"dims", FIELD_INTS, offsetof(permute, dims), true, 0, NULL},
    FIELD_END,
};

static bool permute_build(layer_build *b, const void *config, layer_call *call)
{
    const permute *c = config;
    const value x = lowering_input(b, call, 1, EBB_RANK_MAX);
    uint32_t order[EBB_RANK_MAX] = {0}, seen = 1;

    if (x == VALUE_NONE) return false;
    const uint32_t rank = graph_rank(b->graph, x);
    for (uint32_t i = 0; i < c->dims.count && i + 1 < rank; i++) {
        const int64_t axis = c->dims.items[i];
        if (axis < 1 || axis >= rank) break;
        order[i + 1] = (uint32_t)axis;
        seen |= 1u << axis;
    }
    if (c->dims.count + 1 != rank || seen != (1u << rank) - 1) {
        return layer_fail(b, EBB_E_SHAPE, "dims: expected every axis from 1 to %" PRIu32 " once",
                          rank - 1);
    }
    return lowering_done(b, call, op_transpose(b->graph, x, order));
}

const layer_def layer_def_permute = {"Permute",      "reshaping", NULL,         sizeof(permute),
                                     permute_fields, MASK_DROPS,  permute_build};

/* -- RepeatVector: [batch, features] -> [batch, n, features] ----------------------------------- */

typedef struct repeat_vector {
    int64_t n;
} repeat_vector;

static const layer_field repeat_vector_fields[] = {
    {"n", FIELD_I64, offsetof(repeat_vector, n), true, 0, NULL},
    FIELD_END,
};

static bool repeat_vector_build(layer_build *b, const void *config, layer_call *call)
{
    const repeat_vector *c = config;
    const value x = lowering_input(b, call, 2, 2);

    if (x == VALUE_NONE) return false;
    if (c->n < 0)
        return layer_fail(b, EBB_E_FORMAT, "n: expected a number of repetitions, got %" PRId64,
                          c->n);
    const shape *s = graph_shape(b->graph, x);
    const shape to = {.rank = 3, .dims = {s->dims[0], c->n, s->dims[1]}};
    return lowering_done(b, call, op_broadcast(b->graph, lowering_expand(b, x, 1), &to));
}

const layer_def layer_def_repeat_vector = {"RepeatVector",        "reshaping",          NULL,
                                           sizeof(repeat_vector), repeat_vector_fields, MASK_DROPS,
                                           repeat_vector_build};

/* -- Cropping, ZeroPadding --------------------------------------------------------------------- */

typedef struct margins {
    const json
        *pairs; /* n, [n per axis], or [[before, after] per axis]; one axis: n or [before, after] */
    uint32_t data_format;
} margins;

static const layer_field cropping_fields[] = {
    {"cropping", FIELD_JSON, offsetof(margins, pairs), false, 0, NULL},
    FIELD_DATA_FORMAT(margins),
    FIELD_END,
};
static const layer_field zero_padding_fields[] = {
    {"padding", FIELD_JSON, offsetof(margins, pairs), false, 0, NULL},
    FIELD_DATA_FORMAT(margins),
    FIELD_END,
};

static bool margin_read(layer_build *b, const json *number, int64_t *margin)
{
    *margin = json_integer(number, number == NULL ? 1 : -1);
    if (*margin >= 0 && *margin <= INT32_MAX) return true;
    return layer_fail(b, EBB_E_FORMAT, "margins: expected numbers of at least 0");
}

static bool margins_read(layer_build *b, const json *pairs, uint32_t spatial, int64_t *before,
                         int64_t *after)
{
    const bool is_list = pairs != NULL && pairs->kind == JSON_ARRAY;
    const bool is_pair = is_list && spatial == 1 && pairs->count == 2;

    if (is_list && !is_pair && pairs->count != spatial) {
        return layer_fail(b, EBB_E_FORMAT, "margins: expected %" PRIu32 " pairs, got %" PRIu32,
                          spatial, pairs->count);
    }
    for (uint32_t i = 0; i < spatial; i++) {
        const json *item = is_list && !is_pair ? json_item(pairs, i) : pairs;
        const bool two = item != NULL && item->kind == JSON_ARRAY;
        if (two && item->count != 2)
            return layer_fail(b, EBB_E_FORMAT, "margins: expected [before, after]");
        if (!margin_read(b, two ? json_item(item, 0) : item, &before[i]) ||
            !margin_read(b, two ? json_item(item, 1) : item, &after[i])) {
            return false;
        }
    }
    return true;
}

static bool cropping_build(layer_build *b, const margins *c, layer_call *call, uint32_t spatial)
{
    value x = lowering_input(b, call, spatial + 2, spatial + 2);
    const uint32_t first = c->data_format == CHANNELS_FIRST ? 2 : 1;
    int64_t before[SPATIAL_MAX], after[SPATIAL_MAX];

    if (x == VALUE_NONE || !margins_read(b, c->pairs, spatial, before, after)) return false;
    for (uint32_t i = 0; i < spatial && graph_ok(b->graph); i++) {
        const dim length = graph_dim(b->graph, x, (int)(first + i));
        if (dim_known(length) && length < before[i] + after[i]) {
            return layer_fail(b, EBB_E_SHAPE,
                              "cropping: %" PRId64 " + %" PRId64 " is more than the %" PRId64
                              " cells of axis %" PRIu32,
                              before[i], after[i], length, first + i);
        }
        const dim rest = dim_make(b->graph, DIM_SUB, length, before[i] + after[i]);
        if (before[i] + after[i] > 0)
            x = op_slice_axis(b->graph, x, (int)(first + i), before[i], rest, 1);
    }
    return lowering_done(b, call, x);
}

static bool zero_padding_build(layer_build *b, const margins *c, layer_call *call, uint32_t spatial)
{
    const value x = lowering_input(b, call, spatial + 2, spatial + 2);
    const uint32_t first = c->data_format == CHANNELS_FIRST ? 2 : 1;
    pad_attributes attributes = {.kind = PAD_CONSTANT};
    int64_t before[SPATIAL_MAX], after[SPATIAL_MAX];

    if (x == VALUE_NONE || !margins_read(b, c->pairs, spatial, before, after)) return false;
    for (uint32_t i = 0; i < spatial; i++) {
        attributes.before[first + i] = before[i];
        attributes.after[first + i] = after[i];
    }
    return lowering_done(b, call, op_pad(b->graph, x, &attributes));
}

/* -- UpSampling -------------------------------------------------------------------------------- */

typedef struct up_sampling {
    int_list size;
    uint32_t data_format, interpolation;
} up_sampling;

static const layer_field up_sampling_fields[] = {
    {"size", FIELD_INTS, offsetof(up_sampling, size), false, 0, NULL},
    FIELD_DATA_FORMAT(up_sampling),
    {"interpolation", FIELD_CHOICE, offsetof(up_sampling, interpolation), false, 0,
     "nearest|bilinear|bicubic|lanczos3|lanczos5"}, /* in the order of resize_kind */
    FIELD_END,
};

/* Every cell repeated: a new axis behind each spatial one, filled by broadcasting, then merged with
 * it. */
static value repeat_cells(layer_build *b, value x, uint32_t first, uint32_t spatial,
                          const int64_t *size)
{
    graph *g = b->graph;
    const shape s = *graph_shape(g, x);
    dim merged[EBB_RANK_MAX], split[EBB_RANK_MAX];
    shape to = {.rank = s.rank + spatial};

    for (uint32_t i = 0, at = 0; i < s.rank; i++) {
        const bool is_spatial = i >= first && i < first + spatial;
        merged[i] = is_spatial ? dim_make(g, DIM_MUL, s.dims[i], size[i - first]) : s.dims[i];
        split[at] = to.dims[at] = s.dims[i];
        at++;
        if (!is_spatial) continue;
        split[at] = 1;
        to.dims[at++] = size[i - first];
    }
    const value open = lowering_reshape(b, x, to.rank, split);
    return lowering_reshape(b, op_broadcast(g, open, &to), s.rank, merged);
}

static bool up_sampling_build(layer_build *b, const up_sampling *c, layer_call *call,
                              uint32_t spatial)
{
    value x = lowering_input(b, call, spatial + 2, spatial + 2);
    int64_t size[SPATIAL_MAX];

    if (x == VALUE_NONE || !lowering_ints(b, &c->size, spatial, 1, 2, "size", size)) return false;
    const bool is_first = c->data_format == CHANNELS_FIRST;
    if (spatial != 2 ||
        (c->interpolation == RESIZE_NEAREST && graph_value(b->graph, x)->dtype != EBB_F32)) {
        return lowering_done(b, call, repeat_cells(b, x, is_first ? 2 : 1, spatial, size));
    }
    x = build_f32(b, x);
    const layer_tensor *input = &call->inputs[0];
    if (is_first) x = build_channels_last(b, x);
    if (!graph_ok(b->graph)) return false;
    const resize_attributes attributes = {
        .kind = (resize_kind)c->interpolation,
        .height = dim_make(b->graph, DIM_MUL, graph_dim(b->graph, x, 1), size[0]),
        .width = dim_make(b->graph, DIM_MUL, graph_dim(b->graph, x, 2), size[1]),
    };
    x = op_resize(b->graph, x, &attributes);
    if (graph_value(b->graph, input->v)->dtype == EBB_I32) {
        x = lowering_saturate(b, x, input->declared);
    }
    if (is_first && graph_ok(b->graph)) x = build_channels_first(b, x);
    return lowering_done(b, call, x);
}

/* -- the table --------------------------------------------------------------------------------- */

#define RESHAPING(id, class_name, type, fields, build, spatial)                                    \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        return build(b, config, call, spatial);                                                    \
    }                                                                                              \
    const layer_def layer_def_##id = {class_name, "reshaping", NULL,      sizeof(type),            \
                                      fields,     MASK_DROPS,  id##_build};

RESHAPING(cropping1d, "Cropping1D", margins, cropping_fields, cropping_build, 1)
RESHAPING(cropping2d, "Cropping2D", margins, cropping_fields, cropping_build, 2)
RESHAPING(cropping3d, "Cropping3D", margins, cropping_fields, cropping_build, 3)
RESHAPING(zero_padding1d, "ZeroPadding1D", margins, zero_padding_fields, zero_padding_build, 1)
RESHAPING(zero_padding2d, "ZeroPadding2D", margins, zero_padding_fields, zero_padding_build, 2)
RESHAPING(zero_padding3d, "ZeroPadding3D", margins, zero_padding_fields, zero_padding_build, 3)
RESHAPING(up_sampling1d, "UpSampling1D", up_sampling, up_sampling_fields, up_sampling_build, 1)
RESHAPING(up_sampling2d, "UpSampling2D", up_sampling, up_sampling_fields, up_sampling_build, 2)
RESHAPING(up_sampling3d, "UpSampling3D", up_sampling, up_sampling_fields, up_sampling_build, 3)
