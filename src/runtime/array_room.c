/* array_room.c -- see array_room.h. */
#include "runtime/array_room.h"

#include <string.h>

#include "base/status.h"
#include "mem/handle.h"
#include "mem/system_memory.h"
#include "tensor/view.h"

#define LARGE       0u                   /* places without numbers: how large arrays are known */
#define HEAD_BYTES  ((size_t)128)        /* of a slab, and of a place before its numbers */
#define CHECK_BYTES ((uint64_t)64 << 20) /* from here on the system is asked how much it has */

/* Bytes for numbers in the places of a slab, by size: 31, 20, 8 and 3 places a page. */
static const size_t room_bytes[ARRAY_SIZES] = {0, 64, 320, 1152};

/* At the beginning of its page. */
struct slab {
    region *home;
    slab *next, *previous;           /* of the runtime */
    slab *room_next, *room_previous; /* with free places, of one size and device */
    runtime *owner;
    logical_device *device;
    array *free;
    uint32_t used, size;
};

_Static_assert(sizeof(slab) <= HEAD_BYTES, "a slab must leave its places where they are");
_Static_assert(sizeof(array) <= HEAD_BYTES, "numbers stand behind what is known of them");

/* -- slabs; the runtime's mutex is held -------------------------------------------------------- */

static void slab_link(slab *s)
{
    runtime *r = s->owner;

    s->next = r->array_slabs;
    if (s->next != NULL) s->next->previous = s;
    r->array_slabs = s;
}

static void slab_unlink(slab *s)
{
    if (s->next != NULL) s->next->previous = s->previous;
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        s->owner->array_slabs = s->next;
}

static void room_link(slab *s)
{
    slab **first = &s->device->array_room[s->size];

    s->room_previous = NULL;
    s->room_next = *first;
    if (*first != NULL) (*first)->room_previous = s;
    *first = s;
}

static void room_unlink(slab *s)
{
    if (s->room_next != NULL) s->room_next->room_previous = s->room_previous;
    if (s->room_previous != NULL)
        s->room_previous->room_next = s->room_next;
    else
        s->device->array_room[s->size] = s->room_next;
}

static array *place_at(slab *s, size_t offset)
{
    return (array *)(void *)((char *)s + offset);
}

static size_t place_bytes(uint32_t size)
{
    return HEAD_BYTES + room_bytes[size];
}

/* NULL: no memory; the root tells why. */
static slab *slab_make(runtime *r, logical_device *device, uint32_t size)
{
    const ebb_class class_index = size == LARGE ? EBB_CLASS_META : EBB_CLASS_DATA;
    region *home = region_open_on(r->root, device->account, "arrays", class_index, 0);
    slab *s = home == NULL ? NULL : region_block(home, PAGE_BYTES);

    if (s == NULL) {
        region_close(home);
        return NULL;
    }
    *s = (slab){.home = home, .owner = r, .device = device, .size = size};
    const size_t bytes = place_bytes(size);
    for (size_t at = HEAD_BYTES; at + bytes <= PAGE_BYTES; at += bytes) {
        array *a = place_at(s, at);
        a->next_free = s->free;
        s->free = a;
    }
    slab_link(s);
    room_link(s);
    return s;
}

static array *place_take(runtime *r, logical_device *device, uint32_t size)
{
    slab *s = device->array_room[size];

    if (s == NULL) s = slab_make(r, device, size);
    if (s == NULL) return NULL;
    array *a = s->free;
    s->free = a->next_free;
    s->used++;
    if (s->free == NULL) room_unlink(s);
    memset(a, 0, place_bytes(size));
    a->home = s;
    return a;
}

static void place_give(array *a)
{
    slab *s = a->home;

    a->id = 0;
    a->next_free = s->free;
    if (s->free == NULL) room_link(s);
    s->free = a;
    if (--s->used > 0) return;
    room_unlink(s);
    slab_unlink(s);
    region_close(s->home);
}

/* -- arrays ------------------------------------------------------------------------------------ */

static array *place_take_locked(runtime *r, logical_device *device, uint32_t size)
{
    pthread_mutex_lock(&r->mutex);
    array *a = place_take(r, device, size);
    pthread_mutex_unlock(&r->mutex);
    return a;
}

