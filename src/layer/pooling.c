/* pooling.c -- Max/AveragePooling, GlobalMax/GlobalAveragePooling and
 * AdaptiveMax/AdaptiveAveragePooling, 1D to 3D.
 *
 * Source: Keras 3, keras/src/layers/pooling/ and keras/src/backend/tensorflow/nn.py (adaptive
 * windows). */
#include "layer/lowering.h"

#include <inttypes.h>

/* -- windows ----------------------------------------------------------------------------------- */

typedef struct pooling {
    int_list pool_size, strides;
    uint32_t padding, data_format;
} pooling;

static const layer_field pool_fields[] = {
    {"pool_size", FIELD_INTS, offsetof(pooling, pool_size), false, 0, NULL},
    {"strides", FIELD_INTS, offsetof(pooling, strides), false, 0, NULL},
    {"padding", FIELD_CHOICE, offsetof(pooling, padding), false, 0, "valid|same"},
    FIELD_DATA_FORMAT(pooling),
    FIELD_END,
};

static bool pool_build(layer_build *b, const pooling *c, layer_call *call, uint32_t spatial,
                       pool_kind kind)
{
    pool_attributes attributes = {.kind = kind, .spatial = spatial, .same = c->padding == 1};
    value x = lowering_input_f32(b, call, spatial + 2, spatial + 2);

    if (x == VALUE_NONE ||
        !lowering_ints(b, &c->pool_size, spatial, 1, 2, "pool_size", attributes.window))
        return false;
    if (!lowering_ints(b, c->strides.count > 0 ? &c->strides : &c->pool_size, spatial, 1, 2,
                       "strides", attributes.strides)) {
        return false;
    }
    if (c->data_format == CHANNELS_FIRST) x = build_channels_last(b, x);
    value y = op_pool(b->graph, x, &attributes);
    if (c->data_format == CHANNELS_FIRST && graph_ok(b->graph)) y = build_channels_first(b, y);
    return lowering_done(b, call, y);
}

/* -- global ------------------------------------------------------------------------------------ */

typedef struct global_pooling {
    uint32_t data_format;
    bool keepdims;
} global_pooling;

static const layer_field global_pool_fields[] = {
    FIELD_DATA_FORMAT(global_pooling),
    {"keepdims", FIELD_BOOL, offsetof(global_pooling, keepdims), false, 0, NULL},
    FIELD_END,
};

static bool global_build(layer_build *b, const global_pooling *c, layer_call *call,
                         uint32_t spatial, reduce_kind kind)
{
    const value x = lowering_input_f32(b, call, spatial + 2, spatial + 2);
    const uint32_t axes = ((1u << spatial) - 1) << (c->data_format == CHANNELS_FIRST ? 2 : 1);

    if (x == VALUE_NONE) return false;
    return lowering_done(b, call, op_reduce(b->graph, kind, x, axes, c->keepdims));
}

/* The mean over the steps the mask keeps; 0/0 when it keeps none, as in Keras. */
static bool masked_mean(layer_build *b, const global_pooling *c, layer_call *call, value mask)
{
    graph *g = b->graph;
    const value x = lowering_input_f32(b, call, 3, 3);
    const uint32_t time = c->data_format == CHANNELS_FIRST ? 2 : 1;

    if (x == VALUE_NONE) return false;
    if (graph_value(g, mask)->dtype != EBB_BOOL) mask = op_cast(g, mask, EBB_BOOL);
    mask = lowering_expand(b, mask, 3 - time);
    const value kept = op_select(g, mask, x, graph_scalar(g, 0.0f));
    const value sum = op_reduce(g, REDUCE_SUM, kept, 1u << time, c->keepdims);
    const value count =
        op_reduce(g, REDUCE_SUM, op_cast(g, mask, EBB_F32), 1u << time, c->keepdims);
    return lowering_done(b, call, op_div(g, sum, count));
}

