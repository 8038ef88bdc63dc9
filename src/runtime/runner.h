/* runner.h -- graphs over variables, made ready by shape: the executables of a few sets of lengths
 * each, on one arena that all of them share.
 *
 *     runners ── arena            one block, as large as the largest run
 *       ├─ runner: graph, constants ── plan (8 x 32), plan (4 x 32) ...
 *       └─ runner ...
 *
 * The variables' memory is the owner's, by graph weight index. One run at a time. */
#ifndef EBB_RUNTIME_RUNNER_H
#define EBB_RUNTIME_RUNNER_H

#include "exec/executable.h"
#include "runtime/runtime.h"

#define RUNNER_PLANS 4u

typedef struct runner runner;

/* What the runners of one owner share. */
typedef struct runners {
    runtime *owner;
    const char *name;   /* for messages */
    region *arena_home; /* class gradients */
    void *arena;
    uint64_t arena_bytes, clock;
    bool holds_executor;
    runner *first;
} runners;

typedef struct runner_plan {
    region *home;
    executable *e;
    uint64_t used_at;
} runner_plan;

struct runner {
    runner *next;
    runners *all;
    region *home; /* NULL: not open */
    graph *graph;
    const device *device;
    uint32_t threads;    /* 0: chosen from the work */
    void *const *memory; /* by graph weight index; its pointers may change: runner_lend() */
    weights *weights;
    region *constants;
    runner_plan plans[RUNNER_PLANS];
};

/* `graph` has been through its passes; everything of it is in `home`, which runner_close() closes.
 */
void runner_open(runner *r, runners *all, region *home, graph *graph, const device *device,
                 void *const *memory);
/* NULL home: a no-op. */
void runner_close(runner *r);
/* The executable for these lengths of unknown axes, bound and ready. After a failure what was made
 * before is still good. */
ebb_status runner_ready(runner *r, const int64_t *symbols, executable **result, ebb_error *error);
/* The pointers in its memory have changed. */
void runner_lend(runner *r);
void runner_run(runners *all, executable *e, const ebb_view *inputs, const ebb_view *outputs);
/* Every executable off the arena, and the arena given back; the team's threads too. Returns how
 * many threads ended. */
uint32_t runners_rest(runners *all);

#endif
