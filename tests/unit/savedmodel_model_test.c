/* savedmodel_model_test.c -- SavedModel folders through the public API: load, predict, weights,
 * summary, what a graph without layers refuses, damaged folders, removal. What TensorFlow computed
 * is in golden/savedmodel.zip beside each folder. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ebb/ebb.h"
#include "saved_folders.h"

#define PORTS 16

typedef struct stage {
    temporary d;
    ebb_runtime runtime;
    ebb_memory begin;
} stage;

static void stage_open(test *t, stage *s)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    temporary_open(&s->d);
    options.allocator = test_allocator(t);
    options.threads = 1;
    CHECK_OK(ebb_runtime_open(&options, &s->runtime, &t->error));
    CHECK_OK(ebb_memory_read(s->runtime, &s->begin));
}

static void stage_close(test *t, stage *s)
{
    ebb_memory memory;

    CHECK_OK(ebb_memory_read(s->runtime, &memory));
    CHECK_EQ(memory.live, s->begin.live);
    CHECK_EQ(memory.descriptors, 0);
    CHECK_OK(ebb_runtime_close(s->runtime, NULL));
    temporary_close(&s->d);
    (void)t;
}

/* -- predicting ---------------------------------------------------------------------------------
 */

static float *numbers_of(test *t, const json *port, ebb_view *view)
{
    const json *shape = json_get(port, "shape"), *data = json_get(port, "data");
    float *numbers = region_new(t->home, float, (size_t)data->count + 1);

    *view = (ebb_view){.dtype = EBB_F32, .rank = shape->count, .data = numbers};
    for (uint32_t i = 0; i < shape->count; i++)
        view->dims[i] = json_integer(json_item(shape, i), 0);
    for (uint32_t i = 0; i < data->count; i++)
        numbers[i] = (float)json_number(json_item(data, i), 0);
    return numbers;
}

static void predict_check(test *t, ebb_model model, const char *name)
{
    const json *expected = saved_folder_expected(t, name);
    const json *in = json_get(expected, "inputs"), *out = json_get(expected, "outputs");
    ebb_view inputs[PORTS] = {0}, outputs[PORTS] = {0}, wanted;
    ebb_model_info info;
    ebb_tensor_info port;

    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_EQ(info.inputs, in->count);
    CHECK_EQ(info.outputs, out->count);
    for (uint32_t i = 0; i < in->count; i++) {
        (void)numbers_of(t, json_item(in, i), &inputs[i]);
        CHECK_OK(ebb_model_input(model, i, &port));
        CHECK_TEXT(port.name, json_text(json_get(json_item(in, i), "name"), ""));
    }
    const ebb_views given = {inputs, in->count}, got = {outputs, out->count};
    CHECK_OK(ebb_model_output_shapes(model, &given, outputs, out->count, &t->error));
    for (uint32_t i = 0; i < out->count; i++)
        outputs[i].data = region_alloc(t->home, 1, ebb_view_bytes(&outputs[i]) + 8);
    CHECK_OK(ebb_model_predict(model, &given, &got, &t->error));
    for (uint32_t i = 0; i < out->count; i++) {
        const float *want = numbers_of(t, json_item(out, i), &wanted), *have = outputs[i].data;
        CHECK_EQ(ebb_view_bytes(&outputs[i]), ebb_view_bytes(&wanted));
        CHECK_OK(ebb_model_output(model, i, &port));
        CHECK_TEXT(port.name, json_text(json_get(json_item(out, i), "name"), ""));
        for (uint64_t k = 0; k < ebb_view_bytes(&wanted) / sizeof *want; k++)
            CHECK_NEAR(have[k], want[k], 1e-5);
    }
}

