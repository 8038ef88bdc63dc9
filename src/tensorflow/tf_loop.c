/* tf_loop.c -- While as a scan: a loop that runs a number of steps known from lengths.
 *
 * Each loop variable is one of these, told by what the body's result for it is made of:
 *
 *     counter     itself plus a constant           its value is start + index * step
 *     invariant   itself                           read from outside when the body asks for it
 *     list        TensorListSetItem of itself      a result of the scan, or its last element
 *     carried     anything else                    carried by the scan
 *
 * The condition is one or several comparisons of counters with lengths. Elements of lists from
 * outside that are read at the index are sequences of the scan; read elsewhere they are gathered.
 * Unknown lengths of what the body takes from outside are symbols in the body: one for each length.
 * Source: tensorflow/python/ops/while_v2.py, keras/src/backend/tensorflow/rnn.py.
 */
#include "tensorflow/tf_frame.h"

#include <stdio.h>
#include <string.h>

#define LOOP_VARIABLES_MAX 256
#define TRACE_MAX          64   /* operations that pass something on, one after the other */
#define COPIED_MAX         1024 /* bytes of a constant that the body gets a copy of */

typedef enum variable_kind { COUNTER, INVARIANT, CARRIED, LIST } variable_kind;

typedef struct loop_variable {
    variable_kind kind;
    const tf_tensor *first; /* outside */
    dim start;              /* COUNTER */
    int64_t step;
    uint32_t place; /* CARRIED: number of the carried value; LIST: of the result */
    tf_tensor inside;
    tf_tensor next; /* CARRIED, LIST: in the body, after a step */
    bool is_made;
} loop_variable;

typedef struct capture {
    value outside, inside;
    bool is_sequence;
} capture;

struct tf_loop {
    frame *outer;
    const tf_node *node;
    tf_build build; /* of the body */
    loop_variable *variables;
    uint32_t count;
    dim steps; /* outside */
    value index;
    capture captures[OP_INPUTS_MAX];
    uint32_t capture_count;
    dim outside[SCAN_SYMBOLS_MAX], inside[SCAN_SYMBOLS_MAX]; /* lengths there and here */
    uint32_t length_count;
    uint32_t carried_count;
    value carried[OP_OUTPUTS_MAX]; /* inputs of the body */
};

static bool loop_fail(struct tf_loop *l, const char *text)
{
    return frame_fail(l->outer, l->node->name, EBB_E_UNSUPPORTED, "%s: %s", l->node->op, text);
}

/* -- what a result is made of ------------------------------------------------------------------ */

static bool passes_on(const char *op)
{
    static const char *const names[] = {"Identity", "StopGradient", "Snapshot"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(op, names[i]) == 0) return true;
    return false;
}

/* Behind operations that only pass on: a node, or NULL and the number of an argument. */
static bool trace(const frame *f, const char *source, const tf_node **node, uint32_t *place)
{
    for (uint32_t i = 0; i < TRACE_MAX; i++) {
        if (!frame_source(f, source, node, place)) return false;
        if (*node == NULL || !passes_on((*node)->op) || (*node)->input_count == 0) return true;
        source = (*node)->inputs[0];
    }
    return false;
}

static bool is_argument(const frame *f, const char *source, uint32_t index)
{
    const tf_node *n;
    uint32_t place;

    return trace(f, source, &n, &place) && n == NULL && place == index;
}

/* The integer that a Const node holds, or that an argument is which the loop only passes on. */
static bool constant_of(const struct tf_loop *l, const frame *f, const char *source,
                        int64_t *number)
{
    const tf_node *n;
    const dim *lengths;
    uint32_t place, count;

    if (!trace(f, source, &n, &place)) return false;
    if (n == NULL)
        return is_argument(f, f->function->results[place].source, place) &&
               tf_find_lengths(l->outer->build, l->variables[place].first, &lengths, &count) &&
               count == 1 && tf_dim_number(l->outer->build->graph, lengths[0], number);
    const tf_attribute *a = tf_attribute_find(n, "value");
    if (strcmp(n->op, "Const") != 0 || a == NULL || a->kind != TF_ATTRIBUTE_TENSOR || a->count != 1)
        return false;
    const tf_constant *t = a->values[0].tensor;
    if (t->count != 1 || (t->type != TF_INT32 && t->type != TF_INT64)) return false;
    *number = t->type == TF_INT64 ? *(const int64_t *)t->data : *(const int32_t *)t->data;
    return true;
}

