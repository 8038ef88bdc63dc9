/* hdf5_write_test.c -- files that are written, as our reader sees them. The golden checksum is of a
 * file that h5py 3 read in full: every dataset, attribute and string. */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "format/hdf5/hdf5.h"
#include "format/hdf5/hdf5_write.h"
#include "harness.h"

#define FILE_MAX        ((size_t)8 << 20)
#define GOLDEN_LENGTH   13656
#define GOLDEN_CHECKSUM 0x77bd4c03

/* A sink in memory. */
typedef struct memory_sink {
    uint8_t *bytes;
    uint64_t length, limit;
} memory_sink;

static ebb_status memory_put(void *context, const void *bytes, uint64_t length, ebb_error *error)
{
    memory_sink *m = context;

    (void)error;
    if (length > m->limit - m->length) return EBB_E_IO;
    memcpy(m->bytes + m->length, bytes, length);
    m->length += length;
    return EBB_OK;
}

static memory_sink sink_make(region *home, uint64_t limit)
{
    memory_sink m = {.bytes = region_block(home, FILE_MAX), .limit = limit};

    CHECK(m.bytes != NULL);
    return m;
}

static hdf5_file *reopen(test *t, const memory_sink *m)
{
    source *s = NULL;
    hdf5_file *file = NULL;

    CHECK_OK(source_memory(t->home, m->bytes, m->length, "written", &s, &t->error));
    CHECK_OK(hdf5_open(t->home, s, &file, &t->error));
    return file;
}

static hdf5_object found(test *t, hdf5_file *file, const char *path)
{
    hdf5_object object;

    CHECK_OK(hdf5_find(file, hdf5_root(file), path, &object, &t->error));
    return object;
}

/* -- one of everything ------------------------------------------------------------------------- */

static const ebb_dtype types[] = {EBB_F32, EBB_F16, EBB_BF16, EBB_F64, EBB_I8,  EBB_I16, EBB_I32,
                                  EBB_I64, EBB_U8,  EBB_U16,  EBB_U32, EBB_U64, EBB_BOOL};
#define TYPES (sizeof types / sizeof types[0])

static ebb_status write_all(region *home, const hdf5_sink *sink, ebb_error *error)
{
    static const char *const names[] = {"a", "longer name", "", "\xc3\xa4"};
    static const int64_t dims[] = {3, 2}, none[] = {0, 4};
    static const uint8_t data[64] = {0, 1, 1, 0, 1, 0, 60, 70, 80, 90, 100, 110, 120};
    hdf5_item *items[TYPES + 3];
    uint32_t count = 0;
    hdf5_writer *w = hdf5_write_open(home);

    if (w == NULL) return region_fail(home, error, "test", "a writer");
    hdf5_item *root = hdf5_write_root(w), *group = hdf5_write_group(w, root, "a/b/c");
    hdf5_write_text(w, root, "version", "3.15");
    hdf5_write_text(w, root, "nothing", "");
    hdf5_write_texts(w, group, "names", names, 4);
    hdf5_write_texts(w, group, "no names", names, 0);
    for (size_t i = 0; i < TYPES; i++) {
        char name[32];
        snprintf(name, sizeof name, "types/%s", ebb_dtype_name(types[i]));
        items[count++] = hdf5_write_dataset(w, root, name, types[i], 2, dims);
    }
    items[count++] = hdf5_write_dataset(w, group, "scalar", EBB_F32, 0, NULL);
    items[count++] = hdf5_write_dataset(w, group, "empty", EBB_F32, 2, none);
    items[count++] = hdf5_write_dataset(w, group, "d/e", EBB_I32, 2, dims);
    ebb_status status = hdf5_write_layout(w, error);
    if (status == EBB_OK) status = hdf5_write_begin(w, sink, error);
    for (uint32_t i = 0; i < count && status == EBB_OK; i++)
        status = hdf5_write_data(w, items[i], data, error);
    return status;
}