static bool global_average_pooling1d_build(layer_build *b, const void *config, layer_call *call)
{
    const value mask = lowering_mask(call, 1);

    if (mask != VALUE_NONE) return masked_mean(b, config, call, mask);
    return global_build(b, config, call, 1, REDUCE_MEAN);
}

/* -- adaptive: window i of o over n cells runs from floor(i n / o) to ceil((i + 1) n / o) ------ */

typedef struct adaptive_pooling {
    int_list output_size;
    uint32_t data_format;
} adaptive_pooling;

static const layer_field adaptive_fields[] = {
    {"output_size", FIELD_INTS, offsetof(adaptive_pooling, output_size), true, 0, NULL},
    FIELD_DATA_FORMAT(adaptive_pooling),
    FIELD_END,
};

/* Uneven windows on one axis: the cells of every window side by side (the last one repeated), then
 * reduced. */
static value uneven_axis(layer_build *b, value x, uint32_t axis, int64_t length, int64_t windows,
                         pool_kind kind)
{
    graph *g = b->graph;
    const int64_t wide = length / windows + 2;
    int32_t *cells = region_new(b->home, int32_t, (size_t)(windows * wide));
    float *parts = region_new(b->home, float, (size_t)(windows * wide));

    if (cells == NULL || parts == NULL) {
        layer_fail(b, EBB_E_MEMORY, "no memory for the windows");
        return VALUE_NONE;
    }
    for (int64_t i = 0; i < windows; i++) {
        const int64_t first = i * length / windows,
                      end = ((i + 1) * length + windows - 1) / windows;
        for (int64_t j = 0; j < wide; j++) {
            cells[i * wide + j] = (int32_t)(first + j < end ? first + j : end - 1);
            parts[i * wide + j] = first + j < end ? 1.0f / (float)(end - first) : 0.0f;
        }
    }
    const shape table = {.rank = 2, .dims = {windows, wide}};
    value y = op_gather(g, x, graph_constant(g, EBB_I32, &table, cells), (int)axis);
    if (kind == POOL_MAX) return op_reduce(g, REDUCE_MAX, y, 1u << (axis + 1), false);

    shape weights = {.rank = graph_rank(g, x) + 1 - axis, .dims = {windows, wide}};
    for (uint32_t i = 2; i < weights.rank; i++) weights.dims[i] = 1;
    y = op_mul(g, y, graph_constant(g, EBB_F32, &weights, parts));
    return op_reduce(g, REDUCE_SUM, y, 1u << (axis + 1), false);
}

static bool adaptive_build(layer_build *b, const adaptive_pooling *c, layer_call *call,
                           uint32_t spatial, pool_kind kind)
{
    value x = lowering_input_f32(b, call, spatial + 2, spatial + 2);
    pool_attributes even = {.kind = kind, .spatial = spatial};
    int64_t lengths[SPATIAL_MAX], windows[SPATIAL_MAX];
    bool is_even = true;

    if (x == VALUE_NONE ||
        !lowering_ints(b, &c->output_size, spatial, 1, 1, "output_size", windows))
        return false;
    if (c->data_format == CHANNELS_FIRST) x = build_channels_last(b, x);
    for (uint32_t i = 0; i < spatial; i++) {
        lengths[i] = build_known_dim(b, x, (int)i + 1, "spatial axis");
        if (lengths[i] < 0) return false;
        if (lengths[i] == 0 || windows[i] > INT32_MAX / (lengths[i] + 2)) {
            return layer_fail(b, EBB_E_UNSUPPORTED,
                              "output_size: %" PRId64 " windows over %" PRId64 " cells", windows[i],
                              lengths[i]);
        }
        is_even = is_even && lengths[i] % windows[i] == 0;
        even.window[i] = even.strides[i] = lengths[i] / windows[i];
    }
    if (is_even) x = op_pool(b->graph, x, &even);
    for (uint32_t i = 0; i < spatial && !is_even && graph_ok(b->graph); i++) {
        x = uneven_axis(b, x, i + 1, lengths[i], windows[i], kind);
    }
    if (c->data_format == CHANNELS_FIRST && graph_ok(b->graph)) x = build_channels_first(b, x);
    return lowering_done(b, call, x);
}

