/* remove.c -- takes a model's file or folder from the disk: exactly the members of its format,
 * never through a link.
 *
 * A folder is read whole before anything goes: one foreign entry and nothing is removed. All steps
 * use descriptors of the folders themselves (openat, unlinkat), so a link slipped in between is not
 * followed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/lifecycle/removal.h"
#include "runtime/model.h"
#include "runtime/options.h"

/* What a model folder may hold. */
typedef enum member_kind {
    MEMBER_FILE,
    MEMBER_VARIABLES, /* a folder of the files of a checkpoint, "variables.index" and its data */
    MEMBER_DEBUG,     /* a folder of one file */
    MEMBER_ASSETS     /* a folder whose files are all the model's, at any depth */
} member_kind;

typedef struct member {
    const char *name;
    member_kind kind;
} member;

static const member members[] = {
    {"metadata.json", MEMBER_FILE},     {"config.json", MEMBER_FILE},
    {"model.weights.h5", MEMBER_FILE},  {"model.weights.npz", MEMBER_FILE},
    {"saved_model.pb", MEMBER_FILE},    {"saved_model.pbtxt", MEMBER_FILE},
    {"keras_metadata.pb", MEMBER_FILE}, {"fingerprint.pb", MEMBER_FILE},
    {"variables", MEMBER_VARIABLES},    {"debug", MEMBER_DEBUG},
    {"assets", MEMBER_ASSETS},          {"assets.extra", MEMBER_ASSETS},
};

#define DEPTH_MAX 16

typedef struct walk {
    const char *root;
    ebb_receipt *receipt;  /* NULL: nothing is noted */
    bool is_removal;       /* otherwise only looks */
    bool takes_everything; /* what is no part of the model goes, too */
    ebb_error *error;
} walk;

static const member *member_find(const char *name)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (strcmp(members[i].name, name) == 0) return &members[i];
    }
    return NULL;
}

static bool is_digits(const char **at, size_t count)
{
    for (size_t i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9') return false;
    }
    return true;
}

/* "variables.index", "variables.data-00000-of-00002" */
static bool is_checkpoint_name(const char *name)
{
    static const char data[] = "variables.data-", of[] = "-of-";

    if (strcmp(name, "variables.index") == 0) return true;
    if (strncmp(name, data, sizeof data - 1) != 0) return false;
    const char *at = name + sizeof data - 1;
    if (!is_digits(&at, 5) || strncmp(at, of, sizeof of - 1) != 0) return false;
    at += sizeof of - 1;
    return is_digits(&at, 5) && *at == '\0';
}

/* Does a folder of the model hold such an entry? */
static bool member_holds(const member *m, const char *name, bool is_folder)
{
    switch (m->kind) {
    case MEMBER_FILE: return false;
    case MEMBER_VARIABLES: return !is_folder && is_checkpoint_name(name);
    case MEMBER_DEBUG: return !is_folder && strcmp(name, "saved_model_debug_info.pb") == 0;
    case MEMBER_ASSETS: return true;
    }
    return false;
}

static void note_removed(const walk *w, const char *name, uint64_t bytes)
{
    if (w->receipt != NULL) receipt_note_file(w->receipt, name, bytes);
}

static ebb_status foreign(const walk *w, const char *name, const char *what)
{
    return fail(
        w->error, EBB_E_UNSUPPORTED, w->root,
        "the folder also holds '%s', %s; nothing was removed: move it away, or ask for everything "
        "(ebb_remove_options.everything, ebb rm --force)",
        name, what);
}

static ebb_status system_fault(const walk *w, const char *what, const char *name)
{
    return fail(w->error, EBB_E_IO, w->root, "%s '%s' failed: %s", what, name, strerror(errno));
}

/* `inside`: the part of the model that the folder is; NULL: the model's own folder. */
static ebb_status folder_walk(walk *w, int folder, const char *prefix, const member *inside,
                              uint32_t depth);

