/* hdf5_test.c -- the HDF5 reader against what h5py reads: golden/hdf5.zip and hdf5.txt, both made
 * by golden/make_hdf5.py. The files are read through the zip reader, as those inside a .keras are.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "format/hdf5/hdf5.h"
#include "format/zip.h"
#include "tensor/dtype.h"

#ifndef EBB_GOLDEN
#define EBB_GOLDEN "golden"
#endif

/* The golden archive, and the member that is open. */
typedef struct golden {
    test *t;
    source *file, *member;
    zip_archive *archive;
    region *home; /* of the member */
    hdf5_file *hdf5;
    char name[64];
} golden;

static golden golden_begin(test *t)
{
    golden g = {.t = t};

    CHECK_OK(source_open(t->home, EBB_GOLDEN "/hdf5.zip", &g.file, &t->error));
    CHECK_OK(zip_open(t->home, g.file, &g.archive, &t->error));
    return g;
}

static void golden_end(golden *g)
{
    region_close(g->home);
    source_close(g->file);
}

static void golden_use(golden *g, const char *name)
{
    if (g->home != NULL && strcmp(g->name, name) == 0) return;
    region_close(g->home);
    g->home = region_open(g->t->home, "golden", EBB_CLASS_META, 0);
    CHECK(g->home != NULL);
    snprintf(g->name, sizeof g->name, "%s", name);
    const zip_member *member = zip_find(g->archive, name);
    CHECK(member != NULL);
    CHECK_OK(zip_source(g->home, g->archive, member, &g->member, &g->t->error));
    CHECK_OK(hdf5_open(g->home, g->member, &g->hdf5, &g->t->error));
}

/* Calls `each` for every line of hdf5.txt that begins with `kind`; returns how many there were. */
static uint32_t golden_lines(golden *g, char kind, void (*each)(golden *g, char *fields))
{
    FILE *lines = fopen(EBB_GOLDEN "/hdf5.txt", "r");
    char line[1024], name[64];
    uint32_t count = 0;
    int used = 0;

    CHECK(lines != NULL);
    while (fgets(line, sizeof line, lines) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != kind || sscanf(line + 1, " %63s %n", name, &used) != 1) continue;
        golden_use(g, name);
        each(g, line + 1 + used);
        count++;
    }
    fclose(lines);
    return count;
}

static hdf5_object object_at(golden *g, const char *path)
{
    hdf5_object object;

    CHECK_OK(hdf5_find(g->hdf5, hdf5_root(g->hdf5), path, &object, &g->t->error));
    return object;
}

/* -- datasets ------------------------------------------------------------------------------------
 */

/* Ranges that begin and end anywhere must give the same elements as the whole. */
static void ranges_check(golden *g, const hdf5_dataset *d, const uint8_t *whole)
{
    const size_t element = ebb_dtype_bytes(d->dtype);
    uint8_t *part = region_alloc(g->home, 1, (size_t)d->count * element + 1);
    uint32_t random = 12345;

    CHECK(part != NULL);
    for (int i = 0; i < 8 && d->count > 0; i++) {
        random = random * 1664525u + 1013904223u;
        const uint64_t first = random % d->count;
        random = random * 1664525u + 1013904223u;
        const uint64_t count = random % (d->count - first + 1);

        memset(part, 0xee, (size_t)d->count * element + 1);
        CHECK_OK(hdf5_dataset_read(g->hdf5, d, first, count, part, &g->t->error));
        CHECK(memcmp(part, whole + first * element, (size_t)count * element) == 0);
        CHECK_EQ(part[count * element], 0xee);
    }
    CHECK_STATUS(hdf5_dataset_read(g->hdf5, d, d->count, 1, part, NULL), EBB_E_ARGUMENT);
}

