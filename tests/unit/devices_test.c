/* devices_test.c -- device strings, lists, and the rules of the configuration (ebb/device.h). The
 * rules are those of tensorflow/python/eager/context.py. */
#include "harness.h"

#include <string.h>

#include "ebb/ebb.h"
#include "fake_gpu.h"

#define MIB ((uint64_t)1 << 20)

/* -- device strings ---------------------------------------------------------------------------- */

TEST(device_strings_in_every_form)
{
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"CPU:1", "CPU:1"},
        {"/CPU:1", "CPU:1"},
        {"/cpu:1", "CPU:1"},
        {"cpu", "CPU:0"},
        {"GPU", "GPU:0"},
        {"/gpu:12", "GPU:12"},
        {"CPU:*", "CPU:0"},
        {"TPU:0", "TPU:0"},
        {"/device:CPU:1", "CPU:1"},
        {"/device:gpu:0", "GPU:0"},
        {"device:GPU:*", "GPU:0"},
        {"/device:XLA_GPU:3", "XLA_GPU:3"},
        {"/device:CPU", "CPU:0"},
        {"/job:localhost/replica:0/task:0/device:CPU:1", "CPU:1"},
        {"/job:localhost/replica:0/task:0/CPU:1", "CPU:1"},
        {"/physical_device:GPU:1", "GPU:1"},
        {"/job:localhost", ""},
        {"/job:localhost/replica:0/task:0", ""},
        {"//CPU:1//", "CPU:1"},
        {"/", ""},
        {"", ""},
        {NULL, ""},
        {"CPU:007", "CPU:7"},
        {"CPU:65535", "CPU:65535"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[EBB_DEVICE_NAME_BYTES] = "?";
        CHECK_OK(ebb_device_text_read(cases[i].text, name, &t->error));
        CHECK_TEXT(name, cases[i].name);
    }
}

