/* system_memory.h -- how much the machine could still give: for whoever asks for so much that a
 * promise of the operating system would not be kept. */
#ifndef EBB_MEM_SYSTEM_MEMORY_H
#define EBB_MEM_SYSTEM_MEMORY_H

#include "mem/region.h"

/* Bytes that could be touched now without another process, or the limit of a container, in the way;
 * UINT64_MAX where the system does not say. */
uint64_t system_memory_free(void);
/* Could the page source of a region give `bytes` now? True with an allocator of the caller's, whose
 * memory is its own affair. */
bool region_source_holds(const region *r, uint64_t bytes);

/* For tests: MemAvailable and SwapFree out of the text of /proc/meminfo. */
uint64_t system_memory_parse(const char *meminfo);

#endif
