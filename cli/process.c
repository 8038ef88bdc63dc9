/* process.c -- see process.h. Linux: /proc/self. */
#define _GNU_SOURCE
#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES 4096

static void read_file(const char *path, char text[FILE_BYTES])
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? 0 : read(file, text, FILE_BYTES - 1);

    text[got > 0 ? got : 0] = 0;
    if (file >= 0) close(file);
}

static uint32_t count_descriptors(void)
{
    DIR *list = opendir("/proc/self/fd");
    uint32_t count = 0;

    if (list == NULL) return 0;
    while (readdir(list) != NULL) count++;
    closedir(list);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the list itself */
}

void process_read(process_state *state)
{
    char text[FILE_BYTES];

    read_file("/proc/self/statm", text);
    const char *second = strchr(text, ' '); /* size, then resident pages */
    state->rss_bytes =
        second == NULL ? 0 : strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
    read_file("/proc/self/status", text);
    const char *threads = strstr(text, "\nThreads:");
    state->threads =
        threads == NULL ? 0 : (uint32_t)strtoul(threads + sizeof "\nThreads:" - 1, NULL, 10);
    state->descriptors = count_descriptors();
}

uint64_t process_rss_peak_bytes(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

uint64_t clock_read_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}
