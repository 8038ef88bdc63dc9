/* variable_test.c -- the layer Variable: a dense layer written with operations is the dense layer,
 * in numbers, training and files. */
#include <math.h>
#include <string.h>

#include "built_models.h"
#include "temporary.h"

#define ROWS 70

static const ebb_tensor none = {0};

static ebb_tensor operation(ebb_builder b, const char *class_name, ebb_tensor x, ebb_tensor y)
{
    return ebb_build_call(b, ebb_build_operation_make(b, class_name, NULL), (ebb_tensor[]){x, y},
                          y.id == 0 ? 1 : 2);
}

static ebb_model finished(test *t, ebb_builder b, ebb_tensor y)
{
    ebb_model model;

    CHECK_OK(ebb_build_error(b, &t->error));
    CHECK_OK(ebb_build_finish(b, &y, 1, NULL, &model, &t->error));
    return model;
}

static ebb_model written(test *t, ebb_runtime runtime, bool is_anchored)
{
    ebb_builder b;

    CHECK_OK(ebb_build_open(runtime, "written", &b, &t->error));
    const ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 1, (int64_t[]){4});
    const ebb_tensor anchor = is_anchored ? x : none;
    const ebb_tensor w =
        ebb_build_layer(b, "Variable",
                        "shape=(4, 3), weight='kernel', name='mine', initializer='he_normal', "
                        "regularizer=L2(l2=0.01), constraint=MaxNorm(max_value=0.9, axis=0)",
                        anchor);
    const ebb_tensor v = ebb_build_layer(
        b, "Variable", "shape=3, weight='bias', name='mine_1', initializer='zeros'", anchor);
    ebb_tensor y = operation(b, "Matmul", x, w);
    y = operation(b, "Add", y, v);
    return finished(t, b, operation(b, "Tanh", y, none));
}

static ebb_model dense(test *t, ebb_runtime runtime)
{
    ebb_builder b;

    CHECK_OK(ebb_build_open(runtime, "dense", &b, &t->error));
    ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 1, (int64_t[]){4});
    x = ebb_build_layer(b, "Dense",
                        "units=3, activation='tanh', kernel_regularizer=L2(l2=0.01), "
                        "kernel_constraint=MaxNorm(max_value=0.9, axis=0), name='mine'",
                        x);
    return finished(t, b, x);
}

static void weights_copy(test *t, ebb_model from, ebb_model to)
{
    float kernel[12], bias[3];
    const ebb_view k = {EBB_F32, 2, {4, 3}, kernel}, v = {EBB_F32, 1, {3}, bias};

    CHECK_OK(ebb_model_weight_get(from, 0, &k, &t->error));
    CHECK_OK(ebb_model_weight_get(from, 1, &v, &t->error));
    CHECK_OK(ebb_model_weight_set(to, 0, &k, &t->error));
    CHECK_OK(ebb_model_weight_set(to, 1, &v, &t->error));
}

static float x_data[ROWS * 4], y_data[ROWS * 3];

static void data_fill(void)
{
    for (int i = 0; i < ROWS * 4; i++) x_data[i] = sinf((float)i * 0.7f);
    for (int i = 0; i < ROWS * 3; i++) y_data[i] = cosf((float)i * 1.3f) * 0.5f;
}

static void predicted(test *t, ebb_model model, float *y)
{
    const ebb_view in = {EBB_F32, 2, {ROWS, 4}, x_data}, out = {EBB_F32, 2, {ROWS, 3}, y};

    CHECK_OK(ebb_model_predict(model, &(ebb_views){&in, 1}, &(ebb_views){&out, 1}, &t->error));
}

static void check_equal(test *t, ebb_model a, ebb_model b, double tolerance)
{
    float x[ROWS * 3], y[ROWS * 3];

    predicted(t, a, x);
    predicted(t, b, y);
    for (int i = 0; i < ROWS * 3; i++) CHECK_NEAR(x[i], y[i], tolerance);
}

