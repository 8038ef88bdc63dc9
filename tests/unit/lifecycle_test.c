/* lifecycle_test.c -- load, plan, predict, unload, delete: the promises of the README, each with a
 * test that can fail. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "digits.h"

TEST(predictions_are_keras_numbers)
{
    digits d;
    ebb_model mlp, cnn;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &mlp, &t->error));
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, NULL, &cnn, &t->error));
    for (int64_t rows = 1; rows <= DIGITS_ROWS; rows++) {
        CHECK_OK(digits_predict(&d, mlp, rows, y, &t->error));
        CHECK(digits_error(y, d.mlp_y[0], rows) < 1e-5);
        CHECK_OK(digits_predict(&d, cnn, rows, y, &t->error));
        CHECK(digits_error(y, d.cnn_y[0], rows) < 1e-5);
    }
    CHECK_OK(ebb_model_unload(mlp, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(cnn, NULL, NULL, &t->error));
    digits_close(t, &d);
}

TEST(unload_gives_back_what_the_receipt_says)
{
    digits d;
    ebb_model keeps, goes;
    ebb_receipt receipt;
    ebb_memory memory;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, NULL, &keeps, &t->error));
    const uint64_t before = digits_live(&d);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &goes, &t->error));
    CHECK_OK(ebb_model_memory_read(goes, &memory));
    CHECK_EQ(memory.live, digits_live(&d) - before);
    CHECK_OK(ebb_model_unload(goes, NULL, &receipt, &t->error));
    CHECK_EQ(receipt.bytes_total, memory.live);
    CHECK_EQ(receipt.live_after, before);
    CHECK_EQ(digits_live(&d), before);
    uint64_t sum = 0;
    for (int i = 0; i < EBB_CLASS_COUNT; i++) sum += i == EBB_CLASS_CODE ? 0 : receipt.bytes[i];
    CHECK_EQ(sum, receipt.bytes_total);
    CHECK(ebb_model_alive(keeps));
    CHECK_OK(ebb_model_unload(keeps, NULL, NULL, &t->error));
    digits_close(t, &d);
}

static void check_plan(test *t, const digits *d, const char *path, const ebb_load_options *options)
{
    ebb_plan plan;
    ebb_model model;
    ebb_memory memory;
    const uint64_t before = digits_live(d);

    CHECK_OK(ebb_model_plan(d->runtime, path, options, &plan, &t->error));
    CHECK_EQ(digits_live(d), before);
    CHECK_OK(ebb_model_load(d->runtime, path, options, &model, &t->error));
    CHECK_OK(ebb_model_memory_read(model, &memory));
    CHECK_EQ(memory.live, plan.total);
    for (int i = 0; i < EBB_CLASS_COUNT; i++) {
        if (i != EBB_CLASS_CODE) CHECK_EQ(memory.by_class[i], plan.by_class[i]);
    }
    CHECK(memory.peak <= plan.peak);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_EQ(digits_live(d), before);
}

TEST(plan_equals_the_ledger)
{
    digits d;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;

    digits_open(t, &d, NULL);
    for (int i = 0; i < 8; i++) {
        options.inference_only = i % 2 == 1;
        options.batch = i < 4 ? 0 : 7;
        options.lanes = i % 4 < 2 ? 1 : 3;
        check_plan(t, &d, digits_mlp, &options);
        check_plan(t, &d, digits_cnn, &options);
    }
    digits_close(t, &d);
}

TEST(a_limit_below_the_plan_refuses_at_once)
{
    digits d;
    ebb_plan plan;
    ebb_model model;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    ebb_runtime_options runtimes = EBB_RUNTIME_OPTIONS_INIT;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_plan(d.runtime, digits_mlp, NULL, &plan, &t->error));
    const uint64_t before = digits_live(&d);
    options.bytes_max = plan.peak - 1;
    CHECK_STATUS(ebb_model_load(d.runtime, digits_mlp, &options, &model, &t->error), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "bytes_max");
    CHECK_EQ(digits_live(&d), before);
    options.bytes_max = plan.peak;
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, &options, &model, &t->error));
    digits_close(t, &d);
    runtimes.bytes_max = plan.peak;
    digits_open(t, &d, &runtimes);
    CHECK_STATUS(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "limit");
    digits_close(t, &d);
}

TEST(stale_handles_are_answers)
{
    digits d;
    ebb_model model, none = {0};
    ebb_model_info info;
    float y[DIGITS_CLASSES];

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    const ebb_weak weak = ebb_model_weak(model);
    ebb_model again;
    CHECK(ebb_weak_get(weak, &again) && again.id == model.id);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK(!ebb_weak_get(weak, &again) && again.id == 0);
    CHECK(!ebb_model_alive(model));
    CHECK_STATUS(ebb_model_unload(model, NULL, NULL, &t->error), EBB_E_STALE);
    CHECK_STATUS(digits_predict(&d, model, 1, y, &t->error), EBB_E_STALE);
    CHECK_STATUS(digits_predict(&d, none, 1, y, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_model_info_read(model, &info), EBB_E_STALE);
    ebb_model next;
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &next, &t->error));
    CHECK(next.id != model.id);
    const ebb_model kept = next;
    digits_close(t, &d);
    CHECK_STATUS(digits_predict(&d, kept, 1, y, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_model_load(d.runtime, digits_mlp, NULL, &next, &t->error), EBB_E_STALE);
}

/* -- beside others --------------------------------------------------------------------------------
 */

