/* file_writer.c -- see file_writer.h. */
#include "format/file_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"

#define ATTEMPTS_MAX     1000u
#define SUFFIX_BYTES_MAX 40u

static ebb_status io_fault(const file_writer *w, const char *what, ebb_error *error)
{
    return fail(error, EBB_E_IO, w->path, "%s failed: %s", what, strerror(errno));
}

/* Renaming over a device or pipe would replace it for every process. */
static ebb_status check_place(const char *path, ebb_error *error)
{
    struct stat facts;

    if (path == NULL) return fail(error, EBB_E_ARGUMENT, "path", "expected a file name, got NULL");
    if (stat(path, &facts) != 0 || S_ISREG(facts.st_mode)) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, path, "is %s; name a regular file",
                S_ISDIR(facts.st_mode) ? "a directory" : "a device, pipe or socket");
}

/* Names may be taken: by another thread that writes the same path, or left by a process that died.
 */
static void open_temporary(file_writer *w, size_t room)
{
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        snprintf(w->temporary, room, "%s.part-%d-%u", w->path, (int)getpid(), i);
        w->descriptor =
            open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (w->descriptor >= 0 || errno != EEXIST) return;
    }
}

ebb_status file_writer_open(region *home, const char *path, file_writer *w, ebb_error *error)
{
    *w = (file_writer){.ledger = region_ledger(home), .descriptor = -1};
    const ebb_status status = check_place(path, error);
    if (status != EBB_OK) return status;
    const size_t room = strlen(path) + SUFFIX_BYTES_MAX;
    w->path = region_text(home, path);
    w->temporary = region_new(home, char, room);
    if (w->path == NULL || w->temporary == NULL)
        return region_fail(home, error, path, "a file name");
    open_temporary(w, room);
    if (w->descriptor < 0) return io_fault(w, "creating a file beside it", error);
    ledger_descriptor_opened(w->ledger);
    return EBB_OK;
}

ebb_status file_writer_put(file_writer *w, const void *bytes, uint64_t length, ebb_error *error)
{
    const uint8_t *at = bytes;

    while (length > 0) {
        const size_t part = length < ((uint64_t)1 << 30) ? (size_t)length : (size_t)1 << 30;
        const ssize_t written = write(w->descriptor, at, part);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return io_fault(w, "writing", error);
        at += written;
        length -= (uint64_t)written;
        w->bytes += (uint64_t)written;
    }
    return EBB_OK;
}

ebb_status file_writer_patch(file_writer *w, uint64_t offset, const void *bytes, size_t length,
                             ebb_error *error)
{
    const uint8_t *at = bytes;

    while (length > 0) {
        const ssize_t written = pwrite(w->descriptor, at, length, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return io_fault(w, "writing", error);
        at += written;
        offset += (uint64_t)written;
        length -= (size_t)written;
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

/* Gives the finished file its name, or removes it. */
static ebb_status commit(file_writer *w, ebb_status (*name)(file_writer *w, ebb_error *error),
                         ebb_error *error)
{
    ebb_status status = EBB_OK;

    if (fsync(w->descriptor) != 0) status = io_fault(w, "fsync", error);
    close_descriptor(w);
    if (status == EBB_OK) status = name(w, error);
    if (status != EBB_OK) unlink(w->temporary);
    w->temporary = NULL;
    return status;
}

static ebb_status rename_over(file_writer *w, ebb_error *error)
{
    return rename(w->temporary, w->path) == 0 ? EBB_OK : io_fault(w, "renaming", error);
}

/* A link never replaces anything. Where a file system knows none, a look has to do. */
static ebb_status link_new(file_writer *w, ebb_error *error)
{
    struct stat facts;

    if (link(w->temporary, w->path) == 0) {
        unlink(w->temporary);
        return EBB_OK;
    }
    if (errno == EEXIST || lstat(w->path, &facts) == 0)
        return fail(error, EBB_E_STATE, w->path, "there is a file of this name already");
    return rename_over(w, error);
}

ebb_status file_writer_commit(file_writer *w, ebb_error *error)
{
    return commit(w, rename_over, error);
}

ebb_status file_writer_commit_new(file_writer *w, ebb_error *error)
{
    return commit(w, link_new, error);
}

void file_writer_discard(file_writer *w)
{
    const bool begun = w->descriptor >= 0;

    close_descriptor(w);
    if (begun && w->temporary != NULL) unlink(w->temporary);
    w->temporary = NULL;
}
