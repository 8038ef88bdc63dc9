/* options.c -- see options.h. */
#include "runtime/options.h"

#include <string.h>

#include "base/status.h"

ebb_status options_copy(void *result, size_t bytes, const void *options, const char *where,
                        const char *init, ebb_error *error)
{
    size_t given;

    if (options == NULL) return EBB_OK;
    memcpy(&given, options, sizeof given);
    if (given < sizeof given || given > bytes) {
        return fail(error, EBB_E_ARGUMENT, where, "struct_size is %zu, expected %zu: begin with %s",
                    given, bytes, init);
    }
    memcpy(result, options, given);
    memcpy(result, &bytes, sizeof bytes);
    return EBB_OK;
}