/* -- the table --------------------------------------------------------------------------------- */

#define POOL(id, class_name, other_name, spatial, kind)                                            \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        return pool_build(b, config, call, spatial, kind);                                         \
    }                                                                                              \
    const layer_def layer_def_##id = {class_name,  "pooling",  other_name, sizeof(pooling),        \
                                      pool_fields, MASK_DROPS, id##_build};
#define GLOBAL(id, spatial, kind)                                                                  \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        return global_build(b, config, call, spatial, kind);                                       \
    }
#define GLOBAL_DEF(id, class_name, other_name)                                                     \
    const layer_def layer_def_##id = {                                                             \
        class_name,         "pooling",  other_name, sizeof(global_pooling),                        \
        global_pool_fields, MASK_DROPS, id##_build};
#define ADAPTIVE(id, class_name, spatial, kind)                                                    \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        return adaptive_build(b, config, call, spatial, kind);                                     \
    }                                                                                              \
    const layer_def layer_def_##id = {                                                             \
        class_name,      "pooling",  NULL,      sizeof(adaptive_pooling),                          \
        adaptive_fields, MASK_DROPS, id##_build};

POOL(max_pooling1d, "MaxPooling1D", "MaxPool1D", 1, POOL_MAX)
POOL(max_pooling2d, "MaxPooling2D", "MaxPool2D", 2, POOL_MAX)
POOL(max_pooling3d, "MaxPooling3D", "MaxPool3D", 3, POOL_MAX)
POOL(average_pooling1d, "AveragePooling1D", "AvgPool1D", 1, POOL_AVERAGE)
POOL(average_pooling2d, "AveragePooling2D", "AvgPool2D", 2, POOL_AVERAGE)
POOL(average_pooling3d, "AveragePooling3D", "AvgPool3D", 3, POOL_AVERAGE)

GLOBAL(global_max_pooling1d, 1, REDUCE_MAX)
GLOBAL(global_max_pooling2d, 2, REDUCE_MAX)
GLOBAL(global_max_pooling3d, 3, REDUCE_MAX)
GLOBAL(global_average_pooling2d, 2, REDUCE_MEAN)
GLOBAL(global_average_pooling3d, 3, REDUCE_MEAN)
GLOBAL_DEF(global_max_pooling1d, "GlobalMaxPooling1D", "GlobalMaxPool1D")
GLOBAL_DEF(global_max_pooling2d, "GlobalMaxPooling2D", "GlobalMaxPool2D")
GLOBAL_DEF(global_max_pooling3d, "GlobalMaxPooling3D", "GlobalMaxPool3D")
GLOBAL_DEF(global_average_pooling1d, "GlobalAveragePooling1D", "GlobalAvgPool1D")
GLOBAL_DEF(global_average_pooling2d, "GlobalAveragePooling2D", "GlobalAvgPool2D")
GLOBAL_DEF(global_average_pooling3d, "GlobalAveragePooling3D", "GlobalAvgPool3D")

ADAPTIVE(adaptive_max_pooling1d, "AdaptiveMaxPooling1D", 1, POOL_MAX)
ADAPTIVE(adaptive_max_pooling2d, "AdaptiveMaxPooling2D", 2, POOL_MAX)
ADAPTIVE(adaptive_max_pooling3d, "AdaptiveMaxPooling3D", 3, POOL_MAX)
ADAPTIVE(adaptive_average_pooling1d, "AdaptiveAveragePooling1D", 1, POOL_AVERAGE)
ADAPTIVE(adaptive_average_pooling2d, "AdaptiveAveragePooling2D", 2, POOL_AVERAGE)
ADAPTIVE(adaptive_average_pooling3d, "AdaptiveAveragePooling3D", 3, POOL_AVERAGE)
