/* packed_rows_test.c -- unpack, packed_matmul and packed_gather: every row on every instruction set
 * against the plain matrix, and the passes that put them there. */
#include <math.h>
#include <string.h>

#include "graph/pass.h"
#include "harness.h"
#include "row_run.h"
#include "tensor/packed.h"

extern const kernel_def kernel_vector_unpack, kernel_portable_unpack, kernel_vector_packed_matmul,
    kernel_portable_packed_matmul, kernel_vector_packed_gather, kernel_portable_packed_gather;

static const ebb_dtype kinds[] = {EBB_F32, EBB_F16, EBB_BF16, EBB_I8};

typedef struct matrix {
    packed_layout layout;
    case_tensor block; /* of its shape, but its data are the block */
    float *plain;
} matrix;

static matrix matrix_make(region *home, packed_layout l, uint64_t *seed)
{
    const int64_t dims[] = {(int64_t)l.rows, (int64_t)l.columns};
    matrix m = {.layout = l, .block = case_tensor_random(home, EBB_F32, 2, dims, seed)};
    float scales[4096] = {0};

    m.plain = m.block.data;
    for (uint64_t i = 0; i < l.rows * l.columns && l.is_sparse; i++)
        if (case_random(seed) % 4 != 0) m.plain[i] = 0;
    if (l.kind == EBB_I8) {
        packed_measure(&l, scales, 0, l.rows, m.plain);
        packed_measured(&l, scales);
    }
    packed_round(&l, scales, 0, l.rows, m.plain);
    if (l.is_sparse) m.layout.stored = packed_nonzeros(&l, scales, 0, l.rows, m.plain);
    CHECK(packed_layout_make(&m.layout));
    uint8_t *block = row_run_zeros(home, m.layout.bytes);
    memcpy(block, scales, packed_scale_count(&l) * sizeof *scales);
    if (l.is_sparse) {
        packed_count(&m.layout, block, 0, l.rows, m.plain);
        CHECK(packed_counted(&m.layout, block));
    }
    CHECK(packed_store(&m.layout, block, 0, l.rows, m.plain));
    m.block.data = block;
    return m;
}

static shape shape_of(const case_tensor *x)
{
    shape s = {.rank = x->desc.rank};

    for (uint32_t i = 0; i < s.rank; i++) s.dims[i] = x->desc.dims[i];
    return s;
}

static value weight_of(graph *g, const matrix *m)
{
    const shape s = shape_of(&m->block);
    const value w = graph_weight(g, EBB_F32, &s, 0);

    graph_weight_pack(g, w, &m->layout);
    return w;
}

static value input_of(graph *g, const case_tensor *x)
{
    const shape s = shape_of(x);

    return x->desc.dtype == EBB_DTYPE_NONE ? VALUE_NONE : graph_input(g, x->desc.dtype, &s);
}

static packed_layout any_layout(uint64_t *seed)
{
    packed_layout l = {.kind = kinds[test_between(seed, 0, 3)],
                       .is_sparse = test_between(seed, 0, 1) == 1,
                       .is_by_row = test_between(seed, 0, 1) == 1,
                       .rows = (uint64_t)test_between(seed, 1, 300),
                       .columns = (uint64_t)test_between(seed, 1, 200)};
    l.is_sparse = l.is_sparse || l.kind == EBB_F32;
    return l;
}

/* Runs both rows on every instruction set; results against `expected`. */
static void check_rows(const char *name, const kernel_def *vector, const kernel_def *portable,
                       const graph *g, const case_tensor *inputs, const case_tensor *expected,
                       double tolerance)
{
    const kernel_def *const rows[] = {vector, portable};

    for (cpu_isa isa = ISA_PORTABLE; isa <= ISA_AVX512; isa++) {
        const device d = kernel_case_device(isa);
        for (uint32_t threads = 1; threads <= 3; threads += 2) {
            for (int i = 0; i < 2; i++) {
                row_run r;
                if (!row_run_plan(&r, rows[i], &d, g, inputs, false, NULL, threads)) continue;
                row_run_open(&r);
                r.row->run(&r.call);
                const case_tensor found = row_run_result(&r, 0);
                case_tensor_check(name, &found, expected, tolerance, tolerance);
                row_run_close(&r);
            }
        }
    }
}

