/* tensor_board.c -- TensorBoard: the logs as event files in <log_dir>/train and
 * <log_dir>/validation: epoch_<name>, evaluation_<name>_vs_iterations, and with update_freq a
 * number or "batch" also batch_<name>. Scalars only: no graph, no histograms, no profile. Source:
 * keras/src/callbacks/tensorboard.py. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "train/callback/callback.h"
#include "train/callback/event_file.h"

#define TAG_BYTES 600

typedef struct board {
    const char *log_dir;
    const json *update_freq, *profile_batch, *embeddings_metadata;
    int64_t histogram_freq, embeddings_freq;
    bool write_graph, write_images, write_steps_per_second;
} board;

static const layer_field fields[] = {
    {"log_dir", FIELD_TEXT, offsetof(board, log_dir), false, 0, "logs"},
    TRAIN_FIELD(board, histogram_freq, FIELD_I64, 0),
    TRAIN_FIELD(board, write_graph, FIELD_BOOL, 1),
    TRAIN_FIELD(board, write_images, FIELD_BOOL, 0),
    TRAIN_FIELD(board, write_steps_per_second, FIELD_BOOL, 0),
    TRAIN_FIELD(board, update_freq, FIELD_JSON, 0),
    TRAIN_FIELD(board, profile_batch, FIELD_JSON, 0),
    TRAIN_FIELD(board, embeddings_freq, FIELD_I64, 0),
    TRAIN_FIELD(board, embeddings_metadata, FIELD_JSON, 0),
    TRAIN_FIELD_END,
};

typedef enum writer_kind { WRITER_TRAIN, WRITER_VALIDATION, WRITER_COUNT } writer_kind;

typedef struct board_state {
    event_file writers[WRITER_COUNT];
    uint64_t every;         /* batches; 0: epochs only */
    uint64_t batches;       /* of this fit */
    uint64_t epoch_batches; /* at the beginning of the epoch */
    uint64_t epoch_time_ns, batch_time_ns;
} board_state;

static ebb_status check(const void *config, const char *where, ebb_error *error)
{
    const board *b = config;
    const bool profiles = b->profile_batch != NULL && json_integer(b->profile_batch, 1) != 0;
    const char *what = b->histogram_freq != 0    ? "histogram_freq"
                       : b->embeddings_freq != 0 ? "embeddings_freq"
                       : profiles                ? "profile_batch"
                                                 : NULL;

    if (what == NULL) return EBB_OK;
    return fail(error, EBB_E_UNSUPPORTED, where, "%s: only scalars are written; leave it 0", what);
}

static ebb_status begin(callback *c, engine *e, ebb_error *error)
{
    const board *b = c->config;
    board_state *state = c->state;

    (void)e;
    if (json_is_text(b->update_freq, "batch")) {
        state->every = 1;
        return EBB_OK;
    }
    return callback_frequency(c, "update_freq", b->update_freq, &state->every, error);
}

static ebb_status writer_find(callback *c, writer_kind kind, event_file **writer, ebb_error *error)
{
    static const char *const names[] = {"train", "validation"};
    const board *b = c->config;
    board_state *state = c->state;
    char folder[LOG_PATH_BYTES];

    *writer = &state->writers[kind];
    if (event_file_is_open(*writer)) return EBB_OK;
    ebb_status status = folder_path(b->log_dir, names[kind], folder, error);
    if (status == EBB_OK) status = event_file_open(region_ledger(c->home), folder, *writer, error);
    if (status != EBB_OK) fail_within(error, c->where);
    return status;
}

static ebb_status scalar(callback *c, writer_kind kind, const char *before, const char *name,
                         const char *after, uint64_t step, double value, ebb_error *error)
{
    event_file *writer;
    char tag[TAG_BYTES];
    const ebb_status status = writer_find(c, kind, &writer, error);

    if (status != EBB_OK) return status;
    snprintf(tag, sizeof tag, "%s%s%s", before, name, after);
    return event_file_scalar(writer, tag, step, value, error);
}

