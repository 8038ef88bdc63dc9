/* harness.c -- setup, leak check and checks of tests/harness.h. */
#include "harness.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define HARNESS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HARNESS_TSAN 1
#endif
#endif
#ifndef HARNESS_TSAN
#define HARNESS_TSAN 0
#endif

static test current;

/* -- leak check -------------------------------------------------------------------------------- */

static uint32_t count_entries(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) return 0;
    uint32_t count = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') count++;
    }
    closedir(folder);
    return count;
}

uint32_t test_process_threads(void)
{
    return count_entries("/proc/self/task");
}

uint32_t test_process_descriptors(void)
{
    return count_entries("/proc/self/fd");
}

/* A joined thread may still be listed for a moment. */
static uint32_t threads_settled(uint32_t expected)
{
    const struct timespec pause = {0, 1000000};
    uint32_t threads = test_process_threads();
    for (int i = 0; threads > expected && i < 2000; i++) {
        nanosleep(&pause, NULL);
        threads = test_process_threads();
    }
    return threads;
}

bool test_forks_are_followed(void)
{
#if defined(__SANITIZE_THREAD__)
    return false;
#else
    return true;
#endif
}

bool test_forks_beside_allocations_are_followed(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return false;
#else
    return test_forks_are_followed();
#endif
}

static bool admit(void *context, size_t bytes)
{
    (void)bytes;
    test *t = context;
    __atomic_fetch_add(&t->allocations, 1, __ATOMIC_RELAXED);
    if (t->fail_in < 0) return true;
    if (t->fail_in-- > 0) return true;
    t->fail_done = true;
    return false;
}

ebb_allocator test_allocator(test *t)
{
    return (ebb_allocator){NULL, NULL, admit, t};
}

/* The thread sanitizer starts a helper with the first thread: it must be there before threads are
 * counted. */
static void *thread_nothing(void *context)
{
    return context;
}

static void threads_prepare(void)
{
#if HARNESS_TSAN
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_nothing, NULL) == 0) pthread_join(thread, NULL);
    threads_settled(2);
#else
    (void)thread_nothing;
#endif
}

int harness_setup(void **state)
{
    test *t = &current;
    threads_prepare();
    memset(t, 0, sizeof *t);
    t->fail_in = -1;
    t->threads = test_process_threads();
    t->descriptors = test_process_descriptors();
    const ebb_allocator hooks = test_allocator(t);
    t->ledger = ledger_open(&hooks, 0);
    if (t->ledger == NULL) return -1;
    t->home = region_open(ledger_root(t->ledger), "test", EBB_CLASS_META, 0);
    if (t->home == NULL) return -1;
    *state = t;
    return 0;
}

static bool same(const char *what, uint64_t now, uint64_t before)
{
    if (now == before) return true;
    print_error("leak: %" PRIu64 " %s, expected %" PRIu64 "\n", now, what, before);
    return false;
}

int harness_teardown(void **state)
{
    test *t = *state;
    test_fail_allocation(t, -1);
    region_close(t->home);
    bool good = same("regions open", ledger_regions(t->ledger), 0);
    good &= same("live bytes", region_bytes_live(ledger_root(t->ledger)), 0);
    good &= same("fixed bytes", ledger_bytes_fixed(t->ledger), PAGE_BYTES);
    good &= same("threads in the ledger", ledger_threads(t->ledger), 0);
    good &= same("descriptors in the ledger", ledger_descriptors(t->ledger), 0);
    ledger_close(t->ledger);
    if (!t->threads_stay) {
        good &= same("threads of the process", threads_settled(t->threads), t->threads);
    }
    good &= same("descriptors of the process", test_process_descriptors(), t->descriptors);
    return good ? 0 : -1;
}

/* -- for tests --------------------------------------------------------------------------------- */

void test_fail_allocation(test *t, int64_t n)
{
    t->fail_in = n;
    t->fail_done = false;
}

bool test_allocation_failed(const test *t)
{
    return t->fail_done;
}

void test_threads_stay(test *t)
{
    t->threads_stay = true;
}

void test_table(const char *area, const char *kind, const char *name, uint32_t passed)
{
    char title[128];

    if (getenv("EBB_TABLE") == NULL || passed == 0) return;
    snprintf(title, sizeof title, "%s/%s", kind, name);
    printf("%-8s %-40s %5u passed %5u refused %5u failed\n", area, title, passed, 0U, 0U);
}

bool test_shared(const char *path, char text[1024])
{
    const char *folder = getenv("EBB_SHARED");
    if (folder != NULL && folder[0] != '\0') {
        const int length = snprintf(text, 1024, "%s/%s", folder, path);
        if (length > 0 && length < 1024 && access(text, R_OK) == 0) return true;
    }
    print_message("not run: EBB_SHARED has no %s\n", path);
    return false;
}

/* -- checks ------------------------------------------------------------------------------------ */

void harness_fail(const char *file, int line, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_error("%s:%d: check failed: %s\n", file, line, text);
    _fail(file, line);
}

void harness_equal(const char *file, int line, const char *what, int64_t a, int64_t b)
{
    if (a == b) return;
    harness_fail(file, line, "%s: %" PRId64 " (0x%" PRIx64 ") and %" PRId64 " (0x%" PRIx64 ")",
                 what, a, (uint64_t)a, b, (uint64_t)b);
}

void harness_status(const char *file, int line, const char *what, ebb_status status,
                    ebb_status expected)
{
    if (status == expected) return;
    const ebb_error *error = &current.error;
    const bool told = error->status == status && error->text[0] != '\0';
    harness_fail(file, line, "%s: %s, expected %s%s%s%s%s", what, ebb_status_name(status),
                 ebb_status_name(expected), told ? "\n    " : "", told ? error->where : "",
                 told ? ": " : "", told ? error->text : "");
}

void harness_text(const char *file, int line, const char *what, const char *a, const char *b)
{
    if (a == b || (a != NULL && b != NULL && strcmp(a, b) == 0)) return;
    harness_fail(file, line, "%s:\n    \"%s\"\n    \"%s\"", what, a != NULL ? a : "(null)",
                 b != NULL ? b : "(null)");
}

void harness_contains(const char *file, int line, const char *what, const char *text,
                      const char *part)
{
    if (text != NULL && strstr(text, part) != NULL) return;
    harness_fail(file, line, "%s: \"%s\" has no \"%s\"", what, text != NULL ? text : "(null)",
                 part);
}

void harness_near(const char *file, int line, const char *what, double a, double b,
                  double tolerance)
{
    if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance) return;
    harness_fail(file, line, "%s: %.17g and %.17g differ by %.3g, more than %.3g", what, a, b,
                 fabs(a - b), tolerance);
}
