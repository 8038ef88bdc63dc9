/* event_file.c -- see event_file.h. */
#include "train/callback/event_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/status.h"

#define MESSAGE_BYTES 1024
#define TAG_BYTES_MAX 512
#define FILES_MAX     1000

/* -- checksums --------------------------------------------------------------------------------- */

static uint32_t masked_crc(const uint8_t *bytes, size_t length)
{
    return crc32c_masked(crc32c_extend(0, bytes, length));
}

/* -- messages ---------------------------------------------------------------------------------- */

typedef enum wire_type { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES } wire_type;

typedef struct message {
    uint8_t bytes[MESSAGE_BYTES];
    size_t length;
} message;

static void put_little(message *m, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes && m->length < MESSAGE_BYTES; i++)
        m->bytes[m->length++] = (uint8_t)(number >> 8 * i);
}

static void put_varint(message *m, uint64_t number)
{
    while (number >= 0x80) {
        put_little(m, number | 0x80, 1);
        number >>= 7;
    }
    put_little(m, number, 1);
}

static void put_tag(message *m, uint32_t field, wire_type type)
{
    put_varint(m, (uint64_t)field << 3 | type);
}

static void put_bytes(message *m, uint32_t field, const void *bytes, size_t length)
{
    put_tag(m, field, WIRE_BYTES);
    put_varint(m, length);
    if (length > MESSAGE_BYTES - m->length) length = MESSAGE_BYTES - m->length;
    memcpy(m->bytes + m->length, bytes, length);
    m->length += length;
}

static void put_number(message *m, uint32_t field, uint64_t number)
{
    put_tag(m, field, WIRE_VARINT);
    put_varint(m, number);
}

static void put_message(message *m, uint32_t field, const message *inner)
{
    put_bytes(m, field, inner->bytes, inner->length);
}

static void put_wall_time(message *event)
{
    struct timespec now = {0};
    double seconds;
    uint64_t bits;

    clock_gettime(CLOCK_REALTIME, &now);
    seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    memcpy(&bits, &seconds, sizeof bits);
    put_tag(event, 1, WIRE_FIXED64);
    put_little(event, bits, sizeof bits);
}

/* -- records ----------------------------------------------------------------------------------- */

static ebb_status record_put(event_file *f, const message *event, ebb_error *error)
{
    uint8_t record[MESSAGE_BYTES + 16];
    message head = {.length = 0}, tail = {.length = 0};

    put_little(&head, event->length, 8);
    put_little(&head, masked_crc(head.bytes, 8), 4);
    put_little(&tail, masked_crc(event->bytes, event->length), 4);
    memcpy(record, head.bytes, 12);
    memcpy(record + 12, event->bytes, event->length);
    memcpy(record + 12 + event->length, tail.bytes, 4);
    return log_file_put(&f->file, record, event->length + 16, error);
}

static ebb_status file_make(ledger *l, const char *folder, event_file *f, ebb_error *error)
{
    char host[128] = "", name[256];
    ebb_status status = EBB_E_STATE;

    if (gethostname(host, sizeof host - 1) != 0 || strchr(host, '/') != NULL)
        snprintf(host, sizeof host, "localhost");
    for (int i = 0; i < FILES_MAX && status == EBB_E_STATE; i++) {
        snprintf(name, sizeof name, "events.out.tfevents.%010lld.%s.%d.%d.v2",
                 (long long)time(NULL), host, (int)getpid(), i);
        status = folder_path(folder, name, f->path, error);
        if (status == EBB_OK) status = log_file_open(l, f->path, LOG_FILE_NEW, &f->file, error);
    }
    return status;
}

ebb_status event_file_open(ledger *l, const char *folder, event_file *f, ebb_error *error)
{
    static const char version[] = "brain.Event:2";
    message event = {.length = 0};
    ebb_status status = folder_make(folder, error);

    if (status == EBB_OK) status = file_make(l, folder, f, error);
    if (status != EBB_OK) return status;
    put_wall_time(&event);
    put_bytes(&event, 3, version, sizeof version - 1);
    return record_put(f, &event, error);
}

ebb_status event_file_scalar(event_file *f, const char *tag, uint64_t step, double value,
                             ebb_error *error)
{
    enum { DT_FLOAT = 1, DATA_CLASS_SCALAR = 1 };
    static const char plugin[] = "scalars";
    const size_t tag_bytes = strlen(tag);
    message event = {.length = 0}, summary = event, item = event, metadata = event, tensor = event;
    message data = event;
    const float number = (float)value;
    uint32_t bits;

    if (tag_bytes > TAG_BYTES_MAX)
        return fail(error, EBB_E_UNSUPPORTED, f->path, "the name '%.60s...' is too long", tag);
    memcpy(&bits, &number, sizeof bits);
    put_bytes(&data, 1, plugin, sizeof plugin - 1);
    put_message(&metadata, 1, &data);
    put_number(&metadata, 4, DATA_CLASS_SCALAR);
    put_number(&tensor, 1, DT_FLOAT);
    put_bytes(&tensor, 2, "", 0);
    put_tag(&tensor, 4, WIRE_BYTES);
    put_varint(&tensor, sizeof bits);
    put_little(&tensor, bits, sizeof bits);
    put_bytes(&item, 1, tag, tag_bytes);
    put_message(&item, 8, &tensor);
    put_message(&item, 9, &metadata);
    put_message(&summary, 1, &item);
    put_wall_time(&event);
    put_number(&event, 2, step);
    put_message(&event, 5, &summary);
    return record_put(f, &event, error);
}

void event_file_close(event_file *f)
{
    log_file_close(&f->file);
}
