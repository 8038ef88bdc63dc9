/* graph_def_read.c -- see graph_def_read.h. */
#include "format/savedmodel/graph_def_read.h"

#include <inttypes.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "format/savedmodel/name_table.h"

#define BLOCK_BYTES 65536 /* constants from here on get pages of their own */
#define INPUTS_MAX  100000

static ebb_status no_memory(graph_def_reader *r, const char *where)
{
    return region_fail(r->home, r->error, where, "the graph");
}

bool shape_message_read(const shape_message *m, tf_shape *result)
{
    *result = (tf_shape){0};
    if (m == NULL || m->unknown_rank) return true;
    if (m->n_dim > EBB_RANK_MAX) return false;
    result->has_rank = true;
    result->rank = (uint32_t)m->n_dim;
    for (size_t i = 0; i < m->n_dim; i++) {
        if (m->dim[i]->size < -1) return false;
        result->dims[i] = m->dim[i]->size;
    }
    return true;
}

/* -- constants ----------------------------------------------------------------------------------
 */

static bool shape_count(const tf_shape *s, uint64_t *count)
{
    bool is_empty = false;

    *count = 1;
    if (!s->has_rank) return false;
    for (uint32_t i = 0; i < s->rank; i++) {
        if (s->dims[i] < 0) return false;
        is_empty |= s->dims[i] == 0;
    }
    if (is_empty) *count = 0;
    for (uint32_t i = 0; i < s->rank && !is_empty; i++) {
        if (!u64_mul(*count, (uint64_t)s->dims[i], count)) return false;
    }
    return true;
}

/* The list of numbers that a type is kept in, and how wide its items are there. */
typedef struct number_list {
    const void *items;
    size_t count, item_bytes;
} number_list;

static number_list numbers_of(const tensor_message *m, tf_type type)
{
    switch (type) {
    case TF_FLOAT: return (number_list){m->float_val, m->n_float_val, sizeof(float)};
    case TF_DOUBLE: return (number_list){m->double_val, m->n_double_val, sizeof(double)};
    case TF_INT64: return (number_list){m->int64_val, m->n_int64_val, sizeof(int64_t)};
    case TF_UINT64: return (number_list){m->uint64_val, m->n_uint64_val, sizeof(uint64_t)};
    case TF_UINT32: return (number_list){m->uint32_val, m->n_uint32_val, sizeof(uint32_t)};
    case TF_BOOL: return (number_list){m->bool_val, m->n_bool_val, sizeof(protobuf_c_boolean)};
    case TF_HALF:
    case TF_BFLOAT16: return (number_list){m->half_val, m->n_half_val, sizeof(int32_t)};
    default: return (number_list){m->int_val, m->n_int_val, sizeof(int32_t)};
    }
}

/* Narrow types stand in wider items; the low bytes are theirs. */
static void numbers_expand(uint8_t *to, size_t size, uint64_t count, const number_list *list)
{
    const uint64_t own = list->count < count ? list->count : count;

    for (uint64_t i = 0; i < own; i++)
        memcpy(to + i * size, (const uint8_t *)list->items + i * list->item_bytes, size);
    for (uint64_t i = own; own > 0 && i < count; i++)
        memcpy(to + i * size, to + (own - 1) * size, size);
}

static ebb_status texts_read(graph_def_reader *r, const tensor_message *m, const char *where,
                             tf_constant *c)
{
    if (c->count > CONSTANT_EXPANDED_MAX / sizeof(tf_text))
        return fail(r->error, EBB_E_FORMAT, where, "%" PRIu64 " texts are too many", c->count);
    tf_text *texts = region_new(r->numbers, tf_text, (size_t)c->count + 1);
    if (texts == NULL) return region_fail(r->numbers, r->error, where, "the texts of a graph");
    for (uint64_t i = 0; i < c->count; i++) {
        if (i >= m->n_string_val) {
            texts[i] = i == 0 ? (tf_text){"", 0} : texts[i - 1];
            continue;
        }
        const ProtobufCBinaryData *s = &m->string_val[i];
        char *text = region_alloc(r->numbers, 1, s->len + 1);
        if (text == NULL) return region_fail(r->numbers, r->error, where, "the texts of a graph");
        if (s->len > 0) memcpy(text, s->data, s->len);
        texts[i] = (tf_text){text, s->len};
    }
    c->texts = texts;
    return EBB_OK;
}

