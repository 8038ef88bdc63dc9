/* registry_test.c -- names and versions: swaps, rollback, leases, scans, deletion. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digits.h"
#include "temporary.h"

static void add_two(test *t, ebb_registry g)
{
    CHECK_OK(ebb_registry_add(g, "digits", 1, digits_mlp, NULL, &t->error));
    CHECK_OK(ebb_registry_add(g, "digits", 2, digits_cnn, NULL, &t->error));
}

static uint64_t active_version(ebb_registry g)
{
    ebb_registry_entry entries[8];
    size_t count = 8;

    if (ebb_registry_list(g, "digits", entries, &count) != EBB_OK) return 0;
    for (size_t i = 0; i < count && i < 8; i++)
        if (entries[i].is_active) return entries[i].version;
    return 0;
}

static void check_answer(test *t, const digits *d, ebb_model model, const float *expected)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    CHECK_OK(digits_predict(d, model, DIGITS_ROWS, y, &t->error));
    CHECK(digits_error(y, expected, DIGITS_ROWS) < 1e-5);
}

TEST(a_swap_loads_the_new_version_before_the_old_one_goes)
{
    digits d;
    ebb_registry g;
    ebb_model first, second;
    ebb_receipt receipt;

    digits_open(t, &d, NULL);
    const uint64_t before = digits_live(&d);
    CHECK_OK(ebb_registry_open(d.runtime, NULL, &g, &t->error));
    add_two(t, g);
    CHECK_STATUS(ebb_registry_model(g, "digits", 0, &first, &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "no version is active");
    CHECK_OK(ebb_registry_activate(g, "digits", 1, &receipt, &t->error));
    CHECK_EQ(receipt.models, 0);
    CHECK_OK(ebb_registry_model(g, "digits", 0, &first, &t->error));
    check_answer(t, &d, first, d.mlp_y[0]);
    CHECK_OK(ebb_registry_activate(g, "digits", 0, &receipt, &t->error)); /* the highest */
    CHECK_EQ(receipt.models, 1);
    CHECK(receipt.bytes_total > 0);
    CHECK_EQ(receipt.bytes_kept, 0);
    CHECK_OK(ebb_registry_model(g, "digits", 0, &second, &t->error));
    check_answer(t, &d, second, d.cnn_y[0]);
    CHECK(!ebb_model_alive(first));
    CHECK_STATUS(ebb_registry_model(g, "digits", 1, &first, &t->error), EBB_E_STATE);
    CHECK_OK(ebb_registry_close(g, NULL, &receipt, &t->error));
    CHECK_EQ(receipt.models, 1);
    CHECK_EQ(receipt.live_after, before);
    CHECK_STATUS(ebb_registry_close(g, NULL, NULL, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_registry_model(g, "digits", 0, &first, &t->error), EBB_E_STALE);
    CHECK_EQ(digits_live(&d), before);
    digits_close(t, &d);
}

TEST(rollback_goes_back_step_by_step)
{
    digits d;
    ebb_registry g;
    ebb_model model;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_registry_open(d.runtime, NULL, &g, &t->error));
    add_two(t, g);
    CHECK_OK(ebb_registry_add(g, "digits", 3, digits_mlp, NULL, &t->error));
    CHECK_STATUS(ebb_registry_rollback(g, "digits", NULL, &t->error), EBB_E_STATE);
    for (uint64_t version = 1; version <= 3; version++)
        CHECK_OK(ebb_registry_activate(g, "digits", version, NULL, &t->error));
    CHECK_OK(ebb_registry_rollback(g, "digits", NULL, &t->error));
    CHECK_EQ(active_version(g), 2);
    CHECK_OK(ebb_registry_rollback(g, "digits", NULL, &t->error));
    CHECK_EQ(active_version(g), 1);
    CHECK_OK(ebb_registry_model(g, "digits", 0, &model, &t->error));
    check_answer(t, &d, model, d.mlp_y[0]);
    CHECK_STATUS(ebb_registry_rollback(g, "digits", NULL, &t->error), EBB_E_STATE);
    CHECK_EQ(active_version(g), 1);
    ebb_memory memory;
    CHECK_OK(ebb_memory_read(d.runtime, &memory));
    CHECK_EQ(memory.models, 1);
    digits_close(t, &d); /* the registry goes with the runtime */
    CHECK_STATUS(ebb_registry_model(g, "digits", 0, &model, &t->error), EBB_E_STALE);
}

