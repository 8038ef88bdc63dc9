/* training_test.c -- compile, steps, publishing, uncompile: what a compiled model takes, when it
 * gives it back, and that predictions see whole sets of weights. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "digits.h"

typedef struct lesson {
    digits d;
    ebb_model model;
    int32_t labels[DIGITS_ROWS];
} lesson;

static const char sparse[] = "sparse_categorical_crossentropy";

static void lesson_open(test *t, lesson *l, const char *path)
{
    digits_open(t, &l->d, NULL);
    CHECK_OK(ebb_model_load(l->d.runtime, path, NULL, &l->model, &t->error));
    for (int i = 0; i < DIGITS_ROWS; i++) l->labels[i] = i % DIGITS_CLASSES;
}

static void lesson_close(test *t, lesson *l)
{
    CHECK_OK(ebb_model_unload(l->model, NULL, NULL, &t->error));
    CHECK_EQ(digits_live(&l->d), 4096);
    digits_close(t, &l->d);
}

static ebb_compile_options adam(void)
{
    ebb_compile_options o = EBB_COMPILE_OPTIONS_INIT;

    o.optimizer = "{\"class_name\": \"Adam\", \"config\": {\"learning_rate\": 0.01}}";
    o.loss = sparse;
    o.metrics = "[\"accuracy\"]";
    o.batch = DIGITS_ROWS;
    return o;
}

static ebb_status step(const lesson *l, bool trains, int64_t rows, double *results,
                       ebb_error *error)
{
    const ebb_view x = {EBB_F32, 4, {rows, 8, 8, 1}, (void *)(uintptr_t)l->d.x};
    const ebb_view y = {EBB_I32, 1, {rows}, (void *)(uintptr_t)l->labels};
    const ebb_batch batch = {{&x, 1}, {&y, 1}, {NULL, 0}};
    size_t count = 2;

    if (trains) return ebb_model_train_on_batch(l->model, &batch, results, &count, error);
    return ebb_model_test_on_batch(l->model, &batch, results, &count, error);
}

/* keras: the loss that Keras 3.15 has after 60 steps of Adam(0.01); -1: it depends on chance. */
static void check_learns(test *t, const char *path, double keras)
{
    lesson l;
    const ebb_compile_options options = adam();
    double first[2], last[2];
    float before[DIGITS_ROWS * DIGITS_CLASSES], after[DIGITS_ROWS * DIGITS_CLASSES];

    lesson_open(t, &l, path);
    CHECK_OK(digits_predict(&l.d, l.model, DIGITS_ROWS, before, &t->error));
    CHECK_OK(ebb_model_compile(l.model, &options, &t->error));
    CHECK_TEXT(ebb_model_metric(l.model, 0), "loss");
    CHECK_TEXT(ebb_model_metric(l.model, 1), "accuracy");
    CHECK(ebb_model_metric(l.model, 2) == NULL);
    CHECK_OK(step(&l, false, DIGITS_ROWS, first, &t->error));
    for (int i = 0; i < 60; i++) CHECK_OK(step(&l, true, DIGITS_ROWS, last, &t->error));
    CHECK_OK(step(&l, false, DIGITS_ROWS, last, &t->error));
    CHECK(last[0] < first[0] / 4);
    CHECK(last[1] > 0.3);
    if (keras >= 0) CHECK_NEAR(last[0], keras, 1e-4);
    CHECK_OK(digits_predict(&l.d, l.model, DIGITS_ROWS, after, &t->error));
    CHECK(memcmp(before, after, sizeof before) != 0);
    int hits = 0;
    for (int i = 0; i < DIGITS_ROWS; i++) {
        int best = 0;
        for (int k = 1; k < DIGITS_CLASSES; k++) {
            if (after[i * DIGITS_CLASSES + k] > after[i * DIGITS_CLASSES + best]) best = k;
        }
        hits += best == l.labels[i];
    }
    CHECK_NEAR((double)hits / DIGITS_ROWS, last[1], 1e-6);
    CHECK_OK(ebb_model_uncompile(l.model, NULL, &t->error));
    CHECK_OK(digits_predict(&l.d, l.model, DIGITS_ROWS, before, &t->error));
    CHECK_EQ(memcmp(before, after, sizeof before), 0);
    lesson_close(t, &l);
}

TEST(steps_learn_and_predictions_follow)
{
    check_learns(t, digits_mlp, 0.1049199);
    check_learns(t, digits_cnn, -1); /* has a Dropout */
}

