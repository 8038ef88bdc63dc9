/* executable_run.c -- second half of an executable: code, lanes bound to arenas, and the run
 * itself.
 *
 * A run patches the few pointers that lead to the caller's buffers and then calls one kernel after
 * the other. */
#include "exec/executable_internal.h"

#include <string.h>

#include "base/status.h"
#include "tensor/dtype.h"

ebb_status executable_open(executable *e, ebb_error *error)
{
    for (uint32_t i = 0; i < e->step_count; i++) {
        step *s = &e->steps[i];
        if (s->kernel->open != NULL) {
            const ebb_status status = s->kernel->open(s->state, error);
            if (status != EBB_OK) return status;
        }
        s->is_open = true;
    }
    return EBB_OK;
}

static void *locate(const executable *e, const binding *b, value v, uint8_t *arena)
{
    const place *p = &e->places[v];

    switch (p->kind) {
    case PLACE_ARENA: return arena + p->offset;
    case PLACE_WEIGHT: return weights_pointer(e->weights, p->index);
    case PLACE_INPUT: return b->externals[p->index];
    case PLACE_OUTPUT: return b->externals[e->graph->input_count + p->index];
    case PLACE_NONE: break;
    }
    return NULL;
}

static void connect_operand(const executable *e, binding *b, value v, void **slot, uint8_t *arena)
{
    const place *p = &e->places[v];

    *slot = v == VALUE_NONE ? NULL : locate(e, b, v, arena);
    if (p->kind != PLACE_INPUT && p->kind != PLACE_OUTPUT) return;
    const uint32_t base = p->kind == PLACE_OUTPUT ? e->graph->input_count : 0;
    b->patches[b->patch_count++] = (patch){slot, base + p->index};
}

ebb_status executable_bind(executable *e, uint32_t lane, void *arena, ebb_error *error)
{
    binding *b = &e->bindings[lane];
    uint8_t *bytes = arena;

    b->patch_count = 0;
    for (uint32_t i = 0; i < e->graph->input_count; i++)
        b->externals[i] = bytes + e->input_staging[i];
    for (uint32_t i = 0; i < e->graph->output_count; i++) {
        const bool has_staging = e->output_staging[i] != UINT64_MAX;
        b->externals[e->graph->input_count + i] = has_staging ? bytes + e->output_staging[i] : NULL;
    }
    for (uint32_t i = 0; i < e->step_count; i++) {
        const step *s = &e->steps[i];
        kernel_call *call = &b->calls[i];
        void **pointers = (void **)(uintptr_t)call->inputs;
        call->scratch = bytes + s->scratch_offset;
        for (uint32_t k = 0; k < s->node->input_count; k++) {
            connect_operand(e, b, s->node->inputs[k], &pointers[k], bytes);
        }
        for (uint32_t k = 0; k < s->node->output_count; k++) {
            connect_operand(e, b, s->node->outputs[k], &pointers[s->node->input_count + k], bytes);
        }
    }
    for (uint32_t i = 0; i < e->step_count; i++) {
        const kernel_def *kernel = e->steps[i].kernel;
        if (kernel->bind == NULL) continue;
        const ebb_status status = kernel->bind(&b->calls[i], error);
        if (status == EBB_OK) continue;
        while (i-- > 0) {
            if (e->steps[i].kernel->unbind != NULL) e->steps[i].kernel->unbind(&b->calls[i]);
        }
        return status;
    }
    b->is_bound = true;
    return EBB_OK;
}

/* The caller's memory if its type is the model's and its address suits the type. */
static bool is_direct(const ebb_view *view, const tensor_desc *t)
{
    const size_t bytes = ebb_dtype_bytes(t->dtype);
    return view->dtype == t->dtype && (uintptr_t)view->data % bytes == 0;
}

static void *staging(const binding *b, const executable *e, uint64_t offset)
{
    /* scratch of step 0 lies at a known offset, which gives the arena's base without storing it
     * twice */
    return (uint8_t *)b->calls[0].scratch - e->steps[0].scratch_offset + offset;
}

