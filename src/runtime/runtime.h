/* runtime.h -- the root object: ledger, devices, models, the threads that ebb owns.
 *
 *     runtime ── ledger ── region "runtime" ──┬─ runtime itself (one page of meta)
 *                                             ├─ region "mnist"      a model, see model.h
 *                                             └─ region "resnet50"
 *
 * Locks, in the order they may be taken: list of runtimes (fork.c) > runtime.mutex > model.mutex >
 * ledger.
 */
#ifndef EBB_RUNTIME_RUNTIME_H
#define EBB_RUNTIME_RUNTIME_H

#include <pthread.h>

#include "base/log.h"
#include "device/device.h"
#include "ebb/runtime.h"
#include "runtime/attachment.h"
#include "runtime/executor.h"
#include "runtime/lifecycle/lifecycle_state.h"

typedef struct model model;
typedef struct arrays arrays;
typedef struct scope scope;

typedef struct runtime {
    uint64_t id;
    ledger *ledger;
    region *root;
    log_sink log;
    struct devices *devices; /* devices.h */
    executor executor;
    pthread_mutex_t mutex; /* the lists below */
    model *models;         /* loaded ones, newest first */
    uint32_t model_count;
    arrays *arrays;                  /* open ones */
    struct slab *array_slabs;        /* array_room.h */
    scope *scopes;                   /* open ones, newest first */
    struct builder *builders;        /* open ones */
    attachment *attachments;         /* newest first */
    lifecycle_state lifecycle;
    struct runtime *next, *previous; /* list of all runtimes, for fork */
} runtime;

ebb_status runtime_open(const ebb_runtime_options *options, uint64_t *id, ebb_error *error);
/* The same with devices of these kinds instead of all there are. */
ebb_status runtime_open_on(const ebb_runtime_options *options, const device_def *const *kinds,
                           uint32_t kind_count, uint64_t *id, ebb_error *error);

/* Pinned until handle_release(id); NULL and *error E_STALE otherwise. */
runtime *runtime_acquire(ebb_runtime handle, const char *where, ebb_error *error);

/* Every runtime is known to the fork hooks between these. */
ebb_status fork_register(runtime *r, ebb_error *error);
void fork_unregister(runtime *r);

/* Ledger of the runtime with the counters that regions do not know. */
void runtime_memory(runtime *r, ebb_memory *memory);

/* Bytes, threads, models and waiting of `part` to those of `sum`. */
void receipt_add(ebb_receipt *sum, const ebb_receipt *part);

/* Gives free heap pages of the C library back: after library objects went. */
void runtime_rest(const runtime *r);

#endif
