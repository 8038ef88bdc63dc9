/* command_options.h -- the one option parser: tables of long options, filled into plain structs.
 *
 * `--name=value` and `--name value` are the same; `--` ends the options. Faults are written to
 * stderr, name the option and list the valid ones. */
#ifndef EBB_CLI_COMMAND_OPTIONS_H
#define EBB_CLI_COMMAND_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_LIST_MAX 64

typedef struct text_list {
    const char *items[TEXT_LIST_MAX];
    uint32_t count;
} text_list;

typedef enum option_kind {
    OPTION_FLAG,    /* bool; takes no value */
    OPTION_TEXT,    /* const char * */
    OPTION_TEXTS,   /* text_list; may be given several times */
    OPTION_COUNT,   /* uint32_t, at least 1 */
    OPTION_NUMBER,  /* uint32_t, 0 allowed */
    OPTION_REAL,    /* double above 0: 0.2, 1e-3 */
    OPTION_SIZE,    /* uint64_t bytes: 64M, 1.5G */
    OPTION_DURATION /* uint64_t nanoseconds: 500ms, 2s */
} option_kind;

typedef struct option {
    const char *name; /* without dashes; NULL ends a table */
    option_kind kind;
    size_t where;      /* offset in the struct of values */
    const char *value; /* "N", "FILE"; NULL for flags */
    const char *help;
} option;

/* A table and the struct it fills. */
typedef struct option_set {
    const char *title; /* over its part of the help */
    const option *options;
    void *values;
} option_set;

typedef struct option_sets {
    const option_set *items;
    size_t count;
} option_sets;

/* Fills the structs; words (room for argc) receives what is no option. false: a fault was reported.
 */
bool options_parse(const option_sets *sets, const char *command_name, int argc, char **argv,
                   const char **words, uint32_t *word_count);
void options_print(const option_sets *sets);

/* "64M", "1.5G", "65536"; false: no size. */
bool size_read(const char *text, uint64_t *bytes);

/* The candidate most like `name`, or NULL when none is near. `next` yields candidates until NULL.
 */
const char *text_nearest(const char *name, const char *(*next)(void *context, uint32_t index),
                         void *context);

#endif
