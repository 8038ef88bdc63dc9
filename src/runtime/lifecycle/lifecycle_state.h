/* lifecycle_state.h -- what a runtime keeps for the helpers of ebb/manage.h and ebb/profile.h.
 *
 * Everything here, and the state inside registries and wrappers, is guarded by the runtime's mutex,
 * which nobody holds while a model is loaded or unloaded: who does that leaves a sign (is_busy,
 * is_changing) and tells the others by `changed` when it is over. */
#ifndef EBB_RUNTIME_LIFECYCLE_LIFECYCLE_STATE_H
#define EBB_RUNTIME_LIFECYCLE_LIFECYCLE_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct runtime;

typedef struct lifecycle_state {
    pthread_cond_t changed;             /* with runtime.mutex */
    struct lazy *lazies;                /* open ones, newest first */
    int unloads;                        /* models that are being taken apart */
    uint64_t idle_at_ns;                /* no wrapper is idle before this moment */
    struct temporary_file *temporaries; /* newest first */
    struct idle_timer *timer;           /* NULL: none runs */
    struct profiler *_Atomic profiler;  /* NULL: none runs */
} lifecycle_state;

void lifecycle_open(struct runtime *r);
/* Everything that is attached is closed already. */
void lifecycle_close(struct runtime *r);
/* In a forked child: other threads are gone, and with them what they were about. */
void lifecycle_after_fork(struct runtime *r);

/* The mutex is held. Waits for a change; false: the deadline (monotonic, absolute; 0 = none) has
 * passed. */
bool lifecycle_wait(struct runtime *r, uint64_t deadline_ns);
/* The mutex is held. */
void lifecycle_changed(struct runtime *r);

/* "now + wait" that does not wrap; 0 for ever when wait_ns is 0. */
uint64_t deadline_after(uint64_t wait_ns);
/* What is left until then, for a call that takes a wait: at least 1; 0 for a deadline of 0. */
uint64_t deadline_left(uint64_t deadline_ns);

#endif
