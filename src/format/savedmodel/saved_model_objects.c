/* saved_model_objects.c -- the objects that loading gives back, and the same objects as the
 * checkpoint names them.
 *
 *     0 root ── 1 variables, 2 trainable_variables, 3 non_trainable_variables: lists
 *            ├─ 4 serve: a function
 *            └─ 5 signatures ── serve, serving_default: concrete functions
 *     6 ... the variables, then the concrete functions of the signatures */
#include "format/savedmodel/saved_model_maker.h"

#include <string.h>

enum { NODE_ROOT, NODE_ALL, NODE_TRAINABLE, NODE_OTHERS, NODE_SERVE, NODE_SIGNATURES, NODE_FIRST };

typedef Ebb__Write__Structure structure;

static uint32_t node_count(const saved_model_content *c)
{
    return NODE_FIRST + c->variable_count + SAVED_SIGNATURES;
}

/* -- children ---------------------------------------------------------------------------------- */

typedef struct children {
    Ebb__Write__Child **items;
    size_t count;
} children;

static void child_add(maker *m, children *list, uint32_t node, const char *name)
{
    if (list->items == NULL) return;
    Ebb__Write__Child *child = MESSAGE(m, Child, child);
    child->node_id = (int32_t)node;
    child->local_name = (char *)(uintptr_t)name;
    list->items[list->count++] = child;
}

static void children_of_root(maker *m, children *list)
{
    static const char *const names[] = {
        [NODE_ALL] = "variables",
        [NODE_TRAINABLE] = "trainable_variables",
        [NODE_OTHERS] = "non_trainable_variables",
        [NODE_SERVE] = "serve",
        [NODE_SIGNATURES] = "signatures",
    };

    for (uint32_t i = NODE_ALL; i < NODE_FIRST; i++) child_add(m, list, i, names[i]);
}

/* Variables of one of the three lists, numbered as they come. */
static void children_of_list(maker *m, const saved_model_content *c, uint32_t node, children *list)
{
    for (uint32_t i = 0; i < c->variable_count; i++) {
        const bool is_in =
            node == NODE_ALL || c->variables[i].trainable == (node == NODE_TRAINABLE);
        if (is_in) child_add(m, list, NODE_FIRST + i, maker_text(m, "%u", (uint32_t)list->count));
    }
}

static children children_of(maker *m, const saved_model_content *c, uint32_t node)
{
    const size_t most = node < NODE_FIRST ? (size_t)c->variable_count + NODE_FIRST : 0;
    children list = {.items = maker_memory(m, most + 1, sizeof *list.items)};

    if (node == NODE_ROOT) {
        children_of_root(m, &list);
    } else if (node == NODE_SIGNATURES) {
        for (uint32_t i = 0; i < SAVED_SIGNATURES; i++)
            child_add(m, &list, NODE_FIRST + c->variable_count + i, saved_signatures[i]);
    } else if (node < NODE_SERVE) {
        children_of_list(m, c, node, &list);
    }
    return list;
}

/* -- structured values ------------------------------------------------------------------------- */

static structure *structure_none(maker *m)
{
    structure *s = MESSAGE(m, Structure, structure);

    s->kind_case = EBB__WRITE__STRUCTURE__KIND_NONE_VALUE;
    s->none_value = MESSAGE(m, NoneValue, none_value);
    return s;
}

static structure *structure_text(maker *m, const char *text)
{
    structure *s = MESSAGE(m, Structure, structure);

    s->kind_case = EBB__WRITE__STRUCTURE__KIND_STRING_VALUE;
    s->string_value = (char *)(uintptr_t)text;
    return s;
}

static structure *structure_port(maker *m, const char *name, const saved_port *port)
{
    structure *s = MESSAGE(m, Structure, structure);
    Ebb__Write__TensorSpec *spec = MESSAGE(m, TensorSpec, tensor_spec);

    spec->name = (char *)(uintptr_t)name;
    spec->shape = maker_shape(m, &port->shape);
    spec->dtype = (int32_t)port->type;
    s->kind_case = EBB__WRITE__STRUCTURE__KIND_TENSOR_SPEC_VALUE;
    s->tensor_spec_value = spec;
    return s;
}

