/* pass_fuse_elementwise.c -- elementwise nodes of one shape that follow from one another become one
 * fused node (graph/op.h), in graphs with updates: the arithmetic of optimizers, of batch
 * normalisation, losses and gradients reads and writes memory once instead of once per node.
 *
 *     mul   add             fused
 *       \   / \               |  \
 *        sub   sqrt    ->     |   \
 *          \   /              |    \
 *           div               result, result
 *
 * Nodes are visited in order; each joins the groups of its producers. A set of nodes may become one
 * if no path leaves it and comes back: that is looked for among the nodes between its first and its
 * last member, and groups that lie far back take no more members, so the search is short. A group
 * has at most so many results, inputs and steps as the op allows; one that grew too many results is
 * cut to the longest beginning that has not. Sums and means over leading axes of what a group makes
 * (bias gradients, statistics of batches) are made by it on the way, while it has results to spare.
 * The arithmetic stays what it was, step by step.
 */
#include "graph/pass/rewrite.h"

#include <string.h>

#define GROUP_NONE UINT32_MAX
/* A group takes nodes up to so many behind its last member. */
#define REACH 192

typedef struct group {
    uint32_t members[FUSED_STEPS_MAX]; /* in order */
    uint32_t count, steps;
    bool is_open;
} group;

typedef struct fuser {
    graph *g;
    uint32_t node_count; /* before fused nodes are appended */
    uint32_t *group_of;  /* by node */
    group *groups;
    uint32_t group_count;
    uint32_t *users; /* by value: how often nodes that were visited read it, and outputs */
    uint32_t *seen;  /* by node: the search that saw it */
    uint32_t search;
    uint32_t *stack;
    uint32_t *sum_first; /* by value: a sum of it, as node + 1 */
    uint32_t *sum_next;  /* by node: the next sum of the same value */
    uint32_t fused;
} fuser;

/* -- which nodes ------------------------------------------------------------------------------ */

static ebb_dtype dtype_of(const fuser *f, value v)
{
    return graph_value(f->g, v)->dtype;
}

/* Steps of a node, 0: it cannot be fused. Casts of bools cost none: bools are 1 and 0 inside. */
static bool find_steps(const fuser *f, const node *n, uint32_t *steps)
{
    *steps = 1;
    switch (n->op) {
    case OP_unary: {
        const unary_kind kind = ((const unary_attributes *)n->attributes)->kind;
        return kind < UNARY_IS_NAN;
    }
    case OP_binary: {
        const binary_attributes *a = n->attributes;
        *steps = a->activation.kind == UNARY_IDENTITY ? 1 : 2;
        return true;
    }
    case OP_cast:
        *steps = 0;
        return dtype_of(f, n->inputs[0]) == EBB_BOOL && dtype_of(f, n->outputs[0]) == EBB_F32;
    case OP_compare:
    case OP_select:
    case OP_unary_gradient: return true;
    default: return false;
    }
}

/* What a member reads instead of a value that was only spread out. */
static value source_of(const fuser *f, value v, const shape *to)
{
    const uint32_t index = rewrite_producer_of(f->g, v, OP_broadcast);

    if (index == NODE_NONE || index >= f->node_count) return v;
    const value from = f->g->nodes[index].inputs[0];
    return op_fused_takes(graph_shape(f->g, from), to) ? from : v;
}

static bool is_fusible(const fuser *f, const node *n, uint32_t *steps)
{
    if (n->is_dead || n->output_count != 1 || !find_steps(f, n, steps)) return false;
    const value_info *y = graph_value(f->g, n->outputs[0]);
    if (y->is_constant || (y->dtype != EBB_F32 && y->dtype != EBB_BOOL)) return false;
    for (uint32_t i = 0; i < n->input_count; i++) {
        const ebb_dtype dtype = dtype_of(f, n->inputs[i]);

        if (dtype != EBB_F32 && dtype != EBB_BOOL) return false;
        if (!op_fused_takes(graph_shape(f->g, n->inputs[i]), &y->shape)) return false;
    }
    return true;
}

/* -- groups ----------------------------------------------------------------------------------- */

static const shape *group_shape(const fuser *f, const group *s)
{
    return graph_shape(f->g, f->g->nodes[s->members[0]].outputs[0]);
}

