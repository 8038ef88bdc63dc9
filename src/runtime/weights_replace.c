/* weights_replace.c -- see weights_replace.h.
 *
 * The lock of training is held throughout, so that no step, no publishing and no other change comes
 * between; what is read from other models is read without their locks, so two models may copy from
 * each other at once. */
#include "runtime/weights_replace.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "runtime/options.h"
#include "runtime/passes.h"
#include "runtime/shrink.h"

static ebb_status weight_read(void *context, region *scratch, uint32_t index, uint64_t first,
                              uint64_t count, void *bytes, ebb_error *error)
{
    const weights_change *c = context;
    const layer_weight *w = c->m->built->weights[index];

    if (first != 0) return fail(error, EBB_E_INTERNAL, w->title, "a weight is changed as a whole");
    if (c->is_set[index]) return c->read(c->context, scratch, index, count, bytes, error);
    return weights_get(c->m->weights, w->v, bytes, error); /* only we may change it */
}

/* Packed weights are never set, so they stay. */
static const void *packed_bytes(void *context, uint32_t index, const packed_layout *l)
{
    const model *m = context;

    (void)l;
    return weights_pointer(m->weights, m->built->weights[index]->v);
}

static ebb_status fill_new(region *work, const weights_change *change, weights *fresh,
                           ebb_error *error)
{
    weights_change c = *change;
    const weight_reader reader = {weight_read, &c};
    region *store = region_open(work, "new weights", EBB_CLASS_SCRATCH, 0);
    region *staging = region_open(work, "staging", EBB_CLASS_SCRATCH, 0);

    if (store == NULL || staging == NULL)
        return region_fail(work, error, change->m->info.name, "new weights");
    const packed_reader packed = {.bytes = packed_bytes, .context = change->m};
    *fresh = *change->m->weights;
    fresh->block = NULL;
    fresh->packed_from = &packed;
    const ebb_status status = weights_fill(fresh, store, staging, &reader, error);
    region_close(staging);
    return status;
}

/* Training and passes go on with the new weights. In `room`, large enough for each of them. */
static void training_take(const weights_change *change, const weights *fresh, void *room)
{
    for (uint32_t i = 0; i < change->m->built->weight_count; i++) {
        if (!change->is_set[i]) continue;
        (void)weights_get(fresh, change->m->built->weights[i]->v, room, NULL);
        model_variable_set(change->m, i, room);
    }
}

static uint64_t largest_bytes(const model *m)
{
    uint64_t largest = 1;

    for (uint32_t i = 0; i < m->built->weight_count; i++) {
        const tensor_desc plain = desc_of(m->built->graph, m->built->weights[i]->v, NULL);
        if (tensor_desc_bytes(&plain) > largest) largest = tensor_desc_bytes(&plain);
    }
    return largest;
}

static ebb_status replace_locked(region *work, const weights_change *change, ebb_error *error)
{
    model *m = change->m;
    weights fresh;
    void *room = NULL;
    ebb_status status = fill_new(work, change, &fresh, error);

    if (status == EBB_OK && (m->training != NULL || m->passes != NULL)) {
        room = region_block(work, (size_t)largest_bytes(m));
        if (room == NULL) status = region_fail(work, error, m->info.name, "a copy of a weight");
    }
    if (status != EBB_OK) return status;
    lanes_take_all(m);
    if (fresh.block_bytes > 0) memcpy(m->weights->block, fresh.block, fresh.block_bytes);
    lanes_release_all(m);
    atomic_fetch_add(&m->weight_changes, 1);
    if (room != NULL) training_take(change, m->weights, room);
    return EBB_OK;
}

ebb_status weights_replace(region *work, const weights_change *change, ebb_error *error)
{
    model *m = change->m;

    if (m->options.inference_only) {
        return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                    "the model was loaded with inference_only, so its weights were folded; load it "
                    "without");
    }
    ebb_status status = EBB_OK;
    for (uint32_t i = 0; i < m->built->weight_count && status == EBB_OK; i++) {
        if (change->is_set[i]) status = shrink_check_set(m, i, error);
    }
    if (status == EBB_OK) status = training_publish(m, error);
    if (status != EBB_OK) return status;
    pthread_mutex_lock(&m->training_mutex);
    status = replace_locked(work, change, error);
    pthread_mutex_unlock(&m->training_mutex);
    return status;
}

/* -- options and reports ----------------------------------------------------------------------- */

ebb_status weights_options_read(const ebb_weights_options *options, ebb_weights_options *result,
                                ebb_error *error)
{
    *result = (ebb_weights_options)EBB_WEIGHTS_OPTIONS_INIT;
    return options_copy(result, sizeof *result, options, "weights options",
                        "EBB_WEIGHTS_OPTIONS_INIT", error);
}

void weights_report_skip(ebb_weights_report *report, const layer_weight *w)
{
    if (report->skipped++ > 0) return;
    (void)snprintf(report->first_skipped, sizeof report->first_skipped, "%.80s/%.40s", w->title,
                   w->name);
}

void weights_report_count(ebb_weights_report *report, const built_model *built, const bool *is_set)
{
    report->copied = report->kept = 0;
    for (uint32_t i = 0; i < built->weight_count; i++) {
        report->copied += is_set[i];
        report->kept += !is_set[i];
    }
}
