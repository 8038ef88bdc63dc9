/* op_elementwise.c -- cast, unary, binary, compare, select: one result per element.
 * Broadcasting is numpy's: shapes aligned at the last axis, a length of 1 fits every length. */
#include "graph/op/gradient_rule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const unary_names[UNARY_COUNT] = {
#define UNARY_NAME(name) #name,
    UNARY_MAP(UNARY_NAME)
#undef UNARY_NAME
};

static const char *const binary_names[BINARY_COUNT] = {
#define BINARY_NAME(name) #name,
    BINARY_MAP(BINARY_NAME)
#undef BINARY_NAME
};

const char *unary_name(unary_kind kind)
{
    return (uint32_t)kind < UNARY_COUNT ? unary_names[kind] : "?";
}

const char *binary_name(binary_kind kind)
{
    return (uint32_t)kind < BINARY_COUNT ? binary_names[kind] : "?";
}

/* -- cast ------------------------------------------------------------------------------------- */

static bool cast_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const cast_attributes *a = n->attributes;

    if (ebb_dtype_bytes(a->to) == 0)
        return graph_fault(g, EBB_E_DTYPE, "cast: no such data type: %d", (int)a->to);
    dtypes[0] = a->to;
    shapes[0] = *graph_shape(g, n->inputs[0]);
    return true;
}

static void cast_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    (void)g;
    (void)snprintf(text, capacity, "%s",
                   ebb_dtype_name(((const cast_attributes *)n->attributes)->to));
}

const op_def op_def_cast = {.name = "cast",
                            .attribute_bytes = sizeof(cast_attributes),
                            .inputs_min = 1,
                            .inputs_max = 1,
                            .output_count = 1,
                            .infer = cast_infer,
                            .flops = flops_none,
                            .describe = cast_describe,
                            .gradient = gradient_of_cast};

value op_cast(graph *g, value x, ebb_dtype to)
{
    if (graph_ok(g) && x != VALUE_NONE && x < g->value_count && graph_value(g, x)->dtype == to)
        return x;
    return graph_node(g, OP_cast, &x, 1, &(cast_attributes){.to = to});
}

/* -- unary ------------------------------------------------------------------------------------ */

static bool unary_takes_i32(unary_kind kind)
{
    return kind == UNARY_NEG || kind == UNARY_ABS || kind == UNARY_SIGN || kind == UNARY_SQUARE ||
           kind == UNARY_IDENTITY;
}

static bool unary_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const unary_attributes *a = n->attributes;
    const ebb_dtype dtype = graph_value(g, n->inputs[0])->dtype;

    if ((uint32_t)a->kind >= UNARY_COUNT)
        return graph_fault(g, EBB_E_ARGUMENT, "unary: no such function: %d", (int)a->kind);
    const ebb_dtype expected = a->kind == UNARY_LOGICAL_NOT ? EBB_BOOL : EBB_F32;
    if (dtype != expected && !(dtype == EBB_I32 && unary_takes_i32(a->kind)))
        return expect_dtype(g, unary_names[a->kind], "x", n->inputs[0], expected);
    const bool is_test =
        a->kind == UNARY_IS_NAN || a->kind == UNARY_IS_FINITE || a->kind == UNARY_IS_INF;
    dtypes[0] = is_test ? EBB_BOOL : dtype;
    shapes[0] = *graph_shape(g, n->inputs[0]);
    return true;
}

static void unary_text(const unary_attributes *a, char *text, uint32_t capacity)
{
    (void)snprintf(text, capacity, "%s", unary_name(a->kind));
    const size_t used = strnlen(text, capacity);
    if ((a->alpha != 0 || a->beta != 0 || a->gamma != 0) && used < capacity)
        (void)snprintf(text + used, capacity - used, "(%g, %g, %g)", (double)a->alpha,
                       (double)a->beta, (double)a->gamma);
}

static void unary_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    (void)g;
    unary_text(n->attributes, text, capacity);
}

const op_def op_def_unary = {.name = "unary",
                             .attribute_bytes = sizeof(unary_attributes),
                             .inputs_min = 1,
                             .inputs_max = 1,
                             .output_count = 1,
                             .infer = unary_infer,
                             .describe = unary_describe,
                             .gradient = gradient_of_unary};

value op_unary(graph *g, unary_kind kind, value x)
{
    unary_attributes attributes = {.kind = kind};

    if (kind == UNARY_RELU) attributes.gamma = INFINITY;
    if (kind == UNARY_ELU || kind == UNARY_CELU) attributes.alpha = 1.0f;
    if (kind == UNARY_HARD_SIGMOID) {
        attributes.alpha = 1.0f / 6.0f;
        attributes.beta = 0.5f;
    }
    if (kind == UNARY_HARD_SHRINK || kind == UNARY_SOFT_SHRINK) attributes.alpha = 0.5f;
    if (kind == UNARY_SQUAREPLUS) attributes.alpha = 4.0f;
    return op_unary_with(g, attributes, x);
}

value op_unary_with(graph *g, unary_attributes attributes, value x)
{
    return graph_node(g, OP_unary, &x, 1, &attributes);
}

/* -- binary ----------------------------------------------------------------------------------- */

