/* status_test.c -- base/: status tables, filling errors, log lines, clock, checked sizes. */
#include "harness.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/size.h"
#include "base/status.h"

TEST(status_texts_and_names)
{
    CHECK_TEXT(ebb_status_text(EBB_OK), "success");
    CHECK_TEXT(ebb_status_name(EBB_OK), "EBB_OK");
    CHECK_TEXT(ebb_status_name(EBB_E_STALE), "EBB_E_STALE");
    CHECK_TEXT(ebb_status_text(EBB_E_STALE), "handle was already closed");
    CHECK_TEXT(ebb_status_text((ebb_status)9999), "unknown status");
    CHECK_TEXT(ebb_status_text((ebb_status)-1), "unknown status");
    CHECK_TEXT(ebb_status_name((ebb_status)9999), "unknown status");
    CHECK_CONTAINS(ebb_version(), ".");
}

TEST(fail_fills_the_error)
{
    CHECK_EQ(fail(&t->error, EBB_E_SHAPE, "dense_1", "axis %d: expected %d, got %d", 1, 784, 10),
             EBB_E_SHAPE);
    CHECK_EQ(t->error.status, EBB_E_SHAPE);
    CHECK_TEXT(t->error.where, "dense_1");
    CHECK_TEXT(t->error.text, "axis 1: expected 784, got 10");
    CHECK_EQ(fail(NULL, EBB_E_IO, "x", "y"), EBB_E_IO);
    CHECK_EQ(fail(&t->error, EBB_E_IO, NULL, "y"), EBB_E_IO);
    CHECK_TEXT(t->error.where, "");
    CHECK_EQ(fail_memory(&t->error, "m.h5", "the graph"), EBB_E_MEMORY);
    CHECK_TEXT(t->error.text, "no memory for the graph");
}

TEST(fail_within_adds_context)
{
    fail(&t->error, EBB_E_FORMAT, "layers[3]", "bad");
    fail_within(&t->error, "model.keras");
    CHECK_TEXT(t->error.where, "model.keras: layers[3]");
    CHECK_TEXT(t->error.text, "bad");
    fail_within(&t->error, "");
    fail_within(&t->error, NULL);
    fail_within(NULL, "x");
    CHECK_TEXT(t->error.where, "model.keras: layers[3]");
    fail(&t->error, EBB_E_FORMAT, "", "bad");
    fail_within(&t->error, "model.keras");
    CHECK_TEXT(t->error.where, "model.keras");

    char long_text[400];
    memset(long_text, 'c', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    fail_within(&t->error, long_text);
    CHECK_EQ(strlen(t->error.where), sizeof t->error.where - 1);
}

/* Whatever the text, a cut ends on a whole character. */
TEST(fail_cuts_between_characters)
{
    static const char *const characters[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8C\x8A"};
    for (size_t i = 0; i < 3; i++) {
        for (size_t shift = 0; shift < 5; shift++) {
            char text[700] = "";
            const size_t bytes = strlen(characters[i]);
            memset(text, 'a', shift);
            for (size_t at = shift; at + bytes < sizeof text; at += bytes) {
                memcpy(text + at, characters[i], bytes);
            }
            fail(&t->error, EBB_E_IO, text, "%s", text);
            CHECK_EQ((strlen(t->error.text) - shift) % bytes, 0);
            CHECK_EQ((strlen(t->error.where) - shift) % bytes, 0);
            CHECK(strlen(t->error.text) + bytes >= sizeof t->error.text);
            CHECK(strlen(t->error.where) + bytes >= sizeof t->error.where);
        }
    }
}

typedef struct line {
    int count;
    ebb_log_level level;
    char text[600];
} line;

static void keep(void *context, ebb_log_level level, const char *text)
{
    line *l = context;
    l->count++;
    l->level = level;
    strncpy(l->text, text, sizeof l->text - 1);
}

TEST(log_sends_what_is_wanted)
{
    line got = {0};
    const log_sink sink = {keep, &got, EBB_LOG_INFO};
    log_line(&sink, EBB_LOG_INFO, "loaded %s", "mnist");
    CHECK_EQ(got.count, 1);
    CHECK_EQ(got.level, EBB_LOG_INFO);
    CHECK_TEXT(got.text, "loaded mnist");
    log_line(&sink, EBB_LOG_DEBUG, "no");
    log_line(&sink, EBB_LOG_OFF, "no");
    CHECK_EQ(got.count, 1);
    log_line(&sink, EBB_LOG_ERROR, "%1000d", 1);
    CHECK_EQ(got.count, 2);
    CHECK_EQ(strlen(got.text), 511);
    const log_sink silent = {NULL, NULL, EBB_LOG_DEBUG};
    log_line(&silent, EBB_LOG_ERROR, "x");
    log_line(NULL, EBB_LOG_ERROR, "x");
}

TEST(clock_moves_forward)
{
    const uint64_t begin = clock_ns();
    uint64_t now = begin;
    while (now == begin) now = clock_ns();
    CHECK(now > begin);
    CHECK(now - begin < 1000000000u);
}

TEST(sizes_are_checked)
{
    size_t size;
    uint64_t wide;
    int64_t number;
    CHECK(size_add(1, 2, &size) && size == 3);
    CHECK(!size_add(SIZE_MAX, 1, &size) && size == SIZE_MAX);
    CHECK(size_mul(6, 7, &size) && size == 42);
    CHECK(!size_mul(SIZE_MAX / 2, 3, &size) && size == SIZE_MAX);
    CHECK(size_align(1, 64, &size) && size == 64);
    CHECK(size_align(64, 64, &size) && size == 64);
    CHECK(size_align(0, 64, &size) && size == 0);
    CHECK(!size_align(SIZE_MAX - 5, 64, &size) && size == SIZE_MAX);
    CHECK(!u64_mul(UINT64_MAX, 2, &wide) && wide == UINT64_MAX);
    CHECK(!u64_add(UINT64_MAX, 2, &wide) && wide == UINT64_MAX);
    CHECK(!i64_mul(INT64_MAX, 2, &number) && number == INT64_MAX);
    CHECK(!i64_add(INT64_MIN, -1, &number) && number == INT64_MAX);
    CHECK(i64_add(-3, 1, &number) && number == -2);
}

TEST_MAIN(RUN(status_texts_and_names), RUN(fail_fills_the_error), RUN(fail_within_adds_context),
          RUN(fail_cuts_between_characters), RUN(log_sends_what_is_wanted),
          RUN(clock_moves_forward), RUN(sizes_are_checked))
