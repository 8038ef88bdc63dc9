/* backup_test.c -- BackupAndRestore: a process killed in the middle of training, and the next one
 * ends where an uninterrupted run does. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_engine.h"
#include "temporary.h"
#include "train/fit.h"

#define ROWS 23

typedef struct run {
    fake_engine engine;
    float x[ROWS][1], y[ROWS];
    ebb_view views[2];
    ebb_data data;
    ebb_fit_options options;
    ebb_callback callbacks[2];
    char config[700];
    history history;
    uint64_t dies_at; /* training steps of this process; 0: never */
} run;

static bool die(void *context, const ebb_training_event *event)
{
    const run *r = context;

    if (event->moment == EBB_BATCH_BEGIN && r->engine.trained == r->dies_at && r->dies_at > 0)
        raise(SIGKILL);
    return true;
}

static void run_open(test *t, run *r, const temporary *d, const char *frequency)
{
    *r = (run){.options = EBB_FIT_OPTIONS_INIT};
    fake_engine_open(t, &r->engine, 1);
    for (int i = 0; i < ROWS; i++) {
        r->x[i][0] = (float)(i * 7 % ROWS) / ROWS;
        r->y[i] = 2 * r->x[i][0] - 1;
    }
    r->views[0] = (ebb_view){EBB_F32, 2, {ROWS, 1}, r->x};
    r->views[1] = (ebb_view){EBB_F32, 1, {ROWS}, r->y};
    r->data = (ebb_data){.x = {&r->views[0], 1}, .y = {&r->views[1], 1}};
    snprintf(r->config, sizeof r->config,
             "{\"backup_dir\": \"%s/backup\", \"save_freq\": %s, \"double_checkpoint\": true}",
             d->folder, frequency);
    r->callbacks[0] = (ebb_callback){.name = "BackupAndRestore", .config = r->config};
    r->callbacks[1] = (ebb_callback){.function = die, .context = r};
    r->options.epochs = 5;
    r->options.batch_size = 4;
    r->options.seed = 21;
    r->options.callbacks = r->callbacks;
    r->options.callback_count = 2;
    r->history.home = region_open(t->home, "history", EBB_CLASS_META, 0);
}

static ebb_status run_fit(test *t, run *r)
{
    return fit_run(&r->engine.base, &r->data, &r->options, &r->history, &t->error);
}

/* In a child, which is killed before its step number `steps`. */
static void run_killed(test *t, const temporary *d, const char *frequency, uint64_t steps)
{
    const pid_t child = fork();
    int how = 0;

    CHECK(child >= 0);
    if (child == 0) {
        run r;

        run_open(t, &r, d, frequency);
        r.dies_at = steps;
        (void)run_fit(t, &r);
        _exit(3);
    }
    CHECK_EQ(waitpid(child, &how, 0), child);
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

static void check_resumed(test *t, const char *frequency)
{
    run whole;
    temporary d;

    temporary_open(&d);
    run_open(t, &whole, &d, frequency);
    whole.options.callback_count = 0;
    CHECK_OK(run_fit(t, &whole));
    temporary_close(&d);
    for (uint64_t steps = 1; steps < 15; steps += 3) {
        run r;

        temporary_open(&d);
        run_killed(t, &d, frequency, steps);
        run_killed(t, &d, frequency, 5); /* and once more on the way */
        run_open(t, &r, &d, frequency);
        CHECK_OK(run_fit(t, &r));
        CHECK_EQ(memcmp(r.engine.weights, whole.engine.weights, sizeof r.engine.weights), 0);
        CHECK_EQ(r.engine.iterations, whole.engine.iterations);
        /* before the first epoch ended there was nothing to go on with */
        CHECK(steps < 6 || r.engine.trained < whole.engine.trained);
        CHECK_EQ(temporary_count(&d), 0); /* the backup is gone */
        temporary_close(&d);
    }
}

TEST(killed_between_epochs)
{
    check_resumed(t, "\"epoch\"");
}

TEST(killed_between_batches)
{
    check_resumed(t, "1");
    check_resumed(t, "2");
}

TEST(kept_when_asked)
{
    run r;
    temporary d;

    temporary_open(&d);
    run_open(t, &r, &d, "\"epoch\", \"delete_checkpoint\": false");
    CHECK_OK(run_fit(t, &r));
    CHECK(file_exists(temporary_path(&d, "backup/training_metadata.json").text));
    run_open(t, &r, &d, "\"epoch\"");
    CHECK_OK(run_fit(t, &r)); /* nothing is left to do */
    CHECK_EQ(r.engine.trained, 0);
    CHECK_EQ(r.history.epoch_count, 0);
    temporary_close(&d);
}

TEST(cancelled_runs_go_on)
{
    run r, whole;
    temporary d;

    temporary_open(&d);
    run_open(t, &whole, &d, "1");
    whole.options.callback_count = 0;
    whole.options.steps_per_epoch = 4;
    CHECK_OK(run_fit(t, &whole));
    run_open(t, &r, &d, "1");
    r.options.steps_per_epoch = 4; /* epochs and passes over the data do not end together */
    r.engine.cancels_at = 8;
    CHECK_STATUS(run_fit(t, &r), EBB_E_CANCELLED);
    run_open(t, &r, &d, "1");
    r.options.steps_per_epoch = 4;
    CHECK_OK(run_fit(t, &r));
    CHECK_EQ(memcmp(r.engine.weights, whole.engine.weights, sizeof r.engine.weights), 0);
    temporary_close(&d);
}

TEST(damaged_backups)
{
    run r;
    temporary d;

    temporary_open(&d);
    run_killed(t, &d, "1", 9);
    const path_text metadata = temporary_path(&d, "backup/training_metadata.json");
    const path_text before = temporary_path(&d, "backup/training_metadata.json.bkp");
    CHECK(file_exists(before.text));
    file_write(metadata.text, "{\"epoch\": ", 10);
    run_open(t, &r, &d, "1");
    r.engine.cancels_at = 0;
    CHECK_STATUS(run_fit(t, &r), EBB_E_CANCELLED);
    CHECK_EQ(r.engine.iterations, 9); /* from the backup before: 8, and one step */
    file_write(metadata.text, "{}", 2);
    CHECK_EQ(unlink(before.text), 0);
    run_open(t, &r, &d, "1");
    CHECK_STATUS(run_fit(t, &r), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.where, "callbacks[0] BackupAndRestore");
    CHECK_EQ(r.engine.trained, 0);
    static const char text[] =
        "{\"epoch\": 1, \"batch\": 0, \"steps\": 0, \"weights\": \"latest.weights.h5\"}";
    file_write(metadata.text, text, sizeof text - 1);
    (void)unlink(temporary_path(&d, "backup/latest.weights.h5").text);
    CHECK_STATUS(run_fit(t, &r), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "missing");
    temporary_close(&d);
}

TEST_MAIN(RUN(killed_between_epochs), RUN(killed_between_batches), RUN(kept_when_asked),
          RUN(cancelled_runs_go_on), RUN(damaged_backups))
