/* keras_config_test.c -- configurations of Keras 1 and 2 (no Keras here writes them any more), the
 * upgrade of names and fields, snake case, and configurations that must be refused. */
#include <stdio.h>
#include <string.h>

#include "format/keras/model_config.h"
#include "format/keras/naming.h"
#include "format/keras/upgrade.h"
#include "harness.h"

static const json *parse(test *t, const char *text)
{
    const json *object = NULL;
    CHECK_OK(json_read(t->home, text, strlen(text), "test", &object, &t->error));
    return object;
}

static model_config *read_model(test *t, const char *text, uint32_t major)
{
    model_config *m = NULL;
    CHECK_OK(model_config_read(t->home, parse(t, text), major, &m, &t->error));
    return m;
}

static const char *text_of(test *t, const json *value)
{
    text_writer w;
    text_begin(&w, t->home);
    text_json_value(&w, value);
    CHECK(!w.failed);
    return w.text;
}

/* The config of a layer object after the upgrade, as text; `class_name` is checked. */
static const char *upgraded(test *t, const char *text, uint32_t major, const char *class_name)
{
    json result;
    CHECK_OK(upgrade_layer_object(t->home, parse(t, text), major, "layer", &result, &t->error));
    CHECK_TEXT(json_text(json_get(&result, "class_name"), ""), class_name);
    return text_of(t, json_get(&result, "config"));
}
#define UPGRADED(major, class_name, old, result)                                                   \
    CHECK_TEXT(upgraded(t, old, major, class_name), result)

TEST(names_become_snake_case)
{
    static const char *const pairs[][2] = {
        {"Conv2D", "conv2d"},
        {"LSTMCell", "lstm_cell"},
        {"BatchNormalization", "batch_normalization"},
        {"MultiHeadAttention", "multi_head_attention"},
        {"Conv2DTranspose", "conv2d_transpose"},
        {"GlobalAveragePooling2D", "global_average_pooling2d"},
        {"ReLU", "re_lu"},
        {"LeakyReLU", "leaky_re_lu"},
        {"GRU", "gru"},
        {"ELU", "elu"},
        {"PReLU", "p_re_lu"},
        {"ConvLSTM2D", "conv_lstm2d"},
        {"TFOpLambda", "tf_op_lambda"},
        {"StackedRNNCells", "stacked_rnn_cells"},
        {"RMSNormalization", "rms_normalization"},
        {"My-Layer", "my_layer"},
        {"", ""},
    };
    char name[64], cut[5];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        keras_snake_case(pairs[i][0], name, sizeof name);
        CHECK_TEXT(name, pairs[i][1]);
    }
    keras_snake_case("Conv2D", cut, sizeof cut);
    CHECK_TEXT(cut, "conv");
}