static ebb_status numbers_read(graph_def_reader *r, const tensor_message *m, const char *where,
                               size_t size, tf_constant *c)
{
    const uint64_t content = m->tensor_content.len;
    const number_list list = numbers_of(m, c->type);
    uint64_t bytes;

    if (!u64_mul(c->count, size, &bytes) || (content > 0 && content != bytes) ||
        list.count > c->count) {
        return fail(r->error, EBB_E_FORMAT, where,
                    "a constant of %" PRIu64 " elements with %" PRIu64
                    " bytes and %zu numbers: the graph is damaged",
                    c->count, content, list.count);
    }
    if (content == 0 && bytes > CONSTANT_EXPANDED_MAX) {
        return fail(r->error, EBB_E_UNSUPPORTED, where,
                    "a constant of %" PRIu64 " bytes made of one number is too large", bytes);
    }
    uint8_t *to = bytes >= BLOCK_BYTES ? region_block(r->numbers, (size_t)bytes)
                                       : region_alloc(r->numbers, 1, (size_t)bytes + 1);
    if (to == NULL) return region_fail(r->numbers, r->error, where, "a constant of the graph");
    if (content > 0)
        memcpy(to, m->tensor_content.data, (size_t)bytes);
    else
        numbers_expand(to, size, c->count, &list);
    for (uint64_t i = 0; c->type == TF_BOOL && i < bytes; i++) to[i] = to[i] != 0;
    c->data = to;
    return EBB_OK;
}

ebb_status constant_read(graph_def_reader *r, const tensor_message *m, const char *where,
                         tf_constant *result)
{
    static const shape_message scalar;
    const shape_message *s = m->tensor_shape != NULL ? m->tensor_shape : &scalar;

    *result = (tf_constant){.type = (tf_type)m->dtype};
    if (!shape_message_read(s, &result->shape) || !shape_count(&result->shape, &result->count))
        return fail(r->error, EBB_E_FORMAT, where,
                    "a constant without a shape, or of too many axes");
    if (result->type == TF_STRING) return texts_read(r, m, where, result);
    const size_t size = ebb_dtype_bytes(tf_type_dtype(result->type));
    if (size == 0) return EBB_OK; /* complex numbers, variants: no data, so nobody computes */
    return numbers_read(r, m, where, size, result);
}

/* -- attributes ---------------------------------------------------------------------------------
 */

static bool text_take(graph_def_reader *r, const void *bytes, size_t length, tf_text *result)
{
    char *text = region_alloc(r->home, 1, length + 1);

    if (text != NULL && length > 0) memcpy(text, bytes, length);
    *result = (tf_text){text, length};
    return text != NULL;
}

/* Item `i` of a list, or the single value; `kind` tells which. */
static ebb_status value_read(graph_def_reader *r, const attr_message *m, tf_attribute_kind kind,
                             uint32_t i, const char *where, tf_attribute_value *v)
{
    const bool is_list = m->value_case == EBB__READ__ATTR__VALUE_LIST;
    const attr_list_message *list = is_list ? m->list : NULL;
    const tensor_message *tensor;
    const char *name;
    tf_constant *constant;
    ProtobufCBinaryData text;

    switch (kind) {
    case TF_ATTRIBUTE_INT: v->i = is_list ? list->i[i] : m->i; return EBB_OK;
    case TF_ATTRIBUTE_FLOAT: v->f = is_list ? list->f[i] : m->f; return EBB_OK;
    case TF_ATTRIBUTE_BOOL: v->i = is_list ? list->b[i] != 0 : m->b != 0; return EBB_OK;
    case TF_ATTRIBUTE_TYPE: v->type = (tf_type)(is_list ? list->type[i] : m->type); return EBB_OK;
    case TF_ATTRIBUTE_SHAPE:
        if (shape_message_read(is_list ? list->shape[i] : m->shape, &v->shape)) return EBB_OK;
        return fail(r->error, EBB_E_UNSUPPORTED, where, "a shape of more than %d axes",
                    EBB_RANK_MAX);
    case TF_ATTRIBUTE_TEXT:
        text = is_list ? list->s[i] : m->s;
        return text_take(r, text.data, text.len, &v->s) ? EBB_OK : no_memory(r, where);
    case TF_ATTRIBUTE_FUNCTION:
        name = is_list ? list->func[i]->name : m->func->name;
        return text_take(r, name, strlen(name), &v->s) ? EBB_OK : no_memory(r, where);
    case TF_ATTRIBUTE_TENSOR:
        tensor = is_list ? list->tensor[i] : m->tensor;
        constant = region_new(r->home, tf_constant, 1);
        if (constant == NULL) return no_memory(r, where);
        v->tensor = constant;
        return constant_read(r, tensor, where, constant);
    }
    return fail(r->error, EBB_E_INTERNAL, where, "an attribute of no kind");
}

