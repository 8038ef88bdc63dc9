/* config_text.c -- the configuration of a loaded model, and its settings of compile(), as text in
 * Keras 3's terms: what its file would say, without the file. */
#include <string.h>

#include "base/status.h"
#include "format/keras/training_writer.h"
#include "json/json.h"
#include "runtime/config_text.h"
#include "runtime/recipe.h"
#include "runtime/suspend.h"
#include "runtime/training.h"

static region *work_open(model *m, ebb_error *error)
{
    region *work = region_open(m->owner->root, "config", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) region_fail(m->owner->root, error, m->info.name, "the configuration");
    return work;
}

static ebb_status text_hand_over(const model *m, const text_writer *text, ebb_text_function write,
                                 void *context, ebb_error *error)
{
    if (text->failed) return region_fail(text->home, error, m->info.name, "the configuration");
    if (write(context, text->text, text->length)) return EBB_OK;
    return fail(error, EBB_E_CANCELLED, m->info.name, "the text function ended it");
}

/* -- configuration ----------------------------------------------------------------------------- */

/* A file's own text has its settings of compile() in it: they have a call of their own. */
static ebb_status config_put(region *work, model *m, text_writer *out, ebb_error *error)
{
    const char *text = NULL;
    const json *object = NULL;
    bool is_first = true;
    ebb_status status = recipe_text_make(work, m, &text, error);

    if (status == EBB_OK)
        status = json_read(work, text, strlen(text), m->info.name, &object, error);
    if (status != EBB_OK) return status;
    text_put(out, "{");
    for (uint32_t i = 0; i < object->count; i++) {
        const json_member *member = &object->as.members[i];
        if (strcmp(member->key, "compile_config") == 0) continue;
        if (!is_first) text_put(out, ", ");
        is_first = false;
        text_json_string(out, member->key);
        text_put(out, ": ");
        text_json_value(out, &member->value);
    }
    text_put(out, "}");
    return EBB_OK;
}

ebb_status model_config_write(model *m, ebb_text_function write, void *context, ebb_error *error)
{
    text_writer text;

    if (m->d->model == NULL) return description_no_layers(m->d, "it has no configuration", error);
    region *work = work_open(m, error);
    if (work == NULL) return EBB_E_MEMORY;
    text_begin(&text, work);
    ebb_status status = config_put(work, m, &text, error);
    if (status == EBB_OK) status = text_hand_over(m, &text, write, context, error);
    region_close(work);
    return status;
}

/* -- settings of compile() --------------------------------------------------------------------- */

typedef struct rate_source {
    const training *t;
    uint32_t first; /* source of the optimizer's first variable */
} rate_source;

static ebb_status variable_read(void *context, const saved_tensor *tensor, void *bytes,
                                ebb_error *error)
{
    const rate_source *s = context;
    const uint32_t index = tensor->source - s->first;

    (void)error;
    memcpy(bytes, training_saved_bytes(s->t, index), s->t->sizes[s->t->optimizer_first + index]);
    return EBB_OK;
}

/* Those of the training with the learning rate of now; else the file's. */
static ebb_status settings_take(region *work, model *m, const training *t, const json **settings,
                                ebb_error *error)
{
    rate_source source = {t, m->built->weight_count};
    model_content content = {.description = m->d, .read = variable_read, .context = &source};
    saved_training saved = {.extra_count = 0};

    if (t != NULL && model_awake(m, NULL, error) != EBB_OK) return EBB_E_STATE;
    if (t == NULL) {
        *settings = m->d->compile_config;
        if (json_get(*settings, "optimizer_config") == NULL) return EBB_OK;
        *settings = settings_modernize(work, *settings);
        return *settings != NULL ? EBB_OK : region_fail(work, error, m->info.name, "its settings");
    }
    const ebb_status status = training_saved_list(t, work, &saved, error);
    if (status != EBB_OK) return status;
    content.extra = saved.extra;
    content.extra_count = saved.extra_count;
    content.compile_config = saved.compile_config;
    return settings_find(work, &content, settings, error);
}

static ebb_status settings_put(region *work, model *m, const training *t, text_writer *out,
                               ebb_error *error)
{
    const json *settings = NULL;
    const ebb_status status = settings_take(work, m, t, &settings, error);
    config_writer c = {
        .home = work, .text = out, .keras_major = 3, .where = m->info.name, .error = error};

    if (status != EBB_OK) return status;
    if (json_is_null(settings)) {
        text_put(out, "null");
        return EBB_OK;
    }
    compile_settings_put(&c, settings);
    return c.status;
}

ebb_status model_compile_config_write(model *m, ebb_text_function write, void *context,
                                      ebb_error *error)
{
    text_writer text;
    region *work = work_open(m, error);

    if (work == NULL) return EBB_E_MEMORY;
    text_begin(&text, work);
    training *t = training_look(m);
    if (t != NULL) training_wait(m);
    ebb_status status = settings_put(work, m, t, &text, error);
    if (t != NULL) {
        pthread_mutex_unlock(&m->training_mutex);
        training_look_end(t);
    }
    if (status == EBB_OK) status = text_hand_over(m, &text, write, context, error);
    region_close(work);
    return status;
}
