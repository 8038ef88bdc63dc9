/* graph_def_read.h -- protobuf messages of a graph into the plain structs of graph_def.h. */
#ifndef EBB_FORMAT_SAVEDMODEL_GRAPH_DEF_READ_H
#define EBB_FORMAT_SAVEDMODEL_GRAPH_DEF_READ_H

#include "format/savedmodel/graph_def.h"
#include "format/savedmodel/messages.h"

#define CONSTANT_EXPANDED_MAX ((uint64_t)64 << 20) /* bytes that a repeated number may fill */

typedef struct graph_def_reader {
    region *home;    /* names and structs */
    region *numbers; /* elements of constants */
    region *scratch;
    ebb_error *error;
} graph_def_reader;

/* All copy what they keep. Attributes that begin with '_' are notes of TensorFlow and left out. */
ebb_status node_read(graph_def_reader *r, const node_message *m, tf_node *result);
ebb_status function_read(graph_def_reader *r, const function_message *m, tf_function *result);
ebb_status constant_read(graph_def_reader *r, const tensor_message *m, const char *where,
                         tf_constant *result);
/* False: more axes than EBB_RANK_MAX, or lengths below -1. No shape means an unknown one. */
bool shape_message_read(const shape_message *m, tf_shape *result);

#endif
