/* symbolic_names.c -- faults, lists, tensors and names of a public graph.
 *
 * Names are unique as in TensorFlow: the second "MatMul" is "MatMul_1". They are found through a
 * hash table, which also knows the number that comes next. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "runtime/session/symbolic.h"
#include "train/nearest.h"

#define EPOCHS_TOLD 256u /* resets back to which a stale tensor is told from a foreign one */

/* -- faults ------------------------------------------------------------------------------------ */

uint32_t symbolic_fail(symbolic *s, ebb_status status, const char *where, const char *format, ...)
{
    char text[sizeof s->error.text];
    va_list arguments;

    if (s->error.status != EBB_OK) return SYM_NONE;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    va_end(arguments);
    fail(&s->error, status, where, "%s", text);
    return SYM_NONE;
}

uint32_t symbolic_no_memory(symbolic *s, const char *where)
{
    if (s->error.status == EBB_OK) region_fail(s->body.home, &s->error, where, "the graph");
    return SYM_NONE;
}

bool symbolic_grow(symbolic *s, void **items, uint32_t count, uint32_t *capacity, size_t bytes)
{
    if (count < *capacity) return true;
    const uint32_t larger = *capacity == 0 ? 16 : *capacity * 2;
    void *copy = region_alloc(s->body.home, larger, bytes);
    if (copy == NULL) return symbolic_no_memory(s, s->name) != SYM_NONE;
    if (count > 0) memcpy(copy, *items, count * bytes);
    *items = copy;
    *capacity = larger;
    return true;
}

/* -- tensors ----------------------------------------------------------------------------------- */

static uint64_t mark(const symbolic *s, uint64_t epoch)
{
    const uint64_t mixed = (s->id ^ (epoch << 17)) * 0x9E3779B97F4A7C15u;

    return (mixed >> 32 | 1) << 32;
}

ebb_tensor symbolic_handle(const symbolic *s, uint32_t tensor)
{
    return (ebb_tensor){tensor == SYM_NONE ? 0 : mark(s, s->epoch) | ((uint64_t)tensor + 1)};
}

static bool is_of_before(const symbolic *s, uint64_t upper)
{
    for (uint64_t back = 1; back <= s->epoch && back <= EPOCHS_TOLD; back++)
        if (upper == mark(s, s->epoch - back)) return true;
    return false;
}

uint32_t symbolic_number(const symbolic *s, ebb_tensor x, const char *what, ebb_error *error)
{
    const uint64_t upper = x.id & ~(uint64_t)UINT32_MAX;
    const uint32_t number = (uint32_t)x.id;

    if (upper == mark(s, s->epoch) && number > 0 && number <= s->body.tensor_count)
        return number - 1;
    if (x.id == 0 && s->error.status != EBB_OK) {
        fail(error, s->error.status, s->error.where, "%s is no tensor, because: %s", what,
             s->error.text);
    } else if (x.id == 0) {
        fail(error, EBB_E_ARGUMENT, s->name,
             "%s is no tensor; ebb_graph_error() tells why a call "
             "answered {0}",
             what);
    } else if (is_of_before(s, upper)) {
        fail(error, EBB_E_STALE, s->name, "%s was made before the graph was reset; make it again",
             what);
    } else {
        fail(error, EBB_E_ARGUMENT, s->name,
             "%s is a tensor of another graph; tensors are good for the graph that made them",
             what);
    }
    return SYM_NONE;
}

bool symbolic_has_value(const symbolic *s, uint32_t tensor)
{
    const tf_tensor *t = &s->body.tensors[tensor].shadow;

    return t->v != VALUE_NONE || t->has_lengths;
}

uint32_t symbolic_input(symbolic *s, ebb_tensor x)
{
    ebb_error error = {0};

    if (x.id == 0) {
        if (s->error.status == EBB_OK)
            symbolic_fail(s, EBB_E_ARGUMENT, s->name, "a tensor is missing: {0} was given");
        return SYM_NONE;
    }
    const uint32_t number = symbolic_number(s, x, "an input", &error);
    if (number == SYM_NONE && s->error.status == EBB_OK) s->error = error;
    if (number == SYM_NONE || symbolic_has_value(s, number)) return number;
    return symbolic_fail(s, EBB_E_ARGUMENT, s->body.nodes[s->body.tensors[number].node].name,
                         "the operation has no value; it can only be a target of runs");
}

/* -- names ------------------------------------------------------------------------------------- */

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name != '\0'; name++) hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash;
}

/* The place of a name, or the free one where it belongs. The table is never full. */
static sym_name *name_place(const sym_body *b, const char *name)
{
    uint32_t at = hash_of(name) & (b->name_capacity - 1);

    while (b->names[at].name != NULL && strcmp(b->names[at].name, name) != 0)
        at = (at + 1) & (b->name_capacity - 1);
    return &b->names[at];
}

