/* number_text.c -- see number_text.h. Source: Python's "Format Specification Mini-Language". */
#include "train/callback/number_text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "json/json_text.h"

#define DIGITS_MAX    17
#define WIDTH_MAX     200
#define PRECISION_MAX 100
#define DECIMALS_MAX  310 /* of a whole double */
#define BODY_BYTES    (DECIMALS_MAX + PRECISION_MAX + 16)

/* printf() writes the point of the locale, which may be any character: the first one that is no
 * part of a number. */
static void point_put(char *text)
{
    for (; *text != '\0'; text++) {
        if (isdigit((unsigned char)*text) || strchr("+-eE", *text) != NULL) continue;
        *text = '.';
        return;
    }
}

/* Digits without a point, and the exponent of the first one. */
static int shortest_digits(double number, char digits[DIGITS_MAX + 1])
{
    char text[48];
    int exponent = 0;

    for (int precision = 0; precision < DIGITS_MAX; precision++) {
        json_decimal back;

        snprintf(text, sizeof text, "%.*e", precision, number);
        point_put(text);
        if (json_decimal_read(text, strlen(text), &back) > 0 && back.number == number) break;
    }
    size_t count = 0;
    const char *at = text;
    for (; *at != 'e'; at++) {
        if (*at != '.') digits[count++] = *at;
    }
    digits[count] = '\0';
    exponent = (int)strtol(at + 1, NULL, 10);
    return exponent;
}

