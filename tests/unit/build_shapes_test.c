/* build_shapes_test.c -- ebb_build_tensor_info() and operations of keras.ops in builders: Keras's
 * shapes and types before there is a model, faults where they are made, exact memory. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "built_models.h"

static ebb_builder opened(test *t, ebb_runtime runtime)
{
    ebb_builder b;

    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    return b;
}

/* "name float32 (?, 3)" */
static const char *described(test *t, ebb_builder b, ebb_tensor x)
{
    static char text[256];
    ebb_tensor_info info;

    CHECK_OK(ebb_build_tensor_info(b, x, &info, &t->error));
    int length = snprintf(text, sizeof text, "%s %s (", info.name, ebb_dtype_name(info.dtype));
    for (uint32_t i = 0; i < info.rank; i++) {
        const char *comma = i > 0 ? ", " : "";
        length += info.dims[i] < 0
                      ? snprintf(text + length, sizeof text - (size_t)length, "%s?", comma)
                      : snprintf(text + length, sizeof text - (size_t)length, "%s%lld", comma,
                                 (long long)info.dims[i]);
    }
    snprintf(text + length, sizeof text - (size_t)length, ")");
    return text;
}

static ebb_tensor operation(ebb_builder b, const char *class_name, const char *arguments,
                            const ebb_tensor *inputs, size_t count)
{
    return ebb_build_call(b, ebb_build_operation_make(b, class_name, arguments), inputs, count);
}

TEST(tensors_have_keras_shapes)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_builder b = opened(t, runtime);
    const ebb_tensor image = ebb_build_input(b, "image", EBB_U8, 3, (int64_t[]){28, 28, 3});
    const ebb_tensor ids = ebb_build_input(b, "ids", EBB_I64, 1, (int64_t[]){-1});

    CHECK_TEXT(described(t, b, image), "image uint8 (?, 28, 28, 3)");
    ebb_tensor x = ebb_build_layer(b, "Rescaling", "scale=2.0", image);
    x = ebb_build_layer(b, "Conv2D", "filters=8, kernel_size=5, strides=2, padding='same'", x);
    CHECK_TEXT(described(t, b, x), "conv2d float32 (?, 14, 14, 8)");
    x = ebb_build_layer(b, "Flatten", NULL, x);
    CHECK_TEXT(described(t, b, x), "flatten float32 (?, 1568)");
    const ebb_tensor e =
        ebb_build_layer(b, "Embedding", "input_dim=100, output_dim=16, mask_zero=True", ids);
    CHECK_TEXT(described(t, b, e), "embedding float32 (?, ?, 16)");
    const ebb_tensor h = ebb_build_layer(
        b, "LSTM", "units=7, return_sequences=True, return_state=True, dtype='mixed_float16'", e);
    CHECK_TEXT(described(t, b, h), "lstm float16 (?, ?, 7)");
    CHECK_TEXT(described(t, b, ebb_build_output(b, h, 2)), "lstm float16 (?, 7)");
    const ebb_tensor both[] = {x, ebb_build_output(b, h, 1)};
    x = ebb_build_merge(b, "Concatenate", NULL, both, 2);
    CHECK_TEXT(described(t, b, x), "concatenate float32 (?, 1575)");
    CHECK_TEXT(described(t, b, h), "lstm float16 (?, ?, 7)");
    CHECK_OK(ebb_build_close(b));
    built_close(t, runtime);
}

TEST(operations_are_called_like_layers)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_builder b = opened(t, runtime);
    const ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 2, (int64_t[]){4, 6});
    const ebb_tensor y = ebb_build_input(b, "y", EBB_I32, 1, (int64_t[]){6});
    ebb_tensor z = operation(b, "Mean", "axis=1, keepdims=True", &x, 1);

    CHECK_TEXT(described(t, b, z), "mean float32 (?, 1, 6)");
    z = operation(b, "Subtract", NULL, (ebb_tensor[]){x, z}, 2);
    CHECK_TEXT(described(t, b, z), "subtract float32 (?, 4, 6)");
    z = operation(b, "Concatenate", "axis=1", (ebb_tensor[]){z, x, x}, 3);
    CHECK_TEXT(described(t, b, z), "concatenate float32 (?, 12, 6)");
    z = operation(b, "Matmul", NULL,
                  (ebb_tensor[]){z, operation(b, "Transpose", "axes=(0, 2, 1)", &x, 1)}, 2);
    CHECK_TEXT(described(t, b, z), "matmul float32 (?, 12, 4)");
    const ebb_layer pick = ebb_build_operation_make(b, "GetItem", "name='first'");
    const ebb_call_argument key[] = {
        {NULL, &z, 1, NULL},
        {NULL, NULL, 0,
         "({'class_name': '__ellipsis__', 'config': {}}, {'class_name': '__slice__', 'config': "
         "{'start': 0, 'stop': 3, 'step': None}})"}};
    z = ebb_build_call_with(b, pick, key, 2);
    CHECK_TEXT(described(t, b, z), "first float32 (?, 12, 3)");
    const ebb_layer power = ebb_build_operation_make(b, "Power", NULL);
    const ebb_call_argument two[] = {{NULL, &z, 1, NULL}, {NULL, NULL, 0, "2"}};
    z = ebb_build_call_with(b, power, two, 2);
    ebb_tensor parts = operation(b, "Split", "indices_or_sections=3, axis=1", &z, 1);
    CHECK_TEXT(described(t, b, ebb_build_output(b, parts, 2)), "split float32 (?, 4, 3)");
    CHECK_TEXT(described(t, b, operation(b, "Argmax", "axis=-1", &z, 1)), "argmax int32 (?, 12)");
    CHECK_TEXT(described(t, b, operation(b, "Square", NULL, &y, 1)), "square int32 (?, 6)");
    CHECK_TEXT(described(t, b, operation(b, "Cast", "dtype='float16'", &y, 1)),
               "cast float16 (?, 6)");
    CHECK_TEXT(described(t, b, operation(b, "Greater", NULL, (ebb_tensor[]){x, y}, 2)),
               "greater bool (?, 4, 6)");
    CHECK_OK(ebb_build_close(b));
    built_close(t, runtime);
}

