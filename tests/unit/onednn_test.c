/* onednn_test.c -- the oneDNN rows against the portable rows at random shapes and attributes,
 * with weights packed and plain; what packing promises; lanes at the same time; and that rows
 * that come and go leave nothing behind.
 *
 * Limit the library to an older processor with DNNL_MAX_CPU_ISA=AVX2 in the environment to test
 * that, too.
 */
#ifdef EBB_WITH_ONEDNN

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "kernel_case.h"
#include "row_run.h"

extern const kernel_def kernel_onednn_conv, kernel_onednn_conv_transpose, kernel_onednn_matmul,
    kernel_onednn_pool;
extern const kernel_def kernel_portable_conv, kernel_portable_conv_transpose,
    kernel_portable_matmul, kernel_portable_pool;

#define ROUNDS 120

/* The residual may lie where the result goes, if the row says so. */
static void check_shared_residual(row_run *r, const case_tensor *expected, const char *name)
{
    const size_t bytes = (size_t)tensor_desc_bytes(&r->outputs[0]);

    if (r->plan.in_place_with == 0) return;
    CHECK_EQ(r->plan.in_place_with, INPUT_RESIDUAL);
    memcpy(r->out[0], r->in[INPUT_RESIDUAL], bytes);
    r->in[INPUT_RESIDUAL] = r->out[0];
    r->row->run(&r->call);
    const case_tensor found = row_run_result(r, 0);
    case_tensor_check(name, &found, expected, 0, 0);
}

static uint32_t taken; /* rows that said yes, so that a test cannot pass by refusals alone */

static void check_row(const kernel_def *row, const device *d, const graph *g,
                      const case_tensor *inputs, const case_tensor *expected, bool is_weight)
{
    const size_t bytes = (size_t)tensor_desc_bytes(&expected->desc);

    for (uint32_t threads = 1; threads <= 3; threads++) {
        char name[64];
        row_run r;

        if (!row_run_plan(&r, row, d, g, inputs, is_weight, NULL, threads)) continue;
        taken++;
        row_run_open(&r);
        r.row->run(&r.call);
        snprintf(name, sizeof name, "%s, %u threads, %s", row->name, threads,
                 is_weight ? "weight" : "value");
        const case_tensor found = row_run_result(&r, 0);
        case_tensor_check(name, &found, expected, 2e-5, 2e-5);
        void *const first = row_run_zeros(g->home, bytes);
        memcpy(first, r.out[0], bytes);
        memset(r.out[0], 0x5a, bytes);
        r.row->run(&r.call); /* the same again: the same bits */
        CHECK(memcmp(first, r.out[0], bytes) == 0);
        const case_tensor same = {found.desc, first};
        check_shared_residual(&r, &same, name);
        row_run_close(&r);
    }
}

/* Both rows; the portable one gives what is expected. */
static void check_against(const kernel_def *row, const kernel_def *portable, const graph *g,
                          const case_tensor *inputs)
{
    const device d = kernel_case_device(ISA_AVX512);
    row_run r;

    CHECK(row_run_plan(&r, portable, &d, g, inputs, false, NULL, 1));
    row_run_open(&r);
    r.row->run(&r.call);
    const case_tensor expected = row_run_result(&r, 0);
    check_row(row, &d, g, inputs, &expected, false);
    if (portable != &kernel_portable_pool) check_row(row, &d, g, inputs, &expected, true);
    row_run_close(&r);
}

static const unary_attributes activations[] = {
    {UNARY_IDENTITY, 0, 0, 0},      {UNARY_RELU, 0, 0, INFINITY},
    {UNARY_RELU, 0, 0, 6},          {UNARY_RELU, 0.1f, 0, INFINITY},
    {UNARY_RELU, 0.2f, 0.1f, 0.5f}, {UNARY_SIGMOID, 0, 0, 0},
    {UNARY_TANH, 0, 0, 0},          {UNARY_SILU, 0, 0, 0},
    {UNARY_ELU, 0.7f, 0, 0},        {UNARY_GELU, 0, 0, 0},
    {UNARY_GELU_TANH, 0, 0, 0},     {UNARY_HARD_SIGMOID, 0.2f, 0.5f, 0},
    {UNARY_HARD_SILU, 0, 0, 0},     {UNARY_HARD_TANH, 0, 0, 0},
    {UNARY_CLIP, -0.3f, 0.4f, 0},   {UNARY_AFFINE, 2, 1, 0},
    {UNARY_ABS, 0, 0, 0},           {UNARY_SELU, 0, 0, 0},
    {UNARY_SOFTPLUS, 0, 0, 0},      {UNARY_MISH, 0, 0, 0},
};

