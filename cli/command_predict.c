/* command_predict.c -- `ebb predict`: arrays in files through a model.
 *
 * Two ways: arrays are read whole, predicted and written or shown; or, when inputs and outputs are
 * .npy files, they stream through in batches, so that they may be larger than memory. */
#include <inttypes.h>
#include <stdlib.h>

#include "console.h"
#include "match.h"
#include "process.h"
#include "session.h"
#include "show.h"

#define ROWS_SHOWN 16

typedef struct values {
    text_list inputs, outputs;
    bool is_stream, has_stats;
    uint32_t rows_shown;
} values;

typedef struct job {
    const invocation *call;
    const values *v;
    session s;
    ebb_model model;
    ports inputs, outputs;
    named_file in[TEXT_LIST_MAX], out[TEXT_LIST_MAX];
    json_output j;
    uint64_t rows, time_ns; /* of the prediction */
    bool is_streamed;
    progress bar;
} job;

/* -- streaming ----------------------------------------------------------------------- */

static bool all_npy(const named_file *files, uint32_t count)
{
    bool all = count > 0;

    for (uint32_t i = 0; i < count; i++) all = all && path_is_npy(files[i].path);
    return all;
}

static bool can_stream(const job *p)
{
    return all_npy(p->in, p->v->inputs.count) && all_npy(p->out, p->v->outputs.count) &&
           p->v->inputs.count == p->inputs.count && p->v->outputs.count == p->outputs.count;
}

static bool show_progress(void *context, uint64_t rows_done, uint64_t rows_total)
{
    job *p = context;

    p->rows = rows_total;
    progress_draw(&p->bar, rows_done, rows_total);
    return !interrupt_seen();
}

static ebb_status stream(job *p)
{
    const char *in[TEXT_LIST_MAX], *out[TEXT_LIST_MAX];
    ebb_stream_options options = EBB_STREAM_OPTIONS_INIT;
    ebb_error *error = &p->s.error;

    options.batch = p->call->load.batch;
    options.progress = show_progress;
    options.context = p;
    p->bar = (progress){.what = "predicting"};
    p->is_streamed = true;
    ebb_status status =
        named_files_order(p->in, p->v->inputs.count, &p->inputs, "--input", in, error);
    if (status == EBB_OK) {
        status =
            named_files_order(p->out, p->v->outputs.count, &p->outputs, "--output", out, error);
    }
    if (status != EBB_OK) return status;
    const uint64_t start = clock_read_ns();
    status = ebb_model_predict_files(p->model, in, out, &options, error);
    p->time_ns = clock_read_ns() - start;
    progress_clear(&p->bar);
    return status;
}

/* -- arrays -------------------------------------------------------------------------- */

static ebb_status save(job *p, const batch *b)
{
    const char *names[TEXT_LIST_MAX], *paths[TEXT_LIST_MAX];
    ebb_error *error = &p->s.error;
    const uint32_t files = p->v->outputs.count;

    for (uint32_t i = 0; i < p->outputs.count; i++) names[i] = p->outputs.items[i].name;
    if (files == 1 && p->out[0].name == NULL) {
        const ebb_views views = {b->outputs, b->output_count};
        return ebb_arrays_save(p->s.runtime, p->out[0].path, names, &views, error);
    }
    ebb_status status = named_files_order(p->out, files, &p->outputs, "--output", paths, error);
    for (uint32_t i = 0; i < files && status == EBB_OK; i++) {
        const ebb_views view = {&b->outputs[i], 1};
        status = ebb_arrays_save(p->s.runtime, paths[i], &names[i], &view, error);
    }
    return status;
}

static void show(job *p, const batch *b)
{
    if (p->call->is_json) json_array(&p->j, "outputs");
    for (uint32_t i = 0; i < b->output_count; i++) {
        const char *name = p->outputs.items[i].name;
        if (p->call->is_json)
            show_array_json(&p->j, name, &b->outputs[i]);
        else
            show_array(name, &b->outputs[i], p->v->rows_shown);
    }
    if (p->call->is_json) json_array_end(&p->j);
}

static ebb_status predict_arrays(job *p, const feed *f)
{
    batch b;
    ebb_status status = batch_make(&b, p->model, f->inputs, p->inputs.count, &p->s.error);

    if (status == EBB_OK) {
        const uint64_t start = clock_read_ns();
        status = batch_predict(&b, p->model, &p->s.error);
        p->time_ns = clock_read_ns() - start;
        p->rows = b.input_count > 0 && b.inputs[0].rank > 0 ? (uint64_t)b.inputs[0].dims[0] : 1;
    }
    interrupt_watch(); /* from here a file is begun that must not stay half written */
    if (status == EBB_OK && p->v->outputs.count > 0)
        status = save(p, &b);
    else if (status == EBB_OK)
        show(p, &b);
    batch_free(&b);
    return status;
}

static ebb_status run_arrays(job *p)
{
    feed *f = malloc(sizeof *f);
    ebb_error *error = &p->s.error;

    if (f == NULL) return refuse(error, EBB_E_MEMORY, "", "no memory for the inputs");
    if (p->outputs.count > TEXT_LIST_MAX) {
        free(f);
        return refuse(error, EBB_E_UNSUPPORTED, "--output", "models with more than %d outputs",
                      TEXT_LIST_MAX);
    }
    ebb_status status = feed_make(f, p->s.runtime, p->in, p->v->inputs.count, &p->inputs, error);
    if (status == EBB_OK) status = predict_arrays(p, f);
    feed_free(f);
    free(f);
    return status;
}

