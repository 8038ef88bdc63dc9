/* models_each_test.c -- many files one after the other, the next one loaded meanwhile. */
#include <string.h>
#include <time.h>

#include "digits.h"

#define FILES 6

typedef struct work {
    test *t;
    const digits *d;
    const char *const *paths;
    size_t next, failures, stop_at;
    bool goes_on, unloads;
    uint32_t models_most;
    uint64_t live_most;
    bool waits_for_next; /* works until the next model is there as well */
} work;

static bool work_with(void *context, ebb_model model, size_t index, const char *path)
{
    work *w = context;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_memory memory;
    const struct timespec moment = {0, 1000000};
    const bool is_mlp = path == digits_mlp;

    CHECK_EQ(index, w->next);
    CHECK(path == w->paths[index]);
    w->next++;
    CHECK_OK(digits_predict(w->d, model, DIGITS_ROWS, y, &w->t->error));
    CHECK(digits_error(y, is_mlp ? w->d->mlp_y[0] : w->d->cnn_y[0], DIGITS_ROWS) < 1e-5);
    nanosleep(&moment, NULL);
    CHECK_OK(ebb_memory_read(w->d->runtime, &memory));
    for (int i = 0; w->waits_for_next && index + 1 < FILES && memory.models < 2 && i < 20000; i++) {
        nanosleep(&moment, NULL);
        CHECK_OK(ebb_memory_read(w->d->runtime, &memory));
    }
    if (memory.models > w->models_most) w->models_most = memory.models;
    if (memory.live > w->live_most) w->live_most = memory.live;
    if (w->unloads) CHECK_OK(ebb_model_unload(model, NULL, NULL, &w->t->error));
    return w->next != w->stop_at;
}

static bool note_failure(void *context, size_t index, const char *path, const ebb_error *error)
{
    work *w = context;

    CHECK_EQ(index, w->next);
    CHECK(path == w->paths[index]);
    CHECK(error->status != EBB_OK && error->text[0] != '\0');
    w->next++;
    w->failures++;
    return w->goes_on;
}

static void check_left(const digits *d, uint64_t live)
{
    ebb_memory memory;

    CHECK_EQ(ebb_memory_read(d->runtime, &memory), EBB_OK);
    CHECK_EQ(memory.live, live);
    CHECK_EQ(memory.models, 0);
    CHECK_EQ(memory.threads, 0);
    CHECK_EQ(memory.descriptors, 0);
}

TEST(each_file_is_loaded_worked_with_and_unloaded)
{
    const char *paths[FILES] = {digits_mlp, digits_cnn, digits_mlp,
                                digits_cnn, digits_mlp, digits_cnn};
    digits d;
    ebb_each_options options = EBB_EACH_OPTIONS_INIT;
    ebb_each_report report;

    digits_open(t, &d, NULL);
    const uint64_t live = digits_live(&d);
    for (int i = 0; i < 3; i++) {
        work w = {.t = t, .d = &d, .paths = paths, .waits_for_next = i != 1, .unloads = i == 2};
        options.no_prefetch = i == 1;
        CHECK_OK(
            ebb_models_each(d.runtime, paths, FILES, &options, work_with, &w, &report, &t->error));
        CHECK_EQ(w.next, FILES);
        CHECK_EQ(report.done, FILES);
        CHECK_EQ(report.failed, 0);
        CHECK_EQ(report.prefetched, i == 1 ? 0 : FILES - 1);
        CHECK(i == 1 ? w.models_most == 1 : w.models_most == 2);
        CHECK_EQ(report.receipt.threads, i != 1);
        CHECK_EQ(report.receipt.models, i == 2 ? 0 : FILES);
        CHECK_EQ(report.receipt.live_after, live);
        CHECK(report.work_ns >= FILES * 1000000u && report.time_ns >= report.work_ns);
        check_left(&d, live);
    }
    CHECK_OK(ebb_models_each(d.runtime, NULL, 0, NULL, work_with, NULL, &report, &t->error));
    CHECK_EQ(report.done, 0);
    digits_close(t, &d);
}