TEST(keras_1_fields_get_new_names)
{
    UPGRADED(1, "Conv2D",
             "{\"class_name\": \"Convolution2D\", \"config\": {\"nb_filter\": 8, \"nb_row\": 3, "
             "\"nb_col\": 2, \"border_mode\": \"same\", \"subsample\": [1, 2], \"dim_ordering\": "
             "\"th\", \"bias\": true, \"init\": \"normal\", \"W_regularizer\": null}}",
             "{\"padding\":\"same\",\"use_bias\":true,\"kernel_initializer\":\"normal\","
             "\"kernel_regularizer\":null,\"filters\":8,\"strides\":[1,2],"
             "\"data_format\":\"channels_first\",\"kernel_size\":[3,2]}");
    UPGRADED(1, "LSTM",
             "{\"class_name\": \"LSTM\", \"config\": {\"output_dim\": 4, \"inner_activation\": "
             "\"hard_sigmoid\", \"activation\": \"tanh\", \"dropout_W\": 0.5, \"dropout_U\": 0, "
             "\"consume_less\": \"cpu\", \"input_dim\": 7, \"input_length\": null, "
             "\"forget_bias_init\": \"one\"}}",
             "{\"activation\":\"tanh\",\"units\":4,"
             "\"recurrent_activation\":\"hard_sigmoid_keras2\",\"dropout\":0.5,"
             "\"recurrent_dropout\":0}");
    UPGRADED(1, "Embedding",
             "{\"class_name\": \"Embedding\", \"config\": {\"input_dim\": 9, \"output_dim\": 4, "
             "\"init\": \"uniform\", \"dropout\": 0.0, \"weights\": null}}",
             "{\"input_dim\":9,\"output_dim\":4,\"embeddings_initializer\":\"uniform\"}");
    UPGRADED(1, "Dropout", "{\"class_name\": \"Dropout\", \"config\": {\"p\": 0.25}}",
             "{\"rate\":0.25}");
    UPGRADED(1, "MaxPooling1D",
             "{\"class_name\": \"MaxPooling1D\", \"config\": {\"pool_length\": 2, \"stride\": 3}}",
             "{\"pool_size\":2,\"strides\":3}");
    UPGRADED(1, "ZeroPadding2D",
             "{\"class_name\": \"ZeroPadding2D\", \"config\": {\"padding\": [1, 2, 3, 4]}}",
             "{\"padding\":[[1,2],[3,4]]}");
    UPGRADED(1, "BatchNormalization",
             "{\"class_name\": \"BatchNormalization\", \"config\": {\"mode\": 2, \"axis\": 1}}",
             "{\"axis\":1}");
    UPGRADED(1, "BatchNormalization",
             "{\"class_name\": \"BatchNormalization\", \"config\": {\"mode\": 1, \"axis\": 1}}",
             "{\"mode\":1,\"axis\":1}");
    UPGRADED(1, "Concatenate",
             "{\"class_name\": \"Merge\", \"config\": {\"name\": \"m\", \"mode\": \"concat\", "
             "\"concat_axis\": 1, \"dot_axes\": -1, \"output_shape\": null}}",
             "{\"name\":\"m\",\"axis\":1}");
    UPGRADED(
        1, "Dot",
        "{\"class_name\": \"Merge\", \"config\": {\"mode\": \"dot\", \"dot_axes\": [[1], [2]]}}",
        "{\"axes\":[1,2]}");
}

TEST(keras_2_fields_get_new_names_and_old_defaults)
{
    UPGRADED(2, "GRU",
             "{\"class_name\": \"GRU\", \"config\": {\"units\": 3, \"activation\": \"tanh\", "
             "\"implementation\": 1, \"time_major\": false}}",
             "{\"units\":3,\"activation\":\"tanh\","
             "\"recurrent_activation\":\"hard_sigmoid_keras2\",\"reset_after\":false}");
    UPGRADED(2, "GRU",
             "{\"class_name\": \"CuDNNGRU\", \"config\": {\"units\": 3, \"recurrent_initializer\": "
             "null}}",
             "{\"units\":3,\"recurrent_initializer\":null,\"recurrent_activation\":\"sigmoid\","
             "\"reset_after\":true}");
    UPGRADED(2, "LeakyReLU",
             "{\"class_name\": \"LeakyReLU\", \"config\": {\"alpha\": {\"type\": \"ndarray\", "
             "\"value\": 0.5}}}",
             "{\"negative_slope\":0.5}");
    UPGRADED(
        2, "InputLayer",
        "{\"class_name\": \"InputLayer\", \"config\": {\"batch_input_shape\": {\"class_name\": "
        "\"__tuple__\", \"items\": [null, 4]}, \"sparse\": false, \"ragged\": false}}",
        "{\"batch_shape\":[null,4]}");
    UPGRADED(
        2, "BatchNormalization",
        "{\"class_name\": \"BatchNormalizationV1\", \"config\": {\"axis\": [3], \"fused\": true, "
        "\"renorm\": false, \"renorm_momentum\": 0.99, \"virtual_batch_size\": null}}",
        "{\"axis\":3,\"renorm\":false}");
    UPGRADED(2, "DepthwiseConv2D",
             "{\"class_name\": \"DepthwiseConv2D\", \"config\": {\"groups\": 1, "
             "\"kernel_initializer\": {}, \"batch_input_shape\": [null, 2]}}",
             "{}");
    UPGRADED(2, "Dense",
             "{\"class_name\": \"Dense\", \"config\": {\"activation\": {\"class_name\": "
             "\"function\", \"config\": \"hard_sigmoid\"}, \"dtype\": {\"class_name\": \"Policy\", "
             "\"config\": {\"name\": \"mixed_float16\"}}}}",
             "{\"activation\":\"hard_sigmoid_keras2\",\"dtype\":\"mixed_float16\"}");
    UPGRADED(3, "Dense",
             "{\"class_name\": \"Dense\", \"config\": {\"activation\": \"hard_sigmoid\"}}",
             "{\"activation\":\"hard_sigmoid\"}");
}

