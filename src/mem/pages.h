/* pages.h -- where pages come from: the operating system, or the caller's hooks. */
#ifndef EBB_MEM_PAGES_H
#define EBB_MEM_PAGES_H

#include "ebb/memory.h"

/* `bytes` is a multiple of 4096, `alignment` a power of two of at least 4096. Zeroed; NULL:
 * refused. Memory aligned to 2 MiB or more is advised to be of huge pages. `source` may be all
 * NULL. */
void *pages_map(const ebb_allocator *source, size_t bytes, size_t alignment);
/* Exactly one earlier map. */
void pages_unmap(const ebb_allocator *source, void *memory, size_t bytes);
/* May an allocation of `bytes` go on? True without a hook. */
bool pages_admit(const ebb_allocator *source, size_t bytes);

/* For the address sanitizer: memory that belongs to nobody reports when it is touched. */
void pages_poison(const void *memory, size_t bytes);
void pages_unpoison(const void *memory, size_t bytes);

#if defined(__SANITIZE_ADDRESS__)
#define PAGES_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PAGES_ASAN 1
#endif
#endif
#ifndef PAGES_ASAN
#define PAGES_ASAN 0
#endif

/* Unused bytes after each small allocation: they make an overrun visible under the sanitizer. */
#define PAGES_RED_ZONE ((size_t)(PAGES_ASAN ? 16 : 0))

#endif
