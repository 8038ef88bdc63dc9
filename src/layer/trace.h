/* trace.h -- layers called one by one, before there is a model: what shapes and types come out of
 * each.
 *
 * Graph ops are emitted as for a model at inference; nothing is planned, folded or filled. The
 * first fault is sticky, in the graph's error: after it the trace is good for nothing. */
#ifndef EBB_LAYER_TRACE_H
#define EBB_LAYER_TRACE_H

#include "layer/build.h"

typedef struct trace trace;

/* In `home`, which is closed to end it. NULL: no memory. */
trace *trace_open(region *home);
/* A layer to be called any number of times; `config` must last. NULL: a fault. */
layer_instance *trace_layer(trace *t, const layer_config *config);

/* What an earlier call made: `ref` as in the arguments. Returns how many outputs it has. */
typedef uint32_t (*trace_find)(void *context, tensor_ref ref, const layer_tensor **outputs);
/* Calls a layer; *outputs are in the trace's region. False: a fault. */
bool trace_call(trace *t, layer_instance *layer, const call_config *call, trace_find find,
                void *context, const layer_tensor **outputs, uint32_t *count);

const graph *trace_graph(const trace *t);

#endif
