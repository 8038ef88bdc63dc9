/* training_engine.c -- a compiled model as the loop of fit sees it. */
#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "runtime/suspend.h"
#include "runtime/training.h"
#include "train/schedule/schedule_number.h"

#define LET_OTHERS_NS ((uint64_t)1000000)

static training *training_of(const engine *e)
{
    return (training *)((uintptr_t)e - offsetof(training, engine));
}

/* NULL: there is no optimizer. */
static const train_step *train_step_of(const training *t)
{
    const train_step *step = training_first_step(t);
    return step->optimizer == NULL ? NULL : step;
}

/* A mutex goes to whoever asks first, and a thread that waits needs a moment to ask. */
static void let_others(const model *m)
{
    const uint64_t begin = clock_ns();

    while (atomic_load(&m->training_waiters) > 0 && clock_ns() - begin < LET_OTHERS_NS)
        sched_yield();
}

static ebb_status step_locked(training *t, side_kind kind, const ebb_batch *batch, double *results,
                              ebb_error *error)
{
    let_others(t->m);
    pthread_mutex_lock(&t->m->training_mutex);
    const ebb_status status = training_step(t, kind, batch, results, error);
    pthread_mutex_unlock(&t->m->training_mutex);
    return status;
}

static ebb_status engine_train(engine *e, const ebb_batch *batch, double *results, ebb_error *error)
{
    training *t = training_of(e);

    if (t->settings.optimizer == NULL) {
        return fail(error, EBB_E_STATE, t->m->info.name,
                    "the model was compiled without an optimizer, so it can only be evaluated");
    }
    return step_locked(t, SIDE_TRAIN, batch, results, error);
}

static ebb_status engine_test(engine *e, const ebb_batch *batch, double *results, ebb_error *error)
{
    return step_locked(training_of(e), SIDE_TEST, batch, results, error);
}

static void engine_reset_metrics(engine *e)
{
    training *t = training_of(e);
    const uint32_t end = t->metric_first + t->metric_count;

    pthread_mutex_lock(&t->m->training_mutex);
    for (uint32_t i = t->metric_first; i < end; i++) memset(t->memory[i], 0, t->sizes[i]);
    pthread_mutex_unlock(&t->m->training_mutex);
}

/* Where the learning rate is; NULL and E_STATE where it follows a schedule. */
static float *rate_variable(const training *t, ebb_error *error)
{
    const train_step *step = train_step_of(t);
    const value v = step == NULL ? VALUE_NONE : optimizer_learning_rate_variable(step->optimizer);

    if (model_awake(t->m, NULL, error) != EBB_OK) return NULL;
    if (v != VALUE_NONE) return t->memory[graph_value(step->emit.graph, v)->index];
    fail(error, EBB_E_STATE, t->m->info.name,
         step == NULL ? "the model was compiled without an optimizer"
                      : "the learning rate follows a schedule, or there are several");
    return NULL;
}

static uint64_t engine_iterations(const engine *e)
{
    const training *t = training_of(e);
    const train_step *step = train_step_of(t);

    if (step == NULL) return 0;
    const value v = optimizer_iteration(step->optimizer);
    return (uint64_t) * (const int32_t *)t->memory[graph_value(step->emit.graph, v)->index];
}

/* The schedule of the optimizer, or of the one inside it; NULL: there is none. */
static const train_object *schedule_of(const optimizer *o)
{
    if (o != NULL && o->schedule.entry == NULL && o->inner_count == 1) o = o->inner[0].optimizer;
    return o != NULL && o->schedule.entry != NULL ? &o->schedule : NULL;
}

static ebb_status read_rate(training *t, double *rate, ebb_error *error)
{
    const train_object *schedule = schedule_of(t->settings.optimizer);

    if (model_awake(t->m, NULL, error) != EBB_OK) return EBB_E_STATE;
    if (schedule != NULL) {
        return schedule_number(t->home, model_device(t->m), schedule,
                               (uint32_t)engine_iterations(&t->engine), t->m->info.name, rate,
                               error);
    }
    const float *variable = rate_variable(t, error);
    if (variable == NULL) return EBB_E_STATE;
    *rate = (double)*variable;
    return EBB_OK;
}

/* Any thread may ask for the rate; a step may make the sides anew meanwhile. */
static ebb_status engine_learning_rate(engine *e, double *rate, ebb_error *error)
{
    training *t = training_of(e);

    pthread_mutex_lock(&t->m->training_mutex);
    const ebb_status status = read_rate(t, rate, error);
    pthread_mutex_unlock(&t->m->training_mutex);
    return status;
}

