/* fit_test.c -- the loops of fit and evaluate over a fake engine: History by Keras's formulas,
 * order of events, stopping, cancelling, faults, and nothing left behind. */
#include "train/fit.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake_engine.h"
#include "temporary.h"

#define ROWS 10

typedef struct run {
    fake_engine engine;
    float x[ROWS][1], y[ROWS], w[ROWS];
    ebb_view views[3];
    ebb_data data;
    ebb_fit_options options;
    history history;
    char events[4096];
    int32_t stops_in; /* events until the function says stop; -1: never */
    uint32_t given;   /* batches of give_once() */
} run;

static void run_open(test *t, run *r)
{
    *r = (run){.stops_in = -1};
    fake_engine_open(t, &r->engine, 1);
    for (int i = 0; i < ROWS; i++) {
        r->x[i][0] = (float)i / 10;
        r->y[i] = 0.5f * (float)i / 10 + 1;
        r->w[i] = i < 5 ? 1 : 2;
    }
    r->views[0] = (ebb_view){EBB_F32, 2, {ROWS, 1}, r->x};
    r->views[1] = (ebb_view){EBB_F32, 1, {ROWS}, r->y};
    r->views[2] = (ebb_view){EBB_F32, 1, {ROWS}, r->w};
    r->data = (ebb_data){.x = {&r->views[0], 1}, .y = {&r->views[1], 1}};
    r->options = (ebb_fit_options)EBB_FIT_OPTIONS_INIT;
    r->options.no_shuffle = true;
    r->options.batch_size = 4;
    r->history.home = region_open(t->home, "history", EBB_CLASS_META, 0);
    CHECK(r->history.home != NULL);
}

static ebb_status fit_of(test *t, run *r)
{
    const uint64_t before = region_bytes_live(r->engine.base.home);
    const ebb_status status =
        fit_run(&r->engine.base, &r->data, &r->options, &r->history, &t->error);

    CHECK_EQ(region_bytes_live(r->engine.base.home), before);
    CHECK_EQ(ledger_threads(t->ledger), 0);
    CHECK_EQ(ledger_descriptors(t->ledger), 0);
    return status;
}

static const double *values_of(const history *h, const char *name)
{
    for (uint32_t i = 0; i < h->name_count; i++) {
        if (strcmp(h->names[i], name) == 0) return h->values[i];
    }
    return NULL;
}

static const char *names_of(const history *h, char text[256])
{
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < h->name_count; i++)
        used += (size_t)snprintf(text + used, 256 - used, "%s%s", i > 0 ? "," : "", h->names[i]);
    return text;
}

/* -- History ----------------------------------------------------------------------------------- */

/* Plain SGD on w and b, in double, with losses as Keras's Mean tracks them in float32. */
static void reference(const run *r, uint32_t epochs, double *losses)
{
    double w = 0, b = 0;

    for (uint32_t epoch = 0; epoch < epochs; epoch++) {
        float total = 0, count = 0;

        for (int first = 0; first < ROWS; first += 4) {
            const int rows = ROWS - first < 4 ? ROWS - first : 4;
            double gw = 0, gb = 0, loss = 0;

            for (int i = first; i < first + rows; i++) {
                const double d = w * (double)r->x[i][0] + b - (double)r->y[i];

                loss += d * d / rows;
                gw += 2 * d * (double)r->x[i][0] / rows;
                gb += 2 * d / rows;
            }
            total += (float)loss * (float)rows;
            count += (float)rows;
            w -= 0.1 * gw;
            b -= 0.1 * gb;
        }
        losses[epoch] = (double)(total / count);
    }
}

TEST(losses_are_means_over_rows)
{
    run r;
    double expected[5];
    char names[256];

    run_open(t, &r);
    r.options.epochs = 5;
    CHECK_OK(fit_of(t, &r));
    CHECK_TEXT(names_of(&r.history, names), "loss,mae");
    CHECK_EQ(r.history.epoch_count, 5);
    reference(&r, 5, expected);
    for (int i = 0; i < 5; i++) CHECK_NEAR(values_of(&r.history, "loss")[i], expected[i], 1e-7);
    CHECK_EQ(r.engine.trained, 15);
    CHECK_EQ(r.engine.resets, 5);
    CHECK_EQ(r.engine.finished, 1);
    for (int i = 0; i < ROWS; i++) CHECK_NEAR(r.engine.notes[i], (float)i / 10, 0);
}

