/* timeline.c -- see timeline.h. */
#include "profile/timeline.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static size_t moment_bytes(const timeline_choice *c)
{
    const size_t columns = (size_t)c->owners_max + 1 + EBB_CLASS_COUNT;

    return (sizeof(timeline_moment) + columns * sizeof(uint32_t) + 7) & ~(size_t)7;
}

static size_t head_bytes(void)
{
    return (sizeof(timeline) + 15) & ~(size_t)15;
}

static size_t owners_bytes(const timeline_choice *c)
{
    return ((size_t)c->owners_max + 1) * sizeof(timeline_owner);
}

size_t timeline_bytes(const timeline_choice *c)
{
    return head_bytes() + owners_bytes(c) + (size_t)c->spans_max * sizeof(timeline_span) +
           ((size_t)c->moments_max + 1) * moment_bytes(c);
}

/* Where the parts of the block are. */
static void place(timeline *t)
{
    char *at = (char *)t + head_bytes();

    t->owners = (timeline_owner *)(void *)at;
    at += owners_bytes(&t->choice);
    t->spans = (timeline_span *)(void *)at;
    at += (size_t)t->choice.spans_max * sizeof(timeline_span);
    t->now = (timeline_moment *)(void *)at;
    t->moments = at + t->stride;
}

timeline *timeline_make(void *block, const timeline_choice *choice, uint64_t own_serial)
{
    timeline *t = block;

    t->choice = *choice;
    t->bytes_block = timeline_bytes(choice);
    t->stride = moment_bytes(choice);
    t->interval_ns = choice->interval_ns;
    t->own_serial = own_serial;
    t->begin_ns = clock_ns();
    t->is_starting = true;
    place(t);
    snprintf(t->owners[choice->owners_max].name, sizeof t->owners->name, "others");
    return t;
}

timeline_moment *timeline_at(const timeline *t, uint32_t index)
{
    return (timeline_moment *)(void *)(t->moments + (size_t)index * t->stride);
}

/* -- owners ------------------------------------------------------------------------------------ */

/* An owner that came, into a free column: one of its name, a new one, or none (the last). */
static uint32_t column_take(timeline *t, const region *owner)
{
    char name[sizeof t->owners->name];
    uint32_t column = 0;

    region_owner_name(owner, name, sizeof name);
    while (column < t->owner_count &&
           (t->owners[column].live > 0 || strcmp(t->owners[column].name, name) != 0)) {
        column++;
    }
    if (column == t->choice.owners_max) {
        t->has_others = true;
        return column;
    }
    timeline_owner *o = &t->owners[column];
    if (column == t->owner_count) {
        t->owner_count++;
        memcpy(o->name, name, sizeof name);
        o->came_ns = t->is_starting ? 0 : clock_ns() - t->begin_ns;
    }
    o->serial = region_serial(owner);
    o->lives++;
    return column;
}

/* An owner that was put to the others stays there: only its first bytes give it a column. */
static uint32_t column_of(timeline *t, const region *owner, int64_t bytes)
{
    const uint64_t serial = region_serial(owner);
    uint32_t column = t->owner_count;

    while (column > 0) {
        column--;
        if (t->owners[column].serial == serial && t->owners[column].lives > 0) return column;
    }
    if (bytes > 0 && (t->is_starting || region_bytes_below(owner) == (uint64_t)bytes))
        return column_take(t, owner);
    t->has_others = true;
    return t->choice.owners_max;
}

/* -- moments ----------------------------------------------------------------------------------- */

static void keep(timeline *t, uint32_t to, uint32_t from)
{
    if (to != from) memcpy(timeline_at(t, to), timeline_at(t, from), t->stride);
}

/* Longer intervals; of each one its highest and its last moment stay. */
static void join(timeline *t)
{
    const uint32_t count = t->moment_count;
    const uint64_t span = timeline_at(t, count - 1)->time_ns + 1;
    uint64_t interval = span / (t->choice.moments_max / 4) + 1;
    uint32_t kept = 0;

    if (interval < 2 * t->interval_ns) interval = 2 * t->interval_ns;
    for (uint32_t i = 0; i < count;) {
        const uint64_t bucket = timeline_at(t, i)->time_ns / interval;
        uint32_t highest = i, last = i;
        for (; i < count && timeline_at(t, i)->time_ns / interval == bucket; i++) {
            if (timeline_at(t, i)->bytes > timeline_at(t, highest)->bytes) highest = i;
            last = i;
        }
        keep(t, kept++, highest);
        if (last != highest) keep(t, kept++, last);
    }
    t->joined += count - kept;
    t->moment_count = kept;
    t->interval_ns = interval;
}

/* Puts what is live into the table. */
static void append(timeline *t, uint64_t time_ns)
{
    if (t->moment_count == t->choice.moments_max) join(t);
    timeline_moment *m = timeline_at(t, t->moment_count++);
    memcpy(m, t->now, t->stride);
    m->time_ns = time_ns;
}

static bool is_same_interval(const timeline *t, uint64_t time_ns)
{
    if (t->moment_count == 0) return false;
    const uint64_t last = timeline_at(t, t->moment_count - 1)->time_ns;
    return t->interval_ns != 0 && last / t->interval_ns == time_ns / t->interval_ns;
}

