/* training_graph.c -- see training_graph.h. */
#include "training_graph.h"

#include <string.h>

#include "graph/builder.h"
#include "graph/gradient.h"
#include "graph/pass.h"
#include "kernel_case.h"
#include "row_run.h"
#include "train/optimizer/optimizer.h"

#define VARIABLES_MAX 128
#define POOL_MAX      64
#define STEPS         3

typedef struct maker {
    graph *g;
    const training_options *o;
    uint64_t seed;
    int64_t rows, width;
    uint32_t layers;
    optimizer_variable variables[VARIABLES_MAX];
    value wrt[VARIABLES_MAX], gradients[VARIABLES_MAX];
    uint32_t variable_count, weight_count;
    value moving[VARIABLES_MAX], next[VARIABLES_MAX]; /* updates besides the optimizer's */
    uint32_t moving_count;
} maker;

static value shaped_variable(maker *m, uint32_t rank, const int64_t *dims)
{
    shape s = {.rank = rank};

    for (uint32_t i = 0; i < rank; i++) s.dims[i] = dims[i];
    return graph_variable(m->g, EBB_F32, &s, m->weight_count++);
}

static value trained(maker *m, uint32_t rank, const int64_t *dims)
{
    const value v = shaped_variable(m, rank, dims);

    CHECK(m->variable_count < VARIABLES_MAX);
    m->wrt[m->variable_count] = v;
    m->variables[m->variable_count++] = (optimizer_variable){.path = "layer/kernel", .v = v};
    return v;
}

static value input(maker *m, uint32_t rank, const int64_t *dims)
{
    shape s = {.rank = rank};

    for (uint32_t i = 0; i < rank; i++) s.dims[i] = dims[i];
    return graph_input(m->g, EBB_F32, &s);
}

static void updates_to(maker *m, value variable, value next)
{
    m->moving[m->moving_count] = variable;
    m->next[m->moving_count++] = next;
}

static value dense(maker *m, value x, int64_t units, bool has_relu)
{
    const int64_t dims[] = {graph_dim(m->g, x, -1), units};
    const value y =
        op_add(m->g, op_matmul(m->g, x, trained(m, 2, dims), false, false), trained(m, 1, &units));

    return has_relu
               ? op_unary_with(m->g,
                               (unary_attributes){.kind = UNARY_RELU, .gamma = __builtin_inff()}, y)
               : y;
}

/* -- models ----------------------------------------------------------------------------------- */

static value make_mlp(maker *m)
{
    value x = input(m, 2, (int64_t[]){m->rows, m->width});

    for (uint32_t i = 0; i < m->layers; i++) x = dense(m, x, m->width, true);
    return dense(m, x, 4, false);
}

/* Statistics of the batch, which move an average of those before. */
static value normalized(maker *m, value x)
{
    graph *const g = m->g;
    const int64_t channels = graph_dim(g, x, -1);
    const value mean = op_reduce(g, REDUCE_MEAN, x, 0x7, false);
    const value apart = op_sub(g, x, mean);
    const value variance = op_reduce(g, REDUCE_MEAN, op_unary(g, UNARY_SQUARE, apart), 0x7, false);
    const value scale = op_unary(g, UNARY_RSQRT, op_add(g, variance, graph_scalar(g, 1e-3f)));
    const value moving = shaped_variable(m, 1, &channels);

    updates_to(m, moving,
               op_add(g, op_mul(g, moving, graph_scalar(g, 0.9f)),
                      op_mul(g, mean, graph_scalar(g, 0.1f))));
    return op_add(g, op_mul(g, op_mul(g, apart, scale), trained(m, 1, &channels)),
                  trained(m, 1, &channels));
}

static value make_cnn(maker *m)
{
    graph *const g = m->g;
    const conv_attributes conv = {
        .spatial = 2, .strides = {1, 1}, .dilations = {1, 1}, .same = true, .groups = 1};
    const pool_attributes pool = {
        .kind = POOL_MAX, .spatial = 2, .window = {2, 2}, .strides = {2, 2}};
    value x = input(m, 4, (int64_t[]){m->rows, 8, 8, 3});

    for (uint32_t i = 0; i < m->layers; i++) {
        const int64_t kernel[] = {3, 3, graph_dim(g, x, -1), 6};

        x = op_conv(g, x, trained(m, 4, kernel), &conv);
        x = op_unary_with(g, (unary_attributes){.kind = UNARY_RELU, .gamma = __builtin_inff()},
                          normalized(m, x));
        if (i == 1) x = op_pool(g, x, &pool);
    }
    return dense(m, op_reduce(g, REDUCE_MEAN, x, 0x6, false), 4, false);
}