typedef struct neighbour {
    const digits *d;
    ebb_model model;
    atomic_bool stop;
    atomic_uint calls, faults;
} neighbour;

static void *keep_predicting(void *context)
{
    neighbour *n = context;
    float first[DIGITS_ROWS * DIGITS_CLASSES], y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_error error;

    if (digits_predict(n->d, n->model, DIGITS_ROWS, first, &error) != EBB_OK)
        atomic_fetch_add(&n->faults, 1);
    while (!atomic_load(&n->stop)) {
        memset(y, 0, sizeof y);
        const ebb_status status = digits_predict(n->d, n->model, DIGITS_ROWS, y, &error);
        if (status != EBB_OK || memcmp(first, y, sizeof y) != 0) atomic_fetch_add(&n->faults, 1);
        atomic_fetch_add(&n->calls, 1);
    }
    return NULL;
}

TEST(neighbours_never_notice)
{
    digits d;
    pthread_t thread;
    neighbour n = {.d = &d};
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, NULL, &n.model, &t->error));
    CHECK_OK(digits_predict(&d, n.model, DIGITS_ROWS, y,
                            &t->error)); /* makes the plan for this many rows */
    const uint64_t before = digits_live(&d);
    CHECK_EQ(pthread_create(&thread, NULL, keep_predicting, &n), 0);
    for (int cycle = 0; cycle < 50; cycle++) {
        ebb_model model;
        CHECK_OK(ebb_model_load(d.runtime, cycle % 2 ? digits_mlp : digits_cnn, NULL, &model,
                                &t->error));
        CHECK_OK(digits_predict(&d, model, DIGITS_ROWS, y, &t->error));
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        CHECK_EQ(digits_live(&d), before);
    }
    atomic_store(&n.stop, true);
    pthread_join(thread, NULL);
    CHECK(atomic_load(&n.calls) > 0);
    CHECK_EQ(atomic_load(&n.faults), 0);
    CHECK_OK(ebb_model_unload(n.model, NULL, NULL, &t->error));
    digits_close(t, &d);
}

static void *unload_it(void *context)
{
    neighbour *n = context;
    ebb_error error;

    if (ebb_model_unload(n->model, NULL, NULL, &error) == EBB_OK) atomic_fetch_add(&n->calls, 1);
    return NULL;
}

static void *predict_until_stale(void *context)
{
    neighbour *n = context;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_error error;
    ebb_status status;

    do status = digits_predict(n->d, n->model, DIGITS_ROWS, y, &error);
    while (status == EBB_OK);
    if (status != EBB_E_STALE) atomic_fetch_add(&n->faults, 1);
    return NULL;
}

