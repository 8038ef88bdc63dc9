/* idle_timer.c -- who looks for idle wrappers: every call on one, and a thread if it is wanted. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/status.h"
#include "runtime/lifecycle/lazy.h"

#define EXIT_WAIT_NS 1000000000u

typedef struct idle_timer {
    managed base;
    pthread_t thread;
    pthread_cond_t wake; /* with the runtime's mutex; guards the rest */
    uint64_t interval_ns;
    bool is_stopping, has_thread;
    int thread_id; /* of the system; 0 until it runs */
} idle_timer;

/* -- collecting -------------------------------------------------------------------------------- */

/* When it will have been idle for its time; UINT64_MAX: never, as things are. */
static uint64_t idle_at(const lazy *l)
{
    const uint64_t at = l->used_at_ns + l->idle_ns;

    return l->model == 0 || l->users > 0 || at < l->used_at_ns ? UINT64_MAX : at;
}

static lazy *find_idle(const runtime *r, uint64_t now)
{
    lazy *l = r->lifecycle.lazies;

    while (l != NULL && (!lazy_is_idle(l) || idle_at(l) > now)) l = l->next;
    return l;
}

void idle_collect(runtime *r, bool looks_closely, ebb_receipt *receipt)
{
    const uint64_t now = clock_ns();

    pthread_mutex_lock(&r->mutex);
    if (now >= r->lifecycle.idle_at_ns || looks_closely) {
        for (lazy *l = find_idle(r, now); l != NULL; l = find_idle(r, now)) {
            const uint64_t id = l->base.link.id;
            if (handle_acquire(HANDLE_LAZY, id) == NULL) break; /* it goes by itself */
            lazy_take_model(l, LAZY_IDLE, receipt);
            handle_release(id);
        }
        r->lifecycle.idle_at_ns = UINT64_MAX;
        for (const lazy *l = r->lifecycle.lazies; l != NULL; l = l->next) {
            if (idle_at(l) < r->lifecycle.idle_at_ns) r->lifecycle.idle_at_ns = idle_at(l);
        }
    }
    pthread_mutex_unlock(&r->mutex);
}

/* -- the thread -------------------------------------------------------------------------------- */

static void *run(void *context)
{
    idle_timer *t = context;
    runtime *r = t->base.owner;

    pthread_mutex_lock(&r->mutex);
    t->thread_id = (int)syscall(SYS_gettid);
    pthread_cond_broadcast(&t->wake);
    uint64_t next = clock_ns() + t->interval_ns;
    while (!t->is_stopping) {
        const uint64_t latest = clock_ns() + t->interval_ns;
        if (latest < next) next = latest; /* the interval became shorter */
        const struct timespec at = {(time_t)(next / 1000000000u), (long)(next % 1000000000u)};
        pthread_cond_timedwait(&t->wake, &r->mutex, &at);
        if (t->is_stopping || clock_ns() < next) continue;
        pthread_mutex_unlock(&r->mutex);
        idle_collect(r, false, NULL);
        pthread_mutex_lock(&r->mutex);
        next = clock_ns() + t->interval_ns;
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* A joined thread may still be on its way out of the system. */
static void wait_for_exit(int id)
{
    const uint64_t deadline = clock_ns() + EXIT_WAIT_NS;
    const struct timespec moment = {0, 20000};

    while (syscall(SYS_tgkill, getpid(), id, 0) == 0 && clock_ns() < deadline)
        nanosleep(&moment, NULL);
}

static void end(void *object, ebb_receipt *receipt)
{
    idle_timer *t = object;
    runtime *r = t->base.owner;

    pthread_mutex_lock(&r->mutex);
    if (r->lifecycle.timer == t) r->lifecycle.timer = NULL;
    t->is_stopping = true;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&r->mutex);
    if (t->has_thread) {
        pthread_join(t->thread, NULL);
        wait_for_exit(t->thread_id);
        ledger_thread_ended(r->ledger);
        receipt->threads++;
    }
    pthread_cond_destroy(&t->wake);
    managed_end(&t->base, receipt);
}

static void wake_init(pthread_cond_t *wake)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void after_fork(void *object)
{
    idle_timer *t = object;

    wake_init(&t->wake);
    t->has_thread = false;
    if (t->base.owner->lifecycle.timer == t) t->base.owner->lifecycle.timer = NULL;
}

static bool start_thread(idle_timer *t)
{
    runtime *r = t->base.owner;
    sigset_t all, before;

    sigfillset(&all); /* signals stay with the host's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    t->has_thread = pthread_create(&t->thread, NULL, run, t) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!t->has_thread) return false;
    ledger_thread_started(r->ledger);
    pthread_mutex_lock(&r->mutex);
    while (t->thread_id == 0) pthread_cond_wait(&t->wake, &r->mutex);
    pthread_mutex_unlock(&r->mutex);
    return true;
}

static ebb_status start(runtime *r, uint64_t interval_ns, ebb_error *error)
{
    managed *m = NULL;
    uint64_t id = 0;
    ebb_status status =
        managed_make(r, HANDLE_TIMER, "idle timer", sizeof(idle_timer), end, &m, error);

    if (status != EBB_OK) return status;
    idle_timer *t = (idle_timer *)m;
    t->interval_ns = interval_ns;
    m->link.after_fork = after_fork;
    wake_init(&t->wake);
    status = managed_issue(m, &id, error);
    if (status != EBB_OK) {
        pthread_cond_destroy(&t->wake);
        region_close(m->home);
        return status;
    }
    if (!start_thread(t)) {
        managed_close(HANDLE_TIMER, id, "ebb_idle_timer", 0, NULL, NULL);
        return fail(error, EBB_E_MEMORY, "ebb_idle_timer", "the system gives no thread");
    }
    pthread_mutex_lock(&r->mutex);
    const bool is_first = r->lifecycle.timer == NULL;
    if (is_first) r->lifecycle.timer = t;
    pthread_mutex_unlock(&r->mutex);
    if (is_first) return EBB_OK;
    managed_close(HANDLE_TIMER, id, "ebb_idle_timer", 0, NULL, NULL); /* another came first */
    return idle_timer_set(r, interval_ns, error);
}

ebb_status idle_timer_set(runtime *r, uint64_t interval_ns, ebb_error *error)
{
    pthread_mutex_lock(&r->mutex);
    idle_timer *t = r->lifecycle.timer;
    const uint64_t id = t != NULL ? t->base.link.id : 0;
    if (t != NULL && interval_ns != 0) {
        t->interval_ns = interval_ns;
        pthread_cond_broadcast(&t->wake);
    }
    pthread_mutex_unlock(&r->mutex);
    if (interval_ns == 0 && id != 0)
        managed_close(HANDLE_TIMER, id, "ebb_idle_timer", 0, NULL, NULL);
    if (interval_ns == 0 || id != 0) return EBB_OK;
    return start(r, interval_ns, error);
}
