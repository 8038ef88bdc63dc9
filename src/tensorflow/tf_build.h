/* tf_build.h -- TensorFlow's operations on our graph: one table of operations by their names in
 * TensorFlow's registry ("MatMul", "AddV2", "StridedSlice"), for public graphs (ebb/graph.h) and
 * for the graphs of SavedModel folders.
 *
 * Types: what TensorFlow declares is kept beside each tensor (int64, float16 ...); computing is
 * done in F32, I32 and BOOL, as everywhere in graph/.
 *
 * Lengths: a tensor that is made of lengths ("Shape", "StridedSlice" of it, "Pack" of those,
 * "Prod", constants of integers) carries its elements as dims, also symbolic ones. Operations that
 * take a shape, axes, sizes or a number of repeats read those; nothing is computed for them at run
 * time. tf_value() makes such a tensor's elements when somebody computes with them.
 *
 * Building is sticky like graph.h: after a failure (in b->graph->error) every call answers false.
 */
#ifndef EBB_TENSORFLOW_TF_BUILD_H
#define EBB_TENSORFLOW_TF_BUILD_H

#include "format/savedmodel/graph_def.h"
#include "graph/op.h"

#define TF_INPUTS_MAX  1024 /* of one operation */
#define TF_OUTPUTS_MAX 64
#define TF_LENGTHS_MAX 256 /* elements of a tensor that are kept as lengths */

typedef struct tf_tensor {
    tf_type type;
    value v;          /* VALUE_NONE: known as lengths only, or no numbers at all */
    bool has_lengths; /* INT32, INT64 or BOOL (0, 1): every element is in `lengths` */
    uint32_t rank;    /* with has_lengths: its shape, in numbers */
    uint32_t dims[EBB_RANK_MAX];
    uint32_t length_count;
    const dim *lengths; /* row-major, in b->home; negative ones are expressions (graph/dim.h) */
    uint32_t resource;  /* TF_RESOURCE: number of the variable, from 1 */
    const struct tf_list *list; /* TF_VARIANT: a TensorList */
} tf_tensor;

/* Who owns variables: reading gives the value that they have now in the graph being built, in any
 * dtype; what is assigned is in F32, I32 or BOOL. */
typedef struct tf_variables {
    value (*read)(void *context, uint32_t resource);
    bool (*assign)(void *context, uint32_t resource, value next); /* NULL: E_UNSUPPORTED */
    void *context;
} tf_variables;

typedef struct tf_build {
    graph *graph;
    region *home;
    tf_variables variables;
    value random; /* I32 scalar that changes from run to run; VALUE_NONE: the number of the run */
    uint64_t seed;
    uint32_t random_count; /* streams given out so far */
} tf_build;

typedef struct tf_call {
    const char *op, *name; /* "MatMul"; the node's name, for messages */
    const tf_tensor *inputs;
    uint32_t input_count;
    const tf_attribute *attributes;
    uint32_t attribute_count;
    tf_tensor *outputs; /* [TF_OUTPUTS_MAX] */
    uint32_t output_count;
} tf_call;

/* E_UNSUPPORTED names an operation that is not in the table; E_ARGUMENT, E_SHAPE, E_DTYPE what is
 * wrong, with the node's name. */
bool tf_operation(tf_build *b, tf_call *call);

/* The tensor as a value to compute with, in F32, I32 or BOOL; VALUE_NONE after a failure. A
 * variable is read. */
value tf_value(tf_build *b, const tf_tensor *t);
/* A tensor around a value; its type is told by the value's dtype, or given. */
tf_tensor tf_tensor_of(const tf_build *b, value v, tf_type type);
/* A constant: small integers become lengths as well. */
bool tf_tensor_constant(tf_build *b, const tf_constant *c, tf_tensor *result);

/* The table, for documentation and for checks of callers. Attributes are "name: kind = default"
 * with commas between; without a default they are required. Kinds: bool, int, float, text, type,
 * shape, tensor, function, list(int), list(float), list(text), list(type), list(shape). */
typedef struct tf_operation_info {
    const char *name;
    uint32_t inputs_min, inputs_max;
    const char *outputs;    /* "values, indices"; "": one, or a list of any length */
    const char *attributes; /* "transpose_a: bool = false, transpose_b: bool = false" */
} tf_operation_info;
uint32_t tf_operation_count(void);
bool tf_operation_at(uint32_t index, tf_operation_info *info);
/* UINT32_MAX: not there. Names of older versions ("Add", "BatchMatMul") are found too. */
uint32_t tf_operation_find(const char *name);

/* -- whole graphs: tf_import.c ----------------------------------------------------------------- */

typedef struct tf_imported {
    graph *graph;   /* inputs and outputs are those of the signature; weight index == number of the
                       variable in tf_saved_graph.variables */
    value *weights; /* by variable; VALUE_NONE: nothing reads it */
    ebb_dtype *input_dtypes, *output_dtypes; /* as declared */
    dim batch; /* the symbol of the rows: axis 0 of the inputs where it is unknown; 0: none */
} tf_imported;

/* Shapes and types of variables by number. */
typedef struct tf_variable_shape {
    ebb_dtype dtype;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
} tf_variable_shape;

/* Follows the signature's outputs back through nodes and functions. Calls are inlined, to a depth
 * of 64; "While" whose number of steps is a length becomes op_scan(), "If" whose condition is made
 * of constants and lengths its branch. Functions that change a variable which their results read
 * are refused; other changes are left out. `problem` (may be NULL) is told
 * every operation that is not supported, each once; the first is the error. */
ebb_status tf_import(region *home, const tf_saved_graph *saved, const tf_variable_shape *shapes,
                     void (*problem)(void *context, const char *node, const char *text),
                     void *context, tf_imported **result, ebb_error *error);

#endif
