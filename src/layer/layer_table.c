/* layer_table.c -- the tables of layers and of operation nodes, and look-up by name.
 *
 * Both tables are made from their list.inc, so a layer exists when its line exists. Invariants
 * (checked by the unit test): names and aliases are unique within a table, every entry has a build
 * function. */
#include "layer/layer.h"

#include <string.h>

#define LAYER(name, parameters) extern const layer_def layer_def_##name;
#include "layer/list.inc"
#undef LAYER
#define OPERATION(name) extern const layer_def layer_def_op_##name;
#include "layer/operation_list.inc"
#undef OPERATION

static const layer_def *const layers[] = {
#define LAYER(name, parameters) &layer_def_##name,
#include "layer/list.inc"
#undef LAYER
};

static const constructor constructors[] = {
#define LAYER(name, parameters) {#name, parameters},
#include "layer/list.inc"
#undef LAYER
};

static const layer_def *const operations[] = {
#define OPERATION(name) &layer_def_op_##name,
#include "layer/operation_list.inc"
#undef OPERATION
};

/* Layers that are not in keras.layers: found by name, and not among those that are listed. */
extern const layer_def layer_def_variable, layer_def_layer_scale, layer_def_stochastic_depth,
    layer_def_custom_scale_layer, layer_def_add_loss;
static const layer_def *const own_layers[] = {
    &layer_def_variable,           &layer_def_layer_scale, &layer_def_stochastic_depth,
    &layer_def_custom_scale_layer, &layer_def_add_loss,
};

#define COUNT(table) ((uint32_t)(sizeof(table) / sizeof((table)[0])))

bool name_among(const char *names, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = names; at != NULL && *at != '\0';) {
        const char *end = strchr(at, '|');
        const size_t bytes = end != NULL ? (size_t)(end - at) : strlen(at);
        if (bytes == length && memcmp(at, name, length) == 0) return true;
        at = end != NULL ? end + 1 : NULL;
    }
    return false;
}

static const layer_def *table_find(const layer_def *const *table, uint32_t count, const char *name)
{
    if (name == NULL || name[0] == '\0') return NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(table[i]->name, name) == 0 || name_among(table[i]->aliases, name))
            return table[i];
    }
    return NULL;
}

const layer_def *layer_find(const char *class_name)
{
    const layer_def *found = table_find(layers, COUNT(layers), class_name);

    return found != NULL ? found : table_find(own_layers, COUNT(own_layers), class_name);
}

const layer_def *operation_find(const char *class_name)
{
    return table_find(operations, COUNT(operations), class_name);
}

uint32_t layer_table_count(void)
{
    return COUNT(layers);
}

const layer_def *layer_table_at(uint32_t index)
{
    return index < COUNT(layers) ? layers[index] : NULL;
}

const constructor *layer_constructor_at(uint32_t index)
{
    return index < COUNT(constructors) ? &constructors[index] : NULL;
}

uint32_t operation_table_count(void)
{
    return COUNT(operations);
}

const layer_def *operation_table_at(uint32_t index)
{
    return index < COUNT(operations) ? operations[index] : NULL;
}
