/* export_test.c -- models as SavedModel folders: what is in them, that ebb reads them back with the
 * same answers, and what happens to folders that are there already. TensorFlow's answers are
 * checked by tests/golden/check_export.py. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "digits.h"
#include "format/savedmodel/bundle.h"
#include "temporary.h"

typedef struct scene {
    digits d;
    temporary folder;
} scene;

static const char *const members[] = {"saved_model.pb", "variables/variables.index",
                                      "variables/variables.data-00000-of-00001"};
#define MEMBERS (sizeof members / sizeof members[0])

static void scene_open(test *t, scene *s)
{
    const ebb_runtime_options options = {.struct_size = sizeof options,
                                         .allocator = test_allocator(t)};

    temporary_open(&s->folder);
    digits_open(t, &s->d, &options);
}

static void scene_close(test *t, scene *s)
{
    digits_close(t, &s->d);
    temporary_close(&s->folder);
}

static ebb_model loaded(test *t, const scene *s, const char *path)
{
    ebb_model model;

    CHECK_OK(ebb_model_load(s->d.runtime, path, NULL, &model, &t->error));
    return model;
}

static void unload(test *t, ebb_model model)
{
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
}

static path_text inside(const char *folder, const char *name)
{
    path_text path;
    const int length = snprintf(path.text, sizeof path.text, "%.400s/%.64s", folder, name);

    CHECK(length > 0 && (size_t)length < sizeof path.text);
    return path;
}

static bool folders_equal(test *t, const char *a, const char *b)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (!files_equal(t, inside(a, members[i]).text, inside(b, members[i]).text)) return false;
    }
    return true;
}

/* -- what is in a folder ----------------------------------------------------------------------- */

TEST(variables_lie_in_the_bundle)
{
    scene s;
    bundle b;
    uint8_t read[4096], weight[4096];

    scene_open(t, &s);
    const ebb_model model = loaded(t, &s, digits_cnn);
    const path_text path = temporary_path(&s.folder, "x");
    ebb_model_info info;
    CHECK_OK(ebb_model_export(model, path.text, NULL, &t->error));
    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_OK(bundle_open(t->home, t->home, inside(path.text, "variables/variables").text, &b,
                         &t->error));
    CHECK_EQ(b.count, info.weights + 1);
    for (uint32_t i = 0; i < info.weights; i++) {
        char key[64];
        ebb_tensor_info w;
        tensor_entry entry;
        snprintf(key, sizeof key, "variables/%u/.ATTRIBUTES/VARIABLE_VALUE", i);
        const bundle_entry *e = bundle_find(&b, key);
        CHECK(e != NULL);
        CHECK_OK(ebb_model_weight(model, i, &w));
        CHECK_EQ(e->rank, w.rank);
        CHECK_EQ(memcmp(e->dims, w.dims, w.rank * sizeof *w.dims), 0);
        CHECK_OK(bundle_tensor(t->home, &b, e, key, key, &entry, &t->error));
        ebb_view view = {.dtype = w.dtype, .rank = w.rank, .data = weight};
        memcpy(view.dims, w.dims, sizeof view.dims);
        const size_t count = e->bytes / sizeof(float);
        if (e->bytes > sizeof weight) continue;
        CHECK_OK(ebb_model_weight_get(model, i, &view, &t->error));
        CHECK_OK(entry.read(&entry, 0, count, read, &t->error)); /* checks the checksum */
        CHECK_EQ(memcmp(read, weight, (size_t)e->bytes), 0);
    }
    bundle_close(&b);
    unload(t, model);
    scene_close(t, &s);
}

TEST(equal_models_give_equal_folders)
{
    scene s;

    scene_open(t, &s);
    const ebb_model a = loaded(t, &s, digits_mlp), b = loaded(t, &s, digits_mlp);
    const path_text one = temporary_path(&s.folder, "one"), two = temporary_path(&s.folder, "two");
    CHECK_OK(ebb_model_export(a, one.text, NULL, &t->error));
    CHECK_OK(ebb_model_export(b, two.text, NULL, &t->error));
    CHECK(folders_equal(t, one.text, two.text));
    CHECK(file_exists(inside(one.text, "assets").text));
    unload(t, a);
    unload(t, b);
    scene_close(t, &s);
}

