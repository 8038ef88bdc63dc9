/* training_threads_test.c -- training and other threads: cancel, unload, a second fit, everything
 * at once. Nothing tears, nothing is left. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "course.h"
#include "temporary.h"

static void sleep_ms(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static bool ignore_text(void *context, const char *text, size_t length)
{
    (void)context;
    return text != NULL && length > 0;
}

/* -- cancel ------------------------------------------------------------------------------------ */

TEST(another_thread_cancels_a_fit)
{
    static trainer r;

    trainer_open(t, &r);
    CHECK_STATUS(ebb_model_cancel(r.c.model), EBB_E_STATE);
    CHECK_OK(course_compile(&r.c, &t->error));
    CHECK_OK(ebb_model_history_write(r.c.model, ignore_text, NULL, &t->error)); /* of no fit yet */
    for (int i = 0; i < 10; i++) {
        trainer_start(t, &r, false);
        CHECK_OK(ebb_model_cancel(r.c.model));
        trainer_join(&r);
        CHECK_STATUS(ebb_model_cancel(r.c.model), EBB_E_STATE);
        CHECK_OK(course_step(&r.c, &t->error)); /* the cancel was for the other call */
        course_uncompile(t, &r.c);
    }
    course_close(t, &r.c);
}

/* -- unload ------------------------------------------------------------------------------------ */

TEST(an_unload_waits_for_a_fit_or_gives_up)
{
    static trainer r;
    ebb_unload_options options = EBB_UNLOAD_OPTIONS_INIT;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    trainer_open(t, &r);
    trainer_start(t, &r, true);
    options.deadline_ns = 3000000;
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(ebb_model_unload(r.c.model, &options, NULL, &t->error), EBB_E_BUSY);
        CHECK(ebb_model_alive(r.c.model));
        CHECK_OK(digits_predict(&r.c.d, r.c.model, DIGITS_ROWS, y, &t->error));
    }
    CHECK_OK(ebb_model_cancel(r.c.model));
    atomic_store(&r.is_closed, false);
    CHECK_OK(ebb_model_unload(r.c.model, NULL, NULL, &t->error));
    CHECK_EQ(digits_live(&r.c.d), r.c.idle); /* with all of training */
    trainer_join(&r);
    digits_close(t, &r.c.d);
}

static void *unload_on(void *context)
{
    const trainer *r = context;

    return ebb_model_unload(r->c.model, NULL, NULL, NULL) == EBB_OK ? NULL : context;
}

TEST(a_fit_is_cancelled_that_an_unload_waits_for)
{
    static trainer r;
    pthread_t unloader;
    void *fault = NULL;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    for (int i = 0; i < 5; i++) {
        trainer_open(t, &r);
        trainer_start(t, &r, false);
        CHECK_EQ(pthread_create(&unloader, NULL, unload_on, &r), 0);
        while (ebb_model_alive(r.c.model)) sleep_ms(1);
        CHECK_STATUS(digits_predict(&r.c.d, r.c.model, DIGITS_ROWS, y, &t->error), EBB_E_STALE);
        CHECK_OK(ebb_model_cancel(r.c.model));
        CHECK_EQ(pthread_join(unloader, &fault), 0);
        CHECK(fault == NULL);
        CHECK_STATUS(ebb_model_cancel(r.c.model), EBB_E_STALE);
        CHECK_EQ(digits_live(&r.c.d), r.c.idle);
        trainer_join(&r);
        digits_close(t, &r.c.d);
    }
}

TEST(a_runtime_closes_after_a_fit)
{
    static trainer r;
    ebb_receipt receipt;

    trainer_open(t, &r);
    trainer_start(t, &r, true);
    CHECK_OK(ebb_model_cancel(r.c.model));
    atomic_store(&r.is_closed, false);
    CHECK_OK(ebb_runtime_close(r.c.d.runtime, &receipt));
    CHECK_EQ(receipt.bytes_kept, 0);
    trainer_join(&r);
}

/* -- two at once ------------------------------------------------------------------------------- */

