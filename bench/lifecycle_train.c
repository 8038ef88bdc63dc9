/* lifecycle_train.c -- what is left after models were built, trained and dropped many times.
 *
 *     bench_lifecycle_train [DIVISOR]
 *
 * Five exercises on one runtime, with an LSTM of 32 units over 16 steps of 8 numbers. Each round
 * must leave the ledger as the round before did, to the byte; at the end threads, descriptors and
 * the ledger must be those of before, and memory of the process may not have grown by more than
 * GROWTH_MAX since round 100 (round 10 where there are no more than 100). Prints a table; the exit
 * status is 1 where something is not as it must be. DIVISOR: that many times fewer rounds.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

#define STEPS      16
#define WIDTH      8
#define ROWS       100
#define BATCH      32
#define FOLDS      10
#define FOLD_ROWS  (ROWS / FOLDS)
#define GROWTH_MAX ((uint64_t)256 << 10)

typedef struct bench {
    ebb_runtime runtime;
    ebb_model model, other;
    float x[ROWS][STEPS][WIDTH], y[ROWS];
    float fold_x[ROWS][STEPS][WIDTH], fold_y[ROWS];
    float answers[BATCH];
} bench;

typedef struct exercise {
    const char *name;
    uint32_t rounds;
    void (*begin)(bench *b);
    void (*round)(bench *b, uint32_t number);
    void (*end)(bench *b);
} exercise;

/* -- pieces ------------------------------------------------------------------------------------ */

static void fill(bench *b)
{
    uint32_t state = 1;

    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < STEPS * WIDTH; k++) {
            state = state * 1664525u + 1013904223u;
            b->x[i][k / WIDTH][k % WIDTH] = (float)(state >> 8) / 16777216.0f;
        }
        b->y[i] = b->x[i][STEPS - 1][0];
    }
}

static ebb_model build(bench *b, ebb_scope scope)
{
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_error error = {0};
    ebb_builder builder;
    ebb_model model;

    load.scope = scope;
    load.batch = BATCH;
    options.load = &load;
    must(ebb_build_open(b->runtime, "lstm", &builder, &error), &error, "open");
    ebb_tensor at = ebb_build_input(builder, NULL, EBB_F32, 2, (int64_t[]){STEPS, WIDTH});
    at = ebb_build_layer(builder, "LSTM", "units=32", at);
    at = ebb_build_layer(builder, "Dense", "units=1", at);
    must(ebb_build_finish(builder, &at, 1, &options, &model, &error), &error, "finish");
    return model;
}

static void compile(ebb_model model)
{
    ebb_compile_options options = EBB_COMPILE_OPTIONS_INIT;
    ebb_error error = {0};

    options.optimizer = "adam";
    options.loss = "mse";
    options.metrics = "mae";
    must(ebb_model_compile(model, &options, &error), &error, "compile");
}

static void fit(ebb_model model, float (*x)[STEPS][WIDTH], float *y, int64_t rows, uint32_t epochs)
{
    const ebb_view in = {EBB_F32, 3, {rows, STEPS, WIDTH}, x}, out = {EBB_F32, 2, {rows, 1}, y};
    const ebb_data data = {.x = {&in, 1}, .y = {&out, 1}};
    ebb_fit_options options = EBB_FIT_OPTIONS_INIT;
    ebb_error error = {0};

    options.epochs = epochs;
    must(ebb_model_fit(model, &data, &options, &error), &error, "fit");
}

static void drop(ebb_model model)
{
    ebb_error error = {0};

    must(ebb_model_unload(model, NULL, NULL, &error), &error, "unload");
}

static const ebb_scope none = {0};

/* -- exercises --------------------------------------------------------------------------------- */

static void begin_nothing(bench *b)
{
    (void)b;
}

static void round_whole_life(bench *b, uint32_t number)
{
    (void)number;
    const ebb_model model = build(b, none);

    compile(model);
    fit(model, b->x, b->y, 2 * BATCH, 1);
    drop(model);
}

static void begin_model(bench *b)
{
    b->model = build(b, none);
    compile(b->model);
}

static void end_model(bench *b)
{
    drop(b->model);
}

/* Keras makes its graph with the first batch, so that belongs to compiling. */
static void round_compile(bench *b, uint32_t number)
{
    (void)number;
    compile(b->model);
    fit(b->model, b->x, b->y, BATCH, 1);
}

/* Rows number * FOLD_ROWS and on are held back. */
static void round_fold(bench *b, uint32_t number)
{
    const size_t held = (size_t)number % FOLDS * FOLD_ROWS, after = held + FOLD_ROWS;
    ebb_scope scope;
    ebb_error error = {0};
    double results[2];
    size_t count = 2;
    const ebb_view in = {EBB_F32, 3, {FOLD_ROWS, STEPS, WIDTH}, b->x[held]};
    const ebb_view out = {EBB_F32, 2, {FOLD_ROWS, 1}, &b->y[held]};
    const ebb_data data = {.x = {&in, 1}, .y = {&out, 1}};

    memcpy(b->fold_x, b->x, held * sizeof *b->x);
    memcpy(b->fold_x + held, b->x + after, (ROWS - after) * sizeof *b->x);
    memcpy(b->fold_y, b->y, held * sizeof *b->y);
    memcpy(b->fold_y + held, b->y + after, (ROWS - after) * sizeof *b->y);
    must(ebb_scope_open(b->runtime, NULL, &scope, &error), &error, "scope");
    const ebb_model model = build(b, scope);
    compile(model);
    fit(model, b->fold_x, b->fold_y, ROWS - FOLD_ROWS, 3);
    must(ebb_model_evaluate(model, &data, NULL, results, &count, &error), &error, "evaluate");
    must(ebb_scope_close(scope, NULL, &error), &error, "close");
}

