/* command_fit.c -- `ebb fit`: trains a model on arrays in files, as Keras's fit does. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"
#include "json_output.h"
#include "process.h"
#include "training_job.h"
#include "training_progress.h"

typedef struct values {
    training_job_words words;
    data_words validation;
    text_list callbacks;
    const char *class_weight, *save, *history;
    double validation_split;
    uint32_t epochs, initial_epoch, steps_per_epoch, validation_steps, validation_freq;
    bool is_unshuffled, is_quiet;
} values;

typedef struct job {
    const invocation *call;
    const values *v;
    training_job t;
    data_choice validation;
    callback_choice callbacks;
    training_progress progress;
    uint64_t time_ns;
} job;

/* -- before a long time passes for nothing ------------------------------------------------------
 */

static bool ends_with(const char *text, const char *ending)
{
    const size_t length = strlen(text), tail = strlen(ending);

    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

static ebb_status can_write(const char *path, ebb_error *error)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    struct stat info;

    const size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (length >= sizeof folder) return refuse(error, EBB_E_ARGUMENT, "", "the path is too long");
    memcpy(folder, path, length);
    memcpy(folder + length, slash == NULL ? "." : "", slash == NULL ? 2 : 1);
    if (slash == path) memcpy(folder, "/", 2);
    if (access(folder, W_OK) != 0)
        return refuse(error, EBB_E_IO, path, "cannot be written: %s", strerror(errno));
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return refuse(error, EBB_E_IO, path, "cannot be written: it is a folder");
    return EBB_OK;
}

static ebb_status check_targets(const values *v, ebb_error *error)
{
    static const char *const endings[] = {".keras", ".h5", ".hdf5"};
    bool is_known = v->save == NULL;
    ebb_status status = EBB_OK;

    for (size_t i = 0; !is_known && i < sizeof endings / sizeof *endings; i++)
        is_known = ends_with(v->save, endings[i]);
    if (!is_known) {
        return refuse(error, EBB_E_ARGUMENT, "--save",
                      "expected a name that ends in .keras, .h5, .hdf5 or .weights.h5, got '%s'",
                      v->save);
    }
    if (v->history != NULL && !ends_with(v->history, ".json") && !ends_with(v->history, ".csv")) {
        return refuse(error, EBB_E_ARGUMENT, "--history",
                      "expected a name that ends in .json or .csv, got '%s'", v->history);
    }
    if (v->save != NULL) status = can_write(v->save, error);
    if (status == EBB_OK && v->history != NULL) status = can_write(v->history, error);
    return status;
}

/* -- training ------------------------------------------------------------------------ */

static ebb_status fit(job *p)
{
    const values *v = p->v;
    ebb_fit_options o = EBB_FIT_OPTIONS_INIT;
    ebb_status status = callback_choice_make(&p->callbacks, &v->callbacks, &p->t.s.error);

    if (status != EBB_OK) return status;
    p->callbacks.items[p->callbacks.count++] =
        (ebb_callback){.function = training_progress_see, .context = &p->progress};
    o.batch_size = v->words.batch_size;
    o.epochs = v->epochs;
    o.initial_epoch = v->initial_epoch;
    o.steps_per_epoch = v->steps_per_epoch;
    o.validation_steps = v->validation_steps;
    o.validation_freq = v->validation_freq;
    o.validation_split = v->validation_split;
    o.validation = v->validation.x.count > 0 ? &p->validation.data : NULL;
    o.class_weight = v->class_weight;
    o.no_shuffle = v->is_unshuffled;
    o.seed = v->words.seed;
    o.callbacks = p->callbacks.items;
    o.callback_count = p->callbacks.count;
    training_progress_begin(&p->progress, p->call->is_json, v->is_quiet);
    const uint64_t start = clock_read_ns();
    status = ebb_model_fit(p->t.model, &p->t.data.data, &o, &p->t.s.error);
    p->time_ns = clock_read_ns() - start;
    training_progress_end(&p->progress);
    return status;
}

/* -- History ------------------------------------------------------------------------- */

static void write_csv(const job *p, FILE *file)
{
    const char *name = NULL;
    const double *of_name = NULL;
    uint32_t epochs = 0;

    fputs("epoch", file);
    for (uint32_t i = 0; ebb_model_history(p->t.model, i, &name, &of_name, &epochs); i++)
        fprintf(file, ",%s", name);
    fputc('\n', file);
    for (uint32_t epoch = 0; epoch < epochs; epoch++) {
        fprintf(file, "%" PRIu32, p->v->initial_epoch + epoch);
        for (uint32_t i = 0; ebb_model_history(p->t.model, i, &name, &of_name, NULL); i++)
            fprintf(file, ",%.*g", RESULT_DIGITS, of_name[epoch]);
        fputc('\n', file);
    }
}

