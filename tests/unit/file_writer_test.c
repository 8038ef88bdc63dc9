/* file_writer_test.c -- files that appear whole or not at all. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/file_writer.h"
#include "temporary.h"

TEST(a_file_appears_at_commit)
{
    temporary folder;
    file_writer w;
    size_t length;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x");
    CHECK_OK(file_writer_open(t->home, path.text, &w, &t->error));
    CHECK_EQ(ledger_descriptors(t->ledger), 1);
    CHECK_OK(file_writer_put(&w, "hello ", 6, &t->error));
    CHECK_OK(file_writer_put(&w, NULL, 0, &t->error));
    CHECK_OK(file_writer_put(&w, "world", 5, &t->error));
    CHECK_EQ(w.bytes, 11);
    CHECK(!file_exists(path.text));
    CHECK_OK(file_writer_commit(&w, &t->error));
    CHECK_EQ(ledger_descriptors(t->ledger), 0);
    CHECK_EQ(memcmp(file_read(t, path.text, &length), "hello world", 11), 0);
    CHECK_EQ(length, 11);
    file_writer_discard(&w);
    CHECK(file_exists(path.text));
    CHECK_EQ(temporary_count(&folder), 1);
    temporary_close(&folder);
}

TEST(a_discarded_file_leaves_nothing)
{
    temporary folder;
    file_writer w;
    size_t length;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x");
    file_write(path.text, "old", 3);
    CHECK_OK(file_writer_open(t->home, path.text, &w, &t->error));
    CHECK_OK(file_writer_put(&w, "new", 3, &t->error));
    CHECK_EQ(temporary_count(&folder), 2);
    file_writer_discard(&w);
    file_writer_discard(&w);
    CHECK_EQ(memcmp(file_read(t, path.text, &length), "old", 3), 0);
    CHECK_EQ(temporary_count(&folder), 1);
    temporary_close(&folder);
}

/* Two writers of one path, and a file that a process of this number left behind. */
TEST(taken_names_are_no_obstacle)
{
    temporary folder;
    file_writer a, b;
    char left[600];
    size_t length;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x");
    snprintf(left, sizeof left, "%s.part-%d-0", path.text, (int)getpid());
    file_write(left, "left", 4);
    CHECK_OK(file_writer_open(t->home, path.text, &a, &t->error));
    CHECK_OK(file_writer_open(t->home, path.text, &b, &t->error));
    CHECK_OK(file_writer_put(&a, "a", 1, &t->error));
    CHECK_OK(file_writer_put(&b, "b", 1, &t->error));
    CHECK_OK(file_writer_commit(&b, &t->error));
    CHECK_OK(file_writer_commit(&a, &t->error));
    CHECK_EQ(file_read(t, path.text, &length)[0], 'a');
    CHECK_EQ(file_read(t, left, &length)[0], 'l');
    CHECK_EQ(temporary_count(&folder), 2);
    temporary_close(&folder);
}

