/* topology.c -- cores from the affinity mask, /sys/devices/system/cpu and the cgroup's cpu quota.
 *
 * Nothing here allocates and every descriptor is closed before the function returns. A file that is
 * missing or odd makes the answer less exact, never an error. Source: Linux Documentation,
 * admin-guide/cgroup-v2 (cpu.max) and ABI/stable/sysfs-devices-system-cpu (thread_siblings_list).
 */
#define _GNU_SOURCE
#include "device/cpu/topology.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#define CPUS_MAX   1024
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

/* The lowest sibling of a logical CPU stands for its core. */
static uint32_t core_of(uint32_t cpu)
{
    char path[PATH_BYTES], text[64];

    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
    if (!file_text(path, text, sizeof text)) return cpu;
    const unsigned long first = strtoul(text, NULL, 10);
    return first < CPUS_MAX ? (uint32_t)first : cpu;
}

static uint32_t cores_in_mask(void)
{
    cpu_set_t mask;
    bool seen[CPUS_MAX] = {false};
    uint32_t cores = 0;

    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
    for (uint32_t cpu = 0; cpu < CPUS_MAX && cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &mask)) continue;
        const uint32_t core = core_of(cpu);

        cores += !seen[core];
        seen[core] = true;
    }
    return cores == 0 ? 1 : cores;
}

static uint32_t quota_cores(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) return 0;
    const long long cores = (quota - 1) / period + 1;
    return cores > CPUS_MAX ? CPUS_MAX : (uint32_t)cores;
}

uint32_t topology_quota_parse(const char *text)
{
    char *end;

    const long long quota = strtoll(text, &end, 10);
    if (end == text) return 0;
    return quota_cores(quota, strtoll(end, NULL, 10));
}

static uint32_t quota_smaller(uint32_t a, uint32_t b)
{
    return a == 0 ? b : b != 0 && b < a ? b : a;
}

/* cpu.max of the own cgroup and of all above it. */
static uint32_t quota_v2(void)
{
    char text[4096], folder[PATH_BYTES], path[PATH_BYTES + 32];
    uint32_t cores = 0;

    if (!file_text("/proc/self/cgroup", text, sizeof text)) return 0;
    const char *own = strstr(text, "0::/");
    if (own == NULL) return 0;
    snprintf(folder, sizeof folder, "%.*s", (int)strcspn(own + 3, "\n"), own + 3);
    for (;;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", folder);
        if (file_text(path, text, sizeof text))
            cores = quota_smaller(cores, topology_quota_parse(text));
        char *const slash = strrchr(folder, '/');
        if (slash == NULL) return cores;
        *slash = '\0';
    }
}

static uint32_t quota_v1(void)
{
    char quota[64], period[64];

    if (!file_text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota)) return 0;
    if (!file_text("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period)) return 0;
    return quota_cores(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

uint32_t topology_cores(void)
{
    return quota_smaller(cores_in_mask(), quota_smaller(quota_v2(), quota_v1()));
}

void topology_name(char *text, size_t capacity)
{
    snprintf(text, capacity, "CPU");
#if defined(__x86_64__) || defined(__i386__)
    const unsigned int first = 0x80000002u;
    unsigned int words[13] = {0};

    if ((unsigned int)__get_cpuid_max(0x80000000u, NULL) < first + 2) return;
    for (unsigned int i = 0; i < 3; i++) {
        unsigned int *const w = words + 4 * i;

        __get_cpuid(first + i, &w[0], &w[1], &w[2], &w[3]);
    }
    const char *name = (const char *)words;
    name += strspn(name, " ");
    if (*name != '\0') snprintf(text, capacity, "%s", name);
#endif
}
