/* emit_node.h -- one node of a public graph as ops: into the shadow when it is added, and into the
 * graph of a plan when it is run. */
#ifndef EBB_RUNTIME_SESSION_EMIT_NODE_H
#define EBB_RUNTIME_SESSION_EMIT_NODE_H

#include "runtime/session/symbolic.h"

typedef struct emitter {
    tf_build *build;
    const symbolic *s;
    const tf_tensor *(*tensor)(struct emitter *m, uint32_t tensor); /* one emitted before */
    /* Variable number `index`: as it was, or as it is now. */
    value (*variable)(struct emitter *m, uint32_t index, bool is_now);
    bool (*assign)(struct emitter *m, uint32_t index, value next);
    bool (*placeholder)(struct emitter *m, const sym_node *n, tf_tensor *output);
    bool (*model)(struct emitter *m, const sym_node *n, tf_tensor *outputs);
    /* Gradients are taken: what an operation hands on unchanged (Identity, a reshape to the same
     * shape) is a value of its own, for a gradient with respect to it is not that of its input. */
    bool is_apart;
} emitter;

/* Outputs: places for node->output_count of them, for an operation of the table TF_OUTPUTS_MAX.
 * False: the failure is in the graph. *count is how many there are. */
bool emit_node(emitter *m, const sym_node *n, tf_tensor *outputs, uint32_t *count);

/* What a type is computed in: F32, I32 or BOOL. */
ebb_dtype emit_dtype(ebb_dtype declared);

#endif
