/* content_test.c -- writers of files given more than a model has: the state of an optimizer and
 * settings of compile(). */
#include <string.h>

#include "format/content.h"
#include "format/format.h"
#include "format/hdf5/hdf5.h"
#include "format/zip.h"
#include "temporary.h"

#define GOLDEN EBB_GOLDEN "/format/"

/* Every number of a tensor is its source plus 1. */
static ebb_status read_number(void *context, const saved_tensor *tensor, void *bytes,
                              ebb_error *error)
{
    const float number = (float)(tensor->source + 1);
    const int32_t integer = (int32_t)tensor->source + 1;
    uint64_t count = 1;

    (void)context;
    (void)error;
    for (uint32_t i = 0; i < tensor->rank; i++) count *= (uint64_t)tensor->dims[i];
    for (uint64_t i = 0; i < count; i++)
        memcpy((char *)bytes + i * 4, tensor->dtype == EBB_I32 ? (const void *)&integer : &number,
               4);
    return EBB_OK;
}

static const saved_tensor tensors[] = {
    {"layers/dense", 0, "dense/kernel", EBB_F32, 2, {4, 3}, 0, false},
    {"layers/dense", 1, "dense/bias", EBB_F32, 1, {3}, 1, false},
};
static const saved_tensor extra[] = {
    {"optimizer", 0, "adam/iteration", EBB_I32, 0, {0}, 2, false},
    {"optimizer", 1, "adam/dense_kernel_momentum", EBB_F32, 2, {4, 3}, 3, false},
    {"optimizer", 2, "adam/dense_kernel_momentum", EBB_F32, 2, {4, 3}, 4, false},
};
static const saved_layer layers[] = {{"dense", tensors, 2}};

static model_content content_of(const description *d)
{
    return (model_content){.description = d,
                           .tensors = tensors,
                           .tensor_count = 2,
                           .layers = layers,
                           .layer_count = 1,
                           .extra = extra,
                           .extra_count = 3,
                           .read = read_number};
}

static description *described(test *t, const char *path)
{
    description *d = NULL;

    CHECK_OK(format_read(t->home, path, NULL, &d, &t->error));
    return d;
}

/* Counters are integers of 64 bits. */
static float first_number(test *t, hdf5_file *file, const char *path)
{
    hdf5_object object;
    hdf5_dataset *d = NULL;
    int64_t integer = 0;
    float number = 0;

    CHECK_OK(hdf5_find(file, hdf5_root(file), path, &object, &t->error));
    CHECK_OK(hdf5_dataset_open(file, object.address, &d, &t->error));
    if (d->dtype == EBB_I64) {
        CHECK_OK(hdf5_dataset_read(file, d, 0, 1, &integer, &t->error));
        return (float)integer;
    }
    CHECK_EQ(d->dtype, EBB_F32);
    CHECK_OK(hdf5_dataset_read(file, d, 0, 1, &number, &t->error));
    return number;
}

TEST(the_state_of_an_optimizer_goes_along)
{
    const write_options options = {0};
    temporary folder;
    source *s = NULL;
    hdf5_file *file = NULL;
    hdf5_object group;
    hdf5_value names;

    temporary_open(&folder);
    description *d = described(t, GOLDEN "sequential.keras");
    const model_content content = content_of(d);
    const path_text weights = temporary_path(&folder, "x.weights.h5"),
                    h5 = temporary_path(&folder, "x.h5");
    CHECK_OK(content_write(t->home, &content, weights.text, &options, &t->error));
    CHECK_OK(source_open(t->home, weights.text, &s, &t->error));
    CHECK_OK(hdf5_open(t->home, s, &file, &t->error));
    CHECK_EQ(first_number(t, file, "layers/dense/vars/1"), 2);
    CHECK_EQ(first_number(t, file, "optimizer/vars/0"), 3);
    CHECK_EQ(first_number(t, file, "optimizer/vars/2"), 5);
    source_close(s);
    CHECK_OK(content_write(t->home, &content, h5.text, &options, &t->error));
    CHECK_OK(source_open(t->home, h5.text, &s, &t->error));
    CHECK_OK(hdf5_open(t->home, s, &file, &t->error));
    CHECK_OK(hdf5_find(file, hdf5_root(file), "optimizer_weights", &group, &t->error));
    CHECK_OK(hdf5_attribute(file, group.address, "weight_names", &names, &t->error));
    CHECK_EQ(names.count, 3);
    CHECK_TEXT(names.strings[1], "adam/dense_kernel_momentum");
    CHECK_TEXT(names.strings[2], "adam/dense_kernel_momentum_1"); /* names are made unique */
    CHECK_EQ(first_number(t, file, "optimizer_weights/adam/iteration"), 3);
    CHECK_EQ(first_number(t, file, "optimizer_weights/adam/dense_kernel_momentum_1"), 5);
    CHECK_EQ(first_number(t, file, "model_weights/dense/dense/kernel"), 1);
    source_close(s);
    description_close(d);
    temporary_close(&folder);
}