TEST(unload_during_predictions_waits_and_wins_once)
{
    digits d;

    digits_open(t, &d, NULL);
    const uint64_t before = digits_live(&d);
    for (int round = 0; round < 20; round++) {
        pthread_t threads[6];
        neighbour n = {.d = &d};
        ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
        options.lanes = 1 + (uint32_t)round % 3;
        CHECK_OK(ebb_model_load(d.runtime, digits_mlp, &options, &n.model, &t->error));
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, predict_until_stale, &n), 0);
        }
        for (int i = 4; i < 6; i++) CHECK_EQ(pthread_create(&threads[i], NULL, unload_it, &n), 0);
        for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
        CHECK_EQ(atomic_load(&n.calls), 1);
        CHECK_EQ(atomic_load(&n.faults), 0);
        CHECK_EQ(digits_live(&d), before);
    }
    digits_close(t, &d);
}

TEST(two_runtimes_are_strangers)
{
    digits a, b;
    ebb_model in_a, in_b;
    float y[DIGITS_CLASSES];

    digits_open(t, &a, NULL);
    digits_open(t, &b, NULL);
    const uint64_t idle = digits_live(&b);
    CHECK_OK(ebb_model_load(a.runtime, digits_mlp, NULL, &in_a, &t->error));
    CHECK_EQ(digits_live(&b), idle);
    CHECK_OK(ebb_model_load(b.runtime, digits_mlp, NULL, &in_b, &t->error));
    digits_close(t, &a);
    CHECK_STATUS(digits_predict(&a, in_a, 1, y, &t->error), EBB_E_STALE);
    CHECK_OK(digits_predict(&b, in_b, 1, y, &t->error));
    CHECK(digits_error(y, b.mlp_y[0], 1) < 1e-5);
    digits_close(t, &b);
}

/* The thread sanitizer ends a child that starts threads. */
#if defined(__SANITIZE_THREAD__)
#define FORKS false
#else
#define FORKS true
#endif

TEST(a_forked_child_predicts_too)
{
    digits d;
    ebb_model model;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    int result = 0;

    if (!FORKS) return;
    options.threads = 2;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, &options, &model, &t->error));
    CHECK_OK(digits_predict(&d, model, DIGITS_ROWS, y, &t->error));
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        float z[DIGITS_ROWS * DIGITS_CLASSES];
        ebb_error error;
        const bool same = digits_predict(&d, model, DIGITS_ROWS, z, &error) == EBB_OK &&
                          memcmp(y, z, sizeof y) == 0;
        const bool gone = ebb_model_unload(model, NULL, NULL, &error) == EBB_OK;
        _exit(same && gone && ebb_runtime_close(d.runtime, NULL) == EBB_OK ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &result, 0), child);
    CHECK_EQ(result, 0);
    CHECK_OK(digits_predict(&d, model, 1, y, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    digits_close(t, &d);
}

/* -- failure injection
 * ------------------------------------------------------------------------------- */

static ebb_status whole_life(const digits *d, ebb_error *error)
{
    ebb_model model;
    ebb_plan plan;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_view weight = {EBB_F32, 1, {DIGITS_CLASSES}, y};
    ebb_status status = ebb_model_plan(d->runtime, digits_mlp, NULL, &plan, error);

    if (status == EBB_OK) status = ebb_model_load(d->runtime, digits_mlp, NULL, &model, error);
    if (status != EBB_OK) return status;
    status = digits_predict(d, model, 5, y, error);
    if (status == EBB_OK) status = ebb_model_weight_get(model, 3, &weight, error);
    if (status == EBB_OK) status = ebb_model_weight_set(model, 3, &weight, error);
    const ebb_status unloaded = ebb_model_unload(model, NULL, NULL, NULL);
    return status == EBB_OK ? unloaded : status;
}

TEST(every_allocation_may_fail)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    digits d;
    int64_t n;

    options.allocator = test_allocator(t);
    digits_open(t, &d, &options);
    const uint64_t before = digits_live(&d);
    for (n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = whole_life(&d, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_EQ(digits_live(&d), before);
        if (!failed) {
            CHECK_OK(status);
            break;
        }
        if (status != EBB_OK) CHECK_STATUS(status, EBB_E_MEMORY);
    }
    CHECK(n > 50);
    digits_close(t, &d);
}

TEST(opening_a_runtime_may_fail)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;

    options.allocator = test_allocator(t);
    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = ebb_runtime_open(&options, &runtime, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        if (!failed) break;
    }
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

/* -- sealed
 * ------------------------------------------------------------------------------------------- */

TEST(prediction_allocates_nothing)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    digits d;
    ebb_model model;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    options.allocator = test_allocator(t);
    load.batch = DIGITS_ROWS;
    digits_open(t, &d, &options);
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, &load, &model, &t->error));
    const uint64_t asked = t->allocations;
    for (int i = 0; i < 100; i++) {
        CHECK_OK(digits_predict(&d, model, 1, y, &t->error));
        CHECK_OK(digits_predict(&d, model, DIGITS_ROWS, y, &t->error));
    }
    CHECK_EQ(t->allocations, asked);
    digits_close(t, &d);
}

