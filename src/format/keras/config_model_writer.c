/* config_model_writer.c -- a model in Keras 3's terms: its layers, their calls, inputs and outputs.
 *
 * Calls are counted from 0, except those of a nested Functional where input_layers and
 * output_layers name them: there Keras counts from 1 (see node_numbers.c). The shape in a
 * __keras_tensor__ says nothing when a model is loaded, so none is given.
 * Source: keras/src/models/functional.py (get_config, serialize_node), sequential.py. */
#include <string.h>

#include "base/status.h"
#include "format/keras/config_writer.h"
#include "format/keras/upgrade.h"
#include "format/order.h"

static bool is_input(const layer_config *layer)
{
    return layer->registered_name == NULL && strcmp(layer->class_name, "InputLayer") == 0;
}

/* Is it what Keras 3 can say with a Sequential: one input, one layer after the other? */
static bool is_chain(const model_config *m)
{
    if (m->input_count != 1 || m->layer_count == 0 || !is_input(&m->layers[0])) return false;
    for (uint32_t i = 1; i < m->layer_count; i++) {
        const layer_config *l = &m->layers[i];
        if (l->call_count != 1 || l->calls[0].argument_count != 1) return false;
        const argument *a = &l->calls[0].arguments[0];
        if (a->kind != ARGUMENT_TENSOR || a->ref.layer != i - 1) return false;
    }
    return true;
}

/* -- calls ------------------------------------------------------------------------------------- */

static void ref_put(config_writer *c, const model_config *m, tensor_ref ref, bool is_port)
{
    const layer_config *l = &m->layers[ref.layer];
    const bool is_functional = l->model != NULL && strcmp(l->model->class_name, "Sequential") != 0;

    text_put(c->text, "[");
    config_name_put(c, l->name);
    text_format(c->text, ", %u, %u]", ref.node + (is_port && is_functional), ref.tensor);
}

/* Recursion: ARGUMENT_DEPTH_MAX. */
static void argument_put(config_writer *c, const model_config *m, const argument *a)
{
    if (a->kind == ARGUMENT_LITERAL) {
        if (a->literal == NULL) {
            text_put(c->text, "null");
        } else {
            config_value_put(c, NULL, a->literal);
        }
        return;
    }
    if (a->kind == ARGUMENT_TENSOR) {
        text_put(c->text, "{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [], "
                          "\"dtype\": \"float32\", \"keras_history\": ");
        ref_put(c, m, a->ref, false);
        text_put(c->text, "}}");
        return;
    }
    const bool is_dict = a->item_count > 0 && a->items[0].name != NULL;
    text_put(c->text, is_dict ? "{" : "[");
    for (uint32_t i = 0; i < a->item_count; i++) {
        if (i > 0) text_put(c->text, ", ");
        if (is_dict) {
            text_json_string(c->text, a->items[i].name);
            text_put(c->text, ": ");
        }
        argument_put(c, m, &a->items[i]);
    }
    text_put(c->text, is_dict ? "}" : "]");
}

/* Keras 2 wrote every keyword argument, those left at None too; Keras 3 may have no such argument.
 */
static bool says_nothing(const config_writer *c, const argument *a)
{
    return c->keras_major < 3 && a->kind == ARGUMENT_LITERAL && json_is_null(a->literal);
}

static void call_put(config_writer *c, const model_config *m, const call_config *call)
{
    bool is_first = true;

    text_put(c->text, "{\"args\": [");
    for (uint32_t i = 0; i < call->argument_count; i++) {
        const argument *a = &call->arguments[i];
        if (a->name != NULL) continue;
        if (!is_first) text_put(c->text, ", ");
        is_first = false;
        argument_put(c, m, a);
    }
    text_put(c->text, "], \"kwargs\": {");
    is_first = true;
    for (uint32_t i = 0; i < call->argument_count; i++) {
        const argument *a = &call->arguments[i];
        if (a->name == NULL || says_nothing(c, a)) continue;
        if (!is_first) text_put(c->text, ", ");
        is_first = false;
        text_json_string(c->text, a->name);
        text_put(c->text, ": ");
        argument_put(c, m, a);
    }
    text_put(c->text, "}}");
}

/* -- layers ------------------------------------------------------------------------------------ */

static void plain_layer_begin(config_writer *c, const layer_config *l)
{
    const char *module = l->is_operation || (c->keras_major >= 3 && l->module[0] != '\0')
                             ? l->module
                             : "keras.layers";

    if (module[0] == '\0') {
        config_refuse(c, "the file does not say which %.100s of keras.ops this is", l->class_name);
    }
    text_put(c->text, "{\"module\": ");
    text_json_string(c->text, module);
    text_put(c->text, ", \"class_name\": ");
    text_json_string(c->text, l->class_name);
    text_put(c->text, ", \"config\": {\"name\": ");
    config_name_put(c, l->name);
    config_fields_put(c, l->class_name, l->config, "|name|", false);
    text_put(c->text, "}, \"registered_name\": ");
    if (l->is_operation) {
        text_json_string(c->text, l->class_name);
    } else {
        text_put(c->text, "null");
    }
    if (c->keras_major >= 3 && l->build_config != NULL) {
        text_put(c->text, ", \"build_config\": ");
        config_value_put(c, NULL, l->build_config);
    }
}

static void common_layer_begin(config_writer *c, const layer_config *l)
{
    common_layer_check(c, l);
    text_put(c->text, "{\"class_name\": ");
    text_json_string(c->text, l->class_name);
    text_put(c->text, ", \"config\": {\"name\": ");
    config_name_put(c, l->name);
    config_fields_put(c, l->class_name, l->config, "|name|", false);
    text_put(c->text, "}");
}

