/* saved_graph_read.h -- the graph of a SavedModel folder that is needed for one of its signatures.
 *
 * Only what the outputs of the signature lead to is kept: nodes for saving, restoring and training
 * and the functions they call are left out. The value of each variable is found by what the nodes
 * for restoring assign to it. */
#ifndef EBB_FORMAT_SAVEDMODEL_SAVED_GRAPH_READ_H
#define EBB_FORMAT_SAVEDMODEL_SAVED_GRAPH_READ_H

#include "format/description.h"
#include "format/savedmodel/graph_def.h"

/* Fills d->saved_graph and d->groups[0], opens the files of the tensors anew. `signature` may be
 * NULL: "serving_default", else "serve", else the only one. d->saved_constants holds the numbers
 * of the constants: close it (and forget d->saved_graph's) when a graph was made of them.
 * E_FORMAT: damaged, or a file is missing; E_NOT_FOUND: no such signature; E_UNSUPPORTED. */
ebb_status saved_graph_read(region *home, description *d, const char *signature, ebb_error *error);

#endif
