/* npy.h -- .npy headers (version 1, 2, 3) and .npz archives, bounded. Source: numpy/lib/format.py.
 * Fortran order, structured and object types are refused by name. */
#ifndef EBB_TENSOR_NPY_H
#define EBB_TENSOR_NPY_H

#include "ebb/tensor.h"
#include "mem/region.h"

typedef struct npy_header {
    ebb_dtype dtype;
    bool      swapped; /* big-endian data */
    uint32_t  rank;
    int64_t   dims[EBB_RANK_MAX];
    uint64_t  data_offset; /* bytes from the start of the .npy */
    uint64_t  data_bytes;
} npy_header;

/* Reads a header from the first `length` bytes of a .npy (64 KiB are always enough). */
ebb_status npy_header_read(const void *bytes, size_t length, const char *where, npy_header *header,
                           ebb_error *error);
/* Writes a version 1 header padded to 64; returns its length, at most 256. */
size_t npy_header_write(const npy_header *header, char bytes[256]);
/* Turns the bytes of `count` elements around, in place: for data whose header says swapped. */
void npy_swap(ebb_dtype dtype, void *data, size_t count);

#endif
