/* threads_test.c -- many threads on one runtime, and processes that fork: loads, predictions and
 * unloads cross each other, handles go stale under their users, and nothing is left or torn. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "digits.h"
#include "temporary.h"

#define THREADS 6

typedef struct crew {
    digits d;
    _Atomic uint64_t model; /* id of a model shared by the threads */
    atomic_bool stop;
    atomic_uint done, faults, stale, began;
    uint32_t cycles;
    pthread_t threads[THREADS];
    uint32_t count;
    float before[DIGITS_ROWS * DIGITS_CLASSES], after[DIGITS_ROWS * DIGITS_CLASSES];
} crew;

static void crew_start(crew *c, void *(*body)(void *context), uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ(pthread_create(&c->threads[c->count], NULL, body, c), 0);
        c->count++;
    }
}

static void crew_join(crew *c)
{
    for (uint32_t i = 0; i < c->count; i++) pthread_join(c->threads[i], NULL);
    c->count = 0;
}

static void fault(crew *c, ebb_status status, const ebb_error *error)
{
    fprintf(stderr, "fault in a thread: %s: %s\n", ebb_status_name(status), error->text);
    atomic_fetch_add(&c->faults, 1);
}

static void sleep_ms(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static ebb_model crew_model(crew *c)
{
    return (ebb_model){atomic_load(&c->model)};
}

/* -- whole lives ------------------------------------------------------------------------------- */

static ebb_status live_once(crew *c, uint32_t number, ebb_error *error)
{
    const bool is_cnn = number % 2 == 1;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_model model;

    options.lanes = 1 + number % 3;
    options.threads = number % 4 == 3 ? 2 : 0;
    options.inference_only = number % 5 == 0;
    ebb_status status =
        ebb_model_load(c->d.runtime, is_cnn ? digits_cnn : digits_mlp, &options, &model, error);
    for (int64_t rows = 1; rows <= DIGITS_ROWS && status == EBB_OK; rows += 5) {
        status = digits_predict(&c->d, model, rows, y, error);
        const float *expected = is_cnn ? c->d.cnn_y[0] : c->d.mlp_y[0];
        if (status == EBB_OK && !(digits_error(y, expected, rows) < 1e-5)) {
            fault(c, status, &(ebb_error){.text = "wrong numbers"});
        }
    }
    if (status != EBB_OK) return status;
    return ebb_model_unload(model, NULL, NULL, error);
}

static void *live_often(void *context)
{
    crew *c = context;
    ebb_error error;
    const uint32_t first = atomic_fetch_add(&c->began, 1);

    for (uint32_t i = 0; i < c->cycles; i++) {
        const ebb_status status = live_once(c, first * 7 + i, &error);
        if (status != EBB_OK) fault(c, status, &error);
    }
    return NULL;
}

TEST(lives_cross_and_leave_nothing)
{
    static crew c;
    ebb_memory memory;

    c = (crew){.cycles = 10};
    digits_open(t, &c.d, NULL);
    const uint64_t idle = digits_live(&c.d);
    crew_start(&c, live_often, THREADS);
    for (int i = 0; i < 50; i++) { /* readers beside them */
        ebb_receipt receipt;
        CHECK_OK(ebb_memory_read(c.d.runtime, &memory));
        CHECK_OK(ebb_trim(c.d.runtime, &receipt));
        sleep_ms(1);
    }
    crew_join(&c);
    CHECK_EQ(atomic_load(&c.faults), 0);
    CHECK_EQ(digits_live(&c.d), idle);
    CHECK_OK(ebb_memory_read(c.d.runtime, &memory));
    CHECK_EQ(memory.threads, 0);
    CHECK_EQ(memory.models, 0);
    digits_close(t, &c.d);
}

/* -- handles ----------------------------------------------------------------------------------- */

static bool ignore_text(void *context, const char *text, size_t length)
{
    return context == NULL && text != NULL && length > 0;
}

/* Every call on a handle that may go at any moment says OK or STALE. */
static void *use_shared(void *context)
{
    crew *c = context;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_error error = {0};

    while (!atomic_load(&c->stop)) {
        const ebb_model model = crew_model(c);
        const ebb_weak weak = ebb_model_weak(model);
        ebb_model_info info;
        ebb_memory memory;
        ebb_tensor_info tensor;
        ebb_model again;
        const ebb_status answers[] = {
            digits_predict(&c->d, model, 3, y, &error),
            ebb_model_info_read(model, &info),
            ebb_model_memory_read(model, &memory),
            ebb_model_weight(model, 0, &tensor),
            ebb_model_summary(model, ignore_text, NULL, &error),
            ebb_memory_report(c->d.runtime, EBB_REPORT_JSON, ignore_text, NULL),
        };
        for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
            if (answers[i] == EBB_E_STALE)
                atomic_fetch_add(&c->stale, 1);
            else if (answers[i] != EBB_OK)
                fault(c, answers[i], &error);
        }
        const bool was_gone = answers[0] == EBB_E_STALE;
        if (was_gone && ebb_weak_get(weak, &again)) fault(c, EBB_OK, &(ebb_error){.text = "back"});
        atomic_fetch_add(&c->done, 1);
    }
    return NULL;
}

