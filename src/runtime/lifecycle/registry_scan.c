/* registry_scan.c -- finds versions in a folder laid out as TensorFlow Serving's:
 * FOLDER/NAME/NUMBER/model, or FOLDER/NAME/NUMBER.keras. Only names are read. Source of the layout:
 * TensorFlow Serving, "Architecture" and its file system source. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "runtime/lifecycle/registry.h"

typedef struct scan {
    registry *g;
    ebb_registry_changes *changes;
    ebb_error *error;
} scan;

static const char *const endings[] = {".keras", ".h5", ".hdf5"};

/* Where the ending of a model's file begins; NULL: it has none of them. */
static const char *model_ending(const char *name)
{
    const size_t length = strlen(name);
    static const char weights[] = ".weights.h5";

    if (length >= sizeof weights && strcmp(name + length - (sizeof weights - 1), weights) == 0)
        return NULL;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t end = strlen(endings[i]);
        if (length > end && strcmp(name + length - end, endings[i]) == 0)
            return name + length - end;
    }
    return NULL;
}

/* The number that a name begins with; 0: none, or too large. */
static uint64_t number_of(const char *name, const char **rest)
{
    char *end = NULL;

    *rest = name;
    if (!isdigit((unsigned char)name[0]) || strlen(name) > 32) return 0;
    errno = 0;
    const uint64_t number = strtoull(name, &end, 10);
    *rest = end;
    return errno == 0 && number <= INT64_MAX ? number : 0;
}

static bool is_kind(int folder, const char *name, mode_t kind)
{
    struct stat facts;

    return fstatat(folder, name, &facts, 0) == 0 && (facts.st_mode & S_IFMT) == kind;
}

static DIR *open_inside(int folder, const char *name)
{
    const int descriptor = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = descriptor < 0 ? NULL : fdopendir(descriptor);

    if (list == NULL && descriptor >= 0) close(descriptor);
    return list;
}

/* The next name that is worth a look; NULL: no more. */
static const char *next_name(DIR *list)
{
    const struct dirent *entry = readdir(list);

    while (entry != NULL && entry->d_name[0] == '.') entry = readdir(list);
    return entry == NULL ? NULL : entry->d_name;
}

/* The one model file in a version's folder, into `name`; false: none, or several. */
static bool find_file(DIR *list, char name[NAME_MAX + 1])
{
    uint32_t count = 0;

    for (const char *at = next_name(list); at != NULL; at = next_name(list)) {
        if (model_ending(at) == NULL || !is_kind(dirfd(list), at, S_IFREG)) continue;
        if (count++ == 0) snprintf(name, NAME_MAX + 1, "%s", at);
    }
    return count == 1;
}

static ebb_status found(scan *s, const char *name, uint64_t number, const char *path,
                        const char *folder)
{
    registry *g = s->g;
    runtime *r = g->base.owner;
    ebb_status status = EBB_OK;

    pthread_mutex_lock(&r->mutex);
    const registry_name *n = registry_find_name(g, name);
    registry_version *v = n == NULL ? NULL : registry_find_version(n, number);
    if (v != NULL) {
        const bool is_same = strcmp(v->path, path) == 0;
        s->changes->known += is_same;
        s->changes->ignored += !is_same;
        v->was_seen |= is_same;
    } else {
        status = registry_insert(g, name, number, path, folder, NULL, &v, s->error);
        if (status == EBB_OK) {
            v->is_scanned = v->was_seen = true;
            s->changes->known++;
            s->changes->added++;
        }
    }
    pthread_mutex_unlock(&r->mutex);
    return status;
}

static ebb_status folder_version(scan *s, int parent, const char *entry, const char *name,
                                 uint64_t number, const char *path)
{
    char file[NAME_MAX + 1], whole[PATH_MAX];
    DIR *list = open_inside(parent, entry);

    if (list == NULL) {
        s->changes->ignored++;
        return EBB_OK;
    }
    const bool is_model = is_kind(dirfd(list), "saved_model.pb", S_IFREG) ||
                          is_kind(dirfd(list), "config.json", S_IFREG);
    const bool has_file = !is_model && find_file(list, file);
    closedir(list);
    if (is_model) return found(s, name, number, path, NULL);
    const int length = has_file ? snprintf(whole, sizeof whole, "%s/%s", path, file) : -1;
    if (length > 0 && (size_t)length < sizeof whole) return found(s, name, number, whole, path);
    s->changes->ignored++;
    return EBB_OK;
}

