/* nearest.c -- see nearest.h. The distance is Levenshtein's, without regard to case and
 * underscores. */
#include "train/nearest.h"

#include <stdio.h>
#include <string.h>

#define LENGTH_MAX 63 /* characters of a name that are looked at */

/* Lower case, no underscores, cut. Returns its length. */
static uint32_t plain(const char *name, char text[LENGTH_MAX + 1])
{
    uint32_t count = 0;

    for (; *name != '\0' && count < LENGTH_MAX; name++) {
        if (*name == '_') continue;
        text[count++] = *name >= 'A' && *name <= 'Z' ? (char)(*name + ('a' - 'A')) : *name;
    }
    text[count] = '\0';
    return count;
}

static uint32_t least(uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

static uint32_t distance(const char *a_name, const char *b_name)
{
    char a[LENGTH_MAX + 1], b[LENGTH_MAX + 1];
    uint32_t row[LENGTH_MAX + 1];
    const uint32_t a_length = plain(a_name, a), b_length = plain(b_name, b);

    for (uint32_t j = 0; j <= b_length; j++) row[j] = j;
    for (uint32_t i = 1; i <= a_length; i++) {
        uint32_t corner = row[0];

        row[0] = i;
        for (uint32_t j = 1; j <= b_length; j++) {
            const uint32_t above = row[j];

            row[j] = least(above + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
            corner = above;
        }
    }
    return row[b_length];
}

nearest nearest_begin(const char *wanted)
{
    return (nearest){.wanted = wanted};
}

void nearest_consider(nearest *n, const char *name)
{
    const uint32_t found = distance(n->wanted, name);
    uint32_t at = 0;

    for (uint32_t i = 0; i < NEAREST_COUNT && n->names[i] != NULL; i++)
        if (strcmp(n->names[i], name) == 0) return;
    while (at < NEAREST_COUNT && n->names[at] != NULL && n->distances[at] <= found) at++;
    if (at == NEAREST_COUNT) return;
    for (uint32_t i = NEAREST_COUNT - 1; i > at; i--) {
        n->names[i] = n->names[i - 1];
        n->distances[i] = n->distances[i - 1];
    }
    n->names[at] = name;
    n->distances[at] = found;
}

char *nearest_text(const nearest *n, char *text, uint32_t capacity)
{
    uint32_t used = 0;

    if (capacity > 0) text[0] = '\0';
    for (uint32_t i = 0; i < NEAREST_COUNT && n->names[i] != NULL && used < capacity; i++) {
        const int written =
            snprintf(text + used, capacity - used, "%s%s", i == 0 ? "" : ", ", n->names[i]);
        used += written > 0 ? (uint32_t)written : 0;
    }
    return text;
}
