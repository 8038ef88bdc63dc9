/* standalone_test.c -- losses, metrics and schedules by themselves. */
#include <string.h>

#include "ebb/train.h"
#include "harness.h"
#include "mem/region.h"

typedef struct desk {
    ebb_runtime runtime;
    float y[3], p[3], weight[3];
    ebb_view views[3];
    ebb_operands operands;
} desk;

static void desk_open(test *t, desk *d)
{
    static const float y[] = {0, 1, 2}, p[] = {1, 1, 4}, weight[] = {1, 2, 0};

    memcpy(d->y, y, sizeof y);
    memcpy(d->p, p, sizeof p);
    memcpy(d->weight, weight, sizeof weight);
    d->views[0] = (ebb_view){EBB_F32, 1, {3}, d->y};
    d->views[1] = (ebb_view){EBB_F32, 1, {3}, d->p};
    d->views[2] = (ebb_view){EBB_F32, 1, {3}, d->weight};
    d->operands = (ebb_operands){&d->views[0], &d->views[1], NULL};
    CHECK_OK(ebb_runtime_open(NULL, &d->runtime, &t->error));
}

static uint64_t live(const desk *d)
{
    ebb_memory memory;

    return ebb_memory_read(d->runtime, &memory) == EBB_OK ? memory.live : 0;
}

static void desk_close(const desk *d)
{
    CHECK_OK(ebb_runtime_close(d->runtime, NULL));
}

TEST(losses_are_reduced_or_not)
{
    desk d;
    float numbers[3] = {0};
    ebb_view result = {0};

    desk_open(t, &d);
    const uint64_t before = live(&d);
    CHECK_OK(ebb_loss_compute(d.runtime, "mse", &d.operands, &result, &t->error));
    CHECK_EQ(result.dtype, EBB_F32);
    CHECK_EQ(result.rank, 0);
    result.data = numbers;
    CHECK_OK(ebb_loss_compute(d.runtime, "mse", &d.operands, &result, &t->error));
    CHECK_NEAR((double)numbers[0], 5.0 / 3, 1e-6);
    d.operands.sample_weight = &d.views[2];
    static const char sum[] = "{\"class_name\": \"MeanAbsoluteError\", \"config\": "
                              "{\"reduction\": \"none\"}}";
    d.views[0].rank = d.views[1].rank = 2;
    d.views[0].dims[1] = d.views[1].dims[1] = 1;
    CHECK_OK(ebb_loss_compute(d.runtime, sum, &d.operands, &result, &t->error));
    CHECK_EQ(result.rank, 1);
    CHECK_EQ(result.dims[0], 3);
    CHECK_NEAR((double)numbers[0], 1, 0);
    CHECK_NEAR((double)numbers[2], 0, 0);
    CHECK_EQ(live(&d), before);
    desk_close(&d);
}

TEST(metrics_add_up)
{
    desk d;
    float sums[2][1] = {{0}, {0}}, number = -1;
    ebb_view variables[5] = {{0}}, result = {0};
    size_t count = 5;

    desk_open(t, &d);
    const char name[] = "mae";
    CHECK_OK(ebb_metric_compute(d.runtime, name, &d.operands, variables, &count, &result,
                                &t->error));
    CHECK_EQ(count, 2);
    CHECK_EQ(variables[0].rank, 0);
    variables[0].data = sums[0];
    variables[1].data = sums[1];
    result.data = &number;
    CHECK_OK(ebb_metric_compute(d.runtime, name, &d.operands, variables, &count, &result,
                                &t->error));
    CHECK_NEAR((double)number, 1, 0);
    d.p[0] = 10;
    CHECK_OK(ebb_metric_compute(d.runtime, name, &d.operands, variables, &count, &result,
                                &t->error));
    CHECK_NEAR((double)sums[0][0], 5, 0);
    CHECK_NEAR((double)sums[1][0], 2, 0);
    number = 0;
    CHECK_OK(ebb_metric_compute(d.runtime, name, &(ebb_operands){0}, variables, &count, &result,
                                &t->error));
    CHECK_NEAR((double)number, 2.5, 0);
    d.views[1].dims[0] = 2;
    CHECK_STATUS(ebb_metric_compute(d.runtime, name, &d.operands, variables, &count, &result,
                                    &t->error),
                 EBB_E_SHAPE);
    CHECK_NEAR((double)sums[0][0], 5, 0);
    desk_close(&d);
}

