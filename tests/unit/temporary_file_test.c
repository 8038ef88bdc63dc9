/* temporary_file_test.c -- files that go with their owner, and what killed processes leave. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "digits.h"
#include "temporary.h"

typedef struct name_text {
    char text[512];
} name_text;

static name_text make(test *t, const digits *d, ebb_temporary_options options)
{
    name_text name;

    CHECK_OK(ebb_temporary_file(d->runtime, &options, name.text, sizeof name.text, &t->error));
    CHECK(file_exists(name.text));
    return name;
}

TEST(files_go_with_their_owner)
{
    digits d;
    temporary folder;
    ebb_model model;
    ebb_scope scope;
    ebb_receipt receipt;
    ebb_temporary_options options = EBB_TEMPORARY_OPTIONS_INIT;

    temporary_open(&folder);
    digits_open(t, &d, NULL);
    const uint64_t before = digits_live(&d);
    options.folder = folder.folder;
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    CHECK_OK(ebb_scope_open(d.runtime, NULL, &scope, &t->error));
    options.suffix = ".npy";
    options.model = model;
    const name_text of_model = make(t, &d, options);
    CHECK_TEXT(of_model.text + strlen(of_model.text) - 4, ".npy");
    file_write(of_model.text, "12345", 5);
    options.model.id = 0;
    options.scope = scope;
    const name_text of_scope = make(t, &d, options);
    options.scope.id = 0;
    options.is_folder = true;
    const name_text of_runtime = make(t, &d, options);
    CHECK_EQ(temporary_count(&folder), 3);
    CHECK_OK(ebb_model_unload(model, NULL, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 1);
    CHECK_EQ(receipt.files_bytes, 5);
    CHECK_CONTAINS(receipt.files, of_model.text);
    CHECK(!file_exists(of_model.text));
    CHECK_OK(ebb_scope_close(scope, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 1);
    CHECK(!file_exists(of_scope.text));
    CHECK(digits_live(&d) > before);
    char deep[600];
    snprintf(deep, sizeof deep, "%s/a.txt", of_runtime.text);
    file_write(deep, "x", 1);
    CHECK_OK(ebb_runtime_close(d.runtime, &receipt));
    CHECK_EQ(receipt.files_removed, 2);
    CHECK_CONTAINS(receipt.files, of_runtime.text);
    CHECK_EQ(temporary_count(&folder), 0);
    temporary_close(&folder);
}

TEST(links_inside_are_removed_and_never_followed)
{
    digits d;
    temporary folder, elsewhere;
    path_text kept;
    char link[600];
    ebb_temporary_options options = EBB_TEMPORARY_OPTIONS_INIT;

    temporary_open(&folder);
    temporary_open(&elsewhere);
    digits_open(t, &d, NULL);
    kept = temporary_path(&elsewhere, "kept.txt");
    file_write(kept.text, "x", 1);
    options.folder = folder.folder;
    options.is_folder = true;
    const name_text name = make(t, &d, options);
    snprintf(link, sizeof link, "%s/link", name.text);
    CHECK_EQ(symlink(elsewhere.folder, link), 0);
    snprintf(link, sizeof link, "%s/file", name.text);
    CHECK_EQ(symlink(kept.text, link), 0);
    digits_close(t, &d);
    CHECK_EQ(temporary_count(&folder), 0);
    CHECK(file_exists(kept.text));
    temporary_close(&folder);
    temporary_close(&elsewhere);
}

TEST(wrong_calls_make_nothing)
{
    digits d;
    temporary folder;
    char path[512], small[16];
    ebb_temporary_options options = EBB_TEMPORARY_OPTIONS_INIT;

    temporary_open(&folder);
    digits_open(t, &d, NULL);
    const uint64_t before = digits_live(&d);
    options.folder = folder.folder;
    options.suffix = "/../../x";
    CHECK_STATUS(ebb_temporary_file(d.runtime, &options, path, sizeof path, &t->error),
                 EBB_E_ARGUMENT);
    options.suffix = NULL;
    CHECK_STATUS(ebb_temporary_file(d.runtime, &options, small, sizeof small, &t->error),
                 EBB_E_ARGUMENT);
    options.model.id = 12345;
    CHECK_STATUS(ebb_temporary_file(d.runtime, &options, path, sizeof path, &t->error),
                 EBB_E_STALE);
    options.scope.id = 12345;
    CHECK_STATUS(ebb_temporary_file(d.runtime, &options, path, sizeof path, &t->error),
                 EBB_E_ARGUMENT);
    options = (ebb_temporary_options)EBB_TEMPORARY_OPTIONS_INIT;
    options.folder = "/nowhere/at/all";
    CHECK_STATUS(ebb_temporary_file(d.runtime, &options, path, sizeof path, &t->error),
                 EBB_E_NOT_FOUND);
    CHECK_TEXT(path, "");
    CHECK_STATUS(ebb_temporary_remove(d.runtime, digits_mlp, &t->error), EBB_E_NOT_FOUND);
    CHECK(file_exists(digits_mlp));
    options.folder = folder.folder;
    const name_text name = make(t, &d, options);
    CHECK_OK(ebb_temporary_remove(d.runtime, name.text, &t->error));
    CHECK_STATUS(ebb_temporary_remove(d.runtime, name.text, &t->error), EBB_E_NOT_FOUND);
    CHECK_EQ(temporary_count(&folder), 0);
    CHECK_EQ(digits_live(&d), before);
    digits_close(t, &d);
    temporary_close(&folder);
}

TEST(leftovers_of_killed_processes_are_collected)
{
    digits d;
    temporary folder;
    ebb_receipt receipt;
    ebb_temporary_options options = EBB_TEMPORARY_OPTIONS_INIT;

    if (!test_forks_are_followed()) return;
    temporary_open(&folder);
    options.folder = folder.folder;
    const pid_t child = fork();
    if (child == 0) {
        ebb_runtime runtime;
        char path[512];
        bool good = ebb_runtime_open(NULL, &runtime, NULL) == EBB_OK;
        good &= ebb_temporary_file(runtime, &options, path, sizeof path, NULL) == EBB_OK;
        options.is_folder = true;
        good &= ebb_temporary_file(runtime, &options, path, sizeof path, NULL) == EBB_OK;
        if (good) kill(getpid(), SIGKILL);
        _exit(1);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(temporary_count(&folder), 2);
    digits_open(t, &d, NULL);
    const name_text ours = make(t, &d, options);
    file_write(temporary_path(&folder, "ebb-notes.txt").text, "x", 1);
    file_write(temporary_path(&folder, "ebb-00000000-00000000-1-1-0").text, "x", 1);
    CHECK_OK(ebb_temporary_collect(folder.folder, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 2);
    CHECK(file_exists(ours.text));
    CHECK_EQ(temporary_count(&folder), 3);
    CHECK_OK(ebb_temporary_collect(folder.folder, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 0);
    CHECK_STATUS(ebb_temporary_collect("/nowhere/at/all", NULL, &t->error), EBB_E_NOT_FOUND);
    digits_close(t, &d);
    temporary_close(&folder);
}

TEST(a_forked_child_removes_nothing)
{
    digits d;
    temporary folder;
    ebb_temporary_options options = EBB_TEMPORARY_OPTIONS_INIT;

    if (!test_forks_are_followed()) return;
    temporary_open(&folder);
    digits_open(t, &d, NULL);
    options.folder = folder.folder;
    const name_text name = make(t, &d, options);
    const pid_t child = fork();
    if (child == 0) _exit(ebb_runtime_close(d.runtime, NULL) == EBB_OK ? 0 : 1);
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK(file_exists(name.text));
    digits_close(t, &d);
    CHECK(!file_exists(name.text));
    temporary_close(&folder);
}

TEST_MAIN(RUN(files_go_with_their_owner), RUN(links_inside_are_removed_and_never_followed),
          RUN(wrong_calls_make_nothing), RUN(leftovers_of_killed_processes_are_collected),
          RUN(a_forked_child_removes_nothing))
