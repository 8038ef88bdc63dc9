/* api_gradient.c -- the public functions of ebb/gradient.h: argument checks, handle to object,
 * nothing else. */
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/advice.h"
#include "runtime/passes.h"
#include "runtime/stepper.h"
#include "train/standalone.h"

/* -- passes ------------------------------------------------------------------------------------ */

/* The pass with its model, both pinned; NULL: E_STALE. The model first, so that whoever takes it
 * apart never waits for one who has only the pass. */
static model_pass *acquire(ebb_pass handle, const char *where, model **m, ebb_error *error)
{
    const model_pass *pass = handle_acquire(HANDLE_PASS, handle.id);
    const ebb_model owner = {pass != NULL ? pass->model : 0};

    if (pass != NULL) handle_release(handle.id);
    *m = pass == NULL ? NULL : handle_acquire(HANDLE_MODEL, owner.id);
    model_pass *const found = *m == NULL ? NULL : handle_acquire(HANDLE_PASS, handle.id);
    if (found != NULL) return found;
    if (*m != NULL) handle_release(owner.id);
    fail(error, EBB_E_STALE, where,
         "the pass was closed, its model was unloaded, or the handle was never valid");
    return NULL;
}

static void release(ebb_pass handle, const model *m)
{
    handle_release(handle.id);
    handle_release(m->id);
}

