/* training_area.c -- areas training, resume and history: trains each model file as Keras did,
 * through the public API, and compares every number.
 *
 * Every file is trained by fit; where the case has the loss of each step also batch by batch. The
 * plan of training must equal what the ledger holds once compiled; uncompile must give all of it
 * back. Files that callbacks write go into a working folder of their own. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "temporary.h"
#include "training_case.h"

#define STEPS_MAX     4096
#define CALLBACKS_MAX 8
#define RESULTS_MAX   64

/* -- data ------------------------------------------------------------------------------------- */

static ebb_data data_of(const training_case *c)
{
    ebb_data data = {.x = {c->x, c->x_count}, .y = {c->y, c->y_count}};

    if (c->sample_weight != NULL) data.sample_weight = (ebb_views){&c->sample_weight->view, 1};
    return data;
}

/* `count` rows of each view from row `first` on. */
static void slice(const ebb_view *views, uint32_t view_count, int64_t first, int64_t count,
                  ebb_view *parts)
{
    for (uint32_t i = 0; i < view_count; i++) {
        const uint64_t row_bytes = ebb_view_bytes(&views[i]) / (uint64_t)views[i].dims[0];
        parts[i] = views[i];
        parts[i].dims[0] = count;
        parts[i].data = (char *)views[i].data + row_bytes * (uint64_t)first;
    }
}

/* Targets come in the order the case names; the model has its own. */
static void order_targets(training_case *c, ebb_model model)
{
    const json *names = json_get(c->meta, "outputs");
    ebb_view ordered[PORTS];
    ebb_tensor_info output;

    if (json_is_null(names) || c->y_count < 2) return;
    for (uint32_t i = 0; i < c->y_count; i++) {
        ordered[i] = c->y[i];
        if (ebb_model_output(model, i, &output) != EBB_OK) continue;
        for (uint32_t k = 0; k < c->y_count; k++) {
            if (json_is_text(json_item(names, k), output.name)) ordered[i] = c->y[k];
        }
    }
    memcpy(c->y, ordered, c->y_count * sizeof *ordered);
}

/* -- callbacks -------------------------------------------------------------------------------- */

/* The loss so far in the epoch, as fit reports it after each step. */
typedef struct record {
    double means[STEPS_MAX];
    uint64_t steps[STEPS_MAX]; /* of the epoch, from 0 */
    uint64_t count;
} record;

static bool note_step(void *context, const ebb_training_event *event)
{
    record *r = context;

    if (event->moment != EBB_BATCH_END || r->count == STEPS_MAX) return true;
    r->means[r->count] = (double)NAN;
    for (size_t i = 0; i < event->log_count; i++) {
        if (strcmp(event->logs[i].name, "loss") == 0) r->means[r->count] = event->logs[i].value;
    }
    r->steps[r->count++] = event->step;
    return true;
}

static bool set_rate(void *context, const ebb_training_event *event)
{
    const json *rates = context;

    if (event->moment == EBB_EPOCH_BEGIN) {
        (void)ebb_model_learning_rate_set(event->model,
                                          json_number(json_item(rates, event->epoch), 0), NULL);
    }
    return true;
}

static size_t make_callbacks(const training_case *c, ebb_callback *callbacks, record *r)
{
    const json *list = json_get(c->meta, "callbacks");
    size_t count = 0;

    for (uint32_t i = 0; list != NULL && i < list->count && i < CALLBACKS_MAX - 1; i++) {
        const json *config = json_get(json_item(list, i), "config");
        const json *rates = json_get(config, "values");
        ebb_callback *callback = &callbacks[count++];
        text_writer text;
        *callback =
            (ebb_callback){.name = json_text(json_get(json_item(list, i), "class_name"), "")};
        if (rates != NULL) {
            callback->function = set_rate;
            callback->context = (void *)(uintptr_t)rates;
            continue;
        }
        text_begin(&text, c->home);
        text_json_value(&text, config);
        callback->config = text.text;
    }
    callbacks[count++] = (ebb_callback){.function = note_step, .context = r};
    return count;
}

/* -- ways to train ---------------------------------------------------------------------------- */

/* The exact loss of a step from the means before and after it. */
static verdict compare_record(const training_case *c, const record *r)
{
    const int64_t rows = c->x[0].dims[0];
    verdict result = PASSED;
    double sum = 0;

    for (uint64_t i = 0; c->losses != NULL && i < r->count && result == PASSED; i++) {
        const int64_t before = (int64_t)r->steps[i] * c->batch_size;
        const int64_t after = before + c->batch_size < rows ? before + c->batch_size : rows;
        if (r->steps[i] == 0) sum = 0;
        const double whole = r->means[i] * (double)after;
        result = compare_loss(c, i, (whole - sum) / (double)(after - before));
        sum = whole;
    }
    return result;
}

