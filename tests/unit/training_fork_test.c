/* training_fork_test.c -- processes that fork while they train: the child trains on by itself, and
 * gives everything back. */
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "course.h"

static void sleep_ms(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* The fit of the parent is not here: this one may train, and end. */
static bool child_is_well(const course *c)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    course own = *c;
    ebb_receipt receipt;

    own.options.epochs = 2;
    own.options.callback_count = 0;
    if (digits_predict(&own.d, own.model, DIGITS_ROWS, y, NULL) != EBB_OK) return false;
    if (course_step(&own, NULL) != EBB_OK || course_fit(&own, NULL) != EBB_OK) return false;
    if (ebb_model_uncompile(own.model, NULL, NULL) != EBB_OK) return false;
    if (digits_live(&own.d) > own.loaded + 4096) return false; /* a trial of the parent's */
    if (course_compile(&own, NULL) != EBB_OK || course_fit(&own, NULL) != EBB_OK) return false;
    if (ebb_model_unload(own.model, NULL, NULL, NULL) != EBB_OK) return false;
    return ebb_runtime_close(own.d.runtime, &receipt) == EBB_OK && receipt.bytes_kept == 0;
}

static void check_child(const course *c)
{
    int result = 0;
    const pid_t child = fork();

    if (child == 0) {
        alarm(60);
        _exit(child_is_well(c) ? 0 : 1);
    }
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &result, 0), child);
    CHECK_EQ(result, 0);
}

TEST(a_child_trains_on)
{
    static trainer r;

    if (!test_forks_are_followed()) return;
    trainer_open(t, &r);
    trainer_start(t, &r, true);
    for (int i = 0; i < 3; i++) check_child(&r.c); /* the thread waits in a callback */
    if (test_forks_beside_allocations_are_followed()) {
        atomic_store(&r.is_closed, false);
        for (int i = 0; i < 15; i++) {
            sleep_ms(i % 4);
            check_child(&r.c); /* it trains */
        }
    }
    CHECK_OK(ebb_model_cancel(r.c.model));
    trainer_join(&r);
    course_close(t, &r.c);
}

/* A callback forks: its child is inside the fit, too, and ends it. */
typedef struct forker {
    pid_t child;
    bool is_child;
} forker;

static bool fork_once(void *context, const ebb_training_event *event)
{
    forker *f = context;

    if (event->moment != EBB_EPOCH_END || event->epoch != 1) return true;
    f->child = fork();
    f->is_child = f->child == 0;
    if (f->is_child) alarm(60);
    return f->child >= 0;
}

TEST(a_child_of_a_callback_ends_the_fit)
{
    course c;
    forker f = {0};
    const ebb_callback callback = {.function = fork_once, .context = &f};
    int result = 0;

    if (!test_forks_are_followed()) return;
    course_open(t, &c, NULL);
    CHECK_OK(course_compile(&c, &t->error));
    c.options.epochs = 5;
    c.options.callbacks = &callback;
    c.options.callback_count = 1;
    const ebb_status status = course_fit(&c, &t->error);
    if (f.is_child) _exit(status == EBB_OK && child_is_well(&c) ? 0 : 1);
    CHECK_OK(status);
    CHECK_EQ(waitpid(f.child, &result, 0), f.child);
    CHECK_EQ(result, 0);
    course_close(t, &c);
}

TEST_MAIN(RUN(a_child_trains_on), RUN(a_child_of_a_callback_ends_the_fit))
