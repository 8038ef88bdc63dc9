/* graph_api_test.c -- public graphs: names, attributes, the short names, limits, order, defaults.
 */
#include <pthread.h>
#include <string.h>

#include "graph_fixture.h"

static const float six[] = {1, 2, 3, 4, 5, 6}, three[] = {1, 2, 3};

TEST(names_are_unique)
{
    fixture f;
    ebb_tensor_info info;
    ebb_tensor found;
    ebb_operation_info operation;

    fixture_open(t, &f);
    const ebb_tensor a = fixture_vector(&f, 3, three), b = fixture_vector(&f, 3, three);
    const ebb_tensor c = ebb_add(f.graph, a, b), d = ebb_add(f.graph, a, b);
    const ebb_tensor e =
        ebb_graph_op(f.graph, "MatMul",
                     (ebb_tensor[]){fixture_matrix(&f, 2, 3, six), fixture_matrix(&f, 2, 3, six)},
                     2, "transpose_b = True, name='scores'");
    fixture_good(t, &f);
    CHECK_OK(ebb_graph_tensor_info(f.graph, b, &info));
    CHECK_TEXT(info.name, "Const_1:0");
    CHECK_OK(ebb_graph_tensor_info(f.graph, d, &info));
    CHECK_TEXT(info.name, "AddV2_1:0");
    CHECK_EQ(info.dtype, EBB_F32);
    CHECK_EQ(info.rank, 1);
    CHECK_EQ(info.dims[0], 3);
    CHECK_OK(ebb_graph_tensor_info(f.graph, e, &info));
    CHECK_TEXT(info.name, "scores:0");
    CHECK_EQ(info.dims[1], 2);
    CHECK_EQ(ebb_graph_name(f.graph, c, "sum").id, c.id);
    CHECK_OK(ebb_graph_find(f.graph, "sum:0", &found, &t->error));
    CHECK_EQ(found.id, c.id);
    CHECK_STATUS(ebb_graph_find(f.graph, "AddV2", &found, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "AddV2_1");
    CHECK_STATUS(ebb_graph_find(f.graph, "sum:1", &found, &t->error), EBB_E_NOT_FOUND);
    CHECK_EQ(ebb_graph_operation_count(f.graph), 7);
    CHECK_OK(ebb_graph_operation_read(f.graph, 6, &operation));
    CHECK_TEXT(operation.name, "scores");
    CHECK_TEXT(operation.op, "MatMul");
    CHECK_EQ(operation.inputs, 2);
    CHECK_STATUS(ebb_graph_operation_read(f.graph, 7, &operation), EBB_E_ARGUMENT);
    CHECK_EQ(ebb_graph_name(f.graph, c, "a b").id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_ARGUMENT);
    fixture_close(t, &f);
}

static void refused(test *t, fixture *f, const char *op, size_t count, const char *attributes,
                    const char *words)
{
    const ebb_tensor a = fixture_matrix(f, 2, 3, six), inputs[] = {a, a};

    CHECK_EQ(ebb_graph_op(f->graph, op, inputs, count, attributes).id, 0);
    CHECK(ebb_graph_error(f->graph, &t->error) != EBB_OK);
    CHECK_CONTAINS(t->error.text, words);
}

TEST(attributes_are_checked)
{
    fixture f;

    fixture_open(t, &f);
    refused(t, &f, "MatMull", 2, NULL, "nearest are MatMul");
    refused(t, &f, "MatMul", 2, "transpose=true", "there is no attribute 'transpose'");
    refused(t, &f, "MatMul", 2, "transpose_a=3", "must be bool");
    refused(t, &f, "MatMul", 2, "transpose_a=[true]", "must be bool");
    refused(t, &f, "MatMul", 2, "transpose_a", "no '='");
    refused(t, &f, "MatMul", 2, "transpose_a=true false", "no ','");
    refused(t, &f, "MatMul", 2, "name='x", "does not end");
    refused(t, &f, "MatMul", 2, "=3", "no name");
    refused(t, &f, "MatMul", 1, NULL, "inputs");
    refused(t, &f, "Neg", 2, NULL, "inputs");
    refused(t, &f, "LeakyRelu", 1, "alpha='high'", "must be float");
    refused(t, &f, "Const", 0, NULL, "ebb_graph_constant");
    refused(t, &f, "Assign", 2, NULL, "expected a variable");
    const ebb_tensor x = fixture_matrix(&f, 2, 3, six);
    CHECK(ebb_graph_op(f.graph, "LeakyRelu", &x, 1, "alpha=1").id != 0); /* an int is a float */
    CHECK(ebb_graph_op(f.graph, "Cast", &x, 1, "DstT=tf.int32").id != 0);
    CHECK(ebb_graph_op_format(f.graph, "Squeeze", &x, 1, "squeeze_dims=[], name='%s'", "s").id !=
          0);
    fixture_good(t, &f);
    fixture_close(t, &f);
}

TEST(wrong_shapes_are_told_when_added)
{
    fixture f;

    fixture_open(t, &f);
    const ebb_tensor a = fixture_matrix(&f, 2, 3, six);
    CHECK_EQ(ebb_matmul(f.graph, a, a).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.where, "MatMul");
    CHECK_EQ(ebb_add(f.graph, a, fixture_vector(&f, 2, three)).id, 0);
    CHECK(ebb_graph_error(f.graph, &t->error) != EBB_OK);
    const uint32_t count = ebb_graph_operation_count(f.graph);
    CHECK_EQ(ebb_graph_placeholder(f.graph, "p", EBB_F32, UINT32_MAX, NULL).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "unknown rank");
    CHECK_EQ(ebb_graph_placeholder(f.graph, "p", (ebb_dtype)99, 0, NULL).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_DTYPE);
    CHECK_EQ(ebb_graph_placeholder(f.graph, "p", EBB_F32, 1, (int64_t[]){-2}).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_SHAPE);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "p", EBB_F32, 1, (int64_t[]){-1});
    CHECK_EQ(ebb_graph_variable_from(f.graph, "v", p).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_SHAPE);
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", fixture_vector(&f, 3, three));
    CHECK_EQ(ebb_assign(f.graph, w, a).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_SHAPE);
    CHECK_EQ(ebb_assign(f.graph, a, a).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(ebb_graph_operation_count(f.graph), count + 4); /* nothing of the refused ones */
    fixture_close(t, &f);
}

TEST(every_short_name_is_in_the_table)
{
    static const char *const ops[] = {
#define NAME(name, op) op,
        EBB_UNARY_OPERATION_MAP(NAME) EBB_BINARY_OPERATION_MAP(NAME) EBB_REDUCTION_MAP(NAME)
#undef NAME
            "MatMul",
        "BatchMatMulV2",
        "Reshape",
        "Transpose",
        "ExpandDims",
        "Squeeze",
        "ConcatV2",
        "Pack",
        "Slice",
        "GatherV2",
        "SelectV2",
        "Cast",
        "ArgMax",
        "OneHot",
        "Fill",
        "RandomStandardNormal",
        "TruncatedNormal",
        "RandomUniform"};
    ebb_operation operation;

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        bool found = false;
        for (uint32_t k = 0; !found && ebb_operation_read(k, &operation); k++)
            found = strcmp(operation.name, ops[i]) == 0;
        if (!found) harness_fail(__FILE__, __LINE__, "%s is not in the table", ops[i]);
    }
    CHECK(ebb_operation_count() > 100);
}

