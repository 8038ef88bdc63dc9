/* json.h -- a JSON document read into a region, and a JSON writer.
 *
 * Reads what Python's json module writes, so also the bare words NaN, Infinity and -Infinity.
 * Limits: depth 200, text as long as the caller lets in. Every value knows where it stood.
 * Duplicate keys: the last one counts (as in Python). Object members keep their order. Strings are
 * UTF-8, zero terminated; \u0000 inside a string is refused. Integers that fit int64 stay exact;
 * others become numbers.
 */
#ifndef EBB_JSON_JSON_H
#define EBB_JSON_JSON_H

#include "ebb/status.h"
#include "mem/region.h"

typedef enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} json_kind;

typedef struct json {
    json_kind kind;
    uint32_t  offset; /* byte in the text where the value begins */
    uint32_t  count;  /* items of an array or object; bytes of a string */
    union {
        bool                boolean;
        int64_t             integer;
        double              number;
        const char         *string;
        const struct json  *items;   /* array */
        struct json_member *members; /* object, in file order */
    } as;
} json;

typedef struct json_member {
    const char *key;
    json        value;
} json_member;

/* Parses `length` bytes. Errors: E_FORMAT with byte offset, E_MEMORY. Everything lives in `r`. */
ebb_status json_read(region *r, const char *text, size_t length, const char *where,
                     const json **result, ebb_error *error);

/* Look-ups never fail: on NULL, a wrong kind or a missing key they answer NULL or the default. */
const json *json_get(const json *object, const char *key);
const json *json_path(const json *object, const char *dotted_path); /* "config.units" */
const json *json_item(const json *array, uint32_t index);
bool        json_is_null(const json *value); /* true also for NULL */
const char *json_text(const json *value, const char *otherwise);
int64_t     json_integer(const json *value, int64_t otherwise); /* also 3.0 */
double      json_number(const json *value, double otherwise);   /* also integers */
bool        json_boolean(const json *value, bool otherwise);    /* also 0 and 1 */
bool        json_is_text(const json *value, const char *text);
const char *json_kind_name(json_kind kind);

/* -- writer: text that grows in a region; sticky failure, checked once at the end -------------- */

typedef struct text_writer {
    region *home;
    char   *text; /* zero terminated */
    size_t  length, capacity;
    bool    failed;
} text_writer;

void text_begin(text_writer *w, region *home);
void text_put(text_writer *w, const char *text);
void text_put_length(text_writer *w, const char *text, size_t length);
void text_format(text_writer *w, const char *format, ...) EBB_PRINTF(2, 3);
void text_json_string(text_writer *w, const char *text); /* quoted and escaped */
void text_json_number(text_writer *w, double number);    /* shortest that reads back */
void text_json_value(text_writer *w, const json *value); /* a whole tree, compact */

#endif
