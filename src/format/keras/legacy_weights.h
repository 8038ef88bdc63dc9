/* legacy_weights.h -- weights as old files keep them, turned into the arrays Keras 3 has.
 *
 * Pure functions: shapes in, a plan out; the plan then fills each canonical array from the stored
 * ones. A plan is a list of strided copies, because every conversion is one: transposing,
 * flipping, joining gates, adding halves.
 *
 *     legacy_weights_plan()   per layer, from shapes alone: what the canonical shapes are, and
 *                             whether all is as it should be (is_identity) legacy_weights_apply()
 *                             per canonical array, with the stored data
 *
 * What is converted: Keras 1 kernels (channels_first order, Conv1D with its extra axis, transposed
 * convolutions, separable ones), gates kept apart (LSTM 12 arrays, GRU 9, ConvLSTM2D 12); kernels
 * turned by 180 degrees by Theano; kernels saved in channels_first order by any version; CuDNNLSTM
 * and CuDNNGRU, told by the size of their bias. Bidirectional and TimeDistributed follow the rules
 * of the layer they hold. A layer that was adapted with LoRA (Keras 3) has its two small matrices
 * beside the kernel: their product is added to it.
 *
 * Source: tf_keras/src/saving/legacy/hdf5_format.py (preprocess_weights_for_loading,
 * _convert_rnn_weights); keras/engine/saving.py of Keras 2.2.4 (_need_convert_kernel); enable_lora
 * and kernel in keras/src/layers/core/dense.py, embedding.py, convolutional/base_conv.py.
 */
#ifndef EBB_FORMAT_KERAS_LEGACY_WEIGHTS_H
#define EBB_FORMAT_KERAS_LEGACY_WEIGHTS_H

#include "ebb/tensor.h"
#include "json/json.h"

#define LEGACY_ARRAYS_MAX 32
#define LEGACY_MOVES_MAX  48

typedef struct weight_shape {
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
} weight_shape;

typedef struct legacy_layer {
    const char *class_name; /* canonical: "Conv2D", "LSTM", "Bidirectional" */
    const json *config;     /* canonical; of wrappers the inner layer is read from it */
    uint32_t keras_major;
    const char *backend; /* description.backend */
} legacy_layer;

/* Copies a box of `dims` elements. Strides in elements, negative where an axis is flipped. */
typedef struct weight_move {
    uint32_t stored, wanted; /* array indices */
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX], from_strides[EBB_RANK_MAX], to_strides[EBB_RANK_MAX];
    int64_t from, to; /* first element */
    int64_t fold; /* > 0: element n goes to (n % fold) * to_strides[0] + n / fold * to_strides[1] */
    bool adds;    /* added to what is there */
} weight_move;

/* result[i, k] += scale * sum over j of stored a[i, j] * stored b[j, k], over all axes of the array
 * but the last together. */
typedef struct weight_product {
    uint32_t wanted, a, b;        /* array indices */
    int64_t rows, inner, columns; /* inner 0: there is no product */
    float scale;
} weight_product;

typedef struct legacy_plan {
    weight_shape shapes[LEGACY_ARRAYS_MAX]; /* canonical */
    uint32_t count;
    weight_move moves[LEGACY_MOVES_MAX];
    uint32_t move_count;
    weight_product product;
    bool is_identity; /* the stored arrays are canonical already: read them straight */
} legacy_plan;

/* `wanted` are the shapes of the model built from the configuration (NULL: not known): they decide
 * where a kernel alone cannot tell. The plan's shapes are what the file gives; comparing them with
 * `wanted` is the caller's part. With is_identity nothing else in the plan counts. E_FORMAT when
 * the arrays do not fit together. */
ebb_status legacy_weights_plan(const legacy_layer *layer, const weight_shape *stored,
                               uint32_t stored_count, const weight_shape *wanted,
                               uint32_t wanted_count, legacy_plan *plan, ebb_error *error);

/* Elements of canonical array `index`. */
uint64_t legacy_weights_elements(const legacy_plan *plan, uint32_t index);

/* Fills canonical array `index`. stored[k] may be NULL for arrays that it does not come from
 * (legacy_weights_needs()). */
void legacy_weights_apply(const legacy_plan *plan, uint32_t index, const float *const *stored,
                          float *result);
bool legacy_weights_needs(const legacy_plan *plan, uint32_t index, uint32_t stored);

#endif
