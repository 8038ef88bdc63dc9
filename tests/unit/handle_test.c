/* handle_test.c -- handles: stale answers, one closer, waiting, deadlines, many threads, fork. */
#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "mem/handle.h"

#define MILLISECOND ((uint64_t)1000000)

static void close_now(handle_kind kind, uint64_t id)
{
    void *object = NULL;
    CHECK(handle_close_begin(kind, id, 0, &object));
    CHECK(object != NULL);
    handle_close_end(id);
}

TEST(handle_lives_once)
{
    int thing = 0;
    const uint64_t id = handle_issue(HANDLE_MODEL, &thing);
    CHECK(id != 0);
    CHECK(handle_alive(HANDLE_MODEL, id));
    CHECK(handle_acquire(HANDLE_MODEL, id) == &thing);
    CHECK(handle_acquire(HANDLE_MODEL, id) == &thing);
    handle_release(id);
    handle_release(id);
    CHECK(handle_acquire(HANDLE_RUNTIME, id) == NULL);
    CHECK(!handle_alive(HANDLE_RUNTIME, id));
    close_now(HANDLE_MODEL, id);
    CHECK(!handle_alive(HANDLE_MODEL, id));
    CHECK(handle_acquire(HANDLE_MODEL, id) == NULL);
    void *object = &thing;
    CHECK(!handle_close_begin(HANDLE_MODEL, id, 0, &object));
    CHECK(object == NULL);
}

TEST(handle_refuses_ids_that_never_were)
{
    static const uint64_t ids[] = {0,
                                   1,
                                   UINT64_MAX,
                                   (uint64_t)1 << 32,
                                   (uint64_t)1 << 32 | 169,
                                   (uint64_t)7 << 32 | 3,
                                   (uint64_t)1 << 63,
                                   0xFFFFFFFFu,
                                   (uint64_t)1 << 32 | 700000};
    int thing = 0;
    uint64_t issued = handle_issue(HANDLE_MODEL, &thing);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        void *object = &thing;
        if (ids[i] == issued) continue;
        CHECK(handle_acquire(HANDLE_MODEL, ids[i]) == NULL);
        CHECK(!handle_alive(HANDLE_MODEL, ids[i]));
        CHECK(!handle_close_begin(HANDLE_MODEL, ids[i], 0, &object));
        CHECK(object == NULL);
        handle_release(ids[i]);
    }
    CHECK(handle_acquire(HANDLE_MODEL, issued + ((uint64_t)1 << 32)) == NULL); /* the next one */
    close_now(HANDLE_MODEL, issued);
    CHECK(handle_acquire(HANDLE_MODEL, issued + ((uint64_t)1 << 32)) == NULL); /* not issued yet */
}

/* Slots are reused, ids never. */
TEST(handle_ids_are_never_reissued)
{
    enum { COUNT = 5000 };
    static uint64_t ids[COUNT];
    int thing = 0;
    const uint64_t bytes = handle_bytes_fixed();
    for (size_t i = 0; i < COUNT; i++) {
        ids[i] = handle_issue(HANDLE_GRAPH, &thing);
        CHECK(i == 0 || ids[i] != ids[i - 1]);
        close_now(HANDLE_GRAPH, ids[i]);
    }
    for (size_t i = 0; i < COUNT; i++) CHECK(!handle_alive(HANDLE_GRAPH, ids[i]));
    for (size_t i = 1; i < COUNT; i++) CHECK(ids[i] > ids[i - 1]); /* one slot: generations grow */
    CHECK(handle_bytes_fixed() <= bytes + PAGE_BYTES);
}

TEST(handle_many_at_a_time)
{
    enum { COUNT = 3000 };
    static uint64_t ids[COUNT];
    static int things[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        ids[i] = handle_issue(HANDLE_SESSION, &things[i]);
        CHECK(ids[i] != 0);
    }
    const uint64_t bytes = handle_bytes_fixed();
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(handle_acquire(HANDLE_SESSION, ids[i]) == &things[i]);
        handle_release(ids[i]);
    }
    for (size_t i = 0; i < COUNT; i += 2) close_now(HANDLE_SESSION, ids[i]);
    for (size_t i = 0; i < COUNT; i++) CHECK_EQ(handle_alive(HANDLE_SESSION, ids[i]), i % 2);
    for (size_t i = 1; i < COUNT; i += 2) close_now(HANDLE_SESSION, ids[i]);
    for (size_t i = 0; i < COUNT; i++) ids[i] = handle_issue(HANDLE_SESSION, &things[i]);
    CHECK_EQ(handle_bytes_fixed(), bytes);
    for (size_t i = 0; i < COUNT; i++) close_now(HANDLE_SESSION, ids[i]);
}