static value make_lstm(maker *m)
{
    const rnn_attributes rnn = {.kind = RNN_LSTM,
                                .units = m->width,
                                .activation = {.kind = UNARY_TANH},
                                .recurrent_activation = {.kind = UNARY_SIGMOID},
                                .return_sequences = true};
    value x = input(m, 3, (int64_t[]){m->rows, 5, m->width});

    for (uint32_t i = 0; i < m->layers; i++) {
        const int64_t dims[] = {m->width, 4 * m->width};
        const rnn_operands operands = {.x = x,
                                       .kernel = trained(m, 2, dims),
                                       .recurrent = trained(m, 2, dims),
                                       .bias = trained(m, 1, &dims[1])};
        x = op_rnn(m->g, &operands, &rnn);
    }
    return dense(m, op_reduce(m->g, REDUCE_MEAN, x, 0x2, false), 4, false);
}

static value dropped(maker *m, value x, value stream, uint64_t seed)
{
    graph *const g = m->g;
    const random_attributes random = {
        .kind = RANDOM_UNIFORM, .high = 1, .to = *graph_shape(g, x), .seed = seed};
    const value is_kept = op_compare(g, COMPARE_GREATER, op_random_stream(g, &random, stream),
                                     graph_scalar(g, 0.25f));

    return op_mul(g, x, op_cast(g, is_kept, EBB_F32));
}

static value make_attention(maker *m)
{
    graph *const g = m->g;
    const normalize_attributes norm = {.axis_count = 1, .epsilon = 1e-3f};
    value x = input(m, 3, (int64_t[]){m->rows, 6, m->width});
    const value stream = graph_variable(g, EBB_I32, &(shape){.rank = 0}, m->weight_count++);

    updates_to(m, stream, op_add(g, stream, graph_scalar_i32(g, 1)));
    for (uint32_t i = 0; i < m->layers; i++) {
        const value n =
            op_normalize(g, x, trained(m, 1, &m->width), trained(m, 1, &m->width), &norm);
        const value scores =
            op_matmul(g, dense(m, n, m->width, false), dense(m, n, m->width, false), false, true);
        const value mixed = op_matmul(g, op_softmax(g, scores, 0x4, false),
                                      dense(m, n, m->width, false), false, false);
        x = op_add(g, x, dropped(m, mixed, stream, i));
        x = op_add(g, x, dense(m, dense(m, x, 2 * m->width, true), m->width, false));
    }
    return dense(m, op_reduce(g, REDUCE_MEAN, x, 0x2, false), 4, false);
}

/* Values of one shape, each made from any before it. */
static value make_random(maker *m)
{
    graph *const g = m->g;
    const int64_t square[] = {m->width, m->width};
    value pool[POOL_MAX] = {input(m, 2, (int64_t[]){m->rows, m->width})};
    uint32_t count = 1;

    while (count < POOL_MAX / 2 && count < 6 * m->layers) {
        const value a = pool[test_between(&m->seed, 0, count - 1)];
        const value b = pool[test_between(&m->seed, 0, count - 1)];

        switch (test_between(&m->seed, 0, 6)) {
        case 0: pool[count++] = op_matmul(g, a, trained(m, 2, square), false, false); break;
        case 1: pool[count++] = op_unary(g, UNARY_TANH, a); break;
        case 2: pool[count++] = op_add(g, a, b); break;
        case 3: pool[count++] = op_mul(g, a, op_unary(g, UNARY_SIGMOID, b)); break;
        case 4: pool[count++] = op_sub(g, a, op_reduce(g, REDUCE_MEAN, b, 0x2, true)); break;
        case 5: pool[count++] = op_softmax(g, a, 0x2, false); break;
        default:
            pool[count++] = op_reverse(g, op_concat(g, (value[]){a, b}, 2, 1), 1);
            pool[count - 1] = op_slice_axis(g, pool[count - 1], 1, 1, m->width, 1);
        }
    }
    value y = pool[count - 1];
    for (uint32_t i = 1; i < count; i++) /* what nobody reads counts as well */
        if (graph_uses(g, pool[i]) == 0) y = op_add(g, y, pool[i]);
    return dense(m, y, 4, false);
}

