/* gradient_convention_test.c -- gradients where derivatives do not exist, against TensorFlow's
 * (golden/make_gradients.py), and what graph_gradients() emits, passes over and refuses. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/executable.h"
#include "gradient_case.h"
#include "graph/gradient.h"
#include "harness.h"
#include "row_run.h"

#define DIMS(...)                                                                                  \
    (const int64_t[])                                                                              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define NUMBERS_MAX    8
#define TENSORS_MAX    5
#define LINE_BYTES_MAX 16384

typedef struct golden {
    char op[24], kind[24];
    double numbers[NUMBERS_MAX];
    case_tensor tensors[TENSORS_MAX];
    uint32_t tensor_count;
} golden;

/* -- reading ---------------------------------------------------------------------------------- */

static case_tensor read_tensor(region *home, char *words)
{
    int64_t dims[EBB_RANK_MAX];
    const uint32_t rank = (uint32_t)strtoul(strtok(words, " \n"), NULL, 10);

    for (uint32_t i = 0; i < rank; i++) dims[i] = strtoll(strtok(NULL, " \n"), NULL, 10);
    const case_tensor x = case_tensor_make(home, EBB_F32, rank, dims);
    const uint64_t count = tensor_desc_count(&x.desc);
    for (uint64_t i = 0; i < count; i++) {
        const char *word = strtok(NULL, " \n");

        CHECK(word != NULL);
        ((float *)x.data)[i] = strtof(word, NULL);
    }
    return x;
}

static bool read_golden(region *home, FILE *file, golden *g)
{
    static char line[LINE_BYTES_MAX];

    memset(g, 0, sizeof *g);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "end", 3) == 0) return true;
        if (line[0] == 't') {
            CHECK(g->tensor_count < TENSORS_MAX);
            g->tensors[g->tensor_count++] = read_tensor(home, line + 2);
            continue;
        }
        (void)strtok(line, " \n");
        snprintf(g->op, sizeof g->op, "%s", strtok(NULL, " \n"));
        snprintf(g->kind, sizeof g->kind, "%s", strtok(NULL, " \n"));
        const char *word;
        for (uint32_t i = 0; (word = strtok(NULL, " \n")) != NULL; i++) {
            CHECK(i < NUMBERS_MAX);
            g->numbers[i] = strtod(word, NULL);
        }
    }
    return false;
}

static uint32_t kind_of(const golden *g, const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(names[i], g->kind) == 0) return i;
    harness_fail(__FILE__, __LINE__, "golden values name an unknown kind: %s", g->kind);
    return 0;
}

/* -- building --------------------------------------------------------------------------------- */

#define NAME_ENTRY(name) #name,
static const char *const unary_kinds[] = {UNARY_MAP(NAME_ENTRY)};
static const char *const binary_kinds[] = {BINARY_MAP(NAME_ENTRY)};
static const char *const reduce_kinds[] = {"SUM",  "MEAN", "MAX", "MIN",
                                           "PROD", "ANY",  "ALL", "LOG_SUM_EXP"};
static const char *const pool_kinds[] = {"MAX", "AVERAGE"};
static const char *const resize_kinds[] = {"NEAREST", "BILINEAR", "BICUBIC", "LANCZOS3",
                                           "LANCZOS5"};
#define KIND(names) kind_of(g, names, sizeof names / sizeof names[0])

static value build_unary(const golden *g, graph *made, const value *x)
{
    const unary_attributes a = {(unary_kind)KIND(unary_kinds), (float)g->numbers[0],
                                (float)g->numbers[1], (float)g->numbers[2]};

    return op_unary_with(made, a, x[0]);
}

static value build_binary(const golden *g, graph *made, const value *x)
{
    return op_binary(made, (binary_kind)KIND(binary_kinds), x[0], x[1]);
}

static value build_reduce(const golden *g, graph *made, const value *x)
{
    return op_reduce(made, (reduce_kind)KIND(reduce_kinds), x[0], (uint32_t)g->numbers[0],
                     g->numbers[1] != 0);
}

static value build_cumulative(const golden *g, graph *made, const value *x)
{
    const cumulative_attributes a = {.is_product = g->numbers[0] != 0,
                                     .axis = (uint32_t)g->numbers[1],
                                     .reverse = g->numbers[2] != 0,
                                     .exclusive = g->numbers[3] != 0};

    return op_cumulative(made, x[0], &a);
}

