/* naming.c -- to_snake_case of keras/src/utils/naming.py, which is three regular expressions in a
 * row: drop what is no word character; (.)([A-Z][a-z]+) -> \1_\2; ([a-z])([A-Z]) -> \1_\2; then
 * lower case.
 *
 * The second and third are done in one pass each over a bounded buffer. Bytes above 127 count as
 * word characters. */
#include "format/keras/naming.h"

#include <stdbool.h>
#include <string.h>

#define NAME_BYTES_MAX 256

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_word(char c)
{
    return is_lower(c) || is_upper(c) || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c > 127;
}

typedef struct buffer {
    char text[2 * NAME_BYTES_MAX];
    size_t length;
} buffer;

static void put(buffer *b, char c)
{
    if (b->length + 1 < sizeof b->text) b->text[b->length++] = c;
    b->text[b->length] = '\0';
}

/* (.)([A-Z][a-z]+): any character, then a capital followed by small letters. */
static void split_words(const buffer *in, buffer *out)
{
    for (size_t i = 0; i < in->length;) {
        const char *at = in->text + i;
        put(out, at[0]);
        i++;
        if (at[1] == '\0' || !is_upper(at[1]) || !is_lower(at[2])) continue;
        put(out, '_');
        put(out, at[1]);
        for (i++; is_lower(in->text[i]); i++) put(out, in->text[i]);
    }
}

/* ([a-z])([A-Z]) */
static void split_capitals(const buffer *in, buffer *out)
{
    for (size_t i = 0; i < in->length; i++) {
        put(out, in->text[i]);
        if (!is_lower(in->text[i]) || !is_upper(in->text[i + 1])) continue;
        put(out, '_');
        put(out, in->text[++i]);
    }
}

void keras_snake_case(const char *class_name, char *out, size_t capacity)
{
    buffer words = {.length = 0}, split = {.length = 0}, result = {.length = 0};

    for (size_t i = 0; class_name[i] != '\0' && i < NAME_BYTES_MAX - 1; i++) {
        if (is_word(class_name[i])) put(&words, class_name[i]);
    }
    split_words(&words, &split);
    split_capitals(&split, &result);
    if (capacity == 0) return;
    size_t length = result.length < capacity - 1 ? result.length : capacity - 1;
    for (size_t i = 0; i < length; i++) {
        const char c = result.text[i];
        out[i] = is_upper(c) ? (char)(c - 'A' + 'a') : c;
    }
    out[length] = '\0';
}
