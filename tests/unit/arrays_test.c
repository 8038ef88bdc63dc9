/* arrays_test.c -- .npy and .npz through the public API: every type there and back, deflated
 * archives, order, damage, and files that appear whole or not at all. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "digits.h"
#include "format/zip_writer.h"
#include "tensor/npy.h"
#include "temporary.h"

typedef struct room {
    ebb_runtime runtime;
    temporary folder;
    uint64_t live;
} room;

static uint64_t room_live(const room *r)
{
    ebb_memory memory;

    CHECK_OK(ebb_memory_read(r->runtime, &memory));
    CHECK_EQ(memory.descriptors, 0);
    return memory.live;
}

static void room_open(test *t, room *r)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    options.allocator = test_allocator(t);
    temporary_open(&r->folder);
    CHECK_OK(ebb_runtime_open(&options, &r->runtime, &t->error));
    r->live = room_live(r);
}

static void room_close(room *r)
{
    ebb_receipt receipt;

    CHECK_EQ(room_live(r), r->live);
    CHECK_OK(ebb_runtime_close(r->runtime, &receipt));
    CHECK_EQ(receipt.bytes_kept, 0);
    temporary_close(&r->folder);
}

static void check_array(test *t, ebb_arrays arrays, uint32_t index, const char *name,
                        const ebb_view *expected)
{
    const char *found;
    ebb_view view;

    (void)t;
    CHECK_OK(ebb_arrays_read(arrays, index, &found, &view));
    CHECK_TEXT(found, name);
    CHECK_EQ(view.dtype, expected->dtype);
    CHECK_EQ(view.rank, expected->rank);
    for (uint32_t i = 0; i < view.rank; i++) CHECK_EQ(view.dims[i], expected->dims[i]);
    const size_t bytes = ebb_view_bytes(expected);
    if (bytes > 0) CHECK_EQ(memcmp(view.data, expected->data, bytes), 0);
}

/* -- there and back ---------------------------------------------------------------------------- */

static const ebb_dtype types[] = {
#define ENTRY(name, number, bytes, text) EBB_##name,
    EBB_DTYPE_MAP(ENTRY)
#undef ENTRY
};
enum { TYPES = sizeof types / sizeof types[0] };

/* numpy has no bfloat16, so it is the one type that cannot be told apart in a file. */
TEST(every_type_goes_there_and_back)
{
    room r;
    uint8_t data[24 * 8];
    ebb_view views[TYPES];
    char names[TYPES][16];
    const char *pointers[TYPES];
    size_t count = 0;

    room_open(t, &r);
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 37 & 1);
    const path_text one = temporary_path(&r.folder, "one.npy"),
                    all = temporary_path(&r.folder, "all.npz");
    for (size_t i = 0; i < TYPES; i++) {
        ebb_arrays arrays;
        if (types[i] == EBB_BF16) continue;
        views[count] = (ebb_view){types[i], (uint32_t)(i % 4), {2, 3, 4}, data};
        snprintf(names[count], sizeof names[count], "array_%zu", TYPES - i);
        pointers[count] = names[count];
        const ebb_views single = {&views[count], 1};
        CHECK_OK(ebb_arrays_save(r.runtime, one.text, pointers, &single, &t->error));
        CHECK_OK(ebb_arrays_open(r.runtime, one.text, &arrays, &t->error));
        CHECK_EQ(ebb_arrays_count(arrays), 1);
        check_array(t, arrays, 0, "", &views[count]);
        CHECK_OK(ebb_arrays_close(arrays));
        CHECK_EQ(room_live(&r), r.live);
        count++;
    }
    const ebb_views everything = {views, count};
    ebb_arrays arrays;
    CHECK_OK(ebb_arrays_save(r.runtime, all.text, pointers, &everything, &t->error));
    CHECK_OK(ebb_arrays_open(r.runtime, all.text, &arrays, &t->error));
    CHECK_EQ(ebb_arrays_count(arrays), count);
    for (uint32_t i = 0; i < count; i++)
        check_array(t, arrays, i, names[i], &views[i]); /* in file order */
    CHECK_STATUS(ebb_arrays_read(arrays, (uint32_t)count, NULL, NULL), EBB_E_ARGUMENT);
    CHECK_OK(ebb_arrays_close(arrays));
    CHECK_STATUS(ebb_arrays_close(arrays), EBB_E_STALE);
    CHECK_STATUS(ebb_arrays_read(arrays, 0, NULL, NULL), EBB_E_STALE);
    CHECK_EQ(ebb_arrays_count(arrays), 0);
    CHECK_EQ(temporary_count(&r.folder), 2);
    room_close(&r);
}

