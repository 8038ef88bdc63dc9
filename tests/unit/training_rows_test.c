/* training_rows_test.c -- the fast rows of training against the portable rows, at random shapes and
 * attributes, on every instruction set this machine has and on one to three threads. Every case is
 * run twice and must give the same bits.
 */
#include <math.h>
#include <string.h>

#include "row_run.h"

#define ROWS(X)                                                                                    \
    X(vector_unary_gradient)                                                                       \
    X(vector_reduce)                                                                               \
    X(vector_pool_gradient)                                                                        \
    X(vector_normalize_gradient) X(vector_rnn_gradient) X(vector_fused) X(portable_unary_gradient) \
        X(portable_reduce) X(portable_pool_gradient) X(portable_normalize_gradient)                \
            X(portable_rnn_gradient) X(portable_fused) X(portable_conv_gradient_input)             \
                X(portable_conv_gradient_kernel) X(portable_matmul)
#define DECLARE(name) extern const kernel_def kernel_##name;
ROWS(DECLARE)
#ifdef EBB_WITH_ONEDNN
DECLARE(onednn_conv_gradient_input)
DECLARE(onednn_conv_gradient_kernel)
DECLARE(onednn_matmul)
#endif

#define ROUNDS 60

static uint32_t taken; /* how often rows said yes */

static void check_again(row_run *r, const char *name)
{
    (void)name;
    for (uint32_t k = 0; k < r->plan.node->output_count; k++) {
        const size_t bytes = (size_t)tensor_desc_bytes(&r->outputs[k]);
        void *const first = row_run_zeros(r->plan.home, bytes);

        memcpy(first, r->out[k], bytes);
        memset(r->out[k], 0x5a, bytes);
        r->row->run(&r->call);
        CHECK(memcmp(first, r->out[k], bytes) == 0);
    }
}

static void check_against(const kernel_def *row, const kernel_def *portable, const graph *g,
                          const case_tensor *inputs, double tolerance)
{
    const row_check c = {row, portable, false, 3, tolerance, check_again};

    taken += row_check_run(&c, g, inputs);
}

/* -- gradients of convolutions ---------------------------------------------------------------- */

#ifdef EBB_WITH_ONEDNN
/* A convolution of any shape: dims of x, kernel and y. */
static void any_conv(conv_attributes *a, int64_t *x, int64_t *k, int64_t *y, uint64_t *seed)
{
    *a = (conv_attributes){.spatial = (uint32_t)test_between(seed, 1, 3),
                           .same = case_random(seed) % 2};
    const uint32_t s = a->spatial;

    x[0] = test_between(seed, 1, 5);
    a->groups = case_random(seed) % 3 ? 1 : test_between(seed, 2, 40);
    const bool is_depthwise = case_random(seed) % 2;
    const int64_t inner = a->groups == 1 ? test_between(seed, 1, 40)
                          : is_depthwise ? 1
                                         : test_between(seed, 1, 20);
    const int64_t filters = a->groups * (a->groups == 1 ? test_between(seed, 1, 70)
                                         : is_depthwise ? 1
                                                        : test_between(seed, 1, 3));
    const bool is_flat = case_random(seed) % 3 == 0; /* kernels of one cell, with strides too */
    for (uint32_t i = 0; i < s; i++) {
        k[i] = is_flat ? 1 : test_between(seed, 1, 4);
        a->strides[i] = case_random(seed) % 2 ? 1 : test_between(seed, 1, 3);
        a->dilations[i] = a->strides[i] > 1 || case_random(seed) % 2 ? 1 : test_between(seed, 1, 2);
        a->pad_before[i] = is_flat ? 0 : test_between(seed, 0, 2);
        a->pad_after[i] = is_flat ? 0 : test_between(seed, 0, 2);
        x[1 + i] = (k[i] - 1) * a->dilations[i] + test_between(seed, 1, 10);
    }
    x[1 + s] = inner * a->groups;
    k[s] = inner;
    k[s + 1] = filters;
    test_conv_dims(a, x, k, filters, y);
}

