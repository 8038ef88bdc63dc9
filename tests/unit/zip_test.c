/* zip_test.c -- the zip reader on honest and hostile archives: golden/zip and zip.txt, both made by
 * golden/make_zip.py. Every honest archive holds the same four members. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "format/zip.h"

#ifndef EBB_GOLDEN
#define EBB_GOLDEN "golden"
#endif

#define READ_MAX ((uint64_t)1 << 20)

/* -- what the honest archives hold
 * ------------------------------------------------------------------ */

static void check_words(const char *bytes)
{
    char line[32];

    for (int i = 0; i < 200; i++) {
        const int length = snprintf(line, sizeof line, "word %d\n", i % 40);

        CHECK(memcmp(bytes, line, (size_t)length) == 0);
        bytes += length;
    }
    CHECK_EQ(*bytes, '\0');
}

static void check_weights(const uint8_t *bytes)
{
    for (uint32_t i = 0; i < 1000; i++) CHECK_EQ(bytes[i], (uint8_t)(i * i * 31 + i / 7));
}

/* Opens golden/zip/<name> in t->home. */
static source *golden_open(test *t, const char *name)
{
    char path[512];
    source *s = NULL;

    snprintf(path, sizeof path, "%s/zip/%s", EBB_GOLDEN, name);
    CHECK_OK(source_open(t->home, path, &s, &t->error));
    return s;
}

static const char *member_read(test *t, zip_archive *a, const char *name, uint64_t *length)
{
    const zip_member *member = zip_find(a, name);
    const char *bytes = NULL;

    CHECK(member != NULL);
    CHECK_OK(zip_read(t->home, a, member, READ_MAX, &bytes, &t->error));
    *length = member->bytes;
    return bytes;
}

static void honest_check(test *t, const char *name)
{
    source *s = golden_open(t, name), *weights = NULL;
    zip_archive *a = NULL;
    uint8_t bytes[1000];
    uint64_t length = 0;

    CHECK_OK(zip_open(t->home, s, &a, &t->error));
    CHECK_EQ(a->count, 4);
    CHECK_TEXT(member_read(t, a, "metadata.json", &length), "{\"keras_version\": \"3.15.1\"}");
    CHECK_EQ(length, 27);
    check_words(member_read(t, a, "assets/words.txt", &length));
    CHECK_TEXT(member_read(t, a, "empty", &length), "");
    check_weights((const uint8_t *)member_read(t, a, "model.weights.h5", &length));
    CHECK_EQ(length, 1000);
    CHECK(zip_find(a, "assets") == NULL);
    CHECK(zip_find(a, "zzz") == NULL);

    CHECK_OK(zip_source(t->home, a, zip_find(a, "model.weights.h5"), &weights, &t->error));
    CHECK_EQ(source_bytes(weights), 1000);
    CHECK_OK(source_read(weights, 0, bytes, sizeof bytes, &t->error));
    check_weights(bytes);
    CHECK_OK(source_read(weights, 999, bytes, 1, &t->error));
    CHECK_STATUS(source_read(weights, 999, bytes, 2, &t->error), EBB_E_FORMAT);
    CHECK_OK(source_unchanged(weights, &t->error));
    source_close(s);
}

/* -- all of them
 * ------------------------------------------------------------------------------------ */

static ebb_status all_read(test *t, region *home, source *s, const char **failed_in)
{
    zip_archive *a = NULL;
    ebb_status status = zip_open(home, s, &a, &t->error);

    *failed_in = "open";
    if (status != EBB_OK) return status;
    *failed_in = "read";
    for (uint32_t i = 0; i < a->count && status == EBB_OK; i++) {
        const char *bytes = NULL;

        status = zip_read(home, a, &a->members[i], READ_MAX, &bytes, &t->error);
    }
    return status;
}

TEST(zip_reads_honest_and_refuses_hostile_archives)
{
    FILE *lines = fopen(EBB_GOLDEN "/zip.txt", "r");
    char name[64], call[16], status[32], text[64];
    uint32_t count = 0;

    CHECK(lines != NULL);
    while (fscanf(lines, "%63s %15s %31s", name, call, status) == 3) {
        const char *failed_in = NULL;

        count++;
        if (strcmp(status, "OK") == 0) {
            honest_check(t, name);
            continue;
        }
        region *home = region_open(t->home, "hostile", EBB_CLASS_META, 0);
        source *s = golden_open(t, name);
        t->error = (ebb_error){0};
        const ebb_status seen = all_read(t, home, s, &failed_in);

        snprintf(text, sizeof text, "EBB_%s", status);
        if (strcmp(ebb_status_name(seen), text) != 0 || strcmp(failed_in, call) != 0) {
            harness_fail(__FILE__, __LINE__, "%s: %s in %s: %s", name, ebb_status_name(seen),
                         failed_in, t->error.text);
        }
        CHECK_EQ(t->error.status, seen);
        CHECK(t->error.text[0] != '\0');
        source_close(s);
        region_close(home);
    }
    fclose(lines);
    CHECK(count > 35);
}

