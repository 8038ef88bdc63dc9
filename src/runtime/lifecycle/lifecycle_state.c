/* lifecycle_state.c -- see lifecycle_state.h. */
#include "runtime/lifecycle/lifecycle_state.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "runtime/lifecycle/lazy.h"
#include "runtime/lifecycle/managed.h"
#include "runtime/lifecycle/temporary_file.h"

static void changed_init(pthread_cond_t *changed)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void lifecycle_open(runtime *r)
{
    changed_init(&r->lifecycle.changed);
    r->lifecycle.idle_at_ns = UINT64_MAX;
}

void lifecycle_close(runtime *r)
{
    pthread_cond_destroy(&r->lifecycle.changed);
}

void lifecycle_after_fork(runtime *r)
{
    changed_init(&r->lifecycle.changed);
    r->lifecycle.unloads = 0;
    for (attachment *a = r->attachments; a != NULL; a = a->next) {
        if (a->after_fork != NULL) a->after_fork(a->object);
    }
}

bool lifecycle_wait(runtime *r, uint64_t deadline_ns)
{
    const struct timespec deadline = {(time_t)(deadline_ns / 1000000000u),
                                      (long)(deadline_ns % 1000000000u)};

    if (deadline_ns == 0) return pthread_cond_wait(&r->lifecycle.changed, &r->mutex) == 0;
    return pthread_cond_timedwait(&r->lifecycle.changed, &r->mutex, &deadline) != ETIMEDOUT;
}

void lifecycle_changed(runtime *r)
{
    pthread_cond_broadcast(&r->lifecycle.changed);
}

uint64_t deadline_after(uint64_t wait_ns)
{
    const uint64_t now = clock_ns();

    if (wait_ns == 0) return 0;
    return now + wait_ns < now ? UINT64_MAX : now + wait_ns;
}

uint64_t deadline_left(uint64_t deadline_ns)
{
    const uint64_t now = clock_ns();

    if (deadline_ns == 0) return 0;
    return deadline_ns > now ? deadline_ns - now : 1;
}
