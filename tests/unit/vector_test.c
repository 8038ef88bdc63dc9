/* vector_test.c -- the vector rows against the portable rows at random shapes and attributes,
 * for every instruction set this machine has, on one thread and two; and the vector functions
 * against the C library in double precision.
 */
#include <math.h>
#include <string.h>

#include "device/cpu/vector.h"
#include "row_run.h"

#define ROWS(X)                                                                                    \
    X(vector_dense)                                                                                \
    X(vector_matmul)                                                                               \
    X(vector_depthwise) X(vector_unary) X(vector_binary) X(vector_softmax) X(vector_normalize)     \
        X(vector_rnn) X(portable_matmul) X(portable_conv) X(portable_unary) X(portable_binary)     \
            X(portable_softmax) X(portable_normalize) X(portable_rnn)
#define DECLARE(name) extern const kernel_def kernel_##name;
ROWS(DECLARE)

#define ROUNDS 150

static uint32_t taken; /* how often rows said yes */

/* Where the row may work in place, it must give the same bytes there. */
static void check_in_place(row_run *r, const char *name)
{
    const size_t bytes = (size_t)tensor_desc_bytes(&r->outputs[0]);
    const case_tensor first = {r->outputs[0], row_run_zeros(r->plan.home, bytes)};

    CHECK(r->plan.device->isa != ISA_PORTABLE);
    if (!r->plan.in_place) return;
    memcpy(first.data, r->out[0], bytes);
    CHECK_EQ(tensor_desc_bytes(&r->inputs[0]), bytes);
    memcpy(r->out[0], r->in[0], bytes);
    r->in[0] = r->out[0];
    r->row->run(&r->call);
    const case_tensor found = row_run_result(r, 0);
    case_tensor_check(name, &found, &first, 0, 0);
}

static void check_against(const kernel_def *row, const kernel_def *portable, const graph *g,
                          const case_tensor *inputs, double tolerance)
{
    const row_check c = {row, portable, true, 2, tolerance, check_in_place};

    taken += row_check_run(&c, g, inputs);
}

/* -- functions
 * ------------------------------------------------------------------------------------ */

/* What a function should give, and how far its vector code may be off, relative to the larger of
 * the result and `least` (the smallest normal number if 0). */
typedef struct function_case {
    unary_attributes attributes;
    double error, least;
} function_case;

/* Products with a subnormal factor lose digits that nobody can keep. */
#define TINY 1e-36
/* The result is the small difference of numbers as large as the input. */
#define OF_INPUT (-1.0)

static const function_case functions[] = {
    {{UNARY_EXP, 0, 0, 0}, 1.2e-7, 0},       {{UNARY_EXPM1, 0, 0, 0}, 2e-7, 0},
    {{UNARY_LOG, 0, 0, 0}, 1.2e-7, 0},       {{UNARY_LOG1P, 0, 0, 0}, 1.5e-7, 0},
    {{UNARY_TANH, 0, 0, 0}, 2.5e-7, 0},      {{UNARY_ERF, 0, 0, 0}, 1.5e-7, 0},
    {{UNARY_SIGMOID, 0, 0, 0}, 2.5e-7, 0},   {{UNARY_SILU, 0, 0, 0}, 3e-7, TINY},
    {{UNARY_GELU, 0, 0, 0}, 6e-7, TINY},     {{UNARY_SOFTPLUS, 0, 0, 0}, 2e-7, 0},
    {{UNARY_LOG_SIGMOID, 0, 0, 0}, 2e-7, 0}, {{UNARY_MISH, 0, 0, 0}, 4e-7, TINY},
    {{UNARY_ELU, 0.7f, 0, 0}, 2.5e-7, TINY}, {{UNARY_SELU, 0, 0, 0}, 3e-7, TINY},
    {{UNARY_CELU, 1, 0, 0}, 2.5e-7, 0},      {{UNARY_GELU_TANH, 0, 0, 0}, 1e-6, 0.01},
    {{UNARY_SOFTSIGN, 0, 0, 0}, 1.5e-7, 0},  {{UNARY_RSQRT, 0, 0, 0}, 2e-7, 0},
    {{UNARY_HARD_SILU, 0, 0, 0}, 3e-7, 0.2}, {{UNARY_SQUAREPLUS, 4, 0, 0}, 3e-7, OF_INPUT},
};

