/* files_test.c -- predictions from files to files, and files that go: streams of any length,
 * outputs that appear whole or not at all, deletion that takes exactly a model and follows no link.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digits.h"
#include "temporary.h"

/* Two inputs (a, b: rows of 3) and two outputs (their sum, their product), without weights. */
static const char two_by_two[] =
    "{\"module\": \"keras.src.models.functional\", \"class_name\": \"Functional\", \"config\": {"
    "\"name\": \"two\", \"trainable\": true, \"layers\": ["
    "{\"module\": \"keras.layers\", \"class_name\": \"InputLayer\", \"config\": {\"batch_shape\": "
    "[null, 3], \"dtype\": \"float32\", \"sparse\": false, \"name\": \"a\"}, \"registered_name\": "
    "null, \"name\": \"a\", \"inbound_nodes\": []},"
    "{\"module\": \"keras.layers\", \"class_name\": \"InputLayer\", \"config\": {\"batch_shape\": "
    "[null, 3], \"dtype\": \"float32\", \"sparse\": false, \"name\": \"b\"}, \"registered_name\": "
    "null, \"name\": \"b\", \"inbound_nodes\": []},"
#define MERGE(class_name, name)                                                                    \
    "{\"module\": \"keras.layers\", \"class_name\": \"" class_name                                 \
    "\", \"config\": {\"name\": \"" name                                                           \
    "\", \"trainable\": true, \"dtype\": \"float32\"}, \"registered_name\": null, \"name\": "      \
    "\"" name "\", \"inbound_nodes\": [{\"args\": [["                                              \
    "{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 3], \"dtype\": "        \
    "\"float32\", \"keras_history\": [\"a\", 0, 0]}},"                                             \
    "{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 3], \"dtype\": "        \
    "\"float32\", \"keras_history\": [\"b\", 0, 0]}}]], \"kwargs\": {}}]}"
    MERGE("Add", "sum") "," MERGE("Multiply",
                                  "product") "], \"input_layers\": [[\"a\", 0, 0], [\"b\", 0, 0]], "
                                             "\"output_layers\": [[\"sum\", 0, 0], [\"product\", "
                                             "0, 0]]}, \"registered_name\": "
                                             "\"Functional\"}";

typedef struct bench {
    digits d;
    temporary folder;
    ebb_model model;
    uint64_t live;
} bench;

static void bench_open(test *t, bench *b, const char *path, uint32_t batch)
{
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;

    options.batch = batch;
    temporary_open(&b->folder);
    digits_open(t, &b->d, NULL);
    CHECK_OK(ebb_model_load(b->d.runtime, path, &options, &b->model, &t->error));
    b->live = digits_live(&b->d);
}

static void bench_close(test *t, bench *b)
{
    digits_close(t, &b->d);
    temporary_close(&b->folder);
}

/* Opens a .npy again and gives its only view; closed with `arrays`. */
static ebb_view view_of(test *t, const bench *b, const char *path, ebb_arrays *arrays)
{
    ebb_view view;
    const char *name;

    CHECK_OK(ebb_arrays_open(b->d.runtime, path, arrays, &t->error));
    CHECK_EQ(ebb_arrays_count(*arrays), 1);
    CHECK_OK(ebb_arrays_read(*arrays, 0, &name, &view));
    return view;
}

/* What is cached for other batch sizes stays; nothing else may. */
static void check_nothing_left(test *t, const bench *b)
{
    ebb_memory memory;

    (void)t;
    CHECK_OK(ebb_memory_read(b->d.runtime, &memory));
    CHECK_EQ(memory.live - memory.cached, b->live);
    CHECK_EQ(memory.by_class[EBB_CLASS_DATA], 0);
    CHECK_EQ(memory.descriptors, 0);
}

/* -- streams ----------------------------------------------------------------------------------- */

