/* graph.c -- building a graph: values, nodes, the sticky failure.
 *
 * Arrays start small and double into fresh memory of g->home; what they leave behind stays until
 * the region closes, so pointers into an old array remain readable (but must not be written
 * through). Invariant: a failed call changes nothing that a reader of the graph can see.
 */
#include "graph/builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"

#define ITEMS_FIRST 16 /* of every array; values and nodes double from here */

/* -- failure and memory ----------------------------------------------------------------------- */

static void keep_failure(graph *g, ebb_status status, const char *format, va_list arguments)
{
    char text[sizeof g->error.text];

    if (!graph_ok(g)) return;
    (void)vsnprintf(text, sizeof text, format, arguments);
    (void)fail(&g->error, status, g->scope != NULL ? g->scope : "graph", "%s", text);
}

value graph_fail(graph *g, ebb_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    keep_failure(g, status, format, arguments);
    va_end(arguments);
    return VALUE_NONE;
}

bool graph_fault(graph *g, ebb_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    keep_failure(g, status, format, arguments);
    va_end(arguments);
    return false;
}

void *graph_memory(graph *g, size_t count, size_t size)
{
    if (!graph_ok(g)) return NULL;
    void *memory = region_alloc(g->home, count, size);
    if (memory == NULL)
        (void)region_fail(g->home, &g->error, g->scope != NULL ? g->scope : "graph", "the graph");
    return memory;
}

void *graph_grow(graph *g, void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return items;
    if (*capacity > UINT32_MAX / 2) {
        graph_fault(g, EBB_E_UNSUPPORTED, "the graph is too large");
        return NULL;
    }
    const uint32_t larger = *capacity == 0 ? ITEMS_FIRST : *capacity * 2;
    void *moved = graph_memory(g, larger, size);
    if (moved == NULL) return NULL;
    if (count > 0) memcpy(moved, items, count * size);
    *capacity = larger;
    return moved;
}

graph *graph_open(region *home)
{
    graph *g = region_new(home, graph, 1);
    if (g == NULL) return NULL;

    g->home = home;
    if (!dim_table_open(g)) return NULL;
    g->values = graph_grow(g, NULL, 0, &g->value_capacity, sizeof *g->values);
    if (g->values == NULL) return NULL;
    g->value_count = 1; /* VALUE_NONE */
    return g;
}

/* -- values ----------------------------------------------------------------------------------- */

static value append_value(graph *g, const value_info *info)
{
    value_info *values =
        graph_grow(g, g->values, g->value_count, &g->value_capacity, sizeof *g->values);
    if (values == NULL) return VALUE_NONE;
    g->values = values;
    values[g->value_count] = *info;
    return g->value_count++;
}

static bool check_value(graph *g, ebb_dtype dtype, const shape *s)
{
    if (!graph_ok(g)) return false;
    if (ebb_dtype_bytes(dtype) == 0)
        return graph_fault(g, EBB_E_DTYPE, "no such data type: %d", (int)dtype);
    if (s->rank > EBB_RANK_MAX)
        return graph_fault(g, EBB_E_SHAPE, "rank %u is above the highest, %d", s->rank,
                           EBB_RANK_MAX);
    shape_require(g, s);
    return graph_ok(g);
}

static bool append_border(graph *g, value **list, uint32_t *count, uint32_t *capacity, value v)
{
    value *items = graph_grow(g, *list, *count, capacity, sizeof *items);
    if (items == NULL) return false;
    *list = items;
    items[(*count)++] = v;
    return true;
}

/* A shape with zeroes behind its rank, so that shapes compare as bytes. */
static shape clean_shape(const shape *s)
{
    shape clean = {.rank = s->rank};

    memcpy(clean.dims, s->dims, s->rank * sizeof s->dims[0]);
    return clean;
}

value graph_input(graph *g, ebb_dtype dtype, const shape *s)
{
    if (!check_value(g, dtype, s)) return VALUE_NONE;
    const value_info info = {
        .kind = VALUE_INPUT, .dtype = dtype, .shape = clean_shape(s), .index = g->input_count};
    const value v = append_value(g, &info);
    if (v == VALUE_NONE || !append_border(g, &g->inputs, &g->input_count, &g->input_capacity, v))
        return VALUE_NONE;
    return v;
}

