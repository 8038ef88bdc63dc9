/* device_placement_test.c -- models on devices: where their bytes are charged, what their limits
 * refuse and what is said then, scopes of threads, transfers, reports. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "built_models.h"
#include "digits.h"
#include "fake_gpu.h"

#define MIB ((uint64_t)1 << 20)

static ebb_memory device(test *t, ebb_runtime runtime, const char *name)
{
    ebb_memory memory;
    CHECK_OK(ebb_device_memory_read(runtime, name, &memory, &t->error));
    return memory;
}

/* A CPU in two, the second with this limit. */
static void open_divided(test *t, digits *d, uint64_t limit)
{
    const uint64_t limits[] = {0, limit};
    digits_open(t, d, NULL);
    CHECK_OK(ebb_device_logical_set(d->runtime, "CPU:0", limits, 2, &t->error));
}

static ebb_load_options on(const char *name)
{
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    options.device = name;
    return options;
}

static ebb_model load_on(test *t, const digits *d, const char *path, const char *name)
{
    const ebb_load_options options = on(name);
    ebb_model model;
    CHECK_OK(ebb_model_load(d->runtime, path, &options, &model, &t->error));
    return model;
}

static void check_sum(test *t, const digits *d)
{
    ebb_device_info list[8];
    size_t count = 8;
    uint64_t live = 0;
    CHECK_OK(ebb_devices_list(d->runtime, list, &count, &t->error));
    for (size_t i = 0; i < count; i++) live += list[i].bytes_live;
    CHECK_EQ(live, digits_live(d));
}

static void check_device(ebb_model model, const char *expected)
{
    ebb_model_info info;
    CHECK_OK(ebb_model_info_read(model, &info));
    CHECK_TEXT(info.device, expected);
}

/* -- where bytes are --------------------------------------------------------------------------- */

TEST(a_model_is_charged_to_its_device)
{
    static const char *const forms[] = {"CPU:1", "/cpu:1", "/device:CPU:1",
                                        "/job:localhost/replica:0/task:0/device:CPU:1"};
    digits d;
    open_divided(t, &d, 0);
    const uint64_t idle = digits_live(&d), first = device(t, d.runtime, NULL).live;
    for (size_t i = 0; i < 4; i++) {
        float y[DIGITS_ROWS * DIGITS_CLASSES];
        ebb_memory own;
        const ebb_model model = load_on(t, &d, digits_mlp, forms[i]);
        const ebb_memory there = device(t, d.runtime, "CPU:1");
        CHECK_OK(ebb_model_memory_read(model, &own));
        check_device(model, "CPU:1");
        CHECK_EQ(there.live, own.live);
        CHECK_EQ(there.models, 1);
        CHECK(there.peak >= own.live);
        for (int k = 0; k < EBB_CLASS_COUNT; k++) CHECK_EQ(there.by_class[k], own.by_class[k]);
        CHECK_EQ(device(t, d.runtime, "CPU:0").live, first);
        CHECK_OK(digits_predict(&d, model, DIGITS_ROWS, y, &t->error));
        CHECK(digits_error(y, d.mlp_y[0], DIGITS_ROWS) < 1e-5);
        check_sum(t, &d);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        CHECK_EQ(device(t, d.runtime, "CPU:1").live, 0);
        CHECK_EQ(digits_live(&d), idle);
    }
    CHECK_OK(ebb_device_peak_reset(d.runtime, "CPU:1", &t->error));
    CHECK_EQ(device(t, d.runtime, "CPU:1").peak, 0);
    digits_close(t, &d);
}

TEST(plans_for_other_shapes_are_on_the_device_too)
{
    digits d;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_load_options options = on("CPU:1");
    ebb_model model;
    open_divided(t, &d, 0);
    options.batch = DIGITS_ROWS;
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, &options, &model, &t->error));
    const uint64_t first = device(t, d.runtime, "CPU:0").live;
    CHECK_OK(digits_predict(&d, model, 3, y, &t->error));
    const ebb_memory there = device(t, d.runtime, "CPU:1");
    CHECK(there.cached > 0);
    CHECK_EQ(device(t, d.runtime, "CPU:0").live, first);
    CHECK_OK(ebb_trim(d.runtime, NULL));
    CHECK_EQ(device(t, d.runtime, "CPU:1").live, there.live - there.cached);
    check_sum(t, &d);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    digits_close(t, &d);
}

