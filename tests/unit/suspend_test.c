/* suspend_test.c -- ebb_model_suspend() and ebb_model_resume(): the same bytes and bits afterwards,
 * exact receipts, clear answers in between, training that goes on, faults. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "built_models.h"
#include "saved_folders.h"

static const char suspended_text[] = "ebb_model_resume()";

static ebb_memory memory_of(ebb_model model)
{
    ebb_memory memory;

    CHECK_OK(ebb_model_memory_read(model, &memory));
    return memory;
}

static ebb_suspend_options how(bool to_disk)
{
    ebb_suspend_options options = EBB_SUSPEND_OPTIONS_INIT;

    options.to_disk = to_disk;
    return options;
}

static void suspend_checked(test *t, ebb_runtime runtime, ebb_model model, bool to_disk)
{
    const ebb_suspend_options options = how(to_disk);
    const ebb_memory before = memory_of(model);
    const uint64_t live = built_live(runtime);
    ebb_receipt receipt;
    ebb_memory all;

    CHECK(!ebb_model_suspended(model));
    CHECK_OK(ebb_model_suspend(model, &options, &receipt, &t->error));
    CHECK(ebb_model_suspended(model));
    const ebb_memory after = memory_of(model);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++)
        CHECK_EQ(before.by_class[i] - after.by_class[i], receipt.bytes[i]);
    CHECK_EQ(receipt.bytes_total, before.live - after.live);
    CHECK_EQ(built_live(runtime), live - receipt.bytes_total);
    CHECK_EQ(receipt.live_after, built_live(runtime));
    CHECK_EQ(after.by_class[EBB_CLASS_ACTIVATIONS], 0);
    CHECK_EQ(after.by_class[EBB_CLASS_GRADIENTS], 0);
    if (to_disk) {
        CHECK_EQ(after.by_class[EBB_CLASS_OPTIMIZER], 0);
        CHECK_EQ(after.live, after.by_class[EBB_CLASS_META] + after.by_class[EBB_CLASS_WEIGHTS]);
    }
    CHECK_OK(ebb_memory_read(runtime, &all));
    CHECK_EQ(all.descriptors, to_disk);
}

static void resume_checked(test *t, ebb_model model, const ebb_memory *before)
{
    CHECK_OK(ebb_model_resume(model, &t->error));
    CHECK(!ebb_model_suspended(model));
    const ebb_memory after = memory_of(model);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) CHECK_EQ(after.by_class[i], before->by_class[i]);
    CHECK_EQ(after.live, before->live);
    CHECK_OK(ebb_model_resume(model, &t->error)); /* nothing to do */
}

/* Both ways, twice. */
static void check_model(test *t, ebb_runtime runtime, ebb_model model)
{
    float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];
    const uint32_t count = built_predict(t, model, x);

    CHECK_OK(ebb_trim(runtime, NULL));
    const ebb_memory before = memory_of(model);
    for (int round = 0; round < 4; round++) {
        suspend_checked(t, runtime, model, round % 2 == 1);
        resume_checked(t, model, &before);
        CHECK_EQ(built_predict(t, model, y), count);
        CHECK_EQ(memcmp(x, y, count * sizeof *x), 0);
        CHECK_OK(ebb_trim(runtime, NULL));
    }
}

TEST(models_come_back_as_they_were)
{
    const ebb_runtime runtime = built_runtime(t);

    for (uint32_t i = 0; i < BUILT_CASES; i++) {
        const ebb_model model = built_finish(t, runtime, &built_cases[i], NULL);
        built_fill(t, model);
        check_model(t, runtime, model);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    built_close(t, runtime);
}

/* Loaded, with its file gone; for inference only; shrunk; with lanes and threads. */
TEST(models_of_files_come_back)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_load_options options[4] = {EBB_LOAD_OPTIONS_INIT, EBB_LOAD_OPTIONS_INIT,
                                   EBB_LOAD_OPTIONS_INIT, EBB_LOAD_OPTIONS_INIT};
    ebb_quantize_options small = EBB_QUANTIZE_OPTIONS_INIT;
    temporary folder;
    ebb_model model;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "m.keras");
    const ebb_model made = built_finish(t, runtime, &built_cases[0], NULL);
    built_fill(t, made);
    options[1].inference_only = true;
    options[2].lanes = 3;
    options[2].threads = 2;
    small.elements_min = 1;
    for (int i = 0; i < 4; i++) {
        CHECK_OK(ebb_model_save(made, path.text, NULL, &t->error));
        CHECK_OK(ebb_model_load(runtime, path.text, &options[i], &model, &t->error));
        if (i == 3) CHECK_OK(ebb_model_quantize(model, &small, NULL, &t->error));
        CHECK_EQ(unlink(path.text), 0);
        check_model(t, runtime, model);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    temporary_close(&folder);
    built_close(t, runtime);
}