TEST(one_trains_at_a_time_and_others_look)
{
    static trainer r;
    temporary folder;
    double rate = 0;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_model copy;

    trainer_open(t, &r);
    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x.keras");
    trainer_start(t, &r, true);
    const ebb_model model = r.c.model;
    for (int i = 0; i < 2; i++) { /* what is refused stays refused */
        CHECK_STATUS(course_fit(&r.c, &t->error), EBB_E_BUSY);
        CHECK_CONTAINS(t->error.text, "another call");
        CHECK_STATUS(course_step(&r.c, &t->error), EBB_E_BUSY);
        CHECK_STATUS(ebb_model_evaluate(model, &r.c.data, NULL, NULL, NULL, &t->error), EBB_E_BUSY);
        CHECK_STATUS(course_compile(&r.c, &t->error), EBB_E_BUSY);
        CHECK_STATUS(ebb_model_uncompile(model, NULL, &t->error), EBB_E_BUSY);
        CHECK_STATUS(ebb_model_history_write(model, ignore_text, NULL, &t->error), EBB_E_BUSY);
        CHECK(!ebb_model_history(model, 0, NULL, NULL, NULL));
    }
    CHECK(ebb_model_compiled(model));
    CHECK_OK(digits_predict(&r.c.d, model, DIGITS_ROWS, y, &t->error));
    CHECK_OK(ebb_model_learning_rate(model, &rate, &t->error));
    CHECK_OK(ebb_model_learning_rate_set(model, 1e-4, &t->error));
    CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
    CHECK_OK(ebb_model_clone(model, NULL, &copy, &t->error));
    CHECK_OK(ebb_model_weights_copy(copy, model, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(copy, NULL, NULL, &t->error));
    CHECK_TEXT(ebb_model_metric(model, 0), "loss");
    CHECK_OK(ebb_model_cancel(model));
    trainer_join(&r);
    CHECK_OK(ebb_model_history_write(model, ignore_text, NULL, &t->error));
    temporary_close(&folder);
    course_close(t, &r.c);
}

/* -- everything at once ------------------------------------------------------------------------ */

#define RACERS  4
#define RACE_MS 1500
#define RACE_PATIENCE 6000 /* times 10 ms, until everybody had some turns on a busy machine */

typedef struct race {
    course c;
    temporary folder;
    atomic_bool stop;
    atomic_uint faults, rounds[RACERS];
    ebb_model other;
} race;

/* What a call beside others may say. */
static void expect(race *r, const char *what, ebb_status status)
{
    if (status == EBB_OK || status == EBB_E_BUSY || status == EBB_E_STATE ||
        status == EBB_E_CANCELLED || status == EBB_E_STALE)
        return;
    fprintf(stderr, "%s: %s\n", what, ebb_status_name(status));
    atomic_fetch_add(&r->faults, 1);
}

static void *race_train(void *context)
{
    race *r = context;
    course c = r->c;
    ebb_callback stopping = {"EarlyStopping", "{\"restore_best_weights\": true}", NULL, NULL};

    c.options.epochs = 3;
    c.options.validation_split = 0.25;
    c.options.callbacks = &stopping;
    c.options.callback_count = 1;
    for (; !atomic_load(&r->stop); atomic_fetch_add(&r->rounds[0], 1)) {
        expect(r, "compile", course_compile(&c, NULL));
        expect(r, "fit", course_fit(&c, NULL));
        expect(r, "step", course_step(&c, NULL));
        expect(r, "evaluate", ebb_model_evaluate(c.model, &c.data, NULL, NULL, NULL, NULL));
        if (atomic_load(&r->rounds[0]) % 3 == 2)
            expect(r, "uncompile", ebb_model_uncompile(c.model, NULL, NULL));
    }
    return NULL;
}

static void *race_predict(void *context)
{
    race *r = context;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    for (; !atomic_load(&r->stop); atomic_fetch_add(&r->rounds[1], 1)) {
        const ebb_status status = digits_predict(&r->c.d, r->c.model, DIGITS_ROWS, y, NULL);
        expect(r, "predict", status);
        for (int i = 0; i < DIGITS_ROWS && status == EBB_OK; i++) {
            float sum = 0;
            for (int k = 0; k < DIGITS_CLASSES; k++) sum += y[i * DIGITS_CLASSES + k];
            if (!(sum > 0.999f && sum < 1.001f)) expect(r, "a sum", EBB_E_INTERNAL);
        }
    }
    return NULL;
}

static void *race_read(void *context)
{
    race *r = context;
    const ebb_model model = r->c.model;
    const path_text path = temporary_path(&r->folder, "x.keras");
    float bias[DIGITS_CLASSES];
    const ebb_view view = {EBB_F32, 1, {DIGITS_CLASSES}, bias};
    const double *values;
    ebb_memory memory;
    double rate;

    for (; !atomic_load(&r->stop); atomic_fetch_add(&r->rounds[2], 1)) {
        expect(r, "save", ebb_model_save(model, path.text, NULL, NULL));
        expect(r, "history", ebb_model_history_write(model, ignore_text, NULL, NULL));
        (void)ebb_model_history(model, 0, NULL, &values, NULL);
        expect(r, "rate", ebb_model_learning_rate(model, &rate, NULL));
        expect(r, "get", ebb_model_weight_get(model, 3, &view, NULL));
        (void)ebb_model_metric(model, 0);
        (void)ebb_model_compiled(model);
        expect(r, "memory", ebb_model_memory_read(model, &memory));
    }
    return NULL;
}

static void *race_write(void *context)
{
    race *r = context;
    const ebb_model model = r->c.model;
    float bias[DIGITS_CLASSES] = {0};
    const ebb_view view = {EBB_F32, 1, {DIGITS_CLASSES}, bias};

    for (uint32_t i = 0; !atomic_load(&r->stop); i++, atomic_fetch_add(&r->rounds[3], 1)) {
        expect(r, "set", ebb_model_weight_set(model, 3, &view, NULL));
        expect(r, "set rate", ebb_model_learning_rate_set(model, 1e-3, NULL));
        expect(r, "copy", ebb_model_weights_copy(r->other, model, NULL, NULL, NULL));
        expect(r, "trainable", ebb_model_trainable_set(model, "", i % 2 == 0, NULL));
        if (i % 16 == 3) expect(r, "cancel", ebb_model_cancel(model));
        if (i % 16 == 9) expect(r, "compile", course_compile(&r->c, NULL));
        if (i % 32 == 25) expect(r, "uncompile", ebb_model_uncompile(model, NULL, NULL));
        if (i % 16 == 13) expect(r, "step", course_step(&r->c, NULL));
    }
    return NULL;
}

static void race_run(test *t, race *r, bool unloads)
{
    void *(*const bodies[RACERS])(void *) = {race_train, race_predict, race_read, race_write};
    pthread_t threads[RACERS];

    for (int i = 0; i < RACERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, bodies[i], r), 0);
    sleep_ms(unloads ? 40 : RACE_MS);
    for (int i = 0; i < RACERS && !unloads; i++) {
        for (int k = 0; k < RACE_PATIENCE && atomic_load(&r->rounds[i]) <= 3; k++) sleep_ms(10);
    }
    if (unloads) CHECK_OK(ebb_model_unload(r->c.model, NULL, NULL, &t->error));
    atomic_store(&r->stop, true);
    for (int i = 0; i < RACERS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(atomic_load(&r->faults), 0);
    for (int i = 0; i < RACERS && !unloads; i++) CHECK(atomic_load(&r->rounds[i]) > 3);
}

TEST(everything_at_once_leaves_nothing)
{
    static race r;

    r = (race){0};
    course_open(t, &r.c, NULL);
    temporary_open(&r.folder);
    CHECK_OK(ebb_model_trainable_set(r.c.model, "", true, &t->error)); /* takes a page, once */
    r.c.loaded = digits_live(&r.c.d);
    CHECK_OK(ebb_model_load(r.c.d.runtime, digits_mlp, NULL, &r.other, &t->error));
    race_run(t, &r, false);
    CHECK_OK(ebb_model_unload(r.other, NULL, NULL, &t->error));
    temporary_close(&r.folder);
    course_close(t, &r.c);
}

TEST(a_model_goes_while_everything_happens)
{
    static race r;

    for (int i = 0; i < 10; i++) {
        r = (race){0};
        course_open(t, &r.c, NULL);
        temporary_open(&r.folder);
        CHECK_OK(ebb_model_load(r.c.d.runtime, digits_mlp, NULL, &r.other, &t->error));
        race_run(t, &r, true);
        CHECK_OK(ebb_model_unload(r.other, NULL, NULL, &t->error));
        CHECK_EQ(digits_live(&r.c.d), r.c.idle);
        temporary_close(&r.folder);
        digits_close(t, &r.c.d);
    }
}

TEST_MAIN(RUN(another_thread_cancels_a_fit), RUN(an_unload_waits_for_a_fit_or_gives_up),
          RUN(a_fit_is_cancelled_that_an_unload_waits_for), RUN(a_runtime_closes_after_a_fit),
          RUN(one_trains_at_a_time_and_others_look), RUN(everything_at_once_leaves_nothing),
          RUN(a_model_goes_while_everything_happens))
