/* session_cut.c -- see session_cut.h.
 *
 * Parts are made greedily: the first op that is not in a part yet begins one on its device, and
 * every later op of that device joins whose inputs are there by then. */
#include "runtime/session/session_cut.h"

#include <string.h>

#include "base/status.h"
#include "exec/fold.h"

static ebb_status no_memory(const cut *c)
{
    return region_fail(c->work, c->error, c->s->name, "the parts of a plan");
}

static void *grown(const cut *c, void *items, uint32_t count, uint32_t *capacity, size_t bytes)
{
    if (count < *capacity) return items;
    const uint32_t larger = *capacity == 0 ? 8 : *capacity * 2;
    void *copy = region_alloc(c->work, larger, bytes);
    if (copy == NULL) return NULL;
    if (count > 0) memcpy(copy, items, count * bytes);
    *capacity = larger;
    return copy;
}

/* -- items ------------------------------------------------------------------------------------- */

/* Marks the ops that lead to what is wanted. */
static bool *needed_nodes(const cut *c)
{
    const graph *g = c->l->graph;
    bool *is_needed = region_new(c->work, bool, (size_t)g->node_count + 1);
    bool *is_wanted = region_new(c->work, bool, g->value_count);

    if (is_needed == NULL || is_wanted == NULL) return NULL;
    for (uint32_t i = 0; i < c->p->fetch_count; i++) is_wanted[c->l->fetches[i]] = true;
    for (uint32_t i = 0; i < c->l->update_count; i++) is_wanted[c->l->updates[i].next] = true;
    for (uint32_t i = 0; i < c->l->call_count; i++) {
        const sym_node *n = &c->s->graph->body.nodes[c->l->calls[i].node];
        for (uint32_t k = 0; k < n->input_count; k++) is_wanted[c->l->calls[i].inputs[k]] = true;
    }
    for (uint32_t i = g->node_count; i-- > 0;) {
        const node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->output_count; k++) is_needed[i] |= is_wanted[n->outputs[k]];
        for (uint32_t k = 0; is_needed[i] && k < n->input_count; k++)
            is_wanted[n->inputs[k]] = true;
    }
    return is_needed;
}

static void item_add_call(cut *c, const lowered_call *call)
{
    const sym_node *n = &c->s->graph->body.nodes[call->node];

    c->items[c->item_count++] = (cut_item){.call = call, .part = PORT_NONE, .device = c->host};
    for (uint32_t k = 0; k < n->output_count; k++) c->item_of[call->outputs[k]] = c->item_count;
}

static ebb_status items_make(cut *c)
{
    const graph *g = c->l->graph;
    const bool *is_needed = needed_nodes(c);
    uint32_t call = 0;

    c->items = region_new(c->work, cut_item, (size_t)g->node_count + c->l->call_count + 1);
    c->item_of = region_new(c->work, uint32_t, g->value_count);
    if (is_needed == NULL || c->items == NULL || c->item_of == NULL) return no_memory(c);
    for (uint32_t i = 0; i <= g->node_count; i++) {
        while (call < c->l->call_count && c->l->calls[call].position <= i)
            item_add_call(c, &c->l->calls[call++]);
        if (i == g->node_count || !is_needed[i]) continue;
        c->items[c->item_count++] =
            (cut_item){.node = i, .part = PORT_NONE, .device = c->l->devices[i]};
        for (uint32_t k = 0; k < g->nodes[i].output_count; k++)
            c->item_of[g->nodes[i].outputs[k]] = c->item_count;
    }
    c->call_count = c->l->call_count;
    return EBB_OK;
}

static const value *item_inputs(const cut *c, const cut_item *item, uint32_t *count)
{
    if (item->call != NULL) {
        *count = c->s->graph->body.nodes[item->call->node].input_count;
        return item->call->inputs;
    }
    const node *n = &c->l->graph->nodes[item->node];
    *count = n->input_count;
    return n->inputs;
}

static bool item_is_ready(const cut *c, const cut_item *item)
{
    uint32_t count;
    const value *inputs = item_inputs(c, item, &count);

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t from = c->item_of[inputs[i]];
        if (from != 0 && c->items[from - 1].part == PORT_NONE) return false;
    }
    return true;
}

