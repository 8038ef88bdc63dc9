/* temporary_file.c -- see temporary_file.h. A forked child removes nothing: the files are its
 * parent's. Nothing here follows a link. */
#define _GNU_SOURCE
#include "runtime/lifecycle/temporary_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/lifecycle/removal.h"
#include "runtime/options.h"
#include "runtime/scope.h"

#define ATTEMPTS_MAX 1000u
#define MARK_MAX     80

typedef struct temporary_file {
    struct temporary_file *next; /* in runtime->lifecycle.temporaries */
    region *home;
    const char *path;
    uint64_t owner; /* id of a model or a scope; 0: the runtime */
    int process;
} temporary_file;

/* -- names ------------------------------------------------------------------------------------- */

static bool read_line(const char *path, char *text, size_t capacity)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t count = file < 0 ? -1 : read(file, text, capacity - 1);

    if (file >= 0) close(file);
    text[count > 0 ? count : 0] = '\0';
    return count > 0;
}

static uint32_t checksum(uint32_t sum, const char *text)
{
    for (; *text != '\0'; text++) sum = (sum ^ (unsigned char)*text) * 16777619u;
    return sum;
}

/* When a process began, in ticks since the machine did; 0: there is no such process. */
static uint64_t process_start(int process)
{
    char path[64], text[1024];

    snprintf(path, sizeof path, "/proc/%d/stat", process);
    if (!read_line(path, text, sizeof text)) return 0;
    const char *at = strrchr(text, ')'); /* its name may hold anything */
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

/* "ebb-HOST-BOOT-": who else has it runs on this system and can be looked up. */
static void system_mark(char mark[MARK_MAX])
{
    char host[256] = "", boot[64] = "", space[64] = "";

    gethostname(host, sizeof host - 1);
    read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    if (readlink("/proc/self/ns/pid", space, sizeof space - 1) < 0) space[0] = '\0';
    snprintf(mark, MARK_MAX, "ebb-%08" PRIx32 "-%.8s-",
             checksum(checksum(2166136261u, host), space), boot[0] != '\0' ? boot : "00000000");
}

/* -- making ------------------------------------------------------------------------------------ */

static const char *folder_of(const char *folder)
{
    const char *given = folder != NULL ? folder : getenv("TMPDIR");

    return given != NULL && given[0] != '\0' ? given : "/tmp";
}

static ebb_status check_options(runtime *r, const ebb_temporary_options *o, uint64_t *owner,
                                ebb_error *error)
{
    static const char where[] = "temporary file";

    if (o->suffix != NULL && (strchr(o->suffix, '/') != NULL || strlen(o->suffix) > 64)) {
        return fail(error, EBB_E_ARGUMENT, where,
                    "the suffix '%.80s' has a slash or more than 64 bytes", o->suffix);
    }
    if (o->model.id != 0 && o->scope.id != 0)
        return fail(error, EBB_E_ARGUMENT, where, "name a model or a scope as owner, not both");
    *owner = o->model.id != 0 ? o->model.id : o->scope.id;
    if (o->model.id != 0) {
        const model *m = model_acquire(o->model, where, error);
        if (m == NULL) return EBB_E_STALE;
        const bool is_ours = m->owner == r;
        handle_release(o->model.id);
        if (!is_ours) return fail(error, EBB_E_ARGUMENT, where, "the model is another runtime's");
    }
    scope *s = NULL;
    const ebb_status status = scope_acquire(r, o->scope, &s, error);
    scope_release(s);
    return status;
}

/* Makes a file or folder whose name nobody has. */
static ebb_status create(const ebb_temporary_options *o, char *path, size_t capacity,
                         ebb_error *error)
{
    const char *const folder = folder_of(o->folder), *const suffix = o->suffix;
    const int process = getpid();
    const uint64_t start = process_start(process);
    char mark[MARK_MAX];

    system_mark(mark);
    errno = EEXIST;
    for (unsigned i = 0; i < ATTEMPTS_MAX * ATTEMPTS_MAX && errno == EEXIST; i++) {
        const int length = snprintf(path, capacity, "%s/%s%d-%" PRIu64 "-%u%s", folder, mark,
                                    process, start, i, suffix != NULL ? suffix : "");
        if (length < 0 || (size_t)length >= capacity) {
            return fail(error, EBB_E_ARGUMENT, folder,
                        "the name needs %d bytes, there is room for %zu", length + 1, capacity);
        }
        const int made =
            o->is_folder ? mkdir(path, 0700)
                         : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (made < 0) continue;
        if (!o->is_folder) close(made);
        return EBB_OK;
    }
    return fail(error, errno == ENOENT || errno == ENOTDIR ? EBB_E_NOT_FOUND : EBB_E_IO, folder,
                "a temporary %s cannot be made there: %s", o->is_folder ? "folder" : "file",
                strerror(errno));
}

ebb_status temporary_make(runtime *r, const ebb_temporary_options *options, char *path,
                          size_t capacity, ebb_error *error)
{
    ebb_temporary_options o = EBB_TEMPORARY_OPTIONS_INIT;
    char name[PATH_MAX];
    uint64_t owner = 0;
    ebb_status status = options_copy(&o, sizeof o, options, "temporary options",
                                     "EBB_TEMPORARY_OPTIONS_INIT", error);

    if (status == EBB_OK) status = check_options(r, &o, &owner, error);
    if (status != EBB_OK) return status;
    region *home = region_open(r->root, "temporary file", EBB_CLASS_META, 0);
    temporary_file *t = home == NULL ? NULL : region_new(home, temporary_file, 1);
    char *kept = t == NULL ? NULL : region_new(home, char, sizeof name);
    if (kept == NULL) {
        status = region_fail(home == NULL ? r->root : home, error, "temporary file", "its name");
        region_close(home);
        return status;
    }
    status = create(&o, name, capacity < sizeof name ? capacity : sizeof name, error);
    if (status != EBB_OK) {
        region_close(home);
        return status;
    }
    memcpy(path, name, strlen(name) + 1);
    memcpy(kept, name, strlen(name) + 1);
    *t = (temporary_file){.home = home, .path = kept, .owner = owner, .process = getpid()};
    pthread_mutex_lock(&r->mutex);
    t->next = r->lifecycle.temporaries;
    r->lifecycle.temporaries = t;
    pthread_mutex_unlock(&r->mutex);
    return EBB_OK;
}

/* -- removing ---------------------------------------------------------------------------------- */

/* The first one that is meant, off the list; `path` NULL: of any name. */
static temporary_file *take(runtime *r, bool of_any_owner, uint64_t owner, const char *path)
{
    pthread_mutex_lock(&r->mutex);
    temporary_file **at = &r->lifecycle.temporaries;
    while (*at != NULL && ((!of_any_owner && (*at)->owner != owner) ||
                           (path != NULL && strcmp((*at)->path, path) != 0))) {
        at = &(*at)->next;
    }
    temporary_file *const t = *at;
    if (t != NULL) *at = t->next;
    pthread_mutex_unlock(&r->mutex);
    return t;
}

static ebb_status end(temporary_file *t, ebb_receipt *receipt, ebb_error *error)
{
    ebb_memory held = {0};
    ebb_status status = EBB_OK;

    if (t->process == getpid()) status = removal_tree(t->path, receipt, error);
    region_read(t->home, &held);
    if (receipt != NULL) {
        receipt->bytes[EBB_CLASS_META] += held.live;
        receipt->bytes_total += held.live;
    }
    region_close(t->home);
    return status == EBB_E_NOT_FOUND ? EBB_OK : status;
}

ebb_status temporary_remove(runtime *r, const char *path, ebb_error *error)
{
    temporary_file *t = take(r, true, 0, path);

    if (t == NULL) {
        return fail(error, EBB_E_NOT_FOUND, path,
                    "is no temporary file of this runtime; nothing was removed");
    }
    return end(t, NULL, error);
}

static void remove_all(runtime *r, bool of_any_owner, uint64_t owner, ebb_receipt *receipt)
{
    for (temporary_file *t = take(r, of_any_owner, owner, NULL); t != NULL;
         t = take(r, of_any_owner, owner, NULL)) {
        ebb_error error = {0};
        if (end(t, receipt, &error) != EBB_OK)
            log_line(&r->log, EBB_LOG_WARNING, "%s: not removed: %s", error.where, error.text);
    }
}

void temporaries_remove(runtime *r, uint64_t owner, ebb_receipt *receipt)
{
    remove_all(r, false, owner, receipt);
}

void temporaries_close(runtime *r, ebb_receipt *receipt)
{
    remove_all(r, true, 0, receipt);
}

/* -- what others left -------------------------------------------------------------------------- */

/* Is this the name of a file whose process was on this system and is gone? */
static bool is_left(const char *name, const char *mark, const char *host_mark, size_t host_length)
{
    char *rest = NULL;

    if (strncmp(name, host_mark, host_length) != 0) return false;
    const bool is_this_boot = strncmp(name, mark, strlen(mark)) == 0;
    if (strlen(name) < strlen(mark) || name[strlen(mark) - 1] != '-') return false;
    const unsigned long process = strtoul(name + strlen(mark), &rest, 10);
    if (process == 0 || process > INT_MAX || *rest != '-') return false;
    const uint64_t start = strtoull(rest + 1, &rest, 10);
    if (start == 0 || *rest != '-' || rest[1] < '0' || rest[1] > '9') return false;
    return !is_this_boot || process_start((int)process) != start;
}

static ebb_status collect(DIR *list, const char *folder, ebb_receipt *receipt, ebb_error *error)
{
    char mark[MARK_MAX], host_mark[MARK_MAX];
    ebb_status status = EBB_OK;

    system_mark(mark);
    const size_t host_length = sizeof "ebb-01234567-" - 1;
    memcpy(host_mark, mark, sizeof host_mark);
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        char path[PATH_MAX];
        struct stat facts;
        if (!is_left(entry->d_name, mark, host_mark, host_length)) continue;
        if (fstatat(dirfd(list), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (facts.st_uid != geteuid()) continue;
        const int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof path) continue;
        ebb_error own = {0};
        const ebb_status removed = removal_tree(path, receipt, &own);
        if (removed == EBB_OK || removed == EBB_E_NOT_FOUND || status != EBB_OK) continue;
        status = removed;
        if (error != NULL) *error = own;
    }
    return status;
}

ebb_status temporaries_collect(const char *given, ebb_receipt *receipt, ebb_error *error)
{
    const char *const folder = folder_of(given);
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = descriptor < 0 ? NULL : fdopendir(descriptor);

    if (list == NULL) {
        const int reason = errno;
        if (descriptor >= 0) close(descriptor);
        return fail(error, reason == ENOENT || reason == ENOTDIR ? EBB_E_NOT_FOUND : EBB_E_IO,
                    folder, "the folder cannot be opened: %s", strerror(reason));
    }
    const ebb_status status = collect(list, folder, receipt, error);
    closedir(list);
    return status;
}
