/* train_step.c -- the time of one training step.
 *
 *     bench_train_step MODEL --x X.npy --y Y.npy [--threads N] [--seconds S] [--serve]
 *
 * Compiles the model with the settings of its file and calls ebb_model_train_on_batch() with all
 * rows of the files, again and again. Prints the losses of the first steps and one line of JSON:
 * nanoseconds of a call (least, median, 90th percentile) and the peak memory of the process. With
 * --serve every line of standard input, a number of seconds, is answered by one such line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "measure.h"

#define STEPS_SHOWN 3
#define RESULTS_MAX 16

typedef struct arguments {
    const char *path, *x, *y;
    uint32_t threads;
    double seconds;
    bool serve;
} arguments;

typedef struct trainee {
    ebb_runtime runtime;
    ebb_model model;
    ebb_arrays x, y;
    ebb_view x_view, y_view;
    ebb_batch batch;
    uint64_t *times;
} trainee;

static void read_arguments(int count, char **words, arguments *a)
{
    static const char usage[] =
        "bench_train_step MODEL --x X.npy --y Y.npy [--threads N] [--seconds S] [--serve]";
    const word_option options[] = {
        {"--x", .text = &a->x},
        {"--y", .text = &a->y},
        {"--threads", .count = &a->threads},
        {"--seconds", .number = &a->seconds},
        {"--serve", .flag = &a->serve},
        {0},
    };

    *a = (arguments){.seconds = 2};
    words_read(count, words, usage, options, &a->path);
    if (a->x == NULL || a->y == NULL) words_refuse(usage);
}

static void read_array(trainee *t, const char *path, ebb_arrays *arrays, ebb_view *view)
{
    const char *name;
    ebb_error error = {0};

    must(ebb_arrays_open(t->runtime, path, arrays, &error), &error, path);
    must(ebb_arrays_read(*arrays, 0, &name, view), &error, path);
}

static void open_trainee(trainee *t, const arguments *a)
{
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    ebb_error error = {0};

    must(ebb_runtime_open(NULL, &t->runtime, &error), &error, "open");
    read_array(t, a->x, &t->x, &t->x_view);
    read_array(t, a->y, &t->y, &t->y_view);
    t->batch = (ebb_batch){.x = {&t->x_view, 1}, .y = {&t->y_view, 1}};
    load.threads = compile.threads = a->threads;
    compile.batch = (uint32_t)t->x_view.dims[0];
    must(ebb_model_load(t->runtime, a->path, &load, &t->model, &error), &error, a->path);
    must(ebb_model_compile(t->model, &compile, &error), &error, "compile");
}

static double step(const trainee *t)
{
    double results[RESULTS_MAX];
    size_t count = RESULTS_MAX;
    ebb_error error = {0};

    must(ebb_model_train_on_batch(t->model, &t->batch, results, &count, &error), &error, "step");
    return results[0];
}

static uint64_t time_step(void *context)
{
    const uint64_t begin = now_ns();

    step(context);
    return now_ns() - begin;
}

static void measure(void *context, double seconds)
{
    trainee *t = context;
    uint64_t *const times = t->times;
    const size_t count = sample_times(time_step, t, seconds, times);

    printf("{\"calls\": %zu, \"least_ns\": %llu, \"median_ns\": %llu, \"p90_ns\": %llu, "
           "\"peak_bytes\": %llu}\n",
           count, (unsigned long long)times[0], (unsigned long long)times[count / 2],
           (unsigned long long)times[count * 9 / 10], (unsigned long long)peak_bytes());
    fflush(stdout);
}

int main(int count, char **words)
{
    trainee t = {0};
    arguments a;

    read_arguments(count, words, &a);
    t.times = calloc(SAMPLES_MAX, sizeof *t.times);
    if (t.times == NULL) return 3;
    open_trainee(&t, &a);
    printf("ready");
    for (int i = 0; i < STEPS_SHOWN; i++) printf(" %.9g", step(&t));
    printf("\n");
    fflush(stdout);
    if (a.serve)
        serve_lines(measure, &t);
    else
        measure(&t, a.seconds);
    ebb_runtime_close(t.runtime, NULL);
    free(t.times);
    return 0;
}
