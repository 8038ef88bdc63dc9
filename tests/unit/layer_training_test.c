/* layer_training_test.c -- what layers do in training: random masks, moving statistics, states,
 * penalties; and the settings of weights. Numbers of deterministic layers are in
 * layer_training_conformance_test.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/gradient.h"
#include "graph_run.h"
#include "layer_model.h"
#include "train/regularizer/regularizer.h"

#define ROWS 64

/* A model in training, run by hand for ROWS rows. */
typedef struct trained {
    built_model *m;
    graph_run *run;
    int32_t stream;
} trained;

static const assemble_options training = {
    .is_training = true, .has_variables = true, .seed = 7, .penalty = penalty_emit};

static built_model *assembled(test *t, const char *text, const assemble_options *options)
{
    description *d = region_new(t->home, description, 1);
    built_model *m = NULL;

    CHECK(d != NULL);
    *d = model_description(t, text);
    CHECK_OK(assemble_model(t->home, d, options, &m, &t->error));
    return m;
}

static trained trained_open(test *t, const char *text, const assemble_options *options)
{
    static const int64_t rows[] = {ROWS, 5, 5, 5};
    trained r = {.m = assembled(t, text, options)};

    for (uint32_t i = 0; i < r.m->update_count; i++)
        graph_update(r.m->graph, r.m->updates[i].weight->v, r.m->updates[i].next);
    r.run = graph_run_open_at(t, r.m->graph, rows);
    return r;
}

static const float *trained_step(trained *r, const float *x, int32_t stream)
{
    r->stream = stream;
    if (r->m->random != VALUE_NONE) graph_run_variable(r->run, r->m->random, &r->stream);
    graph_run_input(r->run, 0, x);
    graph_run_step(r->run);
    return graph_run_value(r->run, r->m->outputs[0].v);
}

static float *filled(test *t, size_t count, float number)
{
    float *x = region_block(t->home, count * sizeof *x);
    CHECK(x != NULL);
    for (size_t i = 0; i < count; i++) x[i] = number;
    return x;
}

static float *copied(test *t, const float *from, size_t count)
{
    float *x = region_block(t->home, count * sizeof *x);
    CHECK(x != NULL);
    memcpy(x, from, count * sizeof *x);
    return x;
}

static double mean_of(const float *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)x[i];
    return sum / (double)count;
}

static double variance_of(const float *x, size_t count)
{
    const double mean = mean_of(x, count);
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sum / (double)count;
}

static double kept_of(const float *x, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) kept += x[i] != 0;
    return (double)kept / (double)count;
}

