/* json_reader.c -- text to tree, without recursion and in time and memory linear in the text.
 *
 * The text is walked three times: count the containers, count the items of each container, build.
 * So every array and object is allocated once, at its final size. The counting walks know
 * strings and brackets only; the building walk checks everything, and it checks the counts too: a
 * text that is damaged behind a container can make its count too large, never the build step wrong.
 * Source: RFC 8259, and Python's json module for NaN, Infinity, -Infinity, lone surrogates (here
 * U+FFFD) and duplicate keys. */
#include <inttypes.h>
#include <string.h>

#include "base/status.h"
#include "json/json.h"
#include "json/json_text.h"

typedef struct frame {
    json *container;
    uint32_t filled;
} frame;

typedef struct parser {
    region *home;
    const char *text;
    size_t length, at;
    const char *where;
    ebb_error *error;
    uint32_t *counts; /* items of each container, in the order they open */
    uint32_t containers, opened;
    uint32_t depth;
    frame frames[JSON_DEPTH_MAX];
} parser;

static ebb_status damaged(const parser *p, const char *expected)
{
    if (p->at >= p->length) {
        return fail(p->error, EBB_E_FORMAT, p->where, "JSON, byte %zu: expected %s, found the end",
                    p->at, expected);
    }
    const unsigned char found = (unsigned char)p->text[p->at];
    if (found > 0x20 && found < 0x7F) {
        return fail(p->error, EBB_E_FORMAT, p->where, "JSON, byte %zu: expected %s, found '%c'",
                    p->at, expected, found);
    }
    return fail(p->error, EBB_E_FORMAT, p->where, "JSON, byte %zu: expected %s, found byte 0x%02x",
                p->at, expected, found);
}

static ebb_status no_memory(const parser *p)
{
    return region_fail(p->home, p->error, p->where, "a JSON document");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(parser *p)
{
    while (p->at < p->length && is_space(p->text[p->at])) p->at++;
}

static char peek(const parser *p)
{
    return p->at < p->length ? p->text[p->at] : '\0';
}

/* -- counting ---------------------------------------------------------------------------------- */

/* Position after the string that begins at text[at]; length if it does not end. */
static size_t string_skip(const char *text, size_t length, size_t at)
{
    for (at++; at < length && text[at] != '"'; at++) {
        if (text[at] == '\\') at++;
    }
    return at < length ? at + 1 : length;
}

/* Counts containers into p->containers and, when p->counts is there, their items. */
static ebb_status count_items(parser *p)
{
    uint32_t open[JSON_DEPTH_MAX];
    uint32_t depth = 0, containers = 0;

    for (size_t at = 0; at < p->length;) {
        const char c = p->text[at];
        const bool closes = c == ']' || c == '}', opens = c == '[' || c == '{';
        if (p->counts != NULL && depth > 0 && !closes && !is_space(c)) {
            uint32_t *items = &p->counts[open[depth - 1]];
            if (c == ',' || *items == 0) (*items)++;
        }
        if (opens) {
            if (depth == JSON_DEPTH_MAX) {
                return fail(p->error, EBB_E_FORMAT, p->where,
                            "JSON, byte %zu: nested deeper than %d levels", at, JSON_DEPTH_MAX);
            }
            open[depth++] = containers++;
        } else if (closes) {
            if (depth == 0) break;
            depth--;
        }
        at = c == '"' ? string_skip(p->text, p->length, at) : at + 1;
    }
    p->containers = containers;
    return EBB_OK;
}

/* -- strings ----------------------------------------------------------------------------------- */

static bool hex_read(const char *text, size_t length, uint32_t *value)
{
    if (length < 4) return false;
    *value = 0;
    for (size_t i = 0; i < 4; i++) {
        const char c = text[i];
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t)(c - 'a' + 10);
        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t)(c - 'A' + 10);
        } else {
            return false;
        }
        *value = *value << 4 | digit;
    }
    return true;
}