static verdict train_by_fit(const training_case *c, ebb_model model)
{
    ebb_callback callbacks[CALLBACKS_MAX];
    record *r = region_new(c->home, record, 1);
    ebb_fit_options o = EBB_FIT_OPTIONS_INIT;
    const ebb_data data = data_of(c);
    const ebb_data validation = {.x = {c->validation_x, c->validation_x_count},
                                 .y = {c->validation_y, c->validation_y_count}};
    ebb_error error = {0};
    text_writer weights;

    if (r == NULL) return fault(c->s, c->where, "no memory for the record of steps");
    o.batch_size = c->batch_size;
    o.epochs = c->epochs;
    o.initial_epoch = (uint32_t)json_integer(json_get(c->fit, "initial_epoch"), 0);
    o.steps_per_epoch = (uint64_t)json_integer(json_get(c->fit, "steps_per_epoch"), 0);
    o.validation_freq = (uint32_t)json_integer(json_get(c->fit, "validation_freq"), 0);
    o.validation_split = json_number(json_get(c->fit, "validation_split"), 0);
    o.validation = c->validation_x_count > 0 ? &validation : NULL;
    o.no_shuffle = !json_boolean(json_get(c->fit, "shuffle"), true);
    if (!json_is_null(json_get(c->fit, "class_weight"))) {
        text_begin(&weights, c->home);
        text_json_value(&weights, json_get(c->fit, "class_weight"));
        o.class_weight = weights.text;
    }
    o.callbacks = callbacks;
    o.callback_count = make_callbacks(c, callbacks, r);
    if (ebb_model_fit(model, &data, &o, &error) != EBB_OK) return judge(c->s, c->where, &error);
    return compare_record(c, r);
}

static verdict train_by_batches(const training_case *c, ebb_model model)
{
    const int64_t rows = c->x[0].dims[0];
    double results[RESULTS_MAX];
    ebb_view x[PORTS], y[PORTS];
    const ebb_batch batch = {.x = {x, c->x_count}, .y = {y, c->y_count}};
    ebb_error error = {0};
    uint64_t step = 0;

    for (uint32_t epoch = 0; epoch < c->epochs; epoch++) {
        for (int64_t first = 0; first < rows; first += c->batch_size) {
            const int64_t count =
                rows - first < (int64_t)c->batch_size ? rows - first : (int64_t)c->batch_size;
            size_t result_count = RESULTS_MAX;
            slice(c->x, c->x_count, first, count, x);
            slice(c->y, c->y_count, first, count, y);
            const ebb_status status =
                ebb_model_train_on_batch(model, &batch, results, &result_count, &error);
            if (status != EBB_OK) return judge(c->s, c->where, &error);
            const verdict result = compare_loss(c, step++, results[0]);
            if (result != PASSED) return result;
        }
    }
    return PASSED;
}

static verdict evaluate(const training_case *c, ebb_model model)
{
    const ebb_data data = {.x = {c->x, c->x_count}, .y = {c->y, c->y_count}};
    ebb_evaluate_options o = EBB_EVALUATE_OPTIONS_INIT;
    double results[RESULTS_MAX];
    size_t count = RESULTS_MAX;
    ebb_error error = {0};

    if (json_is_null(json_get(c->meta, "evaluate_after"))) return PASSED;
    o.batch_size = c->batch_size;
    if (ebb_model_evaluate(model, &data, &o, results, &count, &error) != EBB_OK)
        return judge(c->s, c->where, &error);
    return compare_evaluation(c, model, results, count);
}

/* -- one model file --------------------------------------------------------------------------- */

typedef enum way { BY_FIT, BY_BATCHES, WAYS } way;

/* Moving averages become the weights when fit ends, and only then. */
static bool ends_in_fit(const training_case *c)
{
    return json_boolean(json_path(c->meta, "optimizer.use_ema"), false);
}

static verdict train_and_compare(training_case *c, ebb_model model, way how)
{
    order_targets(c, model);
    verdict result = how == BY_FIT ? train_by_fit(c, model) : train_by_batches(c, model);

    if (result == PASSED && how == BY_FIT && !json_is_null(json_get(c->meta, "history")))
        result = compare_history(c, model);
    if (result == PASSED && (how == BY_FIT || !ends_in_fit(c))) {
        result = compare_weights(c, model);
        if (result == PASSED) result = compare_optimizer(c, model);
    }
    if (result == PASSED && how == BY_FIT) result = evaluate(c, model);
    if (result == PASSED && !json_is_null(json_get(c->meta, "files_written")))
        result = compare_files(c);
    return result;
}

