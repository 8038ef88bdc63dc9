/* tf_identity.c -- constants, placeholders, and operations that give their input back. What only
 * prints or checks at run time is left out. */
#include "tensorflow/tf_emit.h"

#include <stdio.h>

bool tf_emit_const(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_constant *constant = tf_attribute_of(c, "value")->values[0].tensor;
    tf_tensor t;

    (void)e;
    return tf_tensor_constant(b, constant, &t) && tf_give_tensor(b, c, 0, &t);
}

/* An input of the graph; each unknown length is a symbol of its own. */
bool tf_emit_placeholder(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const tf_type type = tf_type_attribute(c, e, "dtype");
    const tf_attribute *given = tf_attribute_of(c, "shape");
    const ebb_dtype dtype = tf_type_dtype(type);
    shape s = {.rank = 0};

    if (tf_compute(type) == EBB_DTYPE_NONE)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "an input of type %s", tf_type_name(type));
    if (given == NULL || !given->values[0].shape.has_rank)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "an input with an unknown number of axes");
    for (; s.rank < given->values[0].shape.rank; s.rank++) {
        const int64_t length = given->values[0].shape.dims[s.rank];
        char name[96];
        (void)snprintf(name, sizeof name, "%.64s axis %u", c->name != NULL ? c->name : c->op,
                       s.rank);
        s.dims[s.rank] = length >= 0 ? length : dim_symbol(g, name);
    }
    const value v = op_cast(g, graph_input(g, dtype, &s), tf_compute(type));
    return tf_give(b, c, 0, v, type);
}

/* A reference to a variable gives what it holds now; a handle of one stays a handle. */
static bool pass(tf_build *b, tf_call *c, uint32_t i, tf_type declared)
{
    const tf_tensor *t = &c->inputs[i];

    if (t->type != TF_RESOURCE || declared == TF_RESOURCE) return tf_give_tensor(b, c, i, t);
    const value v = tf_value(b, t);
    return v != VALUE_NONE && tf_give(b, c, i, v, declared);
}

bool tf_emit_identity(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_attribute *type = tf_attribute_of(c, "T");

    (void)e;
    return pass(b, c, 0, type != NULL && type->count == 1 ? type->values[0].type : TF_NONE);
}

bool tf_emit_identity_n(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_attribute *types = tf_attribute_of(c, "T");

    (void)e;
    for (uint32_t i = 0; i < c->input_count; i++) {
        const bool is_told = types != NULL && i < types->count;
        if (!pass(b, c, i, is_told ? types->values[i].type : TF_NONE)) return false;
    }
    return true;
}

bool tf_emit_stop_gradient(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_tensor *t = &c->inputs[0];

    (void)e;
    if (t->has_lengths) return tf_give_tensor(b, c, 0, t);
    const value x = tf_input(b, c, 0);
    return x != VALUE_NONE && tf_give(b, c, 0, op_stop(b->graph, x), t->type);
}

bool tf_emit_nothing(tf_build *b, tf_call *c, const tf_entry *e)
{
    (void)c;
    (void)e;
    return graph_ok(b->graph);
}
