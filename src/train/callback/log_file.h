/* log_file.h -- a file that a callback writes to while training runs, and folders for files.
 *
 * What was put is with the system before the call returns. The descriptor is counted. */
#ifndef EBB_TRAIN_CALLBACK_LOG_FILE_H
#define EBB_TRAIN_CALLBACK_LOG_FILE_H

#include "mem/region.h"

#define LOG_PATH_BYTES 4096

typedef enum log_file_mode {
    LOG_FILE_TRUNCATE,
    LOG_FILE_APPEND,
    LOG_FILE_NEW /* E_STATE where a file of the name is */
} log_file_mode;

typedef struct log_file {
    ledger *ledger;
    int descriptor; /* open only with a ledger */
    const char *path;
} log_file;

/* `path` is borrowed. E_IO, E_ARGUMENT (no regular file). */
ebb_status log_file_open(ledger *l, const char *path, log_file_mode mode, log_file *f,
                         ebb_error *error);
ebb_status log_file_put(log_file *f, const void *bytes, size_t length, ebb_error *error);
/* A no-op for a zeroed or closed one. */
void log_file_close(log_file *f);

/* Makes a folder and those above it; there may be some already. */
ebb_status folder_make(const char *path, ebb_error *error);
/* The same for the folder of a file. */
ebb_status folder_make_for(const char *file_path, ebb_error *error);
/* "<folder>/<name>" into text[LOG_PATH_BYTES]. */
ebb_status folder_path(const char *folder, const char *name, char *text, ebb_error *error);

#endif
