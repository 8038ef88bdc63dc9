/* packed_tensors.c -- see packed_tensors.h. */
#include "format/keras/packed_tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/reader.h"
#include "tensor/dtype.h"

#define SCALES_AT_ONCE 2048u

static const char where[] = "metadata.json";

/* -- the list ---------------------------------------------------------------------------------- */

static ebb_status record_read(region *home, const json *record, uint32_t index, packed_tensor *t,
                              ebb_error *error)
{
    const int64_t rows = json_integer(json_get(record, "rows"), 0);
    const int64_t columns = json_integer(json_get(record, "columns"), 0);
    const int64_t stored = json_integer(json_get(record, "stored"), -1);
    const int64_t variable = json_integer(json_get(record, "variable"), -1);
    const char *path = json_text(json_get(record, "path"), NULL);

    if (path == NULL || rows < 1 || columns < 1 || stored < 0 || variable < 0 ||
        variable > TENSORS_MAX)
        return fail(error, EBB_E_FORMAT, where, "ebb.packed[%u] is incomplete", index);
    *t = (packed_tensor){
        .path = region_text(home, path),
        .variable = (uint32_t)variable,
        .layout = {.kind = dtype_from_name(json_text(json_get(record, "dtype"), "")),
                   .is_sparse = json_boolean(json_get(record, "sparse"), false),
                   .is_by_row = json_boolean(json_get(record, "by_row"), false),
                   .rows = (uint64_t)rows,
                   .columns = (uint64_t)columns,
                   .stored = (uint64_t)stored},
        .is_copy = json_boolean(json_get(record, "copy"), false)};
    if (t->path == NULL) return region_fail(home, error, where, "the list of shrunk weights");
    if (packed_layout_make(&t->layout)) return EBB_OK;
    return fail(error, EBB_E_FORMAT, where, "ebb.packed[%u] ('%.80s') cannot be", index, path);
}

ebb_status packed_list_read(region *home, const json *metadata, description *d, ebb_error *error)
{
    const json *list = json_path(metadata, "ebb.packed");

    if (json_is_null(list)) return EBB_OK;
    if (list->kind != JSON_ARRAY || list->count > TENSORS_MAX)
        return fail(error, EBB_E_FORMAT, where, "ebb.packed is no list of weights");
    packed_tensor *packed = region_new(home, packed_tensor, (size_t)list->count + 1);
    if (packed == NULL) return region_fail(home, error, where, "the list of shrunk weights");
    for (uint32_t i = 0; i < list->count; i++) {
        const ebb_status status = record_read(home, json_item(list, i), i, &packed[i], error);
        if (status != EBB_OK) return status;
    }
    d->packed = packed;
    d->packed_count = list->count;
    return EBB_OK;
}

void packed_list_write(text_writer *w, const model_content *content)
{
    if (content->packed_count == 0) return;
    text_put(w, ", \"ebb\": {\"packed\": [");
    for (uint32_t i = 0; i < content->packed_count; i++) {
        const packed_tensor *t = &content->packed[i];
        text_put(w, i == 0 ? "{\"path\": " : ", {\"path\": ");
        text_json_string(w, t->path);
        text_format(w,
                    ", \"variable\": %" PRIu32 ", \"dtype\": \"%s\", \"sparse\": %s, "
                    "\"by_row\": %s, \"rows\": %" PRIu64 ", \"columns\": %" PRIu64
                    ", \"stored\": %" PRIu64 "%s}",
                    t->variable, ebb_dtype_name(t->layout.kind),
                    t->layout.is_sparse ? "true" : "false", t->layout.is_by_row ? "true" : "false",
                    t->layout.rows, t->layout.columns, t->layout.stored,
                    t->is_copy ? ", \"copy\": true" : "");
    }
    text_put(w, "]}");
}

/* -- entries of int8 weights ------------------------------------------------------------------- */

static uint64_t entry_count(const tensor_entry *t)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < t->rank; i++) {
        if (t->dims[i] < 0 || __builtin_mul_overflow(count, (uint64_t)t->dims[i], &count))
            return UINT64_MAX;
    }
    return count;
}

/* The numbers stand at the end of the room of their floats, so that each float takes the place of
 * numbers that are done. */
static ebb_status numbers_read(const packed_tensor *t, uint64_t first, uint64_t count, float *to,
                               const int8_t **numbers, ebb_error *error)
{
    int8_t *const at = (int8_t *)to + 3 * count;

    *numbers = at;
    return t->numbers->read(t->numbers, first, count, at, error);
}

