/* json_output.c -- see json_output.h. */
#define _GNU_SOURCE
#include "json_output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ebb/ebb.h"

static void put_string(const char *text)
{
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            printf("\\u%04x", *c);
        else
            putchar(*c);
    }
    putchar('"');
}

static void begin_value(json_output *j, const char *key)
{
    const uint32_t depth = j->depth;

    if (depth > 0 && depth <= JSON_DEPTH_MAX) {
        if (j->has_items[depth - 1]) printf(j->is_line ? ", " : ",");
        if (!j->is_line) printf("\n%*s", (int)depth * 2, "");
        j->has_items[depth - 1] = true;
    }
    if (key == NULL) return;
    put_string(key);
    printf(": ");
}

static void open_group(json_output *j, const char *key, char bracket)
{
    begin_value(j, key);
    putchar(bracket);
    if (j->depth < JSON_DEPTH_MAX) j->has_items[j->depth] = false;
    j->depth++;
}

static void close_group(json_output *j, char bracket)
{
    j->depth--;
    if (!j->is_line && j->depth < JSON_DEPTH_MAX && j->has_items[j->depth])
        printf("\n%*s", (int)j->depth * 2, "");
    putchar(bracket);
    if (j->depth == 0) putchar('\n');
}

void json_object(json_output *j, const char *key)
{
    open_group(j, key, '{');
}

void json_object_end(json_output *j)
{
    close_group(j, '}');
}

void json_array(json_output *j, const char *key)
{
    open_group(j, key, '[');
}

void json_array_end(json_output *j)
{
    close_group(j, ']');
}

void json_text(json_output *j, const char *key, const char *value)
{
    begin_value(j, key);
    if (value == NULL)
        printf("null");
    else
        put_string(value);
}

void json_literal(json_output *j, const char *key, const char *json)
{
    begin_value(j, key);
    printf("%s", json);
}

void json_count(json_output *j, const char *key, uint64_t value)
{
    begin_value(j, key);
    printf("%" PRIu64, value);
}

void json_integer(json_output *j, const char *key, int64_t value)
{
    begin_value(j, key);
    printf("%" PRId64, value);
}

void json_bool(json_output *j, const char *key, bool value)
{
    begin_value(j, key);
    printf(value ? "true" : "false");
}

void json_number(json_output *j, const char *key, double value, int digits)
{
    begin_value(j, key);
    if (isfinite(value))
        printf("%.*g", digits, value);
    else
        printf("null");
}

void json_lines(json_output *j, const char *key, char *text)
{
    char *rest = NULL;

    json_array(j, key);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_text(j, NULL, line);
    }
    json_array_end(j);
}

void json_classes(json_output *j, const char *key, const uint64_t *bytes)
{
    json_object(j, key);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++)
        json_count(j, ebb_class_name((ebb_class)i), bytes[i]);
    json_object_end(j);
}
