/* dim_test.c -- length expressions: simplification, evaluation, and both against each other. */
#include "harness.h"

#include <string.h>

#include "graph/builder.h"

typedef struct fixture {
    graph *g;
    dim batch, time;
} fixture;

static fixture open_graph(test *t)
{
    fixture f = {.g = graph_open(t->home)};

    CHECK(f.g != NULL);
    f.batch = dim_symbol(f.g, "batch");
    f.time = dim_symbol(f.g, "time");
    return f;
}

static dim add(graph *g, dim a, dim b)
{
    return dim_make(g, DIM_ADD, a, b);
}
static dim sub(graph *g, dim a, dim b)
{
    return dim_make(g, DIM_SUB, a, b);
}
static dim mul(graph *g, dim a, dim b)
{
    return dim_make(g, DIM_MUL, a, b);
}
static dim quotient(graph *g, dim a, dim b)
{
    return dim_make(g, DIM_DIV, a, b);
}

TEST(numbers_fold)
{
    graph *g = open_graph(t).g;

    CHECK_EQ(add(g, 3, 4), 7);
    CHECK_EQ(sub(g, 9, 4), 5);
    CHECK_EQ(mul(g, 3, 4), 12);
    CHECK_EQ(quotient(g, 7, 2), 3);
    CHECK_EQ(dim_make(g, DIM_DIV_UP, 7, 2), 4);
    CHECK_EQ(dim_make(g, DIM_MAX, 7, 2), 7);
    CHECK_EQ(dim_make(g, DIM_BROADCAST, 7, 1), 7);
    CHECK_EQ(dim_make(g, DIM_SAME, 7, 7), 7);
    CHECK_EQ(dim_count(g), 2); /* just the symbols */
    CHECK(graph_ok(g));
}

TEST(negative_intermediates_are_fine_negative_lengths_are_not)
{
    fixture f = open_graph(t);
    const dim below = sub(f.g, 3, 5);

    CHECK_EQ(dim_make(f.g, DIM_MAX, below, 0), 0);
    CHECK_EQ(add(f.g, below, 7), 5);
    CHECK_EQ(add(f.g, sub(f.g, f.time, 5), 6), add(f.g, f.time, 1));
    CHECK(graph_ok(f.g));
    dim_require(f.g, below);
    CHECK_STATUS(f.g->error.status, EBB_E_SHAPE);
}

TEST(equal_expressions_are_equal_numbers)
{
    fixture f = open_graph(t);
    graph *g = f.g;
    const dim b = f.batch, n = f.time;

    CHECK_EQ(add(g, b, n), add(g, n, b));
    CHECK_EQ(mul(g, b, n), mul(g, n, b));
    CHECK_EQ(add(g, n, 0), n);
    CHECK_EQ(mul(g, n, 1), n);
    CHECK_EQ(mul(g, n, 0), 0);
    CHECK_EQ(sub(g, n, n), 0);
    CHECK_EQ(sub(g, add(g, n, 2), 2), n);
    CHECK_EQ(sub(g, add(g, b, n), n), b);
    CHECK_EQ(add(g, n, n), mul(g, n, 2));
    CHECK_EQ(mul(g, add(g, n, 1), 4), add(g, mul(g, n, 4), 4));
    CHECK_EQ(quotient(g, mul(g, n, 6), 6), n);
    CHECK_EQ(quotient(g, mul(g, n, 6), 4), quotient(g, mul(g, n, 3), 2));
    CHECK_EQ(quotient(g, n, 1), n);
    CHECK_EQ(dim_make(g, DIM_DIV_UP, n, 1), n);
    CHECK_EQ(dim_make(g, DIM_MAX, n, n), n);
    CHECK_EQ(dim_make(g, DIM_MAX, n, 0), n);
    CHECK_EQ(dim_make(g, DIM_BROADCAST, n, 1), n);
    CHECK_EQ(dim_make(g, DIM_BROADCAST, n, n), n);
    CHECK_EQ(dim_make(g, DIM_SAME, n, n), n);
    CHECK(graph_ok(g));
}

TEST(reshape_round_trips_give_the_batch_back)
{
    fixture f = open_graph(t);
    graph *g = f.g;
    const dim rows = mul(g, f.batch, f.time);

    CHECK_EQ(quotient(g, rows, f.time), f.batch);
    CHECK_EQ(quotient(g, mul(g, rows, 12), mul(g, f.time, 12)), f.batch);
    CHECK_EQ(quotient(g, mul(g, rows, 12), mul(g, f.time, 4)), mul(g, f.batch, 3));
    CHECK_EQ(quotient(g, mul(g, f.batch, add(g, f.time, 1)), add(g, f.time, 1)), f.batch);
    CHECK_EQ(mul(g, mul(g, 4, f.batch), f.time), mul(g, rows, 4));
}

