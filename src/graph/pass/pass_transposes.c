/* pass_transposes.c -- transposes sink below elementwise work, joins and reductions until they
 * meet their inverse (simplify removes the pair).
 *
 *     conv -> transpose -> batch norm -> relu -> transpose -> conv      (a channels_first model)
 *     conv -> batch norm -> relu -> transpose -> transpose -> conv      after this pass
 *
 * A node moves when every operand is the same transpose, a constant, small enough that moving its
 * axes moves no element, or computed in the old order anyway. Constants get the inverse transpose,
 * which is computed once at load. All nodes that can move are found first, together, as if those
 * before them had moved already; then the ones go out again whose move would only multiply
 * transposes: results that nobody takes in the old order, from operands that somebody else needs
 * in the new one.
 */
#include "graph/pass/rewrite.h"

#include <string.h>

/* -- what can move ---------------------------------------------------------------------------- */

/* A value as the move leaves it: axis i is axis order[i] of what is really computed. */
typedef struct view {
    bool is_moved;
    uint32_t order[EBB_RANK_MAX];
} view;

typedef struct survey {
    view *views;      /* by value */
    bool *is_needed;  /* by value: somebody takes it as it is now */
    bool *is_taken;   /* by value: a transpose or a node that moves takes it */
    uint32_t *leaves; /* by value: nodes that move and take it, whose results nobody takes moved */
    bool *moves;      /* by node */
    bool *is_banned;  /* by node */
    uint32_t *turned; /* by value: a transpose of it, as node number + 1 */
} survey;

static bool survey_open(survey *s, graph *g, region *scratch)
{
    s->views = region_new(scratch, view, g->value_count);
    s->is_needed = region_new(scratch, bool, g->value_count);
    s->is_taken = region_new(scratch, bool, g->value_count);
    s->leaves = region_new(scratch, uint32_t, g->value_count);
    s->moves = region_new(scratch, bool, g->node_count);
    s->is_banned = region_new(scratch, bool, g->node_count);
    s->turned = region_new(scratch, uint32_t, g->value_count);
    if (s->views != NULL && s->is_needed != NULL && s->is_taken != NULL && s->leaves != NULL &&
        s->moves != NULL && s->is_banned != NULL && s->turned != NULL)
        return true;
    (void)region_fail(scratch, &g->error, "graph", "the search for transposes");
    return false;
}

/* Do the axes longer than 1, aligned at the last one, keep their order when axis i moves to
 * order[i]? */
static bool moves_no_element(const shape *s, const view *w, uint32_t rank)
{
    uint32_t last = 0;

    for (uint32_t i = rank - s->rank; i < rank; i++) {
        if (s->dims[i - (rank - s->rank)] == 1) continue;
        if (w->order[i] < last) return false;
        last = w->order[i];
    }
    return true;
}

/* Is this very value computed in the old order as well, for somebody else? */
static bool exists_turned(const graph *g, const survey *s, value v, const view *w, uint32_t rank)
{
    if (s->turned[v] == 0 || graph_rank(g, v) != rank) return false;
    const transpose_attributes *t = g->nodes[s->turned[v] - 1].attributes;
    for (uint32_t i = 0; i < rank; i++)
        if (t->order[w->order[i]] != i) return false;
    return true;
}

/* The view that all moved operands share; NULL if they differ or an operand cannot follow. */
static const view *shared_view(const graph *g, const survey *s, const node *n)
{
    const view *shared = NULL;
    const uint32_t rank = graph_rank(g, n->outputs[0]);

    for (uint32_t i = 0; i < n->input_count; i++) {
        const view *w = &s->views[n->inputs[i]];

        if (!w->is_moved) continue;
        if (graph_rank(g, n->inputs[i]) != rank) return NULL;
        if (shared != NULL && memcmp(shared->order, w->order, rank * sizeof *w->order) != 0)
            return NULL;
        shared = w;
    }
    for (uint32_t i = 0; i < n->input_count && shared != NULL; i++) {
        const value v = n->inputs[i];

        if (!s->views[v].is_moved && !graph_value(g, v)->is_constant &&
            !moves_no_element(graph_shape(g, v), shared, rank) &&
            !exists_turned(g, s, v, shared, rank))
            return NULL;
    }
    return shared;
}

