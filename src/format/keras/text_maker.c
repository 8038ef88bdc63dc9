/* text_maker.c -- the texts of a file to be: its configuration and settings of compile(), as they
 * were in the file the model came from where that still describes it, else in Keras 3's terms.
 *
 * Settings of compile() by Keras 1 and 2 go along only with their own configuration: Keras 3 has
 * other optimizers. Source: keras/src/legacy/saving/saving_utils.py (model_metadata). */
#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "format/keras/config_writer.h"
#include "format/keras/writer.h"

/* Are the layers serialized as Keras 3 does? Ours are, in .h5 as well. */
static bool is_keras_3(const description *d)
{
    const json *layers = json_path(d->model->source, "config.layers");

    return d->keras_major >= 3 && json_get(json_item(layers, 0), "module") != NULL;
}

static config_writer writer_make(region *home, const model_content *content, text_writer *text,
                                 ebb_error *error)
{
    const description *d = content->description;

    return (config_writer){.home = home,
                           .text = text,
                           .keras_major = d->keras_major,
                           .is_upgraded = !is_keras_3(d),
                           .where = d->model->name,
                           .error = error};
}

static ebb_status finish(const config_writer *c)
{
    if (c->text->failed) return region_fail(c->home, c->error, "config", "its text");
    return c->status;
}

/* Settings of compile(), in whichever terms; NULL: none that Keras 3 would understand. */
static const json *settings_of(const model_content *content)
{
    if (content->compile_config != NULL) return content->compile_config;
    if (content->description->keras_major < 3) return NULL;
    return content->description->compile_config;
}

static void optimizer_put(config_writer *c, const char *key, const json *optimizer, bool is_legacy)
{
    static const json none = {.kind = JSON_OBJECT};
    const json *config = json_get(optimizer, "config");

    text_json_string(c->text, key);
    text_put(c->text, is_legacy ? ": {\"class_name\": "
                                : ": {\"module\": \"keras.optimizers\", \"class_name\": ");
    text_json_string(c->text,
                     json_text(optimizer, json_text(json_get(optimizer, "class_name"), "")));
    text_put(c->text, ", \"config\": ");
    config_value_put(c, NULL, config != NULL ? config : &none);
    text_put(c->text, is_legacy ? "}" : ", \"registered_name\": null}");
}

/* The settings as config.json has them. */
static void compile_put(config_writer *c, const json *settings)
{
    const json *legacy = json_get(settings, "optimizer_config");

    if (legacy == NULL) {
        config_value_put(c, NULL, settings);
        return;
    }
    text_put(c->text, "{");
    optimizer_put(c, "optimizer", legacy, false);
    config_members_put(c, settings, "|optimizer_config|", false);
    text_put(c->text, "}");
}

/* Short names of losses: Keras 3 reads them everywhere but here. */
typedef struct loss_name {
    const char *given, *name;
} loss_name;

static const loss_name loss_names[] = {
    {"bce", "binary_crossentropy"}, {"kld", "kl_divergence"},
    {"mae", "mean_absolute_error"}, {"mape", "mean_absolute_percentage_error"},
    {"mse", "mean_squared_error"},  {"msle", "mean_squared_logarithmic_error"},
};

static const char *loss_name_of(const char *given)
{
    for (size_t i = 0; i < sizeof loss_names / sizeof loss_names[0]; i++) {
        if (strcasecmp(loss_names[i].given, given) == 0) return loss_names[i].name;
    }
    return given;
}

/* One loss, or a list or dict of them. Recursion: the depth of the document, which json_read()
 * bounds. */
static void losses_put(config_writer *c, const json *value)
{
    const bool is_dict = value->kind == JSON_OBJECT && json_get(value, "class_name") == NULL;

    if (value->kind == JSON_STRING) {
        text_json_string(c->text, loss_name_of(value->as.string));
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
        losses_put(c, is_dict ? &value->as.members[i].value : &value->as.items[i]);
    }
    text_put(c->text, is_dict ? "}" : "]");
}

/* The settings as the attribute training_config has them. */
static void training_put(config_writer *c, const json *settings)
{
    const json *loss = json_get(settings, "loss"), *legacy = json_get(settings, "optimizer_config");

    text_put(c->text, "{");
    if (legacy != NULL) {
        text_put(c->text, "\"optimizer_config\": ");
        config_value_put(c, NULL, legacy);
    } else {
        optimizer_put(c, "optimizer_config", json_get(settings, "optimizer"), true);
    }
    config_members_put(c, settings, "|optimizer|optimizer_config|loss|", false);
    if (loss != NULL) {
        text_put(c->text, ", \"loss\": ");
        losses_put(c, loss);
    }
    if (json_get(settings, "loss_weights") == NULL) text_put(c->text, ", \"loss_weights\": null");
    text_put(c->text, "}");
}

/* -- .keras ------------------------------------------------------------------------------------ */