TEST(layers_inside_layers_are_upgraded)
{
    UPGRADED(1, "Bidirectional",
             "{\"class_name\": \"Bidirectional\", \"config\": {\"layer\": {\"class_name\": "
             "\"TimeDistributed\", \"config\": {\"layer\": {\"class_name\": \"Convolution1D\", "
             "\"config\": {\"nb_filter\": 2, \"filter_length\": 3}}}}}}",
             "{\"layer\":{\"class_name\":\"TimeDistributed\",\"config\":{\"layer\":{\"class_name\":"
             "\"Conv1D\",\"config\":{\"filters\":2,\"kernel_size\":3}}}}}");
    UPGRADED(
        2, "RNN",
        "{\"class_name\": \"RNN\", \"config\": {\"cell\": {\"class_name\": \"StackedRNNCells\", "
        "\"config\": {\"cells\": [{\"class_name\": \"GRUCell\", \"config\": {\"units\": 1, "
        "\"activation\": \"relu\"}}]}}}}",
        "{\"cell\":{\"class_name\":\"StackedRNNCells\",\"config\":{\"cells\":[{\"class_name\":"
        "\"GRUCell\",\"config\":{\"units\":1,\"activation\":\"relu\",\"recurrent_activation\":"
        "\"hard_sigmoid_keras2\",\"reset_after\":false}}]}}}");
    /* A model inside a wrapper waits for model_config_read(), and custom classes are left alone. */
    UPGRADED(2, "TimeDistributed",
             "{\"class_name\": \"TimeDistributed\", \"config\": {\"layer\": {\"class_name\": "
             "\"Sequential\", \"config\": [{\"class_name\": \"LeakyReLU\", \"config\": {\"alpha\": "
             "1}}]}}}",
             "{\"layer\":{\"class_name\":\"Sequential\",\"config\":[{\"class_name\":\"LeakyReLU\","
             "\"config\":{\"alpha\":1}}]}}");
    UPGRADED(2, "Addons>LeakyReLU",
             "{\"class_name\": \"Addons>LeakyReLU\", \"config\": {\"alpha\": 1}}", "{\"alpha\":1}");
}

/* -- models ------------------------------------------------------------------------------------ */

#define INPUT(name)                                                                                \
    "{\"class_name\": \"InputLayer\", \"name\": \"" name                                           \
    "\", \"config\": {\"batch_input_shape\": "                                                     \
    "[null, 4], \"name\": \"" name "\"}, \"inbound_nodes\": []}"
#define DENSE(name, nodes)                                                                         \
    "{\"class_name\": \"Dense\", \"name\": \"" name                                                \
    "\", \"config\": {\"units\": 4, \"name\": \"" name "\"}, \"inbound_nodes\": " nodes "}"
#define MODEL(layers, inputs, outputs)                                                             \
    "{\"class_name\": \"Model\", \"config\": {\"name\": \"m\", \"layers\": [" layers               \
    "], \"input_layers\": " inputs ", \"output_layers\": " outputs "}}"

static void check_ref(tensor_ref ref, uint32_t layer, uint32_t node, uint32_t tensor)
{
    CHECK_EQ(ref.layer, layer);
    CHECK_EQ(ref.node, node);
    CHECK_EQ(ref.tensor, tensor);
}

