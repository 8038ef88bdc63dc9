/* training_writer.c -- settings of compile() in files; see training_writer.h.
 *
 * Source: keras/src/legacy/saving/saving_utils.py, keras/src/optimizers/__init__.py; tf_keras/src/
 * optimizers/__init__.py (without is_legacy_optimizer it takes its older optimizers). */
#include "format/keras/training_writer.h"

#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "format/keras/config_edit.h"
#include "format/keras/optimizer_order.h"
#include "format/keras/upgrade.h"

/* -- the learning rate of now ------------------------------------------------------------------ */

const json *settings_of(const model_content *content)
{
    if (content->compile_config != NULL) return content->compile_config;
    if (content->description->keras_major < 3) return NULL;
    return content->description->compile_config;
}

static const saved_tensor *rate_find(const model_content *content)
{
    static const char end[] = "/learning_rate";

    if (content->extra_count < 2) return NULL;
    const saved_tensor *t = &content->extra[1];
    const size_t length = strlen(t->name);
    if (t->dtype != EBB_F32 || t->rank != 0 || length < sizeof end) return NULL;
    return strcmp(t->name + length - (sizeof end - 1), end) == 0 ? t : NULL;
}

/* The settings with optimizer.config.learning_rate set. False: no memory. */
static bool rate_set(region *home, const json *settings, double rate, const json **result)
{
    const json *optimizer = json_get(settings, "optimizer");
    config_edit outer, object, config;
    json edited, *made = region_new(home, json, 1);

    edit_begin(&config, home, json_get(optimizer, "config"));
    edit_set(&config, "learning_rate", json_of_number(rate));
    edit_begin(&object, home, optimizer);
    if (optimizer->kind == JSON_STRING) {
        edit_set(&object, "module", json_of_text("keras.optimizers"));
        edit_set(&object, "class_name", json_of_text(optimizer_known_name(optimizer->as.string)));
        edit_set(&object, "registered_name", json_of_null());
    }
    if (made == NULL || !edit_finish(&config, &edited)) return false;
    edit_set(&object, "config", edited);
    if (!edit_finish(&object, &edited)) return false;
    edit_begin(&outer, home, settings);
    edit_set(&outer, "optimizer", edited);
    *result = made;
    return edit_finish(&outer, made);
}

ebb_status settings_find(region *home, const model_content *content, const json **settings,
                         ebb_error *error)
{
    const saved_tensor *rate = rate_find(content);
    const json *optimizer = json_get(settings_of(content), "optimizer");
    const json *config = json_get(optimizer, "config"), *given = json_get(config, "learning_rate");
    float number;

    *settings = settings_of(content);
    const bool is_name =
        json_text(optimizer, NULL) != NULL && optimizer_known_name(optimizer->as.string) != NULL;
    if (rate == NULL || (!is_name && given == NULL)) return EBB_OK;
    if (given != NULL && given->kind == JSON_OBJECT) return EBB_OK;
    const ebb_status status = content->read(content->context, rate, &number, error);
    if (status != EBB_OK || number == (float)json_number(given, -1)) return status;
    if (rate_set(home, *settings, (double)number, settings)) return EBB_OK;
    return region_fail(home, error, "optimizer", "its settings");
}

/* -- .keras ------------------------------------------------------------------------------------ */

void compile_settings_put(config_writer *c, const json *settings)
{
    static const json none = {.kind = JSON_OBJECT};
    const json *legacy = json_get(settings, "optimizer_config");
    const json *config = json_get(legacy, "config");

    if (legacy == NULL) {
        config_value_put(c, NULL, settings);
        return;
    }
    text_put(c->text, "{\"optimizer\": {\"module\": \"keras.optimizers\", \"class_name\": ");
    text_json_string(c->text, json_text(json_get(legacy, "class_name"), ""));
    text_put(c->text, ", \"config\": ");
    config_value_put(c, NULL, config != NULL ? config : &none);
    text_put(c->text, ", \"registered_name\": null}");
    config_members_put(c, settings, "|optimizer_config|", false);
    text_put(c->text, "}");
}

/* -- .h5: losses and metrics ------------------------------------------------------------------- */

/* Short names of losses: Keras 3 reads them everywhere but here. */
typedef struct loss_name {
    const char *given, *name;
} loss_name;

static const loss_name loss_names[] = {
    {"bce", "binary_crossentropy"},
    {"kld", "kl_divergence"},
    {"logcosh", "log_cosh"},
    {"mae", "mean_absolute_error"},
    {"mse", "mean_squared_error"},
    {"mape", "mean_absolute_percentage_error"},
    {"kl_divergence", "kl_divergence"},
    {"msle", "mean_squared_logarithmic_error"},
};

static const char *loss_name_of(const char *given)
{
    for (size_t i = 0; i < sizeof loss_names / sizeof loss_names[0]; i++) {
        if (strcasecmp(loss_names[i].given, given) == 0) return loss_names[i].name;
    }
    return given;
}

static void part_text_put(config_writer *c, const char *text, bool is_loss)
{
    text_json_string(c->text, is_loss ? loss_name_of(text) : text);
}

