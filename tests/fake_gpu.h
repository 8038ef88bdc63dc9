/* fake_gpu.h -- a machine with two GPUs, for tests: devices of another kind than the first, with
 * the kernels of the CPU. They go through the same table as any other. */
#ifndef EBB_TESTS_FAKE_GPU_H
#define EBB_TESTS_FAKE_GPU_H

#include "ebb/ebb.h"
#include "harness.h"

/* A runtime on a machine with one CPU and two GPUs. NULL = default options. */
ebb_status fake_gpus_open(const ebb_runtime_options *options, ebb_runtime *runtime,
                          ebb_error *error);
/* GPUs that are open now, of all runtimes of this process. */
uint32_t fake_gpus_open_now(void);
/* Opening the n-th GPU from now on fails, 0 being the next; -1: none. */
void fake_gpus_fail(int32_t n);

#endif