static bool same(const float *a, const float *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

static void variable_fill(test *t, const trained *r, uint32_t index, float number)
{
    const layer_weight *w = r->m->weights[index];
    size_t count = 1;
    for (uint32_t i = 0; i < w->rank; i++) count *= (size_t)w->dims[i];
    graph_run_variable(r->run, w->v, filled(t, count, number));
}

/* -- dropout and noise ----------------------------------------------------------------------------
 */

#define WIDE_MODEL(layer) MODEL_SEQUENTIAL(256, layer)
#define WIDE              ((size_t)ROWS * 256)

TEST(dropout_keeps_its_share_and_the_mean)
{
    trained r =
        trained_open(t, WIDE_MODEL(MODEL_LAYER("Dropout", "'name':'d','rate':0.25")), &training);
    const float *y = trained_step(&r, filled(t, WIDE, 3), 1);

    CHECK_NEAR(kept_of(y, WIDE), 0.75, 0.02);
    CHECK_NEAR(mean_of(y, WIDE), 3, 0.08);
    for (size_t i = 0; i < WIDE; i++) CHECK(y[i] == 0 || fabsf(y[i] - 4) < 1e-5f);
}

TEST(another_stream_is_another_mask_and_the_same_stream_the_same)
{
    trained r =
        trained_open(t, WIDE_MODEL(MODEL_LAYER("Dropout", "'name':'d','rate':0.5")), &training);
    const float *x = filled(t, WIDE, 1);
    const float *first = copied(t, trained_step(&r, x, 1), WIDE);
    const float *second = copied(t, trained_step(&r, x, 2), WIDE);

    CHECK(!same(first, second, WIDE));
    CHECK(same(first, trained_step(&r, x, 1), WIDE));
    CHECK_NEAR(mean_of(second, WIDE), 1, 0.04);
    size_t equal = 0;
    for (size_t i = 0; i < WIDE; i++) equal += first[i] == second[i];
    CHECK_NEAR((double)equal / (double)WIDE, 0.5, 0.02);
}

static const float *masks_of(test *t, const char *layers, uint64_t seed)
{
    assemble_options options = training;
    options.seed = seed;
    trained r = trained_open(t, layers, &options);
    return trained_step(&r, filled(t, WIDE, 1), 1);
}

TEST(seeds_make_masks)
{
    const char *own = WIDE_MODEL(MODEL_LAYER("Dropout", "'name':'d','rate':0.5,'seed':11"));
    const char *other = WIDE_MODEL(MODEL_LAYER("Dropout", "'name':'d','rate':0.5,'seed':12"));
    const char *none = WIDE_MODEL(MODEL_LAYER("Dropout", "'name':'d','rate':0.5,'seed':null"));

    CHECK(same(masks_of(t, own, 1), masks_of(t, own, 2), WIDE));
    CHECK(!same(masks_of(t, own, 1), masks_of(t, other, 1), WIDE));
    CHECK(same(masks_of(t, none, 1), masks_of(t, none, 1), WIDE));
    CHECK(!same(masks_of(t, none, 1), masks_of(t, none, 2), WIDE));
}

/* Two halves of what is left: a quarter. */
TEST(layers_drop_apart_from_each_other)
{
    const float *y =
        masks_of(t,
                 WIDE_MODEL(MODEL_LAYER("Dropout", "'name':'a','rate':0.5") "," MODEL_LAYER(
                     "Dropout", "'name':'b','rate':0.5")),
                 1);
    CHECK_NEAR(kept_of(y, WIDE), 0.25, 0.02);
    CHECK_NEAR(mean_of(y, WIDE), 1, 0.08);
}

TEST(rates_of_nothing_and_of_all)
{
    const float *all = masks_of(t, WIDE_MODEL(MODEL_LAYER("Dropout", "'name':'d','rate':1.0")), 1);
    const float *none = masks_of(t, WIDE_MODEL(MODEL_LAYER("Dropout", "'name':'d','rate':0")), 1);

    CHECK_NEAR(kept_of(all, WIDE), 0, 0);
    CHECK_NEAR(kept_of(none, WIDE), 1, 0);
    CHECK_NEAR(variance_of(none, WIDE), 0, 0);
}

TEST(nothing_is_dropped_outside_training)
{
    assemble_options options = training;
    options.is_training = false;
    trained r =
        trained_open(t, WIDE_MODEL(MODEL_LAYER("Dropout", "'name':'d','rate':0.5")), &options);
    CHECK(r.m->random != VALUE_NONE);
    CHECK_EQ(graph_value(r.m->graph, r.m->random)->index, r.m->weight_count);
    CHECK_NEAR(kept_of(trained_step(&r, filled(t, WIDE, 1), 1), WIDE), 1, 0);
}

/* [rows, 8, 32]: one mask item for all rows of a column, or for all steps. */
static const float *image_masks(test *t, const char *layer)
{
    char text[1024];
    snprintf(text, sizeof text, "%s%s%s",
             "{'module':'keras','class_name':'Sequential','config':{'name':'s','layers':["
             "{'module':'keras.layers','class_name':'InputLayer','config':{'batch_shape':[null,8,"
             "32],'dtype':'float32','name':'in'}},",
             layer, "]},'registered_name':null}");
    trained r = trained_open(t, text, &training);
    return trained_step(&r, filled(t, WIDE, 1), 1);
}

static void check_columns(const float *y, bool is_alike_over_rows)
{
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t i = 0; i < 256; i++) {
            const size_t first = is_alike_over_rows ? i : row * 256 + i % 32;
            CHECK(y[row * 256 + i] == y[first]);
        }
    }
}

