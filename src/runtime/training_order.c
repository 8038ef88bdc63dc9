/* training_order.c -- the order of a step's nodes, and which of them run twice to save memory. */
#include "base/status.h"
#include "graph/node_schedule.h"
#include "graph/recompute.h"
#include "runtime/training.h"

/* What the kernels say about every node, from an executable that is made for the question. */
static ebb_status ask_kernels(training *t, side *s, region *work, const int64_t *symbols,
                              memory_facts *facts, ebb_error *error)
{
    const graph *g = s->step.emit.graph;
    uint64_t *scratch = region_new(work, uint64_t, (size_t)g->node_count + 1);
    uint32_t *shared = region_new(work, uint32_t, (size_t)g->node_count + 1);
    bool *pointwise = region_new(work, bool, (size_t)g->node_count + 1);
    weights *w = NULL;
    executable *e = NULL;

    if (scratch == NULL || shared == NULL || pointwise == NULL)
        return region_fail(work, error, "training", "the order of a step");
    ebb_status status = weights_open(work, model_device(t->m), g, false, &w, error);
    if (status == EBB_OK) status = side_executable_make(t, s, work, w, symbols, &e, error);
    for (uint32_t i = 0; status == EBB_OK && i < g->node_count; i++) shared[i] = SHARED_INPUT_NONE;
    for (uint32_t i = 0; status == EBB_OK && i < e->step_count; i++) {
        const step *step = &e->steps[i];
        const size_t n = (size_t)(step->node - g->nodes);
        scratch[n] = step->scratch_bytes;
        shared[n] = step->shared_input == SHARES_NONE ? SHARED_INPUT_NONE : step->shared_input;
        pointwise[n] = step->is_pointwise;
    }
    executable_close(e);
    facts->scratch_bytes = scratch;
    facts->shared_input = shared;
    facts->is_pointwise = pointwise;
    return status;
}

static ebb_status order_in(training *t, side *s, region *work, const int64_t *symbols,
                           ebb_error *error)
{
    graph *g = s->step.emit.graph;
    int64_t *lengths = region_new(work, int64_t, dim_count(g) + 1);
    memory_facts facts = {0};

    if (lengths == NULL) return region_fail(work, error, "training", "the order of a step");
    ebb_status status = dim_evaluate(g, symbols, lengths, error);
    if (status == EBB_OK) status = memory_facts_make(work, g, lengths, &facts, error);
    if (status == EBB_OK) status = graph_schedule(g, &facts, NULL, error);
    if (status != EBB_OK || t->arena_max == 0) return status;
    status = ask_kernels(t, s, work, symbols, &facts, error);
    if (status != EBB_OK) return status;
    const recompute_options options = {
        .memory = &facts, .dim_values = lengths, .arena_max = t->arena_max};
    return graph_recompute(g, &options, NULL, error);
}

ebb_status side_order(training *t, side *s, const int64_t *symbols, ebb_error *error)
{
    region *work = region_open(t->home, "order", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(t->home, error, "training", "the order of a step");
    const ebb_status status = order_in(t, s, work, symbols, error);
    region_close(work);
    return status;
}
