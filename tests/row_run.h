/* row_run.h -- one kernel row by hand: planned for a chosen device, weight form and thread
 * count, opened with one lane.
 *
 * kernel_case_run() does all of it at once; this is for tests that look in between, or that keep
 * a row open. Everything is allocated in the graph's region.
 */
#ifndef EBB_TESTS_ROW_RUN_H
#define EBB_TESTS_ROW_RUN_H

#include "harness.h"
#include "kernel_case.h"

/* Inputs of matmul, conv and conv_transpose. */
enum { INPUT_WEIGHTS = 1, INPUT_BIAS, INPUT_RESIDUAL, INPUT_SCALE, INPUT_COUNT };
#define ROW_INPUTS_MAX 12

typedef struct row_run {
    const kernel_def *row;
    kernel_plan plan;
    tensor_desc inputs[ROW_INPUTS_MAX], outputs[OP_OUTPUTS_MAX];
    void *in[ROW_INPUTS_MAX], *out[OP_OUTPUTS_MAX];
    kernel_call call;
} row_run;

/* Zeroed memory; faults end the test. */
void *row_run_zeros(region *home, uint64_t bytes);

/* Plans node 0 of g. Input 1 is a weight if `is_weight`, decided as `form` unless that is NULL;
 * a form that the row chooses is in r->plan. `inputs` has as many items as the node. False:
 * refused. */
bool row_run_plan(row_run *r, const kernel_def *row, const device *d, const graph *g,
                  const case_tensor *inputs, bool is_weight, const weight_form *form,
                  uint32_t threads);
/* Packs the weight, opens and binds; outputs are filled with garbage. */
void row_run_open(row_run *r);
void row_run_close(row_run *r);
case_tensor row_run_result(const row_run *r, uint32_t output);

/* -- against another row ----------------------------------------------------------------------- */

typedef struct row_check {
    const kernel_def *row, *portable;
    bool is_weight;       /* input 1, for `row` */
    uint32_t threads_max; /* 1 to this many */
    double tolerance;
    void (*also)(row_run *r, const char *name); /* after outputs were compared, once */
} row_check;

/* Runs `row` on every instruction set this machine has; the portable row gives what is expected.
 * How often the row said yes. */
uint32_t row_check_run(const row_check *c, const graph *g, const case_tensor *inputs);
/* Did enough rounds reach fast code, so that a test cannot pass by refusals alone? Always true on
 * machines that have none. *taken becomes 0. */
void row_check_taken(uint32_t *taken, uint32_t least);

/* -- making random nodes
 * ------------------------------------------------------------------------ */

int64_t test_between(uint64_t *seed, int64_t low, int64_t high);
/* Bias, residual and scale for a result of dims y, each there or not. */
void test_any_epilogue(region *home, case_tensor *inputs, uint32_t rank, const int64_t *y,
                       uint64_t *seed);
/* A region for one round, so that memory does not add up. */
region *test_round_home(test *t);
/* The dims of a convolution's result. */
void test_conv_dims(const conv_attributes *a, const int64_t *x, const int64_t *kernel,
                    int64_t filters, int64_t *y);

#endif
