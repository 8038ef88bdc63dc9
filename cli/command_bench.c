/* command_bench.c -- `ebb bench`: how long one prediction takes, as a distribution.
 *
 * One caller thread per lane, each with inputs and room of its own; nothing is allocated while it
 * is measured. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "console.h"
#include "json_output.h"
#include "process.h"
#include "session.h"
#include "table.h"

#define SAMPLES_MAX 1000000U /* per lane; of longer runs the last ones are kept */
#define SEED        20240607U

typedef struct values {
    uint64_t time_ns;
    uint32_t runs, warmup;
} values;

typedef struct caller {
    ebb_model model;
    const values *v;
    batch questions;
    uint64_t *samples;
    uint32_t sample_count; /* room */
    uint64_t runs, start_ns, end_ns;
    pthread_barrier_t *start;
    ebb_status status;
    ebb_error error;
    pthread_t thread;
    bool is_started;
} caller;

typedef struct bench {
    const invocation *call;
    caller *callers;
    uint32_t count;
    uint64_t *samples; /* of all callers, sorted */
    uint64_t sample_count, runs, wall_ns;
    ebb_model_info info;
    ebb_memory memory;
    int64_t rows;
} bench;

/* -- measuring ----------------------------------------------------------------------- */

static void *measure(void *context)
{
    caller *c = context;
    const values *v = c->v;

    for (uint32_t i = 0; i < v->warmup && c->status == EBB_OK; i++) {
        c->status = batch_predict(&c->questions, c->model, &c->error);
    }
    pthread_barrier_wait(c->start);
    c->start_ns = clock_read_ns();
    uint64_t then = c->start_ns;
    while (c->status == EBB_OK && !interrupt_seen()) {
        if (v->runs != 0 ? c->runs >= v->runs : then - c->start_ns >= v->time_ns) break;
        c->status = batch_predict(&c->questions, c->model, &c->error);
        const uint64_t now = clock_read_ns();
        c->samples[c->runs++ % c->sample_count] = now - then;
        then = now;
    }
    c->end_ns = clock_read_ns();
    return NULL;
}

static ebb_status make_callers(bench *b, ebb_model model, const values *v, pthread_barrier_t *start,
                               ebb_error *error)
{
    const uint32_t samples = v->runs != 0 && v->runs < SAMPLES_MAX ? v->runs : SAMPLES_MAX;

    b->callers = calloc(b->count, sizeof *b->callers);
    b->samples = calloc((size_t)b->count * samples, sizeof *b->samples);
    if (b->callers == NULL || b->samples == NULL)
        return refuse(error, EBB_E_MEMORY, "", "no memory to measure with");
    for (uint32_t i = 0; i < b->count; i++) {
        const batch_choice choice = {b->call->load.batch, b->call->load.sequence, SEED + i};
        caller *c = &b->callers[i];
        c->model = model;
        c->v = v;
        c->start = start;
        c->samples = b->samples + (size_t)i * samples;
        c->sample_count = samples;
        const ebb_status status = batch_make_random(&c->questions, model, &choice, error);
        if (status != EBB_OK) return status;
    }
    const batch *first = &b->callers[0].questions;
    b->rows = first->input_count > 0 && first->inputs[0].rank > 0 ? first->inputs[0].dims[0] : 1;
    return EBB_OK;
}

static int compare_samples(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Packs the samples of all callers together and sorts them. */
static ebb_status collect(bench *b, ebb_error *error)
{
    uint64_t first_ns = UINT64_MAX, last_ns = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        const caller *c = &b->callers[i];
        const uint64_t kept = c->runs < c->sample_count ? c->runs : c->sample_count;
        if (c->status != EBB_OK) {
            *error = c->error;
            return c->status;
        }
        memmove(b->samples + b->sample_count, c->samples, kept * sizeof *b->samples);
        b->sample_count += kept;
        b->runs += c->runs;
        if (c->start_ns < first_ns) first_ns = c->start_ns;
        if (c->end_ns > last_ns) last_ns = c->end_ns;
    }
    b->wall_ns = last_ns - first_ns;
    if (b->sample_count == 0)
        return refuse(error, EBB_E_CANCELLED, "bench", "stopped before the first prediction");
    qsort(b->samples, b->sample_count, sizeof *b->samples, compare_samples);
    return EBB_OK;
}

static ebb_status run_callers(bench *b, ebb_model model, const values *v, ebb_error *error)
{
    pthread_barrier_t start;

    pthread_barrier_init(&start, NULL, b->count);
    ebb_status status = make_callers(b, model, v, &start, error);
    for (uint32_t i = 1; i < b->count && status == EBB_OK; i++) {
        caller *c = &b->callers[i];
        c->is_started = pthread_create(&c->thread, NULL, measure, c) == 0;
        if (c->is_started) continue;
        complain("the system gives no thread for caller %" PRIu32, i + 1);
        exit(EXIT_FAILED); /* the others wait at the barrier for ever */
    }
    if (status == EBB_OK) measure(&b->callers[0]);
    for (uint32_t i = 1; b->callers != NULL && i < b->count; i++) {
        if (b->callers[i].is_started) pthread_join(b->callers[i].thread, NULL);
    }
    if (status == EBB_OK) status = collect(b, error);
    pthread_barrier_destroy(&start);
    return status;
}

