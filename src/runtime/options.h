/* options.h -- copies a caller's option struct over ours.
 *
 * The caller may be built against an older header: its struct is then shorter, and what it lacks
 * keeps its default. */
#ifndef EBB_RUNTIME_OPTIONS_H
#define EBB_RUNTIME_OPTIONS_H

#include "ebb/status.h"

/* `options` begins with its struct_size (NULL = all defaults); `result` has `bytes` bytes, defaults
 * filled in. E_ARGUMENT names `init`, the macro to begin with. */
ebb_status options_copy(void *result, size_t bytes, const void *options, const char *where,
                        const char *init, ebb_error *error);

#endif