/* The escape at p->at, which is a backslash. */
static ebb_status escape_read(parser *p, char **to)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    p->at++;
    const char c = peek(p);
    const char *known = c != '\0' ? strchr(plain, c) : NULL;
    if (known != NULL) {
        *(*to)++ = meant[known - plain];
        p->at++;
        return EBB_OK;
    }
    uint32_t point, low;
    if (c != 'u') return damaged(p, "one of \"\\/bfnrtu after a backslash");
    p->at++;
    if (!hex_read(p->text + p->at, p->length - p->at, &point)) {
        return damaged(p, "four hexadecimal digits");
    }
    if (point == 0) return damaged(p, "no zero character inside a string");
    p->at += 4;
    if (point >= 0xD800 && point <= 0xDFFF) {
        const char *next = p->text + p->at;
        const size_t left = p->length - p->at;
        const bool paired = point < 0xDC00 && left >= 6 && next[0] == '\\' && next[1] == 'u' &&
                            hex_read(next + 2, left - 2, &low) && low >= 0xDC00 && low <= 0xDFFF;
        point = paired ? 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00) : 0xFFFD;
        if (paired) p->at += 6;
    }
    *to += json_utf8_write(point, *to);
    return EBB_OK;
}

/* The string at p->at, which is a quote. An escape is never shorter than what it means. */
static ebb_status string_read(parser *p, const char **string, uint32_t *bytes)
{
    const size_t end = string_skip(p->text, p->length, p->at);
    char *text = region_alloc(p->home, end - p->at, 1);
    if (text == NULL) return no_memory(p);
    char *to = text;
    p->at++;
    while (p->at < p->length && p->text[p->at] != '"') {
        const char c = p->text[p->at];
        if (c == '\\') {
            const ebb_status status = escape_read(p, &to);
            if (status != EBB_OK) return status;
            continue;
        }
        if ((unsigned char)c < 0x20) return damaged(p, "no control character inside a string");
        const size_t length = json_utf8_length(p->text + p->at, p->length - p->at);
        if (length == 0) return damaged(p, "UTF-8");
        memcpy(to, p->text + p->at, length);
        to += length;
        p->at += length;
    }
    if (p->at == p->length) return damaged(p, "the closing quote of a string");
    p->at++;
    *to = '\0';
    *string = text;
    *bytes = (uint32_t)(to - text);
    return EBB_OK;
}

/* -- values ------------------------------------------------------------------------------------ */

typedef struct word {
    const char *text;
    json value;
} word;

static bool word_read(parser *p, json *value)
{
    static const word words[] = {
        {"null", {.kind = JSON_NULL}},
        {"true", {.kind = JSON_BOOL, .as.boolean = true}},
        {"false", {.kind = JSON_BOOL, .as.boolean = false}},
        {"NaN", {.kind = JSON_NUMBER, .as.number = __builtin_nan("")}},
        {"Infinity", {.kind = JSON_NUMBER, .as.number = __builtin_inf()}},
        {"-Infinity", {.kind = JSON_NUMBER, .as.number = -__builtin_inf()}},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t length = strlen(words[i].text);
        if (p->length - p->at < length) continue;
        if (memcmp(p->text + p->at, words[i].text, length) != 0) continue;
        const uint32_t offset = value->offset;
        *value = words[i].value;
        value->offset = offset;
        p->at += length;
        return true;
    }
    return false;
}

static bool numeral_read(parser *p, json *value)
{
    json_decimal number;
    const size_t length = json_decimal_read(p->text + p->at, p->length - p->at, &number);
    if (length == 0) return false;
    p->at += length;
    value->kind = number.is_integer ? JSON_INTEGER : JSON_NUMBER;
    if (number.is_integer) {
        value->as.integer = number.integer;
    } else {
        value->as.number = number.number;
    }
    return true;
}

