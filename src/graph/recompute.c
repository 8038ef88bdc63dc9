/* recompute.c -- see recompute.h. After dynamic tensor rematerialization (Kirisame and others,
 * 2021), with what is known here and not there: the rest of the order. */
#include "graph/recompute.h"

#include <string.h>

#include "base/status.h"
#include "graph/builder.h"

#define NODE_NONE      UINT32_MAX
#define PLACE_NEVER    UINT32_MAX
#define BUDGETS        6u    /* tried with each measure, one below the other */
#define CHAIN_MAX      256u  /* nodes that lead to a value and must run again: more cost as many */
#define GROWTH_MAX     6u    /* a plan with more than so many times the nodes is given up */
#define SMALL_FRACTION 4096u /* of the budget: what is smaller stays */

/* What a value is chosen by to be dropped: the smallest cost divided by these. */
typedef struct preference {
    bool by_bytes, by_distance, by_cost;
} preference;

static const preference preferences[] = {
    {true, true, true}, {true, false, true}, {false, true, true}, {true, true, false}};
#define PREFERENCES (sizeof preferences / sizeof *preferences)

typedef struct saver {
    graph *g;
    const memory_facts *m;
    const int64_t *dim_values;
    region *scratch;
    uint32_t *base, base_count;
    uint32_t *readers, *readers_from; /* by value: places in base that read it, in order */
    uint64_t *bytes;                  /* by value: 0 where it takes none */
    bool *is_kept;                    /* by value: an output of the graph */
    uint64_t *cost, *flops;           /* by node */
    uint64_t *staged;                 /* by place: bytes of inputs alive */
    /* Of one replay. */
    uint64_t budget, live;
    preference prefer;
    uint32_t *tape, tape_count, tape_max;
    uint32_t *next;                /* by value: its next reader, in readers */
    uint32_t *pins;                /* by value: nodes on the stack that read it */
    uint32_t *here;                /* values in memory that may be dropped, in no order */
    uint32_t here_count, *here_at; /* by value: place in here + 1 */
    bool *is_there;                /* by value: in memory */
    uint32_t *stack;               /* nodes that wait for their inputs */
    uint32_t *mark, mark_now;      /* by node */
    uint32_t chain[CHAIN_MAX];
} saver;

/* -- tables ----------------------------------------------------------------------------------- */

static bool is_repeated(const node *n, uint32_t input)
{
    for (uint32_t k = 0; k < input; k++)
        if (n->inputs[k] == n->inputs[input]) return true;
    return false;
}

/* Random numbers without a stream differ from run to run of the node. */
static bool may_repeat(const node *n)
{
    if (!op_find(n->op)->is_random) return true;
    return n->input_count > 0 && n->inputs[0] != VALUE_NONE;
}

static void list_readers(saver *p)
{
    const graph *g = p->g;
    uint32_t *const from = p->readers_from;

    for (uint32_t fill = 0; fill < 2; fill++) { /* counts, then places */
        for (uint32_t i = 0; i < p->base_count; i++) {
            const node *n = &g->nodes[p->base[i]];

            for (uint32_t k = 0; k < n->input_count; k++) {
                if (n->inputs[k] == VALUE_NONE || is_repeated(n, k)) continue;
                if (fill == 0)
                    from[n->inputs[k] + 1]++;
                else
                    p->readers[from[n->inputs[k]]++] = i;
            }
        }
        for (value v = 0; v < g->value_count && fill == 0; v++) from[v + 1] += from[v];
    }
    memmove(from + 1, from, g->value_count * sizeof *from);
    from[0] = 0;
}

static uint32_t last_reader(const saver *p, value v)
{
    return p->readers_from[v] == p->readers_from[v + 1] ? 0
                                                        : p->readers[p->readers_from[v + 1] - 1];
}

/* Sizes; updates that are computed in their variable take none. */
static void list_bytes(saver *p, uint32_t *place_of)
{
    const graph *g = p->g;
    const uint32_t results = g->output_count - g->update_count;

    for (value v = 1; v < g->value_count; v++)
        if (live_is_result(g, v)) p->bytes[v] = p->m->value_bytes[v];
    for (uint32_t i = 0; i < p->base_count; i++) place_of[p->base[i]] = i;
    for (uint32_t i = 0; i < g->output_count; i++) {
        const value v = g->outputs[i];

        p->is_kept[v] = true;
        if (i < results || !live_is_result(g, v)) continue;
        if (last_reader(p, g->updated[i - results]) <= place_of[g->values[v].node]) p->bytes[v] = 0;
    }
    for (uint32_t i = 0; i < g->input_count; i++)
        for (uint32_t s = 0; s <= last_reader(p, g->inputs[i]); s++)
            p->staged[s] += p->m->value_bytes[g->inputs[i]];
}

