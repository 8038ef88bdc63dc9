/* fit.c -- see fit.h. Order of everything: fit() of keras/src/backend/tensorflow/trainer.py. */
#include "train/fit.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "train/fit_history.h"
#include "train/test_loop.h"

typedef struct fit {
    engine *engine;
    region *home;
    ebb_fit_options options; /* defaults filled in */
    class_weights weights;
    data_set *set, *validation_set; /* the latter NULL: split off the former, or none */
    feed *feed, *validation;        /* NULL: none */
    callback_list callbacks;
    running_results results, test_results;
    fit_logs logs, test_logs;
    const char **validation_names; /* "val_loss", by result */
    fit_moment now;
    history *history;
} fit;

/* -- preparing --------------------------------------------------------------------------------- */

static ebb_status options_take(fit *f, const ebb_fit_options *given, ebb_error *error)
{
    ebb_fit_options *o = &f->options;

    if (given != NULL) *o = *given;
    if (o->epochs == 0) o->epochs = 1;
    if (o->validation_freq == 0) o->validation_freq = 1;
    if (o->validation_batch_size == 0) o->validation_batch_size = o->batch_size;
    if (!(o->validation_split >= 0) || o->validation_split >= 1) {
        return fail(error, EBB_E_ARGUMENT, "validation_split",
                    "expected a number from 0 to below 1, got %g", o->validation_split);
    }
    if (o->callbacks == NULL && o->callback_count > 0)
        return fail(error, EBB_E_ARGUMENT, "callbacks", "a count without callbacks");
    if (o->class_weight == NULL) return EBB_OK;
    return class_weights_read(f->home, o->class_weight, &f->weights, error);
}

static ebb_status data_take(fit *f, const ebb_data *data, ebb_error *error)
{
    const ebb_fit_options *o = &f->options;
    feed_options training = {.batch_size = o->batch_size,
                             .steps = o->steps_per_epoch,
                             .shuffles = !o->no_shuffle,
                             .seed = o->seed,
                             .weights = o->class_weight != NULL ? &f->weights : NULL};
    feed_options validation = {.batch_size = o->validation_batch_size,
                               .steps = o->validation_steps};
    data_set *from = NULL;

    ebb_status status = data_set_open(f->home, f->engine, data, "data", &f->set, error);
    if (status != EBB_OK) return status;
    if (o->validation != NULL) {
        status = data_set_open(f->home, f->engine, o->validation, "validation data",
                               &f->validation_set, error);
        from = f->validation_set;
    } else if (o->validation_split > 0) {
        status = data_set_split(f->set, o->validation_split, &validation.first, error);
        training.rows = validation.first;
        from = f->set;
    }
    if (status == EBB_OK)
        status = feed_open(f->home, f->engine, f->set, &training, &f->feed, error);
    if (status == EBB_OK && from != NULL)
        status = feed_open(f->home, f->engine, from, &validation, &f->validation, error);
    return status;
}

static ebb_status logs_take(fit *f, ebb_error *error)
{
    const uint32_t count = f->engine->result_count;
    const uint32_t capacity = 2 * count + 2; /* learning_rate and one to spare */
    ebb_status status = running_open(f->home, f->engine, &f->results, error);

    if (status == EBB_OK) status = running_open(f->home, f->engine, &f->test_results, error);
    if (status == EBB_OK) status = fit_logs_open(f->home, capacity, &f->logs, error);
    if (status == EBB_OK) status = fit_logs_open(f->home, capacity, &f->test_logs, error);
    if (status != EBB_OK) return status;
    f->validation_names = region_new(f->home, const char *, count + 1);
    for (uint32_t i = 0; f->validation_names != NULL && i < count; i++) {
        f->validation_names[i] = region_format(f->home, "val_%s", f->engine->titles[i]);
        if (f->validation_names[i] == NULL) f->validation_names = NULL;
    }
    return f->validation_names != NULL ? EBB_OK : region_fail(f->home, error, "fit", "names");
}

