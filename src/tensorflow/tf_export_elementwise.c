/* tf_export_elementwise.c -- unary functions, binary ones, comparisons, choices, casts.
 *
 * Source of the formulas: UNARY_MAP of graph/op.h, as device/cpu/unary_math.c computes them. */
#include "tensorflow/tf_export_internal.h"

#include <math.h>

/* -- short words for F32 arithmetic ------------------------------------------------------------ */

static tensor_ref number(emitter *e, float x)
{
    return export_f32(e, x);
}
static tensor_ref one(emitter *e, operation_id op, tensor_ref x)
{
    return export_1(e, op, TF_FLOAT, x);
}
static tensor_ref two(emitter *e, operation_id op, tensor_ref a, tensor_ref b)
{
    return export_2(e, op, TF_FLOAT, a, b);
}
static tensor_ref choose(emitter *e, tensor_ref condition, tensor_ref a, tensor_ref b)
{
    return export_3(e, TF_SelectV2, TF_FLOAT, condition, a, b);
}
static tensor_ref scaled(emitter *e, tensor_ref x, float by)
{
    return by == 1.0f ? x : two(e, TF_Mul, x, number(e, by));
}
static tensor_ref shifted(emitter *e, tensor_ref x, float by)
{
    return by == 0.0f ? x : two(e, TF_AddV2, x, number(e, by));
}
static tensor_ref clipped(emitter *e, tensor_ref x, float low, float high)
{
    return two(e, TF_Minimum, two(e, TF_Maximum, x, number(e, low)), number(e, high));
}

/* -- unary ------------------------------------------------------------------------------------- */

typedef tensor_ref (*unary_maker)(emitter *e, const unary_attributes *a, tensor_ref x);

static tensor_ref make_trunc(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    return choose(e, two(e, TF_Less, x, number(e, 0)), one(e, TF_Ceil, x), one(e, TF_Floor, x));
}

static tensor_ref make_relu(emitter *e, const unary_attributes *a, tensor_ref x)
{
    attributes leaky = {.count = 0};
    const bool is_open = isinf(a->gamma);

    if (a->alpha == 0 && a->beta == 0 && is_open) return one(e, TF_Relu, x);
    if (a->alpha == 0 && a->beta == 0 && a->gamma == 6.0f) return one(e, TF_Relu6, x);
    if (a->beta == 0 && is_open) {
        attributes_type(&leaky, "T", TF_FLOAT);
        attributes_float(&leaky, "alpha", a->alpha);
        return export_node(e, TF_LeakyRelu, &x, 1, &leaky);
    }
    const tensor_ref below = scaled(e, shifted(e, x, -a->beta), a->alpha);
    const tensor_ref above = choose(e, two(e, TF_Greater, x, number(e, a->beta)), x, below);
    if (is_open) return above;
    return choose(e, two(e, TF_GreaterEqual, x, number(e, a->gamma)), number(e, a->gamma), above);
}

/* x > 0 ? x : alpha * (exp(x / width) - 1) */
static tensor_ref elu_of(emitter *e, tensor_ref x, float alpha, float width)
{
    const tensor_ref inner = width == 1.0f ? x : two(e, TF_RealDiv, x, number(e, width));

    return choose(e, two(e, TF_Greater, x, number(e, 0)), x,
                  scaled(e, one(e, TF_Expm1, inner), alpha));
}

static tensor_ref make_elu(emitter *e, const unary_attributes *a, tensor_ref x)
{
    return a->alpha == 1.0f ? one(e, TF_Elu, x) : elu_of(e, x, a->alpha, 1.0f);
}

static tensor_ref make_celu(emitter *e, const unary_attributes *a, tensor_ref x)
{
    return elu_of(e, x, a->alpha, a->alpha);
}

static tensor_ref make_gelu(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    const tensor_ref tail = one(e, TF_Erfc, scaled(e, x, -0.7071067811865476f));
    return two(e, TF_Mul, scaled(e, x, 0.5f), tail);
}

