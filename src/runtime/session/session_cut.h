/* session_cut.h -- a lowered run cut into parts: graphs of one device each and calls of models, in
 * an order in which each follows what it needs, and what has to lie where between them. Nothing has
 * memory yet; session_parts.c gives it. */
#ifndef EBB_RUNTIME_SESSION_SESSION_CUT_H
#define EBB_RUNTIME_SESSION_SESSION_CUT_H

#include "runtime/session/session_plan.h"

typedef enum spot_kind {
    SPOT_NONE,
    SPOT_FEED,
    SPOT_FETCH,
    SPOT_BUFFER,
    SPOT_VARIABLE,
    SPOT_STREAM
} spot_kind;

/* Where a value is. */
typedef struct spot {
    spot_kind kind;
    uint32_t index; /* of the feed, fetch, buffer; VARIABLE: its number */
} spot;

typedef struct cut_buffer {
    logical_device *device;
    tensor_desc desc;
    uint64_t bytes, offset;
    const void *data; /* a constant's; NULL: it is written by each run */
} cut_buffer;

typedef struct cut_copy {
    spot to, from;
    tensor_desc desc;
    logical_device *to_device, *from_device;
} cut_copy;

typedef struct cut_part {
    logical_device *device;
    graph *graph; /* NULL: a call */
    const lowered_call *call;
    spot *inputs, *outputs;
    tensor_desc *input_descs, *output_descs;
    uint32_t input_count, output_count, input_capacity, output_capacity;
    cut_copy *copies;
    uint32_t copy_count, copy_capacity;
} cut_part;

typedef struct cut_store {
    uint32_t variable;
    spot from;
    logical_device *from_device;
} cut_store;

typedef struct cut_item {
    const lowered_call *call; /* NULL: an op */
    uint32_t node;            /* of the graph */
    uint32_t part;            /* PORT_NONE: not yet */
    logical_device *device;
} cut_item;

typedef struct cut {
    session *s;
    session_plan *p;
    region *work;
    const lowered *l;
    ebb_error *error;
    logical_device *host; /* where the caller's memory is */
    uint32_t device_count;
    cut_item *items;
    uint32_t item_count;
    uint32_t *item_of;           /* by value: item + 1 that makes it; 0: none */
    bool *is_between;            /* by value: another part reads it, or the end */
    stored_variable **variables; /* by number */
    cut_part *parts;
    uint32_t part_count, call_count;
    spot *spots;        /* by value and device */
    value *map;         /* by value: in the graph of the part being made */
    uint32_t *map_part; /* by value: part + 1 for which that is */
    cut_buffer *buffers;
    uint32_t buffer_count, buffer_capacity;
    cut_copy *results; /* to fetches, behind all parts */
    uint32_t result_count, result_capacity;
    cut_store *stores;
    uint32_t store_count;
    bool is_in_place; /* updates are computed by their part */
} cut;

/* Everything but memory. */
ebb_status cut_make(cut *c);

#endif
