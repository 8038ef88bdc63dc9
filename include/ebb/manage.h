/**
 * @file manage.h
 * Models over a long life: a registry of named versions with rollback, wrappers that load on first
 * use and unload when idle, many files one after the other, predictions that spill to disk,
 * temporary files, a leak monitor, the list of loaded models.
 *
 * Everything here lives in a runtime and goes with it: ebb_runtime_close() closes what is still
 * open, the newest first. Handles are plain values as everywhere in ebb: {0} is never valid, a
 * closed one is an answer (EBB_E_STALE).
 *
 * Threads: any thread may call anything, unless a function says otherwise.
 */
#ifndef EBB_MANAGE_H
#define EBB_MANAGE_H

#include "ebb/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -- the models that are loaded ---------------------------------------------------------------- */

/** One loaded model. */
typedef struct ebb_model_entry {
    ebb_model model;
    char name[128];
    char path[512]; /**< empty: it was built, not loaded */
    uint64_t bytes_live, bytes_peak;
    uint64_t age_ns; /**< since it became ready */
    uint64_t reserved[4];
} ebb_model_entry;

/** Lists the loaded models, the newest first: fills up to *count entries and sets *count to how
 *  many there are. @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (count is NULL) */
EBB_API ebb_status ebb_models_list(ebb_runtime runtime, ebb_model_entry *entries, size_t *count);

/* -- registry of named versions ---------------------------------------------------------------- */

/**
 * Names, their versions (numbers from 1 on), and for each name the version that is active.
 *
 *     ebb_registry_add(g, "digits", 1, "digits_1.keras", NULL, &error);
 *     ebb_registry_add(g, "digits", 2, "digits_2.keras", NULL, &error);
 *     ebb_registry_activate(g, "digits", 1, NULL, &error);       loads 1
 *     ebb_registry_activate(g, "digits", 2, &receipt, &error);   loads 2, then unloads 1
 *     ebb_registry_rollback(g, "digits", &receipt, &error);      1 again
 *
 * A swap never refuses a call: the new version is loaded and made the active one before the old
 * one goes, and a new version that cannot be loaded leaves the old one serving. Who holds the old
 * version's handle gets EBB_E_STALE afterwards; who holds a lease is waited for; who calls
 * ebb_registry_predict() notices nothing.
 *
 * Models of a registry live in a scope of their own, so its bytes and its limit are one number.
 * Changes of one name happen one after the other; names do not wait for each other.
 */
typedef struct ebb_registry {
    uint64_t id;
} ebb_registry;

/** Zero in any field means the default named beside it. */
typedef struct ebb_registry_options {
    size_t struct_size;
    const char *tag;              /**< of its scope, in reports; NULL = "registry" */
    const char *folder;           /**< what ebb_registry_scan() looks through; NULL = none */
    uint64_t bytes_max;           /**< over all its models; 0 = the runtime's limit only */
    const ebb_load_options *load; /**< for models that are added without their own; a scope in it is
                                       the one the registry lives in. Copied. NULL = defaults */
    bool old_first;       /**< a swap unloads the old version first: the memory of one model, but
                               between the two nothing is active, and after a load that failed
                               either, unless the old version can be loaded again */
    bool keeps_previous;  /**< a swap leaves the old version loaded, so that rollback takes no load;
                               the one before that goes */
    uint64_t deadline_ns; /**< longest wait of one change for leases and calls in flight; 0 = for
                               ever. A swap whose wait ends succeeds all the same: the old version
                               goes with its last lease */
} ebb_registry_options;
#define EBB_REGISTRY_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(ebb_registry_options), NULL, NULL, 0, NULL, false, false, 0                         \
    }

/** Longest name of a registry's model, without the terminating zero. */
#define EBB_REGISTRY_NAME_MAX 127

/**
 * Opens an empty registry. Reads no folder and loads nothing.
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_MEMORY
 * Memory: class meta, some pages; one or two more for each name and version.
 */
