/* shrink_make.c -- the smaller model beside the loaded one, and its way into that one's place. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/devices.h"
#include "runtime/shrink.h"
#include "runtime/training.h"

/* -- making ------------------------------------------------------------------------------------ */

static const packed_layout **layouts_of(region *work, const shrink_job *j)
{
    const uint32_t count = j->m->built->weight_count;
    const packed_layout **layouts = region_new(work, const packed_layout *, (size_t)count + 1);

    for (uint32_t i = 0; layouts != NULL && i < count; i++) {
        if (j->weights[i].is_packed) layouts[i] = &j->weights[i].layout;
    }
    return layouts;
}

static bool any_packed(const shrink_job *j)
{
    for (uint32_t i = 0; i < j->m->built->weight_count; i++)
        if (j->weights[i].is_packed) return true;
    return false;
}

/* A weight that stays as it is needs no packing again. */
static const void *old_bytes(void *context, uint32_t index, const packed_layout *l)
{
    const shrink_job *j = context;
    const packed_layout *old = shrink_layout(j->m, index);

    if (j->weights[index].is_changed || old == NULL || !packed_layout_equal(old, l)) return NULL;
    return weights_pointer(j->m->weights, j->m->built->weights[index]->v);
}

static ebb_status known_scales(void *context, region *scratch, uint32_t index, float *scales,
                               bool *is_known, ebb_error *error)
{
    const shrink_weight *s = &((const shrink_job *)context)->weights[index];

    (void)scratch;
    (void)error;
    *is_known = s->has_scales;
    if (s->has_scales)
        memcpy(scales, s->scales, (size_t)packed_scale_count(&s->layout) * sizeof *scales);
    return EBB_OK;
}

/* What the description does not say. */
static ebb_status facts_copy(const model *from, model *m, ebb_error *error)
{
    memcpy(m->info.path, from->info.path, sizeof m->info.path);
    if (from->file != NULL) {
        m->file = region_text(m->home, from->file);
        if (m->file == NULL) return region_fail(m->home, error, from->info.name, "its path");
    }
    for (uint32_t i = 0; i < m->built->weight_count; i++)
        m->sources[i].conversion = from->sources[i].conversion != NULL ? m : NULL;
    return EBB_OK;
}

/* Layers that were frozen or freed, the earliest first. */
static ebb_status choices_repeat(model *m, const trainable_choice *c, ebb_error *error)
{
    const trainable_choice *list[256];
    uint32_t count = 0;
    ebb_status status = EBB_OK;

    for (; c != NULL && count < 256; c = c->next) list[count++] = c;
    if (c != NULL)
        return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                    "more than 256 layers were frozen or freed since it was loaded");
    while (count > 0 && status == EBB_OK) {
        count--;
        status = training_trainable_set(m, list[count]->layer, list[count]->is_trainable, error);
    }
    return status;
}

static ebb_status finish(shrink_job *j, model *m, const char *name, uint64_t begin, uint64_t *id,
                         ebb_error *error)
{
    const weight_reader reader = {shrink_read, j};
    ebb_status status = facts_copy(j->m, m, error);

    m->maker = &reader;
    m->maker_bytes = shrink_read_bytes(j->m);
    m->packed_from = (packed_reader){.bytes = old_bytes, .scales = known_scales, .context = j};
    if (status != EBB_OK) {
        model_discard(m);
        return status;
    }
    status = model_finish(m, name, begin, id, error);
    if (status == EBB_OK) status = choices_repeat(m, j->m->choices, error);
    if (status != EBB_OK && *id != 0) (void)model_unload(*id, NULL, NULL, NULL);
    return status;
}