static value weight_value(graph *g, ebb_dtype dtype, const shape *s, uint32_t index,
                          bool is_constant)
{
    if (!check_value(g, dtype, s)) return VALUE_NONE;
    for (uint32_t i = 0; i < s->rank; i++)
        if (!dim_known(s->dims[i]))
            return graph_fail(g, EBB_E_SHAPE, "axis %u of a weight has no fixed length", i);
    const value_info info = {.kind = VALUE_WEIGHT,
                             .dtype = dtype,
                             .shape = clean_shape(s),
                             .index = index,
                             .is_constant = is_constant};
    return append_value(g, &info);
}

value graph_weight(graph *g, ebb_dtype dtype, const shape *s, uint32_t index)
{
    return weight_value(g, dtype, s, index, true);
}

value graph_variable(graph *g, ebb_dtype dtype, const shape *s, uint32_t index)
{
    return weight_value(g, dtype, s, index, false);
}

void graph_weight_pack(graph *g, value weight, const struct packed_layout *layout)
{
    if (!graph_ok(g)) return;
    value_info *info = &g->values[weight];
    if (info->kind != VALUE_WEIGHT || !info->is_constant || info->dtype != EBB_F32)
        graph_fault(g, EBB_E_ARGUMENT, "value %u cannot be packed", weight);
    else
        info->packing = layout;
}

static bool constant_bytes(graph *g, ebb_dtype dtype, const shape *s, size_t *bytes)
{
    *bytes = ebb_dtype_bytes(dtype);
    if (!check_value(g, dtype, s)) return false;
    for (uint32_t i = 0; i < s->rank; i++)
        if (!dim_known(s->dims[i]) || !size_mul(*bytes, (size_t)s->dims[i], bytes))
            return graph_fault(g, EBB_E_SHAPE, "axis %u of a constant has no usable length", i);
    return true;
}

value graph_constant(graph *g, ebb_dtype dtype, const shape *s, const void *data)
{
    size_t bytes = 0;

    if (!constant_bytes(g, dtype, s, &bytes)) return VALUE_NONE;
    void *copy = graph_memory(g, bytes > 0 ? bytes : 1, 1);
    if (copy == NULL) return VALUE_NONE;
    if (bytes > 0) memcpy(copy, data, bytes);
    return graph_constant_lent(g, dtype, s, copy);
}

value graph_constant_lent(graph *g, ebb_dtype dtype, const shape *s, const void *data)
{
    size_t bytes = 0;

    if (!constant_bytes(g, dtype, s, &bytes)) return VALUE_NONE;
    const value_info info = {.kind = VALUE_CONSTANT,
                             .dtype = dtype,
                             .shape = clean_shape(s),
                             .data = data,
                             .is_constant = true};
    return append_value(g, &info);
}

value graph_scalar(graph *g, float number)
{
    return graph_constant(g, EBB_F32, &(shape){.rank = 0}, &number);
}

value graph_scalar_i32(graph *g, int32_t number)
{
    return graph_constant(g, EBB_I32, &(shape){.rank = 0}, &number);
}

/* Is `variable` one, and `next` something it can hold? */
static bool check_update(graph *g, value variable, value next)
{
    const value_info *to = graph_value(g, variable), *from = graph_value(g, next);

    if (to->kind != VALUE_WEIGHT || to->is_constant) {
        return graph_fault(g, EBB_E_ARGUMENT, "value %u is no variable", variable);
    }
    for (uint32_t i = 0; i < g->update_count; i++) {
        if (g->updated[i] != variable) continue;
        return graph_fault(g, EBB_E_ARGUMENT, "variable %u has an update already", to->index);
    }
    if (to->dtype == from->dtype && to->shape.rank == from->shape.rank &&
        memcmp(to->shape.dims, from->shape.dims, to->shape.rank * sizeof(dim)) == 0) {
        return true;
    }
    return graph_fault(g, EBB_E_SHAPE, "the update of variable %u has another shape or type",
                       to->index);
}

void graph_update(graph *g, value variable, value next)
{
    if (!graph_ok(g) || !check_update(g, variable, next)) return;
    if (!append_border(g, &g->updated, &g->update_count, &g->update_capacity, variable)) return;
    if (append_border(g, &g->outputs, &g->output_count, &g->output_capacity, next)) {
        g->values[next].uses++;
    }
}