static void point_externals(const executable *e, binding *b, const ebb_view *inputs,
                            const ebb_view *outputs)
{
    const uint32_t input_count = e->graph->input_count;

    for (uint32_t i = 0; i < input_count; i++) {
        if (is_direct(&inputs[i], &e->inputs[i])) {
            b->externals[i] = inputs[i].data;
            continue;
        }
        b->externals[i] = staging(b, e, e->input_staging[i]);
        dtype_convert(e->inputs[i].dtype, b->externals[i], inputs[i].dtype, inputs[i].data,
                      tensor_desc_count(&e->inputs[i]));
    }
    for (uint32_t i = 0; i < e->result_count; i++) {
        const place *p = &e->places[e->graph->outputs[i]];
        if (p->kind != PLACE_OUTPUT || p->index != i) continue;
        b->externals[input_count + i] = is_direct(&outputs[i], &e->outputs[i])
                                            ? outputs[i].data
                                            : staging(b, e, e->output_staging[i]);
    }
    for (uint32_t i = 0; i < b->patch_count; i++)
        *b->patches[i].slot = b->externals[b->patches[i].index];
}

/* Outputs that are inputs, constants, repeated, or of another type than the caller wants. */
static void deliver_outputs(const executable *e, const binding *b, const ebb_view *outputs)
{
    for (uint32_t i = 0; i < e->result_count; i++) {
        const void *from = locate(e, b, e->graph->outputs[i], NULL);
        if (from == outputs[i].data) continue;
        dtype_convert(outputs[i].dtype, outputs[i].data, e->outputs[i].dtype, from,
                      tensor_desc_count(&e->outputs[i]));
    }
}

/* Next values that were not computed in their variables. All are gathered before the first is
 * stored: one variable may become what another was. */
static void store_updates(const executable *e, const binding *b)
{
    const graph *g = e->graph;
    uint8_t *arena = staging(b, e, 0);

    for (uint32_t i = e->result_count; i < g->output_count; i++) {
        if (e->output_staging[i] == UINT64_MAX) continue;
        memcpy(arena + e->output_staging[i], locate(e, b, g->outputs[i], arena),
               tensor_desc_bytes(&e->outputs[i]));
    }
    for (uint32_t i = e->result_count; i < g->output_count; i++) {
        void *to = weights_pointer(e->weights, g->updated[i - e->result_count]);
        const void *from = e->output_staging[i] != UINT64_MAX ? arena + e->output_staging[i]
                                                              : locate(e, b, g->outputs[i], arena);
        if (from != to) memcpy(to, from, tensor_desc_bytes(&e->outputs[i]));
    }
}

/* A model without steps hands its inputs and constants through. */
static void run_empty(const executable *e, const ebb_view *inputs, const ebb_view *outputs)
{
    for (uint32_t i = 0; i < e->graph->output_count; i++) {
        const value v = e->graph->outputs[i];
        const place *p = &e->places[v];
        const void *from =
            p->kind == PLACE_INPUT ? inputs[p->index].data : weights_pointer(e->weights, v);
        const ebb_dtype type =
            p->kind == PLACE_INPUT ? inputs[p->index].dtype : e->outputs[i].dtype;
        dtype_convert(outputs[i].dtype, outputs[i].data, type, from,
                      tensor_desc_count(&e->outputs[i]));
    }
}

/* Lanes run at the same time, and the model has executables for several shapes: all count in one
 * place. */
static void number_run(const executable *e, const binding *b)
{
    const uint32_t run = atomic_fetch_add_explicit(e->weights->runs, 1, memory_order_relaxed);

    for (uint32_t i = 0; i < e->step_count; i++) b->calls[i].run = run;
}

void executable_run(executable *e, uint32_t lane, const ebb_view *inputs, const ebb_view *outputs)
{
    binding *b = &e->bindings[lane];

    if (e->step_count == 0) {
        run_empty(e, inputs, outputs);
        return;
    }
    point_externals(e, b, inputs, outputs);
    if (e->draws) number_run(e, b);
    for (uint32_t i = 0; i < e->step_count; i++) e->steps[i].kernel->run(&b->calls[i]);
    deliver_outputs(e, b, outputs);
    if (e->graph->update_count > 0) store_updates(e, b);
}

void executable_unbind(executable *e, uint32_t lane)
{
    binding *b = &e->bindings[lane];

    for (uint32_t i = 0; b->is_bound && i < e->step_count; i++) {
        const kernel_def *kernel = e->steps[i].kernel;
        if (kernel->unbind != NULL) kernel->unbind(&b->calls[i]);
    }
    b->is_bound = false;
}

void executable_close(executable *e)
{
    if (e == NULL) return;
    for (uint32_t lane = 0; e->bindings != NULL && lane < e->lanes; lane++) {
        executable_unbind(e, lane);
    }
    for (uint32_t i = 0; i < e->step_count; i++) {
        if (e->steps[i].kernel->close != NULL) e->steps[i].kernel->close(e->steps[i].state);
    }
    e->step_count = 0;
}
