/* assemble.h -- a whole model: description -> layer instances -> graph, and the list of its
 * weights.
 *
 * Every unknown layer, bad field and shape clash of a file is reported at once through `problems`
 * when given; otherwise the first one is the error. */
#ifndef EBB_LAYER_ASSEMBLE_H
#define EBB_LAYER_ASSEMBLE_H

#include "layer/build.h"

typedef struct model_port {
    const char *name;
    value v;
    ebb_dtype dtype; /* as Keras declares it */
    value mask;      /* the Keras mask of an output when the model runs: BOOL; VALUE_NONE: none */
} model_port;

/* A nested or top-level Functional/Sequential: instances by index in model_config.layers. */
typedef struct nested_model {
    const model_config *config;
    layer_instance **layers;
    uint32_t layer_count;
} nested_model;

/* After a call the weight holds `next`. A weight that is trained, too (the kernel inside
 * SpectralNormalization), holds what the optimizer makes of `next`: gradients, penalties and
 * optimizers begin at layer_weight.latest, which is layer_weight.v where there is no update. */
typedef struct layer_update {
    const layer_weight *weight;
    value next;
} layer_update;

/* Where a weight's bytes come from; see bind.h. */
struct weight_source;

typedef struct built_model {
    graph *graph; /* inputs and outputs in order; outputs already cast to their declared dtype */
    nested_model *top;
    model_port *inputs, *outputs;
    uint32_t input_count, output_count;
    layer_weight *
        *weights; /* in the order of Keras's model.weights; graph weight index == position */
    uint32_t weight_count;
    dim batch; /* the symbol for the rows of the inputs; 0: the file fixes them */
    uint64_t parameters, parameters_trainable;
    layer_update *updates; /* at most one a weight or state */
    uint32_t update_count;
    value
        *losses; /* F32 scalars: activity regularizers, ActivityRegularization; Keras's add_loss */
    uint32_t loss_count;
    /* With has_variables (the states with keeps_states, too): */
    value
        random; /* I32 scalar variable, weight index == weight_count, that random layers take their
                   stream from: it must change from run to run. There also if nothing is random */
    layer_weight **states; /* of stateful layers: variables that are no weights and begin as zeros;
                              graph weight index == weight_count + 1 + position */
    uint32_t state_count;
} built_model;

/* The first graph weight index that is free for others. */
static inline uint32_t built_model_variable_count(const built_model *m)
{
    return m->weight_count + 1 + m->state_count;
}

typedef void (*problem_function)(void *context, const char *layer, const char *text);

/* The penalty of a regularizer, given as Keras's JSON, on x of F32: an F32 scalar. VALUE_NONE after
 * a failure, which is sticky in the graph. */
typedef value (*penalty_function)(graph *g, region *home, const json *regularizer,
                                  const char *where, value x);

typedef struct assemble_options {
    problem_function problem; /* NULL: the first fault ends it */
    void *context;
    bool is_training;   /* training=True: dropout drops, BatchNormalization takes the batch's
                           statistics. A `training` argument among those a file keeps of a call
                           gives way to it, as in Keras (functional.py, operation_fn) */
    bool has_variables; /* weights are variables (graph_variable()): never folded or packed, so that
                           runs may change them */
    bool keeps_states; /* states of stateful layers are variables although weights are not: every
                          run begins where the one before ended */
    uint64_t seed;      /* of random layers without a seed of their own */
    penalty_function penalty; /* of activity regularizers: penalty_emit() of train/; NULL:
                                 activities are not penalized */
    /* May training change the weights of the layer? `title` is its name with those of the models
     * around it ("encoder/dense"), `otherwise` what the file says. NULL: as the file says. */
    bool (*is_trainable)(void *context, const char *title, bool otherwise);
    void *trainable_context;
    /* Told of each call of the model's own layers (not of models inside it), in the order in which
     * they are run; the outputs hold until it returns. NULL: nobody asks. */
    void (*called)(void *context, const graph *g, const char *layer, uint32_t call,
                   const layer_tensor *outputs, uint32_t count);
    void *called_context;
} assemble_options;

/* `options` may be NULL: inference, the first fault is the error. */
ebb_status assemble_model(region *home, const description *d, const assemble_options *options,
                          built_model **result, ebb_error *error);

/* Keras's summary table as text, line by line (keras/src/utils/summary_utils.py; 80 columns). */
ebb_status summary_write(region *scratch, const built_model *model, const description *d,
                         void (*line)(void *context, const char *text), void *context,
                         ebb_error *error);

#endif
