/* text_maker.c -- the texts of a file to be: its configuration and settings of compile(), as they
 * were in the file the model came from where that still describes it, else in Keras 3's terms.
 *
 * Source: keras/src/legacy/saving/saving_utils.py (model_metadata). */
#include <string.h>

#include "base/status.h"
#include "format/keras/training_writer.h"
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
        compile_settings_put(c, settings);
    }
    text_put(c->text, "}");
}

static void upgraded_put(config_writer *c, const model_config *m, const json *settings)
{
    config_model_begin(c, m);
    text_put(c->text, ", \"build_config\": {\"input_shape\": null}");
    if (settings != NULL) {
        text_put(c->text, ", \"compile_config\": ");
        compile_settings_put(c, settings);
    }
    text_put(c->text, "}");
}

ebb_status keras_text_make(region *home, const model_content *content, model_text *text,
                           ebb_error *error)
{
    const description *d = content->description;
    const json *settings = NULL;
    const ebb_status found = settings_find(home, content, &settings, error);
    const bool is_own = is_keras_3(d);
    text_writer out;

    if (found != EBB_OK) return found;
    *text = (model_text){.settings = settings,
                         .keras_version = is_own && d->keras_version[0] != '\0'
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
        own_put(&c, d->model->source, settings);
    } else {
        upgraded_put(&c, d->model, settings);
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
    training_settings_put(&c, settings);
    text->training = out.text;
    return finish(&c);
}

/* The configuration of the file the model came from. */
static ebb_status kept_make(region *home, const model_content *content, const json *settings,
                            model_text *text, ebb_error *error)
{
    const description *d = content->description;

    text->keras_version = d->keras_version;
    if (d->backend[0] != '\0') text->backend = d->backend;
    text->config = region_text_length(home, d->config_text, d->config_length);
    if (text->config == NULL) return region_fail(home, error, d->path, "its text");
    return training_make(home, content, settings != NULL ? settings : d->compile_config, text,
                         error);
}

static bool can_keep(const model_content *content)
{
    const description *d = content->description;

    return strcmp(d->format, "h5") == 0 && d->keras_major == 2 && d->keras_version[0] != '\0' &&
           d->layout == WEIGHTS_BY_ORDER && !content->is_converted;
}

static ebb_status h5_config_make(region *home, const model_content *content, config_grammar grammar,
                                 const json *settings, model_text *text, ebb_error *error)
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
    return status == EBB_OK ? training_make(home, content, settings, text, error) : status;
}

/* What Keras 2 and 3 both read; else what Keras 3 reads; else what the file had. */
ebb_status h5_text_make(region *home, const model_content *content, model_text *text,
                        ebb_error *error)
{
    const json *settings = NULL;
    ebb_status status = settings_find(home, content, &settings, error);

    if (status != EBB_OK) return status;
    *text = (model_text){
        .keras_version = KERAS_VERSION_WRITTEN, .backend = "tensorflow", .settings = settings};
    status = h5_config_make(home, content, GRAMMAR_COMMON, settings, text, error);
    if (status == EBB_E_UNSUPPORTED)
        status = h5_config_make(home, content, GRAMMAR_KERAS_3, settings, text, error);
    if (status == EBB_E_UNSUPPORTED && can_keep(content))
        status = kept_make(home, content, settings, text, error);
    return status;
}