TEST(every_type_and_shape_is_read_back)
{
    memory_sink m = sink_make(t->home, FILE_MAX);
    const hdf5_sink sink = {memory_put, &m};

    CHECK_OK(write_all(t->home, &sink, &t->error));
    hdf5_file *file = reopen(t, &m);
    for (size_t i = 0; i < TYPES; i++) {
        char path[32];
        hdf5_dataset *d = NULL;
        hdf5_value value;
        snprintf(path, sizeof path, "types/%s", ebb_dtype_name(types[i]));
        const hdf5_object object = found(t, file, path);
        CHECK_OK(hdf5_dataset_open(file, object.address, &d, &t->error));
        CHECK_EQ(d->dtype, types[i]);
        CHECK_EQ(d->rank, 2);
        CHECK_EQ(d->dims[0], 3);
        CHECK_EQ(d->dims[1], 2);
        CHECK_EQ(d->contiguous_at % 64, 0);
        CHECK_EQ(m.bytes[d->contiguous_at + 2], 1);
        CHECK_OK(hdf5_attribute(file, object.address, "dtype", &value, &t->error));
        CHECK_EQ(value.count, types[i] == EBB_BF16);
    }
    hdf5_dataset *d = NULL;
    CHECK_OK(hdf5_dataset_open(file, found(t, file, "a/b/c/scalar").address, &d, &t->error));
    CHECK_EQ(d->rank, 0);
    CHECK_EQ(d->count, 1);
    CHECK_OK(hdf5_dataset_open(file, found(t, file, "a/b/c/empty").address, &d, &t->error));
    CHECK_EQ(d->count, 0);
    CHECK_EQ(found(t, file, "a/b/c/d").kind, HDF5_GROUP);
}

TEST(attributes_are_read_back)
{
    memory_sink m = sink_make(t->home, FILE_MAX);
    const hdf5_sink sink = {memory_put, &m};
    hdf5_value value;

    CHECK_OK(write_all(t->home, &sink, &t->error));
    hdf5_file *file = reopen(t, &m);
    CHECK_OK(hdf5_attribute(file, hdf5_root(file), "version", &value, &t->error));
    CHECK_EQ(value.count, 1);
    CHECK_TEXT(value.strings[0], "3.15");
    CHECK_OK(hdf5_attribute(file, hdf5_root(file), "nothing", &value, &t->error));
    CHECK_TEXT(value.strings[0], "");
    const uint64_t group = found(t, file, "a/b/c").address;
    CHECK_OK(hdf5_attribute(file, group, "names", &value, &t->error));
    CHECK_EQ(value.count, 4);
    CHECK_TEXT(value.strings[1], "longer name");
    CHECK_TEXT(value.strings[2], "");
    CHECK_TEXT(value.strings[3], "\xc3\xa4");
    CHECK_OK(hdf5_attribute(file, group, "no names", &value, &t->error));
    CHECK_EQ(value.count, 0);
}

TEST(the_bytes_are_those_h5py_read)
{
    memory_sink m = sink_make(t->home, FILE_MAX), again = sink_make(t->home, FILE_MAX);
    const hdf5_sink sink = {memory_put, &m}, second = {memory_put, &again};

    CHECK_OK(write_all(t->home, &sink, &t->error));
    CHECK_OK(write_all(t->home, &second, &t->error));
    CHECK_EQ(m.length, again.length);
    CHECK_EQ(memcmp(m.bytes, again.bytes, m.length), 0);
    CHECK_EQ(m.length, GOLDEN_LENGTH);
    CHECK_EQ(crc32(0, m.bytes, (uInt)m.length), GOLDEN_CHECKSUM);
}

/* -- sizes ------------------------------------------------------------------------------------- */