static void dataset_check(golden *g, char *fields)
{
    char path[256], dtype[32], dims[128], seen[128] = "";
    unsigned crc = 0;
    hdf5_dataset *d = NULL;

    CHECK_EQ(sscanf(fields, "%255s %31s %127s %x", path, dtype, dims, &crc), 4);
    CHECK_OK(hdf5_dataset_open(g->hdf5, object_at(g, path).address, &d, &g->t->error));
    for (uint32_t i = 0; i < d->rank; i++) {
        const size_t used = strlen(seen);

        snprintf(seen + used, sizeof seen - used, i > 0 ? ",%lld" : "%lld", (long long)d->dims[i]);
    }
    CHECK_TEXT(d->rank == 0 ? "-" : seen, dims);
    if (strcmp(dtype, "none") == 0) {
        CHECK_EQ(d->dtype, EBB_DTYPE_NONE);
        CHECK_STATUS(hdf5_dataset_read(g->hdf5, d, 0, d->count, seen, NULL), EBB_E_UNSUPPORTED);
        return;
    }
    CHECK_TEXT(ebb_dtype_name(d->dtype), dtype);
    CHECK_EQ(d->is_opaque2, d->dtype == EBB_BF16);
    const size_t bytes = (size_t)d->count * ebb_dtype_bytes(d->dtype);
    uint8_t *whole = region_alloc(g->home, 1, bytes + 1);

    CHECK(whole != NULL);
    CHECK_OK(hdf5_dataset_read(g->hdf5, d, 0, d->count, whole, &g->t->error));
    if (crc32(0, whole, (uInt)bytes) != crc)
        harness_fail(__FILE__, __LINE__, "%s%s", g->name, path);
    ranges_check(g, d, whole);
    if (d->contiguous_at == UINT64_MAX) return;
    uint8_t *raw = region_alloc(g->home, 1, bytes + 1);

    CHECK_OK(source_read(g->member, d->contiguous_at, raw, bytes, &g->t->error));
    CHECK(memcmp(raw, whole, bytes) == 0);
}

TEST(hdf5_reads_every_dataset)
{
    golden g = golden_begin(t);

    CHECK(golden_lines(&g, 'D', dataset_check) > 200);
    golden_end(&g);
}

/* -- groups, attributes, refusals
 * ------------------------------------------------------------------ */

static void group_check(golden *g, char *fields)
{
    char path[256];
    unsigned expected = 0, crc = 0;
    const hdf5_object *objects = NULL, *again = NULL;
    uint32_t count = 0;
    uLong sum = crc32(0, NULL, 0);

    CHECK_EQ(sscanf(fields, "%255s %u %x", path, &expected, &crc), 3);
    CHECK_OK(hdf5_list(g->hdf5, object_at(g, path).address, &objects, &count, &g->t->error));
    CHECK_EQ(count, expected);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) sum = crc32(sum, (const Bytef *)"\n", 1);
        sum = crc32(sum, (const Bytef *)objects[i].name, (uInt)strlen(objects[i].name));
        CHECK(objects[i].kind == HDF5_GROUP || objects[i].kind == HDF5_DATASET);
    }
    CHECK_EQ(sum, crc);
    CHECK_OK(hdf5_list(g->hdf5, object_at(g, path).address, &again, &count, &g->t->error));
    CHECK(again == objects); /* read once */
}

TEST(hdf5_lists_groups_in_name_order)
{
    golden g = golden_begin(t);

    CHECK(golden_lines(&g, 'G', group_check) >= 20);
    golden_end(&g);
}

static void attribute_check(golden *g, char *fields)
{
    char path[256], name[64], kind;
    unsigned expected = 0, crc = 0;
    hdf5_value value;
    uLong sum = crc32(0, NULL, 0);

    CHECK_EQ(sscanf(fields, "%255s %63s %c %u %x", path, name, &kind, &expected, &crc), 5);
    CHECK_OK(hdf5_attribute(g->hdf5, object_at(g, path).address, name, &value, &g->t->error));
    CHECK_EQ(value.count, expected);
    if (expected == 0) return;
    CHECK_EQ(value.strings != NULL, kind == 's');
    CHECK_EQ(value.numbers != NULL, kind == 'n');
    for (uint32_t i = 0; kind == 's' && i < value.count; i++) {
        if (i > 0) sum = crc32(sum, (const Bytef *)"\n", 1);
        sum = crc32(sum, (const Bytef *)value.strings[i], (uInt)strlen(value.strings[i]));
    }
    if (kind == 'n')
        sum = crc32(sum, (const Bytef *)value.numbers, value.count * (uInt)sizeof(double));
    if (sum != crc) harness_fail(__FILE__, __LINE__, "%s%s: %s", g->name, path, name);
}

TEST(hdf5_reads_attributes)
{
    golden g = golden_begin(t);

    CHECK(golden_lines(&g, 'A', attribute_check) > 40);
    golden_end(&g);
}

