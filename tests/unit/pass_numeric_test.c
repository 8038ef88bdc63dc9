/* pass_numeric_test.c -- passes keep the numbers: random graphs are computed with the portable
 * kernels before and after all passes ran, for inference and for training.
 *
 * The graphs are made of what layers emit: convolutions and matmuls with batch norm, activations,
 * residuals, constants per channel, and transposes, pads, slices, joins and reductions in any
 * place. */
#include "harness.h"

#include <math.h>
#include <string.h>

#include "exec/fold.h"
#include "graph/pass.h"

#define POOL_MAX_VALUES 24
#define ELEMENTS_MAX    4096

typedef struct maker {
    graph *g;
    uint64_t state;
    uint32_t weights;
    value pool[POOL_MAX_VALUES];
    uint32_t count;
} maker;

static uint32_t pick(maker *m, uint32_t below)
{
    m->state ^= m->state << 13;
    m->state ^= m->state >> 7;
    m->state ^= m->state << 17;
    return (uint32_t)(m->state >> 20) % below;
}

static value weight(maker *m, const shape *s)
{
    return graph_weight(m->g, EBB_F32, s, m->weights++);
}

static value vector(maker *m, dim length)
{
    return weight(m, &(shape){.rank = 1, .dims = {length}});
}

/* -- pieces ----------------------------------------------------------------------------------- */

static value make_unary(maker *m, value x)
{
    static const unary_kind kinds[] = {UNARY_NEG,  UNARY_RELU,     UNARY_TANH,        UNARY_SIGMOID,
                                       UNARY_SILU, UNARY_IDENTITY, UNARY_HARD_SIGMOID};
    const uint32_t number = pick(m, 10);

    if (number < 7) return op_unary(m->g, kinds[number], x);
    return op_unary_with(m->g,
                         (unary_attributes){.kind = UNARY_AFFINE,
                                            .alpha = (float)pick(m, 5) * 0.5f - 1.0f,
                                            .beta = (float)pick(m, 3) - 1.0f},
                         x);
}

/* The scale and shift of a trained batch norm on any axis. */
static value make_batch_norm(maker *m, value x)
{
    graph *g = m->g;
    const uint32_t axis = pick(m, graph_rank(g, x));
    const dim channels = graph_shape(g, x)->dims[axis];
    shape to = {.rank = graph_rank(g, x)};
    const value variance = op_unary(g, UNARY_ABS, vector(m, channels)), gamma = vector(m, channels);
    value scale = op_unary(g, UNARY_RSQRT, op_add(g, variance, graph_scalar(g, 0.5f)));
    value shift;

    scale = op_mul(g, gamma, scale);
    shift = op_sub(g, vector(m, channels), op_mul(g, vector(m, channels), scale));
    for (uint32_t i = 0; i < to.rank; i++) to.dims[i] = i == axis ? channels : 1;
    if (axis + 1 < to.rank) {
        scale = op_reshape(g, scale, &to);
        shift = op_reshape(g, shift, &to);
    }
    return op_add(g, op_mul(g, x, scale), shift);
}

static value make_conv(maker *m, value x)
{
    const dim channels = graph_dim(m->g, x, -1), size = 1 + pick(m, 3);
    const bool is_depthwise = pick(m, 3) == 0;
    conv_attributes a = {.spatial = 2,
                         .strides = {1 + pick(m, 2), 1},
                         .dilations = {1, 1},
                         .same = pick(m, 2) == 0,
                         .groups = is_depthwise ? channels : 1};
    const shape kernel = {.rank = 4, .dims = {size, size, is_depthwise ? 1 : channels, channels}};

    if (graph_rank(m->g, x) != 4) return VALUE_NONE;
    if (!a.same && (graph_dim(m->g, x, 1) < size || graph_dim(m->g, x, 2) < size))
        return VALUE_NONE;
    value y = op_conv(m->g, x, weight(m, &kernel), &a);
    return pick(m, 2) == 0 ? op_add(m->g, y, vector(m, channels)) : y;
}

static value make_conv_transpose(maker *m, value x)
{
    const dim channels = graph_dim(m->g, x, -1);
    const conv_transpose_attributes a = {.spatial = 2,
                                         .strides = {1, 1},
                                         .dilations = {1, 1},
                                         .pad_before = {1},
                                         .pad_after = {0, 1}};
    const shape kernel = {.rank = 4, .dims = {2, 2, channels + 1, channels}};

    return graph_rank(m->g, x) == 4 ? op_conv_transpose(m->g, x, weight(m, &kernel), &a)
                                    : VALUE_NONE;
}

