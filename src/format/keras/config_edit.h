/* config_edit.h -- new JSON trees out of old ones: a parsed tree is never changed, an edited
 * object is a copy of one level whose untouched values are shared with the old tree.
 *
 * Failure is sticky: out of memory or too many fields, told once at the end by edit_finish(). */
#ifndef EBB_FORMAT_KERAS_CONFIG_EDIT_H
#define EBB_FORMAT_KERAS_CONFIG_EDIT_H

#include "json/json.h"

#define CONFIG_FIELDS_MAX 4096 /* of one layer's config object */

typedef struct config_edit {
    region *home;
    json_member *members;
    uint32_t count, capacity;
    uint32_t offset; /* where the object stood in the text */
    bool failed;
} config_edit;

/* Starts from the members of `object` (NULL or no object: from none). Of duplicate keys the last
 * one stays. */
void edit_begin(config_edit *e, region *home, const json *object);
/* The value now under `key`; NULL if there is none. Valid until the next change. */
const json *edit_get(const config_edit *e, const char *key);
void edit_set(config_edit *e, const char *key, json value);
void edit_remove(config_edit *e, const char *key);
/* Gives the value another name. A value already under the new name stays unless it is null. */
void edit_rename(config_edit *e, const char *from, const char *to);
/* The edited object. False when something failed on the way. */
bool edit_finish(const config_edit *e, json *result);

/* -- values ------------------------------------------------------------------------------------ */

json json_of_null(void);
json json_of_boolean(bool boolean);
json json_of_integer(int64_t integer);
json json_of_number(double number);
json json_of_text(const char *text); /* borrowed */
/* `items` borrowed. */
json json_of_array(const json *items, uint32_t count);
/* An array of `count` copies of nothing in `home`, to be filled; NULL: no memory. */
json *json_items_new(region *home, uint32_t count);

#endif
