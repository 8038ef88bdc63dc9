/* fit.h -- the loops of fit and evaluate: epochs, batches, validation, callbacks, History.
 *
 *     data/      where batches come from: arrays, functions, files; shuffling, splitting
 *     callback/  table of Keras's callbacks: list.inc + one entry each
 *
 * Source: keras/src/trainers/trainer.py, epoch_iterator.py, callbacks/ of 3.15. */
#ifndef EBB_TRAIN_FIT_H
#define EBB_TRAIN_FIT_H

#include "train/engine.h"

/* Names in the order in which they first came up; one value an epoch (NAN where there is none). */
typedef struct history {
    region *home; /* grows in it */
    const char **names;
    double **values; /* [name][epoch] */
    uint32_t *epochs;
    uint32_t name_count, epoch_count, capacity;
} history;

/* Trains. `h` begins empty. What was allocated besides History is back on return. */
ebb_status fit_run(engine *e, const ebb_data *data, const ebb_fit_options *options, history *h,
                   ebb_error *error);
/* Results over all data: losses as means over rows, metrics as they stand. */
ebb_status evaluate_run(engine *e, const ebb_data *data, const ebb_evaluate_options *options,
                        double *results, ebb_error *error);

#endif
