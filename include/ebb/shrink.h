/**
 * @file shrink.h
 * Smaller models: weights kept as int8, float16, bfloat16 or without their zeros; and the check
 * that a shrunk model still says the same.
 *
 * A shrunk weight really takes fewer bytes: it is kept in its small form for as long as the model
 * is loaded. Products of dense layers and look-ups of embeddings read the small form directly, a
 * piece at a time; other layers (convolutions, recurrent layers) write the weight out as float32
 * into the activations of the prediction that needs it, and only for as long as it is needed.
 *
 *     form        bytes of a float32 weight            error of a weight
 *     int8        1/4, and 4 bytes a channel           at most half a step, step = max|w| / 127 of
 *                                                      its channel
 *     float16     1/2                                  rounded to nearest even, relative 2^-11
 *     bfloat16    1/2                                  rounded to nearest even, relative 2^-8
 *     pruned      1/32 + the part that is not zero     none beyond the weights set to zero
 *                 (80 % pruned: 23 %; in int8: 8 %)
 *
 * Biases, weights of normalisation and arrays of fewer elements than `elements_min` stay as they
 * are. What a shrunk model can and cannot do:
 *
 * - predict, plan, summary, info, check, clone, unload: as every model. A clone is shrunk as well.
 * - ebb_model_weight_get(): gives float32 back, as the kernels see it.
 * - ebb_model_weight_set(), ebb_model_weights_copy(), ebb_model_weights_load() of a shrunk weight:
 *   EBB_E_UNSUPPORTED; other weights can be set. ebb_model_expand() makes a model plain again.
 * - ebb_model_compile(): EBB_E_UNSUPPORTED; expand it first. A model that is compiled is not
 *   shrunk: EBB_E_STATE.
 * - ebb_model_save() to `.keras`: keeps it shrunk, and the file is smaller too. ebb loads it back
 *   with the same bytes and the same numbers, bit for bit. Keras reads files with float16, bfloat16
 *   and pruned weights, with equal numbers (as float32); it refuses files with int8 weights. With
 *   `expand` in the options, and to `.h5` and `.weights.h5`, weights are written as float32, which
 *   Keras always reads.
 */
#ifndef EBB_SHRINK_H
#define EBB_SHRINK_H

#include "ebb/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One weight, as it is looked at. Valid during the callback. */
typedef struct ebb_shrink_step {
    uint32_t index;            /**< of the weight, as for ebb_model_weight() */
    const char *weight;        /**< "encoder/dense/kernel" */
    const char *layer;         /**< "encoder/dense" */
    const char *class_name;    /**< "Dense" */
    bool is_changed;           /**< false: it stays as it is, for `reason` */
    const char *reason;        /**< "bias", "small", "skipped" ...; "" if it is changed */
    uint64_t bytes_before, bytes_after;
    double error;              /**< largest difference of an element to what it was */
    double sparsity;           /**< part of its elements that are zero now */
} ebb_shrink_step;

/** Called for every weight, on the caller's thread, before anything is changed. It may ask the
 *  model (predict, read weights), but must not set its weights, train, save, shrink or unload it.
 *  @return false to cancel: EBB_E_CANCELLED, nothing is changed */
typedef bool (*ebb_shrink_function)(void *context, const ebb_shrink_step *step);

/** Zero = default. Lists name layers ("dense_1", "encoder/dense_1"), classes ("Dense") or weights
 *  ("dense_1/kernel"); a name that fits nothing is EBB_E_NOT_FOUND. */
typedef struct ebb_quantize_options {
    size_t struct_size;
    const char *dtype;          /**< "int8", "float16" or "bfloat16"; NULL = "int8" */
    const char *const *only;    /**< nothing but these; NULL = all */
    size_t only_count;
    const char *const *skip;    /**< never these; NULL = none */
    size_t skip_count;
    uint64_t elements_min;      /**< arrays below stay float32; 0 = 1024 */
    uint64_t deadline_ns;       /**< longest wait for calls in flight; 0 = 10 s */
    ebb_shrink_function report; /**< NULL = none */
    void *context;
} ebb_quantize_options;
#define EBB_QUANTIZE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(ebb_quantize_options), NULL, NULL, 0, NULL, 0, 0, 0, NULL, NULL                     \
    }

/** Zero = default. */
typedef struct ebb_prune_options {
    size_t struct_size;
    double sparsity;            /**< part of the elements to be zero, 0 < sparsity < 1; 0 = 0.5 */
    bool is_global;             /**< one threshold for all weights together; false: each weight
                                     reaches `sparsity` by itself */
    uint32_t keep, of;          /**< not 0: of every `of` neighbours along the input axis (the last
                                     but one) the `keep` largest stay (2 of 4); `sparsity` is not
                                     looked at */
    const char *const *only;    /**< as in ebb_quantize_options */
    size_t only_count;
    const char *const *skip;
    size_t skip_count;
    uint64_t elements_min;      /**< 0 = 1024 */
    uint64_t deadline_ns;       /**< 0 = 10 s */
    ebb_shrink_function report;
    void *context;
} ebb_prune_options;
#define EBB_PRUNE_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(ebb_prune_options), 0, false, 0, 0, NULL, 0, NULL, 0, 0, 0, NULL, NULL              \
    }

