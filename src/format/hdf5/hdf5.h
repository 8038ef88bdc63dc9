/* hdf5.h -- a bounded reader of the HDF5 subset that Keras and h5py write.
 *
 * Reads: superblock 0, 2, 3; object headers 1 and 2; groups by symbol table (B-tree 1, local heap)
 * and by links (compact and dense: fractal heap); layouts compact, contiguous, chunked (B-tree 1;
 * layout 4: single chunk, implicit, fixed array, extensible array, B-tree 2 as far as h5py writes
 * them); filters deflate, shuffle, fletcher32; datatypes integers, f16/f32/f64 both endians, bool
 * (enum of int8), fixed and variable strings, 2-byte opaque (Keras's bfloat16 with attribute
 * dtype). Refused by name: external and soft links, external storage, virtual datasets,
 * references, compound types, committed types where they matter, other filters.
 *
 * Every offset is checked against the file size; counts, depth and total sizes are bounded; each
 * object header is visited once per path, cycles are found. Declared sizes: a dataset over 4 GiB
 * or, from 64 MiB on, over 1000 times its stored bytes is refused when it is compressed or chunked
 * (Keras's guard with a lower floor). Reading metadata is charged to a work budget of the file, so
 * no file keeps a caller busy much longer than its size explains.
 * Source: HDF5 File Format Specification 3.0. Memory: directory in the caller's region, at most
 * 64 MiB; everything else in scratch children that close before each call returns. A call that
 * fails for want of memory leaves the region as it was.
 */
#ifndef EBB_FORMAT_HDF5_HDF5_H
#define EBB_FORMAT_HDF5_HDF5_H

#include "ebb/tensor.h"
#include "format/source.h"

typedef struct hdf5_file  hdf5_file;
typedef struct hdf5_group hdf5_group;

typedef enum hdf5_kind { HDF5_GROUP, HDF5_DATASET } hdf5_kind;

typedef struct hdf5_object {
    const char *name;    /* link name */
    hdf5_kind   kind;
    uint64_t    address; /* of the object header */
} hdf5_object;

typedef struct hdf5_dataset {
    ebb_dtype dtype;      /* EBB_DTYPE_NONE: strings or a type that is no number */
    bool      is_opaque2; /* 2-byte opaque: BF16 if attribute dtype says "bfloat16", else NONE */
    uint32_t  rank;
    int64_t   dims[EBB_RANK_MAX];
    uint64_t  count;         /* elements */
    uint64_t  contiguous_at; /* offset in the source of raw little-endian data; else UINT64_MAX */
    const void *internal;
} hdf5_dataset;

/* An attribute or string dataset value: strings (scalar: count 1) or numbers as int64/double. */
typedef struct hdf5_value {
    uint32_t           count;
    const char *const *strings; /* zero terminated; NULL if numeric */
    const double      *numbers; /* NULL if strings */
} hdf5_value;

ebb_status hdf5_open(region *home, source *s, hdf5_file **file, ebb_error *error);

/* Members of the group at object header `address` (hdf5_root() for the root), in name order. */
uint64_t   hdf5_root(const hdf5_file *file);
ebb_status hdf5_list(hdf5_file *file, uint64_t address, const hdf5_object **objects,
                     uint32_t *count, ebb_error *error);
/* Walks "a/b/c" from a group. E_NOT_FOUND names the first missing component. */
ebb_status hdf5_find(hdf5_file *file, uint64_t address, const char *path, hdf5_object *object,
                     ebb_error *error);

/* *value.count == 0 and OK when there is no such attribute. */
ebb_status hdf5_attribute(hdf5_file *file, uint64_t address, const char *name, hdf5_value *value,
                          ebb_error *error);

ebb_status hdf5_dataset_open(hdf5_file *file, uint64_t address, hdf5_dataset **dataset,
                             ebb_error *error);
/* Elements [first, first + count) in the dataset's dtype, native endian. */
ebb_status hdf5_dataset_read(hdf5_file *file, const hdf5_dataset *dataset, uint64_t first,
                             uint64_t count, void *bytes, ebb_error *error);

#endif