typedef struct attribute_form {
    tf_attribute_kind kind;
    size_t count;
} attribute_form;

/* A list has items of one kind; an empty one counts as a list of integers. */
static attribute_form list_form(const attr_list_message *l)
{
    const attribute_form forms[] = {
        {TF_ATTRIBUTE_INT, l->n_i},         {TF_ATTRIBUTE_FLOAT, l->n_f},
        {TF_ATTRIBUTE_BOOL, l->n_b},        {TF_ATTRIBUTE_TEXT, l->n_s},
        {TF_ATTRIBUTE_TYPE, l->n_type},     {TF_ATTRIBUTE_SHAPE, l->n_shape},
        {TF_ATTRIBUTE_TENSOR, l->n_tensor}, {TF_ATTRIBUTE_FUNCTION, l->n_func},
    };

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (forms[i].count > 0) return forms[i];
    }
    return (attribute_form){TF_ATTRIBUTE_INT, 0};
}

/* False: not set, or with a message missing. */
static bool attribute_form_of(const attr_message *m, attribute_form *form)
{
    static const attribute_form forms[] = {
        [EBB__READ__ATTR__VALUE_S] = {TF_ATTRIBUTE_TEXT, 1},
        [EBB__READ__ATTR__VALUE_I] = {TF_ATTRIBUTE_INT, 1},
        [EBB__READ__ATTR__VALUE_F] = {TF_ATTRIBUTE_FLOAT, 1},
        [EBB__READ__ATTR__VALUE_B] = {TF_ATTRIBUTE_BOOL, 1},
        [EBB__READ__ATTR__VALUE_TYPE] = {TF_ATTRIBUTE_TYPE, 1},
        [EBB__READ__ATTR__VALUE_SHAPE] = {TF_ATTRIBUTE_SHAPE, 1},
        [EBB__READ__ATTR__VALUE_TENSOR] = {TF_ATTRIBUTE_TENSOR, 1},
        [EBB__READ__ATTR__VALUE_FUNC] = {TF_ATTRIBUTE_FUNCTION, 1},
    };

    if (m == NULL || m->value_case == EBB__READ__ATTR__VALUE__NOT_SET) return false;
    if (m->value_case == EBB__READ__ATTR__VALUE_LIST) {
        if (m->list == NULL) return false;
        *form = list_form(m->list);
        return true;
    }
    *form = forms[m->value_case];
    if (form->kind == TF_ATTRIBUTE_TENSOR) return m->tensor != NULL;
    return form->kind != TF_ATTRIBUTE_FUNCTION || m->func != NULL;
}

static ebb_status attributes_read(graph_def_reader *r, const node_message *m, tf_node *n)
{
    tf_attribute *list = region_new(r->home, tf_attribute, m->n_attr + 1);

    n->attributes = list;
    if (list == NULL) return no_memory(r, n->name);
    for (size_t i = 0; i < m->n_attr; i++) {
        attribute_form form;
        if (m->attr[i]->key[0] == '_' || !attribute_form_of(m->attr[i]->value, &form)) continue;
        if (form.count > INPUTS_MAX)
            return fail(r->error, EBB_E_FORMAT, n->name, "an attribute of %zu items", form.count);
        tf_attribute_value *values = region_new(r->home, tf_attribute_value, form.count + 1);
        tf_attribute *a = &list[n->attribute_count];
        *a = (tf_attribute){.name = region_text(r->home, m->attr[i]->key),
                            .kind = form.kind,
                            .is_list = m->attr[i]->value->value_case == EBB__READ__ATTR__VALUE_LIST,
                            .count = (uint32_t)form.count,
                            .values = values};
        if (values == NULL || a->name == NULL) return no_memory(r, n->name);
        for (uint32_t k = 0; k < form.count; k++) {
            const ebb_status status =
                value_read(r, m->attr[i]->value, form.kind, k, n->name, &values[k]);
            if (status != EBB_OK) return status;
        }
        n->attribute_count++;
    }
    return EBB_OK;
}