TEST(device_strings_that_are_none)
{
    static const struct {
        const char *text, *says;
        ebb_status status;
    } cases[] = {
        {"XPU:0", "unknown attribute 'XPU'", EBB_E_ARGUMENT},
        {"CPU:one", "number of the device is 'one'", EBB_E_ARGUMENT},
        {"CPU:-1", "'-1'", EBB_E_ARGUMENT},
        {"CPU:", "''", EBB_E_ARGUMENT},
        {"CPU: 1", "' 1'", EBB_E_ARGUMENT},
        {"CPU:65536", "65536", EBB_E_ARGUMENT},
        {"CPU:99999999999999999999", "0 to 65535", EBB_E_ARGUMENT},
        {"CPU:0:0", "unknown attribute 'CPU'", EBB_E_ARGUMENT},
        {"/CPU:0/GPU:0", "two kinds", EBB_E_ARGUMENT},
        {"/device:CPU:0/device:CPU:1", "two kinds", EBB_E_ARGUMENT},
        {"device", "unknown attribute 'device'", EBB_E_ARGUMENT},
        {"/device::0", "no kind of device", EBB_E_ARGUMENT},
        {"/device:C PU:0", "no kind of device", EBB_E_ARGUMENT},
        {"/device:CPU:0:1", "'0:1'", EBB_E_ARGUMENT},
        {":0", "unknown attribute ''", EBB_E_ARGUMENT},
        {"the fast one", "unknown attribute 'the fast one'", EBB_E_ARGUMENT},
        {"/job:worker/CPU:0", "job is 'worker'", EBB_E_NOT_FOUND},
        {"/task:3", "task is '3'", EBB_E_NOT_FOUND},
        {"/replica:x", "replica is 'x'", EBB_E_ARGUMENT},
        {"/job:localhost:1", "unknown attribute 'job'", EBB_E_ARGUMENT},
    };
    char name[EBB_DEVICE_NAME_BYTES], endless[300];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_STATUS(ebb_device_text_read(cases[i].text, name, &t->error), cases[i].status);
        CHECK_CONTAINS(t->error.text, cases[i].says);
        CHECK_CONTAINS(t->error.text, cases[i].status == EBB_E_ARGUMENT ? "expected" : "localhost");
        CHECK_TEXT(name, "");
    }
    memset(endless, 'C', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    CHECK_STATUS(ebb_device_text_read(endless, name, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_device_text_read("CPU", NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_device_text_read("XPU", name, NULL), EBB_E_ARGUMENT);
}

/* -- lists ------------------------------------------------------------------------------------- */

static ebb_runtime open_plain(test *t)
{
    ebb_runtime runtime;
    CHECK_OK(ebb_runtime_open(NULL, &runtime, &t->error));
    return runtime;
}

static ebb_runtime open_gpus(test *t)
{
    ebb_runtime runtime;
    CHECK_OK(fake_gpus_open(NULL, &runtime, &t->error));
    return runtime;
}

static size_t logical_count(test *t, ebb_runtime runtime)
{
    size_t count = 0;
    CHECK_OK(ebb_devices_list(runtime, NULL, &count, &t->error));
    return count;
}

static uint64_t live(ebb_runtime runtime)
{
    ebb_memory memory = {0};
    return ebb_memory_read(runtime, &memory) == EBB_OK ? memory.live : UINT64_MAX;
}

TEST(devices_of_a_machine_as_it_is)
{
    const ebb_runtime runtime = open_plain(t);
    ebb_physical_device_info physical[4];
    ebb_device_info logical[4];
    size_t count = 4;
    CHECK_OK(ebb_physical_devices_list(runtime, physical, &count));
    CHECK_EQ(count, 1);
    CHECK_TEXT(physical[0].name, "CPU:0");
    CHECK(physical[0].description[0] != '\0');
    CHECK(physical[0].is_visible && physical[0].has_growth && !physical[0].is_divided);
    CHECK_EQ(physical[0].logical, 1);
    count = 4;
    CHECK_OK(ebb_devices_list(runtime, logical, &count, &t->error));
    CHECK_EQ(count, 1);
    CHECK_TEXT(logical[0].name, "CPU:0");
    CHECK_EQ(logical[0].bytes_live, live(runtime));
    CHECK_EQ(logical[0].bytes_limit, 0);
    CHECK_EQ(logical[0].models, 0);
    CHECK(ebb_device_exists(runtime, "CPU") && ebb_device_exists(runtime, NULL));
    CHECK(!ebb_device_exists(runtime, "GPU") && !ebb_device_exists(runtime, "CPU:1"));
    CHECK(!ebb_device_exists(runtime, "no device"));
    CHECK_OK(ebb_runtime_close(runtime, NULL));
    CHECK(!ebb_device_exists(runtime, "CPU"));
    CHECK_STATUS(ebb_physical_devices_list(runtime, physical, &count), EBB_E_STALE);
    CHECK_STATUS(ebb_devices_list(runtime, logical, &count, &t->error), EBB_E_STALE);
}

TEST(device_lists_fill_what_there_is_room_for)
{
    const ebb_runtime runtime = open_gpus(t);
    ebb_physical_device_info physical[3] = {{.name = "?"}, {.name = "?"}, {.name = "?"}};
    ebb_device_info logical[3] = {{.name = "?"}, {.name = "?"}, {.name = "?"}};
    size_t count = 2;
    CHECK_OK(ebb_physical_devices_list(runtime, physical, &count));
    CHECK_EQ(count, 3);
    CHECK_TEXT(physical[1].name, "GPU:0");
    CHECK_TEXT(physical[2].name, "?");
    count = 1;
    CHECK_OK(ebb_devices_list(runtime, logical, &count, &t->error));
    CHECK_EQ(count, 3);
    CHECK_TEXT(logical[1].name, "?");
    count = 0;
    CHECK_OK(ebb_devices_list(runtime, NULL, &count, &t->error));
    CHECK_EQ(count, 3);
    CHECK_STATUS(ebb_devices_list(runtime, logical, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_physical_devices_list(runtime, physical, NULL), EBB_E_ARGUMENT);
    CHECK(ebb_device_exists(runtime, "GPU:1") && !ebb_device_exists(runtime, "GPU:2"));
    CHECK_EQ(fake_gpus_open_now(), 2);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
    CHECK_EQ(fake_gpus_open_now(), 0);
}

TEST(devices_that_do_not_open_leave_nothing)
{
    ebb_runtime runtime;
    for (int32_t n = 0; n < 2; n++) {
        fake_gpus_fail(n);
        CHECK_STATUS(fake_gpus_open(NULL, &runtime, &t->error), EBB_E_INTERNAL);
        CHECK_EQ(runtime.id, 0);
        CHECK_EQ(fake_gpus_open_now(), 0);
    }
    fake_gpus_fail(-1);
}

/* -- dividing ---------------------------------------------------------------------------------- */

TEST(a_divided_device_is_several)
{
    const ebb_runtime runtime = open_plain(t);
    const uint64_t limits[] = {64 * MIB, 0, 3 * MIB};
    ebb_physical_device_info physical;
    ebb_device_info logical[3];
    size_t count = 1;
    CHECK_OK(ebb_device_logical_set(runtime, "/physical_device:CPU:0", limits, 3, &t->error));
    CHECK_OK(ebb_physical_devices_list(runtime, &physical, &count));
    CHECK_EQ(count, 1);
    CHECK_EQ(physical.logical, 3);
    CHECK(physical.is_divided);
    CHECK_OK(ebb_device_logical_set(runtime, "CPU:0", limits, 2, &t->error)); /* not used yet */
    CHECK_OK(ebb_device_logical_set(runtime, "CPU:0", limits, 3, &t->error));
    count = 3;
    CHECK_OK(ebb_devices_list(runtime, logical, &count, &t->error));
    CHECK_EQ(count, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(logical[i].bytes_limit, limits[i]);
        CHECK_EQ(logical[i].bytes_live, i == 0 ? live(runtime) : 0);
        CHECK_EQ(logical[i].physical, 0);
    }
    CHECK_TEXT(logical[2].name, "CPU:2");
    CHECK(ebb_device_exists(runtime, "/CPU:2"));
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(a_device_in_use_is_not_divided)
{
    const ebb_runtime runtime = open_plain(t);
    const uint64_t two[] = {0, 0}, other[] = {0, MIB};
    CHECK_OK(ebb_device_logical_set(runtime, "CPU:0", NULL, 2, &t->error));
    CHECK_EQ(logical_count(t, runtime), 2);
    CHECK_OK(ebb_device_logical_set(runtime, "CPU:0", two, 2, &t->error)); /* what it is already */
    CHECK_STATUS(ebb_device_logical_set(runtime, "CPU:0", NULL, 4, &t->error), EBB_E_STATE);
    CHECK_TEXT(t->error.text, "Virtual devices cannot be modified after being initialized");
    CHECK_STATUS(ebb_device_logical_set(runtime, "CPU:0", other, 2, &t->error), EBB_E_STATE);
    CHECK_EQ(logical_count(t, runtime), 2);
    CHECK_OK(ebb_runtime_close(runtime, NULL));

    const ebb_runtime whole = open_plain(t);
    CHECK_EQ(logical_count(t, whole), 1);
    CHECK_STATUS(ebb_device_logical_set(whole, "CPU:0", NULL, 1, &t->error), EBB_E_STATE);
    CHECK_OK(ebb_runtime_close(whole, NULL));
}

TEST(what_is_a_first_use)
{
    ebb_memory memory;
    ebb_device_transfers transfers;
    char name[EBB_DEVICE_NAME_BYTES];
    for (int use = 0; use < 6; use++) {
        const ebb_runtime runtime = open_plain(t);
        size_t count = 0;
        CHECK_OK(ebb_physical_devices_list(runtime, NULL, &count));
        CHECK(ebb_device_exists(runtime, "CPU:0"));
        CHECK_OK(ebb_soft_placement_set(runtime, true));
        CHECK_OK(ebb_device_logical_set(runtime, "CPU:0", NULL, 2, &t->error));
        if (use == 0) CHECK_EQ(logical_count(t, runtime), 2);
        if (use == 1) CHECK_OK(ebb_device_memory_read(runtime, "CPU:1", &memory, &t->error));
        if (use == 2) CHECK_OK(ebb_device_peak_reset(runtime, "CPU:1", &t->error));
        if (use == 3) CHECK_OK(ebb_device_scope_push(runtime, "CPU:1", &t->error));
        if (use == 4) CHECK_OK(ebb_device_scope_read(runtime, name, &t->error));
        if (use == 5)
            CHECK_OK(ebb_device_transfers_read(runtime, "CPU:0", "CPU:1", &transfers, &t->error));
        CHECK_STATUS(ebb_device_logical_set(runtime, "CPU:0", NULL, 3, &t->error), EBB_E_STATE);
        CHECK_STATUS(ebb_device_growth_set(runtime, "CPU:0", false, &t->error), EBB_E_ARGUMENT);
        CHECK_OK(ebb_runtime_close(runtime, NULL));
    }
}

TEST(divisions_that_make_no_sense)
{
    const ebb_runtime runtime = open_plain(t);
    const uint64_t tiny[] = {1000};
    static const uint64_t many[65] = {0};
    CHECK_STATUS(ebb_device_logical_set(runtime, "CPU:0", many, 0, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_device_logical_set(runtime, "CPU:0", many, 65, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_device_logical_set(runtime, "GPU:0", many, 2, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "GPU:0");
    CHECK_STATUS(ebb_device_logical_set(runtime, "CPU:1", many, 2, &t->error), EBB_E_NOT_FOUND);
    CHECK_STATUS(ebb_device_logical_set(runtime, "CPU", tiny, 1, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "1000");
    CHECK_STATUS(ebb_device_logical_set(runtime, "XPU", many, 2, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_device_logical_set(runtime, "CPU", many, 64, &t->error));
    CHECK_EQ(logical_count(t, runtime), 64);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
    CHECK_STATUS(ebb_device_logical_set(runtime, "CPU", many, 2, &t->error), EBB_E_STALE);
}

TEST(parts_of_several_devices_are_numbered_through)
{
    const ebb_runtime runtime = open_gpus(t);
    const uint64_t limits[] = {5 * MIB, 6 * MIB};
    static const char *const names[] = {"CPU:0", "GPU:0", "GPU:1", "GPU:2"};
    ebb_device_info logical[4];
    size_t count = 4;
    CHECK_OK(ebb_device_logical_set(runtime, "GPU:0", limits, 2, &t->error));
    CHECK_OK(ebb_devices_list(runtime, logical, &count, &t->error));
    CHECK_EQ(count, 4);
    for (size_t i = 0; i < 4; i++) CHECK_TEXT(logical[i].name, names[i]);
    CHECK_EQ(logical[2].bytes_limit, 6 * MIB);
    CHECK_EQ(logical[2].physical, 1);
    CHECK_EQ(logical[3].bytes_limit, 0);
    CHECK_EQ(logical[3].physical, 2);
    CHECK_CONTAINS(logical[3].description, "number 1");
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

/* -- growth, hiding ---------------------------------------------------------------------------- */

TEST(growth_is_the_same_for_all_of_a_kind)
{
    const ebb_runtime runtime = open_gpus(t);
    ebb_physical_device_info physical[3];
    size_t count = 3;
    CHECK_OK(ebb_device_growth_set(runtime, "CPU:0", false, &t->error)); /* another kind */
    CHECK_OK(ebb_device_growth_set(runtime, "GPU:1", false, &t->error));
    CHECK_STATUS(ebb_devices_list(runtime, NULL, &count, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "Memory growth cannot differ between GPU devices");
    CHECK_STATUS(ebb_device_scope_push(runtime, "GPU:1", &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_device_growth_set(runtime, "GPU:0", false, &t->error)); /* and now it is */
    CHECK_EQ(logical_count(t, runtime), 3);
    count = 3;
    CHECK_OK(ebb_physical_devices_list(runtime, physical, &count));
    CHECK(!physical[1].has_growth && !physical[2].has_growth);
    CHECK_OK(ebb_device_growth_set(runtime, "GPU:0", false, &t->error)); /* as it is */
    CHECK_STATUS(ebb_device_growth_set(runtime, "GPU:0", true, &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "cannot be modified after being initialized");
    CHECK_STATUS(ebb_device_growth_set(runtime, "GPU:5", true, &t->error), EBB_E_NOT_FOUND);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(growth_and_division_exclude_each_other)
{
    const ebb_runtime runtime = open_gpus(t);
    CHECK_OK(ebb_device_logical_set(runtime, "GPU:0", NULL, 2, &t->error));
    CHECK_STATUS(ebb_device_growth_set(runtime, "GPU:0", true, &t->error), EBB_E_ARGUMENT);
    CHECK_TEXT(t->error.text, "Cannot set memory growth on device when virtual devices configured");
    CHECK_OK(ebb_device_growth_set(runtime, "GPU:1", true, &t->error));
    CHECK_STATUS(ebb_device_logical_set(runtime, "GPU:1", NULL, 2, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "memory growth is set");
    CHECK_EQ(logical_count(t, runtime), 4);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(hidden_devices_are_not_there)
{
    const ebb_runtime runtime = open_gpus(t);
    ebb_physical_device_info physical[3];
    ebb_device_info logical[3];
    size_t count = 3;
    CHECK_STATUS(ebb_device_visible_set(runtime, "CPU:0", false, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_device_visible_set(runtime, "GPU:0", false, &t->error));
    CHECK_OK(ebb_device_visible_set(runtime, "GPU:1", false, &t->error));
    CHECK(!ebb_device_exists(runtime, "GPU"));
    CHECK_OK(ebb_device_visible_set(runtime, "GPU:1", true, &t->error));
    CHECK_OK(ebb_devices_list(runtime, logical, &count, &t->error));
    CHECK_EQ(count, 2);
    CHECK_TEXT(logical[1].name, "GPU:0"); /* the second one moved up */
    CHECK_EQ(logical[1].physical, 2);
    count = 3;
    CHECK_OK(ebb_physical_devices_list(runtime, physical, &count));
    CHECK(!physical[1].is_visible && physical[1].logical == 0 && physical[2].logical == 1);
    CHECK_OK(ebb_device_visible_set(runtime, "GPU:0", false, &t->error)); /* as it is */
    CHECK_STATUS(ebb_device_visible_set(runtime, "GPU:0", true, &t->error), EBB_E_STATE);
    CHECK_TEXT(t->error.text, "Visible devices cannot be modified after being initialized");
    CHECK_STATUS(ebb_device_visible_set(runtime, "GPU:7", true, &t->error), EBB_E_NOT_FOUND);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

/* -- scopes ------------------------------------------------------------------------------------ */

static void check_here(test *t, ebb_runtime runtime, const char *expected)
{
    char name[EBB_DEVICE_NAME_BYTES];
    CHECK_OK(ebb_device_scope_read(runtime, name, &t->error));
    CHECK_TEXT(name, expected);
}

TEST(scopes_nest)
{
    const ebb_runtime runtime = open_gpus(t);
    const uint64_t before = live(runtime);
    check_here(t, runtime, "CPU:0");
    CHECK_STATUS(ebb_device_scope_pop(runtime, &t->error), EBB_E_STATE);
    CHECK_OK(ebb_device_scope_push(runtime, "/GPU:1", &t->error));
    check_here(t, runtime, "GPU:1");
    CHECK_OK(ebb_device_scope_push(runtime, "/job:localhost", &t->error)); /* keeps the device */
    check_here(t, runtime, "GPU:1");
    CHECK_OK(ebb_device_scope_push(runtime, NULL, &t->error)); /* forgets it */
    check_here(t, runtime, "CPU:0");
    CHECK_OK(ebb_device_scope_push(runtime, "gpu", &t->error));
    check_here(t, runtime, "GPU:0");
    CHECK_STATUS(ebb_device_scope_push(runtime, "/GPU:2", &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "CPU:0, GPU:0, GPU:1");
    CHECK_STATUS(ebb_device_scope_push(runtime, "nothing", &t->error), EBB_E_ARGUMENT);
    check_here(t, runtime, "GPU:0");
    for (int i = 0; i < 2; i++) CHECK_OK(ebb_device_scope_pop(runtime, &t->error));
    check_here(t, runtime, "GPU:1");
    for (int i = 0; i < 2; i++) CHECK_OK(ebb_device_scope_pop(runtime, &t->error));
    check_here(t, runtime, "CPU:0");
    CHECK_STATUS(ebb_device_scope_pop(runtime, &t->error), EBB_E_STATE);
    CHECK_EQ(live(runtime), before);
    CHECK_OK(ebb_device_scope_push(runtime, "gpu", &t->error)); /* goes with the runtime */
    CHECK_OK(ebb_runtime_close(runtime, NULL));
    CHECK_STATUS(ebb_device_scope_pop(runtime, &t->error), EBB_E_STALE);
}

TEST(scopes_have_an_end)
{
    const ebb_runtime runtime = open_plain(t);
    const uint64_t before = live(runtime);
    for (int i = 0; i < 200; i++) CHECK_OK(ebb_device_scope_push(runtime, "CPU:0", &t->error));
    CHECK_STATUS(ebb_device_scope_push(runtime, "CPU:0", &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "200");
    for (int i = 0; i < 200; i++) CHECK_OK(ebb_device_scope_pop(runtime, &t->error));
    CHECK_EQ(live(runtime), before);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(soft_placement_falls_back)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;
    options.soft_placement = true;
    CHECK_OK(ebb_runtime_open(&options, &runtime, &t->error));
    CHECK_OK(ebb_device_scope_push(runtime, "/GPU:63", &t->error));
    check_here(t, runtime, "CPU:0");
    CHECK_OK(ebb_device_scope_pop(runtime, &t->error));
    CHECK_STATUS(ebb_device_scope_push(runtime, "/GPU:x", &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_soft_placement_set(runtime, false));
    CHECK_STATUS(ebb_device_scope_push(runtime, "/GPU:63", &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "no such device as GPU:63; this runtime has CPU:0");
    CHECK_OK(ebb_runtime_close(runtime, NULL));
    CHECK_STATUS(ebb_soft_placement_set(runtime, true), EBB_E_STALE);
}

/* -- failures ---------------------------------------------------------------------------------- */

TEST(configuration_survives_each_failed_allocation)
{
    static const uint64_t limits[] = {0, MIB, 2 * MIB};
    const ebb_runtime_options defaults = EBB_RUNTIME_OPTIONS_INIT;
    for (int64_t n = 0, is_done = 0; !is_done; n++) {
        ebb_runtime_options options = defaults;
        ebb_runtime runtime;
        ebb_device_info logical[3];
        size_t count = 3;
        options.allocator = test_allocator(t);
        CHECK_OK(ebb_runtime_open(&options, &runtime, &t->error));
        CHECK_OK(ebb_device_logical_set(runtime, "CPU:0", limits + 1, 2, &t->error));
        const uint64_t before = live(runtime);
        test_fail_allocation(t, n);
        const ebb_status status = ebb_device_logical_set(runtime, "CPU:0", limits, 3, &t->error);
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, has_failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(live(runtime), before); /* the new page is there and the old one gone, or not */
        CHECK_OK(ebb_devices_list(runtime, logical, &count, &t->error));
        CHECK_EQ(count, has_failed ? 2 : 3);
        CHECK_EQ(logical[1].bytes_limit, has_failed ? 2 * MIB : MIB);
        const uint64_t idle = live(runtime);
        test_fail_allocation(t, 0);
        CHECK_STATUS(ebb_device_scope_push(runtime, "CPU:1", &t->error), EBB_E_MEMORY);
        test_fail_allocation(t, 1);
        CHECK_STATUS(ebb_device_scope_push(runtime, "CPU:1", &t->error), EBB_E_MEMORY);
        test_fail_allocation(t, -1);
        CHECK_EQ(live(runtime), idle);
        CHECK_OK(ebb_runtime_close(runtime, NULL));
        is_done = !has_failed;
    }
}

TEST(opening_survives_each_failed_allocation)
{
    for (int64_t n = 0, is_done = 0; !is_done; n++) {
        ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
        ebb_runtime runtime;
        options.allocator = test_allocator(t);
        test_fail_allocation(t, n);
        const ebb_status status = fake_gpus_open(&options, &runtime, &t->error);
        is_done = !test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, is_done ? EBB_OK : EBB_E_MEMORY);
        if (is_done) CHECK_OK(ebb_runtime_close(runtime, NULL));
        CHECK_EQ(fake_gpus_open_now(), 0);
    }
}

TEST_MAIN(RUN(device_strings_in_every_form), RUN(device_strings_that_are_none),
          RUN(devices_of_a_machine_as_it_is), RUN(device_lists_fill_what_there_is_room_for),
          RUN(devices_that_do_not_open_leave_nothing), RUN(a_divided_device_is_several),
          RUN(a_device_in_use_is_not_divided), RUN(what_is_a_first_use),
          RUN(divisions_that_make_no_sense), RUN(parts_of_several_devices_are_numbered_through),
          RUN(growth_is_the_same_for_all_of_a_kind), RUN(growth_and_division_exclude_each_other),
          RUN(hidden_devices_are_not_there), RUN(scopes_nest), RUN(scopes_have_an_end),
          RUN(soft_placement_falls_back), RUN(configuration_survives_each_failed_allocation),
          RUN(opening_survives_each_failed_allocation))