static bool holds(const group *s, uint32_t index)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->members[i] == index) return true;
    return false;
}

/* Puts what the node reads on the stack, unless it is a member or older than `first`; true: it
 * reads a member. */
static bool push_inputs(fuser *f, const group *s, uint32_t index, uint32_t first, uint32_t *depth)
{
    const node *n = &f->g->nodes[index];

    for (uint32_t i = 0; i < n->input_count; i++) {
        const uint32_t from = rewrite_producer(f->g, n->inputs[i]);

        if (from == NODE_NONE || from < first || f->seen[from] == f->search) continue;
        if (holds(s, from)) return true;
        f->seen[from] = f->search;
        f->stack[(*depth)++] = from;
    }
    return false;
}

/* The first node that a path from a member can lead over: not before the first member, but where a
 * group on the way begins earlier. Groups are in the order of their last members. */
static uint32_t first_on_path(const fuser *f, const group *s)
{
    uint32_t first = s->members[0];

    for (uint32_t i = f->group_count; i-- > 0;) {
        const group *other = &f->groups[i];

        if (other->members[other->count - 1] < first) break;
        if (other->is_open && other->members[0] < first) first = other->members[0];
    }
    return first;
}

/* Does a path lead from a member over other nodes to a member? Nodes of one group are one here. */
static bool is_path_through_others(fuser *f, const group *s)
{
    const uint32_t first = first_on_path(f, s);
    uint32_t depth = 0;

    f->search++;
    for (uint32_t m = 0; m < s->count; m++) {
        const node *n = &f->g->nodes[s->members[m]];

        for (uint32_t i = 0; i < n->input_count; i++) {
            const uint32_t from = rewrite_producer(f->g, n->inputs[i]);

            if (from == NODE_NONE || from < first || f->seen[from] == f->search || holds(s, from))
                continue;
            f->seen[from] = f->search;
            f->stack[depth++] = from;
        }
    }
    while (depth > 0) {
        const uint32_t index = f->stack[--depth], other = f->group_of[index];

        if (push_inputs(f, s, index, first, &depth)) return true;
        if (other == GROUP_NONE || holds(s, f->groups[other].members[0])) continue;
        for (uint32_t i = 0; i < f->groups[other].count; i++) {
            const uint32_t mate = f->groups[other].members[i];

            if (f->seen[mate] == f->search) continue;
            f->seen[mate] = f->search;
            if (push_inputs(f, s, mate, first, &depth)) return true;
        }
    }
    return false;
}

/* How often members [0, count) read a value. */
static uint32_t uses_inside(const fuser *f, const group *s, uint32_t count, value v)
{
    uint32_t uses = 0;

    for (uint32_t m = 0; m < count; m++) {
        const node *n = &f->g->nodes[s->members[m]];

        for (uint32_t i = 0; i < n->input_count; i++) uses += n->inputs[i] == v;
    }
    return uses;
}

/* Results of the first `count` members, given how often each value is used in all. */
static uint32_t count_results(const fuser *f, const group *s, uint32_t count, bool is_final)
{
    uint32_t results = 0;

    for (uint32_t m = 0; m < count; m++) {
        const value v = f->g->nodes[s->members[m]].outputs[0];
        const uint32_t uses = is_final ? graph_uses(f->g, v) : f->users[v];

        results += uses > uses_inside(f, s, count, v);
    }
    return results;
}

static uint32_t count_inputs(const fuser *f, const group *s, uint32_t count)
{
    value inputs[FUSED_INPUTS_MAX];
    uint32_t found = 0;

    for (uint32_t m = 0; m < count; m++) {
        const node *n = &f->g->nodes[s->members[m]];

        for (uint32_t i = 0; i < n->input_count; i++) {
            const uint32_t from = rewrite_producer(f->g, n->inputs[i]);
            uint32_t k = 0;

            if (from != NODE_NONE && holds(s, from)) continue;
            while (k < found && inputs[k] != n->inputs[i]) k++;
            if (k < found) continue;
            if (found == FUSED_INPUTS_MAX) return FUSED_INPUTS_MAX + 1;
            inputs[found++] = n->inputs[i];
        }
    }
    return found;
}