/* -- nodes and functions ------------------------------------------------------------------------
 */

ebb_status node_read(graph_def_reader *r, const node_message *m, tf_node *result)
{
    *result = (tf_node){.name = region_text(r->home, m->name),
                        .op = region_text(r->home, m->op),
                        .device = m->device[0] != '\0' ? region_text(r->home, m->device) : ""};
    const char **inputs = region_new(r->home, const char *, m->n_input + 1);
    if (inputs == NULL || result->name == NULL || result->op == NULL || result->device == NULL)
        return no_memory(r, m->name);
    if (m->n_input > INPUTS_MAX)
        return fail(r->error, EBB_E_FORMAT, m->name, "a node of %zu inputs", m->n_input);
    for (size_t i = 0; i < m->n_input; i++) {
        inputs[i] = region_text(r->home, m->input[i]);
        if (inputs[i] == NULL) return no_memory(r, m->name);
    }
    result->inputs = inputs;
    result->input_count = (uint32_t)m->n_input;
    return attributes_read(r, m, result);
}

static bool results_open(graph_def_reader *r, const function_message *m, name_table *names)
{
    if (!name_table_make(r->scratch, m->n_ret, names)) return false;
    for (size_t i = 0; i < m->n_ret; i++) (void)name_table_put(names, m->ret[i]->key, (uint32_t)i);
    return true;
}

static ebb_status ports_read(graph_def_reader *r, const function_message *m, bool is_result,
                             const tf_port **ports, uint32_t *count)
{
    const size_t all = is_result ? m->signature->n_output_arg : m->signature->n_input_arg;
    Ebb__Read__Arg *const *args = is_result ? m->signature->output_arg : m->signature->input_arg;
    const char *where = m->signature->name;
    tf_port *list = region_new(r->home, tf_port, all + 1);
    name_table names;

    if (all > INPUTS_MAX)
        return fail(r->error, EBB_E_FORMAT, where, "a function of %zu ports", all);
    if (list == NULL || (is_result && !results_open(r, m, &names))) return no_memory(r, where);
    for (size_t i = 0; i < all; i++) {
        list[i].name = region_text(r->home, args[i]->name);
        list[i].type = (tf_type)args[i]->type;
        if (list[i].name == NULL) return no_memory(r, where);
        if (!is_result) continue;
        const uint32_t number = name_table_find(&names, args[i]->name, strlen(args[i]->name));
        if (number == NAME_NONE) {
            return fail(r->error, EBB_E_FORMAT, where,
                        "the function does not say what its result '%.100s' is", args[i]->name);
        }
        list[i].source = region_text(r->home, m->ret[number]->value);
        if (list[i].source == NULL) return no_memory(r, where);
    }
    *ports = list;
    *count = (uint32_t)all;
    return EBB_OK;
}

ebb_status function_read(graph_def_reader *r, const function_message *m, tf_function *result)
{
    *result = (tf_function){.name = region_text(r->home, m->signature->name)};
    tf_node *nodes = region_new(r->home, tf_node, m->n_node_def + 1);

    if (nodes == NULL || result->name == NULL) return no_memory(r, m->signature->name);
    ebb_status status = ports_read(r, m, false, &result->arguments, &result->argument_count);
    if (status == EBB_OK) status = ports_read(r, m, true, &result->results, &result->result_count);
    result->nodes = nodes;
    for (size_t i = 0; i < m->n_node_def && status == EBB_OK; i++) {
        status = node_read(r, m->node_def[i], &nodes[i]);
        result->node_count++;
    }
    if (status != EBB_OK) fail_within(r->error, m->signature->name);
    return status;
}