TEST(odd_shapes_go_there_and_back)
{
    room r;
    float data[2] = {1, 2};
    ebb_view views[] = {{EBB_F32, 0, {0}, data},
                        {EBB_F32, 1, {0}, NULL},
                        {EBB_F32, 3, {4, 0, 1LL << 40}, NULL},
                        {EBB_F32, 8, {1, 1, 1, 1, 1, 1, 1, 2}, data}};
    const char *names[] = {"scalar", "nothing", "wide/nothing", "\xc3\xa9t\xc3\xa9"};
    const ebb_views all = {views, 4}, none = {NULL, 0};
    ebb_arrays arrays;

    room_open(t, &r);
    const path_text path = temporary_path(&r.folder, "odd.npz");
    CHECK_OK(ebb_arrays_save(r.runtime, path.text, names, &all, &t->error));
    CHECK_OK(ebb_arrays_open(r.runtime, path.text, &arrays, &t->error));
    for (uint32_t i = 0; i < 4; i++) check_array(t, arrays, i, names[i], &views[i]);
    CHECK_OK(ebb_arrays_close(arrays));
    CHECK_OK(ebb_arrays_save(r.runtime, path.text, names, &none, &t->error));
    CHECK_OK(ebb_arrays_open(r.runtime, path.text, &arrays, &t->error));
    CHECK_EQ(ebb_arrays_count(arrays), 0);
    CHECK_OK(ebb_arrays_close(arrays));
    room_close(&r);
}

/* numpy.savez_compressed(x=numpy.arange(40, dtype='<i4').reshape(4, 10), b=numpy.array(True)) */
static const uint8_t compressed[] = {
    0x50, 0x4b, 0x03, 0x04, 0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0xd1, 0x58,
    0x0c, 0x4e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x05, 0x00, 0x14, 0x00, 0x78, 0x2e,
    0x6e, 0x70, 0x79, 0x01, 0x00, 0x10, 0x00, 0x20, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x95,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9d, 0xca, 0xb9, 0x0a, 0xc2, 0x40, 0x00, 0x84, 0xe1,
    0xc4, 0xfb, 0xbe, 0xef, 0x73, 0x3d, 0x57, 0x21, 0x85, 0x42, 0x2a, 0xb1, 0xb6, 0x53, 0x6c, 0x2c,
    0xac, 0x24, 0x98, 0x15, 0x05, 0x31, 0xb2, 0x11, 0x1b, 0xf1, 0x29, 0x7c, 0x61, 0x7f, 0x5f, 0xc1,
    0x81, 0xaf, 0x98, 0x61, 0x3e, 0x9b, 0xdd, 0x7a, 0xbb, 0x37, 0x8d, 0xa7, 0xf1, 0x92, 0xae, 0xf2,
    0x8f, 0x5a, 0x2e, 0x84, 0x5c, 0x5e, 0x6c, 0x69, 0x09, 0x79, 0xf2, 0xf4, 0x43, 0x3b, 0xb7, 0x83,
    0xa7, 0x5d, 0xf5, 0xdb, 0x57, 0xce, 0xd5, 0x57, 0xec, 0xfe, 0xd9, 0xb9, 0x2b, 0xfa, 0xc4, 0xb6,
    0xc4, 0x7c, 0x36, 0xb5, 0xc4, 0x5b, 0xfc, 0x9b, 0x84, 0x41, 0x4c, 0x04, 0x10, 0x44, 0x08, 0x61,
    0x44, 0x10, 0x45, 0x0c, 0x71, 0xfc, 0x8e, 0x49, 0xa4, 0x90, 0x46, 0x06, 0x59, 0xe4, 0x90, 0x47,
    0x01, 0x45, 0x94, 0x50, 0x46, 0x05, 0x55, 0xd4, 0x50, 0x47, 0x03, 0x4d, 0xb4, 0xd0, 0x46, 0x07,
    0x5d, 0x08, 0xf4, 0xd0, 0xc7, 0x00, 0x43, 0x8c, 0x30, 0x86, 0xc4, 0x17, 0x50, 0x4b, 0x03, 0x04,
    0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x82, 0x2d, 0xf8, 0xd3, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x05, 0x00, 0x14, 0x00, 0x62, 0x2e, 0x6e, 0x70, 0x79, 0x01,
    0x00, 0x10, 0x00, 0x81, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x43, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x9b, 0xec, 0x17, 0xea, 0x1b, 0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad, 0x9e,
    0x92, 0x5a, 0x9c, 0x5c, 0xa4, 0x6e, 0xa5, 0xa0, 0x5e, 0x93, 0x64, 0xa8, 0xae, 0xa3, 0xa0, 0x9e,
    0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17, 0x9f, 0x5f, 0x94, 0x92, 0x0a, 0x12, 0x77, 0x4b, 0xcc,
    0x29, 0x4e, 0x05, 0x8a, 0x17, 0x67, 0x24, 0x16, 0xa4, 0x02, 0xf9, 0x1a, 0x9a, 0x3a, 0x0a, 0xb5,
    0x0a, 0x14, 0x01, 0x2e, 0x46, 0x00, 0x50, 0x4b, 0x01, 0x02, 0x2d, 0x03, 0x2d, 0x00, 0x00, 0x00,
    0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0xd1, 0x58, 0x0c, 0x4e, 0x95, 0x00, 0x00, 0x00, 0x20, 0x01,
    0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01,
    0x00, 0x00, 0x00, 0x00, 0x78, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x01, 0x02, 0x2d, 0x03, 0x2d,
    0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x82, 0x2d, 0xf8, 0xd3, 0x43, 0x00, 0x00,
    0x00, 0x81, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x80, 0x01, 0xcc, 0x00, 0x00, 0x00, 0x62, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x05, 0x06,
    0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x02, 0x00, 0x66, 0x00, 0x00, 0x00, 0x46, 0x01, 0x00, 0x00,
    0x00, 0x00,
};

