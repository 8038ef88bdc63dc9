/* transfer_test.c -- models taken apart and put together: import, cut, clone, models as layers;
 * weights copied between models and loaded from files, all or nothing. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "built_models.h"
#include "digits.h"
#include "temporary.h"

static bool same_weight(test *t, ebb_model a, uint32_t i, ebb_model b, uint32_t k)
{
    static float x[4096], y[4096];
    const uint32_t count = built_weight(t, a, i, x);

    return built_weight(t, b, k, y) == count && memcmp(x, y, count * sizeof *x) == 0;
}

static ebb_model head_on(test *t, ebb_runtime runtime, ebb_model from, bool frozen)
{
    ebb_import_options until = EBB_IMPORT_OPTIONS_INIT;
    ebb_builder b;
    ebb_model model;

    CHECK_OK(ebb_build_open(runtime, "transfer", &b, &t->error));
    until.layer = "norm";
    until.frozen = frozen;
    ebb_tensor x = ebb_build_import(b, from, &until);
    x = ebb_build_layer(b, "Dense", "units=2, name='new_head'", x);
    CHECK_OK(ebb_build_finish(b, &x, 1, NULL, &model, &t->error));
    return model;
}

TEST(a_new_head_on_an_old_model)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model old = built_small(t, runtime, "old", 1);
    ebb_model_info info;
    ebb_tensor_info weight;
    float before[BUILT_NUMBERS_MAX], after[BUILT_NUMBERS_MAX];

    built_fill(t, old);
    const ebb_model model = head_on(t, runtime, old, true);
    for (uint32_t k = 0; k < 6; k++) CHECK(same_weight(t, old, k, model, k));
    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_EQ(info.weights, 8);
    CHECK_EQ(info.parameters_trainable, 5 * 2 + 2);
    CHECK_OK(ebb_model_weight(model, 6, &weight));
    CHECK_TEXT(weight.name, "new_head/kernel");
    CHECK(weight.trainable);
    CHECK_EQ(built_predict(t, model, before), 4);
    CHECK_OK(ebb_model_unload(old, NULL, NULL, &t->error));
    built_predict(t, model, after);
    CHECK_EQ(memcmp(before, after, 4 * sizeof *before), 0);
    built_close(t, runtime);
}

TEST(parts_give_what_the_whole_gives_there)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model old = built_small(t, runtime, "old", 1);
    ebb_import_options until = EBB_IMPORT_OPTIONS_INIT;
    ebb_model part, whole;
    float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX], kernel[32], bias[8];

    built_fill(t, old);
    until.layer = "hidden";
    CHECK_OK(ebb_model_cut(old, &until, NULL, &part, &t->error));
    CHECK_EQ(built_predict(t, part, y), 10);
    built_weight(t, old, 0, kernel);
    built_weight(t, old, 1, bias);
    for (int k = 0; k < 5; k++) {
        double sum = bias[k];
        for (int i = 0; i < 6; i++) sum += cos(0.3 * i) * kernel[i * 5 + k];
        CHECK_NEAR(y[k], fmax(sum, 0), 1e-5);
    }
    CHECK_OK(ebb_model_cut(old, NULL, NULL, &whole, &t->error));
    CHECK_EQ(built_predict(t, whole, x), 6);
    built_predict(t, old, y);
    CHECK_EQ(memcmp(x, y, 6 * sizeof *x), 0);
    until.layer = "hiden";
    CHECK_STATUS(ebb_model_cut(old, &until, NULL, &part, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "hidden");
    until.layer = NULL;
    until.tensor = 1;
    CHECK_STATUS(ebb_model_cut(old, &until, NULL, &part, &t->error), EBB_E_ARGUMENT);
    built_close(t, runtime);
}

TEST(parts_of_several_inputs_keep_their_order)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model shared = built_finish(t, runtime, &built_cases[1], NULL);
    ebb_import_options until = EBB_IMPORT_OPTIONS_INIT;
    ebb_model part;
    ebb_tensor_info info;
    float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];

    until.layer = "dense_5";
    CHECK_OK(ebb_model_cut(shared, &until, NULL, &part, &t->error));
    CHECK_OK(ebb_model_input(part, 0, &info));
    CHECK_TEXT(info.name, "a");
    CHECK_EQ(built_predict(t, part, x), 2);
    built_predict(t, shared, y); /* outputs of 2, 1 and 6 numbers a row */
    CHECK_EQ(memcmp(x, y + 4, 2 * sizeof *x), 0);
    built_close(t, runtime);
}