TEST(handles_go_stale_under_their_users)
{
    static crew c;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;

    c = (crew){0};
    options.lanes = 2;
    digits_open(t, &c.d, NULL);
    const uint64_t idle = digits_live(&c.d);
    crew_start(&c, use_shared, 4);
    for (int i = 0; i < 60; i++) {
        ebb_model model;
        CHECK_OK(ebb_model_load(c.d.runtime, digits_mlp, &options, &model, &t->error));
        atomic_store(&c.model, model.id);
        sleep_ms(i % 3);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        CHECK(!ebb_model_alive(model));
        if (i % 16 == 0) sleep_ms(2);
    }
    atomic_store(&c.stop, true);
    crew_join(&c);
    CHECK(atomic_load(&c.done) > 0);
    CHECK(atomic_load(&c.stale) > 0);
    CHECK_EQ(atomic_load(&c.faults), 0);
    CHECK_EQ(digits_live(&c.d), idle);
    digits_close(t, &c.d);
}

static void *unload_shared(void *context)
{
    crew *c = context;
    ebb_error error;

    atomic_fetch_add(&c->began, 1);
    while (atomic_load(&c->began) < THREADS) continue;
    const ebb_status status = ebb_model_unload(crew_model(c), NULL, NULL, &error);
    if (status == EBB_OK)
        atomic_fetch_add(&c->done, 1);
    else if (status != EBB_E_STALE)
        fault(c, status, &error);
    return NULL;
}

TEST(one_of_many_unloads_wins)
{
    static crew c;

    c = (crew){0};
    digits_open(t, &c.d, NULL);
    const uint64_t idle = digits_live(&c.d);
    for (int i = 0; i < 40; i++) {
        ebb_model model;
        CHECK_OK(ebb_model_load(c.d.runtime, digits_mlp, NULL, &model, &t->error));
        atomic_store(&c.model, model.id);
        atomic_store(&c.done, 0);
        atomic_store(&c.began, 0);
        crew_start(&c, unload_shared, THREADS);
        crew_join(&c);
        CHECK_EQ(atomic_load(&c.done), 1);
        CHECK_EQ(digits_live(&c.d), idle);
    }
    CHECK_EQ(atomic_load(&c.faults), 0);
    digits_close(t, &c.d);
}

/* -- closing ----------------------------------------------------------------------------------- */

static void *live_until_closed(void *context)
{
    crew *c = context;
    ebb_error error;
    ebb_status status = EBB_OK;

    for (uint32_t i = atomic_fetch_add(&c->began, 1); status == EBB_OK; i++) {
        status = live_once(c, i * 2, &error);
    }
    if (status != EBB_E_STALE) fault(c, status, &error);
    return NULL;
}

TEST(a_runtime_closes_under_its_users)
{
    static crew c;

    for (int i = 0; i < 15; i++) {
        ebb_receipt receipt;
        c = (crew){0};
        digits_open(t, &c.d, NULL);
        crew_start(&c, live_until_closed, 4);
        sleep_ms(1 + i);
        CHECK_OK(ebb_runtime_close(c.d.runtime, &receipt));
        CHECK_EQ(receipt.bytes_kept, 0);
        crew_join(&c);
        CHECK_EQ(atomic_load(&c.faults), 0);
    }
}

/* Every thread unloads models of its own while the runtime closes: each model goes once, and no
 * thread is inside when the ledger goes. */
#define OWN 8

typedef struct leaver {
    ebb_model models[OWN];
    atomic_bool *go;
    uint32_t faults;
} leaver;