/* Members of both, in order; false: too many. */
static bool join(const group *a, const group *b, group *both)
{
    uint32_t i = 0, k = 0;

    *both = (group){.steps = a->steps + b->steps, .is_open = true};
    if (a->count + b->count > FUSED_STEPS_MAX || both->steps > FUSED_STEPS_MAX) return false;
    while (i < a->count || k < b->count) {
        const bool is_a = k == b->count || (i < a->count && a->members[i] < b->members[k]);

        both->members[both->count++] = is_a ? a->members[i++] : b->members[k++];
    }
    return true;
}

static bool may_be_one(fuser *f, const group *s)
{
    return count_inputs(f, s, s->count) <= FUSED_INPUTS_MAX &&
           count_results(f, s, s->count, false) <= FUSED_RESULTS_MAX &&
           !is_path_through_others(f, s);
}

/* The open group of a producer of this input, if its shape is the same. */
static uint32_t find_group(const fuser *f, value input, uint32_t index, const shape *s)
{
    const uint32_t from = rewrite_producer(f->g, input);

    if (from == NODE_NONE || f->group_of[from] == GROUP_NONE) return GROUP_NONE;
    const uint32_t number = f->group_of[from];
    const group *found = &f->groups[number];
    const bool is_near = index - found->members[found->count - 1] <= REACH;
    return found->is_open && is_near && shape_equal(group_shape(f, found), s) ? number : GROUP_NONE;
}

static void visit(fuser *f, uint32_t index)
{
    const node *n = &f->g->nodes[index];
    group *own = &f->groups[f->group_count];

    *own = (group){.members = {index}, .count = 1, .is_open = true};
    for (uint32_t i = 0; i < n->input_count; i++) f->users[n->inputs[i]]++;
    if (!is_fusible(f, n, &own->steps)) return;
    const uint32_t number = f->group_count++;
    f->group_of[index] = number;
    for (uint32_t i = 0; i < n->input_count; i++) {
        const shape *s = graph_shape(f->g, n->outputs[0]);
        const uint32_t other = find_group(f, n->inputs[i], index, s);
        group both;

        if (other == GROUP_NONE || other == number) continue;
        if (!join(&f->groups[other], own, &both) || !may_be_one(f, &both)) continue;
        f->groups[other].is_open = false;
        for (uint32_t m = 0; m < both.count; m++) f->group_of[both.members[m]] = number;
        *own = both;
    }
}

/* -- sums ------------------------------------------------------------------------------------- */

/* Over how many leading axes does the node sum? 0: it does something else. */
static uint32_t summed_axes(const fuser *f, uint32_t index)
{
    const node *n = &f->g->nodes[index];

    if (n->op != OP_reduce || n->is_dead || dtype_of(f, n->inputs[0]) != EBB_F32) return 0;
    const reduce_attributes *a = n->attributes;
    const uint32_t rank = graph_rank(f->g, n->inputs[0]);
    if (a->kind != REDUCE_SUM && a->kind != REDUCE_MEAN) return 0;
    if (a->axes == 0) return rank;
    for (uint32_t count = 1; count <= rank; count++)
        if (a->axes == (1u << count) - 1) return count;
    return 0;
}

static bool is_equal_sum(const fuser *f, uint32_t a, uint32_t b)
{
    const reduce_attributes *x = f->g->nodes[a].attributes, *y = f->g->nodes[b].attributes;

    return x->kind == y->kind && summed_axes(f, a) == summed_axes(f, b);
}

static void find_sums(fuser *f)
{
    for (uint32_t i = 0; i < f->node_count; i++) {
        if (summed_axes(f, i) == 0) continue;
        const value x = f->g->nodes[i].inputs[0];

        f->sum_next[i] = f->sum_first[x];
        f->sum_first[x] = i + 1;
    }
}

/* A sum with other dims of the same numbers takes them from the first. */
static void share_sums(fuser *f)
{
    find_sums(f);
    for (uint32_t i = 0; i < f->node_count && graph_ok(f->g); i++) {
        uint32_t first = i + 1;

        for (uint32_t k = i + 1; summed_axes(f, i) > 0 && k != 0; k = f->sum_next[k - 1])
            if (is_equal_sum(f, k - 1, i)) first = k;
        if (first == i + 1) continue;
        const shape to = *graph_shape(f->g, f->g->nodes[i].outputs[0]);
        f->g->scope = f->g->nodes[i].name;
        const value v = op_reshape(f->g, f->g->nodes[first - 1].outputs[0], &to);
        if (graph_ok(f->g)) rewrite_retire(f->g, i, v);
    }
}

