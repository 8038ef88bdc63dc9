/* hdf5_write.h -- writes HDF5 files as h5py does by default, so that every HDF5 tool reads them.
 *
 *     superblock | headers of groups and datasets | global heap | pad | data | pad | data ...
 *
 * Superblock 0, object headers 1, groups by symbol table; every dataset contiguous and aligned to
 * 64 bytes from the beginning of the file. The tree is made first, then laid out, then written once
 * from front to back: no size is looked up again and no byte is written twice, so the sink may be
 * the middle of another file. Equal trees give equal bytes: nothing of time or chance is in them.
 *
 *     make the tree (sticky failure) -> hdf5_write_layout() -> hdf5_write_begin() ->
 *     hdf5_write_data() per dataset, in the order they were made
 *
 * Memory: the tree in the caller's region, and the header of one group or dataset at a time.
 * Numbers are written in this machine's byte order, and say so.
 * Source: HDF5 File Format Specification 3.0; h5py 3 with libver 'earliest'. */
#ifndef EBB_FORMAT_HDF5_HDF5_WRITE_H
#define EBB_FORMAT_HDF5_HDF5_WRITE_H

#include "ebb/tensor.h"
#include "mem/region.h"

/* What an attribute's array of strings may take; longer lists are split as Keras splits them. */
#define HDF5_ATTRIBUTE_BYTES_MAX 64512

typedef struct hdf5_writer hdf5_writer;
typedef struct hdf5_item hdf5_item; /* a group or a dataset of the file to be */

/* Where the file goes, front to back. */
typedef struct hdf5_sink {
    ebb_status (*put)(void *context, const void *bytes, uint64_t length, ebb_error *error);
    void *context;
} hdf5_sink;

/* NULL: no memory. */
hdf5_writer *hdf5_write_open(region *home);
hdf5_item *hdf5_write_root(const hdf5_writer *w);

/* -- the tree: after a failure everything answers NULL or does nothing ------------------------- */

/* "a/b/c" below `parent`; groups that exist are found again. Names and texts are borrowed until the
 * file is written, paths are not. */
hdf5_item *hdf5_write_group(hdf5_writer *w, hdf5_item *parent, const char *path);
/* A dataset "a/b/c"; E_ARGUMENT at the layout if something has that name. bfloat16 is written as
 * Keras does: opaque, with the attribute dtype. */
hdf5_item *hdf5_write_dataset(hdf5_writer *w, hdf5_item *parent, const char *path, ebb_dtype dtype,
                              uint32_t rank, const int64_t *dims);
/* Before the layout: the dataset (of at least one axis, not empty) is kept in compressed chunks
 * along its first axis, as h5py makes them with compression='gzip'. They are made here, from all of
 * its data, and held until they are written; its turn of hdf5_write_data() takes no bytes then. */
ebb_status hdf5_write_deflate(hdf5_writer *w, hdf5_item *item, const void *bytes,
                              ebb_error *error);
/* Is there something of that name? */
bool hdf5_write_has(const hdf5_writer *w, const hdf5_item *parent, const char *path);
/* One string of variable length, UTF-8. */
void hdf5_write_text(hdf5_writer *w, hdf5_item *item, const char *name, const char *text);
/* An array of strings of fixed length; from HDF5_ATTRIBUTE_BYTES_MAX on name0, name1, ... */
void hdf5_write_texts(hdf5_writer *w, hdf5_item *item, const char *name, const char *const *texts,
                      uint32_t count);

/* -- the file ---------------------------------------------------------------------------------- */

/* Fixes every address. E_MEMORY, or E_ARGUMENT and E_SHAPE for what cannot be written. */
ebb_status hdf5_write_layout(hdf5_writer *w, ebb_error *error);
/* Bytes of the whole file, after the layout. */
uint64_t hdf5_write_bytes(const hdf5_writer *w);
/* Everything but the data. */
ebb_status hdf5_write_begin(hdf5_writer *w, const hdf5_sink *sink, ebb_error *error);
/* The data of the next dataset, in the order of hdf5_write_dataset(); `bytes` are all of it. */
ebb_status hdf5_write_data(hdf5_writer *w, const hdf5_item *item, const void *bytes,
                           ebb_error *error);

#endif
