/* executor.c -- see executor.h. */
#define _GNU_SOURCE
#include "runtime/executor.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/status.h"
#include "device/cpu/parallel.h"

#define THREAD_EXIT_WAIT_NS ((uint64_t)2000000000)

static void note_thread(void *context, size_t begin, size_t end)
{
    executor *x = context;

    for (size_t i = begin; i < end && i < EXECUTOR_THREADS_MAX; i++) {
        x->team[i] = (int)syscall(SYS_gettid);
    }
}

static executor_job *take_job(executor *x)
{
    pthread_mutex_lock(&x->mutex);
    while (x->first == NULL && !x->is_stopping) pthread_cond_wait(&x->wake, &x->mutex);
    executor_job *job = x->first;
    if (job != NULL) x->first = job->next;
    if (x->first == NULL) x->last = NULL;
    pthread_mutex_unlock(&x->mutex);
    return job;
}

static void *serve(void *context)
{
    executor *x = context;

    for (executor_job *job = take_job(x); job != NULL; job = take_job(x)) {
        job->run(job->context);
        pthread_mutex_lock(&x->mutex);
        job->is_done = true;
        pthread_cond_broadcast(&x->done);
        pthread_mutex_unlock(&x->mutex);
    }
    return NULL;
}

void executor_init(executor *x, ledger *l, uint32_t threads)
{
    x->ledger  = l;
    x->threads = threads < EXECUTOR_THREADS_MAX ? threads : EXECUTOR_THREADS_MAX;
    pthread_mutex_init(&x->mutex, NULL);
    pthread_cond_init(&x->wake, NULL);
    pthread_cond_init(&x->done, NULL);
}

void executor_fini(executor *x)
{
    pthread_mutex_destroy(&x->mutex);
    pthread_cond_destroy(&x->wake);
    pthread_cond_destroy(&x->done);
}

static void enqueue(executor *x, executor_job *job)
{
    if (x->last != NULL) x->last->next = job;
    else x->first = job;
    x->last = job;
    pthread_cond_signal(&x->wake);
    while (!job->is_done) pthread_cond_wait(&x->done, &x->mutex);
}

static void start_team(void *context)
{
    executor *x = context;

    parallel_for(x->threads, x->threads, 1, note_thread, x);
}

/* Signals stay with the host's own threads. Under the mutex. */
static bool start(executor *x)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    x->is_running = pthread_create(&x->thread, NULL, serve, x) == 0;
    if (x->is_running) {
        executor_job job = {.run = start_team, .context = x};
        for (uint32_t i = 0; i < x->threads; i++) x->team[i] = 0;
        enqueue(x, &job);
        for (uint32_t i = 0; i < x->threads; i++) {
            if (x->team[i] != 0) ledger_thread_started(x->ledger);
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return x->is_running;
}

ebb_status executor_hold(executor *x, ebb_error *error)
{
    pthread_mutex_lock(&x->mutex);
    while (x->is_stopping) pthread_cond_wait(&x->done, &x->mutex);
    const bool ok = x->is_running || start(x);
    if (ok) x->holders++;
    pthread_mutex_unlock(&x->mutex);
    if (ok) return EBB_OK;
    return fail(error, EBB_E_MEMORY, "threads", "the system gives no thread for parallel predictions");
}

/* OpenMP's workers end a moment after their leader: wait until the system has let each of them go. */
static uint32_t wait_for_exits(executor *x)
{
    const uint64_t        deadline = clock_ns() + THREAD_EXIT_WAIT_NS;
    const struct timespec moment   = {0, 20000};
    uint32_t              ended    = 0;

    for (uint32_t i = 0; i < x->threads; i++) {
        if (x->team[i] == 0) continue;
        while (syscall(SYS_tgkill, getpid(), x->team[i], 0) == 0 && clock_ns() < deadline) {
            nanosleep(&moment, NULL);
        }
        ledger_thread_ended(x->ledger);
        ended++;
    }
    return ended;
}

uint32_t executor_release(executor *x)
{
    uint32_t ended = 0;

    pthread_mutex_lock(&x->mutex);
    const bool is_last = --x->holders == 0 && x->is_running;
    if (is_last) {
        x->is_stopping = true;
        pthread_cond_signal(&x->wake);
        pthread_mutex_unlock(&x->mutex);
        pthread_join(x->thread, NULL);
        pthread_mutex_lock(&x->mutex);
        ended          = wait_for_exits(x);
        x->is_running  = false;
        x->is_stopping = false;
        pthread_cond_broadcast(&x->done);
    }
    pthread_mutex_unlock(&x->mutex);
    return ended;
}

void executor_run(executor *x, void (*run)(void *context), void *context)
{
    executor_job job = {.run = run, .context = context};

    pthread_mutex_lock(&x->mutex);
    if (x->is_running || start(x)) {
        enqueue(x, &job);
        pthread_mutex_unlock(&x->mutex);
        return;
    }
    pthread_mutex_unlock(&x->mutex);
    run(context);
}

void executor_after_fork(executor *x)
{
    if (x->is_running) {
        for (uint32_t i = 0; i < x->threads; i++) {
            if (x->team[i] != 0) ledger_thread_ended(x->ledger);
        }
    }
    x->is_running  = false;
    x->is_stopping = false;
    x->first = x->last = NULL;
    pthread_cond_init(&x->wake, NULL);
    pthread_cond_init(&x->done, NULL);
}