TEST(a_version_that_cannot_be_loaded_leaves_the_old_one_serving)
{
    digits d;
    ebb_registry g;
    ebb_registry_options options = EBB_REGISTRY_OPTIONS_INIT;
    ebb_model model, again;

    digits_open(t, &d, NULL);
    for (int i = 0; i < 2; i++) {
        options.old_first = i == 1;
        CHECK_OK(ebb_registry_open(d.runtime, &options, &g, &t->error));
        add_two(t, g);
        CHECK_OK(ebb_registry_add(g, "digits", 3, "missing.keras", NULL, &t->error));
        CHECK_OK(ebb_registry_activate(g, "digits", 1, NULL, &t->error));
        CHECK_OK(ebb_registry_model(g, "digits", 0, &model, &t->error));
        CHECK_STATUS(ebb_registry_activate(g, "digits", 3, NULL, &t->error), EBB_E_NOT_FOUND);
        CHECK_CONTAINS(t->error.where, "missing.keras");
        CHECK_EQ(active_version(g), 1);
        CHECK_OK(ebb_registry_model(g, "digits", 0, &again, &t->error));
        CHECK(options.old_first || again.id == model.id);
        check_answer(t, &d, again, d.mlp_y[0]);
        CHECK_STATUS(ebb_registry_rollback(g, "digits", NULL, &t->error), EBB_E_STATE);
        CHECK_OK(ebb_registry_close(g, NULL, NULL, &t->error));
    }
    digits_close(t, &d);
}

TEST(the_old_version_may_go_first_where_memory_is_short)
{
    digits d;
    ebb_registry g;
    ebb_plan mlp, cnn;
    ebb_registry_options options = EBB_REGISTRY_OPTIONS_INIT;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_plan(d.runtime, digits_mlp, NULL, &mlp, &t->error));
    CHECK_OK(ebb_model_plan(d.runtime, digits_cnn, NULL, &cnn, &t->error));
    options.bytes_max = (mlp.peak > cnn.peak ? mlp.peak : cnn.peak) + 4096;
    CHECK(options.bytes_max < mlp.total + cnn.peak);
    CHECK_OK(ebb_registry_open(d.runtime, &options, &g, &t->error));
    add_two(t, g);
    CHECK_OK(ebb_registry_activate(g, "digits", 1, NULL, &t->error));
    CHECK_STATUS(ebb_registry_activate(g, "digits", 2, NULL, &t->error), EBB_E_MEMORY);
    CHECK_EQ(active_version(g), 1);
    CHECK_OK(ebb_registry_close(g, NULL, NULL, &t->error));
    options.old_first = true;
    CHECK_OK(ebb_registry_open(d.runtime, &options, &g, &t->error));
    add_two(t, g);
    CHECK_OK(ebb_registry_activate(g, "digits", 1, NULL, &t->error));
    CHECK_OK(ebb_registry_activate(g, "digits", 2, NULL, &t->error));
    CHECK_EQ(active_version(g), 2);
    CHECK_OK(ebb_registry_close(g, NULL, NULL, &t->error));
    digits_close(t, &d);
}

