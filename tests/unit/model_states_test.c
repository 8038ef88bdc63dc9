/* model_states_test.c -- states of stateful layers: kept from call to call where asked for, read,
 * set and reset, one with training, and gone with the model whatever fails. */
#include "harness.h"

#include <string.h>

#include "built_models.h"

#define ROWS  2
#define STEPS 4
#define WIDE  3
#define UNITS 5

static const char model_text[] =
    "{\"module\": \"keras\", \"class_name\": \"Sequential\", \"config\": {\"name\": \"m\", "
    "\"layers\": [{\"module\": \"keras.layers\", \"class_name\": \"InputLayer\", \"config\": "
    "{\"name\": \"x\", \"dtype\": \"float32\", \"batch_shape\": [2, 4, 3]}}, {\"module\": "
    "\"keras.layers\", \"class_name\": \"Bidirectional\", \"config\": {\"name\": \"b\", \"layer\": "
    "{\"module\": \"keras.layers\", \"class_name\": \"LSTM\", \"config\": {\"name\": \"l\", "
    "\"units\": 5, \"stateful\": true}}}}]}}";

static ebb_status model_make(ebb_runtime runtime, bool keeps, ebb_model *model, ebb_error *error)
{
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;

    load.keeps_states = keeps;
    load.lanes = 3;
    options.load = &load;
    return ebb_model_from_json(runtime, model_text, 0, &options, model, error);
}

static ebb_status run(ebb_model model, float *y, ebb_error *error)
{
    static float x[ROWS * STEPS * WIDE];
    ebb_view input = {EBB_F32, 3, {ROWS, STEPS, WIDE}, x};
    ebb_view output = {EBB_F32, 2, {ROWS, 2 * UNITS}, y};
    const ebb_views inputs = {&input, 1}, outputs = {&output, 1};

    for (uint32_t i = 0; i < ROWS * STEPS * WIDE; i++) x[i] = (float)(i % 7) / 7 - 0.4f;
    return ebb_model_predict(model, &inputs, &outputs, error);
}

#define BYTES (sizeof(float) * ROWS * 2 * UNITS)

TEST(predictions_go_on_where_the_one_before_ended)
{
    const ebb_runtime runtime = built_runtime(t);
    float first[ROWS * 2 * UNITS], second[ROWS * 2 * UNITS], again[ROWS * 2 * UNITS];
    ebb_model model;

    CHECK_OK(model_make(runtime, true, &model, &t->error));
    CHECK_OK(run(model, first, &t->error));
    CHECK_OK(run(model, second, &t->error));
    CHECK(memcmp(first, second, BYTES) != 0);
    CHECK_OK(ebb_model_states_reset(model, NULL, &t->error));
    CHECK_OK(run(model, again, &t->error));
    CHECK(memcmp(first, again, BYTES) == 0);
    CHECK_OK(ebb_model_states_reset(model, "b/forward_layer", &t->error));
    CHECK_OK(run(model, again, &t->error));
    CHECK(memcmp(first, again, BYTES) != 0 && memcmp(second, again, BYTES) != 0);
    CHECK_STATUS(ebb_model_states_reset(model, "b/forward", &t->error), EBB_E_NOT_FOUND);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_EQ(ebb_model_states(model), 0);
    CHECK_STATUS(ebb_model_states_reset(model, NULL, &t->error), EBB_E_STALE);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(predictions_stand_alone_unless_asked)
{
    const ebb_runtime runtime = built_runtime(t);
    float first[ROWS * 2 * UNITS], second[ROWS * 2 * UNITS];
    ebb_tensor_info info;
    ebb_model model;

    CHECK_OK(model_make(runtime, false, &model, &t->error));
    CHECK_EQ(ebb_model_states(model), 0);
    CHECK_STATUS(ebb_model_state(model, 0, &info, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(run(model, first, &t->error));
    CHECK_OK(run(model, second, &t->error));
    CHECK(memcmp(first, second, BYTES) == 0);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(states_are_read_and_set)
{
    const ebb_runtime runtime = built_runtime(t);
    float state[ROWS * UNITS], wanted[ROWS * UNITS], y[ROWS * 2 * UNITS];
    double doubles[ROWS * UNITS];
    ebb_view view = {EBB_F32, 2, {ROWS, UNITS}, state},
             other = {EBB_F64, 2, {ROWS, UNITS}, doubles};
    ebb_tensor_info info;
    ebb_model model;

    CHECK_OK(model_make(runtime, true, &model, &t->error));
    CHECK_EQ(ebb_model_states(model), 4);
    CHECK_OK(ebb_model_state(model, 3, &info, &t->error));
    CHECK_TEXT(info.name, "b/backward_layer/state_1");
    CHECK_EQ(info.dims[0], ROWS);
    CHECK_EQ(info.dims[1], UNITS);
    CHECK_OK(run(model, y, &t->error));
    CHECK_OK(ebb_model_state_get(model, 0, &view, &t->error)); /* h of the forward layer */
    for (uint32_t r = 0; r < ROWS; r++)
        for (uint32_t u = 0; u < UNITS; u++)
            CHECK_NEAR(state[r * UNITS + u], y[r * 2 * UNITS + u], 0);
    for (uint32_t i = 0; i < ROWS * UNITS; i++) wanted[i] = (float)(doubles[i] = i / 4.0);
    CHECK_OK(ebb_model_state_set(model, 1, &other, &t->error));
    CHECK_OK(ebb_model_state_get(model, 1, &view, &t->error));
    CHECK(memcmp(state, wanted, sizeof wanted) == 0);
    view.dims[1] = UNITS + 1;
    CHECK_STATUS(ebb_model_state_set(model, 1, &view, &t->error), EBB_E_SHAPE);
    view.data = NULL;
    CHECK_STATUS(ebb_model_state_get(model, 1, &view, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_state_get(model, 4, &view, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_model_state(model, 0, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(states_stay_over_a_rest)
{
    const ebb_runtime runtime = built_runtime(t);
    float first[ROWS * 2 * UNITS], second[ROWS * 2 * UNITS], again[ROWS * 2 * UNITS];
    ebb_model model;

    CHECK_OK(model_make(runtime, true, &model, &t->error));
    CHECK_OK(run(model, first, &t->error));
    CHECK_OK(run(model, second, &t->error));
    CHECK_OK(ebb_model_states_reset(model, NULL, &t->error));
    CHECK_OK(run(model, first, &t->error));
    CHECK_OK(ebb_model_suspend(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_resume(model, &t->error));
    CHECK_OK(run(model, again, &t->error));
    CHECK(memcmp(second, again, BYTES) == 0);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(every_allocation_may_fail)
{
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t live = built_live(runtime);
    ebb_status status = EBB_E_MEMORY;
    ebb_model model;

    for (int n = 0; n < 4000 && status != EBB_OK; n++) {
        test_fail_allocation(t, n);
        status = model_make(runtime, true, &model, &t->error);
        test_fail_allocation(t, -1);
        if (status != EBB_OK) CHECK_EQ(built_live(runtime), live);
    }
    CHECK_OK(status);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST_MAIN(RUN(predictions_go_on_where_the_one_before_ended),
          RUN(predictions_stand_alone_unless_asked), RUN(states_are_read_and_set),
          RUN(states_stay_over_a_rest), RUN(every_allocation_may_fail))
