/* session_threads_test.c -- sessions, graphs and functions used by several threads at once, and
 * closed meanwhile. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "graph_fixture.h"

#define THREADS 4
#define ROUNDS  300

typedef struct crowd {
    fixture f;
    ebb_tensor x, r, step;
    ebb_function function;
    atomic_uint done, faults, started;
} crowd;

static void fault(crowd *c, bool is_fault)
{
    if (is_fault) atomic_fetch_add(&c->faults, 1);
}

/* Runs until the session is gone. */
static void *run_session(void *context)
{
    crowd *c = context;
    float a[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8];
    ebb_error error;

    for (int i = 0;; i++) {
        const int64_t n = i % 3 + 1;
        const ebb_feed feed = {c->x, fixture_view(n, a)};
        const ebb_view out = fixture_view(n, y);
        const ebb_status status =
            ebb_session_run(c->f.session, &feed, 1, &c->r, &out, 1, &c->step, 1, &error);
        if (status == EBB_E_STALE) break;
        fault(c, status != EBB_OK || y[0] != 2);
        atomic_fetch_add(&c->done, 1);
    }
    return NULL;
}

static void crowd_open(test *t, crowd *c)
{
    fixture_open(t, &c->f);
    const ebb_graph g = c->f.graph;
    c->x = ebb_graph_placeholder(g, "x", EBB_F32, 1, (int64_t[]){-1});
    c->r = ebb_add(g, c->x, ebb_graph_number(g, 1));
    const ebb_tensor n = ebb_graph_variable_from(g, "n", ebb_graph_number(g, 0));
    c->step = ebb_assign_add(g, n, ebb_graph_number(g, 1));
    fixture_good(t, &c->f);
    CHECK_OK(ebb_session_target(c->f.session, ebb_graph_initializer(g), &t->error));
}

TEST(close_waits_for_runs)
{
    for (int round = 0; round < 5; round++) {
        crowd c = {0};
        pthread_t threads[THREADS];
        float n;
        crowd_open(t, &c);
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, run_session, &c), 0);
        while (atomic_load(&c.done) < ROUNDS && atomic_load(&c.faults) == 0) usleep(100);
        (void)ebb_trim(c.f.runtime, NULL); /* beside runs */
        ebb_tensor variable;
        CHECK_OK(ebb_graph_find(c.f.graph, "n", &variable, &t->error));
        fixture_fetch(t, &c.f, variable, &n);
        CHECK(n >= ROUNDS);
        CHECK_OK(ebb_session_close(c.f.session, NULL, &t->error));
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        CHECK_EQ(atomic_load(&c.faults), 0);
        fixture_close(t, &c.f);
    }
}

static void *reset_often(void *context)
{
    crowd *c = context;
    ebb_error error;

    for (int i = 0; i < ROUNDS; i++) {
        const ebb_status status = ebb_graph_reset(c->f.graph, NULL, &error);
        fault(c, status != EBB_OK && status != EBB_E_STATE);
    }
    return NULL;
}

/* Adds and runs what another thread resets: every answer is a value or one of three errors. */
static void *add_and_run(void *context)
{
    crowd *c = context;
    ebb_error error;

    for (int i = 0; i < ROUNDS; i++) {
        float y = 0;
        const ebb_tensor two = ebb_graph_number(c->f.graph, 2);
        const ebb_tensor r = ebb_mul(c->f.graph, two, two);
        const ebb_view out = {.data = &y};
        const ebb_status status = ebb_session_fetch(c->f.session, r, &out, &error);
        const bool is_stale = status == EBB_E_STALE || status == EBB_E_ARGUMENT;
        fault(c, status == EBB_OK ? y != 4 : !is_stale);
        (void)ebb_graph_error(c->f.graph, NULL);
    }
    return NULL;
}

TEST(resets_meet_whole_runs)
{
    crowd c = {0};
    pthread_t threads[THREADS];

    crowd_open(t, &c);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, i == 0 ? reset_often : add_and_run, &c), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&c.faults), 0);
    fixture_close(t, &c.f);
}

static ebb_status trace(void *context, ebb_graph graph, const ebb_tensor *inputs, size_t count,
                        ebb_tensor *outputs, size_t output_count, ebb_error *error)
{
    (void)context;
    (void)count;
    (void)output_count;
    (void)error;
    outputs[0] = ebb_add(graph, inputs[0], ebb_graph_number(graph, 1));
    return EBB_OK;
}

static void *call_function(void *context)
{
    crowd *c = context;
    float a[8] = {1}, y[8];
    ebb_error error;

    for (int i = 0;; i++) {
        const ebb_view in = fixture_view(i % 5 + 1, a), out = fixture_view(i % 5 + 1, y);
        const ebb_status status =
            ebb_function_call(c->function, &(ebb_views){&in, 1}, &(ebb_views){&out, 1}, &error);
        if (status == EBB_E_STALE) break;
        fault(c, status != EBB_OK || y[0] != 2);
        atomic_fetch_add(&c->done, 1);
    }
    return NULL;
}

TEST(functions_are_called_by_many)
{
    crowd c = {0};
    pthread_t threads[THREADS];
    ebb_function_options options = EBB_FUNCTION_OPTIONS_INIT;

    fixture_open(t, &c.f);
    options.trace = trace;
    options.exact_shapes = true;
    options.traces_max = 3;
    CHECK_OK(ebb_function_open(c.f.runtime, &options, &c.function, &t->error));
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, call_function, &c), 0);
    while (atomic_load(&c.done) < ROUNDS && atomic_load(&c.faults) == 0) usleep(100);
    (void)ebb_trim(c.f.runtime, NULL);
    CHECK_OK(ebb_function_close(c.function, NULL, &t->error));
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&c.faults), 0);
    fixture_close(t, &c.f);
}

/* Opens, runs and closes sessions of its own on the one graph. */
static void *own_sessions(void *context)
{
    crowd *c = context;
    float a[2] = {1, 1}, y[2];
    ebb_error error;

    for (int i = 0; i < ROUNDS / 4; i++) {
        ebb_session session;
        const ebb_feed feed = {c->x, fixture_view(2, a)};
        const ebb_view out = fixture_view(2, y);
        fault(c, ebb_session_open(c->f.graph, NULL, &session, &error) != EBB_OK);
        fault(c, ebb_session_run(session, &feed, 1, &c->r, &out, 1, NULL, 0, &error) != EBB_OK);
        fault(c, ebb_session_close(session, NULL, &error) != EBB_OK || y[1] != 2);
    }
    return NULL;
}

TEST(sessions_come_and_go_beside_each_other)
{
    crowd c = {0};
    pthread_t threads[THREADS];

    crowd_open(t, &c);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, own_sessions, &c), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&c.faults), 0);
    fixture_close(t, &c.f);
}

TEST_MAIN(RUN(close_waits_for_runs), RUN(resets_meet_whole_runs), RUN(functions_are_called_by_many),
          RUN(sessions_come_and_go_beside_each_other))