TEST(operations_make_models_that_compute)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_builder b = opened(t, runtime);
    const ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 1, (int64_t[]){3});
    ebb_tensor y = operation(b, "Max", "axis=1, keepdims=True", &x, 1);
    float in[] = {1, -2, 4, 0.5f, 8, 2}, out[6] = {0};
    const ebb_view given = {EBB_F32, 2, {2, 3}, in}, made = {EBB_F32, 2, {2, 3}, out};
    const ebb_views inputs = {&given, 1}, outputs = {&made, 1};
    ebb_model model;

    y = operation(b, "Divide", NULL, (ebb_tensor[]){x, y}, 2);
    y = operation(b, "Relu", NULL, &y, 1);
    CHECK_OK(ebb_build_finish(b, &y, 1, NULL, &model, &t->error));
    CHECK_OK(ebb_model_predict(model, &inputs, &outputs, &t->error));
    const float expected[] = {0.25f, 0, 1, 0.0625f, 1, 0.25f};
    CHECK_EQ(memcmp(out, expected, sizeof out), 0);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, runtime);
}

/* Those with an argument that has no default say which it is. */
TEST(every_operation_can_be_made)
{
    const ebb_runtime runtime = built_runtime(t);
    uint32_t made = 0;

    CHECK(ebb_build_operation_count() > 100);
    CHECK(ebb_build_operation_name(ebb_build_operation_count()) == NULL);
    for (uint32_t i = 0; i < ebb_build_operation_count(); i++) {
        const ebb_builder b = opened(t, runtime);
        const ebb_layer layer = ebb_build_operation_make(b, ebb_build_operation_name(i), NULL);
        if (layer.id != 0)
            made++;
        else
            CHECK_STATUS(ebb_build_error(b, &t->error), EBB_E_FORMAT);
        CHECK_OK(ebb_build_close(b));
    }
    CHECK(made > 100);
    built_close(t, runtime);
}

