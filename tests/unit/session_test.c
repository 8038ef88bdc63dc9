/* session_test.c -- sessions: what runs give, what sessions own, what wrong use is told. */
#include <math.h>
#include <string.h>

#include "graph_fixture.h"

static const float three[] = {1, 2, 3}, more[] = {4, 5, 6};

/* -- running ----------------------------------------------------------------------------------- */

TEST(constants_add)
{
    fixture f;
    float sum[3];

    fixture_open(t, &f);
    const ebb_tensor c =
        ebb_add(f.graph, fixture_vector(&f, 3, three), fixture_vector(&f, 3, more));
    fixture_good(t, &f);
    fixture_fetch(t, &f, c, sum);
    fixture_numbers(t, sum, (float[]){5, 7, 9}, 3);
    fixture_close(t, &f);
}

TEST(placeholders_are_fed)
{
    fixture f;
    float x[4] = {1, -2, 3, -4}, y[4];

    fixture_open(t, &f);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 1, (int64_t[]){-1});
    const ebb_tensor r = ebb_relu(f.graph, ebb_mul(f.graph, p, ebb_graph_number(f.graph, 2)));
    fixture_good(t, &f);
    for (int64_t count = 4; count > 0; count--) {
        const ebb_feed feed = {p, fixture_view(count, x)};
        const ebb_view out = fixture_view(count, y);
        memset(y, 0, sizeof y);
        CHECK_OK(ebb_session_run(f.session, &feed, 1, &r, &out, 1, NULL, 0, &t->error));
        for (int64_t i = 0; i < count; i++) CHECK_NEAR(y[i], x[i] > 0 ? 2 * x[i] : 0, 0);
    }
    fixture_close(t, &f);
}

TEST(several_fetches_are_one_run)
{
    fixture f;
    float a[3], b[3], c;

    fixture_open(t, &f);
    const ebb_tensor x = fixture_vector(&f, 3, three);
    const ebb_tensor r = ebb_random_normal(f.graph, 1, (int64_t[]){3}, 0, 1, 0);
    const ebb_tensor sum = ebb_add(f.graph, x, r);
    const ebb_tensor fetches[] = {sum, sum, ebb_reduce_sum(f.graph, sum, NULL, 0, false)};
    const ebb_view outputs[] = {fixture_view(3, a), fixture_view(3, b), {.data = &c}};
    fixture_good(t, &f);
    CHECK_OK(ebb_session_run(f.session, NULL, 0, fetches, outputs, 3, NULL, 0, &t->error));
    fixture_numbers(t, a, b, 3); /* one draw for all */
    CHECK_NEAR(c, a[0] + a[1] + a[2], 1e-5);
    fixture_close(t, &f);
}

TEST(leaves_can_be_fetched)
{
    fixture f;
    float a[3], b[3], v[3], fed[3] = {7, 8, 9};

    fixture_open(t, &f);
    const ebb_tensor x = fixture_vector(&f, 3, three);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "p", EBB_F32, 1, (int64_t[]){3});
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", x);
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    const ebb_feed feed = {p, fixture_view(3, fed)};
    const ebb_tensor fetches[] = {x, p, w};
    const ebb_view outputs[] = {fixture_view(3, a), fixture_view(3, b), fixture_view(3, v)};
    CHECK_OK(ebb_session_run(f.session, &feed, 1, fetches, outputs, 3, NULL, 0, &t->error));
    fixture_numbers(t, a, three, 3);
    fixture_numbers(t, b, fed, 3);
    fixture_numbers(t, v, three, 3);
    fixture_close(t, &f);
}

TEST(tensors_in_the_middle_are_fed)
{
    fixture f;
    float y[3], h[3] = {10, 20, 30};

    fixture_open(t, &f);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 1, (int64_t[]){3});
    const ebb_tensor middle = ebb_square(f.graph, p);
    const ebb_tensor r = ebb_add(f.graph, middle, fixture_vector(&f, 3, three));
    const ebb_feed feed = {middle, fixture_view(3, h)};
    const ebb_view out = fixture_view(3, y);
    CHECK_OK(ebb_session_run(f.session, &feed, 1, &r, &out, 1, NULL, 0, &t->error));
    fixture_numbers(t, y, (float[]){11, 22, 33}, 3);
    fixture_close(t, &f);
}