static value (*const makers[TRAINING_KINDS])(maker *) = {make_mlp, make_cnn, make_lstm,
                                                         make_attention, make_random};

graph *training_graph_make(test *t, region *home, const training_options *options)
{
    maker *const m = region_new(home, maker, 1);
    optimizer *const o = region_new(home, optimizer, 1);

    CHECK(m != NULL && o != NULL);
    *m = (maker){.g = graph_open(home), .o = options, .seed = options->seed};
    m->rows = options->rows != 0 ? options->rows : 8;
    m->width = options->width != 0 ? options->width : 16;
    m->layers = options->layers != 0 ? options->layers : 4;
    CHECK(m->g != NULL);
    graph *const g = m->g;
    const value y = makers[options->kind](m);
    const value apart = op_sub(g, y, input(m, 2, (int64_t[]){m->rows, 4}));
    const value loss = op_reduce(g, REDUCE_MEAN, op_unary(g, UNARY_SQUARE, apart), 0, false);
    graph_gradients(g, &loss, NULL, 1, m->wrt, m->gradients, m->variable_count);
    graph_output(g, loss);
    for (uint32_t i = 0; i < m->moving_count; i++) graph_update(g, m->moving[i], m->next[i]);
    train_emit emit = {.graph = g, .home = home, .weight_first = m->weight_count};
    const char *const name = options->optimizer != NULL ? options->optimizer : "adam";
    CHECK_OK(optimizer_named(home, name, "compile", o, &t->error));
    optimizer_state *const s = optimizer_open(o, &emit, m->variables, m->variable_count);
    if (s != NULL) optimizer_apply(s, m->gradients);
    if (!graph_ok(g)) harness_fail(__FILE__, __LINE__, "%s: %s", g->error.where, g->error.text);
    if (options->has_passes) CHECK_OK(passes_run(g, false, &t->error));
    CHECK_OK(graph_verify(g, &t->error));
    return g;
}

/* -- comparison ------------------------------------------------------------------------------- */

static uint64_t bytes_of(const graph *g, value v)
{
    return shape_count_at(graph_shape(g, v), NULL) * ebb_dtype_bytes(graph_value(g, v)->dtype);
}

/* Small positive numbers for floats, ones for integers: a function of the value's number. */
static const void *numbers_for(region *home, const graph *g, value v)
{
    const uint64_t count = shape_count_at(graph_shape(g, v), NULL);
    uint64_t seed = 77 + v;
    int32_t *const memory = region_new(home, int32_t, (size_t)count + 1);

    CHECK(memory != NULL);
    for (uint64_t i = 0; i < count; i++) {
        const float number = 0.01f + 0.3f * (float)(case_random(&seed) % 1000) / 1000.0f;

        if (graph_value(g, v)->dtype == EBB_F32)
            memcpy(&memory[i], &number, sizeof number);
        else
            memory[i] = 1;
    }
    return memory;
}

static graph_run *start(test *t, graph *g)
{
    graph_run *const r = graph_run_open(t, g);

    for (value v = 1; v < g->value_count; v++)
        if (graph_value(g, v)->kind == VALUE_WEIGHT)
            graph_run_variable(r, v, numbers_for(t->home, g, v));
    for (uint32_t i = 0; i < g->input_count; i++)
        graph_run_input(r, i, numbers_for(t->home, g, g->inputs[i]));
    return r;
}

void training_graph_compare(test *t, graph *a, graph *b)
{
    graph_run *const one = start(t, a), *const other = start(t, b);
    const uint32_t results = a->output_count - a->update_count;

    CHECK_EQ(a->output_count, b->output_count);
    CHECK_EQ(a->update_count, b->update_count);
    for (uint32_t step = 0; step < STEPS; step++) {
        graph_run_step(one);
        graph_run_step(other);
        for (uint32_t i = 0; i < results; i++)
            CHECK(memcmp(graph_run_value(one, a->outputs[i]), graph_run_value(other, b->outputs[i]),
                         bytes_of(a, a->outputs[i])) == 0);
        for (uint32_t i = 0; i < a->update_count; i++) {
            CHECK_EQ(a->updated[i], b->updated[i]);
            CHECK(memcmp(graph_run_value(one, a->updated[i]), graph_run_value(other, b->updated[i]),
                         bytes_of(a, a->updated[i])) == 0);
        }
    }
}
