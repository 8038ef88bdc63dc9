/* row_order_test.c -- orders of rows: every row once, by seed and pass, and evenly mixed. */
#include "harness.h"
#include "train/data/row_order.h"

static void check_every_row_once(region *home, uint64_t rows, uint64_t seed)
{
    bool *seen = region_new(home, bool, rows);
    const row_order o = row_order_make(rows, true, seed, 3);

    CHECK(seen != NULL);
    for (uint64_t i = 0; i < rows; i++) {
        const uint64_t row = row_order_at(&o, i);

        CHECK(row < rows);
        CHECK(!seen[row]);
        seen[row] = true;
    }
}

TEST(every_row_comes_once)
{
    for (uint64_t rows = 1; rows < 140; rows++) check_every_row_once(t->home, rows, rows);
    check_every_row_once(t->home, 4096, 1);
    check_every_row_once(t->home, 4097, 1);
    check_every_row_once(t->home, 100000, 7);
}

TEST(unshuffled_rows_stay_in_place)
{
    const row_order o = row_order_make(10, false, 5, 1);

    for (uint64_t i = 0; i < 10; i++) CHECK_EQ(row_order_at(&o, i), i);
}

TEST(large_counts_need_no_memory)
{
    const uint64_t rows = (uint64_t)1 << 40 | 12345;
    const row_order o = row_order_make(rows, true, 5, 1);
    uint64_t high = 0;

    for (uint64_t i = 0; i < 1000; i++) {
        CHECK(row_order_at(&o, i) < rows);
        high += row_order_at(&o, i) > rows / 2;
    }
    CHECK(high > 400 && high < 600);
}

static bool equal(const row_order *a, const row_order *b)
{
    for (uint64_t i = 0; i < 50; i++) {
        if (row_order_at(a, i) != row_order_at(b, i)) return false;
    }
    return true;
}

TEST(seed_and_pass_choose_the_order)
{
    const row_order a = row_order_make(50, true, 1, 0), b = row_order_make(50, true, 1, 0);
    const row_order later = row_order_make(50, true, 1, 1), other = row_order_make(50, true, 2, 0);
    const row_order far = row_order_make(50, true, 1, (uint64_t)1 << 32);

    CHECK(equal(&a, &b));
    CHECK(!equal(&a, &later));
    CHECK(!equal(&a, &other));
    CHECK(!equal(&a, &far));
}

/* Chi-square of the 24 orders of four rows over 24,000 passes; 23 degrees of freedom, 60 has a
 * probability of 4e-5. */
TEST(orders_of_few_rows_are_even)
{
    uint32_t counts[256] = {0};
    double sum = 0;
    uint32_t kinds = 0;

    for (uint64_t pass = 0; pass < 24000; pass++) {
        const row_order o = row_order_make(4, true, 99, pass);
        uint32_t code = 0;

        for (uint64_t i = 0; i < 4; i++) code = code << 2 | (uint32_t)row_order_at(&o, i);
        counts[code]++;
    }
    for (uint32_t i = 0; i < 256; i++) {
        if (counts[i] == 0) continue;
        kinds++;
        sum += ((double)counts[i] - 1000) * ((double)counts[i] - 1000) / 1000;
    }
    CHECK_EQ(kinds, 24);
    CHECK(sum < 60);
}

/* Where row 0 of 37 goes: 36 degrees of freedom, 80 has a probability of 4e-5. */
TEST(places_of_a_row_are_even)
{
    for (uint64_t place = 0; place < 37; place += 9) {
        uint32_t counts[37] = {0};
        double sum = 0;

        for (uint64_t pass = 0; pass < 37000; pass++) {
            const row_order o = row_order_make(37, true, 3, pass);

            counts[row_order_at(&o, place)]++;
        }
        for (uint32_t i = 0; i < 37; i++)
            sum += ((double)counts[i] - 1000) * ((double)counts[i] - 1000) / 1000;
        CHECK(sum < 80);
    }
}

TEST_MAIN(RUN(every_row_comes_once), RUN(unshuffled_rows_stay_in_place),
          RUN(large_counts_need_no_memory), RUN(seed_and_pass_choose_the_order),
          RUN(orders_of_few_rows_are_even), RUN(places_of_a_row_are_even))
