/* session_device_test.c -- runs over several logical devices: placement, copies, limits. */
#include <string.h>

#include "graph_fixture.h"

static const float three[] = {1, 2, 3};

static uint64_t device_live(test *t, const fixture *f, const char *device)
{
    ebb_memory memory;

    CHECK_OK(ebb_device_memory_read(f->runtime, device, &memory, &t->error));
    return memory.live;
}

static uint64_t copied(test *t, const fixture *f, const char *from, const char *to)
{
    ebb_device_transfers transfers;

    CHECK_OK(ebb_device_transfers_read(f->runtime, from, to, &transfers, &t->error));
    return transfers.bytes;
}

TEST(parts_run_where_they_are_placed)
{
    fixture f;
    float y[3], x[3] = {1, 2, 3};
    ebb_session_info info;
    ebb_operation_info operation;

    fixture_open_on(t, &f, 2, NULL);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 1, (int64_t[]){3});
    const ebb_tensor a = ebb_square(f.graph, p);
    CHECK_OK(ebb_graph_device_push(f.graph, "/CPU:1", &t->error));
    const ebb_tensor b = ebb_add(f.graph, a, fixture_vector(&f, 3, three));
    CHECK_OK(ebb_graph_device_push(f.graph, "/device:CPU:0", &t->error));
    const ebb_tensor c = ebb_neg(f.graph, b);
    CHECK_OK(ebb_graph_device_pop(f.graph));
    const ebb_tensor e = ebb_mul(f.graph, b, b);
    CHECK_OK(ebb_graph_device_push(f.graph, NULL, &t->error));
    const ebb_tensor r = ebb_sub(f.graph, e, c);
    CHECK_OK(ebb_graph_device_pop(f.graph));
    CHECK_OK(ebb_graph_device_pop(f.graph));
    CHECK_STATUS(ebb_graph_device_pop(f.graph), EBB_E_STATE);
    CHECK_OK(ebb_graph_operation_read(f.graph, 3, &operation));
    CHECK_TEXT(operation.device, "CPU:1");
    const uint64_t before = device_live(t, &f, "CPU:1");
    const ebb_feed feed = {p, fixture_view(3, x)};
    CHECK_OK(
        ebb_session_run(f.session, &feed, 1, &r, &(ebb_view){.data = y}, 1, NULL, 0, &t->error));
    /* b = x^2 + x = 2, 6, 12; r = b^2 + b */
    fixture_numbers(t, y, (float[]){6, 42, 156}, 3);
    CHECK(device_live(t, &f, "CPU:1") > before);
    CHECK_EQ(copied(t, &f, "CPU:0", "CPU:1"), 12);
    CHECK_EQ(copied(t, &f, "CPU:1", "CPU:0"), 24);
    CHECK_OK(ebb_session_info_read(f.session, &info));
    CHECK_EQ(info.parts, 3);
    CHECK_EQ(info.bytes_copied, 36);
    CHECK_OK(ebb_session_close(f.session, NULL, &t->error));
    CHECK_EQ(device_live(t, &f, "CPU:1"), before);
    fixture_close(t, &f);
}

TEST(everything_on_another_device)
{
    fixture f;
    float y[3], z[3], x[3] = {1, 2, 3};

    fixture_open_on(t, &f, 2, NULL);
    CHECK_OK(ebb_graph_device_push(f.graph, "/CPU:1", &t->error));
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 1, (int64_t[]){3});
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", fixture_vector(&f, 3, three));
    const ebb_tensor step = ebb_assign_add(f.graph, w, p);
    const ebb_tensor r = ebb_mul(f.graph, w, p);
    CHECK_OK(ebb_graph_device_pop(f.graph));
    fixture_good(t, &f);
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    ebb_memory memory;
    CHECK_OK(ebb_device_memory_read(f.runtime, "CPU:1", &memory, &t->error));
    CHECK(memory.by_class[EBB_CLASS_WEIGHTS] > 0);
    const ebb_tensor fetches[] = {r, w, step, p};
    float s[3], q[3];
    const ebb_view outputs[] = {fixture_view(3, y), fixture_view(3, z), fixture_view(3, s),
                                fixture_view(3, q)};
    const ebb_feed feed = {p, fixture_view(3, x)};
    CHECK_OK(ebb_session_run(f.session, &feed, 1, fetches, outputs, 4, NULL, 0, &t->error));
    fixture_numbers(t, y, (float[]){1, 4, 9}, 3);
    fixture_numbers(t, z, three, 3); /* as it was */
    fixture_numbers(t, s, (float[]){2, 4, 6}, 3);
    fixture_numbers(t, q, x, 3);
    fixture_fetch(t, &f, w, y);
    fixture_numbers(t, y, (float[]){2, 4, 6}, 3);
    fixture_close(t, &f);
}

