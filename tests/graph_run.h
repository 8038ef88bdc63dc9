/* graph_run.h -- a whole graph by hand: every node on the portable kernel of its op, then the
 * updates. What tests of emitters (losses, metrics, optimizers, gradients) are made of.
 *
 *     graph_run *r = graph_run_open(t, g);
 *     graph_run_variable(r, weight, numbers);
 *     graph_run_input(r, 0, x);
 *     graph_run_step(r);
 *     const float *loss = graph_run_value(r, g->outputs[0]);
 *
 * Lengths that the graph does not know are given when it is opened. No value shares memory with
 * another, nothing is folded: any value can be looked at after a step. Weights and variables that
 * were never set are zeros. All memory is in t->home; faults end the test.
 */
#ifndef EBB_TESTS_GRAPH_RUN_H
#define EBB_TESTS_GRAPH_RUN_H

#include "harness.h"

#include "graph/op.h"

typedef struct graph_run graph_run;

/* After the graph is finished. Checks graph_ok() and graph_verify(). */
graph_run *graph_run_open(test *t, graph *g);
/* The same with values of the free symbols, in order of creation. */
graph_run *graph_run_open_at(test *t, graph *g, const int64_t *symbols);
/* Sets the content of a variable or weight; copied. */
void graph_run_variable(graph_run *r, value variable, const void *data);
/* The bytes of input number `index`; borrowed. */
void graph_run_input(graph_run *r, uint32_t index, const void *data);
/* Runs all nodes, then writes the updates into the variables. */
void graph_run_step(graph_run *r);
/* After a step: any value; a variable as it is after its update. */
const void *graph_run_value(graph_run *r, value v);

#endif
