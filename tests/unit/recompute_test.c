/* recompute_test.c -- recomputation: the arena fits or it is refused, every number stays the same,
 * how low some training graphs go; faults. */
#include "training_graph.h"

#include <string.h>

#include "graph/node_schedule.h"
#include "graph/recompute.h"

static memory_facts facts(test *t, const graph *g)
{
    memory_facts m;

    CHECK_OK(memory_facts_make(t->home, g, NULL, &m, &t->error));
    return m;
}

static live_cost measure(test *t, const graph *g)
{
    const memory_facts m = facts(t, g);
    uint32_t *const order = region_new(t->home, uint32_t, g->node_count + 1);
    live_cost cost;

    CHECK(order != NULL);
    CHECK_OK(live_measure(t->home, g, &m, order, live_order(g, order), true, &cost, &t->error));
    return cost;
}

static ebb_status recompute(test *t, graph *g, uint64_t arena_max, recompute_report *report)
{
    const memory_facts m = facts(t, g);
    const recompute_options o = {.memory = &m, .arena_max = arena_max};
    const uint32_t nodes = g->node_count;
    const ebb_status status = graph_recompute(g, &o, report, &t->error);

    CHECK_OK(graph_verify(g, &t->error));
    CHECK(status == EBB_OK || g->node_count == nodes);
    if (status == EBB_OK) {
        CHECK_EQ(g->node_count, nodes + report->copies);
        CHECK(report->after.arena <= arena_max);
        /* the graph takes what the report says */
        CHECK_EQ(measure(t, g).arena, report->after.arena);
    }
    return status;
}

/* Goal: under any limit, either the arena fits and nothing else changes, or the graph stays. */
TEST(copies_change_no_number)
{
    uint32_t fitted = 0, refused = 0;

    test_threads_stay(t);
    for (uint32_t round = 0; round < 40; round++) {
        const training_options o = {.kind = round % TRAINING_KINDS,
                                    .layers = 3 + round % 4,
                                    .rows = 16,
                                    .width = 4,
                                    .optimizer = round % 2 == 0 ? "sgd" : "adam",
                                    .has_passes = round % 4 >= 2,
                                    .seed = round};
        graph *const a = training_graph_make(t, t->home, &o);
        graph *const b = training_graph_make(t, t->home, &o);
        const memory_facts m = facts(t, b);
        recompute_report report;

        if (round % 3 == 0) CHECK_OK(graph_schedule(b, &m, NULL, &t->error));
        const uint64_t before = measure(t, b).arena;
        if (recompute(t, b, before * (95 - 3 * round / 2) / 100, &report) == EBB_OK)
            fitted++;
        else
            refused++;
        CHECK_EQ(report.before.arena, before);
        training_graph_compare(t, a, b);
    }
    CHECK(fitted >= 15 && refused >= 3);
}

static double lowest(test *t, const training_options *o, double *extra)
{
    double low = 0, high = 1;

    *extra = 0;
    for (uint32_t i = 0; i < 5; i++) {
        region *const home = region_open(t->home, "graph", EBB_CLASS_META, 0);
        const double middle = (low + high) / 2;
        graph *const g = training_graph_make(t, home, o);
        const memory_facts m = facts(t, g);
        schedule_report scheduled;
        recompute_report report;

        CHECK_OK(graph_schedule(g, &m, &scheduled, &t->error));
        const recompute_options r = {.memory = &m,
                                     .arena_max =
                                         (uint64_t)((double)scheduled.after.arena * middle),
                                     .is_trial = true};
        if (graph_recompute(g, &r, &report, &t->error) == EBB_OK) {
            high = middle;
            *extra = (double)report.flops_extra / (double)report.flops;
        } else {
            low = middle;
        }
        region_close(home);
    }
    return high;
}

/* Deep networks go far below what they take by themselves. */
TEST(deep_networks_shrink)
{
    const struct {
        training_options o;
        double lowest;
    } cases[] = {
        {{.kind = TRAINING_MLP, .layers = 20, .rows = 256, .width = 16, .optimizer = "sgd"}, 0.40},
        {{.kind = TRAINING_CNN, .layers = 16, .rows = 4, .optimizer = "sgd"}, 0.40},
        {{.kind = TRAINING_ATTENTION, .layers = 6, .rows = 16, .optimizer = "sgd"}, 0.45}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double extra;
        const double found = lowest(t, &cases[i].o, &extra);

        if (found > cases[i].lowest)
            harness_fail(__FILE__, __LINE__, "kind %d: %.3f of the arena, %.2f extra",
                         (int)cases[i].o.kind, found, extra);
    }
}

/* A chain of layers in half of its memory costs less than one more forward pass: a third of all. */
TEST(half_the_memory_costs_no_more_than_a_forward_pass)
{
    const training_options o = {
        .kind = TRAINING_MLP, .layers = 24, .rows = 512, .width = 16, .optimizer = "sgd"};
    graph *const g = training_graph_make(t, t->home, &o);
    recompute_report report;

    CHECK_OK(recompute(t, g, measure(t, g).arena / 2, &report));
    CHECK(report.copies > 0);
    CHECK(report.flops_extra < report.flops / 3);
}