static ebb_status write_history(job *p)
{
    const char *path = p->v->history;
    FILE *file = fopen(path, "w");
    ebb_status status = EBB_OK;

    if (file == NULL)
        return refuse(&p->t.s.error, EBB_E_IO, path, "cannot be written: %s", strerror(errno));
    if (ends_with(path, ".csv"))
        write_csv(p, file);
    else
        status = ebb_model_history_write(p->t.model, put_raw, file, &p->t.s.error);
    const bool is_bad = ferror(file) != 0;
    if ((fclose(file) != 0 || is_bad) && status == EBB_OK)
        status = refuse(&p->t.s.error, EBB_E_IO, path, "writing failed: %s", strerror(errno));
    return status;
}

/* -- report -------------------------------------------------------------------------- */

static void write_json(job *p)
{
    ebb_memory memory = {0};
    const char *name = NULL;
    const double *of_name = NULL;
    uint32_t epochs = 0;
    json_output j = {0};

    ebb_memory_read(p->t.s.runtime, &memory);
    json_object(&j, NULL);
    json_text(&j, "path", p->call->words[0]);
    json_count(&j, "first_epoch", p->v->initial_epoch);
    json_count(&j, "epochs", p->progress.epochs_done);
    json_count(&j, "steps", p->progress.steps_done);
    json_count(&j, "fit_ns", p->time_ns);
    json_count(&j, "peak_bytes", memory.peak);
    json_object(&j, "history");
    for (uint32_t i = 0; ebb_model_history(p->t.model, i, &name, &of_name, &epochs); i++) {
        json_array(&j, name);
        for (uint32_t epoch = 0; epoch < epochs; epoch++)
            json_number(&j, NULL, of_name[epoch], RESULT_DIGITS);
        json_array_end(&j);
    }
    json_object_end(&j);
    json_text(&j, "saved", p->v->save);
    json_object_end(&j);
}

static void write_text(job *p)
{
    ebb_memory memory = {0};
    text_buffer steps, duration, peak;

    ebb_memory_read(p->t.s.runtime, &memory);
    printf("%s step%s in %s; peak of the ledger %s bytes",
           text_grouped(&steps, p->progress.steps_done), p->progress.steps_done == 1 ? "" : "s",
           text_duration(&duration, p->time_ns), text_grouped(&peak, memory.peak));
    if (p->v->save != NULL) {
        printf("; saved ");
        put_clean(stdout, p->v->save);
    }
    putchar('\n');
}

static ebb_status train(job *p)
{
    const data_words *validation = &p->v->validation;
    training_job *t = &p->t;
    ebb_status status = training_job_read(t);

    if (status == EBB_OK && validation->x.count > 0) {
        status = data_choice_make(&p->validation, validation, true, &t->inputs, &t->outputs,
                                  &t->s.error);
    }
    if (status == EBB_OK) status = training_job_compile(t);
    if (status == EBB_OK) status = fit(p);
    if (status == EBB_OK && p->v->save != NULL)
        status = ebb_model_save(p->t.model, p->v->save, NULL, &p->t.s.error);
    if (status == EBB_OK && p->v->history != NULL) status = write_history(p);
    if (status == EBB_OK && p->call->is_json)
        write_json(p);
    else if (status == EBB_OK && !p->v->is_quiet)
        write_text(p);
    return status;
}

static int complain_of_end(const job *p, ebb_status status)
{
    text_buffer steps;

    if (status != EBB_E_CANCELLED) return session_exit_code(&p->t.s, status);
    complain("fit: stopped after %s steps; nothing is saved%s",
             text_grouped(&steps, p->progress.steps_done),
             p->callbacks.count > 1 ? " but what callbacks saved" : "");
    return EXIT_FAILED;
}

static bool words_are_whole(const values *v)
{
    if (v->words.data.x.count == 0) {
        complain("fit: --x is missing; usage: ebb fit MODEL --x FILE --y FILE [--save OUT]");
        return false;
    }
    if (v->validation.x.count > 0 && v->validation_split > 0) {
        complain("fit: --val-x and --validation-split are both given; one of them is enough");
        return false;
    }
    if (v->validation.x.count == 0 &&
        (v->validation.y.count > 0 || v->validation.sample_weight != NULL)) {
        complain("fit: --val-y and --val-sample-weight need --val-x");
        return false;
    }
    return true;
}

