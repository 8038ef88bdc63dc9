/* region_test.c -- regions: exact counting, limits, peaks, sealing, blocks, failure everywhere. */
#include "harness.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "mem/region.h"

#define MIB ((size_t)1 << 20)

static bool all_zero(const void *memory, size_t bytes)
{
    const char *c = memory;
    for (size_t i = 0; i < bytes; i++) {
        if (c[i] != 0) return false;
    }
    return true;
}

TEST(region_counts_whole_pages)
{
    CHECK_EQ(region_bytes_live(t->home), 0);
    CHECK(region_alloc(t->home, 1, 10) != NULL);
    CHECK_EQ(region_bytes_live(t->home), 4096);
    CHECK(region_alloc(t->home, 100, 10) != NULL);
    CHECK_EQ(region_bytes_live(t->home), 4096);
    CHECK(region_alloc(t->home, 1, 4000) != NULL);
    CHECK_EQ(region_bytes_live(t->home), 4096 + 8192);
    CHECK(region_alloc(t->home, 1, 100000) != NULL);
    CHECK_EQ(region_bytes_live(t->home), 4096 + 8192 + 102400);
    CHECK_EQ(region_bytes_live(ledger_root(t->ledger)), region_bytes_live(t->home));
}

TEST(region_memory_is_zeroed_and_aligned)
{
    for (size_t bytes = 0; bytes < 3000; bytes += 7) {
        char *memory = region_alloc(t->home, 1, bytes);
        CHECK(memory != NULL);
        CHECK_EQ((uintptr_t)memory % 16, 0);
        CHECK(all_zero(memory, bytes));
        memset(memory, 0xA5, bytes);
    }
}

/* Every allocation keeps what was written to it, whatever comes after. */
TEST(region_allocations_do_not_overlap)
{
    enum { COUNT = 2000 };
    unsigned char *items[COUNT];
    size_t bytes[COUNT];
    uint32_t random = 12345;
    for (size_t i = 0; i < COUNT; i++) {
        random = random * 1664525u + 1013904223u;
        bytes[i] = i % 97 == 0 ? (random >> 12) % 90000 : (random >> 16) % 300;
        items[i] = region_alloc(t->home, bytes[i], 1);
        CHECK(items[i] != NULL);
        memset(items[i], (int)(i % 251), bytes[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < bytes[i]; j++) CHECK_EQ(items[i][j], i % 251);
    }
}

TEST(region_refuses_sizes_that_overflow)
{
    CHECK(region_alloc(t->home, SIZE_MAX, 2) == NULL);
    CHECK(region_alloc(t->home, SIZE_MAX, 1) == NULL);
    CHECK(region_alloc(t->home, SIZE_MAX / 2 + 1, 2) == NULL);
    CHECK(region_alloc(t->home, SIZE_MAX - 4000, 1) == NULL);
    CHECK(region_block(t->home, SIZE_MAX) == NULL);
    CHECK(region_block(t->home, SIZE_MAX - 5000) == NULL);
    CHECK_EQ(region_block_bytes(SIZE_MAX), UINT64_MAX);
    CHECK_STATUS(region_fail(t->home, &t->error, "here", "a tensor"), EBB_E_MEMORY);
    CHECK(region_block(t->home, (size_t)1 << 60) == NULL);
    CHECK_STATUS(region_fail(t->home, &t->error, "here", "a tensor"), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "the system refused 1,152,921,504,606,846,976 bytes");
    CHECK_EQ(region_bytes_live(t->home), 0);
}

TEST(region_blocks_have_their_own_pages)
{
    CHECK_EQ(region_block_bytes(0), 4096);
    CHECK_EQ(region_block_bytes(1), 4096);
    CHECK_EQ(region_block_bytes(4097), 8192);
    CHECK_EQ(region_block_bytes(4 * MIB - 1), 4 * MIB);
    CHECK_EQ(region_block_bytes(4 * MIB), 4 * MIB);
    CHECK_EQ(region_block_bytes(4 * MIB + 1), 6 * MIB);

    char *small = region_block(t->home, 5000);
    CHECK(small != NULL && all_zero(small, 5000));
    CHECK_EQ((uintptr_t)small % 4096, 0);
    CHECK_EQ(region_bytes_live(t->home), 8192);
    char *large = region_block(t->home, 5 * MIB);
    CHECK(large != NULL);
    CHECK_EQ((uintptr_t)large % (2 * MIB), 0);
    large[0] = large[5 * MIB - 1] = 1;
    CHECK_EQ(region_bytes_live(t->home), 8192 + 6 * MIB);
    region_block_release(t->home, small);
    CHECK_EQ(region_bytes_live(t->home), 6 * MIB);
    region_block_release(t->home, NULL);
    region_block_release(t->home, small);
    CHECK_EQ(region_bytes_live(t->home), 6 * MIB);
    region_block_release(t->home, large);
    CHECK_EQ(region_bytes_live(t->home), 0);
    CHECK_EQ(region_bytes_peak(t->home), 8192 + 6 * MIB);
}

TEST(region_block_touches_nothing)
{
    unsigned char present[256];
    char *block = region_block(t->home, MIB);
    CHECK(block != NULL);
    CHECK_EQ(mincore(block, MIB, present), 0);
    size_t touched = 0;
    for (size_t i = 0; i < 256; i++) touched += present[i] & 1u;
    CHECK_EQ(touched, 0);
}

/* The list of blocks grows outside of the counted pages. */
TEST(region_holds_many_blocks)
{
    enum { COUNT = 100 };
    void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = region_block(t->home, 100);
        CHECK(blocks[i] != NULL);
        CHECK_EQ(region_bytes_live(t->home), (i + 1) * 4096);
    }
    for (size_t i = 0; i < COUNT; i += 2) region_block_release(t->home, blocks[i]);
    CHECK_EQ(region_bytes_live(t->home), COUNT / 2 * 4096);
    for (size_t i = 0; i < COUNT; i += 2) blocks[i] = region_block(t->home, 8000);
    CHECK_EQ(region_bytes_live(t->home), COUNT / 2 * (4096 + 8192));
}

