/* s002_4_predictions_to_disk.c -- 200,000 rows come from a file and their predictions go to one.
 *
 * TensorFlow                                                  here
 * rows = np.load("inputs.npy", mmap_mode="r")                 ebb_model_predict_files: reads and
 * out = np.lib.format.open_memmap("predictions.npy", ...)     writes .npy files batch by batch
 * out[i:i + 1000] = model.predict_on_batch(rows[i:i + 1000])
 *
 * Memory is that of one batch, however long the files are: the peak of the ledger says so. From the
 * shell:  ebb predict my_model.h5 --input inputs.npy --output predictions.npy */
#include <ebb/ebb.h>

#include "example.h"

#define ROWS_ALL 200000
#define BATCH    1000

/* Rows like those that the model was trained on, over and over. */
static void write_inputs(ebb_runtime runtime, const float *x)
{
    static float all[ROWS_ALL * COLUMNS];
    const ebb_view view = {EBB_F32, 2, {ROWS_ALL, COLUMNS}, all};
    const ebb_views views = {&view, 1};
    ebb_error error;

    for (int row = 0; row < ROWS_ALL; row++)
        memcpy(all + row * COLUMNS, x + row % ROWS * COLUMNS, COLUMNS * sizeof *all);
    must(ebb_arrays_save(runtime, "inputs.npy", (const char *[]){""}, &views, &error), &error);
}

/* The file holds the model's answers, in the order of the rows. */
static void check_outputs(ebb_runtime runtime, const float *stored)
{
    const char *name;
    ebb_arrays arrays;
    ebb_view view;
    ebb_error error;

    must(ebb_arrays_open(runtime, "predictions.npy", &arrays, &error), &error);
    expect(ebb_arrays_read(arrays, 0, &name, &view) == EBB_OK && view.rank == 2 &&
               view.dims[0] == ROWS_ALL && view.dims[1] == 1,
           "a prediction for every row");
    const float *all = view.data;
    for (int row = 0; row + ROWS <= ROWS_ALL; row += ROWS)
        expect(difference(all + row, stored, ROWS) < 1e-5F, "the stored answers");
    expect(ebb_arrays_close(arrays) == EBB_OK, "arrays to close");
}

static bool count_batches(void *context, uint64_t rows_done, uint64_t rows_total)
{
    (void)rows_done, (void)rows_total;
    ++*(int *)context;
    return true; /* false would stop, and remove what was written so far */
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], stored[ROWS];
    const char *const inputs[] = {"inputs.npy"}, *const outputs[] = {"predictions.npy"};
    ebb_stream_options stream = EBB_STREAM_OPTIONS_INIT;
    ebb_memory memory;
    ebb_runtime runtime;
    ebb_model model;
    ebb_error error;
    int batches = 0;

    enter_folder();
    make_rows(x, y);
    write_model_file("my_model.h5", 64, x, y, stored);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    write_inputs(runtime, x);
    const uint64_t before = live_bytes(runtime);

    must(ebb_model_load(runtime, "my_model.h5", NULL, &model, &error), &error);
    stream.batch = BATCH;
    stream.progress = count_batches;
    stream.context = &batches;
    must(ebb_model_predict_files(model, inputs, outputs, &stream, &error), &error);
    printf("%d rows written\n", ROWS_ALL);
    expect(batches == ROWS_ALL / BATCH, "a batch at a time");
    must(ebb_model_unload(model, NULL, NULL, &error), &error);

    expect(ebb_memory_read(runtime, &memory) == EBB_OK, "an open runtime");
    printf("peak %" PRIu64 " bytes\n", memory.peak);
    expect(memory.peak < 4 << 20, "less than the 8 MB of the inputs");
    check_outputs(runtime, stored);
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