TEST(links_and_devices_are_not_written_to)
{
    temporary folder;
    file_writer w;

    temporary_open(&folder);
    const path_text pipe = temporary_path(&folder, "pipe"), link = temporary_path(&folder, "link");
    const path_text file = temporary_path(&folder, "file");
    CHECK_EQ(mkfifo(pipe.text, 0600), 0);
    CHECK_STATUS(file_writer_open(t->home, pipe.text, &w, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "regular file");
    file_writer_discard(&w);
    CHECK_STATUS(file_writer_open(t->home, folder.folder, &w, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "a directory");
    CHECK_STATUS(file_writer_open(t->home, NULL, &w, &t->error), EBB_E_ARGUMENT);
    file_write(file.text, "kept", 4);
    CHECK_EQ(symlink(file.text, link.text), 0);
    CHECK_OK(file_writer_open(t->home, link.text, &w, &t->error));
    CHECK_OK(file_writer_put(&w, "new", 3, &t->error));
    CHECK_OK(file_writer_commit(&w, &t->error)); /* replaces the link, not what it names */
    size_t length;
    CHECK_EQ(memcmp(file_read(t, file.text, &length), "kept", 4), 0);
    CHECK_EQ(memcmp(file_read(t, link.text, &length), "new", 3), 0);
    temporary_close(&folder);
}

TEST(a_failed_commit_leaves_nothing)
{
    temporary folder;
    file_writer w;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x"), inner = temporary_path(&folder, "x/y");
    CHECK_OK(file_writer_open(t->home, path.text, &w, &t->error));
    CHECK_EQ(mkdir(path.text, 0755), 0); /* somebody makes a folder of that name meanwhile */
    file_write(inner.text, "", 0);
    CHECK_STATUS(file_writer_commit(&w, &t->error), EBB_E_IO);
    CHECK_CONTAINS(t->error.where, path.text);
    CHECK_EQ(temporary_count(&folder), 1);
    CHECK_EQ(ledger_descriptors(t->ledger), 0);
    file_writer_discard(&w);
    CHECK_STATUS(file_writer_open(t->home, temporary_path(&folder, "no/x").text, &w, &t->error),
                 EBB_E_IO);
    CHECK_EQ(ledger_descriptors(t->ledger), 0);
    temporary_close(&folder);
}

/* A device that is always full stands for a full disk. */
TEST(a_full_disk_is_told)
{
    file_writer w = {.ledger = t->ledger, .path = region_text(t->home, "full")};
    FILE *full = fopen("/dev/full", "wb");

    if (full == NULL) return;
    w.descriptor = fileno(full);
    CHECK_STATUS(file_writer_put(&w, "x", 1, &t->error), EBB_E_IO);
    CHECK_CONTAINS(t->error.text, strerror(ENOSPC));
    fclose(full);
}

TEST(every_allocation_may_fail)
{
    temporary folder;
    file_writer w;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x");
    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = file_writer_open(t->home, path.text, &w, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        file_writer_discard(&w);
        CHECK_EQ(temporary_count(&folder), 0);
        CHECK_EQ(ledger_descriptors(t->ledger), 0);
        if (!failed) break;
    }
    temporary_close(&folder);
}

TEST(bytes_may_be_written_over)
{
    temporary folder;
    file_writer w;
    size_t length;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x");
    CHECK_OK(file_writer_open(t->home, path.text, &w, &t->error));
    CHECK_OK(file_writer_put(&w, "hello world", 11, &t->error));
    CHECK_OK(file_writer_patch(&w, 4, "p!", 2, &t->error));
    CHECK_OK(file_writer_put(&w, ".", 1, &t->error));
    CHECK_OK(file_writer_commit(&w, &t->error));
    CHECK_EQ(memcmp(file_read(t, path.text, &length), "hellp!world.", 12), 0);
    CHECK_EQ(length, 12);
    temporary_close(&folder);
}

TEST(a_new_file_replaces_nothing)
{
    temporary folder;
    file_writer w;
    size_t length;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x");
    CHECK_OK(file_writer_open(t->home, path.text, &w, &t->error));
    CHECK_OK(file_writer_put(&w, "new", 3, &t->error));
    file_write(path.text, "old", 3); /* somebody was faster */
    CHECK_STATUS(file_writer_commit_new(&w, &t->error), EBB_E_STATE);
    CHECK_EQ(memcmp(file_read(t, path.text, &length), "old", 3), 0);
    CHECK_EQ(temporary_count(&folder), 1);
    unlink(path.text);
    CHECK_OK(file_writer_open(t->home, path.text, &w, &t->error));
    CHECK_OK(file_writer_put(&w, "new", 3, &t->error));
    CHECK_OK(file_writer_commit_new(&w, &t->error));
    CHECK_EQ(memcmp(file_read(t, path.text, &length), "new", 3), 0);
    CHECK_EQ(temporary_count(&folder), 1);
    temporary_close(&folder);
}

TEST_MAIN(RUN(bytes_may_be_written_over), RUN(a_new_file_replaces_nothing),
          RUN(a_file_appears_at_commit), RUN(a_discarded_file_leaves_nothing),
          RUN(taken_names_are_no_obstacle), RUN(links_and_devices_are_not_written_to),
          RUN(a_failed_commit_leaves_nothing), RUN(a_full_disk_is_told),
          RUN(every_allocation_may_fail))
