/* named_config.h -- how losses and metrics are named, and what their configs say beyond their
 * fields. */
#ifndef EBB_TRAIN_NAMED_CONFIG_H
#define EBB_TRAIN_NAMED_CONFIG_H

#include "train/object.h"

/* A table, and an entry that words alone find before those of the table: it names no class, shapes
 * decide when the nodes are emitted. */
typedef struct named_table {
    const train_table *table;
    const train_entry *by_shape;
    const train_entry *const *traced; /* classes of what a caller wrote; NULL at the end */
} named_table;

typedef struct named_choice {
    const train_entry *entry; /* of the table, or by_shape */
    const char *word;         /* that named it */
    bool is_plain;            /* a text or a function, no instance of a class */
    const json *settings;     /* NULL: none */
} named_choice;

/* E_UNSUPPORTED with the nearest names for an unknown one, E_FORMAT for what names nothing; the
 * entry is NULL then. The choice points into what was given. */
ebb_status named_choose(const named_table *names, const json *given, const char *where,
                        named_choice *choice, ebb_error *error);
/* A word as a document has it. */
json named_word(const char *word);

/* fields_read(), and Keras's meaning of an explicit null: the choice "none" where there is one, a
 * fault for an axis. */
ebb_status named_config_fields(const char *class_name, const layer_field *fields,
                               const json *settings, const char *where, void *config,
                               ebb_error *error);

/* Only float32 is computed: E_UNSUPPORTED for other compute types in settings["dtype"]. Integers
 * are told by *is_integer, when that is not NULL, and refused otherwise. */
ebb_status named_config_dtype(const json *settings, const char *where, bool *is_integer,
                              ebb_error *error);

#endif
