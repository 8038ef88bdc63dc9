/* graph_def.h -- TensorFlow's GraphDef as plain structs: what the reader of SavedModel folders
 * makes and the room tensorflow/ turns into our graph, and the other way round for the writer.
 *
 * Numbers of types are TensorFlow's (tensorflow/core/framework/types.proto). Everything lives in
 * the region of whoever made it. */
#ifndef EBB_FORMAT_SAVEDMODEL_GRAPH_DEF_H
#define EBB_FORMAT_SAVEDMODEL_GRAPH_DEF_H

#include "ebb/tensor.h"

typedef enum tf_type {
    TF_NONE = 0,
    TF_FLOAT = 1,
    TF_DOUBLE = 2,
    TF_INT32 = 3,
    TF_UINT8 = 4,
    TF_INT16 = 5,
    TF_INT8 = 6,
    TF_STRING = 7,
    TF_COMPLEX64 = 8,
    TF_INT64 = 9,
    TF_BOOL = 10,
    TF_BFLOAT16 = 14,
    TF_UINT16 = 17,
    TF_COMPLEX128 = 18,
    TF_HALF = 19,
    TF_RESOURCE = 20,
    TF_VARIANT = 21,
    TF_UINT32 = 22,
    TF_UINT64 = 23
} tf_type;

/* EBB_DTYPE_NONE where we have none (strings, resources, complex numbers). */
ebb_dtype   tf_type_dtype(tf_type type);
tf_type     tf_type_of(ebb_dtype dtype);
const char *tf_type_name(tf_type type); /* "DT_FLOAT"; "DT_?" */

typedef struct tf_shape {
    bool has_rank;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX]; /* -1 = unknown */
} tf_shape;

typedef struct tf_text {
    const char *bytes; /* and a zero behind */
    size_t length;
} tf_text;

/* A TensorProto, expanded: every element is there. */
typedef struct tf_constant {
    tf_type type;
    tf_shape shape;
    uint64_t count;       /* elements */
    const void *data;     /* row-major in the dtype; NULL for strings */
    const tf_text *texts; /* TF_STRING */
} tf_constant;

typedef enum tf_attribute_kind {
    TF_ATTRIBUTE_INT,
    TF_ATTRIBUTE_FLOAT,
    TF_ATTRIBUTE_BOOL,
    TF_ATTRIBUTE_TEXT,
    TF_ATTRIBUTE_TYPE,
    TF_ATTRIBUTE_SHAPE,
    TF_ATTRIBUTE_TENSOR,
    TF_ATTRIBUTE_FUNCTION
} tf_attribute_kind;

typedef union tf_attribute_value {
    int64_t i; /* INT, BOOL */
    double f;
    tf_text s; /* TEXT; FUNCTION: its name */
    tf_type type;
    tf_shape shape;
    const tf_constant *tensor;
} tf_attribute_value;

typedef struct tf_attribute {
    const char *name;
    tf_attribute_kind kind;
    bool is_list; /* otherwise count is 1. An empty list has any kind */
    uint32_t count;
    const tf_attribute_value *values;
} tf_attribute;

typedef struct tf_node {
    const char *name, *op, *device; /* device "" = none */
    const char *const *inputs;      /* "node", "node:1", "^control"; in functions "node:output:0" */
    uint32_t input_count;
    const tf_attribute *attributes;
    uint32_t attribute_count;
} tf_node;

typedef struct tf_port {
    const char *name;
    tf_type type;
    const char *source; /* results: the tensor inside, "node:output:0" */
    tf_shape shape;     /* of arguments that are written; has_rank false: not told */
} tf_port;

typedef struct tf_function {
    const char *name;
    const tf_port *arguments, *results;
    uint32_t argument_count, result_count;
    const tf_node *nodes;
    uint32_t node_count;
} tf_function;

typedef struct tf_graph_def {
    const tf_node *nodes;
    uint32_t node_count;
    const tf_function *functions;
    uint32_t function_count;
} tf_graph_def;

/* By name; NULL if it is not there. */
const tf_attribute *tf_attribute_find(const tf_node *n, const char *name);
const tf_function *tf_function_find(const tf_graph_def *g, const char *name);

/* An input or output of a signature: "serving_default". */
typedef struct tf_signature_port {
    const char *name;   /* "input_1", "output_0" */
    const char *tensor; /* in the graph: "serving_default_input_1:0", "StatefulPartitionedCall:0" */
    tf_type type;
    tf_shape shape;
} tf_signature_port;

/* A variable of the graph: the node that stands for it, and where its value is. */
typedef struct tf_variable {
    const char *node; /* the VarHandleOp (or VariableV2) */
    const char *name; /* shared_name: "dense/kernel" */
    uint32_t tensor;  /* in the description: groups[0].tensors[tensor] */
    bool trainable;
} tf_variable;

/* What a SavedModel without Keras's metadata holds: description.saved_graph. */
typedef struct tf_saved_graph {
    const tf_graph_def *def;
    const char *signature;              /* its name */
    const tf_signature_port *inputs, *outputs; /* in the order of the function's arguments where
                                                  that is known, else by name */
    uint32_t input_count, output_count;
    const tf_variable *variables;
    uint32_t variable_count;
} tf_saved_graph;

#endif
