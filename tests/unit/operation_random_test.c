/* operation_random_test.c -- keras.random inside models: distributions, other numbers in every
 * prediction of every lane, the same in the same program, nothing left when memory fails. */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "built_models.h"

#define ROWS 4000

/* Operations on an input of [rows, width]; NULL of `arguments`: none. */
static ebb_model made(test *t, ebb_runtime runtime, const char *class_name, const char *arguments,
                      int64_t width, const ebb_load_options *load)
{
    ebb_builder b;
    ebb_model model = {0};
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;

    options.seed = 3;
    options.load = load;
    CHECK_OK(ebb_build_open(runtime, "draws", &b, &t->error));
    const ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 1, &width);
    const ebb_layer op = ebb_build_operation_make(b, class_name, arguments);
    const ebb_tensor y = ebb_build_call(b, op, &x, 1);
    CHECK_OK(ebb_build_finish(b, &y, 1, &options, &model, &t->error));
    return model;
}

static void predict(test *t, ebb_model model, const float *x, int64_t width, ebb_dtype dtype,
                    int64_t columns, void *y)
{
    ebb_view in = {.dtype = EBB_F32, .rank = 2, .dims = {ROWS, width}};
    ebb_view out = {.dtype = dtype, .rank = 2, .dims = {ROWS, columns}, .data = y};

    in.data = (void *)(uintptr_t)x;
    CHECK_OK(ebb_model_predict(model, &(ebb_views){&in, 1}, &(ebb_views){&out, 1}, &t->error));
}

static float zeros[ROWS * 3], first[ROWS * 3], second[ROWS * 3];

static void check_moments(const float *y, size_t count, double mean, double deviation)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < count; i++) sum += (double)y[i];
    for (size_t i = 0; i < count; i++) {
        const double d = (double)y[i] - sum / (double)count;
        squares += d * d;
    }
    const double found = sqrt(squares / (double)count);
    CHECK_NEAR(sum / (double)count, mean, 4 * deviation / sqrt((double)count));
    CHECK_NEAR(found, deviation, 0.03 * deviation);
}

static size_t equal_count(const float *a, const float *b, size_t count)
{
    size_t equal = 0;
    for (size_t i = 0; i < count; i++) equal += a[i] == b[i];
    return equal;
}

TEST(distributions_have_their_moments)
{
    static const struct {
        const char *class_name, *arguments;
        double mean, deviation;
    } cases[] = {
        {"RandomNormal", "shape=[None, 3], axes=[0], mean=1, stddev=2", 1, 2},
        {"RandomTruncatedNormal", "shape=[None, 3], axes=[0], mean=1, stddev=2", 1, 2 * 0.87963},
        {"RandomUniform", "shape=[None, 3], axes=[0], minval=-1, maxval=3", 1, 1.1547},
        {"RandomInteger", "shape=[None, 3], axes=[0], minval=-2, maxval=8, dtype='float32'", 2.5,
         2.87228},
    };
    const ebb_runtime runtime = built_runtime(t);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const ebb_model m = made(t, runtime, cases[i].class_name, cases[i].arguments, 3, NULL);
        predict(t, m, zeros, 3, EBB_F32, 3, first);
        predict(t, m, zeros, 3, EBB_F32, 3, second);
        check_moments(first, ROWS * 3, cases[i].mean, cases[i].deviation);
        check_moments(second, ROWS * 3, cases[i].mean, cases[i].deviation);
        CHECK(equal_count(first, second, ROWS * 3) < ROWS * 3 / 5);
        /* Passes of one prediction differ, too. */
        CHECK(equal_count(first, first + 32 * 3, ROWS * 3 - 96) < ROWS * 3 / 5);
        CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
    }
    built_close(t, runtime);
}

