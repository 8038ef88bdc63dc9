/* api_optimizer.c -- the public functions of ebb/train.h about the optimizer's variables: argument
 * checks, handle to object, nothing else. */
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/training.h"

/* Pinned, and not uncompiled until let_go(); NULL: why is in *error. */
static training *look_at(ebb_model handle, const char *where, ebb_error *error)
{
    model *m = model_acquire(handle, where, error);

    if (m == NULL) return NULL;
    training *t = training_look(m);
    if (t != NULL) return t;
    fail(error, EBB_E_STATE, where,
         "the model is not compiled, so there is no optimizer; call ebb_model_compile()");
    handle_release(handle.id);
    return NULL;
}

static void let_go(ebb_model handle, training *t)
{
    training_look_end(t);
    handle_release(handle.id);
}

static ebb_status told(const ebb_error *why, ebb_error *error)
{
    if (error != NULL) *error = *why;
    return why->status;
}

uint32_t ebb_model_optimizer_variables(ebb_model handle)
{
    training *t = look_at(handle, "ebb_model_optimizer_variables", NULL);

    if (t == NULL) return 0;
    pthread_mutex_lock(&t->m->training_mutex);
    const uint32_t count = training_variables_count(t);
    pthread_mutex_unlock(&t->m->training_mutex);
    let_go(handle, t);
    return count;
}

ebb_status ebb_model_optimizer_variable(ebb_model handle, uint32_t index, ebb_tensor_info *info,
                                        ebb_error *error)
{
    static const char where[] = "ebb_model_optimizer_variable";
    ebb_error why = {0};

    if (info == NULL) return fail(error, EBB_E_ARGUMENT, where, "expected a place for the answer");
    *info = (ebb_tensor_info){.dtype = EBB_DTYPE_NONE};
    training *t = look_at(handle, where, &why);
    if (t == NULL) return told(&why, error);
    const ebb_status status = training_variable_read(t, index, info, error);
    let_go(handle, t);
    return status;
}

ebb_status ebb_model_optimizer_variable_get(ebb_model handle, uint32_t index, const ebb_view *value,
                                            ebb_error *error)
{
    ebb_error why = {0};
    training *t = look_at(handle, "ebb_model_optimizer_variable_get", &why);

    if (t == NULL) return told(&why, error);
    const ebb_status status = training_variable_get(t, index, value, error);
    let_go(handle, t);
    return status;
}

ebb_status ebb_model_optimizer_variable_set(ebb_model handle, uint32_t index, const ebb_view *value,
                                            ebb_error *error)
{
    ebb_error why = {0};
    training *t = look_at(handle, "ebb_model_optimizer_variable_set", &why);

    if (t == NULL) return told(&why, error);
    const ebb_status status = training_variable_set(t, index, value, error);
    let_go(handle, t);
    return status;
}
