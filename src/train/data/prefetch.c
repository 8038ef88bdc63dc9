/* prefetch.c -- see prefetch.h. */
#define _GNU_SOURCE
#include "train/data/prefetch.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define EXIT_WAIT_NS 1000000000u

static void *run(void *context)
{
    prefetch *p = context;

    pthread_mutex_lock(&p->mutex);
    p->thread_id = (int)syscall(SYS_gettid);
    pthread_cond_broadcast(&p->changed);
    while (!p->is_stopping) {
        if (!p->is_asked) {
            pthread_cond_wait(&p->changed, &p->mutex);
            continue;
        }
        pthread_mutex_unlock(&p->mutex);
        const ebb_status status = p->work(p->context, p->number, &p->error);

        pthread_mutex_lock(&p->mutex);
        p->status = status;
        p->is_asked = false;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

void prefetch_start(prefetch *p, ledger *l, prefetch_work work, void *context)
{
    sigset_t all, before;

    *p = (prefetch){.ledger = l, .work = work, .context = context};
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    p->has_thread = pthread_create(&p->thread, NULL, run, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!p->has_thread) return;
    ledger_thread_started(l);
    pthread_mutex_lock(&p->mutex);
    while (p->thread_id == 0) pthread_cond_wait(&p->changed, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
}

void prefetch_ask(prefetch *p, uint32_t number)
{
    p->number = number;
    p->error = (ebb_error){0};
    if (!p->has_thread) {
        p->status = p->work(p->context, number, &p->error);
        return;
    }
    pthread_mutex_lock(&p->mutex);
    p->is_asked = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
}

ebb_status prefetch_wait(prefetch *p, ebb_error *error)
{
    if (p->has_thread) {
        pthread_mutex_lock(&p->mutex);
        while (p->is_asked) pthread_cond_wait(&p->changed, &p->mutex);
        pthread_mutex_unlock(&p->mutex);
    }
    if (p->status != EBB_OK && error != NULL) *error = p->error;
    return p->status;
}

/* A joined thread may still be on its way out of the system. */
static void wait_for_exit(int id)
{
    const uint64_t deadline = clock_ns() + EXIT_WAIT_NS;
    const struct timespec moment = {0, 20000};

    while (syscall(SYS_tgkill, getpid(), id, 0) == 0 && clock_ns() < deadline)
        nanosleep(&moment, NULL);
}

void prefetch_stop(prefetch *p)
{
    if (p->work == NULL) return;
    if (p->has_thread) {
        pthread_mutex_lock(&p->mutex);
        while (p->is_asked) pthread_cond_wait(&p->changed, &p->mutex);
        p->is_stopping = true;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->mutex);
        pthread_join(p->thread, NULL);
        wait_for_exit(p->thread_id);
        ledger_thread_ended(p->ledger);
    }
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
    *p = (prefetch){0};
}
