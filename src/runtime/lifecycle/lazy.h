/* lazy.h -- a file that is a model while it is used.
 *
 *     not loaded ──acquire──> busy (one thread loads, others wait) ──> loaded, users > 0
 *         ^                                                              │ release
 *         └── busy (one thread unloads) <── idle time, or room needed ── loaded, users 0
 *
 * Everything below `load` is guarded by the runtime's mutex. Who finds a wrapper in the runtime's
 * list and lets the mutex go holds its handle meanwhile. */
#ifndef EBB_RUNTIME_LIFECYCLE_LAZY_H
#define EBB_RUNTIME_LIFECYCLE_LAZY_H

#include "ebb/manage.h"
#include "runtime/lifecycle/managed.h"

typedef struct lazy {
    managed base;
    struct lazy *next, *previous; /* in runtime->lifecycle.lazies */
    const char *path;
    uint64_t idle_ns, wait_ns;
    ebb_load_options load;
    uint64_t model; /* 0: not loaded */
    uint32_t users;
    bool is_busy;    /* a thread loads or unloads it */
    bool is_closing; /* a thread waits for the users to go */
    uint64_t used_at_ns;
    uint64_t attempts; /* loads that ended, well or not */
    ebb_status status; /* of the last one */
    ebb_error error;
    uint64_t loads, unloads, evictions;
} lazy;

ebb_status lazy_open(runtime *r, const char *path, const ebb_lazy_options *options, uint64_t *id,
                     ebb_error *error);
/* Waits for the users; E_BUSY. */
ebb_status lazy_close(ebb_lazy handle, const ebb_unload_options *options, ebb_receipt *receipt,
                      ebb_error *error);
ebb_status lazy_acquire(lazy *l, ebb_model *model, ebb_error *error);
ebb_status lazy_release(lazy *l);
ebb_status lazy_unload(lazy *l, ebb_receipt *receipt, ebb_error *error);
void lazy_info(lazy *l, ebb_lazy_info *info);

/* Why a wrapper's model is taken from it. */
typedef enum lazy_reason { LAZY_IDLE, LAZY_ASKED, LAZY_EVICTED } lazy_reason;
/* The mutex is held, the wrapper is loaded, not busy, without users; it is let go meanwhile.
 * E_BUSY: a call with the model's own handle is running. `receipt` may be NULL. */
ebb_status lazy_take_model(lazy *l, lazy_reason reason, ebb_receipt *receipt);
/* Could it be taken now? The mutex is held. */
bool lazy_is_idle(const lazy *l);

/* Unloads idle wrappers that keep a load with this plan from fitting under the limits above it;
 * waits for those in use until `give_up_ns`. False: there is no room, or no limit that could be the
 * reason. */
bool lazy_make_room(lazy *l, const ebb_plan *plan, uint64_t give_up_ns);

/* Unloads what has been idle for its time; cheap while nothing can be. */
void idle_collect(runtime *r, bool looks_closely, ebb_receipt *receipt);
ebb_status idle_timer_set(runtime *r, uint64_t interval_ns, ebb_error *error);

#endif
