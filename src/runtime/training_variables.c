/* training_variables.c -- the variables of a compiled model's optimizer, one by one: Keras's
 * optimizer.variables.
 *
 * Counters of steps are int32 here and int64 in Keras and in files. Reading and setting hold the
 * lock of training, so a step sees all of a value or nothing of it. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "runtime/suspend.h"
#include "runtime/training.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

uint32_t training_variables_count(const training *t)
{
    if (t->settings.optimizer == NULL) return 0;
    const train_step *step = training_first_step(t);
    return step->emit.variable_count - step->optimizer_first;
}

static const train_variable *variable_find(const training *t, uint32_t index, ebb_error *error)
{
    const uint32_t count = training_variables_count(t);

    if (index < count) {
        const train_step *step = training_first_step(t);
        return &step->emit.variables[step->optimizer_first + index];
    }
    fail(error, t->settings.optimizer == NULL ? EBB_E_STATE : EBB_E_ARGUMENT, t->m->info.name,
         t->settings.optimizer == NULL ? "the model was compiled without an optimizer"
                                       : "there is no variable %u; the optimizer has %u",
         index, count);
    return NULL;
}

static ebb_dtype dtype_told(const train_variable *v)
{
    static const char end[] = "iteration";
    const size_t length = strlen(v->name), own = sizeof end - 1;
    const bool is_counter = length >= own && strcmp(v->name + length - own, end) == 0;

    return is_counter && v->dtype == EBB_I32 ? EBB_I64 : v->dtype;
}

ebb_status training_variable_read(training *t, uint32_t index, ebb_tensor_info *info,
                                  ebb_error *error)
{
    ebb_error why = {0};

    pthread_mutex_lock(&t->m->training_mutex);
    const train_variable *v = variable_find(t, index, &why);
    if (v != NULL) {
        *info = (ebb_tensor_info){.dtype = dtype_told(v), .rank = v->rank};
        snprintf(info->name, sizeof info->name, "%s", v->name);
        memcpy(info->dims, v->dims, v->rank * sizeof v->dims[0]);
        info->stored = v->dtype;
        info->stored_bytes = t->sizes[t->optimizer_first + index];
    }
    pthread_mutex_unlock(&t->m->training_mutex);
    if (v == NULL && error != NULL) *error = why;
    return why.status;
}

static ebb_status view_check(const train_variable *v, const ebb_view *view, ebb_error *error)
{
    char expected[160], got[160];

    if (view == NULL || view->data == NULL)
        return fail(error, EBB_E_ARGUMENT, v->name, "the view has no memory");
    if (view->dtype != EBB_DTYPE_NONE && ebb_dtype_bytes(view->dtype) == 0) {
        return fail(error, EBB_E_DTYPE, v->name, "%d is no data type of EBB_DTYPE_MAP",
                    (int)view->dtype);
    }
    if (view->rank == v->rank && memcmp(view->dims, v->dims, v->rank * sizeof v->dims[0]) == 0)
        return EBB_OK;
    return fail(error, EBB_E_SHAPE, v->name, "the variable has shape %s, the view %s",
                dims_text(v->rank, v->dims, expected, sizeof expected),
                dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims, got,
                          sizeof got));
}

/* Under the lock. */
static ebb_status variable_copy(training *t, uint32_t index, const ebb_view *view, bool is_set,
                                ebb_error *error)
{
    const train_variable *v = variable_find(t, index, error);
    uint64_t count = 0;

    if (v != NULL && model_awake(t->m, v->name, error) != EBB_OK) return EBB_E_STATE;
    if (v == NULL) return t->settings.optimizer == NULL ? EBB_E_STATE : EBB_E_ARGUMENT;
    const ebb_status status = view_check(v, view, error);
    if (status != EBB_OK) return status;
    const ebb_dtype dtype = view->dtype == EBB_DTYPE_NONE ? dtype_told(v) : view->dtype;
    void *memory = t->memory[t->optimizer_first + index];
    (void)dims_count(v->rank, v->dims, &count);
    if (is_set)
        dtype_convert(v->dtype, memory, dtype, view->data, (size_t)count);
    else
        dtype_convert(dtype, view->data, v->dtype, memory, (size_t)count);
    return EBB_OK;
}

ebb_status training_variable_get(training *t, uint32_t index, const ebb_view *view,
                                 ebb_error *error)
{
    training_wait(t->m);
    const ebb_status status = variable_copy(t, index, view, false, error);
    pthread_mutex_unlock(&t->m->training_mutex);
    return status;
}

ebb_status training_variable_set(training *t, uint32_t index, const ebb_view *view,
                                 ebb_error *error)
{
    training_wait(t->m);
    const ebb_status status = variable_copy(t, index, view, true, error);
    pthread_mutex_unlock(&t->m->training_mutex);
    return status;
}
