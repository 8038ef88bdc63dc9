/* pass_test.c -- every pass on small graphs: what must go goes, what must stay stays, and the
 * verifier agrees. */
#include "harness.h"

#include <string.h>

#include "graph/pass.h"

typedef struct fixture {
    graph *g;
    dim batch;
    uint32_t weights;
} fixture;

static fixture open_graph(region *home)
{
    fixture f = {.g = graph_open(home)};

    if (f.g != NULL) f.batch = dim_symbol(f.g, "batch");
    return f;
}

#define SHAPE(...)                                                                                 \
    (shape)                                                                                        \
    {                                                                                              \
        .rank = (uint32_t)(sizeof((dim[]){__VA_ARGS__}) / sizeof(dim)), .dims = { __VA_ARGS__ }    \
    }
#define INPUT(...)  graph_input(f->g, EBB_F32, &SHAPE(__VA_ARGS__))
#define WEIGHT(...) weight(f, &SHAPE(__VA_ARGS__))

static value weight(fixture *f, const shape *s)
{
    return graph_weight(f->g, EBB_F32, s, f->weights++);
}

static uint32_t count_op(const graph *g, op_id op)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < g->node_count; i++)
        count += !g->nodes[i].is_dead && g->nodes[i].op == op;
    return count;
}

/* Live nodes that every call computes. */
static uint32_t count_work(const graph *g)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < g->node_count; i++)
        count += !g->nodes[i].is_dead && !graph_value(g, g->nodes[i].outputs[0])->is_constant;
    return count;
}

/* The n-th live node of an op. */
static const node *find(const graph *g, op_id op, uint32_t n)
{
    for (uint32_t i = 0; i < g->node_count; i++)
        if (!g->nodes[i].is_dead && g->nodes[i].op == op && n-- == 0) return &g->nodes[i];
    return NULL;
}

static void run_all(test *t, graph *g, bool inference_only)
{
    CHECK_OK(passes_run(g, inference_only, &t->error));
    CHECK_OK(graph_verify(g, &t->error));
}

/* The only output must be this value once all passes ran. */
static void check_becomes(test *t, fixture *f, value output, value expected)
{
    graph_output(f->g, output);
    run_all(t, f->g, true);
    CHECK_EQ(f->g->outputs[0], expected);
    CHECK_EQ(count_work(f->g), 0);
}

static const unary_attributes *output_unary(const graph *g)
{
    const node *n = &g->nodes[graph_value(g, g->outputs[0])->node];

    CHECK_EQ(n->op, OP_unary);
    return n->attributes;
}

/* -- simplify --------------------------------------------------------------------------------- */

static value identity_case(fixture *f, uint32_t number, value x)
{
    graph *g = f->g;
    const shape same = *graph_shape(g, x), wide = SHAPE(f->batch, 12);

    switch (number) {
    case 0: return op_add(g, x, graph_scalar(g, 0));
    case 1: return op_mul(g, graph_scalar(g, 1), x);
    case 2: return op_div(g, x, graph_scalar(g, 1));
    case 3: return op_sub(g, x, graph_scalar(g, 0));
    case 4: return op_unary(g, UNARY_IDENTITY, x);
    case 5: return op_unary_with(g, (unary_attributes){.kind = UNARY_AFFINE, .alpha = 1}, x);
    case 6: return op_unary(g, UNARY_NEG, op_unary(g, UNARY_NEG, x));
    case 7: return op_reshape(g, op_reshape(g, x, &wide), &same);
    case 8: return op_transpose(g, x, (const uint32_t[]){0, 1, 2});
    case 9:
        return op_transpose(g, op_transpose(g, x, (const uint32_t[]){2, 0, 1}),
                            (const uint32_t[]){1, 2, 0});
    case 10: return op_slice_axis(g, x, 1, 0, 3, 1);
    case 11: return op_pad(g, x, &(pad_attributes){.kind = PAD_REFLECT});
    case 12: return op_concat(g, &x, 1, 0);
    case 13: return op_broadcast(g, x, &same);
    case 14: return graph_node(g, OP_cast, &x, 1, &(cast_attributes){.to = EBB_F32});
    case 15: return op_mul(g, op_mul(g, x, graph_scalar(g, 4)), graph_scalar(g, 0.25f));
    case 16: return op_binary(g, BINARY_POW, x, graph_scalar(g, 1));
    default: return VALUE_NONE;
    }
}

