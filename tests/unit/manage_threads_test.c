/* manage_threads_test.c -- swaps, wrappers, runs and profiles while other threads predict. Checks
 * belong on the main thread: the others count what went wrong. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "digits.h"

#define PREDICTORS 3

typedef struct crowd {
    const digits *d;
    ebb_registry registry;
    ebb_lazy lazies[2];
    ebb_profiler profiler;
    atomic_bool stop;
    atomic_uint done, wrong, refused;
} crowd;

static bool is_answer(const crowd *c, const float *y)
{
    return digits_error(y, c->d->mlp_y[0], 2) < 1e-5 || digits_error(y, c->d->cnn_y[0], 2) < 1e-5;
}

typedef ebb_status (*predict_function)(crowd *c, uint32_t turn, const ebb_views *inputs,
                                       const ebb_views *outputs);

static void predict_until_stopped(crowd *c, predict_function predict)
{
    float y[2 * DIGITS_CLASSES];
    const ebb_view in = {EBB_F32, 4, {2, 8, 8, 1}, (void *)(uintptr_t)c->d->x};
    const ebb_view out = {EBB_F32, 2, {2, DIGITS_CLASSES}, y};
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};

    for (uint32_t turn = 0; !atomic_load(&c->stop); turn++) {
        const ebb_status status = predict(c, turn, &inputs, &outputs);
        if (status != EBB_OK)
            atomic_fetch_add(&c->refused, 1);
        else if (!is_answer(c, y))
            atomic_fetch_add(&c->wrong, 1);
        else
            atomic_fetch_add(&c->done, 1);
    }
}

static ebb_status by_registry(crowd *c, uint32_t turn, const ebb_views *inputs,
                              const ebb_views *outputs)
{
    (void)turn;
    return ebb_registry_predict(c->registry, "digits", 0, inputs, outputs, NULL);
}

static void *registry_thread(void *context)
{
    predict_until_stopped(context, by_registry);
    return NULL;
}

static ebb_status by_lazy(crowd *c, uint32_t turn, const ebb_views *inputs,
                          const ebb_views *outputs)
{
    return ebb_lazy_predict(c->lazies[turn % 2], inputs, outputs, NULL);
}

static void *lazy_thread(void *context)
{
    predict_until_stopped(context, by_lazy);
    return NULL;
}

static void start(crowd *c, pthread_t threads[PREDICTORS], void *(*run)(void *))
{
    for (int i = 0; i < PREDICTORS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, run, c), 0);
    while (atomic_load(&c->done) + atomic_load(&c->wrong) + atomic_load(&c->refused) < 5)
        sched_yield();
}

static void stop(crowd *c, const pthread_t threads[PREDICTORS])
{
    atomic_store(&c->stop, true);
    for (int i = 0; i < PREDICTORS; i++) pthread_join(threads[i], NULL);
}

TEST(swaps_are_never_noticed)
{
    digits d;
    crowd c = {.d = &d};
    pthread_t threads[PREDICTORS];

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_registry_open(d.runtime, NULL, &c.registry, &t->error));
    CHECK_OK(ebb_registry_add(c.registry, "digits", 1, digits_mlp, NULL, &t->error));
    CHECK_OK(ebb_registry_add(c.registry, "digits", 2, digits_cnn, NULL, &t->error));
    CHECK_OK(ebb_registry_activate(c.registry, "digits", 1, NULL, &t->error));
    start(&c, threads, registry_thread);
    for (uint64_t i = 0; i < 60; i++) {
        const ebb_status status =
            i % 3 == 2 ? ebb_registry_rollback(c.registry, "digits", NULL, &t->error)
                       : ebb_registry_activate(c.registry, "digits", i % 3 + 1, NULL, &t->error);
        if (status != EBB_OK && status != EBB_E_STATE) stop(&c, threads);
        CHECK(status == EBB_OK || status == EBB_E_STATE);
    }
    stop(&c, threads);
    CHECK_EQ(atomic_load(&c.refused), 0);
    CHECK_EQ(atomic_load(&c.wrong), 0);
    CHECK(atomic_load(&c.done) > 0);
    digits_close(t, &d);
}

TEST(wrappers_under_a_budget_take_turns)
{
    digits d;
    crowd c = {.d = &d};
    pthread_t threads[PREDICTORS];
    ebb_plan mlp, cnn;
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_lazy_options lazy = EBB_LAZY_OPTIONS_INIT;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_plan(d.runtime, digits_mlp, NULL, &mlp, &t->error));
    CHECK_OK(ebb_model_plan(d.runtime, digits_cnn, NULL, &cnn, &t->error));
    const uint64_t idle = digits_live(&d);
    digits_close(t, &d);
    options.bytes_max = cnn.peak + idle + mlp.total / 2; /* one model at a time */
    digits_open(t, &d, &options);
    lazy.wait_ns = 20000000000u;
    CHECK_OK(ebb_lazy_open(d.runtime, digits_mlp, &lazy, &c.lazies[0], &t->error));
    lazy.idle_ns = 1000000;
    CHECK_OK(ebb_lazy_open(d.runtime, digits_cnn, &lazy, &c.lazies[1], &t->error));
    CHECK_OK(ebb_idle_timer(d.runtime, 1000000, &t->error));
    start(&c, threads, lazy_thread);
    for (int i = 0; i < 20; i++) {
        ebb_model_entry models[4];
        size_t count = 4;
        CHECK_OK(ebb_models_list(d.runtime, models, &count));
        for (size_t k = 0; k < count; k++) /* somebody unloads what is not his */
            if (i % 5 == 0) ebb_model_unload(models[k].model, NULL, NULL, NULL);
        usleep(2000);
    }
    stop(&c, threads);
    CHECK_EQ(atomic_load(&c.wrong), 0);
    CHECK_EQ(atomic_load(&c.refused), 0);
    CHECK(atomic_load(&c.done) > 5);
    CHECK_OK(ebb_lazy_close(c.lazies[0], NULL, NULL, &t->error));
    digits_close(t, &d);
}

