/* node_schedule.c -- see node_schedule.h. A list scheduler over the present order: nodes are taken
 * one after another, what they need first; after each, whatever pays at once follows. */
#include "graph/node_schedule.h"

#include <string.h>

#include "base/status.h"

#define NODE_NONE   UINT32_MAX
#define PIECE_MAX   256u           /* nodes of a piece that runs at once */
#define AGENDA_MAX  65536u         /* nodes of pieces within pieces */
#define SMALL_BYTES UINT64_C(4096) /* what a piece needs is computed for it if it is that small */

/* A queue that holds each number once. */
typedef struct queue {
    uint32_t *items; /* a ring of `size` places */
    bool *is_queued; /* by number */
    uint32_t size, head, count;
} queue;

typedef struct scheduler {
    const graph *g;
    const memory_facts *m;
    region *scratch;
    uint32_t *base; /* the present order of the nodes that run */
    uint32_t base_count;
    uint32_t *place;                  /* by node: in base */
    uint32_t *readers, *readers_from; /* by value: nodes that read it, each once, in order */
    uint32_t *writer;                 /* by variable: the node that computes its next value */
    bool *is_kept;                    /* by value: an output of the graph */
    bool *is_update;                  /* by value: the next value of a variable */
    /* Of one order. */
    bool is_eager;
    uint32_t *order, order_count;
    bool *is_done, *is_sinking; /* by node */
    uint32_t *missing;          /* by node: values it still waits for */
    uint32_t *blocked;          /* by node: other readers of the variables it updates */
    uint32_t *unread;           /* by value: readers that have not run */
    uint32_t *stack;            /* of nodes that were asked for */
    queue nodes, roots;         /* nodes that may pay now; values that may begin a piece */
    uint32_t *agenda, agenda_count;
    /* Of one piece. */
    uint32_t piece[PIECE_MAX], piece_count, piece_number;
    uint32_t *node_mark, *value_mark; /* number of the last piece that it was seen in */
    uint32_t *piece_reads;            /* by value: nodes of the piece that read it */
    uint32_t *inside;                 /* by node: of those that block it, how many are inside */
    value *waiting, *waiting_next;    /* by node: the first value whose piece waits for it; by
                                         value: the next one */
} scheduler;

/* -- tables ----------------------------------------------------------------------------------- */

static bool is_repeated(const node *n, uint32_t input)
{
    for (uint32_t k = 0; k < input; k++)
        if (n->inputs[k] == n->inputs[input]) return true;
    return false;
}

static void list_readers(scheduler *s)
{
    const graph *g = s->g;
    uint32_t *const from = s->readers_from;

    for (uint32_t fill = 0; fill < 2; fill++) { /* counts, then numbers */
        for (uint32_t i = 0; i < s->base_count; i++) {
            const node *n = &g->nodes[s->base[i]];

            for (uint32_t k = 0; k < n->input_count; k++) {
                if (n->inputs[k] == VALUE_NONE || is_repeated(n, k)) continue;
                if (fill == 0)
                    from[n->inputs[k] + 1]++;
                else
                    s->readers[from[n->inputs[k]]++] = s->base[i];
            }
        }
        for (value v = 0; v < g->value_count && fill == 0; v++) from[v + 1] += from[v];
    }
    memmove(from + 1, from, g->value_count * sizeof *from);
    from[0] = 0;
}

static void list_outputs(scheduler *s)
{
    const graph *g = s->g;
    const uint32_t results = g->output_count - g->update_count;

    for (value v = 0; v < g->value_count; v++) s->writer[v] = NODE_NONE;
    for (uint32_t i = 0; i < g->output_count; i++) {
        const value v = g->outputs[i];

        s->is_kept[v] = true;
        if (i < results || !live_is_result(g, v)) continue;
        s->is_update[v] = true;
        s->writer[g->updated[i - results]] = g->values[v].node;
    }
}

static bool queue_open(queue *q, region *home, uint32_t size)
{
    *q = (queue){.size = size};
    q->items = region_new(home, uint32_t, size);
    q->is_queued = region_new(home, bool, size);
    return q->items != NULL && q->is_queued != NULL;
}

static void queue_put(queue *q, uint32_t number)
{
    if (q->is_queued[number]) return;
    q->is_queued[number] = true;
    q->items[(q->head + q->count++) % q->size] = number;
}