/* Lists the parent, opens the object, reads it: somewhere on this way it ends in the status. */
static ebb_status object_use(golden *g, const char *path)
{
    hdf5_object object;
    hdf5_dataset *d = NULL;
    const hdf5_object *objects = NULL;
    uint32_t count = 0;
    ebb_status status = hdf5_find(g->hdf5, hdf5_root(g->hdf5), path, &object, &g->t->error);

    if (status != EBB_OK) return status;
    if (object.kind == HDF5_GROUP) {
        return hdf5_list(g->hdf5, object.address, &objects, &count, &g->t->error);
    }
    return hdf5_dataset_open(g->hdf5, object.address, &d, &g->t->error);
}

static void refusal_check(golden *g, char *fields)
{
    char path[256], status[32];

    CHECK_EQ(sscanf(fields, "%255s %31s", path, status), 2);
    g->t->error = (ebb_error){0};
    const ebb_status seen = object_use(g, path);
    char text[64];

    snprintf(text, sizeof text, "EBB_%s", status);
    if (strcmp(ebb_status_name(seen), text) != 0) {
        harness_fail(__FILE__, __LINE__, "%s%s: %s", g->name, path, ebb_status_name(seen));
    }
    CHECK_EQ(g->t->error.status, seen);
    CHECK(g->t->error.text[0] != '\0');
    CHECK_CONTAINS(g->t->error.where, g->name);
}

TEST(hdf5_refuses_by_name)
{
    golden g = golden_begin(t);

    CHECK(golden_lines(&g, 'R', refusal_check) >= 15);
    golden_end(&g);
}