/* A list or tuple with room for `room` values. */
static structure *structure_list(maker *m, bool is_tuple, size_t room)
{
    structure *s = MESSAGE(m, Structure, structure);
    Ebb__Write__ListValue *list = MESSAGE(m, ListValue, list_value);

    list->values = maker_memory(m, room + 1, sizeof *list->values);
    s->kind_case =
        is_tuple ? EBB__WRITE__STRUCTURE__KIND_TUPLE_VALUE : EBB__WRITE__STRUCTURE__KIND_LIST_VALUE;
    if (is_tuple) {
        s->tuple_value = list;
    } else {
        s->list_value = list;
    }
    return s;
}

static void list_add(const maker *m, structure *s, structure *value)
{
    if (m->no_memory) return;
    Ebb__Write__ListValue *list =
        s->kind_case == EBB__WRITE__STRUCTURE__KIND_TUPLE_VALUE ? s->tuple_value : s->list_value;

    list->values[list->n_values++] = value;
}

static Ebb__Write__FieldEntry *field(maker *m, const char *key, structure *value)
{
    Ebb__Write__FieldEntry *entry = MESSAGE(m, FieldEntry, field_entry);

    entry->key = (char *)(uintptr_t)key;
    entry->value = value;
    return entry;
}

static structure *structure_dict(maker *m, size_t room)
{
    structure *s = MESSAGE(m, Structure, structure);
    Ebb__Write__DictValue *dict = MESSAGE(m, DictValue, dict_value);

    dict->fields = maker_memory(m, room + 1, sizeof *dict->fields);
    s->kind_case = EBB__WRITE__STRUCTURE__KIND_DICT_VALUE;
    s->dict_value = dict;
    return s;
}

static void dict_add(maker *m, structure *s, const char *key, structure *value)
{
    if (m->no_memory) return;
    Ebb__Write__DictValue *dict = s->dict_value;
    dict->fields[dict->n_fields++] = field(m, key, value);
}

/* Ports as `serve` takes or gives them. */
static structure *structure_ports(maker *m, saved_structure kind, const saved_port *ports,
                                  uint32_t count)
{
    if (kind == STRUCTURE_ONE && count == 1) return structure_port(m, ports[0].name, &ports[0]);
    structure *s =
        kind == STRUCTURE_DICT ? structure_dict(m, count) : structure_list(m, false, count);
    for (uint32_t i = 0; i < count && !m->no_memory; i++) {
        structure *port = structure_port(m, ports[i].name, &ports[i]);
        if (kind == STRUCTURE_DICT) {
            dict_add(m, s, ports[i].key, port);
        } else {
            list_add(m, s, port);
        }
    }
    return s;
}

/* Ports by name, as signatures take and give them. */
static structure *structure_named(maker *m, const saved_model_content *c, bool is_output)
{
    const uint32_t count = is_output ? c->output_count : c->input_count;
    const uint32_t *order = is_output ? saved_outputs_sorted(m, c) : saved_inputs_sorted(m, c);
    structure *s = structure_dict(m, count);

    for (uint32_t i = 0; order != NULL && i < count && !m->no_memory; i++) {
        const saved_port *port = is_output ? &c->outputs[order[i]] : &c->inputs[order[i]];
        const char *name = is_output ? saved_output_name(m, c, order[i]) : port->name;
        dict_add(m, s, name, structure_port(m, name, port));
    }
    return s;
}

/* -- functions --------------------------------------------------------------------------------- */

/* What Python's inspect.getfullargspec() says of a function with these arguments. */
static structure *argument_names(maker *m, structure *positional, structure *by_name)
{
    structure *s = MESSAGE(m, Structure, structure);
    Ebb__Write__NamedTuple *tuple = MESSAGE(m, NamedTuple, named_tuple);
    const struct {
        const char *key;
        structure *value;
    } fields[] = {
        {"args", positional},
        {"varargs", structure_none(m)},
        {"varkw", structure_none(m)},
        {"defaults", structure_none(m)},
        {"kwonlyargs", by_name},
        {"kwonlydefaults", structure_none(m)},
        {"annotations", structure_dict(m, 0)},
    };
    const size_t count = sizeof fields / sizeof fields[0];

    tuple->name = (char *)(uintptr_t) "FullArgSpec";
    tuple->values = maker_memory(m, count, sizeof *tuple->values);
    for (size_t i = 0; tuple->values != NULL && i < count; i++)
        tuple->values[tuple->n_values++] = field(m, fields[i].key, fields[i].value);
    s->kind_case = EBB__WRITE__STRUCTURE__KIND_NAMED_TUPLE_VALUE;
    s->named_tuple_value = tuple;
    return s;
}