TEST(what_is_drawn_of_a_tensor)
{
    static const float logits[] = {0, 0.6931472f, 1.3862944f}; /* 1, 2, 4 of 7 */
    static int32_t classes[ROWS * 2];
    static float x[ROWS * 3];
    const ebb_runtime runtime = built_runtime(t);
    size_t counts[3] = {0}, kept = 0;
    double sum = 0;

    for (size_t i = 0; i < ROWS * 3; i++) x[i] = logits[i % 3];
    ebb_model m = made(t, runtime, "RandomCategorical", "num_samples=2", 3, NULL);
    predict(t, m, x, 3, EBB_I32, 2, classes);
    CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
    for (size_t i = 0; i < ROWS * 2; i++) counts[classes[i]]++;
    for (int k = 0; k < 3; k++) CHECK_NEAR((double)counts[k] / (ROWS * 2), (1 << k) / 7.0, 0.02);

    for (size_t i = 0; i < ROWS * 3; i++) x[i] = 1;
    m = made(t, runtime, "RandomDropout", "rate=0.25, noise_shape=[None, 1]", 3, NULL);
    predict(t, m, x, 3, EBB_F32, 3, first);
    CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
    for (size_t i = 0; i < ROWS; i++) {
        CHECK(first[3 * i] == first[3 * i + 1] && first[3 * i] == first[3 * i + 2]);
        CHECK(first[3 * i] == 0 || fabsf(first[3 * i] - 4 / 3.0f) < 1e-6f);
        kept += first[3 * i] != 0;
    }
    CHECK_NEAR((double)kept / ROWS, 0.75, 0.03);

    for (size_t i = 0; i < ROWS; i++) x[i] = (float)i;
    m = made(t, runtime, "RandomShuffle", "axis=0", 1, NULL);
    predict(t, m, x, 1, EBB_F32, 1, first);
    CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
    for (size_t i = 0; i < ROWS; i++) {
        sum += (double)first[i];
        second[(size_t)first[i]]++; /* a permutation: each once */
    }
    CHECK_NEAR(sum, (double)ROWS * (ROWS - 1) / 2, 0);
    CHECK(equal_count(first, x, ROWS) < 20);
    built_close(t, runtime);
}

TEST(the_same_program_draws_the_same)
{
    const char *const normal = "shape=[None, 3], axes=[0], seed=7, draw=1";
    const ebb_runtime runtime = built_runtime(t);
    ebb_model m = made(t, runtime, "RandomNormal", normal, 3, NULL);

    predict(t, m, zeros, 3, EBB_F32, 3, first);
    CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
    m = made(t, runtime, "RandomNormal", normal, 3, NULL);
    predict(t, m, zeros, 3, EBB_F32, 3, second);
    CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
    CHECK_EQ(equal_count(first, second, ROWS * 3), ROWS * 3);

    m = made(t, runtime, "RandomNormal", "shape=[None, 3], axes=[0], seed=7, draw=2", 3, NULL);
    predict(t, m, zeros, 3, EBB_F32, 3, second);
    CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
    CHECK(equal_count(first, second, ROWS * 3) < 10);

    m = made(t, runtime, "RandomNormal", "shape=[None, 3], axes=[0], seed=7, is_fixed=True", 3,
             NULL);
    predict(t, m, zeros, 3, EBB_F32, 3, first);
    predict(t, m, zeros, 3, EBB_F32, 3, second);
    CHECK_EQ(equal_count(first, second, ROWS * 3), ROWS * 3);
    CHECK(equal_count(first, first + 32 * 3, ROWS * 3 - 96) < 10);
    CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
    built_close(t, runtime);
}

/* -- lanes ------------------------------------------------------------------------------------- */

#define WORKERS 4
#define RUNS    25

typedef struct worker {
    ebb_model model;
    int64_t rows; /* several executables share one count */
    float found[RUNS];
    ebb_status status;
} worker;

static void *work(void *context)
{
    worker *const w = context;
    float x[8] = {0}, y[8];

    for (int i = 0; i < RUNS && w->status == EBB_OK; i++) {
        ebb_view in = {.dtype = EBB_F32, .rank = 2, .dims = {w->rows, 1}, .data = x};
        ebb_view out = {.dtype = EBB_F32, .rank = 2, .dims = {w->rows, 1}, .data = y};
        w->status = ebb_model_predict(w->model, &(ebb_views){&in, 1}, &(ebb_views){&out, 1}, NULL);
        w->found[i] = y[0];
    }
    return NULL;
}

TEST(no_two_predictions_of_lanes_draw_the_same)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    worker workers[WORKERS];
    pthread_t threads[WORKERS];
    size_t equal = 0;

    load.lanes = 2;
    const ebb_model m = made(t, runtime, "RandomNormal", "shape=[None, 1], axes=[0]", 1, &load);
    memset(workers, 0, sizeof workers);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].model = m;
        workers[i].rows = 1 + i % 3;
        CHECK_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_OK(workers[i].status);
    }
    for (int i = 0; i < WORKERS * RUNS; i++) {
        for (int k = 0; k < i; k++)
            equal += workers[i / RUNS].found[i % RUNS] == workers[k / RUNS].found[k % RUNS];
    }
    CHECK_EQ(equal, 0);
    CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
    built_close(t, runtime);
}