TEST(a_high_limit_changes_nothing)
{
    graph *const g = training_graph_make(t, t->home, &(training_options){.kind = TRAINING_CNN});
    recompute_report report;

    CHECK_OK(recompute(t, g, measure(t, g).arena, &report));
    CHECK_EQ(report.copies, 0);
    CHECK_EQ(report.flops_extra, 0);
}

TEST(a_trial_changes_nothing)
{
    graph *const g =
        training_graph_make(t, t->home, &(training_options){.kind = TRAINING_MLP, .rows = 64});
    const uint32_t nodes = g->node_count;
    const memory_facts m = facts(t, g);
    const recompute_options o = {
        .memory = &m, .arena_max = measure(t, g).arena * 9 / 10, .is_trial = true};
    recompute_report report;

    CHECK_OK(graph_recompute(g, &o, &report, &t->error));
    CHECK(report.copies > 0);
    CHECK_EQ(g->node_count, nodes);
}

TEST(the_refusal_says_what_was_found)
{
    graph *const g = training_graph_make(t, t->home, &(training_options){.kind = TRAINING_LSTM});
    recompute_report report;

    CHECK_STATUS(recompute(t, g, 64, &report), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "64");
    CHECK(report.after.arena > 64);
}

/* Random numbers without a stream differ each time they are drawn: they are kept, or it is refused.
 */
TEST(random_numbers_without_a_stream_are_drawn_once)
{
    const shape s = {.rank = 2, .dims = {64, 64}};
    graph *const g = graph_open(t->home);
    const random_attributes random = {.kind = RANDOM_UNIFORM, .high = 1, .to = s};
    const value x = graph_input(g, EBB_F32, &s);
    const value drawn = op_random(g, &random);
    value y = op_unary(g, UNARY_EXP, op_mul(g, x, drawn));
    recompute_report report;

    for (uint32_t i = 0; i < 4; i++) y = op_matmul(g, y, x, false, false);
    graph_output(g, op_add(g, y, drawn));
    CHECK_STATUS(recompute(t, g, measure(t, g).arena - 64, &report), EBB_E_MEMORY);
    for (uint32_t i = 0, count = 0; i < g->node_count; i++)
        if (g->nodes[i].op == OP_random) CHECK_EQ(++count, 1);
}

TEST(copies_keep_the_name)
{
    graph *const g = graph_open(t->home);
    const shape s = {.rank = 2, .dims = {64, 64}};
    const value x = graph_input(g, EBB_F32, &s);
    recompute_report report;

    g->scope = "early";
    const value early = op_unary(g, UNARY_EXP, x);
    value y = op_matmul(g, early, x, false, false);
    g->scope = "late";
    for (uint32_t i = 0; i < 4; i++) y = op_matmul(g, y, x, false, false);
    graph_output(g, op_matmul(g, y, early, false, false));
    g->scope = NULL;
    CHECK_OK(recompute(t, g, measure(t, g).arena - 64, &report));
    CHECK_EQ(report.copies, 1);
    uint32_t found = 0;
    for (uint32_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].op == OP_unary) {
            CHECK_TEXT(g->nodes[i].name, "early");
            found++;
        }
    CHECK_EQ(found, 2);
}

/* Every allocation fails once: E_MEMORY, nothing stays but what the graph itself took; before the
 * copies are made the graph is as it was. */
TEST(failed_allocations_give_everything_back)
{
    const training_options o = {
        .kind = TRAINING_MLP, .layers = 4, .rows = 32, .width = 4, .optimizer = "sgd"};
    const uint64_t live = region_bytes_live(ledger_root(t->ledger));

    for (int64_t n = 0;; n++) {
        region *const home = region_open(t->home, "graph", EBB_CLASS_META, 0);
        graph *const g = training_graph_make(t, home, &o);
        memory_facts m;

        CHECK_OK(memory_facts_make(home, g, NULL, &m, &t->error));
        const recompute_options r = {.memory = &m, .arena_max = 4000};
        test_fail_allocation(t, n);
        const ebb_status status = graph_recompute(g, &r, NULL, &t->error);
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, has_failed ? EBB_E_MEMORY : EBB_OK);
        if (graph_ok(g)) CHECK_OK(graph_verify(g, &t->error));
        region_close(home);
        CHECK_EQ(region_bytes_live(ledger_root(t->ledger)), live);
        if (!has_failed) break;
    }
}

TEST_MAIN(RUN(copies_change_no_number), RUN(deep_networks_shrink),
          RUN(half_the_memory_costs_no_more_than_a_forward_pass), RUN(a_high_limit_changes_nothing),
          RUN(a_trial_changes_nothing), RUN(the_refusal_says_what_was_found),
          RUN(random_numbers_without_a_stream_are_drawn_once), RUN(copies_keep_the_name),
          RUN(failed_allocations_give_everything_back))
