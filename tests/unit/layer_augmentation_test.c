/* layer_augmentation_test.c -- random image layers in training: Keras's numbers where a range is
 * one number (golden/augmentation.json), and what is random where it is not. */
#include <stdio.h>
#include <string.h>

#include "graph_run.h"
#include "json_case.h"
#include "layer_model.h"

#define IMAGES 64

static const assemble_options training = {.is_training = true, .has_variables = true, .seed = 7};

/* The model on x, in training, with this stream of random numbers. */
static const float *trained(test *t, const json *model, const void *x, int64_t rows, int32_t stream,
                            uint64_t *count)
{
    description *d = region_new(t->home, description, 1);
    built_model *m = NULL;

    CHECK(d != NULL);
    *d = (description){.path = "test", .format = "keras", .keras_version = "3.15.1", .backend = ""};
    d->keras_major = 3;
    CHECK_OK(model_config_read(t->home, model, 3, &d->model, &t->error));
    CHECK_OK(assemble_model(t->home, d, &training, &m, &t->error));
    graph_run *run = graph_run_open_at(t, m->graph, &rows);
    if (m->random != VALUE_NONE) graph_run_variable(run, m->random, &stream);
    graph_run_input(run, 0, x);
    graph_run_step(run);
    *count = 1;
    const shape *s = graph_shape(m->graph, m->outputs[0].v);
    for (uint32_t i = 0; i < s->rank; i++) *count *= (uint64_t)(i == 0 ? rows : s->dims[i]);
    return graph_run_value(run, m->outputs[0].v);
}

TEST(what_is_not_random_is_what_keras_computes)
{
    const json *cases = json_get(json_case_file(t->home, EBB_GOLDEN "/augmentation.json"), "cases");

    CHECK(cases != NULL && cases->count > 30);
    for (uint32_t i = 0; i < cases->count; i++) {
        const json *item = json_item(cases, i);
        const case_tensor x = json_case_floats(t->home, json_get(item, "x"));
        uint64_t count = 0;
        const float *y = trained(t, json_get(item, "model"), x.data, x.desc.dims[0], 1, &count);
        char name[32];
        snprintf(name, sizeof name, "case %u", i);
        json_case_check_within(name, y, count, EBB_F32, json_get(item, "y"), t->home, 1e-5, 2e-5);
    }
}

#define IMAGE_MODEL(side, layer)                                                                   \
    "{'class_name':'Sequential','config':{'name':'seq','layers':["                                 \
    "{'module':'keras.layers','class_name':'InputLayer','config':{'batch_shape':[null," #side      \
    "," #side ",1],'dtype':'float32','name':'in'}}," layer "]}}"

/* 64 images of 2 x 2: 1 2 / 3 4. */
static const float *images(test *t)
{
    float *x = region_block(t->home, IMAGES * 4 * sizeof *x);

    CHECK(x != NULL);
    for (int i = 0; i < IMAGES * 4; i++) x[i] = (float)(i % 4 + 1);
    return x;
}

static uint32_t images_that_begin_with(const float *y, float number)
{
    uint32_t found = 0;

    for (int i = 0; i < IMAGES; i++) found += y[i * 4] == number;
    return found;
}

TEST(each_image_is_flipped_or_not)
{
    const json *both = model_json(t, IMAGE_MODEL(2, MODEL_LAYER("RandomFlip", "'name':'f'")));
    const json *across =
        model_json(t, IMAGE_MODEL(2, MODEL_LAYER("RandomFlip", "'name':'f','mode':'horizontal'")));
    uint64_t count = 0;
    const float *y = trained(t, both, images(t), IMAGES, 1, &count);

    CHECK_EQ(count, IMAGES * 4);
    const uint32_t turned = images_that_begin_with(y, 4);
    CHECK(turned > 16 && turned < 48);
    CHECK_EQ(turned + images_that_begin_with(y, 1), IMAGES);
    const float *again = trained(t, both, images(t), IMAGES, 1, &count);
    CHECK(memcmp(y, again, count * sizeof *y) == 0);
    const float *next = trained(t, both, images(t), IMAGES, 2, &count);
    CHECK(memcmp(y, next, count * sizeof *y) != 0);
    const float *mirrored = trained(t, across, images(t), IMAGES, 1, &count);
    CHECK_EQ(images_that_begin_with(mirrored, 1) + images_that_begin_with(mirrored, 2), IMAGES);
}

TEST(a_batch_is_cropped_at_one_place_that_changes)
{
    const json *model =
        model_json(t, IMAGE_MODEL(8, MODEL_LAYER("RandomCrop", "'name':'c','height':2,'width':2")));
    float x[2 * 64];
    bool is_seen[7][7] = {{false}};
    uint32_t places = 0;

    for (int i = 0; i < 128; i++) x[i] = (float)(i % 64);
    for (int32_t stream = 0; stream < 60; stream++) {
        uint64_t count = 0;
        const float *y = trained(t, model, x, 2, stream, &count);
        CHECK_EQ(count, 8);
        const int row = (int)y[0] / 8, column = (int)y[0] % 8;
        CHECK(row <= 6 && column <= 6);
        CHECK_NEAR(y[1], y[0] + 1, 0);
        CHECK_NEAR(y[2], y[0] + 8, 0);
        CHECK_NEAR(y[4], y[0], 0);
        places += !is_seen[row][column];
        is_seen[row][column] = true;
    }
    CHECK(places > 20);
}

TEST(ranges_that_make_no_sense_are_refused)
{
    const json *model =
        model_json(t, IMAGE_MODEL(4, MODEL_LAYER("RandomRotation", "'name':'r','factor':[2,3]")));
    description d = {.path = "test", .format = "keras", .keras_version = "3", .backend = ""};
    built_model *m = NULL;

    d.keras_major = 3;
    CHECK_OK(model_config_read(t->home, model, 3, &d.model, &t->error));
    CHECK_STATUS(assemble_model(t->home, &d, &training, &m, &t->error), EBB_E_FORMAT);
    CHECK(strstr(t->error.text, "factor") != NULL);
}

TEST_MAIN(RUN(what_is_not_random_is_what_keras_computes), RUN(each_image_is_flipped_or_not),
          RUN(a_batch_is_cropped_at_one_place_that_changes),
          RUN(ranges_that_make_no_sense_are_refused))