static ebb_status engine_learning_rate_set(engine *e, double rate, ebb_error *error)
{
    training *t = training_of(e);

    pthread_mutex_lock(&t->m->training_mutex);
    float *variable = rate_variable(t, error);
    if (variable != NULL) *variable = (float)rate;
    pthread_mutex_unlock(&t->m->training_mutex);
    return variable != NULL ? EBB_OK : EBB_E_STATE;
}

static uint64_t engine_weights_bytes(const engine *e)
{
    return training_of(e)->variable_bytes;
}

static void engine_weights_read(const engine *e, void *bytes)
{
    const training *t = training_of(e);

    pthread_mutex_lock(&t->m->training_mutex);
    memcpy(bytes, t->variable_block, t->variable_bytes);
    pthread_mutex_unlock(&t->m->training_mutex);
}

static void engine_weights_write(engine *e, const void *bytes)
{
    training *t = training_of(e);

    pthread_mutex_lock(&t->m->training_mutex);
    memcpy(t->variable_block, bytes, t->variable_bytes);
    training_changed(t->m);
    pthread_mutex_unlock(&t->m->training_mutex);
}

/* -- files ------------------------------------------------------------------------------------- */

static ebb_status engine_save(engine *e, const char *path, bool weights_only, ebb_error *error)
{
    training *t = training_of(e);

    (void)weights_only; /* the ending of the name says it too */
    return model_save(t->m, path, NULL, error);
}

static ebb_status engine_restore(engine *e, const char *path, ebb_error *error)
{
    return training_restore(training_of(e), path, error);
}

/* -- moving averages --------------------------------------------------------------------------- */

/* Memory of trained weight `index` and of its average; false: the optimizer keeps none. */
static bool average_of(const training *t, uint32_t index, void **weight, void **average,
                       uint64_t *bytes)
{
    const train_step *step = train_step_of(t);
    const value v = optimizer_average(step->optimizer, index);

    if (v == VALUE_NONE) return false;
    *weight = t->memory[step->trained[index]];
    *average = t->memory[graph_value(step->emit.graph, v)->index];
    *bytes = t->sizes[step->trained[index]];
    return true;
}

static void engine_finish(engine *e)
{
    training *t = training_of(e);
    const train_step *step = train_step_of(t);
    void *weight, *average;
    uint64_t bytes;

    pthread_mutex_lock(&t->m->training_mutex);
    for (uint32_t i = 0; step != NULL && i < step->trained_count; i++) {
        if (!average_of(t, i, &weight, &average, &bytes)) continue;
        memcpy(weight, average, bytes);
        training_changed(t->m);
    }
    pthread_mutex_unlock(&t->m->training_mutex);
}

static void swap_bytes(uint8_t *a, uint8_t *b, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++) {
        const uint8_t kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

static ebb_status engine_swap_averages(engine *e, ebb_error *error)
{
    training *t = training_of(e);
    const train_step *step = train_step_of(t);
    void *weight, *average;
    uint64_t bytes;
    bool any = false;

    pthread_mutex_lock(&t->m->training_mutex);
    for (uint32_t i = 0; step != NULL && i < step->trained_count; i++) {
        if (!average_of(t, i, &weight, &average, &bytes)) continue;
        swap_bytes(weight, average, bytes);
        training_changed(t->m);
        any = true;
    }
    pthread_mutex_unlock(&t->m->training_mutex);
    if (any) return EBB_OK;
    return fail(error, EBB_E_STATE, t->m->info.name,
                "the optimizer keeps no moving averages; give it use_ema");
}

static bool engine_is_cancelled(const engine *e)
{
    return atomic_load(&training_of(e)->is_cancelled);
}

const engine_def training_engine = {.train = engine_train,
                                    .test = engine_test,
                                    .reset_metrics = engine_reset_metrics,
                                    .learning_rate = engine_learning_rate,
                                    .learning_rate_set = engine_learning_rate_set,
                                    .save = engine_save,
                                    .restore = engine_restore,
                                    .weights_bytes = engine_weights_bytes,
                                    .weights_read = engine_weights_read,
                                    .weights_write = engine_weights_write,
                                    .finish = engine_finish,
                                    .swap_averages = engine_swap_averages,
                                    .is_cancelled = engine_is_cancelled,
                                    .iterations = engine_iterations};
