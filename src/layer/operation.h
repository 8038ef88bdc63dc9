/* operation.h -- what the files of operation nodes (operation_*.c) share.
 *
 * An operation node is a layer entry whose arguments may be tensors or numbers of the file. Compute
 * types follow numpy: float32 if anything is float, int32 for integers, bool only among bools. */
#ifndef EBB_LAYER_OPERATION_H
#define EBB_LAYER_OPERATION_H

#include <stddef.h>

#include "layer/build.h"

#define FIELDS_END                                                                                 \
    {                                                                                              \
        NULL, FIELD_BOOL, 0, false, 0, NULL                                                        \
    }

/* One line per operation: OPERATION_DEF(negative, "Negative", NULL, config type bytes, fields). */
#define OPERATION_DEF(id, class_name, other_names, bytes, table)                                   \
    const layer_def layer_def_op_##id = {.name = class_name,                                       \
                                         .family = "operation",                                    \
                                         .aliases = other_names,                                   \
                                         .config_bytes = bytes,                                    \
                                         .fields = table,                                          \
                                         .masking = MASK_DROPS,                                    \
                                         .build = id##_build}

/* How two operands meet. */
typedef enum meeting {
    MEET_NUMBERS, /* F32 or I32; bools count as numbers */
    MEET_FLOATS,
    MEET_BOOLS, /* anything but 0 is true */
    MEET_ANY    /* as numbers, but two bools stay bools */
} meeting;

/* Argument as a value; numbers become constants. VALUE_NONE and a fault when it is missing. */
value operation_operand(layer_build *b, const layer_call *call, uint32_t index, const char *name);
/* The same, VALUE_NONE without a fault when it is missing or null. */
value operation_optional(layer_build *b, const layer_call *call, uint32_t index, const char *name);
/* Argument as a list of values (a list of tensors, or one tensor). Returns their number, 0 after a
 * fault. */
uint32_t operation_list(layer_build *b, const layer_call *call, uint32_t index, const char *name,
                        value *items, uint32_t capacity);
/* Casts both to the type they meet in. */
void operation_meet(layer_build *b, meeting how, value *x, value *y);
/* Casts to F32, or leaves it: for ops that know F32 and I32 but not BOOL. */
value operation_number(layer_build *b, value x);
/* Sets the only output. False after a fault, so that a build function can end with it. */
bool operation_result(layer_build *b, layer_call *call, value v);

/* Bit mask of a list of axes, 0 (all) for an empty one; false after a fault. */
bool operation_axes(layer_build *b, value x, const int_list *axes, uint32_t *mask);
/* One axis from a config value: null gives `otherwise`. -1 after a fault. */
int operation_axis(layer_build *b, value x, const json *axis, int otherwise);
/* x as one axis. */
value operation_flat(layer_build *b, value x);
/* A dim of 1 put in or taken out. */
value operation_axis_insert(layer_build *b, value x, uint32_t axis);
value operation_axis_remove(layer_build *b, value x, uint32_t axis);
dim operation_min(graph *g, dim a, dim b);

/* "dtype" of an operation's own config: *dtype NONE when it is null. */
bool operation_dtype(layer_build *b, const char *name, ebb_dtype *dtype);
/* Casts to what a declared dtype is computed in. */
value operation_cast(layer_build *b, value x, ebb_dtype declared);

#endif