/* Without layers, as the graph of a folder. */
TEST(graphs_come_back)
{
    const ebb_runtime runtime = built_runtime(t);
    temporary folder;
    ebb_model model;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "exported");
    const ebb_model made = built_finish(t, runtime, &built_cases[0], NULL);
    built_fill(t, made);
    CHECK_OK(ebb_model_export(made, path.text, NULL, &t->error));
    CHECK_OK(ebb_model_load(runtime, path.text, NULL, &model, &t->error));
    check_model(t, runtime, model);
    temporary_close(&folder);
    built_close(t, runtime);
}

/* Folded kernels are a copy that can be made again. */
TEST(what_can_be_made_again_goes)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_builder b;
    ebb_model model;

    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 3, (int64_t[]){8, 8, 64});
    x = ebb_build_layer(b, "Conv2D", "filters=64, kernel_size=3, use_bias=False", x);
    x = ebb_build_layer(b, "BatchNormalization", NULL, x);
    CHECK_OK(ebb_build_finish(b, &x, 1, NULL, &model, &t->error));
    const ebb_memory before = memory_of(model);
    suspend_checked(t, runtime, model, false);
    const ebb_memory after = memory_of(model);
    CHECK(after.by_class[EBB_CLASS_WEIGHTS] * 3 < before.by_class[EBB_CLASS_WEIGHTS] * 2);
    resume_checked(t, model, &before);
    built_close(t, runtime);
}

/* -- while it is suspended --------------------------------------------------------------------- */

static bool text_take(void *context, const char *text, size_t length)
{
    (void)text;
    *(size_t *)context += length;
    return true;
}

static void check_refusals(test *t, ebb_runtime runtime, ebb_model model, const char *path,
                           const char *folder)
{
    float numbers[64] = {0};
    const ebb_view view = {EBB_F32, 2, {6, 5}, numbers}, row = {EBB_F32, 2, {1, 6}, numbers};
    ebb_view out = {EBB_F32, 2, {1, 3}, numbers};
    const ebb_views in = {&row, 1}, outs = {&out, 1};
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    ebb_quantize_options quantize = EBB_QUANTIZE_OPTIONS_INIT;
    ebb_model made;
    ebb_builder b;

    compile.loss = "mse";
    quantize.elements_min = 1;
#define REFUSED(call)                                                                              \
    CHECK_STATUS(call, EBB_E_STATE);                                                               \
    CHECK_CONTAINS(t->error.text, suspended_text)
    REFUSED(ebb_model_predict(model, &in, &outs, &t->error));
    REFUSED(ebb_model_weight_get(model, 0, &view, &t->error));
    REFUSED(ebb_model_weight_set(model, 0, &view, &t->error));
    REFUSED(ebb_model_weight_stored_get(model, 0, &view, NULL, &t->error));
    REFUSED(ebb_model_save(model, path, NULL, &t->error));
    REFUSED(ebb_model_export(model, folder, NULL, &t->error));
    REFUSED(ebb_model_clone(model, NULL, &made, &t->error));
    REFUSED(ebb_model_cut(model, NULL, NULL, &made, &t->error));
    REFUSED(ebb_model_compile(model, &compile, &t->error));
    REFUSED(ebb_model_quantize(model, &quantize, NULL, &t->error));
    REFUSED(ebb_model_weights_copy(model, model, NULL, NULL, &t->error));
    REFUSED(ebb_model_weights_load(model, path, NULL, NULL, &t->error));
    REFUSED(ebb_model_compare(model, model, &in, NULL, &(ebb_difference){0}, 1, NULL, &t->error));
    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    const ebb_tensor x = ebb_build_import(b, model, NULL);
    REFUSED(ebb_build_finish(b, &x, 1, NULL, &made, &t->error));
#undef REFUSED
    CHECK(!file_exists(path));
    CHECK(!file_exists(folder));
}

