/* savedmodel_bundle_test.c -- the checkpoint of a SavedModel folder: index, shards, checksums, and
 * every kind of damage. golden/savedmodel.zip, made by golden/make_savedmodel.py. */
#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "format/savedmodel/bundle.h"
#include "format/savedmodel/name_table.h"
#include "format/savedmodel/sstable.h"
#include "saved_folders.h"

static const char key[] = "variables/0/.ATTRIBUTES/VARIABLE_VALUE"; /* of "export" and "sharded" */

/* <folder>/variables/variables<ending> */
static path_text bundle_path(const path_text *folder, const char *ending)
{
    path_text path;

    CHECK(snprintf(path.text, sizeof path.text, "%s/variables/variables%s", folder->text, ending) <
          (int)sizeof path.text);
    return path;
}

static ebb_status open_in(test *t, region *home, const path_text *folder, bundle *b)
{
    const path_text path = bundle_path(folder, "");

    return bundle_open(home, home, path.text, b, &t->error);
}

static void entry_open(test *t, const bundle *b, const char *name, tensor_entry *e)
{
    const bundle_entry *found = bundle_find(b, name);

    CHECK(found != NULL);
    CHECK_OK(bundle_tensor(t->home, b, found, found->key, found->key, e, &t->error));
}

static uint64_t elements(const tensor_entry *e)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < e->rank; i++) count *= (uint64_t)e->dims[i];
    return count;
}

TEST(crc32c_is_castagnoli)
{
    uint8_t zeros[32] = {0}, bytes[300];

    CHECK_EQ(crc32c_extend(0, "123456789", 9), 0xE3069283);
    CHECK_EQ(crc32c_extend(0, zeros, sizeof zeros), 0x8A9136AA); /* RFC 3720, B.4 */
    CHECK_EQ(crc32c_unmask(crc32c_masked(0x12345678)), 0x12345678);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7 + 3);
    const uint32_t whole = crc32c_extend(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 13) {
        const uint32_t first = crc32c_extend(0, bytes, cut);
        CHECK_EQ(crc32c_extend(first, bytes + cut, sizeof bytes - cut), whole);
    }
}

TEST(varints_are_bounded)
{
    const uint8_t most[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 1};
    const uint8_t over[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 2};
    const uint8_t open[] = {128, 128};
    uint64_t number;
    const uint8_t *at = most;

    CHECK(varint_read(&at, most + sizeof most, &number));
    CHECK(number == UINT64_MAX);
    at = over;
    CHECK(!varint_read(&at, over + sizeof over, &number));
    at = open;
    CHECK(!varint_read(&at, open + sizeof open, &number));
    at = open;
    CHECK(!varint_read(&at, open, &number));
}

TEST(names_are_found)
{
    name_table names;
    char text[1000][8];

    CHECK(name_table_make(t->home, 1000, &names));
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(text[i], sizeof text[i], "n%u", i);
        CHECK(name_table_put(&names, text[i], i));
        CHECK(!name_table_put(&names, text[i], i));
    }
    for (uint32_t i = 0; i < 1000; i++)
        CHECK_EQ(name_table_find(&names, text[i], strlen(text[i])), i);
    CHECK_EQ(name_table_find(&names, "n12x", 3), 12);
    CHECK_EQ(name_table_find(&names, "other", 5), NAME_NONE);
}

/* The same tensors from one file and from three with a compressed index. */
TEST(shards_and_snappy_change_nothing)
{
    temporary d;
    bundle plain, sharded;

    temporary_open(&d);
    const path_text a = saved_folder_unpack(t, &d, "export");
    const path_text b = saved_folder_unpack(t, &d, "sharded");
    CHECK_OK(open_in(t, t->home, &a, &plain));
    CHECK_OK(open_in(t, t->home, &b, &sharded));
    CHECK_EQ(plain.shard_count, 1);
    CHECK_EQ(sharded.shard_count, 3);
    CHECK_EQ(plain.count, sharded.count);
    CHECK(plain.count > 40);
    for (uint32_t i = 0; i < plain.count; i++) {
        tensor_entry left, right;
        float x[64], y[64];
        CHECK_TEXT(plain.entries[i].key, sharded.entries[i].key);
        if (plain.entries[i].type != TF_FLOAT) continue;
        entry_open(t, &plain, plain.entries[i].key, &left);
        entry_open(t, &sharded, plain.entries[i].key, &right);
        CHECK_EQ(left.rank, right.rank);
        const uint64_t count = elements(&left);
        CHECK(count <= 64);
        CHECK_OK(left.read(&left, 0, count, x, &t->error));
        CHECK_OK(right.read(&right, 0, count, y, &t->error));
        CHECK(memcmp(x, y, count * sizeof *x) == 0);
    }
    bundle_close(&plain);
    bundle_close(&sharded);
    temporary_close(&d);
}

TEST(parts_are_read_and_checked)
{
    temporary d;
    bundle b;
    tensor_entry e;
    float whole[64], parts[64];

    temporary_open(&d);
    const path_text folder = saved_folder_unpack(t, &d, "export");
    CHECK_OK(open_in(t, t->home, &folder, &b));
    entry_open(t, &b, key, &e);
    const uint64_t count = elements(&e);
    CHECK_EQ(count, 20);
    CHECK_OK(e.read(&e, 0, count, whole, &t->error));
    entry_open(t, &b, key, &e);
    for (uint64_t i = 0; i < count; i += 3)
        CHECK_OK(e.read(&e, i, count - i < 3 ? count - i : 3, parts + i, &t->error));
    CHECK(memcmp(whole, parts, count * sizeof *whole) == 0);
    entry_open(t, &b, key, &e);
    CHECK_OK(e.read(&e, 7, 2, parts, &t->error));
    CHECK(memcmp(whole + 7, parts, 2 * sizeof *whole) == 0);
    CHECK_STATUS(e.read(&e, 19, 2, parts, &t->error), EBB_E_INTERNAL);
    bundle_close(&b);
    temporary_close(&d);
}