static void round_alternate(bench *b, uint32_t number)
{
    const ebb_view in = {EBB_F32, 3, {BATCH, STEPS, WIDTH}, b->x};
    const ebb_view out = {EBB_F32, 2, {BATCH, 1}, b->answers};
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};
    ebb_error error = {0};

    (void)number;
    must(ebb_model_predict(b->model, &inputs, &outputs, &error), &error, "predict");
    fit(b->model, b->x, b->y, BATCH, 1);
}

static void begin_copies(bench *b)
{
    b->model = build(b, none);
    b->other = build(b, none);
}

static void round_copy(bench *b, uint32_t number)
{
    ebb_error error = {0};
    const bool is_even = number % 2 == 0;

    must(ebb_model_weights_copy(is_even ? b->model : b->other, is_even ? b->other : b->model, NULL,
                                NULL, &error),
         &error, "copy");
}

static void end_copies(bench *b)
{
    drop(b->model);
    drop(b->other);
}

static const exercise exercises[] = {
    {"build, compile, fit, drop", 1000, begin_nothing, round_whole_life, begin_nothing},
    {"compile, one step", 1000, begin_model, round_compile, end_model},
    {"folds, each in a scope", 10 * FOLDS, begin_nothing, round_fold, begin_nothing},
    {"predict, fit one step", 10000, begin_model, round_alternate, end_model},
    {"copy weights", 10000, begin_copies, round_copy, end_copies},
};

/* -- measuring --------------------------------------------------------------------------------- */

static uint32_t count_entries(const char *folder)
{
    uint32_t count = 0;
    DIR *list = opendir(folder);

    while (list != NULL && readdir(list) != NULL) count++;
    if (list != NULL) closedir(list);
    return count;
}

static ebb_memory read_ledger(const bench *b)
{
    ebb_memory memory = {0};

    ebb_memory_read(b->runtime, &memory);
    return memory;
}

static bool expect(const char *name, const char *what, uint64_t before, uint64_t after)
{
    if (before == after) return true;
    fprintf(stderr, "%s: %s %" PRIu64 ", expected %" PRIu64 "\n", name, what, after, before);
    return false;
}

static bool measure(bench *b, const exercise *e, uint32_t rounds)
{
    const ebb_memory before = read_ledger(b);
    const uint32_t threads = count_entries("/proc/self/task");
    const uint32_t descriptors = count_entries("/proc/self/fd");
    uint64_t rss_10 = 0, rss_100 = 0, live = 0;
    bool is_good = true;

    e->begin(b);
    const uint64_t begin = now_ns();
    for (uint32_t i = 0; i < rounds && is_good; i++) {
        e->round(b, i);
        const uint64_t left = read_ledger(b).live;
        if (i == 0) live = left;
        is_good = expect(e->name, "bytes after a round", live, left);
        if (i + 1 == 10) rss_10 = resident_bytes();
        if (i + 1 == 100) rss_100 = resident_bytes();
    }
    const uint64_t time = (now_ns() - begin) / rounds, rss = resident_bytes();
    e->end(b);
    const ebb_memory after = read_ledger(b);
    printf("| %s | %" PRIu32 " | %.3f | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64
           " | %u | %u |\n",
           e->name, rounds, (double)time / 1e6, rss_10 >> 10, rss_100 >> 10, rss >> 10,
           after.live - before.live, after.threads, after.descriptors);
    fflush(stdout);
    const uint64_t early = rounds > 100 ? rss_100 : rounds > 10 ? rss_10 : rss;
    is_good &= expect(e->name, "bytes at the end", before.live, after.live);
    is_good &= expect(e->name, "threads in the ledger", before.threads, after.threads);
    is_good &= expect(e->name, "threads", threads, count_entries("/proc/self/task"));
    is_good &= expect(e->name, "descriptors", descriptors, count_entries("/proc/self/fd"));
    if (rss > early + GROWTH_MAX) {
        fprintf(stderr, "%s: the process grew by %" PRIu64 " KiB\n", e->name, (rss - early) >> 10);
        is_good = false;
    }
    return is_good;
}

int main(int count, char **words)
{
    static bench b;
    const uint32_t divisor = count > 1 ? (uint32_t)atoi(words[1]) : 1;
    bool is_good = true;
    ebb_error error = {0};

    if (count > 2 || divisor == 0) {
        fprintf(stderr, "usage: bench_lifecycle_train [DIVISOR]\n");
        return 2;
    }
    fill(&b);
    must(ebb_runtime_open(NULL, &b.runtime, &error), &error, "open");
    printf("| exercise | rounds | ms a round | RSS KiB, round 10 | round 100 | last | bytes left | "
           "threads left | descriptors left |\n| --- | --- | --- | --- | --- | --- | --- | --- | "
           "--- |\n");
    for (size_t i = 0; i < sizeof exercises / sizeof *exercises; i++) {
        const uint32_t rounds = exercises[i].rounds / divisor;
        is_good &= measure(&b, &exercises[i], rounds > 0 ? rounds : 1);
    }
    ebb_runtime_close(b.runtime, NULL);
    return is_good ? 0 : 1;
}
