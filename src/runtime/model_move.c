/* model_move.c -- the device of a model, and moving it to another part of the same hardware.
 *
 * Parts of one physical device share its memory, so only the account changes: at once, for all
 * regions of the model, whoever uses them meanwhile. */
#include "base/status.h"
#include "runtime/advice.h"

const device *model_device(const model *m)
{
    const logical_device *device = m->device;

    return device->device;
}

ebb_status model_move(model *m, const char *text, ebb_error *error)
{
    runtime *const r = m->owner;
    logical_device *to = NULL;
    const ebb_status status = devices_find(r, text, &to, error);

    if (status != EBB_OK) return status;
    pthread_mutex_lock(&r->mutex); /* one mover at a time; reports see it here or there */
    const logical_device *from = m->device;
    const uint64_t bytes = region_bytes_live(m->home);
    const bool is_near = from->physical == to->physical;
    const bool has_moved = is_near && (from == to || region_charge(m->home, to->account));
    if (has_moved) m->device = to;
    pthread_mutex_unlock(&r->mutex);
    if (!is_near) {
        return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                    "%s and %s are different hardware; unload the model and load it on %s",
                    from->name, to->name, to->name);
    }
    if (has_moved) {
        devices_copied(r, from, to, bytes);
        return EBB_OK;
    }
    const ebb_status refused = device_admit(r, to, m, bytes, 0, m->info.name, error);
    return refused != EBB_OK ? refused : region_fail(m->home, error, m->info.name, "the move");
}