static void classify(struct tf_loop *l, const frame *body, uint32_t i)
{
    loop_variable *v = &l->variables[i];
    const char *source = body->function->results[i].source;
    const tf_node *n;
    uint32_t place, count;
    const dim *lengths;

    v->kind = CARRIED;
    if (v->first->type == TF_RESOURCE) v->kind = INVARIANT;
    if (!trace(body, source, &n, &place)) return;
    if (n == NULL) {
        if (place == i) v->kind = INVARIANT;
        return;
    }
    const bool adds = strcmp(n->op, "AddV2") == 0 || strcmp(n->op, "Add") == 0;
    if (adds && n->input_count >= 2 &&
        tf_find_lengths(l->outer->build, v->first, &lengths, &count) && count == 1 &&
        v->first->rank == 0) {
        v->start = lengths[0];
        const bool is_counter =
            (is_argument(body, n->inputs[0], i) && constant_of(l, body, n->inputs[1], &v->step)) ||
            (is_argument(body, n->inputs[1], i) && constant_of(l, body, n->inputs[0], &v->step));
        if (is_counter && v->step > 0 && v->step < INT32_MAX) v->kind = COUNTER;
    }
    if (v->first->type == TF_VARIANT) v->kind = LIST;
}

/* -- how many steps ---------------------------------------------------------------------------- */

/* Arguments of the condition that every step sees alike. */
static bool condition_argument(void *context, uint32_t index, tf_tensor *result)
{
    struct tf_loop *l = context;

    if (l->variables[index].kind != INVARIANT)
        return loop_fail(l, "its number of steps is not a length: the condition compares with "
                            "what the loop computes");
    *result = *l->variables[index].first;
    return true;
}

/* Steps until counter < limit (or <=) ends. */
static bool steps_of(struct tf_loop *l, frame *condition, const char *counter, const char *limit,
                     int64_t more, dim *steps)
{
    graph *g = l->outer->build->graph;
    const tf_node *n;
    const dim *lengths;
    uint32_t place, count;
    tf_tensor bound;

    if (!trace(condition, counter, &n, &place) || n != NULL || l->variables[place].kind != COUNTER)
        return loop_fail(l, "its number of steps is not a length: the condition is more than the "
                            "comparison of a counter with a length");
    const loop_variable *v = &l->variables[place];
    if (!frame_tensor(condition, limit, &bound)) return false;
    if (!tf_find_lengths(l->outer->build, &bound, &lengths, &count) || count != 1)
        return graph_ok(g) && loop_fail(l, "its number of steps is computed from data");
    const dim end = dim_make(g, DIM_ADD, lengths[0], more);
    const dim span = dim_make(g, DIM_SUB, end, v->start);
    *steps = dim_make(g, DIM_DIV_UP, span, v->step);
    if (!tf_dim_is_above(l->outer->build, *steps, 0)) *steps = dim_make(g, DIM_MAX, *steps, 0);
    return graph_ok(g);
}

/* Depth at most `depth`: comparisons joined by "and". */
static bool condition_read(struct tf_loop *l, frame *f, const char *source, uint32_t depth,
                           dim *steps)
{
    const tf_node *n;
    uint32_t place;
    dim other;

    if (depth == 0 || !trace(f, source, &n, &place) || n == NULL || n->input_count < 2)
        return loop_fail(l, "its condition is not a comparison of a counter with a length");
    if (strcmp(n->op, "LogicalAnd") == 0) {
        if (!condition_read(l, f, n->inputs[0], depth - 1, steps) ||
            !condition_read(l, f, n->inputs[1], depth - 1, &other))
            return false;
        *steps = tf_dim_min(l->outer->build, *steps, other);
        return graph_ok(l->outer->build->graph);
    }
    const bool is_less = strcmp(n->op, "Less") == 0, is_most = strcmp(n->op, "LessEqual") == 0;
    const bool is_greater = strcmp(n->op, "Greater") == 0,
               is_least = strcmp(n->op, "GreaterEqual") == 0;
    if (is_less || is_most)
        return steps_of(l, f, n->inputs[0], n->inputs[1], is_most ? 1 : 0, steps);
    if (is_greater || is_least)
        return steps_of(l, f, n->inputs[1], n->inputs[0], is_least ? 1 : 0, steps);
    return loop_fail(l, "its condition is not a comparison of a counter with a length");
}

