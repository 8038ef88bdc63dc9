/* training_trainable.c -- layers frozen or freed after the file was made. The last word on a layer
 * or on a model around it counts. */
#include <string.h>

#include "base/status.h"
#include "runtime/training.h"

/* Is `title` the layer, or inside it? */
static bool is_within(const char *title, const char *layer)
{
    const size_t length = strlen(layer);

    return length == 0 ||
           (strncmp(title, layer, length) == 0 && (title[length] == 0 || title[length] == '/'));
}

bool training_is_trainable(void *context, const char *title, bool otherwise)
{
    const model *m = context;

    for (const trainable_choice *c = m->choices; c != NULL; c = c->next) {
        if (is_within(title, c->layer)) return c->is_trainable;
    }
    return otherwise;
}

/* Depth is bounded by LAYER_DEPTH_MAX. */
static bool layer_exists(const layer_instance *i, const char *layer)
{
    if (i == NULL) return false;
    if (is_within(i->title, layer)) return true;
    for (uint32_t k = 0; k < i->child_count; k++) {
        if (layer_exists(i->children[k], layer)) return true;
    }
    for (uint32_t k = 0; i->model != NULL && k < i->model->layer_count; k++) {
        if (layer_exists(i->model->layers[k], layer)) return true;
    }
    return false;
}

static ebb_status choice_add(model *m, const char *layer, bool is_trainable, ebb_error *error)
{
    if (m->choices_home == NULL)
        m->choices_home = region_open(m->home, "trainable", EBB_CLASS_META, 0);
    if (m->choices_home == NULL) return region_fail(m->home, error, layer, "its state");
    for (trainable_choice *c = m->choices; c != NULL; c = c->next) {
        if (strcmp(c->layer, layer) != 0 || c != m->choices) continue;
        c->is_trainable = is_trainable;
        return EBB_OK;
    }
    trainable_choice *c = region_new(m->choices_home, trainable_choice, 1);
    const char *name = c == NULL ? NULL : region_text(m->choices_home, layer);
    if (name == NULL) return region_fail(m->choices_home, error, layer, "its state");
    *c = (trainable_choice){m->choices, name, is_trainable};
    m->choices = c;
    return EBB_OK;
}

ebb_status training_trainable_set(model *m, const char *layer, bool is_trainable, ebb_error *error)
{
    const nested_model *top = m->built->top;
    bool exists = false;

    for (uint32_t i = 0; i < top->layer_count && !exists; i++) {
        exists = layer_exists(top->layers[i], layer);
    }
    if (!exists)
        return fail(error, EBB_E_NOT_FOUND, layer, "the model '%s' has no such layer",
                    m->info.name);
    pthread_mutex_lock(&m->training_mutex);
    const ebb_status status = choice_add(m, layer, is_trainable, error);
    pthread_mutex_unlock(&m->training_mutex);
    return status;
}
