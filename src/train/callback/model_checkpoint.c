/* model_checkpoint.c -- ModelCheckpoint: saves the model, or its weights, every epoch or every few
 * batches; with save_best_only when a value got better.
 * Source: keras/src/callbacks/model_checkpoint.py. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "train/callback/log_file.h"
#include "train/callback/monitor.h"
#include "train/callback/number_text.h"

#define NAMES_MAX 512u

typedef struct checkpoint {
    const char *filepath, *monitor;
    int64_t verbose;
    bool save_best_only, save_weights_only;
    uint32_t mode;
    const json *save_freq;
    double initial_value_threshold; /* NAN: none */
} checkpoint;

static const layer_field fields[] = {
    TRAIN_FIELD_REQUIRED(checkpoint, filepath, FIELD_TEXT),
    {"monitor", FIELD_TEXT, offsetof(checkpoint, monitor), false, 0, "val_loss"},
    TRAIN_FIELD(checkpoint, verbose, FIELD_I64, 0),
    TRAIN_FIELD(checkpoint, save_best_only, FIELD_BOOL, 0),
    TRAIN_FIELD(checkpoint, save_weights_only, FIELD_BOOL, 0),
    TRAIN_FIELD_CHOICE(checkpoint, mode, 0, MONITOR_MODES),
    TRAIN_FIELD(checkpoint, save_freq, FIELD_JSON, 0),
    TRAIN_FIELD(checkpoint, initial_value_threshold, FIELD_F64_OR_NONE, NAN),
    TRAIN_FIELD_END,
};

typedef struct checkpoint_state {
    monitor monitor;
    batch_counter batches;
    named_number *numbers;
} checkpoint_state;

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static ebb_status check(const void *config, const char *where, ebb_error *error)
{
    const checkpoint *k = config;

    if (k->save_weights_only && !ends_with(k->filepath, ".weights.h5")) {
        return fail(error, EBB_E_ARGUMENT, where,
                    "filepath: with save_weights_only it must end in .weights.h5, got '%.80s'",
                    k->filepath);
    }
    if (!ends_with(k->filepath, ".keras") && !ends_with(k->filepath, ".h5")) {
        return fail(error, EBB_E_ARGUMENT, where,
                    "filepath: it must end in .keras or .h5, got '%.80s'", k->filepath);
    }
    return EBB_OK;
}

static ebb_status begin(callback *c, engine *e, ebb_error *error)
{
    const checkpoint *k = c->config;
    checkpoint_state *state = c->state;
    ebb_status status =
        callback_frequency(c, "save_freq", k->save_freq, &state->batches.every, error);

    if (status == EBB_OK && k->save_best_only)
        status = monitor_open(&state->monitor, c, e, k->monitor, k->mode, 0, error);
    if (status != EBB_OK) return status;
    state->monitor.has_best = !isnan(k->initial_value_threshold);
    state->monitor.best = k->initial_value_threshold;
    state->numbers = region_new(c->home, named_number, NAMES_MAX + 2);
    return state->numbers != NULL ? EBB_OK : region_fail(c->home, error, c->where, "names");
}

static ebb_status path_make(callback *c, const fit_moment *m, bool has_batch, char *path,
                            ebb_error *error)
{
    const checkpoint *k = c->config;
    checkpoint_state *state = c->state;
    size_t count = 0;

    state->numbers[count++] = (named_number){"epoch", true, (double)m->epoch + 1};
    if (has_batch) state->numbers[count++] = (named_number){"batch", true, (double)m->step + 1};
    for (uint32_t i = 0; i < m->logs->count && i < NAMES_MAX; i++) {
        const ebb_log_value *v = &m->logs->items[i];

        state->numbers[count++] = (named_number){v->name, false, v->value};
    }
    return number_format(k->filepath, state->numbers, count, c->where, path, LOG_PATH_BYTES, error);
}

static bool is_wanted(callback *c, const fit_moment *m, const char *path)
{
    const checkpoint *k = c->config;
    checkpoint_state *state = c->state;

    if (!k->save_best_only) return true;
    const double *current = monitor_value(&state->monitor, m, c, "every model is saved");
    if (current == NULL) return true;
    if (!monitor_is_best(&state->monitor, *current)) {
        if (k->verbose > 0)
            log_line(m->engine->log, EBB_LOG_INFO, "epoch %u: %s did not improve from %.5f",
                     m->epoch + 1, k->monitor, state->monitor.best);
        return false;
    }
    state->monitor.best = *current;
    state->monitor.has_best = true;
    if (k->verbose > 0)
        log_line(m->engine->log, EBB_LOG_INFO, "epoch %u: %s improved to %.5f, saving to %s",
                 m->epoch + 1, k->monitor, *current, path);
    return true;
}

static ebb_status save(callback *c, const fit_moment *m, bool has_batch, ebb_error *error)
{
    const checkpoint *k = c->config;
    char path[LOG_PATH_BYTES];
    ebb_status status = path_make(c, m, has_batch, path, error);

    if (status != EBB_OK || !is_wanted(c, m, path)) return status;
    status = folder_make_for(path, error);
    if (status == EBB_OK)
        status = m->engine->def->save(m->engine, path, k->save_weights_only, error);
    if (status != EBB_OK) fail_within(error, c->where);
    return status;
}

static ebb_status batch_end(callback *c, fit_moment *m, ebb_error *error)
{
    checkpoint_state *state = c->state;

    return batch_counter_is_due(&state->batches) ? save(c, m, true, error) : EBB_OK;
}

static ebb_status epoch_end(callback *c, fit_moment *m, ebb_error *error)
{
    const checkpoint_state *state = c->state;

    return state->batches.every == 0 ? save(c, m, false, error) : EBB_OK;
}

const callback_def callback_def_model_checkpoint = {
    .entry = {"ModelCheckpoint", NULL, sizeof(checkpoint), fields, check},
    .state_bytes = sizeof(checkpoint_state),
    .open = begin,
    .at = {[EBB_BATCH_END] = batch_end, [EBB_EPOCH_END] = epoch_end}};