/* Every variable that TensorFlow named is there with its values, and takes others. */
static void weights_check(test *t, ebb_model model, const char *name)
{
    const json *variables = json_get(saved_folder_expected(t, name), "variables");
    ebb_model_info info;
    uint32_t found = 0;

    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_EQ(info.weights, variables->count);
    for (uint32_t i = 0; i < info.weights; i++) {
        ebb_tensor_info about;
        CHECK_OK(ebb_model_weight(model, i, &about));
        const char *slash = strchr(about.name, '/'); /* nested layers have the model's name first */
        const json *numbers = json_get(variables, about.name);
        if (numbers == NULL && slash != NULL) numbers = json_get(variables, slash + 1);
        CHECK(numbers != NULL);
        float *values = region_new(t->home, float, (size_t)numbers->count + 1);
        ebb_view view = {.dtype = EBB_F32, .rank = about.rank, .data = values};
        memcpy(view.dims, about.dims, sizeof view.dims);
        CHECK_EQ(ebb_view_bytes(&view), numbers->count * sizeof *values);
        CHECK_OK(ebb_model_weight_get(model, i, &view, &t->error));
        for (uint32_t k = 0; k < numbers->count; k++)
            CHECK_NEAR(values[k], json_number(json_item(numbers, k), 0), 1e-6);
        CHECK_OK(ebb_model_weight_set(model, i, &view, &t->error));
        found++;
    }
    CHECK_EQ(found, variables->count);
}

static void folder_check(test *t, const char *name, uint32_t layers)
{
    stage s;
    ebb_model model;
    ebb_model_info info;
    ebb_plan plan;
    ebb_memory memory;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, name);
    CHECK_OK(ebb_model_plan(s.runtime, path.text, NULL, &plan, &t->error));
    CHECK_OK(ebb_model_load(s.runtime, path.text, NULL, &model, &t->error));
    CHECK_OK(ebb_model_memory_read(model, &memory));
    CHECK_EQ(memory.live, plan.total);
    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_TEXT(info.format, "savedmodel");
    CHECK_EQ(info.layers, layers);
    CHECK_EQ(info.parameters, plan.parameters);
    predict_check(t, model, name);
    weights_check(t, model, name);
    predict_check(t, model, name);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    stage_close(t, &s);
}

TEST(keras_2_has_its_layers)
{
    folder_check(t, "keras2", 6);
}

TEST(metadata_inside_the_model)
{
    folder_check(t, "keras2_old", 6);
}

TEST(a_layer_of_its_own_runs_as_graph)
{
    folder_check(t, "custom", 0);
}

/* Its mean, variance and count stand in no list of variables. */
TEST(a_preprocessing_layer_has_its_state)
{
    stage s;
    ebb_model model;
    ebb_model_info info;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, "normalized");
    CHECK_OK(ebb_model_load(s.runtime, path.text, NULL, &model, &t->error));
    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_EQ(info.layers, 3);
    CHECK_EQ(info.weights, 5);
    predict_check(t, model, "normalized");
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    stage_close(t, &s);
}

TEST(exports_run_in_the_models_order)
{
    folder_check(t, "export", 0);
}

TEST(several_shards)
{
    folder_check(t, "sharded", 0);
}

TEST(a_module)
{
    folder_check(t, "module", 0);
}

TEST(constants_only)
{
    folder_check(t, "frozen", 0);
}

TEST(tensorflow_1)
{
    folder_check(t, "version1", 0);
}

/* -- signatures ---------------------------------------------------------------------------------
 */

TEST(a_signature_can_be_named)
{
    stage s;
    ebb_model model;
    ebb_tensor_info port;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, "module");
    options.signature = "other";
    CHECK_OK(ebb_model_load(s.runtime, path.text, &options, &model, &t->error));
    CHECK_OK(ebb_model_output(model, 0, &port));
    CHECK_TEXT(port.name, "z");
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    options.signature = "third";
    CHECK_STATUS(ebb_model_load(s.runtime, path.text, &options, &model, &t->error),
                 EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "'third'");
    CHECK_CONTAINS(t->error.text, "'other'");
    CHECK_CONTAINS(t->error.text, "'serving_default'");
    stage_close(t, &s);
}

/* The graph of a model that has layers, when it is asked for. */
TEST(a_signature_asks_for_the_graph)
{
    stage s;
    ebb_model model;
    ebb_model_info info;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, "keras2");
    options.signature = "serving_default";
    CHECK_OK(ebb_model_load(s.runtime, path.text, &options, &model, &t->error));
    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_EQ(info.layers, 0);
    CHECK_TEXT(info.name, "keras2");
    predict_check(t, model, "keras2");
    weights_check(t, model, "keras2");
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    stage_close(t, &s);
}

/* -- reports ------------------------------------------------------------------------------------
 */

typedef struct text {
    char bytes[16384];
    size_t length;
} text;

