/* session_parts.c -- memory for a run that was cut: executables, buffers, pointers.
 *
 *     arena of a device = | activations of whichever part runs | buffer | buffer | ... | */
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "graph/pass.h"
#include "runtime/meter.h"
#include "runtime/session/session_cut.h"

typedef struct building {
    cut *c;
    session *s;
    session_plan *p;
    uint64_t *arena_bytes;  /* by device: the largest of its parts, then with buffers */
    uint8_t **arenas;       /* by device */
    bool *is_used;          /* by device */
    void **variable_memory; /* by number */
    ebb_error *error;
} building;

static ebb_status no_memory(const building *b)
{
    return region_fail(b->p->home, b->error, b->s->name, "a plan");
}

/* -- executables ------------------------------------------------------------------------------- */

static bool has_steps(const graph *g)
{
    for (uint32_t i = 0; i < g->node_count; i++)
        if (!g->nodes[i].is_dead && !g->values[g->nodes[i].outputs[0]].is_constant) return true;
    return false;
}

static ebb_status executable_prepare(building *b, plan_part *part, const cut_part *from)
{
    const device *d = part->device->device;
    session_plan *p = b->p;

    ebb_status status = weights_open(p->home, d, from->graph, false, &part->weights, b->error);
    const executable_options options = {.home = p->home,
                                        .device = d,
                                        .graph = from->graph,
                                        .weights = part->weights,
                                        .symbols = (const int64_t[1]){0},
                                        .threads = b->s->options.threads,
                                        .lanes = 1};
    if (status == EBB_OK) status = executable_make(&options, &part->executable, b->error);
    if (status == EBB_OK) status = weights_layout(part->weights, b->error);
    if (status != EBB_OK) return status;
    uint64_t *bytes = &b->arena_bytes[part->device->index];
    if (part->executable->arena_bytes > *bytes) *bytes = part->executable->arena_bytes;
    return EBB_OK;
}

static ebb_status part_prepare(building *b, plan_part *part, const cut_part *from)
{
    const sym_node *n = from->call == NULL ? NULL : &b->s->graph->body.nodes[from->call->node];

    *part = (plan_part){.device = from->device,
                        .graph = from->graph,
                        .input_count = from->input_count,
                        .output_count = from->output_count};
    part->inputs = region_new(b->p->home, ebb_view, (size_t)from->input_count + 1);
    part->outputs = region_new(b->p->home, ebb_view, (size_t)from->output_count + 1);
    part->feeds = region_new(b->p->home, uint32_t, (size_t)from->input_count + 1);
    part->fetches = region_new(b->p->home, uint32_t, (size_t)from->output_count + 1);
    if (part->inputs == NULL || part->outputs == NULL || part->feeds == NULL ||
        part->fetches == NULL) {
        return no_memory(b);
    }
    b->is_used[from->device->index] = true;
    if (n == NULL) return executable_prepare(b, part, from);
    part->model = n->model;
    part->model_name = n->model_name;
    part->call_name = n->name;
    return EBB_OK;
}

/* -- memory ------------------------------------------------------------------------------------ */

static ebb_status buffers_place(building *b)
{
    cut *c = b->c;

    for (uint32_t i = 0; i < c->buffer_count; i++) {
        uint64_t *bytes = &b->arena_bytes[c->buffers[i].device->index];
        size_t aligned = *bytes;
        if (!size_align(aligned, ARENA_ALIGNMENT, &aligned) ||
            !u64_add(aligned, c->buffers[i].bytes + 1, bytes)) {
            return fail(b->error, EBB_E_SHAPE, b->s->name,
                        "the values between the parts of a run are too large to address");
        }
        c->buffers[i].offset = aligned;
        b->is_used[c->buffers[i].device->index] = true;
    }
    return EBB_OK;
}

static ebb_status arenas_open(building *b)
{
    for (uint32_t i = 0; i < b->c->device_count; i++) {
        if (!b->is_used[i]) continue;
        const logical_device *d = devices_at(b->s->owner, i);
        region *r = region_open_on(b->p->home, d->account, "arena", EBB_CLASS_ACTIVATIONS, 0);
        if (r != NULL) b->arenas[i] = region_block(r, b->arena_bytes[i] + 1);
        if (b->arenas[i] == NULL)
            return region_fail(r != NULL ? r : b->p->home, b->error, b->s->name, "activations");
    }
    for (uint32_t i = 0; i < b->c->buffer_count; i++) {
        const cut_buffer *buffer = &b->c->buffers[i];
        if (buffer->data == NULL || buffer->bytes == 0) continue;
        memcpy(b->arenas[buffer->device->index] + buffer->offset, buffer->data, buffer->bytes);
    }
    return EBB_OK;
}

