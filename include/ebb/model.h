/**
 * @file model.h
 * Keras model files: check, plan, load, predict, read and write weights, unload, delete.
 *
 * Threads: any thread may call anything. Calls on one model run in parallel up to its lanes;
 * further callers wait for a lane. Unload waits for the calls in flight and refuses new ones.
 * Models never wait for each other: a prediction that finds the runtime's threads at work for
 * another does without them.
 */
#ifndef EBB_MODEL_H
#define EBB_MODEL_H

#include "ebb/memory.h"
#include "ebb/runtime.h"
#include "ebb/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A loaded model: a plain value, free to copy, owning nothing by itself. {0} is never valid. After
 * ebb_model_unload() every copy is stale: calls return EBB_E_STALE; the id is never issued again.
 */
typedef struct ebb_model {
    uint64_t id;
} ebb_model;

/** A reference that asks "still there?" and never keeps a model alive. */
typedef struct ebb_weak {
    uint64_t id;
} ebb_weak;

/** A part of a runtime's memory with models that go together (ebb/build.h). {0} = none. */
typedef struct ebb_scope {
    uint64_t id;
} ebb_scope;

/** Zero in any field means the default named beside it. */
typedef struct ebb_load_options {
    size_t struct_size;
    uint64_t bytes_max;       /**< limit for this model, all classes; 0 = none */
    uint32_t batch;           /**< rows planned for. Larger predictions run in several passes.
                                   0 = the largest of 1, 2, 4 ... 32 whose activations stay
                                   within 1 MiB */
    uint32_t sequence;        /**< planned length of every other unknown axis; 0 = such shapes are
                                   planned when first seen (counted as cached) */
    uint32_t lanes;           /**< predictions of this model that may run at once; 0 = 1 */
    uint32_t threads;         /**< per prediction; 0 = chosen from the work */
    uint32_t plans_max;       /**< cached plans for other shapes; 0 = 8 */
    const char *device;       /**< "CPU:0", in any form of ebb/device.h; NULL = the thread's
                                   device scope, or the first device */
    const char *architecture; /**< JSON file with the architecture, for files with weights only */
    bool inference_only;      /**< fold and pack freely: the least memory; weights cannot be read
                                   back or set, and the model cannot be trained */
    ebb_scope scope;          /**< where the model lives; {0} = in the runtime itself */
    const char *signature;    /**< of a SavedModel folder: run this one of its graph; NULL = its
                                   layers where tf.keras saved them and ebb has them, else
                                   "serving_default", else "serve", else the only one */
    bool keeps_states;        /**< stateful recurrent layers go on where the call before ended,
                                   and calls wait for one another: see ebb_model_states(). Else
                                   every prediction begins with zeros */
} ebb_load_options;
#define EBB_LOAD_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(ebb_load_options), 0, 0, 0, 0, 0, 0, NULL, NULL, false, {0}, NULL, false            \
    }

/** Bytes a load will take, stated without reading a weight. */
typedef struct ebb_plan {
    uint64_t by_class[EBB_CLASS_COUNT]; /**< equals the ledger after load, to the byte, except
                                             [EBB_CLASS_CODE], which is 0 here: measured at load */
    uint64_t total;                     /**< sum of by_class */
    uint64_t peak;                      /**< highest live bytes while loading */
    uint64_t file_bytes;
    uint64_t parameters;            /**< elements of all variables */
    uint32_t batch, lanes, threads; /**< as chosen */
    uint64_t flops;                 /**< floating point operations for one row */
    uint64_t reserved[4];
} ebb_plan;

/** Name, type and shape of an input, an output or a weight. */
typedef struct ebb_tensor_info {
    char name[128];
    ebb_dtype dtype;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX]; /**< -1 = any */
    bool trainable;             /**< weights only */
    bool sparse;                /**< weights only: kept without zeros (ebb/shrink.h) */
    ebb_dtype stored;           /**< weights only: the type it is kept in; `dtype` is what it reads
                                     as */
    uint64_t stored_bytes;      /**< weights only: what it takes in memory; 0 = not kept
                                     (inference_only) */
} ebb_tensor_info;

