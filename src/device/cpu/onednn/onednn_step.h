/* onednn_step.h -- what the oneDNN rows share: planned primitives, their operands, and their life.
 *
 *     plan    descs -> the best implementation oneDNN has
 *     open    the primitive (JIT code); bind: stream and memory objects of one lane; run: execute
 *
 * The library is never given more than one thread. A step for several is cut into parts along the
 * outermost axis, each a primitive of its own on its rows of source and result (onednn_cut.c), and
 * ebb's threads run the parts.
 *
 * A weight that oneDNN packed keeps the desc it was packed to in its weight_form. A later
 * executable whose best implementation wants another packing repacks it into scratch on every
 * run: slower, never wrong.
 */
#ifndef EBB_DEVICE_CPU_ONEDNN_ONEDNN_STEP_H
#define EBB_DEVICE_CPU_ONEDNN_ONEDNN_STEP_H

#include "device/cpu/onednn/onednn.h"

#define ONEDNN_ARGUMENTS_MAX 10

/* Inputs of contractions (matmul, conv, conv_transpose), as graph/op.h numbers them. */
enum { INPUT_SOURCE, INPUT_WEIGHTS, INPUT_BIAS, INPUT_RESIDUAL, INPUT_SCALE };

typedef enum onednn_place { PLACE_INPUT, PLACE_OUTPUT, PLACE_SCRATCH } onednn_place;

typedef struct onednn_argument {
    int id; /* DNNL_ARG_* */
    onednn_place place;
    uint32_t number; /* of the operand */
    uint64_t offset; /* bytes into the operand, or into the scratch */
} onednn_argument;

/* A primitive and what it is called with. work NULL: nothing to do. */
typedef struct onednn_task {
    dnnl_primitive_desc_t work;
    dnnl_primitive_t prim;
    bool is_borrowed; /* work and prim are those of an earlier part */
    uint32_t count;
    onednn_argument arguments[ONEDNN_ARGUMENTS_MAX];
} onednn_task;

/* Some rows of a step. */
typedef struct onednn_part {
    onednn_task task;
    uint32_t lender;        /* is_borrowed: the part whose prim it is */
    bool is_unfused;        /* epilogue_apply() after the primitive */
    bool is_summed;         /* adds to the destination, which must hold the residual */
    uint64_t result_offset; /* bytes */
    uint64_t rows;
} onednn_part;

typedef struct onednn_step {
    onednn_task repack;              /* of the weights, before the parts */
    onednn_task deliver;             /* of what the parts made in scratch, after them */
    uint64_t sum_floats, sum_stride; /* not 0: each part made one term of a sum at the beginning of
                                        the scratch; floats of a term, bytes to the next */
    onednn_part *parts;
    uint32_t part_count;
    epilogue after;
    bool has_input[5]; /* by INPUT_*, of the epilogue's operands */
    uint64_t columns;  /* of the result, for `after` */
} onednn_step;

#define ONEDNN_NO_WINDOW UINT32_MAX

/* How source and result are cut: along dims[axis], outside which every dim is 1. */
typedef struct onednn_cut {
    uint32_t rank, axis;
    uint32_t window; /* number of the axis in the window; NO_WINDOW: rows do not overlap */
    bool is_transpose;
    dnnl_dims_t source_dims, source_strides, result_dims, result_strides;
    int64_t stride, reach, pad; /* along the axis; reach: what a result sees of the source */
    bool is_fixed;              /* must stay whole */
} onednn_cut;

/* One part: rows [source, +source_count) make rows [result, +result_count). */
typedef struct onednn_slice {
    int64_t source, source_count, result, result_count, pad_before, pad_after;
} onednn_slice;

/* The shapes of a contraction in oneDNN's terms; descs are dropped by onednn_contraction_drop().
 * Absent operands are empty; bias, scale: [1, columns, 1...] or as the destination needs for
 * broadcasting. */
