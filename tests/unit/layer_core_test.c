/* layer_core_test.c -- core and activation layers: shapes, weights, masks, refusals. */
#include "layer_rows.h"

TEST(core_rows)
{
    static const layer_row rows[] = {
        {"Dense", "'units':5", "[null,3]", "(batch, 5)", "kernel(3,5) bias(5)", 0},
        {"Dense", "'units':5,'use_bias':false", "[null,null,3]", "(batch, in0 axis 1, 5)",
         "kernel(3,5)", 0},
        {"Dense", "'units':2,'activation':'softmax'", "#[null,3]", "(batch, 2)",
         "kernel(3,2) bias(2)", 0},
        {"Dense", "'units':2,'trainable':false", "[null,3]", "(batch, 2)", "kernel(3,2)- bias(2)-",
         0},
        {"Dense", "'units':2,'lora_rank':4,'lora_alpha':4", "[null,3]", "(batch, 2)",
         "kernel(3,2) bias(2)", 0},
        {"EinsumDense", "'equation':'abc,cd->abd','output_shape':[null,4],'bias_axes':'d'",
         "[null,6,3]", "(batch, 6, 4)", "kernel(3,4) bias(4)", 0},
        {"EinsumDense", "'equation':'...c,cde->...de','output_shape':[3,4],'bias_axes':'de'",
         "[null,null,8]", "(batch, in0 axis 1, 3, 4)", "kernel(8,3,4) bias(3,4)", 0},
        {"EinsumDense", "'equation':'btnh,nhd->btd','output_shape':[null,7],'bias_axes':null",
         "[null,5,2,3]", "(batch, 5, 7)", "kernel(2,3,7)", 0},
        {"EinsumDense", "'equation':'abc,cd->adb','output_shape':[4,6],'bias_axes':'d'",
         "[null,6,3]", "(batch, 4, 6)", "kernel(3,4) bias(4,1)", 0},
        {"EinsumDense", "'equation':'ab...,bc->ac...','output_shape':4,'bias_axes':'c'",
         "[null,3,5]", "(batch, 4, 5)", "kernel(3,4) bias(4,1)", 0},
        {"Embedding", "'input_dim':10,'output_dim':4", "#[null,null]", "(batch, in0 axis 1, 4)",
         "embeddings(10,4)", 0},
        {"ReversibleEmbedding", "'input_dim':10,'output_dim':4,'tie_weights':false", "#[null,3]",
         "(batch, 3, 4)", "embeddings(10,4) reverse_embeddings(4,10)", 0},
        {"Masking", "'mask_value':1.5", "[null,null,4]", "(batch, in0 axis 1, 4)", "", 0},
        {"Identity", "", "#[null,4]", "(batch, 4)", "", 0},
        {"Dropout", "'rate':0.5,'seed':null,'noise_shape':[null,1]", "[null,4]", "(batch, 4)", "",
         0},
        {"ActivityRegularization", "'l1':0.1,'l2':0.2", "[null,4]", "(batch, 4)", "", 0},
        {"GaussianNoise", "'stddev':0.1", "[null,4]", "(batch, 4)", "", 0},
        {"LayerScale", "'init_values':1e-6,'projection_dim':4", "[null,2,4]", "(batch, 2, 4)",
         "gamma(4)", 0},
        {"StochasticDepth", "'drop_path_rate':0.5", "[null,4]", "(batch, 4)", "", 0},
        {"CustomScaleLayer", "'scale':0.5", "[null,4];[null,4]", "(batch, 4)", "", 0},
    };
    ROWS_CHECK(rows);
}

TEST(core_refusals)
{
    static const layer_row rows[] = {
        {"Dense", "'units':0", "[null,3]", NULL, "units: expected a positive number", EBB_E_FORMAT},
        {"Dense", "", "[null,3]", NULL, "'units' is missing", EBB_E_FORMAT},
        {"Dense", "'units':3", "[null,null]", NULL, "must be a known number", EBB_E_SHAPE},
        {"Dense", "'units':3", "[null]", NULL, "rank 2", EBB_E_SHAPE},
        {"Dense", "'units':3", "[null,2];[null,2]", NULL, "one input tensor, got 2",
         EBB_E_UNSUPPORTED},
        {"Dense", "'units':3,'quantization_config':{'class_name':'Int8QuantizationConfig'}",
         "[null,2]", NULL, "quantization_config", EBB_E_UNSUPPORTED},
        {"EinsumDense", "'equation':'abc->ab','output_shape':[3]", "[null,2,3]", NULL, "abc->ab",
         EBB_E_FORMAT},
        {"EinsumDense", "'equation':'abc,cd->abd','output_shape':[null,4]", "[null,3]", NULL,
         "does not fit", EBB_E_SHAPE},
        {"Embedding", "'input_dim':0,'output_dim':4", "#[null,3]", NULL, "positive numbers",
         EBB_E_FORMAT},
        {"LayerScale", "'init_values':1,'projection_dim':0", "[null,4]", NULL, "projection_dim",
         EBB_E_FORMAT},
        {"CustomScaleLayer", "'scale':0.5", "[null,4]", NULL, "two inputs, got 1", EBB_E_SHAPE},
        {"Masking", "'mask_value':'x'", "[null,3,4]", NULL, "expected a number", EBB_E_FORMAT},
    };
    ROWS_CHECK(rows);
}

