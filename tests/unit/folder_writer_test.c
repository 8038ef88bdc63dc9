/* folder_writer_test.c -- folders that appear whole or not at all. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/folder_writer.h"
#include "temporary.h"

static ebb_status fill(test *t, const char *path, bool keeps_old, const char *content,
                       folder_writer *w)
{
    file_writer file;
    ebb_status status = folder_writer_open(t->home, path, keeps_old, w, &t->error);

    if (status != EBB_OK) return status;
    CHECK_OK(folder_writer_folder(w, "inner", &t->error));
    CHECK_OK(folder_writer_file(w, "inner/data", &file, &t->error));
    CHECK_OK(file_writer_put(&file, content, strlen(content), &t->error));
    CHECK_OK(file_writer_commit(&file, &t->error));
    return EBB_OK;
}

static void check_content(test *t, const char *folder, const char *content)
{
    size_t length;
    char path[600];

    snprintf(path, sizeof path, "%s/inner/data", folder);
    CHECK_EQ(memcmp(file_read(t, path, &length), content, strlen(content)), 0);
    CHECK_EQ(length, strlen(content));
}

static void remove_folder(const char *folder)
{
    char path[600];

    snprintf(path, sizeof path, "%s/inner/data", folder);
    CHECK_EQ(unlink(path), 0);
    snprintf(path, sizeof path, "%s/inner", folder);
    CHECK_EQ(rmdir(path), 0);
    CHECK_EQ(rmdir(folder), 0);
}

TEST(a_folder_appears_at_commit)
{
    temporary folder;
    folder_writer w;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x");
    CHECK_OK(fill(t, path.text, false, "new", &w));
    CHECK(!file_exists(path.text));
    CHECK_OK(folder_writer_commit(&w, &t->error));
    CHECK(w.replaced == NULL);
    check_content(t, path.text, "new");
    folder_writer_discard(&w);
    check_content(t, path.text, "new");
    CHECK_EQ(temporary_count(&folder), 1);
    temporary_close(&folder);
}

TEST(a_discarded_folder_leaves_nothing)
{
    temporary folder;
    folder_writer w;

    temporary_open(&folder);
    CHECK_OK(fill(t, temporary_path(&folder, "x").text, false, "new", &w));
    folder_writer_discard(&w);
    folder_writer_discard(&w);
    CHECK_EQ(temporary_count(&folder), 0);
    temporary_close(&folder);
}

TEST(the_old_folder_is_handed_over)
{
    temporary folder;
    folder_writer w;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x");
    CHECK_OK(fill(t, path.text, false, "old", &w));
    CHECK_OK(folder_writer_commit(&w, &t->error));
    CHECK_OK(fill(t, path.text, false, "new", &w));
    check_content(t, path.text, "old");
    CHECK_OK(folder_writer_commit(&w, &t->error));
    CHECK(w.replaced != NULL);
    check_content(t, path.text, "new");
    check_content(t, w.replaced, "old");
    remove_folder(w.replaced);
    CHECK_EQ(temporary_count(&folder), 1);
    temporary_close(&folder);
}

TEST(an_empty_folder_is_filled)
{
    temporary folder;
    folder_writer w;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x");
    CHECK_EQ(mkdir(path.text, 0777), 0);
    CHECK_OK(fill(t, path.text, false, "new", &w));
    CHECK_OK(folder_writer_commit(&w, &t->error));
    CHECK(w.replaced == NULL);
    check_content(t, path.text, "new");
    temporary_close(&folder);
}

/* Before the writing, and when something takes the name meanwhile. */
TEST(what_should_be_kept_is)
{
    temporary folder;
    folder_writer w;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x");
    CHECK_OK(fill(t, path.text, true, "new", &w));
    CHECK_EQ(mkdir(path.text, 0777), 0);
    CHECK_STATUS(folder_writer_commit(&w, &t->error), EBB_E_STATE);
    CHECK_EQ(temporary_count(&folder), 1);
    CHECK_STATUS(fill(t, path.text, true, "new", &w), EBB_E_STATE);
    CHECK_EQ(rmdir(path.text), 0);
    CHECK_OK(fill(t, path.text, false, "new", &w));
    file_write(path.text, "file", 4);
    CHECK_STATUS(folder_writer_commit(&w, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(temporary_count(&folder), 1);
    CHECK_STATUS(fill(t, path.text, false, "new", &w), EBB_E_ARGUMENT);
    CHECK_EQ(unlink(path.text), 0);
    CHECK_EQ(symlink(folder.folder, path.text), 0);
    CHECK_STATUS(fill(t, path.text, false, "new", &w), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "link");
    CHECK_EQ(unlink(path.text), 0);
    CHECK_STATUS(fill(t, temporary_path(&folder, "no/x").text, false, "new", &w), EBB_E_IO);
    temporary_close(&folder);
}

TEST_MAIN(RUN(a_folder_appears_at_commit), RUN(a_discarded_folder_leaves_nothing),
          RUN(the_old_folder_is_handed_over), RUN(an_empty_folder_is_filled),
          RUN(what_should_be_kept_is))
