/* leak_monitor_test.c -- what the monitor says of models that went, stayed, or left bytes; the list
 * of loaded models; what the log tells of a model's life. */
#include <stdio.h>
#include <string.h>

#include "digits.h"
#include "runtime/lifecycle/managed.h"

typedef struct page {
    char text[4096];
    size_t length;
    int pieces_left; /* -1: no limit */
} page;

static bool put(void *context, const char *text, size_t length)
{
    page *p = context;

    CHECK(p->length + length < sizeof p->text);
    memcpy(p->text + p->length, text, length);
    p->length += length;
    p->text[p->length] = '\0';
    return p->pieces_left < 0 || p->pieces_left-- > 1;
}

TEST(the_monitor_says_what_the_document_says)
{
    digits d;
    ebb_monitor monitor;
    ebb_model model1, model2;
    ebb_monitor_report report;
    page p = {.pieces_left = -1};

    digits_open(t, &d, NULL);
    const uint64_t before = digits_live(&d);
    CHECK_OK(ebb_monitor_open(d.runtime, &monitor, &t->error));
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model1, &t->error));
    CHECK_OK(ebb_monitor_watch(monitor, model1, "model1", &t->error));
    CHECK_OK(ebb_model_unload(model1, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, NULL, &model2, &t->error));
    CHECK_OK(ebb_monitor_watch(monitor, model2, NULL, &t->error));
    CHECK_STATUS(ebb_monitor_watch(monitor, model1, "gone", &t->error), EBB_E_STALE);
    CHECK_OK(ebb_monitor_check(monitor, put, &p, &report, &t->error));
    CHECK_CONTAINS(p.text, "model1: Model successfully garbage collected\n");
    CHECK_CONTAINS(p.text, ": Warning: Potential memory leak detected!\n  still loaded after ");
    CHECK_CONTAINS(p.text, "weights ");
    CHECK_CONTAINS(p.text, "  from ");
    CHECK_EQ(report.watched, 2);
    CHECK_EQ(report.gone, 1);
    CHECK_EQ(report.loaded, 1);
    CHECK_EQ(report.leaked, 0);
    ebb_memory memory;
    CHECK_OK(ebb_model_memory_read(model2, &memory));
    CHECK_EQ(report.bytes, memory.live);
    CHECK(report.live_now >= report.live_before + memory.live);
    p = (page){.pieces_left = 1};
    CHECK_STATUS(ebb_monitor_check(monitor, put, &p, &report, &t->error), EBB_E_CANCELLED);
    CHECK_OK(ebb_model_unload(model2, NULL, NULL, &t->error));
    CHECK_OK(ebb_monitor_check(monitor, NULL, NULL, &report, &t->error));
    CHECK_EQ(report.gone, 2);
    CHECK_OK(ebb_monitor_clear(monitor));
    CHECK_OK(ebb_monitor_check(monitor, NULL, NULL, &report, &t->error));
    CHECK_EQ(report.watched, 0);
    CHECK_OK(ebb_monitor_close(monitor));
    CHECK_STATUS(ebb_monitor_close(monitor), EBB_E_STALE);
    CHECK_EQ(digits_live(&d), before);
    digits_close(t, &d);
}

TEST(bytes_that_stay_are_found_though_the_reference_is_gone)
{
    digits d;
    ebb_monitor monitor;
    ebb_model model;
    ebb_monitor_report report;
    page p = {.pieces_left = -1};
    void *object = NULL;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_monitor_open(d.runtime, &monitor, &t->error));
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    CHECK_OK(ebb_monitor_watch(monitor, model, "digits", &t->error));
    CHECK(handle_close_begin(HANDLE_MODEL, model.id, 0, &object)); /* as while it is unloaded */
    CHECK_OK(ebb_monitor_check(monitor, put, &p, &report, &t->error));
    CHECK_EQ(report.leaked, 1);
    CHECK(report.bytes > 0);
    CHECK_CONTAINS(p.text, "digits: Warning: Potential memory leak detected!\n  unloaded, but ");
    handle_close_cancel(model.id);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_monitor_check(monitor, NULL, NULL, &report, &t->error));
    CHECK_EQ(report.gone, 1);
    digits_close(t, &d);
}

