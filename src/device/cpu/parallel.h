/* parallel.h -- the one place where work on the CPU runs on several threads.
 *
 *     parallel_for() splits a range into parts, by its arguments alone; whoever is free takes the
 *     next part: the calling thread, and the workers of the team it leads at that moment.
 *
 * So results never depend on timing, nor on whether there is a team: a thread that leads none does
 * every part itself. A worker that comes late, or that the system does not run, costs nothing but
 * its help. Workers wait in a short spin, then asleep. Called only from inside kernel run
 * functions; a body must not call parallel_for() again.
 */
#ifndef EBB_DEVICE_CPU_PARALLEL_H
#define EBB_DEVICE_CPU_PARALLEL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARALLEL_WORKERS_MAX 127

/* Calls body(context, begin, end) for ranges that cover [0, count), each a multiple of `grain` but
 * the last; at most `threads` of them. */
void parallel_for(uint32_t threads, size_t count, size_t grain,
                  void (*body)(void *context, size_t begin, size_t end), void *context);

/* One split range. Written by the leader while no part is left to take. */
typedef struct parallel_job {
    void (*body)(void *context, size_t begin, size_t end);
    void *context;
    size_t count, part;
    uint32_t mode; /* of base/float_mode.h, the leader's */
} parallel_job;

/* Threads that help one leader at a time. The gaps keep what workers watch and what the leader
 * watches on cache lines of their own. */
typedef struct parallel_team {
    _Atomic uint64_t ticket; /* number of the job 32 | parts 16 | next part 16 */
    _Atomic uint32_t posts;  /* a futex: workers sleep on it */
    _Atomic uint32_t sleepers, is_stopping, starters;
    char gap_1[64];
    _Atomic uint32_t done; /* parts of the job that are finished; a futex */
    _Atomic uint32_t is_leader_asleep;
    char gap_2[64];
    parallel_job job;
    uint32_t worker_count;
    pthread_t workers[PARALLEL_WORKERS_MAX];
    _Atomic int ids[PARALLEL_WORKERS_MAX]; /* of the system, in no order */
} parallel_team;

/* Starts up to `workers` threads and waits until each runs; returns how many there are. */
uint32_t parallel_team_start(parallel_team *team, uint32_t workers);
/* Ends them and waits until the system has none of them left. Nobody may lead the team. */
void parallel_team_stop(parallel_team *team);
/* In a forked child: the threads are gone. */
void parallel_team_forget(parallel_team *team);

/* Between these the calling thread leads the team; one thread at a time. */
void parallel_lead(parallel_team *team);
void parallel_lead_end(void);

#endif