static void check_answers(test *t, ebb_model model)
{
    ebb_model_info info;
    ebb_tensor_info tensor;
    ebb_view shape = {.rank = 0};
    const ebb_view row = {EBB_F32, 2, {4, 6}, NULL};
    size_t length = 0;

    CHECK(ebb_model_alive(model));
    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_EQ(info.weights, 8);
    CHECK_OK(ebb_model_input(model, 0, &tensor));
    CHECK_OK(ebb_model_output(model, 0, &tensor));
    CHECK_OK(ebb_model_weight(model, 0, &tensor));
    CHECK_TEXT(tensor.name, "hidden/kernel");
    CHECK(tensor.stored_bytes > 0);
    CHECK_OK(ebb_model_summary(model, text_take, &length, &t->error));
    CHECK_OK(ebb_model_config_write(model, text_take, &length, &t->error));
    CHECK_OK(ebb_model_compile_config_write(model, text_take, &length, &t->error));
    CHECK_OK(ebb_model_output_shapes(model, &(ebb_views){&row, 1}, &shape, 1, &t->error));
    CHECK_EQ(shape.dims[0], 4);
    CHECK(length > 100);
}

TEST(suspended_models_say_so)
{
    const ebb_runtime runtime = built_runtime(t);
    temporary folder;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "m.keras"),
                    exported = temporary_path(&folder, "exported");
    for (int to_disk = 0; to_disk < 2; to_disk++) {
        const ebb_suspend_options options = how(to_disk), disk = how(true);
        const ebb_model model = built_small(t, runtime, "small", 1);
        ebb_receipt receipt;
        suspend_checked(t, runtime, model, to_disk);
        check_answers(t, model);
        check_refusals(t, runtime, model, path.text, exported.text);
        CHECK_OK(ebb_model_suspend(model, &options, &receipt, &t->error));
        CHECK_EQ(receipt.bytes_total, 0);
        CHECK_STATUS(ebb_model_suspend(model, &disk, NULL, &t->error),
                     to_disk ? EBB_OK : EBB_E_STATE);
        const ebb_memory left = memory_of(model);
        CHECK_OK(ebb_model_unload(model, NULL, &receipt, &t->error));
        CHECK_EQ(receipt.bytes_total, left.live);
        CHECK_STATUS(ebb_model_suspend(model, NULL, NULL, &t->error), EBB_E_STALE);
        CHECK_STATUS(ebb_model_resume(model, &t->error), EBB_E_STALE);
        CHECK(!ebb_model_suspended(model));
    }
    (void)built_small(t, runtime, "left", 1);
    temporary_close(&folder);
    built_close(t, runtime);
}

TEST(closing_takes_suspended_models_along)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_suspend_options disk = how(true);
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_build_options build = EBB_BUILD_OPTIONS_INIT;
    ebb_scope scope;

    const uint64_t before = built_live(runtime);
    CHECK_OK(ebb_scope_open(runtime, NULL, &scope, &t->error));
    load.scope = scope;
    build.load = &load;
    const ebb_model inside = built_finish(t, runtime, &built_cases[1], &build);
    CHECK_OK(ebb_model_suspend(inside, &disk, NULL, &t->error));
    CHECK_OK(ebb_scope_close(scope, NULL, &t->error));
    CHECK_EQ(built_live(runtime), before);
    CHECK_OK(ebb_model_suspend(built_small(t, runtime, "a", 1), &disk, NULL, &t->error));
    CHECK_OK(ebb_model_suspend(built_small(t, runtime, "b", 1), NULL, NULL, &t->error));
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

/* -- training ---------------------------------------------------------------------------------- */

#define ROWS 40
static float x_data[ROWS * 6], y_data[ROWS * 3];

