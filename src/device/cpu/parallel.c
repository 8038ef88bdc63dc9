/* parallel.c -- splits a range over an OpenMP team, or runs it here.
 *
 * The split is static and depends on nothing but the arguments, so results do not depend on timing.
 */
#include "device/cpu/parallel.h"

#ifdef _OPENMP
/* Always the whole team: libgomp ends the threads that a smaller one leaves over, and starts them
 * again for the next. */
static void parallel_run(uint32_t threads, uint32_t parts, size_t part, size_t count,
                         void (*body)(void *context, size_t begin, size_t end), void *context)
{
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (uint32_t i = 0; i < parts; i++) {
        const size_t begin = i * part, rest = count - begin;

        body(context, begin, begin + (rest < part ? rest : part));
    }
}
#endif

void parallel_for(uint32_t threads, size_t count, size_t grain,
                  void (*body)(void *context, size_t begin, size_t end), void *context)
{
    if (count == 0) return;
#ifdef _OPENMP
    const size_t step = grain == 0 ? 1 : grain;
    const size_t grains = (count - 1) / step + 1;

    if (threads > 1 && grains > 1) {
        const size_t teams = grains < threads ? grains : threads;
        const size_t part = ((grains - 1) / teams + 1) * step;

        parallel_run(threads, (uint32_t)((count - 1) / part + 1), part, count, body, context);
        return;
    }
#else
    (void)threads;
    (void)grain;
#endif
    body(context, 0, count);
}
