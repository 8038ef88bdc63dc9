/* regularizer.h -- penalties on weights and activities: tensor -> scalar, added to the loss.
 * Source: keras/src/regularizers/regularizers.py. */
#ifndef EBB_TRAIN_REGULARIZER_REGULARIZER_H
#define EBB_TRAIN_REGULARIZER_REGULARIZER_H

#include "train/object.h"

typedef struct regularizer_def {
    train_entry entry;
    value (*emit)(graph *g, const void *config, value x);
} regularizer_def;

extern const train_table regularizer_table;

/* From a name ("l2") or an object of Keras's JSON; null is no regularizer and not read here. */
ebb_status regularizer_read(region *home, const json *given, const char *where,
                            train_object *result, ebb_error *error);
/* The penalty, an F32 scalar, on `x` of F32. */
value regularizer_emit(graph *g, const train_object *regularizer, value x);
/* Both at once: the penalty_function of assemble_options. */
value penalty_emit(graph *g, region *home, const json *given, const char *where, value x);

#endif
