/* executable_place.c -- where every value lives: weights, the caller's buffers, or an offset in the
 * arena.
 *
 * Values that a kernel may compute in place share the memory of their input (one owner per group).
 * A group that holds a model output lives in the caller's output buffer; its staging buffer, used
 * when the caller's type differs, has the group's live range in the arena. A group that holds the
 * next value of a variable lives in the variable, if nobody reads the old value once the group is
 * there. */
#include "exec/executable_internal.h"

#include "base/status.h"
#include "exec/fold.h"
#include "graph/plan.h"

#define STEP_NONE UINT32_MAX

typedef struct placer {
    executable *e;
    value *owner;           /* by value: whose memory it shares */
    uint32_t *first, *last; /* by owner: live range in steps */
    uint32_t *read;         /* by value: the last step that reads it */
    uint32_t *output;       /* by owner: output number + 1, 0 = none */
    value *variable;        /* by value: the variable it is the next value of; in the end by owner:
                               the variable it lives in; VALUE_NONE = none */
    plan_buffer *buffers;
    uint32_t buffer_count;
} placer;

static uint64_t value_bytes(const executable *e, value v)
{
    const tensor_desc desc = desc_of(e->graph, v, e->dim_values);
    return tensor_desc_bytes(&desc);
}

static bool is_runtime_result(const graph *g, value v)
{
    return v != VALUE_NONE && g->values[v].kind == VALUE_RESULT && !g->values[v].is_constant;
}

/* Live range and output number of each value by itself. */
static void find_ranges(placer *p)
{
    const graph *g = p->e->graph;

    for (value v = 0; v < g->value_count; v++) {
        p->owner[v] = v;
        p->first[v] = STEP_NONE;
    }
    for (uint32_t s = 0; s < p->e->step_count; s++) {
        const node *n = p->e->steps[s].node;
        for (uint32_t k = 0; k < n->output_count; k++)
            p->first[n->outputs[k]] = p->last[n->outputs[k]] = s;
        for (uint32_t k = 0; k < n->input_count; k++)
            p->last[n->inputs[k]] = p->read[n->inputs[k]] = s;
    }
    for (uint32_t i = p->e->result_count; i-- > 0;) {
        if (is_runtime_result(g, g->outputs[i])) p->output[g->outputs[i]] = i + 1;
    }
    for (uint32_t i = 0; i < g->output_count; i++) {
        const bool is_stored_later = i >= p->e->result_count; /* when all steps are done */
        if (p->e->step_count > 0)
            p->last[g->outputs[i]] = p->e->step_count - (is_stored_later ? 0 : 1);
    }
}

/* Is every read of the variable's old value over when step `first` writes? The kernel of `first`
 * itself may read it where it computes in place. */
static bool is_read_before(const placer *p, value variable, uint32_t first)
{
    const step *s = &p->e->steps[first];

    if (p->read[variable] != first) return p->read[variable] < first;
    for (uint32_t k = 0; k < s->node->input_count && !s->is_pointwise; k++) {
        if (s->node->inputs[k] != variable) continue;
        if (s->shared_input != k || s->node->output_count > 1) return false;
    }
    return true;
}

/* An update that can be computed in its variable stays out of a group that cannot. */
static bool is_better_alone(const placer *p, value y, value owner)
{
    const value variable = p->variable[y];

    return variable != VALUE_NONE && is_read_before(p, variable, p->first[y]) &&
           !is_read_before(p, variable, p->first[owner]);
}

/* Lets output 0 of a step take over the memory of the input that dies there, where its kernel can.
 */
static void join_in_place(placer *p)
{
    const graph *g = p->e->graph;

    for (uint32_t s = 0; s < p->e->step_count; s++) {
        const node *n = p->e->steps[s].node;
        const uint32_t shared = p->e->steps[s].shared_input;
        if (shared == SHARES_NONE) continue;
        const value x = n->inputs[shared], y = n->outputs[0];
        if (!is_runtime_result(g, x) || value_bytes(p->e, x) != value_bytes(p->e, y)) continue;
        const value owner = p->owner[x];
        bool twice = false;
        for (uint32_t k = 0; k < n->input_count; k++) {
            twice |= k != shared && p->owner[n->inputs[k]] == owner;
        }
        if (twice || p->read[x] != s || p->last[owner] != s) continue;
        if (p->output[owner] != 0) continue; /* the earlier value is an output itself */
        if (is_better_alone(p, y, owner)) continue;
        p->owner[y] = owner;
        p->last[owner] = p->last[y];
        p->output[owner] = p->output[y];
    }
}

static bool is_output(const graph *g, value v)
{
    for (uint32_t i = 0; i < g->output_count; i++) {
        if (g->outputs[i] == v) return true;
    }
    return false;
}

/* Next values that might be computed where their variable is. */
static void find_updates(placer *p)
{
    const graph *g = p->e->graph;

    for (uint32_t i = 0; i < g->update_count; i++) {
        const value variable = g->updated[i], next = g->outputs[p->e->result_count + i];
        if (!is_runtime_result(g, next) || p->output[next] != 0) continue;
        if (p->variable[next] == VALUE_NONE && !is_output(g, variable))
            p->variable[next] = variable;
    }
}

/* Those that can be move there with their group. */
static void join_variables(placer *p)
{
    const graph *g = p->e->graph;

    for (uint32_t i = 0; i < g->update_count; i++) {
        const value next = g->outputs[p->e->result_count + i], owner = p->owner[next];
        const value variable = p->variable[next];
        if (variable != g->updated[i]) continue;
        p->variable[next] = VALUE_NONE;
        if (p->output[owner] == 0 && is_read_before(p, variable, p->first[owner]))
            p->variable[owner] = variable;
    }
}

