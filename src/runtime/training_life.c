/* training_life.c -- compile, uncompile, and who may use a training when.
 *
 * One call at a time trains (is_busy); short calls look at it beside that one; compiling anew and
 * uncompiling wait for those. model.training changes under model.mutex. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/options.h"
#include "runtime/suspend.h"
#include "runtime/training.h"

/* -- users ------------------------------------------------------------------------------------- */

ebb_status training_acquire(model *m, const char *where, training **result, ebb_error *error)
{
    const ebb_status status = model_awake(m, where, error);

    *result = NULL;
    if (status != EBB_OK) return status;
    pthread_mutex_lock(&m->mutex);
    training *t = m->training;
    const bool is_free = t != NULL && !atomic_exchange(&t->is_busy, true);
    if (is_free) {
        t->owner = pthread_self();
        atomic_store(&t->is_cancelled, false);
    }
    pthread_mutex_unlock(&m->mutex);
    *result = is_free ? t : NULL;
    if (is_free) return EBB_OK;
    if (t == NULL)
        return fail(error, EBB_E_STATE, where,
                    "the model is not compiled; call ebb_model_compile()");
    return fail(error, EBB_E_BUSY, where, "another call is training this model");
}

void training_release(training *t)
{
    atomic_store(&t->is_busy, false);
}

/* Copies the variables of metrics into `bytes`, or back. */
static void metrics_copy(const training *t, uint8_t *bytes, bool is_back)
{
    for (uint32_t i = t->metric_first; i < t->metric_first + t->metric_count; i++) {
        memcpy(is_back ? t->memory[i] : bytes, is_back ? bytes : t->memory[i], t->sizes[i]);
        bytes += t->sizes[i];
    }
}

ebb_status training_enter(model *m, const char *where, evaluation_guest *guest, ebb_error *error)
{
    uint64_t bytes = 1;

    *guest = (evaluation_guest){.is_inside = training_is_own(m)};
    if (!guest->is_inside) return training_acquire(m, where, &guest->t, error);
    training *const t = m->training; /* a callback runs, so nobody takes it away */
    for (uint32_t i = 0; i < t->metric_count; i++) bytes += t->sizes[t->metric_first + i];
    guest->home = region_open(t->home, "metrics", EBB_CLASS_META, 0);
    if (guest->home != NULL) guest->metrics = region_block(guest->home, (size_t)bytes);
    if (guest->metrics == NULL) {
        const ebb_status status =
            region_fail(guest->home != NULL ? guest->home : t->home, error, where, "metrics");
        region_close(guest->home);
        return status;
    }
    guest->t = t;
    guest->was_cancelled = atomic_load(&t->is_cancelled);
    metrics_copy(t, guest->metrics, false);
    return EBB_OK;
}

void training_leave(evaluation_guest *guest)
{
    training *const t = guest->t;

    if (!guest->is_inside) {
        training_release(t);
        return;
    }
    pthread_mutex_lock(&t->m->training_mutex);
    metrics_copy(t, guest->metrics, true);
    pthread_mutex_unlock(&t->m->training_mutex);
    atomic_store(&t->is_cancelled, guest->was_cancelled);
    region_close(guest->home);
}

bool training_cancel(model *m)
{
    pthread_mutex_lock(&m->mutex); /* a call that begins meanwhile is not the one meant */
    training *t = m->training;
    const bool is_busy = t != NULL && atomic_load(&t->is_busy);
    if (is_busy) atomic_store(&t->is_cancelled, true);
    pthread_mutex_unlock(&m->mutex);
    return is_busy;
}

training *training_look(model *m)
{
    pthread_mutex_lock(&m->mutex);
    training *t = m->training;
    if (t != NULL) atomic_fetch_add(&t->lookers, 1);
    pthread_mutex_unlock(&m->mutex);
    return t;
}

void training_look_end(training *t)
{
    atomic_fetch_sub(&t->lookers, 1);
}

bool training_is_own(model *m)
{
    pthread_mutex_lock(&m->mutex);
    const training *t = m->training;
    const bool is_own =
        t != NULL && atomic_load(&t->is_busy) && pthread_equal(t->owner, pthread_self());
    pthread_mutex_unlock(&m->mutex);
    return is_own;
}

static void wait_until_zero(const atomic_uint *count)
{
    const struct timespec moment = {0, 50000};

    while (atomic_load(count) > 0) nanosleep(&moment, NULL);
}

bool training_history_look(training *t)
{
    atomic_fetch_add(&t->history_readers, 1);
    if (!atomic_load(&t->is_fitting) || training_is_own(t->m)) return true;
    atomic_fetch_sub(&t->history_readers, 1);
    return false;
}

void training_history_look_end(training *t)
{
    atomic_fetch_sub(&t->history_readers, 1);
}

/* Takes the model's training, whose steps are over, away from it and closes it: its weights are the
 * model's then. Who changes weights holds training_mutex and has seen it, or does not find it any
 * more. *threads: ended. */
static ebb_status take_away(model *m, uint32_t *threads, ebb_error *error)
{
    training_wait(m);
    const ebb_status status = training_publish_locked(m, error);
    training *last = NULL;
    if (status == EBB_OK) {
        pthread_mutex_lock(&m->mutex);
        last = m->training;
        m->training = NULL;
        pthread_mutex_unlock(&m->mutex);
    }
    pthread_mutex_unlock(&m->training_mutex);
    if (last != NULL) wait_until_zero(&last->lookers);
    *threads = training_close(last);
    return status;
}

/* Under training_mutex; the model has none. */
static void give(model *m, training *t)
{
    pthread_mutex_lock(&m->mutex);
    m->training = t;
    pthread_mutex_unlock(&m->mutex);
}

