/* model_call.h -- calls of loaded models as nodes of graphs: what the shadow and a plan need to
 * know of a model. It is pinned only while it is looked at or run. */
#ifndef EBB_RUNTIME_SESSION_MODEL_CALL_H
#define EBB_RUNTIME_SESSION_MODEL_CALL_H

#include "runtime/model.h"
#include "runtime/session/emit_node.h"

/* Pinned; NULL: E_STALE that names the model and the operation. */
model *model_call_acquire(uint64_t id, const char *model_name, const char *operation,
                          ebb_error *error);

/* Outputs as inputs of the graph, of the shapes that the model tells. */
bool model_call_shadow(emitter *m, const sym_node *n, tf_tensor *outputs);

/* The shapes of the outputs for inputs of known shapes: dtype, rank and dims of outputs[]. */
ebb_status model_call_shapes(const sym_node *n, const ebb_view *inputs, ebb_view *outputs,
                             ebb_error *error);

#endif
