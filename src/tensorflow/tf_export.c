/* tf_export.c -- the table of ops, and the walk over a graph that makes a function of it.
 *
 * Only nodes that the outputs need are emitted. */
#include "tensorflow/tf_export_internal.h"

#include <string.h>

#include "base/status.h"

static const emit_function emitters[OP_COUNT] = {
    [OP_cast] = export_op_cast,
    [OP_unary] = export_op_unary,
    [OP_binary] = export_op_binary,
    [OP_compare] = export_op_compare,
    [OP_select] = export_op_select,
    [OP_matmul] = export_op_matmul,
    [OP_conv] = export_op_conv,
    [OP_conv_transpose] = export_op_conv_transpose,
    [OP_pool] = export_op_pool,
    [OP_reduce] = export_op_reduce,
    [OP_arg_reduce] = export_op_arg_reduce,
    [OP_softmax] = export_op_softmax,
    [OP_normalize] = export_op_normalize,
    [OP_reshape] = export_op_reshape,
    [OP_transpose] = export_op_transpose,
    [OP_broadcast] = export_op_broadcast,
    [OP_concat] = export_op_concat,
    [OP_slice] = export_op_slice,
    [OP_pad] = export_op_pad,
    [OP_gather] = export_op_gather,
    [OP_one_hot] = export_op_one_hot,
    [OP_cumulative] = export_op_cumulative,
    [OP_resize] = export_op_resize,
    [OP_rnn] = export_op_rnn,
    [OP_conv_lstm] = export_op_conv_lstm,
    [OP_scan] = export_op_scan,
    [OP_iota] = export_op_iota,
    [OP_random] = export_op_random,
    [OP_stop] = export_op_stop,
};

bool emitter_open(exporter *x, const graph *g, emitter *e)
{
    *e = (emitter){.x = x, .g = g};
    e->refs = export_memory(e, (size_t)g->value_count + 1, sizeof *e->refs);
    e->lengths = export_memory(e, (size_t)dim_count(g) + 1, sizeof *e->lengths);
    e->has_length = export_memory(e, (size_t)dim_count(g) + 1, sizeof *e->has_length);
    e->input_shapes = export_memory(e, (size_t)g->input_count + 1, sizeof *e->input_shapes);
    return export_ok(e);
}

/* Marks the nodes that the outputs need; from the last one back, as nodes are in order. */
static bool *needed_nodes(emitter *e)
{
    const graph *g = e->g;
    bool *values = export_memory(e, (size_t)g->value_count + 1, sizeof *values);
    bool *nodes = export_memory(e, (size_t)g->node_count + 1, sizeof *nodes);

    if (!export_ok(e)) return NULL;
    for (uint32_t i = 0; i < g->output_count; i++) values[g->outputs[i]] = true;
    for (uint32_t i = g->node_count; i-- > 0;) {
        const node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->output_count && !n->is_dead; k++)
            nodes[i] |= values[n->outputs[k]];
        for (uint32_t k = 0; k < n->input_count && nodes[i]; k++) values[n->inputs[k]] = true;
    }
    return nodes;
}

void export_graph(emitter *e)
{
    const bool *needed = needed_nodes(e);

    for (uint32_t i = 0; i < e->g->node_count && export_ok(e); i++) {
        const node *n = &e->g->nodes[i];
        if (!needed[i]) continue;
        e->scope = n->name;
        if (emitters[n->op] == NULL) {
            export_fail(e, EBB_E_UNSUPPORTED, "TensorFlow has no operation for '%s' here",
                        op_find(n->op)->name);
            return;
        }
        emitters[n->op](e, n);
    }
    e->scope = NULL;
}

tf_shape tf_shape_of(const shape *s)
{
    tf_shape result = {.has_rank = true, .rank = s->rank};

    for (uint32_t i = 0; i < s->rank; i++) result.dims[i] = dim_known(s->dims[i]) ? s->dims[i] : -1;
    return result;
}

/* -- the model's function ---------------------------------------------------------------------- */

static tf_port *arguments_make(emitter *e)
{
    const graph *g = e->g;
    tf_port *ports = export_memory(e, (size_t)g->input_count + g->value_count + 1, sizeof *ports);

    for (uint32_t i = 0; ports != NULL && i < g->input_count; i++) {
        const value v = g->inputs[i];
        ports[i] = (tf_port){.name = export_text(e, "input_", i),
                             .type = export_type(e, v),
                             .shape = tf_shape_of(graph_shape(g, v))};
        e->refs[v] = ports[i].name;
    }
    return ports;
}

/* A function must not return an argument as it is. */
static tf_port *results_make(emitter *e)
{
    const graph *g = e->g;
    const uint32_t count = g->output_count - g->update_count;
    tf_port *ports = export_memory(e, (size_t)count + 1, sizeof *ports);

    for (uint32_t i = 0; ports != NULL && i < count; i++) {
        const value v = g->outputs[i];
        ports[i] = (tf_port){
            .name = export_text(e, "output_", i),
            .type = export_type(e, v),
            .source = export_1(e, TF_Identity, export_type(e, v), export_ref(e, v)),
        };
    }
    return ports;
}

static void function_make(exporter *x, const graph *g)
{
    emitter e;

    if (!emitter_open(x, g, &e)) return;
    tf_port *arguments = arguments_make(&e);
    export_graph(&e);
    const tf_port *results = results_make(&e);
    if (!export_ok(&e)) return;
    for (uint32_t i = 0; i < x->captured_count; i++) {
        arguments[g->input_count + i] =
            (tf_port){.name = export_text(&e, "resource_", i), .type = TF_RESOURCE};
    }
    const tf_function f = {.name = x->function,
                           .arguments = arguments,
                           .argument_count = g->input_count + x->captured_count,
                           .results = results,
                           .result_count = g->output_count - g->update_count};
    export_function_end(&e, &f);
}

ebb_status tf_export(region *home, const graph *g, const char *function, tf_exported **result,
                     ebb_error *error)
{
    exporter x = {.home = home, .function = function};

    *result = region_new(home, tf_exported, 1);
    x.captured = region_new(home, uint32_t, (size_t)g->value_count + 1);
    if (*result == NULL || x.captured == NULL)
        return region_fail(home, error, function, "the functions");
    function_make(&x, g);
    if (x.error.status != EBB_OK) {
        if (error != NULL) *error = x.error;
        return x.error.status;
    }
    **result = (tf_exported){.functions = x.functions,
                             .function_count = x.function_count,
                             .captured = x.captured,
                             .captured_count = x.captured_count};
    return EBB_OK;
}
