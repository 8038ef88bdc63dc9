/* training_robust_test.c -- training where things go wrong: callbacks that do what they may and may
 * not, no memory, full disks, killed processes. The ledger is exact after each of them, and the
 * model usable. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "course.h"
#include "temporary.h"

/* -- callbacks --------------------------------------------------------------------------------- */

typedef struct guest {
    test *t;
    const course *c;
    path_text path;
    uint32_t epochs, stop_at;
    float y[DIGITS_ROWS * DIGITS_CLASSES]; /* predicted after the last epoch */
} guest;

static void use_model(guest *g, const ebb_training_event *event)
{
    test *const t = g->t;
    ebb_error *const error = &t->error;
    const course *c = g->c;
    ebb_memory memory;
    float bias[DIGITS_CLASSES];
    const ebb_view view = {EBB_F32, 1, {DIGITS_CLASSES}, bias};
    double rate = 0;
    const char *name = NULL;

    CHECK_EQ(event->model.id, c->model.id);
    CHECK_OK(digits_predict(&c->d, event->model, DIGITS_ROWS, g->y, error));
    CHECK_OK(ebb_model_save(event->model, g->path.text, NULL, error));
    CHECK_OK(ebb_model_learning_rate(event->model, &rate, error));
    CHECK_OK(ebb_model_learning_rate_set(event->model, rate / 2, error));
    CHECK_OK(ebb_model_weight_get(event->model, 3, &view, error));
    CHECK_OK(ebb_model_weight_set(event->model, 3, &view, error));
    CHECK_OK(ebb_model_memory_read(event->model, &memory));
    CHECK_EQ(ebb_model_history(event->model, 0, &name, NULL, NULL), g->epochs > 0);
    CHECK_OK(ebb_trim(c->d.runtime, NULL));
}

/* An evaluation inside of a fit: its results are those of one outside, and the fit's stay. */
static void evaluate_model(guest *g)
{
    test *const t = g->t;
    const course *c = g->c;
    double results[2], again[2];
    size_t count = 2;

    CHECK_OK(ebb_model_evaluate(c->model, &c->data, NULL, results, &count, &t->error));
    CHECK_OK(ebb_model_evaluate(c->model, &c->data, NULL, again, &count, &t->error));
    CHECK_EQ(memcmp(results, again, count * sizeof *results), 0);
    CHECK_STATUS(ebb_model_evaluate(c->model, NULL, NULL, results, &count, &t->error),
                 EBB_E_ARGUMENT);
}

static void misuse_model(guest *g)
{
    test *const t = g->t;
    ebb_error *const error = &t->error;
    const course *c = g->c;

    CHECK_STATUS(ebb_model_unload(c->model, NULL, NULL, error), EBB_E_STATE);
    CHECK_CONTAINS(error->text, "callback");
    CHECK_STATUS(ebb_model_delete(c->model, NULL, NULL, error), EBB_E_STATE);
    CHECK_STATUS(ebb_runtime_close(c->d.runtime, NULL), EBB_E_STATE);
    CHECK_STATUS(course_fit(c, error), EBB_E_BUSY);
    CHECK_STATUS(course_step(c, error), EBB_E_BUSY);
    CHECK_STATUS(course_compile(c, error), EBB_E_BUSY);
    CHECK_STATUS(ebb_model_uncompile(c->model, NULL, error), EBB_E_BUSY);
}

static bool visit(void *context, const ebb_training_event *event)
{
    guest *g = context;

    if (event->moment != EBB_EPOCH_END) return true;
    use_model(g, event);
    evaluate_model(g);
    misuse_model(g);
    return ++g->epochs < g->stop_at;
}