static ebb_status dequantize(const struct tensor_entry *entry, uint64_t first, uint64_t count,
                             void *bytes, ebb_error *error)
{
    const packed_tensor *t = entry->context;
    const packed_layout *l = &t->layout;
    const int8_t *numbers;
    float *const to = bytes, scales[SCALES_AT_ONCE];
    uint64_t held = 0, held_count = 0;
    ebb_status status = numbers_read(t, first, count, to, &numbers, error);

    for (uint64_t i = 0; i < count && status == EBB_OK; i++) {
        const uint64_t at = first + i;
        const uint64_t scale = l->is_by_row ? at / l->columns : at % l->columns;
        if (scale < held || scale >= held + held_count) {
            const uint64_t rest = packed_scale_count(l) - scale;
            const uint64_t fits = l->columns <= SCALES_AT_ONCE && !l->is_by_row;
            held = fits ? 0 : scale;
            held_count = fits ? l->columns : rest < SCALES_AT_ONCE ? rest : SCALES_AT_ONCE;
            status = t->scales->read(t->scales, held, held_count, scales, error);
            if (status != EBB_OK) break;
        }
        const float number = (float)numbers[i];
        to[i] = number * (1 / scales[scale - held]);
    }
    return status;
}

/* The group of a path; made when no other variable of the object is in the file. */
static tensor_group *group_of(region *home, description *d, const char *path)
{
    for (uint32_t i = 0; i < d->group_count; i++)
        if (strcmp(d->groups[i].name, path) == 0) return &d->groups[i];
    tensor_group *groups = region_new(home, tensor_group, (size_t)d->group_count + 1);
    if (groups == NULL) return NULL;
    if (d->group_count > 0) memcpy(groups, d->groups, d->group_count * sizeof *groups);
    groups[d->group_count] = (tensor_group){.name = path};
    d->groups = groups;
    return &groups[d->group_count++];
}

/* Puts an entry into its place among the tensors of its object. */
static bool entry_insert(region *home, description *d, const packed_tensor *t)
{
    tensor_group *g = group_of(home, d, t->path);
    tensor_entry *tensors = g == NULL ? NULL : region_new(home, tensor_entry, (size_t)g->count + 1);
    const char *name = region_format(home, "%u", t->variable);
    const char *path = region_format(home, "%s/vars/%u", t->path, t->variable);

    if (tensors == NULL || name == NULL || path == NULL) return false;
    const uint32_t place = t->variable < g->count ? t->variable : g->count;
    if (place > 0) memcpy(tensors, g->tensors, place * sizeof *tensors);
    if (place < g->count)
        memcpy(tensors + place + 1, g->tensors + place, (g->count - place) * sizeof *tensors);
    tensors[place] = *t->numbers;
    tensors[place].path = path;
    tensors[place].name = name;
    tensors[place].dtype = EBB_F32;
    tensors[place].read = dequantize;
    tensors[place].context = (void *)(uintptr_t)t;
    g->tensors = tensors;
    g->count++;
    return true;
}

static ebb_status missing(const packed_tensor *t, ebb_error *error)
{
    return fail(error, EBB_E_FORMAT, t->path,
                "the int8 numbers or the scales of variable %u are not in the file, or of another "
                "shape than %s says",
                t->variable, where);
}

static ebb_status entry_make(region *home, description *d, packed_tensor *t, uint32_t index,
                             ebb_error *error)
{
    char name[32];

    (void)snprintf(name, sizeof name, PACKED_GROUP_NAME "/%u", index);
    const tensor_group *g = description_group(d, name);
    if (g == NULL || g->count != 2 || g->tensors[0].dtype != EBB_I8 ||
        g->tensors[1].dtype != EBB_F32 ||
        entry_count(&g->tensors[0]) != t->layout.rows * t->layout.columns ||
        entry_count(&g->tensors[1]) != packed_scale_count(&t->layout))
        return missing(t, error);
    t->numbers = &g->tensors[0];
    t->scales = &g->tensors[1];
    if (entry_insert(home, d, t)) return EBB_OK;
    return region_fail(home, error, where, "the list of shrunk weights");
}

ebb_status packed_entries_make(region *home, description *d, ebb_error *error)
{
    packed_tensor *packed = (packed_tensor *)(uintptr_t)d->packed;
    const tensor_group *optimizer = d->optimizer;
    const char *name = optimizer != NULL ? optimizer->name : NULL;
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < d->packed_count && status == EBB_OK; i++) {
        if (packed[i].layout.kind == EBB_I8) status = entry_make(home, d, &packed[i], i, error);
    }
    if (name != NULL) d->optimizer = description_group(d, name); /* the groups may have moved */
    return status;
}
