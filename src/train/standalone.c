/* standalone.c -- see standalone.h. */
#include "train/standalone.h"

#include <string.h>

#include "base/status.h"
#include "device/device.h"
#include "exec/fold.h"
#include "graph/gradient.h"
#include "json/json.h"
#include "tensor/dtype.h"
#include "tensor/view.h"
#include "train/loss/loss.h"
#include "train/metric/metric.h"
#include "train/schedule/schedule_number.h"

/* One computation. */
typedef struct sheet {
    region *work;
    device device;
    bool has_device;
    graph *g;
    const ebb_view *variables; /* by weight index of the graph */
    ebb_error *error;
} sheet;

static ebb_status sheet_open(region *home, sheet *s, ebb_error *error)
{
    const device_options portable = {.isa = "portable", .no_jit = true, .threads = 1};

    *s = (sheet){.error = error};
    s->work = region_open(home, "standalone", EBB_CLASS_SCRATCH, 0);
    s->g = s->work == NULL ? NULL : graph_open(s->work);
    if (s->g == NULL)
        return region_fail(s->work != NULL ? s->work : home, error, "standalone", "a graph");
    s->device.def = device_def_find("CPU");
    const ebb_status status = s->device.def->open(&s->device, &portable, error);
    s->has_device = status == EBB_OK;
    return status;
}

static void sheet_close(sheet *s)
{
    if (s->has_device && s->device.def->close != NULL) s->device.def->close(&s->device);
    region_close(s->work);
}

static ebb_status sheet_status(const sheet *s)
{
    if (graph_ok(s->g)) return EBB_OK;
    if (s->error != NULL) *s->error = s->g->error;
    return s->g->error.status;
}

ebb_status standalone_text_read(region *home, const char *what, const char *text,
                                const json **result, ebb_error *error)
{
    if (text == NULL || *text == '\0')
        return fail(error, EBB_E_ARGUMENT, what, "expected a name or an object, got nothing");
    if (*text == '{' || *text == '"')
        return json_read(home, text, strlen(text), what, result, error);
    json *name = region_new(home, json, 1);
    if (name == NULL) return region_fail(home, error, what, "its name");
    *name = (json){.kind = JSON_STRING, .count = (uint32_t)strlen(text), .as.string = text};
    *result = name;
    return EBB_OK;
}

/* The same in the sheet's region. */
static ebb_status text_read(const sheet *s, const char *what, const char *text, const json **result)
{
    return standalone_text_read(s->work, what, text, result, s->error);
}

/* -- operands ---------------------------------------------------------------------------------- */

static ebb_dtype computed_type(ebb_dtype given)
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

/* The array as a constant of a type that graphs compute with. */
static ebb_status operand_take(const sheet *s, const char *name, const ebb_view *view,
                               value *result)
{
    *result = VALUE_NONE;
    if (view == NULL) return EBB_OK;
    const uint64_t bytes = ebb_view_bytes(view);
    if (ebb_dtype_bytes(view->dtype) == 0 || view->rank > EBB_RANK_MAX || view->data == NULL ||
        bytes == UINT64_MAX || bytes == 0) {
        return fail(s->error, EBB_E_ARGUMENT, name,
                    "expected an array with at least one element, of a type that exists");
    }
    const ebb_dtype dtype = computed_type(view->dtype);
    const uint64_t count = bytes / ebb_dtype_bytes(view->dtype);
    const void *data = view->data;
    if (dtype != view->dtype) {
        void *converted = region_block(s->work, (size_t)(count * ebb_dtype_bytes(dtype)));
        if (converted == NULL) return region_fail(s->work, s->error, name, "a copy");
        dtype_convert(dtype, converted, view->dtype, view->data, count);
        data = converted;
    }
    shape as = {.rank = view->rank};
    for (uint32_t i = 0; i < as.rank; i++) as.dims[i] = view->dims[i];
    *result = graph_constant_lent(s->g, dtype, &as, data);
    return sheet_status(s);
}

typedef struct operand_values {
    value y_true, y_pred, sample_weight;
} operand_values;

static ebb_status operands_take(const sheet *s, const ebb_operands *operands, operand_values *v)
{
    ebb_status status = operand_take(s, "y_true", operands->y_true, &v->y_true);

    if (status == EBB_OK) status = operand_take(s, "y_pred", operands->y_pred, &v->y_pred);
    if (status == EBB_OK)
        status = operand_take(s, "sample_weight", operands->sample_weight, &v->sample_weight);
    return status;
}

/* -- results ----------------------------------------------------------------------------------- */

static ebb_status leaf_read(void *context, region *scratch, value v, const void **bytes,
                            ebb_error *error)
{
    const sheet *s = context;
    const value_info *info = graph_value(s->g, v);

    (void)scratch;
    *bytes = info->kind == VALUE_WEIGHT ? s->variables[info->index].data : info->data;
    if (*bytes != NULL) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, "variables", "variable %u has no data", info->index);
}