TEST(activation_rows)
{
    static const layer_row rows[] = {
        {"Activation", "'activation':'relu'", "[null,4]", "(batch, 4)", "", 0},
        {"ReLU", "'max_value':6,'negative_slope':0.1,'threshold':0.0", "[null,4]", "(batch, 4)", "",
         0},
        {"ReLU", "'max_value':null,'negative_slope':0.1,'threshold':1.0", "[null,4]", "(batch, 4)",
         "", 0},
        {"LeakyReLU", "'negative_slope':0.3", "[null,4]", "(batch, 4)", "", 0},
        {"ELU", "'alpha':0.5", "[null,4]", "(batch, 4)", "", 0},
        {"ThresholdedReLU", "'theta':1.0", "[null,4]", "(batch, 4)", "", 0},
        {"PReLU", "'shared_axes':[1,2]", "[null,null,8,3]", "(batch, in0 axis 1, 8, 3)",
         "alpha(1,1,3)", 0},
        {"PReLU", "'shared_axes':null", "[null,8,3]", "(batch, 8, 3)", "alpha(8,3)", 0},
        {"Softmax", "'axis':[1,2]", "[null,8,3]", "(batch, 8, 3)", "", 0},
        {"Softmax", "'axis':3", "[null,8,3]", NULL, "axis 3", EBB_E_SHAPE},
        {"PReLU", "'shared_axes':null", "[null,null,3]", NULL, "must be a known number",
         EBB_E_SHAPE},
        {"Activation", "'activation':'nonesuch'", "[null,4]", NULL, "nonesuch", EBB_E_UNSUPPORTED},
        {"ReLU", "'max_value':[1,2]", "[null,4]", NULL, "max_value: expected a number",
         EBB_E_FORMAT},
    };
    ROWS_CHECK(rows);
}

TEST(activations_pass_masks)
{
    CHECK(rows_passes_mask(t, "Dense", "'units':4"));
    CHECK(!rows_passes_mask(t, "EinsumDense", "'equation':'abc,cd->abd','output_shape':[null,4]"));
    CHECK(rows_passes_mask(t, "Identity", ""));
    CHECK(rows_passes_mask(t, "Activation", "'activation':'tanh'"));
    CHECK(rows_passes_mask(t, "ReLU", ""));
    CHECK(rows_passes_mask(t, "LeakyReLU", ""));
    CHECK(rows_passes_mask(t, "ELU", ""));
    CHECK(rows_passes_mask(t, "PReLU", "'shared_axes':[1]"));
    CHECK(rows_passes_mask(t, "Dropout", "'rate':0.5"));
    CHECK(rows_passes_mask(t, "SpatialDropout1D", "'rate':0.5"));
    CHECK(rows_passes_mask(t, "GaussianDropout", "'rate':0.5"));
    CHECK(rows_passes_mask(t, "AlphaDropout", "'rate':0.5"));
}

/* An Embedding makes a mask only when it is told to. */
TEST(embedding_masks_zero)
{
    static rows_text text;
    for (int is_on = 0; is_on <= 1; is_on++) {
        rows_begin(&text);
        rows_inputs(&text, "#[null,6]");
        rows_node(&text, "Embedding",
                  is_on ? "'input_dim':9,'output_dim':4,'mask_zero':true"
                        : "'input_dim':9,'output_dim':4,'mask_zero':false",
                  "embedding", 1, "in");
        rows_node(&text, "GlobalAveragePooling1D", "", "average", 1, "embedding");
        rows_end(&text, 1, "average");
        const built_model *m = model_assemble(t, text.text);
        CHECK_EQ(rows_count(m, OP_compare), is_on);
        CHECK_EQ(rows_count_binary(m, BINARY_DIV), is_on);
    }
}

/* Keras lets through what is above the threshold, not what equals it: no plain relu. */
TEST(relu_threshold_is_strict)
{
    static rows_text text;
    const layer_row row = {"ReLU", "'threshold':1.0", "[null,4]", "", "", 0};
    const built_model *m = model_assemble(t, rows_model(&text, &row));
    CHECK_EQ(rows_count(m, OP_compare), 1);
    CHECK_EQ(rows_count(m, OP_select), 1);
}

TEST(failed_allocations_leave_nothing)
{
    const layer_row dense = {"Dense", "'units':5,'activation':'relu'", "[null,3]", "", "", 0};
    const layer_row einsum = {"EinsumDense",
                              "'equation':'...c,cde->...de','output_shape':[3,4],'bias_axes':'de'",
                              "[null,null,8]",
                              "",
                              "",
                              0};
    rows_torture(t, &dense);
    rows_torture(t, &einsum);
}

TEST_MAIN(RUN(core_rows), RUN(core_refusals), RUN(activation_rows), RUN(activations_pass_masks),
          RUN(embedding_masks_zero), RUN(relu_threshold_is_strict),
          RUN(failed_allocations_leave_nothing))