static bool text_add(void *context, const char *bytes, size_t length)
{
    text *all = context;

    CHECK(all->length + length < sizeof all->bytes);
    memcpy(all->bytes + all->length, bytes, length);
    all->length += length;
    all->bytes[all->length] = '\0';
    return true;
}

TEST(summary_lists_variables_and_operations)
{
    stage s;
    text summary = {.length = 0};
    uint32_t problems = 7;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, "export");
    CHECK_OK(ebb_file_summary(s.runtime, path.text, NULL, text_add, &summary, &t->error));
    CHECK_CONTAINS(summary.bytes, "Model: \"export\"");
    CHECK_CONTAINS(summary.bytes, "Variable (type)");
    CHECK_CONTAINS(summary.bytes, "hidden/kernel (float32)");
    CHECK_CONTAINS(summary.bytes, "(5, 4)");
    CHECK_CONTAINS(summary.bytes, " Total params: 79 (316.00 B)");
    CHECK_CONTAINS(summary.bytes, " Signature: serving_default");
    CHECK_CONTAINS(summary.bytes, "MatMul 12");
    summary.length = 0;
    CHECK_OK(ebb_file_check(s.runtime, path.text, NULL, text_add, &summary, &problems, &t->error));
    CHECK_EQ(problems, 0);
    CHECK_EQ(summary.length, 0);
    stage_close(t, &s);
}

TEST(a_graph_has_no_layers_to_work_on)
{
    stage s;
    ebb_model model, other;
    ebb_compile_options how = EBB_COMPILE_OPTIONS_INIT;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, "module");
    CHECK_OK(ebb_model_load(s.runtime, path.text, NULL, &model, &t->error));
    CHECK_STATUS(ebb_model_save(model, temporary_path(&s.d, "x.keras").text, NULL, &t->error),
                 EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "without Keras's layers");
    CHECK_STATUS(ebb_model_clone(model, NULL, &other, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "without Keras's layers");
    how.optimizer = "sgd";
    how.loss = "mse";
    CHECK_STATUS(ebb_model_compile(model, &how, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "without Keras's layers");
    CHECK_STATUS(ebb_model_quantize(model, NULL, NULL, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "without Keras's layers");
    CHECK_STATUS(ebb_model_weights_copy(model, model, NULL, NULL, &t->error), EBB_E_UNSUPPORTED);
    predict_check(t, model, "module");
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    stage_close(t, &s);
}

/* A configuration that cannot be built: what is refused says which layer it was. */
TEST(a_refusal_names_the_layer)
{
    stage s;
    ebb_model model;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, "custom");
    CHECK_OK(ebb_model_load(s.runtime, path.text, NULL, &model, &t->error));
    CHECK_STATUS(ebb_model_save(model, temporary_path(&s.d, "x.keras").text, NULL, &t->error),
                 EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "without Keras's layers (");
    CHECK_CONTAINS(t->error.text, "Doubled");
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    stage_close(t, &s);
}

TEST(layers_are_saved_and_trained_as_ever)
{
    stage s;
    ebb_model model;
    ebb_compile_options how = EBB_COMPILE_OPTIONS_INIT;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, "keras2");
    const path_text copy = temporary_path(&s.d, "copy.keras");
    CHECK_OK(ebb_model_load(s.runtime, path.text, NULL, &model, &t->error));
    CHECK_OK(ebb_model_save(model, copy.text, NULL, &t->error));
    how.optimizer = "sgd";
    how.loss = "mse";
    CHECK_OK(ebb_model_compile(model, &how, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_load(s.runtime, copy.text, NULL, &model, &t->error));
    predict_check(t, model, "keras2");
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    stage_close(t, &s);
}

/* -- damage -------------------------------------------------------------------------------------
 */

static path_text inside(const path_text *folder, const char *name)
{
    path_text path;

    CHECK(snprintf(path.text, sizeof path.text, "%s/%s", folder->text, name) <
          (int)sizeof path.text);
    return path;
}

static void load_fails(test *t, const stage *s, const char *path, ebb_status status,
                       const char *words)
{
    ebb_model model;
    ebb_memory before, after;

    CHECK_OK(ebb_memory_read(s->runtime, &before));
    CHECK_STATUS(ebb_model_load(s->runtime, path, NULL, &model, &t->error), status);
    CHECK_CONTAINS(t->error.text, words);
    CHECK_OK(ebb_memory_read(s->runtime, &after));
    CHECK_EQ(after.live, before.live);
    CHECK_EQ(after.descriptors, before.descriptors);
}

TEST(folders_that_are_no_model)
{
    stage s;

    stage_open(t, &s);
    const path_text empty = temporary_path(&s.d, "empty");
    CHECK_EQ(mkdir(empty.text, 0777), 0);
    load_fails(t, &s, empty.text, EBB_E_FORMAT, "neither saved_model.pb");
    const path_text path = saved_folder_unpack(t, &s.d, "module");
    CHECK_EQ(unlink(inside(&path, "saved_model.pb").text), 0);
    load_fails(t, &s, path.text, EBB_E_FORMAT, "without saved_model.pb");
    CHECK_EQ(unlink(inside(&path, "variables/variables.index").text), 0);
    file_write(inside(&path, "saved_model.pbtxt").text, "x", 1);
    load_fails(t, &s, path.text, EBB_E_UNSUPPORTED, "as text");
    stage_close(t, &s);
}

TEST(variables_that_are_missing)
{
    static const char *const names[] = {"module", "keras2", "export"};
    stage s;

    stage_open(t, &s);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const path_text path = saved_folder_unpack(t, &s.d, names[i]);
        CHECK_EQ(unlink(inside(&path, "variables/variables.index").text), 0);
        load_fails(t, &s, path.text, EBB_E_FORMAT, "variables/variables.index");
    }
    stage_close(t, &s);
}

