/* tensorflow_case.c -- see tensorflow_case.h. */
#include "tensorflow_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/dtype.h"

static void *items(region *home, size_t count, size_t size)
{
    void *memory = region_alloc(home, count + 1, size);

    CHECK(memory != NULL);
    return memory;
}

static uint32_t count_of(const json *list)
{
    return list != NULL ? list->count : 0;
}

tf_type tensorflow_type(const char *name)
{
    if (strcmp(name, "string") == 0) return TF_STRING;
    return tf_type_of(dtype_from_name(name));
}

static tf_shape shape_of(const json *list)
{
    tf_shape s = {.has_rank = list != NULL && list->kind == JSON_ARRAY};

    for (; s.has_rank && s.rank < list->count; s.rank++)
        s.dims[s.rank] = json_integer(json_item(list, s.rank), -1);
    return s;
}

static tf_text text_of(region *home, const json *x)
{
    const char *text = json_text(x, "");

    return (tf_text){.bytes = region_text(home, text), .length = strlen(text)};
}

tf_constant *tensorflow_tensor(region *home, const json *x)
{
    tf_constant *t = items(home, 1, sizeof *t);
    const json *numbers = json_item(x, 2);

    t->type = tensorflow_type(json_text(json_item(x, 0), ""));
    t->shape = shape_of(json_item(x, 1));
    t->count = 1;
    for (uint32_t i = 0; i < t->shape.rank; i++) t->count *= (uint64_t)t->shape.dims[i];
    if (t->type == TF_STRING) {
        tf_text *texts = items(home, t->count, sizeof *texts);
        for (uint32_t i = 0; i < count_of(numbers); i++)
            texts[i] = text_of(home, json_item(numbers, i));
        t->texts = texts;
        return t;
    }
    const ebb_dtype dtype = tf_type_dtype(t->type);
    const size_t bytes = ebb_dtype_bytes(dtype);
    CHECK(bytes > 0);
    uint8_t *data = items(home, t->count, bytes);
    for (uint32_t i = 0; i < count_of(numbers); i++) {
        const json *n = json_item(numbers, i);
        if (n->kind == JSON_INTEGER) {
            dtype_convert(dtype, data + i * bytes, EBB_I64, &n->as.integer, 1);
            continue;
        }
        const double number = n->kind == JSON_STRING ? strtod(n->as.string, NULL)
                              : n->kind == JSON_BOOL ? n->as.boolean
                                                     : json_number(n, 0);
        dtype_convert(dtype, data + i * bytes, EBB_F64, &number, 1);
    }
    t->data = data;
    return t;
}

/* -- graphs ------------------------------------------------------------------------------------ */

static tf_attribute_kind kind_of(const char *name, bool *is_list)
{
    static const char *const names[] = {"int",  "float", "bool",   "text",
                                        "type", "shape", "tensor", "function"};

    *is_list = strncmp(name, "list(", 5) == 0;
    if (*is_list) name += 5;
    for (int i = 0; i < 8; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0) return (tf_attribute_kind)i;
    harness_fail(__FILE__, __LINE__, "no kind %s", name);
    return TF_ATTRIBUTE_INT;
}

static tf_attribute_value value_of(region *home, tf_attribute_kind kind, const json *x)
{
    tf_attribute_value v = {.i = 0};

    switch (kind) {
    case TF_ATTRIBUTE_INT: v.i = json_integer(x, 0); break;
    case TF_ATTRIBUTE_BOOL: v.i = json_boolean(x, false); break;
    case TF_ATTRIBUTE_FLOAT: v.f = json_number(x, 0); break;
    case TF_ATTRIBUTE_TEXT:
    case TF_ATTRIBUTE_FUNCTION: v.s = text_of(home, x); break;
    case TF_ATTRIBUTE_TYPE: v.type = (tf_type)json_integer(x, 0); break;
    case TF_ATTRIBUTE_SHAPE: v.shape = shape_of(x); break;
    case TF_ATTRIBUTE_TENSOR: v.tensor = tensorflow_tensor(home, x); break;
    }
    return v;
}