TEST(rates_of_schedules)
{
    static const char decay[] = "{\"class_name\": \"ExponentialDecay\", \"config\": "
                                "{\"initial_learning_rate\": 0.5, \"decay_steps\": 2, "
                                "\"decay_rate\": 0.5, \"staircase\": true}}";
    desk d;
    double rate = 0;

    desk_open(t, &d);
    CHECK_OK(ebb_schedule_compute(d.runtime, decay, 5, &rate, &t->error));
    CHECK_NEAR(rate, 0.125, 1e-7);
    CHECK_STATUS(ebb_schedule_compute(d.runtime, "{}", 5, &rate, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(ebb_schedule_compute(d.runtime, decay, 5, NULL, &t->error), EBB_E_ARGUMENT);
    desk_close(&d);
}

TEST(what_is_wrong_is_told)
{
    desk d;
    ebb_view result = {0}, variable = {0};
    size_t count = 1;

    desk_open(t, &d);
    CHECK_STATUS(ebb_loss_compute(d.runtime, "mze", &d.operands, &result, &t->error),
                 EBB_E_UNSUPPORTED);
    CHECK_STATUS(ebb_loss_compute(d.runtime, NULL, &d.operands, &result, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_loss_compute(d.runtime, "mse", &(ebb_operands){0}, &result, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_STATUS(
        ebb_metric_compute(d.runtime, "mse", &d.operands, &variable, &count, NULL, &t->error),
        EBB_E_ARGUMENT);
    d.views[0].dims[0] = 0;
    CHECK_STATUS(ebb_loss_compute(d.runtime, "mse", &d.operands, &result, &t->error),
                 EBB_E_ARGUMENT);
    const ebb_runtime gone = d.runtime;
    desk_close(&d);
    CHECK_STATUS(ebb_loss_compute(gone, "mse", &d.operands, &result, &t->error), EBB_E_STALE);
}

/* -- of the caller's own --------------------------------------------------------------------- */

/* JSON in single quotes, which text_of() makes double ones. */
#define TENSOR(name)                                                                               \
    "{'class_name': '__keras_tensor__', 'config': {'shape': [null, 1], 'dtype': 'float32', "       \
    "'keras_history': ['" name "', 0, 0]}}"
#define INPUT(name)                                                                                \
    "{'module': 'keras.layers', 'class_name': 'InputLayer', 'name': '" name "', "                  \
    "'config': {'batch_shape': [null, 1], 'name': '" name "'}, 'inbound_nodes': []}"
#define MODEL(layer, inbound)                                                                      \
    "{'class_name': 'Functional', 'config': {'name': 'f', 'layers': [" INPUT("y_true") ", " INPUT( \
        "y_pred") ", {'module': 'keras.layers', 'name': 'g', 'class_name': " layer                 \
                  ", 'inbound_nodes': [{'args': [" inbound "], 'kwargs': {}}]}], "                 \
                  "'input_layers': [['y_true', 0, 0], ['y_pred', 0, 0]], "                         \
                  "'output_layers': [['g', 0, 0]]}}"
#define PAIR "[" TENSOR("y_true") ", " TENSOR("y_pred") "]"

static const char *text_of(test *t, const char *single)
{
    char *const text = region_block(t->home, strlen(single) + 1);

    CHECK(text != NULL);
    strcpy(text, single);
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '\'') *at = '"';
    }
    return text;
}

TEST(functions_that_were_traced)
{
    static const char difference[] =
        "{'class_name': 'Traced', 'config': {'name': 'own', 'reduction': 'sum', "
        "'model': " MODEL("'Subtract', 'config': {'name': 'g'}", PAIR) "}}";
    static const char learns[] =
        "{'class_name': 'Traced', 'config': {'name': 'own', 'model': " MODEL(
            "'Dense', 'config': {'name': 'g', 'units': 1}", TENSOR("y_pred")) "}}";
    static const char mean[] = "{'class_name': 'Traced', 'config': {'name': 'own', 'model': " MODEL(
        "'Subtract', 'config': {'name': 'g'}", PAIR) "}}";
    desk d;
    float number = 0, sums[2] = {0};
    ebb_view result = {.data = &number}, variables[2] = {{.data = &sums[0]}, {.data = &sums[1]}};
    size_t count = 2;

    desk_open(t, &d);
    d.views[1].rank = 2;
    d.views[1].dims[1] = 1;
    CHECK_OK(
        ebb_loss_compute(d.runtime, text_of(t, difference), &d.operands, &result, &t->error));
    CHECK_NEAR((double)number, -3, 0);
    CHECK_STATUS(
        ebb_loss_compute(d.runtime, text_of(t, learns), &d.operands, &result, &t->error),
        EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "weights");
    CHECK_STATUS(ebb_loss_compute(d.runtime,
                                  text_of(t, "{'class_name': 'Traced', 'config': {}}"),
                                  &d.operands, &result, &t->error),
                 EBB_E_FORMAT);
    CHECK_OK(ebb_metric_compute(d.runtime, text_of(t, mean), &d.operands, variables, &count,
                                &result, &t->error));
    CHECK_NEAR((double)number, -1, 0);
    CHECK_NEAR((double)sums[1], 3, 0);
    desk_close(&d);
}

TEST_MAIN(RUN(losses_are_reduced_or_not), RUN(metrics_add_up), RUN(rates_of_schedules),
          RUN(what_is_wrong_is_told), RUN(functions_that_were_traced))
