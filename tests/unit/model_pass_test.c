/* model_pass_test.c -- models run by hand: outputs, gradients, what they keep and what they notice.
 */
#include <math.h>
#include <string.h>

#include "built_models.h"
#include "hand_loop.h"

#define ROWS 4

typedef struct scene {
    ebb_runtime runtime;
    ebb_model model;
    uint64_t idle; /* bytes live without the model */
    float x[1024];
    ebb_view input;
} scene;

/* A chain of layers on [width] or [time, width] or [h, w, c]. */
static ebb_model chain(test *t, ebb_runtime runtime, uint32_t rank, const int64_t *dims,
                       const ebb_layer_text *layers, uint32_t count)
{
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_builder b;
    ebb_model model;

    CHECK_OK(ebb_build_open(runtime, "model", &b, &t->error));
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, rank, dims);
    x = ebb_build_sequential(b, x, layers, count);
    options.seed = 3;
    CHECK_OK(ebb_build_finish(b, &x, 1, &options, &model, &t->error));
    return model;
}

static void scene_open(test *t, scene *s, uint32_t rank, const int64_t *dims,
                       const ebb_layer_text *layers, uint32_t count)
{
    memset(s, 0, sizeof *s);
    s->runtime = built_runtime(t);
    s->idle = built_live(s->runtime);
    s->model = chain(t, s->runtime, rank, dims, layers, count);
    s->input = (ebb_view){EBB_F32, rank + 1, {ROWS}, s->x};
    memcpy(&s->input.dims[1], dims, rank * sizeof *dims);
    CHECK(hand_count(&s->input) <= 1024);
    hand_fill(s->x, 1024, 1);
}

static void scene_close(test *t, scene *s)
{
    CHECK_OK(ebb_model_unload(s->model, NULL, NULL, &t->error));
    CHECK_EQ(built_live(s->runtime), s->idle);
    built_close(t, s->runtime);
}

static const ebb_layer_text mlp[] = {
    {"Dense", "units=7, activation='tanh'"},
    {"Dense", "units=3"},
};

/* -- outputs ----------------------------------------------------------------------------------- */

TEST(a_pass_gives_what_a_prediction_gives)
{
    scene s;
    float y[ROWS * 3];
    ebb_view output = {EBB_F32, 2, {ROWS, 3}, y}, view;

    scene_open(t, &s, 1, (int64_t[]){6}, mlp, 2);
    const ebb_views inputs = {&s.input, 1}, outputs = {&output, 1};
    CHECK_OK(ebb_model_predict(s.model, &inputs, &outputs, &t->error));
    for (int training = 0; training < 2; training++) {
        const ebb_pass pass = hand_pass(t, s.model, &s.input, training != 0);
        CHECK_EQ(ebb_pass_outputs(pass), 1);
        CHECK_OK(ebb_pass_output(pass, 0, &view));
        CHECK_EQ(view.rank, 2);
        CHECK_EQ(view.dims[0], ROWS);
        for (int i = 0; i < ROWS * 3; i++)
            CHECK_NEAR((double)((const float *)view.data)[i], (double)y[i], 1e-6);
        CHECK_STATUS(ebb_pass_output(pass, 1, &view), EBB_E_ARGUMENT);
        CHECK_OK(ebb_pass_close(pass, &t->error));
        CHECK_STATUS(ebb_pass_close(pass, &t->error), EBB_E_STALE);
        CHECK_STATUS(ebb_pass_output(pass, 0, &view), EBB_E_STALE);
        CHECK_EQ(ebb_pass_outputs(pass), 0);
    }
    scene_close(t, &s);
}

