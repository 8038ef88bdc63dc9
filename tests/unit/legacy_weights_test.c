/* legacy_weights_test.c -- every conversion of old weight arrays, element by element against the
 * index formula of Keras's own loader (tf_keras/src/saving/legacy/hdf5_format.py). */
#include <string.h>

#include "format/keras/legacy_weights.h"
#include "harness.h"

#define ARRAYS   24
#define ELEMENTS 4096

typedef struct bench {
    weight_shape shapes[ARRAYS];
    float values[ARRAYS][ELEMENTS];
    const float *stored[ARRAYS];
    uint32_t count;
    legacy_plan plan;
    float result[ELEMENTS];
} bench;

/* Adds an array whose element k is 10000 * (its number + 1) + k. */
static void array_add(bench *b, uint32_t rank, const int64_t *dims)
{
    const uint32_t n = b->count++;

    b->shapes[n].rank = rank;
    memcpy(b->shapes[n].dims, dims, rank * sizeof *dims);
    for (uint32_t k = 0; k < ELEMENTS; k++) b->values[n][k] = (float)(10000 * (n + 1) + k);
    b->stored[n] = b->values[n];
}
#define ARRAY(b, ...)                                                                              \
    array_add(b, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})

static bench *bench_new(test *t)
{
    bench *b = region_block(t->home, sizeof *b);
    CHECK(b != NULL);
    return b;
}

static const json *config(test *t, const char *text)
{
    const json *result = NULL;
    CHECK_OK(json_read(t->home, text, strlen(text), "test", &result, &t->error));
    return result;
}

static void plan_of(test *t, bench *b, const char *class_name, const char *text, uint32_t major,
                    const char *backend)
{
    const legacy_layer layer = {class_name, config(t, text), major, backend};
    CHECK_OK(legacy_weights_plan(&layer, b->shapes, b->count, NULL, 0, &b->plan, &t->error));
}

static void check_shape(const bench *b, uint32_t index, uint32_t rank, const int64_t *dims)
{
    CHECK_EQ(b->plan.shapes[index].rank, rank);
    for (uint32_t i = 0; i < rank; i++) CHECK_EQ(b->plan.shapes[index].dims[i], dims[i]);
}
#define SHAPE(b, index, ...)                                                                       \
    check_shape(b, index, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                      \
                (const int64_t[]){__VA_ARGS__})

TEST(keras_3_arrays_stay)
{
    bench *b = bench_new(t);
    ARRAY(b, 3, 3, 2, 4);
    ARRAY(b, 4);
    plan_of(t, b, "Conv2D", "{\"data_format\": \"channels_first\"}", 3, "tensorflow");
    CHECK(b->plan.is_identity);
    plan_of(t, b, "Conv2D", "{}", 2, "tensorflow");
    CHECK(b->plan.is_identity);
    plan_of(t, b, "Dense", "{}", 1, "theano");
    CHECK(b->plan.is_identity);
}

TEST(keras_1_channels_first_kernels)
{
    bench *b = bench_new(t);
    ARRAY(b, 5, 2, 3, 4); /* out, in, rows, columns */
    ARRAY(b, 5);
    plan_of(t, b, "Conv2D", "{\"data_format\": \"channels_first\"}", 1, "");
    CHECK(!b->plan.is_identity);
    SHAPE(b, 0, 3, 4, 2, 5);
    SHAPE(b, 1, 5);
    CHECK_EQ(legacy_weights_elements(&b->plan, 0), 120);
    legacy_weights_apply(&b->plan, 0, b->stored, b->result);
    for (int h = 0; h < 3; h++)
        for (int w = 0; w < 4; w++)
            for (int i = 0; i < 2; i++)
                for (int o = 0; o < 5; o++)
                    CHECK_EQ(b->result[((h * 4 + w) * 2 + i) * 5 + o],
                             b->values[0][((o * 2 + i) * 3 + h) * 4 + w]);
    legacy_weights_apply(&b->plan, 1, b->stored, b->result);
    CHECK_EQ(b->result[4], b->values[1][4]);
    CHECK(legacy_weights_needs(&b->plan, 0, 0) && !legacy_weights_needs(&b->plan, 0, 1));
}