static void fit(test *t, ebb_model model, bool is_first)
{
    const ebb_view x = {EBB_F32, 2, {ROWS, 6}, x_data}, y = {EBB_F32, 2, {ROWS, 3}, y_data};
    const ebb_data data = {.x = {&x, 1}, .y = {&y, 1}};
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    ebb_fit_options options = EBB_FIT_OPTIONS_INIT;

    for (int i = 0; i < ROWS * 6; i++) x_data[i] = sinf((float)i);
    for (int i = 0; i < ROWS * 3; i++) y_data[i] = cosf((float)i * 3);
    compile.optimizer = "adam";
    compile.loss = "mse";
    compile.batch = 8;
    options.batch_size = 8;
    options.epochs = 3;
    options.seed = 5;
    if (is_first) CHECK_OK(ebb_model_compile(model, &compile, &t->error));
    CHECK_OK(ebb_model_fit(model, &data, &options, &t->error));
}

TEST(training_goes_on)
{
    const ebb_runtime runtime = built_runtime(t);

    for (int to_disk = 0; to_disk < 2; to_disk++) {
        const ebb_model a = built_small(t, runtime, "a", 1), b = built_small(t, runtime, "b", 1);
        float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];
        const char *name;
        const double *values;
        uint32_t epochs;
        double rate;

        fit(t, a, true);
        fit(t, b, true);
        const ebb_memory before = memory_of(b);
        suspend_checked(t, runtime, b, to_disk);
        CHECK(ebb_model_compiled(b));
        CHECK(ebb_model_history(b, 0, &name, &values, &epochs));
        CHECK_EQ(epochs, 3);
        CHECK_EQ(ebb_model_optimizer_variables(b), ebb_model_optimizer_variables(a));
        CHECK_STATUS(ebb_model_learning_rate(b, &rate, &t->error), EBB_E_STATE);
        CHECK_STATUS(ebb_model_learning_rate_set(b, 0.1, &t->error), EBB_E_STATE);
        CHECK_STATUS(ebb_model_uncompile(b, NULL, &t->error), EBB_E_STATE);
        resume_checked(t, b, &before);
        fit(t, a, false);
        fit(t, b, false);
        const uint32_t count = built_predict(t, a, x);
        CHECK_EQ(built_predict(t, b, y), count);
        CHECK_EQ(memcmp(x, y, count * sizeof *x), 0);
        CHECK_OK(ebb_model_learning_rate(b, &rate, &t->error));
        suspend_checked(t, runtime, b, to_disk);
        CHECK_OK(ebb_model_unload(a, NULL, NULL, &t->error));
        CHECK_OK(ebb_model_unload(b, NULL, NULL, &t->error));
    }
    built_close(t, runtime);
}

static bool suspend_inside(void *context, const ebb_training_event *event)
{
    test *t = context;

    CHECK_STATUS(ebb_model_suspend(event->model, NULL, NULL, &t->error), EBB_E_STATE);
    CHECK_STATUS(ebb_model_resume(event->model, &t->error), EBB_E_STATE);
    return true;
}

TEST(training_does_not_wait_for_itself)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = built_small(t, runtime, "a", 1);
    const ebb_view x = {EBB_F32, 2, {ROWS, 6}, x_data}, y = {EBB_F32, 2, {ROWS, 3}, y_data};
    const ebb_data data = {.x = {&x, 1}, .y = {&y, 1}};
    const ebb_callback callback = {.function = suspend_inside, .context = t};
    ebb_fit_options options = EBB_FIT_OPTIONS_INIT;

    fit(t, model, true);
    options.callbacks = &callback;
    options.callback_count = 1;
    CHECK_OK(ebb_model_fit(model, &data, &options, &t->error));
    built_close(t, runtime);
}

/* -- faults ------------------------------------------------------------------------------------ */

