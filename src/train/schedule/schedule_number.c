/* schedule_number.c -- the schedule as a graph of constants, which is folded. */
#include "train/schedule/schedule_number.h"

#include "base/status.h"
#include "exec/fold.h"

static ebb_status constant_read(void *context, region *scratch, value v, const void **bytes,
                                ebb_error *error)
{
    const graph *g = context;

    (void)scratch;
    *bytes = graph_value(g, v)->data;
    if (*bytes != NULL) return EBB_OK;
    return fail(error, EBB_E_INTERNAL, "schedule", "value %u is no constant", v);
}

static ebb_status evaluate(graph *g, const device *device, value v, region *work, float *result,
                           ebb_error *error)
{
    const fold_leaf leaf = {constant_read, g};

    if (!graph_ok(g)) {
        if (error != NULL) *error = g->error;
        return g->error.status;
    }
    if (graph_value(g, v)->kind != VALUE_CONSTANT)
        return fold_evaluate(device, g, v, work, &leaf, result, error);
    *result = *(const float *)graph_value(g, v)->data;
    return EBB_OK;
}

ebb_status schedule_number(region *home, const device *device, const train_object *schedule,
                           uint32_t step, const char *where, double *rate, ebb_error *error)
{
    region *work = region_open(home, "schedule", EBB_CLASS_SCRATCH, 0);
    graph *g = work == NULL ? NULL : graph_open(work);
    const int32_t at = step < INT32_MAX ? (int32_t)step : INT32_MAX;
    float result = 0;
    ebb_status status;

    if (g == NULL) {
        status = region_fail(work != NULL ? work : home, error, where, "a schedule");
    } else {
        const value v = schedule_emit(g, schedule, graph_scalar_i32(g, at));
        status = evaluate(g, device, v, work, &result, error);
    }
    region_close(work);
    *rate = (double)result;
    return status;
}