static double per_second(uint64_t count, uint64_t since_ns)
{
    const uint64_t passed = clock_ns() - since_ns;

    return (double)count * 1e9 / (double)(passed > 0 ? passed : 1);
}

static ebb_status train_begin(callback *c, fit_moment *m, ebb_error *error)
{
    event_file *writer;

    (void)m;
    return writer_find(c, WRITER_TRAIN, &writer, error);
}

static ebb_status epoch_begin(callback *c, fit_moment *m, ebb_error *error)
{
    board_state *state = c->state;

    (void)m;
    (void)error;
    state->epoch_batches = state->batches;
    state->epoch_time_ns = clock_ns();
    return EBB_OK;
}

static ebb_status batch_begin(callback *c, fit_moment *m, ebb_error *error)
{
    board_state *state = c->state;

    (void)m;
    (void)error;
    state->batches++;
    state->batch_time_ns = clock_ns();
    return EBB_OK;
}

static ebb_status batch_end(callback *c, fit_moment *m, ebb_error *error)
{
    const board *b = c->config;
    const board_state *state = c->state;
    ebb_status status = EBB_OK;

    if (state->every == 0 || state->batches % state->every != 0) return EBB_OK;
    if (b->write_steps_per_second)
        status = scalar(c, WRITER_TRAIN, "batch_", "steps_per_second", "", state->batches,
                        per_second(1, state->batch_time_ns), error);
    for (uint32_t i = 0; i < m->logs->count && status == EBB_OK; i++) {
        status = scalar(c, WRITER_TRAIN, "batch_", m->logs->items[i].name, "", state->batches,
                        m->logs->items[i].value, error);
    }
    return status;
}

static ebb_status epoch_end(callback *c, fit_moment *m, ebb_error *error)
{
    const board *b = c->config;
    const board_state *state = c->state;
    double rate = 0;
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < m->logs->count && status == EBB_OK; i++) {
        const ebb_log_value *v = &m->logs->items[i];
        const bool is_validation = strncmp(v->name, "val_", 4) == 0;

        if (strcmp(v->name, "learning_rate") == 0) continue;
        status = scalar(c, is_validation ? WRITER_VALIDATION : WRITER_TRAIN, "epoch_",
                        v->name + (is_validation ? 4 : 0), "", m->epoch, v->value, error);
    }
    if (status == EBB_OK && m->engine->def->learning_rate(m->engine, &rate, NULL) == EBB_OK)
        status = scalar(c, WRITER_TRAIN, "epoch_", "learning_rate", "", m->epoch, rate, error);
    if (status == EBB_OK && b->write_steps_per_second) {
        status =
            scalar(c, WRITER_TRAIN, "epoch_", "steps_per_second", "", m->epoch,
                   per_second(state->batches - state->epoch_batches, state->epoch_time_ns), error);
    }
    return status;
}

static ebb_status test_end(callback *c, fit_moment *m, ebb_error *error)
{
    const board_state *state = c->state;
    const engine *e = m->engine;
    const uint64_t step = e->def->iterations != NULL ? e->def->iterations(e) : state->batches;
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < m->logs->count && status == EBB_OK; i++) {
        status = scalar(c, WRITER_VALIDATION, "evaluation_", m->logs->items[i].name,
                        "_vs_iterations", step, m->logs->items[i].value, error);
    }
    return status;
}

static void close_board(callback *c, engine *e)
{
    board_state *state = c->state;

    (void)e;
    for (uint32_t i = 0; i < WRITER_COUNT; i++) event_file_close(&state->writers[i]);
}

const callback_def callback_def_tensor_board = {
    .entry = {"TensorBoard", NULL, sizeof(board), fields, check},
    .state_bytes = sizeof(board_state),
    .open = begin,
    .at = {[EBB_TRAIN_BEGIN] = train_begin,
           [EBB_EPOCH_BEGIN] = epoch_begin,
           [EBB_EPOCH_END] = epoch_end,
           [EBB_BATCH_BEGIN] = batch_begin,
           [EBB_BATCH_END] = batch_end,
           [EBB_TEST_END] = test_end},
    .close = close_board};
