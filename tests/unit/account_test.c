/* account_test.c -- accounts: every page of a region is charged to one, limits hold on both sides,
 * and the sum over all is what the root holds, whatever the tree looks like. */
#include "harness.h"

#include <pthread.h>
#include <string.h>

#include "mem/account.h"

#define PAGE 4096u

static uint64_t root_live(const test *t)
{
    return region_bytes_live(ledger_root(t->ledger));
}

TEST(account_is_the_first_one_until_told)
{
    account *first = ledger_account(t->ledger);
    region *child = region_open(t->home, "child", EBB_CLASS_META, 0);
    CHECK(region_account(t->home) == first);
    CHECK(region_account(child) == first);
    CHECK(region_alloc(child, 1, 10) != NULL);
    CHECK_EQ(account_bytes_live(first), root_live(t));
    CHECK_EQ(account_bytes_max(first), 0);
}

TEST(account_is_inherited_below_the_region_that_names_it)
{
    account *other = account_open(t->ledger, "CPU:1", 0);
    CHECK(other != NULL);
    const uint64_t before = account_bytes_live(ledger_account(t->ledger));
    region *model = region_open_on(t->home, other, "model", EBB_CLASS_META, 0);
    region *weights = region_open(model, "weights", EBB_CLASS_WEIGHTS, 0);
    CHECK(region_account(weights) == other);
    CHECK(region_alloc(model, 1, 1) != NULL);
    CHECK(region_block(weights, 3 * PAGE) != NULL);
    CHECK_EQ(account_bytes_live(other), 4 * PAGE);
    CHECK_EQ(account_bytes_live(ledger_account(t->ledger)), before);
    CHECK_EQ(region_bytes_live(t->home), 4 * PAGE);
    region *back = region_open_on(weights, ledger_account(t->ledger), "host", EBB_CLASS_META, 0);
    CHECK(region_alloc(back, 1, 1) != NULL);
    CHECK_EQ(account_bytes_live(other), 4 * PAGE);
    region_close(model);
    CHECK_EQ(account_bytes_live(other), 0);
    CHECK_EQ(account_bytes_peak(other), 4 * PAGE);
    account_peak_reset(other);
    CHECK_EQ(account_bytes_peak(other), 0);
    account_close(other);
}

TEST(account_limit_is_kept_and_explained)
{
    account *other = account_open(t->ledger, "CPU:1", 4 * PAGE);
    region *model = region_open_on(t->home, other, "model", EBB_CLASS_WEIGHTS, 0);
    CHECK(region_block(model, 3 * PAGE) != NULL);
    CHECK(region_block(model, 2 * PAGE) == NULL);
    CHECK_STATUS(region_fail(model, &t->error, "mnist.keras", "the weights"), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "CPU:1 is limited to 16,384 bytes, 12,288 in use, 8,192 asked");
    CHECK_EQ(account_bytes_live(other), 3 * PAGE);
    CHECK(region_block(model, PAGE) != NULL);
    CHECK(region_alloc(model, 1, 1) == NULL);
    CHECK(region_block(t->home, 64 * PAGE) != NULL); /* the other device has room */
    account_limit(other, 5 * PAGE);
    CHECK(region_alloc(model, 1, 1) != NULL);
    account_limit(other, PAGE); /* below what is live: nothing more, nothing breaks */
    CHECK(region_block(model, 1) == NULL);
    account_limit(other, 0);
    CHECK(region_block(model, 1) != NULL);
    region_close(model);
    account_close(other);
}

TEST(account_limit_and_region_limit_both_hold)
{
    account *other = account_open(t->ledger, "CPU:1", 8 * PAGE);
    region *small = region_open_on(t->home, other, "small", EBB_CLASS_META, 2 * PAGE);
    region *wide = region_open_on(t->home, other, "wide", EBB_CLASS_META, 0);
    CHECK(region_block(small, 3 * PAGE) == NULL);
    (void)region_fail(small, &t->error, "x", "y");
    CHECK_CONTAINS(t->error.text, "'small'");
    CHECK(region_block(wide, 7 * PAGE) != NULL);
    CHECK(region_block(small, 2 * PAGE) == NULL);
    (void)region_fail(small, &t->error, "x", "y");
    CHECK_CONTAINS(t->error.text, "CPU:1 is limited");
    CHECK(region_block(small, PAGE) != NULL);
    region_close(small);
    region_close(wide);
    account_close(other);
}

