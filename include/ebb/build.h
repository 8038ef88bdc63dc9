/**
 * @file build.h
 * Models made here instead of loaded: a builder, Keras JSON, parts of other models; copies of
 * weights between models and from files; scopes.
 *
 *     ebb_build_open(runtime, "digits", &b, &error);
 *     x = ebb_build_input(b, "image", EBB_F32, 3, (int64_t[]){28, 28, 1});
 *     x = ebb_build_layer(b, "Conv2D", "filters=32, kernel_size=3, activation='relu'", x);
 *     x = ebb_build_layer(b, "Flatten", NULL, x);
 *     x = ebb_build_layer(b, "Dense", "units=10, activation='softmax'", x);
 *     ebb_build_finish(b, &x, 1, NULL, &model, &error);
 *
 * The result is a model like a loaded one: planned to the byte, sealed, saved, unloaded the same
 * way. Underneath the builder writes the configuration that Keras 3 would save, and that is read
 * like a file's.
 *
 * Arguments of layers are those of Keras's constructors, as text in one of two forms: keyword
 * arguments as in Python ("units=10, use_bias=False, kernel_initializer=HeNormal(seed=1)"), or the
 * JSON of a configuration ("{'units': 10}"; single quotes will do). Every name and value is checked
 * against the table that files are read by (ebb_layer_read()).
 *
 * One class is ebb's own: "Variable" is a weight as a tensor, for layers that are written as a
 * functional model of operations. It is called with no tensor ({0}), or with any one, which it does
 * not look at:
 *
 *     w = ebb_build_layer(b, "Variable", "shape=(4, 3), weight='kernel', name='mine', "
 *                         "initializer='he_normal', regularizer=L2(l2=0.01)", no_tensor);
 *     y = ebb_build_call(b, ebb_build_operation_make(b, "Matmul", NULL), (ebb_tensor[]){x, w}, 2);
 *
 * Its weight ("mine/kernel") trains, is saved and loaded as any other; `trainable`, `dtype` and
 * `constraint` are taken, too. Keras does not load files with such layers: save them for ebb, or
 * export a SavedModel.
 *
 * Threads: a builder is used by one thread at a time; everything else by any.
 */
#ifndef EBB_BUILD_H
#define EBB_BUILD_H

#include "ebb/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -- builder ----------------------------------------------------------------------------------- */

/** A model in the making: a plain value. {0} is never valid; stale after finish or close. */
typedef struct ebb_builder {
    uint64_t id;
} ebb_builder;

/** A tensor between layers: a plain value, good for one builder. {0} is what failed calls return;
 *  giving it to a call does nothing. */
typedef struct ebb_tensor {
    uint64_t id;
} ebb_tensor;

/** A layer of one builder, to be called once or several times (its weights are then shared). */
typedef struct ebb_layer {
    uint64_t id;
} ebb_layer;

/**
 * Opens a builder.
 *
 * Faults in later calls are sticky: the first one is kept, everything after it does nothing, and
 * ebb_build_error() or ebb_build_finish() tells it.
 * @param name  of the model; NULL = "functional" (or "sequential")
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_MEMORY
 * Memory: class meta of the runtime, some pages; given back by finish or close.
 */
EBB_API ebb_status ebb_build_open(ebb_runtime runtime, const char *name, ebb_builder *builder,
                                  ebb_error *error);
/** Throws the builder away. Closing the runtime does so too. @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_build_close(ebb_builder builder);
/** The first fault so far: names the layer, and for a wrong name the nearest right ones.
 *  @return EBB_OK: none yet; EBB_E_STALE */
EBB_API ebb_status ebb_build_error(ebb_builder builder, ebb_error *error);

/**
 * An input of the model.
 * @param name  NULL = Keras's default ("input_layer", "input_layer_1")
 * @param dims  without rows, `rank` of them; -1 = any length
 */
EBB_API ebb_tensor ebb_build_input(ebb_builder builder, const char *name, ebb_dtype dtype,
                                   uint32_t rank, const int64_t *dims);

/**
 * A layer, called once.
 * @param class_name  "Dense", "LSTM", ... every name of ebb_layer_read()
 * @param arguments   see above; NULL = none. "name='head'" names the layer, otherwise it gets
 *                    Keras's default ("dense", "dense_1")
 */
