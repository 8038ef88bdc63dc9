/* topology.h -- how much processor this process may use. Linux; elsewhere the answers are modest
 * guesses. */
#ifndef EBB_DEVICE_CPU_TOPOLOGY_H
#define EBB_DEVICE_CPU_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

/* Physical cores within the affinity mask of the calling thread, at most the cgroup's quota rounded
 * up. >= 1. */
uint32_t topology_cores(void);

/* "Intel(R) Xeon(R) Processor" into text; "CPU" if it is not known. */
void topology_name(char *text, size_t capacity);

/* "max 100000" or "150000 100000" (a cgroup v2 cpu.max) -> cores rounded up; 0: no limit, or not
 * understood. */
uint32_t topology_quota_parse(const char *text);

#endif
