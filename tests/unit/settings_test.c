/* settings_test.c -- what compile() may be given, what its results are called, and what is refused
 * in which words.
 *
 * golden/settings.json (made by golden/make_settings.py) holds what Keras makes of it: each case is
 * compiled and evaluated. */
#include <stdio.h>
#include <string.h>

#include "json_case.h"
#include "layer_model.h"
#include "step_run.h"

#define RESULTS 32u

/* -- against Keras ----------------------------------------------------------------------------- */

typedef struct shared {
    const json *file;
    ebb_view x, y[2], weights[2];
} shared;

static ebb_view view_of(test *t, const json *numbers)
{
    const case_tensor x = json_case_floats(t->home, numbers);
    ebb_view v = {.dtype = x.desc.dtype, .rank = x.desc.rank, .data = x.data};

    memcpy(v.dims, x.desc.dims, sizeof v.dims);
    return v;
}

static const char *text_of(test *t, const json *item, const char *key)
{
    const json *given = json_get(item, key);
    text_writer w;

    if (json_is_null(given)) return NULL;
    if (given->kind == JSON_STRING) return given->as.string;
    text_begin(&w, t->home);
    text_json_value(&w, given);
    CHECK(!w.failed);
    return w.text;
}

static void check_values(const shared *all, const json *item, const char *key, step_run *r)
{
    const json *names = json_get(item, "names"), *values = json_get(item, "values");
    double results[RESULTS];
    char text[300];

    CHECK(r->step.result_count <= RESULTS);
    for (uint32_t k = 0; k < r->step.model->weight_count; k++) {
        const json *kernel = json_item(json_get(all->file, "kernels"), k);
        step_run_weight(r, k, json_case_floats(r->step.emit.home, kernel).data);
    }
    step_run_begin(r);
    step_run_step(r, &all->x, all->y, all->weights, results);
    if (names->count != r->step.result_count)
        harness_fail(__FILE__, __LINE__, "%s: %u results", key, r->step.result_count);
    CHECK_TEXT(r->step.titles[0], "loss");
    for (uint32_t i = 0; i < names->count; i++) {
        const char *name = json_text(json_item(names, i), "");
        const float found = (float)results[step_run_title(r, name)];
        snprintf(text, sizeof text, "%.200s: %.80s", key, name);
        json_case_check(text, &found, 1, EBB_F32, json_item(values, i), r->step.emit.home);
    }
}

static void check_case(test *t, const shared *all, const json *item, uint32_t number)
{
    static const char *const keys[] = {"loss", "loss_weights", "metrics", "weighted_metrics"};
    const uint32_t outputs = json_get(item, "outputs")->count;
    const json *model = json_item(json_get(all->file, "models"), outputs - 1);
    const description d = step_run_description(t, model);
    ebb_compile_options options = EBB_COMPILE_OPTIONS_INIT;
    const char *texts[4];
    const json *config = NULL;
    built_model *m = NULL;
    settings s;
    char key[400];

    for (uint32_t i = 0; i < 4; i++) texts[i] = text_of(t, item, keys[i]);
    snprintf(key, sizeof key, "case %u: loss %.80s, loss_weights %.60s, metrics %.90s, %.90s",
             number, texts[0] != NULL ? texts[0] : "-", texts[1] != NULL ? texts[1] : "-",
             texts[2] != NULL ? texts[2] : "-", texts[3] != NULL ? texts[3] : "-");
    options.optimizer = "sgd";
    options.loss = texts[0];
    options.loss_weights = texts[1];
    options.metrics = texts[2];
    options.weighted_metrics = texts[3];
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    ebb_status status = settings_text_read(t->home, &options, &config, &t->error);
    if (status == EBB_OK) status = settings_read(t->home, config, m, &s, &t->error);
    const bool is_refused = json_boolean(json_get(item, "refused"), false);
    if (status != EBB_OK || is_refused) {
        const step_inputs inputs = {.y = all->y};
        train_step step;
        if (status == EBB_OK)
            status = step_make(t->home, &d, &s, &inputs, false, 0, NULL, &step, &t->error);
        if ((status != EBB_OK) == is_refused) return;
        harness_fail(__FILE__, __LINE__, "%s: %s", key, is_refused ? "accepted" : t->error.text);
    }
    check_values(all, item, key, step_run_open(t, &d, &s, false, &all->x, all->y, all->weights));
}

