/* class_weight.c -- see class_weight.h. */
#include "train/data/class_weight.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "json/json.h"
#include "json/json_text.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

#define WHERE      "class_weight"
#define PIECE_SIZE 64

ebb_status class_weights_read(region *home, const char *text, class_weights *result,
                              ebb_error *error)
{
    const json *given = NULL;
    ebb_status status = json_read(home, text, strlen(text), WHERE, &given, error);

    *result = (class_weights){0};
    if (status != EBB_OK) return status;
    if (given->kind != JSON_OBJECT || given->count == 0) {
        return fail(error, EBB_E_ARGUMENT, WHERE,
                    "expected an object of weights by class, {\"0\": 1.0, \"1\": 5.0}");
    }
    result->classes = region_new(home, int64_t, given->count);
    result->weights = region_new(home, float, given->count);
    if (result->classes == NULL || result->weights == NULL)
        return region_fail(home, error, WHERE, "weights");
    for (uint32_t i = 0; i < given->count; i++) {
        const json_member *m = &given->as.members[i];
        json_decimal key;

        if (json_decimal_read(m->key, strlen(m->key), &key) != strlen(m->key) || !key.is_integer) {
            return fail(error, EBB_E_ARGUMENT, WHERE, "expected class numbers as keys, found '%s'",
                        m->key);
        }
        result->classes[i] = key.integer;
        result->weights[i] = (float)json_number(&m->value, NAN);
        if (isfinite(result->weights[i])) continue;
        return fail(error, EBB_E_ARGUMENT, WHERE, "class %s: expected a number", m->key);
    }
    result->count = given->count;
    return EBB_OK;
}

static uint64_t row_items(const ebb_view *v)
{
    uint64_t count = 1;

    for (uint32_t i = 1; i < v->rank; i++) count *= (uint64_t)v->dims[i];
    return count;
}

ebb_status class_weights_shape(const ebb_view *y, const ebb_view *given, ebb_view *result,
                               ebb_error *error)
{
    const bool ends_in_one = y->rank > 1 && y->dims[y->rank - 1] == 1;
    uint64_t classes = 1;

    for (uint32_t i = 1; i + 1 < y->rank; i++) classes *= (uint64_t)y->dims[i];
    if (y->rank == 0 || classes != 1 || (y->rank > 1 && !ends_in_one && y->dims[y->rank - 1] < 1)) {
        char text[160];

        return fail(error, EBB_E_SHAPE, WHERE,
                    "expected targets of one class a row, (rows), (rows, 1) or (rows, classes), "
                    "got %s; use sample weights",
                    dims_text(y->rank, y->dims, text, sizeof text));
    }
    *result = given != NULL ? *given : (ebb_view){.rank = 1};
    result->dims[0] = y->dims[0];
    result->dtype = EBB_F32;
    result->data = NULL;
    return EBB_OK;
}

static const char *item_at(const ebb_view *v, uint64_t index)
{
    return (const char *)v->data + index * ebb_dtype_bytes(v->dtype);
}

static int64_t class_of_row(const ebb_view *y, int64_t row, uint64_t items)
{
    double piece[PIECE_SIZE], best = -INFINITY;
    int64_t where = 0;

    for (uint64_t i = 0; i < items; i += PIECE_SIZE) {
        const size_t count = items - i < PIECE_SIZE ? (size_t)(items - i) : PIECE_SIZE;

        dtype_convert(EBB_F64, piece, y->dtype, item_at(y, (uint64_t)row * items + i), count);
        if (items == 1) return fabs(piece[0]) < 0x1p62 ? (int64_t)rint(piece[0]) : INT64_MIN;
        for (size_t k = 0; k < count; k++) {
            if (!(piece[k] > best)) continue;
            best = piece[k];
            where = (int64_t)(i + k);
        }
    }
    return where;
}

void class_weights_apply(const class_weights *w, const ebb_view *y, const ebb_view *given,
                         const ebb_view *result)
{
    const uint64_t items = row_items(y), weights = row_items(result);
    float *to = result->data;

    for (int64_t row = 0; row < y->dims[0]; row++, to += weights) {
        const int64_t class_number = class_of_row(y, row, items);
        float factor = 1;

        for (uint32_t i = 0; i < w->count; i++) {
            if (w->classes[i] == class_number) factor = w->weights[i];
        }
        if (given != NULL)
            dtype_convert(EBB_F32, to, given->dtype, item_at(given, (uint64_t)row * weights),
                          weights);
        for (uint64_t i = 0; i < weights; i++) to[i] = given != NULL ? to[i] * factor : factor;
    }
}
