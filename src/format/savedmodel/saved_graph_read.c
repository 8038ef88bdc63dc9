/* saved_graph_read.c -- see saved_graph_read.h. */
#include "format/savedmodel/saved_graph_read.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/savedmodel/folder.h"
#include "format/savedmodel/graph_def_read.h"
#include "format/savedmodel/object_graph.h"
#include "format/savedmodel/saved_graph_parts.h"

#define PORTS_MAX 1024 /* of a signature */

typedef struct reading {
    region *home, *scratch, *numbers;
    description *d;
    graph_view view;
    const signature_message *signature;
    bundle b;
    bool has_bundle;
    const checkpoint_objects_message *objects;
    graph_reach reach;
    tf_saved_graph *result;
    ebb_error *error;
} reading;

static ebb_status no_memory(reading *r)
{
    return region_fail(r->home, r->error, r->d->path, "the graph");
}

/* -- which graph, which signature ---------------------------------------------------------------
 */

/* Text of TensorFlow's tag for serving, or the only graph there is. */
static const meta_graph_message *meta_find(const saved_model_message *m)
{
    for (size_t i = 0; i < m->n_meta_graphs; i++) {
        const Ebb__Read__MetaInfo *info = m->meta_graphs[i]->meta_info_def;
        for (size_t k = 0; info != NULL && k < info->n_tags; k++) {
            if (strcmp(info->tags[k], "serve") == 0) return m->meta_graphs[i];
        }
    }
    return m->n_meta_graphs == 1 ? m->meta_graphs[0] : NULL;
}

static bool is_signature(const Ebb__Read__SignatureEntry *s)
{
    return s->value != NULL && s->value->n_outputs > 0 &&
           strcmp(s->key, "__saved_model_init_op") != 0;
}

static void signatures_name(const meta_graph_message *m, char *text, size_t capacity)
{
    size_t length = 0;

    snprintf(text, capacity, "none");
    for (size_t i = 0; i < m->n_signature_def; i++) {
        if (!is_signature(m->signature_def[i]) || length + 1 >= capacity) continue;
        const int written = snprintf(text + length, capacity - length, "%s'%.60s'",
                                     length > 0 ? ", " : "", m->signature_def[i]->key);
        if (written > 0) length += (size_t)written;
    }
}

static const Ebb__Read__SignatureEntry *signature_named(const meta_graph_message *m,
                                                        const char *name)
{
    for (size_t i = 0; i < m->n_signature_def; i++) {
        if (is_signature(m->signature_def[i]) && strcmp(m->signature_def[i]->key, name) == 0)
            return m->signature_def[i];
    }
    return NULL;
}

static const Ebb__Read__SignatureEntry *signature_only(const meta_graph_message *m)
{
    const Ebb__Read__SignatureEntry *found = NULL;

    for (size_t i = 0; i < m->n_signature_def; i++) {
        if (!is_signature(m->signature_def[i])) continue;
        if (found != NULL) return NULL;
        found = m->signature_def[i];
    }
    return found;
}

static ebb_status signature_choose(reading *r, const char *wanted)
{
    const meta_graph_message *m = r->view.meta;
    const Ebb__Read__SignatureEntry *found = NULL;
    char names[300];

    if (wanted != NULL) {
        found = signature_named(m, wanted);
    } else {
        found = signature_named(m, "serving_default");
        if (found == NULL) found = signature_named(m, "serve");
        if (found == NULL) found = signature_only(m);
    }
    signatures_name(m, names, sizeof names);
    if (found == NULL && wanted != NULL) {
        return fail(r->error, EBB_E_NOT_FOUND, r->d->path,
                    "there is no signature '%.100s'; its signatures: %s", wanted, names);
    }
    if (found == NULL) {
        return fail(r->error, EBB_E_UNSUPPORTED, r->d->path,
                    "no signature serving_default or serve says what goes in and out; its "
                    "signatures: %s",
                    names);
    }
    r->signature = found->value;
    r->result->signature = region_text(r->home, found->key);
    return r->result->signature != NULL ? EBB_OK : no_memory(r);
}

