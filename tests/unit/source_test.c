/* source_test.c -- files, ranges and memory as sources, and the things that are none. */
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/source.h"

/* A folder of its own for each test, with one file of `length` bytes: byte i is i * 7. */
typedef struct place {
    char folder[64], path[96], other[96];
} place;

static void file_write(const char *path, size_t length)
{
    FILE *file = fopen(path, "wb");

    CHECK(file != NULL);
    for (size_t i = 0; i < length; i++) fputc((int)(i * 7 & 0xff), file);
    fclose(file);
}

static place place_make(size_t length)
{
    place p = {.folder = "/tmp/ebb_source_XXXXXX"};

    CHECK(mkdtemp(p.folder) != NULL);
    snprintf(p.path, sizeof p.path, "%s/file", p.folder);
    snprintf(p.other, sizeof p.other, "%s/other", p.folder);
    file_write(p.path, length);
    return p;
}

static void place_remove(const place *p)
{
    unlink(p->path);
    unlink(p->other);
    CHECK_EQ(rmdir(p->folder), 0);
}

TEST(source_reads_inside_the_file_only)
{
    const place p = place_make(1000);
    source *s = NULL;
    uint8_t bytes[1001] = {0};

    CHECK_OK(source_open(t->home, p.path, &s, &t->error));
    CHECK_EQ(ledger_descriptors(t->ledger), 1);
    CHECK_EQ(source_bytes(s), 1000);
    CHECK_TEXT(source_name(s), p.path);
    CHECK_OK(source_read(s, 0, bytes, 1000, &t->error));
    for (size_t i = 0; i < 1000; i++) CHECK_EQ(bytes[i], (uint8_t)(i * 7));
    CHECK_OK(source_read(s, 1000, bytes, 0, &t->error));
    CHECK_OK(source_read(s, 999, bytes, 1, &t->error));
    CHECK_STATUS(source_read(s, 0, bytes, 1001, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(source_read(s, 1000, bytes, 1, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.where, "@ 0x3e8");
    CHECK_STATUS(source_read(s, UINT64_MAX, bytes, 1, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(source_read(s, UINT64_MAX, bytes, SIZE_MAX, NULL), EBB_E_FORMAT);
    CHECK_OK(source_unchanged(s, &t->error));
    source_close(s);
    source_close(s);
    source_close(NULL);
    CHECK_EQ(ledger_descriptors(t->ledger), 0);
    CHECK_STATUS(source_read(s, 0, bytes, 1, &t->error), EBB_E_STATE);
    place_remove(&p);
}

TEST(source_range_stays_in_its_parent)
{
    const place p = place_make(1000);
    source *s = NULL, *range = NULL, *inner = NULL, *none = NULL;
    uint8_t byte = 0;

    CHECK_OK(source_open(t->home, p.path, &s, &t->error));
    CHECK_OK(source_range(t->home, s, 100, 50, "member", &range, &t->error));
    CHECK_OK(source_range(t->home, range, 10, 5, "inner", &inner, &t->error));
    CHECK_EQ(source_bytes(inner), 5);
    CHECK_OK(source_read(range, 49, &byte, 1, &t->error));
    CHECK_EQ(byte, (uint8_t)(149 * 7));
    CHECK_OK(source_read(inner, 4, &byte, 1, &t->error));
    CHECK_EQ(byte, (uint8_t)(114 * 7));
    CHECK_STATUS(source_read(range, 50, &byte, 1, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.where, "member");
    CHECK_STATUS(source_read(inner, 5, &byte, 1, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(source_range(t->home, s, 1000, 1, "x", &none, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(source_range(t->home, s, 1, UINT64_MAX, "x", &none, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(source_range(t->home, range, 40, 11, "x", &none, &t->error), EBB_E_FORMAT);
    CHECK_OK(source_range(t->home, s, 1000, 0, "end", &none, &t->error));
    CHECK_OK(source_unchanged(inner, &t->error));
    source_close(inner);
    source_close(range);
    CHECK_OK(source_read(s, 0, &byte, 1, &t->error));
    source_close(s);
    place_remove(&p);
}

TEST(source_memory_borrows)
{
    const char text[] = "twelve bytes";
    source *s = NULL, *empty = NULL;
    char bytes[13] = "";

    CHECK_OK(source_memory(t->home, text, 12, "text", &s, &t->error));
    CHECK_OK(source_read(s, 0, bytes, 12, &t->error));
    CHECK_TEXT(bytes, text);
    CHECK_STATUS(source_read(s, 1, bytes, 12, &t->error), EBB_E_FORMAT);
    CHECK_OK(source_memory(t->home, NULL, 5, "empty", &empty, &t->error));
    CHECK_EQ(source_bytes(empty), 0);
    CHECK_OK(source_read(empty, 0, NULL, 0, &t->error));
    CHECK_OK(source_unchanged(s, &t->error));
    CHECK_EQ(ledger_descriptors(t->ledger), 0);
}

TEST(source_opens_regular_files_only)
{
    const place p = place_make(0);
    source *s = NULL;

    CHECK_STATUS(source_open(t->home, p.other, &s, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.where, "other");
    CHECK_STATUS(source_open(t->home, p.folder, &s, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "directory");
    CHECK_STATUS(source_open(t->home, "/dev/null", &s, &t->error), EBB_E_FORMAT);
    CHECK_EQ(mkfifo(p.other, 0600), 0);
    CHECK_STATUS(source_open(t->home, p.other, &s, &t->error),
                 EBB_E_FORMAT); /* and does not block */
    CHECK_STATUS(source_open(t->home, NULL, &s, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(source_open(t->home, "", &s, &t->error), EBB_E_NOT_FOUND);
    CHECK_OK(source_open(t->home, p.path, &s, &t->error));
    CHECK_EQ(source_bytes(s), 0);
    source_close(s);
    place_remove(&p);
}

TEST(source_descriptor_is_not_inherited)
{
    const place p = place_make(10);
    source *s = NULL;
    bool is_closed_on_exec = true;

    CHECK_OK(source_open(t->home, p.path, &s, &t->error));
    for (int fd = 3; fd < 64; fd++) {
        struct stat seen, wanted;

        if (fstat(fd, &seen) != 0 || stat(p.path, &wanted) != 0 || seen.st_ino != wanted.st_ino)
            continue;
        is_closed_on_exec = (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
    }
    CHECK(is_closed_on_exec);
    source_close(s);
    place_remove(&p);
}

TEST(source_notices_a_file_that_shrinks)
{
    const place p = place_make(1000);
    source *s = NULL;
    uint8_t bytes[1000];

    CHECK_OK(source_open(t->home, p.path, &s, &t->error));
    CHECK_EQ(truncate(p.path, 500), 0);
    CHECK_STATUS(source_read(s, 0, bytes, 1000, &t->error), EBB_E_IO);
    CHECK_CONTAINS(t->error.text, "shrank");
    CHECK_STATUS(source_unchanged(s, &t->error), EBB_E_IO);
    source_close(s);
    place_remove(&p);
}

TEST(source_notices_a_file_that_changes)
{
    const place p = place_make(1000);
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    source *s = NULL, *range = NULL;

    CHECK_OK(source_open(t->home, p.path, &s, &t->error));
    CHECK_OK(source_range(t->home, s, 0, 10, "range", &range, &t->error));
    CHECK_OK(source_unchanged(range, &t->error));
    CHECK_EQ(utimensat(AT_FDCWD, p.path, times, 0), 0);
    CHECK_STATUS(source_unchanged(range, &t->error), EBB_E_IO);
    source_close(s);

    CHECK_OK(source_open(t->home, p.path, &s, &t->error));
    file_write(p.other, 1000);
    CHECK_EQ(rename(p.other, p.path), 0);
    CHECK_STATUS(source_unchanged(s, &t->error), EBB_E_IO);
    CHECK_CONTAINS(t->error.text, "replaced");
    source_close(s);

    CHECK_OK(source_open(t->home, p.path, &s, &t->error));
    CHECK_EQ(unlink(p.path), 0);
    CHECK_OK(source_unchanged(s, &t->error)); /* what was opened is still all there */
    source_close(s);
    place_remove(&p);
}

TEST(source_open_gives_everything_back_when_memory_fails)
{
    const place p = place_make(10);
    source *s = NULL;

    test_fail_allocation(t, 0);
    CHECK_STATUS(source_open(t->home, p.path, &s, &t->error), EBB_E_MEMORY);
    test_fail_allocation(t, -1);
    CHECK_EQ(ledger_descriptors(t->ledger), 0);
    CHECK_EQ(test_process_descriptors(), t->descriptors);
    place_remove(&p);
}

TEST_MAIN(RUN(source_reads_inside_the_file_only), RUN(source_range_stays_in_its_parent),
          RUN(source_memory_borrows), RUN(source_opens_regular_files_only),
          RUN(source_descriptor_is_not_inherited), RUN(source_notices_a_file_that_shrinks),
          RUN(source_notices_a_file_that_changes),
          RUN(source_open_gives_everything_back_when_memory_fails))
