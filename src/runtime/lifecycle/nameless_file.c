/* nameless_file.c -- see nameless_file.h. Where a folder's file system cannot make files without a
 * name, one is made and loses its name at once. */
#define _GNU_SOURCE
#include "runtime/lifecycle/nameless_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

#define PIECE_BYTES ((uint64_t)1 << 30) /* most that one call writes or reads */

static const char where[] = "suspended model";

static int open_in(const char *folder)
{
    char path[PATH_MAX];
    const int made = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (made >= 0) return made;
    const int length = snprintf(path, sizeof path, "%s/ebb-suspended-XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof path) return -1;
    const int named = mkostemp(path, O_CLOEXEC);
    if (named >= 0) unlink(path);
    return named;
}

ebb_status nameless_file_open(ledger *l, const char *folder, nameless_file *f, ebb_error *error)
{
    const char *given = folder != NULL ? folder : getenv("TMPDIR");
    const char *name = given != NULL && given[0] != '\0' ? given : "/tmp";

    *f = (nameless_file){.descriptor = open_in(name)};
    if (f->descriptor < 0) {
        return fail(error, errno == ENOENT || errno == ENOTDIR ? EBB_E_NOT_FOUND : EBB_E_IO, name,
                    "a temporary file cannot be made there: %s", strerror(errno));
    }
    f->ledger = l;
    ledger_descriptor_opened(l);
    return EBB_OK;
}

ebb_status nameless_file_put(nameless_file *f, const void *bytes, uint64_t length, ebb_error *error)
{
    const uint8_t *from = bytes;

    while (length > 0) {
        const size_t piece = (size_t)(length < PIECE_BYTES ? length : PIECE_BYTES);
        const ssize_t done = pwrite(f->descriptor, from, piece, (off_t)f->bytes);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            return fail(error, EBB_E_IO, where, "writing its temporary file: %s",
                        strerror(done < 0 ? errno : ENOSPC));
        }
        from += done;
        length -= (uint64_t)done;
        f->bytes += (uint64_t)done;
    }
    return EBB_OK;
}

ebb_status nameless_file_get(const nameless_file *f, uint64_t offset, void *bytes, uint64_t length,
                             ebb_error *error)
{
    uint8_t *to = bytes;

    while (length > 0) {
        const size_t piece = (size_t)(length < PIECE_BYTES ? length : PIECE_BYTES);
        const ssize_t done = pread(f->descriptor, to, piece, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            return fail(error, EBB_E_IO, where, "reading its temporary file: %s",
                        done < 0 ? strerror(errno) : "it is shorter than it was");
        }
        to += done;
        length -= (uint64_t)done;
        offset += (uint64_t)done;
    }
    return EBB_OK;
}

void nameless_file_close(nameless_file *f)
{
    if (f->ledger == NULL) return;
    close(f->descriptor);
    ledger_descriptor_closed(f->ledger);
    f->ledger = NULL;
}