/* -- ports --------------------------------------------------------------------------------------
 */

static ebb_status port_read(reading *r, const port_message *m, tf_signature_port *port)
{
    const Ebb__Read__TensorInfo *info = m->value;

    if (info == NULL || info->name[0] == '\0') {
        return fail(r->error, EBB_E_UNSUPPORTED, r->d->path,
                    "'%.100s' of the signature is a sparse or composite tensor", m->key);
    }
    *port = (tf_signature_port){.name = region_text(r->home, m->key),
                                .tensor = region_text(r->home, info->name),
                                .type = (tf_type)info->dtype};
    if (port->name == NULL || port->tensor == NULL) return no_memory(r);
    if (graph_view_node(&r->view, info->name) == NULL) {
        return fail(r->error, EBB_E_FORMAT, r->d->path,
                    "'%.100s' of the signature is no tensor of the graph", m->key);
    }
    if (shape_message_read(info->tensor_shape, &port->shape)) return EBB_OK;
    return fail(r->error, EBB_E_UNSUPPORTED, r->d->path,
                "'%.100s' of the signature has more than %d axes", m->key, EBB_RANK_MAX);
}

static ebb_status ports_read(reading *r, bool is_output, const tf_signature_port **ports,
                             uint32_t *count)
{
    const size_t all = is_output ? r->signature->n_outputs : r->signature->n_inputs;
    port_order *order = region_new(r->scratch, port_order, all + 1);
    tf_signature_port *list = region_new(r->home, tf_signature_port, all + 1);

    if (all > PORTS_MAX)
        return fail(r->error, EBB_E_FORMAT, r->d->path, "a signature of %zu tensors", all);
    if (order == NULL || list == NULL) return no_memory(r);
    ebb_status status = graph_ports_order(&r->view, r->signature, is_output, order);
    for (size_t i = 0; i < all && status == EBB_OK; i++)
        status = port_read(r, *order[i].port, &list[i]);
    *ports = list;
    *count = (uint32_t)all;
    return status;
}

/* -- variables ----------------------------------------------------------------------------------
 */

static bool is_variable(const node_message *n)
{
    return strcmp(n->op, "VarHandleOp") == 0 || strcmp(n->op, "VariableV2") == 0 ||
           strcmp(n->op, "Variable") == 0;
}

/* The object of SavedObjectGraph at a checkpoint key: "layer-0/kernel/.ATTRIBUTES/VARIABLE_VALUE".
 * A name in it has "." as ".." and "/" as ".S"; such names are not looked for. */
static const Ebb__Read__SavedVariable *object_variable(const reading *r, const char *key)
{
    const saved_object_graph_message *g = r->view.meta->object_graph_def;
    const char *end = strstr(key, "/.ATTRIBUTES/");
    uint32_t at = 0;

    if (g == NULL || g->n_nodes == 0 || end == NULL) return NULL;
    while (key < end) {
        const size_t length = strcspn(key, "/");
        const Ebb__Read__SavedObject *o = g->nodes[at];
        size_t i = 0;
        for (; i < o->n_children; i++) {
            const char *name = o->children[i]->local_name;
            if (strlen(name) == length && memcmp(name, key, length) == 0) break;
        }
        if (i == o->n_children) return NULL;
        if (o->children[i]->node_id < 0 || (size_t)o->children[i]->node_id >= g->n_nodes)
            return NULL;
        at = (uint32_t)o->children[i]->node_id;
        key += length + 1;
    }
    return g->nodes[at]->variable;
}

static const bundle_entry *entry_find(const reading *r, const node_message *n,
                                      const char *shared_name, const restored_key *restored)
{
    const bundle_entry *e = NULL;

    if (restored->key != NULL) return bundle_find(&r->b, restored->key);
    e = bundle_find(&r->b, shared_name);
    if (e == NULL) e = bundle_find(&r->b, n->name);
    if (e != NULL) return e;
    const char *key = object_key_by_name(r->objects, shared_name);
    return key != NULL ? bundle_find(&r->b, key) : NULL;
}

