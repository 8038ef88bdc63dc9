/* recipe.c -- see recipe.h.
 *
 * A weight's initial values are a function of the recipe's seed and the weight's full name
 * ("dense/kernel"), so a layer more or less changes no other; or of seed and number, for models
 * whose names are counted on from model to model. */
#include "runtime/recipe.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "base/status.h"
#include "format/keras/reader.h"
#include "format/keras/writer.h"
#include "layer/layer_weights.h"
#include "mem/handle.h"
#include "runtime/devices.h"
#include "runtime/options.h"
#include "runtime/suspend.h"
#include "runtime/training.h"
#include "tensor/dtype.h"
#include "tensor/view.h"
#include "train/initializer/initializer.h"

/* -- text -> description ----------------------------------------------------------------------- */

/* What a model that takes the place of another one has from it. */
static ebb_status like_describe(region *home, const description *from, description *d,
                                ebb_error *error)
{
    text_writer settings;

    d->format = region_text(home, from->format);
    d->keras_version = region_text(home, from->keras_version);
    d->keras_major = from->keras_major;
    d->backend = region_text(home, from->backend);
    d->file_bytes = from->file_bytes;
    text_begin(&settings, home);
    if (from->compile_config != NULL) text_json_value(&settings, from->compile_config);
    if (settings.failed || d->format == NULL || d->keras_version == NULL || d->backend == NULL)
        return region_fail(home, error, d->path, "the configuration");
    if (from->compile_config == NULL) return EBB_OK;
    return json_read(home, settings.text, settings.length, "compile_config", &d->compile_config,
                     error);
}

ebb_status recipe_read(region *home, const recipe *p, description **result, ebb_error *error)
{
    description *d = region_new(home, description, 1);
    const char *name = region_text(home, p->name);
    const char *text = region_text_length(home, p->text, p->length);

    *result = NULL;
    if (d == NULL || name == NULL || text == NULL)
        return region_fail(home, error, p->name, "the configuration");
    *d = (description){.path = name,
                       .format = "built",
                       .keras_version = "",
                       .backend = "",
                       .layout = WEIGHTS_BY_PATH};
    ebb_status status = EBB_OK;
    if (p->like != NULL) status = like_describe(home, p->like->d, d, error);
    if (status == EBB_OK)
        status = description_configure(home, d, text, p->length, name, error);
    if (status == EBB_OK) *result = d;
    return status;
}

ebb_status recipe_text_make(region *home, model *m, const char **text, ebb_error *error)
{
    model_content content = {.description = NULL};
    model_text made = {.config = NULL};
    trainable_choice *choices;
    ebb_status status = choices_copy(m, home, &choices, error);

    if (status == EBB_OK)
        status = choices_describe(home, m->d, choices, &content.description, error);
    for (uint32_t i = 0; i < m->built->weight_count; i++)
        content.is_converted |= m->sources[i].conversion != NULL;
    if (status == EBB_OK) status = keras_text_make(home, &content, &made, error);
    *text = made.config;
    return status;
}

/* -- models to copy from ----------------------------------------------------------------------- */

ebb_status recipe_pin(recipe *p, const char *where, ebb_error *error)
{
    for (uint32_t i = 0; i < p->origin_count; i++) {
        model *from = model_acquire((ebb_model){p->origins[i].from_id}, where, error);
        if (from == NULL) {
            if (p->origins[i].layer != NULL) fail_within(error, p->origins[i].layer);
            return EBB_E_STALE;
        }
        p->origins[i].from = from;
        const ebb_status status = model_awake(from, where, error);
        if (status != EBB_OK) return status;
        if (from->options.inference_only) {
            return fail(error, EBB_E_UNSUPPORTED, from->info.name,
                        "the model was loaded with inference_only, so its weights cannot be "
                        "copied; load it without");
        }
    }
    return EBB_OK;
}

void recipe_unpin(recipe *p)
{
    for (uint32_t i = 0; i < p->origin_count; i++) {
        if (p->origins[i].from != NULL) handle_release(p->origins[i].from_id);
        p->origins[i].from = NULL;
    }
}

/* -- what each weight is made from ------------------------------------------------------------- */

static ebb_status origin_fail(const recipe_origin *o, const layer_weight *to,
                              const layer_weight *from, ebb_error *error)
{
    char want[96], have[96];

    if (from == NULL) {
        return fail(error, EBB_E_SHAPE, o->layer != NULL ? o->layer : o->from->info.name,
                    "the layer has another number of weights than the one it is copied from");
    }
    return fail(error, EBB_E_SHAPE, to->title,
                "weight '%s' has shape %s, the one it is copied from "
                "%s",
                to->name, dims_text(to->rank, to->dims, want, sizeof want),
                dims_text(from->rank, from->dims, have, sizeof have));
}