static unary_attributes any_activation(uint64_t *seed)
{
    return activations[case_random(seed) % (sizeof activations / sizeof activations[0])];
}

/* -- contractions at random -------------------------------------------------------------------- */

static void conv_round(test *t, uint64_t *seed)
{
    region *home = test_round_home(t);
    conv_attributes a = {.spatial = (uint32_t)test_between(seed, 1, 3),
                         .same = case_random(seed) % 2};
    int64_t x[5] = {test_between(seed, 1, 3)}, k[5], y[5];
    case_tensor inputs[INPUT_COUNT] = {0};
    const uint32_t s = a.spatial;

    a.epilogue.activation = any_activation(seed);
    a.groups = case_random(seed) % 3 ? 1 : test_between(seed, 2, 40);
    const bool is_depthwise = case_random(seed) % 2;
    const int64_t inner = a.groups == 1  ? test_between(seed, 1, 40)
                          : is_depthwise ? 1
                                         : test_between(seed, 1, 20);
    const int64_t filters = a.groups * (a.groups == 1  ? test_between(seed, 1, 70)
                                        : is_depthwise ? 1
                                                       : test_between(seed, 1, 3));
    for (uint32_t i = 0; i < s; i++) {
        k[i] = test_between(seed, 1, 4);
        a.strides[i] = case_random(seed) % 2 ? 1 : test_between(seed, 1, 3);
        a.dilations[i] = a.strides[i] > 1 || case_random(seed) % 2 ? 1 : test_between(seed, 1, 2);
        a.pad_before[i] = test_between(seed, 0, 2);
        a.pad_after[i] = test_between(seed, 0, 2);
        x[1 + i] = (k[i] - 1) * a.dilations[i] + test_between(seed, 1, 10);
    }
    x[1 + s] = inner * a.groups;
    k[s] = inner;
    k[s + 1] = filters;
    test_conv_dims(&a, x, k, filters, y);
    inputs[0] = case_tensor_random(home, EBB_F32, s + 2, x, seed);
    inputs[INPUT_WEIGHTS] = case_tensor_random(home, EBB_F32, s + 2, k, seed);
    test_any_epilogue(home, inputs, s + 2, y, seed);
    const graph *g = kernel_case_graph(home, OP_conv, &a, inputs, INPUT_COUNT);
    check_against(&kernel_onednn_conv, &kernel_portable_conv, g, inputs);
    region_close(home);
}

TEST(conv_is_the_portable_conv)
{
    uint64_t seed = 11;

    taken = 0;
    test_threads_stay(t);
    for (int i = 0; i < ROUNDS; i++) conv_round(t, &seed);
    CHECK(taken > ROUNDS * 2);
}

static void conv_transpose_round(test *t, uint64_t *seed)
{
    region *home = test_round_home(t);
    conv_transpose_attributes a = {.spatial = (uint32_t)test_between(seed, 1, 3)};
    int64_t x[5] = {test_between(seed, 1, 3)}, k[5], y[5] = {x[0]};
    case_tensor inputs[INPUT_COUNT] = {0};
    const uint32_t s = a.spatial;

    a.epilogue.activation = any_activation(seed);
    for (uint32_t i = 0; i < s; i++) {
        k[i] = test_between(seed, 1, 4);
        a.strides[i] = test_between(seed, 1, 3);
        a.dilations[i] = a.strides[i] > 1 ? 1 : test_between(seed, 1, 2);
        const int64_t reach = (k[i] - 1) * a.dilations[i] + 1;
        a.pad_before[i] = test_between(seed, 0, reach > 2 ? 1 : 0);
        a.pad_after[i] = test_between(seed, 0, reach > 2 ? 1 : 0);
        a.output_padding[i] = test_between(seed, 0, a.strides[i] - 1);
        x[1 + i] = test_between(seed, 2, 8);
        y[1 + i] = (x[1 + i] - 1) * a.strides[i] + reach - a.pad_before[i] - a.pad_after[i] +
                   a.output_padding[i];
    }
    x[1 + s] = test_between(seed, 1, 40);
    y[1 + s] = test_between(seed, 1, 40);
    k[s] = y[1 + s];
    k[s + 1] = x[1 + s];
    inputs[0] = case_tensor_random(home, EBB_F32, s + 2, x, seed);
    inputs[INPUT_WEIGHTS] = case_tensor_random(home, EBB_F32, s + 2, k, seed);
    test_any_epilogue(home, inputs, s + 2, y, seed);
    const graph *g = kernel_case_graph(home, OP_conv_transpose, &a, inputs, INPUT_COUNT);
    check_against(&kernel_onednn_conv_transpose, &kernel_portable_conv_transpose, g, inputs);
    region_close(home);
}

