/* injection_test.c -- every public call that can allocate, with its first, second, third ...
 * allocation refused until it succeeds. A call that fails says E_MEMORY, leaves the ledger and the
 * disk as they were, and does not disturb the model beside it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "digits.h"
#include "temporary.h"

#define STEPS_MAX 1500 /* refusals per call; beyond, every k-th allocation */

typedef struct scene {
    digits d;
    temporary folder;
    ebb_model beside; /* loaded throughout */
    float expected[DIGITS_ROWS * DIGITS_CLASSES];
    const char *path;
    ebb_load_options options;
    path_text x, y, arrays;
    char text[256];
} scene;

/* A call that undoes what it did when it succeeded. */
typedef ebb_status (*injected)(scene *s, ebb_error *error);

static void scene_open(test *t, scene *s)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;

    options.allocator = test_allocator(t);
    temporary_open(&s->folder);
    digits_open(t, &s->d, &options);
    load.batch = DIGITS_ROWS;
    load.lanes = 2;
    s->options = load;
    CHECK_OK(ebb_model_load(s->d.runtime, digits_cnn, &load, &s->beside, &t->error));
    CHECK_OK(digits_predict(&s->d, s->beside, DIGITS_ROWS, s->expected, &t->error));
    s->x = temporary_path(&s->folder, "x.npy");
    s->y = temporary_path(&s->folder, "y.npy");
    s->arrays = temporary_path(&s->folder, "a.npz");
    const ebb_view view = {EBB_F32, 4, {DIGITS_ROWS, 8, 8, 1}, s->d.x};
    npy_write(s->x.text, &view);
}

static void scene_close(test *t, scene *s)
{
    CHECK_OK(ebb_model_unload(s->beside, NULL, NULL, &t->error));
    digits_close(t, &s->d);
    temporary_close(&s->folder);
}

static void check_beside(test *t, scene *s)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    CHECK_OK(digits_predict(&s->d, s->beside, DIGITS_ROWS, y, &t->error));
    CHECK_EQ(memcmp(y, s->expected, sizeof y), 0);
}

/* One call with the n-th allocation refused; true: there was no n-th. */
static bool step(test *t, scene *s, const char *name, injected call, int64_t n)
{
    const uint64_t live = digits_live(&s->d);
    const uint32_t entries = temporary_count(&s->folder);
    ebb_memory memory;

    t->error = (ebb_error){0};
    test_fail_allocation(t, n);
    const ebb_status status = call(s, &t->error);
    const bool failed = test_allocation_failed(t);
    test_fail_allocation(t, -1);
    if (digits_live(&s->d) != live || (!failed && status != EBB_OK) ||
        (status != EBB_OK && status != EBB_E_MEMORY)) {
        harness_fail(__FILE__, __LINE__, "%s, allocation %d: %s (%s: %s), %d bytes left", name,
                     (int)n, ebb_status_name(status), t->error.where, t->error.text,
                     (int)(digits_live(&s->d) - live));
    }
    CHECK_OK(ebb_memory_read(s->d.runtime, &memory));
    CHECK_EQ(memory.descriptors, 0);
    CHECK_EQ(memory.models, 1);
    CHECK_EQ(temporary_count(&s->folder), entries);
    return !failed;
}

static void step_through(test *t, scene *s, const char *name, injected call)
{
    const uint64_t before = t->allocations;
    int64_t n = 0, stride = 1;

    CHECK(step(t, s, name, call, -1));
    const int64_t total = (int64_t)(t->allocations - before);
    stride = total / STEPS_MAX + 1;
    for (n = 0; !step(t, s, name, call, n); n += stride) {
        if (n / stride % 16 == 0) check_beside(t, s);
    }
    check_beside(t, s);
    CHECK(step(t, s, name, call, -1));
}

/* -- the calls --------------------------------------------------------------------------------- */

static ebb_status call_plan(scene *s, ebb_error *error)
{
    ebb_plan plan;

    return ebb_model_plan(s->d.runtime, s->path, &s->options, &plan, error);
}

