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
#include <string.h>

#include "measure.h"

#define SAMPLES_MAX     200000
#define SAMPLE_LEAST_NS 20000
#define CALLS_LEAST     3

typedef struct arguments {
    const char *path, *input, *output;
    uint32_t threads, batch;
    double seconds;
    bool inference_only, serve;
} arguments;

static void usage(void)
{
    fprintf(stderr, "usage: bench_latency MODEL [--threads N] [--batch N] [--seconds S] "
                    "[--inference-only] [--input X.npy] [--output Y.npy] [--serve]\n");
    exit(2);
}

static void read_arguments(int count, char **words, arguments *a)
{
    *a = (arguments){.batch = 1, .seconds = 1};
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *next = i + 1 < count ? words[i + 1] : NULL;

        if (word[0] != '-' && a->path == NULL) {
            a->path = word;
            continue;
        }
        if (strcmp(word, "--inference-only") == 0) {
            a->inference_only = true;
            continue;
        }
        if (strcmp(word, "--serve") == 0) {
            a->serve = true;
            continue;
        }
        if (next == NULL) usage();
        if (strcmp(word, "--threads") == 0)
            a->threads = (uint32_t)atoi(next);
        else if (strcmp(word, "--batch") == 0)
            a->batch = (uint32_t)atoi(next);
        else if (strcmp(word, "--seconds") == 0)
            a->seconds = atof(next);
        else if (strcmp(word, "--input") == 0)
            a->input = next;
        else if (strcmp(word, "--output") == 0)
            a->output = next;
        else
            usage();
        i++;
    }
    if (a->path == NULL) usage();
}

static uint64_t time_group(subject *s, uint32_t calls)
{
    const uint64_t begin = now_ns();

    for (uint32_t i = 0; i < calls; i++) subject_predict(s);
    return now_ns() - begin;
}

static uint32_t group_for(subject *s)
{
    uint32_t calls = 1;

    while (time_group(s, calls) < SAMPLE_LEAST_NS) calls *= 2;
    return calls;
}

static void measure(subject *s, double seconds, uint64_t *times)
{
    const uint32_t group = group_for(s);
    const uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    size_t count = 0;

    while (count < SAMPLES_MAX && (count < CALLS_LEAST || now_ns() < end))
        times[count++] = time_group(s, group);
    sort_times(times, count);
    const double least = (double)times[0] / group, median = (double)times[count / 2] / group;
    printf("{\"calls\": %zu, \"least_ns\": %.0f, \"median_ns\": %.0f, \"p90_ns\": %.0f, "
           "\"p99_ns\": %.0f}\n",
           count * group, least, median, (double)times[count * 90 / 100] / group,
           (double)times[count * 99 / 100] / group);
    fflush(stdout);
}

static void serve(subject *s, uint64_t *times)
{
    char line[64];

    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) measure(s, atof(line), times);
}

int main(int count, char **words)
{
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    ebb_error error = {0};
    subject s = {0};
    arguments a;

    read_arguments(count, words, &a);
    uint64_t *times = calloc(SAMPLES_MAX, sizeof *times);
    if (times == NULL) return 3;
    subject_open_runtime(&s);
    options.threads = a.threads;
    options.batch = a.batch;
    options.inference_only = a.inference_only;
    must(ebb_model_load(s.runtime, a.path, &options, &s.model, &error), &error, a.path);
    subject_make_views(&s, a.batch, a.input);
    if (a.output != NULL) subject_save(&s, a.output);
    for (int i = 0; i < 5; i++) subject_predict(&s);
    if (a.serve)
        serve(&s, times);
    else
        measure(&s, a.seconds, times);
    subject_drop_views(&s);
    ebb_runtime_close(s.runtime, NULL);
    free(times);
    return 0;
}
