/* pass_graph.h -- a model run forwards, and the gradients of such a run, as graphs.
 *
 *     forward    inputs x ...            outputs y ..., added losses ...     updates as in training
 *     gradient   inputs x ..., dy ...    outputs dx ..., dw ...              none
 *
 * Both are over the same variables, by graph weight index: the model's weights, the stream of
 * random numbers, the states of stateful layers (step.h). The gradient graph computes the run
 * again; with the variables as they were before the run it draws the same random numbers.
 *
 * Source of the semantics: tf.GradientTape over Layer.__call__ of Keras 3.15.
 */
#ifndef EBB_TRAIN_PASS_GRAPH_H
#define EBB_TRAIN_PASS_GRAPH_H

#include "layer/assemble.h"
#include "train/step.h"

typedef struct pass_options {
    const description *d;
    bool is_training;
    uint64_t seed;
    step_trainable trainable;
} pass_options;

typedef struct forward_graph {
    built_model *model;
    uint32_t output_count; /* of the model, then its losses */
    /* Does anything that can be differentiated lead from it to an output? */
    bool *reaches_weight, *reaches_input;
    /* By graph weight index: an output depends on it; the run changes it. */
    bool *is_read, *is_updated;
    uint32_t variable_count;
} forward_graph;

/* Assembles the model, passes run. Everything in `home`. Errors: the graph's. */
ebb_status forward_graph_make(region *home, const pass_options *options, forward_graph *result,
                              ebb_error *error);

/* Which gradients are given and which are wanted. */
typedef struct gradient_request {
    const bool *outputs; /* by output of the forward graph */
    const bool *inputs, *weights;
} gradient_request;

#define GRADIENT_NOTHING UINT32_MAX

typedef struct gradient_graph {
    built_model *model;
    uint32_t result_count; /* outputs of the graph */
    /* Numbers of results; GRADIENT_NOTHING: zeros, or not wanted. */
    uint32_t *input_results, *weight_results;
    uint32_t *seed_inputs; /* by output: the input of the graph; GRADIENT_NOTHING: none */
} gradient_graph;

/* The same for gradients. E_UNSUPPORTED names an operation without a gradient. */
ebb_status gradient_graph_make(region *home, const pass_options *options,
                               const gradient_request *request, gradient_graph *result,
                               ebb_error *error);

#endif