TEST(numbers_with_a_wrong_checksum_are_named)
{
    stage s;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, "version1");
    file_damage(inside(&path, "variables/variables.data-00000-of-00001").text, -1, 1);
    load_fails(t, &s, path.text, EBB_E_FORMAT, "checksum");
    CHECK_CONTAINS(t->error.where, "layer/w");
    stage_close(t, &s);
}

/* One bit after another, and cuts: an error with words, or a model. */
static void bits_check(test *t, const char *name, const char *file, size_t step)
{
    stage s;
    size_t length;
    uint32_t loaded = 0;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, name), target = inside(&path, file);
    const uint8_t *good = file_read(t, target.text, &length);
    uint8_t *bytes = region_alloc(t->home, 1, length);
    for (size_t i = 0; i < length; i += step) {
        ebb_plan plan;
        memcpy(bytes, good, length);
        bytes[i] ^= (uint8_t)(1u << i % 8);
        file_write(target.text, bytes, i % 3 == 0 ? i : length);
        t->error.text[0] = '\0';
        const ebb_status status = ebb_model_plan(s.runtime, path.text, NULL, &plan, &t->error);
        loaded += status == EBB_OK;
        if (status != EBB_OK) CHECK(t->error.text[0] != '\0');
    }
    CHECK(loaded < length / step);
    stage_close(t, &s);
}

TEST(damaged_graphs_are_refused)
{
    bits_check(t, "frozen", "saved_model.pb", 11);
    bits_check(t, "version1", "saved_model.pb", 17);
}

TEST(damaged_metadata_are_refused)
{
    bits_check(t, "custom", "keras_metadata.pb", 29);
}

/* -- memory -------------------------------------------------------------------------------------
 */

static void injection_check(test *t, const char *name)
{
    stage s;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, name);
    for (int64_t n = 0;; n++) {
        ebb_model model = {0};
        ebb_memory before, after;
        CHECK_OK(ebb_memory_read(s.runtime, &before));
        test_fail_allocation(t, n);
        const ebb_status status = ebb_model_load(s.runtime, path.text, NULL, &model, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        if (status == EBB_OK) {
            CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        } else {
            CHECK_STATUS(status, EBB_E_MEMORY);
            CHECK(failed);
        }
        CHECK_OK(ebb_memory_read(s.runtime, &after));
        CHECK_EQ(after.live, before.live);
        CHECK_EQ(after.descriptors, before.descriptors);
        if (!failed) break;
    }
    stage_close(t, &s);
}

TEST(memory_that_ends_leaves_nothing)
{
    injection_check(t, "version1");
    injection_check(t, "module");
}

TEST(memory_that_ends_with_layers)
{
    injection_check(t, "custom");
}