TEST(old_sequential_lists_get_an_input)
{
    const model_config *m = read_model(
        t,
        "{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Dense\", \"config\": "
        "{\"name\": \"d\", \"output_dim\": 3, \"batch_input_shape\": [null, 4], \"input_dtype\": "
        "\"float32\"}}, {\"class_name\": \"Activation\", \"config\": {\"name\": \"a\", "
        "\"activation\": \"relu\"}}]}",
        1);
    CHECK_EQ(m->layer_count, 3);
    CHECK_TEXT(m->layers[0].class_name, "InputLayer");
    CHECK_TEXT(m->layers[0].name, "d_input");
    CHECK_TEXT(text_of(t, json_get(m->layers[0].config, "batch_shape")), "[null,4]");
    check_ref(m->layers[1].calls[0].arguments[0].ref, 0, 0, 0);
    check_ref(m->layers[2].calls[0].arguments[0].ref, 1, 0, 0);
    CHECK_TEXT(m->inputs[0].name, "d_input");
    CHECK_TEXT(m->outputs[0].name, "a");
    check_ref(m->outputs[0].ref, 2, 0, 0);

    m = read_model(t,
                   "{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Embedding\", "
                   "\"config\": {\"input_dim\": 9, \"output_dim\": 2, \"input_length\": 5}}]}",
                   1);
    CHECK_TEXT(text_of(t, json_get(m->layers[0].config, "batch_shape")), "[null,5]");
    CHECK_TEXT(m->layers[1].name, "embedding_2");
}

/* Keras 1: a Merge as first layer holds the branches, and Sequentials in Sequentials are flat. */
TEST(keras_1_merge_makes_branches)
{
    const char *branch =
        "{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Dense\", "
        "\"config\": {\"name\": \"%s\", \"output_dim\": 3, \"batch_input_shape\": "
        "[null, 4]}}]}";
    char left[512], right[512], text[4096];
    snprintf(left, sizeof left, branch, "l");
    snprintf(right, sizeof right, branch, "r");
    snprintf(
        text, sizeof text,
        "{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Merge\", \"config\": "
        "{\"name\": \"both\", \"mode\": \"sum\", \"layers\": [%s, %s]}}, {\"class_name\": "
        "\"Sequential\", \"config\": [{\"class_name\": \"Dense\", \"config\": {\"name\": \"d\", "
        "\"output_dim\": 1}}]}]}",
        left, right);
    const model_config *m = read_model(t, text, 1);
    CHECK_EQ(m->layer_count, 6); /* input, l, input, r, both, d */
    CHECK_EQ(m->input_count, 2);
    CHECK_TEXT(m->inputs[1].name, "r_input");
    CHECK_TEXT(m->layers[4].class_name, "Add");
    const argument *a = &m->layers[4].calls[0].arguments[0];
    CHECK_EQ(a->kind, ARGUMENT_LIST);
    check_ref(a->items[0].ref, 1, 0, 0);
    check_ref(a->items[1].ref, 3, 0, 0);
    CHECK_TEXT(m->layers[5].name, "d");
    check_ref(m->layers[5].calls[0].arguments[0].ref, 4, 0, 0);
}

TEST(legacy_nodes_are_read)
{
    const model_config *m = read_model(
        t,
        MODEL(INPUT("x") ", " INPUT("h") ", " DENSE(
                  "d",
                  "[[[\"x\", 0, 0]], [[\"h\", 0, 0, {}]]]") ", "
                                                            "{\"class_name\": \"GRU\", \"name\": "
                                                            "\"g\", \"config\": {\"name\": \"g\"}, "
                                                            "\"inbound_nodes\": [[[\"d\", 0, 0, "
                                                            "{}], [\"d\", 1, 0, {}]]]}, "
                                                            "{\"class_name\": "
                                                            "\"MultiHeadAttention\", \"name\": "
                                                            "\"a\", \"config\": {\"name\": \"a\"}, "
                                                            "\"inbound_nodes\": [[[\"x\", 0, 0, "
                                                            "{\"value\": [\"h\", 0, 0], \"mask\": "
                                                            "null, "
                                                            "\"use_causal_mask\": true}]]]}, "
                                                            "{\"class_name\": \"Add\", \"name\": "
                                                            "\"s\", \"config\": {\"name\": \"s\"}, "
                                                            "\"inbound_nodes\": [[[\"g\", 0, 0, "
                                                            "{}], [\"a\", 0, 0, {}]]]}",
              "[[\"x\", 0, 0], [\"h\", 0, 0]]", "[\"s\", 0, 0]"),
        2);
    CHECK_EQ(m->layers[2].call_count, 2);
    const call_config *rnn = &m->layers[3].calls[0], *attention = &m->layers[4].calls[0];
    CHECK_EQ(rnn->argument_count, 2); /* the second tensor is the initial state */
    check_ref(rnn->arguments[0].ref, 2, 0, 0);
    CHECK_TEXT(rnn->arguments[1].name, "initial_state");
    check_ref(rnn->arguments[1].items[0].ref, 2, 1, 0);
    CHECK_EQ(attention->argument_count, 3);
    CHECK_TEXT(attention->arguments[1].name, "value");
    check_ref(attention->arguments[1].ref, 1, 0, 0);
    CHECK(json_boolean(attention->arguments[2].literal, false));
    CHECK_EQ(m->layers[5].calls[0].arguments[0].kind, ARGUMENT_LIST);
    CHECK_EQ(m->output_count, 1);
}