TEST(hdf5_find_names_what_is_missing)
{
    golden g = golden_begin(t);
    hdf5_object object;

    golden_use(&g, "groups_earliest.h5");
    const uint64_t root = hdf5_root(g.hdf5);

    CHECK_STATUS(hdf5_find(g.hdf5, root, "a/b/x/d", &object, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "\"x\"");
    CHECK_CONTAINS(t->error.text, "a/b/");
    CHECK_OK(hdf5_find(g.hdf5, root, "//a//b/", &object, &t->error));
    CHECK_TEXT(object.name, "b");
    CHECK_EQ(object.kind, HDF5_GROUP);
    CHECK_OK(hdf5_find(g.hdf5, root, "", &object, &t->error));
    CHECK_EQ(object.address, root);
    CHECK_STATUS(hdf5_find(g.hdf5, root, "of_1", &object, &t->error), EBB_OK);
    CHECK_STATUS(hdf5_find(g.hdf5, root, "of_", &object, &t->error), EBB_E_NOT_FOUND);
    CHECK_STATUS(hdf5_find(g.hdf5, root, "of_10", &object, &t->error), EBB_E_NOT_FOUND);
    golden_end(&g);
}

/* A caller that walks all the way down ends: a group that contains itself is an error, not a loop.
 */
static ebb_status walk(golden *g, uint64_t address, uint32_t depth, uint32_t *visits)
{
    const hdf5_object *objects = NULL;
    uint32_t count = 0;
    ebb_status status = hdf5_list(g->hdf5, address, &objects, &count, &g->t->error);

    CHECK(depth < 100);
    for (uint32_t i = 0; i < count && status == EBB_OK; i++) {
        (*visits)++;
        if (objects[i].kind == HDF5_GROUP) status = walk(g, objects[i].address, depth + 1, visits);
    }
    return status;
}

TEST(hdf5_finds_circles_of_groups)
{
    golden g = golden_begin(t);
    uint32_t visits = 0;

    for (int i = 0; i < 2; i++) {
        golden_use(&g, i == 0 ? "refused_earliest.h5" : "refused_latest.h5");
        CHECK_STATUS(walk(&g, object_at(&g, "/circle").address, 0, &visits), EBB_E_FORMAT);
        CHECK_CONTAINS(g.t->error.text, "circle");
        CHECK_STATUS(walk(&g, object_at(&g, "/circle").address, 0, &visits), EBB_E_FORMAT);
    }
    CHECK(visits < 300);
    golden_end(&g);
}

/* -- damage
 * ---------------------------------------------------------------------------------------- */

TEST(hdf5_rejects_what_is_no_hdf5)
{
    static const char zeros[4096], signature[] = "\x89HDF\r\n\x1a\n";
    source *s = NULL;
    hdf5_file *file = NULL;

    CHECK_OK(source_memory(t->home, zeros, 0, "empty", &s, &t->error));
    CHECK_STATUS(hdf5_open(t->home, s, &file, &t->error), EBB_E_FORMAT);
    CHECK_OK(source_memory(t->home, zeros, sizeof zeros, "zeros", &s, &t->error));
    CHECK_STATUS(hdf5_open(t->home, s, &file, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "signature");
    CHECK_OK(source_memory(t->home, signature, 8, "short", &s, &t->error));
    CHECK_STATUS(hdf5_open(t->home, s, &file, &t->error), EBB_E_FORMAT);
}

/* Everything in a group and below. Returns the first status that is not OK. */
static ebb_status read_all(hdf5_file *file, region *home, uint64_t address, uint32_t depth,
                           ebb_error *error)
{
    const hdf5_object *objects = NULL;
    uint32_t count = 0;
    hdf5_value value;
    ebb_status status = hdf5_attribute(file, address, "weight_names", &value, error);

    if (status == EBB_OK) status = hdf5_list(file, address, &objects, &count, error);
    for (uint32_t i = 0; i < count && status == EBB_OK && depth < 80; i++) {
        hdf5_dataset *d = NULL;

        if (objects[i].kind == HDF5_GROUP) {
            status = read_all(file, home, objects[i].address, depth + 1, error);
            continue;
        }
        status = hdf5_dataset_open(file, objects[i].address, &d, error);
        if (status != EBB_OK || d->dtype == EBB_DTYPE_NONE) continue;
        void *bytes = region_alloc(home, (size_t)d->count + 1, ebb_dtype_bytes(d->dtype));

        if (bytes == NULL) return region_fail(home, error, "test", "a dataset");
        status = hdf5_dataset_read(file, d, 0, d->count, bytes, error);
    }
    return status;
}

/* However short a file is cut, it is one clear error. */
TEST(hdf5_rejects_every_truncation)
{
    golden g = golden_begin(t);
    const char *names[] = {"types_earliest.h5", "types_latest.h5", "user_block.h5"};

    for (size_t n = 0; n < 3; n++) {
        const zip_member *member = zip_find(g.archive, names[n]);
        const char *bytes = NULL;

        CHECK_OK(zip_read(t->home, g.archive, member, UINT64_MAX, &bytes, &t->error));
        for (uint64_t length = 0; length < member->bytes; length += 61) {
            region *home = region_open(t->home, "truncated", EBB_CLASS_META, 0);
            source *s = NULL;
            hdf5_file *file = NULL;

            CHECK_OK(source_memory(home, bytes, length, names[n], &s, &t->error));
            CHECK_STATUS(hdf5_open(home, s, &file, &t->error), EBB_E_FORMAT);
            region_close(home);
        }
    }
    golden_end(&g);
}

/* A flipped bit in metadata that carry a checksum is always found. */
TEST(hdf5_checksums_find_flipped_bits)
{
    golden g = golden_begin(t);
    const zip_member *member = zip_find(g.archive, "groups_latest.h5");
    const char *bytes = NULL;
    uint32_t found = 0;

    CHECK_OK(zip_read(t->home, g.archive, member, UINT64_MAX, &bytes, &t->error));
    char *copy = region_alloc(t->home, 1, (size_t)member->bytes);

    memcpy(copy, bytes, (size_t)member->bytes);
    for (size_t at = 0; at < 48; at++) { /* superblock 2 or 3 */
        region *home = region_open(t->home, "flipped", EBB_CLASS_META, 0);
        source *s = NULL;
        hdf5_file *file = NULL;

        copy[at] ^= 4;
        CHECK_OK(source_memory(home, copy, member->bytes, "flipped", &s, &t->error));
        found += hdf5_open(home, s, &file, &t->error) != EBB_OK;
        copy[at] ^= 4;
        region_close(home);
    }
    CHECK_EQ(found, 48);
    golden_end(&g);
}

/* Whatever a caller or a file makes the reader do again and again, it comes to an end; data stay
 * readable. */
TEST(hdf5_work_is_bounded)
{
    golden g = golden_begin(t);
    hdf5_dataset *d = NULL;
    float values[15];
    ebb_status status = EBB_OK;
    uint32_t calls = 0;

    golden_use(&g, "types_earliest.h5");
    CHECK_OK(hdf5_dataset_open(g.hdf5, object_at(&g, "/little/float32").address, &d, &t->error));
    for (; status == EBB_OK && calls < 1000000; calls++) {
        hdf5_value value;

        status = hdf5_attribute(g.hdf5, hdf5_root(g.hdf5), "absent", &value, &t->error);
    }
    CHECK_STATUS(status, EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "circles");
    CHECK(calls > 50000); /* far beyond what an honest reader asks of 20 KB */
    CHECK_OK(hdf5_dataset_read(g.hdf5, d, 0, 15, values, &t->error));
    golden_end(&g);
}

/* -- memory
 * ---------------------------------------------------------------------------------------- */

/* Each allocation fails in turn. Whatever happens, the answer is E_MEMORY or success, and the
 * region closes clean. */
static void torture(golden *g, const char *name)
{
    const uint64_t before = region_bytes_live(g->t->home);
    bool has_failed = true;

    for (int64_t n = 0; has_failed; n++) {
        region *home = region_open(g->t->home, "torture", EBB_CLASS_META, 0);
        hdf5_file *file = NULL;

        CHECK(home != NULL);
        test_fail_allocation(g->t, n);
        ebb_status status = hdf5_open(home, g->member, &file, &g->t->error);
        if (status == EBB_OK) {
            status = read_all(file, home, hdf5_root(file), 0, &g->t->error);
        }
        has_failed = test_allocation_failed(g->t);
        test_fail_allocation(g->t, -1);
        CHECK_STATUS(status, has_failed ? EBB_E_MEMORY : EBB_OK);
        region_close(home);
        CHECK_EQ(region_bytes_live(g->t->home), before);
        if (n > 100000) harness_fail(__FILE__, __LINE__, "%s never ends", name);
    }
}

TEST(hdf5_survives_every_failing_allocation)
{
    golden g = golden_begin(t);
    const char *names[] = {"types_earliest.h5", "chunks_latest.h5", "ordered_latest.h5"};

    for (size_t i = 0; i < 3; i++) {
        golden_use(&g, names[i]);
        torture(&g, names[i]);
    }
    golden_end(&g);
}

/* A single call that fails for want of memory leaves the file's region exactly as it was. */
TEST(hdf5_calls_that_fail_leave_nothing)
{
    golden g = golden_begin(t);

    golden_use(&g, "attributes_latest.h5");
    const uint64_t holder = object_at(&g, "/holder").address;
    const uint64_t before = region_bytes_live(g.home);
    ebb_status status = EBB_E_MEMORY;

    for (int64_t n = 0; status != EBB_OK; n++) {
        hdf5_value value;

        test_fail_allocation(t, n);
        status = hdf5_attribute(g.hdf5, holder, "variable", &value, &t->error);
        test_fail_allocation(t, -1);
        if (status == EBB_OK) break;
        CHECK_STATUS(status, EBB_E_MEMORY);
        CHECK_EQ(value.count, 0);
        CHECK_EQ(region_bytes_live(g.home), before);
    }
    golden_end(&g);
}

/* Reading leaves no scratch behind, and contiguous data need none at all. */
TEST(hdf5_reads_contiguous_data_without_memory)
{
    golden g = golden_begin(t);
    hdf5_dataset *d = NULL;
    float values[15];

    golden_use(&g, "types_earliest.h5");
    CHECK_OK(hdf5_dataset_open(g.hdf5, object_at(&g, "/little/float32").address, &d, &t->error));
    test_fail_allocation(t, 0);
    CHECK_OK(hdf5_dataset_read(g.hdf5, d, 0, 15, values, &t->error));
    CHECK(!test_allocation_failed(t));
    test_fail_allocation(t, -1);
    CHECK_NEAR(values[0], 11 / 8.0 - 10, 0);
    CHECK_NEAR(values[1], 48 / 8.0 - 10, 0);
    ebb_memory memory = {0};

    region_read(g.home, &memory);
    CHECK_EQ(memory.by_class[EBB_CLASS_SCRATCH], 0);
    golden_end(&g);
}

TEST_MAIN(RUN(hdf5_reads_every_dataset), RUN(hdf5_lists_groups_in_name_order),
          RUN(hdf5_reads_attributes), RUN(hdf5_refuses_by_name),
          RUN(hdf5_find_names_what_is_missing), RUN(hdf5_finds_circles_of_groups),
          RUN(hdf5_rejects_what_is_no_hdf5), RUN(hdf5_rejects_every_truncation),
          RUN(hdf5_checksums_find_flipped_bits), RUN(hdf5_work_is_bounded),
          RUN(hdf5_survives_every_failing_allocation), RUN(hdf5_calls_that_fail_leave_nothing),
          RUN(hdf5_reads_contiguous_data_without_memory))
