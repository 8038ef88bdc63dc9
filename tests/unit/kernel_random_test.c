/* kernel_random_test.c -- kernels at random shapes, on one thread and on two, against the plainest
 * possible loops.
 *
 * The expected values are computed here in double, straight from the comments of graph/op.h.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "kernel_case.h"

#define ROUNDS 150

static int64_t between(uint64_t *seed, int64_t low, int64_t high)
{
    return low + (int64_t)(case_random(seed) % (uint64_t)(high - low + 1));
}

/* All rows of the CPU for the node, on one and on two threads. */
static void check_rows(const char *name, const graph *g, const case_tensor *inputs,
                       const case_tensor *expected, double tolerance)
{
    const device d = kernel_case_device(ISA_AVX512);
    uint32_t count = 0;
    const kernel_def *const *rows = d.def->kernels(&d, g->nodes[0].op, &count);

    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t threads = 1; threads <= 2; threads++) {
            char text[128];
            case_tensor found[OP_OUTPUTS_MAX];

            if (!kernel_case_run(rows[i], g, &g->nodes[0], inputs, found, threads)) {
                CHECK(i + 1 < count);
                continue;
            }
            snprintf(text, sizeof text, "%s by %s, %u threads", name, rows[i]->name, threads);
            case_tensor_check(text, &found[0], expected, tolerance, tolerance);
        }
    }
}

/* -- contractions ----------------------------------------------------------------------------- */

/* Optional parts of an epilogue as inputs 2, 3 and 4. */
static void epilogue_random(region *home, case_tensor inputs[5], const tensor_desc *y,
                            uint64_t *seed)
{
    const int64_t *const columns = &y->dims[y->rank - 1];

    if (case_random(seed) % 2) inputs[2] = case_tensor_random(home, EBB_F32, 1, columns, seed);
    if (case_random(seed) % 2)
        inputs[3] = case_tensor_random(home, EBB_F32, y->rank, y->dims, seed);
    if (case_random(seed) % 2) inputs[4] = case_tensor_random(home, EBB_F32, 1, columns, seed);
}

static double item(const case_tensor *x, int64_t index)
{
    return x->data == NULL ? 0.0 : (double)((const float *)x->data)[index];
}

/* The epilogue with RELU, of element `index`. */
static float finish(const case_tensor inputs[5], double sum, int64_t index, int64_t columns)
{
    if (inputs[4].data != NULL) sum *= item(&inputs[4], index % columns);
    sum += item(&inputs[2], index % columns) + item(&inputs[3], index);
    return (float)(sum > 0 ? sum : 0);
}

TEST(matmul_at_random_shapes)
{
    uint64_t seed = 1;

    test_threads_stay(t);
    for (int round = 0; round < ROUNDS; round++) {
        region *const home = region_open(t->home, "round", EBB_CLASS_META, 0);
        const int64_t batch = between(&seed, 1, 3), m = between(&seed, 1, 70);
        const int64_t n = between(&seed, 1, 70), k = between(&seed, 1, round % 9 == 0 ? 600 : 40);
        const bool shared = case_random(&seed) % 2;
        const matmul_attributes a = {.transpose_a = case_random(&seed) % 2,
                                     .transpose_b = case_random(&seed) % 2,
                                     .epilogue = {{.kind = UNARY_RELU, .gamma = INFINITY}}};
        const int64_t a_dims[3] = {batch, a.transpose_a ? k : m, a.transpose_a ? m : k};
        const int64_t b_dims[3] = {batch, a.transpose_b ? n : k, a.transpose_b ? k : n};
        const int64_t y_dims[3] = {batch, m, n};
        case_tensor inputs[5] = {{{0}, NULL}}, y = case_tensor_make(home, EBB_F32, 3, y_dims);

        inputs[0] = case_tensor_random(home, EBB_F32, 3, a_dims, &seed);
        inputs[1] = case_tensor_random(home, EBB_F32, shared ? 2 : 3, b_dims + shared, &seed);
        epilogue_random(home, inputs, &y.desc, &seed);
        for (int64_t i = 0; i < batch * m * n; i++) {
            const int64_t item_index = i / (m * n), row = i / n % m, column = i % n;
            double sum = 0;

            for (int64_t p = 0; p < k; p++) {
                sum += item(&inputs[0],
                            item_index * m * k + (a.transpose_a ? p * m + row : row * k + p)) *
                       item(&inputs[1], (shared ? 0 : item_index * k * n) +
                                            (a.transpose_b ? column * k + p : p * n + column));
            }
            ((float *)y.data)[i] = finish(inputs, sum, i, n);
        }
        check_rows("matmul", kernel_case_graph(home, OP_matmul, &a, inputs, 5), inputs, &y, 1e-5);
        region_close(home);
    }
}