TEST(a_lease_holds_a_version_until_it_is_returned)
{
    digits d;
    ebb_registry g;
    ebb_registry_options options = EBB_REGISTRY_OPTIONS_INIT;
    ebb_lease lease, copy;
    ebb_receipt receipt;
    ebb_unload_options soon = EBB_UNLOAD_OPTIONS_INIT;

    options.deadline_ns = 20000000;
    soon.deadline_ns = 20000000;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_registry_open(d.runtime, &options, &g, &t->error));
    add_two(t, g);
    CHECK_OK(ebb_registry_activate(g, "digits", 1, NULL, &t->error));
    CHECK_OK(ebb_registry_lease(g, "digits", 0, &lease, &t->error));
    CHECK_EQ(lease.version, 1);
    CHECK_STATUS(ebb_registry_unload(g, "digits", 1, NULL, &t->error), EBB_E_BUSY);
    CHECK_OK(ebb_registry_activate(g, "digits", 2, &receipt, &t->error));
    CHECK_EQ(active_version(g), 2);
    CHECK(receipt.bytes_kept > 0);
    CHECK_CONTAINS(receipt.kept_reason, "goes with its last lease");
    CHECK(ebb_model_alive(lease.model));
    check_answer(t, &d, lease.model, d.mlp_y[0]);
    CHECK_STATUS(ebb_registry_close(g, &soon, NULL, &t->error), EBB_E_BUSY);
    copy = lease;
    CHECK_OK(ebb_registry_return(&lease));
    CHECK_EQ(lease.model.id, 0);
    CHECK(!ebb_model_alive(copy.model));
    CHECK_STATUS(ebb_registry_return(&copy), EBB_E_STALE);
    CHECK_STATUS(ebb_registry_return(&lease), EBB_E_STALE);
    CHECK_OK(ebb_registry_close(g, &soon, NULL, &t->error));
    digits_close(t, &d);
}

TEST(a_runtime_closes_in_spite_of_leases)
{
    digits d;
    ebb_registry g;
    ebb_lease lease;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_registry_open(d.runtime, NULL, &g, &t->error));
    add_two(t, g);
    CHECK_OK(ebb_registry_activate(g, "digits", 1, NULL, &t->error));
    CHECK_OK(ebb_registry_lease(g, "digits", 0, &lease, &t->error));
    digits_close(t, &d);
    CHECK_STATUS(ebb_registry_return(&lease), EBB_E_STALE);
}

TEST(the_previous_version_may_stay_for_a_quick_rollback)
{
    digits d;
    ebb_registry g;
    ebb_registry_options options = EBB_REGISTRY_OPTIONS_INIT;
    ebb_model first, back;
    ebb_memory memory;

    options.keeps_previous = true;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_registry_open(d.runtime, &options, &g, &t->error));
    add_two(t, g);
    CHECK_OK(ebb_registry_add(g, "digits", 3, digits_mlp, NULL, &t->error));
    CHECK_OK(ebb_registry_activate(g, "digits", 1, NULL, &t->error));
    CHECK_OK(ebb_registry_model(g, "digits", 0, &first, &t->error));
    CHECK_OK(ebb_registry_activate(g, "digits", 2, NULL, &t->error));
    CHECK(ebb_model_alive(first));
    CHECK_OK(ebb_registry_rollback(g, "digits", NULL, &t->error));
    CHECK_OK(ebb_registry_model(g, "digits", 0, &back, &t->error));
    CHECK_EQ(back.id, first.id);
    CHECK_OK(ebb_registry_activate(g, "digits", 2, NULL, &t->error));
    CHECK_OK(ebb_registry_activate(g, "digits", 3, NULL, &t->error));
    CHECK(!ebb_model_alive(first));
    CHECK_OK(ebb_memory_read(d.runtime, &memory));
    CHECK_EQ(memory.models, 2);
    digits_close(t, &d);
}

