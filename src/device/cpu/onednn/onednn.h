/* onednn.h -- the shim: everything ebb uses of oneDNN, the same for its major versions 2 (2.6 or
 * later) and 3.
 *
 *     desc   a memory descriptor: dims and strides, or a packed layout only the library knows
 *     work   a primitive descriptor: an operation on concrete descs with an implementation chosen
 *     prim   a primitive: the code, made from a work
 *
 * The library is not linked: it is loaded with the first CPU device that may use it, so that what
 * it takes is there before the first model, and stays, since it cannot be unloaded. Its code and
 * constants are file pages that onednn_rest() lets go while no model uses them. Its primitive cache
 * is switched off, so that all it holds belongs to works and prims that ebb destroys; scratch
 * memory is always the caller's. Threads: works, prims and engines are read-only after creation
 * and used by many threads; a desc or memory by one. Source: oneDNN developer guide, versions
 * 2.6 and 3.7; the two C APIs differ in the places marked below.
 */
#ifndef EBB_DEVICE_CPU_ONEDNN_ONEDNN_H
#define EBB_DEVICE_CPU_ONEDNN_ONEDNN_H

#include <oneapi/dnnl/dnnl.h>

#include "device/device.h"

#define ONEDNN_RANK_MAX  6
#define ONEDNN_POSTS_MAX 6

/* Owned: dropped by onednn_desc_drop(); {0} is empty. */
typedef struct onednn_desc {
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_t md;
#else
    dnnl_memory_desc_t md;
    bool is_set;
#endif
} onednn_desc;

/* One step of what happens to each result before it is stored, in order. */
typedef enum onednn_post_kind {
    ONEDNN_POST_MUL,
    ONEDNN_POST_ADD,
    ONEDNN_POST_SUM,
    ONEDNN_POST_ELTWISE
} onednn_post_kind;
typedef struct onednn_post {
    onednn_post_kind kind;
    const onednn_desc
        *operand;   /* MUL, ADD: broadcast against the result. SUM adds what the destination held */
    uint32_t input; /* MUL, ADD: which operand of the node that is */
    dnnl_alg_kind_t function; /* ELTWISE */
    float alpha, beta;
} onednn_post;

typedef struct onednn_posts {
    uint32_t count;
    onednn_post items[ONEDNN_POSTS_MAX];
} onednn_posts;

/* Descs of a contraction; bias may be NULL. weights may be onednn_desc_any(). */
typedef struct onednn_operands {
    const onednn_desc *source, *weights, *bias, *destination;
    const onednn_posts *posts; /* may be NULL */
} onednn_operands;

typedef struct onednn_window {
    uint32_t spatial;
    dnnl_dims_t kernel, strides, dilations, pad_before,
        pad_after; /* dilation 0 = none; kernel: pooling only */
} onednn_window;

/* Is the library there and allowed on this device? Loads it at the first call. Any thread. */
bool onednn_ready(const device *d);

/* Gives the process's pages of the library's code and constants back unless a work is alive. They
 * are read again when they are needed. */
void onednn_rest(const device *d);

/* -- memory descriptors: F32 only
 * ---------------------------------------------------------------- */
bool onednn_desc_make(onednn_desc *desc, uint32_t rank, const int64_t *dims,
                      const int64_t *strides);
bool onednn_desc_any(onednn_desc *desc, uint32_t rank,
                     const int64_t *dims); /* the library chooses */
bool onednn_desc_copy(onednn_desc *to, const onednn_desc *from);
void onednn_desc_drop(onednn_desc *desc);
bool onednn_desc_equal(const onednn_desc *a, const onednn_desc *b);
size_t onednn_desc_bytes(const onednn_desc *desc);
/* A desc as plain bytes in a region, and back. NULL, false: no memory. */
const void *onednn_desc_save(const onednn_desc *desc, region *home);
bool onednn_desc_load(onednn_desc *desc, const void *saved);

/* -- operations: NULL when the library has none, or only its slow reference code
 * ------------------- */
dnnl_primitive_desc_t onednn_conv_work(const onednn_operands *o, const onednn_window *w);
dnnl_primitive_desc_t onednn_conv_transpose_work(const onednn_operands *o, const onednn_window *w);
/* o->weights are the gradient of the weights, o->destination that of the result. */
dnnl_primitive_desc_t onednn_conv_gradient_kernel_work(const onednn_operands *o,
                                                       const onednn_window *w);
dnnl_primitive_desc_t onednn_matmul_work(const onednn_operands *o);
dnnl_primitive_desc_t onednn_pool_work(const onednn_operands *o, const onednn_window *w,
                                       bool is_max);
dnnl_primitive_desc_t onednn_reorder_work(const onednn_desc *source,
                                          const onednn_desc *destination);

bool onednn_work_weights(const_dnnl_primitive_desc_t work, onednn_desc *desc);
bool onednn_work_scratch(const_dnnl_primitive_desc_t work, onednn_desc *desc);
/* Desc of the argument DNNL_ARG_<id>. */
bool onednn_work_argument(const_dnnl_primitive_desc_t work, int id, onednn_desc *desc);
const char *onednn_work_name(const_dnnl_primitive_desc_t work);
void onednn_work_drop(dnnl_primitive_desc_t work); /* NULL is a no-op */

dnnl_primitive_t onednn_prim_make(const_dnnl_primitive_desc_t work); /* NULL: no memory */
void onednn_prim_drop(dnnl_primitive_t prim);                        /* NULL is a no-op */
void onednn_prim_run(dnnl_primitive_t prim, dnnl_stream_t stream, int count,
                     const dnnl_exec_arg_t *arguments);

/* -- running
 * ------------------------------------------------------------------------------------ */
dnnl_stream_t onednn_stream_make(void); /* NULL: no memory */
void onednn_stream_drop(dnnl_stream_t stream);
dnnl_memory_t onednn_memory_make(const onednn_desc *desc, void *data); /* NULL: no memory */
void onednn_memory_move(dnnl_memory_t memory, void *data);
void onednn_memory_drop(dnnl_memory_t memory);

/* The library takes its thread count from the calling thread's OpenMP setting, when a work is
 * made and when a prim runs. enter sets it to one and returns the caller's, leave puts that back.
 */
int onednn_enter(void);
void onednn_leave(int threads_before);

#endif
