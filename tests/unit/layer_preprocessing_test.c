/* layer_preprocessing_test.c -- preprocessing layers: shapes, weights, integers, refusals. */
#include "layer_rows.h"

TEST(preprocessing_rows)
{
    static const layer_row rows[] = {
        {"Rescaling", "'scale':0.5,'offset':1", "#[null,3]", "(batch, 3)", "", 0},
        {"Rescaling", "'scale':[0.1,0.2,0.3],'offset':0.0", "[null,4,3]", "(batch, 4, 3)", "", 0},
        {"Normalization", "'axis':[-1]", "[null,3]", "(batch, 3)", "mean(3)- variance(3)- count()-",
         0},
        {"Normalization", "'axis':[]", "[null,3]", "(batch, 3)", "mean()- variance()- count()-", 0},
        {"Normalization", "'axis':[-1],'mean':[1,2,3],'variance':[1,1,2]", "[null,5,3]",
         "(batch, 5, 3)", "", 0},
        {"Normalization", "'axis':-1,'mean':3.0,'variance':2.0,'invert':true", "[null,3]",
         "(batch, 3)", "", 0},
        {"CategoryEncoding", "'num_tokens':6,'output_mode':'multi_hot'", "#[null,3]", "(batch, 6)",
         "", 0},
        {"CategoryEncoding", "'num_tokens':6,'output_mode':'one_hot'", "#[null,1]", "(batch, 6)",
         "", 0},
        {"CategoryEncoding", "'num_tokens':6,'output_mode':'one_hot'", "#[null,3]", "(batch, 3, 6)",
         "", 0},
        {"CategoryEncoding", "'num_tokens':6,'output_mode':'count'", "#[null,3]", "(batch, 6)", "",
         0},
        {"Discretization", "'bin_boundaries':[0.0,1.0],'output_mode':'int'", "[null,3]",
         "(batch, 3)", "", 0},
        {"Discretization", "'bin_boundaries':[0.0,1.0],'output_mode':'one_hot'", "[null,1]",
         "(batch, 3)", "", 0},
        {"Resizing", "'height':4,'width':5", "[null,null,null,3]", "(batch, 4, 5, 3)", "", 0},
        {"Resizing",
         "'height':4,'width':5,'crop_to_aspect_ratio':true,'data_format':'channels_first'",
         "[null,3,9,9]", "(batch, 3, 4, 5)", "", 0},
        {"Resizing", "'height':4,'width':6,'pad_to_aspect_ratio':true", "[null,9,9,3]",
         "(batch, 4, 6, 3)", "", 0},
        {"CenterCrop", "'height':4,'width':5", "[null,9,null,3]", "(batch, 4, 5, 3)", "", 0},
        {"CenterCrop", "'height':20,'width':5", "[null,9,9,3]", "(batch, 20, 5, 3)", "", 0},
        {"RandomFlip", "'mode':'horizontal','seed':1,'data_format':'channels_last'", "[null,9,9,3]",
         "(batch, 9, 9, 3)", "", 0},
        {"RandomCrop", "'height':2,'width':2", "[null,9,9,3]", "(batch, 9, 9, 3)", "", 0},
        {"AutoContrast", "'value_range':[0,255]", "[null,9,9,3]", "(batch, 9, 9, 3)", "", 0},
        {"Pipeline",
         "'layers':[" MODEL_LAYER("Dense", "'name':'a','units':4") "," MODEL_LAYER(
             "Dense", "'name':'b','units':2") "]",
         "[null,3]", "(batch, 2)", "kernel(3,4) bias(4) kernel(4,2) bias(2)", 0},
    };
    ROWS_CHECK(rows);
}

TEST(preprocessing_refusals)
{
    static const layer_row rows[] = {
        {"Rescaling", "'scale':'x'", "[null,3]", NULL, "scale: expected a number", EBB_E_FORMAT},
        {"Rescaling", "'scale':[1,[2]]", "[null,2]", NULL, "scale", EBB_E_FORMAT},
        {"Normalization", "'axis':[-1],'mean':[1,2,3]", "[null,3]", NULL, "both or none",
         EBB_E_FORMAT},
        {"Normalization", "'axis':[-1]", "[null,null]", NULL, "must be a known number",
         EBB_E_SHAPE},
        {"CategoryEncoding", "'num_tokens':0", "#[null,3]", NULL, "num_tokens", EBB_E_FORMAT},
        {"Discretization", "'bin_boundaries':null,'num_bins':3", "[null,3]", NULL, "adapt()",
         EBB_E_FORMAT},
        {"Resizing", "'height':4,'width':0", "[null,9,9,3]", NULL, "at least 1", EBB_E_FORMAT},
        {"Resizing", "'height':4,'width':5,'crop_to_aspect_ratio':true", "[null,null,9,3]", NULL,
         "must be a known number", EBB_E_SHAPE},
        {"Resizing", "'height':4,'width':5,'crop_to_aspect_ratio':true,'pad_to_aspect_ratio':true",
         "[null,9,9,3]", NULL, "exclude each other", EBB_E_FORMAT},
        {"RandomFlip", "'mode':'horizontal'", "[null,9,9,3];[null,4]", NULL, "one input tensor",
         EBB_E_UNSUPPORTED},
    };
    ROWS_CHECK(rows);
}

/* What the model declares for its output, from an integer image. */
static ebb_dtype declared(test *t, const char *class_name, const char *config)
{
    static rows_text text;
    const layer_row row = {class_name, config, "#[null,9,9,3]", "", "", 0};
    return model_assemble(t, rows_model(&text, &row))->outputs[0].dtype;
}

TEST(integer_images)
{
    CHECK_EQ(declared(t, "Resizing", "'height':4,'width':5"), EBB_I32);
    CHECK_EQ(declared(t, "CenterCrop", "'height':4,'width':5"), EBB_F32);
    CHECK_EQ(declared(t, "RandomBrightness", "'factor':0.1"), EBB_I32);
    CHECK_EQ(declared(t, "RandomFlip", "'mode':'vertical'"), EBB_F32);
    CHECK_EQ(declared(t, "UpSampling2D", "'size':2"), EBB_I32);
    CHECK_EQ(declared(t, "Discretization", "'bin_boundaries':[1.0]"), EBB_I32);
    CHECK_EQ(declared(t, "Average", ""), EBB_F64);
}

TEST(rescaling_passes_masks)
{
    CHECK(rows_passes_mask(t, "Rescaling", "'scale':2.0"));
    CHECK(rows_passes_mask(t, "Normalization", "'axis':[-1]"));
}

TEST(failed_allocations_leave_nothing)
{
    const layer_row normalization = {
        "Normalization", "'axis':[-1],'mean':[1,2,3],'variance':[1,1,2]", "[null,5,3]", "", "", 0};
    const layer_row resizing = {
        "Resizing", "'height':4,'width':6,'pad_to_aspect_ratio':true", "[null,9,9,3]", "", "", 0};
    rows_torture(t, &normalization);
    rows_torture(t, &resizing);
}

TEST_MAIN(RUN(preprocessing_rows), RUN(preprocessing_refusals), RUN(integer_images),
          RUN(rescaling_passes_masks), RUN(failed_allocations_leave_nothing))