/* -- lengths, faults, memory ------------------------------------------------------------------- */

TEST(lengths_are_those_of_the_whole_batch)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_builder b;
    ebb_model m = {0};
    static float y[ROWS];

    CHECK_OK(ebb_build_open(runtime, "lengths", &b, &t->error));
    const ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 1, &(int64_t){1});
    const ebb_tensor rows =
        ebb_build_call(b, ebb_build_operation_make(b, "Length", "axis=0"), &x, 1);
    const ebb_tensor wide = ebb_build_call(
        b, ebb_build_operation_make(b, "Filled", "shape=[None, 1], axes=[0], number=2"), &x, 1);
    const ebb_tensor sum = ebb_build_call(b, ebb_build_operation_make(b, "Multiply", NULL),
                                          (ebb_tensor[]){wide, rows}, 2);
    CHECK_OK(ebb_build_finish(b, &sum, 1, NULL, &m, &t->error));
    predict(t, m, zeros, 1, EBB_F32, 1, y);
    for (int i = 0; i < ROWS; i++) CHECK_EQ(y[i], 2 * ROWS);
    CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
    built_close(t, runtime);
}

TEST(faults_are_told)
{
    static const char *const cases[][3] = {
        {"RandomNormal", "shape=[None, 3]", "axes: expected the axis of argument 0"},
        {"RandomNormal", "shape=[None, 3], axes=[5]", "axis"},
        {"RandomNormal", "shape=[-1, 3]", "expected lengths, got -1"},
        {"RandomNormal", "shape=[2], dtype='complex64'", "complex64"},
        {"RandomInteger", "shape=[2], minval=3, maxval=3", "expected a range of int32"},
        {"RandomInteger", "shape=[2], minval=0, maxval=2000000000", "at most 16777216"},
        {"RandomCategorical", "num_samples=0", "num_samples: expected at least 1"},
        {"RandomDropout", "rate=1.5", "rate: expected a number from 0 to 1"},
        {"RandomDropout", "rate=0.5, noise_shape=[2]", "noise_shape: expected 2 lengths, got 1"},
        {"InTraining", "", "expected two tensors"},
    };
    const ebb_runtime runtime = built_runtime(t);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ebb_builder b;
        ebb_model m = {0};
        CHECK_OK(ebb_build_open(runtime, "faults", &b, &t->error));
        const ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 1, &(int64_t){3});
        const ebb_tensor y =
            ebb_build_call(b, ebb_build_operation_make(b, cases[i][0], cases[i][1]), &x, 1);
        CHECK(ebb_build_finish(b, &y, 1, NULL, &m, &t->error) != EBB_OK);
        CHECK_CONTAINS(t->error.text, cases[i][2]);
    }
    built_close(t, runtime);
}

TEST(no_memory_leaves_nothing)
{
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t before = built_live(runtime);

    for (int64_t n = 0;; n++) {
        ebb_builder b;
        ebb_model m = {0};
        test_fail_allocation(t, n);
        ebb_status status = ebb_build_open(runtime, "draws", &b, &t->error);
        if (status == EBB_OK) {
            const ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 1, &(int64_t){3});
            const ebb_layer op =
                ebb_build_operation_make(b, "RandomNormal", "shape=[None, 3], axes=[0]");
            const ebb_layer shuffle = ebb_build_operation_make(b, "RandomShuffle", NULL);
            const ebb_tensor drawn = ebb_build_call(b, op, &x, 1);
            const ebb_tensor y = ebb_build_call(b, shuffle, &drawn, 1);
            status = ebb_build_finish(b, &y, 1, NULL, &m, &t->error);
        }
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        if (status != EBB_OK) CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        if (status == EBB_OK) CHECK_OK(ebb_model_unload(m, NULL, NULL, &t->error));
        CHECK_EQ(built_live(runtime), before);
        if (!failed) break;
    }
    built_close(t, runtime);
}

TEST_MAIN(RUN(distributions_have_their_moments), RUN(what_is_drawn_of_a_tensor),
          RUN(the_same_program_draws_the_same), RUN(no_two_predictions_of_lanes_draw_the_same),
          RUN(lengths_are_those_of_the_whole_batch), RUN(faults_are_told),
          RUN(no_memory_leaves_nothing))