TEST(validation_comes_from_the_end)
{
    run r;
    char names[256];
    double alone[2];

    run_open(t, &r);
    r.options.epochs = 4;
    r.options.validation_split = 0.3;
    r.options.validation_freq = 2;
    r.options.no_shuffle = false;
    CHECK_OK(fit_of(t, &r));
    CHECK_TEXT(names_of(&r.history, names), "loss,mae,val_loss,val_mae");
    CHECK_EQ(r.engine.note_count, 28);
    for (uint32_t i = 0; i < r.engine.note_count; i++) CHECK(r.engine.notes[i] < 0.65f);
    CHECK_EQ(r.engine.tested, 2);
    CHECK_EQ(r.engine.last_tested_rows, 3);
    CHECK(isnan(values_of(&r.history, "val_loss")[0]));
    CHECK(!r.history.is_given[2][0] && r.history.is_given[2][1]);
    /* the last evaluation again */
    r.views[0].data = r.x[7];
    r.views[1].data = r.y + 7;
    r.views[0].dims[0] = r.views[1].dims[0] = 3;
    CHECK_OK(evaluate_run(&r.engine.base, &r.data, NULL, alone, &t->error));
    CHECK_NEAR(alone[0], values_of(&r.history, "val_loss")[3], 0);
    CHECK_NEAR(alone[1], values_of(&r.history, "val_mae")[3], 0);
}

TEST(validation_data_and_steps)
{
    run r;
    ebb_data validation;

    run_open(t, &r);
    validation = r.data;
    r.options.epochs = 2;
    r.options.validation = &validation;
    r.options.validation_batch_size = 2;
    r.options.validation_steps = 3;
    r.options.validation_split = 0.5; /* validation data come first */
    CHECK_OK(fit_of(t, &r));
    CHECK_EQ(r.engine.trained, 6);
    CHECK_EQ(r.engine.tested, 6);
}

TEST(steps_and_initial_epochs)
{
    run r;

    run_open(t, &r);
    r.options.epochs = 5;
    r.options.initial_epoch = 2;
    r.options.steps_per_epoch = 2;
    r.options.batch_size = 2;
    CHECK_OK(fit_of(t, &r));
    CHECK_EQ(r.history.epoch_count, 3);
    CHECK_EQ(r.history.epochs[0], 2);
    CHECK_EQ(r.history.epochs[2], 4);
    CHECK_EQ(r.engine.trained, 5); /* the third epoch is cut short by the end of the data */
    CHECK_NEAR(r.engine.notes[4], 0.4, 1e-6);
    CHECK_CONTAINS(r.engine.log, "after 1 of 2 steps");
    r.options.initial_epoch = 9;
    r.history.epoch_count = 0;
    CHECK_OK(fit_of(t, &r));
    CHECK_EQ(r.history.epoch_count, 0);
    CHECK_EQ(r.engine.finished, 2);
}

TEST(weights_reach_the_steps)
{
    run r;

    run_open(t, &r);
    r.data.sample_weight = (ebb_views){&r.views[2], 1};
    r.options.validation_split = 0.2;
    CHECK_OK(fit_of(t, &r));
    for (int i = 0; i < 8; i++) CHECK_NEAR(r.engine.weighed[i], r.w[i], 0);
    for (int i = 0; i < ROWS; i++) r.y[i] = (float)(i % 2);
    r.engine.note_count = 0;
    r.options.class_weight = "{\"1\": 3}";
    CHECK_OK(fit_of(t, &r));
    for (int i = 0; i < 8; i++)
        CHECK_NEAR(r.engine.weighed[i], i % 2 == 1 ? 3 * r.w[i] : r.w[i], 0);
}

TEST(equal_seeds_give_equal_runs)
{
    run a, b, c;

    run_open(t, &a);
    run_open(t, &b);
    run_open(t, &c);
    a.options.no_shuffle = b.options.no_shuffle = c.options.no_shuffle = false;
    a.options.epochs = b.options.epochs = c.options.epochs = 3;
    a.options.seed = b.options.seed = 4;
    c.options.seed = 5;
    CHECK_OK(fit_of(t, &a));
    CHECK_OK(fit_of(t, &b));
    CHECK_OK(fit_of(t, &c));
    CHECK_EQ(memcmp(a.engine.notes, b.engine.notes, 30 * sizeof(float)), 0);
    CHECK(memcmp(a.engine.notes, c.engine.notes, 30 * sizeof(float)) != 0);
    CHECK_EQ(memcmp(a.engine.weights, b.engine.weights, sizeof a.engine.weights), 0);
}

static bool collect(void *context, const char *text, size_t length)
{
    char *all = context;

    strncat(all, text, length);
    return strlen(all) < 900;
}

static bool refuse(void *context, const char *text, size_t length)
{
    (void)context;
    (void)text;
    (void)length;
    return false;
}