static void *leave(void *context)
{
    leaver *l = context;

    while (!atomic_load(l->go)) continue;
    for (int i = 0; i < OWN; i++) {
        const ebb_status status = ebb_model_unload(l->models[i], NULL, NULL, NULL);
        l->faults += status != EBB_OK && status != EBB_E_STALE;
    }
    return NULL;
}

TEST(unloads_and_a_close_cross)
{
    for (int round = 0; round < 12; round++) {
        digits d;
        leaver leavers[3] = {0};
        pthread_t threads[3];
        atomic_bool go = false;
        ebb_receipt receipt;

        digits_open(t, &d, NULL);
        for (int i = 0; i < 3; i++) {
            leavers[i].go = &go;
            for (int k = 0; k < OWN; k++) {
                CHECK_OK(
                    ebb_model_load(d.runtime, digits_mlp, NULL, &leavers[i].models[k], &t->error));
            }
            CHECK_EQ(pthread_create(&threads[i], NULL, leave, &leavers[i]), 0);
        }
        atomic_store(&go, true);
        for (volatile int i = 0; i < round * 3000; i++) continue;
        CHECK_OK(ebb_runtime_close(d.runtime, &receipt));
        CHECK_EQ(receipt.bytes_kept, 0);
        for (int i = 0; i < 3; i++) {
            pthread_join(threads[i], NULL);
            CHECK_EQ(leavers[i].faults, 0);
        }
    }
}

/* -- deadlines --------------------------------------------------------------------------------- */

typedef struct gate {
    atomic_bool inside, open;
} gate;

/* Holds a call in flight until the gate opens. */
static bool wait_at_gate(void *context, uint64_t done, uint64_t total)
{
    gate *g = context;

    atomic_store(&g->inside, true);
    while (!atomic_load(&g->open)) sleep_ms(1);
    return done <= total;
}

typedef struct streamer {
    ebb_model model;
    path_text x, y;
    gate gate;
    ebb_status status;
} streamer;

static void *stream_files(void *context)
{
    streamer *s = context;
    const char *inputs[] = {s->x.text}, *outputs[] = {s->y.text};
    ebb_stream_options options = EBB_STREAM_OPTIONS_INIT;

    options.progress = wait_at_gate;
    options.context = &s->gate;
    s->status = ebb_model_predict_files(s->model, inputs, outputs, &options, NULL);
    return NULL;
}

TEST(an_unload_that_may_not_wait_gives_up)
{
    digits d;
    temporary folder;
    streamer s = {0};
    pthread_t thread;
    ebb_unload_options options = EBB_UNLOAD_OPTIONS_INIT;
    ebb_receipt receipt;
    float y[DIGITS_CLASSES];

    digits_open(t, &d, NULL);
    temporary_open(&folder);
    const uint64_t idle = digits_live(&d);
    s.x = temporary_path(&folder, "x.npy");
    s.y = temporary_path(&folder, "y.npy");
    const ebb_view view = {EBB_F32, 4, {DIGITS_ROWS, 8, 8, 1}, d.x};
    npy_write(s.x.text, &view);
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &s.model, &t->error));
    CHECK_EQ(pthread_create(&thread, NULL, stream_files, &s), 0);
    while (!atomic_load(&s.gate.inside)) sleep_ms(1);
    options.deadline_ns = 3000000;
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(ebb_model_unload(s.model, &options, &receipt, &t->error), EBB_E_BUSY);
        CHECK_CONTAINS(t->error.text, "3 ms");
        CHECK(ebb_model_alive(s.model));
        CHECK_OK(digits_predict(&d, s.model, 1, y, &t->error)); /* usable while it is held, too */
        CHECK(digits_error(y, d.mlp_y[0], 1) < 1e-5);
    }
    atomic_store(&s.gate.open, true);
    pthread_join(thread, NULL);
    CHECK_OK(s.status);
    options.deadline_ns = UINT64_MAX;
    CHECK_OK(ebb_model_unload(s.model, &options, &receipt, &t->error));
    CHECK_EQ(digits_live(&d), idle);
    temporary_close(&folder);
    digits_close(t, &d);
}

/* -- weights ----------------------------------------------------------------------------------- */

/* A prediction sees the weights before or after a set, never between. */
static void *predict_whole(void *context)
{
    crew *c = context;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_error error;

    while (!atomic_load(&c->stop)) {
        const ebb_status status = digits_predict(&c->d, crew_model(c), DIGITS_ROWS, y, &error);
        if (status != EBB_OK) fault(c, status, &error);
        if (memcmp(y, c->before, sizeof y) != 0 && memcmp(y, c->after, sizeof y) != 0) {
            fault(c, status, &(ebb_error){.text = "torn weights"});
        }
        atomic_fetch_add(&c->done, 1);
    }
    return NULL;
}

