/* optimizer.h -- the optimizers of Keras as emitters: nodes that change variables by gradients.
 *
 *     optimizer_read     name or Keras object -> which one and how
 *     optimizer_open     makes the optimizer's variables, in the order of Keras's
 * optimizer.variables optimizer_scale_loss   the loss that gradients are taken of optimizer_apply
 * one step: updates of the variables, the slots and the step counter
 *
 * One graph is one step: every node sees what the variables held before it. What Keras skips with a
 * condition (steps that only accumulate, gradients that are not finite) is computed here and then
 * not kept. Variables are float32.
 *
 * Source: keras/src/optimizers/ of 3.15, its TensorFlow backend where backends differ.
 */
#ifndef EBB_TRAIN_OPTIMIZER_OPTIMIZER_H
#define EBB_TRAIN_OPTIMIZER_OPTIMIZER_H

#include "train/emit.h"
#include "train/object.h"

typedef struct optimizer_def optimizer_def;
typedef struct optimizer_state optimizer_state;

/* An optimizer of MultiOptimizer and the variables it is for: `pattern` NULL is the default. */
typedef struct optimizer_choice {
    const char *pattern;
    struct optimizer *optimizer;
} optimizer_choice;

typedef struct optimizer {
    const optimizer_def *def;
    const void *config;
    const char *name;        /* "adam": the first part of its variables' paths */
    double learning_rate;    /* when schedule.entry is NULL */
    train_object schedule;   /* entry NULL: a number, kept in a variable that may be set */
    optimizer_choice *inner; /* LossScaleOptimizer: one; MultiOptimizer: the default first */
    uint32_t inner_count;
    const char *weight_decay_excluded; /* "bias|norm": paths that hold one of these; may be NULL */
} optimizer;

/* One variable of the model that is trained. */
typedef struct optimizer_variable {
    const char *path;               /* "dense/kernel" */
    value v;                        /* made by graph_variable() */
    value latest;                   /* what it holds when the optimizer comes to it, where the
                                       forward pass has changed it; VALUE_NONE: v */
    const train_object *constraint; /* NULL: none */
} optimizer_variable;

extern const train_table optimizer_table;

/* `given` must live as long as the optimizer. Errors as train_object_read(). */
ebb_status optimizer_read(region *home, const json *given, const char *where, optimizer *result,
                          ebb_error *error);
ebb_status optimizer_named(region *home, const char *name, const char *where, optimizer *result,
                           ebb_error *error);
/* LossScaleOptimizer with defaults around `inner`, as Keras does by itself under mixed_float16.
 * `inner` must live as long as the result. */
ebb_status optimizer_wrap_loss_scale(region *home, optimizer *inner, optimizer *result,
                                     ebb_error *error);

/* The variables are added to `e`; `variables` is copied, its texts are not. NULL after a failure in
 * e->graph. */
optimizer_state *optimizer_open(const optimizer *o, train_emit *e,
                                const optimizer_variable *variables, uint32_t count);
value optimizer_scale_loss(optimizer_state *s, value loss);
/* One gradient per variable, VALUE_NONE where there is none: such a variable stays. Call it after
 * the last graph_output(), once. */
void optimizer_apply(optimizer_state *s, const value *gradients);

/* The learning rate of this step, an F32 scalar; VALUE_NONE for MultiOptimizer, which has several.
 */
value optimizer_learning_rate(optimizer_state *s);
/* The variable it is read from; VALUE_NONE: it follows a schedule (or there are several). */
value optimizer_learning_rate_variable(const optimizer_state *s);
/* The step counter, an I32 variable. */
value optimizer_iteration(const optimizer_state *s);
/* The moving average of variable `index`, which becomes its value when fit ends; VALUE_NONE: none.
 */
value optimizer_average(const optimizer_state *s, uint32_t index);

#endif
