/* executor.c -- see executor.h. */
#include "runtime/executor.h"

#include "base/status.h"
#include "mem/ledger.h"

void executor_init(executor *x, ledger *l, uint32_t threads)
{
    x->ledger = l;
    x->threads = threads <= PARALLEL_WORKERS_MAX ? threads : PARALLEL_WORKERS_MAX;
    pthread_mutex_init(&x->mutex, NULL);
}

void executor_fini(executor *x)
{
    if (x->is_running) { /* only where a fork lost the last holder */
        x->holders = 1;
        executor_release(x);
    }
    pthread_mutex_destroy(&x->mutex);
}

/* Under the mutex. */
static bool start(executor *x)
{
    const uint32_t wanted = x->threads > 1 ? x->threads - 1 : 0;
    const uint32_t workers = parallel_team_start(&x->team, wanted);

    x->is_running = workers > 0 || wanted == 0;
    for (uint32_t i = 0; i < workers; i++) ledger_thread_started(x->ledger);
    return x->is_running;
}

/* Under the mutex. */
static uint32_t stop(executor *x)
{
    const uint32_t workers = x->team.worker_count;

    parallel_team_stop(&x->team);
    for (uint32_t i = 0; i < workers; i++) ledger_thread_ended(x->ledger);
    x->is_running = false;
    return workers;
}

ebb_status executor_hold(executor *x, ebb_error *error)
{
    pthread_mutex_lock(&x->mutex);
    const bool ok = x->is_running || start(x);
    if (ok) x->holders++;
    pthread_mutex_unlock(&x->mutex);
    if (ok) return EBB_OK;
    return fail(error, EBB_E_MEMORY, "threads",
                "the system gives no thread for parallel predictions");
}

uint32_t executor_release(executor *x)
{
    pthread_mutex_lock(&x->mutex);
    const uint32_t ended = --x->holders == 0 && x->is_running ? stop(x) : 0;
    pthread_mutex_unlock(&x->mutex);
    return ended;
}

/* The team is this thread's until give_team(), unless somebody leads it. */
static bool take_team(executor *x)
{
    pthread_mutex_lock(&x->mutex);
    const bool mine = !x->is_led && (x->is_running || start(x));
    if (mine) x->is_led = true;
    pthread_mutex_unlock(&x->mutex);
    return mine;
}

static void give_team(executor *x)
{
    pthread_mutex_lock(&x->mutex);
    x->is_led = false;
    pthread_mutex_unlock(&x->mutex);
}

void executor_run(executor *x, void (*run)(void *context), void *context)
{
    if (!take_team(x)) {
        run(context);
        return;
    }
    parallel_lead(&x->team);
    run(context);
    parallel_lead_end();
    give_team(x);
}

void executor_after_fork(executor *x)
{
    x->is_running = false;
    x->is_led = false;
    parallel_team_forget(&x->team);
}
