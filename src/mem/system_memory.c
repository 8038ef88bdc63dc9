/* system_memory.c -- see system_memory.h.
 *
 * Source: Linux, Documentation/filesystems/proc.rst (meminfo), admin-guide/cgroup-v2.rst
 * (memory.max, memory.current), cgroup-v1/memory.rst. */
#include "mem/system_memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem/ledger.h"

#define PATH_BYTES 512

/* The start of a small file as text; false if it cannot be read. */
static bool file_text(const char *path, char *text, size_t capacity)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0) return false;
    const ssize_t length = read(file, text, capacity - 1);
    close(file);
    if (length <= 0) return false;
    text[length] = '\0';
    return true;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t kilobytes_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at == NULL ? UINT64_MAX : strtoull(at + strlen(name), NULL, 10);
}

uint64_t system_memory_parse(const char *meminfo)
{
    const uint64_t available = kilobytes_of(meminfo, "MemAvailable:");
    const uint64_t swap = kilobytes_of(meminfo, "SwapFree:");
    const uint64_t most = UINT64_MAX / 4096;

    if (available > most) return UINT64_MAX;
    return (available + (swap > most ? 0 : swap)) * 1024;
}

/* What is left below a group's limit; "max", and files that are not there, are no limit. */
static uint64_t left_below(const char *folder, const char *limit_name, const char *used_name)
{
    char path[PATH_BYTES + 64], limit[64], used[64];

    snprintf(path, sizeof path, "%s/%s", folder, limit_name);
    if (!file_text(path, limit, sizeof limit) || limit[0] < '0' || limit[0] > '9')
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s/%s", folder, used_name);
    if (!file_text(path, used, sizeof used)) return UINT64_MAX;
    const uint64_t most = strtoull(limit, NULL, 10), now = strtoull(used, NULL, 10);
    return now < most ? most - now : 0;
}

/* Of the own group and of all above it; `mark` stands before its path in /proc/self/cgroup. */
static uint64_t left_in_groups(const char *text, const char *mark, const char *root,
                               const char *limit_name, const char *used_name)
{
    char folder[PATH_BYTES];
    const char *own = strstr(text, mark);
    uint64_t left = UINT64_MAX;
    const size_t root_length = strlen(root);

    if (own == NULL) return UINT64_MAX;
    own += strlen(mark);
    snprintf(folder, sizeof folder, "%s%.*s", root, (int)strcspn(own, "\n"), own);
    for (;;) {
        left = smaller(left, left_below(folder, limit_name, used_name));
        char *const slash = strrchr(folder, '/');
        if (slash == NULL || slash < folder + root_length) return left;
        *slash = '\0';
    }
}

uint64_t system_memory_free(void)
{
    char text[4096];
    uint64_t bytes = UINT64_MAX;

    if (file_text("/proc/meminfo", text, sizeof text)) bytes = system_memory_parse(text);
    if (!file_text("/proc/self/cgroup", text, sizeof text)) return bytes;
    bytes = smaller(bytes,
                    left_in_groups(text, "0::", "/sys/fs/cgroup", "memory.max", "memory.current"));
    return smaller(bytes, left_in_groups(text, ":memory:", "/sys/fs/cgroup/memory",
                                         "memory.limit_in_bytes", "memory.usage_in_bytes"));
}

bool region_source_holds(const region *r, uint64_t bytes)
{
    return ledger_source(r->owner)->map != NULL || bytes <= system_memory_free();
}
