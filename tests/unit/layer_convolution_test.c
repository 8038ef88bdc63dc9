/* layer_convolution_test.c -- convolution and pooling layers: shapes, weights, refusals. */
#include "layer_rows.h"

TEST(convolution_rows)
{
    static const layer_row rows[] = {
        {"Conv1D", "'filters':4,'kernel_size':[3]", "[null,8,2]", "(batch, 6, 4)",
         "kernel(3,2,4) bias(4)", 0},
        {"Conv1D", "'filters':4,'kernel_size':3,'padding':'causal','dilation_rate':2",
         "[null,null,2]", "(batch, in0 axis 1, 4)", "kernel(3,2,4) bias(4)", 0},
        {"Conv2D", "'filters':4,'kernel_size':[3,3],'padding':'same','strides':[2,2]",
         "[null,9,7,3]", "(batch, 5, 4, 4)", "kernel(3,3,3,4) bias(4)", 0},
        {"Conv2D", "'filters':6,'kernel_size':[2,3],'groups':3,'use_bias':false", "[null,9,7,3]",
         "(batch, 8, 5, 6)", "kernel(2,3,1,6)", 0},
        {"Conv2D", "'filters':4,'kernel_size':3,'data_format':'channels_first'", "[null,3,9,7]",
         "(batch, 4, 7, 5)", "kernel(3,3,3,4) bias(4)", 0},
        {"Conv3D", "'filters':2,'kernel_size':[2,2,2],'dilation_rate':[2,1,1]", "[null,5,5,5,1]",
         "(batch, 3, 4, 4, 2)", "kernel(2,2,2,1,2) bias(2)", 0},
        {"Convolution2D", "'filters':4,'kernel_size':[1,1]", "[null,9,7,3]", "(batch, 9, 7, 4)",
         "kernel(1,1,3,4) bias(4)", 0},
        {"DepthwiseConv2D", "'kernel_size':[3,3],'depth_multiplier':2", "[null,5,5,3]",
         "(batch, 3, 3, 6)", "kernel(3,3,3,2) bias(6)", 0},
        {"DepthwiseConv1D", "'kernel_size':3,'data_format':'channels_first','padding':'same'",
         "[null,3,5]", "(batch, 3, 5)", "kernel(3,3,1) bias(3)", 0},
        {"SeparableConv2D", "'filters':4,'kernel_size':[3,3],'depth_multiplier':2,'strides':[2,2]",
         "[null,7,7,3]", "(batch, 3, 3, 4)",
         "depthwise_kernel(3,3,3,2) pointwise_kernel(1,1,6,4) bias(4)", 0},
        {"SeparableConv1D", "'filters':4,'kernel_size':3,'padding':'causal'", "[null,7,3]",
         "(batch, 7, 4)", "depthwise_kernel(3,3,1) pointwise_kernel(1,3,4) bias(4)", 0},
    };
    ROWS_CHECK(rows);
}

/* Lengths: keras/src/backend/common/backend_utils.py, compute_conv_transpose_output_shape. */
TEST(transposed_lengths)
{
    static const layer_row rows[] = {
        {"Conv2DTranspose", "'filters':4,'kernel_size':[3,3],'strides':[2,2],'padding':'same'",
         "[null,5,5,2]", "(batch, 10, 10, 4)", "kernel(3,3,4,2) bias(4)", 0},
        {"Conv2DTranspose", "'filters':4,'kernel_size':[3,3],'strides':[2,2],'padding':'valid'",
         "[null,5,5,2]", "(batch, 11, 11, 4)", "kernel(3,3,4,2) bias(4)", 0},
        {"Conv2DTranspose", "'filters':1,'kernel_size':2,'strides':3,'padding':'valid'",
         "[null,5,5,2]", "(batch, 15, 15, 1)", "kernel(2,2,1,2) bias(1)", 0},
        {"Conv2DTranspose",
         "'filters':1,'kernel_size':3,'strides':3,'padding':'same','output_padding':[1,2]",
         "[null,5,5,2]", "(batch, 14, 15, 1)", "kernel(3,3,1,2) bias(1)", 0},
        {"Conv1DTranspose",
         "'filters':1,'kernel_size':4,'strides':3,'padding':'valid','output_padding':1",
         "[null,5,2]", "(batch, 17, 1)", "kernel(4,1,2) bias(1)", 0},
        {"Conv1DTranspose", "'filters':1,'kernel_size':2,'strides':4,'padding':'same'",
         "[null,5,2]", "(batch, 20, 1)", "kernel(2,1,2) bias(1)", 0},
        {"Conv1DTranspose", "'filters':3,'kernel_size':3,'data_format':'channels_first'",
         "[null,2,5]", "(batch, 3, 7)", "kernel(3,3,2) bias(3)", 0},
        {"Conv3DTranspose", "'filters':1,'kernel_size':2,'strides':2", "[null,2,3,4,1]",
         "(batch, 4, 6, 8, 1)", "kernel(2,2,2,1,1) bias(1)", 0},
    };
    ROWS_CHECK(rows);
}