/* Moving bytes costs time as well: four operations an element. */
static void list_costs(saver *p)
{
    for (uint32_t i = 0; i < p->base_count; i++) {
        const node *n = &p->g->nodes[p->base[i]];
        const op_def *def = op_find(n->op);
        uint64_t elements = 0;

        for (uint32_t k = 0; k < n->output_count; k++)
            elements += shape_count_at(graph_shape(p->g, n->outputs[k]), p->dim_values);
        const uint64_t flops = def->flops != NULL ? def->flops(p->g, n, p->dim_values) : elements;
        p->flops[p->base[i]] = flops;
        p->cost[p->base[i]] = flops + 4 * elements + 1;
    }
}

static bool take_memory(saver *p)
{
    const graph *g = p->g;
    const size_t values = (size_t)g->value_count + 1, nodes = (size_t)g->node_count + 1;
    size_t reads = 0;

    for (uint32_t i = 0; i < g->node_count; i++) reads += g->nodes[i].input_count;
    p->tape_max =
        g->node_count <= UINT32_MAX / GROWTH_MAX ? GROWTH_MAX * g->node_count : UINT32_MAX;
    p->base = region_new(p->scratch, uint32_t, 3 * nodes);
    p->tape = region_new(p->scratch, uint32_t, p->tape_max);
    p->readers_from = region_new(p->scratch, uint32_t, 5 * values + reads);
    p->bytes = region_new(p->scratch, uint64_t, values + 3 * nodes);
    p->is_kept = region_new(p->scratch, bool, 2 * values);
    if (p->base == NULL || p->tape == NULL || p->readers_from == NULL || p->bytes == NULL ||
        p->is_kept == NULL)
        return false;
    p->stack = p->base + nodes;
    p->mark = p->stack + nodes;
    p->next = p->readers_from + values;
    p->pins = p->next + values;
    p->here = p->pins + values;
    p->here_at = p->here + values;
    p->readers = p->here_at + values;
    p->cost = p->bytes + values;
    p->flops = p->cost + nodes;
    p->staged = p->flops + nodes;
    p->is_there = p->is_kept + values;
    p->base_count = live_order(g, p->base);
    list_readers(p);
    list_bytes(p, p->stack);
    list_costs(p);
    return true;
}

/* -- values in memory ------------------------------------------------------------------------- */

static uint32_t next_reader(const saver *p, value v)
{
    return p->next[v] < p->readers_from[v + 1] ? p->readers[p->next[v]] : PLACE_NEVER;
}

static void put(saver *p, value v)
{
    if (p->is_there[v]) return;
    p->is_there[v] = true;
    p->live += p->bytes[v];
    const bool may_go = !p->is_kept[v] && p->bytes[v] > p->budget / SMALL_FRACTION &&
                        may_repeat(&p->g->nodes[p->g->values[v].node]);
    if (!may_go) return;
    p->here[p->here_count++] = v;
    p->here_at[v] = p->here_count;
}

static void drop(saver *p, value v)
{
    const uint32_t at = p->here_at[v];

    p->is_there[v] = false;
    p->live -= p->bytes[v];
    if (at == 0) return;
    const value moved = p->here[--p->here_count];
    p->here[at - 1] = moved;
    p->here_at[moved] = at;
    p->here_at[v] = 0;
}

static void drop_if_unread(saver *p, value v)
{
    if (p->is_there[v] && !p->is_kept[v] && p->pins[v] == 0 && next_reader(p, v) == PLACE_NEVER)
        drop(p, v);
}

/* Cost of the nodes that must run again to have a value; 0: there is one that cannot. */
static uint64_t cost_of(saver *p, value v)
{
    const graph *g = p->g;
    uint32_t count = 1;
    uint64_t cost = 0;

    p->mark_now++;
    p->chain[0] = g->values[v].node;
    p->mark[p->chain[0]] = p->mark_now;
    for (uint32_t i = 0; i < count; i++) {
        const node *n = &g->nodes[p->chain[i]];

        if (!may_repeat(n)) return 0;
        cost += p->cost[p->chain[i]];
        for (uint32_t k = 0; k < n->input_count && count < CHAIN_MAX; k++) {
            const value x = n->inputs[k];
            if (!live_is_result(g, x) || p->is_there[x]) continue;
            const uint32_t from = g->values[x].node;
            if (p->mark[from] == p->mark_now) continue;
            p->mark[from] = p->mark_now;
            p->chain[count++] = from;
        }
    }
    return cost;
}

