/* live_range_test.c -- the memory of an order as the executor would take it: small cases by hand,
 * training graphs against executables. */
#include "training_graph.h"

#include "exec/executable.h"
#include "graph/live_range.h"

static const shape vector = {.rank = 1, .dims = {64}}; /* 256 bytes */

static live_cost measure(test *t, const graph *g, const memory_facts *m)
{
    uint32_t *const order = region_new(t->home, uint32_t, g->node_count + 1);
    live_cost cost;

    CHECK(order != NULL);
    CHECK_OK(live_measure(t->home, g, m, order, live_order(g, order), true, &cost, &t->error));
    return cost;
}

static uint64_t peak(test *t, const graph *g)
{
    memory_facts m;

    CHECK_OK(memory_facts_make(t->home, g, NULL, &m, &t->error));
    return measure(t, g, &m).peak;
}

TEST(a_chain_in_place_is_one_buffer)
{
    graph *const g = graph_open(t->home);
    value x = graph_input(g, EBB_F32, &vector);

    for (uint32_t i = 0; i < 5; i++) x = op_unary(g, UNARY_EXP, x);
    graph_output(g, x);
    CHECK_EQ(peak(t, g), 256 + 256); /* and the staged input */
}

TEST(a_value_lives_to_its_last_reader)
{
    graph *const g = graph_open(t->home);
    const value x = op_unary(g, UNARY_EXP, graph_input(g, EBB_F32, &vector));
    const value y = op_unary(g, UNARY_NEG, op_unary(g, UNARY_ABS, x));

    graph_output(g, op_reduce(g, REDUCE_SUM, op_add(g, y, x), 0, false));
    CHECK_EQ(peak(t, g), 2 * 256); /* not over x, which is read once more */
}

/* In the variable; staged because of a later reader; staged beyond the last step. */
TEST(an_update_takes_no_memory_unless_it_must_wait)
{
    for (uint32_t way = 0; way < 2; way++) {
        graph *const g = graph_open(t->home);
        const value x = graph_input(g, EBB_F32, &vector);
        const value w = graph_variable(g, EBB_F32, &vector, 0);
        const value next = op_sub(g, w, x);

        if (way == 1) graph_output(g, op_reduce(g, REDUCE_SUM, w, 0, false));
        graph_update(g, w, next);
        CHECK_EQ(peak(t, g), way == 0 ? 256 : 256 + 256);
    }
}

/* next = gradient * rate - w could be written over the gradient, which is there before w is read
 * for the last time: in the variable is better. */
TEST(an_update_prefers_its_variable)
{
    graph *const g = graph_open(t->home);
    const value x = graph_input(g, EBB_F32, &vector), w = graph_variable(g, EBB_F32, &vector, 0);
    const value gradient = op_unary(g, UNARY_EXP, x);
    const value y = op_reduce(g, REDUCE_SUM, op_unary(g, UNARY_SIN, w), 0, false);

    graph_update(g, w, op_sub(g, gradient, op_mul(g, w, y)));
    const uint64_t bytes = peak(t, g);
    CHECK(bytes <= 256 + 256 + 256 + 64);
}

TEST(a_second_copy_ends_the_first)
{
    graph *const g = graph_open(t->home);
    const value x = graph_input(g, EBB_F32, &vector), a = op_unary(g, UNARY_EXP, x);
    const value b = op_reduce(g, REDUCE_SUM, a, 0, false);
    const value c =
        op_reduce(g, REDUCE_MAX, op_mul(g, op_concat(g, (value[]){x, x}, 2, 0), b), 0, false);
    memory_facts m;
    live_cost once, twice;

    graph_output(g, op_mul(g, c, a));
    CHECK_OK(memory_facts_make(t->home, g, NULL, &m, &t->error));
    const uint32_t order[] = {0, 1, 2, 3, 4, 5}, again[] = {0, 1, 2, 3, 4, 0, 5};
    CHECK_EQ(g->node_count, 6);
    CHECK_OK(live_measure(t->home, g, &m, order, 6, true, &once, &t->error));
    CHECK_OK(live_measure(t->home, g, &m, again, 7, true, &twice, &t->error));
    CHECK_EQ(once.peak - twice.peak, 256);
}

TEST(a_size_that_does_not_fit_is_refused)
{
    graph *const g = graph_open(t->home);
    const dim n = dim_symbol(g, "n");
    const int64_t symbol = (int64_t)1 << 40;
    int64_t values[DIM_UNKNOWN_MAX];
    memory_facts m;

    graph_input(g, EBB_F32, &(shape){.rank = 2, .dims = {n, n}});
    CHECK_OK(dim_evaluate(g, &symbol, values, &t->error));
    CHECK_STATUS(memory_facts_make(t->home, g, values, &m, &t->error), EBB_E_SHAPE);
}

/* Goal: the figures are those of an executable. */
TEST(executables_take_what_is_measured)
{
    const device_options options = {.isa = "portable", .no_jit = true, .threads = 1};
    const int64_t symbols[1] = {0};
    device cpu = {.def = device_def_find("CPU")};

    CHECK_OK(cpu.def->open(&cpu, &options, &t->error));
    for (uint32_t round = 0; round < 2 * TRAINING_KINDS; round++) {
        const training_options o = {.kind = round % TRAINING_KINDS,
                                    .optimizer = round < TRAINING_KINDS ? "sgd" : "adam",
                                    .seed = round};
        graph *const g = training_graph_make(t, t->home, &o);
        uint64_t *const scratch = region_new(t->home, uint64_t, g->node_count);
        weights *w;
        executable *e;
        memory_facts m;

        CHECK_OK(weights_open(t->home, &cpu, g, false, &w, &t->error));
        const executable_options made = {.home = t->home,
                                         .device = &cpu,
                                         .graph = g,
                                         .weights = w,
                                         .symbols = symbols,
                                         .threads = 1,
                                         .lanes = 1};
        CHECK_OK(executable_make(&made, &e, &t->error));
        for (uint32_t i = 0; i < e->step_count; i++)
            scratch[e->steps[i].node - g->nodes] = e->steps[i].scratch_bytes;
        CHECK_OK(memory_facts_make(t->home, g, NULL, &m, &t->error));
        m.scratch_bytes = scratch;
        CHECK_EQ(measure(t, g, &m).arena, e->arena_bytes);
        executable_close(e);
    }
}

TEST_MAIN(RUN(a_chain_in_place_is_one_buffer), RUN(a_value_lives_to_its_last_reader),
          RUN(an_update_takes_no_memory_unless_it_must_wait), RUN(an_update_prefers_its_variable),
          RUN(a_second_copy_ends_the_first), RUN(a_size_that_does_not_fit_is_refused),
          RUN(executables_take_what_is_measured))
