/* scan_test.c -- loops over a graph of their own: against the recurrent op, backwards, nested, with
 * the number of the step, empty; what cannot be right is refused. */
#include "harness.h"

#include <string.h>

#include "exec/executable.h"
#include "graph/gradient.h"

#define UNITS 3
#define WIDTH 2

typedef struct bench {
    device cpu;
    graph *g;
    weights *w;
    executable *e;
    void *arena;
} bench;

static void bench_open(test *t, bench *b)
{
    const device_options options = {.threads = 1};

    *b = (bench){.cpu = {.def = device_def_find("CPU")}};
    CHECK_OK(b->cpu.def->open(&b->cpu, &options, &t->error));
    b->g = graph_open(t->home);
    CHECK(b->g != NULL);
}

static ebb_status read_weight(void *context, region *scratch, uint32_t index, uint64_t first,
                              uint64_t count, void *bytes, ebb_error *error)
{
    float *numbers = bytes;

    (void)context;
    (void)scratch;
    (void)error;
    for (uint64_t i = 0; i < count; i++)
        numbers[i] = (float)((first + i) * 7 + index * 5 % 11) * 0.013f - 0.1f;
    return EBB_OK;
}

static ebb_status bench_make(test *t, bench *b, const int64_t *symbols)
{
    static const int64_t none[1] = {0};
    const weight_reader reader = {read_weight, NULL};
    ebb_status status;

    if (!graph_ok(b->g)) harness_fail(__FILE__, __LINE__, "%s", b->g->error.text);
    CHECK_OK(graph_verify(b->g, &t->error));
    status = weights_open(t->home, &b->cpu, b->g, true, &b->w, &t->error);
    if (status != EBB_OK) return status;
    const executable_options options = {.home = t->home,
                                        .device = &b->cpu,
                                        .graph = b->g,
                                        .weights = b->w,
                                        .symbols = symbols != NULL ? symbols : none,
                                        .threads = 1,
                                        .lanes = 1};
    status = executable_make(&options, &b->e, &t->error);
    if (status == EBB_OK) status = weights_layout(b->w, &t->error);
    if (status == EBB_OK) status = weights_fill(b->w, t->home, t->home, &reader, &t->error);
    if (status != EBB_OK) return status;
    b->arena = region_block(t->home, b->e->arena_bytes + 1);
    if (b->arena == NULL) return EBB_E_MEMORY;
    status = executable_open(b->e, &t->error);
    return status == EBB_OK ? executable_bind(b->e, 0, b->arena, &t->error) : status;
}

/* h = tanh(x . kernel + h . recurrent + bias), one step. */
static graph *cell_body(test *t)
{
    graph *g = graph_open(t->home);
    const dim rows = dim_symbol(g, "rows");
    const value h = graph_input(g, EBB_F32, &(shape){2, {rows, UNITS}});
    const value x = graph_input(g, EBB_F32, &(shape){2, {rows, WIDTH}});
    const value kernel = graph_input(g, EBB_F32, &(shape){2, {WIDTH, UNITS}});
    const value recurrent = graph_input(g, EBB_F32, &(shape){2, {UNITS, UNITS}});
    const value bias = graph_input(g, EBB_F32, &(shape){1, {UNITS}});
    const value sum =
        op_add(g, op_matmul(g, x, kernel, false, false), op_matmul(g, h, recurrent, false, false));
    const value next = op_unary(g, UNARY_TANH, op_add(g, sum, bias));

    graph_output(g, next);
    graph_output(g, next);
    return g;
}

typedef struct recurrence {
    value x, kernel, recurrent, bias, h0;
} recurrence;

