/* training_trainable.c -- layers frozen or freed after the file was made. The last word on a layer
 * or on a model around it counts. Files that are saved say the same. */
#include <string.h>

#include "base/status.h"
#include "format/keras/config_trainable.h"
#include "runtime/training.h"

/* Is `title` the layer, or inside it? */
static bool is_within(const char *title, const char *layer)
{
    const size_t length = strlen(layer);

    return length == 0 ||
           (strncmp(title, layer, length) == 0 && (title[length] == 0 || title[length] == '/'));
}

bool choices_answer(void *context, const char *title, bool otherwise)
{
    const trainable_choice *c = context;

    while (c != NULL && !is_within(title, c->layer)) c = c->next;
    return c != NULL ? c->is_trainable : otherwise;
}

/* Names stay as long as the model. */
ebb_status choices_copy(model *m, region *home, trainable_choice **copy, ebb_error *error)
{
    trainable_choice **end = copy;
    ebb_status status = EBB_OK;

    *copy = NULL;
    pthread_mutex_lock(&m->mutex);
    for (const trainable_choice *c = m->choices; c != NULL && status == EBB_OK; c = c->next) {
        *end = region_new(home, trainable_choice, 1);
        if (*end == NULL) {
            status = region_fail(home, error, m->info.name, "what is frozen");
        } else {
            **end = (trainable_choice){NULL, c->layer, c->is_trainable};
            end = &(*end)->next;
        }
    }
    pthread_mutex_unlock(&m->mutex);
    return status;
}

ebb_status choices_describe(region *home, const description *d, trainable_choice *choices,
                            const description **result, ebb_error *error)
{
    const trainable_answers answers = {choices_answer, choices};

    *result = d;
    if (d->model == NULL)
        return description_no_layers(d, "it cannot be saved, cloned or taken apart", error);
    return choices == NULL ? EBB_OK : description_trainable(home, d, &answers, result, error);
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
    trainable_choice **at = &m->choices, *c;
    while (*at != NULL && strcmp((*at)->layer, layer) != 0) at = &(*at)->next;
    c = *at;
    if (c != NULL) {
        *at = c->next; /* what was said before about the same layer counts no more */
        *c = (trainable_choice){m->choices, c->layer, is_trainable};
    } else {
        c = region_new(m->choices_home, trainable_choice, 1);
        const char *name = c == NULL ? NULL : region_text(m->choices_home, layer);
        if (name == NULL) return region_fail(m->choices_home, error, layer, "its state");
        *c = (trainable_choice){m->choices, name, is_trainable};
    }
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
    pthread_mutex_lock(&m->mutex);
    const ebb_status status = choice_add(m, layer, is_trainable, error);
    atomic_fetch_add(&m->choice_changes, 1);
    pthread_mutex_unlock(&m->mutex);
    return status;
}
