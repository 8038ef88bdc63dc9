/* event_file.h -- event files of TensorBoard: records of one Event each, framed as TFRecords.
 *
 *     length u64 | masked crc32c(length) | Event (protobuf) | masked crc32c(Event)
 *
 * The first event tells the version; others hold one scalar each, as tf.summary.scalar writes it.
 * Source: tensorflow/core/lib/io/record_writer.h, core/util/event.proto, framework/summary.proto.
 */
#ifndef EBB_TRAIN_CALLBACK_EVENT_FILE_H
#define EBB_TRAIN_CALLBACK_EVENT_FILE_H

#include "train/callback/log_file.h"

typedef struct event_file {
    log_file file;
    char path[LOG_PATH_BYTES];
} event_file;

/* Makes the folder and a new file in it. */
ebb_status event_file_open(ledger *l, const char *folder, event_file *f, ebb_error *error);
ebb_status event_file_scalar(event_file *f, const char *tag, uint64_t step, double value,
                             ebb_error *error);
/* A no-op when it is not open. */
void event_file_close(event_file *f);
static inline bool event_file_is_open(const event_file *f)
{
    return f->file.ledger != NULL;
}

#endif