TEST(wrong_calls_are_told)
{
    digits d;
    ebb_registry g;
    ebb_model model;
    char long_name[256];

    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_registry_open(d.runtime, NULL, &g, &t->error));
    CHECK_STATUS(ebb_registry_activate(g, "digits", 1, NULL, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "none is known");
    const uint64_t empty = digits_live(&d);
    add_two(t, g);
    CHECK_STATUS(ebb_registry_add(g, "digits", 2, digits_mlp, NULL, &t->error), EBB_E_STATE);
    CHECK_STATUS(ebb_registry_add(g, "digits", 0, digits_mlp, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_registry_add(g, "", 1, digits_mlp, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_registry_add(g, long_name, 1, digits_mlp, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_registry_add(g, "digits", 3, NULL, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_registry_activate(g, "digits", 7, NULL, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "no version 7; known: 2, 1");
    CHECK_STATUS(ebb_registry_model(g, "letters", 0, &model, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "known: digits");
    CHECK_STATUS(ebb_registry_unload(g, "digits", 0, NULL, &t->error), EBB_E_STATE);
    CHECK_STATUS(ebb_registry_unload(g, "digits", 1, NULL, &t->error), EBB_E_STATE);
    CHECK_OK(ebb_registry_forget(g, "digits", 1, NULL, &t->error));
    CHECK_OK(ebb_registry_forget(g, "digits", 2, NULL, &t->error));
    CHECK_EQ(digits_live(&d), empty); /* names without versions are gone */
    digits_close(t, &d);
}

/* -- folders ----------------------------------------------------------------------------------- */

static void make_folder(const temporary *folder, const char *name)
{
    CHECK_EQ(mkdir(temporary_path(folder, name).text, 0700), 0);
}

static void make_base(const temporary *base)
{
    make_folder(base, "digits");
    make_folder(base, "digits/1");
    make_folder(base, "digits/2");
    make_folder(base, "digits/9");
    make_folder(base, "digits/notes");
    make_folder(base, "other");
    digits_copy(digits_mlp, temporary_path(base, "digits/1/digits.keras").text);
    digits_copy(digits_cnn, temporary_path(base, "digits/2/model.h5").text);
    digits_copy(digits_mlp, temporary_path(base, "digits/3.keras").text);
    digits_copy(digits_mlp, temporary_path(base, "other/0012.keras").text);
    file_write(temporary_path(base, "readme.txt").text, "x", 1);
}

TEST(a_folder_is_scanned_like_tensorflow_servings)
{
    digits d;
    temporary base;
    ebb_registry g;
    ebb_registry_options options = EBB_REGISTRY_OPTIONS_INIT;
    ebb_registry_changes changes;
    ebb_registry_entry entries[8];
    size_t count = 8;
    ebb_model model;

    temporary_open(&base);
    make_base(&base);
    digits_open(t, &d, NULL);
    options.folder = base.folder;
    CHECK_OK(ebb_registry_open(d.runtime, &options, &g, &t->error));
    CHECK_OK(ebb_registry_scan(g, NULL, &changes, &t->error));
    CHECK_EQ(changes.added, 4);
    CHECK_EQ(changes.known, 4);
    CHECK_EQ(changes.ignored, 3); /* 9 is empty, notes, readme.txt */
    CHECK_OK(ebb_registry_list(g, NULL, entries, &count));
    CHECK_EQ(count, 4);
    CHECK_TEXT(entries[0].name, "digits");
    CHECK_EQ(entries[0].version, 1);
    CHECK_EQ(entries[2].version, 3);
    CHECK_TEXT(entries[3].name, "other");
    CHECK_EQ(entries[3].version, 12);
    CHECK_OK(ebb_registry_activate(g, "digits", 2, NULL, &t->error));
    CHECK_OK(ebb_registry_model(g, "digits", 0, &model, &t->error));
    check_answer(t, &d, model, d.cnn_y[0]);
    CHECK_EQ(remove(temporary_path(&base, "digits/3.keras").text), 0);
    CHECK_EQ(remove(temporary_path(&base, "digits/2/model.h5").text), 0);
    CHECK_OK(ebb_registry_scan(g, NULL, &changes, &t->error));
    CHECK_EQ(changes.dropped, 1); /* 2 is loaded and stays */
    CHECK_EQ(changes.added, 0);
    CHECK_EQ(active_version(g), 2);
    /* the folder of one model */
    CHECK_OK(ebb_registry_scan(g, temporary_path(&base, "other/").text, &changes, &t->error));
    CHECK_EQ(changes.known, 1);
    CHECK_EQ(changes.dropped, 0);
    CHECK_STATUS(ebb_registry_scan(g, temporary_path(&base, "nowhere").text, NULL, &t->error),
                 EBB_E_NOT_FOUND);
    digits_close(t, &d);
    temporary_close(&base);
}

TEST(deletion_takes_a_versions_files_and_nothing_else)
{
    digits d;
    temporary base;
    ebb_registry g;
    ebb_receipt receipt;
    ebb_model model;

    temporary_open(&base);
    make_base(&base);
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_registry_open(d.runtime, NULL, &g, &t->error));
    CHECK_STATUS(ebb_registry_scan(g, NULL, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_registry_scan(g, base.folder, NULL, &t->error));
    CHECK_OK(ebb_registry_activate(g, "digits", 1, NULL, &t->error));
    CHECK_OK(ebb_registry_activate(g, "digits", 2, NULL, &t->error));
    CHECK_STATUS(ebb_registry_delete(g, "digits", 2, false, NULL, &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "loaded and active");
    CHECK_OK(ebb_registry_delete(g, "digits", 1, false, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 1);
    CHECK(!file_exists(temporary_path(&base, "digits/1").text));
    CHECK_STATUS(ebb_registry_delete(g, "digits", 1, false, NULL, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "no version 1; known: 3, 2 (active)");
    CHECK_STATUS(ebb_registry_rollback(g, "digits", NULL, &t->error), EBB_E_STATE);
    file_write(temporary_path(&base, "digits/2/labels.txt").text, "x", 1);
    CHECK_OK(ebb_registry_model(g, "digits", 2, &model, &t->error));
    CHECK_OK(ebb_registry_delete(g, "digits", 2, true, &receipt, &t->error));
    CHECK_EQ(receipt.models, 1);
    CHECK_EQ(receipt.files_removed, 1);
    CHECK(!ebb_model_alive(model));
    CHECK(file_exists(temporary_path(&base, "digits/2/labels.txt").text));
    CHECK_EQ(active_version(g), 0);
    CHECK_EQ(symlink(digits_mlp, temporary_path(&base, "digits/5.keras").text), 0);
    CHECK_OK(ebb_registry_add(g, "digits", 5, temporary_path(&base, "digits/5.keras").text, NULL,
                              &t->error));
    CHECK_STATUS(ebb_registry_delete(g, "digits", 5, true, NULL, &t->error), EBB_E_UNSUPPORTED);
    CHECK(file_exists(temporary_path(&base, "digits/5.keras").text));
    digits_close(t, &d);
    temporary_close(&base);
}

TEST(hundreds_of_swaps_leave_nothing)
{
    digits d;
    ebb_registry g;
    uint64_t live = 0;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_registry_open(d.runtime, NULL, &g, &t->error));
    add_two(t, g);
    for (int i = 0; i < 200; i++) {
        CHECK_OK(ebb_registry_activate(g, "digits", 1, NULL, &t->error));
        CHECK_OK(ebb_registry_activate(g, "digits", 2, NULL, &t->error));
        if (i == 0) live = digits_live(&d);
        CHECK_EQ(digits_live(&d), live);
    }
    digits_close(t, &d);
}

TEST_MAIN(RUN(a_swap_loads_the_new_version_before_the_old_one_goes),
          RUN(rollback_goes_back_step_by_step),
          RUN(a_version_that_cannot_be_loaded_leaves_the_old_one_serving),
          RUN(the_old_version_may_go_first_where_memory_is_short),
          RUN(a_lease_holds_a_version_until_it_is_returned),
          RUN(a_runtime_closes_in_spite_of_leases),
          RUN(the_previous_version_may_stay_for_a_quick_rollback), RUN(wrong_calls_are_told),
          RUN(a_folder_is_scanned_like_tensorflow_servings),
          RUN(deletion_takes_a_versions_files_and_nothing_else),
          RUN(hundreds_of_swaps_leave_nothing))