static void parts_assign(cut *c)
{
    for (uint32_t first = 0; first < c->item_count; first++) {
        cut_item *head = &c->items[first];
        if (head->part != PORT_NONE) continue;
        head->part = c->part_count;
        for (uint32_t i = first + 1; head->call == NULL && i < c->item_count; i++) {
            cut_item *item = &c->items[i];
            if (item->part == PORT_NONE && item->call == NULL && item->device == head->device &&
                item_is_ready(c, item)) {
                item->part = c->part_count;
            }
        }
        c->parts[c->part_count++] = (cut_part){.device = head->device, .call = head->call};
    }
}

/* What one part makes and another reads, or the end. */
static void between_find(cut *c)
{
    for (uint32_t i = 0; i < c->item_count; i++) {
        uint32_t count;
        const value *inputs = item_inputs(c, &c->items[i], &count);
        for (uint32_t k = 0; k < count; k++) {
            const uint32_t from = c->item_of[inputs[k]];
            if (from != 0 && c->items[from - 1].part != c->items[i].part)
                c->is_between[inputs[k]] = true;
        }
    }
    for (uint32_t i = 0; i < c->l->update_count && !c->is_in_place; i++)
        c->is_between[c->l->updates[i].next] = true;
}

/* -- where values are ----------------------------------------------------------------------------
 */

static spot *spot_of(const cut *c, value v, const logical_device *d)
{
    return &c->spots[(size_t)v * c->device_count + d->index];
}

static ebb_status buffer_make(cut *c, value v, logical_device *d, spot *result)
{
    cut_buffer *items = grown(c, c->buffers, c->buffer_count, &c->buffer_capacity, sizeof *items);

    if (items == NULL) return no_memory(c);
    c->buffers = items;
    cut_buffer *b = &items[c->buffer_count];
    *b = (cut_buffer){.device = d, .desc = desc_of_constant(c->l->graph, v)};
    b->bytes = tensor_desc_bytes(&b->desc);
    *result = (spot){SPOT_BUFFER, c->buffer_count++};
    *spot_of(c, v, d) = *result;
    return EBB_OK;
}

/* The device where a value is made, and its place there. */
static ebb_status spot_home(cut *c, value v, logical_device **device, spot *result)
{
    const value_info *info = graph_value(c->l->graph, v);

    *device = c->host;
    if (info->kind == VALUE_WEIGHT) {
        *device = c->variables[info->index]->device;
        *result = (spot){SPOT_VARIABLE, info->index};
        return EBB_OK;
    }
    if (info->kind == VALUE_INPUT && c->item_of[v] == 0) {
        const lowered_input *input = &c->l->inputs[info->index];
        *result = (spot){input->kind == SOURCE_FEED ? SPOT_FEED : SPOT_STREAM, input->index};
        return EBB_OK;
    }
    if (c->item_of[v] != 0 && c->items[c->item_of[v] - 1].call == NULL)
        *device = c->items[c->item_of[v] - 1].device;
    *result = *spot_of(c, v, *device);
    if (result->kind != SPOT_NONE) return EBB_OK;
    const ebb_status status = buffer_make(c, v, *device, result);
    if (status == EBB_OK && info->kind == VALUE_CONSTANT)
        c->buffers[result->index].data = info->data;
    return status;
}

static ebb_status copy_add(cut *c, cut_part *part, const cut_copy *copy)
{
    cut_copy *items = grown(c, part->copies, part->copy_count, &part->copy_capacity, sizeof *items);

    if (items == NULL) return no_memory(c);
    part->copies = items;
    items[part->copy_count++] = *copy;
    return EBB_OK;
}

/* Where a part on device `d` finds the value: copied there before it, if it is not there yet. */
static ebb_status spot_find(cut *c, cut_part *part, value v, spot *result)
{
    logical_device *from;
    ebb_status status = spot_home(c, v, &from, result);

    if (status != EBB_OK || from == part->device || result->kind == SPOT_STREAM) return status;
    const spot home = *result;
    *result = *spot_of(c, v, part->device);
    if (result->kind != SPOT_NONE) return EBB_OK;
    status = buffer_make(c, v, part->device, result);
    if (status != EBB_OK) return status;
    return copy_add(c, part,
                    &(cut_copy){.to = *result,
                                .from = home,
                                .desc = desc_of_constant(c->l->graph, v),
                                .to_device = part->device,
                                .from_device = from});
}

/* -- graphs ------------------------------------------------------------------------------------ */

