/* config_read_test.c -- configuration fields: kinds, defaults, and one clear fault each. */
#include <math.h>
#include <stddef.h>

#include "layer_model.h"

typedef struct sample {
    int64_t     units;
    float       rate;
    bool        use_bias;
    const char *text;
    uint32_t    padding;
    activation  act;
    int_list    ints;
    const json *any, *kept;
    double      exact, limit;
    const json *given;
} sample;

static const layer_field fields[] = {
    {"units", FIELD_I64, offsetof(sample, units), true, 0, NULL},
    {"rate", FIELD_F32, offsetof(sample, rate), false, 0.5, NULL},
    {"use_bias", FIELD_BOOL, offsetof(sample, use_bias), false, 1, NULL},
    {"text", FIELD_TEXT, offsetof(sample, text), false, 0, "nothing"},
    {"padding", FIELD_CHOICE, offsetof(sample, padding), false, 1, "valid|same|causal"},
    {"activation", FIELD_ACTIVATION, offsetof(sample, act), false, 0, "tanh"},
    {"ints", FIELD_INTS, offsetof(sample, ints), false, 0, NULL},
    {"any", FIELD_JSON, offsetof(sample, any), false, 0, NULL},
    {"kept", FIELD_TRAINING, offsetof(sample, kept), false, 0, NULL},
    {"dropped", FIELD_TRAINING, 0, false, 0, NULL},
    {"exact", FIELD_F64, offsetof(sample, exact), false, 0.1, NULL},
    {"limit", FIELD_F64_OR_NONE, offsetof(sample, limit), false, 0.2, NULL},
    {"given", FIELD_GIVEN, offsetof(sample, given), false, 0, NULL},
    {NULL, FIELD_BOOL, 0, false, 0, NULL},
};
static const layer_def def = {"Sample", "test", NULL, sizeof(sample), fields, MASK_DROPS, NULL};

static ebb_status read_sample(test *t, const char *text, sample *s)
{
    memset(s, 0, sizeof *s);
    return layer_config_read(&def, t->home, model_json(t, text), "here", s, &t->error);
}

TEST(config_defaults)
{
    sample s;
    CHECK_OK(read_sample(t, "{'units':3}", &s));
    CHECK_EQ(s.units, 3);
    CHECK_NEAR(s.rate, 0.5, 0);
    CHECK(s.use_bias);
    CHECK_TEXT(s.text, "nothing");
    CHECK_EQ(s.padding, 1);
    CHECK_TEXT(s.act.def->name, "tanh");
    CHECK_EQ(s.ints.count, 0);
    CHECK(s.any == NULL && s.kept == NULL);
    CHECK_NEAR(s.exact, 0.1, 0);
    CHECK_NEAR(s.limit, 0.2, 0);
    CHECK(s.given == NULL);
}

TEST(config_null_and_numbers_of_training)
{
    sample s;
    CHECK_OK(read_sample(t, "{'units':3,'exact':null,'limit':null,'given':null}", &s));
    CHECK_NEAR(s.exact, 0.1, 0);
    CHECK(isnan(s.limit));
    CHECK(s.given != NULL && json_is_null(s.given));
    CHECK_OK(read_sample(t, "{'units':3,'exact':0.999,'limit':2,'given':'x'}", &s));
    CHECK_NEAR(s.exact, 0.999, 0);
    CHECK_NEAR(s.limit, 2, 0);
    CHECK(json_is_text(s.given, "x"));
    CHECK_STATUS(read_sample(t, "{'units':3,'exact':'x'}", &s), EBB_E_FORMAT);
    CHECK_STATUS(read_sample(t, "{'units':3,'limit':1e300}", &s), EBB_E_FORMAT);
    CHECK_STATUS(read_sample(t, "{'units':3,'exact':NaN}", &s), EBB_E_FORMAT);
}

TEST(config_values)
{
    sample s;
    CHECK_OK(read_sample(t,
                         "{'units':3.0,'rate':2,'use_bias':false,'text':'abc','padding':'CAUSAL',"
                         "'activation':null,"
                         "'ints':[[1,2],[3,null]],'any':{'a':1},'kept':{'b':2},'dropped':{'c':3}}",
                         &s));
    CHECK_EQ(s.units, 3);
    CHECK_NEAR(s.rate, 2, 0);
    CHECK(!s.use_bias);
    CHECK_TEXT(s.text, "abc");
    CHECK_EQ(s.padding, 2);
    CHECK(s.act.def == NULL);
    CHECK_EQ(s.ints.count, 4);
    CHECK_EQ(s.ints.items[2], 3);
    CHECK_EQ(s.ints.items[3], INT_LIST_NULL);
    CHECK_EQ(json_integer(json_get(s.any, "a"), 0), 1);
    CHECK_EQ(json_integer(json_get(s.kept, "b"), 0), 2);
    CHECK_EQ(s.units, 3);
}

TEST(config_single_number_is_a_list)
{
    sample s;
    CHECK_OK(read_sample(t, "{'units':1,'ints':7}", &s));
    CHECK_EQ(s.ints.count, 1);
    CHECK_EQ(s.ints.items[0], 7);
    CHECK_OK(read_sample(t, "{'units':1,'rate':{'class_name':'__numpy__','config':{'value':0.25}}}",
        &s));
    CHECK_NEAR(s.rate, 0.25, 0);
}

