/* save_test.c -- models that are saved and loaded back: the same weights and answers bit for bit,
 * whatever happens meanwhile. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "digits.h"
#include "format/format.h"
#include "format/zip.h"
#include "temporary.h"

#define PORTS 4

typedef struct scene {
    ebb_runtime runtime;
    temporary folder;
} scene;

static void scene_open(test *t, scene *s)
{
    const ebb_runtime_options options = {.struct_size = sizeof options,
                                         .allocator = test_allocator(t)};

    temporary_open(&s->folder);
    CHECK_OK(ebb_runtime_open(&options, &s->runtime, &t->error));
}

static void scene_close(test *t, scene *s)
{
    ebb_receipt receipt;

    (void)t;
    CHECK_OK(ebb_runtime_close(s->runtime, &receipt));
    CHECK_EQ(receipt.bytes_kept, 0);
    temporary_close(&s->folder);
}

static uint64_t live(const scene *s)
{
    ebb_memory memory;

    CHECK_OK(ebb_memory_read(s->runtime, &memory));
    return memory.live;
}

static ebb_model loaded(test *t, const scene *s, const char *path, const char *architecture)
{
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    ebb_model model;

    options.architecture = architecture;
    CHECK_OK(ebb_model_load(s->runtime, path, &options, &model, &t->error));
    return model;
}

/* -- are two models the same? ------------------------------------------------------------------ */

static void *weight_bytes(test *t, region *home, ebb_model model, uint32_t index, size_t *bytes)
{
    ebb_tensor_info info;
    ebb_view view = {0};

    CHECK_OK(ebb_model_weight(model, index, &info));
    view.dtype = info.dtype;
    view.rank = info.rank;
    memcpy(view.dims, info.dims, sizeof view.dims);
    *bytes = ebb_view_bytes(&view);
    view.data = region_block(home, *bytes + 1);
    CHECK(view.data != NULL);
    CHECK_OK(ebb_model_weight_get(model, index, &view, &t->error));
    return view.data;
}

static void check_weights(test *t, ebb_model a, ebb_model b)
{
    region *home = region_open(t->home, "weights", EBB_CLASS_SCRATCH, 0);
    ebb_model_info x, y;

    CHECK_OK(ebb_model_info_read(a, &x));
    CHECK_OK(ebb_model_info_read(b, &y));
    CHECK_EQ(x.weights, y.weights);
    CHECK_EQ(x.parameters_trainable, y.parameters_trainable);
    for (uint32_t i = 0; i < x.weights; i++) {
        size_t one, other;
        const void *first = weight_bytes(t, home, a, i, &one);
        const void *second = weight_bytes(t, home, b, i, &other);
        CHECK_EQ(one, other);
        CHECK_EQ(memcmp(first, second, one), 0);
    }
    region_close(home);
}

static void predicted(test *t, region *home, ebb_model model, const ebb_views *inputs,
                      ebb_view out[PORTS], size_t count)
{
    const ebb_views outputs = {out, count};

    memset(out, 0, PORTS * sizeof out[0]);
    CHECK_OK(ebb_model_output_shapes(model, inputs, out, count, &t->error));
    for (size_t i = 0; i < count; i++) {
        out[i].data = region_block(home, ebb_view_bytes(&out[i]) + 1);
        CHECK(out[i].data != NULL);
    }
    CHECK_OK(ebb_model_predict(model, inputs, &outputs, &t->error));
}

/* The arrays in/0, in/1, ... of a golden. */
static void check_answers(test *t, const scene *s, ebb_model a, ebb_model b, const char *golden)
{
    region *home = region_open(t->home, "answers", EBB_CLASS_SCRATCH, 0);
    ebb_view in[PORTS], first[PORTS], second[PORTS];
    ebb_views inputs = {in, 0};
    ebb_model_info info;
    ebb_arrays arrays;

    CHECK_OK(ebb_arrays_open(s->runtime, golden, &arrays, &t->error));
    for (uint32_t i = 0; i < ebb_arrays_count(arrays); i++) {
        const char *name;
        ebb_view view;
        CHECK_OK(ebb_arrays_read(arrays, i, &name, &view));
        if (strncmp(name, "in/", 3) != 0) continue;
        in[atoi(name + 3)] = view;
        inputs.count++;
    }
    CHECK_OK(ebb_model_info_read(a, &info));
    predicted(t, home, a, &inputs, first, info.outputs);
    predicted(t, home, b, &inputs, second, info.outputs);
    for (uint32_t i = 0; i < info.outputs; i++) {
        CHECK_EQ(first[i].dtype, second[i].dtype);
        CHECK_EQ(ebb_view_bytes(&first[i]), ebb_view_bytes(&second[i]));
        CHECK_EQ(memcmp(first[i].data, second[i].data, ebb_view_bytes(&first[i])), 0);
    }
    CHECK_OK(ebb_arrays_close(arrays));
    region_close(home);
}