TEST(training_is_where_its_model_is)
{
    digits d;
    int32_t labels[DIGITS_ROWS];
    double results[2];
    size_t count = 2;
    ebb_compile_options options = EBB_COMPILE_OPTIONS_INIT;
    open_divided(t, &d, 0);
    const ebb_model model = load_on(t, &d, digits_cnn, "CPU:1");
    const uint64_t first = device(t, d.runtime, "CPU:0").live;
    options.optimizer = "adam";
    options.loss = "sparse_categorical_crossentropy";
    options.batch = DIGITS_ROWS;
    CHECK_OK(ebb_model_compile(model, &options, &t->error));
    for (int i = 0; i < DIGITS_ROWS; i++) labels[i] = i % DIGITS_CLASSES;
    const ebb_view x = {EBB_F32, 4, {DIGITS_ROWS, 8, 8, 1}, d.x};
    const ebb_view y = {EBB_I32, 1, {DIGITS_ROWS}, labels};
    const ebb_batch batch = {{&x, 1}, {&y, 1}, {NULL, 0}};
    for (int i = 0; i < 3; i++)
        CHECK_OK(ebb_model_train_on_batch(model, &batch, results, &count, &t->error));
    const ebb_memory there = device(t, d.runtime, "CPU:1");
    CHECK(there.by_class[EBB_CLASS_OPTIMIZER] > 0 && there.by_class[EBB_CLASS_GRADIENTS] > 0);
    CHECK_EQ(device(t, d.runtime, "CPU:0").live, first);
    CHECK_OK(ebb_model_move(model, "CPU:0", &t->error)); /* with all of its training */
    CHECK_EQ(device(t, d.runtime, "CPU:1").live, 0);
    CHECK_EQ(device(t, d.runtime, "CPU:0").live, first + there.live);
    CHECK_OK(ebb_model_train_on_batch(model, &batch, results, &count, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    digits_close(t, &d);
}

TEST(a_scope_of_memory_may_hold_models_of_several_devices)
{
    digits d;
    ebb_scope scope;
    ebb_memory memory;
    ebb_load_options options = on("CPU:1");
    ebb_model models[2];
    open_divided(t, &d, 0);
    const uint64_t first = device(t, d.runtime, "CPU:0").live;
    CHECK_OK(ebb_scope_open(d.runtime, NULL, &scope, &t->error));
    options.scope = scope;
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, &options, &models[0], &t->error));
    options.device = "CPU:0";
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, &options, &models[1], &t->error));
    CHECK_OK(ebb_scope_memory_read(scope, &memory));
    CHECK(device(t, d.runtime, "CPU:1").live > 0);
    CHECK_EQ(memory.live,
             device(t, d.runtime, "CPU:1").live + device(t, d.runtime, "CPU:0").live - first);
    CHECK_OK(ebb_scope_close(scope, NULL, &t->error));
    CHECK_EQ(device(t, d.runtime, "CPU:1").live, 0);
    CHECK_EQ(device(t, d.runtime, "CPU:0").live, first);
    digits_close(t, &d);
}

/* -- choosing ---------------------------------------------------------------------------------- */