static ebb_status small_make(runtime *r, logical_device *device, uint64_t bytes, array **result,
                             ebb_error *error)
{
    uint32_t size = 1;

    while (room_bytes[size] < bytes) size++;
    array *a = place_take_locked(r, device, size);
    if (a == NULL) return region_fail(r->root, error, "ebb_array_open", "an array");
    a->view.data = (char *)a + HEAD_BYTES;
    *result = a;
    return EBB_OK;
}

/* What an operating system promises and cannot keep would end the process when it is touched. */
static ebb_status system_ask(const runtime *r, uint64_t bytes, ebb_error *error)
{
    if (bytes < CHECK_BYTES || region_source_holds(r->root, bytes)) return EBB_OK;
    return fail(error, EBB_E_MEMORY, "ebb_array_open",
                "no memory for an array of %llu bytes: the machine has %llu left; make it smaller, "
                "or unload a model",
                (unsigned long long)bytes, (unsigned long long)system_memory_free());
}

static ebb_status large_make(runtime *r, logical_device *device, uint64_t bytes, array **result,
                             ebb_error *error)
{
    const ebb_status status = system_ask(r, bytes, error);

    if (status != EBB_OK) return status;
    region *own = region_open_on(r->root, device->account, "array", EBB_CLASS_DATA, 0);
    void *data = own == NULL ? NULL : region_block(own, bytes);
    array *a = data == NULL ? NULL : place_take_locked(r, &r->devices->logical[0], LARGE);
    if (a == NULL) {
        const region *asked = own != NULL && data == NULL ? own : r->root;
        const ebb_status found = region_fail(asked, error, "ebb_array_open", "an array");
        region_close(own);
        return found;
    }
    a->own = own;
    a->view.data = data;
    *result = a;
    return EBB_OK;
}

static ebb_status device_find(runtime *r, const char *text, logical_device **result,
                              ebb_error *error)
{
    if (text != NULL && text[0] != '\0') return devices_find(r, text, result, error);
    const ebb_status status = devices_use(r, error);
    *result = devices_here(r);
    return status;
}

ebb_status array_make(runtime *r, ebb_dtype dtype, uint32_t rank, const int64_t *dims,
                      const char *device_text, array **result, ebb_error *error)
{
    ebb_view view = {.dtype = dtype, .rank = rank};
    logical_device *device = NULL;
    ebb_status status = device_find(r, device_text, &device, error);

    if (status != EBB_OK) return status;
    if (rank > 0) memcpy(view.dims, dims, rank * sizeof *dims);
    const uint64_t bytes = ebb_view_bytes(&view);
    if (bytes > SIZE_MAX / 2) {
        return fail(error, EBB_E_MEMORY, "ebb_array_open",
                    "no memory for an array whose size does not fit into 63 bits");
    }
    status = bytes <= room_bytes[ARRAY_SIZES - 1] ? small_make(r, device, bytes, result, error)
                                                  : large_make(r, device, bytes, result, error);
    if (status != EBB_OK) return status;
    array *a = *result;
    view.data = a->view.data;
    a->view = view;
    a->device = device;
    const uint64_t id = handle_issue(HANDLE_ARRAY, a);
    if (id != 0) {
        a->id = id;
        return EBB_OK;
    }
    array_give_back(r, a);
    return fail(error, EBB_E_MEMORY, "ebb_array_open", "no handle left for another array");
}

void array_give_back(runtime *r, array *a)
{
    region *own = a->own;

    pthread_mutex_lock(&r->mutex);
    place_give(a);
    pthread_mutex_unlock(&r->mutex);
    region_close(own);
}

uint64_t array_owner(const array *a)
{
    return a->home->owner->id;
}

/* -- the end of a runtime ---------------------------------------------------------------------- */

/* In a forked child an array that a thread of the parent was closing can be closed by nobody: its
 * memory goes all the same. */
static void slab_close(slab *s)
{
    const size_t bytes = place_bytes(s->size);
    void *object = NULL;

    for (size_t at = HEAD_BYTES; at + bytes <= PAGE_BYTES; at += bytes) {
        const array *a = place_at(s, at);
        const uint64_t id = a->id;
        if (id == 0) continue;
        const bool won = handle_close_begin(HANDLE_ARRAY, id, 0, &object);
        region_close(a->own);
        if (won) handle_close_end(id);
    }
    slab_unlink(s);
    region_close(s->home);
}

void arrays_in_memory_close(runtime *r)
{
    while (r->array_slabs != NULL) slab_close(r->array_slabs);
}