TEST(weights_are_unpacked)
{
    uint64_t seed = 3;

    for (int round = 0; round < 60; round++) {
        region *home = test_round_home(t);
        const matrix m = matrix_make(home, any_layout(&seed), &seed);
        graph *g = graph_open(home);
        CHECK(op_unpack(g, weight_of(g, &m)) != VALUE_NONE);
        case_tensor expected = m.block;
        expected.data = m.plain;
        check_rows("unpack", &kernel_vector_unpack, &kernel_portable_unpack, g, &m.block, &expected,
                   0);
        region_close(home);
    }
}

static void multiply(const float *a, const matrix *m, size_t rows, const case_tensor *inputs,
                     unary_attributes activation, float *y)
{
    const size_t k = m->layout.rows, n = m->layout.columns;
    const float *bias = inputs[2].data, *residual = inputs[3].data, *scale = inputs[4].data;

    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++) sum += (double)a[i * k + p] * m->plain[p * n + j];
            if (inputs[4].desc.dtype != EBB_DTYPE_NONE) sum *= scale[j];
            if (inputs[2].desc.dtype != EBB_DTYPE_NONE) sum += bias[j];
            if (inputs[3].desc.dtype != EBB_DTYPE_NONE) sum += residual[i * n + j];
            y[i * n + j] = (float)(activation.kind == UNARY_RELU && sum < 0 ? 0 : sum);
        }
    }
}

/* Few and many rows, all parts of the epilogue, narrow last panels. */
TEST(products_read_packed_weights)
{
    uint64_t seed = 11;

    for (int round = 0; round < 120; round++) {
        region *home = test_round_home(t);
        const matrix m = matrix_make(home, any_layout(&seed), &seed);
        const int64_t rows =
            round % 3 == 0 ? test_between(&seed, 5, 70) : test_between(&seed, 1, 4);
        const int64_t a_dims[] = {rows, (int64_t)m.layout.rows};
        const int64_t y_dims[] = {rows, (int64_t)m.layout.columns};
        case_tensor inputs[5] = {case_tensor_random(home, EBB_F32, 2, a_dims, &seed), m.block};
        packed_matmul_attributes a;
        graph *g = graph_open(home);
        value values[5];

        memset(&a, 0, sizeof a);
        test_any_epilogue(home, inputs, 2, y_dims, &seed);
        if (round % 2 == 0)
            a.epilogue.activation = (unary_attributes){.kind = UNARY_RELU, .gamma = INFINITY};
        for (int i = 0; i < 5; i++) values[i] = i == 1 ? weight_of(g, &m) : input_of(g, &inputs[i]);
        CHECK(op_packed_matmul(g, values, &a.epilogue) != VALUE_NONE);
        case_tensor expected = case_tensor_make(home, EBB_F32, 2, y_dims);
        multiply(inputs[0].data, &m, (size_t)rows, inputs, a.epilogue.activation, expected.data);
        check_rows("packed_matmul", &kernel_vector_packed_matmul, &kernel_portable_packed_matmul, g,
                   inputs, &expected, 2e-5);
        region_close(home);
    }
}

TEST(rows_of_packed_tables_are_gathered)
{
    uint64_t seed = 23;

    for (int round = 0; round < 60; round++) {
        region *home = test_round_home(t);
        const matrix m = matrix_make(home, any_layout(&seed), &seed);
        const int64_t length = (int64_t)m.layout.rows, width = (int64_t)m.layout.columns;
        const int64_t dims[] = {test_between(&seed, 1, 5), test_between(&seed, 1, 9)};
        const int64_t y_dims[] = {dims[0], dims[1], width};
        const bool wraps = round % 2 == 0;
        case_tensor inputs[2] = {m.block, case_tensor_make(home, EBB_I32, 2, dims)};
        case_tensor expected = case_tensor_make(home, EBB_F32, 3, y_dims);
        graph *g = graph_open(home);

        for (int64_t i = 0; i < dims[0] * dims[1]; i++) {
            const int64_t index = test_between(&seed, -length - 2, length + 2);
            const int64_t at = wraps && index < 0 ? index + length : index;
            const int64_t row = at < 0 ? 0 : at >= length ? length - 1 : at;
            ((int32_t *)inputs[1].data)[i] = (int32_t)index;
            memcpy((float *)expected.data + i * width, m.plain + row * width,
                   (size_t)width * sizeof(float));
        }
        const value w = weight_of(g, &m);
        CHECK(op_packed_gather(g, w, input_of(g, &inputs[1]), wraps) != VALUE_NONE);
        check_rows("packed_gather", &kernel_vector_packed_gather, &kernel_portable_packed_gather, g,
                   inputs, &expected, 0);
        region_close(home);
    }
}

