/* upgrade.h -- layer objects of every Keras version in, layer objects of newest Keras 3 out.
 *
 * One file a version: version_1.c turns what Keras 1 wrote into Keras 2's terms, version_2.c those
 * into Keras 3's, version_3.c removes what is dead everywhere and applies to all. A file of Keras
 * 1 passes through all three. Each is a table; conversions that a table cannot say are functions
 * named in it.
 *
 * Custom classes ("package>Class", or a module that is not Keras's) pass untouched: they are
 * refused later.
 */
#ifndef EBB_FORMAT_KERAS_UPGRADE_H
#define EBB_FORMAT_KERAS_UPGRADE_H

#include "format/keras/config_edit.h"

#define WRAPPER_DEPTH_MAX 24 /* layers inside layers' configs */

/* A class on its way up; conversions may change both name and fields. */
typedef struct upgrade_layer {
    const char *class_name;
    config_edit config;
} upgrade_layer;

typedef struct class_rename {
    const char *from, *to;
} class_rename;

/* In `classes` ("|A|B|" or NULL = every class) the field `from` is called `to` (NULL: removed). */
typedef struct field_rename {
    const char *classes, *from, *to;
} field_rename;

typedef struct class_conversion {
    const char *classes;
    void (*convert)(upgrade_layer *layer);
} class_conversion;

/* Applied in this order: class names, renames, conversions. Lists end with an empty entry. */
typedef struct version_table {
    const class_rename *classes;
    const field_rename *fields;
    const class_conversion *conversions;
} version_table;

extern const version_table version_1_table, version_2_table, version_3_table;

/* Is `name` one of "|A|B|"? */
bool name_in(const char *list, const char *name);

/* Upgrades {"class_name", "config", ...}: class_name, config and the layers inside it. Nested
 * models are left as they are, for model_config_read(). `where` names the layer in errors. */
ebb_status upgrade_layer_object(region *home, const json *object, uint32_t keras_major,
                                const char *where, json *result, ebb_error *error);

/* {"class_name": "__tuple__", "items"} and TensorShape become arrays, {"type": "ndarray", "value"}
 * its value, at any depth. Shares what does not change. */
ebb_status upgrade_value(region *home, const json *value, const char *where, json *result,
                         ebb_error *error);

/* True for built-in model classes: Functional, Model, Network, Sequential. */
bool class_is_model(const char *class_name);
/* "package>Class" of a custom class in `home`, NULL for Keras's own. *failed when there is no
 * memory. */
const char *custom_class(region *home, const json *object, bool *failed);

#endif