/* -- removal ------------------------------------------------------------------------------------
 */

TEST(removal_takes_the_files_of_the_format)
{
    stage s;
    ebb_receipt receipt;
    ebb_model model;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, "sharded");
    CHECK_EQ(mkdir(inside(&path, "assets").text, 0777), 0);
    file_write(inside(&path, "assets/words.txt").text, "a", 1);
    CHECK_OK(ebb_file_remove_check(path.text, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 7);
    CHECK_OK(ebb_model_load(s.runtime, path.text, NULL, &model, &t->error));
    CHECK_OK(ebb_model_delete(model, NULL, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 7);
    CHECK_EQ(temporary_count(&s.d), 0);
    stage_close(t, &s);
}

static void foreign_check(test *t, const stage *s, const char *name)
{
    ebb_receipt receipt;
    const path_text path = saved_folder_unpack(t, &s->d, "version1"), own = inside(&path, name);

    file_write(own.text, "x", 1);
    CHECK_STATUS(ebb_file_remove(path.text, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, name);
    CHECK(file_exists(inside(&path, "saved_model.pb").text));
    CHECK(file_exists(inside(&path, "variables/variables.index").text));
    CHECK_EQ(unlink(own.text), 0);
}

TEST(removal_refuses_what_is_not_the_models)
{
    stage s;

    stage_open(t, &s);
    foreign_check(t, &s, "notes.txt");
    foreign_check(t, &s, "variables/notes.txt");
    foreign_check(t, &s, "variables/variables.data-0-of-1");
    foreign_check(t, &s, "variables/variables.data-00000-of-00001.bak");
    stage_close(t, &s);
}

TEST(removal_of_everything_when_told)
{
    stage s;
    ebb_receipt receipt;
    ebb_remove_options how = EBB_REMOVE_OPTIONS_INIT;

    stage_open(t, &s);
    const path_text path = saved_folder_unpack(t, &s.d, "version1");
    const path_text kept = temporary_path(&s.d, "kept.txt");
    file_write(kept.text, "x", 1);
    file_write(inside(&path, "notes.txt").text, "x", 1);
    CHECK_EQ(mkdir(inside(&path, "more").text, 0777), 0);
    file_write(inside(&path, "more/notes.txt").text, "x", 1);
    CHECK_EQ(symlink(kept.text, inside(&path, "link").text), 0);
    CHECK_EQ(symlink(s.d.folder, inside(&path, "variables/link").text), 0);
    how.everything = how.dry_run = true;
    CHECK_OK(ebb_file_remove_with(path.text, &how, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 7);
    CHECK(file_exists(inside(&path, "notes.txt").text));
    how.dry_run = false;
    CHECK_OK(ebb_file_remove_with(path.text, &how, &receipt, &t->error));
    CHECK_EQ(receipt.files_removed, 7);
    CHECK(file_exists(kept.text));
    CHECK_EQ(temporary_count(&s.d), 1);
    CHECK_STATUS(ebb_file_remove_with(s.d.folder, &how, &receipt, &t->error), EBB_E_UNSUPPORTED);
    CHECK(file_exists(kept.text));
    stage_close(t, &s);
}

TEST_MAIN(RUN(keras_2_has_its_layers), RUN(metadata_inside_the_model),
          RUN(a_layer_of_its_own_runs_as_graph), RUN(a_preprocessing_layer_has_its_state),
          RUN(exports_run_in_the_models_order), RUN(several_shards), RUN(a_module),
          RUN(constants_only), RUN(tensorflow_1), RUN(a_signature_can_be_named),
          RUN(a_signature_asks_for_the_graph), RUN(summary_lists_variables_and_operations),
          RUN(a_graph_has_no_layers_to_work_on), RUN(a_refusal_names_the_layer),
          RUN(layers_are_saved_and_trained_as_ever), RUN(folders_that_are_no_model),
          RUN(variables_that_are_missing), RUN(numbers_with_a_wrong_checksum_are_named),
          RUN(damaged_graphs_are_refused), RUN(damaged_metadata_are_refused),
          RUN(memory_that_ends_leaves_nothing), RUN(memory_that_ends_with_layers),
          RUN(removal_takes_the_files_of_the_format), RUN(removal_refuses_what_is_not_the_models),
          RUN(removal_of_everything_when_told))
