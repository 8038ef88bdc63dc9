/* emit.h -- what the emitters of training share: losses, metrics, optimizers, regularizers,
 * constraints and schedules are functions that add nodes to a graph, as layers are.
 *
 *     loss        y_true, y_pred (, sample weight, mask)  -> a scalar
 *     metric      the same -> updates of its variables, and a scalar result of those
 *     optimizer   variable, gradient -> updates of the variable and of its slots
 *     regularizer, constraint, schedule: value -> value
 *
 * A variable of training is a weight of the graph that belongs to training and not to the model:
 * optimizer slots, the step counter, sums of metrics. It begins as one number everywhere, or as a
 * copy of another variable. Emitting is sticky as all graph building: check graph_ok() at the end.
 */
#ifndef EBB_TRAIN_EMIT_H
#define EBB_TRAIN_EMIT_H

#include "graph/op.h"

typedef struct train_variable {
    const char *name; /* as Keras names it: "iteration", "dense_kernel_momentum", "total" */
    value v;
    value like; /* not VALUE_NONE: begins as a copy of this variable */
    double initial;
    ebb_dtype dtype; /* F32 or I32 */
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
} train_variable;

typedef struct train_emit {
    graph *graph;
    region *home;
    uint32_t weight_first; /* graph weight index of variable 0: after the model's own */
    train_variable *variables;
    uint32_t variable_count, variable_capacity;
} train_emit;

/* A variable full of `initial`. Returns its value; reading it gives what it held before this run.
 */
value train_variable_new(train_emit *e, const char *name, ebb_dtype dtype, uint32_t rank,
                         const int64_t *dims, double initial);
/* A variable of the shape of `like` (a weight or variable) that begins as a copy of it. */
value train_variable_copy(train_emit *e, const char *name, value like);

/* After the run the variable holds `next` (graph_update). One update a variable and run. */
void train_assign(train_emit *e, value variable, value next);

#endif