/* Geometry of a random convolution; unused spatial axes have length 1. */
typedef struct geometry {
    uint32_t spatial;
    int64_t batch, channels, filters, groups;
    int64_t in[3], out[3], kernel[3], strides[3], dilations[3], before[3], after[3], more[3];
} geometry;

static int64_t reach_of(const geometry *g, uint32_t i)
{
    return (g->kernel[i] - 1) * g->dilations[i] + 1;
}

static geometry geometry_random(uint64_t *seed, bool transposed)
{
    geometry g = {
        .spatial = (uint32_t)between(seed, 1, 3), .batch = between(seed, 1, 2), .groups = 1};

    for (uint32_t i = 0; i < 3; i++) {
        const bool used = i >= 3 - g.spatial;

        g.kernel[i] = used ? between(seed, 1, 4) : 1;
        g.strides[i] = used ? between(seed, 1, 3) : 1;
        g.dilations[i] = used && g.strides[i] == 1 ? between(seed, 1, 3) : 1;
        g.in[i] = used ? between(seed, 1, g.spatial == 1 ? 150 : 9) : 1;
        const int64_t most = reach_of(&g, i) - 1;
        g.before[i] = used && most > 0 ? between(seed, 0, most) : 0;
        g.after[i] = used && most > 0 ? between(seed, 0, most) : 0;
        if (transposed) {
            g.more[i] = used && g.strides[i] > 1 ? between(seed, 0, g.strides[i] - 1) : 0;
            g.out[i] = (g.in[i] - 1) * g.strides[i] + reach_of(&g, i) - g.before[i] - g.after[i] +
                       g.more[i];
            if (g.out[i] >= 1) continue;
            g.before[i] = g.after[i] = 0;
            g.out[i] = (g.in[i] - 1) * g.strides[i] + reach_of(&g, i) + g.more[i];
        } else {
            if (g.in[i] + g.before[i] + g.after[i] < reach_of(&g, i)) g.in[i] = reach_of(&g, i);
            g.out[i] = (g.in[i] + g.before[i] + g.after[i] - reach_of(&g, i)) / g.strides[i] + 1;
        }
    }
    g.channels = between(seed, 1, 40);
    g.filters = between(seed, 1, case_random(seed) % 4 ? 20 : 140);
    return g;
}

static uint32_t dims_with(const geometry *g, const int64_t *lengths, int64_t first, int64_t last,
                          int64_t *dims)
{
    dims[0] = first;
    for (uint32_t i = 0; i < g->spatial; i++) dims[1 + i] = lengths[3 - g->spatial + i];
    dims[1 + g->spatial] = last;
    return g->spatial + 2;
}

static uint32_t kernel_dims(const geometry *g, int64_t inner, int64_t last, int64_t *dims)
{
    for (uint32_t i = 0; i < g->spatial; i++) dims[i] = g->kernel[3 - g->spatial + i];
    dims[g->spatial] = inner;
    dims[g->spatial + 1] = last;
    return g->spatial + 2;
}

static void lengths_copy(const geometry *g, const int64_t *from, int64_t *to)
{
    for (uint32_t i = 0; i < g->spatial; i++) to[i] = from[3 - g->spatial + i];
}

/* Row-major position of (a, b[0..2], c) in [.., lengths[0..2], last]. */
static int64_t place(const int64_t lengths[3], int64_t a, const int64_t b[3], int64_t last,
                     int64_t c)
{
    return (((a * lengths[0] + b[0]) * lengths[1] + b[1]) * lengths[2] + b[2]) * last + c;
}

static bool next_position(int64_t at[3], const int64_t lengths[3])
{
    for (uint32_t i = 3; i-- > 0;) {
        if (++at[i] < lengths[i]) return true;
        at[i] = 0;
    }
    return false;
}

