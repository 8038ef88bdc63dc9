/* infer_test.c -- ebb/infer.h: what a configuration makes, told without making it; seeds of models
 * from JSON by number. */
#include "ebb/infer.h"

#include <string.h>

#include "ebb/build.h"
#include "harness.h"

#define TENSOR(name, shape)                                                                        \
    "{'class_name': '__keras_tensor__', 'config': {'shape': " shape                                \
    ", 'dtype': 'float32', 'keras_history': ['" name "', 0, 0]}}"
#define INPUT                                                                                      \
    "{'class_name': 'InputLayer', 'name': 'x', 'inbound_nodes': [], 'config': "                    \
    "{'name': 'x', 'batch_shape': [null, null, 8], 'dtype': 'float32'}}"
#define MODEL(layer, outputs)                                                                      \
    "{'class_name': 'Functional', 'module': 'keras', 'config': {'name': 'm', 'layers': [" INPUT    \
    ", " layer "], 'input_layers': [['x', 0, 0]], 'output_layers': " outputs "}}"
#define CALL "'inbound_nodes': [{'args': [" TENSOR("x", "[null, null, 8]") "], 'kwargs': {}}]"

static const char lstm[] =
    MODEL("{'class_name': 'LSTM', 'module': 'keras.layers', 'name': 'r', 'config': "
          "{'name': 'r', 'units': 3, 'return_state': true, 'return_sequences': true}, " CALL "}",
          "[['r', 0, 0], ['r', 0, 1]]");
static const char wrong[] =
    MODEL("{'class_name': 'Conv2D', 'module': 'keras.layers', 'name': 'here', 'config': "
          "{'name': 'here', 'filters': 3, 'kernel_size': 3}, " CALL "}",
          "[['here', 0, 0]]");
static const char huge[] =
    MODEL("{'class_name': 'Dense', 'module': 'keras.layers', 'name': 'd', 'config': "
          "{'name': 'd', 'units': 1000000000}, " CALL "}",
          "[['d', 0, 0]]");
static const char dense[] =
    MODEL("{'class_name': 'Dense', 'module': 'keras.layers', 'name': 'one', 'config': "
          "{'name': 'one', 'units': 4}, 'inbound_nodes': [{'args': [" TENSOR(
              "x", "[null, null, 8]") "], 'kwargs': {}}]}",
          "[['one', 0, 0]]");
static const char renamed[] =
    MODEL("{'class_name': 'Dense', 'module': 'keras.layers', 'name': 'two', 'config': "
          "{'name': 'two', 'units': 4}, " CALL "}",
          "[['two', 0, 0]]");

typedef struct answer {
    char text[2048];
    size_t length;
    bool refuses;
} answer;

static bool take(void *context, const char *text, size_t length)
{
    answer *a = context;

    if (a->refuses || a->length + length >= sizeof a->text) return false;
    memcpy(a->text + a->length, text, length);
    a->text[a->length += length] = '\0';
    return true;
}

/* The JSON of the tests is written with single quotes. */
static const char *quoted(const char *text, char *buffer)
{
    char *to = buffer;

    for (const char *at = text; *at != '\0'; at++) *to++ = *at == '\'' ? '"' : *at;
    *to = '\0';
    return buffer;
}

static ebb_status infer(ebb_runtime runtime, const char *text, answer *a, ebb_error *error)
{
    char buffer[2048];

    a->length = 0;
    a->text[0] = '\0';
    return ebb_config_infer(runtime, quoted(text, buffer), 0, take, a, error);
}

static uint64_t live(ebb_runtime runtime)
{
    ebb_memory memory = {0};

    (void)ebb_memory_read(runtime, &memory);
    return memory.live;
}

