/* tensorflow_build_test.c -- calls of the table that are refused, lengths that never reach run
 * time, every allocation failing in turn. */
#include <string.h>

#include "graph_run.h"
#include "tensorflow/tf_build.h"

typedef struct bench {
    graph *g;
    tf_build b;
    tf_tensor outputs[TF_OUTPUTS_MAX];
    dim rows;
} bench;

static void bench_open(test *t, bench *s)
{
    *s = (bench){.g = graph_open(t->home)};
    CHECK(s->g != NULL);
    s->b = (tf_build){.graph = s->g, .home = t->home};
    s->rows = dim_symbol(s->g, "rows");
}

/* Calls with up to four inputs and attributes. */
typedef struct call_of {
    const char *op;
    tf_tensor inputs[4];
    uint32_t input_count;
    tf_attribute attributes[4];
    uint32_t attribute_count;
} call_of;

static tf_tensor call(bench *s, const call_of *c)
{
    tf_call made = {.op = c->op,
                    .name = "node",
                    .inputs = c->inputs,
                    .input_count = c->input_count,
                    .attributes = c->attributes,
                    .attribute_count = c->attribute_count,
                    .outputs = s->outputs};

    if (!tf_operation(&s->b, &made)) return (tf_tensor){.type = TF_NONE};
    CHECK(made.output_count > 0);
    return s->outputs[0];
}

static tf_tensor floats(bench *s, uint32_t rank, const dim *dims)
{
    shape to = {.rank = rank};

    for (uint32_t i = 0; i < rank; i++) to.dims[i] = dims[i];
    return tf_tensor_of(&s->b, graph_input(s->g, EBB_F32, &to), TF_FLOAT);
}

static tf_tensor integers(bench *s, const int32_t *numbers, uint32_t count, uint32_t rank)
{
    const tf_constant c = {.type = TF_INT32,
                           .shape = {.has_rank = true, .rank = rank, .dims = {count}},
                           .count = count,
                           .data = numbers};
    tf_tensor result;

    CHECK(tf_tensor_constant(&s->b, &c, &result));
    return result;
}

static tf_tensor integer(bench *s, int32_t number)
{
    return integers(s, &number, 1, 0);
}

static const tf_attribute_value yes = {.i = 1}, axis_zero = {.i = 0}, three = {.i = 3};
static const tf_attribute_value text = {.s = {"yes", 3}};

/* Goal: one clear error for each wrong call, with the operation's and the node's name. */
TEST(wrong_calls_are_refused)
{
    const tf_attribute turned = {"transpose_a", TF_ATTRIBUTE_BOOL, false, 1, &yes};
    const tf_attribute texts = {"transpose_a", TF_ATTRIBUTE_TEXT, false, 1, &text};
    const tf_attribute wrong = {"transpose", TF_ATTRIBUTE_BOOL, false, 1, &yes};
    const tf_attribute axis = {"axis", TF_ATTRIBUTE_INT, false, 1, &axis_zero};
    bench s;

    bench_open(t, &s);
    const tf_tensor x = floats(&s, 2, (const dim[]){2, 3}), v = floats(&s, 1, (const dim[]){4});
    const tf_tensor i = integer(&s, 7), zero = integer(&s, 0);
    const tf_tensor data =
        tf_tensor_of(&s.b, graph_input(s.g, EBB_I32, &(shape){.rank = 1, .dims = {2}}), TF_INT32);
    const tf_tensor variable = {.type = TF_RESOURCE, .resource = 1};
    const struct {
        call_of c;
        ebb_status status;
        const char *part;
    } bad[] = {
        {{"MatMull", {x, x}, 2, {{0}}, 0}, EBB_E_UNSUPPORTED, "'MatMull'"},
        {{"MatMul", {x}, 1, {{0}}, 0}, EBB_E_ARGUMENT, "takes 2 inputs"},
        {{"MatMul", {x, x}, 2, {{0}}, 0}, EBB_E_SHAPE, "inner"},
        {{"MatMul", {x, x}, 2, {texts}, 1}, EBB_E_ARGUMENT, "must be bool"},
        {{"MatMul", {x, x}, 2, {wrong}, 1}, EBB_E_ARGUMENT, "no attribute 'transpose'"},
        {{"MatMul", {v, x}, 2, {turned}, 1}, EBB_E_SHAPE, "axes"},
        {{"Split", {zero, x}, 2, {{0}}, 0}, EBB_E_ARGUMENT, "'num_split' (int) is missing"},
        {{"Add", {x, i}, 2, {{0}}, 0}, EBB_E_DTYPE, "DT_FLOAT and DT_INT32"},
        {{"Add", {x, v}, 2, {{0}}, 0}, EBB_E_SHAPE, "fit"},
        {{"FloorDiv", {i, zero}, 2, {{0}}, 0}, EBB_E_ARGUMENT, "zero"},
        {{"Reshape", {x, i}, 2, {{0}}, 0}, EBB_E_SHAPE, "elements"},
        {{"Reshape", {x, data}, 2, {{0}}, 0}, EBB_E_UNSUPPORTED, "computed from data"},
        {{"ExpandDims", {x, i}, 2, {{0}}, 0}, EBB_E_ARGUMENT, "no axis 7"},
        {{"ConcatV2", {x, v, zero}, 3, {{0}}, 0}, EBB_E_SHAPE, "concat"},
        {{"Pack", {x, v}, 2, {axis}, 1}, EBB_E_SHAPE, "axes"},
        {{"Fill", {integer(&s, -2), x}, 2, {{0}}, 0}, EBB_E_SHAPE, "-2"},
        {{"AssignVariableOp", {x, x}, 2, {{0}}, 0}, EBB_E_ARGUMENT, "no variable"},
        {{"AssignVariableOp", {variable, x}, 2, {{0}}, 0}, EBB_E_UNSUPPORTED, "changed"},
        {{"TensorListStack",
          {x, i},
          2,
          {{"element_dtype", TF_ATTRIBUTE_TYPE, false, 1, &three}},
          1},
         EBB_E_ARGUMENT,
         "no list"},
        {{"Range", {zero, i, zero}, 3, {{0}}, 0}, EBB_E_ARGUMENT, "step"},
        {{"InvertPermutation", {integers(&s, (const int32_t[]){1, 1}, 2, 1)}, 1, {{0}}, 0},
         EBB_E_ARGUMENT,
         "permutation"},
    };

    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        CHECK(call(&s, &bad[k].c).type == TF_NONE);
        CHECK_STATUS(s.g->error.status, bad[k].status);
        CHECK_CONTAINS(s.g->error.text, bad[k].part);
        CHECK_TEXT(s.g->error.where, "node");
        CHECK(call(&s, &(call_of){"Neg", {x}, 1, {{0}}, 0}).type == TF_NONE); /* sticky */
        s.g->error = (ebb_error){0};
    }
}

