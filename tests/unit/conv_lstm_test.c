/* conv_lstm_test.c -- the op conv_lstm: shapes, faults, and every kernel row at random shapes
 * against plain loops in double, with masks, states and both directions, on one thread and two. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "kernel_case.h"

enum { X, KERNEL, MASK, H0, C0, INPUTS };

/* -- shapes ------------------------------------------------------------------------------------ */

static value input(graph *g, ebb_dtype dtype, uint32_t rank, const dim *dims)
{
    shape s = {.rank = rank};

    memcpy(s.dims, dims, rank * sizeof dims[0]);
    return graph_input(g, dtype, &s);
}
#define F32(g, ...)                                                                                \
    input(g, EBB_F32, sizeof((dim[]){__VA_ARGS__}) / sizeof(dim), (dim[]){__VA_ARGS__})
#define MASKS(g, ...)                                                                              \
    input(g, EBB_BOOL, sizeof((dim[]){__VA_ARGS__}) / sizeof(dim), (dim[]){__VA_ARGS__})

static void check_shape(const graph *g, value v, const char *expected)
{
    char text[128];

    CHECK(v != VALUE_NONE);
    CHECK_TEXT(shape_text(g, graph_shape(g, v), text, sizeof text), expected);
}

TEST(shapes_follow_the_sequence)
{
    graph *g = graph_open(t->home);
    const dim n = dim_symbol(g, "batch"), time = dim_symbol(g, "time"), wide = dim_symbol(g, "w");
    conv_lstm_attributes a = {.spatial = 2, .return_sequences = true};
    conv_lstm_operands o = {.x = F32(g, n, time, 5, wide, 12),
                            .kernel = F32(g, 3, 2, 3, 12),
                            .mask = MASKS(g, n, time),
                            .h0 = F32(g, n, 5, wide, 3)};
    value y = op_conv_lstm(g, &o, &a);

    check_shape(g, y, "(batch, time, 5, w, 3)");
    check_shape(g, y + 1, "(batch, 5, w, 3)");
    check_shape(g, y + 2, "(batch, 5, w, 3)");
    a.return_sequences = false;
    check_shape(g, op_conv_lstm(g, &o, &a), "(batch, 5, w, 3)");
    CHECK_OK(graph_verify(g, &t->error));
    const int64_t values[] = {2, 3, 4}; /* batch, time, w */
    const node *n0 = &g->nodes[0];
    CHECK_EQ(op_find(OP_conv_lstm)->flops(g, n0, values), 2 * 3 * 2 * 3 * 12 * (2 * 3 * 5 * 4));
}

static void check_refused(test *t, conv_lstm_operands (*make)(graph *g), uint32_t spatial,
                          const char *part)
{
    graph *g = graph_open(t->home);
    const conv_lstm_attributes a = {.spatial = spatial};
    const conv_lstm_operands o = make(g);

    CHECK_EQ(op_conv_lstm(g, &o, &a), VALUE_NONE);
    CHECK(g->error.status != EBB_OK);
    CHECK_CONTAINS(g->error.text, part);
}

static conv_lstm_operands good(graph *g)
{
    return (conv_lstm_operands){.x = F32(g, 2, 4, 5, 12), .kernel = F32(g, 3, 3, 12)};
}

static conv_lstm_operands wrong_gates(graph *g)
{
    return (conv_lstm_operands){.x = F32(g, 2, 4, 5, 12), .kernel = F32(g, 3, 4, 12)};
}

static conv_lstm_operands wrong_mask(graph *g)
{
    conv_lstm_operands o = good(g);
    o.mask = MASKS(g, 2, 5);
    return o;
}

static conv_lstm_operands wrong_mask_type(graph *g)
{
    conv_lstm_operands o = good(g);
    o.mask = F32(g, 2, 4);
    return o;
}

static conv_lstm_operands wrong_state(graph *g)
{
    conv_lstm_operands o = good(g);
    o.c0 = F32(g, 2, 5, 4);
    return o;
}

static conv_lstm_operands wrong_rank(graph *g)
{
    conv_lstm_operands o = good(g);
    o.h0 = F32(g, 2, 3);
    return o;
}