static double conv_sum(const geometry *g, const case_tensor inputs[5], int64_t batch,
                       const int64_t o[3], int64_t filter)
{
    const int64_t each = g->channels / g->groups, group = filter / (g->filters / g->groups);
    int64_t tap[3] = {0};
    double sum = 0;

    do {
        int64_t cell[3];
        bool inside = true;

        for (uint32_t i = 0; i < 3; i++) {
            cell[i] = o[i] * g->strides[i] + tap[i] * g->dilations[i] - g->before[i];
            inside &= cell[i] >= 0 && cell[i] < g->in[i];
        }
        for (int64_t c = 0; inside && c < each; c++) {
            const int64_t weight = place(g->kernel, 0, tap, each, c) * g->filters + filter;

            sum += item(&inputs[0], place(g->in, batch, cell, g->channels, group * each + c)) *
                   item(&inputs[1], weight);
        }
    } while (next_position(tap, g->kernel));
    return sum;
}

static void conv_expect(const geometry *g, const case_tensor inputs[5], case_tensor *y)
{
    for (int64_t batch = 0; batch < g->batch; batch++) {
        int64_t o[3] = {0};

        do {
            for (int64_t f = 0; f < g->filters; f++) {
                const int64_t at = place(g->out, batch, o, g->filters, f);

                ((float *)y->data)[at] =
                    finish(inputs, conv_sum(g, inputs, batch, o, f), at, g->filters);
            }
        } while (next_position(o, g->out));
    }
}

/* Plain, grouped and depthwise by turns. */
static void groups_choose(geometry *g, int round, uint64_t *seed)
{
    if (round % 3 == 1) g->groups = between(seed, 2, 4);
    if (round % 3 == 2) g->groups = g->channels;
    if (round % 3 == 1) g->channels = g->groups * between(seed, 1, 6);
    if (round % 3 != 0) g->filters = g->groups * between(seed, 1, 3);
}

TEST(conv_at_random_shapes)
{
    uint64_t seed = 2;

    test_threads_stay(t);
    for (int round = 0; round < ROUNDS; round++) {
        region *const home = region_open(t->home, "round", EBB_CLASS_META, 0);
        geometry g = geometry_random(&seed, false);
        conv_attributes a = {.spatial = g.spatial,
                             .epilogue = {{.kind = UNARY_RELU, .gamma = INFINITY}}};
        int64_t dims[EBB_RANK_MAX];
        case_tensor inputs[5] = {{{0}, NULL}};

        groups_choose(&g, round, &seed);
        a.groups = g.groups;
        lengths_copy(&g, g.strides, a.strides);
        lengths_copy(&g, g.dilations, a.dilations);
        lengths_copy(&g, g.before, a.pad_before);
        lengths_copy(&g, g.after, a.pad_after);
        uint32_t rank = dims_with(&g, g.in, g.batch, g.channels, dims);
        inputs[0] = case_tensor_random(home, EBB_F32, rank, dims, &seed);
        rank = kernel_dims(&g, g.channels / g.groups, g.filters, dims);
        inputs[1] = case_tensor_random(home, EBB_F32, rank, dims, &seed);
        rank = dims_with(&g, g.out, g.batch, g.filters, dims);
        case_tensor y = case_tensor_make(home, EBB_F32, rank, dims);
        epilogue_random(home, inputs, &y.desc, &seed);
        conv_expect(&g, inputs, &y);
        check_rows("conv", kernel_case_graph(home, OP_conv, &a, inputs, 5), inputs, &y, 1e-5);
        region_close(home);
    }
}

/* Scattered, as the definition says it: every x adds to the outputs it reaches. */
static void transpose_expect(const geometry *g, const case_tensor inputs[5], double *sums,
                             case_tensor *y)
{
    const int64_t count = (int64_t)tensor_desc_count(&y->desc);

    for (int64_t batch = 0; batch < g->batch; batch++) {
        int64_t cell[3] = {0}, tap[3] = {0};

        do {
            int64_t o[3];
            bool inside = true;

            for (uint32_t i = 0; i < 3; i++) {
                o[i] = cell[i] * g->strides[i] + tap[i] * g->dilations[i] - g->before[i];
                inside &= o[i] >= 0 && o[i] < g->out[i];
            }
            for (int64_t f = 0; inside && f < g->filters; f++) {
                for (int64_t c = 0; c < g->channels; c++) {
                    const int64_t weight =
                        place(g->kernel, 0, tap, g->filters, f) * g->channels + c;

                    sums[place(g->out, batch, o, g->filters, f)] +=
                        item(&inputs[0], place(g->in, batch, cell, g->channels, c)) *
                        item(&inputs[1], weight);
                }
            }
        } while (next_position(tap, g->kernel) || next_position(cell, g->in));
    }
    for (int64_t i = 0; i < count; i++)
        ((float *)y->data)[i] = finish(inputs, sums[i], i, g->filters);
}

