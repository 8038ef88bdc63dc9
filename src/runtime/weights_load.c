/* weights_load.c -- weights of a file into a model that is loaded: Keras's load_weights().
 *
 * Which tensor fills which weight is found as for a load (layer/bind.h); the configuration in the
 * file is not looked at. An object of Keras (a layer, a cell) is taken whole or left whole.
 * Source: keras/src/saving/saving_api.py (load_weights), legacy_h5_format.py. */
#include <string.h>

#include "base/status.h"
#include "format/format.h"
#include "layer/bind.h"
#include "layer/layer_weights.h"
#include "runtime/suspend.h"
#include "runtime/weights_replace.h"

typedef struct loading {
    model *m;
    const char *path;
    ebb_weights_options options;
    description *d;
    weight_source *sources;
    bool *is_set, *is_absent; /* absent: by name, and the file has no such layer */
    uint32_t problems;
    ebb_error first;
    ebb_weights_report report;
} loading;

static void problem_note(void *context, const char *layer, const char *text)
{
    loading *l = context;

    if (l->problems++ == 0) (void)fail(&l->first, EBB_E_SHAPE, layer, "%s", text);
}

static ebb_status source_read_one(void *context, region *scratch, uint32_t index, uint64_t count,
                                  void *bytes, ebb_error *error)
{
    const loading *l = context;

    return bind_read(scratch, &l->sources[index], l->m->built->weights[index], 0, count, bytes,
                     error);
}

static bool has_source(const loading *l, uint32_t index)
{
    return l->sources[index].entry != NULL || l->sources[index].conversion != NULL;
}

/* Is there one weight of the same object without a source? */
static bool is_broken(const loading *l, uint32_t index)
{
    const built_model *built = l->m->built;

    for (uint32_t i = 0; i < built->weight_count; i++) {
        if (!has_source(l, i) && strcmp(built->weights[i]->path, built->weights[index]->path) == 0)
            return true;
    }
    return false;
}

static void objects_choose(loading *l)
{
    const built_model *built = l->m->built;

    for (uint32_t i = 0; i < built->weight_count; i++) {
        const bool is_new = i == 0 || strcmp(built->weights[i]->path, built->weights[i - 1]->path);
        l->is_set[i] =
            has_source(l, i) && (is_new || l->problems > 0 ? !is_broken(l, i) : l->is_set[i - 1]);
        if (!l->is_set[i] && !l->is_absent[i]) weights_report_skip(&l->report, built->weights[i]);
    }
}

static ebb_status lists_make(region *work, loading *l, ebb_error *error)
{
    const built_model *built = l->m->built;
    const layer_weights *layers = layer_weights_list(work, built);

    l->is_set = region_new(work, bool, (size_t)built->weight_count + 1);
    l->is_absent = region_new(work, bool, (size_t)built->weight_count + 1);
    if (layers == NULL || l->is_set == NULL || l->is_absent == NULL)
        return region_fail(work, error, l->path, "the list of weights");
    for (uint32_t k = 0; l->options.by_name && k < layer_weights_count(built); k++) {
        const tensor_group *g = description_group(l->d, layers[k].name);
        const bool is_absent = g == NULL || g->count == 0;
        for (uint32_t i = 0; i < layers[k].count; i++)
            l->is_absent[layers[k].first + i] = is_absent;
    }
    return EBB_OK;
}

static ebb_status bind_file(region *work, loading *l, ebb_error *error)
{
    const bool by_name = l->options.by_name;
    ebb_status status = lists_make(work, l, error);

    if (status != EBB_OK) return status;
    if (by_name && l->d->layout == WEIGHTS_BY_PATH) {
        return fail(error, EBB_E_UNSUPPORTED, l->path,
                    "the file keeps weights by path and not by name of layer, as files of Keras 3 "
                    "do; load it as a model and use ebb_model_weights_copy() with by_name");
    }
    status =
        bind_weights_some(work, l->d, l->m->built, by_name, problem_note, l, &l->sources, error);
    if (status == EBB_OK && l->problems > 0 && !l->options.skip_mismatch) {
        if (error != NULL) *error = l->first;
        return l->first.status;
    }
    if (status == EBB_OK) objects_choose(l);
    return status;
}

static ebb_status load_bound(region *work, loading *l, ebb_error *error)
{
    const weights_change change = {l->m, l->is_set, source_read_one, l};
    region *copy = region_open(work, "weights", EBB_CLASS_SCRATCH, 0);

    if (copy == NULL) return region_fail(work, error, l->path, "new weights");
    ebb_status status = weights_replace(copy, &change, error);
    region_close(copy);
    return status;
}

ebb_status model_weights_load(model *m, const char *path, const ebb_weights_options *options,
                              ebb_weights_report *report, ebb_error *error)
{
    loading l = {.m = m, .path = path};
    ebb_status status = weights_options_read(options, &l.options, error);

    if (status == EBB_OK && path == NULL)
        status = fail(error, EBB_E_ARGUMENT, "path", "expected a file name, got NULL");
    if (status == EBB_OK) status = model_awake(m, "ebb_model_weights_load", error);
    if (status != EBB_OK) return status;
    region *work = region_open(m->owner->root, "load weights", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(m->owner->root, error, path, "loading weights");
    status = format_read(work, path, format_tensors_only, &l.d, error);
    if (status == EBB_OK) status = bind_file(work, &l, error);
    if (status == EBB_OK) status = load_bound(work, &l, error);
    if (status == EBB_OK) status = description_finish(l.d, error);
    description_close(l.d);
    if (status == EBB_OK && report != NULL) {
        weights_report_count(&l.report, m->built, l.is_set);
        *report = l.report;
    }
    region_close(work);
    return status;
}
