/* csv_logger.c -- CSVLogger: the logs of every epoch as a line, byte for byte as Python's csv
 * module writes them (dialect "excel": lines end in CR LF). Source:
 * keras/src/callbacks/csv_logger.py. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/source.h"
#include "train/callback/callback.h"
#include "train/callback/log_file.h"
#include "train/callback/number_text.h"

typedef struct csv_logging {
    const char *filename, *separator;
    bool append;
} csv_logging;

static const layer_field fields[] = {
    TRAIN_FIELD_REQUIRED(csv_logging, filename, FIELD_TEXT),
    {"separator", FIELD_TEXT, offsetof(csv_logging, separator), false, 0, ","},
    TRAIN_FIELD(csv_logging, append, FIELD_BOOL, 0),
    TRAIN_FIELD_END,
};

typedef struct csv_logging_state {
    log_file file;
    bool has_header; /* in the file that is appended to */
    bool has_keys;
    uint32_t key_count;
    const char **keys; /* those of the first epoch */
} csv_logging_state;

static ebb_status check(const void *config, const char *where, ebb_error *error)
{
    const csv_logging *l = config;

    if (strlen(l->separator) == 1 && strchr("\"\r\n", l->separator[0]) == NULL) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, where, "separator: expected one character, got '%.20s'",
                l->separator);
}

/* Does the file have a first line? One that is missing has none. */
static ebb_status header_seen(callback *c, const char *path, bool *is_seen, ebb_error *error)
{
    region *work = region_open(c->home, "log", EBB_CLASS_SCRATCH, 0);
    source *file = NULL;

    if (work == NULL) return region_fail(c->home, error, c->where, "a log");
    const ebb_status status = source_open(work, path, &file, error);
    *is_seen = status == EBB_OK && source_bytes(file) > 0;
    source_close(file);
    region_close(work);
    return status == EBB_E_NOT_FOUND ? EBB_OK : status;
}

static ebb_status train_begin(callback *c, fit_moment *m, ebb_error *error)
{
    const csv_logging *l = c->config;
    csv_logging_state *state = c->state;

    ebb_status status = EBB_OK;

    (void)m;
    if (l->append) status = header_seen(c, l->filename, &state->has_header, error);
    if (status == EBB_OK)
        status =
            log_file_open(region_ledger(c->home), l->filename,
                          l->append ? LOG_FILE_APPEND : LOG_FILE_TRUNCATE, &state->file, error);
    if (status != EBB_OK) fail_within(error, c->where);
    return status;
}

static ebb_status keys_take(callback *c, const fit_logs *logs, ebb_error *error)
{
    csv_logging_state *state = c->state;
    const uint32_t count = logs->count;
    bool has_validation = false;

    state->keys = region_new(c->home, const char *, 2 * count + 1);
    if (state->keys == NULL) return region_fail(c->home, error, c->where, "names");
    for (uint32_t i = 0; i < count; i++) {
        const char *name = region_text(c->home, logs->items[i].name);
        uint32_t k = i;

        if (name == NULL) return region_fail(c->home, error, c->where, "names");
        has_validation |= strncmp(name, "val_", 4) == 0;
        for (; k > 0 && strcmp(state->keys[k - 1], name) > 0; k--)
            state->keys[k] = state->keys[k - 1];
        state->keys[k] = name;
    }
    state->key_count = count;
    for (uint32_t i = 0; i < count && !has_validation; i++) {
        const char *name = region_format(c->home, "val_%s", state->keys[i]);

        if (name == NULL) return region_fail(c->home, error, c->where, "names");
        state->keys[state->key_count++] = name;
    }
    state->has_keys = true;
    return EBB_OK;
}

static void field_put(text_writer *w, const char *text, char separator, bool is_first)
{
    const char special[] = {separator, '"', '\r', '\n', '\0'};

    if (!is_first) text_put_length(w, &separator, 1);
    if (strpbrk(text, special) == NULL) {
        text_put(w, text);
        return;
    }
    text_put(w, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"') text_put(w, "\"");
        text_put_length(w, text, 1);
    }
    text_put(w, "\"");
}

static void header_put(const callback *c, text_writer *w)
{
    const csv_logging *l = c->config;
    const csv_logging_state *state = c->state;

    field_put(w, "epoch", l->separator[0], true);
    for (uint32_t i = 0; i < state->key_count; i++)
        field_put(w, state->keys[i], l->separator[0], false);
    text_put(w, "\r\n");
}

static void row_put(const callback *c, const fit_moment *m, text_writer *w)
{
    const csv_logging *l = c->config;
    const csv_logging_state *state = c->state;
    char text[NUMBER_REPR_BYTES];

    snprintf(text, sizeof text, "%u", m->epoch);
    field_put(w, text, l->separator[0], true);
    for (uint32_t i = 0; i < state->key_count; i++) {
        const double *value = fit_logs_find(m->logs, state->keys[i]);

        if (value != NULL) number_repr(*value, text);
        field_put(w, value != NULL ? text : "NA", l->separator[0], false);
    }
    text_put(w, "\r\n");
}

static ebb_status epoch_end(callback *c, fit_moment *m, ebb_error *error)
{
    csv_logging_state *state = c->state;
    const bool is_first = !state->has_keys;
    region *work = region_open(c->home, "line", EBB_CLASS_SCRATCH, 0);
    text_writer w;
    ebb_status status = EBB_OK;

    if (work == NULL) return region_fail(c->home, error, c->where, "a line");
    text_begin(&w, work);
    if (is_first) status = keys_take(c, m->logs, error);
    if (status == EBB_OK && is_first && !state->has_header) header_put(c, &w);
    if (status == EBB_OK) row_put(c, m, &w);
    if (status == EBB_OK && w.failed) status = region_fail(work, error, c->where, "a line");
    if (status == EBB_OK) status = log_file_put(&state->file, w.text, w.length, error);
    region_close(work);
    return status;
}

static ebb_status train_end(callback *c, fit_moment *m, ebb_error *error)
{
    csv_logging_state *state = c->state;

    (void)m;
    (void)error;
    log_file_close(&state->file);
    return EBB_OK;
}

static void close_logging(callback *c, engine *e)
{
    csv_logging_state *state = c->state;

    (void)e;
    log_file_close(&state->file);
}

const callback_def callback_def_csv_logger = {
    .entry = {"CSVLogger", NULL, sizeof(csv_logging), fields, check},
    .state_bytes = sizeof(csv_logging_state),
    .at =
        {[EBB_TRAIN_BEGIN] = train_begin, [EBB_EPOCH_END] = epoch_end, [EBB_TRAIN_END] = train_end},
    .close = close_logging};
