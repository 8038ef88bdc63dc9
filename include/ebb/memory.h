/**
 * @file memory.h
 * What ebb counts: bytes by class, reports, receipts, and the caller's own page allocator.
 *
 * Three figures, never one:
 *   live    bytes in use by a model or the runtime, as taken from the operating system (whole
 * pages) cached  the part of live that is kept only for speed; ebb_trim() gives it back fixed bytes
 * of the process that stay until the runtime closes: thread stacks, library constants
 */
#ifndef EBB_MEMORY_H
#define EBB_MEMORY_H

#include "ebb/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Every class of memory: name, number (index into arrays), text, what it holds. */
#define EBB_CLASS_MAP(X)                                                                           \
    X(WEIGHTS, 0, "weights")         /* parameters, in the layout the kernels read */              \
    X(ACTIVATIONS, 1, "activations") /* the arenas of the lanes: every intermediate tensor */      \
    X(SCRATCH, 2, "scratch")         /* staging while loading and converting; 0 when ready */      \
    X(GRADIENTS, 3, "gradients")     /* training only */                                           \
    X(OPTIMIZER, 4, "optimizer")     /* training only */                                           \
    X(DATA, 5, "data")               /* batches that ebb itself read from files */                 \
    X(CODE, 6, "code")               /* kernels made at load inside a library: measured */         \
    X(META, 7, "meta")               /* graph, names, plans, tables */

typedef enum ebb_class {
#define EBB_CLASS_ENTRY(name, number, text) EBB_CLASS_##name = number,
    EBB_CLASS_MAP(EBB_CLASS_ENTRY)
#undef EBB_CLASS_ENTRY
        EBB_CLASS_COUNT
} ebb_class;

/** Name of a class ("weights"); "unknown" outside the map. Static storage. */
EBB_API const char *ebb_class_name(ebb_class class_index);

/** The ledger of a runtime or of one model at one moment. Bytes. */
typedef struct ebb_memory {
    uint64_t live;                      /**< sum of by_class except measured code */
    uint64_t by_class[EBB_CLASS_COUNT]; /**< live bytes; [EBB_CLASS_CODE] is measured, not exact */
    uint64_t cached;                    /**< part of live that ebb_trim() would give back */
    uint64_t fixed;                     /**< runtime only: stays until ebb_runtime_close() */
    uint64_t peak;                      /**< highest live since open or load */
    uint64_t limit;                     /**< 0 = none */
    uint32_t threads;                   /**< threads ebb started that still run */
    uint32_t descriptors;               /**< file descriptors ebb holds open */
    uint32_t models;                    /**< runtime only: models loaded */
    uint64_t reserved[4];
} ebb_memory;

/** What a close, unload, delete or trim gave back. */
typedef struct ebb_receipt {
    uint64_t bytes[EBB_CLASS_COUNT]; /**< given back, by class; [EBB_CLASS_CODE] measured */
    uint64_t bytes_total;            /**< exact sum of the counted classes (without code) */
    uint64_t bytes_kept;             /**< could not be given back; 0 in every known case */
    uint64_t live_after;             /**< live bytes of the runtime after the call */
    uint32_t threads;                /**< threads ended */
    uint32_t descriptors;            /**< descriptors closed */
    uint32_t models;                 /**< models that went (runtime close may take several) */
    uint32_t files_removed;          /**< ebb_model_delete() only */
    uint64_t files_bytes;            /**< size on disk of the removed files */
    uint64_t wait_ns;                /**< time spent waiting for calls in flight */
    uint64_t time_ns;                /**< whole call */
    char kept_reason[128];           /**< empty unless bytes_kept > 0 */
    char files[1024];                /**< removed names, one a line; "..." if they do not fit */
    uint64_t reserved[4];
} ebb_receipt;

/**
 * Where ebb takes pages from. All NULL = mmap/munmap of the operating system.
 *
 * map     returns `bytes` of zeroed memory aligned to `alignment` (a power of two), or NULL.
 *         `bytes` is a multiple of 4096; blocks of 4 MiB and more ask for 2 MiB alignment.
 * unmap   gives exactly one earlier block back.
 * admit   if set, is asked before every allocation, also for small ones that need no new page;
 *         returning false makes that allocation fail. Meant for tests (fail the n-th allocation)
 *         and for hosts with a budget of their own.
 * Threads: called from any thread, never two at once for one runtime.
 */
typedef struct ebb_allocator {
    void *(*map)(void *context, size_t bytes, size_t alignment);
    void (*unmap)(void *context, void *memory, size_t bytes);
    bool (*admit)(void *context, size_t bytes);
    void *context;
} ebb_allocator;

#ifdef __cplusplus
}
#endif
#endif
