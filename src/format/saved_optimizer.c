/* saved_optimizer.c -- see saved_optimizer.h. */
#include "format/saved_optimizer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/format.h"
#include "format/keras/optimizer_order.h"
#include "format/keras/training_writer.h"
#include "tensor/dtype.h"

#define CHUNK_ELEMENTS 256

static const json *rate_find(const description *d, const optimizer_order *order)
{
    const json *config, *rate;

    (void)optimizer_class_of(d->compile_config, &config);
    rate = json_get(config, "learning_rate");
    if (rate == NULL) rate = json_get(config, "lr"); /* before Keras 2.3 */
    const bool is_number =
        rate != NULL && (rate->kind == JSON_NUMBER || rate->kind == JSON_INTEGER);
    return order->count > 1 && order->variables[1] == NULL && is_number ? rate : NULL;
}

ebb_status saved_optimizer_open(region *home, const description *d, saved_optimizer *result,
                                ebb_error *error)
{
    const tensor_group *stored = d->optimizer;
    optimizer_order order = {0};
    ebb_status status = EBB_OK;

    *result = (saved_optimizer){.problem = d->optimizer_problem};
    if (stored == NULL) return EBB_OK;
    if (d->file == NULL) {
        status = format_read_again(home, d, &result->file, error);
        if (status != EBB_OK) return status;
        stored = result->file->optimizer;
    }
    if (stored != NULL) status = optimizer_order_find(home, d, stored, &order, error);
    if (status != EBB_OK || order.count == 0) saved_optimizer_close(result);
    result->variables = order.variables;
    result->count = order.count;
    result->rate = rate_find(d, &order);
    if (result->problem == NULL) result->problem = order.problem;
    return status;
}

void saved_optimizer_close(saved_optimizer *s)
{
    description_close(s->file);
    s->file = NULL;
    s->count = 0;
}

static bool is_number(ebb_dtype dtype)
{
    return dtype_is_float(dtype) || dtype_is_integer(dtype);
}

static ebb_status shape_fail(const tensor_entry *e, const saved_tensor *wanted, ebb_error *why)
{
    char shapes[2][160] = {"", ""};

    for (int k = 0; k < 2; k++) {
        const int64_t *dims = k == 0 ? wanted->dims : e->dims;
        const uint32_t rank = k == 0 ? wanted->rank : e->rank;
        size_t used = 0;
        for (uint32_t i = 0; i < rank && used < sizeof shapes[k] - 24; i++) {
            used += (size_t)snprintf(shapes[k] + used, sizeof shapes[k] - used, "%s%" PRId64,
                                     i > 0 ? ", " : "", dims[i]);
        }
    }
    return fail(why, EBB_E_SHAPE, e->path, "%s is expected as (%s), but the file has (%s)",
                wanted->name, shapes[0], shapes[1]);
}

ebb_status saved_optimizer_fits(const saved_optimizer *s, const saved_tensor *wanted,
                                uint32_t count, ebb_error *why)
{
    if (s->problem != NULL) return fail(why, EBB_E_STATE, "the file's optimizer", "%s", s->problem);
    if (s->count != count) {
        return fail(why, EBB_E_STATE, "the file's optimizer",
                    "it has %" PRIu32 " variables, the one that was compiled %" PRIu32, s->count,
                    count);
    }
    for (uint32_t i = 0; i < count; i++) {
        const tensor_entry *e = s->variables[i];
        if (e == NULL) continue;
        if (!is_number(e->dtype))
            return fail(why, EBB_E_STATE, e->path, "its values are no numbers");
        if (e->rank != wanted[i].rank ||
            (e->rank > 0 && memcmp(e->dims, wanted[i].dims, e->rank * sizeof e->dims[0]) != 0))
            return shape_fail(e, &wanted[i], why);
    }
    return EBB_OK;
}

static uint64_t element_count(const tensor_entry *e)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < e->rank; i++) count *= (uint64_t)e->dims[i]; /* fits: it was opened */
    return count;
}

/* Counters are int64 in files and int32 here. */
static ebb_status range_check(const tensor_entry *e, ebb_dtype to, ebb_dtype from,
                              const void *numbers, uint64_t count, ebb_error *error)
{
    if (to != EBB_I32 || from != EBB_I64) return EBB_OK;
    for (uint64_t i = 0; i < count; i++) {
        const int64_t number = ((const int64_t *)numbers)[i];
        if (number < INT32_MIN || number > INT32_MAX)
            return fail(error, EBB_E_UNSUPPORTED, e->path, "%" PRId64 " is beyond 32 bits", number);
    }
    return EBB_OK;
}

