/* preprocessing.c -- Rescaling, Normalization, CategoryEncoding, Discretization, Pipeline.
 *
 * Source: Keras 3, keras/src/layers/preprocessing/ and keras/src/utils/numerical_utils.py. */
#include "format/keras/naming.h"
#include "layer/lowering.h"
#include "tensor/dtype.h"

#include <inttypes.h>
#include <string.h>

/* -- Rescaling: x * scale + offset ------------------------------------------------------------- */

typedef struct rescaling {
    const json *scale, *offset;
} rescaling;

static const layer_field rescaling_fields[] = {
    {"scale", FIELD_JSON, offsetof(rescaling, scale), true, 0, NULL},
    {"offset", FIELD_JSON, offsetof(rescaling, offset), false, 0, NULL},
    FIELD_END,
};

static bool is_number(const json *j)
{
    return j == NULL || j->kind == JSON_INTEGER || j->kind == JSON_NUMBER;
}

static bool rescaling_build(layer_build *b, const void *config, layer_call *call)
{
    const rescaling *c = config;
    value x = lowering_input_f32(b, call, 0, EBB_RANK_MAX);

    if (x == VALUE_NONE) return false;
    if (is_number(c->scale) && is_number(c->offset)) {
        const unary_attributes affine = {UNARY_AFFINE, (float)json_number(c->scale, 1),
                                         (float)json_number(c->offset, 0), 0.0f};
        return lowering_done(b, call, op_unary_with(b->graph, affine, x));
    }
    x = op_mul(b->graph, x, lowering_constant(b, c->scale, "scale"));
    if (c->offset != NULL) x = op_add(b->graph, x, lowering_constant(b, c->offset, "offset"));
    return lowering_done(b, call, x);
}

const layer_def layer_def_rescaling = {"Rescaling",       "preprocessing",  NULL,
                                       sizeof(rescaling), rescaling_fields, MASK_PASSES,
                                       rescaling_build};

/* -- Normalization: (x - mean) / max(sqrt(variance), 1e-7) over the axes that are kept --------- */

typedef struct normalization {
    const json *axis, *mean, *variance;
    bool invert;
} normalization;

static const layer_field normalization_fields[] = {
    {"axis", FIELD_JSON, offsetof(normalization, axis), false, 0, NULL},
    {"mean", FIELD_JSON, offsetof(normalization, mean), false, 0, NULL},
    {"variance", FIELD_JSON, offsetof(normalization, variance), false, 0, NULL},
    {"invert", FIELD_BOOL, offsetof(normalization, invert), false, 0, NULL},
    FIELD_END,
};

/* A tensor over the kept axes (or their last ones), lined up with the input. */
static value kept_align(layer_build *b, value v, uint32_t rank, uint32_t axes)
{
    dim dims[EBB_RANK_MAX];

    if (!graph_ok(b->graph)) return VALUE_NONE;
    const shape *s = graph_shape(b->graph, v);
    uint32_t left = s->rank;
    for (uint32_t i = rank; i-- > 0;) dims[i] = (axes >> i & 1) && left > 0 ? s->dims[--left] : 1;
    if (left == 0) return lowering_reshape(b, v, rank, dims);
    layer_fail(b, EBB_E_FORMAT, "mean and variance have more axes than are kept");
    return VALUE_NONE;
}

static value adapted(layer_build *b, const char *name, value x, uint32_t axes, ebb_dtype dtype)
{
    const weight_options options = {.is_not_trainable = true, .dtype = dtype};
    int64_t dims[EBB_RANK_MAX];
    uint32_t rank = 0;

    if (!graph_ok(b->graph)) return VALUE_NONE;
    for (uint32_t i = 0; i < graph_rank(b->graph, x); i++) {
        if (axes >> i & 1) dims[rank++] = build_known_dim(b, x, (int)i, "kept axis");
    }
    return graph_ok(b->graph) ? build_weight(b, name, rank, dims, &options) : VALUE_NONE;
}

