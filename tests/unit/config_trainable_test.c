/* config_trainable_test.c -- layers frozen or freed after loading, and the files, clones and
 * imports that say so. */
#include <string.h>

#include "digits.h"
#include "format/format.h"
#include "format/keras/config_trainable.h"
#include "format/keras/reader.h"
#include "temporary.h"

/* -- configurations ---------------------------------------------------------------------------- */

#define LAYER(class, fields) "{\"class_name\":\"" class "\",\"config\":{" fields "}}"
#define DENSE(name, flag)                                                                          \
    LAYER("Dense", "\"name\":\"" name "\",\"trainable\":" flag ",\"units\":2")
#define CHAIN(name, flag, layers)                                                                  \
    "{\"class_name\":\"Sequential\",\"config\":{\"name\":\"" name "\",\"trainable\":" flag         \
    ",\"layers\":[" layers "]}}"
#define INPUT                                                                                      \
    LAYER("InputLayer",                                                                            \
          "\"name\":\"x\",\"batch_input_shape\":[null,5,4],\"dtype\":\"float32\"")
#define LSTM(name) LAYER("LSTM", "\"name\":\"" name "\",\"trainable\":true,\"units\":2")

typedef struct answer {
    const char *title;
    bool is_trainable;
} answer;

/* Of a list that ends with a title NULL. */
static bool answer_find(void *context, const char *title, bool otherwise)
{
    for (const answer *a = context; a->title != NULL; a++) {
        if (strcmp(a->title, title) == 0) return a->is_trainable;
    }
    return otherwise;
}

static description configured(test *t, const char *text)
{
    description d = {.path = "m", .format = "h5", .keras_version = "2.4.0", .backend = ""};

    CHECK_OK(description_configure(t->home, &d, text, strlen(text), "m", &t->error));
    return d;
}

static const description *edited(test *t, const description *d, answer *list)
{
    const trainable_answers answers = {answer_find, list};
    const description *result;

    CHECK_OK(description_trainable(t->home, d, &answers, &result, &t->error));
    return result;
}

static bool flag_of(const json *config)
{
    return json_boolean(json_get(config, "trainable"), true);
}

static const layer_config *layer_of(test *t, const model_config *m, const char *name)
{
    for (uint32_t i = 0; i < m->layer_count; i++) {
        if (strcmp(m->layers[i].name, name) == 0) return &m->layers[i];
    }
    CHECK_TEXT("no such layer", name);
    return t != NULL ? m->layers : NULL;
}

static const char models[] =
    CHAIN("m", "true", INPUT "," DENSE("a", "true") "," CHAIN("in", "true",
          DENSE("b", "true") "," DENSE("c", "false")) "," DENSE("d", "false"));

TEST(what_the_file_says_already_is_left)
{
    answer none[] = {{NULL, false}};
    answer same[] = {{"d", false}, {"a", true}, {"in/c", false}, {NULL, false}};
    const description d = configured(t, models);

    CHECK(edited(t, &d, none) == &d);
    CHECK(edited(t, &d, same) == &d);
}

TEST(layers_say_what_is_answered)
{
    answer list[] = {{"a", false}, {"d", true}, {"in/b", false}, {NULL, false}};
    const description d = configured(t, models), *e = edited(t, &d, list);

    CHECK(e != &d);
    CHECK(flag_of(layer_of(t, d.model, "a")->config));
    CHECK(!flag_of(layer_of(t, e->model, "a")->config));
    CHECK(flag_of(layer_of(t, e->model, "d")->config));
    CHECK(json_get(layer_of(t, e->model, "x")->config, "trainable") == NULL);
    const model_config *inner = layer_of(t, e->model, "in")->model;
    CHECK(!flag_of(layer_of(t, inner, "b")->config));
    CHECK(!flag_of(layer_of(t, inner, "c")->config));
    CHECK(e->config_length == strlen(e->config_text));
}

/* A model is frozen as a whole or not at all, since that is how readers take it. */
TEST(a_model_is_free_when_a_layer_in_it_is)
{
    answer frozen[] = {{"in", false}, {"in/b", false}, {"in/c", false}, {NULL, false}};
    answer freed[] = {{"in", false}, {"in/b", false}, {"in/c", true}, {NULL, false}};
    const description d = configured(t, models);
    const layer_config *in = layer_of(t, edited(t, &d, frozen)->model, "in");

    CHECK(!flag_of(json_get(in->model->source, "config")));
    CHECK(!flag_of(layer_of(t, in->model, "b")->config));
    in = layer_of(t, edited(t, &d, freed)->model, "in");
    CHECK(flag_of(json_get(in->model->source, "config")));
    CHECK(!flag_of(layer_of(t, in->model, "b")->config));
    CHECK(flag_of(layer_of(t, in->model, "c")->config));
}