static bool port_add(cut *c, spot **spots, tensor_desc **descs, uint32_t *count, uint32_t *capacity,
                     spot at, value v)
{
    uint32_t second = *capacity;
    spot *s = grown(c, *spots, *count, capacity, sizeof *s);
    tensor_desc *d = grown(c, *descs, *count, &second, sizeof *d);

    if (s == NULL || d == NULL) return false;
    *spots = s;
    *descs = d;
    s[*count] = at;
    d[(*count)++] = desc_of_constant(c->l->graph, v);
    return true;
}

static void map_set(cut *c, uint32_t part, value v, value to)
{
    c->map[v] = to;
    c->map_part[v] = part + 1;
}

/* A value in the graph of the part; what others make comes in as an input. */
static ebb_status operand(cut *c, uint32_t number, value v, value *result)
{
    cut_part *part = &c->parts[number];
    const value_info *info = graph_value(c->l->graph, v);
    graph *g = part->graph;
    spot at;

    *result = VALUE_NONE;
    if (v == VALUE_NONE) return EBB_OK;
    if (c->map_part[v] == number + 1) {
        *result = c->map[v];
        return EBB_OK;
    }
    if (info->kind == VALUE_CONSTANT) {
        *result = graph_constant_lent(g, info->dtype, &info->shape, info->data);
    } else if (info->kind == VALUE_WEIGHT && c->variables[info->index]->device == part->device) {
        *result = graph_variable(g, info->dtype, &info->shape, info->index);
    } else {
        const ebb_status status = spot_find(c, part, v, &at);
        if (status != EBB_OK) return status;
        if (!port_add(c, &part->inputs, &part->input_descs, &part->input_count,
                      &part->input_capacity, at, v))
            return no_memory(c);
        *result = graph_input(g, info->dtype, &info->shape);
    }
    map_set(c, number, v, *result);
    return EBB_OK;
}

static ebb_status node_add(cut *c, uint32_t number, const node *n)
{
    cut_part *part = &c->parts[number];
    value inputs[OP_INPUTS_MAX];

    for (uint32_t k = 0; k < n->input_count; k++) {
        const ebb_status status = operand(c, number, n->inputs[k], &inputs[k]);
        if (status != EBB_OK) return status;
    }
    part->graph->scope = n->name;
    const value first = graph_node(part->graph, n->op, inputs, n->input_count, n->attributes);
    for (uint32_t k = 0; first != VALUE_NONE && k < n->output_count; k++)
        map_set(c, number, n->outputs[k], first + k);
    return EBB_OK;
}

static ebb_status output_add(cut *c, uint32_t number, value v, spot at)
{
    cut_part *part = &c->parts[number];
    value inner;
    const ebb_status status = operand(c, number, v, &inner);

    if (status != EBB_OK) return status;
    graph_output(part->graph, inner);
    return port_add(c, &part->outputs, &part->output_descs, &part->output_count,
                    &part->output_capacity, at, v)
               ? EBB_OK
               : no_memory(c);
}

static ebb_status result_add(cut *c, spot from, logical_device *device, uint32_t fetch, value v)
{
    cut_copy *items = grown(c, c->results, c->result_count, &c->result_capacity, sizeof *items);

    if (items == NULL) return no_memory(c);
    c->results = items;
    items[c->result_count++] = (cut_copy){.to = {SPOT_FETCH, fetch},
                                          .from = from,
                                          .desc = desc_of_constant(c->l->graph, v),
                                          .to_device = c->host,
                                          .from_device = device};
    return EBB_OK;
}

/* Fetches whose value this part makes go straight to the caller, if nothing can fail any more and
 * both are on one device. Of what nobody makes the part that stands for everything does. */
static ebb_status outputs_of_part(cut *c, uint32_t number, const bool *is_made)
{
    cut_part *part = &c->parts[number];
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < c->p->fetch_count && status == EBB_OK; i++) {
        const value v = c->l->fetches[i];
        const bool is_direct = part->device == c->host && c->call_count == 0;
        if (is_made[v] && is_direct) status = output_add(c, number, v, (spot){SPOT_FETCH, i});
    }
    for (value v = 1; v < c->l->graph->value_count && status == EBB_OK; v++) {
        spot at;
        logical_device *device;
        if (!is_made[v] || !c->is_between[v] || c->item_of[v] == 0) continue;
        status = spot_home(c, v, &device, &at);
        if (status == EBB_OK) status = output_add(c, number, v, at);
    }
    return status;
}

