/* profile_sink.c -- see profile_sink.h. */
#include "profile/profile_sink.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void flush(profile_sink *s)
{
    if (s->length > 0 && !s->is_stopped) s->is_stopped = !s->write(s->context, s->text, s->length);
    s->length = 0;
}

static void put_length(profile_sink *s, const char *text, size_t length)
{
    while (length > 0 && !s->is_stopped) {
        const size_t room = sizeof s->text - s->length, part = length < room ? length : room;
        memcpy(s->text + s->length, text, part);
        s->length += part;
        text += part;
        length -= part;
        if (s->length == sizeof s->text) flush(s);
    }
}

void sink_put(profile_sink *s, const char *text)
{
    put_length(s, text, strlen(text));
}

void sink_format(profile_sink *s, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0)
        put_length(s, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

void sink_json(profile_sink *s, const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            sink_format(s, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            sink_format(s, "\\u%04x", c);
        else
            put_length(s, text, 1);
    }
}

void sink_xml(profile_sink *s, const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '<' || c == '>' || c == '&' || c == '"')
            sink_format(s, "&#%d;", c);
        else if (c < 0x20 || c == 0x7f)
            sink_put(s, "?");
        else
            put_length(s, text, 1);
    }
}

bool sink_end(profile_sink *s)
{
    flush(s);
    return !s->is_stopped;
}

sink_number sink_grouped(uint64_t number)
{
    sink_number n;
    char digits[24];
    const size_t count = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, number);
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) n.text[at++] = ',';
        n.text[at++] = digits[i];
    }
    n.text[at] = '\0';
    return n;
}

sink_number sink_size(uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    sink_number n;
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    snprintf(n.text, sizeof n.text, unit == 0 || value >= 100 ? "%.0f %s" : "%.3g %s", value,
             units[unit]);
    return n;
}
