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

ebb_status arrays_read(runtime *r, const char *path, arrays **result, ebb_error *error);
/* Takes them out of the runtime's list and gives their memory back. */
void arrays_close(runtime *r, arrays *a);
ebb_status arrays_save(runtime *r, const char *path, const char *const *names,
                       const ebb_views *views, ebb_error *error);

#endif