static uint32_t count_sums(const fuser *f, value v, uint32_t axes)
{
    uint32_t count = 0;

    for (uint32_t i = f->sum_first[v]; i != 0; i = f->sum_next[i - 1])
        count += summed_axes(f, i - 1) == axes;
    return count;
}

/* Over how many axes most sums of members go; 0: there are none. */
static uint32_t most_summed_axes(const fuser *f, const group *s)
{
    uint32_t best = 0, best_count = 0;

    for (uint32_t axes = 1; axes <= EBB_RANK_MAX; axes++) {
        uint32_t count = 0;

        for (uint32_t m = 0; m < s->count; m++)
            count += count_sums(f, f->g->nodes[s->members[m]].outputs[0], axes);
        if (count > best_count) {
            best = axes;
            best_count = count;
        }
    }
    return best;
}

/* -- fused nodes ------------------------------------------------------------------------------ */

/* A program as it grows, and where values are in it. */
typedef struct program {
    fused_attributes attributes;
    value inputs[FUSED_INPUTS_MAX];
    value made[FUSED_STEPS_MAX]; /* by member */
    uint32_t registers[FUSED_STEPS_MAX];
    uint32_t input_count, made_count;
} program;

static uint32_t register_of(program *p, value v)
{
    for (uint32_t i = 0; i < p->made_count; i++)
        if (p->made[i] == v) return p->registers[i];
    for (uint32_t i = 0; i < p->input_count; i++)
        if (p->inputs[i] == v) return i;
    return UINT32_MAX;
}

static uint32_t add_step(program *p, fused_step s)
{
    p->attributes.steps[p->attributes.step_count] = s;
    return p->input_count + p->attributes.step_count++;
}

static uint32_t add_unary(program *p, const unary_attributes *a, uint32_t x)
{
    return add_step(p, (fused_step){.kind = FUSED_UNARY,
                                    .function = a->kind,
                                    .a = x,
                                    .alpha = a->alpha,
                                    .beta = a->beta,
                                    .gamma = a->gamma});
}

/* Of bools as 1 and 0. */
static uint32_t add_binary(program *p, const binary_attributes *a, uint32_t x, uint32_t y)
{
    fused_step s = {.kind = FUSED_BINARY, .function = a->kind, .a = x, .b = y};

    if (a->kind == BINARY_AND) s.function = BINARY_MIN;
    if (a->kind == BINARY_OR) s.function = BINARY_MAX;
    if (a->kind == BINARY_XOR) {
        s.kind = FUSED_COMPARE;
        s.function = COMPARE_NOT_EQUAL;
    }
    const uint32_t result = add_step(p, s);
    return a->activation.kind == UNARY_IDENTITY ? result : add_unary(p, &a->activation, result);
}

static uint32_t add_member(fuser *f, program *p, const node *n, const shape *to)
{
    const void *a = n->attributes;
    uint32_t r[3] = {0};

    for (uint32_t i = 0; i < n->input_count; i++) {
        r[i] = register_of(p, n->inputs[i]);
        if (r[i] == UINT32_MAX) r[i] = register_of(p, source_of(f, n->inputs[i], to));
    }
    switch (n->op) {
    case OP_cast: return r[0];
    case OP_unary: {
        const unary_attributes negated = {UNARY_AFFINE, -1.0f, 1.0f, 0};
        const bool is_not = ((const unary_attributes *)a)->kind == UNARY_LOGICAL_NOT;
        return add_unary(p, is_not ? &negated : a, r[0]);
    }
    case OP_unary_gradient: {
        const unary_attributes *u = a;
        return add_step(
            p, (fused_step){FUSED_SLOPE, u->kind, r[0], r[1], 0, u->alpha, u->beta, u->gamma});
    }
    case OP_binary: return add_binary(p, a, r[0], r[1]);
    case OP_compare:
        return add_step(p, (fused_step){.kind = FUSED_COMPARE,
                                        .function = ((const compare_attributes *)a)->kind,
                                        .a = r[0],
                                        .b = r[1]});
    default: return add_step(p, (fused_step){FUSED_SELECT, 0, r[0], r[1], r[2], 0, 0, 0});
    }
}

