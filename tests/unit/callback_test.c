/* callback_test.c -- callbacks shown made-up logs: they do what Keras's do (golden/callbacks.json,
 * made by golden/make_callbacks.py); their faults; nothing left after a failed allocation. */
#include "train/callback/callback.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake_engine.h"
#include "json_case.h"
#include "temporary.h"
#include "train/callback/number_text.h"

/* One callback at work. */
typedef struct stage {
    test *t;
    fake_engine engine;
    callback_list list;
    fit_logs logs;
    fit_moment now;
} stage;

static const char *config_text(test *t, const json *config)
{
    text_writer w;

    text_begin(&w, t->home);
    text_json_value(&w, config);
    CHECK(!w.failed);
    return w.text;
}

static ebb_status stage_try(test *t, stage *s, const ebb_callback *given, size_t count)
{
    *s = (stage){.t = t};
    fake_engine_open(t, &s->engine, 1);
    CHECK_OK(fit_logs_open(t->home, 16, &s->logs, &t->error));
    s->now = (fit_moment){.engine = &s->engine.base, .epochs = 100, .logs = &s->logs};
    return callbacks_open(t->home, &s->engine.base, given, count, &s->list, &t->error);
}

static void stage_open(test *t, stage *s, const char *name, const char *config)
{
    const ebb_callback given = {.name = name, .config = config};

    CHECK_OK(stage_try(t, s, &given, 1));
}

static ebb_status tell(stage *s, ebb_moment moment)
{
    s->now.moment = moment;
    return callbacks_tell(&s->list, &s->now, &s->t->error);
}

static double number_of(const json *value)
{
    if (value->kind == JSON_STRING)
        return strcmp(value->as.string, "nan") == 0 ? (double)NAN : (double)INFINITY;
    return json_number(value, 0);
}

static const json *goldens(test *t, const char *kind)
{
    const json *all = json_case_file(t->home, EBB_GOLDEN "/callbacks.json");
    const json *items = json_get(all, kind);

    CHECK(items != NULL && items->count > 0);
    return items;
}

static void folder_enter(temporary *d, char before[1024])
{
    temporary_open(d);
    CHECK(getcwd(before, 1024) != NULL);
    CHECK_EQ(chdir(d->folder), 0);
}

static void folder_leave(temporary *d, const char *before)
{
    CHECK_EQ(chdir(before), 0);
    temporary_close(d);
}

/* -- EarlyStopping, ReduceLROnPlateau ---------------------------------------------------------- */

TEST(early_stopping_as_in_keras)
{
    const json *items = goldens(t, "early");

    for (uint32_t i = 0; i < items->count; i++) {
        const json *item = json_item(items, i), *values = json_get(item, "values");
        stage s;
        uint32_t epoch = 0;

        stage_open(t, &s, "EarlyStopping", config_text(t, json_get(item, "config")));
        CHECK_OK(tell(&s, EBB_TRAIN_BEGIN));
        for (;; epoch++) {
            s.now.epoch = epoch;
            s.engine.weights[0] = epoch;
            fit_logs_put(&s.logs, "val_loss", number_of(json_item(values, epoch)));
            CHECK_OK(tell(&s, EBB_EPOCH_END));
            if (s.now.stops || epoch + 1 == values->count) break;
        }
        CHECK_OK(tell(&s, EBB_TRAIN_END));
        CHECK_EQ(epoch, json_integer(json_get(item, "last"), -1));
        CHECK_EQ((int64_t)s.engine.weights[0], json_integer(json_get(item, "weights"), -1));
        callbacks_close(&s.list);
    }
}

TEST(reduce_lr_on_plateau_as_in_keras)
{
    const json *items = goldens(t, "plateau");

    for (uint32_t i = 0; i < items->count; i++) {
        const json *item = json_item(items, i), *values = json_get(item, "values");
        const json *rates = json_get(item, "rates");
        stage s;

        stage_open(t, &s, "ReduceLROnPlateau", config_text(t, json_get(item, "config")));
        CHECK_OK(tell(&s, EBB_TRAIN_BEGIN));
        for (uint32_t epoch = 0; epoch < values->count; epoch++) {
            s.now.epoch = epoch;
            s.logs.count = 0;
            fit_logs_put(&s.logs, "loss", number_of(json_item(values, epoch)));
            CHECK_OK(tell(&s, EBB_EPOCH_END));
            CHECK_NEAR(*fit_logs_find(&s.logs, "learning_rate"),
                       json_number(json_item(rates, epoch), -1), 1e-9);
        }
        callbacks_close(&s.list);
    }
}