TEST(inputs_are_checked)
{
    scene s;
    ebb_pass pass;
    ebb_view wrong;

    scene_open(t, &s, 1, (int64_t[]){6}, mlp, 2);
    const ebb_views one = {&wrong, 1}, none = {NULL, 0};
    wrong = s.input;
    wrong.dims[1] = 5;
    CHECK_STATUS(ebb_model_pass_open(s.model, &one, NULL, &pass, &t->error), EBB_E_SHAPE);
    CHECK_EQ(pass.id, 0);
    wrong.dims[1] = 6;
    wrong.dims[0] = 0;
    CHECK_STATUS(ebb_model_pass_open(s.model, &one, NULL, &pass, &t->error), EBB_E_SHAPE);
    wrong.dims[0] = ROWS;
    wrong.data = NULL;
    CHECK_STATUS(ebb_model_pass_open(s.model, &one, NULL, &pass, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_pass_open(s.model, &none, NULL, &pass, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_pass_open((ebb_model){0}, &one, NULL, &pass, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_model_pass_open(s.model, &one, NULL, NULL, &t->error), EBB_E_ARGUMENT);
    scene_close(t, &s);
}

TEST(losses_of_layers_are_outputs)
{
    static const ebb_layer_text layers[] = {
        {"Dense", "units=3, activity_regularizer=L2(l2=0.5)"},
    };
    scene s;
    ebb_view y, added, dx;
    float ones[ROWS * 6];
    double sum = 0;

    scene_open(t, &s, 1, (int64_t[]){6}, layers, 1);
    const ebb_pass pass = hand_pass(t, s.model, &s.input, false);
    CHECK_EQ(ebb_pass_outputs(pass), 2);
    CHECK_OK(ebb_pass_output(pass, 0, &y));
    CHECK_OK(ebb_pass_output(pass, 1, &added));
    CHECK_EQ(added.rank, 0);
    for (int i = 0; i < ROWS * 3; i++) sum += pow((double)((const float *)y.data)[i], 2);
    CHECK_NEAR((double)*(const float *)added.data, 0.5 * sum / ROWS, 1e-5);
    /* The gradient of the added loss alone is that of its formula. */
    float one = 1, dy[ROWS * 3], by_y[ROWS * 6];
    for (int i = 0; i < ROWS * 3; i++) dy[i] = ((const float *)y.data)[i] / ROWS;
    ebb_view seeds[2] = {y, {EBB_F32, 0, {0}, &one}};
    seeds[0].data = NULL;
    dx = s.input;
    dx.data = ones;
    CHECK_OK(ebb_pass_gradients(pass, seeds, 2, &dx, 1, NULL, 0, &t->error));
    seeds[0].data = dy;
    seeds[1].data = NULL;
    dx.data = by_y;
    CHECK_OK(ebb_pass_gradients(pass, seeds, 2, &dx, 1, NULL, 0, &t->error));
    for (int i = 0; i < ROWS * 6; i++) CHECK_NEAR((double)ones[i], (double)by_y[i], 1e-6);
    CHECK_OK(ebb_pass_close(pass, &t->error));
    scene_close(t, &s);
}

/* -- gradients --------------------------------------------------------------------------------- */

/* The sum of the outputs, each times its seed. */
static double weighed(test *t, const scene *s, const float *seeds, bool training)
{
    const ebb_pass pass = hand_pass(t, s->model, &s->input, training);
    double sum = 0;
    ebb_view y;

    CHECK_OK(ebb_pass_output(pass, 0, &y));
    for (uint64_t i = 0; i < hand_count(&y); i++)
        sum += (double)((const float *)y.data)[i] * (double)seeds[i];
    CHECK_OK(ebb_pass_close(pass, &t->error));
    return sum;
}

/* Central differences of every input and weight. */
static void check_differences(test *t, scene *s, bool training, double tolerance)
{
    static float dw[HAND_WEIGHTS][512], dx[1024], seeds[1024], w[512];
    ebb_view wanted[HAND_WEIGHTS], y, gradient = s->input;
    ebb_tensor_info info;
    uint32_t count = 0;
    const float step = 0.01f;

    for (; ebb_model_weight(s->model, count, &info) == EBB_OK; count++) {
        wanted[count] = (ebb_view){EBB_F32, info.rank, {0}, dw[count]};
        memcpy(wanted[count].dims, info.dims, sizeof info.dims);
    }
    const ebb_pass pass = hand_pass(t, s->model, &s->input, training);
    CHECK_OK(ebb_pass_output(pass, 0, &y));
    hand_fill(seeds, hand_count(&y), 7);
    gradient.data = dx;
    y.data = seeds;
    CHECK_OK(ebb_pass_gradients(pass, &y, 1, &gradient, 1, wanted, count, &t->error));
    CHECK_OK(ebb_pass_close(pass, &t->error));
    for (uint64_t i = 0; i < hand_count(&s->input); i += 3) {
        const float kept = s->x[i];
        s->x[i] = kept + step;
        const double up = weighed(t, s, seeds, training);
        s->x[i] = kept - step;
        const double down = weighed(t, s, seeds, training);
        s->x[i] = kept;
        CHECK_NEAR((double)dx[i], (up - down) / (2 * (double)step), tolerance);
    }
    for (uint32_t k = 0; k < count; k++) {
        const ebb_view view = {EBB_F32, wanted[k].rank, {0}, w};
        memcpy((void *)(uintptr_t)view.dims, wanted[k].dims, sizeof view.dims);
        CHECK_OK(ebb_model_weight_get(s->model, k, &view, &t->error));
        for (uint64_t i = 0; i < hand_count(&view); i += 5) {
            const float kept = w[i];
            w[i] = kept + step;
            CHECK_OK(ebb_model_weight_set(s->model, k, &view, &t->error));
            const double up = weighed(t, s, seeds, training);
            w[i] = kept - step;
            CHECK_OK(ebb_model_weight_set(s->model, k, &view, &t->error));
            const double down = weighed(t, s, seeds, training);
            w[i] = kept;
            CHECK_OK(ebb_model_weight_set(s->model, k, &view, &t->error));
            CHECK_NEAR((double)dw[k][i], (up - down) / (2 * (double)step), tolerance);
        }
    }
}

TEST(gradients_are_central_differences)
{
    static const ebb_layer_text recurrent[] = {{"LSTM", "units=4"}, {"Dense", "units=2"}};
    static const ebb_layer_text norm[] = {{"Dense", "units=5"}, {"BatchNormalization", NULL}};
    scene s;

    scene_open(t, &s, 1, (int64_t[]){6}, mlp, 2);
    check_differences(t, &s, true, 2e-3);
    scene_close(t, &s);
    scene_open(t, &s, 2, (int64_t[]){5, 3}, recurrent, 2);
    check_differences(t, &s, true, 2e-3);
    scene_close(t, &s);
    scene_open(t, &s, 1, (int64_t[]){6}, norm, 2);
    check_differences(t, &s, false, 2e-2);
    scene_close(t, &s);
}

TEST(what_leads_nowhere_is_zero_and_says_so)
{
    static const ebb_layer_text norm[] = {{"Dense", "units=5"}, {"BatchNormalization", NULL}};
    scene s;
    float dy[ROWS * 5], mean[5] = {9, 9, 9, 9, 9};
    ebb_view seed = {EBB_F32, 2, {ROWS, 5}, dy}, wanted[6];

    scene_open(t, &s, 1, (int64_t[]){6}, norm, 2);
    hand_fill(dy, ROWS * 5, 2);
    memset(wanted, 0, sizeof wanted);
    wanted[4] = (ebb_view){EBB_F32, 1, {5}, mean};
    const ebb_pass pass = hand_pass(t, s.model, &s.input, true);
    CHECK(ebb_pass_reaches_weight(pass, 0));
    CHECK(ebb_pass_reaches_weight(pass, 2));
    CHECK(!ebb_pass_reaches_weight(pass, 4)); /* moving statistics play no part in training */
    CHECK(!ebb_pass_reaches_weight(pass, 6));
    CHECK(ebb_pass_reaches_input(pass, 0));
    CHECK(!ebb_pass_reaches_input(pass, 1));
    for (uint32_t i = 0; i < 6; i++) {
        ebb_tensor_info info;
        CHECK_OK(ebb_model_weight(s.model, i, &info));
        wanted[i].rank = info.rank;
        memcpy(wanted[i].dims, info.dims, sizeof info.dims);
    }
    CHECK_OK(ebb_pass_gradients(pass, &seed, 1, NULL, 0, wanted, 6, &t->error));
    for (int i = 0; i < 5; i++) CHECK_NEAR((double)mean[i], 0, 0);
    CHECK_OK(ebb_pass_close(pass, &t->error));
    const ebb_pass other = hand_pass(t, s.model, &s.input, false);
    CHECK(ebb_pass_reaches_weight(other, 4));
    CHECK_OK(ebb_pass_gradients(other, &seed, 1, NULL, 0, wanted, 6, &t->error));
    CHECK(mean[0] != 0);
    scene_close(t, &s);
    CHECK_STATUS(ebb_pass_gradients(other, &seed, 1, NULL, 0, NULL, 0, &t->error), EBB_E_STALE);
    CHECK(!ebb_pass_reaches_weight(other, 0));
}

TEST(views_of_gradients_are_checked)
{
    scene s;
    float dy[ROWS * 3] = {0}, dx[ROWS * 6];
    ebb_view seed = {EBB_F32, 2, {ROWS, 3}, dy}, gradient, weights[4];

    scene_open(t, &s, 1, (int64_t[]){6}, mlp, 2);
    memset(weights, 0, sizeof weights);
    gradient = s.input;
    gradient.data = dx;
    const ebb_pass p = hand_pass(t, s.model, &s.input, true);
    CHECK_STATUS(ebb_pass_gradients(p, NULL, 0, &gradient, 1, NULL, 0, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_pass_gradients(p, &seed, 1, &gradient, 2, NULL, 0, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_pass_gradients(p, &seed, 1, NULL, 0, weights, 3, &t->error), EBB_E_ARGUMENT);
    seed.dims[1] = 4;
    CHECK_STATUS(ebb_pass_gradients(p, &seed, 1, &gradient, 1, NULL, 0, &t->error), EBB_E_SHAPE);
    seed.dims[1] = 3;
    gradient.dims[0] = 2;
    CHECK_STATUS(ebb_pass_gradients(p, &seed, 1, &gradient, 1, NULL, 0, &t->error), EBB_E_SHAPE);
    gradient.dims[0] = ROWS;
    gradient.dtype = (ebb_dtype)99;
    CHECK_STATUS(ebb_pass_gradients(p, &seed, 1, &gradient, 1, NULL, 0, &t->error), EBB_E_DTYPE);
    gradient.dtype = EBB_F32;
    weights[0] = (ebb_view){EBB_F32, 1, {3}, dx};
    CHECK_STATUS(ebb_pass_gradients(p, &seed, 1, NULL, 0, weights, 4, &t->error), EBB_E_SHAPE);
    CHECK_OK(ebb_pass_gradients(p, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    scene_close(t, &s);
}

/* -- random numbers and state ------------------------------------------------------------------ */

TEST(gradients_draw_the_numbers_of_their_pass)
{
    static const ebb_layer_text layers[] = {{"Dropout", "rate=0.5"}};
    scene s;
    ebb_pass passes[3];
    ebb_view y[3], dx;
    float ones[1024], gradient[1024];
    uint32_t apart = 0;

    scene_open(t, &s, 1, (int64_t[]){200}, layers, 1);
    for (int i = 0; i < 1024; i++) ones[i] = 1;
    for (int k = 0; k < 3; k++) {
        passes[k] = hand_pass(t, s.model, &s.input, true);
        CHECK_OK(ebb_pass_output(passes[k], 0, &y[k]));
    }
    for (int i = 0; i < ROWS * 200; i++)
        apart += (((float *)y[0].data)[i] == 0) != (((float *)y[1].data)[i] == 0);
    CHECK(apart > 100); /* another pass drops others */
    for (int k = 2; k >= 0; k--) {
        ebb_view seed = y[k];
        dx = s.input;
        seed.data = ones;
        dx.data = gradient;
        CHECK_OK(ebb_pass_gradients(passes[k], &seed, 1, &dx, 1, NULL, 0, &t->error));
        for (int i = 0; i < ROWS * 200; i++) {
            CHECK_NEAR((double)gradient[i], ((const float *)y[k].data)[i] == 0 ? 0 : 2, 0);
            CHECK_NEAR((double)((const float *)y[k].data)[i], (double)(gradient[i] * s.x[i]), 1e-6);
        }
    }
    scene_close(t, &s);
}

TEST(the_seed_of_the_first_pass_counts)
{
    static const ebb_layer_text layers[] = {{"Dropout", "rate=0.5"}};
    float y[3][ROWS * 50];
    scene s;

    for (int k = 0; k < 3; k++) {
        ebb_pass_options options = EBB_PASS_OPTIONS_INIT;
        ebb_pass pass;
        ebb_view view;
        scene_open(t, &s, 1, (int64_t[]){50}, layers, 1);
        const ebb_views inputs = {&s.input, 1};
        options.training = true;
        options.seed = k == 2 ? 8 : 7;
        CHECK_OK(ebb_model_pass_open(s.model, &inputs, &options, &pass, &t->error));
        CHECK_OK(ebb_pass_output(pass, 0, &view));
        memcpy(y[k], view.data, sizeof y[k]);
        scene_close(t, &s);
    }
    CHECK(memcmp(y[0], y[1], sizeof y[0]) == 0);
    CHECK(memcmp(y[0], y[2], sizeof y[0]) != 0);
}

static double weight_at(test *t, ebb_model model, uint32_t index, uint32_t at)
{
    float numbers[HAND_NUMBERS];

    CHECK(built_weight(t, model, index, numbers) > at);
    return (double)numbers[at];
}

TEST(statistics_move_in_training_alone)
{
    static const ebb_layer_text norm[] = {{"BatchNormalization", "momentum=0.5"},
                                          {"Dense", "units=2"}};
    scene s;
    double mean = 0;
    float dy[ROWS * 2] = {1, 1, 1, 1, 1, 1, 1, 1}, dx[ROWS * 3], again[ROWS * 3];
    ebb_view seed = {EBB_F32, 2, {ROWS, 2}, dy}, gradient;

    scene_open(t, &s, 1, (int64_t[]){3}, norm, 2);
    for (int i = 0; i < ROWS; i++) mean += (double)s.x[3 * i] / ROWS;
    CHECK_OK(ebb_pass_close(hand_pass(t, s.model, &s.input, false), &t->error));
    CHECK_NEAR(weight_at(t, s.model, 2, 0), 0, 0);
    const ebb_pass first = hand_pass(t, s.model, &s.input, true);
    CHECK_NEAR(weight_at(t, s.model, 2, 0), 0.5 * mean, 1e-6);
    /* Statistics that move between a pass of training and its gradients do not matter to it. */
    const ebb_pass second = hand_pass(t, s.model, &s.input, true);
    CHECK_NEAR(weight_at(t, s.model, 2, 0), 0.75 * mean, 1e-6);
    gradient = s.input;
    gradient.data = dx;
    CHECK_OK(ebb_pass_gradients(first, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    gradient.data = again;
    CHECK_OK(ebb_pass_gradients(second, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    CHECK(memcmp(dx, again, sizeof dx) == 0);
    CHECK_NEAR(weight_at(t, s.model, 2, 0), 0.75 * mean, 1e-6); /* gradients move nothing */
    /* To a pass of inference they do. */
    const ebb_pass inference = hand_pass(t, s.model, &s.input, false);
    CHECK_OK(ebb_pass_gradients(inference, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    CHECK_OK(ebb_pass_close(hand_pass(t, s.model, &s.input, true), &t->error));
    CHECK_STATUS(ebb_pass_gradients(inference, &seed, 1, &gradient, 1, NULL, 0, &t->error),
                 EBB_E_STATE);
    /* Predictions see them. */
    float y[ROWS * 2];
    ebb_view output = {EBB_F32, 2, {ROWS, 2}, y}, view;
    const ebb_views inputs = {&s.input, 1}, outputs = {&output, 1};
    CHECK_OK(ebb_model_predict(s.model, &inputs, &outputs, &t->error));
    const ebb_pass last = hand_pass(t, s.model, &s.input, false);
    CHECK_OK(ebb_pass_output(last, 0, &view));
    for (int i = 0; i < ROWS * 2; i++)
        CHECK_NEAR((double)((const float *)view.data)[i], (double)y[i], 1e-5);
    scene_close(t, &s);
}

TEST(what_a_pass_changes_and_reads_is_kept_for_its_gradients)
{
    static const ebb_layer_text layers[] = {
        {"SpectralNormalization", "layer=Dense(units=4), power_iterations=1"},
    };
    scene s;
    float dy[ROWS * 4], dx[ROWS * 6], again[ROWS * 6];
    ebb_view seed = {EBB_F32, 2, {ROWS, 4}, dy}, gradient;

    scene_open(t, &s, 1, (int64_t[]){6}, layers, 1);
    hand_fill(dy, ROWS * 4, 3);
    gradient = s.input;
    const ebb_pass first = hand_pass(t, s.model, &s.input, true);
    gradient.data = dx;
    CHECK_OK(ebb_pass_gradients(first, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    CHECK_OK(ebb_pass_close(hand_pass(t, s.model, &s.input, true), &t->error));
    gradient.data = again;
    CHECK_OK(ebb_pass_gradients(first, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    CHECK(memcmp(dx, again, sizeof dx) == 0);
    scene_close(t, &s);
}

TEST(a_stateful_layer_goes_on)
{
    static const char text[] =
        "{\"module\": \"keras\", \"class_name\": \"Sequential\", \"config\": {\"name\": \"m\", "
        "\"layers\": [{\"module\": \"keras.layers\", \"class_name\": \"InputLayer\", \"config\": "
        "{\"name\": \"x\", \"dtype\": \"float32\", \"batch_shape\": [4, 5, 2]}}, {\"module\": "
        "\"keras.layers\", \"class_name\": \"LSTM\", \"config\": {\"name\": \"l\", \"units\": 3, "
        "\"stateful\": true}}]}}";
    scene s = {.runtime = built_runtime(t)};
    ebb_view y[2], seed, gradient;
    float dy[ROWS * 3], dx[ROWS * 10], again[ROWS * 10];

    s.idle = built_live(s.runtime);
    CHECK_OK(ebb_model_from_json(s.runtime, text, sizeof text - 1, NULL, &s.model, &t->error));
    hand_fill(s.x, 1024, 1);
    hand_fill(dy, ROWS * 3, 2);
    gradient = s.input = (ebb_view){EBB_F32, 3, {ROWS, 5, 2}, s.x};
    const ebb_pass one = hand_pass(t, s.model, &s.input, true);
    CHECK_OK(ebb_pass_output(one, 0, &y[0]));
    seed = y[0];
    seed.data = dy;
    gradient.data = dx;
    CHECK_OK(ebb_pass_gradients(one, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    const ebb_pass two = hand_pass(t, s.model, &s.input, false);
    CHECK_OK(ebb_pass_output(two, 0, &y[1]));
    CHECK(memcmp(y[0].data, y[1].data, sizeof(float) * ROWS * 3) != 0);
    gradient.data = again;
    CHECK_OK(ebb_pass_gradients(one, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    CHECK(memcmp(dx, again, sizeof dx) == 0); /* from where the pass began */
    CHECK_OK(ebb_pass_gradients(two, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    CHECK(memcmp(dx, again, sizeof dx) != 0);
    scene_close(t, &s);
}

/* -- changes ----------------------------------------------------------------------------------- */

TEST(gradients_notice_weights_that_were_changed)
{
    scene s;
    float dy[ROWS * 3] = {1}, dx[ROWS * 6], bias[3] = {1, 2, 3};
    ebb_view seed = {EBB_F32, 2, {ROWS, 3}, dy}, gradient, weight = {EBB_F32, 1, {3}, bias};

    scene_open(t, &s, 1, (int64_t[]){6}, mlp, 2);
    gradient = s.input;
    gradient.data = dx;
    const ebb_pass pass = hand_pass(t, s.model, &s.input, true);
    CHECK_OK(ebb_pass_gradients(pass, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    CHECK_OK(ebb_model_weight_set(s.model, 3, &weight, &t->error));
    CHECK_STATUS(ebb_pass_gradients(pass, &seed, 1, &gradient, 1, NULL, 0, &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "bias");
    /* The same values again are no change; a new pass sees what is there. */
    const ebb_pass other = hand_pass(t, s.model, &s.input, true);
    CHECK_OK(ebb_model_weight_set(s.model, 3, &weight, &t->error));
    CHECK_OK(ebb_pass_gradients(other, &seed, 1, &gradient, 1, NULL, 0, &t->error));
    ebb_view y;
    const ebb_pass third = hand_pass(t, s.model, &s.input, true);
    CHECK_OK(ebb_pass_output(third, 0, &y));
    const float before = ((const float *)y.data)[0];
    bias[0] = 11;
    CHECK_OK(ebb_model_weight_set(s.model, 3, &weight, &t->error));
    const ebb_pass fourth = hand_pass(t, s.model, &s.input, true);
    CHECK_OK(ebb_pass_output(fourth, 0, &y));
    CHECK_NEAR((double)((const float *)y.data)[0], (double)before + 10, 1e-4);
    /* All of them at once, from another model. */
    const ebb_model twin = chain(t, s.runtime, 1, (int64_t[]){6}, mlp, 2);
    CHECK_OK(ebb_model_weights_copy(twin, s.model, NULL, NULL, &t->error));
    CHECK_STATUS(ebb_pass_gradients(fourth, &seed, 1, &gradient, 1, NULL, 0, &t->error),
                 EBB_E_STATE);
    CHECK_NEAR(hand_difference(t, twin, s.model), 0, 0);
    CHECK_OK(ebb_model_unload(twin, NULL, NULL, &t->error));
    scene_close(t, &s);
}

/* Compiled, trained, uncompiled in between: passes always see the newest weights. */
TEST(passes_go_on_beside_training)
{
    static const ebb_layer_text norm[] = {
        {"Dense", "units=4"}, {"BatchNormalization", "momentum=0.5"}, {"Dense", "units=2"}};
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    scene s;
    float target[ROWS * 2], y[ROWS * 2], dx[ROWS * 6], dy[ROWS * 2] = {1, 1};
    ebb_view targets = {EBB_F32, 2, {ROWS, 2}, target}, output = {EBB_F32, 2, {ROWS, 2}, y}, view;
    ebb_view seed = {EBB_F32, 2, {ROWS, 2}, dy}, gradient;
    double results[4];

    scene_open(t, &s, 1, (int64_t[]){6}, norm, 3);
    hand_fill(target, ROWS * 2, 5);
    gradient = s.input;
    gradient.data = dx;
    const ebb_views inputs = {&s.input, 1}, outputs = {&output, 1};
    const ebb_batch batch = {.x = {&s.input, 1}, .y = {&targets, 1}};
    compile.optimizer = "sgd";
    compile.loss = "mse";
    for (int round = 0; round < 4; round++) {
        const ebb_pass before = hand_pass(t, s.model, &s.input, true);
        if (round % 2 == 0) {
            CHECK_OK(ebb_model_compile(s.model, &compile, &t->error));
            CHECK_OK(ebb_pass_gradients(before, &seed, 1, &gradient, 1, NULL, 0, &t->error));
        }
        size_t count = 4;
        CHECK_OK(ebb_model_train_on_batch(s.model, &batch, results, &count, &t->error));
        CHECK_STATUS(ebb_pass_gradients(before, &seed, 1, &gradient, 1, NULL, 0, &t->error),
                     EBB_E_STATE);
        const double mean = weight_at(t, s.model, 4, 0);
        const ebb_pass training = hand_pass(t, s.model, &s.input, true);
        CHECK(fabs(weight_at(t, s.model, 4, 0) - mean) > 1e-6);
        CHECK_OK(ebb_pass_gradients(training, &seed, 1, &gradient, 1, NULL, 0, &t->error));
        if (round % 2 == 1) CHECK_OK(ebb_model_uncompile(s.model, NULL, &t->error));
        const ebb_pass pass = hand_pass(t, s.model, &s.input, false);
        CHECK_OK(ebb_pass_output(pass, 0, &view));
        CHECK_OK(ebb_model_predict(s.model, &inputs, &outputs, &t->error));
        for (int i = 0; i < ROWS * 2; i++)
            CHECK_NEAR((double)((const float *)view.data)[i], (double)y[i], 1e-5);
        CHECK_OK(ebb_pass_close(pass, &t->error));
        CHECK_OK(ebb_pass_close(training, &t->error));
        CHECK_OK(ebb_pass_close(before, &t->error));
    }
    scene_close(t, &s);
}

TEST(frozen_layers_change_the_run)
{
    static const ebb_layer_text norm[] = {{"BatchNormalization", "name='norm', momentum=0.5"}};
    scene s;
    float dy[ROWS * 6] = {1}, dx[ROWS * 6];
    ebb_view seed = {EBB_F32, 2, {ROWS, 6}, dy}, gradient;

    scene_open(t, &s, 1, (int64_t[]){6}, norm, 1);
    gradient = s.input;
    gradient.data = dx;
    const ebb_pass before = hand_pass(t, s.model, &s.input, true);
    const double mean = weight_at(t, s.model, 2, 0);
    CHECK_OK(ebb_model_trainable_set(s.model, "norm", false, &t->error));
    CHECK_STATUS(ebb_pass_gradients(before, &seed, 1, &gradient, 1, NULL, 0, &t->error),
                 EBB_E_STATE);
    CHECK_OK(ebb_pass_close(hand_pass(t, s.model, &s.input, true), &t->error));
    CHECK_NEAR(weight_at(t, s.model, 2, 0), mean, 0);
    scene_close(t, &s);
}

TEST_MAIN(RUN(a_pass_gives_what_a_prediction_gives), RUN(inputs_are_checked),
          RUN(losses_of_layers_are_outputs), RUN(gradients_are_central_differences),
          RUN(what_leads_nowhere_is_zero_and_says_so), RUN(views_of_gradients_are_checked),
          RUN(gradients_draw_the_numbers_of_their_pass), RUN(the_seed_of_the_first_pass_counts),
          RUN(statistics_move_in_training_alone),
          RUN(what_a_pass_changes_and_reads_is_kept_for_its_gradients),
          RUN(a_stateful_layer_goes_on), RUN(gradients_notice_weights_that_were_changed),
          RUN(passes_go_on_beside_training), RUN(frozen_layers_change_the_run))
