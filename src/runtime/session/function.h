/* function.h -- a function: traces, each a graph with a session on it, and the variables they
 * share.
 *
 *     region "function" ── meta
 *         ├─ "variables"
 *         └─ "trace"   one each: region "graph", region "session"
 *
 * A call picks the trace that its inputs fit, the one used last first; the session then has a plan
 * for the very shapes. A function over a graph that is there has one trace, which fits everything
 * (the session says what does not).
 *
 * Locks: function.mutex > session.mutex. It is held over a call, and while a trace is described:
 * the thread that does is known, so that it gets an answer instead of waiting for itself. */
#ifndef EBB_RUNTIME_SESSION_FUNCTION_H
#define EBB_RUNTIME_SESSION_FUNCTION_H

#include "runtime/session/session_core.h"

#define FUNCTION_PORTS_MAX  64u
#define FUNCTION_TRACES     8u
#define FUNCTION_TRACES_MAX 4096u

typedef struct trace {
    region *home;
    symbolic *graph; /* of its own; NULL: the caller's */
    session *session;
    ebb_tensor inputs[FUNCTION_PORTS_MAX], outputs[FUNCTION_PORTS_MAX];
    ebb_view signature[FUNCTION_PORTS_MAX]; /* dims -1: any length */
    uint32_t input_count, output_count;
    uint32_t variables_ready; /* of the graph's, the first so many have a value */
    uint64_t used_at;
} trace;

typedef struct function {
    uint64_t id;
    attachment attached;
    bool is_attached;
    runtime *owner;
    symbolic *over; /* the caller's graph; NULL: traces have their own */
    region *home;
    const char *name;
    ebb_function_options options;
    ebb_session_options session;
    pthread_mutex_t mutex;
    atomic_ulong runner; /* thread inside a call; 0 = none */
    trace **traces;      /* [options.traces_max] */
    uint64_t clock;
    variable_store variables;
    int32_t stream;
    uint64_t calls, traces_made, traces_evicted;
} function;

/* -- function_open.c --------------------------------------------------------------------------- */

ebb_status function_open(runtime *r, const ebb_function_options *options, uint64_t *id,
                         ebb_error *error);
ebb_status function_from(ebb_graph graph, const ebb_tensor *inputs, size_t input_count,
                         const ebb_tensor *outputs, size_t output_count,
                         const ebb_function_options *options, uint64_t *id, ebb_error *error);
ebb_status function_close(ebb_function handle, ebb_receipt *receipt, ebb_error *error);
/* E_STATE: this thread is inside a call. Otherwise locked. */
ebb_status function_enter(function *f, ebb_error *error);
void function_leave(function *f);

/* -- function_trace.c -------------------------------------------------------------------------- */

/* The trace for these inputs, made if there is none. */
ebb_status trace_find(function *f, const ebb_views *inputs, trace **result, ebb_error *error);
/* The only one of a function over a graph. */
ebb_status trace_over(function *f, const ebb_tensor *inputs, uint32_t input_count,
                      const ebb_tensor *outputs, uint32_t output_count, ebb_error *error);
void trace_close(trace *t);
/* Gives variables that have none their initial value. */
ebb_status trace_initialize(function *f, trace *t, ebb_error *error);

/* -- function_call.c --------------------------------------------------------------------------- */

ebb_status function_call(function *f, const ebb_views *inputs, const ebb_views *outputs,
                         ebb_error *error);
ebb_status function_shapes(function *f, const ebb_views *inputs, ebb_view *outputs, size_t count,
                           ebb_error *error);

#endif
