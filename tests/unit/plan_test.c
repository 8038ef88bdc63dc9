/* plan_test.c -- the memory planner: no overlap ever, exact results where the best is known. */
#include "harness.h"

#include <string.h>

#include "graph/plan.h"

#define BUFFERS_MAX 2000
#define MANY        20000

/* Most bytes alive at one step: no plan can be smaller. */
static uint64_t lower_bound(const plan_buffer *buffers, uint32_t count, uint32_t steps)
{
    uint64_t bound = 0;

    for (uint32_t step = 0; step < steps; step++) {
        uint64_t live = 0;
        for (uint32_t i = 0; i < count; i++)
            if (buffers[i].first <= step && step <= buffers[i].last)
                live += (buffers[i].bytes + 63) / 64 * 64;
        if (live > bound) bound = live;
    }
    return bound;
}

static uint64_t random_number(uint64_t *state)
{
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

static uint64_t plan(test *t, plan_buffer *buffers, uint32_t count)
{
    uint64_t bytes = 1, bound = 1;

    CHECK_OK(plan_arena(t->home, buffers, count, &bytes, &t->error));
    CHECK_OK(plan_check(t->home, buffers, count, &t->error));
    CHECK_OK(plan_bound(t->home, buffers, count, &bound, &t->error));
    CHECK(bound <= bytes);
    return bytes;
}

TEST(nothing_needs_nothing)
{
    CHECK_EQ(plan(t, NULL, 0), 0);
    plan_buffer empty[] = {{.bytes = 0, .first = 0, .last = 3, .offset = 9}};
    CHECK_EQ(plan(t, empty, 1), 0);
    CHECK_EQ(empty[0].offset, 0);
}

TEST(a_chain_takes_its_largest_pair)
{
    /* each lives for two steps: producer and consumer */
    plan_buffer chain[] = {
        {100, 0, 1, 0}, {6400, 1, 2, 0}, {1280, 2, 3, 0}, {6400, 3, 4, 0}, {64, 4, 5, 0}};

    CHECK_EQ(plan(t, chain, 5), 6400 + 1280);
}

TEST(disjoint_lives_share_one_place)
{
    plan_buffer apart[] = {{640, 0, 0, 0}, {640, 1, 1, 0}, {128, 2, 2, 0}, {512, 3, 9, 0}};

    CHECK_EQ(plan(t, apart, 4), 640);
}

TEST(a_small_buffer_fills_the_smallest_gap)
{
    /* Between the long-lived 0 and 2 lies the place of 1, free again when 3 starts. */
    plan_buffer buffers[] = {{1024, 0, 9, 0}, {512, 0, 2, 0}, {448, 0, 9, 0}, {256, 4, 6, 0}};

    CHECK_EQ(plan(t, buffers, 4), 1024 + 512 + 448);
    CHECK_EQ(buffers[3].offset, 1024);
}

TEST(of_two_gaps_the_smaller_one_is_taken)
{
    /* 0 to 4 fill the arena from the start; 1 and 3 are gone when 5 comes: 640 bytes are free, then
     * 512; nothing is left to choose for 6. */
    plan_buffer buffers[] = {{1024, 0, 9, 0}, {640, 0, 2, 0}, {576, 0, 9, 0}, {512, 0, 2, 0},
                             {448, 0, 9, 0},  {384, 4, 5, 0}, {320, 4, 5, 0}};

    CHECK_EQ(plan(t, buffers, 7), 1024 + 640 + 576 + 512 + 448);
    CHECK_EQ(buffers[5].offset, 1024 + 640 + 576);
    CHECK_EQ(buffers[6].offset, 1024);
}

TEST(of_two_gaps_the_first_may_be_smaller)
{
    /* Steps 0 to 2: 64 bytes between 2 and 3, where 1 is longer; 448 where 4 is not yet. */
    plan_buffer buffers[] = {{1024, 0, 9, 0}, {640, 4, 9, 0}, {576, 0, 2, 0}, {512, 0, 9, 0},
                             {448, 4, 9, 0},  {384, 0, 9, 0}, {64, 0, 2, 0}};

    CHECK_EQ(plan(t, buffers, 7), 1024 + 640 + 512 + 448 + 384);
    CHECK_EQ(buffers[6].offset, 1024 + 576);
}

TEST(sizes_are_rounded_to_64)
{
    plan_buffer buffers[] = {{1, 0, 0, 0}, {65, 0, 0, 0}, {64, 0, 0, 0}};

    CHECK_EQ(plan(t, buffers, 3), 64 + 128 + 64);
    for (uint32_t i = 0; i < 3; i++) CHECK_EQ(buffers[i].offset % 64, 0);
}

TEST(impossible_buffers_are_refused)
{
    plan_buffer backwards[] = {{64, 3, 2, 0}}, huge[] = {{UINT64_MAX - 3, 0, 0, 0}};
    plan_buffer sum[] = {{(uint64_t)1 << 62, 0, 0, 0}, {(uint64_t)1 << 62, 0, 0, 0}};
    uint64_t bytes;

    CHECK_STATUS(plan_arena(t->home, backwards, 1, &bytes, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(plan_arena(t->home, huge, 1, &bytes, &t->error), EBB_E_MEMORY);
    CHECK_STATUS(plan_arena(t->home, sum, 2, &bytes, &t->error), EBB_E_MEMORY);
    CHECK_EQ(bytes, 0);
}

/* Do two buffers that live at one step overlap? Compares all pairs. */
static bool overlaps(const plan_buffer *buffers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = i + 1; k < count; k++) {
            const plan_buffer *a = &buffers[i], *b = &buffers[k];

            if (a->first <= b->last && b->first <= a->last && a->bytes > 0 && b->bytes > 0 &&
                a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes)
                return true;
        }
    return false;
}

TEST(the_checker_finds_an_overlap)
{
    plan_buffer buffers[] = {{64, 0, 1, 0}, {64, 2, 3, 0}, {64, 1, 2, 32}};

    CHECK_STATUS(plan_check(t->home, buffers, 3, &t->error), EBB_E_INTERNAL);
    CHECK_CONTAINS(t->error.text, "0 and 2");
    CHECK_OK(plan_check(t->home, buffers, 2, &t->error));
}

/* Buffers at random places: the checker and all pairs agree. */
TEST(the_checker_is_right)
{
    uint64_t state = 4321;
    uint32_t found = 0;

    for (uint32_t round = 0; round < 4000; round++) {
        const uint32_t count = 2 + (uint32_t)(random_number(&state) % 12);
        plan_buffer buffers[14];

        for (uint32_t i = 0; i < count; i++) {
            const uint32_t first = (uint32_t)(random_number(&state) % 20);
            buffers[i] = (plan_buffer){.bytes = random_number(&state) % 5,
                                       .first = first,
                                       .last = first + (uint32_t)(random_number(&state) % 4),
                                       .offset = random_number(&state) % 40};
        }
        const bool is_wrong = overlaps(buffers, count);
        CHECK_STATUS(plan_check(t->home, buffers, count, &t->error),
                     is_wrong ? EBB_E_INTERNAL : EBB_OK);
        found += is_wrong;
    }
    CHECK(found > 500 && found < 3500);
}

/* Goal: never an overlap, never more than all together, mostly near the least possible; equal
 * input, equal plan. */
TEST(random_buffers_never_overlap)
{
    static plan_buffer buffers[BUFFERS_MAX], again[BUFFERS_MAX];
    uint64_t state = 1234567, arena_total = 0, bound_total = 0;

    for (uint32_t round = 0; round < 3000; round++) {
        const uint32_t count = 1 + (uint32_t)(random_number(&state) % 40), steps = 30;
        uint64_t all = 0;

        for (uint32_t i = 0; i < count; i++) {
            const uint32_t first = (uint32_t)(random_number(&state) % steps);
            const uint32_t length = (uint32_t)(random_number(&state) % (round % 3 == 0 ? 30 : 4));
            buffers[i] = (plan_buffer){.bytes = random_number(&state) % 5000,
                                       .first = first,
                                       .last = first + length < steps ? first + length : steps - 1};
            all += (buffers[i].bytes + 63) / 64 * 64;
        }
        memcpy(again, buffers, sizeof again);
        const uint64_t bytes = plan(t, buffers, count), bound = lower_bound(buffers, count, steps);
        CHECK(!overlaps(buffers, count));
        CHECK(bytes >= bound && bytes <= all);
        arena_total += bytes;
        bound_total += bound;
        CHECK_EQ(plan(t, again, count), bytes);
        CHECK(memcmp(again, buffers, count * sizeof *buffers) == 0);
    }
    CHECK(arena_total < bound_total + bound_total / 50);
}

TEST(two_thousand_buffers_fit)
{
    static plan_buffer buffers[BUFFERS_MAX];
    uint64_t state = 99;

    for (uint32_t i = 0; i < BUFFERS_MAX; i++)
        buffers[i] = (plan_buffer){.bytes = random_number(&state) % 1000000,
                                   .first = i,
                                   .last = i + (uint32_t)(random_number(&state) % 20)};
    const uint64_t bytes = plan(t, buffers, BUFFERS_MAX);
    const uint64_t bound = lower_bound(buffers, BUFFERS_MAX, BUFFERS_MAX + 20);
    CHECK(bytes < bound + bound / 4);
}

/* A training step: values that live from forward to backward, and short ones. Neighbours are found
 * by time, by place, and where they are too many for the lists. */
TEST(twenty_thousand_buffers_fit)
{
    static plan_buffer many[MANY];
    uint64_t state = 7;

    for (uint32_t way = 0; way < 3; way++) {
        uint64_t bound = 0;

        for (uint32_t i = 0; i < MANY; i++) {
            const bool is_long = way == 2 || (way == 1 && i % 40 == 0 && i < MANY / 2);
            const uint32_t end = is_long ? MANY - i : i + (uint32_t)(random_number(&state) % 12);
            many[i] = (plan_buffer){.bytes = random_number(&state) % (is_long ? 100000 : 3000),
                                    .first = i < end ? i : end,
                                    .last = i < end ? end : i};
        }
        const uint64_t bytes = plan(t, many, MANY);
        CHECK_OK(plan_bound(t->home, many, MANY, &bound, &t->error));
        CHECK(bytes < bound + bound / 7);
    }
}

TEST(the_last_step_may_be_any_number)
{
    plan_buffer buffers[] = {{64, 0, UINT32_MAX, 0},
                             {64, UINT32_MAX, UINT32_MAX, 0},
                             {64, 5, 70, 0},
                             {128, 100, UINT32_MAX - 1, 0}};

    CHECK_EQ(plan(t, buffers, 4), 192);
}

TEST(a_failed_allocation_changes_nothing)
{
    static plan_buffer buffers[BUFFERS_MAX];
    const uint64_t live = region_bytes_live(t->home);
    uint64_t bytes, state = 3;

    for (uint32_t i = 0; i < BUFFERS_MAX; i++)
        buffers[i] = (plan_buffer){.bytes = random_number(&state) % 1000,
                                   .first = i,
                                   .last = i + (uint32_t)(random_number(&state) % 200)};

    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        ebb_status status = plan_arena(t->home, buffers, BUFFERS_MAX, &bytes, &t->error);
        if (status == EBB_OK) status = plan_check(t->home, buffers, BUFFERS_MAX, &t->error);
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_EQ(region_bytes_live(t->home), live);
        CHECK_EQ(status, has_failed ? EBB_E_MEMORY : EBB_OK);
        if (!has_failed) break;
    }
}

TEST_MAIN(RUN(nothing_needs_nothing), RUN(a_chain_takes_its_largest_pair),
          RUN(disjoint_lives_share_one_place), RUN(a_small_buffer_fills_the_smallest_gap),
          RUN(of_two_gaps_the_smaller_one_is_taken), RUN(of_two_gaps_the_first_may_be_smaller),
          RUN(sizes_are_rounded_to_64), RUN(impossible_buffers_are_refused),
          RUN(the_checker_finds_an_overlap), RUN(the_checker_is_right),
          RUN(random_buffers_never_overlap), RUN(two_thousand_buffers_fit),
          RUN(twenty_thousand_buffers_fit), RUN(the_last_step_may_be_any_number),
          RUN(a_failed_allocation_changes_nothing))
