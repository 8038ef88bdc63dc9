/* training_cycle.h -- compile, a step of fit, uncompile: what `ebb leakcheck --train` adds to a
 * cycle.
 *
 * Every cycle trains the same weights on the same rows, so the loss after the step must be the same
 * bit for bit; what the ledger of the model holds in between must be the plan, and after uncompile
 * what it was before. */
#ifndef EBB_CLI_TRAINING_CYCLE_H
#define EBB_CLI_TRAINING_CYCLE_H

#include "batch.h"

typedef struct training_cycle {
    const ebb_compile_options *options; /* batch: rows of the questions */
    uint32_t steps;
    /* kept from cycle to cycle, taken in the first one */
    ebb_plan plan;
    ebb_view *targets;
    uint32_t target_count;
    double first_loss;
    bool has_first;
    /* of the last cycle */
    uint64_t live_compiled;
    /* cycles */
    uint32_t plan_differs, loss_differs, kept;
} training_cycle;

/* The model must be loaded and not compiled; `questions` are the rows to train on. */
ebb_status training_cycle_run(training_cycle *t, ebb_runtime runtime, const char *path,
                              const ebb_load_options *load, ebb_model model, const batch *questions,
                              ebb_error *error);
void training_cycle_free(training_cycle *t);

#endif
