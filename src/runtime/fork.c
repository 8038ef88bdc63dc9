/* fork.c -- correct after fork().
 *
 * Before a fork every lock of every runtime is taken, so the child sees whole structures. In the
 * child only the forking thread lives: leases and pins of other threads are void, executor threads
 * are gone and start again when they are needed. What another thread was loading at that moment
 * stays in the child's ledger until the runtime closes. The list of runtimes is process-wide state,
 * with the handle table the only one of ebb. */
#include <sched.h>
#include <stdlib.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/devices.h"
#include "runtime/training.h"

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t hooks_once = PTHREAD_ONCE_INIT;
static runtime *runtimes;
static int hooks_result;

static void attachments_unlock(const runtime *r, const attachment *until, bool is_child)
{
    for (const attachment *a = r->attachments; a != until; a = a->next)
        if (a->fork_unlock != NULL) a->fork_unlock(a->object, is_child);
}

/* With the runtime's mutex and the locks of all its attachments, which others take in the other
 * order: so nobody is waited for while something is held. */
static void lock_with_attachments(runtime *r)
{
    for (;;) {
        pthread_mutex_lock(&r->mutex);
        const attachment *a = r->attachments;
        while (a != NULL && (a->fork_lock == NULL || a->fork_lock(a->object))) a = a->next;
        if (a == NULL) return;
        attachments_unlock(r, a, false);
        pthread_mutex_unlock(&r->mutex);
        sched_yield();
    }
}

/* In the child: what another thread was taking apart can be closed by nobody; its memory goes with
 * the runtime. */
static void attachments_forget(runtime *r)
{
    for (attachment **link = &r->attachments; *link != NULL;) {
        attachment *a = *link;
        if (handle_alive(a->kind, a->id)) {
            link = &a->next;
            continue;
        }
        *link = a->next;
        if (a->next != NULL) a->next->previous = a->previous;
    }
}

static void prepare(void)
{
    pthread_mutex_lock(&list_mutex);
    for (runtime *r = runtimes; r != NULL; r = r->next) {
        lock_with_attachments(r);
        for (model *m = r->models; m != NULL; m = m->next) {
            pthread_mutex_lock(&m->training_mutex); /* between two steps */
            pthread_mutex_lock(&m->mutex);
        }
        pthread_mutex_lock(&r->executor.mutex);
    }
    handle_before_fork();
    for (runtime *r = runtimes; r != NULL; r = r->next) ledger_before_fork(r->ledger);
}

static void release_own(bool is_child)
{
    for (runtime *r = runtimes; r != NULL; r = r->next) {
        pthread_mutex_unlock(&r->executor.mutex);
        for (model *m = r->models; m != NULL; m = m->next) {
            pthread_mutex_unlock(&m->mutex);
            pthread_mutex_unlock(&m->training_mutex);
        }
        attachments_unlock(r, NULL, is_child);
        pthread_mutex_unlock(&r->mutex);
    }
    pthread_mutex_unlock(&list_mutex);
}

static void in_parent(void)
{
    for (runtime *r = runtimes; r != NULL; r = r->next) ledger_after_fork_parent(r->ledger);
    handle_after_fork_parent();
    release_own(false);
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
        attachments_forget(r);
        devices_after_fork(r);
        lifecycle_after_fork(r);
    }
    release_own(true);
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
