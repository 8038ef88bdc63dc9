/* hand_loop_test.c -- loops written by hand end where compiled training ends: models, optimizers;
 * gradients of losses against central differences. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "built_models.h"
#include "hand_loop.h"
#include "train/loss/loss.h"
#include "train/optimizer/optimizer.h"

#define ROWS  6
#define STEPS 5

/* -- whole loops ------------------------------------------------------------------------------- */

typedef struct loop_case {
    const char *name;
    uint32_t rank;
    int64_t dims[3];
    const ebb_layer_text *layers;
    uint32_t layer_count, outputs;
    const char *optimizer, *loss;
    bool takes_classes;
} loop_case;

static ebb_model make(test *t, ebb_runtime runtime, const loop_case *c)
{
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_builder b;
    ebb_model model;

    CHECK_OK(ebb_build_open(runtime, c->name, &b, &t->error));
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, c->rank, c->dims);
    if (strcmp(c->name, "attention") == 0) {
        x = ebb_build_merge(b, "MultiHeadAttention", "num_heads=2, key_dim=4", (ebb_tensor[]){x, x},
                            2);
    }
    x = ebb_build_sequential(b, x, c->layers, c->layer_count);
    options.seed = 5;
    CHECK_OK(ebb_build_finish(b, &x, 1, &options, &model, &t->error));
    return model;
}

static void check_loop(test *t, const loop_case *c, double tolerance)
{
    static float x[4096], y[1024];
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model compiled = make(t, runtime, c), by_hand = make(t, runtime, c);
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    ebb_view input = {EBB_F32, c->rank + 1, {ROWS}, x};
    ebb_view target = {EBB_F32, 2, {ROWS, c->outputs}, y};
    double results[8];

    memcpy(&input.dims[1], c->dims, c->rank * sizeof *c->dims);
    CHECK(hand_count(&input) <= 4096);
    compile.optimizer = c->optimizer;
    compile.loss = c->loss;
    CHECK_OK(ebb_model_compile(compiled, &compile, &t->error));
    hand_loop *l = hand_loop_open(t, runtime, by_hand, c->optimizer, c->loss);
    CHECK_NEAR(hand_difference(t, compiled, by_hand), 0, 0);
    for (int step = 0; step < STEPS; step++) {
        size_t count = 8;
        const ebb_batch batch = {.x = {&input, 1}, .y = {&target, 1}};
        hand_fill(x, hand_count(&input), step + 1);
        hand_fill(y, ROWS * c->outputs, step + 20);
        if (c->takes_classes) {
            target.rank = 1;
            for (int i = 0; i < ROWS; i++) y[i] = (float)((i + step) % 3);
        }
        CHECK_OK(ebb_model_train_on_batch(compiled, &batch, results, &count, &t->error));
        hand_loop_step(t, l, &input, &target);
    }
    const double apart = hand_difference(t, compiled, by_hand);
    if (!(apart <= tolerance)) print_message("%s, %s: %g\n", c->name, c->optimizer, apart);
    CHECK(apart <= tolerance);
    const uint32_t variables = ebb_optimizer_variables(l->optimizer);
    CHECK_EQ(variables, ebb_model_optimizer_variables(compiled));
    for (uint32_t i = 0; i < variables; i++) {
        ebb_tensor_info a, b;
        CHECK_OK(ebb_optimizer_variable(l->optimizer, i, &a, &t->error));
        CHECK_OK(ebb_model_optimizer_variable(compiled, i, &b, &t->error));
        if (strcmp(c->name, "mlp") == 0) CHECK_TEXT(a.name, b.name); /* Keras's paths */
        CHECK_EQ(a.dtype, b.dtype);
        CHECK_EQ(a.rank, b.rank);
    }
    hand_loop_close(t, l);
    built_close(t, runtime);
}

