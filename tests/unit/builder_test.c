/* builder_test.c -- models made in C: Keras's numbers, names and order; arguments and their faults;
 * exact memory. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "built_models.h"
#include "json_case.h"
#include "mem/handle.h"
#include "runtime/model_builder.h"
#include "temporary.h"

/* -- like Keras -------------------------------------------------------------------------------- */

static void check_names(test *t, ebb_model model, const json *expected)
{
    ebb_tensor_info info;
    const json *shapes = json_get(expected, "shapes");

    for (uint32_t k = 0; k < shapes->count; k++) {
        const json *dims = json_item(shapes, k);
        CHECK_OK(ebb_model_weight(model, k, &info));
        CHECK_EQ(info.rank, dims->count);
        for (uint32_t i = 0; i < info.rank; i++)
            CHECK_EQ(info.dims[i], json_integer(json_item(dims, i), -1));
    }
    CHECK_STATUS(ebb_model_weight(model, shapes->count, &info), EBB_E_ARGUMENT);
    (void)t;
}

static void check_outputs(const float *y, uint32_t count, const json *outputs)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < outputs->count; i++) {
        const json *numbers = json_item(outputs, i);
        for (uint32_t k = 0; k < numbers->count; k++, at++) {
            CHECK(at < count);
            CHECK_NEAR(y[at], json_number(json_item(numbers, k), 0), 2e-5);
        }
    }
    CHECK_EQ(at, count);
}

typedef struct text_sink {
    char text[16384];
    size_t length;
} text_sink;

static bool sink_put(void *context, const char *text, size_t length)
{
    text_sink *s = context;

    if (s->length + length >= sizeof s->text) return false;
    memcpy(s->text + s->length, text, length);
    s->length += length;
    s->text[s->length] = '\0';
    return true;
}

/* Every layer's default name, in Keras's order, as the summary shows them. */
static void check_layers(test *t, ebb_model model, const json *layers)
{
    static text_sink s;
    const char *at = s.text;

    s.length = 0;
    CHECK_OK(ebb_model_summary(model, sink_put, &s, &t->error));
    for (uint32_t i = 0; i < layers->count; i++) {
        const char *name = json_text(json_item(layers, i), "");
        at = strstr(at, name);
        if (at == NULL) harness_fail(__FILE__, __LINE__, "no '%s' in\n%s", name, s.text);
        at += strlen(name);
    }
}