static bool steps_find(struct tf_loop *l)
{
    const tf_function *called = frame_function(l->outer, l->node, "cond");

    if (called == NULL) return false;
    if (called->argument_count != l->count || called->result_count != 1)
        return loop_fail(l, "its condition has other arguments");
    frame f = {.importer = l->outer->importer,
               .build = l->outer->build,
               .nodes = called->nodes,
               .node_count = called->node_count,
               .function = called,
               .depth = l->outer->depth + 1,
               .argument = condition_argument,
               .context = l};
    return frame_open(&f) && condition_read(l, &f, called->results[0].source, 8, &l->steps);
}

/* -- what the body takes from outside ---------------------------------------------------------- */

/* The body's symbol for an unknown length outside; made if there is room. */
static bool symbol_of(struct tf_loop *l, dim outside, dim *inside)
{
    char name[96];

    *inside = outside;
    if (dim_known(outside)) return true;
    for (uint32_t i = 0; i < l->length_count; i++) {
        *inside = l->inside[i];
        if (l->outside[i] == outside) return true;
    }
    if (l->length_count == SCAN_SYMBOLS_MAX)
        return loop_fail(l, "its body depends on too many unknown lengths");
    *inside =
        dim_symbol(l->build.graph, dim_text(l->outer->build->graph, outside, name, sizeof name));
    l->outside[l->length_count] = outside;
    l->inside[l->length_count++] = *inside;
    return graph_ok(l->build.graph);
}

/* A length outside as one of the body, where its parts are lengths of what the body takes. Depth at
 * most `depth`. */
static bool length_inside(const struct tf_loop *l, dim outside, uint32_t depth, dim *inside)
{
    graph *g = l->build.graph;
    int64_t number;
    dim_kind kind;
    dim a, c, x, y;

    *inside = outside;
    if (dim_known(outside)) return true;
    for (uint32_t i = 0; i < l->length_count; i++) {
        *inside = l->inside[i];
        if (l->outside[i] == outside) return true;
    }
    if (tf_dim_number(l->outer->build->graph, outside, &number)) {
        *inside = dim_make(g, DIM_SUB, 0, -number);
        return true;
    }
    if (depth == 0 || !dim_parts(l->outer->build->graph, outside, &kind, &a, &c) ||
        kind == DIM_INPUT || !length_inside(l, a, depth - 1, &x) ||
        !length_inside(l, c, depth - 1, &y))
        return false;
    *inside = dim_make(g, kind, x, y);
    return true;
}

static value copy_constant(struct tf_loop *l, const value_info *info)
{
    if (info->kind != VALUE_CONSTANT ||
        shape_count_at(&info->shape, NULL) > COPIED_MAX / ebb_dtype_bytes(info->dtype))
        return VALUE_NONE;
    return graph_constant(l->build.graph, info->dtype, &info->shape, info->data);
}

/* A value from outside, as an input of the body. `is_sequence`: its element at the index. */
static value captured(struct tf_loop *l, value outside, bool is_sequence)
{
    const graph *around = l->outer->build->graph;
    shape s;

    if (outside == VALUE_NONE || !graph_ok(around) || !graph_ok(l->build.graph)) return VALUE_NONE;
    for (uint32_t i = 0; i < l->capture_count; i++) {
        const capture *c = &l->captures[i];
        if (c->outside == outside && c->is_sequence == is_sequence) return c->inside;
    }
    const value_info *info = graph_value(around, outside);
    value inside = is_sequence ? VALUE_NONE : copy_constant(l, info);
    if (inside != VALUE_NONE || !graph_ok(l->build.graph)) return inside;
    if (l->capture_count == OP_INPUTS_MAX) {
        (void)loop_fail(l, "its body reads too much from outside");
        return VALUE_NONE;
    }
    s = (shape){.rank = info->shape.rank - (is_sequence ? 1 : 0)};
    for (uint32_t i = 0; i < s.rank; i++) {
        if (!symbol_of(l, info->shape.dims[i + (is_sequence ? 1 : 0)], &s.dims[i]))
            return VALUE_NONE;
    }
    inside = graph_input(l->build.graph, info->dtype, &s);
    l->captures[l->capture_count++] = (capture){outside, inside, is_sequence};
    return inside;
}

