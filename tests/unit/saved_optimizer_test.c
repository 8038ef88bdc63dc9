/* saved_optimizer_test.c -- the state of optimizers in files of Keras 3, tf.keras and Keras 2,
 * against what the optimizers themselves said (tests/golden/make_training.py); damaged state; files
 * that were replaced; every allocation failing in turn. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ebb/ebb.h"
#include "format/format.h"
#include "format/hdf5/hdf5_write.h"
#include "format/saved_optimizer.h"
#include "temporary.h"

#define TRAINING      EBB_GOLDEN "/training"
#define VARIABLES_MAX 64

/* -- what is expected ----------------------------------------------------------------------------
 */

typedef struct expected {
    ebb_runtime runtime;
    ebb_arrays arrays;
    ebb_view views[VARIABLES_MAX]; /* data NULL: not in the file */
    uint32_t count;
} expected;

/* Arrays "<prefix>0", "<prefix>1", ... of an .npz. */
static void expected_open(test *t, const char *path, const char *prefix, expected *e)
{
    const ebb_runtime_options options = {.struct_size = sizeof options,
                                         .allocator = test_allocator(t)};

    memset(e, 0, sizeof *e);
    CHECK_OK(ebb_runtime_open(&options, &e->runtime, &t->error));
    CHECK_OK(ebb_arrays_open(e->runtime, path, &e->arrays, &t->error));
    for (uint32_t i = 0; i < ebb_arrays_count(e->arrays); i++) {
        const char *name;
        ebb_view view;
        CHECK_OK(ebb_arrays_read(e->arrays, i, &name, &view));
        if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
        const uint32_t index = (uint32_t)atoi(name + strlen(prefix));
        CHECK(index < VARIABLES_MAX);
        e->views[index] = view;
        if (index >= e->count) e->count = index + 1;
    }
    CHECK(e->count > 0);
}

static void expected_close(expected *e)
{
    CHECK_OK(ebb_arrays_close(e->arrays));
    CHECK_OK(ebb_runtime_close(e->runtime, NULL));
}

static saved_tensor wanted_of(const ebb_view *view)
{
    saved_tensor wanted = {.name = "variable", .dtype = view->dtype, .rank = view->rank};

    memcpy(wanted.dims, view->dims, sizeof wanted.dims);
    return wanted;
}

/* Every variable to the bit. */
static void check_state(test *t, const saved_optimizer *s, const expected *e)
{
    saved_tensor wanted[VARIABLES_MAX];

    if (s->problem != NULL) print_message("%s\n", s->problem);
    CHECK(s->problem == NULL);
    CHECK_EQ(s->count, e->count);
    for (uint32_t i = 0; i < e->count; i++) wanted[i] = wanted_of(&e->views[i]);
    CHECK_OK(saved_optimizer_fits(s, wanted, e->count, &t->error));
    for (uint32_t i = 0; i < e->count; i++) {
        const size_t bytes = ebb_view_bytes(&e->views[i]);
        void *found = region_block(t->home, bytes + 1);
        bool is_there = true;
        CHECK_OK(saved_optimizer_read(s, i, &wanted[i], found, &is_there, &t->error));
        if (i == 1 && e->views[i].data == NULL && !is_there) continue;
        CHECK_EQ(is_there, e->views[i].data != NULL);
        if (is_there) CHECK_EQ(memcmp(found, e->views[i].data, bytes), 0);
        region_block_release(t->home, found);
    }
}

static void check_file(test *t, const char *path, const expected *e)
{
    region *home = region_open(t->home, "file", EBB_CLASS_META, 0);
    description *d = NULL;
    saved_optimizer s;

    print_message("%s\n", path);
    CHECK_OK(format_read(home, path, NULL, &d, &t->error));
    CHECK_OK(saved_optimizer_open(home, d, &s, &t->error));
    CHECK(s.file == NULL);
    check_state(t, &s, e);
    saved_optimizer_close(&s);
    CHECK_OK(description_finish(d, &t->error));
    CHECK_OK(saved_optimizer_open(home, d, &s, &t->error)); /* once more */
    CHECK(s.file != NULL);
    check_state(t, &s, e);
    saved_optimizer_close(&s);
    region_close(home);
}

/* Calls back for every .npz of the goldens that begins with `prefix`, with its path up to the dot.
 */