TEST(settings_of_compile_replace_those_of_the_file)
{
    static const char text[] =
        "{\"optimizer\": {\"module\": \"keras.optimizers\", \"class_name\": \"SGD\", "
        "\"config\": {\"learning_rate\": 0.5}, \"registered_name\": null}, "
        "\"loss\": [\"mse\", {\"a\": \"KLD\"}], \"metrics\": [\"mae\"]}";
    const write_options options = {0};
    temporary folder;

    temporary_open(&folder);
    description *d = described(t, GOLDEN "compiled.keras");
    model_content content = content_of(d);
    CHECK_OK(json_read(t->home, text, sizeof text - 1, "test", &content.compile_config, &t->error));
    const path_text keras = temporary_path(&folder, "x.keras"),
                    h5 = temporary_path(&folder, "x.h5");
    CHECK_OK(content_write(t->home, &content, keras.text, &options, &t->error));
    CHECK_OK(content_write(t->home, &content, h5.text, &options, &t->error));
    description_close(d);
    d = described(t, keras.text);
    CHECK_TEXT(json_text(json_path(d->compile_config, "optimizer.class_name"), ""), "SGD");
    CHECK_TEXT(json_text(json_item(json_get(d->compile_config, "loss"), 0), ""), "mse");
    description_close(d);
    d = described(t, h5.text);
    CHECK(json_number(json_path(d->compile_config, "optimizer_config.config.learning_rate"), 0) ==
          0.5);
    const json *loss = json_get(d->compile_config, "loss"); /* Keras reads no short names here */
    CHECK_TEXT(json_text(json_item(loss, 0), ""), "mean_squared_error");
    CHECK_TEXT(json_text(json_get(json_item(loss, 1), "a"), ""), "kl_divergence");
    CHECK_TEXT(json_text(json_item(json_get(d->compile_config, "metrics"), 0), ""), "mae");
    description_close(d);
    temporary_close(&folder);
}

/* -- what training adds --------------------------------------------------------------------------
 */

static const saved_tensor adam[] = {
    {"optimizer", 0, "adam/iteration", EBB_I32, 0, {0}, 2, false},
    {"optimizer", 1, "adam/learning_rate", EBB_F32, 0, {0}, 3, false},
    {"optimizer", 2, "adam/dense_kernel_momentum", EBB_F32, 2, {4, 3}, 4, false},
    {"optimizer", 3, "adam/dense_kernel_velocity", EBB_F32, 2, {4, 3}, 5, false},
    {"optimizer", 4, "adam/dense_bias_momentum", EBB_F32, 1, {3}, 6, false},
    {"optimizer", 5, "adam/dense_bias_velocity", EBB_F32, 1, {3}, 7, false},
};

/* Writes the model with these variables and settings; the description of what was written. */
static description *written(test *t, const char *path, const saved_tensor *variables,
                            uint32_t count, const char *settings)
{
    const write_options options = {0};
    description *d = described(t, GOLDEN "compiled.keras");
    model_content content = content_of(d);

    content.extra = variables;
    content.extra_count = count;
    CHECK_OK(
        json_read(t->home, settings, strlen(settings), "test", &content.compile_config, &t->error));
    CHECK_OK(content_write(t->home, &content, path, &options, &t->error));
    description_close(d);
    return described(t, path);
}

static const char *order_text(test *t, const description *d)
{
    text_writer w;

    text_begin(&w, t->home);
    CHECK(d->optimizer != NULL);
    for (uint32_t i = 0; i < d->optimizer->count; i++)
        text_format(&w, i > 0 ? " %s" : "%s", d->optimizer->tensors[i].name);
    return w.text;
}

#define ADAM_CONFIG "{\"learning_rate\": 0.5, \"weight_decay\": null, \"use_ema\": false}"