TEST(conv_transpose_at_random_shapes)
{
    uint64_t seed = 3;

    test_threads_stay(t);
    for (int round = 0; round < ROUNDS; round++) {
        region *const home = region_open(t->home, "round", EBB_CLASS_META, 0);
        const geometry g = geometry_random(&seed, true);
        conv_transpose_attributes a = {.spatial = g.spatial,
                                       .epilogue = {{.kind = UNARY_RELU, .gamma = INFINITY}}};
        int64_t dims[EBB_RANK_MAX];
        case_tensor inputs[5] = {{{0}, NULL}};

        lengths_copy(&g, g.strides, a.strides);
        lengths_copy(&g, g.dilations, a.dilations);
        lengths_copy(&g, g.before, a.pad_before);
        lengths_copy(&g, g.after, a.pad_after);
        lengths_copy(&g, g.more, a.output_padding);
        uint32_t rank = dims_with(&g, g.in, g.batch, g.channels, dims);
        inputs[0] = case_tensor_random(home, EBB_F32, rank, dims, &seed);
        rank = kernel_dims(&g, g.filters, g.channels, dims);
        inputs[1] = case_tensor_random(home, EBB_F32, rank, dims, &seed);
        rank = dims_with(&g, g.out, g.batch, g.filters, dims);
        case_tensor y = case_tensor_make(home, EBB_F32, rank, dims);
        epilogue_random(home, inputs, &y.desc, &seed);
        double *const sums = region_alloc(home, (size_t)tensor_desc_count(&y.desc), sizeof *sums);
        CHECK(sums != NULL);
        transpose_expect(&g, inputs, sums, &y);
        check_rows("conv_transpose", kernel_case_graph(home, OP_conv_transpose, &a, inputs, 5),
                   inputs, &y, 1e-5);
        region_close(home);
    }
}

/* -- pools, reductions ------------------------------------------------------------------------ */

static float pool_value(const geometry *g, const case_tensor *x, pool_kind kind, int64_t batch,
                        const int64_t o[3], int64_t channel)
{
    int64_t tap[3] = {0}, cells = 0;
    double sum = 0, most = -INFINITY;

    do {
        int64_t cell[3];
        bool inside = true;

        for (uint32_t i = 0; i < 3; i++) {
            cell[i] = o[i] * g->strides[i] + tap[i] - g->before[i];
            inside &= cell[i] >= 0 && cell[i] < g->in[i];
        }
        if (!inside) continue;
        const double one = item(x, place(g->in, batch, cell, g->channels, channel));
        cells++;
        sum += one;
        most = one > most ? one : most;
    } while (next_position(tap, g->kernel));
    return (float)(kind == POOL_MAX ? most : sum / (double)cells);
}

TEST(pool_at_random_shapes)
{
    uint64_t seed = 4;

    test_threads_stay(t);
    for (int round = 0; round < ROUNDS; round++) {
        region *const home = region_open(t->home, "round", EBB_CLASS_META, 0);
        geometry g = geometry_random(&seed, false);
        pool_attributes a = {
            .kind = round % 2 ? POOL_MAX : POOL_AVERAGE, .spatial = g.spatial, .same = true};
        int64_t dims[EBB_RANK_MAX];

        for (uint32_t i = 0; i < 3; i++) {
            g.dilations[i] = 1;
            g.out[i] = (g.in[i] - 1) / g.strides[i] + 1;
            const int64_t total = (g.out[i] - 1) * g.strides[i] + g.kernel[i] - g.in[i];
            g.before[i] = total > 0 ? total / 2 : 0;
        }
        lengths_copy(&g, g.kernel, a.window);
        lengths_copy(&g, g.strides, a.strides);
        uint32_t rank = dims_with(&g, g.in, g.batch, g.channels, dims);
        const case_tensor x = case_tensor_random(home, EBB_F32, rank, dims, &seed);
        rank = dims_with(&g, g.out, g.batch, g.channels, dims);
        const case_tensor y = case_tensor_make(home, EBB_F32, rank, dims);
        for (int64_t batch = 0; batch < g.batch; batch++) {
            int64_t o[3] = {0};

            do {
                for (int64_t c = 0; c < g.channels; c++) {
                    ((float *)y.data)[place(g.out, batch, o, g.channels, c)] =
                        pool_value(&g, &x, a.kind, batch, o, c);
                }
            } while (next_position(o, g.out));
        }
        check_rows("pool", kernel_case_graph(home, OP_pool, &a, &x, 1), &x, &y, 1e-6);
        region_close(home);
    }
}

