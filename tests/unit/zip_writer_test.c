/* zip_writer_test.c -- archives that readers accept: ours, member by member, and Python's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/zip.h"
#include "format/zip_writer.h"
#include "temporary.h"

#define MEMBERS 40

static void write_members(test *t, const char *path)
{
    file_writer file;
    zip_writer zip;
    char data[MEMBERS * 7];

    memset(data, 'd', sizeof data);
    CHECK_OK(file_writer_open(t->home, path, &file, &t->error));
    zip_writer_begin(t->home, &file, &zip);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        char name[64];
        snprintf(name, sizeof name, "folder/%.*sm%02u", (int)(i % 9), "xxxxxxxxx", i);
        CHECK_OK(zip_writer_add(&zip, name, "head", i % 5, data, i * 7, &t->error));
    }
    CHECK_EQ(zip.count, MEMBERS);
    CHECK_OK(zip_writer_end(&zip, &t->error));
    CHECK_OK(file_writer_commit(&file, &t->error));
}

TEST(what_is_written_is_read)
{
    temporary folder;
    source *s;
    zip_archive *archive;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x.zip"),
                    again = temporary_path(&folder, "y.zip");
    write_members(t, path.text);
    CHECK_OK(source_open(t->home, path.text, &s, &t->error));
    CHECK_OK(zip_open(t->home, s, &archive, &t->error));
    CHECK_EQ(archive->count, MEMBERS);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        char name[64];
        const char *bytes;
        snprintf(name, sizeof name, "folder/%.*sm%02u", (int)(i % 9), "xxxxxxxxx", i);
        const zip_member *member = zip_find(archive, name);
        CHECK(member != NULL);
        CHECK_EQ(member->bytes, i % 5 + i * 7);
        CHECK_EQ(member->method, 0);
        CHECK_EQ(member->data_offset % 64, 0); /* so that readers may map it */
        CHECK_OK(zip_read(t->home, archive, member, 1 << 20, &bytes, &t->error));
        CHECK_EQ(memcmp(bytes, "head", i % 5), 0);
        for (uint32_t k = 0; k < i * 7; k++) CHECK_EQ(bytes[i % 5 + k], 'd');
    }
    source_close(s);
    write_members(t, again.text);
    CHECK(files_equal(t, path.text, again.text)); /* no time, no chance in it */
    temporary_close(&folder);
}

TEST(an_archive_of_nothing_is_read)
{
    temporary folder;
    file_writer file;
    zip_writer zip;
    source *s;
    zip_archive *archive;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x.zip");
    CHECK_OK(file_writer_open(t->home, path.text, &file, &t->error));
    zip_writer_begin(t->home, &file, &zip);
    CHECK_OK(zip_writer_end(&zip, &t->error));
    CHECK_EQ(file.bytes, 22);
    CHECK_OK(file_writer_commit(&file, &t->error));
    CHECK_OK(source_open(t->home, path.text, &s, &t->error));
    CHECK_OK(zip_open(t->home, s, &archive, &t->error));
    CHECK_EQ(archive->count, 0);
    source_close(s);
    temporary_close(&folder);
}

TEST(python_reads_it_too)
{
    temporary folder;
    char command[1024];

    if (system("python3 -c 'import zipfile' 2>/dev/null") != 0) return;
    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x.zip");
    write_members(t, path.text);
    snprintf(command, sizeof command,
             "python3 -c 'import zipfile, sys; z = zipfile.ZipFile(sys.argv[1]); "
             "sys.exit(z.testzip() is not "
             "None or len(z.namelist()) != %d or not z.namelist()[0].endswith(\"m00\"))' %s",
             MEMBERS, path.text);
    CHECK_EQ(system(command), 0);
    temporary_close(&folder);
}

/* From 65,535 members on the end record is that of zip64. */
TEST(many_members_need_zip64)
{
    enum { MANY = 65536 };
    temporary folder;
    file_writer file;
    zip_writer zip;
    source *s;
    zip_archive *archive;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x.zip");
    CHECK_OK(file_writer_open(t->home, path.text, &file, &t->error));
    zip_writer_begin(t->home, &file, &zip);
    for (uint32_t i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        CHECK_OK(zip_writer_add(&zip, name, NULL, 0, NULL, 0, &t->error));
    }
    CHECK_OK(zip_writer_end(&zip, &t->error));
    CHECK_OK(file_writer_commit(&file, &t->error));
    CHECK_OK(source_open(t->home, path.text, &s, &t->error));
    CHECK_OK(zip_open(t->home, s, &archive, &t->error));
    CHECK_EQ(archive->count, MANY);
    CHECK(zip_find(archive, "65535") != NULL);
    source_close(s);
    temporary_close(&folder);
}

