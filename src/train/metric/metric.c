/* metric.c -- variables, the weighted mean, and Mean and Sum themselves.
 *
 * How values and weights of other shapes come together: keras/src/metrics/reduction_metrics.py. */
#include "train/metric/metric.h"

#include "train/arithmetic.h"

void metric_add(metric_call *call, const char *name, value amount)
{
    metric *m = call->metric;
    const shape s = *graph_shape(call->graph, amount);

    if (!graph_ok(call->graph)) return;
    if (m->variable_count == METRIC_VARIABLES_MAX) {
        (void)graph_fail(call->graph, EBB_E_INTERNAL, "%s: too many variables", m->name);
        return;
    }
    for (uint32_t i = 0; i < s.rank; i++) {
        if (dim_known(s.dims[i])) continue;
        (void)graph_fail(call->graph, EBB_E_SHAPE, "%s: its variable %s has no fixed shape",
                         m->name, name);
        return;
    }
    if (m->variable_count == 0) m->variable_first = call->emit->variable_count;
    const value variable = train_variable_new(
        call->emit, name, graph_value(call->graph, amount)->dtype, s.rank, s.dims, 0);
    m->next[m->variable_count++] = op_add(call->graph, variable, amount);
}

/* Values one a sample, times their weights. *weights becomes one a sample as well; VALUE_NONE
 * stays. */
static value by_sample(graph *g, reduce_kind kind, value values, value *weights)
{
    if (*weights != VALUE_NONE) {
        *weights = arith_float(g, *weights);
        arith_same_rank(g, &values, weights, true);
        if (!graph_ok(g)) return VALUE_NONE;
        const uint32_t rank = graph_rank(g, *weights);
        values = arith_from(g, kind, values, rank);
        if (!graph_ok(g)) return VALUE_NONE;
        const shape to = *graph_shape(g, values);
        *weights = op_broadcast(g, *weights, &to);
        values = op_mul(g, values, *weights);
        *weights = arith_from(g, kind, *weights, 1);
    }
    return arith_from(g, kind, values, 1);
}

void metric_add_mean(metric_call *call, value values, value mask)
{
    graph *g = call->graph;
    value weights = call->sample_weight;

    if (!graph_ok(g)) return;
    if (weights != VALUE_NONE) weights = loss_apply_mask(g, weights, mask, false);
    values = by_sample(g, REDUCE_MEAN, arith_float(g, values), &weights);
    if (!graph_ok(g)) return;
    metric_add(call, "total", arith_all(g, REDUCE_SUM, values));
    metric_add(call, "count",
               weights != VALUE_NONE        ? arith_all(g, REDUCE_SUM, weights)
               : graph_rank(g, values) == 0 ? graph_scalar(g, 1)
                                            : arith_length(g, graph_dim(g, values, 0)));
}

static void update_by_values(metric_call *call)
{
    const metric_def *def = call->metric->def;
    graph *g = call->graph;
    value mask = VALUE_NONE;
    const value values = def->values(g, call->metric->config, call->y_true, call->y_pred, &mask);

    if (!graph_ok(g)) return;
    if (!def->ignores_mask)
        call->sample_weight = loss_apply_mask(g, call->sample_weight, call->mask, false);
    metric_add_mean(call, values, mask);
}

void metric_update(train_emit *e, metric *m, const metric_operands *operands)
{
    graph *g = e->graph;
    const char *scope = g->scope;
    metric_call call = {.emit = e,
                        .graph = g,
                        .metric = m,
                        .y_true = operands->y_true,
                        .y_pred = operands->y_pred,
                        .sample_weight = operands->sample_weight,
                        .mask = operands->mask};

    g->scope = m->name;
    m->variable_count = 0;
    if (m->def->update != NULL)
        m->def->update(&call);
    else
        update_by_values(&call);
    g->scope = scope;
}

void metric_assign(train_emit *e, const metric *m)
{
    for (uint32_t i = 0; i < m->variable_count && graph_ok(e->graph); i++)
        train_assign(e, e->variables[m->variable_first + i].v, m->next[i]);
}

value metric_result(graph *g, const metric *m, const value *variables)
{
    const char *scope = g->scope;
    value result;

    g->scope = m->name;
    result = m->def->result != NULL ? m->def->result(g, m, variables)
                                    : arith_divide_no_nan(g, variables[0], variables[1]);
    g->scope = scope;
    return graph_ok(g) ? result : VALUE_NONE;
}

void metric_variables(graph *g, const train_emit *e, const metric *m, value *variables)
{
    for (uint32_t i = 0; i < m->variable_count; i++) {
        const train_variable *from = &e->variables[m->variable_first + i];
        shape s = {.rank = from->rank};

        for (uint32_t k = 0; k < s.rank; k++) s.dims[k] = from->dims[k];
        variables[i] = graph_variable(g, from->dtype, &s, e->weight_first + m->variable_first + i);
    }
}

/* -- Mean and Sum ------------------------------------------------------------------------------ */

static void mean_update(metric_call *call)
{
    metric_add_mean(call, call->y_pred, VALUE_NONE);
}

const metric_def metric_def_mean = {
    .entry = {.name = "Mean"},
    .default_name = "mean",
    .update = mean_update,
};

static void sum_update(metric_call *call)
{
    graph *g = call->graph;
    value weights = call->sample_weight;
    const value values = by_sample(g, REDUCE_SUM, arith_float(g, call->y_pred), &weights);

    metric_add(call, "total", arith_all(g, REDUCE_SUM, values));
}

static value sum_result(graph *g, const metric *m, const value *variables)
{
    (void)g;
    (void)m;
    return variables[0];
}

const metric_def metric_def_sum = {
    .entry = {.name = "Sum"},
    .default_name = "sum",
    .update = sum_update,
    .result = sum_result,
};