/* Drops the value that is missed least. False: there is none. */
static bool drop_one(saver *p, uint32_t place)
{
    value least = VALUE_NONE;
    double least_score = 0;

    for (uint32_t i = 0; i < p->here_count; i++) {
        const value v = p->here[i];
        const uint32_t reader = next_reader(p, v);

        if (p->pins[v] > 0 || reader == PLACE_NEVER || reader <= place) continue;
        const uint64_t cost = cost_of(p, v);
        if (cost == 0) continue;
        double score = p->prefer.by_cost ? (double)cost : 1.0;
        if (p->prefer.by_bytes) score /= (double)p->bytes[v];
        if (p->prefer.by_distance) score /= (double)(reader - place);
        if (least != VALUE_NONE && (score > least_score || (score == least_score && v > least)))
            continue;
        least = v;
        least_score = score;
    }
    if (least == VALUE_NONE) return false;
    drop(p, least);
    return true;
}

/* -- replay ----------------------------------------------------------------------------------- */

/* Bytes that a node needs besides what is there. */
static uint64_t need_of(const saver *p, uint32_t index, uint32_t place)
{
    const node *n = &p->g->nodes[index];
    const uint32_t shared = live_shared_input(p->g, p->m, index);
    uint64_t need = p->m->scratch_bytes != NULL ? p->m->scratch_bytes[index] : 0;

    for (uint32_t k = 0; k < n->output_count; k++)
        if (!p->is_there[n->outputs[k]]) need += p->bytes[n->outputs[k]];
    if (shared == SHARED_INPUT_NONE || !live_is_result(p->g, n->inputs[shared])) return need;
    const value x = n->inputs[shared];
    const bool ends = p->pins[x] == 1 && !p->is_kept[x] &&
                      (next_reader(p, x) == PLACE_NEVER ||
                       (next_reader(p, x) == place && p->next[x] + 1 == p->readers_from[x + 1]));
    return ends && need >= p->bytes[x] ? need - p->bytes[x] : need;
}

static void pin_inputs(saver *p, const node *n, bool is_pinned)
{
    for (uint32_t k = 0; k < n->input_count; k++) {
        const value v = n->inputs[k];

        if (!live_is_result(p->g, v) || is_repeated(n, k)) continue;
        if (is_pinned)
            p->pins[v]++;
        else if (--p->pins[v] == 0)
            drop_if_unread(p, v);
    }
}

/* The node that gives an input which is not there. */
static uint32_t find_missing(const saver *p, const node *n)
{
    for (uint32_t k = 0; k < n->input_count; k++)
        if (live_is_result(p->g, n->inputs[k]) && !p->is_there[n->inputs[k]])
            return p->g->values[n->inputs[k]].node;
    return NODE_NONE;
}

static bool run_node(saver *p, uint32_t index, uint32_t place)
{
    const node *n = &p->g->nodes[index];

    while (p->live + p->staged[place] + need_of(p, index, place) > p->budget)
        if (!drop_one(p, place)) return false;
    if (p->tape_count == p->tape_max) return false;
    p->tape[p->tape_count++] = index;
    for (uint32_t k = 0; k < n->output_count; k++) put(p, n->outputs[k]);
    if (index == p->base[place]) {
        for (uint32_t k = 0; k < n->input_count; k++)
            if (n->inputs[k] != VALUE_NONE && !is_repeated(n, k)) p->next[n->inputs[k]]++;
    }
    pin_inputs(p, n, false);
    for (uint32_t k = 0; k < n->output_count; k++) drop_if_unread(p, n->outputs[k]);
    return true;
}

/* Runs the node at a place of the base order, and before it what it misses. */
static bool run_place(saver *p, uint32_t place)
{
    uint32_t depth = 0;

    p->stack[depth++] = p->base[place];
    pin_inputs(p, &p->g->nodes[p->base[place]], true);
    while (depth > 0) { /* each node needs the one above it, and the graph has no cycles */
        const uint32_t missing = find_missing(p, &p->g->nodes[p->stack[depth - 1]]);

        if (missing == NODE_NONE) {
            if (!run_node(p, p->stack[--depth], place)) return false;
            continue;
        }
        if (!may_repeat(&p->g->nodes[missing])) return false;
        p->stack[depth++] = missing;
        pin_inputs(p, &p->g->nodes[missing], true);
    }
    return true;
}