/* The view of the operands of a node that can move; NULL if it cannot. */
static const view *operand_view(const graph *g, const survey *s, const node *n)
{
    switch (n->op) {
    case OP_unary:
    case OP_cast:
    case OP_pad:
    case OP_slice:
    case OP_softmax:
    case OP_reduce: return s->views[n->inputs[0]].is_moved ? &s->views[n->inputs[0]] : NULL;
    case OP_binary:
    case OP_compare:
    case OP_select:
    case OP_concat: return shared_view(g, s, n);
    default: return NULL;
    }
}

/* Axes of a reduction, as they are before the move. */
static uint32_t moved_axes(uint32_t axes, const uint32_t *order, uint32_t rank)
{
    uint32_t moved = 0;

    if (axes == 0) axes = (1u << rank) - 1;
    for (uint32_t i = 0; i < rank; i++) moved |= (axes >> i & 1) << order[i];
    return moved;
}

/* A reduction may drop axes; the view of its result orders those that are left. */
static view reduced_view(const reduce_attributes *r, const view *x, uint32_t rank)
{
    const uint32_t axes = moved_axes(r->axes, x->order, rank);
    view result = {.is_moved = true};
    uint32_t count = 0;

    if (r->keep_dims) return *x;
    for (uint32_t i = 0; i < rank; i++) {
        if ((axes >> x->order[i] & 1) != 0) continue;
        for (uint32_t axis = 0; axis < x->order[i]; axis++)
            result.order[count] += (axes >> axis & 1) == 0;
        count++;
    }
    return result;
}

static void find_moves(const graph *g, survey *s)
{
    memset(s->views, 0, g->value_count * sizeof *s->views);
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];

        s->moves[i] = false;
        if (n->is_dead || graph_value(g, n->outputs[0])->is_constant) continue;
        view *result = &s->views[n->outputs[0]];
        if (n->op == OP_transpose) {
            const transpose_attributes *t = n->attributes;
            s->turned[n->inputs[0]] = i + 1;
            result->is_moved = true;
            memcpy(result->order, t->order, sizeof result->order);
            continue;
        }
        const view *w = s->is_banned[i] ? NULL : operand_view(g, s, n);
        if (w == NULL) continue;
        s->moves[i] = true;
        *result =
            n->op == OP_reduce ? reduced_view(n->attributes, w, graph_rank(g, n->inputs[0])) : *w;
    }
}

static void find_users(const graph *g, survey *s)
{
    memset(s->is_needed, 0, g->value_count * sizeof *s->is_needed);
    memset(s->is_taken, 0, g->value_count * sizeof *s->is_taken);
    memset(s->leaves, 0, g->value_count * sizeof *s->leaves);
    for (uint32_t i = 0; i < g->output_count; i++) s->is_needed[g->outputs[i]] = true;
    for (uint32_t i = g->node_count; i-- > 0;) { /* users of a node's result come before the node */
        const node *n = &g->nodes[i];
        bool *const marks = n->op == OP_transpose || s->moves[i] ? s->is_taken : s->is_needed;

        for (uint32_t k = 0; k < n->input_count && !n->is_dead; k++) {
            marks[n->inputs[k]] = true;
            if (s->moves[i]) s->leaves[n->inputs[k]] += !s->is_taken[n->outputs[0]];
        }
    }
}

/* Nodes that had better stay. Returns how many were found. */
static uint32_t ban(const graph *g, survey *s)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        bool stays = s->moves[i] && !s->is_taken[n->outputs[0]];

        for (uint32_t k = 0; k < n->input_count && stays; k++) {
            const value v = n->inputs[k];
            if (s->views[v].is_moved) stays = s->is_needed[v] || s->leaves[v] > 1;
        }
        s->is_banned[i] |= stays;
        found += stays;
    }
    return found;
}

/* -- operands --------------------------------------------------------------------------------- */

static const uint32_t *order_of(const graph *g, value v)
{
    const transpose_attributes *t = rewrite_attributes(g, v, OP_transpose);

    return t != NULL && !graph_value(g, v)->is_constant ? t->order : NULL;
}

