/* tf_export_internal.h -- what the files that export graphs share; nobody outside includes it.
 *
 * A tensor of the function being made is its reference, as nodes of functions write it: "x" for an
 * argument, "dense/MatMul_4:product:0" for the output of a node. Everything is sticky: after the
 * first failure references are NULL and calls that take one do nothing. */
#ifndef EBB_TENSORFLOW_TF_EXPORT_INTERNAL_H
#define EBB_TENSORFLOW_TF_EXPORT_INTERNAL_H

#include "tensorflow/tf_export.h"

typedef enum operation_id {
#define OPERATION(name, output) TF_##name,
#include "tensorflow/tf_export_list.inc"
#undef OPERATION
    TF_OPERATION_COUNT
} operation_id;

typedef const char *tensor_ref;

/* A length inside the function: a number, or an I32 scalar. */
typedef struct length {
    int64_t number;
    tensor_ref ref; /* NULL: the number */
} length;

/* All functions of one export. */
typedef struct exporter {
    region *home;
    const char *function; /* the name of the model's */
    ebb_error error;      /* the first failure */
    tf_function *functions;
    uint32_t function_count, function_capacity;
    uint32_t *captured;
    uint32_t captured_count;
    uint32_t loop_count; /* so far: their functions' names */
} exporter;

/* One function being made. */
typedef struct emitter {
    exporter *x;
    const graph *g;
    const char *scope; /* first part of new names; NULL: none */
    tf_node *nodes;
    uint32_t node_count, node_capacity;
    tensor_ref *refs; /* by value; NULL: not emitted yet */
    length *lengths;  /* by expression, where has_length */
    bool *has_length;
    tensor_ref *input_shapes; /* by input: its "Shape" */
} emitter;

bool export_ok(const emitter *e);
/* The first failure counts. Always NULL. */
tensor_ref export_fail(emitter *e, ebb_status status, const char *format, ...) EBB_PRINTF(3, 4);
/* Zeroed; NULL is a failure. */
void *export_memory(emitter *e, size_t count, size_t size);
/* "carried_3"; NULL is a failure. */
const char *export_text(emitter *e, const char *before, uint32_t number);

/* An emitter of `g`: its inputs have no references yet. False: a failure. */
bool emitter_open(exporter *x, const graph *g, emitter *e);
/* Emits everything that the outputs of the graph need; refs of the inputs are set. */
void export_graph(emitter *e);
/* Adds what the emitter made to the functions. `sources` by result. */
void export_function_end(emitter *e, const tf_function *f);

/* The tensor of a value: constants and weights are emitted as they are met. */
tensor_ref export_ref(emitter *e, value v);
/* Output `index` of a node, VALUE_NONE-safe input `index` (NULL without failure when absent). */
void export_set(emitter *e, const node *n, uint32_t index, tensor_ref ref);
tensor_ref export_input(emitter *e, const node *n, uint32_t index);
bool export_has(const node *n, uint32_t index);
tf_type export_type(const emitter *e, value v);

/* -- nodes ------------------------------------------------------------------------------------- */

#define ATTRIBUTES_MAX 8
#define LIST_MAX       8 /* short lists are kept inside */
typedef struct attributes {
    tf_attribute items[ATTRIBUTES_MAX];
    tf_attribute_value values[ATTRIBUTES_MAX][LIST_MAX];
    uint32_t count;
} attributes;

void attributes_type(attributes *a, const char *name, tf_type type);
void attributes_int(attributes *a, const char *name, int64_t number);
void attributes_ints(attributes *a, const char *name, const int64_t *numbers, uint32_t count);
void attributes_bool(attributes *a, const char *name, bool truth);
void attributes_float(attributes *a, const char *name, double number);
void attributes_text(attributes *a, const char *name, const char *text);
void attributes_function(attributes *a, const char *name, const char *function);
/* `types` must last as long as the export. */
void attributes_types(attributes *a, const char *name, const tf_attribute_value *types,
                      uint32_t count);

/* The first output. `a` may be NULL. */
tensor_ref export_node(emitter *e, operation_id op, const tensor_ref *inputs, uint32_t count,
                       const attributes *a);
/* Output `index` of the node whose first output is `ref`. */
tensor_ref export_at(emitter *e, tensor_ref ref, uint32_t index);
/* Operations with the one attribute "T". */
tensor_ref export_1(emitter *e, operation_id op, tf_type type, tensor_ref x);
tensor_ref export_2(emitter *e, operation_id op, tf_type type, tensor_ref a, tensor_ref b);
tensor_ref export_3(emitter *e, operation_id op, tf_type type, tensor_ref a, tensor_ref b,
                    tensor_ref c);

/* -- constants --------------------------------------------------------------------------------- */

