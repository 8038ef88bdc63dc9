/* graph_fixture.c -- see graph_fixture.h. */
#include "graph_fixture.h"

static void open_with(test *t, fixture *f)
{
    f->before = fixture_live(f);
    CHECK_OK(ebb_graph_open(f->runtime, NULL, &f->graph, &t->error));
    CHECK_OK(ebb_session_open(f->graph, NULL, &f->session, &t->error));
}

void fixture_open(test *t, fixture *f)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    options.allocator = test_allocator(t);
    CHECK_OK(ebb_runtime_open(&options, &f->runtime, &t->error));
    open_with(t, f);
}

void fixture_open_on(test *t, fixture *f, size_t count, const uint64_t *bytes_max)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    options.allocator = test_allocator(t);
    CHECK_OK(ebb_runtime_open(&options, &f->runtime, &t->error));
    CHECK_OK(ebb_device_logical_set(f->runtime, "CPU:0", bytes_max, count, &t->error));
    open_with(t, f);
}

uint64_t fixture_live(const fixture *f)
{
    ebb_memory memory = {0};

    (void)ebb_memory_read(f->runtime, &memory);
    return memory.live;
}

void fixture_close(test *t, fixture *f)
{
    const ebb_status session = ebb_session_close(f->session, NULL, &t->error);
    const ebb_status graph = ebb_graph_close(f->graph, NULL, &t->error);

    CHECK(session == EBB_OK || session == EBB_E_STALE);
    CHECK(graph == EBB_OK || graph == EBB_E_STALE);
    CHECK_EQ(fixture_live(f), f->before);
    CHECK_OK(ebb_runtime_close(f->runtime, NULL));
}

ebb_tensor fixture_vector(const fixture *f, int64_t count, const float *numbers)
{
    const ebb_view view = {EBB_F32, 1, {count}, (void *)(uintptr_t)numbers};

    return ebb_graph_constant(f->graph, &view, NULL);
}

ebb_tensor fixture_matrix(const fixture *f, int64_t rows, int64_t columns, const float *numbers)
{
    const ebb_view view = {EBB_F32, 2, {rows, columns}, (void *)(uintptr_t)numbers};

    return ebb_graph_constant(f->graph, &view, NULL);
}

ebb_view fixture_view(int64_t count, float *numbers)
{
    return (ebb_view){EBB_F32, 1, {count}, numbers};
}

void fixture_fetch(test *t, const fixture *f, ebb_tensor x, float *numbers)
{
    const ebb_view view = {.data = numbers};

    CHECK_OK(ebb_session_fetch(f->session, x, &view, &t->error));
}

void fixture_numbers(test *t, const float *numbers, const float *expected, size_t count)
{
    (void)t;
    for (size_t i = 0; i < count; i++) CHECK_NEAR(numbers[i], expected[i], 1e-5);
}

void fixture_good(test *t, const fixture *f)
{
    CHECK_OK(ebb_graph_error(f->graph, &t->error));
}