static ebb_status call_load(scene *s, ebb_error *error)
{
    ebb_model model;
    const ebb_status status = ebb_model_load(s->d.runtime, s->path, &s->options, &model, error);

    if (status != EBB_OK) return model.id == 0 ? status : EBB_E_INTERNAL;
    return ebb_model_unload(model, NULL, NULL, error);
}

static ebb_status call_predict(scene *s, ebb_error *error)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    const ebb_status status = digits_predict(&s->d, s->beside, 7, y, error);

    if (status == EBB_OK && memcmp(y, s->expected, 7 * DIGITS_CLASSES * sizeof(float)) != 0 &&
        digits_error(y, s->d.cnn_y[0], 7) > 1e-5) {
        return EBB_E_INTERNAL;
    }
    ebb_trim(s->d.runtime, NULL);
    return status;
}

static ebb_status call_shapes(scene *s, ebb_error *error)
{
    const ebb_view in = {EBB_F32, 4, {5, 8, 8, 1}, NULL};
    const ebb_views inputs = {&in, 1};
    ebb_view out;

    return ebb_model_output_shapes(s->beside, &inputs, &out, 1, error);
}

static ebb_status call_files(scene *s, ebb_error *error)
{
    const char *inputs[] = {s->x.text}, *outputs[] = {s->y.text};
    ebb_stream_options options = EBB_STREAM_OPTIONS_INIT;

    options.batch = 6;
    const ebb_status status = ebb_model_predict_files(s->beside, inputs, outputs, &options, error);
    if (status == EBB_OK)
        remove(s->y.text);
    else if (file_exists(s->y.text))
        return EBB_E_INTERNAL;
    ebb_trim(s->d.runtime, NULL);
    return status;
}

static ebb_status call_weight_get(scene *s, ebb_error *error)
{
    float values[9 * 16];
    const ebb_view view = {EBB_F32, 4, {3, 3, 1, 16}, values};

    return ebb_model_weight_get(s->beside, 0, &view, error);
}

/* Sets what is there already: the neighbour's numbers show a half-done set. */
static ebb_status call_weight_set(scene *s, ebb_error *error)
{
    float values[9 * 16];
    const ebb_view view = {EBB_F32, 4, {3, 3, 1, 16}, values};
    ebb_status status = ebb_model_weight_get(s->beside, 0, &view, error);

    if (status == EBB_OK) status = ebb_model_weight_set(s->beside, 0, &view, error);
    return status;
}

static bool keep_text(void *context, const char *text, size_t length)
{
    scene *s = context;

    snprintf(s->text, sizeof s->text, "%.*s", (int)length, text);
    return true;
}

static ebb_status call_summary(scene *s, ebb_error *error)
{
    return ebb_model_summary(s->beside, keep_text, s, error);
}

static ebb_status call_file_summary(scene *s, ebb_error *error)
{
    return ebb_file_summary(s->d.runtime, s->path, NULL, keep_text, s, error);
}

static ebb_status call_check(scene *s, ebb_error *error)
{
    uint32_t problems;

    return ebb_file_check(s->d.runtime, s->path, NULL, keep_text, s, &problems, error);
}

static ebb_status call_report(scene *s, ebb_error *error)
{
    (void)error;
    const ebb_status status = ebb_memory_report(s->d.runtime, EBB_REPORT_TABLE, keep_text, s);
    return status != EBB_OK ? status
                            : ebb_memory_report(s->d.runtime, EBB_REPORT_JSON, keep_text, s);
}

static ebb_status call_arrays(scene *s, ebb_error *error)
{
    const ebb_view view = {EBB_F32, 2, {DIGITS_ROWS, DIGITS_CLASSES}, s->d.cnn_y};
    const ebb_views views = {&view, 1};
    const char *names[] = {"y"};
    ebb_arrays arrays;

    ebb_status status = ebb_arrays_save(s->d.runtime, s->arrays.text, names, &views, error);
    if (status == EBB_OK) status = ebb_arrays_open(s->d.runtime, s->arrays.text, &arrays, error);
    remove(s->arrays.text);
    return status == EBB_OK ? ebb_arrays_close(arrays) : status;
}

static ebb_status call_trim(scene *s, ebb_error *error)
{
    (void)error;
    return ebb_trim(s->d.runtime, NULL);
}