TEST(noise_shapes_share_masks)
{
    const float *over_steps =
        image_masks(t, MODEL_LAYER("Dropout", "'name':'d','rate':0.5,'noise_shape':[null,1,null]"));
    check_columns(over_steps, false);
    CHECK_NEAR(kept_of(over_steps, WIDE), 0.5, 0.05);
    const float *over_rows =
        image_masks(t, MODEL_LAYER("Dropout", "'name':'d','rate':0.5,'noise_shape':[1,8,32]"));
    check_columns(over_rows, true);
    const float *spatial = image_masks(t, MODEL_LAYER("SpatialDropout1D", "'name':'d','rate':0.5"));
    check_columns(spatial, false);
    CHECK_NEAR(mean_of(spatial, WIDE), 1, 0.1);
}

TEST(noise_has_its_mean_and_variance)
{
    const float *times =
        masks_of(t, WIDE_MODEL(MODEL_LAYER("GaussianDropout", "'name':'g','rate':0.2")), 1);
    CHECK_NEAR(mean_of(times, WIDE), 1, 0.02);
    CHECK_NEAR(variance_of(times, WIDE), 0.25, 0.02);
    const float *plus =
        masks_of(t, WIDE_MODEL(MODEL_LAYER("GaussianNoise", "'name':'g','stddev':0.3")), 1);
    CHECK_NEAR(mean_of(plus, WIDE), 1, 0.02);
    CHECK_NEAR(variance_of(plus, WIDE), 0.09, 0.005);
}

/* Normal numbers in, by a GaussianNoise of 1 on zeros. */
TEST(alpha_dropout_restores_mean_and_variance)
{
    trained r = trained_open(
        t,
        WIDE_MODEL(MODEL_LAYER("GaussianNoise", "'name':'n','stddev':1.0") "," MODEL_LAYER(
            "AlphaDropout", "'name':'a','rate':0.2")),
        &training);
    const float *y = trained_step(&r, filled(t, WIDE, 0), 1);
    CHECK_NEAR(mean_of(y, WIDE), 0, 0.03);
    CHECK_NEAR(variance_of(y, WIDE), 1, 0.04);
}

/* -- recurrent dropout ----------------------------------------------------------------------------
 */

#define STEPS 4
#define RNN_MODEL(class_name, config)                                                              \
    "{'module':'keras','class_name':'Sequential','config':{'name':'s','layers':["                  \
    "{'module':'keras.layers','class_name':'InputLayer','config':{'batch_shape':[null,4,16],"      \
    "'dtype':'float32','name':'in'}}," MODEL_LAYER(class_name, config) "]},"                       \
                                                                       "'registered_name':null}"

/* Weights of one number everywhere: each output tells how many inputs were dropped. */
static trained rnn_open(test *t, const char *text, float kernel, float recurrent)
{
    trained r = trained_open(t, text, &training);
    variable_fill(t, &r, 0, kernel);
    variable_fill(t, &r, 1, recurrent);
    return r;
}

TEST(rnn_masks_are_the_same_at_every_step)
{
    trained r = rnn_open(t,
                         RNN_MODEL("SimpleRNN",
                                   "'name':'r','units':1,'use_bias':false,'activation':'linear',"
                                   "'return_sequences':true,'dropout':0.5"),
                         1.0f / 16, 0);
    const float *y = trained_step(&r, filled(t, (size_t)ROWS * STEPS * 16, 1), 1);

    CHECK_NEAR(mean_of(y, (size_t)ROWS * STEPS), 1, 0.1);
    CHECK(variance_of(y, (size_t)ROWS * STEPS) > 0.02);
    for (size_t i = 0; i < (size_t)ROWS * STEPS; i++) CHECK(y[i] == y[i / STEPS * STEPS]);
}

/* h = 1 + 2 * m * h with m of one unit 0 or 2: 1, 1, 1, 1 or 1, 5, 21, 85. */
TEST(recurrent_masks_drop_states)
{
    trained r = rnn_open(t,
                         RNN_MODEL("SimpleRNN",
                                   "'name':'r','units':1,'use_bias':false,'activation':'linear',"
                                   "'return_sequences':true,'recurrent_dropout':0.5"),
                         1.0f / 16, 2);
    const float *y = trained_step(&r, filled(t, (size_t)ROWS * STEPS * 16, 1), 1);
    size_t dropped = 0;

    for (size_t i = 0; i < ROWS; i++) {
        const float *row = y + i * STEPS;
        const bool is_dropped = row[1] == 1;
        dropped += is_dropped;
        CHECK(row[0] == 1 && row[3] == (is_dropped ? 1.0f : 85.0f));
    }
    CHECK_NEAR((double)dropped / ROWS, 0.5, 0.25);
}

