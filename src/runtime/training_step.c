/* training_step.c -- one batch: views fitted to the step's inputs, classes checked, one run.
 *
 * Everything that can fail comes before the run, so a step is made whole or not at all. */
#include <inttypes.h>
#include <string.h>

#include "base/float_mode.h"
#include "base/status.h"
#include "runtime/passes.h"
#include "runtime/suspend.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

typedef struct batch_views {
    ebb_view y[PORTS_MAX], sample_weight[PORTS_MAX]; /* by output, as sides know them */
    ebb_view inputs[3 * PORTS_MAX];                  /* of the step's graph */
    int64_t symbols[SYMBOLS_MAX];
    region *work; /* weights of 1 for outputs without; NULL until needed */
} batch_views;

/* -- targets and sample weights ---------------------------------------------------------------- */

static ebb_status check_count(const training *t, const char *what, const ebb_views *views,
                              uint32_t expected, ebb_error *error)
{
    if (views->count == expected && (expected == 0 || views->items != NULL)) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, t->m->info.name, "expected %u %s, got %zu", expected, what,
                views->count);
}

static ebb_dtype target_type(ebb_dtype given)
{
    switch (given) {
    case EBB_F32:
    case EBB_F16:
    case EBB_BF16:
    case EBB_F64:
    case EBB_BOOL: return EBB_F32;
    default: return EBB_I32;
    }
}

/* The view with the rank that is expected where an axis of length 1 at the end makes the
 * difference. */
static void fit_target(ebb_view *view, uint32_t rank)
{
    if (view->rank == rank + 1 && view->dims[view->rank - 1] == 1) view->rank--;
    if (view->rank + 1 == rank && rank <= EBB_RANK_MAX) view->dims[view->rank++] = 1;
}

/* What the side is chosen by: the types that the graph sees. The data stay as they are. */
static ebb_status read_targets(const training *t, const ebb_batch *batch, batch_views *v,
                               ebb_error *error)
{
    const built_model *built = t->m->built;
    ebb_status status = check_count(t, "targets", &batch->y, built->output_count, error);

    if (status != EBB_OK) return status;
    side_expect(t, v->y);
    for (uint32_t i = 0; i < built->output_count; i++) {
        ebb_view view = batch->y.items[i];
        if (!t->settings.losses[i].is_used && view.data == NULL) continue;
        if (view.dtype == EBB_DTYPE_NONE) view.dtype = v->y[i].dtype;
        if (ebb_dtype_bytes(view.dtype) == 0 || view.rank > EBB_RANK_MAX || view.data == NULL) {
            return fail(error, EBB_E_ARGUMENT, built->outputs[i].name,
                        "target %u has no data, or a type or rank that does not exist", i);
        }
        fit_target(&view, v->y[i].rank);
        v->y[i] = view;
    }
    return EBB_OK;
}

static const ebb_view *given_weight(const ebb_views *given, uint32_t output)
{
    if (given->count == 0) return NULL;
    const ebb_view *view = &given->items[given->count == 1 ? 0 : output];
    return view->data == NULL ? NULL : view;
}

/* Weights of 1, one a row. */
static ebb_status ones(const training *t, batch_views *v, int64_t rows, ebb_view *view,
                       ebb_error *error)
{
    if (v->work == NULL) v->work = region_open(t->home, "weights of 1", EBB_CLASS_DATA, 0);
    float *numbers = v->work == NULL ? NULL : region_new(v->work, float, (size_t)rows + 1);
    if (numbers == NULL)
        return region_fail(v->work == NULL ? t->home : v->work, error, "training", "weights of 1");
    for (int64_t i = 0; i < rows; i++) numbers[i] = 1.0f;
    *view = (ebb_view){EBB_F32, 1, {rows}, numbers};
    return EBB_OK;
}