TEST(history_as_text)
{
    run r;
    char text[1024] = "";

    run_open(t, &r);
    for (int i = 0; i < ROWS; i++) r.y[i] = r.x[i][0] = 0;
    r.options.epochs = 2;
    r.options.validation_split = 0.5;
    r.options.validation_freq = 2;
    CHECK_OK(fit_of(t, &r));
    CHECK_OK(history_write(&r.history, collect, text, &t->error));
    CHECK_TEXT(text, "{\"epoch\": [0, 1], \"history\": {\"loss\": [0.0, 0.0], \"mae\": [0.0, 0.0], "
                     "\"val_loss\": [0.0], \"val_mae\": [0.0]}}\n");
    CHECK_STATUS(history_write(&r.history, refuse, NULL, &t->error), EBB_E_CANCELLED);
}

TEST(long_histories)
{
    run r;

    run_open(t, &r);
    r.options.epochs = 300;
    r.options.batch_size = 10;
    CHECK_OK(fit_of(t, &r));
    CHECK_EQ(r.history.epoch_count, 300);
    for (int i = 1; i < 300; i++) {
        CHECK_EQ(r.history.epochs[i], i);
        CHECK(values_of(&r.history, "loss")[i] <= values_of(&r.history, "loss")[i - 1]);
    }
}

/* -- events ------------------------------------------------------------------------------------ */

static bool note(void *context, const ebb_training_event *e)
{
    static const char *const names[] = {"train(", ")train", "epoch(", ")epoch", "b(",
                                        ")b",     "test(",  ")test",  "t(",     ")t"};
    run *r = context;
    size_t used = strlen(r->events);

    used += (size_t)snprintf(r->events + used, sizeof r->events - used, "%s%s", used > 0 ? " " : "",
                             names[e->moment]);
    if (e->moment == EBB_EPOCH_END) {
        for (size_t i = 0; i < e->log_count; i++)
            used +=
                (size_t)snprintf(r->events + used, sizeof r->events - used, ":%s", e->logs[i].name);
    }
    if (e->moment == EBB_BATCH_END) {
        CHECK_EQ(e->steps, 2);
        CHECK_EQ(e->log_count, 2);
        CHECK_TEXT(e->logs[0].name, "loss");
    }
    return r->stops_in < 0 || r->stops_in-- > 0;
}

TEST(events_in_order)
{
    run r;
    ebb_callback callbacks[] = {{.name = "LearningRateScheduler", .config = "{\"values\": [0.5]}"},
                                {.function = note, .context = &r}};

    run_open(t, &r);
    r.options.epochs = 1;
    r.options.validation_split = 0.3;
    r.options.callbacks = callbacks;
    r.options.callback_count = 2;
    CHECK_OK(fit_of(t, &r));
    CHECK_TEXT(r.events, "train( epoch( b( )b b( )b test( t( )t )test "
                         ")epoch:loss:mae:val_loss:val_mae:learning_rate )train");
    char names[256];
    CHECK_TEXT(names_of(&r.history, names), "loss,mae,val_loss,val_mae,learning_rate");
    CHECK_NEAR(values_of(&r.history, "learning_rate")[0], 0.5, 0);
    r.events[0] = '\0';
    double results[2];
    ebb_evaluate_options o = EBB_EVALUATE_OPTIONS_INIT;
    o.batch_size = 5;
    o.callbacks = callbacks + 1;
    o.callback_count = 1;
    CHECK_OK(evaluate_run(&r.engine.base, &r.data, &o, results, &t->error));
    CHECK_TEXT(r.events, "test( t( )t t( )t )test");
}

TEST(a_function_stops_training)
{
    run r;
    ebb_callback callback = {.function = note, .context = &r};

    run_open(t, &r);
    r.options.epochs = 3;
    r.options.batch_size = 5;
    r.options.callbacks = &callback;
    r.options.callback_count = 1;
    r.stops_in = 3; /* the end of the first batch */
    CHECK_OK(fit_of(t, &r));
    CHECK_TEXT(r.events, "train( epoch( b( )b )epoch:loss:mae )train");
    CHECK_EQ(r.engine.trained, 1);
    CHECK_EQ(r.history.epoch_count, 1);
    r.events[0] = '\0';
    r.stops_in = 6; /* the end of an epoch */
    r.history.epoch_count = 0;
    CHECK_OK(fit_of(t, &r));
    CHECK_TEXT(r.events, "train( epoch( b( )b b( )b )epoch:loss:mae )train");
}