typedef struct ebb_model_info {
    char name[128];
    char path[512];
    char format[32];                           /**< "keras", "h5", "savedmodel" */
    char keras_version[32];                    /**< as the file states it; may be empty */
    uint32_t inputs, outputs, layers, weights; /**< counts */
    uint64_t parameters, parameters_trainable;
    uint32_t batch, lanes, threads;
    bool inference_only;
    bool is_row_wise; /**< no row of a batch influences another: it may be predicted in parts */
    uint64_t load_ns; /**< wall time of the load */
    char device[32];  /**< the logical device it is on: "CPU:0" */
    uint64_t reserved[4];
} ebb_model_info;

/**
 * States what a load would take. Reads the file's directory and configuration, no weights.
 * @return EBB_OK; EBB_E_NOT_FOUND (no such file, or no such device: names those that are there);
 *         EBB_E_FORMAT; EBB_E_SHAPE and EBB_E_DTYPE (layers or weights do
 *         not fit together); EBB_E_UNSUPPORTED; EBB_E_MEMORY (a limit of the model, its scope, its
 *         device or the runtime is below the plan: says what is asked, what is live, and which
 *         model could go; *plan is filled all the same); EBB_E_ARGUMENT; EBB_E_STALE; EBB_E_IO
 */
EBB_API ebb_status ebb_model_plan(ebb_runtime runtime, const char *path,
                                  const ebb_load_options *options, ebb_plan *plan,
                                  ebb_error *error);

/**
 * Loads a model: `.keras` (file or directory), `.h5`/`.hdf5`, or a SavedModel folder. Ready means
 * ready: kernels made, memory touched, the first prediction as fast as the thousandth, and none
 * allocates.
 *
 * A SavedModel folder that tf.keras 2 wrote is read as its layers, like a file of Keras. Others
 * (what Keras 3's export writes, what TensorFlow itself saved), and those with custom layers, run
 * as the graph of one signature: such a model predicts, and its variables are read and set by their
 * names, but it has no layers, so that it cannot be saved, cloned, cut or compiled.
 * A load that fails leaves nothing behind.
 * @return as ebb_model_plan()
 */
EBB_API ebb_status ebb_model_load(ebb_runtime runtime, const char *path,
                                  const ebb_load_options *options, ebb_model *model,
                                  ebb_error *error);

/** Zero = default. */
typedef struct ebb_unload_options {
    size_t struct_size;
    uint64_t deadline_ns; /**< longest wait for calls in flight; 0 = for ever. When it passes the
                               model stays loaded and usable: EBB_E_BUSY */
    bool everything;      /**< ebb_model_delete() only: a model folder goes with what else is in it.
                               Links in it are removed, what they lead to is not */
} ebb_unload_options;
#define EBB_UNLOAD_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(ebb_unload_options), 0, false                                                       \
    }

/**
 * Unloads: new calls are refused, calls in flight finish, then every byte, thread and descriptor of
 * the model is back before this returns. @return EBB_OK; EBB_E_STALE; EBB_E_BUSY; EBB_E_STATE
 * (called by a callback of the model's own training)
 */
EBB_API ebb_status ebb_model_unload(ebb_model model, const ebb_unload_options *options,
                                    ebb_receipt *receipt, ebb_error *error);

/**
 * Unloads and removes the file or folder the model came from: a `.keras` or `.h5` file, or the
 * members of a model folder (`.keras` or SavedModel) with the folder, when nothing else is in it,
 * or with `everything`. Links are never followed.
 * The receipt lists what was removed. @return as unload; EBB_E_IO; EBB_E_UNSUPPORTED (a folder with
 * other things in it: nothing is removed and the model stays)
 */
EBB_API ebb_status ebb_model_delete(ebb_model model, const ebb_unload_options *options,
                                    ebb_receipt *receipt, ebb_error *error);

/** Removes a model's file or folder that is not loaded, under the rules of ebb_model_delete(). */
EBB_API ebb_status ebb_file_remove(const char *path, ebb_receipt *receipt, ebb_error *error);
/** What ebb_file_remove() would do: the same status, the receipt lists what would go, and nothing
 *  is removed. */
EBB_API ebb_status ebb_file_remove_check(const char *path, ebb_receipt *receipt, ebb_error *error);

/** Zero = default. */
typedef struct ebb_remove_options {
    size_t struct_size;
    bool everything; /**< a model folder goes with what else is in it. Links in it are removed, what
                          they lead to is not. A folder that is no model is refused all the same */
    bool dry_run;    /**< only tell, as ebb_file_remove_check() */
} ebb_remove_options;
#define EBB_REMOVE_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(ebb_remove_options), false, false                                                   \
    }