TEST(a_device_scope_places_what_names_none)
{
    digits d;
    ebb_model model, clone, cut;
    ebb_import_options until = EBB_IMPORT_OPTIONS_INIT;
    open_divided(t, &d, 0);
    CHECK_OK(ebb_device_scope_push(d.runtime, "/CPU:1", &t->error));
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    const ebb_model built = built_small(t, d.runtime, "small", 3);
    const ebb_model named = load_on(t, &d, digits_mlp, "CPU:0");
    CHECK_OK(ebb_device_scope_pop(d.runtime, &t->error));
    check_device(model, "CPU:1");
    check_device(built, "CPU:1");
    check_device(named, "CPU:0");
    CHECK_OK(ebb_model_clone(built, NULL, &clone, &t->error)); /* where the other one is */
    check_device(clone, "CPU:1");
    until.layer = "hidden";
    CHECK_OK(ebb_model_cut(built, &until, NULL, &cut, &t->error));
    check_device(cut, "CPU:1");
    CHECK_OK(ebb_model_unload(cut, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(clone, NULL, NULL, &t->error));
    CHECK_OK(ebb_device_scope_push(d.runtime, "/CPU:0", &t->error));
    CHECK_OK(ebb_model_clone(built, NULL, &clone, &t->error)); /* a scope says otherwise */
    CHECK_OK(ebb_device_scope_pop(d.runtime, &t->error));
    check_device(clone, "CPU:0");
    CHECK_EQ(device(t, d.runtime, "CPU:1").models, 2);
    digits_close(t, &d);
}

TEST(absent_devices_are_named_or_replaced)
{
    digits d;
    ebb_plan plan;
    const ebb_load_options absent = on("/GPU:0"), nonsense = on("/GPU:zero");
    ebb_model model;
    open_divided(t, &d, 0);
    const uint64_t idle = digits_live(&d);
    CHECK_STATUS(ebb_model_load(d.runtime, digits_mlp, &absent, &model, &t->error),
                 EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "no such device as GPU:0; this runtime has CPU:0, CPU:1");
    CHECK_STATUS(ebb_model_plan(d.runtime, digits_mlp, &absent, &plan, &t->error), EBB_E_NOT_FOUND);
    CHECK_STATUS(ebb_model_load(d.runtime, digits_mlp, &nonsense, &model, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_EQ(digits_live(&d), idle);
    CHECK_OK(ebb_soft_placement_set(d.runtime, true));
    CHECK_STATUS(ebb_model_load(d.runtime, digits_mlp, &nonsense, &model, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, &absent, &model, &t->error));
    check_device(model, "CPU:0");
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    digits_close(t, &d);
}

typedef struct visitor {
    const digits *d;
    const char *device;
    atomic_bool *go;
    bool is_wrong;
} visitor;

static void *visit(void *context)
{
    visitor *v = context;
    const ebb_runtime runtime = v->d->runtime;

    while (!atomic_load(v->go)) {
    }
    for (int round = 0; round < 12 && !v->is_wrong; round++) {
        ebb_model model;
        ebb_model_info info;
        float y[DIGITS_ROWS * DIGITS_CLASSES];
        v->is_wrong |= ebb_device_scope_push(runtime, "/CPU:0", NULL) != EBB_OK;
        v->is_wrong |= ebb_device_scope_push(runtime, v->device, NULL) != EBB_OK;
        v->is_wrong |= ebb_model_load(runtime, digits_mlp, NULL, &model, NULL) != EBB_OK;
        v->is_wrong |=
            ebb_model_info_read(model, &info) != EBB_OK || strcmp(info.device, v->device) != 0;
        v->is_wrong |= digits_predict(v->d, model, 4, y, NULL) != EBB_OK;
        v->is_wrong |= ebb_model_move(model, "CPU:0", NULL) != EBB_OK;
        v->is_wrong |= ebb_device_scope_pop(runtime, NULL) != EBB_OK;
        v->is_wrong |= ebb_model_unload(model, NULL, NULL, NULL) != EBB_OK;
        v->is_wrong |= ebb_device_scope_pop(runtime, NULL) != EBB_OK;
        v->is_wrong |= ebb_device_scope_pop(runtime, NULL) != EBB_E_STATE;
    }
    return NULL;
}

TEST(scopes_belong_to_their_threads)
{
    static const char *const devices[] = {"CPU:0", "CPU:1", "CPU:2", "CPU:1"};
    digits d;
    pthread_t threads[4];
    visitor visitors[4];
    atomic_bool go = false;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_device_logical_set(d.runtime, "CPU:0", NULL, 3, &t->error));
    const uint64_t idle = digits_live(&d);
    for (int i = 0; i < 4; i++) {
        visitors[i] = (visitor){&d, devices[i], &go, false};
        CHECK_EQ(pthread_create(&threads[i], NULL, visit, &visitors[i]), 0);
    }
    atomic_store(&go, true);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK(!visitors[i].is_wrong);
    }
    CHECK_EQ(digits_live(&d), idle);
    for (int i = 1; i < 3; i++) CHECK_EQ(device(t, d.runtime, devices[i]).live, 0);
    digits_close(t, &d);
}

typedef struct sleeper {
    const digits *d;
    atomic_int state; /* 1: has a scope; 2: may end */
} sleeper;

static void *sleep_in_scope(void *context)
{
    sleeper *s = context;

    (void)ebb_device_scope_push(s->d->runtime, "CPU:0", NULL);
    atomic_store(&s->state, 1);
    while (atomic_load(&s->state) != 2) sched_yield();
    (void)ebb_device_scope_pop(s->d->runtime, NULL);
    return NULL;
}

/* A child of fork has the scopes of the thread that forked, and of no other. */
TEST(scopes_survive_a_fork)
{
    digits d;
    pthread_t other;
    sleeper s = {&d, 0};
    int status = 0;
    if (!test_forks_are_followed()) return;
    open_divided(t, &d, 0);
    const uint64_t idle = digits_live(&d);
    CHECK_EQ(pthread_create(&other, NULL, sleep_in_scope, &s), 0);
    while (atomic_load(&s.state) != 1) sched_yield();
    CHECK_OK(ebb_device_scope_push(d.runtime, "CPU:1", &t->error));
    const pid_t child = fork();
    if (child == 0) {
        char name[EBB_DEVICE_NAME_BYTES] = "";
        const bool is_right = ebb_device_scope_read(d.runtime, name, NULL) == EBB_OK &&
                              strcmp(name, "CPU:1") == 0 &&
                              ebb_device_scope_pop(d.runtime, NULL) == EBB_OK &&
                              digits_live(&d) == idle &&
                              ebb_runtime_close(d.runtime, NULL) == EBB_OK;
        _exit(is_right ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    atomic_store(&s.state, 2);
    CHECK_EQ(pthread_join(other, NULL), 0);
    CHECK_EQ(status, 0);
    CHECK_OK(ebb_device_scope_pop(d.runtime, &t->error));
    digits_close(t, &d);
}

/* -- limits ------------------------------------------------------------------------------------ */

TEST(a_full_device_says_what_would_help)
{
    digits d;
    ebb_plan plan, again;
    ebb_load_options options = on("CPU:1");
    ebb_model model;
    char expected[200];
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_plan(d.runtime, digits_mlp, NULL, &plan, &t->error));
    digits_close(t, &d);
    open_divided(t, &d, 2 * plan.peak);
    const ebb_model first = load_on(t, &d, digits_mlp, "CPU:1");
    const uint64_t live = device(t, d.runtime, "CPU:1").live, idle = digits_live(&d);
    options.lanes = 256;
    options.batch = 64;
    CHECK_STATUS(ebb_model_load(d.runtime, digits_mlp, &options, &model, &t->error), EBB_E_MEMORY);
    CHECK_STATUS(ebb_model_plan(d.runtime, digits_mlp, &options, &again, NULL), EBB_E_MEMORY);
    CHECK(again.total > plan.total); /* filled all the same */
    (void)snprintf(expected, sizeof expected,
                   "CPU:1 is limited to %llu bytes, %llu in use, %llu asked",
                   (unsigned long long)(2 * plan.peak), (unsigned long long)live,
                   (unsigned long long)again.peak);
    CHECK_CONTAINS(t->error.text, expected);
    CHECK_CONTAINS(t->error.text, "loaded now: ");
    CHECK_CONTAINS(t->error.text, "smaller batch");
    CHECK_EQ(digits_live(&d), idle);
    ebb_model others[64];
    int count = 0;
    options = on("CPU:1");
    while (count < 64 &&
           ebb_model_load(d.runtime, digits_mlp, &options, &others[count], &t->error) == EBB_OK) {
        count++;
    }
    CHECK(count >= 1 && count < 64);
    CHECK_CONTAINS(t->error.text, "CPU:1 is limited to");
    CHECK_CONTAINS(t->error.text, "; unload ");
    model = load_on(t, &d, digits_mlp, "CPU:0"); /* the other device has room */
    CHECK_OK(ebb_model_unload(first, NULL, NULL, &t->error));
    const ebb_model fits = load_on(t, &d, digits_mlp, "CPU:1"); /* the advice was right */
    CHECK(ebb_model_alive(fits) && ebb_model_alive(model));
    digits_close(t, &d);
}

/* Whatever the limit: a load succeeds below it or leaves nothing. */
TEST(a_limit_is_never_passed)
{
    int loaded = 0, refused = 0;
    for (uint64_t limit = 4096; limit < 2 * MIB; limit += limit / 3) {
        digits d;
        const ebb_load_options options = on("CPU:1");
        ebb_model model;
        open_divided(t, &d, limit);
        const uint64_t idle = digits_live(&d);
        const ebb_status status =
            ebb_model_load(d.runtime, digits_cnn, &options, &model, &t->error);
        CHECK(device(t, d.runtime, "CPU:1").peak <= limit);
        if (status == EBB_OK) {
            float y[DIGITS_ROWS * DIGITS_CLASSES];
            loaded++;
            const ebb_status other = digits_predict(&d, model, DIGITS_ROWS, y, &t->error);
            CHECK(other == EBB_OK || other == EBB_E_MEMORY);
            CHECK(device(t, d.runtime, "CPU:1").peak <= limit);
        } else {
            refused++;
            CHECK_STATUS(status, EBB_E_MEMORY);
            CHECK_CONTAINS(t->error.text, "CPU:1 is limited to");
            CHECK_EQ(digits_live(&d), idle);
        }
        digits_close(t, &d);
    }
    CHECK(loaded > 0 && refused > 0);
}

TEST(training_that_does_not_fit_names_the_device)
{
    digits d;
    ebb_plan plan;
    ebb_compile_options options = EBB_COMPILE_OPTIONS_INIT;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_model_plan(d.runtime, digits_cnn, NULL, &plan, &t->error));
    digits_close(t, &d);
    open_divided(t, &d, 2 * plan.peak + 600000);
    const ebb_model model = load_on(t, &d, digits_cnn, "CPU:1");
    const ebb_model other = load_on(t, &d, digits_cnn, "CPU:1");
    const uint64_t idle = digits_live(&d);
    options.optimizer = "adam";
    options.loss = "sparse_categorical_crossentropy";
    options.batch = 4096;
    CHECK_STATUS(ebb_model_compile(model, &options, &t->error), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "CPU:1");
    CHECK_CONTAINS(t->error.text, "smaller batch");
    CHECK_CONTAINS(t->error.text, "loaded now: ");
    CHECK_EQ(digits_live(&d), idle);
    CHECK(ebb_model_alive(other));
    digits_close(t, &d);
}

/* -- moving and copying ------------------------------------------------------------------------ */

static ebb_device_transfers transferred(test *t, ebb_runtime runtime, const char *from,
                                        const char *to)
{
    ebb_device_transfers transfers;
    CHECK_OK(ebb_device_transfers_read(runtime, from, to, &transfers, &t->error));
    return transfers;
}

TEST(a_model_moves_between_parts_of_a_device)
{
    const uint64_t limits[] = {0, 0, 65536};
    digits d;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_device_logical_set(d.runtime, "CPU:0", limits, 3, &t->error));
    const uint64_t first = device(t, d.runtime, "CPU:0").live;
    const ebb_model model = load_on(t, &d, digits_cnn, "CPU:0");
    const uint64_t live = device(t, d.runtime, "CPU:0").live - first;
    CHECK_OK(ebb_model_move(model, "/CPU:1", &t->error));
    check_device(model, "CPU:1");
    CHECK_EQ(device(t, d.runtime, "CPU:0").live, first);
    CHECK_EQ(device(t, d.runtime, "CPU:1").live, live);
    CHECK_EQ(transferred(t, d.runtime, "CPU:0", "CPU:1").bytes, live);
    CHECK_EQ(transferred(t, d.runtime, "CPU:0", "CPU:1").count, 1);
    CHECK_EQ(transferred(t, d.runtime, "CPU:1", "CPU:0").count, 0);
    CHECK_OK(ebb_model_move(model, "/CPU:1", &t->error)); /* is there */
    CHECK_EQ(transferred(t, d.runtime, "CPU:1", "CPU:1").count, 0);
    CHECK_STATUS(ebb_model_move(model, "/CPU:2", &t->error), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "CPU:2 is limited to 65536 bytes, 0 in use");
    check_device(model, "CPU:1");
    CHECK_EQ(device(t, d.runtime, "CPU:1").live, live);
    CHECK_OK(digits_predict(&d, model, DIGITS_ROWS, y, &t->error));
    CHECK(digits_error(y, d.cnn_y[0], DIGITS_ROWS) < 1e-5);
    CHECK_STATUS(ebb_model_move(model, "/CPU:3", &t->error), EBB_E_NOT_FOUND);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_STATUS(ebb_model_move(model, "/CPU:0", &t->error), EBB_E_STALE);
    CHECK_EQ(device(t, d.runtime, "CPU:1").live, 0);
    digits_close(t, &d);
}