TEST(faults_change_nothing)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = built_finish(t, runtime, &built_cases[0], NULL);
    ebb_suspend_options options = how(true);
    float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];

    built_fill(t, model);
    const uint32_t count = built_predict(t, model, x);
    CHECK_OK(ebb_trim(runtime, NULL));
    const ebb_memory before = memory_of(model);
    options.folder = "/nowhere/at/all";
    CHECK_STATUS(ebb_model_suspend(model, &options, NULL, &t->error), EBB_E_NOT_FOUND);
    CHECK(!ebb_model_suspended(model));
    options.struct_size = 3;
    CHECK_STATUS(ebb_model_suspend(model, &options, NULL, &t->error), EBB_E_ARGUMENT);
    for (int to_disk = 0; to_disk < 2; to_disk++) {
        bool failed = true;
        options = how(to_disk);
        for (int64_t n = 0; failed; n++) { /* memory that is refused only keeps more in memory */
            test_fail_allocation(t, n);
            CHECK_OK(ebb_model_suspend(model, &options, NULL, &t->error));
            failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_OK(ebb_model_resume(model, &t->error));
        }
        CHECK_OK(ebb_model_suspend(model, &options, NULL, &t->error));
        const ebb_memory asleep = memory_of(model);
        failed = true;
        for (int64_t n = 0; failed; n++) {
            test_fail_allocation(t, n);
            const ebb_status status = ebb_model_resume(model, &t->error);
            failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            CHECK_EQ(ebb_model_suspended(model), failed);
            CHECK_EQ(memory_of(model).live, failed ? asleep.live : before.live);
        }
        CHECK_EQ(built_predict(t, model, y), count);
        CHECK_EQ(memcmp(x, y, count * sizeof *x), 0);
        CHECK_OK(ebb_trim(runtime, NULL));
    }
    built_close(t, runtime);
}

TEST(faults_leave_training_suspended)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = built_small(t, runtime, "a", 1);
    const ebb_suspend_options options = how(true);
    bool failed = true;

    fit(t, model, true);
    const ebb_memory before = memory_of(model);
    CHECK_OK(ebb_model_suspend(model, &options, NULL, &t->error));
    for (int64_t n = 0; failed; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = ebb_model_resume(model, &t->error);
        failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
    }
    CHECK_EQ(memory_of(model).live, before.live);
    fit(t, model, false);
    built_close(t, runtime);
}

/* A limit that another model fills meanwhile. */
TEST(limits_are_asked_anew)
{
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t base = built_live(runtime);
    const ebb_model a = built_finish(t, runtime, &built_cases[0], NULL);
    const ebb_suspend_options disk = how(true);
    const uint64_t needed = built_live(runtime) - base;
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    const int64_t most = 1 << 20;
    ebb_runtime limited;
    ebb_array filler;

    (void)a;
    options.bytes_max = base + needed + needed / 2 + (1 << 20);
    CHECK_OK(ebb_runtime_open(&options, &limited, &t->error));
    const ebb_model b = built_finish(t, limited, &built_cases[0], NULL);
    const ebb_memory before = memory_of(b);
    CHECK_OK(ebb_model_suspend(b, &disk, NULL, &t->error));
    CHECK(memory_of(b).live < before.live);
    CHECK_OK(ebb_array_open(limited, EBB_U8, 1, &most, NULL, &filler, NULL, &t->error));
    const int64_t rest = (int64_t)(options.bytes_max - built_live(limited)) / 4096 * 4096 - 8192;
    ebb_array more;
    CHECK_OK(ebb_array_open(limited, EBB_U8, 1, &rest, NULL, &more, NULL, &t->error));
    CHECK_STATUS(ebb_model_resume(b, &t->error), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "limit");
    CHECK_OK(ebb_array_close(more));
    resume_checked(t, b, &before);
    CHECK_OK(ebb_array_close(filler));
    CHECK_OK(ebb_runtime_close(limited, NULL));
    built_close(t, runtime);
}

typedef struct inside {
    test *t;
    ebb_model model;
    ebb_status status;
} inside;

static bool suspend_while_running(void *context, uint64_t rows_done, uint64_t rows_total)
{
    inside *i = context;
    ebb_suspend_options options = EBB_SUSPEND_OPTIONS_INIT;

    (void)rows_done;
    (void)rows_total;
    options.deadline_ns = 2000000;
    i->status = ebb_model_suspend(i->model, &options, NULL, NULL);
    return true;
}

