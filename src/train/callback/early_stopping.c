/* early_stopping.c -- EarlyStopping: ends training when a value has not got better for `patience`
 * epochs. Source: keras/src/callbacks/early_stopping.py. */
#include <math.h>

#include "base/status.h"
#include "train/callback/monitor.h"

typedef struct stopping {
    const char *monitor;
    double min_delta;
    int64_t patience, verbose, start_from_epoch;
    uint32_t mode;
    double baseline; /* NAN: none */
    bool restore_best_weights;
} stopping;

static const layer_field fields[] = {
    {"monitor", FIELD_TEXT, offsetof(stopping, monitor), false, 0, "val_loss"},
    TRAIN_FIELD(stopping, min_delta, FIELD_F64, 0),
    TRAIN_FIELD(stopping, patience, FIELD_I64, 0),
    TRAIN_FIELD(stopping, verbose, FIELD_I64, 0),
    TRAIN_FIELD_CHOICE(stopping, mode, 0, MONITOR_MODES),
    TRAIN_FIELD(stopping, baseline, FIELD_F64_OR_NONE, NAN),
    TRAIN_FIELD(stopping, restore_best_weights, FIELD_BOOL, 0),
    TRAIN_FIELD(stopping, start_from_epoch, FIELD_I64, 0),
    TRAIN_FIELD_END,
};

typedef struct stopping_state {
    monitor monitor;
    int64_t wait;
    void *best_weights; /* NULL: none kept yet */
    uint32_t best_epoch, stopped_epoch;
} stopping_state;

static ebb_status begin(callback *c, engine *e, ebb_error *error)
{
    const stopping *s = c->config;
    stopping_state *state = c->state;

    return monitor_open(&state->monitor, c, e, s->monitor, s->mode, s->min_delta, error);
}

static ebb_status keep_weights(callback *c, const fit_moment *m, ebb_error *error)
{
    const stopping *s = c->config;
    stopping_state *state = c->state;
    engine *const e = m->engine;

    if (!s->restore_best_weights) return EBB_OK;
    if (state->best_weights == NULL) {
        region *kept = region_open(c->home, "best weights", EBB_CLASS_WEIGHTS, 0);
        if (kept != NULL)
            state->best_weights = region_block(kept, (size_t)e->def->weights_bytes(e) + 1);
        if (state->best_weights == NULL)
            return region_fail(kept != NULL ? kept : c->home, error, c->where,
                               "a copy of the best weights");
    }
    e->def->weights_read(e, state->best_weights);
    state->best_epoch = m->epoch;
    return EBB_OK;
}

static ebb_status epoch_end(callback *c, fit_moment *m, ebb_error *error)
{
    const stopping *s = c->config;
    stopping_state *state = c->state;
    const double *current = monitor_value(&state->monitor, m, c, "training is not stopped early");
    ebb_status status = EBB_OK;

    if (current == NULL || (int64_t)m->epoch < s->start_from_epoch) return EBB_OK;
    state->wait++;
    if (monitor_is_best(&state->monitor, *current)) {
        status = keep_weights(c, m, error);
        state->monitor.best = *current;
        state->monitor.has_best = true;
        if (isnan(s->baseline) || monitor_is_better(&state->monitor, *current, s->baseline))
            state->wait = 0;
        return status;
    }
    if (state->wait >= s->patience && m->epoch > 0) {
        state->stopped_epoch = m->epoch;
        m->stops = true;
    }
    return EBB_OK;
}

static ebb_status train_end(callback *c, fit_moment *m, ebb_error *error)
{
    const stopping *s = c->config;
    const stopping_state *state = c->state;

    (void)error;
    if (state->stopped_epoch > 0 && s->verbose > 0)
        log_line(m->engine->log, EBB_LOG_INFO, "epoch %u: stopped early", state->stopped_epoch + 1);
    if (state->best_weights == NULL) return EBB_OK;
    if (s->verbose > 0)
        log_line(m->engine->log, EBB_LOG_INFO, "weights are those of epoch %u again",
                 state->best_epoch + 1);
    m->engine->def->weights_write(m->engine, state->best_weights);
    return EBB_OK;
}

const callback_def callback_def_early_stopping = {
    .entry = {"EarlyStopping", NULL, sizeof(stopping), fields, NULL},
    .state_bytes = sizeof(stopping_state),
    .open = begin,
    .at = {[EBB_EPOCH_END] = epoch_end, [EBB_TRAIN_END] = train_end}};