/* Is the entry one of the model's? Otherwise the walk ends here. */
static ebb_status entry_check(const walk *w, const char *full, const char *name,
                              const struct stat *facts, const member *own, const member *inside)
{
    const bool is_folder = S_ISDIR(facts->st_mode);

    if (w->takes_everything) return EBB_OK;
    if (own == NULL && inside == NULL) return foreign(w, full, "which is no part of a saved model");
    if (!is_folder && !S_ISREG(facts->st_mode))
        return foreign(w, full, "a link or special file, which is never followed");
    if (inside != NULL) {
        return member_holds(inside, name, is_folder)
                   ? EBB_OK
                   : foreign(w, full, "which is no part of a saved model");
    }
    if (is_folder && own->kind == MEMBER_FILE)
        return foreign(w, full, "a folder where a file belongs");
    if (!is_folder && own->kind != MEMBER_FILE)
        return foreign(w, full, "a file where a folder belongs");
    return EBB_OK;
}

static ebb_status entry_walk(walk *w, int folder, const char *prefix, const char *name,
                             const member *inside, uint32_t depth)
{
    struct stat facts;
    char full[512];
    const member *own = inside == NULL ? member_find(name) : inside;

    snprintf(full, sizeof full, "%s%s%s", prefix, prefix[0] != 0 ? "/" : "", name);
    if (fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
        return system_fault(w, "reading", full);
    ebb_status status = entry_check(w, full, name, &facts, own, inside);
    if (status != EBB_OK) return status;
    if (S_ISDIR(facts.st_mode)) {
        static const member anything = {"", MEMBER_ASSETS};
        const int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0) return system_fault(w, "opening", full);
        status = folder_walk(w, inner, full, own != NULL ? own : &anything, depth + 1);
        if (status != EBB_OK || !w->is_removal) return status;
        return unlinkat(folder, name, AT_REMOVEDIR) == 0 ? EBB_OK
                                                         : system_fault(w, "removing", full);
    }
    if (w->is_removal && unlinkat(folder, name, 0) != 0) return system_fault(w, "removing", full);
    note_removed(w, full, (uint64_t)facts.st_size);
    return EBB_OK;
}

/* Takes over `folder`. Depth is bounded. */
static ebb_status folder_walk(walk *w, int folder, const char *prefix, const member *inside,
                              uint32_t depth)
{
    ebb_status status = EBB_OK;
    DIR *list = depth > DEPTH_MAX ? NULL : fdopendir(folder);

    if (list == NULL) {
        close(folder);
        return fail(w->error, EBB_E_IO, w->root, "the folder '%s' cannot be listed", prefix);
    }
    for (const struct dirent *entry = readdir(list); entry != NULL && status == EBB_OK;
         entry = readdir(list)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = entry_walk(w, dirfd(list), prefix, entry->d_name, inside, depth);
    }
    closedir(list);
    return status;
}

static ebb_status open_folder(const char *path, int *folder, ebb_error *error)
{
    *folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*folder >= 0) return EBB_OK;
    return fail(error, EBB_E_IO, path, "the folder cannot be opened: %s", strerror(errno));
}

static bool is_model_name(const char *path)
{
    static const char *const endings[] = {".keras", ".h5", ".hdf5", ".weights.h5"};
    const size_t length = strlen(path);

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t end = strlen(endings[i]);
        if (length > end && strcmp(path + length - end, endings[i]) == 0) return true;
    }
    return false;
}

/* The system follows a link before a slash, so slashes at the end are dropped. */
static ebb_status plain_path(const char *given, char path[PATH_MAX], ebb_error *error)
{
    if (given == NULL) return fail(error, EBB_E_ARGUMENT, "path", "expected a file name, got NULL");
    size_t length = strlen(given);
    while (length > 1 && given[length - 1] == '/') length--;
    if (length >= PATH_MAX) {
        return fail(error, EBB_E_ARGUMENT, "path",
                    "is %zu characters long, at most %d are possible", length, PATH_MAX - 1);
    }
    memcpy(path, given, length);
    path[length] = '\0';
    const char *slash = strrchr(path, '/'), *last = slash == NULL ? path : slash + 1;
    if (last[0] != '\0' && strcmp(last, ".") != 0 && strcmp(last, "..") != 0) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, given, "does not end with a name; nothing was removed");
}