TEST(region_tree_sums_up)
{
    region *model = region_open(t->home, "model", EBB_CLASS_META, 0);
    region *weights = region_open(model, "weights", EBB_CLASS_WEIGHTS, 0);
    region *lane = region_open(model, "lane", EBB_CLASS_ACTIVATIONS, 0);
    region *plans = region_open(lane, "plans", EBB_CLASS_META, 0);
    CHECK(plans != NULL);
    CHECK(region_block(weights, 10000) != NULL);
    CHECK(region_block(lane, 5000) != NULL);
    CHECK(region_alloc(plans, 1, 1) != NULL);
    CHECK(region_alloc(model, 1, 1) != NULL);
    region_mark_cached(plans);
    region_measured(lane, 777);

    ebb_memory memory = {0};
    region_read(model, &memory);
    CHECK_EQ(memory.live, 12288 + 8192 + 4096 + 4096);
    CHECK_EQ(memory.live, region_bytes_live(model));
    CHECK_EQ(memory.by_class[EBB_CLASS_WEIGHTS], 12288);
    CHECK_EQ(memory.by_class[EBB_CLASS_ACTIVATIONS], 8192);
    CHECK_EQ(memory.by_class[EBB_CLASS_META], 8192);
    CHECK_EQ(memory.by_class[EBB_CLASS_CODE], 777);
    CHECK_EQ(memory.cached, 4096);
    region_read(plans, &memory);
    CHECK_EQ(memory.live, 12288 + 8192 + 4096 + 4096 + 4096);
    CHECK_EQ(memory.cached, 8192);

    region *below = region_open(plans, "below", EBB_CLASS_SCRATCH, 0);
    CHECK(region_alloc(below, 1, 1) != NULL);
    memset(&memory, 0, sizeof memory);
    region_read(model, &memory);
    CHECK_EQ(memory.cached, 8192);

    region_close(lane);
    CHECK_EQ(region_bytes_live(model), 12288 + 4096);
    CHECK_EQ(region_bytes_live(t->home), 12288 + 4096);
    region_close(weights);
    CHECK_EQ(region_bytes_live(model), 4096);
    region_close(model);
    CHECK_EQ(region_bytes_live(t->home), 0);
    CHECK(region_ledger(t->home) == t->ledger);
    region_close(NULL);
}

