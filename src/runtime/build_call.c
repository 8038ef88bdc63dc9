/* build_call.c -- calls of layers: the tensors and values that go in become a node.
 *
 * Source: the call signatures of keras/src/layers: merging layers and Attention take one list,
 * MultiHeadAttention its tensors one by one. */
#include <string.h>

#include "base/status.h"
#include "runtime/model_builder.h"

#define NONE UINT32_MAX

static bool takes_separately(const char *class_name)
{
    return strcmp(class_name, "MultiHeadAttention") == 0 ||
           strcmp(class_name, "GroupQueryAttention") == 0;
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
    const bool is_separate = takes_separately(config->class_name);
    const size_t arguments = count == 0 ? 0 : is_separate ? count : 1;
    argument *a = region_new(b->home, argument, arguments + 1);
    if (a == NULL) return builder_no_memory(b, config->name), none;
    for (size_t i = 0; i < arguments; i++) {
        const bool is_list = !is_separate && count > 1;
        if (!tensors_argument(b, inputs + i, is_list ? count : 1, is_list, &a[i])) return none;
    }
    return node_make(b, layer, a, arguments);
}

static bool argument_read(builder *b, const ebb_call_argument *given, const char *where,
                          argument *result)
{
    if (given->count > 0) {
        if (given->tensors == NULL || given->count > BUILDER_LAYERS_MAX)
            return builder_fail(b, EBB_E_ARGUMENT, where, "an argument without its tensors");
        if (!tensors_argument(b, given->tensors, given->count, given->count > 1, result))
            return false;
    } else {
        const json *literal = builder_value_read(b, given->value, where);
        if (literal == NULL) return false;
        *result =
            (argument){.kind = ARGUMENT_LITERAL, .literal = json_is_null(literal) ? NULL : literal};
    }
    if (given->name == NULL) return true;
    result->name = region_text(b->home, given->name);
    return result->name != NULL || builder_no_memory(b, where);
}

ebb_tensor builder_call_with(builder *b, uint32_t layer, const ebb_call_argument *given,
                             size_t count)
{
    const ebb_tensor none = {0};

    if (!can_call(b, layer, given, count)) return none;
    const char *where = b->layers[layer].config.name;
    argument *a = region_new(b->home, argument, count + 1);
    if (a == NULL) return builder_no_memory(b, where), none;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && given[i].name == NULL && given[i - 1].name != NULL) {
            builder_fail(b, EBB_E_ARGUMENT, where,
                         "argument %zu stands by position behind '%.60s'; arguments with names "
                         "come last",
                         i + 1, given[i - 1].name);
            return none;
        }
        if (!argument_read(b, &given[i], where, &a[i])) return none;
    }
    return node_make(b, layer, a, count);
}