static ebb_status prepare(fit *f, const ebb_data *data, const ebb_fit_options *options,
                          ebb_error *error)
{
    ebb_status status = options_take(f, options, error);

    if (status == EBB_OK && data == NULL)
        status = fail(error, EBB_E_ARGUMENT, "fit", "there are no data: data is NULL");
    if (status == EBB_OK) status = data_take(f, data, error);
    if (status == EBB_OK) status = logs_take(f, error);
    if (status == EBB_OK) {
        status = callbacks_open(f->home, f->engine, f->options.callbacks, f->options.callback_count,
                                &f->callbacks, error);
    }
    if (status != EBB_OK) return status;
    f->now = (fit_moment){.engine = f->engine,
                          .epoch = f->options.initial_epoch,
                          .epochs = f->options.epochs,
                          .steps = feed_steps(f->feed),
                          .logs = &f->logs};
    return EBB_OK;
}

/* -- training ---------------------------------------------------------------------------------- */

static ebb_status tell(fit *f, ebb_moment moment, ebb_error *error)
{
    f->now.moment = moment;
    return callbacks_tell(&f->callbacks, &f->now, error);
}

static ebb_status train_batch(fit *f, const ebb_batch *batch, ebb_error *error)
{
    engine *const e = f->engine;

    f->logs.count = 0;
    ebb_status status = tell(f, EBB_BATCH_BEGIN, error);
    if (status == EBB_OK) status = e->def->train(e, batch, f->results.batch, error);
    if (status != EBB_OK) return status;
    running_add(&f->results, batch);
    running_show(&f->results, &f->logs);
    return tell(f, EBB_BATCH_END, error);
}

static ebb_status train_batches(fit *f, ebb_error *error)
{
    for (;; f->now.step++) {
        const ebb_batch *batch = NULL;
        ebb_status status = check_cancelled(f->engine, "fit", error);

        if (status == EBB_OK) status = feed_next(f->feed, &batch, error);
        if (status == EBB_OK && batch == NULL) return EBB_OK;
        if (status == EBB_OK) status = train_batch(f, batch, error);
        if (status != EBB_OK) return status;
        if (!f->now.stops) continue;
        f->now.step++;
        return EBB_OK;
    }
}

static bool is_validated(const fit *f)
{
    const ebb_fit_options *o = &f->options;

    if (f->validation == NULL) return false;
    if (o->validation_epochs == NULL)
        return ((uint64_t)f->now.epoch + 1) % o->validation_freq == 0;
    for (size_t i = 0; i < o->validation_epoch_count; i++) {
        if (o->validation_epochs[i] == f->now.epoch) return true;
    }
    return false;
}

static ebb_status validate(fit *f, ebb_error *error)
{
    if (!is_validated(f)) return EBB_OK;
    const ebb_status status = test_loop_run(f->validation, &f->callbacks, &f->now, &f->test_logs,
                                            &f->test_results, error);
    if (status != EBB_OK || !(f->test_results.batches > 0)) return status;
    for (uint32_t i = 0; i < f->engine->result_count; i++)
        fit_logs_put(&f->logs, f->validation_names[i], f->test_results.values[i]);
    fit_logs_sort(&f->logs);
    return EBB_OK;
}

/* `steps` of this epoch ran in the run that is gone on with. */
static ebb_status run_epoch(fit *f, uint64_t steps, ebb_error *error)
{
    f->engine->def->reset_metrics(f->engine);
    running_reset(&f->results);
    f->logs.count = 0;
    f->now.step = steps;
    ebb_status status = tell(f, EBB_EPOCH_BEGIN, error);
    feed_begin(f->feed, f->now.epoch);
    if (status == EBB_OK && f->now.resumes && f->now.epoch == f->now.resume_epoch) {
        status = feed_skip(f->feed, f->now.epoch - f->options.initial_epoch, steps, error);
    }
    if (status == EBB_OK) status = train_batches(f, error);
    const ebb_status ended = feed_end(f->feed, status == EBB_OK ? error : NULL);
    if (status == EBB_OK) status = ended;
    if (status != EBB_OK) return status;
    running_show(&f->results, &f->logs);
    status = validate(f, error);
    if (status == EBB_OK) status = tell(f, EBB_EPOCH_END, error);
    if (status == EBB_OK) status = history_add(f->history, f->now.epoch, &f->logs, error);
    return status == EBB_OK ? check_cancelled(f->engine, "fit", error) : status;
}

