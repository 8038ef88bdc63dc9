/* bind.c -- which tensor of the file fills which weight of the model.
 *
 * By path: the object's group, the variable's number; where a group holds more tensors than the
 * object has weights (quantized twins, a kernel kept twice), the next tensor of the right shape. By
 * order: the k-th layer with weights takes the k-th group with tensors, inside it trainable weights
 * come first. Every layer inside a nested model, and every other layer as a whole, goes through the
 * conversions of format/keras/legacy_weights.h. Source: keras/src/saving/saving_lib.py,
 * keras/src/legacy/saving/legacy_h5_format.py. */
#include "layer/bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "format/keras/legacy_weights.h"
#include "layer/assembly.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

/* The arrays a layer has in the file and what they become; shared by its weights. */
typedef struct converted_layer {
    legacy_plan plan;
    const tensor_entry *stored[LEGACY_ARRAYS_MAX];
    uint32_t stored_count;
} converted_layer;

typedef struct converted_weight {
    const converted_layer *layer;
    uint32_t index;
} converted_weight;

typedef struct binder {
    region *home;
    const description *d;
    const built_model *model;
    weight_source *sources;
    problem_function problem;
    void *context;
    uint32_t problem_count;
    bool is_hopeless; /* no part of it can be bound */
    ebb_error first;
} binder;

/* -- faults ---------------------------------------------------------------------------------------
 */

static void fault(binder *b, ebb_status status, const char *layer, const char *format, ...)
    EBB_PRINTF(4, 5);

static void fault(binder *b, ebb_status status, const char *layer, const char *format, ...)
{
    ebb_error error;
    char text[sizeof error.text];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    va_end(arguments);
    fail(&error, status, layer, "%s", text);
    if (status == EBB_E_MEMORY) b->is_hopeless = true;
    if (b->problem_count++ == 0 || status == EBB_E_MEMORY) b->first = error;
    if (b->problem != NULL) b->problem(b->context, error.where, error.text);
}

/* The first fault ends it, unless all are wanted. */
static bool goes_on(const binder *b)
{
    if (b->problem_count == 0) return true;
    return b->problem != NULL && b->first.status != EBB_E_MEMORY;
}

static void shape_fault(binder *b, const layer_weight *w, const tensor_entry *t)
{
    char want[96], have[96];
    fault(b, EBB_E_SHAPE, w->path, "weight '%s': expected shape %s, found %s in '%s'", w->name,
          dims_text(w->rank, w->dims, want, sizeof want),
          dims_text(t->rank, t->dims, have, sizeof have), t->path);
}

/* -- by path --------------------------------------------------------------------------------------
 */

static bool shape_fits(const layer_weight *w, const tensor_entry *t)
{
    return w->rank == t->rank && memcmp(w->dims, t->dims, w->rank * sizeof w->dims[0]) == 0;
}

static const tensor_entry *tensor_pick(const tensor_group *g, const layer_weight *w)
{
    for (uint32_t k = w->variable; k < g->count; k++) {
        if (shape_fits(w, &g->tensors[k])) return &g->tensors[k];
    }
    return NULL;
}

static void weight_bind(binder *b, uint32_t index, const tensor_group *g)
{
    const layer_weight *w = b->model->weights[index];
    if (g == NULL) {
        fault(b, EBB_E_FORMAT, w->path, "weight '%s': the file has no group '%s'", w->name,
              w->path);
        return;
    }
    const tensor_entry *t = tensor_pick(g, w);
    b->sources[index].entry = t;
    if (t != NULL) return;
    if (w->variable < g->count) {
        shape_fault(b, w, &g->tensors[w->variable]);
        return;
    }
    fault(b, EBB_E_FORMAT, w->path, "weight '%s' is number %u of '%s', which has %u in the file",
          w->name, w->variable, w->path, g->count);
}

/* Keras finds an inner layer under each attribute that holds it, and which comes first has changed:
 * "query_dense" may be "_query_dense" in the file, and the other way round. */
static const tensor_group *group_find(binder *b, const char *path)
{
    const tensor_group *g = description_group(b->d, path);
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;
    if (g != NULL || slash == NULL) return g;
    char other[512];
    const bool is_hidden = last[0] == '_';
    const int length = snprintf(other, sizeof other, "%.*s%s%s", (int)(last - path), path,
                                is_hidden ? "" : "_", last + is_hidden);
    return length > 0 && (size_t)length < sizeof other ? description_group(b->d, other) : NULL;
}

static void bind_by_path(binder *b)
{
    const tensor_group *g = NULL;
    const char *path = NULL;
    for (uint32_t k = 0; k < b->model->weight_count && goes_on(b); k++) {
        const char *wanted = b->model->weights[k]->path;
        if (path == NULL || strcmp(path, wanted) != 0) g = group_find(b, wanted);
        path = wanted;
        weight_bind(b, k, g);
    }
}

