/* parallel.h -- the one place that starts parallel work on the CPU (OpenMP; serial when built
 * without).
 *
 * Called only from inside kernel run functions. With threads == 1 the body runs on the calling
 * thread and no other thread is woken. Multi-threaded executables run on threads that ebb owns (see
 * runtime/executor.h), so no OpenMP team ever hangs on a caller's thread.
 */
#ifndef EBB_DEVICE_CPU_PARALLEL_H
#define EBB_DEVICE_CPU_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

/* Calls body(context, begin, end) for ranges that cover [0, count), each a multiple of `grain` but
 * the last. */
void parallel_for(uint32_t threads, size_t count, size_t grain,
                  void (*body)(void *context, size_t begin, size_t end), void *context);

#endif