TEST(identities_disappear)
{
    for (uint32_t i = 0; i <= 16; i++) {
        fixture fixture_i = open_graph(t->home), *f = &fixture_i;
        const value x = INPUT(f->batch, 3, 4), y = identity_case(f, i, x);

        CHECK(y != VALUE_NONE);
        check_becomes(t, f, y, x);
    }
}

TEST(what_computes_something_stays)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 1, 4), integers = graph_input(f->g, EBB_I32, &SHAPE(2));
    const value column = graph_constant(f->g, EBB_F32, &SHAPE(3, 1), (const float[]){0, 0, 0});

    graph_output(f->g, op_add(f->g, x, column)); /* adds zero, but broadcasts */
    graph_output(f->g, op_cast(f->g, op_cast(f->g, x, EBB_F16), EBB_F32));
    graph_output(f->g, op_reverse(f->g, x, 2));
    graph_output(f->g, op_div(f->g, x, graph_scalar(f->g, 3)));
    graph_output(f->g, op_binary(f->g, BINARY_MOD, x, graph_scalar(f->g, 1)));
    graph_output(f->g, op_add(f->g, integers, graph_scalar_i32(f->g, 1)));
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g), 7);
    CHECK_EQ(count_op(f->g, OP_binary), 4);
}

TEST(scalar_arithmetic_becomes_affine)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3);
    value y = op_mul(f->g, x, graph_scalar(f->g, 2)); /* 10 - (2x + 3) / 4 */

    y = op_div(f->g, op_add(f->g, y, graph_scalar(f->g, 3)), graph_scalar(f->g, 4));
    graph_output(f->g, op_sub(f->g, graph_scalar(f->g, 10), y));
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g), 1);
    CHECK_EQ(output_unary(f->g)->kind, UNARY_AFFINE);
    CHECK_NEAR(output_unary(f->g)->alpha, -0.5, 0);
    CHECK_NEAR(output_unary(f->g)->beta, 9.25, 0);
}

TEST(gates_are_recognised)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3);
    value gate = op_add(f->g, x, graph_scalar(f->g, 3)); /* x * relu6(x + 3) / 6 */

    gate = op_unary_with(f->g, (unary_attributes){.kind = UNARY_RELU, .gamma = 6}, gate);
    graph_output(f->g, op_mul(f->g, x, op_mul(f->g, gate, graph_scalar(f->g, 1.0f / 6.0f))));
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g), 1);
    CHECK_EQ(output_unary(f->g)->kind, UNARY_HARD_SILU);

    fixture fixture_2 = open_graph(t->home);
    f = &fixture_2;
    const value z = INPUT(f->batch, 3);
    graph_output(f->g, op_mul(f->g, op_unary(f->g, UNARY_SIGMOID, z), z));
    run_all(t, f->g, true);
    CHECK_EQ(output_unary(f->g)->kind, UNARY_SILU);
}

TEST(moves_of_single_axes_become_reshapes)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 8, 1, 1);

    graph_output(f->g, op_transpose(f->g, x, (const uint32_t[]){0, 2, 3, 1}));
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_transpose), 0);
    CHECK_EQ(count_op(f->g, OP_reshape), 1);
}

TEST(needless_broadcasts_go)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3), row = INPUT(1, 3);

    graph_output(f->g, op_add(f->g, x, op_broadcast(f->g, row, &SHAPE(f->batch, 3))));
    graph_output(f->g, op_add(f->g, row, op_broadcast(f->g, row, &SHAPE(f->batch, 3))));
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_broadcast), 1); /* the second one makes the result wide */
}

TEST(transposes_join_matmul)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const uint32_t swap[] = {0, 2, 1};
    const value a = INPUT(f->batch, 3, 4), b = INPUT(f->batch, 5, 4);

    graph_output(f->g, op_matmul(f->g, a, op_transpose(f->g, b, swap), false, false));
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g), 1);
    CHECK(((const matmul_attributes *)find(f->g, OP_matmul, 0)->attributes)->transpose_b);
}

