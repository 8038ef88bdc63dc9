/* tf_call.h -- what the files of tensorflow/ that emit operations share; nobody outside includes
 * it.
 *
 * An entry of the table (tf_list.inc) names the function that emits it. It gets the call, whose
 * inputs are as many as the entry says, and gives outputs with tf_give...(). Each answers false
 * after a failure, which is then in b->graph->error with the name of the operation in front.
 */
#ifndef EBB_TENSORFLOW_TF_CALL_H
#define EBB_TENSORFLOW_TF_CALL_H

#include "tensorflow/tf_build.h"

#define TF_INPUT_ANY TF_INPUTS_MAX

typedef struct tf_entry tf_entry;
typedef bool (*tf_emit)(tf_build *b, tf_call *c, const tf_entry *e);
struct tf_entry {
    const char *name;
    uint32_t inputs_min, inputs_max;
    tf_emit emit;
    int parameter;                    /* for functions that emit several operations */
    bool takes_resources;             /* input 0 may be a variable; others read variables first */
    const char *attributes, *outputs; /* as tf_operation_info */
};
const tf_entry *tf_entry_find(const char *name);
/* The first of the outputs that the name stands for: "indices" of TopKV2 is 1. UINT32_MAX: none. */
uint32_t tf_entry_output(const tf_entry *e, const char *name, size_t length);

/* -- faults ------------------------------------------------------------------------------------ */

/* "MatMul: text". Always false. */
bool tf_fail(tf_build *b, const tf_call *c, ebb_status status, const char *format, ...)
    EBB_PRINTF(4, 5);
/* Zeroed memory in b->home; NULL after a failure. */
void *tf_memory(tf_build *b, size_t count, size_t size);

/* -- attributes: of the call, or the entry's default ------------------------------------------- */

const tf_attribute *tf_attribute_of(const tf_call *c, const char *name); /* NULL: not given */
int64_t tf_int(const tf_call *c, const tf_entry *e, const char *name);   /* also bools and types */
double tf_float(const tf_call *c, const tf_entry *e, const char *name);
bool tf_bool(const tf_call *c, const tf_entry *e, const char *name);
tf_type tf_type_attribute(const tf_call *c, const tf_entry *e, const char *name);
/* Is a text attribute `text`? */
bool tf_text_is(const tf_call *c, const tf_entry *e, const char *name, const char *text);
/* A list of integers, at most `count_max`: how many there are. */
uint32_t tf_ints(const tf_call *c, const tf_entry *e, const char *name, int64_t *items,
                 uint32_t count_max);

/* -- inputs ------------------------------------------------------------------------------------ */

/* Input `i` as a value; VALUE_NONE after a failure. */
value tf_input(tf_build *b, const tf_call *c, uint32_t i);
/* The shape of input `i`, also where it is only lengths. */
bool tf_input_shape(tf_build *b, const tf_call *c, uint32_t i, shape *result);
/* Elements of input `i` as lengths. False and no failure: they are known at run time only. */
bool tf_find_lengths(tf_build *b, const tf_tensor *t, const dim **lengths, uint32_t *count);
/* The same; `what` in the message: "the shape". */
bool tf_lengths(tf_build *b, const tf_call *c, uint32_t i, const char *what, const dim **lengths,
                uint32_t *count);
/* One of them. */
bool tf_length(tf_build *b, const tf_call *c, uint32_t i, const char *what, dim *length);
/* Numbers that are known when the graph is built. */
bool tf_numbers(tf_build *b, const tf_call *c, uint32_t i, const char *what, int64_t *numbers,
                uint32_t count_max, uint32_t *count);
bool tf_number(tf_build *b, const tf_call *c, uint32_t i, const char *what, int64_t *number);
/* A known scalar of any type. False and no failure: it is not known. */
bool tf_find_scalar(tf_build *b, const tf_tensor *t, double *number);
/* An axis from input `i` or as a number: negative ones count from the end. */
bool tf_axis(tf_build *b, const tf_call *c, uint32_t i, uint32_t rank, uint32_t *axis);
bool tf_axis_place(tf_build *b, const tf_call *c, int64_t axis, uint32_t rank, uint32_t *place);
/* A shape from input `i`. */
bool tf_shape_input(tf_build *b, const tf_call *c, uint32_t i, shape *result);

