/* function_test.c -- functions: when they trace, what traces share, what they give back. */
#include <string.h>

#include "digits.h"
#include "graph_fixture.h"

typedef struct body {
    ebb_function function;
    int traces;
    ebb_status inside, close_inside;
    bool fails, calls_itself;
} body;

/* relu(x) * w + b, with variables. */
static ebb_status dense(void *context, ebb_graph graph, const ebb_tensor *inputs, size_t count,
                        ebb_tensor *outputs, size_t output_count, ebb_error *error)
{
    body *b = context;

    (void)error;
    b->traces++;
    if (count != 1 || output_count != 1) return EBB_E_ARGUMENT;
    if (b->calls_itself) {
        const ebb_views none = {0};
        b->inside = ebb_function_call(b->function, NULL, &none, NULL);
        b->close_inside = ebb_function_close(b->function, NULL, NULL);
    }
    const ebb_tensor w = ebb_graph_variable_from(graph, "w", ebb_graph_number(graph, 3));
    const ebb_tensor x = ebb_mul(graph, ebb_relu(graph, inputs[0]), w);
    outputs[0] = b->fails ? ebb_matmul(graph, x, x) : ebb_add(graph, x, ebb_graph_number(graph, 1));
    return EBB_OK;
}

static ebb_function open_dense(test *t, ebb_runtime runtime, body *b,
                               const ebb_function_options *given)
{
    ebb_function_options options = EBB_FUNCTION_OPTIONS_INIT;

    if (given != NULL) options = *given;
    options.name = "dense";
    options.trace = dense;
    options.context = b;
    CHECK_OK(ebb_function_open(runtime, &options, &b->function, &t->error));
    return b->function;
}

static ebb_status call(ebb_function function, int64_t count, float *x, float *y, ebb_error *error)
{
    const ebb_view in = fixture_view(count, x), out = fixture_view(count, y);
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};

    return ebb_function_call(function, &inputs, &outputs, error);
}

TEST(lengths_that_differ_are_relaxed)
{
    fixture f;
    body b = {0};
    float x[8] = {1, -1, 2, 3, 4, 5, 6, 7}, y[8];
    ebb_function_info info;

    fixture_open(t, &f);
    const ebb_function function = open_dense(t, f.runtime, &b, NULL);
    for (int64_t n = 1; n <= 8; n++) {
        CHECK_OK(call(function, n, x, y, &t->error));
        for (int64_t i = 0; i < n; i++) CHECK_NEAR(y[i], (x[i] > 0 ? x[i] * 3 : 0) + 1, 0);
    }
    CHECK_EQ(b.traces, 2); /* the first, and one for any length */
    CHECK_OK(call(function, 1, x, y, &t->error));
    CHECK_EQ(b.traces, 2);
    CHECK_OK(ebb_function_info_read(function, &info));
    CHECK_EQ(info.calls, 9);
    CHECK_EQ(info.traces, 2);
    CHECK_EQ(info.variables, 1);
    CHECK_OK(ebb_function_close(function, NULL, &t->error));
    fixture_close(t, &f);
}

