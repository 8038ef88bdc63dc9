/* model_pass_life_test.c -- what passes and optimizers hold, and when they give it back: unloading,
 * suspending, trimming, forks, limits, failing memory, threads. */
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "built_models.h"
#include "hand_loop.h"

#define ROWS 4

typedef struct scene {
    ebb_runtime runtime;
    ebb_model model;
    uint64_t idle, loaded;
    float x[ROWS * 6], dx[ROWS * 6], dy[ROWS * 3];
    ebb_view input, seed, gradient;
} scene;

static void scene_with(scene *s, ebb_runtime runtime, ebb_model model)
{
    s->runtime = runtime;
    s->model = model;
    s->loaded = built_live(runtime);
    s->input = s->gradient = (ebb_view){EBB_F32, 2, {ROWS, 6}, s->x};
    s->gradient.data = s->dx;
    s->seed = (ebb_view){EBB_F32, 2, {ROWS, 3}, s->dy};
    hand_fill(s->x, ROWS * 6, 1);
    hand_fill(s->dy, ROWS * 3, 2);
}

static void scene_open(test *t, scene *s)
{
    const ebb_runtime runtime = built_runtime(t);

    memset(s, 0, sizeof *s);
    s->idle = built_live(runtime);
    scene_with(s, runtime, built_small(t, runtime, "small", 1));
}

static void scene_close(test *t, scene *s)
{
    CHECK_OK(ebb_model_unload(s->model, NULL, NULL, &t->error));
    CHECK_EQ(built_live(s->runtime), s->idle);
    built_close(t, s->runtime);
}

static ebb_status gradient(scene *s, ebb_pass pass, ebb_error *error)
{
    return ebb_pass_gradients(pass, &s->seed, 1, &s->gradient, 1, NULL, 0, error);
}

static uint64_t cached(const scene *s)
{
    ebb_memory memory;

    return ebb_memory_read(s->runtime, &memory) == EBB_OK ? memory.cached : UINT64_MAX;
}

/* -- life -------------------------------------------------------------------------------------- */