static recurrence recurrence_inputs(graph *g)
{
    const dim rows = dim_symbol(g, "batch"), steps = dim_symbol(g, "time");

    return (recurrence){.x = graph_input(g, EBB_F32, &(shape){3, {rows, steps, WIDTH}}),
                        .h0 = graph_input(g, EBB_F32, &(shape){2, {rows, UNITS}}),
                        .kernel = graph_weight(g, EBB_F32, &(shape){2, {WIDTH, UNITS}}, 0),
                        .recurrent = graph_weight(g, EBB_F32, &(shape){2, {UNITS, UNITS}}, 1),
                        .bias = graph_weight(g, EBB_F32, &(shape){1, {UNITS}}, 2)};
}

static value as_scan(test *t, graph *g, const recurrence *r, bool go_backwards)
{
    static const uint32_t swapped[] = {1, 0, 2};
    const value sequence = op_transpose(g, r->x, swapped);
    const scan_attributes a = {.body = cell_body(t),
                               .carried = 1,
                               .sequences = 1,
                               .results = 1,
                               .steps = graph_dim(g, r->x, 1),
                               .go_backwards = go_backwards};
    const value inputs[] = {r->h0, sequence, r->kernel, r->recurrent, r->bias};
    const value last = op_scan(g, inputs, 5, &a);

    graph_output(g, op_transpose(g, last + 1, swapped));
    graph_output(g, last);
    return last;
}

static void as_rnn(graph *g, const recurrence *r, bool go_backwards)
{
    const rnn_operands operands = {
        .x = r->x, .kernel = r->kernel, .recurrent = r->recurrent, .bias = r->bias, .h0 = r->h0};
    const rnn_attributes a = {.kind = RNN_SIMPLE,
                              .units = UNITS,
                              .activation = {.kind = UNARY_TANH},
                              .go_backwards = go_backwards,
                              .return_sequences = true};
    const value y = op_rnn(g, &operands, &a);

    graph_output(g, go_backwards ? op_reverse(g, y, 1) : y);
    graph_output(g, y + 1);
}

static void compare_with_rnn(test *t, int64_t rows, int64_t steps, bool go_backwards)
{
    bench b;
    float x[64], h0[16], y[2][128], last[2][16];

    bench_open(t, &b);
    const recurrence r = recurrence_inputs(b.g);
    (void)as_scan(t, b.g, &r, go_backwards);
    as_rnn(b.g, &r, go_backwards);
    CHECK(graph_rows_independent(b.g, 0));
    CHECK_OK(bench_make(t, &b, (const int64_t[]){rows, steps}));
    for (int i = 0; i < 64; i++) x[i] = (float)(i % 13) * 0.1f - 0.6f;
    for (int i = 0; i < 16; i++) h0[i] = (float)i * 0.05f;
    const ebb_view inputs[] = {{EBB_F32, 3, {rows, steps, WIDTH}, x},
                               {EBB_F32, 2, {rows, UNITS}, h0}};
    const ebb_view outputs[] = {{EBB_F32, 3, {rows, steps, UNITS}, y[0]},
                                {EBB_F32, 2, {rows, UNITS}, last[0]},
                                {EBB_F32, 3, {rows, steps, UNITS}, y[1]},
                                {EBB_F32, 2, {rows, UNITS}, last[1]}};
    for (int run = 0; run < 2; run++) executable_run(b.e, 0, inputs, outputs);
    for (int64_t i = 0; i < rows * steps * UNITS; i++) CHECK_NEAR(y[0][i], y[1][i], 1e-6);
    for (int64_t i = 0; i < rows * UNITS; i++) CHECK_NEAR(last[0][i], last[1][i], 1e-6);
    executable_close(b.e);
}

TEST(a_loop_computes_what_the_recurrent_op_computes)
{
    compare_with_rnn(t, 1, 1, false);
    compare_with_rnn(t, 3, 5, false);
    compare_with_rnn(t, 2, 4, true);
}