/* Goal: what has no numbers, or numbers beyond 32 bits, says so. */
TEST(values_that_do_not_exist_are_refused)
{
    const int64_t large[] = {5000000000, 1};
    const tf_constant c = {.type = TF_INT64,
                           .shape = {.has_rank = true, .rank = 1, .dims = {2}},
                           .count = 2,
                           .data = large};
    const tf_constant odd = {.type = TF_COMPLEX64, .shape = {.has_rank = true}, .count = 1};
    const tf_constant few = {.type = TF_FLOAT,
                             .shape = {.has_rank = true, .rank = 1, .dims = {4}},
                             .count = 3,
                             .data = large};
    tf_tensor x;
    bench s;

    bench_open(t, &s);
    CHECK(tf_tensor_constant(&s.b, &c, &x) && x.has_lengths);
    CHECK_EQ(tf_value(&s.b, &x), VALUE_NONE);
    CHECK_CONTAINS(s.g->error.text, "5000000000");
    s.g->error = (ebb_error){0};
    CHECK(!tf_tensor_constant(&s.b, &odd, &x));
    CHECK_CONTAINS(s.g->error.text, "DT_COMPLEX64");
    s.g->error = (ebb_error){0};
    CHECK(!tf_tensor_constant(&s.b, &few, &x));
    CHECK_STATUS(s.g->error.status, EBB_E_SHAPE);
    s.g->error = (ebb_error){0};
    const tf_tensor list = {.type = TF_VARIANT};
    CHECK_EQ(tf_value(&s.b, &list), VALUE_NONE);
    CHECK_CONTAINS(s.g->error.text, "DT_VARIANT");
}

/* Goal: shapes are computed while the graph is built, also with unknown rows: no node is made. */
TEST(lengths_need_no_nodes)
{
    const tf_attribute shrink = {"shrink_axis_mask", TF_ATTRIBUTE_INT, false, 1, &yes};
    bench s;

    bench_open(t, &s);
    const tf_tensor x = floats(&s, 3, (const dim[]){s.rows, 4, 8});
    const tf_tensor dims = call(&s, &(call_of){"Shape", {x}, 1, {{0}}, 0});
    CHECK(dims.has_lengths && dims.lengths[0] == s.rows && dims.lengths[1] == 4);
    const tf_tensor zero = integers(&s, (const int32_t[]){0}, 1, 1),
                    one = integers(&s, (const int32_t[]){1}, 1, 1);
    const tf_tensor rows =
        call(&s, &(call_of){"StridedSlice", {dims, zero, one, one}, 4, {shrink}, 1});
    CHECK(rows.has_lengths && rows.rank == 0 && rows.lengths[0] == s.rows);
    const tf_tensor twice = call(&s, &(call_of){"Mul", {rows, integer(&s, 2)}, 2, {{0}}, 0});
    CHECK_EQ(twice.lengths[0], dim_make(s.g, DIM_MUL, s.rows, 2));
    const tf_tensor open = call(&s, &(call_of){"Pack", {rows, integer(&s, -1)}, 2, {{0}}, 0});
    const tf_tensor halves = call(&s, &(call_of){"Pack", {twice, integer(&s, -1)}, 2, {{0}}, 0});
    const tf_tensor product = call(&s, &(call_of){"Prod", {dims, zero}, 2, {{0}}, 0});
    CHECK_EQ(product.lengths[0], dim_make(s.g, DIM_MUL, s.rows, 32));
    CHECK_EQ(s.g->node_count, 0);
    const tf_tensor flat = call(&s, &(call_of){"Reshape", {x, open}, 2, {{0}}, 0});
    CHECK_EQ(graph_dim(s.g, flat.v, 1), 32);
    CHECK_EQ(graph_dim(s.g, flat.v, 0), s.rows);
    const tf_tensor half = call(&s, &(call_of){"Reshape", {x, halves}, 2, {{0}}, 0});
    CHECK_EQ(graph_dim(s.g, half.v, 1), 16);
    CHECK_EQ(s.g->node_count, 2);
    const tf_tensor less = call(&s, &(call_of){"Less", {rows, zero}, 2, {{0}}, 0});
    CHECK(less.has_lengths && less.lengths[0] == 0); /* no length is negative */
    CHECK_EQ(s.g->node_count, 2);
    const tf_tensor unknown = call(&s, &(call_of){"Less", {rows, integer(&s, 3)}, 2, {{0}}, 0});
    CHECK(!unknown.has_lengths && unknown.v != VALUE_NONE);
    CHECK(graph_ok(s.g));
}