TEST(other_shapes_are_cached_and_trimmed)
{
    digits d;
    ebb_model model;
    ebb_memory memory;
    ebb_receipt receipt;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    load.batch = DIGITS_ROWS;
    load.plans_max = 2;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, &load, &model, &t->error));
    const uint64_t planned = digits_live(&d);
    for (int64_t rows = 2; rows < 12; rows++) {
        CHECK_OK(digits_predict(&d, model, rows, y, &t->error));
        CHECK(digits_error(y, d.cnn_y[0], rows) < 1e-5);
    }
    CHECK_OK(ebb_model_memory_read(model, &memory));
    CHECK(memory.cached > 0);
    CHECK_EQ(memory.live - memory.cached, planned - (digits_live(&d) - memory.live));
    CHECK_OK(ebb_trim(d.runtime, &receipt));
    CHECK_EQ(receipt.bytes_total, memory.cached);
    CHECK_EQ(digits_live(&d), planned);
    CHECK_OK(digits_predict(&d, model, 3, y, &t->error));
    digits_close(t, &d);
}

/* -- weights
 * -------------------------------------------------------------------------------------------- */

TEST(weights_can_be_read_and_set)
{
    digits d;
    ebb_model model;
    ebb_tensor_info info;
    ebb_model_info about;
    float kernel[DIGITS_PIXELS * 48], y[DIGITS_CLASSES], z[DIGITS_CLASSES];

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    CHECK_OK(ebb_model_info_read(model, &about));
    CHECK_EQ(about.weights, 4);
    CHECK_EQ(about.parameters, 64 * 48 + 48 + 48 * 10 + 10);
    CHECK_OK(ebb_model_weight(model, 0, &info));
    CHECK_TEXT(info.name, "dense/kernel");
    CHECK_EQ(info.dims[0], 64);
    CHECK_EQ(info.dims[1], 48);
    ebb_view view = {EBB_F32, 2, {64, 48}, kernel};
    CHECK_OK(digits_predict(&d, model, 1, y, &t->error));
    CHECK_OK(ebb_model_weight_get(model, 0, &view, &t->error));
    for (int i = 0; i < 64 * 48; i++) kernel[i] = -kernel[i];
    CHECK_OK(ebb_model_weight_set(model, 0, &view, &t->error));
    CHECK_OK(digits_predict(&d, model, 1, z, &t->error));
    CHECK(memcmp(y, z, sizeof y) != 0);
    for (int i = 0; i < 64 * 48; i++) kernel[i] = -kernel[i];
    CHECK_OK(ebb_model_weight_set(model, 0, &view, &t->error));
    CHECK_OK(digits_predict(&d, model, 1, z, &t->error));
    CHECK_EQ(memcmp(y, z, sizeof y), 0);
    view.dims[0] = 63;
    CHECK_STATUS(ebb_model_weight_set(model, 0, &view, &t->error), EBB_E_SHAPE);
    CHECK_STATUS(ebb_model_weight_get(model, 4, &view, &t->error), EBB_E_ARGUMENT);
    digits_close(t, &d);
}

