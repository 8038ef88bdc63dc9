/* limits_test.c -- limits hit exactly, allocators of the host, and options that are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"

/* -- limits ------------------------------------------------------------------------------------ */

static void check_limits(test *t, const char *path, const ebb_load_options *wanted)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_load_options load = *wanted;
    digits d;
    ebb_plan plan;
    ebb_model model = {0};
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_plan(d.runtime, path, &load, &plan, &t->error));
    const uint64_t idle = digits_live(&d);
    load.bytes_max = plan.peak - 4096;
    CHECK_STATUS(ebb_model_load(d.runtime, path, &load, &model, &t->error), EBB_E_MEMORY);
    CHECK_EQ(digits_live(&d), idle);
    CHECK_EQ(model.id, 0);
    CHECK_STATUS(ebb_model_plan(d.runtime, path, &load, &plan, &t->error), EBB_E_MEMORY);
    CHECK_EQ(plan.peak, load.bytes_max + 4096); /* filled all the same */
    load.bytes_max = plan.peak;
    CHECK_OK(ebb_model_load(d.runtime, path, &load, &model, &t->error));
    CHECK_OK(digits_predict(&d, model, load.batch != 0 ? load.batch : 1, y, &t->error));
    digits_close(t, &d);

    options.bytes_max = idle + plan.peak;
    load.bytes_max = 0;
    digits_open(t, &d, &options);
    CHECK_OK(ebb_model_load(d.runtime, path, &load, &model, &t->error));
    ebb_model second;
    CHECK_STATUS(ebb_model_load(d.runtime, path, &load, &second, &t->error), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "digits"); /* who could go */
    CHECK_OK(digits_predict(&d, model, 1, y, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_load(d.runtime, path, &load, &model, &t->error)); /* now there is room */
    digits_close(t, &d);

    options.bytes_max = idle + plan.peak - 4096;
    digits_open(t, &d, &options);
    CHECK_STATUS(ebb_model_load(d.runtime, path, &load, &model, &t->error), EBB_E_MEMORY);
    CHECK_EQ(digits_live(&d), idle);
    digits_close(t, &d);
}

TEST(limits_are_exact)
{
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;

    check_limits(t, digits_mlp, &options);
    check_limits(t, digits_cnn, &options);
    options.batch = DIGITS_ROWS;
    options.lanes = 3;
    check_limits(t, digits_mlp, &options);
    options.inference_only = true;
    check_limits(t, digits_cnn, &options);
}

/* Every limit from nothing to enough: refused or loaded, never anything left. */
TEST(any_limit_refuses_cleanly)
{
    digits d;
    ebb_plan plan;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    bool was_enough = false;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_plan(d.runtime, digits_mlp, NULL, &plan, &t->error));
    const uint64_t idle = digits_live(&d);
    for (load.bytes_max = 1; load.bytes_max <= plan.peak + 8192; load.bytes_max += 4095) {
        ebb_model model;
        const ebb_status status = ebb_model_load(d.runtime, digits_mlp, &load, &model, &t->error);
        if (status == EBB_OK) {
            was_enough = true;
            CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        } else {
            CHECK_STATUS(status, EBB_E_MEMORY);
            CHECK(!was_enough);
            CHECK_CONTAINS(t->error.text, "bytes");
        }
        CHECK_EQ(digits_live(&d), idle);
    }
    CHECK(was_enough);
    digits_close(t, &d);
}

/* Plans for other shapes count towards the limit; a prediction that does not fit is refused. */
TEST(cached_plans_obey_the_limit)
{
    digits d;
    ebb_plan plan;
    ebb_model model;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    load.batch = DIGITS_ROWS;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_plan(d.runtime, digits_cnn, &load, &plan, &t->error));
    load.bytes_max = plan.peak;
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, &load, &model, &t->error));
    ebb_status status = EBB_OK;
    for (int64_t rows = 2; rows < DIGITS_ROWS && status == EBB_OK; rows++) {
        status = digits_predict(&d, model, rows, y, &t->error);
    }
    ebb_memory memory;
    CHECK_OK(ebb_model_memory_read(model, &memory));
    CHECK(memory.live <= load.bytes_max);
    if (status != EBB_OK) CHECK_STATUS(status, EBB_E_MEMORY);
    CHECK_OK(digits_predict(&d, model, DIGITS_ROWS, y, &t->error));
    CHECK(digits_error(y, d.cnn_y[0], DIGITS_ROWS) < 1e-5);
    digits_close(t, &d);
}