ebb_status ebb_model_pass_open(ebb_model handle, const ebb_views *inputs,
                               const ebb_pass_options *options, ebb_pass *pass, ebb_error *error)
{
    static const char where[] = "ebb_model_pass_open";

    if (pass == NULL) return fail(error, EBB_E_ARGUMENT, where, "expected a place for the handle");
    pass->id = 0;
    model *m = model_acquire(handle, where, error);
    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = pass_open(m, inputs, options, &pass->id, error);
    (void)advice_add(m, status, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_pass_close(ebb_pass handle, ebb_error *error)
{
    static const char where[] = "ebb_pass_close";
    model *m = NULL;
    void *object = NULL;
    const model_pass *pass = acquire(handle, where, &m, error);

    if (pass == NULL) return EBB_E_STALE;
    handle_release(handle.id);
    const bool won = handle_close_begin(HANDLE_PASS, handle.id, 0, &object);
    if (won) {
        pass_close(m, object);
        handle_close_end(handle.id);
    }
    handle_release(m->id);
    return won ? EBB_OK : fail(error, EBB_E_STALE, where, "the pass is being closed already");
}

uint32_t ebb_pass_outputs(ebb_pass handle)
{
    model *m = NULL;
    const model_pass *pass = acquire(handle, "ebb_pass_outputs", &m, NULL);

    if (pass == NULL) return 0;
    const uint32_t count = pass->output_count;
    release(handle, m);
    return count;
}

ebb_status ebb_pass_output(ebb_pass handle, uint32_t index, ebb_view *view)
{
    model *m = NULL;

    if (view == NULL) return EBB_E_ARGUMENT;
    *view = (ebb_view){.dtype = EBB_DTYPE_NONE};
    const model_pass *pass = acquire(handle, "ebb_pass_output", &m, NULL);
    if (pass == NULL) return EBB_E_STALE;
    const bool is_there = index < pass->output_count;
    if (is_there) *view = pass->outputs[index];
    release(handle, m);
    return is_there ? EBB_OK : EBB_E_ARGUMENT;
}

static ebb_status check_count(const char *what, const ebb_view *views, size_t count,
                              uint32_t expected, bool is_optional, ebb_error *error)
{
    if (is_optional && count == 0) return EBB_OK;
    if (count == expected && (count == 0 || views != NULL)) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, "ebb_pass_gradients", "expected %u gradients of %s, got %zu",
                expected, what, views == NULL ? (size_t)0 : count);
}

ebb_status ebb_pass_gradients(ebb_pass handle, const ebb_view *output_gradients,
                              size_t output_count, const ebb_view *input_gradients,
                              size_t input_count, const ebb_view *weight_gradients,
                              size_t weight_count, ebb_error *error)
{
    model *m = NULL;
    const gradient_views given = {.outputs = output_gradients,
                                  .inputs = input_count > 0 ? input_gradients : NULL,
                                  .weights = weight_count > 0 ? weight_gradients : NULL};
    const model_pass *pass = acquire(handle, "ebb_pass_gradients", &m, error);

    if (pass == NULL) return EBB_E_STALE;
    ebb_status status =
        check_count("outputs", output_gradients, output_count, pass->output_count, false, error);
    if (status == EBB_OK)
        status =
            check_count("inputs", input_gradients, input_count, pass->input_count, true, error);
    if (status == EBB_OK)
        status =
            check_count("weights", weight_gradients, weight_count, pass->weight_count, true, error);
    if (status == EBB_OK) status = pass_gradients(m, pass, &given, error);
    (void)advice_add(m, status, error);
    release(handle, m);
    return status;
}

bool ebb_pass_reaches_weight(ebb_pass handle, uint32_t index)
{
    model *m = NULL;
    const model_pass *pass = acquire(handle, "ebb_pass_reaches_weight", &m, NULL);

    if (pass == NULL) return false;
    const bool reaches = index < pass->weight_count && pass->reaches_weight[index];
    release(handle, m);
    return reaches;
}

bool ebb_pass_reaches_input(ebb_pass handle, uint32_t index)
{
    model *m = NULL;
    const model_pass *pass = acquire(handle, "ebb_pass_reaches_input", &m, NULL);

    if (pass == NULL) return false;
    const bool reaches = index < pass->input_count && pass->reaches_input[index];
    release(handle, m);
    return reaches;
}

/* -- losses and optimizers --------------------------------------------------------------------- */

ebb_status ebb_loss_gradient(ebb_runtime handle, const char *loss, const ebb_operands *operands,
                             const ebb_view *upstream, const ebb_view *gradient, ebb_error *error)
{
    static const char where[] = "ebb_loss_gradient";

    if (operands == NULL || gradient == NULL)
        return fail(error, EBB_E_ARGUMENT, where, "expected operands and a place for the gradient");
    runtime *r = runtime_acquire(handle, where, error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status =
        standalone_loss_gradient(r->root, loss, operands, upstream, gradient, error);
    handle_release(handle.id);
    return status;
}

/* Pinned; NULL: E_STALE. */
static stepper *look_at(ebb_optimizer handle, const char *where, ebb_error *error)
{
    return managed_acquire(HANDLE_OPTIMIZER, handle.id, where, error);
}

ebb_status ebb_optimizer_open(ebb_runtime handle, const char *optimizer,
                              const ebb_tensor_info *weights, size_t count, ebb_optimizer *result,
                              ebb_error *error)
{
    static const char where[] = "ebb_optimizer_open";

    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, where, "expected a place for the handle");
    result->id = 0;
    runtime *r = runtime_acquire(handle, where, error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = stepper_open(r, optimizer, weights, count, &result->id, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_optimizer_close(ebb_optimizer handle, ebb_error *error)
{
    return managed_close(HANDLE_OPTIMIZER, handle.id, "ebb_optimizer_close", 0, NULL, error);
}

ebb_status ebb_optimizer_apply(ebb_optimizer handle, const ebb_view *values,
                               const ebb_view *gradients, size_t count, ebb_error *error)
{
    static const char where[] = "ebb_optimizer_apply";
    stepper *s = look_at(handle, where, error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_status status =
        count == s->weight_count && values != NULL && gradients != NULL
            ? stepper_apply(s, values, gradients, error)
            : fail(error, EBB_E_ARGUMENT, where, "expected %u values and gradients, got %zu",
                   s->weight_count, values == NULL || gradients == NULL ? (size_t)0 : count);
    managed_release(&s->base);
    return status;
}

uint32_t ebb_optimizer_variables(ebb_optimizer handle)
{
    stepper *s = look_at(handle, "ebb_optimizer_variables", NULL);

    if (s == NULL) return 0;
    const uint32_t count = s->variable_count;
    managed_release(&s->base);
    return count;
}

ebb_status ebb_optimizer_variable(ebb_optimizer handle, uint32_t index, ebb_tensor_info *info,
                                  ebb_error *error)
{
    static const char where[] = "ebb_optimizer_variable";

    if (info == NULL) return fail(error, EBB_E_ARGUMENT, where, "expected a place for the answer");
    *info = (ebb_tensor_info){.dtype = EBB_DTYPE_NONE};
    stepper *s = look_at(handle, where, error);
    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = stepper_variable_read(s, index, info, error);
    managed_release(&s->base);
    return status;
}

static ebb_status transfer(ebb_optimizer handle, uint32_t index, const ebb_view *value, bool is_set,
                           const char *where, ebb_error *error)
{
    stepper *s = look_at(handle, where, error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = stepper_variable_transfer(s, index, value, is_set, error);
    managed_release(&s->base);
    return status;
}

ebb_status ebb_optimizer_variable_get(ebb_optimizer handle, uint32_t index, const ebb_view *value,
                                      ebb_error *error)
{
    return transfer(handle, index, value, false, "ebb_optimizer_variable_get", error);
}

ebb_status ebb_optimizer_variable_set(ebb_optimizer handle, uint32_t index, const ebb_view *value,
                                      ebb_error *error)
{
    return transfer(handle, index, value, true, "ebb_optimizer_variable_set", error);
}