TEST(a_plan_equals_the_ledger)
{
    const char *const paths[] = {digits_mlp, digits_cnn};

    for (int i = 0; i < 2; i++) {
        lesson l;
        ebb_plan plan;
        ebb_memory before, after;
        ebb_receipt receipt;
        const ebb_compile_options options = adam();
        double results[2];

        lesson_open(t, &l, paths[i]);
        CHECK_OK(ebb_model_plan_training(l.d.runtime, paths[i], NULL, &options, &plan, &t->error));
        CHECK_OK(ebb_model_memory_read(l.model, &before));
        CHECK_OK(ebb_model_compile(l.model, &options, &t->error));
        CHECK_OK(ebb_model_memory_read(l.model, &after));
        for (int k = 0; k < EBB_CLASS_COUNT; k++) {
            if (k != EBB_CLASS_CODE)
                CHECK_EQ(after.by_class[k] - before.by_class[k], plan.by_class[k]);
        }
        CHECK_EQ(after.live - before.live, plan.total);
        CHECK(plan.by_class[EBB_CLASS_GRADIENTS] > 0 && plan.by_class[EBB_CLASS_OPTIMIZER] > 0);
        CHECK_OK(step(&l, true, DIGITS_ROWS, results, &t->error));
        CHECK_OK(ebb_model_memory_read(l.model, &after));
        CHECK_EQ(after.live - before.live, plan.total);
        CHECK_OK(ebb_model_uncompile(l.model, &receipt, &t->error));
        CHECK_EQ(receipt.bytes_total, plan.total);
        CHECK_OK(ebb_model_memory_read(l.model, &after));
        CHECK_EQ(after.live, before.live);
        lesson_close(t, &l);
    }
}

TEST(compiling_again_begins_anew_and_leaves_nothing)
{
    lesson l;
    ebb_memory first, last;
    const ebb_compile_options options = adam();

    lesson_open(t, &l, digits_mlp);
    CHECK_OK(ebb_model_compile(l.model, &options, &t->error));
    CHECK_OK(ebb_model_memory_read(l.model, &first));
    for (int i = 0; i < 50; i++) CHECK_OK(ebb_model_compile(l.model, &options, &t->error));
    CHECK_OK(ebb_model_memory_read(l.model, &last));
    CHECK_EQ(last.live, first.live);
    lesson_close(t, &l);
}

