/* backup_and_restore.c -- BackupAndRestore: a run that was cut off goes on where it was.
 *
 *     <backup_dir>/training_metadata.json   {"epoch", "batch", "steps", "weights"}
 *     <backup_dir>/latest.weights.h5        weights and state of the optimizer; or
 *     <backup_dir>/other.weights.h5
 *
 * The weights are saved under the name that the metadata do not mention, then the metadata are
 * replaced: whenever the process dies, the metadata name a whole file that belongs to them.
 * `steps` of epoch `epoch` are done; `batch` is the number of the last one, for Keras. With
 * double_checkpoint the metadata before (.bkp) and their weights stay, and are used when the newest
 * cannot be read. Source: keras/src/callbacks/backup_and_restore.py, which goes on with the whole
 * epoch only. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <dirent.h>

#include "base/status.h"
#include "format/file_writer.h"
#include "format/source.h"
#include "train/callback/callback.h"
#include "train/callback/log_file.h"

#define METADATA           "training_metadata.json"
#define METADATA_BEFORE    METADATA ".bkp"
#define METADATA_BYTES_MAX 4096

static const char *const weights_names[] = {"latest.weights.h5", "other.weights.h5"};

typedef struct backup {
    const char *backup_dir;
    const json *save_freq;
    bool double_checkpoint, delete_checkpoint;
} backup;

static const layer_field fields[] = {
    TRAIN_FIELD_REQUIRED(backup, backup_dir, FIELD_TEXT),
    TRAIN_FIELD(backup, save_freq, FIELD_JSON, 0),
    TRAIN_FIELD(backup, double_checkpoint, FIELD_BOOL, 0),
    TRAIN_FIELD(backup, delete_checkpoint, FIELD_BOOL, 1),
    TRAIN_FIELD_END,
};

typedef struct backup_state {
    batch_counter batches;
    uint32_t current; /* weights_names the metadata mention */
    bool has_saved;
} backup_state;

static ebb_status check(const void *config, const char *where, ebb_error *error)
{
    const backup *b = config;

    if (b->backup_dir[0] != '\0') return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, where, "backup_dir is empty");
}

static ebb_status begin(callback *c, engine *e, ebb_error *error)
{
    const backup *b = c->config;
    backup_state *state = c->state;

    (void)e;
    return callback_frequency(c, "save_freq", b->save_freq, &state->batches.every, error);
}

/* -- restoring --------------------------------------------------------------------------------- */

typedef struct metadata {
    uint32_t epoch, weights;
    uint64_t steps;
} metadata;

static ebb_status metadata_parse(region *work, source *file, metadata *result, ebb_error *error)
{
    char text[METADATA_BYTES_MAX];
    const char *const where = source_name(file);
    const uint64_t length = source_bytes(file);
    const json *object = NULL;

    if (length > sizeof text) return fail(error, EBB_E_FORMAT, where, "is too long");
    ebb_status status = source_read(file, 0, text, (size_t)length, error);
    if (status == EBB_OK) status = json_read(work, text, (size_t)length, where, &object, error);
    if (status != EBB_OK) return status;
    const int64_t epoch = json_integer(json_get(object, "epoch"), -1);
    const int64_t steps = json_integer(json_get(object, "steps"), -1);
    const char *weights = json_text(json_get(object, "weights"), "");
    for (uint32_t i = 0; i < 2; i++) {
        if (strcmp(weights, weights_names[i]) != 0 || epoch < 0 || epoch >= UINT32_MAX || steps < 0)
            continue;
        *result = (metadata){(uint32_t)epoch, i, (uint64_t)steps};
        return EBB_OK;
    }
    return fail(error, EBB_E_FORMAT, where,
                "expected epoch, steps and weights as a backup has them; remove the folder to "
                "begin anew");
}