/* -- by order: one layer that is not a model
 * --------------------------------------------------------- */

/* Weights of one group in the order of the file: indices into model->weights. */
typedef struct file_order {
    uint32_t *indices;
    uint32_t count;
} file_order;

static bool shapes_take(const tensor_entry *const *stored, uint32_t count, weight_shape *shapes)
{
    if (count > LEGACY_ARRAYS_MAX) return false;
    for (uint32_t k = 0; k < count; k++) {
        shapes[k].rank = stored[k]->rank;
        memcpy(shapes[k].dims, stored[k]->dims, sizeof shapes[k].dims);
    }
    return true;
}

static void straight(binder *b, const uint32_t *indices, uint32_t count,
                     const tensor_entry *const *stored)
{
    for (uint32_t k = 0; k < count; k++) {
        const layer_weight *w = b->model->weights[indices[k]];
        if (shape_fits(w, stored[k]))
            b->sources[indices[k]].entry = stored[k];
        else
            shape_fault(b, w, stored[k]);
    }
}

static bool plan_fits(binder *b, const converted_layer *c, const uint32_t *indices, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        const layer_weight *w = b->model->weights[indices[k]];
        const weight_shape *s = &c->plan.shapes[k];
        if (s->rank == w->rank && memcmp(s->dims, w->dims, w->rank * sizeof w->dims[0]) == 0)
            continue;
        char want[96], have[96];
        fault(b, EBB_E_SHAPE, w->path, "weight '%s': expected shape %s, found %s in the file",
              w->name, dims_text(w->rank, w->dims, want, sizeof want),
              dims_text(s->rank, s->dims, have, sizeof have));
        return false;
    }
    return true;
}

static void converted_bind(binder *b, const converted_layer *plan, const uint32_t *indices,
                           uint32_t count, const tensor_entry *const *stored, uint32_t stored_count)
{
    converted_layer *c = region_new(b->home, converted_layer, 1);
    converted_weight *weights = region_new(b->home, converted_weight, count);
    if (c == NULL || weights == NULL) {
        fault(b, EBB_E_MEMORY, "weights", "no memory for the conversion of old weights");
        return;
    }
    *c = *plan;
    memcpy(c->stored, stored, stored_count * sizeof stored[0]);
    c->stored_count = stored_count;
    for (uint32_t k = 0; k < count; k++) {
        weights[k] = (converted_weight){c, k};
        b->sources[indices[k]].conversion = &weights[k];
    }
}

/* Binds the weights `indices` of one layer to the tensors the file keeps for it. */
static void layer_bind(binder *b, const layer_instance *i, const uint32_t *indices, uint32_t count,
                       const tensor_entry *const *stored, uint32_t stored_count)
{
    converted_layer c;
    weight_shape have[LEGACY_ARRAYS_MAX], want[LEGACY_ARRAYS_MAX];
    const legacy_layer layer = {i->class_name, i->source->config, b->d->keras_major, b->d->backend};
    const bool fits = shapes_take(stored, stored_count, have) && count <= LEGACY_ARRAYS_MAX;
    for (uint32_t k = 0; fits && k < count; k++) {
        want[k].rank = b->model->weights[indices[k]]->rank;
        memcpy(want[k].dims, b->model->weights[indices[k]]->dims, sizeof want[k].dims);
    }
    ebb_error error = {0};
    c.plan.is_identity = true;
    if (fits &&
        legacy_weights_plan(&layer, have, stored_count, want, count, &c.plan, &error) != EBB_OK) {
        fault(b, error.status, i->title, "%s", error.text);
        return;
    }
    const uint32_t found = c.plan.is_identity ? stored_count : c.plan.count;
    if (found != count) {
        fault(b, EBB_E_FORMAT, i->title, "%s has %u weights, the file keeps %u for it",
              i->class_name, count, found);
        return;
    }
    if (c.plan.is_identity)
        straight(b, indices, count, stored);
    else if (plan_fits(b, &c, indices, count))
        converted_bind(b, &c, indices, count, stored, stored_count);
}

/* -- by order: groups
 * ------------------------------------------------------------------------------- */

/* [first, first + count) of the model's weights as the file orders them: trainable ones first,
 * unless the layer is frozen as a whole. */
static void file_order_make(const binder *b, const layer_instance *i, uint32_t first,
                            file_order *order)
{
    const uint32_t count = order->count;
    order->count = 0;
    for (int pass = 0; pass <= 1; pass++) {
        for (uint32_t k = 0; k < count; k++) {
            const bool is_first = !i->trainable || b->model->weights[first + k]->trainable;
            if (is_first == (pass == 0)) order->indices[order->count++] = first + k;
        }
    }
}

