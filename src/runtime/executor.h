/* executor.h -- the thread that leads parallel predictions.
 *
 * A prediction worth several threads is handed to the executor, which leads the one OpenMP team of its runtime;
 * such predictions take turns. So no team ever belongs to a caller's thread: callers may come and go, fork
 * stays possible, and the threads end exactly when the last model that needs them goes.
 *
 * Holders start and stop it: the first executor_hold() starts thread and team, the last executor_release() ends
 * them and waits until the system has none of them left.
 */
#ifndef EBB_RUNTIME_EXECUTOR_H
#define EBB_RUNTIME_EXECUTOR_H

#include <pthread.h>

#include "mem/region.h"

#define EXECUTOR_THREADS_MAX 256

typedef struct executor_job {
    void (*run)(void *context);
    void                *context;
    struct executor_job *next;
    bool                 is_done;
} executor_job;

typedef struct executor {
    ledger         *ledger;
    pthread_mutex_t mutex;
    pthread_cond_t  wake, done;
    pthread_t       thread;
    executor_job   *first, *last;
    uint32_t        holders, threads; /* threads of the team, this one included */
    bool            is_running, is_stopping;
    int             team[EXECUTOR_THREADS_MAX]; /* thread ids */
} executor;

void executor_init(executor *x, ledger *l, uint32_t threads);
void executor_fini(executor *x);

/* Starts on the first hold. E_MEMORY if the system gives no thread. */
ebb_status executor_hold(executor *x, ebb_error *error);
/* Returns how many threads ended. */
uint32_t executor_release(executor *x);

/* Runs job on the executor and waits. After fork, in the child, starts it again first. */
void executor_run(executor *x, void (*run)(void *context), void *context);

/* In a forked child: the thread is gone. Call with nothing running. */
void executor_after_fork(executor *x);

#endif
