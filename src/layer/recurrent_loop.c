/* recurrent_loop.c -- a recurrent cell spelled out step by step: what no single op computes.
 *
 * The length must be a known number: every step adds its own nodes. Masked steps keep the states;
 * their output is the one before (zeros at first), or zeros.
 * Source: rnn() of keras/src/backend/tensorflow/rnn.py. */
#include "layer/recurrent.h"

#include <inttypes.h>
#include <string.h>

#define LOOP_STEPS_MAX  4096
#define LOOP_STATES_MAX 2

typedef struct loop {
    layer_build *b;
    const loop_step *l;
    const sequence *s;
    value zeros, states[LOOP_STATES_MAX];
    value output;   /* of the step before */
    value *outputs; /* [n, 1, ...] each; only with return_sequences */
} loop;

/* Step `time` of a sequence: without its axis. */
static value step_of(layer_build *b, value v, int64_t time)
{
    return lowering_squeeze(b, op_slice_axis(b->graph, v, 1, time, 1, 1), 1);
}

/* [n] of the mask as [n, 1, ...]: lined up with a state. */
static value mask_of(const loop *p, int64_t time)
{
    layer_build *b = p->b;
    dim dims[EBB_RANK_MAX] = {0};

    if (p->s->mask == VALUE_NONE || !graph_ok(b->graph)) return VALUE_NONE;
    dims[0] = graph_dim(b->graph, p->s->mask, 0);
    for (uint32_t i = 1; i < p->l->state->rank; i++) dims[i] = 1;
    const value at = op_slice_axis(b->graph, p->s->mask, 1, time, 1, 1);
    return lowering_reshape(b, at, p->l->state->rank, dims);
}

static bool loop_once(loop *p, int64_t time, uint32_t number)
{
    graph *g = p->b->graph;
    const value mask = mask_of(p, time);
    value next[LOOP_STATES_MAX];

    memcpy(next, p->states, sizeof next);
    if (!p->l->step(p->b, p->l, step_of(p->b, p->s->x, time), next)) return false;
    value output = next[0];
    if (mask != VALUE_NONE) {
        const value before = p->s->zero_output_for_mask ? p->zeros : p->output;
        output = op_select(g, mask, next[0], before);
        for (uint32_t i = 0; i < p->l->state_count; i++)
            next[i] = op_select(g, mask, next[i], p->states[i]);
    }
    p->output = output;
    memcpy(p->states, next, sizeof next);
    if (p->outputs != NULL) p->outputs[number] = lowering_expand(p->b, output, 1);
    return graph_ok(g);
}

bool loop_run(layer_build *b, const loop_step *l, sequence *s, uint32_t first)
{
    const int64_t steps =
        build_known_dim(b, s->x, 1, "steps, over which this kind of cell is spelled out,");
    loop p = {.b = b, .l = l, .s = s};

    if (steps < 0) return false;
    if (steps == 0 || steps > LOOP_STEPS_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED,
                          "%" PRId64 " steps; this kind of cell runs over 1 to %d of them", steps,
                          LOOP_STEPS_MAX);
    }
    p.zeros = p.output = lowering_filled(b, EBB_F32, false, l->state);
    for (uint32_t i = 0; i < l->state_count; i++)
        p.states[i] = s->states[first + i] != VALUE_NONE ? s->states[first + i] : p.zeros;
    if (s->return_sequences) {
        p.outputs = region_new(b->home, value, (size_t)steps);
        if (p.outputs == NULL) return layer_fail(b, EBB_E_MEMORY, "no memory for the steps");
    }
    for (int64_t i = 0; i < steps; i++) {
        const int64_t time = s->go_backwards ? steps - 1 - i : i;
        if (!loop_once(&p, time, (uint32_t)i)) return false;
    }
    for (uint32_t i = 0; i < l->state_count; i++) s->states[first + i] = p.states[i];
    s->y = s->return_sequences ? op_concat(b->graph, p.outputs, (uint32_t)steps, 1) : p.output;
    return graph_ok(b->graph);
}
