/* saved_graph_parts.h -- what the files that read a graph share; nobody outside includes it. */
#ifndef EBB_FORMAT_SAVEDMODEL_SAVED_GRAPH_PARTS_H
#define EBB_FORMAT_SAVEDMODEL_SAVED_GRAPH_PARTS_H

#include "format/savedmodel/bundle.h"
#include "format/savedmodel/messages.h"
#include "format/savedmodel/name_table.h"

/* A graph as it is in the file, with its names. */
typedef struct graph_view {
    region *scratch;
    const meta_graph_message *meta;
    node_message *const *nodes;
    uint32_t node_count;
    function_message *const *functions; /* each has a signature */
    uint32_t function_count;
    name_table node_names, function_names;
    const char *where; /* the folder */
    ebb_error *error;
} graph_view;

/* Checks that names are there and no two alike. */
ebb_status graph_view_open(graph_view *v);
/* NULL: not there. Takes "name", "name:1" and "^name". */
const node_message *graph_view_node(const graph_view *v, const char *input);
const function_message *graph_view_function(const graph_view *v, const char *name);
const attr_message *node_attr(const node_message *n, const char *name);
/* The function that the node calls; NULL: it is no call. */
const function_message *graph_view_callee(const graph_view *v, const node_message *n);
/* "name:output:2" and "name:2": 2. "name": 0. */
uint32_t output_number(const char *input);
/* The length of the node's name in "^name", "name:1", "name:output:0"; *name is where it begins. */
size_t input_name(const char *input, const char **name);

/* -- saved_graph_reach.c: what the outputs of a signature lead to --------------------------------
 */

typedef struct graph_reach {
    bool *nodes, *functions; /* by number */
} graph_reach;

ebb_status graph_reach_find(const graph_view *v, const signature_message *s, graph_reach *result);

/* -- saved_graph_ports.c: inputs and outputs in the model's order --------------------------------
 */

typedef struct port_order {
    port_message *const *port;
    uint64_t place;
} port_order;

/* `count` ports in `list`, sorted. */
ebb_status graph_ports_order(const graph_view *v, const signature_message *s, bool is_output,
                             port_order *list);

/* -- saved_graph_keys.c: where values of variables are -------------------------------------------
 */

/* Keys by number of node: what is assigned to the variable when the model is restored. */
typedef struct restored_key {
    const char *key; /* NULL: not told */
    bool is_slice;   /* the variable takes a part of it */
} restored_key;

/* In scratch. */
ebb_status graph_keys_find(const graph_view *v, restored_key **result);

#endif
