/* sstable_writer_test.c -- tables that are written are those that are read, in any number of
 * blocks. */
#include <stdio.h>
#include <string.h>

#include "format/savedmodel/sstable.h"
#include "format/savedmodel/sstable_writer.h"
#include "temporary.h"

typedef struct expected {
    const char *const *keys;
    size_t count, next, value_bytes;
} expected;

static ebb_status visit(void *context, const char *key, size_t key_length, const uint8_t *value,
                        size_t value_length, ebb_error *error)
{
    expected *e = context;

    (void)error;
    CHECK(e->next < e->count);
    CHECK_TEXT(key, e->keys[e->next]);
    CHECK_EQ(key_length, strlen(key));
    CHECK_EQ(value_length, e->value_bytes);
    for (size_t i = 0; i < value_length; i++) CHECK_EQ(value[i], (uint8_t)(e->next + i));
    e->next++;
    return EBB_OK;
}

static ebb_status table_write(test *t, region *home, const char *path, const expected *e)
{
    uint8_t value[512];
    file_writer file;
    sstable_writer w;
    ebb_status status = file_writer_open(home, path, &file, &t->error);

    if (status == EBB_OK) status = sstable_writer_open(home, &file, &w, &t->error);
    for (size_t i = 0; i < e->count && status == EBB_OK; i++) {
        for (size_t k = 0; k < e->value_bytes; k++) value[k] = (uint8_t)(i + k);
        status = sstable_writer_add(&w, e->keys[i], value, e->value_bytes, &t->error);
    }
    if (status == EBB_OK) status = sstable_writer_end(&w, &t->error);
    if (status == EBB_OK) return file_writer_commit(&file, &t->error);
    file_writer_discard(&file);
    return status;
}

static void round_trip(test *t, const char *const *keys, size_t count, size_t value_bytes)
{
    expected e = {.keys = keys, .count = count, .value_bytes = value_bytes};
    temporary folder;
    size_t length;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "index");
    CHECK_OK(table_write(t, t->home, path.text, &e));
    const uint8_t *bytes = file_read(t, path.text, &length);
    CHECK_OK(sstable_read(t->home, bytes, length, "index", visit, &e, &t->error));
    CHECK_EQ(e.next, count);
    temporary_close(&folder);
}

TEST(small_tables)
{
    static const char *const keys[] = {"", "_CHECKPOINTABLE", "a", "ab", "abc", "b"};

    for (size_t count = 0; count <= 6; count++) round_trip(t, keys, count, count * 3);
}

/* More than a block, more than a run of shared beginnings. */
TEST(tables_of_many_blocks)
{
    const size_t count = 3000;
    const char **keys = region_new(t->home, const char *, count);

    CHECK(keys != NULL);
    for (size_t i = 0; i < count; i++) {
        keys[i] = region_format(t->home, "variables/%06zu/.ATTRIBUTES/VARIABLE_VALUE", i);
        CHECK(keys[i] != NULL);
    }
    round_trip(t, keys, count, 33);
    round_trip(t, keys, 40, 500);
}

TEST(every_allocation_may_fail)
{
    static const char *const keys[] = {"", "a", "b"};
    const expected e = {.keys = keys, .count = 3, .value_bytes = 5};
    temporary folder;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "index");
    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        region *home = region_open(t->home, "table", EBB_CLASS_SCRATCH, 0);
        const ebb_status status = home == NULL ? EBB_E_MEMORY : table_write(t, home, path.text, &e);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        region_close(home);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(temporary_count(&folder), !failed);
        if (!failed) break;
    }
    temporary_close(&folder);
}

TEST_MAIN(RUN(small_tables), RUN(tables_of_many_blocks), RUN(every_allocation_may_fail))