void graph_output(graph *g, value v)
{
    if (!graph_ok(g)) return;
    if (g->update_count > 0) {
        graph_fault(g, EBB_E_ARGUMENT, "outputs come before updates");
        return;
    }
    if (v == VALUE_NONE || v >= g->value_count) {
        graph_fault(g, EBB_E_ARGUMENT, "output %u is no value of this graph", g->output_count);
        return;
    }
    if (append_border(g, &g->outputs, &g->output_count, &g->output_capacity, v))
        g->values[v].uses++;
}

void graph_outputs_clear(graph *g)
{
    if (!graph_ok(g)) return;
    if (g->update_count > 0) {
        graph_fault(g, EBB_E_ARGUMENT, "updates are outputs and stay");
        return;
    }
    for (uint32_t i = 0; i < g->output_count; i++) g->values[g->outputs[i]].uses--;
    g->output_count = 0;
}

dim graph_dim(const graph *g, value v, int axis)
{
    const shape *s = graph_shape(g, v);
    const int place = axis < 0 ? axis + (int)s->rank : axis;

    return place >= 0 && place < (int)s->rank ? s->dims[place] : 0;
}

/* -- nodes ------------------------------------------------------------------------------------ */

/* Places a node keeps for inputs: all that the op knows, so that optional ones are found by number
 * and can be filled later; ops with any number of inputs keep just what they got. */
static uint32_t input_places(const op_def *def, uint32_t count)
{
    return def->inputs_max == OP_INPUTS_MAX || def->inputs_max < count ? count : def->inputs_max;
}

bool node_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const op_def *def = op_find(n->op);

    if (!graph_ok(g)) return false;
    if (def == NULL) return graph_fault(g, EBB_E_ARGUMENT, "no such operation: %d", (int)n->op);
    if (n->input_count < def->inputs_min || n->input_count > def->inputs_max)
        return graph_fault(g, EBB_E_ARGUMENT, "%s: takes %u to %u inputs, got %u", def->name,
                           def->inputs_min, def->inputs_max, n->input_count);
    for (uint32_t i = 0; i < n->input_count; i++)
        if (n->inputs[i] >= g->value_count ||
            (n->inputs[i] == VALUE_NONE &&
             (i < def->inputs_min || def->inputs_max == OP_INPUTS_MAX)))
            return graph_fault(g, EBB_E_ARGUMENT, "%s: input %u is no value of this graph",
                               def->name, i);
    if (def->attribute_bytes > 0 && n->attributes == NULL)
        return graph_fault(g, EBB_E_ARGUMENT, "%s: attributes are missing", def->name);
    return def->infer(g, n, dtypes, shapes) && graph_ok(g);
}

bool node_is_constant(const graph *g, const node *n, const shape *shapes)
{
    const op_def *def = op_find(n->op);

    if (def->is_random || (def->is_fixed != NULL && !def->is_fixed(n))) return false;
    for (uint32_t i = 0; i < n->input_count; i++)
        if (n->inputs[i] != VALUE_NONE && !g->values[n->inputs[i]].is_constant) return false;
    for (uint32_t i = 0; i < def->output_count; i++)
        for (uint32_t axis = 0; axis < shapes[i].rank; axis++)
            if (!dim_known(shapes[i].dims[axis])) return false;
    return true;
}

static bool node_copy(graph *g, const node *from, node *to)
{
    const op_def *def = op_find(from->op);
    const uint32_t places = input_places(def, from->input_count);

    *to = (node){.op = from->op, .input_count = places, .output_count = def->output_count};
    to->inputs = graph_memory(g, places + def->output_count, sizeof(value));
    if (to->inputs == NULL) return false;
    to->outputs = to->inputs + places;
    if (from->input_count > 0) memcpy(to->inputs, from->inputs, from->input_count * sizeof(value));
    if (def->attribute_bytes > 0) {
        void *attributes = graph_memory(g, 1, def->attribute_bytes);
        if (attributes == NULL) return false;
        memcpy(attributes, from->attributes, def->attribute_bytes);
        to->attributes = attributes;
    }
    if (g->scope != NULL) {
        const bool is_same = g->node_count > 0 && g->nodes[g->node_count - 1].name != NULL &&
                             strcmp(g->nodes[g->node_count - 1].name, g->scope) == 0;
        const size_t bytes = strlen(g->scope) + 1;
        char *copy = is_same ? NULL : graph_memory(g, bytes, 1);
        if (!is_same && copy == NULL) return false;
        to->name = is_same ? g->nodes[g->node_count - 1].name : memcpy(copy, g->scope, bytes);
    }
    return true;
}