/* Fills the tape. False: the budget is too small. */
static bool replay(saver *p, const preference *prefer, uint64_t budget)
{
    p->prefer = *prefer;
    p->budget = budget;
    p->live = 0;
    p->tape_count = p->here_count = 0;
    for (value v = 0; v < p->g->value_count; v++) {
        p->next[v] = p->readers_from[v];
        p->pins[v] = p->here_at[v] = 0;
        p->is_there[v] = false;
    }
    for (uint32_t i = 0; i < p->base_count; i++)
        if (!run_place(p, i)) return false;
    return true;
}

/* -- choice ----------------------------------------------------------------------------------- */

typedef struct choice {
    uint32_t *tape, count; /* the best so far; count 0: none */
    uint64_t flops, cost;
    live_cost memory;
} choice;

static void tape_work(const saver *p, uint64_t *flops, uint64_t *cost)
{
    *flops = *cost = 0;
    for (uint32_t i = 0; i < p->tape_count; i++) {
        *flops += p->flops[p->tape[i]];
        *cost += p->cost[p->tape[i]];
    }
}

/* Lowers the budget until the planned arena fits. `least`: the smallest arena of all. */
static ebb_status try_budgets(saver *p, const preference *prefer, uint64_t arena_max, choice *best,
                              live_cost *least, ebb_error *error)
{
    uint64_t budget = arena_max, flops, cost;

    for (uint32_t i = 0; i < BUDGETS && replay(p, prefer, budget); i++) {
        live_cost memory;

        tape_work(p, &flops, &cost);
        if (best->count > 0 && cost >= best->cost) break;
        const ebb_status status =
            live_measure(p->scratch, p->g, p->m, p->tape, p->tape_count, true, &memory, error);
        if (status != EBB_OK) return status;
        if (memory.arena < least->arena) *least = memory;
        if (memory.arena <= arena_max) {
            memcpy(best->tape, p->tape, p->tape_count * sizeof *p->tape);
            best->count = p->tape_count;
            best->flops = flops;
            best->cost = cost;
            best->memory = memory;
            break;
        }
        const uint64_t over = memory.arena - arena_max, step = over + arena_max / 128;
        if (step >= budget) break;
        budget -= step;
    }
    return EBB_OK;
}

static ebb_status choose(saver *p, uint64_t arena_max, choice *best, recompute_report *report,
                         ebb_error *error)
{
    live_cost least = report->before;

    best->tape = region_new(p->scratch, uint32_t, p->tape_max);
    if (best->tape == NULL) return region_fail(p->scratch, error, "graph", "the recomputation");
    for (uint32_t i = 0; i < PREFERENCES; i++) {
        const ebb_status status = try_budgets(p, &preferences[i], arena_max, best, &least, error);
        if (status != EBB_OK) return status;
    }
    report->after = best->count > 0 ? best->memory : least;
    if (best->count > 0) return EBB_OK;
    return fail(error, EBB_E_MEMORY, "graph",
                "the arena needs more than the limit of %llu bytes even with recomputation (%llu "
                "found); raise it or give smaller batches",
                (unsigned long long)arena_max, (unsigned long long)least.arena);
}

/* -- copies ----------------------------------------------------------------------------------- */

typedef struct rewriting {
    saver *p;
    const choice *best;
    uint32_t *order; /* by place on the tape: the node, or its copy */
    value *latest;   /* by old value: the copy that readers get now */
    value *operands; /* what the inputs of the old nodes become, in the order of the tape */
    bool *is_done;   /* by old node: it stands on the tape before */
} rewriting;

static bool rewriting_open(rewriting *w, saver *p, const choice *best)
{
    const graph *g = p->g;
    size_t reads = 0;

    for (uint32_t i = 0; i < p->base_count; i++) reads += g->nodes[p->base[i]].input_count;
    *w = (rewriting){.p = p, .best = best};
    w->order = region_new(p->scratch, uint32_t, best->count);
    w->latest = region_new(p->scratch, value, g->value_count);
    w->operands = region_new(p->scratch, value, reads + 1);
    w->is_done = region_new(p->scratch, bool, g->node_count);
    return w->order != NULL && w->latest != NULL && w->operands != NULL && w->is_done != NULL;
}