static ebb_status read_sample_weights(const training *t, const ebb_batch *batch, batch_views *v,
                                      ebb_error *error)
{
    const built_model *built = t->m->built;
    const ebb_views *given = &batch->sample_weight;
    ebb_status status = EBB_OK;

    if (given->count > 1) {
        status =
            check_count(t, "sample weights (or one, or none)", given, built->output_count, error);
    }
    for (uint32_t i = 0; i < built->output_count && status == EBB_OK; i++) {
        const ebb_view *view = given_weight(given, i);
        const int64_t rows = v->y[i].rank > 0 ? v->y[i].dims[0] : 0;
        if (view == NULL) {
            status = ones(t, v, rows, &v->sample_weight[i], error);
            continue;
        }
        v->sample_weight[i] = *view;
        if (view->dtype == EBB_DTYPE_NONE) v->sample_weight[i].dtype = EBB_F32;
        if (ebb_dtype_bytes(v->sample_weight[i].dtype) == 0 || view->rank > EBB_RANK_MAX ||
            view->rank == 0) {
            status = fail(error, EBB_E_ARGUMENT, built->outputs[i].name,
                          "sample weights of output %u have a type or rank that does not exist", i);
        } else if (view->rank > 1) {
            fit_target(&v->sample_weight[i], view->rank - 1);
        }
    }
    return status;
}

static ebb_status find_side(training *t, side_kind kind, const ebb_batch *batch, batch_views *v,
                            side **s, ebb_error *error)
{
    ebb_view y[PORTS_MAX], sample_weight[PORTS_MAX];
    const bool has_weights = batch->sample_weight.count > 0;
    ebb_status status = read_targets(t, batch, v, error);

    if (status == EBB_OK && has_weights) status = read_sample_weights(t, batch, v, error);
    if (status != EBB_OK) return status;
    for (uint32_t i = 0; i < t->m->built->output_count; i++) {
        y[i] = v->y[i];
        y[i].dtype = target_type(y[i].dtype);
        y[i].data = NULL;
        if (!has_weights) continue;
        sample_weight[i] = v->sample_weight[i];
        sample_weight[i].dtype = EBB_F32;
        sample_weight[i].data = NULL;
    }
    return side_find(t, kind, y, has_weights ? sample_weight : NULL, s, error);
}

/* -- inputs of the graph ----------------------------------------------------------------------- */

static ebb_status fit_inputs(const training *t, const side *s, const ebb_batch *batch,
                             batch_views *v, ebb_error *error)
{
    const train_step *step = &s->step;
    const built_model *built = t->m->built;
    const graph *g = step->emit.graph;
    uint32_t input = 0;
    ebb_status status = check_count(t, "inputs", &batch->x, step->x_count, error);

    for (uint32_t i = 0; i < dim_symbol_count(g); i++) v->symbols[i] = -1;
    for (uint32_t i = 0; i < step->x_count && status == EBB_OK; i++, input++) {
        v->inputs[input] = batch->x.items[i];
        status =
            batch->x.items[i].data == NULL
                ? fail(error, EBB_E_ARGUMENT, built->inputs[i].name, "input %u has no data", i)
                : input_read(g, input, built->inputs[i].name, &v->inputs[input], v->symbols, error);
    }
    for (uint32_t i = 0; i < step->y_count && status == EBB_OK; i++, input++) {
        v->inputs[input] = v->y[step->y_output[i]];
        status = input_read(g, input, built->outputs[step->y_output[i]].name, &v->inputs[input],
                            v->symbols, error);
        if (status != EBB_OK) fail_within(error, "target");
    }
    for (uint32_t i = 0; i < step->weight_count && status == EBB_OK; i++, input++) {
        v->inputs[input] = v->sample_weight[step->weight_output[i]];
        status = input_read(g, input, built->outputs[step->weight_output[i]].name,
                            &v->inputs[input], v->symbols, error);
        if (status != EBB_OK) fail_within(error, "sample weight");
    }
    for (uint32_t i = 0; i < dim_symbol_count(g) && status == EBB_OK; i++) {
        if (v->symbols[i] > 0) continue;
        status = fail(error, EBB_E_SHAPE, t->m->info.name,
                      "the batch is empty: expected at least 1 row, got 0");
    }
    return status;
}

static double class_at(const ebb_view *view, uint64_t index)
{
    double number = 0;
    const uint8_t *bytes = view->data;

    dtype_convert(EBB_F64, &number, view->dtype, bytes + index * ebb_dtype_bytes(view->dtype), 1);
    return number;
}

