/* status.h -- filling the caller's ebb_error.
 *
 * Every fallible function takes `ebb_error *error` (may be NULL) as its last argument and returns
 * the status; the function that finds the fault writes the error, everybody above only passes it
 * on. */
#ifndef EBB_BASE_STATUS_H
#define EBB_BASE_STATUS_H

#include "ebb/status.h"

/* Writes *error and returns status, so that `return fail(...)` is one line. Long texts are cut. */
ebb_status fail(ebb_error *error, ebb_status status, const char *where, const char *format, ...)
    EBB_PRINTF(4, 5);

/* E_MEMORY in the usual words: "%s: no memory for <what>". */
ebb_status fail_memory(ebb_error *error, const char *where, const char *what);

/* Puts "context: " before error->where: the caller knows which file or layer it was. */
void fail_within(ebb_error *error, const char *context);

#endif
