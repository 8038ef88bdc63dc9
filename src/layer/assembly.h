/* assembly.h -- what the files of layer/ share while a model is assembled; nobody outside includes
 * it.
 *
 * The first fault is sticky in graph->error, as in every builder. With a problem callback a fault
 * is reported instead, the layer that has it yields no tensors, and everything that would use them
 * is left out. */
#ifndef EBB_LAYER_ASSEMBLY_H
#define EBB_LAYER_ASSEMBLY_H

#include "layer/assemble.h"

/* Calls of layers per model, those inside nested models counted each time; more is an error. */
#define ASSEMBLY_CALLS_MAX 200000

/* A build_update(), while the arrays of weights may still move. */
typedef struct update_record {
    layer_instance *instance; /* NULL: a state */
    uint32_t number;          /* of the weight among the instance's; of the state */
    value next;
} update_record;

typedef struct assembly {
    region *home;
    graph *graph;
    uint32_t keras_major;
    const assemble_options *options;
    const model_config *model; /* at the top */
    dim batch;                 /* one symbol for the rows of every input; 0 until one has it */
    bool is_batch_free;        /* rows that the file fixes are any number all the same */
    uint32_t weight_count;     /* so far, in order of creation */
    uint32_t call_count;
    value *unmasked; /* build_mask_drop() */
    uint32_t unmasked_count, unmasked_capacity;
    enum { TRAINING_OPEN, TRAINING_ON, TRAINING_OFF } training; /* of the calls being made */
    value random; /* the stream; VALUE_NONE without variables */
    update_record *updates;
    uint32_t update_count, update_capacity;
    value *losses;
    uint32_t loss_count, loss_capacity;
    layer_weight **states;
    uint32_t state_count, state_capacity;
    problem_function problem; /* NULL: the first fault ends it */
    void *context;
    uint32_t problem_count;
    ebb_error first; /* of the problems */
} assembly;

/* True while nothing is wrong, or when what was wrong has been reported and building can go on. */
bool assembly_goes_on(assembly *a);
/* Fault of a layer; always false. */
bool assembly_fail(assembly *a, ebb_status status, const char *where, const char *format, ...)
    EBB_PRINTF(4, 5);
/* E_MEMORY; always false. */
bool assembly_no_memory(assembly *a, const char *where);

bool assembly_mask_is_lost(const assembly *a, value v);

static inline bool assembly_keeps_states(const assembly *a)
{
    return a->options->has_variables || a->options->keeps_states;
}

/* -- instance.c
 * ------------------------------------------------------------------------------------ */

/* The layer of a configuration with its config struct read; for models all layers inside. NULL: a
 * fault, in graph->error. With problems reported the instance exists without a `def`: calling it
 * yields nothing. */
layer_instance *instance_make(assembly *a, const layer_config *config, const char *path,
                              const char *title, bool trainable, uint32_t depth);
/* The same from {"class_name", "config", ...} inside a wrapper's config. */
layer_instance *instance_make_json(assembly *a, const json *object, const char *path,
                                   const char *title, bool trainable, uint32_t depth);
/* Can the layer be called? False after a reported problem. */
bool instance_works(const layer_instance *i);
/* Emits the ops of one call and completes dtypes and masks of the outputs. False: a fault. */
bool instance_call(assembly *a, layer_instance *i, uint32_t depth, layer_call *call);

/* -- nested.c
 * -------------------------------------------------------------------------------------- */

nested_model *nested_make(assembly *a, const model_config *config, const char *path,
                          const char *title, bool trainable, uint32_t depth);
/* Runs every call of a model. `inputs`: one tensor per input of the config, NULL for the model at
 * the top, whose InputLayers make graph inputs. `outputs` of config->output_count; VALUE_NONE where
 * a problem was reported. */
bool nested_run(assembly *a, nested_model *m, const layer_tensor *inputs, layer_tensor *outputs,
                uint32_t depth);

/* -- call_arguments.c
 * ------------------------------------------------------------------------------ */

#define ARGUMENT_DEPTH_MAX 16 /* lists in lists among the arguments of a call */

/* Where the tensors of a call come from. */
typedef struct argument_source {
    assembly *a;
    region *home;      /* of what is made here */
    uint32_t layer;    /* that is called, for `find` */
    const char *title; /* its name */
    /* False: a fault in graph->error. *is_missing: not made, because a problem was reported. */
    bool (*find)(void *context, const struct argument_source *s, const tensor_ref *ref,
                 layer_tensor *tensor, bool *is_missing);
    void *context;
} argument_source;

/* The arguments of a configured call as build functions see them. False: a fault. */
bool call_arguments_make(const argument_source *s, const call_config *config, layer_call *call,
                         bool *is_missing);

/* -- weight_order.c
 * -------------------------------------------------------------------------------- */

/* Fills model->weights in Keras's order, numbers weights and graph weights, counts parameters. */
bool weights_collect(assembly *a, built_model *model);
/* Weights of an instance and all inside it: consecutive in model->weights. */
uint32_t instance_weight_count(const layer_instance *i);

/* -- weight_settings.c
 * ------------------------------------------------------------------------------- */

/* Initializer, regularizer and constraint of a weight by Keras's rules for the layer it is of. */
void weight_settings_read(const layer_instance *i, layer_weight *w);

/* -- build_training.c
 * -------------------------------------------------------------------------------- */

/* Before layers are made: the stream of random numbers. */
bool training_begin(assembly *a);
/* Moves updates, losses and states into the model, after weights_collect(). */
bool training_end(assembly *a, built_model *model);
/* Losses of the layer's own activity regularizer. */
bool activities_penalize(layer_build *b, const layer_call *call);

/* -- promotion.c
 * ----------------------------------------------------------------------------------- */

/* The dtype Keras gives to what is computed from both; NONE (a plain number) gives way. */
ebb_dtype dtype_promote(ebb_dtype a, ebb_dtype b);
/* Over every tensor among the arguments. */
ebb_dtype arguments_promote(const call_argument *arguments, uint32_t count);
/* Completes dtype and declared of an output by the default rules. */
void output_complete(const graph *g, const layer_instance *i, const layer_call *call,
                     layer_tensor *output);

/* -- wrapped.c
 * ------------------------------------------------------------------------------------- */

/* Looks for classes that cannot run among the layers given as JSON inside a config, so that they
 * are reported even where the wrapper is never called. False when there are some. */
bool wrapped_check(assembly *a, const json *config, const char *title);

/* -- literal.c
 * ------------------------------------------------------------------------------------- */

/* A number, a nested list of numbers, or {"class_name": "__numpy__", "config": {"value", "dtype"}}:
 * a constant of F32, I32 or BOOL in *tensor. False: it is nothing of that kind (no fault), or a
 * fault in graph->error. */
bool literal_tensor(graph *g, const json *literal, layer_tensor *tensor);
bool literal_is_wrapped(const json *literal);

#endif