static value build_pool(const golden *g, graph *made, const value *x)
{
    pool_attributes a = {.kind = (pool_kind)KIND(pool_kinds),
                         .spatial = (uint32_t)g->numbers[0],
                         .same = g->numbers[7] != 0};

    for (uint32_t i = 0; i < a.spatial; i++) {
        a.window[i] = (int64_t)g->numbers[1 + i];
        a.strides[i] = (int64_t)g->numbers[4 + i];
    }
    return op_pool(made, x[0], &a);
}

static value build_resize(const golden *g, graph *made, const value *x)
{
    const resize_attributes a = {.kind = (resize_kind)KIND(resize_kinds),
                                 .antialias = g->numbers[0] != 0,
                                 .height = (dim)g->numbers[1],
                                 .width = (dim)g->numbers[2]};

    return op_resize(made, x[0], &a);
}

static const struct {
    const char *op;
    value (*build)(const golden *g, graph *made, const value *x);
} families[] = {{"unary", build_unary},   {"binary", build_binary},
                {"reduce", build_reduce}, {"cumulative", build_cumulative},
                {"pool", build_pool},     {"resize", build_resize}};
#define FAMILIES (sizeof families / sizeof families[0])

/* Tensors: inputs, gradient of the output, gradients of the inputs. */
static void check_golden(region *home, const golden *g, uint32_t family)
{
    uint64_t seed = 1;
    const uint32_t inputs = (g->tensor_count - 1) / 2;
    gradient_case c = gradient_case_open(home, &seed);
    value x[TENSORS_MAX], gradients[GRADIENT_INPUTS_MAX];

    for (uint32_t i = 0; i < inputs; i++) x[i] = gradient_case_given(&c, &g->tensors[i]);
    gradient_case_output(&c, families[family].build(g, c.g, x));
    (void)gradient_case_gradients(&c, &g->tensors[inputs], gradients);
    for (uint32_t i = 0; i < inputs; i++) {
        char name[96];

        snprintf(name, sizeof name, "%s %s, gradient of input %u", g->op, g->kind, i);
        if (gradients[i] == VALUE_NONE) harness_fail(__FILE__, __LINE__, "%s: none", name);
        const case_tensor found = gradient_case_value(&c, gradients[i]);
        case_tensor_check(name, &found, &g->tensors[inputs + 1 + i], 2e-5, 2e-6);
    }
}

TEST(kinks_and_ties_are_those_of_tensorflow)
{
    FILE *const file = fopen(EBB_GOLDEN "/gradients/gradients.txt", "r");
    uint32_t found[FAMILIES] = {0};
    golden g;

    CHECK(file != NULL);
    for (;;) {
        region *const home = test_round_home(t);
        uint32_t family = 0;

        if (!read_golden(home, file, &g)) break;
        while (family < FAMILIES && strcmp(families[family].op, g.op) != 0) family++;
        CHECK(family < FAMILIES);
        check_golden(home, &g, family);
        found[family]++;
        region_close(home);
    }
    fclose(file);
    for (uint32_t i = 0; i < FAMILIES; i++) CHECK(found[i] > 0);
}

/* -- what is emitted -------------------------------------------------------------------------- */

static uint32_t count_ops(const graph *g, uint32_t first, op_id op)
{
    uint32_t count = 0;

    for (uint32_t i = first; i < g->node_count; i++) count += g->nodes[i].op == op;
    return count;
}

TEST(only_what_is_needed_is_emitted)
{
    graph *const g = graph_open(t->home);
    const shape square = {.rank = 2, .dims = {3, 3}};
    const value x = graph_input(g, EBB_F32, &square), w = graph_weight(g, EBB_F32, &square, 0);
    const value frozen = graph_weight(g, EBB_F32, &square, 1);
    const value before = op_matmul(g, x, frozen, false, false);
    const value y = op_unary(g, UNARY_TANH, op_matmul(g, before, w, false, false));
    const value aside = op_unary(g, UNARY_EXP, op_matmul(g, y, frozen, false, false));
    const uint32_t forward = g->node_count;
    value gradient;

    CHECK(graph_gradients(g, &y, NULL, 1, &w, &gradient, 1));
    CHECK(gradient != VALUE_NONE && aside != VALUE_NONE);
    CHECK_EQ(count_ops(g, forward, OP_matmul), 1); /* by w; none by x, none for what lies behind */
    CHECK_EQ(count_ops(g, forward, OP_unary_gradient), 1);
    CHECK_EQ(g->node_count - forward, 3); /* and the ones that it begins with */
    CHECK_OK(graph_verify(g, &t->error));
}

