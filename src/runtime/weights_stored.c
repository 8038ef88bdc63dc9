/* weights_stored.c -- weights as they are kept: small types, numbers and scales of int8. */
#include <string.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/shrink.h"
#include "runtime/suspend.h"
#include "tensor/view.h"

static const layer_weight *weight_at(const model *m, uint32_t index)
{
    return index < m->built->weight_count ? m->built->weights[index] : NULL;
}

/* Which type it is kept in. */
static ebb_dtype stored_dtype(const model *m, uint32_t index)
{
    const packed_layout *l = shrink_layout(m, index);

    return l != NULL ? l->kind : m->built->weights[index]->dtype;
}

/* A weight is packed as a matrix: its leading axes are the rows. */
static bool scale_shape(const model *m, uint32_t index, ebb_tensor_info *info)
{
    const packed_layout *l = shrink_layout(m, index);
    const layer_weight *w = m->built->weights[index];
    uint64_t rows = 1;

    *info = (ebb_tensor_info){.dtype = EBB_DTYPE_NONE};
    if (l == NULL || l->kind != EBB_I8) return false;
    info->dtype = EBB_F32;
    info->rank = w->rank;
    for (uint32_t i = 0; i < w->rank; i++) {
        const bool is_row = rows < l->rows;
        info->dims[i] = is_row == l->is_by_row ? w->dims[i] : 1;
        rows *= (uint64_t)w->dims[i];
    }
    return true;
}

static ebb_status view_check(const ebb_view *view, const char *name, const char *what,
                             ebb_dtype dtype, uint32_t rank, const int64_t *dims, ebb_error *error)
{
    char expected[160], got[160];

    if (view->data == NULL)
        return fail(error, EBB_E_ARGUMENT, name, "the view for %s has no memory", what);
    if (view->dtype != dtype && view->dtype != EBB_DTYPE_NONE) {
        return fail(error, EBB_E_DTYPE, name, "%s are kept as %s, the view is of %s", what,
                    ebb_dtype_name(dtype), ebb_dtype_name(view->dtype));
    }
    if (view->rank == rank && memcmp(view->dims, dims, rank * sizeof *dims) == 0) return EBB_OK;
    return fail(error, EBB_E_SHAPE, name, "%s have shape %s, the view %s", what,
                dims_text(rank, dims, expected, sizeof expected),
                dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims, got,
                          sizeof got));
}

static ebb_status scale_check(const model *m, uint32_t index, const ebb_view *scale,
                              ebb_error *error)
{
    const char *name = m->built->weights[index]->name;
    ebb_tensor_info info;

    if (scale == NULL) return EBB_OK;
    if (scale_shape(m, index, &info))
        return view_check(scale, name, "scales", info.dtype, info.rank, info.dims, error);
    return fail(error, EBB_E_ARGUMENT, name, "weight %u has no scales: it is kept as %s", index,
                ebb_dtype_name(stored_dtype(m, index)));
}

static ebb_status stored_get(model *m, uint32_t index, const ebb_view *stored,
                             const ebb_view *scale, ebb_error *error)
{
    const layer_weight *w = weight_at(m, index);

    if (w == NULL) {
        return fail(error, EBB_E_ARGUMENT, m->info.name, "there is no weight %u; the model has %u",
                    index, m->built->weight_count);
    }
    if (stored == NULL)
        return fail(error, EBB_E_ARGUMENT, w->name, "expected a view for the numbers");
    ebb_status status = scale_check(m, index, scale, error);
    if (status != EBB_OK) return status;
    if (shrink_layout(m, index) == NULL) {
        ebb_view plain = *stored;
        if (plain.dtype == EBB_DTYPE_NONE) plain.dtype = w->dtype;
        status = m->options.inference_only || plain.data == NULL
                     ? EBB_OK /* told by model_weight_get() */
                     : view_check(&plain, w->name, "numbers", w->dtype, w->rank, w->dims, error);
        return status == EBB_OK ? model_weight_get(m, index, &plain, error) : status;
    }
    status =
        view_check(stored, w->name, "numbers", stored_dtype(m, index), w->rank, w->dims, error);
    if (status != EBB_OK) return status;
    status = model_awake(m, w->name, error);
    if (status != EBB_OK) return status;
    shrink_stored_read(m, index, false, stored->data); /* nobody can set it */
    if (scale != NULL) shrink_stored_read(m, index, true, scale->data);
    return EBB_OK;
}

ebb_status ebb_model_weight_stored_get(ebb_model handle, uint32_t index, const ebb_view *stored,
                                       const ebb_view *scale, ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_weight_stored_get", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = stored_get(m, index, stored, scale, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_weight_scale(ebb_model handle, uint32_t index, ebb_tensor_info *info)
{
    const model *m = info == NULL ? NULL : model_acquire(handle, "ebb_model_weight_scale", NULL);

    if (m == NULL) return info == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    const bool is_there = weight_at(m, index) != NULL;
    if (is_there) (void)scale_shape(m, index, info);
    handle_release(handle.id);
    return is_there ? EBB_OK : EBB_E_ARGUMENT;
}
