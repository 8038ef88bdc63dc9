/* command_profile.c -- `ebb profile`: loads a model, predicts, unloads it, with the memory profiler
 * on, and writes what it saw. */
#include <string.h>

#include "console.h"
#include "match.h"
#include "process.h"
#include "session.h"

typedef struct values {
    text_list inputs, outputs;
    uint32_t runs;
} values;

typedef struct job {
    const invocation *call;
    const values *v;
    session s;
    ebb_profiler profiler;
    ports inputs;
    named_file files[TEXT_LIST_MAX];
} job;

/* -- the three parts of a model's life --------------------------------------------------- */

static ebb_status predict(job *p, const batch *b, ebb_model model)
{
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < p->v->runs && status == EBB_OK && !interrupt_seen(); i++)
        status = batch_predict(b, model, &p->s.error);
    return status;
}

static ebb_status predict_files(job *p, ebb_model model)
{
    batch b = {0};
    feed f = {0};
    ebb_error *error = &p->s.error;
    const uint32_t count = p->v->inputs.count;
    ebb_status status = ports_make_inputs(&p->inputs, model, error);

    if (status == EBB_OK)
        status = named_files_make(p->files, &p->v->inputs, &p->inputs, "--input", error);
    if (status == EBB_OK) status = feed_make(&f, p->s.runtime, p->files, count, &p->inputs, error);
    if (status == EBB_OK) status = batch_make(&b, model, f.inputs, p->inputs.count, error);
    if (status == EBB_OK) {
        ebb_profiler_mark(p->profiler, "predict");
        status = predict(p, &b, model);
    }
    batch_free(&b);
    feed_free(&f);
    ports_free(&p->inputs);
    return status;
}

static ebb_status predict_random(job *p, ebb_model model)
{
    const batch_choice choice = {p->call->load.batch, p->call->load.sequence, 1};
    batch b = {0};
    ebb_status status = batch_make_random(&b, model, &choice, &p->s.error);

    if (status == EBB_OK) {
        ebb_profiler_mark(p->profiler, "predict");
        status = predict(p, &b, model);
    }
    batch_free(&b);
    return status;
}

/* From the first byte of the model to the last. */
static ebb_status live(job *p)
{
    ebb_model model = {0};
    ebb_error *error = &p->s.error;

    ebb_profiler_mark(p->profiler, "load");
    ebb_status status =
        ebb_model_load(p->s.runtime, p->call->words[0], &p->call->load, &model, error);
    if (status != EBB_OK) return status;
    status = p->v->inputs.count > 0 ? predict_files(p, model) : predict_random(p, model);
    ebb_profiler_mark(p->profiler, "unload");
    const ebb_status unloaded = ebb_model_unload(model, NULL, NULL, error);
    return status == EBB_OK ? unloaded : status;
}

/* -- output ------------------------------------------------------------------------------ */

static ebb_status write_out(job *p)
{
    ebb_error *error = &p->s.error;
    ebb_profile figures = {0};
    text_buffer a, b;
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < p->v->outputs.count && status == EBB_OK; i++)
        status = ebb_profiler_save(p->profiler, p->v->outputs.items[i], error);
    if (status != EBB_OK) return status;
    if (p->call->is_json)
        return ebb_profiler_write(p->profiler, EBB_PROFILE_JSON, put_raw, stdout, error);
    if (p->v->outputs.count == 0)
        return ebb_profiler_write(p->profiler, EBB_PROFILE_TEXT, put_text, stdout, error);
    ebb_profiler_read(p->profiler, &figures);
    printf("current %s, peak %s bytes\n", text_grouped(&a, figures.current),
           text_grouped(&b, figures.peak));
    for (uint32_t i = 0; i < p->v->outputs.count; i++) {
        printf("profile written: ");
        put_clean(stdout, p->v->outputs.items[i]);
        putchar('\n');
    }
    return EBB_OK;
}

static int run(const invocation *call)
{
    job p = {.call = call, .v = call->values};

    if (!session_open_with(&p.s, call)) return EXIT_FAILED;
    interrupt_watch();
    ebb_status status = ebb_profiler_start(p.s.runtime, NULL, &p.profiler, &p.s.error);
    if (status == EBB_OK) status = live(&p);
    if (status == EBB_OK) {
        ebb_profiler_stop(p.profiler);
        status = write_out(&p);
    }
    return session_close(&p.s, session_exit_code(&p.s, status));
}

static const option options[] = {
    {"input", OPTION_TEXTS, offsetof(values, inputs), "FILE",
     ".npz or .npy; or NAME=FILE.npy (default: random numbers)"},
    {"runs", OPTION_COUNT, offsetof(values, runs), "N", "predictions (default: 10)"},
    {"out", OPTION_TEXTS, offsetof(values, outputs), "FILE",
     ".svg, .json, .txt, .trace.json, or a folder for all four"},
    {0},
};
static const values defaults = {.runs = 10};

const command command_profile = {
    .name = "profile",
    .summary = "draws a model's memory over its life: load, predict, unload",
    .usage = "MODEL [--input FILE] [--out FILE] [options]",
    .help = "Live bytes by owner and class, told by the ledger itself, page by page. Without\n"
            "--out the profile is shown as text. .svg is a drawing that every browser shows;\n"
            ".trace.json opens in chrome://tracing, Perfetto and TensorBoard.",
    .example = "  ebb profile model.keras\n"
               "  ebb profile model.keras --input x.npy --out profile.svg\n"
               "  ebb profile model.keras --runs 100 --out profile/ --out trace.trace.json",
    .options = options,
    .defaults = &defaults,
    .values_bytes = sizeof(values),
    .words_min = 1,
    .words_max = 1,
    .uses = USES_LOAD | USES_FILE | USES_JSON,
    .run = run,
};