/* Every class and both forms of its cell: outputs differ by stream, are finite, and the mean over
 * many masks comes near to what is computed without. */
TEST(every_cell_drops)
{
    static const char *const models[] = {
        RNN_MODEL("LSTM", "'name':'r','units':3,'dropout':0.3"),
        RNN_MODEL("LSTM", "'name':'r','units':3,'dropout':0.3,'recurrent_dropout':0.3"),
        RNN_MODEL("LSTM", "'name':'r','units':3,'recurrent_dropout':0.3,'go_backwards':true"),
        RNN_MODEL("LSTM", "'name':'r','units':3,'dropout':0.3,'implementation':1"),
        RNN_MODEL("GRU", "'name':'r','units':3,'dropout':0.3,'recurrent_dropout':0.3"),
        RNN_MODEL("GRU", "'name':'r','units':3,'recurrent_dropout':0.3,'reset_after':false"),
        RNN_MODEL("RNN", "'name':'r','cell':{'class_name':'StackedRNNCells','config':{'cells':["
                         "{'class_name':'GRUCell','config':{'units':4,'dropout':0.4}},"
                         "{'class_name':'LSTMCell','config':{'units':3,'recurrent_dropout':0.3}}"
                         "]}}"),
        RNN_MODEL("LSTM", "'name':'r','units':3,'activation':'softmax','dropout':0.4,"
                          "'recurrent_dropout':0.3"),
        RNN_MODEL("Bidirectional", "'name':'r','layer':{'class_name':'LSTM','config':{'units':3,"
                                   "'dropout':0.5}}"),
    };
    const float *x = filled(t, (size_t)ROWS * STEPS * 16, 0.5f);

    for (size_t k = 0; k < sizeof models / sizeof models[0]; k++) {
        trained r = trained_open(t, models[k], &training);
        for (uint32_t i = 0; i < r.m->weight_count; i++) variable_fill(t, &r, i, 0.125f);
        const size_t count = (size_t)ROWS * 3;
        const float *first = copied(t, trained_step(&r, x, 1), count);
        const float *second = trained_step(&r, x, 2);
        CHECK(!same(first, second, count));
        CHECK(variance_of(first, count) > 1e-6 && variance_of(first, count) < 1);
        CHECK(same(first, trained_step(&r, x, 1), count));
    }
}

/* Lengths that are known only when a model runs: the masks go into the op. */
TEST(recurrent_masks_of_any_length)
{
    trained r = trained_open(
        t,
        "{'module':'keras','class_name':'Sequential','config':{'name':'s','layers':["
        "{'module':'keras.layers','class_name':'InputLayer','config':{'batch_shape':[null,null,3],"
        "'dtype':'float32','name':'in'}}," MODEL_LAYER(
            "GRU",
            "'name':'r','units':2,'dropout':0.4,'recurrent_dropout':0.4") "]},"
                                                                          "'registered_name':null}",
        &training);
    const float *x = filled(t, (size_t)ROWS * 5 * 3, 0.5f);

    for (uint32_t i = 0; i < r.m->weight_count; i++) variable_fill(t, &r, i, 0.25f);
    const float *first = copied(t, trained_step(&r, x, 1), (size_t)ROWS * 2);
    CHECK(!same(first, trained_step(&r, x, 2), (size_t)ROWS * 2));
    CHECK(variance_of(first, (size_t)ROWS * 2) > 1e-6);
}