/* Closing in any order between siblings, and deep trees, leaves nothing. */
TEST(region_closes_in_any_order)
{
    region *children[50];
    for (size_t i = 0; i < 50; i++) {
        children[i] = region_open(t->home, "child", EBB_CLASS_META, 0);
        CHECK(region_alloc(children[i], 1, 1) != NULL);
    }
    for (size_t i = 0; i < 50; i++) region_close(children[i * 37 % 50]);
    CHECK_EQ(region_bytes_live(t->home), 0);
    CHECK_EQ(ledger_regions(t->ledger), 1);

    region *deep = t->home;
    for (size_t i = 0; i < 1000; i++) {
        deep = region_open(deep, "deep", EBB_CLASS_META, 0);
        CHECK(region_alloc(deep, 1, 1) != NULL);
    }
    CHECK_EQ(region_bytes_live(t->home), 1000 * 4096);
    CHECK_EQ(ledger_regions(t->ledger), 1001);
}

/* The same calls cost the same live bytes, whatever else the ledger holds. */
TEST(region_costs_do_not_depend_on_others)
{
    uint64_t costs[3];
    for (size_t others = 0; others < 3; others++) {
        region *crowd = region_open(t->home, "crowd", EBB_CLASS_META, 0);
        for (size_t i = 0; i < others * 13; i++) region_open(crowd, "other", EBB_CLASS_META, 0);
        const uint64_t before = region_bytes_live(t->home);
        region *model = region_open(t->home, "model", EBB_CLASS_META, 0);
        for (size_t i = 0; i < 20; i++) {
            region *part = region_open(model, "part", EBB_CLASS_META, 0);
            CHECK(region_block(part, 20000) != NULL);
            CHECK(region_alloc(model, 300, i) != NULL);
        }
        costs[others] = region_bytes_live(t->home) - before;
        CHECK_EQ(costs[others], region_bytes_live(model));
        region_close(model);
        region_close(crowd);
    }
    CHECK_EQ(costs[0], costs[1]);
    CHECK_EQ(costs[0], costs[2]);
    CHECK_EQ(ledger_bytes_fixed(t->ledger), PAGE_BYTES);
}

TEST(region_limit_holds_on_every_level)
{
    region *outer = region_open(t->home, "outer", EBB_CLASS_META, 10 * 4096);
    region *inner = region_open(outer, "mnist", EBB_CLASS_META, 6 * 4096);
    CHECK_EQ(region_bytes_max(inner), 6 * 4096);
    CHECK(region_block(inner, 6 * 4096) != NULL);
    CHECK(region_block(inner, 1) == NULL);
    CHECK_STATUS(region_fail(inner, &t->error, "model.keras", "the weights"), EBB_E_MEMORY);
    CHECK_TEXT(t->error.where, "model.keras");
    CHECK_TEXT(t->error.text,
               "no memory for the weights: limit of 24,576 bytes on 'mnist' reached: 24,576 live, "
               "4,096 more needed; raise bytes_max or unload a model");
    region_limit(inner, 0);
    CHECK(region_block(inner, 4 * 4096) != NULL);
    CHECK(region_alloc(inner, 1, 1) == NULL);
    CHECK_STATUS(region_fail(inner, &t->error, "here", "it"), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "'outer'");
    CHECK_EQ(region_bytes_live(outer), 10 * 4096);
    CHECK_EQ(region_bytes_peak(outer), 10 * 4096);

    region_limit(outer,
                 4096); /* below what is live: nothing is taken away, nothing more comes in */
    CHECK(region_alloc(outer, 1, 1) == NULL);
    CHECK_EQ(region_bytes_live(outer), 10 * 4096);
    region_close(inner);
    CHECK(region_alloc(outer, 1, 1) != NULL);
    CHECK_EQ(region_bytes_live(outer), 4096);
}

