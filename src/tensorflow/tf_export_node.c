/* tf_export_node.c -- nodes, attributes, constants: how functions are put together.
 *
 * Nodes are named after the layer they come from, their operation and their number, so that equal
 * graphs give equal names: "encoder/dense/MatMul_12". */
#include "tensorflow/tf_export_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"

typedef struct operation {
    const char *name, *output;
} operation;

static const operation operations[TF_OPERATION_COUNT] = {
#define OPERATION(name, output) [TF_##name] = {#name, output},
#include "tensorflow/tf_export_list.inc"
#undef OPERATION
};

/* -- failures and memory ----------------------------------------------------------------------- */

bool export_ok(const emitter *e)
{
    return e->x->error.status == EBB_OK;
}

tensor_ref export_fail(emitter *e, ebb_status status, const char *format, ...)
{
    char text[sizeof e->x->error.text];
    va_list arguments;

    if (!export_ok(e)) return NULL;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    va_end(arguments);
    fail(&e->x->error, status, e->scope != NULL ? e->scope : e->x->function, "%s", text);
    return NULL;
}

static void no_memory(emitter *e)
{
    if (export_ok(e)) region_fail(e->x->home, &e->x->error, e->x->function, "the functions");
}

void *export_memory(emitter *e, size_t count, size_t size)
{
    void *memory = export_ok(e) ? region_alloc(e->x->home, count, size) : NULL;

    if (memory == NULL) no_memory(e);
    return memory;
}

const char *export_text(emitter *e, const char *before, uint32_t number)
{
    char *text = export_ok(e) ? region_format(e->x->home, "%s%u", before, number) : NULL;

    if (text == NULL) no_memory(e);
    return text;
}

/* An array with room for one more item. */
static void *grown(emitter *e, void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return items;
    const uint32_t wanted = *capacity == 0 ? 32 : *capacity * 2;
    void *more = export_memory(e, wanted, size);

    if (more == NULL) return NULL;
    if (count > 0) memcpy(more, items, count * size);
    *capacity = wanted;
    return more;
}

/* -- attributes -------------------------------------------------------------------------------- */

static tf_attribute_value *put(attributes *a, const char *name, tf_attribute_kind kind,
                               uint32_t count, bool is_list)
{
    tf_attribute_value *values = a->values[a->count];

    a->items[a->count++] = (tf_attribute){
        .name = name, .kind = kind, .is_list = is_list, .count = count, .values = values};
    return values;
}

void attributes_type(attributes *a, const char *name, tf_type type)
{
    put(a, name, TF_ATTRIBUTE_TYPE, 1, false)->type = type;
}

void attributes_int(attributes *a, const char *name, int64_t number)
{
    put(a, name, TF_ATTRIBUTE_INT, 1, false)->i = number;
}

void attributes_ints(attributes *a, const char *name, const int64_t *numbers, uint32_t count)
{
    tf_attribute_value *values = put(a, name, TF_ATTRIBUTE_INT, count, true);

    for (uint32_t i = 0; i < count && i < LIST_MAX; i++) values[i].i = numbers[i];
}

void attributes_bool(attributes *a, const char *name, bool truth)
{
    put(a, name, TF_ATTRIBUTE_BOOL, 1, false)->i = truth;
}

void attributes_float(attributes *a, const char *name, double number)
{
    put(a, name, TF_ATTRIBUTE_FLOAT, 1, false)->f = number;
}

static void put_text_as(attributes *a, const char *name, tf_attribute_kind kind, const char *text)
{
    put(a, name, kind, 1, false)->s = (tf_text){text, strlen(text)};
}

void attributes_text(attributes *a, const char *name, const char *text)
{
    put_text_as(a, name, TF_ATTRIBUTE_TEXT, text);
}

void attributes_function(attributes *a, const char *name, const char *function)
{
    put_text_as(a, name, TF_ATTRIBUTE_FUNCTION, function);
}

void attributes_types(attributes *a, const char *name, const tf_attribute_value *types,
                      uint32_t count)
{
    put(a, name, TF_ATTRIBUTE_TYPE, count, true);
    a->items[a->count - 1].values = types;
}

/* Copies what lies inside `a`. */
static const tf_attribute *attributes_keep(emitter *e, const attributes *a)
{
    tf_attribute *items = export_memory(e, (size_t)a->count + 1, sizeof *items);

    for (uint32_t i = 0; items != NULL && i < a->count; i++) {
        const tf_attribute *from = &a->items[i];
        items[i] = *from;
        if (from->values != a->values[i]) continue;
        tf_attribute_value *values = export_memory(e, (size_t)from->count + 1, sizeof *values);
        if (values == NULL) return NULL;
        memcpy(values, a->values[i], from->count * sizeof *values);
        items[i].values = values;
    }
    return items;
}