static shape shape_of(uint32_t rank, const int64_t *dims)
{
    shape s = {.rank = rank};

    for (uint32_t i = 0; i < rank; i++) s.dims[i] = dims[i];
    return s;
}

static void conv_gradient_round(test *t, bool by_kernel, uint64_t *seed)
{
    region *home = test_round_home(t);
    int64_t x[5], k[5], y[5];
    conv_gradient_attributes a;
    case_tensor inputs[2];

    memset(&a, 0, sizeof a);
    any_conv(&a.conv, x, k, y, seed);
    const uint32_t rank = a.conv.spatial + 2;
    a.to = shape_of(rank, by_kernel ? k : x);
    inputs[0] = case_tensor_random(home, EBB_F32, rank, by_kernel ? x : y, seed);
    inputs[1] = case_tensor_random(home, EBB_F32, rank, by_kernel ? y : k, seed);
    const op_id op = by_kernel ? OP_conv_gradient_kernel : OP_conv_gradient_input;
    const graph *g = kernel_case_graph(home, op, &a, inputs, 2);
    check_against(
        by_kernel ? &kernel_onednn_conv_gradient_kernel : &kernel_onednn_conv_gradient_input,
        by_kernel ? &kernel_portable_conv_gradient_kernel : &kernel_portable_conv_gradient_input, g,
        inputs, 1e-4);
    region_close(home);
}

TEST(conv_gradients_are_the_portable_ones)
{
    uint64_t seed = 41;

    test_threads_stay(t);
    for (int i = 0; i < ROUNDS; i++) conv_gradient_round(t, true, &seed);
    row_check_taken(&taken, ROUNDS);
    for (int i = 0; i < ROUNDS; i++) conv_gradient_round(t, false, &seed);
    row_check_taken(&taken, ROUNDS);
}

/* An allocation that fails while planning: a plain no, and nothing is left. */
TEST(plans_survive_without_memory)
{
    uint64_t seed = 49;
    const device d = kernel_case_device(ISA_AVX512);
    const int64_t x[] = {4, 9, 9, 20}, y[] = {4, 7, 7, 24};
    conv_gradient_attributes a;
    case_tensor inputs[2] = {case_tensor_random(t->home, EBB_F32, 4, x, &seed),
                             case_tensor_random(t->home, EBB_F32, 4, y, &seed)};

    memset(&a, 0, sizeof a);
    a.conv = (conv_attributes){.spatial = 2, .strides = {1, 1}, .dilations = {1, 1}, .groups = 1};
    a.to = shape_of(4, (const int64_t[]){3, 3, 20, 24});
    const graph *g = kernel_case_graph(t->home, OP_conv_gradient_kernel, &a, inputs, 2);
    for (int64_t n = 0;; n++) {
        region *home = test_round_home(t);
        graph here = *g;
        row_run r;

        here.home = home;
        test_fail_allocation(t, n);
        const bool good = row_run_plan(&r, &kernel_onednn_conv_gradient_kernel, &d, &here, inputs,
                                       false, NULL, 2);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK(good || (failed && r.plan.state == NULL && r.plan.scratch_bytes == 0));
        if (good) r.row->close(r.plan.state);
        region_close(home);
        if (!failed) break;
    }
}

/* Products as dense gradients have them: either matrix turned, several threads. */
TEST(turned_matmul_is_the_portable_one)
{
    uint64_t seed = 42;

    test_threads_stay(t);
    for (int i = 0; i < ROUNDS; i++) {
        region *home = test_round_home(t);
        const matmul_attributes a = {.transpose_a = i % 2 == 1, .transpose_b = i / 2 % 2 == 1};
        const int64_t batch = test_between(&seed, 1, 3), m = test_between(&seed, 1, 70);
        const int64_t k = test_between(&seed, 1, 70), n = test_between(&seed, 1, 70);
        const uint32_t rank = i % 3 == 0 ? 3 : 2, skip = 3 - rank;
        const int64_t left[] = {batch, a.transpose_a ? k : m, a.transpose_a ? m : k};
        const int64_t right[] = {batch, a.transpose_b ? n : k, a.transpose_b ? k : n};
        const case_tensor inputs[INPUT_COUNT] = {
            case_tensor_random(home, EBB_F32, rank, left + skip, &seed),
            case_tensor_random(home, EBB_F32, rank, right + skip, &seed),
        };
        check_against(&kernel_onednn_matmul, &kernel_portable_matmul,
                      kernel_case_graph(home, OP_matmul, &a, inputs, INPUT_COUNT), inputs, 2e-5);
        region_close(home);
    }
    row_check_taken(&taken, ROUNDS);
}
#endif

