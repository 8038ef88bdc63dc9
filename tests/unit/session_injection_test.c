/* session_injection_test.c -- every call of ebb/graph.h that can allocate, with its first, second,
 * third ... allocation refused until it succeeds: E_MEMORY, and the ledger as it was. */
#include <string.h>

#include "digits.h"
#include "graph_fixture.h"

#define STEPS_MAX 3000

typedef struct scene {
    fixture f;
    ebb_tensor x, w, r, step, init, called;
    ebb_model model;
    float a[4], y[4];
} scene;

typedef ebb_status (*injected)(scene *s, ebb_error *error);

static ebb_status call_graph(scene *s, ebb_error *error)
{
    ebb_graph graph;
    ebb_tensor g = {0};
    ebb_status status = ebb_graph_open(s->f.runtime, NULL, &graph, error);

    if (status != EBB_OK) return status;
    const ebb_tensor x = ebb_graph_placeholder(graph, "x", EBB_F32, 2, (int64_t[]){-1, 3});
    const ebb_tensor w = ebb_graph_variable_from(
        graph, "w", ebb_random_normal(graph, 2, (int64_t[]){3, 3}, 0, 1, 0));
    const ebb_tensor y =
        ebb_graph_op(graph, "MatMul", (ebb_tensor[]){x, w}, 2, "transpose_b=true, name='scores'");
    (void)ebb_assign_add(graph, w, w);
    status = ebb_graph_error(graph, error);
    if (status == EBB_OK) status = ebb_graph_control_push(graph, &y, 1, error);
    if (status == EBB_OK) status = ebb_graph_device_push(graph, "/CPU:0", error);
    if (status == EBB_OK) status = ebb_graph_gradients(graph, &y, 1, &w, 1, &g, error);
    (void)ebb_graph_group(graph, &g, 1, NULL);
    if (status == EBB_OK) status = ebb_graph_after(graph, y, w, error);
    if (status == EBB_OK) status = ebb_graph_error(graph, error);
    if (status == EBB_OK) status = ebb_graph_reset(graph, NULL, error);
    (void)ebb_graph_close(graph, NULL, NULL);
    return status;
}

static ebb_status call_session(scene *s, ebb_error *error)
{
    ebb_session session;
    ebb_scope scope;
    const ebb_feed feed = {s->x, fixture_view(4, s->a)};
    const ebb_view out = fixture_view(4, s->y);
    ebb_status status = ebb_session_open(s->f.graph, NULL, &session, error);

    if (status != EBB_OK) return status;
    status = ebb_session_target(session, s->init, error);
    if (status == EBB_OK)
        status = ebb_session_run(session, &feed, 1, &s->r, &out, 1, &s->step, 1, error);
    if (status == EBB_OK) status = ebb_session_scope(session, &scope, error);
    (void)ebb_session_close(session, NULL, NULL);
    return status;
}

static ebb_status call_model(scene *s, ebb_error *error)
{
    ebb_session session;
    float image[DIGITS_PIXELS] = {0}, y[DIGITS_CLASSES];
    ebb_tensor p;
    ebb_status status = ebb_session_open(s->f.graph, NULL, &session, error);

    if (status != EBB_OK) return status;
    (void)ebb_graph_find(s->f.graph, "image", &p, NULL);
    const ebb_feed feed = {p, {EBB_F32, 4, {1, 8, 8, 1}, image}};
    const ebb_view out = {.data = y};
    status = ebb_session_run(session, &feed, 1, &s->called, &out, 1, NULL, 0, error);
    (void)ebb_session_close(session, NULL, NULL);
    return status;
}

static ebb_status trace(void *context, ebb_graph graph, const ebb_tensor *inputs, size_t count,
                        ebb_tensor *outputs, size_t output_count, ebb_error *error)
{
    (void)context;
    (void)count;
    (void)output_count;
    (void)error;
    const ebb_tensor w = ebb_graph_variable_from(graph, "w", ebb_graph_number(graph, 3));
    outputs[0] = ebb_mul(graph, inputs[0], w);
    return EBB_OK;
}

static ebb_status call_function(scene *s, ebb_error *error)
{
    ebb_function_options options = EBB_FUNCTION_OPTIONS_INIT;
    ebb_function function;

    options.trace = trace;
    ebb_status status = ebb_function_open(s->f.runtime, &options, &function, error);
    if (status != EBB_OK) return status;
    for (int64_t n = 2; n <= 4 && status == EBB_OK; n++) {
        const ebb_view in = fixture_view(n, s->a), out = fixture_view(n, s->y);
        status = ebb_function_call(function, &(ebb_views){&in, 1}, &(ebb_views){&out, 1}, error);
    }
    (void)ebb_function_close(function, NULL, NULL);
    return status;
}

static ebb_status call_default(scene *s, ebb_error *error)
{
    ebb_graph graph;
    const ebb_status status = ebb_graph_default(s->f.runtime, &graph, error);

    return status == EBB_OK ? ebb_graph_close(graph, NULL, NULL) : status;
}

static void scene_open(test *t, scene *s)
{
    ebb_tensor out;

    memset(s, 0, sizeof *s);
    fixture_open_on(t, &s->f, 2, NULL);
    const ebb_graph g = s->f.graph;
    s->x = ebb_graph_placeholder(g, "x", EBB_F32, 1, (int64_t[]){4});
    s->w = ebb_graph_variable_from(g, "w", ebb_fill(g, 1, (int64_t[]){4}, 2));
    CHECK_OK(ebb_graph_device_push(g, "/CPU:1", &t->error));
    const ebb_tensor m = ebb_exp(g, ebb_mul(g, s->x, s->w));
    CHECK_OK(ebb_graph_device_pop(g));
    s->r = ebb_add(g, m, s->x);
    s->step = ebb_assign_add(g, s->w, s->r);
    s->init = ebb_graph_initializer(g);
    CHECK_OK(ebb_model_load(s->f.runtime, digits_mlp, NULL, &s->model, &t->error));
    const ebb_tensor p = ebb_graph_placeholder(g, "image", EBB_F32, 4, (int64_t[]){1, 8, 8, 1});
    CHECK_OK(ebb_graph_model_call(g, s->model, &p, 1, &out, 1, &t->error));
    s->called = ebb_neg(g, out);
    fixture_good(t, &s->f);
}

/* may_recover: a session that lacks memory for a plan drops others and tries once more. */
static void inject(test *t, injected call, bool may_recover)
{
    scene s;

    scene_open(t, &s);
    CHECK_OK(call(&s, &t->error)); /* what is made once is there */
    const uint64_t before = fixture_live(&s.f);
    int64_t n = 0;
    for (; n < STEPS_MAX; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = call(&s, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        if (!may_recover || status != EBB_OK) CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(fixture_live(&s.f), before);
        if (!failed) break;
    }
    CHECK(n > 3 && n < STEPS_MAX);
    CHECK_OK(ebb_model_unload(s.model, NULL, NULL, &t->error));
    fixture_close(t, &s.f);
}

TEST(graphs)
{
    inject(t, call_graph, false);
}

TEST(sessions_over_two_devices)
{
    inject(t, call_session, true);
}

TEST(calls_of_models)
{
    inject(t, call_model, false);
}

TEST(functions)
{
    inject(t, call_function, true);
}

TEST(default_graphs)
{
    inject(t, call_default, false);
}

TEST_MAIN(RUN(graphs), RUN(sessions_over_two_devices), RUN(calls_of_models), RUN(functions),
          RUN(default_graphs))