TEST(account_reads_by_class_and_cached)
{
    account *other = account_open(t->ledger, "CPU:1", 0);
    region *model = region_open_on(t->home, other, "model", EBB_CLASS_META, 0);
    region *weights = region_open(model, "weights", EBB_CLASS_WEIGHTS, 0);
    region *plans = region_open(model, "plans", EBB_CLASS_ACTIVATIONS, 0);
    ebb_memory memory = {0};
    region_mark_cached(plans);
    CHECK(region_alloc(model, 1, 1) != NULL && region_block(weights, 2 * PAGE) != NULL);
    CHECK(region_block(plans, 3 * PAGE) != NULL);
    region_measured(model, 123);
    CHECK(region_block(t->home, 9 * PAGE) != NULL);
    account_read(other, &memory);
    CHECK_EQ(memory.live, 6 * PAGE);
    CHECK_EQ(memory.by_class[EBB_CLASS_META], PAGE);
    CHECK_EQ(memory.by_class[EBB_CLASS_WEIGHTS], 2 * PAGE);
    CHECK_EQ(memory.by_class[EBB_CLASS_ACTIVATIONS], 3 * PAGE);
    CHECK_EQ(memory.by_class[EBB_CLASS_CODE], 123);
    CHECK_EQ(memory.cached, 3 * PAGE);
    CHECK_EQ(memory.live, account_bytes_live(other));
    region_close(model);
    account_close(other);
}

TEST(account_costs_no_live_byte)
{
    account *list[40];
    const uint64_t live = root_live(t), fixed = ledger_bytes_fixed(t->ledger);
    for (int i = 0; i < 40; i++) {
        list[i] = account_open(t->ledger, "a name that is longer than thirty-one characters", 0);
        CHECK(list[i] != NULL);
    }
    CHECK_EQ(root_live(t), live);
    CHECK(ledger_bytes_fixed(t->ledger) > fixed);
    for (int i = 0; i < 40; i++) account_close(list[(i * 7) % 40]);
    CHECK_EQ(ledger_bytes_fixed(t->ledger), fixed);
    account_close(NULL);
    account_close(ledger_account(t->ledger)); /* stays: it goes with the ledger */
    CHECK_EQ(account_bytes_live(ledger_account(t->ledger)), live);
}

TEST(account_goes_with_the_ledger)
{
    ledger *l = ledger_open(NULL, 0);
    account *other = account_open(l, "CPU:1", 0);
    region *left = region_open_on(ledger_root(l), other, "left", EBB_CLASS_DATA, 0);
    for (int i = 0; i < 30; i++) CHECK(account_open(l, "more", 0) != NULL);
    CHECK(region_block(left, 5 * PAGE) != NULL);
    ledger_close(l); /* a leak is what the address sanitizer and the harness would see */
}

TEST(account_open_may_fail)
{
    const uint64_t live = root_live(t);
    test_fail_allocation(t, 0);
    CHECK(account_open(t->ledger, "CPU:1", 0) == NULL);
    CHECK(test_allocation_failed(t));
    test_fail_allocation(t, -1);
    CHECK_EQ(root_live(t), live);
}

