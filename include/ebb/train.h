/**
 * @file train.h
 * Training: compile, fit, evaluate, one batch at a time; callbacks and History. Keras's names,
 * defaults, order of operations and numbers (Keras 3.15).
 *
 * Training is a child region of the model: variables in the layout that gradients need, the state
 * of the optimizer, activations and gradients, plans. ebb_model_uncompile() gives all of it back
 * while the model stays as it is by then. Predictions between training steps see the new weights.
 *
 * Threads: one training call at a time per model (EBB_E_BUSY for a second one, whoever calls);
 * predictions go on beside it and see whole sets of weights, from before or after a step.
 */
#ifndef EBB_TRAIN_H
#define EBB_TRAIN_H

#include "ebb/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -- compile ----------------------------------------------------------------------------------- */

/**
 * What Model.compile() takes. Objects are a name ("adam", "mse") or the JSON that Keras writes
 * ({"class_name": "Adam", "config": {"learning_rate": 0.01}}). With every text NULL the settings
 * come from the file.
 */
typedef struct ebb_compile_options {
    size_t struct_size;
    const char *optimizer;    /**< name or JSON; NULL = "rmsprop" (if a loss or metric is given) */
    const char *loss;         /**< name or JSON; a JSON list or object by output for several */
    const char *loss_weights; /**< JSON number, list or object by output; NULL = 1 each */
    const char *metrics;      /**< name; JSON list, list of lists or object by output */
    const char *weighted_metrics; /**< the same; these see sample weights */
    uint64_t seed;                /**< of dropout and other random layers */
    uint64_t bytes_max;           /**< limit of training, all classes; 0 = none. Below the plan,
                                       activations are computed again instead of kept */
    uint32_t batch;    /**< rows planned for; 0 = 32. Other sizes are planned when seen */
    uint32_t threads;  /**< 0 = chosen from the work */
    bool forget_state; /**< a fresh optimizer also where the file has its state */
} ebb_compile_options;
#define EBB_COMPILE_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(ebb_compile_options), NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, false               \
    }

/**
 * Makes a model ready to train and evaluate. Compiling again begins anew.
 * With settings of the file the state of the optimizer comes from there too.
 * @param options NULL = all from the file
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_UNSUPPORTED (no such optimizer, loss, metric;
 *         inference_only); EBB_E_SHAPE; EBB_E_STATE (the file has no settings); EBB_E_MEMORY;
 *         EBB_E_BUSY
 */
EBB_API ebb_status ebb_model_compile(ebb_model model, const ebb_compile_options *options,
                                     ebb_error *error);
/** What compiling would take: by class, exact; the peak includes the model itself. No weights are
 *  read, nothing stays. A search for the largest batch that fits needs only this. */
EBB_API ebb_status ebb_model_plan_training(ebb_runtime runtime, const char *path,
                                           const ebb_load_options *load,
                                           const ebb_compile_options *options, ebb_plan *plan,
                                           ebb_error *error);
/** Gives everything of training back; the model keeps its weights. @return EBB_OK; EBB_E_STALE;
 *  EBB_E_BUSY */
EBB_API ebb_status ebb_model_uncompile(ebb_model model, ebb_receipt *receipt, ebb_error *error);
/** @return is it compiled? false for a stale handle */
EBB_API bool ebb_model_compiled(ebb_model model);

/* -- data -------------------------------------------------------------------------------------- */

/** One batch. Sample weights: one view per output, or one for all; count 0 = none. A view of rank
 *  0 without data in `sample_weight` is none for that output. */
typedef struct ebb_batch {
    ebb_views x, y, sample_weight;
} ebb_batch;

/** Gives the next batch; its memory must last until the next call. @return EBB_OK; EBB_E_NOT_FOUND
 *  at the end of the data (an epoch then ends; `restart` is true for the first batch of each
 *  epoch; with steps_per_epoch the data go on from epoch to epoch, and it is true for the very
 *  first batch and after the end); any other status ends training with it. */
