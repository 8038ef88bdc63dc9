/* object.h -- what optimizers, schedules, losses, metrics, regularizers, constraints and
 * initializers have in common: a name of Keras, a table of configuration fields, and the ways in
 * which Keras says which one and how.
 *
 *     "adam"                                                         defaults
 *     {"class_name": "Adam", "config": {"learning_rate": 0.01}}      Keras 2 and 3
 *     {"class_name": "function", "config": "mse"}                    functions of Keras 3
 *
 * Names match without regard to case and underscores ("max_norm" is "MaxNorm"); what stands before
 * a '>' or a '.' is the name of a package and is dropped. A module is not looked at: some backends
 * write their own.
 */
#ifndef EBB_TRAIN_OBJECT_H
#define EBB_TRAIN_OBJECT_H

#include "layer/layer.h"

typedef struct train_entry {
    const char *name;    /* class name of Keras 3 */
    const char *aliases; /* "one|other" or NULL: only what the rule above does not find */
    uint32_t config_bytes;
    const layer_field *fields; /* ends with key NULL; NULL = none */
    /* Ranges of single fields and what must hold between them. NULL: nothing to check. */
    ebb_status (*check)(const void *config, const char *where, ebb_error *error);
} train_entry;

/* Defaults of a constructor that a definition knows and its fields do not. */
typedef struct train_defaults {
    const char *name; /* of an instance; NULL: none */
    double learning_rate;
} train_defaults;

/* Entries are the first members of the definitions of their kind. */
typedef struct train_table {
    const char *kind; /* "optimizer", for messages */
    const train_entry *const *entries;
    uint32_t count;
    const constructor *constructors;                      /* one for each entry */
    train_defaults (*defaults)(const train_entry *entry); /* NULL: none */
} train_table;

typedef struct train_object {
    const train_entry *entry;
    const void *config; /* entry->config_bytes; points into the JSON it was read from */
} train_object;

#define TRAIN_FIELD(T, member, kind, otherwise)                                                    \
    {                                                                                              \
#member, kind, offsetof(T, member), false, otherwise, NULL                                 \
    }
#define TRAIN_FIELD_CHOICE(T, member, otherwise, choices)                                          \
    {                                                                                              \
#member, FIELD_CHOICE, offsetof(T, member), false, otherwise, choices                      \
    }
#define TRAIN_FIELD_REQUIRED(T, member, kind)                                                      \
    {                                                                                              \
#member, kind, offsetof(T, member), true, 0, NULL                                          \
    }
#define TRAIN_FIELD_END                                                                            \
    {                                                                                              \
        NULL, FIELD_JSON, 0, false, 0, NULL                                                        \
    }

bool train_name_matches(const char *one, const char *other);
/* By class name or alias, as above. */
bool train_entry_matches(const train_entry *entry, const char *name);
const train_entry *train_entry_find(const train_table *table, const char *name);

/* The class name in any of the forms above, *config NULL where there is none. NULL: no form that
 * is known. */
const char *train_object_name(const json *given, const json **config);

/* E_FORMAT: `given` has none of those forms. */
ebb_status train_object_form_fail(const train_table *table, const json *given, const char *where,
                                  ebb_error *error);

/* Reads into `home`. E_UNSUPPORTED: no such name, unknown key; E_FORMAT: wrong kind of value;
 * E_ARGUMENT: outside its range. */
ebb_status train_object_read(const train_table *table, region *home, const json *given,
                             const char *where, train_object *result, ebb_error *error);
/* By name, with defaults. */
ebb_status train_object_named(const train_table *table, region *home, const char *name,
                              const char *where, train_object *result, ebb_error *error);

/* E_ARGUMENT with "<key>: expected <what>, got <number>" for checks. */
ebb_status train_range_fail(ebb_error *error, const char *where, const char *key, const char *what,
                            double number);

#endif