static ebb_status variable_read(reading *r, const node_message *n, const restored_key *restored,
                                tf_variable *variable, tensor_entry *tensor)
{
    const attr_message *a = node_attr(n, "shared_name");
    const bool is_shared = a != NULL && a->value_case == EBB__READ__ATTR__VALUE_S && a->s.len > 0;
    const char *shared =
        is_shared ? region_text_length(r->scratch, (const char *)a->s.data, a->s.len) : n->name;

    if (shared == NULL) return no_memory(r);
    if (restored->is_slice) {
        return fail(r->error, EBB_E_UNSUPPORTED, n->name,
                    "the variable is a part of '%.100s'; save the model without partitions",
                    restored->key);
    }
    const bundle_entry *e = entry_find(r, n, shared, restored);
    if (e == NULL) {
        return fail(r->error, EBB_E_FORMAT, n->name, "%s",
                    r->has_bundle ? "the checkpoint has no value for this variable"
                                  : "the folder has no variables/variables.index, which holds the "
                                    "values of the model's variables");
    }
    const Ebb__Read__SavedVariable *object = object_variable(r, e->key);
    const bool is_named = object != NULL && object->name[0] != '\0';
    const char *path = region_text(r->home, e->key);
    variable->node = region_text(r->home, n->name);
    variable->name = region_text(r->home, is_named ? object->name : shared);
    variable->trainable = object == NULL || object->trainable;
    if (path == NULL || variable->node == NULL || variable->name == NULL) return no_memory(r);
    return bundle_tensor(r->home, &r->b, e, path, variable->name, tensor, r->error);
}

/* Numbers of the nodes of variables, in the order in which other nodes take them: that is the order
 * of the model's layers. NULL: no memory. */
static uint32_t *variables_order(const reading *r, uint32_t *count)
{
    const graph_view *v = &r->view;
    uint32_t *order = region_new(r->scratch, uint32_t, v->node_count);
    bool *is_listed = region_new(r->scratch, bool, v->node_count);

    *count = 0;
    if (order == NULL || is_listed == NULL) return NULL;
    for (uint32_t i = 0; i < v->node_count; i++) {
        const node_message *n = v->nodes[i];
        for (size_t k = 0; r->reach.nodes[i] && k < n->n_input; k++) {
            const char *name;
            const size_t length = input_name(n->input[k], &name);
            const uint32_t at = name_table_find(&v->node_names, name, length);
            if (at == NAME_NONE || !r->reach.nodes[at] || is_listed[at]) continue;
            is_listed[at] = true;
            if (is_variable(v->nodes[at])) order[(*count)++] = at;
        }
    }
    for (uint32_t i = 0; i < v->node_count; i++) { /* an output that is a variable itself */
        if (r->reach.nodes[i] && !is_listed[i] && is_variable(v->nodes[i])) order[(*count)++] = i;
    }
    return order;
}

static ebb_status variables_read(reading *r)
{
    const graph_view *v = &r->view;
    restored_key *restored = NULL;
    uint32_t count = 0;
    ebb_status status = graph_keys_find(v, &restored);
    const uint32_t *order = variables_order(r, &count);

    tf_variable *variables = region_new(r->home, tf_variable, (size_t)count + 1);
    tensor_group *group = region_new(r->home, tensor_group, 1);
    tensor_entry *tensors = region_new(r->home, tensor_entry, (size_t)count + 1);
    if (status != EBB_OK) return status;
    if (order == NULL || variables == NULL || group == NULL || tensors == NULL) return no_memory(r);
    for (uint32_t i = 0; i < count && status == EBB_OK; i++) {
        variables[i].tensor = i;
        status =
            variable_read(r, v->nodes[order[i]], &restored[order[i]], &variables[i], &tensors[i]);
    }
    *group = (tensor_group){.name = "", .tensors = tensors, .count = count};
    r->d->groups = group;
    r->d->group_count = 1;
    r->result->variables = variables;
    r->result->variable_count = count;
    return status;
}

/* -- nodes --------------------------------------------------------------------------------------
 */

static uint32_t marked(const bool *marks, uint32_t count)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < count; i++) found += marks[i];
    return found;
}

