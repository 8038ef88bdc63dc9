/* step_run.h -- training steps of a whole model by hand: the graph of a step on graph_run, its
 * variables, batches and results.
 *
 *     step_run *r = step_run_open(t, &d, &s, true, x, y, NULL);   for batches of these shapes
 *     step_run_weight(r, k, numbers); ...
 *     step_run_begin(r);                                          variables of training as at first
 *     step_run_step(r, x, y, NULL, results);
 *
 * Faults end the test. */
#ifndef EBB_TESTS_STEP_RUN_H
#define EBB_TESTS_STEP_RUN_H

#include "graph_run.h"

#include "train/step.h"

typedef struct step_run {
    train_step step;
    graph_run *graph;
} step_run;

/* A model's config.json, weights left out. */
description step_run_description(test *t, const json *model);
/* Of compile_config or training_config. */
settings step_run_settings(test *t, const description *d, const json *config);

/* x by input, y and sample_weight (NULL: none) by output of the model. */
step_run *step_run_open(test *t, const description *d, const settings *s, bool is_training,
                        const ebb_view *x, const ebb_view *y, const ebb_view *sample_weight);
/* The plain bytes of weight k of the model. */
void step_run_weight(step_run *r, uint32_t k, const void *bytes);
const void *step_run_weight_read(step_run *r, uint32_t k);
/* Variable k of step.emit. */
void step_run_variable(step_run *r, uint32_t k, const void *bytes);
const void *step_run_variable_read(step_run *r, uint32_t k);
/* Weights are set: all variables of training get their first values. */
void step_run_begin(step_run *r);
/* Weights, random stream and states become those of `from`; with_metrics: its sums, too. */
void step_run_take(step_run *r, step_run *from, bool with_metrics);
/* One batch; results[step.result_count]. */
void step_run_step(step_run *r, const ebb_view *x, const ebb_view *y, const ebb_view *sample_weight,
                   double *results);
/* The number of the result of that title; ends the test when there is none. */
uint32_t step_run_title(const step_run *r, const char *title);

#endif
