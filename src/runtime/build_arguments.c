/* build_arguments.c -- the arguments of a layer as people write them, into JSON.
 *
 *     units=10, use_bias=False, kernel_size=(3, 3), layer=LSTM(units=4)      keyword arguments
 *     {'units': 10, "use_bias": false}                                       a configuration
 *
 * Words of Python and of JSON are both taken, texts stand in either quotes, tuples become lists,
 * and Name(...) becomes {"class_name": "Name", "config": {...}}; what stands before the last dot of
 * a name is dropped. The result is JSON text, read by the one reader of JSON. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "runtime/model_builder.h"

#define DEPTH_MAX 32

typedef struct scanner {
    builder *b;
    const char *text, *at, *where;
    text_writer out;
    uint32_t depth;
} scanner;

static bool value_scan(scanner *s);

static bool scan_fail(scanner *s, const char *expected)
{
    return builder_fail(s->b, EBB_E_ARGUMENT, s->where,
                        "arguments, character %zu: expected %s, found '%.24s'; write "
                        "\"units=10, activation='relu'\" or a JSON object",
                        (size_t)(s->at - s->text) + 1, expected, s->at);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("_.+-", c) != NULL;
}

static void space_skip(scanner *s)
{
    while (*s->at != '\0' && strchr(" \t\r\n", *s->at) != NULL) s->at++;
}

/* Takes the character if it comes next. */
static bool take(scanner *s, char c)
{
    space_skip(s);
    if (*s->at != c) return false;
    s->at++;
    return true;
}

/* Letters, digits, '_', '.', signs; 0 when there is none. */
static size_t word_length(const scanner *s)
{
    size_t length = 0;

    while (s->at[length] != '\0' && is_word(s->at[length])) length++;
    return length;
}

static bool text_scan(scanner *s)
{
    const char quote = *s->at++;

    text_put(&s->out, "\"");
    for (; *s->at != quote; s->at++) {
        if (*s->at == '\0') return scan_fail(s, "the end of a text");
        if (*s->at == '\\' && s->at[1] == '\'') {
            text_put(&s->out, "'");
            s->at++;
        } else if (*s->at == '\\' && s->at[1] != '\0') {
            text_put_length(&s->out, s->at++, 2);
        } else if (*s->at == '"') {
            text_put(&s->out, "\\\"");
        } else {
            text_put_length(&s->out, s->at, 1);
        }
    }
    s->at++;
    text_put(&s->out, "\"");
    return true;
}

/* JSON wants a digit on both sides of the point. */
static bool number_scan(scanner *s, size_t length)
{
    const char *end = s->at + length;

    if (*s->at == '+') s->at++;
    if (*s->at == '-') text_put_length(&s->out, s->at++, 1);
    if (s->at < end && *s->at == '.') text_put(&s->out, "0");
    for (; s->at < end; s->at++) {
        text_put_length(&s->out, s->at, 1);
        if (*s->at == '.' && (s->at + 1 == end || s->at[1] == 'e' || s->at[1] == 'E'))
            text_put(&s->out, "0");
    }
    return true;
}

/* name=value, name=value ... up to `end`. */
static bool keywords_scan(scanner *s, char end)
{
    for (bool is_first = true; !take(s, end); is_first = false) {
        if (!is_first && !take(s, ',')) return scan_fail(s, "',' between arguments");
        if (!is_first && take(s, end)) return true;
        space_skip(s);
        const size_t length = word_length(s);
        if (length == 0) return scan_fail(s, "the name of an argument");
        const char *name = s->at;
        s->at += length;
        if (!take(s, '=')) {
            s->at = name;
            return scan_fail(s, "an argument with its name, as in units=10");
        }
        text_put(&s->out, is_first ? "\"" : ", \"");
        text_put_length(&s->out, name, length);
        text_put(&s->out, "\": ");
        if (!value_scan(s)) return false;
    }
    return true;
}

/* Name(...) */
static bool object_scan(scanner *s, size_t length)
{
    const char *name = s->at;

    for (size_t i = 0; i < length; i++) {
        if (s->at[i] == '.') name = s->at + i + 1;
    }
    text_put(&s->out, "{\"class_name\": \"");
    text_put_length(&s->out, name, (size_t)(s->at + length - name));
    text_put(&s->out, "\", \"config\": {");
    s->at += length;
    (void)take(s, '(');
    if (!keywords_scan(s, ')')) return false;
    text_put(&s->out, "}}");
    return true;
}

