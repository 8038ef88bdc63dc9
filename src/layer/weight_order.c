/* weight_order.c -- numbers the weights of an assembled model as Keras's model.weights does.
 *
 * Per layer: its own variables, trainable ones first (as they were when made, frozen or not),
 * object by object; then the layers inside it in order. Source: keras/src/layers/layer.py,
 * Layer.weights. */
#include <string.h>

#include "base/size.h"
#include "layer/assembly.h"
#include "tensor/view.h"

typedef struct weight_list {
    layer_weight **items;
    uint32_t count;
} weight_list;

static bool object_is_new(const layer_instance *i, uint32_t index)
{
    for (uint32_t k = 0; k < index; k++) {
        if (strcmp(i->weights[k].path, i->weights[index].path) == 0) return false;
    }
    return true;
}

static void weight_append(weight_list *list, layer_weight *w)
{
    if (w->is_listed) return;
    w->is_listed = true;
    list->items[list->count++] = w;
}

static void adopted_collect(const layer_instance *i, weight_list *list)
{
    const layer_instance *child = i->adopted_from;
    for (uint32_t k = 0; child != NULL && k < child->weight_count; k++) {
        if (strcmp(child->weights[k].name, i->adopted_name) == 0)
            weight_append(list, &child->weights[k]);
    }
}

/* The variables of the object that weight `index` belongs to: numbered within it, appended to the
 * list. */
static void object_collect(layer_instance *i, uint32_t index, weight_list *list)
{
    const char *path = i->weights[index].path;
    const bool is_layer = strcmp(path, i->path) == 0;
    uint32_t variable = is_layer && i->adopted_from != NULL ? 1 : 0;
    for (int states = 0; states <= 1; states++) {
        for (uint32_t k = index; k < i->weight_count; k++) {
            layer_weight *w = &i->weights[k];
            if (w->is_state != (states == 1) || strcmp(w->path, path) != 0) continue;
            w->variable = variable++;
            weight_append(list, w);
        }
    }
}

/* Recursion: LAYER_DEPTH_MAX levels, as the instances were made. */
static void instance_collect(layer_instance *i, weight_list *list)
{
    adopted_collect(i, list);
    for (uint32_t k = 0; k < i->weight_count; k++) {
        if (object_is_new(i, k)) object_collect(i, k, list);
    }
    for (uint32_t k = 0; k < i->child_count; k++) instance_collect(i->children[k], list);
    if (i->model == NULL) return;
    for (uint32_t k = 0; k < i->model->layer_count; k++)
        instance_collect(i->model->layers[k], list);
}

/* Recursion: as instance_collect. */
uint32_t instance_weight_count(const layer_instance *i)
{
    uint32_t count = i->weight_count;
    for (uint32_t k = 0; k < i->child_count; k++) count += instance_weight_count(i->children[k]);
    for (uint32_t k = 0; i->model != NULL && k < i->model->layer_count; k++) {
        count += instance_weight_count(i->model->layers[k]);
    }
    return count;
}

static void weight_number(graph *g, layer_weight *w, uint32_t index)
{
    w->index = index;
    g->values[w->v].index = index;
}

bool weights_collect(assembly *a, built_model *model)
{
    weight_list list = {.items = region_new(a->home, layer_weight *, (size_t)a->weight_count + 1)};
    if (list.items == NULL) return assembly_no_memory(a, model->top->config->name);
    for (uint32_t k = 0; k < model->top->layer_count; k++) {
        instance_collect(model->top->layers[k], &list);
    }
    model->weights = list.items;
    model->weight_count = list.count;
    for (uint32_t k = 0; k < list.count; k++) {
        layer_weight *w = list.items[k];
        uint64_t count = 0;
        weight_number(a->graph, w, k);
        if (!dims_count(w->rank, w->dims, &count) ||
            !u64_add(model->parameters, count, &model->parameters)) {
            return assembly_fail(a, EBB_E_SHAPE, w->path,
                                 "the model has too many parameters to count");
        }
        if (w->trainable) model->parameters_trainable += count;
    }
    return true;
}