/* Position of element `index` of x in the output of a reduction that keeps its axes. */
static int64_t kept_place(const tensor_desc *x, uint32_t axes, int64_t index)
{
    int64_t at = 0, stride = 1;

    for (uint32_t i = x->rank; i-- > 0; index /= x->dims[i]) {
        if (axes >> i & 1) continue;
        at += index % x->dims[i] * stride;
        stride *= x->dims[i];
    }
    return at;
}

TEST(reduce_at_random_shapes)
{
    uint64_t seed = 5;

    test_threads_stay(t);
    for (int round = 0; round < ROUNDS; round++) {
        region *const home = region_open(t->home, "round", EBB_CLASS_META, 0);
        const uint32_t rank = (uint32_t)between(&seed, 1, 5);
        int64_t dims[EBB_RANK_MAX], kept[EBB_RANK_MAX];
        reduce_attributes a = {.kind = REDUCE_SUM,
                               .axes = (uint32_t)between(&seed, 1, (1 << rank) - 1),
                               .keep_dims = true};

        for (uint32_t i = 0; i < rank; i++) {
            dims[i] = between(&seed, 1, case_random(&seed) % 5 ? 6 : 200 / (1 << rank) + 1);
            kept[i] = a.axes >> i & 1 ? 1 : dims[i];
        }
        const case_tensor x = case_tensor_random(home, EBB_F32, rank, dims, &seed);
        const case_tensor y = case_tensor_make(home, EBB_F32, rank, kept);
        const int64_t count = (int64_t)tensor_desc_count(&x.desc);
        double *const sums = region_alloc(home, (size_t)tensor_desc_count(&y.desc), sizeof *sums);
        CHECK(sums != NULL);
        for (int64_t i = 0; i < count; i++) sums[kept_place(&x.desc, a.axes, i)] += item(&x, i);
        for (uint64_t i = 0; i < tensor_desc_count(&y.desc); i++)
            ((float *)y.data)[i] = (float)sums[i];
        check_rows("reduce", kernel_case_graph(home, OP_reduce, &a, &x, 1), &x, &y, 1e-6);
        region_close(home);
    }
}

/* -- shapes ----------------------------------------------------------------------------------- */

TEST(transpose_at_random_shapes)
{
    uint64_t seed = 6;

    test_threads_stay(t);
    for (int round = 0; round < ROUNDS; round++) {
        region *const home = region_open(t->home, "round", EBB_CLASS_META, 0);
        const uint32_t rank = (uint32_t)between(&seed, 1, 5);
        const ebb_dtype dtype = round % 3 == 0 ? EBB_BOOL : EBB_F32;
        transpose_attributes a = {{0}};
        int64_t dims[EBB_RANK_MAX], to[EBB_RANK_MAX];

        for (uint32_t i = 0; i < rank; i++) {
            const uint32_t from = (uint32_t)between(&seed, 0, i);

            dims[i] = between(&seed, 1, case_random(&seed) % 4 ? 7 : 40);
            a.order[i] = a.order[from];
            a.order[from] = i;
        }
        for (uint32_t i = 0; i < rank; i++) to[i] = dims[a.order[i]];
        const case_tensor x = case_tensor_random(home, dtype, rank, dims, &seed);
        const case_tensor y = case_tensor_make(home, dtype, rank, to);
        const size_t bytes = ebb_dtype_bytes(dtype);
        for (int64_t i = 0; i < (int64_t)tensor_desc_count(&x.desc); i++) {
            int64_t index[EBB_RANK_MAX], at = 0, rest = i;

            for (uint32_t k = rank; k-- > 0; rest /= dims[k]) index[k] = rest % dims[k];
            for (uint32_t k = 0; k < rank; k++) at = at * to[k] + index[a.order[k]];
            memcpy((char *)y.data + at * (int64_t)bytes, (const char *)x.data + i * (int64_t)bytes,
                   bytes);
        }
        check_rows("transpose", kernel_case_graph(home, OP_transpose, &a, &x, 1), &x, &y, 0);
        region_close(home);
    }
}