EBB_API ebb_tensor ebb_build_layer(ebb_builder builder, const char *class_name,
                                   const char *arguments, ebb_tensor x);
/** The same with arguments as in printf: "units=%d". */
EBB_API ebb_tensor ebb_build_layer_format(ebb_builder builder, const char *class_name, ebb_tensor x,
                                          const char *format, ...) EBB_PRINTF(4, 5);
/** A layer of several tensors: Add, Concatenate, Attention, MultiHeadAttention (query, value) ...
 */
EBB_API ebb_tensor ebb_build_merge(ebb_builder builder, const char *class_name,
                                   const char *arguments, const ebb_tensor *inputs, size_t count);

/** A layer that is not called yet. */
EBB_API ebb_layer ebb_build_layer_make(ebb_builder builder, const char *class_name,
                                       const char *arguments);
/**
 * An operation of keras.ops that is not called yet: the classes that a functional model is saved
 * with, "Add", "Matmul", "GetItem", "Reshape", "Softmax" ... (ebb_build_operation_name() lists
 * them). Layers of the same name are others: ebb_build_layer_make().
 *
 *     op = ebb_build_operation_make(b, "Mean", "axis=-1, keepdims=True");
 *     y = ebb_build_call(b, op, &x, 1);
 *
 * @param arguments  of the class's constructor, as for layers ("axis=-1"); "name='half'" names it,
 *                   otherwise it gets Keras's default ("mean", "mean_1"). Everything else is given
 *                   to the call: tensors, and numbers and lists as ebb_call_argument.value
 */
EBB_API ebb_layer ebb_build_operation_make(ebb_builder builder, const char *class_name,
                                           const char *arguments);
/** A loaded or built model as a layer. Its weights are copied when the builder finishes: the model
 *  must live until then (EBB_E_STALE). `name` NULL = the model's name. */
EBB_API ebb_layer ebb_build_model_make(ebb_builder builder, ebb_model model, const char *name);
/** Calls a layer: one tensor, or the list that its first argument is. */
EBB_API ebb_tensor ebb_build_call(ebb_builder builder, ebb_layer layer, const ebb_tensor *inputs,
                                  size_t count);

/** One argument of a call. */
typedef struct ebb_call_argument {
    const char *name;          /**< keyword ("initial_state", "mask"); NULL: by position */
    const ebb_tensor *tensors; /**< one, or several as a list */
    size_t count;              /**< 0: `value` */
    const char *value;         /**< "True", "[1, 2]"; NULL = None */
} ebb_call_argument;
/** Calls a layer with arguments of every kind. */
EBB_API ebb_tensor ebb_build_call_with(ebb_builder builder, ebb_layer layer,
                                       const ebb_call_argument *arguments, size_t count);
/** Output number `index` of the call that made x, for layers with several (LSTM with return_state,
 *  models). What calls return is number 0. */
EBB_API ebb_tensor ebb_build_output(ebb_builder builder, ebb_tensor x, uint32_t index);

/** One layer of a chain. */
typedef struct ebb_layer_text {
    const char *class_name, *arguments;
} ebb_layer_text;
/** A chain of layers, each called with the output of the one before. */
EBB_API ebb_tensor ebb_build_sequential(ebb_builder builder, ebb_tensor x,
                                        const ebb_layer_text *layers, size_t count);

/** Zero = default. */
typedef struct ebb_import_options {
    size_t struct_size;
    const char *layer; /**< up to this layer, it included; NULL = up to the outputs */
    uint32_t tensor;   /**< which output of it, or of the model */
    bool frozen;       /**< sets trainable=False on every layer taken */
} ebb_import_options;
#define EBB_IMPORT_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(ebb_import_options), NULL, 0, false                                                 \
    }

/**
 * Takes the part of a model that leads to a layer: its inputs become inputs here, its layers keep
 * their names, their weights are copied when the builder finishes (the model must live until then,
 * and may go afterwards). Layers of the same name that are here already are a fault.
 */
EBB_API ebb_tensor ebb_build_import(ebb_builder builder, ebb_model model,
                                    const ebb_import_options *options);
