/* manage_injection_test.c -- every call of ebb/manage.h and ebb/profile.h that can allocate, with
 * its first, second, third ... allocation refused until it succeeds. A call that fails says
 * E_MEMORY and leaves the ledger and the disk as they were. */
#include <stdio.h>
#include <string.h>

#include "digits.h"
#include "temporary.h"

#define STEPS_MAX 300 /* refusals per call; beyond, every k-th allocation */

typedef struct scene {
    digits d;
    temporary folder;
    ebb_model beside;
    ebb_registry registry; /* with "digits" 1 active and 2 known */
    ebb_monitor monitor;
    path_text path;
    test *t;
} scene;

/* A call that undoes what it did when it succeeded. */
typedef ebb_status (*injected)(scene *s, ebb_error *error);

static void scene_open(test *t, scene *s)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    s->t = t;
    options.allocator = test_allocator(t);
    temporary_open(&s->folder);
    digits_open(t, &s->d, &options);
    CHECK_OK(ebb_model_load(s->d.runtime, digits_cnn, NULL, &s->beside, &t->error));
    CHECK_OK(ebb_registry_open(s->d.runtime, NULL, &s->registry, &t->error));
    CHECK_OK(ebb_registry_add(s->registry, "digits", 1, digits_mlp, NULL, &t->error));
    CHECK_OK(ebb_registry_add(s->registry, "digits", 2, digits_mlp, NULL, &t->error));
    CHECK_OK(ebb_registry_activate(s->registry, "digits", 1, NULL, &t->error));
    CHECK_OK(ebb_monitor_open(s->d.runtime, &s->monitor, &t->error));
    s->path = temporary_path(&s->folder, "file.npy");
}

static void scene_close(test *t, scene *s)
{
    digits_close(t, &s->d);
    temporary_close(&s->folder);
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
    CHECK_OK(ebb_memory_read(s->d.runtime, &memory));
    if (memory.live != live || (!failed && status != EBB_OK) ||
        (status != EBB_OK && status != EBB_E_MEMORY) || memory.threads != 0 ||
        memory.descriptors != 0 || memory.models != 2 || temporary_count(&s->folder) != entries) {
        harness_fail(__FILE__, __LINE__,
                     "%s, allocation %d: %s (%s: %s), %d bytes, %u models, %u threads, %u files",
                     name, (int)n, ebb_status_name(status), t->error.where, t->error.text,
                     (int)(memory.live - live), memory.models, memory.threads,
                     temporary_count(&s->folder) - entries);
    }
    return !failed;
}

static void step_through(test *t, scene *s, const char *name, injected call)
{
    const uint64_t before = t->allocations;

    CHECK(step(t, s, name, call, -1));
    const int64_t total = (int64_t)(t->allocations - before), stride = total / STEPS_MAX + 1;
    for (int64_t n = 0; !step(t, s, name, call, n); n += stride) {
    }
    CHECK(step(t, s, name, call, -1));
}

static ebb_status call_registry(scene *s, ebb_error *error)
{
    ebb_registry g;
    ebb_registry_options options = EBB_REGISTRY_OPTIONS_INIT;

    options.folder = s->folder.folder;
    const ebb_status status = ebb_registry_open(s->d.runtime, &options, &g, error);
    return status == EBB_OK ? ebb_registry_close(g, NULL, NULL, error) : status;
}

static ebb_status call_add(scene *s, ebb_error *error)
{
    const ebb_status status = ebb_registry_add(s->registry, "letters", 1, digits_cnn, NULL, error);

    return status == EBB_OK ? ebb_registry_forget(s->registry, "letters", 1, NULL, error) : status;
}

static ebb_status call_swap(scene *s, ebb_error *error)
{
    const ebb_status status = ebb_registry_activate(s->registry, "digits", 2, NULL, error);
    ebb_model model;

    if (ebb_registry_model(s->registry, "digits", 0, &model, NULL) != EBB_OK)
        return EBB_E_INTERNAL; /* the old one serves on */
    if (status != EBB_OK) return status;
    s->t->fail_in = -1; /* the rest puts things back */
    return ebb_registry_rollback(s->registry, "digits", NULL, error);
}

