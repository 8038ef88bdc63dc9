/* parallel.c -- see parallel.h.
 *
 * The ticket holds the job's number, its parts and the next part to take, so that taking a part is
 * one compare-and-swap that fails if the job is not the one that was looked at. Who has taken a
 * part may read the job: it is not over, and not overwritten, before that part is done. */
#define _GNU_SOURCE
#include "device/cpu/parallel.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/float_mode.h"

/* A wake-up costs tens of microseconds, about as much as a small layer. So whoever waits looks
 * again and again: first all the time, then whenever nobody else wants the processor, then sleeps.
 */
#define SPIN_NS      ((uint64_t)20000)
#define YIELD_NS     ((uint64_t)1000000)
#define SPIN_CHECKS  32
#define EXIT_WAIT_NS ((uint64_t)2000000000)

static _Thread_local parallel_team *led; /* by this thread, now */

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* One moment of waiting since `begin`; false: it is time to sleep. */
static bool wait_awake(uint64_t begin)
{
    const uint64_t waited = clock_ns() - begin;

    if (waited >= YIELD_NS) return false;
    if (waited >= SPIN_NS) sched_yield();
    return true;
}

static void futex_wait(_Atomic uint32_t *word, uint32_t seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* -- parts ---------------------------------------------------------------------------------------
 */

static uint32_t ticket_parts(uint64_t ticket)
{
    return (uint32_t)(ticket >> 16) & 0xffff;
}

static uint32_t ticket_next(uint64_t ticket)
{
    return (uint32_t)ticket & 0xffff;
}

static bool has_part(uint64_t ticket)
{
    return ticket_next(ticket) < ticket_parts(ticket);
}

static void run_part(const parallel_job *job, size_t index)
{
    const size_t begin = index * job->part, rest = job->count - begin;

    job->body(job->context, begin, begin + (rest < job->part ? rest : job->part));
}

/* Takes and runs parts until none is left. */
static void run_parts(parallel_team *team)
{
    uint64_t ticket = atomic_load(&team->ticket);

    while (has_part(ticket)) {
        if (!atomic_compare_exchange_weak(&team->ticket, &ticket, ticket + 1)) continue;
        float_mode_set(team->job.mode); /* all parts of a job compute alike */
        run_part(&team->job, ticket_next(ticket));
        if (atomic_fetch_add(&team->done, 1) + 1 == ticket_parts(ticket) &&
            atomic_load(&team->is_leader_asleep) != 0)
            futex_wake(&team->done, 1);
        ticket = atomic_load(&team->ticket);
    }
}

/* -- workers -------------------------------------------------------------------------------------
 */

/* Is there something to do? Spins for a while before it says no. */
static bool spin_for_work(const parallel_team *team)
{
    const uint64_t begin = clock_ns();

    do {
        for (int i = 0; i < SPIN_CHECKS; i++) {
            if (has_part(atomic_load_explicit(&team->ticket, memory_order_relaxed))) return true;
            if (atomic_load_explicit(&team->is_stopping, memory_order_relaxed) != 0) return true;
            pause_briefly();
        }
    } while (wait_awake(begin));
    return false;
}

static void sleep_for_work(parallel_team *team)
{
    const uint32_t seen = atomic_load(&team->posts);

    atomic_fetch_add(&team->sleepers, 1);
    if (!has_part(atomic_load(&team->ticket)) && atomic_load(&team->is_stopping) == 0)
        futex_wait(&team->posts, seen);
    atomic_fetch_sub(&team->sleepers, 1);
}

static void *work(void *context)
{
    parallel_team *team = context;

    atomic_store(&team->ids[atomic_fetch_add(&team->starters, 1)], (int)syscall(SYS_gettid));
    atomic_fetch_add(&team->done, 1);
    futex_wake(&team->done, 1);
    while (atomic_load(&team->is_stopping) == 0) {
        if (spin_for_work(team))
            run_parts(team);
        else
            sleep_for_work(team);
    }
    return NULL;
}

/* Waits until `count` are done. */
static void wait_done(parallel_team *team, uint32_t count)
{
    const uint64_t begin = clock_ns();

    do {
        for (int i = 0; i < SPIN_CHECKS; i++) {
            if (atomic_load_explicit(&team->done, memory_order_acquire) == count) return;
            pause_briefly();
        }
    } while (wait_awake(begin));
    atomic_store(&team->is_leader_asleep, 1);
    for (uint32_t done = atomic_load(&team->done); done != count; done = atomic_load(&team->done))
        futex_wait(&team->done, done);
    atomic_store(&team->is_leader_asleep, 0);
}

static void wake_workers(parallel_team *team)
{
    atomic_fetch_add(&team->posts, 1);
    if (atomic_load(&team->sleepers) != 0) futex_wake(&team->posts, PARALLEL_WORKERS_MAX);
}

/* -- teams ---------------------------------------------------------------------------------------
 */

uint32_t parallel_team_start(parallel_team *team, uint32_t workers)
{
    sigset_t all, before;

    parallel_team_forget(team);
    /* signals stay with the host's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (uint32_t i = 0; i < workers && i < PARALLEL_WORKERS_MAX; i++) {
        if (pthread_create(&team->workers[i], NULL, work, team) != 0) break;
        team->worker_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    wait_done(team, team->worker_count);
    return team->worker_count;
}

/* A joined thread may still be on its way out of the system. */
static void wait_for_exit(int id)
{
    const uint64_t deadline = clock_ns() + EXIT_WAIT_NS;
    const struct timespec moment = {0, 20000};

    while (syscall(SYS_tgkill, getpid(), id, 0) == 0 && clock_ns() < deadline)
        nanosleep(&moment, NULL);
}

void parallel_team_stop(parallel_team *team)
{
    atomic_store(&team->is_stopping, 1);
    wake_workers(team);
    for (uint32_t i = 0; i < team->worker_count; i++) {
        pthread_join(team->workers[i], NULL);
    }
    for (uint32_t i = 0; i < team->worker_count; i++) wait_for_exit(atomic_load(&team->ids[i]));
    parallel_team_forget(team);
}

void parallel_team_forget(parallel_team *team)
{
    atomic_store(&team->ticket, 0);
    atomic_store(&team->posts, 0);
    atomic_store(&team->sleepers, 0);
    atomic_store(&team->done, 0);
    atomic_store(&team->is_leader_asleep, 0);
    atomic_store(&team->is_stopping, 0);
    atomic_store(&team->starters, 0);
    team->worker_count = 0;
}

void parallel_lead(parallel_team *team)
{
    led = team;
}

void parallel_lead_end(void)
{
    led = NULL;
}

/* -- splitting -----------------------------------------------------------------------------------
 */

static void run_on_team(parallel_team *team, const parallel_job *job, uint32_t parts)
{
    const uint64_t number = (atomic_load(&team->ticket) >> 32) + 1;

    team->job = *job;
    atomic_store(&team->done, 0);
    atomic_store(&team->ticket, number << 32 | (uint64_t)parts << 16);
    wake_workers(team);
    run_parts(team);
    wait_done(team, parts);
}

void parallel_for(uint32_t threads, size_t count, size_t grain,
                  void (*body)(void *context, size_t begin, size_t end), void *context)
{
    const size_t step = grain == 0 ? 1 : grain;

    if (count == 0) return;
    const size_t grains = (count - 1) / step + 1;
    const size_t wanted = threads <= PARALLEL_WORKERS_MAX ? threads : PARALLEL_WORKERS_MAX;
    if (wanted <= 1 || grains <= 1) {
        body(context, 0, count);
        return;
    }
    const size_t most = grains < wanted ? grains : wanted;
    const parallel_job job = {body, context, count, ((grains - 1) / most + 1) * step, float_mode()};
    const uint32_t parts = (uint32_t)((count - 1) / job.part + 1);
    parallel_team *const team = led;
    if (team != NULL && team->worker_count > 0) {
        run_on_team(team, &job, parts);
        return;
    }
    for (size_t i = 0; i < parts; i++) run_part(&job, i);
}
