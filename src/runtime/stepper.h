/* stepper.h -- an optimizer by itself, for weights that the caller keeps: ebb_optimizer_open().
 *
 *     region "optimizer" ── meta: settings, tables
 *         ├─ "variables"   one block                                        class optimizer
 *         ├─ "arena"       one block, given back by ebb_trim()              cached
 *         └─ "plans"       a step for each set of gradients that came       cached
 *
 * Weights are lent: a step reads and writes them where the caller has them. Everything is guarded
 * by the stepper's mutex. */
#ifndef EBB_RUNTIME_STEPPER_H
#define EBB_RUNTIME_STEPPER_H

#include "ebb/gradient.h"
#include "runtime/lifecycle/managed.h"
#include "runtime/runner.h"
#include "train/apply_graph.h"

#define STEPPER_STEPS 4u /* sets of gradients */

typedef struct stepper_step {
    region *home; /* NULL: free */
    apply_graph graph;
    bool *given;      /* by weight */
    ebb_view *inputs; /* of a run */
    runner r;
    uint64_t used_at;
} stepper_step;

typedef struct stepper {
    managed base;
    pthread_mutex_t mutex;
    optimizer settings;
    const device *device;
    runners runners;
    region *variables_home, *cache;
    ebb_tensor_info *weights;
    uint32_t weight_count;
    train_variable *variables; /* of the optimizer; their values mean nothing outside a step */
    uint32_t variable_count;
    uint32_t *like;  /* by variable: the weight that it begins as a copy of; or STEPPER_NONE */
    uint64_t *sizes; /* by variable */
    void **memory;   /* by graph weight index: the caller's weights, then the variables */
    bool *given;     /* of the step that is being made */
    uint64_t clock;
    stepper_step steps[STEPPER_STEPS];
} stepper;
#define STEPPER_NONE UINT32_MAX

ebb_status stepper_open(runtime *r, const char *text, const ebb_tensor_info *weights, size_t count,
                        uint64_t *id, ebb_error *error);
ebb_status stepper_apply(stepper *s, const ebb_view *values, const ebb_view *gradients,
                         ebb_error *error);
ebb_status stepper_variable_read(const stepper *s, uint32_t index, ebb_tensor_info *info,
                                 ebb_error *error);
ebb_status stepper_variable_transfer(stepper *s, uint32_t index, const ebb_view *view, bool is_set,
                                     ebb_error *error);

#endif