typedef struct group_binding {
    binder *b;
    const tensor_group *g;
    const file_order *order;
    uint32_t *indices; /* scratch: of one layer */
    const tensor_entry **stored;
} group_binding;

/* The weights [first, first + count) belong to one layer of a nested model: its part of the group.
 */
static void part_bind(group_binding *p, const layer_instance *i, uint32_t first, uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t k = 0; k < p->order->count; k++) {
        const uint32_t index = p->order->indices[k];
        if (index < first || index >= first + count) continue;
        p->indices[found] = index;
        p->stored[found++] = &p->g->tensors[k];
    }
    if (found > 0) layer_bind(p->b, i, p->indices, found, p->stored, found);
}

/* Recursion: LAYER_DEPTH_MAX. Returns the number of the first weight after the instance. */
static uint32_t parts_bind(group_binding *p, const layer_instance *i, uint32_t first)
{
    const uint32_t count = instance_weight_count(i);
    if (i->model == NULL) {
        if (goes_on(p->b)) part_bind(p, i, first, count);
        return first + count;
    }
    for (uint32_t k = 0; k < i->model->layer_count; k++)
        first = parts_bind(p, i->model->layers[k], first);
    return first;
}

static void group_bind(binder *b, const layer_instance *i, uint32_t first, uint32_t count,
                       const tensor_group *g)
{
    region *scratch = region_open(b->home, "bind", EBB_CLASS_META, 0);
    const uint32_t most = count > g->count ? count : g->count;
    file_order order = {.count = count};
    group_binding p = {.b = b, .g = g, .order = &order};
    if (scratch != NULL) {
        order.indices = region_new(scratch, uint32_t, most);
        p.indices = region_new(scratch, uint32_t, most);
        p.stored = region_new(scratch, const tensor_entry *, most);
    }
    if (scratch == NULL || order.indices == NULL || p.indices == NULL || p.stored == NULL) {
        fault(b, EBB_E_MEMORY, i->title, "no memory for the list of weights");
    } else {
        file_order_make(b, i, first, &order);
        if (i->model == NULL) {
            for (uint32_t k = 0; k < g->count; k++) p.stored[k] = &g->tensors[k];
            layer_bind(b, i, order.indices, count, p.stored, g->count);
        } else if (g->count == count) {
            parts_bind(&p, i, first);
        } else {
            fault(b, EBB_E_FORMAT, i->title,
                  "the model inside has %u weights, the file keeps %u for it", count, g->count);
        }
    }
    region_close(scratch);
}

static const tensor_group *group_next(const description *d, uint32_t *at)
{
    while (*at < d->group_count) {
        const tensor_group *g = &d->groups[(*at)++];
        if (g->count > 0 && strcmp(g->name, "top_level_model_weights") != 0) return g;
    }
    return NULL;
}

static uint32_t groups_with_weights(const description *d)
{
    uint32_t at = 0, count = 0;
    while (group_next(d, &at) != NULL) count++;
    return count;
}

static uint32_t layers_with_weights(const nested_model *m)
{
    uint32_t count = 0;
    for (uint32_t k = 0; k < m->layer_count; k++) count += instance_weight_count(m->layers[k]) > 0;
    return count;
}

static void bind_by_order(binder *b)
{
    const nested_model *top = b->model->top;
    const uint32_t wanted = layers_with_weights(top), found = groups_with_weights(b->d);
    uint32_t at = 0, first = 0;
    if (wanted != found) {
        fault(b, EBB_E_FORMAT, b->d->path,
              "the model has %u layers with weights, the file keeps weights of %u", wanted, found);
        b->is_hopeless = true;
        return;
    }
    for (uint32_t k = 0; k < top->layer_count && goes_on(b); k++) {
        const uint32_t count = instance_weight_count(top->layers[k]);
        if (count == 0) continue;
        const tensor_group *g = group_next(b->d, &at);
        if (g != NULL) group_bind(b, top->layers[k], first, count, g);
        first += count;
    }
}

static void bind_by_name(binder *b)
{
    const nested_model *top = b->model->top;
    uint32_t first = 0;
    for (uint32_t k = 0; k < top->layer_count && goes_on(b); k++) {
        const uint32_t count = instance_weight_count(top->layers[k]);
        const tensor_group *g = description_group(b->d, top->layers[k]->name);
        if (count > 0 && g != NULL && g->count > 0) group_bind(b, top->layers[k], first, count, g);
        first += count;
    }
}

ebb_status bind_weights_some(region *home, const description *d, const built_model *model,
                             bool is_by_name, problem_function problem, void *context,
                             weight_source **sources, ebb_error *error)
{
    binder b = {.home = home, .d = d, .model = model, .problem = problem, .context = context};
    *sources = NULL;
    b.sources = region_new(home, weight_source, (size_t)model->weight_count + 1);
    if (b.sources == NULL) return region_fail(home, error, d->path, "the list of weights");
    if (is_by_name)
        bind_by_name(&b);
    else if (d->layout == WEIGHTS_BY_PATH)
        bind_by_path(&b);
    else
        bind_by_order(&b);
    if (b.is_hopeless) {
        if (error != NULL) *error = b.first;
        return b.first.status;
    }
    *sources = b.sources;
    return EBB_OK;
}

