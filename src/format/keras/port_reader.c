/* port_reader.c -- input_layers and output_layers: a triple [layer, node, tensor], a list, a dict,
 * or any nesting.
 *
 * Order: lists in file order, dicts by sorted key, as Keras flattens them. A port is named by its
 * innermost dict key, else by its layer. */
#include <string.h>

#include "base/status.h"
#include "format/keras/model_reader.h"
#include "format/order.h"

typedef struct port_list {
    model_reader *r;
    const char *key; /* "output_layers" */
    port_config *ports;
    uint32_t count, capacity;
} port_list;

static bool is_triple(const json *value)
{
    return value->kind == JSON_ARRAY && value->count == 3 && value->as.items[0].kind == JSON_STRING;
}

static ebb_status port_add(port_list *l, const json *triple, const char *name)
{
    model_reader *r = l->r;
    const char *name_of_layer = triple->as.items[0].as.string;
    const uint32_t layer = reader_layer(r, name_of_layer);
    const int64_t node = json_integer(json_item(triple, 1), -1),
                  tensor = json_integer(json_item(triple, 2), -1);

    if (layer == UINT32_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where,
                    "%s names '%.120s', which is no layer of the model", l->key, name_of_layer);
    }
    if (node < 0 || node > MODEL_CALLS_MAX || tensor < 0 || tensor > MODEL_CALLS_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where,
                    "%s: call %lld, output %lld of '%.120s' is no such number", l->key,
                    (long long)node, (long long)tensor, name_of_layer);
    }
    if (l->count >= MODEL_PORTS_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where, "%s: more than %d tensors", l->key,
                    MODEL_PORTS_MAX);
    }
    if (l->count == l->capacity) {
        const uint32_t capacity = l->capacity * 2 + 4;
        port_config *ports = region_new(r->home, port_config, capacity);
        if (ports == NULL) return reader_no_memory(r, "inputs and outputs");
        if (l->count > 0) memcpy(ports, l->ports, l->count * sizeof *ports);
        l->ports = ports;
        l->capacity = capacity;
    }
    l->ports[l->count++] = (port_config){{layer, (uint32_t)node, (uint32_t)tensor},
                                         name != NULL ? name : r->model->layers[layer].name};
    return EBB_OK;
}

static int member_compare(const void *a, const void *b)
{
    return strcmp((*(const json_member *const *)a)->key, (*(const json_member *const *)b)->key);
}

static ebb_status structure_read(port_list *l, const json *value, const char *name, uint32_t depth);

static ebb_status dict_read(port_list *l, const json *dict, uint32_t depth)
{
    const json_member **members =
        region_new(l->r->home, const json_member *, (size_t)dict->count + 1);
    if (members == NULL) return reader_no_memory(l->r, "inputs and outputs");
    for (uint32_t i = 0; i < dict->count; i++) members[i] = &dict->as.members[i];
    order_sort(members, dict->count, sizeof *members, member_compare);
    for (uint32_t i = 0; i < dict->count; i++) {
        const ebb_status status = structure_read(l, &members[i]->value, members[i]->key, depth + 1);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* Recursion: ARGUMENT_DEPTH_MAX. */
static ebb_status structure_read(port_list *l, const json *value, const char *name, uint32_t depth)
{
    if (is_triple(value)) return port_add(l, value, name);
    if (depth >= ARGUMENT_DEPTH_MAX || (value->kind != JSON_ARRAY && value->kind != JSON_OBJECT)) {
        return fail(l->r->error, EBB_E_FORMAT, l->r->where,
                    "%s: expected [layer, node, tensor], a list or a dict of these; found %s",
                    l->key, json_kind_name(value->kind));
    }
    if (value->kind == JSON_OBJECT) return dict_read(l, value, depth);
    for (uint32_t i = 0; i < value->count; i++) {
        const ebb_status status = structure_read(l, &value->as.items[i], name, depth + 1);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

static bool name_taken(const port_config *ports, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(ports[i].name, name) == 0) return true;
    }
    return false;
}

ebb_status ports_name(model_reader *r, port_config *ports, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const char *base = ports[i].name;
        for (uint32_t suffix = 1; name_taken(ports, i, ports[i].name); suffix++) {
            ports[i].name = region_format(r->home, "%s_%u", base, suffix);
            if (ports[i].name == NULL) return reader_no_memory(r, "names of inputs and outputs");
        }
    }
    return EBB_OK;
}

ebb_status ports_read(model_reader *r, const json *structure, const char *key, port_config **ports,
                      uint32_t *count)
{
    port_list l = {.r = r, .key = key};

    if (structure == NULL)
        return fail(r->error, EBB_E_FORMAT, r->where, "the configuration has no '%s'", key);
    const ebb_status status = structure_read(&l, structure, NULL, 0);
    if (status != EBB_OK) return status;
    if (l.count == 0) return fail(r->error, EBB_E_FORMAT, r->where, "%s is empty", key);
    *ports = l.ports;
    *count = l.count;
    return ports_name(r, l.ports, l.count);
}
