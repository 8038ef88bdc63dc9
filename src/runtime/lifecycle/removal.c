/* removal.c -- see removal.h. All steps use descriptors of the folders themselves (openat,
 * unlinkat), so a link slipped in between is not followed. */
#define _GNU_SOURCE
#include "runtime/lifecycle/removal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"

#define DEPTH_MAX 32

void receipt_note_file(ebb_receipt *receipt, const char *name, uint64_t bytes)
{
    static const char more[] = "...";
    char *const files = receipt->files;
    const size_t length = strlen(files), room = sizeof receipt->files - length;
    const size_t need = strlen(name) + 1;
    const bool is_cut = length >= sizeof more - 1 && files[length - 1] == '.' &&
                        strcmp(files + length - (sizeof more - 1), more) == 0;

    receipt->files_removed++;
    receipt->files_bytes += bytes;
    if (is_cut) return;
    if (need + sizeof more <= room)
        snprintf(files + length, room, "%s\n", name);
    else
        snprintf(files + length, room, "%s", more);
}

void receipt_add_files(ebb_receipt *sum, const ebb_receipt *part)
{
    const char *at = part->files;

    while (*at != '\0') {
        char name[sizeof part->files];
        const char *const stop = strchr(at, '\n');
        const size_t length = stop != NULL ? (size_t)(stop - at) : strlen(at);
        memcpy(name, at, length);
        name[length] = '\0';
        receipt_note_file(sum, name, 0);
        sum->files_removed--;
        at += length + (stop != NULL);
    }
    sum->files_removed += part->files_removed;
    sum->files_bytes += part->files_bytes;
}

static ebb_status system_fault(const char *root, const char *what, const char *name,
                               ebb_error *error)
{
    return fail(error, EBB_E_IO, root, "%s '%s' failed: %s", what, name, strerror(errno));
}

static ebb_status remove_inside(int folder, const char *root, ebb_receipt *receipt, uint32_t depth,
                                ebb_error *error);

/* `name` in `folder`. Recursion: DEPTH_MAX. */
static ebb_status remove_entry(int folder, const char *name, const char *root, ebb_receipt *receipt,
                               uint32_t depth, ebb_error *error)
{
    struct stat facts;

    if (fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? fail(error, EBB_E_NOT_FOUND, root, "'%s' is gone already", name)
                   : system_fault(root, "reading", name, error);
    }
    if (!S_ISDIR(facts.st_mode)) {
        if (unlinkat(folder, name, 0) != 0) return system_fault(root, "removing", name, error);
        if (receipt != NULL)
            receipt_note_file(receipt, depth == 0 ? root : name, (uint64_t)facts.st_size);
        return EBB_OK;
    }
    if (depth >= DEPTH_MAX) return fail(error, EBB_E_IO, root, "'%s' is too deep inside", name);
    const int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0) return system_fault(root, "opening", name, error);
    const ebb_status status = remove_inside(inner, root, receipt, depth + 1, error);
    if (status != EBB_OK) return status;
    if (unlinkat(folder, name, AT_REMOVEDIR) != 0)
        return system_fault(root, "removing", name, error);
    if (receipt != NULL && depth == 0) receipt_note_file(receipt, root, 0);
    return EBB_OK;
}

/* Takes over `folder`. */
static ebb_status remove_inside(int folder, const char *root, ebb_receipt *receipt, uint32_t depth,
                                ebb_error *error)
{
    DIR *list = fdopendir(folder);
    ebb_status status = EBB_OK;

    if (list == NULL) {
        close(folder);
        return fail(error, EBB_E_IO, root, "a folder inside cannot be listed");
    }
    for (const struct dirent *entry = readdir(list); entry != NULL && status == EBB_OK;
         entry = readdir(list)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = remove_entry(dirfd(list), entry->d_name, root, receipt, depth, error);
        if (status == EBB_E_NOT_FOUND) status = EBB_OK;
    }
    closedir(list);
    return status;
}

ebb_status removal_tree(const char *path, ebb_receipt *receipt, ebb_error *error)
{
    return remove_entry(AT_FDCWD, path, path, receipt, 0, error);
}