/** An output of the first call of a layer that is here already, by name. */
EBB_API ebb_tensor ebb_build_find(ebb_builder builder, const char *layer, uint32_t index);
/**
 * Shape and type of a tensor of the builder: what Keras says of a symbolic tensor. Calls that lead
 * to it are worked out here, each once, however often tensors behind them are asked for; no weights
 * are made, so that a layer may be larger than any memory.
 *
 * `name` is that of the layer that made it, `dtype` the declared one (float16 under mixed_float16),
 * dims[0] the rows: -1, unless the input fixes them, as are other unknown lengths. The other fields
 * are zero.
 *
 * A call that cannot work is told here and names its layer. It does not become the fault of the
 * builder: a model without that call can still be finished.
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (the tensor is of another builder); the first fault
 *         of the builder; EBB_E_SHAPE, EBB_E_DTYPE, EBB_E_FORMAT, EBB_E_UNSUPPORTED (as
 *         ebb_build_finish()); EBB_E_MEMORY
 * Memory: class meta, of the builder.
 */
EBB_API ebb_status ebb_build_tensor_info(ebb_builder builder, ebb_tensor x, ebb_tensor_info *info,
                                         ebb_error *error);
/** Number of classes that ebb_build_operation_make() knows; name of number `index`, NULL out of
 *  range. Static storage. */
EBB_API uint32_t ebb_build_operation_count(void);
EBB_API const char *ebb_build_operation_name(uint32_t index);
/** Freezes a layer, or lets it train. */
EBB_API void ebb_build_trainable(ebb_builder builder, const char *layer, bool trainable);

/** Zero = default. */
typedef struct ebb_build_options {
    size_t struct_size;
    uint64_t seed; /**< of initial weights; equal seeds and names of layers, equal weights */
    const ebb_load_options *load; /**< batch, lanes, limit, scope ... as for a load; NULL = all
                                       defaults. `architecture` must be NULL */
    bool sequential;              /**< save as a Keras Sequential: one input, one chain */
    bool new_weights; /**< ebb_model_clone(), ebb_model_cut(): initial weights, not copies */
    bool seed_by_number; /**< ebb_model_from_json(): initial weights are told by `seed` and their
                              number, whatever their names are */
} ebb_build_options;
#define EBB_BUILD_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(ebb_build_options), 0, NULL, false, false, false                                    \
    }

/**
 * Makes the model and closes the builder, whatever comes of it. Layers that lead to no output are
 * left out, as in Keras; inputs stay.
 *
 * Weights are filled by the layers' initializers: the distributions of Keras, but not its numbers.
 * A seed in an initializer counts; otherwise each weight has a stream of its own, told by `seed`
 * and its name.
 * @return EBB_OK; EBB_E_STALE; the first fault of the builder; then as ebb_model_load()
 */
EBB_API ebb_status ebb_build_finish(ebb_builder builder, const ebb_tensor *outputs, size_t count,
                                    const ebb_build_options *options, ebb_model *model,
                                    ebb_error *error);
/** What ebb_build_finish() would take, to the byte, as ebb_model_plan() says it. The builder stays.
 *  Status as ebb_build_finish(). */
EBB_API ebb_status ebb_build_plan(ebb_builder builder, const ebb_tensor *outputs, size_t count,
                                  const ebb_build_options *options, ebb_plan *plan,
                                  ebb_error *error);

/* -- models from JSON and from other models ---------------------------------------------------- */

/**
 * A model from the text of Keras's model.to_json(), of any version, with initial weights.
 * @param length  bytes of `text`; 0 = up to its terminating zero
 * @return as ebb_model_load()
 */
EBB_API ebb_status ebb_model_from_json(ebb_runtime runtime, const char *text, size_t length,
                                       const ebb_build_options *options, ebb_model *model,
                                       ebb_error *error);
/**
 * A second model like the first, with copies of its weights (or initial ones). What comes is named
 * as what was; it has no file. @return as ebb_model_load(); EBB_E_UNSUPPORTED (inference_only, when
 * weights are wanted; what Keras 3 has no words for)
 */
EBB_API ebb_status ebb_model_clone(ebb_model model, const ebb_build_options *options,
                                   ebb_model *clone, ebb_error *error);
