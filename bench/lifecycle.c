/* lifecycle.c -- what starting, loading and unloading cost, in time and memory.
 *
 *     bench_lifecycle start                        opening the runtime
 *     bench_lifecycle load MODEL [OPTIONS]         plan, load, one prediction, unload, against
 * reading the file bench_lifecycle cycles N MODEL [OPTIONS]     load, predict, unload, N times
 *
 * OPTIONS: --threads N, --inference-only. Prints one line of JSON; bytes and nanoseconds.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure.h"

#define READ_PIECE ((size_t)16 << 20)

static void usage(void)
{
    fprintf(stderr, "usage: bench_lifecycle start | load MODEL | cycles N MODEL "
                    "[--threads N] [--inference-only]\n");
    exit(2);
}

static void show(const char *key, uint64_t value, const char *after)
{
    printf("\"%s\": %" PRIu64 "%s", key, value, after);
}

/* -- start ------------------------------------------------------------------------------------ */

static int start(void)
{
    subject s = {0};

    const uint64_t before = resident_bytes(), begin = now_ns();
    subject_open_runtime(&s);
    const uint64_t end = now_ns(), after = resident_bytes();
    printf("{");
    show("open_ns", end - begin, ", ");
    show("rss_added", after > before ? after - before : 0, ", ");
    show("rss", after, "}\n");
    ebb_runtime_close(s.runtime, NULL);
    return 0;
}

/* -- load ---------------------------------------------------------------------------------------
 */

/* Time to read a file that is in the page cache into fresh memory, piece by piece. */
static uint64_t read_time(const char *path)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const off_t end = file < 0 ? -1 : lseek(file, 0, SEEK_END);

    if (end <= 0) return 0; /* a folder */
    const uint64_t begin = now_ns();
    char *memory =
        mmap(NULL, (size_t)end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) exit(3);
    madvise(memory, (size_t)end, MADV_HUGEPAGE);
    for (off_t at = 0; at < end;) {
        const ssize_t got = pread(file, memory + at, READ_PIECE, at);
        if (got <= 0) exit(3);
        at += got;
    }
    const uint64_t time = now_ns() - begin;
    munmap(memory, (size_t)end);
    close(file);
    return time;
}

static uint64_t code_free_live(ebb_model model)
{
    ebb_memory memory = {0};

    ebb_model_memory_read(model, &memory);
    return memory.live;
}

static int load(const char *path, const ebb_load_options *options)
{
    ebb_error error = {0};
    ebb_receipt receipt = {0};
    ebb_plan plan = {0};
    subject s = {0};

    (void)read_time(path); /* now it is in the page cache */
    subject_open_runtime(&s);
    must(ebb_model_plan(s.runtime, path, options, &plan, &error), &error, "plan");
    const uint64_t read_before = read_time(path), rss_before = resident_bytes();
    peak_reset();
    uint64_t begin = now_ns();
    must(ebb_model_load(s.runtime, path, options, &s.model, &error), &error, "load");
    const uint64_t load_ns = now_ns() - begin, peak = peak_bytes(), rss_loaded = resident_bytes();
    const uint64_t live = code_free_live(s.model);
    subject_make_views(&s, 1, NULL);
    begin = now_ns();
    subject_predict(&s);
    const uint64_t predict_ns = now_ns() - begin;
    subject_drop_views(&s);
    must(ebb_model_unload(s.model, NULL, &receipt, &error), &error, "unload");
    const uint64_t rss_after = resident_bytes(), read_after = read_time(path);
    printf("{");
    show("file", plan.file_bytes, ", ");
    show("read_ns", read_before < read_after ? read_before : read_after, ", ");
    show("load_ns", load_ns, ", ");
    show("first_predict_ns", predict_ns, ", ");
    show("unload_ns", receipt.time_ns, ", ");
    show("plan", plan.total, ", ");
    show("ledger", live, ", ");
    show("rss_before", rss_before, ", ");
    show("rss_peak", peak, ", ");
    show("rss_loaded", rss_loaded, ", ");
    show("rss_after", rss_after, "}\n");
    ebb_runtime_close(s.runtime, NULL);
    return 0;
}

/* -- cycles ------------------------------------------------------------------------------------ */

static void cycle(subject *s, const char *path, const ebb_load_options *options)
{
    ebb_error error = {0};

    must(ebb_model_load(s->runtime, path, options, &s->model, &error), &error, "load");
    subject_make_views(s, 1, NULL);
    subject_predict(s);
    subject_drop_views(s);
    must(ebb_model_unload(s->model, NULL, NULL, &error), &error, "unload");
}

static int cycles(uint32_t count, const char *path, const ebb_load_options *options)
{
    subject s = {0};
    ebb_memory before = {0}, after = {0};
    uint64_t rss_10 = 0, rss = 0, most = 0;

    subject_open_runtime(&s);
    ebb_memory_read(s.runtime, &before);
    const uint64_t begin = now_ns();
    for (uint32_t i = 1; i <= count; i++) {
        cycle(&s, path, options);
        rss = resident_bytes();
        if (i == 10) rss_10 = most = rss;
        if (i > 10 && rss > most) most = rss;
    }
    const uint64_t time = now_ns() - begin;
    ebb_memory_read(s.runtime, &after);
    printf("{");
    show("cycles", count, ", ");
    show("cycle_ns", time / count, ", ");
    show("rss_cycle_10", rss_10, ", ");
    show("rss_most", most, ", ");
    show("rss_last", rss, ", ");
    show("ledger_before", before.live, ", ");
    show("ledger_after", after.live, ", ");
    show("threads_after", after.threads, ", ");
    show("descriptors_after", after.descriptors, "}\n");
    ebb_runtime_close(s.runtime, NULL);
    return 0;
}

static void read_options(int count, char **words, ebb_load_options *options)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "--inference-only") == 0) {
            options->inference_only = true;
        } else if (strcmp(words[i], "--threads") == 0 && i + 1 < count) {
            options->threads = (uint32_t)atoi(words[++i]);
        } else {
            usage();
        }
    }
}

int main(int count, char **words)
{
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;

    options.batch = 1;
    if (count == 2 && strcmp(words[1], "start") == 0) return start();
    if (count >= 3 && strcmp(words[1], "load") == 0) {
        read_options(count - 3, words + 3, &options);
        return load(words[2], &options);
    }
    if (count >= 4 && strcmp(words[1], "cycles") == 0) {
        read_options(count - 4, words + 4, &options);
        return cycles((uint32_t)atoi(words[2]), words[3], &options);
    }
    usage();
    return 2;
}