/* -- every golden ------------------------------------------------------------------------------ */

static void convert(test *t, const scene *s, const char *from, const char *to)
{
    const ebb_model model = loaded(t, s, from, NULL);

    CHECK_OK(ebb_model_save(model, to, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
}

/* Saves, loads and compares; then again from what was saved, until nothing changes any further. */
static void check_round_trip(test *t, const scene *s, const char *path, const char *golden,
                             const char *ending)
{
    path_text paths[3];
    const uint64_t before = live(s);

    for (size_t i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "%c%s", (char)('a' + i), ending);
        paths[i] = temporary_path(&s->folder, name);
    }
    const ebb_model model = loaded(t, s, path, NULL);
    const uint64_t with_model = live(s);
    CHECK_OK(ebb_model_save(model, paths[0].text, NULL, &t->error));
    CHECK_EQ(live(s), with_model);
    const ebb_model again = loaded(t, s, paths[0].text, NULL);
    check_weights(t, model, again);
    if (golden != NULL) check_answers(t, s, model, again, golden);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(again, NULL, NULL, &t->error));
    convert(t, s, paths[0].text, paths[1].text);
    convert(t, s, paths[1].text, paths[2].text);
    CHECK(files_equal(t, paths[1].text, paths[2].text));
    CHECK_EQ(live(s), before);
    CHECK_EQ(temporary_count(&s->folder), 3);
    for (size_t i = 0; i < 3; i++) unlink(paths[i].text);
}

static void check_folder(test *t, const char *folder, const char *kind, uint32_t least)
{
    static const char *const endings[] = {".keras", ".h5"};
    DIR *entries = opendir(folder);
    uint32_t seen = 0;
    scene s;

    CHECK(entries != NULL);
    scene_open(t, &s);
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[512], golden[520];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        char *end = strstr(path, kind);
        if (end == NULL || end[strlen(kind)] != '\0') continue;
        snprintf(golden, sizeof golden, "%.*s.npz", (int)(end - path), path);
        seen++;
        for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
            check_round_trip(t, &s, path, file_exists(golden) ? golden : NULL, endings[i]);
    }
    closedir(entries);
    CHECK(seen >= least);
    scene_close(t, &s);
}

TEST(every_layer_survives_a_round_trip)
{
    check_folder(t, EBB_GOLDEN "/layers", ".keras", ebb_layer_count());
}

TEST(every_corner_survives_a_round_trip)
{
    check_folder(t, EBB_GOLDEN "/corners", ".keras", 5);
}

/* What LoRA added is in the kernels now, and the layers have no arrays of it any more. */
TEST(adapted_layers_are_saved_as_plain_ones)
{
    check_folder(t, EBB_GOLDEN "/corners", ".h5", 3);
}

TEST(models_in_models_survive_a_round_trip)
{
    static const char *const names[] = {"compiled.keras", "deflated.keras",   "dicts.keras",
                                        "folder",         "half.keras",       "nested.keras",
                                        "legacy.h5",      "operations.keras", "sequential.keras",
                                        "several.keras",  "wrappers.keras"};
    static const char *const endings[] = {".keras", ".h5"};
    scene s;

    scene_open(t, &s);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/format/%s", EBB_GOLDEN, names[i]);
        for (size_t k = 0; k < 2; k++) check_round_trip(t, &s, path, NULL, endings[k]);
    }
    scene_close(t, &s);
}

/* -- formats ----------------------------------------------------------------------------------- */

static const json *member_json(test *t, const char *archive, const char *name)
{
    source *file;
    zip_archive *zip;
    const char *text;
    const json *object = NULL;

    CHECK_OK(source_open(t->home, archive, &file, &t->error));
    CHECK_OK(zip_open(t->home, file, &zip, &t->error));
    const zip_member *member = zip_find(zip, name);
    CHECK(member != NULL);
    CHECK_EQ(member->data_offset % 64, 0);
    CHECK_OK(zip_read(t->home, zip, member, UINT32_MAX, &text, &t->error));
    source_close(file);
    CHECK_OK(json_read(t->home, text, strlen(text), name, &object, &t->error));
    return object;
}

