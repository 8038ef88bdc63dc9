/* config_writer_test.c -- configurations of any version in Keras 3's terms, and in those that Keras
 * 2 reads as well: what is written is read back as the same model. */
#include <string.h>

#include "format/keras/reader.h"
#include "format/keras/writer.h"
#include "harness.h"

#define INPUT(name)                                                                                \
    "{\"class_name\": \"InputLayer\", \"name\": \"" name "\", \"config\": {\"name\": \"" name      \
    "\", \"batch_input_shape\": [null, 4], \"dtype\": \"float32\"}, \"inbound_nodes\": []}"
#define DENSE(name, nodes)                                                                         \
    "{\"class_name\": \"Dense\", \"name\": \"" name "\", \"config\": {\"name\": \"" name           \
    "\", \"units\": 4, \"activation\": \"relu\", \"kernel_initializer\": {\"class_name\": "        \
    "\"Zeros\", \"config\": {\"dtype\": \"float32\"}}}, \"inbound_nodes\": " nodes "}"
#define FUNCTIONAL(name, layers, inputs, outputs)                                                  \
    "{\"class_name\": \"Model\", \"config\": {\"name\": \"" name "\", \"layers\": [" layers        \
    "], \"input_layers\": " inputs ", \"output_layers\": " outputs "}"

/* Keras 2: a layer called twice, keywords, two inputs. */
static const char shared[] =
    FUNCTIONAL("shared",
               INPUT("a") ", " INPUT("b") ", " DENSE(
                   "d/e", "[[[\"a\", 0, 0, {}]], [[\"b\", 0, 0, {\"training\": false, \"mask\": "
                          "null}]]]") ", "
                                      "{\"class_name\": \"Concatenate\", \"name\": \"c\", "
                                      "\"config\": {\"name\": \"c\", \"axis\": -1}, "
                                      "\"inbound_nodes\": [[[\"d/e\", 0, 0, {}], [\"d/e\", 1, 0, "
                                      "{}]]]}",
               "[[\"a\", 0, 0], [\"b\", 0, 0]]", "[[\"c\", 0, 0]]") "}";

/* Keras 2: a model in a model, counted from 1. */
static const char nested[] = FUNCTIONAL(
    "outer",
    INPUT("x") ", " FUNCTIONAL(
        "inner", INPUT("i") ", " DENSE("d", "[[[\"i\", 0, 0, {}]]]"), "[[\"i\", 0, 0]]",
        "[[\"d\", 0, 0]]") ", \"name\": \"inner\", \"inbound_nodes\": [[[\"x\", 0, 0, {}]]]}",
    "[[\"x\", 0, 0]]", "[[\"inner\", 1, 0]]") "}";

/* Keras 1: a list, no input layer, its own words. */
static const char old[] =
    "{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Dense\", \"config\": "
    "{\"name\": \"dense_1\", \"output_dim\": 3, \"init\": \"glorot_uniform\", \"activation\": "
    "\"tanh\", \"bias\": true, \"batch_input_shape\": [null, 4]}}, {\"class_name\": \"Dropout\", "
    "\"config\": {\"name\": \"dropout_1\", \"p\": 0.5}}]}";