/** The part of a model up to a layer, as a model: feature extractors.
 *  @return as ebb_model_clone(); EBB_E_NOT_FOUND (no such layer; names the nearest) */
EBB_API ebb_status ebb_model_cut(ebb_model model, const ebb_import_options *until,
                                 const ebb_build_options *options, ebb_model *part,
                                 ebb_error *error);

/* -- weights ----------------------------------------------------------------------------------- */

/** Zero = default. */
typedef struct ebb_weights_options {
    size_t struct_size;
    bool by_name;       /**< layers of the same name; others keep what they have. false: all of
                             them, in order (files of Keras 3: by path) */
    bool skip_mismatch; /**< a layer whose weights differ in number or shape keeps what it has */
} ebb_weights_options;
#define EBB_WEIGHTS_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(ebb_weights_options), false, false                                                  \
    }

/** What a copy of weights did; counts of weights (arrays). */
typedef struct ebb_weights_report {
    uint32_t copied;         /**< set in the target */
    uint32_t kept;           /**< of the target, left as they were */
    uint32_t skipped;        /**< of those kept: for a mismatch */
    char first_skipped[128]; /**< name of the first of them; "" = none */
    uint64_t reserved[4];
} ebb_weights_report;

/**
 * Copies weights between models that are loaded: all or nothing. Layers are matched as the options
 * say; types are converted. @return EBB_OK; EBB_E_STALE; EBB_E_SHAPE (names the weight; nothing is
 * changed); EBB_E_UNSUPPORTED (inference_only); EBB_E_MEMORY; EBB_E_ARGUMENT
 * Memory: class scratch, about as much as the target's weights, given back on return.
 * Threads: waits for predictions of the target in flight; they see all old weights or all new ones.
 */
EBB_API ebb_status ebb_model_weights_copy(ebb_model from, ebb_model to,
                                          const ebb_weights_options *options,
                                          ebb_weights_report *report, ebb_error *error);
/**
 * Keras's load_weights(): from `.keras`, `.h5` (whole models and weights alone) and `.weights.h5`,
 * told by content; the file's own configuration is not looked at. All or nothing.
 * @return as ebb_model_weights_copy(); EBB_E_NOT_FOUND; EBB_E_FORMAT; EBB_E_IO; EBB_E_UNSUPPORTED
 *         (by_name where the file keeps weights by path, as those of Keras 3 do)
 */
EBB_API ebb_status ebb_model_weights_load(ebb_model model, const char *path,
                                          const ebb_weights_options *options,
                                          ebb_weights_report *report, ebb_error *error);

/* -- scopes ------------------------------------------------------------------------------------ */

/** Zero = default. */
typedef struct ebb_scope_options {
    size_t struct_size;
    const char *tag;    /**< in reports; NULL = "scope" */
    uint64_t bytes_max; /**< over all models in it; 0 = none of its own */
    ebb_scope parent;   /**< {0} = the runtime */
} ebb_scope_options;
#define EBB_SCOPE_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(ebb_scope_options), NULL, 0,                                                        \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/**
 * Opens a scope: models loaded or built with its handle in ebb_load_options.scope live in its
 * memory and go with it. One fold of a cross-validation, one trial of a tuner, is one scope.
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (the parent is of another runtime, or 16 scopes are
 *         inside each other); EBB_E_MEMORY
 * Memory: one page of class meta.
 */
EBB_API ebb_status ebb_scope_open(ebb_runtime runtime, const ebb_scope_options *options,
                                  ebb_scope *scope, ebb_error *error);
/**
 * Unloads every model of the scope and of the scopes inside it (calls in flight finish first, new
 * ones are refused), with all that training took, and closes them: when this returns every byte is
 * back. The receipt is exact. @return EBB_OK; EBB_E_STALE; EBB_E_STATE (called by a callback of
 * training in the scope: it would wait for itself)
 */
EBB_API ebb_status ebb_scope_close(ebb_scope scope, ebb_receipt *receipt, ebb_error *error);
/** Live bytes, by class, of everything in the scope. @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_scope_memory_read(ebb_scope scope, ebb_memory *memory);

#ifdef __cplusplus
}
#endif
#endif