TEST(directions_of_monitors)
{
    static const struct {
        const char *name;
        bool rises;
    } known[] = {{"loss", false},          {"val_loss", false},
                 {"accuracy", true},       {"val_acc", true},
                 {"mae", false},           {"val_mean_squared_error", false},
                 {"auc_1", true},          {"val_precision_12", true},
                 {"val_target_auc", true}, {"target_loss", false},
                 {"val_f1_score", true},   {"root_mean_squared_error", false},
                 {"mean_io_u", true},      {"cosine_similarity", true},
                 {"kl_divergence", false}, {"val_weighted_accuracy", true}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        stage s;
        char config[128];

        snprintf(config, sizeof config, "{\"monitor\": \"%s\"}", known[i].name);
        stage_open(t, &s, "EarlyStopping", config);
        fit_logs_put(&s.logs, known[i].name, 1);
        CHECK_OK(tell(&s, EBB_EPOCH_END));
        s.now.epoch = 1;
        fit_logs_put(&s.logs, known[i].name, known[i].rises ? 2 : 0.5);
        CHECK_OK(tell(&s, EBB_EPOCH_END));
        CHECK(!s.now.stops);
        s.now.epoch = 2;
        fit_logs_put(&s.logs, known[i].name, 1);
        CHECK_OK(tell(&s, EBB_EPOCH_END));
        CHECK(s.now.stops);
        callbacks_close(&s.list);
    }
}

TEST(a_missing_monitor_is_a_warning)
{
    stage s;

    stage_open(t, &s, "EarlyStopping", NULL);
    fit_logs_put(&s.logs, "accuracy", 1);
    fit_logs_put(&s.logs, "loss", 1);
    CHECK_OK(tell(&s, EBB_EPOCH_END));
    CHECK_CONTAINS(s.engine.log, "'val_loss' is not among the logs: accuracy, loss");
    CHECK(!s.now.stops);
    callbacks_close(&s.list);
}

/* -- ModelCheckpoint --------------------------------------------------------------------------- */

static void check_saved(stage *s, const json *saved, uint32_t *at)
{
    char found[512];

    if (s->engine.saved == *at) return;
    CHECK_EQ(s->engine.saved, *at + 1);
    snprintf(found, sizeof found, "%s", s->engine.last_saved);
    char *const end = strstr(found, " weights");
    if (end != NULL) *end = '\0';
    CHECK_TEXT(found, json_text(json_item(saved, *at), "nothing"));
    (*at)++;
}

TEST(model_checkpoint_as_in_keras)
{
    const json *items = goldens(t, "checkpoint");
    temporary d;
    char before[1024];

    folder_enter(&d, before);
    for (uint32_t i = 0; i < items->count; i++) {
        const json *item = json_item(items, i), *values = json_get(item, "values");
        const json *saved = json_get(item, "saved");
        stage s;
        uint32_t at = 0;

        stage_open(t, &s, "ModelCheckpoint", config_text(t, json_get(item, "config")));
        for (uint32_t epoch = 0; epoch < values->count; epoch++) {
            s.now.epoch = epoch;
            s.logs.count = 0;
            fit_logs_put(&s.logs, "loss", number_of(json_item(values, epoch)));
            for (s.now.step = 0; s.now.step < 4; s.now.step++) {
                CHECK_OK(tell(&s, EBB_BATCH_END));
                check_saved(&s, saved, &at);
            }
            fit_logs_put(&s.logs, "val_loss", number_of(json_item(values, epoch)));
            CHECK_OK(tell(&s, EBB_EPOCH_END));
            check_saved(&s, saved, &at);
        }
        CHECK_EQ(at, saved->count);
        callbacks_close(&s.list);
    }
    folder_leave(&d, before);
}

TEST(model_checkpoint_makes_folders_and_tells_faults)
{
    temporary d;
    char before[1024];
    stage s;

    folder_enter(&d, before);
    stage_open(t, &s, "ModelCheckpoint",
               "{\"filepath\": \"a/b/{epoch}.keras\", \"save_best_only\": true}");
    CHECK_OK(tell(&s, EBB_EPOCH_END)); /* without val_loss every model is saved */
    CHECK(file_exists("a/b/1.keras"));
    CHECK_CONTAINS(s.engine.log, "'val_loss' is not among");
    s.engine.save_fails = true;
    CHECK_STATUS(tell(&s, EBB_EPOCH_END), EBB_E_IO);
    CHECK_CONTAINS(t->error.where, "callbacks[0] ModelCheckpoint");
    callbacks_close(&s.list);
    stage_open(t, &s, "ModelCheckpoint", "{\"filepath\": \"{epoc}.keras\"}");
    CHECK_STATUS(tell(&s, EBB_EPOCH_END), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "there is no 'epoc'; there are epoch");
    callbacks_close(&s.list);
    folder_leave(&d, before);
}

