/* tf_variable.c -- variables: reading, and changing them where the owner lets us.
 *
 * A tensor of type RESOURCE is the number of a variable, whether the graph calls it a handle
 * (VarHandleOp) or a reference (VariableV2); operations that take numbers read it. */
#include "tensorflow/tf_emit.h"

#include "tensorflow/tf_parameter.h"

static bool expect_variable(tf_build *b, const tf_call *c)
{
    if (c->inputs[0].type == TF_RESOURCE) return true;
    return tf_fail(b, c, EBB_E_ARGUMENT, "input 0 is no variable");
}

bool tf_emit_read_variable(tf_build *b, tf_call *c, const tf_entry *e)
{
    if (!expect_variable(b, c)) return false;
    const value v = tf_input(b, c, 0);
    return v != VALUE_NONE && tf_give(b, c, 0, v, tf_type_attribute(c, e, "dtype"));
}

/* The variable holds `next` from now on. References are given on. */
static bool change(tf_build *b, tf_call *c, value next, bool is_reference)
{
    if (!graph_ok(b->graph)) return false;
    if (b->variables.assign == NULL)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "variables cannot be changed here");
    if (!b->variables.assign(b->variables.context, c->inputs[0].resource, next)) {
        return graph_ok(b->graph) &&
               tf_fail(b, c, EBB_E_ARGUMENT, "the variable cannot take this value");
    }
    return !is_reference || tf_give_tensor(b, c, 0, &c->inputs[0]);
}

bool tf_emit_assign(tf_build *b, tf_call *c, const tf_entry *e)
{
    const int kind = e->parameter;
    const bool adds = kind == TF_ASSIGN_ADD || kind == TF_ASSIGN_ADD_REF;
    const bool subtracts = kind == TF_ASSIGN_SUB || kind == TF_ASSIGN_SUB_REF;

    if (!expect_variable(b, c)) return false;
    value next = tf_input(b, c, 1);
    if (next == VALUE_NONE) return false;
    if (adds || subtracts)
        next = op_binary(b->graph, adds ? BINARY_ADD : BINARY_SUB, tf_input(b, c, 0), next);
    return change(b, c, next, kind >= TF_ASSIGN_SET_REF);
}

/* variable - rate * slope. */
bool tf_emit_descend(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;

    if (!expect_variable(b, c)) return false;
    const value now = tf_input(b, c, 0), rate = tf_input(b, c, 1), slope = tf_input(b, c, 2);
    return change(b, c, op_sub(g, now, op_mul(g, rate, slope)), e->parameter == 1);
}

bool tf_emit_variable_shape(tf_build *b, tf_call *c, const tf_entry *e)
{
    shape s;

    return expect_variable(b, c) && tf_input_shape(b, c, 0, &s) &&
           tf_give_lengths(b, c, tf_type_attribute(c, e, "out_type"), 1, NULL, s.dims, s.rank);
}

bool tf_emit_is_initialized(tf_build *b, tf_call *c, const tf_entry *e)
{
    const dim yes = 1;

    (void)e;
    return tf_give_lengths(b, c, TF_BOOL, 0, NULL, &yes, 1);
}