/** ebb_file_remove() with options (NULL = defaults). */
EBB_API ebb_status ebb_file_remove_with(const char *path, const ebb_remove_options *options,
                                        ebb_receipt *receipt, ebb_error *error);

/** @return false after unload. Never fails. */
EBB_API bool ebb_model_alive(ebb_model model);
EBB_API ebb_weak ebb_model_weak(ebb_model model);
/** @return true and *model set while the model is loaded; false and *model = {0} afterwards */
EBB_API bool ebb_weak_get(ebb_weak weak, ebb_model *model);

/** @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_model_info_read(ebb_model model, ebb_model_info *info);
EBB_API ebb_status ebb_model_memory_read(ebb_model model, ebb_memory *memory);

/** Input, output or weight number `index`; a weight's name is layer/weight ("lstm/cell/kernel").
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_model_input(ebb_model model, uint32_t index, ebb_tensor_info *info);
EBB_API ebb_status ebb_model_output(ebb_model model, uint32_t index, ebb_tensor_info *info);
EBB_API ebb_status ebb_model_weight(ebb_model model, uint32_t index, ebb_tensor_info *info);

/**
 * Works out the shapes of the outputs for these inputs (data may be NULL): fills dtype, rank and
 * dims of outputs[0 .. count), leaves data alone. @return EBB_OK; EBB_E_STALE; EBB_E_SHAPE;
 * EBB_E_ARGUMENT
 */
EBB_API ebb_status ebb_model_output_shapes(ebb_model model, const ebb_views *inputs,
                                           ebb_view *outputs, size_t count, ebb_error *error);

/**
 * Runs one forward pass in inference mode.
 *
 * @param inputs   one view per model input, in the model's order; every input has the same number
 * of rows, any number >= 1. Types are converted when they differ from the model's
 * @param outputs  one view per model output with memory for the result; dtype EBB_DTYPE_NONE or the
 *                 model's; rank 0 = not checked, otherwise dims must be those of the result
 * @return EBB_OK; EBB_E_STALE; EBB_E_SHAPE (names input, axis, expected, got); EBB_E_DTYPE;
 *         EBB_E_ARGUMENT; EBB_E_MEMORY (only for a shape that was not planned)
 * Memory: allocates nothing for planned shapes. Writes outputs only on success.
 * Threads: waits for a free lane. Source: Keras 3, Model.predict_on_batch.
 */
EBB_API ebb_status ebb_model_predict(ebb_model model, const ebb_views *inputs,
                                     const ebb_views *outputs, ebb_error *error);

/** Zero = default. */
typedef struct ebb_stream_options {
    size_t struct_size;
    uint32_t batch; /**< rows read at a time; 0 = the model's batch */
    /** Called after each batch; return false to cancel (outputs are removed, EBB_E_CANCELLED). */
    bool (*progress)(void *context, uint64_t rows_done, uint64_t rows_total);
    void *context;
} ebb_stream_options;
#define EBB_STREAM_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(ebb_stream_options), 0, NULL, NULL                                                  \
    }

/**
 * Predicts from `.npy` files to `.npy` files that may be larger than memory: one path per input and
 * per output, in the model's order. Outputs are written beside their final name and renamed at the
 * end. Memory: one batch of inputs and outputs, class data, given back on return.
 * @return as ebb_model_predict(); EBB_E_NOT_FOUND; EBB_E_FORMAT; EBB_E_IO; EBB_E_CANCELLED
 */
EBB_API ebb_status ebb_model_predict_files(ebb_model model, const char *const *inputs,
                                           const char *const *outputs,
                                           const ebb_stream_options *options, ebb_error *error);

/**
 * Copies weight `index` out of or into the model, in Keras's layout, as float32 or the weight's
 * type. Setting waits for calls in flight. @return EBB_OK; EBB_E_STALE; EBB_E_SHAPE; EBB_E_DTYPE;
 * EBB_E_ARGUMENT; EBB_E_UNSUPPORTED (loaded with inference_only)
 */
EBB_API ebb_status ebb_model_weight_get(ebb_model model, uint32_t index, const ebb_view *value,
                                        ebb_error *error);
EBB_API ebb_status ebb_model_weight_set(ebb_model model, uint32_t index, const ebb_view *value,
                                        ebb_error *error);

