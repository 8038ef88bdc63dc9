/* array_room_test.c -- ebb_array_open(): zeros, exact bytes on the right device, refusals, many
 * small ones, threads, and what a closing runtime takes along. */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "built_models.h"
#include "mem/system_memory.h"

static ebb_memory memory_of(ebb_runtime runtime)
{
    ebb_memory memory;

    CHECK_OK(ebb_memory_read(runtime, &memory));
    return memory;
}

static ebb_array opened(test *t, ebb_runtime runtime, int64_t count, ebb_view *view)
{
    ebb_array array;

    CHECK_OK(ebb_array_open(runtime, EBB_F32, 1, &count, NULL, &array, view, &t->error));
    return array;
}

TEST(arrays_are_zero_and_aligned)
{
    static const int64_t counts[] = {0, 1, 16, 17, 80, 81, 288, 289, 1024, 1 << 20, 0};
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t before = memory_of(runtime).live;

    for (uint32_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            ebb_view view, again;
            const char *device = NULL;
            const ebb_array array = opened(t, runtime, counts[i], &view);

            CHECK_EQ((uintptr_t)view.data % 64, 0);
            CHECK_EQ(view.dims[0], counts[i]);
            const float *numbers = view.data;
            for (int64_t k = 0; k < counts[i]; k++) CHECK(numbers[k] == 0);
            memset(view.data, 0xFF, (size_t)counts[i] * sizeof(float));
            CHECK_OK(ebb_array_read(array, &again, &device));
            CHECK_EQ(memcmp(&again, &view, sizeof view), 0);
            CHECK_TEXT(device, "CPU:0");
            CHECK(memory_of(runtime).live > before);
            CHECK_OK(ebb_array_close(array));
            CHECK_EQ(memory_of(runtime).live, before);
            CHECK_STATUS(ebb_array_close(array), EBB_E_STALE);
            CHECK_STATUS(ebb_array_read(array, NULL, NULL), EBB_E_STALE);
        }
    }
    built_close(t, runtime);
}

TEST(bytes_are_exact)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_memory before = memory_of(runtime);
    ebb_array small[100];
    const ebb_array large = opened(t, runtime, 1 << 20, NULL);

    CHECK_EQ(memory_of(runtime).by_class[EBB_CLASS_DATA], 4 << 20);
    CHECK_EQ(memory_of(runtime).live, before.live + (4 << 20) + 4096);
    for (uint32_t i = 0; i < 100; i++) small[i] = opened(t, runtime, 4, NULL);
    CHECK_EQ(memory_of(runtime).by_class[EBB_CLASS_DATA], (4 << 20) + 5 * 4096);
    for (uint32_t i = 0; i < 100; i += 2) CHECK_OK(ebb_array_close(small[i]));
    CHECK_EQ(memory_of(runtime).by_class[EBB_CLASS_DATA], (4 << 20) + 5 * 4096);
    for (uint32_t i = 0; i < 100; i += 2) small[i] = opened(t, runtime, 16, NULL);
    CHECK_EQ(memory_of(runtime).by_class[EBB_CLASS_DATA], (4 << 20) + 5 * 4096);
    for (uint32_t i = 0; i < 100; i++) CHECK_OK(ebb_array_close(small[i]));
    CHECK_EQ(memory_of(runtime).by_class[EBB_CLASS_DATA], 4 << 20);
    CHECK_OK(ebb_array_close(large));
    CHECK_EQ(memory_of(runtime).live, before.live);
    built_close(t, runtime);
}