TEST(conv_transpose_is_the_portable_one)
{
    uint64_t seed = 12;

    taken = 0;
    test_threads_stay(t);
    for (int i = 0; i < ROUNDS; i++) conv_transpose_round(t, &seed);
    CHECK(taken > ROUNDS);
}

static void matmul_round(test *t, uint64_t *seed)
{
    region *home = test_round_home(t);
    matmul_attributes a = {.transpose_a = case_random(seed) % 4 == 0,
                           .transpose_b = case_random(seed) % 4 == 0};
    case_tensor inputs[INPUT_COUNT] = {0};
    const bool is_batched = case_random(seed) % 2, is_shared = case_random(seed) % 2;
    const int64_t batch = test_between(seed, 1, 4), m = test_between(seed, 1, 40),
                  k = test_between(seed, 1, 70), n = test_between(seed, 1, 90);
    const int64_t dims_a[] = {batch, a.transpose_a ? k : m, a.transpose_a ? m : k};
    const int64_t dims_b[] = {batch, a.transpose_b ? n : k, a.transpose_b ? k : n},
                  dims_y[] = {batch, m, n};
    const uint32_t skip = is_batched ? 0 : 1, skip_b = is_shared ? 1 : skip;

    a.epilogue.activation = any_activation(seed);
    inputs[0] = case_tensor_random(home, EBB_F32, 3 - skip, dims_a + skip, seed);
    inputs[INPUT_WEIGHTS] = case_tensor_random(home, EBB_F32, 3 - skip_b, dims_b + skip_b, seed);
    test_any_epilogue(home, inputs, 3 - skip, dims_y + skip, seed);
    const graph *g = kernel_case_graph(home, OP_matmul, &a, inputs, INPUT_COUNT);
    check_against(&kernel_onednn_matmul, &kernel_portable_matmul, g, inputs);
    region_close(home);
}

TEST(matmul_is_the_portable_one)
{
    uint64_t seed = 13;

    taken = 0;
    test_threads_stay(t);
    for (int i = 0; i < ROUNDS; i++) matmul_round(t, &seed);
    CHECK(taken > ROUNDS);
}

static void pool_round(test *t, uint64_t *seed)
{
    region *home = test_round_home(t);
    pool_attributes a = {.kind = case_random(seed) % 2 ? POOL_MAX : POOL_AVERAGE,
                         .spatial = (uint32_t)test_between(seed, 1, 3),
                         .same = case_random(seed) % 2};
    int64_t x[5] = {test_between(seed, 1, 3)};

    for (uint32_t i = 0; i < a.spatial; i++) {
        a.window[i] = test_between(seed, 1, 4);
        a.strides[i] = test_between(seed, 1, 3);
        x[1 + i] = a.window[i] + test_between(seed, 0, 9);
    }
    x[1 + a.spatial] = test_between(seed, 1, 70);
    const case_tensor input = case_tensor_random(home, EBB_F32, a.spatial + 2, x, seed);
    const graph *g = kernel_case_graph(home, OP_pool, &a, &input, 1);
    check_against(&kernel_onednn_pool, &kernel_portable_pool, g, &input);
    region_close(home);
}

TEST(pool_is_the_portable_pool)
{
    uint64_t seed = 14;

    taken = 0;
    test_threads_stay(t);
    for (int i = 0; i < ROUNDS; i++) pool_round(t, &seed);
    CHECK(taken > ROUNDS);
}

/* -- weights
 * ------------------------------------------------------------------------------------- */

static conv_attributes plain_conv(void)
{
    return (conv_attributes){
        .spatial = 2, .strides = {1, 1}, .dilations = {1, 1}, .same = true, .groups = 1};
}

static const graph *conv_graph(region *home, const conv_attributes *a, case_tensor *inputs,
                               int64_t batch, int64_t size, int64_t channels, int64_t kernel,
                               uint64_t seed)
{
    const int64_t x[] = {batch, size, size, channels},
                  k[] = {kernel, kernel, channels, 2 * channels};

    inputs[0] = case_tensor_random(home, EBB_F32, 4, x, &seed);
    inputs[INPUT_WEIGHTS] = case_tensor_random(home, EBB_F32, 4, k, &seed);
    return kernel_case_graph(home, OP_conv, a, inputs, 2);
}

