/* json_text.c -- UTF-8 and decimal numbers.
 *
 * strtod() and printf() follow the locale of the process, which is not ours to change. So strtod()
 * is only given digits and an exponent, without a point, and printf()'s point is replaced. More
 * than DIGITS_MAX digits cannot change the rounding except by not being zero, so the rest becomes a
 * single 1. */
#include "json/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX   780 /* a double needs at most 767 to be told from its neighbours' middles */
#define EXPONENT_MAX 1000000000

/* -- UTF-8 ------------------------------------------------------------------------------------- */

size_t json_utf8_length(const char *text, size_t length)
{
    const unsigned char *c = (const unsigned char *)text;
    if (length == 0) return 0;
    if (c[0] < 0x80) return 1;
    const size_t bytes = c[0] >= 0xF0 ? 4 : c[0] >= 0xE0 ? 3 : 2;
    if (c[0] < 0xC2 || c[0] > 0xF4 || length < bytes) return 0;
    for (size_t i = 1; i < bytes; i++) {
        if ((c[i] & 0xC0) != 0x80) return 0;
    }
    if (c[0] == 0xE0 && c[1] < 0xA0) return 0; /* longer than needed */
    if (c[0] == 0xED && c[1] > 0x9F) return 0; /* half of a surrogate pair */
    if (c[0] == 0xF0 && c[1] < 0x90) return 0;
    if (c[0] == 0xF4 && c[1] > 0x8F) return 0; /* above 0x10FFFF */
    return bytes;
}

size_t json_utf8_write(uint32_t point, char *text)
{
    const size_t bytes = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = bytes - 1; i > 0; i--) {
        text[i] = (char)(unsigned char)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    text[0] = (char)(unsigned char)(lead[bytes] | point);
    return bytes;
}

/* -- reading numbers --------------------------------------------------------------------------- */

typedef struct decimal {
    char digits[DIGITS_MAX + 1 + 24]; /* significant ones, a sticky 1, room for the exponent */
    size_t count;
    int64_t exponent; /* value = digits * 10^exponent */
    bool negative, sticky;
} decimal;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes digits from text[at]; a digit after the point lowers the exponent. */
static size_t digits_take(decimal *d, const char *text, size_t length, size_t at, bool fraction)
{
    for (; at < length && is_digit(text[at]); at++) {
        if (d->count == 0 && text[at] == '0') {
            d->exponent -= fraction;
        } else if (d->count < DIGITS_MAX) {
            d->digits[d->count++] = text[at];
            d->exponent -= fraction;
        } else {
            d->sticky |= text[at] != '0';
            d->exponent += !fraction;
        }
    }
    return at;
}

static double decimal_value(decimal *d)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    double value = 0;
    if (d->count > 0 && d->count <= 15 && d->exponent >= -22 && d->exponent <= 22) {
        /* both factors are exact, so one operation rounds once */
        int64_t mantissa = 0;
        for (size_t i = 0; i < d->count; i++) mantissa = mantissa * 10 + (d->digits[i] - '0');
        value = d->exponent < 0 ? (double)mantissa / powers[-d->exponent]
                                : (double)mantissa * powers[d->exponent];
    } else if (d->count > 0) {
        if (d->sticky) {
            d->digits[d->count++] = '1';
            d->exponent--;
        }
        const int64_t limit = 10000;
        const int64_t exponent = d->exponent > limit    ? limit
                                 : d->exponent < -limit ? -limit
                                                        : d->exponent;
        snprintf(d->digits + d->count, sizeof d->digits - d->count, "e%d", (int)exponent);
        value = strtod(d->digits, NULL);
    }
    return d->negative ? -value : value;
}

static bool decimal_integer(const decimal *d, int64_t *integer)
{
    if (d->count > 19) return false;
    int64_t value = 0; /* negative, because there is one more negative number */
    for (size_t i = 0; i < d->count; i++) {
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_sub_overflow(value, d->digits[i] - '0', &value)) return false;
    }
    if (!d->negative && value == INT64_MIN) return false;
    *integer = d->negative ? value : -value;
    return true;
}

size_t json_decimal_read(const char *text, size_t length, json_decimal *value)
{
    decimal d;
    d.count = 0;
    d.exponent = 0;
    d.negative = length > 0 && text[0] == '-';
    d.sticky = false;

    size_t at = d.negative ? 1 : 0;
    const size_t begin = at;
    at = digits_take(&d, text, length, at, false);
    if (at == begin || (at > begin + 1 && text[begin] == '0')) return 0;
    bool plain = true;
    if (at < length && text[at] == '.') {
        const size_t point = at;
        at = digits_take(&d, text, length, at + 1, true);
        if (at == point + 1) return 0;
        plain = false;
    }
    if (at < length && (text[at] == 'e' || text[at] == 'E')) {
        bool lowers = false;
        int64_t exponent = 0;
        at++;
        if (at < length && (text[at] == '+' || text[at] == '-')) lowers = text[at++] == '-';
        if (at == length || !is_digit(text[at])) return 0;
        for (; at < length && is_digit(text[at]); at++) {
            if (exponent < EXPONENT_MAX) exponent = exponent * 10 + (text[at] - '0');
        }
        d.exponent += lowers ? -exponent : exponent;
        plain = false;
    }
    value->is_integer = plain && decimal_integer(&d, &value->integer);
    value->number = decimal_value(&d);
    return at;
}

/* -- writing numbers --------------------------------------------------------------------------- */

/* "1,5e+10" of any locale as "1.5e+10". */
static void point_put(char *text)
{
    char *to = text;
    bool had = false;
    for (const char *from = text; *from != '\0'; from++) {
        if (is_digit(*from) || strchr("+-e", *from) != NULL) {
            *to++ = *from;
        } else if (!had) {
            had = true;
            *to++ = '.';
        }
    }
    *to = '\0';
}

void json_decimal_write(double number, char text[JSON_DECIMAL_BYTES])
{
    if (isnan(number)) {
        memcpy(text, "NaN", sizeof "NaN");
        return;
    }
    if (isinf(number)) {
        snprintf(text, JSON_DECIMAL_BYTES, "%sInfinity", number < 0 ? "-" : "");
        return;
    }
    const bool subnormal =
        fabs(number) < 0x1p-1022; /* their shortest text may be shorter than 15 */
    for (int digits = subnormal ? 1 : 15; digits <= 17; digits++) {
        json_decimal back;
        snprintf(text, JSON_DECIMAL_BYTES, "%.*g", digits, number);
        point_put(text);
        if (json_decimal_read(text, strlen(text), &back) > 0 && back.number == number) break;
    }
    if (strpbrk(text, ".e") == NULL) memcpy(text + strlen(text), ".0", sizeof ".0");
}