static ebb_status container_open(parser *p, json *value, json_kind kind)
{
    const uint32_t count = p->counts[p->opened++];
    value->kind = kind;
    value->count = count;
    if (count > 0) {
        const size_t size = kind == JSON_ARRAY ? sizeof(json) : sizeof(json_member);
        void *items = region_alloc(p->home, count, size);
        if (items == NULL) return no_memory(p);
        if (kind == JSON_ARRAY) {
            value->as.items = items;
        } else {
            value->as.members = items;
        }
    }
    p->at++;
    p->frames[p->depth++] = (frame){value, 0};
    return EBB_OK;
}

/* A whole scalar, or the opening bracket of a container. */
static ebb_status value_begin(parser *p, json *value)
{
    skip_space(p);
    value->offset = (uint32_t)p->at;
    const char c = peek(p);
    if (c == '{') return container_open(p, value, JSON_OBJECT);
    if (c == '[') return container_open(p, value, JSON_ARRAY);
    if (c == '"') {
        value->kind = JSON_STRING;
        return string_read(p, &value->as.string, &value->count);
    }
    if (p->at < p->length && (word_read(p, value) || numeral_read(p, value))) return EBB_OK;
    return damaged(p, "a value");
}

static ebb_status item_place(parser *p, frame *f, json **place)
{
    json *container = f->container;
    if (f->filled == container->count) return damaged(p, "a closing bracket");
    if (container->kind == JSON_ARRAY) {
        *place = (json *)(uintptr_t)&container->as.items[f->filled++];
        return EBB_OK;
    }
    json_member *member = &container->as.members[f->filled++];
    uint32_t bytes;
    skip_space(p);
    if (peek(p) != '"') return damaged(p, "a key in quotes");
    const ebb_status status = string_read(p, &member->key, &bytes);
    if (status != EBB_OK) return status;
    skip_space(p);
    if (peek(p) != ':') return damaged(p, "':' after a key");
    p->at++;
    *place = &member->value;
    return EBB_OK;
}

/* After a value: closes what ends here; *place is where the next value goes, NULL at the end. */
static ebb_status value_end(parser *p, json **place)
{
    *place = NULL;
    while (p->depth > 0) {
        frame *f = &p->frames[p->depth - 1];
        const bool is_array = f->container->kind == JSON_ARRAY;
        skip_space(p);
        if (peek(p) == (is_array ? ']' : '}')) {
            p->at++;
            p->depth--;
            f->container->count = f->filled;
            continue;
        }
        if (f->filled == 0) return item_place(p, f, place);
        if (peek(p) != ',') return damaged(p, is_array ? "',' or ']'" : "',' or '}'");
        p->at++;
        return item_place(p, f, place);
    }
    return EBB_OK;
}

static ebb_status tree_read(parser *p, json *root)
{
    for (json *place = root; place != NULL;) {
        ebb_status status = value_begin(p, place);
        if (status == EBB_OK) status = value_end(p, &place);
        if (status != EBB_OK) return status;
    }
    skip_space(p);
    return p->at == p->length ? EBB_OK : damaged(p, "nothing after the document");
}

ebb_status json_read(region *r, const char *text, size_t length, const char *where,
                     const json **result, ebb_error *error)
{
    *result = NULL;
    if (length >= UINT32_MAX) {
        return fail(error, EBB_E_FORMAT, where, "JSON of %zu bytes; at most 4 GiB are read",
                    length);
    }
    parser p;
    memset(&p, 0, offsetof(parser, frames));
    p.home = r;
    p.text = text;
    p.length = length;
    p.where = where;
    p.error = error;

    ebb_status status = count_items(&p);
    if (status != EBB_OK) return status;
    region *scratch = region_open(r, "json counts", EBB_CLASS_SCRATCH, 0);
    if (scratch == NULL) return no_memory(&p);
    p.counts = region_new(scratch, uint32_t, p.containers);
    json *root = region_new(r, json, 1);
    if (p.counts == NULL) {
        status = region_fail(scratch, error, where, "a JSON document");
    } else if (root == NULL) {
        status = no_memory(&p);
    } else {
        status = count_items(&p);
        if (status == EBB_OK) status = tree_read(&p, root);
    }
    region_close(scratch);
    if (status == EBB_OK) *result = root;
    return status;
}
