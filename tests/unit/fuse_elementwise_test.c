/* fuse_elementwise_test.c -- the pass fuse_elementwise keeps the numbers: graphs are computed with
 * the portable kernels before and after it. The arithmetic is the same, so results are the same but
 * for sums, whose order differs. */
#include <math.h>
#include <string.h>

#include "graph/gradient.h"
#include "graph/pass.h"
#include "graph_run.h"
#include "harness.h"
#include "kernel_case.h"

static const pass_def *the_pass(void)
{
    for (uint32_t i = 0; i < pass_count(); i++)
        if (strcmp(pass_at(i)->name, "fuse_elementwise") == 0) return pass_at(i);
    return NULL;
}

static uint32_t live_nodes(const graph *g, op_id op)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < g->node_count; i++)
        count += !g->nodes[i].is_dead && (op == OP_NONE || g->nodes[i].op == op);
    return count;
}

static float *random_floats(test *t, uint64_t count, uint64_t *seed)
{
    const int64_t length = (int64_t)count;

    return case_tensor_random(t->home, EBB_F32, 1, &length, seed).data;
}

static shape any_shape(uint32_t rank, const int64_t *dims)
{
    shape s = {.rank = rank};

    for (uint32_t i = 0; i < rank; i++) s.dims[i] = dims[i];
    return s;
}

/* Runs the graph as it is, then through the pass, with the same numbers in variables and inputs. */
static void check_kept(test *t, graph *g, const float *const *inputs, double tolerance)
{
    graph_run *before, *after;
    const float *expected[64];
    const uint32_t outputs = g->output_count, values = g->value_count;
    uint64_t seed = 7;

    CHECK(outputs <= 64);
    for (int half = 0; half < 2; half++) {
        if (half == 1) {
            (void)the_pass()->run(g);
            CHECK_OK(graph_verify(g, &t->error));
        }
        graph_run *r = graph_run_open(t, g);
        seed = 7;
        for (value v = 1; v < values; v++) {
            if (graph_value(g, v)->kind != VALUE_WEIGHT) continue;
            const uint64_t count = shape_count_at(graph_shape(g, v), NULL);
            graph_run_variable(r, v, random_floats(t, count, &seed));
        }
        for (uint32_t i = 0; i < g->input_count; i++) graph_run_input(r, i, inputs[i]);
        graph_run_step(r);
        for (uint32_t i = 0; i < outputs; i++) {
            const uint64_t count = shape_count_at(graph_shape(g, g->outputs[i]), NULL);
            const float *found = graph_run_value(r, g->outputs[i]);

            for (uint64_t k = 0; half == 1 && k < count; k++)
                CHECK_NEAR(found[k], expected[i][k],
                           tolerance * (1 + fabs((double)expected[i][k])));
            expected[i] = found;
        }
        *(half == 0 ? &before : &after) = r;
    }
    (void)before, (void)after;
}

/* As Adam does it: two moments and a step. */
static void emit_adam(graph *g, value w, value d, uint32_t *index)
{
    const shape s = *graph_shape(g, w);
    const value m = graph_variable(g, EBB_F32, &s, (*index)++);
    const value v = graph_variable(g, EBB_F32, &s, (*index)++);
    const unary_attributes tenth = {UNARY_AFFINE, 0.1f, 0, 0}, tiny = {UNARY_AFFINE, 1, 1e-3f, 0};
    const value m_next = op_add(g, m, op_unary_with(g, tenth, op_sub(g, d, m)));
    const value square = op_unary(g, UNARY_SQUARE, d);
    const value v_next =
        op_unary(g, UNARY_ABS, op_add(g, v, op_unary_with(g, tenth, op_sub(g, square, v))));
    const value root = op_unary_with(g, tiny, op_unary(g, UNARY_SQRT, v_next));
    const value step = op_div(g, op_mul(g, m_next, graph_scalar(g, 0.01f)), root);

    graph_update(g, m, m_next);
    graph_update(g, v, v_next);
    graph_update(g, w, op_sub(g, w, step));
}