/* Goal: a length is a number when somebody computes with it, negative ones too. */
TEST(lengths_become_numbers)
{
    bench s;

    bench_open(t, &s);
    const tf_tensor x = floats(&s, 1, &s.rows);
    const tf_tensor rows = call(&s, &(call_of){"Size", {x}, 1, {{0}}, 0});
    const tf_tensor less = call(&s, &(call_of){"Sub", {rows, integer(&s, 9)}, 2, {{0}}, 0});
    const tf_tensor pair = call(&s, &(call_of){"Pack", {less, rows}, 2, {{0}}, 0});
    CHECK(less.has_lengths && pair.has_lengths);
    const value v = tf_value(&s.b, &pair);
    graph_output(s.g, v);
    graph_run *r = graph_run_open_at(t, s.g, (const int64_t[]){5});
    graph_run_input(r, 0, (const float[]){1, 2, 3, 4, 5});
    graph_run_step(r);
    CHECK_EQ(((const int32_t *)graph_run_value(r, v))[0], -4);
    CHECK_EQ(((const int32_t *)graph_run_value(r, v))[1], 5);
}

static bool build_much(graph *g, region *home)
{
    bench s = {.g = g, .b = {.graph = g, .home = home}};

    s.rows = dim_symbol(g, "rows");
    if (!graph_ok(g)) return false;
    const int32_t numbers[] = {0, 1, -5, 7};
    const tf_constant c = {.type = TF_INT32,
                           .shape = {.has_rank = true, .rank = 1, .dims = {4}},
                           .count = 4,
                           .data = numbers};
    tf_tensor list, axis = {.type = TF_INT32, .has_lengths = true, .length_count = 1};
    const dim none = 0;
    axis.lengths = &none;
    const shape wide = {.rank = 2, .dims = {s.rows, 4}};
    const tf_tensor x = tf_tensor_of(&s.b, graph_input(g, EBB_F32, &wide), TF_FLOAT);
    if (!tf_tensor_constant(&s.b, &c, &list)) return false;
    const call_of calls[] = {{"Shape", {x}, 1, {{0}}, 0},
                             {"Sum", {x, axis}, 2, {{0}}, 0},
                             {"Pack", {x, x, x}, 3, {{0}}, 0},
                             {"Einsum", {x, x}, 2, {{0}}, 0},
                             {"ConcatV2", {list, list, axis}, 3, {{0}}, 0}};
    const tf_attribute_value equation = {.s = {"ab,cb->ac", 9}};
    const tf_attribute named = {"equation", TF_ATTRIBUTE_TEXT, false, 1, &equation};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        call_of one = calls[i];
        if (strcmp(one.op, "Einsum") == 0) one.attributes[one.attribute_count++] = named;
        if (call(&s, &one).type == TF_NONE) return false;
    }
    return tf_value(&s.b, &list) != VALUE_NONE;
}

/* Goal: whichever allocation fails, the failure is that there is no memory. */
TEST(every_allocation_may_fail)
{
    const uint64_t before = region_bytes_live(ledger_root(t->ledger));

    for (int64_t n = 0;; n++) {
        region *home = region_open(t->home, "graph", EBB_CLASS_META, 0);
        CHECK(home != NULL);
        test_fail_allocation(t, n);
        graph *g = graph_open(home);
        const bool good = g != NULL && build_much(g, home);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_EQ(good, !failed);
        CHECK(g == NULL || good || g->error.status == EBB_E_MEMORY);
        region_close(home);
        CHECK_EQ(region_bytes_live(ledger_root(t->ledger)), before);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(wrong_calls_are_refused), RUN(values_that_do_not_exist_are_refused),
          RUN(lengths_need_no_nodes), RUN(lengths_become_numbers), RUN(every_allocation_may_fail))