TEST(strided_lengths_meet)
{
    fixture f = open_graph(t);
    graph *g = f.g;
    const dim n = f.time, same = dim_make(g, DIM_DIV_UP, n, 2);

    /* kernel 1 without padding, kernel 3 with 1:1, both by steps of 2 */
    CHECK_EQ(add(g, quotient(g, sub(g, n, 1), 2), 1), same);
    CHECK_EQ(add(g, quotient(g, sub(g, add(g, n, 2), 3), 2), 1), same);
    CHECK_EQ(dim_make(g, DIM_DIV_UP, same, 2), dim_make(g, DIM_DIV_UP, n, 4));
    CHECK_EQ(quotient(g, quotient(g, n, 2), 2), quotient(g, n, 4));
    CHECK_EQ(quotient(g, add(g, mul(g, n, 4), 6), 4), add(g, n, 1));
}

TEST(agreement_prefers_the_number_and_is_checked)
{
    fixture f = open_graph(t);
    int64_t values[DIM_UNKNOWN_MAX];

    CHECK_EQ(dim_make(f.g, DIM_SAME, f.time, 8), 8);
    CHECK_EQ(dim_make(f.g, DIM_BROADCAST, f.batch, 5), 5);
    CHECK_OK(dim_evaluate(f.g, (const int64_t[]){1, 8}, values, &t->error));
    CHECK_OK(dim_evaluate(f.g, (const int64_t[]){5, 8}, values, &t->error));
    CHECK_STATUS(dim_evaluate(f.g, (const int64_t[]){5, 7}, values, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "time = 7");
    CHECK_STATUS(dim_evaluate(f.g, (const int64_t[]){4, 8}, values, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "broadcast");
}

TEST(evaluation_refuses_what_does_not_exist)
{
    fixture f = open_graph(t);
    int64_t values[DIM_UNKNOWN_MAX];
    const dim room = sub(f.g, f.time, 3);

    dim_require(f.g, room);
    (void)quotient(f.g, f.time, f.batch);
    (void)mul(f.g, f.time, f.batch);
    CHECK_OK(dim_evaluate(f.g, (const int64_t[]){2, 3}, values, &t->error));
    CHECK_EQ(dim_value(room, values), 0);
    CHECK_STATUS(dim_evaluate(f.g, (const int64_t[]){2, 2}, values, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "(time-3) is -1");
    CHECK_STATUS(dim_evaluate(f.g, (const int64_t[]){0, 3}, values, &t->error), EBB_E_SHAPE);
    CHECK_STATUS(dim_evaluate(f.g, (const int64_t[]){-1, 3}, values, &t->error), EBB_E_SHAPE);
    CHECK_STATUS(dim_evaluate(f.g, (const int64_t[]){4, INT64_MAX}, values, &t->error),
                 EBB_E_SHAPE);
}

TEST(impossible_lengths_are_sticky)
{
    static const struct {
        dim_kind kind;
        dim a, b;
    } cases[] = {{DIM_DIV, 4, 0},       {DIM_MUL, INT64_MAX, 2}, {DIM_ADD, INT64_MAX, 1},
                 {DIM_BROADCAST, 3, 4}, {DIM_SAME, 1, 4},        {DIM_DIV_UP, 4, 0}};

    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f = open_graph(t);

        CHECK_EQ(dim_make(f.g, cases[i].kind, cases[i].a, cases[i].b), 0);
        CHECK_STATUS(f.g->error.status, EBB_E_SHAPE);
        CHECK_EQ(add(f.g, 1, 2), 0);
    }
}

TEST(too_many_expressions_are_refused)
{
    fixture f = open_graph(t);
    dim d = f.time;

    for (uint32_t i = 0; i < DIM_UNKNOWN_MAX && graph_ok(f.g); i++)
        d = dim_make(f.g, DIM_MAX, d, i + 1);
    CHECK_STATUS(f.g->error.status, EBB_E_UNSUPPORTED);
    CHECK_EQ(dim_count(f.g), DIM_UNKNOWN_MAX);
}

TEST(texts_are_readable)
{
    fixture f = open_graph(t);
    char text[64], small[6];

    CHECK_TEXT(dim_text(f.g, 3, text, sizeof text), "3");
    CHECK_TEXT(dim_text(f.g, f.batch, text, sizeof text), "batch");
    CHECK_TEXT(dim_text(f.g, dim_make(f.g, DIM_DIV_UP, f.time, 2), text, sizeof text),
               "((time+1)/2)");
    CHECK_TEXT(dim_text(f.g, mul(f.g, f.batch, f.time), text, sizeof text), "(batch*time)");
    CHECK_TEXT(dim_text(f.g, mul(f.g, f.batch, f.time), small, sizeof small), "(batc");
    CHECK_TEXT(dim_symbol_name(f.g, 1), "time");
    CHECK_EQ(dim_symbol_count(f.g), 2);
}

/* Plain meaning of a kind; false when there is no result. */
static bool plain(dim_kind kind, int64_t a, int64_t b, int64_t *result)
{
    if ((kind == DIM_DIV || kind == DIM_DIV_UP) && b <= 0) return false;
    const int64_t floor = b != 0 ? a / b - (a % b != 0 && (a < 0) != (b < 0)) : 0;
    switch (kind) {
    case DIM_ADD: *result = a + b; break;
    case DIM_SUB: *result = a - b; break;
    case DIM_MUL: *result = a * b; break;
    case DIM_DIV: *result = floor; break;
    case DIM_DIV_UP: *result = floor + (floor * b != a); break;
    default: *result = a > b ? a : b; break;
    }
    return true;
}

/* Goal: simplification never changes a value.
 * Method: random expressions over two symbols, each kept with its value for three choices of the
 * symbols. */
TEST(simplified_expressions_keep_their_values)
{
    static const int64_t choices[3][2] = {{1, 1}, {3, 7}, {12, 5}};
    uint64_t state = 88172645463325252u;

    for (uint32_t round = 0; round < 300; round++) {
        fixture f = open_graph(t);
        dim dims[40] = {f.batch, f.time};
        int64_t values[40][3], table[DIM_UNKNOWN_MAX];
        uint32_t count = 2;

        for (uint32_t c = 0; c < 3; c++) values[0][c] = choices[c][0], values[1][c] = choices[c][1];
        for (uint32_t step = 0; step < 60 && count < 40; step++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            const dim_kind kind = (dim_kind)(DIM_ADD + state % 6);
            const uint32_t a = (uint32_t)(state >> 8) % count, b = (uint32_t)(state >> 24) % count;
            const int64_t number = (int64_t)(state >> 40) % 9 + 1;
            const bool with_number =
                (state >> 50) % 2 == 0 || kind == DIM_DIV || kind == DIM_DIV_UP;
            bool exists = true;

            for (uint32_t c = 0; c < 3; c++) {
                exists &= plain(kind, values[a][c], with_number ? number : values[b][c],
                                &values[count][c]);
                exists &= values[count][c] < 1000000 && values[count][c] > -1000000;
            }
            if (!exists) continue;
            dims[count] = dim_make(f.g, kind, dims[a], with_number ? number : dims[b]);
            CHECK_OK(f.g->error.status);
            count++;
        }
        for (uint32_t c = 0; c < 3; c++) {
            CHECK_OK(dim_evaluate(f.g, choices[c], table, &t->error));
            for (uint32_t i = 0; i < count; i++) CHECK_EQ(dim_value(dims[i], table), values[i][c]);
        }
    }
}

TEST(failed_allocations_are_sticky)
{
    for (int64_t n = 0;; n++) {
        region *home = region_open(t->home, "dims", EBB_CLASS_META, 0);
        graph *g;

        CHECK(home != NULL);
        test_fail_allocation(t, n);
        g = graph_open(home);
        if (g != NULL) {
            dim d = dim_symbol(g, "time");
            for (int64_t i = 1; i < 100; i++) d = dim_make(g, DIM_MAX, d, i);
            if (test_allocation_failed(t)) CHECK_STATUS(g->error.status, EBB_E_MEMORY);
        }
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        region_close(home);
        if (!has_failed) break;
        CHECK(n < 1000);
    }
}

TEST_MAIN(RUN(numbers_fold), RUN(negative_intermediates_are_fine_negative_lengths_are_not),
          RUN(equal_expressions_are_equal_numbers), RUN(reshape_round_trips_give_the_batch_back),
          RUN(strided_lengths_meet), RUN(agreement_prefers_the_number_and_is_checked),
          RUN(evaluation_refuses_what_does_not_exist), RUN(impossible_lengths_are_sticky),
          RUN(too_many_expressions_are_refused), RUN(texts_are_readable),
          RUN(simplified_expressions_keep_their_values), RUN(failed_allocations_are_sticky))
