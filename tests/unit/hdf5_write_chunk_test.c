/* hdf5_write_chunk_test.c -- datasets in compressed chunks: read back as they were, one chunk and
 * many, whatever is left over in the last one. */
#include <string.h>

#include "format/hdf5/hdf5.h"
#include "format/hdf5/hdf5_write.h"
#include "format/keras/reader.h"
#include "harness.h"
#include "kernel_case.h"

typedef struct memory_sink {
    uint8_t *bytes;
    uint64_t length, capacity;
} memory_sink;

static ebb_status put(void *context, const void *bytes, uint64_t length, ebb_error *error)
{
    memory_sink *m = context;

    (void)error;
    CHECK(m->length + length <= m->capacity);
    if (length > 0) memcpy(m->bytes + m->length, bytes, length);
    m->length += length;
    return EBB_OK;
}

/* Writes one compressed dataset between two plain ones. */
static memory_sink write_file(test *t, ebb_dtype dtype, uint32_t rank, const int64_t *dims,
                              const void *data)
{
    static const float few[3] = {1, 2, 3};
    const int64_t three[] = {3};
    hdf5_writer *w = hdf5_write_open(t->home);
    hdf5_item *first = hdf5_write_dataset(w, hdf5_write_root(w), "a/vars/0", EBB_F32, 1, three);
    hdf5_item *item = hdf5_write_dataset(w, hdf5_write_root(w), "b/vars/0", dtype, rank, dims);
    hdf5_item *last = hdf5_write_dataset(w, hdf5_write_root(w), "c/vars/0", EBB_F32, 1, three);

    CHECK_OK(hdf5_write_deflate(w, item, data, &t->error));
    CHECK_OK(hdf5_write_layout(w, &t->error));
    memory_sink m = {.capacity = hdf5_write_bytes(w)};
    m.bytes = region_block(t->home, (size_t)m.capacity);
    CHECK(m.bytes != NULL);
    const hdf5_sink sink = {put, &m};
    CHECK_OK(hdf5_write_begin(w, &sink, &t->error));
    CHECK_OK(hdf5_write_data(w, first, few, &t->error));
    CHECK_OK(hdf5_write_data(w, item, NULL, &t->error));
    CHECK_OK(hdf5_write_data(w, last, few, &t->error));
    CHECK_EQ(m.length, m.capacity);
    return m;
}

static void check_case(test *t, ebb_dtype dtype, uint32_t rank, const int64_t *dims, uint32_t zeros)
{
    uint64_t seed = 3, count = 1;
    hdf5_file *h5 = NULL;
    source *file = NULL;
    description d = {.path = "test"};

    for (uint32_t i = 0; i < rank; i++) count *= (uint64_t)dims[i];
    const uint64_t bytes = count * ebb_dtype_bytes(dtype);
    uint8_t *data = region_block(t->home, (size_t)bytes), *back = region_block(t->home, bytes);
    CHECK(data != NULL && back != NULL);
    for (uint64_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(case_random(&seed) % 100 < zeros ? 0 : case_random(&seed));
    const memory_sink m = write_file(t, dtype, rank, dims, data);
    if (zeros > 50 && bytes > 4096) CHECK(m.length < bytes * 3 / 4 + 8192);
    CHECK_OK(source_memory(t->home, m.bytes, m.length, "test", &file, &t->error));
    CHECK_OK(hdf5_open(t->home, file, &h5, &t->error));
    CHECK_OK(vars_tree_read(t->home, h5, &d, &t->error));
    const tensor_group *g = description_group(&d, "b");
    CHECK(g != NULL && g->count == 1);
    CHECK_EQ(g->tensors[0].rank, rank);
    CHECK_EQ(g->tensors[0].dtype, dtype);
    CHECK_OK(g->tensors[0].read(&g->tensors[0], 0, count, back, &t->error));
    CHECK_EQ(memcmp(data, back, bytes), 0);
    if (count < 3) return;
    CHECK_OK(g->tensors[0].read(&g->tensors[0], count / 3, count / 2, back, &t->error));
    CHECK_EQ(
        memcmp(data + count / 3 * ebb_dtype_bytes(dtype), back, count / 2 * ebb_dtype_bytes(dtype)),
        0);
    float few[3];
    g = description_group(&d, "c");
    CHECK(g != NULL);
    CHECK_OK(g->tensors[0].read(&g->tensors[0], 0, 3, few, &t->error));
    CHECK(few[0] == 1 && few[2] == 3);
}

TEST(chunks_are_read_back)
{
    static const int64_t dims[][3] = {{1, 1, 1},     {7, 5, 3},      {1, 1000, 1000}, {3, 600, 500},
                                      {1000, 70, 9}, {4001, 300, 1}, {65, 1, 30000}};

    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        check_case(t, EBB_F32, 3, dims[i], 80);
        check_case(t, EBB_I8, 3, dims[i], 80);
        check_case(t, EBB_F16, 2, dims[i], 0);
    }
}

/* Equal data, equal bytes. */
TEST(chunks_are_the_same_each_time)
{
    static float x[5000];
    const int64_t dims[] = {50, 100};

    for (int i = 0; i < 5000; i += 7) x[i] = (float)i;
    const memory_sink a = write_file(t, EBB_F32, 2, dims, x),
                      b = write_file(t, EBB_F32, 2, dims, x);
    CHECK_EQ(a.length, b.length);
    CHECK_EQ(memcmp(a.bytes, b.bytes, a.length), 0);
}

TEST_MAIN(RUN(chunks_are_read_back), RUN(chunks_are_the_same_each_time))
