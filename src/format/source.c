/* source.c -- files, ranges and memory behind one bounded read_at().
 *
 * Invariants: offset + bytes of a range never leaves its parent; a descriptor that is open is
 * counted in the ledger exactly once. Reading is pread() into the caller's memory: no buffer, no
 * file position. */
#include "format/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/size.h"
#include "base/status.h"

struct source {
    source *parent;        /* of a range, else NULL */
    const uint8_t *memory; /* of bytes in memory, else NULL */
    int descriptor;        /* of a file that is open, else -1 */
    uint64_t offset;       /* of a range in its parent */
    uint64_t bytes;
    ledger *counted_in;
    dev_t device;
    ino_t inode;
    struct timespec modified;
    char name[]; /* of a file: its path */
};

/* "model.h5 @ 0x1c40"; of a long path the end, which tells more. */
static const char *where_text(const source *s, uint64_t offset, char text[160])
{
    const size_t length = strlen(s->name), shown_max = 120;

    snprintf(text, 160, "%s%s @ 0x%" PRIx64, length > shown_max ? "..." : "",
             length > shown_max ? s->name + length - shown_max : s->name, offset);
    return text;
}

static ebb_status fail_system(ebb_error *error, ebb_status status, const char *where,
                              const char *what, int number)
{
    char text[128];

    if (strerror_r(number, text, sizeof text) != 0) snprintf(text, sizeof text, "error %d", number);
    return fail(error, status, where, "%s failed: %s", what, text);
}

static source *source_make(region *home, const char *name, ebb_error *error)
{
    const size_t length = strlen(name);
    source *s = region_alloc(home, 1, sizeof *s + length + 1);

    if (s == NULL) {
        region_fail(home, error, name, "a file");
        return NULL;
    }
    memcpy(s->name, name, length + 1);
    s->descriptor = -1;
    return s;
}

/* Opening a FIFO or a device can block or act, so the kind is looked at before and after. */
static ebb_status file_open(const char *path, int *descriptor, struct stat *seen, ebb_error *error)
{
    if (stat(path, seen) != 0) {
        const ebb_status status = errno == ENOENT || errno == ENOTDIR ? EBB_E_NOT_FOUND : EBB_E_IO;

        return fail_system(error, status, path, "opening", errno);
    }
    if (!S_ISREG(seen->st_mode)) {
        return fail(error, EBB_E_FORMAT, path, "expected a regular file, found %s",
                    S_ISDIR(seen->st_mode) ? "a directory" : "a device, pipe or socket");
    }
    *descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*descriptor < 0) {
        return fail_system(error, errno == ENOENT ? EBB_E_NOT_FOUND : EBB_E_IO, path, "opening",
                           errno);
    }
    if (fstat(*descriptor, seen) != 0 || !S_ISREG(seen->st_mode) || seen->st_size < 0) {
        close(*descriptor);
        return fail(error, EBB_E_IO, path, "the file was replaced while it was opened; try again");
    }
    return EBB_OK;
}

ebb_status source_open(region *home, const char *path, source **result, ebb_error *error)
{
    struct stat seen;
    int descriptor = -1;

    if (path == NULL) return fail(error, EBB_E_ARGUMENT, "source_open", "path is NULL");
    const ebb_status status = file_open(path, &descriptor, &seen, error);
    if (status != EBB_OK) return status;

    source *s = source_make(home, path, error);
    if (s == NULL) {
        close(descriptor);
        return EBB_E_MEMORY;
    }
    s->descriptor = descriptor;
    s->bytes = (uint64_t)seen.st_size;
    s->device = seen.st_dev;
    s->inode = seen.st_ino;
    s->modified = seen.st_mtim;
    s->counted_in = region_ledger(home);
    ledger_descriptor_opened(s->counted_in);
    *result = s;
    return EBB_OK;
}

ebb_status source_memory(region *home, const void *bytes, uint64_t length, const char *name,
                         source **result, ebb_error *error)
{
    static const uint8_t nothing;
    source *s = source_make(home, name, error);

    if (s == NULL) return EBB_E_MEMORY;
    s->memory = bytes != NULL ? bytes : &nothing;
    s->bytes = bytes != NULL ? length : 0;
    *result = s;
    return EBB_OK;
}

