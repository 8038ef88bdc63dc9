/* op_scan.c -- scan: a graph of its own run once for each step of a sequence. The body's lengths
 * are expressions over its own symbols; they are told by the shapes of the node's inputs. */
#include "graph/op/gradient_rule.h"

#include <stdio.h>

#include "base/size.h"

/* What scan_infer() knows while it looks at one node. */
typedef struct matching {
    graph *graph;
    const scan_attributes *a;
    const graph *body;
    dim symbols[SCAN_SYMBOLS_MAX]; /* of the body: lengths here; DIM_UNSET: not met yet */
} matching;
#define DIM_UNSET INT64_MIN

static uint32_t body_depth(const graph *body, uint32_t depth)
{
    uint32_t deepest = depth;

    for (uint32_t i = 0; i < body->node_count && depth <= SCAN_DEPTH_MAX; i++) {
        const node *n = &body->nodes[i];
        if (n->is_dead || n->op != OP_scan) continue;
        const uint32_t inner =
            body_depth(((const scan_attributes *)n->attributes)->body, depth + 1);
        if (inner > deepest) deepest = inner;
    }
    return deepest;
}

static bool counts_fit(graph *g, const node *n)
{
    const scan_attributes *a = n->attributes;

    if (a->body == NULL || !graph_ok(a->body))
        return graph_fault(g, EBB_E_ARGUMENT, "scan: the body is missing or failed");
    if (dim_symbol_count(a->body) > SCAN_SYMBOLS_MAX)
        return graph_fault(g, EBB_E_UNSUPPORTED, "scan: more than %d unknown lengths",
                           SCAN_SYMBOLS_MAX);
    const uint32_t body_inputs = a->body->input_count - (a->has_index ? 1 : 0);
    if (a->carried + a->results == 0 || a->carried + a->results > OP_OUTPUTS_MAX ||
        a->carried + a->sequences > n->input_count || body_inputs != n->input_count ||
        a->body->output_count != a->carried + a->results || a->body->update_count > 0) {
        return graph_fault(g, EBB_E_ARGUMENT,
                           "scan: %u inputs, %u carried, %u sequences, %u results do not go with a "
                           "body of %u inputs and %u outputs",
                           n->input_count, a->carried, a->sequences, a->results,
                           a->body->input_count, a->body->output_count);
    }
    if (body_depth(a->body, 1) > SCAN_DEPTH_MAX)
        return graph_fault(g, EBB_E_UNSUPPORTED, "scan: more than %d loops inside each other",
                           SCAN_DEPTH_MAX);
    return true;
}

/* The shape that input `i` of the node gives to the body: an element of a sequence, or itself. */
static bool given_shape(const matching *m, const node *n, uint32_t i, shape *result)
{
    const shape *s = graph_shape(m->graph, n->inputs[i]);
    const bool is_sequence = i >= m->a->carried && i < m->a->carried + m->a->sequences;

    *result = *s;
    if (!is_sequence) return true;
    if (s->rank == 0)
        return graph_fault(m->graph, EBB_E_SHAPE, "scan: input %u has no axis of steps", i);
    (void)dim_make(m->graph, DIM_SAME, s->dims[0], m->a->steps);
    result->rank--;
    for (uint32_t k = 0; k < result->rank; k++) result->dims[k] = s->dims[k + 1];
    return true;
}

static bool match_input(matching *m, const node *n, uint32_t i)
{
    const value_info *inner = graph_value(m->body, m->body->inputs[i]);
    shape given;

    if (!given_shape(m, n, i, &given)) return false;
    if (inner->dtype != graph_value(m->graph, n->inputs[i])->dtype)
        return graph_fault(m->graph, EBB_E_DTYPE, "scan: the body takes %s as input %u, got %s",
                           ebb_dtype_name(inner->dtype), i,
                           ebb_dtype_name(graph_value(m->graph, n->inputs[i])->dtype));
    if (inner->shape.rank != given.rank)
        return graph_fault(m->graph, EBB_E_SHAPE,
                           "scan: the body takes %u axes as input %u, got %u", inner->shape.rank, i,
                           given.rank);
    for (uint32_t k = 0; k < given.rank; k++) {
        const int64_t symbol = dim_symbol_number(m->body, inner->shape.dims[k]);
        if (symbol >= 0 && m->symbols[symbol] == DIM_UNSET) m->symbols[symbol] = given.dims[k];
    }
    return true;
}

/* Lengths of a shape of the body as lengths here. */
static bool translate(matching *m, const shape *inner, shape *result)
{
    *result = (shape){.rank = inner->rank};
    for (uint32_t k = 0; k < inner->rank; k++)
        result->dims[k] = dim_translate(m->graph, m->body, inner->dims[k], m->symbols);
    return graph_ok(m->graph);
}

/* Every length of the body's inputs is that of what is given, now or when it is evaluated. */
static bool check_input(matching *m, const node *n, uint32_t i)
{
    shape given, wanted;

    if (!given_shape(m, n, i, &given) ||
        !translate(m, graph_shape(m->body, m->body->inputs[i]), &wanted))
        return false;
    for (uint32_t k = 0; k < given.rank; k++) {
        if (dim_known(given.dims[k]) && dim_known(wanted.dims[k]) &&
            given.dims[k] != wanted.dims[k])
            return shape_fault(m->graph, "scan", "an input does not fit the body's", &given,
                               &wanted);
        (void)dim_make(m->graph, DIM_SAME, given.dims[k], wanted.dims[k]);
    }
    return graph_ok(m->graph);
}

