/* symbolic_add.c -- adding a node: a name, its shadow, its place in the lists. All or nothing.
 *
 * The shadow tells what is wrong with a node before anybody runs it. What a refused node left in
 * the shadow's graph is cut off again. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "runtime/session/model_call.h"
#include "runtime/session/symbolic.h"
#include "tensor/view.h"

/* -- the shadow -------------------------------------------------------------------------------- */

typedef struct shadow {
    emitter m;
    symbolic *s;
    const sym_spec *spec;
} shadow;

static const tf_tensor *shadow_tensor(emitter *m, uint32_t tensor)
{
    return &m->s->body.tensors[tensor].shadow;
}

static value shadow_variable(emitter *m, uint32_t index, bool is_now)
{
    shadow *w = (shadow *)m;
    sym_variable *v = &w->s->body.variables[index];
    shape s = {.rank = v->rank};

    (void)is_now;
    if (v->shadow != VALUE_NONE) return v->shadow;
    memcpy(s.dims, v->dims, v->rank * sizeof s.dims[0]);
    v->shadow = graph_variable(m->build->graph, emit_dtype(v->dtype), &s, index);
    return v->shadow;
}

static bool shadow_assign(emitter *m, uint32_t index, value next)
{
    (void)m;
    (void)index;
    (void)next;
    return true;
}

static bool shadow_placeholder(emitter *m, const sym_node *n, tf_tensor *output)
{
    const shadow *w = (const shadow *)m;
    graph *g = m->build->graph;
    shape s = {.rank = w->spec->rank};
    char name[SYM_NAME_BYTES + 16];

    for (uint32_t i = 0; i < s.rank; i++) {
        (void)snprintf(name, sizeof name, "%s axis %u", n->name, i);
        s.dims[i] = w->spec->dims[i] < 0 ? dim_symbol(g, name) : w->spec->dims[i];
    }
    const value v = graph_input(g, emit_dtype(w->spec->dtype), &s);
    *output = tf_tensor_of(m->build, v, tf_type_of(w->spec->dtype));
    return graph_ok(g);
}

static bool shadow_model(emitter *m, const sym_node *n, tf_tensor *outputs)
{
    return model_call_shadow(m, n, outputs);
}

/* How long the lists of the shadow's graph were. */
typedef struct shadow_length {
    uint32_t values, nodes, inputs;
} shadow_length;

static shadow_length shadow_begin(const graph *g)
{
    return (shadow_length){g->value_count, g->node_count, g->input_count};
}

/* The graph's failure becomes the fault, and what was made since is cut off. */
static void shadow_undo(symbolic *s, shadow_length length)
{
    graph *g = s->body.build.graph;

    if (s->error.status == EBB_OK) s->error = g->error;
    g->error = (ebb_error){0};
    g->value_count = length.values;
    g->node_count = length.nodes;
    g->input_count = length.inputs;
}

/* -- what is known of a tensor -------------------------------------------------------------------
 */

static void describe(const graph *g, sym_tensor *t)
{
    const tf_tensor *shadow = &t->shadow;

    if (shadow->has_lengths) {
        t->rank = shadow->rank;
        for (uint32_t i = 0; i < t->rank; i++) t->dims[i] = shadow->dims[i];
        return;
    }
    if (shadow->v == VALUE_NONE) return;
    const shape *s = graph_shape(g, shadow->v);
    t->rank = s->rank;
    for (uint32_t i = 0; i < s->rank; i++) t->dims[i] = dim_known(s->dims[i]) ? s->dims[i] : -1;
}

static bool can_keep(symbolic *s, const char *name, const tf_tensor *outputs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const bool has_type = tf_type_dtype(outputs[i].type) != EBB_DTYPE_NONE;
        const bool is_nothing = outputs[i].type == TF_NONE && outputs[i].v == VALUE_NONE;
        if ((has_type || is_nothing) && outputs[i].list == NULL) continue;
        symbolic_fail(s, EBB_E_UNSUPPORTED, name,
                      "output %u is of a type (%s) that graphs do not have", i,
                      tf_type_name(outputs[i].type));
        return false;
    }
    return true;
}

/* -- adding ------------------------------------------------------------------------------------ */

static const char *where_of(const sym_spec *spec)
{
    return spec->name != NULL ? spec->name : spec->op;
}

static bool may_add(symbolic *s, const sym_spec *spec)
{
    if (s->body.is_finalized) {
        symbolic_fail(s, EBB_E_STATE, where_of(spec),
                      "the graph is finalized: nothing can be added to it");
        return false;
    }
    if (s->body.node_count < s->nodes_max) return true;
    symbolic_fail(s, EBB_E_UNSUPPORTED, where_of(spec),
                  "the graph has %u operations, which is its limit (nodes_max)", s->nodes_max);
    return false;
}

static void *copied(symbolic *s, const void *items, size_t count, size_t bytes, bool *good)
{
    if (count == 0 || !*good) return NULL;
    void *copy = region_alloc(s->body.home, count, bytes);
    if (copy != NULL) return memcpy(copy, items, count * bytes);
    symbolic_no_memory(s, s->name);
    *good = false;
    return NULL;
}

