/* save.c -- a loaded model back into a file.
 *
 * Weights are taken one at a time, each under a lane, so that nobody sets it meanwhile and
 * predictions go on in between. Memory: class scratch, the names of the weights and a copy of the
 * largest, given back on return. */
#include "base/status.h"
#include "layer/saved.h"
#include "runtime/model.h"
#include "runtime/options.h"

static ebb_status read_tensor(void *context, const saved_tensor *tensor, void *bytes,
                              ebb_error *error)
{
    model *m = context;
    const uint32_t lane_index = lane_take(m);
    const ebb_status status =
        weights_get(m->weights, m->built->weights[tensor->source]->v, bytes, error);

    lane_release(m, lane_index);
    return status;
}

ebb_status model_save(model *m, const char *path, const ebb_save_options *options, ebb_error *error)
{
    ebb_save_options o = EBB_SAVE_OPTIONS_INIT;
    model_content content;
    ebb_status status =
        options_copy(&o, sizeof o, options, "save options", "EBB_SAVE_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    if (m->options.inference_only) {
        return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                    "the model was loaded with inference_only, so its weights were folded; load it "
                    "without");
    }
    region *work = region_open(m->owner->root, "save", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(m->owner->root, error, m->info.name, "saving");
    status = saved_list(work, m->d, m->built, m->sources, &content, error);
    if (status == EBB_OK) {
        const write_options how = {.deflates = o.deflate, .keeps_old = o.keep_existing};
        content.read = read_tensor;
        content.context = m;
        status = content_write(work, &content, path, &how, error);
    }
    region_close(work);
    return status;
}
