/* fake_engine.h -- an engine of a few lines for tests of fit: y = w . x + b, mean squared error,
 * plain SGD, in double; it notes what it was shown and can fail or be cancelled at a given step.
 *
 * Titles: "loss" of one batch, "mae" since the last reset. Targets are [rows] or [rows, 1], F32 or
 * integers; sample weights [rows] weigh the loss. */
#ifndef EBB_TESTS_FAKE_ENGINE_H
#define EBB_TESTS_FAKE_ENGINE_H

#include <stdatomic.h>

#include "harness.h"
#include "train/engine.h"

#define FAKE_WEIGHTS_MAX 8
#define FAKE_NOTES_MAX   4096

typedef struct fake_engine {
    engine base;
    uint32_t inputs; /* lengths of x; at most FAKE_WEIGHTS_MAX - 1 */
    /* what is saved */
    double weights[FAKE_WEIGHTS_MAX]; /* the last one is b */
    double averages[FAKE_WEIGHTS_MAX];
    double rate;
    uint64_t iterations;
    bool keeps_averages;
    /* metrics */
    double error_sum, error_rows;
    /* faults */
    int64_t train_fails_at, test_fails_at; /* calls until then; -1: never */
    bool rate_is_fixed;
    bool save_fails;
    atomic_bool is_cancelled;
    int64_t cancels_at; /* training calls until it is cancelled; -1: never */
    /* notes */
    uint64_t trained, tested, resets, finished, saved, swapped;
    uint32_t note_count;
    float notes[FAKE_NOTES_MAX];   /* x[0] of every row trained on, in order */
    float weighed[FAKE_NOTES_MAX]; /* its sample weight, NAN: none */
    const void *last_x;            /* memory of the last batch */
    uint64_t last_rows, last_tested_rows;
    char last_saved[512];
    char log[2048];
    log_sink sink;
} fake_engine;

/* Weights 0, rate 0.1. Home is a region of its own in t->home, closed with it. */
void fake_engine_open(test *t, fake_engine *f, uint32_t inputs);

#endif