typedef ebb_status (*ebb_batch_function)(void *context, bool restart, ebb_batch *batch,
                                         ebb_error *error);

/**
 * Where batches come from: arrays, a function, or files; the others stay zero.
 * Arrays and callers' batches are borrowed. Files: `.npy` and `.npz` are read batch by batch
 * (bounded memory, the next one while this one trains); of a `.npz` the member with the name of the
 * input or output, else "x0", "x1" ..., else "x" ("y", "sample_weight"), else the first. Compressed
 * members are inflated as a whole, at most 1 GiB. Without y_files, targets are looked for in the
 * files of x.
 *
 * `.csv`: numbers, one row a line, with or without a header, separated by ',', ';' or tabs; read as
 * a whole into float32. x has all columns but the last ones, which are targets, one for each output
 * whose y file is this file (without y_files: one for each output).
 */
typedef struct ebb_data {
    ebb_views x, y, sample_weight;
    ebb_batch_function next;
    void *context;
    const char *const *x_files, *const *y_files; /**< one per input, one per output */
    const char *sample_weight_file;
    bool may_be_empty; /**< of a function: a pass without any batch is no fault. Its epoch has no
                            results, validation with it none either */
} ebb_data;

/* -- callbacks and History --------------------------------------------------------------------- */

typedef enum ebb_moment {
    EBB_TRAIN_BEGIN,
    EBB_TRAIN_END,
    EBB_EPOCH_BEGIN,
    EBB_EPOCH_END, /**< logs: loss, metrics, val_*; History */
    EBB_BATCH_BEGIN,
    EBB_BATCH_END, /**< logs: loss and metrics so far in this epoch */
    EBB_TEST_BEGIN,
    EBB_TEST_END, /**< logs: loss and metrics */
    EBB_TEST_BATCH_BEGIN,
    EBB_TEST_BATCH_END /**< logs: loss and metrics so far in this evaluation */
} ebb_moment;

typedef struct ebb_log_value {
    const char *name;
    double value;
} ebb_log_value;

typedef struct ebb_training_event {
    ebb_moment moment;
    ebb_model model;
    uint32_t epoch, epochs;
    uint64_t step, steps; /**< of the epoch; steps 0 = not known */
    const ebb_log_value *logs;
    size_t log_count;
    double learning_rate;
} ebb_training_event;

/** May call anything of the model but training; evaluating it is possible, and leaves the results
 *  of the call that is under way alone. @return false: training stops after this batch */
typedef bool (*ebb_training_function)(void *context, const ebb_training_event *event);

/** A callback of Keras by name with its arguments as JSON, or a function of the caller's. */
typedef struct ebb_callback {
    const char *name;   /**< "EarlyStopping", "ModelCheckpoint", ...; NULL: the function */
    const char *config; /**< {"monitor": "val_loss", "patience": 3}; NULL = defaults */
    ebb_training_function function; /**< with "LearningRateScheduler" and "LambdaCallback" too */
    void *context;
} ebb_callback;

/* -- fit, evaluate ----------------------------------------------------------------------------- */

typedef struct ebb_fit_options {
    size_t struct_size;
    uint32_t batch_size; /**< 0 = 32 */
    uint32_t epochs;     /**< 0 = 1; the number of the last one, as in Keras */
    uint32_t initial_epoch;
    uint64_t steps_per_epoch, validation_steps; /**< 0 = all of the data */
    uint32_t validation_freq;                   /**< 0 = every epoch */
    uint32_t validation_batch_size;             /**< 0 = batch_size */
    double validation_split; /**< the last part of the arrays, before shuffling */
    const ebb_data *validation;
    const char *class_weight; /**< JSON {"0": 1.0, "1": 5.0}; NULL = none */
    bool no_shuffle;
    uint64_t seed; /**< of shuffling; equal seeds, equal runs */
    const ebb_callback *callbacks;
    size_t callback_count;
    const uint32_t *validation_epochs; /**< validates after these epochs alone, counted from 0;
                                            NULL = as validation_freq says */
    size_t validation_epoch_count;
} ebb_fit_options;
#define EBB_FIT_OPTIONS_INIT                                                                       \
    {                                                                                              \
        sizeof(ebb_fit_options), 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, false, 0, NULL, 0, NULL, 0    \
    }