TEST(the_budget_decides_whether_two_fit)
{
    const char *paths[FILES] = {digits_mlp, digits_cnn, digits_mlp,
                                digits_cnn, digits_mlp, digits_cnn};
    digits d;
    ebb_plan mlp, cnn;
    ebb_each_options options = EBB_EACH_OPTIONS_INIT;
    ebb_each_report report;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_plan(d.runtime, digits_mlp, NULL, &mlp, &t->error));
    CHECK_OK(ebb_model_plan(d.runtime, digits_cnn, NULL, &cnn, &t->error));
    const uint64_t live = digits_live(&d), larger = mlp.peak > cnn.peak ? mlp.peak : cnn.peak;
    work w = {.t = t, .d = &d, .paths = paths};
    options.bytes_max = larger + 4096; /* the run's own page */
    CHECK(mlp.total + cnn.peak > options.bytes_max && cnn.total + mlp.peak > options.bytes_max);
    CHECK_OK(ebb_models_each(d.runtime, paths, FILES, &options, work_with, &w, &report, &t->error));
    CHECK_EQ(report.done, FILES);
    CHECK_EQ(w.models_most, 1);
    CHECK(report.bytes_peak <= options.bytes_max && report.bytes_peak > 0);
    check_left(&d, live);
    options.bytes_max = larger / 2;
    w = (work){.t = t, .d = &d, .paths = paths};
    CHECK_STATUS(
        ebb_models_each(d.runtime, paths, FILES, &options, work_with, &w, &report, &t->error),
        EBB_E_MEMORY);
    check_left(&d, live);
    digits_close(t, &d);
}

TEST(files_that_fail_are_told_one_by_one)
{
    const char *paths[FILES] = {"missing.keras", digits_cnn, NULL,
                                "missing.h5",    digits_mlp, "missing.keras"};
    digits d;
    ebb_each_options options = EBB_EACH_OPTIONS_INIT;
    ebb_each_report report;

    digits_open(t, &d, NULL);
    const uint64_t live = digits_live(&d);
    work w = {.t = t, .d = &d, .paths = paths, .goes_on = true};
    options.failed = note_failure;
    CHECK_OK(ebb_models_each(d.runtime, paths, FILES, &options, work_with, &w, &report, &t->error));
    CHECK_EQ(w.next, FILES);
    CHECK_EQ(report.done, 2);
    CHECK_EQ(report.failed, 4);
    check_left(&d, live);
    w = (work){.t = t, .d = &d, .paths = paths, .goes_on = false};
    CHECK_STATUS(
        ebb_models_each(d.runtime, paths, FILES, &options, work_with, &w, &report, &t->error),
        EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.where, "missing.keras");
    CHECK_EQ(w.failures, 1);
    CHECK_STATUS(ebb_models_each(d.runtime, paths, FILES, NULL, work_with, &w, NULL, &t->error),
                 EBB_E_NOT_FOUND);
    check_left(&d, live);
    digits_close(t, &d);
}

TEST(the_function_may_end_the_run)
{
    const char *paths[FILES] = {digits_mlp, digits_cnn, digits_mlp,
                                digits_cnn, digits_mlp, digits_cnn};
    digits d;
    ebb_each_report report;

    digits_open(t, &d, NULL);
    const uint64_t live = digits_live(&d);
    work w = {.t = t, .d = &d, .paths = paths, .stop_at = 2, .waits_for_next = true};
    CHECK_STATUS(ebb_models_each(d.runtime, paths, FILES, NULL, work_with, &w, &report, &t->error),
                 EBB_E_CANCELLED);
    CHECK_EQ(report.done, 2);
    check_left(&d, live);
    CHECK_STATUS(ebb_models_each(d.runtime, paths, FILES, NULL, NULL, &w, NULL, &t->error),
                 EBB_E_ARGUMENT);
    digits_close(t, &d);
    CHECK_STATUS(ebb_models_each(d.runtime, paths, FILES, NULL, work_with, &w, NULL, &t->error),
                 EBB_E_STALE);
}

TEST_MAIN(RUN(each_file_is_loaded_worked_with_and_unloaded),
          RUN(the_budget_decides_whether_two_fit), RUN(files_that_fail_are_told_one_by_one),
          RUN(the_function_may_end_the_run))