/* -- elementwise, reductions, pools ----------------------------------------------------------- */

TEST(unary_gradient_is_the_portable_one)
{
    uint64_t seed = 43;

    for (uint32_t kind = 0; kind < UNARY_LOGICAL_NOT; kind++) {
        const float limits[][3] = {
            {1, 0.5f, INFINITY}, {0, 0, INFINITY}, {0, 0, 6}, {0.3f, 0, 0.5f}, {0.5f, 0.2f, 0.7f}};

        for (uint32_t i = 0; i < 5; i++) {
            region *home = test_round_home(t);
            const unary_attributes a = {(unary_kind)kind, limits[i][0], limits[i][1], limits[i][2]};
            const int64_t count = test_between(&seed, 1, 300);
            const case_tensor inputs[] = {case_tensor_random(home, EBB_F32, 1, &count, &seed),
                                          case_tensor_random(home, EBB_F32, 1, &count, &seed)};
            float *const x = inputs[0].data;
            for (int64_t k = 0; k < count; k++) {
                if (a.kind == UNARY_RELU || a.kind == UNARY_GELU) x[k] *= 8;
                if (k % 7 == 0) x[k] = limits[i][k / 7 % 3]; /* kinks */
                if (isinf(x[k])) x[k] = 3e38f;
            }
            check_against(&kernel_vector_unary_gradient, &kernel_portable_unary_gradient,
                          kernel_case_graph(home, OP_unary_gradient, &a, inputs, 2), inputs, 3e-6);
            region_close(home);
        }
    }
    row_check_taken(&taken, 300);
}

TEST(reduce_is_the_portable_one)
{
    uint64_t seed = 44;

    for (int i = 0; i < 2 * ROUNDS; i++) {
        region *home = test_round_home(t);
        const uint32_t rank = (uint32_t)test_between(&seed, 1, 4);
        const reduce_attributes a = {.kind = i % 2 ? REDUCE_SUM : REDUCE_MEAN,
                                     .axes = (uint32_t)case_random(&seed) % (1u << rank),
                                     .keep_dims = case_random(&seed) % 2};
        int64_t dims[4];
        for (uint32_t k = 0; k < rank; k++) dims[k] = test_between(&seed, 1, i % 8 ? 20 : 50);
        const case_tensor input = case_tensor_random(home, EBB_F32, rank, dims, &seed);
        check_against(&kernel_vector_reduce, &kernel_portable_reduce,
                      kernel_case_graph(home, OP_reduce, &a, &input, 1), &input, 1e-6);
        region_close(home);
    }
    row_check_taken(&taken, ROUNDS);
}

