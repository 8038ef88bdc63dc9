/* session.c -- the time of a run of a small graph, and sessions opened and closed in a loop.
 *
 *     bench_session run|cycles|all [--cycles N] [--seconds S]
 *
 * The graph has two placeholders of four numbers and three operations: relu(x * y + x). Prints one
 * line of JSON for the run (nanoseconds of a call), one for the cycles. Fails when a byte is left
 * in the ledger after a cycle, or when memory of the process grows by more than 256 KiB after the
 * first hundredth of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

#define SAMPLE_LEAST_NS 20000
#define RSS_SLACK_KIB   256

typedef struct scene {
    ebb_runtime runtime;
    ebb_graph graph;
    ebb_session session;
    ebb_tensor x, y, r, init;
    float a[4], b[4], result[4];
    uint32_t group; /* runs of a sample */
} scene;

static void run_once(scene *s, ebb_session session)
{
    ebb_error error;
    const ebb_feed feeds[] = {{s->x, {EBB_F32, 1, {4}, s->a}}, {s->y, {EBB_F32, 1, {4}, s->b}}};
    const ebb_view out = {EBB_F32, 1, {4}, s->result};

    must(ebb_session_run(session, feeds, 2, &s->r, &out, 1, NULL, 0, &error), &error, "run");
}

static void scene_open(scene *s)
{
    ebb_error error;
    float zeros[4] = {0};

    must(ebb_runtime_open(NULL, &s->runtime, &error), &error, "runtime");
    must(ebb_graph_open(s->runtime, NULL, &s->graph, &error), &error, "graph");
    s->x = ebb_graph_placeholder(s->graph, "x", EBB_F32, 1, (int64_t[]){4});
    s->y = ebb_graph_placeholder(s->graph, "y", EBB_F32, 1, (int64_t[]){4});
    s->r = ebb_relu(s->graph, ebb_add(s->graph, ebb_mul(s->graph, s->x, s->y), s->x));
    (void)ebb_graph_variable(s->graph, "w", &(ebb_view){EBB_F32, 1, {4}, zeros});
    s->init = ebb_graph_initializer(s->graph);
    must(ebb_graph_error(s->graph, &error), &error, "graph");
    must(ebb_session_open(s->graph, NULL, &s->session, &error), &error, "session");
    for (int i = 0; i < 4; i++) {
        s->a[i] = (float)i - 1;
        s->b[i] = 2;
    }
    run_once(s, s->session);
}

static uint64_t time_group(void *context)
{
    scene *s = context;
    const uint64_t begin = now_ns();

    for (uint32_t i = 0; i < s->group; i++) run_once(s, s->session);
    return now_ns() - begin;
}

static void measure_run(scene *s, double seconds)
{
    uint64_t *times = calloc(SAMPLES_MAX, sizeof *times);

    if (times == NULL) exit(1);
    for (s->group = 1; time_group(s) < SAMPLE_LEAST_NS;) s->group *= 2;
    const size_t count = sample_times(time_group, s, seconds, times);
    const double group = s->group;
    printf("{\"run\": \"3 operations\", \"calls\": %zu, \"least_ns\": %.0f, \"median_ns\": %.0f, "
           "\"p90_ns\": %.0f, \"p99_ns\": %.0f}\n",
           count * s->group, (double)times[0] / group, (double)times[count / 2] / group,
           (double)times[count * 90 / 100] / group, (double)times[count * 99 / 100] / group);
    free(times);
}

static uint64_t live(const scene *s)
{
    ebb_memory memory = {0};

    ebb_memory_read(s->runtime, &memory);
    return memory.live;
}

/* Every tenth cycle initializes a variable and runs, so that there is something to give back. */
static int measure_cycles(scene *s, uint32_t cycles)
{
    const uint64_t before = live(s), begin = now_ns();
    uint64_t rss_early = 0;
    ebb_error error;

    for (uint32_t i = 0; i < cycles; i++) {
        ebb_session session;
        must(ebb_session_open(s->graph, NULL, &session, &error), &error, "open");
        if (i % 10 == 0) {
            must(ebb_session_target(session, s->init, &error), &error, "initializer");
            run_once(s, session);
        }
        must(ebb_session_close(session, NULL, &error), &error, "close");
        if (live(s) != before) {
            fprintf(stderr, "cycle %u: %llu bytes are left\n", i,
                    (unsigned long long)(live(s) - before));
            return 1;
        }
        if (i == cycles / 100) rss_early = resident_bytes();
    }
    const uint64_t rss = resident_bytes();
    printf("{\"cycles\": %u, \"cycle_ns\": %.0f, \"rss_early_kib\": %llu, \"rss_kib\": %llu}\n",
           cycles, (double)(now_ns() - begin) / cycles, (unsigned long long)rss_early / 1024,
           (unsigned long long)rss / 1024);
    return rss > rss_early + RSS_SLACK_KIB * 1024;
}

int main(int count, char **words)
{
    static const char usage[] = "bench_session run|cycles|all [--cycles N] [--seconds S]";
    const char *what = NULL;
    uint32_t cycles = 100000;
    double seconds = 1;
    const word_option options[] = {
        {"--cycles", .count = &cycles}, {"--seconds", .number = &seconds}, {0}};
    scene s = {0};

    words_read(count, words, usage, options, &what);
    const bool all = strcmp(what, "all") == 0;
    if (!all && strcmp(what, "run") != 0 && strcmp(what, "cycles") != 0) words_refuse(usage);
    scene_open(&s);
    if (all || strcmp(what, "run") == 0) measure_run(&s, seconds);
    const int result = all || strcmp(what, "cycles") == 0 ? measure_cycles(&s, cycles) : 0;
    ebb_runtime_close(s.runtime, NULL);
    return result;
}