static value read_inside(void *context, uint32_t resource)
{
    struct tf_loop *l = context;
    const tf_tensor variable = {.type = TF_RESOURCE, .resource = resource};

    return captured(l, tf_value(l->outer->build, &variable), false);
}

/* All lengths of a tensor from outside in terms of the body; false: not all can be said. */
static bool lengths_inside(struct tf_loop *l, const tf_tensor *t, tf_tensor *inside)
{
    dim *lengths = tf_memory(&l->build, t->length_count + 1, sizeof *lengths);

    if (lengths == NULL) return false;
    *inside = *t;
    inside->v = VALUE_NONE;
    inside->lengths = lengths;
    for (uint32_t i = 0; i < t->length_count; i++)
        if (!length_inside(l, t->lengths[i], 16, &lengths[i])) return false;
    return graph_ok(l->build.graph);
}

static bool list_inside(struct tf_loop *l, uint32_t number, tf_tensor *inside)
{
    const tf_list *outside = l->variables[number].first->list;
    tf_list *list = tf_memory(&l->build, 1, sizeof *list);

    if (list == NULL) return false;
    if (outside == NULL) return loop_fail(l, "a loop variable is of an unknown kind");
    *list = (tf_list){.kind = TF_LIST_LOOP,
                      .type = outside->type,
                      .loop = l,
                      .number = number,
                      .has_element = false};
    list->is_count_outside =
        outside->is_count_outside || !length_inside(l, outside->count, 16, &list->count);
    *inside = (tf_tensor){.type = TF_VARIANT, .list = list};
    return graph_ok(l->build.graph);
}

static bool invariant_inside(struct tf_loop *l, uint32_t number, tf_tensor *inside)
{
    const tf_tensor *t = l->variables[number].first;

    if (t->type == TF_VARIANT) return list_inside(l, number, inside);
    if (t->type == TF_RESOURCE) {
        *inside = *t;
        return true;
    }
    if (t->has_lengths && lengths_inside(l, t, inside)) return true;
    const value v = captured(l, tf_value(l->outer->build, t), false);
    if (v == VALUE_NONE) return false;
    *inside = (tf_tensor){.type = t->type, .v = v};
    return true;
}

static bool counter_inside(struct tf_loop *l, const loop_variable *v, tf_tensor *inside)
{
    graph *g = l->build.graph;
    value now = l->index;

    if (v->step != 1) now = op_mul(g, now, graph_scalar_i32(g, (int32_t)v->step));
    if (v->start != 0) {
        dim start;
        const value first = length_inside(l, v->start, 16, &start)
                                ? tf_length_value(&l->build, start)
                                : captured(l, tf_value(l->outer->build, v->first), false);
        now = op_add(g, now, first);
    }
    *inside = (tf_tensor){.type = v->first->type, .v = now};
    return graph_ok(g);
}

static bool body_argument(void *context, uint32_t index, tf_tensor *result)
{
    struct tf_loop *l = context;
    loop_variable *v = &l->variables[index];
    bool good = true;

    if (!v->is_made) {
        if (v->kind == COUNTER) good = counter_inside(l, v, &v->inside);
        if (v->kind == INVARIANT) good = invariant_inside(l, index, &v->inside);
        if (v->kind == LIST) good = list_inside(l, index, &v->inside);
        v->is_made = good;
    }
    *result = v->inside;
    return good;
}

/* -- lists ------------------------------------------------------------------------------------- */

