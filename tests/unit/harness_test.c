/* harness_test.c -- the leak check of the harness itself: what it must find, it finds. */
#include "harness.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

TEST(harness_fails_the_nth_allocation)
{
    CHECK(region_alloc(t->home, 1, 10) != NULL);
    test_fail_allocation(t, 0);
    CHECK(region_alloc(t->home, 1, 10) == NULL);
    CHECK(test_allocation_failed(t));
    CHECK(region_alloc(t->home, 1, 10) != NULL);
    test_fail_allocation(t, 2);
    CHECK(region_alloc(t->home, 1, 10) != NULL);
    CHECK(region_block(t->home, 10) != NULL);
    CHECK(region_open(t->home, "child", EBB_CLASS_META, 0) == NULL);
    test_fail_allocation(t, 5);
    CHECK(region_alloc(t->home, 1, 10) != NULL);
    CHECK(!test_allocation_failed(t));
}

/* The rest runs a second setup and teardown inside a test, on the context they share, and puts the
 * first one back: a leak must turn into the teardown's -1. */
typedef enum leak { LEAK_NONE, LEAK_REGION, LEAK_BYTES, LEAK_THREAD, LEAK_DESCRIPTOR } leak;

static int teardown_with(test *t, leak kind)
{
    const test outer = *t;
    void *state = NULL;
    CHECK_EQ(harness_setup(&state), 0);
    test *inner = state;
    int pipes[2] = {-1, -1};
    if (kind == LEAK_REGION) region_open(ledger_root(inner->ledger), "left", EBB_CLASS_META, 0);
    if (kind == LEAK_BYTES) region_alloc(ledger_root(inner->ledger), 1, 1);
    if (kind == LEAK_THREAD) ledger_thread_started(inner->ledger);
    if (kind == LEAK_DESCRIPTOR) CHECK_EQ(pipe(pipes), 0);
    const int result = harness_teardown(&state);
    for (int i = 0; i < 2; i++) {
        if (pipes[i] >= 0) close(pipes[i]);
    }
    memcpy(t, &outer, sizeof outer);
    return result;
}

TEST(harness_finds_leaks)
{
    CHECK_EQ(teardown_with(t, LEAK_NONE), 0);
    CHECK_EQ(teardown_with(t, LEAK_REGION), -1);
    CHECK_EQ(teardown_with(t, LEAK_BYTES), -1);
    CHECK_EQ(teardown_with(t, LEAK_THREAD), -1);
    CHECK_EQ(teardown_with(t, LEAK_DESCRIPTOR), -1);
}

static void *wait_at_gate(void *context)
{
    pthread_mutex_t *gate = context;
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

TEST(harness_counts_threads_of_the_process)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    const uint32_t before = test_process_threads();
    pthread_mutex_lock(&gate);
    CHECK_EQ(pthread_create(&thread, NULL, wait_at_gate, &gate), 0);
    CHECK_EQ(test_process_threads(), before + 1);
    pthread_mutex_unlock(&gate);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(harness_checks_compare)
{
    CHECK_EQ(UINT64_MAX, UINT64_MAX);
    CHECK_EQ(true, 1);
    CHECK_TEXT("a", "a");
    CHECK_CONTAINS("layers[3] dense_1", "dense");
    CHECK_NEAR(1.0, 1.0 + 1e-9, 1e-8);
    CHECK_NEAR(__builtin_nan(""), __builtin_nan(""), 0);
    CHECK_NEAR(__builtin_inf(), __builtin_inf(), 0);
    CHECK_STATUS(EBB_E_FORMAT, EBB_E_FORMAT);
}

TEST_MAIN(RUN(harness_fails_the_nth_allocation), RUN(harness_finds_leaks),
          RUN(harness_counts_threads_of_the_process), RUN(harness_checks_compare))