/* -- allocators of the host -------------------------------------------------------------------- */

#define BLOCKS_MAX 4096

typedef struct host {
    struct {
        void *memory;
        size_t bytes;
    } blocks[BLOCKS_MAX];
    size_t count, bytes, calls;
    int64_t fail_in;
    bool is_wrong, gives_odd;
} host;

static void *host_map(void *context, size_t bytes, size_t alignment)
{
    host *h = context;
    void *memory = NULL;

    h->calls++;
    h->is_wrong |= bytes == 0 || bytes % 4096 != 0 || (alignment & (alignment - 1)) != 0;
    if (h->fail_in >= 0 && h->fail_in-- == 0) return NULL;
    if (h->count == BLOCKS_MAX || posix_memalign(&memory, alignment, bytes + 4096) != 0)
        return NULL;
    memset(memory, 0, bytes + 4096);
    if (h->gives_odd) memory = (char *)memory + 64;
    h->blocks[h->count].memory = memory;
    h->blocks[h->count++].bytes = bytes;
    h->bytes += bytes;
    return memory;
}

static void host_unmap(void *context, void *memory, size_t bytes)
{
    host *h = context;

    for (size_t i = 0; i < h->count; i++) {
        if (h->blocks[i].memory != memory) continue;
        h->is_wrong |= h->blocks[i].bytes != bytes; /* exactly one earlier block */
        h->blocks[i] = h->blocks[--h->count];
        h->bytes -= bytes;
        free(h->gives_odd ? (char *)memory - 64 : memory);
        return;
    }
    h->is_wrong = true;
}

static ebb_status life_on(const ebb_runtime_options *options, host *h, ebb_error *error)
{
    digits d;
    ebb_model model;
    ebb_memory memory;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_status status = ebb_runtime_open(options, &d.runtime, error);

    if (status != EBB_OK) return status;
    load.lanes = 2;
    status = ebb_model_load(d.runtime, digits_cnn, &load, &model, error);
    if (status == EBB_OK) {
        memset(d.x, 0, sizeof d.x);
        status = digits_predict(&d, model, 11, y, error);
        CHECK_OK(ebb_memory_read(d.runtime, &memory));
        CHECK_EQ(memory.live + memory.fixed, h->bytes); /* the ledger is what the host gave */
        CHECK_OK(ebb_model_unload(model, NULL, NULL, NULL));
    }
    CHECK_OK(ebb_runtime_close(d.runtime, NULL));
    return status;
}

TEST(the_host_gets_every_block_back)
{
    static host h;
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    options.allocator = (ebb_allocator){host_map, host_unmap, NULL, &h};
    h = (host){.fail_in = -1};
    CHECK_OK(life_on(&options, &h, &t->error));
    CHECK_EQ(h.count, 0);
    CHECK_EQ(h.bytes, 0);
    CHECK(!h.is_wrong);
    const size_t calls = h.calls;
    CHECK(calls > 5);
    for (int64_t n = 0; n < (int64_t)calls; n++) {
        h = (host){.fail_in = n};
        CHECK_STATUS(life_on(&options, &h, &t->error), EBB_E_MEMORY);
        CHECK_EQ(h.count, 0);
        CHECK(!h.is_wrong);
    }
}

TEST(a_host_that_ignores_alignment_is_refused)
{
    static host h;
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    options.allocator = (ebb_allocator){host_map, host_unmap, NULL, &h};
    h = (host){.fail_in = -1, .gives_odd = true};
    CHECK_STATUS(life_on(&options, &h, &t->error), EBB_E_MEMORY);
    CHECK_EQ(h.count, 0);
}

/* -- options ----------------------------------------------------------------------------------- */