/* Type and shape of the value; its elements too if the view has memory. */
static ebb_status give(sheet *s, value v, ebb_view *view)
{
    const tensor_desc d = desc_of_constant(s->g, v);
    const fold_leaf leaf = {leaf_read, s};
    const void *bytes = NULL;

    view->dtype = d.dtype;
    view->rank = d.rank;
    memcpy(view->dims, d.dims, sizeof view->dims);
    if (view->data == NULL) return EBB_OK;
    if (graph_value(s->g, v)->kind == VALUE_RESULT)
        return fold_evaluate(&s->device, s->g, v, s->work, &leaf, view->data, s->error);
    const ebb_status status = leaf_read(s, s->work, v, &bytes, s->error);
    if (status == EBB_OK) memcpy(view->data, bytes, tensor_desc_bytes(&d));
    return status;
}

/* -- losses ------------------------------------------------------------------------------------ */

static ebb_status losses_emit(sheet *s, const char *text, const ebb_operands *operands,
                              operand_values *operand, value *losses)
{
    operand_values v;
    const json *given = NULL;
    loss l;
    ebb_status status = text_read(s, "loss", text, &given);

    if (status == EBB_OK && (operands->y_true == NULL || operands->y_pred == NULL))
        status = fail(s->error, EBB_E_ARGUMENT, "loss", "expected y_true and y_pred");
    if (status == EBB_OK) status = loss_read(s->work, given, "loss", &l, s->error);
    if (status == EBB_OK) status = operands_take(s, operands, &v);
    if (status != EBB_OK) return status;
    *losses = loss_emit(
        s->g, &l,
        &(loss_operands){.y_true = v.y_true, .y_pred = v.y_pred, .sample_weight = v.sample_weight});
    *operand = v;
    return sheet_status(s);
}

static ebb_status loss_of(sheet *s, const char *text, const ebb_operands *operands,
                          ebb_view *result)
{
    operand_values v;
    value losses = VALUE_NONE;
    const ebb_status status = losses_emit(s, text, operands, &v, &losses);

    return status == EBB_OK ? give(s, losses, result) : status;
}

ebb_status standalone_loss(region *home, const char *text, const ebb_operands *operands,
                           ebb_view *result, ebb_error *error)
{
    sheet s;
    ebb_status status = sheet_open(home, &s, error);

    if (status == EBB_OK) status = loss_of(&s, text, operands, result);
    sheet_close(&s);
    return status;
}

/* -- gradients of losses ----------------------------------------------------------------------- */

static ebb_status like_check(const sheet *s, const char *what, value like, const ebb_view *view)
{
    const tensor_desc d = desc_of_constant(s->g, like);
    char expected[160], got[160];

    if (view->rank == d.rank && memcmp(view->dims, d.dims, d.rank * sizeof *d.dims) == 0)
        return EBB_OK;
    return fail(s->error, EBB_E_SHAPE, what, "expected shape %s, got %s",
                dims_text(d.rank, d.dims, expected, sizeof expected),
                dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims, got,
                          sizeof got));
}

/* What the gradient of the losses is taken to be; VALUE_NONE: ones. */
static ebb_status seed_take(const sheet *s, const ebb_view *upstream, value losses, value *seed)
{
    ebb_status status = operand_take(s, "upstream", upstream, seed);

    if (status != EBB_OK || *seed == VALUE_NONE) return status;
    status = like_check(s, "upstream", losses, upstream);
    *seed = op_cast(s->g, *seed, EBB_F32);
    return status == EBB_OK ? sheet_status(s) : status;
}

static ebb_status gradient_give(sheet *s, value wanted, value of, const ebb_view *gradient)
{
    if (wanted == VALUE_NONE) {
        return fail(s->error, EBB_E_UNSUPPORTED, "loss",
                    "nothing that has a gradient leads from y_pred (%s) to the loss",
                    ebb_dtype_name(graph_value(s->g, of)->dtype));
    }
    ebb_view made = {.data = gradient->data};
    return give(s, wanted, &made);
}

static ebb_status loss_gradient_of(sheet *s, const char *text, const ebb_operands *operands,
                                   const ebb_view *upstream, const ebb_view *gradient)
{
    operand_values v;
    value losses = VALUE_NONE, seed = VALUE_NONE, wanted = VALUE_NONE;
    ebb_status status = losses_emit(s, text, operands, &v, &losses);

    if (status == EBB_OK) status = like_check(s, "gradient", v.y_pred, gradient);
    if (status == EBB_OK) status = seed_take(s, upstream, losses, &seed);
    if (status != EBB_OK) return status;
    (void)graph_gradients(s->g, &losses, &seed, 1, &v.y_pred, &wanted, 1);
    status = sheet_status(s);
    return status == EBB_OK ? gradient_give(s, wanted, v.y_pred, gradient) : status;
}

