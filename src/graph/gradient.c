/* gradient.c -- see gradient.h. */
#include "graph/gradient.h"

#include "graph/op/gradient_rule.h"
#include "tensor/dtype.h"

typedef struct reverse {
    graph *g;
    uint32_t node_count, value_count; /* of the forward part */
    bool *reaches;                    /* by value: depends on a wanted value */
    value *gradients;                 /* by value: what has come together so far */
} reverse;

/* -- shapes ----------------------------------------------------------------------------------- */

value gradient_sum_to(graph *g, value d, const shape *to)
{
    const shape from = *graph_shape(g, d);
    const uint32_t added = from.rank - to->rank;
    uint32_t axes = 0;

    if (!graph_ok(g)) return VALUE_NONE;
    for (uint32_t i = 0; i < from.rank; i++) {
        const bool is_stretched = i >= added && to->dims[i - added] == 1 && from.dims[i] != 1;
        if (i < added || is_stretched) axes |= 1u << i;
    }
    if (axes != 0) d = op_reduce(g, REDUCE_SUM, d, axes, false);
    return graph_ok(g) && shape_equal(graph_shape(g, d), to) ? d : op_reshape(g, d, to);
}

value gradient_scale(graph *g, value d, float alpha)
{
    return op_unary_with(g, (unary_attributes){.kind = UNARY_AFFINE, .alpha = alpha}, d);
}

value gradient_zeros(graph *g, const shape *like)
{
    return op_broadcast(g, graph_scalar(g, 0.0f), like);
}

/* -- accumulation ----------------------------------------------------------------------------- */

static void accumulate(reverse *r, value v, value d)
{
    graph *const g = r->g;

    if (!graph_ok(g) || d == VALUE_NONE) return;
    if (!shape_equal(graph_shape(g, d), graph_shape(g, v)))
        d = op_reshape(g, d, graph_shape(g, v)); /* equal at the call, or refused there */
    r->gradients[v] = r->gradients[v] == VALUE_NONE ? d : op_add(g, r->gradients[v], d);
}

static bool node_reaches(const reverse *r, const node *n)
{
    if (n->is_dead || op_find(n->op)->gradient == NULL) return false;
    for (uint32_t k = 0; k < n->input_count; k++)
        if (r->reaches[n->inputs[k]]) return true;
    return false;
}

static void mark_reached(reverse *r, const value *wrt, uint32_t wrt_count)
{
    const graph *const g = r->g;

    for (uint32_t i = 0; i < wrt_count; i++)
        r->reaches[wrt[i]] = dtype_is_float(graph_value(g, wrt[i])->dtype);
    for (uint32_t i = 0; i < r->node_count; i++) {
        const node *n = &g->nodes[i];
        if (!node_reaches(r, n)) continue;
        for (uint32_t k = 0; k < n->output_count; k++)
            r->reaches[n->outputs[k]] |= dtype_is_float(graph_value(g, n->outputs[k])->dtype);
    }
    r->reaches[VALUE_NONE] = false;
}

/* Passes the gradients of a node's outputs on to its inputs. */
static void differentiate(reverse *r, uint32_t index)
{
    graph *const g = r->g;
    const node n = g->nodes[index]; /* building moves g->nodes */
    value outputs[OP_OUTPUTS_MAX] = {VALUE_NONE}, inputs[OP_INPUTS_MAX] = {VALUE_NONE};
    bool any = false;

    if (!node_reaches(r, &n)) return;
    for (uint32_t k = 0; k < n.output_count; k++) {
        outputs[k] = r->gradients[n.outputs[k]];
        any |= outputs[k] != VALUE_NONE;
    }
    if (!any) return;
    for (uint32_t k = 0; k < n.input_count; k++)
        if (r->reaches[n.inputs[k]]) inputs[k] = GRADIENT_WANTED;
    g->scope = n.name;
    if (!op_find(n.op)->gradient(g, &n, outputs, inputs)) return;
    for (uint32_t k = 0; k < n.input_count; k++)
        if (inputs[k] != GRADIENT_WANTED && r->reaches[n.inputs[k]])
            accumulate(r, n.inputs[k], inputs[k]);
}

static void seed(reverse *r, value output, value given)
{
    graph *const g = r->g;

    if (!r->reaches[output]) return;
    if (given == VALUE_NONE) given = op_broadcast(g, graph_scalar(g, 1.0f), graph_shape(g, output));
    accumulate(r, output, given);
}

static bool check_values(graph *g, const value *values, uint32_t count, const char *what)
{
    for (uint32_t i = 0; i < count && graph_ok(g); i++)
        if (values[i] == VALUE_NONE || values[i] >= g->value_count)
            return graph_fault(g, EBB_E_ARGUMENT, "gradients: %s %u is no value of this graph",
                               what, i);
    return graph_ok(g);
}

bool graph_gradients(graph *g, const value *outputs, const value *seeds, uint32_t output_count,
                     const value *wrt, value *gradients, uint32_t wrt_count)
{
    const char *const scope = g->scope;

    for (uint32_t i = 0; i < wrt_count; i++) gradients[i] = VALUE_NONE;
    if (!check_values(g, outputs, output_count, "output") ||
        !check_values(g, wrt, wrt_count, "variable"))
        return false;
    region *const work = region_open(g->home, "gradients", EBB_CLASS_SCRATCH, 0);
    reverse r = {.g = g, .node_count = g->node_count, .value_count = g->value_count};
    if (work != NULL) {
        r.reaches = region_new(work, bool, r.value_count);
        r.gradients = region_new(work, value, r.value_count);
    }
    if (r.reaches == NULL || r.gradients == NULL) {
        (void)region_fail(g->home, &g->error, "gradients", "the list of values");
        region_close(work);
        return false;
    }
    mark_reached(&r, wrt, wrt_count);
    for (uint32_t i = 0; i < output_count; i++)
        seed(&r, outputs[i], seeds == NULL ? VALUE_NONE : seeds[i]);
    for (uint32_t i = r.node_count; i-- > 0 && graph_ok(g);) differentiate(&r, i);
    for (uint32_t i = 0; i < wrt_count && graph_ok(g); i++) gradients[i] = r.gradients[wrt[i]];
    g->scope = scope;
    region_close(work);
    return graph_ok(g);
}