TEST(zip_read_obeys_its_limit)
{
    source *s = golden_open(t, "deflated.zip");
    zip_archive *a = NULL;
    const char *bytes = NULL;

    CHECK_OK(zip_open(t->home, s, &a, &t->error));
    const zip_member *member = zip_find(a, "model.weights.h5");
    const uint64_t before = region_bytes_live(t->home);

    CHECK_STATUS(zip_read(t->home, a, member, 999, &bytes, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "999");
    CHECK_EQ(region_bytes_live(t->home), before);
    CHECK_OK(zip_read(t->home, a, member, 1000, &bytes, &t->error));
    source_close(s);
}

TEST(zip_rejects_what_is_no_zip)
{
    static const char zeros[100000];
    source *s = NULL;
    zip_archive *a = NULL;

    for (uint64_t length = 0; length <= sizeof zeros; length += 5000) {
        CHECK_OK(source_memory(t->home, zeros, length, "zeros", &s, &t->error));
        CHECK_STATUS(zip_open(t->home, s, &a, &t->error), EBB_E_FORMAT);
    }
}

TEST(zip_reads_an_archive_of_nothing)
{
    static const uint8_t end[22] = {'P', 'K', 5, 6};
    source *s = NULL;
    zip_archive *a = NULL;

    CHECK_OK(source_memory(t->home, end, sizeof end, "nothing", &s, &t->error));
    CHECK_OK(zip_open(t->home, s, &a, &t->error));
    CHECK_EQ(a->count, 0);
    CHECK(zip_find(a, "x") == NULL);
}

/* Every prefix of an archive is refused, and refusing leaves nothing behind. */
TEST(zip_rejects_every_truncation)
{
    source *s = golden_open(t, "deflated_zip64.zip"), *cut = NULL;
    uint8_t bytes[4096];

    const uint64_t total = source_bytes(s);

    CHECK(total < sizeof bytes);
    CHECK_OK(source_read(s, 0, bytes, (size_t)total, &t->error));
    for (uint64_t length = 0; length < total; length++) {
        region *home = region_open(t->home, "cut", EBB_CLASS_META, 0);
        zip_archive *a = NULL;

        CHECK_OK(source_memory(home, bytes, length, "cut", &cut, &t->error));
        const uint64_t before = region_bytes_live(home);
        CHECK_STATUS(zip_open(home, cut, &a, &t->error), EBB_E_FORMAT);
        CHECK_EQ(region_bytes_live(home), before);
        region_close(home);
    }
    source_close(s);
}

/* Each call with each allocation failing: E_MEMORY, and the region as it was. */
TEST(zip_calls_that_fail_leave_nothing)
{
    source *s = golden_open(t, "deflated.zip"), *weights = NULL;
    zip_archive *a = NULL;
    const char *bytes = NULL;
    uint64_t failures = 0;

    for (int call = 0; call < 3; call++) {
        const uint64_t before = region_bytes_live(t->home);
        ebb_status status = EBB_E_MEMORY;

        for (int64_t n = 0; status != EBB_OK; n++) {
            const zip_member *member = a == NULL ? NULL : zip_find(a, "model.weights.h5");

            test_fail_allocation(t, n);
            if (call == 0) status = zip_open(t->home, s, &a, &t->error);
            if (call == 1) status = zip_read(t->home, a, member, READ_MAX, &bytes, &t->error);
            if (call == 2) status = zip_source(t->home, a, member, &weights, &t->error);
            test_fail_allocation(t, -1);
            if (status == EBB_OK) break;
            failures++;
            CHECK_STATUS(status, EBB_E_MEMORY);
            CHECK_EQ(t->error.status, EBB_E_MEMORY);
            CHECK_EQ(region_bytes_live(t->home), before);
        }
    }
    CHECK(failures > 12);
    source_close(s);
}

TEST_MAIN(RUN(zip_reads_honest_and_refuses_hostile_archives), RUN(zip_read_obeys_its_limit),
          RUN(zip_rejects_what_is_no_zip), RUN(zip_reads_an_archive_of_nothing),
          RUN(zip_rejects_every_truncation), RUN(zip_calls_that_fail_leave_nothing))
