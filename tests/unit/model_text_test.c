/* model_text_test.c -- what a loaded model tells of itself: its configuration and settings of
 * compile() as text, the optimizer's variables, weights as they are kept. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "built_models.h"
#include "json_case.h"
#include "shrink_models.h"
#include "temporary.h"

typedef struct text_sink {
    char text[65536];
    size_t length, most; /* most > 0: it ends the text there */
} text_sink;

static bool sink_put(void *context, const char *text, size_t length)
{
    text_sink *s = context;

    if (s->length + length >= (s->most > 0 ? s->most : sizeof s->text)) return false;
    memcpy(s->text + s->length, text, length);
    s->length += length;
    s->text[s->length] = '\0';
    return true;
}

static text_sink sink;

static const json *config_of(test *t, ebb_model model)
{
    const json *result = NULL;

    sink.length = sink.most = 0;
    CHECK_OK(ebb_model_config_write(model, sink_put, &sink, &t->error));
    CHECK_OK(json_read(t->home, sink.text, sink.length, "config", &result, &t->error));
    return result;
}

static const json *compile_config_of(test *t, ebb_model model)
{
    const json *result = NULL;

    sink.length = sink.most = 0;
    CHECK_OK(ebb_model_compile_config_write(model, sink_put, &sink, &t->error));
    CHECK_OK(json_read(t->home, sink.text, sink.length, "config", &result, &t->error));
    return result;
}

/* -- configuration ----------------------------------------------------------------------------- */

TEST(a_configuration_makes_the_model_again)
{
    const ebb_runtime runtime = built_runtime(t);
    float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;

    for (uint32_t i = 0; i < BUILT_CASES; i++) {
        const ebb_model model = built_finish(t, runtime, &built_cases[i], &options);
        ebb_model again;
        const json *config = config_of(t, model);

        CHECK_TEXT(json_text(json_get(config, "class_name"), ""), "Functional");
        CHECK(json_get(config, "module") != NULL);
        CHECK(json_get(config, "compile_config") == NULL);
        CHECK_TEXT(json_text(json_path(config, "config.name"), ""), built_cases[i].name);
        CHECK_OK(ebb_model_from_json(runtime, sink.text, sink.length, NULL, &again, &t->error));
        built_fill(t, model);
        built_fill(t, again);
        const uint32_t count = built_predict(t, model, x);
        CHECK_EQ(built_predict(t, again, y), count);
        CHECK_EQ(memcmp(x, y, count * sizeof *x), 0);
        CHECK_OK(ebb_model_unload(again, NULL, NULL, &t->error));
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    built_close(t, runtime);
}

/* Of a file with settings in it; frozen layers; another writer of the same. */
TEST(configurations_are_those_of_now)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = built_small(t, runtime, "small", 1);
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    temporary folder;
    ebb_model loaded;

    compile.optimizer = "sgd";
    compile.loss = "mse";
    CHECK_OK(ebb_model_compile(model, &compile, &t->error));
    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "m.keras");
    CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
    CHECK_OK(ebb_model_load(runtime, path.text, NULL, &loaded, &t->error));
    const json *config = config_of(t, loaded);
    CHECK(json_get(config, "compile_config") == NULL);
    CHECK(json_boolean(
        json_path(json_item(json_path(config, "config.layers"), 1), "config.trainable"), false));
    CHECK_OK(ebb_model_trainable_set(loaded, "hidden", false, &t->error));
    config = config_of(t, loaded);
    CHECK(!json_boolean(
        json_path(json_item(json_path(config, "config.layers"), 1), "config.trainable"), true));
    temporary_close(&folder);
    built_close(t, runtime);
}

/* What make_format.py wrote: Keras 2 and 3, dicts, nested models, operations, wrappers. */
TEST(configurations_of_files_can_be_read)
{
    static const char *const names[] = {"legacy.h5",     "compiled.keras",   "dicts.keras",
                                        "nested.keras",  "operations.keras", "sequential.keras",
                                        "several.keras", "wrappers.keras",   "half.keras"};
    const ebb_runtime runtime = built_runtime(t);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        ebb_model model, again;
        ebb_model_info before, after;
        snprintf(path, sizeof path, "%s/format/%s", EBB_GOLDEN, names[i]);
        CHECK_OK(ebb_model_load(runtime, path, NULL, &model, &t->error));
        CHECK(json_get(config_of(t, model), "module") != NULL);
        CHECK_OK(ebb_model_from_json(runtime, sink.text, sink.length, NULL, &again, &t->error));
        CHECK_OK(ebb_model_info_read(model, &before));
        CHECK_OK(ebb_model_info_read(again, &after));
        CHECK_EQ(after.weights, before.weights);
        CHECK_EQ(after.parameters_trainable, before.parameters_trainable);
        CHECK_TEXT(after.name, before.name);
        CHECK_OK(ebb_model_unload(again, NULL, NULL, &t->error));
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    built_close(t, runtime);
}

