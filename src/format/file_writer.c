/* file_writer.c -- see file_writer.h. */
#include "format/file_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

static ebb_status io_fault(const file_writer *w, const char *what, ebb_error *error)
{
    return fail(error, EBB_E_IO, w->path, "%s failed: %s", what, strerror(errno));
}

ebb_status file_writer_open(region *home, const char *path, file_writer *w, ebb_error *error)
{
    *w = (file_writer){.ledger = region_ledger(home), .descriptor = -1};
    w->path      = region_text(home, path);
    w->temporary = region_format(home, "%s.part-%d", path, (int)getpid());
    if (w->path == NULL || w->temporary == NULL) return region_fail(home, error, path, "a file name");
    w->descriptor = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (w->descriptor < 0) return io_fault(w, "creating the file", error);
    ledger_descriptor_opened(w->ledger);
    return EBB_OK;
}

ebb_status file_writer_put(file_writer *w, const void *bytes, uint64_t length, ebb_error *error)
{
    const uint8_t *at = bytes;

    while (length > 0) {
        const size_t  part    = length < ((uint64_t)1 << 30) ? (size_t)length : (size_t)1 << 30;
        const ssize_t written = write(w->descriptor, at, part);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return io_fault(w, "writing", error);
        at += written;
        length -= (uint64_t)written;
        w->bytes += (uint64_t)written;
    }
    return EBB_OK;
}

static void close_descriptor(file_writer *w)
{
    if (w->descriptor < 0) return;
    close(w->descriptor);
    w->descriptor = -1;
    ledger_descriptor_closed(w->ledger);
}

ebb_status file_writer_commit(file_writer *w, ebb_error *error)
{
    ebb_status status = EBB_OK;

    if (fsync(w->descriptor) != 0) status = io_fault(w, "fsync", error);
    close_descriptor(w);
    if (status == EBB_OK && rename(w->temporary, w->path) != 0) status = io_fault(w, "renaming", error);
    if (status != EBB_OK) unlink(w->temporary);
    w->temporary = NULL;
    return status;
}

void file_writer_discard(file_writer *w)
{
    const bool begun = w->descriptor >= 0;

    close_descriptor(w);
    if (begun && w->temporary != NULL) unlink(w->temporary);
    w->temporary = NULL;
}
