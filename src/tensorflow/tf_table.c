/* tf_table.c -- the table of operations: finding entries, attributes with their defaults, and
 * tf_operation(), which checks a call and has it emitted. */
#include "tensorflow/tf_call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "tensorflow/tf_emit.h"
#include "tensorflow/tf_parameter.h"

static const tf_entry entries[] = {
#define TF(name, least, most, emits, parameter, attributes, outputs)                               \
    {#name, least, most, tf_emit_##emits, (int)(parameter), false, attributes, outputs},
#define TF_RESOURCE(name, least, most, emits, parameter, attributes, outputs)                      \
    {#name, least, most, tf_emit_##emits, (int)(parameter), true, attributes, outputs},
#include "tensorflow/tf_list.inc"
#undef TF_RESOURCE
#undef TF
};
#define ENTRY_COUNT (sizeof entries / sizeof entries[0])

const tf_entry *tf_entry_find(const char *name)
{
    const uint32_t at = tf_operation_find(name);

    return at == UINT32_MAX ? NULL : &entries[at];
}

uint32_t tf_operation_count(void)
{
    return (uint32_t)ENTRY_COUNT;
}

bool tf_operation_at(uint32_t index, tf_operation_info *info)
{
    if (index >= ENTRY_COUNT) return false;
    const tf_entry *e = &entries[index];
    *info = (tf_operation_info){.name = e->name,
                                .inputs_min = e->inputs_min,
                                .inputs_max = e->inputs_max,
                                .outputs = e->outputs,
                                .attributes = e->attributes};
    return true;
}

uint32_t tf_operation_find(const char *name)
{
    for (uint32_t i = 0; i < ENTRY_COUNT; i++) {
        if (strcmp(entries[i].name, name) == 0) return i;
    }
    return UINT32_MAX;
}

/* -- words between commas ---------------------------------------------------------------------- */

/* The end of a part: a comma outside brackets, or the end. */
static const char *part_end(const char *at)
{
    for (int depth = 0; *at != '\0' && (*at != ',' || depth > 0); at++) {
        depth += (*at == '[') - (*at == ']');
    }
    return at;
}

static const char *part_next(const char *end)
{
    if (*end == ',') end++;
    while (*end == ' ') end++;
    return end;
}

uint32_t tf_entry_output(const tf_entry *e, const char *name, size_t length)
{
    uint32_t place = 0;

    if (e->outputs[0] == '\0') return 0;
    for (const char *at = e->outputs; *at != '\0'; at = part_next(part_end(at)), place++) {
        const size_t found = (size_t)(part_end(at) - at);
        if (found == length && memcmp(at, name, length) == 0) return place;
    }
    return UINT32_MAX;
}

/* What the entry says of an attribute. */
typedef struct declared {
    const char *name, *kind, *standard; /* standard: the default; NULL: required */
    size_t name_length, kind_length, standard_length;
} declared;

static const char *declared_read(const char *at, declared *d)
{
    const char *end = part_end(at), *colon = at, *equals;

    while (colon < end && *colon != ':') colon++;
    *d = (declared){.name = at, .name_length = (size_t)(colon - at)};
    d->kind = colon < end ? colon + 2 : end;
    for (equals = d->kind; equals < end && *equals != '=';) equals++;
    d->kind_length = (size_t)(equals - d->kind) - (equals < end ? 1 : 0);
    if (equals < end) {
        d->standard = equals + 1;
        if (d->standard < end && *d->standard == ' ') d->standard++;
        d->standard_length = (size_t)(end - d->standard);
    }
    return part_next(end);
}

static bool declared_find(const tf_entry *e, const char *name, declared *d)
{
    for (const char *at = e->attributes; *at != '\0';) {
        at = declared_read(at, d);
        if (strlen(name) == d->name_length && memcmp(name, d->name, d->name_length) == 0)
            return true;
    }
    return false;
}

/* The default as text; "" if there is none. */
static void default_text(const tf_entry *e, const char *name, char *text, size_t capacity)
{
    declared d;

    text[0] = '\0';
    if (!declared_find(e, name, &d) || d.standard == NULL) return;
    (void)snprintf(text, capacity, "%.*s", (int)d.standard_length, d.standard);
}

/* -- attributes -------------------------------------------------------------------------------- */

const tf_attribute *tf_attribute_of(const tf_call *c, const char *name)
{
    for (uint32_t i = 0; i < c->attribute_count; i++) {
        if (strcmp(c->attributes[i].name, name) == 0) return &c->attributes[i];
    }
    return NULL;
}

static const tf_attribute_value *one_of(const tf_call *c, const char *name)
{
    const tf_attribute *a = tf_attribute_of(c, name);

    return a != NULL && a->count > 0 ? &a->values[0] : NULL;
}

int64_t tf_int(const tf_call *c, const tf_entry *e, const char *name)
{
    const tf_attribute_value *v = one_of(c, name);
    char text[32];

    if (v != NULL) return v->i;
    default_text(e, name, text, sizeof text);
    return strcmp(text, "true") == 0 ? 1 : strtoll(text, NULL, 10);
}

double tf_float(const tf_call *c, const tf_entry *e, const char *name)
{
    const tf_attribute_value *v = one_of(c, name);
    char text[32];

    if (v != NULL) return v->f;
    default_text(e, name, text, sizeof text);
    return strtod(text, NULL);
}

bool tf_bool(const tf_call *c, const tf_entry *e, const char *name)
{
    return tf_int(c, e, name) != 0;
}

tf_type tf_type_attribute(const tf_call *c, const tf_entry *e, const char *name)
{
    const tf_attribute_value *v = one_of(c, name);
    char text[32];

    if (v != NULL) return v->type;
    default_text(e, name, text, sizeof text);
    return strcmp(text, "DT_INT64") == 0   ? TF_INT64
           : strcmp(text, "DT_INT32") == 0 ? TF_INT32
                                           : TF_NONE;
}

bool tf_text_is(const tf_call *c, const tf_entry *e, const char *name, const char *text)
{
    const tf_attribute_value *v = one_of(c, name);
    char standard[32];

    if (v != NULL) return strlen(text) == v->s.length && memcmp(text, v->s.bytes, v->s.length) == 0;
    default_text(e, name, standard, sizeof standard);
    return strcmp(standard, text) == 0;
}

uint32_t tf_ints(const tf_call *c, const tf_entry *e, const char *name, int64_t *items,
                 uint32_t count_max)
{
    const tf_attribute *a = tf_attribute_of(c, name);
    char text[64], *at = text;
    uint32_t count = 0;

    if (a != NULL) {
        for (; count < a->count && count < count_max; count++) items[count] = a->values[count].i;
        return count;
    }
    default_text(e, name, text, sizeof text);
    for (at += text[0] == '['; *at != '\0' && *at != ']' && count < count_max; count++) {
        items[count] = strtoll(at, &at, 10);
        while (*at == ',' || *at == ' ') at++;
    }
    return count;
}

/* -- faults ------------------------------------------------------------------------------------ */

bool tf_fail(tf_build *b, const tf_call *c, ebb_status status, const char *format, ...)
{
    char text[sizeof b->graph->error.text];
    va_list arguments;

    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    va_end(arguments);
    (void)graph_fail(b->graph, status, "%s: %s", c->op, text);
    return false;
}

void *tf_memory(tf_build *b, size_t count, size_t size)
{
    if (!graph_ok(b->graph)) return NULL;
    void *memory = region_alloc(b->home, count, size);
    if (memory == NULL)
        (void)region_fail(b->home, &b->graph->error,
                          b->graph->scope != NULL ? b->graph->scope : "graph", "the graph");
    return memory;
}

/* -- a call ------------------------------------------------------------------------------------ */

static const char *kind_name(const tf_attribute *a)
{
    static const char *const names[] = {"int",  "float", "bool",   "text",
                                        "type", "shape", "tensor", "function"};

    return (uint32_t)a->kind <= TF_ATTRIBUTE_FUNCTION ? names[a->kind] : "?";
}

/* Is the attribute of the kind that the entry declares? */
static bool kind_fits(const declared *d, const tf_attribute *a)
{
    const char *name = kind_name(a);
    const size_t length = strlen(name);

    if (a->is_list && a->count == 0) return d->kind_length > 4 && memcmp(d->kind, "list", 4) == 0;
    if (a->values == NULL || (!a->is_list && a->count != 1)) return false;
    if (!a->is_list) return d->kind_length == length && memcmp(d->kind, name, length) == 0;
    return d->kind_length == length + 6 && memcmp(d->kind, "list(", 5) == 0 &&
           memcmp(d->kind + 5, name, length) == 0;
}

static bool attributes_check(tf_build *b, const tf_call *c, const tf_entry *e)
{
    declared d;

    for (const char *at = e->attributes; *at != '\0';) {
        char name[48];
        at = declared_read(at, &d);
        (void)snprintf(name, sizeof name, "%.*s", (int)d.name_length, d.name);
        const tf_attribute *a = tf_attribute_of(c, name);
        if (a == NULL && d.standard == NULL)
            return tf_fail(b, c, EBB_E_ARGUMENT, "the attribute '%s' (%.*s) is missing", name,
                           (int)d.kind_length, d.kind);
        if (a != NULL && !kind_fits(&d, a))
            return tf_fail(b, c, EBB_E_ARGUMENT, "the attribute '%s' must be %.*s, it is %s%s",
                           name, (int)d.kind_length, d.kind, a->is_list ? "a list of " : "",
                           kind_name(a));
    }
    for (uint32_t i = 0; i < c->attribute_count; i++) {
        const tf_attribute *a = &c->attributes[i];
        if (a->kind == TF_ATTRIBUTE_TYPE || a->name[0] == '_' || declared_find(e, a->name, &d) ||
            (a->is_list && a->count == 0))
            continue;
        return tf_fail(b, c, EBB_E_ARGUMENT, "it has no attribute '%.40s'", a->name);
    }
    return true;
}

/* Variables among the inputs become what they hold; lists and other things stay. */
static bool inputs_resolve(tf_build *b, tf_call *c, const tf_entry *e)
{
    uint32_t variables = 0;

    for (uint32_t i = e->takes_resources ? 1 : 0; i < c->input_count; i++)
        variables += c->inputs[i].type == TF_RESOURCE;
    if (variables == 0) return true;
    tf_tensor *copy = tf_memory(b, c->input_count, sizeof *copy);
    if (copy == NULL) return false;
    memcpy(copy, c->inputs, c->input_count * sizeof *copy);
    for (uint32_t i = e->takes_resources ? 1 : 0; i < c->input_count; i++) {
        if (copy[i].type != TF_RESOURCE) continue;
        const value v = tf_value(b, &copy[i]);
        if (v == VALUE_NONE) return false;
        copy[i] = tf_tensor_of(b, v, TF_NONE);
    }
    c->inputs = copy;
    return true;
}

bool tf_operation(tf_build *b, tf_call *call)
{
    graph *g = b->graph;

    if (!graph_ok(g)) return false;
    const char *scope = g->scope;
    g->scope = call->name != NULL ? call->name : call->op;
    const tf_entry *e = tf_entry_find(call->op);
    tf_call c = *call;
    bool good = false;
    c.output_count = 0;
    if (e == NULL)
        (void)graph_fail(g, EBB_E_UNSUPPORTED, "the operation '%.60s' is not supported", call->op);
    else if (c.input_count != e->inputs_min && e->inputs_min == e->inputs_max)
        (void)tf_fail(b, &c, EBB_E_ARGUMENT, "takes %u inputs, got %u", e->inputs_min,
                      c.input_count);
    else if (c.input_count < e->inputs_min || c.input_count > e->inputs_max)
        (void)tf_fail(b, &c, EBB_E_ARGUMENT, "takes %u to %u inputs, got %u", e->inputs_min,
                      e->inputs_max, c.input_count);
    else
        good = attributes_check(b, &c, e) && inputs_resolve(b, &c, e) && e->emit(b, &c, e);
    call->output_count = good && graph_ok(g) ? c.output_count : 0;
    g->scope = scope;
    return good && graph_ok(g);
}