/* -- CSVLogger, numbers ------------------------------------------------------------------------ */

static const char *file_text(test *t, const char *path)
{
    size_t length;
    uint8_t *bytes = file_read(t, path, &length);

    bytes[length] = '\0';
    return (const char *)bytes;
}

static void log_epochs(stage *s, const json *logs)
{
    CHECK_OK(tell(s, EBB_TRAIN_BEGIN));
    for (uint32_t epoch = 0; epoch < logs->count; epoch++) {
        const json *log = json_item(logs, epoch);

        s->now.epoch = epoch;
        s->logs.count = 0;
        for (uint32_t k = 0; k < log->count; k++)
            fit_logs_put(&s->logs, log->as.members[k].key, number_of(&log->as.members[k].value));
        CHECK_OK(tell(s, EBB_EPOCH_END));
    }
    CHECK_OK(tell(s, EBB_TRAIN_END));
}

TEST(csv_files_are_those_of_keras)
{
    const json *items = goldens(t, "csv");
    temporary d;

    temporary_open(&d);
    for (uint32_t i = 0; i < items->count; i++) {
        const json *item = json_item(items, i);
        const path_text path = temporary_path(&d, "log.csv");
        const bool appends = json_boolean(json_get(item, "append"), false);
        stage s;
        text_writer w;

        if (appends) file_write(path.text, "epoch,loss\r\n", 12);
        text_begin(&w, t->home);
        text_format(&w, "{\"filename\": \"%s\", \"append\": %s, \"separator\": ", path.text,
                    appends ? "true" : "false");
        text_json_string(&w, json_text(json_get(item, "separator"), ","));
        text_put(&w, "}");
        stage_open(t, &s, "CSVLogger", w.text);
        log_epochs(&s, json_get(item, "logs"));
        CHECK_EQ(ledger_descriptors(t->ledger), 0);
        callbacks_close(&s.list);
        CHECK_TEXT(file_text(t, path.text), json_text(json_get(item, "text"), ""));
    }
    temporary_close(&d);
}

TEST(numbers_are_printed_as_python_does)
{
    const json *items = goldens(t, "repr");
    char text[NUMBER_REPR_BYTES];

    for (uint32_t i = 0; i < items->count; i++) {
        number_repr(json_number(json_item(json_item(items, i), 0), 0), text);
        CHECK_TEXT(text, json_text(json_item(json_item(items, i), 1), ""));
    }
    number_repr((double)NAN, text);
    CHECK_TEXT(text, "nan");
    number_repr((double)-INFINITY, text);
    CHECK_TEXT(text, "-inf");
}

static void check_formats(test *t, const json *items, bool are_integers)
{
    char text[128];

    for (uint32_t i = 0; i < items->count; i++) {
        const json *item = json_item(items, i);
        const named_number v = {"v", are_integers, json_number(json_item(item, 1), 0)};

        CHECK_OK(number_format(json_text(json_item(item, 0), ""), &v, 1, "format", text,
                               sizeof text, &t->error));
        CHECK_TEXT(text, json_text(json_item(item, 2), ""));
    }
}

TEST(formats_are_those_of_python)
{
    const json *formats = goldens(t, "format");

    check_formats(t, json_get(formats, "floats"), false);
    check_formats(t, json_get(formats, "integers"), true);
}

TEST(faults_of_formats)
{
    static const char *const bad[] = {"{w}",      "{v:d}",    "{v:.3}",    "{v:x}", "{v",   "v}",
                                      "{v:.2fz}", "{v:999f}", "{v:.999f}", "{",     "{v:s}"};
    const named_number v = {"v", false, 1};
    char text[64];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_STATUS(number_format(bad[i], &v, 1, "format", text, sizeof text, &t->error),
                     EBB_E_ARGUMENT);
    }
    CHECK_STATUS(number_format("{v:70.1f}", &v, 1, "format", text, sizeof text, &t->error),
                 EBB_E_ARGUMENT);
}