/* tf.keras reads by position: one list after the other, the learning rate in the settings. */
TEST(h5_files_list_variables_as_tf_keras_does)
{
    static const struct {
        const char *optimizer, *rate;
    } cases[] = {
        {"{\"module\": \"keras.optimizers\", \"class_name\": \"Adam\", \"config\": " ADAM_CONFIG
         ", \"registered_name\": null}",
         "optimizer.config.learning_rate"},
        {"\"adam\"", "optimizer.config.learning_rate"},
    };
    temporary folder;

    temporary_open(&folder);
    const path_text h5 = temporary_path(&folder, "x.h5"),
                    keras = temporary_path(&folder, "x.keras");
    for (size_t i = 0; i < 2; i++) {
        const char *settings =
            region_format(t->home, "{\"optimizer\": %s, \"loss\": \"mse\"}", cases[i].optimizer);
        description *d = written(t, h5.text, adam, 6, settings);
        CHECK_TEXT(order_text(t, d), "adam/iter adam/dense_kernel_momentum "
                                     "adam/dense_bias_momentum adam/dense_kernel_velocity "
                                     "adam/dense_bias_velocity");
        const json *optimizer = json_get(d->compile_config, "optimizer_config");
        CHECK_TEXT(json_text(json_get(optimizer, "class_name"), ""), "Adam");
        CHECK(json_number(json_path(optimizer, "config.learning_rate"), 0) == 4); /* of now */
        CHECK(json_path(optimizer, "config.weight_decay") == NULL); /* tf.keras refuses it */
        CHECK(json_path(optimizer, "config.use_ema") == NULL);
        CHECK(json_get(optimizer, "module") == NULL);
        description_close(d);
        d = written(t, keras.text, adam, 6, settings);
        CHECK_TEXT(order_text(t, d), "0 1 2 3 4 5");
        CHECK_EQ(d->optimizer->tensors[0].dtype, EBB_I64);
        CHECK(json_number(json_path(d->compile_config, cases[i].rate), 0) == 4);
        description_close(d);
    }
    temporary_close(&folder);
}

TEST(optimizers_that_tf_keras_lacks_keep_their_order)
{
    temporary folder;

    temporary_open(&folder);
    const path_text h5 = temporary_path(&folder, "x.h5");
    description *d =
        written(t, h5.text, adam, 6,
                "{\"optimizer\": {\"class_name\": \"Adam\", \"config\": {\"learning_rate\": 1.5, "
                "\"weight_decay\": 0.5}}, \"loss\": \"mse\"}");
    CHECK_CONTAINS(order_text(t, d), "adam/iteration adam/learning_rate adam/dense_kernel_momentum "
                                     "adam/dense_kernel_velocity adam/dense_bias_momentum");
    CHECK(json_number(json_path(d->compile_config, "optimizer_config.config.weight_decay"), 0) ==
          0.5);
    description_close(d);
    temporary_close(&folder);
}

/* Optimizers inside others stand in .keras files a second time, or Keras 3 warns. */
TEST(inner_optimizers_have_a_place_of_their_own)
{
    static const saved_tensor scaled[] = {
        {"optimizer", 0, "loss_scale_optimizer/iteration", EBB_I32, 0, {0}, 2, false},
        {"optimizer", 1, "loss_scale_optimizer/learning_rate", EBB_F32, 0, {0}, 3, false},
        {"optimizer", 2, "adam/iteration", EBB_I32, 0, {0}, 4, false},
        {"optimizer", 3, "adam/learning_rate", EBB_F32, 0, {0}, 5, false},
    };
    static const saved_tensor several[] = {
        {"optimizer", 0, "multi_optimizer/iteration", EBB_I32, 0, {0}, 2, false},
        {"optimizer", 1, "adam/iteration", EBB_I32, 0, {0}, 3, false},
        {"optimizer", 2, "adam/learning_rate", EBB_F32, 0, {0}, 4, false},
        {"optimizer", 3, "adam_1/iteration", EBB_I32, 0, {0}, 5, false},
    };
    temporary folder;

    temporary_open(&folder);
    const path_text keras = temporary_path(&folder, "x.keras");
    description *d = written(t, keras.text, scaled, 4,
                             "{\"optimizer\": {\"class_name\": \"LossScaleOptimizer\", "
                             "\"config\": {}}, \"loss\": \"mse\"}");
    CHECK(json_path(d->compile_config, "optimizer.config.learning_rate") == NULL);
    CHECK_EQ(d->optimizer->count, 4);
    const tensor_group *inner = description_group(d, "optimizer/inner_optimizer");
    CHECK(inner != NULL);
    CHECK_EQ(inner->count, 2);
    description_close(d);
    d = written(t, keras.text, several, 4,
                "{\"optimizer\": {\"class_name\": \"MultiOptimizer\", \"config\": "
                "{\"optimizer_map\": {\"config\": {\"default_optimizer\": {\"class_name\": "
                "\"Adam\"}, \"optimizer_map\": {\"a\": {\"class_name\": \"Adam\"}}}}}}, \"loss\": "
                "\"mse\"}");
    inner = description_group(d, "optimizer/optimizers/adam");
    CHECK(inner != NULL);
    CHECK_EQ(inner->count, 2);
    CHECK(description_group(d, "optimizer/optimizers/adam_1") != NULL);
    description_close(d);
    temporary_close(&folder);
}

