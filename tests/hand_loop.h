/* hand_loop.h -- a training loop written by hand over ebb/gradient.h: what tests of passes, losses
 * and optimizers are made of.
 *
 *     hand_loop *l = hand_loop_open(t, runtime, model, "adam", "mse");
 *     hand_loop_step(t, l, &x, &y);
 *     hand_loop_close(t, l);
 *
 * Faults end the test. */
#ifndef EBB_TESTS_HAND_LOOP_H
#define EBB_TESTS_HAND_LOOP_H

#include "ebb/ebb.h"
#include "harness.h"

#define HAND_WEIGHTS 32
#define HAND_NUMBERS 8192

typedef struct hand_loop {
    ebb_runtime runtime;
    ebb_model model;
    ebb_optimizer optimizer;
    const char *loss;
    uint32_t weight_count, trained_count;
    uint32_t trained[HAND_WEIGHTS];   /* numbers of the weights that are trained */
    ebb_view values[HAND_WEIGHTS];    /* of those */
    ebb_view gradients[HAND_WEIGHTS]; /* the same */
    ebb_view wanted[HAND_WEIGHTS];    /* by weight of the model */
    float numbers[2 * HAND_NUMBERS], dy[HAND_NUMBERS];
} hand_loop;

/* In t->home. */
hand_loop *hand_loop_open(test *t, ebb_runtime runtime, ebb_model model, const char *optimizer,
                          const char *loss);
/* One batch: forwards in training, the loss of the one output, gradients, one step. */
void hand_loop_step(test *t, hand_loop *l, const ebb_view *x, const ebb_view *y);
void hand_loop_close(test *t, hand_loop *l);

/* Numbers between -1 and 1 that repeat in no short pattern. */
void hand_fill(float *numbers, size_t count, double seed);
uint64_t hand_count(const ebb_view *view);
/* The largest difference of all weights of two models, relative to 1 + the number. */
double hand_difference(test *t, ebb_model a, ebb_model b);
/* A pass of a model with one input. */
ebb_pass hand_pass(test *t, ebb_model model, const ebb_view *x, bool training);

#endif
