/* profiler_test.c -- the timeline of live bytes: exact sums, bounded memory, every format. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "digits.h"
#include "json/json.h"
#include "profile/timeline.h"
#include "temporary.h"

typedef struct buffer {
    char *text;
    size_t length, capacity;
    bool stops;
} buffer;

static bool put(void *context, const char *text, size_t length)
{
    buffer *b = context;

    if (b->stops) return false;
    CHECK(b->length + length < b->capacity);
    memcpy(b->text + b->length, text, length);
    b->length += length;
    b->text[b->length] = '\0';
    return true;
}

static buffer open_buffer(test *t)
{
    buffer b = {.capacity = 8 << 20};

    b.text = region_block(t->home, b.capacity);
    CHECK(b.text != NULL);
    return b;
}

/* Load, predict, unload, twice. */
static void work(test *t, const digits *d, ebb_profiler profiler)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_model model;

    for (int i = 0; i < 2; i++) {
        CHECK_OK(
            ebb_model_load(d->runtime, i == 0 ? digits_mlp : digits_cnn, NULL, &model, &t->error));
        CHECK_OK(ebb_profiler_mark(profiler, i == 0 ? "predict <\"&'" : "predict again"));
        for (int k = 0; k < 10; k++) CHECK_OK(digits_predict(d, model, 4, y, &t->error));
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
}

static const json *read_profile(test *t, ebb_profiler profiler, ebb_profile_format format)
{
    buffer b = open_buffer(t);
    const json *result = NULL;

    CHECK_OK(ebb_profiler_write(profiler, format, put, &b, &t->error));
    CHECK_OK(json_read(t->home, b.text, b.length, "profile", &result, &t->error));
    return result;
}

static int64_t sum_of(const json *list)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < list->count; i++) sum += json_integer(json_item(list, i), -1);
    return sum;
}

TEST(every_moment_adds_up)
{
    digits d;
    ebb_profiler profiler;
    ebb_profile figures;
    ebb_memory memory;

    digits_open(t, &d, NULL);
    const uint64_t before = digits_live(&d);
    CHECK_OK(ebb_profiler_start(d.runtime, NULL, &profiler, &t->error));
    CHECK_OK(ebb_profiler_read(profiler, &figures));
    CHECK_EQ(figures.current, before);
    CHECK_EQ(figures.moments, 1);
    CHECK_EQ(figures.bytes_profiler, digits_live(&d) - before);
    work(t, &d, profiler);
    CHECK_OK(ebb_memory_read(d.runtime, &memory));
    CHECK_OK(ebb_profiler_read(profiler, &figures));
    CHECK_EQ(figures.current, before);
    CHECK_EQ(figures.peak, memory.peak - figures.bytes_profiler);
    CHECK_EQ(figures.marks, 2);
    CHECK_EQ(figures.spans, 24); /* two loads, twenty predictions, two unloads */
    CHECK_EQ(figures.joined, 0);
    CHECK(figures.moments > 10 && figures.changes + 1 >= figures.moments);
    CHECK_OK(ebb_profiler_stop(profiler));
    CHECK_OK(ebb_profiler_stop(profiler));
    CHECK_STATUS(ebb_profiler_mark(profiler, "late"), EBB_E_STATE);
    const json *profile = read_profile(t, profiler, EBB_PROFILE_JSON);
    const json *moments = json_get(profile, "moments"), *owners = json_get(profile, "owners");
    int64_t highest = 0, time = 0;
    for (uint32_t i = 0; i < moments->count; i++) {
        const json *m = json_item(moments, i);
        const int64_t bytes = json_integer(json_get(m, "bytes"), -1);
        CHECK_EQ(sum_of(json_get(m, "owners")), bytes);
        CHECK_EQ(sum_of(json_get(m, "classes")), bytes);
        CHECK_EQ(json_get(m, "owners")->count, owners->count);
        CHECK(json_integer(json_get(m, "time_ns"), -1) >= time);
        time = json_integer(json_get(m, "time_ns"), -1);
        if (bytes > highest) highest = bytes;
    }
    CHECK_EQ(highest, figures.peak);
    CHECK_EQ(json_integer(json_get(profile, "peak"), -1), figures.peak);
    CHECK_EQ(json_integer(json_get(json_item(moments, moments->count - 1), "bytes"), -1), before);
    CHECK_OK(ebb_profiler_close(profiler));
    CHECK_STATUS(ebb_profiler_read(profiler, &figures), EBB_E_STALE);
    CHECK_EQ(digits_live(&d), before);
    digits_close(t, &d);
}