static ebb_status origin_range(region *work, const built_model *built, const char *layer,
                               layer_weights *range, ebb_error *error)
{
    *range = (layer_weights){layer, 0, built->weight_count};
    if (layer == NULL) return EBB_OK;
    const layer_weights *list = layer_weights_list(work, built);
    if (list == NULL) return region_fail(work, error, layer, "the list of weights");
    const layer_weights *found = layer_weights_find(list, layer_weights_count(built), layer);
    if (found != NULL)
        *range = *found;
    else
        range->count = 0;
    return EBB_OK;
}

static ebb_status origin_match(region *work, weight_maker *w, const recipe_origin *o,
                               ebb_error *error)
{
    layer_weights to, from;
    ebb_status status = origin_range(work, w->m->built, o->layer, &to, error);

    if (status == EBB_OK) status = origin_range(work, o->from->built, o->from_layer, &from, error);
    if (status != EBB_OK) return status;
    if (to.count != from.count) return origin_fail(o, NULL, NULL, error);
    for (uint32_t i = 0; i < to.count; i++) {
        const layer_weight *a = w->m->built->weights[to.first + i];
        const layer_weight *b = o->from->built->weights[from.first + i];
        if (a->rank != b->rank || memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) != 0)
            return origin_fail(o, a, b, error);
        w->copies[to.first + i] = (weight_copy){o->from, from.first + i, false};
    }
    return EBB_OK;
}

/* -- making ------------------------------------------------------------------------------------ */

/* FNV-1a over the name, or the number, then the finalizer of SplitMix64. */
static uint64_t stream_of(const recipe *p, const layer_weight *w)
{
    const char *const parts[] = {w->title, "/", w->name};
    uint64_t hash = 0xCBF29CE484222325u;

    if (p->seed_by_number) hash = (hash ^ w->index) * 0x100000001B3u;
    for (int i = 0; i < 3 && !p->seed_by_number; i++) {
        for (const char *at = parts[i]; *at != '\0'; at++)
            hash = (hash ^ (uint8_t)*at) * 0x100000001B3u;
    }
    hash += p->seed * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 30) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ hash >> 27) * 0x94D049BB133111EBu;
    return hash ^ hash >> 31;
}

/* Elements [first, first + count) of a weight of one axis. */
typedef struct weight_part {
    int64_t first, count;
    bool is_ones;
} weight_part;

/* The bias of an LSTM, whose forget gate begins open: Keras joins it from three parts. */
static ebb_status bias_initialize(region *work, const train_object *object, uint64_t seed,
                                  const layer_weight *w, const char *where, char *bytes,
                                  ebb_error *error)
{
    const int64_t units = w->forget_units;
    const weight_part parts[] = {
        {0, units, false}, {units, units, true}, {2 * units, w->dims[0] - 2 * units, false}};
    train_object ones;
    ebb_status status = train_object_named(&initializer_table, work, "Ones", where, &ones, error);

    for (uint32_t i = 0; i < 3 && status == EBB_OK; i++) {
        char *to = bytes + (size_t)parts[i].first * ebb_dtype_bytes(w->dtype);
        status = initializer_fill(parts[i].is_ones ? &ones : object, work, seed + i, w->dtype, 1,
                                  &parts[i].count, to, where, error);
    }
    return status;
}

static ebb_status weight_initialize(region *work, const weight_maker *maker, const layer_weight *w,
                                    void *bytes, ebb_error *error)
{
    char where[160];
    train_object object;
    const uint64_t seed = stream_of(maker->recipe, w);

    (void)snprintf(where, sizeof where, "%.100s/%.40s", w->title, w->name);
    const ebb_status status =
        w->initializer == NULL
            ? train_object_named(&initializer_table, work, "Zeros", where, &object, error)
            : initializer_read(work, w->initializer, where, &object, error);
    if (status != EBB_OK) return status;
    if (w->forget_units > 0) return bias_initialize(work, &object, seed, w, where, bytes, error);
    return initializer_fill(&object, work, seed, w->dtype, w->rank, w->dims, bytes, where, error);
}

/* Shapes agree; types need not. */
static ebb_status weight_copied(region *work, const model *to, weight_copy *copy,
                                const layer_weight *w, uint64_t count, void *bytes,
                                ebb_error *error)
{
    const layer_weight *from = copy->from->built->weights[copy->index];
    void *plain = bytes;

    if (from->dtype != w->dtype) {
        plain = region_block(work, (size_t)count * ebb_dtype_bytes(from->dtype) + 1);
        if (plain == NULL) return region_fail(work, error, w->title, "a copy of a weight");
    }
    ebb_status status = training_publish(copy->from, error);
    if (status != EBB_OK) return status;
    const uint32_t lane_index = lane_take(copy->from);
    status = weights_get(copy->from->weights, from->v, plain, error);
    lane_release(copy->from, lane_index);
    if (status == EBB_OK && plain != bytes)
        dtype_convert(w->dtype, bytes, from->dtype, plain, (size_t)count);
    if (status == EBB_OK && !copy->is_counted) {
        copy->is_counted = true;
        devices_copied(to->owner, copy->from->device, to->device,
                       count * ebb_dtype_bytes(w->dtype));
    }
    return status;
}

