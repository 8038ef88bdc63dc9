/* callback.h -- Keras's callbacks: a table (list.inc), one entry each with what it does at which
 * moment. The loops of fit tell the list; a callback may stop training, or end it with an error.
 *
 *     ebb_callback {name, config} ──callbacks_open──> callback {def, config, state}
 *     fit ──callbacks_tell(moment)──> def->at[moment] of each, in order
 *
 * A function of the caller's is a LambdaCallback. Source: keras/src/callbacks/ of 3.15. */
#ifndef EBB_TRAIN_CALLBACK_CALLBACK_H
#define EBB_TRAIN_CALLBACK_CALLBACK_H

#include "train/fit_moment.h"
#include "train/object.h"

#define MOMENT_COUNT (EBB_TEST_BATCH_END + 1)

typedef struct callback callback;
typedef ebb_status (*callback_action)(callback *c, fit_moment *m, ebb_error *error);

typedef struct callback_def {
    train_entry entry;
    uint32_t state_bytes;
    bool takes_function;
    /* Before training; NULL: nothing to do. */
    ebb_status (*open)(callback *c, engine *e, ebb_error *error);
    callback_action at[MOMENT_COUNT]; /* NULL: does not listen */
    /* However training ended, once opening began; NULL: nothing to do. */
    void (*close)(callback *c, engine *e);
} callback_def;

struct callback {
    const callback_def *def;
    const void *config;
    void *state; /* zeroed at first */
    region *home;
    const char *where; /* "callbacks[2] EarlyStopping" */
    ebb_training_function function;
    void *context;
};

typedef struct callback_list {
    engine *engine;
    callback *items;
    uint32_t count;
} callback_list;

extern const train_table callback_table;

/* *result may be closed also after a failure. */
ebb_status callbacks_open(region *home, engine *e, const ebb_callback *given, size_t count,
                          callback_list *result, ebb_error *error);
ebb_status callbacks_tell(callback_list *list, fit_moment *m, ebb_error *error);
void callbacks_close(callback_list *list);

/* -- for the entries --------------------------------------------------------------------------- */

/* Calls the caller's function; a false answer sets m->stops. */
ebb_status callback_call(callback *c, fit_moment *m, ebb_error *error);
/* logs["learning_rate"], for later callbacks and History. */
ebb_status callback_log_rate(fit_moment *m, ebb_error *error);
/* "epoch" or a number of batches: *batches 0 for epoch. */
ebb_status callback_frequency(const callback *c, const char *key, const json *given,
                              uint64_t *batches, ebb_error *error);

/* Counts batches over epochs for a frequency in batches. */
typedef struct batch_counter {
    uint64_t every, seen;
} batch_counter;

/* After each batch: is it time? */
static inline bool batch_counter_is_due(batch_counter *b)
{
    if (b->every == 0 || ++b->seen < b->every) return false;
    b->seen = 0;
    return true;
}

#endif