static double softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double mish(double x)
{
    const double e = exp(x), n = e * (e + 2);

    return x > 300 ? x : x * (n / (n + 2));
}

static double right_value(const unary_attributes *a, double x)
{
    const double alpha = (double)a->alpha;

    switch (a->kind) {
    case UNARY_EXP: return exp(x);
    case UNARY_EXPM1: return expm1(x);
    case UNARY_LOG: return log(x);
    case UNARY_LOG1P: return log1p(x);
    case UNARY_TANH: return tanh(x);
    case UNARY_ERF: return erf(x);
    case UNARY_SIGMOID: return 1 / (1 + exp(-x));
    case UNARY_SILU: return x * (1 / (1 + exp(-x)));
    case UNARY_GELU: return 0.5 * x * erfc(-x * 0.70710678118654752);
    case UNARY_GELU_TANH: return x / (1 + exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
    case UNARY_SOFTPLUS: return softplus(x);
    case UNARY_LOG_SIGMOID: return -softplus(-x);
    case UNARY_MISH: return mish(x);
    case UNARY_ELU:
    case UNARY_CELU: return x > 0 ? x : alpha * expm1(x);
    case UNARY_SELU: return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
    case UNARY_SOFTSIGN: return x / (1 + fabs(x));
    case UNARY_RSQRT: return 1 / sqrt(x);
    case UNARY_HARD_SILU: return x * fmin(1, fmax(0, x / 6 + 0.5));
    default: /* as Keras computes it: the square may overflow */
        return isinf((float)(x * x)) ? INFINITY : (x + sqrt(x * x + alpha)) / 2;
    }
}

static void check_value(const function_case *f, float x, float found)
{
    const double right = right_value(&f->attributes, (double)x);
    const double least = f->least == OF_INPUT ? fabs((double)x) + 1
                         : f->least > 0       ? f->least
                                              : 1.17549435e-38;

    if (isnan(x)) {
        CHECK(isnan(found));
    } else if (isnan(right) || isinf((float)right)) {
        /* a product of a huge number and a vanishing one may end either way */
        CHECK(isnan(right) ? isnan(found) || isinf(x) : found == (float)right);
    } else if (fabs((double)found - right) > f->error * fmax(fabs(right), least)) {
        harness_fail(__FILE__, __LINE__, "kind %d of %.9g is %.9g, expected %.9g",
                     (int)f->attributes.kind, (double)x, (double)found, right);
    }
}

/* Numbers from all over the floats, and densely where the functions bend. */
static void check_function(const function_case *f, vector_unary function)
{
    float x[1021], y[1021]; /* an odd count: tails too */
    uint32_t count = 0;

    for (uint64_t i = 0; i < 2200000; i++) {
        const uint32_t bits = (uint32_t)(i * 4001);

        if (i < 1073000)
            memcpy(&x[count++], &bits, sizeof bits);
        else
            x[count++] = (float)(i - 1073000) * 1e-4f - 55.0f;
        if (count < sizeof x / sizeof x[0]) continue;
        function(&f->attributes, x, y, count);
        for (uint32_t k = 0; k < count; k++) check_value(f, x[k], y[k]);
        count = 0;
    }
}

TEST(functions_are_close_to_double_precision)
{
    for (uint32_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        for (cpu_isa isa = ISA_AVX2; isa <= kernel_case_device(ISA_AVX512).isa; isa++)
            check_function(&functions[i], vector_unary_own(isa, &functions[i].attributes));
}

TEST(functions_know_the_edges)
{
    const float x[] = {INFINITY, -INFINITY, 0.0f, -0.0f, NAN, 1e-40f, 3.4e38f, -3.4e38f};
    const uint32_t count = sizeof x / sizeof x[0];
    const unary_kind kinds[] = {UNARY_EXP,   UNARY_EXPM1, UNARY_LOG,       UNARY_LOG1P,
                                UNARY_TANH,  UNARY_ERF,   UNARY_SIGMOID,   UNARY_SOFTPLUS,
                                UNARY_ELU,   UNARY_SIGN,  UNARY_HARD_TANH, UNARY_SQRT,
                                UNARY_FLOOR, UNARY_ROUND, UNARY_ABS,       UNARY_NEG};

    for (uint32_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (cpu_isa isa = ISA_AVX2; isa <= kernel_case_device(ISA_AVX512).isa; isa++) {
            const unary_attributes a = {kinds[i], 1, 0, 0};
            float found[8], right[8];

            vector_unary_own(isa, &a)(&a, x, found, count);
            unary_apply(&a, x, right, count);
            for (uint32_t k = 0; k < count; k++)
                CHECK_NEAR((double)found[k], (double)right[k], 1e-6 * fabs((double)right[k]));
        }
}

/* Every kind that a row takes, whatever its accuracy claims. */
TEST(unary_is_the_portable_unary)
{
    uint64_t seed = 21;

    test_threads_stay(t);
    for (int i = 0; i < ROUNDS * 2; i++) {
        region *home = test_round_home(t);
        unary_attributes a = {.kind = (unary_kind)(i % UNARY_LOGICAL_NOT)};
        const int64_t dims[] = {test_between(&seed, 1, 40),
                                test_between(&seed, 1, i % 7 ? 40 : 3000)};

        a.alpha = (float)test_between(&seed, 0, 3) * 0.4f;
        a.beta = a.kind == UNARY_CLIP ? a.alpha + 0.5f : (float)test_between(&seed, 0, 2) * 0.3f;
        a.gamma = i % 2 ? INFINITY : 0.8f;
        if (a.kind == UNARY_CELU) a.alpha += 0.5f;
        const case_tensor x = case_tensor_random(home, EBB_F32, 2, dims, &seed);
        const graph *g = kernel_case_graph(home, OP_unary, &a, &x, 1);
        check_against(&kernel_vector_unary, &kernel_portable_unary, g, &x, 2e-6);
        region_close(home);
    }
    row_check_taken(&taken, ROUNDS * 2);
}

/* -- contractions
 * ----------------------------------------------------------------------------------- */

static const unary_kind activations[] = {UNARY_IDENTITY, UNARY_RELU, UNARY_SIGMOID,
                                         UNARY_GELU,     UNARY_SIN,  UNARY_TANH};

static unary_attributes any_activation(uint64_t *seed)
{
    return (unary_attributes){.kind = activations[case_random(seed) % 6],
                              .gamma = case_random(seed) % 2 ? INFINITY : 0.5f};
}

static void matmul_round(test *t, const kernel_def *row, uint64_t *seed)
{
    region *home = test_round_home(t);
    matmul_attributes a = {.epilogue = {any_activation(seed)}};
    case_tensor inputs[INPUT_COUNT] = {0};
    const bool is_batched = case_random(seed) % 3 == 0, is_shared = case_random(seed) % 2;
    const bool is_wide = case_random(seed) % 3 == 0;
    const int64_t batch = test_between(seed, 1, 4), m = test_between(seed, 1, is_wide ? 20 : 60);
    const int64_t k = test_between(seed, 1, is_wide ? 300 : 90);
    const int64_t n = test_between(seed, 1, is_wide ? 1200 : 150);
    const int64_t dims_a[] = {batch, m, k}, dims_b[] = {batch, k, n}, dims_y[] = {batch, m, n};
    const uint32_t skip = is_batched ? 0 : 1, skip_b = is_shared ? 1 : skip;

    inputs[0] = case_tensor_random(home, EBB_F32, 3 - skip, dims_a + skip, seed);
    inputs[INPUT_WEIGHTS] = case_tensor_random(home, EBB_F32, 3 - skip_b, dims_b + skip_b, seed);
    test_any_epilogue(home, inputs, 3 - skip, dims_y + skip, seed);
    const graph *g = kernel_case_graph(home, OP_matmul, &a, inputs, INPUT_COUNT);
    check_against(row, &kernel_portable_matmul, g, inputs, 5e-5);
    region_close(home);
}

TEST(dense_is_the_portable_matmul)
{
    uint64_t seed = 22;

    test_threads_stay(t);
    for (int i = 0; i < ROUNDS; i++) matmul_round(t, &kernel_vector_matmul, &seed);
    row_check_taken(&taken, ROUNDS * 2);
    for (int i = 0; i < ROUNDS; i++) matmul_round(t, &kernel_vector_dense, &seed);
    row_check_taken(&taken, ROUNDS / 2);
}

static void depthwise_round(test *t, uint64_t *seed)
{
    region *home = test_round_home(t);
    conv_attributes a = {.spatial = (uint32_t)test_between(seed, 1, 2),
                         .same = case_random(seed) % 2};
    int64_t x[4] = {test_between(seed, 1, 3)}, k[4], y[4];
    case_tensor inputs[INPUT_COUNT] = {0};
    const uint32_t s = a.spatial;

    a.epilogue.activation = any_activation(seed);
    a.groups = test_between(seed, 2, 70);
    for (uint32_t i = 0; i < s; i++) {
        k[i] = test_between(seed, 1, 6);
        a.strides[i] = test_between(seed, 1, 3);
        a.dilations[i] = a.strides[i] > 1 || case_random(seed) % 2 ? 1 : test_between(seed, 1, 3);
        a.pad_before[i] = test_between(seed, 0, 3);
        a.pad_after[i] = test_between(seed, 0, 3);
        x[1 + i] = (k[i] - 1) * a.dilations[i] + test_between(seed, 1, 24);
    }
    x[1 + s] = a.groups;
    k[s] = 1;
    k[s + 1] = a.groups;
    test_conv_dims(&a, x, k, a.groups, y);
    inputs[0] = case_tensor_random(home, EBB_F32, s + 2, x, seed);
    inputs[INPUT_WEIGHTS] = case_tensor_random(home, EBB_F32, s + 2, k, seed);
    test_any_epilogue(home, inputs, s + 2, y, seed);
    const graph *g = kernel_case_graph(home, OP_conv, &a, inputs, INPUT_COUNT);
    check_against(&kernel_vector_depthwise, &kernel_portable_conv, g, inputs, 1e-5);
    region_close(home);
}

TEST(depthwise_is_the_portable_conv)
{
    uint64_t seed = 23;

    test_threads_stay(t);
    for (int i = 0; i < ROUNDS * 2; i++) depthwise_round(t, &seed);
    row_check_taken(&taken, ROUNDS * 4);
}

/* -- elementwise and rows
 * ------------------------------------------------------------------------------ */

static void binary_round(test *t, uint64_t *seed)
{
    const binary_kind kinds[] = {BINARY_ADD,
                                 BINARY_SUB,
                                 BINARY_MUL,
                                 BINARY_DIV,
                                 BINARY_MAX,
                                 BINARY_MIN,
                                 BINARY_SQUARED_DIFFERENCE};
    region *home = test_round_home(t);
    const binary_attributes a = {kinds[case_random(seed) % 7], any_activation(seed)};
    int64_t dims[2][4];
    case_tensor inputs[2];

    for (uint32_t i = 0; i < 4; i++) {
        const int64_t length = test_between(seed, 1, i == 3 ? 200 : 6);
        const uint32_t which = (uint32_t)(case_random(seed) % 4);

        dims[0][i] = which == 0 ? 1 : length;
        dims[1][i] = which == 1 ? 1 : length;
    }
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t skip = case_random(seed) % 3 == 0 ? (uint32_t)test_between(seed, 1, 3) : 0;

        inputs[i] = case_tensor_random(home, EBB_F32, 4 - skip, dims[i] + skip, seed);
    }
    const graph *g = kernel_case_graph(home, OP_binary, &a, inputs, 2);
    check_against(&kernel_vector_binary, &kernel_portable_binary, g, inputs, 5e-6);
    region_close(home);
}

TEST(binary_is_the_portable_binary)
{
    uint64_t seed = 24;

    test_threads_stay(t);
    for (int i = 0; i < ROUNDS * 3; i++) binary_round(t, &seed);
    row_check_taken(&taken, ROUNDS * 3);
}

TEST(max_and_min_keep_nan)
{
    const int64_t dims[] = {9};
    uint64_t seed = 3;
    case_tensor inputs[] = {case_tensor_random(t->home, EBB_F32, 1, dims, &seed),
                            case_tensor_random(t->home, EBB_F32, 1, dims, &seed)};

    ((float *)inputs[0].data)[2] = NAN;
    ((float *)inputs[1].data)[5] = NAN;
    for (int i = 0; i < 2; i++) {
        const binary_attributes a = {i == 0 ? BINARY_MAX : BINARY_MIN, {UNARY_IDENTITY, 0, 0, 0}};
        const graph *g = kernel_case_graph(t->home, OP_binary, &a, inputs, 2);

        check_against(&kernel_vector_binary, &kernel_portable_binary, g, inputs, 0);
    }
    row_check_taken(&taken, 2);
}

TEST(softmax_is_the_portable_softmax)
{
    uint64_t seed = 25;

    test_threads_stay(t);
    for (int i = 0; i < ROUNDS; i++) {
        region *home = test_round_home(t);
        const int64_t dims[] = {test_between(&seed, 1, 9), test_between(&seed, 1, 9),
                                test_between(&seed, 1, i % 9 ? 70 : 3000)};
        const softmax_attributes a = {i % 3 ? 4 : 6, i % 2};
        const case_tensor x = case_tensor_random(home, EBB_F32, 3, dims, &seed);
        const graph *g = kernel_case_graph(home, OP_softmax, &a, &x, 1);

        if (i % 11 == 0) ((float *)x.data)[0] = i % 2 ? -INFINITY : 80.0f;
        check_against(&kernel_vector_softmax, &kernel_portable_softmax, g, &x, 5e-6);
        region_close(home);
    }
    row_check_taken(&taken, ROUNDS);
}

TEST(normalize_is_the_portable_normalize)
{
    uint64_t seed = 26;

    test_threads_stay(t);
    for (int i = 0; i < ROUNDS; i++) {
        region *home = test_round_home(t);
        const int64_t dims[] = {test_between(&seed, 1, 9), test_between(&seed, 1, 9),
                                test_between(&seed, 2, i % 9 ? 90 : 2000)};
        const normalize_attributes a = {1 + (uint32_t)i % 2, 1e-3f, i % 3 == 0};
        const uint32_t rank = a.axis_count;
        case_tensor inputs[3] = {case_tensor_random(home, EBB_F32, 3, dims, &seed)};

        for (uint64_t k = 0; i % 5 == 0 && k < tensor_desc_count(&inputs[0].desc); k++)
            ((float *)inputs[0].data)[k] += 100.0f; /* a large common part */
        if (i % 2) inputs[1] = case_tensor_random(home, EBB_F32, rank, dims + 3 - rank, &seed);
        if (i % 4 > 1 && !a.is_rms)
            inputs[2] = case_tensor_random(home, EBB_F32, rank, dims + 3 - rank, &seed);
        const graph *g = kernel_case_graph(home, OP_normalize, &a, inputs, 3);
        check_against(&kernel_vector_normalize, &kernel_portable_normalize, g, inputs, 2e-4);
        region_close(home);
    }
    row_check_taken(&taken, ROUNDS);
}

/* -- recurrent
 * ------------------------------------------------------------------------------------------ */

enum { RNN_X, RNN_KERNEL, RNN_RECURRENT, RNN_BIAS, RNN_MASK, RNN_H, RNN_C, RNN_DROP, RNN_COUNT };

static void rnn_round(test *t, uint64_t *seed, bool is_large)
{
    region *home = test_round_home(t);
    rnn_attributes a = {.kind = (rnn_kind)(case_random(seed) % 3),
                        .units = test_between(seed, 1, 40)};
    const int64_t items = is_large ? 40 : test_between(seed, 1, 5);
    const int64_t steps = is_large ? 700 : test_between(seed, 1, 9),
                  depth = test_between(seed, 1, 30);
    const bool flags[] = {case_random(seed) % 2, case_random(seed) % 2, case_random(seed) % 2,
                          case_random(seed) % 2};
    case_tensor inputs[RNN_COUNT] = {0};

    a.activation.kind = case_random(seed) % 4 ? UNARY_TANH : UNARY_RELU;
    a.activation.gamma = INFINITY;
    a.recurrent_activation = (unary_attributes){.kind = UNARY_SIGMOID};
    if (case_random(seed) % 4 == 0)
        a.recurrent_activation = (unary_attributes){UNARY_HARD_SIGMOID, 0.2f, 0.5f, 0};
    a.reset_after = a.kind == RNN_GRU && flags[0];
    a.go_backwards = flags[1];
    a.return_sequences = flags[2];
    a.zero_output_for_mask = flags[3];
    const int64_t gates = a.units * (a.kind == RNN_LSTM ? 4 : a.kind == RNN_GRU ? 3 : 1);
    const int64_t x[] = {items, steps, depth}, kernel[] = {depth, gates},
                  recurrent[] = {a.units, gates};
    const int64_t bias[] = {2, gates}, state[] = {items, a.units};
    inputs[RNN_X] = case_tensor_random(home, EBB_F32, 3, x, seed);
    inputs[RNN_KERNEL] = case_tensor_random(home, EBB_F32, 2, kernel, seed);
    inputs[RNN_RECURRENT] = case_tensor_random(home, EBB_F32, 2, recurrent, seed);
    for (int64_t i = 0; i < a.units * gates; i++) /* keeps the states from growing */
        ((float *)inputs[RNN_RECURRENT].data)[i] *= 0.9f / (float)a.units;
    if (case_random(seed) % 2)
        inputs[RNN_BIAS] = case_tensor_random(home, EBB_F32, a.reset_after ? 2 : 1,
                                              a.reset_after ? bias : bias + 1, seed);
    if (case_random(seed) % 2) inputs[RNN_MASK] = case_tensor_random(home, EBB_BOOL, 2, x, seed);
    if (case_random(seed) % 2) inputs[RNN_H] = case_tensor_random(home, EBB_F32, 2, state, seed);
    if (a.kind == RNN_LSTM && case_random(seed) % 2)
        inputs[RNN_C] = case_tensor_random(home, EBB_F32, 2, state, seed);
    const graph *g = kernel_case_graph(home, OP_rnn, &a, inputs, RNN_COUNT);
    check_against(&kernel_vector_rnn, &kernel_portable_rnn, g, inputs, 2e-4);
    region_close(home);
}

TEST(rnn_is_the_portable_rnn)
{
    uint64_t seed = 27;

    test_threads_stay(t);
    for (int i = 0; i < ROUNDS * 2; i++) rnn_round(t, &seed, false);
    for (int i = 0; i < 4; i++) rnn_round(t, &seed, true); /* more than one block of steps */
    row_check_taken(&taken, ROUNDS * 4);
}

TEST(plans_survive_without_memory)
{
    const device d = kernel_case_device(ISA_AVX512);
    const int64_t dims[] = {4, 9};
    uint64_t seed = 1;
    const softmax_attributes a = {2, false};
    const case_tensor x = case_tensor_random(t->home, EBB_F32, 2, dims, &seed);
    graph here = *kernel_case_graph(t->home, OP_softmax, &a, &x, 1);
    row_run r;

    here.home = test_round_home(t);
    test_fail_allocation(t, 0);
    CHECK(!row_run_plan(&r, &kernel_vector_softmax, &d, &here, &x, false, NULL, 1));
    test_fail_allocation(t, -1);
    CHECK(r.plan.state == NULL);
    region_close(here.home);
}

TEST_MAIN(RUN(functions_are_close_to_double_precision), RUN(functions_know_the_edges),
          RUN(unary_is_the_portable_unary), RUN(dense_is_the_portable_matmul),
          RUN(depthwise_is_the_portable_conv), RUN(binary_is_the_portable_binary),
          RUN(max_and_min_keep_nan), RUN(softmax_is_the_portable_softmax),
          RUN(normalize_is_the_portable_normalize), RUN(rnn_is_the_portable_rnn),
          RUN(plans_survive_without_memory))
