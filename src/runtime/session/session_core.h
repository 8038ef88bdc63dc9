/* session_core.h -- one session: values of variables, plans of runs, a scope for models.
 *
 *     region "session" (limit) ── meta: the session
 *         ├─ "variables"    one region a device: their values, from the first run that touches them
 *         ├─ "plans"        cached: one child a plan, see plan.h
 *         └─ "session"      the scope of models loaded into it, once it was asked for
 *
 * A run holds the session's mutex from begin to end. A run like one before finds its plan by
 * comparing tensors and shapes, and does nothing but run it.
 *
 * Locks: session.mutex > symbolic.mutex > runtime.mutex. Whoever comes from above the other way
 * (reset, fork, trim) only tries.
 */
#ifndef EBB_RUNTIME_SESSION_SESSION_CORE_H
#define EBB_RUNTIME_SESSION_SESSION_CORE_H

#include "runtime/devices.h"
#include "runtime/session/emit_node.h"

#define PLANS_OF_SESSION  8u
#define SESSION_ITEMS_MAX 4096u /* feeds, fetches, targets of a run */

typedef struct session_plan session_plan;

typedef struct stored_variable {
    const char *name;
    ebb_dtype dtype; /* as computed: F32, I32, BOOL */
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
    uint64_t bytes;
    void *memory;
    logical_device *device;
    bool is_initialized;
} stored_variable;

/* Values of variables by name; shared by the traces of a function. */
typedef struct variable_store {
    region *parent, *home; /* home: NULL until the first one */
    region **by_device;
    stored_variable **items;
    uint32_t count, capacity;
} variable_store;

struct session {
    uint64_t id;
    attachment attached; /* unless a function owns it */
    bool is_attached;
    runtime *owner;
    symbolic *graph;
    session *next, *previous; /* on the same graph */
    const char *name;
    region *home, *plans_home;
    pthread_mutex_t mutex;
    atomic_ulong runner; /* the thread that runs now; 0 = none */
    ebb_session_options options;
    session_plan **plans; /* [options.plans_max] */
    session_plan *last;   /* the one run before */
    uint64_t clock;
    variable_store own, *variables;
    stored_variable **items; /* by number of the graph's variable; NULL: not known yet */
    uint32_t item_capacity;
    region *items_home;
    int32_t stream;     /* of random numbers: runs that had some */
    atomic_ulong scope; /* handle; 0 = none yet */
    bool holds_executor;
    uint64_t runs, plans_made, bytes_copied;
    uint32_t parts;
};

/* What a run asks for. */
typedef struct run_request {
    const ebb_feed *feeds;
    const ebb_tensor *fetches, *targets;
    const ebb_view *outputs; /* NULL: shapes only */
    size_t feed_count, fetch_count, target_count;
} run_request;

/* -- life: session_open.c ---------------------------------------------------------------------- */

/* On a graph that is pinned or owned, and locked. `variables` NULL: its own. Without handle. */
ebb_status session_make(symbolic *graph, region *parent, const ebb_session_options *options,
                        variable_store *variables, session **result, ebb_error *error);
/* Nobody uses it any more. Adds what came back to *receipt. */
void session_discard(session *s, ebb_receipt *receipt);
ebb_status session_options_read(const ebb_session_options *options, ebb_session_options *result,
                                ebb_error *error);
ebb_status session_open(ebb_graph graph, const ebb_session_options *options, uint64_t *id,
                        ebb_error *error);
ebb_status session_close(ebb_session handle, ebb_receipt *receipt, ebb_error *error);
ebb_status session_scope(session *s, ebb_scope *scope, ebb_error *error);

/* For a reset: takes the mutex of every session of the graph. E_STATE: one runs. */
ebb_status sessions_lock(symbolic *graph, ebb_error *error);
void sessions_unlock(symbolic *graph);
session *session_next(session *s);
/* Variables and plans go. */
void session_empty(session *s, ebb_receipt *receipt);
/* Plans that nobody runs go; returns bytes. 0 while it runs. */
uint64_t session_trim(session *s);

/* Is this thread inside a run of the session? */
bool session_is_own(const session *s);
/* E_STATE: it is. Otherwise locked. */
ebb_status session_enter(session *s, ebb_error *error);
void session_leave(session *s);

/* -- variables: session_variables.c --------------------------------------------------------------
 */

/* The value of the graph's variable `index`, with memory on `device` if it is new. */
ebb_status session_variable(session *s, uint32_t index, logical_device *device,
                            stored_variable **result, ebb_error *error);
void variable_store_close(variable_store *v);

/* -- running: session_run.c ----------------------------------------------------------------------
 */

ebb_status session_run(session *s, const run_request *q, ebb_error *error);
/* Inside session_enter(). */
ebb_status session_run_locked(session *s, const run_request *q, ebb_error *error);
/* Fills dtype, rank and dims of views[]. */
ebb_status session_shapes(session *s, const run_request *q, ebb_view *views, ebb_error *error);

#endif