TEST(region_limit_of_the_ledger)
{
    ledger *l = ledger_open(NULL, 8192);
    CHECK(l != NULL);
    CHECK_EQ(region_bytes_max(ledger_root(l)), 8192);
    region *r = region_open(ledger_root(l), "r", EBB_CLASS_META, 0);
    CHECK(region_block(r, 8192) != NULL);
    CHECK(region_alloc(r, 1, 1) == NULL);
    CHECK_STATUS(region_fail(r, &t->error, "here", "it"), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "'runtime'");
    ledger_close(l);
}

TEST(region_peak_is_the_highest_live)
{
    region *child = region_open(t->home, "child", EBB_CLASS_META, 0);
    void *block = region_block(child, 40960);
    region_block_release(child, block);
    CHECK(region_block(child, 4096) != NULL);
    CHECK_EQ(region_bytes_peak(child), 40960);
    CHECK_EQ(region_bytes_peak(t->home), 40960);
    region_peak_reset(t->home);
    CHECK_EQ(region_bytes_peak(t->home), 4096);
    CHECK_EQ(region_bytes_peak(child), 40960);
    region_close(child);
    CHECK_EQ(region_bytes_peak(t->home), 4096);
    CHECK_EQ(region_bytes_live(t->home), 0);
}

TEST(region_sealed_allocates_nothing)
{
    region *model = region_open(t->home, "model", EBB_CLASS_META, 0);
    region *child = region_open(model, "child", EBB_CLASS_META, 0);
    region *grandchild = region_open(child, "grandchild", EBB_CLASS_META, 0);
    CHECK(region_alloc(model, 1, 1) != NULL);
    void *block = region_block(child, 1);
    region_seal(model);
    CHECK(region_alloc(model, 1, 1) == NULL);
    CHECK(region_alloc(grandchild, 1, 1) == NULL);
    CHECK(region_block(child, 1) == NULL);
    CHECK(region_text(child, "text") == NULL);
    CHECK_STATUS(region_fail(child, &t->error, "predict", "a table"), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "'child' is sealed");

    region *later = region_open(model, "later", EBB_CLASS_META, 0);
    CHECK(later != NULL);
    CHECK(region_alloc(later, 1, 1) != NULL);
    CHECK(region_alloc(t->home, 1, 1) != NULL);
    region_block_release(child, block);
    CHECK_EQ(region_bytes_live(child), 0);
}

TEST(region_copies_text)
{
    char source[] = "dense_1";
    const char *copy = region_text(t->home, source);
    source[0] = 'X';
    CHECK_TEXT(copy, "dense_1");
    CHECK_TEXT(region_text_length(t->home, "kernel:0", 6), "kernel");
    CHECK_TEXT(region_text_length(t->home, "", 0), "");
    CHECK_TEXT(region_format(t->home, "%s/%d", "layer", 3), "layer/3");
    CHECK(region_text(t->home, NULL) == NULL);
    CHECK(region_text_length(t->home, "x", SIZE_MAX) == NULL);
    char long_text[5000];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    CHECK_TEXT(region_format(t->home, "%s", long_text), long_text);
}

TEST(region_tag_is_cut)
{
    region *r = region_open(t->home, "a tag that is much longer than thirty-one characters",
                            EBB_CLASS_META, 4096);
    CHECK(region_block(r, 5000) == NULL);
    CHECK_STATUS(region_fail(r, &t->error, "", "it"), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "'a tag that is much longer than '");
    CHECK(region_open(t->home, NULL, EBB_CLASS_META, 0) != NULL);
}

