/* profile_text.c -- a profile for a terminal: owners, classes at the peak, spans, and the timeline
 * as bars. */
#include <inttypes.h>
#include <string.h>

#include "profile/profile_writer.h"

#define LINES_MAX 40u
#define BAR_WIDTH 50u

static void put_owners(profile_sink *s, const timeline *t)
{
    sink_format(s, "\n%-32s %15s %15s %9s %9s %6s\n", "owner", "peak", "now", "came s", "last s",
                "times");
    for (uint32_t i = 0; i < timeline_columns(t); i++) {
        const timeline_owner *o = timeline_owner_at(t, i);
        sink_format(s, "%-32.64s %15s %15s %9.3f %9.3f %6" PRIu32 "\n", o->name,
                    sink_grouped(o->peak).text, sink_grouped(o->live).text,
                    (double)o->came_ns / 1e9, (double)o->changed_ns / 1e9, o->lives);
    }
}

static void put_classes(profile_sink *s, const timeline *t)
{
    const timeline_moment *highest = timeline_highest(t);
    const char *between = " ";

    sink_put(s, "\nat the peak:");
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) {
        const uint64_t bytes = timeline_class_bytes(t, highest, (ebb_class)i);
        if (bytes == 0) continue;
        sink_format(s, "%s%s %s", between, ebb_class_name((ebb_class)i), sink_grouped(bytes).text);
        between = ", ";
    }
    sink_put(s, "\n");
}

static void put_spans(profile_sink *s, const timeline *t)
{
    for (int kind = TIMELINE_LOAD; kind <= TIMELINE_UNLOAD; kind++) {
        uint64_t count = 0, sum = 0, longest = 0;
        for (uint32_t i = 0; i < t->span_count; i++) {
            const timeline_span *span = timeline_span_at(t, i);
            const uint64_t time = span->end_ns - span->begin_ns;
            if (span->kind != (timeline_kind)kind) continue;
            count++;
            sum += time;
            if (time > longest) longest = time;
        }
        if (count == 0) continue;
        sink_format(s, "%s: %" PRIu64 ", mean %.3f ms, longest %.3f ms\n",
                    timeline_kind_name((timeline_kind)kind), count,
                    (double)sum / (double)count / 1e6, (double)longest / 1e6);
    }
    if (t->spans_dropped > 0)
        sink_format(s, "(%" PRIu32 " earlier ones are not in these figures)\n", t->spans_dropped);
}

static void put_bar(profile_sink *s, const timeline *t, uint64_t time_ns, uint64_t bytes)
{
    const uint64_t width = t->peak == 0 ? 0 : (bytes * BAR_WIDTH + t->peak / 2) / t->peak;
    char bar[BAR_WIDTH + 1];

    memset(bar, '#', width);
    bar[width] = '\0';
    sink_format(s, "%10.4f %15s |%s\n", (double)time_ns / 1e9, sink_grouped(bytes).text, bar);
}

/* Marks that come before `until_ns`, from number *next on. */
static void put_marks(profile_sink *s, const timeline *t, uint32_t *next, uint64_t until_ns)
{
    for (; *next < t->mark_count && t->marks[*next].time_ns < until_ns; (*next)++)
        sink_format(s, "%10.4f %15s -- %s\n", (double)t->marks[*next].time_ns / 1e9, "",
                    t->marks[*next].label);
}

/* At most LINES_MAX lines: of several moments in one line the highest. */
static void put_bars(profile_sink *s, const timeline *t)
{
    const uint32_t lines = t->moment_count < LINES_MAX ? t->moment_count : LINES_MAX;
    uint64_t shown = UINT64_MAX; /* a line that says the same again is left out */
    uint32_t mark = 0;

    sink_format(s, "\n%10s %15s\n", "time s", "bytes");
    for (uint32_t i = 0; i < lines; i++) {
        const uint32_t end = (uint32_t)((uint64_t)(i + 1) * t->moment_count / lines);
        uint32_t highest = (uint32_t)((uint64_t)i * t->moment_count / lines);
        for (uint32_t k = highest; k < end; k++) {
            if (timeline_at(t, k)->bytes > timeline_at(t, highest)->bytes) highest = k;
        }
        const timeline_moment *m = timeline_at(t, i + 1 == lines ? t->moment_count - 1 : highest);
        put_marks(s, t, &mark, m->time_ns);
        if (m->bytes != shown) put_bar(s, t, m->time_ns, m->bytes);
        shown = m->bytes;
    }
    put_marks(s, t, &mark, UINT64_MAX);
    put_bar(s, t, t->end_ns, t->live);
}

void profile_write_text(profile_sink *s, const timeline *t)
{
    sink_format(s, "memory profile: %.3f s, %s changes\n", (double)t->end_ns / 1e9,
                sink_grouped(t->changes).text);
    sink_format(s, "current %s, peak %s bytes at %.3f s\n", sink_grouped(t->live).text,
                sink_grouped(t->peak).text, (double)t->peak_ns / 1e9);
    put_owners(s, t);
    put_classes(s, t);
    put_spans(s, t);
    put_bars(s, t);
}
