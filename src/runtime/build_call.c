/* build_call.c -- calls of layers: the tensors and values that go in become a node.
 *
 * Source: the call signatures of keras/src/layers: merging layers and Attention take one list,
 * MultiHeadAttention its tensors one by one; most operations of keras.ops do, too. */
#include <string.h>

#include "base/status.h"
#include "format/keras/upgrade.h"
#include "runtime/model_builder.h"

#define NONE UINT32_MAX

static bool takes_separately(const layer_config *layer)
{
    if (layer->is_operation)
        return !name_in("|Concatenate|Stack|Hstack|Vstack|", layer->class_name);
    return name_in("|MultiHeadAttention|GroupQueryAttention|", layer->class_name);
}

static bool tensor_argument(builder *b, ebb_tensor x, argument *result)
{
    *result = (argument){.kind = ARGUMENT_TENSOR};
    return builder_tensor_read(b, x, &result->ref);
}

/* One tensor, or a list. */
static bool tensors_argument(builder *b, const ebb_tensor *tensors, size_t count, bool is_list,
                             argument *result)
{
    if (!is_list) return tensor_argument(b, tensors[0], result);
    argument *items = region_new(b->home, argument, count);
    if (items == NULL) return builder_no_memory(b, "call");
    for (size_t i = 0; i < count; i++) {
        if (!tensor_argument(b, tensors[i], &items[i])) return false;
    }
    *result = (argument){.kind = ARGUMENT_LIST, .items = items, .item_count = (uint32_t)count};
    return true;
}

static bool can_call(builder *b, uint32_t layer, const void *inputs, size_t count)
{
    if (!builder_good(b)) return false;
    const layer_config *config = &b->layers[layer].config;
    const bool is_input = strcmp(config->class_name, "InputLayer") == 0;
    if (name_in("|Variable|", config->class_name) && count == 0) return true;
    if (is_input ? count == 0 : count > 0 && inputs != NULL && count <= BUILDER_LAYERS_MAX)
        return true;
    return builder_fail(b, EBB_E_ARGUMENT, config->name,
                        is_input ? "an InputLayer takes no tensors"
                                 : "%s is called without a tensor",
                        config->class_name);
}

static ebb_tensor node_make(builder *b, uint32_t layer, argument *arguments, size_t count)
{
    const call_config call = {arguments, (uint32_t)count};

    return builder_tensor_make(b, builder_node_add(b, layer, &call), 0);
}

ebb_tensor builder_call(builder *b, uint32_t layer, const ebb_tensor *inputs, size_t count)
{
    const ebb_tensor none = {0};

    if (!can_call(b, layer, inputs, count)) return none;
    const layer_config *config = &b->layers[layer].config;
    const bool is_separate = takes_separately(config);
    const size_t arguments = count == 0 ? 0 : is_separate ? count : 1;
    argument *a = region_new(b->home, argument, arguments + 1);
    if (a == NULL) return builder_no_memory(b, config->name), none;
    for (size_t i = 0; i < arguments; i++) {
        const bool is_list = !is_separate && count > 1;
        if (!tensors_argument(b, inputs + i, is_list ? count : 1, is_list, &a[i])) return none;
    }
    return node_make(b, layer, a, arguments);
}

/* A value as files have it once they are read: tuples are lists. */
static bool literal_read(builder *b, const char *text, const char *where, argument *result)
{
    const json *literal = builder_value_read(b, text, where);
    json *clean = literal == NULL ? NULL : region_new(b->home, json, 1);

    if (clean == NULL) return builder_no_memory(b, where);
    if (upgrade_value(b->home, literal, where, clean, &b->error) != EBB_OK) return false;
    *result = (argument){.kind = ARGUMENT_LITERAL, .literal = json_is_null(clean) ? NULL : clean};
    return true;
}

static bool argument_read(builder *b, const ebb_call_argument *given, const char *where,
                          argument *result)
{
    if (given->count > 0) {
        if (given->tensors == NULL || given->count > BUILDER_LAYERS_MAX)
            return builder_fail(b, EBB_E_ARGUMENT, where, "an argument without its tensors");
        if (!tensors_argument(b, given->tensors, given->count, given->count > 1, result))
            return false;
    } else if (!literal_read(b, given->value, where, result)) {
        return false;
    }
    if (given->name == NULL) return true;
    result->name = region_text(b->home, given->name);
    return result->name != NULL || builder_no_memory(b, where);
}

/* mask=None and training=None are what a layer gets anyway. */
static bool says_nothing(const layer_config *layer, const argument *a)
{
    return !layer->is_operation && a->name != NULL && a->kind == ARGUMENT_LITERAL &&
           a->literal == NULL && name_in("|mask|training|", a->name);
}

/* layer(inputs=x) is layer(x). */
static void first_keyword_place(const layer_config *layer, argument *a, size_t count)
{
    if (layer->is_operation || count == 0 || a[0].name == NULL) return;
    for (size_t i = 0; i < count; i++) {
        if (!name_in("|inputs|sequences|", a[i].name)) continue;
        argument first = a[i];
        memmove(a + 1, a, i * sizeof first);
        first.name = NULL;
        a[0] = first;
        return;
    }
}

ebb_tensor builder_call_with(builder *b, uint32_t layer, const ebb_call_argument *given,
                             size_t count)
{
    const ebb_tensor none = {0};

    if (!can_call(b, layer, given, count)) return none;
    const char *where = b->layers[layer].config.name;
    argument *a = region_new(b->home, argument, count + 1);
    size_t used = 0;
    if (a == NULL) return builder_no_memory(b, where), none;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && given[i].name == NULL && given[i - 1].name != NULL) {
            builder_fail(b, EBB_E_ARGUMENT, where,
                         "argument %zu stands by position behind '%.60s'; arguments with names "
                         "come last",
                         i + 1, given[i - 1].name);
            return none;
        }
        if (!argument_read(b, &given[i], where, &a[used])) return none;
        if (!says_nothing(&b->layers[layer].config, &a[used])) used++;
    }
    first_keyword_place(&b->layers[layer].config, a, used);
    return node_make(b, layer, a, used);
}
