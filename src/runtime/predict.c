/* predict.c -- one prediction: check the views, lease a lane, find the executable, run it in
 * passes.
 *
 * A model whose rows are independent runs any number of rows in passes of at most `batch`; others
 * see the whole batch at once. Nothing is allocated for planned shapes. */
#include <inttypes.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "runtime/lifecycle/profiler.h"
#include "runtime/training.h"
#include "tensor/view.h"

typedef struct prediction {
    model *m;
    ebb_view inputs[PORTS_MAX], outputs[PORTS_MAX]; /* what the caller gave, defaults filled in */
    int64_t symbols[SYMBOLS_MAX];
    int64_t rows; /* -1: the batch is fixed by the file */
} prediction;

/* -- inputs ---------------------------------------------------------------------------------------
 */

static ebb_status shape_fault(const graph *g, uint32_t index, const char *name,
                              const ebb_view *view, ebb_error *error)
{
    char expected[160], got[160];

    return fail(error, EBB_E_SHAPE, name, "input %u: expected shape %s, got %s", index,
                shape_text(g, graph_shape(g, g->inputs[index]), expected, sizeof expected),
                dims_text(view->rank, view->dims, got, sizeof got));
}

/* Keras adds or drops a last axis of length 1 where that makes the rank fit. */
static bool fit_rank(const graph *g, value input, ebb_view *view)
{
    const shape *want = graph_shape(g, input);

    if (view->rank == want->rank) return true;
    if (view->rank + 1 == want->rank && want->dims[want->rank - 1] == 1) {
        view->dims[view->rank++] = 1;
        return true;
    }
    if (view->rank == want->rank + 1 && view->dims[view->rank - 1] == 1) {
        view->rank--;
        return true;
    }
    return false;
}

ebb_status input_read(const graph *g, uint32_t index, const char *name, ebb_view *view,
                      int64_t *symbols, ebb_error *error)
{
    const value input = g->inputs[index];
    const shape *want = graph_shape(g, input);

    if (view->dtype == EBB_DTYPE_NONE) view->dtype = graph_value(g, input)->dtype;
    if (ebb_dtype_bytes(view->dtype) == 0) {
        return fail(error, EBB_E_DTYPE, name, "input %u: %d is no data type of EBB_DTYPE_MAP",
                    index, (int)view->dtype);
    }
    if (view->rank > EBB_RANK_MAX || !fit_rank(g, input, view))
        return shape_fault(g, index, name, view, error);
    for (uint32_t i = 0; i < want->rank; i++) {
        const int64_t length = view->dims[i], symbol = dim_symbol_number(g, want->dims[i]);
        if (length < 0 || (symbol < 0 && length != want->dims[i]))
            return shape_fault(g, index, name, view, error);
        if (symbol < 0) continue;
        if (symbols[symbol] >= 0 && symbols[symbol] != length) {
            return fail(error, EBB_E_SHAPE, name,
                        "input %u has %" PRId64 " rows where another input has %" PRId64
                        "; give every input the same number",
                        index, length, symbols[symbol]);
        }
        symbols[symbol] = length;
    }
    return EBB_OK;
}

static ebb_status read_inputs(prediction *p, const ebb_views *inputs, bool needs_data,
                              ebb_error *error)
{
    const uint32_t count = p->m->built->input_count;

    if (inputs == NULL || inputs->count != count || (count > 0 && inputs->items == NULL)) {
        return fail(error, EBB_E_ARGUMENT, p->m->info.name, "expected %u inputs, got %zu", count,
                    inputs == NULL ? (size_t)0 : inputs->count);
    }
    for (uint32_t i = 0; i < SYMBOLS_MAX && i < dim_symbol_count(p->m->built->graph); i++)
        p->symbols[i] = -1;
    for (uint32_t i = 0; i < count; i++) {
        p->inputs[i] = inputs->items[i];
        const ebb_status status = input_read(p->m->built->graph, i, p->m->built->inputs[i].name,
                                             &p->inputs[i], p->symbols, error);
        if (status != EBB_OK) return status;
        if (needs_data && inputs->items[i].data == NULL) {
            return fail(error, EBB_E_ARGUMENT, p->m->built->inputs[i].name, "input %u has no data",
                        i);
        }
    }
    p->rows = p->m->batch_symbol < 0 ? -1 : p->symbols[p->m->batch_symbol];
    if (p->rows != 0) return EBB_OK;
    return fail(error, EBB_E_SHAPE, p->m->info.name,
                "the batch is empty: expected at least 1 row, got 0");
}

