/* profile_json.c -- a profile as one JSON object, and as trace events for chrome://tracing,
 * Perfetto and TensorBoard. Source of the second: Trace Event Format (Google). */
#include <inttypes.h>

#include "profile/profile_writer.h"

static void put_owner_list(profile_sink *s, const timeline *t)
{
    sink_put(s, "\"owners\":[");
    for (uint32_t i = 0; i < timeline_columns(t); i++) {
        const timeline_owner *o = timeline_owner_at(t, i);
        sink_put(s, i > 0 ? ",\n{\"name\":\"" : "\n{\"name\":\"");
        sink_json(s, o->name);
        sink_format(s,
                    "\",\"peak\":%" PRIu64 ",\"live\":%" PRIu64 ",\"came_ns\":%" PRIu64
                    ",\"changed_ns\":%" PRIu64 ",\"times\":%" PRIu32 "}",
                    o->peak, o->live, o->came_ns, o->changed_ns, o->lives);
    }
    sink_put(s, "],\n\"classes\":[");
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++)
        sink_format(s, "%s\"%s\"", i > 0 ? "," : "", ebb_class_name((ebb_class)i));
    sink_put(s, "]");
}

static void put_moment(profile_sink *s, const timeline *t, const timeline_moment *m)
{
    sink_format(s, "{\"time_ns\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"owners\":[", m->time_ns,
                m->bytes);
    for (uint32_t i = 0; i < timeline_columns(t); i++)
        sink_format(s, "%s%" PRIu64, i > 0 ? "," : "", timeline_owner_bytes(t, m, i));
    sink_put(s, "],\"classes\":[");
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++)
        sink_format(s, "%s%" PRIu64, i > 0 ? "," : "", timeline_class_bytes(t, m, (ebb_class)i));
    sink_put(s, "]}");
}

static void put_events(profile_sink *s, const timeline *t)
{
    sink_put(s, "\"marks\":[");
    for (uint32_t i = 0; i < t->mark_count; i++) {
        sink_format(s, "%s{\"time_ns\":%" PRIu64 ",\"label\":\"", i > 0 ? ",\n" : "\n",
                    t->marks[i].time_ns);
        sink_json(s, t->marks[i].label);
        sink_put(s, "\"}");
    }
    sink_put(s, "],\n\"spans\":[");
    for (uint32_t i = 0; i < t->span_count; i++) {
        const timeline_span *span = timeline_span_at(t, i);
        sink_format(s,
                    "%s{\"kind\":\"%s\",\"begin_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64
                    ",\"thread\":%" PRIu32 ",\"model\":\"",
                    i > 0 ? ",\n" : "\n", timeline_kind_name(span->kind), span->begin_ns,
                    span->end_ns, span->thread);
        sink_json(s, span->name);
        sink_put(s, "\"}");
    }
    sink_put(s, "]");
}

void profile_write_json(profile_sink *s, const timeline *t)
{
    sink_format(s,
                "{\"profile\":\"ebb memory\",\"version\":1,\"time_ns\":%" PRIu64
                ",\"current\":%" PRIu64 ",\"peak\":%" PRIu64 ",\"peak_ns\":%" PRIu64
                ",\"changes\":%" PRIu64 ",\"joined\":%" PRIu32 ",\"spans_dropped\":%" PRIu32 ",\n",
                t->end_ns, t->live, t->peak, t->peak_ns, t->changes, t->joined, t->spans_dropped);
    put_owner_list(s, t);
    sink_put(s, ",\n\"moments\":[");
    for (uint32_t i = 0; i < t->moment_count; i++) {
        sink_put(s, i > 0 ? ",\n" : "\n");
        put_moment(s, t, timeline_at(t, i));
    }
    sink_put(s, "],\n");
    put_events(s, t);
    sink_put(s, "}\n");
}

/* -- trace events ------------------------------------------------------------------------------ */

static void put_counter(profile_sink *s, const timeline *t, const timeline_moment *m,
                        uint64_t time_ns)
{
    sink_format(s, ",\n{\"ph\":\"C\",\"pid\":1,\"name\":\"live bytes\",\"ts\":%.3f,\"args\":{",
                (double)time_ns / 1e3);
    for (uint32_t i = 0; i < timeline_columns(t); i++) {
        sink_put(s, i > 0 ? ",\"" : "\"");
        sink_json(s, timeline_owner_at(t, i)->name);
        sink_format(s, "\":%" PRIu64, timeline_owner_bytes(t, m, i));
    }
    sink_put(s, "}}");
}

static void put_span(profile_sink *s, const timeline_span *span)
{
    sink_format(s,
                ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":%" PRIu32
                ",\"ts\":%.3f,\"dur\":%.3f,\"cat\":\"%s\",\"name\":\"%s ",
                span->thread, (double)span->begin_ns / 1e3,
                (double)(span->end_ns - span->begin_ns) / 1e3, timeline_kind_name(span->kind),
                timeline_kind_name(span->kind));
    sink_json(s, span->name);
    sink_put(s, "\"}");
}

void profile_write_trace(profile_sink *s, const timeline *t)
{
    sink_put(s, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
                "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"ebb\"}}");
    for (uint32_t i = 0; i < t->moment_count; i++)
        put_counter(s, t, timeline_at(t, i), timeline_at(t, i)->time_ns);
    if (t->moment_count > 0) put_counter(s, t, timeline_at(t, t->moment_count - 1), t->end_ns);
    for (uint32_t i = 0; i < t->span_count; i++) put_span(s, timeline_span_at(t, i));
    for (uint32_t i = 0; i < t->mark_count; i++) {
        sink_format(s, ",\n{\"ph\":\"i\",\"s\":\"g\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"name\":\"",
                    (double)t->marks[i].time_ns / 1e3);
        sink_json(s, t->marks[i].label);
        sink_put(s, "\"}");
    }
    sink_put(s, "]}\n");
}
