/* command_evaluate.c -- `ebb evaluate`: loss and metrics of a model over arrays in files. */
#include <inttypes.h>
#include <stdlib.h>

#include "console.h"
#include "json_output.h"
#include "process.h"
#include "table.h"
#include "training_job.h"

#define RESULTS_MAX 256

typedef struct values {
    training_job_words words;
    uint32_t steps;
} values;

typedef struct job {
    const invocation *call;
    training_job t;
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

static ebb_status evaluate(job *p)
{
    const values *v = p->call->values;
    const ebb_callback watch = {.function = see, .context = p};
    ebb_evaluate_options o = EBB_EVALUATE_OPTIONS_INIT;
    ebb_status status = training_job_read(&p->t);

    if (status == EBB_OK) status = training_job_compile(&p->t);
    if (status != EBB_OK) return status;
    o.batch_size = v->words.batch_size;
    o.steps = v->steps;
    o.callbacks = &watch;
    o.callback_count = 1;
    p->bar = (progress){.what = "evaluating"};
    p->count = RESULTS_MAX;
    const uint64_t start = clock_read_ns();
    status =
        ebb_model_evaluate(p->t.model, &p->t.data.data, &o, p->results, &p->count, &p->t.s.error);
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
        const char *name = ebb_model_metric(p->t.model, (uint32_t)i);
        if (p->call->is_json) {
            json_number(&j, name, p->results[i], RESULT_DIGITS);
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
    const values *v = call->values;
    job *p = calloc(1, sizeof *p);
    int code = EXIT_FAILED;

    if (p == NULL) {
        complain("evaluate: no memory for the options");
        return EXIT_FAILED;
    }
    p->call = call;
    if (v->words.data.x.count == 0) {
        complain("evaluate: --x is missing; usage: ebb evaluate MODEL --x FILE --y FILE");
        free(p);
        return EXIT_USAGE;
    }
    if (training_job_open(&p->t, call, &v->words)) {
        if (training_job_load(&p->t, call)) {
            const ebb_status status = evaluate(p);
            if (status == EBB_OK) show(p);
            code = session_exit_code(&p->t.s, status);
        }
        code = training_job_close(&p->t, code);
    }
    free(p);
    return code;
}

static const option options[] = {
    DATA_WORDS_OPTIONS(values, words.data),
    {"batch-size", OPTION_COUNT, offsetof(values, words.batch_size), "N",
     "rows at once (default: 32)"},
    {"steps", OPTION_COUNT, offsetof(values, steps), "N", "batches (default: all data)"},
    COMPILE_WORDS_OPTIONS(values, words.compile),
    {"limit", OPTION_SIZE, offsetof(values, words.bytes_max), "SIZE",
     "most memory of model and evaluation: 64M, 1.5G"},
    {"threads", OPTION_COUNT, offsetof(values, words.threads), "N", "threads (default: chosen)"},
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
    .uses = USES_FILE | USES_DEVICE | USES_JSON,
    .run = run,
};