value tf_loop_stacked(tf_build *b, const tf_call *c, const tf_list *list)
{
    struct tf_loop *l = list->loop;
    const tf_list *outside = l->variables[list->number].first->list;

    if (b->graph != l->build.graph || l->variables[list->number].kind != INVARIANT) {
        (void)tf_fail(b, c, EBB_E_UNSUPPORTED, "a list that the loop is still writing");
        return VALUE_NONE;
    }
    if (outside->kind == TF_LIST_STACKED) return captured(l, outside->stacked, false);
    if (outside->kind == TF_LIST_LOOP)
        return captured(l, tf_loop_stacked(l->outer->build, c, outside), false);
    (void)tf_fail(b, c, EBB_E_UNSUPPORTED, "a list of single tensors inside of a loop");
    return VALUE_NONE;
}

value tf_loop_element(tf_build *b, const tf_call *c, const tf_list *list, const tf_tensor *at)
{
    struct tf_loop *l = list->loop;
    graph *outer = l->outer->build->graph;
    const loop_variable *v = &l->variables[list->number];
    const bool is_outside = b->graph == l->build.graph && v->kind == INVARIANT;

    if (is_outside && v->first->list->kind == TF_LIST_STACKED && at->v == l->index &&
        graph_ok(outer)) {
        const value stacked = v->first->list->stacked;
        if (tf_dim_compare(l->outer->build, graph_dim(outer, stacked, 0), l->steps) == 0)
            return captured(l, stacked, true);
    }
    const value all = tf_loop_stacked(b, c, list), place = tf_value(b, at);
    if (all == VALUE_NONE || place == VALUE_NONE) return VALUE_NONE;
    return op_gather(b->graph, all, place, 0);
}

/* -- the body ---------------------------------------------------------------------------------- */

static bool carried_make(struct tf_loop *l)
{
    graph *around = l->outer->build->graph;

    for (uint32_t i = 0; i < l->count; i++) {
        loop_variable *v = &l->variables[i];
        shape s = {.rank = 0};
        if (v->kind != CARRIED) continue;
        const value first = tf_value(l->outer->build, v->first);
        if (first == VALUE_NONE) return false;
        if (l->carried_count == OP_OUTPUTS_MAX)
            return loop_fail(l, "more than 8 values are carried from step to step");
        const value_info *info = graph_value(around, first);
        for (s.rank = 0; s.rank < info->shape.rank; s.rank++)
            if (!symbol_of(l, info->shape.dims[s.rank], &s.dims[s.rank])) return false;
        v->place = l->carried_count;
        v->inside =
            (tf_tensor){.type = v->first->type, .v = graph_input(l->build.graph, info->dtype, &s)};
        v->is_made = true;
        l->carried[l->carried_count++] = v->inside.v;
    }
    l->index = graph_input(l->build.graph, EBB_I32, &(shape){.rank = 0});
    return graph_ok(l->build.graph);
}

static bool body_emit(struct tf_loop *l, frame *f)
{
    if (!carried_make(l)) return false;
    for (uint32_t i = 0; i < l->count; i++) {
        loop_variable *v = &l->variables[i];
        if (v->kind != CARRIED && v->kind != LIST) continue;
        if (!frame_tensor(f, f->function->results[i].source, &v->next)) return false;
        if (v->kind == CARRIED) {
            v->next.v = tf_value(&l->build, &v->next);
            if (v->next.v == VALUE_NONE) return false;
        } else if (v->next.list == NULL || v->next.list->loop != l || v->next.list->number != i ||
                   !v->next.list->is_written) {
            return loop_fail(l, "a list is handled in a way that is not supported");
        }
    }
    return true;
}

/* The last element of a list is a carried value if the body gives the same value for both. */
static bool is_carried_value(const struct tf_loop *l, value written, uint32_t *place)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->variables[i].kind != CARRIED || l->variables[i].next.v != written) continue;
        *place = l->variables[i].place;
        return true;
    }
    return false;
}

/* Is the list written at the index, so that it has an element for each step? */
static bool is_sequence_list(const struct tf_loop *l, const tf_list *list)
{
    return list->at.v == l->index && list->at.v != VALUE_NONE;
}

/* Outputs of the body: carried values, then elements of lists. Returns how many results; UINT32_MAX
 * after a failure. */