/* -- every allocation failing in turn ---------------------------------------------------------- */

static bool build(region *home)
{
    region *model = region_open(home, "model", EBB_CLASS_META, 0);
    if (model == NULL) return false;
    region *weights = region_open(model, "weights", EBB_CLASS_WEIGHTS, 0);
    bool good = weights != NULL && region_text(model, "name") != NULL;
    for (size_t i = 0; good && i < 12; i++) {
        good = region_block(weights, 4096 * i) != NULL && region_alloc(model, i, 1000) != NULL;
    }
    if (!good) region_close(model);
    return good;
}

TEST(region_failure_leaves_nothing)
{
    CHECK(region_alloc(t->home, 1, 1) != NULL);
    const uint64_t before = region_bytes_live(t->home);
    int64_t n = 0;
    for (;; n++) {
        test_fail_allocation(t, n);
        const bool good = build(t->home);
        CHECK_EQ(good, !test_allocation_failed(t));
        if (good) break;
        CHECK_EQ(region_bytes_live(t->home), before);
        CHECK_EQ(ledger_regions(t->ledger), 1);
        CHECK_EQ(ledger_bytes_fixed(t->ledger), PAGE_BYTES);
    }
    CHECK_EQ(n, 2 + 1 + 24);
    CHECK(region_bytes_live(t->home) > before);
}

TEST(region_fail_names_the_hook)
{
    test_fail_allocation(t, 0);
    CHECK(region_alloc(t->home, 3, 1000) == NULL);
    CHECK_STATUS(region_fail(t->home, &t->error, "w", "x"), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "admit function refused 3,000 bytes");
    test_fail_allocation(t, 0);
    CHECK(region_open(t->home, "child", EBB_CLASS_META, 0) == NULL);
    CHECK_STATUS(region_fail(t->home, NULL, "w", "x"), EBB_E_MEMORY);
}

/* -- hooks ------------------------------------------------------------------------------------- */

typedef struct hooks {
    uint64_t mapped, maps, unmaps;
    int64_t refuse_in;
    bool wrong;
} hooks;

