/* measure.c -- see measure.h. */
#define _GNU_SOURCE
#include "measure.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_LEAST 3

void words_refuse(const char *usage)
{
    fprintf(stderr, "usage: %s\n", usage);
    exit(2);
}

/* False: `next` is missing. */
static bool take(const word_option *o, const char *next)
{
    if (o->flag != NULL) *o->flag = true;
    if (o->flag != NULL || next == NULL) return o->flag != NULL;
    if (o->text != NULL) *o->text = next;
    if (o->count != NULL) *o->count = (uint32_t)atoi(next);
    if (o->number != NULL) *o->number = atof(next);
    return true;
}

void words_read(int count, char **words, const char *usage, const word_option *options,
                const char **path)
{
    *path = NULL;
    for (int i = 1; i < count; i++) {
        const word_option *o = options;

        if (words[i][0] != '-' && *path == NULL) {
            *path = words[i];
            continue;
        }
        while (o->name != NULL && strcmp(o->name, words[i]) != 0) o++;
        if (o->name == NULL || !take(o, i + 1 < count ? words[i + 1] : NULL)) words_refuse(usage);
        i += o->flag == NULL;
    }
    if (*path == NULL) words_refuse(usage);
}

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* No stdio: its buffers would move what is measured. */
uint64_t process_bytes(const char *file, const char *key)
{
    char path[64], text[8192];

    snprintf(path, sizeof path, "/proc/self/%s", file);
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return 0;
    const ssize_t count = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    if (count <= 0) return 0;
    text[count] = 0;
    const char *line = strstr(text, key);
    return line == NULL ? 0 : strtoull(line + strlen(key), NULL, 10) * 1024;
}

uint64_t resident_bytes(void)
{
    return process_bytes("smaps_rollup", "Rss:");
}

void peak_reset(void)
{
    const int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

    if (file < 0) return;
    if (write(file, "5", 1) != 1) fprintf(stderr, "the peak of memory cannot be reset here\n");
    close(file);
}

uint64_t peak_bytes(void)
{
    return process_bytes("status", "VmHWM:");
}

static int compare_times(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void sort_times(uint64_t *times, size_t count)
{
    qsort(times, count, sizeof *times, compare_times);
}

size_t sample_times(uint64_t (*time_once)(void *context), void *context, double seconds,
                    uint64_t *times)
{
    const uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    size_t count = 0;

    while (count < SAMPLES_MAX && (count < SAMPLES_LEAST || now_ns() < end))
        times[count++] = time_once(context);
    sort_times(times, count);
    return count;
}

void serve_lines(void (*answer)(void *context, double seconds), void *context)
{
    char line[64];

    while (fgets(line, sizeof line, stdin) != NULL) answer(context, atof(line));
}

void must(ebb_status status, const ebb_error *error, const char *what)
{
    if (status == EBB_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, error->where, error->text);
    exit(3);
}

void subject_open_runtime(subject *s)
{
    ebb_error error = {0};

    must(ebb_runtime_open(NULL, &s->runtime, &error), &error, "open");
}

static void *allocate(uint64_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);

    if (memory == NULL) exit(3);
    memset(memory, 0, bytes);
    return memory;
}

/* Small positive numbers suit every kind of input: pixels, features, tokens. */
static void fill(ebb_view *view)
{
    const uint64_t count = ebb_view_bytes(view) / ebb_dtype_bytes(view->dtype);
    uint32_t state = 12345;

    for (uint64_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        if (view->dtype == EBB_F32) ((float *)view->data)[i] = (float)(state >> 8) / 16777216.0f;
        if (view->dtype == EBB_I32) ((int32_t *)view->data)[i] = (int32_t)(state >> 28);
        if (view->dtype == EBB_I64) ((int64_t *)view->data)[i] = (int64_t)(state >> 28);
    }
}

static void make_input(subject *s, uint32_t index, uint32_t batch)
{
    ebb_view *view = &s->inputs[index];
    ebb_tensor_info info;
    ebb_error error = {0};

    must(ebb_model_input(s->model, index, &info), &error, "input");
    view->dtype = info.dtype;
    view->rank = info.rank;
    for (uint32_t i = 0; i < info.rank; i++)
        view->dims[i] = info.dims[i] >= 0 ? info.dims[i] : i == 0 ? batch : 64;
    view->data = allocate(ebb_view_bytes(view));
    fill(view);
}

void subject_make_views(subject *s, uint32_t batch, const char *input_path)
{
    ebb_model_info info;
    ebb_error error = {0};

    must(ebb_model_info_read(s->model, &info), &error, "info");
    if (info.inputs > PORTS_MAX || info.outputs > PORTS_MAX) exit(3);
    if (input_path != NULL)
        must(ebb_arrays_open(s->runtime, input_path, &s->arrays, &error), &error, "input");
    for (uint32_t i = 0; i < info.inputs; i++) {
        const char *name;
        if (input_path == NULL)
            make_input(s, i, batch);
        else
            must(ebb_arrays_read(s->arrays, i, &name, &s->inputs[i]), &error, "input");
    }
    s->in = (ebb_views){s->inputs, info.inputs};
    must(ebb_model_output_shapes(s->model, &s->in, s->outputs, info.outputs, &error), &error,
         "shapes");
    for (uint32_t i = 0; i < info.outputs; i++)
        s->outputs[i].data = allocate(ebb_view_bytes(&s->outputs[i]));
    s->out = (ebb_views){s->outputs, info.outputs};
}

void subject_predict(subject *s)
{
    ebb_error error = {0};

    must(ebb_model_predict(s->model, &s->in, &s->out, &error), &error, "predict");
}

void subject_save(subject *s, const char *output_path)
{
    ebb_error error = {0};
    const char *const names[PORTS_MAX] = {"0", "1", "2",  "3",  "4",  "5",  "6",  "7",
                                          "8", "9", "10", "11", "12", "13", "14", "15"};

    subject_predict(s);
    must(ebb_arrays_save(s->runtime, output_path, names, &s->out, &error), &error, "output");
}

void subject_drop_views(subject *s)
{
    for (size_t i = 0; i < s->in.count && s->arrays.id == 0; i++) free(s->inputs[i].data);
    for (size_t i = 0; i < s->out.count; i++) free(s->outputs[i].data);
    if (s->arrays.id != 0) ebb_arrays_close(s->arrays);
    s->arrays = (ebb_arrays){0};
    s->in = s->out = (ebb_views){NULL, 0};
}
