/* reader.h -- what the readers of .keras and .h5 files share, and the entries that take a source
 * instead of a path (tests, fuzzers). */
#ifndef EBB_FORMAT_KERAS_READER_H
#define EBB_FORMAT_KERAS_READER_H

#include "format/description.h"
#include "format/hdf5/hdf5.h"

#define CONFIG_BYTES_MAX ((uint64_t)64 << 20) /* of config.json or model_config */
#define TENSORS_MAX      1000000              /* of one file */
#define GROUPS_MAX       200000
#define GROUP_DEPTH_MAX  64

/* A .keras archive. The source stays open with the description (d->file); on failure it is the
 * caller's to close. `architecture` is looked at only for format_tensors_only. */
ebb_status keras_source_read(region *home, source *file, const char *architecture,
                             description **result, ebb_error *error);
/* An HDF5 file: whole model, or weights with `architecture` (a path, or NULL). */
ebb_status h5_source_read(region *home, source *file, const char *architecture,
                          description **result, ebb_error *error);

/* 1, 2 or 3 from "2.4.0"; 0 when the text is no version. */
uint32_t keras_version_major(const char *version);

/* Reads JSON text and the model in it. `version` may be "" (told by the grammar). Sets d->model,
 * and keras_version, keras_major, backend where they are still unknown. Also checks that the input
 * shape is known. */
ebb_status description_configure(region *home, description *d, const char *text, size_t length,
                                 const char *where, ebb_error *error);
/* The same from a JSON file at `path`. */
ebb_status description_architecture(region *home, description *d, const char *path,
                                    ebb_error *error);

/* vars_tree.c: every group with a "vars" child, as groups of d. */
ebb_status vars_tree_read(region *home, hdf5_file *file, description *d, ebb_error *error);
/* Does the file keep its weights by object path? */
ebb_status vars_tree_is(hdf5_file *file, bool *is_tree, ebb_error *error);

/* layer_groups.c: groups in the order of the attribute layer_names below the object `address`. */
ebb_status layer_groups_read(region *home, hdf5_file *file, uint64_t address, description *d,
                             ebb_error *error);

/* The group optimizer_weights of a whole model, if it is there. What is wrong with it is no error:
 * d->optimizer_problem tells. */
ebb_status optimizer_weights_read(region *home, hdf5_file *file, description *d, ebb_error *error);

/* One tensor of an open file. `path` and `name` are kept, not copied. */
ebb_status tensor_entry_open(region *home, hdf5_file *file, uint64_t address, const char *path,
                             const char *name, tensor_entry *entry, ebb_error *error);

#endif
