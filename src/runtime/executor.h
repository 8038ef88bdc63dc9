/* executor.h -- the threads of a runtime that help parallel predictions.
 *
 * A prediction worth several threads runs on its caller's thread, which leads the one team of its
 * runtime meanwhile. A prediction that finds the team at work for another does all of its parts
 * alone: the same parts, so the same bits, and nobody waits. The library's own threads are never
 * used, so fork stays possible, and the workers end exactly when the last model that needs them
 * goes.
 *
 * Holders start and stop the team: the first executor_hold() starts it, the last executor_release()
 * ends it and waits until the system has none of its threads left.
 */
#ifndef EBB_RUNTIME_EXECUTOR_H
#define EBB_RUNTIME_EXECUTOR_H

#include <pthread.h>

#include "device/cpu/parallel.h"
#include "mem/region.h"

typedef struct executor {
    ledger *ledger;
    pthread_mutex_t mutex;
    uint32_t holders, threads; /* of a prediction: its caller's and the workers */
    bool is_running, is_led;
    parallel_team team;
} executor;

void executor_init(executor *x, ledger *l, uint32_t threads);
void executor_fini(executor *x);

/* Starts on the first hold. E_MEMORY if the system gives no thread. */
ebb_status executor_hold(executor *x, ebb_error *error);
/* Returns how many threads ended. */
uint32_t executor_release(executor *x);

/* Runs job on this thread, with the team if it is free. After fork, in the child, starts it again
 * first. */
void executor_run(executor *x, void (*run)(void *context), void *context);

/* In a forked child: the threads are gone, from the ledger too. */
void executor_after_fork(executor *x);

#endif
