/* graph.h -- the intermediate representation: values and nodes in SSA form, in one region.
 *
 *     value 0 is VALUE_NONE. A value is an input, a weight, a constant, or an output of a node.
 *     A node has an op, inputs (values; VALUE_NONE where an optional one is absent), outputs,
 * attributes.
 *     Nodes are in topological order: builders append, passes keep the order.
 *
 * The same IR serves Keras models, training (gradients are nodes) and public graphs.
 * Building is sticky: the first failure is kept in g->error and every later builder call returns
 * VALUE_NONE. Memory: everything in g->home. Threads: one at a time while building; frozen graphs
 * are read by any.
 */
#ifndef EBB_GRAPH_GRAPH_H
#define EBB_GRAPH_GRAPH_H

#include "ebb/tensor.h"
#include "graph/dim.h"
#include "mem/region.h"

typedef uint32_t value;
#define VALUE_NONE 0u

typedef struct shape {
    uint32_t rank;
    dim dims[EBB_RANK_MAX];
} shape;

typedef enum value_kind { VALUE_INPUT = 1, VALUE_WEIGHT, VALUE_CONSTANT, VALUE_RESULT } value_kind;

typedef struct value_info {
    value_kind kind;
    ebb_dtype dtype; /* F32, I32, BOOL compute; other types only on inputs, weights and casts */
    shape shape;
    uint32_t node; /* RESULT: producing node */
    uint32_t
        index; /* RESULT: output number; INPUT: input number; WEIGHT: number given by the caller */
    const void *data; /* CONSTANT: row-major bytes, in g->home */
    bool is_constant; /* the same for every call: weights, constants, what depends on those only */
    uint32_t uses;    /* by inputs of live nodes and outputs of the graph; kept by the builder */
    const struct packed_layout *
        packing; /* WEIGHT: how its bytes are kept (tensor/packed.h), read by unpack,
                    packed_matmul and packed_gather only; NULL: plain */
} value_info;

typedef enum op_id {
    OP_NONE = 0,
#define OP(name) OP_##name,
#include "graph/op/list.inc"
#undef OP
    OP_COUNT
} op_id;

typedef struct node {
    op_id op;
    uint32_t input_count, output_count;
    value *inputs;
    value *outputs;
    const void *attributes; /* the op's struct of graph/op.h; NULL if it has none */
    const char *name;       /* layer it came from, for messages and profiles; may be NULL */
    bool is_dead;           /* removed by a pass */
} node;

struct graph {
    region *home;
    ebb_error error;   /* the first failure; status OK while all is well */
    const char *scope; /* name given to new nodes */
    value_info *values;
    uint32_t value_count, value_capacity;
    node *nodes;
    uint32_t node_count, node_capacity;
    value *inputs; /* in order */
    uint32_t input_count, input_capacity;
    value *outputs;
    uint32_t output_count, output_capacity;
    value *updated; /* the variables that the last update_count outputs go to */
    uint32_t update_count, update_capacity;
    struct dim_table *dims;
};

/* NULL: no memory. */
graph *graph_open(region *home);

value graph_input(graph *g, ebb_dtype dtype, const shape *s);
value graph_weight(graph *g, ebb_dtype dtype, const shape *s, uint32_t index);
/* A weight that runs of this graph may change: what depends on it is never folded. */
value graph_variable(graph *g, ebb_dtype dtype, const shape *s, uint32_t index);
/* The bytes of a weight of F32 are packed: before passes_run(), whose pass unpack_weights puts what
 * reads them in front of its uses. The layout is borrowed. */
void graph_weight_pack(graph *g, value weight, const struct packed_layout *layout);
/* Copies the data. */
value graph_constant(graph *g, ebb_dtype dtype, const shape *s, const void *data);
/* Does not: the data must stay until the weights are filled. */
value graph_constant_lent(graph *g, ebb_dtype dtype, const shape *s, const void *data);
value graph_scalar(graph *g, float number);
value graph_scalar_i32(graph *g, int32_t number);
void graph_output(graph *g, value v);
/* No outputs any more, for graphs that go on from them. Before updates only. */
void graph_outputs_clear(graph *g);
/* After a run `variable` (made by graph_variable(), of the same dtype and shape) holds `next`.
 * Every node of the run sees what it held before. At most one update a variable; updates are
 * outputs behind all others, so call this after the last graph_output(). */
void graph_update(graph *g, value variable, value next);

/* Appends a node: attributes are copied, output dtypes and shapes come from the op's shape rule.
 * Returns the first output; further ones are consecutive values (first + 1, ...). */
value graph_node(graph *g, op_id op, const value *inputs, uint32_t input_count,
                 const void *attributes);

/* Sticky failure with text, for builders that find a fault. Returns VALUE_NONE. */
value graph_fail(graph *g, ebb_status status, const char *format, ...) EBB_PRINTF(3, 4);
static inline bool graph_ok(const graph *g)
{
    return g->error.status == EBB_OK;
}

static inline const value_info *graph_value(const graph *g, value v)
{
    return &g->values[v];
}
static inline const shape *graph_shape(const graph *g, value v)
{
    return &g->values[v].shape;
}
static inline uint32_t graph_rank(const graph *g, value v)
{
    return g->values[v].shape.rank;
}
/* Dim of an axis; negative axes count from the end. */
dim graph_dim(const graph *g, value v, int axis);

/* Replaces every use of `from` (inputs of nodes and graph outputs) by `to`. */
void graph_replace(graph *g, value from, value to);
/* Uses of a value by live nodes and outputs. */
uint32_t graph_uses(const graph *g, value v);

/* Checks every invariant: order, kinds, arity, dtypes, shapes re-derived by the op's rule.
 * E_INTERNAL with the node's number and name. Run after every pass, always (it is cheap). */
ebb_status graph_verify(const graph *g, ebb_error *error);

/* One line per node, for debugging and golden tests, into a text_writer-like callback. */
void graph_print(const graph *g, void (*line)(void *context, const char *text), void *context);

#endif