TEST(types_are_converted_at_the_border)
{
    fixture f;
    int64_t n[3] = {1, 2, 3}, twice[3];
    double d[2] = {0.5, 1.5}, e[2];

    fixture_open(t, &f);
    const ebb_tensor a = ebb_graph_placeholder(f.graph, "a", EBB_I64, 1, (int64_t[]){3});
    const ebb_tensor b = ebb_graph_placeholder(f.graph, "b", EBB_F64, 1, (int64_t[]){2});
    const ebb_tensor fetches[] = {ebb_add(f.graph, a, a), ebb_neg(f.graph, b)};
    const ebb_feed feeds[] = {{b, {EBB_DTYPE_NONE, 1, {2}, d}}, {a, {EBB_I64, 1, {3}, n}}};
    const ebb_view outputs[] = {{EBB_I64, 1, {3}, twice}, {EBB_F64, 1, {2}, e}};
    fixture_good(t, &f);
    CHECK_OK(ebb_session_run(f.session, feeds, 2, fetches, outputs, 2, NULL, 0, &t->error));
    CHECK_EQ(twice[2], 6);
    CHECK_NEAR(e[1], -1.5, 0);
    fixture_close(t, &f);
}

/* -- variables --------------------------------------------------------------------------------- */

TEST(variables_belong_to_sessions)
{
    fixture f;
    float a, b;
    ebb_session other;

    fixture_open(t, &f);
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", ebb_graph_number(f.graph, 1));
    const ebb_tensor step = ebb_assign_add(f.graph, w, ebb_graph_number(f.graph, 2));
    const ebb_tensor init = ebb_graph_initializer(f.graph);
    CHECK_OK(ebb_session_open(f.graph, NULL, &other, &t->error));
    fixture_good(t, &f);
    CHECK_STATUS(ebb_session_fetch(f.session, w, &(ebb_view){.data = &a}, &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "'w' is not initialized");
    CHECK_STATUS(ebb_session_target(f.session, step, &t->error), EBB_E_STATE);
    CHECK_OK(ebb_session_target(f.session, init, &t->error));
    CHECK_OK(ebb_session_target(other, init, &t->error));
    for (int i = 0; i < 3; i++) CHECK_OK(ebb_session_target(f.session, step, &t->error));
    CHECK_OK(ebb_session_fetch(f.session, w, &(ebb_view){.data = &a}, &t->error));
    CHECK_OK(ebb_session_fetch(other, w, &(ebb_view){.data = &b}, &t->error));
    CHECK_NEAR(a, 7, 0);
    CHECK_NEAR(b, 1, 0);
    CHECK_OK(ebb_session_fetch(other, step, &(ebb_view){.data = &b}, &t->error));
    CHECK_NEAR(b, 3, 0); /* the new value */
    CHECK_OK(ebb_session_close(other, NULL, &t->error));
    fixture_close(t, &f);
}

TEST(a_run_reads_what_was_before)
{
    fixture f;
    float old, now, late;

    fixture_open(t, &f);
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", ebb_graph_number(f.graph, 5));
    const ebb_tensor next =
        ebb_assign(f.graph, w, ebb_mul(f.graph, w, ebb_graph_number(f.graph, 3)));
    CHECK_OK(ebb_graph_control_push(f.graph, &next, 1, &t->error));
    const ebb_tensor read = ebb_graph_read(f.graph, w);
    CHECK_OK(ebb_graph_control_pop(f.graph));
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    const ebb_tensor fetches[] = {w, next, read};
    const ebb_view outputs[] = {{.data = &old}, {.data = &now}, {.data = &late}};
    CHECK_OK(ebb_session_run(f.session, NULL, 0, fetches, outputs, 3, NULL, 0, &t->error));
    CHECK_NEAR(old, 5, 0);
    CHECK_NEAR(now, 15, 0);
    CHECK_NEAR(late, 15, 0);
    CHECK_OK(ebb_session_fetch(f.session, read, &(ebb_view){.data = &late}, &t->error));
    CHECK_NEAR(late, 45, 0); /* fetching the read runs what it depends on */
    fixture_close(t, &f);
}

TEST(variables_swap)
{
    fixture f;
    float a, b;

    fixture_open(t, &f);
    const ebb_tensor v = ebb_graph_variable_from(f.graph, "v", ebb_graph_number(f.graph, 1));
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", ebb_graph_number(f.graph, 2));
    const ebb_tensor swap[] = {ebb_assign(f.graph, v, w), ebb_assign(f.graph, w, v)};
    const ebb_tensor both = ebb_graph_group(f.graph, swap, 2, "swap");
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    for (int i = 0; i < 3; i++) CHECK_OK(ebb_session_target(f.session, both, &t->error));
    fixture_fetch(t, &f, v, &a);
    fixture_fetch(t, &f, w, &b);
    CHECK_NEAR(a, 2, 0);
    CHECK_NEAR(b, 1, 0);
    fixture_close(t, &f);
}

TEST(assignments_of_one_run_follow_one_another)
{
    fixture f;
    float a;

    fixture_open(t, &f);
    const ebb_tensor v = ebb_graph_variable_from(f.graph, "v", ebb_graph_number(f.graph, 1));
    const ebb_tensor steps[] = {ebb_assign_add(f.graph, v, ebb_graph_number(f.graph, 10)),
                                ebb_assign_add(f.graph, v, ebb_graph_number(f.graph, 100)),
                                ebb_assign_sub(f.graph, v, ebb_graph_number(f.graph, 1))};
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    CHECK_OK(ebb_session_run(f.session, NULL, 0, NULL, NULL, 0, steps, 3, &t->error));
    fixture_fetch(t, &f, v, &a);
    CHECK_NEAR(a, 110, 0);
    fixture_close(t, &f);
}

TEST(identical_assignments_cost_nothing_and_work)
{
    fixture f;
    float a, x = 4;

    fixture_open(t, &f);
    const ebb_tensor v = ebb_graph_variable_from(f.graph, "v", ebb_graph_number(f.graph, 1));
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "p", EBB_F32, 0, NULL);
    const ebb_tensor same =
        ebb_assign(f.graph, v, ebb_mul(f.graph, v, ebb_graph_number(f.graph, 1)));
    const ebb_tensor given = ebb_assign(f.graph, v, p);
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    CHECK_OK(ebb_session_target(f.session, same, &t->error));
    fixture_fetch(t, &f, v, &a);
    CHECK_NEAR(a, 1, 0);
    const ebb_feed feed = {p, {.data = &x}};
    CHECK_OK(ebb_session_run(f.session, &feed, 1, NULL, NULL, 0, &given, 1, &t->error));
    fixture_fetch(t, &f, v, &a);
    CHECK_NEAR(a, 4, 0);
    fixture_close(t, &f);
}