/* What TensorFlow gives for the same calls. */
TEST(the_short_names_compute)
{
    fixture f;
    float y[16];
    int64_t n[2];
    bool b[6];

    fixture_open(t, &f);
    const ebb_tensor m = fixture_matrix(&f, 2, 3, six), v = fixture_vector(&f, 3, three);
    const ebb_graph g = f.graph;
    fixture_fetch(t, &f, ebb_matmul_with(g, m, m, false, true), y);
    fixture_numbers(t, y, (float[]){14, 32, 32, 77}, 4);
    fixture_fetch(t, &f, ebb_reduce_sum(g, m, (int64_t[]){0}, 1, false), y);
    fixture_numbers(t, y, (float[]){5, 7, 9}, 3);
    fixture_fetch(t, &f, ebb_reduce_mean(g, m, (int64_t[]){-1}, 1, true), y);
    fixture_numbers(t, y, (float[]){2, 5}, 2);
    fixture_fetch(t, &f, ebb_reduce_max(g, m, NULL, 0, false), y);
    CHECK_NEAR(y[0], 6, 0);
    fixture_fetch(t, &f, ebb_transpose(g, m, NULL), y);
    fixture_numbers(t, y, (float[]){1, 4, 2, 5, 3, 6}, 6);
    fixture_fetch(t, &f, ebb_reshape(g, m, 2, (int64_t[]){3, -1}), y);
    fixture_numbers(t, y, six, 6);
    fixture_fetch(t, &f, ebb_concat(g, (ebb_tensor[]){v, v}, 2, 0), y);
    fixture_numbers(t, y, (float[]){1, 2, 3, 1, 2, 3}, 6);
    fixture_fetch(t, &f, ebb_stack(g, (ebb_tensor[]){v, v}, 2, 1), y);
    fixture_numbers(t, y, (float[]){1, 1, 2, 2, 3, 3}, 6);
    fixture_fetch(t, &f, ebb_slice(g, m, (int64_t[]){0, 1}, (int64_t[]){2, -1}), y);
    fixture_numbers(t, y, (float[]){2, 3, 5, 6}, 4);
    fixture_fetch(t, &f, ebb_where(g, ebb_less(g, m, ebb_graph_number(g, 4)), m, ebb_neg(g, m)), y);
    fixture_numbers(t, y, (float[]){1, 2, 3, -4, -5, -6}, 6);
    fixture_fetch(t, &f, ebb_softmax(g, v), y);
    fixture_numbers(t, y, (float[]){0.09003057f, 0.24472848f, 0.66524094f}, 3);
    fixture_fetch(t, &f, ebb_div(g, v, ebb_expand_dims(g, v, 1)), y);
    CHECK_NEAR(y[3], 0.5, 1e-6);
    fixture_fetch(t, &f, ebb_fill(g, 1, (int64_t[]){2}, 2.5), y);
    fixture_numbers(t, y, (float[]){2.5f, 2.5f}, 2);
    CHECK_OK(ebb_session_fetch(f.session, ebb_arg_max(g, m, 1), &(ebb_view){.data = n}, &t->error));
    CHECK_EQ(n[1], 2);
    CHECK_OK(ebb_session_fetch(f.session, ebb_equal(g, m, v), &(ebb_view){.data = b}, &t->error));
    CHECK(b[0] && b[2] && !b[3]);
    fixture_fetch(t, &f, ebb_one_hot(g, ebb_cast(g, v, EBB_I32), 4), y);
    fixture_numbers(t, y, (float[]){0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, 12);
    fixture_fetch(t, &f, ebb_gather(g, v, ebb_cast(g, ebb_graph_number(g, 2), EBB_I32), 0), y);
    CHECK_NEAR(y[0], 3, 0);
    fixture_good(t, &f);
    fixture_close(t, &f);
}

TEST(several_outputs)
{
    fixture f;
    float y[2];
    int32_t indices[2];

    fixture_open(t, &f);
    const float numbers[] = {3, 9, 1, 7};
    int32_t two = 2;
    const ebb_tensor k =
        ebb_graph_constant(f.graph, &(ebb_view){.dtype = EBB_I32, .data = &two}, "k");
    const ebb_tensor top =
        ebb_graph_op(f.graph, "TopKV2", (ebb_tensor[]){fixture_vector(&f, 4, numbers), k}, 2, NULL);
    const ebb_tensor fetches[] = {top, ebb_graph_output(f.graph, top, 1)};
    const ebb_view outputs[] = {fixture_view(2, y), {EBB_I32, 1, {2}, indices}};
    fixture_good(t, &f);
    CHECK_OK(ebb_session_run(f.session, NULL, 0, fetches, outputs, 2, NULL, 0, &t->error));
    fixture_numbers(t, y, (float[]){9, 7}, 2);
    CHECK_EQ(indices[0], 1);
    CHECK_EQ(indices[1], 3);
    CHECK_EQ(ebb_graph_output(f.graph, top, 2).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_ARGUMENT);
    fixture_close(t, &f);
}

/* -- random numbers ---------------------------------------------------------------------------- */

#define DRAWS 20000

static void draw(test *t, ebb_runtime runtime, uint64_t seed, uint64_t own, float *numbers,
                 int runs)
{
    fixture f = {.runtime = runtime};

    CHECK_OK(ebb_graph_open(runtime, NULL, &f.graph, &t->error));
    CHECK_OK(ebb_graph_seed(f.graph, seed));
    const ebb_tensor r = ebb_random_normal(f.graph, 1, (int64_t[]){DRAWS}, 1, 2, own);
    CHECK_STATUS(ebb_graph_seed(f.graph, 1), EBB_E_STATE);
    CHECK_OK(ebb_session_open(f.graph, NULL, &f.session, &t->error));
    for (int i = 0; i < runs; i++) fixture_fetch(t, &f, r, numbers);
    CHECK_OK(ebb_session_close(f.session, NULL, &t->error));
    CHECK_OK(ebb_graph_close(f.graph, NULL, &t->error));
}

TEST(random_numbers_follow_the_seed)
{
    static float a[DRAWS], b[DRAWS];
    fixture f;
    double mean = 0, square = 0;

    fixture_open(t, &f);
    draw(t, f.runtime, 7, 0, a, 1);
    draw(t, f.runtime, 7, 0, b, 1);
    CHECK_EQ(memcmp(a, b, sizeof a), 0);
    for (int i = 0; i < DRAWS; i++) {
        mean += a[i];
        square += (double)a[i] * a[i];
    }
    mean /= DRAWS;
    CHECK_NEAR(mean, 1, 0.06);
    CHECK_NEAR(square / DRAWS - mean * mean, 4, 0.2);
    draw(t, f.runtime, 7, 0, b, 2); /* the second run */
    CHECK(memcmp(a, b, sizeof a) != 0);
    draw(t, f.runtime, 8, 0, b, 1);
    CHECK(memcmp(a, b, sizeof a) != 0);
    draw(t, f.runtime, 7, 3, b, 1);
    CHECK(memcmp(a, b, sizeof a) != 0);
    fixture_close(t, &f);
}

/* -- order ------------------------------------------------------------------------------------- */

TEST(cycles_are_refused)
{
    fixture f;
    float y;

    fixture_open(t, &f);
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", ebb_graph_number(f.graph, 1));
    const ebb_tensor read = ebb_graph_read(f.graph, w);
    const ebb_tensor twice = ebb_add(f.graph, read, read);
    const ebb_tensor next = ebb_assign(f.graph, w, ebb_graph_number(f.graph, 5));
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    fixture_fetch(t, &f, twice, &y);
    CHECK_NEAR(y, 2, 0);
    CHECK_STATUS(ebb_graph_after(f.graph, read, twice, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "cycle");
    CHECK_STATUS(ebb_graph_after(f.graph, read, read, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_graph_after(f.graph, read, next, &t->error)); /* the plan from before is void */
    fixture_fetch(t, &f, twice, &y);
    CHECK_NEAR(y, 10, 0);
    CHECK_STATUS(ebb_graph_after(f.graph, next, twice, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_graph_control_pop(f.graph), EBB_E_STATE);
    CHECK_OK(ebb_graph_finalize(f.graph));
    CHECK_EQ(ebb_neg(f.graph, twice).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "finalized");
    CHECK_STATUS(ebb_graph_after(f.graph, twice, w, &t->error), EBB_E_STATE);
    fixture_close(t, &f);
}

TEST(graphs_have_limits)
{
    fixture f;
    ebb_graph small;
    ebb_graph_options options = EBB_GRAPH_OPTIONS_INIT;
    ebb_graph_info info;
    static float big[30000];

    fixture_open(t, &f);
    options.nodes_max = 3;
    options.bytes_max = 64 << 10;
    options.name = "small";
    CHECK_OK(ebb_graph_open(f.runtime, &options, &small, &t->error));
    CHECK_EQ(ebb_graph_constant(small, &(ebb_view){EBB_F32, 1, {30000}, big}, NULL).id, 0);
    CHECK_STATUS(ebb_graph_error(small, &t->error), EBB_E_MEMORY);
    for (int i = 0; i < 3; i++) CHECK(ebb_graph_number(small, i).id != 0);
    CHECK_EQ(ebb_graph_number(small, 3).id, 0);
    CHECK_STATUS(ebb_graph_error(small, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "nodes_max");
    CHECK_OK(ebb_graph_info_read(small, &info));
    CHECK_TEXT(info.name, "small");
    CHECK_EQ(info.operations, 3);
    CHECK_OK(ebb_graph_close(small, NULL, &t->error));
    CHECK_STATUS(ebb_graph_info_read(small, &info), EBB_E_STALE);
    CHECK_EQ(ebb_graph_number(small, 3).id, 0);
    fixture_close(t, &f);
}

/* -- default graphs ---------------------------------------------------------------------------- */

static void *other_thread(void *context)
{
    const fixture *f = context;
    ebb_graph graph = {0};

    if (ebb_graph_default(f->runtime, &graph, NULL) != EBB_OK) return NULL;
    (void)ebb_graph_close(graph, NULL, NULL);
    return (void *)(uintptr_t)graph.id;
}

TEST(every_thread_has_a_default_graph)
{
    fixture f, second;
    ebb_graph a, b, previous;
    pthread_t thread;
    void *other;

    fixture_open(t, &f);
    fixture_open(t, &second);
    CHECK_OK(ebb_graph_default(f.runtime, &a, &t->error));
    CHECK_OK(ebb_graph_default(f.runtime, &b, &t->error));
    CHECK_EQ(a.id, b.id);
    CHECK_OK(ebb_graph_default(second.runtime, &b, &t->error));
    CHECK(a.id != b.id);
    CHECK_STATUS(ebb_graph_as_default(f.runtime, b, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_graph_close(b, NULL, &t->error));
    CHECK_EQ(pthread_create(&thread, NULL, other_thread, &f), 0);
    pthread_join(thread, &other);
    CHECK(other != NULL && (uint64_t)(uintptr_t)other != a.id);
    CHECK_OK(ebb_graph_as_default(f.runtime, f.graph, &previous, &t->error));
    CHECK_EQ(previous.id, a.id);
    CHECK_OK(ebb_graph_default(f.runtime, &b, &t->error));
    CHECK_EQ(b.id, f.graph.id);
    CHECK_OK(ebb_graph_as_default(f.runtime, previous, &b, &t->error));
    CHECK_EQ(b.id, f.graph.id);
    CHECK_OK(ebb_graph_close(a, NULL, &t->error));
    CHECK_OK(ebb_graph_default(f.runtime, &b, &t->error)); /* a new one */
    CHECK(b.id != a.id);
    CHECK_OK(ebb_graph_close(b, NULL, &t->error));
    fixture_close(t, &second);
    fixture_close(t, &f);
}

TEST_MAIN(RUN(names_are_unique), RUN(attributes_are_checked), RUN(wrong_shapes_are_told_when_added),
          RUN(every_short_name_is_in_the_table), RUN(the_short_names_compute), RUN(several_outputs),
          RUN(random_numbers_follow_the_seed), RUN(cycles_are_refused), RUN(graphs_have_limits),
          RUN(every_thread_has_a_default_graph))