static tensor_ref make_gelu_tanh(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    const tensor_ref cube = two(e, TF_Mul, two(e, TF_Mul, x, x), x);
    const tensor_ref inner = two(e, TF_AddV2, x, scaled(e, cube, 0.044715f));
    const tensor_ref curve = one(e, TF_Tanh, scaled(e, inner, 0.7978845608028654f));
    return two(e, TF_Mul, scaled(e, x, 0.5f), shifted(e, curve, 1.0f));
}

static tensor_ref make_silu(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    return two(e, TF_Mul, x, one(e, TF_Sigmoid, x));
}

static tensor_ref make_log_sigmoid(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    return one(e, TF_Neg, one(e, TF_Softplus, one(e, TF_Neg, x)));
}

static tensor_ref make_hard_sigmoid(emitter *e, const unary_attributes *a, tensor_ref x)
{
    return clipped(e, shifted(e, scaled(e, x, a->alpha), a->beta), 0, 1);
}

static tensor_ref make_hard_silu(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    const tensor_ref sixth = two(e, TF_RealDiv, x, number(e, 6));
    return two(e, TF_Mul, x, clipped(e, shifted(e, sixth, 0.5f), 0, 1));
}

static tensor_ref make_hard_tanh(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    return clipped(e, x, -1, 1);
}

static tensor_ref make_tanh_shrink(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    return two(e, TF_Sub, x, one(e, TF_Tanh, x));
}

static tensor_ref make_hard_shrink(emitter *e, const unary_attributes *a, tensor_ref x)
{
    return choose(e, two(e, TF_Greater, one(e, TF_Abs, x), number(e, a->alpha)), x, number(e, 0));
}

static tensor_ref make_soft_shrink(emitter *e, const unary_attributes *a, tensor_ref x)
{
    const tensor_ref below =
        choose(e, two(e, TF_Less, x, number(e, -a->alpha)), shifted(e, x, a->alpha), number(e, 0));

    return choose(e, two(e, TF_Greater, x, number(e, a->alpha)), shifted(e, x, -a->alpha), below);
}

static tensor_ref make_mish(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    return two(e, TF_Mul, x, one(e, TF_Tanh, one(e, TF_Softplus, x)));
}

static tensor_ref make_squareplus(emitter *e, const unary_attributes *a, tensor_ref x)
{
    const tensor_ref root = one(e, TF_Sqrt, shifted(e, one(e, TF_Square, x), a->alpha));

    return scaled(e, two(e, TF_AddV2, x, root), 0.5f);
}

/* low at x <= -1, middle, high at x >= 1 */
static tensor_ref in_pieces(emitter *e, tensor_ref x, tensor_ref middle, tensor_ref high)
{
    const tensor_ref upper = choose(e, two(e, TF_Less, x, number(e, 1)), middle, high);

    return choose(e, two(e, TF_LessEqual, x, number(e, -1)), number(e, 0), upper);
}

static tensor_ref make_sparse_plus(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    const tensor_ref square = one(e, TF_Square, shifted(e, x, 1));
    return in_pieces(e, x, scaled(e, square, 0.25f), x);
}

static tensor_ref make_sparse_sigmoid(emitter *e, const unary_attributes *a, tensor_ref x)
{
    (void)a;
    return in_pieces(e, x, scaled(e, shifted(e, x, 1), 0.5f), number(e, 1));
}

static tensor_ref make_threshold(emitter *e, const unary_attributes *a, tensor_ref x)
{
    return choose(e, two(e, TF_Greater, x, number(e, a->alpha)), x, number(e, a->beta));
}

static tensor_ref make_clip(emitter *e, const unary_attributes *a, tensor_ref x)
{
    return clipped(e, x, a->alpha, a->beta);
}

static tensor_ref make_affine(emitter *e, const unary_attributes *a, tensor_ref x)
{
    return shifted(e, scaled(e, x, a->alpha), a->beta);
}

static tensor_ref make_power(emitter *e, const unary_attributes *a, tensor_ref x)
{
    return two(e, TF_Pow, x, number(e, a->alpha));
}

