/* apply_graph.c -- see apply_graph.h. */
#include "train/apply_graph.h"

#include "base/status.h"
#include "graph/pass.h"

typedef struct apply_maker {
    graph *g;
    optimizer_variable *variables;
    value *gradients;
} apply_maker;

static void weights_make(apply_maker *m, const ebb_tensor_info *weights, uint32_t count,
                         const bool *given)
{
    for (uint32_t i = 0; i < count && graph_ok(m->g); i++) {
        shape s = {.rank = weights[i].rank};
        for (uint32_t k = 0; k < s.rank; k++) s.dims[k] = weights[i].dims[k];
        m->variables[i] = (optimizer_variable){.path = weights[i].name,
                                               .v = graph_variable(m->g, weights[i].dtype, &s, i)};
        if (given[i]) m->gradients[i] = graph_input(m->g, EBB_F32, &s);
    }
}

ebb_status apply_graph_make(region *home, const optimizer *o, const ebb_tensor_info *weights,
                            uint32_t count, const bool *given, apply_graph *result,
                            ebb_error *error)
{
    apply_maker m = {.g = graph_open(home),
                     .variables = region_new(home, optimizer_variable, (size_t)count + 1),
                     .gradients = region_new(home, value, (size_t)count + 1)};

    if (m.g == NULL || m.variables == NULL || m.gradients == NULL)
        return region_fail(home, error, "optimizer", "a step");
    *result = (apply_graph){.emit = {.graph = m.g, .home = home, .weight_first = count}};
    weights_make(&m, weights, count, given);
    result->input_count = m.g->input_count;
    optimizer_state *const state =
        graph_ok(m.g) ? optimizer_open(o, &result->emit, m.variables, count) : NULL;
    if (state != NULL) optimizer_apply(state, m.gradients);
    if (graph_ok(m.g)) return passes_run(m.g, false, error);
    if (error != NULL) *error = m.g->error;
    return m.g->error.status;
}