static Ebb__Write__FunctionSpec *spec_make(maker *m, structure *names, structure *signature)
{
    Ebb__Write__FunctionSpec *spec = MESSAGE(m, FunctionSpec, function_spec);

    spec->fullargspec = names;
    spec->input_signature = signature;
    return spec;
}

static void serve_make(maker *m, const saved_model_content *c, Ebb__Write__SavedObject *object)
{
    Ebb__Write__SavedFunction *function = MESSAGE(m, SavedFunction, saved_function);
    structure *positional = structure_list(m, false, 1), *signature = structure_list(m, true, 1);

    list_add(m, positional, structure_text(m, "args_0"));
    list_add(m, signature, structure_ports(m, c->input_structure, c->inputs, c->input_count));
    function->function_spec =
        spec_make(m, argument_names(m, positional, structure_list(m, false, 0)), signature);
    function->concrete_functions = maker_memory(m, 1, sizeof *function->concrete_functions);
    if (function->concrete_functions != NULL) {
        function->concrete_functions[function->n_concrete_functions++] =
            (char *)(uintptr_t)c->functions[c->function_count - 1].name;
    }
    object->kind_case = EBB__WRITE__SAVED_OBJECT__KIND_FUNCTION;
    object->function = function;
}

static void signature_make(maker *m, const saved_model_content *c, Ebb__Write__SavedObject *object)
{
    Ebb__Write__BareFunction *function = MESSAGE(m, BareFunction, bare_function);
    structure *names = structure_list(m, false, c->input_count);
    const uint32_t *order = saved_inputs_sorted(m, c);

    function->concrete_function_name = (char *)(uintptr_t)SAVED_WRAPPER;
    function->argument_keywords =
        maker_memory(m, c->input_count, sizeof *function->argument_keywords);
    for (uint32_t i = 0; !m->no_memory && i < c->input_count; i++) {
        const char *name = c->inputs[order[i]].name;
        function->argument_keywords[function->n_argument_keywords++] = (char *)(uintptr_t)name;
        list_add(m, names, structure_text(m, name));
    }
    function->allowed_positional_arguments = c->input_count == 1 ? 1 : 0;
    function->function_spec =
        spec_make(m, argument_names(m, structure_list(m, false, 0), names), structure_none(m));
    object->kind_case = EBB__WRITE__SAVED_OBJECT__KIND_BARE_CONCRETE_FUNCTION;
    object->bare_concrete_function = function;
}

static Ebb__Write__ConcreteFunctionEntry *concrete_make(maker *m, const saved_model_content *c,
                                                        const char *name, structure *positional,
                                                        structure *by_name, structure *results)
{
    Ebb__Write__ConcreteFunctionEntry *entry =
        MESSAGE(m, ConcreteFunctionEntry, concrete_function_entry);
    Ebb__Write__ConcreteFunction *function = MESSAGE(m, ConcreteFunction, concrete_function);
    structure *both = structure_list(m, true, 2);

    list_add(m, both, positional);
    list_add(m, both, by_name);
    function->canonicalized_input_signature = both;
    function->output_signature = results;
    function->bound_inputs = maker_memory(m, c->captured_count, sizeof *function->bound_inputs);
    for (uint32_t i = 0; function->bound_inputs != NULL && i < c->captured_count; i++) {
        function->bound_inputs[function->n_bound_inputs++] = (int32_t)(NODE_FIRST + c->captured[i]);
    }
    entry->key = (char *)(uintptr_t)name;
    entry->value = function;
    return entry;
}

static void concretes_make(maker *m, const saved_model_content *c, Ebb__Write__SavedObjects *all)
{
    structure *positional = structure_list(m, true, 1);

    all->concrete_functions = maker_memory(m, 2, sizeof *all->concrete_functions);
    if (all->concrete_functions == NULL) return;
    list_add(m, positional, structure_ports(m, c->input_structure, c->inputs, c->input_count));
    all->concrete_functions[0] = concrete_make(
        m, c, c->functions[c->function_count - 1].name, positional, structure_dict(m, 0),
        structure_ports(m, c->output_structure, c->outputs, c->output_count));
    all->concrete_functions[1] =
        concrete_make(m, c, SAVED_WRAPPER, structure_list(m, true, 0), structure_named(m, c, false),
                      structure_named(m, c, true));
    all->n_concrete_functions = 2;
}

