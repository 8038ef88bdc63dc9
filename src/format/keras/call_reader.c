/* call_reader.c -- the calls of a layer: "inbound_nodes" of Keras 3, and of Keras 1 and 2.
 *
 * Keras 3: one {"args": [...], "kwargs": {...}} a call; a tensor is an object of the class
 *   __keras_tensor__ whose config holds "keras_history": [layer, node, tensor].
 * Keras 1, 2: one structure of leaves [layer, node, tensor, {kwargs}] a call; it is the first
 *   argument. The kwargs stand in every leaf and name tensors as [layer, node, tensor].
 *
 * Node numbers are kept as written; node_numbers.c settles them.
 * Source: keras/src/models/functional.py (deserialize_node), tf_keras/src/engine/node.py and
 * functional.py.
 */
#include <string.h>

#include "base/status.h"
#include "format/keras/model_reader.h"
#include "format/keras/upgrade.h"
#include "format/order.h"

#define CONSTANT_LEAF "_CONSTANT_VALUE"

ebb_status literal_read(model_reader *r, const json *value, argument *result)
{
    result->kind = ARGUMENT_LITERAL;
    result->literal = NULL;
    if (json_is_null(value)) return EBB_OK;
    json clean;
    const ebb_status status = upgrade_value(r->home, value, r->where, &clean, r->error);
    if (status != EBB_OK) return status;
    json *kept = region_new(r->home, json, 1);
    if (kept == NULL) return reader_no_memory(r, "a call argument");
    *kept = clean;
    result->literal = kept;
    return EBB_OK;
}

static ebb_status reference_read(model_reader *r, const char *name, const json *node,
                                 const json *tensor, argument *result)
{
    const int64_t n = json_integer(node, -1), t = json_integer(tensor, -1);
    const uint32_t layer = name == NULL ? UINT32_MAX : reader_layer(r, name);

    if (layer == UINT32_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where,
                    "is called with an output of '%.120s', which is no layer "
                    "of the model '%.80s'",
                    name == NULL ? "(no name)" : name, r->model->name);
    }
    if (n < 0 || n > MODEL_CALLS_MAX || t < 0 || t > MODEL_CALLS_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where,
                    "refers to call %lld, output %lld of '%.120s': there is "
                    "no such number",
                    (long long)n, (long long)t, name);
    }
    result->kind = ARGUMENT_TENSOR;
    result->ref = (tensor_ref){layer, (uint32_t)n, (uint32_t)t};
    return EBB_OK;
}

static bool keyword_is_less(const argument *a, const argument *b)
{
    return a->name != NULL && b->name != NULL && strcmp(a->name, b->name) < 0;
}

static int keyword_compare(const void *a, const void *b)
{
    const argument *x = a, *y = b;
    return keyword_is_less(x, y) ? -1 : keyword_is_less(y, x) ? 1 : 0;
}

/* One grammar: is this value a tensor, does it hold one, and what is it. */
typedef struct grammar {
    bool (*is_tensor)(const model_reader *r, const json *value);
    ebb_status (*tensor_read)(model_reader *r, const json *value, argument *result);
} grammar;

/* Recursion: the depth of the document, which json_read() bounds. */
static bool holds_tensor(const grammar *g, const model_reader *r, const json *value)
{
    if (g->is_tensor(r, value)) return true;
    if (value->kind == JSON_ARRAY) {
        for (uint32_t i = 0; i < value->count; i++) {
            if (holds_tensor(g, r, &value->as.items[i])) return true;
        }
    } else if (value->kind == JSON_OBJECT) {
        const json *items = json_is_text(json_get(value, "class_name"), "__tuple__")
                                ? json_get(value, "items")
                                : NULL;
        if (items != NULL) return holds_tensor(g, r, items);
        if (json_get(value, "class_name") != NULL) return false;
        for (uint32_t i = 0; i < value->count; i++) {
            if (holds_tensor(g, r, &value->as.members[i].value)) return true;
        }
    }
    return false;
}

