/* npz_file.h -- arrays of a .npz in memory, for tests. */
#ifndef EBB_TESTS_NPZ_FILE_H
#define EBB_TESTS_NPZ_FILE_H

#include "ebb/tensor.h"
#include "mem/region.h"

typedef struct npz_array {
    const char *name; /* without ".npy" */
    ebb_view    view; /* dtype NONE: strings, which no view can hold */
} npz_array;

typedef struct npz_file {
    npz_array *arrays;
    uint32_t   count;
} npz_file;

ebb_status npz_read(region *home, const char *path, npz_file *file, ebb_error *error);
const npz_array *npz_find(const npz_file *file, const char *name);

#endif