/* Either an operation of TensorFlow that is the same function, or a composition. */
typedef struct unary_entry {
    operation_id op;
    unary_maker make;
} unary_entry;

static const unary_entry unaries[UNARY_COUNT] = {
    [UNARY_NEG] = {.op = TF_Neg},
    [UNARY_ABS] = {.op = TF_Abs},
    [UNARY_SIGN] = {.op = TF_Sign},
    [UNARY_SQUARE] = {.op = TF_Square},
    [UNARY_SQRT] = {.op = TF_Sqrt},
    [UNARY_RSQRT] = {.op = TF_Rsqrt},
    [UNARY_RECIPROCAL] = {.op = TF_Reciprocal},
    [UNARY_EXP] = {.op = TF_Exp},
    [UNARY_EXPM1] = {.op = TF_Expm1},
    [UNARY_LOG] = {.op = TF_Log},
    [UNARY_LOG1P] = {.op = TF_Log1p},
    [UNARY_SIN] = {.op = TF_Sin},
    [UNARY_COS] = {.op = TF_Cos},
    [UNARY_TAN] = {.op = TF_Tan},
    [UNARY_ASIN] = {.op = TF_Asin},
    [UNARY_ACOS] = {.op = TF_Acos},
    [UNARY_ATAN] = {.op = TF_Atan},
    [UNARY_SINH] = {.op = TF_Sinh},
    [UNARY_COSH] = {.op = TF_Cosh},
    [UNARY_TANH] = {.op = TF_Tanh},
    [UNARY_ASINH] = {.op = TF_Asinh},
    [UNARY_ACOSH] = {.op = TF_Acosh},
    [UNARY_ATANH] = {.op = TF_Atanh},
    [UNARY_ERF] = {.op = TF_Erf},
    [UNARY_FLOOR] = {.op = TF_Floor},
    [UNARY_CEIL] = {.op = TF_Ceil},
    [UNARY_ROUND] = {.op = TF_Rint},
    [UNARY_TRUNC] = {.make = make_trunc},
    [UNARY_RELU] = {.make = make_relu},
    [UNARY_ELU] = {.make = make_elu},
    [UNARY_SELU] = {.op = TF_Selu},
    [UNARY_CELU] = {.make = make_celu},
    [UNARY_GELU] = {.make = make_gelu},
    [UNARY_GELU_TANH] = {.make = make_gelu_tanh},
    [UNARY_SILU] = {.make = make_silu},
    [UNARY_SIGMOID] = {.op = TF_Sigmoid},
    [UNARY_LOG_SIGMOID] = {.make = make_log_sigmoid},
    [UNARY_SOFTPLUS] = {.op = TF_Softplus},
    [UNARY_SOFTSIGN] = {.op = TF_Softsign},
    [UNARY_HARD_SIGMOID] = {.make = make_hard_sigmoid},
    [UNARY_HARD_SILU] = {.make = make_hard_silu},
    [UNARY_HARD_TANH] = {.make = make_hard_tanh},
    [UNARY_TANH_SHRINK] = {.make = make_tanh_shrink},
    [UNARY_HARD_SHRINK] = {.make = make_hard_shrink},
    [UNARY_SOFT_SHRINK] = {.make = make_soft_shrink},
    [UNARY_MISH] = {.make = make_mish},
    [UNARY_SQUAREPLUS] = {.make = make_squareplus},
    [UNARY_SPARSE_PLUS] = {.make = make_sparse_plus},
    [UNARY_SPARSE_SIGMOID] = {.make = make_sparse_sigmoid},
    [UNARY_THRESHOLD] = {.make = make_threshold},
    [UNARY_CLIP] = {.make = make_clip},
    [UNARY_AFFINE] = {.make = make_affine},
    [UNARY_POWER] = {.make = make_power},
    [UNARY_LOGICAL_NOT] = {.op = TF_LogicalNot},
    [UNARY_IS_NAN] = {.op = TF_IsNan},
    [UNARY_IS_FINITE] = {.op = TF_IsFinite},
    [UNARY_IS_INF] = {.op = TF_IsInf},
};

