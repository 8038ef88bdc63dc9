/* saved_graph_keys.c -- which value of the checkpoint a variable gets; see saved_graph_parts.h.
 *
 * TensorFlow 2 restores in a function, f(prefix, handles...): RestoreV2 reads the names that a
 * constant lists, AssignVariableOp puts each into an argument. TensorFlow 1 has the same nodes in
 * the graph itself, with Assign. */
#include <string.h>

#include "base/status.h"
#include "format/savedmodel/saved_graph_parts.h"

#define STEPS_MAX 16 /* of Identity and the like between a value and where it is assigned */

/* Nodes of the graph, or of a function. */
typedef struct body {
    node_message *const *nodes;
    size_t count;
    name_table names;
} body;

static const node_message *body_node(const body *b, const char *input)
{
    const char *name;
    const size_t length = input_name(input, &name);
    const uint32_t number = name_table_find(&b->names, name, length);

    return number == NAME_NONE ? NULL : b->nodes[number];
}

/* Text `number` of a constant node. */
static const ProtobufCBinaryData *constant_text(const node_message *n, uint32_t number)
{
    const attr_message *a = n == NULL || strcmp(n->op, "Const") != 0 ? NULL : node_attr(n, "value");

    if (a == NULL || a->value_case != EBB__READ__ATTR__VALUE_TENSOR || a->tensor == NULL)
        return NULL;
    const size_t count = a->tensor->n_string_val;
    if (count == 0) return NULL;
    return &a->tensor->string_val[number < count ? number : count - 1];
}

/* Behind Identity, Cast and the like: the RestoreV2 that the value comes from, and which of its
 * tensors. */
static const node_message *restore_of(const body *b, const char *input, uint32_t *number)
{
    for (int steps = 0; steps < STEPS_MAX; steps++) {
        const node_message *n = body_node(b, input);
        if (n == NULL) return NULL;
        *number = output_number(input);
        if (strcmp(n->op, "RestoreV2") == 0) return n->n_input >= 3 ? n : NULL;
        if (n->n_input == 0 || (strcmp(n->op, "Identity") != 0 && strcmp(n->op, "Cast") != 0))
            return NULL;
        input = n->input[0];
    }
    return NULL;
}

static bool is_assignment(const node_message *n)
{
    return n->n_input >= 2 &&
           (strcmp(n->op, "AssignVariableOp") == 0 || strcmp(n->op, "Assign") == 0);
}

/* The key that `n` assigns; false: it is none that restores. */
static bool assigned_key(const graph_view *v, const body *b, const node_message *n,
                         restored_key *result, bool *failed)
{
    uint32_t number = 0;
    const node_message *restore = is_assignment(n) ? restore_of(b, n->input[1], &number) : NULL;

    if (restore == NULL) return false;
    const ProtobufCBinaryData *key = constant_text(body_node(b, restore->input[1]), number);
    const ProtobufCBinaryData *slice = constant_text(body_node(b, restore->input[2]), number);
    if (key == NULL || key->len == 0) return false;
    result->key = region_text_length(v->scratch, (const char *)key->data, key->len);
    result->is_slice = slice != NULL && slice->len > 0;
    *failed = result->key == NULL;
    return !*failed;
}

static ebb_status no_memory(const graph_view *v)
{
    return region_fail(v->scratch, v->error, v->where, "the keys of variables");
}

static bool body_open(const graph_view *v, const function_message *f, body *b)
{
    b->nodes = f->node_def;
    b->count = f->n_node_def;
    if (!name_table_make(v->scratch, b->count, &b->names)) return false;
    for (size_t i = 0; i < b->count; i++)
        (void)name_table_put(&b->names, b->nodes[i]->name, (uint32_t)i);
    return true;
}

static bool arguments_open(const graph_view *v, const function_message *f, name_table *names)
{
    if (!name_table_make(v->scratch, f->signature->n_input_arg, names)) return false;
    for (size_t i = 0; i < f->signature->n_input_arg; i++)
        (void)name_table_put(names, f->signature->input_arg[i]->name, (uint32_t)i);
    return true;
}

static void key_keep(const graph_view *v, restored_key *keys, const char *variable,
                     const restored_key *key)
{
    const char *name;
    const size_t length = input_name(variable, &name);
    const uint32_t number = name_table_find(&v->node_names, name, length);

    if (number != NAME_NONE && keys[number].key == NULL) keys[number] = *key;
}

static bool restores(const function_message *f)
{
    for (size_t i = 0; i < f->n_node_def; i++) {
        if (strcmp(f->node_def[i]->op, "RestoreV2") == 0) return true;
    }
    return false;
}

static ebb_status call_keys(const graph_view *v, const node_message *call,
                            const function_message *f, restored_key *keys)
{
    body b;
    name_table arguments;

    if (!body_open(v, f, &b) || !arguments_open(v, f, &arguments)) return no_memory(v);
    for (size_t i = 0; i < b.count; i++) {
        restored_key key = {0};
        bool failed = false;
        const bool is_one = assigned_key(v, &b, b.nodes[i], &key, &failed);
        if (failed) return no_memory(v);
        if (!is_one) continue;
        const char *name;
        const size_t length = input_name(b.nodes[i]->input[0], &name);
        const uint32_t number = name_table_find(&arguments, name, length);
        if (number < call->n_input) key_keep(v, keys, call->input[number], &key);
    }
    return EBB_OK;
}

ebb_status graph_keys_find(const graph_view *v, restored_key **result)
{
    restored_key *keys = region_new(v->scratch, restored_key, v->node_count);
    bool *is_read = region_new(v->scratch, bool, (size_t)v->function_count + 1);
    const body graph = {.nodes = v->nodes, .count = v->node_count, .names = v->node_names};

    if (keys == NULL || is_read == NULL) return no_memory(v);
    *result = keys;
    for (uint32_t i = 0; i < v->node_count; i++) {
        const node_message *n = v->nodes[i];
        restored_key key = {0};
        bool failed = false;
        if (assigned_key(v, &graph, n, &key, &failed)) key_keep(v, keys, n->input[0], &key);
        if (failed) return no_memory(v);
        const function_message *f = graph_view_callee(v, n);
        if (f == NULL) continue;
        const uint32_t number =
            name_table_find(&v->function_names, f->signature->name, strlen(f->signature->name));
        if (is_read[number]) continue; /* the second call of a function restores nothing new */
        is_read[number] = true;
        const ebb_status status = restores(f) ? call_keys(v, n, f, keys) : EBB_OK;
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}