TEST(pool_gradient_is_the_portable_one)
{
    uint64_t seed = 45;

    for (int i = 0; i < ROUNDS; i++) {
        region *home = test_round_home(t);
        pool_gradient_attributes a = {.pool = {.kind = i % 2 ? POOL_MAX : POOL_AVERAGE,
                                               .spatial = (uint32_t)test_between(&seed, 1, 3),
                                               .same = case_random(&seed) % 2}};
        const uint32_t s = a.pool.spatial, rank = s + 2;
        const bool is_tiled = case_random(&seed) % 2;
        int64_t x[5] = {test_between(&seed, 1, 3)}, y[5] = {x[0]};
        for (uint32_t k = 0; k < s; k++) {
            a.pool.window[k] = test_between(&seed, 1, 3);
            a.pool.strides[k] = is_tiled ? a.pool.window[k] : test_between(&seed, 1, 3);
            x[1 + k] =
                is_tiled ? a.pool.window[k] * test_between(&seed, 1, 4) : test_between(&seed, 3, 9);
            y[1 + k] = a.pool.same ? (x[1 + k] + a.pool.strides[k] - 1) / a.pool.strides[k]
                                   : (x[1 + k] - a.pool.window[k]) / a.pool.strides[k] + 1;
        }
        x[1 + s] = y[1 + s] = test_between(&seed, 1, i % 10 ? 40 : 300);
        a.to.rank = rank;
        for (uint32_t k = 0; k < rank; k++) a.to.dims[k] = x[k];
        case_tensor inputs[] = {case_tensor_random(home, EBB_F32, rank, y, &seed),
                                case_tensor_random(home, EBB_F32, rank, x, &seed)};
        float *const values = inputs[1].data; /* a few values only: ties */
        for (uint64_t k = 0; k < tensor_desc_count(&inputs[1].desc); k++)
            values[k] = roundf(values[k] * 2);
        if (a.pool.kind == POOL_AVERAGE) inputs[1].desc.dtype = EBB_DTYPE_NONE;
        check_against(&kernel_vector_pool_gradient, &kernel_portable_pool_gradient,
                      kernel_case_graph(home, OP_pool_gradient, &a, inputs, 2), inputs, 1e-6);
        region_close(home);
    }
    row_check_taken(&taken, ROUNDS);
}

TEST(normalize_gradient_is_the_portable_one)
{
    uint64_t seed = 46;

    for (int i = 0; i < ROUNDS; i++) {
        region *home = test_round_home(t);
        const normalize_attributes a = {.axis_count = (uint32_t)test_between(&seed, 1, 2),
                                        .epsilon = 1e-3f,
                                        .is_rms = i % 3 == 0};
        const int64_t dims[] = {test_between(&seed, 1, 90), test_between(&seed, 2, 9),
                                test_between(&seed, 2, 40)};
        case_tensor inputs[3] = {case_tensor_random(home, EBB_F32, 3, dims, &seed),
                                 case_tensor_random(home, EBB_F32, 3, dims, &seed)};
        if (i % 4 != 0)
            inputs[2] =
                case_tensor_random(home, EBB_F32, a.axis_count, dims + 3 - a.axis_count, &seed);
        check_against(&kernel_vector_normalize_gradient, &kernel_portable_normalize_gradient,
                      kernel_case_graph(home, OP_normalize_gradient, &a, inputs, 3), inputs, 5e-5);
        region_close(home);
    }
    row_check_taken(&taken, ROUNDS);
}

/* -- recurrent -------------------------------------------------------------------------------- */

TEST(rnn_gradient_is_the_portable_one)
{
    uint64_t seed = 47;

    for (int i = 0; i < ROUNDS; i++) {
        region *home = test_round_home(t);
        rnn_attributes a = {.kind = (rnn_kind)(i % 3),
                            .units = test_between(&seed, 1, 40),
                            .activation = {.kind = i % 5 ? UNARY_TANH : UNARY_SOFTSIGN},
                            .recurrent_activation = {.kind = UNARY_SIGMOID},
                            .reset_after = case_random(&seed) % 2,
                            .go_backwards = case_random(&seed) % 2,
                            .return_sequences = case_random(&seed) % 2,
                            .zero_output_for_mask = case_random(&seed) % 2};
        const int64_t items = test_between(&seed, 1, 5), steps = test_between(&seed, 1, 6);
        const int64_t depth = test_between(&seed, 1, 30), u = a.units;
        const int64_t gates = (a.kind == RNN_LSTM ? 4 : a.kind == RNN_GRU ? 3 : 1) * u;
        const bool two = a.kind == RNN_GRU && a.reset_after;
        const int64_t x[] = {items, steps, depth}, kernel[] = {depth, gates};
        const int64_t recurrent[] = {u, gates}, bias[] = {2, gates}, state[] = {items, u};
        const int64_t y[] = {items, steps, u};
        case_tensor inputs[11] = {case_tensor_random(home, EBB_F32, 3, x, &seed),
                                  case_tensor_random(home, EBB_F32, 2, kernel, &seed),
                                  case_tensor_random(home, EBB_F32, 2, recurrent, &seed)};
        if (i % 4) inputs[3] = case_tensor_random(home, EBB_F32, two ? 2 : 1, bias + !two, &seed);
        if (i % 7 == 0) inputs[4] = case_tensor_random(home, EBB_BOOL, 2, x, &seed);
        if (i % 2) inputs[5] = case_tensor_random(home, EBB_F32, 2, state, &seed);
        if (i % 2 && a.kind == RNN_LSTM)
            inputs[6] = case_tensor_random(home, EBB_F32, 2, state, &seed);
        inputs[8] = a.return_sequences ? case_tensor_random(home, EBB_F32, 3, y, &seed)
                                       : case_tensor_random(home, EBB_F32, 2, state, &seed);
        if (i % 3) inputs[9] = case_tensor_random(home, EBB_F32, 2, state, &seed);
        check_against(&kernel_vector_rnn_gradient, &kernel_portable_rnn_gradient,
                      kernel_case_graph(home, OP_rnn_gradient, &a, inputs, 11), inputs, 1e-4);
        region_close(home);
    }
    row_check_taken(&taken, ROUNDS);
}

