/* spill_test.c -- predictions appended to a .npy that appears when it is closed. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "digits.h"
#include "temporary.h"

static ebb_view rows_of(float *data, int64_t rows)
{
    return (ebb_view){EBB_F32, 2, {rows, DIGITS_CLASSES}, data};
}

TEST(a_file_grows_by_batches)
{
    digits d;
    temporary folder;
    ebb_spill spill;
    ebb_model model;
    ebb_arrays arrays;
    ebb_view view;
    uint64_t rows = 0;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    temporary_open(&folder);
    digits_open(t, &d, NULL);
    const uint64_t before = digits_live(&d);
    const path_text path = temporary_path(&folder, "predictions.npy");
    load.batch = DIGITS_ROWS;
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, &load, &model, &t->error));
    CHECK_OK(ebb_spill_open(d.runtime, path.text, &spill, &t->error));
    const uint64_t live = digits_live(&d);
    for (int i = 0; i < 100; i++) {
        const int64_t count = i % 2 == 0 ? 1 : DIGITS_ROWS;
        const ebb_view batch = rows_of(y, count);
        CHECK_OK(digits_predict(&d, model, count, y, &t->error));
        CHECK_OK(ebb_spill_append(spill, &batch, &t->error));
        rows += (uint64_t)count;
        CHECK_EQ(digits_live(&d), live);
    }
    CHECK(!file_exists(path.text));
    uint64_t written = 0;
    CHECK_OK(ebb_spill_close(spill, &written, &t->error));
    CHECK_EQ(written, rows);
    CHECK_EQ(temporary_count(&folder), 1);
    CHECK_STATUS(ebb_spill_append(spill, &view, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_spill_close(spill, NULL, &t->error), EBB_E_STALE);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_EQ(digits_live(&d), before);
    CHECK_OK(ebb_arrays_open(d.runtime, path.text, &arrays, &t->error));
    CHECK_OK(ebb_arrays_read(arrays, 0, NULL, &view));
    CHECK_EQ(view.dtype, EBB_F32);
    CHECK_EQ(view.rank, 2);
    CHECK_EQ(view.dims[0], rows);
    CHECK_EQ(view.dims[1], DIGITS_CLASSES);
    CHECK(digits_error(view.data, d.mlp_y[0], 1) < 1e-5);
    CHECK(digits_error((const float *)view.data + DIGITS_CLASSES, d.mlp_y[0], 2) < 1e-5);
    CHECK_OK(ebb_arrays_close(arrays));
    digits_close(t, &d);
    temporary_close(&folder);
}

TEST(what_does_not_fit_is_refused_and_what_is_there_stays)
{
    digits d;
    temporary folder;
    ebb_spill spill;
    uint64_t rows = 0;
    float y[2 * DIGITS_CLASSES] = {0};
    ebb_view good = rows_of(y, 2), wide = good, other = good, deep = good, none = good;

    temporary_open(&folder);
    digits_open(t, &d, NULL);
    const path_text path = temporary_path(&folder, "x.npy");
    wide.dims[1] = 5;
    other.dtype = EBB_I32;
    deep.rank = 3;
    deep.dims[2] = 1;
    none.data = NULL;
    CHECK_OK(ebb_spill_open(d.runtime, path.text, &spill, &t->error));
    CHECK_OK(ebb_spill_append(spill, &good, &t->error));
    CHECK_STATUS(ebb_spill_append(spill, &wide, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "axis 1 has length 5");
    CHECK_STATUS(ebb_spill_append(spill, &deep, &t->error), EBB_E_SHAPE);
    CHECK_STATUS(ebb_spill_append(spill, &other, &t->error), EBB_E_DTYPE);
    CHECK_STATUS(ebb_spill_append(spill, &none, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_spill_append(spill, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_spill_append(spill, &good, &t->error));
    CHECK_OK(ebb_spill_close(spill, &rows, &t->error));
    CHECK_EQ(rows, 4);
    CHECK_OK(ebb_spill_open(d.runtime, path.text, &spill, &t->error));
    CHECK_STATUS(ebb_spill_close(spill, &rows, &t->error), EBB_E_STATE);
    CHECK_STATUS(ebb_spill_open(d.runtime, "x.txt", &spill, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_spill_open(d.runtime, "/nowhere/at/all.npy", &spill, &t->error), EBB_E_IO);
    CHECK_EQ(temporary_count(&folder), 1); /* the first file, as it was */
    digits_close(t, &d);
    temporary_close(&folder);
}

TEST(what_is_not_closed_leaves_no_file)
{
    digits d;
    temporary folder;
    ebb_spill spill;
    float y[DIGITS_CLASSES] = {0};
    const ebb_view row = rows_of(y, 1);

    temporary_open(&folder);
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_spill_open(d.runtime, temporary_path(&folder, "a.npy").text, &spill, &t->error));
    CHECK_OK(ebb_spill_append(spill, &row, &t->error));
    CHECK_OK(ebb_spill_discard(spill));
    CHECK_STATUS(ebb_spill_discard(spill), EBB_E_STALE);
    CHECK_EQ(temporary_count(&folder), 0);
    CHECK_OK(ebb_spill_open(d.runtime, temporary_path(&folder, "b.npy").text, &spill, &t->error));
    CHECK_OK(ebb_spill_append(spill, &row, &t->error));
    CHECK_OK(ebb_runtime_close(d.runtime, NULL));
    CHECK_EQ(temporary_count(&folder), 0);
    temporary_close(&folder);
}

TEST(a_forked_child_leaves_its_parents_file_alone)
{
    digits d;
    temporary folder;
    ebb_spill spill;
    uint64_t rows = 0;
    float y[DIGITS_CLASSES] = {0};
    const ebb_view row = rows_of(y, 1);

    if (!test_forks_are_followed()) return;
    temporary_open(&folder);
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_spill_open(d.runtime, temporary_path(&folder, "a.npy").text, &spill, &t->error));
    CHECK_OK(ebb_spill_append(spill, &row, &t->error));
    const pid_t child = fork();
    if (child == 0) {
        const bool refused = ebb_spill_append(spill, &row, NULL) == EBB_E_STATE;
        ebb_runtime_close(d.runtime, NULL);
        _exit(refused ? 0 : 1);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_OK(ebb_spill_append(spill, &row, &t->error));
    CHECK_OK(ebb_spill_close(spill, &rows, &t->error));
    CHECK_EQ(rows, 2);
    digits_close(t, &d);
    temporary_close(&folder);
}

TEST_MAIN(RUN(a_file_grows_by_batches), RUN(what_does_not_fit_is_refused_and_what_is_there_stays),
          RUN(what_is_not_closed_leaves_no_file), RUN(a_forked_child_leaves_its_parents_file_alone))
