/* traced.h -- a function that was traced to a model, emitted into a graph that is there: losses and
 * metrics that a caller wrote in terms of operations. */
#ifndef EBB_LAYER_TRACED_H
#define EBB_LAYER_TRACED_H

#include "graph/graph.h"
#include "json/json.h"

/* The one output of a Functional model without weights, given as Keras's JSON, for these inputs.
 * VALUE_NONE after a fault, which is sticky in the graph. `model` must live as long as the graph.
 */
value traced_emit(graph *g, const json *model, const char *title, const value *inputs,
                  uint32_t count);

#endif
