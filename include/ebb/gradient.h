/**
 * @file gradient.h
 * Training loops written by hand: a model run as training runs it, its gradients, the gradient of a
 * loss, and optimizers that belong to no model.
 *
 *     ebb_model_pass_open(model, &inputs, &options, &pass, &error);     y = model(x, training=True)
 *     ebb_pass_output(pass, 0, &y);                                     its outputs
 *     ebb_loss_gradient(runtime, "mse", &operands, NULL, &dy, &error);  d loss / d y
 *     ebb_pass_gradients(pass, &dy, 1, NULL, 0, dw, weights, &error);   d loss / d weights
 *     ebb_optimizer_apply(optimizer, w, dw, weights, &error);
 *     ebb_pass_close(pass, NULL);
 *
 * Source of the semantics: tf.GradientTape, Layer.__call__(training=), Optimizer.apply of Keras
 * 3.15.
 */
#ifndef EBB_GRADIENT_H
#define EBB_GRADIENT_H

#include "ebb/model.h"
#include "ebb/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -- passes ------------------------------------------------------------------------------------ */

/** One run of a model forwards, with what its gradients need. {0} is never valid. */
typedef struct ebb_pass {
    uint64_t id;
} ebb_pass;

/** Zero = default. */
typedef struct ebb_pass_options {
    size_t struct_size;
    /** Run as in training: dropout and random layers draw numbers, batch normalization takes the
     *  statistics of the batch and moves its own, layers that keep state change it. */
    bool training;
    /** Of random layers without a seed of their own. That of the model's first pass counts. */
    uint64_t seed;
} ebb_pass_options;
#define EBB_PASS_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(ebb_pass_options), false, 0                                                         \
    }

/**
 * Runs a model forwards. The model need not be compiled; nothing is trained. The next call draws
 * other random numbers. The inputs are copied, since gradients compute the run again with the same
 * random numbers: a pass holds its inputs and outputs, and no activations.
 *
 * @param inputs  as for ebb_model_predict()
 * @return EBB_OK; as ebb_model_predict(); EBB_E_UNSUPPORTED (loaded with inference_only, a graph
 *         without layers, quantized weights: names what it is)
 * Threads: any; passes of one model are made one after the other.
 * Memory: class gradients, of the model; given back by ebb_pass_close() and with the model. What is
 * compiled for a set of shapes is kept for the next pass, a few of them, until the model is
 * unloaded or ebb_trim() is called.
 */
EBB_API ebb_status ebb_model_pass_open(ebb_model model, const ebb_views *inputs,
                                       const ebb_pass_options *options, ebb_pass *pass,
                                       ebb_error *error);
/** Ends a pass; its views are invalid then. @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_pass_close(ebb_pass pass, ebb_error *error);

/** Outputs of the model, and after them one scalar for each loss that its layers add (activity
 *  regularization, add_loss). 0 for a stale handle. */
EBB_API uint32_t ebb_pass_outputs(ebb_pass pass);
/** Output `index`: a view that is valid until the pass or its model goes.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_pass_output(ebb_pass pass, uint32_t index, ebb_view *view);

/**
 * Gradients of the sum of all outputs, each times its gradient. May be asked more than once.
 *
 * @param output_gradients  one for each output, of its shape; data NULL = zeros
 * @param input_gradients   one for each input, of its shape; data NULL = not wanted. NULL, 0: none
 * @param weight_gradients  one for each weight of the model, of its shape, float32; data NULL = not
 *                          wanted. NULL, 0: none. What nothing leads to is filled with zeros
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (counts); EBB_E_SHAPE; EBB_E_DTYPE; EBB_E_STATE (the
 *         weights were changed since the pass: ask before); EBB_E_UNSUPPORTED (an operation without
 *         a gradient: names it); EBB_E_MEMORY
 */
EBB_API ebb_status ebb_pass_gradients(ebb_pass pass, const ebb_view *output_gradients,
                                      size_t output_count, const ebb_view *input_gradients,
                                      size_t input_count, const ebb_view *weight_gradients,
                                      size_t weight_count, ebb_error *error);
/** Is the weight or input on the way to an output at all? None of Keras's and TensorFlow's
 *  gradients instead of zeros. @return false for a stale handle or an index that is not there */
EBB_API bool ebb_pass_reaches_weight(ebb_pass pass, uint32_t index);
EBB_API bool ebb_pass_reaches_input(ebb_pass pass, uint32_t index);

/* -- losses ------------------------------------------------------------------------------------ */

/**
 * The gradient of ebb_loss_compute() with respect to y_pred.
 *
 * @param upstream  of the shape of the loss: what its gradient is taken to be; NULL = ones
 * @param gradient  float32 of y_pred's shape
 * @return as ebb_loss_compute(); EBB_E_UNSUPPORTED (a loss without a gradient)
 */
EBB_API ebb_status ebb_loss_gradient(ebb_runtime runtime, const char *loss,
                                     const ebb_operands *operands, const ebb_view *upstream,
                                     const ebb_view *gradient, ebb_error *error);

/* -- optimizers -------------------------------------------------------------------------------- */

/** An optimizer with the variables it keeps for a list of weights. {0} is never valid. */
typedef struct ebb_optimizer {
    uint64_t id;
} ebb_optimizer;

/**
 * Opens an optimizer for weights that the caller keeps.
 *
 * @param optimizer  name or JSON, as in ebb_compile_options: clipping, weight decay, moving
 *                   averages, gradient accumulation and schedules included
 * @param weights    name (path), dtype and shape of each, `count` of them
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_FORMAT; EBB_E_UNSUPPORTED; EBB_E_MEMORY
 * Memory: class optimizer, until ebb_optimizer_close() or the runtime's end. Threads: any; steps
 * are made one after the other.
 */
EBB_API ebb_status ebb_optimizer_open(ebb_runtime runtime, const char *optimizer,
                                      const ebb_tensor_info *weights, size_t count,
                                      ebb_optimizer *result, ebb_error *error);
/** @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_optimizer_close(ebb_optimizer optimizer, ebb_error *error);

/**
 * One step: `values` are read and changed. A gradient whose data is NULL leaves its weight alone.
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (counts); EBB_E_SHAPE; EBB_E_DTYPE; EBB_E_MEMORY.
 *         After a failure nothing is changed
 */
EBB_API ebb_status ebb_optimizer_apply(ebb_optimizer optimizer, const ebb_view *values,
                                       const ebb_view *gradients, size_t count, ebb_error *error);

/** As ebb_model_optimizer_variables() and its siblings. */
EBB_API uint32_t ebb_optimizer_variables(ebb_optimizer optimizer);
EBB_API ebb_status ebb_optimizer_variable(ebb_optimizer optimizer, uint32_t index,
                                          ebb_tensor_info *info, ebb_error *error);
EBB_API ebb_status ebb_optimizer_variable_get(ebb_optimizer optimizer, uint32_t index,
                                              const ebb_view *value, ebb_error *error);
EBB_API ebb_status ebb_optimizer_variable_set(ebb_optimizer optimizer, uint32_t index,
                                              const ebb_view *value, ebb_error *error);

#ifdef __cplusplus
}
#endif
#endif