/* -- settings of compile() --------------------------------------------------------------------- */

TEST(settings_are_those_of_now)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = built_small(t, runtime, "small", 1);
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    temporary folder;
    ebb_model loaded;

    CHECK(json_is_null(compile_config_of(t, model)));
    compile.optimizer = "{\"class_name\": \"Adam\", \"config\": {\"learning_rate\": 0.5}}";
    compile.loss = "mse";
    compile.metrics = "[\"mae\"]";
    CHECK_OK(ebb_model_compile(model, &compile, &t->error));
    const json *config = compile_config_of(t, model);
    CHECK_TEXT(json_text(json_path(config, "optimizer.class_name"), ""), "Adam");
    CHECK_NEAR(json_number(json_path(config, "optimizer.config.learning_rate"), 0), 0.5, 0);
    CHECK(json_get(config, "loss") != NULL);
    CHECK_EQ(json_get(config, "metrics")->count, 1);
    CHECK_OK(ebb_model_learning_rate_set(model, 0.25, &t->error));
    config = compile_config_of(t, model);
    CHECK_NEAR(json_number(json_path(config, "optimizer.config.learning_rate"), 0), 0.25, 0);
    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "m.keras");
    CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
    CHECK_OK(ebb_model_load(runtime, path.text, NULL, &loaded, &t->error));
    config = compile_config_of(t, loaded);
    CHECK_NEAR(json_number(json_path(config, "optimizer.config.learning_rate"), 0), 0.25, 0);
    CHECK_OK(ebb_model_uncompile(model, NULL, &t->error));
    CHECK(json_is_null(compile_config_of(t, model)));
    temporary_close(&folder);
    built_close(t, runtime);
}