static void *read_whole(void *context)
{
    crew *c = context;
    float kernel[DIGITS_PIXELS * 48];
    const ebb_view view = {EBB_F32, 2, {DIGITS_PIXELS, 48}, kernel};
    ebb_error error;

    while (!atomic_load(&c->stop)) {
        const ebb_status status = ebb_model_weight_get(crew_model(c), 0, &view, &error);
        if (status != EBB_OK) fault(c, status, &error);
        for (int i = 1; i < DIGITS_PIXELS * 48; i++) {
            if (kernel[i] == kernel[0]) continue;
            fault(c, status, &(ebb_error){.text = "torn copy"});
            break;
        }
    }
    return NULL;
}

TEST(setting_weights_waits_for_calls_in_flight)
{
    static crew c;
    static float kernels[2][DIGITS_PIXELS * 48];
    ebb_model model;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;

    c = (crew){0};
    options.lanes = 3;
    options.batch = DIGITS_ROWS;
    digits_open(t, &c.d, NULL);
    CHECK_OK(ebb_model_load(c.d.runtime, digits_mlp, &options, &model, &t->error));
    atomic_store(&c.model, model.id);
    for (int i = 0; i < DIGITS_PIXELS * 48; i++) {
        kernels[0][i] = 0.01f;
        kernels[1][i] = -0.02f;
    }
    const ebb_view first = {EBB_F32, 2, {DIGITS_PIXELS, 48}, kernels[0]};
    const ebb_view second = {EBB_F32, 2, {DIGITS_PIXELS, 48}, kernels[1]};
    CHECK_OK(ebb_model_weight_set(model, 0, &second, &t->error));
    CHECK_OK(digits_predict(&c.d, model, DIGITS_ROWS, c.after, &t->error));
    CHECK_OK(ebb_model_weight_set(model, 0, &first, &t->error));
    CHECK_OK(digits_predict(&c.d, model, DIGITS_ROWS, c.before, &t->error));
    CHECK(memcmp(c.before, c.after, sizeof c.before) != 0);
    crew_start(&c, predict_whole, 4);
    crew_start(&c, read_whole, 1);
    for (int i = 0; i < 200; i++) {
        CHECK_OK(ebb_model_weight_set(model, 0, i % 2 == 0 ? &second : &first, &t->error));
    }
    atomic_store(&c.stop, true);
    crew_join(&c);
    CHECK_EQ(atomic_load(&c.faults), 0);
    digits_close(t, &c.d);
}

/* -- fork -------------------------------------------------------------------------------------- */

static bool child_is_well(const digits *d, ebb_model model, const float *expected, bool predicts)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_memory memory;
    ebb_receipt receipt;
    ebb_model other;
    ebb_error error;

    if (ebb_memory_read(d->runtime, &memory) != EBB_OK || memory.threads != 0) return false;
    if (predicts) {
        if (digits_predict(d, model, DIGITS_ROWS, y, &error) != EBB_OK) return false;
        if (memcmp(y, expected, sizeof y) != 0) return false;
        if (ebb_memory_read(d->runtime, &memory) != EBB_OK || memory.threads > 64) return false;
        if (ebb_model_load(d->runtime, digits_mlp, NULL, &other, &error) != EBB_OK) return false;
        if (ebb_model_unload(other, NULL, NULL, &error) != EBB_OK) return false;
        if (ebb_model_unload(model, NULL, &receipt, &error) != EBB_OK) return false;
        if (receipt.bytes_kept != 0) return false;
        if (ebb_memory_read(d->runtime, &memory) != EBB_OK || memory.threads != 0) return false;
    }
    return ebb_runtime_close(d->runtime, &receipt) == EBB_OK && receipt.bytes_kept == 0;
}

/* Forks; the child checks itself and goes. */
static void check_child(const digits *d, ebb_model model, const float *expected, bool predicts)
{
    int result = 0;
    const pid_t child = fork();

    if (child == 0) {
        alarm(60);
        _exit(child_is_well(d, model, expected, predicts) ? 0 : 1);
    }
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &result, 0), child);
    CHECK_EQ(result, 0);
}