static bool expect_equal_dtypes(graph *g, const char *op, value a, value b)
{
    if (graph_value(g, a)->dtype == graph_value(g, b)->dtype) return true;
    return graph_fault(g, EBB_E_DTYPE, "%s: both sides need one data type, they are %s and %s", op,
                       ebb_dtype_name(graph_value(g, a)->dtype),
                       ebb_dtype_name(graph_value(g, b)->dtype));
}

static bool binary_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const binary_attributes *a = n->attributes;

    if ((uint32_t)a->kind >= BINARY_COUNT)
        return graph_fault(g, EBB_E_ARGUMENT, "binary: no such function: %d", (int)a->kind);
    const char *name = binary_names[a->kind];
    const ebb_dtype dtype = graph_value(g, n->inputs[0])->dtype;
    const bool is_logical = a->kind == BINARY_AND || a->kind == BINARY_OR || a->kind == BINARY_XOR;
    if (!expect_equal_dtypes(g, name, n->inputs[0], n->inputs[1])) return false;
    if (is_logical ? dtype != EBB_BOOL : dtype != EBB_F32 && dtype != EBB_I32)
        return expect_dtype(g, name, "both sides", n->inputs[0], is_logical ? EBB_BOOL : EBB_F32);
    if (a->activation.kind != UNARY_IDENTITY && dtype != EBB_F32)
        return expect_dtype(g, name, "with an activation both sides", n->inputs[0], EBB_F32);
    dtypes[0] = dtype;
    return shape_broadcast(g, graph_shape(g, n->inputs[0]), graph_shape(g, n->inputs[1]),
                           &shapes[0]);
}

static void binary_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const binary_attributes *a = n->attributes;
    char activation[96] = "";

    (void)g;
    if (a->activation.kind != UNARY_IDENTITY)
        unary_text(&a->activation, activation, sizeof activation);
    (void)snprintf(text, capacity, "%s%s%s", binary_name(a->kind),
                   activation[0] != '\0' ? " then " : "", activation);
}

const op_def op_def_binary = {.name = "binary",
                              .attribute_bytes = sizeof(binary_attributes),
                              .inputs_min = 2,
                              .inputs_max = 2,
                              .output_count = 1,
                              .infer = binary_infer,
                              .describe = binary_describe,
                              .gradient = gradient_of_binary};

value op_binary(graph *g, binary_kind kind, value a, value b)
{
    return graph_node(g, OP_binary, (const value[]){a, b}, 2, &(binary_attributes){.kind = kind});
}

value op_add(graph *g, value a, value b)
{
    return op_binary(g, BINARY_ADD, a, b);
}
value op_sub(graph *g, value a, value b)
{
    return op_binary(g, BINARY_SUB, a, b);
}
value op_mul(graph *g, value a, value b)
{
    return op_binary(g, BINARY_MUL, a, b);
}
value op_div(graph *g, value a, value b)
{
    return op_binary(g, BINARY_DIV, a, b);
}

/* -- compare, select -------------------------------------------------------------------------- */

static bool compare_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const compare_attributes *a = n->attributes;

    if ((uint32_t)a->kind > COMPARE_GREATER_EQUAL)
        return graph_fault(g, EBB_E_ARGUMENT, "compare: no such comparison: %d", (int)a->kind);
    if (!expect_equal_dtypes(g, "compare", n->inputs[0], n->inputs[1]) ||
        !expect_compute_dtype(g, "compare", n->inputs[0]))
        return false;
    dtypes[0] = EBB_BOOL;
    return shape_broadcast(g, graph_shape(g, n->inputs[0]), graph_shape(g, n->inputs[1]),
                           &shapes[0]);
}

static void compare_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">="};

    (void)g;
    (void)snprintf(text, capacity, "%s", signs[((const compare_attributes *)n->attributes)->kind]);
}

const op_def op_def_compare = {.name = "compare",
                               .attribute_bytes = sizeof(compare_attributes),
                               .inputs_min = 2,
                               .inputs_max = 2,
                               .output_count = 1,
                               .infer = compare_infer,
                               .describe = compare_describe};

value op_compare(graph *g, compare_kind kind, value a, value b)
{
    return graph_node(g, OP_compare, (const value[]){a, b}, 2, &(compare_attributes){.kind = kind});
}

static bool select_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    shape both;

    if (!expect_dtype(g, "select", "the condition", n->inputs[0], EBB_BOOL) ||
        !expect_equal_dtypes(g, "select", n->inputs[1], n->inputs[2]) ||
        !expect_compute_dtype(g, "select", n->inputs[1]))
        return false;
    dtypes[0] = graph_value(g, n->inputs[1])->dtype;
    return shape_broadcast(g, graph_shape(g, n->inputs[1]), graph_shape(g, n->inputs[2]), &both) &&
           shape_broadcast(g, graph_shape(g, n->inputs[0]), &both, &shapes[0]);
}

const op_def op_def_select = {.name = "select",
                              .inputs_min = 3,
                              .inputs_max = 3,
                              .output_count = 1,
                              .infer = select_infer,
                              .gradient = gradient_of_select};

value op_select(graph *g, value condition, value a, value b)
{
    return graph_node(g, OP_select, (const value[]){condition, a, b}, 3, NULL);
}
