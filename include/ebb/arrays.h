/**
 * @file arrays.h
 * Arrays in files: .npy and .npz, as numpy reads and writes them.
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

#ifdef __cplusplus
}
#endif
#endif