TEST(texts_end_when_they_are_told_to)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = built_small(t, runtime, "small", 1);

    sink.length = 0;
    sink.most = 3;
    CHECK_STATUS(ebb_model_config_write(model, sink_put, &sink, &t->error), EBB_E_CANCELLED);
    CHECK_STATUS(ebb_model_compile_config_write(model, sink_put, &sink, &t->error),
                 EBB_E_CANCELLED);
    CHECK_STATUS(ebb_model_config_write(model, NULL, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_STATUS(ebb_model_config_write(model, sink_put, &sink, &t->error), EBB_E_STALE);
    built_close(t, runtime);
}

/* -- variables of the optimizer ---------------------------------------------------------------- */

static ebb_model compiled(test *t, ebb_runtime runtime, const char *optimizer)
{
    const ebb_model model = built_small(t, runtime, "small", 1);
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;

    compile.optimizer = optimizer;
    compile.loss = "mse";
    CHECK_OK(ebb_model_compile(model, &compile, &t->error));
    return model;
}

static void step(test *t, ebb_model model)
{
    float in[24], out[12];
    const ebb_view x = {EBB_F32, 2, {4, 6}, in}, y = {EBB_F32, 2, {4, 3}, out};
    const ebb_batch batch = {.x = {&x, 1}, .y = {&y, 1}};

    for (int i = 0; i < 24; i++) in[i] = sinf((float)i);
    for (int i = 0; i < 12; i++) out[i] = cosf((float)i);
    CHECK_OK(ebb_model_train_on_batch(model, &batch, NULL, NULL, &t->error));
}

/* 6 trained weights: hidden, norm, head. */
TEST(optimizers_tell_their_variables)
{
    static const char *const names[] = {"adam/iteration",
                                        "adam/learning_rate",
                                        "adam/hidden_kernel_momentum",
                                        "adam/hidden_kernel_velocity",
                                        "adam/hidden_bias_momentum",
                                        "adam/hidden_bias_velocity"};
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = compiled(t, runtime, "adam");
    ebb_tensor_info info;
    int64_t iteration = 7;
    float rate = 0, momentum[30];
    const ebb_view i64 = {EBB_I64, 0, {0}, &iteration}, f32 = {EBB_DTYPE_NONE, 0, {0}, &rate},
                   slot = {EBB_F32, 2, {6, 5}, momentum}, wrong = {EBB_F32, 2, {5, 6}, momentum};

    CHECK_EQ(ebb_model_optimizer_variables(model), 14);
    for (uint32_t i = 0; i < 6; i++) {
        CHECK_OK(ebb_model_optimizer_variable(model, i, &info, &t->error));
        CHECK_TEXT(info.name, names[i]);
        CHECK_EQ(info.dtype, i == 0 ? EBB_I64 : EBB_F32);
    }
    CHECK_OK(ebb_model_optimizer_variable(model, 2, &info, &t->error));
    CHECK_EQ(info.rank, 2);
    CHECK_EQ(info.dims[0], 6);
    CHECK_STATUS(ebb_model_optimizer_variable(model, 14, &info, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_model_optimizer_variable_get(model, 0, &i64, &t->error));
    CHECK_EQ(iteration, 0);
    step(t, model);
    CHECK_OK(ebb_model_optimizer_variable_get(model, 0, &i64, &t->error));
    CHECK_EQ(iteration, 1);
    CHECK_OK(ebb_model_optimizer_variable_get(model, 1, &f32, &t->error));
    CHECK_NEAR(rate, 0.001, 1e-9);
    CHECK_OK(ebb_model_optimizer_variable_get(model, 2, &slot, &t->error));
    float largest = 0;
    for (int i = 0; i < 30; i++) largest = fmaxf(largest, fabsf(momentum[i]));
    CHECK(largest > 0);
    CHECK_STATUS(ebb_model_optimizer_variable_get(model, 2, &wrong, &t->error), EBB_E_SHAPE);
    CHECK_STATUS(ebb_model_optimizer_variable_get(model, 2, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_optimizer_variable_get(model, 99, &slot, &t->error), EBB_E_ARGUMENT);
    built_close(t, runtime);
}

/* Two models, one of which is given the other's weights and state: the next steps are the same. */
TEST(variables_that_are_set_count)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model a = compiled(t, runtime, "adam"), b = compiled(t, runtime, "adam");
    float numbers[64], x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];

    for (int i = 0; i < 3; i++) step(t, a);
    CHECK_OK(ebb_model_weights_copy(a, b, NULL, NULL, &t->error));
    for (uint32_t i = 0; i < ebb_model_optimizer_variables(a); i++) {
        ebb_tensor_info info;
        CHECK_OK(ebb_model_optimizer_variable(a, i, &info, &t->error));
        ebb_view view = {EBB_F32, info.rank, {0}, numbers};
        memcpy(view.dims, info.dims, sizeof info.dims);
        CHECK_OK(ebb_model_optimizer_variable_get(a, i, &view, &t->error));
        CHECK_OK(ebb_model_optimizer_variable_set(b, i, &view, &t->error));
    }
    for (int i = 0; i < 3; i++) {
        step(t, a);
        step(t, b);
    }
    const uint32_t count = built_predict(t, a, x);
    CHECK_EQ(built_predict(t, b, y), count);
    CHECK_EQ(memcmp(x, y, count * sizeof *x), 0);
    built_close(t, runtime);
}

TEST(models_without_optimizer_have_none)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = built_small(t, runtime, "small", 1);
    ebb_tensor_info info;
    float number;
    const ebb_view view = {EBB_F32, 0, {0}, &number};

    CHECK_EQ(ebb_model_optimizer_variables(model), 0);
    CHECK_STATUS(ebb_model_optimizer_variable(model, 0, &info, &t->error), EBB_E_STATE);
    CHECK_STATUS(ebb_model_optimizer_variable_get(model, 0, &view, &t->error), EBB_E_STATE);
    CHECK_STATUS(ebb_model_optimizer_variable_set(model, 0, &view, &t->error), EBB_E_STATE);
    CHECK_STATUS(ebb_model_optimizer_variable(model, 0, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(ebb_model_optimizer_variables((ebb_model){0}), 0);
    CHECK_STATUS(ebb_model_optimizer_variable((ebb_model){0}, 0, &info, &t->error), EBB_E_STALE);
    built_close(t, runtime);
}

/* -- weights as they are kept ------------------------------------------------------------------ */

static uint64_t elements_of(const ebb_tensor_info *info)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < info->rank; i++) count *= (uint64_t)info->dims[i];
    return count;
}

/* Where element `at` of a weight finds its scale. */
static uint64_t scale_index(const ebb_tensor_info *info, const ebb_tensor_info *scale, uint64_t at)
{
    uint64_t index = 0, stride = 1;

    for (uint32_t i = info->rank; i-- > 0;) {
        const uint64_t place = at % (uint64_t)info->dims[i];
        at /= (uint64_t)info->dims[i];
        if (scale->dims[i] == 1) continue;
        index += place * stride;
        stride *= (uint64_t)scale->dims[i];
    }
    return index;
}