TEST(arrays_are_on_their_device)
{
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t limits[] = {1 << 20, 0};
    const int64_t count = 1000, much = 1 << 20;
    ebb_array first, second, third;
    const char *device;
    ebb_memory memory;

    CHECK_OK(ebb_device_logical_set(runtime, "CPU:0", limits, 2, &t->error));
    CHECK_OK(ebb_array_open(runtime, EBB_F32, 1, &count, "/device:CPU:1", &first, NULL, &t->error));
    CHECK_OK(ebb_device_memory_read(runtime, "CPU:1", &memory, &t->error));
    CHECK_EQ(memory.by_class[EBB_CLASS_DATA], 4096);
    CHECK_OK(ebb_device_scope_push(runtime, "CPU:1", &t->error));
    CHECK_OK(ebb_array_open(runtime, EBB_F32, 1, &much, NULL, &second, NULL, &t->error));
    CHECK_OK(ebb_array_open(runtime, EBB_U8, 0, NULL, NULL, &third, NULL, &t->error));
    CHECK_OK(ebb_device_scope_pop(runtime, &t->error));
    CHECK_OK(ebb_array_read(second, NULL, &device));
    CHECK_TEXT(device, "CPU:1");
    CHECK_OK(ebb_device_memory_read(runtime, "CPU:1", &memory, &t->error));
    CHECK_EQ(memory.by_class[EBB_CLASS_DATA], 2 * 4096 + (4 << 20));
    CHECK_OK(ebb_array_close(third));
    CHECK_STATUS(ebb_array_open(runtime, EBB_F32, 1, &much, NULL, &third, NULL, &t->error),
                 EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "CPU:0 is limited to");
    CHECK_STATUS(ebb_array_open(runtime, EBB_F32, 1, &much, "CPU:7", &third, NULL, &t->error),
                 EBB_E_NOT_FOUND);
    CHECK_OK(ebb_array_close(first));
    CHECK_OK(ebb_array_close(second));
    CHECK_OK(ebb_device_memory_read(runtime, "CPU:1", &memory, &t->error));
    CHECK_EQ(memory.live, 0);
    built_close(t, runtime);
}