value graph_node(graph *g, op_id op, const value *inputs, uint32_t input_count,
                 const void *attributes)
{
    value places[OP_INPUTS_MAX] = {VALUE_NONE};
    ebb_dtype dtypes[OP_OUTPUTS_MAX] = {EBB_DTYPE_NONE};
    shape shapes[OP_OUTPUTS_MAX] = {{0}};
    node copy;

    if (!graph_ok(g)) return VALUE_NONE;
    if (input_count > OP_INPUTS_MAX)
        return graph_fail(g, EBB_E_ARGUMENT, "%u inputs are more than %d", input_count,
                          OP_INPUTS_MAX);
    if (input_count > 0) memcpy(places, inputs, input_count * sizeof(value));
    const node given = {
        .op = op, .inputs = places, .input_count = input_count, .attributes = attributes};
    if (!node_infer(g, &given, dtypes, shapes) || !node_copy(g, &given, &copy)) return VALUE_NONE;
    for (uint32_t i = 0; i < copy.output_count; i++) shape_require(g, &shapes[i]);

    node *nodes = graph_grow(g, g->nodes, g->node_count, &g->node_capacity, sizeof *nodes);
    if (nodes == NULL || !graph_ok(g)) return VALUE_NONE;
    g->nodes = nodes;
    const bool is_constant = node_is_constant(g, &copy, shapes);
    for (uint32_t i = 0; i < copy.output_count; i++) {
        const value_info info = {.kind = VALUE_RESULT,
                                 .dtype = dtypes[i],
                                 .shape = clean_shape(&shapes[i]),
                                 .node = g->node_count,
                                 .index = i,
                                 .is_constant = is_constant};
        copy.outputs[i] = append_value(g, &info);
        if (copy.outputs[i] == VALUE_NONE) return VALUE_NONE;
    }
    nodes[g->node_count++] = copy;
    for (uint32_t k = 0; k < copy.input_count; k++)
        if (copy.inputs[k] != VALUE_NONE) g->values[copy.inputs[k]].uses++;
    return copy.outputs[0];
}

/* -- uses ------------------------------------------------------------------------------------- */

/* Uses of `from` by one node become uses of `to`. Returns how many there were. */
static uint32_t replace_in_node(node *n, value from, value to)
{
    uint32_t found = 0;

    for (uint32_t k = 0; k < n->input_count && !n->is_dead; k++) {
        if (n->inputs[k] != from) continue;
        n->inputs[k] = to;
        found++;
    }
    return found;
}

void graph_replace(graph *g, value from, value to)
{
    const uint32_t uses = g->values[from].uses;
    const uint32_t producer = g->values[from].kind == VALUE_RESULT ? g->values[from].node : 0;
    uint32_t found = 0;

    if (from == to) return;
    for (uint32_t i = 0; i < g->output_count; i++) {
        if (g->outputs[i] != from) continue;
        g->outputs[i] = to;
        found++;
    }
    /* Users mostly follow soon; before a pass puts its new nodes in order they may also precede. */
    for (uint32_t i = producer; i < g->node_count && found < uses; i++)
        found += replace_in_node(&g->nodes[i], from, to);
    for (uint32_t i = producer; i-- > 0 && found < uses;)
        found += replace_in_node(&g->nodes[i], from, to);
    g->values[from].uses -= found;
    g->values[to].uses += found;
}

uint32_t graph_uses(const graph *g, value v)
{
    return g->values[v].uses;
}

void graph_remove(graph *g, uint32_t index)
{
    node *n = &g->nodes[index];

    if (n->is_dead) return;
    n->is_dead = true;
    for (uint32_t k = 0; k < n->input_count; k++)
        if (n->inputs[k] != VALUE_NONE) g->values[n->inputs[k]].uses--;
}

void graph_count_uses(graph *g)
{
    for (value v = 0; v < g->value_count; v++) g->values[v].uses = 0;
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].input_count && !g->nodes[i].is_dead; k++)
            g->values[g->nodes[i].inputs[k]].uses++;
    for (uint32_t i = 0; i < g->output_count; i++) g->values[g->outputs[i]].uses++;
    g->values[VALUE_NONE].uses = 0;
}