/* -- passes ------------------------------------------------------------------------------------ */

static uint32_t count_nodes(const graph *g, op_id op)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < g->node_count; i++)
        count += !g->nodes[i].is_dead && g->nodes[i].op == op;
    return count;
}

TEST(passes_let_products_read_packed_weights)
{
    packed_layout l = {.kind = EBB_I8, .rows = 12, .columns = 10};
    graph *g = graph_open(t->home);
    const shape w_shape = {.rank = 3, .dims = {12, 2, 5}}, flat = {.rank = 2, .dims = {12, 10}};
    const shape x_shape = {.rank = 2, .dims = {4, 12}};

    CHECK(packed_layout_make(&l));
    const value w = graph_weight(g, EBB_F32, &w_shape, 0);
    graph_weight_pack(g, w, &l);
    const value x = graph_input(g, EBB_F32, &x_shape);
    const value b = op_reshape(g, w, &flat); /* marked constant until the pass has been */
    graph_output(g, op_unary(g, UNARY_TANH, op_matmul(g, x, b, false, false)));
    CHECK_OK(passes_run(g, false, &t->error));
    CHECK_EQ(count_nodes(g, OP_packed_matmul), 1);
    CHECK_EQ(count_nodes(g, OP_matmul) + count_nodes(g, OP_unpack) + count_nodes(g, OP_reshape), 0);
}

/* What cannot read it gets it unpacked, computed in each call: nothing is folded from it. */
TEST(passes_unpack_for_all_others)
{
    packed_layout l = {.kind = EBB_F16, .rows = 12, .columns = 10};
    graph *g = graph_open(t->home);
    const shape w_shape = {.rank = 2, .dims = {12, 10}}, x_shape = {.rank = 2, .dims = {4, 10}};

    CHECK(packed_layout_make(&l));
    const value w = graph_weight(g, EBB_F32, &w_shape, 0);
    graph_weight_pack(g, w, &l);
    const value x = graph_input(g, EBB_F32, &x_shape);
    graph_output(g, op_matmul(g, x, w, false, true));
    graph_output(g, op_unary(g, UNARY_EXP, w));
    CHECK_OK(passes_run(g, true, &t->error));
    CHECK_EQ(count_nodes(g, OP_unpack), 1);
    CHECK_EQ(count_nodes(g, OP_matmul), 1);
    CHECK(!graph_value(g, g->outputs[1])->is_constant);
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->input_count && !n->is_dead; k++)
            if (n->inputs[k] == w) CHECK_EQ(n->op, OP_unpack);
    }
}

TEST(only_packed_weights_are_read_so)
{
    graph *g = graph_open(t->home);
    const shape s = {.rank = 2, .dims = {3, 3}};
    packed_layout l = {.kind = EBB_F16, .rows = 3, .columns = 3};

    CHECK(packed_layout_make(&l));
    CHECK_EQ(op_unpack(g, graph_weight(g, EBB_F32, &s, 0)), VALUE_NONE);
    CHECK_CONTAINS(g->error.text, "no packed weight");
    g = graph_open(t->home);
    graph_weight_pack(g, graph_input(g, EBB_F32, &s), &l);
    CHECK_STATUS(g->error.status, EBB_E_ARGUMENT);
    g = graph_open(t->home);
    graph_weight_pack(g, graph_variable(g, EBB_F32, &s, 0), &l);
    CHECK_STATUS(g->error.status, EBB_E_ARGUMENT);
    g = graph_open(t->home);
    const value w = graph_weight(g, EBB_F32, &s, 0);
    graph_weight_pack(g, w, &l);
    const shape wide = {.rank = 2, .dims = {2, 4}};
    const epilogue none = {.activation = {.kind = UNARY_IDENTITY}};
    const value inputs[] = {graph_input(g, EBB_F32, &wide), w, 0, 0, 0};
    CHECK_EQ(op_packed_matmul(g, inputs, &none), VALUE_NONE);
    CHECK_STATUS(g->error.status, EBB_E_SHAPE);
}

TEST_MAIN(RUN(weights_are_unpacked), RUN(products_read_packed_weights),
          RUN(rows_of_packed_tables_are_gathered), RUN(passes_let_products_read_packed_weights),
          RUN(passes_unpack_for_all_others), RUN(only_packed_weights_are_read_so))