TEST(deflated_archives_are_read)
{
    room r;
    ebb_arrays arrays;
    int32_t numbers[40];
    bool yes = true;

    for (int i = 0; i < 40; i++) numbers[i] = i;
    const ebb_view x = {EBB_I32, 2, {4, 10}, numbers}, b = {EBB_BOOL, 0, {0}, &yes};
    room_open(t, &r);
    const path_text path = temporary_path(&r.folder, "c.npz");
    file_write(path.text, compressed, sizeof compressed);
    CHECK_OK(ebb_arrays_open(r.runtime, path.text, &arrays, &t->error));
    CHECK_EQ(ebb_arrays_count(arrays), 2);
    check_array(t, arrays, 0, "x", &x);
    check_array(t, arrays, 1, "b", &b);
    CHECK_OK(ebb_arrays_close(arrays));
    for (size_t length = 0; length < sizeof compressed; length++) {
        file_write(path.text, compressed, length);
        const ebb_status status = ebb_arrays_open(r.runtime, path.text, &arrays, &t->error);
        CHECK_STATUS(status, EBB_E_FORMAT);
        CHECK_EQ(arrays.id, 0);
        CHECK_EQ(room_live(&r), r.live);
    }
    room_close(&r);
}

/* -- faults ------------------------------------------------------------------------------------ */

static void refuse_open(test *t, const room *r, const char *path, ebb_status expected)
{
    ebb_arrays arrays = {77};

    t->error = (ebb_error){0};
    CHECK_STATUS(ebb_arrays_open(r->runtime, path, &arrays, &t->error), expected);
    CHECK_EQ(arrays.id, 0);
    CHECK(t->error.where[0] != '\0' && t->error.text[0] != '\0');
    CHECK_EQ(room_live(r), r->live);
}

static void write_header(const char *path, const char *dictionary)
{
    char bytes[1024];
    const size_t length = strlen(dictionary) + 1;

    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    bytes[8] = (char)(length & 255);
    bytes[9] = (char)(length >> 8);
    snprintf(bytes + 10, sizeof bytes - 10, "%s\n", dictionary);
    file_write(path, bytes, 10 + length);
}

TEST(bad_arrays_are_refused)
{
    static const struct {
        const char *header;
        ebb_status status;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", EBB_E_UNSUPPORTED},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", EBB_E_UNSUPPORTED},
        {"{'descr': '<U8', 'fortran_order': False, 'shape': (1,), }", EBB_E_UNSUPPORTED},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", EBB_E_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000,), }", EBB_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", EBB_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9), }",
         EBB_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", EBB_E_FORMAT},
        {"", EBB_E_FORMAT},
    };
    room r;

    room_open(t, &r);
    const path_text path = temporary_path(&r.folder, "x.npy");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_header(path.text, cases[i].header);
        refuse_open(t, &r, path.text, cases[i].status);
    }
    file_write(path.text, "", 0);
    refuse_open(t, &r, path.text, EBB_E_FORMAT);
    file_write(path.text, "PK", 2);
    refuse_open(t, &r, path.text, EBB_E_FORMAT);
    refuse_open(t, &r, digits_mlp, EBB_E_FORMAT); /* a zip of other things */
    refuse_open(t, &r, digits_cnn, EBB_E_FORMAT);
    refuse_open(t, &r, r.folder.folder, EBB_E_FORMAT);
    refuse_open(t, &r, "/nowhere/x.npy", EBB_E_NOT_FOUND);
    ebb_arrays arrays;
    CHECK_STATUS(ebb_arrays_open(r.runtime, NULL, &arrays, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_arrays_open(r.runtime, path.text, NULL, &t->error), EBB_E_ARGUMENT);
    room_close(&r);
}