static ebb_status updates_of_part(cut *c, uint32_t number)
{
    cut_part *part = &c->parts[number];
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; c->is_in_place && i < c->l->update_count && status == EBB_OK; i++) {
        const lowered_update *u = &c->l->updates[i];
        const value variable = c->l->variables[u->variable];
        const stored_variable *item = c->variables[u->variable];
        shape s = {.rank = item->rank};
        value inner = VALUE_NONE, next;
        memcpy(s.dims, item->dims, s.rank * sizeof s.dims[0]);
        if (variable == VALUE_NONE)
            inner = graph_variable(part->graph, item->dtype, &s, u->variable);
        else
            status = operand(c, number, variable, &inner);
        if (status == EBB_OK) status = operand(c, number, u->next, &next);
        if (status == EBB_OK) graph_update(part->graph, inner, next);
    }
    return status;
}

static ebb_status graph_of_part(cut *c, uint32_t number)
{
    cut_part *part = &c->parts[number];
    const graph *g = c->l->graph;
    bool *is_made = region_new(c->work, bool, g->value_count);
    ebb_status status = EBB_OK;

    part->graph = graph_open(c->p->home);
    if (part->graph == NULL || is_made == NULL)
        return region_fail(c->p->home, c->error, c->s->name, "a part of a plan");
    for (uint32_t i = 0; i < c->item_count && status == EBB_OK; i++) {
        if (c->items[i].part != number) continue;
        const node *n = &g->nodes[c->items[i].node];
        status = node_add(c, number, n);
        for (uint32_t k = 0; k < n->output_count; k++) is_made[n->outputs[k]] = true;
    }
    for (uint32_t i = 0; c->part_count == 1 && i < c->p->fetch_count; i++)
        is_made[c->l->fetches[i]] = true;
    part->graph->scope = NULL;
    if (status == EBB_OK) status = outputs_of_part(c, number, is_made);
    if (status == EBB_OK) status = updates_of_part(c, number);
    if (status != EBB_OK || graph_ok(part->graph)) return status;
    if (c->error != NULL) *c->error = part->graph->error;
    return part->graph->error.status;
}

static ebb_status call_of_part(cut *c, uint32_t number)
{
    cut_part *part = &c->parts[number];
    const sym_node *n = &c->s->graph->body.nodes[part->call->node];
    ebb_status status = EBB_OK;
    logical_device *device;
    spot at;

    for (uint32_t i = 0; i < n->input_count && status == EBB_OK; i++) {
        status = spot_find(c, part, part->call->inputs[i], &at);
        if (status == EBB_OK && !port_add(c, &part->inputs, &part->input_descs, &part->input_count,
                                          &part->input_capacity, at, part->call->inputs[i]))
            status = no_memory(c);
    }
    for (uint32_t i = 0; i < n->output_count && status == EBB_OK; i++) {
        status = spot_home(c, part->call->outputs[i], &device, &at);
        if (status == EBB_OK &&
            !port_add(c, &part->outputs, &part->output_descs, &part->output_count,
                      &part->output_capacity, at, part->call->outputs[i]))
            status = no_memory(c);
    }
    return status;
}

/* -- the end ----------------------------------------------------------------------------------- */

static bool is_delivered(const cut *c, uint32_t fetch)
{
    for (uint32_t i = 0; i < c->part_count; i++)
        for (uint32_t k = 0; k < c->parts[i].output_count; k++)
            if (c->parts[i].outputs[k].kind == SPOT_FETCH && c->parts[i].outputs[k].index == fetch)
                return true;
    return false;
}

/* One variable may become what another was: that is kept beside before the first is stored. */
static ebb_status old_value_keep(cut *c, value v, logical_device *device, spot *at)
{
    const spot from = *at;
    ebb_status status = EBB_OK;

    *at = *spot_of(c, v, device);
    if (at->kind != SPOT_NONE) return EBB_OK;
    status = buffer_make(c, v, device, at);
    cut_copy *items = status != EBB_OK ? NULL
                                       : grown(c, c->results, c->result_count, &c->result_capacity,
                                               sizeof *items);
    if (items == NULL) return status != EBB_OK ? status : no_memory(c);
    c->results = items;
    items[c->result_count++] = (cut_copy){.to = *at,
                                          .from = from,
                                          .desc = desc_of_constant(c->l->graph, v),
                                          .to_device = device,
                                          .from_device = device};
    return EBB_OK;
}