/* -- outputs --------------------------------------------------------------------------------------
 */

static bool overlaps(const ebb_view *a, const ebb_view *b)
{
    const uintptr_t begin_a = (uintptr_t)a->data, begin_b = (uintptr_t)b->data;
    return begin_a < begin_b + ebb_view_bytes(b) && begin_b < begin_a + ebb_view_bytes(a);
}

static ebb_status read_output(prediction *p, const executable *e, uint32_t index, ebb_error *error)
{
    const model *m = p->m;
    ebb_view *view = &p->outputs[index];
    tensor_desc want = e->outputs[index];
    char expected[160], got[160];

    if (m->is_row_wise && want.rank > 0) want.dims[0] = p->rows;
    if (view->dtype == EBB_DTYPE_NONE) view->dtype = want.dtype;
    if (ebb_dtype_bytes(view->dtype) == 0) {
        return fail(error, EBB_E_DTYPE, m->built->outputs[index].name,
                    "output %u: %d is no data type of EBB_DTYPE_MAP", index, (int)view->dtype);
    }
    if (view->data == NULL) {
        return fail(error, EBB_E_ARGUMENT, m->built->outputs[index].name, "output %u has no memory",
                    index);
    }
    if (view->rank != 0 && (view->rank != want.rank ||
                            memcmp(view->dims, want.dims, want.rank * sizeof want.dims[0]) != 0)) {
        return fail(error, EBB_E_SHAPE, m->built->outputs[index].name,
                    "output %u: the result has shape %s, the view %s", index,
                    dims_text(want.rank, want.dims, expected, sizeof expected),
                    dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims,
                              got, sizeof got));
    }
    view->rank = want.rank;
    memcpy(view->dims, want.dims, sizeof view->dims);
    for (uint32_t i = 0; i < m->built->input_count; i++) {
        if (!overlaps(view, &p->inputs[i])) continue;
        return fail(error, EBB_E_ARGUMENT, m->built->outputs[index].name,
                    "output %u overlaps input %u in memory; give it memory of its own", index, i);
    }
    return EBB_OK;
}

