/* tf_export.h -- our graph as functions of TensorFlow: what the writer of SavedModel folders puts
 * into their library.
 *
 * The graph is one before passes: no fused nodes, no gradients. Its inputs become arguments, the
 * weights that it reads become resources behind them, unknown lengths stay unknown and are computed
 * from shapes when the function runs; loops and recurrent layers become "While" with functions of
 * their own. Equal graphs give equal functions.
 */
#ifndef EBB_TENSORFLOW_TF_EXPORT_H
#define EBB_TENSORFLOW_TF_EXPORT_H

#include "format/savedmodel/graph_def.h"
#include "graph/op.h"

typedef struct tf_exported {
    const tf_function *functions; /* those that others call come first; the last is the model's */
    uint32_t function_count;
    const uint32_t *captured; /* weights by graph weight index: the last arguments, in this order */
    uint32_t captured_count;
} tf_exported;

/* `function`: the name of the model's, "__inference_serve"; others begin with it. Arguments are
 * called input_0 ..., results output_0 ... Everything is in `home` or borrowed from the graph and
 * the caller. E_UNSUPPORTED names the layer and what TensorFlow cannot be told. */
ebb_status tf_export(region *home, const graph *g, const char *function, tf_exported **result,
                     ebb_error *error);

/* The shape of a value as TensorFlow states it, -1 where it is not known. */
tf_shape tf_shape_of(const shape *s);

#endif