TEST(early_stopping_restores_weights)
{
    run r;
    ebb_callback callback = {
        .name = "EarlyStopping",
        .config = "{\"monitor\": \"loss\", \"patience\": 2, \"restore_best_weights\": true}"};

    run_open(t, &r);
    r.engine.rate = 3; /* diverges from the first step on */
    r.options.epochs = 20;
    r.options.callbacks = &callback;
    r.options.callback_count = 1;
    CHECK_OK(fit_of(t, &r));
    CHECK_EQ(r.history.epoch_count, 3);
    run first;
    run_open(t, &first);
    first.engine.rate = 3;
    CHECK_OK(fit_of(t, &first));
    CHECK_EQ(memcmp(first.engine.weights, r.engine.weights, sizeof r.engine.weights), 0);
}

TEST(averages_end_up_in_the_weights)
{
    run plain, swapped;
    ebb_callback callback = {.name = "SwapEMAWeights", .config = "{\"swap_on_epoch\": true}"};

    run_open(t, &plain);
    run_open(t, &swapped);
    plain.engine.keeps_averages = swapped.engine.keeps_averages = true;
    plain.options.epochs = swapped.options.epochs = 3;
    swapped.options.callbacks = &callback;
    swapped.options.callback_count = 1;
    CHECK_OK(fit_of(t, &plain));
    CHECK_OK(fit_of(t, &swapped));
    CHECK_EQ(memcmp(plain.engine.weights, swapped.engine.weights, sizeof plain.engine.weights), 0);
    CHECK(swapped.engine.swapped >= 5);
}

/* -- cancelling and faults --------------------------------------------------------------------- */

TEST(cancelled_after_a_whole_step)
{
    run r;
    ebb_callback callback = {.function = note, .context = &r};

    run_open(t, &r);
    r.options.epochs = 3;
    r.options.batch_size = 5;
    r.options.callbacks = &callback;
    r.options.callback_count = 1;
    r.engine.cancels_at = 2;
    CHECK_STATUS(fit_of(t, &r), EBB_E_CANCELLED);
    CHECK_EQ(r.engine.trained, 3);
    CHECK_EQ(r.history.epoch_count, 1);
    CHECK_EQ(r.engine.finished, 0);
    CHECK(strstr(r.events, ")train") == NULL);
}

static void *cancel_soon(void *context)
{
    run *r = context;

    usleep(20000);
    atomic_store(&r->engine.is_cancelled, true);
    return NULL;
}

TEST(cancelled_from_another_thread)
{
    run r;
    pthread_t thread;

    run_open(t, &r);
    r.options.epochs = UINT32_MAX;
    r.options.callbacks = NULL;
    CHECK_EQ(pthread_create(&thread, NULL, cancel_soon, &r), 0);
    CHECK_STATUS(fit_run(&r.engine.base, &r.data, &r.options, &r.history, &t->error),
                 EBB_E_CANCELLED);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(r.engine.trained > 0);
}

TEST(errors_end_training)
{
    run r;
    double results[2];

    run_open(t, &r);
    r.options.epochs = 3;
    r.engine.train_fails_at = 4;
    CHECK_STATUS(fit_of(t, &r), EBB_E_SHAPE);
    CHECK_TEXT(t->error.text, "this step fails");
    CHECK_EQ(r.history.epoch_count, 1);
    CHECK_EQ(r.engine.finished, 0);
    r.engine.train_fails_at = -1;
    r.engine.test_fails_at = 0;
    r.options.validation_split = 0.5;
    CHECK_STATUS(fit_of(t, &r), EBB_E_SHAPE);
    r.engine.test_fails_at = 1;
    CHECK_STATUS(evaluate_run(&r.engine.base, &r.data, &(ebb_evaluate_options){.batch_size = 5},
                              results, &t->error),
                 EBB_E_SHAPE);
}

/* Told after which epochs, and nothing for epochs that are not. */
TEST(validation_after_chosen_epochs)
{
    static const uint32_t chosen[] = {0, 3, 9};
    run r;

    run_open(t, &r);
    r.options.validation_split = 0.4;
    r.options.epochs = 4;
    r.options.validation_epochs = chosen;
    r.options.validation_epoch_count = 3;
    CHECK_OK(fit_of(t, &r));
    for (uint32_t i = 0; i < r.history.name_count; i++) {
        const bool is_validation = strncmp(r.history.names[i], "val_", 4) == 0;
        for (uint32_t epoch = 0; epoch < 4; epoch++)
            CHECK_EQ(r.history.is_given[i][epoch], !is_validation || epoch == 0 || epoch == 3);
    }
}