static tf_attribute attribute_of(region *home, const json *x)
{
    tf_attribute a = {.name = json_text(json_item(x, 0), ""), .count = 1};
    const json *given = json_item(x, 2);

    a.kind = kind_of(json_text(json_item(x, 1), ""), &a.is_list);
    if (a.is_list) a.count = given->count;
    tf_attribute_value *values = items(home, a.count, sizeof *values);
    for (uint32_t i = 0; i < a.count; i++)
        values[i] = value_of(home, a.kind, a.is_list ? json_item(given, i) : given);
    a.values = values;
    return a;
}

tf_node *tensorflow_nodes(region *home, const json *list, uint32_t *count)
{
    tf_node *nodes = items(home, count_of(list), sizeof *nodes);

    *count = count_of(list);
    for (uint32_t i = 0; i < *count; i++) {
        const json *x = json_item(list, i), *inputs = json_get(x, "inputs");
        const json *attributes = json_get(x, "attributes");
        const char **names = items(home, count_of(inputs), sizeof *names);
        tf_attribute *found = items(home, count_of(attributes), sizeof *found);
        for (uint32_t k = 0; k < count_of(inputs); k++)
            names[k] = json_text(json_item(inputs, k), "");
        for (uint32_t k = 0; k < count_of(attributes); k++)
            found[k] = attribute_of(home, json_item(attributes, k));
        nodes[i] = (tf_node){.name = json_text(json_get(x, "name"), ""),
                             .op = json_text(json_get(x, "op"), ""),
                             .device = "",
                             .inputs = names,
                             .input_count = count_of(inputs),
                             .attributes = found,
                             .attribute_count = count_of(attributes)};
    }
    return nodes;
}

static tf_port *ports_of(region *home, const json *list, uint32_t *count)
{
    tf_port *ports = items(home, count_of(list), sizeof *ports);

    *count = count_of(list);
    for (uint32_t i = 0; i < *count; i++) {
        const json *x = json_item(list, i);
        ports[i] = (tf_port){.name = json_text(json_item(x, 0), ""),
                             .type = (tf_type)json_integer(json_item(x, 1), 0),
                             .source = json_text(json_item(x, 2), NULL)};
    }
    return ports;
}

tf_graph_def *tensorflow_graph(region *home, const json *object)
{
    tf_graph_def *g = items(home, 1, sizeof *g);
    const json *list = json_get(object, "functions");
    tf_function *functions = items(home, count_of(list), sizeof *functions);

    g->nodes = tensorflow_nodes(home, json_get(object, "nodes"), &g->node_count);
    g->functions = functions;
    g->function_count = count_of(list);
    for (uint32_t i = 0; i < g->function_count; i++) {
        const json *x = json_item(list, i);
        tf_function *f = &functions[i];
        f->name = json_text(json_get(x, "name"), "");
        f->arguments = ports_of(home, json_get(x, "arguments"), &f->argument_count);
        f->results = ports_of(home, json_get(x, "results"), &f->result_count);
        f->nodes = tensorflow_nodes(home, json_get(x, "nodes"), &f->node_count);
    }
    return g;
}

/* -- comparison -------------------------------------------------------------------------------- */

static double number_at(ebb_dtype dtype, const void *data, uint64_t i)
{
    double number;

    dtype_convert(EBB_F64, &number, dtype,
                  (const uint8_t *)data + i * (uint64_t)ebb_dtype_bytes(dtype), 1);
    return number;
}

void tensorflow_check(const char *name, const void *found, ebb_dtype dtype, uint64_t count,
                      const tf_constant *expected, double relative, double absolute)
{
    const ebb_dtype wanted = tf_type_dtype(expected->type);
    const bool is_exact = !dtype_is_float(wanted);
    double largest = 1;

    if (count != expected->count) {
        harness_fail(__FILE__, __LINE__, "%s: %llu elements, expected %llu", name,
                     (unsigned long long)count, (unsigned long long)expected->count);
    }
    for (uint64_t i = 0; i < count; i++) {
        const double size = fabs(number_at(wanted, expected->data, i));
        if (isfinite(size) && size > largest) largest = size;
    }
    for (uint64_t i = 0; i < count; i++) {
        const double got = number_at(dtype, found, i), want = number_at(wanted, expected->data, i);
        if (isnan(want) ? isnan(got) : got == want) continue;
        if (is_exact || !(fabs(got - want) <= absolute * largest + relative * fabs(want)))
            harness_fail(__FILE__, __LINE__, "%s: element %llu is %.9g, expected %.9g", name,
                         (unsigned long long)i, got, want);
    }
}