TEST(exact_shapes_are_bounded)
{
    fixture f;
    body b = {0};
    float x[8] = {0}, y[8];
    ebb_function_info info;
    ebb_function_options options = EBB_FUNCTION_OPTIONS_INIT;

    fixture_open(t, &f);
    options.exact_shapes = true;
    options.traces_max = 3;
    ebb_function function = open_dense(t, f.runtime, &b, &options);
    for (int64_t n = 1; n <= 5; n++) CHECK_OK(call(function, n, x, y, &t->error));
    CHECK_EQ(b.traces, 5);
    CHECK_OK(call(function, 5, x, y, &t->error));
    CHECK_EQ(b.traces, 5);
    CHECK_OK(call(function, 1, x, y, &t->error)); /* was dropped */
    CHECK_EQ(b.traces, 6);
    CHECK_OK(ebb_function_info_read(function, &info));
    CHECK_EQ(info.traces, 3);
    CHECK_EQ(info.traces_evicted, 3);
    CHECK_OK(ebb_function_close(function, NULL, &t->error));
    options.no_eviction = true;
    function = open_dense(t, f.runtime, &b, &options);
    for (int64_t n = 1; n <= 3; n++) CHECK_OK(call(function, n, x, y, &t->error));
    CHECK_STATUS(call(function, 4, x, y, &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "no_eviction");
    CHECK_OK(ebb_function_close(function, NULL, &t->error));
    fixture_close(t, &f);
}

TEST(a_signature_traces_once)
{
    fixture f;
    body b = {0};
    float x[8] = {1, 2, 3}, y[8];
    double d[2] = {0};
    const ebb_view signature = {EBB_F32, 1, {-1}, NULL};
    ebb_function_options options = EBB_FUNCTION_OPTIONS_INIT;

    fixture_open(t, &f);
    options.signature = &signature;
    options.inputs = 1;
    const ebb_function function = open_dense(t, f.runtime, &b, &options);
    for (int64_t n = 1; n <= 8; n++) CHECK_OK(call(function, n, x, y, &t->error));
    CHECK_EQ(b.traces, 1);
    const ebb_view wrong = {EBB_F64, 1, {2}, d}, flat = {EBB_F32, 2, {1, 2}, x},
                   out = fixture_view(2, y);
    const ebb_views outputs = {&out, 1};
    CHECK_STATUS(ebb_function_call(function, &(ebb_views){&wrong, 1}, &outputs, &t->error),
                 EBB_E_DTYPE);
    CHECK_STATUS(ebb_function_call(function, &(ebb_views){&flat, 1}, &outputs, &t->error),
                 EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "(?,)");
    CHECK_STATUS(ebb_function_call(function, NULL, &outputs, &t->error), EBB_E_ARGUMENT);
    ebb_view shape = {0};
    const ebb_view in = fixture_view(5, x);
    CHECK_OK(ebb_function_output_shapes(function, &(ebb_views){&in, 1}, &shape, 1, &t->error));
    CHECK_EQ(shape.dims[0], 5);
    CHECK_OK(ebb_function_close(function, NULL, &t->error));
    fixture_close(t, &f);
}

/* Counts its calls in a variable. */
static ebb_status count_calls(void *context, ebb_graph graph, const ebb_tensor *inputs,
                              size_t count, ebb_tensor *outputs, size_t output_count,
                              ebb_error *error)
{
    (void)context;
    (void)count;
    (void)output_count;
    (void)error;
    const ebb_tensor n = ebb_graph_variable_from(graph, "n", ebb_graph_number(graph, 0));
    const ebb_tensor next = ebb_assign_add(graph, n, ebb_graph_number(graph, 1));
    outputs[0] = ebb_add(graph, ebb_mul(graph, inputs[0], ebb_graph_number(graph, 0)), next);
    return EBB_OK;
}

TEST(traces_share_variables)
{
    fixture f;
    float x[4] = {0}, y[4];
    ebb_function function;
    ebb_function_options options = EBB_FUNCTION_OPTIONS_INIT;
    ebb_memory memory;
    ebb_receipt receipt;

    fixture_open(t, &f);
    const uint64_t before = fixture_live(&f);
    options.trace = count_calls;
    options.exact_shapes = true;
    options.traces_max = 2;
    CHECK_OK(ebb_function_open(f.runtime, &options, &function, &t->error));
    for (int i = 0; i < 12; i++) {
        CHECK_OK(call(function, i % 4 + 1, x, y, &t->error));
        CHECK_NEAR(y[0], i + 1, 0);
    }
    CHECK_OK(ebb_function_memory_read(function, &memory));
    CHECK_OK(ebb_function_close(function, &receipt, &t->error));
    CHECK_EQ(receipt.bytes_total, memory.live);
    CHECK_EQ(fixture_live(&f), before);
    CHECK_STATUS(call(function, 1, x, y, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_function_close(function, NULL, &t->error), EBB_E_STALE);
    fixture_close(t, &f);
}

TEST(wrong_traces_are_told)
{
    fixture f;
    body b = {.fails = true};
    float x[3] = {1, 2, 3}, y[3];
    ebb_function_options options = EBB_FUNCTION_OPTIONS_INIT;
    ebb_function function;

    fixture_open(t, &f);
    CHECK_STATUS(ebb_function_open(f.runtime, &options, &function, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_function_open(f.runtime, NULL, &function, &t->error), EBB_E_ARGUMENT);
    function = open_dense(t, f.runtime, &b, NULL);
    const uint64_t before = fixture_live(&f);
    CHECK_STATUS(call(function, 3, x, y, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.where, "MatMul");
    CHECK_EQ(fixture_live(&f), before);
    b.fails = false;
    b.calls_itself = true;
    CHECK_OK(call(function, 3, x, y, &t->error));
    CHECK_STATUS(b.inside, EBB_E_STATE);
    CHECK_STATUS(b.close_inside, EBB_E_STATE);
    CHECK_OK(ebb_function_close(function, NULL, &t->error));
    fixture_close(t, &f);
}

TEST(a_function_over_a_graph)
{
    fixture f;
    float x[3] = {1, 2, 3}, y[3];
    ebb_function function;
    ebb_receipt receipt;

    fixture_open(t, &f);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 1, (int64_t[]){-1});
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", ebb_graph_number(f.graph, 2));
    const ebb_tensor r = ebb_mul(f.graph, p, w);
    CHECK_STATUS(
        ebb_function_from(f.graph, &p, 1, &(ebb_tensor){12345}, 1, NULL, &function, &t->error),
        EBB_E_ARGUMENT);
    CHECK_OK(ebb_function_from(f.graph, &p, 1, &r, 1, NULL, &function, &t->error));
    CHECK_OK(call(function, 3, x, y, &t->error)); /* initialized by itself */
    fixture_numbers(t, y, (float[]){2, 4, 6}, 3);
    CHECK_STATUS(ebb_session_fetch(f.session, w, &(ebb_view){.data = y}, &t->error), EBB_E_STATE);
    CHECK_STATUS(ebb_graph_reset(f.graph, NULL, &t->error), EBB_E_STATE);
    CHECK_STATUS(ebb_graph_close(f.graph, NULL, &t->error), EBB_E_STATE);
    CHECK_OK(ebb_function_close(function, &receipt, &t->error));
    CHECK(receipt.bytes_total > 0);
    CHECK_OK(ebb_graph_reset(f.graph, NULL, &t->error));
    fixture_close(t, &f);
}

static ebb_status call_model(void *context, ebb_graph graph, const ebb_tensor *inputs, size_t count,
                             ebb_tensor *outputs, size_t output_count, ebb_error *error)
{
    const ebb_model *model = context;

    return ebb_graph_model_call(graph, *model, inputs, count, outputs, output_count, error);
}

TEST(a_function_calls_a_model)
{
    digits d;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_model model;
    ebb_function function;
    ebb_function_options options = EBB_FUNCTION_OPTIONS_INIT;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    options.trace = call_model;
    options.context = &model;
    CHECK_OK(ebb_function_open(d.runtime, &options, &function, &t->error));
    for (int64_t rows = 1; rows <= 4; rows++) {
        const ebb_view in = {EBB_F32, 4, {rows, 8, 8, 1}, d.x}, out = {.data = y};
        CHECK_OK(
            ebb_function_call(function, &(ebb_views){&in, 1}, &(ebb_views){&out, 1}, &t->error));
        CHECK(digits_error(y, &d.mlp_y[0][0], rows) < 1e-5);
    }
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    const ebb_view in = {EBB_F32, 4, {1, 8, 8, 1}, d.x}, out = {.data = y};
    CHECK_STATUS(
        ebb_function_call(function, &(ebb_views){&in, 1}, &(ebb_views){&out, 1}, &t->error),
        EBB_E_STALE);
    CHECK_CONTAINS(t->error.text, "was unloaded");
    CHECK_OK(ebb_function_close(function, NULL, &t->error));
    digits_close(t, &d);
}

TEST_MAIN(RUN(lengths_that_differ_are_relaxed), RUN(exact_shapes_are_bounded),
          RUN(a_signature_traces_once), RUN(traces_share_variables), RUN(wrong_traces_are_told),
          RUN(a_function_over_a_graph), RUN(a_function_calls_a_model))