/* The same node once more. Its outputs are consecutive values from the result on. */
static value copy_node(graph *g, uint32_t index, const value *inputs)
{
    const node n = g->nodes[index]; /* building moves g->nodes */

    g->scope = n.name;
    return graph_node(g, n.op, inputs, n.input_count, n.attributes);
}

/* Walks the tape: what stands there for the second time becomes a new node, appended; each reader
 * gets the latest copies of its inputs. The old nodes change only when all is built. */
static bool rewrite(rewriting *w)
{
    graph *const g = w->p->g;
    const char *const scope = g->scope;
    size_t operand = 0;

    for (uint32_t i = 0; i < w->best->count && graph_ok(g); i++) {
        const uint32_t index = w->best->tape[i];
        value inputs[OP_INPUTS_MAX];

        for (uint32_t k = 0; k < g->nodes[index].input_count; k++) {
            const value v = g->nodes[index].inputs[k];
            inputs[k] = w->latest[v] != VALUE_NONE ? w->latest[v] : v;
            if (!w->is_done[index]) w->operands[operand++] = inputs[k];
        }
        const bool is_copy = w->is_done[index];
        const value first = is_copy ? copy_node(g, index, inputs) : VALUE_NONE;
        w->order[i] = is_copy ? g->node_count - 1 : index;
        w->is_done[index] = true;
        for (uint32_t k = 0; k < g->nodes[index].output_count; k++)
            w->latest[g->nodes[index].outputs[k]] =
                is_copy ? first + k : g->nodes[index].outputs[k];
    }
    g->scope = scope;
    return graph_ok(g);
}

static ebb_status apply(saver *p, const choice *best, ebb_error *error)
{
    graph *const g = p->g;
    const uint32_t node_count = g->node_count;
    size_t operand = 0;
    rewriting w;

    if (!rewriting_open(&w, p, best))
        return region_fail(p->scratch, error, "graph", "the recomputation");
    if (!rewrite(&w)) {
        if (error != NULL) *error = g->error;
        return g->error.status;
    }
    for (uint32_t i = 0; i < best->count; i++) {
        if (w.order[i] >= node_count) continue;
        node *n = &g->nodes[w.order[i]];
        if (n->input_count > 0)
            memcpy(n->inputs, &w.operands[operand], n->input_count * sizeof *n->inputs);
        operand += n->input_count;
    }
    graph_count_uses(g);
    return live_set_order(g, p->scratch, w.order, best->count, error);
}

/* -- all of it -------------------------------------------------------------------------------- */

static ebb_status recompute(saver *p, const recompute_options *o, recompute_report *report,
                            ebb_error *error)
{
    choice best = {0};
    uint64_t cost;

    if (!take_memory(p)) return region_fail(p->scratch, error, "graph", "the recomputation");
    ebb_status status =
        live_measure(p->scratch, p->g, p->m, p->base, p->base_count, true, &report->before, error);
    if (status != EBB_OK) return status;
    report->after = report->before;
    memcpy(p->tape, p->base, p->base_count * sizeof *p->tape);
    p->tape_count = p->base_count;
    tape_work(p, &report->flops, &cost);
    if (report->before.arena <= o->arena_max) return EBB_OK;
    status = choose(p, o->arena_max, &best, report, error);
    if (status != EBB_OK) return status;
    report->copies = best.count - p->base_count;
    report->flops_extra = best.flops - report->flops;
    return o->is_trial ? EBB_OK : apply(p, &best, error);
}

ebb_status graph_recompute(graph *g, const recompute_options *options, recompute_report *report,
                           ebb_error *error)
{
    recompute_report own;

    if (report == NULL) report = &own;
    *report = (recompute_report){0};
    if (!graph_ok(g)) {
        if (error != NULL) *error = g->error;
        return g->error.status;
    }
    region *const scratch = region_open(g->home, "recomputation", EBB_CLASS_SCRATCH, 0);
    saver *const p = scratch != NULL ? region_new(scratch, saver, 1) : NULL;
    ebb_status status = EBB_E_MEMORY;
    if (p == NULL) {
        (void)region_fail(scratch != NULL ? scratch : g->home, error, "graph", "a search");
    } else {
        *p = (saver){
            .g = g, .m = options->memory, .dim_values = options->dim_values, .scratch = scratch};
        status = recompute(p, options, report, error);
    }
    region_close(scratch);
    return status;
}
