/* graph_verify.c -- checks every invariant of a graph, and prints one.
 *
 * Shapes are derived again by the op's own rule on a copy of the graph's header: expressions are
 * hash-consed, so an unchanged node finds its old lengths and the graph stays as it was.
 */
#include "graph/builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

static ebb_status broken(const graph *g, uint32_t index, ebb_error *error, const char *what)
{
    const node *n = &g->nodes[index];
    const char *op = op_find(n->op) != NULL ? op_find(n->op)->name : "?";

    return fail(error, EBB_E_INTERNAL, n->name != NULL ? n->name : "graph", "node %u (%s): %s",
                index, op, what);
}

/* NULL, or what is wrong with a value used by node `user` (node_count: by the graph's border). */
static const char *check_use(const graph *g, value v, uint32_t user)
{
    if (v == VALUE_NONE || v >= g->value_count) return "uses a value that does not exist";
    const value_info *info = &g->values[v];
    if (info->kind < VALUE_INPUT || info->kind > VALUE_RESULT) return "uses a value of no kind";
    if (info->kind == VALUE_CONSTANT && info->data == NULL) return "uses a constant without data";
    if (info->kind != VALUE_RESULT) return NULL;
    if (info->node >= user) return "uses a value before it is computed";
    if (g->nodes[info->node].is_dead) return "uses a value of a removed node";
    if (info->index >= g->nodes[info->node].output_count ||
        g->nodes[info->node].outputs[info->index] != v)
        return "uses a value its node does not produce";
    return NULL;
}

static ebb_status verify_node(const graph *g, uint32_t index, ebb_error *error)
{
    const node *n = &g->nodes[index];
    const op_def *def = op_find(n->op);
    ebb_dtype dtypes[OP_OUTPUTS_MAX] = {EBB_DTYPE_NONE};
    shape shapes[OP_OUTPUTS_MAX] = {{0}};
    graph probe = *g;

    if (def == NULL) return broken(g, index, error, "no such operation");
    if (n->output_count != def->output_count)
        return broken(g, index, error, "wrong number of outputs");
    for (uint32_t i = 0; i < n->input_count; i++) {
        const char *wrong = n->inputs[i] != VALUE_NONE ? check_use(g, n->inputs[i], index) : NULL;
        if (wrong != NULL) return broken(g, index, error, wrong);
    }
    if (!node_infer(&probe, n, dtypes, shapes)) return broken(g, index, error, probe.error.text);
    const bool is_constant = node_is_constant(g, n, shapes);
    for (uint32_t i = 0; i < n->output_count; i++) {
        if (n->outputs[i] == VALUE_NONE || n->outputs[i] >= g->value_count)
            return broken(g, index, error, "an output is no value");
        const value_info *info = &g->values[n->outputs[i]];
        if (info->kind != VALUE_RESULT || info->node != index || info->index != i)
            return broken(g, index, error, "an output belongs to another node");
        if (info->dtype != dtypes[i])
            return broken(g, index, error, "data type differs from the rule's");
        if (!shape_equal(&info->shape, &shapes[i]))
            return broken(g, index, error, "shape differs from the rule's");
        if (info->is_constant && !is_constant)
            return broken(g, index, error, "is marked constant but depends on a call");
    }
    return EBB_OK;
}

static uint64_t weight_of(value v)
{
    uint64_t weight = v * 0x9E3779B97F4A7C15u;

    weight ^= weight >> 32;
    return weight * 0xD6E8FEB86659FD93u; /* 0 for VALUE_NONE */
}

/* Compares the kept counts of uses with the real ones, all at once: every value has a weight of
 * its own. */
static bool uses_are_right(const graph *g)
{
    uint64_t kept = 0, found = 0;

    for (value v = 1; v < g->value_count; v++) kept += g->values[v].uses * weight_of(v);
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].input_count && !g->nodes[i].is_dead; k++)
            found += weight_of(g->nodes[i].inputs[k]);
    for (uint32_t i = 0; i < g->output_count; i++) found += weight_of(g->outputs[i]);
    return kept == found;
}