TEST(nothing_reaches_what_does_not_count)
{
    graph *const g = graph_open(t->home);
    const shape line = {.rank = 1, .dims = {3}};
    const value x = graph_input(g, EBB_F32, &line), other = graph_input(g, EBB_F32, &line);
    const value number = graph_input(g, EBB_I32, &line), stopped = graph_input(g, EBB_F32, &line);
    const value rounded = graph_input(g, EBB_F32, &line);
    const value wrt[] = {x, other, number, stopped, rounded};
    value gradients[5];
    value y = op_add(g, op_unary(g, UNARY_EXP, x), op_cast(g, number, EBB_F32));

    y = op_mul(g, y, op_stop(g, op_unary(g, UNARY_TANH, stopped)));
    y = op_add(g, y, op_unary(g, UNARY_FLOOR, rounded));
    y = op_add(g, y, op_cast(g, op_cast(g, other, EBB_I32), EBB_F32));
    CHECK(graph_gradients(g, &y, NULL, 1, wrt, gradients, 5));
    CHECK(gradients[0] != VALUE_NONE);
    for (uint32_t i = 1; i < 5; i++) CHECK_EQ(gradients[i], VALUE_NONE);
}

TEST(casts_pass_gradients_on)
{
    uint64_t seed = 4;
    gradient_case c = gradient_case_open(t->home, &seed);
    const value x = gradient_case_input(&c, 1, DIMS(4), -1, 1);
    const case_tensor dy = case_tensor_random(t->home, EBB_F32, 1, DIMS(4), &seed);
    value gradient[GRADIENT_INPUTS_MAX];

    gradient_case_output(&c, op_cast(c.g, op_cast(c.g, x, EBB_F16), EBB_F32));
    (void)gradient_case_gradients(&c, &dy, gradient);
    const case_tensor found = gradient_case_value(&c, gradient[0]);
    case_tensor_check("cast", &found, &dy, 0, 0);
}

/* An output that is asked for itself, and twice. */
TEST(outputs_may_be_wanted)
{
    uint64_t seed = 4;
    gradient_case c = gradient_case_open(t->home, &seed);
    const value x = gradient_case_input(&c, 1, DIMS(4), -1, 1);
    const value outputs[] = {x, x};
    value gradient;

    CHECK(graph_gradients(c.g, outputs, NULL, 2, &x, &gradient, 1));
    const case_tensor found = gradient_case_value(&c, gradient);
    for (uint32_t i = 0; i < 4; i++) CHECK_NEAR((double)((float *)found.data)[i], 2.0, 0);
}

TEST(fused_nodes_and_strangers_are_refused)
{
    const shape square = {.rank = 2, .dims = {3, 3}};
    const binary_attributes fused = {.activation = {.kind = UNARY_TANH}};
    const matmul_attributes product = {.epilogue.activation = {.kind = UNARY_TANH}};

    for (uint32_t i = 0; i < 4; i++) {
        graph *const g = graph_open(t->home);
        const value x = graph_input(g, EBB_F32, &square), wrong = 1000;
        value gradient, y = x;

        if (i == 0) y = graph_node(g, OP_binary, (const value[]){x, x}, 2, &fused);
        if (i == 1) y = graph_node(g, OP_matmul, (const value[]){x, x}, 2, &product);
        CHECK(graph_ok(g));
        CHECK(
            !graph_gradients(g, i == 2 ? &wrong : &y, NULL, 1, i == 3 ? &wrong : &x, &gradient, 1));
        CHECK_STATUS(g->error.status, i < 2 ? EBB_E_UNSUPPORTED : EBB_E_ARGUMENT);
        CHECK_EQ(gradient, VALUE_NONE);
    }
}

/* -- unknown lengths -------------------------------------------------------------------------- */