TEST(any_number_of_rows_streams_in_batches)
{
    static const uint32_t batches[] = {0, 1, 3, 5, 16, 100};
    bench b;

    bench_open(t, &b, digits_cnn, 4);
    const path_text x = temporary_path(&b.folder, "x.npy"), y = temporary_path(&b.folder, "y.npy");
    const char *inputs[] = {x.text}, *outputs[] = {y.text};
    for (int64_t rows = 1; rows <= DIGITS_ROWS; rows += 5) {
        const ebb_view view = {EBB_F32, 4, {rows, 8, 8, 1}, b.d.x};
        npy_write(x.text, &view);
        for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
            ebb_stream_options options = EBB_STREAM_OPTIONS_INIT;
            ebb_arrays arrays;
            options.batch = batches[i];
            CHECK_OK(ebb_model_predict_files(b.model, inputs, outputs, &options, &t->error));
            const ebb_view result = view_of(t, &b, y.text, &arrays);
            CHECK_EQ(result.dtype, EBB_F32);
            CHECK_EQ(result.rank, 2);
            CHECK_EQ(result.dims[0], rows);
            CHECK_EQ(result.dims[1], DIGITS_CLASSES);
            CHECK(digits_error(result.data, b.d.cnn_y[0], rows) < 1e-5);
            CHECK_OK(ebb_arrays_close(arrays));
            check_nothing_left(t, &b);
        }
    }
    CHECK_EQ(temporary_count(&b.folder), 2);
    bench_close(t, &b);
}