/* Inputs first: their number is where the steps' registers begin. */
static void add_inputs(fuser *f, program *p, const group *s, const shape *to)
{
    for (uint32_t m = 0; m < s->count; m++) {
        const node *n = &f->g->nodes[s->members[m]];

        for (uint32_t i = 0; i < n->input_count; i++) {
            const uint32_t from = rewrite_producer(f->g, n->inputs[i]);
            const value v = source_of(f, n->inputs[i], to);

            if (from != NODE_NONE && holds(s, from)) continue;
            if (register_of(p, v) == UINT32_MAX) p->inputs[p->input_count++] = v;
        }
    }
}

/* At least one input of the results' shape must stay, or the shape would be lost. */
static bool keeps_shape(const fuser *f, const program *p, const shape *to)
{
    shape all = {.rank = 0};

    for (uint32_t i = 0; i < p->input_count && graph_ok(f->g); i++)
        if (!shape_broadcast(f->g, &all, graph_shape(f->g, p->inputs[i]), &all)) return false;
    return shape_equal(&all, to);
}

/* A result of the program, and the value it replaces. */
typedef struct result_list {
    value replaced[FUSED_RESULTS_MAX];
    uint32_t sums; /* how many of them are sums */
} result_list;

static bool add_result(program *p, result_list *list, value replaced, fused_result result)
{
    fused_attributes *a = &p->attributes;

    if (a->result_count == FUSED_RESULTS_MAX || result.source < p->input_count) return false;
    list->replaced[a->result_count] = replaced;
    list->sums += result.summed_axes > 0;
    a->results[a->result_count++] = result;
    return true;
}

static void add_sums(const fuser *f, program *p, result_list *list, value v, uint32_t source,
                     uint32_t axes)
{
    for (uint32_t i = f->sum_first[v]; i != 0; i = f->sum_next[i - 1]) {
        const node *n = &f->g->nodes[i - 1];
        const bool is_mean = ((const reduce_attributes *)n->attributes)->kind == REDUCE_MEAN;

        if (summed_axes(f, i - 1) == axes)
            (void)add_result(p, list, n->outputs[0],
                             (fused_result){source, EBB_F32, axes, is_mean});
    }
}

/* How often others than members and sums of the group read a member's result. */
static uint32_t uses_outside(const fuser *f, const group *s, value v)
{
    return graph_uses(f->g, v) - uses_inside(f, s, s->count, v);
}

/* Results, and sums of them while there is room for all that must be results. */
static bool add_results(const fuser *f, program *p, const group *s, result_list *list)
{
    const uint32_t axes = most_summed_axes(f, s);
    uint32_t needed = count_results(f, s, s->count, true);

    for (uint32_t m = 0; m < s->count; m++) {
        const value v = f->g->nodes[s->members[m]].outputs[0];
        const uint32_t uses = uses_outside(f, s, v), sums = count_sums(f, v, axes);
        const bool is_only_summed = uses == sums;
        const uint32_t own = is_only_summed ? 0 : 1;

        if (uses == 0) continue;
        const bool takes_sums = sums > 0 && p->registers[m] >= p->input_count &&
                                needed - 1 + own + sums <= FUSED_RESULTS_MAX;
        if (takes_sums) {
            add_sums(f, p, list, v, p->registers[m], axes);
            needed += own + sums - 1;
        }
        if (takes_sums && is_only_summed) continue;
        if (!add_result(p, list, v, (fused_result){p->registers[m], dtype_of(f, v), 0, false}))
            return false;
    }
    return p->attributes.result_count > 0;
}

/* Uses of what the program replaces become uses of its results. */
static void replace_results(fuser *f, const program *p, const result_list *list, value first)
{
    for (uint32_t k = 0; k < p->attributes.result_count; k++) {
        const value from = list->replaced[k];
        const shape to = *graph_shape(f->g, from);
        value result = first + k;

        if (!shape_equal(graph_shape(f->g, result), &to)) result = op_reshape(f->g, result, &to);
        if (!graph_ok(f->g)) return;
        if (p->attributes.results[k].summed_axes > 0)
            graph_remove(f->g, graph_value(f->g, from)->node);
        graph_replace(f->g, from, result);
    }
}