static ebb_status read_outputs(prediction *p, const executable *e, const ebb_views *outputs,
                               ebb_error *error)
{
    const uint32_t count = p->m->built->output_count;

    if (outputs == NULL || outputs->count != count || (count > 0 && outputs->items == NULL)) {
        return fail(error, EBB_E_ARGUMENT, p->m->info.name, "expected %u outputs, got %zu", count,
                    outputs == NULL ? (size_t)0 : outputs->count);
    }
    for (uint32_t i = 0; i < count; i++) {
        p->outputs[i] = outputs->items[i];
        const ebb_status status = read_output(p, e, i, error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* -- running --------------------------------------------------------------------------------------
 */

typedef struct pass {
    executable *e;
    uint32_t lane;
    const ebb_view *inputs, *outputs;
} pass;

static void run_pass(void *context)
{
    const pass *p = context;
    executable_run(p->e, p->lane, p->inputs, p->outputs);
}

static void advance(ebb_view *views, uint32_t count, int64_t rows)
{
    for (uint32_t i = 0; i < count; i++) {
        ebb_view *view = &views[i];
        if (view->rank == 0) continue;
        const int64_t total = view->dims[0];
        const uint64_t bytes = total == 0 ? 0 : ebb_view_bytes(view) / (uint64_t)total;
        view->data = (uint8_t *)view->data + bytes * (uint64_t)rows;
        view->dims[0] = total - rows;
    }
}

static void run_on(model *m, executable *e, uint32_t lane_index, prediction *p)
{
    pass now = {e, lane_index, p->inputs, p->outputs};

    if (e->threads > 1)
        executor_run(&m->owner->executor, run_pass, &now);
    else
        run_pass(&now);
}

/* The executables of a prediction: full passes, and the rows that remain after them. */
typedef struct pass_plan {
    executable *full, *rest;
    plan_entry *full_entry, *rest_entry;
    int64_t full_rows, rest_rows, full_count;
} pass_plan;

static ebb_status find_passes(prediction *p, uint32_t lane_index, pass_plan *plan, ebb_error *error)
{
    model *m = p->m;
    const int64_t largest =
        m->is_row_wise && p->rows > (int64_t)m->info.batch ? (int64_t)m->info.batch : p->rows;
    ebb_status status;

    *plan = (pass_plan){0};
    plan->full_rows = largest;
    plan->full_count = p->rows < 0 ? 1 : p->rows / largest;
    plan->rest_rows = p->rows < 0 ? 0 : p->rows % largest;
    if (m->batch_symbol >= 0) p->symbols[m->batch_symbol] = plan->full_rows;
    status = plans_find(m, p->symbols, lane_index, &plan->full, &plan->full_entry, error);
    if (status != EBB_OK || plan->rest_rows == 0) return status;
    p->symbols[m->batch_symbol] = plan->rest_rows;
    return plans_find(m, p->symbols, lane_index, &plan->rest, &plan->rest_entry, error);
}

/* Everything that can fail comes before the first pass: outputs are written only on success. */
static ebb_status run_passes(prediction *p, uint32_t lane_index, const ebb_views *outputs,
                             ebb_error *error)
{
    model *m = p->m;
    pass_plan plan;
    ebb_status status = find_passes(p, lane_index, &plan, error);

    if (status == EBB_OK) status = read_outputs(p, plan.full, outputs, error);
    for (int64_t i = 0; status == EBB_OK && i < plan.full_count; i++) {
        if (i > 0) {
            advance(p->inputs, m->built->input_count, plan.full_rows);
            advance(p->outputs, m->built->output_count, plan.full_rows);
        }
        run_on(m, plan.full, lane_index, p);
    }
    if (status == EBB_OK && plan.rest != NULL) {
        advance(p->inputs, m->built->input_count, plan.full_rows);
        advance(p->outputs, m->built->output_count, plan.full_rows);
        run_on(m, plan.rest, lane_index, p);
    }
    plans_release(m, plan.full_entry);
    plans_release(m, plan.rest_entry);
    return status;
}

ebb_status model_predict(model *m, const ebb_views *inputs, const ebb_views *outputs,
                         ebb_error *error)
{
    prediction p;

    p.m = m;
    ebb_status status = training_publish(m, error);
    if (status == EBB_OK) status = read_inputs(&p, inputs, true, error);
    if (status != EBB_OK) return status;
    const uint64_t begin = profiler_begin(m->owner);
    if (m->states != NULL) training_wait(m);
    const uint32_t lane_index = lane_take(m);
    status = run_passes(&p, lane_index, outputs, error);
    lane_release(m, lane_index);
    if (m->states != NULL) pthread_mutex_unlock(&m->training_mutex);
    profiler_end(m->owner, TIMELINE_PREDICT, m->info.name, begin);
    if (status == EBB_E_MEMORY)
        log_line(&m->owner->log, EBB_LOG_WARNING, "%s: a prediction found no memory%s%s",
                 m->info.name, error != NULL ? ": " : "", error != NULL ? error->text : "");
    return status;
}

ebb_status model_output_shapes(model *m, const ebb_views *inputs, ebb_view *outputs, size_t count,
                               ebb_error *error)
{
    const graph *g = m->built->graph;
    prediction p;

    p.m = m;
    ebb_status status = read_inputs(&p, inputs, false, error);
    if (status != EBB_OK) return status;
    if (count != p.m->built->output_count || outputs == NULL) {
        return fail(error, EBB_E_ARGUMENT, m->info.name, "expected %u outputs, got %zu",
                    p.m->built->output_count, count);
    }
    region *work = region_open(m->owner->root, "shapes", EBB_CLASS_SCRATCH, 0);
    int64_t *values = work == NULL ? NULL : region_new(work, int64_t, dim_count(g) + 1);
    if (values == NULL) {
        status = region_fail(m->owner->root, error, m->info.name, "shapes");
    } else {
        status = dim_evaluate(g, p.symbols, values, error);
    }
    for (uint32_t i = 0; status == EBB_OK && i < p.m->built->output_count; i++) {
        const shape *s = graph_shape(g, g->outputs[i]);
        outputs[i].dtype = graph_value(g, g->outputs[i])->dtype;
        outputs[i].rank = s->rank;
        for (uint32_t k = 0; k < s->rank; k++) outputs[i].dims[k] = dim_value(s->dims[k], values);
    }
    region_close(work);
    return status;
}