TEST(a_written_layer_is_the_layer)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model a = written(t, runtime, false), b = dense(t, runtime),
                    c = written(t, runtime, true);
    ebb_tensor_info info;
    ebb_model_info counts;

    data_fill();
    CHECK_OK(ebb_model_info_read(a, &counts));
    CHECK_EQ(counts.weights, 2);
    CHECK_EQ(counts.parameters_trainable, 15);
    CHECK_OK(ebb_model_weight(a, 0, &info));
    CHECK_TEXT(info.name, "mine/kernel");
    CHECK(info.trainable);
    CHECK_OK(ebb_model_weight(a, 1, &info));
    CHECK_TEXT(info.name, "mine_1/bias");
    weights_copy(t, a, b);
    weights_copy(t, a, c);
    check_equal(t, a, b, 1e-6);
    check_equal(t, a, c, 0);
    built_close(t, runtime);
}

static void trained(test *t, ebb_model model, float losses[4])
{
    const ebb_view x = {EBB_F32, 2, {ROWS, 4}, x_data}, y = {EBB_F32, 2, {ROWS, 3}, y_data};
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    ebb_fit_options fit = EBB_FIT_OPTIONS_INIT;
    const ebb_data data = {.x = {&x, 1}, .y = {&y, 1}};
    const double *values;
    const char *name;
    uint32_t epochs;

    compile.optimizer = "adam";
    compile.loss = "mse";
    fit.epochs = 4;
    fit.no_shuffle = true;
    CHECK_OK(ebb_model_compile(model, &compile, &t->error));
    CHECK_OK(ebb_model_fit(model, &data, &fit, &t->error));
    CHECK(ebb_model_history(model, 0, &name, &values, &epochs));
    CHECK_EQ(epochs, 4);
    for (int i = 0; i < 4; i++) losses[i] = (float)values[i];
}

TEST(it_trains_like_the_layer)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model a = written(t, runtime, false), b = dense(t, runtime);
    float mine[4], theirs[4];

    data_fill();
    weights_copy(t, a, b);
    trained(t, a, mine);
    trained(t, b, theirs);
    for (int i = 0; i < 4; i++) CHECK_NEAR(mine[i], theirs[i], 1e-5);
    CHECK(mine[3] < mine[0]);
    check_equal(t, a, b, 1e-5);
    CHECK_EQ(ebb_model_optimizer_variables(a), ebb_model_optimizer_variables(b));
    built_close(t, runtime);
}

TEST(it_is_saved_and_loaded)
{
    static const char *const names[] = {"m.keras", "m.h5", "folder"};
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model a = written(t, runtime, false), other = written(t, runtime, true);
    temporary folder;
    ebb_model loaded;
    float losses[4];

    data_fill();
    trained(t, a, losses);
    temporary_open(&folder);
    for (size_t i = 0; i < 3; i++) {
        const path_text path = temporary_path(&folder, names[i]);
        CHECK_OK(i < 2 ? ebb_model_save(a, path.text, NULL, &t->error)
                       : ebb_model_export(a, path.text, NULL, &t->error));
        CHECK_OK(ebb_model_load(runtime, path.text, NULL, &loaded, &t->error));
        check_equal(t, a, loaded, i < 2 ? 0 : 1e-6);
        if (i < 2) {
            CHECK_OK(ebb_model_compile(loaded, NULL, &t->error));
            CHECK_EQ(ebb_model_optimizer_variables(loaded), 6);
        }
        CHECK_OK(ebb_model_unload(loaded, NULL, NULL, &t->error));
    }
    const path_text weights = temporary_path(&folder, "m.weights.h5");
    CHECK_OK(ebb_model_save(a, weights.text, NULL, &t->error));
    CHECK_OK(ebb_model_weights_load(other, weights.text, NULL, NULL, &t->error));
    check_equal(t, a, other, 0);
    CHECK_OK(ebb_model_clone(a, NULL, &loaded, &t->error));
    check_equal(t, a, loaded, 0);
    temporary_close(&folder);
    built_close(t, runtime);
}

