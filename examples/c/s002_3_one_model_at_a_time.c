/* s002_3_one_model_at_a_time.c -- one model in memory at a time, results on disk, no file left.
 *
 * TensorFlow                                       here
 * for i in range(100):                             ebb_models_each: loads each file, calls a
 *     if model: del model; gc.collect()            function, unloads it
 *     model = keras.models.load_model(model_path)
 *     ... save intermediate results to disk ...    ebb_arrays_save
 *     os.remove("temp_model.h5")                   ebb_temporary_file: goes with its model
 *
 * With no_prefetch there is never a second model. Without it the next file is loaded while this one
 * works, if both fit: options.bytes_max. */
#include <ebb/ebb.h>

#include "example.h"

#define LOADS 100

typedef struct work {
    ebb_runtime runtime;
    float x[ROWS * COLUMNS], stored[ROWS];
    uint64_t held; /* live bytes with the first model */
} work;

/* One round of the loop; the model goes when this returns. */
static bool one_round(void *context, ebb_model model, size_t index, const char *path)
{
    work *w = context;
    float answers[ROWS];
    char name[32], scratch[256];
    const ebb_view view = {EBB_F32, 2, {ROWS, 1}, answers};
    const ebb_views views = {&view, 1};
    ebb_temporary_options temporary = EBB_TEMPORARY_OPTIONS_INIT;
    ebb_memory memory;
    ebb_error error;

    (void)path;
    ask(model, w->x, ROWS, answers);
    expect(difference(answers, w->stored, ROWS) < 1e-5F, "the stored answers");

    /* save intermediate results to disk */
    snprintf(name, sizeof name, "predictions_%zu.npy", index);
    must(ebb_arrays_save(w->runtime, name, (const char *[]){""}, &views, &error), &error);

    /* a temporary file that nobody needs to remember */
    temporary.folder = ".";
    temporary.suffix = ".h5";
    temporary.model = model;
    must(ebb_temporary_file(w->runtime, &temporary, scratch, sizeof scratch, &error), &error);
    must(ebb_model_save(model, scratch, NULL, &error), &error);

    expect(ebb_memory_read(w->runtime, &memory) == EBB_OK && memory.models == 1, "one model");
    if (index == 0) w->held = memory.live;
    expect(memory.live == w->held, "the same live bytes in every round");
    return true; /* false would end the run */
}

/* What the hundred files hold is what was predicted. */
static void check_files(ebb_runtime runtime, const float *stored)
{
    char name[32];
    ebb_arrays arrays;
    ebb_view view;
    ebb_error error;

    for (int i = 0; i < LOADS; i++) {
        snprintf(name, sizeof name, "predictions_%d.npy", i);
        must(ebb_arrays_open(runtime, name, &arrays, &error), &error);
        expect(ebb_arrays_read(arrays, 0, NULL, &view) == EBB_OK && view.dims[0] == ROWS &&
                   difference(view.data, stored, ROWS) < 1e-5F,
               "the predictions of that round");
        expect(ebb_arrays_close(arrays) == EBB_OK, "arrays to close");
    }
    expect(count_files() == LOADS + 1, "the model, the predictions and nothing else");
}

int main(void)
{
    static work w;
    static float y[ROWS];
    const char *paths[LOADS];
    ebb_each_options options = EBB_EACH_OPTIONS_INIT;
    ebb_each_report report;
    ebb_error error;

    enter_folder();
    make_rows(w.x, y);
    write_model_file("my_model.h5", 64, w.x, y, w.stored);
    must(ebb_runtime_open(NULL, &w.runtime, &error), &error);
    const uint64_t before = live_bytes(w.runtime);

    for (int i = 0; i < LOADS; i++) paths[i] = "my_model.h5";
    options.no_prefetch = true;
    must(ebb_models_each(w.runtime, paths, LOADS, &options, one_round, &w, &report, &error),
         &error);
    printf("%u loads, one held\n", report.done);
    expect(report.receipt.files_removed == LOADS, "that each temporary file went with its model");

    check_files(w.runtime, w.stored);
    print_left(w.runtime, before);
    return ebb_runtime_close(w.runtime, NULL) == EBB_OK ? 0 : 1;
}