/* 8 names fill a symbol node, 256 a node of the tree, 8192 two levels. */
static void check_wide(test *t, uint32_t count)
{
    region *home = region_open(t->home, "wide", EBB_CLASS_SCRATCH, 0);
    memory_sink m = sink_make(home, FILE_MAX);
    const hdf5_sink sink = {memory_put, &m};
    hdf5_writer *w = hdf5_write_open(home);
    hdf5_item *group = hdf5_write_group(w, hdf5_write_root(w), "wide");
    const hdf5_object *objects = NULL;
    uint32_t listed = 0;

    for (uint32_t i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "m%u", i * 7919 % count);
        CHECK(hdf5_write_group(w, group, name) != NULL);
    }
    CHECK_OK(hdf5_write_layout(w, &t->error));
    CHECK_OK(hdf5_write_begin(w, &sink, &t->error));
    CHECK_EQ(m.length, hdf5_write_bytes(w));
    hdf5_file *file = reopen(t, &m);
    CHECK_OK(hdf5_list(file, found(t, file, "wide").address, &objects, &listed, &t->error));
    CHECK_EQ(listed, count);
    for (uint32_t i = 1; i < listed; i++) CHECK(strcmp(objects[i - 1].name, objects[i].name) < 0);
    region_close(home);
}

TEST(groups_may_have_any_number_of_members)
{
    static const uint32_t counts[] = {0, 1, 7, 8, 9, 255, 256, 257, 300, 8200};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) check_wide(t, counts[i]);
}

/* Names of 80 bytes: 806 of them fill an attribute. */
TEST(long_lists_are_split)
{
    enum { NAMES = 2000, BYTES = 80 };
    memory_sink m = sink_make(t->home, FILE_MAX);
    const hdf5_sink sink = {memory_put, &m};
    hdf5_writer *w = hdf5_write_open(t->home);
    const char **names = region_new(t->home, const char *, NAMES);
    uint32_t seen = 0;

    for (uint32_t i = 0; i < NAMES; i++) names[i] = region_format(t->home, "%0*u", BYTES, i);
    hdf5_write_texts(w, hdf5_write_root(w), "names", names, NAMES);
    CHECK_OK(hdf5_write_layout(w, &t->error));
    CHECK_OK(hdf5_write_begin(w, &sink, &t->error));
    hdf5_file *file = reopen(t, &m);
    for (uint32_t part = 0; part < 3; part++) {
        char name[16];
        hdf5_value value;
        snprintf(name, sizeof name, "names%u", part);
        CHECK_OK(hdf5_attribute(file, hdf5_root(file), name, &value, &t->error));
        CHECK_EQ(value.count, part < 2 ? 667 : 666); /* as numpy.array_split(names, 3) */
        for (uint32_t i = 0; i < value.count; i++) CHECK_TEXT(value.strings[i], names[seen++]);
    }
    CHECK_EQ(seen, NAMES);
}

TEST(long_texts_are_read_back)
{
    memory_sink m = sink_make(t->home, FILE_MAX);
    const hdf5_sink sink = {memory_put, &m};
    hdf5_writer *w = hdf5_write_open(t->home);
    char *text = region_block(t->home, 1000001);
    hdf5_value value;

    memset(text, 'x', 1000000);
    hdf5_write_text(w, hdf5_write_root(w), "long", text);
    hdf5_write_text(w, hdf5_write_root(w), "short", "y");
    CHECK_OK(hdf5_write_layout(w, &t->error));
    CHECK_OK(hdf5_write_begin(w, &sink, &t->error));
    hdf5_file *file = reopen(t, &m);
    CHECK_OK(hdf5_attribute(file, hdf5_root(file), "long", &value, &t->error));
    CHECK_TEXT(value.strings[0], text);
    CHECK_OK(hdf5_attribute(file, hdf5_root(file), "short", &value, &t->error));
    CHECK_TEXT(value.strings[0], "y");
}

/* -- faults ------------------------------------------------------------------------------------ */

