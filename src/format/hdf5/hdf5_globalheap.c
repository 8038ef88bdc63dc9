/* hdf5_globalheap.c -- the global heap: collections of numbered objects, where strings of variable
 * length are.
 *
 *     "GCOL" version 3x0 length | object | object | ... | object 0: free
 *     object: index 2, references 2, 4x0, length L, data padded to 8
 *
 * A collection is read once per call. Strings of one attribute usually lie one after the other, so
 * the search goes on where the last one ended; every step is charged to the work budget. Source:
 * HDF5 File Format Specification 3.0, III.E. */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"

struct hdf5_collection {
    hdf5_collection *next;
    uint64_t address;
    uint8_t *bytes;
    size_t length, first; /* of all; where the first object begins */
    size_t at;            /* where the next search begins */
};

static ebb_status collection_read(hdf5_file *file, hdf5_globalheap *heap, uint64_t address,
                                  ebb_error *error)
{
    uint8_t prefix[16];
    const size_t prefix_bytes = 8 + (size_t)file->length_bytes;
    hdf5_cursor c = hdf5_cursor_make(prefix, prefix_bytes);
    hdf5_collection *collection;
    ebb_status status = hdf5_read(file, address, prefix, prefix_bytes, error);

    if (status != EBB_OK) return status;
    if (memcmp(hdf5_take(&c, 4), "GCOL", 4) != 0 || hdf5_take_number(&c, 1) != 1) {
        return hdf5_damaged(file, address, error, "expected a collection of the global heap");
    }
    hdf5_take(&c, 3);
    const uint64_t length = hdf5_take_length(file, &c);

    collection = hdf5_scratch_alloc(file, heap->scratch, 1, sizeof *collection, error);
    if (collection == NULL) return EBB_E_MEMORY;
    status = hdf5_read_new(file, heap->scratch, address, length, &collection->bytes, error);
    if (status != EBB_OK) return status;
    collection->address = address;
    collection->length = (size_t)length;
    collection->first = (prefix_bytes + 7) & ~(size_t)7;
    collection->at = collection->first;
    collection->next = heap->first;
    heap->first = collection;
    return EBB_OK;
}

/* Makes the collection at `address` the first of the list. */
static ebb_status collection_find(hdf5_file *file, hdf5_globalheap *heap, uint64_t address,
                                  ebb_error *error)
{
    for (hdf5_collection **link = &heap->first; *link != NULL; link = &(*link)->next) {
        hdf5_collection *const found = *link;

        if (found->address == address) {
            *link = found->next;
            found->next = heap->first;
            heap->first = found;
            return EBB_OK;
        }
        const ebb_status status = hdf5_charge(file, address, 4, error);
        if (status != EBB_OK) return status;
    }
    return collection_read(file, heap, address, error);
}

/* Looks at the object at collection->at and moves on; false at the end. */
static bool object_next(const hdf5_file *file, hdf5_collection *collection, uint32_t *index,
                        hdf5_cursor *object)
{
    if (collection->at >= collection->length) return false;
    hdf5_cursor c =
        hdf5_cursor_make(collection->bytes + collection->at, collection->length - collection->at);

    *index = (uint32_t)hdf5_take_number(&c, 2);
    hdf5_take(&c, 6);
    const uint64_t length = hdf5_take_length(file, &c);

    if (c.is_bad || *index == 0 || length > hdf5_left(&c)) return false;
    *object = hdf5_cursor_make(c.at, (size_t)length);
    collection->at = (size_t)(c.at - collection->bytes) + (((size_t)length + 7) & ~(size_t)7);
    return true;
}

ebb_status hdf5_globalheap_find(hdf5_file *file, hdf5_globalheap *heap, uint64_t address,
                                uint32_t index, size_t length, const char **text, ebb_error *error)
{
    ebb_status status = collection_find(file, heap, address, error);

    if (status != EBB_OK) return status;
    hdf5_collection *const collection = heap->first;
    bool is_second_round = collection->at == collection->first;

    for (;;) {
        hdf5_cursor object = {0};
        uint32_t found = 0;

        status = hdf5_charge(file, address, 16, error);
        if (status != EBB_OK) return status;
        if (!object_next(file, collection, &found, &object)) {
            if (is_second_round) break;
            is_second_round = true;
            collection->at = collection->first;
            continue;
        }
        if (found != index) continue;
        if (hdf5_left(&object) < length) break;
        *text = (const char *)object.at;
        return EBB_OK;
    }
    return hdf5_damaged(file, address, error, "string %u of %zu bytes is not in the global heap",
                        index, length);
}
