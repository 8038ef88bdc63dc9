/* fit_moment.h -- where training stands, as the loops of fit show it to callbacks.
 *
 * Logs are names and values, sorted by name as Keras hands them out; a callback may add its own
 * (learning_rate), which later callbacks and History then see. */
#ifndef EBB_TRAIN_FIT_MOMENT_H
#define EBB_TRAIN_FIT_MOMENT_H

#include "train/engine.h"

typedef struct fit_logs {
    ebb_log_value *items;
    uint32_t count, capacity;
} fit_logs;

ebb_status fit_logs_open(region *home, uint32_t capacity, fit_logs *logs, ebb_error *error);
/* Replaces or appends; a name beyond the capacity is dropped. `name` is borrowed. */
void fit_logs_put(fit_logs *logs, const char *name, double value);
void fit_logs_sort(fit_logs *logs);
const double *fit_logs_find(const fit_logs *logs, const char *name); /* NULL: there is none */

typedef struct fit_moment {
    ebb_moment moment;
    engine *engine;
    uint32_t epoch, epochs; /* in evaluation alone 0 and 1 */
    uint64_t step, steps;   /* of the epoch or evaluation; steps 0: not known */
    fit_logs *logs;
    bool stops; /* set by callbacks: training ends after this batch or epoch */
    /* Set at TRAIN_BEGIN by a callback that restored an earlier run. */
    bool resumes;
    uint32_t resume_epoch;
    uint64_t resume_steps;
} fit_moment;

#endif