TEST(several_inputs_and_outputs_stream_together)
{
    enum { ROWS = 7, WIDTH = 3 };
    bench b;
    float a_data[ROWS * WIDTH];
    double b_data[ROWS * WIDTH];
    temporary folder;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "two.keras");
    keras_write(t, two_by_two, digits_mlp, path.text);
    bench_open(t, &b, path.text, 2);
    for (int i = 0; i < ROWS * WIDTH; i++) {
        a_data[i] = (float)i;
        b_data[i] = 2 - i;
    }
    const path_text in_a = temporary_path(&b.folder, "a.npy"),
                    in_b = temporary_path(&b.folder, "b.npy");
    const path_text sum = temporary_path(&b.folder, "sum.npy"),
                    product = temporary_path(&b.folder, "p.npy");
    const char *inputs[] = {in_a.text, in_b.text}, *outputs[] = {sum.text, product.text};
    const ebb_view a_view = {EBB_F32, 2, {ROWS, WIDTH}, a_data},
                   b_view = {EBB_F64, 2, {ROWS, WIDTH}, b_data};
    npy_write(in_a.text, &a_view);
    npy_write(in_b.text, &b_view); /* another type is converted */
    CHECK_OK(ebb_model_predict_files(b.model, inputs, outputs, NULL, &t->error));
    ebb_arrays first, second;
    const float *sums = view_of(t, &b, sum.text, &first).data;
    const float *products = view_of(t, &b, product.text, &second).data;
    for (int i = 0; i < ROWS * WIDTH; i++) {
        CHECK_NEAR(sums[i], 2, 0);
        CHECK_NEAR(products[i], i * (2 - i), 0);
    }
    CHECK_OK(ebb_arrays_close(first));
    CHECK_OK(ebb_arrays_close(second));
    const ebb_view fewer = {EBB_F32, 2, {ROWS - 1, WIDTH}, a_data};
    npy_write(in_b.text, &fewer);
    remove(sum.text);
    CHECK_STATUS(ebb_model_predict_files(b.model, inputs, outputs, NULL, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.where, "b.npy");
    CHECK_CONTAINS(t->error.text, "6 rows");
    CHECK(!file_exists(sum.text));
    npy_write(in_b.text, &b_view);
    outputs[1] = outputs[0];
    CHECK_STATUS(ebb_model_predict_files(b.model, inputs, outputs, NULL, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "same path");
    outputs[1] = NULL;
    CHECK_STATUS(ebb_model_predict_files(b.model, inputs, outputs, NULL, &t->error),
                 EBB_E_ARGUMENT);
    inputs[1] = NULL;
    CHECK_STATUS(ebb_model_predict_files(b.model, inputs, outputs, NULL, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_predict_files(b.model, NULL, outputs, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(temporary_count(&b.folder), 3); /* both inputs and the product of the first run */
    check_nothing_left(t, &b);
    bench_close(t, &b);
    temporary_close(&folder);
}

TEST(big_endian_inputs_are_turned)
{
    bench b;
    char head[256];

    bench_open(t, &b, digits_mlp, 0);
    const path_text x = temporary_path(&b.folder, "x.npy"), y = temporary_path(&b.folder, "y.npy");
    const char *inputs[] = {x.text}, *outputs[] = {y.text};
    const int length =
        snprintf(head, sizeof head, "\x93NUMPY\x01%c\x76%c%-117s\n", 0, 0,
                 "{'descr': '>f4', 'fortran_order': False, 'shape': (16, 8, 8, 1), }");
    CHECK_EQ(length, 128);
    FILE *file = fopen(x.text, "wb");
    CHECK(file != NULL);
    CHECK_EQ(fwrite(head, 1, 128, file), 128);
    for (int i = 0; i < DIGITS_ROWS * DIGITS_PIXELS; i++) {
        uint32_t bits;
        memcpy(&bits, &b.d.x[i / DIGITS_PIXELS][i % DIGITS_PIXELS], 4);
        bits = __builtin_bswap32(bits);
        CHECK_EQ(fwrite(&bits, 4, 1, file), 1);
    }
    fclose(file);
    CHECK_OK(ebb_model_predict_files(b.model, inputs, outputs, NULL, &t->error));
    ebb_arrays arrays;
    CHECK(digits_error(view_of(t, &b, y.text, &arrays).data, b.d.mlp_y[0], DIGITS_ROWS) < 1e-5);
    bench_close(t, &b); /* takes the open arrays along */
}

typedef struct watcher {
    uint64_t calls, done, total, stop_after;
} watcher;

static bool watch(void *context, uint64_t done, uint64_t total)
{
    watcher *w = context;

    w->calls++;
    w->done = done;
    w->total = total;
    return w->calls != w->stop_after;
}

TEST(a_cancelled_stream_leaves_no_output)
{
    bench b;
    watcher w = {0};
    ebb_stream_options options = EBB_STREAM_OPTIONS_INIT;

    bench_open(t, &b, digits_mlp, 0);
    const path_text x = temporary_path(&b.folder, "x.npy"), y = temporary_path(&b.folder, "y.npy");
    const char *inputs[] = {x.text}, *outputs[] = {y.text};
    const ebb_view view = {EBB_F32, 4, {DIGITS_ROWS, 8, 8, 1}, b.d.x};
    npy_write(x.text, &view);
    options.batch = 5;
    options.progress = watch;
    options.context = &w;
    CHECK_OK(ebb_model_predict_files(b.model, inputs, outputs, &options, &t->error));
    CHECK_EQ(w.calls, 4);
    CHECK_EQ(w.done, 16);
    CHECK_EQ(w.total, 16);
    for (uint64_t stop = 1; stop <= 4; stop++) {
        w = (watcher){.stop_after = stop};
        file_write(y.text, "old", 3);
        CHECK_STATUS(ebb_model_predict_files(b.model, inputs, outputs, &options, &t->error),
                     EBB_E_CANCELLED);
        CHECK_EQ(w.calls, stop);
        CHECK_EQ(temporary_count(&b.folder), 2);
        size_t length;
        CHECK_EQ(memcmp(file_read(t, y.text, &length), "old", 3),
                 0); /* the old file is untouched */
        check_nothing_left(t, &b);
    }
    options.struct_size = 0;
    CHECK_STATUS(ebb_model_predict_files(b.model, inputs, outputs, &options, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "EBB_STREAM_OPTIONS_INIT");
    bench_close(t, &b);
}

/* One case: this input, this output, this answer; nothing new may lie in the folder. */
static void refuse(test *t, const bench *b, const char *input, const char *output,
                   ebb_status expected)
{
    const char *inputs[] = {input}, *outputs[] = {output};
    const uint32_t entries = temporary_count(&b->folder);

    t->error = (ebb_error){0};
    CHECK_STATUS(ebb_model_predict_files(b->model, inputs, outputs, NULL, &t->error), expected);
    CHECK(t->error.where[0] != '\0' && t->error.text[0] != '\0');
    CHECK_EQ(temporary_count(&b->folder), entries);
    check_nothing_left(t, b);
}

TEST(bad_streams_are_refused)
{
    bench b;

    bench_open(t, &b, digits_mlp, 0);
    const path_text x = temporary_path(&b.folder, "x.npy"), y = temporary_path(&b.folder, "y.npy");
    ebb_view view = {EBB_F32, 4, {DIGITS_ROWS, 8, 8, 1}, b.d.x};
    npy_write(x.text, &view);
    refuse(t, &b, temporary_path(&b.folder, "nowhere.npy").text, y.text, EBB_E_NOT_FOUND);
    refuse(t, &b, x.text, temporary_path(&b.folder, "no/such/folder.npy").text, EBB_E_IO);
    refuse(t, &b, x.text, b.folder.folder, EBB_E_ARGUMENT);
    const path_text pipe = temporary_path(&b.folder, "pipe");
    CHECK_EQ(mkfifo(pipe.text, 0600), 0);
    refuse(t, &b, x.text, pipe.text, EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "regular file");
    refuse(t, &b, pipe.text, y.text, EBB_E_FORMAT);
    refuse(t, &b, b.folder.folder, y.text, EBB_E_FORMAT);
    refuse(t, &b, digits_mlp, y.text, EBB_E_FORMAT);
    CHECK_EQ(truncate(x.text, 128 + 100), 0);
    refuse(t, &b, x.text, y.text, EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "truncated");
    CHECK_EQ(truncate(x.text, 10), 0);
    refuse(t, &b, x.text, y.text, EBB_E_FORMAT);
    file_write(x.text, "", 0);
    refuse(t, &b, x.text, y.text, EBB_E_FORMAT);
    view.dims[1] = 4;
    npy_write(x.text, &view);
    refuse(t, &b, x.text, y.text, EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "8, 8, 1");
    view = (ebb_view){EBB_F32, 4, {0, 8, 8, 1}, b.d.x};
    npy_write(x.text, &view);
    refuse(t, &b, x.text, y.text, EBB_E_SHAPE);
    view.rank = 0;
    npy_write(x.text, &view);
    refuse(t, &b, x.text, y.text, EBB_E_SHAPE);
    bench_close(t, &b);
}

/* The second output cannot be begun: the first, begun already, goes. */
TEST(one_bad_output_takes_the_others_along)
{
    bench b;
    temporary folder;
    float data[6] = {1, 2, 3, 4, 5, 6};

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "two.keras");
    keras_write(t, two_by_two, digits_mlp, path.text);
    bench_open(t, &b, path.text, 0);
    const path_text x = temporary_path(&b.folder, "x.npy"), y = temporary_path(&b.folder, "y.npy");
    const path_text z = temporary_path(&b.folder, "no/z.npy");
    const char *inputs[] = {x.text, x.text}, *outputs[] = {y.text, z.text};
    const ebb_view view = {EBB_F32, 2, {2, 3}, data};
    npy_write(x.text, &view);
    CHECK_STATUS(ebb_model_predict_files(b.model, inputs, outputs, NULL, &t->error), EBB_E_IO);
    CHECK_EQ(temporary_count(&b.folder), 1);
    check_nothing_left(t, &b);
    bench_close(t, &b);
    temporary_close(&folder);
}

static bool shrink(void *context, uint64_t done, uint64_t total)
{
    (void)total;
    return done > 4 || truncate(context, 128 + 4 * 256) == 0;
}

TEST(an_input_that_changes_is_noticed)
{
    bench b;
    ebb_stream_options options = EBB_STREAM_OPTIONS_INIT;

    bench_open(t, &b, digits_mlp, 0);
    path_text x = temporary_path(&b.folder, "x.npy");
    const path_text y = temporary_path(&b.folder, "y.npy");
    const char *inputs[] = {x.text}, *outputs[] = {y.text};
    const ebb_view view = {EBB_F32, 4, {DIGITS_ROWS, 8, 8, 1}, b.d.x};
    npy_write(x.text, &view);
    options.batch = 4;
    options.progress = shrink;
    options.context = x.text;
    CHECK_STATUS(ebb_model_predict_files(b.model, inputs, outputs, &options, &t->error), EBB_E_IO);
    CHECK_CONTAINS(t->error.where, "x.npy");
    CHECK_EQ(temporary_count(&b.folder), 1);
    check_nothing_left(t, &b);
    bench_close(t, &b);
}

/* -- deletion ---------------------------------------------------------------------------------- */

static void delete_copy(test *t, const digits *d, const temporary *folder, const char *from,
                        const char *name)
{
    const path_text path = temporary_path(folder, name);
    const uint64_t live = digits_live(d);
    ebb_model model;
    ebb_receipt receipt;
    struct stat facts;

    digits_copy(from, path.text);
    CHECK_EQ(stat(path.text, &facts), 0);
    CHECK_OK(ebb_model_load(d->runtime, path.text, NULL, &model, &t->error));
    CHECK_OK(ebb_model_delete(model, NULL, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 1);
    CHECK_EQ(receipt.files_bytes, facts.st_size);
    CHECK_CONTAINS(receipt.files, name);
    CHECK(receipt.bytes_total > 0);
    CHECK_EQ(receipt.models, 1);
    CHECK(!file_exists(path.text));
    CHECK(!ebb_model_alive(model));
    CHECK_EQ(digits_live(d), live);
    CHECK_STATUS(ebb_model_delete(model, NULL, &receipt, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_model_load(d->runtime, path.text, NULL, &model, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.where, name);
    CHECK_STATUS(ebb_file_remove(path.text, &receipt, &t->error), EBB_E_NOT_FOUND);
    digits_copy(from, path.text);
    CHECK_OK(ebb_file_remove(path.text, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 1);
    CHECK_EQ(receipt.bytes_total, 0);
    CHECK(!file_exists(path.text));
}

TEST(files_go_with_their_model)
{
    digits d;
    temporary folder;

    digits_open(t, &d, NULL);
    temporary_open(&folder);
    delete_copy(t, &d, &folder, digits_mlp, "a model.keras");
    delete_copy(t, &d, &folder, digits_cnn, "b.h5");
    delete_copy(t, &d, &folder, digits_cnn, "c.hdf5");
    CHECK_EQ(temporary_count(&folder), 0);
    temporary_close(&folder);
    digits_close(t, &d);
}

/* A model folder as Keras makes it, from the members of an archive. */
static void make_folder(test *t, const char *path)
{
    static const char *const names[] = {"config.json", "metadata.json", "model.weights.h5"};
    char from[512], to[768];

    (void)t;
    CHECK_EQ(mkdir(path, 0755), 0);
    for (size_t i = 0; i < 3; i++) {
        snprintf(from, sizeof from, "%s/format/folder/%s", EBB_GOLDEN, names[i]);
        snprintf(to, sizeof to, "%s/%s", path, names[i]);
        digits_copy(from, to);
    }
}

TEST(folders_go_with_their_model)
{
    digits d;
    temporary folder;
    ebb_model model;
    ebb_receipt receipt;

    digits_open(t, &d, NULL);
    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "saved"),
                    slashes = temporary_path(&folder, "saved//");
    const path_text assets = temporary_path(&folder, "saved/assets");
    make_folder(t, path.text);
    CHECK_EQ(mkdir(assets.text, 0755), 0);
    file_write(temporary_path(&folder, "saved/assets/words.txt").text, "a", 1);
    CHECK_OK(ebb_model_load(d.runtime, slashes.text, NULL, &model, &t->error));
    CHECK_OK(ebb_model_delete(model, NULL, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 4);
    CHECK_CONTAINS(receipt.files, "assets/words.txt");
    CHECK(!file_exists(path.text));
    CHECK_STATUS(ebb_model_load(d.runtime, path.text, NULL, &model, &t->error), EBB_E_NOT_FOUND);
    make_folder(t, path.text);
    CHECK_OK(ebb_file_remove(slashes.text, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 3);
    CHECK_EQ(temporary_count(&folder), 0);
    temporary_close(&folder);
    digits_close(t, &d);
}

/* The folder is refused, the model stays, and not one of the entries went. */
static void refuse_folder(test *t, const digits *d, const temporary *folder, const char *what)
{
    const path_text path = temporary_path(folder, "saved");
    float x[64] = {0}, y[64];
    const ebb_view in = {EBB_F32, 2, {1, 4}, x}, out = {EBB_DTYPE_NONE, 0, {0}, y};
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};
    ebb_model model;
    ebb_receipt receipt;

    CHECK_OK(ebb_model_load(d->runtime, path.text, NULL, &model, &t->error));
    CHECK_STATUS(ebb_model_delete(model, NULL, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, what);
    CHECK_CONTAINS(t->error.text, "nothing was removed");
    CHECK_EQ(receipt.files_removed, 0);
    CHECK_STATUS(ebb_file_remove(path.text, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK_EQ(receipt.files_removed, 0);
    CHECK(ebb_model_alive(model));
    ebb_tensor_info info;
    CHECK_OK(ebb_model_input(model, 0, &info));
    const ebb_status status = ebb_model_predict(model, &inputs, &outputs, &t->error);
    CHECK(status == EBB_OK || status == EBB_E_SHAPE); /* usable all the same */
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK(file_exists(temporary_path(folder, "saved/config.json").text));
    CHECK(file_exists(temporary_path(folder, "saved/metadata.json").text));
    CHECK(file_exists(temporary_path(folder, "saved/model.weights.h5").text));
}

TEST(folders_with_other_things_stay)
{
    digits d;
    temporary folder;

    digits_open(t, &d, NULL);
    temporary_open(&folder);
    const path_text saved = temporary_path(&folder, "saved"),
                    foreign = temporary_path(&folder, "saved/thesis.txt");
    const path_text hidden = temporary_path(&folder, "saved/.git"),
                    assets = temporary_path(&folder, "saved/assets");
    const path_text link = temporary_path(&folder, "saved/assets/link"),
                    kept = temporary_path(&folder, "kept");
    make_folder(t, saved.text);
    file_write(kept.text, "kept", 4);
    file_write(foreign.text, "mine", 4);
    refuse_folder(t, &d, &folder, "thesis.txt");
    CHECK(file_exists(foreign.text));
    remove(foreign.text);
    CHECK_EQ(mkdir(hidden.text, 0755), 0);
    refuse_folder(t, &d, &folder, ".git");
    rmdir(hidden.text);
    CHECK_EQ(mkdir(assets.text, 0755), 0);
    CHECK_EQ(symlink(kept.text, link.text), 0);
    refuse_folder(t, &d, &folder, "link");
    remove(link.text);
    rmdir(assets.text);
    CHECK_EQ(symlink(folder.folder, assets.text), 0); /* a link where a folder belongs */
    refuse_folder(t, &d, &folder, "assets");
    CHECK(file_exists(kept.text));
    remove(assets.text);
    file_write(assets.text, "a file", 6);
    refuse_folder(t, &d, &folder, "assets");
    temporary_close(&folder);
    digits_close(t, &d);
}

TEST(links_are_never_followed)
{
    digits d;
    temporary folder;
    ebb_model model;
    ebb_receipt receipt;

    digits_open(t, &d, NULL);
    temporary_open(&folder);
    const path_text file = temporary_path(&folder, "real.keras"),
                    saved = temporary_path(&folder, "saved");
    const path_text link = temporary_path(&folder, "link.keras"),
                    slash = temporary_path(&folder, "way/");
    const path_text way = temporary_path(&folder, "way"), dot = temporary_path(&folder, "way/.");
    digits_copy(digits_mlp, file.text);
    make_folder(t, saved.text);
    CHECK_EQ(symlink(file.text, link.text), 0);
    CHECK_EQ(symlink(saved.text, way.text), 0);
    CHECK_OK(ebb_model_load(d.runtime, link.text, NULL, &model,
                            &t->error)); /* reading through one is fine */
    CHECK_STATUS(ebb_model_delete(model, NULL, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "link");
    CHECK(ebb_model_alive(model));
    CHECK_STATUS(ebb_file_remove(link.text, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK_STATUS(ebb_file_remove(way.text, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK_STATUS(ebb_file_remove(slash.text, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK_STATUS(ebb_file_remove(dot.text, &receipt, &t->error), EBB_E_ARGUMENT);
    CHECK(file_exists(file.text) && file_exists(link.text) && file_exists(way.text));
    CHECK(file_exists(temporary_path(&folder, "saved/config.json").text));
    CHECK_OK(ebb_model_load(d.runtime, slash.text, NULL, &model, &t->error));
    CHECK_STATUS(ebb_model_delete(model, NULL, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK(file_exists(temporary_path(&folder, "saved/model.weights.h5").text));
    temporary_close(&folder);
    digits_close(t, &d);
}

TEST(what_is_no_model_is_not_removed)
{
    digits d;
    temporary folder;
    ebb_receipt receipt;

    digits_open(t, &d, NULL);
    temporary_open(&folder);
    const path_text notes = temporary_path(&folder, "notes.txt"),
                    inner = temporary_path(&folder, "x.keras");
    file_write(notes.text, "a", 1);
    CHECK_EQ(mkdir(inner.text, 0755), 0);
    CHECK_STATUS(ebb_file_remove(notes.text, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK_STATUS(ebb_file_remove(folder.folder, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK_STATUS(ebb_file_remove(inner.text, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK_STATUS(ebb_file_remove(NULL, &receipt, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_file_remove("", &receipt, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_file_remove("/", &receipt, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_file_remove("..", &receipt, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(temporary_count(&folder), 2);
    temporary_close(&folder);
    digits_close(t, &d);
}

/* A relative path means the folder of the load, wherever the process went since. */
TEST(a_relative_path_is_remembered)
{
    digits d;
    temporary first, second;
    ebb_model model;
    char before[512];

    digits_open(t, &d, NULL);
    temporary_open(&first);
    temporary_open(&second);
    const path_text a = temporary_path(&first, "m.keras"), b = temporary_path(&second, "m.keras");
    digits_copy(digits_mlp, a.text);
    digits_copy(digits_mlp, b.text);
    CHECK(getcwd(before, sizeof before) != NULL);
    CHECK_EQ(chdir(first.folder), 0);
    const ebb_status loaded = ebb_model_load(d.runtime, "m.keras", NULL, &model, &t->error);
    const int moved = chdir(second.folder);
    const ebb_status deleted = ebb_model_delete(model, NULL, NULL, &t->error);
    CHECK_EQ(chdir(before), 0);
    CHECK_OK(loaded);
    CHECK_EQ(moved, 0);
    CHECK_OK(deleted);
    CHECK(!file_exists(a.text));
    CHECK(file_exists(b.text));
    temporary_close(&first);
    temporary_close(&second);
    digits_close(t, &d);
}

TEST_MAIN(RUN(any_number_of_rows_streams_in_batches),
          RUN(several_inputs_and_outputs_stream_together), RUN(big_endian_inputs_are_turned),
          RUN(a_cancelled_stream_leaves_no_output), RUN(bad_streams_are_refused),
          RUN(one_bad_output_takes_the_others_along), RUN(an_input_that_changes_is_noticed),
          RUN(files_go_with_their_model), RUN(folders_go_with_their_model),
          RUN(folders_with_other_things_stay), RUN(links_are_never_followed),
          RUN(what_is_no_model_is_not_removed), RUN(a_relative_path_is_remembered))