static ebb_status weights_make(building *b, plan_part *part)
{
    if (part->weights->block_bytes == 0) return EBB_OK;
    region *work = region_open(b->p->home, "staging", EBB_CLASS_SCRATCH, 0);
    region *store =
        region_open_on(b->p->home, part->device->account, "weights", EBB_CLASS_WEIGHTS, 0);
    ebb_status status = EBB_OK;

    if (work == NULL || store == NULL) status = no_memory(b);
    if (status == EBB_OK) status = weights_fill(part->weights, store, work, NULL, b->error);
    region_close(work);
    return status;
}

static ebb_status executable_ready(building *b, plan_part *part)
{
    ebb_status status = weights_make(b, part);

    if (status != EBB_OK) return status;
    weights_lend(part->weights, b->variable_memory);
    status = executable_open(part->executable, b->error);
    if (status == EBB_OK)
        status = executable_bind(part->executable, 0, b->arenas[part->device->index], b->error);
    if (status == EBB_OK && part->executable->threads > 1 && !b->s->holds_executor) {
        status = executor_hold(&b->s->owner->executor, b->error);
        b->s->holds_executor = status == EBB_OK;
    }
    return status;
}

/* -- pointers ---------------------------------------------------------------------------------- */

static void *spot_memory(const building *b, spot at)
{
    switch (at.kind) {
    case SPOT_BUFFER: {
        const cut_buffer *buffer = &b->c->buffers[at.index];
        return b->arenas[buffer->device->index] + buffer->offset;
    }
    case SPOT_VARIABLE: return b->c->variables[at.index]->memory;
    case SPOT_STREAM: return &b->s->stream;
    case SPOT_NONE:
    case SPOT_FEED:
    case SPOT_FETCH: break;
    }
    return NULL;
}

static void view_set(const building *b, spot at, const tensor_desc *desc, ebb_view *view,
                     uint32_t *port)
{
    *view = (ebb_view){.dtype = desc->dtype, .rank = desc->rank, .data = spot_memory(b, at)};
    memcpy(view->dims, desc->dims, sizeof view->dims);
    *port = PORT_NONE;
    if (at.kind == SPOT_FEED) {
        view->dtype = b->p->feeds[at.index].dtype;
        b->p->feeds[at.index].is_used = true;
        *port = at.index;
    } else if (at.kind == SPOT_FETCH) {
        view->dtype = b->p->fetches[at.index].dtype;
        *port = at.index;
    }
}

static void copy_set(building *b, const cut_copy *from, plan_copy *copy)
{
    const bool is_feed = from->from.kind == SPOT_FEED, is_fetch = from->to.kind == SPOT_FETCH;

    *copy = (plan_copy){.to = spot_memory(b, from->to),
                        .from = spot_memory(b, from->from),
                        .feed = from->from.index,
                        .fetch = from->to.index,
                        .to_dtype = from->desc.dtype,
                        .from_dtype = from->desc.dtype,
                        .count = tensor_desc_count(&from->desc),
                        .bytes = tensor_desc_bytes(&from->desc),
                        .to_device = from->to_device,
                        .from_device = from->from_device};
    if (is_feed) {
        copy->from_dtype = b->p->feeds[from->from.index].dtype;
        b->p->feeds[from->from.index].is_used = true;
    }
    if (is_fetch) copy->to_dtype = b->p->fetches[from->to.index].dtype;
    if (copy->to_device != copy->from_device) b->p->bytes_copied += copy->bytes;
}

static plan_copy *copies_make(building *b, const cut_copy *from, uint32_t count)
{
    plan_copy *copies = region_new(b->p->home, plan_copy, (size_t)count + 1);

    for (uint32_t i = 0; copies != NULL && i < count; i++) copy_set(b, &from[i], &copies[i]);
    return copies;
}

static ebb_status part_connect(building *b, plan_part *part, const cut_part *from)
{
    part->copies = copies_make(b, from->copies, from->copy_count);
    part->copy_count = from->copy_count;
    if (part->copies == NULL) return no_memory(b);
    for (uint32_t i = 0; i < from->input_count; i++)
        view_set(b, from->inputs[i], &from->input_descs[i], &part->inputs[i], &part->feeds[i]);
    for (uint32_t i = 0; i < from->output_count; i++)
        view_set(b, from->outputs[i], &from->output_descs[i], &part->outputs[i], &part->fetches[i]);
    return part->graph != NULL ? executable_ready(b, part) : EBB_OK;
}