static void replace_group(fuser *f, const group *s)
{
    const shape to = *group_shape(f, s);
    result_list list = {.sums = 0};
    program p;

    memset(&p, 0, sizeof p);
    add_inputs(f, &p, s, &to);
    if (!keeps_shape(f, &p, &to)) return;
    for (uint32_t m = 0; m < s->count; m++) {
        const node *n = &f->g->nodes[s->members[m]];

        p.registers[m] = add_member(f, &p, n, &to);
        p.made[p.made_count++] = n->outputs[0];
    }
    if (!add_results(f, &p, s, &list) || p.attributes.step_count + list.sums < 2) return;
    f->g->scope = f->g->nodes[s->members[s->count - 1]].name;
    const value first = op_fused(f->g, p.inputs, p.input_count, &p.attributes);
    if (!graph_ok(f->g)) return;
    for (uint32_t m = s->count; m-- > 0;) graph_remove(f->g, s->members[m]);
    replace_results(f, &p, &list, first);
    f->fused++;
}

/* The members that cannot stay with the first ones become a group for themselves. */
static void settle(fuser *f, const group *whole)
{
    group rest = *whole;

    while (rest.count > 0 && graph_ok(f->g)) {
        group part = rest;

        while (count_results(f, &part, part.count, true) > FUSED_RESULTS_MAX) part.count--;
        replace_group(f, &part);
        rest.count -= part.count;
        memmove(rest.members, rest.members + part.count, rest.count * sizeof *rest.members);
    }
}

/* -- the pass --------------------------------------------------------------------------------- */

static bool fuser_open(fuser *f, region *scratch)
{
    const uint32_t nodes = f->g->node_count, values = f->g->value_count;

    f->node_count = nodes;
    f->group_of = region_new(scratch, uint32_t, nodes);
    f->groups = region_new(scratch, group, nodes + 1);
    f->users = region_new(scratch, uint32_t, values);
    f->seen = region_new(scratch, uint32_t, nodes);
    f->stack = region_new(scratch, uint32_t, nodes);
    f->sum_first = region_new(scratch, uint32_t, values);
    f->sum_next = region_new(scratch, uint32_t, nodes);
    if (f->group_of == NULL || f->groups == NULL || f->users == NULL || f->seen == NULL ||
        f->stack == NULL || f->sum_first == NULL || f->sum_next == NULL) {
        (void)region_fail(scratch, &f->g->error, "graph", "groups of nodes");
        return false;
    }
    for (uint32_t i = 0; i < nodes; i++) f->group_of[i] = GROUP_NONE;
    for (uint32_t i = 0; i < f->g->output_count; i++) f->users[f->g->outputs[i]]++;
    return true;
}

/* Gradients are taken: what stopped them is in nobody's way. */
static void pass_stops(graph *g)
{
    for (uint32_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].op == OP_stop && !g->nodes[i].is_dead)
            rewrite_retire(g, i, g->nodes[i].inputs[0]);
}

static void fuse_groups(fuser *f)
{
    find_sums(f);
    for (uint32_t i = 0; i < f->node_count; i++)
        if (!f->g->nodes[i].is_dead) visit(f, i);
    for (uint32_t i = 0; i < f->group_count && graph_ok(f->g); i++)
        if (f->groups[i].is_open) settle(f, &f->groups[i]);
}

/* One half of the work, with memory of its own, and the graph in order again. */
static uint32_t run_half(graph *g, void (*half)(fuser *f))
{
    const char *const scope = g->scope;
    fuser f = {.g = g};

    if (!graph_ok(g) || g->node_count == 0) return 0;
    region *scratch = region_open(g->home, "pass", EBB_CLASS_SCRATCH, 0);
    if (scratch == NULL) {
        (void)region_fail(g->home, &g->error, "graph", "a pass");
        return 0;
    }
    if (fuser_open(&f, scratch)) half(&f);
    region_close(scratch);
    g->scope = scope;
    (void)rewrite_finish(g);
    return f.fused;
}

static uint32_t run(graph *g)
{
    if (!graph_ok(g) || g->update_count == 0) return 0;
    pass_stops(g);
    (void)run_half(g, share_sums);
    return run_half(g, fuse_groups);
}

const pass_def pass_def_fuse_elementwise = {.name = "fuse_elementwise",
                                            .description =
                                                "elementwise nodes of training graphs become one",
                                            .run = run};
