/**
 * @file device.h
 * Devices: which there are, how they are divided, how much each may hold, and where models go.
 *
 *     physical CPU:0 --+-- logical CPU:0   limit 64 MiB   "mnist"
 *                      +-- logical CPU:1   limit 1 GiB    "resnet50"
 *
 * A *physical* device is a piece of hardware. A *logical* one is what models are loaded on: all of
 * a physical device, or a part of it with a limit of its own. Every byte of a runtime is charged
 * to exactly one logical device; what belongs to no model (the runtime itself, arrays, builders)
 * is CPU:0's. The live bytes of all devices add up to those of the runtime.
 *
 * The rules are those of `tf.config` in TensorFlow 2: the configuration may be changed until the
 * first use (a load, a plan, a list of the logical devices, a figure of one, a device scope); from
 * then on it is fixed for the life of the runtime, and a change is EBB_E_STATE. Asking for what is
 * configured already is never an error.
 *
 * **Device strings** are those of TensorFlow: "CPU:1", "/CPU:1", "/cpu:1", "/device:CPU:1",
 * "/job:localhost/replica:0/task:0/device:CPU:1", "/physical_device:CPU:0". A missing number, or
 * `*`, is 0. A string without a kind ("/job:localhost"), "" and NULL name the first device.
 *
 * Threads: any thread may call anything.
 */
#ifndef EBB_DEVICE_H
#define EBB_DEVICE_H

#include "ebb/memory.h"
#include "ebb/model.h"
#include "ebb/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EBB_DEVICE_NAME_BYTES 32

/* -- What there is ----------------------------------------------------------------------------- */

/** One piece of hardware. */
typedef struct ebb_physical_device_info {
    char name[EBB_DEVICE_NAME_BYTES]; /**< "CPU:0" */
    char description[128];            /**< processor, cores, instruction sets in use */
    uint32_t logical;                 /**< logical devices it is; 0 when it is hidden */
    bool is_visible;
    bool is_divided; /**< ebb_device_logical_set() was called */
    bool has_growth; /**< ebb_device_growth_set(); true at first */
    uint64_t reserved[4];
} ebb_physical_device_info;

/** Lists the hardware: fills up to *count entries and sets *count to how many there are. Is no
 *  first use. @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_physical_devices_list(ebb_runtime runtime, ebb_physical_device_info *devices,
                                             size_t *count);

/** One logical device. */
typedef struct ebb_device_info {
    char name[EBB_DEVICE_NAME_BYTES]; /**< "CPU:1" */
    char description[128];            /**< of its physical device */
    uint64_t bytes_live;
    uint64_t bytes_limit; /**< 0 = none of its own; that of the runtime holds besides */
    uint64_t bytes_peak;  /**< highest live since open or ebb_device_peak_reset() */
    uint32_t physical;    /**< its place in ebb_physical_devices_list() */
    uint32_t models;      /**< loaded on it */
    uint64_t reserved[2];
} ebb_device_info;

/** Lists the logical devices, as ebb_physical_devices_list(). A first use.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (no place for the count; memory growth differs
 *          between devices of one kind) */
EBB_API ebb_status ebb_devices_list(ebb_runtime runtime, ebb_device_info *devices, size_t *count,
                                    ebb_error *error);

/** Is there such a logical device? "GPU" asks for any of the kind. Is no first use.
 *  @return false also for a stale runtime and for text that is no device */
EBB_API bool ebb_device_exists(ebb_runtime runtime, const char *device);

/** Writes a device string in its short form, "CPU:1", without looking at what is there; "" if it
 *  names no kind. @return EBB_OK; EBB_E_ARGUMENT (says what is wrong with it); EBB_E_NOT_FOUND
 *  (a job, replica or task that is not this process) */
EBB_API ebb_status ebb_device_text_read(const char *device, char name[EBB_DEVICE_NAME_BYTES],
                                        ebb_error *error);

/* -- Configuration, before the first use ------------------------------------------------------- */

/**
 * Divides a physical device into `count` logical ones, the n-th of which may hold bytes_max[n]
 * bytes (0 = no limit of its own). With count 1 this is the memory limit of the whole device.
 *
 * A limit is a promise about the most, never a reservation: no page is taken before something is
 * put on the device. It is kept page by page: what does not fit fails with EBB_E_MEMORY, which
 * names the device, its limit and what is in use.
 *
 * @param bytes_max  NULL = no limits
 * @param count      1 to 64
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (memory growth was set for the device; the limit is
 *         below what the runtime holds on it); EBB_E_NOT_FOUND; EBB_E_MEMORY;
 *         EBB_E_STATE ("Virtual devices cannot be modified after being initialized")
 * Memory: class meta of the runtime, a page, until it closes. Source:
 * tf.config.set_logical_device_configuration; there CPUs take no limits, here they do.
 */
EBB_API ebb_status ebb_device_logical_set(ebb_runtime runtime, const char *physical_device,
                                          const uint64_t *bytes_max, size_t count,
                                          ebb_error *error);

