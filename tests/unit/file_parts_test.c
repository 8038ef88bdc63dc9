/* file_parts_test.c -- model files as texts and arrays: what the library saved is taken apart, put
 * together again under each ending, and loads with the same numbers. */
#include <string.h>

#include "built_models.h"
#include "json/json.h"
#include "temporary.h"

#define PARTS_MAX 64

typedef struct text_sink {
    char text[16384];
    size_t length;
} text_sink;

static bool sink_put(void *context, const char *text, size_t length)
{
    text_sink *s = context;

    if (length >= sizeof s->text - s->length) return false;
    memcpy(s->text + s->length, text, length);
    s->length += length;
    s->text[s->length] = '\0';
    return true;
}

static bool sink_refuse(void *context, const char *text, size_t length)
{
    (void)context;
    (void)text;
    (void)length;
    return false;
}

static const json *parts_read(test *t, ebb_runtime runtime, const char *path, text_sink *s)
{
    const json *object;

    s->length = 0;
    CHECK_OK(ebb_parts_write(runtime, path, sink_put, s, &t->error));
    CHECK_OK(json_read(t->home, s->text, s->length, "parts", &object, &t->error));
    return object;
}

/* A saved model in a folder, compiled or not. */
static ebb_model model_saved(test *t, ebb_runtime runtime, const char *path)
{
    const ebb_model model = built_small(t, runtime, "small", 7);

    CHECK_OK(ebb_model_save(model, path, NULL, &t->error));
    return model;
}

TEST(a_file_says_what_is_in_it)
{
    text_sink s;
    temporary folder;
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t live = built_live(runtime);

    temporary_open(&folder);
    const path_text archive = temporary_path(&folder, "a.keras");
    const path_text layers = temporary_path(&folder, "a.h5");
    const ebb_model model = model_saved(t, runtime, archive.text);
    CHECK_OK(ebb_model_save(model, layers.text, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));

    const json *parts = parts_read(t, runtime, archive.text, &s);
    CHECK_TEXT(json_text(json_get(parts, "format"), ""), "keras");
    CHECK(json_boolean(json_get(parts, "by_path"), false));
    CHECK(json_is_null(json_get(parts, "config")));
    const json *group = json_item(json_get(parts, "groups"), 0);
    CHECK_TEXT(json_text(json_get(group, "name"), ""), "layers/batch_normalization");
    CHECK_EQ(json_get(group, "arrays")->count, 4);

    parts = parts_read(t, runtime, layers.text, &s);
    CHECK_TEXT(json_text(json_get(parts, "format"), ""), "h5");
    CHECK(!json_boolean(json_get(parts, "by_path"), true));
    CHECK(strstr(json_text(json_get(parts, "config"), ""), "\"hidden\"") != NULL);
    CHECK_EQ(built_live(runtime), live);
    temporary_close(&folder);
    built_close(t, runtime);
}