ebb_status standalone_loss_gradient(region *home, const char *text, const ebb_operands *operands,
                                    const ebb_view *upstream, const ebb_view *gradient,
                                    ebb_error *error)
{
    sheet s;

    if (gradient->data == NULL)
        return fail(error, EBB_E_ARGUMENT, "gradient", "expected memory for the gradient");
    if (gradient->dtype != EBB_F32 && gradient->dtype != EBB_DTYPE_NONE) {
        return fail(error, EBB_E_DTYPE, "gradient", "expected float32, got %s",
                    ebb_dtype_name(gradient->dtype));
    }
    ebb_status status = sheet_open(home, &s, error);
    if (status == EBB_OK) status = loss_gradient_of(&s, text, operands, upstream, gradient);
    sheet_close(&s);
    return status;
}

/* -- metrics ----------------------------------------------------------------------------------- */

/* What the variables are after the update; without operands, what they are. */
static ebb_status update_emit(sheet *s, metric *m, const ebb_operands *operands,
                              const ebb_view *variables, size_t count)
{
    train_emit emit = {.graph = s->g, .home = s->work};
    operand_values v;
    const ebb_status status = operands_take(s, operands, &v);

    if (status != EBB_OK) return status;
    if (v.y_pred != VALUE_NONE) {
        metric_update(&emit, m,
                      &(metric_operands){.y_true = v.y_true,
                                         .y_pred = v.y_pred,
                                         .sample_weight = v.sample_weight});
        return sheet_status(s);
    }
    for (size_t i = 0; i < count && i < METRIC_VARIABLES_MAX; i++) {
        m->next[i] = train_variable_new(&emit, "variable", variables[i].dtype, variables[i].rank,
                                        variables[i].dims, 0);
        m->variable_count++;
    }
    return sheet_status(s);
}

/* New values into memory of our own first: a failure leaves the variables alone. */
static ebb_status update_give(sheet *s, const metric *m, ebb_view *variables)
{
    ebb_view made[METRIC_VARIABLES_MAX];
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < m->variable_count && status == EBB_OK; i++) {
        const tensor_desc d = desc_of_constant(s->g, m->next[i]);
        made[i] = (ebb_view){.data = region_block(s->work, tensor_desc_bytes(&d) + 1)};
        status = made[i].data == NULL ? region_fail(s->work, s->error, m->name, "its variables")
                                      : give(s, m->next[i], &made[i]);
    }
    for (uint32_t i = 0; i < m->variable_count && status == EBB_OK; i++)
        memcpy(variables[i].data, made[i].data, ebb_view_bytes(&made[i]));
    return status;
}

static ebb_status metric_of(sheet *s, const char *text, const ebb_operands *operands,
                            ebb_view *variables, size_t *count, ebb_view *result)
{
    const bool updates = operands->y_pred != NULL;
    const json *given = NULL;
    metric m;
    ebb_status status = text_read(s, "metric", text, &given);

    if (status == EBB_OK) status = metric_read(s->work, given, "metric", &m, s->error);
    s->variables = variables;
    if (status == EBB_OK) status = update_emit(s, &m, operands, variables, *count);
    if (status != EBB_OK) return status;
    if (*count < m.variable_count)
        return fail(s->error, EBB_E_ARGUMENT, m.name, "%u variables, but room for %zu",
                    m.variable_count, *count);
    *count = m.variable_count;
    const bool computes = m.variable_count > 0 && variables[0].data != NULL;
    for (uint32_t i = 0; i < m.variable_count && !computes && status == EBB_OK; i++)
        status = give(s, m.next[i], &variables[i]);
    if (status == EBB_OK && result != NULL && m.variable_count > 0) {
        const value v = metric_result(s->g, &m, m.next);
        status = sheet_status(s);
        if (status == EBB_OK) status = give(s, v, result);
    }
    return status == EBB_OK && computes && updates ? update_give(s, &m, variables) : status;
}

ebb_status standalone_metric(region *home, const char *text, const ebb_operands *operands,
                             ebb_view *variables, size_t *count, ebb_view *result, ebb_error *error)
{
    sheet s;
    ebb_status status = sheet_open(home, &s, error);

    if (status == EBB_OK) status = metric_of(&s, text, operands, variables, count, result);
    sheet_close(&s);
    return status;
}

/* -- schedules --------------------------------------------------------------------------------- */

ebb_status standalone_schedule(region *home, const char *text, uint64_t step, double *rate,
                               ebb_error *error)
{
    const uint32_t at = step < UINT32_MAX ? (uint32_t)step : UINT32_MAX;
    const json *given = NULL;
    train_object schedule;
    sheet s;
    ebb_status status = sheet_open(home, &s, error);

    if (status == EBB_OK) status = text_read(&s, "schedule", text, &given);
    if (status == EBB_OK) status = schedule_read(s.work, given, "schedule", &schedule, error);
    if (status == EBB_OK)
        status = schedule_number(s.work, &s.device, &schedule, at, "schedule", rate, error);
    sheet_close(&s);
    return status;
}
