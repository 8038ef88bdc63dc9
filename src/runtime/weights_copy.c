/* weights_copy.c -- weights from one loaded model to another: as a whole, or layer by layer.
 *
 * Source: Layer.set_weights() and load_weights(by_name, skip_mismatch) of Keras: layers with
 * weights are matched in order or by name, inside a layer weights stand in order. */
#include <string.h>

#include "base/status.h"
#include "layer/layer_weights.h"
#include "runtime/devices.h"
#include "runtime/suspend.h"
#include "runtime/training.h"
#include "runtime/weights_replace.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

typedef struct copying {
    model *from, *to;
    ebb_weights_options options;
    bool *is_set;
    uint32_t *sources; /* by weight of `to`: the weight of `from` */
    ebb_weights_report report;
    ebb_error *error;
} copying;

static ebb_status copy_read(void *context, region *scratch, uint32_t index, uint64_t count,
                            void *bytes, ebb_error *error)
{
    const copying *c = context;
    const layer_weight *w = c->to->built->weights[index];
    const layer_weight *from = c->from->built->weights[c->sources[index]];
    void *plain = bytes;

    if (from->dtype != w->dtype) {
        plain = region_block(scratch, (size_t)count * ebb_dtype_bytes(from->dtype) + 1);
        if (plain == NULL) return region_fail(scratch, error, w->title, "a copy of a weight");
    }
    const uint32_t lane_index = lane_take(c->from);
    const ebb_status status = weights_get(c->from->weights, from->v, plain, error);
    lane_release(c->from, lane_index);
    if (status == EBB_OK && plain != bytes)
        dtype_convert(w->dtype, bytes, from->dtype, plain, (size_t)count);
    return status;
}

/* -- matching ---------------------------------------------------------------------------------- */

static bool same_shape(const layer_weight *a, const layer_weight *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0;
}

static ebb_status mismatch(copying *c, const layer_weights *to, uint32_t at,
                           const layer_weight *from)
{
    const layer_weight *w = c->to->built->weights[to->first + at];
    char want[96], have[96];

    if (c->options.skip_mismatch) {
        for (uint32_t i = 0; i < to->count; i++)
            weights_report_skip(&c->report, c->to->built->weights[to->first + i]);
        return EBB_OK;
    }
    if (from == NULL) {
        return fail(c->error, EBB_E_SHAPE, to->name,
                    "the layer has %u weights, its counterpart another number; skip_mismatch "
                    "leaves it as it is",
                    to->count);
    }
    return fail(c->error, EBB_E_SHAPE, w->title,
                "weight '%s' has shape %s, its counterpart %s; skip_mismatch leaves the layer as "
                "it is",
                w->name, dims_text(w->rank, w->dims, want, sizeof want),
                dims_text(from->rank, from->dims, have, sizeof have));
}

static ebb_status layers_match(copying *c, const layer_weights *to, const layer_weights *from)
{
    if (to->count != from->count) return to->count == 0 ? EBB_OK : mismatch(c, to, 0, NULL);
    for (uint32_t i = 0; i < to->count; i++) {
        const layer_weight *other = c->from->built->weights[from->first + i];
        if (!same_shape(c->to->built->weights[to->first + i], other))
            return mismatch(c, to, i, other);
    }
    for (uint32_t i = 0; i < to->count; i++) {
        c->is_set[to->first + i] = true;
        c->sources[to->first + i] = from->first + i;
    }
    return EBB_OK;
}