/**
 * Trains. History is that of this call (ebb_model_history_*). Stopping early by a callback is
 * success; ebb_model_cancel() is EBB_E_CANCELLED, with the weights of the last whole step.
 * @return EBB_OK; EBB_E_STALE; EBB_E_STATE (not compiled, no loss); EBB_E_SHAPE; EBB_E_DTYPE;
 *         EBB_E_ARGUMENT; EBB_E_MEMORY (the model stays usable); EBB_E_CANCELLED; EBB_E_BUSY; what
 *         data and callbacks fail with
 */
EBB_API ebb_status ebb_model_fit(ebb_model model, const ebb_data *data,
                                 const ebb_fit_options *options, ebb_error *error);

typedef struct ebb_evaluate_options {
    size_t struct_size;
    uint32_t batch_size; /**< 0 = 32 */
    uint64_t steps;      /**< 0 = all of the data */
    const ebb_callback *callbacks;
    size_t callback_count;
} ebb_evaluate_options;
#define EBB_EVALUATE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(ebb_evaluate_options), 0, 0, NULL, 0                                                \
    }

/** Loss and metrics over all data, into results[*count] (named by ebb_model_metric()). *count is
 *  set to how many there are; results may be NULL then. */
EBB_API ebb_status ebb_model_evaluate(ebb_model model, const ebb_data *data,
                                      const ebb_evaluate_options *options, double *results,
                                      size_t *count, ebb_error *error);

/** One step. Results: loss and metrics of this batch alone. *count as in evaluate. */
EBB_API ebb_status ebb_model_train_on_batch(ebb_model model, const ebb_batch *batch,
                                            double *results, size_t *count, ebb_error *error);
EBB_API ebb_status ebb_model_test_on_batch(ebb_model model, const ebb_batch *batch, double *results,
                                           size_t *count, ebb_error *error);
/** Name of result `index` ("loss", "accuracy"); static until the model is compiled again.
 *  @return NULL out of range */
EBB_API const char *ebb_model_metric(ebb_model model, uint32_t index);

/** Stops a fit or evaluate of this model from any thread, after the step it is in; also one that
 *  an unload waits for.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_STATE (nothing runs) */
EBB_API ebb_status ebb_model_cancel(ebb_model model);

/** The rate of the next step, also where it follows a schedule. @return EBB_OK; EBB_E_STALE;
 *  EBB_E_STATE (not compiled, no optimizer, several) */
EBB_API ebb_status ebb_model_learning_rate(ebb_model model, double *rate, ebb_error *error);
/** @return EBB_E_STATE when it follows a schedule */
EBB_API ebb_status ebb_model_learning_rate_set(ebb_model model, double rate, ebb_error *error);

/**
 * Variables of the optimizer: what Keras lists as optimizer.variables, in its order and number:
 * "adam/iteration", "adam/learning_rate" (not where a schedule sets it), then what the optimizer
 * keeps for each trainable weight: "adam/dense_kernel_momentum", "adam/dense_kernel_velocity".
 * Names are Keras's paths, as `.h5` files have them; of a Sequential that was built late Keras puts
 * the model's name before the layer's ("adam/sequential_dense_kernel_momentum"), ebb does not.
 * @return how many; 0 for a stale handle, and for a model that is not compiled or has no optimizer
 */
EBB_API uint32_t ebb_model_optimizer_variables(ebb_model model);
/** Name, type and shape of variable `index`; "iteration" is int64. @return EBB_OK; EBB_E_STALE;
 *  EBB_E_STATE (not compiled with an optimizer); EBB_E_ARGUMENT */