/* -- the others -------------------------------------------------------------------------------- */

TEST(learning_rates_by_epoch)
{
    stage s;

    stage_open(t, &s, "LearningRateScheduler", "{\"values\": [0.5, 0.25]}");
    for (uint32_t epoch = 0; epoch < 4; epoch++) {
        s.now.epoch = epoch;
        CHECK_OK(tell(&s, EBB_EPOCH_BEGIN));
        CHECK_OK(tell(&s, EBB_EPOCH_END));
        CHECK_NEAR(*fit_logs_find(&s.logs, "learning_rate"), epoch == 0 ? 0.5 : 0.25, 0);
    }
    s.engine.rate_is_fixed = true;
    CHECK_STATUS(tell(&s, EBB_EPOCH_BEGIN), EBB_E_STATE);
    callbacks_close(&s.list);

    stage_open(t, &s, "LearningRateScheduler",
               "{\"schedule\": {\"class_name\": \"ExponentialDecay\", \"config\": "
               "{\"initial_learning_rate\": 0.4, \"decay_steps\": 2, \"decay_rate\": 0.5}}}");
    for (uint32_t epoch = 0; epoch < 6; epoch++) {
        s.now.epoch = epoch;
        CHECK_OK(tell(&s, EBB_EPOCH_BEGIN));
        CHECK_NEAR(s.engine.rate, 0.4 * pow(0.5, epoch / 2.0), 1e-7);
    }
    callbacks_close(&s.list);
    stage_open(t, &s, "LearningRateScheduler",
               "{\"schedule\": {\"class_name\": \"PiecewiseConstantDecay\", \"config\": "
               "{\"boundaries\": [1, 3], \"values\": [1.0, 0.5, 0.1]}}}");
    for (uint32_t epoch = 0; epoch < 6; epoch++) {
        s.now.epoch = epoch;
        CHECK_OK(tell(&s, EBB_EPOCH_BEGIN));
        CHECK_NEAR(s.engine.rate, epoch <= 1 ? 1 : epoch <= 3 ? 0.5 : (double)0.1f, 0);
    }
    callbacks_close(&s.list);
}

static bool halve(void *context, const ebb_training_event *event)
{
    fake_engine *e = context;

    CHECK_EQ(event->moment, EBB_EPOCH_BEGIN);
    e->rate = event->learning_rate / 2;
    return event->epoch < 2;
}

TEST(a_function_sets_the_rate)
{
    stage s;
    ebb_callback given = {.name = "LearningRateScheduler", .function = halve};

    given.context = &s.engine;
    CHECK_OK(stage_try(t, &s, &given, 1));
    CHECK_OK(tell(&s, EBB_EPOCH_BEGIN));
    CHECK_NEAR(s.engine.rate, 0.05, 1e-8);
    CHECK(!s.now.stops);
    s.now.epoch = 2;
    CHECK_OK(tell(&s, EBB_EPOCH_BEGIN));
    CHECK(s.now.stops);
    callbacks_close(&s.list);
}

TEST(terminate_on_nan)
{
    stage s;

    stage_open(t, &s, "TerminateOnNaN", NULL);
    CHECK_OK(tell(&s, EBB_BATCH_END));
    fit_logs_put(&s.logs, "loss", 1);
    CHECK_OK(tell(&s, EBB_BATCH_END));
    CHECK(!s.now.stops);
    fit_logs_put(&s.logs, "loss", (double)INFINITY);
    CHECK_OK(tell(&s, EBB_BATCH_END));
    CHECK(s.now.stops);
    callbacks_close(&s.list);
    stage_open(t, &s, "TerminateOnNaN", "{\"raise_error\": true}");
    fit_logs_put(&s.logs, "loss", (double)NAN);
    s.now.step = 3;
    CHECK_STATUS(tell(&s, EBB_BATCH_END), EBB_E_STATE);
    CHECK_TEXT(t->error.text, "the loss is NaN at batch 3 of epoch 1");
    callbacks_close(&s.list);
}

