/* pass_table.c -- the registry of passes, read from pass/list.inc, and the loop that runs them.
 * To add a pass: `const pass_def pass_def_<name>` in pass/pass_<name>.c and a line in the list. */
#include "graph/pass.h"

#include "base/status.h"

#define PASS(name) extern const pass_def pass_def_##name;
#include "graph/pass/list.inc"
#undef PASS

static const pass_def *const defs[] = {
#define PASS(name) &pass_def_##name,
#include "graph/pass/list.inc"
#undef PASS
};

uint32_t pass_count(void)
{
    return (uint32_t)(sizeof defs / sizeof defs[0]);
}

const pass_def *pass_at(uint32_t index)
{
    return index < pass_count() ? defs[index] : NULL;
}

ebb_status passes_run(graph *g, bool inference_only, ebb_error *error)
{
    ebb_status status = graph_verify(g, error);

    for (uint32_t i = 0; i < pass_count() && status == EBB_OK; i++) {
        if (defs[i]->inference_only && !inference_only) continue;
        (void)defs[i]->run(g);
        status = graph_verify(g, error);
        if (status == EBB_E_INTERNAL) fail_within(error, defs[i]->name);
    }
    return status;
}