static ebb_status nodes_read(reading *r)
{
    const graph_view *v = &r->view;
    graph_def_reader reader = {r->home, r->numbers, r->scratch, r->error};
    const uint32_t node_count = marked(r->reach.nodes, v->node_count);
    const uint32_t function_count = marked(r->reach.functions, v->function_count);
    tf_graph_def *def = region_new(r->home, tf_graph_def, 1);
    tf_node *nodes = region_new(r->home, tf_node, (size_t)node_count + 1);
    tf_function *functions = region_new(r->home, tf_function, (size_t)function_count + 1);
    ebb_status status = EBB_OK;

    if (def == NULL || nodes == NULL || functions == NULL) return no_memory(r);
    *def = (tf_graph_def){.nodes = nodes, .functions = functions};
    for (uint32_t i = 0; i < v->node_count && status == EBB_OK; i++) {
        if (r->reach.nodes[i]) status = node_read(&reader, v->nodes[i], &nodes[def->node_count++]);
    }
    for (uint32_t i = 0; i < v->function_count && status == EBB_OK; i++) {
        if (r->reach.functions[i])
            status = function_read(&reader, v->functions[i], &functions[def->function_count++]);
    }
    r->result->def = def;
    return status;
}

/* -----------------------------------------------------------------------------------------------
 */

static ebb_status model_read(reading *r)
{
    const char *path = region_format(r->scratch, "%s/saved_model.pb", r->d->path);
    const uint8_t *bytes = NULL;
    const void *message = NULL;
    size_t length = 0;
    ebb_status status =
        whole_file_read(r->scratch, path, SAVED_MODEL_BYTES_MAX, &bytes, &length, r->error);

    if (status == EBB_OK) {
        status = message_read(r->scratch, &ebb__read__saved_model__descriptor, bytes, length, path,
                              &message, r->error);
    }
    if (status != EBB_OK) return status;
    r->view.meta = meta_find(message);
    if (r->view.meta == NULL) {
        return fail(r->error, EBB_E_UNSUPPORTED, r->d->path,
                    "none of its graphs has the tag 'serve'");
    }
    return graph_view_open(&r->view);
}

static ebb_status graph_read(reading *r, const char *signature)
{
    ebb_status status = model_read(r);

    r->result = region_new(r->home, tf_saved_graph, 1);
    if (status == EBB_OK && r->result == NULL) status = no_memory(r);
    if (status == EBB_OK) status = signature_choose(r, signature);
    if (status == EBB_OK) status = graph_reach_find(&r->view, r->signature, &r->reach);
    if (status == EBB_OK)
        status = folder_bundle_open(r->home, r->scratch, r->d, &r->b, &r->has_bundle, r->error);
    if (status == EBB_OK && r->has_bundle)
        status = object_graph_read(r->scratch, &r->b, &r->objects, r->error);
    if (status == EBB_OK) status = variables_read(r);
    if (status == EBB_OK)
        status = ports_read(r, false, &r->result->inputs, &r->result->input_count);
    if (status == EBB_OK)
        status = ports_read(r, true, &r->result->outputs, &r->result->output_count);
    if (status == EBB_OK) status = nodes_read(r);
    if (status == EBB_OK) r->d->saved_graph = r->result;
    return status;
}

ebb_status saved_graph_read(region *home, description *d, const char *signature, ebb_error *error)
{
    reading r = {.home = home,
                 .scratch = region_open(home, "saved model", EBB_CLASS_SCRATCH, 0),
                 .numbers = region_open(home, "constants", EBB_CLASS_META, 0),
                 .d = d,
                 .error = error};
    ebb_status status;

    r.view = (graph_view){.scratch = r.scratch, .where = d->path, .error = error};
    if (r.scratch == NULL || r.numbers == NULL)
        status = region_fail(home, error, d->path, "the graph");
    else
        status = graph_read(&r, signature);
    region_close(r.scratch);
    if (status == EBB_OK)
        d->saved_constants = r.numbers;
    else
        region_close(r.numbers);
    return status;
}
