/* command_evaluate.c -- `ebb evaluate`: loss and metrics of a model over arrays in files. */
#include <inttypes.h>
#include <stdlib.h>

#include "console.h"
#include "json_output.h"
#include "process.h"
#include "session.h"
#include "table.h"
#include "training_words.h"

#define DIGITS      9 /* of numbers of float32 */
#define RESULTS_MAX 256

typedef struct values {
    compile_words compile;
    text_list x, y;
    const char *sample_weight;
    uint32_t batch_size, steps, threads;
    uint64_t bytes_max;
} values;

typedef struct job {
    const invocation *call;
    const values *v;
    session s;
    ebb_model model;
    ports inputs, outputs;
    data_choice data;
    progress bar;
    double results[RESULTS_MAX];
    size_t count;
    uint64_t time_ns;
} job;

static bool see(void *context, const ebb_training_event *event)
{
    job *p = context;

    if (interrupt_seen()) ebb_model_cancel(event->model);
    if (event->moment == EBB_TEST_BATCH_END) progress_draw(&p->bar, event->step + 1, event->steps);
    return true;
}

static ebb_status compile(job *p)
{
    const values *v = p->v;
    compile_choice choice;
    ebb_status status = compile_choice_make(&choice, &v->compile, &p->s.error);

    choice.options.batch = v->batch_size;
    choice.options.threads = v->threads;
    if (status == EBB_OK)
        status = compile_choice_apply(&choice, &v->compile, p->model, v->bytes_max, &p->s.error);
    compile_choice_free(&choice);
    return status;
}

static ebb_status evaluate(job *p)
{
    const values *v = p->v;
    const data_words words = {&v->x, &v->y, v->sample_weight, "--x", "--y"};
    const ebb_callback watch = {.function = see, .context = p};
    ebb_evaluate_options o = EBB_EVALUATE_OPTIONS_INIT;
    ebb_error *error = &p->s.error;
    ebb_status status = ports_make_inputs(&p->inputs, p->model, error);

    if (status == EBB_OK) status = ports_make_outputs(&p->outputs, p->model, error);
    if (status == EBB_OK)
        status = data_choice_make(&p->data, &words, &p->inputs, &p->outputs, error);
    if (status == EBB_OK) status = compile(p);
    if (status != EBB_OK) return status;
    o.batch_size = v->batch_size;
    o.steps = v->steps;
    o.callbacks = &watch;
    o.callback_count = 1;
    p->bar = (progress){.what = "evaluating"};
    p->count = RESULTS_MAX;
    const uint64_t start = clock_read_ns();
    status = ebb_model_evaluate(p->model, &p->data.data, &o, p->results, &p->count, error);
    p->time_ns = clock_read_ns() - start;
    progress_clear(&p->bar);
    return status;
}

static void show(const job *p)
{
    json_output j = {0};
    table t;

    if (p->call->is_json)
        json_object(&j, NULL);
    else
        table_open(&t, "result|>value");
    for (size_t i = 0; i < p->count; i++) {
        const char *name = ebb_model_metric(p->model, (uint32_t)i);
        if (p->call->is_json) {
            json_number(&j, name, p->results[i], DIGITS);
            continue;
        }
        table_add(&t, "%s", name);
        table_add(&t, "%.6g", p->results[i]);
    }
    if (p->call->is_json)
        json_object_end(&j);
    else
        table_close(&t);
}

static int run(const invocation *call)
{
    job *p = calloc(1, sizeof *p);
    int code = EXIT_FAILED;

    if (p == NULL) {
        complain("evaluate: no memory for the options");
        return EXIT_FAILED;
    }
    p->call = call;
    p->v = call->values;
    if (p->v->x.count == 0) {
        complain("evaluate: --x is missing; usage: ebb evaluate MODEL --x FILE --y FILE");
        free(p);
        return EXIT_USAGE;
    }
    invocation plain = *call;
    plain.load.bytes_max = p->v->bytes_max;
    plain.load.threads = p->v->threads;
    if (session_open(&p->s)) {
        if (session_load(&p->s, &plain, call->words[0], &p->model)) {
            interrupt_watch();
            const ebb_status status = evaluate(p);
            if (status == EBB_OK) show(p);
            code = status == EBB_OK ? EXIT_DONE : complain_of(&p->s.error);
            if (status == EBB_E_ARGUMENT) code = EXIT_USAGE;
        }
        ports_free(&p->inputs);
        ports_free(&p->outputs);
        code = session_close(&p->s, code);
    }
    free(p);
    return code;
}

static const option options[] = {
    {"x", OPTION_TEXTS, offsetof(values, x), "FILE",
     ".npy, .npz or .csv; or INPUT=FILE, once per input"},
    {"y", OPTION_TEXTS, offsetof(values, y), "FILE",
     "targets, the same way (default: in the files of --x)"},
    {"sample-weight", OPTION_TEXT, offsetof(values, sample_weight), "FILE", "one weight a row"},
    {"batch-size", OPTION_COUNT, offsetof(values, batch_size), "N", "rows at once (default: 32)"},
    {"steps", OPTION_COUNT, offsetof(values, steps), "N", "batches (default: all data)"},
    COMPILE_WORDS_OPTIONS(values, compile),
    {"limit", OPTION_SIZE, offsetof(values, bytes_max), "SIZE",
     "most memory of model and evaluation: 64M, 1.5G"},
    {"threads", OPTION_COUNT, offsetof(values, threads), "N", "threads (default: chosen)"},
    {0},
};

const command command_evaluate = {
    .name = "evaluate",
    .summary = "loss and metrics of a model over arrays in files",
    .usage = "MODEL --x FILE --y FILE [options]",
    .help = "Computes what Keras's evaluate does: loss and metrics over all rows. They are\n"
            "those the file was compiled with, unless --loss is given: then all of them\n"
            "come from the options.",
    .example = "  ebb evaluate model.keras --x x.npy --y y.npy\n"
               "  ebb evaluate model.h5 --x data.npz --loss mse --metrics mae --json",
    .options = options,
    .values_bytes = sizeof(values),
    .words_min = 1,
    .words_max = 1,
    .uses = USES_FILE | USES_JSON,
    .run = run,
};
