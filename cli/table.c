/* table.c -- see table.h. */
#define _GNU_SOURCE
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"

/* Takes over `text`. */
static void append(table *t, char *text)
{
    if (text != NULL && t->count == t->capacity) {
        const uint32_t capacity = t->capacity * 2 + 64;
        char **cells = realloc(t->cells, capacity * sizeof *cells);
        if (cells != NULL) {
            t->cells = cells;
            t->capacity = capacity;
        }
    }
    if (text == NULL || t->count == t->capacity) {
        t->has_failed = true;
        free(text);
        return;
    }
    t->cells[t->count++] = text;
}

void table_open(table *t, const char *header)
{
    *t = (table){0};
    for (const char *cell = header; cell != NULL && t->columns < TABLE_COLUMNS_MAX; t->columns++) {
        const char *end = strchr(cell, '|');
        const bool right = cell[0] == '>';
        const char *text = cell + right;
        const size_t length = end != NULL ? (size_t)(end - text) : strlen(text);
        t->is_right[t->columns] = right;
        append(t, strndup(text, length));
        cell = end != NULL ? end + 1 : NULL;
    }
}

void table_add(table *t, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) text = NULL;
    va_end(arguments);
    append(t, text);
}

void table_add_grouped(table *t, uint64_t number)
{
    text_buffer buffer;

    table_add(t, "%s", text_grouped(&buffer, number));
}

/* Columns a text takes on the terminal: one per code point. */
static uint32_t width_of(const char *text)
{
    uint32_t width = 0;

    for (; *text != 0; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void table_close(table *t)
{
    uint32_t widths[TABLE_COLUMNS_MAX] = {0};

    for (uint32_t i = 0; i < t->count; i++) {
        const uint32_t width = width_of(t->cells[i]);
        if (width > widths[i % t->columns]) widths[i % t->columns] = width;
    }
    int blanks = 0; /* owed before the next text, so that no line ends with any */
    for (uint32_t i = 0; i < t->count; i++) {
        const uint32_t column = i % t->columns;
        const int padding = (int)(widths[column] - width_of(t->cells[i]));
        blanks += column == 0 ? (int)t->indent : 2;
        if (t->is_right[column]) blanks += padding;
        if (t->cells[i][0] != 0) {
            printf("%*s", blanks, "");
            put_clean(stdout, t->cells[i]);
            blanks = 0;
        }
        if (!t->is_right[column]) blanks += padding;
        if (column + 1 == t->columns || i + 1 == t->count) {
            putchar('\n');
            blanks = 0;
        }
        free(t->cells[i]);
    }
    free(t->cells);
    if (t->has_failed) complain("no memory for the whole table; the end is missing");
    *t = (table){0};
}
