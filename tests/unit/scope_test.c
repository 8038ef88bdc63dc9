/* scope_test.c -- scopes: everything made inside goes with them, exactly, and nothing else does. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "built_models.h"
#include "digits.h"

static ebb_scope open_in(test *t, ebb_runtime runtime, ebb_scope parent, uint64_t bytes_max)
{
    ebb_scope_options options = EBB_SCOPE_OPTIONS_INIT;
    ebb_scope scope;

    options.tag = "trial";
    options.parent = parent;
    options.bytes_max = bytes_max;
    CHECK_OK(ebb_scope_open(runtime, &options, &scope, &t->error));
    return scope;
}

static ebb_model build_in(test *t, ebb_runtime runtime, ebb_scope scope)
{
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;

    load.scope = scope;
    options.load = &load;
    return built_finish(t, runtime, &built_cases[1], &options);
}

static const ebb_scope none = {0};

TEST(a_scope_gives_everything_back)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_model outside = built_small(t, runtime, "outside", 1);
    const uint64_t before = built_live(runtime);
    const ebb_scope scope = open_in(t, runtime, none, 0), inner = open_in(t, runtime, scope, 0);
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_model loaded;
    ebb_receipt receipt;
    ebb_memory memory;

    const ebb_model one = build_in(t, runtime, scope), two = build_in(t, runtime, inner);
    load.scope = inner;
    CHECK_OK(ebb_model_load(runtime, digits_mlp, &load, &loaded, &t->error));
    CHECK_OK(ebb_scope_memory_read(scope, &memory));
    CHECK_EQ(memory.live, built_live(runtime) - before);
    CHECK_OK(ebb_scope_close(scope, &receipt, &t->error));
    CHECK_EQ(receipt.bytes_total, memory.live);
    CHECK_EQ(receipt.models, 3);
    CHECK_EQ(receipt.bytes_kept, 0);
    CHECK_EQ(receipt.live_after, before);
    uint64_t sum = 0;
    for (int i = 0; i < EBB_CLASS_COUNT; i++) {
        sum += i == EBB_CLASS_CODE ? 0 : receipt.bytes[i];
        if (i != EBB_CLASS_CODE) CHECK_EQ(receipt.bytes[i], memory.by_class[i]);
    }
    CHECK_EQ(sum, receipt.bytes_total);
    CHECK_EQ(built_live(runtime), before);
    CHECK(!ebb_model_alive(one) && !ebb_model_alive(two) && !ebb_model_alive(loaded));
    CHECK(ebb_model_alive(outside));
    CHECK_STATUS(ebb_scope_close(scope, NULL, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_scope_close(inner, NULL, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_scope_memory_read(inner, &memory), EBB_E_STALE);
    CHECK_STATUS(ebb_model_load(runtime, digits_mlp, &load, &loaded, &t->error), EBB_E_STALE);
    CHECK_EQ(built_live(runtime), before);
    built_close(t, runtime);
}

TEST(an_inner_scope_goes_alone)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_scope scope = open_in(t, runtime, none, 0);
    const ebb_model stays = build_in(t, runtime, scope);
    const uint64_t before = built_live(runtime);

    for (int fold = 0; fold < 10; fold++) {
        const ebb_scope inner = open_in(t, runtime, scope, 0);
        const ebb_model first = build_in(t, runtime, inner);
        (void)build_in(t, runtime, inner);
        CHECK_OK(ebb_model_unload(first, NULL, NULL, &t->error)); /* one of them before */
        CHECK_OK(ebb_scope_close(inner, NULL, &t->error));
        CHECK_EQ(built_live(runtime), before);
    }
    CHECK(ebb_model_alive(stays));
    built_close(t, runtime); /* takes the scope along */
    CHECK_STATUS(ebb_scope_close(scope, NULL, &t->error), EBB_E_STALE);
}

TEST(training_goes_with_the_scope)
{
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t before = built_live(runtime);
    const ebb_scope scope = open_in(t, runtime, none, 0);
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    float x[12], y[6];
    const ebb_view in = {EBB_F32, 2, {2, 6}, x}, out = {EBB_F32, 2, {2, 3}, y};
    const ebb_batch batch = {{&in, 1}, {&out, 1}, {NULL, 0}};
    ebb_builder b;
    ebb_model model;
    ebb_memory memory;
    ebb_receipt receipt;

    for (int i = 0; i < 12; i++) x[i] = y[i / 2] = (float)i / 12;
    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    ebb_tensor at = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){6});
    at = ebb_build_layer(b, "Dense", "units=3", at);
    load.scope = scope;
    options.load = &load;
    CHECK_OK(ebb_build_finish(b, &at, 1, &options, &model, &t->error));
    compile.optimizer = "adam";
    compile.loss = "mse";
    CHECK_OK(ebb_model_compile(model, &compile, &t->error));
    double losses[8];
    size_t count = 8;
    CHECK_OK(ebb_model_train_on_batch(model, &batch, losses, &count, &t->error));
    CHECK_OK(ebb_scope_memory_read(scope, &memory));
    CHECK(memory.by_class[EBB_CLASS_OPTIMIZER] > 0);
    CHECK_EQ(memory.live, built_live(runtime) - before);
    CHECK_OK(ebb_scope_close(scope, &receipt, &t->error));
    CHECK_EQ(receipt.bytes_total, memory.live);
    CHECK_EQ(receipt.bytes[EBB_CLASS_OPTIMIZER], memory.by_class[EBB_CLASS_OPTIMIZER]);
    CHECK_EQ(built_live(runtime), before);
    built_close(t, runtime);
}

