/* layer_normalization_test.c -- normalisation layers: shapes, weights in order, masks, refusals. */
#include "layer_rows.h"

TEST(normalization_rows)
{
    static const layer_row rows[] = {
        {"BatchNormalization", "'axis':-1", "[null,8,8,3]", "(batch, 8, 8, 3)",
         "gamma(3) beta(3) moving_mean(3)- moving_variance(3)-", 0},
        {"BatchNormalization", "'axis':[1],'scale':false", "[null,3,null,8]",
         "(batch, 3, in0 axis 2, 8)", "beta(3) moving_mean(3)- moving_variance(3)-", 0},
        {"BatchNormalization", "'axis':1,'center':false,'momentum':0.9", "[null,3,8]",
         "(batch, 3, 8)", "gamma(3) moving_mean(3)- moving_variance(3)-", 0},
        {"BatchNormalization", "'renorm':true,'renorm_clipping':{'rmax':2.0},'renorm_momentum':0.9",
         "[null,3]", "(batch, 3)",
         "gamma(3) beta(3) moving_mean(3)- moving_variance(3)- moving_stddev(3)- renorm_mean(3)- "
         "renorm_stddev(3)-",
         0},
        {"LayerNormalization", "'axis':[-1]", "[null,null,16]", "(batch, in0 axis 1, 16)",
         "gamma(16) beta(16)", 0},
        {"LayerNormalization", "'axis':[1,2],'center':false", "[null,4,5,6]", "(batch, 4, 5, 6)",
         "gamma(4,5)", 0},
        {"LayerNormalization", "'axis':-1,'rms_scaling':true", "[null,16]", "(batch, 16)",
         "gamma(16)", 0},
        {"LayerNormalization", "'axis':-1,'scale':false,'center':false", "[null,null]",
         "(batch, in0 axis 1)", "", 0},
        {"GroupNormalization", "'groups':2,'axis':-1", "[null,null,4]", "(batch, in0 axis 1, 4)",
         "gamma(4) beta(4)", 0},
        {"GroupNormalization", "'groups':-1,'axis':1", "[null,4,5,6]", "(batch, 4, 5, 6)",
         "gamma(4) beta(4)", 0},
        {"RMSNormalization", "'axis':[-1]", "[null,6]", "(batch, 6)", "scale(6)", 0},
        {"UnitNormalization", "'axis':[1,2]", "[null,6,3]", "(batch, 6, 3)", "", 0},
        {"SpectralNormalization",
         "'power_iterations':1,'layer':{'module':'keras.layers','class_name':'Dense','config':"
         "{'name':'d','units':2},'registered_name':null}",
         "[null,3]", "(batch, 2)", "kernel(3,2) vector_u(1,2)- bias(2)", 0},
    };
    ROWS_CHECK(rows);
}

TEST(normalization_refusals)
{
    static const layer_row rows[] = {
        {"BatchNormalization", "'axis':[1,2]", "[null,3,3]", NULL, "one axis", EBB_E_UNSUPPORTED},
        {"BatchNormalization", "'axis':3", "[null,3,3]", NULL, "axis 3", EBB_E_SHAPE},
        {"BatchNormalization", "'axis':1", "[null,null,3]", NULL, "must be a known number",
         EBB_E_SHAPE},
        {"GroupNormalization", "'groups':3,'axis':-1", "[null,8,4]", NULL, "does not divide",
         EBB_E_SHAPE},
        {"LayerNormalization", "'axis':-1", "[null,null]", NULL, "must be a known number",
         EBB_E_SHAPE},
        {"SpectralNormalization",
         "'layer':{'module':'keras.layers','class_name':'ReLU','config':{'name':'r'},"
         "'registered_name':null}",
         "[null,3]", NULL, "neither a kernel nor embeddings", EBB_E_UNSUPPORTED},
    };
    ROWS_CHECK(rows);
}

/* The plain case is one op; what has Keras's own rounding to keep is spelled out. */
TEST(layer_normalization_is_one_op)
{
    static rows_text text;
    const layer_row wide = {"LayerNormalization", "'axis':-1", "[null,16]", "", "", 0};
    const layer_row tiny = {"LayerNormalization", "'axis':-1", "[null,2]", "", "", 0};
    CHECK_EQ(rows_count(model_assemble(t, rows_model(&text, &wide)), OP_normalize), 1);
    CHECK_EQ(rows_count(model_assemble(t, rows_model(&text, &tiny)), OP_normalize), 0);
}

TEST(normalizations_pass_masks)
{
    CHECK(rows_passes_mask(t, "BatchNormalization", ""));
    CHECK(rows_passes_mask(t, "LayerNormalization", "'axis':-1"));
    CHECK(rows_passes_mask(t, "GroupNormalization", "'groups':2"));
    CHECK(rows_passes_mask(t, "UnitNormalization", "'axis':-1"));
    CHECK(!rows_passes_mask(t, "RMSNormalization", "'axis':-1"));
}

TEST(failed_allocations_leave_nothing)
{
    const layer_row row = {"BatchNormalization", "'axis':1", "[null,3,4,4]", "", "", 0};
    rows_torture(t, &row);
}

TEST_MAIN(RUN(normalization_rows), RUN(normalization_refusals), RUN(layer_normalization_is_one_op),
          RUN(normalizations_pass_masks), RUN(failed_allocations_leave_nothing))