EBB_API ebb_status ebb_model_optimizer_variable(ebb_model model, uint32_t index,
                                                ebb_tensor_info *info, ebb_error *error);
/**
 * Copies variable `index` out of or into the optimizer; types are converted. What is set counts
 * from the next step on. Waits for a step that is being made; callbacks of the model's own training
 * may call this. @return as ebb_model_optimizer_variable(); EBB_E_SHAPE; EBB_E_DTYPE
 */
EBB_API ebb_status ebb_model_optimizer_variable_get(ebb_model model, uint32_t index,
                                                    const ebb_view *value, ebb_error *error);
EBB_API ebb_status ebb_model_optimizer_variable_set(ebb_model model, uint32_t index,
                                                    const ebb_view *value, ebb_error *error);

/** Layer by name (all of its weights; "" is every layer): may training change it? Takes effect with
 *  the next compile. Saved files keep it, and so do models cut, cloned and built from this one. The
 *  optimizer's state is left out of files that train other weights than it was made for.
 *  @return EBB_E_NOT_FOUND */
EBB_API ebb_status ebb_model_trainable_set(ebb_model model, const char *layer, bool trainable,
                                           ebb_error *error);

/** History of the last fit: names in order ("loss", "val_loss", ...), one value per epoch.
 *  Valid until the next fit, compile, uncompile or unload. While a fit runs only its callbacks may
 *  read it. @return false out of range, or while another thread is in a fit */
EBB_API bool ebb_model_history(ebb_model model, uint32_t index, const char **name,
                               const double **values, uint32_t *epochs);
/** {"epoch": [0, 1], "history": {"loss": [...]}} @return EBB_E_BUSY while another thread is in a
 *  fit */
EBB_API ebb_status ebb_model_history_write(ebb_model model, ebb_text_function write, void *context,
                                           ebb_error *error);

/* -- losses, metrics and schedules by themselves ----------------------------------------------- */

/** What losses and metrics are of; NULL = none. Any types: floats and bools are computed as
 *  float32, integers as int32. */
typedef struct ebb_operands {
    const ebb_view *y_true, *y_pred, *sample_weight;
} ebb_operands;

/**
 * A loss of two arrays, as the first step of training would compute it: reduced as its "reduction"
 * says, with "none" one number a sample.
 *
 * @param loss    name or JSON, as in ebb_compile_options
 * @param result  dtype, rank and dims are filled in; data NULL = only these
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_UNSUPPORTED (no such loss); EBB_E_FORMAT;
 *         EBB_E_SHAPE (the arrays do not fit together); EBB_E_MEMORY
 * Memory: class scratch, given back on return.
 */
EBB_API ebb_status ebb_loss_compute(ebb_runtime runtime, const char *loss,
                                    const ebb_operands *operands, ebb_view *result,
                                    ebb_error *error);
/**
 * A metric: adds one batch to its variables (Keras's; all begin as zeros), and tells the result.
 *
 * @param metric     name or JSON, as in ebb_compile_options
 * @param operands   a batch; of Mean and Sum y_pred is the values. All NULL = no update
 * @param variables  the first one without data: only dtype, rank and dims of all are filled in, and
 *                   those of the result; else they are read and changed, or after a failure not
 * @param count      room in `variables` (5 are enough), or without a batch how many there are; set
 *                   to how many there are
 * @param result     as for ebb_loss_compute(); NULL = not wanted
 * @return as ebb_loss_compute()
 */
EBB_API ebb_status ebb_metric_compute(ebb_runtime runtime, const char *metric,
                                      const ebb_operands *operands, ebb_view *variables,
                                      size_t *count, ebb_view *result, ebb_error *error);
/** The learning rate of a schedule (JSON) at a step. @return as ebb_loss_compute() */
EBB_API ebb_status ebb_schedule_compute(ebb_runtime runtime, const char *schedule, uint64_t step,
                                        double *rate, ebb_error *error);

#ifdef __cplusplus
}
#endif
#endif
