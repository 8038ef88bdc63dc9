/* status.c -- the status tables and the filling of the caller's ebb_error.
 *
 * Invariant: where and text of an ebb_error are always zero terminated, and a cut never leaves half
 * a UTF-8 character behind, so that a binding may decode them without care. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifndef EBB_VERSION
#define EBB_VERSION "0.1.0"
#endif

typedef struct status_entry {
    ebb_status status;
    const char *name, *text;
} status_entry;

static const status_entry entries[] = {
#define EBB_STATUS_ENTRY(name, number, text) {EBB_##name, "EBB_" #name, text},
    EBB_STATUS_MAP(EBB_STATUS_ENTRY)
#undef EBB_STATUS_ENTRY
};

static const status_entry *entry_find(ebb_status status)
{
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (entries[i].status == status) return &entries[i];
    }
    return NULL;
}

const char *ebb_status_text(ebb_status status)
{
    const status_entry *entry = entry_find(status);
    return entry != NULL ? entry->text : "unknown status";
}

const char *ebb_status_name(ebb_status status)
{
    const status_entry *entry = entry_find(status);
    return entry != NULL ? entry->name : "unknown status";
}

const char *ebb_version(void)
{
    return EBB_VERSION;
}

/* Removes a UTF-8 character that was cut in the middle from the end of a full buffer. */
static void cut_cleanly(char *text, size_t capacity)
{
    const size_t length = strlen(text);
    if (length + 1 < capacity) return;
    size_t begin = length, tail = 0;
    while (begin > 0 && tail < 3 && ((unsigned char)text[begin - 1] & 0xC0) == 0x80)
        begin--, tail++;
    if (begin == 0) return;
    const unsigned char lead = (unsigned char)text[begin - 1];
    const size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (wanted > tail) text[begin - 1] = '\0';
}

static void where_put(ebb_error *error, const char *where)
{
    snprintf(error->where, sizeof error->where, "%s", where != NULL ? where : "");
    cut_cleanly(error->where, sizeof error->where);
}

ebb_status fail(ebb_error *error, ebb_status status, const char *where, const char *format, ...)
{
    if (error == NULL) return status;
    error->status = status;
    where_put(error, where);
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(error->text, sizeof error->text, format, arguments) < 0) error->text[0] = '\0';
    va_end(arguments);
    cut_cleanly(error->text, sizeof error->text);
    return status;
}

ebb_status fail_memory(ebb_error *error, const char *where, const char *what)
{
    return fail(error, EBB_E_MEMORY, where, "no memory for %s", what);
}

void fail_within(ebb_error *error, const char *context)
{
    if (error == NULL || context == NULL || context[0] == '\0') return;
    char inner[sizeof error->where];
    memcpy(inner, error->where, sizeof inner);
    inner[sizeof inner - 1] = '\0';
    char joined[2 * sizeof error->where + 2] = "";
    snprintf(joined, sizeof joined, "%.*s%s%s", (int)sizeof error->where, context,
             inner[0] != '\0' ? ": " : "", inner);
    joined[sizeof error->where - 1] = '\0';
    memcpy(error->where, joined, sizeof error->where);
    cut_cleanly(error->where, sizeof error->where);
}