TEST(callbacks_use_the_model_and_stop)
{
    course c;
    temporary folder;
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    const double *values = NULL;
    uint32_t epochs = 0;
    double rate = 0;
    ebb_model again;

    course_open(t, &c, NULL);
    temporary_open(&folder);
    guest g = {.t = t, .c = &c, .path = temporary_path(&folder, "x.keras"), .stop_at = 3};
    const ebb_callback callback = {.function = visit, .context = &g};
    CHECK_OK(course_compile(&c, &t->error));
    c.options.epochs = 9;
    c.options.callbacks = &callback;
    c.options.callback_count = 1;
    CHECK_OK(course_fit(&c, &t->error));
    CHECK(ebb_model_history(c.model, 1, NULL, &values, &epochs));
    CHECK_EQ(epochs, 3);
    CHECK(values[2] < values[0]);
    CHECK_OK(ebb_model_learning_rate(c.model, &rate, &t->error));
    CHECK_NEAR(rate, 0.01 / 8, 1e-8);
    CHECK_OK(ebb_model_load(c.d.runtime, g.path.text, NULL, &again, &t->error));
    CHECK_OK(digits_predict(&c.d, again, DIGITS_ROWS, y, &t->error));
    CHECK_EQ(memcmp(y, g.y, sizeof y), 0);
    CHECK_OK(ebb_model_compile(again, NULL, &t->error)); /* and the state of Adam with it */
    CHECK_OK(ebb_model_unload(again, NULL, NULL, &t->error));
    temporary_close(&folder);
    course_close(t, &c);
}

/* -- targets ----------------------------------------------------------------------------------- */

typedef struct labels_case {
    const char *loss, *metrics;
} labels_case;

/* Outputs "a" (3 classes) and "b" (1 number): the targets of "a" are class numbers, as its loss or,
 * without one, its metric tells. */
