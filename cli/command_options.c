/* command_options.c -- see command_options.h. */
#include "command_options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"

#define NAME_MAX_BYTES 64
#define HELP_COLUMN    26

typedef struct unit {
    const char *name;
    double factor;
} unit;

static const unit size_units[] = {
    {"", 1},         {"B", 1},       {"K", 1024.0},   {"KB", 1024.0},  {"KiB", 1024.0},
    {"M", 0x1p20},   {"MB", 0x1p20}, {"MiB", 0x1p20}, {"G", 0x1p30},   {"GB", 0x1p30},
    {"GiB", 0x1p30}, {"T", 0x1p40},  {"TB", 0x1p40},  {"TiB", 0x1p40}, {NULL, 0},
};
static const unit duration_units[] = {
    {"", 1e9},  {"ns", 1},   {"us", 1e3},   {"ms", 1e6},
    {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {NULL, 0},
};

/* -- values -------------------------------------------------------------------------------------
 */

static bool read_scaled(const char *text, const unit *units, uint64_t *value)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9' || text[1] == 'x' || text[1] == 'X') return false;
    const double number = strtod(text, &end);
    for (const unit *u = units; u->name != NULL; u++) {
        const double scaled = number * u->factor;
        if (strcmp(end, u->name) != 0) continue;
        if (!(scaled >= 1) || scaled >= 0x1p63) return false;
        *value = (uint64_t)llround(scaled);
        return true;
    }
    return false;
}

bool size_read(const char *text, uint64_t *bytes)
{
    return read_scaled(text, size_units, bytes);
}

static bool read_whole(const char *text, uint32_t least, uint32_t *value)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9') return false;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *end != 0 || number > UINT32_MAX || number < least) return false;
    *value = (uint32_t)number;
    return true;
}

static bool read_real(const char *text, double *value)
{
    char *end = NULL;

    if (text[0] != '.' && (text[0] < '0' || text[0] > '9')) return false;
    *value = strtod(text, &end);
    return *end == 0 && isfinite(*value) && *value > 0;
}

static const char *expected_of(option_kind kind)
{
    switch (kind) {
    case OPTION_COUNT: return "a whole number of at least 1";
    case OPTION_NUMBER: return "a whole number";
    case OPTION_REAL: return "a number above 0";
    case OPTION_SIZE: return "a size such as 65536, 64M or 1.5G";
    case OPTION_DURATION: return "a duration such as 500ms, 2s or 1m";
    default: return "a value";
    }
}

static bool store(const option *o, void *values, const char *text)
{
    void *place = (char *)values + o->where;

    switch (o->kind) {
    case OPTION_FLAG: *(bool *)place = true; return true;
    case OPTION_TEXT: *(const char **)place = text; return text[0] != 0;
    case OPTION_TEXTS: {
        text_list *list = place;
        if (list->count == TEXT_LIST_MAX || text[0] == 0) return false;
        list->items[list->count++] = text;
        return true;
    }
    case OPTION_COUNT: return read_whole(text, 1, place);
    case OPTION_NUMBER: return read_whole(text, 0, place);
    case OPTION_REAL: return read_real(text, place);
    case OPTION_SIZE: return read_scaled(text, size_units, place);
    case OPTION_DURATION: return read_scaled(text, duration_units, place);
    }
    return false;
}

/* -- names that are nearly right ------------------------------------------------------------------
 */

