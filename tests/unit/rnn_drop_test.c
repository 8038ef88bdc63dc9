/* rnn_drop_test.c -- the op rnn with masks on the state of each gate (recurrent dropout), against
 * the formulas of Keras 3 spelled out: keras/src/layers/rnn/{simple_rnn,lstm,gru}.py,
 * implementation
 * 1. Gradients are in gradient_test.c. */
#include <math.h>

#include "graph_run.h"
#include "kernel_case.h"

#define N 2
#define T 3
#define D 2
#define U 2

typedef struct numbers {
    float x[N * T * D], kernel[D * 4 * U], recurrent[U * 4 * U], bias[8 * U], drop[N * 4 * U];
} numbers;

static const int64_t gate_counts[] = {[RNN_SIMPLE] = 1, [RNN_LSTM] = 4, [RNN_GRU] = 3};

static void fill(numbers *v)
{
    uint64_t seed = 3;
    float *all = (float *)v;

    for (size_t i = 0; i < sizeof *v / sizeof *all; i++)
        all[i] = (float)(case_random(&seed) % 2001) / 1000.0f - 1.0f;
    for (size_t i = 0; i < N * 4 * U; i++) v->drop[i] = i % 3 == 0 ? 0.0f : 1.5f;
}

/* (h * mask of the gate) . recurrent, one unit of it. */
static double product(const numbers *v, const double *h, const double *reset, int64_t item,
                      int64_t gate, int64_t unit, int64_t gates)
{
    double sum = 0;
    for (int64_t i = 0; i < U; i++) {
        const double mask = (double)v->drop[item * gates * U + gate * U + i];
        const double state = reset != NULL ? reset[i] * h[i] : h[i];
        sum += state * mask * (double)v->recurrent[i * gates * U + gate * U + unit];
    }
    return sum;
}

static double input(const numbers *v, int64_t item, int64_t time, int64_t gate, int64_t unit,
                    int64_t gates)
{
    double sum = (double)v->bias[gate * U + unit];
    for (int64_t i = 0; i < D; i++)
        sum += (double)v->x[(item * T + time) * D + i] *
               (double)v->kernel[i * gates * U + gate * U + unit];
    return sum;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void step(const numbers *v, const rnn_attributes *a, int64_t item, int64_t time, double *h,
                 double *c)
{
    const int64_t gates = gate_counts[a->kind];
    double z[4][U], next[U] = {0}, reset[U];

    for (int64_t g = 0; g < gates; g++) {
        for (int64_t u = 0; u < U; u++)
            z[g][u] = input(v, item, time, g, u, gates) +
                      (a->kind == RNN_GRU && g == 2 ? 0 : product(v, h, NULL, item, g, u, gates));
    }
    for (int64_t u = 0; u < U; u++) reset[u] = a->kind == RNN_GRU ? sigmoid(z[1][u]) : 0;
    for (int64_t u = 0; u < U; u++) {
        if (a->kind == RNN_SIMPLE) next[u] = tanh(z[0][u]);
        if (a->kind == RNN_LSTM) {
            c[u] = sigmoid(z[1][u]) * c[u] + sigmoid(z[0][u]) * tanh(z[2][u]);
            next[u] = sigmoid(z[3][u]) * tanh(c[u]);
        }
        if (a->kind == RNN_GRU) {
            const double own = (double)v->bias[(gates + 2) * U + u];
            const double from_state =
                a->reset_after ? reset[u] * (product(v, h, NULL, item, 2, u, gates) + own)
                               : product(v, h, reset, item, 2, u, gates);
            const double candidate = tanh(z[2][u] + from_state);
            const double update = sigmoid(z[0][u]);
            next[u] = update * h[u] + (1 - update) * candidate;
        }
    }
    for (int64_t u = 0; u < U; u++) h[u] = next[u];
}

static value constant(graph *g, uint32_t rank, const int64_t *dims, const float *data)
{
    shape s = {.rank = rank};
    for (uint32_t i = 0; i < rank; i++) s.dims[i] = dims[i];
    return graph_constant(g, EBB_F32, &s, data);
}

static void check_cell(test *t, rnn_attributes a)
{
    const int64_t gates = gate_counts[a.kind] * U;
    numbers v;

    fill(&v);
    if (a.kind == RNN_GRU && a.reset_after) { /* gates z and r have one bias here: the input's */
        for (int64_t i = 0; i < 2 * U; i++) v.bias[gates + i] = 0;
    }
    graph *g = graph_open(t->home);
    CHECK(g != NULL);
    const int64_t bias_dims[] = {2, gates};
    const bool has_two = a.kind == RNN_GRU && a.reset_after;
    const rnn_operands o = {.x = constant(g, 3, (const int64_t[]){N, T, D}, v.x),
                            .kernel = constant(g, 2, (const int64_t[]){D, gates}, v.kernel),
                            .recurrent = constant(g, 2, (const int64_t[]){U, gates}, v.recurrent),
                            .bias =
                                constant(g, has_two ? 2 : 1, bias_dims + (has_two ? 0 : 1), v.bias),
                            .drop = constant(g, 2, (const int64_t[]){N, gates}, v.drop)};
    a.units = U;
    a.return_sequences = true;
    a.activation.kind = UNARY_TANH;
    a.recurrent_activation.kind = UNARY_SIGMOID;
    const value y = op_rnn(g, &o, &a);
    graph_output(g, y);
    graph_run *r = graph_run_open(t, g);
    graph_run_step(r);
    const float *found = graph_run_value(r, y);
    for (int64_t item = 0; item < N; item++) {
        double h[U] = {0}, c[U] = {0};
        for (int64_t time = 0; time < T; time++) {
            step(&v, &a, item, time, h, c);
            for (int64_t u = 0; u < U; u++)
                CHECK_NEAR(found[(item * T + time) * U + u], h[u], 1e-5);
        }
    }
}

TEST(every_gate_sees_its_own_state)
{
    check_cell(t, (rnn_attributes){.kind = RNN_SIMPLE});
    check_cell(t, (rnn_attributes){.kind = RNN_LSTM});
    check_cell(t, (rnn_attributes){.kind = RNN_GRU});
    check_cell(t, (rnn_attributes){.kind = RNN_GRU, .reset_after = true});
}

TEST(masks_have_the_length_of_all_gates)
{
    graph *g = graph_open(t->home);
    static const float zeros[64];

    CHECK(g != NULL);
    const rnn_operands o = {.x = constant(g, 3, (const int64_t[]){N, T, D}, zeros),
                            .kernel = constant(g, 2, (const int64_t[]){D, 4 * U}, zeros),
                            .recurrent = constant(g, 2, (const int64_t[]){U, 4 * U}, zeros),
                            .drop = constant(g, 2, (const int64_t[]){N, U}, zeros)};
    CHECK_EQ(op_rnn(g, &o, &(rnn_attributes){.kind = RNN_LSTM, .units = U}), VALUE_NONE);
    CHECK_STATUS(g->error.status, EBB_E_SHAPE);
    CHECK_CONTAINS(g->error.text, "drop");
}

TEST_MAIN(RUN(every_gate_sees_its_own_state), RUN(masks_have_the_length_of_all_gates))
