/* model_call.c -- see model_call.h. */
#include "runtime/session/model_call.h"

#include "base/status.h"
#include "mem/handle.h"

model *model_call_acquire(uint64_t id, const char *model_name, const char *operation,
                          ebb_error *error)
{
    model *m = handle_acquire(HANDLE_MODEL, id);

    if (m == NULL)
        fail(error, EBB_E_STALE, operation,
             "the model '%s' was unloaded; load it again and call the new one", model_name);
    return m;
}

/* Fits an input to the model's: ranks, and lengths where both are known. */
static bool fit_input(emitter *m, const sym_node *n, const model *callee, uint32_t index,
                      dim *symbols)
{
    const graph *inner = callee->built->graph;
    graph *g = m->build->graph;
    const value given = tf_value(m->build, m->tensor(m, n->inputs[index]));
    char want_text[160], got_text[160];

    if (!graph_ok(g)) return false;
    const shape *want = graph_shape(inner, inner->inputs[index]), *got = graph_shape(g, given);
    bool fits = want->rank == got->rank;
    for (uint32_t i = 0; fits && i < want->rank; i++) {
        const int64_t symbol = dim_symbol_number(inner, want->dims[i]);
        if (symbol >= 0 && symbol < SYMBOLS_MAX && symbols[symbol] == 0)
            symbols[symbol] = got->dims[i];
        fits =
            !dim_known(want->dims[i]) || !dim_known(got->dims[i]) || want->dims[i] == got->dims[i];
    }
    if (fits) return true;
    (void)graph_fail(g, EBB_E_SHAPE, "input %u of the model '%s': expected shape %s, got %s", index,
                     callee->info.name, shape_text(inner, want, want_text, sizeof want_text),
                     shape_text(g, got, got_text, sizeof got_text));
    return false;
}

static bool shadow_of(emitter *m, const sym_node *n, const model *callee, tf_tensor *outputs)
{
    const graph *inner = callee->built->graph;
    graph *g = m->build->graph;
    dim symbols[SYMBOLS_MAX] = {0};

    for (uint32_t i = 0; i < n->input_count; i++)
        if (!fit_input(m, n, callee, i, symbols)) return false;
    for (uint32_t i = 0; i < dim_symbol_count(inner) && i < SYMBOLS_MAX; i++)
        if (symbols[i] == 0) symbols[i] = dim_symbol(g, dim_symbol_name(inner, i));
    for (uint32_t i = 0; i < n->output_count; i++) {
        const value_info *info = graph_value(inner, inner->outputs[i]);
        shape s = {.rank = info->shape.rank};
        for (uint32_t k = 0; k < s.rank; k++)
            s.dims[k] = dim_translate(g, inner, info->shape.dims[k], symbols);
        const value v = graph_input(g, emit_dtype(info->dtype), &s);
        if (!graph_ok(g)) return false;
        outputs[i] = tf_tensor_of(m->build, v, tf_type_of(info->dtype));
    }
    return graph_ok(g);
}

bool model_call_shadow(emitter *m, const sym_node *n, tf_tensor *outputs)
{
    ebb_error error = {0};
    const model *callee = model_call_acquire(n->model, "", n->name, &error);

    if (callee == NULL) {
        (void)graph_fail(m->build->graph, error.status, "%s", error.text);
        return false;
    }
    const bool good = shadow_of(m, n, callee, outputs);
    handle_release(n->model);
    return good;
}

ebb_status model_call_shapes(const sym_node *n, const ebb_view *inputs, ebb_view *outputs,
                             ebb_error *error)
{
    model *callee = model_call_acquire(n->model, n->model_name, n->name, error);

    if (callee == NULL) return EBB_E_STALE;
    const ebb_views views = {inputs, n->input_count};
    const ebb_status status = model_output_shapes(callee, &views, outputs, n->output_count, error);
    handle_release(n->model);
    return status;
}
