/* folder_writer.c -- see folder_writer.h. */
#define _GNU_SOURCE
#include "format/folder_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"

#define ATTEMPTS_MAX     1000u
#define SUFFIX_BYTES_MAX 40u
#define PATH_BYTES_MAX   4096u

static ebb_status io_fault(const folder_writer *w, const char *what, ebb_error *error)
{
    return fail(error, EBB_E_IO, w->path, "%s failed: %s", what, strerror(errno));
}

static ebb_status check_place(const char *path, bool keeps_old, ebb_error *error)
{
    struct stat facts;

    if (lstat(path, &facts) != 0) return EBB_OK;
    if (keeps_old) return fail(error, EBB_E_STATE, path, "there is something of this name already");
    if (S_ISDIR(facts.st_mode)) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, path, "is %s; name a folder",
                S_ISREG(facts.st_mode)   ? "a file"
                : S_ISLNK(facts.st_mode) ? "a link, which is never followed"
                                         : "a device, pipe or socket");
}

ebb_status folder_writer_open(region *home, const char *path, bool keeps_old, folder_writer *w,
                              ebb_error *error)
{
    const size_t room = strlen(path) + SUFFIX_BYTES_MAX;

    *w = (folder_writer){.home = home, .ledger = region_ledger(home), .keeps_old = keeps_old};
    const ebb_status status = check_place(path, keeps_old, error);
    if (status != EBB_OK) return status;
    w->path = region_text(home, path);
    w->temporary = region_new(home, char, room);
    if (w->path == NULL || w->temporary == NULL)
        return region_fail(home, error, path, "a folder's name");
    for (unsigned i = 0; i < ATTEMPTS_MAX && !w->is_open; i++) {
        snprintf(w->temporary, room, "%s.part-%d-%u", path, (int)getpid(), i);
        w->is_open = mkdir(w->temporary, 0777) == 0;
        if (!w->is_open && errno != EEXIST) break;
    }
    return w->is_open ? EBB_OK : io_fault(w, "making a folder beside it", error);
}

/* -- entries ----------------------------------------------------------------------------------- */

static bool inside(const folder_writer *w, const char *name, char text[PATH_BYTES_MAX])
{
    const int length = snprintf(text, PATH_BYTES_MAX, "%s/%s", w->temporary, name);

    return length > 0 && (unsigned)length < PATH_BYTES_MAX;
}

static void entry_note(folder_writer *w, const char *name, bool is_folder)
{
    w->entries[w->entry_count].name = name;
    w->entries[w->entry_count++].is_folder = is_folder;
}

static ebb_status too_long(const folder_writer *w, ebb_error *error)
{
    return fail(error, EBB_E_ARGUMENT, w->path, "the name is too long");
}

ebb_status folder_writer_folder(folder_writer *w, const char *name, ebb_error *error)
{
    char text[PATH_BYTES_MAX];

    if (!inside(w, name, text)) return too_long(w, error);
    if (mkdir(text, 0777) != 0) return io_fault(w, "making a folder in it", error);
    entry_note(w, name, true);
    return EBB_OK;
}

ebb_status folder_writer_file(folder_writer *w, const char *name, file_writer *file,
                              ebb_error *error)
{
    char text[PATH_BYTES_MAX];

    if (!inside(w, name, text)) return too_long(w, error);
    entry_note(w, name, false);
    return file_writer_open(w->home, text, file, error);
}

/* -- commit ------------------------------------------------------------------------------------ */

static bool folder_sync(const folder_writer *w, const char *path)
{
    const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (descriptor < 0) return false;
    ledger_descriptor_opened(w->ledger);
    const bool done = fsync(descriptor) == 0;
    const int reason = errno;
    close(descriptor);
    ledger_descriptor_closed(w->ledger);
    errno = reason;
    return done;
}

static bool all_synced(const folder_writer *w)
{
    char text[PATH_BYTES_MAX];

    for (uint32_t i = 0; i < w->entry_count; i++) {
        if (!w->entries[i].is_folder) continue;
        if (!inside(w, w->entries[i].name, text) || !folder_sync(w, text)) return false;
    }
    return folder_sync(w, w->temporary);
}

/* Where names cannot be exchanged: the old folder steps aside first. */
static ebb_status step_aside(folder_writer *w, ebb_error *error)
{
    w->replaced = region_format(w->home, "%s.old-%d", w->path, (int)getpid());
    if (w->replaced == NULL) return region_fail(w->home, error, w->path, "a folder's name");
    if (rename(w->path, w->replaced) == 0) {
        if (rename(w->temporary, w->path) == 0) return EBB_OK;
        const int reason = errno;
        (void)rename(w->replaced, w->path);
        errno = reason;
    }
    w->replaced = NULL;
    return io_fault(w, "renaming", error);
}

/* An empty folder gives way to a rename, one with something in it is exchanged. */
static ebb_status take_place(folder_writer *w, ebb_error *error)
{
    if (renameat2(AT_FDCWD, w->temporary, AT_FDCWD, w->path, RENAME_NOREPLACE) == 0) return EBB_OK;
    const bool knows_none = errno == EINVAL || errno == ENOSYS;
    struct stat facts;

    if (errno != EEXIST && !knows_none) return io_fault(w, "renaming", error);
    const ebb_status status = check_place(w->path, w->keeps_old, error);
    if (status != EBB_OK) return status;
    if (rename(w->temporary, w->path) == 0) return EBB_OK;
    if (lstat(w->path, &facts) != 0) return io_fault(w, "renaming", error);
    if (renameat2(AT_FDCWD, w->temporary, AT_FDCWD, w->path, RENAME_EXCHANGE) == 0) {
        w->replaced = w->temporary;
        return EBB_OK;
    }
    return errno == EINVAL || errno == ENOSYS ? step_aside(w, error)
                                              : io_fault(w, "renaming", error);
}

ebb_status folder_writer_commit(folder_writer *w, ebb_error *error)
{
    ebb_status status = EBB_OK;

    if (!all_synced(w)) status = io_fault(w, "fsync", error);
    if (status == EBB_OK) status = take_place(w, error);
    if (status != EBB_OK) folder_writer_discard(w);
    w->is_open = false;
    return status;
}

void folder_writer_discard(folder_writer *w)
{
    char text[PATH_BYTES_MAX];

    if (!w->is_open) return;
    while (w->entry_count-- > 0) {
        if (!inside(w, w->entries[w->entry_count].name, text)) continue;
        if (w->entries[w->entry_count].is_folder) {
            (void)rmdir(text);
        } else {
            (void)unlink(text);
        }
    }
    (void)rmdir(w->temporary);
    w->is_open = false;
}