tensor_ref export_activation(emitter *e, const unary_attributes *a, tf_type type, tensor_ref x)
{
    const unary_entry *entry = &unaries[a->kind];

    if (a->kind == UNARY_IDENTITY) return x;
    return entry->make != NULL ? entry->make(e, a, x) : export_1(e, entry->op, type, x);
}

void export_op_unary(emitter *e, const node *n)
{
    const tf_type type = export_type(e, n->inputs[0]);

    export_set(e, n, 0, export_activation(e, n->attributes, type, export_input(e, n, 0)));
}

/* -- binary ------------------------------------------------------------------------------------ */

void export_op_binary(emitter *e, const node *n)
{
    static const operation_id operations[BINARY_COUNT] = {[BINARY_ADD] = TF_AddV2,
                                                          [BINARY_SUB] = TF_Sub,
                                                          [BINARY_MUL] = TF_Mul,
                                                          [BINARY_DIV] = TF_RealDiv,
                                                          [BINARY_FLOOR_DIV] = TF_FloorDiv,
                                                          [BINARY_MOD] = TF_FloorMod,
                                                          [BINARY_MAX] = TF_Maximum,
                                                          [BINARY_MIN] = TF_Minimum,
                                                          [BINARY_POW] = TF_Pow,
                                                          [BINARY_ATAN2] = TF_Atan2,
                                                          [BINARY_AND] = TF_LogicalAnd,
                                                          [BINARY_OR] = TF_LogicalOr,
                                                          [BINARY_XOR] = TF_NotEqual,
                                                          [BINARY_SQUARED_DIFFERENCE] =
                                                              TF_SquaredDifference};
    const binary_attributes *a = n->attributes;
    const tf_type type = export_type(e, n->inputs[0]);
    operation_id op = operations[a->kind];

    if (op == TF_RealDiv && type == TF_INT32) op = TF_Div;
    const tensor_ref y = export_2(e, op, type, export_input(e, n, 0), export_input(e, n, 1));
    export_set(e, n, 0, export_activation(e, &a->activation, type, y));
}

/* TensorFlow orders no truths. */
void export_op_compare(emitter *e, const node *n)
{
    static const operation_id operations[] = {
        [COMPARE_EQUAL] = TF_Equal,     [COMPARE_NOT_EQUAL] = TF_NotEqual,
        [COMPARE_LESS] = TF_Less,       [COMPARE_LESS_EQUAL] = TF_LessEqual,
        [COMPARE_GREATER] = TF_Greater, [COMPARE_GREATER_EQUAL] = TF_GreaterEqual};
    const compare_attributes *c = n->attributes;
    tf_type type = export_type(e, n->inputs[0]);
    tensor_ref a = export_input(e, n, 0), b = export_input(e, n, 1);

    if (type == TF_BOOL && c->kind > COMPARE_NOT_EQUAL) {
        a = export_cast(e, a, TF_BOOL, TF_INT32);
        b = export_cast(e, b, TF_BOOL, TF_INT32);
        type = TF_INT32;
    }
    export_set(e, n, 0, export_2(e, operations[c->kind], type, a, b));
}

void export_op_select(emitter *e, const node *n)
{
    export_set(e, n, 0,
               export_3(e, TF_SelectV2, export_type(e, n->inputs[1]), export_input(e, n, 0),
                        export_input(e, n, 1), export_input(e, n, 2)));
}

void export_op_cast(emitter *e, const node *n)
{
    const cast_attributes *a = n->attributes;

    export_set(
        e, n, 0,
        export_cast(e, export_input(e, n, 0), export_type(e, n->inputs[0]), tf_type_of(a->to)));
}

void export_op_stop(emitter *e, const node *n)
{
    export_set(e, n, 0,
               export_1(e, TF_StopGradient, export_type(e, n->inputs[0]), export_input(e, n, 0)));
}
