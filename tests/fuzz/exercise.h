/* exercise.h -- reads everything there is in a source, as the fuzz targets and the mutator need
 * it.
 *
 * Every function returns the first status that is not OK, but goes on reading what it still can
 * reach: a damaged member must not hide the others. */
#ifndef EBB_TESTS_FUZZ_EXERCISE_H
#define EBB_TESTS_FUZZ_EXERCISE_H

#include <string.h>

#include "format/hdf5/hdf5.h"
#include "format/zip.h"

#define EXERCISE_DEPTH_MAX 100
#define EXERCISE_BYTES_MAX ((uint64_t)8 << 20)

static inline void exercise_note(ebb_status *first, ebb_status status)
{
    if (*first == EBB_OK) *first = status;
}

/* Uses the bytes, so that a sanitizer sees them read. */
static inline uint8_t exercise_sum(const void *bytes, uint64_t length)
{
    uint8_t sum = 0;

    for (uint64_t i = 0; i < length; i++) sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
    return sum;
}

static inline ebb_status exercise_dataset(hdf5_file *file, region *home, uint64_t address)
{
    hdf5_dataset *d = NULL;
    ebb_error error;
    ebb_status status = hdf5_dataset_open(file, address, &d, &error);

    if (status != EBB_OK || d->dtype == EBB_DTYPE_NONE || d->count == 0) return status;
    const uint64_t element = ebb_dtype_bytes(d->dtype);
    const uint64_t most = EXERCISE_BYTES_MAX / element, count = d->count < most ? d->count : most;
    region *room = region_open(home, "elements", EBB_CLASS_DATA, 0);
    void *bytes = room == NULL ? NULL : region_alloc(room, (size_t)count, (size_t)element);

    if (bytes != NULL) {
        status = hdf5_dataset_read(file, d, 0, count, bytes, &error);
        exercise_note(&status, hdf5_dataset_read(file, d, d->count - 1, 1, bytes, &error));
        exercise_note(&status,
                      hdf5_dataset_read(file, d, d->count / 3, (count + 1) / 2, bytes, &error));
        (void)exercise_sum(bytes, count * element);
    }
    region_close(room);
    return status;
}

static inline ebb_status exercise_attributes(hdf5_file *file, uint64_t address)
{
    static const char *const names[] = {
        "keras_version", "backend",  "model_config", "layer_names", "weight_names", "layer_names0",
        "names",         "variable", "matrix",       "padded",      "dtype",        "big"};
    ebb_status first = EBB_OK;
    ebb_error error;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        hdf5_value value;

        exercise_note(&first, hdf5_attribute(file, address, names[i], &value, &error));
        for (uint32_t k = 0; k < value.count; k++) {
            if (value.strings != NULL)
                (void)exercise_sum(value.strings[k], strlen(value.strings[k]));
            else
                (void)exercise_sum(&value.numbers[k], sizeof(double));
        }
    }
    return first;
}

static inline ebb_status exercise_group(hdf5_file *file, region *home, uint64_t address,
                                        uint32_t depth)
{
    const hdf5_object *objects = NULL;
    uint32_t count = 0;
    ebb_error error;
    ebb_status first = exercise_attributes(file, address);

    if (depth > EXERCISE_DEPTH_MAX)
        __builtin_trap(); /* the reader promises that walking down ends */
    exercise_note(&first, hdf5_list(file, address, &objects, &count, &error));
    for (uint32_t i = 0; i < count; i++) {
        hdf5_object found;

        exercise_note(&first, hdf5_find(file, address, objects[i].name, &found, &error));
        if (objects[i].kind == HDF5_GROUP) {
            exercise_note(&first, exercise_group(file, home, objects[i].address, depth + 1));
        } else {
            exercise_note(&first, exercise_dataset(file, home, objects[i].address));
            if (i < 4) exercise_note(&first, exercise_attributes(file, objects[i].address));
        }
    }
    return first;
}

static inline ebb_status exercise_hdf5(region *home, source *s)
{
    hdf5_file *file = NULL;
    ebb_error error;
    const ebb_status status = hdf5_open(home, s, &file, &error);

    return status != EBB_OK ? status : exercise_group(file, home, hdf5_root(file), 0);
}

static inline ebb_status exercise_zip(region *home, source *s)
{
    zip_archive *archive = NULL;
    ebb_error error;
    ebb_status first = zip_open(home, s, &archive, &error);

    if (first != EBB_OK) return first;
    for (uint32_t i = 0; i < archive->count; i++) {
        const zip_member *member = &archive->members[i];
        const size_t length = strlen(member->name);
        const char *bytes = NULL;
        source *inner = NULL;
        region *room = region_open(home, "member", EBB_CLASS_DATA, 0);

        if (room == NULL) continue;
        if (zip_find(archive, member->name) != member) __builtin_trap();
        exercise_note(&first, zip_read(room, archive, member, EXERCISE_BYTES_MAX, &bytes, &error));
        if (bytes != NULL) (void)exercise_sum(bytes, member->bytes + 1);
        if (length > 3 && strcmp(member->name + length - 3, ".h5") == 0 &&
            member->bytes <= EXERCISE_BYTES_MAX) {
            const ebb_status status = zip_source(room, archive, member, &inner, &error);

            exercise_note(&first, status);
            if (status == EBB_OK) exercise_note(&first, exercise_hdf5(room, inner));
        }
        region_close(room);
    }
    return first;
}

#endif