/* -- fused ------------------------------------------------------------------------------------ */

/* A random program: any kind of step over inputs of the whole shape, of a row, and numbers. */
static void any_program(fused_attributes *a, uint32_t inputs, uint64_t *seed)
{
    static const unary_kind unaries[] = {UNARY_NEG,  UNARY_ABS,    UNARY_SQUARE,
                                         UNARY_TANH, UNARY_AFFINE, UNARY_SIN};
    static const binary_kind binaries[] = {BINARY_ADD,  BINARY_SUB, BINARY_MUL,
                                           BINARY_MAX,  BINARY_MIN, BINARY_SQUARED_DIFFERENCE,
                                           BINARY_ATAN2};

    memset(a, 0, sizeof *a);
    a->step_count = (uint32_t)test_between(seed, 1, 20);
    for (uint32_t i = 0; i < a->step_count; i++) {
        fused_step *s = &a->steps[i];
        const int64_t last = inputs + i - 1;

        s->kind = (fused_kind)(case_random(seed) % 5);
        if (s->kind == FUSED_UNARY) s->function = unaries[case_random(seed) % 6];
        if (s->kind == FUSED_SLOPE) s->function = case_random(seed) % 2 ? UNARY_RELU : UNARY_TANH;
        if (s->kind == FUSED_BINARY) s->function = binaries[case_random(seed) % 7];
        if (s->kind == FUSED_COMPARE) s->function = (uint32_t)case_random(seed) % 6;
        s->a = (uint32_t)test_between(seed, 0, last);
        s->b = (uint32_t)test_between(seed, 0, last);
        s->c = (uint32_t)test_between(seed, 0, last);
        s->alpha = 0.5f;
        s->beta = -0.25f;
        s->gamma = INFINITY;
    }
    a->result_count = (uint32_t)test_between(seed, 1, FUSED_RESULTS_MAX);
    const uint32_t axes = (uint32_t)test_between(seed, 1, 3);
    for (uint32_t i = 0; i < a->result_count; i++) {
        fused_result *r = &a->results[i];

        r->source = inputs + (uint32_t)test_between(seed, 0, a->step_count - 1);
        r->dtype = case_random(seed) % 4 ? EBB_F32 : EBB_BOOL;
        if (r->dtype == EBB_F32 && case_random(seed) % 3 == 0) r->summed_axes = axes;
        r->is_mean = r->summed_axes > 0 && case_random(seed) % 2;
    }
}