static verdict check_plan(const training_case *c, ebb_model model, const ebb_plan *plan,
                          const ebb_memory *before)
{
    ebb_memory after;

    ebb_model_memory_read(model, &after);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) {
        const uint64_t held = after.by_class[i] - before->by_class[i];
        if (i == EBB_CLASS_CODE || held == plan->by_class[i]) continue;
        return fault(c->s, c->where,
                     "%s: planned %" PRIu64 " bytes of training, the ledger says %" PRIu64,
                     ebb_class_name((ebb_class)i), plan->by_class[i], held);
    }
    return PASSED;
}

static verdict compile_and_train(training_case *c, ebb_model model, const ebb_plan *plan,
                                 const ebb_compile_options *options, way how)
{
    ebb_memory before, after;
    ebb_error error = {0};

    ebb_model_memory_read(model, &before);
    if (ebb_model_compile(model, options, &error) != EBB_OK) return judge(c->s, c->where, &error);
    verdict result = check_plan(c, model, plan, &before);
    if (result == PASSED) result = train_and_compare(c, model, how);
    if (ebb_model_uncompile(model, NULL, &error) != EBB_OK) return judge(c->s, c->where, &error);
    ebb_model_memory_read(model, &after);
    if (result == PASSED && after.live != before.live)
        return fault(c->s, c->where, "uncompile left %" PRIu64 " bytes, %" PRIu64 " before compile",
                     after.live, before.live);
    return result;
}

static verdict run_file(training_case *c, const char *path, way how)
{
    ebb_compile_options options = EBB_COMPILE_OPTIONS_INIT;
    ebb_memory before;
    ebb_plan plan;
    ebb_model model;
    ebb_error error = {0};

    c->where = path;
    options.batch = c->batch_size;
    ebb_memory_read(c->s->runtime, &before);
    ebb_status status = ebb_model_plan_training(c->s->runtime, path, NULL, &options, &plan, &error);
    if (status == EBB_OK) status = ebb_model_load(c->s->runtime, path, NULL, &model, &error);
    if (status != EBB_OK) {
        const verdict end = check_end(c->s, &before, path);
        return end == PASSED ? judge(c->s, path, &error) : end;
    }
    const verdict result = compile_and_train(c, model, &plan, &options, how);
    if (ebb_model_unload(model, NULL, NULL, &error) != EBB_OK) return judge(c->s, path, &error);
    return result == PASSED ? check_end(c->s, &before, path) : result;
}

/* In a working folder that is gone afterwards. */
static verdict run_apart(training_case *c, const char *path, way how)
{
    char last[4096];
    temporary folder;

    if (getcwd(last, sizeof last) == NULL) return fault(c->s, path, "no working folder");
    temporary_open(&folder);
    verdict result = chdir(folder.folder) == 0 ? run_file(c, path, how)
                                               : fault(c->s, path, "no folder to work in");
    if (chdir(last) != 0) result = fault(c->s, path, "the working folder is gone");
    temporary_close(&folder);
    return result;
}

/* -- cases ------------------------------------------------------------------------------------ */

static verdict read_case(training_case *c, const char *folder)
{
    char path[768];
    ebb_error error = {0};

    snprintf(path, sizeof path, "%s/case.json", folder);
    c->meta = read_json(c->home, path);
    snprintf(path, sizeof path, "%s/io.npz", folder);
    if (c->meta == NULL || npz_read(c->home, path, &c->arrays, &error) != EBB_OK)
        return fault(c->s, folder, "the case cannot be read");
    c->fit = json_get(c->meta, "fit");
    c->batch_size = (uint32_t)json_integer(json_get(c->fit, "batch_size"), 32);
    c->epochs = (uint32_t)json_integer(json_get(c->fit, "epochs"), 1);
    c->x_count = collect(&c->arrays, "x", c->x);
    c->y_count = collect(&c->arrays, "y", c->y);
    c->validation_x_count = collect(&c->arrays, "val_x", c->validation_x);
    c->validation_y_count = collect(&c->arrays, "val_y", c->validation_y);
    c->sample_weight = npz_find(&c->arrays, "sample_weight");
    c->losses = npz_find(&c->arrays, "loss");
    return c->x_count > 0 ? PASSED : fault(c->s, folder, "the case has no data");
}

verdict run_training_case(suite *s, const char *folder)
{
    region *home = region_open(ledger_root(s->work), "case", EBB_CLASS_DATA, 0);
    training_case c = {.s = s, .home = home};
    verdict result = read_case(&c, folder);
    const json *files = json_get(c.meta, "files");
    char path[768];

    for (uint32_t i = 0; files != NULL && i < files->count && result == PASSED; i++) {
        const way ways = c.losses != NULL ? WAYS : BY_BATCHES;
        snprintf(path, sizeof path, "%s/%s", folder, json_text(json_item(files, i), ""));
        for (uint32_t how = BY_FIT; how < ways && result == PASSED; how++)
            result = run_apart(&c, path, (way)how);
    }
    region_close(home);
    return result;
}