static conv_attributes conv_2d(int64_t stride, bool same)
{
    return (conv_attributes){
        .spatial = 2, .strides = {stride, stride}, .dilations = {1, 1}, .same = same, .groups = 1};
}

TEST(zero_padding_joins_the_convolution)
{
    const conv_attributes valid = conv_2d(2, false), same = conv_2d(2, true);
    const pad_attributes zeros = {.before = {0, 1, 2}, .after = {0, 3, 4}},
                         ones = {.before = {0, 1}, .number = 1};
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, dim_symbol(f->g, "height"), 9, 3), kernel = WEIGHT(3, 3, 3, 8);

    graph_output(f->g, op_conv(f->g, op_pad(f->g, x, &zeros), kernel, &valid));
    graph_output(f->g, op_conv(f->g, op_pad(f->g, x, &zeros), kernel, &same));
    graph_output(f->g, op_conv(f->g, op_pad(f->g, x, &ones), kernel, &valid));
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_pad), 2);
    const conv_attributes *a = f->g->nodes[graph_value(f->g, f->g->outputs[0])->node].attributes;
    CHECK_EQ(a->pad_before[0], 1);
    CHECK_EQ(a->pad_after[0], 3);
    CHECK_EQ(a->pad_before[1], 2);
    CHECK_EQ(a->pad_after[1], 4);
}

/* -- common, dead ----------------------------------------------------------------------------- */

TEST(equal_expressions_are_computed_once)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3);
    value y[2];

    for (uint32_t i = 0; i < 2; i++) {
        const value shift = graph_constant(f->g, EBB_F32, &SHAPE(3), (const float[]){1, 2, 3});
        y[i] = op_unary(f->g, UNARY_EXP, op_add(f->g, x, shift));
    }
    graph_output(f->g, op_mul(f->g, y[0], y[1]));
    graph_output(f->g, op_random(f->g, &(random_attributes){.to = SHAPE(3)}));
    graph_output(f->g, op_random(f->g, &(random_attributes){.to = SHAPE(3)}));
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_random), 2);
    CHECK_EQ(count_work(f->g), 4); /* add with exp, mul, twice random */
}

TEST(different_attributes_are_not_common)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3),
                zero = graph_constant(f->g, EBB_F32, &SHAPE(2), (const float[]){0, 0});
    const value also = graph_constant(f->g, EBB_I32, &SHAPE(2), (const int32_t[]){0, 0});

    graph_output(f->g, op_softmax(f->g, x, 1, false));
    graph_output(f->g, op_softmax(f->g, x, 1, true));
    graph_output(f->g, zero);
    graph_output(f->g, also);
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_softmax), 2);
    CHECK(f->g->outputs[2] != f->g->outputs[3]);
}

TEST(unused_nodes_die)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3), y = op_unary(f->g, UNARY_EXP, x);

    (void)op_add(f->g, op_unary(f->g, UNARY_LOG, y), x);
    graph_output(f->g, y);
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g), 1);
    CHECK_EQ(f->g->input_count, 1);
}

/* -- batch norm, epilogues -------------------------------------------------------------------- */

/* x * s + t with s = gamma * rsqrt(variance + epsilon), t = beta - mean * s, as layers lower it. */
static value batch_norm(fixture *f, value x, int axis)
{
    graph *g = f->g;
    const dim channels = graph_dim(g, x, axis);
    shape to = {.rank = graph_rank(g, x)};
    const value gamma = WEIGHT(channels), beta = WEIGHT(channels), mean = WEIGHT(channels);
    value scale = op_unary(g, UNARY_RSQRT, op_add(g, WEIGHT(channels), graph_scalar(g, 1e-3f)));

    scale = op_mul(g, gamma, scale);
    value shift = op_sub(g, beta, op_mul(g, mean, scale));
    if (axis >= 0) { /* not the last one */
        for (uint32_t i = 0; i < to.rank; i++) to.dims[i] = (int)i == axis ? channels : 1;
        scale = op_reshape(g, scale, &to);
        shift = op_reshape(g, shift, &to);
    }
    return op_add(g, op_mul(g, x, scale), shift);
}

static value conv(fixture *f, value x, int64_t size, int64_t filters, int64_t stride)
{
    const conv_attributes a = conv_2d(stride, true);
    const value kernel = WEIGHT(size, size, graph_dim(f->g, x, -1), filters);

    return op_conv(f->g, x, kernel, &a);
}

