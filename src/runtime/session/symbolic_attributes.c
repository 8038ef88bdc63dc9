/* symbolic_attributes.c -- attributes of an operation as text, in the kinds that the table of
 * operations declares.
 *
 *     text   = [ item { "," item } ]      item = name "=" value
 *     value  = number | "true" | "false" | 'text' | word | "[" [ value { "," value } ] "]"
 *
 * Python's True, False and round brackets will do. "name" is no attribute: it names the operation.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "runtime/session/symbolic.h"
#include "tensor/dtype.h"

#define ITEMS_MAX      64 /* attributes of a call */
#define WORD_BYTES     128
#define LIST_ITEMS_MAX 256

typedef enum word_kind { WORD_INT, WORD_FLOAT, WORD_BOOL, WORD_TEXT, WORD_NAME } word_kind;

typedef struct word {
    word_kind kind;
    int64_t i;
    double f;
    char text[WORD_BYTES];
} word;

typedef struct reader {
    symbolic *s;
    const char *op, *at;
    const char *declared; /* of the table: "axis: int = 0, ..." */
} reader;

static bool fault(reader *r, const char *what)
{
    return symbolic_fail(r->s, EBB_E_ARGUMENT, r->op,
                         "attributes: %s at '%.40s'; expected name=value, name=value", what,
                         r->at) != SYM_NONE;
}

static void skip(reader *r)
{
    while (isspace((unsigned char)*r->at)) r->at++;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '/' || c == '-' || c == '+';
}

/* Letters up to the first that is none. */
static bool read_letters(reader *r, char *text)
{
    size_t length = 0;

    skip(r);
    while (is_word(*r->at) && length < WORD_BYTES - 1) text[length++] = *r->at++;
    text[length] = '\0';
    return length > 0 && !is_word(*r->at);
}

static bool read_quoted(reader *r, word *w)
{
    const char quote = *r->at++;
    size_t length = 0;

    while (*r->at != quote && *r->at != '\0' && length < WORD_BYTES - 1)
        w->text[length++] = *r->at++;
    if (*r->at != quote) return fault(r, "a text does not end");
    r->at++;
    w->text[length] = '\0';
    w->kind = WORD_TEXT;
    return true;
}

static bool read_word(reader *r, word *w)
{
    char *end;

    *w = (word){0};
    skip(r);
    if (*r->at == '\'' || *r->at == '"') return read_quoted(r, w);
    if (!read_letters(r, w->text)) return fault(r, "no value");
    const bool is_true = strcmp(w->text, "true") == 0 || strcmp(w->text, "True") == 0;
    if (is_true || strcmp(w->text, "false") == 0 || strcmp(w->text, "False") == 0) {
        w->kind = WORD_BOOL;
        w->i = is_true;
        return true;
    }
    w->kind = WORD_NAME;
    w->i = strtoll(w->text, &end, 10);
    if (*end == '\0') {
        w->kind = WORD_INT;
        w->f = (double)w->i;
        return true;
    }
    w->f = strtod(w->text, &end);
    if (*end == '\0') w->kind = WORD_FLOAT;
    return true;
}

/* -- kinds ------------------------------------------------------------------------------------- */

/* The kind that the table declares: "list(int)"; "" if it does not know the attribute. */
static void declared_kind(const reader *r, const char *name, char kind[32])
{
    const size_t length = strlen(name);
    int depth = 0;

    kind[0] = '\0';
    for (const char *at = r->declared; *at != '\0';) {
        while (*at == ' ' || *at == ',') at++;
        const bool is_it = strncmp(at, name, length) == 0 && at[length] == ':';
        if (is_it) {
            (void)snprintf(kind, 32, "%.31s", at + length + 2);
            kind[strcspn(kind, " ,=")] = '\0';
            return;
        }
        for (; *at != '\0' && (*at != ',' || depth > 0); at++) depth += (*at == '[') - (*at == ']');
    }
}

static bool type_of(const char *text, tf_type *type)
{
    const char *name = strncmp(text, "tf.", 3) == 0 ? text + 3 : text;
    const ebb_dtype dtype = dtype_from_name(name);

    *type = dtype == EBB_DTYPE_NONE ? TF_NONE : tf_type_of(dtype);
    for (int i = TF_FLOAT; i <= TF_UINT64 && *type == TF_NONE; i++)
        if (strcmp(text, tf_type_name((tf_type)i)) == 0) *type = (tf_type)i;
    return *type != TF_NONE;
}

static bool convert(reader *r, const word *w, const char *kind, tf_attribute_value *v)
{
    *v = (tf_attribute_value){0};
    if (strcmp(kind, "int") == 0) {
        v->i = w->i;
        return w->kind == WORD_INT;
    }
    if (strcmp(kind, "float") == 0) {
        v->f = w->f;
        return w->kind == WORD_INT || w->kind == WORD_FLOAT;
    }
    if (strcmp(kind, "bool") == 0) {
        v->i = w->i != 0;
        return w->kind == WORD_BOOL || (w->kind == WORD_INT && (w->i == 0 || w->i == 1));
    }
    if (strcmp(kind, "type") == 0) return type_of(w->text, &v->type);
    if (strcmp(kind, "text") != 0 || (w->kind != WORD_TEXT && w->kind != WORD_NAME)) return false;
    v->s = (tf_text){region_text(r->s->body.home, w->text), strlen(w->text)};
    return v->s.bytes != NULL || symbolic_no_memory(r->s, r->op) != SYM_NONE;
}

static tf_attribute_kind kind_number(const char *kind)
{
    static const char *const names[] = {"int", "float", "bool", "text", "type", "shape"};

    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(kind, names[i]) == 0) return (tf_attribute_kind)i;
    return TF_ATTRIBUTE_TENSOR;
}

