/* op_fused.c -- fused: several elementwise nodes as one. Made by a pass after gradients are taken,
 * so it has none of its own. */
#include "graph/builder.h"

#include <stdio.h>

bool op_fused_takes(const shape *s, const shape *to)
{
    uint32_t first = 0;

    while (first < s->rank && s->dims[first] == 1) first++;
    if (s->rank - first > to->rank) return false;
    for (uint32_t i = first; i < s->rank; i++)
        if (s->dims[i] != to->dims[to->rank - s->rank + i]) return false;
    return true;
}

static uint32_t operand_count(fused_kind kind)
{
    return kind == FUSED_UNARY ? 1 : kind == FUSED_SELECT ? 3 : 2;
}

static bool function_is_known(const fused_step *s)
{
    switch (s->kind) {
    case FUSED_UNARY:
    case FUSED_SLOPE: return s->function < UNARY_LOGICAL_NOT;
    case FUSED_BINARY:
        return s->function < BINARY_COUNT && s->function != BINARY_AND &&
               s->function != BINARY_OR && s->function != BINARY_XOR;
    case FUSED_COMPARE: return s->function <= COMPARE_GREATER_EQUAL;
    case FUSED_SELECT: return true;
    }
    return false;
}

static bool check_steps(graph *g, const node *n)
{
    const fused_attributes *a = n->attributes;

    if (a->step_count == 0 || a->step_count > FUSED_STEPS_MAX || a->result_count == 0 ||
        a->result_count > FUSED_RESULTS_MAX || n->input_count > FUSED_INPUTS_MAX)
        return graph_fault(g, EBB_E_ARGUMENT, "fused: %u inputs, %u steps, %u results",
                           n->input_count, a->step_count, a->result_count);
    for (uint32_t i = 0; i < a->step_count; i++) {
        const fused_step *s = &a->steps[i];
        const uint32_t operands[] = {s->a, s->b, s->c};

        if (!function_is_known(s))
            return graph_fault(g, EBB_E_ARGUMENT, "fused: step %u has no such function", i);
        for (uint32_t k = 0; k < operand_count(s->kind); k++)
            if (operands[k] >= n->input_count + i)
                return graph_fault(g, EBB_E_ARGUMENT, "fused: step %u reads register %u", i,
                                   operands[k]);
    }
    for (uint32_t i = 0; i < a->result_count; i++) {
        const fused_result *r = &a->results[i];

        if (r->source < n->input_count || r->source >= n->input_count + a->step_count ||
            (r->dtype != EBB_F32 && (r->dtype != EBB_BOOL || r->summed_axes > 0)))
            return graph_fault(g, EBB_E_ARGUMENT, "fused: result %u is no step's", i);
    }
    return true;
}

/* The axes that a sum leaves. */
static bool sum_shape(graph *g, const fused_result *r, uint32_t *summed_axes, const shape *all,
                      shape *s)
{
    if (r->summed_axes > all->rank || (*summed_axes != 0 && r->summed_axes != *summed_axes))
        return graph_fault(g, EBB_E_ARGUMENT, "fused: a sum over %u axes of %u", r->summed_axes,
                           all->rank);
    *summed_axes = r->summed_axes;
    *s = (shape){.rank = all->rank - r->summed_axes};
    for (uint32_t i = 0; i < s->rank; i++) s->dims[i] = all->dims[r->summed_axes + i];
    return true;
}

static bool fused_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const fused_attributes *a = n->attributes;
    shape all = {.rank = 0};
    uint32_t summed_axes = 0;

    if (!check_steps(g, n)) return false;
    for (uint32_t i = 0; i < n->input_count; i++) {
        const value_info *info = graph_value(g, n->inputs[i]);

        if (info->dtype != EBB_F32 && info->dtype != EBB_BOOL)
            return expect_dtype(g, "fused", "an input", n->inputs[i], EBB_F32);
        if (!shape_broadcast(g, &all, &info->shape, &all)) return false;
    }
    for (uint32_t i = 0; i < n->input_count; i++)
        if (!op_fused_takes(graph_shape(g, n->inputs[i]), &all))
            return shape_fault(g, "fused", "an input does not go with the results",
                               graph_shape(g, n->inputs[i]), &all);
    for (uint32_t i = 0; i < FUSED_RESULTS_MAX; i++) {
        const bool is_used = i < a->result_count;

        dtypes[i] = is_used ? a->results[i].dtype : EBB_F32;
        shapes[i] = is_used ? all : (shape){.rank = 1};
        if (is_used && a->results[i].summed_axes > 0 &&
            !sum_shape(g, &a->results[i], &summed_axes, &all, &shapes[i]))
            return false;
    }
    return true;
}

static uint64_t fused_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const fused_attributes *a = n->attributes;

    uint64_t most = 0;

    for (uint32_t i = 0; i < n->input_count; i++) {
        const uint64_t count = shape_count_at(graph_shape(g, n->inputs[i]), dim_values);
        most = count > most ? count : most;
    }
    return a->step_count * most;
}

static void fused_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const fused_attributes *a = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "%u steps, %u results", a->step_count, a->result_count);
}

const op_def op_def_fused = {.name = "fused",
                             .attribute_bytes = sizeof(fused_attributes),
                             .inputs_min = 1,
                             .inputs_max = OP_INPUTS_MAX,
                             .output_count = FUSED_RESULTS_MAX,
                             .infer = fused_infer,
                             .flops = fused_flops,
                             .describe = fused_describe};

value op_fused(graph *g, const value *inputs, uint32_t input_count,
               const fused_attributes *attributes)
{
    return graph_node(g, OP_fused, inputs, input_count, attributes);
}