/* config.json of a .keras as a file of its own. */
static path_text architecture_of(test *t, const scene *s, const char *archive)
{
    const path_text path = temporary_path(&s->folder, "architecture.json");
    text_writer text;

    text_begin(&text, t->home);
    text_json_value(&text, member_json(t, archive, "config.json"));
    file_write(path.text, text.text, text.length);
    return path;
}

/* Every pair of formats, by way of the weights alone as well. */
TEST(the_examples_go_from_format_to_format)
{
    static const char *const endings[] = {".keras", ".h5", ".hdf5", ".weights.h5"};
    digits d;
    scene s;

    scene_open(t, &s);
    digits_open(t, &d, NULL);
    for (size_t i = 0; i < 2; i++) {
        const char *path = i == 0 ? digits_mlp : digits_cnn;
        const float *expected = i == 0 ? d.mlp_y[0] : d.cnn_y[0];
        const path_text keras = temporary_path(&s.folder, "x.keras");
        const ebb_model model = loaded(t, &s, path, NULL);
        CHECK_OK(ebb_model_save(model, keras.text, NULL, &t->error));
        const path_text architecture = architecture_of(t, &s, keras.text);
        for (size_t k = 0; k < sizeof endings / sizeof endings[0]; k++) {
            char name[24];
            float y[DIGITS_ROWS * DIGITS_CLASSES];
            snprintf(name, sizeof name, "y%s", endings[k]);
            const path_text out = temporary_path(&s.folder, name);
            CHECK_OK(ebb_model_save(model, out.text, NULL, &t->error));
            const ebb_model again = loaded(t, &s, out.text, k == 3 ? architecture.text : NULL);
            check_weights(t, model, again);
            CHECK_OK(digits_predict(&d, again, DIGITS_ROWS, y, &t->error));
            CHECK(digits_error(y, expected, DIGITS_ROWS) < 1e-5);
            CHECK_OK(ebb_model_unload(again, NULL, NULL, &t->error));
        }
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    digits_close(t, &d);
    scene_close(t, &s);
}

static const json *compile_of(test *t, const char *path, description **d)
{
    CHECK_OK(format_read(t->home, path, NULL, d, &t->error));
    return (*d)->compile_config;
}

/* The settings of compile() stand in other words in either format. */
TEST(compiled_models_stay_compiled)
{
    description *d;
    scene s;

    scene_open(t, &s);
    const path_text h5 = temporary_path(&s.folder, "x.h5"),
                    keras = temporary_path(&s.folder, "x.keras");
    const char *path = EBB_GOLDEN "/format/compiled.keras";
    const char *optimizer =
        json_text(json_path(compile_of(t, path, &d), "optimizer.class_name"), NULL);
    description_close(d);
    CHECK(optimizer != NULL);
    ebb_model model = loaded(t, &s, path, NULL);
    CHECK_OK(ebb_model_save(model, h5.text, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    const json *training = compile_of(t, h5.text, &d);
    CHECK_TEXT(json_text(json_path(training, "optimizer_config.class_name"), ""), optimizer);
    CHECK(json_get(training, "optimizer") == NULL);
    CHECK(json_get(training, "loss_weights") != NULL);
    description_close(d);
    model = loaded(t, &s, h5.text, NULL);
    CHECK_OK(ebb_model_save(model, keras.text, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    const json *settings = json_get(member_json(t, keras.text, "config.json"), "compile_config");
    CHECK_TEXT(json_text(json_path(settings, "optimizer.class_name"), ""), optimizer);
    CHECK_TEXT(json_text(json_path(settings, "optimizer.module"), ""), "keras.optimizers");
    CHECK(json_get(settings, "optimizer_config") == NULL);
    scene_close(t, &s);
}

TEST(compressed_archives_are_smaller_and_the_same)
{
    ebb_save_options options = EBB_SAVE_OPTIONS_INIT;
    size_t small, large;
    scene s;

    scene_open(t, &s);
    const path_text plain = temporary_path(&s.folder, "x.keras"),
                    dense = temporary_path(&s.folder, "y.keras"),
                    h5 = temporary_path(&s.folder, "z.h5");
    const ebb_model model = loaded(t, &s, digits_mlp, NULL);
    const uint64_t before = live(&s);
    CHECK_OK(ebb_model_save(model, plain.text, NULL, &t->error));
    options.deflate = true;
    CHECK_OK(ebb_model_save(model, dense.text, &options, &t->error));
    CHECK_EQ(live(&s), before);
    file_read(t, plain.text, &large);
    file_read(t, dense.text, &small);
    CHECK(small < large);
    const ebb_model again = loaded(t, &s, dense.text, NULL);
    check_weights(t, model, again);
    CHECK_STATUS(ebb_model_save(model, h5.text, &options, &t->error), EBB_E_UNSUPPORTED);
    CHECK(!file_exists(h5.text));
    CHECK_OK(ebb_model_unload(again, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    scene_close(t, &s);
}

/* -- refusals ---------------------------------------------------------------------------------- */

TEST(what_cannot_be_saved_is_refused)
{
    ebb_save_options save = EBB_SAVE_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_model folded;
    scene s;

    scene_open(t, &s);
    const ebb_model model = loaded(t, &s, digits_mlp, NULL);
    const path_text there = temporary_path(&s.folder, "x.keras");
    CHECK_STATUS(ebb_model_save(model, NULL, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_save(model, "", NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_save(model, ".keras", NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_save(model, temporary_path(&s.folder, "x.onnx").text, NULL, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, ".weights.h5");
    CHECK_STATUS(
        ebb_model_save(model, temporary_path(&s.folder, "no/x.keras").text, NULL, &t->error),
        EBB_E_IO);
    save.struct_size = 0;
    CHECK_STATUS(ebb_model_save(model, there.text, &save, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(temporary_count(&s.folder), 0);
    file_write(there.text, "old", 3);
    save.struct_size = sizeof save;
    save.keep_existing = true;
    CHECK_STATUS(ebb_model_save(model, there.text, &save, &t->error), EBB_E_STATE);
    size_t length;
    CHECK_EQ(memcmp(file_read(t, there.text, &length), "old", 3), 0);
    unlink(there.text);
    CHECK_OK(ebb_model_save(model, there.text, &save, &t->error));
    CHECK_EQ(temporary_count(&s.folder), 1);
    load.inference_only = true;
    CHECK_OK(ebb_model_load(s.runtime, digits_mlp, &load, &folded, &t->error));
    CHECK_STATUS(ebb_model_save(folded, there.text, NULL, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "inference_only");
    CHECK_OK(ebb_model_unload(folded, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_STATUS(ebb_model_save(model, there.text, NULL, &t->error), EBB_E_STALE);
    scene_close(t, &s);
}

/* -- what happens meanwhile -------------------------------------------------------------------- */

TEST(every_allocation_may_fail)
{
    static const char *const endings[] = {"x.keras", "x.h5", "x.weights.h5", "y.keras"};
    scene s;

    scene_open(t, &s);
    const ebb_model model = loaded(t, &s, digits_cnn, NULL);
    const uint64_t before = live(&s);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        ebb_save_options options = EBB_SAVE_OPTIONS_INIT;
        const path_text path = temporary_path(&s.folder, endings[i]);
        options.deflate = i == 3;
        for (int64_t n = 0;; n++) {
            test_fail_allocation(t, n);
            const ebb_status status = ebb_model_save(model, path.text, &options, &t->error);
            const bool failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            CHECK_EQ(live(&s), before);
            CHECK_EQ(temporary_count(&s.folder), !failed);
            if (!failed) break;
        }
        unlink(path.text);
    }
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    scene_close(t, &s);
}

/* Files of this process may not grow beyond a limit, as on a disk that is full. */
TEST(a_full_disk_leaves_the_old_file)
{
    const char *const names[] = {"x.keras", "x.h5", "x.weights.h5"};
    struct rlimit old, limit;
    scene s;

    scene_open(t, &s);
    const ebb_model model = loaded(t, &s, digits_mlp, NULL);
    const uint64_t before = live(&s);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t i = 0; i < 3; i++) {
        const path_text path = temporary_path(&s.folder, names[i]);
        file_write(path.text, "old", 3);
        for (rlim_t bytes = 0; bytes < 20000; bytes += 1511) {
            size_t length;
            limit = (struct rlimit){bytes, old.rlim_max};
            CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
            const ebb_status status = ebb_model_save(model, path.text, NULL, &t->error);
            CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
            CHECK_STATUS(status, EBB_E_IO);
            CHECK_EQ(memcmp(file_read(t, path.text, &length), "old", 3), 0);
            CHECK_EQ(length, 3);
            CHECK_EQ(live(&s), before);
        }
        CHECK_EQ(temporary_count(&s.folder), i + 1);
    }
    signal(SIGXFSZ, SIG_DFL);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    scene_close(t, &s);
}

/* A process that saves two models by turns under one name, until it is killed. */
static void save_for_ever(const char *path)
{
    ebb_runtime runtime;
    ebb_model models[2];

    if (ebb_runtime_open(NULL, &runtime, NULL) != EBB_OK) _exit(1);
    if (ebb_model_load(runtime, digits_mlp, NULL, &models[0], NULL) != EBB_OK) _exit(1);
    if (ebb_model_load(runtime, digits_cnn, NULL, &models[1], NULL) != EBB_OK) _exit(1);
    for (uint32_t i = 0;; i++) {
        if (ebb_model_save(models[i % 2], path, NULL, NULL) != EBB_OK) _exit(1);
    }
}

TEST(a_killed_process_leaves_a_whole_file)
{
    scene s;

    scene_open(t, &s);
    const path_text path = temporary_path(&s.folder, "x.keras");
    for (long round = 0; round < 12; round++) {
        int result;
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) save_for_ever(path.text);
        while (!file_exists(path.text)) usleep(1000);
        nanosleep(&(struct timespec){.tv_nsec = (3 + round * 2) * 1000000 + round * 137000}, NULL);
        CHECK_EQ(kill(child, SIGKILL), 0);
        CHECK_EQ(waitpid(child, &result, 0), child);
        CHECK(WIFSIGNALED(result));
        const ebb_model model = loaded(t, &s, path.text, NULL);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    scene_close(t, &s);
}

typedef struct predictor {
    const digits *d;
    ebb_model model;
    const float *expected;
    atomic_bool stop;
    atomic_uint done, wrong;
} predictor;

static void *predict_on(void *context)
{
    predictor *p = context;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    while (!atomic_load(&p->stop)) {
        const ebb_status status = digits_predict(p->d, p->model, DIGITS_ROWS, y, NULL);
        const bool is_good = status == EBB_OK && memcmp(y, p->expected, sizeof y) == 0;
        atomic_fetch_add(is_good ? &p->done : &p->wrong, 1);
    }
    return NULL;
}

TEST(predictions_go_on_while_a_model_is_saved)
{
    float expected[DIGITS_ROWS * DIGITS_CLASSES];
    predictor p = {.expected = expected};
    pthread_t thread;
    digits d;
    scene s;

    scene_open(t, &s);
    digits_open(t, &d, NULL);
    const ebb_model model = loaded(t, &s, digits_cnn, NULL);
    CHECK_OK(digits_predict(&d, model, DIGITS_ROWS, expected, &t->error));
    p.d = &d;
    p.model = model;
    CHECK_EQ(pthread_create(&thread, NULL, predict_on, &p), 0);
    const path_text first = temporary_path(&s.folder, "first.keras"),
                    path = temporary_path(&s.folder, "x.keras");
    CHECK_OK(ebb_model_save(model, first.text, NULL, &t->error));
    for (uint32_t i = 0; i < 20 || atomic_load(&p.done) < 20; i++) {
        CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
        CHECK(files_equal(t, first.text, path.text));
    }
    atomic_store(&p.stop, true);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(atomic_load(&p.wrong), 0);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    digits_close(t, &d);
    scene_close(t, &s);
}

TEST(weights_are_saved_as_they_are_now)
{
    scene s;
    float bias[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, read[10];
    const ebb_view set = {EBB_F32, 1, {10}, bias}, get = {EBB_F32, 1, {10}, read};

    scene_open(t, &s);
    const path_text path = temporary_path(&s.folder, "x.h5");
    const ebb_model model = loaded(t, &s, digits_mlp, NULL);
    CHECK_OK(ebb_model_weight_set(model, 3, &set, &t->error));
    CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
    const ebb_model again = loaded(t, &s, path.text, NULL);
    CHECK_OK(ebb_model_weight_get(again, 3, &get, &t->error));
    CHECK_EQ(memcmp(bias, read, sizeof bias), 0);
    check_weights(t, model, again);
    CHECK_OK(ebb_model_unload(again, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    scene_close(t, &s);
}

TEST_MAIN(RUN(every_layer_survives_a_round_trip), RUN(every_corner_survives_a_round_trip),
          RUN(adapted_layers_are_saved_as_plain_ones), RUN(models_in_models_survive_a_round_trip),
          RUN(the_examples_go_from_format_to_format), RUN(compiled_models_stay_compiled),
          RUN(compressed_archives_are_smaller_and_the_same), RUN(what_cannot_be_saved_is_refused),
          RUN(every_allocation_may_fail), RUN(a_full_disk_leaves_the_old_file),
          RUN(a_killed_process_leaves_a_whole_file), RUN(predictions_go_on_while_a_model_is_saved),
          RUN(weights_are_saved_as_they_are_now))
