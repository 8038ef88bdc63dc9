/* saved_model_maker.c -- plain structs of graphs as messages of TensorFlow. */
#include "format/savedmodel/saved_model_maker.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"

void *maker_memory(maker *m, size_t count, size_t size)
{
    void *memory = m->no_memory ? NULL : region_alloc(m->home, count > 0 ? count : 1, size);

    if (memory == NULL) m->no_memory = true;
    return memory;
}

char *maker_text(maker *m, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : maker_memory(m, (size_t)length + 1, 1);
    if (text == NULL) {
        m->no_memory = true;
        m->sink[0] = 0;
        return (char *)m->sink;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void *maker_message(maker *m, const ProtobufCMessageDescriptor *kind)
{
    void *message = maker_memory(m, 1, kind->sizeof_message);

    if (message == NULL) message = m->sink;
    protobuf_c_message_init(kind, message);
    return message;
}

const uint8_t *maker_pack(maker *m, const void *message, size_t *length)
{
    *length = m->no_memory ? 0 : protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = m->no_memory ? NULL : region_block(m->home, *length + 1);

    if (bytes == NULL) m->no_memory = true;
    if (bytes != NULL) protobuf_c_message_pack(message, bytes);
    return bytes;
}

Ebb__Write__Shape *maker_shape(maker *m, const tf_shape *s)
{
    Ebb__Write__Shape *shape = MESSAGE(m, Shape, shape);

    shape->unknown_rank = !s->has_rank;
    if (!s->has_rank) return shape;
    shape->dim = maker_memory(m, s->rank, sizeof *shape->dim);
    for (uint32_t i = 0; shape->dim != NULL && i < s->rank; i++) {
        shape->dim[i] = MESSAGE(m, Dim, dim);
        shape->dim[i]->size = s->dims[i];
        shape->n_dim++;
    }
    return shape;
}

Ebb__Write__Versions *maker_versions(maker *m, int32_t producer, int32_t consumer)
{
    Ebb__Write__Versions *versions = MESSAGE(m, Versions, versions);

    versions->producer = producer;
    versions->min_consumer = consumer;
    return versions;
}

/* -- attributes -------------------------------------------------------------------------------- */

static ProtobufCBinaryData data_of(const void *bytes, size_t length)
{
    return (ProtobufCBinaryData){.len = length, .data = (uint8_t *)(uintptr_t)bytes};
}

static Ebb__Write__Tensor *tensor_make(maker *m, const tf_constant *c)
{
    Ebb__Write__Tensor *tensor = MESSAGE(m, Tensor, tensor);
    size_t bytes = ebb_dtype_bytes(tf_type_dtype(c->type));

    tensor->dtype = (int32_t)c->type;
    tensor->tensor_shape = maker_shape(m, &c->shape);
    if (c->type != TF_STRING) {
        if (!size_mul(bytes, (size_t)c->count, &bytes)) m->no_memory = true;
        tensor->tensor_content = data_of(c->data, bytes);
        return tensor;
    }
    tensor->string_val = maker_memory(m, (size_t)c->count, sizeof *tensor->string_val);
    for (uint64_t i = 0; tensor->string_val != NULL && i < c->count; i++)
        tensor->string_val[tensor->n_string_val++] = data_of(c->texts[i].bytes, c->texts[i].length);
    return tensor;
}

static Ebb__Write__FunctionName *name_make(maker *m, const char *text)
{
    Ebb__Write__FunctionName *name = MESSAGE(m, FunctionName, function_name);

    name->name = (char *)(uintptr_t)text;
    return name;
}

static void value_make(maker *m, Ebb__Write__Attr *attr, tf_attribute_kind kind,
                       const tf_attribute_value *value)
{
    switch (kind) {
    case TF_ATTRIBUTE_INT:
        attr->value_case = EBB__WRITE__ATTR__VALUE_I;
        attr->i = value->i;
        return;
    case TF_ATTRIBUTE_FLOAT:
        attr->value_case = EBB__WRITE__ATTR__VALUE_F;
        attr->f = (float)value->f;
        return;
    case TF_ATTRIBUTE_BOOL:
        attr->value_case = EBB__WRITE__ATTR__VALUE_B;
        attr->b = value->i != 0;
        return;
    case TF_ATTRIBUTE_TEXT:
        attr->value_case = EBB__WRITE__ATTR__VALUE_S;
        attr->s = data_of(value->s.bytes, value->s.length);
        return;
    case TF_ATTRIBUTE_TYPE:
        attr->value_case = EBB__WRITE__ATTR__VALUE_TYPE;
        attr->type = (int32_t)value->type;
        return;
    case TF_ATTRIBUTE_SHAPE:
        attr->value_case = EBB__WRITE__ATTR__VALUE_SHAPE;
        attr->shape = maker_shape(m, &value->shape);
        return;
    case TF_ATTRIBUTE_TENSOR:
        attr->value_case = EBB__WRITE__ATTR__VALUE_TENSOR;
        attr->tensor = tensor_make(m, value->tensor);
        return;
    case TF_ATTRIBUTE_FUNCTION:
        attr->value_case = EBB__WRITE__ATTR__VALUE_FUNC;
        attr->func = name_make(m, value->s.bytes);
        return;
    }
}

/* Lists of numbers, types and shapes: others are not written. */
static void list_make(maker *m, Ebb__Write__Attr *attr, const tf_attribute *a)
{
    Ebb__Write__AttrList *list = MESSAGE(m, AttrList, attr_list);

    attr->value_case = EBB__WRITE__ATTR__VALUE_LIST;
    attr->list = list;
    if (a->kind == TF_ATTRIBUTE_INT) list->i = maker_memory(m, a->count, sizeof *list->i);
    if (a->kind == TF_ATTRIBUTE_TYPE) list->type = maker_memory(m, a->count, sizeof *list->type);
    if (a->kind == TF_ATTRIBUTE_SHAPE) list->shape = maker_memory(m, a->count, sizeof *list->shape);
    for (uint32_t i = 0; i < a->count; i++) {
        if (list->i != NULL) list->i[list->n_i++] = a->values[i].i;
        if (list->type != NULL) list->type[list->n_type++] = (int32_t)a->values[i].type;
        if (list->shape != NULL) list->shape[list->n_shape++] = maker_shape(m, &a->values[i].shape);
    }
}

static Ebb__Write__AttrEntry *entry_make(maker *m, const tf_attribute *a)
{
    Ebb__Write__AttrEntry *entry = MESSAGE(m, AttrEntry, attr_entry);

    entry->key = (char *)(uintptr_t)a->name;
    entry->value = MESSAGE(m, Attr, attr);
    if (a->is_list) {
        list_make(m, entry->value, a);
    } else {
        value_make(m, entry->value, a->kind, a->values);
    }
    return entry;
}

/* -- nodes and functions ----------------------------------------------------------------------- */

static Ebb__Write__Node *node_make(maker *m, const tf_node *n)
{
    Ebb__Write__Node *node = MESSAGE(m, Node, node);

    node->name = (char *)(uintptr_t)n->name;
    node->op = (char *)(uintptr_t)n->op;
    node->input = maker_memory(m, n->input_count, sizeof *node->input);
    node->attr = maker_memory(m, n->attribute_count, sizeof *node->attr);
    for (uint32_t i = 0; node->input != NULL && i < n->input_count; i++)
        node->input[node->n_input++] = (char *)(uintptr_t)n->inputs[i];
    for (uint32_t i = 0; node->attr != NULL && i < n->attribute_count; i++)
        node->attr[node->n_attr++] = entry_make(m, &n->attributes[i]);
    return node;
}

static Ebb__Write__Node **nodes_make(maker *m, const tf_node *nodes, uint32_t count, size_t *made)
{
    Ebb__Write__Node **list = maker_memory(m, count, sizeof *list);

    for (uint32_t i = 0; list != NULL && i < count; i++) list[i] = node_make(m, &nodes[i]);
    *made = list != NULL ? count : 0;
    return list;
}

static Ebb__Write__Argument **arguments_make(maker *m, const tf_port *ports, uint32_t count,
                                             size_t *made)
{
    Ebb__Write__Argument **list = maker_memory(m, count, sizeof *list);

    for (uint32_t i = 0; list != NULL && i < count; i++) {
        list[i] = MESSAGE(m, Argument, argument);
        list[i]->name = (char *)(uintptr_t)ports[i].name;
        list[i]->type = (int32_t)ports[i].type;
    }
    *made = list != NULL ? count : 0;
    return list;
}

/* Shapes of arguments stand beside the signature. */
static void shapes_make(maker *m, Ebb__Write__Function *function, const tf_function *f)
{
    function->arg_attr = maker_memory(m, f->argument_count, sizeof *function->arg_attr);
    for (uint32_t i = 0; function->arg_attr != NULL && i < f->argument_count; i++) {
        const tf_attribute_value value = {.shape = f->arguments[i].shape};
        const tf_attribute a = {"_output_shapes", TF_ATTRIBUTE_SHAPE, true, 1, &value};
        if (!f->arguments[i].shape.has_rank) continue;
        Ebb__Write__ArgumentEntry *entry = MESSAGE(m, ArgumentEntry, argument_entry);
        Ebb__Write__ArgumentAttrs *attrs = MESSAGE(m, ArgumentAttrs, argument_attrs);
        attrs->attr = maker_memory(m, 1, sizeof *attrs->attr);
        if (attrs->attr == NULL) return;
        attrs->attr[attrs->n_attr++] = entry_make(m, &a);
        entry->key = i;
        entry->value = attrs;
        function->arg_attr[function->n_arg_attr++] = entry;
    }
}

static Ebb__Write__Function *function_make(maker *m, const tf_function *f)
{
    Ebb__Write__Function *function = MESSAGE(m, Function, function);
    Ebb__Write__Signature *signature = MESSAGE(m, Signature, signature);

    function->signature = signature;
    signature->name = (char *)(uintptr_t)f->name;
    signature->is_stateful = true;
    signature->input_arg =
        arguments_make(m, f->arguments, f->argument_count, &signature->n_input_arg);
    signature->output_arg =
        arguments_make(m, f->results, f->result_count, &signature->n_output_arg);
    function->node_def = nodes_make(m, f->nodes, f->node_count, &function->n_node_def);
    function->ret = maker_memory(m, f->result_count, sizeof *function->ret);
    for (uint32_t i = 0; function->ret != NULL && i < f->result_count; i++) {
        Ebb__Write__TextEntry *entry = MESSAGE(m, TextEntry, text_entry);
        entry->key = (char *)(uintptr_t)f->results[i].name;
        entry->value = (char *)(uintptr_t)f->results[i].source;
        function->ret[function->n_ret++] = entry;
    }
    shapes_make(m, function, f);
    return function;
}

Ebb__Write__Graph *maker_graph(maker *m, const tf_graph_def *g)
{
    Ebb__Write__Graph *graph = MESSAGE(m, Graph, graph);
    Ebb__Write__Library *library = MESSAGE(m, Library, library);

    graph->node = nodes_make(m, g->nodes, g->node_count, &graph->n_node);
    library->function = maker_memory(m, g->function_count, sizeof *library->function);
    for (uint32_t i = 0; library->function != NULL && i < g->function_count; i++)
        library->function[library->n_function++] = function_make(m, &g->functions[i]);
    graph->library = library;
    return graph;
}
