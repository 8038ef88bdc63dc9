/* handle_replace_test.c -- another object behind the same handle: users finish with the old one,
 * who comes meanwhile waits and gets the new one. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"
#include "mem/handle.h"

#define MILLISECOND ((uint64_t)1000000)

static void close_now(uint64_t id)
{
    void *object = NULL;

    CHECK(handle_close_begin(HANDLE_MODEL, id, 0, &object));
    handle_close_end(id);
}

TEST(the_object_is_another_one)
{
    int first = 1, second = 2;
    void *object = NULL;
    const uint64_t id = handle_issue(HANDLE_MODEL, &first);

    CHECK(handle_replace_begin(HANDLE_MODEL, id, 0, &object));
    CHECK(object == &first);
    CHECK(handle_alive(HANDLE_MODEL, id));
    void *again = &first;
    CHECK(!handle_replace_begin(HANDLE_MODEL, id, 0, &again)); /* one at a time */
    CHECK(again == NULL);
    handle_replace_end(id, &second);
    CHECK(handle_acquire(HANDLE_MODEL, id) == &second);
    handle_release(id);
    close_now(id);
    CHECK(!handle_replace_begin(HANDLE_MODEL, id, 0, &object));
    CHECK(object == NULL);
    CHECK(!handle_replace_begin(HANDLE_MODEL, 12345, 0, &object));
}

TEST(users_that_stay_win)
{
    int thing = 0;
    void *object = NULL;
    const uint64_t id = handle_issue(HANDLE_MODEL, &thing);

    CHECK(handle_acquire(HANDLE_MODEL, id) == &thing);
    CHECK(!handle_replace_begin(HANDLE_MODEL, id, clock_ns() + 5 * MILLISECOND, &object));
    CHECK(object == &thing);
    CHECK(handle_acquire(HANDLE_MODEL, id) == &thing); /* nobody waits any more */
    handle_release(id);
    handle_release(id);
    close_now(id);
}

typedef struct crowd {
    uint64_t id;
    int things[2];
    atomic_bool stop;
    atomic_uint seen[2], wrong;
} crowd;

static void *use(void *context)
{
    crowd *c = context;
    bool is_new = false;

    while (!atomic_load(&c->stop)) {
        int *thing = handle_acquire(HANDLE_MODEL, c->id);
        if (thing == NULL) {
            atomic_fetch_add(&c->wrong, 1);
            continue;
        }
        if (thing == &c->things[0] && is_new) atomic_fetch_add(&c->wrong, 1);
        is_new = thing == &c->things[1];
        if (*thing != is_new) atomic_fetch_add(&c->wrong, 1);
        atomic_fetch_add(&c->seen[is_new], 1);
        handle_release(c->id);
    }
    return NULL;
}

/* Nobody is refused, nobody sees the old object once it was replaced. */
TEST(a_crowd_changes_over)
{
    enum { THREADS = 4 };
    crowd c = {.things = {0, 1}};
    pthread_t threads[THREADS];
    void *object = NULL;

    c.id = handle_issue(HANDLE_MODEL, &c.things[0]);
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, use, &c), 0);
    while (atomic_load(&c.seen[0]) < 1000) usleep(100);
    CHECK(handle_replace_begin(HANDLE_MODEL, c.id, clock_ns() + 20000 * MILLISECOND, &object));
    c.things[0] = 7; /* nobody looks at it any more */
    handle_replace_end(c.id, &c.things[1]);
    while (atomic_load(&c.seen[1]) < 1000) usleep(100);
    atomic_store(&c.stop, true);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&c.wrong), 0);
    close_now(c.id);
}

TEST_MAIN(RUN(the_object_is_another_one), RUN(users_that_stay_win), RUN(a_crowd_changes_over))