static bool normalization_build(layer_build *b, const void *config, layer_call *call)
{
    const normalization *c = config;
    graph *g = b->graph;
    const value x = lowering_input_f32(b, call, 1, EBB_RANK_MAX);
    value mean, variance;

    if (x == VALUE_NONE) return false;
    const bool is_whole = c->axis != NULL && c->axis->kind == JSON_ARRAY && c->axis->count == 0;
    const uint32_t rank = graph_rank(g, x);
    const uint32_t axes = is_whole ? 0 : lowering_axes(b, x, c->axis, -1);
    if ((c->mean == NULL) != (c->variance == NULL)) {
        return layer_fail(b, EBB_E_FORMAT, "mean and variance: expected both or none");
    }
    if (c->mean != NULL) {
        mean = lowering_constant(b, c->mean, "mean");
        variance = lowering_constant(b, c->variance, "variance");
    } else {
        mean = adapted(b, "mean", x, axes, EBB_DTYPE_NONE);
        variance = adapted(b, "variance", x, axes, EBB_DTYPE_NONE);
        adapted(b, "count", x, 0, EBB_I64);
    }
    mean = kept_align(b, mean, rank, axes);
    variance = kept_align(b, variance, rank, axes);

    const value spread =
        op_binary(g, BINARY_MAX, op_unary(g, UNARY_SQRT, variance), graph_scalar(g, 1e-7f));
    if (c->invert) return lowering_done(b, call, op_add(g, mean, op_mul(g, x, spread)));
    return lowering_done(b, call, op_div(g, op_sub(g, x, mean), spread));
}

const layer_def layer_def_normalization = {"Normalization",       "preprocessing",      NULL,
                                           sizeof(normalization), normalization_fields, MASK_PASSES,
                                           normalization_build};

/* -- categories: what CategoryEncoding and Discretization make of indices ---------------------- */

enum { CATEGORY_INT, CATEGORY_ONE_HOT, CATEGORY_MULTI_HOT, CATEGORY_COUNT };

/* [n, k] -> [n, depth]: which of the k indices of a sample there are, or how often; one_hot keeps
 * every index apart and drops a last axis of length 1. Samples are rows; more axes stay behind the
 * sample's first one. */
static value categories(layer_build *b, value indices, uint32_t mode, int64_t depth, value weights)
{
    graph *g = b->graph;

    if (!graph_ok(g) || mode == CATEGORY_INT) return indices;
    uint32_t rank = graph_rank(g, indices);
    if (rank == 0) indices = lowering_expand(b, indices, 0);
    rank = rank == 0 ? 1 : rank;
    if (mode == CATEGORY_ONE_HOT && rank > 1 && graph_dim(g, indices, -1) == 1) {
        return op_one_hot(g, lowering_squeeze(b, indices, rank - 1), depth);
    }
    value hot = op_one_hot(g, indices, depth);
    if (mode == CATEGORY_ONE_HOT) return hot;
    if (weights != VALUE_NONE) hot = op_mul(g, hot, lowering_expand(b, weights, rank));
    return op_reduce(g, mode == CATEGORY_COUNT ? REDUCE_SUM : REDUCE_MAX, hot,
                     1u << (rank > 1 ? 1 : 0), false);
}

/* Keras gives counts in the layer's own dtype, which may be an integer one. */
static bool categories_done(layer_build *b, layer_call *call, value y)
{
    if (graph_ok(b->graph) && dtype_is_integer(b->instance->compute)) y = build_i32(b, y);
    return lowering_done(b, call, y);
}

typedef struct category_encoding {
    int64_t num_tokens;
    uint32_t output_mode;
} category_encoding;

static const layer_field category_encoding_fields[] = {
    {"num_tokens", FIELD_I64, offsetof(category_encoding, num_tokens), true, 0, NULL},
    {"output_mode", FIELD_CHOICE, offsetof(category_encoding, output_mode), false,
     CATEGORY_MULTI_HOT, "int|one_hot|multi_hot|count|binary"},
    FIELD_UNUSED("sparse"), /* the same numbers, kept otherwise */
    FIELD_END,
};

static bool category_encoding_build(layer_build *b, const void *config, layer_call *call)
{
    const category_encoding *c = config;
    const uint32_t mode = c->output_mode == 4 ? CATEGORY_MULTI_HOT : c->output_mode;
    const value x = lowering_input(b, call, 0, EBB_RANK_MAX - 1);
    const call_argument *counted = call_find(call, 1, "count_weights");
    value weights = VALUE_NONE;

    if (x == VALUE_NONE) return false;
    if (c->num_tokens < 1 || c->num_tokens > INT32_MAX || mode == CATEGORY_INT) {
        return layer_fail(
            b, EBB_E_FORMAT,
            "expected num_tokens of at least 1 and output_mode one_hot, multi_hot or count");
    }
    if (counted->kind == CALL_TENSOR) weights = build_f32(b, counted->tensor.v);
    if (weights != VALUE_NONE && mode != CATEGORY_COUNT) {
        return layer_fail(b, EBB_E_FORMAT, "count_weights are for output_mode count only");
    }
    return categories_done(b, call, categories(b, build_i32(b, x), mode, c->num_tokens, weights));
}

const layer_def layer_def_category_encoding = {
    "CategoryEncoding",        "preprocessing",          NULL,
    sizeof(category_encoding), category_encoding_fields, MASK_DROPS,
    category_encoding_build};