TEST(inference_only_keeps_no_originals)
{
    digits d;
    ebb_plan plain, folded;
    ebb_model model;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_view view = {EBB_F32, 1, {16}, y};

    options.inference_only = true;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_plan(d.runtime, digits_cnn, NULL, &plain, &t->error));
    CHECK_OK(ebb_model_plan(d.runtime, digits_cnn, &options, &folded, &t->error));
    CHECK(folded.total <= plain.total);
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, &options, &model, &t->error));
    CHECK_OK(digits_predict(&d, model, DIGITS_ROWS, y, &t->error));
    CHECK(digits_error(y, d.cnn_y[0], DIGITS_ROWS) < 1e-5);
    CHECK_STATUS(ebb_model_weight_get(model, 1, &view, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "inference_only");
    digits_close(t, &d);
}

/* -- bad arguments
 * ---------------------------------------------------------------------------------------- */

TEST(wrong_views_are_explained)
{
    digits d;
    ebb_model model;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    ebb_view in = {EBB_F32, 4, {2, 8, 9, 1}, d.x}, out = {EBB_F32, 2, {2, 10}, y};
    ebb_views inputs = {&in, 1}, outputs = {&out, 1}, none = {NULL, 0};
    CHECK_STATUS(ebb_model_predict(model, &inputs, &outputs, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "8, 8, 1");
    CHECK_CONTAINS(t->error.text, "(2, 8, 9, 1)");
    in.dims[2] = 8;
    in.dims[0] = 0;
    CHECK_STATUS(ebb_model_predict(model, &inputs, &outputs, &t->error), EBB_E_SHAPE);
    in.dims[0] = -1;
    CHECK_STATUS(ebb_model_predict(model, &inputs, &outputs, &t->error), EBB_E_SHAPE);
    in.dims[0] = 2;
    CHECK_STATUS(ebb_model_predict(model, &none, &outputs, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_predict(model, &inputs, NULL, &t->error), EBB_E_ARGUMENT);
    out.dims[1] = 9;
    CHECK_STATUS(ebb_model_predict(model, &inputs, &outputs, &t->error), EBB_E_SHAPE);
    out.dims[1] = 10;
    in.dtype = (ebb_dtype)99;
    CHECK_STATUS(ebb_model_predict(model, &inputs, &outputs, &t->error), EBB_E_DTYPE);
    in.dtype = EBB_F32;
    out.data = d.x;
    CHECK_STATUS(ebb_model_predict(model, &inputs, &outputs, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "overlaps");
    out.data = NULL;
    CHECK_STATUS(ebb_model_predict(model, &inputs, &outputs, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_load(d.runtime, NULL, NULL, &model, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_load(d.runtime, "nowhere.keras", NULL, &model, &t->error),
                 EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.where, "nowhere.keras");
    digits_close(t, &d);
}

TEST(other_types_are_converted)
{
    digits d;
    ebb_model model;
    double x[DIGITS_ROWS * DIGITS_PIXELS], y[DIGITS_ROWS * DIGITS_CLASSES];

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    for (int i = 0; i < DIGITS_ROWS * DIGITS_PIXELS; i++)
        x[i] = d.x[i / DIGITS_PIXELS][i % DIGITS_PIXELS];
    const ebb_view in = {EBB_F64, 4, {DIGITS_ROWS, 8, 8, 1}, x}, out = {EBB_F64, 0, {0}, y};
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};
    CHECK_OK(ebb_model_predict(model, &inputs, &outputs, &t->error));
    for (int i = 0; i < DIGITS_ROWS * DIGITS_CLASSES; i++)
        CHECK_NEAR(y[i], d.mlp_y[i / DIGITS_CLASSES][i % DIGITS_CLASSES], 1e-5);
    digits_close(t, &d);
}

TEST_MAIN(RUN(predictions_are_keras_numbers), RUN(unload_gives_back_what_the_receipt_says),
          RUN(plan_equals_the_ledger), RUN(a_limit_below_the_plan_refuses_at_once),
          RUN(stale_handles_are_answers), RUN(neighbours_never_notice),
          RUN(unload_during_predictions_waits_and_wins_once), RUN(two_runtimes_are_strangers),
          RUN(a_forked_child_predicts_too), RUN(every_allocation_may_fail),
          RUN(opening_a_runtime_may_fail), RUN(prediction_allocates_nothing),
          RUN(other_shapes_are_cached_and_trimmed), RUN(weights_can_be_read_and_set),
          RUN(inference_only_keeps_no_originals), RUN(wrong_views_are_explained),
          RUN(other_types_are_converted))
