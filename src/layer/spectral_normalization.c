/* spectral_normalization.c -- SpectralNormalization: training divides the kernel of the layer
 * inside by its largest singular value, found by power iteration, and keeps the result.
 *
 * The kernel is replaced before the layer computes with it; its gradient is that of the new one.
 * At inference the kernel is used as it was saved.
 * Source: Keras 3, keras/src/layers/normalization/spectral_normalization.py. */
#include "layer/lowering.h"

#include <inttypes.h>
#include <string.h>

/* keras.backend.epsilon(), the least length of a vector. */
#define LENGTH_MIN 1e-7

#define ITERATIONS_MAX 1000

typedef struct spectral_normalization {
    const json *layer;
    int64_t power_iterations;
} spectral_normalization;

static const layer_field spectral_normalization_fields[] = {
    {"layer", FIELD_JSON, offsetof(spectral_normalization, layer), true, 0, NULL},
    {"power_iterations", FIELD_I64, offsetof(spectral_normalization, power_iterations), false, 1,
     NULL},
    FIELD_END,
};

typedef struct iteration {
    layer_build *b;
    const spectral_normalization *c;
} iteration;

static bool is_normalized(const layer_weight *w)
{
    return strcmp(w->name, "kernel") == 0 || strcmp(w->name, "embeddings") == 0;
}

static layer_weight *kernel_of(layer_instance *child)
{
    for (uint32_t i = 0; i < child->weight_count; i++) {
        if (is_normalized(&child->weights[i])) return &child->weights[i];
    }
    return NULL;
}

/* Keras counts the kernel of the layer inside as the wrapper's first variable. */
static value vector_u(layer_build *b, const layer_weight *kernel)
{
    const weight_options options = {.is_not_trainable = true};
    const int64_t dims[] = {1, kernel->dims[kernel->rank - 1]};

    return build_weight(b, "vector_u", 2, dims, &options);
}

static value unit(layer_build *b, value v)
{
    return lowering_unit(b, v, 3, LENGTH_MIN);
}

/* Kernel and vector of the next step; a kernel of zeros stays, and the vector beside it. */
static void kernel_update(const iteration *it, layer_weight *w)
{
    layer_build *b = it->b;
    graph *g = b->graph;
    const value kernel = w->computed, before = vector_u(b, w);
    value u = before, v = VALUE_NONE;

    if (!graph_ok(g)) return;
    const int64_t columns = w->dims[w->rank - 1];
    int64_t rows = 1;
    for (uint32_t i = 0; i + 1 < w->rank; i++) rows *= w->dims[i];
    const dim flat[] = {rows, columns};
    const value matrix = lowering_reshape(b, kernel, 2, flat);
    for (int64_t i = 0; i < it->c->power_iterations; i++) {
        v = unit(b, op_matmul(g, u, matrix, false, true));
        u = unit(b, op_matmul(g, v, matrix, false, false));
    }
    const value sigma = op_matmul(g, op_matmul(g, v, matrix, false, false), u, false, true);
    const value next = op_div(g, kernel, lowering_reshape(b, sigma, 0, NULL));
    const value zeros = op_compare(g, COMPARE_EQUAL, kernel, graph_scalar(g, 0));
    const value is_zero = op_reduce(g, REDUCE_ALL, zeros, 0, false);
    build_update(b, "vector_u", op_select(g, is_zero, before, u));
    build_weight_update(b, w, op_select(g, is_zero, kernel, next));
}

static void kernel_made(void *context, layer_weight *w)
{
    if (is_normalized(w)) kernel_update(context, w);
}

/* The first call makes the kernel, later ones find it. */
static bool child_call(layer_build *b, const spectral_normalization *c, layer_instance *child,
                       layer_call *call)
{
    iteration it = {b, c};
    const weight_watch watch = {kernel_made, &it};
    layer_weight *known = kernel_of(child);

    if (!b->is_training) return build_child_call(b, child, call);
    if (c->power_iterations <= 0 || c->power_iterations > ITERATIONS_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "power_iterations: expected 1 to %d, got %" PRId64,
                          ITERATIONS_MAX, c->power_iterations);
    }
    if (known != NULL)
        kernel_update(&it, known);
    else
        child->watch = &watch;
    const bool good = build_child_call(b, child, call);
    child->watch = NULL;
    return good;
}

static bool spectral_normalization_build(layer_build *b, const void *config, layer_call *call)
{
    const spectral_normalization *c = config;
    layer_instance *child = build_child(b, "layer", c->layer);

    if (child == NULL || !child_call(b, c, child, call)) return false;
    const layer_weight *kernel = kernel_of(child);
    if (kernel == NULL) {
        return layer_fail(b, EBB_E_UNSUPPORTED,
                          "the layer inside has neither a kernel nor embeddings");
    }
    build_adopt(b, child, kernel->name);
    vector_u(b, kernel);
    return graph_ok(b->graph);
}

const layer_def layer_def_spectral_normalization = {"SpectralNormalization",
                                                    "normalization",
                                                    NULL,
                                                    sizeof(spectral_normalization),
                                                    spectral_normalization_fields,
                                                    MASK_DROPS,
                                                    spectral_normalization_build};