TEST(adam_becomes_one_node)
{
    graph *g = graph_open(t->home);
    const shape s = any_shape(2, (const int64_t[]){37, 41});
    const value w = graph_variable(g, EBB_F32, &s, 0), d = graph_input(g, EBB_F32, &s);
    uint64_t seed = 3;
    uint32_t index = 1;
    const float *const inputs[] = {random_floats(t, 37 * 41, &seed)};

    emit_adam(g, w, d, &index);
    check_kept(t, g, inputs, 0);
    CHECK_EQ(live_nodes(g, OP_NONE), 1);
    CHECK_EQ(live_nodes(g, OP_fused), 1);
}

TEST(inference_is_left_alone)
{
    graph *g = graph_open(t->home);
    const shape s = any_shape(1, (const int64_t[]){5});
    const value x = graph_input(g, EBB_F32, &s);

    graph_output(g, op_add(g, op_mul(g, x, x), x));
    CHECK_EQ(the_pass()->run(g), 0);
    CHECK_EQ(live_nodes(g, OP_binary), 2);
}

/* A path that leaves the group and comes back keeps two nodes apart. */
TEST(no_cycle_is_made)
{
    graph *g = graph_open(t->home);
    const shape s = any_shape(2, (const int64_t[]){6, 6});
    const value x = graph_input(g, EBB_F32, &s), w = graph_variable(g, EBB_F32, &s, 0);
    const value a = op_mul(g, x, w);
    const value b = op_matmul(g, a, w, false, false);
    const value c = op_add(g, a, b);
    uint64_t seed = 4;
    const float *const inputs[] = {random_floats(t, 36, &seed)};

    graph_output(g, op_unary(g, UNARY_NEG, c));
    graph_update(g, w, op_unary(g, UNARY_SQUARE, a));
    check_kept(t, g, inputs, 0);
    CHECK_EQ(live_nodes(g, OP_fused), 2);
}

/* Batch norm, relu and a bias: statistics and bias gradients come with the elementwise work. */
TEST(sums_are_made_on_the_way)
{
    graph *g = graph_open(t->home);
    const shape s = any_shape(4, (const int64_t[]){5, 4, 3, 7});
    const shape c = any_shape(1, (const int64_t[]){7});
    const value x = graph_input(g, EBB_F32, &s), bias = graph_variable(g, EBB_F32, &c, 0);
    const value mean = op_reduce(g, REDUCE_MEAN, x, 7, false);
    const value kept = op_stop(g, op_reduce(g, REDUCE_MEAN, x, 7, true));
    const value apart = op_binary(g, BINARY_SQUARED_DIFFERENCE, x, kept);
    const value variance = op_reduce(g, REDUCE_MEAN, apart, 7, false);
    const unary_attributes shift = {UNARY_AFFINE, 1, 1e-3f, 0};
    const value scale = op_unary(g, UNARY_RSQRT, op_unary_with(g, shift, variance));
    const value offset = op_sub(g, bias, op_mul(g, mean, scale));
    const value y = op_unary(g, UNARY_RELU, op_add(g, op_mul(g, x, scale), offset));
    const value loss = op_reduce(g, REDUCE_SUM, op_unary(g, UNARY_SQUARE, y), 0, false);
    value gradients[2];
    uint64_t seed = 5;
    const float *const inputs[] = {random_floats(t, 5 * 4 * 3 * 7, &seed)};

    CHECK(graph_gradients(g, &loss, NULL, 1, (const value[]){bias, x}, gradients, 2));
    graph_output(g, loss);
    graph_output(g, gradients[1]);
    graph_update(g, bias, op_sub(g, bias, gradients[0]));
    check_kept(t, g, inputs, 1e-5);
    CHECK_EQ(live_nodes(g, OP_reduce), 2); /* the mean of x, and the loss over other axes */
    CHECK_EQ(live_nodes(g, OP_stop), 0);
    CHECK_EQ(live_nodes(g, OP_binary), 1); /* the new bias, all alone */
}

/* -- any graph -------------------------------------------------------------------------------- */