static uint32_t queue_take(queue *q)
{
    const uint32_t number = q->items[q->head];

    q->head = (q->head + 1) % q->size;
    q->count--;
    q->is_queued[number] = false;
    return number;
}

static bool take_memory(scheduler *s)
{
    const graph *g = s->g;
    const size_t values = (size_t)g->value_count + 1, nodes = (size_t)g->node_count + 1;
    size_t reads = 0;

    for (uint32_t i = 0; i < g->node_count; i++) reads += g->nodes[i].input_count;
    s->base = region_new(s->scratch, uint32_t, 9 * nodes);
    s->readers_from = region_new(s->scratch, uint32_t, 6 * values + reads);
    s->is_done = region_new(s->scratch, bool, 2 * nodes + 2 * values);
    s->agenda = region_new(s->scratch, uint32_t, AGENDA_MAX);
    if (s->base == NULL || s->readers_from == NULL || s->is_done == NULL || s->agenda == NULL ||
        !queue_open(&s->nodes, s->scratch, (uint32_t)nodes) ||
        !queue_open(&s->roots, s->scratch, (uint32_t)values))
        return false;
    s->place = s->base + nodes;
    s->order = s->place + nodes;
    s->missing = s->order + nodes;
    s->blocked = s->missing + nodes;
    s->stack = s->blocked + nodes;
    s->node_mark = s->stack + nodes;
    s->waiting = s->node_mark + nodes;
    s->inside = s->waiting + nodes;
    s->writer = s->readers_from + values;
    s->unread = s->writer + values;
    s->value_mark = s->unread + values;
    s->piece_reads = s->value_mark + values;
    s->waiting_next = s->piece_reads + values;
    s->readers = s->waiting_next + values;
    s->is_sinking = s->is_done + nodes;
    s->is_kept = s->is_sinking + nodes;
    s->is_update = s->is_kept + values;
    return true;
}

/* -- one node --------------------------------------------------------------------------------- */

static uint32_t reader_count(const scheduler *s, value v)
{
    return s->readers_from[v + 1] - s->readers_from[v];
}

/* Does the value have memory that ends with its last reader? */
static bool is_freed(const scheduler *s, value v)
{
    return live_is_result(s->g, v) && !s->is_kept[v];
}

/* Bytes alive after the node, less those before. Updates take none when they need not wait. */
static int64_t growth_of(const scheduler *s, uint32_t index)
{
    const node *n = &s->g->nodes[index];
    int64_t growth = 0;

    for (uint32_t k = 0; k < n->output_count; k++) {
        const value v = n->outputs[k];
        const bool is_stored = s->is_update[v] && s->blocked[index] == 0;

        if (!is_stored && (s->is_kept[v] || reader_count(s, v) > 0))
            growth += (int64_t)s->m->value_bytes[v];
    }
    for (uint32_t k = 0; k < n->input_count; k++) {
        const value v = n->inputs[k];

        if (is_freed(s, v) && s->unread[v] == 1 && !is_repeated(n, k))
            growth -= (int64_t)s->m->value_bytes[v];
    }
    return growth;
}

/* The reader of a value that is left. */
static uint32_t last_reader(const scheduler *s, value v)
{
    uint32_t i = s->readers_from[v];

    while (s->is_done[s->readers[i]]) i++;
    return s->readers[i];
}

/* Pieces that wait for a node are looked at again. */
static void wake(scheduler *s, uint32_t index)
{
    while (s->waiting[index] != VALUE_NONE) {
        const value v = s->waiting[index];

        s->waiting[index] = s->waiting_next[v];
        queue_put(&s->roots, v);
    }
}

static void run_node(scheduler *s, uint32_t index)
{
    const node *n = &s->g->nodes[index];

    s->order[s->order_count++] = index;
    s->is_done[index] = true;
    wake(s, index);
    for (uint32_t k = 0; k < n->input_count; k++) {
        const value v = n->inputs[k];
        if (v == VALUE_NONE || is_repeated(n, k)) continue;
        if (--s->unread[v] == 1 && is_freed(s, v)) queue_put(&s->nodes, last_reader(s, v));
        const uint32_t writer = s->writer[v];
        if (writer == NODE_NONE || writer == index) continue;
        if (--s->blocked[writer] == 0) queue_put(&s->nodes, writer);
        wake(s, writer);
    }
    for (uint32_t k = 0; k < n->output_count; k++) {
        const value v = n->outputs[k];
        for (uint32_t i = s->readers_from[v]; i < s->readers_from[v + 1]; i++)
            if (--s->missing[s->readers[i]] == 0) queue_put(&s->nodes, s->readers[i]);
        if (reader_count(s, v) > 0) queue_put(&s->roots, v);
    }
}