/* conv - bn - relu - conv - bn - add - relu, with a projection on the other side. */
static value residual_block(fixture *f, value x, int64_t filters)
{
    graph *g = f->g;
    value y = op_unary(g, UNARY_RELU, batch_norm(f, conv(f, x, 3, filters, 2), -1));

    y = batch_norm(f, conv(f, y, 3, filters, 1), -1);
    const value shortcut = batch_norm(f, conv(f, x, 1, filters, 2), -1);
    return op_unary(g, UNARY_RELU, op_add(g, y, shortcut));
}

/* Large kernels (512 filters) take their scale for inference only, small ones (8) always. */
TEST(a_residual_block_becomes_three_convolutions)
{
    for (uint32_t round = 0; round < 4; round++) {
        const bool is_inference = round % 2 == 1, is_large = round >= 2;
        const int64_t filters = is_large ? 512 : 8;
        fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
        const value x = INPUT(f->batch, dim_symbol(f->g, "height"), 17, filters);

        graph_output(f->g, residual_block(f, x, filters));
        run_all(t, f->g, is_inference);
        CHECK_EQ(count_work(f->g), 3);
        CHECK_EQ(count_op(f->g, OP_conv), 3);
        uint32_t residuals = 0, activations = 0;
        for (uint32_t i = 0; i < 3; i++) {
            const node *n = find(f->g, OP_conv, i);
            CHECK(n->inputs[2] != VALUE_NONE);
            CHECK_EQ(n->inputs[4] != VALUE_NONE, is_large && !is_inference);
            CHECK_EQ(graph_value(f->g, n->inputs[1])->kind,
                     is_large && !is_inference ? VALUE_WEIGHT : VALUE_RESULT);
            residuals += n->inputs[3] != VALUE_NONE;
            activations +=
                ((const conv_attributes *)n->attributes)->epilogue.activation.kind == UNARY_RELU;
        }
        CHECK_EQ(residuals, 1);
        CHECK_EQ(activations, 2);
    }
}

TEST(an_identity_shortcut_is_the_residual)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 9, 9, 8);

    graph_output(f->g, op_unary(f->g, UNARY_RELU, op_add(f->g, x, conv(f, x, 3, 8, 1))));
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g), 1);
    CHECK_EQ(find(f->g, OP_conv, 0)->inputs[3], x);
}

TEST(a_residual_computed_later_is_put_in_order)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 9, 9, 8), y = conv(f, x, 3, 8, 1);
    const value late = op_pool(
        f->g, x,
        &(pool_attributes){.spatial = 2, .window = {2, 2}, .strides = {1, 1}, .same = true});

    graph_output(f->g, op_add(f->g, y, late));
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g), 2);
    CHECK(graph_value(f->g, f->g->outputs[0])->node > graph_value(f->g, late)->node);
}

TEST(other_uses_prevent_fusion)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 9, 9, 8), y = conv(f, x, 3, 8, 1);

    graph_output(f->g, y);
    graph_output(f->g, op_unary(f->g, UNARY_RELU, batch_norm(f, y, -1)));
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_conv), 1);
    CHECK_EQ(count_work(f->g), 3); /* conv; mul; add with relu */
    CHECK_EQ(find(f->g, OP_conv, 0)->inputs[2], VALUE_NONE);
}

TEST(nodes_between_prevent_fusion)
{
    const pad_attributes pad = {.before = {0, 1, 1}};
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 9, 9, 8);

    graph_output(f->g, batch_norm(f, op_pad(f->g, conv(f, x, 3, 8, 1), &pad), -1));
    graph_output(f->g, batch_norm(f, op_unary(f->g, UNARY_RELU, conv(f, x, 3, 8, 1)), -1));
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_pad), 1);
    CHECK_EQ(count_work(f->g), 7); /* conv, pad, mul, add; conv with relu, mul, add */
}

