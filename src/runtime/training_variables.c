/* training_variables.c -- the variables of a compiled model's optimizer, one by one: Keras's
 * optimizer.variables.
 *
 * Reading and setting hold the lock of training, so a step sees all of a value or nothing of it. */
#include "base/status.h"
#include "runtime/suspend.h"
#include "runtime/training.h"
#include "train/variable_access.h"

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

ebb_status training_variable_read(training *t, uint32_t index, ebb_tensor_info *info,
                                  ebb_error *error)
{
    ebb_error why = {0};

    pthread_mutex_lock(&t->m->training_mutex);
    const train_variable *v = variable_find(t, index, &why);
    if (v != NULL) variable_describe(v, t->sizes[t->optimizer_first + index], info);
    pthread_mutex_unlock(&t->m->training_mutex);
    if (v == NULL && error != NULL) *error = why;
    return why.status;
}

/* Under the lock. */
static ebb_status variable_copy(training *t, uint32_t index, const ebb_view *view, bool is_set,
                                ebb_error *error)
{
    const train_variable *v = variable_find(t, index, error);

    if (v != NULL && model_awake(t->m, v->name, error) != EBB_OK) return EBB_E_STATE;
    if (v == NULL) return t->settings.optimizer == NULL ? EBB_E_STATE : EBB_E_ARGUMENT;
    return variable_transfer(v, t->memory[t->optimizer_first + index], view, is_set, error);
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
