/* built_models.c -- see built_models.h. */
#include "built_models.h"

#include <math.h>
#include <string.h>

#define NUMBERS_MAX 4096

static uint32_t make_cnn(ebb_builder b, ebb_tensor *y)
{
    ebb_tensor x = ebb_build_input(b, "image", EBB_F32, 3, (int64_t[]){12, 12, 2});

    x = ebb_build_layer(
        b, "Conv2D", "filters=4, kernel_size=3, activation='relu', kernel_initializer='he_normal'",
        x);
    x = ebb_build_layer(b, "BatchNormalization", NULL, x);
    x = ebb_build_layer(b, "MaxPooling2D", "pool_size=(2, 2)", x);
    x = ebb_build_layer(b, "Dropout", "rate=.5", x);
    x = ebb_build_layer(b, "SeparableConv2D",
                        "{'filters': 6, \"kernel_size\": [3, 3], 'padding': 'same'}", x);
    x = ebb_build_layer(b, "GlobalAveragePooling2D", "", x);
    y[0] = ebb_build_layer_format(b, "Dense", x, "units=%d, activation='%s'", 7, "softmax");
    return 1;
}

static uint32_t make_shared(ebb_builder b, ebb_tensor *y)
{
    const int64_t width[] = {6};
    const ebb_tensor a = ebb_build_input(b, "a", EBB_F32, 1, width);
    const ebb_tensor c = ebb_build_input(b, NULL, EBB_F32, 1, width);
    const ebb_layer twice = ebb_build_layer_make(b, "Dense", "units=6, activation='tanh'");
    const ebb_tensor z = ebb_build_layer(b, "Dense", "units=6", c);

    (void)ebb_build_layer(b, "Dense", "units=3", z); /* leads nowhere */
    const ebb_tensor x = ebb_build_call(b, twice, &a, 1);
    ebb_tensor w = ebb_build_call(b, twice, &z, 1);
    w = ebb_build_layer(b, "Dense", "units=6", w);
    w = ebb_build_call(b, twice, &w, 1);
    const ebb_tensor total = ebb_build_merge(b, "Add", NULL, (ebb_tensor[]){x, w}, 2);
    const ebb_tensor joined =
        ebb_build_merge(b, "Concatenate", "axis=-1", (ebb_tensor[]){total, x, c}, 3);
    y[0] = ebb_build_layer(b, "Dense", "units=2", joined);
    y[1] = ebb_build_layer(b, "Dense", "units=1", total);
    y[2] = x;
    return 3;
}

static uint32_t make_recurrent(ebb_builder b, ebb_tensor *y)
{
    ebb_tensor x = ebb_build_input(b, "ids", EBB_I32, 1, (int64_t[]){-1});

    x = ebb_build_layer(b, "Embedding", "input_dim=10, output_dim=8, mask_zero=True", x);
    x = ebb_build_layer(b, "Bidirectional",
                        "layer=LSTM(units=5, return_sequences=True), merge_mode='concat'", x);
    x = ebb_build_layer(b, "LSTM", "units=4, return_state=True", x);
    const ebb_tensor states[] = {ebb_build_output(b, x, 1), ebb_build_output(b, x, 2)};
    const ebb_tensor sequence = ebb_build_input(b, "sequence", EBB_F32, 2, (int64_t[]){5, 3});
    const ebb_call_argument arguments[] = {{NULL, &sequence, 1, NULL},
                                           {"initial_state", states, 2, NULL}};
    const ebb_layer last = ebb_build_layer_make(b, "LSTM", "units=4");
    const ebb_tensor w = ebb_build_call_with(b, last, arguments, 2);
    x = ebb_build_merge(b, "Multiply", NULL, (ebb_tensor[]){x, w}, 2);
    y[0] = ebb_build_layer(b, "Dense", "units=3", x);
    return 1;
}

static uint32_t make_attention(ebb_builder b, ebb_tensor *y)
{
    const ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 2, (int64_t[]){5, 8});
    ebb_tensor z =
        ebb_build_merge(b, "MultiHeadAttention", "num_heads=2, key_dim=4", (ebb_tensor[]){x, x}, 2);

    z = ebb_build_merge(b, "Add", NULL, (ebb_tensor[]){x, z}, 2);
    z = ebb_build_layer(b, "LayerNormalization", "epsilon=1e-6", z);
    y[0] = ebb_build_layer(b, "TimeDistributed", "layer=Dense(units=3, activation='gelu')", z);
    return 1;
}

const built_case built_cases[BUILT_CASES] = {
    {"cnn", make_cnn},
    {"shared", make_shared},
    {"recurrent", make_recurrent},
    {"attention", make_attention},
};