static ebb_status run_epochs(fit *f, ebb_error *error)
{
    uint32_t epoch = f->options.initial_epoch;
    uint64_t steps = 0;
    ebb_status status = tell(f, EBB_TRAIN_BEGIN, error);

    if (status == EBB_OK && f->now.resumes && f->now.resume_epoch >= epoch) {
        epoch = f->now.resume_epoch;
        steps = f->now.resume_steps;
    } else {
        f->now.resumes = false;
    }
    for (; status == EBB_OK && epoch < f->options.epochs; epoch++, steps = 0) {
        f->now.epoch = epoch;
        status = run_epoch(f, steps, error);
        if (f->now.stops) break;
    }
    if (status != EBB_OK) return status;
    f->engine->def->finish(f->engine);
    return tell(f, EBB_TRAIN_END, error);
}

ebb_status fit_run(engine *e, const ebb_data *data, const ebb_fit_options *options, history *h,
                   ebb_error *error)
{
    fit f = {.engine = e, .history = h};

    f.home = region_open(e->home, "fit", EBB_CLASS_META, 0);
    if (f.home == NULL) return region_fail(e->home, error, "fit", "training");
    ebb_status status = prepare(&f, data, options, error);
    if (status == EBB_OK) status = run_epochs(&f, error);
    callbacks_close(&f.callbacks);
    feed_close(f.validation);
    feed_close(f.feed);
    data_set_close(f.validation_set);
    data_set_close(f.set);
    region_close(f.home);
    return status;
}

/* -- evaluation -------------------------------------------------------------------------------- */

static ebb_status evaluate(engine *e, region *home, data_set *set, const ebb_evaluate_options *o,
                           double *results, ebb_error *error)
{
    const feed_options how = {.batch_size = o->batch_size, .steps = o->steps};
    fit_moment now = {.engine = e, .epochs = 1};
    callback_list callbacks = {0};
    running_results r;
    fit_logs logs;
    feed *f = NULL;

    if (o->callbacks == NULL && o->callback_count > 0)
        return fail(error, EBB_E_ARGUMENT, "callbacks", "a count without callbacks");
    ebb_status status = feed_open(home, e, set, &how, &f, error);
    if (status == EBB_OK) status = running_open(home, e, &r, error);
    if (status == EBB_OK) status = fit_logs_open(home, e->result_count + 2, &logs, error);
    if (status == EBB_OK)
        status = callbacks_open(home, e, o->callbacks, o->callback_count, &callbacks, error);
    if (status == EBB_OK) status = test_loop_run(f, &callbacks, &now, &logs, &r, error);
    if (status == EBB_OK) memcpy(results, r.values, e->result_count * sizeof *results);
    callbacks_close(&callbacks);
    feed_close(f);
    return status;
}

ebb_status evaluate_run(engine *e, const ebb_data *data, const ebb_evaluate_options *options,
                        double *results, ebb_error *error)
{
    const ebb_evaluate_options o =
        options != NULL ? *options : (ebb_evaluate_options)EBB_EVALUATE_OPTIONS_INIT;
    region *home = region_open(e->home, "evaluate", EBB_CLASS_META, 0);
    data_set *set = NULL;
    ebb_status status = EBB_OK;

    if (home == NULL) return region_fail(e->home, error, "evaluate", "evaluation");
    if (data == NULL) status = fail(error, EBB_E_ARGUMENT, "evaluate", "data is NULL");
    if (status == EBB_OK) status = data_set_open(home, e, data, "data", &set, error);
    if (status == EBB_OK) status = evaluate(e, home, set, &o, results, error);
    data_set_close(set);
    region_close(home);
    return status;
}