TEST(handle_close_gives_up_at_the_deadline)
{
    int thing = 0;
    void *object = NULL;
    const uint64_t id = handle_issue(HANDLE_MODEL, &thing);
    CHECK(handle_acquire(HANDLE_MODEL, id) != NULL);
    const uint64_t begin = clock_ns();
    CHECK(!handle_close_begin(HANDLE_MODEL, id, begin + 20 * MILLISECOND, &object));
    CHECK(object == &thing);
    CHECK(clock_ns() - begin >= 20 * MILLISECOND);
    CHECK(!handle_close_begin(HANDLE_MODEL, id, 1, &object)); /* long past */
    CHECK(object == &thing);
    CHECK(handle_acquire(HANDLE_MODEL, id) == &thing);
    handle_release(id);
    handle_release(id);
    CHECK(handle_close_begin(HANDLE_MODEL, id, 1, &object));
    CHECK(handle_acquire(HANDLE_MODEL, id) == NULL);
    handle_close_cancel(id);
    CHECK(handle_acquire(HANDLE_MODEL, id) == &thing);
    handle_release(id);
    close_now(HANDLE_MODEL, id);
}

TEST(handle_release_without_users_is_harmless)
{
    int thing = 0;
    const uint64_t id = handle_issue(HANDLE_MODEL, &thing);
    handle_release(id);
    CHECK(handle_alive(HANDLE_MODEL, id));
    close_now(HANDLE_MODEL, id);
    handle_release(id);
    const uint64_t next = handle_issue(HANDLE_MODEL, &thing);
    CHECK(handle_acquire(HANDLE_MODEL, next) != NULL);
    handle_release(id); /* stale: must not take the user of the next one */
    void *object;
    CHECK(!handle_close_begin(HANDLE_MODEL, next, 1, &object));
    handle_release(next);
    close_now(HANDLE_MODEL, next);
}

/* -- threads ----------------------------------------------------------------------------------- */

static void pause_ns(uint64_t ns)
{
    const struct timespec pause = {0, (long)ns};
    nanosleep(&pause, NULL);
}

static void *release_later(void *context)
{
    const uint64_t *id = context;
    pause_ns(20 * MILLISECOND);
    handle_release(*id);
    return NULL;
}

TEST(handle_close_waits_for_users)
{
    int thing = 0;
    void *object = NULL;
    pthread_t thread;
    uint64_t id = handle_issue(HANDLE_MODEL, &thing);
    CHECK(handle_acquire(HANDLE_MODEL, id) != NULL);
    const uint64_t begin = clock_ns();
    CHECK_EQ(pthread_create(&thread, NULL, release_later, &id), 0);
    CHECK(handle_close_begin(HANDLE_MODEL, id, 0, &object));
    CHECK(clock_ns() - begin >= 15 * MILLISECOND);
    handle_close_end(id);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* Objects are marked dead when their handle is closed: a user that sees a dead one has been
 * betrayed. */
enum { OBJECTS = 16, ROUNDS = 3000, WORKERS = 6 };

typedef struct target {
    uint32_t alive; /* plain on purpose: the thread sanitizer checks the order */
    uint32_t value;
} target;

typedef struct arena {
    _Atomic uint64_t ids[OBJECTS];
    target objects[OBJECTS];
    _Atomic uint32_t betrayed, served, closed, lost;
    _Atomic bool stop;
} arena;

static void *use(void *context)
{
    arena *a = context;
    uint32_t random = 1;
    while (!atomic_load(&a->stop)) {
        random = random * 1664525u + 1013904223u;
        const uint64_t id = atomic_load(&a->ids[random >> 28]);
        const target *found = handle_acquire(HANDLE_MODEL, id);
        if (found == NULL) continue;
        if (found->alive != 1) atomic_fetch_add(&a->betrayed, 1);
        atomic_fetch_add(&a->served, 1);
        handle_release(id);
    }
    return NULL;
}

static void *replace(void *context)
{
    arena *a = context;
    uint32_t random = 77;
    for (size_t round = 0; round < ROUNDS; round++) {
        random = random * 1664525u + 1013904223u;
        const size_t place = random >> 28;
        const uint64_t id = atomic_load(&a->ids[place]);
        const uint64_t deadline = round % 3 == 0 ? clock_ns() + 100 : 0;
        void *closed = NULL;
        if (!handle_close_begin(HANDLE_MODEL, id, deadline, &closed)) {
            atomic_fetch_add(&a->lost, 1);
            continue;
        }
        target *o = closed;
        o->alive = 0;
        handle_close_end(id);
        o->value++;
        o->alive = 1;
        atomic_store(&a->ids[place], handle_issue(HANDLE_MODEL, o));
        atomic_fetch_add(&a->closed, 1);
    }
    return NULL;
}

TEST(handle_stands_many_threads)
{
    static arena a;
    pthread_t threads[WORKERS + 2];
    for (size_t i = 0; i < OBJECTS; i++) {
        a.objects[i].alive = 1;
        atomic_store(&a.ids[i], handle_issue(HANDLE_MODEL, &a.objects[i]));
    }
    for (size_t i = 0; i < WORKERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, use, &a), 0);
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&threads[WORKERS + i], NULL, replace, &a), 0);
    }
    for (size_t i = 0; i < 2; i++) CHECK_EQ(pthread_join(threads[WORKERS + i], NULL), 0);
    atomic_store(&a.stop, true);
    for (size_t i = 0; i < WORKERS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(a.betrayed, 0);
    CHECK_EQ(a.closed + a.lost, 2 * ROUNDS);
    CHECK(a.closed > ROUNDS / 10);
    uint32_t values = 0;
    for (size_t i = 0; i < OBJECTS; i++) {
        values += a.objects[i].value;
        close_now(HANDLE_MODEL, a.ids[i]);
    }
    CHECK_EQ(values, a.closed);
}