static bool wrong_kind(reader *r, const char *name, const char *kind)
{
    return symbolic_fail(r->s, EBB_E_ARGUMENT, r->op, "the attribute '%s' must be %s", name,
                         kind) != SYM_NONE;
}

/* Lengths in brackets. */
static bool shape_make(const word *items, uint32_t count, tf_attribute_value *v)
{
    *v = (tf_attribute_value){.shape = {.has_rank = true, .rank = count}};
    if (count > EBB_RANK_MAX) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].kind != WORD_INT) return false;
        v->shape.dims[i] = items[i].i;
    }
    return true;
}

static bool attribute_make(reader *r, const char *name, const char *declared, const word *items,
                           uint32_t count, bool is_list, tf_attribute *a)
{
    char kind[32];
    const bool wants_list = strncmp(declared, "list(", 5) == 0;
    const bool is_shape = strcmp(declared, "shape") == 0;

    (void)snprintf(kind, sizeof kind, "%s", wants_list ? declared + 5 : declared);
    kind[strcspn(kind, ")")] = '\0';
    if (is_list != (wants_list || is_shape)) return wrong_kind(r, name, declared);
    const uint32_t values = is_shape ? 1 : count;
    tf_attribute_value *v = region_new(r->s->body.home, tf_attribute_value, (size_t)values + 1);
    const char *copy = region_text(r->s->body.home, name);
    if (v == NULL || copy == NULL) return symbolic_no_memory(r->s, r->op) != SYM_NONE;
    *a = (tf_attribute){copy, kind_number(kind), wants_list, values, v};
    if (is_shape) return shape_make(items, count, v) || wrong_kind(r, name, declared);
    for (uint32_t i = 0; i < count; i++)
        if (!convert(r, &items[i], kind, &v[i])) return wrong_kind(r, name, declared);
    return true;
}

/* -- items ------------------------------------------------------------------------------------- */

static bool read_value(reader *r, word *items, uint32_t *count, bool *is_list)
{
    *count = 0;
    skip(r);
    *is_list = *r->at == '[' || *r->at == '(';
    if (!*is_list) {
        *count = 1;
        return read_word(r, items);
    }
    for (r->at++, skip(r); *r->at != ']' && *r->at != ')'; skip(r)) {
        if (*count == LIST_ITEMS_MAX) return fault(r, "a list is too long");
        if (!read_word(r, &items[(*count)++])) return false;
        skip(r);
        if (*r->at == ',')
            r->at++;
        else if (*r->at != ']' && *r->at != ')')
            return fault(r, "a list does not end");
    }
    r->at++;
    return true;
}

static bool undeclared(reader *r, const char *name)
{
    return symbolic_fail(r->s, EBB_E_ARGUMENT, r->op, "there is no attribute '%s'; %s%s", name,
                         r->declared[0] == '\0' ? "it has none" : "it has ",
                         r->declared) != SYM_NONE;
}

static bool read_item(reader *r, word *items, tf_attribute *a, bool *is_name, const char **given)
{
    char name[WORD_BYTES], kind[32];
    uint32_t count = 0;
    bool is_list = false;

    if (!read_letters(r, name)) return fault(r, "no name");
    skip(r);
    if (*r->at != '=') return fault(r, "no '='");
    r->at++;
    if (!read_value(r, items, &count, &is_list)) return false;
    *is_name = strcmp(name, "name") == 0;
    if (*is_name) {
        if (is_list) return wrong_kind(r, name, "text");
        *given = region_text(r->s->body.home, items[0].text);
        return *given != NULL || symbolic_no_memory(r->s, r->op) != SYM_NONE;
    }
    declared_kind(r, name, kind);
    tf_type type;
    if (kind[0] == '\0' && !is_list && type_of(items[0].text, &type))
        (void)snprintf(kind, sizeof kind, "type"); /* those that name types are not in the table */
    if (kind[0] == '\0') return undeclared(r, name);
    return attribute_make(r, name, kind, items, count, is_list, a);
}

static bool read_items(reader *r, word *items, tf_attribute *list, uint32_t *count,
                       const char **name)
{
    bool is_name = false;

    for (skip(r); *r->at != '\0'; skip(r)) {
        if (*count == ITEMS_MAX) return fault(r, "too many attributes");
        if (!read_item(r, items, &list[*count], &is_name, name)) return false;
        *count += !is_name;
        skip(r);
        if (*r->at == ',')
            r->at++;
        else if (*r->at != '\0')
            return fault(r, "no ','");
    }
    return true;
}

bool symbolic_attributes(symbolic *s, const char *op, const char *text, tf_attribute **attributes,
                         uint32_t *count, const char **name)
{
    tf_operation_info info = {.attributes = ""};
    const uint32_t index = tf_operation_find(op);

    *attributes = NULL;
    *count = 0;
    *name = NULL;
    if (text == NULL || text[0] == '\0') return true;
    if (index != SYM_NONE) (void)tf_operation_at(index, &info);
    reader r = {.s = s, .op = op, .at = text, .declared = info.attributes};
    region *work = region_open(s->home, "attributes", EBB_CLASS_SCRATCH, 0);
    word *items = work == NULL ? NULL : region_new(work, word, LIST_ITEMS_MAX);
    tf_attribute *list = work == NULL ? NULL : region_new(work, tf_attribute, ITEMS_MAX);
    bool good = items != NULL && list != NULL;
    if (!good) symbolic_no_memory(s, op);
    good = good && read_items(&r, items, list, count, name);
    if (good && *count > 0) {
        *attributes = region_new(s->body.home, tf_attribute, *count);
        good = *attributes != NULL || symbolic_no_memory(s, op) != SYM_NONE;
        if (good) memcpy(*attributes, list, *count * sizeof *list);
    }
    region_close(work);
    return good;
}
