/* command_compare.c -- `ebb compare`: two models on the same inputs. */
#include <inttypes.h>
#include <stdlib.h>

#include "console.h"
#include "json_output.h"
#include "match.h"
#include "session.h"
#include "table.h"

typedef struct values {
    text_list inputs;
    double rtol, atol;
    bool is_exact;
    uint32_t rows, seed;
} values;

typedef struct task {
    const invocation *call;
    const values *v;
    session s;
    ebb_model a, b;
    ports inputs;
    named_file in[TEXT_LIST_MAX];
    feed *feed;
    ebb_difference *differences;
    uint32_t count;
    bool agree;
} task;

static ebb_status read_inputs(task *t, ebb_views *views)
{
    ebb_error *error = &t->s.error;

    t->feed = calloc(1, sizeof *t->feed);
    if (t->feed == NULL) return refuse(error, EBB_E_MEMORY, "", "no memory for the inputs");
    ebb_status status = named_files_make(t->in, &t->v->inputs, &t->inputs, "--input", error);
    if (status == EBB_OK) {
        status = feed_make(t->feed, t->s.runtime, t->in, t->v->inputs.count, &t->inputs, error);
    }
    *views = (ebb_views){t->feed->inputs, t->inputs.count};
    return status;
}

static ebb_status compare(task *t)
{
    ebb_compare_options options = EBB_COMPARE_OPTIONS_INIT;
    ebb_model_info info;
    ebb_views views = {NULL, 0};
    ebb_error *error = &t->s.error;
    ebb_status status = ports_make_inputs(&t->inputs, t->a, error);

    if (status == EBB_OK && t->v->inputs.count > 0) status = read_inputs(t, &views);
    if (status == EBB_OK) status = ebb_model_info_read(t->a, &info);
    if (status != EBB_OK) return status;
    t->count = info.outputs;
    t->differences = calloc((size_t)t->count + 1, sizeof *t->differences);
    if (t->differences == NULL) return refuse(error, EBB_E_MEMORY, "", "no memory");
    options.rtol = t->v->rtol;
    options.atol = t->v->atol;
    options.is_exact = t->v->is_exact;
    options.rows = t->v->rows;
    options.seed = t->v->seed;
    return ebb_model_compare(t->a, t->b, t->v->inputs.count > 0 ? &views : NULL, &options,
                             t->differences, t->count, &t->agree, error);
}

static void show_text(const task *t, const ebb_memory *a, const ebb_memory *b)
{
    text_buffer x, y;
    table rows;

    table_open(&rows, "output|>largest|>relative|>rms|>of up to|>cosine|>same place|>outside");
    for (uint32_t i = 0; i < t->count; i++) {
        const ebb_difference *d = &t->differences[i];
        table_add(&rows, "%s", d->name);
        table_add(&rows, "%.3g", d->absolute);
        table_add(&rows, "%.3g", d->relative);
        table_add(&rows, "%.3g", d->rms);
        table_add(&rows, "%.3g", d->scale);
        table_add(&rows, "%.6f", d->cosine);
        table_add(&rows, "%.1f %%", 100 * d->agreement);
        table_add(&rows, "%" PRIu64 " of %" PRIu64, d->outside, d->elements);
    }
    table_close(&rows);
    printf("weights  %s and %s bytes\n", text_grouped(&x, a->by_class[EBB_CLASS_WEIGHTS]),
           text_grouped(&y, b->by_class[EBB_CLASS_WEIGHTS]));
    printf("memory   %s and %s bytes\n", text_grouped(&x, a->live), text_grouped(&y, b->live));
    puts(t->agree ? "the models agree" : "the models differ");
}

static void show_model(json_output *j, const char *key, const char *path, const ebb_memory *m)
{
    json_object(j, key);
    json_text(j, "path", path);
    json_count(j, "weights_bytes", m->by_class[EBB_CLASS_WEIGHTS]);
    json_count(j, "live_bytes", m->live);
    json_object_end(j);
}

static void show_json(const task *t, const ebb_memory *a, const ebb_memory *b)
{
    json_output j = {0};

    json_object(&j, NULL);
    json_bool(&j, "agree", t->agree);
    show_model(&j, "a", t->call->words[0], a);
    show_model(&j, "b", t->call->words[1], b);
    json_array(&j, "outputs");
    for (uint32_t i = 0; i < t->count; i++) {
        const ebb_difference *d = &t->differences[i];
        json_object(&j, NULL);
        json_text(&j, "name", d->name);
        json_count(&j, "elements", d->elements);
        json_number(&j, "absolute", d->absolute, 9);
        json_number(&j, "relative", d->relative, 9);
        json_number(&j, "rms", d->rms, 9);
        json_number(&j, "scale", d->scale, 9);
        json_number(&j, "cosine", d->cosine, 9);
        json_number(&j, "agreement", d->agreement, 9);
        json_count(&j, "outside", d->outside);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
}

static int show(task *t)
{
    ebb_memory a = {0}, b = {0};

    ebb_model_memory_read(t->a, &a);
    ebb_model_memory_read(t->b, &b);
    if (t->call->is_json)
        show_json(t, &a, &b);
    else
        show_text(t, &a, &b);
    return t->agree ? EXIT_DONE : EXIT_NO;
}

static int run(const invocation *call)
{
    task t = {.call = call, .v = call->values};
    int code = EXIT_FAILED;

    if (!session_open(&t.s)) return EXIT_FAILED;
    if (session_load(&t.s, call, call->words[0], &t.a) &&
        session_load(&t.s, call, call->words[1], &t.b)) {
        const ebb_status status = compare(&t);
        code = status == EBB_OK ? show(&t) : session_exit_code(&t.s, status);
    }
    if (t.feed != NULL) feed_free(t.feed);
    free(t.feed);
    free(t.differences);
    ports_free(&t.inputs);
    return session_close(&t.s, code);
}

static const option options[] = {
    {"input", OPTION_TEXTS, offsetof(values, inputs), "FILE",
     ".npz or .npy; or NAME=FILE.npy, once per input (default: random numbers)"},
    {"rtol", OPTION_REAL, offsetof(values, rtol), "X", "allowed part of a number (default: 1e-3)"},
    {"atol", OPTION_REAL, offsetof(values, atol), "X", "allowed besides (default: 1e-3)"},
    {"exact", OPTION_FLAG, offsetof(values, is_exact), NULL,
     "allow nothing that --rtol and --atol do not say"},
    {"rows", OPTION_COUNT, offsetof(values, rows), "N", "rows of random numbers (default: 8)"},
    {"seed", OPTION_NUMBER, offsetof(values, seed), "N", "of random numbers (default: 0)"},
    {0},
};

const command command_compare = {
    .name = "compare",
    .summary = "tells how the outputs of two models differ",
    .usage = "A B [--input FILE] [options]",
    .help = "Runs both models on the same inputs and tells, for each output, the largest\n"
            "difference, the largest one relative to A, the root of the mean square, the\n"
            "largest number of A, the cosine of the angle between both, and in how many\n"
            "rows the largest number stands in the same place. Ends with 0 when every number\n"
            "agrees, |a - b| <= atol + rtol * |a|, and with 1 when one does not.",
    .example = "  ebb compare model.keras small.keras --input x.npz\n"
               "  ebb compare a.keras b.keras --rows 100 --rtol 0.01 --json",
    .options = options,
    .values_bytes = sizeof(values),
    .words_min = 2,
    .words_max = 2,
    .uses = USES_FILE | USES_LOAD | USES_JSON,
    .run = run,
};
