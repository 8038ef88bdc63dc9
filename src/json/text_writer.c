/* text_writer.c -- text that grows in a region, and JSON written into it.
 *
 * Small texts live among the region's small allocations and leave the old copy there when they
 * grow, at most as much again; from 64 KiB on a text is a block of its own and the old block is
 * given back. After the first failure nothing more is written; the text so far stays whole. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "json/json.h"
#include "json/json_text.h"

#define CAPACITY_FIRST  ((size_t)256)
#define BLOCK_BYTES_MIN ((size_t)64 << 10)

void text_begin(text_writer *w, region *home)
{
    memset(w, 0, sizeof *w);
    w->home = home;
    w->text = region_alloc(home, CAPACITY_FIRST, 1);
    w->capacity = w->text != NULL ? CAPACITY_FIRST : 0;
    w->failed = w->text == NULL;
}

/* Room for `more` bytes and the zero. */
static bool reserve(text_writer *w, size_t more)
{
    size_t need, capacity = w->capacity;
    if (w->failed) return false;
    if (size_add(w->length, more, &need) && size_add(need, 1, &need)) {
        if (need <= w->capacity) return true;
        while (capacity < need && size_mul(capacity, 2, &capacity)) continue;
        const bool is_block = capacity >= BLOCK_BYTES_MIN;
        char *text =
            is_block ? region_block(w->home, capacity) : region_alloc(w->home, capacity, 1);
        if (text != NULL) {
            memcpy(text, w->text, w->length);
            if (w->capacity >= BLOCK_BYTES_MIN) region_block_release(w->home, w->text);
            w->text = text;
            w->capacity = capacity;
            return true;
        }
    }
    w->failed = true;
    return false;
}

void text_put_length(text_writer *w, const char *text, size_t length)
{
    if (!reserve(w, length)) return;
    memcpy(w->text + w->length, text, length);
    w->length += length;
    w->text[w->length] = '\0';
}

void text_put(text_writer *w, const char *text)
{
    text_put_length(w, text, strlen(text));
}

void text_format(text_writer *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) w->failed = true;
    if (length < 0 || !reserve(w, (size_t)length)) return;
    va_start(arguments, format);
    vsnprintf(w->text + w->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    w->length += (size_t)length;
}

/* -- JSON -------------------------------------------------------------------------------------- */

static void character_put(text_writer *w, unsigned char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *known = strchr(plain, c);
    if (known != NULL) {
        const char escape[2] = {'\\', letters[known - plain]};
        text_put_length(w, escape, sizeof escape);
    } else {
        text_format(w, "\\u%04x", c);
    }
}

/* Names come from files of any age: bytes that are not UTF-8 become U+FFFD, the rest stays as it
 * is. */
void text_json_string(text_writer *w, const char *text)
{
    const size_t length = strlen(text);
    size_t begin = 0; /* of the part that needs no escape and is not written yet */
    text_put(w, "\"");
    for (size_t at = 0; at < length;) {
        const unsigned char c = (unsigned char)text[at];
        const size_t bytes = json_utf8_length(text + at, length - at);
        if (bytes > 0 && c >= 0x20 && c != '"' && c != '\\') {
            at += bytes;
            continue;
        }
        text_put_length(w, text + begin, at - begin);
        if (bytes > 0) {
            character_put(w, c);
        } else {
            text_put(w, "\xEF\xBF\xBD");
        }
        begin = ++at;
    }
    text_put_length(w, text + begin, length - begin);
    text_put(w, "\"");
}

void text_json_number(text_writer *w, double number)
{
    char text[JSON_DECIMAL_BYTES];
    json_decimal_write(number, text);
    text_put(w, text);
}

static void scalar_put(text_writer *w, const json *value)
{
    switch (value->kind) {
    case JSON_NULL: text_put(w, "null"); break;
    case JSON_BOOL: text_put(w, value->as.boolean ? "true" : "false"); break;
    case JSON_INTEGER: text_format(w, "%" PRId64, value->as.integer); break;
    case JSON_NUMBER: text_json_number(w, value->as.number); break;
    case JSON_STRING: text_json_string(w, value->as.string); break;
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
}

typedef struct level {
    const json *container;
    uint32_t written;
} level;

/* Without recursion; a tree deeper than the reader makes is a failure. */
void text_json_value(text_writer *w, const json *value)
{
    static const json none = {.kind = JSON_NULL};
    level levels[JSON_DEPTH_MAX];
    uint32_t depth = 0;

    if (value == NULL) value = &none;
    for (;;) {
        if (value->kind == JSON_ARRAY || value->kind == JSON_OBJECT) {
            if (depth == JSON_DEPTH_MAX) {
                w->failed = true;
                return;
            }
            text_put(w, value->kind == JSON_ARRAY ? "[" : "{");
            levels[depth++] = (level){value, 0};
        } else {
            scalar_put(w, value);
        }
        while (depth > 0 && levels[depth - 1].written == levels[depth - 1].container->count) {
            text_put(w, levels[--depth].container->kind == JSON_ARRAY ? "]" : "}");
        }
        if (depth == 0 || w->failed) return;
        level *top = &levels[depth - 1];
        if (top->written > 0) text_put(w, ",");
        if (top->container->kind == JSON_ARRAY) {
            value = &top->container->as.items[top->written++];
        } else {
            const json_member *member = &top->container->as.members[top->written++];
            text_json_string(w, member->key);
            text_put(w, ":");
            value = &member->value;
        }
    }
}