/* One entry of a model's folder. */
static ebb_status version_entry(scan *s, DIR *list, const char *folder, const char *entry,
                                const char *name)
{
    char path[PATH_MAX];
    const char *rest = NULL;
    const uint64_t number = number_of(entry, &rest);
    const int length = snprintf(path, sizeof path, "%s/%s", folder, entry);
    const bool fits =
        length > 0 && (size_t)length < sizeof path && strlen(name) <= EBB_REGISTRY_NAME_MAX;

    if (number > 0 && fits && rest[0] == '\0' && is_kind(dirfd(list), entry, S_IFDIR))
        return folder_version(s, dirfd(list), entry, name, number, path);
    if (number > 0 && fits && model_ending(entry) == rest && is_kind(dirfd(list), entry, S_IFREG))
        return found(s, name, number, path, NULL);
    s->changes->ignored++;
    return EBB_OK;
}

static ebb_status model_folder(scan *s, DIR *list, const char *folder, const char *name)
{
    ebb_status status = EBB_OK;

    for (const char *at = next_name(list); at != NULL && status == EBB_OK; at = next_name(list))
        status = version_entry(s, list, folder, at, name);
    return status;
}

/* Do its own entries say so? */
static bool is_model_folder(DIR *list)
{
    bool found_one = false;

    for (const char *at = next_name(list); at != NULL && !found_one; at = next_name(list)) {
        const char *rest = NULL;
        if (number_of(at, &rest) == 0) continue;
        found_one = rest[0] == '\0' || model_ending(at) == rest;
    }
    rewinddir(list);
    return found_one;
}

static ebb_status models_folder(scan *s, DIR *list, const char *folder)
{
    ebb_status status = EBB_OK;

    for (const char *at = next_name(list); at != NULL && status == EBB_OK; at = next_name(list)) {
        char path[PATH_MAX];
        const int length = snprintf(path, sizeof path, "%s/%s", folder, at);
        DIR *inner =
            length > 0 && (size_t)length < sizeof path ? open_inside(dirfd(list), at) : NULL;
        if (inner == NULL) {
            s->changes->ignored++;
            continue;
        }
        status = model_folder(s, inner, path, at);
        closedir(inner);
    }
    return status;
}

static void forget_seen(registry *g)
{
    runtime *r = g->base.owner;

    pthread_mutex_lock(&r->mutex);
    for (registry_name *n = g->names; n != NULL; n = n->next)
        for (registry_version *v = n->versions; v != NULL; v = v->next) v->was_seen = false;
    pthread_mutex_unlock(&r->mutex);
}

/* Is its path inside the folder that was looked through? */
static bool is_inside(const registry_version *v, const char *folder)
{
    const size_t length = strlen(folder);

    return strncmp(v->path, folder, length) == 0 && v->path[length] == '/';
}

static void drop_unseen(scan *s, const char *folder)
{
    registry *g = s->g;
    runtime *r = g->base.owner;

    pthread_mutex_lock(&r->mutex);
    for (registry_name *n = g->names, *next_n; n != NULL; n = next_n) {
        next_n = n->next;
        for (registry_version *v = n->versions, *next_v; v != NULL && !n->is_changing; v = next_v) {
            next_v = v->next;
            if (!v->is_scanned || v->was_seen || v->model != 0 || v->leases > 0) continue;
            if (!is_inside(v, folder)) continue;
            registry_drop(g, n, v);
            s->changes->dropped++;
        }
        if (!n->is_changing) registry_drop_empty(g, n);
    }
    pthread_mutex_unlock(&r->mutex);
}

/* "models/digits/" without its slashes; its last name. */
static bool plain_folder(const char *given, char folder[PATH_MAX], const char **name)
{
    size_t length = strlen(given);

    while (length > 1 && given[length - 1] == '/') length--;
    if (length >= PATH_MAX) return false;
    memcpy(folder, given, length);
    folder[length] = '\0';
    const char *slash = strrchr(folder, '/');
    *name = slash == NULL ? folder : slash + 1;
    return true;
}

ebb_status registry_scan(registry *g, const char *given, ebb_registry_changes *changes,
                         ebb_error *error)
{
    char folder[PATH_MAX];
    const char *name = NULL;
    const char *const wanted = given != NULL ? given : g->folder;
    scan s = {g, changes, error};

    *changes = (ebb_registry_changes){0};
    if (wanted == NULL || !plain_folder(wanted, folder, &name)) {
        return fail(error, EBB_E_ARGUMENT, "ebb_registry_scan",
                    "name a folder here or in the options of the registry");
    }
    DIR *list = open_inside(AT_FDCWD, folder);
    if (list == NULL) {
        return fail(error, errno == ENOENT || errno == ENOTDIR ? EBB_E_NOT_FOUND : EBB_E_IO, folder,
                    "the folder cannot be opened: %s", strerror(errno));
    }
    forget_seen(g);
    const ebb_status status = is_model_folder(list) ? model_folder(&s, list, folder, name)
                                                    : models_folder(&s, list, folder);
    closedir(list);
    if (status == EBB_OK) drop_unseen(&s, folder);
    return status;
}
