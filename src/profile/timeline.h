/* timeline.h -- live bytes over time, by owner and class, in memory that never grows.
 *
 *     moment   time      bytes   owners [o, o, ... others]   classes [w, a, ...]     in pages
 *     moment   ...
 *
 * The time is cut into intervals; of each one the moment with the most bytes is kept, and the last
 * one. When the table is full the intervals become longer and the moments are sorted into them
 * anew. So whatever is joined, no peak and no end is lost. An interval of 0 keeps every change.
 *
 * An owner's name that comes again (a model that is loaded again) gets its column again. When the
 * columns are used up, further owners share the last one, "others".
 *
 * A timeline is one block: a copy is taken by one memcpy. Nothing here locks. */
#ifndef EBB_PROFILE_TIMELINE_H
#define EBB_PROFILE_TIMELINE_H

#include "mem/observer.h"

#define TIMELINE_MARKS_MAX  64u
#define TIMELINE_OWNERS_MAX 255u

typedef struct timeline_owner {
    uint64_t serial; /* of its region, the last one of this name */
    uint64_t live, peak;
    uint64_t came_ns, changed_ns;
    uint32_t lives; /* how often it came */
    char name[92];
} timeline_owner;

typedef struct timeline_mark {
    uint64_t time_ns;
    char label[48];
} timeline_mark;

typedef enum timeline_kind { TIMELINE_LOAD, TIMELINE_PREDICT, TIMELINE_UNLOAD } timeline_kind;

/* Something a model did. */
typedef struct timeline_span {
    uint64_t begin_ns, end_ns; /* since the start */
    timeline_kind kind;
    uint32_t thread; /* numbered in the order they came */
    char name[64];
} timeline_span;

typedef struct timeline_moment {
    uint64_t time_ns, bytes;
    uint32_t pages[]; /* [owners_max + 1] by owner, [EBB_CLASS_COUNT] by class */
} timeline_moment;

typedef struct timeline_choice {
    uint32_t moments_max, owners_max, spans_max;
    uint64_t interval_ns;
} timeline_choice;

typedef struct timeline {
    timeline_choice choice;
    size_t bytes_block, stride; /* of the block; of one moment */
    uint64_t begin_ns;          /* of the clock */
    uint64_t end_ns;            /* since the start; 0: it runs */
    uint64_t own_serial;        /* the owner that is left out */
    uint64_t interval_ns;       /* now */
    uint64_t live, peak, peak_ns, changes;
    uint64_t pending_ns; /* a change after the last moment, of the same interval */
    uint32_t moment_count, owner_count, mark_count, span_count, span_next, joined, spans_dropped;
    bool is_pending, is_starting, has_others;
    timeline_moment *now; /* what is live, not in the table */
    char *moments;
    timeline_owner *owners; /* [owners_max + 1], the last one is "others" */
    timeline_span *spans;   /* a ring */
    timeline_mark marks[TIMELINE_MARKS_MAX];
} timeline;

/* Bytes of the block that these choices take. */
size_t timeline_bytes(const timeline_choice *choice);
/* `block` is zeroed. `own_serial` is left out. */
timeline *timeline_make(void *block, const timeline_choice *choice, uint64_t own_serial);
/* A copy in another block of the same size, with what is live now as its last moment. */
timeline *timeline_copy(void *block, const timeline *from, uint64_t now_ns);

/* A ledger_observer; context is the timeline. */
void timeline_change(void *context, const region *r, int64_t bytes);
/* What was there when the ledger began to tell is the first moment. */
void timeline_started(void *context);
void timeline_mark_add(timeline *t, const char *label, uint64_t now_ns);
/* Times of the clock; `thread` is any number that tells threads apart. */
void timeline_span_add(timeline *t, timeline_kind kind, const char *name, uint64_t begin_ns,
                       uint64_t end_ns, uint32_t thread);
void timeline_stop(timeline *t, uint64_t now_ns);

timeline_moment *timeline_at(const timeline *t, uint32_t index);
/* Columns that owners use: owner_count, and one for "others" if there are such. */
uint32_t timeline_columns(const timeline *t);
const timeline_owner *timeline_owner_at(const timeline *t, uint32_t column);
uint64_t timeline_owner_bytes(const timeline *t, const timeline_moment *m, uint32_t column);
uint64_t timeline_class_bytes(const timeline *t, const timeline_moment *m, ebb_class class_index);
/* Span `index`, the oldest first. */
const timeline_span *timeline_span_at(const timeline *t, uint32_t index);
const char *timeline_kind_name(timeline_kind kind);
/* The moment with the most bytes. */
const timeline_moment *timeline_highest(const timeline *t);

#endif
