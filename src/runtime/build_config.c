/* build_config.c -- the nodes that lead to the outputs, as the configuration Keras 3 would save.
 *
 * The order of layers is Keras's, because files keep weights by it ("layers/dense_1" is the second
 * Dense in that order): by depth, the deepest first, and within one depth as a walk from the
 * outputs meets them. Calls of a layer that lead nowhere are left out and the others numbered anew.
 * Source: keras/src/ops/function.py (map_graph), keras/src/models/functional.py (get_config). */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/config_edit.h"
#include "format/keras/config_writer.h"
#include "format/order.h"
#include "runtime/model_builder.h"

#define NONE UINT32_MAX

typedef struct node_mark {
    bool is_entered, is_done;
    uint32_t depth, number; /* number: of the call in the layer */
} node_mark;

typedef struct layer_mark {
    bool is_used;
    uint32_t depth, call_count;
    int64_t met;    /* when the walk met it; -1: an input that leads nowhere */
    uint32_t place; /* in the model */
} layer_mark;

typedef struct walk_step {
    uint32_t node, next; /* the parent to look at next */
} walk_step;

typedef struct drawing {
    builder *b;
    region *work;
    node_mark *nodes;
    layer_mark *layers;
    uint32_t *finished; /* nodes, from inputs to outputs */
    uint32_t finished_count, met;
    walk_step *stack;
    model_config model;
    uint32_t *order; /* layers of the builder by place in the model */
    ebb_error *error;
} drawing;

static const char *model_name(const drawing *d, bool is_sequential)
{
    return d->b->name != NULL ? d->b->name : is_sequential ? "sequential" : "functional";
}

static ebb_status no_memory(const drawing *d)
{
    return region_fail(d->work, d->error, model_name(d, false), "the configuration");
}

static ebb_status drawing_open(drawing *d)
{
    const size_t nodes = (size_t)d->b->node_count + 1, layers = (size_t)d->b->layer_count + 1;

    d->nodes = region_new(d->work, node_mark, nodes);
    d->layers = region_new(d->work, layer_mark, layers);
    d->finished = region_new(d->work, uint32_t, nodes);
    d->stack = region_new(d->work, walk_step, nodes);
    d->order = region_new(d->work, uint32_t, layers);
    d->model.layers = region_new(d->work, layer_config, layers);
    if (d->nodes == NULL || d->layers == NULL || d->finished == NULL || d->stack == NULL ||
        d->order == NULL || d->model.layers == NULL) {
        return no_memory(d);
    }
    return EBB_OK;
}

/* -- order ------------------------------------------------------------------------------------- */

static void node_enter(drawing *d, uint32_t node, uint32_t *height)
{
    layer_mark *layer = &d->layers[d->b->nodes[node].layer];

    d->nodes[node].is_entered = true;
    if (!layer->is_used) layer->met = d->met++;
    layer->is_used = true;
    d->stack[(*height)++] = (walk_step){node, 0};
}

/* Depth first, with a stack of its own. Nodes are made after what they need, so there is no cycle.
 */