static ebb_status call_delete(scene *s, ebb_error *error)
{
    const path_text copy = temporary_path(&s->folder, "copy.keras");
    ebb_model model;

    digits_copy(digits_mlp, copy.text);
    ebb_status status = ebb_model_load(s->d.runtime, copy.text, NULL, &model, error);
    if (status == EBB_OK)
        status = ebb_model_delete(model, NULL, NULL, error);
    else
        remove(copy.text);
    return status == EBB_OK && file_exists(copy.text) ? EBB_E_INTERNAL : status;
}

/* -- tests ------------------------------------------------------------------------------------- */

TEST(calls_on_a_runtime_may_fail)
{
    scene s;

    scene_open(t, &s);
    step_through(t, &s, "memory report", call_report);
    step_through(t, &s, "arrays", call_arrays);
    step_through(t, &s, "trim", call_trim);
    s.path = digits_mlp;
    step_through(t, &s, "file summary", call_file_summary);
    step_through(t, &s, "check", call_check);
    step_through(t, &s, "plan", call_plan);
    s.path = digits_cnn;
    step_through(t, &s, "file summary", call_file_summary);
    step_through(t, &s, "check", call_check);
    step_through(t, &s, "plan", call_plan);
    scene_close(t, &s);
}

TEST(calls_on_a_model_may_fail)
{
    scene s;

    scene_open(t, &s);
    step_through(t, &s, "predict", call_predict);
    step_through(t, &s, "output shapes", call_shapes);
    step_through(t, &s, "predict files", call_files);
    step_through(t, &s, "weight get", call_weight_get);
    step_through(t, &s, "weight set", call_weight_set);
    step_through(t, &s, "summary", call_summary);
    step_through(t, &s, "delete", call_delete);
    scene_close(t, &s);
}

TEST(loads_may_fail)
{
    scene s;

    scene_open(t, &s);
    s.path = digits_mlp;
    step_through(t, &s, "load mlp", call_load);
    s.path = digits_cnn;
    step_through(t, &s, "load cnn", call_load);
    s.options.inference_only = true;
    s.options.lanes = 3;
    s.options.threads = 2;
    step_through(t, &s, "load cnn, inference only, 3 lanes", call_load);
    scene_close(t, &s);
}

/* Nested, shared, recurrent and old models take other paths through the readers. */
TEST(loads_of_odd_models_may_fail)
{
    static const char *const names[] = {"nested.keras", "operations.keras", "deflated.keras",
                                        "folder",       "legacy.h5",        "wrappers.keras"};
    scene s;

    scene_open(t, &s);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        ebb_plan plan;
        snprintf(path, sizeof path, "%s/format/%s", EBB_GOLDEN, names[i]);
        s.path = path;
        s.options = (ebb_load_options)EBB_LOAD_OPTIONS_INIT;
        const ebb_status status = ebb_model_plan(s.d.runtime, path, NULL, &plan, &t->error);
        if (status == EBB_E_UNSUPPORTED) continue;
        CHECK_OK(status);
        step_through(t, &s, names[i], call_load);
    }
    scene_close(t, &s);
}

/* A set of another value that fails half-way must leave the old one in every fold. */
TEST(a_failed_set_changes_nothing)
{
    scene s;
    float kernel[9 * 16];
    const ebb_view view = {EBB_F32, 4, {3, 3, 1, 16}, kernel};

    scene_open(t, &s);
    CHECK_OK(ebb_model_weight_get(s.beside, 0, &view, &t->error));
    for (int i = 0; i < 9 * 16; i++) kernel[i] = -kernel[i];
    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = ebb_model_weight_set(s.beside, 0, &view, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        if (!failed) break;
        check_beside(t, &s);
    }
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    CHECK_OK(digits_predict(&s.d, s.beside, DIGITS_ROWS, y, &t->error));
    CHECK(memcmp(y, s.expected, sizeof y) != 0);
    scene_close(t, &s);
}

TEST_MAIN(RUN(calls_on_a_runtime_may_fail), RUN(calls_on_a_model_may_fail), RUN(loads_may_fail),
          RUN(loads_of_odd_models_may_fail), RUN(a_failed_set_changes_nothing))
