/* api_states.c -- public functions of ebb/model.h: states of stateful layers. */
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/model.h"

uint32_t ebb_model_states(ebb_model handle)
{
    model *m = model_acquire(handle, "ebb_model_states", NULL);

    if (m == NULL) return 0;
    const uint32_t count = m->states == NULL ? 0 : m->built->state_count;
    handle_release(handle.id);
    return count;
}

ebb_status ebb_model_state(ebb_model handle, uint32_t index, ebb_tensor_info *info,
                           ebb_error *error)
{
    if (info == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_model_state", "expected a place for the answer");
    model *m = model_acquire(handle, "ebb_model_state", error);
    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_state_info(m, index, info, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_state_get(ebb_model handle, uint32_t index, const ebb_view *view,
                               ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_state_get", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_state_copy(m, index, view, false, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_state_set(ebb_model handle, uint32_t index, const ebb_view *view,
                               ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_state_set", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_state_copy(m, index, view, true, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_states_reset(ebb_model handle, const char *layer, ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_states_reset", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_states_reset(m, layer, error);
    handle_release(handle.id);
    return status;
}