TEST(convolution_refusals)
{
    static const layer_row rows[] = {
        {"Conv2D", "'filters':4,'kernel_size':[3,3]", "[null,5,3]", NULL, "rank 4", EBB_E_SHAPE},
        {"Conv2D", "'filters':4,'kernel_size':[3,3,3]", "[null,5,5,3]", NULL, "kernel_size",
         EBB_E_FORMAT},
        {"Conv2D", "'filters':4,'kernel_size':[3,0]", "[null,5,5,3]", NULL, "kernel_size",
         EBB_E_FORMAT},
        {"Conv2D", "'filters':-1,'kernel_size':3", "[null,5,5,3]", NULL, "filters", EBB_E_FORMAT},
        {"Conv2D", "'filters':4,'kernel_size':3,'groups':2", "[null,5,5,3]", NULL,
         "does not divide", EBB_E_SHAPE},
        {"Conv2D", "'filters':4,'kernel_size':3,'padding':'causal'", "[null,5,5,3]", NULL,
         "valid|same", EBB_E_FORMAT},
        {"Conv2D", "'filters':4,'kernel_size':3,'padding':'full'", "[null,5,5,3]", NULL, "padding",
         EBB_E_FORMAT},
        {"Conv2D", "'filters':4,'kernel_size':3", "[null,5,5,null]", NULL, "channels", EBB_E_SHAPE},
        {"Conv1DTranspose", "'filters':1,'kernel_size':2,'padding':'causal'", "[null,5,2]", NULL,
         "padding", EBB_E_FORMAT},
        {"MaxPooling2D", "'pool_size':[0,2]", "[null,5,5,3]", NULL, "pool_size", EBB_E_FORMAT},
        {"AdaptiveMaxPooling1D", "'output_size':2", "[null,null,3]", NULL, "must be a known number",
         EBB_E_SHAPE},
    };
    ROWS_CHECK(rows);
}

TEST(pooling_rows)
{
    static const layer_row rows[] = {
        {"MaxPooling1D", "'pool_size':2", "[null,7,3]", "(batch, 3, 3)", "", 0},
        {"MaxPooling2D", "'pool_size':[2,3],'strides':[1,2],'padding':'same'", "[null,5,5,3]",
         "(batch, 5, 3, 3)", "", 0},
        {"MaxPool2D", "'pool_size':[2,2],'strides':null,'data_format':'channels_first'",
         "[null,3,6,4]", "(batch, 3, 3, 2)", "", 0},
        {"AveragePooling3D", "'pool_size':[2,2,2]", "[null,4,4,6,1]", "(batch, 2, 2, 3, 1)", "", 0},
        {"GlobalMaxPooling2D", "'data_format':'channels_first'", "[null,3,null,4]", "(batch, 3)",
         "", 0},
        {"GlobalAveragePooling2D", "'keepdims':true", "[null,5,null,4]", "(batch, 1, 1, 4)", "", 0},
        {"GlobalAveragePooling1D", "", "[null,null,4]", "(batch, 4)", "", 0},
        {"AdaptiveAveragePooling2D", "'output_size':[2,3]", "[null,5,6,4]", "(batch, 2, 3, 4)", "",
         0},
        {"AdaptiveMaxPooling3D", "'output_size':2,'data_format':'channels_first'", "[null,1,5,6,4]",
         "(batch, 1, 2, 2, 2)", "", 0},
        {"AdaptiveAveragePooling1D", "'output_size':4", "[null,2,3]", "(batch, 4, 3)", "", 0},
    };
    ROWS_CHECK(rows);
}

/* Even windows are one pool, uneven ones a gather and a reduction per axis. */
TEST(adaptive_windows)
{
    static rows_text text;
    const layer_row even = {
        "AdaptiveMaxPooling2D", "'output_size':[2,3]", "[null,4,6,1]", "", "", 0};
    const layer_row uneven = {
        "AdaptiveMaxPooling2D", "'output_size':[2,4]", "[null,4,6,1]", "", "", 0};
    const built_model *m = model_assemble(t, rows_model(&text, &even));
    CHECK_EQ(rows_count(m, OP_pool), 1);
    CHECK_EQ(rows_count(m, OP_gather), 0);
    m = model_assemble(t, rows_model(&text, &uneven));
    CHECK_EQ(rows_count(m, OP_pool), 0);
    CHECK_EQ(rows_count(m, OP_gather), 2);
}

TEST(convolutions_drop_masks)
{
    CHECK(!rows_passes_mask(t, "Conv1D", "'filters':4,'kernel_size':1"));
    CHECK(!rows_passes_mask(t, "MaxPooling1D", "'pool_size':1"));
    CHECK(!rows_passes_mask(t, "AveragePooling1D", "'pool_size':1"));
}

TEST(failed_allocations_leave_nothing)
{
    const layer_row separable = {
        "SeparableConv2D", "'filters':4,'kernel_size':[3,3]", "[null,7,7,3]", "", "", 0};
    const layer_row adaptive = {
        "AdaptiveAveragePooling2D", "'output_size':[2,4]", "[null,5,6,1]", "", "", 0};
    rows_torture(t, &separable);
    rows_torture(t, &adaptive);
}

TEST_MAIN(RUN(convolution_rows), RUN(transposed_lengths), RUN(convolution_refusals),
          RUN(pooling_rows), RUN(adaptive_windows), RUN(convolutions_drop_masks),
          RUN(failed_allocations_leave_nothing))