/* Results may lie over inputs: the same numbers then. */
static void check_over_inputs(const kernel_def *row, const graph *g, const case_tensor *inputs)
{
    const device d = kernel_case_device(ISA_AVX512);
    row_run r, over;
    uint32_t shared = 0;

    CHECK(row_run_plan(&r, row, &d, g, inputs, false, NULL, 2));
    CHECK(row_run_plan(&over, row, &d, g, inputs, false, NULL, 2));
    row_run_open(&r);
    row_run_open(&over);
    r.row->run(&r.call);
    for (uint32_t k = 0; over.plan.is_pointwise && k < FUSED_RESULTS_MAX; k++)
        for (uint32_t i = shared; i < g->nodes[0].input_count; i++) {
            const size_t bytes = (size_t)tensor_desc_bytes(&over.inputs[i]);

            if (bytes != tensor_desc_bytes(&over.outputs[k]) || bytes == 0) continue;
            memcpy(over.out[k], over.in[i], bytes);
            over.in[i] = over.out[k];
            shared = i + 1;
            break;
        }
    over.row->run(&over.call);
    for (uint32_t k = 0; k < FUSED_RESULTS_MAX; k++) {
        const case_tensor found = row_run_result(&over, k), expected = row_run_result(&r, k);

        case_tensor_check("over inputs", &found, &expected, 0, 0);
    }
    row_run_close(&r);
    row_run_close(&over);
}

TEST(fused_is_the_portable_one)
{
    uint64_t seed = 48;

    for (int i = 0; i < 4 * ROUNDS; i++) {
        region *home = test_round_home(t);
        const int64_t dims[] = {test_between(&seed, 1, i % 4 ? 9 : 70), test_between(&seed, 1, 20),
                                test_between(&seed, 1, i % 3 ? 12 : 1500)};
        const uint32_t count = (uint32_t)test_between(&seed, 1, 6);
        case_tensor inputs[ROW_INPUTS_MAX] = {case_tensor_random(home, EBB_F32, 3, dims, &seed)};
        fused_attributes a;

        for (uint32_t k = 1; k < count; k++) {
            const uint32_t rank = (uint32_t)test_between(&seed, 0, 3);
            const ebb_dtype dtype = case_random(&seed) % 4 ? EBB_F32 : EBB_BOOL;
            inputs[k] = case_tensor_random(home, dtype, rank, dims + 3 - rank, &seed);
        }
        any_program(&a, count, &seed);
        const graph *g = kernel_case_graph(home, OP_fused, &a, inputs, count);
        check_against(&kernel_vector_fused, &kernel_portable_fused, g, inputs, 2e-5);
        check_over_inputs(&kernel_vector_fused, g, inputs);
        check_over_inputs(&kernel_portable_fused, g, inputs);
        region_close(home);
    }
    row_check_taken(&taken, 4 * ROUNDS);
}

TEST(fused_of_nothing_sums_to_nothing)
{
    const int64_t dims[] = {0, 3};
    const case_tensor input = case_tensor_make(t->home, EBB_F32, 2, dims);
    fused_attributes a = {.step_count = 1, .result_count = 2};
    case_tensor outputs[OP_OUTPUTS_MAX];

    a.steps[0] = (fused_step){.kind = FUSED_UNARY, .function = UNARY_SQUARE};
    a.results[0] = (fused_result){1, EBB_F32, 0, false};
    a.results[1] = (fused_result){1, EBB_F32, 1, false};
    const graph *g = kernel_case_graph(t->home, OP_fused, &a, &input, 1);
    CHECK(kernel_case_run(&kernel_portable_fused, g, &g->nodes[0], &input, outputs, 1));
    for (int i = 0; i < 3; i++) CHECK_NEAR(((float *)outputs[1].data)[i], 0, 0);
}

#ifdef EBB_WITH_ONEDNN
#define RUN_ONEDNN                                                                                 \
    RUN(conv_gradients_are_the_portable_ones), RUN(plans_survive_without_memory),                  \
        RUN(turned_matmul_is_the_portable_one),
#else
#define RUN_ONEDNN
#endif

TEST_MAIN(RUN_ONEDNN RUN(unary_gradient_is_the_portable_one), RUN(reduce_is_the_portable_one),
          RUN(pool_gradient_is_the_portable_one), RUN(normalize_gradient_is_the_portable_one),
          RUN(rnn_gradient_is_the_portable_one), RUN(fused_is_the_portable_one),
          RUN(fused_of_nothing_sums_to_nothing))