/* An input of the node whose own node has not run. */
static uint32_t find_missing(const scheduler *s, uint32_t index)
{
    const node *n = &s->g->nodes[index];

    for (uint32_t k = 0; k < n->input_count; k++) {
        const value v = n->inputs[k];
        if (live_is_result(s->g, v) && !s->is_done[s->g->values[v].node])
            return s->g->values[v].node;
    }
    return NODE_NONE;
}

/* Runs a node after those it needs. One that updates a variable others will read is left for later
 * unless somebody needs it. */
static void ask_for(scheduler *s, uint32_t index, bool may_wait)
{
    uint32_t depth = 0;

    if (s->is_done[index] || (may_wait && s->blocked[index] > 0)) return;
    s->stack[depth++] = index;
    while (depth > 0) { /* no node is on the stack twice: the graph has no cycles */
        const uint32_t missing = find_missing(s, s->stack[depth - 1]);

        if (missing != NODE_NONE)
            s->stack[depth++] = missing;
        else
            run_node(s, s->stack[--depth]);
    }
}

/* -- pieces ----------------------------------------------------------------------------------- */

static bool add_to_piece(scheduler *s, uint32_t index)
{
    if (s->is_done[index] || s->node_mark[index] == s->piece_number) return true;
    if (s->piece_count == PIECE_MAX) return false;
    s->node_mark[index] = s->piece_number;
    s->piece[s->piece_count++] = index;
    return true;
}

static bool add_readers(scheduler *s, value v)
{
    for (uint32_t i = s->readers_from[v]; i < s->readers_from[v + 1]; i++)
        if (!add_to_piece(s, s->readers[i])) return false;
    return true;
}

static bool is_small(const scheduler *s, uint32_t index)
{
    const node *n = &s->g->nodes[index];
    uint64_t bytes = 0;

    for (uint32_t k = 0; k < n->output_count; k++) bytes += s->m->value_bytes[n->outputs[k]];
    return bytes <= SMALL_BYTES;
}

/* Everything that follows from a value, and what little that needs besides. *blocker: a node
 * outside that must run first. False: the piece is too large. */
static bool find_piece(scheduler *s, value root, uint32_t *blocker)
{
    const graph *g = s->g;

    *blocker = NODE_NONE;
    s->piece_number++;
    s->piece_count = 0;
    if (!add_readers(s, root)) return false;
    for (uint32_t i = 0; i < s->piece_count; i++) {
        const node *n = &g->nodes[s->piece[i]];
        for (uint32_t k = 0; k < n->output_count; k++)
            if (!add_readers(s, n->outputs[k])) return false;
    }
    for (uint32_t i = 0; i < s->piece_count; i++) {
        const node *n = &g->nodes[s->piece[i]];
        for (uint32_t k = 0; k < n->input_count; k++) {
            const value v = n->inputs[k];
            const uint32_t from = live_is_result(g, v) ? g->values[v].node : NODE_NONE;

            if (from == NODE_NONE || s->is_done[from] || s->node_mark[from] == s->piece_number)
                continue;
            if (!is_small(s, from)) *blocker = from;
            if (*blocker != NODE_NONE) return true;
            if (!add_to_piece(s, from)) return false;
        }
    }
    return true;
}

/* Counts who reads what in the piece. Returns a node that must wait for readers of its variable
 * that are outside; NODE_NONE if there is none. */