/* Facts of the path itself, not of what a link leads to. */
static ebb_status look_at(const char *path, struct stat *facts, ebb_error *error)
{
    if (lstat(path, facts) != 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? fail(error, EBB_E_NOT_FOUND, path, "no such file or folder")
                   : fail(error, EBB_E_IO, path, "cannot be read: %s", strerror(errno));
    }
    if (S_ISDIR(facts->st_mode)) return EBB_OK;
    if (!S_ISREG(facts->st_mode)) {
        return fail(error, EBB_E_UNSUPPORTED, path,
                    "is a link or special file; links are never followed");
    }
    if (is_model_name(path)) return EBB_OK;
    return fail(error, EBB_E_UNSUPPORTED, path,
                "is not named like a model (.keras, .h5, .hdf5); nothing was removed");
}

ebb_status model_files_check_with(const char *given, bool everything, ebb_receipt *receipt,
                                  ebb_error *error)
{
    char path[PATH_MAX];
    struct stat facts;
    walk w = {.root = path, .receipt = receipt, .takes_everything = everything, .error = error};
    int folder = -1;
    ebb_status status = plain_path(given, path, error);

    if (status == EBB_OK) status = look_at(path, &facts, error);
    if (status != EBB_OK) return status;
    if (!S_ISDIR(facts.st_mode)) {
        note_removed(&w, path, (uint64_t)facts.st_size);
        return EBB_OK;
    }
    status = open_folder(path, &folder, error);
    if (status != EBB_OK) return status;
    if (faccessat(folder, "config.json", F_OK, 0) != 0 &&
        faccessat(folder, "saved_model.pb", F_OK, 0) != 0 &&
        faccessat(folder, "saved_model.pbtxt", F_OK, 0) != 0) {
        close(folder);
        return fail(error, EBB_E_UNSUPPORTED, path,
                    "the folder is no saved model (neither config.json nor saved_model.pb in it); "
                    "nothing was removed");
    }
    return folder_walk(&w, folder, "", NULL, 0);
}

ebb_status model_files_remove_with(const char *given, bool everything, ebb_receipt *receipt,
                                   ebb_error *error)
{
    char path[PATH_MAX];
    struct stat facts;
    walk w = {.root = path,
              .receipt = receipt,
              .is_removal = true,
              .takes_everything = everything,
              .error = error};
    int folder = -1;
    ebb_status status = model_files_check_with(given, everything, NULL, error);

    if (status == EBB_OK) status = plain_path(given, path, error);
    if (status == EBB_OK) status = look_at(path, &facts, error);
    if (status != EBB_OK) return status;
    if (!S_ISDIR(facts.st_mode)) {
        if (unlink(path) != 0) return system_fault(&w, "removing", path);
        note_removed(&w, path, (uint64_t)facts.st_size);
        return EBB_OK;
    }
    status = open_folder(path, &folder, error);
    if (status == EBB_OK) status = folder_walk(&w, folder, "", NULL, 0);
    if (status == EBB_OK && rmdir(path) != 0) status = system_fault(&w, "removing", path);
    return status;
}

static ebb_status no_file(const model *m, ebb_error *error)
{
    return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                "the model was built, not loaded: it has no file to remove; unload it");
}

ebb_status model_delete(ebb_model handle, const ebb_unload_options *options, ebb_receipt *receipt,
                        ebb_error *error)
{
    char path[PATH_MAX];
    ebb_receipt local = {0};
    ebb_unload_options o = EBB_UNLOAD_OPTIONS_INIT;
    ebb_status status =
        options_copy(&o, sizeof o, options, "unload options", "EBB_UNLOAD_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    const model *m = model_acquire(handle, "ebb_model_delete", error);
    if (m == NULL) return EBB_E_STALE;
    status = m->file == NULL ? no_file(m, error) : plain_path(m->file, path, error);
    if (status == EBB_OK) status = model_files_check_with(path, o.everything, NULL, error);
    handle_release(handle.id);
    if (status == EBB_OK) status = model_unload(handle.id, options, &local, error);
    if (status == EBB_OK) status = model_files_remove_with(path, o.everything, &local, error);
    if (receipt != NULL) *receipt = local;
    return status;
}