/* -- nodes ------------------------------------------------------------------------------------- */

/* Layers may have any name; nodes begin with a letter, digit or dot. */
static const char *node_name(emitter *e, operation_id op)
{
    char *name = region_format(e->x->home, "%s%s%s_%u", e->scope != NULL ? e->scope : "",
                               e->scope != NULL ? "/" : "", operations[op].name, e->node_count);

    if (name == NULL) {
        no_memory(e);
        return NULL;
    }
    for (char *c = name; *c != '\0'; c++) {
        const bool is_plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                              (*c >= '0' && *c <= '9') || *c == '.' ||
                              (c != name && (*c == '_' || *c == '/' || *c == '-'));
        if (!is_plain) *c = c == name ? 'x' : '_';
    }
    return name;
}

tensor_ref export_node(emitter *e, operation_id op, const tensor_ref *inputs, uint32_t count,
                       const attributes *a)
{
    static const attributes none = {.count = 0};

    for (uint32_t i = 0; i < count && export_ok(e); i++) {
        if (inputs[i] == NULL)
            return export_fail(e, EBB_E_INTERNAL, "%s has no input %u", operations[op].name, i);
    }
    tf_node *nodes = grown(e, e->nodes, e->node_count, &e->node_capacity, sizeof *nodes);
    const char *name = nodes == NULL ? NULL : node_name(e, op);
    tensor_ref *kept = export_memory(e, (size_t)count + 1, sizeof *kept);
    const tf_attribute *items = attributes_keep(e, a != NULL ? a : &none);
    tensor_ref ref =
        !export_ok(e) ? NULL : region_format(e->x->home, "%s:%s:0", name, operations[op].output);
    if (ref == NULL) {
        no_memory(e);
        return NULL;
    }
    if (count > 0) memcpy(kept, inputs, count * sizeof *kept);
    e->nodes = nodes;
    nodes[e->node_count++] = (tf_node){.name = name,
                                       .op = operations[op].name,
                                       .device = "",
                                       .inputs = kept,
                                       .input_count = count,
                                       .attributes = items,
                                       .attribute_count = a != NULL ? a->count : 0};
    return ref;
}

tensor_ref export_at(emitter *e, tensor_ref ref, uint32_t index)
{
    if (ref == NULL || index == 0) return ref;
    tensor_ref other =
        region_format(e->x->home, "%.*s%u", (int)(strrchr(ref, ':') + 1 - ref), ref, index);

    if (other == NULL) no_memory(e);
    return other;
}

static tensor_ref emit_typed(emitter *e, operation_id op, tf_type type, const tensor_ref *inputs,
                             uint32_t count)
{
    attributes a = {.count = 0};

    attributes_type(&a, "T", type);
    return export_node(e, op, inputs, count, &a);
}

/* The few that are of one type and do not say so. */
static bool is_logical(operation_id op)
{
    return op == TF_LogicalAnd || op == TF_LogicalOr || op == TF_LogicalNot;
}

tensor_ref export_1(emitter *e, operation_id op, tf_type type, tensor_ref x)
{
    if (is_logical(op)) return export_node(e, op, &x, 1, NULL);
    return emit_typed(e, op, type, &x, 1);
}

tensor_ref export_2(emitter *e, operation_id op, tf_type type, tensor_ref a, tensor_ref b)
{
    if (is_logical(op)) return export_node(e, op, (const tensor_ref[]){a, b}, 2, NULL);
    return emit_typed(e, op, type, (const tensor_ref[]){a, b}, 2);
}

tensor_ref export_3(emitter *e, operation_id op, tf_type type, tensor_ref a, tensor_ref b,
                    tensor_ref c)
{
    return emit_typed(e, op, type, (const tensor_ref[]){a, b, c}, 3);
}

void export_function_end(emitter *e, const tf_function *f)
{
    exporter *x = e->x;

    if (!export_ok(e)) return;
    tf_function *all =
        grown(e, x->functions, x->function_count, &x->function_capacity, sizeof *all);
    if (all == NULL) return;
    x->functions = all;
    all[x->function_count] = *f;
    all[x->function_count].nodes = e->nodes;
    all[x->function_count++].node_count = e->node_count;
}

/* -- constants --------------------------------------------------------------------------------- */