static bool work_with(void *context, ebb_model model, size_t index, const char *path)
{
    const crowd *c = context;
    float y[2 * DIGITS_CLASSES];

    (void)index;
    (void)path;
    return digits_predict(c->d, model, 2, y, NULL) == EBB_OK && is_answer(c, y);
}

static void *each_thread(void *context)
{
    crowd *c = context;
    const char *const paths[] = {digits_mlp, digits_cnn, digits_mlp};

    while (!atomic_load(&c->stop)) {
        const bool good =
            ebb_models_each(c->d->runtime, paths, 3, NULL, work_with, c, NULL, NULL) == EBB_OK;
        atomic_fetch_add(good ? &c->done : &c->wrong, 1);
    }
    return NULL;
}

static bool swallow(void *context, const char *text, size_t length)
{
    (void)context;
    (void)text;
    (void)length;
    return true;
}

TEST(runs_are_watched_and_profiled_meanwhile)
{
    digits d;
    crowd c = {.d = &d};
    pthread_t threads[PREDICTORS];
    ebb_monitor monitor;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_monitor_open(d.runtime, &monitor, &t->error));
    start(&c, threads, each_thread);
    for (int i = 0; i < 10; i++) {
        ebb_model_entry models[8];
        ebb_monitor_report report;
        ebb_profile profile;
        size_t count = 8;
        CHECK_OK(ebb_profiler_start(d.runtime, NULL, &c.profiler, &t->error));
        CHECK_OK(ebb_models_list(d.runtime, models, &count));
        for (size_t k = 0; k < count && k < 8; k++)
            ebb_monitor_watch(monitor, models[k].model, NULL, NULL);
        CHECK_OK(ebb_profiler_mark(c.profiler, "round"));
        usleep(3000);
        CHECK_OK(ebb_monitor_check(monitor, swallow, NULL, &report, &t->error));
        CHECK_OK(ebb_profiler_write(c.profiler, EBB_PROFILE_SVG, swallow, NULL, &t->error));
        CHECK_OK(ebb_profiler_read(c.profiler, &profile));
        CHECK_OK(ebb_profiler_close(c.profiler));
        CHECK_OK(ebb_monitor_clear(monitor));
    }
    stop(&c, threads);
    CHECK_EQ(atomic_load(&c.wrong), 0);
    ebb_memory memory;
    CHECK_OK(ebb_memory_read(d.runtime, &memory));
    CHECK_EQ(memory.models, 0);
    CHECK_EQ(memory.threads, 0);
    digits_close(t, &d);
}