ebb_status shrink_make(shrink_job *j, const ebb_load_options *load, uint64_t *id, ebb_error *error)
{
    const uint64_t begin = clock_ns();
    const model *from = j->m;
    const packed_layout **layouts = layouts_of(j->work, j);
    model *m = NULL;
    ebb_plan plan;

    *id = 0;
    if (layouts == NULL) return region_fail(j->work, error, from->info.name, "the list of weights");
    const recipe p = {.name = from->file != NULL ? from->file : from->info.name,
                      .text = from->d->config_text,
                      .length = from->d->config_length,
                      .like = from,
                      .packings = any_packed(j) ? layouts : NULL};
    const ebb_status status = model_plan_recipe(from->owner, p.name, &p, load, &plan, &m, error);
    if (status == EBB_OK) return finish(j, m, p.name, begin, id, error);
    model_discard(m);
    return status;
}

/* -- a copy ------------------------------------------------------------------------------------ */

ebb_status shrink_clone(model *m, const ebb_build_options *o, uint64_t *id, ebb_error *error)
{
    const ebb_load_options defaults = EBB_LOAD_OPTIONS_INIT;
    shrink_job j = {.m = m};
    region *work = region_open(m->owner->root, "clone", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(m->owner->root, error, m->info.name, "a clone");
    j.work = work;
    j.weights = region_new(work, shrink_weight, (size_t)m->built->weight_count + 1);
    ebb_status status = EBB_OK;
    if (j.weights == NULL) status = region_fail(work, error, m->info.name, "the list of weights");
    for (uint32_t i = 0; j.weights != NULL && i < m->built->weight_count; i++) {
        const packed_layout *l = shrink_layout(m, i);
        j.weights[i].is_packed = l != NULL;
        if (l != NULL) j.weights[i].layout = *l;
    }
    if (status == EBB_OK) {
        pthread_mutex_lock(&m->training_mutex);
        status = training_publish_locked(m, error);
        if (status == EBB_OK)
            status = shrink_make(&j, o->load != NULL ? o->load : &defaults, id, error);
        pthread_mutex_unlock(&m->training_mutex);
    }
    region_close(work);
    return status;
}

/* -- taking its place -------------------------------------------------------------------------- */

static ebb_status busy(const model *old, uint64_t deadline_ns, uint64_t begin, ebb_error *error)
{
    return fail(error, EBB_E_BUSY, old == NULL ? "shrink" : "ebb_model_quantize",
                "calls of the model were still running after %" PRIu64
                " ms; nothing was changed, try again later",
                deadline_ns > begin ? (deadline_ns - begin) / 1000000 : 0);
}

/* `old` goes, `fresh` has its handle; both are held by nobody. */
static void exchange(model *old, model *fresh, uint64_t id)
{
    runtime *const r = old->owner;
    const uint64_t own = fresh->id;
    void *object = NULL;

    (void)handle_close_begin(HANDLE_MODEL, own, 0, &object);
    pthread_mutex_lock(&r->mutex);
    fresh->id = id;
    pthread_mutex_unlock(&r->mutex);
    model_unlink(old);
    handle_replace_end(id, fresh);
    handle_close_end(own);
    model_discard(old);
}

ebb_status shrink_replace(uint64_t id, const model *old, uint32_t changes, uint64_t fresh,
                          uint64_t deadline_ns, bool *is_done, ebb_error *error)
{
    const uint64_t begin = clock_ns();
    void *object = NULL;

    *is_done = false;
    if (!handle_replace_begin(HANDLE_MODEL, id, deadline_ns, &object)) {
        if (object != NULL) return busy(old, deadline_ns, begin, error);
        return handle_alive(HANDLE_MODEL, id)
                   ? busy(NULL, begin, begin, error)
                   : fail(error, EBB_E_STALE, "shrink", "the model was unloaded meanwhile");
    }
    model *m = object, *next = handle_acquire(HANDLE_MODEL, fresh);
    ebb_status status = EBB_OK;
    if (next == NULL)
        status = fail(error, EBB_E_STALE, "shrink", "the runtime is being closed");
    else
        handle_release(fresh);
    if (status == EBB_OK && m->training != NULL)
        status = fail(error, EBB_E_STATE, m->info.name,
                      "the model was compiled meanwhile; nothing was changed");
    *is_done = status == EBB_OK && m == old && atomic_load(&m->weight_changes) == changes;
    if (*is_done)
        exchange(m, next, id);
    else
        handle_replace_end(id, m);
    return status;
}