static uint32_t count_reads(scheduler *s)
{
    uint32_t blocker = NODE_NONE;

    for (uint32_t i = 0; i < s->piece_count; i++) s->inside[s->piece[i]] = 0;
    for (uint32_t i = 0; i < s->piece_count; i++) {
        const node *n = &s->g->nodes[s->piece[i]];

        for (uint32_t k = 0; k < n->input_count; k++) {
            const value v = n->inputs[k];
            if (v == VALUE_NONE || is_repeated(n, k)) continue;
            if (s->value_mark[v] != s->piece_number) s->piece_reads[v] = 0;
            s->value_mark[v] = s->piece_number;
            s->piece_reads[v]++;
            const uint32_t writer = s->writer[v];
            if (writer != NODE_NONE && writer != s->piece[i] &&
                s->node_mark[writer] == s->piece_number)
                s->inside[writer]++;
        }
    }
    for (uint32_t i = 0; i < s->piece_count; i++)
        if (s->blocked[s->piece[i]] > s->inside[s->piece[i]]) blocker = s->piece[i];
    return blocker;
}

static bool is_read_inside_alone(const scheduler *s, value v)
{
    return s->unread[v] == (s->value_mark[v] == s->piece_number ? s->piece_reads[v] : 0);
}

/* Bytes alive after the piece, less those before. Follows count_reads(). */
static int64_t growth_of_piece(scheduler *s)
{
    int64_t growth = 0;

    for (uint32_t i = 0; i < s->piece_count; i++) {
        const node *n = &s->g->nodes[s->piece[i]];

        for (uint32_t k = 0; k < n->output_count; k++) {
            const value v = n->outputs[k];
            if (!s->is_update[v] && (s->is_kept[v] || !is_read_inside_alone(s, v)))
                growth += (int64_t)s->m->value_bytes[v];
        }
    }
    for (uint32_t i = 0; i < s->piece_count; i++) {
        const node *n = &s->g->nodes[s->piece[i]];

        for (uint32_t k = 0; k < n->input_count; k++) {
            const value v = n->inputs[k];
            if (!is_freed(s, v) || s->node_mark[s->g->values[v].node] == s->piece_number ||
                s->value_mark[v] != s->piece_number || !is_read_inside_alone(s, v))
                continue;
            growth -= (int64_t)s->m->value_bytes[v];
            s->value_mark[v] = 0; /* counted */
        }
    }
    return growth;
}

/* Puts the piece on the agenda, the node to run first on top. */
static void push_piece(scheduler *s)
{
    if (s->piece_count > AGENDA_MAX - s->agenda_count) return;
    uint32_t *const top = &s->agenda[s->agenda_count];
    for (uint32_t i = 0; i < s->piece_count; i++) {
        uint32_t k = i;

        for (; k > 0 && s->place[top[k - 1]] < s->place[s->piece[i]]; k--) top[k] = top[k - 1];
        top[k] = s->piece[i];
    }
    s->agenda_count += s->piece_count;
}

static void try_piece(scheduler *s, value root)
{
    uint32_t blocker;

    if (s->unread[root] == 0 || !find_piece(s, root, &blocker)) return;
    if (blocker == NODE_NONE) blocker = count_reads(s);
    if (blocker == NODE_NONE) {
        if (growth_of_piece(s) <= 0) push_piece(s);
        return;
    }
    s->waiting_next[root] = s->waiting[blocker];
    s->waiting[blocker] = root;
}

/* -- an order --------------------------------------------------------------------------------- */

/* Runs what pays at once: single nodes, then pieces. */
static void settle(scheduler *s)
{
    while (s->is_eager && s->nodes.count + s->roots.count + s->agenda_count > 0) {
        if (s->nodes.count > 0) {
            const uint32_t index = queue_take(&s->nodes);
            const bool is_ready = !s->is_done[index] && s->missing[index] == 0;
            if (is_ready && s->blocked[index] == 0 && growth_of(s, index) <= 0) run_node(s, index);
        } else if (s->roots.count > 0) {
            try_piece(s, queue_take(&s->roots));
        } else {
            ask_for(s, s->agenda[--s->agenda_count], true);
        }
    }
}

/* Nodes that make more than they end, where they stand now, may as well wait for their readers. */
static void find_sinking(scheduler *s)
{
    for (uint32_t i = 0; i < s->base_count; i++) {
        const uint32_t index = s->base[i];
        const node *n = &s->g->nodes[index];
        int64_t growth = 0;
        bool is_kept = false;

        for (uint32_t k = 0; k < n->output_count; k++) {
            growth += (int64_t)s->m->value_bytes[n->outputs[k]];
            is_kept |= s->is_kept[n->outputs[k]];
        }
        for (uint32_t k = 0; k < n->input_count; k++) {
            const value v = n->inputs[k];
            if (!is_freed(s, v) || is_repeated(n, k)) continue;
            if (s->readers[s->readers_from[v + 1] - 1] == index)
                growth -= (int64_t)s->m->value_bytes[v];
        }
        s->is_sinking[index] = growth > 0 && !is_kept;
    }
}