static int run(const invocation *call)
{
    job *p = calloc(1, sizeof *p);
    int code = EXIT_FAILED;

    if (p == NULL) {
        complain("fit: no memory for the options");
        return EXIT_FAILED;
    }
    p->call = call;
    p->v = call->values;
    if (!words_are_whole(p->v)) {
        free(p);
        return EXIT_USAGE;
    }
    if (training_job_open(&p->t, call, &p->v->words)) {
        const ebb_status status = check_targets(p->v, &p->t.s.error);
        if (status != EBB_OK)
            code = session_exit_code(&p->t.s, status);
        else if (training_job_load(&p->t, call))
            code = complain_of_end(p, train(p));
        code = training_job_close(&p->t, code);
    }
    free(p);
    return code;
}

static const option options[] = {
    DATA_WORDS_OPTIONS(values, words.data),
    {"class-weight", OPTION_TEXT, offsetof(values, class_weight), "JSON",
     "weights by class: '{\"0\": 1, \"1\": 5}'"},
    {"val-x", OPTION_TEXTS, offsetof(values, validation.x), "FILE", "data to validate with"},
    {"val-y", OPTION_TEXTS, offsetof(values, validation.y), "FILE", "their targets"},
    {"val-sample-weight", OPTION_TEXT, offsetof(values, validation.sample_weight), "FILE",
     "their weights"},
    {"validation-split", OPTION_REAL, offsetof(values, validation_split), "F",
     "validate with this last part of the data instead"},
    {"validation-steps", OPTION_COUNT, offsetof(values, validation_steps), "N",
     "batches of a validation (default: all)"},
    {"validation-freq", OPTION_COUNT, offsetof(values, validation_freq), "N",
     "validate every N-th epoch (default: every one)"},
    {"epochs", OPTION_COUNT, offsetof(values, epochs), "N", "number of the last one (default: 1)"},
    {"initial-epoch", OPTION_NUMBER, offsetof(values, initial_epoch), "N",
     "epochs made before (default: 0)"},
    {"batch-size", OPTION_COUNT, offsetof(values, words.batch_size), "N",
     "rows of a step (default: 32)"},
    {"steps-per-epoch", OPTION_COUNT, offsetof(values, steps_per_epoch), "N",
     "steps of an epoch (default: all data)"},
    {"seed", OPTION_NUMBER, offsetof(values, words.seed), "N",
     "of shuffling and dropout: equal seeds, equal runs"},
    {"no-shuffle", OPTION_FLAG, offsetof(values, is_unshuffled), NULL, "rows in their order"},
    COMPILE_WORDS_OPTIONS(values, words.compile),
    {"learning-rate", OPTION_REAL, offsetof(values, words.compile.learning_rate), "R",
     "in place of the optimizer's"},
    {"callback", OPTION_TEXTS, offsetof(values, callbacks), "NAME=JSON",
     "one of Keras's, with its arguments; several times"},
    {"save", OPTION_TEXT, offsetof(values, save), "OUT",
     ".keras, .h5 or .weights.h5: the trained model"},
    {"history", OPTION_TEXT, offsetof(values, history), "FILE",
     ".json or .csv: loss and metrics of every epoch"},
    {"limit", OPTION_SIZE, offsetof(values, words.bytes_max), "SIZE",
     "most memory of model and training: 64M, 1.5G"},
    {"threads", OPTION_COUNT, offsetof(values, words.threads), "N", "threads (default: chosen)"},
    {"quiet", OPTION_FLAG, offsetof(values, is_quiet), NULL, "show nothing meanwhile"},
    {0},
};

const command command_fit = {
    .name = "fit",
    .summary = "trains a model on arrays in .npy, .npz or .csv files",
    .usage = "MODEL --x FILE --y FILE [--save OUT] [options]",
    .help = "Trains as Keras's fit does, with its defaults and numbers. Optimizer, loss and\n"
            "metrics are those the file was compiled with, unless --loss is given: then all\n"
            "of them come from the options. A file with the state of its optimizer goes on\n"
            "where it stopped. Data are read batch by batch and may be larger than memory.\n"
            "Under --limit, activations are computed again rather than kept when they do\n"
            "not fit. MODEL is not changed unless --save names it. Ctrl-C ends after the\n"
            "step it is in; nothing is saved then but what a callback saved before.",
    .example = "  ebb fit model.keras --x x.npy --y y.npy --epochs 5 --save trained.keras\n"
               "  ebb fit model.keras --x x.npy --y y.npy --optimizer adam --loss mse \\\n"
               "      --validation-split 0.2 --epochs 100 --history history.csv \\\n"
               "      --callback 'EarlyStopping={\"patience\": 3, \"restore_best_weights\": true}'",
    .options = options,
    .values_bytes = sizeof(values),
    .words_min = 1,
    .words_max = 1,
    .uses = USES_FILE | USES_DEVICE | USES_JSON,
    .run = run,
};
