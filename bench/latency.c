/* latency.c -- the time of one prediction.
 *
 *     bench_latency MODEL [--threads N] [--batch N] [--seconds S] [--inference-only]
 *                         [--input X.npy] [--output Y.npy] [--serve]
 *
 * Prints one line of JSON: nanoseconds of a call (least, median, 90th and 99th percentile). Calls
 * far below the clock's own cost are timed in groups. With --serve the model stays loaded and
 * every line of standard input, a number of seconds, is answered by one such line: so that another
 * program can measure two engines in turn.
 */
#include <stdio.h>
#include <stdlib.h>

#include "measure.h"

#define SAMPLE_LEAST_NS 20000

typedef struct arguments {
    const char *path, *input, *output;
    uint32_t threads, batch;
    double seconds;
    bool inference_only, serve;
} arguments;

static void read_arguments(int count, char **words, arguments *a)
{
    const word_option options[] = {
        {"--threads", .count = &a->threads},  {"--batch", .count = &a->batch},
        {"--seconds", .number = &a->seconds}, {"--input", .text = &a->input},
        {"--output", .text = &a->output},     {"--inference-only", .flag = &a->inference_only},
        {"--serve", .flag = &a->serve},       {0},
    };

    *a = (arguments){.batch = 1, .seconds = 1};
    words_read(count, words,
               "bench_latency MODEL [--threads N] [--batch N] [--seconds S] [--inference-only] "
               "[--input X.npy] [--output Y.npy] [--serve]",
               options, &a->path);
}

typedef struct timing {
    subject s;
    uint32_t group; /* calls of a sample */
    uint64_t *times;
} timing;

static uint64_t time_group(void *context)
{
    timing *t = context;
    const uint64_t begin = now_ns();

    for (uint32_t i = 0; i < t->group; i++) subject_predict(&t->s);
    return now_ns() - begin;
}

static void measure(void *context, double seconds)
{
    timing *t = context;

    for (t->group = 1; time_group(t) < SAMPLE_LEAST_NS;) t->group *= 2;
    const size_t count = sample_times(time_group, t, seconds, t->times);
    const double group = t->group;
    const double least = (double)t->times[0] / group, median = (double)t->times[count / 2] / group;
    printf("{\"calls\": %zu, \"least_ns\": %.0f, \"median_ns\": %.0f, \"p90_ns\": %.0f, "
           "\"p99_ns\": %.0f}\n",
           count * t->group, least, median, (double)t->times[count * 90 / 100] / group,
           (double)t->times[count * 99 / 100] / group);
    fflush(stdout);
}

int main(int count, char **words)
{
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    ebb_error error = {0};
    timing t = {0};
    subject *s = &t.s;
    arguments a;

    read_arguments(count, words, &a);
    t.times = calloc(SAMPLES_MAX, sizeof *t.times);
    if (t.times == NULL) return 3;
    subject_open_runtime(s);
    options.threads = a.threads;
    options.batch = a.batch;
    options.inference_only = a.inference_only;
    must(ebb_model_load(s->runtime, a.path, &options, &s->model, &error), &error, a.path);
    subject_make_views(s, a.batch, a.input);
    if (a.output != NULL) subject_save(s, a.output);
    for (int i = 0; i < 5; i++) subject_predict(s);
    if (a.serve) {
        printf("ready\n");
        fflush(stdout);
        serve_lines(measure, &t);
    } else {
        measure(&t, a.seconds);
    }
    subject_drop_views(s);
    ebb_runtime_close(s->runtime, NULL);
    free(t.times);
    return 0;
}
