/* weights_access.c -- reading and setting the variables of a loaded model, in Keras's layout. */
#include <string.h>

#include "base/status.h"
#include "runtime/passes.h"
#include "runtime/shrink.h"
#include "runtime/suspend.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

static ebb_status check_view(const model *m, uint32_t index, const ebb_view *view, ebb_error *error)
{
    const layer_weight *w = m->built->weights[index];
    char expected[160], got[160];

    if (m->options.inference_only) {
        return fail(
            error, EBB_E_UNSUPPORTED, w->name,
            "the model was loaded with inference_only, so weights were folded; load it without");
    }
    if (view == NULL || view->data == NULL) {
        return fail(error, EBB_E_ARGUMENT, w->name, "the view of weight %u has no memory", index);
    }
    if (view->dtype != EBB_DTYPE_NONE && ebb_dtype_bytes(view->dtype) == 0) {
        return fail(error, EBB_E_DTYPE, w->name, "%d is no data type of EBB_DTYPE_MAP",
                    (int)view->dtype);
    }
    if (view->rank == w->rank && memcmp(view->dims, w->dims, w->rank * sizeof w->dims[0]) == 0)
        return EBB_OK;
    return fail(error, EBB_E_SHAPE, w->name, "weight %u has shape %s, the view %s", index,
                dims_text(w->rank, w->dims, expected, sizeof expected),
                dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims, got,
                          sizeof got));
}

static ebb_status number_out_of_range(const model *m, uint32_t index, ebb_error *error)
{
    return fail(error, EBB_E_ARGUMENT, m->info.name, "there is no weight %u; the model has %u",
                index, m->built->weight_count);
}

/* Out of the variables, where there are some: they are the newest. */
static bool variable_get(model *m, uint32_t index, const ebb_view *view)
{
    const layer_weight *w = m->built->weights[index];
    const ebb_dtype dtype = view->dtype == EBB_DTYPE_NONE ? w->dtype : view->dtype;
    uint64_t count = 0;

    training_wait(m);
    const void *variable = model_variable(m, index);
    (void)dims_count(w->rank, w->dims, &count);
    if (variable != NULL)
        dtype_convert(dtype, view->data, w->dtype, variable, (size_t)count);
    pthread_mutex_unlock(&m->training_mutex);
    return variable != NULL;
}

ebb_status model_weight_get(model *m, uint32_t index, const ebb_view *view, ebb_error *error)
{
    if (index >= m->built->weight_count) return number_out_of_range(m, index, error);
    ebb_status status = check_view(m, index, view, error);
    if (status == EBB_OK && variable_get(m, index, view)) return EBB_OK;
    if (status == EBB_OK) status = training_publish(m, error);
    if (status != EBB_OK) return status;
    const layer_weight *w = m->built->weights[index];
    const ebb_dtype dtype = view->dtype == EBB_DTYPE_NONE ? w->dtype : view->dtype;
    region *work = region_open(m->owner->root, "weight", EBB_CLASS_SCRATCH, 0);
    const tensor_desc plain = desc_of(m->built->graph, w->v, NULL);
    void *copy = work == NULL ? NULL : region_block(work, tensor_desc_bytes(&plain) + 1);

    if (copy == NULL) {
        status = region_fail(work == NULL ? m->owner->root : work, error, w->name, "a copy");
        region_close(work);
        return status;
    }
    const uint32_t lane_index = lane_take(m); /* nobody sets it meanwhile */
    status = weights_get(m->weights, w->v, copy, error);
    lane_release(m, lane_index);
    if (status == EBB_OK)
        dtype_convert(dtype, view->data, w->dtype, copy, tensor_desc_count(&plain));
    region_close(work);
    return status;
}

ebb_status model_weight_set(model *m, uint32_t index, const ebb_view *view, ebb_error *error)
{
    if (index >= m->built->weight_count) return number_out_of_range(m, index, error);
    ebb_status status = check_view(m, index, view, error);
    if (status == EBB_OK) status = model_awake(m, "ebb_model_weight_set", error);
    if (status == EBB_OK) status = shrink_check_set(m, index, error);
    if (status != EBB_OK) return status;
    const layer_weight *w = m->built->weights[index];
    const ebb_dtype dtype = view->dtype == EBB_DTYPE_NONE ? w->dtype : view->dtype;
    region *work = region_open(m->owner->root, "weight", EBB_CLASS_SCRATCH, 0);
    const tensor_desc plain = desc_of(m->built->graph, w->v, NULL);
    void *copy = work == NULL ? NULL : region_block(work, tensor_desc_bytes(&plain) + 1);

    if (copy == NULL) {
        status = region_fail(work == NULL ? m->owner->root : work, error, w->name, "a copy");
        region_close(work);
        return status;
    }
    dtype_convert(w->dtype, copy, dtype, view->data, tensor_desc_count(&plain));
    pthread_mutex_lock(&m->training_mutex);
    const bool is_variable = atomic_load(&m->is_behind) && model_variable(m, index) != NULL;
    if (!is_variable) { /* else it is fetched from there, with all that is newer */
        lanes_take_all(m);
        status = weights_set(m->weights, w->v, copy, work, error);
        lanes_release_all(m);
    }
    if (status == EBB_OK) model_variable_set(m, index, copy);
    atomic_fetch_add(&m->weight_changes, 1);
    pthread_mutex_unlock(&m->training_mutex);
    region_close(work);
    return status;
}