ebb_model built_finish(test *t, ebb_runtime runtime, const built_case *c,
                       const ebb_build_options *options)
{
    ebb_builder b;
    ebb_model model;
    ebb_tensor outputs[BUILT_OUTPUTS_MAX];

    CHECK_OK(ebb_build_open(runtime, c->name, &b, &t->error));
    const uint32_t count = c->make(b, outputs);
    CHECK_OK(ebb_build_error(b, &t->error));
    CHECK_OK(ebb_build_finish(b, outputs, count, options, &model, &t->error));
    return model;
}

ebb_model built_small(test *t, ebb_runtime runtime, const char *name, uint64_t seed)
{
    static const ebb_layer_text layers[] = {
        {"Dense", "units=5, activation='relu', name='hidden'"},
        {"BatchNormalization", "name='norm'"},
        {"Dense", "units=3, name='head'"},
    };
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_builder b;
    ebb_model model;

    CHECK_OK(ebb_build_open(runtime, name, &b, &t->error));
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){6});
    x = ebb_build_sequential(b, x, layers, 3);
    options.seed = seed;
    CHECK_OK(ebb_build_finish(b, &x, 1, &options, &model, &t->error));
    return model;
}

/* -- numbers ----------------------------------------------------------------------------------- */

static uint64_t count_of(const ebb_tensor_info *info)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < info->rank; i++) count *= (uint64_t)info->dims[i];
    CHECK(count <= NUMBERS_MAX);
    return count;
}

static ebb_view view_of(const ebb_tensor_info *info, float *data)
{
    ebb_view view = {EBB_F32, info->rank, {0}, data};

    memcpy(view.dims, info->dims, sizeof view.dims);
    return view;
}

void built_fill(test *t, ebb_model model)
{
    float numbers[NUMBERS_MAX];
    ebb_tensor_info info;

    for (uint32_t k = 0; ebb_model_weight(model, k, &info) == EBB_OK; k++) {
        const uint64_t count = count_of(&info);
        for (uint64_t j = 0; j < count; j++)
            numbers[j] = (float)(0.3 * sin(0.1 * (double)(j + 1) + k) + 0.5);
        const ebb_view view = view_of(&info, numbers);
        CHECK_OK(ebb_model_weight_set(model, k, &view, &t->error));
    }
}

uint32_t built_weight(test *t, ebb_model model, uint32_t index, float *numbers)
{
    ebb_tensor_info info;

    CHECK_OK(ebb_model_weight(model, index, &info));
    const ebb_view view = view_of(&info, numbers);
    CHECK_OK(ebb_model_weight_get(model, index, &view, &t->error));
    return (uint32_t)count_of(&info);
}

uint32_t built_predict(test *t, ebb_model model, float numbers[BUILT_NUMBERS_MAX])
{
    static float x[4][NUMBERS_MAX];
    ebb_view in[4], out[BUILT_OUTPUTS_MAX];
    ebb_model_info facts;
    uint32_t count = 0;

    CHECK_OK(ebb_model_info_read(model, &facts));
    for (uint32_t i = 0; i < facts.inputs; i++) {
        ebb_tensor_info info;
        CHECK_OK(ebb_model_input(model, i, &info));
        for (uint32_t k = 0; k < info.rank; k++)
            if (info.dims[k] < 0) info.dims[k] = k == 0 ? 2 : 5;
        in[i] = view_of(&info, x[i]);
        for (uint64_t j = 0; j < count_of(&info); j++)
            x[i][j] = info.dtype == EBB_I32 ? (float)(j * 7 % 10) : (float)cos(0.3 * (double)j + i);
    }
    const ebb_views inputs = {in, facts.inputs}, outputs = {out, facts.outputs};
    CHECK_OK(ebb_model_output_shapes(model, &inputs, out, facts.outputs, &t->error));
    for (uint32_t i = 0; i < facts.outputs; i++) {
        out[i].data = numbers + count;
        count += (uint32_t)(ebb_view_bytes(&out[i]) / sizeof(float));
        CHECK(count <= BUILT_NUMBERS_MAX);
    }
    CHECK_OK(ebb_model_predict(model, &inputs, &outputs, &t->error));
    return count;
}

/* -- runtime ----------------------------------------------------------------------------------- */

ebb_runtime built_runtime(test *t)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;

    options.allocator = test_allocator(t);
    CHECK_OK(ebb_runtime_open(&options, &runtime, &t->error));
    return runtime;
}

uint64_t built_live(ebb_runtime runtime)
{
    ebb_memory memory;

    CHECK_OK(ebb_memory_read(runtime, &memory));
    return memory.live;
}

void built_close(test *t, ebb_runtime runtime)
{
    ebb_receipt receipt;

    CHECK_OK(ebb_runtime_close(runtime, &receipt));
    CHECK_EQ(receipt.bytes_kept, 0);
    CHECK_STATUS(ebb_runtime_close(runtime, NULL), EBB_E_STALE);
    (void)t;
}