/* One pass of two batches, then nothing. */
static ebb_status give_once(void *context, bool restart, ebb_batch *batch, ebb_error *error)
{
    run *r = context;

    (void)restart;
    (void)error;
    if (r->given == 2) return EBB_E_NOT_FOUND;
    r->given++;
    *batch = (ebb_batch){.x = {&r->views[0], 1}, .y = {&r->views[1], 1}};
    return EBB_OK;
}

TEST(an_epoch_without_batches_has_no_results)
{
    run r;

    run_open(t, &r);
    r.data = (ebb_data){.next = give_once, .context = &r};
    r.options.epochs = 3;
    CHECK_STATUS(fit_of(t, &r), EBB_E_ARGUMENT);
    CHECK_EQ(r.engine.trained, 2);
    r.given = 0;
    r.data.may_be_empty = true;
    CHECK_OK(fit_of(t, &r));
    CHECK_EQ(r.engine.trained, 4);
    CHECK_EQ(r.history.epoch_count, 4); /* one of the first call */
    CHECK(r.history.is_given[0][1] && !r.history.is_given[0][2] && !r.history.is_given[0][3]);
}

TEST(faults_of_options)
{
    run r;

    run_open(t, &r);
    r.options.validation_split = 1;
    CHECK_STATUS(fit_of(t, &r), EBB_E_ARGUMENT);
    r.options.validation_split = (double)NAN;
    CHECK_STATUS(fit_of(t, &r), EBB_E_ARGUMENT);
    r.options.validation_split = 0.99;
    CHECK_STATUS(fit_of(t, &r), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "too few to be split");
    r.options.validation_split = 0;
    r.options.callback_count = 1;
    CHECK_STATUS(fit_of(t, &r), EBB_E_ARGUMENT);
    r.options.callback_count = 0;
    r.options.class_weight = "nonsense";
    CHECK_STATUS(fit_of(t, &r), EBB_E_FORMAT);
    CHECK_STATUS(fit_run(&r.engine.base, NULL, NULL, &r.history, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(evaluate_run(&r.engine.base, NULL, NULL, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(r.engine.trained, 0);
}

/* Everything at once, from files, each allocation failing in turn. */
TEST(nothing_stays_after_a_failed_allocation)
{
    run r;
    temporary d;
    static const ebb_callback callbacks[] = {
        {.name = "EarlyStopping", .config = "{\"restore_best_weights\": true}"},
        {.name = "ReduceLROnPlateau"}};

    temporary_open(&d);
    run_open(t, &r);
    const path_text x = temporary_path(&d, "x.npy"), y = temporary_path(&d, "y.npy");
    const char *const xs[] = {x.text}, *const ys[] = {y.text};
    npy_write(x.text, &r.views[0]);
    npy_write(y.text, &r.views[1]);
    r.data = (ebb_data){.x_files = xs, .y_files = ys};
    r.options.epochs = 2;
    r.options.validation_split = 0.3;
    r.options.class_weight = "{\"1\": 2}";
    r.options.callbacks = callbacks;
    r.options.callback_count = 2;
    for (int64_t n = 0;; n++) {
        region *home = region_open(t->home, "history", EBB_CLASS_META, 0);

        r.history = (history){.home = home};
        test_fail_allocation(t, n);
        const ebb_status status =
            fit_run(&r.engine.base, &r.data, &r.options, &r.history, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(region_bytes_live(r.engine.base.home), 0);
        CHECK_EQ(ledger_threads(t->ledger), 0);
        CHECK_EQ(ledger_descriptors(t->ledger), 0);
        region_close(home);
        if (!failed) break;
        double results[2];
        test_fail_allocation(t, n);
        const ebb_status evaluated =
            evaluate_run(&r.engine.base, &r.data, NULL, results, &t->error);
        CHECK_STATUS(evaluated, test_allocation_failed(t) ? EBB_E_MEMORY : EBB_OK);
        test_fail_allocation(t, -1);
        CHECK_EQ(region_bytes_live(r.engine.base.home), 0);
    }
    temporary_close(&d);
}

TEST_MAIN(RUN(losses_are_means_over_rows), RUN(validation_comes_from_the_end),
          RUN(validation_data_and_steps), RUN(steps_and_initial_epochs),
          RUN(weights_reach_the_steps), RUN(equal_seeds_give_equal_runs), RUN(history_as_text),
          RUN(long_histories), RUN(events_in_order), RUN(a_function_stops_training),
          RUN(early_stopping_restores_weights), RUN(averages_end_up_in_the_weights),
          RUN(cancelled_after_a_whole_step), RUN(cancelled_from_another_thread),
          RUN(errors_end_training), RUN(validation_after_chosen_epochs),
          RUN(an_epoch_without_batches_has_no_results), RUN(faults_of_options),
          RUN(nothing_stays_after_a_failed_allocation))