static uint32_t add_buffer(placer *p, uint64_t bytes, uint32_t first, uint32_t last)
{
    p->buffers[p->buffer_count] = (plan_buffer){.bytes = bytes, .first = first, .last = last};
    return p->buffer_count++;
}

/* Buffers in a fixed order: inputs' staging, then per step scratch and results. */
static void collect_buffers(placer *p)
{
    executable *e = p->e;
    const graph *g = e->graph;
    const uint32_t end = e->step_count == 0 ? 0 : e->step_count - 1;

    for (uint32_t i = 0; i < g->input_count; i++) {
        const tensor_desc *t = &e->inputs[i];
        e->input_staging[i] = add_buffer(p, tensor_desc_bytes(t), 0, p->last[g->inputs[i]]);
    }
    for (uint32_t i = 0; i < g->output_count; i++) {
        e->output_staging[i] = UINT64_MAX;
        if (is_runtime_result(g, g->outputs[i])) continue;
        e->output_staging[i] = add_buffer(p, tensor_desc_bytes(&e->outputs[i]), end, end + 1);
    }
    for (uint32_t s = 0; s < e->step_count; s++) {
        step *now = &e->steps[s];
        now->scratch_offset = add_buffer(p, now->scratch_bytes, s, s);
        for (uint32_t k = 0; k < now->node->output_count; k++) {
            const value v = now->node->outputs[k];
            if (p->owner[v] != v) continue;
            if (p->variable[v] != VALUE_NONE) {
                e->places[v] = (place){PLACE_WEIGHT, p->variable[v], 0};
                continue;
            }
            const uint32_t buffer = add_buffer(p, value_bytes(e, v), p->first[v], p->last[v]);
            e->places[v] = (place){PLACE_ARENA, 0, buffer};
            if (p->output[v] != 0) {
                e->places[v].kind = PLACE_OUTPUT;
                e->places[v].index = p->output[v] - 1;
                e->output_staging[p->output[v] - 1] = buffer;
            }
        }
    }
}

/* Buffer numbers become offsets. */
static void assign_offsets(placer *p)
{
    executable *e = p->e;
    const graph *g = e->graph;

    for (uint32_t i = 0; i < g->input_count; i++) {
        e->input_staging[i] = p->buffers[e->input_staging[i]].offset;
        e->places[g->inputs[i]] = (place){PLACE_INPUT, i, 0};
    }
    for (uint32_t i = 0; i < g->output_count; i++) {
        /* a second output of the same value is copied from the first one's buffer */
        if (e->output_staging[i] != UINT64_MAX) {
            e->output_staging[i] = p->buffers[e->output_staging[i]].offset;
        }
    }
    for (uint32_t s = 0; s < e->step_count; s++) {
        step *now = &e->steps[s];
        now->scratch_offset = p->buffers[now->scratch_offset].offset;
        for (uint32_t k = 0; k < now->node->output_count; k++) {
            const value v = now->node->outputs[k], owner = p->owner[v];
            place *at = &e->places[v];
            if (owner == v && at->kind != PLACE_WEIGHT) at->offset = p->buffers[at->offset].offset;
            *at = e->places[owner];
        }
    }
    for (value v = 1; v < g->value_count; v++) {
        if (e->weights->slot_of[v] != 0) e->places[v] = (place){PLACE_WEIGHT, v, 0};
    }
}

static ebb_status place_with(placer *p, region *work, ebb_error *error)
{
    executable *e = p->e;
    const graph *g = e->graph;
    const uint32_t values = g->value_count;

    p->owner = region_new(work, value, values);
    p->first = region_new(work, uint32_t, values);
    p->last = region_new(work, uint32_t, values);
    p->read = region_new(work, uint32_t, values);
    p->output = region_new(work, uint32_t, values);
    p->variable = region_new(work, value, values);
    p->buffers = region_new(work, plan_buffer,
                            g->input_count + g->output_count + values + e->step_count + 1);
    if (p->owner == NULL || p->first == NULL || p->last == NULL || p->read == NULL ||
        p->output == NULL || p->variable == NULL || p->buffers == NULL) {
        return region_fail(work, error, "plan", "live ranges");
    }
    find_ranges(p);
    find_updates(p);
    join_in_place(p);
    join_variables(p);
    collect_buffers(p);
    const ebb_status status = plan_arena(work, p->buffers, p->buffer_count, &e->arena_bytes, error);
    if (status == EBB_OK) assign_offsets(p);
    return status;
}

ebb_status executable_place(executable *e, ebb_error *error)
{
    const graph *g = e->graph;
    placer p = {.e = e};
    region *work = region_open(e->home, "placing", EBB_CLASS_SCRATCH, 0);

    e->places = region_new(e->home, place, g->value_count);
    e->input_staging = region_new(e->home, uint64_t, g->input_count + 1);
    e->output_staging = region_new(e->home, uint64_t, g->output_count + 1);
    ebb_status status = EBB_OK;
    if (work == NULL || e->places == NULL || e->input_staging == NULL ||
        e->output_staging == NULL) {
        status = region_fail(e->home, error, "plan", "places");
    }
    if (status == EBB_OK) status = place_with(&p, work, error);
    region_close(work);
    return status;
}
