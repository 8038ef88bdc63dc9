/* shrink_file_test.c -- shrunk models in files: loaded back with the same bytes and the same
 * numbers; damaged lists; plain files of them. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "built_models.h"
#include "format/format.h"
#include "format/keras/packed_tensors.h"
#include "format/zip.h"
#include "shrink_models.h"
#include "temporary.h"

typedef struct scene {
    ebb_runtime runtime;
    temporary folder;
} scene;

static void scene_open(test *t, scene *s)
{
    temporary_open(&s->folder);
    s->runtime = built_runtime(t);
}

static void scene_close(test *t, scene *s)
{
    built_close(t, s->runtime);
    temporary_close(&s->folder);
}

static uint64_t file_bytes(const char *path)
{
    struct stat facts;

    CHECK_EQ(stat(path, &facts), 0);
    return (uint64_t)facts.st_size;
}

static void shrink(test *t, ebb_model model, const char *dtype, double sparsity)
{
    ebb_quantize_options q = EBB_QUANTIZE_OPTIONS_INIT;
    ebb_prune_options p = EBB_PRUNE_OPTIONS_INIT;

    p.sparsity = sparsity;
    q.dtype = dtype;
    p.elements_min = q.elements_min = 32;
    if (sparsity > 0) CHECK_OK(ebb_model_prune(model, &p, NULL, &t->error));
    if (dtype != NULL) CHECK_OK(ebb_model_quantize(model, &q, NULL, &t->error));
}

typedef struct way {
    const char *dtype; /* NULL: none */
    double sparsity;
} way;

static const way ways[] = {{"int8", 0},    {"float16", 0},    {"bfloat16", 0},   {NULL, 0.75},
                           {"int8", 0.75}, {"float16", 0.75}, {"bfloat16", 0.75}};
#define WAYS (sizeof ways / sizeof ways[0])

static void check_same(test *t, ebb_model a, ebb_model b)
{
    static float x[SHRINK_NUMBERS_MAX], y[SHRINK_NUMBERS_MAX];
    ebb_tensor_info info, other;
    uint64_t count;

    const uint32_t numbers = shrink_predict(t, a, 3, x);
    CHECK_EQ(shrink_predict(t, b, 3, y), numbers);
    CHECK_EQ(memcmp(x, y, numbers * sizeof *x), 0);
    for (uint32_t i = 0; ebb_model_weight(a, i, &info) == EBB_OK; i++) {
        CHECK_EQ(ebb_model_weight(b, i, &other), EBB_OK);
        CHECK_EQ(info.stored, other.stored);
        CHECK_EQ(info.sparse, other.sparse);
        CHECK_EQ(info.stored_bytes, other.stored_bytes);
        const float *p = shrink_weight_read(t, a, i, &count);
        CHECK_EQ(memcmp(p, shrink_weight_read(t, b, i, &count), count * sizeof *p), 0);
    }
}

/* Bit for bit; with what the plan says; saved once more, the same file. */
TEST(files_keep_models_shrunk)
{
    static ebb_model (*const makers[])(test *, ebb_runtime) = {
        shrink_text_model, shrink_image_model, shrink_attention_model};
    scene s;

    scene_open(t, &s);
    for (size_t m = 0; m < 3; m++) {
        for (size_t i = 0; i < WAYS; i++) {
            const path_text path = temporary_path(&s.folder, "small.keras");
            const path_text again = temporary_path(&s.folder, "again.keras");
            const ebb_model model = makers[m](t, s.runtime);
            ebb_model back;
            ebb_plan plan;
            ebb_memory memory = {0};

            shrink(t, model, ways[i].dtype, ways[i].sparsity);
            CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
            CHECK_OK(ebb_model_plan(s.runtime, path.text, NULL, &plan, &t->error));
            CHECK_OK(ebb_model_load(s.runtime, path.text, NULL, &back, &t->error));
            CHECK_EQ(shrink_weights_bytes(back), shrink_weights_bytes(model));
            CHECK_EQ(ebb_model_memory_read(back, &memory), EBB_OK);
            for (int k = 0; k < EBB_CLASS_COUNT; k++)
                if (k != EBB_CLASS_CODE) CHECK_EQ(plan.by_class[k], memory.by_class[k]);
            CHECK(memory.peak <= plan.peak);
            check_same(t, model, back);
            CHECK_OK(ebb_model_save(back, again.text, NULL, &t->error));
            CHECK(files_equal(t, path.text, again.text));
            CHECK_OK(ebb_model_unload(back, NULL, NULL, &t->error));
            CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        }
    }
    scene_close(t, &s);
}