static void reset(scheduler *s)
{
    const graph *g = s->g;

    s->order_count = 0;
    for (value v = 0; v < g->value_count; v++) {
        s->unread[v] = reader_count(s, v);
        s->value_mark[v] = 0;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        s->is_done[i] = s->is_sinking[i] = false;
        s->missing[i] = s->blocked[i] = s->node_mark[i] = 0;
        s->waiting[i] = VALUE_NONE;
    }
    s->piece_number = 0;
    for (uint32_t i = 0; i < s->base_count; i++) {
        const node *n = &g->nodes[s->base[i]];

        for (uint32_t k = 0; k < n->input_count; k++) {
            const value v = n->inputs[k];
            if (v == VALUE_NONE || is_repeated(n, k)) continue;
            if (live_is_result(g, v)) s->missing[s->base[i]]++;
            if (s->writer[v] != NODE_NONE && s->writer[v] != s->base[i]) s->blocked[s->writer[v]]++;
        }
    }
}

static void make_order(scheduler *s, bool is_sunk, bool is_eager)
{
    reset(s);
    s->is_eager = is_eager;
    if (is_sunk) find_sinking(s);
    for (uint32_t i = 0; i < s->base_count; i++) {
        if (s->is_sinking[s->base[i]]) continue;
        ask_for(s, s->base[i], true);
        settle(s);
    }
    for (uint32_t i = 0; i < s->base_count; i++) ask_for(s, s->base[i], false);
    while (s->nodes.count > 0) queue_take(&s->nodes);
    while (s->roots.count > 0) queue_take(&s->roots);
}

/* -- the graph -------------------------------------------------------------------------------- */

static ebb_status choose(graph *g, scheduler *s, schedule_report *report, ebb_error *error)
{
    uint32_t *const best = region_new(s->scratch, uint32_t, (size_t)g->node_count + 1);

    if (best == NULL || !take_memory(s))
        return region_fail(s->scratch, error, "graph", "the order of nodes");
    s->base_count = live_order(g, s->base);
    for (uint32_t i = 0; i < s->base_count; i++) s->place[s->base[i]] = i;
    list_readers(s);
    list_outputs(s);
    ebb_status status =
        live_measure(s->scratch, g, s->m, s->base, s->base_count, true, &report->before, error);
    report->after = report->before;
    memcpy(best, s->base, s->base_count * sizeof *best);
    for (uint32_t way = 3; way > 0 && status == EBB_OK; way--) {
        live_cost cost;

        make_order(s, way % 2 == 1, way >= 2);
        status = live_measure(s->scratch, g, s->m, s->order, s->order_count, false, &cost, error);
        if (status != EBB_OK || cost.peak >= report->after.arena) continue; /* cannot be better */
        status = live_measure(s->scratch, g, s->m, s->order, s->order_count, true, &cost, error);
        if (status != EBB_OK || cost.arena >= report->after.arena) continue;
        report->after = cost;
        memcpy(best, s->order, s->order_count * sizeof *best);
    }
    return status == EBB_OK ? live_set_order(g, s->scratch, best, s->base_count, error) : status;
}

ebb_status graph_schedule(graph *g, const memory_facts *m, schedule_report *report,
                          ebb_error *error)
{
    schedule_report own;

    if (!graph_ok(g)) {
        if (error != NULL) *error = g->error;
        return g->error.status;
    }
    region *const scratch = region_open(g->home, "schedule", EBB_CLASS_SCRATCH, 0);
    scheduler *const s = scratch != NULL ? region_new(scratch, scheduler, 1) : NULL;
    ebb_status status = EBB_E_MEMORY;
    if (s == NULL) {
        (void)region_fail(scratch != NULL ? scratch : g->home, error, "graph", "the order");
    } else {
        *s = (scheduler){.g = g, .m = m, .scratch = scratch};
        status = choose(g, s, report != NULL ? report : &own, error);
    }
    region_close(scratch);
    return status;
}