typedef struct race {
    pthread_barrier_t barrier;
    uint64_t id;
    _Atomic uint32_t won;
} race;

static void *close_racing(void *context)
{
    race *r = context;
    void *object = NULL;
    pthread_barrier_wait(&r->barrier);
    if (handle_close_begin(HANDLE_MODEL, r->id, 0, &object)) {
        atomic_fetch_add(&r->won, 1);
        handle_close_end(r->id);
    }
    return NULL;
}

TEST(handle_one_closer_wins)
{
    for (size_t round = 0; round < 50; round++) {
        int thing = 0;
        race r = {.id = handle_issue(HANDLE_MODEL, &thing)};
        pthread_t threads[4];
        CHECK_EQ(pthread_barrier_init(&r.barrier, NULL, 4), 0);
        for (size_t i = 0; i < 4; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, close_racing, &r), 0);
        }
        for (size_t i = 0; i < 4; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
        pthread_barrier_destroy(&r.barrier);
        CHECK_EQ(r.won, 1);
        CHECK(!handle_alive(HANDLE_MODEL, r.id));
    }
}

/* -- fork -------------------------------------------------------------------------------------- */

static int child_checks(uint64_t used, uint64_t closing, const int *thing)
{
    void *object = NULL;
    handle_after_fork();
    if (handle_alive(HANDLE_MODEL, closing)) return 1;
    if (handle_acquire(HANDLE_MODEL, used) != thing) return 2;
    handle_release(used);
    handle_release(used); /* the forking thread's own, from before */
    if (!handle_close_begin(HANDLE_MODEL, used, clock_ns() + 1000 * MILLISECOND, &object)) return 3;
    handle_close_end(used);
    return handle_issue(HANDLE_MODEL, object) != 0 ? 0 : 4;
}

TEST(handle_child_has_no_users)
{
    int thing = 0;
    void *object = NULL;
    const uint64_t used = handle_issue(HANDLE_MODEL, &thing);
    const uint64_t closing = handle_issue(HANDLE_MODEL, &thing);
    CHECK(handle_acquire(HANDLE_MODEL, used) != NULL);
    CHECK(handle_close_begin(HANDLE_MODEL, closing, 0, &object));
    handle_before_fork();
    const pid_t child = fork();
    if (child == 0) _exit(child_checks(used, closing, &thing));
    handle_after_fork_parent();
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    handle_close_end(closing);
    handle_release(used);
    close_now(HANDLE_MODEL, used);
}

TEST_MAIN(RUN(handle_lives_once), RUN(handle_refuses_ids_that_never_were),
          RUN(handle_ids_are_never_reissued), RUN(handle_many_at_a_time),
          RUN(handle_close_gives_up_at_the_deadline), RUN(handle_release_without_users_is_harmless),
          RUN(handle_close_waits_for_users), RUN(handle_stands_many_threads),
          RUN(handle_one_closer_wins), RUN(handle_child_has_no_users))
