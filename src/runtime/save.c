/* save.c -- a loaded model back into a file.
 *
 * The lock of training is held, so that no step and nobody else changes weights; predictions go on.
 * Memory: class scratch, the names of the weights and a copy of the largest, given back on return.
 * The state of the optimizer goes along: that of a compiled model, else the one that was in the
 * model's file, read from there again, unless the file is gone or another one by now, or layers
 * were frozen or freed since. */
#include <string.h>

#include "base/status.h"
#include "format/saved_optimizer.h"
#include "layer/saved.h"
#include "runtime/options.h"
#include "runtime/shrink.h"
#include "runtime/training.h"

typedef struct saving {
    model *m;
    const training *t;         /* NULL: not compiled */
    saved_optimizer optimizer; /* of the file */
    saved_training training;
} saving;

static ebb_status read_tensor(void *context, const saved_tensor *tensor, void *bytes,
                              ebb_error *error)
{
    const saving *s = context;
    model *m = s->m;
    bool is_there;

    if (tensor->source >= m->built->weight_count && s->t != NULL) {
        const uint32_t index = tensor->source - m->built->weight_count;
        memcpy(bytes, training_saved_bytes(s->t, index),
               s->t->sizes[s->t->optimizer_first + index]);
        return EBB_OK;
    }
    if (tensor->source >= m->built->weight_count) {
        return saved_optimizer_read(&s->optimizer, tensor->source - m->built->weight_count, tensor,
                                    bytes, &is_there, error);
    }
    const uint32_t lane_index = lane_take(m);
    const ebb_status status =
        weights_get(m->weights, m->built->weights[tensor->source]->v, bytes, error);

    lane_release(m, lane_index);
    return status;
}

static ebb_status saving_open(region *work, saving *s, ebb_error *error)
{
    ebb_error ignored;

    if (s->t != NULL) return training_saved_list(s->t, work, &s->training, error);
    const ebb_status status = saved_optimizer_open(work, s->m->d, &s->optimizer, &ignored);

    if (status == EBB_E_MEMORY) return fail(error, status, ignored.where, "%s", ignored.text);
    if (status != EBB_OK) return EBB_OK;
    return saved_optimizer_list(work, &s->optimizer, s->m->d, s->m->built->weight_count,
                                &s->training, error);
}

/* Slots stand for the weights that were trained when the state was made: for others Keras would
 * take them in their order. */
static bool state_fits(const saving *s, const bool *trainable)
{
    const built_model *built = s->t != NULL ? training_first_step(s->t)->model : s->m->built;

    for (uint32_t k = 0; k < built->weight_count; k++) {
        if (built->weights[k]->trainable != trainable[k]) return false;
    }
    return true;
}

/* Everything but what is read weight by weight. */
static ebb_status content_make(region *work, saving *s, const ebb_save_options *o,
                               model_content *content, ebb_error *error)
{
    model *m = s->m;
    trainable_choice *choices = NULL;
    const description *d = NULL;
    ebb_status status = choices_copy(m, work, &choices, error);

    if (status == EBB_OK) status = choices_describe(work, m->d, choices, &d, error);
    if (status == EBB_OK) status = saving_open(work, s, error);
    if (status != EBB_OK) return status;
    const bool *trainable = saved_trainable(work, m->built, choices_answer, choices);
    if (trainable == NULL) return region_fail(work, error, m->info.name, "the names of weights");
    if (o->without_optimizer || !state_fits(s, trainable)) s->training.extra_count = 0;
    return saved_list(work, d, m->built, m->sources, trainable, &s->training, content, error);
}

/* Only these keep weights shrunk. */
static bool is_archive(const char *path)
{
    static const char ending[] = ".keras";
    const size_t length = path == NULL ? 0 : strlen(path), own = sizeof ending - 1;

    return length > own && strcmp(path + length - own, ending) == 0;
}

static ebb_status save_locked(model *m, const training *t, const char *path,
                              const ebb_save_options *o, ebb_error *error)
{
    region *work = region_open(m->owner->root, "save", EBB_CLASS_SCRATCH, 0);
    model_content content;
    saving s = {.m = m, .t = t};
    const bool is_shrunk = m->packings != NULL && !o->expand && is_archive(path);

    if (work == NULL) return region_fail(m->owner->root, error, m->info.name, "saving");
    ebb_status status = content_make(work, &s, o, &content, error);
    if (status == EBB_OK) {
        content.read = read_tensor;
        content.context = &s;
        if (is_shrunk) status = shrink_content(work, m, &content, error);
    }
    if (status == EBB_OK) {
        const write_options how = {.deflates = o->deflate, .keeps_old = o->keep_existing};
        status = content_write(work, &content, path, &how, error);
    }
    saved_optimizer_close(&s.optimizer);
    region_close(work);
    return status;
}

ebb_status model_save(model *m, const char *path, const ebb_save_options *options, ebb_error *error)
{
    ebb_save_options o = EBB_SAVE_OPTIONS_INIT;
    ebb_status status =
        options_copy(&o, sizeof o, options, "save options", "EBB_SAVE_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    if (m->options.inference_only) {
        return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                    "the model was loaded with inference_only, so its weights were folded; load it "
                    "without");
    }
    training *t = training_look(m);
    training_wait(m);
    status = training_publish_locked(m, error);
    if (status == EBB_OK) status = save_locked(m, t, path, &o, error);
    pthread_mutex_unlock(&m->training_mutex);
    if (t != NULL) training_look_end(t);
    return status;
}
