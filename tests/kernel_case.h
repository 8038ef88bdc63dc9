/* kernel_case.h -- one op, one kernel row, given inputs: what tests of kernels are made of.
 *
 *     graph *g = kernel_case_graph(t->home, OP_conv, &attributes, inputs, 2);
 *     CHECK(kernel_case_run(&kernel_portable_conv, g, &g->nodes[0], inputs, outputs, 1));
 *
 * The graph is a real one, so its shape rule is part of the test. Inputs are graph inputs of known
 * shape; the outputs are allocated in the graph's region. Scratch and outputs are filled with
 * garbage first. A row that says it can work in place is run in place as well and must give the
 * same bytes. Scratch and lane state get exactly the bytes the plan asked for.
 */
#ifndef EBB_TESTS_KERNEL_CASE_H
#define EBB_TESTS_KERNEL_CASE_H

#include "device/device.h"

typedef struct case_tensor {
    tensor_desc desc; /* dtype EBB_DTYPE_NONE: absent */
    void *data;
} case_tensor;

/* A tensor of zeros in `home`; dims[rank]. */
case_tensor case_tensor_make(region *home, ebb_dtype dtype, uint32_t rank, const int64_t *dims);
/* The same with floats in [-1, 1), or small integers, or booleans, from *seed, which moves on. */
case_tensor case_tensor_random(region *home, ebb_dtype dtype, uint32_t rank, const int64_t *dims,
                               uint64_t *seed);
uint64_t case_random(uint64_t *seed); /* 32 bits */

/* A graph with one node; NULL when it could not be built (print g->error with the harness). */
graph *kernel_case_graph(region *home, op_id op, const void *attributes, const case_tensor *inputs,
                         uint32_t input_count);

/* A device as rows see it, of the best instruction set of this machine, or at most `isa`. */
device kernel_case_device(cpu_isa isa);

/* Plans, opens, binds, runs, unbinds and closes. False: the row does not take the node. `outputs`
 * gets node->output_count tensors. Faults end the test. */
bool kernel_case_run(const kernel_def *row, const graph *g, const node *n,
                     const case_tensor *inputs, case_tensor *outputs, uint32_t threads);

/* |a - b| <= absolute + relative * |b| for floats (nan equals nan), equal bytes otherwise; a fault
 * ends the test. */
void case_tensor_check(const char *name, const case_tensor *found, const case_tensor *expected,
                       double relative, double absolute);

#endif