TEST(no_step_hands_the_first_values_on)
{
    bench b;
    float h0[] = {1, 2, 3}, last[3] = {0}, none[1] = {0};

    bench_open(t, &b);
    const recurrence r = recurrence_inputs(b.g);
    (void)as_scan(t, b.g, &r, false);
    CHECK_OK(bench_make(t, &b, (const int64_t[]){1, 0}));
    const ebb_view inputs[] = {{EBB_F32, 3, {1, 0, WIDTH}, none}, {EBB_F32, 2, {1, UNITS}, h0}};
    const ebb_view outputs[] = {{EBB_F32, 3, {1, 0, UNITS}, none}, {EBB_F32, 2, {1, UNITS}, last}};
    executable_run(b.e, 0, inputs, outputs);
    for (int i = 0; i < 3; i++) CHECK_NEAR(last[i], h0[i], 0);
    executable_close(b.e);
}

/* Two carried values that change places, an invariant, a literal, and the number of the step. */
TEST(carried_values_change_places)
{
    bench b;
    float first[] = {1, 10}, second[] = {2, 20}, ends[2][2], sums[5][2];

    bench_open(t, &b);
    graph *body = graph_open(t->home);
    const shape pair = {1, {2}}, scalar = {0};
    const value p = graph_input(body, EBB_F32, &pair), q = graph_input(body, EBB_F32, &pair);
    const value i = graph_input(body, EBB_I32, &scalar);
    graph_output(body, q);
    graph_output(body, p);
    graph_output(body,
                 op_add(body, op_mul(body, p, graph_scalar(body, 100)), op_cast(body, i, EBB_F32)));
    const value inputs[] = {graph_input(b.g, EBB_F32, &pair), graph_input(b.g, EBB_F32, &pair)};
    const scan_attributes a = {
        .body = body, .carried = 2, .results = 1, .steps = 5, .has_index = true};
    const value y = op_scan(b.g, inputs, 2, &a);
    for (uint32_t k = 0; k < 3; k++) graph_output(b.g, y + k);
    CHECK_OK(bench_make(t, &b, NULL));
    const ebb_view given[] = {{EBB_F32, 1, {2}, first}, {EBB_F32, 1, {2}, second}};
    const ebb_view got[] = {
        {EBB_F32, 1, {2}, ends[0]}, {EBB_F32, 1, {2}, ends[1]}, {EBB_F32, 2, {5, 2}, sums}};
    executable_run(b.e, 0, given, got);
    CHECK_NEAR(ends[0][1], 20, 0);
    CHECK_NEAR(ends[1][1], 10, 0);
    for (int k = 0; k < 5; k++) CHECK_NEAR(sums[k][0], (k % 2 == 0 ? 100 : 200) + k, 0);
    executable_close(b.e);
}

/* Sums of rows of a matrix, then of those: a loop in a loop. */
TEST(loops_run_inside_loops)
{
    bench b;
    float x[] = {1, 2, 3, 4, 5, 6}, zero[] = {0}, total[1];

    bench_open(t, &b);
    graph *inner = graph_open(t->home), *outer = graph_open(t->home);
    const shape scalar = {0};
    const value sum = graph_input(inner, EBB_F32, &scalar),
                e = graph_input(inner, EBB_F32, &scalar);
    graph_output(inner, op_add(inner, sum, e));
    const value whole = graph_input(outer, EBB_F32, &scalar);
    const value row = graph_input(outer, EBB_F32, &(shape){1, {3}});
    const scan_attributes of_row = {.body = inner, .carried = 1, .sequences = 1, .steps = 3};
    graph_output(outer, op_scan(outer, (const value[]){whole, row}, 2, &of_row));
    const value start = graph_input(b.g, EBB_F32, &scalar);
    const value matrix = graph_input(b.g, EBB_F32, &(shape){2, {2, 3}});
    const scan_attributes of_matrix = {.body = outer, .carried = 1, .sequences = 1, .steps = 2};
    graph_output(b.g, op_scan(b.g, (const value[]){start, matrix}, 2, &of_matrix));
    CHECK_OK(bench_make(t, &b, NULL));
    const ebb_view inputs[] = {{EBB_F32, 0, {0}, zero}, {EBB_F32, 2, {2, 3}, x}};
    const ebb_view outputs[] = {{EBB_F32, 0, {0}, total}};
    executable_run(b.e, 0, inputs, outputs);
    CHECK_NEAR(total[0], 21, 0);
    executable_close(b.e);
}

