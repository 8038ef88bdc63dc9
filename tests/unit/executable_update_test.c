/* executable_update_test.c -- variables that runs change: in place where it is safe, through the
 * arena where it is not, and always as if every node had read the old values. */
#include "harness.h"

#include <string.h>

#include "exec/executable.h"

#define LENGTH 5

typedef struct bench {
    device cpu;
    graph *g;
    weights *w;
    executable *e;
    float memory[4][16] __attribute__((aligned(64))); /* by weight index */
    void *arena;
} bench;

static void bench_open(test *t, bench *b)
{
    const device_options options = {.isa = "portable", .no_jit = true, .threads = 1};

    *b = (bench){.cpu = {.def = device_def_find("CPU")}};
    CHECK_OK(b->cpu.def->open(&b->cpu, &options, &t->error));
    b->g = graph_open(t->home);
    CHECK(b->g != NULL);
}

static value vector(bench *b, uint32_t index)
{
    return graph_variable(b->g, EBB_F32, &(shape){1, {LENGTH}}, index);
}

static void bench_make(test *t, bench *b)
{
    void *memory[4];
    const int64_t symbols[1] = {0};

    CHECK(graph_ok(b->g));
    CHECK_OK(graph_verify(b->g, &t->error));
    CHECK_OK(weights_open(t->home, &b->cpu, b->g, false, &b->w, &t->error));
    const executable_options options = {.home = t->home,
                                        .device = &b->cpu,
                                        .graph = b->g,
                                        .weights = b->w,
                                        .symbols = symbols,
                                        .threads = 1,
                                        .lanes = 1};
    CHECK_OK(executable_make(&options, &b->e, &t->error));
    CHECK_OK(weights_layout(b->w, &t->error));
    CHECK_OK(weights_fill(b->w, t->home, t->home, NULL, &t->error));
    for (int i = 0; i < 4; i++) {
        memory[i] = b->memory[i];
        for (int k = 0; k < LENGTH; k++) b->memory[i][k] = (float)(10 * i + k);
    }
    weights_lend(b->w, memory);
    b->arena = region_block(t->home, b->e->arena_bytes + 1);
    CHECK(b->arena != NULL);
    CHECK_OK(executable_open(b->e, &t->error));
    CHECK_OK(executable_bind(b->e, 0, b->arena, &t->error));
}

static void bench_run(bench *b, float *x, float *y)
{
    const ebb_view input = {EBB_F32, 1, {LENGTH}, x}, output = {EBB_F32, 1, {LENGTH}, y};

    executable_run(b->e, 0, &input, &output);
}

static uint32_t stored_in_arena(const bench *b)
{
    uint32_t count = 0;

    for (uint32_t i = b->e->result_count; i < b->g->output_count; i++) {
        count += b->e->places[b->g->outputs[i]].kind == PLACE_ARENA;
    }
    return count;
}

/* w <- w - x computes in the variable itself. */
TEST(an_update_is_computed_in_place)
{
    bench b;
    float x[LENGTH] = {1, 1, 1, 1, 1}, y[LENGTH];

    bench_open(t, &b);
    const value in = graph_input(b.g, EBB_F32, &(shape){1, {LENGTH}}), w = vector(&b, 0);
    graph_output(b.g, op_mul(b.g, w, in));
    graph_update(b.g, w, op_sub(b.g, w, in));
    bench_make(t, &b);
    CHECK_EQ(stored_in_arena(&b), 0);
    for (int run = 1; run <= 3; run++) {
        bench_run(&b, x, y);
        for (int k = 0; k < LENGTH; k++) {
            CHECK_NEAR(y[k], (float)(k - run + 1), 0);
            CHECK_NEAR(b.memory[0][k], (float)(k - run), 0);
        }
    }
    executable_close(b.e);
}

/* The old value is read after the new one is there: it has to wait in the arena. */
TEST(a_late_reader_sees_the_old_value)
{
    bench b;
    float x[LENGTH] = {2, 2, 2, 2, 2}, y[LENGTH];

    bench_open(t, &b);
    const value in = graph_input(b.g, EBB_F32, &(shape){1, {LENGTH}}), w = vector(&b, 0);
    const value next = op_add(b.g, w, in);
    graph_output(b.g, op_mul(b.g, next, w));
    graph_update(b.g, w, next);
    bench_make(t, &b);
    CHECK_EQ(stored_in_arena(&b), 1);
    bench_run(&b, x, y);
    for (int k = 0; k < LENGTH; k++) {
        CHECK_NEAR(y[k], (float)((k + 2) * k), 0);
        CHECK_NEAR(b.memory[0][k], (float)(k + 2), 0);
    }
    executable_close(b.e);
}

/* Variables change places, one becomes a constant, one takes the input: nothing is computed. */
TEST(variables_may_take_each_others_place)
{
    bench b;
    float x[LENGTH] = {7, 8, 9, 10, 11}, y[LENGTH];
    const float numbers[LENGTH] = {5, 4, 3, 2, 1};

    bench_open(t, &b);
    const value in = graph_input(b.g, EBB_F32, &(shape){1, {LENGTH}});
    const value one = vector(&b, 0), two = vector(&b, 1), three = vector(&b, 2),
                four = vector(&b, 3);
    graph_output(b.g, op_add(b.g, in, one));
    graph_update(b.g, one, two);
    graph_update(b.g, two, one);
    graph_update(b.g, three, graph_constant(b.g, EBB_F32, &(shape){1, {LENGTH}}, numbers));
    graph_update(b.g, four, in);
    bench_make(t, &b);
    bench_run(&b, x, y);
    for (int k = 0; k < LENGTH; k++) {
        CHECK_NEAR(y[k], x[k] + (float)k, 0);
        CHECK_NEAR(b.memory[0][k], (float)(10 + k), 0);
        CHECK_NEAR(b.memory[1][k], (float)k, 0);
        CHECK_NEAR(b.memory[2][k], numbers[k], 0);
        CHECK_NEAR(b.memory[3][k], x[k], 0);
    }
    executable_close(b.e);
}

/* One value is a result and the next value of two variables. */
TEST(one_value_may_serve_several)
{
    bench b;
    float x[LENGTH] = {1, 2, 3, 4, 5}, y[LENGTH];

    bench_open(t, &b);
    const value in = graph_input(b.g, EBB_F32, &(shape){1, {LENGTH}});
    const value one = vector(&b, 0), two = vector(&b, 1);
    const value sum = op_add(b.g, op_add(b.g, in, one), two);
    graph_output(b.g, sum);
    graph_update(b.g, one, sum);
    graph_update(b.g, two, sum);
    bench_make(t, &b);
    bench_run(&b, x, y);
    for (int k = 0; k < LENGTH; k++) {
        CHECK_NEAR(y[k], x[k] + (float)(2 * k + 10), 0);
        CHECK_NEAR(b.memory[0][k], y[k], 0);
        CHECK_NEAR(b.memory[1][k], y[k], 0);
    }
    executable_close(b.e);
}

TEST_MAIN(RUN(an_update_is_computed_in_place), RUN(a_late_reader_sees_the_old_value),
          RUN(variables_may_take_each_others_place), RUN(one_value_may_serve_several))
