/**
 * @file profile.h
 * The memory profiler: live bytes over time, by owner (a model, a session, arrays ...) and class,
 * as text, JSON, SVG, and as a trace for Chrome's and TensorBoard's viewers.
 *
 *     ebb_profiler_start(runtime, NULL, &profiler, &error);
 *     ... load, predict, unload ...
 *     ebb_profiler_stop(profiler);
 *     ebb_profiler_save(profiler, "profile.svg", &error);
 *     ebb_profiler_close(profiler);
 *
 * Every byte the ledger counts is there, and nothing is sampled: the profiler is told by the ledger
 * itself, page by page. Its memory is taken at the start and never grows: when the timeline is
 * full, neighbouring moments are joined, each time keeping the one with more bytes, so peaks stay.
 * A runtime without a profiler pays one predictable branch for each block of pages.
 *
 * Threads: any.
 */
#ifndef EBB_PROFILE_H
#define EBB_PROFILE_H

#include "ebb/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A profiler: a plain value. {0} is never valid; stale after close. */
typedef struct ebb_profiler {
    uint64_t id;
} ebb_profiler;

/** Zero in any field means the default named beside it. */
typedef struct ebb_profiler_options {
    size_t struct_size;
    uint32_t
        moments_max; /**< of the timeline, before neighbours are joined; 0 = 1024, at least 16 */
    uint32_t owners_max;  /**< told apart; the rest is "others". 0 = 31, at most 255 */
    uint32_t spans_max;   /**< loads, predictions, unloads kept, the newest; 0 = 512 */
    uint64_t interval_ns; /**< at most one moment in so long; 0 = every change */
    uint64_t bytes_max;   /**< of the profiler itself: fewer moments; 0 = none */
} ebb_profiler_options;
#define EBB_PROFILER_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(ebb_profiler_options), 0, 0, 0, 0, 0                                                \
    }

/**
 * Starts a profiler; what is live already is its first moment. One at a time for a runtime.
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_STATE (another one runs); EBB_E_MEMORY
 * Memory: class meta, about 270 KiB by default, counted by the ledger as everything is; the profile
 * leaves it out.
 */
EBB_API ebb_status ebb_profiler_start(ebb_runtime runtime, const ebb_profiler_options *options,
                                      ebb_profiler *profiler, ebb_error *error);

/** Puts a label on the timeline, at this moment: "epoch 2". 47 bytes, the first 64 labels.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_STATE (stopped) */
EBB_API ebb_status ebb_profiler_mark(ebb_profiler profiler, const char *label);

/** Ends the timeline; it can still be read and written. Once more: nothing.
 *  @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_profiler_stop(ebb_profiler profiler);

/** Gives its memory back, stopping it first; closing the runtime does so too.
 *  @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_profiler_close(ebb_profiler profiler);

/** The profile in figures. Bytes are those of the runtime without the profiler's own. */
typedef struct ebb_profile {
    uint64_t current, peak; /**< live bytes now (or when it stopped), and the most */
    uint64_t peak_ns;       /**< when, since the start */
    uint64_t time_ns;       /**< from the start until now, or until it stopped */
    uint64_t changes;       /**< blocks that came or went */
    uint32_t moments;       /**< on the timeline */
    uint32_t joined;        /**< moments that were joined with their neighbour */
    uint32_t owners, marks, spans;
    uint32_t spans_dropped;  /**< older ones that made room */
    uint64_t bytes_profiler; /**< its own memory */
    uint64_t reserved[4];
} ebb_profile;
/** @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_profiler_read(ebb_profiler profiler, ebb_profile *profile);

typedef enum ebb_profile_format {
    EBB_PROFILE_TEXT = 0, /**< a table by owner and class, and the timeline as a bar chart */
    EBB_PROFILE_JSON = 1, /**< one object: owners, classes, every moment, marks, spans */
    EBB_PROFILE_SVG = 2,  /**< a drawing: stacked areas by owner, peak line, marks, legend */
    EBB_PROFILE_TRACE = 3 /**< trace events for chrome://tracing, Perfetto, TensorBoard */
} ebb_profile_format;

/** Writes the profile, running or stopped. @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT;
 *  EBB_E_CANCELLED (write returned false); EBB_E_MEMORY
 *  Memory: a copy of the timeline, class scratch, given back on return. */
EBB_API ebb_status ebb_profiler_write(ebb_profiler profiler, ebb_profile_format format,
                                      ebb_text_function write, void *context, ebb_error *error);

/** Writes the profile to a file, its format told by the ending (".txt", ".json", ".svg",
 *  ".trace.json"); a path that ends with a slash, or names a folder, gets all four: profile.txt,
 *  profile.json, profile.svg, profile.trace.json. A folder that is not there is made.
 *  @return as ebb_profiler_write(); EBB_E_IO; EBB_E_ARGUMENT (another ending) */
EBB_API ebb_status ebb_profiler_save(ebb_profiler profiler, const char *path, ebb_error *error);

#ifdef __cplusplus
}
#endif
#endif