EBB_API ebb_status ebb_registry_open(ebb_runtime runtime, const ebb_registry_options *options,
                                     ebb_registry *registry, ebb_error *error);

/**
 * Waits for leases and calls in flight, unloads all its models and closes it. Removes no file.
 * @param options  how long to wait; NULL = for ever
 * @return EBB_OK; EBB_E_STALE; EBB_E_BUSY (leases are still out; the registry goes on)
 */
EBB_API ebb_status ebb_registry_close(ebb_registry registry, const ebb_unload_options *options,
                                      ebb_receipt *receipt, ebb_error *error);

/**
 * Makes a version known. Reads nothing: a file that is missing is found when it is loaded.
 * @param version  1 or more
 * @param load     NULL = those of the registry. Copied; a scope in it is not allowed
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_STATE (that version is known already);
 *         EBB_E_MEMORY
 */
EBB_API ebb_status ebb_registry_add(ebb_registry registry, const char *name, uint64_t version,
                                    const char *path, const ebb_load_options *load,
                                    ebb_error *error);

/** What a scan found. */
typedef struct ebb_registry_changes {
    uint32_t known;   /**< versions in the folder */
    uint32_t added;   /**< not known before */
    uint32_t dropped; /**< known from an earlier scan, gone from the folder and not loaded */
    uint32_t ignored; /**< entries that are no version of a model */
    uint64_t reserved[2];
} ebb_registry_changes;

/**
 * Looks through a folder laid out as TensorFlow Serving's and makes its versions known; forgets
 * those from an earlier scan that are gone and not loaded. Activates nothing.
 *
 *     FOLDER/digits/1/saved_model.pb ...      a SavedModel folder
 *     FOLDER/digits/2/digits.keras            a folder with one model file (.keras, .h5, .hdf5)
 *     FOLDER/digits/3.keras                   a model file
 *
 * A folder whose own entries are versions is one model, named like the folder. Names that begin
 * with a dot are not looked at.
 *
 * @param folder   NULL = that of the options
 * @param changes  may be NULL
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (no folder); EBB_E_NOT_FOUND; EBB_E_IO; EBB_E_MEMORY
 */
EBB_API ebb_status ebb_registry_scan(ebb_registry registry, const char *folder,
                                     ebb_registry_changes *changes, ebb_error *error);

/** Loads a version beside the active one, without making it active. Already loaded: nothing is
 *  done. @param version 0 = the highest known
 *  @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND (the text lists what is known); as
 *  ebb_model_load() */
EBB_API ebb_status ebb_registry_load(ebb_registry registry, const char *name, uint64_t version,
                                     ebb_error *error);

/**
 * Makes a version the active one, loading it first; then unloads the one that was.
 *
 * Already active: nothing is done. When the wait for leases ends first (deadline_ns of the
 * options), the old version stays until its last lease is returned: receipt->bytes_kept tells its
 * bytes and receipt->kept_reason why.
 * @param version  0 = the highest known
 * @param receipt  what the old version gave back; may be NULL
 * @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND; as ebb_model_load(): the old version goes on
 */
EBB_API ebb_status ebb_registry_activate(ebb_registry registry, const char *name, uint64_t version,
                                         ebb_receipt *receipt, ebb_error *error);

/**
 * Makes the version active that was active before, as ebb_registry_activate() does. Called again it
 * goes further back, up to 16 changes. Versions that were deleted or forgotten are left out.
 * @return as ebb_registry_activate(); EBB_E_STATE (there is no earlier one)
 */
EBB_API ebb_status ebb_registry_rollback(ebb_registry registry, const char *name,
                                         ebb_receipt *receipt, ebb_error *error);

/** The model of a version. It may be unloaded by a swap at any time: calls then say EBB_E_STALE.
 *  @param version 0 = the active one
 *  @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND (no such name or version); EBB_E_STATE (known, but
 *  not loaded, or none is active) */
EBB_API ebb_status ebb_registry_model(ebb_registry registry, const char *name, uint64_t version,
                                      ebb_model *model, ebb_error *error);