TEST(weights_that_change_device_are_counted)
{
    digits d;
    ebb_model clone;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    const ebb_load_options there = on("CPU:1");
    open_divided(t, &d, 0);
    const ebb_model model = built_small(t, d.runtime, "small", 1);
    options.load = &there;
    CHECK_OK(ebb_model_clone(model, &options, &clone, &t->error));
    const ebb_device_transfers made = transferred(t, d.runtime, "CPU:0", "CPU:1");
    CHECK(made.count > 0 && made.bytes > 0);
    CHECK_OK(ebb_model_weights_copy(clone, model, NULL, NULL, &t->error));
    const ebb_device_transfers back = transferred(t, d.runtime, "CPU:1", "CPU:0");
    CHECK_EQ(back.bytes, 4 * (6 * 5 + 5 + 4 * 5 + 5 * 3 + 3));
    CHECK_OK(ebb_model_weights_copy(model, model, NULL, NULL, &t->error)); /* within one */
    CHECK_EQ(transferred(t, d.runtime, "CPU:0", "CPU:0").count, 0);
    CHECK_OK(ebb_model_unload(clone, NULL, NULL, &t->error));
    digits_close(t, &d);
}

TEST(another_physical_device_is_another_matter)
{
    ebb_runtime runtime;
    ebb_model model, other;
    ebb_memory memory;
    const ebb_load_options gpu = on("/gpu:1");
    CHECK_OK(fake_gpus_open(NULL, &runtime, &t->error));
    CHECK_OK(ebb_model_load(runtime, digits_mlp, &gpu, &model, &t->error));
    check_device(model, "GPU:1");
    CHECK(device(t, runtime, "GPU:1").live > 0);
    CHECK_EQ(device(t, runtime, "GPU:0").live, 0);
    CHECK_STATUS(ebb_model_move(model, "GPU:0", &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "GPU:0");
    CHECK_OK(ebb_model_load(runtime, digits_mlp, NULL, &other, &t->error));
    check_device(other, "CPU:0");
    CHECK_OK(ebb_model_weights_copy(model, other, NULL, NULL, &t->error));
    CHECK(transferred(t, runtime, "GPU:1", "CPU:0").bytes > 0);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
    CHECK_STATUS(ebb_device_memory_read(runtime, "GPU:0", &memory, &t->error), EBB_E_STALE);
    CHECK_EQ(fake_gpus_open_now(), 0);
}

/* -- figures ----------------------------------------------------------------------------------- */

typedef struct text {
    char bytes[8192];
    size_t length;
} text;

static bool take(void *context, const char *bytes, size_t length)
{
    text *all = context;
    if (length >= sizeof all->bytes - all->length) return false;
    memcpy(all->bytes + all->length, bytes, length);
    all->length += length;
    all->bytes[all->length] = '\0';
    return true;
}

TEST(reports_tell_by_device)
{
    digits d;
    text table = {.length = 0}, json = {.length = 0};
    char expected[200];
    open_divided(t, &d, 8 * MIB);
    const ebb_model model = load_on(t, &d, digits_mlp, "CPU:1");
    const ebb_memory there = device(t, d.runtime, "CPU:1");
    CHECK_OK(ebb_memory_report(d.runtime, EBB_REPORT_TABLE, take, &table));
    CHECK_CONTAINS(table.bytes, "\nCPU:0 ");
    (void)snprintf(expected, sizeof expected, "\n%-24s %14llu %14llu %14u %14llu", "CPU:1",
                   (unsigned long long)there.live, (unsigned long long)there.peak, 0,
                   (unsigned long long)(8 * MIB));
    CHECK_CONTAINS(table.bytes, expected);
    CHECK_OK(ebb_memory_report(d.runtime, EBB_REPORT_JSON, take, &json));
    (void)snprintf(expected, sizeof expected, "\"CPU:1\":{\"live\":%llu,\"peak\":%llu",
                   (unsigned long long)there.live, (unsigned long long)there.peak);
    CHECK_CONTAINS(json.bytes, expected);
    CHECK_CONTAINS(json.bytes, "\"device\":\"CPU:1\"");
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    digits_close(t, &d);
}

TEST(figures_of_devices_that_are_not_there)
{
    digits d;
    ebb_memory memory;
    ebb_device_transfers transfers;
    digits_open(t, &d, NULL);
    CHECK_STATUS(ebb_device_memory_read(d.runtime, "GPU:0", &memory, &t->error), EBB_E_NOT_FOUND);
    CHECK_STATUS(ebb_device_memory_read(d.runtime, "CPU:0", NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_device_peak_reset(d.runtime, "CPU:1", &t->error), EBB_E_NOT_FOUND);
    CHECK_STATUS(ebb_device_transfers_read(d.runtime, "CPU:0", "GPU:0", &transfers, &t->error),
                 EBB_E_NOT_FOUND);
    CHECK_STATUS(ebb_device_transfers_read(d.runtime, "CPU:0", "CPU:0", NULL, &t->error),
                 EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_device_scope_read(d.runtime, NULL, &t->error), EBB_E_ARGUMENT);
    digits_close(t, &d);
}

/* -- failures ---------------------------------------------------------------------------------- */

TEST(a_load_on_a_device_survives_each_failed_allocation)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;
    const ebb_load_options there = on("CPU:1");
    options.allocator = test_allocator(t);
    CHECK_OK(ebb_runtime_open(&options, &runtime, &t->error));
    CHECK_OK(ebb_device_logical_set(runtime, "CPU:0", NULL, 2, &t->error));
    const uint64_t first = device(t, runtime, "CPU:0").live;
    for (int64_t n = 0, is_done = 0; !is_done; n += n < 60 ? 1 : n / 16) {
        ebb_model model;
        test_fail_allocation(t, n);
        const ebb_status status = ebb_model_load(runtime, digits_mlp, &there, &model, &t->error);
        is_done = !test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK(status == EBB_OK || !is_done);
        if (status == EBB_OK) CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        CHECK_EQ(device(t, runtime, "CPU:1").live, 0);
        CHECK_EQ(device(t, runtime, "CPU:0").live, first);
    }
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST_MAIN(RUN(a_model_is_charged_to_its_device), RUN(plans_for_other_shapes_are_on_the_device_too),
          RUN(training_is_where_its_model_is),
          RUN(a_scope_of_memory_may_hold_models_of_several_devices),
          RUN(a_device_scope_places_what_names_none), RUN(absent_devices_are_named_or_replaced),
          RUN(scopes_belong_to_their_threads), RUN(scopes_survive_a_fork),
          RUN(a_full_device_says_what_would_help), RUN(a_limit_is_never_passed),
          RUN(training_that_does_not_fit_names_the_device),
          RUN(a_model_moves_between_parts_of_a_device), RUN(weights_that_change_device_are_counted),
          RUN(another_physical_device_is_another_matter), RUN(reports_tell_by_device),
          RUN(figures_of_devices_that_are_not_there),
          RUN(a_load_on_a_device_survives_each_failed_allocation))