/* -- report -------------------------------------------------------------------------- */

static uint64_t quantile(const bench *b, double share)
{
    return b->samples[(uint64_t)(share * (double)(b->sample_count - 1) + 0.5)];
}

static const struct {
    const char *name, *key;
    double share;
} quantiles[] = {{"min", "min_ns", 0},
                 {"median", "median_ns", 0.5},
                 {"p90", "p90_ns", 0.9},
                 {"p99", "p99_ns", 0.99},
                 {"max", "max_ns", 1}};
#define QUANTILE_COUNT (sizeof quantiles / sizeof *quantiles)

static double rows_per_second(const bench *b)
{
    return (double)b->runs * (double)b->rows * 1e9 / (double)(b->wall_ns > 0 ? b->wall_ns : 1);
}

static void write_json(const bench *b)
{
    json_output j = {0};

    json_object(&j, NULL);
    json_text(&j, "path", b->info.path);
    json_text(&j, "name", b->info.name);
    json_integer(&j, "rows", b->rows);
    json_count(&j, "lanes", b->info.lanes);
    json_count(&j, "threads", b->info.threads);
    json_count(&j, "runs", b->runs);
    json_count(&j, "wall_ns", b->wall_ns);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        json_count(&j, quantiles[i].key, quantile(b, quantiles[i].share));
    json_number(&j, "rows_per_second", rows_per_second(b), 6);
    json_count(&j, "load_ns", b->info.load_ns);
    json_count(&j, "live_bytes", b->memory.live);
    json_count(&j, "peak_bytes", b->memory.peak);
    json_classes(&j, "classes", b->memory.by_class);
    json_object_end(&j);
}

static void write_text(const bench *b)
{
    text_buffer a, c;
    table t;

    put_clean(stdout, b->info.name);
    printf(": %" PRId64 " row%s a prediction, %" PRIu32 " lane%s, %" PRIu32
           " thread%s, %s predictions in %s\n\n",
           b->rows, b->rows == 1 ? "" : "s", b->info.lanes, b->info.lanes == 1 ? "" : "s",
           b->info.threads, b->info.threads == 1 ? "" : "s", text_grouped(&a, b->runs),
           text_duration(&c, b->wall_ns));
    table_open(&t, "|>min|>median|>p90|>p99|>max");
    table_add(&t, "latency");
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        table_add(&t, "%s", text_duration(&a, quantile(b, quantiles[i].share)));
    table_close(&t);
    printf("\nrows/s   %s\n", text_grouped(&a, (uint64_t)(rows_per_second(b) + 0.5)));
    printf("memory   %s bytes: %s\n", text_grouped(&a, b->memory.live),
           text_classes(&c, b->memory.by_class));
    printf("load     %s\n", text_duration(&a, b->info.load_ns));
}

static int run(const invocation *call)
{
    invocation with = *call;
    const values *v = call->values;
    bench b = {.call = &with};
    ebb_model model = {0};
    session s;
    int code = EXIT_FAILED;

    if (with.load.batch == 0) with.load.batch = 1;
    b.count = with.load.lanes != 0 ? with.load.lanes : 1;
    if (!session_open_with(&s, call)) return EXIT_FAILED;
    interrupt_watch();
    if (session_load(&s, &with, call->words[0], &model)) {
        ebb_model_info_read(model, &b.info);
        const ebb_status status = run_callers(&b, model, v, &s.error);
        ebb_model_memory_read(model, &b.memory);
        if (status != EBB_OK)
            complain_of(&s.error);
        else if (call->is_json)
            write_json(&b);
        else
            write_text(&b);
        if (status == EBB_OK) code = EXIT_DONE;
    }
    for (uint32_t i = 0; b.callers != NULL && i < b.count; i++) batch_free(&b.callers[i].questions);
    free(b.callers);
    free(b.samples);
    return session_close(&s, code);
}

static const option options[] = {
    {"seconds", OPTION_DURATION, offsetof(values, time_ns), "TIME",
     "how long to measure: 2s, 500ms (default: 2s)"},
    {"runs", OPTION_COUNT, offsetof(values, runs), "N", "predictions per lane, instead of a time"},
    {"warmup", OPTION_NUMBER, offsetof(values, warmup), "N",
     "predictions before measuring (default: 10)"},
    {0},
};
static const values defaults = {.time_ns = 2000000000U, .warmup = 10};

const command command_bench = {
    .name = "bench",
    .summary = "latency distribution, rows per second and bytes of a model",
    .usage = "MODEL [options]",
    .help = "Predicts random rows (numbers in 0..1, whole numbers 0 or 1, the same ones\n"
            "every time) again and again. --batch rows at once (default 1), one caller\n"
            "thread per lane. Latencies are those of whole calls; of more than a million\n"
            "per lane the last million counts.",
    .example = "  ebb bench model.keras\n"
               "  ebb bench --batch 32 --threads 2 --lanes 2 --seconds 5 model.keras",
    .options = options,
    .defaults = &defaults,
    .values_bytes = sizeof(values),
    .words_min = 1,
    .words_max = 1,
    .uses = USES_LOAD | USES_FILE | USES_JSON,
    .run = run,
};