TEST(a_line_is_fitted)
{
    fixture f;
    float x[8], y[8], loss, a, b;

    for (int i = 0; i < 8; i++) {
        x[i] = (float)i / 8;
        y[i] = 3 * x[i] - 1;
    }
    fixture_open(t, &f);
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", ebb_graph_number(f.graph, 0));
    const ebb_tensor c = ebb_graph_variable_from(f.graph, "c", ebb_graph_number(f.graph, 0));
    const ebb_tensor px = ebb_graph_placeholder(f.graph, "x", EBB_F32, 1, (int64_t[]){-1});
    const ebb_tensor py = ebb_graph_placeholder(f.graph, "y", EBB_F32, 1, (int64_t[]){-1});
    const ebb_tensor line = ebb_add(f.graph, ebb_mul(f.graph, w, px), c);
    const ebb_tensor l =
        ebb_reduce_mean(f.graph, ebb_squared_difference(f.graph, line, py), NULL, 0, false);
    const ebb_tensor variables[] = {w, c};
    ebb_tensor g[2], steps[2];
    fixture_good(t, &f);
    CHECK_OK(ebb_graph_gradients(f.graph, &l, 1, variables, 2, g, &t->error));
    const ebb_tensor rate = ebb_graph_number(f.graph, 0.5);
    for (int i = 0; i < 2; i++)
        steps[i] = ebb_assign_sub(f.graph, variables[i], ebb_mul(f.graph, rate, g[i]));
    fixture_good(t, &f);
    const ebb_feed feeds[] = {{px, fixture_view(8, x)}, {py, fixture_view(8, y)}};
    const ebb_view out = {.data = &loss};
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    for (int i = 0; i < 300; i++)
        CHECK_OK(ebb_session_run(f.session, feeds, 2, &l, &out, 1, steps, 2, &t->error));
    CHECK(loss < 1e-6f);
    fixture_fetch(t, &f, w, &a);
    fixture_fetch(t, &f, c, &b);
    CHECK_NEAR(a, 3, 1e-2);
    CHECK_NEAR(b, -1, 1e-2);
    fixture_close(t, &f);
}