/* mean(tanh(x . w) ^ 2) over an unknown batch, run with `rows`. */
static void run_batch(test *t, const graph *g, int64_t rows, const float *x, const float *w,
                      float *dw)
{
    region *const home = test_round_home(t);
    const device d = kernel_case_device(ISA_PORTABLE);
    const ebb_view inputs[] = {
        {.dtype = EBB_F32, .rank = 2, .dims = {rows, 2}, .data = (void *)(uintptr_t)x},
        {.dtype = EBB_F32, .rank = 2, .dims = {2, 3}, .data = (void *)(uintptr_t)w}};
    const ebb_view output = {.dtype = EBB_F32, .rank = 2, .dims = {2, 3}, .data = dw};
    weights *stored;
    executable *e = NULL;

    CHECK_OK(weights_open(home, &d, g, true, &stored, &t->error));
    const executable_options options = {.home = home,
                                        .device = &d,
                                        .graph = g,
                                        .weights = stored,
                                        .symbols = &rows,
                                        .threads = 1,
                                        .lanes = 1};
    const weight_reader reader = {NULL, NULL};
    CHECK_OK(executable_make(&options, &e, &t->error));
    CHECK_OK(weights_layout(stored, &t->error));
    CHECK_OK(weights_fill(stored, home, home, &reader, &t->error));
    CHECK_OK(executable_open(e, &t->error));
    CHECK_OK(executable_bind(e, 0, region_block(home, (size_t)e->arena_bytes + 1), &t->error));
    executable_run(e, 0, inputs, &output);
    executable_close(e);
    region_close(home);
}

static double mean_loss(int64_t rows, const float *x, const float *w)
{
    double sum = 0;

    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < 3; j++) {
            const double z =
                (double)x[2 * i] * (double)w[j] + (double)x[2 * i + 1] * (double)w[3 + j];
            sum += tanh(z) * tanh(z);
        }
    }
    return sum / (double)(3 * rows);
}

TEST(batches_may_be_unknown)
{
    graph *const g = graph_open(t->home);
    const value x = graph_input(g, EBB_F32, &(shape){2, {dim_symbol(g, "batch"), 2}});
    const value w = graph_input(g, EBB_F32, &(shape){.rank = 2, .dims = {2, 3}});
    const value y = op_unary(g, UNARY_TANH, op_matmul(g, x, w, false, false));
    const value loss = op_reduce(g, REDUCE_MEAN, op_mul(g, y, y), 0, false);
    float numbers[10], weights[6], found[6];
    value gradient;

    test_threads_stay(t);
    CHECK(graph_gradients(g, &loss, NULL, 1, &w, &gradient, 1));
    graph_output(g, gradient);
    CHECK_OK(graph_verify(g, &t->error));
    for (int i = 0; i < 10; i++) numbers[i] = (float)((i * 7 % 10) - 5) * 0.2f;
    for (int i = 0; i < 6; i++) weights[i] = (float)(i - 2) * 0.3f;
    for (int64_t rows = 1; rows <= 5; rows += 2) {
        run_batch(t, g, rows, numbers, weights, found);
        for (int i = 0; i < 6; i++) {
            float high[6], low[6];

            memcpy(high, weights, sizeof high);
            memcpy(low, weights, sizeof low);
            high[i] += 1e-3f;
            low[i] -= 1e-3f;
            const double expected =
                (mean_loss(rows, numbers, high) - mean_loss(rows, numbers, low)) / 2e-3;
            CHECK_NEAR((double)found[i], expected, 1e-4);
        }
    }
}

/* -- threads ---------------------------------------------------------------------------------- */

static const rnn_attributes any_rnn = {.kind = RNN_LSTM,
                                       .units = 5,
                                       .activation = {.kind = UNARY_TANH},
                                       .recurrent_activation = {.kind = UNARY_SIGMOID}};
static const conv_lstm_attributes any_conv_lstm = {.spatial = 1,
                                                   .activation = {.kind = UNARY_TANH},
                                                   .recurrent_activation = {.kind = UNARY_SIGMOID},
                                                   .return_sequences = true};
static const unary_attributes any_unary = {.kind = UNARY_GELU};
static const normalize_attributes any_normalize = {.axis_count = 1, .epsilon = 1e-3f};
static const conv_gradient_attributes by_input = {
    .conv = {.spatial = 2, .strides = {2, 1}, .dilations = {1, 1}, .same = true, .groups = 2},
    .to = {4, {3, 19, 20, 6}}};
static const conv_gradient_attributes by_input_whole = {
    .conv = {.spatial = 2, .strides = {2, 3}, .dilations = {1, 1}, .same = true, .groups = 1},
    .to = {4, {3, 19, 20, 6}}};