TEST(averages_are_swapped_in_and_out)
{
    stage s;

    stage_open(t, &s, "SwapEMAWeights", "{\"swap_on_epoch\": true}");
    CHECK_STATUS(tell(&s, EBB_TEST_BEGIN), EBB_E_STATE);
    s.engine.keeps_averages = true;
    s.engine.weights[0] = 1;
    s.engine.averages[0] = 2;
    CHECK_OK(tell(&s, EBB_EPOCH_BEGIN));
    CHECK_OK(tell(&s, EBB_TEST_BEGIN));
    CHECK_NEAR(s.engine.weights[0], 2, 0);
    CHECK_OK(tell(&s, EBB_TEST_END));
    CHECK_NEAR(s.engine.weights[0], 1, 0);
    CHECK_OK(tell(&s, EBB_EPOCH_END));
    CHECK_NEAR(s.engine.weights[0], 2, 0);
    CHECK_NEAR(s.engine.averages[0], 1, 0);
    CHECK_OK(tell(&s, EBB_EPOCH_BEGIN));
    CHECK_NEAR(s.engine.weights[0], 1, 0);
    s.now.epoch = 99; /* the last one: the averages are kept on both sides */
    CHECK_OK(tell(&s, EBB_EPOCH_END));
    CHECK_NEAR(s.engine.weights[0], 2, 0);
    CHECK_NEAR(s.engine.averages[0], 2, 0);
    CHECK_OK(tell(&s, EBB_TRAIN_END));
    callbacks_close(&s.list);
    /* cut off inside an evaluation */
    stage_open(t, &s, "SwapEMAWeights", NULL);
    s.engine.keeps_averages = true;
    s.engine.averages[0] = 2;
    CHECK_OK(tell(&s, EBB_TEST_BEGIN));
    CHECK_NEAR(s.engine.weights[0], 2, 0);
    callbacks_close(&s.list);
    CHECK_NEAR(s.engine.weights[0], 0, 0);
}

/* -- faults ------------------------------------------------------------------------------------ */

static bool nothing(void *context, const ebb_training_event *event)
{
    (void)context;
    (void)event;
    return true;
}

TEST(faults_of_callbacks)
{
    static const struct {
        const char *name, *config;
        ebb_status status;
        const char *text;
    } bad[] = {
        {"EarlyStop", NULL, EBB_E_UNSUPPORTED, "there are BackupAndRestore"},
        {"RemoteMonitor", NULL, EBB_E_UNSUPPORTED, "no callback is called 'RemoteMonitor'"},
        {"EarlyStopping", "{\"patiense\": 3}", EBB_E_UNSUPPORTED, "'patiense'"},
        {"EarlyStopping", "{\"patience\": \"x\"}", EBB_E_FORMAT, "an integer"},
        {"EarlyStopping", "{\"mode\": \"up\"}", EBB_E_FORMAT, "auto|min|max"},
        {"EarlyStopping", "{\"monitor\": \"val_strange\"}", EBB_E_ARGUMENT, "give mode"},
        {"EarlyStopping", "{", EBB_E_FORMAT, ""},
        {"EarlyStopping", "[3]", EBB_E_FORMAT, "not an object"},
        {"ReduceLROnPlateau", "{\"factor\": 1}", EBB_E_ARGUMENT, "below 1"},
        {"ModelCheckpoint", NULL, EBB_E_FORMAT, "'filepath' is missing"},
        {"ModelCheckpoint", "{\"filepath\": \"a.txt\"}", EBB_E_ARGUMENT, ".keras or .h5"},
        {"ModelCheckpoint", "{\"filepath\": \"a.keras\", \"save_weights_only\": true}",
         EBB_E_ARGUMENT, ".weights.h5"},
        {"ModelCheckpoint", "{\"filepath\": \"a.keras\", \"save_freq\": 0}", EBB_E_ARGUMENT,
         "save_freq"},
        {"LearningRateScheduler", NULL, EBB_E_ARGUMENT, "got 0 of them"},
        {"LearningRateScheduler", "{\"values\": []}", EBB_E_ARGUMENT, "a list of learning rates"},
        {"LearningRateScheduler", "{\"values\": [1], \"schedule\": {}}", EBB_E_ARGUMENT, "got 2"},
        {"LearningRateScheduler", "{\"schedule\": {\"class_name\": \"No\"}}", EBB_E_UNSUPPORTED,
         "ExponentialDecay"},
        {"CSVLogger", "{\"filename\": \"a\", \"separator\": \", \"}", EBB_E_ARGUMENT,
         "one character"},
        {"BackupAndRestore", "{\"backup_dir\": \"\"}", EBB_E_ARGUMENT, "empty"},
        {"TensorBoard", "{\"histogram_freq\": 1}", EBB_E_UNSUPPORTED, "only scalars"},
        {"TensorBoard", "{\"update_freq\": \"step\"}", EBB_E_ARGUMENT, "update_freq"},
    };
    stage s;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const ebb_callback given[] = {{.function = nothing},
                                      {.name = bad[i].name, .config = bad[i].config}};

        CHECK_STATUS(stage_try(t, &s, given, 2), bad[i].status);
        CHECK_CONTAINS(t->error.text, bad[i].text);
        CHECK_CONTAINS(t->error.where, "callbacks[1]");
        callbacks_close(&s.list);
    }
    CHECK_STATUS(stage_try(t, &s, &(ebb_callback){0}, 1), EBB_E_ARGUMENT);
    callbacks_close(&s.list);
    CHECK_STATUS(stage_try(t, &s,
                           &(ebb_callback){.name = "CSVLogger",
                                           .config = "{\"filename\": \"a\"}",
                                           .function = nothing},
                           1),
                 EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "takes no function");
    callbacks_close(&s.list);
    stage_open(t, &s, "CSVLogger", "{\"filename\": \"/nowhere/at/all.csv\"}");
    CHECK_STATUS(tell(&s, EBB_TRAIN_BEGIN), EBB_E_IO);
    callbacks_close(&s.list);
}