TEST(passes_go_with_their_model)
{
    scene s;
    ebb_receipt receipt;
    ebb_view view;

    scene_open(t, &s);
    const ebb_pass one = hand_pass(t, s.model, &s.input, true);
    const ebb_pass two = hand_pass(t, s.model, &s.input, false);
    CHECK_OK(gradient(&s, one, &t->error));
    const uint64_t live = built_live(s.runtime);
    CHECK_OK(ebb_model_unload(s.model, NULL, &receipt, &t->error));
    CHECK_EQ(receipt.bytes_total, live - s.idle);
    CHECK_EQ(built_live(s.runtime), s.idle);
    CHECK_STATUS(gradient(&s, one, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_pass_close(two, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_pass_output(two, 0, &view), EBB_E_STALE);
    built_close(t, s.runtime);
}

TEST(a_pass_holds_its_block_and_no_more)
{
    scene s;

    scene_open(t, &s);
    CHECK_OK(ebb_pass_close(hand_pass(t, s.model, &s.input, true), &t->error));
    const uint64_t before = built_live(s.runtime);
    ebb_pass passes[20];
    for (int i = 0; i < 20; i++) passes[i] = hand_pass(t, s.model, &s.input, true);
    CHECK_EQ(built_live(s.runtime), before + 20 * 4096);
    for (int i = 0; i < 20; i++) CHECK_OK(ebb_pass_close(passes[(i * 7) % 20], &t->error));
    CHECK_EQ(built_live(s.runtime), before);
    scene_close(t, &s);
}

TEST(plans_stay_few_whatever_comes)
{
    scene s;
    static float x[64 * 6];
    ebb_view input = {EBB_F32, 2, {1, 6}, x};
    uint64_t highest = 0;

    scene_open(t, &s);
    for (int64_t rows = 64; rows > 0; rows--) {
        input.dims[0] = rows;
        CHECK_OK(ebb_pass_close(hand_pass(t, s.model, &input, true), &t->error));
        if (rows == 56) highest = built_live(s.runtime);
        if (rows < 56) CHECK(built_live(s.runtime) <= highest + 8192);
    }
    scene_close(t, &s);
}

TEST(trimming_gives_plans_back_and_passes_go_on)
{
    scene s;
    float before[ROWS * 6];

    scene_open(t, &s);
    const ebb_pass pass = hand_pass(t, s.model, &s.input, true);
    CHECK_OK(gradient(&s, pass, &t->error));
    memcpy(before, s.dx, sizeof before);
    CHECK(cached(&s) > 0);
    const uint64_t live = built_live(s.runtime);
    CHECK_OK(ebb_trim(s.runtime, NULL));
    CHECK_EQ(cached(&s), 0);
    CHECK(built_live(s.runtime) < live);
    memset(s.dx, 0, sizeof s.dx);
    CHECK_OK(gradient(&s, pass, &t->error));
    CHECK(memcmp(before, s.dx, sizeof before) == 0);
    CHECK_OK(ebb_trim(s.runtime, NULL));
    const ebb_pass other = hand_pass(t, s.model, &s.input, true);
    CHECK_OK(ebb_pass_close(other, &t->error));
    scene_close(t, &s);
}

TEST(suspended_models_wait_with_their_passes)
{
    scene s;
    float before[ROWS * 6];
    ebb_view y;

    for (int disk = 0; disk < 2; disk++) {
        ebb_suspend_options options = EBB_SUSPEND_OPTIONS_INIT;
        scene_open(t, &s);
        options.to_disk = disk != 0;
        const ebb_pass pass = hand_pass(t, s.model, &s.input, true);
        CHECK_OK(gradient(&s, pass, &t->error));
        memcpy(before, s.dx, sizeof before);
        CHECK_OK(ebb_model_suspend(s.model, &options, NULL, &t->error));
        CHECK_STATUS(gradient(&s, pass, &t->error), EBB_E_STATE);
        const ebb_views inputs = {&s.input, 1};
        ebb_pass none;
        CHECK_STATUS(ebb_model_pass_open(s.model, &inputs, NULL, &none, &t->error), EBB_E_STATE);
        CHECK_OK(ebb_pass_output(pass, 0, &y)); /* numbers of the pass stay */
        CHECK_OK(ebb_model_resume(s.model, &t->error));
        CHECK_OK(gradient(&s, pass, &t->error));
        CHECK(memcmp(before, s.dx, sizeof before) == 0);
        scene_close(t, &s);
    }
}

TEST(a_limit_refuses_what_does_not_fit)
{
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    static const ebb_layer_text layers[] = {{"Dense", "units=64"}};
    static float x[4096 * 64];
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t idle = built_live(runtime);
    ebb_view input = {EBB_F32, 2, {4096, 64}, x};
    const ebb_views inputs = {&input, 1};
    ebb_builder b;
    ebb_model model;
    ebb_pass pass;

    load.bytes_max = 3 << 19;
    options.load = &load;
    CHECK_OK(ebb_build_open(runtime, "model", &b, &t->error));
    ebb_tensor y = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){64});
    y = ebb_build_sequential(b, y, layers, 1);
    CHECK_OK(ebb_build_finish(b, &y, 1, &options, &model, &t->error));
    CHECK_STATUS(ebb_model_pass_open(model, &inputs, NULL, &pass, &t->error), EBB_E_MEMORY);
    CHECK_EQ(pass.id, 0);
    input.dims[0] = 4;
    CHECK_OK(ebb_model_pass_open(model, &inputs, NULL, &pass, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_EQ(built_live(runtime), idle);
    built_close(t, runtime);
}

TEST(models_without_weights_as_they_were_are_refused)
{
    const ebb_runtime runtime = built_runtime(t);
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    scene s = {.runtime = runtime};
    ebb_pass pass;
    ebb_model folded;

    load.inference_only = true;
    options.load = &load;
    folded = built_finish(t, runtime, &built_cases[3], &options);
    scene_with(&s, runtime, built_small(t, runtime, "small", 1));
    const ebb_views inputs = {&s.input, 1};
    CHECK_STATUS(ebb_model_pass_open(folded, &inputs, NULL, &pass, &t->error), EBB_E_UNSUPPORTED);
    ebb_quantize_options quantize = EBB_QUANTIZE_OPTIONS_INIT;
    static const ebb_layer_text wide[] = {{"Dense", "units=300"}};
    ebb_builder b;
    CHECK_OK(ebb_build_open(runtime, "wide", &b, &t->error));
    ebb_tensor y = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){6});
    y = ebb_build_sequential(b, y, wide, 1);
    CHECK_OK(ebb_build_finish(b, &y, 1, NULL, &s.model, &t->error));
    const ebb_pass before = hand_pass(t, s.model, &s.input, true);
    CHECK_OK(ebb_model_quantize(s.model, &quantize, NULL, &t->error));
    CHECK_STATUS(ebb_model_pass_open(s.model, &inputs, NULL, &pass, &t->error), EBB_E_UNSUPPORTED);
    CHECK_STATUS(ebb_pass_close(before, &t->error), EBB_E_STALE); /* another model took its place */
    built_close(t, runtime);
}