static void refuse_runtime(test *t, const ebb_runtime_options *options, const char *text)
{
    ebb_runtime runtime = {77};

    CHECK_STATUS(ebb_runtime_open(options, &runtime, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, text);
    CHECK_EQ(runtime.id, 0);
}

TEST(bad_runtime_options_are_explained)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    options.isa = "sse9";
    refuse_runtime(t, &options, "sse9");
    refuse_runtime(t, &options, "avx2");
    options.isa = "";
    refuse_runtime(t, &options, "portable");
    options = (ebb_runtime_options)EBB_RUNTIME_OPTIONS_INIT;
    options.struct_size = 0;
    refuse_runtime(t, &options, "EBB_RUNTIME_OPTIONS_INIT");
    options.struct_size = 4;
    refuse_runtime(t, &options, "EBB_RUNTIME_OPTIONS_INIT");
    options.struct_size = sizeof options + 8;
    refuse_runtime(t, &options, "EBB_RUNTIME_OPTIONS_INIT");
    options = (ebb_runtime_options)EBB_RUNTIME_OPTIONS_INIT;
    options.allocator.map = host_map;
    refuse_runtime(t, &options, "unmap");
    options = (ebb_runtime_options)EBB_RUNTIME_OPTIONS_INIT;
    options.threads = 1u << 30;
    refuse_runtime(t, &options, "threads");
    CHECK_STATUS(ebb_runtime_open(NULL, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_runtime_open(NULL, NULL, NULL), EBB_E_ARGUMENT);
}

/* A caller built against an older header knows the first fields only. */
TEST(shorter_structs_keep_the_defaults)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;

    options.struct_size = offsetof(ebb_runtime_options, log_level);
    options.threads = 1;
    options.isa = "beyond the struct";
    CHECK_OK(ebb_runtime_open(&options, &runtime, &t->error));
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(bad_load_options_are_explained)
{
    static const struct {
        uint32_t lanes, plans_max;
        const char *device, *text;
        ebb_status status;
    } cases[] = {
        {257, 0, NULL, "lanes", EBB_E_ARGUMENT},
        {0, 1025, NULL, "plans_max", EBB_E_ARGUMENT},
        {0, 0, "GPU:0", "CPU:0", EBB_E_NOT_FOUND},
        {0, 0, "/CPU:1", "CPU:0", EBB_E_NOT_FOUND},
        {0, 0, "CPU:one", "number", EBB_E_ARGUMENT},
    };
    digits d;
    ebb_model model;
    ebb_plan plan;
    ebb_unload_options unload = EBB_UNLOAD_OPTIONS_INIT;

    digits_open(t, &d, NULL);
    const uint64_t idle = digits_live(&d);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
        options.lanes = cases[i].lanes;
        options.plans_max = cases[i].plans_max;
        options.device = cases[i].device;
        CHECK_STATUS(ebb_model_load(d.runtime, digits_mlp, &options, &model, &t->error),
                     cases[i].status);
        CHECK_CONTAINS(t->error.text, cases[i].text);
        CHECK_STATUS(ebb_model_plan(d.runtime, digits_mlp, &options, &plan, &t->error),
                     cases[i].status);
        CHECK_EQ(digits_live(&d), idle);
    }
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    options.struct_size = 0;
    CHECK_STATUS(ebb_model_load(d.runtime, digits_mlp, &options, &model, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "EBB_LOAD_OPTIONS_INIT");
    options = (ebb_load_options)EBB_LOAD_OPTIONS_INIT;
    options.batch = UINT32_MAX;
    const ebb_status huge = ebb_model_load(d.runtime, digits_cnn, &options, &model, &t->error);
    CHECK(huge == EBB_E_MEMORY || huge == EBB_E_ARGUMENT);
    CHECK_EQ(digits_live(&d), idle);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    unload.struct_size = 0;
    CHECK_STATUS(ebb_model_unload(model, &unload, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "EBB_UNLOAD_OPTIONS_INIT");
    CHECK(ebb_model_alive(model));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    digits_close(t, &d);
}

TEST_MAIN(RUN(limits_are_exact), RUN(any_limit_refuses_cleanly), RUN(cached_plans_obey_the_limit),
          RUN(the_host_gets_every_block_back), RUN(a_host_that_ignores_alignment_is_refused),
          RUN(bad_runtime_options_are_explained), RUN(shorter_structs_keep_the_defaults),
          RUN(bad_load_options_are_explained))