TEST(binary_broadcasts_at_random_shapes)
{
    uint64_t seed = 7;

    test_threads_stay(t);
    for (int round = 0; round < ROUNDS; round++) {
        region *const home = region_open(t->home, "round", EBB_CLASS_META, 0);
        const binary_attributes a = {.kind = BINARY_SUB};
        const uint32_t rank = (uint32_t)between(&seed, 1, 4);
        int64_t dims[2][EBB_RANK_MAX], all[EBB_RANK_MAX];
        case_tensor inputs[2];

        for (uint32_t i = 0; i < rank; i++) {
            const uint64_t who = case_random(&seed) % 4;

            all[i] = between(&seed, 1, round % 10 == 0 ? 50 : 6);
            dims[0][i] = who == 1 ? 1 : all[i];
            dims[1][i] = who == 2 ? 1 : all[i];
        }
        for (uint32_t k = 0; k < 2; k++) {
            inputs[k] = case_tensor_random(home, EBB_F32, rank, dims[k], &seed);
        }
        const case_tensor y = case_tensor_make(home, EBB_F32, rank, all);
        for (int64_t i = 0; i < (int64_t)tensor_desc_count(&y.desc); i++) {
            int64_t at[2] = {0, 0}, stride[2] = {1, 1}, rest = i;

            for (uint32_t k = rank; k-- > 0; rest /= all[k]) {
                for (uint32_t p = 0; p < 2; p++) {
                    at[p] += dims[p][k] == 1 ? 0 : rest % all[k] * stride[p];
                    stride[p] *= dims[p][k];
                }
            }
            ((float *)y.data)[i] = (float)item(&inputs[0], at[0]) - (float)item(&inputs[1], at[1]);
        }
        check_rows("binary", kernel_case_graph(home, OP_binary, &a, inputs, 2), inputs, &y, 0);
        region_close(home);
    }
}

/* -- sequences -------------------------------------------------------------------------------- */

/* More steps than one block of input products holds. */
TEST(rnn_goes_on_over_blocks_of_steps)
{
    enum { ITEMS = 2, STEPS = 9000, DEPTH = 3, UNITS = 64 };
    const int64_t x_dims[] = {ITEMS, STEPS, DEPTH}, kernel[] = {DEPTH, UNITS},
                  square[] = {UNITS, UNITS};
    const int64_t y_dims[] = {ITEMS, STEPS, UNITS};
    const rnn_attributes a = {.kind = RNN_SIMPLE,
                              .units = UNITS,
                              .activation = {.kind = UNARY_TANH},
                              .return_sequences = true};
    uint64_t seed = 8;
    case_tensor inputs[3] = {case_tensor_random(t->home, EBB_F32, 3, x_dims, &seed),
                             case_tensor_random(t->home, EBB_F32, 2, kernel, &seed),
                             case_tensor_random(t->home, EBB_F32, 2, square, &seed)};
    const case_tensor y = case_tensor_make(t->home, EBB_F32, 3, y_dims);
    float *const to = y.data, *const recurrent = inputs[2].data;

    test_threads_stay(t);
    for (int i = 0; i < UNITS * UNITS; i++) recurrent[i] *= 0.1f;
    for (int64_t i = 0; i < ITEMS * STEPS * UNITS; i++) {
        const int64_t unit = i % UNITS, step = i / UNITS;
        double sum = 0;

        for (int64_t d = 0; d < DEPTH; d++) {
            sum += item(&inputs[0], step * DEPTH + d) * item(&inputs[1], d * UNITS + unit);
        }
        for (int64_t u = 0; step % STEPS != 0 && u < UNITS; u++) {
            sum += (double)to[(step - 1) * UNITS + u] * (double)recurrent[u * UNITS + unit];
        }
        to[i] = (float)tanh(sum);
    }
    check_rows("rnn", kernel_case_graph(t->home, OP_rnn, &a, inputs, 3), inputs, &y, 1e-5);
}

TEST_MAIN(RUN(matmul_at_random_shapes), RUN(conv_at_random_shapes),
          RUN(conv_transpose_at_random_shapes), RUN(pool_at_random_shapes),
          RUN(reduce_at_random_shapes), RUN(transpose_at_random_shapes),
          RUN(binary_broadcasts_at_random_shapes), RUN(rnn_goes_on_over_blocks_of_steps))