TEST(shapes_and_weights_are_told)
{
    ebb_runtime runtime;
    answer a = {.refuses = false};

    CHECK_OK(ebb_runtime_open(NULL, &runtime, &t->error));
    const uint64_t before = live(runtime);
    CHECK_OK(infer(runtime, lstm, &a, &t->error));
    CHECK_TEXT(a.text, "{\"told\": [{\"layer\": \"x\", \"call\": 0, \"tensors\": [{\"dtype\": "
                       "\"float32\", \"shape\": [null, null, 8]}]}, {\"layer\": \"r\", "
                       "\"call\": 0, \"tensors\": [{\"dtype\": \"float32\", \"shape\": [null, "
                       "null, 3]}, {\"dtype\": \"float32\", \"shape\": [null, 3]}, {\"dtype\": "
                       "\"float32\", \"shape\": [null, 3]}]}], "
                       "\"outputs\": [{\"name\": \"r\", \"dtype\": \"float32\", \"shape\": "
                       "[null, null, 3], \"mask\": false}, {\"name\": \"r_1\", \"dtype\": "
                       "\"float32\", \"shape\": [null, 3], \"mask\": false}], \"calls\": "
                       "{\"x\": 1, \"r\": 3}, \"weights\": [{\"name\": \"r/cell/kernel\", "
                       "\"dtype\": \"float32\", \"shape\": [8, 12], \"trainable\": true}, "
                       "{\"name\": \"r/cell/recurrent_kernel\", \"dtype\": \"float32\", "
                       "\"shape\": [3, 12], \"trainable\": true}, {\"name\": \"r/cell/bias\", "
                       "\"dtype\": \"float32\", \"shape\": [12], \"trainable\": true}]}");
    CHECK_EQ(live(runtime), before);
    CHECK_OK(infer(runtime, huge, &a, &t->error)); /* 32 GB of weights: told, not made */
    CHECK_EQ(live(runtime), before);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(faults_name_the_layer)
{
    ebb_runtime runtime;
    answer a = {.refuses = false};

    CHECK_OK(ebb_runtime_open(NULL, &runtime, &t->error));
    const uint64_t before = live(runtime);
    CHECK_STATUS(infer(runtime, wrong, &a, &t->error), EBB_E_SHAPE);
    CHECK_EQ(strncmp(t->error.where, "here", 4), 0);
    CHECK_STATUS(infer(runtime, "{", &a, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(ebb_config_infer(runtime, NULL, 0, take, &a, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_config_infer(runtime, "{}", 0, NULL, &a, &t->error), EBB_E_ARGUMENT);
    a.refuses = true;
    CHECK_STATUS(infer(runtime, lstm, &a, &t->error), EBB_E_CANCELLED);
    CHECK_EQ(live(runtime), before);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
    CHECK_STATUS(infer(runtime, lstm, &a, &t->error), EBB_E_STALE);
}

TEST(refused_memory_leaves_nothing)
{
    ebb_runtime runtime;
    answer a = {.refuses = false};
    bool failed = true;

    CHECK_OK(ebb_runtime_open(NULL, &runtime, &t->error));
    const uint64_t before = live(runtime);
    for (int64_t n = 0; failed; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = infer(runtime, lstm, &a, &t->error);
        failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(live(runtime), before);
    }
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

static void kernel_of(test *t, ebb_runtime runtime, const char *text, bool by_number, float *kernel)
{
    char buffer[2048];
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    const ebb_view view = {EBB_F32, 2, {8, 4}, kernel};
    ebb_model model;

    options.seed = 7;
    options.seed_by_number = by_number;
    CHECK_OK(ebb_model_from_json(runtime, quoted(text, buffer), 0, &options, &model, &t->error));
    CHECK_OK(ebb_model_weight_get(model, 0, &view, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, NULL));
}

TEST(seeds_by_number_do_not_look_at_names)
{
    ebb_runtime runtime;
    float first[32], second[32];

    CHECK_OK(ebb_runtime_open(NULL, &runtime, &t->error));
    kernel_of(t, runtime, dense, true, first);
    kernel_of(t, runtime, renamed, true, second);
    CHECK_EQ(memcmp(first, second, sizeof first), 0);
    kernel_of(t, runtime, dense, false, first);
    kernel_of(t, runtime, renamed, false, second);
    CHECK(memcmp(first, second, sizeof first) != 0);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST_MAIN(RUN(shapes_and_weights_are_told), RUN(faults_name_the_layer),
          RUN(refused_memory_leaves_nothing), RUN(seeds_by_number_do_not_look_at_names))