TEST(keras_1_transposed_and_three_dimensional_kernels)
{
    bench *b = bench_new(t);
    ARRAY(b, 3, 4, 2, 5); /* rows, columns, a, b -> rows, columns, b, a */
    plan_of(t, b, "Conv2DTranspose", "{\"data_format\": \"channels_last\"}", 1, "");
    SHAPE(b, 0, 3, 4, 5, 2);
    legacy_weights_apply(&b->plan, 0, b->stored, b->result);
    CHECK_EQ(b->result[((2 * 4 + 3) * 5 + 4) * 2 + 1], b->values[0][((2 * 4 + 3) * 2 + 1) * 5 + 4]);

    plan_of(t, b, "Conv2DTranspose", "{\"data_format\": \"channels_first\"}", 1, "");
    SHAPE(b, 0, 2, 5, 3, 4);

    b->count = 0;
    ARRAY(b, 5, 2, 3, 4, 6);
    plan_of(t, b, "Conv3D", "{\"data_format\": \"channels_first\"}", 1, "");
    SHAPE(b, 0, 3, 4, 6, 2, 5);
    legacy_weights_apply(&b->plan, 0, b->stored, b->result);
    CHECK_EQ(b->result[(((1 * 4 + 2) * 6 + 3) * 2 + 1) * 5 + 4],
             b->values[0][(((4 * 2 + 1) * 3 + 1) * 4 + 2) * 6 + 3]);
}

TEST(keras_1_one_dimensional_kernels)
{
    bench *b = bench_new(t);
    ARRAY(b, 3, 1, 2, 5); /* length, 1, in, out */
    ARRAY(b, 5);
    plan_of(t, b, "Conv1D", "{\"filters\": 5}", 1, "");
    SHAPE(b, 0, 3, 2, 5);
    legacy_weights_apply(&b->plan, 0, b->stored, b->result);
    for (int k = 0; k < 30; k++) CHECK_EQ(b->result[k], b->values[0][k]);

    b->count = 0;
    ARRAY(b, 5, 2, 3, 1); /* out, in, length, 1 */
    plan_of(t, b, "Conv1D", "{\"filters\": 5}", 1, "");
    SHAPE(b, 0, 3, 2, 5);
    legacy_weights_apply(&b->plan, 0, b->stored, b->result);
    CHECK_EQ(b->result[(2 * 2 + 1) * 5 + 4], b->values[0][(4 * 2 + 1) * 3 + 2]);
}

TEST(theano_kernels_are_turned)
{
    bench *b = bench_new(t);
    ARRAY(b, 3, 4, 2, 5);
    ARRAY(b, 5);
    plan_of(t, b, "Conv2D", "{}", 2, "theano");
    SHAPE(b, 0, 3, 4, 2, 5);
    CHECK(!b->plan.is_identity);
    legacy_weights_apply(&b->plan, 0, b->stored, b->result);
    for (int h = 0; h < 3; h++)
        for (int w = 0; w < 4; w++)
            for (int k = 0; k < 10; k++)
                CHECK_EQ(b->result[(h * 4 + w) * 10 + k],
                         b->values[0][((2 - h) * 4 + 3 - w) * 10 + k]);
}

/* Any version: a kernel of another shape than the model's is transposed (3, 2, 0, 1). */
TEST(kernels_of_another_shape_are_transposed)
{
    bench *b = bench_new(t);
    const legacy_layer layer = {"Conv2D", config(t, "{}"), 2, "tensorflow"};
    const weight_shape wanted[] = {{4, {3, 4, 2, 5}}};
    ARRAY(b, 2, 5, 4, 3); /* wanted axis i is stored axis (3, 2, 0, 1)[i] */
    CHECK_OK(legacy_weights_plan(&layer, b->shapes, 1, wanted, 1, &b->plan, &t->error));
    SHAPE(b, 0, 3, 4, 2, 5);
    legacy_weights_apply(&b->plan, 0, b->stored, b->result);
    CHECK_EQ(b->result[((2 * 4 + 3) * 2 + 1) * 5 + 4], b->values[0][((1 * 5 + 4) * 4 + 3) * 3 + 2]);
}

