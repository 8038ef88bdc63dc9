/* models_each.h -- many files, one after the other, the next one loaded meanwhile. */
#ifndef EBB_RUNTIME_LIFECYCLE_MODELS_EACH_H
#define EBB_RUNTIME_LIFECYCLE_MODELS_EACH_H

#include "ebb/manage.h"
#include "runtime/runtime.h"

typedef struct each_call {
    const char *const *paths;
    size_t count;
    const ebb_each_options *options;
    ebb_each_function function;
    void *context;
} each_call;

ebb_status models_each(runtime *r, const each_call *call, ebb_each_report *report,
                       ebb_error *error);

#endif
