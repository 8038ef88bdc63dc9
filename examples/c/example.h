/* example.h -- what the examples share, so that each shows only its subject: they stop at the first
 * fault, have a folder of their own for files, and end with a line that is measured.
 *
 * A program of yours handles each ebb_status where it happens. Here a fault prints what ebb said
 * and ends the example with exit code 1, which is what its test looks at. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <ebb/ebb.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The thread sanitizer makes arithmetic a hundred times slower: less of it, the same calls. */
#if defined(__SANITIZE_THREAD__)
#define ROWS  64
#define LARGE 512
#else
#define ROWS  256  /* of the table that models are trained on */
#define LARGE 2048 /* units of a hidden layer: two of them make a file of 50 MB */
#endif
#define COLUMNS      10
#define FOLDER_DEPTH 4 /* folders inside each other that an example makes at most */

/* -- faults ------------------------------------------------------------------------------------ */

/* Goes on if the call succeeded; says why not otherwise. */
static inline void must(ebb_status status, const ebb_error *error)
{
    if (status == EBB_OK) return;
    fprintf(stderr, "%s: %s\n", error->where, error->text);
    exit(1);
}

/* Goes on if what the example promises holds. */
static inline void expect(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "expected: %s\n", what);
    exit(1);
}

/* -- memory ------------------------------------------------------------------------------------ */

/* Bytes in use by the runtime and everything in it: exact, from its ledger. */
static inline uint64_t live_bytes(ebb_runtime runtime)
{
    ebb_memory memory = {0};

    expect(ebb_memory_read(runtime, &memory) == EBB_OK, "an open runtime");
    return memory.live;
}

/* The last line of every example: what is live now and was not before. */
static inline void print_left(ebb_runtime runtime, uint64_t before)
{
    const int64_t left = (int64_t)(live_bytes(runtime) - before);

    printf("left %" PRId64 " bytes\n", left);
    expect(left == 0, "every byte is back");
}

/* -- files ------------------------------------------------------------------------------------- */

static char example_folder[] = "/tmp/ebb-example-XXXXXX";

/* Removes what is in the present folder. */
static inline void empty_folder(int depth)
{
    DIR *folder = opendir(".");

    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlink(name) == 0) continue;
        if (depth == 0 || chdir(name) != 0) continue;
        empty_folder(depth - 1);
        if (chdir("..") == 0) rmdir(name);
    }
    if (folder != NULL) closedir(folder);
}

static inline void leave_folder(void)
{
    empty_folder(FOLDER_DEPTH);
    if (chdir("/") == 0) rmdir(example_folder);
}

/* A new folder that is gone when the example ends; relative paths are in it from now on. */
static inline void enter_folder(void)
{
    expect(mkdtemp(example_folder) != NULL && chdir(example_folder) == 0, "a folder to write to");
    atexit(leave_folder);
}

/* How many files and folders are in the present folder. */
static inline int count_files(void)
{
    DIR *folder = opendir(".");
    int count = -2; /* "." and ".." */

    expect(folder != NULL, "a folder to look at");
    while (readdir(folder) != NULL) count++;
    closedir(folder);
    return count;
}

/* -- a model and its data ---------------------------------------------------------------------- */

/* A table of random numbers and a yes/no answer for each row: is the sum above its mean? */
static inline void make_rows(float *x, float *y)
{
    uint32_t state = 1;

    for (int row = 0; row < ROWS; row++) {
        float sum = 0;
        for (int column = 0; column < COLUMNS; column++) {
            state = state * 1664525U + 1013904223U;
            x[row * COLUMNS + column] = (float)(state >> 8) / (float)(1 << 24);
            sum += x[row * COLUMNS + column];
        }
        y[row] = sum > COLUMNS / 2.0F ? 1.0F : 0.0F;
    }
}

/* model.predict(x): one answer for each of `rows` rows. Both arrays are the caller's. */
static inline void ask(ebb_model model, float *x, int64_t rows, float *answers)
{
    const ebb_view in = {EBB_F32, 2, {rows, COLUMNS}, x}, out = {EBB_F32, 2, {rows, 1}, answers};
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};
    ebb_error error;

    must(ebb_model_predict(model, &inputs, &outputs, &error), &error);
}

/* Sequential([Input((10,)), Dense(units, "relu"), Dense(units, "relu"), Dense(1, "sigmoid")]) */
static inline ebb_model build_model(ebb_runtime runtime, int units, ebb_scope scope)
{
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_error error;
    ebb_builder b;
    ebb_model model;

    must(ebb_build_open(runtime, NULL, &b, &error), &error);
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){COLUMNS});
    x = ebb_build_layer_format(b, "Dense", x, "units=%d, activation='relu'", units);
    x = ebb_build_layer_format(b, "Dense", x, "units=%d, activation='relu'", units);
    x = ebb_build_layer(b, "Dense", "units=1, activation='sigmoid'", x);
    load.scope = scope;
    options.load = &load;
    options.seed = 1;
    options.sequential = true;
    must(ebb_build_finish(b, &x, 1, &options, &model, &error), &error);
    return model;
}

/* model.compile("adam", "binary_crossentropy"); model.fit(x, y, epochs=epochs). Returns the loss
 * of the last epoch. */
static inline double train_model(ebb_model model, float *x, float *y, uint32_t epochs)
{
    const ebb_view in = {EBB_F32, 2, {ROWS, COLUMNS}, x}, target = {EBB_F32, 2, {ROWS, 1}, y};
    const ebb_data data = {.x = {&in, 1}, .y = {&target, 1}};
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    ebb_fit_options fit = EBB_FIT_OPTIONS_INIT;
    const char *name;
    const double *values;
    uint32_t count;
    ebb_error error;

    compile.optimizer = "adam";
    compile.loss = "binary_crossentropy";
    fit.epochs = epochs;
    if (!ebb_model_compiled(model)) must(ebb_model_compile(model, &compile, &error), &error);
    must(ebb_model_fit(model, &data, &fit, &error), &error);
    expect(ebb_model_history(model, 0, &name, &values, &count) && count == epochs, "a history");
    return values[epochs - 1];
}

/* Writes the file of a trained model from a runtime of its own, so that the example's is untouched.
 * LARGE units make it 50 MB (a third weights, the rest the optimizer's state). `answers` may be
 * NULL; otherwise it gets the model's answers for all ROWS rows of x. */
static inline void write_model_file(const char *path, int units, float *x, float *y, float *answers)
{
    ebb_runtime runtime;
    ebb_error error;

    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const ebb_model model = build_model(runtime, units, (ebb_scope){0});
    train_model(model, x, y, 1);
    must(ebb_model_save(model, path, NULL, &error), &error);
    if (answers != NULL) ask(model, x, ROWS, answers);
    expect(ebb_runtime_close(runtime, NULL) == EBB_OK, "a runtime to close");
}

/* Prints numbers as numpy does: "[5. 7. 9.]". */
static inline void print_vector(const float *values, int count)
{
    for (int i = 0; i < count; i++)
        printf("%s%g%s", i == 0 ? "[" : " ", values[i],
               values[i] == (float)(int)values[i] ? "." : "");
    printf("]\n");
}

/* The largest difference of two columns of answers. */
static inline float difference(const float *a, const float *b, int count)
{
    float most = 0;

    for (int i = 0; i < count; i++) {
        const float d = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
        if (d > most) most = d;
    }
    return most;
}

#endif