TEST(wrong_and_impossible_arrays_are_refused)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    const int64_t tebi[] = {1 << 20, 1 << 18}, beyond[] = {INT64_MAX, 8}, negative = -1;
    ebb_runtime runtime;
    ebb_array array;
    ebb_view view;

    CHECK_OK(ebb_runtime_open(&options, &runtime, &t->error));
    const uint64_t before = memory_of(runtime).live, begin = clock_ns();
    CHECK_STATUS(ebb_array_open(runtime, EBB_F32, 2, tebi, NULL, &array, &view, &t->error),
                 EBB_E_MEMORY);
    CHECK(clock_ns() - begin < 1000000000);
    CHECK_CONTAINS(t->error.text, "1099511627776");
    CHECK_EQ(array.id, 0);
    CHECK(view.data == NULL);
    CHECK_STATUS(ebb_array_open(runtime, EBB_F64, 2, beyond, NULL, &array, NULL, &t->error),
                 EBB_E_MEMORY);
    CHECK_STATUS(ebb_array_open(runtime, EBB_F32, 1, &negative, NULL, &array, NULL, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_array_open(runtime, EBB_F32, 9, tebi, NULL, &array, NULL, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_array_open(runtime, EBB_F32, 1, NULL, NULL, &array, NULL, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_array_open(runtime, EBB_DTYPE_NONE, 1, tebi, NULL, &array, NULL, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_array_open(runtime, EBB_F32, 1, tebi, NULL, NULL, NULL, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_EQ(memory_of(runtime).live, before);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
    CHECK_STATUS(ebb_array_open(runtime, EBB_F32, 1, tebi, NULL, &array, NULL, &t->error),
                 EBB_E_STALE);
}

TEST(what_the_machine_has_is_read)
{
    CHECK_EQ(system_memory_parse("MemTotal: 100 kB\nMemAvailable:   2000 kB\nSwapFree: 48 kB\n"),
             2048 * 1024);
    CHECK_EQ(system_memory_parse("MemAvailable: 2 kB\n"), 2048);
    CHECK(system_memory_parse("nothing") == UINT64_MAX);
    CHECK(system_memory_free() > 0);
}

/* Arrays that nobody closed. */
TEST(a_closing_runtime_takes_arrays_along)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_receipt receipt;
    ebb_array last = {0};

    for (int64_t i = 0; i < 200; i++) last = opened(t, runtime, i * 7, NULL);
    const ebb_memory memory = memory_of(runtime);
    CHECK_OK(ebb_runtime_close(runtime, &receipt));
    CHECK_EQ(receipt.bytes[EBB_CLASS_DATA], memory.by_class[EBB_CLASS_DATA]);
    CHECK_STATUS(ebb_array_close(last), EBB_E_STALE);
}

TEST(no_memory_is_an_answer)
{
    static const int64_t counts[] = {1, 100, 5000};
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t before = memory_of(runtime).live;

    for (size_t i = 0; i < 3; i++) {
        bool failed = true;
        for (int64_t n = 0; failed; n++) {
            ebb_array array;
            test_fail_allocation(t, n);
            const ebb_status status =
                ebb_array_open(runtime, EBB_F32, 1, &counts[i], NULL, &array, NULL, &t->error);
            failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            if (status == EBB_OK) CHECK_OK(ebb_array_close(array));
            CHECK_EQ(memory_of(runtime).live, before);
        }
    }
    built_close(t, runtime);
}

typedef struct worker {
    ebb_runtime runtime;
    uint32_t number;
    bool good;
} worker;

static void *work(void *context)
{
    worker *w = context;
    ebb_array arrays[40] = {{0}};
    ebb_view views[40];

    w->good = true;
    for (uint32_t i = 0; i < 4000 && w->good; i++) {
        const uint32_t at = (i * 7 + w->number) % 40;
        if (arrays[at].id != 0) {
            const uint8_t *bytes = views[at].data;
            for (int64_t k = 0; k < views[at].dims[0]; k++) w->good &= bytes[k] == w->number;
            w->good &= ebb_array_close(arrays[at]) == EBB_OK;
        }
        const int64_t count = (i * 37) % 1500;
        w->good &= ebb_array_open(w->runtime, EBB_U8, 1, &count, NULL, &arrays[at], &views[at],
                                  NULL) == EBB_OK;
        const uint8_t *bytes = views[at].data;
        for (int64_t k = 0; k < count; k++) w->good &= bytes[k] == 0;
        if (count > 0) memset(views[at].data, (int)w->number, (size_t)count);
    }
    for (uint32_t i = 0; i < 40; i++) w->good &= ebb_array_close(arrays[i]) == EBB_OK;
    return NULL;
}

TEST(threads_do_not_meet)
{
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t before = memory_of(runtime).live;
    worker workers[4];
    pthread_t threads[4];

    for (uint32_t i = 0; i < 4; i++) {
        workers[i] = (worker){.runtime = runtime, .number = i + 1};
        CHECK_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK(workers[i].good);
    }
    CHECK_EQ(memory_of(runtime).live, before);
    built_close(t, runtime);
}

/* Told, not judged: machines differ. */
TEST(small_arrays_are_cheap)
{
    ebb_runtime runtime;
    ebb_view view;

    CHECK_OK(ebb_runtime_open(NULL, &runtime, &t->error));
    for (int is_lone = 0; is_lone < 2; is_lone++) {
        const ebb_array stays = is_lone ? (ebb_array){0} : opened(t, runtime, 4, NULL);
        const uint64_t begin = clock_ns();
        for (uint32_t i = 0; i < 20000; i++)
            CHECK_OK(ebb_array_close(opened(t, runtime, 4, &view)));
        print_message("open and close, %s: %llu ns\n", is_lone ? "alone" : "beside others",
                      (unsigned long long)((clock_ns() - begin) / 20000));
        if (!is_lone) CHECK_OK(ebb_array_close(stays));
    }
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST_MAIN(RUN(arrays_are_zero_and_aligned), RUN(bytes_are_exact), RUN(arrays_are_on_their_device),
          RUN(wrong_and_impossible_arrays_are_refused), RUN(what_the_machine_has_is_read),
          RUN(a_closing_runtime_takes_arrays_along), RUN(no_memory_is_an_answer),
          RUN(threads_do_not_meet), RUN(small_arrays_are_cheap))
