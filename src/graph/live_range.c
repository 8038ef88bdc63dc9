/* live_range.c -- see live_range.h. */
#include "graph/live_range.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "graph/plan.h"

#define COPY_NONE 0u

/* One time that a value is computed. */
typedef struct copy {
    value v;
    uint32_t first, last, read; /* steps; read: the last one that reads it */
    uint32_t owner;             /* the copy whose memory it shares; itself */
    bool is_result;             /* of the graph; asked of owners */
    bool is_in_variable;        /* asked of owners */
} copy;

typedef struct measure {
    const graph *g;
    const memory_facts *m;
    const uint32_t *order;
    uint32_t count, copy_count;
    copy *copies;
    uint32_t *current, *original; /* by value: latest and first copy */
    uint32_t *read;               /* by value: last step that reads it; of inputs and variables */
    value *updates;               /* by value: the variable that it is the next value of */
    uint32_t *operands;           /* copies that inputs are, input after input */
    plan_buffer *buffers;
    uint32_t buffer_count;
} measure;

/* Ops whose kernels mostly can write over input 0. */
static const bool computes_in_place[OP_COUNT] = {
    [OP_unary] = true,     [OP_binary] = true,     [OP_unary_gradient] = true, [OP_softmax] = true,
    [OP_normalize] = true, [OP_cumulative] = true, [OP_reshape] = true,        [OP_fused] = true};

/* -- facts about nodes ------------------------------------------------------------------------ */

ebb_status memory_facts_make(region *home, const graph *g, const int64_t *dim_values,
                             memory_facts *result, ebb_error *error)
{
    uint64_t *const bytes = region_new(home, uint64_t, g->value_count);

    if (bytes == NULL) return region_fail(home, error, "graph", "the sizes of values");
    for (value v = 1; v < g->value_count; v++) {
        const value_info *info = graph_value(g, v);
        const uint64_t count = shape_count_at(&info->shape, dim_values);

        if (count > INT64_MAX || !u64_mul(count, ebb_dtype_bytes(info->dtype), &bytes[v]) ||
            bytes[v] > INT64_MAX / 4)
            return fail(error, EBB_E_SHAPE, "graph", "value %u is too large to address", v);
    }
    *result = (memory_facts){.value_bytes = bytes};
    return EBB_OK;
}

uint32_t live_order(const graph *g, uint32_t *order)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < g->node_count; i++)
        if (live_node_runs(g, &g->nodes[i])) order[count++] = i;
    return count;
}

ebb_status live_set_order(graph *g, region *scratch, const uint32_t *order, uint32_t count,
                          ebb_error *error)
{
    if (g->node_count == 0) return EBB_OK;
    node *const nodes = region_new(scratch, node, g->node_count);
    uint32_t next = 0;

    if (nodes == NULL) return region_fail(scratch, error, "graph", "the order of nodes");
    for (uint32_t i = 0; i < g->node_count; i++)
        if (!live_node_runs(g, &g->nodes[i])) nodes[next++] = g->nodes[i];
    for (uint32_t i = 0; i < count; i++) nodes[next++] = g->nodes[order[i]];
    memcpy(g->nodes, nodes, g->node_count * sizeof *nodes);
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].output_count; k++)
            g->values[g->nodes[i].outputs[k]].node = i;
    return EBB_OK;
}

uint32_t live_shared_input(const graph *g, const memory_facts *m, uint32_t node_index)
{
    const node *n = &g->nodes[node_index];

    if (m->shared_input != NULL) return m->shared_input[node_index];
    if (!computes_in_place[n->op]) return SHARED_INPUT_NONE;
    return m->value_bytes[n->inputs[0]] == m->value_bytes[n->outputs[0]] ? 0 : SHARED_INPUT_NONE;
}

/* -- ranges ----------------------------------------------------------------------------------- */

static void find_ranges(measure *w)
{
    const graph *g = w->g;
    uint32_t operand = 0;

    w->copy_count = 1; /* COPY_NONE */
    for (uint32_t s = 0; s < w->count; s++) {
        const node *n = &g->nodes[w->order[s]];

        for (uint32_t k = 0; k < n->input_count; k++, operand++) {
            const value v = n->inputs[k];
            const uint32_t c = live_is_result(g, v) ? w->current[v] : COPY_NONE;

            w->read[v] = s;
            w->operands[operand] = c;
            w->copies[c].last = w->copies[c].read = s;
        }
        for (uint32_t k = 0; k < n->output_count; k++) {
            const uint32_t c = w->copy_count++;

            w->copies[c] = (copy){.v = n->outputs[k], .first = s, .last = s, .owner = c};
            w->current[n->outputs[k]] = c;
            if (w->original[n->outputs[k]] == COPY_NONE) w->original[n->outputs[k]] = c;
        }
    }
    const uint32_t results = g->output_count - g->update_count;
    for (uint32_t i = 0; i < g->update_count; i++)
        w->updates[g->outputs[results + i]] = g->updated[i];
    for (uint32_t i = 0; i < g->output_count; i++) {
        copy *const c = &w->copies[w->original[g->outputs[i]]];

        c->last = i < results ? w->count - 1 : w->count;
        if (i < results) c->is_result = true;
    }
}

/* Is the old value of a variable read for the last time before step `first`, or by it where it
 * computes in place? */
static bool is_read_before(const measure *w, value variable, uint32_t first)
{
    const node *n = &w->g->nodes[w->order[first]];
    const uint32_t shared = live_shared_input(w->g, w->m, w->order[first]);
    const bool is_pointwise =
        w->m->is_pointwise != NULL ? w->m->is_pointwise[w->order[first]] : n->op == OP_fused;

    if (w->read[variable] > first) return false;
    for (uint32_t k = 0; k < n->input_count && !is_pointwise; k++)
        if (n->inputs[k] == variable && (k != shared || n->output_count > 1)) return false;
    return true;
}

