/* kernel_plan_test.c -- what golden values and random shapes cannot show: random numbers, plans
 * without memory, dims of the call, packed weights, empty tensors.
 */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "kernel_case.h"

/* -- random numbers and memory ---------------------------------------------------------------- */

static void moments(const float *x, int64_t count, double *mean, double *deviation)
{
    double sum = 0, squares = 0;

    for (int64_t i = 0; i < count; i++) sum += (double)x[i];
    *mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++) squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    *deviation = sqrt(squares / (double)count);
}

static case_tensor random_run(test *t, random_attributes a, uint32_t threads)
{
    const device d = kernel_case_device(ISA_PORTABLE);
    uint32_t count = 0;
    case_tensor y;

    a.to = (shape){.rank = 2, .dims = {301, 1000}};
    graph *const g = kernel_case_graph(t->home, OP_random, &a, NULL, 0);
    CHECK(kernel_case_run(d.def->kernels(&d, OP_random, &count)[0], g, &g->nodes[0], NULL, &y,
                          threads));
    return y;
}

TEST(random_numbers_have_their_distribution)
{
    const struct {
        random_attributes a;
        double mean, deviation, low, high;
    } cases[] = {
        {{.kind = RANDOM_UNIFORM, .low = -1, .high = 3, .seed = 5}, 1, 1.1547, -1, 3},
        {{.kind = RANDOM_NORMAL, .low = 2, .high = 0.5f, .seed = 6}, 2, 0.5, -1, 5},
        {{.kind = RANDOM_TRUNCATED_NORMAL, .low = 0, .high = 1, .seed = 7}, 0, 0.87962566, -2, 2}};
    const int64_t count = 301000;

    test_threads_stay(t);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const case_tensor y = random_run(t, cases[i].a, 1), again = random_run(t, cases[i].a, 2);
        const float *x = y.data;
        double mean, deviation;

        moments(x, count, &mean, &deviation);
        CHECK_NEAR(mean, cases[i].mean, 0.01);
        CHECK_NEAR(deviation, cases[i].deviation, 0.01);
        for (int64_t k = 0; k < count; k++) {
            CHECK((double)x[k] >= cases[i].low && (double)x[k] <= cases[i].high);
        }
        CHECK(memcmp(y.data, again.data, (size_t)count * sizeof *x) == 0);
        random_attributes other = cases[i].a;
        other.seed++;
        CHECK(memcmp(y.data, random_run(t, other, 1).data, (size_t)count * sizeof *x) != 0);
    }
}

/* Philox 4x32-10 with counter and key 0 begins 6627e8d5 e169c58d bc57ac4c 9b00dbd8 (Random123,
 * kat_vectors). */