TEST(damaged_numbers_are_named)
{
    temporary d;
    bundle b;
    tensor_entry e;
    float numbers[64];

    temporary_open(&d);
    const path_text folder = saved_folder_unpack(t, &d, "export");
    CHECK_OK(open_in(t, t->home, &folder, &b));
    const bundle_entry *found = bundle_find(&b, key);
    CHECK(found != NULL);
    file_damage(bundle_path(&folder, ".data-00000-of-00001").text,
                (int64_t)(found->offset + found->bytes - 1), 1);
    entry_open(t, &b, key, &e);
    CHECK_STATUS(e.read(&e, 0, 20, numbers, &t->error), EBB_E_FORMAT);
    CHECK_TEXT(t->error.where, key);
    CHECK_CONTAINS(t->error.text, "checksum");
    entry_open(t, &b, key, &e);
    CHECK_OK(e.read(&e, 0, 10, numbers, &t->error)); /* not yet known */
    CHECK_STATUS(e.read(&e, 10, 10, numbers, &t->error), EBB_E_FORMAT);
    entry_open(t, &b, key, &e);
    CHECK_STATUS(e.read(&e, 5, 1, numbers, &t->error), EBB_E_FORMAT); /* read whole first */
    bundle_close(&b);
    temporary_close(&d);
}

TEST(missing_and_short_files_are_told)
{
    temporary d;
    bundle b;

    temporary_open(&d);
    const path_text folder = saved_folder_unpack(t, &d, "sharded");
    const path_text shard = bundle_path(&folder, ".data-00001-of-00003");
    file_cut(shard.text, 100);
    CHECK_STATUS(open_in(t, t->home, &folder, &b), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "cut short");
    CHECK_EQ(unlink(shard.text), 0);
    CHECK_STATUS(open_in(t, t->home, &folder, &b), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.where, "data-00001-of-00003");
    CHECK_CONTAINS(t->error.text, "missing");
    CHECK_EQ(unlink(bundle_path(&folder, ".index").text), 0);
    CHECK_STATUS(open_in(t, t->home, &folder, &b), EBB_E_NOT_FOUND);
    temporary_close(&d);
}

static const uint8_t *index_bytes(test *t, const char *name, size_t *length)
{
    temporary d;

    temporary_open(&d);
    const path_text folder = saved_folder_unpack(t, &d, name);
    const uint8_t *bytes = file_read(t, bundle_path(&folder, ".index").text, length);
    temporary_close(&d);
    return bytes;
}

static ebb_status count_entries(void *context, const char *name, size_t name_length,
                                const uint8_t *value, size_t value_length, ebb_error *error)
{
    uint32_t *count = context;

    (void)name;
    (void)name_length;
    (void)value;
    (void)value_length;
    (void)error;
    (*count)++;
    return EBB_OK;
}

/* Every byte is covered by a checksum, the magic or the handles. Only the padding of the footer and
 * the metaindex block may change without being noticed. */
static void damage_index(test *t, const char *name)
{
    size_t length;
    const uint8_t *good = index_bytes(t, name, &length);
    uint8_t *bytes = region_alloc(t->home, 1, length);
    uint32_t wanted = 0, unnoticed = 0;

    CHECK_OK(sstable_read(t->home, good, length, "index", count_entries, &wanted, &t->error));
    CHECK(wanted > 40);
    for (size_t i = 0; i < length; i++) {
        uint32_t count = 0;
        memcpy(bytes, good, length);
        bytes[i] ^= (uint8_t)(1u << i % 8);
        const ebb_status status =
            sstable_read(t->home, bytes, length, "index", count_entries, &count, &t->error);
        if (status == EBB_OK) {
            CHECK_EQ(count, wanted);
            unnoticed++;
        } else {
            CHECK_STATUS(status, EBB_E_FORMAT);
            CHECK(t->error.text[0] != '\0');
        }
    }
    CHECK(unnoticed < 60);
    for (size_t i = 0; i < length; i += 7) {
        uint32_t count = 0;
        CHECK_STATUS(sstable_read(t->home, good, i, "index", count_entries, &count, &t->error),
                     EBB_E_FORMAT);
    }
}

TEST(a_damaged_index_is_refused)
{
    damage_index(t, "export");
}

TEST(a_damaged_compressed_index_is_refused)
{
    damage_index(t, "sharded");
}

TEST(memory_that_ends_leaves_nothing)
{
    temporary d;

    temporary_open(&d);
    const path_text folder = saved_folder_unpack(t, &d, "sharded");
    for (int64_t n = 0;; n++) {
        bundle b;
        region *home = region_open(t->home, "bundle", EBB_CLASS_META, 0);
        CHECK(home != NULL);
        test_fail_allocation(t, n);
        const ebb_status status = open_in(t, home, &folder, &b);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        if (status == EBB_OK) bundle_close(&b);
        CHECK_EQ(ledger_descriptors(t->ledger), 0);
        region_close(home);
        if (!failed) break;
    }
    temporary_close(&d);
}

TEST_MAIN(RUN(crc32c_is_castagnoli), RUN(varints_are_bounded), RUN(names_are_found),
          RUN(shards_and_snappy_change_nothing), RUN(parts_are_read_and_checked),
          RUN(damaged_numbers_are_named), RUN(missing_and_short_files_are_told),
          RUN(a_damaged_index_is_refused), RUN(a_damaged_compressed_index_is_refused),
          RUN(memory_that_ends_leaves_nothing))