/** A model that no change of its registry unloads before it is returned. A plain value. */
typedef struct ebb_lease {
    ebb_model model;
    uint64_t version;
    uint64_t registry, entry; /**< for ebb_registry_return() */
} ebb_lease;

/** As ebb_registry_model(), and the registry waits for ebb_registry_return() before it unloads the
 *  model. Who holds a lease and changes the same version waits for himself. */
EBB_API ebb_status ebb_registry_lease(ebb_registry registry, const char *name, uint64_t version,
                                      ebb_lease *lease, ebb_error *error);
/** Returns a lease, once; *lease is {0} afterwards. A version that waited for its last lease is
 *  unloaded here. @return EBB_OK; EBB_E_STALE (the registry is gone, or the lease was returned);
 *  EBB_E_ARGUMENT */
EBB_API ebb_status ebb_registry_return(ebb_lease *lease);

/** Lease, prediction and return in one: a swap meanwhile is never noticed. Status as
 *  ebb_registry_lease() and ebb_model_predict(). Allocates nothing for planned shapes. */
EBB_API ebb_status ebb_registry_predict(ebb_registry registry, const char *name, uint64_t version,
                                        const ebb_views *inputs, const ebb_views *outputs,
                                        ebb_error *error);

/** Unloads a version when its leases are back; it stays known. Was it active, none is.
 *  @param version 0 = the active one
 *  @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND; EBB_E_STATE (not loaded); EBB_E_BUSY */
EBB_API ebb_status ebb_registry_unload(ebb_registry registry, const char *name, uint64_t version,
                                       ebb_receipt *receipt, ebb_error *error);

/** Unloads a version if it is loaded, and forgets it. Its files stay.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND; EBB_E_BUSY */
EBB_API ebb_status ebb_registry_forget(ebb_registry registry, const char *name, uint64_t version,
                                       ebb_receipt *receipt, ebb_error *error);

/**
 * Removes a version's files by the rules of ebb_model_delete(), and forgets it. The folder of a
 * version that a scan found goes too when it is empty.
 * @param even_loaded  a loaded version is unloaded first; otherwise it is refused
 * @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND (no such version; or its files are gone);
 * EBB_E_STATE (loaded); EBB_E_BUSY; EBB_E_UNSUPPORTED (other things in its folder: nothing is
 * removed); EBB_E_IO
 */
EBB_API ebb_status ebb_registry_delete(ebb_registry registry, const char *name, uint64_t version,
                                       bool even_loaded, ebb_receipt *receipt, ebb_error *error);

/** One version. */
typedef struct ebb_registry_entry {
    char name[EBB_REGISTRY_NAME_MAX + 1];
    uint64_t version;
    char path[512];
    bool is_active, is_loaded;
    bool is_leaving; /**< goes with its last lease */
    uint32_t leases;
    ebb_model model; /**< {0} unless loaded */
    uint64_t bytes_live;
    uint64_t reserved[2];
} ebb_registry_entry;

/** Lists versions, sorted by name and number: fills up to *count entries and sets *count to how
 *  many there are. @param name NULL = all
 *  @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_registry_list(ebb_registry registry, const char *name,
                                     ebb_registry_entry *entries, size_t *count);

/* -- loaded on first use, unloaded when idle ----------------------------------------------------
 */

/**
 * A file that becomes a model when it is used and goes when it is idle.
 *
 * Idle models are found without a thread: at every call on any wrapper of the runtime, and by
 * ebb_idle_collect(). A host that may fall silent starts a timer (ebb_idle_timer()).
 *
 * Several wrappers share the limit they load under: the runtime's bytes_max, or that of a scope
 * (options.load->scope). A load that finds no room unloads idle wrappers under that limit, the
 * least recently used first, if that makes enough room; models that were not loaded by a wrapper
 * are never touched.
 */
typedef struct ebb_lazy {
    uint64_t id;
} ebb_lazy;

