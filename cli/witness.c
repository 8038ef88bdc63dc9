/* witness.c -- see witness.h. The loop allocates nothing. */
#define _GNU_SOURCE
#include "witness.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void *answer(void *context)
{
    witness *w = context;
    ebb_error error = {0};

    while (!atomic_load_explicit(&w->is_stopping, memory_order_relaxed)) {
        const ebb_status status = batch_predict(&w->questions, w->model, &error);
        if (status != EBB_OK && w->error.status == EBB_OK) w->error = error;
        if (status != EBB_OK || !batch_equals(&w->questions, w->first))
            atomic_fetch_add(&w->changed, 1);
        atomic_fetch_add(&w->answers, 1);
    }
    return NULL;
}

ebb_status witness_start(witness *w, ebb_model model, batch *questions, ebb_error *error)
{
    sigset_t all, before;

    memset(w, 0, sizeof *w);
    w->model = model;
    w->questions = *questions;
    *questions = (batch){0};
    w->first = malloc(w->questions.output_bytes + 1);
    if (w->first == NULL)
        return refuse(error, EBB_E_MEMORY, "", "no memory to keep the first answer");
    const ebb_status status = batch_predict(&w->questions, model, error);
    if (status != EBB_OK) return status;
    batch_copy(&w->questions, w->first);
    sigfillset(&all); /* Ctrl-C belongs to the main thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->is_running = pthread_create(&w->thread, NULL, answer, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!w->is_running) return refuse(error, EBB_E_MEMORY, "", "the system gives no thread");
    return EBB_OK;
}

bool witness_wait(witness *w)
{
    const uint64_t seen = atomic_load(&w->answers);

    while (w->is_running && atomic_load(&w->answers) < seen + 2) sched_yield();
    return atomic_load(&w->changed) == 0;
}

void witness_stop(witness *w)
{
    if (w->is_running) {
        atomic_store(&w->is_stopping, true);
        pthread_join(w->thread, NULL);
        w->is_running = false;
    }
    free(w->first);
    w->first = NULL;
    batch_free(&w->questions);
}
