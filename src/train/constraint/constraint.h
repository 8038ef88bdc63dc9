/* constraint.h -- what weights are projected to after each update: tensor -> tensor.
 * Source: keras/src/constraints/constraints.py. */
#ifndef EBB_TRAIN_CONSTRAINT_CONSTRAINT_H
#define EBB_TRAIN_CONSTRAINT_CONSTRAINT_H

#include "train/object.h"

typedef struct constraint_def {
    train_entry entry;
    value (*emit)(graph *g, const void *config, value w);
} constraint_def;

extern const train_table constraint_table;

/* From a name ("max_norm") or an object of Keras's JSON; null is no constraint and not read here.
 */
ebb_status constraint_read(region *home, const json *given, const char *where, train_object *result,
                           ebb_error *error);
/* `w` of F32, and what it becomes. */
value constraint_emit(graph *g, const train_object *constraint, value w);

#endif