TEST(a_child_of_a_quiet_process_is_whole)
{
    digits d;
    ebb_model model;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    ebb_runtime_options runtime = EBB_RUNTIME_OPTIONS_INIT;
    float expected[DIGITS_ROWS * DIGITS_CLASSES], y[DIGITS_ROWS * DIGITS_CLASSES];

    if (!test_forks_are_followed()) return;
    runtime.threads = 2;
    options.threads = 2;
    options.lanes = 3;
    options.batch = DIGITS_ROWS;
    digits_open(t, &d, &runtime);
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, &options, &model, &t->error));
    CHECK_OK(digits_predict(&d, model, DIGITS_ROWS, expected, &t->error));
    for (int i = 0; i < 3; i++) {
        ebb_memory memory;
        check_child(&d, model, expected, true);
        CHECK_OK(digits_predict(&d, model, DIGITS_ROWS, y, &t->error));
        CHECK_EQ(memcmp(y, expected, sizeof y), 0);
        CHECK_OK(ebb_memory_read(d.runtime, &memory));
        CHECK(memory.threads <= 2);
    }
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    digits_close(t, &d);
}

static void *predict_on(void *context)
{
    crew *c = context;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_error error;
    bool is_warm = false;

    while (!atomic_load(&c->stop)) {
        const ebb_status status = digits_predict(&c->d, crew_model(c), DIGITS_ROWS, y, &error);
        if (status != EBB_OK) fault(c, status, &error);
        if (memcmp(y, c->before, sizeof y) != 0)
            fault(c, status, &(ebb_error){.text = "other numbers"});
        atomic_fetch_add(&c->done, 1);
        if (!is_warm) atomic_fetch_add(&c->began, 1);
        is_warm = true;
    }
    return NULL;
}

/* Threads are inside predictions when the process forks: their lanes are free in the child. */
TEST(a_child_of_a_busy_process_is_whole)
{
    static crew c;
    ebb_model model;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    ebb_runtime_options runtime = EBB_RUNTIME_OPTIONS_INIT;

    if (!test_forks_are_followed()) return;
    c = (crew){0};
    runtime.threads = 2;
    options.threads = 2;
    options.lanes = 2;
    options.batch = DIGITS_ROWS;
    digits_open(t, &c.d, &runtime);
    CHECK_OK(ebb_model_load(c.d.runtime, digits_mlp, &options, &model, &t->error));
    atomic_store(&c.model, model.id);
    CHECK_OK(digits_predict(&c.d, model, DIGITS_ROWS, c.before, &t->error));
    crew_start(&c, predict_on, 4);
    while (atomic_load(&c.began) < 4) sleep_ms(1); /* starting a thread allocates */
    for (int i = 0; i < 15; i++) {
        sleep_ms(i % 4);
        check_child(&c.d, model, c.before, true);
    }
    atomic_store(&c.stop, true);
    crew_join(&c);
    CHECK(atomic_load(&c.done) > 0);
    CHECK_EQ(atomic_load(&c.faults), 0);
    digits_close(t, &c.d);
}

static void *live_until_stopped(void *context)
{
    crew *c = context;
    ebb_error error;

    for (uint32_t i = 0; !atomic_load(&c->stop); i++) {
        const ebb_status status = live_once(c, i * 2, &error);
        if (status != EBB_OK) fault(c, status, &error);
    }
    return NULL;
}

/* Threads are inside loads and unloads when the process forks: what they held goes with the runtime
 * of the child. */
TEST(a_child_closes_what_others_were_loading)
{
    static crew c;

    if (!test_forks_beside_allocations_are_followed()) return;
    c = (crew){0};
    digits_open(t, &c.d, NULL);
    crew_start(&c, live_until_stopped, 3);
    for (int i = 0; i < 40; i++) {
        sleep_ms(i % 4);
        check_child(&c.d, (ebb_model){0}, NULL, false);
    }
    atomic_store(&c.stop, true);
    crew_join(&c);
    CHECK_EQ(atomic_load(&c.faults), 0);
    digits_close(t, &c.d);
}

TEST_MAIN(RUN(lives_cross_and_leave_nothing), RUN(handles_go_stale_under_their_users),
          RUN(one_of_many_unloads_wins), RUN(a_runtime_closes_under_its_users),
          RUN(unloads_and_a_close_cross), RUN(an_unload_that_may_not_wait_gives_up),
          RUN(setting_weights_waits_for_calls_in_flight), RUN(a_child_of_a_quiet_process_is_whole),
          RUN(a_child_of_a_busy_process_is_whole), RUN(a_child_closes_what_others_were_loading))