TEST(a_shared_kernel_is_not_folded)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const conv_attributes a = conv_2d(1, true);
    const value x = INPUT(f->batch, 9, 9, 8), kernel = WEIGHT(3, 3, 8, 8);

    graph_output(f->g, batch_norm(f, op_conv(f->g, x, kernel, &a), -1));
    graph_output(f->g, batch_norm(f, op_conv(f->g, op_unary(f->g, UNARY_EXP, x), kernel, &a), -1));
    run_all(t, f->g, true);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_EQ(find(f->g, OP_conv, i)->inputs[1], kernel);
        CHECK(find(f->g, OP_conv, i)->inputs[4] != VALUE_NONE);
    }
    CHECK_EQ(count_work(f->g), 3);
}

TEST(dense_depthwise_and_transposed_kernels_fold)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const conv_attributes depthwise = {
        .spatial = 2, .strides = {1, 1}, .dilations = {1, 1}, .same = true, .groups = 8};
    const conv_transpose_attributes up = {.spatial = 2, .strides = {2, 2}, .dilations = {1, 1}};
    value x = INPUT(f->batch, 9, 9, 8);

    x = batch_norm(f, op_conv(f->g, x, WEIGHT(3, 3, 1, 16), &depthwise), -1);
    x = batch_norm(f, op_conv_transpose(f->g, x, WEIGHT(2, 2, 4, 16), &up), -1);
    x = op_add(f->g, op_matmul(f->g, x, WEIGHT(4, 6), false, false), WEIGHT(6));
    x = batch_norm(f, op_unary(f->g, UNARY_NEG, batch_norm(f, x, -1)), -1);
    x = op_mul(f->g, op_matmul(f->g, x, WEIGHT(5, 6), false, true), graph_scalar(f->g, 3));
    graph_output(f->g, x);
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g),
             6); /* four products, the second norm behind the negation: mul, add */
    for (op_id op = OP_matmul; op <= OP_conv_transpose; op++)
        CHECK_EQ(graph_value(f->g, find(f->g, op, 0)->inputs[1])->kind, VALUE_RESULT);
    CHECK_EQ(find(f->g, OP_matmul, 1)->inputs[2], VALUE_NONE); /* times three only */
}

TEST(attention_scores_keep_their_factor_as_activation)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value q = INPUT(f->batch, 4, 5, 8), k = INPUT(f->batch, 4, 5, 8);

    graph_output(f->g,
                 op_mul(f->g, op_matmul(f->g, q, k, false, true), graph_scalar(f->g, 0.125f)));
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g), 1);
    const matmul_attributes *m = find(f->g, OP_matmul, 0)->attributes;
    CHECK_EQ(m->epilogue.activation.kind, UNARY_AFFINE);
    CHECK_NEAR(m->epilogue.activation.alpha, 0.125, 0);
}

TEST(activations_join_binary_nodes)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3), y = INPUT(f->batch, 3);

    graph_output(f->g, op_unary(f->g, UNARY_TANH, op_add(f->g, x, y)));
    graph_output(f->g, op_unary(f->g, UNARY_IS_NAN, op_mul(f->g, x, y))); /* gives another type */
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g), 3);
}

/* -- channels_first --------------------------------------------------------------------------- */

static const uint32_t to_last[] = {0, 2, 3, 1}, to_first[] = {0, 3, 1, 2};

static value conv_first(fixture *f, value x, int64_t filters)
{
    value y = op_transpose(f->g, x, to_last);

    y = conv(f, y, 3, filters, 1);
    y = op_transpose(f->g, op_add(f->g, y, WEIGHT(filters)), to_first);
    return op_unary(f->g, UNARY_RELU, batch_norm(f, y, 1));
}

TEST(channels_first_keeps_only_the_border_transposes)
{
    for (uint32_t inference = 0; inference < 2; inference++) {
        fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
        const value x = INPUT(f->batch, 3, 20, 30);
        value y = conv_first(f, x, 8);
        const value shortcut = y;

        y = conv_first(f, conv_first(f, y, 8), 8);
        y = op_unary(f->g, UNARY_RELU, op_add(f->g, y, shortcut));
        y = op_concat(f->g, (const value[]){y, shortcut}, 2, 1);
        y = op_pad(f->g, y, &(pad_attributes){.before = {0, 0, 1, 2}});
        y = conv_first(f, y, 4);
        graph_output(f->g, y);
        run_all(t, f->g, inference == 1);
        CHECK_EQ(count_op(f->g, OP_transpose), 2);
        CHECK_EQ(count_op(f->g, OP_conv), 4);
        CHECK_EQ(count_work(f->g), 2 + 4 + 3); /* add with relu, concat, pad */
        CHECK_EQ(graph_dim(f->g, f->g->outputs[0], 1), 4);
    }
}

