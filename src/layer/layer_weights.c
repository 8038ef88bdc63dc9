/* layer_weights.c -- see layer_weights.h. */
#include "layer/layer_weights.h"

#include <string.h>

#include "layer/assembly.h"

uint32_t layer_weights_count(const built_model *model)
{
    return model->top->layer_count;
}

layer_weights *layer_weights_list(region *home, const built_model *model)
{
    const nested_model *top = model->top;
    layer_weights *list = region_new(home, layer_weights, (size_t)top->layer_count + 1);
    uint32_t first = 0;

    for (uint32_t k = 0; list != NULL && k < top->layer_count; k++) {
        const uint32_t count = instance_weight_count(top->layers[k]);
        list[k] = (layer_weights){top->layers[k]->name, first, count};
        first += count;
    }
    return list;
}

const layer_weights *layer_weights_find(const layer_weights *list, uint32_t count, const char *name)
{
    for (uint32_t k = 0; k < count; k++) {
        if (strcmp(list[k].name, name) == 0) return &list[k];
    }
    return NULL;
}