/* A weight packed for one shape serves executables of other shapes, and comes back bit for bit. */
TEST(packed_weights_serve_every_shape)
{
    const conv_attributes a = plain_conv();
    const device d = kernel_case_device(ISA_AVX512);
    case_tensor inputs[INPUT_COUNT] = {0};
    row_run first;

    test_threads_stay(t);
    for (int64_t kernel = 1; kernel <= 3; kernel += 2) {
        const graph *g = conv_graph(t->home, &a, inputs, 1, 28, 50, kernel, 5);

        CHECK(row_run_plan(&first, &kernel_onednn_conv, &d, g, inputs, true, NULL, 1));
        const weight_form *form = first.plan.weights[INPUT_WEIGHTS].form;
        row_run_open(&first);
        if (form != WEIGHT_PLAIN) {
            const uint64_t bytes = tensor_desc_bytes(&inputs[INPUT_WEIGHTS].desc);
            void *const back = row_run_zeros(t->home, bytes);

            CHECK_OK(
                form->unpack(form, &inputs[INPUT_WEIGHTS].desc, first.in[INPUT_WEIGHTS], back));
            CHECK(memcmp(back, inputs[INPUT_WEIGHTS].data, bytes) == 0);
        }
        for (int64_t size = 3; form != WEIGHT_PLAIN && size <= 60; size = size * 2 + 1) {
            case_tensor other[INPUT_COUNT] = {0};
            row_run second, expected;

            g = conv_graph(t->home, &a, other, size < 10 ? 8 : 1, size, 50, kernel, 6);
            CHECK(row_run_plan(&second, &kernel_onednn_conv, &d, g, other, true, form, 2));
            row_run_open(&second);
            second.row->run(&second.call);
            CHECK(row_run_plan(&expected, &kernel_portable_conv, &d, g, other, false, NULL, 1));
            row_run_open(&expected);
            expected.row->run(&expected.call);
            const case_tensor found = row_run_result(&second, 0),
                              right = row_run_result(&expected, 0);
            case_tensor_check("conv with a decided weight", &found, &right, 1e-4, 1e-4);
            row_run_close(&second);
            row_run_close(&expected);
        }
        row_run_close(&first);
    }
}

TEST(large_weights_stay_plain)
{
    const device d = kernel_case_device(ISA_AVX512);
    const matmul_attributes a = {0};
    const int64_t x[] = {64, 2100}, k[] = {2100, 2100};
    uint64_t seed = 1;
    case_tensor inputs[INPUT_COUNT] = {0};
    row_run r;

    inputs[0] = case_tensor_random(t->home, EBB_F32, 2, x, &seed);
    inputs[INPUT_WEIGHTS] = case_tensor_random(t->home, EBB_F32, 2, k, &seed);
    const graph *g = kernel_case_graph(t->home, OP_matmul, &a, inputs, 2);
    CHECK(tensor_desc_bytes(&inputs[INPUT_WEIGHTS].desc) > WEIGHT_PACK_BYTES_MAX);
    CHECK(row_run_plan(&r, &kernel_onednn_matmul, &d, g, inputs, true, NULL, 1));
    CHECK(r.plan.weights[INPUT_WEIGHTS].form == WEIGHT_PLAIN);
    r.row->close(r.plan.state);
}

TEST(rows_say_no_where_code_may_not_be_made)
{
    const conv_attributes a = plain_conv();
    device d = kernel_case_device(ISA_AVX512);
    case_tensor inputs[INPUT_COUNT] = {0};
    row_run r;

    d.jit = false;
    const graph *g = conv_graph(t->home, &a, inputs, 1, 8, 16, 3, 5);
    CHECK(!row_run_plan(&r, &kernel_onednn_conv, &d, g, inputs, true, NULL, 1));
    CHECK(r.plan.state == NULL && r.plan.weights[INPUT_WEIGHTS].form == WEIGHT_PLAIN);
}

/* -- life
 * -------------------------------------------------------------------------------------------- */

typedef struct lane_work {
    row_run *r;
    const void *expected;
    bool is_wrong;
} lane_work;

static void *run_lane(void *argument)
{
    lane_work *w = argument;
    const size_t bytes = (size_t)tensor_desc_bytes(&w->r->outputs[0]);

    for (int i = 0; i < 200; i++) {
        memset(w->r->out[0], 0, bytes);
        w->r->row->run(&w->r->call);
        if (memcmp(w->r->out[0], w->expected, bytes) != 0) w->is_wrong = true;
    }
    return NULL;
}

