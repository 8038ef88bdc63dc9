/* witness.h -- a model that keeps answering in a thread of its own, each answer compared with the
 * first bit for bit. */
#ifndef EBB_CLI_WITNESS_H
#define EBB_CLI_WITNESS_H

#include <pthread.h>
#include <stdatomic.h>

#include "batch.h"

typedef struct witness {
    ebb_model model;
    batch questions; /* the witness's own; freed by witness_stop() */
    void *first;     /* the first answer */
    pthread_t thread;
    bool is_running;
    atomic_bool is_stopping;
    _Atomic uint64_t answers;
    _Atomic uint64_t changed; /* answers that differ from the first, and failed calls */
    ebb_error error;          /* of the first failed call; read after witness_stop() */
} witness;

/* Takes over *questions, asks once in this thread, then goes on in its own. */
ebb_status witness_start(witness *w, ebb_model model, batch *questions, ebb_error *error);
/* Waits until one more answer has come; false when it failed. */
bool witness_wait(witness *w);
void witness_stop(witness *w);

#endif
