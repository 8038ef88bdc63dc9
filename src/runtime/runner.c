/* runner.c -- see runner.h. The plan that was not used for longest makes room for a new one. */
#include "runtime/runner.h"

#include "base/float_mode.h"
#include "base/status.h"
#include "graph/node_schedule.h"
#include "runtime/meter.h"
#include "runtime/model.h"

/* -- life -------------------------------------------------------------------------------------- */

void runner_open(runner *r, runners *all, region *home, graph *graph, const device *device,
                 void *const *memory)
{
    *r = (runner){.next = all->first,
                  .all = all,
                  .home = home,
                  .graph = graph,
                  .device = device,
                  .memory = memory};
    all->first = r;
}

static void plan_close(runner_plan *p)
{
    executable_close(p->e);
    region_close(p->home);
    *p = (runner_plan){0};
}

void runner_close(runner *r)
{
    if (r->home == NULL) return;
    for (uint32_t i = 0; i < RUNNER_PLANS; i++) plan_close(&r->plans[i]);
    runner **link = &r->all->first;
    while (*link != r) link = &(*link)->next;
    *link = r->next;
    region *const home = r->home;
    r->home = NULL;
    region_close(home);
}

static void unbind(runner *r)
{
    for (uint32_t i = 0; i < RUNNER_PLANS; i++)
        if (r->plans[i].e != NULL) executable_unbind(r->plans[i].e, 0);
}

void runner_lend(runner *r)
{
    unbind(r);
    if (r->weights != NULL) weights_lend(r->weights, r->memory);
}

uint32_t runners_rest(runners *all)
{
    uint32_t threads = 0;

    for (runner *r = all->first; r != NULL; r = r->next) unbind(r);
    if (all->arena != NULL) region_block_release(all->arena_home, all->arena);
    all->arena = NULL;
    if (all->holds_executor) threads = executor_release(&all->owner->executor);
    all->holds_executor = false;
    return threads;
}

/* -- the first plan ---------------------------------------------------------------------------- */

/* The order of nodes that takes the least memory for these lengths; it is good for all. */
static ebb_status order(const runner *r, const int64_t *symbols, ebb_error *error)
{
    region *work = region_open(r->home, "order", EBB_CLASS_SCRATCH, 0);
    int64_t *lengths =
        work == NULL ? NULL : region_new(work, int64_t, (size_t)dim_count(r->graph) + 1);
    memory_facts facts = {0};
    ebb_status status = lengths == NULL ? region_fail(work == NULL ? r->home : work, error,
                                                      r->all->name, "the order of a run")
                                        : dim_evaluate(r->graph, symbols, lengths, error);

    if (status == EBB_OK) status = memory_facts_make(work, r->graph, lengths, &facts, error);
    if (status == EBB_OK) status = graph_schedule(r->graph, &facts, NULL, error);
    region_close(work);
    return status;
}

static ebb_status executable_for(const runner *r, const int64_t *symbols, runner_plan *p,
                                 ebb_error *error)
{
    p->home = region_open(r->home, "plan", EBB_CLASS_META, 0);
    if (p->home == NULL) return region_fail(r->home, error, r->all->name, "a plan");
    const executable_options options = {.home = p->home,
                                        .device = r->device,
                                        .graph = r->graph,
                                        .weights = r->weights,
                                        .symbols = symbols,
                                        .threads = r->threads,
                                        .lanes = 1};
    const ebb_status status = executable_make(&options, &p->e, error);
    if (status != EBB_OK) plan_close(p);
    return status;
}

static ebb_status constants_fill(runner *r, ebb_error *error)
{
    region *work = region_open(r->home, "staging", EBB_CLASS_SCRATCH, 0);

    r->constants = region_open(r->home, "constants", EBB_CLASS_WEIGHTS, 0);
    ebb_status status = EBB_OK;
    if (work == NULL || r->constants == NULL)
        status = region_fail(r->home, error, r->all->name, "constants");
    if (status == EBB_OK) status = weights_fill(r->weights, r->constants, work, NULL, error);
    region_close(work);
    return status;
}