/* Several lanes of one primitive at once, each with its own memory objects. */
TEST(lanes_run_at_once)
{
    const conv_attributes a = plain_conv();
    const device d = kernel_case_device(ISA_AVX512);
    case_tensor inputs[INPUT_COUNT] = {0};
    const graph *g = conv_graph(t->home, &a, inputs, 1, 20, 24, 3, 9);
    row_run lanes[3];
    lane_work work[3];
    pthread_t threads[3];
    ebb_error error = {0};

    test_threads_stay(t);
    CHECK(row_run_plan(&lanes[0], &kernel_onednn_conv, &d, g, inputs, true, NULL, 1));
    row_run_open(&lanes[0]);
    const size_t bytes = (size_t)tensor_desc_bytes(&lanes[0].outputs[0]);
    lanes[0].row->run(&lanes[0].call);
    void *const expected = row_run_zeros(t->home, bytes);
    memcpy(expected, lanes[0].out[0], bytes);
    for (int i = 0; i < 3; i++) {
        if (i > 0) {
            lanes[i] = lanes[0];
            lanes[i].call.inputs = lanes[i].in;
            lanes[i].call.outputs = lanes[i].out;
            lanes[i].out[0] = row_run_zeros(t->home, bytes);
            lanes[i].call.scratch = row_run_zeros(t->home, lanes[i].plan.scratch_bytes);
            lanes[i].call.lane = row_run_zeros(t->home, lanes[i].plan.lane_bytes);
            CHECK_OK(lanes[i].row->bind(&lanes[i].call, &error));
        }
        work[i] = (lane_work){&lanes[i], expected, false};
    }
    for (int i = 0; i < 3; i++) CHECK_EQ(pthread_create(&threads[i], NULL, run_lane, &work[i]), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++) CHECK(!work[i].is_wrong);
    for (int i = 1; i < 3; i++) lanes[i].row->unbind(&lanes[i].call);
    row_run_close(&lanes[0]);
}

static long resident_kilobytes(void)
{
    FILE *const file = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;

    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident * 4;
}

/* Distinct shapes, so that nothing can be reused; memory may not rise once the library is warm. */
TEST(rows_that_come_and_go_leave_nothing)
{
    conv_attributes a = plain_conv();
    const device d = kernel_case_device(ISA_AVX512);
    long warm = 0;

    test_threads_stay(t);
    a.epilogue.activation = (unary_attributes){UNARY_RELU, 0, 0, 6};
    for (int i = 0; i < 600; i++) {
        region *home = test_round_home(t);
        case_tensor inputs[INPUT_COUNT] = {0};
        row_run r;

        const graph *g =
            conv_graph(home, &a, inputs, 1, 5 + i % 11, 3 + i % 37, 1 + i % 3, (uint64_t)i);
        CHECK(row_run_plan(&r, &kernel_onednn_conv, &d, g, inputs, true, NULL, 1));
        row_run_open(&r);
        r.row->run(&r.call);
        row_run_close(&r);
        region_close(home);
        if (i == 150) {
            malloc_trim(0);
            warm = resident_kilobytes();
        }
    }
    malloc_trim(0);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)warm; /* a sanitizer keeps memory of its own */
#else
    CHECK(resident_kilobytes() - warm < 1024);
#endif
}

/* An allocation that fails while planning: a plain no, and nothing is left. */
TEST(plans_survive_without_memory)
{
    const conv_attributes a = plain_conv();
    const device d = kernel_case_device(ISA_AVX512);
    case_tensor inputs[INPUT_COUNT] = {0};
    const graph *g = conv_graph(t->home, &a, inputs, 1, 12, 20, 3, 5);

    for (int64_t n = 0;; n++) {
        region *home = test_round_home(t);
        row_run r;

        test_fail_allocation(t, n);
        graph here = *g;
        here.home = home;
        const bool good = row_run_plan(&r, &kernel_onednn_conv, &d, &here, inputs, true, NULL, 1);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK(good || failed);
        if (good) r.row->close(r.plan.state);
        if (!good)
            CHECK(r.plan.state == NULL && r.plan.weights[INPUT_WEIGHTS].form == WEIGHT_PLAIN);
        region_close(home);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(conv_is_the_portable_conv), RUN(conv_transpose_is_the_portable_one),
          RUN(matmul_is_the_portable_one), RUN(pool_is_the_portable_pool),
          RUN(packed_weights_serve_every_shape), RUN(large_weights_stay_plain),
          RUN(rows_say_no_where_code_may_not_be_made), RUN(lanes_run_at_once),
          RUN(rows_that_come_and_go_leave_nothing), RUN(plans_survive_without_memory))

#else

#include "harness.h"

TEST(built_without_onednn)
{
}

TEST_MAIN(RUN(built_without_onednn))

#endif