/* -- forks ------------------------------------------------------------------------------------- */

static bool child_is_well(scene *s, ebb_pass pass, const float *before)
{
    ebb_receipt receipt;

    if (gradient(s, pass, NULL) != EBB_OK) return false;
    if (memcmp(before, s->dx, sizeof s->dx) != 0) return false;
    if (ebb_pass_close(pass, NULL) != EBB_OK) return false;
    if (ebb_model_unload(s->model, NULL, NULL, NULL) != EBB_OK) return false;
    return ebb_runtime_close(s->runtime, &receipt) == EBB_OK && receipt.bytes_kept == 0;
}

TEST(a_child_goes_on_with_a_pass)
{
    scene s;
    float before[ROWS * 6];
    int result = 0;

    if (!test_forks_are_followed()) return;
    scene_open(t, &s);
    const ebb_pass pass = hand_pass(t, s.model, &s.input, true);
    CHECK_OK(gradient(&s, pass, &t->error));
    memcpy(before, s.dx, sizeof before);
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(child_is_well(&s, pass, before) ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &result, 0), child);
    CHECK_EQ(result, 0);
    CHECK_OK(gradient(&s, pass, &t->error));
    scene_close(t, &s);
}

/* -- failing memory ---------------------------------------------------------------------------- */

typedef ebb_status (*injected)(scene *s, ebb_error *error);

static ebb_status call_pass(scene *s, ebb_error *error)
{
    const ebb_views inputs = {&s->input, 1};
    ebb_pass_options options = EBB_PASS_OPTIONS_INIT;
    ebb_pass pass;

    options.training = true;
    ebb_status status = ebb_model_pass_open(s->model, &inputs, &options, &pass, error);
    if (status != EBB_OK) return status;
    status = gradient(s, pass, error);
    const ebb_status closed = ebb_pass_close(pass, NULL);
    return closed == EBB_OK ? status : closed;
}

static ebb_status call_loss(scene *s, ebb_error *error)
{
    const ebb_operands operands = {&s->input, &s->input, NULL};

    return ebb_loss_gradient(s->runtime, "huber", &operands, NULL, &s->gradient, error);
}

static ebb_status call_optimizer(scene *s, ebb_error *error)
{
    ebb_tensor_info info = {.name = "w", .dtype = EBB_F32, .rank = 2, .dims = {ROWS, 6}};
    float w[ROWS * 6];
    ebb_view value = s->input;
    ebb_optimizer o;

    memcpy(w, s->x, sizeof w);
    value.data = w;
    ebb_status status = ebb_optimizer_open(s->runtime, "adam", &info, 1, &o, error);
    if (status != EBB_OK) return status;
    status = ebb_optimizer_apply(o, &value, &s->input, 1, error);
    if (status != EBB_OK && memcmp(w, s->x, sizeof w) != 0) status = EBB_E_INTERNAL;
    const ebb_status closed = ebb_optimizer_close(o, NULL);
    return closed == EBB_OK ? status : closed;
}

