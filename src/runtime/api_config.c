/* api_config.c -- the public functions of ebb/model.h that write configurations: argument checks,
 * handle to object, nothing else. */
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/config_text.h"

typedef ebb_status (*text_maker)(model *m, ebb_text_function write, void *context,
                                 ebb_error *error);

static ebb_status text_write(ebb_model handle, const char *where, text_maker make,
                             ebb_text_function write, void *context, ebb_error *error)
{
    if (write == NULL) return fail(error, EBB_E_ARGUMENT, where, "expected a text function");
    model *m = model_acquire(handle, where, error);
    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = make(m, write, context, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_config_write(ebb_model model, ebb_text_function write, void *context,
                                  ebb_error *error)
{
    return text_write(model, "ebb_model_config_write", model_config_write, write, context, error);
}

ebb_status ebb_model_compile_config_write(ebb_model model, ebb_text_function write, void *context,
                                          ebb_error *error)
{
    return text_write(model, "ebb_model_compile_config_write", model_compile_config_write, write,
                      context, error);
}
