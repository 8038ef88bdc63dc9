/* learning_rate_scheduler.c -- LearningRateScheduler: sets the learning rate at the beginning of
 * every epoch, from one of
 *
 *     a function   it is called at the beginning of each epoch and sets the rate itself
 *                  (ebb_model_learning_rate_set)
 *     values       a list by epoch; behind its end the last one stays
 *     schedule     {"class_name": "ExponentialDecay", "config": {...}} of the epoch
 *
 * Source: keras/src/callbacks/learning_rate_scheduler.py. */
#include <math.h>

#include "base/status.h"
#include "train/callback/callback.h"
#include "train/schedule/schedule_number.h"

typedef struct scheduler {
    const json *schedule, *values;
    int64_t verbose;
} scheduler;

static const layer_field fields[] = {
    TRAIN_FIELD(scheduler, schedule, FIELD_JSON, 0),
    TRAIN_FIELD(scheduler, values, FIELD_JSON, 0),
    TRAIN_FIELD(scheduler, verbose, FIELD_I64, 0),
    TRAIN_FIELD_END,
};

typedef struct scheduler_state {
    train_object schedule;
    device device;
    bool has_device;
} scheduler_state;

static ebb_status check_values(const callback *c, const json *values, ebb_error *error)
{
    bool are_rates = values->kind == JSON_ARRAY && values->count > 0;

    for (uint32_t i = 0; are_rates && i < values->count; i++)
        are_rates = isfinite(json_number(json_item(values, i), NAN));
    if (are_rates) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, c->where, "values: expected a list of learning rates");
}

static ebb_status begin(callback *c, engine *e, ebb_error *error)
{
    const scheduler *s = c->config;
    scheduler_state *state = c->state;
    const int ways = (c->function != NULL) + (s->schedule != NULL) + (s->values != NULL);

    (void)e;
    if (ways != 1) {
        return fail(error, EBB_E_ARGUMENT, c->where,
                    "expected one of a function, \"values\" and \"schedule\", got %d of them",
                    ways);
    }
    if (s->values != NULL) return check_values(c, s->values, error);
    if (s->schedule == NULL) return EBB_OK;
    const device_options portable = {.isa = "portable", .no_jit = true, .threads = 1};
    state->device.def = device_def_find("CPU");
    ebb_status status = state->device.def->open(&state->device, &portable, error);
    state->has_device = status == EBB_OK;
    if (status == EBB_OK)
        status = schedule_read(c->home, s->schedule, c->where, &state->schedule, error);
    return status;
}

static ebb_status epoch_begin(callback *c, fit_moment *m, ebb_error *error)
{
    const scheduler *s = c->config;
    double rate = 0;
    ebb_status status = EBB_OK;

    if (c->function != NULL) return callback_call(c, m, error);
    if (s->values != NULL) {
        const uint32_t last = s->values->count - 1;

        rate = json_number(json_item(s->values, m->epoch < last ? m->epoch : last), 0);
    } else {
        const scheduler_state *state = c->state;
        status = schedule_number(c->home, &state->device, &state->schedule, m->epoch, c->where,
                                 &rate, error);
    }
    if (status == EBB_OK) status = m->engine->def->learning_rate_set(m->engine, rate, error);
    if (status == EBB_OK && s->verbose > 0)
        log_line(m->engine->log, EBB_LOG_INFO, "epoch %u: the learning rate is now %g",
                 m->epoch + 1, rate);
    return status;
}

static ebb_status epoch_end(callback *c, fit_moment *m, ebb_error *error)
{
    (void)c;
    return callback_log_rate(m, error);
}

static void close_scheduler(callback *c, engine *e)
{
    scheduler_state *state = c->state;

    (void)e;
    if (state->has_device && state->device.def->close != NULL)
        state->device.def->close(&state->device);
}

const callback_def callback_def_learning_rate_scheduler = {
    .entry = {"LearningRateScheduler", NULL, sizeof(scheduler), fields, NULL},
    .state_bytes = sizeof(scheduler_state),
    .takes_function = true,
    .open = begin,
    .at = {[EBB_EPOCH_BEGIN] = epoch_begin, [EBB_EPOCH_END] = epoch_end},
    .close = close_scheduler};
