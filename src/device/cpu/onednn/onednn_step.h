/* onednn_step.h -- what the oneDNN rows share: a planned primitive, its operands, and its life.
 *
 *     plan    descs -> the best implementation oneDNN has
 *     open    the primitive (JIT code); bind: stream and memory objects of one lane; run: execute
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
    uint64_t where; /* operand number, or offset in scratch */
    onednn_desc desc;
} onednn_argument;

/* A primitive and what it is called with. work NULL: nothing to do. */
typedef struct onednn_task {
    dnnl_primitive_desc_t work;
    dnnl_primitive_t prim;
    uint32_t count;
    onednn_argument arguments[ONEDNN_ARGUMENTS_MAX];
} onednn_task;

typedef struct onednn_step {
    onednn_task repack, main; /* in this order */
    uint32_t threads;
    bool is_unfused; /* epilogue_apply() after the primitive */
    bool is_summed;  /* adds to the destination, which must hold the residual */
    epilogue after;
    bool has_input[5];      /* by INPUT_*, of the epilogue's operands */
    uint64_t rows, columns; /* of the result, for `after` */
} onednn_step;

/* The shapes of a contraction in oneDNN's terms; descs are dropped by onednn_contraction_drop().
 * Absent operands are empty; bias, scale: [1, columns, 1...] or as the destination needs for
 * broadcasting. */
typedef struct onednn_contraction {
    uint32_t rank; /* of source, residual and destination */
    uint32_t weights_rank;
    dnnl_dims_t weights_dims;
    onednn_desc source, weights, destination, bias,
        vector; /* bias as an operand; scale or bias as a post-op */
    onednn_window window;
    const epilogue *epilogue;
    uint64_t rows, columns;
    dnnl_primitive_desc_t (*make)(const onednn_operands *o, const onednn_window *w);
} onednn_contraction;

/* Plans the contraction: picks implementation and weight form, sets state, scratch and lane
 * bytes. */
bool onednn_contraction_plan(kernel_plan *plan, const onednn_contraction *c);
void onednn_contraction_drop(onednn_contraction *c);

/* Row-major strides of dims. */
void onednn_strides(uint32_t rank, const int64_t *dims, int64_t *strides);
/* [n, spatial..., c] as oneDNN's [n, c, spatial...], one spatial axis becoming two. Returns its
 * rank; 0: too long. */
uint32_t onednn_image_dims(const tensor_desc *t, uint32_t spatial, int64_t *dims, int64_t *strides);

/* Parts of a plan for rows that are no contraction. */
bool onednn_step_add(onednn_task *task, int id, onednn_place place, uint64_t where,
                     const onednn_desc *desc);
bool onednn_step_finish(kernel_plan *plan, onednn_step *step); /* scratchpads, lane bytes, state */
void onednn_step_drop(onednn_step *step);

ebb_status onednn_step_open(void *state, ebb_error *error);
ebb_status onednn_step_bind(const kernel_call *call, ebb_error *error);
void onednn_step_run(const kernel_call *call);
void onednn_step_unbind(const kernel_call *call);
void onednn_step_close(void *state);

#endif
