/**
 * @file parts.h
 * Model files taken apart and put together: texts and arrays, without a model. For those who make
 * models by other means, such as layers written in Python.
 *
 * Threads: any thread may call anything.
 */
#ifndef EBB_PARTS_H
#define EBB_PARTS_H

#include "ebb/arrays.h"
#include "ebb/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Writes what a `.keras` or `.h5` file (or folder) says beside its numbers, as one JSON object:
 *
 *     {"format": "h5", "keras_version": "2.4.0", "by_path": false,
 *      "config": "...", "compile_config": {...},
 *      "groups": [{"name": "dense", "arrays": ["dense/dense/kernel:0"]}], "optimizer": [...]}
 *
 * `config` is the text of the file's configuration, which may name classes that ebb has not; null
 * for a file of weights alone, and for `.keras`, where it is the member config.json.
 * `compile_config` is that of `.h5` files, null if there is none. `groups` are the weights in the
 * file's order: by layer, or by object path (by_path) as "layers/dense".
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_NOT_FOUND; EBB_E_FORMAT; EBB_E_UNSUPPORTED (no
 *         such parts: a SavedModel); EBB_E_IO; EBB_E_MEMORY; EBB_E_CANCELLED (write returned false)
 * Memory: class scratch, given back on return.
 */
EBB_API ebb_status ebb_parts_write(ebb_runtime runtime, const char *path, ebb_text_function write,
                                   void *context, ebb_error *error);

/**
 * Reads every array of such a file, those of the optimizer last, named as ebb_parts_write() names
 * them; for ebb_arrays_count(), ebb_arrays_read() and ebb_arrays_close().
 * @return as ebb_parts_write()
 * Memory: class data, the arrays, until they are closed.
 */
EBB_API ebb_status ebb_parts_open(ebb_runtime runtime, const char *path, ebb_arrays *arrays,
                                  ebb_error *error);

/** One array of a file. */
typedef struct ebb_part {
    const char *name;  /**< `.keras`, `.weights.h5`: its path, "layers/dense/vars/0"; `.h5`:
                            "dense/kernel" */
    const char *layer; /**< `.h5`: whose group it is in; a layer without arrays is one part without
                            a name. NULL = optimizer_weights. Others: NULL */
    ebb_view view;
} ebb_part;

/** Zero = none. */
typedef struct ebb_parts {
    size_t struct_size;
    const char *config;   /**< `.keras`: config.json; `.h5`: model_config */
    const char *settings; /**< `.h5`: training_config; `.keras`: none, they are in config.json */
    const char *keras_version; /**< NULL = that of this library */
    const ebb_part *parts;
    size_t count;
    bool deflate; /**< `.keras`: compress */
} ebb_parts;
#define EBB_PARTS_INIT                                                                             \
    {                                                                                              \
        sizeof(ebb_parts), NULL, NULL, NULL, NULL, 0, false                                        \
    }

/**
 * Writes a file of parts: `.keras`, `.weights.h5`, or `.h5`/`.hdf5`, told by the ending. The file
 * appears whole or not at all. Nothing is checked but that it can be written.
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (another ending, two arrays of a name, no shape);
 *         EBB_E_IO; EBB_E_MEMORY
 * Memory: class scratch, the directory of the file, given back on return.
 */
EBB_API ebb_status ebb_parts_save(ebb_runtime runtime, const char *path, const ebb_parts *parts,
                                  ebb_error *error);

#ifdef __cplusplus
}
#endif
#endif