TEST(its_memory_never_grows_and_peaks_stay)
{
    digits d;
    ebb_profiler profiler;
    ebb_profiler_options options = EBB_PROFILER_OPTIONS_INIT;
    ebb_profile figures;

    options.moments_max = 64;
    options.owners_max = 2; /* the runtime and one model; the other one is among the others */
    options.spans_max = 7;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_profiler_start(d.runtime, &options, &profiler, &t->error));
    const uint64_t live = digits_live(&d);
    for (int i = 0; i < 20; i++) {
        work(t, &d, profiler);
        CHECK_EQ(digits_live(&d), live);
    }
    CHECK_OK(ebb_profiler_read(profiler, &figures));
    CHECK(figures.moments <= 65);
    CHECK(figures.joined > 100);
    CHECK_EQ(figures.spans, 7);
    CHECK_EQ(figures.spans_dropped, 20 * 24 - 7);
    CHECK_EQ(figures.owners, 3);
    CHECK_EQ(figures.marks, 40);
    CHECK_EQ(figures.current, live - figures.bytes_profiler);
    const json *profile = read_profile(t, profiler, EBB_PROFILE_JSON);
    const json *moments = json_get(profile, "moments");
    int64_t highest = 0;
    for (uint32_t i = 0; i < moments->count; i++) {
        const json *m = json_item(moments, i);
        const int64_t bytes = json_integer(json_get(m, "bytes"), -1);
        CHECK_EQ(sum_of(json_get(m, "owners")), bytes);
        CHECK_EQ(sum_of(json_get(m, "classes")), bytes);
        if (bytes > highest) highest = bytes;
    }
    CHECK_EQ(highest, figures.peak);
    CHECK_TEXT(json_text(json_get(json_item(json_get(profile, "owners"), 2), "name"), ""),
               "others");
    CHECK_OK(ebb_profiler_close(profiler));
    options.bytes_max = 4096;
    CHECK_STATUS(ebb_profiler_start(d.runtime, &options, &profiler, &t->error), EBB_E_ARGUMENT);
    options.bytes_max = 32768;
    CHECK_OK(ebb_profiler_start(d.runtime, &options, &profiler, &t->error));
    CHECK_OK(ebb_profiler_read(profiler, &figures));
    CHECK(figures.bytes_profiler <= 32768);
    digits_close(t, &d);
}

TEST(an_interval_keeps_its_highest_moment_and_its_end)
{
    digits d;
    ebb_profiler profiler;
    ebb_profiler_options options = EBB_PROFILER_OPTIONS_INIT;
    ebb_profile figures;

    options.interval_ns = 3600000000000u;
    digits_open(t, &d, NULL);
    const uint64_t before = digits_live(&d);
    CHECK_OK(ebb_profiler_start(d.runtime, &options, &profiler, &t->error));
    work(t, &d, profiler);
    CHECK_OK(ebb_profiler_stop(profiler));
    CHECK_OK(ebb_profiler_read(profiler, &figures));
    CHECK_EQ(figures.moments, 2);
    const json *moments = json_get(read_profile(t, profiler, EBB_PROFILE_JSON), "moments");
    CHECK_EQ(moments->count, 2);
    CHECK_EQ(json_integer(json_get(json_item(moments, 0), "bytes"), -1), figures.peak);
    CHECK_EQ(json_integer(json_get(json_item(moments, 1), "bytes"), -1), before);
    digits_close(t, &d);
}