tensor_ref export_constant(emitter *e, tf_type type, const tf_shape *s, const void *data);
tensor_ref export_i32(emitter *e, int64_t number);
tensor_ref export_f32(emitter *e, float number);
/* Zero of any type of ours. */
tensor_ref export_zero(emitter *e, tf_type type);
tensor_ref export_list(emitter *e, const int64_t *numbers, uint32_t count);
tensor_ref export_matrix(emitter *e, const int64_t *numbers, uint32_t rows, uint32_t columns);

/* -- lengths: tf_export_length.c --------------------------------------------------------------- */

length length_number(int64_t number);
length length_of(emitter *e, dim d);
/* Numbers are computed here, everything else is emitted. */
length length_make(emitter *e, dim_kind kind, length a, length b);
tensor_ref length_ref(emitter *e, length n);
/* A vector of I32. */
tensor_ref length_list(emitter *e, const length *lengths, uint32_t count);
tensor_ref length_shape(emitter *e, const shape *s);

/* -- small compositions ------------------------------------------------------------------------ */

tensor_ref export_cast(emitter *e, tensor_ref x, tf_type from, tf_type to);
tensor_ref export_reduce(emitter *e, operation_id op, tf_type type, tensor_ref x, uint32_t axes,
                         uint32_t rank, bool keep_dims);
tensor_ref export_transpose(emitter *e, tf_type type, tensor_ref x, const int64_t *order,
                            uint32_t rank);
tensor_ref export_expand(emitter *e, tf_type type, tensor_ref x, int64_t axis);
tensor_ref export_squeeze(emitter *e, tf_type type, tensor_ref x, int64_t axis);
tensor_ref export_reshape(emitter *e, tf_type type, tensor_ref x, const int64_t *dims,
                          uint32_t rank);
/* Zeros around: before and after by axis. */
tensor_ref export_pad(emitter *e, tf_type type, tensor_ref x, const int64_t *before,
                      const int64_t *after, uint32_t rank);
/* x[start ...] of `lengths` by axis. */
tensor_ref export_slice(emitter *e, tf_type type, tensor_ref x, const length *start,
                        const length *lengths, const int64_t *steps, const shape *of,
                        uint32_t rank);
tensor_ref export_activation(emitter *e, const unary_attributes *a, tf_type type, tensor_ref x);

/* -- one function per op: the table is in tf_export.c ------------------------------------------ */

typedef void (*emit_function)(emitter *e, const node *n);
void export_op_cast(emitter *e, const node *n);
void export_op_unary(emitter *e, const node *n);
void export_op_binary(emitter *e, const node *n);
void export_op_compare(emitter *e, const node *n);
void export_op_select(emitter *e, const node *n);
void export_op_matmul(emitter *e, const node *n);
void export_op_conv(emitter *e, const node *n);
void export_op_conv_transpose(emitter *e, const node *n);
void export_op_pool(emitter *e, const node *n);
void export_op_reduce(emitter *e, const node *n);
void export_op_arg_reduce(emitter *e, const node *n);
void export_op_softmax(emitter *e, const node *n);
void export_op_normalize(emitter *e, const node *n);
void export_op_reshape(emitter *e, const node *n);
void export_op_transpose(emitter *e, const node *n);
void export_op_broadcast(emitter *e, const node *n);
void export_op_concat(emitter *e, const node *n);
void export_op_slice(emitter *e, const node *n);
void export_op_pad(emitter *e, const node *n);
void export_op_gather(emitter *e, const node *n);
void export_op_one_hot(emitter *e, const node *n);
void export_op_cumulative(emitter *e, const node *n);
void export_op_resize(emitter *e, const node *n);
void export_op_rnn(emitter *e, const node *n);
void export_op_conv_lstm(emitter *e, const node *n);
void export_op_scan(emitter *e, const node *n);
void export_op_iota(emitter *e, const node *n);
void export_op_random(emitter *e, const node *n);
void export_op_stop(emitter *e, const node *n);

/* -- loops: tf_export_loop.c ------------------------------------------------------------------- */

/* As scan of op.h. `body` is a graph of its own, its inputs carried, elements, invariants and, with
 * has_index, the number of the step. */
typedef struct loop {
    const graph *body;
    const tensor_ref *carried, *sequences, *invariants;
    uint32_t carried_count, sequence_count, invariant_count, result_count;
    length steps;
    bool go_backwards;      /* the last element first */
    bool results_backwards; /* results lie as the elements do, else as steps are made */
    bool has_index;
    const shape *result_shapes; /* outside, with the axis of steps */
    tensor_ref *outputs;        /* carried last, results */
} loop;
void export_loop(emitter *e, const loop *l);

#endif