TEST(calls_in_flight_are_waited_for)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = built_small(t, runtime, "a", 1);
    ebb_stream_options options = EBB_STREAM_OPTIONS_INIT;
    inside i = {t, model, EBB_OK};
    temporary folder;

    temporary_open(&folder);
    const path_text in = temporary_path(&folder, "x.npy"), out = temporary_path(&folder, "y.npy");
    const ebb_view rows = {EBB_F32, 2, {ROWS, 6}, x_data};
    npy_write(in.text, &rows);
    options.progress = suspend_while_running;
    options.context = &i;
    const char *const inputs[] = {in.text}, *const outputs[] = {out.text};
    CHECK_OK(ebb_model_predict_files(model, inputs, outputs, &options, &t->error));
    CHECK_EQ(i.status, EBB_E_BUSY);
    CHECK(!ebb_model_suspended(model));
    temporary_close(&folder);
    built_close(t, runtime);
}

/* -- threads ----------------------------------------------------------------------------------- */

typedef struct worker {
    ebb_model model;
    const float *expected;
    atomic_bool *is_over;
    uint32_t good, refused, wrong;
} worker;

static void *work(void *context)
{
    worker *w = context;
    float in[6] = {1, 2, 3, 4, 5, 6}, y[3];
    const ebb_view x = {EBB_F32, 2, {1, 6}, in}, out = {EBB_F32, 2, {1, 3}, y};

    while (!atomic_load(w->is_over)) {
        const ebb_status status =
            ebb_model_predict(w->model, &(ebb_views){&x, 1}, &(ebb_views){&out, 1}, NULL);
        w->good += status == EBB_OK;
        w->refused += status == EBB_E_STATE;
        w->wrong += status != EBB_OK && status != EBB_E_STATE;
        if (status == EBB_OK) w->wrong += memcmp(y, w->expected, sizeof y) != 0;
    }
    return NULL;
}

static void *change(void *context)
{
    worker *w = context;

    for (uint32_t i = 0; i < 150; i++) {
        const ebb_suspend_options options = how(i % 3 == 0);
        const ebb_status status = ebb_model_suspend(w->model, &options, NULL, NULL);
        w->wrong += status != EBB_OK && status != EBB_E_STATE;
        w->wrong += ebb_model_resume(w->model, NULL) != EBB_OK;
        w->good++;
    }
    return NULL;
}

TEST(threads_find_it_whole)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = built_small(t, runtime, "a", 1);
    float in[6] = {1, 2, 3, 4, 5, 6}, y[3];
    const ebb_view x = {EBB_F32, 2, {1, 6}, in}, out = {EBB_F32, 2, {1, 3}, y};
    atomic_bool is_over = false;
    worker workers[4];
    pthread_t threads[4];

    CHECK_OK(ebb_model_predict(model, &(ebb_views){&x, 1}, &(ebb_views){&out, 1}, &t->error));
    const ebb_memory before = memory_of(model);
    for (uint32_t i = 0; i < 4; i++) {
        workers[i] = (worker){.model = model, .expected = y, .is_over = &is_over};
        CHECK_EQ(pthread_create(&threads[i], NULL, i < 2 ? work : change, &workers[i]), 0);
    }
    for (uint32_t i = 4; i > 0; i--) {
        if (i == 2) atomic_store(&is_over, true);
        CHECK_EQ(pthread_join(threads[i - 1], NULL), 0);
        CHECK_EQ(workers[i - 1].wrong, 0);
    }
    CHECK(!ebb_model_suspended(model));
    CHECK_EQ(memory_of(model).live, before.live);
    built_close(t, runtime);
}

TEST_MAIN(RUN(models_come_back_as_they_were), RUN(models_of_files_come_back), RUN(graphs_come_back),
          RUN(what_can_be_made_again_goes), RUN(suspended_models_say_so),
          RUN(closing_takes_suspended_models_along), RUN(training_goes_on),
          RUN(training_does_not_wait_for_itself), RUN(faults_change_nothing),
          RUN(faults_leave_training_suspended), RUN(limits_are_asked_anew),
          RUN(calls_in_flight_are_waited_for), RUN(threads_find_it_whole))
