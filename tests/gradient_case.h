/* gradient_case.h -- a small graph of known lengths, its values, and its gradients: what tests of
 * gradients are made of.
 *
 *     gradient_case c = gradient_case_open(t->home, &seed);
 *     const value x = gradient_case_input(&c, 2, (int64_t[]){2, 3}, -1, 1);
 *     gradient_case_output(&c, op_unary(c.g, UNARY_TANH, x));
 *     gradient_case_check(&c, "tanh");            against finite differences
 */
#ifndef EBB_TESTS_GRADIENT_CASE_H
#define EBB_TESTS_GRADIENT_CASE_H

#include "kernel_case.h"

#define GRADIENT_INPUTS_MAX  16
#define GRADIENT_OUTPUTS_MAX 4

typedef struct gradient_case {
    graph *g;
    uint64_t *seed;
    case_tensor inputs[GRADIENT_INPUTS_MAX]; /* by number of the graph's input; seeds behind */
    uint32_t input_count;
    value outputs[GRADIENT_OUTPUTS_MAX];
    uint32_t output_count;
} gradient_case;

gradient_case gradient_case_open(region *home, uint64_t *seed);
/* F32 numbers in [low, high), no two the same or within a hundredth of a multiple of 1/4, where the
 * functions under test have their kinks. */
value gradient_case_input(gradient_case *c, uint32_t rank, const int64_t *dims, double low,
                          double high);
/* A given tensor, of any dtype. */
value gradient_case_given(gradient_case *c, const case_tensor *data);
void gradient_case_output(gradient_case *c, value y);

/* Values of `v`, in c->g->home. */
case_tensor gradient_case_value(const gradient_case *c, value v);
/* Gradients by every F32 input, for seeds that are random (NULL) or given, one an output;
 * VALUE_NONE for the others. Returns how many inputs there are. */
uint32_t gradient_case_gradients(gradient_case *c, const case_tensor *seeds, value *gradients);
/* Compares with central differences. A fault ends the test. */
void gradient_case_check(gradient_case *c, const char *name);

#endif