/* tf.keras counts the calls of a nested model from 1, some files from 0; both mean the same. */
TEST(calls_of_nested_models_are_counted_from_0)
{
    static const char *const numbers[][3] = {{"1", "1", "2"}, {"0", "0", "1"}};
    for (size_t i = 0; i < 2; i++) {
        char text[4096];
        snprintf(
            text, sizeof text,
            MODEL(INPUT("x") ", {\"class_name\": \"Model\", \"name\": \"f\", \"config\": "
                             "{\"name\": \"f\", \"layers\": [" INPUT("y") ", " DENSE(
                                 "d",
                                 "[[[\"y\", 0, 0, {}]]]") "], \"input_layers\": [[\"y\", 0, 0]], "
                                                          "\"output_layers\": [[\"d\", 0, 0]]}, "
                                                          "\"inbound_nodes\": [[[\"x\", 0, "
                                                          "0, {}]], [[\"f\", %s, 0, {}]]]}",
                  "[[\"x\", 0, 0]]", "[[\"f\", %s, 0], [\"f\", %s, 0]]"),
            numbers[i][0], numbers[i][1], numbers[i][2]);
        const model_config *m = read_model(t, text, 2);
        check_ref(m->layers[1].calls[1].arguments[0].ref, 1, 0, 0);
        check_ref(m->outputs[0].ref, 1, 0, 0);
        check_ref(m->outputs[1].ref, 1, 1, 0);
        CHECK_TEXT(m->outputs[1].name, "f_1");
        CHECK(m->layers[1].model != NULL);
    }
}

static const layer_config *tf_layer(test *t, const char *function, const char *nodes)
{
    char text[4096];
    snprintf(
        text, sizeof text,
        MODEL(INPUT("x") ", " INPUT(
                  "y") ", {\"class_name\": \"TFOpLambda\", \"name\": \"o\", "
                       "\"config\": {\"name\": \"o\", \"trainable\": true, \"dtype\": \"float32\", "
                       "\"function\": \"%s\"}, \"inbound_nodes\": [%s]}",
              "[[\"x\", 0, 0], [\"y\", 0, 0]]", "[[\"o\", 0, 0]]"),
        function, nodes);
    return &read_model(t, text, 2)->layers[2];
}

