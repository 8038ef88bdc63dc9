/* profiler.h -- the runtime's end of the memory profiler: a timeline that the ledger fills.
 *
 * The timeline is guarded by the ledger's lock, under which the ledger tells it of changes. */
#ifndef EBB_RUNTIME_LIFECYCLE_PROFILER_H
#define EBB_RUNTIME_LIFECYCLE_PROFILER_H

#include <stdatomic.h>

#include "base/clock.h"
#include "ebb/profile.h"
#include "profile/timeline.h"
#include "runtime/lifecycle/managed.h"

typedef struct profiler profiler;

ebb_status profiler_start(runtime *r, const ebb_profiler_options *options, uint64_t *id,
                          ebb_error *error);
ebb_status profiler_mark(profiler *p, const char *label);
void profiler_stop(profiler *p);
void profiler_read(profiler *p, ebb_profile *profile);
ebb_status profiler_write(profiler *p, ebb_profile_format format, ebb_text_function write,
                          void *context, ebb_error *error);
ebb_status profiler_save(profiler *p, const char *path, ebb_error *error);

/* When something begins that may become a span; 0: no profiler runs. */
static inline uint64_t profiler_begin(const runtime *r)
{
    const bool runs = atomic_load_explicit(&r->lifecycle.profiler, memory_order_relaxed) != NULL;

    return runs ? clock_ns() : 0;
}
/* It has ended; begin_ns 0: nothing. */
void profiler_end(const runtime *r, timeline_kind kind, const char *name, uint64_t begin_ns);

#endif