static ebb_status compiling_begin(model *m, const char *where, ebb_error *error)
{
    if (!atomic_exchange(&m->is_compiling, true)) return EBB_OK;
    return fail(error, EBB_E_BUSY, where, "another call is compiling this model");
}

/* -- compile ----------------------------------------------------------------------------------- */

ebb_status training_compile(model *m, const ebb_compile_options *options, ebb_error *error)
{
    training *t = NULL, *last = NULL;
    uint32_t threads = 0;
    ebb_plan plan;

    ebb_status status = model_awake(m, "ebb_model_compile", error);
    if (status == EBB_OK) status = compiling_begin(m, "ebb_model_compile", error);
    if (status != EBB_OK) return status;
    if (m->training != NULL) status = training_acquire(m, "ebb_model_compile", &last, error);
    const int64_t freed = last == NULL ? 0 : (int64_t)region_bytes_live(last->home);
    if (status == EBB_OK) status = training_stage(m, options, -freed, &plan, &t, error);
    if (status == EBB_OK) status = take_away(m, &threads, error);
    if (status == EBB_OK) last = NULL;
    pthread_mutex_lock(&m->training_mutex); /* nobody sets weights meanwhile */
    if (status == EBB_OK) status = training_publish_locked(m, error); /* a pass came between */
    if (status == EBB_OK) status = training_ready(t, error);
    if (status == EBB_OK) give(m, t);
    pthread_mutex_unlock(&m->training_mutex);
    if (status != EBB_OK) training_close(t);
    if (last != NULL) training_release(last);
    atomic_store(&m->is_compiling, false);
    return status;
}

static void fill_receipt(const training *t, ebb_receipt *receipt)
{
    ebb_memory held = {0};

    region_read(t->home, &held);
    *receipt = (ebb_receipt){0};
    memcpy(receipt->bytes, held.by_class, sizeof receipt->bytes);
    receipt->bytes_total = held.live;
}

ebb_status training_uncompile(model *m, ebb_receipt *receipt, ebb_error *error)
{
    training *t = NULL;
    ebb_receipt local;
    ebb_status status = compiling_begin(m, "ebb_model_uncompile", error);

    if (status != EBB_OK) return status;
    status = training_acquire(m, "ebb_model_uncompile", &t, error);
    if (status == EBB_OK) {
        fill_receipt(t, &local);
        status = take_away(m, &local.threads, error);
        if (status != EBB_OK) training_release(t);
    }
    if (status == EBB_OK) {
        local.live_after = region_bytes_live(m->owner->root);
        if (receipt != NULL) *receipt = local;
    }
    atomic_store(&m->is_compiling, false);
    return status;
}

ebb_status training_plan(runtime *r, const char *path, const ebb_load_options *load,
                         const ebb_compile_options *options, ebb_plan *plan, ebb_error *error)
{
    model *m = NULL;
    training *t = NULL;
    ebb_plan own = {0};
    ebb_status status = model_plan(r, path, load, &own, &m, error);

    if (status == EBB_OK) {
        const uint64_t staged = region_bytes_live(m->home);
        status = training_stage(m, options, (int64_t)(own.peak - staged), plan, &t, error);
        plan->file_bytes = own.file_bytes;
        plan->peak += own.total;
    }
    training_close(t);
    model_discard(m);
    return status;
}

/* -- calls ------------------------------------------------------------------------------------- */

static ebb_status open_history(training *t, ebb_error *error)
{
    wait_until_zero(&t->history_readers);
    region_close(t->history.home);
    t->history = (history){.home = region_open(t->home, "history", EBB_CLASS_META, 0)};
    return t->history.home != NULL ? EBB_OK
                                   : region_fail(t->home, error, t->m->info.name, "History");
}

static void log_fit(const training *t, ebb_status status, uint64_t begin_ns,
                    const ebb_error *error)
{
    const log_sink *log = &t->m->owner->log;
    const char *name = t->m->info.name;

    if (status == EBB_OK)
        log_line(log, EBB_LOG_INFO, "trained %s: %u epochs in %.1f ms", name,
                 t->history.epoch_count, (double)(clock_ns() - begin_ns) / 1e6);
    else
        log_line(log, EBB_LOG_ERROR, "%s: training ended after %u epochs: %s: %s", name,
                 t->history.epoch_count, error->where, error->text);
}

ebb_status training_fit(training *t, const ebb_data *data, const ebb_fit_options *options,
                        ebb_error *error)
{
    ebb_fit_options o = EBB_FIT_OPTIONS_INIT;
    ebb_status status =
        options_copy(&o, sizeof o, options, "fit options", "EBB_FIT_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    const uint64_t begin = clock_ns();
    ebb_error local = {0}, *const why = error != NULL ? error : &local;
    atomic_store(&t->is_fitting, true);
    status = open_history(t, why);
    if (status == EBB_OK) status = fit_run(&t->engine, data, &o, &t->history, why);
    log_fit(t, status, begin, why);
    atomic_store(&t->is_fitting, false);
    return status;
}

ebb_status training_evaluate(training *t, const ebb_data *data, const ebb_evaluate_options *options,
                             double *results, ebb_error *error)
{
    ebb_evaluate_options o = EBB_EVALUATE_OPTIONS_INIT;
    const ebb_status status =
        options_copy(&o, sizeof o, options, "evaluate options", "EBB_EVALUATE_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    return evaluate_run(&t->engine, data, &o, results, error);
}

/* Metrics are those of the batch alone, as in Keras. */
ebb_status training_on_batch(training *t, side_kind kind, const ebb_batch *batch, double *results,
                             ebb_error *error)
{
    const engine_def *def = t->engine.def;

    def->reset_metrics(&t->engine);
    return kind == SIDE_TRAIN ? def->train(&t->engine, batch, results, error)
                              : def->test(&t->engine, batch, results, error);
}