static uint32_t each_golden(test *t, const char *prefix,
                            void (*body)(test *t, const char *stem, const expected *e))
{
    DIR *entries = opendir(TRAINING);
    uint32_t count = 0;

    CHECK(entries != NULL);
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[512];
        expected e;
        char *end = strstr(entry->d_name, ".npz");
        if (end == NULL || strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", TRAINING, entry->d_name);
        expected_open(t, path, "", &e);
        path[strlen(path) - 4] = '\0';
        body(t, path, &e);
        expected_close(&e);
        count++;
    }
    closedir(entries);
    return count;
}

static void check_endings(test *t, const char *stem, const expected *e)
{
    static const char *const endings[] = {".keras", ".h5"};
    uint32_t seen = 0;

    for (size_t i = 0; i < 2; i++) {
        char path[520];
        snprintf(path, sizeof path, "%s%s", stem, endings[i]);
        if (!file_exists(path)) continue;
        check_file(t, path, e);
        seen++;
    }
    CHECK(seen > 0);
}

TEST(states_are_read_in_the_order_of_keras_3)
{
    CHECK_EQ(each_golden(t, "", check_endings), 14);
}

/* -- through a loaded model ----------------------------------------------------------------------
 */

static void save_all(test *t, const expected *e, const char *from, const path_text to[3])
{
    ebb_model model;

    CHECK_OK(ebb_model_load(e->runtime, from, NULL, &model, &t->error));
    for (size_t i = 0; i < 3; i++) CHECK_OK(ebb_model_save(model, to[i].text, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
}

/* The learning rate of the settings, where the list has none. */
static void check_rate(test *t, const char *path, const expected *e)
{
    description *d = NULL;
    saved_optimizer s;
    float rate;

    CHECK_OK(format_read(t->home, path, NULL, &d, &t->error));
    CHECK_OK(saved_optimizer_open(t->home, d, &s, &t->error));
    const json *given = json_path(d->compile_config, "optimizer_config.config.learning_rate");
    if (s.count > 1 && s.variables[1] == NULL) {
        memcpy(&rate, e->views[1].data, sizeof rate);
        CHECK(given != NULL);
        CHECK((float)json_number(given, 0) == rate);
    }
    description_close(d);
}

static void check_saved(test *t, const char *stem, const expected *e)
{
    static const char *const endings[] = {".keras", ".h5"};
    temporary folder;

    temporary_open(&folder);
    for (size_t i = 0; i < 2; i++) {
        path_text from = {{0}};
        const path_text first[3] = {temporary_path(&folder, "a.keras"),
                                    temporary_path(&folder, "a.h5"),
                                    temporary_path(&folder, "a.weights.h5")};
        const path_text second[3] = {temporary_path(&folder, "b.keras"),
                                     temporary_path(&folder, "b.h5"),
                                     temporary_path(&folder, "b.weights.h5")};
        snprintf(from.text, sizeof from.text, "%s%s", stem, endings[i]);
        save_all(t, e, from.text, first);
        check_file(t, first[0].text, e);
        check_file(t, first[1].text, e);
        check_rate(t, first[1].text, e);
        save_all(t, e, first[1].text, second); /* from .h5, where the rate is in the settings */
        check_file(t, second[0].text, e);
        check_file(t, second[1].text, e);
        save_all(t, e, second[1].text, first); /* nothing changes any further */
        CHECK(files_equal(t, first[1].text, second[1].text));
    }
    temporary_close(&folder);
}

TEST(states_go_along_when_a_model_is_saved)
{
    CHECK_EQ(each_golden(t, "keras_", check_saved), 6);
}

/* -- fits, conversions ---------------------------------------------------------------------------
 */

TEST(other_optimizers_do_not_fit)
{
    saved_tensor wanted[10] = {{0}};
    description *d = NULL;
    saved_optimizer s;
    int32_t count;
    float rate[8];
    bool is_there;

    CHECK_OK(format_read(t->home, TRAINING "/keras_adam.keras", NULL, &d, &t->error));
    CHECK_OK(saved_optimizer_open(t->home, d, &s, &t->error));
    CHECK_EQ(s.count, 14);
    CHECK_STATUS(saved_optimizer_fits(&s, wanted, 10, &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "14 variables, the one that was compiled 10");
    s.count = 3;
    wanted[0] = (saved_tensor){.name = "adam/iteration", .dtype = EBB_I32};
    wanted[1] = (saved_tensor){.name = "adam/learning_rate", .dtype = EBB_F32};
    wanted[2] = (saved_tensor){.name = "adam/m", .dtype = EBB_F32, .rank = 2, .dims = {4, 3}};
    CHECK_STATUS(saved_optimizer_fits(&s, wanted, 3, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "(4, 3), but the file has (3, 4)");
    wanted[2].rank = 1;
    CHECK_STATUS(saved_optimizer_fits(&s, wanted, 3, &t->error), EBB_E_SHAPE);
    wanted[2] = (saved_tensor){.name = "adam/m", .dtype = EBB_F32, .rank = 2, .dims = {3, 4}};
    CHECK_OK(saved_optimizer_fits(&s, wanted, 3, &t->error));
    CHECK_OK(saved_optimizer_read(&s, 0, &wanted[0], &count, &is_there, &t->error));
    CHECK_EQ(count, 3); /* int64 in the file */
    CHECK_OK(saved_optimizer_read(&s, 1, &wanted[1], rate, &is_there, &t->error));
    CHECK(rate[0] == 0.01f);
    wanted[1].dtype = EBB_F64;
    CHECK_OK(saved_optimizer_read(&s, 1, &wanted[1], rate, &is_there, &t->error));
    double wide;
    memcpy(&wide, rate, sizeof wide);
    CHECK(wide == (double)0.01f);
    description_close(d);
}

TEST(a_model_without_state_has_none)
{
    description *d = NULL;
    saved_optimizer s;

    CHECK_OK(format_read(t->home, EBB_GOLDEN "/format/sequential.keras", NULL, &d, &t->error));
    CHECK_OK(saved_optimizer_open(t->home, d, &s, &t->error));
    CHECK_EQ(s.count, 0);
    CHECK(s.problem == NULL && s.file == NULL);
    description_close(d);
}

TEST(another_file_of_the_same_name_is_noticed)
{
    temporary folder;
    description *d = NULL;
    saved_optimizer s;
    size_t length;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x.keras");
    const uint8_t *bytes = file_read(t, TRAINING "/keras_adam.keras", &length);
    file_write(path.text, bytes, length);
    CHECK_OK(format_read(t->home, path.text, NULL, &d, &t->error));
    CHECK_OK(description_finish(d, &t->error));
    CHECK_OK(saved_optimizer_open(t->home, d, &s, &t->error));
    saved_optimizer_close(&s);
    unlink(path.text);
    CHECK_STATUS(saved_optimizer_open(t->home, d, &s, &t->error), EBB_E_NOT_FOUND);
    bytes = file_read(t, TRAINING "/keras_sgd.keras", &length);
    file_write(path.text, bytes, length);
    CHECK_STATUS(saved_optimizer_open(t->home, d, &s, &t->error), EBB_E_IO);
    CHECK_CONTAINS(t->error.text, "loaded from any more");
    saved_optimizer_close(&s);
    temporary_close(&folder);
}

/* -- older orders, and what is wrong with a state ------------------------------------------------
 */

/* A whole-model .h5 with nothing but the state of an optimizer: a list of "name:lengths". */
typedef struct draft {
    const char *version, *backend, *settings;
    const char *variables[16];
} draft;

static ebb_status draft_put(void *context, const void *bytes, uint64_t length, ebb_error *error)
{
    (void)error;
    return fwrite(bytes, 1, (size_t)length, context) == length ? EBB_OK : EBB_E_IO;
}

/* Variable number k is full of k; "name(4)" has four elements. A '!' names what is not there, a '#'
 * a group. */
static void draft_write(test *t, const draft *a, const char *path)
{
    hdf5_writer *w = hdf5_write_open(t->home);
    hdf5_item *root = hdf5_write_root(w), *items[16] = {NULL};
    const char *names[16] = {NULL}, *const layers[] = {"dense"};
    int64_t lengths[16] = {0};
    uint32_t count = 0;
    FILE *file = fopen(path, "wb");
    const hdf5_sink sink = {draft_put, file};

    hdf5_write_text(w, root, "model_config", "{}");
    hdf5_write_text(w, root, "keras_version", a->version);
    hdf5_write_text(w, root, "backend", a->backend);
    if (a->settings != NULL) hdf5_write_text(w, root, "training_config", a->settings);
    hdf5_write_group(w, root, "model_weights/dense");
    hdf5_write_texts(w, hdf5_write_group(w, root, "model_weights"), "layer_names", layers, 1);
    hdf5_item *group = hdf5_write_group(w, root, "optimizer_weights");
    for (; count < 16 && a->variables[count] != NULL; count++) {
        const char *given = a->variables[count], *open = strchr(given, '(');
        const bool is_there = given[0] != '!' && given[0] != '#';
        lengths[count] = open != NULL ? atoi(open + 1) : 0;
        names[count] = region_text_length(t->home, given + !is_there,
                                          (open != NULL ? (size_t)(open - given) : strlen(given)) -
                                              (size_t)!is_there);
        if (given[0] == '#') hdf5_write_group(w, group, names[count]);
        if (is_there) {
            items[count] =
                hdf5_write_dataset(w, group, names[count], EBB_F32, open != NULL, &lengths[count]);
        }
    }
    hdf5_write_texts(w, group, "weight_names", names, count);
    CHECK(file != NULL);
    CHECK_OK(hdf5_write_layout(w, &t->error));
    CHECK_OK(hdf5_write_begin(w, &sink, &t->error));
    for (uint32_t i = 0; i < count; i++) {
        float numbers[8];
        for (size_t k = 0; k < 8; k++) numbers[k] = (float)i;
        if (items[i] != NULL) CHECK_OK(hdf5_write_data(w, items[i], numbers, &t->error));
    }
    fclose(file);
}

/* "0 - 1 3 2 4": the stored number of each variable, "-" for one that is not there; or the problem.
 */
static void check_draft(test *t, const draft *a, const char *text)
{
    temporary folder;
    description *d = NULL;
    saved_optimizer s;
    text_writer w;

    temporary_open(&folder);
    const path_text path = temporary_path(&folder, "x.h5");
    draft_write(t, a, path.text);
    CHECK_OK(format_read(t->home, path.text, format_tensors_only, &d, &t->error));
    CHECK(d->model == NULL);
    CHECK_OK(saved_optimizer_open(t->home, d, &s, &t->error));
    text_begin(&w, t->home);
    if (s.problem != NULL) {
        CHECK_EQ(s.count, 0);
        CHECK_STATUS(saved_optimizer_fits(&s, NULL, 0, &t->error), EBB_E_STATE);
        text_put(&w, s.problem);
    }
    for (uint32_t i = 0; i < s.count; i++) {
        const saved_tensor wanted = {.dtype = EBB_I32};
        int32_t numbers[8] = {0};
        bool is_there;
        CHECK_OK(saved_optimizer_read(&s, i, &wanted, numbers, &is_there, &t->error));
        if (is_there) text_format(&w, i > 0 ? " %d" : "%d", numbers[0]);
        if (!is_there) text_put(&w, i > 0 ? " -" : "-");
    }
    if (s.problem == NULL) {
        CHECK_TEXT(w.text != NULL ? w.text : "", text);
    } else {
        CHECK_CONTAINS(w.text, text);
    }
    description_close(d);
    temporary_close(&folder);
}

#define SETTINGS(name, config)                                                                     \
    "{\"optimizer_config\": {\"class_name\": \"" name "\", \"config\": {" config "}}}"

typedef struct draft_case {
    draft a;
    const char *text;
} draft_case;

static const draft_case orders[] = {
    /* Keras 2.0: one list after the other. */
    {{"2.0.5",
      "tensorflow",
      SETTINGS("Adam", "\"lr\": 0.1"),
      {"iterations:0", "Variable:0(4)", "Variable_1:0(2)", "Variable_2:0(4)", "Variable_3:0(2)"}},
     "0 - 1 3 2 4"},
    /* Keras 2.2: a third list that is not used. */
    {{"2.2.4",
      "tensorflow",
      SETTINGS("Adam", "\"lr\": 0.1, \"amsgrad\": false"),
      {"Adam/iterations:0", "a/V:0(4)", "a/V_1:0(2)", "a/V_2:0(4)", "a/V_3:0(2)", "a/V_4:0(1)",
       "a/V_5:0(1)"}},
     "0 - 1 3 2 4"},
    {{"2.2.4",
      "tensorflow",
      SETTINGS("Adam", "\"amsgrad\": true"),
      {"Adam/iterations:0", "a/V:0(4)", "a/V_1:0(2)", "a/V_2:0(4)", "a/V_3:0(2)", "a/V_4:0(4)",
       "a/V_5:0(2)"}},
     "0 - 1 3 2 4 5 6"},
    /* No counter. */
    {{"2.1.3",
      "tensorflow",
      SETTINGS("RMSprop", "\"rho\": 0.9"),
      {"training/RMSprop/Variable:0(3)", "training/RMSprop/Variable_1:0(5)"}},
     "- - 0 1"},
    {{"2.1.3", "tensorflow", SETTINGS("Adagrad", ""), {"Variable:0"}}, "- - 0"},
    /* SGD keeps a list that is not used without momentum. */
    {{"2.2.4",
      "tensorflow",
      SETTINGS("SGD", "\"momentum\": 0.0"),
      {"SGD/iterations:0", "a/V:0(4)"}},
     "0 -"},
    {{"2.2.4",
      "tensorflow",
      SETTINGS("SGD", "\"momentum\": 0.5"),
      {"SGD/iterations:0", "a/V:0(4)"}},
     "0 - 1"},
    /* tf.keras to 2.10, and after. */
    {{"2.4.0",
      "tensorflow",
      SETTINGS("Custom>Adamax", ""),
      {"Adamax/iter:0", "x/m:0(4)", "y/m:0(2)", "x/v:0(4)", "y/v:0(2)"}},
     "0 - 1 3 2 4"},
    {{"2.13.1",
      "tensorflow",
      SETTINGS("AdamW", ""),
      {"iteration:0", "m/x:0(4)", "v/x:0(4)", "m/y:0(2)", "v/y:0(2)"}},
     "0 - 1 2 3 4"},
    /* A schedule leaves no place for a learning rate. */
    {{"2.4.0",
      "tensorflow",
      SETTINGS("SGD", "\"momentum\": 0.5, \"learning_rate\": {\"class_name\": \"CosineDecay\"}"),
      {"SGD/iter:0", "x/momentum:0(4)"}},
     "0 1"},
    /* Keras 3, of any optimizer; and as .h5 files are written here. */
    {{"3.3.3",
      "tensorflow",
      SETTINGS("Mine", ""),
      {"mine/iteration", "mine/learning_rate", "mine/x(4)"}},
     "0 1 2"},
    {{"3.15.1",
      "tensorflow",
      SETTINGS("Adam", ""),
      {"adam/iter", "m/x(4)", "m/y(2)", "v/x(4)", "v/y(2)"}},
     "0 - 1 3 2 4"},
    {{"3.15.1", "tensorflow", NULL, {"adam/iteration", "adam/learning_rate"}}, "0 1"},
};

TEST(older_orders_are_told_apart)
{
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        check_draft(t, &orders[i].a, orders[i].text);
}

TEST(states_that_cannot_be_used_say_why)
{
    static const draft_case cases[] = {
        {{"1.2.2", "tensorflow", SETTINGS("Adam", ""), {"iterations"}}, "Keras 1"},
        {{"2.0.5", "theano", SETTINGS("Adam", ""), {"iterations"}}, "Theano"},
        {{"2.4.0", "tensorflow", SETTINGS("Nadam", ""), {"Nadam/iter:0"}}, "other variables"},
        {{"2.4.0", "tensorflow", NULL, {"Adam/iter:0"}}, "other variables"},
        {{"2.4.0",
          "tensorflow",
          SETTINGS("Adam", ""),
          {"Adam/iter:0", "x/m:0(4)", "y/m:0(2)", "x/v:0(4)"}},
         "do not fit together"},
        {{"2.4.0", "tensorflow", SETTINGS("Adam", ""), {"Adam/iter:0", "x/m:0(4)", "x/v:0(3)"}},
         "do not fit together"},
        {{"3.15.1", "tensorflow", SETTINGS("Adam", ""), {"adam/iteration", "!adam/gone"}},
         "the weight 'adam/gone' is not in the file"},
        {{"3.15.1", "tensorflow", SETTINGS("Adam", ""), {"adam/iteration", "#adam/group"}},
         "lists a group"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_draft(t, &cases[i].a, cases[i].text);
}

/* -- failures ------------------------------------------------------------------------------------
 */

static void check_allocations(test *t, const char *path)
{
    for (int64_t n = 0;; n++) {
        region *home = region_open(t->home, "model", EBB_CLASS_META, 0);
        description *d = NULL;
        saved_optimizer s = {0};
        CHECK_OK(format_read(home, path, NULL, &d, &t->error));
        CHECK_OK(description_finish(d, &t->error));
        test_fail_allocation(t, n);
        ebb_status status = saved_optimizer_open(home, d, &s, &t->error);
        saved_training training;
        if (status == EBB_OK) status = saved_optimizer_list(home, &s, d, 4, &training, &t->error);
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, has_failed ? EBB_E_MEMORY : EBB_OK);
        saved_optimizer_close(&s);
        region_close(home);
        if (!has_failed) break;
    }
}

TEST(every_allocation_may_fail)
{
    check_allocations(t, TRAINING "/keras_scaled.keras");
    check_allocations(t, TRAINING "/keras_adam.h5");
    check_allocations(t, TRAINING "/tf_adam.h5");
}

/* -- shared data ---------------------------------------------------------------------------------
 */

TEST(conformance_states_are_read)
{
    char root[1024], path[2100];
    uint32_t seen = 0;

    if (!test_shared("conformance/resume", root)) return;
    DIR *classes = opendir(root);
    CHECK(classes != NULL);
    for (const struct dirent *c; (c = readdir(classes)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", root, c->d_name);
        DIR *cases = c->d_name[0] == '.' ? NULL : opendir(path);
        if (cases == NULL) continue;
        for (const struct dirent *k; (k = readdir(cases)) != NULL;) {
            expected e;
            if (k->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s/%s/io.npz", root, c->d_name, k->d_name);
            expected_open(t, path, "opt_before/", &e);
            path[strlen(path) - strlen("/io.npz")] = '\0';
            strcat(path, "/model");
            check_endings(t, path, &e);
            expected_close(&e);
            seen++;
        }
        closedir(cases);
    }
    closedir(classes);
    CHECK(seen >= 23);
}

/* Pairs of slots have the shapes of one variable. */
TEST(real_states_are_read)
{
    static const struct {
        const char *path;
        uint32_t count; /* 0: it says why not */
    } files[] = {
        {"C001/fer2013_mini_XCEPTION.102-0.66.hdf5", 106},
        {"C047/simple_flatten_rnn_tf_keras_2_model.h5", 7},
        {"C087/gru.h5", 10},
        {"C102/model.h5", 20},
        {"C128/pretrainedResnet.h5", 70},
        {"C137/point_history_classifier.hdf5", 14},
        {"C150/attention_model.h5", 6},
        {"C156/adult-ffn-tf1.15.2.h5", 14},
        {"C194/convlstm.h5", 30},
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char root[1024], path[1200];
        description *d = NULL;
        saved_optimizer s;
        if (!test_shared("real-models", root)) return;
        snprintf(path, sizeof path, "%s/%s", root, files[i].path);
        CHECK_OK(format_read(t->home, path, format_tensors_only, &d, &t->error));
        CHECK_OK(saved_optimizer_open(t->home, d, &s, &t->error));
        print_message("%s: %u %s\n", files[i].path, s.count, s.problem != NULL ? s.problem : "");
        CHECK_EQ(s.count, files[i].count);
        const json *settings = d->compile_config;
        const bool is_adam =
            json_is_text(json_path(settings, "optimizer_config.class_name"), "Adam");
        for (uint32_t k = 2; is_adam && k + 1 < s.count; k += 2) {
            const tensor_entry *m = s.variables[k], *v = s.variables[k + 1];
            CHECK_EQ(m->rank, v->rank);
            CHECK_EQ(memcmp(m->dims, v->dims, m->rank * sizeof m->dims[0]), 0);
        }
        description_close(d);
    }
}

TEST_MAIN(RUN(states_are_read_in_the_order_of_keras_3), RUN(states_go_along_when_a_model_is_saved),
          RUN(other_optimizers_do_not_fit), RUN(a_model_without_state_has_none),
          RUN(another_file_of_the_same_name_is_noticed), RUN(older_orders_are_told_apart),
          RUN(states_that_cannot_be_used_say_why), RUN(every_allocation_may_fail),
          RUN(conformance_states_are_read), RUN(real_states_are_read))