/**
 * Sets memory growth. With it (the default) a device takes memory as models need it and gives it
 * back as they go. Without it TensorFlow would take all memory at once; ebb still reserves nothing,
 * so the two differ in nothing that can be measured: the setting is kept, checked by TensorFlow's
 * rules and shown, for programs that set it.
 *
 * @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND; EBB_E_ARGUMENT ("Cannot set memory growth on device
 *         when virtual devices configured"); EBB_E_STATE (after the first use)
 * It has to be the same for all devices of a kind; the first use says so: EBB_E_ARGUMENT ("Memory
 * growth cannot differ between GPU devices"). Source: tf.config.experimental.set_memory_growth;
 * there for GPUs only.
 */
EBB_API ebb_status ebb_device_growth_set(ebb_runtime runtime, const char *physical_device,
                                         bool has_growth, ebb_error *error);

/**
 * Hides a physical device from the logical ones, or shows it again; those of its kind behind it
 * move up. @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND; EBB_E_ARGUMENT (the first device, where
 * the runtime itself lives); EBB_E_MEMORY; EBB_E_STATE ("Visible devices cannot be modified after
 * being initialized"). Source: tf.config.set_visible_devices.
 */
EBB_API ebb_status ebb_device_visible_set(ebb_runtime runtime, const char *physical_device,
                                          bool is_visible, ebb_error *error);

/**
 * Soft placement: a device that is not there is replaced by the first one, instead of
 * EBB_E_NOT_FOUND. ebb_runtime_options.soft_placement says how a runtime begins; this may be called
 * at any time. @return EBB_OK; EBB_E_STALE. Source: tf.config.set_soft_device_placement.
 */
EBB_API ebb_status ebb_soft_placement_set(ebb_runtime runtime, bool is_soft);

/* -- Placement --------------------------------------------------------------------------------- */

/**
 * From now on this thread puts what names no device on this one: models that are loaded, planned,
 * built or cloned with ebb_load_options.device NULL. `tf.device` as a pair of calls:
 *
 *     ebb_device_scope_push(runtime, "/CPU:1", &error);
 *     ebb_model_load(runtime, "model.keras", NULL, &model, &error);
 *     ebb_device_scope_pop(runtime, &error);
 *
 * Scopes nest; the innermost counts. A string without a kind keeps the device of the scope around
 * it, NULL is the first device whatever is around. A scope belongs to the thread that pushed it,
 * which pops it before it ends.
 *
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (text that is no device); EBB_E_NOT_FOUND (names the
 *         devices that are there; never with soft placement); EBB_E_STATE (200 scopes are open);
 *         EBB_E_MEMORY
 * Memory: one page of class meta of the runtime while any thread has a scope. A first use.
 */
EBB_API ebb_status ebb_device_scope_push(ebb_runtime runtime, const char *device, ebb_error *error);

/** Ends the innermost scope of this thread. @return EBB_OK; EBB_E_STALE; EBB_E_STATE (it has
 *  none) */
EBB_API ebb_status ebb_device_scope_pop(ebb_runtime runtime, ebb_error *error);

/** Where this thread puts what names no device. A first use. @return EBB_OK; EBB_E_STALE;
 *  EBB_E_ARGUMENT */
EBB_API ebb_status ebb_device_scope_read(ebb_runtime runtime, char name[EBB_DEVICE_NAME_BYTES],
                                         ebb_error *error);

/**
 * Moves a model to another logical device: every byte of it is charged there, its training
 * included. Predictions go on meanwhile, the handle stays. Between parts of one physical device,
 * which share its memory, no byte is copied in memory; the move is counted as a transfer all the
 * same. A model that does not fit stays where it is.
 *
 * @return EBB_OK (also when it is there already); EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_NOT_FOUND;
 *         EBB_E_MEMORY (names the limit, what is in use, and what could go); EBB_E_UNSUPPORTED
 *         (to another physical device: load it there)
 */
EBB_API ebb_status ebb_model_move(ebb_model model, const char *device, ebb_error *error);

/* -- Figures ----------------------------------------------------------------------------------- */

/**
 * The ledger of one logical device: live, by_class, cached, peak, limit, models; fixed, threads and
 * descriptors are those of the runtime and 0 here. A first use.
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_NOT_FOUND. Source:
 * tf.config.experimental.get_memory_info.
 */
EBB_API ebb_status ebb_device_memory_read(ebb_runtime runtime, const char *device,
                                          ebb_memory *memory, ebb_error *error);

/** Sets the peak of a device to what is live. @return as ebb_device_memory_read(). Source:
 *  tf.config.experimental.reset_memory_stats. */
EBB_API ebb_status ebb_device_peak_reset(ebb_runtime runtime, const char *device, ebb_error *error);

/** What went from one device to another: weights copied between models, models moved, values of a
 *  session. */
typedef struct ebb_device_transfers {
    uint64_t count;
    uint64_t bytes;
} ebb_device_transfers;

/** Transfers of one pair since the runtime was opened. @return as ebb_device_memory_read() */
EBB_API ebb_status ebb_device_transfers_read(ebb_runtime runtime, const char *from, const char *to,
                                             ebb_device_transfers *transfers, ebb_error *error);

#ifdef __cplusplus
}
#endif
#endif