/**
 * Copies weight `index` as it is kept (ebb_tensor_info.stored), without a detour over float32: of
 * an int8 weight the numbers and their scales. A number reads as number / scale.
 *
 * @param stored  of the weight's shape and stored type (or EBB_DTYPE_NONE)
 * @param scale   of int8 weights, may be NULL: float32 of the shape that ebb_model_weight_scale()
 *                says; NULL for others
 * @return as ebb_model_weight_get(); EBB_E_DTYPE (names the stored type)
 */
EBB_API ebb_status ebb_model_weight_stored_get(ebb_model model, uint32_t index,
                                               const ebb_view *stored, const ebb_view *scale,
                                               ebb_error *error);
/** Shape of the scales of an int8 weight: that of the weight, with length 1 along the axes that
 *  share a scale, so that the two divide element by element. dtype is EBB_DTYPE_NONE for weights
 *  without scales. @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_model_weight_scale(ebb_model model, uint32_t index, ebb_tensor_info *info);

/* -- states ------------------------------------------------------------------------------------ */

/**
 * States of a model's stateful recurrent layers (`stateful=True` in Keras), which predictions,
 * training and passes read and leave changed. They begin as zeros, and belong to no file.
 * @return how many; 0 for a stale handle and for a model loaded without keeps_states
 */
EBB_API uint32_t ebb_model_states(ebb_model model);
/** State `index`: its name is that of the layer and a number, "decoder/lstm/state_0".
 *  @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_model_state(ebb_model model, uint32_t index, ebb_tensor_info *info,
                                   ebb_error *error);
/** Copies a state out of or into the model, as float32 or any other type. Waits for calls in
 *  flight. @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_SHAPE; EBB_E_DTYPE */
EBB_API ebb_status ebb_model_state_get(ebb_model model, uint32_t index, const ebb_view *value,
                                       ebb_error *error);
EBB_API ebb_status ebb_model_state_set(ebb_model model, uint32_t index, const ebb_view *value,
                                       ebb_error *error);
/** Zeros again: the states of a layer and of all inside it. @param layer  NULL = of all layers
 *  @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND (no such layer keeps states) */
EBB_API ebb_status ebb_model_states_reset(ebb_model model, const char *layer, ebb_error *error);

/* -- suspending -------------------------------------------------------------------------------- */

/** Zero = default. */
typedef struct ebb_suspend_options {
    size_t struct_size;
    uint64_t deadline_ns; /**< longest wait for calls in flight; 0 = for ever */
    bool to_disk;         /**< weights, and the state of training, go to a temporary file */
    const char *folder;   /**< of that file; NULL = $TMPDIR, or "/tmp" */
} ebb_suspend_options;
#define EBB_SUSPEND_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(ebb_suspend_options), 0, false, NULL                                                \
    }

/**
 * Puts a model aside: calls in flight finish, then activations, cached plans and idle threads are
 * given back, and of the weights what can be computed again from the others (kernels folded with
 * normalizations) where a copy of the rest finds room. With `to_disk` the weights go as well, with
 * all variables of training, into a file without a name, which nobody else can open and which is
 * gone with the model or the process; what stays is what is known about the model: its
 * configuration, plans and generated code. A folder that is kept in memory (tmpfs) saves nothing.
 *
 * The handle stays good, and the file that the model came from is not needed. While the model is
 * suspended, info, memory, configuration, summary and the lists of inputs, outputs and weights
 * answer; everything that needs the numbers says EBB_E_STATE and names ebb_model_resume(): predict,
 * weights, save, clone, fit. Unloading takes it apart as always.
 *
 * A compiled model stays compiled: optimizer, History and settings are there again after
 * ebb_model_resume(). A model that is suspended already stays as it is.
 *
 * All or nothing: when it fails the model is as it was.
 * @param receipt  what was given back: exactly what the model has less of; may be NULL
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_BUSY (calls did not finish in time);
 *         EBB_E_STATE (called by a callback of its own training; `to_disk` for a model that is
 *         suspended in memory); EBB_E_MEMORY; EBB_E_NOT_FOUND (no such folder); EBB_E_IO (disk
 *         full, too many open files: each model on disk keeps one descriptor)
 */
EBB_API ebb_status ebb_model_suspend(ebb_model model, const ebb_suspend_options *options,
                                     ebb_receipt *receipt, ebb_error *error);