static bool names_grow(symbolic *s)
{
    sym_body *b = &s->body;
    const uint32_t capacity = b->name_capacity == 0 ? 32 : b->name_capacity * 2;

    if (b->name_count * 2 < b->name_capacity) return true;
    sym_name *old = b->names, *names = region_new(b->home, sym_name, capacity);
    if (names == NULL) return symbolic_no_memory(s, s->name) != SYM_NONE;
    const uint32_t old_capacity = b->name_capacity;
    b->names = names;
    b->name_capacity = capacity;
    for (uint32_t i = 0; i < old_capacity; i++)
        if (old[i].name != NULL) *name_place(b, old[i].name) = old[i];
    return true;
}

static bool name_is_good(const char *name)
{
    const size_t length = strlen(name);

    if (length == 0 || length > SYM_NAME_BYTES - 8) return false;
    for (const char *at = name; *at != '\0'; at++)
        if ((uint8_t)*at <= ' ' || *at == ':' || *at == '^' || *at == '"' || *at == '\'')
            return false;
    return name[0] != '_' && name[0] != '/';
}

const char *symbolic_name(symbolic *s, const char *wanted)
{
    char text[SYM_NAME_BYTES];
    const char *name = wanted;

    if (!name_is_good(wanted)) {
        symbolic_fail(
            s, EBB_E_ARGUMENT, s->name,
            "'%.60s' is no name for an operation: 1 to %u characters without spaces, ':', "
            "'^' and quotes, no '_' or '/' in front",
            wanted, SYM_NAME_BYTES - 8);
        return NULL;
    }
    if (!names_grow(s)) return NULL;
    sym_name *base = name_place(&s->body, wanted);
    while (base->name != NULL && name_place(&s->body, name)->name != NULL) {
        (void)snprintf(text, sizeof text, "%s_%u", wanted, ++base->next);
        name = text;
    }
    const char *copy = region_text(s->body.home, name);
    if (copy == NULL) {
        symbolic_no_memory(s, wanted);
        return NULL;
    }
    return copy;
}

void symbolic_name_keep(symbolic *s, const char *name, uint32_t node)
{
    sym_name *place = name_place(&s->body, name);

    s->body.name_count += place->name == NULL;
    *place = (sym_name){name, node, place->next};
}

/* The old name stays taken, and finds nothing any more. */
bool symbolic_rename(symbolic *s, uint32_t tensor, const char *name)
{
    const uint32_t node = s->body.tensors[tensor].node;
    sym_node *n = &s->body.nodes[node];

    if (name == NULL)
        return symbolic_fail(s, EBB_E_ARGUMENT, n->name, "expected a name, got NULL") != SYM_NONE;
    if (strcmp(n->name, name) == 0) return true;
    const char *fresh = symbolic_name(s, name);
    if (fresh == NULL) return false;
    name_place(&s->body, n->name)->node = SYM_NONE;
    n->name = fresh;
    symbolic_name_keep(s, fresh, node);
    return true;
}

uint32_t symbolic_find(const symbolic *s, const char *name)
{
    if (s->body.name_capacity == 0) return SYM_NONE;
    const sym_name *place = name_place(&s->body, name);
    return place->name == NULL ? SYM_NONE : place->node;
}

ebb_status symbolic_find_tensor(const symbolic *s, const char *name, uint32_t *tensor,
                                ebb_error *error)
{
    char base[SYM_NAME_BYTES], names[160];
    const char *colon = strrchr(name, ':');
    const size_t length = colon == NULL ? strlen(name) : (size_t)(colon - name);
    const uint32_t output = colon == NULL ? 0 : (uint32_t)strtoul(colon + 1, NULL, 10);

    (void)snprintf(base, sizeof base, "%.*s", (int)length, name);
    const uint32_t node = symbolic_find(s, base);
    if (node != SYM_NONE && output < s->body.nodes[node].output_count) {
        *tensor = s->body.nodes[node].output_first + output;
        return EBB_OK;
    }
    if (node != SYM_NONE)
        return fail(error, EBB_E_NOT_FOUND, s->name, "'%s' has %u outputs, there is no number %u",
                    base, s->body.nodes[node].output_count, output);
    nearest n = nearest_begin(base);
    for (uint32_t i = 0; i < s->body.node_count; i++) nearest_consider(&n, s->body.nodes[i].name);
    return fail(error, EBB_E_NOT_FOUND, s->name,
                "there is no operation '%s' in the graph; nearest are %s", base,
                nearest_text(&n, names, sizeof names));
}

char *symbolic_tensor_name(const symbolic *s, uint32_t tensor, char *text, size_t capacity)
{
    const sym_tensor *t = &s->body.tensors[tensor];

    (void)snprintf(text, capacity, "%s:%u", s->body.nodes[t->node].name, t->index);
    return text;
}