/* y = stop(i) + i + 2 x of i = identity(x): d y / d i is 1, d y / d x is 3; and nothing leads from
 * an identity beside the way to y. */
TEST(gradients_tell_a_tensor_from_its_identity)
{
    fixture f;
    float by_x[3], by_identity[3], y[3];
    const float x[3] = {1, 2, 3};
    ebb_tensor g[3];

    fixture_open(t, &f);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 1, (int64_t[]){3});
    const ebb_tensor same = ebb_identity(f.graph, p), aside = ebb_identity(f.graph, p);
    const ebb_tensor flat = ebb_reshape(f.graph, same, 1, (int64_t[]){3});
    const ebb_tensor sum =
        ebb_add(f.graph, ebb_add(f.graph, ebb_stop_gradient(f.graph, same), flat),
                ebb_mul(f.graph, ebb_graph_number(f.graph, 2), p));
    const ebb_tensor xs[] = {p, flat, aside};
    CHECK_OK(ebb_graph_gradients(f.graph, &sum, 1, xs, 3, g, &t->error));
    fixture_good(t, &f);
    CHECK_EQ(g[2].id, 0);
    const ebb_feed feed = {p, fixture_view(3, (float *)x)};
    const ebb_tensor fetches[] = {sum, g[0], g[1]};
    const ebb_view outputs[] = {fixture_view(3, y), fixture_view(3, by_x),
                                fixture_view(3, by_identity)};
    CHECK_OK(ebb_session_run(f.session, &feed, 1, fetches, outputs, 3, NULL, 0, &t->error));
    fixture_numbers(t, y, (float[]){4, 8, 12}, 3);
    fixture_numbers(t, by_x, (float[]){3, 3, 3}, 3);
    fixture_numbers(t, by_identity, (float[]){1, 1, 1}, 3);
    fixture_close(t, &f);
}

/* Where these are 0 by definition their gradients are numbers: those of TensorFlow 2.21. */
TEST(guarded_operations_have_gradients)
{
    static const struct {
        const char *op;
        float y[4], by_a[4], by_b[4];
    } rows[] = {
        {"DivNoNan", {0, 0, 0, 1.5f}, {0, 0, -1, 0.5f}, {0, 0, 0, -0.75f}},
        {"MulNoNan", {0, 0, 0, 6}, {0, 0, -1, 2}, {3, 0, 0, 3}},
        {"Xdivy", {INFINITY, 0, 0, 1.5f}, {INFINITY, 0, 0, 0.5f}, {-INFINITY, 0, 0, -0.75f}},
        {"Xlogy",
         {-INFINITY, 0, 0, 2.0794415f},
         {-INFINITY, 0, 0, 0.6931472f},
         {INFINITY, 0, 0, 1.5f}},
        {"Xlog1py", {0, 0, 0, 3.2958369f}, {0, 0, 0, 1.0986123f}, {3, 0, 0, 1}},
    };
    float a[4] = {3, 0, 0, 3}, b[4] = {0, 0, -1, 2}, y[4], by_a[4], by_b[4];
    fixture f;

    fixture_open(t, &f);
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const ebb_tensor xs[] = {ebb_graph_placeholder(f.graph, "a", EBB_F32, 1, (int64_t[]){4}),
                                 ebb_graph_placeholder(f.graph, "b", EBB_F32, 1, (int64_t[]){4})};
        ebb_tensor fetches[3] = {ebb_graph_op(f.graph, rows[i].op, xs, 2, NULL)};
        const ebb_feed feeds[] = {{xs[0], fixture_view(4, a)}, {xs[1], fixture_view(4, b)}};
        const ebb_view outputs[] = {fixture_view(4, y), fixture_view(4, by_a),
                                    fixture_view(4, by_b)};
        CHECK_OK(ebb_graph_gradients(f.graph, fetches, 1, xs, 2, fetches + 1, &t->error));
        CHECK_OK(ebb_session_run(f.session, feeds, 2, fetches, outputs, 3, NULL, 0, &t->error));
        for (uint32_t k = 0; k < 4; k++) {
            CHECK(y[k] == rows[i].y[k] || fabsf(y[k] - rows[i].y[k]) < 1e-4f);
            CHECK(by_a[k] == rows[i].by_a[k] || fabsf(by_a[k] - rows[i].by_a[k]) < 1e-4f);
            CHECK(by_b[k] == rows[i].by_b[k] || fabsf(by_b[k] - rows[i].by_b[k]) < 1e-4f);
        }
    }
    fixture_close(t, &f);
}

