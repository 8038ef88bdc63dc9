/* ledger_test.c -- the ledger: opening, its own pages, threads and descriptors, fork. */
#include "harness.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem/pages.h"
#include "mem/region.h"

static void *map_never(void *context, size_t bytes, size_t alignment)
{
    (void)context, (void)bytes, (void)alignment;
    return NULL;
}

static void unmap_never(void *context, void *memory, size_t bytes)
{
    (void)context, (void)memory, (void)bytes;
}

TEST(ledger_opens_or_says_no)
{
    const ebb_allocator empty = {map_never, unmap_never, NULL, NULL};
    CHECK(ledger_open(&empty, 0) == NULL);
    const ebb_allocator halves[] = {{map_never, NULL, NULL, NULL}, {NULL, unmap_never, NULL, NULL}};
    CHECK(ledger_open(&halves[0], 0) == NULL);
    CHECK(ledger_open(&halves[1], 0) == NULL);
    const ebb_allocator counting = test_allocator(t);
    test_fail_allocation(t, 0);
    CHECK(ledger_open(&counting, 0) == NULL);

    ledger *l = ledger_open(NULL, 12345);
    CHECK(l != NULL);
    CHECK_EQ(region_bytes_live(ledger_root(l)), 0);
    CHECK_EQ(region_bytes_max(ledger_root(l)), 12345);
    CHECK_EQ(ledger_bytes_fixed(l), 4096);
    ledger_close(l);
    ledger_close(NULL);
}

TEST(ledger_counts_threads_and_descriptors)
{
    ledger_thread_started(t->ledger);
    ledger_thread_started(t->ledger);
    ledger_descriptor_opened(t->ledger);
    CHECK_EQ(ledger_threads(t->ledger), 2);
    CHECK_EQ(ledger_descriptors(t->ledger), 1);
    ledger_thread_ended(t->ledger);
    ledger_thread_ended(t->ledger);
    ledger_descriptor_closed(t->ledger);
    CHECK_EQ(ledger_threads(t->ledger), 0);
    CHECK_EQ(ledger_descriptors(t->ledger), 0);
}

/* Table pages come with the regions and go with them; they are fixed, never live. */
TEST(ledger_table_grows_and_shrinks)
{
    enum { COUNT = 500 };
    region *regions[COUNT];
    uint64_t highest = 0;
    for (size_t i = 0; i < COUNT; i++) {
        regions[i] = region_open(t->home, "r", EBB_CLASS_META, 0);
        CHECK(regions[i] != NULL);
        CHECK(ledger_bytes_fixed(t->ledger) >= highest);
        highest = ledger_bytes_fixed(t->ledger);
    }
    CHECK_EQ(ledger_regions(t->ledger), COUNT + 1);
    CHECK_EQ(region_bytes_live(ledger_root(t->ledger)), 0);
    CHECK(highest > PAGE_BYTES && highest < COUNT * PAGE_BYTES / 4);
    for (size_t i = 0; i < COUNT; i += 2) region_close(regions[i]);
    for (size_t i = 0; i < COUNT; i += 2) {
        regions[i] = region_open(t->home, "again", EBB_CLASS_META, 0);
    }
    CHECK_EQ(ledger_bytes_fixed(t->ledger), highest); /* freed slots are used first */
    for (size_t i = 0; i < COUNT; i++) region_close(regions[(i * 7 + 3) % COUNT]);
    CHECK_EQ(ledger_bytes_fixed(t->ledger), PAGE_BYTES);
    CHECK_EQ(ledger_regions(t->ledger), 1);
}

/* A page that a region gave back serves the next one, zeroed. */
TEST(ledger_keeps_a_few_pages)
{
    enum { COUNT = 40, KEPT = PAGES_ASAN ? 0 : 16 };
    region *regions[COUNT];
    ledger *l = ledger_open(NULL, 0);
    region *other = region_open(ledger_root(l), "other", EBB_CLASS_META, 0);
    CHECK(other != NULL);
    for (size_t turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < COUNT; i++) {
            regions[i] = region_open(other, "scratch", EBB_CLASS_SCRATCH, 0);
            unsigned char *memory = region_alloc(regions[i], 1, 4000);
            CHECK(memory != NULL);
            for (size_t k = 0; k < 4000; k++) CHECK_EQ(memory[k], 0);
            memset(memory, 0xA5, 4000);
        }
        CHECK_EQ(region_bytes_live(other), COUNT * PAGE_BYTES);
        for (size_t i = 0; i < COUNT; i++) region_close(regions[i]);
        CHECK_EQ(region_bytes_live(other), 0);
        CHECK_EQ(ledger_bytes_fixed(l), (1 + KEPT) * PAGE_BYTES);
    }
    ledger_rest(l);
    CHECK_EQ(ledger_bytes_fixed(l), PAGE_BYTES);
    CHECK(region_alloc(other, 1, 1) != NULL);
    region_close(other);
    ledger_rest(l);
    CHECK_EQ(ledger_bytes_fixed(l), PAGE_BYTES);
    ledger_close(l);
}

TEST(ledger_closes_what_is_left)
{
    ledger *l = ledger_open(NULL, 0);
    region *r = region_open(ledger_root(l), "left", EBB_CLASS_META, 0);
    char *memory = region_block(r, 4096);
    CHECK(memory != NULL);
    ledger_close(l);
    unsigned char present = 0;
    CHECK(mincore(memory, 4096, &present) != 0); /* not mapped any more */
}

TEST(ledger_survives_a_fork)
{
    ledger_thread_started(t->ledger);
    ledger_before_fork(t->ledger);
    const pid_t child = fork();
    if (child == 0) {
        ledger_after_fork_child(t->ledger);
        const bool good = ledger_threads(t->ledger) == 0 && region_alloc(t->home, 1, 1) != NULL &&
                          region_bytes_live(t->home) == 4096;
        _exit(good ? 0 : 1);
    }
    ledger_after_fork_parent(t->ledger);
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    CHECK_EQ(ledger_threads(t->ledger), 1);
    ledger_thread_ended(t->ledger);
    CHECK_EQ(region_bytes_live(t->home), 0);
}

TEST(class_names)
{
    CHECK_TEXT(ebb_class_name(EBB_CLASS_WEIGHTS), "weights");
    CHECK_TEXT(ebb_class_name(EBB_CLASS_META), "meta");
    CHECK_TEXT(ebb_class_name(EBB_CLASS_COUNT), "unknown");
    CHECK_TEXT(ebb_class_name((ebb_class)-1), "unknown");
}

TEST_MAIN(RUN(ledger_opens_or_says_no), RUN(ledger_counts_threads_and_descriptors),
          RUN(ledger_table_grows_and_shrinks), RUN(ledger_keeps_a_few_pages),
          RUN(ledger_closes_what_is_left), RUN(ledger_survives_a_fork), RUN(class_names))