static ebb_status variables_connect(building *b, const lowered *l)
{
    const uint32_t count = b->s->graph->body.variable_count;
    session_plan *p = b->p;

    p->read = region_new(p->home, stored_variable *, (size_t)count + 1);
    p->assigned = region_new(p->home, stored_variable *, (size_t)l->update_count + 1);
    p->stores = region_new(p->home, plan_store, (size_t)b->c->store_count + 1);
    if (p->read == NULL || p->assigned == NULL || p->stores == NULL) return no_memory(b);
    for (uint32_t i = 0; i < count; i++)
        if (l->is_read[i]) p->read[p->read_count++] = b->c->variables[i];
    for (uint32_t i = 0; i < l->update_count; i++)
        p->assigned[p->assigned_count++] = b->c->variables[l->updates[i].variable];
    for (uint32_t i = 0; i < b->c->store_count; i++) {
        const cut_store *from = &b->c->stores[i];
        stored_variable *v = b->c->variables[from->variable];
        p->stores[p->store_count++] = (plan_store){.variable = v,
                                                   .from = spot_memory(b, from->from),
                                                   .feed = from->from.index,
                                                   .from_device = from->from_device};
        plan_store *store = &p->stores[p->store_count - 1];
        store->from_dtype = v->dtype;
        if (from->from.kind == SPOT_FEED) {
            store->from_dtype = p->feeds[from->from.index].dtype;
            p->feeds[from->from.index].is_used = true;
        }
        if (from->from_device != v->device) p->bytes_copied += v->bytes;
    }
    return EBB_OK;
}

static void fetches_describe(const building *b, const lowered *l)
{
    for (uint32_t i = 0; i < b->p->fetch_count; i++) {
        const shape *s = graph_shape(l->graph, l->fetches[i]);
        plan_fetch *f = &b->p->fetches[i];
        ebb_view view = {.dtype = f->dtype, .rank = s->rank};
        f->rank = s->rank;
        for (uint32_t k = 0; k < s->rank; k++) f->dims[k] = view.dims[k] = s->dims[k];
        f->bytes = ebb_view_bytes(&view);
    }
}

/* -- all of it --------------------------------------------------------------------------------- */

/* Updates that end up without a step to compute them cannot be in place. */
static ebb_status run_passes(const cut *c, bool *is_empty, ebb_error *error)
{
    *is_empty = false;
    for (uint32_t i = 0; i < c->part_count; i++) {
        graph *g = c->parts[i].graph;
        if (g == NULL) continue;
        const ebb_status status = passes_run(g, true, error);
        if (status != EBB_OK) return status;
        *is_empty |= g->update_count > 0 && !has_steps(g);
    }
    return EBB_OK;
}

static ebb_status cut_and_simplify(cut *c, ebb_error *error)
{
    bool is_empty = false;
    const cut begin = *c;

    c->is_in_place = true;
    ebb_status status = cut_make(c);
    if (status == EBB_OK) status = run_passes(c, &is_empty, error);
    if (status != EBB_OK || !is_empty) return status;
    *c = begin;
    status = cut_make(c);
    return status == EBB_OK ? run_passes(c, &is_empty, error) : status;
}

static ebb_status lists_make(building *b)
{
    const uint32_t devices = b->c->device_count;
    region *work = b->c->work;

    b->arena_bytes = region_new(work, uint64_t, devices);
    b->arenas = region_new(work, uint8_t *, devices);
    b->is_used = region_new(work, bool, devices);
    b->variable_memory = region_new(work, void *, (size_t)b->s->graph->body.variable_count + 1);
    b->p->parts = region_new(b->p->home, plan_part, (size_t)b->c->part_count + 1);
    if (b->arena_bytes == NULL || b->arenas == NULL || b->is_used == NULL ||
        b->variable_memory == NULL || b->p->parts == NULL) {
        return no_memory(b);
    }
    for (uint32_t i = 0; i < b->s->graph->body.variable_count; i++)
        if (b->c->variables[i] != NULL) b->variable_memory[i] = b->c->variables[i]->memory;
    return EBB_OK;
}

/* Library code of the kernels is measured around its making. */
static ebb_status parts_connect(building *b)
{
    const uint64_t before = meter_private_bytes();
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < b->p->part_count && status == EBB_OK; i++)
        status = part_connect(b, &b->p->parts[i], &b->c->parts[i]);
    const uint64_t after = meter_private_bytes();
    if (after > before) region_measured(b->p->home, after - before);
    return status;
}

ebb_status plan_parts_make(session *s, session_plan *p, region *work, const lowered *l,
                           ebb_error *error)
{
    cut c = {.s = s, .p = p, .work = work, .l = l, .error = error};
    building b = {.c = &c, .s = s, .p = p, .error = error};
    ebb_status status = cut_and_simplify(&c, error);

    if (status == EBB_OK) status = lists_make(&b);
    for (uint32_t i = 0; i < c.part_count && status == EBB_OK; i++) {
        status = part_prepare(&b, &p->parts[i], &c.parts[i]);
        p->part_count++;
    }
    if (status == EBB_OK) status = buffers_place(&b);
    if (status == EBB_OK) status = arenas_open(&b);
    if (status == EBB_OK) status = parts_connect(&b);
    if (status == EBB_OK) status = variables_connect(&b, l);
    if (status != EBB_OK) return status;
    p->results = copies_make(&b, c.results, c.result_count);
    p->result_count = c.result_count;
    p->has_random = l->has_random;
    fetches_describe(&b, l);
    return p->results != NULL ? EBB_OK : no_memory(&b);
}