TEST(loaded_models_are_listed_with_their_bytes)
{
    digits d;
    ebb_model first, second;
    ebb_model_entry entries[4];
    ebb_memory memory;
    size_t count = 0;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_models_list(d.runtime, NULL, &count));
    CHECK_EQ(count, 0);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &first, &t->error));
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, NULL, &second, &t->error));
    count = 1;
    CHECK_OK(ebb_models_list(d.runtime, entries, &count));
    CHECK_EQ(count, 2);
    CHECK_EQ(entries[0].model.id, second.id);
    count = 4;
    CHECK_OK(ebb_models_list(d.runtime, entries, &count));
    CHECK_EQ(entries[1].model.id, first.id);
    CHECK_TEXT(entries[1].path, digits_mlp);
    CHECK_OK(ebb_model_memory_read(first, &memory));
    CHECK_EQ(entries[1].bytes_live, memory.live);
    CHECK_EQ(entries[1].bytes_peak, memory.peak);
    CHECK(entries[1].age_ns >= entries[0].age_ns);
    CHECK_OK(ebb_model_unload(second, NULL, NULL, &t->error));
    CHECK_OK(ebb_models_list(d.runtime, entries, &count));
    CHECK_EQ(count, 1);
    CHECK_STATUS(ebb_models_list(d.runtime, entries, NULL), EBB_E_ARGUMENT);
    digits_close(t, &d);
    CHECK_STATUS(ebb_models_list(d.runtime, entries, &count), EBB_E_STALE);
}

typedef struct log_page {
    page info, error;
} log_page;

static void note(void *context, ebb_log_level level, const char *line)
{
    log_page *l = context;
    page *p = level == EBB_LOG_ERROR ? &l->error : &l->info;

    put(p, line, strlen(line));
    put(p, "\n", 1);
}

TEST(the_log_tells_of_loads_failures_and_unloads)
{
    digits d;
    ebb_model model;
    ebb_receipt receipt;
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    log_page l = {.info.pieces_left = -1, .error.pieces_left = -1};
    char line[256];

    options.log = note;
    options.log_context = &l;
    options.log_level = EBB_LOG_INFO;
    digits_open(t, &d, &options);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    CHECK_STATUS(ebb_model_load(d.runtime, "missing.h5", NULL, &model, &t->error), EBB_E_NOT_FOUND);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, NULL));
    CHECK_OK(ebb_model_unload(model, NULL, &receipt, &t->error));
    snprintf(line, sizeof line, "loaded %s: %llu bytes in ", digits_mlp,
             (unsigned long long)receipt.bytes_total);
    CHECK_CONTAINS(l.info.text, line);
    snprintf(line, sizeof line, "unloaded %s: %llu bytes back\n", digits_mlp,
             (unsigned long long)receipt.bytes_total);
    CHECK_CONTAINS(l.info.text, line);
    CHECK_CONTAINS(l.error.text, "missing.h5: not loaded: ");
    digits_close(t, &d);
    l = (log_page){.info.pieces_left = -1, .error.pieces_left = -1};
    options.log_level = EBB_LOG_ERROR;
    digits_open(t, &d, &options);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    CHECK_STATUS(ebb_model_load(d.runtime, "missing.h5", NULL, &model, NULL), EBB_E_NOT_FOUND);
    digits_close(t, &d);
    CHECK_EQ(l.info.length, 0);
    CHECK_CONTAINS(l.error.text, "missing.h5: ");
}

static ebb_status fit_digits(test *t, const digits *d, ebb_model model, ebb_error *error)
{
    int32_t classes[DIGITS_ROWS] = {0};
    const ebb_view x = {EBB_F32, 4, {DIGITS_ROWS, 8, 8, 1}, (void *)(uintptr_t)d->x};
    const ebb_view y = {EBB_I32, 2, {DIGITS_ROWS, 1}, classes};
    ebb_data data = {0};
    ebb_fit_options options = EBB_FIT_OPTIONS_INIT;
    ebb_compile_options how = EBB_COMPILE_OPTIONS_INIT;

    how.optimizer = "sgd";
    how.loss = "sparse_categorical_crossentropy";
    CHECK_OK(ebb_model_compile(model, &how, &t->error));
    data.x = (ebb_views){&x, 1};
    data.y = (ebb_views){&y, error == NULL ? 0 : 1};
    options.epochs = 2;
    return ebb_model_fit(model, &data, &options, error);
}

TEST(the_log_tells_of_training)
{
    digits d;
    ebb_model model;
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    log_page l = {.info.pieces_left = -1, .error.pieces_left = -1};

    options.log = note;
    options.log_context = &l;
    options.log_level = EBB_LOG_INFO;
    digits_open(t, &d, &options);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    CHECK_OK(fit_digits(t, &d, model, &t->error));
    CHECK_CONTAINS(l.info.text, ": 2 epochs in ");
    CHECK(fit_digits(t, &d, model, NULL) != EBB_OK); /* no targets */
    CHECK_CONTAINS(l.error.text, ": training ended after 0 epochs: ");
    digits_close(t, &d);
}

TEST_MAIN(RUN(the_monitor_says_what_the_document_says),
          RUN(bytes_that_stay_are_found_though_the_reference_is_gone),
          RUN(loaded_models_are_listed_with_their_bytes),
          RUN(the_log_tells_of_loads_failures_and_unloads), RUN(the_log_tells_of_training))
