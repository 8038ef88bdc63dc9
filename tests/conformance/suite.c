/* suite.c -- see suite.h. */
#include "suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

verdict judge(suite *s, const char *where, const ebb_error *error)
{
    snprintf(s->message, sizeof s->message, "%s: %s: %s", where, error->where, error->text);
    memcpy(s->reason, error->text, sizeof s->reason);
    return error->status == EBB_E_UNSUPPORTED ? REFUSED : FAILED;
}

verdict fault(suite *s, const char *where, const char *format, ...)
{
    va_list arguments;
    const int length = snprintf(s->message, sizeof s->message, "%s: ", where);

    va_start(arguments, format);
    if (length > 0 && (size_t)length < sizeof s->message)
        vsnprintf(s->message + length, sizeof s->message - (size_t)length, format, arguments);
    va_end(arguments);
    return FAILED;
}

verdict check_end(suite *s, const ebb_memory *before, const char *where)
{
    ebb_memory after;

    ebb_memory_read(s->runtime, &after);
    if (after.live == before->live && after.threads == before->threads &&
        after.descriptors == before->descriptors)
        return PASSED;
    return fault(s, where, "the ledger does not end where it began");
}

uint32_t collect(const npz_file *file, const char *prefix, ebb_view *views)
{
    uint32_t count = 0;
    char name[64];

    for (; count < PORTS; count++) {
        snprintf(name, sizeof name, "%s/%u", prefix, count);
        const npz_array *array = npz_find(file, name);
        if (array == NULL) break;
        views[count] = array->view;
    }
    return count;
}

const json *read_json(region *home, const char *path)
{
    FILE *file = fopen(path, "rb");
    const json *result = NULL;
    ebb_error error;

    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    const long length = ftell(file);
    rewind(file);
    char *text = region_block(home, (size_t)length + 1);
    const size_t got = text == NULL ? 0 : fread(text, 1, (size_t)length, file);
    fclose(file);
    json_read(home, text, got, path, &result, &error);
    return result;
}