TEST(clones_are_equal_and_of_their_own)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];

    for (int i = 0; i < BUILT_CASES; i++) {
        ebb_model clone, fresh;
        ebb_model_info a, b;
        const ebb_model model = built_finish(t, runtime, &built_cases[i], NULL);
        CHECK_OK(ebb_model_clone(model, NULL, &clone, &t->error));
        CHECK_OK(ebb_model_info_read(model, &a));
        CHECK_OK(ebb_model_info_read(clone, &b));
        CHECK_TEXT(a.name, b.name);
        CHECK_EQ(a.parameters, b.parameters);
        const uint32_t count = built_predict(t, model, x);
        options.new_weights = true;
        options.seed = 9;
        CHECK_OK(ebb_model_clone(model, &options, &fresh, &t->error));
        built_predict(t, fresh, y);
        CHECK(memcmp(x, y, count * sizeof *x) != 0);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        CHECK_EQ(built_predict(t, clone, y), count);
        CHECK_EQ(memcmp(x, y, count * sizeof *x), 0);
        CHECK_OK(ebb_model_unload(fresh, NULL, NULL, &t->error));
        CHECK_OK(ebb_model_unload(clone, NULL, NULL, &t->error));
    }
    built_close(t, runtime);
}

TEST(a_model_is_a_layer)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model inner = built_small(t, runtime, "features", 1);
    ebb_builder b;
    ebb_model model;
    ebb_model_info info;
    float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];

    built_fill(t, inner);
    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    const ebb_layer twice = ebb_build_model_make(b, inner, NULL);
    const ebb_layer frozen = ebb_build_model_make(b, inner, "again");
    ebb_build_trainable(b, "again", false);
    const ebb_tensor in = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){6});
    const ebb_tensor one = ebb_build_call(b, twice, &in, 1),
                     two = ebb_build_call(b, frozen, &in, 1);
    const ebb_tensor z = ebb_build_call(b, twice, &in, 1);
    ebb_tensor sum = ebb_build_merge(b, "Add", NULL, (ebb_tensor[]){one, two, z}, 3);
    CHECK_OK(ebb_build_finish(b, &sum, 1, NULL, &model, &t->error));
    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_EQ(info.weights, 16);
    CHECK_EQ(info.parameters, 2 * (35 + 20 + 18));
    CHECK_EQ(info.parameters_trainable, 35 + 10 + 18);
    CHECK_EQ(built_predict(t, model, x), 6);
    built_predict(t, inner, y);
    for (int i = 0; i < 6; i++) CHECK_NEAR(x[i], 3 * y[i], 1e-5);
    built_close(t, runtime);
}