TEST(models_are_keras_models)
{
    const json *golden = json_case_file(t->home, EBB_GOLDEN "/build.json");
    const ebb_runtime runtime = built_runtime(t);
    float y[BUILT_NUMBERS_MAX];

    for (int i = 0; i < BUILT_CASES; i++) {
        const json *expected = json_get(golden, built_cases[i].name);
        const ebb_model model = built_finish(t, runtime, &built_cases[i], NULL);
        CHECK(expected != NULL);
        check_names(t, model, expected);
        check_layers(t, model, json_get(expected, "layers"));
        built_fill(t, model);
        check_outputs(y, built_predict(t, model, y), json_get(expected, "outputs"));
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    built_close(t, runtime);
}

TEST(saved_and_loaded_again_they_are_the_same)
{
    static const char *const names[] = {"m.keras", "m.h5"};
    const ebb_runtime runtime = built_runtime(t);
    temporary d;
    float first[BUILT_NUMBERS_MAX], second[BUILT_NUMBERS_MAX];

    temporary_open(&d);
    for (int i = 0; i < BUILT_CASES * 2; i++) {
        const path_text path = temporary_path(&d, names[i % 2]);
        ebb_model loaded;
        const ebb_model model = built_finish(t, runtime, &built_cases[i / 2], NULL);
        CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
        CHECK_OK(ebb_model_load(runtime, path.text, NULL, &loaded, &t->error));
        const uint32_t count = built_predict(t, model, first);
        CHECK_EQ(built_predict(t, loaded, second), count);
        CHECK_EQ(memcmp(first, second, count * sizeof *first), 0);
        CHECK_OK(ebb_model_unload(loaded, NULL, NULL, &t->error));
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    temporary_close(&d);
    built_close(t, runtime);
}

TEST(json_of_keras_is_a_model)
{
    const json *golden = json_case_file(t->home, EBB_GOLDEN "/build.json");
    const json *shared = json_get(golden, "shared");
    const char *text = json_text(json_get(shared, "json"), "");
    static const char keras_2[] =
        "{\"class_name\": \"Sequential\", \"keras_version\": \"2.13.1\", \"backend\": "
        "\"tensorflow\", \"config\": {\"name\": \"old\", \"layers\": [{\"class_name\": "
        "\"InputLayer\", \"config\": {\"batch_input_shape\": [null, 4], \"dtype\": \"float32\", "
        "\"sparse\": false, \"ragged\": false, \"name\": \"in\"}}, {\"class_name\": \"Dense\", "
        "\"config\": {\"name\": \"d\", \"trainable\": true, \"dtype\": \"float32\", \"units\": 3, "
        "\"activation\": \"linear\", \"use_bias\": true, \"kernel_initializer\": {\"class_name\": "
        "\"Ones\", \"config\": {}}, \"bias_initializer\": {\"class_name\": \"Zeros\", \"config\": "
        "{}}}}]}}";
    const ebb_runtime runtime = built_runtime(t);
    ebb_model model;
    float y[BUILT_NUMBERS_MAX];

    CHECK_OK(ebb_model_from_json(runtime, text, 0, NULL, &model, &t->error));
    built_fill(t, model);
    check_outputs(y, built_predict(t, model, y), json_get(shared, "outputs"));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_from_json(runtime, keras_2, sizeof keras_2 - 1, NULL, &model, &t->error));
    CHECK_EQ(built_predict(t, model, y), 6);
    CHECK_NEAR(y[0], 1 + cos(0.3) + cos(0.6) + cos(0.9), 1e-5);
    CHECK_STATUS(ebb_model_from_json(runtime, "{\"a\": 1}", 0, NULL, &model, &t->error),
                 EBB_E_FORMAT);
    CHECK_STATUS(ebb_model_from_json(runtime, "no", 0, NULL, &model, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(ebb_model_from_json(runtime, NULL, 0, NULL, &model, &t->error), EBB_E_ARGUMENT);
    built_close(t, runtime);
}

/* -- memory ------------------------------------------------------------------------------------ */

TEST(a_plan_is_exact_and_unloading_gives_it_back)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;

    load.batch = 4;
    load.lanes = 2;
    options.load = &load;
    for (int i = 0; i < BUILT_CASES; i++) {
        ebb_builder b;
        ebb_model model;
        ebb_plan plan;
        ebb_memory memory;
        ebb_receipt receipt;
        ebb_tensor y[BUILT_OUTPUTS_MAX];
        const uint64_t before = built_live(runtime);

        CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
        const uint32_t count = built_cases[i].make(b, y);
        const uint64_t building = built_live(runtime);
        CHECK_OK(ebb_build_plan(b, y, count, &options, &plan, &t->error));
        CHECK_EQ(built_live(runtime), building);
        load.bytes_max = plan.peak - 1;
        CHECK_STATUS(ebb_build_plan(b, y, count, &options, &plan, &t->error), EBB_E_MEMORY);
        load.bytes_max = plan.peak;
        CHECK_OK(ebb_build_finish(b, y, count, &options, &model, &t->error));
        CHECK_OK(ebb_model_memory_read(model, &memory));
        CHECK_EQ(memory.live, plan.total);
        for (int k = 0; k < EBB_CLASS_COUNT; k++)
            if (k != EBB_CLASS_CODE) CHECK_EQ(memory.by_class[k], plan.by_class[k]);
        CHECK(memory.peak <= plan.peak);
        CHECK_EQ(built_live(runtime), before + memory.live);
        CHECK_OK(ebb_model_unload(model, NULL, &receipt, &t->error));
        CHECK_EQ(receipt.bytes_total, memory.live);
        CHECK_EQ(built_live(runtime), before);
        load.bytes_max = 0;
    }
    built_close(t, runtime);
}

TEST(a_thousand_models_leave_nothing)
{
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t before = built_live(runtime);
    uint64_t model_bytes = 0;

    for (int i = 0; i < 1000; i++) {
        ebb_receipt receipt;
        const ebb_model model = built_small(t, runtime, "small", (uint64_t)i);
        CHECK_OK(ebb_model_unload(model, NULL, &receipt, &t->error));
        if (i > 0) CHECK_EQ(receipt.bytes_total, model_bytes);
        model_bytes = receipt.bytes_total;
        CHECK_EQ(built_live(runtime), before);
    }
    built_close(t, runtime);
}

/* -- initial weights --------------------------------------------------------------------------- */

TEST(equal_seeds_make_equal_weights)
{
    const ebb_runtime runtime = built_runtime(t);
    float a[64], b[64];
    const ebb_model one = built_small(t, runtime, "a", 5), same = built_small(t, runtime, "b", 5);
    const ebb_model other = built_small(t, runtime, "c", 6);

    for (uint32_t k = 0; k < 8; k++) {
        const uint32_t count = built_weight(t, one, k, a);
        built_weight(t, same, k, b);
        CHECK_EQ(memcmp(a, b, count * sizeof *a), 0);
    }
    built_weight(t, one, 0, a);
    built_weight(t, other, 0, b);
    CHECK(memcmp(a, b, 30 * sizeof *a) != 0);
    built_close(t, runtime);
}

TEST(weights_are_what_their_initializers_say)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_builder b;
    ebb_model model;
    float w[512];
    double largest = 0;

    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 2, (int64_t[]){4, 6});
    x = ebb_build_layer(b, "LSTM", "units=5", x);
    x = ebb_build_layer(b, "BatchNormalization", NULL, x);
    x = ebb_build_layer(b, "Dense", "units=4, bias_initializer=Constant(value=.25)", x);
    x = ebb_build_layer(b, "Dense", "units=4, kernel_initializer='identity'", x);
    x = ebb_build_layer(b, "Dense", "units=4", x);
    CHECK_OK(ebb_build_finish(b, &x, 1, NULL, &model, &t->error));
    CHECK_EQ(built_weight(t, model, 0, w), 6 * 20); /* glorot_uniform */
    for (int i = 0; i < 120; i++) largest = fmax(largest, fabs((double)w[i]));
    CHECK(largest > 0.3 && largest <= sqrt(6.0 / 26.0));
    CHECK_EQ(built_weight(t, model, 1, w), 5 * 20); /* orthogonal: rows of length 1 */
    for (int i = 0; i < 5; i++) {
        double length = 0;
        for (int k = 0; k < 20; k++) length += (double)w[i * 20 + k] * (double)w[i * 20 + k];
        CHECK_NEAR(length, 1, 1e-5);
    }
    CHECK_EQ(built_weight(t, model, 2, w), 20); /* unit_forget_bias */
    for (int i = 0; i < 20; i++) CHECK_EQ(w[i], i >= 5 && i < 10);
    for (uint32_t k = 3; k < 7; k++) { /* gamma, beta, mean, variance */
        CHECK_EQ(built_weight(t, model, k, w), 5);
        for (int i = 0; i < 5; i++) CHECK_EQ(w[i], k == 3 || k == 6);
    }
    built_weight(t, model, 8, w);
    CHECK_EQ(w[0], 0.25f);
    built_weight(t, model, 9, w);
    for (int i = 0; i < 16; i++) CHECK_EQ(w[i], i % 5 == 0);
    float other[16];
    built_weight(t, model, 11, other);
    built_weight(t, model, 7, w);
    CHECK(memcmp(w, other, sizeof other) != 0);
    built_close(t, runtime);
}

