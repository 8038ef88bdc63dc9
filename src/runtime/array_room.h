/* array_room.h -- arrays that callers have open: ebb_array_open().
 *
 *     region "array"        a large one: a block of its own pages     class data, its device
 *     region "arrays"       one page of places of one size            class data, its device
 *       ├─ slab           who is in it
 *       ├─ place: array, its numbers
 *       └─ place ...
 *     region "arrays"       the same for what large ones are known by class meta
 *
 * A page comes with its first array and goes with its last one, so an array opened and closed
 * leaves nothing, and a thousand small ones take a few dozen pages. Everything here is guarded by
 * the runtime's mutex; a block of a large array is taken and given back outside it. */
#ifndef EBB_RUNTIME_ARRAY_ROOM_H
#define EBB_RUNTIME_ARRAY_ROOM_H

#include "ebb/arrays.h"
#include "runtime/devices.h"

typedef struct slab slab;

/* One open array; what it says of itself stays as it is until it is closed. */
typedef struct array {
    uint64_t id; /* 0: the place is free, or not known to anybody yet */
    slab *home;
    logical_device *device;
    region *own;             /* of a large one */
    struct array *next_free; /* of a free place */
    ebb_view view;
} array;

/* An array of zeros: its handle is issued. */
ebb_status array_make(runtime *r, ebb_dtype dtype, uint32_t rank, const int64_t *dims,
                      const char *device, array **result, ebb_error *error);
/* Gives it back; its handle is closing, or never was. */
void array_give_back(runtime *r, array *a);
uint64_t array_owner(const array *a); /* id of its runtime */
/* Ends every array of a runtime that is closing. */
void arrays_in_memory_close(runtime *r);

#endif