TEST(the_source_must_live_until_the_end)
{
    const ebb_runtime runtime = built_runtime(t), other = built_runtime(t);
    const ebb_model gone = built_small(t, runtime, "gone", 1), away = built_small(t, other, "m", 1);
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_builder b;
    ebb_model model, folded, copy;
    const uint64_t before = built_live(runtime);

    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    ebb_tensor x = ebb_build_import(b, gone, NULL);
    load.inference_only = true;
    options.load = &load;
    CHECK_OK(ebb_model_clone(gone, &options, &folded, &t->error));
    CHECK_STATUS(ebb_model_clone(folded, NULL, &copy, &t->error), EBB_E_UNSUPPORTED);
    CHECK_OK(ebb_model_unload(folded, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(gone, NULL, NULL, &t->error));
    CHECK_STATUS(ebb_build_finish(b, &x, 1, NULL, &model, &t->error), EBB_E_STALE);
    CHECK(built_live(runtime) < before);
    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    CHECK_EQ(ebb_build_import(b, gone, NULL).id, 0);
    CHECK_STATUS(ebb_build_error(b, &t->error), EBB_E_STALE);
    CHECK_OK(ebb_build_close(b));
    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    CHECK_EQ(ebb_build_import(b, away, NULL).id, 0);
    CHECK_STATUS(ebb_build_error(b, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "another runtime");
    built_close(t, runtime);
    built_close(t, other);
}

TEST(the_same_name_twice_is_a_fault)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model old = built_small(t, runtime, "old", 1);
    ebb_builder b;
    ebb_model model;

    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    ebb_tensor x = ebb_build_import(b, old, NULL);
    (void)ebb_build_import(b, old, NULL);
    CHECK_STATUS(ebb_build_finish(b, &x, 1, NULL, &model, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "two layers have the name 'hidden'");
    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    x = ebb_build_import(b, old, NULL);
    x = ebb_build_find(b, "hidden", 0);
    CHECK_OK(ebb_build_finish(b, &x, 1, NULL, &model, &t->error));
    float y[BUILT_NUMBERS_MAX];
    CHECK_EQ(built_predict(t, model, y), 10);
    built_close(t, runtime);
}

TEST(models_of_files_are_taken_apart_too)
{
    digits d;
    ebb_model cnn, clone, part;
    ebb_import_options until = EBB_IMPORT_OPTIONS_INIT;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, NULL, &cnn, &t->error));
    CHECK_OK(ebb_model_clone(cnn, NULL, &clone, &t->error));
    CHECK_OK(ebb_model_cut(cnn, &until, NULL, &part, &t->error));
    CHECK_OK(ebb_model_unload(cnn, NULL, NULL, &t->error));
    CHECK_OK(digits_predict(&d, clone, DIGITS_ROWS, y, &t->error));
    CHECK(digits_error(y, d.cnn_y[0], DIGITS_ROWS) < 1e-5);
    CHECK_OK(digits_predict(&d, part, DIGITS_ROWS, y, &t->error));
    CHECK(digits_error(y, d.cnn_y[0], DIGITS_ROWS) < 1e-5);
    digits_close(t, &d);
}

/* -- copies ------------------------------------------------------------------------------------ */

static ebb_model wider(test *t, ebb_runtime runtime)
{
    ebb_builder b;
    ebb_model model;

    CHECK_OK(ebb_build_open(runtime, "wider", &b, &t->error));
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){6});
    x = ebb_build_layer(b, "Dense", "units=5, activation='relu', name='hidden'", x);
    x = ebb_build_layer(b, "BatchNormalization", "name='norm'", x);
    x = ebb_build_layer(b, "Dense", "units=4, name='head'", x);
    CHECK_OK(ebb_build_finish(b, &x, 1, NULL, &model, &t->error));
    return model;
}

TEST(weights_are_copied_all_or_nothing)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model from = built_small(t, runtime, "from", 1),
                    to = built_small(t, runtime, "to", 2);
    const ebb_model wide = wider(t, runtime);
    ebb_weights_options options = EBB_WEIGHTS_OPTIONS_INIT;
    ebb_weights_report report;
    float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];

    built_fill(t, from);
    CHECK_OK(ebb_model_weights_copy(from, to, NULL, &report, &t->error));
    CHECK_EQ(report.copied, 8);
    CHECK_EQ(report.kept, 0);
    built_predict(t, from, x);
    built_predict(t, to, y); /* folded forms as well */
    CHECK_EQ(memcmp(x, y, 6 * sizeof *x), 0);
    built_predict(t, wide, x);
    for (int i = 0; i < 2; i++) {
        options.by_name = i == 1;
        CHECK_STATUS(ebb_model_weights_copy(from, wide, &options, &report, &t->error), EBB_E_SHAPE);
        CHECK_CONTAINS(t->error.where, "head");
        built_predict(t, wide, y);
        CHECK_EQ(memcmp(x, y, 8 * sizeof *x), 0);
    }
    for (int i = 0; i < 2; i++) {
        options.by_name = i == 1;
        options.skip_mismatch = true;
        CHECK_OK(ebb_model_weights_copy(from, wide, &options, &report, &t->error));
        CHECK_EQ(report.copied, 6);
        CHECK_EQ(report.kept, 2);
        CHECK_EQ(report.skipped, 2);
        CHECK_TEXT(report.first_skipped, "head/kernel");
        CHECK(same_weight(t, from, 5, wide, 5));
    }
    CHECK_OK(ebb_model_weights_copy(from, from, NULL, NULL, &t->error));
    CHECK_STATUS(ebb_model_weights_copy(from, (ebb_model){0}, NULL, NULL, &t->error), EBB_E_STALE);
    built_close(t, runtime);
}