ebb_status source_range(region *home, source *parent, uint64_t offset, uint64_t length,
                        const char *name, source **result, ebb_error *error)
{
    uint64_t end;
    char where[160];

    if (!u64_add(offset, length, &end) || end > parent->bytes) {
        return fail(error, EBB_E_FORMAT, where_text(parent, offset, where),
                    "%s is said to be %" PRIu64 " bytes long here, but the file ends at %" PRIu64,
                    name, length, parent->bytes);
    }
    source *s = source_make(home, name, error);
    if (s == NULL) return EBB_E_MEMORY;
    s->parent = parent;
    s->offset = offset;
    s->bytes = length;
    *result = s;
    return EBB_OK;
}

void source_close(source *s)
{
    if (s == NULL || s->descriptor < 0) return;
    close(s->descriptor);
    s->descriptor = -1;
    ledger_descriptor_closed(s->counted_in);
}

uint64_t source_bytes(const source *s)
{
    return s->bytes;
}

const char *source_name(const source *s)
{
    return s->name;
}

static ebb_status file_read(source *s, uint64_t offset, uint8_t *bytes, size_t length,
                            ebb_error *error)
{
    char where[160];

    if (s->descriptor < 0) {
        return fail(error, EBB_E_STATE, where_text(s, offset, where),
                    "the file was closed already");
    }
    while (length > 0) {
        const ssize_t got = pread(s->descriptor, bytes, length, (off_t)offset);

        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            return fail_system(error, EBB_E_IO, where_text(s, offset, where), "reading", errno);
        }
        if (got == 0) {
            return fail(error, EBB_E_IO, where_text(s, offset, where),
                        "the file shrank while it was read (it had %" PRIu64 " bytes)", s->bytes);
        }
        bytes += got;
        length -= (size_t)got;
        offset += (uint64_t)got;
    }
    return EBB_OK;
}

ebb_status source_read(source *s, uint64_t offset, void *bytes, size_t length, ebb_error *error)
{
    uint64_t end;
    char where[160];

    if (!u64_add(offset, length, &end) || end > s->bytes) {
        return fail(error, EBB_E_FORMAT, where_text(s, offset, where),
                    "%zu bytes are expected here, but the file ends at %" PRIu64
                    "; it is cut short or damaged",
                    length, s->bytes);
    }
    for (; s->parent != NULL; s = s->parent) offset += s->offset;
    if (s->memory != NULL) {
        if (length > 0) memcpy(bytes, s->memory + offset, length);
        return EBB_OK;
    }
    return file_read(s, offset, bytes, length, error);
}

ebb_status source_unchanged(source *s, ebb_error *error)
{
    struct stat now, named;

    while (s->parent != NULL) s = s->parent;
    if (s->memory != NULL) return EBB_OK;
    if (s->descriptor < 0) return fail(error, EBB_E_STATE, s->name, "the file was closed already");
    if (fstat(s->descriptor, &now) != 0) {
        return fail_system(error, EBB_E_IO, s->name, "looking at the file", errno);
    }
    if ((uint64_t)now.st_size != s->bytes || now.st_mtim.tv_sec != s->modified.tv_sec ||
        now.st_mtim.tv_nsec != s->modified.tv_nsec) {
        return fail(error, EBB_E_IO, s->name,
                    "the file changed while it was read (%" PRIu64 " bytes before, %" PRIu64
                    " now); load it again",
                    s->bytes, (uint64_t)now.st_size);
    }
    /* A name that is gone is no harm: the descriptor still holds what was opened. */
    if (stat(s->name, &named) == 0 && (named.st_dev != s->device || named.st_ino != s->inode)) {
        return fail(error, EBB_E_IO, s->name,
                    "the file was replaced while it was read; load it again");
    }
    return EBB_OK;
}

source_identity source_identify(const source *s)
{
    while (s->parent != NULL) s = s->parent;
    return (source_identity){.bytes = s->bytes,
                             .device = (uint64_t)s->device,
                             .inode = (uint64_t)s->inode,
                             .modified_s = s->modified.tv_sec,
                             .modified_ns = s->modified.tv_nsec};
}

bool source_is_same(const source_identity *a, const source_identity *b)
{
    return a->bytes == b->bytes && a->device == b->device && a->inode == b->inode &&
           a->modified_s == b->modified_s && a->modified_ns == b->modified_ns;
}