TEST(files_are_smaller_too)
{
    scene s;

    scene_open(t, &s);
    const path_text plain = temporary_path(&s.folder, "plain.keras");
    const path_text small = temporary_path(&s.folder, "small.keras");
    const ebb_model model = shrink_text_model(t, s.runtime);
    CHECK_OK(ebb_model_save(model, plain.text, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    for (size_t i = 0; i < WAYS; i++) {
        const ebb_model shrunk = shrink_text_model(t, s.runtime);
        shrink(t, shrunk, ways[i].dtype, ways[i].sparsity);
        CHECK_OK(ebb_model_save(shrunk, small.text, NULL, &t->error));
        CHECK(file_bytes(small.text) * 10 < file_bytes(plain.text) * 7);
        CHECK_OK(ebb_model_unload(shrunk, NULL, NULL, &t->error));
    }
    scene_close(t, &s);
}

/* What `ebb convert` makes for Keras. */
TEST(plain_files_have_the_same_numbers)
{
    static const char *const names[] = {"plain.keras", "plain.h5"};
    static float x[SHRINK_NUMBERS_MAX], y[SHRINK_NUMBERS_MAX];
    ebb_save_options options = EBB_SAVE_OPTIONS_INIT;
    scene s;

    scene_open(t, &s);
    options.expand = true;
    for (size_t i = 0; i < WAYS; i++) {
        for (int n = 0; n < 2; n++) {
            const path_text path = temporary_path(&s.folder, names[n]);
            const ebb_model model = shrink_text_model(t, s.runtime);
            ebb_model back;
            ebb_tensor_info info;

            shrink(t, model, ways[i].dtype, ways[i].sparsity);
            CHECK_OK(ebb_model_save(model, path.text, n == 0 ? &options : NULL, &t->error));
            CHECK_OK(ebb_model_load(s.runtime, path.text, NULL, &back, &t->error));
            for (uint32_t k = 0; ebb_model_weight(back, k, &info) == EBB_OK; k++)
                CHECK(info.stored == EBB_F32 && !info.sparse);
            const uint32_t count = shrink_predict(t, model, 2, x);
            CHECK_EQ(shrink_predict(t, back, 2, y), count);
            for (uint32_t k = 0; k < count; k++) CHECK_NEAR(x[k], y[k], 1e-5);
            CHECK_OK(ebb_model_unload(back, NULL, NULL, &t->error));
            CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        }
    }
    scene_close(t, &s);
}

/* load_weights() of a shrunk file takes what its numbers stand for. */
TEST(weights_of_shrunk_files_go_into_plain_models)
{
    scene s;
    uint64_t count;

    scene_open(t, &s);
    const path_text path = temporary_path(&s.folder, "small.keras");
    const ebb_model model = shrink_text_model(t, s.runtime),
                    plain = shrink_text_model(t, s.runtime);
    shrink(t, model, "int8", 0.5);
    CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
    CHECK_OK(ebb_model_weights_load(plain, path.text, NULL, NULL, &t->error));
    for (uint32_t i = 0; i < 8; i++) {
        const float *a = shrink_weight_read(t, model, i, &count);
        CHECK_EQ(memcmp(a, shrink_weight_read(t, plain, i, &count), count * sizeof *a), 0);
    }
    CHECK_STATUS(ebb_model_weights_load(model, path.text, NULL, NULL, &t->error),
                 EBB_E_UNSUPPORTED);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(plain, NULL, NULL, &t->error));
    scene_close(t, &s);
}

TEST(shrunk_files_load_with_inference_only)
{
    static float x[SHRINK_NUMBERS_MAX], y[SHRINK_NUMBERS_MAX];
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    scene s;
    ebb_model back;

    scene_open(t, &s);
    const path_text path = temporary_path(&s.folder, "small.keras");
    const ebb_model model = shrink_image_model(t, s.runtime);
    shrink(t, model, "float16", 0);
    CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
    options.inference_only = true;
    CHECK_OK(ebb_model_load(s.runtime, path.text, &options, &back, &t->error));
    CHECK(shrink_weights_bytes(back) <= shrink_weights_bytes(model));
    const uint32_t count = shrink_predict(t, model, 2, x);
    CHECK_EQ(shrink_predict(t, back, 2, y), count);
    for (uint32_t k = 0; k < count; k++) CHECK_NEAR(x[k], y[k], 1e-5);
    CHECK_STATUS(ebb_model_quantize(back, NULL, NULL, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "inference_only");
    CHECK_OK(ebb_model_unload(back, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    scene_close(t, &s);
}

/* -- lists that are wrong ---------------------------------------------------------------------- */

static ebb_status read_list(test *t, const char *text)
{
    char *copy = region_text(t->home, text);
    const json *metadata = NULL;
    description d = {.path = "test"};

    for (char *at = copy; *at != '\0'; at++)
        if (*at == '\'') *at = '"';
    CHECK_OK(json_read(t->home, copy, strlen(copy), "test", &metadata, &t->error));
    const ebb_status status = packed_list_read(t->home, metadata, &d, &t->error);
    return status == EBB_OK ? packed_entries_make(t->home, &d, &t->error) : status;
}

#define RECORD(fields) "{'ebb':{'packed':[{" fields "}]}}"

TEST(lists_that_cannot_be_are_refused)
{
    static const char *const wrong[] = {
        "{'ebb':{'packed':7}}",
        "{'ebb':{'packed':[7]}}",
        RECORD("'path':'a'"),
        RECORD("'path':'a','variable':0,'dtype':'int4','rows':2,'columns':2,'stored':4"),
        RECORD("'path':'a','variable':0,'dtype':'int8','rows':-2,'columns':2,'stored':4"),
        RECORD("'path':'a','variable':-1,'dtype':'int8','rows':2,'columns':2,'stored':4"),
        RECORD("'path':'a','variable':0,'dtype':'float32','rows':2,'columns':2,'stored':4"),
        RECORD("'path':'a','variable':0,'dtype':'float32','sparse':true,'rows':2,'columns':2,"
               "'stored':5"),
        RECORD("'path':'a','variable':0,'dtype':'int8','rows':4000000000000000000,'columns':"
               "4000000000000000000,'stored':4"),
        RECORD("'path':'a','variable':0,'dtype':'int8','rows':2,'columns':2,'stored':4"),
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_STATUS(read_list(t, wrong[i]), EBB_E_FORMAT);
    CHECK_OK(read_list(t, "{'keras_version':'3.15.1'}"));
    CHECK_OK(read_list(t, "{'ebb':{'packed':[]}}"));
    CHECK_OK(read_list(
        t, RECORD("'path':'a','variable':0,'dtype':'float16','rows':2,'columns':2,'stored':4")));
}

/* Every byte of the list changed in turn: an answer each time, and nothing left. */
TEST(damaged_lists_are_answered)
{
    scene s;
    size_t length;

    scene_open(t, &s);
    const path_text path = temporary_path(&s.folder, "small.keras");
    const path_text bad = temporary_path(&s.folder, "bad.keras");
    const ebb_model model = shrink_attention_model(t, s.runtime);
    shrink(t, model, "int8", 0.5);
    CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    const uint64_t live = built_live(s.runtime);
    const uint8_t *bytes = file_read(t, path.text, &length);
    static const char key[] = "\"stored\": ";
    uint32_t changed = 0;
    for (size_t i = 0; i + sizeof key < length && changed < 12; i++) {
        if (memcmp(bytes + i, key, sizeof key - 1) != 0) continue;
        uint8_t *copy = region_block(t->home, length);
        CHECK(copy != NULL);
        memcpy(copy, bytes, length);
        copy[i + sizeof key - 1] = copy[i + sizeof key - 1] == '1' ? '2' : '1';
        file_write(bad.text, copy, length);
        ebb_model back;
        CHECK(ebb_model_load(s.runtime, bad.text, NULL, &back, &t->error) != EBB_OK);
        CHECK_EQ(built_live(s.runtime), live);
        region_block_release(t->home, copy);
        changed++;
    }
    CHECK(changed > 3);
    scene_close(t, &s);
}

/* -- failure injection ------------------------------------------------------------------------- */

TEST(failed_saves_and_loads_leave_nothing)
{
    scene s;

    scene_open(t, &s);
    const path_text path = temporary_path(&s.folder, "small.keras");
    ebb_model model = shrink_attention_model(t, s.runtime);
    shrink(t, model, "int8", 0.5);
    const uint64_t live = built_live(s.runtime);
    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = ebb_model_save(model, path.text, NULL, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(built_live(s.runtime), live);
        CHECK_EQ(file_exists(path.text), !failed);
        if (!failed) break;
    }
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    const uint64_t empty = built_live(s.runtime);
    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = ebb_model_load(s.runtime, path.text, NULL, &model, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        if (!failed) break;
        CHECK_EQ(built_live(s.runtime), empty);
    }
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    scene_close(t, &s);
}

TEST_MAIN(RUN(files_keep_models_shrunk), RUN(files_are_smaller_too),
          RUN(plain_files_have_the_same_numbers), RUN(weights_of_shrunk_files_go_into_plain_models),
          RUN(shrunk_files_load_with_inference_only), RUN(lists_that_cannot_be_are_refused),
          RUN(damaged_lists_are_answered), RUN(failed_saves_and_loads_leave_nothing))