TEST(what_is_no_file_of_parts_is_said)
{
    text_sink s = {.length = 0};
    temporary folder;
    ebb_arrays arrays;
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t live = built_live(runtime);

    temporary_open(&folder);
    const path_text missing = temporary_path(&folder, "no.h5");
    const path_text broken = temporary_path(&folder, "broken.h5");
    const path_text whole = temporary_path(&folder, "whole.keras");
    file_write(broken.text, "\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08", 15);
    CHECK_STATUS(ebb_parts_write(runtime, missing.text, sink_put, &s, &t->error), EBB_E_NOT_FOUND);
    CHECK_STATUS(ebb_parts_write(runtime, broken.text, sink_put, &s, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(ebb_parts_open(runtime, broken.text, &arrays, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(ebb_parts_write(runtime, NULL, sink_put, &s, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_parts_write(runtime, whole.text, NULL, &s, &t->error), EBB_E_ARGUMENT);
    const ebb_model model = model_saved(t, runtime, whole.text);
    CHECK_STATUS(ebb_parts_write(runtime, whole.text, sink_refuse, NULL, &t->error),
                 EBB_E_CANCELLED);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_EQ(built_live(runtime), live);
    temporary_close(&folder);
    built_close(t, runtime);
    CHECK_STATUS(ebb_parts_write(runtime, whole.text, sink_put, &s, &t->error), EBB_E_STALE);
}

/* Every array of a file as a part; the arrays stay open. `is_layered`: by the part of the name
 * before its first slash. */
static size_t parts_take(test *t, ebb_runtime runtime, const char *path, ebb_arrays *arrays,
                         ebb_part parts[PARTS_MAX], bool is_layered)
{
    CHECK_OK(ebb_parts_open(runtime, path, arrays, &t->error));
    const uint32_t count = ebb_arrays_count(*arrays);
    CHECK(count > 0 && count < PARTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const char *name;
        CHECK_OK(ebb_arrays_read(*arrays, i, &name, &parts[i].view));
        parts[i].name = name;
        parts[i].layer = NULL;
        if (!is_layered) continue;
        const char *slash = strchr(name, '/');
        CHECK(slash != NULL);
        parts[i].layer = region_text_length(t->home, name, (size_t)(slash - name));
        parts[i].name = slash + 1;
    }
    return count;
}

static void check_same(test *t, ebb_runtime runtime, const char *path, const float *expected,
                       uint32_t count)
{
    float numbers[BUILT_NUMBERS_MAX];
    ebb_model model;

    CHECK_OK(ebb_model_load(runtime, path, NULL, &model, &t->error));
    CHECK_EQ(built_predict(t, model, numbers), count);
    CHECK_EQ(memcmp(numbers, expected, count * sizeof *numbers), 0);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
}

static bool config_take(void *context, const char *text, size_t length)
{
    return sink_put(context, text, length);
}

TEST(parts_make_the_same_file)
{
    float expected[BUILT_NUMBERS_MAX];
    ebb_part parts[PARTS_MAX];
    ebb_arrays arrays;
    text_sink config = {.length = 0};
    temporary folder;
    const ebb_runtime runtime = built_runtime(t);

    temporary_open(&folder);
    const path_text archive = temporary_path(&folder, "a.keras");
    const path_text again = temporary_path(&folder, "again.keras");
    const path_text weights = temporary_path(&folder, "w.weights.h5");
    const ebb_model model = model_saved(t, runtime, archive.text);
    const uint32_t count = built_predict(t, model, expected);
    CHECK_OK(ebb_model_config_write(model, config_take, &config, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    ebb_parts whole = EBB_PARTS_INIT;
    whole.parts = parts;
    whole.count = parts_take(t, runtime, archive.text, &arrays, parts, false);
    whole.config = config.text;
    CHECK_OK(ebb_parts_save(runtime, again.text, &whole, &t->error));
    check_same(t, runtime, again.text, expected, count);
    whole.deflate = true;
    CHECK_OK(ebb_parts_save(runtime, again.text, &whole, &t->error));
    check_same(t, runtime, again.text, expected, count);
    CHECK_OK(ebb_parts_save(runtime, weights.text, &whole, &t->error));

    const ebb_model other = built_small(t, runtime, "other", 8);
    CHECK_OK(ebb_model_weights_load(other, weights.text, NULL, NULL, &t->error));
    float numbers[BUILT_NUMBERS_MAX];
    CHECK_EQ(built_predict(t, other, numbers), count);
    CHECK_EQ(memcmp(numbers, expected, count * sizeof *numbers), 0);
    CHECK_OK(ebb_model_unload(other, NULL, NULL, &t->error));
    CHECK_OK(ebb_arrays_close(arrays));
    temporary_close(&folder);
    built_close(t, runtime);
}

TEST(parts_make_a_file_of_layers)
{
    float expected[BUILT_NUMBERS_MAX];
    ebb_part parts[PARTS_MAX];
    ebb_arrays arrays;
    text_sink s;
    temporary folder;
    const ebb_runtime runtime = built_runtime(t);

    temporary_open(&folder);
    const path_text layers = temporary_path(&folder, "a.h5");
    const path_text again = temporary_path(&folder, "again.hdf5");
    const ebb_model model = model_saved(t, runtime, layers.text);
    const uint32_t count = built_predict(t, model, expected);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    ebb_parts whole = EBB_PARTS_INIT;
    whole.parts = parts;
    whole.count = parts_take(t, runtime, layers.text, &arrays, parts, true);
    whole.config = json_text(json_get(parts_read(t, runtime, layers.text, &s), "config"), NULL);
    CHECK(whole.config != NULL);
    CHECK_OK(ebb_parts_save(runtime, again.text, &whole, &t->error));
    check_same(t, runtime, again.text, expected, count);

    const ebb_part first = parts[0];
    parts[0] = parts[whole.count - 1]; /* a layer in two pieces */
    CHECK_STATUS(ebb_parts_save(runtime, again.text, &whole, &t->error), EBB_E_ARGUMENT);
    parts[0] = first;
    check_same(t, runtime, again.text, expected, count);
    CHECK_OK(ebb_arrays_close(arrays));
    temporary_close(&folder);
    built_close(t, runtime);
}

TEST(parts_that_cannot_be_written_are_refused)
{
    float number = 1;
    temporary folder;
    ebb_part part = {"a/vars/0", NULL, {EBB_F32, 0, {0}, &number}};
    ebb_parts whole = EBB_PARTS_INIT;
    const ebb_runtime runtime = built_runtime(t);

    temporary_open(&folder);
    const path_text archive = temporary_path(&folder, "a.keras");
    const path_text other = temporary_path(&folder, "a.txt");
    const path_text weights = temporary_path(&folder, "a.weights.h5");
    whole.parts = &part;
    whole.count = 1;
    CHECK_STATUS(ebb_parts_save(runtime, archive.text, &whole, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_parts_save(runtime, other.text, &whole, &t->error), EBB_E_ARGUMENT);
    part.view.data = NULL;
    CHECK_STATUS(ebb_parts_save(runtime, weights.text, &whole, &t->error), EBB_E_ARGUMENT);
    part.view = (ebb_view){EBB_F32, 1, {-3}, &number};
    CHECK_STATUS(ebb_parts_save(runtime, weights.text, &whole, &t->error), EBB_E_ARGUMENT);
    part.view = (ebb_view){EBB_F32, 0, {0}, &number};
    part.name = "";
    CHECK_STATUS(ebb_parts_save(runtime, weights.text, &whole, &t->error), EBB_E_ARGUMENT);
    part.name = "a/vars/0";
    whole.struct_size = 1;
    CHECK_STATUS(ebb_parts_save(runtime, weights.text, &whole, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_parts_save(runtime, weights.text, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(temporary_count(&folder), 0);
    temporary_close(&folder);
    built_close(t, runtime);
}

TEST(a_failure_leaves_nothing)
{
    float numbers[3] = {1, 2, 3};
    temporary folder;
    const ebb_part parts[2] = {{"a/vars/0", NULL, {EBB_F32, 1, {3}, numbers}},
                               {"a/vars/1", NULL, {EBB_F32, 0, {0}, numbers}}};
    ebb_parts whole = EBB_PARTS_INIT;
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t live = built_live(runtime);

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "a.keras");
    whole.parts = parts;
    whole.count = 2;
    whole.config = "{}";
    for (int64_t n = 0;; n++) {
        text_sink s = {.length = 0};
        ebb_arrays arrays = {0};
        test_fail_allocation(t, n);
        ebb_status status = ebb_parts_save(runtime, path.text, &whole, &t->error);
        if (status == EBB_OK) status = ebb_parts_write(runtime, path.text, sink_put, &s, &t->error);
        if (status == EBB_OK) status = ebb_parts_open(runtime, path.text, &arrays, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        if (status == EBB_OK) {
            CHECK_EQ(ebb_arrays_count(arrays), 2);
            CHECK_OK(ebb_arrays_close(arrays));
        }
        CHECK(failed ? status != EBB_OK : status == EBB_OK);
        CHECK_EQ(built_live(runtime), live);
        if (!failed) break;
    }
    temporary_close(&folder);
    built_close(t, runtime);
}

TEST_MAIN(RUN(a_file_says_what_is_in_it), RUN(what_is_no_file_of_parts_is_said),
          RUN(parts_make_the_same_file), RUN(parts_make_a_file_of_layers),
          RUN(parts_that_cannot_be_written_are_refused), RUN(a_failure_leaves_nothing))