static void layer_put(config_writer *c, const model_config *m, uint32_t index, bool has_calls)
{
    const layer_config *l = &m->layers[index];
    const char *outer = c->where;

    if (c->status != EBB_OK) return;
    c->where = l->name;
    if (index > 0) text_put(c->text, ", ");
    if (c->grammar == GRAMMAR_COMMON) {
        common_layer_begin(c, l);
    } else if (l->model != NULL) {
        config_model_begin(c, l->model);
    } else {
        plain_layer_begin(c, l);
    }
    if (has_calls) {
        text_put(c->text, ", \"name\": ");
        config_name_put(c, l->name);
        text_put(c->text, ", \"inbound_nodes\": [");
        for (uint32_t k = 0; k < l->call_count; k++) {
            if (k > 0) text_put(c->text, ", ");
            if (c->grammar == GRAMMAR_COMMON) {
                common_call_put(c, m, &l->calls[k]);
            } else {
                call_put(c, m, &l->calls[k]);
            }
        }
        text_put(c->text, "]");
    }
    text_put(c->text, "}");
    c->where = outer;
}

/* -- inputs and outputs ------------------------------------------------------------------------ */

typedef struct port_list {
    const model_config *model;
    const port_config *ports;
    uint32_t next;
} port_list;

static bool is_triple(const json *value)
{
    return value->kind == JSON_ARRAY && value->count == 3 && value->as.items[0].kind == JSON_STRING;
}

static int member_compare(const void *a, const void *b)
{
    return strcmp((*(const json_member *const *)a)->key, (*(const json_member *const *)b)->key);
}

static void structure_put(config_writer *c, port_list *l, const json *value);

/* In the order in which the ports were read: by key. */
static void dict_put(config_writer *c, port_list *l, const json *dict)
{
    const json_member **members = region_new(c->home, const json_member *, (size_t)dict->count + 1);

    if (members == NULL) {
        c->text->failed = true;
        return;
    }
    for (uint32_t i = 0; i < dict->count; i++) members[i] = &dict->as.members[i];
    order_sort(members, dict->count, sizeof *members, member_compare);
    text_put(c->text, "{");
    for (uint32_t i = 0; i < dict->count; i++) {
        if (i > 0) text_put(c->text, ", ");
        text_json_string(c->text, members[i]->key);
        text_put(c->text, ": ");
        structure_put(c, l, &members[i]->value);
    }
    text_put(c->text, "}");
}

/* Recursion: as deep as port_reader.c let in. */
static void structure_put(config_writer *c, port_list *l, const json *value)
{
    if (is_triple(value)) {
        ref_put(c, l->model, l->ports[l->next++].ref, true);
    } else if (value->kind == JSON_OBJECT) {
        dict_put(c, l, value);
    } else {
        text_put(c->text, "[");
        for (uint32_t i = 0; i < value->count; i++) {
            if (i > 0) text_put(c->text, ", ");
            structure_put(c, l, &value->as.items[i]);
        }
        text_put(c->text, "]");
    }
}

/* Keras 1 and 2 put a single tensor into a list, too. */
static void ports_put(config_writer *c, const model_config *m, const char *key,
                      const port_config *ports)
{
    const json *structure = json_path(m->source, key);
    port_list l = {.model = m, .ports = ports};

    if (c->keras_major < 3 && structure->kind == JSON_ARRAY && structure->count == 1)
        structure = &structure->as.items[0];
    structure_put(c, &l, structure);
}

/* -- models ------------------------------------------------------------------------------------ */

static void sequential_put(config_writer *c, const model_config *m)
{
    const json *shape = json_get(m->layers[0].config, "batch_shape");

    for (uint32_t i = 0; i < m->layer_count; i++) layer_put(c, m, i, false);
    text_put(c->text, "]");
    if (json_is_null(shape)) return;
    text_put(c->text, ", \"build_input_shape\": ");
    config_value_put(c, NULL, shape);
}

void config_model_put(config_writer *c, const model_config *m)
{
    const bool is_sequential = strcmp(m->class_name, "Sequential") == 0;

    if (c->status != EBB_OK) return;
    if (is_sequential && !is_chain(m)) {
        config_refuse(c, "is a Sequential model of several branches, as Keras 1 had them; Keras 3 "
                         "has none");
        return;
    }
    text_put(c->text, "{\"name\": ");
    config_name_put(c, m->name);
    text_put(c->text, json_boolean(json_path(m->source, "config.trainable"), true)
                          ? ", \"trainable\": true, \"layers\": ["
                          : ", \"trainable\": false, \"layers\": [");
    if (is_sequential) {
        sequential_put(c, m);
    } else {
        for (uint32_t i = 0; i < m->layer_count; i++) layer_put(c, m, i, true);
        text_put(c->text, "], \"input_layers\": ");
        ports_put(c, m, "config.input_layers", m->inputs);
        text_put(c->text, ", \"output_layers\": ");
        ports_put(c, m, "config.output_layers", m->outputs);
    }
    text_put(c->text, "}");
}

void config_model_begin(config_writer *c, const model_config *m)
{
    const bool is_sequential = strcmp(m->class_name, "Sequential") == 0;

    text_put(c->text, is_sequential ? "{\"module\": \"keras\", \"class_name\": \"Sequential\", "
                                      "\"config\": "
                                    : "{\"module\": \"keras.src.models.functional\", "
                                      "\"class_name\": \"Functional\", \"config\": ");
    config_model_put(c, m);
    text_put(c->text, is_sequential ? ", \"registered_name\": null"
                                    : ", \"registered_name\": \"Functional\"");
}