/* Class numbers that a graph cannot refuse. */
static ebb_status check_classes(const training *t, const side *s, const batch_views *v,
                                ebb_error *error)
{
    const train_step *step = &s->step;

    for (uint32_t k = 0; k < step->y_count; k++) {
        const ebb_view *view = &v->inputs[step->x_count + k];
        const int64_t classes = step->class_counts[k], ignored = step->ignored_classes[k];
        const uint64_t count = ebb_view_bytes(view) / ebb_dtype_bytes(view->dtype);
        for (uint64_t i = 0; classes > 0 && i < count; i++) {
            const double number = class_at(view, i);
            if ((number >= 0 && number < (double)classes) || number == (double)ignored) continue;
            return fail(error, EBB_E_ARGUMENT, t->m->built->outputs[step->y_output[k]].name,
                        "target number %" PRIu64 " is class %g, but the output has classes 0 to "
                        "%" PRId64,
                        i, number, classes - 1);
        }
    }
    return EBB_OK;
}

/* -- running ----------------------------------------------------------------------------------- */

typedef struct pass {
    executable *e;
    const ebb_view *inputs, *outputs;
} pass;

static void run_pass(void *context)
{
    const pass *p = context;
    executable_run(p->e, 0, p->inputs, p->outputs);
}

static void run(training *t, executable *e, const batch_views *v, double *results)
{
    ebb_view outputs[RESULTS_MAX];
    pass now = {e, v->inputs, outputs};

    for (uint32_t i = 0; i < e->result_count; i++) {
        outputs[i] = (ebb_view){.dtype = EBB_F64, .data = &results[i]};
    }
    const uint32_t mode = float_mode_flush();
    if (e->threads > 1)
        executor_run(&t->m->owner->executor, run_pass, &now);
    else
        run_pass(&now);
    float_mode_set(mode);
}

ebb_status training_step(training *t, side_kind kind, const ebb_batch *batch, double *results,
                         ebb_error *error)
{
    batch_views v;
    side *s = NULL;
    executable *e = NULL;

    v.work = NULL;
    ebb_status status = find_side(t, kind, batch, &v, &s, error);
    if (status == EBB_OK) status = fit_inputs(t, s, batch, &v, error);
    if (status == EBB_OK) status = check_classes(t, s, &v, error);
    if (status == EBB_OK) status = side_plan_find(t, s, v.symbols, &e, error);
    if (status == EBB_OK) status = side_ready(t, s, e, error);
    if (status == EBB_OK) {
        run(t, e, &v, results);
        if (kind == SIDE_TRAIN) training_changed(t->m);
    }
    region_close(v.work);
    return status;
}

/* -- publishing -------------------------------------------------------------------------------- */

void training_changed(model *m)
{
    m->variable_changes++;
    atomic_store(&m->is_behind, true);
}

static ebb_status read_variable(void *context, region *scratch, uint32_t index, uint64_t first,
                                uint64_t count, void *bytes, ebb_error *error)
{
    const model *m = context;
    const size_t size = ebb_dtype_bytes(m->built->weights[index]->dtype);
    const uint8_t *variable = model_variable(m, index);

    (void)scratch;
    (void)error;
    memcpy(bytes, variable + first * size, count * size);
    return EBB_OK;
}

ebb_status training_publish_locked(model *m, ebb_error *error)
{
    if (!atomic_load(&m->is_behind)) return EBB_OK;
    if (atomic_load(&m->suspension.is_on)) return model_awake(m, NULL, error);
    const weight_reader reader = {read_variable, m};
    region *work = region_open(m->owner->root, "publishing", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(m->owner->root, error, m->info.name, "new weights");
    lanes_take_all(m);
    const ebb_status status = weights_refill(m->weights, work, &reader, error);
    if (status == EBB_OK) atomic_store(&m->is_behind, false);
    atomic_fetch_add(&m->weight_changes, 1);
    lanes_release_all(m);
    region_close(work);
    return status;
}

void training_wait(model *m)
{
    atomic_fetch_add(&m->training_waiters, 1);
    pthread_mutex_lock(&m->training_mutex);
    atomic_fetch_sub(&m->training_waiters, 1);
}

ebb_status training_publish(model *m, ebb_error *error)
{
    if (!atomic_load_explicit(&m->is_behind, memory_order_acquire)) return EBB_OK;
    training_wait(m);
    const ebb_status status = training_publish_locked(m, error);
    pthread_mutex_unlock(&m->training_mutex);
    return status;
}