static value make_matmul(maker *m, value x)
{
    const dim length = graph_dim(m->g, x, -1), units = 3;
    const bool is_turned = pick(m, 2) == 0;
    const shape kernel = is_turned ? (shape){.rank = 2, .dims = {units, length}}
                                   : (shape){.rank = 2, .dims = {length, units}};

    if (graph_rank(m->g, x) < 2) return VALUE_NONE;
    const value y = op_matmul(m->g, x, weight(m, &kernel), false, is_turned);
    return pick(m, 2) == 0 ? op_add(m->g, vector(m, units), y) : y;
}

static value make_transpose(maker *m, value x)
{
    static const uint32_t to_last[] = {0, 2, 3, 1}, to_first[] = {0, 3, 1, 2};
    const uint32_t rank = graph_rank(m->g, x), turn = 1 + pick(m, 2);
    uint32_t order[EBB_RANK_MAX];

    if (rank == 4 && pick(m, 4) != 0)
        return op_transpose(m->g, x, pick(m, 2) == 0 ? to_last : to_first);
    for (uint32_t i = 0; i < rank; i++) order[i] = (i + turn) % rank;
    return op_transpose(m->g, x, order);
}

/* A scalar, a constant per axis, or another value of the same shape, on either side. */
static value make_binary(maker *m, value x)
{
    static const binary_kind kinds[] = {BINARY_ADD, BINARY_ADD, BINARY_SUB, BINARY_MUL, BINARY_MAX};
    const binary_kind kind = kinds[pick(m, 5)];
    value other = m->pool[pick(m, m->count)];

    if (pick(m, 3) == 0) {
        other = graph_scalar(m->g, (float)pick(m, 4) * 0.5f);
    } else if (pick(m, 3) == 0) {
        shape to = {.rank = 1 + pick(m, graph_rank(m->g, x))};
        const uint32_t axis = pick(m, to.rank);
        for (uint32_t i = 0; i < to.rank; i++)
            to.dims[i] = i == axis ? graph_dim(m->g, x, (int)i - (int)to.rank) : 1;
        other = weight(m, &to);
    } else {
        for (uint32_t i = 0; i < m->count && pick(m, 4) != 0; i++) {
            if (!shape_equal(graph_shape(m->g, x), graph_shape(m->g, m->pool[i]))) continue;
            other = m->pool[i];
        }
        if (!shape_equal(graph_shape(m->g, x), graph_shape(m->g, other))) return VALUE_NONE;
    }
    return pick(m, 2) == 0 ? op_binary(m->g, kind, x, other) : op_binary(m->g, kind, other, x);
}

static value make_layout(maker *m, value x)
{
    const uint32_t rank = graph_rank(m->g, x), axis = pick(m, rank);
    const dim length = graph_shape(m->g, x)->dims[axis];
    pad_attributes pad = {.number = (float)pick(m, 2)};
    shape flat = {.rank = 1, .dims = {shape_count(m->g, graph_shape(m->g, x))}};
    const shape back = *graph_shape(m->g, x);

    switch (pick(m, 7)) {
    case 0:
        pad.before[axis] = pick(m, 2);
        pad.after[axis] = pick(m, 2);
        return op_pad(m->g, x, &pad);
    case 1: return op_reverse(m->g, x, (int)axis);
    case 2: return length > 1 ? op_slice_axis(m->g, x, (int)axis, 1, length - 1, 1) : VALUE_NONE;
    case 3: return op_reshape(m->g, op_reshape(m->g, x, &flat), &back);
    case 4: return op_concat(m->g, (const value[]){x, op_unary(m->g, UNARY_NEG, x)}, 2, (int)axis);
    case 5: return op_softmax(m->g, x, 1u << axis, false);
    default: return op_reduce(m->g, REDUCE_MEAN, x, 1u << axis, rank < 3 || pick(m, 2) == 0);
    }
}

/* Pads only in space, as ZeroPadding2D does. */
static value make_zero_pad(maker *m, value x)
{
    const pad_attributes pad = {.before = {0, pick(m, 2), 1}, .after = {0, 1, pick(m, 2)}};

    return graph_rank(m->g, x) == 4 ? op_pad(m->g, x, &pad) : VALUE_NONE;
}

static void make_graph(maker *m, region *home, uint64_t seed)
{
    static value (*const makers[])(maker *, value) = {
        make_unary,          make_unary,    make_batch_norm, make_batch_norm, make_conv,
        make_conv,           make_binary,   make_binary,     make_transpose,  make_transpose,
        make_layout,         make_zero_pad, make_matmul,     make_conv,       make_transpose,
        make_conv_transpose, make_transpose};
    const uint32_t kinds = sizeof makers / sizeof makers[0];

    *m = (maker){.g = graph_open(home), .state = seed * 0x9E3779B97F4A7C15u + 1};
    CHECK(m->g != NULL);
    m->pool[m->count++] = graph_input(m->g, EBB_F32, &(shape){.rank = 4, .dims = {2, 3, 4, 3}});
    for (uint32_t step = 0; step < 40 && m->count < POOL_MAX_VALUES; step++) {
        /* mostly go on from the last value, so that chains arise */
        const value x = m->pool[pick(m, 3) == 0 ? pick(m, m->count) : m->count - 1];
        const value y = makers[pick(m, kinds)](m, x);

        CHECK_OK(m->g->error.status);
        if (y == VALUE_NONE || shape_count(m->g, graph_shape(m->g, y)) > ELEMENTS_MAX) continue;
        m->pool[m->count++] = y;
    }
    graph_output(m->g, m->pool[m->count - 1]);
    graph_output(m->g, m->pool[m->count / 2]);
}