static void check_round_trip(test *t, const char *from)
{
    float before[DIGITS_ROWS * DIGITS_CLASSES], after[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_tensor_info info;
    scene s;

    scene_open(t, &s);
    const ebb_model model = loaded(t, &s, from);
    const path_text path = temporary_path(&s.folder, "x"), again = temporary_path(&s.folder, "y");
    CHECK_OK(digits_predict(&s.d, model, DIGITS_ROWS, before, &t->error));
    CHECK_OK(ebb_model_export(model, path.text, NULL, &t->error));
    const ebb_model back = loaded(t, &s, path.text);
    CHECK_OK(digits_predict(&s.d, back, DIGITS_ROWS, after, &t->error));
    CHECK(digits_error(after, before, DIGITS_ROWS) < 1e-5);
    CHECK_OK(digits_predict(&s.d, back, 1, after, &t->error));
    CHECK(digits_error(after, before, 1) < 1e-5);
    CHECK_OK(ebb_model_input(back, 0, &info));
    CHECK_EQ(info.dims[0], -1);
    /* what came as a graph goes out as one */
    CHECK_OK(ebb_model_export(back, again.text, NULL, &t->error));
    unload(t, back);
    const ebb_model third = loaded(t, &s, again.text);
    CHECK_OK(digits_predict(&s.d, third, DIGITS_ROWS, after, &t->error));
    CHECK(digits_error(after, before, DIGITS_ROWS) < 1e-5);
    unload(t, third);
    unload(t, model);
    scene_close(t, &s);
}

TEST(a_folder_is_read_back)
{
    check_round_trip(t, digits_mlp);
    check_round_trip(t, digits_cnn);
}

TEST(weights_are_those_of_this_moment)
{
    scene s;
    ebb_tensor_info info;
    float numbers[16] = {1, 2, 3}, found[16] = {0};

    scene_open(t, &s);
    const ebb_model model = loaded(t, &s, digits_mlp);
    const path_text path = temporary_path(&s.folder, "x");
    uint32_t last = 0;
    while (ebb_model_weight(model, last, &info) == EBB_OK) last++;
    CHECK_OK(ebb_model_weight(model, --last, &info));
    CHECK_EQ(info.rank, 1);
    CHECK_EQ(info.dims[0], DIGITS_CLASSES);
    ebb_view view = {.dtype = EBB_F32, .rank = 1, .dims = {DIGITS_CLASSES}, .data = numbers};
    CHECK_OK(ebb_model_weight_set(model, last, &view, &t->error));
    CHECK_OK(ebb_model_export(model, path.text, NULL, &t->error));
    unload(t, model);
    const ebb_model back = loaded(t, &s, path.text);
    view.data = found;
    CHECK_OK(ebb_model_weight_get(back, last, &view, &t->error));
    CHECK_EQ(memcmp(numbers, found, sizeof(float) * DIGITS_CLASSES), 0);
    unload(t, back);
    scene_close(t, &s);
}

/* -- what is there already --------------------------------------------------------------------- */

TEST(a_saved_model_is_replaced_in_whole)
{
    scene s;

    scene_open(t, &s);
    const ebb_model a = loaded(t, &s, digits_mlp), b = loaded(t, &s, digits_cnn);
    const path_text path = temporary_path(&s.folder, "x"), other = temporary_path(&s.folder, "y");
    CHECK_OK(ebb_model_export(a, path.text, NULL, &t->error));
    file_write(inside(path.text, "fingerprint.pb").text, "old", 3);
    CHECK_OK(ebb_model_export(b, temporary_path(&s.folder, "x//").text, NULL, &t->error));
    CHECK_OK(ebb_model_export(b, other.text, NULL, &t->error));
    CHECK(folders_equal(t, path.text, other.text));
    CHECK(!file_exists(inside(path.text, "fingerprint.pb").text));
    CHECK_EQ(temporary_count(&s.folder), 2);
    unload(t, a);
    unload(t, b);
    scene_close(t, &s);
}

TEST(other_folders_are_left_alone)
{
    ebb_export_options options = EBB_EXPORT_OPTIONS_INIT;
    scene s;

    scene_open(t, &s);
    const ebb_model model = loaded(t, &s, digits_mlp);
    const path_text path = temporary_path(&s.folder, "x");
    CHECK_EQ(mkdir(path.text, 0777), 0);
    options.keep_existing = true;
    CHECK_STATUS(ebb_model_export(model, path.text, &options, &t->error), EBB_E_STATE);
    CHECK_OK(ebb_model_export(model, path.text, NULL, &t->error)); /* it is empty */
    CHECK_STATUS(ebb_model_export(model, path.text, &options, &t->error), EBB_E_STATE);
    file_write(inside(path.text, "notes.txt").text, "mine", 4);
    CHECK_STATUS(ebb_model_export(model, path.text, NULL, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "notes.txt");
    CHECK(file_exists(inside(path.text, "notes.txt").text));
    CHECK(file_exists(inside(path.text, "saved_model.pb").text));
    const path_text home = temporary_path(&s.folder, "home");
    CHECK_EQ(mkdir(home.text, 0777), 0);
    file_write(inside(home.text, "letter").text, "mine", 4);
    CHECK_STATUS(ebb_model_export(model, home.text, NULL, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "no SavedModel");
    CHECK_EQ(temporary_count(&s.folder), 2);
    unload(t, model);
    scene_close(t, &s);
}

TEST(what_cannot_be_exported_is_refused)
{
    ebb_export_options options = EBB_EXPORT_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_model folded;
    scene s;

    scene_open(t, &s);
    const ebb_model model = loaded(t, &s, digits_mlp);
    const path_text path = temporary_path(&s.folder, "x");
    CHECK_STATUS(ebb_model_export(model, NULL, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_export(model, "", NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_export(model, "/", NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_export(model, "..", NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(
        ebb_model_export(model, temporary_path(&s.folder, "x.keras").text, NULL, &t->error),
        EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "ebb_model_save");
    CHECK_STATUS(ebb_model_export(model, temporary_path(&s.folder, "no/x").text, NULL, &t->error),
                 EBB_E_IO);
    options.struct_size = 0;
    CHECK_STATUS(ebb_model_export(model, path.text, &options, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(temporary_count(&s.folder), 0);
    file_write(path.text, "file", 4);
    CHECK_STATUS(ebb_model_export(model, path.text, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(unlink(path.text), 0);
    load.inference_only = true;
    CHECK_OK(ebb_model_load(s.d.runtime, digits_mlp, &load, &folded, &t->error));
    CHECK_STATUS(ebb_model_export(folded, path.text, NULL, &t->error), EBB_E_UNSUPPORTED);
    unload(t, folded);
    unload(t, model);
    CHECK_STATUS(ebb_model_export(model, path.text, NULL, &t->error), EBB_E_STALE);
    CHECK_EQ(temporary_count(&s.folder), 0);
    scene_close(t, &s);
}

/* -- what goes wrong meanwhile ----------------------------------------------------------------- */

TEST(every_allocation_may_fail)
{
    scene s;

    scene_open(t, &s);
    const ebb_model model = loaded(t, &s, digits_cnn);
    const path_text path = temporary_path(&s.folder, "x");
    const uint64_t before = digits_live(&s.d);
    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = ebb_model_export(model, path.text, NULL, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(digits_live(&s.d), before);
        CHECK_EQ(temporary_count(&s.folder), !failed);
        if (!failed) break;
    }
    unload(t, model);
    scene_close(t, &s);
}

/* Files of this process may not grow beyond a limit, as on a disk that is full. */
TEST(a_full_disk_leaves_the_old_folder)
{
    struct rlimit old, limit;
    scene s;

    scene_open(t, &s);
    const ebb_model a = loaded(t, &s, digits_mlp), b = loaded(t, &s, digits_cnn);
    const path_text path = temporary_path(&s.folder, "x"), other = temporary_path(&s.folder, "y");
    CHECK_OK(ebb_model_export(b, path.text, NULL, &t->error));
    CHECK_OK(ebb_model_export(b, other.text, NULL, &t->error));
    const uint64_t before = digits_live(&s.d);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (rlim_t bytes = 0; bytes < 9000; bytes += 811) {
        limit = (struct rlimit){bytes, old.rlim_max};
        CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
        const ebb_status status = ebb_model_export(a, path.text, NULL, &t->error);
        CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
        CHECK_STATUS(status, EBB_E_IO);
        CHECK_EQ(digits_live(&s.d), before);
        CHECK_EQ(temporary_count(&s.folder), 2);
    }
    signal(SIGXFSZ, SIG_DFL);
    CHECK(folders_equal(t, path.text, other.text));
    unload(t, a);
    unload(t, b);
    scene_close(t, &s);
}

/* A process that exports two models by turns under one name, until it is killed. */
static void export_for_ever(const char *path)
{
    ebb_runtime runtime;
    ebb_model models[2];

    if (ebb_runtime_open(NULL, &runtime, NULL) != EBB_OK) _exit(1);
    if (ebb_model_load(runtime, digits_mlp, NULL, &models[0], NULL) != EBB_OK) _exit(1);
    if (ebb_model_load(runtime, digits_cnn, NULL, &models[1], NULL) != EBB_OK) _exit(1);
    for (uint32_t i = 0;; i++) {
        if (ebb_model_export(models[i % 2], path, NULL, NULL) != EBB_OK) _exit(1);
    }
}

TEST(a_killed_process_leaves_a_whole_folder)
{
    scene s;

    scene_open(t, &s);
    const path_text path = temporary_path(&s.folder, "x");
    for (long round = 0; round < 8; round++) {
        int result;
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) export_for_ever(path.text);
        while (!file_exists(path.text)) usleep(1000);
        nanosleep(&(struct timespec){.tv_nsec = (3 + round * 2) * 1000000 + round * 137000}, NULL);
        CHECK_EQ(kill(child, SIGKILL), 0);
        CHECK_EQ(waitpid(child, &result, 0), child);
        CHECK(WIFSIGNALED(result));
        unload(t, loaded(t, &s, path.text));
    }
    scene_close(t, &s);
}

TEST_MAIN(RUN(variables_lie_in_the_bundle), RUN(equal_models_give_equal_folders),
          RUN(a_folder_is_read_back), RUN(weights_are_those_of_this_moment),
          RUN(a_saved_model_is_replaced_in_whole), RUN(other_folders_are_left_alone),
          RUN(what_cannot_be_exported_is_refused), RUN(every_allocation_may_fail),
          RUN(a_full_disk_leaves_the_old_folder), RUN(a_killed_process_leaves_a_whole_folder))
