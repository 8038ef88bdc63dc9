/* node_schedule_test.c -- the order of nodes: valid, never worse, the same numbers; how much less
 * memory some training graphs take; faults. */
#include "training_graph.h"

#include <string.h>

#include "graph/node_schedule.h"

static memory_facts facts(test *t, const graph *g)
{
    memory_facts m;

    CHECK_OK(memory_facts_make(t->home, g, NULL, &m, &t->error));
    return m;
}

static schedule_report schedule(test *t, graph *g)
{
    const memory_facts m = facts(t, g);
    const uint32_t values = g->value_count, nodes = g->node_count;
    schedule_report report;

    CHECK_OK(graph_schedule(g, &m, &report, &t->error));
    CHECK_OK(graph_verify(g, &t->error));
    CHECK_EQ(g->value_count, values);
    CHECK_EQ(g->node_count, nodes);
    CHECK(report.after.arena <= report.before.arena);
    CHECK(report.after.arena >= report.after.peak);
    return report;
}

/* Goal: whatever the graph, the order is valid and every result and variable has the same bytes. */
TEST(order_changes_no_number)
{
    const char *const optimizers[] = {"sgd", "adam", "rmsprop", "lion"};

    test_threads_stay(t);
    for (uint32_t round = 0; round < 40; round++) {
        const training_options o = {.kind = round % TRAINING_KINDS,
                                    .layers = 2 + round % 3,
                                    .rows = 4,
                                    .width = 8,
                                    .optimizer = optimizers[round / TRAINING_KINDS % 4],
                                    .has_passes = round % 2 == 1,
                                    .seed = round};
        graph *const a = training_graph_make(t, t->home, &o);
        graph *const b = training_graph_make(t, t->home, &o);

        schedule(t, b);
        training_graph_compare(t, a, b);
    }
}

TEST(order_is_a_function_of_the_graph)
{
    for (uint32_t kind = 0; kind < TRAINING_KINDS; kind++) {
        const training_options o = {.kind = kind, .seed = 5};
        graph *const a = training_graph_make(t, t->home, &o);
        graph *const b = training_graph_make(t, t->home, &o);

        schedule(t, a);
        schedule(t, b);
        for (uint32_t i = 0; i < a->node_count; i++) {
            CHECK_EQ(a->nodes[i].op, b->nodes[i].op);
            CHECK_EQ(a->nodes[i].outputs[0], b->nodes[i].outputs[0]);
        }
    }
}

/* Twelve layers whose weights are large beside their activations: all gradients at once are what
 * the written order needs, one of them is what is left. */
TEST(gradients_die_one_by_one)
{
    const training_options o = {.kind = TRAINING_MLP, .layers = 12, .rows = 2, .width = 64};

    for (uint32_t round = 0; round < 2; round++) {
        training_options now = o;
        now.has_passes = round == 1;
        const schedule_report r = schedule(t, training_graph_make(t, t->home, &now));

        CHECK(r.before.arena > (uint64_t)12 * 64 * 64 * 4);
        CHECK(r.after.arena < (uint64_t)4 * 64 * 64 * 4);
    }
}

/* x2 = f(x1), x1 = f(x2): each update must come before the other's; one is staged, none is lost. */
TEST(variables_that_swap_are_no_circle)
{
    const shape s = {.rank = 1, .dims = {64}};
    graph *graphs[2];

    test_threads_stay(t);
    for (uint32_t i = 0; i < 2; i++) {
        graph *const g = graphs[i] = graph_open(t->home);
        const value x1 = graph_variable(g, EBB_F32, &s, 0), x2 = graph_variable(g, EBB_F32, &s, 1);
        const value y1 = op_unary(g, UNARY_NEG, x2), y2 = op_unary(g, UNARY_EXP, x1);

        graph_output(g, op_add(g, x1, x2));
        graph_update(g, x1, y1);
        graph_update(g, x2, y2);
    }
    schedule(t, graphs[1]);
    training_graph_compare(t, graphs[0], graphs[1]);
}

/* The reader of an old value goes before the node that replaces it. */
TEST(updates_wait_for_readers)
{
    const shape s = {.rank = 2, .dims = {64, 64}};
    graph *const g = graph_open(t->home);
    const value x = graph_input(g, EBB_F32, &s), w = graph_variable(g, EBB_F32, &s, 0);
    const value gradient = op_matmul(g, x, x, true, false);
    const value next = op_sub(g, w, gradient);
    const value y = op_matmul(g, x, w, false, false);

    graph_output(g, op_reduce(g, REDUCE_SUM, y, 0, false));
    graph_update(g, w, next);
    const schedule_report r = schedule(t, g);
    CHECK(graph_value(g, next)->node > graph_value(g, y)->node);
    CHECK(r.after.arena < r.before.arena);
}

TEST(an_empty_graph_has_an_order)
{
    graph *const g = graph_open(t->home);
    const schedule_report r = schedule(t, g);

    CHECK_EQ(r.after.arena, 0);
    graph_output(g, graph_input(g, EBB_F32, &(shape){.rank = 1, .dims = {3}}));
    schedule(t, g);
}

TEST(a_broken_graph_stays_broken)
{
    graph *const g = graph_open(t->home);
    memory_facts m = {0};

    graph_fail(g, EBB_E_SHAPE, "some fault");
    CHECK_STATUS(graph_schedule(g, &m, NULL, &t->error), EBB_E_SHAPE);
}

TEST(a_failed_allocation_leaves_the_order)
{
    const training_options o = {.kind = TRAINING_ATTENTION, .layers = 1, .rows = 2, .width = 4};
    graph *const g = training_graph_make(t, t->home, &o);
    const memory_facts m = facts(t, g);
    const uint64_t live = region_bytes_live(ledger_root(t->ledger));
    node *const nodes = region_new(t->home, node, g->node_count);
    const uint64_t live_then = region_bytes_live(ledger_root(t->ledger));

    CHECK(nodes != NULL && live_then >= live);
    memcpy(nodes, g->nodes, g->node_count * sizeof *nodes);
    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = graph_schedule(g, &m, NULL, &t->error);
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_EQ(region_bytes_live(ledger_root(t->ledger)), live_then);
        CHECK_STATUS(status, has_failed ? EBB_E_MEMORY : EBB_OK);
        if (!has_failed) break;
        CHECK(memcmp(nodes, g->nodes, g->node_count * sizeof *nodes) == 0);
    }
}

TEST_MAIN(RUN(order_changes_no_number), RUN(order_is_a_function_of_the_graph),
          RUN(gradients_die_one_by_one), RUN(variables_that_swap_are_no_circle),
          RUN(updates_wait_for_readers), RUN(an_empty_graph_has_an_order),
          RUN(a_broken_graph_stays_broken), RUN(a_failed_allocation_leaves_the_order))