typedef struct onednn_contraction {
    uint32_t rank; /* of source, residual and destination */
    uint32_t weights_rank;
    dnnl_dims_t weights_dims, weights_strides;
    onednn_desc source, weights, destination, bias,
        vector; /* bias as an operand; scale or bias as a post-op */
    onednn_window window;
    onednn_cut cut;
    bool is_weights_cut; /* weights have the axis of the cut too (axis 0) */
    bool is_plain_best;  /* weights that change from run to run are not worth a reorder */
    const epilogue *epilogue;
    uint64_t rows, columns;
    dnnl_primitive_desc_t (*make)(const onednn_operands *o, const onednn_window *w);
} onednn_contraction;

/* Plans the contraction: picks implementation and weight form, sets state, scratch and lane
 * bytes. */
bool onednn_contraction_plan(kernel_plan *plan, const onednn_contraction *c);
void onednn_contraction_drop(onednn_contraction *c);

/* A convolution's geometry in oneDNN's terms. */
typedef struct onednn_image {
    const tensor_desc *source, *kernel, *result;
    const conv_attributes *attributes;
} onednn_image;
/* Shapes and descs of c, which the caller drops whatever the answer is. False: the library must not
 * be asked. */
bool onednn_conv_describe(onednn_contraction *c, const onednn_image *image);
/* Plans a node with inputs x and kernel as a transposed convolution of `groups`. */
bool onednn_conv_transpose_plan(kernel_plan *plan, const conv_transpose_attributes *a,
                                int64_t groups);

/* Row-major strides of dims. */
void onednn_strides(uint32_t rank, const int64_t *dims, int64_t *strides);
/* [n, spatial..., c] as oneDNN's [n, c, spatial...], one spatial axis becoming two. Returns its
 * rank; 0: too long. */
uint32_t onednn_image_dims(const tensor_desc *t, uint32_t spatial, int64_t *dims, int64_t *strides);

/* Sets the cut's axis, window and geometry from its dims: the batch if there is one, else the first
 * spatial axis that is longer than 1. reach: by spatial axis. */
void onednn_cut_image(onednn_cut *cut, const onednn_window *w, const int64_t *reach);
/* Into how many parts: at most `threads`, each worth it. flops: of the whole. */
uint32_t onednn_cut_parts(const onednn_cut *cut, uint32_t threads, uint64_t flops);
/* Part k of `parts`; false: it cannot be cut so. */
bool onednn_cut_slice(const onednn_cut *cut, uint32_t k, uint32_t parts, onednn_slice *slice);
bool onednn_cut_descs(const onednn_cut *cut, const onednn_slice *slice, onednn_desc *source,
                      onednn_desc *result);
void onednn_cut_window(const onednn_cut *cut, const onednn_slice *slice, onednn_window *w);
uint64_t onednn_cut_source_offset(const onednn_cut *cut, const onednn_slice *slice);
uint64_t onednn_cut_result_offset(const onednn_cut *cut, const onednn_slice *slice);
bool onednn_slice_same(const onednn_slice *a, const onednn_slice *b); /* but for where they lie */

/* Parts of a plan for rows that are no contraction. */
bool onednn_step_parts(kernel_plan *plan, onednn_step *step, uint32_t count);
bool onednn_step_add(onednn_task *task, int id, onednn_place place, uint32_t number,
                     uint64_t offset);
bool onednn_step_finish(kernel_plan *plan, onednn_step *step); /* scratchpads, lane bytes, state */
void onednn_step_clear(onednn_step *step); /* drops what was planned; the parts stay, empty */
void onednn_step_drop(onednn_step *step);

ebb_status onednn_step_open(void *state, ebb_error *error);
ebb_status onednn_step_bind(const kernel_call *call, ebb_error *error);
void onednn_step_run(const kernel_call *call);
void onednn_step_unbind(const kernel_call *call);
void onednn_step_close(void *state);

#endif