TEST(what_is_wrong_is_told)
{
    lesson l;
    ebb_compile_options options = adam();
    double results[2];
    size_t count = 1;
    const ebb_view x = {EBB_F32, 4, {2, 8, 8, 1}, l.d.x}, y = {EBB_I32, 1, {2}, l.labels};
    const ebb_view few = {EBB_I32, 1, {1}, l.labels};
    ebb_batch batch = {{&x, 1}, {&y, 1}, {NULL, 0}};

    lesson_open(t, &l, digits_mlp);
    CHECK_STATUS(step(&l, true, 1, results, &t->error), EBB_E_STATE);
    CHECK(!ebb_model_compiled(l.model));
    options.optimizer = "adum";
    CHECK_STATUS(ebb_model_compile(l.model, &options, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "adam");
    options = adam();
    CHECK_OK(ebb_model_compile(l.model, &options, &t->error));
    CHECK(ebb_model_compiled(l.model));
    CHECK_STATUS(ebb_model_train_on_batch(l.model, &batch, results, &count, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_EQ(count, 2);
    batch.y.items = &few;
    CHECK_STATUS(ebb_model_train_on_batch(l.model, &batch, results, &count, &t->error),
                 EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "rows");
    batch.y.items = &y;
    l.labels[1] = 10;
    CHECK_STATUS(ebb_model_train_on_batch(l.model, &batch, results, &count, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "class 10");
    batch.x.count = 0;
    CHECK_STATUS(ebb_model_train_on_batch(l.model, &batch, results, &count, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_cancel(l.model), EBB_E_STATE);
    CHECK_STATUS(ebb_model_trainable_set(l.model, "nowhere", false, &t->error), EBB_E_NOT_FOUND);
    lesson_close(t, &l);
}

TEST(learning_rates_are_read_and_set)
{
    lesson l;
    ebb_compile_options options = adam();
    double rate = 0;

    lesson_open(t, &l, digits_mlp);
    CHECK_OK(ebb_model_compile(l.model, &options, &t->error));
    CHECK_OK(ebb_model_learning_rate(l.model, &rate, &t->error));
    CHECK_NEAR(rate, 0.01, 1e-7);
    CHECK_OK(ebb_model_learning_rate_set(l.model, 0.5, &t->error));
    CHECK_OK(ebb_model_learning_rate(l.model, &rate, &t->error));
    CHECK_NEAR(rate, 0.5, 0);
    lesson_close(t, &l);
}

/* With every layer frozen nothing changes; with one freed that one does. */
TEST(frozen_layers_stay)
{
    lesson l;
    const ebb_compile_options options = adam();
    ebb_tensor_info info;
    ebb_model_info facts;
    double results[2];
    float before[4][64 * 64], after[64 * 64];

    lesson_open(t, &l, digits_mlp);
    CHECK_OK(ebb_model_info_read(l.model, &facts));
    CHECK(facts.weights <= 4);
    for (uint32_t i = 0; i < facts.weights; i++) {
        CHECK_OK(ebb_model_weight(l.model, i, &info));
        ebb_view view = {EBB_F32, info.rank, {0}, before[i]};
        memcpy(view.dims, info.dims, sizeof view.dims);
        CHECK_OK(ebb_model_weight_get(l.model, i, &view, &t->error));
    }
    CHECK_OK(ebb_model_weight(l.model, facts.weights - 1, &info));
    *strchr(info.name, '/') = 0;
    CHECK_OK(ebb_model_trainable_set(l.model, "", false, &t->error));
    CHECK_OK(ebb_model_trainable_set(l.model, info.name, true, &t->error));
    CHECK_OK(ebb_model_compile(l.model, &options, &t->error));
    for (int i = 0; i < 3; i++) CHECK_OK(step(&l, true, DIGITS_ROWS, results, &t->error));
    for (uint32_t i = 0; i < facts.weights; i++) {
        CHECK_OK(ebb_model_weight(l.model, i, &info));
        ebb_view view = {EBB_F32, info.rank, {0}, after};
        memcpy(view.dims, info.dims, sizeof view.dims);
        CHECK_OK(ebb_model_weight_get(l.model, i, &view, &t->error));
        CHECK_EQ(memcmp(before[i], after, ebb_view_bytes(&view)) == 0, i + 2 < facts.weights);
    }
    lesson_close(t, &l);
}

/* -- memory and threads ------------------------------------------------------------------------ */

static void check_survives(test *t, lesson *l, int n, bool *failed)
{
    const ebb_compile_options options = adam();
    ebb_memory before, after;
    double results[2];

    CHECK_OK(ebb_model_memory_read(l->model, &before));
    test_fail_allocation(t, n);
    ebb_status status = ebb_model_compile(l->model, &options, &t->error);
    if (status == EBB_OK) status = step(l, true, DIGITS_ROWS, results, &t->error);
    if (status == EBB_OK) status = step(l, false, 3, results, &t->error);
    test_fail_allocation(t, -1);
    *failed = status != EBB_OK;
    if (*failed) CHECK_EQ(status, EBB_E_MEMORY);
    if (ebb_model_compiled(l->model)) CHECK_OK(ebb_model_uncompile(l->model, NULL, &t->error));
    CHECK_OK(ebb_model_memory_read(l->model, &after));
    CHECK_EQ(after.live, before.live);
}

TEST(every_allocation_may_fail)
{
    lesson l = {0};
    ebb_runtime_options runtimes = EBB_RUNTIME_OPTIONS_INIT;
    bool failed = true;
    uint32_t failures = 0;

    runtimes.allocator = test_allocator(t);
    runtimes.threads = 1;
    runtimes.no_jit = true;
    digits_open(t, &l.d, &runtimes);
    CHECK_OK(ebb_model_load(l.d.runtime, digits_mlp, NULL, &l.model, &t->error));
    for (int n = 0; failed; n++) {
        check_survives(t, &l, n, &failed);
        failures += failed;
    }
    CHECK(failures > 50);
    CHECK_OK(ebb_model_unload(l.model, NULL, NULL, &t->error));
    digits_close(t, &l.d);
}

TEST(a_limit_below_the_plan_is_an_answer)
{
    lesson l;
    ebb_plan plan;
    ebb_memory before, after;
    ebb_compile_options options = adam();
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    lesson_open(t, &l, digits_mlp);
    CHECK_OK(ebb_model_plan_training(l.d.runtime, digits_mlp, NULL, &options, &plan, &t->error));
    CHECK_OK(ebb_model_memory_read(l.model, &before));
    options.bytes_max = plan.by_class[EBB_CLASS_WEIGHTS] + plan.by_class[EBB_CLASS_OPTIMIZER];
    CHECK_STATUS(ebb_model_compile(l.model, &options, &t->error), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "bytes_max");
    CHECK_OK(ebb_model_memory_read(l.model, &after));
    CHECK_EQ(after.live, before.live);
    CHECK_OK(digits_predict(&l.d, l.model, DIGITS_ROWS, y, &t->error));
    lesson_close(t, &l);
}

/* Eight convolutions in a row, 16 rows of 16 x 16 x 8. */
static ebb_model deep_model(test *t, ebb_runtime runtime)
{
    const int64_t dims[] = {16, 16, 8};
    ebb_builder b;
    ebb_model model;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;

    options.seed = 3;
    CHECK_OK(ebb_build_open(runtime, "deep", &b, &t->error));
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 3, dims);
    for (int i = 0; i < 8; i++)
        x = ebb_build_layer(b, "Conv2D",
                            "filters=8, kernel_size=3, padding='same', activation='tanh'", x);
    x = ebb_build_layer(b, "GlobalAveragePooling2D", NULL, x);
    x = ebb_build_layer(b, "Dense", "units=1", x);
    CHECK_OK(ebb_build_finish(b, &x, 1, &options, &model, &t->error));
    return model;
}

/* Compiles, trains three steps and unloads. *memory: while it was compiled. */
static double deep_loss(test *t, ebb_runtime runtime, uint64_t cap, ebb_memory *memory)
{
    static float x_data[16 * 16 * 16 * 8], y_data[16];
    const ebb_view x = {EBB_F32, 4, {16, 16, 16, 8}, x_data}, y = {EBB_F32, 2, {16, 1}, y_data};
    const ebb_batch batch = {{&x, 1}, {&y, 1}, {NULL, 0}};
    const ebb_model model = deep_model(t, runtime);
    ebb_compile_options options = EBB_COMPILE_OPTIONS_INIT;
    ebb_memory before;
    double loss = 0;
    size_t count = 1;

    for (size_t i = 0; i < sizeof x_data / sizeof *x_data; i++) x_data[i] = (float)(i % 17) / 17.0f;
    for (int i = 0; i < 16; i++) y_data[i] = (float)(i % 5);
    options.optimizer = "sgd";
    options.loss = "mse";
    options.batch = 16;
    options.bytes_max = cap;
    CHECK_OK(ebb_model_memory_read(model, &before));
    CHECK_OK(ebb_model_compile(model, &options, &t->error));
    CHECK_OK(ebb_model_memory_read(model, memory));
    memory->live -= before.live;
    for (int i = 0; i < 3; i++)
        CHECK_OK(ebb_model_train_on_batch(model, &batch, &loss, &count, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    return loss;
}

/* Below the plan, activations are computed twice: the same numbers in less memory. */
TEST(a_cap_is_kept_by_computing_twice)
{
    ebb_runtime runtime;
    ebb_memory whole, capped;

    CHECK_OK(ebb_runtime_open(NULL, &runtime, &t->error));
    const double loss = deep_loss(t, runtime, 0, &whole);
    const uint64_t cap = whole.live - whole.by_class[EBB_CLASS_GRADIENTS] / 3;
    CHECK_NEAR(deep_loss(t, runtime, cap, &capped), loss, 0);
    CHECK(capped.live <= cap);
    CHECK(capped.by_class[EBB_CLASS_GRADIENTS] < whole.by_class[EBB_CLASS_GRADIENTS] * 2 / 3);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

typedef struct reader {
    lesson l;
    atomic_bool stop;
    atomic_uint done, faults;
} reader;

static void *predict_on(void *context)
{
    reader *r = context;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_error error;

    while (!atomic_load(&r->stop)) {
        if (digits_predict(&r->l.d, r->l.model, DIGITS_ROWS, y, &error) != EBB_OK)
            atomic_fetch_add(&r->faults, 1);
        for (int i = 0; i < DIGITS_ROWS; i++) {
            float sum = 0;
            for (int k = 0; k < DIGITS_CLASSES; k++) sum += y[i * DIGITS_CLASSES + k];
            if (!(sum > 0.999f && sum < 1.001f)) atomic_fetch_add(&r->faults, 1);
        }
        atomic_fetch_add(&r->done, 1);
    }
    return NULL;
}

TEST(predictions_go_on_beside_training)
{
    static reader r;
    const ebb_compile_options options = adam();
    pthread_t threads[2];
    double results[2];

    r = (reader){0};
    lesson_open(t, &r.l, digits_mlp);
    CHECK_OK(ebb_model_compile(r.l.model, &options, &t->error));
    for (int i = 0; i < 2; i++) CHECK_EQ(pthread_create(&threads[i], NULL, predict_on, &r), 0);
    for (int i = 0; i < 300; i++)
        CHECK_OK(step(&r.l, true, 1 + i % DIGITS_ROWS, results, &t->error));
    CHECK_OK(ebb_model_uncompile(r.l.model, NULL, &t->error));
    atomic_store(&r.stop, true);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    CHECK(atomic_load(&r.done) > 0);
    CHECK_EQ(atomic_load(&r.faults), 0);
    lesson_close(t, &r.l);
}

TEST_MAIN(RUN(steps_learn_and_predictions_follow), RUN(a_plan_equals_the_ledger),
          RUN(compiling_again_begins_anew_and_leaves_nothing), RUN(what_is_wrong_is_told),
          RUN(learning_rates_are_read_and_set), RUN(frozen_layers_stay),
          RUN(every_allocation_may_fail), RUN(a_limit_below_the_plan_is_an_answer),
          RUN(a_cap_is_kept_by_computing_twice), RUN(predictions_go_on_beside_training))