static ebb_status metadata_read(callback *c, const char *name, metadata *result, ebb_error *error)
{
    const backup *b = c->config;
    char path[LOG_PATH_BYTES];
    source *file = NULL;
    ebb_status status = folder_path(b->backup_dir, name, path, error);
    region *work = region_open(c->home, "backup", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(c->home, error, c->where, "a backup");
    if (status == EBB_OK) status = source_open(work, path, &file, error);
    if (status == EBB_OK) status = metadata_parse(work, file, result, error);
    source_close(file);
    region_close(work);
    return status;
}

static ebb_status restore(callback *c, fit_moment *m, const char *name, ebb_error *error)
{
    const backup *b = c->config;
    backup_state *state = c->state;
    char path[LOG_PATH_BYTES];
    metadata found = {0};
    ebb_status status = metadata_read(c, name, &found, error);

    if (status == EBB_OK)
        status = folder_path(b->backup_dir, weights_names[found.weights], path, error);
    if (status == EBB_OK) {
        status = m->engine->def->restore(m->engine, path, error);
        /* only missing metadata mean that there is nothing to go on with */
        if (status == EBB_E_NOT_FOUND)
            status = fail(error, EBB_E_FORMAT, path, "the weights of the backup are missing");
    }
    if (status != EBB_OK) return status;
    state->current = found.weights;
    state->has_saved = true;
    m->resumes = true;
    m->resume_epoch = found.epoch;
    m->resume_steps = found.steps;
    log_line(m->engine->log, EBB_LOG_INFO, "going on with epoch %u after %" PRIu64 " steps",
             found.epoch + 1, found.steps);
    return EBB_OK;
}

static ebb_status train_begin(callback *c, fit_moment *m, ebb_error *error)
{
    const backup *b = c->config;
    ebb_status status = restore(c, m, METADATA, error);

    if (status != EBB_OK && status != EBB_E_MEMORY && b->double_checkpoint) {
        const ebb_status before = restore(c, m, METADATA_BEFORE, NULL);

        if (before != EBB_E_NOT_FOUND) status = before;
    }
    if (status == EBB_E_NOT_FOUND) {
        if (error != NULL) *error = (ebb_error){0};
        return EBB_OK;
    }
    if (status != EBB_OK) fail_within(error, c->where);
    return status;
}

/* -- saving ------------------------------------------------------------------------------------ */

static ebb_status metadata_write(callback *c, uint32_t epoch, uint64_t steps, uint32_t weights,
                                 ebb_error *error)
{
    const backup *b = c->config;
    char path[LOG_PATH_BYTES], text[256];
    file_writer w = {.descriptor = -1};
    ebb_status status = folder_path(b->backup_dir, METADATA, path, error);
    region *work = region_open(c->home, "backup", EBB_CLASS_SCRATCH, 0);
    const int length = snprintf(text, sizeof text,
                                "{\"epoch\": %" PRIu32 ", \"batch\": %" PRIu64
                                ", \"steps\": %" PRIu64 ", \"weights\": \"%s\"}",
                                epoch, steps > 0 ? steps - 1 : 0, steps, weights_names[weights]);

    if (work == NULL) return region_fail(c->home, error, c->where, "a backup");
    if (status == EBB_OK) status = file_writer_open(work, path, &w, error);
    if (status == EBB_OK) {
        status = file_writer_put(&w, text, (uint64_t)length, error);
        if (status == EBB_OK)
            status = file_writer_commit(&w, error);
        else
            file_writer_discard(&w);
    }
    region_close(work);
    return status;
}

/* Names that are not there are no fault. */
static ebb_status move(const callback *c, const char *from, const char *to, ebb_error *error)
{
    const backup *b = c->config;
    char old[LOG_PATH_BYTES], new[LOG_PATH_BYTES];
    ebb_status status = folder_path(b->backup_dir, from, old, error);

    if (status == EBB_OK && to != NULL) status = folder_path(b->backup_dir, to, new, error);
    if (status != EBB_OK) return status;
    if ((to != NULL ? rename(old, new) : unlink(old)) == 0 || errno == ENOENT) return EBB_OK;
    return fail(error, EBB_E_IO, old, "%s failed: %s", to != NULL ? "renaming" : "removing",
                strerror(errno));
}

/* A copy, so that there are metadata at every moment. */
static ebb_status metadata_keep(const callback *c, ebb_error *error)
{
    const backup *b = c->config;
    char from[LOG_PATH_BYTES], to[LOG_PATH_BYTES];
    ebb_status status = move(c, METADATA_BEFORE, NULL, error);

    if (status == EBB_OK) status = folder_path(b->backup_dir, METADATA, from, error);
    if (status == EBB_OK) status = folder_path(b->backup_dir, METADATA_BEFORE, to, error);
    if (status != EBB_OK || link(from, to) == 0 || errno == ENOENT) return status;
    return fail(error, EBB_E_IO, to, "linking failed: %s", strerror(errno));
}

static ebb_status save(callback *c, const fit_moment *m, uint32_t epoch, uint64_t steps,
                       ebb_error *error)
{
    const backup *b = c->config;
    backup_state *state = c->state;
    const uint32_t next = state->has_saved ? state->current ^ 1 : 0;
    char path[LOG_PATH_BYTES];
    ebb_status status = folder_make(b->backup_dir, error);

    if (status == EBB_OK) status = folder_path(b->backup_dir, weights_names[next], path, error);
    /* these weights are about to be replaced, so nothing may name them */
    if (status == EBB_OK && b->double_checkpoint) status = metadata_keep(c, error);
    if (status == EBB_OK) status = m->engine->def->save(m->engine, path, true, error);
    if (status == EBB_OK) status = metadata_write(c, epoch, steps, next, error);
    if (status == EBB_OK && state->has_saved && !b->double_checkpoint)
        status = move(c, weights_names[state->current], NULL, error);
    if (status != EBB_OK) {
        fail_within(error, c->where);
        return status;
    }
    state->current = next;
    state->has_saved = true;
    return EBB_OK;
}

static ebb_status batch_end(callback *c, fit_moment *m, ebb_error *error)
{
    backup_state *state = c->state;

    return batch_counter_is_due(&state->batches) ? save(c, m, m->epoch, m->step + 1, error)
                                                 : EBB_OK;
}

static ebb_status epoch_end(callback *c, fit_moment *m, ebb_error *error)
{
    const backup_state *state = c->state;

    return state->batches.every == 0 ? save(c, m, m->epoch + 1, 0, error) : EBB_OK;
}

/* -- the end ----------------------------------------------------------------------------------- */

/* Half-written files of a process that died. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {METADATA, "latest.weights.h5", "other.weights.h5"};

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        const size_t length = strlen(ours[i]);

        if (strncmp(name, ours[i], length) == 0 && strncmp(name + length, ".part-", 6) == 0)
            return true;
    }
    return false;
}

static void remove_parts(const callback *c)
{
    const backup *b = c->config;
    DIR *folder = opendir(b->backup_dir);

    if (folder == NULL) return;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (is_ours(entry->d_name)) (void)move(c, entry->d_name, NULL, NULL);
    }
    closedir(folder);
}

/* Removes what it made, the metadata first, and the folder if nothing else is in it. */
static ebb_status train_end(callback *c, fit_moment *m, ebb_error *error)
{
    static const char *const made[] = {METADATA_BEFORE, METADATA, "latest.weights.h5",
                                       "other.weights.h5"};
    const backup *b = c->config;
    ebb_status status = EBB_OK;

    (void)m;
    if (!b->delete_checkpoint) return EBB_OK;
    for (size_t i = 0; i < sizeof made / sizeof made[0] && status == EBB_OK; i++)
        status = move(c, made[i], NULL, error);
    remove_parts(c);
    if (status == EBB_OK) (void)rmdir(b->backup_dir);
    return status;
}

const callback_def callback_def_backup_and_restore = {
    .entry = {"BackupAndRestore", NULL, sizeof(backup), fields, check},
    .state_bytes = sizeof(backup_state),
    .open = begin,
    .at = {[EBB_TRAIN_BEGIN] = train_begin,
           [EBB_BATCH_END] = batch_end,
           [EBB_EPOCH_END] = epoch_end,
           [EBB_TRAIN_END] = train_end}};