static const conv_gradient_attributes by_input_line = {
    .conv = {.spatial = 1, .strides = {2}, .dilations = {2}, .pad_before = {1}, .groups = 1},
    .to = {3, {3, 20, 6}}};
static const conv_gradient_attributes by_kernel = {
    .conv = {.spatial = 2, .strides = {2, 1}, .dilations = {1, 1}, .same = true, .groups = 2},
    .to = {4, {3, 2, 3, 70}}};
static const pool_gradient_attributes of_pool = {
    .pool = {.kind = POOL_MAX, .spatial = 2, .window = {3, 3}, .strides = {2, 1}, .same = true},
    .to = {4, {3, 19, 20, 40}}};
static const resize_gradient_attributes of_resize = {
    .resize = {.kind = RESIZE_BICUBIC, .height = 9, .width = 31}, .to = {4, {3, 19, 20, 6}}};
static const scatter_add_attributes of_gather = {.gather = {.axis = 0}, .to = {2, {7, 100}}};
static const scatter_add_attributes of_take = {.gather = {.axis = 1, .batch_dims = 1},
                                               .to = {2, {30, 9}}};
static const slice_gradient_attributes of_slice = {
    .slice = {.start = {1, 98}, .length = {30, 33}, .step = {1, -3}}, .to = {2, {40, 100}}};

static const struct {
    op_id op;
    const void *attributes;
    uint32_t input_count;
    tensor_desc inputs[10];
} threaded[] = {
    {OP_stop, NULL, 1, {{EBB_F32, 2, {300, 100}}}},
    {OP_unary_gradient, &any_unary, 2, {{EBB_F32, 2, {300, 100}}, {EBB_F32, 2, {300, 100}}}},
    {OP_conv_gradient_input,
     &by_input,
     2,
     {{EBB_F32, 4, {3, 10, 20, 70}}, {EBB_F32, 4, {3, 2, 3, 70}}}},
    {OP_conv_gradient_input,
     &by_input_whole,
     2,
     {{EBB_F32, 4, {3, 10, 7, 70}}, {EBB_F32, 4, {3, 2, 6, 70}}}},
    {OP_conv_gradient_input,
     &by_input_line,
     2,
     {{EBB_F32, 3, {3, 9, 20}}, {EBB_F32, 3, {3, 6, 20}}}},
    {OP_conv_gradient_kernel,
     &by_kernel,
     2,
     {{EBB_F32, 4, {3, 19, 20, 6}}, {EBB_F32, 4, {3, 10, 20, 70}}}},
    {OP_pool_gradient, &of_pool, 2, {{EBB_F32, 4, {3, 10, 20, 40}}, {EBB_F32, 4, {3, 19, 20, 40}}}},
    {OP_normalize_gradient,
     &any_normalize,
     3,
     {{EBB_F32, 2, {301, 100}}, {EBB_F32, 2, {301, 100}}, {EBB_F32, 1, {100}}}},
    {OP_resize_gradient, &of_resize, 1, {{EBB_F32, 4, {3, 9, 31, 6}}}},
    {OP_scatter_add, &of_gather, 2, {{EBB_F32, 2, {50, 100}}, {EBB_I32, 1, {50}}}},
    {OP_scatter_add, &of_take, 2, {{EBB_F32, 2, {30, 4}}, {EBB_I32, 2, {30, 4}}}},
    {OP_slice_gradient, &of_slice, 1, {{EBB_F32, 2, {30, 33}}}},
    {OP_rnn_gradient,
     &any_rnn,
     9,
     {{EBB_F32, 3, {5, 7, 3}},
      {EBB_F32, 2, {3, 20}},
      {EBB_F32, 2, {5, 20}},
      {EBB_F32, 1, {20}},
      {EBB_BOOL, 2, {5, 7}},
      {0},
      {0},
      {EBB_F32, 2, {5, 20}},
      {EBB_F32, 2, {5, 5}}}},
    {OP_conv_lstm_gradient,
     &any_conv_lstm,
     6,
     {{EBB_F32, 4, {5, 4, 9, 8}},
      {EBB_F32, 3, {3, 2, 8}},
      {EBB_BOOL, 2, {5, 4}},
      {0},
      {0},
      {EBB_F32, 4, {5, 4, 9, 2}}}}};

/* Every row of the ops that gradients are made of, on one thread and on several; rows that may
 * work in place do so as well (tests/kernel_case.h). */
