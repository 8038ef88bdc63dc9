/* harness.h -- what every C test uses. On cmocka; cmocka's own allocator is never used.
 *
 *     TEST(region_counts_whole_pages)
 *     {
 *         CHECK(region_alloc(t->home, 1, 10) != NULL);
 *         CHECK_EQ(region_bytes_live(t->home), 4096);
 *     }
 *     TEST_MAIN(RUN(region_counts_whole_pages))
 *
 * Each test gets a fresh ledger (`t->ledger`), a region of its own (`t->home`) and an empty error
 * (`t->error`). After the test `t->home` is closed and the test fails if the ledger still holds a
 * byte, a region, a thread or a descriptor, or if the process has other threads or descriptors than
 * before. A failed check ends the test; checks belong on the main thread. */
#ifndef EBB_TESTS_HARNESS_H
#define EBB_TESTS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka; base/status.h has a function of that name */

#include "ebb/status.h"
#include "mem/region.h"

typedef struct test {
    ledger *ledger;
    region *home;
    ebb_error error;               /* CHECK_OK and CHECK_STATUS print it: pass &t->error */
    int64_t fail_in;               /* allocations until the one that fails; -1: none */
    bool fail_done;                /* it has failed */
    uint64_t allocations;          /* asked for since the test began */
    uint32_t threads, descriptors; /* of the process, before the test */
    bool threads_stay;             /* see test_threads_stay() */
} test;

/* Makes the n-th allocation from now fail, 0 being the next one; -1: none. Usual loop:
 *
 *     for (int64_t n = 0;; n++) {
 *         test_fail_allocation(t, n);
 *         const ebb_status status = ...;
 *         const bool       failed = test_allocation_failed(t);
 *         test_fail_allocation(t, -1);
 *         CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);  ... nothing may be left ...
 *         if (!failed) break;
 *     } */
void test_fail_allocation(test *t, int64_t n);
/* Did it fail since the last test_fail_allocation()? */
bool test_allocation_failed(const test *t);
/* A library used by the test keeps a thread pool that nobody can end: do not compare threads. */
void test_threads_stay(test *t);
/* Allocator hooks of the test's ledger (a counting admit), for a runtime opened by a test. */
ebb_allocator test_allocator(test *t);
/* "$EBB_SHARED/<path>" into text; false (print a note and return) if the data is not there. */
bool test_shared(const char *path, char text[1024]);

/* With EBB_TABLE set: a line of the table of `make conformance`; so many cases passed. */
void test_table(const char *area, const char *kind, const char *name, uint32_t passed);

/* Can a test fork? Sanitizers that follow threads take locks of the parent for held in its child,
 * and cannot follow a fork of a process with several threads. */
bool test_forks_are_followed(void);
/* Beside threads that allocate, too? The address sanitizer's allocator does not survive that: its
 * locks stay taken in the child. */
bool test_forks_beside_allocations_are_followed(void);

/* Threads and open descriptors of this process, as the system sees them. */
uint32_t test_process_threads(void);
uint32_t test_process_descriptors(void);

#define TEST(name)                                                                                 \
    static void name##_body(test *t);                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        name##_body(*state);                                                                       \
    }                                                                                              \
    static void name##_body(__attribute__((unused)) test *t)

#define RUN(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

#define TEST_MAIN(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;                             \
    }

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) harness_fail(__FILE__, __LINE__, "%s", #condition);                      \
    } while (0)

/* Integers, booleans and enums of any width. */
#define CHECK_EQ(a, b) harness_equal(__FILE__, __LINE__, #a " == " #b, (int64_t)(a), (int64_t)(b))

#define CHECK_OK(status) harness_status(__FILE__, __LINE__, #status, (status), EBB_OK)
#define CHECK_STATUS(status, expected)                                                             \
    harness_status(__FILE__, __LINE__, #status, (status), (expected))

#define CHECK_TEXT(a, b) harness_text(__FILE__, __LINE__, #a " is " #b, (a), (b))
/* Does `text` contain `part`? */
#define CHECK_CONTAINS(text, part) harness_contains(__FILE__, __LINE__, #text, (text), (part))
/* |a - b| <= tolerance, or both NaN, or both the same infinity. */
#define CHECK_NEAR(a, b, tolerance)                                                                \
    harness_near(__FILE__, __LINE__, #a " ~ " #b, (a), (b), (tolerance))

int harness_setup(void **state);
int harness_teardown(void **state);
void harness_fail(const char *file, int line, const char *format, ...) EBB_PRINTF(3, 4);
void harness_equal(const char *file, int line, const char *what, int64_t a, int64_t b);
void harness_status(const char *file, int line, const char *what, ebb_status status,
                    ebb_status expected);
void harness_text(const char *file, int line, const char *what, const char *a, const char *b);
void harness_contains(const char *file, int line, const char *what, const char *text,
                      const char *part);
void harness_near(const char *file, int line, const char *what, double a, double b,
                  double tolerance);

#endif