static bool word_scan(scanner *s)
{
    static const char *const words[][2] = {
        {"True", "true"},   {"False", "false"}, {"None", "null"}, {"true", "true"},
        {"false", "false"}, {"null", "null"},   {"NaN", "NaN"},   {"Infinity", "Infinity"},
    };
    const size_t length = word_length(s);

    if (length == 0) return scan_fail(s, "a value");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i][0]) != length || memcmp(words[i][0], s->at, length) != 0) continue;
        text_put(&s->out, words[i][1]);
        s->at += length;
        return true;
    }
    if (strchr("+-.0123456789", *s->at) != NULL) return number_scan(s, length);
    const char *after = s->at + length;
    while (*after == ' ') after++;
    return *after == '(' ? object_scan(s, length)
                         : scan_fail(s, "a number, a text in quotes, True, False, None, a list or "
                                        "Name(...)");
}

/* Items up to `end`, with keys where they have them. */
static bool items_scan(scanner *s, char end, bool has_keys)
{
    text_put(&s->out, has_keys ? "{" : "[");
    for (bool is_first = true; !take(s, end); is_first = false) {
        if (!is_first && !take(s, ',')) return scan_fail(s, "',' or the end of a list");
        if (!is_first && take(s, end)) break;
        if (!is_first) text_put(&s->out, ", ");
        space_skip(s);
        if (has_keys && *s->at != '"' && *s->at != '\'') return scan_fail(s, "a key in quotes");
        if (has_keys && !text_scan(s)) return false;
        if (has_keys && !take(s, ':')) return scan_fail(s, "':' after a key");
        if (has_keys) text_put(&s->out, ": ");
        if (!value_scan(s)) return false;
    }
    text_put(&s->out, has_keys ? "}" : "]");
    return true;
}

/* Recursion: DEPTH_MAX. */
static bool value_scan(scanner *s)
{
    space_skip(s);
    if (s->depth >= DEPTH_MAX) return scan_fail(s, "less nesting");
    s->depth++;
    bool good;
    switch (*s->at) {
    case '"':
    case '\'': good = text_scan(s); break;
    case '[': good = (s->at++, items_scan(s, ']', false)); break;
    case '(': good = (s->at++, items_scan(s, ')', false)); break;
    case '{': good = (s->at++, items_scan(s, '}', true)); break;
    default: good = word_scan(s); break;
    }
    s->depth--;
    return good;
}

static const json *scanned_read(scanner *s, bool good)
{
    const json *result = NULL;

    if (!good) return NULL;
    if (s->out.failed) return builder_no_memory(s->b, s->where), NULL;
    space_skip(s);
    if (*s->at != '\0') return scan_fail(s, "the end"), NULL;
    json_read(s->b->home, s->out.text, s->out.length, s->where, &result, &s->b->error);
    return result;
}

static bool scan_begin(scanner *s, builder *b, const char *text, const char *where)
{
    *s = (scanner){.b = b, .text = text, .at = text, .where = where};
    if (!builder_good(b)) return false;
    if (strlen(text) > ARGUMENT_TEXT_MAX) {
        return builder_fail(b, EBB_E_ARGUMENT, where, "arguments of more than %zu characters",
                            ARGUMENT_TEXT_MAX);
    }
    text_begin(&s->out, b->home);
    return true;
}

const json *builder_arguments_read(builder *b, const char *text, const char *where)
{
    scanner s;

    if (!scan_begin(&s, b, text != NULL ? text : "", where)) return NULL;
    space_skip(&s);
    if (*s.at == '{') return scanned_read(&s, value_scan(&s));
    text_put(&s.out, "{");
    const bool good = keywords_scan(&s, '\0') && (s.at--, true);
    text_put(&s.out, "}");
    return scanned_read(&s, good);
}

const json *builder_value_read(builder *b, const char *text, const char *where)
{
    scanner s;

    if (!scan_begin(&s, b, text != NULL ? text : "None", where)) return NULL;
    return scanned_read(&s, value_scan(&s));
}