static value any_node(graph *g, const value *pool, uint32_t count, uint64_t *seed)
{
    static const binary_kind kinds[] = {BINARY_ADD, BINARY_SUB, BINARY_MUL, BINARY_MAX};
    static const unary_kind unaries[] = {UNARY_TANH, UNARY_NEG, UNARY_ABS, UNARY_RELU};
    const value a = pool[case_random(seed) % count], b = pool[case_random(seed) % count];
    const value c = pool[case_random(seed) % count];
    const shape full = *graph_shape(g, pool[0]);

    switch (case_random(seed) % 12) {
    case 0:
    case 1:
    case 2: return op_binary(g, kinds[case_random(seed) % 4], a, b);
    case 3:
    case 4: return op_unary(g, unaries[case_random(seed) % 4], a);
    case 5: return op_select(g, op_compare(g, COMPARE_LESS, a, b), c, graph_scalar(g, 0.5f));
    case 6: return op_cast(g, op_compare(g, COMPARE_GREATER_EQUAL, a, b), EBB_F32);
    case 7: return op_unary(g, UNARY_TANH, op_matmul(g, a, b, false, true));
    case 8: return op_broadcast(g, op_reduce(g, REDUCE_MEAN, a, 1, true), &full);
    case 9: return op_mul(g, a, op_reduce(g, REDUCE_MEAN, b, 1, false));
    case 10: {
        const unary_attributes tanh = {UNARY_TANH, 0, 0, 0};
        return op_unary_gradient(g, &tanh, a, b);
    }
    default: {
        const value no = op_unary(g, UNARY_LOGICAL_NOT, op_compare(g, COMPARE_LESS, a, b));
        const value both = op_binary(g, BINARY_XOR, no, op_compare(g, COMPARE_EQUAL, a, c));
        return op_select(g, both, a, b);
    }
    }
}

TEST(any_graph_keeps_its_numbers)
{
    uint64_t seed = 6;
    uint32_t fused = 0;

    for (int round = 0; round < 60; round++) {
        graph *g = graph_open(t->home);
        const shape s = any_shape(2, (const int64_t[]){8, 8});
        const float *const inputs[] = {random_floats(t, 64, &seed), random_floats(t, 64, &seed)};
        value pool[80] = {graph_input(g, EBB_F32, &s), graph_input(g, EBB_F32, &s),
                          graph_variable(g, EBB_F32, &s, 0)};
        const uint32_t count = (uint32_t)(10 + case_random(&seed) % 60);

        for (uint32_t i = 3; i < count; i++) /* mostly from what came last */
            pool[i] = any_node(g, case_random(&seed) % 3 ? pool + (i > 8 ? i - 8 : 0) : pool,
                               case_random(&seed) % 3 && i > 8 ? 8
                               : i < 8                         ? i
                                                               : 8,
                               &seed);
        for (uint32_t i = 0; i < 4; i++) {
            const value v = pool[3 + case_random(&seed) % (count - 3)];
            graph_output(g, op_add(g, v, pool[0]));
        }
        graph_update(g, pool[2], op_unary(g, UNARY_TANH, op_add(g, pool[count - 1], pool[2])));
        check_kept(t, g, inputs, 1e-4);
        fused += live_nodes(g, OP_fused);
    }
    CHECK(fused > 60);
}

TEST(a_pass_without_memory_fails)
{
    for (int64_t n = 0;; n++) {
        region *home = region_open(t->home, "round", EBB_CLASS_META, 0);
        graph *g = graph_open(home);
        const shape s = any_shape(1, (const int64_t[]){5});
        const value w = graph_variable(g, EBB_F32, &s, 0), d = graph_input(g, EBB_F32, &s);
        uint32_t index = 1;

        emit_adam(g, w, d, &index);
        test_fail_allocation(t, n);
        (void)the_pass()->run(g);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK(failed == !graph_ok(g));
        region_close(home);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(adam_becomes_one_node), RUN(inference_is_left_alone), RUN(no_cycle_is_made),
          RUN(sums_are_made_on_the_way), RUN(any_graph_keeps_its_numbers),
          RUN(a_pass_without_memory_fails))