/* An update that can be computed in its variable, but not if it shares the memory of an earlier
 * value: better it does not. */
static bool is_better_alone(const measure *w, const copy *y, const copy *owner)
{
    const value variable = w->original[y->v] == y->owner ? w->updates[y->v] : VALUE_NONE;

    return variable != VALUE_NONE && is_read_before(w, variable, y->first) &&
           !is_read_before(w, variable, owner->first);
}

static void join_in_place(measure *w)
{
    const graph *g = w->g;
    uint32_t next_copy = 1, operand = 0;

    for (uint32_t s = 0; s < w->count; s++) {
        const node *n = &g->nodes[w->order[s]];
        const uint32_t shared = live_shared_input(g, w->m, w->order[s]);
        const uint32_t *operands = &w->operands[operand];
        copy *const y = &w->copies[next_copy];

        operand += n->input_count;
        next_copy += n->output_count;
        if (shared == SHARED_INPUT_NONE || operands[shared] == COPY_NONE) continue;
        const copy *x = &w->copies[operands[shared]];
        if (w->m->value_bytes[x->v] != w->m->value_bytes[y->v]) continue;
        copy *const owner = &w->copies[x->owner];
        bool is_twice = false;
        for (uint32_t k = 0; k < n->input_count; k++)
            is_twice |=
                k != shared && operands[k] != COPY_NONE && w->copies[operands[k]].owner == x->owner;
        if (is_twice || x->read != s || owner->last != s || owner->is_result) continue;
        if (is_better_alone(w, y, owner)) continue;
        y->owner = x->owner;
        owner->last = y->last;
        owner->is_result = y->is_result;
    }
}

static void join_variables(measure *w)
{
    const graph *g = w->g;
    const uint32_t results = g->output_count - g->update_count;

    for (uint32_t i = 0; i < g->update_count; i++) {
        const uint32_t c = w->original[g->outputs[results + i]];
        copy *const owner = &w->copies[w->copies[c].owner];

        if (c == COPY_NONE || owner->is_result || owner->is_in_variable) continue;
        owner->is_in_variable = is_read_before(w, g->updated[i], owner->first);
    }
}

/* -- buffers ---------------------------------------------------------------------------------- */

static void add_buffer(measure *w, uint64_t bytes, uint32_t first, uint32_t last)
{
    w->buffers[w->buffer_count++] = (plan_buffer){.bytes = bytes, .first = first, .last = last};
}

static void collect_buffers(measure *w)
{
    const graph *g = w->g;
    const uint32_t end = w->count - 1;

    for (uint32_t i = 0; i < g->input_count; i++)
        add_buffer(w, w->m->value_bytes[g->inputs[i]], 0, w->read[g->inputs[i]]);
    for (uint32_t i = 0; i < g->output_count; i++)
        if (!live_is_result(g, g->outputs[i]))
            add_buffer(w, w->m->value_bytes[g->outputs[i]], end, end + 1);
    for (uint32_t s = 0; s < w->count && w->m->scratch_bytes != NULL; s++)
        add_buffer(w, w->m->scratch_bytes[w->order[s]], s, s);
    for (uint32_t c = 1; c < w->copy_count; c++) {
        const copy *x = &w->copies[c];

        if (x->owner == c && !x->is_in_variable)
            add_buffer(w, w->m->value_bytes[x->v], x->first, x->last);
    }
}

static ebb_status measure_in(measure *w, region *scratch, bool is_planned, live_cost *result,
                             ebb_error *error)
{
    const graph *g = w->g;
    size_t outputs = 0, inputs = 0;

    for (uint32_t s = 0; s < w->count; s++) {
        outputs += g->nodes[w->order[s]].output_count;
        inputs += g->nodes[w->order[s]].input_count;
    }
    w->copies = region_new(scratch, copy, outputs + 1);
    w->current = region_new(scratch, uint32_t, g->value_count);
    w->original = region_new(scratch, uint32_t, g->value_count);
    w->read = region_new(scratch, uint32_t, g->value_count);
    w->updates = region_new(scratch, value, g->value_count);
    w->operands = region_new(scratch, uint32_t, inputs + 1);
    w->buffers =
        region_new(scratch, plan_buffer, outputs + w->count + g->input_count + g->output_count + 1);
    if (w->copies == NULL || w->current == NULL || w->original == NULL || w->read == NULL ||
        w->updates == NULL || w->operands == NULL || w->buffers == NULL)
        return region_fail(scratch, error, "graph", "live ranges");
    find_ranges(w);
    join_in_place(w);
    join_variables(w);
    collect_buffers(w);
    const ebb_status status =
        plan_bound(scratch, w->buffers, w->buffer_count, &result->peak, error);
    if (status != EBB_OK || !is_planned) return status;
    return plan_arena(scratch, w->buffers, w->buffer_count, &result->arena, error);
}

ebb_status live_measure(region *home, const graph *g, const memory_facts *m, const uint32_t *order,
                        uint32_t count, bool is_planned, live_cost *result, ebb_error *error)
{
    measure w = {.g = g, .m = m, .order = order, .count = count};

    *result = (live_cost){0};
    if (count == 0) return EBB_OK;
    region *const scratch = region_open(home, "live ranges", EBB_CLASS_SCRATCH, 0);
    if (scratch == NULL) return region_fail(home, error, "graph", "live ranges");
    const ebb_status status = measure_in(&w, scratch, is_planned, result, error);
    region_close(scratch);
    return status;
}
