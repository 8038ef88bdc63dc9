/* course.h -- the digits and a model that is to be trained on them through the public API. */
#ifndef EBB_TESTS_COURSE_H
#define EBB_TESTS_COURSE_H

#include <pthread.h>
#include <stdatomic.h>

#include "digits.h"

typedef struct course {
    digits d;
    ebb_model model;
    int32_t labels[DIGITS_ROWS];
    ebb_view x, y;
    ebb_data data; /* all rows */
    ebb_batch batch;
    ebb_fit_options options; /* batches of 4; what a test adds */
    uint64_t idle, loaded;   /* bytes live without and with the model */
} course;

/* Loads digits_mlp. */
void course_open(test *t, course *c, const ebb_runtime_options *runtime);
/* Adam, with accuracy. */
ebb_status course_compile(const course *c, ebb_error *error);
ebb_status course_fit(const course *c, ebb_error *error);
ebb_status course_step(const course *c, ebb_error *error);
/* Not compiled, and nothing left of it. */
void course_uncompile(test *t, const course *c);
void course_unload(test *t, const course *c);
void course_close(test *t, course *c);

/* A fit in a thread of its own, that a gate can hold after a batch. */
typedef struct trainer {
    course c;
    ebb_callback callback;
    pthread_t thread;
    atomic_uint batches;
    atomic_bool is_closed, is_inside;
    ebb_status status;
} trainer;

void trainer_open(test *t, trainer *r);
/* Compiles, and begins a fit that only a cancel ends; it is in its first batches or at the gate. */
void trainer_start(test *t, trainer *r, bool is_closed);
/* Opens the gate; the fit was cancelled. */
void trainer_join(trainer *r);

#endif