TEST(convolutional_lstm_drops)
{
    trained r = trained_open(
        t,
        "{'module':'keras','class_name':'Sequential','config':{'name':'s','layers':["
        "{'module':'keras.layers','class_name':'InputLayer','config':{'batch_shape':[null,3,4,2],"
        "'dtype':'float32','name':'in'}}," MODEL_LAYER(
            "ConvLSTM1D", "'name':'r','filters':2,'kernel_size':[2],'dropout':0.4,"
                          "'recurrent_dropout':0.4") "]},'registered_name':null}",
        &training);
    const float *x = filled(t, (size_t)ROWS * 3 * 4 * 2, 0.5f);
    const size_t count = (size_t)ROWS * 3 * 2;

    for (uint32_t i = 0; i < r.m->weight_count; i++) variable_fill(t, &r, i, 0.25f);
    const float *first = copied(t, trained_step(&r, x, 1), count);
    CHECK(!same(first, trained_step(&r, x, 2), count));
    CHECK(same(first, trained_step(&r, x, 1), count));
}

/* -- attention ------------------------------------------------------------------------------------
 */

TEST(attention_drops_scores)
{
    trained r = trained_open(
        t,
        MODEL_FUNCTIONAL(MODEL_INPUT("x", "[null,4,16]", "float32") "," MODEL_NODE(
                             "keras.layers", "MultiHeadAttention", "a",
                             ",'num_heads':2,'key_dim':3,'dropout':0.5",
                             MODEL_CALL(MODEL_TENSOR("x", 0, 0) "," MODEL_TENSOR("x", 0, 0))),
                         "[['x',0,0]]", "[['a',0,0]]"),
        &training);
    const size_t count = (size_t)ROWS * 4 * 16;
    const float *x = filled(t, count, 1);

    for (uint32_t i = 0; i < r.m->weight_count; i++) variable_fill(t, &r, i, 0.1f);
    const float *first = copied(t, trained_step(&r, x, 1), count);
    CHECK(!same(first, trained_step(&r, x, 2), count));
    /* values 1.7, 6 of them with weights 0.1, and a bias of 0.1: 1.12 without dropout */
    CHECK_NEAR(mean_of(first, count), 1.12, 0.1);
}

/* -- moving statistics ----------------------------------------------------------------------------
 */

#define NORMALIZED(config) MODEL_SEQUENTIAL(1, MODEL_LAYER("BatchNormalization", config))

TEST(moving_statistics_move)
{
    trained r = trained_open(t, NORMALIZED("'name':'b','momentum':0.75"), &training);
    float x[ROWS];

    for (size_t i = 0; i < ROWS; i++) x[i] = i % 2 == 0 ? 1.0f : 3.0f; /* mean 2, variance 1 */
    variable_fill(t, &r, 0, 1);
    variable_fill(t, &r, 3, 5);
    const float *y = trained_step(&r, x, 1);
    CHECK_NEAR(y[0], -1 / sqrt(1.001), 1e-5);
    CHECK_EQ(r.m->update_count, 2);
    CHECK_NEAR(*(const float *)graph_run_value(r.run, r.m->weights[2]->v), 0.5, 1e-6);
    CHECK_NEAR(*(const float *)graph_run_value(r.run, r.m->weights[3]->v), 4, 1e-6);
    (void)trained_step(&r, x, 1);
    CHECK_NEAR(*(const float *)graph_run_value(r.run, r.m->weights[2]->v), 0.875, 1e-6);
}

TEST(frozen_statistics_stay)
{
    trained r = trained_open(t, NORMALIZED("'name':'b','trainable':false"), &training);
    float x[ROWS];

    for (size_t i = 0; i < ROWS; i++) x[i] = (float)i;
    variable_fill(t, &r, 0, 1);
    variable_fill(t, &r, 3, 1);
    CHECK_NEAR(trained_step(&r, x, 1)[10], 10 / sqrt(1.001), 1e-4);
    CHECK_EQ(r.m->update_count, 0);
}

/* One layer on x and on its own result: the second call begins where the first left. */
TEST(calls_of_a_shared_layer_follow_each_other)
{
    trained r = trained_open(
        t,
        MODEL_FUNCTIONAL(
            MODEL_INPUT("x", "[null,1]", "float32") "," MODEL_NODE(
                "keras.layers", "BatchNormalization", "b", ",'momentum':0.5",
                MODEL_CALL(MODEL_TENSOR("x", 0, 0)) "," MODEL_CALL(MODEL_TENSOR("b", 0, 0))),
            "[['x',0,0]]", "[['b',1,0]]"),
        &training);
    float x[ROWS];

    for (size_t i = 0; i < ROWS; i++) x[i] = i % 2 == 0 ? 1.0f : 3.0f;
    variable_fill(t, &r, 0, 1);
    variable_fill(t, &r, 1, 8); /* beta: the mean of what the second call sees */
    (void)trained_step(&r, x, 1);
    CHECK_EQ(r.m->update_count, 2);
    CHECK_NEAR(*(const float *)graph_run_value(r.run, r.m->weights[2]->v), (0 + 2) / 4.0 + 4, 1e-4);
}

