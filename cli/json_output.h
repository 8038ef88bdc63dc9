/* json_output.h -- a JSON writer for `--json`: straight to stdout, indented, valid whatever the
 * names hold.
 *
 * Inside an object every value has a key; inside an array the key is NULL. */
#ifndef EBB_CLI_JSON_OUTPUT_H
#define EBB_CLI_JSON_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 24

typedef struct json_output {
    uint32_t depth;
    bool has_items[JSON_DEPTH_MAX];
    bool is_line; /* arrays of numbers: one line */
} json_output;

void json_object(json_output *j, const char *key);
void json_object_end(json_output *j); /* the last one ends the line */
void json_array(json_output *j, const char *key);
void json_array_end(json_output *j);
void json_text(json_output *j, const char *key, const char *value); /* NULL = null */
/* A value that is JSON already. */
void json_literal(json_output *j, const char *key, const char *json);
void json_count(json_output *j, const char *key, uint64_t value);
void json_integer(json_output *j, const char *key, int64_t value);
void json_bool(json_output *j, const char *key, bool value);
/* `digits` significant digits; not a number and the infinities become null, which JSON has no word
 * for. */
void json_number(json_output *j, const char *key, double value, int digits);
/* An array of the lines of `text`, which is taken apart. */
void json_lines(json_output *j, const char *key, char *text);
/* Members "weights": n ... of one object. */
void json_classes(json_output *j, const char *key, const uint64_t *bytes);

#endif