/* Whatever a failed call has kept for the next one goes with a trim and the model. */
static void inject(test *t, injected call, int64_t stride)
{
    scene s;

    for (int64_t n = 0;; n += stride) {
        const ebb_runtime runtime = built_runtime(t);
        memset(&s, 0, sizeof s);
        s.idle = built_live(runtime);
        scene_with(&s, runtime, built_small(t, runtime, "small", 1));
        test_fail_allocation(t, n);
        const ebb_status status = call(&s, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_OK(call(&s, &t->error));
        scene_close(t, &s);
        if (!failed) break;
    }
}

TEST(failing_memory_leaves_nothing)
{
    inject(t, call_pass, 1);
    inject(t, call_loss, 1);
    inject(t, call_optimizer, 1);
}

/* -- threads ----------------------------------------------------------------------------------- */

typedef struct worker {
    scene *s;
    uint32_t good, stale, other;
} worker;

static void *work(void *context)
{
    worker *w = context;
    const ebb_views inputs = {&w->s->input, 1};
    float dx[ROWS * 6];
    ebb_view view = w->s->gradient;

    view.data = dx;
    for (int i = 0; i < 300; i++) {
        ebb_pass_options options = EBB_PASS_OPTIONS_INIT;
        ebb_pass pass;
        options.training = i % 2 == 0;
        ebb_status status = ebb_model_pass_open(w->s->model, &inputs, &options, &pass, NULL);
        if (status == EBB_OK)
            status = ebb_pass_gradients(pass, &w->s->seed, 1, &view, 1, NULL, 0, NULL);
        if (status == EBB_OK || status == EBB_E_STATE) /* statistics moved under inference */
            status = i % 5 == 0 ? EBB_OK : ebb_pass_close(pass, NULL);
        w->good += status == EBB_OK;
        w->stale += status == EBB_E_STALE;
        w->other += status != EBB_OK && status != EBB_E_STALE;
    }
    return NULL;
}

TEST(threads_make_passes_one_after_the_other)
{
    scene s;
    worker workers[3];
    pthread_t threads[3];
    ebb_receipt receipt;

    for (int unloads = 0; unloads < 2; unloads++) {
        scene_open(t, &s);
        for (int i = 0; i < 3; i++) {
            workers[i] = (worker){.s = &s};
            CHECK_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
        }
        for (int i = 0; i < 20; i++) CHECK_OK(ebb_trim(s.runtime, NULL));
        if (unloads) CHECK_OK(ebb_model_unload(s.model, NULL, &receipt, &t->error));
        for (int i = 0; i < 3; i++) {
            pthread_join(threads[i], NULL);
            CHECK_EQ(workers[i].other, 0);
            CHECK_EQ(workers[i].good + workers[i].stale, 300);
            if (!unloads) CHECK_EQ(workers[i].stale, 0);
        }
        if (!unloads) CHECK_OK(ebb_model_unload(s.model, NULL, &receipt, &t->error));
        CHECK_EQ(built_live(s.runtime), s.idle);
        built_close(t, s.runtime);
    }
}

TEST_MAIN(RUN(passes_go_with_their_model), RUN(a_pass_holds_its_block_and_no_more),
          RUN(plans_stay_few_whatever_comes), RUN(trimming_gives_plans_back_and_passes_go_on),
          RUN(suspended_models_wait_with_their_passes), RUN(a_limit_refuses_what_does_not_fit),
          RUN(models_without_weights_as_they_were_are_refused), RUN(a_child_goes_on_with_a_pass),
          RUN(failing_memory_leaves_nothing), RUN(threads_make_passes_one_after_the_other))