/* Constants have their place once the first executable has asked for them. After a failure there
 * are none. */
static ebb_status first_plan(runner *r, const int64_t *symbols, ebb_error *error)
{
    ebb_status status = order(r, symbols, error);

    if (status == EBB_OK)
        status = weights_open(r->home, r->device, r->graph, false, &r->weights, error);
    if (status == EBB_OK) status = executable_for(r, symbols, &r->plans[0], error);
    if (status == EBB_OK) status = weights_layout(r->weights, error);
    if (status == EBB_OK) status = constants_fill(r, error);
    if (status == EBB_OK) {
        weights_lend(r->weights, r->memory);
        return EBB_OK;
    }
    plan_close(&r->plans[0]);
    region_close(r->constants);
    r->constants = NULL;
    r->weights = NULL;
    return status;
}

/* -- plans ------------------------------------------------------------------------------------- */

static runner_plan *plan_find(runner *r, const int64_t *symbols, runner_plan **room)
{
    *room = &r->plans[0];
    for (uint32_t i = 0; i < RUNNER_PLANS; i++) {
        runner_plan *p = &r->plans[i];
        if (p->e != NULL && executable_matches(p->e, symbols)) return p;
        if (p->used_at < (*room)->used_at) *room = p;
    }
    return NULL;
}

static ebb_status arena_grow(runners *all, uint64_t bytes, ebb_error *error)
{
    if (all->arena != NULL && bytes <= all->arena_bytes) return EBB_OK;
    for (runner *r = all->first; r != NULL; r = r->next) unbind(r);
    if (all->arena != NULL) region_block_release(all->arena_home, all->arena);
    all->arena = region_block(all->arena_home, bytes + 1);
    all->arena_bytes = all->arena == NULL ? 0 : bytes;
    return all->arena != NULL
               ? EBB_OK
               : region_fail(all->arena_home, error, all->name, "activations and gradients");
}

/* Makes code, measured around it as in a load. */
static ebb_status code_open(const runner *r, executable *e, ebb_error *error)
{
    if (e->step_count == 0 || e->steps[e->step_count - 1].is_open) return EBB_OK;
    const uint64_t before = meter_private_bytes();
    const ebb_status status = executable_open(e, error);
    const uint64_t after = meter_private_bytes();
    if (after > before) region_measured(r->home, after - before);
    return status;
}

ebb_status runner_ready(runner *r, const int64_t *symbols, executable **result, ebb_error *error)
{
    runners *const all = r->all;
    runner_plan *room, *p = plan_find(r, symbols, &room);
    ebb_status status = EBB_OK;

    if (p == NULL && r->weights == NULL) {
        status = first_plan(r, symbols, error);
        p = &r->plans[0];
    } else if (p == NULL) {
        plan_close(room);
        status = executable_for(r, symbols, room, error);
        p = room;
    }
    if (status != EBB_OK) return status;
    executable *const e = p->e;
    p->used_at = ++all->clock;
    if (e->threads > 1 && !all->holds_executor) {
        status = executor_hold(&all->owner->executor, error);
        all->holds_executor = status == EBB_OK;
    }
    if (status == EBB_OK) status = arena_grow(all, e->arena_bytes, error);
    if (status == EBB_OK) status = code_open(r, e, error);
    if (status == EBB_OK && !e->bindings[0].is_bound)
        status = executable_bind(e, 0, all->arena, error);
    *result = e;
    return status;
}

/* -- running ----------------------------------------------------------------------------------- */

typedef struct run {
    executable *e;
    const ebb_view *inputs, *outputs;
} run;

static void run_now(void *context)
{
    const run *now = context;
    executable_run(now->e, 0, now->inputs, now->outputs);
}

void runner_run(runners *all, executable *e, const ebb_view *inputs, const ebb_view *outputs)
{
    run now = {e, inputs, outputs};
    const uint32_t mode = float_mode_flush();

    if (e->threads > 1)
        executor_run(&all->owner->executor, run_now, &now);
    else
        run_now(&now);
    float_mode_set(mode);
}