static ebb_status match_by_name(copying *c, const layer_weights *to, const layer_weights *from)
{
    const uint32_t count = layer_weights_count(c->from->built);

    for (uint32_t k = 0; k < layer_weights_count(c->to->built); k++) {
        const layer_weights *other = layer_weights_find(from, count, to[k].name);
        if (to[k].count == 0 || other == NULL) continue;
        const ebb_status status = layers_match(c, &to[k], other);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

static uint32_t next_with_weights(const layer_weights *list, uint32_t count, uint32_t at)
{
    while (at < count && list[at].count == 0) at++;
    return at;
}

static ebb_status match_in_order(copying *c, const layer_weights *to, const layer_weights *from)
{
    const uint32_t to_count = layer_weights_count(c->to->built);
    const uint32_t from_count = layer_weights_count(c->from->built);
    uint32_t a = next_with_weights(to, to_count, 0), b = next_with_weights(from, from_count, 0);

    while (a < to_count && b < from_count) {
        const ebb_status status = layers_match(c, &to[a], &from[b]);
        if (status != EBB_OK) return status;
        a = next_with_weights(to, to_count, a + 1);
        b = next_with_weights(from, from_count, b + 1);
    }
    if (a == to_count && b == from_count) return EBB_OK;
    return fail(c->error, EBB_E_SHAPE, c->to->info.name,
                "the models have different numbers of layers with weights; by_name copies those of "
                "the same name");
}

/* All weights as one list, wherever layers begin. */
static ebb_status match_all(copying *c)
{
    const layer_weights to = {c->to->info.name, 0, c->to->built->weight_count};
    const layer_weights from = {c->from->info.name, 0, c->from->built->weight_count};

    return layers_match(c, &to, &from);
}

static ebb_status match(region *work, copying *c)
{
    const layer_weights *to = layer_weights_list(work, c->to->built);
    const layer_weights *from = layer_weights_list(work, c->from->built);
    const size_t count = (size_t)c->to->built->weight_count + 1;

    c->is_set = region_new(work, bool, count);
    c->sources = region_new(work, uint32_t, count);
    if (to == NULL || from == NULL || c->is_set == NULL || c->sources == NULL)
        return region_fail(work, c->error, c->to->info.name, "the list of weights");
    if (c->options.by_name) return match_by_name(c, to, from);
    return c->options.skip_mismatch ? match_in_order(c, to, from) : match_all(c);
}

static void count_transfer(const copying *c)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < c->to->built->weight_count; i++) {
        const layer_weight *w = c->to->built->weights[i];
        uint64_t count = 0;
        if (c->is_set[i] && dims_count(w->rank, w->dims, &count))
            bytes += count * ebb_dtype_bytes(w->dtype);
    }
    devices_copied(c->to->owner, c->from->device, c->to->device, bytes);
}

ebb_status model_weights_copy(model *from, model *to, const ebb_weights_options *options,
                              ebb_weights_report *report, ebb_error *error)
{
    copying c = {.from = from, .to = to, .error = error};
    ebb_status status = weights_options_read(options, &c.options, error);

    if (status == EBB_OK) status = model_awake(from, "ebb_model_weights_copy", error);
    if (status == EBB_OK) status = model_awake(to, "ebb_model_weights_copy", error);
    if (status != EBB_OK) return status;
    if (from->options.inference_only) {
        return fail(error, EBB_E_UNSUPPORTED, from->info.name,
                    "the model was loaded with inference_only, so its weights were folded; load it "
                    "without");
    }
    if (from->d->model == NULL || to->d->model == NULL) {
        return fail(error, EBB_E_UNSUPPORTED, (from->d->model == NULL ? from : to)->info.name,
                    "the model is the graph of a SavedModel folder: it has no layers whose weights "
                    "could be copied");
    }
    region *work = region_open(to->owner->root, "copy", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(to->owner->root, error, to->info.name, "copying");
    status = match(work, &c);
    if (status == EBB_OK) status = training_publish(from, error);
    if (status == EBB_OK) {
        const weights_change change = {to, c.is_set, copy_read, &c};
        status = weights_replace(work, &change, error);
        if (status == EBB_OK) count_transfer(&c);
    }
    if (status == EBB_OK && report != NULL) {
        weights_report_count(&c.report, to->built, c.is_set);
        *report = c.report;
    }
    region_close(work);
    return status;
}
