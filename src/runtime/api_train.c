/* api_train.c -- the public functions of ebb/train.h: argument checks, handle to object, nothing
 * else. */
#include <string.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/training.h"

/* A compiled model, busy until let_go(). */
static ebb_status take(ebb_model handle, const char *where, training **t, ebb_error *error)
{
    model *m = model_acquire(handle, where, error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = training_acquire(m, where, t, error);
    if (status != EBB_OK) handle_release(handle.id);
    return status;
}

/* The same for an evaluation, also inside of another call, until let_guest_go(). */
static ebb_status take_guest(ebb_model handle, const char *where, evaluation_guest *guest,
                             ebb_error *error)
{
    model *m = model_acquire(handle, where, error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = training_enter(m, where, guest, error);
    if (status != EBB_OK) handle_release(handle.id);
    return status;
}

static void let_guest_go(ebb_model handle, evaluation_guest *guest)
{
    training_leave(guest);
    handle_release(handle.id);
}

static void let_go(ebb_model handle, training *t)
{
    training_release(t);
    handle_release(handle.id);
}

/* What may be asked while training is under way, as callbacks do. NULL: why is in *error. */
static training *look_at(ebb_model handle, const char *where, ebb_error *error)
{
    model *m = model_acquire(handle, where, error);

    if (m == NULL) return NULL;
    training *t = training_look(m);
    if (t != NULL) return t;
    fail(error, EBB_E_STATE, where, "the model is not compiled");
    handle_release(handle.id);
    return NULL;
}

static void look_away(ebb_model handle, training *t)
{
    training_look_end(t);
    handle_release(handle.id);
}

ebb_status ebb_model_compile(ebb_model handle, const ebb_compile_options *options, ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_compile", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = training_compile(m, options, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_plan_training(ebb_runtime handle, const char *path,
                                   const ebb_load_options *load, const ebb_compile_options *options,
                                   ebb_plan *plan, ebb_error *error)
{
    if (plan == NULL) {
        return fail(error, EBB_E_ARGUMENT, "ebb_model_plan_training",
                    "expected a place for the plan");
    }
    runtime *r = runtime_acquire(handle, "ebb_model_plan_training", error);
    if (r == NULL) return EBB_E_STALE;
    *plan = (ebb_plan){0};
    const ebb_status status = training_plan(r, path, load, options, plan, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_uncompile(ebb_model handle, ebb_receipt *receipt, ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_uncompile", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = training_uncompile(m, receipt, error);
    handle_release(handle.id);
    return status;
}

bool ebb_model_compiled(ebb_model handle)
{
    training *t = look_at(handle, "ebb_model_compiled", NULL);

    if (t == NULL) return false;
    look_away(handle, t);
    return true;
}

/* -- whole data -------------------------------------------------------------------------------- */

ebb_status ebb_model_fit(ebb_model handle, const ebb_data *data, const ebb_fit_options *options,
                         ebb_error *error)
{
    training *t = NULL;
    ebb_status status = take(handle, "ebb_model_fit", &t, error);

    if (status != EBB_OK) return status;
    status = training_fit(t, data, options, error);
    let_go(handle, t);
    return status;
}

static ebb_status room_for_results(const training *t, const double *results, size_t *count,
                                   ebb_error *error)
{
    const size_t room = count == NULL ? 0 : *count;

    if (count != NULL) *count = t->engine.result_count;
    if (results == NULL || room >= t->engine.result_count) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, t->m->info.name,
                "there are %u losses and metrics, but room for %zu", t->engine.result_count, room);
}

static void give_results(const training *t, double *results, const double *computed)
{
    if (results != NULL) memcpy(results, computed, t->engine.result_count * sizeof *results);
}

ebb_status ebb_model_evaluate(ebb_model handle, const ebb_data *data,
                              const ebb_evaluate_options *options, double *results, size_t *count,
                              ebb_error *error)
{
    evaluation_guest guest;
    double computed[RESULTS_MAX];
    ebb_status status = take_guest(handle, "ebb_model_evaluate", &guest, error);

    if (status != EBB_OK) return status;
    status = room_for_results(guest.t, results, count, error);
    if (status == EBB_OK) status = training_evaluate(guest.t, data, options, computed, error);
    if (status == EBB_OK) give_results(guest.t, results, computed);
    let_guest_go(handle, &guest);
    return status;
}

/* -- batches ----------------------------------------------------------------------------------- */

ebb_status ebb_model_train_on_batch(ebb_model handle, const ebb_batch *batch, double *results,
                                    size_t *count, ebb_error *error)
{
    static const char where[] = "ebb_model_train_on_batch";
    training *t = NULL;
    double computed[RESULTS_MAX];
    ebb_status status = take(handle, where, &t, error);

    if (status != EBB_OK) return status;
    if (batch == NULL) status = fail(error, EBB_E_ARGUMENT, where, "expected a batch, got NULL");
    if (status == EBB_OK) status = room_for_results(t, results, count, error);
    if (status == EBB_OK) status = training_on_batch(t, SIDE_TRAIN, batch, computed, error);
    if (status == EBB_OK) give_results(t, results, computed);
    let_go(handle, t);
    return status;
}

ebb_status ebb_model_test_on_batch(ebb_model handle, const ebb_batch *batch, double *results,
                                   size_t *count, ebb_error *error)
{
    static const char where[] = "ebb_model_test_on_batch";
    evaluation_guest guest;
    double computed[RESULTS_MAX];
    ebb_status status = take_guest(handle, where, &guest, error);

    if (status != EBB_OK) return status;
    if (batch == NULL) status = fail(error, EBB_E_ARGUMENT, where, "expected a batch, got NULL");
    if (status == EBB_OK) status = room_for_results(guest.t, results, count, error);
    if (status == EBB_OK) status = training_on_batch(guest.t, SIDE_TEST, batch, computed, error);
    if (status == EBB_OK) give_results(guest.t, results, computed);
    let_guest_go(handle, &guest);
    return status;
}

/* -- facts and settings ------------------------------------------------------------------------ */

const char *ebb_model_metric(ebb_model handle, uint32_t index)
{
    training *t = look_at(handle, "ebb_model_metric", NULL);

    if (t == NULL) return NULL;
    const char *name = index < t->engine.result_count ? t->engine.titles[index] : NULL;
    look_away(handle, t);
    return name;
}

ebb_status ebb_model_cancel(ebb_model handle)
{
    model *m = handle_acquire_in_use(HANDLE_MODEL, handle.id); /* an unload may wait for the fit */

    if (m == NULL) return EBB_E_STALE;
    const bool is_told = training_cancel(m);
    handle_release(handle.id);
    return is_told ? EBB_OK : EBB_E_STATE;
}

ebb_status ebb_model_learning_rate(ebb_model handle, double *rate, ebb_error *error)
{
    ebb_error why = {0};
    training *t = look_at(handle, "ebb_model_learning_rate", &why);

    if (t == NULL) return fail(error, why.status, why.where, "%s", why.text);
    const ebb_status status =
        rate == NULL ? fail(error, EBB_E_ARGUMENT, "ebb_model_learning_rate", "expected a place")
                     : training_engine.learning_rate(&t->engine, rate, error);
    look_away(handle, t);
    return status;
}

ebb_status ebb_model_learning_rate_set(ebb_model handle, double rate, ebb_error *error)
{
    ebb_error why = {0};
    training *t = look_at(handle, "ebb_model_learning_rate_set", &why);

    if (t == NULL) return fail(error, why.status, why.where, "%s", why.text);
    const ebb_status status = training_engine.learning_rate_set(&t->engine, rate, error);
    look_away(handle, t);
    return status;
}

ebb_status ebb_model_trainable_set(ebb_model handle, const char *layer, bool trainable,
                                   ebb_error *error)
{
    if (layer == NULL) {
        return fail(error, EBB_E_ARGUMENT, "ebb_model_trainable_set", "expected a layer, got NULL");
    }
    model *m = model_acquire(handle, "ebb_model_trainable_set", error);
    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = training_trainable_set(m, layer, trainable, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_history_write(ebb_model handle, ebb_text_function write, void *context,
                                   ebb_error *error)
{
    if (write == NULL) {
        return fail(error, EBB_E_ARGUMENT, "ebb_model_history_write",
                    "expected a function that takes the text");
    }
    ebb_error why = {0};
    training *t = look_at(handle, "ebb_model_history_write", &why);
    if (t == NULL) return fail(error, why.status, why.where, "%s", why.text);
    ebb_status status = EBB_E_BUSY;
    if (training_history_look(t)) {
        status = history_write(&t->history, write, context, error);
        training_history_look_end(t);
    } else {
        fail(error, status, t->m->info.name, "another thread is in a fit, which changes History");
    }
    look_away(handle, t);
    return status;
}

bool ebb_model_history(ebb_model handle, uint32_t index, const char **name, const double **values,
                       uint32_t *epochs)
{
    training *t = look_at(handle, "ebb_model_history", NULL);

    if (t == NULL) return false;
    const history *h = &t->history;
    const bool is_readable = training_history_look(t);
    const bool is_there = is_readable && index < h->name_count;
    if (is_there) {
        if (name != NULL) *name = h->names[index];
        if (values != NULL) *values = h->values[index];
        if (epochs != NULL) *epochs = h->epoch_count;
    }
    if (is_readable) training_history_look_end(t);
    look_away(handle, t);
    return is_there;
}
