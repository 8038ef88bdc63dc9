/* saved.c -- the list of a model's weights as files keep them.
 *
 * By path: object and number, as weight_order.c gave them; a weight that a wrapper has adopted
 * stands in both objects. By order: per layer of the model at the top, trainable weights first, as
 * bind.c reads them; of a layer that is frozen as a whole none is.
 * Source: keras/src/saving/saving_lib.py, keras/src/legacy/saving/legacy_h5_format.py. */
#include "layer/saved.h"

#include <string.h>

#include "base/status.h"
#include "layer/assembly.h"

typedef struct lister {
    region *home;
    const description *d;
    const built_model *model;
    const weight_source *sources;
    const bool *trainable; /* by weight */
    saved_tensor *tensors;
    uint32_t count;
    bool no_memory;
} lister;

/* Names as the file had them, where it kept weights by layer. */
static const char *legacy_name(lister *l, const layer_weight *w, uint32_t index)
{
    const tensor_entry *entry = l->sources[index].entry;

    if (l->d->layout == WEIGHTS_BY_ORDER && l->d->keras_major >= 2 && entry != NULL)
        return entry->name;
    const char *name = region_format(l->home, "%s/%s", w->title, w->name);
    if (name == NULL) l->no_memory = true;
    return name;
}

static saved_tensor tensor_make(const layer_weight *w, const char *path, uint32_t variable,
                                uint32_t source)
{
    saved_tensor t = {
        .path = path, .variable = variable, .dtype = w->dtype, .rank = w->rank, .source = source};

    memcpy(t.dims, w->dims, sizeof t.dims);
    return t;
}

/* -- what is trained --------------------------------------------------------------------------- */

typedef struct asking {
    bool (*is_trainable)(void *context, const char *title, bool otherwise);
    void *context;
    bool *trainable;
} asking;

/* Recursion: LAYER_DEPTH_MAX levels, as the instances were made. */
static void instance_ask(const asking *a, const layer_instance *i)
{
    const bool is_trainable = a->is_trainable(a->context, i->title, i->trainable);

    for (uint32_t k = 0; k < i->weight_count; k++)
        a->trainable[i->weights[k].index] = is_trainable && !i->weights[k].is_state;
    for (uint32_t k = 0; k < i->child_count; k++) instance_ask(a, i->children[k]);
    for (uint32_t k = 0; i->model != NULL && k < i->model->layer_count; k++)
        instance_ask(a, i->model->layers[k]);
}

const bool *saved_trainable(region *home, const built_model *model,
                            bool (*is_trainable)(void *context, const char *title, bool otherwise),
                            void *context)
{
    const asking a = {is_trainable, context,
                      region_new(home, bool, (size_t)model->weight_count + 1)};

    for (uint32_t k = 0; a.trainable != NULL && k < model->top->layer_count; k++)
        instance_ask(&a, model->top->layers[k]);
    return a.trainable;
}

/* -- by path ----------------------------------------------------------------------------------- */

static const layer_weight *adopted(const layer_instance *i)
{
    const layer_instance *child = i->adopted_from;

    for (uint32_t k = 0; child != NULL && k < child->weight_count; k++) {
        if (strcmp(child->weights[k].name, i->adopted_name) == 0) return &child->weights[k];
    }
    return NULL;
}

/* Counts the adopted weights of an instance and all inside it; appends them when there is room for
 * them. Recursion: LAYER_DEPTH_MAX levels, as the instances were made. */
static uint32_t adopted_list(lister *l, const layer_instance *i)
{
    const layer_weight *w = adopted(i);
    uint32_t count = w != NULL;

    if (w != NULL && l->tensors != NULL)
        l->tensors[l->count++] = tensor_make(w, i->path, 0, w->index);
    for (uint32_t k = 0; k < i->child_count; k++) count += adopted_list(l, i->children[k]);
    for (uint32_t k = 0; i->model != NULL && k < i->model->layer_count; k++)
        count += adopted_list(l, i->model->layers[k]);
    return count;
}

static uint32_t all_adopted(lister *l)
{
    uint32_t count = 0;

    for (uint32_t k = 0; k < l->model->top->layer_count; k++)
        count += adopted_list(l, l->model->top->layers[k]);
    return count;
}

static bool paths_list(lister *l)
{
    const built_model *m = l->model;
    const uint32_t count = m->weight_count + all_adopted(l);

    l->tensors = region_new(l->home, saved_tensor, (size_t)count + 1);
    if (l->tensors == NULL) return false;
    for (uint32_t k = 0; k < m->weight_count; k++) {
        const layer_weight *w = m->weights[k];
        l->tensors[l->count++] = tensor_make(w, w->path, w->variable, k);
        l->tensors[k].name = legacy_name(l, w, k);
    }
    all_adopted(l);
    return !l->no_memory;
}

/* -- by layer ---------------------------------------------------------------------------------- */

/* Weights [first, first + count) in the order of .h5 files. */
static bool layer_list(lister *l, const layer_instance *i, uint32_t first, saved_layer *layer)
{
    const uint32_t count = instance_weight_count(i);
    saved_tensor *tensors = region_new(l->home, saved_tensor, (size_t)count + 1);

    if (tensors == NULL) return false;
    *layer = (saved_layer){.name = i->name, .tensors = tensors};
    for (int pass = 0; pass <= 1; pass++) {
        for (uint32_t k = first; k < first + count; k++) {
            if (l->trainable[k] == (pass == 0)) tensors[layer->count++] = l->tensors[k];
        }
    }
    return true;
}

/* Keras lists no operations, and of a Sequential not its input. */
static bool is_listed(const lister *l, const layer_instance *i)
{
    if (i->source->is_operation) return false;
    return strcmp(l->d->model->class_name, "Sequential") != 0 ||
           strcmp(i->class_name, "InputLayer") != 0;
}

static saved_layer *layers_list(lister *l, uint32_t *count)
{
    const nested_model *top = l->model->top;
    saved_layer *layers = region_new(l->home, saved_layer, (size_t)top->layer_count + 1);
    uint32_t first = 0;

    *count = 0;
    for (uint32_t k = 0; layers != NULL && k < top->layer_count; k++) {
        if (!is_listed(l, top->layers[k])) continue;
        if (!layer_list(l, top->layers[k], first, &layers[*count])) return NULL;
        first += layers[(*count)++].count;
    }
    return layers;
}

ebb_status saved_list(region *home, const description *d, const built_model *model,
                      const weight_source *sources, const bool *trainable,
                      const saved_training *training, model_content *content, ebb_error *error)
{
    lister l = {
        .home = home, .d = d, .model = model, .sources = sources, .trainable = trainable};

    *content = (model_content){.description = d};
    if (paths_list(&l)) content->layers = layers_list(&l, &content->layer_count);
    if (content->layers == NULL) return region_fail(home, error, d->path, "the names of weights");
    content->tensors = l.tensors;
    content->tensor_count = l.count;
    for (uint32_t k = 0; k < model->weight_count; k++)
        content->is_converted |= sources[k].conversion != NULL;
    if (training == NULL) return EBB_OK;
    content->compile_config = training->compile_config;
    if (content->is_converted && training->compile_config == NULL) return EBB_OK;
    content->extra = training->extra;
    content->extra_count = training->extra_count;
    return EBB_OK;
}