static ebb_status call_scan(scene *s, ebb_error *error)
{
    char path[600];
    size_t count = 0;

    snprintf(path, sizeof path, "%s/4.keras", s->folder.folder);
    file_write(path, "x", 1);
    const ebb_status status = ebb_registry_scan(s->registry, s->folder.folder, NULL, error);
    remove(path);
    s->t->fail_in = -1;                                           /* the rest puts things back */
    ebb_registry_scan(s->registry, s->folder.folder, NULL, NULL); /* it is gone: forgotten */
    ebb_registry_list(s->registry, NULL, NULL, &count);
    return count == 2 ? status : EBB_E_INTERNAL;
}

static ebb_status call_lazy(scene *s, ebb_error *error)
{
    ebb_lazy lazy;
    ebb_model model;
    ebb_status status = ebb_lazy_open(s->d.runtime, digits_mlp, NULL, &lazy, error);

    if (status != EBB_OK) return status;
    status = ebb_lazy_acquire(lazy, &model, error);
    if (status == EBB_OK) ebb_lazy_release(lazy);
    ebb_lazy_close(lazy, NULL, NULL, NULL);
    return status;
}

static ebb_status call_timer(scene *s, ebb_error *error)
{
    const ebb_status status = ebb_idle_timer(s->d.runtime, 1000000000, error);

    ebb_idle_timer(s->d.runtime, 0, NULL);
    return status;
}

static bool nothing(void *context, ebb_model model, size_t index, const char *path)
{
    (void)context;
    (void)index;
    (void)path;
    return ebb_model_alive(model);
}

static ebb_status call_each(scene *s, ebb_error *error)
{
    const char *const paths[] = {digits_mlp, digits_mlp};
    ebb_each_options options = EBB_EACH_OPTIONS_INIT;

    options.no_prefetch = true; /* refusals are counted by one thread */
    return ebb_models_each(s->d.runtime, paths, 2, &options, nothing, NULL, NULL, error);
}

static ebb_status call_spill(scene *s, ebb_error *error)
{
    ebb_spill spill;
    float y[4] = {0};
    const ebb_view rows = {EBB_F32, 2, {2, 2}, y};
    ebb_status status = ebb_spill_open(s->d.runtime, s->path.text, &spill, error);

    if (status != EBB_OK) return status;
    status = ebb_spill_append(spill, &rows, error);
    if (status == EBB_OK)
        status = ebb_spill_close(spill, NULL, error);
    else
        ebb_spill_discard(spill);
    remove(s->path.text);
    return status;
}

static ebb_status call_temporary(scene *s, ebb_error *error)
{
    char path[512];
    ebb_temporary_options options = EBB_TEMPORARY_OPTIONS_INIT;

    options.folder = s->folder.folder;
    const ebb_status status = ebb_temporary_file(s->d.runtime, &options, path, sizeof path, error);
    return status == EBB_OK ? ebb_temporary_remove(s->d.runtime, path, error) : status;
}

static ebb_status call_monitor(scene *s, ebb_error *error)
{
    ebb_monitor monitor;
    ebb_status status = ebb_monitor_open(s->d.runtime, &monitor, error);

    if (status != EBB_OK) return status;
    status = ebb_monitor_watch(monitor, s->beside, NULL, error);
    if (status == EBB_OK) status = ebb_monitor_check(monitor, NULL, NULL, NULL, error);
    ebb_monitor_close(monitor);
    return status;
}

static ebb_status call_profile(scene *s, ebb_error *error)
{
    ebb_profiler profiler;
    char path[600];
    ebb_status status = ebb_profiler_start(s->d.runtime, NULL, &profiler, error);

    if (status != EBB_OK) return status;
    snprintf(path, sizeof path, "%s/p.svg", s->folder.folder);
    status = ebb_profiler_save(profiler, path, error);
    ebb_profiler_close(profiler);
    remove(path);
    return status;
}

TEST(every_call_survives_every_refusal)
{
    static const struct {
        const char *name;
        injected call;
    } calls[] = {
        {"registry", call_registry}, {"add", call_add},        {"swap", call_swap},
        {"scan", call_scan},         {"lazy", call_lazy},      {"timer", call_timer},
        {"each", call_each},         {"spill", call_spill},    {"temporary", call_temporary},
        {"monitor", call_monitor},   {"profile", call_profile}};
    scene s;

    scene_open(t, &s);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        step_through(t, &s, calls[i].name, calls[i].call);
    scene_close(t, &s);
}

TEST_MAIN(RUN(every_call_survives_every_refusal))
