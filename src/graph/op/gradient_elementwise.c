/* gradient_elementwise.c -- gradients of cast, unary, binary, select.
 * Where a derivative does not exist they follow tensorflow/python/ops/math_grad.py: ties of maximum
 * and minimum go to the first operand, floor and round pass nothing. */
#include "graph/op/gradient_rule.h"
#include "tensor/dtype.h"

/* Gradients are F32 whatever the values are, so a cast between floats passes them on. */
GRADIENT_RULE(cast)
{
    (void)n;
    if (gradient_wanted(input_gradients, 0)) input_gradients[0] = output_gradients[0];
    return graph_ok(g);
}

GRADIENT_RULE(unary)
{
    const unary_attributes *a = n->attributes;
    const value dy = output_gradients[0];

    switch (a->kind) {
    case UNARY_IDENTITY: input_gradients[0] = dy; break;
    case UNARY_NEG: input_gradients[0] = op_unary(g, UNARY_NEG, dy); break;
    case UNARY_AFFINE: input_gradients[0] = gradient_scale(g, dy, a->alpha); break;
    case UNARY_FLOOR:
    case UNARY_CEIL:
    case UNARY_ROUND:
    case UNARY_TRUNC: break;
    default:
        input_gradients[0] = op_unary_gradient(
            g, a, op_unary_gradient_by_result(a) ? n->outputs[0] : n->inputs[0], dy);
    }
    return graph_ok(g);
}

/* -- binary ----------------------------------------------------------------------------------- */

typedef struct sides {
    value a, b, y, dy;
} sides;

static value left_of(graph *g, binary_kind kind, const sides *s)
{
    switch (kind) {
    case BINARY_ADD:
    case BINARY_SUB:
    case BINARY_MOD: return s->dy;
    case BINARY_MUL: return op_mul(g, s->dy, s->b);
    case BINARY_DIV: return op_div(g, s->dy, s->b);
    case BINARY_POW: {
        const value less = op_sub(g, s->b, graph_scalar(g, 1.0f));
        return op_mul(g, op_mul(g, s->dy, s->b), op_binary(g, BINARY_POW, s->a, less));
    }
    case BINARY_MAX:
    case BINARY_MIN: {
        const compare_kind kept = kind == BINARY_MAX ? COMPARE_GREATER_EQUAL : COMPARE_LESS_EQUAL;
        return op_select(g, op_compare(g, kept, s->a, s->b), s->dy, graph_scalar(g, 0.0f));
    }
    case BINARY_ATAN2: {
        const value squares =
            op_add(g, op_unary(g, UNARY_SQUARE, s->a), op_unary(g, UNARY_SQUARE, s->b));
        return op_mul(g, s->b, op_div(g, s->dy, squares));
    }
    case BINARY_SQUARED_DIFFERENCE:
        return op_mul(g, gradient_scale(g, s->dy, 2.0f), op_sub(g, s->a, s->b));
    default: return VALUE_NONE; /* FLOOR_DIV */
    }
}

/* x ** y by y: dy * x**y * log(x), 0 where x has no logarithm. */
static value power_by_exponent(graph *g, const sides *s)
{
    const value one = graph_scalar(g, 1.0f);
    const value has_log = op_compare(g, COMPARE_GREATER, s->a, graph_scalar(g, 0.0f));
    const value log = op_unary(g, UNARY_LOG, op_select(g, has_log, s->a, one));

    return op_mul(g, op_mul(g, s->dy, s->y), log);
}

static value right_of(graph *g, binary_kind kind, const sides *s)
{
    switch (kind) {
    case BINARY_ADD: return s->dy;
    case BINARY_SUB: return op_unary(g, UNARY_NEG, s->dy);
    case BINARY_MUL: return op_mul(g, s->dy, s->a);
    case BINARY_DIV: return op_unary(g, UNARY_NEG, op_mul(g, s->dy, op_div(g, s->y, s->b)));
    case BINARY_MOD: {
        const value turns = op_binary(g, BINARY_FLOOR_DIV, s->a, s->b);
        return op_unary(g, UNARY_NEG, op_mul(g, s->dy, turns));
    }
    case BINARY_POW: return power_by_exponent(g, s);
    case BINARY_MAX:
    case BINARY_MIN: {
        const compare_kind kept = kind == BINARY_MAX ? COMPARE_GREATER_EQUAL : COMPARE_LESS_EQUAL;
        return op_select(g, op_compare(g, kept, s->a, s->b), graph_scalar(g, 0.0f), s->dy);
    }
    case BINARY_ATAN2: {
        const value squares =
            op_add(g, op_unary(g, UNARY_SQUARE, s->a), op_unary(g, UNARY_SQUARE, s->b));
        return op_unary(g, UNARY_NEG, op_mul(g, s->a, op_div(g, s->dy, squares)));
    }
    case BINARY_SQUARED_DIFFERENCE:
        return op_mul(g, gradient_scale(g, s->dy, -2.0f), op_sub(g, s->a, s->b));
    default: return VALUE_NONE;
    }
}

GRADIENT_RULE(binary)
{
    const binary_attributes *attributes = n->attributes;
    const sides s = {n->inputs[0], n->inputs[1], n->outputs[0], output_gradients[0]};

    if (attributes->activation.kind != UNARY_IDENTITY)
        return graph_fault(g, EBB_E_UNSUPPORTED,
                           "binary: its activation is fused; take gradients before passes run");
    for (uint32_t side = 0; side < 2; side++) {
        if (!gradient_wanted(input_gradients, side)) continue;
        const value d = (side == 0 ? left_of : right_of)(g, attributes->kind, &s);
        const shape to = *graph_shape(g, n->inputs[side]);
        input_gradients[side] = d == VALUE_NONE ? VALUE_NONE : gradient_sum_to(g, d, &to);
    }
    return graph_ok(g);
}

GRADIENT_RULE(select)
{
    const value zero = graph_scalar(g, 0.0f), condition = n->inputs[0], dy = output_gradients[0];

    for (uint32_t side = 1; side < 3; side++) {
        if (!gradient_wanted(input_gradients, side)) continue;
        const value d =
            side == 1 ? op_select(g, condition, dy, zero) : op_select(g, condition, zero, dy);
        const shape to = *graph_shape(g, n->inputs[side]);
        input_gradients[side] = gradient_sum_to(g, d, &to);
    }
    return graph_ok(g);
}
