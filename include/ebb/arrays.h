/**
 * @file arrays.h
 * Arrays in files, .npy and .npz, as numpy reads and writes them; and arrays in memory.
 */
#ifndef EBB_ARRAYS_H
#define EBB_ARRAYS_H

#include "ebb/runtime.h"
#include "ebb/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The arrays of one file, in memory of class data. {0} is never valid. */
typedef struct ebb_arrays {
    uint64_t id;
} ebb_arrays;

/**
 * Reads a .npy (one array, named "") or a .npz (members in file order, stored or deflated).
 * @return EBB_OK; EBB_E_NOT_FOUND; EBB_E_FORMAT; EBB_E_UNSUPPORTED (Fortran order, objects,
 * strings, by name); EBB_E_MEMORY; EBB_E_STALE
 */
EBB_API ebb_status ebb_arrays_open(ebb_runtime runtime, const char *path, ebb_arrays *arrays,
                                   ebb_error *error);
/** Gives the memory back; closing the runtime does so too. @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_arrays_close(ebb_arrays arrays);

/** How many arrays; 0 for a stale handle. */
EBB_API uint32_t ebb_arrays_count(ebb_arrays arrays);
/** Array number `index`: its name and a view, both valid until ebb_arrays_close().
 *  @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_arrays_read(ebb_arrays arrays, uint32_t index, const char **name,
                                   ebb_view *view);

/**
 * Writes arrays: a path that ends with ".npy" takes exactly one, any other becomes a .npz (not
 * compressed). The file appears whole or not at all. @return EBB_OK; EBB_E_ARGUMENT; EBB_E_IO;
 * EBB_E_MEMORY; EBB_E_STALE
 */
EBB_API ebb_status ebb_arrays_save(ebb_runtime runtime, const char *path, const char *const *names,
                                   const ebb_views *views, ebb_error *error);

/* -- arrays in memory -------------------------------------------------------------------------- */

/** One array in memory of class data: a plain value. {0} is never valid. */
typedef struct ebb_array {
    uint64_t id;
} ebb_array;

/**
 * Opens an array of zeros on a logical device: memory for whoever computes beside ebb, counted on
 * the same ledger and under the same limits as models are.
 *
 * The memory belongs to the caller until ebb_array_close(); the view's data are aligned to 64 bytes
 * and at no time moved. An array of no elements has a place of its own all the same. Small arrays
 * (up to 1 KiB) share pages, so that thousands of them cost little: the first of a page takes it
 * from the ledger, the last gives it back.
 * @param dims    `rank` of them, none negative
 * @param device  "CPU:0", in any form of ebb/device.h; NULL = the thread's device scope, or the
 *                first device
 * @param view    type, dims and data; may be NULL
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_NOT_FOUND (no such device: names those that
 *         are there); EBB_E_MEMORY (a limit of the device or the runtime, or more than the machine
 *         has: at once, nothing is promised that cannot be kept)
 */
EBB_API ebb_status ebb_array_open(ebb_runtime runtime, ebb_dtype dtype, uint32_t rank,
                                  const int64_t *dims, const char *device, ebb_array *array,
                                  ebb_view *view, ebb_error *error);
/** The view that ebb_array_open() gave, and the name of the logical device ("CPU:0"; static as long
 *  as the runtime is open). Either may be NULL. @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_array_read(ebb_array array, ebb_view *view, const char **device);
/** Gives the memory back; closing the runtime does so too. @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_array_close(ebb_array array);

#ifdef __cplusplus
}
#endif
#endif