TEST(what_cannot_be_written_is_told_at_the_layout)
{
    const int64_t dims[] = {2}, huge[] = {INT64_MAX, 8}, negative[] = {-1};
    hdf5_writer *w = hdf5_write_open(t->home);

    CHECK(hdf5_write_dataset(w, hdf5_write_root(w), "x/y", EBB_F32, 1, dims) != NULL);
    CHECK(hdf5_write_has(w, hdf5_write_root(w), "x/y"));
    CHECK(!hdf5_write_has(w, hdf5_write_root(w), "x/z"));
    CHECK(hdf5_write_dataset(w, hdf5_write_root(w), "x/y", EBB_F32, 1, dims) == NULL);
    CHECK(hdf5_write_group(w, hdf5_write_root(w), "z") == NULL); /* sticky */
    CHECK_STATUS(hdf5_write_layout(w, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "one name");
    w = hdf5_write_open(t->home);
    hdf5_write_dataset(w, hdf5_write_root(w), "x", EBB_F32, 1, dims);
    CHECK(hdf5_write_group(w, hdf5_write_root(w), "x/y") == NULL);
    CHECK_STATUS(hdf5_write_layout(w, &t->error), EBB_E_ARGUMENT);
    w = hdf5_write_open(t->home);
    CHECK(hdf5_write_dataset(w, hdf5_write_root(w), "x", EBB_DTYPE_NONE, 1, dims) == NULL);
    CHECK_STATUS(hdf5_write_layout(w, &t->error), EBB_E_ARGUMENT);
    w = hdf5_write_open(t->home);
    CHECK(hdf5_write_dataset(w, hdf5_write_root(w), "x", EBB_F32, 2, huge) == NULL);
    CHECK_STATUS(hdf5_write_layout(w, &t->error), EBB_E_SHAPE);
    w = hdf5_write_open(t->home);
    CHECK(hdf5_write_dataset(w, hdf5_write_root(w), "x", EBB_F32, 1, negative) == NULL);
    CHECK_STATUS(hdf5_write_layout(w, &t->error), EBB_E_SHAPE);
}

TEST(data_out_of_turn_are_refused)
{
    memory_sink m = sink_make(t->home, FILE_MAX);
    const hdf5_sink sink = {memory_put, &m};
    const int64_t dims[] = {2};
    const float data[2] = {1, 2};
    hdf5_writer *w = hdf5_write_open(t->home);
    hdf5_item *x = hdf5_write_dataset(w, hdf5_write_root(w), "x", EBB_F32, 1, dims);
    hdf5_item *y = hdf5_write_dataset(w, hdf5_write_root(w), "y", EBB_F32, 1, dims);

    CHECK_OK(hdf5_write_layout(w, &t->error));
    CHECK_OK(hdf5_write_begin(w, &sink, &t->error));
    CHECK_STATUS(hdf5_write_data(w, y, data, &t->error), EBB_E_INTERNAL);
    CHECK_STATUS(hdf5_write_data(w, NULL, data, &t->error), EBB_E_INTERNAL);
    CHECK_OK(hdf5_write_data(w, x, data, &t->error));
    CHECK_OK(hdf5_write_data(w, y, data, &t->error));
    CHECK_STATUS(hdf5_write_data(w, y, data, &t->error), EBB_E_INTERNAL);
    CHECK_EQ(m.length, hdf5_write_bytes(w));
}

TEST(a_full_sink_ends_it)
{
    memory_sink whole = sink_make(t->home, FILE_MAX);
    const hdf5_sink sink = {memory_put, &whole};

    CHECK_OK(write_all(t->home, &sink, &t->error));
    memory_sink m = sink_make(t->home, 0);
    const hdf5_sink small = {memory_put, &m};
    for (m.limit = 0; m.limit < whole.length; m.limit += 61) {
        m.length = 0;
        CHECK_STATUS(write_all(t->home, &small, &t->error), EBB_E_IO);
    }
}

TEST(every_allocation_may_fail)
{
    memory_sink m = sink_make(t->home, FILE_MAX);
    const hdf5_sink sink = {memory_put, &m};
    const uint64_t before = region_bytes_live(t->home);

    for (int64_t n = 0;; n++) {
        region *home = region_open(t->home, "file", EBB_CLASS_SCRATCH, 0);
        m.length = 0;
        test_fail_allocation(t, n);
        const ebb_status status = write_all(home, &sink, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        region_close(home);
        CHECK_EQ(region_bytes_live(t->home), before);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(every_type_and_shape_is_read_back), RUN(attributes_are_read_back),
          RUN(the_bytes_are_those_h5py_read), RUN(groups_may_have_any_number_of_members),
          RUN(long_lists_are_split), RUN(long_texts_are_read_back),
          RUN(what_cannot_be_written_is_told_at_the_layout), RUN(data_out_of_turn_are_refused),
          RUN(a_full_sink_ends_it), RUN(every_allocation_may_fail))