TEST(h5_files_have_plain_losses_and_metrics)
{
    static const char settings[] =
        "{\"optimizer\": \"sgd\", \"loss\": {\"module\": \"keras.losses\", \"class_name\": "
        "\"Huber\","
        " \"config\": {\"delta\": 2.0, \"reduction\": \"mean\", \"dtype\": \"float32\"},"
        " \"registered_name\": null}, \"metrics\": [\"mse\", {\"module\": \"builtins\","
        " \"class_name\": \"function\", \"config\": \"mean_squared_error\","
        " \"registered_name\": \"function\"}, {\"module\": \"keras.metrics\", \"class_name\": "
        "\"AUC\","
        " \"config\": {\"dtype\": {\"class_name\": \"DTypePolicy\", \"config\": {\"name\":"
        " \"float32\"}}}, \"registered_name\": null}, {\"module\": null, \"class_name\": \"Mine\","
        " \"config\": {}, \"registered_name\": \"my>Mine\"}]}";
    temporary folder;

    temporary_open(&folder);
    description *d = written(t, temporary_path(&folder, "x.h5").text, NULL, 0, settings);
    const json *loss = json_get(d->compile_config, "loss");
    const json *metrics = json_get(d->compile_config, "metrics");
    CHECK(json_get(loss, "module") == NULL);
    CHECK(json_number(json_path(loss, "config.delta"), 0) == 2);
    CHECK_TEXT(json_text(json_path(loss, "config.reduction"), ""), "sum_over_batch_size");
    CHECK(json_path(loss, "config.dtype") == NULL);
    CHECK_TEXT(json_text(json_item(metrics, 0), ""), "mse"); /* this name shows in History */
    CHECK_TEXT(json_text(json_item(metrics, 1), ""), "mean_squared_error");
    CHECK_TEXT(json_text(json_path(json_item(metrics, 2), "config.dtype"), ""), "float32");
    CHECK_TEXT(json_text(json_get(json_item(metrics, 3), "class_name"), ""), "my>Mine");
    description_close(d);
    temporary_close(&folder);
}

static ebb_status refuse_number(void *context, const saved_tensor *tensor, void *bytes,
                                ebb_error *error)
{
    if (tensor->source == 1) return EBB_E_CANCELLED;
    return read_number(context, tensor, bytes, error);
}

TEST(a_weight_that_is_not_there_ends_it)
{
    static const char *const names[] = {"x.keras", "x.h5", "x.weights.h5"};
    temporary folder;

    temporary_open(&folder);
    description *d = described(t, GOLDEN "sequential.keras");
    model_content content = content_of(d);
    content.read = refuse_number;
    for (size_t i = 0; i < 3; i++) {
        const write_options options = {.deflates = i == 0};
        const uint64_t before = region_bytes_live(t->home);
        CHECK_STATUS(content_write(t->home, &content, temporary_path(&folder, names[i]).text,
                                   &options, &t->error),
                     EBB_E_CANCELLED);
        CHECK_EQ(region_bytes_live(t->home), before);
    }
    CHECK_EQ(temporary_count(&folder), 0);
    description_close(d);
    temporary_close(&folder);
}

TEST_MAIN(RUN(the_state_of_an_optimizer_goes_along),
          RUN(settings_of_compile_replace_those_of_the_file),
          RUN(h5_files_list_variables_as_tf_keras_does),
          RUN(optimizers_that_tf_keras_lacks_keep_their_order),
          RUN(inner_optimizers_have_a_place_of_their_own),
          RUN(h5_files_have_plain_losses_and_metrics), RUN(a_weight_that_is_not_there_ends_it))