TEST(faults_name_the_operand)
{
    check_refused(t, good, 2, "x");
    check_refused(t, good, 4, "4 spatial axes");
    check_refused(t, wrong_gates, 1, "gates");
    check_refused(t, wrong_mask, 1, "mask");
    check_refused(t, wrong_mask_type, 1, "mask");
    check_refused(t, wrong_state, 1, "initial cell state");
    check_refused(t, wrong_rank, 1, "initial state");
}

/* -- numbers ----------------------------------------------------------------------------------- */

typedef struct sample {
    conv_lstm_attributes a;
    int64_t items, steps, filters, cells;
    int64_t lengths[SPATIAL_MAX], taps[SPATIAL_MAX]; /* missing axes in front: 1 */
    case_tensor in[INPUTS], out[3];
} sample;

static int64_t between(uint64_t *seed, int64_t low, int64_t high)
{
    return low + (int64_t)(case_random(seed) % (uint64_t)(high - low + 1));
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* The sum of gate `gate` of a cell: input product and the kernel over the state. */
static double gate_sum(const sample *s, const float *h, int64_t item, int64_t time, int64_t cell,
                       int64_t gate)
{
    const float *x = s->in[X].data, *kernel = s->in[KERNEL].data;
    const int64_t wide = 4 * s->filters, *n = s->lengths, *k = s->taps;
    const int64_t at[] = {cell / (n[1] * n[2]), cell / n[2] % n[1], cell % n[2]};
    double sum = (double)x[((item * s->steps + time) * s->cells + cell) * wide + gate];

    for (int64_t tap = 0; tap < k[0] * k[1] * k[2]; tap++) {
        const int64_t move[] = {tap / (k[1] * k[2]), tap / k[2] % k[1], tap % k[2]};
        int64_t from = 0;
        bool is_inside = true;
        for (int i = 0; i < 3; i++) {
            const int64_t place = at[i] + move[i] - (k[i] - 1) / 2;
            is_inside = is_inside && place >= 0 && place < n[i];
            from = from * n[i] + place;
        }
        for (int64_t c = 0; is_inside && c < s->filters; c++) {
            sum += (double)h[from * s->filters + c] *
                   (double)kernel[(tap * s->filters + c) * wide + gate];
        }
    }
    return sum;
}

/* One step of one item: h and c replaced. */
static void step_expect(const sample *s, float *h, float *c, float *next, int64_t item,
                        int64_t time)
{
    for (int64_t i = 0; i < s->cells * s->filters; i++) {
        const int64_t cell = i / s->filters, f = i % s->filters;
        double z[4];
        for (int64_t gate = 0; gate < 4; gate++)
            z[gate] = gate_sum(s, h, item, time, cell, gate * s->filters + f);
        c[i] = (float)(sigmoid(z[1]) * (double)c[i] + sigmoid(z[0]) * tanh(z[2]));
        next[i] = (float)(sigmoid(z[3]) * tanh((double)c[i]));
    }
    memcpy(h, next, (size_t)(s->cells * s->filters) * sizeof *h);
}

static void item_expect(const sample *s, int64_t item, float *next)
{
    const int64_t size = s->cells * s->filters;
    const size_t bytes = (size_t)size * sizeof(float);
    const uint8_t *mask = s->in[MASK].data;
    float *h = (float *)s->out[1].data + item * size, *c = (float *)s->out[2].data + item * size;
    float *y = s->out[0].data;

    if (s->in[H0].data != NULL) memcpy(h, (const float *)s->in[H0].data + item * size, bytes);
    if (s->in[C0].data != NULL) memcpy(c, (const float *)s->in[C0].data + item * size, bytes);
    for (int64_t step = 0; step < s->steps; step++) {
        const int64_t time = s->a.go_backwards ? s->steps - 1 - step : step;
        float *to = y + (s->a.return_sequences ? item * s->steps + step : item) * size;
        if (mask == NULL || mask[item * s->steps + time] != 0) {
            step_expect(s, h, c, next, item, time);
            memcpy(to, h, bytes);
        } else if (s->a.zero_output_for_mask || step == 0) {
            memset(to, 0, bytes);
        } else if (s->a.return_sequences) {
            memcpy(to, to - size, bytes);
        }
    }
}

static void sample_make(region *home, uint64_t *seed, sample *s)
{
    int64_t x[6], kernel[5], state[5];
    const uint32_t spatial = (uint32_t)between(seed, 1, 3), missing = SPATIAL_MAX - spatial;

    memset(s, 0, sizeof *s);
    s->a = (conv_lstm_attributes){.spatial = spatial,
                                  .activation = {.kind = UNARY_TANH},
                                  .recurrent_activation = {.kind = UNARY_SIGMOID},
                                  .go_backwards = case_random(seed) % 2 == 0,
                                  .return_sequences = case_random(seed) % 2 == 0,
                                  .zero_output_for_mask = case_random(seed) % 2 == 0};
    x[0] = state[0] = s->items = between(seed, 1, 3);
    x[1] = s->steps = between(seed, 1, 4);
    s->filters = between(seed, 1, 5);
    s->cells = 1;
    for (uint32_t i = 0; i < SPATIAL_MAX; i++) {
        s->lengths[i] = i < missing ? 1 : between(seed, 1, 5);
        s->taps[i] = i < missing ? 1 : between(seed, 1, 4);
        s->cells *= s->lengths[i];
        if (i < missing) continue;
        x[2 + i - missing] = state[1 + i - missing] = s->lengths[i];
        kernel[i - missing] = s->taps[i];
    }
    x[2 + spatial] = kernel[1 + spatial] = 4 * s->filters;
    state[1 + spatial] = kernel[spatial] = s->filters;
    s->in[X] = case_tensor_random(home, EBB_F32, spatial + 3, x, seed);
    s->in[KERNEL] = case_tensor_random(home, EBB_F32, spatial + 2, kernel, seed);
    if (case_random(seed) % 2) s->in[MASK] = case_tensor_random(home, EBB_BOOL, 2, x, seed);
    if (case_random(seed) % 2)
        s->in[H0] = case_tensor_random(home, EBB_F32, spatial + 2, state, seed);
    if (case_random(seed) % 2)
        s->in[C0] = case_tensor_random(home, EBB_F32, spatial + 2, state, seed);
    for (uint32_t i = 0; i < 3; i++)
        s->out[i] = case_tensor_make(home, EBB_F32, spatial + 2, state);
    x[2 + spatial] = s->filters;
    if (s->a.return_sequences) s->out[0] = case_tensor_make(home, EBB_F32, spatial + 3, x);
}

TEST(steps_at_random_shapes)
{
    const device d = kernel_case_device(ISA_AVX512);
    uint64_t seed = 11;
    uint32_t count = 0;
    const kernel_def *const *rows = d.def->kernels(&d, OP_conv_lstm, &count);

    test_threads_stay(t);
    for (int round = 0; round < 150; round++) {
        region *home = region_open(t->home, "round", EBB_CLASS_DATA, 0);
        sample s;
        sample_make(home, &seed, &s);
        float *next = region_new(home, float, (size_t)(s.cells * s.filters));
        CHECK(next != NULL);
        for (int64_t item = 0; item < s.items; item++) item_expect(&s, item, next);
        graph *g = kernel_case_graph(home, OP_conv_lstm, &s.a, s.in, INPUTS);
        for (uint32_t i = 0; i < 2 * count; i++) {
            char text[128];
            case_tensor found[OP_OUTPUTS_MAX];
            if (!kernel_case_run(rows[i / 2], g, &g->nodes[0], s.in, found, 1 + i % 2)) {
                CHECK(i / 2 + 1 < count);
                continue;
            }
            for (uint32_t k = 0; k < 3; k++) {
                snprintf(text, sizeof text, "round %d, output %" PRIu32 " by %s", round, k,
                         rows[i / 2]->name);
                case_tensor_check(text, &found[k], &s.out[k], 1e-5, 1e-5);
            }
        }
        region_close(home);
    }
}

TEST_MAIN(RUN(shapes_follow_the_sequence), RUN(faults_name_the_operand),
          RUN(steps_at_random_shapes))