static ebb_status refused(test *t, const value *inputs, uint32_t count, graph *g,
                          const scan_attributes *a)
{
    (void)t;
    (void)op_scan(g, inputs, count, a);
    return g->error.status;
}

TEST(what_does_not_fit_is_refused)
{
    graph *body = graph_open(t->home), *g = graph_open(t->home);
    const value h = graph_input(body, EBB_F32, &(shape){1, {3}});
    const value x = graph_input(body, EBB_F32, &(shape){1, {3}});
    graph_output(body, op_add(body, h, x));
    const value h0 = graph_input(g, EBB_F32, &(shape){1, {3}});
    const value xs = graph_input(g, EBB_F32, &(shape){2, {4, 2}});
    const scan_attributes a = {.body = body, .carried = 1, .sequences = 1, .steps = 4};
    CHECK_STATUS(refused(t, (const value[]){h0, xs}, 2, g, &a), EBB_E_SHAPE);

    g = graph_open(t->home);
    const value one = graph_input(g, EBB_F32, &(shape){1, {3}});
    CHECK_STATUS(refused(t, &one, 1, g, &a), EBB_E_ARGUMENT);

    g = graph_open(t->home);
    const value ints = graph_input(g, EBB_I32, &(shape){1, {3}});
    const value right = graph_input(g, EBB_F32, &(shape){2, {4, 3}});
    CHECK_STATUS(refused(t, (const value[]){ints, right}, 2, g, &a), EBB_E_DTYPE);
}

TEST(no_gradient_passes_in_silence)
{
    graph *g = graph_open(t->home);
    const recurrence r = recurrence_inputs(g);
    const value last = as_scan(t, g, &r, false);
    value gradient = VALUE_NONE;

    CHECK(!graph_gradients(g, &last, NULL, 1, &r.h0, &gradient, 1));
    CHECK_STATUS(g->error.status, EBB_E_UNSUPPORTED);
}

TEST(a_body_deeper_than_the_bound_is_refused)
{
    const shape scalar = {0};
    graph *g = graph_open(t->home);
    value x = graph_input(g, EBB_F32, &scalar);
    ebb_status status = EBB_OK;

    graph_output(g, op_unary(g, UNARY_NEG, x));
    for (int depth = 0; depth <= SCAN_DEPTH_MAX && status == EBB_OK; depth++) {
        const scan_attributes a = {.body = g, .carried = 1, .steps = 2};
        g = graph_open(t->home);
        x = graph_input(g, EBB_F32, &scalar);
        graph_output(g, op_scan(g, &x, 1, &a));
        status = g->error.status;
        CHECK(status == EBB_OK || depth == SCAN_DEPTH_MAX);
    }
    CHECK_STATUS(status, EBB_E_UNSUPPORTED);
}

TEST(no_allocation_that_fails_leaves_anything)
{
    bool done = false;

    for (int n = 0; n < 400 && !done; n++) {
        bench b;
        bench_open(t, &b);
        const recurrence r = recurrence_inputs(b.g);
        (void)as_scan(t, b.g, &r, false);
        CHECK(graph_ok(b.g));
        test_fail_allocation(t, n);
        done = bench_make(t, &b, (const int64_t[]){2, 3}) == EBB_OK;
        test_fail_allocation(t, -1);
        executable_close(b.e);
    }
    CHECK(done);
}

TEST_MAIN(RUN(a_loop_computes_what_the_recurrent_op_computes),
          RUN(no_step_hands_the_first_values_on), RUN(carried_values_change_places),
          RUN(loops_run_inside_loops), RUN(what_does_not_fit_is_refused),
          RUN(no_gradient_passes_in_silence), RUN(a_body_deeper_than_the_bound_is_refused),
          RUN(no_allocation_that_fails_leaves_anything))