static ebb_status end_make(cut *c)
{
    ebb_status status = EBB_OK;
    logical_device *device;
    spot at;

    for (uint32_t i = 0; i < c->p->fetch_count && status == EBB_OK; i++) {
        if (is_delivered(c, i)) continue;
        status = spot_home(c, c->l->fetches[i], &device, &at);
        if (status == EBB_OK) status = result_add(c, at, device, i, c->l->fetches[i]);
    }
    for (uint32_t i = 0; !c->is_in_place && i < c->l->update_count && status == EBB_OK; i++) {
        status = spot_home(c, c->l->updates[i].next, &device, &at);
        if (status == EBB_OK && at.kind == SPOT_VARIABLE)
            status = old_value_keep(c, c->l->updates[i].next, device, &at);
        if (status != EBB_OK) break;
        c->stores[c->store_count++] = (cut_store){c->l->updates[i].variable, at, device};
    }
    return status;
}

static ebb_status variables_find(cut *c)
{
    const sym_body *b = &c->s->graph->body;
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < b->variable_count && status == EBB_OK; i++) {
        bool is_used = c->l->is_read[i];
        for (uint32_t k = 0; k < c->l->update_count; k++) is_used |= c->l->updates[k].variable == i;
        if (!is_used) continue;
        logical_device *device = c->host;
        const sym_node *n = &b->nodes[b->variables[i].node];
        if (n->device[0] != '\0') {
            ebb_error error = {0};
            status = devices_find(c->s->owner, n->device, &device, &error);
            if (status == EBB_E_NOT_FOUND && c->s->options.soft_placement) {
                device = c->host;
                status = EBB_OK;
            }
            if (status != EBB_OK && c->error != NULL) *c->error = error;
        }
        if (status == EBB_OK)
            status = session_variable(c->s, i, device, &c->variables[i], c->error);
    }
    return status;
}

/* A single part may compute what variables become where they are. */
static bool can_be_in_place(const cut *c)
{
    if (c->part_count != 1 || c->call_count > 0) return false;
    for (uint32_t i = 0; i < c->l->update_count; i++) {
        const value_info *next = graph_value(c->l->graph, c->l->updates[i].next);
        if (next->kind != VALUE_RESULT || next->is_constant) return false;
        if (c->variables[c->l->updates[i].variable]->device != c->parts[0].device) return false;
    }
    for (uint32_t i = 0; i < c->p->fetch_count && c->parts[0].device != c->host; i++)
        if (graph_value(c->l->graph, c->l->fetches[i])->kind == VALUE_WEIGHT) return false;
    return true;
}

static ebb_status lists_make(cut *c)
{
    const graph *g = c->l->graph;
    const size_t values = g->value_count;

    c->host = devices_at(c->s->owner, 0);
    c->device_count = devices_count(c->s->owner);
    c->variables =
        region_new(c->work, stored_variable *, (size_t)c->s->graph->body.variable_count + 1);
    c->parts = region_new(c->work, cut_part, (size_t)g->node_count + c->l->call_count + 2);
    c->is_between = region_new(c->work, bool, values);
    c->spots = region_new(c->work, spot, values * c->device_count);
    c->map = region_new(c->work, value, values);
    c->map_part = region_new(c->work, uint32_t, values);
    c->stores = region_new(c->work, cut_store, (size_t)c->l->update_count + 1);
    if (c->variables != NULL && c->parts != NULL && c->is_between != NULL && c->spots != NULL &&
        c->map != NULL && c->map_part != NULL && c->stores != NULL) {
        return EBB_OK;
    }
    return no_memory(c);
}

ebb_status cut_make(cut *c)
{
    const bool may_be_in_place = c->is_in_place;
    ebb_status status = lists_make(c);

    if (status == EBB_OK) status = variables_find(c);
    if (status == EBB_OK) status = items_make(c);
    if (status != EBB_OK) return status;
    parts_assign(c);
    c->is_in_place = may_be_in_place && can_be_in_place(c);
    between_find(c);
    for (uint32_t i = 0; i < c->p->fetch_count; i++) {
        const uint32_t from = c->item_of[c->l->fetches[i]];
        if (from == 0) continue;
        const cut_item *item = &c->items[from - 1];
        if (item->call != NULL || item->device != c->host || c->call_count > 0)
            c->is_between[c->l->fetches[i]] = true;
    }
    for (uint32_t i = 0; i < c->part_count && status == EBB_OK; i++)
        status = c->parts[i].call != NULL ? call_of_part(c, i) : graph_of_part(c, i);
    return status == EBB_OK ? end_make(c) : status;
}