/* -- computing -------------------------------------------------------------------------------- */

/* The same numbers for the same input or weight, whatever the value is called. */
static ebb_status read_leaf(void *context, region *scratch, value v, const void **bytes,
                            ebb_error *error)
{
    const value_info *info = graph_value(context, v);
    const uint64_t count = shape_count_at(&info->shape, NULL);
    uint64_t state = info->index * 7919u + info->kind * 104729u + 12345;
    float *numbers = region_new(scratch, float, count);

    if (info->kind == VALUE_CONSTANT) {
        *bytes = info->data;
        return EBB_OK;
    }
    CHECK(info->kind != VALUE_RESULT && numbers != NULL && error != NULL);
    for (uint64_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        numbers[i] = (float)((double)(state >> 40) / (1 << 23) - 1.0);
    }
    *bytes = numbers;
    return EBB_OK;
}

static uint64_t compute(test *t, graph *g, uint32_t output, float *result)
{
    device cpu = {.def = device_def_find("CPU")};
    region *scratch = region_open(t->home, "compute", EBB_CLASS_SCRATCH, 0);
    const fold_leaf leaf = {.read = read_leaf, .context = g};
    const value v = g->outputs[output];
    const uint64_t count = shape_count_at(graph_shape(g, v), NULL);

    CHECK(scratch != NULL && count <= ELEMENTS_MAX);
    CHECK_OK(cpu.def->open(&cpu, &(device_options){.isa = "portable", .no_jit = true, .threads = 1},
                           &t->error));
    if (graph_value(g, v)->kind != VALUE_RESULT) {
        const void *bytes;
        CHECK_OK(read_leaf(g, scratch, v, &bytes, &t->error));
        memcpy(result, bytes, count * sizeof *result);
    } else {
        CHECK_OK(fold_evaluate(&cpu, g, v, scratch, &leaf, result, &t->error));
    }
    if (cpu.def->close != NULL) cpu.def->close(&cpu);
    region_close(scratch);
    return count;
}

static void compare(test *t, graph *g, uint32_t output, const float *expected, uint64_t seed)
{
    static float found[ELEMENTS_MAX];
    const uint64_t count = compute(t, g, output, found);
    double largest = 1;

    for (uint64_t i = 0; i < count; i++)
        if (fabs((double)expected[i]) > largest) largest = fabs((double)expected[i]);
    for (uint64_t i = 0; i < count; i++)
        if (!(fabs((double)found[i] - (double)expected[i]) <= 1e-4 * largest))
            harness_fail(__FILE__, __LINE__, "graph %u, output %u, element %u: %g before, %g after",
                         (uint32_t)seed, output, (uint32_t)i, (double)expected[i],
                         (double)found[i]);
}

static uint32_t check_graphs(test *t, bool inference_only, uint32_t rounds)
{
    static float expected[2][ELEMENTS_MAX];
    uint32_t removed = 0;

    for (uint32_t seed = 1; seed <= rounds; seed++) {
        region *home = region_open(t->home, "graph", EBB_CLASS_META, 0);
        maker m;
        uint32_t before, after = 0;

        CHECK(home != NULL);
        make_graph(&m, home, seed);
        before = m.g->node_count;
        for (uint32_t i = 0; i < 2; i++) (void)compute(t, m.g, i, expected[i]);
        CHECK_OK(passes_run(m.g, inference_only, &t->error));
        for (uint32_t i = 0; i < 2; i++) compare(t, m.g, i, expected[i], seed);
        for (uint32_t i = 0; i < m.g->node_count; i++)
            after +=
                !m.g->nodes[i].is_dead && !graph_value(m.g, m.g->nodes[i].outputs[0])->is_constant;
        removed += before > after ? before - after : 0;
        region_close(home);
    }
    return removed;
}

TEST(inference_keeps_the_numbers)
{
    CHECK(check_graphs(t, true, 600) > 600);
}

TEST(training_keeps_the_numbers)
{
    CHECK(check_graphs(t, false, 600) > 600);
}

TEST_MAIN(RUN(inference_keeps_the_numbers), RUN(training_keeps_the_numbers))