TEST(variables_stay_on_their_device)
{
    fixture f;
    float y[3];

    fixture_open_on(t, &f, 3, NULL);
    CHECK_OK(ebb_graph_device_push(f.graph, "CPU:2", &t->error));
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", fixture_vector(&f, 3, three));
    CHECK_OK(ebb_graph_device_pop(f.graph));
    CHECK_OK(ebb_graph_device_push(f.graph, "CPU:1", &t->error));
    const ebb_tensor v = ebb_graph_variable_from(f.graph, "v", w);
    const ebb_tensor step = ebb_assign(f.graph, w, ebb_add(f.graph, w, v));
    CHECK_OK(ebb_graph_device_pop(f.graph));
    fixture_good(t, &f);
    CHECK_STATUS(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error),
                 EBB_E_STATE); /* v is made from w, which has no value yet */
    ebb_tensor assign;
    CHECK_OK(ebb_graph_find(f.graph, "w/Assign", &assign, &t->error));
    CHECK_OK(ebb_session_target(f.session, assign, &t->error));
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    for (int i = 0; i < 2; i++) CHECK_OK(ebb_session_target(f.session, step, &t->error));
    fixture_fetch(t, &f, w, y);
    fixture_numbers(t, y, (float[]){3, 6, 9}, 3);
    CHECK(copied(t, &f, "CPU:2", "CPU:1") >= 24);
    CHECK(copied(t, &f, "CPU:1", "CPU:2") >= 24);
    fixture_close(t, &f);
}

TEST(absent_devices_are_told_or_replaced)
{
    fixture f;
    float y[3];
    ebb_session soft;
    ebb_session_options options = EBB_SESSION_OPTIONS_INIT;

    fixture_open(t, &f);
    CHECK_STATUS(ebb_graph_device_push(f.graph, "/nonsense//:", &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_graph_device_push(f.graph, "/GPU:0", &t->error));
    const ebb_tensor r = ebb_neg(f.graph, fixture_vector(&f, 3, three));
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", r);
    CHECK_OK(ebb_graph_device_pop(f.graph));
    CHECK_STATUS(ebb_session_fetch(f.session, r, &(ebb_view){.data = y}, &t->error),
                 EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "CPU:0");
    options.soft_placement = true;
    CHECK_OK(ebb_session_open(f.graph, &options, &soft, &t->error));
    CHECK_OK(ebb_session_fetch(soft, r, &(ebb_view){.data = y}, &t->error));
    CHECK_NEAR(y[2], -3, 0);
    CHECK_OK(ebb_session_target(soft, ebb_graph_initializer(f.graph), &t->error));
    CHECK_OK(ebb_session_fetch(soft, w, &(ebb_view){.data = y}, &t->error));
    CHECK_OK(ebb_session_close(soft, NULL, &t->error));
    fixture_close(t, &f);
}

TEST(limits_of_devices_hold)
{
    fixture f;
    const uint64_t limits[] = {0, 1 << 20};
    float y;

    fixture_open_on(t, &f, 2, limits);
    CHECK_OK(ebb_graph_device_push(f.graph, "/CPU:1", &t->error));
    const ebb_tensor big = ebb_random_normal(f.graph, 2, (int64_t[]){1000, 1000}, 0, 1, 0);
    const ebb_tensor sum = ebb_reduce_sum(f.graph, ebb_exp(f.graph, big), NULL, 0, false);
    CHECK_OK(ebb_graph_device_pop(f.graph));
    fixture_good(t, &f);
    const uint64_t before = fixture_live(&f);
    CHECK_STATUS(ebb_session_fetch(f.session, sum, &(ebb_view){.data = &y}, &t->error),
                 EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "CPU:1");
    CHECK_EQ(fixture_live(&f), before);
    fixture_close(t, &f);
}

TEST_MAIN(RUN(parts_run_where_they_are_placed), RUN(everything_on_another_device),
          RUN(variables_stay_on_their_device), RUN(absent_devices_are_told_or_replaced),
          RUN(limits_of_devices_hold))