/** Zero in any field means the default named beside it. */
typedef struct ebb_lazy_options {
    size_t struct_size;
    const ebb_load_options *load; /**< copied; NULL = defaults */
    uint64_t idle_ns; /**< unused for so long it is unloaded; 0 = 5 minutes, UINT64_MAX = never */
    uint64_t wait_ns; /**< how long a load waits for room while others are in use; 0 = not at all */
} ebb_lazy_options;
#define EBB_LAZY_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(ebb_lazy_options), NULL, 0, 0                                                       \
    }

/** Opens a wrapper. Reads nothing: a file that is missing is found at the first use.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_MEMORY
 *  Memory: class meta, one page; what the model takes comes and goes. */
EBB_API ebb_status ebb_lazy_open(ebb_runtime runtime, const char *path,
                                 const ebb_lazy_options *options, ebb_lazy *lazy, ebb_error *error);

/** Waits until every ebb_lazy_acquire() is released, unloads and closes.
 *  @param options  how long to wait; NULL = for ever
 *  @return EBB_OK; EBB_E_STALE; EBB_E_BUSY (the wrapper goes on) */
EBB_API ebb_status ebb_lazy_close(ebb_lazy lazy, const ebb_unload_options *options,
                                  ebb_receipt *receipt, ebb_error *error);

/** The model, loaded if it is not; it stays until ebb_lazy_release(). Several threads that come
 *  first wait for one load. *model is 0 on failure.
 *  @return EBB_OK; EBB_E_STALE; as ebb_model_load(): the next call tries again */
EBB_API ebb_status ebb_lazy_acquire(ebb_lazy lazy, ebb_model *model, ebb_error *error);
/** Ends one acquire: from now on the model is idle. @return EBB_OK; EBB_E_STALE; EBB_E_STATE (not
 *  acquired) */
EBB_API ebb_status ebb_lazy_release(ebb_lazy lazy);

/** Acquire, prediction and release in one. Status as both. */
EBB_API ebb_status ebb_lazy_predict(ebb_lazy lazy, const ebb_views *inputs,
                                    const ebb_views *outputs, ebb_error *error);

/** Unloads now, whatever the idle time is; the next use loads again.
 *  @return EBB_OK (also when it is not loaded); EBB_E_STALE; EBB_E_BUSY (in use) */
EBB_API ebb_status ebb_lazy_unload(ebb_lazy lazy, ebb_receipt *receipt, ebb_error *error);

/** What a wrapper did so far. */
typedef struct ebb_lazy_info {
    bool is_loaded;
    uint32_t users; /**< acquired and not released */
    uint64_t bytes_live;
    uint64_t idle_ns; /**< since the last use; 0 while in use or not loaded */
    uint64_t loads, unloads;
    uint64_t evictions; /**< of the unloads: to make room for another */
    uint64_t reserved[4];
} ebb_lazy_info;
/** @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_lazy_info_read(ebb_lazy lazy, ebb_lazy_info *info);

/** Unloads every wrapper of the runtime that has been idle for its time; what they gave back is in
 *  the receipt (may be NULL). @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_idle_collect(ebb_runtime runtime, ebb_receipt *receipt);

/** Starts a thread that calls ebb_idle_collect() every `interval_ns`, or changes its interval; 0
 *  ends it. It is counted in the runtime's threads and gone when this returns, or with the runtime.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_MEMORY (no thread to be had) */
EBB_API ebb_status ebb_idle_timer(ebb_runtime runtime, uint64_t interval_ns, ebb_error *error);

/* -- many files, one after the other ------------------------------------------------------------
 */

/** Works with one model. It is unloaded afterwards. Returning false ends the run
 *  (EBB_E_CANCELLED). Must not close the runtime. */
typedef bool (*ebb_each_function)(void *context, ebb_model model, size_t index, const char *path);

