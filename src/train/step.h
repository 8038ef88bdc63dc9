/* step.h -- one training step, or one evaluation step, as a graph.
 *
 *     inputs   x ..., y ..., sample weight ...
 *     forward (training or inference) -> losses -> gradients -> optimizer
 *     outputs  loss, losses by output, metrics           scalars, F32
 *     updates  metric variables; weights, state and slots of the optimizer, moving statistics, the
 *              stream of random numbers (training; evaluation where it draws)
 *
 * Both graphs are over the same variables, by graph weight index:
 *
 *     0 .. W-1         the model's weights, in the order of model.weights
 *     W                random stream (I32; there also if nothing is random)
 *     W+1 ..           states of stateful layers, zeros at first
 *     then             sums of metrics: reset by zeros
 *     then             optimizer.variables, in Keras's order (training only)
 *
 * Order of operations: keras/src/trainers/trainer.py and the TensorFlow trainer of 3.15.
 */
#ifndef EBB_TRAIN_STEP_H
#define EBB_TRAIN_STEP_H

#include "train/emit.h"
#include "train/settings.h"

/* What the step's graph expects besides x: which outputs have targets and sample weights. */
typedef struct step_inputs {
    bool has_sample_weight; /* an input [rows] (or [rows, time]) for each output with a loss or
                               weighted metric */
    /* Rank and dtype of the targets as the caller has them, by output; dims beyond the rows are
     * taken over, or from the output where its length is only known from run to run. */
    const ebb_view *y;
    const ebb_view *sample_weight; /* the same; rank 0: none for that output */
} step_inputs;

/* Layers frozen or freed after the file was made, asked by name with those of the models around it
 * ("encoder/dense"): see assemble_options. */
typedef struct step_trainable {
    bool (*is_trainable)(void *context, const char *title, bool otherwise);
    void *context;
} step_trainable;

typedef struct train_step {
    built_model *model; /* assembled for this step, graph included */
    train_emit emit;    /* its variables: random stream, states, metrics, optimizer */
    uint32_t metric_first, optimizer_first; /* among emit.variables; without an optimizer
                                               optimizer_first is emit.variable_count */
    const char **titles;                    /* of the outputs: "loss", "accuracy" ... */
    uint32_t result_count;
    uint32_t x_count, y_count, weight_count; /* inputs of the graph, in this order */
    uint32_t *y_output, *weight_output;      /* which output of the model each belongs to */
    optimizer_state *optimizer;              /* NULL in evaluation */
    int64_t *class_counts, *ignored_classes; /* by y: loss_class_count() */
    uint32_t trained_count;  /* 0: no weight is trained; steps then change no slot, as in Keras */
    const uint32_t *trained; /* graph weight indices, as optimizer_average() numbers them */
} train_step;

/* Assembles `d` anew, emits the step and runs the passes. is_training false: the evaluation step.
 * `s` is copied where metrics keep state, so that both steps may come from the same settings.
 * `trainable` NULL: as the file says. Errors: the graph's, with names of layers and outputs;
 * E_STATE when there is no loss at all, or no optimizer to train with. Everything in `home`. */
ebb_status step_make(region *home, const description *d, const settings *s,
                     const step_inputs *inputs, bool is_training, uint64_t seed,
                     const step_trainable *trainable, train_step *result, ebb_error *error);

#endif