TEST(random_numbers_are_philox)
{
    const uint32_t words[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    const random_attributes a = {.kind = RANDOM_UNIFORM, .low = 0, .high = 1, .seed = 0};
    const case_tensor y = random_run(t, a, 1);

    for (int i = 0; i < 4; i++)
        CHECK(((const float *)y.data)[i] == (float)(words[i] >> 8) * 0x1p-24f);
}

static bool plan_in(region *home, const graph *g, const kernel_def *row)
{
    const device d = kernel_case_device(ISA_AVX512);
    const node *n = &g->nodes[0];
    tensor_desc descs[2] = {{0}};
    kernel_plan plan = {.device = &d,
                        .graph = g,
                        .node = n,
                        .inputs = &descs[0],
                        .outputs = &descs[1],
                        .threads = 2,
                        .home = home};

    for (uint32_t i = 0; i < 2; i++) {
        const value_info *const info = graph_value(g, i == 0 ? n->inputs[0] : n->outputs[0]);

        descs[i] = (tensor_desc){.dtype = info->dtype, .rank = info->shape.rank};
        for (uint32_t k = 0; k < info->shape.rank; k++) descs[i].dims[k] = info->shape.dims[k];
    }
    return row->plan(&plan);
}

/* Every allocation of a plan fails once: the row says no, and closing the region gives all back. */
TEST(plans_survive_without_memory)
{
    const int64_t dims[] = {1, 700, 3, 2};
    const resize_attributes resize = {.kind = RESIZE_LANCZOS3, .height = 9000, .width = 2};
    const pad_attributes pad = {
        .kind = PAD_REFLECT, .before = {0, 600, 0, 0}, .after = {0, 600, 0, 0}};
    const device d = kernel_case_device(ISA_AVX512);
    uint64_t seed = 9;
    const case_tensor x = case_tensor_random(t->home, EBB_F32, 4, dims, &seed);
    const graph *const graphs[] = {kernel_case_graph(t->home, OP_resize, &resize, &x, 1),
                                   kernel_case_graph(t->home, OP_pad, &pad, &x, 1)};

    for (uint32_t i = 0; i < 2; i++) {
        uint32_t count = 0;
        const uint64_t before = region_bytes_live(ledger_root(t->ledger));
        const kernel_def *const *rows = d.def->kernels(&d, graphs[i]->nodes[0].op, &count);
        bool planned = false;

        for (int64_t n = 0; !planned; n++) {
            region *const home = region_open(t->home, "plan", EBB_CLASS_META, 0);

            test_fail_allocation(t, n);
            planned = plan_in(home, graphs[i], rows[count - 1]);
            CHECK_EQ(planned, !test_allocation_failed(t));
            test_fail_allocation(t, -1);
            region_close(home);
            CHECK_EQ(region_bytes_live(ledger_root(t->ledger)), before);
        }
    }
}

/* -- plans made by hand ----------------------------------------------------------------------- */

/* The last row of the node's op, planned and run once; false if it says no. */
static bool run_planned(kernel_plan *plan, const case_tensor *inputs, case_tensor *y)
{
    const device d = kernel_case_device(ISA_PORTABLE);
    tensor_desc descs[OP_INPUTS_MAX] = {{0}};
    void *data[OP_INPUTS_MAX] = {NULL};
    uint32_t count = 0;
    const kernel_def *const *rows = d.def->kernels(&d, plan->node->op, &count);

    for (uint32_t i = 0; i < plan->node->input_count; i++) {
        if (plan->node->inputs[i] == VALUE_NONE) continue;
        descs[i] = inputs[i].desc;
        data[i] = inputs[i].data;
    }
    plan->device = &d;
    plan->inputs = descs;
    plan->outputs = &y->desc;
    plan->threads = 1;
    if (!rows[count - 1]->plan(plan)) return false;
    const kernel_call call = {.state = plan->state,
                              .inputs = data,
                              .outputs = &y->data,
                              .scratch = region_block(plan->home, (size_t)plan->scratch_bytes + 1),
                              .input_descs = descs,
                              .output_descs = &y->desc,
                              .threads = 1};
    CHECK(call.scratch != NULL);
    rows[count - 1]->run(&call);
    return true;
}

TEST(slice_and_pad_follow_dims_of_the_call)
{
    graph *const g = graph_open(t->home);
    const dim n = dim_symbol(g, "n"), two_less = dim_make(g, DIM_SUB, n, 2);
    const shape s = {.rank = 1, .dims = {n}};
    const value x = graph_input(g, EBB_F32, &s);
    const int64_t length = 5, kept = 2, padded = 8;
    int64_t evaluated[DIM_UNKNOWN_MAX];
    const float expected[2][8] = {{3, 4}, {0, 0, 0, 0, 1, 2, 3, 4}};
    case_tensor input = case_tensor_make(t->home, EBB_F32, 1, &length);
    case_tensor y[2] = {case_tensor_make(t->home, EBB_F32, 1, &kept),
                        case_tensor_make(t->home, EBB_F32, 1, &padded)};

    op_slice(g, x, &(slice_attributes){.start = {two_less}, .length = {2}, .step = {1}});
    op_pad(g, x, &(pad_attributes){.kind = PAD_CONSTANT, .before = {two_less}});
    CHECK(graph_ok(g));
    CHECK_OK(dim_evaluate(g, &length, evaluated, &t->error));
    for (int i = 0; i < length; i++) ((float *)input.data)[i] = (float)i;
    for (uint32_t i = 0; i < 2; i++) {
        kernel_plan plan = {.graph = g, .node = &g->nodes[i], .home = t->home};

        CHECK(!run_planned(&plan, &input, &y[i]));
        plan.dim_values = evaluated;
        CHECK(run_planned(&plan, &input, &y[i]));
        CHECK(memcmp(y[i].data, expected[i], (size_t)tensor_desc_bytes(&y[i].desc)) == 0);
    }
}

/* A form of weights that another row could have chosen: the floats in reverse. */
static ebb_status reverse(const weight_form *form, const tensor_desc *plain, const void *source,
                          void *destination)
{
    const uint64_t count = tensor_desc_count(plain);

    (void)form;
    for (uint64_t i = 0; i < count; i++) {
        ((float *)destination)[i] = ((const float *)source)[count - 1 - i];
    }
    return EBB_OK;
}

TEST(portable_rows_cope_with_packed_weights)
{
    const weight_form form = {.name = "reversed", .pack = reverse, .unpack = reverse};
    const int64_t x_dims[] = {3, 4, 5}, w_dims[] = {1, 5, 6}, y_dims[] = {3, 4, 6};
    const matmul_attributes m = {.epilogue = {{.kind = UNARY_IDENTITY}}};
    const conv_attributes c = {.spatial = 1, .strides = {1}, .dilations = {1}, .groups = 1};
    uint64_t seed = 10;
    case_tensor inputs[] = {case_tensor_random(t->home, EBB_F32, 3, x_dims, &seed),
                            case_tensor_random(t->home, EBB_F32, 3, w_dims, &seed)};
    case_tensor y[2] = {case_tensor_make(t->home, EBB_F32, 3, y_dims),
                        case_tensor_make(t->home, EBB_F32, 3, y_dims)};

    for (uint32_t op = 0; op < 2; op++) {
        graph *const g =
            kernel_case_graph(t->home, op == 0 ? OP_matmul : OP_conv,
                              op == 0 ? (const void *)&m : (const void *)&c, inputs, 2);

        for (uint32_t packed = 0; packed < 2; packed++) {
            kernel_plan plan = {.graph = g, .node = &g->nodes[0], .home = t->home};
            case_tensor given[2] = {inputs[0], case_tensor_make(t->home, EBB_F32, 3, w_dims)};

            plan.weights[1].is_weight = plan.weights[1].is_decided = true;
            plan.weights[1].form = packed ? &form : WEIGHT_PLAIN;
            memcpy(given[1].data, inputs[1].data, (size_t)tensor_desc_bytes(&inputs[1].desc));
            if (packed) reverse(&form, &inputs[1].desc, inputs[1].data, given[1].data);
            CHECK(run_planned(&plan, given, &y[packed]));
        }
        CHECK(memcmp(y[0].data, y[1].data, (size_t)tensor_desc_bytes(&y[0].desc)) == 0);
    }
}

/* No items, no steps, no channels: nothing is touched and nothing divides by zero. */
TEST(rows_run_on_nothing)
{
    const int64_t none[] = {0, 5, 4}, w_dims[] = {3, 4, 7}, kernel[] = {4, 6}, square[] = {6, 6};
    const conv_attributes c = {
        .spatial = 1, .strides = {1}, .dilations = {1}, .groups = 1, .same = true};
    const rnn_attributes r = {.kind = RNN_SIMPLE, .units = 6};
    const pool_attributes p = {.kind = POOL_AVERAGE, .spatial = 1, .window = {2}, .strides = {2}};
    const reduce_attributes all = {.kind = REDUCE_SUM};
    const softmax_attributes s = {.axes = 4};
    const unary_attributes u = {.kind = UNARY_TANH};
    const transpose_attributes order = {{2, 0, 1}};
    case_tensor found[OP_OUTPUTS_MAX];
    const case_tensor inputs[] = {case_tensor_make(t->home, EBB_F32, 3, none),
                                  case_tensor_make(t->home, EBB_F32, 3, w_dims)};
    const case_tensor cell[] = {inputs[0], case_tensor_make(t->home, EBB_F32, 2, kernel),
                                case_tensor_make(t->home, EBB_F32, 2, square)};
    const struct {
        op_id op;
        const void *attributes;
        const case_tensor *inputs;
        uint32_t input_count;
    } cases[] = {
        {OP_conv, &c, inputs, 2},         {OP_pool, &p, inputs, 1},    {OP_rnn, &r, cell, 3},
        {OP_reduce, &all, inputs, 1},     {OP_softmax, &s, inputs, 1}, {OP_unary, &u, inputs, 1},
        {OP_transpose, &order, inputs, 1}};

    test_threads_stay(t);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const device d = kernel_case_device(ISA_AVX512);
        uint32_t count = 0;
        const kernel_def *const *rows = d.def->kernels(&d, cases[i].op, &count);
        graph *const g = kernel_case_graph(t->home, cases[i].op, cases[i].attributes,
                                           cases[i].inputs, cases[i].input_count);

        for (uint32_t k = 0; k < count; k++) {
            const bool ran = kernel_case_run(rows[k], g, &g->nodes[0], cases[i].inputs, found, 2);

            CHECK(ran || k + 1 < count);
        }
    }
}

TEST_MAIN(RUN(random_numbers_have_their_distribution), RUN(random_numbers_are_philox),
          RUN(plans_survive_without_memory), RUN(slice_and_pad_follow_dims_of_the_call),
          RUN(portable_rows_cope_with_packed_weights), RUN(rows_run_on_nothing))