TEST(layers_in_layers_have_the_names_of_their_places)
{
    static const char text[] = CHAIN("m", "false", INPUT "," LAYER("Bidirectional",
        "\"name\":\"bi\",\"trainable\":true,\"layer\":" LSTM("l")) "," LAYER("RNN",
        "\"name\":\"r\",\"trainable\":true,\"cell\":" LAYER("StackedRNNCells",
        "\"name\":\"s\",\"trainable\":true,\"cells\":[" LAYER("GRUCell",
        "\"name\":\"g\",\"trainable\":true,\"units\":2") "," LAYER("GRUCell",
        "\"name\":\"h\",\"trainable\":true,\"units\":2") "]")));
    answer list[] = {{"bi", false},
                     {"bi/forward_layer", true},
                     {"bi/backward_layer", false},
                     {"r/cell/cells/gru_cell_1", false},
                     {NULL, false}};
    const description d = configured(t, text), *e = edited(t, &d, list);
    const json *bi = layer_of(t, e->model, "bi")->config;
    const json *cells = json_path(layer_of(t, e->model, "r")->config, "cell.config.cells");

    CHECK(flag_of(json_get(e->model->source, "config")));
    CHECK(flag_of(bi));
    CHECK(flag_of(json_path(bi, "layer.config")));
    CHECK(!flag_of(json_path(bi, "backward_layer.config")));
    CHECK(json_boolean(json_path(bi, "backward_layer.config.go_backwards"), false));
    CHECK(flag_of(json_get(json_item(cells, 0), "config")));
    CHECK(!flag_of(json_get(json_item(cells, 1), "config")));
}

TEST(every_allocation_of_an_edit_may_fail)
{
    answer list[] = {{"a", false}, {"in/b", false}, {NULL, false}};
    const trainable_answers answers = {answer_find, list};
    const description d = configured(t, models), *result;
    bool failed = true;

    for (int n = 0; failed; n++) {
        region *home = region_open(t->home, "edit", EBB_CLASS_SCRATCH, 0);
        test_fail_allocation(t, n);
        const ebb_status status = description_trainable(home, &d, &answers, &result, &t->error);
        failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        region_close(home);
    }
}

/* -- files ------------------------------------------------------------------------------------- */

typedef struct scene {
    digits d;
    temporary folder;
    ebb_model model;
} scene;

static void scene_open(test *t, scene *s, const char *path)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    options.allocator = test_allocator(t);
    temporary_open(&s->folder);
    digits_open(t, &s->d, &options);
    CHECK_OK(ebb_model_load(s->d.runtime, path, NULL, &s->model, &t->error));
}

static void scene_close(test *t, scene *s)
{
    digits_close(t, &s->d);
    temporary_close(&s->folder);
}

/* One character a weight: is it trained? */
static path_text pattern(ebb_model model)
{
    path_text p = {""};
    ebb_tensor_info info;

    for (uint32_t i = 0; i + 1 < sizeof p.text && ebb_model_weight(model, i, &info) == EBB_OK; i++)
        p.text[i] = info.trainable ? '1' : '0';
    return p;
}

static void check_same_weights(test *t, ebb_model a, ebb_model b)
{
    static float first[4096], second[4096];
    ebb_tensor_info info;

    for (uint32_t i = 0; ebb_model_weight(a, i, &info) == EBB_OK; i++) {
        ebb_view one = {EBB_F32, info.rank, {0}, first}, other = {EBB_F32, info.rank, {0}, second};
        memcpy(one.dims, info.dims, sizeof one.dims);
        memcpy(other.dims, info.dims, sizeof other.dims);
        CHECK(ebb_view_bytes(&one) <= sizeof first);
        CHECK_OK(ebb_model_weight_get(a, i, &one, &t->error));
        CHECK_OK(ebb_model_weight_get(b, i, &other, &t->error));
        CHECK_EQ(memcmp(first, second, ebb_view_bytes(&one)), 0);
    }
}

static void check_file(test *t, scene *s, const char *ending, const char *wanted)
{
    const path_text path = temporary_path(&s->folder, ending);
    ebb_model again;

    CHECK_OK(ebb_model_save(s->model, path.text, NULL, &t->error));
    CHECK_OK(ebb_model_load(s->d.runtime, path.text, NULL, &again, &t->error));
    CHECK_TEXT(pattern(again).text, wanted);
    check_same_weights(t, s->model, again);
    CHECK_OK(ebb_model_unload(again, NULL, NULL, &t->error));
}