static bool freeze(void *context, const char *title, bool otherwise)
{
    return strcmp(title, context) != 0 && otherwise;
}

TEST(layers_are_frozen_by_name)
{
    assemble_options options = training;
    char name[] = "b";
    options.is_trainable = freeze;
    options.trainable_context = name;
    const built_model *m = assembled(
        t,
        MODEL_SEQUENTIAL(2, MODEL_LAYER("BatchNormalization", "'name':'a'") "," MODEL_LAYER(
                                "BatchNormalization", "'name':'b'")),
        &options);
    CHECK_EQ(m->update_count, 2);
    CHECK(m->weights[0]->trainable && !m->weights[4]->trainable);
}

/* -- states ---------------------------------------------------------------------------------------
 */

#define STATEFUL(batch)                                                                            \
    "{'module':'keras','class_name':'Sequential','config':{'name':'s','layers':["                  \
    "{'module':'keras.layers','class_name':'InputLayer','config':{'batch_shape':[" batch           \
    ",1,1],'dtype':'float32','name':'in'}}," MODEL_LAYER(                                          \
        "SimpleRNN", "'name':'r','units':1,'activation':'linear','use_bias':false,"                \
                     "'stateful':true") "]},'registered_name':null}"

TEST(states_are_kept_from_step_to_step)
{
    trained r = trained_open(t, STATEFUL("2"), &training);
    const float x[] = {1, 2};

    CHECK_EQ(r.m->state_count, 1);
    CHECK_EQ(r.m->states[0]->index, r.m->weight_count + 1);
    CHECK_EQ(graph_value(r.m->graph, r.m->states[0]->v)->index, r.m->weight_count + 1);
    CHECK_EQ(built_model_variable_count(r.m), r.m->weight_count + 2);
    variable_fill(t, &r, 0, 1);
    variable_fill(t, &r, 1, 2);
    CHECK_NEAR(trained_step(&r, x, 1)[1], 2, 0);
    CHECK_NEAR(trained_step(&r, x, 1)[1], 2 + 2 * 2, 0);
    CHECK_NEAR(trained_step(&r, x, 1)[0], 1 + 2 * 3, 0);
}

