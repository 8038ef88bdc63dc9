/* saved_graph.h -- the graph of a SavedModel folder as a model: without layers, its variables are
 * its weights.
 *
 * A folder that tf.keras wrote is built from its configuration; where that is missing or cannot run
 * here, from its graph. */
#ifndef EBB_RUNTIME_SAVED_GRAPH_H
#define EBB_RUNTIME_SAVED_GRAPH_H

#include "layer/bind.h"

bool saved_graph_is(const description *d);

/* Builds and binds. Afterwards d->model is NULL if the graph was taken. `signature` (may be NULL)
 * asks for the graph. `problem` (may be NULL) is told all that cannot run, of what tells the user
 * more. `home` keeps everything. */
ebb_status saved_graph_build(region *home, description *d, const char *signature,
                             problem_function problem, void *context, built_model **built,
                             weight_source **sources, ebb_error *error);

/* What the graph computes, below the summary: " Operations: 12 (Conv2D 2, BiasAdd 3)". */
ebb_status saved_graph_operations(region *scratch, const description *d,
                                  void (*line)(void *context, const char *text), void *context,
                                  ebb_error *error);

#endif
