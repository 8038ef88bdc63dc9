/* shrink.c -- what shrinking a model gains: bytes on the ledger and the time of one prediction.
 *
 *     bench_shrink MODEL [--threads N] [--batch N] [--seconds S] [--rounds N]
 *
 * The model and its shrunk copies are measured in turn, in one process and on the same inputs, so
 * that a disturbance meets all of them. Prints a table: weights and all live bytes, the least and
 * the median time, and the median over the rounds of the time relative to float32.
 */
#include <stdio.h>
#include <stdlib.h>

#include "measure.h"

#define FORMS      6
#define ROUNDS_MAX 200

typedef struct arguments {
    const char *path;
    uint32_t threads, batch, rounds;
    double seconds;
} arguments;

typedef struct form {
    const char *name, *dtype; /* NULL: as it is */
    double sparsity;          /* 0: not pruned */
    subject s;
    double least, medians[ROUNDS_MAX], ratios[ROUNDS_MAX];
} form;

static void read_arguments(int count, char **words, arguments *a)
{
    static const char usage[] =
        "bench_shrink MODEL [--threads N] [--batch N] [--seconds S] [--rounds N]";
    const word_option options[] = {
        {"--threads", .count = &a->threads},
        {"--batch", .count = &a->batch},
        {"--rounds", .count = &a->rounds},
        {"--seconds", .number = &a->seconds},
        {0},
    };

    *a = (arguments){.threads = 1, .batch = 1, .rounds = 8, .seconds = 0.3};
    words_read(count, words, usage, options, &a->path);
    if (a->rounds > ROUNDS_MAX) words_refuse(usage);
}

static void open_form(form *f, ebb_runtime runtime, const arguments *a)
{
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_quantize_options quantize = EBB_QUANTIZE_OPTIONS_INIT;
    ebb_prune_options prune = EBB_PRUNE_OPTIONS_INIT;
    ebb_error error = {0};

    load.threads = a->threads;
    load.batch = a->batch;
    f->s.runtime = runtime;
    must(ebb_model_load(runtime, a->path, &load, &f->s.model, &error), &error, a->path);
    prune.sparsity = f->sparsity;
    quantize.dtype = f->dtype;
    if (f->sparsity > 0) must(ebb_model_prune(f->s.model, &prune, NULL, &error), &error, f->name);
    if (f->dtype != NULL)
        must(ebb_model_quantize(f->s.model, &quantize, NULL, &error), &error, f->name);
    subject_make_views(&f->s, a->batch, NULL);
    for (int i = 0; i < 3; i++) subject_predict(&f->s);
}

static uint64_t time_once(void *context)
{
    const uint64_t begin = now_ns();

    subject_predict(context);
    return now_ns() - begin;
}

static void measure(form *f, const form *plain, uint32_t round, double seconds, uint64_t *times)
{
    const size_t count = sample_times(time_once, &f->s, seconds, times);

    f->medians[round] = (double)times[count / 2];
    f->ratios[round] = f->medians[round] / plain->medians[round];
    if (round == 0 || (double)times[0] < f->least) f->least = (double)times[0];
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

static void show(form *f, uint32_t rounds)
{
    ebb_memory memory = {0};

    ebb_model_memory_read(f->s.model, &memory);
    printf("| %s | %.2f | %.2f | %.4g | %.4g | %.2f |\n", f->name,
           (double)memory.by_class[EBB_CLASS_WEIGHTS] / 1e6, (double)memory.live / 1e6,
           f->least / 1e6, median(f->medians, rounds) / 1e6, median(f->ratios, rounds));
}

int main(int count, char **words)
{
    static form forms[FORMS] = {{.name = "float32"},
                                {.name = "int8", .dtype = "int8"},
                                {.name = "float16", .dtype = "float16"},
                                {.name = "bfloat16", .dtype = "bfloat16"},
                                {.name = "pruned 80 %", .sparsity = 0.8},
                                {.name = "pruned 80 %, int8", .dtype = "int8", .sparsity = 0.8}};
    subject first = {0};
    arguments a;
    uint64_t *times = calloc(SAMPLES_MAX, sizeof *times);

    read_arguments(count, words, &a);
    if (times == NULL) return 3;
    subject_open_runtime(&first);
    for (int i = 0; i < FORMS; i++) open_form(&forms[i], first.runtime, &a);
    for (uint32_t round = 0; round < a.rounds; round++)
        for (int i = 0; i < FORMS; i++) measure(&forms[i], &forms[0], round, a.seconds, times);
    printf("| form | weights MB | all MB | least ms | median ms | to float32 |\n"
           "| --- | --- | --- | --- | --- | --- |\n");
    for (int i = 0; i < FORMS; i++) show(&forms[i], a.rounds);
    for (int i = 0; i < FORMS; i++) subject_drop_views(&forms[i].s);
    ebb_runtime_close(first.runtime, NULL);
    free(times);
    return 0;
}
