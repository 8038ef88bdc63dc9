/* terminate_on_nan.c -- TerminateOnNaN: ends training when the loss is no number or infinite.
 * Source: keras/src/callbacks/terminate_on_nan.py. */
#include <inttypes.h>
#include <math.h>

#include "base/status.h"
#include "train/callback/callback.h"

typedef struct terminate {
    bool raise_error;
} terminate;

static const layer_field fields[] = {
    TRAIN_FIELD(terminate, raise_error, FIELD_BOOL, 0),
    TRAIN_FIELD_END,
};

static ebb_status batch_end(callback *c, fit_moment *m, ebb_error *error)
{
    const terminate *t = c->config;
    const double *loss = fit_logs_find(m->logs, "loss");

    if (loss == NULL || isfinite(*loss)) return EBB_OK;
    if (t->raise_error) {
        return fail(error, EBB_E_STATE, c->where,
                    "the loss is %s at batch %" PRIu64 " of epoch %" PRIu32,
                    isnan(*loss) ? "NaN" : "infinite", m->step, m->epoch + 1);
    }
    log_line(m->engine->log, EBB_LOG_WARNING,
             "batch %" PRIu64 ": the loss is no finite number, training ends", m->step);
    m->stops = true;
    return EBB_OK;
}

const callback_def callback_def_terminate_on_nan = {
    .entry = {"TerminateOnNaN", NULL, sizeof(terminate), fields, NULL},
    .at = {[EBB_BATCH_END] = batch_end}};