ebb_status graph_verify(const graph *g, ebb_error *error)
{
    if (!graph_ok(g)) {
        if (error != NULL) *error = g->error;
        return g->error.status;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i].is_dead) continue;
        const ebb_status status = verify_node(g, i, error);
        if (status != EBB_OK) return status;
    }
    for (uint32_t i = 0; i < g->input_count; i++)
        if (g->inputs[i] >= g->value_count || g->values[g->inputs[i]].kind != VALUE_INPUT ||
            g->values[g->inputs[i]].index != i)
            return fail(error, EBB_E_INTERNAL, "graph", "input %u is not an input value", i);
    for (uint32_t i = 0; i < g->output_count; i++) {
        const char *wrong = check_use(g, g->outputs[i], g->node_count);
        if (wrong != NULL) return fail(error, EBB_E_INTERNAL, "graph", "output %u %s", i, wrong);
    }
    if (!uses_are_right(g))
        return fail(error, EBB_E_INTERNAL, "graph", "the counts of uses are wrong");
    return EBB_OK;
}

/* -- print ------------------------------------------------------------------------------------ */

#define LINE_MAX_CHARACTERS 1024

typedef struct line_writer {
    char text[LINE_MAX_CHARACTERS];
    size_t used;
} line_writer;

static void append(line_writer *w, const char *format, ...) EBB_PRINTF(2, 3);
static void append(line_writer *w, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int length = vsnprintf(w->text + w->used, sizeof w->text - w->used, format, arguments);
    va_end(arguments);
    if (length > 0) w->used += (size_t)length;
    if (w->used >= sizeof w->text) w->used = sizeof w->text - 1;
}

static void append_value(line_writer *w, const graph *g, value v)
{
    static const char *const letters[] = {"?", "input", "weight", "constant", "v"};
    const value_info *info = &g->values[v];

    if (v == VALUE_NONE) {
        append(w, "-");
        return;
    }
    if (info->kind == VALUE_CONSTANT && info->dtype == EBB_F32 && info->shape.rank == 0) {
        float number;
        memcpy(&number, info->data, sizeof number);
        append(w, "%g", (double)number);
        return;
    }
    const uint32_t number =
        info->kind == VALUE_INPUT || info->kind == VALUE_WEIGHT ? info->index : v;
    append(w, "%s%u", letters[info->kind], number);
}

static void append_type(line_writer *w, const graph *g, value v)
{
    char text[SHAPE_TEXT_MAX];

    append(w, "%s %s", ebb_dtype_name(g->values[v].dtype),
           shape_text(g, graph_shape(g, v), text, sizeof text));
}

static void print_node(const graph *g, const node *n, line_writer *w)
{
    const op_def *def = op_find(n->op);
    uint32_t last = n->input_count;
    char text[256] = "";

    append_value(w, g, n->outputs[0]);
    append(w, " = %s(", def->name);
    while (last > 0 && n->inputs[last - 1] == VALUE_NONE) last--;
    for (uint32_t i = 0; i < last; i++) {
        if (i > 0) append(w, ", ");
        append_value(w, g, n->inputs[i]);
    }
    append(w, ")");
    if (def->describe != NULL) def->describe(g, n, text, sizeof text);
    append(w, "%s%s : ", text[0] != '\0' ? " " : "", text);
    for (uint32_t i = 0; i < n->output_count; i++) {
        if (i > 0) append(w, ", ");
        append_type(w, g, n->outputs[i]);
    }
    if (n->name != NULL) append(w, "  # %s", n->name);
}

void graph_print(const graph *g, void (*line)(void *context, const char *text), void *context)
{
    for (uint32_t i = 0; i < g->input_count; i++) {
        line_writer w = {.used = 0};

        append(&w, "input%u : ", i);
        append_type(&w, g, g->inputs[i]);
        line(context, w.text);
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        line_writer w = {.used = 0};

        if (g->nodes[i].is_dead) continue;
        print_node(g, &g->nodes[i], &w);
        line(context, w.text);
    }
    for (uint32_t i = 0; i < g->output_count; i++) {
        line_writer w = {.used = 0};

        append(&w, "output%u = ", i);
        append_value(&w, g, g->outputs[i]);
        append(&w, " : ");
        append_type(&w, g, g->outputs[i]);
        line(context, w.text);
    }
}
