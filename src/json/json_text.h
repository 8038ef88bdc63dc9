/* json_text.h -- inside of json/: characters and numbers, shared by the reader and the writer. */
#ifndef EBB_JSON_JSON_TEXT_H
#define EBB_JSON_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX     200
#define JSON_DECIMAL_BYTES 48

/* Bytes of the UTF-8 character at the start of text; 0 if it is not one (RFC 3629). */
size_t json_utf8_length(const char *text, size_t length);
/* Writes a code point below 0x110000; returns its bytes, at most 4. */
size_t json_utf8_write(uint32_t point, char *text);

typedef struct json_decimal {
    bool is_integer; /* written without fraction and exponent, and it fits */
    int64_t integer;
    double number;
} json_decimal;

/* Length of the JSON number at the start of text, 0 if there is none; correctly rounded, whatever
 * the locale of the process is. */
size_t json_decimal_read(const char *text, size_t length, json_decimal *value);
/* Shortest text that reads back as the same double, always with a '.' or an exponent. */
void json_decimal_write(double number, char text[JSON_DECIMAL_BYTES]);

#endif