TEST(limits_of_scopes_hold)
{
    const ebb_runtime runtime = built_runtime(t);
    const ebb_scope wide = open_in(t, runtime, none, 0);
    ebb_builder b;
    ebb_tensor y[BUILT_OUTPUTS_MAX];
    ebb_plan plan;
    ebb_model model;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;

    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    uint32_t count = built_cases[0].make(b, y);
    options.load = &load;
    CHECK_OK(ebb_build_plan(b, y, count, &options, &plan, &t->error));
    const ebb_scope tight = open_in(t, runtime, wide, plan.peak - 1);
    load.scope = tight;
    const uint64_t before = built_live(runtime);
    CHECK_STATUS(ebb_build_plan(b, y, count, &options, &plan, &t->error), EBB_E_MEMORY);
    CHECK_EQ(built_live(runtime), before);
    CHECK_CONTAINS(t->error.text, "limit");
    CHECK_STATUS(ebb_build_finish(b, y, count, &options, &model, &t->error), EBB_E_MEMORY);
    const ebb_scope enough = open_in(t, runtime, wide, plan.peak + 4096);
    load.scope = enough;
    model = built_finish(t, runtime, &built_cases[0], &options);
    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    count = built_cases[0].make(b, y);
    CHECK_STATUS(ebb_build_finish(b, y, count, &options, &model, &t->error), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "scope");
    built_close(t, runtime);
}

TEST(wrong_scopes_are_answers)
{
    const ebb_runtime runtime = built_runtime(t), other = built_runtime(t);
    ebb_scope_options options = EBB_SCOPE_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_scope scope;
    ebb_model model;

    load.scope = open_in(t, other, none, 0);
    CHECK_STATUS(ebb_model_load(runtime, digits_mlp, &load, &model, &t->error), EBB_E_ARGUMENT);
    options.parent = load.scope;
    CHECK_STATUS(ebb_scope_open(runtime, &options, &scope, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_scope_open(runtime, NULL, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_scope_close(none, NULL, &t->error), EBB_E_STALE);
    options.parent = none;
    for (int depth = 0; depth < 16; depth++) {
        CHECK_OK(ebb_scope_open(runtime, &options, &scope, &t->error));
        options.parent = scope;
    }
    CHECK_STATUS(ebb_scope_open(runtime, &options, &scope, &t->error), EBB_E_ARGUMENT);
    built_close(t, runtime);
    built_close(t, other);
}

/* -- beside others ----------------------------------------------------------------------------- */

typedef struct neighbour {
    ebb_runtime runtime;
    ebb_scope scope;
    atomic_uint loads, refused, faults;
} neighbour;

/* Loads and unloads in the scope until it is gone. */
static void *load_in_scope(void *context)
{
    neighbour *n = context;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_error error;

    load.scope = n->scope;
    for (;;) {
        ebb_model model;
        const ebb_status status = ebb_model_load(n->runtime, digits_mlp, &load, &model, &error);
        if (status == EBB_E_STALE) break;
        atomic_fetch_add(status == EBB_OK ? &n->loads : &n->faults, 1);
        const ebb_status unload = ebb_model_unload(model, NULL, NULL, &error);
        if (unload != EBB_OK && unload != EBB_E_STALE) atomic_fetch_add(&n->faults, 1);
    }
    atomic_fetch_add(&n->refused, 1);
    return NULL;
}

TEST(closing_meets_only_whole_models)
{
    const ebb_runtime runtime = built_runtime(t);
    const uint64_t before = built_live(runtime);

    for (int round = 0; round < 20; round++) {
        neighbour n = {.runtime = runtime, .scope = open_in(t, runtime, none, 0)};
        pthread_t threads[3];
        for (int i = 0; i < 3; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, load_in_scope, &n), 0);
        while (atomic_load(&n.loads) < 5 && atomic_load(&n.faults) == 0) usleep(100);
        CHECK_OK(ebb_scope_close(n.scope, NULL, &t->error));
        for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
        CHECK_EQ(atomic_load(&n.refused), 3);
        CHECK_EQ(atomic_load(&n.faults), 0);
        CHECK_EQ(built_live(runtime), before);
    }
    built_close(t, runtime);
}

TEST(a_forked_child_closes_its_own)
{
    if (!test_forks_are_followed()) return;
    const ebb_runtime runtime = built_runtime(t);
    const ebb_scope scope = open_in(t, runtime, none, 0);
    const ebb_model model = build_in(t, runtime, scope);
    const pid_t child = fork();
    int result = 0;

    CHECK(child >= 0);
    if (child == 0) {
        ebb_receipt receipt;
        const bool good = ebb_scope_close(scope, &receipt, NULL) == EBB_OK && receipt.models == 1 &&
                          ebb_runtime_close(runtime, NULL) == EBB_OK;
        _exit(good ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &result, 0), child);
    CHECK_EQ(WIFEXITED(result) ? WEXITSTATUS(result) : -1, 0);
    CHECK(ebb_model_alive(model));
    CHECK_OK(ebb_scope_close(scope, NULL, &t->error));
    built_close(t, runtime);
}

TEST_MAIN(RUN(a_scope_gives_everything_back), RUN(an_inner_scope_goes_alone),
          RUN(training_goes_with_the_scope), RUN(limits_of_scopes_hold),
          RUN(wrong_scopes_are_answers), RUN(closing_meets_only_whole_models),
          RUN(a_forked_child_closes_its_own))