static ebb_status weight_make(void *context, region *scratch, uint32_t index, uint64_t first,
                              uint64_t count, void *bytes, ebb_error *error)
{
    const weight_maker *maker = context;
    const layer_weight *w = maker->m->built->weights[index];
    uint64_t all = 0;

    if (!dims_count(w->rank, w->dims, &all) || first != 0 || count != all) {
        return fail(error, EBB_E_INTERNAL, w->title, "weight '%s' is made as a whole", w->name);
    }
    region *work = region_open(scratch, "making", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(scratch, error, w->title, "making a weight");
    weight_copy *copy = &maker->copies[index];
    const ebb_status status =
        copy->from != NULL ? weight_copied(work, maker->m, copy, w, count, bytes, error)
                           : weight_initialize(work, maker, w, bytes, error);
    region_close(work);
    return status;
}

ebb_status weight_maker_open(region *work, const recipe *p, model *m, weight_maker *w,
                             ebb_error *error)
{
    *w = (weight_maker){.recipe = p, .m = m, .reader = {weight_make, w}};
    w->copies = region_new(work, weight_copy, (size_t)m->built->weight_count + 1);
    if (w->copies == NULL) return region_fail(work, error, p->name, "the list of weights");
    for (uint32_t i = 0; i < p->origin_count; i++) {
        const ebb_status status = origin_match(work, w, &p->origins[i], error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* Orthogonal makes a matrix in float32 first; others write straight into their place. */
static bool needs_room(const layer_weight *w)
{
    const json *config;
    const char *name = w->initializer == NULL ? NULL : train_object_name(w->initializer, &config);
    const train_entry *entry = name == NULL ? NULL : train_entry_find(&initializer_table, name);

    return entry != NULL && strcmp(entry->name, "Orthogonal") == 0;
}

/* And a few pages for the configuration of an initializer. */
uint64_t weight_maker_bytes(const built_model *built)
{
    uint64_t largest = 0;

    for (uint32_t i = 0; i < built->weight_count; i++) {
        const layer_weight *w = built->weights[i];
        uint64_t count = 0;
        if (needs_room(w) && dims_count(w->rank, w->dims, &count) && count > largest)
            largest = count;
    }
    return region_block_bytes((size_t)(largest * sizeof(float))) + 2 * PAGE_BYTES;
}

/* -- models ------------------------------------------------------------------------------------ */

ebb_status build_options_read(const ebb_build_options *options, ebb_build_options *result,
                              ebb_error *error)
{
    static const char where[] = "build options";

    *result = (ebb_build_options)EBB_BUILD_OPTIONS_INIT;
    const ebb_status status =
        options_copy(result, sizeof *result, options, where, "EBB_BUILD_OPTIONS_INIT", error);
    if (status != EBB_OK || result->load == NULL) return status;
    ebb_load_options load;
    const ebb_status found = load_options_read(result->load, &load, error);
    if (found == EBB_OK && load.architecture != NULL) {
        return fail(error, EBB_E_ARGUMENT, where,
                    "load.architecture: a model that is built has its own");
    }
    return found;
}

void build_options_place(const model *from, build_place *place, ebb_build_options *o)
{
    place->load = (ebb_load_options)EBB_LOAD_OPTIONS_INIT;
    if (o->load != NULL && load_options_read(o->load, &place->load, NULL) != EBB_OK) return;
    if (place->load.device != NULL || devices_scope(from->owner) != NULL) return;
    const logical_device *device = from->device;
    memcpy(place->device, device->name, sizeof place->device);
    place->load.device = place->device;
    o->load = &place->load;
}

/* Weights, once the model is staged. */
static ebb_status made(model *m, const recipe *p, uint64_t begin, uint64_t *id, ebb_error *error)
{
    weight_maker maker;
    region *work = region_open(m->owner->root, "making", EBB_CLASS_SCRATCH, 0);
    ebb_status status = work == NULL ? region_fail(m->owner->root, error, p->name, "making")
                                     : weight_maker_open(work, p, m, &maker, error);

    if (status == EBB_OK) {
        m->maker = &maker.reader;
        status = model_finish(m, p->name, begin, id, error);
    } else {
        model_discard(m);
    }
    region_close(work);
    return status;
}

ebb_status recipe_build(runtime *r, const recipe *p, const ebb_build_options *options, uint64_t *id,
                        ebb_error *error)
{
    const uint64_t begin = clock_ns();
    model *m = NULL;
    ebb_plan plan;
    const ebb_status status = model_plan_recipe(r, p->name, p, options->load, &plan, &m, error);

    if (status == EBB_OK) return made(m, p, begin, id, error);
    model_discard(m);
    return status;
}

ebb_status recipe_plan(runtime *r, const recipe *p, const ebb_build_options *options,
                       ebb_plan *plan, ebb_error *error)
{
    model *m = NULL;
    const ebb_status status = model_plan_recipe(r, p->name, p, options->load, plan, &m, error);

    model_discard(m);
    return status;
}