TEST(settings_mean_and_are_called_what_keras_says)
{
    shared all = {.file = json_case_file(t->home, EBB_GOLDEN "/settings.json")};
    const json *cases = json_get(all.file, "cases");

    all.x = view_of(t, json_get(all.file, "x"));
    for (uint32_t k = 0; k < 2; k++) {
        all.y[k] = view_of(t, json_item(json_get(all.file, "y"), k));
        all.weights[k] = view_of(t, json_get(all.file, "sample_weight"));
    }
    CHECK(cases != NULL && cases->count > 0);
    for (uint32_t i = 0; i < cases->count; i++) check_case(t, &all, json_item(cases, i), i);
}

/* -- files ------------------------------------------------------------------------------------- */

#define TWO_OUTPUTS MODEL_TWO_OUTPUTS(",'units':3", ",'units':1")
#define ONE_OUTPUT MODEL_SEQUENTIAL(2, MODEL_LAYER("Dense", "'name':'out','units':1"))

static ebb_status read_settings(test *t, const char *model, const char *config, settings *s)
{
    return settings_read(t->home, model_json(t, config), model_assemble(t, model), s, &t->error);
}

TEST(settings_of_keras_2)
{
    static const char config[] =
        "{'loss':{'class_name':'BinaryCrossentropy','config':{'reduction':'auto','name':'bce',"
        "'from_logits':true,'label_smoothing':0.1,'axis':-1,'fn':'binary_crossentropy'}},"
        "'metrics':[[{'class_name':'MeanMetricWrapper','config':{'name':'hits','dtype':'float32',"
        "'fn':'binary_accuracy'}}]],'weighted_metrics':null,'loss_weights':null,"
        "'optimizer_config':{'class_name':'Adam','config':{'name':'Adam','lr':0.25,'decay':0.0,"
        "'beta_1':0.9,'beta_2':0.999,'epsilon':1e-07,'amsgrad':false}}}";
    settings s;
    text_writer w;

    CHECK_OK(read_settings(t, ONE_OUTPUT, config, &s));
    CHECK_TEXT(s.losses[0].l.def->entry.name, "BinaryCrossentropy");
    CHECK_EQ(s.losses[0].l.reduction, LOSS_SUM_OVER_BATCH_SIZE);
    CHECK_EQ(s.metric_count, 1);
    CHECK_TEXT(s.metrics[0].title, "hits");
    CHECK_TEXT(s.metrics[0].m.def->entry.name, "BinaryAccuracy");
    CHECK_NEAR(s.optimizer->learning_rate, 0.25, 0);
    text_begin(&w, t->home);
    text_json_value(&w, s.compile_config);
    CHECK_TEXT(w.text,
               "{\"optimizer\":{\"module\":\"keras.optimizers\",\"class_name\":\"Adam\",\"config\":"
               "{\"name\":\"Adam\",\"learning_rate\":0.25,\"beta_1\":0.9,\"beta_2\":0.999,"
               "\"epsilon\":1e-07,\"amsgrad\":false},\"registered_name\":null},\"loss\":"
               "{\"module\":\"keras.losses\",\"class_name\":\"BinaryCrossentropy\",\"config\":"
               "{\"name\":\"bce\",\"from_logits\":true,\"label_smoothing\":0.1,\"axis\":-1},"
               "\"registered_name\":null},\"loss_weights\":null,\"metrics\":[[{\"module\":"
               "\"keras.metrics\",\"class_name\":\"BinaryAccuracy\",\"config\":{\"name\":\"hits\","
               "\"dtype\":\"float32\"},\"registered_name\":null}]],\"weighted_metrics\":null,"
               "\"run_eagerly\":false,\"steps_per_execution\":1,\"jit_compile\":false}");
}