/* Recursion: ARGUMENT_DEPTH_MAX. */
static ebb_status value_read(const grammar *g, model_reader *r, const json *value, uint32_t depth,
                             argument *result)
{
    if (g->is_tensor(r, value)) return g->tensor_read(r, value, result);
    if (!holds_tensor(g, r, value)) return literal_read(r, value, result);
    if (depth >= ARGUMENT_DEPTH_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where, "a call argument is nested more than %d deep",
                    ARGUMENT_DEPTH_MAX);
    }
    if (json_is_text(json_get(value, "class_name"), "__tuple__")) {
        return value_read(g, r, json_get(value, "items"), depth + 1, result);
    }
    result->kind = ARGUMENT_LIST;
    result->item_count = value->count;
    result->items = region_new(r->home, argument, (size_t)value->count + 1);
    if (result->items == NULL) return reader_no_memory(r, "call arguments");
    for (uint32_t i = 0; i < value->count; i++) {
        const bool is_dict = value->kind == JSON_OBJECT;
        if (is_dict) result->items[i].name = value->as.members[i].key;
        const json *item = is_dict ? &value->as.members[i].value : &value->as.items[i];
        const ebb_status status = value_read(g, r, item, depth + 1, &result->items[i]);
        if (status != EBB_OK) return status;
    }
    if (value->kind == JSON_OBJECT) {
        order_sort(result->items, result->item_count, sizeof *result->items, keyword_compare);
    }
    return EBB_OK;
}

/* -- Keras 3 ----------------------------------------------------------------------------------- */

static bool is_keras_tensor(const model_reader *r, const json *value)
{
    (void)r;
    return json_is_text(json_get(value, "class_name"), "__keras_tensor__");
}

static ebb_status keras_tensor_read(model_reader *r, const json *value, argument *result)
{
    const json *history = json_path(value, "config.keras_history");
    return reference_read(r, json_text(json_item(history, 0), NULL), json_item(history, 1),
                          json_item(history, 2), result);
}

static const grammar keras_3 = {is_keras_tensor, keras_tensor_read};

/* mask=None and training=None are what a layer gets anyway. */
static bool says_nothing(const layer_config *layer, const json_member *keyword)
{
    return !layer->is_operation && json_is_null(&keyword->value) &&
           (strcmp(keyword->key, "mask") == 0 || strcmp(keyword->key, "training") == 0);
}

static ebb_status keywords_read(const grammar *g, model_reader *r, const json *keywords,
                                const layer_config *layer, call_config *call)
{
    const uint32_t count = keywords != NULL && keywords->kind == JSON_OBJECT ? keywords->count : 0;
    for (uint32_t i = 0; i < count; i++) {
        const json_member *m = &keywords->as.members[i];
        if (says_nothing(layer, m)) continue;
        argument *a = &call->arguments[call->argument_count++];
        const ebb_status status = value_read(g, r, &m->value, 0, a);
        if (status != EBB_OK) return status;
        a->name = m->key;
    }
    return EBB_OK;
}

/* layer(inputs=x) is layer(x). */
static void first_keyword_place(call_config *call, bool is_operation)
{
    if (is_operation || call->argument_count == 0 || call->arguments[0].name == NULL) return;
    for (uint32_t i = 0; i < call->argument_count; i++) {
        if (strcmp(call->arguments[i].name, "inputs") != 0 &&
            strcmp(call->arguments[i].name, "sequences") != 0)
            continue;
        argument first = call->arguments[i];
        memmove(call->arguments + 1, call->arguments, i * sizeof first);
        first.name = NULL;
        call->arguments[0] = first;
        return;
    }
}

static ebb_status call_read(model_reader *r, const json *node, const layer_config *layer,
                            call_config *call)
{
    const json *args = json_get(node, "args"), *keywords = json_get(node, "kwargs");
    if (json_is_text(json_get(args, "class_name"), "__tuple__")) args = json_get(args, "items");
    const uint32_t positional = args != NULL && args->kind == JSON_ARRAY ? args->count : 0;
    const uint32_t named = keywords != NULL && keywords->kind == JSON_OBJECT ? keywords->count : 0;

    call->arguments = region_new(r->home, argument, (size_t)positional + named + 1);
    if (call->arguments == NULL) return reader_no_memory(r, "call arguments");
    for (uint32_t i = 0; i < positional; i++) {
        const ebb_status status = value_read(&keras_3, r, &args->as.items[i], 0,
                                             &call->arguments[call->argument_count++]);
        if (status != EBB_OK) return status;
    }
    const ebb_status status = keywords_read(&keras_3, r, keywords, layer, call);
    first_keyword_place(call, layer->is_operation);
    return status;
}

/* -- Keras 1 and 2 ----------------------------------------------------------------------------- */

/* [layer, node, tensor] or [layer, node, tensor, {kwargs}]. */
static bool is_leaf(const model_reader *r, const json *value)
{
    (void)r;
    if (value->kind != JSON_ARRAY || (value->count != 3 && value->count != 4)) return false;
    return value->as.items[0].kind == JSON_STRING && value->as.items[1].kind == JSON_INTEGER;
}