/* -- outputs ----------------------------------------------------------------------------------- */

/* Output `i`. The number of outputs is at least i + 1 from then on. */
bool tf_give(tf_build *b, tf_call *c, uint32_t i, value v, tf_type type);
bool tf_give_tensor(tf_build *b, tf_call *c, uint32_t i, const tf_tensor *t);
/* Integers that are made of lengths; copied. `dims` may be NULL for rank 0 and 1. */
bool tf_give_lengths(tf_build *b, tf_call *c, tf_type type, uint32_t rank, const uint32_t *dims,
                     const dim *lengths, uint32_t count);

/* -- types ------------------------------------------------------------------------------------- */

/* What numbers of a type are computed in: F32, I32, BOOL; NONE where there is nothing. */
ebb_dtype tf_compute(tf_type type);
bool tf_is_integer(tf_type type);
bool tf_is_float(tf_type type);
/* Results of integer arithmetic cut to the type, where it has fewer than 32 bits. */
value tf_wrap(tf_build *b, value v, tf_type type);

/* -- lengths ----------------------------------------------------------------------------------- */

bool tf_dim_number(const graph *g, dim d, int64_t *number);
dim tf_dim_of(tf_build *b, int64_t number);
dim tf_dim_min(tf_build *b, dim a, dim c);
/* Can it not be negative, whatever the inputs are? */
bool tf_dim_is_positive(const graph *g, dim d);
/* Is a >= c for all inputs, as far as can be seen? */
bool tf_dim_is_above(tf_build *b, dim a, dim c);
/* -1, 0, 1: a < c, a == c, a > c for all inputs; 2: it depends. */
int tf_dim_compare(tf_build *b, dim a, dim c);

/* Arithmetic of lengths: true if the outputs were given (or it failed: look at the graph). */
bool tf_fold_unary(tf_build *b, tf_call *c, int kind);  /* unary_kind */
bool tf_fold_binary(tf_build *b, tf_call *c, int kind); /* binary_kind */
bool tf_fold_compare(tf_build *b, tf_call *c, int kind);
bool tf_fold_select(tf_build *b, tf_call *c);
bool tf_fold_reduce(tf_build *b, tf_call *c, int kind, uint32_t axes, bool keep_dims);
bool tf_fold_slice(tf_build *b, tf_call *c, const int64_t *start, const int64_t *step,
                   const uint32_t *count, uint32_t rank, const uint32_t *dims);

/* -- values ------------------------------------------------------------------------------------ */

/* Axes `order` as op_transpose(), or x itself when nothing moves. */
value tf_transpose(tf_build *b, value x, const uint32_t *order);
/* [n, c, spatial...] -> [n, spatial..., c] and back. */
value tf_channels_last(tf_build *b, value x);
value tf_channels_first(tf_build *b, value x);
/* A scalar in the dtype of `like`. */
value tf_scalar(tf_build *b, double number, ebb_dtype dtype);
value tf_reshape(tf_build *b, value x, const shape *to);
/* A length as a value; it may be negative. */
value tf_length_value(tf_build *b, dim d);

/* A list of tensors (TensorList...): what is known of its elements. */
typedef enum tf_list_kind {
    TF_LIST_RESERVED, /* `count` elements that nobody has set */
    TF_LIST_STACKED,  /* `stacked` [count, ...] */
    TF_LIST_ITEMS,    /* `items`, VALUE_NONE where nobody has set one */
    TF_LIST_LOOP      /* of a loop: elements are asked for and set through tf_loop.h */
} tf_list_kind;
typedef struct tf_list {
    tf_list_kind kind;
    tf_type type;
    dim count;
    bool is_count_outside; /* LOOP: `count` is a length of the graph around the loop */
    value stacked;
    value *items;
    struct tf_loop *loop;
    uint32_t number; /* LOOP: of the loop variable */
    bool is_written; /* LOOP: this is the list after `written` was set at `at` */
    value written;
    tf_tensor at;
    bool has_element; /* the shape of elements, as far as it was told */
    shape element;
} tf_list;

/* Inside the body of a loop: an element of a list from outside, and all of them. */
value tf_loop_element(tf_build *b, const tf_call *c, const tf_list *list, const tf_tensor *at);
value tf_loop_stacked(tf_build *b, const tf_call *c, const tf_list *list);

#endif