/* x w' w and x w w', w square: what the first product does to w for speed is not for the second. */
TEST(a_square_constant_is_read_both_ways)
{
    fixture f;
    float x[12], w[9], y[12];

    fixture_open(t, &f);
    for (uint32_t i = 0; i < 12; i++) x[i] = (float)i - 5;
    for (uint32_t i = 0; i < 9; i++) w[i] = (float)(i * i % 7) - 3; /* no sum is rounded */
    const ebb_view matrix = {EBB_F32, 2, {3, 3}, w}, out = {EBB_F32, 2, {4, 3}, y};
    const ebb_tensor c = ebb_graph_constant(f.graph, &matrix, NULL);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 2, (int64_t[]){4, 3});
    const ebb_feed feed = {p, {EBB_F32, 2, {4, 3}, x}};
    for (uint32_t first = 0; first < 2; first++) {
        const ebb_tensor half = ebb_square(f.graph, ebb_matmul_with(f.graph, p, c, false, first));
        const ebb_tensor whole = ebb_matmul_with(f.graph, half, c, false, !first);
        fixture_good(t, &f);
        CHECK_OK(ebb_session_run(f.session, &feed, 1, &whole, &out, 1, NULL, 0, &t->error));
        for (uint32_t i = 0; i < 12; i++) {
            float sum = 0;
            for (uint32_t k = 0; k < 3; k++) {
                float one = 0;
                for (uint32_t j = 0; j < 3; j++)
                    one += x[i / 3 * 3 + j] * (first ? w[k * 3 + j] : w[j * 3 + k]);
                sum += one * one * (first ? w[k * 3 + i % 3] : w[i % 3 * 3 + k]);
            }
            CHECK_NEAR(y[i], sum, 0);
        }
    }
    fixture_close(t, &f);
}

TEST(a_feed_of_negative_length_is_told)
{
    fixture f;
    float x[4] = {0}, y[4];

    fixture_open(t, &f);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 1, (int64_t[]){-1});
    const ebb_tensor r = ebb_neg(f.graph, p);
    const ebb_feed feed = {p, fixture_view(-4, x)};
    const ebb_view out = fixture_view(4, y);
    CHECK_STATUS(ebb_session_run(f.session, &feed, 1, &r, &out, 1, NULL, 0, &t->error),
                 EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "axis 0 of the feed has length -4");
    fixture_close(t, &f);
}

TEST_MAIN(RUN(constants_add), RUN(placeholders_are_fed), RUN(several_fetches_are_one_run),
          RUN(leaves_can_be_fetched), RUN(tensors_in_the_middle_are_fed),
          RUN(types_are_converted_at_the_border), RUN(variables_belong_to_sessions),
          RUN(a_run_reads_what_was_before), RUN(variables_swap),
          RUN(assignments_of_one_run_follow_one_another),
          RUN(identical_assignments_cost_nothing_and_work), RUN(a_line_is_fitted),
          RUN(gradients_tell_a_tensor_from_its_identity), RUN(guarded_operations_have_gradients),
          RUN(a_square_constant_is_read_both_ways), RUN(a_feed_of_negative_length_is_told))
