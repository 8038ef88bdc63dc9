/* data_set.c -- see data_set.h. Row counts, splitting: keras/src/trainers/data_adapters
 * (data_adapter_utils.py, array_slicing.py). */
#include "train/data/data_set.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "tensor/view.h"
#include "train/data/data_file.h"

/* -- arrays ------------------------------------------------------------------------------------ */

static ebb_status array_take(data_set *s, data_column *c, const ebb_view *view, ebb_error *error)
{
    c->rows = *view;
    if (view->dtype != EBB_DTYPE_NONE) c->dtype = view->dtype;
    if (view->rank == 0 && view->data == NULL && c >= s->columns + s->x_count + s->y_count)
        return EBB_OK;
    if (view->rank == 0 || view->rank > EBB_RANK_MAX || view->dims[0] < 1) {
        return fail(error, EBB_E_SHAPE, c->name, "expected an array of at least one row");
    }
    ebb_view typed = *view;
    typed.dtype = c->dtype;
    const uint64_t bytes = ebb_view_bytes(&typed);
    if (ebb_dtype_bytes(c->dtype) == 0 || bytes == UINT64_MAX)
        return fail(error, EBB_E_ARGUMENT, c->name, "the array has no valid shape or data type");
    if (view->data == NULL && bytes > 0)
        return fail(error, EBB_E_ARGUMENT, c->name, "the array has no memory");
    c->row_bytes = bytes / (uint64_t)view->dims[0];
    return EBB_OK;
}

static ebb_status arrays_take(data_set *s, const ebb_data *data, ebb_error *error)
{
    const ebb_views *const groups[] = {&data->x, &data->y, &data->sample_weight};
    data_column *c = s->columns;
    ebb_status status = EBB_OK;

    for (uint32_t g = 0; g < 3; g++) {
        for (size_t i = 0; i < groups[g]->count && status == EBB_OK; i++, c++)
            status = array_take(s, c, &groups[g]->items[i], error);
    }
    return status;
}

/* -- all kinds --------------------------------------------------------------------------------- */

static ebb_status check_kinds(const ebb_data *data, const char *where, ebb_error *error)
{
    const bool has_arrays = data->x.count > 0;
    const bool has_files = data->x_files != NULL;
    const bool has_function = data->next != NULL;
    const bool mixes = (has_files || has_function) &&
                       (data->y.count > 0 || data->sample_weight.count > 0 ||
                        (!has_files && (data->y_files || data->sample_weight_file)));

    if (has_arrays + has_files + has_function == 0) {
        return fail(error, EBB_E_ARGUMENT, where,
                    "there are no data: give x as arrays, as files or as a function");
    }
    if (has_arrays + has_files + has_function > 1 || mixes) {
        return fail(error, EBB_E_ARGUMENT, where,
                    "data come from arrays, from files or from a function: give one of these");
    }
    return EBB_OK;
}

static void columns_name(data_set *s, const engine *e)
{
    static const char *const groups[] = {"x", "y", "sample_weight"};
    const uint32_t counts[] = {s->x_count, s->y_count, s->weight_count};
    data_column *c = s->columns;

    for (uint32_t g = 0; g < 3; g++) {
        for (uint32_t i = 0; i < counts[g]; i++, c++) {
            if (counts[g] == 1)
                snprintf(c->name, sizeof c->name, "%s", groups[g]);
            else
                snprintf(c->name, sizeof c->name, "%s[%u]", groups[g], i);
            c->dtype = EBB_F32;
            if (g == 0 && e->input_dtypes != NULL && i < e->input_count)
                c->dtype = e->input_dtypes[i];
            if (g == 1 && e->output_dtypes != NULL && i < e->output_count)
                c->dtype = e->output_dtypes[i];
        }
    }
}

static ebb_status rows_check(data_set *s, ebb_error *error)
{
    for (uint32_t i = 0; i < data_column_count(s); i++) {
        const data_column *c = &s->columns[i];

        if (c->rows.rank == 0) continue;
        if (s->rows == 0) s->rows = c->rows.dims[0];
        if (c->rows.dims[0] == s->rows) continue;
        return fail(error, EBB_E_SHAPE, c->path != NULL ? c->path : c->name,
                    "%s has %" PRId64 " rows where %s has %" PRId64
                    "; inputs, targets and sample weights need the same number",
                    c->name, c->rows.dims[0], s->columns[0].name, s->rows);
    }
    return EBB_OK;
}

static ebb_status set_fill(data_set *s, const engine *e, const ebb_data *data, const char *where,
                           ebb_error *error)
{
    ebb_status status = check_kinds(data, where, error);

    if (status != EBB_OK) return status;
    s->next = data->next;
    s->context = data->context;
    s->may_be_empty = data->may_be_empty;
    if (s->next != NULL) return EBB_OK;
    if (data->x_files != NULL) {
        status = data_files_count(s, e, data, error);
    } else {
        s->x_count = (uint32_t)data->x.count;
        s->y_count = (uint32_t)data->y.count;
        s->weight_count = (uint32_t)data->sample_weight.count;
    }
    if (status != EBB_OK) return status;
    s->columns = region_new(s->home, data_column, data_column_count(s));
    if (s->columns == NULL) return region_fail(s->home, error, where, "the data");
    columns_name(s, e);
    status =
        data->x_files != NULL ? data_files_open(s, e, data, error) : arrays_take(s, data, error);
    return status == EBB_OK ? rows_check(s, error) : status;
}

ebb_status data_set_open(region *parent, const engine *e, const ebb_data *data, const char *where,
                         data_set **result, ebb_error *error)
{
    region *home = region_open(parent, "data", EBB_CLASS_META, 0);
    data_set *s = home == NULL ? NULL : region_new(home, data_set, 1);
    ebb_status status = EBB_OK;

    *result = NULL;
    if (s == NULL) {
        status = region_fail(home == NULL ? parent : home, error, where, "the data");
        region_close(home);
        return status;
    }
    s->home = home;
    s->blocks = region_open(home, "rows", EBB_CLASS_DATA, 0);
    status = s->blocks == NULL ? region_fail(home, error, where, "the data")
                               : set_fill(s, e, data, where, error);
    if (status == EBB_OK)
        *result = s;
    else
        data_set_close(s);
    return status;
}

void data_set_close(data_set *s)
{
    if (s == NULL) return;
    for (uint32_t i = 0; i < s->file_count; i++) source_close(s->files[i]);
    region_close(s->home);
}

ebb_status data_set_unchanged(const data_set *s, ebb_error *error)
{
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < s->file_count && status == EBB_OK; i++)
        status = source_unchanged(s->files[i], error);
    return status;
}

ebb_status data_set_split(const data_set *s, double validation_split, int64_t *first,
                          ebb_error *error)
{
    if (s->next != NULL) {
        return fail(error, EBB_E_ARGUMENT, "validation_split",
                    "only arrays and files can be split; give validation data with a function");
    }
    *first = (int64_t)floor((double)s->rows * (1.0 - validation_split));
    if (*first > 0 && *first < s->rows) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, "validation_split",
                "%" PRId64 " rows are too few to be split by %g: give more data or another split",
                s->rows, validation_split);
}