TEST(every_allocation_may_fail)
{
    temporary folder;
    file_writer file;
    zip_writer zip;

    temporary_open(&folder);
    CHECK_OK(file_writer_open(t->home, temporary_path(&folder, "x.zip").text, &file, &t->error));
    zip_writer_begin(t->home, &file, &zip);
    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = zip_writer_add(&zip, "name", "a", 1, "b", 1, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(zip.count, !failed);
        if (!failed) break;
    }
    file_writer_discard(&file);
    CHECK_EQ(temporary_count(&folder), 0);
    temporary_close(&folder);
}

/* -- members in pieces ------------------------------------------------------------------------- */

#define PIECES 1000

static ebb_status write_pieces(test *t, zip_writer *zip, bool deflates)
{
    char piece[300];
    ebb_status status =
        zip_writer_begin_member(zip, "pieces", PIECES * sizeof piece, deflates, &t->error);

    for (uint32_t i = 0; i < PIECES && status == EBB_OK; i++) {
        for (size_t k = 0; k < sizeof piece; k++) piece[k] = (char)(i * k + (k & i) * 7);
        status = zip_writer_put(zip, piece, sizeof piece, &t->error);
    }
    return status == EBB_OK ? zip_writer_end_member(zip, &t->error) : status;
}

TEST(members_in_pieces_are_read)
{
    temporary folder;

    temporary_open(&folder);
    for (int deflates = 0; deflates <= 1; deflates++) {
        file_writer file;
        zip_writer zip;
        source *s;
        zip_archive *archive;
        const char *bytes;
        const path_text path = temporary_path(&folder, "x.zip");
        CHECK_OK(file_writer_open(t->home, path.text, &file, &t->error));
        zip_writer_begin(t->home, &file, &zip);
        const uint64_t before = region_bytes_live(t->home);
        CHECK_OK(write_pieces(t, &zip, deflates != 0));
        CHECK_EQ(region_bytes_live(t->home), before);
        CHECK_OK(zip_writer_begin_member(&zip, "empty", 0, deflates != 0, &t->error));
        CHECK_OK(zip_writer_end_member(&zip, &t->error));
        CHECK_OK(zip_writer_add(&zip, "whole", "a", 1, "b", 1, &t->error));
        CHECK_OK(zip_writer_end(&zip, &t->error));
        CHECK_OK(file_writer_commit(&file, &t->error));
        CHECK_OK(source_open(t->home, path.text, &s, &t->error));
        CHECK_OK(zip_open(t->home, s, &archive, &t->error));
        CHECK_EQ(archive->count, 3);
        const zip_member *member = zip_find(archive, "pieces");
        CHECK_EQ(member->method, deflates != 0 ? 8 : 0);
        CHECK_EQ(member->data_offset % 64, 0);
        CHECK_OK(zip_read(t->home, archive, member, 1 << 20, &bytes, &t->error)); /* and its sum */
        for (uint32_t i = 0; i < PIECES; i++) {
            for (uint32_t k = 0; k < 300; k++)
                CHECK(bytes[i * 300 + k] == (char)(i * k + (k & i) * 7));
        }
        CHECK_OK(zip_read(t->home, archive, zip_find(archive, "empty"), 1, &bytes, &t->error));
        source_close(s);
    }
    temporary_close(&folder);
}

TEST(pieces_have_the_announced_length)
{
    temporary folder;
    file_writer file;
    zip_writer zip;

    temporary_open(&folder);
    CHECK_OK(file_writer_open(t->home, temporary_path(&folder, "x.zip").text, &file, &t->error));
    zip_writer_begin(t->home, &file, &zip);
    CHECK_OK(zip_writer_begin_member(&zip, "x", 3, true, &t->error));
    CHECK_OK(zip_writer_put(&zip, "ab", 2, &t->error));
    CHECK_STATUS(zip_writer_put(&zip, "cd", 2, &t->error), EBB_E_INTERNAL);
    CHECK_STATUS(zip_writer_end_member(&zip, &t->error), EBB_E_INTERNAL);
    zip_writer_abandon(&zip);
    zip_writer_abandon(&zip);
    file_writer_discard(&file);
    temporary_close(&folder);
}

TEST(pieces_survive_every_failing_allocation)
{
    temporary folder;
    file_writer file;
    zip_writer zip;

    temporary_open(&folder);
    CHECK_OK(file_writer_open(t->home, temporary_path(&folder, "x.zip").text, &file, &t->error));
    zip_writer_begin(t->home, &file, &zip);
    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = write_pieces(t, &zip, true);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        zip_writer_abandon(&zip);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(ledger_regions(t->ledger), 1);
        if (!failed) break;
    }
    file_writer_discard(&file);
    temporary_close(&folder);
}

TEST_MAIN(RUN(members_in_pieces_are_read), RUN(pieces_have_the_announced_length),
          RUN(pieces_survive_every_failing_allocation), RUN(what_is_written_is_read),
          RUN(an_archive_of_nothing_is_read), RUN(python_reads_it_too),
          RUN(many_members_need_zip64), RUN(every_allocation_may_fail))