tensor_ref export_constant(emitter *e, tf_type type, const tf_shape *s, const void *data)
{
    attributes a = {.count = 0};
    tf_constant *c = export_memory(e, 1, sizeof *c);

    if (c == NULL) return NULL;
    *c = (tf_constant){.type = type, .shape = *s, .count = 1, .data = data};
    for (uint32_t i = 0; i < s->rank; i++) {
        if (!u64_mul(c->count, (uint64_t)s->dims[i], &c->count))
            return export_fail(e, EBB_E_SHAPE, "a constant is too large");
    }
    put(&a, "value", TF_ATTRIBUTE_TENSOR, 1, false)->tensor = c;
    attributes_type(&a, "dtype", type);
    return export_node(e, TF_Const, NULL, 0, &a);
}

static tensor_ref constant_ints(emitter *e, const int64_t *numbers, const tf_shape *s)
{
    uint32_t count = 1;

    for (uint32_t i = 0; i < s->rank; i++) count *= (uint32_t)s->dims[i];
    int32_t *data = export_memory(e, (size_t)count + 1, sizeof *data);
    if (data == NULL) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (numbers[i] > INT32_MAX || numbers[i] < INT32_MIN)
            return export_fail(e, EBB_E_UNSUPPORTED, "a length of %lld does not fit an int32",
                               (long long)numbers[i]);
        data[i] = (int32_t)numbers[i];
    }
    return export_constant(e, TF_INT32, s, data);
}

tensor_ref export_i32(emitter *e, int64_t number)
{
    return constant_ints(e, &number, &(tf_shape){.has_rank = true});
}

tensor_ref export_list(emitter *e, const int64_t *numbers, uint32_t count)
{
    return constant_ints(e, numbers, &(tf_shape){.has_rank = true, .rank = 1, .dims = {count}});
}

tensor_ref export_matrix(emitter *e, const int64_t *numbers, uint32_t rows, uint32_t columns)
{
    return constant_ints(e, numbers,
                         &(tf_shape){.has_rank = true, .rank = 2, .dims = {rows, columns}});
}

tensor_ref export_f32(emitter *e, float number)
{
    float *data = export_memory(e, 1, sizeof *data);

    if (data == NULL) return NULL;
    *data = number;
    return export_constant(e, TF_FLOAT, &(tf_shape){.has_rank = true}, data);
}

tensor_ref export_zero(emitter *e, tf_type type)
{
    void *data = export_memory(e, 1, sizeof(uint64_t));

    return data == NULL ? NULL : export_constant(e, type, &(tf_shape){.has_rank = true}, data);
}

/* -- values ------------------------------------------------------------------------------------ */

tf_type export_type(const emitter *e, value v)
{
    return tf_type_of(graph_value(e->g, v)->dtype);
}

/* Weights are arguments behind all others, in the order in which they are met. */
static tensor_ref emit_weight(emitter *e, value v)
{
    const value_info *info = graph_value(e->g, v);
    exporter *x = e->x;
    attributes a = {.count = 0};
    uint32_t place = 0;

    while (place < x->captured_count && x->captured[place] != info->index) place++;
    if (place == x->captured_count) x->captured[x->captured_count++] = info->index;
    tensor_ref resource = export_text(e, "resource_", place);
    attributes_type(&a, "dtype", export_type(e, v));
    tf_attribute_value *shapes = put(&a, "_output_shapes", TF_ATTRIBUTE_SHAPE, 1, true);
    shapes->shape = tf_shape_of(&info->shape);
    return export_node(e, TF_ReadVariableOp, &resource, 1, &a);
}

tensor_ref export_ref(emitter *e, value v)
{
    if (!export_ok(e) || e->refs[v] != NULL) return e->refs[v];
    const value_info *info = graph_value(e->g, v);

    if (v == VALUE_NONE || info->kind == VALUE_RESULT || info->kind == VALUE_INPUT)
        return export_fail(e, EBB_E_INTERNAL, "value %u comes from nowhere", v);
    if (info->kind == VALUE_WEIGHT) {
        e->refs[v] = emit_weight(e, v);
    } else {
        const tf_shape s = tf_shape_of(&info->shape);
        e->refs[v] = export_constant(e, export_type(e, v), &s, info->data);
    }
    return e->refs[v];
}

bool export_has(const node *n, uint32_t index)
{
    return index < n->input_count && n->inputs[index] != VALUE_NONE;
}

tensor_ref export_input(emitter *e, const node *n, uint32_t index)
{
    return export_has(n, index) ? export_ref(e, n->inputs[index]) : NULL;
}

void export_set(emitter *e, const node *n, uint32_t index, tensor_ref ref)
{
    if (export_ok(e)) e->refs[n->outputs[index]] = ref;
}