ebb_status saved_optimizer_read(const saved_optimizer *s, uint32_t index,
                                const saved_tensor *wanted, void *bytes, bool *is_there,
                                ebb_error *error)
{
    const tensor_entry *e = s->variables[index];
    int64_t chunk[CHUNK_ELEMENTS];
    ebb_status status = EBB_OK;

    const bool is_rate = e == NULL && index == 1 && s->rate != NULL && wanted->dtype == EBB_F32;
    *is_there = e != NULL || is_rate;
    if (is_rate) *(float *)bytes = (float)json_number(s->rate, 0);
    if (e == NULL) return EBB_OK;
    const uint64_t count = element_count(e);
    if (e->dtype == wanted->dtype) return e->read(e, 0, count, bytes, error);
    for (uint64_t at = 0; at < count && status == EBB_OK; at += CHUNK_ELEMENTS) {
        const uint64_t now = count - at < CHUNK_ELEMENTS ? count - at : CHUNK_ELEMENTS;
        status = e->read(e, at, now, chunk, error);
        if (status == EBB_OK) status = range_check(e, wanted->dtype, e->dtype, chunk, now, error);
        if (status != EBB_OK) break;
        dtype_convert(wanted->dtype, (char *)bytes + at * ebb_dtype_bytes(wanted->dtype), e->dtype,
                      chunk, (size_t)now);
    }
    return status;
}

/* -- writing it again -------------------------------------------------------------------------- */

/* Files that number variables have no names for them; .h5 files want some. The counter of an inner
 * optimizer begins its variables. */
typedef struct namer {
    region *home;
    const saved_optimizer *s;
    const description *d;
    const char *optimizer;
    bool has_rate;
    uint32_t inner, inner_at; /* the next one, and where it begins */
} namer;

#define SCALE_VARIABLES 4 /* of a LossScaleOptimizer itself */
#define MULTI_VARIABLES 2 /* of a MultiOptimizer itself */

/* The variables of the inner optimizer stand in the file by themselves too. False: no memory. */
static bool inner_next(namer *n)
{
    const char *path = optimizer_inner_path(n->home, n->d->compile_config, n->inner);
    const tensor_group *group = path != NULL ? description_group(n->d, path) : NULL;

    n->inner_at = group != NULL ? n->inner_at + group->count : UINT32_MAX;
    n->inner++;
    return path != NULL;
}

static const char *variable_name(namer *n, uint32_t index)
{
    const tensor_entry *e = n->s->variables[index];
    const bool is_iter = index == 0 && n->s->count > 1 && n->s->variables[1] == NULL;

    if (e != NULL && (e->name[0] < '0' || e->name[0] > '9') && !is_iter) return e->name;
    if (index == n->inner_at) {
        const uint32_t number = n->inner;
        if (!inner_next(n)) return NULL;
        return region_format(n->home, "%s/inner_%" PRIu32 "/iteration", n->optimizer, number);
    }
    if (index == 0) return region_format(n->home, "%s/iteration", n->optimizer);
    if (index == 1 && n->has_rate) return region_format(n->home, "%s/learning_rate", n->optimizer);
    return region_format(n->home, "%s/variable_%" PRIu32, n->optimizer, index);
}

static namer namer_make(region *home, const saved_optimizer *s, const description *d)
{
    const json *config;
    const char *class_name = optimizer_class_of(d->compile_config, &config);
    const json *rate = json_get(config, "learning_rate");
    namer n = {.home = home, .s = s, .d = d, .inner_at = UINT32_MAX};

    n.optimizer = json_text(json_get(config, "name"), class_name);
    n.has_rate = rate == NULL || rate->kind != JSON_OBJECT;
    if (class_name == NULL) return n;
    if (strcmp(class_name, "LossScaleOptimizer") == 0) n.inner_at = SCALE_VARIABLES;
    if (strcmp(class_name, "MultiOptimizer") == 0) n.inner_at = MULTI_VARIABLES;
    return n;
}

ebb_status saved_optimizer_list(region *home, const saved_optimizer *s, const description *d,
                                uint32_t first_source, saved_training *result, ebb_error *error)
{
    namer n = namer_make(home, s, d);

    *result = (saved_training){0};
    if (s->count == 0 || n.optimizer == NULL || d->keras_major < 3) return EBB_OK;
    saved_tensor *extra = region_new(home, saved_tensor, s->count);
    if (extra == NULL) return region_fail(home, error, d->path, "the names of weights");
    for (uint32_t i = 0; i < s->count; i++) {
        const tensor_entry *e = s->variables[i];
        const bool is_rate = e == NULL && i == 1 && s->rate != NULL;
        if (!is_rate && (e == NULL || !is_number(e->dtype))) return EBB_OK;
        extra[i] = (saved_tensor){.path = "optimizer",
                                  .variable = i,
                                  .dtype = e != NULL ? e->dtype : EBB_F32,
                                  .source = first_source + i};
        if (e != NULL) extra[i].rank = e->rank;
        if (e != NULL) memcpy(extra[i].dims, e->dims, sizeof extra[i].dims);
        extra[i].name = variable_name(&n, i);
        if (extra[i].name == NULL) return region_fail(home, error, d->path, "the names of weights");
    }
    *result = (saved_training){.extra = extra, .extra_count = s->count};
    return EBB_OK;
}
