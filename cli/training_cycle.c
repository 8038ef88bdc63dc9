/* training_cycle.c -- see training_cycle.h. */
#include "training_cycle.h"

#include <stdlib.h>
#include <string.h>

#define RESULTS_MAX 256

/* Numbers in 0..1 that differ by row and column, in the shape of the output; or, for losses that
 * take numbers of classes, zeroes without the last axis. */
static ebb_status make_target(ebb_view *target, const ebb_view *output, bool is_class,
                              ebb_error *error)
{
    *target = *output;
    target->dtype = is_class ? EBB_I32 : EBB_F32;
    if (is_class && target->rank > 1) target->rank--;
    const uint64_t count = ebb_view_bytes(target) / ebb_dtype_bytes(target->dtype);
    target->data = calloc(count + 1, ebb_dtype_bytes(target->dtype));
    if (target->data == NULL) return refuse(error, EBB_E_MEMORY, "", "no memory for the targets");
    for (uint64_t i = 0; !is_class && i < count; i++)
        ((float *)target->data)[i] = (float)(i * 7 % 11) / 11.0F;
    return EBB_OK;
}

static void free_targets(training_cycle *t)
{
    for (uint32_t i = 0; i < t->target_count; i++) free(t->targets[i].data);
    free(t->targets);
    t->targets = NULL;
    t->target_count = 0;
}

static ebb_status make_targets(training_cycle *t, const batch *questions, bool is_class,
                               ebb_error *error)
{
    ebb_status status = EBB_OK;

    free_targets(t);
    t->targets = calloc(questions->output_count + 1U, sizeof *t->targets);
    if (t->targets == NULL) return refuse(error, EBB_E_MEMORY, "", "no memory for the targets");
    t->target_count = questions->output_count;
    for (uint32_t i = 0; i < t->target_count && status == EBB_OK; i++)
        status = make_target(&t->targets[i], &questions->outputs[i], is_class, error);
    return status;
}

static ebb_status fit(const training_cycle *t, ebb_model model, const batch *questions,
                      double *loss, ebb_error *error)
{
    const ebb_data data = {.x = {questions->inputs, questions->input_count},
                           .y = {t->targets, t->target_count}};
    ebb_fit_options o = EBB_FIT_OPTIONS_INIT;
    double results[RESULTS_MAX];
    size_t count = RESULTS_MAX;

    o.batch_size = t->options->batch;
    o.epochs = t->steps;
    ebb_status status = ebb_model_fit(model, &data, &o, error);
    if (status == EBB_OK) status = ebb_model_evaluate(model, &data, NULL, results, &count, error);
    if (status == EBB_OK) *loss = results[0];
    return status;
}

/* What targets look like is for the loss to say: when it does not take one kind, the other. */
static ebb_status fit_first(training_cycle *t, ebb_model model, const batch *questions,
                            ebb_error *error)
{
    ebb_error other;
    ebb_status status = make_targets(t, questions, false, error);

    if (status == EBB_OK) status = fit(t, model, questions, &t->first_loss, error);
    if (status == EBB_E_SHAPE || status == EBB_E_DTYPE || status == EBB_E_ARGUMENT) {
        ebb_status again = make_targets(t, questions, true, &other);
        if (again == EBB_OK) again = fit(t, model, questions, &t->first_loss, &other);
        if (again == EBB_OK) status = EBB_OK;
    }
    t->has_first = status == EBB_OK;
    return status;
}

static ebb_status train(training_cycle *t, ebb_model model, const batch *questions,
                        ebb_error *error)
{
    double loss = 0;

    if (!t->has_first) return fit_first(t, model, questions, error);
    const ebb_status status = fit(t, model, questions, &loss, error);
    if (status == EBB_OK) t->loss_differs += memcmp(&loss, &t->first_loss, sizeof loss) != 0;
    return status;
}

static ebb_status read_model(ebb_model model, ebb_memory *memory, ebb_error *error)
{
    const ebb_status status = ebb_model_memory_read(model, memory);

    return status == EBB_OK ? status
                            : refuse(error, status, "ledger", "%s", ebb_status_text(status));
}

static bool equals_plan(const ebb_plan *plan, const ebb_memory *before, const ebb_memory *after)
{
    bool is_equal = true;

    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) {
        if (i != EBB_CLASS_CODE && after->by_class[i] - before->by_class[i] != plan->by_class[i])
            is_equal = false;
    }
    return is_equal;
}

ebb_status training_cycle_run(training_cycle *t, ebb_runtime runtime, const char *path,
                              const ebb_load_options *load, ebb_model model, const batch *questions,
                              ebb_error *error)
{
    ebb_memory before, compiled, after;
    ebb_status status = EBB_OK;

    if (t->plan.total == 0)
        status = ebb_model_plan_training(runtime, path, load, t->options, &t->plan, error);
    if (status == EBB_OK) status = read_model(model, &before, error);
    if (status == EBB_OK) status = ebb_model_compile(model, t->options, error);
    if (status != EBB_OK) return status;
    status = read_model(model, &compiled, error);
    t->live_compiled = compiled.live;
    if (status == EBB_OK) t->plan_differs += !equals_plan(&t->plan, &before, &compiled);
    if (status == EBB_OK) status = train(t, model, questions, error);
    const ebb_status undone = ebb_model_uncompile(model, NULL, status == EBB_OK ? error : NULL);
    if (status == EBB_OK) status = undone;
    if (status == EBB_OK) status = read_model(model, &after, error);
    if (status == EBB_OK) t->kept += after.live != before.live;
    return status;
}

void training_cycle_free(training_cycle *t)
{
    free_targets(t);
}