/* -- both ---------------------------------------------------------------------------- */

static void report_stats(job *p)
{
    const double rate = (double)p->rows * 1e9 / (double)(p->time_ns > 0 ? p->time_ns : 1);
    ebb_model_info info = {0};
    ebb_memory memory = {0};
    text_buffer a, b, c, d;

    ebb_model_info_read(p->model, &info);
    ebb_memory_read(p->s.runtime, &memory);
    if (p->call->is_json) {
        json_object(&p->j, "stats");
        json_count(&p->j, "rows", p->rows);
        json_count(&p->j, "load_ns", info.load_ns);
        json_count(&p->j, "predict_ns", p->time_ns);
        json_count(&p->j, "peak_bytes", memory.peak);
        json_bool(&p->j, "streamed", p->is_streamed);
        json_object_end(&p->j);
        return;
    }
    fflush(stdout);
    fprintf(stderr, "%s rows in %s (%s rows/s)%s; loaded in %s", text_grouped(&a, p->rows),
            text_duration(&b, p->time_ns), text_grouped(&c, (uint64_t)rate),
            p->is_streamed ? ", streamed" : "", text_duration(&d, info.load_ns));
    fprintf(stderr, "; peak of the ledger %s bytes\n", text_grouped(&a, memory.peak));
}

static ebb_status predict(job *p)
{
    ebb_error *error = &p->s.error;
    ebb_status status = ports_make_inputs(&p->inputs, p->model, error);

    if (status == EBB_OK) status = ports_make_outputs(&p->outputs, p->model, error);
    if (status == EBB_OK)
        status = named_files_make(p->in, &p->v->inputs, &p->inputs, "--input", error);
    if (status == EBB_OK)
        status = named_files_make(p->out, &p->v->outputs, &p->outputs, "--output", error);
    if (status != EBB_OK) return status;
    if (p->v->is_stream && !can_stream(p)) {
        return refuse(error, EBB_E_ARGUMENT, "--stream",
                      "needs one .npy file per input and per output: the model has "
                      "%" PRIu32 " and %" PRIu32,
                      p->inputs.count, p->outputs.count);
    }
    if (p->call->is_json) json_object(&p->j, NULL);
    if (!can_stream(p)) return run_arrays(p);
    interrupt_watch();
    status = stream(p);
    /* An output without a row per input row cannot be streamed, but may well fit into memory. */
    if (status != EBB_E_UNSUPPORTED || p->v->is_stream) return status;
    p->is_streamed = false;
    return run_arrays(p);
}

static int run(const invocation *call)
{
    job p = {.call = call, .v = call->values};
    int code = EXIT_FAILED;

    if (p.v->inputs.count == 0) {
        complain(
            "predict: --input is missing; usage: ebb predict MODEL --input FILE [--output FILE]");
        return EXIT_USAGE;
    }
    if (!session_open_with(&p.s, call)) return EXIT_FAILED;
    if (session_load(&p.s, call, call->words[0], &p.model)) {
        const ebb_status status = predict(&p);
        if (status == EBB_OK && p.v->has_stats) report_stats(&p);
        if (p.j.depth > 0) json_object_end(&p.j);
        code = session_exit_code(&p.s, status);
    }
    ports_free(&p.inputs);
    ports_free(&p.outputs);
    return session_close(&p.s, code);
}

static const option options[] = {
    {"input", OPTION_TEXTS, offsetof(values, inputs), "FILE",
     ".npz or .npy; or NAME=FILE.npy, once per input"},
    {"output", OPTION_TEXTS, offsetof(values, outputs), "FILE",
     ".npz, .npy, or NAME=FILE.npy (default: shown as text)"},
    {"stream", OPTION_FLAG, offsetof(values, is_stream), NULL,
     "insist on batches from .npy to .npy files"},
    {"stats", OPTION_FLAG, offsetof(values, has_stats), NULL,
     "tell rows, times and peak bytes (on stderr)"},
    {"rows", OPTION_COUNT, offsetof(values, rows_shown), "N", "rows shown as text (default: 16)"},
    {0},
};
static const values defaults = {.rows_shown = ROWS_SHOWN};

const command command_predict = {
    .name = "predict",
    .summary = "runs arrays in .npy or .npz files through a model",
    .usage = "MODEL --input FILE [--output FILE] [options]",
    .help = "Arrays match the model's inputs by name when every input has an array of its\n"
            "name, else by their order. A .npz for output holds one array per output, in\n"
            "the model's order, under its name. Without --output the first rows are shown;\n"
            "with --json, all values. From .npy to .npy the rows stream through in batches:\n"
            "the files may be larger than memory, and Ctrl-C leaves nothing half written.",
    .example = "  ebb predict model.keras --input x.npy\n"
               "  ebb predict model.keras --input in.npz --output out.npz\n"
               "  ebb predict model.keras --input user=u.npy --input item=i.npy --output score.npy "
               "--stats",
    .options = options,
    .defaults = &defaults,
    .values_bytes = sizeof(values),
    .words_min = 1,
    .words_max = 1,
    .uses = USES_LOAD | USES_FILE | USES_JSON,
    .run = run,
};