TEST(account_changes_with_the_region_that_is_charged_elsewhere)
{
    account *a = account_open(t->ledger, "CPU:1", 0),
            *b = account_open(t->ledger, "CPU:2", 5 * PAGE);
    region *model = region_open_on(t->home, a, "model", EBB_CLASS_META, 0);
    region *weights = region_open(model, "weights", EBB_CLASS_WEIGHTS, 0);
    region *host = region_open_on(model, ledger_account(t->ledger), "host", EBB_CLASS_DATA, 0);
    CHECK(region_alloc(model, 1, 1) != NULL && region_block(weights, 3 * PAGE) != NULL);
    CHECK(region_block(host, 2 * PAGE) != NULL);
    const uint64_t first = account_bytes_live(ledger_account(t->ledger));
    CHECK(region_charge(model, b));
    CHECK_EQ(account_bytes_live(a), 0);
    CHECK_EQ(account_bytes_live(b), 4 * PAGE);
    CHECK_EQ(account_bytes_peak(b), 4 * PAGE);
    CHECK_EQ(account_bytes_live(ledger_account(t->ledger)), first);
    CHECK(region_account(weights) == b && region_account(host) == ledger_account(t->ledger));
    CHECK(region_block(weights, 2 * PAGE) == NULL); /* the limit of the new one holds now */
    CHECK(region_charge(model, b));
    CHECK_EQ(account_bytes_live(b), 4 * PAGE);
    CHECK(region_charge(model, a));
    CHECK(region_block(weights, 2 * PAGE) != NULL);
    CHECK(!region_charge(model, b));
    (void)region_fail(model, &t->error, "x", "the move");
    CHECK_CONTAINS(t->error.text, "CPU:2 is limited to 20,480 bytes, 0 in use, 24,576 asked");
    CHECK_EQ(account_bytes_live(a), 6 * PAGE);
    CHECK_EQ(account_bytes_live(b), 0);
    region_close(model);
    account_close(a);
    account_close(b);
}

/* -- the property: at any time the accounts add up to the root ----------------------------------
 */

enum { ACCOUNTS = 4, REGIONS = 24 };

typedef struct forest {
    account *accounts[ACCOUNTS]; /* the first one is the ledger's */
    region *regions[REGIONS];    /* NULL: a free place */
    region *parents[REGIONS];
    void *blocks[REGIONS];
} forest;

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void forget_below(forest *f, const region *closed)
{
    for (int again = 1; again;) {
        again = 0;
        for (int i = 0; i < REGIONS; i++) {
            if (f->regions[i] == NULL || f->regions[i] == closed || f->parents[i] != closed)
                continue;
            region *child = f->regions[i];
            f->regions[i] = NULL;
            f->blocks[i] = NULL;
            forget_below(f, child); /* at most REGIONS deep */
            again = 1;
        }
    }
}

static void change(test *t, forest *f, uint32_t *state)
{
    const uint32_t at = next_random(state) % REGIONS, what = next_random(state) % 8;
    region *r = f->regions[at];

    if (r == NULL) {
        region *parent = f->regions[next_random(state) % REGIONS];
        if (parent == NULL) parent = t->home;
        account *a = next_random(state) % 2 ? f->accounts[next_random(state) % ACCOUNTS] : NULL;
        f->regions[at] =
            region_open_on(parent, a, "random", (ebb_class)(next_random(state) % EBB_CLASS_COUNT),
                           next_random(state) % 3 == 0 ? next_random(state) % 200000 : 0);
        f->parents[at] = parent;
        f->blocks[at] = NULL;
        return;
    }
    if (what == 0) {
        forget_below(f, r);
        f->regions[at] = NULL;
        region_close(r);
    } else if (what == 1) {
        (void)region_charge(r, f->accounts[next_random(state) % ACCOUNTS]);
    } else if (what == 2 && f->blocks[at] != NULL) {
        region_block_release(r, f->blocks[at]);
        f->blocks[at] = NULL;
    } else if (what == 3) {
        f->blocks[at] = region_block(r, next_random(state) % 100000);
    } else if (what == 4) {
        account_limit(f->accounts[next_random(state) % ACCOUNTS],
                      next_random(state) % 2 ? next_random(state) % 1000000 : 0);
    } else {
        (void)region_alloc(r, next_random(state) % 9000, 1);
    }
}

