/* compress_magnitude_test.c -- the smallest elements are found exactly, ties in order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compress/magnitude.h"
#include "harness.h"
#include "kernel_case.h"

#define COUNT 5000

/* In pieces, as weights are read. */
static uint64_t prune(test *t, float *x, uint64_t count, uint64_t wanted, uint64_t piece)
{
    magnitude m;
    uint64_t zeros = 0;

    CHECK(magnitude_open(t->home, wanted, &m));
    for (uint64_t i = 0; i < count; i += piece)
        magnitude_count_upper(&m, x + i, count - i < piece ? count - i : piece);
    magnitude_find_upper(&m);
    for (uint64_t i = 0; i < count; i += piece)
        magnitude_count_lower(&m, x + i, count - i < piece ? count - i : piece);
    magnitude_find(&m);
    uint64_t ties = m.ties;
    for (uint64_t i = 0; i < count; i += piece)
        magnitude_apply(&m, &ties, x + i, count - i < piece ? count - i : piece);
    for (uint64_t i = 0; i < count; i++) zeros += x[i] == 0;
    return zeros;
}

static int size_compare(const void *a, const void *b)
{
    const float x = fabsf(*(const float *)a), y = fabsf(*(const float *)b);
    return (x > y) - (x < y);
}

TEST(exactly_the_smallest_go)
{
    static const uint64_t wanted[] = {0, 1, 2, 777, 2500, 4999, 5000};
    const int64_t dims[] = {COUNT};
    uint64_t seed = 9;
    static float sorted[COUNT], pruned[COUNT];

    for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++) {
        const float *x = case_tensor_random(t->home, EBB_F32, 1, dims, &seed).data;
        memcpy(sorted, x, sizeof sorted);
        memcpy(pruned, x, sizeof pruned);
        qsort(sorted, COUNT, sizeof *sorted, size_compare);
        CHECK_EQ(prune(t, pruned, COUNT, wanted[w], 333), wanted[w]);
        for (int i = 0; i < COUNT && wanted[w] > 0 && wanted[w] < COUNT; i++) {
            const bool is_small = fabsf(x[i]) < fabsf(sorted[wanted[w]]);
            CHECK(is_small ? pruned[i] == 0 : pruned[i] == x[i]);
        }
    }
}

TEST(the_first_of_equals_go)
{
    float x[] = {2, -1, 1, -1, 3, 1, 0, -1};

    CHECK_EQ(prune(t, x, 8, 3, 3), 3); /* the 0 and two ones */
    const float expected[] = {2, 0, 0, -1, 3, 1, 0, -1};
    for (int i = 0; i < 8; i++) CHECK(x[i] == expected[i]);
}

TEST(what_is_no_number_is_largest)
{
    float x[] = {NAN, 1, -INFINITY, 1e-42f, 0, 5};

    CHECK_EQ(prune(t, x, 6, 4, 6), 4);
    CHECK(isnan(x[0]) && isinf(x[2]));
}

TEST(groups_keep_their_largest)
{
    float x[] = {1, 9, /**/ -3, 8, /**/ 2, 7, /**/ -4, 7, /**/ 5, 1};
    const float expected[] = {0, 9, -3, 8, 0, 0, -4, 0, 5, 1}; /* what is no whole group stays */

    magnitude_keep(2, 4, 5, 2, x);
    for (int i = 0; i < 10; i++) CHECK(x[i] == expected[i]);
}

TEST_MAIN(RUN(exactly_the_smallest_go), RUN(the_first_of_equals_go),
          RUN(what_is_no_number_is_largest), RUN(groups_keep_their_largest))
