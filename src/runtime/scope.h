/* scope.h -- a part of a runtime's memory whose models go together.
 *
 *     region "runtime" ─┬─ region "fold 1" (limit) ─┬─ meta: the scope
 *                       │                           ├─ region "mnist"   a model
 *                       │                           └─ region "trial"   a scope inside
 *                       └─ region "resnet50"        a model of no scope
 *
 * Whoever makes a model in a scope, takes one apart, or opens or closes a scope inside it, holds
 * the scope's handle meanwhile. Closing begins when nobody does, so it meets only whole models. */
#ifndef EBB_RUNTIME_SCOPE_H
#define EBB_RUNTIME_SCOPE_H

#include "ebb/build.h"
#include "runtime/model.h"

#define SCOPE_DEPTH_MAX 16u

struct scope {
    uint64_t id;
    runtime *owner;
    scope *parent;
    scope *next, *previous; /* in runtime->scopes */
    region *home;
    uint32_t depth;
    uint64_t holder; /* the session in whose memory it is; 0 = none */
};

/* Pinned until scope_release(); NULL with EBB_OK for {0}. E_STALE; E_ARGUMENT: of another runtime.
 */
ebb_status scope_acquire(runtime *r, ebb_scope handle, scope **result, ebb_error *error);
/* NULL is a no-op. */
void scope_release(const scope *s);

ebb_status scope_open(runtime *r, const ebb_scope_options *options, uint64_t *id, ebb_error *error);
/* The runtime must be pinned. */
ebb_status scope_close(ebb_scope handle, ebb_receipt *receipt, ebb_error *error);
/* In the memory of a session, `above`: closing it waits while the session is being closed. */
ebb_status scope_open_in(runtime *r, region *above, uint64_t session,
                         const ebb_scope_options *options, uint64_t *id, ebb_error *error);
/* Ends the scope of a session that is being closed; adds to *sum. */
void scope_take(runtime *r, uint64_t id, ebb_receipt *sum);
/* Does this thread train a model of the scope now? It would wait for itself. */
bool scope_trains_here(ebb_scope handle);
/* Ends every scope of a runtime that is closing and has no models any more. */
void scopes_close(runtime *r);

/* Is there room for the model in every scope around it? E_MEMORY. */
ebb_status scope_admit(const model *m, const char *path, const ebb_plan *plan, ebb_error *error);

#endif