/* -- arguments --------------------------------------------------------------------------------- */

typedef struct argument_case {
    const char *text, *json; /* NULL: refused */
} argument_case;

TEST(arguments_are_python_or_json)
{
    static const argument_case cases[] = {
        {NULL, "{}"},
        {"  ", "{}"},
        {"units=10", "{\"units\":10}"},
        {"a=1,b=-.5 , c=1., d=+2, e=1e-3,", "{\"a\":1,\"b\":-0.5,\"c\":1.0,\"d\":2,\"e\":0.001}"},
        {"a=(3, 3), b=[1, [2]], c=(), d=(4,)", "{\"a\":[3,3],\"b\":[1,[2]],\"c\":[],\"d\":[4]}"},
        {"a=True, b=False, c=None, d=true, e=null",
         "{\"a\":true,\"b\":false,\"c\":null,\"d\":true,\"e\":null}"},
        {"a='it\\'s', b=\"x'y\", c='\"', d='\\n'",
         "{\"a\":\"it's\",\"b\":\"x'y\",\"c\":\"\\\"\",\"d\":\"\\n\"}"},
        {"{'a': {'b': 1}, \"c\": [True]}", "{\"a\":{\"b\":1},\"c\":[true]}"},
        {"layer=keras.layers.LSTM(units=4, k=L2(l2=1))",
         "{\"layer\":{\"class_name\":\"LSTM\",\"config\":{\"units\":4,\"k\":{\"class_name\":"
         "\"L2\",\"config\":{\"l2\":1}}}}}"},
        {"10", NULL},
        {"units 10", NULL},
        {"units=", NULL},
        {"units=relu", NULL},
        {"units=[1, 2", NULL},
        {"units='a", NULL},
        {"units=1 2", NULL},
        {"{'a': 1} x", NULL},
        {"{a: 1}", NULL},
        {"a=((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))", NULL},
    };
    const ebb_runtime handle = built_runtime(t);
    runtime *r = runtime_acquire(handle, "test", &t->error);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t id;
        text_writer w;
        CHECK_OK(builder_open(r, NULL, &id, &t->error));
        builder *b = r->builders;
        const json *read = builder_arguments_read(b, cases[i].text, "test");
        if (cases[i].json == NULL) {
            CHECK(read == NULL);
            CHECK(b->error.status != EBB_OK);
        } else {
            CHECK_OK(b->error.status);
            text_begin(&w, t->home);
            text_json_value(&w, read);
            const json *expected = NULL;
            text_writer v;
            CHECK_OK(json_read(t->home, cases[i].json, strlen(cases[i].json), "test", &expected,
                               &t->error));
            text_begin(&v, t->home);
            text_json_value(&v, expected);
            CHECK_TEXT(w.text, v.text);
        }
        CHECK_OK(ebb_build_close((ebb_builder){id}));
    }
    handle_release(handle.id);
    built_close(t, handle);
}