static void check_stored(test *t, ebb_model model, uint32_t index)
{
    ebb_tensor_info info, scale;
    uint64_t count;

    CHECK_OK(ebb_model_weight(model, index, &info));
    CHECK_OK(ebb_model_weight_scale(model, index, &scale));
    const float *plain = shrink_weight_read(t, model, index, &count);
    void *bytes = region_alloc(t->home, count, 8);
    float *scales = region_new(t->home, float, elements_of(&scale) + 1);
    ebb_view stored = {info.stored, info.rank, {0}, bytes},
             view = {EBB_F32, scale.rank, {0}, scales};
    memcpy(stored.dims, info.dims, sizeof info.dims);
    memcpy(view.dims, scale.dims, sizeof scale.dims);
    const bool has_scale = scale.dtype != EBB_DTYPE_NONE;
    CHECK_EQ(has_scale, info.stored == EBB_I8);
    CHECK_OK(
        ebb_model_weight_stored_get(model, index, &stored, has_scale ? &view : NULL, &t->error));
    for (uint64_t i = 0; i < count; i++) {
        if (info.stored == EBB_I8)
            CHECK_NEAR(plain[i],
                       (float)((const int8_t *)bytes)[i] / scales[scale_index(&info, &scale, i)],
                       1e-7);
        else if (info.stored == EBB_F32)
            CHECK_NEAR(plain[i], ((const float *)bytes)[i], 0);
    }
    CHECK_STATUS(
        ebb_model_weight_stored_get(model, index, &stored, has_scale ? NULL : &view, &t->error),
        has_scale ? EBB_OK : EBB_E_ARGUMENT);
    stored.dtype = EBB_F64;
    CHECK_STATUS(ebb_model_weight_stored_get(model, index, &stored, NULL, &t->error), EBB_E_DTYPE);
}

TEST(small_weights_are_read_as_they_are)
{
    static const char *const kinds[] = {"int8", "float16", "bfloat16"};
    const ebb_runtime runtime = built_runtime(t);
    ebb_model (*const makers[])(test *, ebb_runtime) = {shrink_text_model, shrink_image_model,
                                                        shrink_attention_model};

    for (int i = 0; i < 3; i++) {
        const ebb_model model = makers[i](t, runtime);
        ebb_quantize_options options = EBB_QUANTIZE_OPTIONS_INIT;
        ebb_model_info info;
        uint32_t small = 0;

        options.dtype = kinds[0];
        options.elements_min = 64;
        CHECK_OK(ebb_model_quantize(model, &options, NULL, &t->error));
        CHECK_OK(ebb_model_info_read(model, &info));
        for (uint32_t k = 0; k < info.weights; k++) {
            ebb_tensor_info weight;
            check_stored(t, model, k);
            CHECK_OK(ebb_model_weight(model, k, &weight));
            small += weight.stored == EBB_I8;
        }
        CHECK(small > 1);
        CHECK_OK(ebb_model_expand(model, NULL, &t->error));
        options.dtype = kinds[1 + i % 2];
        CHECK_OK(ebb_model_quantize(model, &options, NULL, &t->error));
        check_stored(t, model, 0);
        CHECK_STATUS(ebb_model_weight_scale(model, info.weights, &(ebb_tensor_info){.rank = 0}),
                     EBB_E_ARGUMENT);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    built_close(t, runtime);
}

/* -- no memory --------------------------------------------------------------------------------- */

typedef ebb_status (*injected)(ebb_model model, ebb_error *error);

static ebb_status call_config(ebb_model model, ebb_error *error)
{
    sink.length = sink.most = 0;
    return ebb_model_config_write(model, sink_put, &sink, error);
}

static ebb_status call_compile_config(ebb_model model, ebb_error *error)
{
    sink.length = sink.most = 0;
    return ebb_model_compile_config_write(model, sink_put, &sink, error);
}

static ebb_status call_stored(ebb_model model, ebb_error *error)
{
    float numbers[30];
    const ebb_view view = {EBB_F32, 2, {6, 5}, numbers};

    return ebb_model_weight_stored_get(model, 0, &view, NULL, error);
}

TEST(no_memory_is_an_answer)
{
    static const injected calls[] = {call_config, call_compile_config, call_stored};
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model model = compiled(t, runtime, "adam");
    const uint64_t before = built_live(runtime);

    CHECK_OK(ebb_model_learning_rate_set(model, 0.25, &t->error));
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        bool failed = true;
        for (int64_t n = 0; failed; n++) {
            test_fail_allocation(t, n);
            const ebb_status status = calls[i](model, &t->error);
            failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            CHECK_EQ(built_live(runtime), before);
        }
    }
    built_close(t, runtime);
}

TEST_MAIN(RUN(a_configuration_makes_the_model_again), RUN(configurations_are_those_of_now),
          RUN(configurations_of_files_can_be_read), RUN(settings_are_those_of_now),
          RUN(texts_end_when_they_are_told_to), RUN(optimizers_tell_their_variables),
          RUN(variables_that_are_set_count), RUN(models_without_optimizer_have_none),
          RUN(small_weights_are_read_as_they_are), RUN(no_memory_is_an_answer))