TEST(states_need_a_number_of_rows)
{
    const description d = model_description(t, STATEFUL("null"));
    built_model *m = NULL;

    CHECK_STATUS(assemble_model(t->home, &d, &training, &m, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "stateful");
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
}

/* -- penalties ------------------------------------------------------------------------------------
 */

TEST(activities_are_penalized_per_row)
{
    trained r = trained_open(
        t,
        MODEL_SEQUENTIAL(
            2,
            MODEL_LAYER(
                "Activation",
                "'name':'a','activation':'linear','activity_regularizer':"
                "{'class_name':'L2','config':{'l2':0.5}}") "," MODEL_LAYER("ActivityRegularization",
                                                                           "'name':'b','l1':0.25,'"
                                                                           "l2':0.0")),
        &training);
    (void)trained_step(&r, filled(t, (size_t)ROWS * 2, 3), 1);
    CHECK_EQ(r.m->loss_count, 2);
    CHECK_NEAR(*(const float *)graph_run_value(r.run, r.m->losses[0]), 0.5 * 18, 1e-4);
    CHECK_NEAR(*(const float *)graph_run_value(r.run, r.m->losses[1]), 0.25 * 6, 1e-4);
}

/* A layer inside TimeDistributed is called past its own regularizer; those further inside count. */
TEST(time_distributed_calls_layers_bare)
{
    const built_model *m = assembled(
        t,
        RNN_MODEL("TimeDistributed",
                  "'name':'t','layer':{'class_name':'Dense','config':{'name':'d','units':2,"
                  "'activity_regularizer':'l2'}}"),
        &training);
    CHECK_EQ(m->loss_count, 0);
}

/* -- refusals -------------------------------------------------------------------------------------
 */

static void check_refused(test *t, const char *text, const char *word)
{
    const description d = model_description(t, text);
    built_model *m = NULL;

    CHECK_STATUS(assemble_model(t->home, &d, &training, &m, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, word);
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
}

TEST(what_cannot_be_trained_is_refused_by_name)
{
    check_refused(t, RNN_MODEL("RandomHue", "'name':'c','factor':0.5"), "RandomHue");
    check_refused(t,
                  MODEL_SEQUENTIAL(2, MODEL_LAYER("Dense", "'name':'d','units':2,'lora_rank':1")),
                  "lora_rank");
    check_refused(t,
                  RNN_MODEL("RNN", "'name':'r','cell':{'class_name':'LSTMCell','config':{'units':2,"
                                   "'activity_regularizer':'l2'}}"),
                  "activity_regularizer");
}

/* -- settings of weights --------------------------------------------------------------------------
 */

static const layer_weight *weight_named(const built_model *m, const char *title, const char *name)
{
    for (uint32_t i = 0; i < m->weight_count; i++) {
        if (strcmp(m->weights[i]->name, name) == 0 && strcmp(m->weights[i]->title, title) == 0)
            return m->weights[i];
    }
    return NULL;
}

static const char *name_of(const json *object)
{
    if (object == NULL) return "";
    if (object->kind == JSON_STRING) return json_text(object, "");
    return json_text(json_get(object, "class_name"), "?");
}

TEST(settings_follow_the_names_of_weights)
{
    const built_model *m = assembled(
        t,
        RNN_MODEL("LSTM", "'name':'r','units':2,'recurrent_regularizer':'l1','kernel_constraint':"
                          "'non_neg','bias_initializer':{'class_name':'Ones','config':{}},"
                          "'kernel_regularizer':null,'kernel_initializer':null"),
        &training);
    const layer_weight *kernel = weight_named(m, "r/cell", "kernel");
    const layer_weight *recurrent = weight_named(m, "r/cell", "recurrent_kernel");
    const layer_weight *bias = weight_named(m, "r/cell", "bias");

    CHECK(kernel != NULL && recurrent != NULL && bias != NULL);
    CHECK_TEXT(name_of(kernel->initializer), "glorot_uniform");
    CHECK(kernel->regularizer == NULL);
    CHECK_TEXT(name_of(kernel->constraint), "non_neg");
    CHECK_TEXT(name_of(recurrent->initializer), "orthogonal");
    CHECK_TEXT(name_of(recurrent->regularizer), "l1");
    CHECK_TEXT(name_of(bias->initializer), "Ones");
    CHECK_EQ(bias->forget_units, 2);
    CHECK_EQ(kernel->forget_units, 0);
}

TEST(settings_of_other_names)
{
    const built_model *m = assembled(
        t,
        RNN_MODEL("DepthwiseConv1D", "'name':'d','kernel_size':2,'depthwise_regularizer':'l2',"
                                     "'bias_constraint':'unit_norm'"),
        &training);
    CHECK_TEXT(name_of(weight_named(m, "d", "kernel")->regularizer), "l2");
    CHECK_TEXT(name_of(weight_named(m, "d", "bias")->constraint), "unit_norm");
    CHECK_TEXT(name_of(weight_named(m, "d", "bias")->initializer), "zeros");
    m = assembled(t, RNN_MODEL("LSTM", "'name':'r','units':2,'unit_forget_bias':false"), &training);
    CHECK_EQ(weight_named(m, "r/cell", "bias")->forget_units, 0);
    m = assembled(t, NORMALIZED("'name':'b','gamma_regularizer':'l2'"), &training);
    CHECK_TEXT(name_of(weight_named(m, "b", "gamma")->regularizer), "l2");
    CHECK_TEXT(name_of(weight_named(m, "b", "gamma")->initializer), "ones");
    CHECK_TEXT(name_of(weight_named(m, "b", "moving_variance")->initializer), "ones");
    CHECK_TEXT(name_of(weight_named(m, "b", "moving_mean")->initializer), "zeros");
    m = assembled(t,
                  MODEL_SEQUENTIAL(4, MODEL_LAYER("SpectralNormalization",
                                                  "'name':'s','layer':{'class_name':'Dense',"
                                                  "'config':{'name':'d','units':2}}")),
                  &training);
    CHECK_TEXT(name_of(weight_named(m, "s", "vector_u")->initializer), "TruncatedNormal");
    CHECK_NEAR(
        json_number(json_path(weight_named(m, "s", "vector_u")->initializer, "config.stddev"), 0),
        0.02, 0);
}

/* The kernel that is trained is the one the wrapper has put there. */
TEST(spectral_normalization_updates_the_kernel_inside)
{
    trained r = trained_open(t,
                             MODEL_SEQUENTIAL(1, MODEL_LAYER("SpectralNormalization",
                                                             "'name':'s','layer':{'class_name':"
                                                             "'Dense','config':{'name':'d','units':"
                                                             "1,'use_bias':false}}")),
                             &training);
    const layer_weight *kernel = weight_named(r.m, "s/layer", "kernel");
    float x[ROWS] = {3};

    CHECK(kernel != NULL && kernel->latest != kernel->v);
    variable_fill(t, &r, 0, -4);
    variable_fill(t, &r, 1, 0.5f);
    CHECK_NEAR(trained_step(&r, x, 1)[0], -3, 1e-5); /* sigma of [[-4]] is 4 */
    CHECK_NEAR(*(const float *)graph_run_value(r.run, kernel->v), -1, 1e-6);
    variable_fill(t, &r, 0, 0);
    CHECK_NEAR(trained_step(&r, x, 1)[0], 0, 0);
}

/* -- memory ---------------------------------------------------------------------------------------
 */

TEST(training_assembly_survives_failed_allocations)
{
    const description d = model_description(
        t,
        RNN_MODEL("TimeDistributed",
                  "'name':'t','layer':{'class_name':'BatchNormalization','config':{'name':'b'}}"));
    const description e = model_description(
        t, RNN_MODEL("LSTM", "'name':'r','units':2,'recurrent_dropout':0.5,'dropout':0.5,"
                             "'activity_regularizer':'l2'"));
    const description *const both[] = {&d, &e};

    for (size_t k = 0; k < 2; k++) {
        for (int64_t n = 0;; n++) {
            region *home = region_open(t->home, "model", EBB_CLASS_META, 0);
            built_model *m = NULL;
            CHECK(home != NULL);
            test_fail_allocation(t, n);
            const ebb_status status = assemble_model(home, both[k], &training, &m, &t->error);
            const bool failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            region_close(home);
            if (!failed) break;
        }
    }
}

TEST_MAIN(RUN(dropout_keeps_its_share_and_the_mean),
          RUN(another_stream_is_another_mask_and_the_same_stream_the_same), RUN(seeds_make_masks),
          RUN(layers_drop_apart_from_each_other), RUN(rates_of_nothing_and_of_all),
          RUN(nothing_is_dropped_outside_training), RUN(noise_shapes_share_masks),
          RUN(noise_has_its_mean_and_variance), RUN(alpha_dropout_restores_mean_and_variance),
          RUN(rnn_masks_are_the_same_at_every_step), RUN(recurrent_masks_drop_states),
          RUN(every_cell_drops), RUN(recurrent_masks_of_any_length), RUN(convolutional_lstm_drops),
          RUN(attention_drops_scores), RUN(moving_statistics_move), RUN(frozen_statistics_stay),
          RUN(calls_of_a_shared_layer_follow_each_other), RUN(layers_are_frozen_by_name),
          RUN(states_are_kept_from_step_to_step), RUN(states_need_a_number_of_rows),
          RUN(activities_are_penalized_per_row), RUN(time_distributed_calls_layers_bare),
          RUN(what_cannot_be_trained_is_refused_by_name), RUN(settings_follow_the_names_of_weights),
          RUN(settings_of_other_names), RUN(spectral_normalization_updates_the_kernel_inside),
          RUN(training_assembly_survives_failed_allocations))
