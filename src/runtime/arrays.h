/* arrays.h (internal) -- the arrays of a .npy or .npz file. */
#ifndef EBB_RUNTIME_ARRAYS_H
#define EBB_RUNTIME_ARRAYS_H

#include "ebb/arrays.h"
#include "runtime/runtime.h"

typedef struct array_entry {
    const char *name;
    ebb_view view;
} array_entry;

struct arrays {
    uint64_t id;
    uint64_t owner;          /* id of the runtime */
    arrays *next, *previous; /* in runtime->arrays */
    region *home;
    array_entry *entries;
    uint32_t count;
};

/* Fills in entries and count; everything lives in a->home. */
typedef ebb_status (*arrays_function)(arrays *a, const char *path, ebb_error *error);
/* Of a .npy or .npz. */
ebb_status arrays_fill(arrays *a, const char *path, ebb_error *error);
ebb_status arrays_read(runtime *r, const char *path, arrays_function fill, arrays **result,
                       ebb_error *error);
/* What the public functions that open arrays do. */
ebb_status arrays_open(ebb_runtime handle, const char *path, const char *where,
                       arrays_function fill, ebb_arrays *result, ebb_error *error);
/* Takes them out of the runtime's list and gives their memory back. */
void arrays_close(runtime *r, arrays *a);
ebb_status arrays_save(runtime *r, const char *path, const char *const *names,
                       const ebb_views *views, ebb_error *error);

#endif