TEST(settings_of_keras_3_stay_as_they_are)
{
    const json *config = model_json(
        t, "{'optimizer':{'module':'keras.optimizers','class_name':'SGD','config':{'name':'sgd'},"
           "'registered_name':null},'loss':{'left':'mse','right':null},'metrics':null}");
    settings s;

    CHECK_OK(settings_read(t->home, config, model_assemble(t, TWO_OUTPUTS), &s, &t->error));
    CHECK(s.compile_config == config);
    CHECK(s.losses[0].is_used && !s.losses[1].is_used);
    CHECK(!s.shows_losses);
    CHECK_EQ(s.metric_count, 0);
}

TEST(settings_without_an_optimizer_evaluate_only)
{
    const step_inputs inputs = {
        .y = (const ebb_view[]){{.dtype = EBB_F32, .rank = 2, .dims = {4, 1}}}};
    const description d = model_description(t, ONE_OUTPUT);
    train_step step;
    settings s;

    CHECK_OK(read_settings(t, ONE_OUTPUT, "{'optimizer':null,'loss':'mse'}", &s));
    CHECK(s.optimizer == NULL);
    CHECK_OK(step_make(t->home, &d, &s, &inputs, false, 0, NULL, &step, &t->error));
    CHECK_STATUS(step_make(t->home, &d, &s, &inputs, true, 0, NULL, &step, &t->error), EBB_E_STATE);
}

/* -- texts ------------------------------------------------------------------------------------- */