/* The operand as it looks before the transpose. */
static value before_transpose(graph *g, value v, const uint32_t *order, uint32_t rank)
{
    uint32_t inverse[EBB_RANK_MAX];
    bool is_single = true;

    if (order_of(g, v) != NULL) return g->nodes[rewrite_producer(g, v)].inputs[0];
    for (uint32_t i = 0; i < graph_rank(g, v); i++) is_single &= graph_shape(g, v)->dims[i] == 1;
    if (is_single) return v;
    if (graph_rank(g, v) < rank) {
        const uint32_t missing = rank - graph_rank(g, v);
        shape full = {.rank = rank};

        for (uint32_t i = 0; i < rank; i++)
            full.dims[i] = i < missing ? 1 : graph_shape(g, v)->dims[i - missing];
        v = op_reshape(g, v, &full);
    }
    for (uint32_t i = 0; i < rank; i++) inverse[order[i]] = i;
    return op_transpose(g, v, inverse);
}

/* -- nodes ------------------------------------------------------------------------------------ */

/* Attributes by axis, seen from before the transpose. */
static value move_node(graph *g, const node *n, value *inputs, const uint32_t *order)
{
    const uint32_t rank = graph_rank(g, inputs[0]);

    if (n->op == OP_pad) {
        const pad_attributes *old = n->attributes;
        pad_attributes moved = *old;
        for (uint32_t i = 0; i < rank; i++) {
            moved.before[order[i]] = old->before[i];
            moved.after[order[i]] = old->after[i];
        }
        return op_pad(g, inputs[0], &moved);
    }
    if (n->op == OP_slice) {
        const slice_attributes *old = n->attributes;
        slice_attributes moved = *old;
        for (uint32_t i = 0; i < rank; i++) {
            moved.start[order[i]] = old->start[i];
            moved.length[order[i]] = old->length[i];
            moved.step[order[i]] = old->step[i];
        }
        return op_slice(g, inputs[0], &moved);
    }
    if (n->op == OP_softmax) {
        const softmax_attributes *old = n->attributes;
        return op_softmax(g, inputs[0], moved_axes(old->axes, order, rank), old->is_log);
    }
    if (n->op == OP_reduce) {
        const reduce_attributes *old = n->attributes;
        return op_reduce(g, old->kind, inputs[0], moved_axes(old->axes, order, rank),
                         old->keep_dims);
    }
    if (n->op == OP_concat)
        return graph_node(
            g, OP_concat, inputs, n->input_count,
            &(concat_attributes){.axis = order[((const concat_attributes *)n->attributes)->axis]});
    return graph_node(g, n->op, inputs, n->input_count, n->attributes);
}

/* Puts a node above its transposes, which exist already for operands that moved before. */
static uint32_t move(graph *g, const survey *s, uint32_t index)
{
    const node n = g->nodes[index];
    const uint32_t *order = NULL;
    uint32_t rank = 0;
    value inputs[OP_INPUTS_MAX];

    for (uint32_t i = 0; i < n.input_count && order == NULL; i++) {
        order = order_of(g, n.inputs[i]);
        rank = graph_rank(g, n.inputs[i]);
    }
    if (order == NULL) return graph_fault(g, EBB_E_INTERNAL, "a transpose is missing");
    g->scope = n.name;
    for (uint32_t i = 0; i < n.input_count; i++)
        inputs[i] = before_transpose(g, n.inputs[i], order, rank);
    if (!graph_ok(g)) return 0;
    const value y = op_transpose(g, move_node(g, &n, inputs, order), s->views[n.outputs[0]].order);
    if (!graph_ok(g)) return 0;
    rewrite_retire(g, index, y);
    return 1;
}

static uint32_t run(graph *g)
{
    const char *const scope = g->scope;
    const uint32_t count = g->node_count;
    uint32_t changes = 0;
    survey s;

    if (!graph_ok(g) || count == 0) return 0;
    region *scratch = region_open(g->home, "pass", EBB_CLASS_SCRATCH, 0);
    if (scratch == NULL) {
        (void)region_fail(g->home, &g->error, "graph", "a pass");
        return 0;
    }
    if (survey_open(&s, g, scratch)) {
        do {
            find_moves(g, &s);
            find_users(g, &s);
        } while (ban(g, &s) > 0);
        for (uint32_t i = 0; i < count && graph_ok(g); i++)
            if (s.moves[i]) changes += move(g, &s, i);
    }
    g->scope = scope;
    region_close(scratch);
    (void)rewrite_finish(g);
    return changes;
}

const pass_def pass_def_transposes = {
    .name = "transposes", .description = "moves transposes until they cancel", .run = run};