TEST(channels_first_pooling_and_gates_need_no_transpose)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3, 20, 30);
    value y = conv_first(f, x, 8);
    value gate = op_reduce(f->g, REDUCE_MEAN, y, 0xC, false);

    gate = op_unary(f->g, UNARY_SIGMOID, op_matmul(f->g, gate, WEIGHT(8, 8), false, false));
    y = op_mul(f->g, y, op_reshape(f->g, gate, &SHAPE(f->batch, 8, 1, 1)));
    graph_output(f->g, op_reduce(f->g, REDUCE_MEAN, y, 0xC, false));
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_transpose), 1);
    CHECK_EQ(count_work(f->g), 7); /* transpose, conv, mean, matmul, reshape, mul, mean */
}

TEST(constants_of_fewer_axes_follow_the_transpose)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3, 4, 5), turned = op_transpose(f->g, x, to_last);
    const value low = WEIGHT(5, 3), y = op_mul(f->g, low, op_sub(f->g, WEIGHT(4, 1, 1), turned));

    graph_output(f->g, op_transpose(f->g, y, to_first));
    run_all(t, f->g, true);
    CHECK_EQ(count_work(f->g), 2);
    const node *product = &f->g->nodes[graph_value(f->g, f->g->outputs[0])->node];
    const shape turned_back = SHAPE(1, 3, 1, 5); /* (1, 1, 5, 3) seen from before the transpose */
    CHECK(shape_equal(graph_shape(f->g, product->inputs[0]), &turned_back));
}

/* An intermediate result that is an output too costs one transpose; the chain goes on without. */
TEST(outputs_on_the_way_cost_one_transpose_each)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3, 20, 30);
    value y = conv_first(f, x, 8);

    for (uint32_t i = 0; i < 3; i++) {
        y = op_unary(f->g, UNARY_RELU, op_add(f->g, conv_first(f, y, 8), y));
        graph_output(f->g, y);
    }
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_transpose), 1 + 3);
}

/* One transpose that feeds three results stays one. */
TEST(transposes_do_not_multiply)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3, 4, 5), turned = op_transpose(f->g, x, to_last);

    graph_output(f->g, op_unary(f->g, UNARY_EXP, turned));
    graph_output(f->g, op_unary(f->g, UNARY_SIN, turned));
    graph_output(f->g, op_unary(f->g, UNARY_COS, turned));
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_transpose), 1);
}

TEST(transposes_that_others_need_stay_where_they_are)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3, 4, 5), turned = op_transpose(f->g, x, to_last);

    graph_output(f->g, op_unary(f->g, UNARY_EXP, turned));
    graph_output(f->g, turned);
    graph_output(f->g, op_add(f->g, turned, INPUT(f->batch, 4, 5, 3)));
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_transpose), 1);
}

TEST(slices_reductions_and_softmax_follow_the_axes)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3, 4, 5);
    value y = op_transpose(f->g, x, to_last); /* (batch, 4, 5, 3) */

    y = op_slice_axis(f->g, y, 3, 1, 2, 1);
    y = op_softmax(f->g, y, 1u << 3, false);
    y = op_reduce(f->g, REDUCE_MAX, y, 1u << 1, true);
    graph_output(f->g, op_transpose(f->g, y, to_first));
    run_all(t, f->g, true);
    CHECK_EQ(count_op(f->g, OP_transpose), 0);
    CHECK_EQ(((const slice_attributes *)find(f->g, OP_slice, 0)->attributes)->length[1], 2);
    CHECK_EQ(((const softmax_attributes *)find(f->g, OP_softmax, 0)->attributes)->axes, 1u << 1);
    CHECK_EQ(((const reduce_attributes *)find(f->g, OP_reduce, 0)->attributes)->axes, 1u << 2);
}

/* -- all of it -------------------------------------------------------------------------------- */