TEST(copies_by_name_leave_others_alone)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model from = built_small(t, runtime, "from", 1);
    const ebb_model to = head_on(t, runtime, from, false), other = built_small(t, runtime, "o", 3);
    ebb_weights_options options = EBB_WEIGHTS_OPTIONS_INIT;
    ebb_weights_report report;

    built_fill(t, from);
    options.by_name = true;
    CHECK_OK(ebb_model_weights_copy(from, to, &options, &report, &t->error));
    CHECK_EQ(report.copied, 6);
    CHECK_EQ(report.kept, 2);
    CHECK_EQ(report.skipped, 0);
    CHECK(same_weight(t, from, 5, to, 5));
    CHECK_STATUS(ebb_model_weights_copy(to, other, NULL, &report, &t->error), EBB_E_SHAPE);
    built_close(t, runtime);
}

TEST(a_thousand_copies_leave_nothing)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model from = built_small(t, runtime, "from", 1),
                    to = built_small(t, runtime, "to", 2);
    const uint64_t before = built_live(runtime);

    for (int i = 0; i < 1000; i++) {
        CHECK_OK(
            ebb_model_weights_copy(i % 2 ? from : to, i % 2 ? to : from, NULL, NULL, &t->error));
        CHECK_EQ(built_live(runtime), before);
    }
    built_close(t, runtime);
}

static void train(test *t, ebb_model model, const char *optimizer, int steps)
{
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    float x[12], y[6];
    const ebb_view in = {EBB_F32, 2, {2, 6}, x}, out = {EBB_F32, 2, {2, 3}, y};
    const ebb_batch batch = {{&in, 1}, {&out, 1}, {NULL, 0}};

    for (int i = 0; i < 12; i++) x[i] = y[i / 2] = (float)i / 12;
    compile.optimizer = optimizer;
    compile.loss = "mse";
    if (!ebb_model_compiled(model)) CHECK_OK(ebb_model_compile(model, &compile, &t->error));
    for (int i = 0; i < steps; i++) {
        double results[4];
        size_t count = 4;
        CHECK_OK(ebb_model_train_on_batch(model, &batch, results, &count, &t->error));
    }
}

TEST(copies_see_training_and_reach_it)
{
    static const char still[] = "{\"class_name\": \"SGD\", \"config\": {\"learning_rate\": 0.0}}";
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model from = built_small(t, runtime, "from", 1),
                    to = built_small(t, runtime, "to", 2);
    float kernel[32], trained[32], copied[32];

    built_weight(t, from, 0, kernel);
    train(t, to, still, 1);
    train(t, from, "adam", 3);
    CHECK_OK(ebb_model_weights_copy(from, to, NULL, NULL, &t->error));
    built_weight(t, from, 0, trained);
    CHECK(memcmp(kernel, trained, 30 * sizeof *kernel) != 0);
    train(t, to, still, 2); /* a step of length 0: the variables are published again */
    built_weight(t, to, 0, copied);
    CHECK_EQ(memcmp(trained, copied, 30 * sizeof *trained), 0);
    built_close(t, runtime);
}

/* -- from files -------------------------------------------------------------------------------- */

