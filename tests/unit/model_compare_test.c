/* model_compare_test.c -- how the outputs of two models differ. */
#include <math.h>
#include <string.h>

#include "built_models.h"
#include "shrink_models.h"

TEST(a_model_agrees_with_itself)
{
    const ebb_runtime r = built_runtime(t);
    ebb_model (*const makers[])(test *, ebb_runtime) = {shrink_text_model, shrink_image_model,
                                                        shrink_attention_model};

    for (int i = 0; i < 3; i++) {
        const ebb_model model = makers[i](t, r);
        const uint64_t live = built_live(r);
        ebb_compare_options options = EBB_COMPARE_OPTIONS_INIT;
        ebb_difference d;
        bool agree = false;

        options.is_exact = true;
        CHECK_OK(ebb_model_compare(model, model, NULL, &options, &d, 1, &agree, &t->error));
        CHECK(agree);
        CHECK(d.absolute == 0 && d.relative == 0 && d.rms == 0 && d.outside == 0);
        CHECK_NEAR(d.cosine, 1, 1e-12);
        CHECK_NEAR(d.agreement, 1, 0);
        CHECK(d.scale > 0 && d.elements % 8 == 0);
        CHECK_OK(ebb_trim(r, NULL)); /* a plan for so many rows */
        CHECK_EQ(built_live(r), live);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    built_close(t, r);
}

/* x -> x * factor + offset, a number each. */
static ebb_model line(test *t, ebb_runtime r, float factor, float offset)
{
    ebb_builder b;
    ebb_model model;

    CHECK_OK(ebb_build_open(r, "line", &b, &t->error));
    const ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 1, (int64_t[]){2});
    const ebb_tensor y = ebb_build_layer_format(b, "Rescaling", x, "scale=%g, offset=%g",
                                                (double)factor, (double)offset);
    CHECK_OK(ebb_build_finish(b, &y, 1, NULL, &model, &t->error));
    return model;
}

TEST(differences_are_measured)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model a = line(t, r, 1, 0), b = line(t, r, 2, 0), c = line(t, r, -1, 0);
    float x[] = {1, 2, -4, 3};
    const ebb_view view = {EBB_F32, 2, {2, 2}, x};
    const ebb_views inputs = {&view, 1};
    ebb_compare_options options = EBB_COMPARE_OPTIONS_INIT;
    ebb_difference d;
    bool agree;

    CHECK_OK(ebb_model_compare(a, b, &inputs, NULL, &d, 1, &agree, &t->error));
    CHECK(!agree);
    CHECK_EQ(d.elements, 4);
    CHECK_EQ(d.outside, 4);
    CHECK_NEAR(d.absolute, 4, 1e-6);
    CHECK_NEAR(d.relative, 1, 1e-6);
    CHECK_NEAR(d.rms, sqrt(30.0 / 4), 1e-6);
    CHECK_NEAR(d.scale, 4, 1e-6);
    CHECK_NEAR(d.cosine, 1, 1e-9);
    CHECK_NEAR(d.agreement, 1, 0);
    options.atol = 4;
    CHECK_OK(ebb_model_compare(a, b, &inputs, &options, &d, 1, &agree, &t->error));
    CHECK(agree);
    CHECK_OK(ebb_model_compare(a, c, &inputs, NULL, &d, 1, &agree, &t->error));
    CHECK_NEAR(d.cosine, -1, 1e-9);
    CHECK_NEAR(d.agreement, 0, 0);
    x[1] = NAN;
    CHECK_OK(ebb_model_compare(a, a, &inputs, NULL, &d, 1, &agree, &t->error));
    CHECK(agree && d.absolute == 0);
    CHECK_OK(ebb_model_unload(a, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(b, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(c, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST(models_that_do_not_match_are_refused)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model a = line(t, r, 1, 0), text = shrink_text_model(t, r);
    ebb_compare_options options = EBB_COMPARE_OPTIONS_INIT;
    ebb_difference d[2];

    CHECK_STATUS(ebb_model_compare(a, text, NULL, NULL, d, 1, NULL, &t->error), EBB_E_SHAPE);
    CHECK_STATUS(ebb_model_compare(a, a, NULL, NULL, d, 2, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_compare(a, a, NULL, NULL, NULL, 1, NULL, &t->error), EBB_E_ARGUMENT);
    options.rtol = -1;
    CHECK_STATUS(ebb_model_compare(a, a, NULL, &options, d, 1, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_model_unload(text, NULL, NULL, &t->error));
    CHECK_STATUS(ebb_model_compare(a, text, NULL, NULL, d, 1, NULL, &t->error), EBB_E_STALE);
    CHECK_OK(ebb_model_unload(a, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST(failures_leave_nothing)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r);
    ebb_compare_options options = EBB_COMPARE_OPTIONS_INIT;
    ebb_difference d;

    options.rows = 40; /* a shape that was not planned */
    for (int64_t n = 0;; n++) {
        CHECK_OK(ebb_trim(r, NULL));
        const uint64_t live = built_live(r);
        test_fail_allocation(t, n);
        const ebb_status status =
            ebb_model_compare(model, model, NULL, &options, &d, 1, NULL, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_OK(ebb_trim(r, NULL));
        CHECK_EQ(built_live(r), live);
        if (!failed) break;
    }
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST_MAIN(RUN(a_model_agrees_with_itself), RUN(differences_are_measured),
          RUN(models_that_do_not_match_are_refused), RUN(failures_leave_nothing))