static ebb_status leaf_read(model_reader *r, const json *value, argument *result)
{
    const char *name = json_text(json_item(value, 0), NULL);
    if (strcmp(name, CONSTANT_LEAF) == 0) return literal_read(r, json_item(value, 2), result);
    return reference_read(r, name, json_item(value, 1), json_item(value, 2), result);
}

static const grammar keras_2 = {is_leaf, leaf_read};

/* In kwargs nothing marks a tensor, so the name must be a layer's. */
static bool is_keyword_tensor(const model_reader *r, const json *value)
{
    return is_leaf(r, value) && value->count == 3 && value->as.items[2].kind == JSON_INTEGER &&
           (reader_layer(r, value->as.items[0].as.string) != UINT32_MAX ||
            strcmp(value->as.items[0].as.string, CONSTANT_LEAF) == 0);
}

static const grammar keras_2_keyword = {is_keyword_tensor, leaf_read};

/* The kwargs of the last leaf: all leaves carry the same. Recursion: ARGUMENT_DEPTH_MAX. */
static const json *leaf_keywords(const model_reader *r, const json *value, uint32_t depth)
{
    const json *found = NULL;
    if (is_leaf(r, value)) return json_item(value, 3);
    if (depth >= ARGUMENT_DEPTH_MAX || (value->kind != JSON_ARRAY && value->kind != JSON_OBJECT))
        return NULL;
    for (uint32_t i = value->count; i > 0 && found == NULL; i--) {
        found = leaf_keywords(r,
                              value->kind == JSON_ARRAY ? &value->as.items[i - 1]
                                                        : &value->as.members[i - 1].value,
                              depth + 1);
    }
    return found;
}

/* Further tensors beside the sequence are the initial state. */
static void initial_state_split(call_config *call)
{
    argument *first = &call->arguments[0];
    if (first->kind != ARGUMENT_LIST || first->item_count < 2) return;
    argument *all = first->items;
    call->arguments[call->argument_count++] = (argument){.kind = ARGUMENT_LIST,
                                                         .name = "initial_state",
                                                         .items = all + 1,
                                                         .item_count = first->item_count - 1};
    *first = all[0];
}

static ebb_status legacy_call_read(model_reader *r, const json *node, const layer_config *layer,
                                   call_config *call)
{
    const json *keywords = leaf_keywords(r, node, 0);
    const uint32_t named = keywords != NULL && keywords->kind == JSON_OBJECT ? keywords->count : 0;
    const bool is_op = tf_operation_is(layer->class_name);

    call->arguments = region_new(r->home, argument, (size_t)named + 3);
    if (call->arguments == NULL) return reader_no_memory(r, "call arguments");
    call->argument_count = 1;
    argument *first = &call->arguments[0];
    ebb_status status = value_read(&keras_2, r, node, 0, first);
    if (status != EBB_OK) return status;
    if (!is_op && first->kind == ARGUMENT_LIST && first->item_count == 1) {
        const argument only = first->items[0];
        *first = only;
        first->name = NULL;
    }
    status = keywords_read(&keras_2_keyword, r, keywords, layer, call);
    if (status != EBB_OK) return status;
    if (name_in("|RNN|SimpleRNN|LSTM|GRU|Bidirectional|ConvLSTM1D|ConvLSTM2D|ConvLSTM3D|",
                layer->class_name)) {
        initial_state_split(call);
    }
    return EBB_OK;
}

ebb_status calls_read(model_reader *r, const json *nodes, layer_config *layer)
{
    if (json_is_null(nodes)) return EBB_OK;
    if (nodes->kind != JSON_ARRAY) {
        return fail(r->error, EBB_E_FORMAT, r->where, "inbound_nodes: expected a list, found %s",
                    json_kind_name(nodes->kind));
    }
    r->calls += nodes->count;
    if (r->calls > MODEL_CALLS_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where, "the model has more than %d calls",
                    MODEL_CALLS_MAX);
    }
    layer->calls = region_new(r->home, call_config, (size_t)nodes->count + 1);
    if (layer->calls == NULL) return reader_no_memory(r, "calls");
    for (uint32_t i = 0; i < nodes->count; i++) {
        const json *node = &nodes->as.items[i];
        const bool is_new = node->kind == JSON_OBJECT && json_get(node, "args") != NULL;
        if (!is_new && node->kind != JSON_ARRAY && node->kind != JSON_OBJECT) {
            return fail(r->error, EBB_E_FORMAT, r->where,
                        "call %u: expected an inbound node, found %s", i,
                        json_kind_name(node->kind));
        }
        if (!is_new) r->is_legacy = true;
        call_config *call = &layer->calls[layer->call_count++];
        const ebb_status status =
            is_new ? call_read(r, node, layer, call) : legacy_call_read(r, node, layer, call);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}