/* -- objects ----------------------------------------------------------------------------------- */

static void user_make(maker *m, Ebb__Write__SavedObject *object, const char *identifier)
{
    Ebb__Write__UserObject *user = MESSAGE(m, UserObject, user_object);

    user->identifier = (char *)(uintptr_t)identifier;
    user->version = maker_versions(m, 1, 1);
    object->kind_case = EBB__WRITE__SAVED_OBJECT__KIND_USER_OBJECT;
    object->user_object = user;
}

static void variable_make(maker *m, Ebb__Write__SavedObject *object, const saved_variable *v)
{
    Ebb__Write__SavedVariable *variable = MESSAGE(m, SavedVariable, saved_variable);
    tf_shape s = {.has_rank = true, .rank = v->rank};

    memcpy(s.dims, v->dims, sizeof s.dims);
    variable->dtype = (int32_t)tf_type_of(v->dtype);
    variable->shape = maker_shape(m, &s);
    variable->trainable = v->trainable;
    variable->name = (char *)(uintptr_t)v->name;
    object->kind_case = EBB__WRITE__SAVED_OBJECT__KIND_VARIABLE;
    object->variable = variable;
}

static Ebb__Write__SavedObject *object_make(maker *m, const saved_model_content *c, uint32_t node)
{
    Ebb__Write__SavedObject *object = MESSAGE(m, SavedObject, saved_object);
    const children list = children_of(m, c, node);

    object->children = list.items;
    object->n_children = list.count;
    if (node == NODE_ROOT) {
        user_make(m, object, "_generic_user_object");
    } else if (node == NODE_SIGNATURES) {
        user_make(m, object, "signature_map");
    } else if (node == NODE_SERVE) {
        serve_make(m, c, object);
    } else if (node < NODE_SERVE) {
        user_make(m, object, "trackable_list_wrapper");
    } else if (node < NODE_FIRST + c->variable_count) {
        variable_make(m, object, &c->variables[node - NODE_FIRST]);
    } else {
        signature_make(m, c, object);
    }
    return object;
}

Ebb__Write__SavedObjects *saved_objects_make(maker *m, const saved_model_content *c)
{
    Ebb__Write__SavedObjects *all = MESSAGE(m, SavedObjects, saved_objects);

    all->nodes = maker_memory(m, node_count(c), sizeof *all->nodes);
    for (uint32_t i = 0; all->nodes != NULL && i < node_count(c); i++)
        all->nodes[all->n_nodes++] = object_make(m, c, i);
    concretes_make(m, c, all);
    return all;
}

/* -- the checkpoint's own list ----------------------------------------------------------------- */

static Ebb__Write__CheckpointObject *checkpoint_object_make(maker *m, const saved_model_content *c,
                                                            uint32_t node)
{
    Ebb__Write__CheckpointObject *object = MESSAGE(m, CheckpointObject, checkpoint_object);
    Ebb__Write__HasValues *values = MESSAGE(m, HasValues, has_values);
    const children list = children_of(m, c, node);
    const bool is_variable = node >= NODE_FIRST && node < NODE_FIRST + c->variable_count;

    object->children = list.items;
    object->n_children = list.count;
    values->value = is_variable;
    object->has_checkpoint_values = values;
    if (!is_variable) return object;
    object->attributes = maker_memory(m, 1, sizeof *object->attributes);
    if (object->attributes == NULL) return object;
    Ebb__Write__SerializedTensor *tensor = MESSAGE(m, SerializedTensor, serialized_tensor);
    tensor->name = (char *)(uintptr_t) "VARIABLE_VALUE";
    tensor->full_name = (char *)(uintptr_t)c->variables[node - NODE_FIRST].name;
    tensor->checkpoint_key = (char *)(uintptr_t)saved_variable_key(m, node - NODE_FIRST);
    object->attributes[object->n_attributes++] = tensor;
    return object;
}

Ebb__Write__CheckpointObjects *checkpoint_objects_make(maker *m, const saved_model_content *c)
{
    Ebb__Write__CheckpointObjects *all = MESSAGE(m, CheckpointObjects, checkpoint_objects);

    all->nodes = maker_memory(m, node_count(c), sizeof *all->nodes);
    for (uint32_t i = 0; all->nodes != NULL && i < node_count(c); i++)
        all->nodes[all->n_nodes++] = checkpoint_object_make(m, c, i);
    return all;
}