/** What shrinking did. */
typedef struct ebb_shrink_report {
    uint64_t weights_before, weights_after; /**< bytes of class weights on the ledger */
    uint64_t total_before, total_after;     /**< live bytes of the model on the ledger */
    uint32_t changed, kept;                 /**< weights (arrays) */
    uint64_t elements, zeros;               /**< of the weights that were changed */
    double sparsity;                        /**< zeros / elements */
    double error;                           /**< largest difference of an element */
    char error_weight[128];                 /**< whose */
    uint64_t wait_ns;                       /**< for calls in flight */
    uint64_t time_ns;                       /**< whole call */
    uint64_t reserved[4];
} ebb_shrink_report;

/**
 * Keeps the weights of a loaded model in a smaller type. A weight that is pruned stays without its
 * zeros, and its values get the smaller type.
 *
 * int8 is symmetric and per output channel: a scale for each unit of Dense and EinsumDense, filter
 * of a convolution (for depthwise ones channel and multiplier), gate and unit of a recurrent layer,
 * each head and place of an attention projection; for an Embedding one for each row of the table.
 * scale = 127 / (max|w| + 1e-7); the stored number is w * scale, rounded half to even.
 *
 * All or nothing: the smaller model is made beside the loaded one, then takes its place under the
 * same handle. Calls in flight finish with the old weights, later ones see the new.
 *
 * @param report   may be NULL
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (no such dtype); EBB_E_NOT_FOUND (a name that fits
 *         nothing); EBB_E_UNSUPPORTED (loaded with inference_only; a weight that is not finite, or
 *         too large for float16: names it); EBB_E_STATE (compiled); EBB_E_BUSY (calls did not
 *         finish in time); EBB_E_MEMORY; EBB_E_CANCELLED
 * Memory: old and new model stand side by side for a moment.
 * Source: keras/src/quantizers/quantizers.py, abs_max_quantize().
 */
EBB_API ebb_status ebb_model_quantize(ebb_model model, const ebb_quantize_options *options,
                                      ebb_shrink_report *report, ebb_error *error);

/**
 * Sets the smallest weights of a loaded model to zero and keeps it without the zeros. Weights of
 * equal size go by their order. Weights that int8, float16 or bfloat16 keep small stay in that
 * type. As ebb_model_quantize() in everything else.
 * @return as ebb_model_quantize(); EBB_E_ARGUMENT (sparsity, keep and of outside their range)
 */
EBB_API ebb_status ebb_model_prune(ebb_model model, const ebb_prune_options *options,
                                   ebb_shrink_report *report, ebb_error *error);

/** Makes a shrunk model plain again, in place: every weight is float32, with the values it has now.
 *  @return EBB_OK (also when there is nothing to do); as ebb_model_quantize() */
EBB_API ebb_status ebb_model_expand(ebb_model model, ebb_shrink_report *report, ebb_error *error);

/* -- comparing --------------------------------------------------------------------------------- */

/** Zero = default. */
typedef struct ebb_compare_options {
    size_t struct_size;
    double rtol, atol; /**< an element agrees when |a - b| <= atol + rtol * |a|; both 0: 1e-3 */
    bool is_exact;     /**< rtol and atol are taken as they are, also 0 */
    uint64_t rows;     /**< without inputs: rows of random ones; 0 = 8 */
    uint64_t seed;     /**< of random inputs */
} ebb_compare_options;
#define EBB_COMPARE_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(ebb_compare_options), 0, 0, false, 0, 0                                             \
    }

/** How one output differs. */
typedef struct ebb_difference {
    char name[128];
    uint64_t elements;
    double absolute;  /**< largest |a - b| */
    double relative;  /**< largest |a - b| / |a|, where a is not 0 */
    double rms;       /**< root of the mean of (a - b)^2 */
    double scale;     /**< largest |a| */
    double cosine;    /**< of the angle between a and b as vectors; 1 when both are zero */
    double agreement; /**< part of the rows whose largest element stands in the same place; 1 for
                           outputs of one number a row */
    uint64_t outside; /**< elements that do not agree; a nan agrees with a nan only */
    uint64_t reserved[4];
} ebb_difference;

/**
 * Runs two models on the same inputs and measures how their outputs differ.
 *
 * @param inputs       as for ebb_model_predict(); NULL = random ones: whole numbers from 0 up to
 *                     the smallest table they may look into for integer inputs, else from a normal
 *                     distribution
 * @param differences  room for `count` of them, one per output of the models
 * @param agree        set to whether every element agrees; may be NULL
 * @return EBB_OK, whatever the answer; EBB_E_STALE; EBB_E_SHAPE (the models do not take the same
 *         inputs, or do not give the same outputs); EBB_E_ARGUMENT; EBB_E_MEMORY
 * Memory: class data, two copies of the outputs, given back on return.
 */
EBB_API ebb_status ebb_model_compare(ebb_model a, ebb_model b, const ebb_views *inputs,
                                     const ebb_compare_options *options,
                                     ebb_difference *differences, size_t count, bool *agree,
                                     ebb_error *error);

#ifdef __cplusplus
}
#endif
#endif