/** Zero in any field means the default named beside it. */
typedef struct ebb_each_options {
    size_t struct_size;
    uint64_t bytes_max; /**< for the models of this run together; 0 = the runtime's limit only */
    const ebb_load_options *load; /**< for every file; NULL = defaults */
    bool no_prefetch;             /**< never two models at once */
    /** Told of a file that could not be loaded; returning true goes on with the next. NULL = the
     *  run ends with that file's error. */
    bool (*failed)(void *context, size_t index, const char *path, const ebb_error *error);
} ebb_each_options;
#define EBB_EACH_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(ebb_each_options), 0, NULL, false, NULL                                             \
    }

/** What a run did. */
typedef struct ebb_each_report {
    uint32_t done, failed; /**< files */
    uint32_t prefetched;   /**< of those done: loaded ahead of their turn, by the thread */
    uint64_t bytes_peak;   /**< highest live bytes of the models of this run */
    uint64_t load_ns;      /**< spent loading, in either thread */
    uint64_t wait_ns;      /**< of that: the function was not at work meanwhile */
    uint64_t work_ns;      /**< in the function */
    uint64_t time_ns;      /**< whole call */
    ebb_receipt receipt;   /**< everything that came and went: models, bytes, threads */
    uint64_t reserved[4];
} ebb_each_report;

/**
 * Loads each file, gives it to the function and unloads it. While the function works, a thread
 * loads the next file, if what that takes (ebb_model_plan()) fits beside this one within bytes_max,
 * the scope's and the runtime's limit; otherwise it is loaded afterwards. When this returns the
 * models and the thread are gone.
 *
 * @param report  may be NULL; filled also on failure
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_CANCELLED; EBB_E_MEMORY; the error of the file
 *         that ended the run
 */
EBB_API ebb_status ebb_models_each(ebb_runtime runtime, const char *const *paths, size_t count,
                                   const ebb_each_options *options, ebb_each_function function,
                                   void *context, ebb_each_report *report, ebb_error *error);

/* -- predictions to disk ------------------------------------------------------------------------
 */

/** A .npy file that grows batch by batch. */
typedef struct ebb_spill {
    uint64_t id;
} ebb_spill;

/** Begins a file: it is written beside its name and gets it when it is closed.
 *  @param path  ends with ".npy"
 *  @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_IO; EBB_E_MEMORY
 *  Memory: one page. */
EBB_API ebb_status ebb_spill_open(ebb_runtime runtime, const char *path, ebb_spill *spill,
                                  ebb_error *error);
/** Appends rows: dims[0] is their number. The first batch fixes the type and the other dims.
 *  A batch that could not be written leaves the rows before it as they were.
 *  Threads: one append at a time (EBB_E_BUSY).
 *  @return EBB_OK; EBB_E_STALE; EBB_E_SHAPE; EBB_E_DTYPE; EBB_E_ARGUMENT; EBB_E_IO; EBB_E_BUSY */
EBB_API ebb_status ebb_spill_append(ebb_spill spill, const ebb_view *rows, ebb_error *error);
/** Writes the header with the rows there are, forces the file to disk and gives it its name; an
 *  earlier file of that name goes. On failure nothing of it is left.
 *  @param rows  how many; may be NULL
 *  @return EBB_OK; EBB_E_STALE; EBB_E_STATE (nothing was appended); EBB_E_IO */
EBB_API ebb_status ebb_spill_close(ebb_spill spill, uint64_t *rows, ebb_error *error);
/** Throws it away; closing the runtime does so too. @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_spill_discard(ebb_spill spill);

/* -- temporary files ----------------------------------------------------------------------------
 */