/* Before a change at `time_ns`: what was left of the interval before it. */
static void close_interval(timeline *t, uint64_t time_ns)
{
    if (!t->is_pending || is_same_interval(t, time_ns)) return;
    t->is_pending = false;
    append(t, t->pending_ns);
}

/* After a change: in the interval of the last moment only a higher one takes its place. */
static void note_moment(timeline *t, uint64_t time_ns)
{
    if (!is_same_interval(t, time_ns)) {
        append(t, time_ns);
        return;
    }
    timeline_moment *last = timeline_at(t, t->moment_count - 1);
    t->is_pending = t->now->bytes < last->bytes;
    t->pending_ns = time_ns;
    if (t->is_pending) return;
    memcpy(last, t->now, t->stride);
    last->time_ns = time_ns;
}

void timeline_change(void *context, const region *r, int64_t bytes)
{
    timeline *t = context;
    const region *owner = region_owner(r);

    if (region_serial(owner) == t->own_serial) return;
    const uint64_t now = t->is_starting ? 0 : clock_ns() - t->begin_ns;
    const uint32_t column = column_of(t, owner, bytes);
    timeline_owner *o = &t->owners[column];
    const uint32_t class_column = t->choice.owners_max + 1 + (uint32_t)region_class(r);
    close_interval(t, now);
    o->live += (uint64_t)bytes;
    o->changed_ns = now;
    if (o->live > o->peak) o->peak = o->live;
    t->live += (uint64_t)bytes;
    t->now->bytes = t->live;
    t->now->pages[column] += (uint32_t)(bytes / (int64_t)PAGE_BYTES);
    t->now->pages[class_column] += (uint32_t)(bytes / (int64_t)PAGE_BYTES);
    t->changes += !t->is_starting;
    if (t->live > t->peak) {
        t->peak = t->live;
        t->peak_ns = now;
    }
    if (!t->is_starting) note_moment(t, now);
}

void timeline_started(void *context)
{
    timeline *t = context;

    t->is_starting = false;
    append(t, 0);
}

void timeline_mark_add(timeline *t, const char *label, uint64_t now_ns)
{
    if (t->end_ns != 0 || t->mark_count == TIMELINE_MARKS_MAX) return;
    timeline_mark *m = &t->marks[t->mark_count++];
    m->time_ns = now_ns - t->begin_ns;
    snprintf(m->label, sizeof m->label, "%s", label);
}

void timeline_span_add(timeline *t, timeline_kind kind, const char *name, uint64_t begin_ns,
                       uint64_t end_ns, uint32_t thread)
{
    if (t->end_ns != 0 || t->choice.spans_max == 0) return;
    timeline_span *s = &t->spans[t->span_next];
    t->span_next = (t->span_next + 1) % t->choice.spans_max;
    if (t->span_count < t->choice.spans_max)
        t->span_count++;
    else
        t->spans_dropped++;
    s->begin_ns = begin_ns > t->begin_ns ? begin_ns - t->begin_ns : 0;
    s->end_ns = end_ns > t->begin_ns ? end_ns - t->begin_ns : 0;
    s->kind = kind;
    s->thread = thread;
    snprintf(s->name, sizeof s->name, "%s", name);
}

void timeline_stop(timeline *t, uint64_t now_ns)
{
    if (t->end_ns != 0) return;
    if (t->is_pending) append(t, t->pending_ns);
    t->is_pending = false;
    t->end_ns = now_ns - t->begin_ns;
    if (t->end_ns == 0) t->end_ns = 1;
}

timeline *timeline_copy(void *block, const timeline *from, uint64_t now_ns)
{
    timeline *t = block;

    memcpy(t, from, from->bytes_block);
    place(t);
    timeline_stop(t, now_ns);
    return t;
}

/* -- reading ----------------------------------------------------------------------------------- */

uint32_t timeline_columns(const timeline *t)
{
    return t->owner_count + t->has_others;
}

static uint32_t place_of(const timeline *t, uint32_t column)
{
    return column < t->owner_count ? column : t->choice.owners_max;
}

const timeline_owner *timeline_owner_at(const timeline *t, uint32_t column)
{
    return &t->owners[place_of(t, column)];
}

uint64_t timeline_owner_bytes(const timeline *t, const timeline_moment *m, uint32_t column)
{
    return (uint64_t)m->pages[place_of(t, column)] * PAGE_BYTES;
}

uint64_t timeline_class_bytes(const timeline *t, const timeline_moment *m, ebb_class class_index)
{
    return (uint64_t)m->pages[t->choice.owners_max + 1 + (uint32_t)class_index] * PAGE_BYTES;
}

const timeline_span *timeline_span_at(const timeline *t, uint32_t index)
{
    const uint32_t first = t->span_count < t->choice.spans_max ? 0 : t->span_next;

    return &t->spans[(first + index) % t->choice.spans_max];
}

const char *timeline_kind_name(timeline_kind kind)
{
    static const char *const names[] = {
        [TIMELINE_LOAD] = "load", [TIMELINE_PREDICT] = "predict", [TIMELINE_UNLOAD] = "unload"};

    return names[kind];
}

const timeline_moment *timeline_highest(const timeline *t)
{
    const timeline_moment *highest = timeline_at(t, 0);

    for (uint32_t i = 1; i < t->moment_count; i++) {
        if (timeline_at(t, i)->bytes > highest->bytes) highest = timeline_at(t, i);
    }
    return highest;
}
