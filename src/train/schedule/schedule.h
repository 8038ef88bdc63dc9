/* schedule.h -- learning rate schedules: the learning rate as nodes that read the step.
 *
 * The step is the optimizer's iteration variable, I32, counted from 0; the learning rate is a
 * scalar of F32. Source: keras/src/optimizers/schedules/learning_rate_schedule.py. */
#ifndef EBB_TRAIN_SCHEDULE_SCHEDULE_H
#define EBB_TRAIN_SCHEDULE_SCHEDULE_H

#include "train/object.h"

typedef struct schedule_def {
    train_entry entry;
    /* `step` is already a scalar of F32. */
    value (*emit)(graph *g, const void *config, value step);
} schedule_def;

extern const train_table schedule_table;

/* From an object of Keras's JSON; a name alone has no sense (decay_steps has no default). */
ebb_status schedule_read(region *home, const json *given, const char *where, train_object *result,
                         ebb_error *error);
/* The learning rate at `step`, an I32 scalar. */
value schedule_emit(graph *g, const train_object *schedule, value step);

#endif