void number_repr(double number, char text[NUMBER_REPR_BYTES])
{
    char digits[DIGITS_MAX + 1];
    size_t at = 0;

    if (!isfinite(number)) {
        snprintf(text, NUMBER_REPR_BYTES, "%s",
                 isnan(number) ? "nan"
                 : number < 0  ? "-inf"
                               : "inf");
        return;
    }
    if (signbit(number)) text[at++] = '-';
    const int exponent = shortest_digits(fabs(number), digits);
    const int count = (int)strlen(digits);
    if (exponent < -4 || exponent >= 16) {
        snprintf(text + at, NUMBER_REPR_BYTES - at, "%c%s%se%c%02d", digits[0],
                 count > 1 ? "." : "", digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) {
        snprintf(text + at, NUMBER_REPR_BYTES - at, "0.%.*s%s", -exponent - 1, "000", digits);
        return;
    }
    for (int i = 0; i <= exponent; i++) text[at++] = i < count ? digits[i] : '0';
    text[at++] = '.';
    if (exponent + 1 >= count) text[at++] = '0';
    for (int i = exponent + 1; i < count; i++) text[at++] = digits[i];
    text[at] = '\0';
}

/* -- format ------------------------------------------------------------------------------------ */

typedef struct format_spec {
    char fill, align, sign, type; /* '\0': not given */
    long width, precision;        /* -1: not given */
} format_spec;

static bool is_align(char c)
{
    return c == '<' || c == '>' || c == '^' || c == '=';
}

static long digits_read(const char **at, long otherwise)
{
    long number = 0;

    if (!isdigit((unsigned char)**at)) return otherwise;
    for (; isdigit((unsigned char)**at); (*at)++) {
        if (number < 100000) number = number * 10 + (**at - '0');
    }
    return number;
}

static bool spec_read(const char *text, format_spec *s)
{
    *s = (format_spec){.fill = ' ', .width = -1, .precision = -1};
    if (text[0] != '\0' && is_align(text[1])) {
        s->fill = text[0];
        s->align = text[1];
        text += 2;
    } else if (is_align(text[0])) {
        s->align = *text++;
    }
    if (*text == '+' || *text == '-' || *text == ' ') s->sign = *text++;
    if (*text == '0') {
        if (s->align == '\0') {
            s->fill = '0';
            s->align = '=';
        }
        text++;
    }
    s->width = digits_read(&text, -1);
    if (*text == '.') {
        text++;
        s->precision = digits_read(&text, -1);
        if (s->precision < 0) return false;
    }
    if (*text != '\0') s->type = *text++;
    return *text == '\0' && s->width <= WIDTH_MAX && s->precision <= PRECISION_MAX;
}

/* The number without sign. False: no such type for it. */
static bool body_write(const format_spec *s, const named_number *n, char body[BODY_BYTES])
{
    const double size = fabs(n->value);
    const int precision = s->precision < 0 ? 6 : (int)s->precision;
    char form[8];

    if (s->type == '\0' || s->type == 'd') {
        if (s->precision >= 0 || (s->type == 'd' && !n->is_integer)) return false;
        if (n->is_integer)
            snprintf(body, BODY_BYTES, "%.0f", size);
        else
            number_repr(size, body);
        return true;
    }
    if (strchr("eEfFgG%", s->type) == NULL) return false;
    if (!isfinite(size)) {
        const char *const words = isupper((unsigned char)s->type) ? "NANINF" : "naninf";

        snprintf(body, BODY_BYTES, "%.3s%s", words + (isnan(size) ? 0 : 3),
                 s->type == '%' ? "%" : "");
        return true;
    }
    snprintf(form, sizeof form, "%%.*%c", s->type == '%' ? 'f' : s->type);
    const int length =
        snprintf(body, BODY_BYTES, form, precision, s->type == '%' ? size * 100 : size);
    if (length < 0 || length >= BODY_BYTES - 1) return false;
    point_put(body);
    if (s->type == '%') memcpy(body + length, "%", 2);
    return true;
}

static bool put(char *text, size_t capacity, size_t *used, char c, long times)
{
    for (; times > 0; times--) {
        if (*used + 1 >= capacity) return false;
        text[(*used)++] = c;
    }
    text[*used] = '\0';
    return true;
}

static bool put_text(char *text, size_t capacity, size_t *used, const char *more)
{
    for (; *more != '\0'; more++) {
        if (!put(text, capacity, used, *more, 1)) return false;
    }
    return true;
}

static bool number_put(const format_spec *s, const named_number *n, char *text, size_t capacity,
                       size_t *used)
{
    char body[BODY_BYTES];
    const bool is_negative = signbit(n->value) && !isnan(n->value);
    const char sign = is_negative ? '-' : s->sign != '-' ? s->sign : '\0';

    if (!body_write(s, n, body)) return false;
    const long length = (long)strlen(body) + (sign != '\0');
    const long padding = s->width > length ? s->width - length : 0;
    const long left = s->align == '<'   ? 0
                      : s->align == '^' ? padding / 2
                                        : padding; /* numbers stand to the right */
    const bool is_inside = s->align == '=';

    return (is_inside || put(text, capacity, used, s->fill, left)) &&
           (sign == '\0' || put(text, capacity, used, sign, 1)) &&
           (!is_inside || put(text, capacity, used, s->fill, left)) &&
           put_text(text, capacity, used, body) &&
           put(text, capacity, used, s->fill, padding - left);
}

static ebb_status unknown_name(const char *pattern, const char *name, const named_number *numbers,
                               size_t count, const char *where, ebb_error *error)
{
    char known[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        if (!put_text(known, sizeof known, &used, i > 0 ? ", " : "")) break;
        if (!put_text(known, sizeof known, &used, numbers[i].name)) break;
    }
    return fail(error, EBB_E_ARGUMENT, where, "'%.60s': there is no '%.40s'; there are %s", pattern,
                name, known);
}

/* One field, from behind its brace to before the closing one. */
static ebb_status field_put(const char *pattern, char *field, const named_number *numbers,
                            size_t count, const char *where, char *text, size_t capacity,
                            size_t *used, ebb_error *error)
{
    char *colon = strchr(field, ':');
    format_spec spec;

    if (colon != NULL) *colon = '\0';
    for (size_t i = 0; i < count; i++) {
        if (strcmp(numbers[i].name, field) != 0) continue;
        if (spec_read(colon != NULL ? colon + 1 : "", &spec) &&
            number_put(&spec, &numbers[i], text, capacity, used))
            return EBB_OK;
        return fail(error, EBB_E_ARGUMENT, where,
                    "'%.60s': the format of '%.40s' is not known for %s, or the text is too long",
                    pattern, field, numbers[i].is_integer ? "whole numbers" : "floats");
    }
    return unknown_name(pattern, field, numbers, count, where, error);
}

ebb_status number_format(const char *pattern, const named_number *numbers, size_t count,
                         const char *where, char *text, size_t capacity, ebb_error *error)
{
    size_t used = 0;
    char field[128];

    text[0] = '\0';
    for (const char *at = pattern; *at != '\0'; at++) {
        const char *end = *at == '{' ? strchr(at, '}') : NULL;

        if ((*at == '{' || *at == '}') && at[1] == *at) {
            end = NULL;
            at++;
        } else if (*at == '}' || (*at == '{' && (end == NULL || end - at > 100))) {
            return fail(error, EBB_E_ARGUMENT, where, "'%.60s': a single '%c'", pattern, *at);
        }
        if (end == NULL) {
            if (put(text, capacity, &used, *at, 1)) continue;
            return fail(error, EBB_E_ARGUMENT, where, "'%.60s...' is too long", pattern);
        }
        memcpy(field, at + 1, (size_t)(end - at - 1));
        field[end - at - 1] = '\0';
        const ebb_status status =
            field_put(pattern, field, numbers, count, where, text, capacity, &used, error);
        if (status != EBB_OK) return status;
        at = end;
    }
    return EBB_OK;
}
