/* ctc_test.c -- the op behind the loss CTC: its shape rule and its kernel. Values and gradients are
 * checked by loss_test.c against Keras and by gradient_test.c against differences. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "kernel_case.h"

extern const kernel_def kernel_portable_ctc;

#define DIMS(...)                                                                                  \
    (const int64_t[])                                                                              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void run(test *t, const case_tensor inputs[2], case_tensor outputs[2], uint32_t threads)
{
    const graph *g = kernel_case_graph(t->home, OP_ctc, NULL, inputs, 2);

    CHECK(kernel_case_run(&kernel_portable_ctc, g, &g->nodes[0], inputs, outputs, threads));
}

TEST(threads_change_nothing)
{
    uint64_t seed = 5;
    case_tensor one[2], other[2];
    const case_tensor inputs[2] = {case_tensor_random(t->home, EBB_F32, 3, DIMS(5, 9, 6), &seed),
                                   case_tensor_make(t->home, EBB_I32, 2, DIMS(5, 4))};

    for (uint32_t i = 0; i < 20; i++) ((int32_t *)inputs[1].data)[i] = (int32_t)(i * 7 % 6);
    run(t, inputs, one, 1);
    for (uint32_t threads = 2; threads < 8; threads += 2) {
        run(t, inputs, other, threads);
        CHECK_EQ(memcmp(one[0].data, other[0].data, 5 * sizeof(float)), 0);
        CHECK_EQ(memcmp(one[1].data, other[1].data, 5 * 9 * 6 * sizeof(float)), 0);
    }
}

/* Two steps, one label of two classes: of the four ways to speak, three say it. */
TEST(small_case_by_hand)
{
    case_tensor outputs[2];
    const case_tensor inputs[2] = {case_tensor_make(t->home, EBB_F32, 3, DIMS(1, 2, 2)),
                                   case_tensor_make(t->home, EBB_I32, 2, DIMS(1, 1))};

    *(int32_t *)inputs[1].data = 1;
    run(t, inputs, outputs, 1);
    CHECK_NEAR(*(float *)outputs[0].data, -log(0.75), 1e-6);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_NEAR(((float *)outputs[1].data)[i], i % 2 == 0 ? 0.5 - 1 / 3.0 : 0.5 - 2 / 3.0, 1e-6);
}

TEST(labels_that_are_no_class)
{
    case_tensor outputs[2];
    const case_tensor inputs[2] = {case_tensor_make(t->home, EBB_F32, 3, DIMS(3, 4, 2)),
                                   case_tensor_make(t->home, EBB_I32, 2, DIMS(3, 1))};

    memcpy(inputs[1].data, (const int32_t[]){2, 1, -1}, 3 * sizeof(int32_t));
    run(t, inputs, outputs, 2);
    CHECK(isnan(((float *)outputs[0].data)[0]));
    CHECK(isfinite(((float *)outputs[0].data)[1]));
    CHECK(isnan(((float *)outputs[0].data)[2]));
    CHECK(isnan(((float *)outputs[1].data)[7]) && isfinite(((float *)outputs[1].data)[8]));
}

/* Three labels in two steps, and a blank among them: what TensorFlow answers, with the rounding of
 * its float32 logarithms. */
TEST(labels_that_cannot_be_spoken)
{
    static const double gradient[] = {0, 1 / 6.0, 0, -1 / 18.0, 2 / 9.0, -1 / 9.0};
    case_tensor outputs[2];
    const case_tensor inputs[2] = {case_tensor_make(t->home, EBB_F32, 3, DIMS(1, 2, 3)),
                                   case_tensor_make(t->home, EBB_I32, 2, DIMS(1, 4))};

    memcpy(inputs[1].data, (const int32_t[]){1, 0, 2, 1}, 4 * sizeof(int32_t));
    run(t, inputs, outputs, 1);
    CHECK_NEAR(*(float *)outputs[0].data, 707.4814, 1e-3);
    for (uint32_t i = 0; i < 6; i++) CHECK_NEAR(((float *)outputs[1].data)[i], gradient[i], 5e-5);
}

TEST(shapes_that_do_not_fit)
{
    static const struct {
        ebb_dtype logits, labels;
        shape x, y;
    } items[] = {
        {EBB_F32, EBB_I32, {2, {3, 4}}, {2, {3, 1}}},
        {EBB_F32, EBB_I32, {3, {3, 4, 2}}, {1, {3}}},
        {EBB_F32, EBB_F32, {3, {3, 4, 2}}, {2, {3, 1}}},
        {EBB_I32, EBB_I32, {3, {3, 4, 2}}, {2, {3, 1}}},
        {EBB_F32, EBB_I32, {3, {3, 4, 2}}, {2, {4, 1}}},
    };

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        graph *const g = graph_open(t->home);
        const value x = graph_input(g, items[i].logits, &items[i].x);

        CHECK_EQ(op_ctc(g, x, graph_input(g, items[i].labels, &items[i].y)), VALUE_NONE);
        CHECK(g->error.status == EBB_E_SHAPE || g->error.status == EBB_E_DTYPE);
        CHECK_CONTAINS(g->error.text, "ctc");
    }
}

TEST_MAIN(RUN(threads_change_nothing), RUN(small_case_by_hand), RUN(labels_that_are_no_class),
          RUN(labels_that_cannot_be_spoken), RUN(shapes_that_do_not_fit))