ebb_status bind_weights(region *home, const description *d, const built_model *model,
                        problem_function problem, void *context, weight_source **sources,
                        ebb_error *error)
{
    binder b = {.home = home, .d = d, .model = model, .problem = problem, .context = context};
    *sources = NULL;
    b.sources = region_new(home, weight_source, (size_t)model->weight_count + 1);
    if (b.sources == NULL) return region_fail(home, error, d->path, "the list of weights");
    if (d->layout == WEIGHTS_BY_PATH)
        bind_by_path(&b);
    else
        bind_by_order(&b);
    if (b.problem_count > 0) {
        if (error != NULL) *error = b.first;
        return b.first.status;
    }
    *sources = b.sources;
    return EBB_OK;
}

/* -- reading
 * ---------------------------------------------------------------------------------------- */

#define CHUNK_BYTES 8192

/* Reads through a small buffer where the stored type is another than the wanted one. */
static ebb_status read_straight(const tensor_entry *t, ebb_dtype dtype, uint64_t first,
                                uint64_t count, char *bytes, ebb_error *error)
{
    if (ebb_dtype_bytes(t->dtype) == 0) {
        return fail(
            error, EBB_E_UNSUPPORTED, t->path,
            "the file keeps it in a type that ebb cannot read; save the model again from Keras");
    }
    if (t->dtype == dtype) return t->read(t, first, count, bytes, error);
    char buffer[CHUNK_BYTES];
    const uint64_t step = CHUNK_BYTES / ebb_dtype_bytes(t->dtype);
    const size_t size = ebb_dtype_bytes(dtype);
    for (uint64_t done = 0; done < count; done += step) {
        const uint64_t now = count - done < step ? count - done : step;
        const ebb_status status = t->read(t, first + done, now, buffer, error);
        if (status != EBB_OK) return status;
        dtype_convert(dtype, bytes + done * size, t->dtype, buffer, (size_t)now);
    }
    return EBB_OK;
}

static ebb_status stored_read(region *scratch, const tensor_entry *t, const float **numbers,
                              ebb_error *error)
{
    uint64_t count = 0;
    if (!dims_count(t->rank, t->dims, &count) || count > SIZE_MAX / sizeof(float)) {
        return fail(error, EBB_E_FORMAT, t->path, "the tensor is too large");
    }
    float *to = region_new(scratch, float, (size_t)count + 1);
    if (to == NULL) return region_fail(scratch, error, t->path, "an array that is converted");
    *numbers = to;
    return read_straight(t, EBB_F32, 0, count, (char *)to, error);
}

static ebb_status read_converted(region *scratch, const converted_weight *w,
                                 const layer_weight *weight, uint64_t first, uint64_t count,
                                 void *bytes, ebb_error *error)
{
    const legacy_plan *plan = &w->layer->plan;
    const float *stored[LEGACY_ARRAYS_MAX] = {NULL};
    const uint64_t elements = legacy_weights_elements(plan, w->index);
    for (uint32_t k = 0; k < w->layer->stored_count; k++) {
        if (!legacy_weights_needs(plan, w->index, k)) continue;
        const ebb_status status = stored_read(scratch, w->layer->stored[k], &stored[k], error);
        if (status != EBB_OK) return status;
    }
    if (first > elements || count > elements - first) {
        return fail(error, EBB_E_INTERNAL, weight->path, "a range outside weight '%s'",
                    weight->name);
    }
    float *result = region_new(scratch, float, (size_t)elements + 1);
    if (result == NULL) return region_fail(scratch, error, weight->path, "a converted weight");
    legacy_weights_apply(plan, w->index, stored, result);
    dtype_convert(weight->dtype, bytes, EBB_F32, result + first, (size_t)count);
    return EBB_OK;
}

ebb_status bind_read(region *scratch, const weight_source *s, const layer_weight *weight,
                     uint64_t first, uint64_t count, void *bytes, ebb_error *error)
{
    if (s->entry != NULL) return read_straight(s->entry, weight->dtype, first, count, bytes, error);
    if (s->conversion == NULL) {
        return fail(error, EBB_E_INTERNAL, weight->path, "weight '%s' has no source", weight->name);
    }
    region *inner = region_open(scratch, "conversion", EBB_CLASS_SCRATCH, 0);
    if (inner == NULL) return region_fail(scratch, error, weight->path, "a converted weight");
    const ebb_status status =
        read_converted(inner, s->conversion, weight, first, count, bytes, error);
    region_close(inner);
    return status;
}