/* -- faults ------------------------------------------------------------------------------------ */

typedef struct fault_case {
    const char *class_name, *arguments;
    ebb_status status;
    const char *says[3]; /* in the error's text or place */
} fault_case;

TEST(faults_name_the_layer_and_what_is_near)
{
    static const fault_case cases[] = {
        {"Dens", "units=3", EBB_E_UNSUPPORTED, {"Dens", "Dense"}},
        {"Lambda", "function='x'", EBB_E_UNSUPPORTED, {"Lambda", "Python code"}},
        {NULL, NULL, EBB_E_ARGUMENT, {"layer class"}},
        {"Dense", NULL, EBB_E_FORMAT, {"dense", "units", "missing"}},
        {"Dense", "unit=3", EBB_E_ARGUMENT, {"dense", "'unit'", "units"}},
        {"Dense",
         "units=3, name='top', activaton='relu'",
         EBB_E_ARGUMENT,
         {"top", "activaton", "activation"}},
        {"Dense", "units='many'", EBB_E_FORMAT, {"units", "integer", "many"}},
        {"Dense", "units=3, activation='rellu'", EBB_E_UNSUPPORTED, {"rellu"}},
        {"Dense", "units=3, kernel_initialiser='zeros'", EBB_E_ARGUMENT, {"kernel_initializer"}},
        {"Dense",
         "units=3, kernel_initializer='he_norml'",
         EBB_E_UNSUPPORTED,
         {"kernel_initializer", "he_norml", "HeNormal"}},
        {"Dense", "units=3, kernel_regularizer=L3(l2=1)", EBB_E_UNSUPPORTED, {"L3", "L2"}},
        {"Dense", "units=3, kernel_constraint='max'", EBB_E_UNSUPPORTED, {"kernel_constraint"}},
        {"Dense", "units=3, gamma_regularizer='l2'", EBB_E_ARGUMENT, {"gamma_regularizer"}},
        {"Dense", "units=3, dtype='floaty'", EBB_E_UNSUPPORTED, {"floaty"}},
        {"Dense", "units=3, name='a/b'", EBB_E_ARGUMENT, {"a/b"}},
        {"Dense", "units=3, name='in'", EBB_E_ARGUMENT, {"'in'", "two layers"}},
        {"Dense", "units=3, name=4", EBB_E_ARGUMENT, {"name"}},
        {"Conv2D",
         "filters=2, kernel_size=3, padding='sane'",
         EBB_E_FORMAT,
         {"padding", "valid|same", "sane"}},
        {"Dense", "3", EBB_E_ARGUMENT, {"units=10"}},
        {"TimeDistributed",
         "layer=Dense(unit=3)",
         EBB_E_ARGUMENT,
         {"time_distributed", "layer", "units"}},
        {"Bidirectional", "layer=LSTN(units=3)", EBB_E_UNSUPPORTED, {"LSTN", "LSTM"}},
    };
    const ebb_runtime runtime = built_runtime(t);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ebb_builder b;
        ebb_model model;
        char all[sizeof t->error.where + sizeof t->error.text + 4];

        CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
        ebb_tensor x = ebb_build_input(b, "in", EBB_F32, 1, (int64_t[]){4});
        CHECK_OK(ebb_build_error(b, &t->error));
        x = ebb_build_layer(b, cases[i].class_name, cases[i].arguments, x);
        CHECK_EQ(x.id, 0);
        x = ebb_build_layer(b, "Dense", "units=1", x); /* does nothing */
        CHECK_STATUS(ebb_build_error(b, &t->error), cases[i].status);
        CHECK_STATUS(ebb_build_finish(b, &x, 1, NULL, &model, &t->error), cases[i].status);
        CHECK_EQ(model.id, 0);
        snprintf(all, sizeof all, "%s: %s", t->error.where, t->error.text);
        for (int k = 0; k < 3 && cases[i].says[k] != NULL; k++)
            CHECK_CONTAINS(all, cases[i].says[k]);
        CHECK_STATUS(ebb_build_close(b), EBB_E_STALE);
    }
    built_close(t, runtime);
}

