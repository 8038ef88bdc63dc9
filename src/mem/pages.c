/* pages.c -- pages of the operating system, or of the caller's hooks.
 *
 * Invariant: what pages_map() returned is given back whole by one pages_unmap() of the same size,
 * so a hook never has to split. Alignment above a page is made by mapping more and trimming both
 * ends. */
#include "mem/pages.h"

#include <sys/mman.h>

#include "base/size.h"
#include "mem/region.h"

#if PAGES_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, bytes)   ((void)(memory), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(memory, bytes) ((void)(memory), (void)(bytes))
#endif

static void *system_map(size_t bytes, size_t alignment)
{
    const size_t extra = alignment > PAGE_BYTES ? alignment - PAGE_BYTES : 0;
    size_t whole;
    if (!size_add(bytes, extra, &whole)) return NULL;

    char *memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    const size_t head = -(uintptr_t)memory & (alignment - 1), tail = extra - head;
    if (head > 0) munmap(memory, head);
    if (tail > 0) munmap(memory + head + bytes, tail);
    memory += head;
    if (alignment >= HUGE_PAGE_BYTES) madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

void *pages_map(const ebb_allocator *source, size_t bytes, size_t alignment)
{
    if (source->map == NULL) return system_map(bytes, alignment);
    void *memory = source->map(source->context, bytes, alignment);
    if (memory != NULL && ((uintptr_t)memory & (alignment - 1)) != 0) {
        pages_unmap(source, memory, bytes);
        return NULL;
    }
    return memory;
}

void pages_unmap(const ebb_allocator *source, void *memory, size_t bytes)
{
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    if (source->map == NULL) {
        munmap(memory, bytes);
    } else {
        source->unmap(source->context, memory, bytes);
    }
}

bool pages_admit(const ebb_allocator *source, size_t bytes)
{
    return source->admit == NULL || source->admit(source->context, bytes);
}

void pages_poison(const void *memory, size_t bytes)
{
    ASAN_POISON_MEMORY_REGION(memory, bytes);
}

void pages_unpoison(const void *memory, size_t bytes)
{
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
}