TEST(models_end_where_compiled_training_ends)
{
    static const ebb_layer_text mlp[] = {{"Dense", "units=16, activation='relu', name='dense'"},
                                         {"Dense", "units=3, name='dense_1'"}};
    static const ebb_layer_text cnn[] = {
        {"Conv2D", "filters=4, kernel_size=3, activation='relu'"},
        {"BatchNormalization", NULL},
        {"MaxPooling2D", NULL},
        {"Flatten", NULL},
        {"Dense", "units=3"},
    };
    static const ebb_layer_text lstm[] = {
        {"LSTM", "units=6, return_sequences=True"}, {"GRU", "units=4"}, {"Dense", "units=3"}};
    static const ebb_layer_text attention[] = {
        {"LayerNormalization", NULL}, {"GlobalAveragePooling1D", NULL}, {"Dense", "units=3"}};
    static const char classes[] = "{\"class_name\": \"SparseCategoricalCrossentropy\", "
                                  "\"config\": {\"from_logits\": true}}";
    const loop_case cases[] = {
        {"mlp", 1, {8}, mlp, 2, 3, "adam", "mse", false},
        {"mlp", 1, {8}, mlp, 2, 3, "adam", classes, true},
        {"cnn", 3, {8, 8, 2}, cnn, 5, 3, "sgd", "mse", false},
        {"lstm", 2, {5, 4}, lstm, 3, 3, "rmsprop", "huber", false},
        {"attention", 2, {5, 8}, attention, 3, 3, "adamw", "mae", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_loop(t, &cases[i], 1e-4);
}

/* -- every optimizer --------------------------------------------------------------------------- */

TEST(optimizers_step_as_in_compiled_training)
{
    static const ebb_layer_text mlp[] = {{"Dense", "units=5, activation='tanh', name='dense'"},
                                         {"Dense", "units=3, name='norm'"}};
    static const char *const forms[] = {
        "{\"class_name\": \"Adam\", \"config\": {\"clipnorm\": 0.1}}",
        "{\"class_name\": \"Adam\", \"config\": {\"global_clipnorm\": 0.1, \"amsgrad\": true}}",
        "{\"class_name\": \"SGD\", \"config\": {\"clipvalue\": 0.05, \"momentum\": 0.9, "
        "\"nesterov\": true}}",
        "{\"class_name\": \"AdamW\", \"config\": {\"use_ema\": true, \"ema_momentum\": 0.9, "
        "\"ema_overwrite_frequency\": 2}}",
        "{\"class_name\": \"RMSprop\", \"config\": {\"gradient_accumulation_steps\": 2, "
        "\"centered\": true}}",
        "{\"class_name\": \"SGD\", \"config\": {\"weight_decay\": 0.1, \"learning_rate\": "
        "{\"class_name\": \"ExponentialDecay\", \"config\": {\"initial_learning_rate\": 0.1, "
        "\"decay_steps\": 2, \"decay_rate\": 0.5}}}}",
    };
    loop_case c = {"mlp", 1, {8}, mlp, 2, 3, NULL, "mse", false};

    for (uint32_t i = 0; i < optimizer_table.count; i++) {
        c.optimizer = optimizer_table.entries[i]->name;
        if (strcmp(c.optimizer, "MultiOptimizer") == 0) continue;     /* has no default */
        if (strcmp(c.optimizer, "LossScaleOptimizer") == 0) continue; /* the loss is scaled too */
        check_loop(t, &c, 1e-5);
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        c.optimizer = forms[i];
        check_loop(t, &c, 1e-5);
    }
}

/* -- losses ------------------------------------------------------------------------------------ */

typedef struct loss_case {
    float y[24], p[24], w[24], dp[24], upstream[24];
    ebb_view y_true, y_pred, weight;
} loss_case;

/* The loss, each of it times what its gradient is taken to be. */
static double loss_of(test *t, ebb_runtime r, const char *loss, const ebb_operands *o,
                      const float *upstream)
{
    float numbers[64];
    ebb_view result = {.data = numbers};
    double sum = 0;

    CHECK_OK(ebb_loss_compute(r, loss, o, &result, &t->error));
    for (uint64_t i = 0; i < hand_count(&result); i++)
        sum += (double)numbers[i] * (double)upstream[i];
    return sum;
}

static void check_loss(test *t, ebb_runtime r, const char *loss, loss_case *c, bool weighted)
{
    const ebb_operands o = {&c->y_true, &c->y_pred, weighted ? &c->weight : NULL};
    ebb_view gradient = c->y_pred, shape = {0}, upstream;

    CHECK_OK(ebb_loss_compute(r, loss, &o, &shape, &t->error));
    gradient.data = c->dp;
    upstream = shape;
    upstream.data = c->upstream;
    const ebb_status status = ebb_loss_gradient(r, loss, &o, &upstream, &gradient, &t->error);
    if (status != EBB_OK) print_message("%s: %s\n", loss, t->error.text);
    CHECK_OK(status);
    for (uint64_t i = 0; i < hand_count(&c->y_pred); i++) {
        const float kept = c->p[i], step = 2e-3f;
        c->p[i] = kept + step;
        const double up = loss_of(t, r, loss, &o, c->upstream);
        c->p[i] = kept - step;
        const double down = loss_of(t, r, loss, &o, c->upstream);
        c->p[i] = kept;
        const double wanted = (up - down) / (2 * (double)step);
        if (!(fabs((double)c->dp[i] - wanted) <= 0.01 * (1 + fabs(wanted))))
            print_message("%s: number %u\n", loss, (unsigned)i);
        CHECK_NEAR((double)c->dp[i], wanted, 0.01 * (1 + fabs(wanted)));
    }
}

/* Predictions that are probabilities, targets that fit the loss. */
static void case_fill(loss_case *c, const loss_def *def)
{
    const bool is_labelled = def->is_sparse || def->takes_labels;

    for (int i = 0; i < 4; i++) {
        float sum = 0;
        for (int k = 0; k < 6; k++) {
            c->p[6 * i + k] = 0.2f + 0.13f * (float)((i * 7 + k * 5) % 6);
            sum += c->p[6 * i + k];
        }
        for (int k = 0; k < 6; k++) c->p[6 * i + k] /= sum;
        for (int k = 0; k < 6; k++) c->y[6 * i + k] = k == (i * 2) % 6 ? 0.9f : 0.15f;
        if (is_labelled) c->y[i] = (float)(i % 3);
        c->w[i] = 0.5f + 0.25f * (float)i;
    }
    for (int i = 0; i < 24; i++) c->upstream[i] = 0.7f + 0.1f * (float)i;
    c->y_true = (ebb_view){EBB_F32, is_labelled ? 1 : 2, {4, 6}, c->y};
    c->y_pred = (ebb_view){EBB_F32, 2, {4, 6}, c->p};
    c->weight = (ebb_view){EBB_F32, 1, {4}, c->w};
}

TEST(gradients_of_losses_are_central_differences)
{
    static const char *const reductions[] = {"sum_over_batch_size", "sum", "mean",
                                             "mean_with_sample_weight", "none"};
    const ebb_runtime r = built_runtime(t);
    const uint64_t before = built_live(r);
    uint32_t checked = 0;

    for (uint32_t i = 0; i < loss_table.count; i++) {
        const loss_def *def = (const loss_def *)(const void *)loss_table.entries[i];
        const char *name = def->entry.name;
        loss_case c;
        char text[160];
        if (strcmp(name, "CTC") == 0 || strncmp(name, "Traced", 6) == 0) continue;
        case_fill(&c, def);
        snprintf(text, sizeof text, "{\"class_name\": \"%s\", \"config\": {}}", name);
        check_loss(t, r, text, &c, false);
        checked++;
    }
    CHECK(checked > 15);
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++) {
        loss_case c;
        char text[160];
        case_fill(&c, (const loss_def *)(const void *)loss_table.entries[0]);
        snprintf(text, sizeof text,
                 "{\"class_name\": \"MeanSquaredError\", \"config\": {\"reduction\": \"%s\"}}",
                 reductions[i]);
        check_loss(t, r, text, &c, true);
    }
    CHECK_EQ(built_live(r), before);
    built_close(t, r);
}

TEST(faults_of_loss_gradients_are_told)
{
    const ebb_runtime r = built_runtime(t);
    loss_case c;

    case_fill(&c, (const loss_def *)(const void *)loss_table.entries[0]);
    const ebb_operands o = {&c.y_true, &c.y_pred, NULL};
    ebb_view gradient = c.y_pred, upstream = {EBB_F32, 1, {4}, c.upstream};
    gradient.data = c.dp;
    CHECK_STATUS(ebb_loss_gradient(r, "mze", &o, NULL, &gradient, &t->error), EBB_E_UNSUPPORTED);
    CHECK_STATUS(ebb_loss_gradient(r, "mse", &o, &upstream, &gradient, &t->error), EBB_E_SHAPE);
    gradient.dims[1] = 5;
    CHECK_STATUS(ebb_loss_gradient(r, "mse", &o, NULL, &gradient, &t->error), EBB_E_SHAPE);
    gradient.dims[1] = 6;
    gradient.dtype = EBB_F64;
    CHECK_STATUS(ebb_loss_gradient(r, "mse", &o, NULL, &gradient, &t->error), EBB_E_DTYPE);
    gradient.dtype = EBB_F32;
    gradient.data = NULL;
    CHECK_STATUS(ebb_loss_gradient(r, "mse", &o, NULL, &gradient, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_loss_gradient(r, "mse", NULL, NULL, &gradient, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_loss_gradient((ebb_runtime){0}, "mse", &o, NULL, &gradient, &t->error),
                 EBB_E_STALE);
    built_close(t, r);
}

/* -- optimizers by themselves ------------------------------------------------------------------ */

typedef struct bench {
    ebb_runtime runtime;
    ebb_tensor_info info[2];
    float w[6], b[3], dw[6], db[3];
    ebb_view values[2], gradients[2];
} bench;

static void bench_open(test *t, bench *k)
{
    memset(k, 0, sizeof *k);
    k->runtime = built_runtime(t);
    k->info[0] =
        (ebb_tensor_info){.name = "dense/kernel", .dtype = EBB_F32, .rank = 2, .dims = {2, 3}};
    k->info[1] = (ebb_tensor_info){.name = "dense/bias", .dtype = EBB_F32, .rank = 1, .dims = {3}};
    hand_fill(k->w, 6, 1);
    hand_fill(k->b, 3, 2);
    hand_fill(k->dw, 6, 3);
    hand_fill(k->db, 3, 4);
    k->values[0] = (ebb_view){EBB_F32, 2, {2, 3}, k->w};
    k->values[1] = (ebb_view){EBB_F32, 1, {3}, k->b};
    k->gradients[0] = (ebb_view){EBB_F32, 2, {2, 3}, k->dw};
    k->gradients[1] = (ebb_view){EBB_F32, 1, {3}, k->db};
}

TEST(a_weight_without_a_gradient_stays)
{
    bench k;
    ebb_optimizer o;
    int64_t steps = 0;
    const ebb_view counter = {EBB_I64, 0, {0}, &steps};

    bench_open(t, &k);
    const uint64_t before = built_live(k.runtime);
    CHECK_OK(ebb_optimizer_open(k.runtime, "sgd", k.info, 2, &o, &t->error));
    const float w = k.w[0], b = k.b[0];
    k.gradients[1].data = NULL;
    CHECK_OK(ebb_optimizer_apply(o, k.values, k.gradients, 2, &t->error));
    CHECK_NEAR((double)k.w[0], (double)(w - 0.01f * k.dw[0]), 1e-7);
    CHECK_NEAR((double)k.b[0], (double)b, 0);
    k.gradients[1].data = k.db;
    CHECK_OK(ebb_optimizer_apply(o, k.values, k.gradients, 2, &t->error));
    CHECK_NEAR((double)k.b[0], (double)(b - 0.01f * k.db[0]), 1e-7);
    CHECK_OK(ebb_optimizer_variable_get(o, 0, &counter, &t->error));
    CHECK_EQ(steps, 2);
    k.gradients[0].data = k.gradients[1].data = NULL;
    CHECK_STATUS(ebb_optimizer_apply(o, k.values, k.gradients, 2, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_optimizer_close(o, &t->error));
    CHECK_STATUS(ebb_optimizer_apply(o, k.values, k.gradients, 2, &t->error), EBB_E_STALE);
    CHECK_EQ(built_live(k.runtime), before);
    built_close(t, k.runtime);
}

TEST(a_rate_that_is_set_counts_and_trimming_forgets_nothing)
{
    bench k;
    ebb_optimizer o;
    ebb_tensor_info info;
    float rate = 0.5f, w;
    const ebb_view view = {EBB_F32, 0, {0}, &rate};

    bench_open(t, &k);
    CHECK_OK(ebb_optimizer_open(k.runtime,
                                "{\"class_name\": \"SGD\", \"config\": {\"momentum\": 0.5}}",
                                k.info, 2, &o, &t->error));
    CHECK_OK(ebb_optimizer_variable(o, 1, &info, &t->error));
    CHECK_TEXT(info.name, "sgd/learning_rate");
    CHECK_OK(ebb_optimizer_variable_set(o, 1, &view, &t->error));
    w = k.w[0];
    CHECK_OK(ebb_optimizer_apply(o, k.values, k.gradients, 2, &t->error));
    CHECK_NEAR((double)k.w[0], (double)(w - 0.5f * k.dw[0]), 1e-6);
    CHECK_OK(ebb_trim(k.runtime, NULL));
    float moved[6]; /* values elsewhere */
    memcpy(moved, k.w, sizeof moved);
    k.values[0].data = moved;
    w = moved[0];
    CHECK_OK(ebb_optimizer_apply(o, k.values, k.gradients, 2, &t->error));
    CHECK_NEAR((double)moved[0], (double)(w - 0.75f * k.dw[0]), 1e-6);
    CHECK_STATUS(ebb_optimizer_variable(o, 99, &info, &t->error), EBB_E_ARGUMENT);
    built_close(t, k.runtime); /* takes it along */
    CHECK_STATUS(ebb_optimizer_close(o, &t->error), EBB_E_STALE);
}

TEST(faults_of_optimizers_are_told)
{
    bench k;
    ebb_optimizer o;

    bench_open(t, &k);
    const uint64_t before = built_live(k.runtime);
    CHECK_STATUS(ebb_optimizer_open(k.runtime, "adan", k.info, 2, &o, &t->error),
                 EBB_E_UNSUPPORTED);
    CHECK_STATUS(ebb_optimizer_open(k.runtime, NULL, k.info, 2, &o, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_optimizer_open(k.runtime, "adam", k.info, 0, &o, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(o.id, 0);
    k.info[0].dtype = EBB_F64;
    CHECK_STATUS(ebb_optimizer_open(k.runtime, "adam", k.info, 2, &o, &t->error),
                 EBB_E_UNSUPPORTED);
    k.info[0].dtype = EBB_F32;
    CHECK_EQ(built_live(k.runtime), before);
    CHECK_OK(ebb_optimizer_open(k.runtime, "adam", k.info, 2, &o, &t->error));
    CHECK_STATUS(ebb_optimizer_apply(o, k.values, k.gradients, 1, &t->error), EBB_E_ARGUMENT);
    k.gradients[1].dims[0] = 2;
    const float w = k.w[0];
    CHECK_STATUS(ebb_optimizer_apply(o, k.values, k.gradients, 2, &t->error), EBB_E_SHAPE);
    k.gradients[1].dims[0] = 3;
    k.values[1].dtype = EBB_F16;
    CHECK_STATUS(ebb_optimizer_apply(o, k.values, k.gradients, 2, &t->error), EBB_E_DTYPE);
    k.values[1] = (ebb_view){EBB_F32, 1, {3}, NULL};
    CHECK_STATUS(ebb_optimizer_apply(o, k.values, k.gradients, 2, &t->error), EBB_E_ARGUMENT);
    CHECK_NEAR((double)k.w[0], (double)w, 0);
    built_close(t, k.runtime);
}

TEST_MAIN(RUN(models_end_where_compiled_training_ends),
          RUN(optimizers_step_as_in_compiled_training),
          RUN(gradients_of_losses_are_central_differences), RUN(faults_of_loss_gradients_are_told),
          RUN(a_weight_without_a_gradient_stays),
          RUN(a_rate_that_is_set_counts_and_trimming_forgets_nothing),
          RUN(faults_of_optimizers_are_told))
