/* test_loop.h -- one evaluation over a feed, and the running means of losses. Inside of train/. */
#ifndef EBB_TRAIN_TEST_LOOP_H
#define EBB_TRAIN_TEST_LOOP_H

#include "train/callback/callback.h"
#include "train/data/feed.h"

/* The results of the batches of an epoch, in float32 as in Keras's Mean: the loss is a mean over
 * rows, the losses of single outputs are means over batches (their length is not known where Keras
 * compiles the step); metrics are as the engine told them last. */
typedef struct running_results {
    const engine *engine;
    double *batch; /* of the last batch */
    double *values;
    float *totals;
    float rows, batches;
    uint32_t *order; /* of the titles, by name */
} running_results;

ebb_status running_open(region *home, const engine *e, running_results *r, ebb_error *error);
void running_reset(running_results *r);
/* Takes r->batch in. */
void running_add(running_results *r, const ebb_batch *batch);
/* Logs by name, sorted; no others stay. Without a batch there are none. */
void running_show(const running_results *r, fit_logs *logs);

/* Tells callbacks of the moments of a test, which has its own steps and logs; `now` is as before
 * afterwards, except for what callbacks set. The values are in *r. */
ebb_status test_loop_run(feed *f, callback_list *callbacks, fit_moment *now, fit_logs *logs,
                         running_results *r, ebb_error *error);

/* E_CANCELLED if the caller asked for it. */
ebb_status check_cancelled(const engine *e, const char *where, ebb_error *error);

#endif
