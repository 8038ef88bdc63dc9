/* prefetch.h -- one thread that does one piece of work at a time, beside the caller.
 *
 *     prefetch_start(&p, ledger, work, context);
 *     prefetch_ask(&p, 7);             work(context, 7) begins
 *     prefetch_wait(&p, &error);       and has ended: its status
 *     prefetch_stop(&p);
 *
 * Where no thread can be had, prefetch_ask() does the work itself. The thread is counted in the
 * ledger, gets no signals, and is gone when prefetch_stop() returns. The work must not allocate in
 * regions that the caller uses meanwhile. */
#ifndef EBB_TRAIN_DATA_PREFETCH_H
#define EBB_TRAIN_DATA_PREFETCH_H

#include <pthread.h>

#include "mem/region.h"

typedef ebb_status (*prefetch_work)(void *context, uint32_t number, ebb_error *error);

typedef struct prefetch {
    ledger *ledger;
    prefetch_work work;
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool has_thread, is_asked, is_stopping; /* the last two under the mutex */
    int thread_id;                          /* of the system; 0 until it runs */
    uint32_t number;
    ebb_status status;
    ebb_error error;
} prefetch;

void prefetch_start(prefetch *p, ledger *l, prefetch_work work, void *context);
/* One at a time: wait for the last one before. */
void prefetch_ask(prefetch *p, uint32_t number);
/* The status of what was asked last. */
ebb_status prefetch_wait(prefetch *p, ebb_error *error);
/* Waits for the work that runs. A no-op for a zeroed or stopped one. */
void prefetch_stop(prefetch *p);

#endif