static uint32_t least_of(uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edits that turn one into the other, ignoring case. */
static uint32_t text_distance(const char *a, const char *b)
{
    uint32_t row[NAME_MAX_BYTES + 1];
    const size_t length = strlen(b);

    if (length > NAME_MAX_BYTES) return UINT32_MAX;
    for (uint32_t j = 0; j <= length; j++) row[j] = j;
    for (uint32_t i = 0; a[i] != 0; i++) {
        uint32_t diagonal = row[0];
        row[0] = i + 1;
        for (uint32_t j = 0; j < length; j++) {
            const uint32_t above = row[j + 1];
            row[j + 1] = least_of(above + 1, row[j] + 1, diagonal + (lower(a[i]) != lower(b[j])));
            diagonal = above;
        }
    }
    return row[length];
}

const char *text_nearest(const char *name, const char *(*next)(void *context, uint32_t index),
                         void *context)
{
    const size_t length = strlen(name);
    uint32_t best = (uint32_t)(length / 3 + 1);
    const char *found = NULL;

    if (length > NAME_MAX_BYTES) return NULL;
    for (uint32_t i = 0;; i++) {
        const char *candidate = next(context, i);
        if (candidate == NULL) return found;
        const uint32_t distance = text_distance(name, candidate);
        if (distance > best || (distance == best && found != NULL)) continue;
        best = distance;
        found = candidate;
    }
}

/* -- parsing ------------------------------------------------------------------------- */

static const char *option_at(void *context, uint32_t index)
{
    const option_sets *sets = context;

    for (size_t s = 0; s < sets->count; s++) {
        for (const option *o = sets->items[s].options; o->name != NULL; o++) {
            if (index-- == 0) return o->name;
        }
    }
    return NULL;
}

static void report_unknown(const option_sets *sets, const char *command_name, const char *name)
{
    option_sets copy = *sets;
    const char *nearest = text_nearest(name, option_at, &copy);
    char list[1024];
    size_t length = 0;

    list[0] = 0;
    for (uint32_t i = 0; option_at(&copy, i) != NULL && length < sizeof list; i++) {
        const int wrote =
            snprintf(list + length, sizeof list - length, " --%s", option_at(&copy, i));
        length += wrote > 0 ? (size_t)wrote : 0;
    }
    complain("%s: unknown option --%s%s%s%s; options:%s", command_name, name,
             nearest != NULL ? " (did you mean --" : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "?)" : "", list);
}

static const option *option_find(const option_sets *sets, const char *name, size_t length,
                                 void **values)
{
    for (size_t s = 0; s < sets->count; s++) {
        for (const option *o = sets->items[s].options; o->name != NULL; o++) {
            if (strlen(o->name) != length || memcmp(o->name, name, length) != 0) continue;
            *values = sets->items[s].values;
            return o;
        }
    }
    return NULL;
}

/* One option, with its value from behind '=' or from the next word. Advances *at. */
static bool parse_one(const option_sets *sets, const char *command_name, int argc, char **argv,
                      int *at)
{
    const char *name = strcmp(argv[*at], "-h") == 0 ? "help" : argv[*at] + 2;
    const char *equals = strchr(name, '=');
    const size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    void *values = NULL;
    const char *text = equals != NULL ? equals + 1 : NULL;
    const option *o = option_find(sets, name, length, &values);

    if (o == NULL) {
        char shown[NAME_MAX_BYTES + 1];
        snprintf(shown, sizeof shown, "%.*s",
                 (int)(length < NAME_MAX_BYTES ? length : NAME_MAX_BYTES), name);
        report_unknown(sets, command_name, shown);
        return false;
    }
    if (o->kind == OPTION_FLAG && text != NULL) {
        complain("%s: --%s takes no value, got '%s'", command_name, o->name, text);
        return false;
    }
    if (o->kind != OPTION_FLAG && text == NULL) {
        if (*at + 1 >= argc) {
            complain("%s: --%s needs %s: --%s %s", command_name, o->name, expected_of(o->kind),
                     o->name, o->value);
            return false;
        }
        text = argv[++*at];
    }
    if (store(o, values, text)) return true;
    complain("%s: --%s expects %s, got '%s'", command_name, o->name, expected_of(o->kind), text);
    return false;
}

bool options_parse(const option_sets *sets, const char *command_name, int argc, char **argv,
                   const char **words, uint32_t *word_count)
{
    bool ended = false;

    *word_count = 0;
    for (int at = 0; at < argc; at++) {
        const char *word = argv[at];
        if (ended || (strncmp(word, "--", 2) != 0 && strcmp(word, "-h") != 0)) {
            if (!ended && word[0] == '-' && word[1] != 0) {
                report_unknown(sets, command_name, word + 1);
                return false;
            }
            words[(*word_count)++] = word;
        } else if (word[2] == 0 && word[1] == '-') {
            ended = true;
        } else if (!parse_one(sets, command_name, argc, argv, &at)) {
            return false;
        }
    }
    return true;
}

/* -- help ---------------------------------------------------------------------------- */

void options_print(const option_sets *sets)
{
    for (size_t s = 0; s < sets->count; s++) {
        const option *o = sets->items[s].options;
        if (o->name != NULL) printf("\n%s:\n", sets->items[s].title);
        for (; o->name != NULL; o++) {
            int column = printf("  --%s%s%s", o->name, o->value != NULL ? " " : "",
                                o->value != NULL ? o->value : "");
            if (column >= HELP_COLUMN - 1) {
                printf("\n");
                column = 0;
            }
            printf("%*s%s\n", HELP_COLUMN - column, "", o->help);
        }
    }
}
