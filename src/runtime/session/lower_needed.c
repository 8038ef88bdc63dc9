/* lower_needed.c -- which nodes a run needs, in an order in which each follows what it needs.
 *
 * That is the order in which they were added, except that what an older node waits for by a control
 * dependency comes in front of it. */
#include <string.h>

#include "base/status.h"
#include "runtime/session/lower.h"

typedef struct walk {
    const symbolic *s;
    const bool *is_fed;     /* by tensor */
    uint8_t *seen;          /* by node: 1 begun, 2 ended */
    uint32_t *stack, *next; /* nodes in turn, and the number of the edge to look at */
    uint32_t depth;
    uint32_t *order;
    uint32_t count;
} walk;

static void visit(walk *w, uint32_t node)
{
    if (w->seen[node] != 0) return;
    w->seen[node] = 1;
    w->stack[w->depth] = node;
    w->next[w->depth++] = 0;
}

/* Goes on until every node begun has ended. */
static void walk_on(walk *w)
{
    const sym_body *b = &w->s->body;

    while (w->depth > 0) {
        const uint32_t node = w->stack[w->depth - 1], edge = w->next[w->depth - 1]++;
        const sym_node *n = &b->nodes[node];
        if (edge < n->input_count) {
            if (!w->is_fed[n->inputs[edge]]) visit(w, b->tensors[n->inputs[edge]].node);
        } else if (edge < n->input_count + n->control_count) {
            visit(w, n->controls[edge - n->input_count]);
        } else {
            w->seen[node] = 2;
            w->order[w->count++] = node;
            w->depth--;
        }
    }
}

static void order_as_added(walk *w)
{
    w->count = 0;
    for (uint32_t i = 0; i < w->s->body.node_count; i++)
        if (w->seen[i] != 0) w->order[w->count++] = i;
}

/* Walks once more, from the oldest needed node on. */
static void order_late_edges(walk *w, bool *is_needed)
{
    const uint32_t count = w->s->body.node_count;

    for (uint32_t i = 0; i < count; i++) {
        is_needed[i] = w->seen[i] != 0;
        w->seen[i] = 0;
    }
    w->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_needed[i]) continue;
        visit(w, i);
        walk_on(w);
    }
}

ebb_status lower_needed(region *work, const symbolic *s, const lower_request *q, uint32_t **order,
                        uint32_t *count, ebb_error *error)
{
    const sym_body *b = &s->body;
    walk w = {.s = s};
    bool *is_fed = region_new(work, bool, (size_t)b->tensor_count + 1);
    bool *is_needed = region_new(work, bool, (size_t)b->node_count + 1);

    w.seen = region_new(work, uint8_t, (size_t)b->node_count + 1);
    w.stack = region_new(work, uint32_t, (size_t)b->node_count + 1);
    w.next = region_new(work, uint32_t, (size_t)b->node_count + 1);
    w.order = region_new(work, uint32_t, (size_t)b->node_count + 1);
    if (is_fed == NULL || is_needed == NULL || w.seen == NULL || w.stack == NULL ||
        w.next == NULL || w.order == NULL)
        return region_fail(work, error, s->name, "the order of a run");
    for (uint32_t i = 0; i < q->feed_count; i++) is_fed[q->feeds[i].tensor] = true;
    w.is_fed = is_fed;
    for (uint32_t i = 0; i < q->fetch_count; i++) {
        if (is_fed[q->fetches[i]]) continue;
        visit(&w, b->tensors[q->fetches[i]].node);
        walk_on(&w);
    }
    for (uint32_t i = 0; i < q->target_count; i++) {
        visit(&w, q->targets[i]);
        walk_on(&w);
    }
    if (b->has_late_edges)
        order_late_edges(&w, is_needed);
    else
        order_as_added(&w);
    *order = w.order;
    *count = w.count;
    return EBB_OK;
}
