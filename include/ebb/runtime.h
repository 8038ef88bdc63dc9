/**
 * @file runtime.h
 * The root object: owns devices, threads, budget and every model. Several may live in one process.
 */
#ifndef EBB_RUNTIME_H
#define EBB_RUNTIME_H

#include "ebb/memory.h"
#include "ebb/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A runtime: a plain value, free to copy, owning nothing by itself. {0} is never valid. After
 * ebb_runtime_close() every copy is stale: calls return EBB_E_STALE; the id is never issued again.
 */
typedef struct ebb_runtime {
    uint64_t id;
} ebb_runtime;

/**
 * How much of a model's life the log tells. Lines have one of these forms:
 *
 *     INFO     loaded PATH: N bytes in T ms
 *     INFO     unloaded PATH: N bytes back
 *     INFO     trained NAME: N epochs in T ms
 *     INFO     NAME: version N is active; NAME: deleted version N: N files, N bytes
 *     INFO     PATH: unloaded because it is idle (to make room, as asked), unused for N ms
 *     WARNING  NAME: a prediction found no memory: TEXT
 *     ERROR    PATH: not loaded: TEXT                  files, devices and limits: as in ebb_error
 *     ERROR    NAME: training ended after N epochs: WHERE: TEXT
 *
 * and what callbacks of training have to say ("epoch 3: stopped early").
 */
typedef enum ebb_log_level {
    EBB_LOG_OFF = 0,
    EBB_LOG_ERROR = 1,
    EBB_LOG_WARNING = 2,
    EBB_LOG_INFO = 3, /**< loads, unloads, training */
    EBB_LOG_DEBUG = 4 /**< kernels chosen, passes applied */
} ebb_log_level;

/** Receives one line without newline. Called from the thread that logs; must not call ebb. */
typedef void (*ebb_log_function)(void *context, ebb_log_level level, const char *line);

/** Receives pieces of text: tables, JSON. Returning false stops the report (EBB_E_CANCELLED). */
typedef bool (*ebb_text_function)(void *context, const char *text, size_t length);

/** Zero in any field means the default named beside it. */
typedef struct ebb_runtime_options {
    size_t           struct_size; /**< set by EBB_RUNTIME_OPTIONS_INIT; lets the struct grow */
    uint64_t         bytes_max;   /**< over all models; 0 = no limit */
    uint32_t         threads;     /**< for one prediction; 0 = physical cores of this process */
    ebb_log_level    log_level;   /**< default: EBB_LOG_OFF */
    ebb_log_function log;         /**< NULL = no log */
    void            *log_context;
    ebb_allocator    allocator;   /**< all NULL = mmap */
    const char      *isa;         /**< highest instruction set: "portable", "avx2", "avx512";
                                       NULL = best this CPU has */
    bool             no_jit;      /**< never use libraries that generate code at run time */
    bool             soft_placement; /**< an absent device is replaced by the first one instead of
                                          EBB_E_NOT_FOUND: ebb_soft_placement_set() */
} ebb_runtime_options;
#define EBB_RUNTIME_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(ebb_runtime_options), 0, 0, EBB_LOG_OFF, NULL, NULL, {NULL, NULL, NULL, NULL},      \
            NULL, false, false                                                                     \
    }

/**
 * Opens a runtime. Starts no thread.
 *
 * @param options  NULL = all defaults
 * @return EBB_OK; EBB_E_ARGUMENT; EBB_E_MEMORY
 * Threads: any. Memory: one page of class meta, reported as live until close.
 */
EBB_API ebb_status ebb_runtime_open(const ebb_runtime_options *options, ebb_runtime *runtime,
                                    ebb_error *error);

/**
 * Unloads every model (waiting for calls in flight), ends every thread and closes the runtime.
 *
 * @param receipt  may be NULL
 * @return EBB_OK; EBB_E_STALE; EBB_E_STATE (called by a callback of training)
 */
EBB_API ebb_status ebb_runtime_close(ebb_runtime runtime, ebb_receipt *receipt);

/** The runtime's ledger now. @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_memory_read(ebb_runtime runtime, ebb_memory *memory);

typedef enum ebb_report_format {
    EBB_REPORT_TABLE = 0, /**< for people */
    EBB_REPORT_JSON = 1   /**< one JSON object */
} ebb_report_format;

/** Writes the ledger of the runtime, of each model, and of what lives beside them (sessions,
 *  graphs, registries, scopes with their models ...), by class and device: who holds what now.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_CANCELLED */
EBB_API ebb_status ebb_memory_report(ebb_runtime runtime, ebb_report_format format,
                                     ebb_text_function write, void *context);

/** Gives back everything kept only for speed: cached plans, the C library's free heap pages.
 *  @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_trim(ebb_runtime runtime, ebb_receipt *receipt);

#ifdef __cplusplus
}
#endif
#endif