/* Models in builders, and what finishing says of the same tensors. */
TEST(shapes_are_those_of_the_model)
{
    const ebb_runtime runtime = built_runtime(t);

    for (uint32_t i = 0; i < BUILT_CASES; i++) {
        const ebb_builder b = opened(t, runtime);
        ebb_tensor outputs[BUILT_OUTPUTS_MAX];
        ebb_tensor_info said[BUILT_OUTPUTS_MAX], info;
        ebb_model model;
        const uint32_t count = built_cases[i].make(b, outputs);

        for (uint32_t k = 0; k < count; k++)
            CHECK_OK(ebb_build_tensor_info(b, outputs[k], &said[k], &t->error));
        CHECK_OK(ebb_build_finish(b, outputs, count, NULL, &model, &t->error));
        for (uint32_t k = 0; k < count; k++) {
            CHECK_OK(ebb_model_output(model, k, &info));
            CHECK_EQ(info.dtype, said[k].dtype);
            CHECK_EQ(info.rank, said[k].rank);
            CHECK_EQ(memcmp(info.dims, said[k].dims, sizeof info.dims), 0);
        }
        const ebb_builder around = opened(t, runtime);
        const ebb_layer inner = ebb_build_model_make(around, model, "inner");
        ebb_tensor inputs[BUILT_OUTPUTS_MAX];
        ebb_model_info counts;
        CHECK_OK(ebb_model_info_read(model, &counts));
        for (uint32_t k = 0; k < counts.inputs; k++) {
            CHECK_OK(ebb_model_input(model, k, &info));
            inputs[k] = ebb_build_input(around, NULL, info.dtype, info.rank - 1, info.dims + 1);
        }
        const ebb_tensor y = ebb_build_call(around, inner, inputs, counts.inputs);
        for (uint32_t k = 0; k < count; k++) {
            CHECK_OK(
                ebb_build_tensor_info(around, ebb_build_output(around, y, k), &info, &t->error));
            CHECK_TEXT(info.name, "inner");
            CHECK_EQ(memcmp(info.dims, said[k].dims, sizeof info.dims), 0);
        }
        CHECK_STATUS(
            ebb_build_tensor_info(around, ebb_build_output(around, y, count), &info, &t->error),
            EBB_E_ARGUMENT);
        CHECK_OK(ebb_build_close(around));
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    built_close(t, runtime);
}

TEST(wrong_calls_are_told_and_do_no_harm)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_builder b = opened(t, runtime), other = opened(t, runtime);
    ebb_tensor_info info;
    ebb_model model;
    const ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 2, (int64_t[]){4, 6});
    const ebb_tensor bad = ebb_build_layer(b, "Conv2D", "filters=2, kernel_size=3, name='c'", x);
    const ebb_tensor after = ebb_build_layer(b, "Flatten", NULL, bad);
    ebb_tensor good = ebb_build_layer(b, "Dense", "units=3", x);

    for (uint32_t i = 0; i < 2; i++) {
        CHECK_STATUS(ebb_build_tensor_info(b, bad, &info, &t->error), EBB_E_SHAPE);
        CHECK_TEXT(t->error.where, "c");
        CHECK_EQ(info.rank, 0);
        CHECK_STATUS(ebb_build_tensor_info(b, after, &info, &t->error), EBB_E_SHAPE);
    }
    CHECK_TEXT(described(t, b, good), "dense float32 (?, 4, 3)");
    CHECK_OK(ebb_build_error(b, &t->error));
    CHECK_STATUS(ebb_build_tensor_info(other, x, &info, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_build_tensor_info(b, (ebb_tensor){0}, &info, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_build_tensor_info(b, x, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_build_error(b, &t->error));
    CHECK_OK(ebb_build_finish(b, &good, 1, NULL, &model, &t->error));
    CHECK_STATUS(ebb_build_tensor_info(b, x, &info, &t->error), EBB_E_STALE);

    CHECK_EQ(ebb_build_operation_make(other, "Ad", NULL).id, 0);
    CHECK_STATUS(ebb_build_error(other, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "Add");
    CHECK_STATUS(ebb_build_tensor_info(other, x, &info, &t->error), EBB_E_UNSUPPORTED);
    CHECK_OK(ebb_build_close(other));
    const ebb_builder third = opened(t, runtime);
    CHECK_EQ(ebb_build_operation_make(third, "Mean", "axes=1").id, 0);
    CHECK_STATUS(ebb_build_error(third, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "axis");
    CHECK_OK(ebb_build_close(third));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, runtime);
}

/* 2 ** 38 numbers, and time that does not grow with what is behind. */
TEST(shapes_cost_no_weights_and_little_time)
{
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t before = built_live(runtime);
    const ebb_builder b = opened(t, runtime);
    ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 1, (int64_t[]){1 << 19});

    x = ebb_build_layer_format(b, "Dense", x, "units=%d", 1 << 19);
    CHECK_TEXT(described(t, b, x), "dense float32 (?, 524288)");
    CHECK(built_live(runtime) - before < 200000);
    CHECK_OK(ebb_build_close(b));
    const ebb_builder deep = opened(t, runtime);
    x = ebb_build_input(deep, "x", EBB_F32, 1, (int64_t[]){8});
    const uint64_t begin = clock_ns();
    for (uint32_t i = 0; i < 2000; i++) {
        x = ebb_build_layer_format(deep, "Dense", x, "units=8, name='d%u'", i);
        ebb_tensor_info info;
        CHECK_OK(ebb_build_tensor_info(deep, x, &info, &t->error));
    }
    const uint64_t each = (clock_ns() - begin) / 2000;
    print_message("one layer and its shape: %llu us\n", (unsigned long long)(each / 1000));
    CHECK(each < 5000000);
    CHECK_OK(ebb_build_close(deep));
    built_close(t, runtime);
}

TEST(no_memory_is_an_answer)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_builder b = opened(t, runtime);
    ebb_tensor outputs[BUILT_OUTPUTS_MAX];
    const uint32_t count = built_cases[2].make(b, outputs);
    ebb_tensor_info info;
    const uint64_t before = built_live(runtime);
    bool failed = true;

    for (int64_t n = 0; failed; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = ebb_build_tensor_info(b, outputs[count - 1], &info, &t->error);
        failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        if (failed) CHECK_EQ(built_live(runtime), before);
    }
    CHECK_OK(ebb_build_close(b));
    failed = true;
    for (int64_t n = 0; failed; n++) {
        const ebb_builder small = opened(t, runtime);
        test_fail_allocation(t, n);
        const ebb_layer made = ebb_build_operation_make(small, "Mean", "axis=(1, 2)");
        failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(ebb_build_error(small, &t->error), failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(made.id == 0, failed);
        CHECK_OK(ebb_build_close(small));
    }
    built_close(t, runtime);
}

TEST_MAIN(RUN(tensors_have_keras_shapes), RUN(operations_are_called_like_layers),
          RUN(operations_make_models_that_compute), RUN(every_operation_can_be_made),
          RUN(shapes_are_those_of_the_model), RUN(wrong_calls_are_told_and_do_no_harm),
          RUN(shapes_cost_no_weights_and_little_time), RUN(no_memory_is_an_answer))