/* A field of a loss or metric. */
static void part_field_put(config_writer *c, const json_member *m)
{
    const json *policy = json_path(&m->value, "config.name");

    if (strcmp(m->key, "dtype") == 0 && policy != NULL && policy->kind == JSON_STRING) {
        text_json_string(c->text, policy->as.string);
    } else if (strcmp(m->key, "reduction") == 0 && json_is_text(&m->value, "mean")) {
        text_put(c->text, "\"sum_over_batch_size\""); /* the same; tf.keras knows this name only */
    } else {
        config_value_put(c, m->key, &m->value);
    }
}

/* {"class_name", "config"}: without a module, and losses without a type. */
static void part_object_put(config_writer *c, const json *object, bool is_loss)
{
    const json *config = json_get(object, "config"), *own = json_get(object, "registered_name");
    const char *class_name = json_text(json_get(object, "class_name"), "");
    bool is_first = true;

    if (strcmp(class_name, "function") == 0 && config != NULL && config->kind == JSON_STRING) {
        part_text_put(c, config->as.string, is_loss);
        return;
    }
    text_put(c->text, "{\"class_name\": ");
    text_json_string(c->text, json_text(own, class_name));
    text_put(c->text, ", \"config\": {");
    for (uint32_t i = 0; config != NULL && config->kind == JSON_OBJECT && i < config->count; i++) {
        const json_member *m = &config->as.members[i];
        if (is_loss && strcmp(m->key, "dtype") == 0) continue;
        if (!is_first) text_put(c->text, ", ");
        is_first = false;
        text_json_string(c->text, m->key);
        text_put(c->text, ": ");
        part_field_put(c, m);
    }
    text_put(c->text, "}}");
}

/* One loss or metric, or a list or dict of them. Recursion: the depth of the document, which
 * json_read() bounds. */
static void parts_put(config_writer *c, const json *value, bool is_loss)
{
    const bool is_dict = value->kind == JSON_OBJECT;

    if (value->kind == JSON_STRING) {
        part_text_put(c, value->as.string, is_loss);
        return;
    }
    if (is_dict && json_get(value, "class_name") != NULL) {
        part_object_put(c, value, is_loss);
        return;
    }
    if (!is_dict && value->kind != JSON_ARRAY) {
        config_value_put(c, NULL, value);
        return;
    }
    text_put(c->text, is_dict ? "{" : "[");
    for (uint32_t i = 0; i < value->count; i++) {
        if (i > 0) text_put(c->text, ", ");
        if (is_dict) {
            text_json_string(c->text, value->as.members[i].key);
            text_put(c->text, ": ");
        }
        parts_put(c, is_dict ? &value->as.members[i].value : &value->as.items[i], is_loss);
    }
    text_put(c->text, is_dict ? "}" : "]");
}

/* -- .h5: the optimizer ------------------------------------------------------------------------ */

/* Keys that tf.keras refuses; without a value they say nothing. */
static bool says_nothing(const json *config, const json_member *m)
{
    static const char averages[] = "|use_ema|ema_momentum|ema_overwrite_frequency|";

    if (name_in(averages, m->key)) return !json_boolean(json_get(config, "use_ema"), false);
    return json_is_null(&m->value) || strcmp(m->key, "jit_compile") == 0;
}

static void optimizer_put(config_writer *c, const json *settings)
{
    const json *legacy = json_get(settings, "optimizer_config"), *config;
    const json *object = legacy != NULL ? legacy : json_get(settings, "optimizer");
    const char *name = optimizer_class_of(settings, &config);
    const char *own = json_text(json_get(object, "registered_name"), NULL);
    bool is_first = true, is_joined;
    const bool is_plain = optimizer_lists(settings, &is_joined) > 0 ||
                          (name != NULL && strcasecmp(name, "nadam") == 0);

    text_put(c->text, "\"optimizer_config\": ");
    if (legacy != NULL && c->keras_major < 3) { /* it goes with its own configuration */
        config_value_put(c, NULL, legacy);
        return;
    }
    text_put(c->text, "{\"class_name\": ");
    text_json_string(c->text, own != NULL ? own : name != NULL ? name : "");
    text_put(c->text, ", \"config\": {");
    for (uint32_t i = 0; config != NULL && config->kind == JSON_OBJECT && i < config->count; i++) {
        const json_member *m = &config->as.members[i];
        if (is_plain && says_nothing(config, m)) continue;
        if (!is_first) text_put(c->text, ", ");
        is_first = false;
        text_json_string(c->text, m->key);
        text_put(c->text, ": ");
        config_value_put(c, NULL, &m->value);
    }
    text_put(c->text, "}}");
}

void training_settings_put(config_writer *c, const json *settings)
{
    static const char *const parts[] = {"loss", "metrics", "weighted_metrics"};

    text_put(c->text, "{");
    optimizer_put(c, settings);
    config_members_put(c, settings, "|optimizer|optimizer_config|loss|metrics|weighted_metrics|",
                       false);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const json *part = json_get(settings, parts[i]);
        if (part == NULL) continue;
        text_format(c->text, ", \"%s\": ", parts[i]);
        parts_put(c, part, i == 0);
    }
    if (json_get(settings, "loss_weights") == NULL) text_put(c->text, ", \"loss_weights\": null");
    text_put(c->text, "}");
}