static void check_sums(const test *t, const forest *f)
{
    ebb_memory whole = {0}, all = {0};
    uint64_t live = 0;

    for (int i = 0; i < ACCOUNTS; i++) {
        ebb_memory one = {0};
        account_read(f->accounts[i], &one);
        account_read(f->accounts[i], &all);
        CHECK_EQ(one.live, account_bytes_live(f->accounts[i]));
        CHECK(account_bytes_peak(f->accounts[i]) >= one.live);
        live += one.live;
    }
    CHECK_EQ(live, root_live(t));
    region_read(ledger_root(t->ledger), &whole);
    for (int i = 0; i < EBB_CLASS_COUNT; i++) CHECK_EQ(all.by_class[i], whole.by_class[i]);
    CHECK_EQ(all.cached, whole.cached);
}

TEST(accounts_add_up_to_the_root_at_random_trees)
{
    for (uint32_t seed = 1; seed <= 20; seed++) {
        forest f = {{ledger_account(t->ledger)}, {NULL}, {NULL}, {NULL}};
        uint32_t state = seed * 2654435761u;
        for (int i = 1; i < ACCOUNTS; i++) f.accounts[i] = account_open(t->ledger, "part", 0);
        for (int step = 0; step < 400; step++) {
            change(t, &f, &state);
            check_sums(t, &f);
        }
        account_limit(f.accounts[0], 0);
        region_close(t->home);
        t->home = region_open(ledger_root(t->ledger), "test", EBB_CLASS_META, 0);
        for (int i = 0; i < ACCOUNTS; i++) CHECK_EQ(account_bytes_live(f.accounts[i]), 0);
        for (int i = 1; i < ACCOUNTS; i++) account_close(f.accounts[i]);
    }
}

/* -- threads ----------------------------------------------------------------------------------- */

typedef struct worker {
    region *home;
    account *mine, *other;
    bool is_wrong;
} worker;

static void *work(void *context)
{
    worker *w = context;

    for (int round = 0; round < 200 && !w->is_wrong; round++) {
        region *r = region_open_on(w->home, w->mine, "worker", EBB_CLASS_SCRATCH, 0);
        if (r == NULL || region_block(r, 3 * PAGE) == NULL) return NULL;
        for (size_t i = 0; i < 20; i++) w->is_wrong |= region_alloc(r, i, 33) == NULL;
        region *child = region_open(r, "child", EBB_CLASS_DATA, 0);
        w->is_wrong |= child == NULL || region_block(child, 10000) == NULL;
        w->is_wrong |= !region_charge(r, w->other) || region_account(r) != w->other;
        ebb_memory memory = {0};
        account_read(w->mine, &memory);
        w->is_wrong |= account_bytes_peak(w->other) < region_bytes_live(r);
        region_close(r);
    }
    return NULL;
}

TEST(accounts_are_exact_with_many_threads)
{
    ledger *l = ledger_open(NULL, 0);
    account *a = account_open(l, "CPU:1", 0), *b = account_open(l, "CPU:2", 0);
    pthread_t threads[6];
    worker workers[6];
    for (int i = 0; i < 6; i++) {
        workers[i] = (worker){ledger_root(l), i % 2 ? a : b, i % 3 ? b : a, false};
        CHECK_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK(!workers[i].is_wrong);
    }
    CHECK_EQ(account_bytes_live(a), 0);
    CHECK_EQ(account_bytes_live(b), 0);
    CHECK_EQ(region_bytes_live(ledger_root(l)), 0);
    account_close(a);
    account_close(b);
    ledger_rest(l);
    CHECK_EQ(ledger_bytes_fixed(l), PAGE_BYTES);
    ledger_close(l);
}

TEST_MAIN(RUN(account_is_the_first_one_until_told),
          RUN(account_is_inherited_below_the_region_that_names_it),
          RUN(account_limit_is_kept_and_explained), RUN(account_limit_and_region_limit_both_hold),
          RUN(account_reads_by_class_and_cached), RUN(account_costs_no_live_byte),
          RUN(account_goes_with_the_ledger), RUN(account_open_may_fail),
          RUN(account_changes_with_the_region_that_is_charged_elsewhere),
          RUN(accounts_add_up_to_the_root_at_random_trees),
          RUN(accounts_are_exact_with_many_threads))