TEST(threads_change_nothing)
{
    const device d = kernel_case_device(ISA_AVX512);
    uint64_t seed = 21;

    test_threads_stay(t);
    for (size_t i = 0; i < sizeof threaded / sizeof threaded[0]; i++) {
        region *const home = test_round_home(t);
        case_tensor inputs[10] = {{{0}, NULL}}, expected[OP_OUTPUTS_MAX], found[OP_OUTPUTS_MAX];
        uint32_t rows = 0;

        for (uint32_t k = 0; k < threaded[i].input_count; k++) {
            const tensor_desc *const s = &threaded[i].inputs[k];
            if (s->dtype != EBB_DTYPE_NONE)
                inputs[k] = case_tensor_random(home, s->dtype, s->rank, s->dims, &seed);
        }
        graph *const g = kernel_case_graph(home, threaded[i].op, threaded[i].attributes, inputs,
                                           threaded[i].input_count);
        const kernel_def *const *const all = d.def->kernels(&d, threaded[i].op, &rows);
        CHECK(kernel_case_run(all[rows - 1], g, &g->nodes[0], inputs, expected, 1));
        for (uint32_t row = 0; row < rows; row++) {
            for (uint32_t threads = 1; threads <= 3; threads++) {
                if (!kernel_case_run(all[row], g, &g->nodes[0], inputs, found, threads)) continue;
                for (uint32_t k = 0; k < g->nodes[0].output_count; k++)
                    case_tensor_check(all[row]->name, &found[k], &expected[k], 1e-4, 1e-4);
            }
        }
        region_close(home);
    }
}

/* -- memory ----------------------------------------------------------------------------------- */

/* A graph with a bit of everything; its gradients by x and kernel. */
static graph *build_everything(region *home, bool *done)
{
    graph *const g = graph_open(home);
    const conv_attributes conv = {
        .spatial = 2, .strides = {1, 1}, .dilations = {1, 1}, .same = true, .groups = 1};
    const pool_attributes pool = {.spatial = 2, .window = {2, 2}, .strides = {2, 2}};
    const rnn_attributes rnn = {.kind = RNN_GRU, .units = 2, .activation = {.kind = UNARY_TANH}};
    value wrt[2], gradients[2];

    *done = false;
    if (g == NULL) return NULL;
    wrt[0] = graph_input(g, EBB_F32, &(shape){.rank = 4, .dims = {2, 4, 4, 3}});
    wrt[1] = graph_input(g, EBB_F32, &(shape){.rank = 4, .dims = {3, 3, 3, 4}});
    value y = op_pool(g, op_conv(g, wrt[0], wrt[1], &conv), &pool);
    y = op_softmax(g, op_reshape(g, y, &(shape){.rank = 3, .dims = {2, 4, 4}}), 4, false);
    const rnn_operands operands = {
        .x = y,
        .kernel = graph_weight(g, EBB_F32, &(shape){.rank = 2, .dims = {4, 6}}, 0),
        .recurrent = graph_weight(g, EBB_F32, &(shape){.rank = 2, .dims = {2, 6}}, 1)};
    y = op_reduce(g, REDUCE_PROD, op_rnn(g, &operands, &rnn), 0, false);
    *done = graph_ok(g) && graph_gradients(g, &y, NULL, 1, wrt, gradients, 2);
    return g;
}

TEST(every_allocation_may_fail)
{
    const uint64_t live = region_bytes_live(ledger_root(t->ledger));

    for (int64_t n = 0;; n++) {
        region *home = region_open(t->home, "model", EBB_CLASS_META, 0);
        bool done;

        CHECK(home != NULL);
        test_fail_allocation(t, n);
        graph *g = build_everything(home, &done);
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        if (g != NULL) CHECK_STATUS(g->error.status, has_failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(done, !has_failed);
        region_close(home);
        CHECK_EQ(region_bytes_live(ledger_root(t->ledger)), live);
        if (!has_failed) break;
        CHECK(n < 1000);
    }
}

TEST_MAIN(RUN(kinks_and_ties_are_those_of_tensorflow), RUN(only_what_is_needed_is_emitted),
          RUN(nothing_reaches_what_does_not_count), RUN(casts_pass_gradients_on),
          RUN(outputs_may_be_wanted), RUN(fused_nodes_and_strangers_are_refused),
          RUN(batches_may_be_unknown), RUN(threads_change_nothing), RUN(every_allocation_may_fail))