TEST(weights_of_files_go_into_models)
{
    static const char *const names[] = {"m.keras", "m.h5", "m.weights.h5"};
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model from = built_small(t, runtime, "from", 1), wide = wider(t, runtime);
    ebb_weights_options options = EBB_WEIGHTS_OPTIONS_INIT;
    ebb_weights_report report;
    temporary d;
    float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];

    temporary_open(&d);
    built_fill(t, from);
    built_predict(t, from, x);
    for (int i = 0; i < 3; i++) {
        const path_text path = temporary_path(&d, names[i]);
        const ebb_model to = built_small(t, runtime, "to", 2);
        CHECK_OK(ebb_model_save(from, path.text, NULL, &t->error));
        CHECK_OK(ebb_model_weights_load(to, path.text, NULL, &report, &t->error));
        CHECK_EQ(report.copied, 8);
        built_predict(t, to, y);
        CHECK_EQ(memcmp(x, y, 6 * sizeof *x), 0);
        CHECK_OK(ebb_model_unload(to, NULL, NULL, &t->error));
        options = (ebb_weights_options)EBB_WEIGHTS_OPTIONS_INIT;
        built_predict(t, wide, y);
        CHECK_STATUS(ebb_model_weights_load(wide, path.text, &options, &report, &t->error),
                     EBB_E_SHAPE);
        float after[BUILT_NUMBERS_MAX];
        built_predict(t, wide, after);
        CHECK_EQ(memcmp(y, after, 8 * sizeof *y), 0);
        options.by_name = true;
        options.skip_mismatch = true;
        if (i == 1) {
            CHECK_OK(ebb_model_weights_load(wide, path.text, &options, &report, &t->error));
        } else {
            CHECK_STATUS(ebb_model_weights_load(wide, path.text, &options, &report, &t->error),
                         EBB_E_UNSUPPORTED);
            options.by_name = false;
            CHECK_OK(ebb_model_weights_load(wide, path.text, &options, &report, &t->error));
        }
        CHECK_EQ(report.copied, 6);
        CHECK_EQ(report.skipped, 2);
        CHECK_TEXT(report.first_skipped, "head/kernel");
    }
    CHECK_STATUS(ebb_model_weights_load(from, "nothing.h5", NULL, NULL, &t->error),
                 EBB_E_NOT_FOUND);
    CHECK_STATUS(ebb_model_weights_load(from, NULL, NULL, NULL, &t->error), EBB_E_ARGUMENT);
    temporary_close(&d);
    built_close(t, runtime);
}

TEST(names_of_layers_find_weights_in_old_files)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model from = built_small(t, runtime, "from", 1);
    ebb_weights_options options = EBB_WEIGHTS_OPTIONS_INIT;
    ebb_weights_report report;
    temporary d;

    temporary_open(&d);
    const path_text path = temporary_path(&d, "m.h5");
    CHECK_OK(ebb_model_save(from, path.text, NULL, &t->error));
    const ebb_model to = head_on(t, runtime, from, false);
    built_fill(t, to);
    CHECK(!same_weight(t, from, 0, to, 0));
    options.by_name = true;
    CHECK_OK(ebb_model_weights_load(to, path.text, &options, &report, &t->error));
    CHECK_EQ(report.copied, 6);
    CHECK_EQ(report.kept, 2);
    CHECK_EQ(report.skipped, 0);
    for (uint32_t k = 0; k < 6; k++) CHECK(same_weight(t, from, k, to, k));
    temporary_close(&d);
    built_close(t, runtime);
}

TEST_MAIN(RUN(a_new_head_on_an_old_model), RUN(parts_give_what_the_whole_gives_there),
          RUN(parts_of_several_inputs_keep_their_order), RUN(clones_are_equal_and_of_their_own),
          RUN(a_model_is_a_layer), RUN(the_source_must_live_until_the_end),
          RUN(the_same_name_twice_is_a_fault), RUN(models_of_files_are_taken_apart_too),
          RUN(weights_are_copied_all_or_nothing), RUN(copies_by_name_leave_others_alone),
          RUN(a_thousand_copies_leave_nothing), RUN(copies_see_training_and_reach_it),
          RUN(weights_of_files_go_into_models), RUN(names_of_layers_find_weights_in_old_files))
