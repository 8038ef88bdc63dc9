/* symbolic.h -- a public graph (ebb/graph.h): operations by TensorFlow's names, in the order in
 * which they were added.
 *
 *     nodes     MatMul ── inputs: numbers of tensors ── outputs: tensors output_first ...
 *     tensors   node, number of the output, and the shadow: what is known of type and shape
 *
 * Every node is emitted once into a graph of ops, the shadow, as soon as it is added: that checks
 * it, and tells types and shapes of its outputs with symbols for unknown lengths. Nothing of the
 * shadow is ever run: a session emits the nodes that a run needs again, for the shapes at hand
 * (lower.h). emit_node.h is what both share.
 *
 * A tensor outside is the number of the tensor with a mark of the graph and its epoch, the number
 * of resets, in its upper half.
 *
 * Locks: runtime.mutex is never taken under a graph's; a session's comes before that of its graph.
 * Memory: region "graph" with this struct; region "body" in it with all that a reset gives back.
 */
#ifndef EBB_RUNTIME_SESSION_SYMBOLIC_H
#define EBB_RUNTIME_SESSION_SYMBOLIC_H

#include <stdatomic.h>

#include "ebb/graph.h"
#include "runtime/runtime.h"
#include "tensorflow/tf_build.h"

#define SYM_NONE       UINT32_MAX
#define SYM_NODES_MAX  1000000u
#define SYM_SCOPES_MAX 64u /* of devices, of control dependencies */
#define SYM_NAME_BYTES 120u

typedef enum sym_kind {
    SYM_OPERATION, /* in the table of tensorflow/ */
    SYM_CONSTANT,
    SYM_PLACEHOLDER,
    SYM_VARIABLE, /* what it was before the run */
    SYM_READ,     /* what it is after the assignments before this node */
    SYM_ASSIGN,
    SYM_ASSIGN_ADD,
    SYM_ASSIGN_SUB,
    SYM_GROUP,    /* no outputs; controls only */
    SYM_GRADIENT, /* inputs: ys, then xs */
    SYM_MODEL
} sym_kind;

typedef struct sym_node {
    sym_kind kind;
    const char *name, *op, *device; /* device "" = none */
    const uint32_t *inputs;         /* tensors */
    const uint32_t *controls;       /* nodes */
    uint32_t input_count, control_count, output_first, output_count;
    const tf_attribute *attributes;
    uint32_t attribute_count;
    uint32_t random_first; /* build.random_count before it */
    uint32_t variable;     /* VARIABLE, READ, ASSIGN ...: its number */
    uint32_t y_count;      /* GRADIENT */
    uint64_t model;        /* MODEL: handle */
    const char *model_name;
    const tf_constant *constant;
} sym_node;

typedef struct sym_tensor {
    uint32_t node, index;
    tf_tensor shadow;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX]; /* -1 = unknown */
} sym_tensor;

typedef struct sym_variable {
    uint32_t node, initializer; /* the node itself, and the assignment of its initial value */
    ebb_dtype dtype;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
    value shadow;
} sym_variable;

/* Open addressing; `next` is the number for the next one of that name. */
typedef struct sym_name {
    const char *name;
    uint32_t node, next;
} sym_name;

typedef struct sym_controls {
    const uint32_t *nodes;
    uint32_t count;
} sym_controls;

/* What a reset empties. */
typedef struct sym_body {
    region *home;
    tf_build build;
    sym_node *nodes;
    sym_tensor *tensors;
    sym_variable *variables;
    sym_name *names;
    uint32_t node_count, node_capacity, tensor_count, tensor_capacity, variable_count,
        variable_capacity, name_count, name_capacity;
    const char *devices[SYM_SCOPES_MAX];
    sym_controls controls[SYM_SCOPES_MAX];
    uint32_t device_depth, control_depth;
    bool is_finalized;
    bool has_late_edges; /* a control dependency on a node that was added later */
} sym_body;

typedef struct session session;

typedef struct symbolic {
    uint64_t id;
    attachment attached; /* unless a function owns it */
    runtime *owner;
    region *home;
    const char *name;
    uint32_t nodes_max;
    uint64_t bytes_max, seed, epoch;
    pthread_mutex_t mutex; /* everything here */
    ebb_error error;       /* the first fault since it was asked for */
    session *sessions;     /* open ones */
    uint32_t session_count, function_count;
    bool is_trace; /* a function owns it */
    bool is_attached;
    atomic_uint edges;   /* changes of control dependencies: plans from before are void */
    sym_body body;
} symbolic;

/* -- life: symbolic_open.c --------------------------------------------------------------------- */

/* Under `parent`; without handle and attachment. */
ebb_status symbolic_make(runtime *r, region *parent, const ebb_graph_options *options,
                         symbolic **result, ebb_error *error);
/* No session is open on it. Its handle is gone or being closed. */
void symbolic_discard(symbolic *s);
ebb_status symbolic_open(runtime *r, const ebb_graph_options *options, uint64_t *id,
                         ebb_error *error);
ebb_status symbolic_close(ebb_graph handle, ebb_receipt *receipt, ebb_error *error);
/* Under the mutex. */
ebb_status symbolic_reset(symbolic *s, ebb_receipt *receipt, ebb_error *error);

