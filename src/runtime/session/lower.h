/* lower.h -- the part of a public graph that one run needs, as ops for the shapes at hand.
 *
 *     needed nodes ──> one graph of ops, every length a number ──> parts.h
 *
 * What is fed becomes an input; nothing behind it is needed. Calls of models stand between the ops:
 * their results are inputs as well. Everything here lives in the caller's scratch region. */
#ifndef EBB_RUNTIME_SESSION_LOWER_H
#define EBB_RUNTIME_SESSION_LOWER_H

#include "runtime/devices.h"
#include "runtime/session/emit_node.h"

typedef struct lower_feed {
    uint32_t tensor;
    ebb_dtype dtype; /* as declared */
    uint32_t rank;
    const int64_t *dims;
} lower_feed;

/* What a run asks for. */
typedef struct lower_request {
    const lower_feed *feeds;
    const uint32_t *fetches; /* tensors */
    const uint32_t *targets; /* nodes */
    uint32_t feed_count, fetch_count, target_count;
    logical_device *const *devices; /* by node */
} lower_request;

typedef enum source_kind { SOURCE_FEED, SOURCE_RANDOM, SOURCE_CALL } source_kind;

/* What an input of the graph is. */
typedef struct lowered_input {
    source_kind kind;
    uint32_t index; /* FEED: its number */
} lowered_input;

typedef struct lowered_call {
    uint32_t node;     /* of the public graph */
    uint32_t position; /* in front of this op */
    const value *inputs, *outputs;
} lowered_call;

typedef struct lowered_update {
    uint32_t variable;
    value next;
} lowered_update;

typedef struct lowered {
    graph *graph;
    lowered_input *inputs;
    logical_device **devices; /* by op */
    value *fetches;
    value *variables; /* by number: what it was; VALUE_NONE: not read */
    bool *is_read;    /* by number: needs a value */
    lowered_update *updates;
    lowered_call *calls;
    uint32_t update_count, call_count;
    bool has_random;
} lowered;

/* The nodes that are needed, each after what it needs. */
ebb_status lower_needed(region *work, const symbolic *s, const lower_request *q, uint32_t **order,
                        uint32_t *count, ebb_error *error);

ebb_status lower(region *work, const symbolic *s, const lower_request *q, const uint32_t *order,
                 uint32_t count, lowered *result, ebb_error *error);

#endif
