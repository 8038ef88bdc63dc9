/* log_file.c -- see log_file.h. */
#include "train/callback/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"

static ebb_status io_fault(const char *path, const char *what, ebb_error *error)
{
    return fail(error, EBB_E_IO, path, "%s failed: %s", what, strerror(errno));
}

ebb_status log_file_open(ledger *l, const char *path, log_file_mode mode, log_file *f,
                         ebb_error *error)
{
    static const int flags[] = {O_TRUNC, O_APPEND, O_EXCL};
    struct stat facts;

    *f = (log_file){.descriptor = -1, .path = path};
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode))
        return fail(error, EBB_E_ARGUMENT, path, "is no regular file; name one");
    const int descriptor =
        open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | flags[mode], 0666);
    if (descriptor < 0 && errno == EEXIST)
        return fail(error, EBB_E_STATE, path, "there is such a file already");
    if (descriptor < 0) return io_fault(path, "opening", error);
    f->descriptor = descriptor;
    f->ledger = l;
    ledger_descriptor_opened(l);
    return EBB_OK;
}

ebb_status log_file_put(log_file *f, const void *bytes, size_t length, ebb_error *error)
{
    const char *at = bytes;

    while (length > 0) {
        const ssize_t written = write(f->descriptor, at, length);

        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return io_fault(f->path, "writing", error);
        at += written;
        length -= (size_t)written;
    }
    return EBB_OK;
}

void log_file_close(log_file *f)
{
    if (f->ledger == NULL) return;
    close(f->descriptor);
    ledger_descriptor_closed(f->ledger);
    *f = (log_file){.descriptor = -1};
}

/* The first `length` characters of path, those above it first. */
static ebb_status make_parts(const char *path, size_t length, ebb_error *error)
{
    char part[LOG_PATH_BYTES];

    if (length >= sizeof part) return fail(error, EBB_E_ARGUMENT, path, "the path is too long");
    for (size_t i = 1; i <= length; i++) {
        struct stat facts;

        if (i < length && path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) == 0 || errno == EISDIR) continue;
        if (errno != EEXIST) return io_fault(part, "making the folder", error);
        if (stat(part, &facts) != 0 || !S_ISDIR(facts.st_mode))
            return fail(error, EBB_E_IO, part, "expected a folder, found something else");
    }
    return EBB_OK;
}

ebb_status folder_make(const char *path, ebb_error *error)
{
    return make_parts(path, strlen(path), error);
}

ebb_status folder_make_for(const char *file_path, ebb_error *error)
{
    const char *slash = strrchr(file_path, '/');

    return slash == NULL ? EBB_OK : make_parts(file_path, (size_t)(slash - file_path), error);
}

ebb_status folder_path(const char *folder, const char *name, char *text, ebb_error *error)
{
    const size_t length = strlen(folder);
    const int whole = snprintf(text, LOG_PATH_BYTES, "%s%s%s", folder,
                               length > 0 && folder[length - 1] == '/' ? "" : "/", name);

    if (whole > 0 && whole < LOG_PATH_BYTES) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, folder, "the path is too long");
}