static const char gates[] =
    "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": [{\"class_name\": "
    "\"LSTM\", \"config\": {\"name\": \"lstm\", \"units\": 3, \"activation\": \"tanh\", "
    "\"recurrent_activation\": \"hard_sigmoid\", \"batch_input_shape\": [null, 5, 4]}}]}}";

static const char branches[] =
    "{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Merge\", \"config\": "
    "{\"name\": \"m\", \"mode\": \"sum\", \"layers\": [{\"class_name\": \"Sequential\", "
    "\"config\": [{\"class_name\": \"Dense\", \"config\": {\"name\": \"p\", \"output_dim\": 3, "
    "\"batch_input_shape\": [null, 4]}}]}, {\"class_name\": \"Sequential\", \"config\": "
    "[{\"class_name\": \"Dense\", \"config\": {\"name\": \"q\", \"output_dim\": 3, "
    "\"batch_input_shape\": [null, 4]}}]}]}}]}";

static description described(test *t, const char *text, const char *version)
{
    description d = {
        .path = "test", .format = "h5", .keras_version = version, .backend = "tensorflow"};

    d.keras_major = keras_version_major(version);
    d.layout = WEIGHTS_BY_ORDER;
    CHECK_OK(description_configure(t->home, &d, text, strlen(text), "test", &t->error));
    return d;
}

static bool arguments_equal(const argument *a, const argument *b)
{
    if (a->kind != b->kind) return false;
    if (a->kind == ARGUMENT_TENSOR)
        return a->ref.layer == b->ref.layer && a->ref.node == b->ref.node &&
               a->ref.tensor == b->ref.tensor;
    for (uint32_t i = 0; a->kind == ARGUMENT_LIST && i < a->item_count; i++) {
        if (!arguments_equal(&a->items[i], &b->items[i])) return false;
    }
    return a->item_count == b->item_count;
}

/* Recursion: models in models. */
static void check_same(const model_config *a, const model_config *b)
{
    CHECK_TEXT(a->class_name, b->class_name);
    CHECK_EQ(a->layer_count, b->layer_count);
    CHECK_EQ(a->input_count, b->input_count);
    CHECK_EQ(a->output_count, b->output_count);
    for (uint32_t i = 0; i < a->output_count; i++)
        CHECK_EQ(memcmp(&a->outputs[i].ref, &b->outputs[i].ref, sizeof(tensor_ref)), 0);
    for (uint32_t i = 0; i < a->layer_count; i++) {
        const layer_config *x = &a->layers[i], *y = &b->layers[i];
        CHECK_TEXT(x->class_name, y->class_name);
        CHECK_EQ(x->call_count, y->call_count);
        for (uint32_t k = 0; k < x->call_count; k++)
            CHECK(arguments_equal(&x->calls[k].arguments[0], &y->calls[k].arguments[0]));
        CHECK_EQ(x->model != NULL, y->model != NULL);
        if (x->model != NULL) check_same(x->model, y->model);
    }
}

static const json *parsed(test *t, const char *text)
{
    const json *object = NULL;

    CHECK_OK(json_read(t->home, text, strlen(text), "text", &object, &t->error));
    return object;
}

static void check_written(test *t, const char *text, const char *version)
{
    const description d = described(t, text, version);
    const model_content content = {.description = &d};
    model_text keras, h5;

    CHECK_OK(keras_text_make(t->home, &content, &keras, &t->error));
    CHECK_TEXT(keras.keras_version, KERAS_VERSION_WRITTEN);
    const description again = described(t, keras.config, keras.keras_version);
    check_same(d.model, again.model);
    for (uint32_t i = 0; i < again.model->layer_count; i++)
        CHECK_CONTAINS(again.model->layers[i].module, "keras");
    CHECK_OK(h5_text_make(t->home, &content, &h5, &t->error));
    const description third = described(t, h5.config, h5.keras_version);
    check_same(d.model, third.model);
}

TEST(older_models_are_read_back_as_the_same)
{
    check_written(t, shared, "2.4.0");
    check_written(t, nested, "2.4.0");
    check_written(t, old, "1.2.2");
}

TEST(keras_3_finds_its_own_words)
{
    const description d = described(t, shared, "2.4.0");
    const model_content content = {.description = &d};
    model_text text;

    CHECK_OK(keras_text_make(t->home, &content, &text, &t->error));
    const json *object = parsed(t, text.config);
    CHECK_TEXT(json_text(json_get(object, "module"), ""), "keras.src.models.functional");
    CHECK_TEXT(json_text(json_get(object, "registered_name"), ""), "Functional");
    const json *layers = json_path(object, "config.layers");
    CHECK(json_path(json_item(layers, 0), "config.batch_shape") != NULL);
    const json *dense = json_item(layers, 2),
               *node = json_item(json_get(dense, "inbound_nodes"), 1);
    CHECK_TEXT(json_text(json_get(dense, "name"), ""), "d_e"); /* no slashes */
    CHECK_TEXT(json_text(json_path(dense, "config.kernel_initializer.module"), ""),
               "keras.initializers");
    CHECK_EQ(json_path(dense, "config.kernel_initializer.config")->count, 0); /* no dtype */
    CHECK_TEXT(json_text(json_get(json_item(json_get(node, "args"), 0), "class_name"), ""),
               "__keras_tensor__");
    CHECK_EQ(json_get(node, "kwargs")->count, 1); /* mask: null says nothing */
    CHECK_EQ(json_get(json_path(object, "config"), "output_layers")->as.items[0].kind, JSON_STRING);
}

/* Keras counts the calls of a nested Functional from 1 where outputs name them, else from 0. */
TEST(nested_models_are_counted_as_keras_does)
{
    const description d = described(t, nested, "2.4.0");
    const model_content content = {.description = &d};
    model_text text;

    CHECK_OK(keras_text_make(t->home, &content, &text, &t->error));
    const json *outputs = json_path(parsed(t, text.config), "config.output_layers");
    CHECK_TEXT(json_text(json_item(outputs, 0), ""), "inner");
    CHECK_EQ(json_integer(json_item(outputs, 1), -1), 1);
}

TEST(h5_files_speak_both_languages_where_they_can)
{
    const description d = described(t, shared, "2.4.0"), n = described(t, nested, "2.4.0");
    const model_content content = {.description = &d}, inner = {.description = &n};
    model_text text;

    CHECK_OK(h5_text_make(t->home, &content, &text, &t->error));
    const json *layers = json_path(parsed(t, text.config), "config.layers");
    CHECK(json_get(json_item(layers, 0), "module") == NULL);
    CHECK(json_path(json_item(layers, 0), "config.batch_input_shape") != NULL);
    CHECK_EQ(json_item(json_get(json_item(layers, 2), "inbound_nodes"), 0)->kind, JSON_ARRAY);
    CHECK_OK(h5_text_make(t->home, &inner, &text, &t->error)); /* Keras 3 reads no nested old one */
    CHECK(json_get(json_item(json_path(parsed(t, text.config), "config.layers"), 0), "module") !=
          NULL);
}

TEST(what_keras_3_has_no_words_for)
{
    const description d = described(t, gates, "2.2.4"), m = described(t, branches, "1.2.2");
    model_content content = {.description = &d};
    const model_content merged = {.description = &m};
    model_text text;

    CHECK_STATUS(keras_text_make(t->home, &content, &text, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "hard_sigmoid");
    CHECK_CONTAINS(t->error.where, "lstm");
    CHECK_OK(h5_text_make(t->home, &content, &text, &t->error)); /* keeps its configuration */
    CHECK_TEXT(text.keras_version, "2.2.4");
    CHECK_TEXT(text.config, gates);
    content.is_converted = true; /* the weights are no longer Keras 2's */
    CHECK_STATUS(h5_text_make(t->home, &content, &text, &t->error), EBB_E_UNSUPPORTED);
    CHECK_STATUS(keras_text_make(t->home, &merged, &text, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "branches");
}

TEST(every_allocation_may_fail)
{
    const description d = described(t, nested, "2.4.0");
    const model_content content = {.description = &d};

    for (int kind = 0; kind <= 1; kind++) {
        for (int64_t n = 0;; n++) {
            model_text text;
            region *home = region_open(t->home, "text", EBB_CLASS_SCRATCH, 0);
            test_fail_allocation(t, n);
            const ebb_status status = kind == 0 ? keras_text_make(home, &content, &text, &t->error)
                                                : h5_text_make(home, &content, &text, &t->error);
            const bool failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            region_close(home);
            if (!failed) break;
        }
    }
}

TEST_MAIN(RUN(older_models_are_read_back_as_the_same), RUN(keras_3_finds_its_own_words),
          RUN(nested_models_are_counted_as_keras_does),
          RUN(h5_files_speak_both_languages_where_they_can), RUN(what_keras_3_has_no_words_for),
          RUN(every_allocation_may_fail))
