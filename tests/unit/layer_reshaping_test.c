/* layer_reshaping_test.c -- reshaping layers: known and unknown lengths, refusals. */
#include "layer_rows.h"

TEST(reshaping_rows)
{
    static const layer_row rows[] = {
        {"Flatten", "", "[null,3,4]", "(batch, 12)", "", 0},
        {"Flatten", "", "[null,null,4]", "(batch, (in0 axis 1*4))", "", 0},
        {"Flatten", "", "[null]", "(batch, 1)", "", 0},
        {"Flatten", "'data_format':'channels_first'", "#[null,2,3,4]", "(batch, 24)", "", 0},
        {"Reshape", "'target_shape':[-1,6]", "[null,3,4]", "(batch, 2, 6)", "", 0},
        {"Reshape", "'target_shape':[-1,2]", "[null,null,4]", "(batch, (in0 axis 1*2), 2)", "", 0},
        {"Reshape", "'target_shape':[]", "[null,1]", "(batch,)", "", 0},
        {"Permute", "'dims':[3,1,2]", "[null,2,3,4]", "(batch, 4, 2, 3)", "", 0},
        {"RepeatVector", "'n':3", "[null,5]", "(batch, 3, 5)", "", 0},
        {"Cropping1D", "'cropping':[1,2]", "[null,null,3]", "(batch, (in0 axis 1-3), 3)", "", 0},
        {"Cropping2D", "'cropping':[[1,2],[0,1]]", "[null,6,6,3]", "(batch, 3, 5, 3)", "", 0},
        {"Cropping2D", "'cropping':[1,2],'data_format':'channels_first'", "[null,3,6,6]",
         "(batch, 3, 4, 2)", "", 0},
        {"Cropping3D", "'cropping':1", "[null,6,6,6,3]", "(batch, 4, 4, 4, 3)", "", 0},
        {"ZeroPadding1D", "'padding':2", "[null,4,3]", "(batch, 8, 3)", "", 0},
        {"ZeroPadding2D", "'padding':[[0,1],[2,3]],'data_format':'channels_first'", "[null,3,4,4]",
         "(batch, 3, 5, 9)", "", 0},
        {"ZeroPadding3D", "'padding':[[1,1],[2,2],[3,3]]", "#[null,4,4,4,1]",
         "(batch, 6, 8, 10, 1)", "", 0},
        {"UpSampling1D", "'size':3", "[null,4,2]", "(batch, 12, 2)", "", 0},
        {"UpSampling2D", "'size':[2,3],'interpolation':'nearest'", "[null,4,4,2]",
         "(batch, 8, 12, 2)", "", 0},
        {"UpSampling2D", "'size':2,'interpolation':'bilinear','data_format':'channels_first'",
         "[null,2,4,null]", "(batch, 2, 8, (in0 axis 3*2))", "", 0},
        {"UpSampling3D", "'size':[1,2,3]", "[null,2,2,2,1]", "(batch, 2, 4, 6, 1)", "", 0},
    };
    ROWS_CHECK(rows);
}

TEST(reshaping_refusals)
{
    static const layer_row rows[] = {
        {"Reshape", "'target_shape':[5,-1]", "[null,12]", NULL, "do not divide", EBB_E_SHAPE},
        {"Reshape", "'target_shape':[5]", "[null,12]", NULL, "expected 12 elements, got 5",
         EBB_E_SHAPE},
        {"Reshape", "'target_shape':[-1,-1]", "[null,12]", NULL, "at most one -1", EBB_E_FORMAT},
        {"Reshape", "'target_shape':[1,1,1,1,1,1,1,12]", "[null,12]", NULL, "at most 7",
         EBB_E_UNSUPPORTED},
        {"Permute", "'dims':[1,1]", "[null,2,3]", NULL, "every axis", EBB_E_SHAPE},
        {"Permute", "'dims':[1]", "[null,2,3]", NULL, "every axis", EBB_E_SHAPE},
        {"RepeatVector", "'n':2", "[null,2,3]", NULL, "rank 2", EBB_E_SHAPE},
        {"Cropping1D", "'cropping':[3,2]", "[null,4,3]", NULL, "more than the 4 cells",
         EBB_E_SHAPE},
        {"Cropping2D", "'cropping':[[1,2,3],[1,1]]", "[null,4,4,3]", NULL, "[before, after]",
         EBB_E_FORMAT},
        {"ZeroPadding2D", "'padding':[[-1,0],[0,0]]", "[null,4,4,3]", NULL, "at least 0",
         EBB_E_FORMAT},
        {"ZeroPadding2D", "'padding':[1,2,3]", "[null,4,4,3]", NULL, "2 pairs", EBB_E_FORMAT},
        {"UpSampling2D", "'size':0", "[null,4,4,3]", NULL, "size", EBB_E_FORMAT},
        {"UpSampling2D", "'interpolation':'area'", "[null,4,4,3]", NULL, "interpolation",
         EBB_E_FORMAT},
    };
    ROWS_CHECK(rows);
}

TEST(reshaping_drops_masks)
{
    CHECK(!rows_passes_mask(t, "Reshape", "'target_shape':[4,4]"));
    CHECK(!rows_passes_mask(t, "Permute", "'dims':[1,2]"));
    CHECK(!rows_passes_mask(t, "ZeroPadding1D", "'padding':0"));
}

TEST(failed_allocations_leave_nothing)
{
    const layer_row row = {"UpSampling3D", "'size':2", "[null,null,2,2,1]", "", "", 0};
    rows_torture(t, &row);
}

TEST_MAIN(RUN(reshaping_rows), RUN(reshaping_refusals), RUN(reshaping_drops_masks),
          RUN(failed_allocations_leave_nothing))