/* Scalars, whole numbers, frozen ones; inside a model that is a layer. */
TEST(variables_come_in_kinds)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_builder b;
    ebb_tensor_info info;
    ebb_model_info counts;
    float in[] = {2, -1}, out[2];
    const ebb_view x = {EBB_F32, 2, {2, 1}, in}, y = {EBB_F32, 2, {2, 1}, out};

    CHECK_OK(ebb_build_open(runtime, "inner", &b, &t->error));
    const ebb_tensor a = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){1});
    const ebb_tensor scalar = ebb_build_layer(
        b, "Variable", "shape=[], initializer='ones', trainable=False, dtype='float32'", none);
    const ebb_tensor whole =
        ebb_build_layer(b, "Variable", "shape=[1], dtype='int32', initializer='ones'", none);
    CHECK_OK(ebb_build_tensor_info(b, scalar, &info, &t->error));
    CHECK_EQ(info.rank, 0);
    CHECK_OK(ebb_build_tensor_info(b, whole, &info, &t->error));
    CHECK_EQ(info.dtype, EBB_I32);
    const ebb_model inner =
        finished(t, b, operation(b, "Multiply", operation(b, "Add", a, scalar), whole));
    CHECK_OK(ebb_model_info_read(inner, &counts));
    CHECK_EQ(counts.parameters, 2);
    CHECK_OK(ebb_model_weight(inner, 0, &info));
    CHECK(!info.trainable || info.dtype == EBB_I32);

    CHECK_OK(ebb_build_open(runtime, "outer", &b, &t->error));
    ebb_tensor z = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){1});
    const ebb_layer layer = ebb_build_model_make(b, inner, "block");
    z = ebb_build_call(b, layer, &z, 1);
    z = ebb_build_call(b, layer, &z, 1);
    const ebb_model outer = finished(t, b, z);
    CHECK_OK(ebb_model_predict(outer, &(ebb_views){&x, 1}, &(ebb_views){&y, 1}, &t->error));
    CHECK_NEAR(out[0], 4, 0);
    CHECK_NEAR(out[1], 1, 0);
    built_close(t, runtime);
}

static void check_refused(test *t, ebb_runtime runtime, const char *arguments, const char *text)
{
    ebb_builder b;
    ebb_tensor_info info;

    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    const ebb_tensor v = ebb_build_layer(b, "Variable", arguments, none);
    CHECK(ebb_build_tensor_info(b, v, &info, &t->error) != EBB_OK);
    CHECK_CONTAINS(t->error.text, text);
    CHECK_OK(ebb_build_close(b));
}

TEST(wrong_variables_are_refused)
{
    const ebb_runtime runtime = built_runtime(t);

    check_refused(t, runtime, "name='v'", "shape");
    check_refused(t, runtime, "shape=[2, None]", "known lengths");
    check_refused(t, runtime, "shape=[2, -3]", "known lengths");
    check_refused(t, runtime, "shape=[1, 1, 1, 1, 1, 1, 1, 1, 1]", "at most 8 axes");
    check_refused(t, runtime, "shape=2, weight='a/b'", "without '/'");
    check_refused(t, runtime, "shape=2, initializer='nonsense'", "nonsense");
    check_refused(t, runtime, "shape=2, regularizer=Nonsense(l2=1)", "Nonsense");
    check_refused(t, runtime, "shape=2, constraint='nonsense'", "nonsense");
    built_close(t, runtime);
}

TEST_MAIN(RUN(a_written_layer_is_the_layer), RUN(it_trains_like_the_layer),
          RUN(it_is_saved_and_loaded), RUN(variables_come_in_kinds),
          RUN(wrong_variables_are_refused))