TEST(files_and_clones_keep_what_was_chosen)
{
    ebb_model clone;
    scene s;

    scene_open(t, &s, EBB_GOLDEN "/format/nested.keras");
    CHECK_OK(ebb_model_trainable_set(s.model, "inner", false, &t->error));
    check_file(t, &s, "a.keras", "0011");
    check_file(t, &s, "a.h5", "0011");
    CHECK_OK(ebb_model_trainable_set(s.model, "", false, &t->error));
    CHECK_OK(ebb_model_trainable_set(s.model, "inner/inner_dense", true, &t->error));
    check_file(t, &s, "b.keras", "1100");
    check_file(t, &s, "b.h5", "1100");
    CHECK_OK(ebb_model_clone(s.model, NULL, &clone, &t->error));
    CHECK_TEXT(pattern(clone).text, "1100");
    CHECK_OK(ebb_model_unload(clone, NULL, NULL, &t->error));
    scene_close(t, &s);
}

TEST(what_was_not_changed_is_saved_as_it_was)
{
    scene s;

    scene_open(t, &s, digits_mlp);
    const path_text before = temporary_path(&s.folder, "before.keras");
    const path_text after = temporary_path(&s.folder, "after.keras");
    CHECK_OK(ebb_model_save(s.model, before.text, NULL, &t->error));
    CHECK_OK(ebb_model_trainable_set(s.model, "", false, &t->error));
    CHECK_OK(ebb_model_save(s.model, after.text, NULL, &t->error));
    CHECK(!files_equal(t, before.text, after.text));
    CHECK_OK(ebb_model_trainable_set(s.model, "", true, &t->error));
    CHECK_OK(ebb_model_save(s.model, after.text, NULL, &t->error));
    CHECK(files_equal(t, before.text, after.text));
    scene_close(t, &s);
}

static uint32_t state_count(test *t, scene *s)
{
    const path_text path = temporary_path(&s->folder, "state.keras");
    description *d;

    CHECK_OK(ebb_model_save(s->model, path.text, NULL, &t->error));
    CHECK_OK(format_read(t->home, path.text, NULL, &d, &t->error));
    const uint32_t count = d->optimizer == NULL ? 0 : d->optimizer->count;
    description_close(d);
    return count;
}

/* Slots are of the weights that were trained; for others Keras would take them in their order. */
TEST(a_state_for_other_weights_is_left_out)
{
    ebb_compile_options options = EBB_COMPILE_OPTIONS_INIT;
    scene s;

    scene_open(t, &s, EBB_GOLDEN "/format/nested.keras");
    options.optimizer = "adam";
    options.loss = "mse";
    CHECK_OK(ebb_model_trainable_set(s.model, "inner", false, &t->error));
    CHECK_OK(ebb_model_compile(s.model, &options, &t->error));
    CHECK_EQ(state_count(t, &s), 2 + 2 * 2);
    CHECK_OK(ebb_model_trainable_set(s.model, "inner", true, &t->error));
    CHECK_EQ(state_count(t, &s), 0);
    CHECK_OK(ebb_model_compile(s.model, &options, &t->error));
    CHECK_EQ(state_count(t, &s), 2 + 4 * 2);
    scene_close(t, &s);
}

TEST(every_allocation_of_a_save_may_fail)
{
    static const char *const names[] = {"x.keras", "x.h5"};
    scene s;

    scene_open(t, &s, EBB_GOLDEN "/format/nested.keras");
    CHECK_OK(ebb_model_trainable_set(s.model, "inner", false, &t->error));
    const uint64_t before = digits_live(&s.d);
    for (size_t i = 0; i < 2; i++) {
        const path_text path = temporary_path(&s.folder, names[i]);
        bool failed = true;
        for (int n = 0; failed; n++) {
            test_fail_allocation(t, n);
            const ebb_status status = ebb_model_save(s.model, path.text, NULL, &t->error);
            failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            CHECK_EQ(digits_live(&s.d), before);
            CHECK_EQ(file_exists(path.text), !failed);
        }
    }
    scene_close(t, &s);
}

TEST_MAIN(RUN(what_the_file_says_already_is_left), RUN(layers_say_what_is_answered),
          RUN(a_model_is_free_when_a_layer_in_it_is),
          RUN(layers_in_layers_have_the_names_of_their_places),
          RUN(every_allocation_of_an_edit_may_fail), RUN(files_and_clones_keep_what_was_chosen),
          RUN(what_was_not_changed_is_saved_as_it_was), RUN(a_state_for_other_weights_is_left_out),
          RUN(every_allocation_of_a_save_may_fail))
