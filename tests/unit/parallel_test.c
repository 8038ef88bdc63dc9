/* parallel_test.c -- teams: every part is done once, whoever does it; results do not depend on the
 * team; teams come, go and are forgotten.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/cpu/parallel.h"
#include "harness.h"

#define CELLS  997
#define ROUNDS 3000

typedef struct tally {
    uint32_t times[CELLS];
    double sums[CELLS]; /* by first cell of a range */
} tally;

static void count_range(void *context, size_t begin, size_t end)
{
    tally *const c = context;
    double sum = 0;

    for (size_t i = begin; i < end; i++) {
        c->times[i]++;
        sum += 1.0 / (double)(i + 1);
    }
    c->sums[begin] += sum;
}

/* Many short jobs one after the other: a worker that is late for one must not touch the next. */
TEST(every_part_is_done_once)
{
    static parallel_team team;
    static tally c;

    CHECK_EQ(parallel_team_start(&team, 3), 3);
    parallel_lead(&team);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const size_t count = 1 + round % CELLS;

        memset(&c, 0, sizeof c);
        parallel_for(4, count, 1 + round % 7, count_range, &c);
        for (size_t i = 0; i < CELLS; i++) CHECK_EQ(c.times[i], i < count);
    }
    parallel_lead_end();
    parallel_team_stop(&team);
}

TEST(results_do_not_depend_on_the_team)
{
    static parallel_team team;
    static tally alone, helped;

    for (uint32_t threads = 1; threads <= 8; threads++) {
        memset(&alone, 0, sizeof alone);
        memset(&helped, 0, sizeof helped);
        parallel_for(threads, CELLS, 3, count_range, &alone);
        CHECK_EQ(parallel_team_start(&team, 2), 2);
        parallel_lead(&team);
        parallel_for(threads, CELLS, 3, count_range, &helped);
        parallel_lead_end();
        parallel_team_stop(&team);
        CHECK(memcmp(&alone, &helped, sizeof alone) == 0);
    }
}

/* Long enough for workers to fall asleep in between. */
TEST(sleeping_workers_wake)
{
    static parallel_team team;
    static tally c;

    CHECK_EQ(parallel_team_start(&team, 2), 2);
    for (uint32_t round = 0; round < 20; round++) {
        usleep(3000);
        memset(&c, 0, sizeof c);
        parallel_lead(&team);
        parallel_for(3, CELLS, 1, count_range, &c);
        parallel_lead_end();
        for (size_t i = 0; i < CELLS; i++) CHECK_EQ(c.times[i], 1);
    }
    usleep(3000);
    parallel_team_stop(&team);
    CHECK_EQ(team.worker_count, 0);
}

/* A child has the struct but not the threads. */
TEST(a_forked_child_forgets_its_team)
{
    static parallel_team team;
    static tally c;

    CHECK_EQ(parallel_team_start(&team, 1), 1);
    const pid_t child = fork();
    if (child == 0) {
        parallel_team_forget(&team);
        parallel_lead(&team);
        parallel_for(2, CELLS, 1, count_range, &c);
        parallel_lead_end();
        bool good = true;
#ifndef __SANITIZE_THREAD__ /* it ends a child that starts threads */
        good = parallel_team_start(&team, 1) == 1;
#endif
        for (size_t i = 0; i < CELLS; i++) good = good && c.times[i] == 1;
        parallel_team_stop(&team);
        _exit(good ? 0 : 1);
    }
    int status = 1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    parallel_team_stop(&team);
}

TEST_MAIN(RUN(every_part_is_done_once), RUN(results_do_not_depend_on_the_team),
          RUN(sleeping_workers_wake), RUN(a_forked_child_forgets_its_team))
