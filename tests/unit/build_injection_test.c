/* build_injection_test.c -- every call of ebb/build.h that can allocate, with its first, second,
 * third ... allocation refused until it succeeds: E_MEMORY, and the ledger as it was. */
#include <string.h>

#include "built_models.h"
#include "temporary.h"

#define STEPS_MAX 600 /* refusals per call; beyond, every k-th allocation */

typedef struct scene {
    ebb_runtime runtime;
    ebb_model small, other;
    ebb_scope scope;
    temporary folder;
    path_text keras, h5;
} scene;

/* A call that undoes what it did when it succeeded. */
typedef ebb_status (*injected)(scene *s, ebb_error *error);

static ebb_status unload(ebb_status status, ebb_model model)
{
    return status == EBB_OK ? ebb_model_unload(model, NULL, NULL, NULL) : status;
}

static ebb_status call_build(scene *s, ebb_error *error, int which, bool sequential)
{
    static const ebb_layer_text chain[] = {{"Dense", "units=3, kernel_regularizer=L2(l2=0.1)"},
                                           {"TimeDistributed", "layer=Dense(units=2)"}};
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_builder b;
    ebb_model model;
    ebb_tensor y[BUILT_OUTPUTS_MAX];
    uint32_t count = 1;
    ebb_status status = ebb_build_open(s->runtime, "model", &b, error);

    if (status != EBB_OK) return status;
    if (sequential) {
        y[0] = ebb_build_input(b, NULL, EBB_F32, 2, (int64_t[]){4, 3});
        y[0] = ebb_build_sequential(b, y[0], chain, 2);
    } else {
        count = built_cases[which].make(b, y);
    }
    load.scope = s->scope;
    options.load = &load;
    options.sequential = sequential;
    status = ebb_build_finish(b, y, count, &options, &model, error);
    return unload(status, model);
}

static ebb_status call_shared(scene *s, ebb_error *error)
{
    return call_build(s, error, 1, false);
}

static ebb_status call_attention(scene *s, ebb_error *error)
{
    return call_build(s, error, 3, false);
}

static ebb_status call_sequential(scene *s, ebb_error *error)
{
    return call_build(s, error, 0, true);
}

static ebb_status call_plan(scene *s, ebb_error *error)
{
    ebb_builder b;
    ebb_plan plan;
    ebb_tensor y[BUILT_OUTPUTS_MAX];
    ebb_status status = ebb_build_open(s->runtime, NULL, &b, error);

    if (status != EBB_OK) return status;
    const uint32_t count = built_cases[3].make(b, y);
    status = ebb_build_plan(b, y, count, NULL, &plan, error);
    ebb_build_close(b);
    return status;
}

static ebb_status call_transfer(scene *s, ebb_error *error)
{
    ebb_import_options until = EBB_IMPORT_OPTIONS_INIT;
    ebb_builder b;
    ebb_model model;
    ebb_status status = ebb_build_open(s->runtime, NULL, &b, error);

    if (status != EBB_OK) return status;
    until.layer = "norm";
    until.frozen = true;
    ebb_tensor x = ebb_build_import(b, s->small, &until);
    const ebb_layer inner = ebb_build_model_make(b, s->other, "inner");
    ebb_build_trainable(b, "inner", false);
    x = ebb_build_layer(b, "Dense", "units=6", x);
    x = ebb_build_call(b, inner, &x, 1);
    status = ebb_build_finish(b, &x, 1, NULL, &model, error);
    return unload(status, model);
}

static ebb_status call_clone(scene *s, ebb_error *error)
{
    ebb_model model;
    const ebb_status status = ebb_model_clone(s->small, NULL, &model, error);

    return unload(status, model);
}

static ebb_status call_cut(scene *s, ebb_error *error)
{
    ebb_model model;
    ebb_import_options until = EBB_IMPORT_OPTIONS_INIT;

    until.layer = "hidden";
    const ebb_status status = ebb_model_cut(s->small, &until, NULL, &model, error);
    return unload(status, model);
}

static ebb_status call_copy(scene *s, ebb_error *error)
{
    return ebb_model_weights_copy(s->small, s->other, NULL, NULL, error);
}

static ebb_status call_load(scene *s, ebb_error *error)
{
    return ebb_model_weights_load(s->other, s->keras.text, NULL, NULL, error);
}

static ebb_status call_load_named(scene *s, ebb_error *error)
{
    ebb_weights_options options = EBB_WEIGHTS_OPTIONS_INIT;

    options.by_name = options.skip_mismatch = true;
    return ebb_model_weights_load(s->other, s->h5.text, &options, NULL, error);
}

static ebb_status call_scope(scene *s, ebb_error *error)
{
    ebb_scope_options options = EBB_SCOPE_OPTIONS_INIT;
    ebb_scope scope;

    options.parent = s->scope;
    const ebb_status status = ebb_scope_open(s->runtime, &options, &scope, error);
    return status == EBB_OK ? ebb_scope_close(scope, NULL, error) : status;
}

static const injected calls[] = {call_shared,   call_attention,  call_sequential, call_plan,
                                 call_transfer, call_clone,      call_cut,        call_copy,
                                 call_load,     call_load_named, call_scope};

static void inject(test *t, scene *s, injected call)
{
    const uint64_t before = built_live(s->runtime), asked = t->allocations;

    CHECK_OK(call(s, &t->error));
    const uint64_t total = t->allocations - asked;
    const uint64_t step = total / STEPS_MAX + 1;
    bool failed = true;
    for (int64_t n = 0; failed; n += (int64_t)step) {
        test_fail_allocation(t, n);
        const ebb_status status = call(s, &t->error);
        failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(built_live(s->runtime), before);
    }
}

static void scene_open(test *t, scene *s)
{
    s->runtime = built_runtime(t);
    s->small = built_small(t, s->runtime, "small", 1);
    s->other = built_small(t, s->runtime, "other", 1);
    CHECK_OK(ebb_scope_open(s->runtime, NULL, &s->scope, &t->error));
    temporary_open(&s->folder);
    s->keras = temporary_path(&s->folder, "m.keras");
    s->h5 = temporary_path(&s->folder, "m.h5");
    CHECK_OK(ebb_model_save(s->small, s->keras.text, NULL, &t->error));
    CHECK_OK(ebb_model_save(s->small, s->h5.text, NULL, &t->error));
}

TEST(no_memory_is_an_answer_everywhere)
{
    scene s;
    float x[BUILT_NUMBERS_MAX], y[BUILT_NUMBERS_MAX];

    scene_open(t, &s);
    built_predict(t, s.small, x);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        inject(t, &s, calls[i]);
        built_predict(t, s.other, y); /* equal to `small` all the time */
        CHECK_EQ(memcmp(x, y, 6 * sizeof *x), 0);
    }
    temporary_close(&s.folder);
    built_close(t, s.runtime);
}

TEST_MAIN(RUN(no_memory_is_an_answer_everywhere))