TEST(bad_saves_are_refused)
{
    room r;
    float data[4] = {0};
    ebb_view views[] = {{EBB_F32, 1, {4}, data}, {EBB_F32, 1, {4}, data}};
    const char *names[] = {"a", "a"}, *none[] = {NULL};
    const ebb_views one = {views, 1}, two = {views, 2}, no_items = {NULL, 1};

    room_open(t, &r);
    const path_text npy = temporary_path(&r.folder, "x.npy"),
                    npz = temporary_path(&r.folder, "x.npz");
    CHECK_STATUS(ebb_arrays_save(r.runtime, npy.text, names, &two, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, ".npz");
    CHECK_STATUS(ebb_arrays_save(r.runtime, npz.text, names, &two, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "two arrays");
    CHECK_STATUS(ebb_arrays_save(r.runtime, npz.text, none, &one, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_arrays_save(r.runtime, npz.text, NULL, &one, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_arrays_save(r.runtime, npz.text, names, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_arrays_save(r.runtime, npz.text, names, &no_items, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_arrays_save(r.runtime, NULL, names, &one, &t->error), EBB_E_ARGUMENT);
    views[0].data = NULL;
    CHECK_STATUS(ebb_arrays_save(r.runtime, npy.text, names, &one, &t->error), EBB_E_ARGUMENT);
    views[0].data = data;
    views[0].dims[0] = -4;
    CHECK_STATUS(ebb_arrays_save(r.runtime, npy.text, names, &one, &t->error), EBB_E_ARGUMENT);
    views[0].dims[0] = 4;
    views[0].dtype = EBB_DTYPE_NONE;
    CHECK_STATUS(ebb_arrays_save(r.runtime, npz.text, names, &one, &t->error), EBB_E_ARGUMENT);
    views[0].dtype = EBB_F32;
    views[0].rank = 9;
    CHECK_STATUS(ebb_arrays_save(r.runtime, npz.text, names, &one, &t->error), EBB_E_ARGUMENT);
    views[0].rank = 1;
    CHECK_STATUS(ebb_arrays_save(r.runtime, "/nowhere/x.npy", names, &one, &t->error), EBB_E_IO);
    CHECK_EQ(temporary_count(&r.folder), 0);
    CHECK_STATUS(ebb_arrays_save(r.runtime, r.folder.folder, names, &one, &t->error),
                 EBB_E_ARGUMENT);
    room_close(&r);
}

/* Each allocation fails in turn; the old file stays until the new one is whole. */
TEST(saving_is_all_or_nothing)
{
    room r;
    float data[100] = {0};
    const ebb_view views[] = {{EBB_F32, 1, {100}, data}, {EBB_F32, 1, {50}, data}};
    const char *names[] = {"a", "b"};
    const ebb_views both = {views, 2};
    int64_t n;

    room_open(t, &r);
    const path_text path = temporary_path(&r.folder, "x.npz");
    file_write(path.text, "old", 3);
    for (n = 0;; n++) {
        size_t length;
        test_fail_allocation(t, n);
        const ebb_status status = ebb_arrays_save(r.runtime, path.text, names, &both, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(temporary_count(&r.folder), 1);
        CHECK_EQ(room_live(&r), r.live);
        if (!failed) break;
        file_read(t, path.text, &length);
        CHECK_EQ(length, 3);
    }
    CHECK(n > 3);
    room_close(&r);
}

TEST(a_runtime_takes_its_arrays_along)
{
    ebb_runtime runtime;
    ebb_arrays arrays;
    ebb_memory memory;
    ebb_receipt receipt;

    CHECK_OK(ebb_runtime_open(NULL, &runtime, &t->error));
    CHECK_OK(ebb_arrays_open(runtime, EBB_GOLDEN "/../../examples/models/digits_x.npy", &arrays,
                             &t->error));
    CHECK_OK(ebb_memory_read(runtime, &memory));
    CHECK(memory.by_class[EBB_CLASS_DATA] >= 4096);
    CHECK_OK(ebb_runtime_close(runtime, &receipt));
    CHECK_EQ(receipt.bytes[EBB_CLASS_DATA], memory.by_class[EBB_CLASS_DATA]);
    CHECK_STATUS(ebb_arrays_close(arrays), EBB_E_STALE);
    CHECK_STATUS(ebb_arrays_open(runtime, "x.npy", &arrays, &t->error), EBB_E_STALE);
}

TEST_MAIN(RUN(every_type_goes_there_and_back), RUN(odd_shapes_go_there_and_back),
          RUN(deflated_archives_are_read), RUN(bad_arrays_are_refused), RUN(bad_saves_are_refused),
          RUN(saving_is_all_or_nothing), RUN(a_runtime_takes_its_arrays_along))