TEST(owners_in_scopes_have_names_of_their_own)
{
    digits d;
    ebb_profiler profiler;
    ebb_scope fold;
    ebb_scope_options options = EBB_SCOPE_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_model model;
    buffer b = open_buffer(t);

    options.tag = "fold 1";
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_scope_open(d.runtime, &options, &fold, &t->error));
    CHECK_OK(ebb_profiler_start(d.runtime, NULL, &profiler, &t->error));
    load.scope = fold;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ebb_model_load(d.runtime, digits_mlp, &load, &model, &t->error));
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    CHECK_OK(ebb_profiler_write(profiler, EBB_PROFILE_TEXT, put, &b, &t->error));
    CHECK_CONTAINS(b.text, "\nfold 1/");
    CHECK_CONTAINS(b.text, "      3\n"); /* one column, three times */
    CHECK_CONTAINS(b.text, "load: 3, mean ");
    digits_close(t, &d);
}

TEST(drawings_and_traces_are_whole)
{
    digits d;
    ebb_profiler profiler;
    buffer b = open_buffer(t);

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_profiler_start(d.runtime, NULL, &profiler, &t->error));
    work(t, &d, profiler);
    CHECK_OK(ebb_profiler_write(profiler, EBB_PROFILE_SVG, put, &b, &t->error));
    CHECK_EQ(strncmp(b.text, "<svg xmlns=", 11), 0);
    CHECK_TEXT(b.text + b.length - 7, "</svg>\n");
    CHECK_CONTAINS(b.text, "predict &#60;&#34;&#38;'"); /* as in XML */
    CHECK_CONTAINS(b.text, "peak ");
    CHECK(strstr(b.text, "nan") == NULL && strstr(b.text, "inf") == NULL);
    const json *events = json_get(read_profile(t, profiler, EBB_PROFILE_TRACE), "traceEvents");
    uint32_t counters = 0, spans = 0, marks = 0;
    for (uint32_t i = 0; i < events->count; i++) {
        const json *kind = json_get(json_item(events, i), "ph");
        counters += json_is_text(kind, "C");
        spans += json_is_text(kind, "X");
        marks += json_is_text(kind, "i");
    }
    CHECK(counters > 10);
    CHECK_EQ(spans, 24);
    CHECK_EQ(marks, 2);
    b.stops = true;
    CHECK_STATUS(ebb_profiler_write(profiler, EBB_PROFILE_SVG, put, &b, &t->error),
                 EBB_E_CANCELLED);
    CHECK_STATUS(ebb_profiler_write(profiler, (ebb_profile_format)4, put, &b, &t->error),
                 EBB_E_ARGUMENT);
    digits_close(t, &d);
}

TEST(profiles_are_saved_to_files_and_folders)
{
    digits d;
    temporary folder;
    ebb_profiler profiler, second;

    temporary_open(&folder);
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_profiler_start(d.runtime, NULL, &profiler, &t->error));
    CHECK_STATUS(ebb_profiler_start(d.runtime, NULL, &second, &t->error), EBB_E_STATE);
    CHECK_EQ(second.id, 0);
    work(t, &d, profiler);
    CHECK_OK(ebb_profiler_save(profiler, temporary_path(&folder, "a.svg").text, &t->error));
    CHECK_OK(ebb_profiler_save(profiler, temporary_path(&folder, "new/").text, &t->error));
    CHECK(file_exists(temporary_path(&folder, "new/profile.svg").text));
    CHECK(file_exists(temporary_path(&folder, "new/profile.json").text));
    CHECK(file_exists(temporary_path(&folder, "new/profile.txt").text));
    CHECK(file_exists(temporary_path(&folder, "new/profile.trace.json").text));
    CHECK_OK(ebb_profiler_save(profiler, folder.folder, &t->error));
    CHECK_EQ(temporary_count(&folder), 6);
    CHECK_STATUS(ebb_profiler_save(profiler, "a.png", &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(ebb_profiler_save(profiler, "/nowhere/at/all.svg", &t->error), EBB_E_IO);
    CHECK_OK(ebb_profiler_close(profiler));
    CHECK_OK(ebb_profiler_start(d.runtime, NULL, &second, &t->error));
    digits_close(t, &d);
    temporary_close(&folder);
}

TEST_MAIN(RUN(every_moment_adds_up), RUN(its_memory_never_grows_and_peaks_stay),
          RUN(an_interval_keeps_its_highest_moment_and_its_end),
          RUN(owners_in_scopes_have_names_of_their_own), RUN(drawings_and_traces_are_whole),
          RUN(profiles_are_saved_to_files_and_folders))