TEST(nothing_stays_after_a_failed_allocation)
{
    temporary d;
    char before[1024];
    static const ebb_callback given[] = {
        {.name = "EarlyStopping", .config = "{\"restore_best_weights\": true}"},
        {.name = "ReduceLROnPlateau"},
        {.name = "LearningRateScheduler",
         .config = "{\"schedule\": {\"class_name\": \"CosineDecay\", \"config\": "
                   "{\"initial_learning_rate\": 0.4, \"decay_steps\": 2}}}"},
        {.name = "ModelCheckpoint", .config = "{\"filepath\": \"m.keras\"}"},
        {.name = "CSVLogger", .config = "{\"filename\": \"log.csv\", \"append\": true}"},
        {.name = "BackupAndRestore", .config = "{\"backup_dir\": \"backup\"}"},
        {.name = "TensorBoard", .config = "{\"log_dir\": \"logs\"}"},
        {.name = "SwapEMAWeights", .config = "{\"swap_on_epoch\": true}"},
    };
    static const ebb_moment moments[] = {EBB_TRAIN_BEGIN, EBB_EPOCH_BEGIN, EBB_BATCH_BEGIN,
                                         EBB_BATCH_END,   EBB_TEST_BEGIN,  EBB_TEST_END,
                                         EBB_EPOCH_END,   EBB_TRAIN_END};

    folder_enter(&d, before);
    for (int64_t n = 0;; n++) {
        stage s;
        ebb_status status;
        uint64_t live;

        s = (stage){.t = t};
        fake_engine_open(t, &s.engine, 1);
        s.engine.keeps_averages = true;
        CHECK_OK(fit_logs_open(t->home, 16, &s.logs, &t->error));
        s.now = (fit_moment){.engine = &s.engine.base, .epochs = 1, .logs = &s.logs};
        fit_logs_put(&s.logs, "loss", 1);
        fit_logs_put(&s.logs, "val_loss", 1);
        region *home = region_open(t->home, "callbacks", EBB_CLASS_META, 0);
        live = region_bytes_live(t->home);
        test_fail_allocation(t, n);
        status = callbacks_open(home, &s.engine.base, given, sizeof given / sizeof given[0],
                                &s.list, &t->error);
        for (size_t i = 0; i < sizeof moments / sizeof moments[0] && status == EBB_OK; i++)
            status = tell(&s, moments[i]);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        callbacks_close(&s.list);
        region_close(home);
        CHECK_EQ(region_bytes_live(t->home), live);
        CHECK_EQ(ledger_descriptors(t->ledger), 0);
        if (!failed) break;
    }
    folder_leave(&d, before);
}

TEST_MAIN(RUN(early_stopping_as_in_keras), RUN(reduce_lr_on_plateau_as_in_keras),
          RUN(directions_of_monitors), RUN(a_missing_monitor_is_a_warning),
          RUN(model_checkpoint_as_in_keras), RUN(model_checkpoint_makes_folders_and_tells_faults),
          RUN(csv_files_are_those_of_keras), RUN(numbers_are_printed_as_python_does),
          RUN(formats_are_those_of_python), RUN(faults_of_formats), RUN(learning_rates_by_epoch),
          RUN(a_function_sets_the_rate), RUN(terminate_on_nan),
          RUN(averages_are_swapped_in_and_out), RUN(faults_of_callbacks),
          RUN(nothing_stays_after_a_failed_allocation))