static void gates_add(bench *b, uint32_t gates, int64_t inputs, int64_t units)
{
    for (uint32_t g = 0; g < gates; g++) {
        ARRAY(b, inputs, units);
        ARRAY(b, units, units);
        ARRAY(b, units);
    }
}

/* Column c of the joined kernel belongs to gate order[c / units]. */
static void check_joined(bench *b, const int *order, int gates, uint32_t first_wanted,
                         uint32_t first_stored)
{
    const int units = 3, rows[] = {2, 3, 1};
    for (uint32_t part = 0; part < 3; part++) {
        legacy_weights_apply(&b->plan, first_wanted + part, b->stored, b->result);
        for (int r = 0; r < rows[part]; r++)
            for (int c = 0; c < gates * units; c++)
                CHECK_EQ(b->result[r * gates * units + c],
                         b->values[first_stored + 3 * (uint32_t)order[c / units] + part]
                                  [r * units + c % units]);
    }
}

TEST(keras_1_gates_are_joined)
{
    bench *b = bench_new(t);
    static const int lstm[] = {0, 2, 1, 3}, gru[] = {0, 1, 2};
    gates_add(b, 4, 2, 3); /* i, c, f, o */
    plan_of(t, b, "LSTM", "{}", 1, "");
    CHECK_EQ(b->plan.count, 3);
    SHAPE(b, 0, 2, 12);
    SHAPE(b, 1, 3, 12);
    SHAPE(b, 2, 12);
    check_joined(b, lstm, 4, 0, 0);

    gates_add(b, 4, 2, 3);
    plan_of(t, b, "Bidirectional", "{\"layer\": {\"class_name\": \"LSTM\", \"config\": {}}}", 1,
            "");
    CHECK_EQ(b->plan.count, 6);
    check_joined(b, lstm, 4, 0, 0);
    check_joined(b, lstm, 4, 3, 12);

    b->count = 0;
    gates_add(b, 3, 2, 3);
    plan_of(t, b, "GRU", "{}", 1, "");
    check_joined(b, gru, 3, 0, 0);
}

TEST(cudnn_weights_become_plain_ones)
{
    enum { IN = 2, UNITS = 3 };
    bench *b = bench_new(t);
    ARRAY(b, IN, 4 * UNITS);
    ARRAY(b, UNITS, 4 * UNITS);
    ARRAY(b, 8 * UNITS);
    plan_of(t, b, "LSTM", "{}", 2, "tensorflow");
    SHAPE(b, 2, 4 * UNITS);
    legacy_weights_apply(&b->plan, 0, b->stored, b->result);
    for (int g = 0; g < 4; g++) { /* kernel.T.reshape(kernel.shape, order="F") */
        for (int i = 0; i < IN; i++)
            for (int j = 0; j < UNITS; j++) {
                const int f = i + IN * j;
                CHECK_EQ(b->result[i * 12 + g * UNITS + j],
                         b->values[0][f / UNITS * 12 + g * UNITS + f % UNITS]);
            }
    }
    legacy_weights_apply(&b->plan, 1, b->stored, b->result);
    for (int g = 0; g < 4; g++)
        for (int i = 0; i < UNITS; i++)
            for (int j = 0; j < UNITS; j++)
                CHECK_EQ(b->result[i * 12 + g * UNITS + j], b->values[1][j * 12 + g * UNITS + i]);
    legacy_weights_apply(&b->plan, 2, b->stored, b->result);
    for (int i = 0; i < 12; i++) CHECK_EQ(b->result[i], b->values[2][i] + b->values[2][12 + i]);

    b->count = 0;
    ARRAY(b, IN, 3 * UNITS);
    ARRAY(b, UNITS, 3 * UNITS);
    ARRAY(b, 6 * UNITS);
    plan_of(t, b, "GRU", "{\"reset_after\": true}", 2, "tensorflow");
    SHAPE(b, 2, 2, 3 * UNITS);
    legacy_weights_apply(&b->plan, 2, b->stored, b->result);
    for (int i = 0; i < 18; i++) CHECK_EQ(b->result[i], b->values[2][i]);
}

/* Stored: bias, a, b, kernel; wanted: kernel, bias. A frozen layer keeps its arrays in the order
 * they were made. */