/* Pinned and locked; NULL: stale. */
symbolic *symbolic_enter(ebb_graph handle, const char *where, ebb_error *error);
void symbolic_leave(symbolic *s);
/* The runtime of a graph, pinned; NULL: stale. */
runtime *symbolic_owner(ebb_graph handle);

ebb_status symbolic_default(runtime *r, ebb_graph *graph, ebb_error *error);
ebb_status symbolic_as_default(runtime *r, ebb_graph graph, ebb_graph *previous, ebb_error *error);

/* -- faults and names: symbolic_names.c ----------------------------------------------------------
 */

/* Keeps the first fault. Returns SYM_NONE. */
uint32_t symbolic_fail(symbolic *s, ebb_status status, const char *where, const char *format, ...)
    EBB_PRINTF(4, 5);
uint32_t symbolic_no_memory(symbolic *s, const char *where);
/* Twice the room if `count` items fill the list, copied; false: no memory. */
bool symbolic_grow(symbolic *s, void **items, uint32_t count, uint32_t *capacity, size_t bytes);

ebb_tensor symbolic_handle(const symbolic *s, uint32_t tensor);
/* The number of a tensor of this graph; SYM_NONE fills the error: E_ARGUMENT, E_STALE. */
uint32_t symbolic_number(const symbolic *s, ebb_tensor x, const char *what, ebb_error *error);
/* Is it more than a target? */
bool symbolic_has_value(const symbolic *s, uint32_t tensor);
/* The number of one with a value; the fault goes to the graph. */
uint32_t symbolic_input(symbolic *s, ebb_tensor x);

/* A name that nobody has, told by `wanted`; NULL: the fault is kept. */
const char *symbolic_name(symbolic *s, const char *wanted);
/* There is room for one, made by symbolic_name(). */
void symbolic_name_keep(symbolic *s, const char *name, uint32_t node);
/* Of the operation that made a tensor; false: the fault is kept. */
bool symbolic_rename(symbolic *s, uint32_t tensor, const char *name);
uint32_t symbolic_find(const symbolic *s, const char *name); /* node; SYM_NONE */
ebb_status symbolic_find_tensor(const symbolic *s, const char *name, uint32_t *tensor,
                                ebb_error *error);
/* "MatMul_1:0" into text. Returns text. */
char *symbolic_tensor_name(const symbolic *s, uint32_t tensor, char *text, size_t capacity);

/* -- adding: symbolic_add.c ----------------------------------------------------------------------
 */

typedef struct sym_spec {
    sym_kind kind;
    const char *op, *name; /* name NULL: op */
    const char *device;    /* NULL: that of the open scope */
    const uint32_t *inputs;
    uint32_t input_count, output_count; /* outputs: GRADIENT and MODEL */
    const tf_attribute *attributes;
    uint32_t attribute_count, variable, y_count;
    uint64_t model;
    const char *model_name;
    const tf_constant *constant;
    ebb_dtype dtype; /* PLACEHOLDER, and VARIABLE */
    uint32_t rank;
    const int64_t *dims;
    const uint32_t *controls; /* besides those of the open scopes */
    uint32_t control_count;
} sym_spec;

/* The new node; SYM_NONE: the fault is kept. */
uint32_t symbolic_add(symbolic *s, const sym_spec *spec);
/* Output 0 of it. */
ebb_tensor symbolic_add_tensor(symbolic *s, const sym_spec *spec);
/* An operation of the table, or one that is special here ("Assign"). */
ebb_tensor symbolic_operation(symbolic *s, const char *op, const ebb_tensor *inputs, size_t count,
                              const char *attributes);
ebb_tensor symbolic_constant(symbolic *s, const ebb_view *view, const char *name);
ebb_tensor symbolic_placeholder(symbolic *s, const char *name, ebb_dtype dtype, uint32_t rank,
                                const int64_t *dims);
ebb_tensor symbolic_variable(symbolic *s, const char *name, ebb_tensor initial);
ebb_tensor symbolic_assign(symbolic *s, sym_kind kind, ebb_tensor variable, ebb_tensor x,
                           const char *name);
ebb_tensor symbolic_read(symbolic *s, ebb_tensor variable);
ebb_tensor symbolic_group(symbolic *s, const ebb_tensor *tensors, size_t count, const char *name);
ebb_tensor symbolic_initializer(symbolic *s);
ebb_status symbolic_control_push(symbolic *s, const ebb_tensor *tensors, size_t count,
                                 ebb_error *error);
ebb_status symbolic_device_push(symbolic *s, const char *device, ebb_error *error);
ebb_status symbolic_after(symbolic *s, ebb_tensor x, ebb_tensor after, ebb_error *error);
ebb_status symbolic_gradients(symbolic *s, const ebb_tensor *ys, size_t y_count,
                              const ebb_tensor *xs, size_t x_count, ebb_tensor *gradients,
                              ebb_error *error);
ebb_status symbolic_model_call(symbolic *s, ebb_model model, const ebb_tensor *inputs,
                               size_t input_count, ebb_tensor *outputs, size_t output_count,
                               ebb_error *error);

/* "axis=1, name='h'" for `op`: attributes of the kinds that the table declares, in the body;
 * *name NULL: none was given. */
bool symbolic_attributes(symbolic *s, const char *op, const char *text, tf_attribute **attributes,
                         uint32_t *count, const char **name);

#endif