static bool match_inputs(matching *m, const node *n)
{
    const uint32_t symbols = dim_symbol_count(m->body);

    for (uint32_t i = 0; i < symbols; i++) m->symbols[i] = DIM_UNSET;
    for (uint32_t i = 0; i < n->input_count; i++)
        if (!match_input(m, n, i)) return false;
    for (uint32_t i = 0; i < symbols; i++) {
        if (m->symbols[i] == DIM_UNSET)
            return graph_fault(m->graph, EBB_E_ARGUMENT, "scan: no input tells the length '%s'",
                               dim_symbol_name(m->body, i));
    }
    for (uint32_t i = 0; i < n->input_count; i++)
        if (!check_input(m, n, i)) return false;
    return true;
}

static bool match_carried(matching *m, const node *n, uint32_t i, shape *result)
{
    const value_info *next = graph_value(m->body, m->body->outputs[i]);
    const value_info *now = graph_value(m->body, m->body->inputs[i]);
    shape after;

    if (next->dtype != now->dtype || next->shape.rank != now->shape.rank)
        return graph_fault(m->graph, EBB_E_SHAPE,
                           "scan: carried value %u changes its type or its number of axes", i);
    if (!translate(m, &next->shape, &after)) return false;
    *result = *graph_shape(m->graph, n->inputs[i]);
    for (uint32_t k = 0; k < after.rank; k++) {
        if (dim_known(after.dims[k]) && dim_known(result->dims[k]) &&
            after.dims[k] != result->dims[k])
            return shape_fault(m->graph, "scan", "a carried value changes its shape", result,
                               &after);
        (void)dim_make(m->graph, DIM_SAME, after.dims[k], result->dims[k]);
    }
    return graph_ok(m->graph);
}

static bool scan_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    matching m = {.graph = g, .a = n->attributes};

    if (!counts_fit(g, n)) return false;
    m.body = m.a->body;
    if (!match_inputs(&m, n)) return false;
    for (uint32_t i = 0; i < OP_OUTPUTS_MAX; i++) {
        dtypes[i] = EBB_F32;
        shapes[i] = (shape){.rank = 1};
        if (i >= m.a->carried + m.a->results) continue;
        const value_info *out = graph_value(m.body, m.body->outputs[i]);
        dtypes[i] = out->dtype;
        if (i < m.a->carried) {
            if (!match_carried(&m, n, i, &shapes[i])) return false;
            continue;
        }
        shape element;
        if (!translate(&m, &out->shape, &element)) return false;
        if (element.rank == EBB_RANK_MAX)
            return graph_fault(g, EBB_E_SHAPE, "scan: a result has more than %d axes",
                               EBB_RANK_MAX);
        shapes[i].rank = element.rank + 1;
        shapes[i].dims[0] = m.a->steps;
        for (uint32_t k = 0; k < element.rank; k++) shapes[i].dims[k + 1] = element.dims[k];
    }
    return graph_ok(g);
}

void op_scan_symbols(const graph *g, const node *n, const int64_t *dim_values, int64_t *symbols)
{
    const scan_attributes *a = n->attributes;

    for (uint32_t i = 0; i < n->input_count; i++) {
        const shape *inner = graph_shape(a->body, a->body->inputs[i]);
        const shape *outer = graph_shape(g, n->inputs[i]);
        const uint32_t skipped = i >= a->carried && i < a->carried + a->sequences ? 1 : 0;
        for (uint32_t k = 0; k < inner->rank; k++) {
            const int64_t symbol = dim_symbol_number(a->body, inner->dims[k]);
            if (symbol >= 0) symbols[symbol] = dim_value(outer->dims[k + skipped], dim_values);
        }
    }
}

static uint64_t scan_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const scan_attributes *a = n->attributes;
    int64_t symbols[SCAN_SYMBOLS_MAX] = {0}, values[DIM_UNKNOWN_MAX];
    uint64_t sum = 0, all;

    op_scan_symbols(g, n, dim_values, symbols);
    if (dim_evaluate(a->body, symbols, values, NULL) != EBB_OK) return 0;
    for (uint32_t i = 0; i < a->body->node_count; i++) {
        const node *inner = &a->body->nodes[i];
        const op_def *def = op_find(inner->op);
        if (inner->is_dead || graph_value(a->body, inner->outputs[0])->is_constant) continue;
        sum += def->flops != NULL ? def->flops(a->body, inner, values)
                                  : shape_count_at(graph_shape(a->body, inner->outputs[0]), values);
    }
    if (!u64_mul(sum, (uint64_t)dim_value(a->steps, dim_values), &all)) all = UINT64_MAX;
    return all;
}

static void scan_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const scan_attributes *a = n->attributes;
    char steps[64];

    (void)snprintf(text, capacity, "%s steps%s, %u carried, %u sequences, %u results, %u nodes",
                   dim_text(g, a->steps, steps, sizeof steps), a->go_backwards ? " backwards" : "",
                   a->carried, a->sequences, a->results, a->body->node_count);
}

static bool scan_gradient(graph *g, const node *n, const value *output_gradients,
                          value *input_gradients)
{
    (void)output_gradients;
    (void)input_gradients;
    return graph_fault(g, EBB_E_UNSUPPORTED, "%s: a loop has no gradient here",
                       n->name != NULL ? n->name : "scan");
}

const op_def op_def_scan = {.name = "scan",
                            .attribute_bytes = sizeof(scan_attributes),
                            .inputs_min = 1,
                            .inputs_max = OP_INPUTS_MAX,
                            .output_count = OP_OUTPUTS_MAX,
                            .infer = scan_infer,
                            .flops = scan_flops,
                            .is_random = true,
                            .describe = scan_describe,
                            .gradient = scan_gradient};

value op_scan(graph *g, const value *inputs, uint32_t input_count,
              const scan_attributes *attributes)
{
    return graph_node(g, OP_scan, inputs, input_count, attributes);
}