static void adapted_check(test *t, const char *class_name, const char *text, bool is_frozen,
                          float scale)
{
    bench *b = bench_new(t);
    const weight_shape wanted[] = {{2, {3, 4}}, {1, {4}}};
    const uint32_t kernel = is_frozen ? 0 : 3, bias = is_frozen ? 1 : 0, a = is_frozen ? 2 : 1;
    const legacy_layer layer = {class_name, config(t, text), 3, "tensorflow"};
    if (is_frozen) ARRAY(b, 3, 4);
    ARRAY(b, 4);
    ARRAY(b, 3, 2);
    ARRAY(b, 2, 4);
    if (!is_frozen) ARRAY(b, 3, 4);
    CHECK_OK(legacy_weights_plan(&layer, b->shapes, 4, wanted, 2, &b->plan, &t->error));
    CHECK(!b->plan.is_identity);
    CHECK_EQ(b->plan.count, 2);
    SHAPE(b, 0, 3, 4);
    SHAPE(b, 1, 4);
    CHECK(legacy_weights_needs(&b->plan, 0, a) && legacy_weights_needs(&b->plan, 0, a + 1));
    CHECK(legacy_weights_needs(&b->plan, 0, kernel) && !legacy_weights_needs(&b->plan, 0, bias));
    legacy_weights_apply(&b->plan, 0, b->stored, b->result);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 4; k++) {
            float sum = 0;
            for (int j = 0; j < 2; j++)
                sum += b->values[a][2 * i + j] * b->values[a + 1][4 * j + k];
            CHECK_NEAR(b->result[4 * i + k], b->values[kernel][4 * i + k] + scale * sum,
                       1e-6 * (double)sum);
        }
    }
    legacy_weights_apply(&b->plan, 1, b->stored, b->result);
    for (int k = 0; k < 4; k++) CHECK_EQ(b->result[k], b->values[bias][k]);
}

TEST(low_rank_adaptions_are_added)
{
    adapted_check(t, "EinsumDense", "{\"lora_rank\": 2, \"lora_alpha\": 5}", false, 2.5f);
    adapted_check(t, "EinsumDense", "{\"lora_rank\": 2}", false, 1);
    adapted_check(t, "Dense", "{\"lora_rank\": 2, \"lora_alpha\": 5}", false, 1);
    adapted_check(t, "Dense", "{\"lora_rank\": 2, \"trainable\": false}", true, 1);

    bench *b = bench_new(t);
    const weight_shape wanted[] = {{2, {3, 4}}};
    const legacy_layer layer = {"Dense", config(t, "{\"lora_rank\": 2}"), 3, ""};
    ARRAY(b, 3, 1);
    ARRAY(b, 2, 4);
    ARRAY(b, 3, 4);
    CHECK_OK(legacy_weights_plan(&layer, b->shapes, 3, wanted, 1, &b->plan, &t->error));
    CHECK(b->plan.is_identity);
}

TEST(arrays_that_do_not_fit_are_refused)
{
    bench *b = bench_new(t);
    const legacy_layer layer = {"LSTM", config(t, "{}"), 1, ""};
    gates_add(b, 4, 2, 3);
    b->shapes[6].dims[1] = 4;
    CHECK_STATUS(legacy_weights_plan(&layer, b->shapes, 12, NULL, 0, &b->plan, &t->error),
                 EBB_E_FORMAT);
    b->shapes[6].rank = 1;
    CHECK_STATUS(legacy_weights_plan(&layer, b->shapes, 12, NULL, 0, &b->plan, &t->error),
                 EBB_E_FORMAT);
}

TEST_MAIN(RUN(keras_3_arrays_stay), RUN(keras_1_channels_first_kernels),
          RUN(keras_1_transposed_and_three_dimensional_kernels),
          RUN(keras_1_one_dimensional_kernels), RUN(theano_kernels_are_turned),
          RUN(kernels_of_another_shape_are_transposed), RUN(keras_1_gates_are_joined),
          RUN(cudnn_weights_become_plain_ones), RUN(low_rank_adaptions_are_added),
          RUN(arrays_that_do_not_fit_are_refused))
