/* portable.h -- what the portable kernels share: walks over broadcast or strided operands, checks
 * of plans.
 *
 * A walk goes over the elements of an output in row-major order and knows, for each operand, the
 * offset of the element that belongs to it. Neighbouring axes that all operands cross in the same
 * way are merged, so most walks have one or two axes; the caller works on runs along the last one.
 */
#ifndef EBB_DEVICE_CPU_PORTABLE_H
#define EBB_DEVICE_CPU_PORTABLE_H

#include "device/cpu/unary_math.h"
#include "device/kernel.h"

#define WALK_OPERANDS 3
/* Elements below which work is not split over threads. */
#define GRAIN_ELEMENTS ((size_t)16384)

typedef struct walk {
    uint32_t rank; /* >= 1 */
    uint32_t operands;
    size_t count; /* elements */
    size_t dims[EBB_RANK_MAX];
    ptrdiff_t strides[WALK_OPERANDS][EBB_RANK_MAX]; /* in elements */
    ptrdiff_t start[WALK_OPERANDS];
} walk;

/* Where a walk is. `run` elements from here lie on one line of the last axis. */
typedef struct walk_cursor {
    size_t index[EBB_RANK_MAX];
    ptrdiff_t offset[WALK_OPERANDS];
    size_t run;
} walk_cursor;

/* From raw strides (any sign, 0 repeats). strides[operand][axis]. */
void walk_make(walk *w, uint32_t rank, const int64_t *dims, uint32_t operands,
               int64_t strides[WALK_OPERANDS][EBB_RANK_MAX]);
/* numpy broadcasting of the inputs to the output. */
void walk_broadcast(walk *w, const tensor_desc *output, const tensor_desc *inputs,
                    uint32_t operands);
void walk_seek(const walk *w, size_t element, walk_cursor *c);
/* Moves on by `count` <= c->run elements. */
void walk_move(const walk *w, walk_cursor *c, size_t count);

/* Row-major strides in elements. */
void desc_strides(const tensor_desc *t, int64_t strides[EBB_RANK_MAX]);
bool desc_equal_dims(const tensor_desc *a, const tensor_desc *b);
/* Product of dims[first, end). */
size_t desc_product(const tensor_desc *t, uint32_t first, uint32_t end);

/* The axes of a reduction as two walks over x: `kept` in the order of the output, `reduced` for one
 * output. */
typedef struct axes_split {
    walk kept, reduced;
} axes_split;
/* `axes` bit i = axis i is reduced; 0 = all. */
axes_split axes_split_make(const tensor_desc *x, uint32_t axes);

/* y = elements of x in the order of a walk of one operand, of any element size. */
void copy_walk(const walk *w, size_t element_bytes, const void *x, void *y, uint32_t threads);

/* False if a weight has a form other than the plain one. */
bool plan_weights_are_plain(const kernel_plan *plan);
/* A dim of an attribute as a number; false if it is an expression and no values were given. */
bool plan_dim(const kernel_plan *plan, dim d, int64_t *number);

/* A weight that a row wants in the plain form, whatever form it has: a packed one is unpacked into
 * scratch by every run, which is slow and right. */
typedef struct plain_weight {
    const weight_form *form; /* WEIGHT_PLAIN: used where it is */
    uint64_t offset;
} plain_weight;
/* Adds to plan->scratch_bytes what unpacking needs. */
plain_weight plain_weight_plan(kernel_plan *plan, uint32_t input);
const void *plain_weight_find(const plain_weight *w, const kernel_call *call, uint32_t input);

/* y = function(a, b) over a line of floats; a step is 1, or 0 for one number. y may be a or b. */
typedef void (*binary_line)(const void *a, ptrdiff_t a_step, const void *b, ptrdiff_t b_step,
                            void *y, size_t count);
binary_line portable_binary_line(binary_kind kind); /* NULL for kinds of bools */

/* Takes `bytes` of scratch, aligned to 64; returns their offset. */
uint64_t plan_scratch(kernel_plan *plan, uint64_t bytes);
static inline void *call_scratch(const kernel_call *call, uint64_t offset)
{
    return (char *)call->scratch + offset;
}

/* An optional input: NULL where it is absent or the node has fewer. */
static inline const void *call_input(const kernel_call *call, uint32_t input, uint32_t input_count)
{
    return input < input_count ? call->inputs[input] : NULL;
}
/* Inputs of every contraction. */
enum { CONTRACT_BIAS = 2, CONTRACT_RESIDUAL, CONTRACT_SCALE };
static inline epilogue_operands call_epilogue(const kernel_call *call, uint32_t input_count)
{
    return (epilogue_operands){call_input(call, CONTRACT_SCALE, input_count),
                               call_input(call, CONTRACT_BIAS, input_count),
                               call_input(call, CONTRACT_RESIDUAL, input_count)};
}

static inline bool desc_absent(const tensor_desc *t)
{
    return t->dtype == EBB_DTYPE_NONE;
}
static inline size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
