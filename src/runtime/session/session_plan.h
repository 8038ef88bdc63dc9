/* session_plan.h -- everything of one kind of run, ready: which fetches, fed with what shapes.
 *
 *     feeds ──> [part on CPU:0] ──> buffer ──copy──> buffer on CPU:1 ──> [part on CPU:1] ──>
 * fetches
 *
 * A part is a graph of ops on one device as an executable, or the call of a model. What goes
 * between parts, and to and from parts on other devices than the first, has a buffer on each side;
 * what the caller gives and takes is the first device's. Variables live on a device of their own;
 * what they become is computed in place where one part does everything, and otherwise stored at the
 * end, so that a run that fails changes none.
 *
 *     region "plan" ── meta: graphs, executables
 *         ├─ "arena"    one a device: activations and buffers
 *         └─ "weights"  one a part: constants
 */
#ifndef EBB_RUNTIME_SESSION_SESSION_PLAN_H
#define EBB_RUNTIME_SESSION_SESSION_PLAN_H

#include "exec/executable.h"
#include "runtime/session/lower.h"
#include "runtime/session/session_core.h"

#define PORT_NONE UINT32_MAX

/* A value that is moved before a part or behind all of them. */
typedef struct plan_copy {
    void *to;                       /* NULL: the fetch's memory */
    const void *from;               /* NULL: the feed's memory */
    uint32_t feed, fetch;           /* their numbers, where the memory is theirs */
    ebb_dtype to_dtype, from_dtype; /* of the feed or fetch: as declared */
    uint64_t count, bytes;
    logical_device *to_device, *from_device;
} plan_copy;

typedef struct plan_part {
    logical_device *device;
    graph *graph; /* NULL: the call of a model */
    weights *weights;
    executable *executable;
    uint64_t model;
    const char *model_name, *call_name;
    ebb_view *inputs, *outputs;
    uint32_t *feeds, *fetches; /* by input, by output: where data comes from; PORT_NONE: set */
    uint32_t input_count, output_count;
    const plan_copy *copies; /* before it */
    uint32_t copy_count;
} plan_part;

typedef struct plan_feed {
    ebb_tensor tensor;
    ebb_dtype given, dtype; /* in the view (may be NONE), and declared */
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
    uint64_t bytes;
    bool is_used;
} plan_feed;

typedef struct plan_fetch {
    ebb_tensor tensor;
    ebb_dtype dtype;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
    uint64_t bytes;
    const char *name;
} plan_fetch;

typedef struct plan_store {
    stored_variable *variable;
    const void *from; /* NULL: the feed's memory */
    uint32_t feed;
    ebb_dtype from_dtype;
    logical_device *from_device;
} plan_store;

struct session_plan {
    region *home;
    uint64_t used_at;
    uint32_t edges; /* symbolic.edges when it was made */
    plan_feed *feeds;
    plan_fetch *fetches;
    ebb_tensor *targets;
    uint32_t feed_count, fetch_count, target_count;
    plan_part *parts;
    plan_copy *results;
    plan_store *stores;
    stored_variable **read, **assigned;
    uint32_t part_count, result_count, store_count, read_count, assigned_count;
    uint64_t bytes_copied; /* between devices, a run */
    bool has_random;
};

/* In a region of its own under s->plans_home. The session is locked; locks its graph. */
ebb_status plan_make(session *s, const run_request *q, session_plan **result, ebb_error *error);
void plan_close(session_plan *p);

/* Cuts what was lowered into parts and makes them ready: session_parts.c. `p` has its feeds and
 * fetches. */
ebb_status plan_parts_make(session *s, session_plan *p, region *work, const lowered *l,
                           ebb_error *error);

#endif
