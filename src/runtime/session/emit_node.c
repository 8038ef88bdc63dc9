/* emit_node.c -- see emit_node.h. */
#include "runtime/session/emit_node.h"

#include <string.h>

#include "graph/gradient.h"
#include "tensor/dtype.h"

#define INPUTS_NEAR 16u /* inputs that need no memory */

ebb_dtype emit_dtype(ebb_dtype declared)
{
    if (declared == EBB_BOOL) return EBB_BOOL;
    return dtype_is_float(declared) ? EBB_F32 : EBB_I32;
}

static bool emit_operation(emitter *m, const sym_node *n, tf_tensor *outputs, uint32_t *count)
{
    tf_tensor near[INPUTS_NEAR], *inputs = near;
    graph *g = m->build->graph;

    if (n->input_count > INPUTS_NEAR) {
        inputs = region_new(m->build->home, tf_tensor, n->input_count);
        if (inputs == NULL) {
            (void)region_fail(m->build->home, &g->error, n->name, "an operation");
            return false;
        }
    }
    for (uint32_t i = 0; i < n->input_count; i++) inputs[i] = *m->tensor(m, n->inputs[i]);
    tf_call call = {.op = n->op,
                    .name = n->name,
                    .inputs = inputs,
                    .input_count = n->input_count,
                    .attributes = n->attributes,
                    .attribute_count = n->attribute_count,
                    .outputs = outputs};
    m->build->random_count = n->random_first;
    if (!tf_operation(m->build, &call)) return false;
    *count = call.output_count;
    return true;
}

/* A reshape to the same shape; the passes take it out again. */
static void outputs_set_apart(emitter *m, const sym_node *n, tf_tensor *outputs, uint32_t count)
{
    graph *g = m->build->graph;

    for (uint32_t i = 0; i < count && graph_ok(g); i++) {
        const tf_tensor *t = &outputs[i];
        bool is_input = false;
        if (t->v == VALUE_NONE || t->has_lengths || !dtype_is_float(tf_type_dtype(t->type)) ||
            graph_value(g, t->v)->kind == VALUE_CONSTANT)
            continue;
        for (uint32_t k = 0; k < n->input_count; k++)
            is_input |= m->tensor(m, n->inputs[k])->v == t->v;
        if (!is_input) continue;
        const shape same = *graph_shape(g, t->v);
        outputs[i] = tf_tensor_of(m->build, op_reshape(g, t->v, &same), t->type);
    }
}

static value next_value(emitter *m, const sym_node *n)
{
    graph *g = m->build->graph;
    const value given = tf_value(m->build, m->tensor(m, n->inputs[0]));

    if (n->kind == SYM_ASSIGN || !graph_ok(g)) return given;
    const value now = m->variable(m, n->variable, true);
    return n->kind == SYM_ASSIGN_ADD ? op_add(g, now, given) : op_sub(g, now, given);
}

static bool emit_assign(emitter *m, const sym_node *n, tf_tensor *output)
{
    const tf_type type = tf_type_of(m->s->body.variables[n->variable].dtype);
    const value next = next_value(m, n);

    if (!graph_ok(m->build->graph) || !m->assign(m, n->variable, next)) return false;
    *output = tf_tensor_of(m->build, next, type);
    return graph_ok(m->build->graph);
}

/* Ops of gradients have no gradient of their own, as a rule: what would be a sum with terms missing
 * is refused. op_stop() is meant to let nothing through. */