/** Whose file it is, and what. Zero in any field means the default named beside it. */
typedef struct ebb_temporary_options {
    size_t struct_size;
    const char *folder; /**< where; NULL = the variable TMPDIR, else "/tmp" */
    const char *suffix; /**< end of its name: ".npy"; NULL = none */
    bool is_folder;     /**< a folder, whatever will be in it */
    ebb_model model;    /**< goes with this model, */
    ebb_scope scope;    /**< or this scope; both {0} = with the runtime */
} ebb_temporary_options;
#define EBB_TEMPORARY_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(ebb_temporary_options), NULL, NULL, false, {0},                                     \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/**
 * Makes an empty file or folder that only this user can read, and removes it when its owner goes:
 * the receipt of the unload or close lists it (files_removed, files). What was put into a folder
 * goes with it; links in it are removed, never followed.
 *
 * A process that is killed leaves its files behind: ebb_temporary_collect() finds them by their
 * name, "ebb-HOST-BOOT-PROCESS-START-NUMBER" and the suffix.
 * @param path  receives the name, at most `capacity` bytes with its zero
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (a suffix with a slash; both owners); EBB_E_NOT_FOUND
 *         (no such folder); EBB_E_IO; EBB_E_MEMORY
 * Memory: class meta, one page of the runtime until it is removed.
 */
EBB_API ebb_status ebb_temporary_file(ebb_runtime runtime, const ebb_temporary_options *options,
                                      char *path, size_t capacity, ebb_error *error);

/** Removes one of them now. It may be gone already.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND (not one of this runtime's); EBB_E_IO */
EBB_API ebb_status ebb_temporary_remove(ebb_runtime runtime, const char *path, ebb_error *error);

/** Removes what processes that are gone left in a folder: files of this user, made on this machine
 *  (and, in a container, in this one) by ebb_temporary_file(). Files of processes that live, and
 *  everything of other names, stay. @param folder NULL = as above
 *  @param receipt  lists what was removed; may be NULL
 *  @return EBB_OK; EBB_E_NOT_FOUND; EBB_E_IO */
EBB_API ebb_status ebb_temporary_collect(const char *folder, ebb_receipt *receipt,
                                         ebb_error *error);

/* -- leak monitor -------------------------------------------------------------------------------
 */

/** Weak references with labels: it keeps no model alive. */
typedef struct ebb_monitor {
    uint64_t id;
} ebb_monitor;

/** Opens a monitor. @return EBB_OK; EBB_E_STALE; EBB_E_MEMORY. Memory: class meta, one page. */
EBB_API ebb_status ebb_monitor_open(ebb_runtime runtime, ebb_monitor *monitor, ebb_error *error);
/** @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_monitor_close(ebb_monitor monitor);

/** Begins to watch a model. @param label NULL = the model's name
 *  @return EBB_OK; EBB_E_STALE; EBB_E_MEMORY; EBB_E_ARGUMENT (of another runtime) */
EBB_API ebb_status ebb_monitor_watch(ebb_monitor monitor, ebb_model model, const char *label,
                                     ebb_error *error);
/** Watches none any more. @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_monitor_clear(ebb_monitor monitor);

/** What a check found. */
typedef struct ebb_monitor_report {
    uint32_t watched;
    uint32_t gone;   /**< unloaded, every byte back */
    uint32_t loaded; /**< still loaded: in use, or forgotten */
    uint32_t leaked; /**< unloaded, but bytes of it are still held: 0 in every known case */
    uint64_t bytes;  /**< live bytes of the models that are not gone */
    uint64_t live_before, live_now; /**< the whole runtime, when the monitor opened and now */
    uint64_t reserved[4];
} ebb_monitor_report;

/**
 * Looks at every watched model, in the order they were watched, and writes a line for each:
 *
 *     first: Model successfully garbage collected
 *     second: Warning: Potential memory leak detected!
 *       still loaded after 1.204 s: 77,824 bytes (weights 61,440, activations 8,192, meta 8,192)
 *       from second.keras
 *
 * The reference alone proves nothing, so the bytes are looked at as well: the ledger knows every
 * region it ever opened by a number of its own, whatever became of the model's handle.
 *
 * @param write   may be NULL, as may report
 * @return EBB_OK; EBB_E_STALE; EBB_E_CANCELLED (write returned false)
 */
EBB_API ebb_status ebb_monitor_check(ebb_monitor monitor, ebb_text_function write, void *context,
                                     ebb_monitor_report *report, ebb_error *error);

#ifdef __cplusplus
}
#endif
#endif