TEST(texts_are_names_or_json)
{
    ebb_compile_options o = EBB_COMPILE_OPTIONS_INIT;
    const json *config = &(json){0};

    CHECK_OK(settings_text_read(t->home, &o, &config, &t->error));
    CHECK(config == NULL);
    o.loss = " {\"class_name\": \"mse\", \"config\": null}";
    o.metrics = "mae";
    CHECK_OK(settings_text_read(t->home, &o, &config, &t->error));
    CHECK(json_is_text(json_get(config, "optimizer"), "rmsprop"));
    CHECK(json_is_text(json_path(config, "loss.class_name"), "MeanSquaredError"));
    CHECK(json_is_text(json_path(config, "loss.module"), "keras.losses"));
    CHECK_EQ(json_get(config, "metrics")->kind, JSON_ARRAY);
    CHECK(json_is_text(json_item(json_get(config, "metrics"), 0), "mae"));
    o.optimizer = "{\"class_name\": \"Adam\", \"config\": {\"learning_rate\": {\"class_name\": "
                  "\"ExponentialDecay\", \"config\": {\"initial_learning_rate\": 0.1, "
                  "\"decay_steps\": 2, \"decay_rate\": 0.5}}}}";
    CHECK_OK(settings_text_read(t->home, &o, &config, &t->error));
    CHECK(json_is_text(json_path(config, "optimizer.config.learning_rate.module"),
                       "keras.optimizers.schedules"));
    o.metrics = "[\"mae\"";
    CHECK_STATUS(settings_text_read(t->home, &o, &config, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.where, "metrics");
    o.metrics = "  ";
    CHECK_STATUS(settings_text_read(t->home, &o, &config, &t->error), EBB_E_ARGUMENT);
}

/* -- mixed precision --------------------------------------------------------------------------- */

TEST(mixed_float16_scales_the_loss)
{
    static const char model[] =
        MODEL_SEQUENTIAL(2, MODEL_LAYER("Dense", "'name':'out','units':1,'dtype':{'module':'keras',"
                                                 "'class_name':'DTypePolicy','config':{'name':"
                                                 "'mixed_float16'},'registered_name':null}"));
    settings s;

    CHECK_OK(read_settings(t, model, "{'optimizer':'adam','loss':'mse'}", &s));
    CHECK_EQ(s.optimizer->inner_count, 1);
    CHECK_TEXT(s.optimizer->inner[0].optimizer->name, "adam");
    CHECK(json_is_text(json_get(s.compile_config, "optimizer"), "adam"));
    CHECK_OK(read_settings(t, model,
                           "{'optimizer':{'class_name':'LossScaleOptimizer','config':"
                           "{'inner_optimizer':{'class_name':'SGD','config':{}}}},'loss':'mse'}",
                           &s));
    CHECK_TEXT(s.optimizer->inner[0].optimizer->name, "sgd");
    CHECK_EQ(s.optimizer->inner[0].optimizer->inner_count, 0);
    CHECK_OK(read_settings(t, ONE_OUTPUT, "{'optimizer':'adam','loss':'mse'}", &s));
    CHECK_EQ(s.optimizer->inner_count, 0);
}

/* -- faults ------------------------------------------------------------------------------------ */

static void check_refused(test *t, const char *config, ebb_status status, const char *where,
                          const char *text)
{
    settings s;

    CHECK_STATUS(read_settings(t, TWO_OUTPUTS, config, &s), status);
    CHECK_TEXT(t->error.where, where);
    CHECK_CONTAINS(t->error.text, text);
}

TEST(faults_name_the_output_and_what_there_is)
{
    check_refused(t, "{'loss':['mse','mean_square_eror']}", EBB_E_UNSUPPORTED,
                  "loss of output 'right'", "MeanSquaredError");
    check_refused(t, "{'loss':'mse','metrics':{'left':['acuracy']}}", EBB_E_UNSUPPORTED,
                  "metrics of output 'left'", "Accuracy");
    check_refused(t, "{'loss':{'up':'mse'}}", EBB_E_ARGUMENT, "loss", "'left', 'right'");
    check_refused(t, "{'loss':'mse','weighted_metrics':{'up':'mae'}}", EBB_E_ARGUMENT,
                  "weighted_metrics", "'left', 'right'");
    check_refused(t, "{'loss':['mse','mae','mse']}", EBB_E_ARGUMENT, "loss", "3 losses");
    check_refused(t, "{'loss':['mse',3]}", EBB_E_FORMAT, "loss of output 'right'", "integer 3");
    check_refused(t, "{'loss':'mse','loss_weights':[1,2]}", EBB_E_ARGUMENT, "loss_weights",
                  "2 weights for 1 loss");
    check_refused(t, "{'loss':['mse','mae'],'loss_weights':[1,'x']}", EBB_E_FORMAT,
                  "loss_weights of output 'right'", "expected a number");
    check_refused(t, "{'loss':'mse','metrics':['mae']}", EBB_E_ARGUMENT, "metrics",
                  "list of 1 for 2 outputs");
    check_refused(t, "{'loss':'mse','metrics':'mae'}", EBB_E_ARGUMENT, "metrics",
                  "one metric for 2 outputs");
    check_refused(t, "{'loss':'mse','metrics':7}", EBB_E_FORMAT, "metrics", "integer 7");
    check_refused(t, "{'optimizer':'adamm','loss':'mse'}", EBB_E_UNSUPPORTED, "optimizer", "Adam");
}

TEST(failing_memory_is_told)
{
    const built_model *m = model_assemble(t, TWO_OUTPUTS);
    ebb_compile_options o = EBB_COMPILE_OPTIONS_INIT;
    region *const home = t->home;

    o.optimizer = "{\"class_name\": \"SGD\", \"config\": {\"lr\": 0.5}}";
    o.loss = "{\"left\": \"mse\", \"right\": \"mae\"}";
    o.loss_weights = "{\"left\": 1, \"right\": 2}";
    o.metrics = "[[\"mae\", \"mae\"], [\"accuracy\"]]";
    o.weighted_metrics = "{\"left\": [\"mae\"]}";
    for (int64_t n = 0;; n++) {
        region *const own = region_open(home, "own", EBB_CLASS_META, 0);
        const json *config = NULL;
        settings s;
        CHECK(own != NULL);
        test_fail_allocation(t, n);
        ebb_status status = settings_text_read(own, &o, &config, &t->error);
        if (status == EBB_OK) status = settings_read(own, config, m, &s, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        region_close(own);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(settings_mean_and_are_called_what_keras_says), RUN(settings_of_keras_2),
          RUN(settings_of_keras_3_stay_as_they_are),
          RUN(settings_without_an_optimizer_evaluate_only), RUN(texts_are_names_or_json),
          RUN(mixed_float16_scales_the_loss), RUN(faults_name_the_output_and_what_there_is),
          RUN(failing_memory_is_told))
