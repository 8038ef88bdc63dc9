/* reduce_lr_on_plateau.c -- ReduceLROnPlateau: multiplies the learning rate by `factor` when a
 * value has not got better for `patience` epochs. Source:
 * keras/src/callbacks/reduce_lr_on_plateau.py. */
#include "base/status.h"
#include "train/callback/monitor.h"

typedef struct plateau {
    const char *monitor;
    double factor, min_delta, min_lr;
    int64_t patience, verbose, cooldown;
    uint32_t mode;
} plateau;

static const layer_field fields[] = {
    {"monitor", FIELD_TEXT, offsetof(plateau, monitor), false, 0, "val_loss"},
    TRAIN_FIELD(plateau, factor, FIELD_F64, 0.1),
    TRAIN_FIELD(plateau, patience, FIELD_I64, 10),
    TRAIN_FIELD(plateau, verbose, FIELD_I64, 0),
    TRAIN_FIELD_CHOICE(plateau, mode, 0, MONITOR_MODES),
    TRAIN_FIELD(plateau, min_delta, FIELD_F64, 1e-4),
    TRAIN_FIELD(plateau, cooldown, FIELD_I64, 0),
    TRAIN_FIELD(plateau, min_lr, FIELD_F64, 0),
    TRAIN_FIELD_END,
};

typedef struct plateau_state {
    monitor monitor;
    int64_t wait, cooldown;
} plateau_state;

static ebb_status check(const void *config, const char *where, ebb_error *error)
{
    const plateau *p = config;

    if (p->factor < 1) return EBB_OK;
    return train_range_fail(error, where, "factor", "a number below 1", p->factor);
}

static ebb_status begin(callback *c, engine *e, ebb_error *error)
{
    const plateau *p = c->config;
    plateau_state *state = c->state;

    return monitor_open(&state->monitor, c, e, p->monitor, p->mode, p->min_delta, error);
}

static ebb_status reduce(callback *c, fit_moment *m, ebb_error *error)
{
    const plateau *p = c->config;
    plateau_state *state = c->state;
    engine *const e = m->engine;
    double rate = 0;
    ebb_status status = e->def->learning_rate(e, &rate, error);

    if (status != EBB_OK || !(rate > (double)(float)p->min_lr)) return status;
    const double lower = rate * p->factor > p->min_lr ? rate * p->factor : p->min_lr;
    status = e->def->learning_rate_set(e, lower, error);
    if (status != EBB_OK) return status;
    state->cooldown = p->cooldown;
    state->wait = 0;
    if (p->verbose > 0)
        log_line(e->log, EBB_LOG_INFO, "epoch %u: the learning rate is now %g", m->epoch + 1,
                 lower);
    return EBB_OK;
}

static ebb_status epoch_end(callback *c, fit_moment *m, ebb_error *error)
{
    const plateau *p = c->config;
    plateau_state *state = c->state;
    const ebb_status status = callback_log_rate(m, error);

    if (status != EBB_OK) return status;
    const double *current =
        monitor_value(&state->monitor, m, c, "the learning rate is not reduced");
    if (current == NULL) return EBB_OK;
    if (state->cooldown > 0) {
        state->cooldown--;
        state->wait = 0;
    }
    if (monitor_is_best(&state->monitor, *current)) {
        state->monitor.best = *current;
        state->monitor.has_best = true;
        state->wait = 0;
        return EBB_OK;
    }
    if (state->cooldown > 0 || ++state->wait < p->patience) return EBB_OK;
    return reduce(c, m, error);
}

const callback_def callback_def_reduce_lr_on_plateau = {
    .entry = {"ReduceLROnPlateau", NULL, sizeof(plateau), fields, check},
    .state_bytes = sizeof(plateau_state),
    .open = begin,
    .at = {[EBB_EPOCH_END] = epoch_end}};
