/* pass.h -- passes over a graph. Each is one file in graph/pass/ and one line in pass/list.inc;
 * the verifier runs after each. All keep values' meaning; outputs keep their order. */
#ifndef EBB_GRAPH_PASS_H
#define EBB_GRAPH_PASS_H

#include "graph/op.h"

typedef struct pass_def {
    const char *name;
    const char *description;
    bool inference_only; /* run only when weights may be folded away */
    /* Returns how many rewrites it made (for tests, the log). Failures are sticky in the graph. */
    uint32_t (*run)(graph *g);
} pass_def;

/* Runs every pass in the order of the list, verifying after each. */
ebb_status passes_run(graph *g, bool inference_only, ebb_error *error);

uint32_t pass_count(void);
const pass_def *pass_at(uint32_t index);

#endif