/* -- Discretization: how many boundaries are at or below x ------------------------------------- */

typedef struct discretization {
    const json *bin_boundaries;
    uint32_t output_mode;
} discretization;

static const layer_field discretization_fields[] = {
    {"bin_boundaries", FIELD_JSON, offsetof(discretization, bin_boundaries), false, 0, NULL},
    {"output_mode", FIELD_CHOICE, offsetof(discretization, output_mode), false, CATEGORY_INT,
     "int|one_hot|multi_hot|count"},
    FIELD_UNUSED("num_bins"),
    FIELD_UNUSED("epsilon"),
    FIELD_UNUSED("sparse"),
    FIELD_END,
};

static bool discretization_build(layer_build *b, const void *config, layer_call *call)
{
    const discretization *c = config;
    graph *g = b->graph;
    const value x = lowering_input_f32(b, call, 0, EBB_RANK_MAX - 2);

    if (x == VALUE_NONE) return false;
    if (c->bin_boundaries == NULL || c->bin_boundaries->kind != JSON_ARRAY) {
        return layer_fail(b, EBB_E_FORMAT,
                          "bin_boundaries: expected a list; the layer was saved before adapt()");
    }
    const uint32_t rank = graph_rank(g, x);
    const int32_t count = (int32_t)c->bin_boundaries->count;
    value index = lowering_filled(b, EBB_I32, false, graph_shape(g, x));
    if (count > 0) {
        const value edges = lowering_constant(b, c->bin_boundaries, "bin_boundaries");
        const value below =
            op_cast(g, op_compare(g, COMPARE_LESS, lowering_expand(b, x, rank), edges), EBB_I32);
        /* counted from the other end, so that NaN lands in the last bin as in TensorFlow */
        index = op_sub(g, graph_scalar_i32(g, count),
                       op_reduce(g, REDUCE_SUM, below, 1u << rank, false));
    }
    const value y = categories(b, index, c->output_mode, (int64_t)count + 1, VALUE_NONE);
    if (c->output_mode != CATEGORY_INT) return categories_done(b, call, y);
    call->outputs[0].declared = EBB_I32;
    return lowering_done(b, call, y);
}

const layer_def layer_def_discretization = {
    "Discretization", "preprocessing",     NULL, sizeof(discretization), discretization_fields,
    MASK_DROPS,       discretization_build};

/* -- Pipeline: layers one after the other ----------------------------------------------------- */

typedef struct pipeline {
    const json *layers;
} pipeline;

static const layer_field pipeline_fields[] = {
    {"layers", FIELD_JSON, offsetof(pipeline, layers), true, 0, NULL},
    FIELD_END,
};

/* "layers/dense", "layers/dense_1": how Keras names the objects of a list in a file. */
static const char *pipeline_path(layer_build *b, const json *layers, uint32_t index)
{
    const char *class_name = json_text(json_get(json_item(layers, index), "class_name"), "");
    char name[128];
    uint32_t same = 0;

    keras_snake_case(class_name, name, sizeof name);
    for (uint32_t i = 0; i < index; i++) {
        same += json_is_text(json_get(json_item(layers, i), "class_name"), class_name);
    }
    if (same == 0) return region_format(b->home, "layers/%s", name);
    return region_format(b->home, "layers/%s_%" PRIu32, name, same);
}

static bool pipeline_build(layer_build *b, const void *config, layer_call *call)
{
    const pipeline *c = config;

    if (lowering_input(b, call, 0, EBB_RANK_MAX) == VALUE_NONE) return false;
    layer_tensor tensor = call->inputs[0];
    for (uint32_t i = 0; c->layers->kind == JSON_ARRAY && i < c->layers->count; i++) {
        const call_argument argument = {.kind = CALL_TENSOR, .tensor = tensor};
        layer_call step = {.inputs = &tensor,
                           .input_count = 1,
                           .arguments = &argument,
                           .argument_count = 1,
                           .output_count = 1};
        const char *path = pipeline_path(b, c->layers, i);
        if (path == NULL) return layer_fail(b, EBB_E_MEMORY, "no memory for a name");
        layer_instance *child = build_child(b, path, json_item(c->layers, i));
        if (child == NULL || !build_child_call(b, child, &step)) return false;
        tensor = step.outputs[0];
    }
    call->outputs[0] = (layer_tensor){.v = tensor.v, .declared = tensor.declared};
    return graph_ok(b->graph);
}

const layer_def layer_def_pipeline = {"Pipeline",       "preprocessing", NULL,
                                      sizeof(pipeline), pipeline_fields, MASK_DROPS,
                                      pipeline_build};