/* Those given, and those of every open scope. */
static const uint32_t *controls_of(symbolic *s, const sym_spec *spec, uint32_t *count, bool *good)
{
    const sym_body *b = &s->body;
    uint32_t total = spec->control_count;

    for (uint32_t i = 0; i < b->control_depth; i++) total += b->controls[i].count;
    *count = total;
    if (total == 0 || !*good) return NULL;
    uint32_t *nodes = region_new(b->home, uint32_t, total);
    if (nodes == NULL) {
        *good = symbolic_no_memory(s, where_of(spec)) != SYM_NONE;
        return NULL;
    }
    if (spec->control_count > 0) memcpy(nodes, spec->controls, spec->control_count * sizeof *nodes);
    total = spec->control_count;
    for (uint32_t i = 0; i < b->control_depth; i++) {
        if (b->controls[i].count == 0) continue;
        memcpy(nodes + total, b->controls[i].nodes, b->controls[i].count * sizeof *nodes);
        total += b->controls[i].count;
    }
    return nodes;
}

static bool node_make(symbolic *s, const sym_spec *spec, sym_node *n)
{
    const sym_body *b = &s->body;
    const char *scope = b->device_depth > 0 ? b->devices[b->device_depth - 1] : "";
    bool good = true;

    *n = (sym_node){.kind = spec->kind,
                    .device = spec->device != NULL ? spec->device : scope,
                    .input_count = spec->input_count,
                    .output_count = spec->output_count,
                    .attributes = spec->attributes,
                    .attribute_count = spec->attribute_count,
                    .random_first = b->build.random_count,
                    .variable = spec->variable,
                    .y_count = spec->y_count,
                    .model = spec->model,
                    .constant = spec->constant};
    n->name = symbolic_name(s, where_of(spec));
    if (n->name == NULL) return false;
    n->op = region_text(s->body.home, spec->op);
    n->inputs = copied(s, spec->inputs, spec->input_count, sizeof *spec->inputs, &good);
    n->controls = controls_of(s, spec, &n->control_count, &good);
    if (spec->model_name != NULL) n->model_name = region_text(s->body.home, spec->model_name);
    if (n->op == NULL || (spec->model_name != NULL && n->model_name == NULL))
        return symbolic_no_memory(s, n->name) != SYM_NONE;
    return good;
}

/* Room in the lists for a node and its outputs. */
static bool make_room(symbolic *s, uint32_t outputs)
{
    sym_body *b = &s->body;
    void *nodes = b->nodes;

    if (!symbolic_grow(s, &nodes, b->node_count, &b->node_capacity, sizeof *b->nodes)) return false;
    b->nodes = nodes;
    while (b->tensor_count + outputs > b->tensor_capacity) {
        void *tensors = region_alloc(b->home, b->tensor_capacity == 0 ? 64 : b->tensor_capacity * 2,
                                     sizeof *b->tensors);
        if (tensors == NULL) return symbolic_no_memory(s, s->name) != SYM_NONE;
        if (b->tensor_count > 0) memcpy(tensors, b->tensors, b->tensor_count * sizeof *b->tensors);
        b->tensors = tensors;
        b->tensor_capacity = b->tensor_capacity == 0 ? 64 : b->tensor_capacity * 2;
    }
    return true;
}

static uint32_t keep(symbolic *s, sym_node *n, const tf_tensor *outputs, uint32_t count)
{
    sym_body *b = &s->body;

    if (!can_keep(s, n->name, outputs, count) || !make_room(s, count)) return SYM_NONE;
    n->output_first = b->tensor_count;
    n->output_count = count;
    for (uint32_t i = 0; i < count; i++) {
        sym_tensor *t = &b->tensors[b->tensor_count++];
        *t = (sym_tensor){.node = b->node_count, .index = i, .shadow = outputs[i]};
        describe(b->build.graph, t);
    }
    b->nodes[b->node_count] = *n;
    symbolic_name_keep(s, n->name, b->node_count);
    return b->node_count++;
}

uint32_t symbolic_add(symbolic *s, const sym_spec *spec)
{
    graph *g = s->body.build.graph;
    tf_tensor outputs[TF_OUTPUTS_MAX] = {{0}}, *places = outputs;
    shadow w = {.m = {.build = &s->body.build,
                      .s = s,
                      .tensor = shadow_tensor,
                      .variable = shadow_variable,
                      .assign = shadow_assign,
                      .placeholder = shadow_placeholder,
                      .model = shadow_model,
                      .is_apart = true},
                .s = s,
                .spec = spec};
    sym_node n;
    uint32_t count = 0, result = SYM_NONE;

    if (!may_add(s, spec) || !node_make(s, spec, &n)) return SYM_NONE;
    if (spec->output_count > TF_OUTPUTS_MAX) {
        places = region_new(s->body.home, tf_tensor, spec->output_count);
        if (places == NULL) return symbolic_no_memory(s, n.name);
    }
    const shadow_length length = shadow_begin(g);
    const uint32_t random_count = s->body.build.random_count;
    const bool good = emit_node(&w.m, &n, places, &count);
    if (good) result = keep(s, &n, places, count);
    if (result != SYM_NONE) return result;
    shadow_undo(s, length);
    s->body.build.random_count = random_count;
    return SYM_NONE;
}

ebb_tensor symbolic_add_tensor(symbolic *s, const sym_spec *spec)
{
    const uint32_t node = symbolic_add(s, spec);

    if (node == SYM_NONE) return (ebb_tensor){0};
    if (s->body.nodes[node].output_count == 0) return (ebb_tensor){0};
    return symbolic_handle(s, s->body.nodes[node].output_first);
}