TEST(tensorflow_functions_become_operations)
{
    const layer_config *o =
        tf_layer(t, "math.subtract",
                 "[\"_CONSTANT_VALUE\", -1, 1.5, {\"y\": [\"x\", 0, 0], \"name\": null}]");
    CHECK_TEXT(o->class_name, "Subtract");
    CHECK(o->is_operation);
    CHECK_NEAR(json_number(o->calls[0].arguments[0].literal, 0), 1.5, 0);
    check_ref(o->calls[0].arguments[1].ref, 0, 0, 0);
    CHECK(o->calls[0].arguments[1].name == NULL);

    o = tf_layer(t, "math.reduce_mean", "[\"x\", 0, 0, {\"axis\": [1], \"keepdims\": true}]");
    CHECK_TEXT(o->class_name, "Mean");
    CHECK_TEXT(text_of(t, o->config), "{\"name\":\"o\",\"axis\":[1],\"keepdims\":true}");
    CHECK_EQ(o->calls[0].argument_count, 1);

    o = tf_layer(
        t, "__operators__.getitem",
        "[\"x\", 0, 0, {\"slice_spec\": [{\"start\": 1, \"stop\": null, \"step\": null}, 0, "
        "{\"class_name\": \"__ellipsis__\"}, null]}]");
    CHECK_TEXT(o->class_name, "GetItem");
    CHECK_TEXT(
        text_of(t, o->calls[0].arguments[1].literal),
        "[{\"class_name\":\"__slice__\",\"config\":{\"start\":1,\"stop\":null,\"step\":null}},"
        "0,{\"class_name\":\"__ellipsis__\",\"config\":{}},null]");

    o = tf_layer(t, "linalg.matmul",
                 "[\"x\", 0, 0, {\"b\": [\"y\", 0, 0], \"transpose_b\": true}]");
    CHECK_TEXT(o->class_name, "Einsum");
    o = tf_layer(t, "split", "[\"x\", 0, 0, {\"num_or_size_splits\": [1, 2, 1], \"axis\": -1}]");
    CHECK_TEXT(text_of(t, o->config), "{\"name\":\"o\",\"indices_or_sections\":[1,3],\"axis\":-1}");
    o = tf_layer(t, "concat", "[[\"x\", 0, 0, {\"axis\": 1}], [\"y\", 0, 0, {\"axis\": 1}]]");
    CHECK_EQ(o->calls[0].arguments[0].item_count, 2);
    o = tf_layer(t, "math.add_n", "[[\"x\", 0, 0, {}], [\"y\", 0, 0, {}]]");
    CHECK_TEXT(o->class_name, "Add");
    CHECK(!o->is_operation);
    o = tf_layer(t, "compat.v1.gather",
                 "[\"x\", 0, 0, {\"indices\": [0], \"axis\": null, \"batch_dims\": 0}]");
    CHECK_TEXT(text_of(t, o->config), "{\"name\":\"o\",\"axis\":0}");
}

/* What has no equal keeps its TensorFlow name, for the refusal. */
TEST(unknown_tensorflow_functions_keep_their_name)
{
    CHECK_TEXT(tf_layer(t, "signal.stft", "[\"x\", 0, 0, {}]")->class_name, "tf.signal.stft");
    CHECK_TEXT(tf_layer(t, "nn.relu", "[\"x\", 0, 0, {\"threshold\": 2}]")->class_name,
               "tf.nn.relu");
    CHECK_TEXT(tf_layer(t, "reshape", "[\"x\", 0, 0, {\"shape\": [[\"y\", 0, 0], 4]}]")->class_name,
               "tf.reshape");
}

TEST(single_tensorflow_nodes_become_operations)
{
    const model_config *m = read_model(
        t,
        MODEL(
            INPUT("x") ", {\"class_name\": \"TensorFlowOpLayer\", \"name\": \"tf_op_layer_Mean\", "
                       "\"config\": {\"name\": \"Mean\", \"node_def\": {\"name\": \"Mean\", "
                       "\"op\": \"Mean\", "
                       "\"attr\": {\"keep_dims\": {\"b\": true}}}, \"constants\": {\"1\": [1]}}, "
                       "\"inbound_nodes\": [[[\"x\", 0, 0, {}]]]}",
            "[[\"x\", 0, 0]]", "[[\"tf_op_layer_Mean\", 0, 0]]"),
        2);
    CHECK_TEXT(m->layers[1].class_name, "Mean");
    CHECK_TEXT(text_of(t, m->layers[1].config),
               "{\"name\":\"tf_op_layer_Mean\",\"axis\":[1],\"keepdims\":true}");
}