/**
 * Brings a suspended model back: the same bytes on the ledger, by class, as before it was suspended
 * (plans for other shapes come when they are needed), and bit-equal outputs. When it fails the
 * model stays suspended.
 * @return EBB_OK (also when it was not suspended); EBB_E_STALE; EBB_E_STATE (called by a callback
 *         of its own training); EBB_E_MEMORY (every limit is asked anew); EBB_E_IO
 */
EBB_API ebb_status ebb_model_resume(ebb_model model, ebb_error *error);
/** @return false for a stale handle */
EBB_API bool ebb_model_suspended(ebb_model model);

/** Zero = default. */
typedef struct ebb_save_options {
    size_t struct_size;
    bool keep_existing; /**< refuse (EBB_E_STATE) to replace a file */
    bool deflate;       /**< compress, .keras only: a smaller file that takes longer to load */
    bool without_optimizer; /**< leave the optimizer's state out: about a third of the file */
    bool expand; /**< write weights that are kept small (ebb/shrink.h) as float32: for any reader */
} ebb_save_options;
#define EBB_SAVE_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(ebb_save_options), false, false, false, false                                       \
    }

/**
 * Writes a model to a file that Keras reads: the format is told by the ending of the name.
 *
 * - `.keras`: configuration and weights of Keras 3.
 * - `.h5`, `.hdf5`: a whole model, weights by layer; in words that Keras 2 reads too where it has
 *   them, otherwise in those of Keras 3.
 * - `.weights.h5`: weights alone, as Keras 3 has them.
 *
 * A `.keras` file of Keras 3 keeps its configuration to the letter; models of Keras 1 and 2 are
 * written in the terms of Keras 3. Weights are those of this moment, in the types they have; arrays
 * of older versions and what LoRA added stay as they were converted.
 *
 * A compiled model takes its settings of compile() and the state of its optimizer along: Keras goes
 * on training from the file, and so does ebb_model_compile(). Of a model that is not compiled those
 * of its file are kept, if Keras 3 wrote them and the file is still there.
 *
 * A shrunk model (ebb/shrink.h) stays so in a `.keras` file, unless `expand` is set; other formats
 * get its weights as float32.
 *
 * The file appears whole or not at all: it is written beside its name, forced to disk and renamed,
 * so whatever happens the old file or the new one is there. Equal models give equal files.
 *
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (no path, another ending, something else than a file
 *         has the name); EBB_E_STATE; EBB_E_IO (disk full, no such folder, no permission);
 *         EBB_E_UNSUPPORTED (loaded with inference_only; what Keras 3 has no words for, such as the
 *         hard_sigmoid of Keras 2; deflate with `.h5`); EBB_E_MEMORY
 * Memory: class scratch, about the largest weight, given back on return.
 * Threads: predictions go on; a weight set meanwhile is in the file or not.
 */
EBB_API ebb_status ebb_model_save(ebb_model model, const char *path,
                                  const ebb_save_options *options, ebb_error *error);

/** Zero = default. */
typedef struct ebb_export_options {
    size_t struct_size;
    bool keep_existing; /**< refuse (EBB_E_STATE) to replace anything */
} ebb_export_options;
#define EBB_EXPORT_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(ebb_export_options), false                                                          \
    }

/**
 * Writes a model as a SavedModel folder, which TensorFlow 2 loads and TensorFlow Serving serves:
 * what Keras 3's Model.export() does.
 *
 * - tf.saved_model.load(path).serve(x) and .signatures["serving_default"](name=x) compute what
 *   ebb_model_predict() does; keras.layers.TFSMLayer(path) takes the folder as a layer;
 *   ebb_model_load() loads it back. `variables`, `trainable_variables` and
 *   `non_trainable_variables` are lists of all weights.
 * - Signatures name inputs after the input layers and outputs "output_0", "output_1" ..., or by
 *   their keys where the model gives a dict; characters that Python has not in names become "_".
 *   Several inputs are passed to `serve` as a list, or as a dict where the model takes one.
 * - Unknown lengths, the rows first of all, stay unknown; types are those that the model declares.
 * - The graph is that of inference. Random layers draw TensorFlow's numbers. State of an optimizer
 *   and settings of compile() are left out, shrunk weights (ebb/shrink.h) written as they compute.
 *
 * A model that was loaded as a graph without layers can be exported while its folder is there.
 *
 * The folder appears whole or not at all: it is written beside its name, forced to disk and
 * renamed. An empty folder or a SavedModel of this name is replaced in whole; a folder with
 * anything else in it never is. Equal models give equal folders.
 *
 * @param path  the folder; slashes at its end do not count
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (no path, the name of a file, something else than a
 *         folder has the name); EBB_E_STATE; EBB_E_IO (disk full, no such folder above it, no
 *         permission); EBB_E_UNSUPPORTED (loaded with inference_only; a folder with other things in
 *         it; an operation TensorFlow has not; more than 2 GiB of constants); EBB_E_NOT_FOUND (the
 *         folder of a model without layers is gone); EBB_E_MEMORY
 * Memory: class scratch, the graph and a copy of the largest weight, given back on return.
 * Threads: predictions go on; a weight set meanwhile is in the folder or not.
 * Source: tensorflow/core/protobuf/saved_model.proto; keras/src/export/saved_model.py.
 */
