/* shrink_models.c -- see shrink_models.h. */
#include "shrink_models.h"

#include <string.h>

static ebb_model finish(test *t, ebb_builder b, ebb_tensor y)
{
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_model model;

    CHECK_OK(ebb_build_error(b, &t->error));
    CHECK_OK(ebb_build_finish(b, &y, 1, &options, &model, &t->error));
    return model;
}

ebb_model shrink_text_model(test *t, ebb_runtime runtime)
{
    static const ebb_layer_text layers[] = {
        {"Embedding", "input_dim=200, output_dim=32, name='table'"},
        {"LSTM", "units=24, name='lstm'"},
        {"Dense", "units=70, activation='relu', name='hidden'"},
        {"Dense", "units=10, name='head'"},
    };
    ebb_builder b;

    CHECK_OK(ebb_build_open(runtime, "text", &b, &t->error));
    const ebb_tensor x = ebb_build_input(b, "ids", EBB_I32, 1, (int64_t[]){8});
    return finish(t, b, ebb_build_sequential(b, x, layers, 4));
}

ebb_model shrink_image_model(test *t, ebb_runtime runtime)
{
    static const ebb_layer_text layers[] = {
        {"Conv2D", "filters=24, kernel_size=3, activation='relu', name='conv'"},
        {"SpectralNormalization", "layer=Conv2D(filters=24, kernel_size=1, name='inner'), "
                                  "name='spectral'"},
        {"DepthwiseConv2D", "kernel_size=3, depth_multiplier=2, name='depth'"},
        {"BatchNormalization", "name='norm'"},
        {"Conv2DTranspose", "filters=20, kernel_size=2, strides=2, name='up'"},
        {"GlobalAveragePooling2D", NULL},
        {"Dense", "units=9, name='head'"},
    };
    ebb_builder b;

    CHECK_OK(ebb_build_open(runtime, "image", &b, &t->error));
    const ebb_tensor x = ebb_build_input(b, "image", EBB_F32, 3, (int64_t[]){12, 12, 3});
    return finish(t, b, ebb_build_sequential(b, x, layers, 7));
}

ebb_model shrink_attention_model(test *t, ebb_runtime runtime)
{
    ebb_builder b;

    CHECK_OK(ebb_build_open(runtime, "attention", &b, &t->error));
    const ebb_tensor x = ebb_build_input(b, "sequence", EBB_F32, 2, (int64_t[]){6, 16});
    ebb_tensor y = ebb_build_merge(b, "MultiHeadAttention", "num_heads=4, key_dim=8, name='heads'",
                                   (ebb_tensor[]){x, x}, 2);
    y = ebb_build_layer(b, "EinsumDense",
                        "equation='abc,cde->abde', output_shape=[6, 4, 5], bias_axes='de', "
                        "name='einsum'",
                        y);
    y = ebb_build_layer(b, "Flatten", NULL, y);
    return finish(t, b, ebb_build_layer(b, "Dense", "units=11, name='head'", y));
}

uint32_t shrink_predict(test *t, ebb_model model, int64_t rows, float *numbers)
{
    ebb_tensor_info info;
    static float x[SHRINK_NUMBERS_MAX];
    ebb_view input = {.dtype = EBB_F32, .data = x}, output = {.data = numbers};
    uint64_t count = (uint64_t)rows;

    CHECK_EQ(ebb_model_input(model, 0, &info), EBB_OK);
    input.rank = info.rank;
    memcpy(input.dims, info.dims, sizeof input.dims);
    input.dims[0] = rows;
    for (uint32_t i = 1; i < info.rank; i++) count *= (uint64_t)info.dims[i];
    CHECK(count <= SHRINK_NUMBERS_MAX);
    for (uint64_t i = 0; i < count; i++)
        x[i] = info.dtype == EBB_I32 ? (float)(i * 37 % 200) : (float)(i * 29 % 101) / 50 - 1;
    const ebb_views inputs = {&input, 1}, outputs = {&output, 1};
    CHECK_OK(ebb_model_predict(model, &inputs, &outputs, &t->error));
    CHECK_EQ(ebb_model_output(model, 0, &info), EBB_OK);
    count = (uint64_t)rows;
    for (uint32_t i = 1; i < info.rank; i++) count *= (uint64_t)info.dims[i];
    return (uint32_t)count;
}

static ebb_memory memory_of(ebb_model model)
{
    ebb_memory memory = {0};

    CHECK_EQ(ebb_model_memory_read(model, &memory), EBB_OK);
    return memory;
}

uint64_t shrink_weights_bytes(ebb_model model)
{
    return memory_of(model).by_class[EBB_CLASS_WEIGHTS];
}

uint64_t shrink_live_bytes(ebb_model model)
{
    return memory_of(model).live;
}

uint32_t shrink_weight_find(test *t, ebb_model model, const char *name)
{
    ebb_tensor_info info;

    (void)t;
    for (uint32_t i = 0; ebb_model_weight(model, i, &info) == EBB_OK; i++)
        if (strcmp(info.name, name) == 0) return i;
    harness_fail(__FILE__, __LINE__, "no weight '%s'", name);
    return 0;
}

float *shrink_weight_read(test *t, ebb_model model, uint32_t index, uint64_t *count)
{
    ebb_tensor_info info;
    ebb_view view = {.dtype = EBB_F32};

    CHECK_EQ(ebb_model_weight(model, index, &info), EBB_OK);
    view.rank = info.rank;
    memcpy(view.dims, info.dims, sizeof view.dims);
    *count = ebb_view_bytes(&view) / sizeof(float);
    view.data = region_alloc(t->home, *count + 1, sizeof(float));
    CHECK(view.data != NULL);
    CHECK_OK(ebb_model_weight_get(model, index, &view, &t->error));
    return view.data;
}