TEST(the_list_is_complete)
{
    CHECK(pass_count() >= 7);
    CHECK(pass_at(pass_count()) == NULL);
    for (uint32_t i = 0; i < pass_count(); i++) {
        CHECK(pass_at(i)->name != NULL && pass_at(i)->description != NULL &&
              pass_at(i)->run != NULL);
        CHECK_EQ(pass_at(i)->inference_only, strcmp(pass_at(i)->name, "fold_batch_norm") == 0);
    }
}

/* A second run finds nothing more to do. */
TEST(passes_reach_a_fixed_point)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;
    const value x = INPUT(f->batch, 3, 20, 30);

    graph_output(f->g, conv_first(f, conv_first(f, x, 8), 4));
    run_all(t, f->g, true);
    const uint32_t work = count_work(f->g);
    for (uint32_t i = 0; i < pass_count(); i++) {
        const uint32_t changes = pass_at(i)->run(f->g);
        CHECK_OK(graph_verify(f->g, &t->error));
        if (strcmp(pass_at(i)->name, "transposes") != 0) CHECK_EQ(changes, 0);
    }
    CHECK_EQ(count_work(f->g), work);
}

TEST(a_failed_graph_passes_its_failure_on)
{
    fixture fixture_1 = open_graph(t->home), *f = &fixture_1;

    graph_fail(f->g, EBB_E_UNSUPPORTED, "no such layer");
    CHECK_STATUS(passes_run(f->g, true, &t->error), EBB_E_UNSUPPORTED);
    CHECK_TEXT(t->error.text, "no such layer");
    for (uint32_t i = 0; i < pass_count(); i++) CHECK_EQ(pass_at(i)->run(f->g), 0);
}

/* Goal: whichever allocation fails, passes say E_MEMORY and everything comes back. */
TEST(every_allocation_may_fail)
{
    const uint64_t live = region_bytes_live(ledger_root(t->ledger));
    bool has_failed = true;

    for (int64_t n = 0; has_failed; n++) {
        region *home = region_open(t->home, "model", EBB_CLASS_META, 0);
        fixture fixture_1 = open_graph(home), *f = &fixture_1;
        const value x = INPUT(f->batch, 3, 20, 30);
        const value y = op_transpose(f->g, conv_first(f, x, 8), to_last);

        graph_output(f->g, residual_block(f, y, 16));
        CHECK(graph_ok(f->g));
        test_fail_allocation(t, n);
        const ebb_status status = passes_run(f->g, true, &t->error);
        has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, has_failed ? EBB_E_MEMORY : EBB_OK);
        region_close(home);
        CHECK_EQ(region_bytes_live(ledger_root(t->ledger)), live);
        CHECK(n < 2000);
    }
}

TEST_MAIN(RUN(identities_disappear), RUN(what_computes_something_stays),
          RUN(scalar_arithmetic_becomes_affine), RUN(gates_are_recognised),
          RUN(moves_of_single_axes_become_reshapes), RUN(needless_broadcasts_go),
          RUN(transposes_join_matmul), RUN(zero_padding_joins_the_convolution),
          RUN(equal_expressions_are_computed_once), RUN(different_attributes_are_not_common),
          RUN(unused_nodes_die), RUN(a_residual_block_becomes_three_convolutions),
          RUN(an_identity_shortcut_is_the_residual), RUN(a_residual_computed_later_is_put_in_order),
          RUN(other_uses_prevent_fusion), RUN(nodes_between_prevent_fusion),
          RUN(a_shared_kernel_is_not_folded), RUN(dense_depthwise_and_transposed_kernels_fold),
          RUN(attention_scores_keep_their_factor_as_activation), RUN(activations_join_binary_nodes),
          RUN(channels_first_keeps_only_the_border_transposes),
          RUN(channels_first_pooling_and_gates_need_no_transpose),
          RUN(constants_of_fewer_axes_follow_the_transpose),
          RUN(outputs_on_the_way_cost_one_transpose_each), RUN(transposes_do_not_multiply),
          RUN(transposes_that_others_need_stay_where_they_are),
          RUN(slices_reductions_and_softmax_follow_the_axes), RUN(the_list_is_complete),
          RUN(passes_reach_a_fixed_point), RUN(a_failed_graph_passes_its_failure_on),
          RUN(every_allocation_may_fail))