static void *close_thread(void *context)
{
    const crowd *c = context;

    ebb_runtime_close(c->d->runtime, NULL);
    return NULL;
}

TEST(a_runtime_closes_under_use)
{
    digits d;
    crowd c = {.d = &d};
    pthread_t threads[PREDICTORS], closer;
    ebb_profiler profiler;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_lazy_open(d.runtime, digits_mlp, NULL, &c.lazies[0], &t->error));
    CHECK_OK(ebb_lazy_open(d.runtime, digits_cnn, NULL, &c.lazies[1], &t->error));
    CHECK_OK(ebb_idle_timer(d.runtime, 1000000, &t->error));
    CHECK_OK(ebb_profiler_start(d.runtime, NULL, &profiler, &t->error));
    start(&c, threads, lazy_thread);
    CHECK_EQ(pthread_create(&closer, NULL, close_thread, &c), 0);
    pthread_join(closer, NULL);
    while (atomic_load(&c.refused) < 3) sched_yield();
    stop(&c, threads);
    CHECK_EQ(atomic_load(&c.wrong), 0);
}

TEST(a_forked_child_uses_what_was_open)
{
    digits d;
    crowd c = {.d = &d};
    ebb_lease lease;
    ebb_model model;

    if (!test_forks_beside_allocations_are_followed()) return;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_registry_open(d.runtime, NULL, &c.registry, &t->error));
    CHECK_OK(ebb_registry_add(c.registry, "digits", 1, digits_mlp, NULL, &t->error));
    CHECK_OK(ebb_registry_add(c.registry, "digits", 2, digits_cnn, NULL, &t->error));
    CHECK_OK(ebb_registry_activate(c.registry, "digits", 1, NULL, &t->error));
    CHECK_OK(ebb_lazy_open(d.runtime, digits_cnn, NULL, &c.lazies[0], &t->error));
    CHECK_OK(ebb_lazy_acquire(c.lazies[0], &model, &t->error));
    CHECK_OK(ebb_registry_lease(c.registry, "digits", 0, &lease, &t->error));
    CHECK_OK(ebb_idle_timer(d.runtime, 1000000, &t->error));
    CHECK_OK(ebb_profiler_start(d.runtime, NULL, &c.profiler, &t->error));
    const pid_t child = fork();
    if (child == 0) { /* leases and users are the parent's; there is no timer thread */
        ebb_memory memory;
        bool good = ebb_registry_activate(c.registry, "digits", 2, NULL, NULL) == EBB_OK;
        good &= ebb_lazy_unload(c.lazies[0], NULL, NULL) == EBB_OK;
        good &= ebb_memory_read(d.runtime, &memory) == EBB_OK && memory.threads == 0;
        good &= ebb_idle_timer(d.runtime, 1000000, NULL) == EBB_OK;
        good &= ebb_runtime_close(d.runtime, NULL) == EBB_OK;
        _exit(good ? 0 : 1);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK(ebb_model_alive(lease.model) && ebb_model_alive(model));
    CHECK_OK(ebb_registry_return(&lease));
    CHECK_OK(ebb_lazy_release(c.lazies[0]));
    digits_close(t, &d);
}

TEST_MAIN(RUN(swaps_are_never_noticed), RUN(wrappers_under_a_budget_take_turns),
          RUN(runs_are_watched_and_profiled_meanwhile), RUN(a_runtime_closes_under_use),
          RUN(a_forked_child_uses_what_was_open))