/* Opens a builder with one input of 4 numbers. */
static ebb_tensor begin(test *t, ebb_runtime runtime, ebb_builder *b)
{
    CHECK_OK(ebb_build_open(runtime, NULL, b, &t->error));
    return ebb_build_input(*b, "in", EBB_F32, 1, (int64_t[]){4});
}

TEST(what_does_not_fit_together_is_told)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_builder b, other;
    ebb_model model;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    const ebb_tensor none = {0};

    ebb_tensor x = begin(t, runtime, &b); /* shapes: the assembler names the layer */
    x = ebb_build_layer(b, "Conv2D", "filters=2, kernel_size=3, name='wrong'", x);
    CHECK_STATUS(ebb_build_finish(b, &x, 1, NULL, &model, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.where, "wrong");
    const ebb_tensor foreign = begin(t, runtime, &other);
    x = begin(t, runtime, &b);
    CHECK_EQ(ebb_build_layer(b, "Dense", "units=1", foreign).id, 0);
    CHECK_STATUS(ebb_build_finish(b, &x, 1, NULL, &model, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "another builder");
    CHECK_STATUS(ebb_build_finish(other, &none, 1, NULL, &model, &t->error), EBB_E_ARGUMENT);
    x = begin(t, runtime, &b);
    CHECK_STATUS(ebb_build_finish(b, &x, 0, NULL, &model, &t->error), EBB_E_ARGUMENT);
    x = begin(t, runtime, &b);
    CHECK_STATUS(ebb_build_finish(b, &x, 1, NULL, NULL, &t->error), EBB_E_ARGUMENT);
    x = begin(t, runtime, &b); /* an output that is not there */
    x = ebb_build_output(b, ebb_build_layer(b, "Dense", "units=1, name='one'", x), 3);
    x = ebb_build_layer(b, "Dense", "units=1, name='two'", x);
    CHECK_STATUS(ebb_build_finish(b, &x, 1, NULL, &model, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "one");
    x = begin(t, runtime, &b);
    load.architecture = "a.json";
    options.load = &load;
    CHECK_STATUS(ebb_build_finish(b, &x, 1, &options, &model, &t->error), EBB_E_ARGUMENT);
    x = begin(t, runtime, &b); /* no chain */
    x = ebb_build_merge(b, "Add", NULL, (ebb_tensor[]){x, x}, 2);
    options = (ebb_build_options)EBB_BUILD_OPTIONS_INIT;
    options.sequential = true;
    CHECK_STATUS(ebb_build_finish(b, &x, 1, &options, &model, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "Sequential");
    x = begin(t, runtime, &b);
    CHECK_EQ(ebb_build_find(b, "inn", 0).id, 0);
    CHECK_STATUS(ebb_build_error(b, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "in");
    CHECK_OK(ebb_build_close(b));
    CHECK_STATUS(ebb_build_error(b, &t->error), EBB_E_STALE);
    CHECK_EQ(ebb_build_input(b, NULL, EBB_F32, 0, NULL).id, 0);
    CHECK_STATUS(ebb_build_finish(b, &x, 1, NULL, &model, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_build_open((ebb_runtime){0}, NULL, &b, &t->error), EBB_E_STALE);
    (void)begin(t, runtime, &b); /* left open: the runtime takes it along */
    built_close(t, runtime);
    CHECK_STATUS(ebb_build_close(b), EBB_E_STALE);
}

TEST(a_sequential_is_saved_as_one)
{
    static const ebb_layer_text layers[] = {{"Dense", "units=2"}, {"Dropout", "rate=0.5"}};
    const ebb_runtime runtime = built_runtime(t);
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_builder b;
    ebb_model model;
    ebb_model_info info;
    text_sink *s = region_new(t->home, text_sink, 1);

    ebb_tensor x = begin(t, runtime, &b);
    x = ebb_build_sequential(b, x, layers, 2);
    options.sequential = true;
    CHECK_OK(ebb_build_finish(b, &x, 1, &options, &model, &t->error));
    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_TEXT(info.name, "sequential");
    CHECK_TEXT(info.format, "built");
    CHECK_TEXT(info.path, "");
    CHECK_EQ(info.parameters, 10);
    CHECK_OK(ebb_model_summary(model, sink_put, s, &t->error));
    CHECK_CONTAINS(s->text, "\"sequential\"");
    CHECK_STATUS(ebb_model_delete(model, NULL, NULL, &t->error), EBB_E_UNSUPPORTED);
    CHECK(ebb_model_alive(model));
    built_close(t, runtime);
}

TEST(inputs_as_keras_takes_them)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_builder b;
    ebb_model model;
    ebb_tensor_info info;
    const ebb_tensor none = {0};

    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    ebb_tensor x = ebb_build_layer(b, "InputLayer", "shape=(3, None), batch_size=2", none);
    (void)ebb_build_input(b, "unused", EBB_I32, 0, NULL);
    x = ebb_build_layer(b, "Reshape", "target_shape=(-1,)", x);
    CHECK_OK(ebb_build_finish(b, &x, 1, NULL, &model, &t->error));
    CHECK_OK(ebb_model_input(model, 0, &info));
    CHECK_TEXT(info.name, "input_layer");
    CHECK_EQ(info.dims[0], 2);
    CHECK_EQ(info.dims[1], 3);
    CHECK_EQ(info.dims[2], -1);
    CHECK_OK(ebb_model_input(model, 1, &info)); /* leads nowhere, and stays */
    CHECK_TEXT(info.name, "unused");
    CHECK_EQ(info.dtype, EBB_I32);
    built_close(t, runtime);
}

TEST_MAIN(RUN(models_are_keras_models), RUN(saved_and_loaded_again_they_are_the_same),
          RUN(json_of_keras_is_a_model), RUN(a_plan_is_exact_and_unloading_gives_it_back),
          RUN(a_thousand_models_leave_nothing), RUN(equal_seeds_make_equal_weights),
          RUN(weights_are_what_their_initializers_say), RUN(arguments_are_python_or_json),
          RUN(faults_name_the_layer_and_what_is_near), RUN(what_does_not_fit_together_is_told),
          RUN(a_sequential_is_saved_as_one), RUN(inputs_as_keras_takes_them))
