/* fit.h -- the loops of fit and evaluate: epochs, batches, validation, callbacks, History.
 *
 *     data/      where batches come from: arrays, functions, files; shuffling, splitting
 *     callback/  table of Keras's callbacks: list.inc + one entry each
 *
 * Source: keras/src/trainers/trainer.py, epoch_iterator.py, callbacks/ of 3.15. */
#ifndef EBB_TRAIN_FIT_H
#define EBB_TRAIN_FIT_H

#include "train/engine.h"

/* Names in the order in which they first came up (sorted within an epoch; what callbacks add comes
 * last); one value an epoch, NAN where there is none. */
typedef struct history {
    region *home; /* grows in it */
    const char **names;
    double **values;  /* [name][epoch] */
    bool **is_given;  /* [name][epoch]: false where the NAN says that there is none */
    uint32_t *epochs; /* their numbers, from 0 */
    uint32_t name_count, epoch_count, capacity;
    uint32_t name_capacity;
    void *block; /* of the arrays above */
} history;

/* Trains. `h` begins empty but for its home. What was allocated besides History is back on return;
 * after a failure History holds the epochs that ended. */
ebb_status fit_run(engine *e, const ebb_data *data, const ebb_fit_options *options, history *h,
                   ebb_error *error);
/* Results over all data, in the order of the engine's titles: losses as means over rows, metrics as
 * they stand. */
ebb_status evaluate_run(engine *e, const ebb_data *data, const ebb_evaluate_options *options,
                        double *results, ebb_error *error);

/* {"epoch": [0, 1], "history": {"loss": [...]}}: of every name the values that were given, as Keras
 * lists them. Memory of the text in a child of h->home. */
ebb_status history_write(const history *h, ebb_text_function write, void *context,
                         ebb_error *error);

#endif