TEST(custom_classes_stay_custom)
{
    const model_config *m = read_model(
        t,
        "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": [{\"module\": "
        "\"keras.layers\", \"class_name\": \"InputLayer\", \"config\": {\"batch_shape\": [null, "
        "2], "
        "\"name\": \"i\"}}, {\"module\": \"mine\", \"class_name\": \"Dense\", \"config\": "
        "{\"alpha\": "
        "1}, \"registered_name\": \"pack>Dense\"}, {\"module\": null, \"class_name\": \"Dense\", "
        "\"config\": {}, \"registered_name\": \"Dense\"}, {\"module\": \"keras_hub.layers\", "
        "\"class_name\": \"X\", \"config\": {}, \"registered_name\": null}]}}",
        3);
    CHECK_TEXT(m->layers[1].registered_name, "pack>Dense");
    CHECK_TEXT(m->layers[2].registered_name, "__main__>Dense");
    CHECK_TEXT(m->layers[3].registered_name, "keras_hub.layers>X");
    CHECK(m->layers[0].registered_name == NULL);
}

/* -- refusals ---------------------------------------------------------------------------------- */

static void check_refused(test *t, const char *text, ebb_status status, const char *part)
{
    model_config *m = NULL;
    CHECK_STATUS(model_config_read(t->home, parse(t, text), 2, &m, &t->error), status);
    CHECK_CONTAINS(t->error.text, part);
    CHECK(m == NULL);
}

TEST(bad_graphs_are_refused)
{
    check_refused(t, "[]", EBB_E_FORMAT, "class_name");
    check_refused(t, "{\"class_name\": \"VAE\", \"config\": {}}", EBB_E_UNSUPPORTED, "VAE");
    check_refused(t, "{\"class_name\": \"Model\", \"config\": {}}", EBB_E_FORMAT, "layers");
    check_refused(t, "{\"class_name\": \"Sequential\", \"config\": []}", EBB_E_FORMAT, "without");
    check_refused(t,
                  "{\"class_name\": \"Sequential\", \"config\": [{\"module\": \"mine\", "
                  "\"class_name\": \"InputLayer\", \"config\": {}}]}",
                  EBB_E_UNSUPPORTED, "mine>InputLayer");
    check_refused(t, MODEL(INPUT("x"), "[[\"y\", 0, 0]]", "[[\"x\", 0, 0]]"), EBB_E_FORMAT, "'y'");
    check_refused(t, MODEL(INPUT("x"), "[[\"x\", 0, 0]]", "[[\"x\", 1, 0]]"), EBB_E_FORMAT,
                  "refers to call 1 of 'x'");
    check_refused(t, MODEL(INPUT("x"), "[]", "[[\"x\", 0, 0]]"), EBB_E_FORMAT, "empty");
    check_refused(t, MODEL(INPUT("x"), "3", "[[\"x\", 0, 0]]"), EBB_E_FORMAT, "input_layers");
    check_refused(t, MODEL(INPUT("x") ", " INPUT("x"), "[[\"x\", 0, 0]]", "[[\"x\", 0, 0]]"),
                  EBB_E_FORMAT, "two layers");
    check_refused(t,
                  MODEL(INPUT("x") ", " DENSE("d", "[[[\"z\", 0, 0, {}]]]"), "[[\"x\", 0, 0]]",
                        "[[\"d\", 0, 0]]"),
                  EBB_E_FORMAT, "'z'");
    CHECK_CONTAINS(t->error.where, "layers[1] d");
    check_refused(t,
                  MODEL(INPUT("x") ", " DENSE("d", "[[[\"x\", 3, 0, {}]]]"), "[[\"x\", 0, 0]]",
                        "[[\"d\", 0, 0]]"),
                  EBB_E_FORMAT, "call 3");
    check_refused(t, MODEL(INPUT("x") ", " DENSE("d", "7"), "[[\"x\", 0, 0]]", "[[\"d\", 0, 0]]"),
                  EBB_E_FORMAT, "inbound_nodes");
}

/* A cycle is for the layers to find; reading it must end. */
TEST(cycles_are_read)
{
    const model_config *m =
        read_model(t,
                   MODEL(INPUT("x") ", " DENSE("a", "[[[\"b\", 0, 0, {}]]]") ", " DENSE(
                             "b", "[[[\"a\", 0, 0, {}]]]"),
                         "[[\"x\", 0, 0]]", "[[\"b\", 0, 0]]"),
                   2);
    check_ref(m->layers[1].calls[0].arguments[0].ref, 2, 0, 0);
}

TEST(deep_nesting_is_refused)
{
    static const char open[] = "{\"class_name\":\"Sequential\",\"config\":[", close[] = "]}";
    text_writer w;
    text_begin(&w, t->home);
    for (int i = 0; i < 60; i++) text_put(&w, open);
    text_put(&w, "{\"class_name\":\"Dense\",\"config\":{}}");
    for (int i = 0; i < 60; i++) text_put(&w, close);
    check_refused(t, w.text, EBB_E_FORMAT, "nested");
    model_config *m = NULL;
    CHECK_STATUS(model_config_read(t->home, parse(t, w.text), 1, &m, &t->error), EBB_E_FORMAT);
}

TEST(the_version_shows_in_the_grammar)
{
    CHECK_EQ(
        model_config_major(parse(t, "{\"class_name\": \"Sequential\", \"config\": "
                                    "[{\"class_name\": \"Dropout\", \"config\": {\"p\": 1}}]}")),
        1);
    CHECK_EQ(model_config_major(parse(t, MODEL(INPUT("x"), "[]", "[]"))), 2);
    CHECK_EQ(
        model_config_major(parse(t, "{\"class_name\": \"Functional\", \"config\": {\"layers\": "
                                    "[{\"config\": {\"batch_shape\": [1]}}]}}")),
        3);
}

TEST(every_allocation_may_fail)
{
    static const char text[] = MODEL(
        INPUT(
            "x") ", {\"class_name\": \"Bidirectional\", \"name\": \"b\", \"config\": {\"layer\": "
                 "{\"class_name\": \"GRU\", \"config\": {\"units\": {\"type\": \"ndarray\", "
                 "\"value\": 3}}}}, "
                 "\"inbound_nodes\": [[[\"x\", 0, 0, {\"mask\": [\"x\", 0, 0]}], [\"x\", 0, 0, "
                 "{}]]]}, "
                 "{\"class_name\": \"TFOpLambda\", \"name\": \"o\", \"config\": {\"function\": "
                 "\"split\"}, "
                 "\"inbound_nodes\": [[\"b\", 0, 0, {\"num_or_size_splits\": [1, 2], \"axis\": "
                 "1}]]}, "
                 "{\"class_name\": \"Sequential\", \"name\": \"s\", \"config\": [{\"class_name\": "
                 "\"Sequential\", \"config\": [{\"class_name\": \"Merge\", \"config\": {\"mode\": "
                 "\"dot\", "
                 "\"dot_axes\": [1, 1]}}]}], \"inbound_nodes\": [[[\"o\", 0, 1, {}]]]}",
        "{\"k\": [\"x\", 0, 0]}", "[[\"s\", 1, 0], [\"s\", 1, 0]]");
    const json *object = parse(t, text);
    const uint64_t before = region_bytes_live(t->home);
    for (int64_t n = 0;; n++) {
        model_config *m = NULL;
        region *room = region_open(t->home, "model", 0, 0);
        test_fail_allocation(t, n);
        const ebb_status status = model_config_read(room, object, 2, &m, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(m != NULL, !failed);
        region_close(room);
        CHECK_EQ(region_bytes_live(t->home), before);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(names_become_snake_case), RUN(keras_1_fields_get_new_names),
          RUN(keras_2_fields_get_new_names_and_old_defaults),
          RUN(layers_inside_layers_are_upgraded), RUN(old_sequential_lists_get_an_input),
          RUN(keras_1_merge_makes_branches), RUN(legacy_nodes_are_read),
          RUN(calls_of_nested_models_are_counted_from_0),
          RUN(tensorflow_functions_become_operations),
          RUN(unknown_tensorflow_functions_keep_their_name),
          RUN(single_tensorflow_nodes_become_operations), RUN(custom_classes_stay_custom),
          RUN(bad_graphs_are_refused), RUN(cycles_are_read), RUN(deep_nesting_is_refused),
          RUN(the_version_shows_in_the_grammar), RUN(every_allocation_may_fail))