/* The object of a .h5 has a class and a config only. */
static void own_put(config_writer *c, const json *object, const json *settings)
{
    const bool is_sequential = json_is_text(json_get(object, "class_name"), "Sequential");

    text_put(c->text, "{");
    if (json_get(object, "module") == NULL) {
        text_put(c->text, is_sequential ? "\"module\": \"keras\", "
                                        : "\"module\": \"keras.src.models.functional\", ");
    }
    config_members_put(c, object, "|compile_config|", true);
    if (settings != NULL) {
        text_put(c->text, ", \"compile_config\": ");
        compile_put(c, settings);
    }
    text_put(c->text, "}");
}

static void upgraded_put(config_writer *c, const model_config *m, const json *settings)
{
    config_model_begin(c, m);
    text_put(c->text, ", \"build_config\": {\"input_shape\": null}");
    if (settings != NULL) {
        text_put(c->text, ", \"compile_config\": ");
        compile_put(c, settings);
    }
    text_put(c->text, "}");
}

ebb_status keras_text_make(region *home, const model_content *content, model_text *text,
                           ebb_error *error)
{
    const description *d = content->description;
    const bool is_own = is_keras_3(d);
    text_writer out;

    *text = (model_text){.keras_version = is_own && d->keras_version[0] != '\0'
                                              ? d->keras_version
                                              : KERAS_VERSION_WRITTEN};
    if (is_own && json_get(d->model->source, "module") != NULL && !content->is_converted &&
        content->compile_config == NULL) {
        text->config = region_text_length(home, d->config_text, d->config_length);
        return text->config != NULL ? EBB_OK : region_fail(home, error, d->path, "its text");
    }
    text_begin(&out, home);
    config_writer c = writer_make(home, content, &out, error);
    c.drops_lora = content->is_converted;
    if (is_own) {
        own_put(&c, d->model->source, settings_of(content));
    } else {
        upgraded_put(&c, d->model, settings_of(content));
    }
    text->config = out.text;
    return finish(&c);
}

/* -- .h5 --------------------------------------------------------------------------------------- */

static ebb_status training_make(region *home, const model_content *content, const json *settings,
                                model_text *text, ebb_error *error)
{
    const bool has_optimizer = !json_is_null(json_get(settings, "optimizer")) ||
                               !json_is_null(json_get(settings, "optimizer_config"));
    text_writer out;

    if (!has_optimizer) return EBB_OK; /* Keras reads no settings without one */
    text_begin(&out, home);
    config_writer c = writer_make(home, content, &out, error);
    c.is_upgraded = false;
    training_put(&c, settings);
    text->training = out.text;
    return finish(&c);
}

/* The configuration of the file the model came from. */
static ebb_status kept_make(region *home, const model_content *content, model_text *text,
                            ebb_error *error)
{
    const description *d = content->description;

    text->keras_version = d->keras_version;
    if (d->backend[0] != '\0') text->backend = d->backend;
    text->config = region_text_length(home, d->config_text, d->config_length);
    if (text->config == NULL) return region_fail(home, error, d->path, "its text");
    const json *settings =
        content->compile_config != NULL ? content->compile_config : d->compile_config;
    return training_make(home, content, settings, text, error);
}

static bool can_keep(const model_content *content)
{
    const description *d = content->description;

    return strcmp(d->format, "h5") == 0 && d->keras_major == 2 && d->keras_version[0] != '\0' &&
           d->layout == WEIGHTS_BY_ORDER && !content->is_converted;
}

static ebb_status h5_config_make(region *home, const model_content *content, config_grammar grammar,
                                 model_text *text, ebb_error *error)
{
    const description *d = content->description;
    text_writer out;

    text_begin(&out, home);
    config_writer c = writer_make(home, content, &out, error);
    c.grammar = grammar;
    c.is_upgraded |= grammar == GRAMMAR_COMMON;
    c.drops_lora = true; /* layers with LoRA would expect its arrays among their weights */
    text_put(&out, "{\"class_name\": ");
    text_json_string(&out, d->model->class_name);
    text_put(&out, ", \"config\": ");
    if (c.is_upgraded) {
        config_model_put(&c, d->model);
    } else {
        config_value_put(&c, NULL, json_get(d->model->source, "config"));
    }
    text_put(&out, "}");
    text->config = out.text;
    const ebb_status status = finish(&c);
    return status == EBB_OK ? training_make(home, content, settings_of(content), text, error)
                            : status;
}

/* What Keras 2 and 3 both read; else what Keras 3 reads; else what the file had. */
ebb_status h5_text_make(region *home, const model_content *content, model_text *text,
                        ebb_error *error)
{
    *text = (model_text){.keras_version = KERAS_VERSION_WRITTEN, .backend = "tensorflow"};
    ebb_status status = h5_config_make(home, content, GRAMMAR_COMMON, text, error);
    if (status == EBB_E_UNSUPPORTED)
        status = h5_config_make(home, content, GRAMMAR_KERAS_3, text, error);
    if (status == EBB_E_UNSUPPORTED && can_keep(content))
        status = kept_make(home, content, text, error);
    return status;
}