static void check_labels(test *t, ebb_runtime runtime, const labels_case *c)
{
    static float x_data[2][3] = {{0.5f, -1, 2}, {0, 1, -3}}, b_data[2] = {1, 0};
    static int32_t a_data[2] = {1, 2};
    const ebb_view x = {EBB_F32, 2, {2, 3}, x_data};
    const ebb_view y[] = {{EBB_I32, 1, {2}, a_data}, {EBB_F32, 2, {2, 1}, b_data}};
    const ebb_batch batch = {{&x, 1}, {y, 2}, {NULL, 0}};
    ebb_compile_options options = EBB_COMPILE_OPTIONS_INIT;
    ebb_builder b;
    ebb_model model;

    CHECK_OK(ebb_build_open(runtime, NULL, &b, &t->error));
    const ebb_tensor in = ebb_build_input(b, "x", EBB_F32, 1, (int64_t[]){3});
    const ebb_tensor out[] = {
        ebb_build_layer(b, "Dense", "units=3, activation='softmax', name='a'", in),
        ebb_build_layer(b, "Dense", "units=1, name='b'", in)};
    CHECK_OK(ebb_build_finish(b, out, 2, NULL, &model, &t->error));
    options.optimizer = "adam";
    options.loss = c->loss;
    options.metrics = c->metrics;
    CHECK_OK(ebb_model_compile(model, &options, &t->error));
    CHECK_OK(ebb_model_train_on_batch(model, &batch, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_test_on_batch(model, &batch, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
}

TEST(targets_are_told_by_losses_or_metrics)
{
    static const labels_case cases[] = {
        {"{\"a\": \"sparse_categorical_crossentropy\", \"b\": \"mse\"}", NULL},
        {"{\"b\": \"mse\"}", "{\"a\": \"sparse_categorical_accuracy\"}"},
        {"{\"b\": \"mse\"}", "{\"a\": \"sparse_top_k_categorical_accuracy\"}"},
        {"{\"a\": \"circle\", \"b\": \"mse\"}", NULL},
        {"{\"a\": \"circle\"}", "{\"b\": \"mae\"}"}};
    ebb_runtime runtime;

    CHECK_OK(ebb_runtime_open(NULL, &runtime, &t->error));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_labels(t, runtime, &cases[i]);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

/* -- memory ------------------------------------------------------------------------------------ */

#define CALLBACKS 5

typedef struct lesson {
    course c;
    temporary folder;
    path_text x, y;
    const char *x_files[1], *y_files[1];
    char checkpoint[700], log[700];
    ebb_callback callbacks[CALLBACKS];
    uint32_t moments;
} lesson;

static bool count_moment(void *context, const ebb_training_event *event)
{
    (void)event;
    ++*(uint32_t *)context;
    return true;
}

/* A fit with a bit of everything, of arrays or of files. */
static void lesson_open(test *t, lesson *l, bool from_files)
{
    ebb_runtime_options runtime = EBB_RUNTIME_OPTIONS_INIT;

    runtime.allocator = test_allocator(t);
    runtime.threads = 1;
    runtime.no_jit = true;
    course_open(t, &l->c, &runtime);
    temporary_open(&l->folder);
    l->x = temporary_path(&l->folder, "x.npy");
    l->y = temporary_path(&l->folder, "y.npy");
    npy_write(l->x.text, &l->c.x);
    npy_write(l->y.text, &l->c.y);
    l->x_files[0] = l->x.text;
    l->y_files[0] = l->y.text;
    l->c.options.epochs = 2;
    if (from_files) {
        l->c.data = (ebb_data){.x_files = l->x_files, .y_files = l->y_files};
        l->c.options.validation = &l->c.data;
    } else {
        l->c.options.validation_split = 0.25;
    }
    snprintf(l->checkpoint, sizeof l->checkpoint, "{\"filepath\": \"%s/k.keras\"}",
             l->folder.folder);
    snprintf(l->log, sizeof l->log, "{\"filename\": \"%s/log.csv\"}", l->folder.folder);
    const ebb_callback callbacks[CALLBACKS] = {
        {"EarlyStopping", "{\"restore_best_weights\": true, \"patience\": 5}", NULL, NULL},
        {"ReduceLROnPlateau", NULL, NULL, NULL},
        {"ModelCheckpoint", l->checkpoint, NULL, NULL},
        {"CSVLogger", l->log, NULL, NULL},
        {NULL, NULL, count_moment, &l->moments}};
    memcpy(l->callbacks, callbacks, sizeof callbacks);
    l->c.options.callbacks = l->callbacks;
    l->c.options.callback_count = CALLBACKS;
    l->c.options.class_weight = "{\"0\": 2.0, \"3\": 0.5}";
}

static void lesson_close(test *t, lesson *l)
{
    temporary_close(&l->folder);
    course_close(t, &l->c);
}

/* Was the n-th allocation needed? */
static bool fails_at(test *t, const lesson *l, int64_t n)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    CHECK_OK(course_compile(&l->c, &t->error));
    test_fail_allocation(t, n);
    const ebb_status status = course_fit(&l->c, &t->error);
    const bool failed = test_allocation_failed(t);
    test_fail_allocation(t, -1);
    if (status != EBB_E_MEMORY) CHECK_OK(status);
    if (status != EBB_OK) CHECK(failed && t->error.text[0] != 0);
    CHECK_OK(course_step(&l->c, &t->error));
    CHECK_OK(digits_predict(&l->c.d, l->c.model, DIGITS_ROWS, y, &t->error));
    course_uncompile(t, &l->c);
    CHECK(temporary_count(&l->folder) <= 4); /* no halves of files */
    return failed;
}

static void check_allocations(test *t, bool from_files)
{
    lesson l = {0};
    int64_t n = 0;

    lesson_open(t, &l, from_files);
    while (fails_at(t, &l, n)) n++;
    CHECK(n > 50);
    lesson_close(t, &l);
}

TEST(every_allocation_of_a_fit_may_fail)
{
    check_allocations(t, false);
}

TEST(every_allocation_of_a_fit_from_files_may_fail)
{
    check_allocations(t, true);
}

/* -- disks ------------------------------------------------------------------------------------- */

/* Files of this process may not grow beyond a limit, as on a disk that is full. */
static ebb_status fit_below(test *t, const lesson *l, uint64_t bytes)
{
    struct rlimit old;

    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit limit = {bytes, old.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const ebb_status status = course_fit(&l->c, &t->error);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
    return status;
}

TEST(a_full_disk_ends_training)
{
    lesson l = {0};
    char backup[700], board[700];
    size_t length, again;

    lesson_open(t, &l, false);
    snprintf(backup, sizeof backup, "{\"backup_dir\": \"%s/backup\"}", l.folder.folder);
    snprintf(board, sizeof board, "{\"log_dir\": \"%s/board\"}", l.folder.folder);
    const ebb_callback writers[] = {{"ModelCheckpoint", l.checkpoint, NULL, NULL},
                                    {"CSVLogger", l.log, NULL, NULL},
                                    {"BackupAndRestore", backup, NULL, NULL},
                                    {"TensorBoard", board, NULL, NULL}};
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    l.c.options.callback_count = 1;
    CHECK_OK(course_compile(&l.c, &t->error));
    l.c.options.callbacks = &writers[0];
    CHECK_OK(course_fit(&l.c, &t->error));
    const path_text path = temporary_path(&l.folder, "k.keras");
    const uint8_t *old = file_read(t, path.text, &length);
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        l.c.options.callbacks = &writers[i];
        for (uint64_t bytes = 0; bytes < 30; bytes += 29) {
            CHECK_STATUS(fit_below(t, &l, bytes), EBB_E_IO);
            CHECK(t->error.where[0] != 0);
            CHECK_OK(course_step(&l.c, &t->error));
        }
    }
    l.c.options.callbacks = &writers[0];
    for (uint64_t bytes = 1000; bytes < 50000; bytes += 7001) {
        if (bytes < length) CHECK_STATUS(fit_below(t, &l, bytes), EBB_E_IO);
    }
    CHECK_EQ(memcmp(old, file_read(t, path.text, &again), length), 0); /* the first one's */
    CHECK_EQ(again, length);
    course_uncompile(t, &l.c);
    signal(SIGXFSZ, SIG_DFL);
    lesson_close(t, &l);
}

/* -- killed processes -------------------------------------------------------------------------- */

/* Trains and saves by turns, until it is killed. */
static void train_for_ever(test *t, const char *path)
{
    course c;

    course_open(t, &c, NULL);
    if (course_compile(&c, NULL) != EBB_OK) _exit(1);
    for (;;) {
        if (course_step(&c, NULL) != EBB_OK) _exit(1);
        if (ebb_model_save(c.model, path, NULL, NULL) != EBB_OK) _exit(1);
    }
}

/* Loads it and trains on. */
static void check_file(test *t, const course *c, const char *path)
{
    course other = *c;

    CHECK_OK(ebb_model_load(c->d.runtime, path, NULL, &other.model, &t->error));
    CHECK_OK(ebb_model_compile(other.model, NULL, &t->error)); /* settings and state of the file */
    CHECK_OK(course_step(&other, &t->error));
    CHECK_OK(ebb_model_unload(other.model, NULL, NULL, &t->error));
}

static void check_killed(test *t, const char *name)
{
    const long rounds = 8;
    temporary folder;
    course c;

    if (!test_forks_are_followed()) return;
    course_open(t, &c, NULL);
    temporary_open(&folder);
    const path_text path = temporary_path(&folder, name);
    for (long i = 0; i < rounds; i++) {
        int result;
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) train_for_ever(t, path.text);
        while (!file_exists(path.text)) usleep(1000);
        nanosleep(&(struct timespec){.tv_nsec = (3 + i * 3) * 1000000 + i * 137000}, NULL);
        CHECK_EQ(kill(child, SIGKILL), 0);
        CHECK_EQ(waitpid(child, &result, 0), child);
        CHECK(WIFSIGNALED(result));
        check_file(t, &c, path.text);
    }
    CHECK(temporary_count(&folder) <= 1 + rounds); /* at most one half a kill */
    CHECK_OK(ebb_model_save(c.model, path.text, NULL, &t->error));
    temporary_close(&folder);
    course_close(t, &c);
}

TEST(a_killed_process_leaves_a_whole_archive)
{
    check_killed(t, "x.keras");
}

TEST(a_killed_process_leaves_a_whole_hdf5_file)
{
    check_killed(t, "x.h5");
}

TEST_MAIN(RUN(callbacks_use_the_model_and_stop), RUN(targets_are_told_by_losses_or_metrics),
          RUN(every_allocation_of_a_fit_may_fail),
          RUN(every_allocation_of_a_fit_from_files_may_fail), RUN(a_full_disk_ends_training),
          RUN(a_killed_process_leaves_a_whole_archive),
          RUN(a_killed_process_leaves_a_whole_hdf5_file))
