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
} model_port;

/* A nested or top-level Functional/Sequential: instances by index in model_config.layers. */
typedef struct nested_model {
    const model_config *config;
    layer_instance **layers;
    uint32_t layer_count;
} nested_model;

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
} built_model;

typedef void (*problem_function)(void *context, const char *layer, const char *text);

ebb_status assemble_model(region *home, const description *d, problem_function problem,
                          void *context, built_model **result, ebb_error *error);

/* Keras's summary table as text, line by line (keras/src/utils/summary_utils.py; 80 columns). */
ebb_status summary_write(region *scratch, const built_model *model, const description *d,
                         void (*line)(void *context, const char *text), void *context,
                         ebb_error *error);

#endif