static void walk(drawing *d, uint32_t node)
{
    uint32_t height = 0;

    if (d->nodes[node].is_entered) return;
    node_enter(d, node, &height);
    while (height > 0) {
        walk_step *top = &d->stack[height - 1];
        const builder_node *n = &d->b->nodes[top->node];
        if (top->next < n->parent_count) {
            const uint32_t parent = n->parents[top->next++];
            if (!d->nodes[parent].is_entered) node_enter(d, parent, &height);
            continue;
        }
        d->nodes[top->node].is_done = true;
        d->finished[d->finished_count++] = top->node;
        height--;
    }
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void depths_find(drawing *d)
{
    for (uint32_t i = d->finished_count; i > 0; i--) {
        const uint32_t node = d->finished[i - 1];
        const builder_node *n = &d->b->nodes[node];
        layer_mark *layer = &d->layers[n->layer];
        const uint32_t depth = larger(d->nodes[node].depth, layer->depth);
        layer->depth = d->nodes[node].depth = depth;
        for (uint32_t k = 0; k < n->parent_count; k++) {
            node_mark *parent = &d->nodes[n->parents[k]];
            parent->depth = larger(parent->depth, depth + 1);
        }
    }
}

static bool is_input(const drawing *d, uint32_t layer)
{
    return strcmp(d->b->layers[layer].config.class_name, "InputLayer") == 0;
}

typedef struct placed_layer {
    int64_t depth, met;
    uint32_t layer;
} placed_layer;

static int placed_compare(const void *a, const void *b)
{
    const placed_layer *x = a, *y = b;

    if (x->depth != y->depth) return x->depth > y->depth ? -1 : 1;
    if (x->met != y->met) return x->met < y->met ? -1 : 1;
    return x->layer < y->layer ? -1 : x->layer > y->layer;
}

/* Inputs that lead nowhere stay, at the depth of the outputs and before them. */
static ebb_status layers_place(drawing *d)
{
    placed_layer *placed = region_new(d->work, placed_layer, (size_t)d->b->layer_count + 1);
    uint32_t count = 0;

    if (placed == NULL) return no_memory(d);
    for (uint32_t i = 0; i < d->b->node_count; i++) {
        layer_mark *layer = &d->layers[d->b->nodes[i].layer];
        if (d->nodes[i].is_done) d->nodes[i].number = layer->call_count++;
        if (layer->is_used || !is_input(d, d->b->nodes[i].layer)) continue;
        layer->is_used = d->nodes[i].is_done = true;
        layer->met = -1;
    }
    for (uint32_t i = 0; i < d->b->layer_count; i++) {
        if (!d->layers[i].is_used) continue;
        placed[count++] = (placed_layer){d->layers[i].depth, d->layers[i].met, i};
    }
    order_sort(placed, count, sizeof *placed, placed_compare);
    for (uint32_t i = 0; i < count; i++) {
        d->order[i] = placed[i].layer;
        d->layers[placed[i].layer].place = i;
    }
    d->model.layer_count = count;
    return EBB_OK;
}

/* -- the tree ---------------------------------------------------------------------------------- */

static tensor_ref ref_settle(const drawing *d, tensor_ref ref)
{
    const builder_node *n = &d->b->nodes[ref.layer];
    const uint32_t number = is_input(d, n->layer) ? 0 : d->nodes[ref.layer].number;

    return (tensor_ref){d->layers[n->layer].place, number, ref.tensor};
}

/* Recursion: as in parents_list(). False: no memory. */
static bool argument_settle(const drawing *d, const argument *from, argument *to)
{
    *to = *from;
    if (from->kind == ARGUMENT_TENSOR) to->ref = ref_settle(d, from->ref);
    if (from->kind != ARGUMENT_LIST) return true;
    to->items = region_new(d->work, argument, (size_t)from->item_count + 1);
    for (uint32_t i = 0; to->items != NULL && i < from->item_count; i++) {
        if (!argument_settle(d, &from->items[i], &to->items[i])) return false;
    }
    return to->items != NULL;
}

static ebb_status calls_settle(drawing *d)
{
    for (uint32_t i = 0; i < d->model.layer_count; i++) {
        layer_config *to = &d->model.layers[i];
        *to = d->b->layers[d->order[i]].config;
        to->calls = region_new(d->work, call_config, (size_t)d->layers[d->order[i]].call_count + 1);
        if (to->calls == NULL) return no_memory(d);
    }
    for (uint32_t i = 0; i < d->b->node_count; i++) {
        const builder_node *n = &d->b->nodes[i];
        if (!d->nodes[i].is_done || is_input(d, n->layer)) continue;
        layer_config *to = &d->model.layers[d->layers[n->layer].place];
        call_config *call = &to->calls[to->call_count++];
        call->argument_count = n->call.argument_count;
        call->arguments = region_new(d->work, argument, (size_t)n->call.argument_count + 1);
        if (call->arguments == NULL) return no_memory(d);
        for (uint32_t k = 0; k < n->call.argument_count; k++) {
            if (!argument_settle(d, &n->call.arguments[k], &call->arguments[k]))
                return no_memory(d);
        }
    }
    return EBB_OK;
}

static port_config port_make(const drawing *d, tensor_ref ref)
{
    const tensor_ref settled = ref_settle(d, ref);

    return (port_config){settled, d->model.layers[settled.layer].name};
}

static ebb_status ports_make(drawing *d, const ebb_tensor *outputs, size_t count)
{
    model_config *m = &d->model;

    m->inputs = region_new(d->work, port_config, (size_t)d->b->node_count + 1);
    m->outputs = region_new(d->work, port_config, count);
    if (m->inputs == NULL || m->outputs == NULL) return no_memory(d);
    for (uint32_t i = 0; i < d->b->node_count; i++) {
        if (!is_input(d, d->b->nodes[i].layer)) continue;
        m->inputs[m->input_count++] = port_make(d, (tensor_ref){i, 0, 0});
    }
    for (size_t i = 0; i < count; i++) {
        tensor_ref ref = {0};
        (void)builder_tensor_read(d->b, outputs[i], &ref);
        m->outputs[m->output_count++] = port_make(d, ref);
    }
    return EBB_OK;
}

/* The structure that the writer follows: a triple, or a list of them. */
static json ports_json(const drawing *d, uint32_t count)
{
    json *items = json_items_new(d->work, 3), *list = json_items_new(d->work, count);

    if (items == NULL || list == NULL) return json_of_null();
    items[0] = json_of_text("");
    items[1] = items[2] = json_of_integer(0);
    for (uint32_t i = 0; i < count; i++) list[i] = json_of_array(items, 3);
    return count == 1 ? list[0] : json_of_array(list, count);
}

static ebb_status source_make(drawing *d)
{
    json *source = region_new(d->work, json, 1), config = {0};
    const json inputs = ports_json(d, d->model.input_count),
               outputs = ports_json(d, d->model.output_count);
    config_edit e;

    edit_begin(&e, d->work, NULL);
    edit_set(&e, "input_layers", inputs);
    edit_set(&e, "output_layers", outputs);
    bool good = edit_finish(&e, &config) && json_is_null(&inputs) == json_is_null(&outputs) &&
                !json_is_null(&inputs);
    edit_begin(&e, d->work, NULL);
    edit_set(&e, "config", config);
    good = source != NULL && edit_finish(&e, source) && good;
    d->model.source = source;
    return good ? EBB_OK : no_memory(d);
}

/* -- Sequential -------------------------------------------------------------------------------- */

static ebb_status chain_check(const drawing *d)
{
    const model_config *m = &d->model;
    bool is_chain = m->input_count == 1 && m->output_count == 1;

    for (uint32_t i = 1; i < m->layer_count && is_chain; i++) {
        const layer_config *l = &m->layers[i];
        const argument *a = l->call_count == 1 && l->calls[0].argument_count == 1
                                ? &l->calls[0].arguments[0]
                                : NULL;
        is_chain = a != NULL && a->kind == ARGUMENT_TENSOR && a->ref.layer == i - 1 &&
                   a->ref.tensor == 0 && !l->is_operation;
    }
    if (is_chain && m->outputs[0].ref.layer == m->layer_count - 1) return EBB_OK;
    return fail(d->error, EBB_E_ARGUMENT, model_name(d, true),
                "a Sequential is one input and one chain of layers; this model is none: leave the "
                "option `sequential` out");
}

/* -- text -------------------------------------------------------------------------------------- */

static ebb_status text_make(drawing *d, recipe *result)
{
    text_writer text;
    config_writer c = {.home = d->work,
                       .grammar = GRAMMAR_KERAS_3,
                       .text = &text,
                       .keras_major = 3,
                       .is_upgraded = true,
                       .where = d->model.name,
                       .error = d->error};

    text_begin(&text, d->work);
    config_model_begin(&c, &d->model);
    text_put(&text, "}");
    if (c.status != EBB_OK) return c.status;
    if (text.failed) return no_memory(d);
    result->text = text.text;
    result->length = text.length;
    return EBB_OK;
}

static ebb_status origins_make(drawing *d, recipe *result)
{
    result->origins = region_new(d->work, recipe_origin, (size_t)d->model.layer_count + 1);
    if (result->origins == NULL) return no_memory(d);
    for (uint32_t i = 0; i < d->model.layer_count; i++) {
        const builder_layer *layer = &d->b->layers[d->order[i]];
        if (layer->source == 0) continue;
        result->origins[result->origin_count++] =
            (recipe_origin){.layer = layer->config.name,
                            .from_id = layer->source,
                            .from_layer = layer->source_layer};
    }
    return EBB_OK;
}

/* Takes the builder's fault, or finds one in the outputs. */
static ebb_status outputs_walk(drawing *d, const ebb_tensor *outputs, size_t count)
{
    builder *b = d->b;

    if (builder_good(b) && (count == 0 || outputs == NULL || count > PORTS_MAX)) {
        builder_fail(b, EBB_E_ARGUMENT, model_name(d, false), "expected 1 to %u outputs, got %zu",
                     PORTS_MAX, outputs == NULL ? 0 : count);
    }
    for (size_t i = 0; builder_good(b) && i < count; i++) {
        tensor_ref ref;
        if (builder_tensor_read(b, outputs[i], &ref)) walk(d, ref.layer);
    }
    if (!builder_good(b) && d->error != NULL) *d->error = b->error;
    return b->error.status;
}

ebb_status builder_recipe_make(builder *b, region *work, const ebb_tensor *outputs, size_t count,
                               bool is_sequential, recipe *result, ebb_error *error)
{
    drawing d = {.b = b, .work = work, .error = error};

    d.model.name = result->name = model_name(&d, is_sequential);
    d.model.class_name = is_sequential ? "Sequential" : "Functional";
    ebb_status status = drawing_open(&d);
    if (status == EBB_OK) status = outputs_walk(&d, outputs, count);
    if (status != EBB_OK) return status;
    depths_find(&d);
    status = layers_place(&d);
    if (status == EBB_OK) status = calls_settle(&d);
    if (status == EBB_OK) status = ports_make(&d, outputs, count);
    if (status == EBB_OK) status = source_make(&d);
    if (status == EBB_OK && is_sequential) status = chain_check(&d);
    if (status == EBB_OK) status = text_make(&d, result);
    if (status == EBB_OK) status = origins_make(&d, result);
    return status;
}