EBB_API ebb_status ebb_model_export(ebb_model model, const char *path,
                                    const ebb_export_options *options, ebb_error *error);

/** Writes Keras's summary table of a loaded model. */
EBB_API ebb_status ebb_model_summary(ebb_model model, ebb_text_function write, void *context,
                                     ebb_error *error);

/**
 * Writes the configuration that Keras 3's model.to_json() gives for a loaded, built or cloned
 * model, as its layers are frozen now: text for ebb_model_from_json() and for
 * keras.models.model_from_json(). Settings of compile() are not in it: they have a call of
 * their own. Models of Keras 1 and 2 are in the terms of Keras 3, as ebb_model_save() writes them.
 * @return EBB_OK; EBB_E_STALE; EBB_E_UNSUPPORTED (a graph without layers; what Keras 3 has no words
 *         for); EBB_E_MEMORY; EBB_E_CANCELLED (`write` ended it)
 * Memory: class scratch, given back on return.
 */
EBB_API ebb_status ebb_model_config_write(ebb_model model, ebb_text_function write, void *context,
                                          ebb_error *error);
/**
 * Writes the settings of compile() as JSON, in the terms of Keras 3:
 * {"optimizer": {...}, "loss": ..., "loss_weights": ..., "metrics": ..., "weighted_metrics": ...}.
 * They are those that the model is compiled with, else those of its file; "null" without either.
 * @return as ebb_model_config_write()
 */
EBB_API ebb_status ebb_model_compile_config_write(ebb_model model, ebb_text_function write,
                                                  void *context, ebb_error *error);

/* -- Files that are not loaded ---------------------------------------------------------------- */

/** Writes Keras's summary table of a file. Reads no weights. Status as ebb_model_plan(). */
EBB_API ebb_status ebb_file_summary(ebb_runtime runtime, const char *path,
                                    const ebb_load_options *options, ebb_text_function write,
                                    void *context, ebb_error *error);

/**
 * Reports everything in a file that ebb cannot run, all at once, one line each.
 * *problems is their number. @return EBB_OK also with problems; an error when the file cannot be
 * read
 */
EBB_API ebb_status ebb_file_check(ebb_runtime runtime, const char *path,
                                  const ebb_load_options *options, ebb_text_function write,
                                  void *context, uint32_t *problems, ebb_error *error);

/** A layer that ebb knows: one entry of the layer table. Static storage throughout. */
typedef struct ebb_layer_info {
    const char *name;    /**< Keras class name */
    const char *family;  /**< "core", "convolution", ... */
    const char *aliases; /**< older class names, "A|B"; NULL = none */
    uint32_t fields;     /**< number of configuration keys */
} ebb_layer_info;

/** One configuration key of a layer. */
typedef struct ebb_layer_field {
    const char *key;
    const char
        *kind; /**< "integer", "number", "bool", "text", "choice", "activation", "list", "any" */
    const char *choices; /**< "valid|same"; NULL unless kind is "choice" */
    bool required;
    double otherwise; /**< default of numbers, bools and choices (index) */
} ebb_layer_field;

/** Number of layers known. */
EBB_API uint32_t ebb_layer_count(void);
/** Entry `index`. @return false if index is out of range */
EBB_API bool ebb_layer_read(uint32_t index, ebb_layer_info *info);
/** Key number `field` of layer `index`. @return false if either is out of range */
EBB_API bool ebb_layer_field_read(uint32_t index, uint32_t field, ebb_layer_field *info);

#ifdef __cplusplus
}
#endif
#endif