TEST(config_faults_name_key_and_value)
{
    static const struct {
        const char *text, *parts[3];
        ebb_status  status;
    } cases[] = {
        {"{}", {"units", "missing", "Sample"}, EBB_E_FORMAT},
        {"{'units':null}", {"units", "missing", "Sample"}, EBB_E_FORMAT},
        {"{'units':'x'}", {"'units'", "an integer", "string \"x\""}, EBB_E_FORMAT},
        {"{'units':1.5}", {"'units'", "an integer", "1.5"}, EBB_E_FORMAT},
        {"{'units':true}", {"'units'", "an integer", "true"}, EBB_E_FORMAT},
        {"{'units':1e30}", {"'units'", "an integer", "1e+30"}, EBB_E_FORMAT},
        {"{'units':1,'rate':'a'}", {"'rate'", "a number", "string"}, EBB_E_FORMAT},
        {"{'units':1,'rate':1e300}", {"'rate'", "float32", "1e+300"}, EBB_E_FORMAT},
        {"{'units':1,'use_bias':2}", {"'use_bias'", "true or false", "2"}, EBB_E_FORMAT},
        {"{'units':1,'text':5}", {"'text'", "text", "5"}, EBB_E_FORMAT},
        {"{'units':1,'padding':'full'}", {"valid|same|causal", "\"full\"", "padding"},
            EBB_E_FORMAT},
        {"{'units':1,'activation':'mine'}", {"mine", "never run", "Keras"}, EBB_E_UNSUPPORTED},
        {"{'units':1,'ints':['a']}", {"'ints'", "integers", "\"a\""}, EBB_E_FORMAT},
        {"{'units':1,'ints':[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", {"16", "ints", "list"},
            EBB_E_FORMAT},
        {"{'units':1,'strange':3}", {"strange", "integer 3", "not known"}, EBB_E_UNSUPPORTED},
        {"[1]", {"array", "object", "Sample"}, EBB_E_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sample s;
        CHECK_STATUS(read_sample(t, cases[i].text, &s), cases[i].status);
        for (int k = 0; k < 3; k++) CHECK_CONTAINS(t->error.text, cases[i].parts[k]);
        CHECK_CONTAINS(t->error.where, "here");
    }
}

TEST(config_ignores_what_says_nothing)
{
    sample s;
    CHECK_OK(read_sample(t,
                         "{'units':1,'name':'a','trainable':false,'dtype':'float32','seed':3,"
                         "'strange':null,'odd':false,"
                         "'empty':[],'kernel_initializer':{'class_name':'Zeros'},"
                         "'x_regularizer':'l2','y_constraint':'z',"
                         "'batch_input_shape':[null,3],'activity_regularizer':{'class_name':'L2'}}",
                         &s));
}

static void check_policy(test *t, const char *text, ebb_dtype compute, ebb_dtype variable)
{
    ebb_dtype c, v;
    CHECK_OK(layer_policy_read(model_json(t, text), "here", &c, &v, &t->error));
    CHECK_EQ(c, compute);
    CHECK_EQ(v, variable);
}

TEST(policy_names)
{
    check_policy(t, "{}", EBB_F32, EBB_F32);
    check_policy(t, "{'dtype':null}", EBB_F32, EBB_F32);
    check_policy(t, "{'dtype':'float64'}", EBB_F64, EBB_F64);
    check_policy(t, "{'dtype':'mixed_float16'}", EBB_F16, EBB_F32);
    check_policy(t, "{'dtype':{'class_name':'DTypePolicy','config':{'name':'mixed_bfloat16'}}}",
        EBB_BF16, EBB_F32);
    check_policy(t, "{'dtype':{'class_name':'Policy','config':{'name':'float16'}}}", EBB_F16,
        EBB_F16);
    check_policy(t, "{'dtype':{'class_name':'DTypePolicyMap',"
                 "'config':{'default_policy':'float16','policy_map':{}}}}",
                 EBB_F16, EBB_F16);
    check_policy(t, "{'dtype':'string'}", EBB_DTYPE_NONE, EBB_DTYPE_NONE);
}

TEST(policy_of_quantized_layers_is_refused)
{
    ebb_dtype c, v;
    const json *j = model_json(t,
        "{'dtype':{'class_name':'QuantizedDTypePolicy','config':{'mode':'int8'}}}");
    CHECK_STATUS(layer_policy_read(j, "here", &c, &v, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "QuantizedDTypePolicy");
    j = model_json(t, "{'dtype':'int8_from_float32'}");
    CHECK_STATUS(layer_policy_read(j, "here", &c, &v, &t->error), EBB_E_UNSUPPORTED);
    j = model_json(t, "{'dtype':5}");
    CHECK_STATUS(layer_policy_read(j, "here", &c, &v, &t->error), EBB_E_FORMAT);
}

TEST_MAIN(RUN(config_defaults), RUN(config_null_and_numbers_of_training), RUN(config_values),
          RUN(config_single_number_is_a_list), RUN(config_faults_name_key_and_value),
          RUN(config_ignores_what_says_nothing), RUN(policy_names),
          RUN(policy_of_quantized_layers_is_refused))