static void *hook_map(void *context, size_t bytes, size_t alignment)
{
    hooks *h = context;
    h->wrong |= bytes % 4096 != 0 || alignment < 4096;
    if (h->refuse_in >= 0 && h->refuse_in-- == 0) return NULL;
    void *memory =
        mmap(NULL, bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    h->maps++;
    h->mapped += bytes;
    const uintptr_t aligned = ((uintptr_t)memory + alignment) & ~(uintptr_t)(alignment - 1);
    munmap(memory, aligned - (uintptr_t)memory);
    const uintptr_t end = (uintptr_t)memory + bytes + alignment;
    if (end > aligned + bytes) munmap((void *)(aligned + bytes), end - aligned - bytes);
    return (void *)aligned;
}

static void hook_unmap(void *context, void *memory, size_t bytes)
{
    hooks *h = context;
    h->unmaps++;
    h->mapped -= bytes;
    munmap(memory, bytes);
}

TEST(region_uses_the_hooks)
{
    hooks h = {.refuse_in = -1};
    const ebb_allocator allocator = {hook_map, hook_unmap, NULL, &h};
    ledger *l = ledger_open(&allocator, 0);
    CHECK(l != NULL);
    CHECK_EQ(h.mapped, 4096);
    CHECK(build(ledger_root(l)));
    CHECK(region_block(ledger_root(l), 5 * MIB) != NULL);
    CHECK_EQ(h.mapped, region_bytes_live(ledger_root(l)) + ledger_bytes_fixed(l));
    ledger_close(l);
    CHECK_EQ(h.mapped, 0);
    CHECK_EQ(h.maps, h.unmaps);
    CHECK(!h.wrong);
}

TEST(region_survives_each_refused_map)
{
    for (int64_t n = 0;; n++) {
        hooks h = {.refuse_in = n};
        const ebb_allocator allocator = {hook_map, hook_unmap, NULL, &h};
        ledger *l = ledger_open(&allocator, 0);
        const bool good = l != NULL && build(ledger_root(l));
        if (l != NULL && !good) {
            CHECK_EQ(region_bytes_live(ledger_root(l)), 0);
            CHECK_EQ(ledger_regions(l), 0);
        }
        ledger_close(l);
        CHECK_EQ(h.mapped, 0);
        if (good) break;
        CHECK(n < 100);
    }
}

static _Alignas(4096) char misplaced[8192 + 4096];

static void *map_misplaced(void *context, size_t bytes, size_t alignment)
{
    (void)alignment;
    bool *armed = context;
    if (!*armed) {
        void *memory =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return memory != MAP_FAILED ? memory : NULL;
    }
    return misplaced + 64;
}

static void unmap_misplaced(void *context, void *memory, size_t bytes)
{
    (void)context;
    if ((char *)memory != misplaced + 64) munmap(memory, bytes);
}

TEST(region_refuses_misaligned_hook_memory)
{
    bool armed = false;
    const ebb_allocator allocator = {map_misplaced, unmap_misplaced, NULL, &armed};
    ledger *l = ledger_open(&allocator, 0);
    CHECK(l != NULL);
    armed = true;
    CHECK(region_alloc(ledger_root(l), 1, 1) == NULL);
    CHECK_EQ(region_bytes_live(ledger_root(l)), 0);
    ledger_close(l);
}

/* -- threads ----------------------------------------------------------------------------------- */

static void *work(void *context)
{
    region *home = context;
    for (size_t round = 0; round < 200; round++) {
        region *r = region_open(home, "worker", EBB_CLASS_SCRATCH, 0);
        if (r == NULL) return NULL;
        for (size_t i = 0; i < 30; i++) region_alloc(r, i, 33);
        region *child = region_open(r, "child", EBB_CLASS_DATA, 0);
        if (child == NULL || region_block(child, 10000) == NULL) return NULL;
        ebb_memory memory = {0};
        region_read(home, &memory);
        if (region_bytes_live(r) == 0 || memory.live == 0) return NULL;
        region_close(r);
    }
    return context;
}

TEST(region_works_from_many_threads)
{
    ledger *l = ledger_open(NULL, 0);
    pthread_t threads[8];
    region *root = ledger_root(l);
    for (size_t i = 0; i < 8; i++) CHECK_EQ(pthread_create(&threads[i], NULL, work, root), 0);
    for (size_t i = 0; i < 8; i++) {
        void *result = NULL;
        CHECK_EQ(pthread_join(threads[i], &result), 0);
        CHECK(result == root);
    }
    CHECK_EQ(region_bytes_live(root), 0);
    ledger_rest(l);
    CHECK_EQ(ledger_bytes_fixed(l), PAGE_BYTES);
    ledger_close(l);
}

TEST_MAIN(RUN(region_counts_whole_pages), RUN(region_memory_is_zeroed_and_aligned),
          RUN(region_allocations_do_not_overlap), RUN(region_refuses_sizes_that_overflow),
          RUN(region_blocks_have_their_own_pages), RUN(region_block_touches_nothing),
          RUN(region_holds_many_blocks), RUN(region_tree_sums_up), RUN(region_closes_in_any_order),
          RUN(region_costs_do_not_depend_on_others), RUN(region_limit_holds_on_every_level),
          RUN(region_limit_of_the_ledger), RUN(region_peak_is_the_highest_live),
          RUN(region_sealed_allocates_nothing), RUN(region_copies_text), RUN(region_tag_is_cut),
          RUN(region_failure_leaves_nothing), RUN(region_fail_names_the_hook),
          RUN(region_uses_the_hooks), RUN(region_survives_each_refused_map),
          RUN(region_refuses_misaligned_hook_memory), RUN(region_works_from_many_threads))
