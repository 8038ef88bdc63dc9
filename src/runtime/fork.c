/* fork.c -- correct after fork().
 *
 * Before a fork every lock of every runtime is taken, so the child sees whole structures. In the
 * child only the forking thread lives: leases and pins of other threads are void, executor threads
 * are gone and start again when they are needed. What another thread was loading at that moment
 * stays in the child's ledger until the runtime closes. The list of runtimes is process-wide state,
 * with the handle table the only one of ebb. */
#include <stdlib.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/training.h"

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t hooks_once = PTHREAD_ONCE_INIT;
static runtime *runtimes;
static int hooks_result;

static void prepare(void)
{
    pthread_mutex_lock(&list_mutex);
    for (runtime *r = runtimes; r != NULL; r = r->next) {
        pthread_mutex_lock(&r->mutex);
        for (model *m = r->models; m != NULL; m = m->next) {
            pthread_mutex_lock(&m->training_mutex); /* between two steps */
            pthread_mutex_lock(&m->mutex);
        }
        pthread_mutex_lock(&r->executor.mutex);
    }
    handle_before_fork();
    for (runtime *r = runtimes; r != NULL; r = r->next) ledger_before_fork(r->ledger);
}

static void release_own(void)
{
    for (runtime *r = runtimes; r != NULL; r = r->next) {
        pthread_mutex_unlock(&r->executor.mutex);
        for (model *m = r->models; m != NULL; m = m->next) {
            pthread_mutex_unlock(&m->mutex);
            pthread_mutex_unlock(&m->training_mutex);
        }
        pthread_mutex_unlock(&r->mutex);
    }
    pthread_mutex_unlock(&list_mutex);
}

static void in_parent(void)
{
    for (runtime *r = runtimes; r != NULL; r = r->next) ledger_after_fork_parent(r->ledger);
    handle_after_fork_parent();
    release_own();
}

static void reset_model(model *m)
{
    for (uint32_t i = 0; i < m->lane_count; i++) atomic_store(&m->lanes[i].is_busy, false);
    for (uint32_t i = 0; i < m->entry_max; i++) m->entries[i].users = 0;
    atomic_store(&m->lane_waiters, 0);
    pthread_cond_init(&m->lane_free, NULL);
    atomic_store(&m->is_compiling, false);
    atomic_store(&m->training_waiters, 0);
    if (m->training == NULL) return;
    atomic_store(&m->training->is_busy, false);
    atomic_store(&m->training->is_fitting, false);
    atomic_store(&m->training->lookers, 0);
    atomic_store(&m->training->history_readers, 0);
}

static void in_child(void)
{
    for (runtime *r = runtimes; r != NULL; r = r->next) ledger_after_fork_child(r->ledger);
    handle_after_fork();
    for (runtime *r = runtimes; r != NULL; r = r->next) {
        for (model *m = r->models; m != NULL; m = m->next) reset_model(m);
        executor_after_fork(&r->executor);
    }
    release_own();
}

static void install(void)
{
    hooks_result = pthread_atfork(prepare, in_parent, in_child);
}

ebb_status fork_register(runtime *r, ebb_error *error)
{
    pthread_once(&hooks_once, install);
    if (hooks_result != 0) return fail_memory(error, "ebb_runtime_open", "the fork hooks");
    pthread_mutex_lock(&list_mutex);
    r->next = runtimes;
    if (r->next != NULL) r->next->previous = r;
    runtimes = r;
    pthread_mutex_unlock(&list_mutex);
    return EBB_OK;
}

void fork_unregister(runtime *r)
{
    pthread_mutex_lock(&list_mutex);
    if (r->previous != NULL)
        r->previous->next = r->next;
    else
        runtimes = r->next;
    if (r->next != NULL) r->next->previous = r->previous;
    pthread_mutex_unlock(&list_mutex);
}