static uint32_t outputs_make(struct tf_loop *l)
{
    graph *g = l->build.graph;
    uint32_t results = 0, ignored;

    for (uint32_t k = 0; k < l->carried_count; k++)
        for (uint32_t i = 0; i < l->count; i++)
            if (l->variables[i].kind == CARRIED && l->variables[i].place == k)
                graph_output(g, l->variables[i].next.v);
    for (uint32_t i = 0; i < l->count; i++) {
        loop_variable *v = &l->variables[i];
        if (v->kind != LIST) continue;
        const tf_list *list = v->next.list;
        double at;
        if (!is_sequence_list(l, list) && !tf_find_scalar(&l->build, &list->at, &at)) {
            (void)loop_fail(l, "a list is written at a place that is computed from data");
            return UINT32_MAX;
        }
        if (!is_sequence_list(l, list) && is_carried_value(l, list->written, &ignored)) continue;
        if (l->carried_count + results == OP_OUTPUTS_MAX) {
            (void)loop_fail(l, "more than 8 values are carried and given out");
            return UINT32_MAX;
        }
        v->place = l->carried_count + results++;
        graph_output(g, list->written);
    }
    return graph_ok(g) ? results : UINT32_MAX;
}

/* Puts the body's inputs in the order of a scan: carried, sequences, invariants, the index. */
static uint32_t inputs_order(struct tf_loop *l, value *outside, uint32_t *count)
{
    graph *g = l->build.graph;
    uint32_t place = l->carried_count, sequences = 0;

    for (int is_sequence = 1; is_sequence >= 0; is_sequence--) {
        for (uint32_t i = 0; i < l->capture_count; i++) {
            if (l->captures[i].is_sequence != (is_sequence == 1)) continue;
            sequences += is_sequence == 1;
            outside[place] = l->captures[i].outside;
            g->inputs[place++] = l->captures[i].inside;
        }
    }
    *count = place;
    g->inputs[place++] = l->index;
    for (uint32_t i = 0; i < place; i++) g->values[g->inputs[i]].index = i;
    return sequences;
}

/* -- the node ---------------------------------------------------------------------------------- */

static bool list_outside(struct tf_loop *l, const loop_variable *v, value outputs,
                         tf_tensor *result)
{
    tf_build *b = l->outer->build;
    graph *g = b->graph;
    const tf_list *inside = v->next.list, *before = v->first->list;
    tf_list *list = tf_memory(b, 1, sizeof *list);
    uint32_t place = v->place;
    double at = 0;

    if (list == NULL) return false;
    *list = (tf_list){.kind = TF_LIST_STACKED, .type = inside->type, .count = l->steps};
    *result = (tf_tensor){.type = TF_VARIANT, .list = list};
    if (is_sequence_list(l, inside)) {
        if (tf_dim_compare(b, before->count, l->steps) != 0)
            return loop_fail(l, "a list is longer than the loop has steps");
        list->stacked = outputs + place;
        return true;
    }
    (void)tf_find_scalar(&l->build, &inside->at, &at);
    if (!dim_known(before->count) || at < 0 || at >= (double)before->count || before->count > 64)
        return loop_fail(l, "a list of unknown length is written at one place");
    list->kind = TF_LIST_ITEMS;
    list->count = before->count;
    list->items = tf_memory(b, (size_t)list->count, sizeof *list->items);
    if (list->items == NULL) return false;
    value last;
    if (is_carried_value(l, inside->written, &place)) {
        last = outputs + place;
    } else {
        const dim end = dim_make(g, DIM_SUB, l->steps, 1);
        last = op_slice_axis(g, outputs + place, 0, end, 1, 1);
        if (!graph_ok(g)) return false;
        shape s = *graph_shape(g, last);
        s.rank--;
        memmove(s.dims, s.dims + 1, s.rank * sizeof(dim));
        last = op_reshape(g, last, &s);
    }
    list->items[(uint32_t)at] = last;
    return graph_ok(g);
}