static bool check_rules(emitter *m, const value *ys, uint32_t y_count, const value *xs,
                        uint32_t x_count)
{
    graph *g = m->build->graph;
    region *work = region_open(m->build->home, "gradients", EBB_CLASS_SCRATCH, 0);
    bool *below = work == NULL ? NULL : region_new(work, bool, g->value_count);
    bool *above = work == NULL ? NULL : region_new(work, bool, g->value_count);
    const op_def *missing = NULL;

    for (uint32_t i = 0; above != NULL && below != NULL && i < x_count; i++) below[xs[i]] = true;
    for (uint32_t i = 0; above != NULL && below != NULL && i < y_count; i++) above[ys[i]] = true;
    for (uint32_t i = g->node_count; above != NULL && below != NULL && i-- > 0;) {
        const node *n = &g->nodes[i];
        bool any = false;
        for (uint32_t k = 0; k < n->output_count; k++) any |= above[n->outputs[k]];
        for (uint32_t k = 0; any && k < n->input_count; k++) above[n->inputs[k]] = true;
    }
    for (uint32_t i = 0; above != NULL && below != NULL && i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        bool in = false, out = false;
        for (uint32_t k = 0; k < n->input_count; k++)
            in |= n->inputs[k] != 0 && below[n->inputs[k]];
        for (uint32_t k = 0; k < n->output_count; k++) {
            const bool is_float = dtype_is_float(g->values[n->outputs[k]].dtype);
            below[n->outputs[k]] = in && is_float && n->op != OP_stop;
            out |= below[n->outputs[k]] && above[n->outputs[k]];
        }
        if (out && op_find(n->op)->gradient == NULL) missing = op_find(n->op);
    }
    if (above == NULL || below == NULL)
        (void)region_fail(m->build->home, &g->error, g->scope, "gradients");
    else if (missing != NULL)
        (void)graph_fail(g, EBB_E_UNSUPPORTED,
                         "no gradient is known of '%s', which a gradient of a gradient needs here",
                         missing->name);
    region_close(work);
    return graph_ok(g);
}

/* The gradients that do not exist stay without a value. */
static bool emit_gradient(emitter *m, const sym_node *n, tf_tensor *outputs)
{
    tf_build *b = m->build;
    graph *g = b->graph;
    value *values = region_new(b->home, value, (size_t)n->input_count + n->output_count);

    if (values == NULL) {
        (void)region_fail(b->home, &g->error, n->name, "gradients");
        return false;
    }
    for (uint32_t i = 0; i < n->input_count; i++)
        values[i] = tf_value(b, m->tensor(m, n->inputs[i]));
    value *gradients = values + n->input_count;
    if (!graph_ok(g) || !check_rules(m, values, n->y_count, values + n->y_count, n->output_count) ||
        !graph_gradients(g, values, NULL, n->y_count, values + n->y_count, gradients,
                         n->output_count)) {
        return false;
    }
    for (uint32_t i = 0; i < n->output_count; i++) {
        const tf_type type = m->tensor(m, n->inputs[n->y_count + i])->type;
        outputs[i] = (tf_tensor){.type = type};
        if (gradients[i] != VALUE_NONE) outputs[i] = tf_tensor_of(b, gradients[i], type);
    }
    return graph_ok(g);
}

bool emit_node(emitter *m, const sym_node *n, tf_tensor *outputs, uint32_t *count)
{
    tf_build *b = m->build;
    graph *g = b->graph;
    const char *scope = g->scope;
    bool good = true;

    g->scope = n->name;
    *count = n->output_count;
    switch (n->kind) {
    case SYM_OPERATION:
        good = emit_operation(m, n, outputs, count);
        if (good && m->is_apart) outputs_set_apart(m, n, outputs, *count);
        break;
    case SYM_CONSTANT: good = tf_tensor_constant(b, n->constant, &outputs[0]); break;
    case SYM_PLACEHOLDER: good = m->placeholder(m, n, &outputs[0]); break;
    case SYM_VARIABLE:
    case SYM_READ: {
        const value v = m->variable(m, n->variable, n->kind == SYM_READ);
        const tf_type type = tf_type_of(m->s->body.variables[n->variable].dtype);
        if (graph_ok(g)) outputs[0] = tf_tensor_of(b, v, type);
        break;
    }
    case SYM_ASSIGN:
    case SYM_ASSIGN_ADD:
    case SYM_ASSIGN_SUB: good = emit_assign(m, n, &outputs[0]); break;
    case SYM_GROUP: break;
    case SYM_GRADIENT: good = emit_gradient(m, n, outputs); break;
    case SYM_MODEL: good = m->model(m, n, outputs); break;
    }
    g->scope = scope;
    return good && graph_ok(g);
}