/* What the loop variables are after the loop. */
static bool results_give(struct tf_loop *l, value outputs, tf_tensor *results)
{
    tf_build *b = l->outer->build;
    graph *g = b->graph;

    for (uint32_t i = 0; i < l->count; i++) {
        const loop_variable *v = &l->variables[i];
        if (v->kind == INVARIANT) {
            results[i] = *v->first;
        } else if (v->kind == CARRIED) {
            results[i] = (tf_tensor){.type = v->first->type, .v = outputs + v->place};
        } else if (v->kind == LIST) {
            if (!list_outside(l, v, outputs, &results[i])) return false;
        } else {
            dim *last = tf_memory(b, 1, sizeof *last);
            if (last == NULL) return false;
            *last = dim_make(g, DIM_ADD, v->start, dim_make(g, DIM_MUL, l->steps, v->step));
            results[i] = (tf_tensor){
                .type = v->first->type, .has_lengths = true, .length_count = 1, .lengths = last};
        }
    }
    return graph_ok(g);
}

static value scan_emit(struct tf_loop *l)
{
    graph *g = l->outer->build->graph;
    value outside[OP_INPUTS_MAX + OP_OUTPUTS_MAX];
    scan_attributes a;
    uint32_t count;

    memset(&a, 0, sizeof a);
    a.results = outputs_make(l);
    if (a.results == UINT32_MAX) return VALUE_NONE;
    if (l->carried_count + a.results == 0) {
        (void)loop_fail(l, "it computes nothing");
        return VALUE_NONE;
    }
    for (uint32_t i = 0; i < l->count; i++) {
        const loop_variable *v = &l->variables[i];
        if (v->kind == CARRIED) outside[v->place] = tf_value(l->outer->build, v->first);
    }
    if (l->carried_count + l->capture_count > OP_INPUTS_MAX) {
        (void)loop_fail(l, "its body reads too much from outside");
        return VALUE_NONE;
    }
    a.body = l->build.graph;
    a.carried = l->carried_count;
    a.sequences = inputs_order(l, outside, &count);
    a.steps = l->steps;
    a.has_index = true;
    return op_scan(g, outside, count, &a);
}

/* The failure of the body is that of the graph. */
static bool body_failure(struct tf_loop *l)
{
    graph *g = l->outer->build->graph;
    const ebb_error *found = &l->build.graph->error;

    if (graph_ok(g) && found->status != EBB_OK) g->error = *found;
    return false;
}

static bool loop_emit(struct tf_loop *l, const tf_function *called, tf_tensor *outputs)
{
    graph *g = l->outer->build->graph;
    frame body = {.importer = l->outer->importer,
                  .build = &l->build,
                  .nodes = called->nodes,
                  .node_count = called->node_count,
                  .function = called,
                  .depth = l->outer->depth + 1,
                  .argument = body_argument,
                  .context = l};

    if (body.depth > TF_CALL_DEPTH_MAX) return loop_fail(l, "functions call each other too deeply");
    if (!frame_open(&body)) return body_failure(l);
    for (uint32_t i = 0; i < l->count; i++) classify(l, &body, i);
    if (!steps_find(l)) return false;
    if (!body_emit(l, &body)) return body_failure(l);
    const char *scope = g->scope;
    g->scope = l->node->name;
    const value first = scan_emit(l);
    const bool good = first != VALUE_NONE && results_give(l, first, outputs);
    g->scope = scope;
    return good || body_failure(l);
}

bool frame_while(frame *f, const tf_node *n, const tf_tensor *inputs, uint32_t input_count,
                 tf_tensor *outputs)
{
    const tf_function *called = frame_function(f, n, "body");
    struct tf_loop *l = tf_memory(f->build, 1, sizeof *l);

    if (called == NULL || l == NULL) return false;
    l->outer = f;
    l->node = n;
    l->count = called->argument_count;
    if (l->count > LOOP_VARIABLES_MAX || called->result_count != l->count ||
        input_count != l->count)
        return loop_fail(l, "its body has other arguments or results, or more than 256");
    l->variables = tf_memory(f->build, l->count + 1, sizeof *l->variables);
    l->build = (tf_build){.home = f->build->home, .graph = graph_open(f->importer->home)};
    if (l->variables == NULL) return false;
    if (l->build.graph == NULL) {
        (void)region_fail(f->importer->home, &f->build->graph->error, n->name, "the loop");
        return false;
    }
    l->build.variables = (tf_variables){.read = read_inside, .context = l};
    for (uint32_t i = 0; i < l->count; i++) l->variables[i].first = &inputs[i];
    return loop_emit(l, called, outputs);
}
