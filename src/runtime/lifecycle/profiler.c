/* profiler.c -- see profiler.h. */
#define _GNU_SOURCE
#include "runtime/lifecycle/profiler.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/status.h"
#include "format/file_writer.h"
#include "profile/profile_writer.h"
#include "runtime/options.h"

#define MOMENTS_DEFAULT 1024u
#define MOMENTS_MIN     16u
#define MOMENTS_MAX     (1u << 20)
#define OWNERS_DEFAULT  31u
#define SPANS_DEFAULT   512u
#define SPANS_MAX       (1u << 20)

struct profiler {
    managed base;
    timeline *t;
    bool is_running;
};

/* -- starting and stopping --------------------------------------------------------------------- */

/* A piece of work under the ledger's lock. */
typedef struct locked {
    const runtime *r;
    profiler *p;
    timeline_kind kind;
    const char *text;
    uint64_t begin_ns, end_ns;
    void *block;
    timeline *copy;
    ebb_profile *profile;
    bool done;
} locked;

static void stop_locked(void *context)
{
    const locked *w = context;

    timeline_stop(w->p->t, clock_ns());
    atomic_store(&w->p->base.owner->lifecycle.profiler, NULL);
}

void profiler_stop(profiler *p)
{
    runtime *r = p->base.owner;
    locked w = {.p = p};

    pthread_mutex_lock(&r->mutex);
    const bool stops = p->is_running;
    p->is_running = false;
    if (stops) {
        ledger_with_lock(r->ledger, stop_locked, &w);
        ledger_observe_end(r->ledger);
    }
    pthread_mutex_unlock(&r->mutex);
}

static void end(void *object, ebb_receipt *receipt)
{
    profiler *p = object;

    profiler_stop(p);
    managed_end(&p->base, receipt);
}

static ebb_status read_choice(const ebb_profiler_options *options, timeline_choice *choice,
                              ebb_error *error)
{
    static const char where[] = "profiler options";
    ebb_profiler_options o = EBB_PROFILER_OPTIONS_INIT;
    const ebb_status status =
        options_copy(&o, sizeof o, options, where, "EBB_PROFILER_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    *choice = (timeline_choice){o.moments_max != 0 ? o.moments_max : MOMENTS_DEFAULT,
                                o.owners_max != 0 ? o.owners_max : OWNERS_DEFAULT,
                                o.spans_max != 0 ? o.spans_max : SPANS_DEFAULT, o.interval_ns};
    if (choice->moments_max < MOMENTS_MIN || choice->moments_max > MOMENTS_MAX ||
        choice->owners_max > TIMELINE_OWNERS_MAX || choice->spans_max > SPANS_MAX) {
        return fail(error, EBB_E_ARGUMENT, where,
                    "expected moments_max from %u to %u, owners_max up to %u, spans_max up to %u",
                    MOMENTS_MIN, MOMENTS_MAX, TIMELINE_OWNERS_MAX, SPANS_MAX);
    }
    while (o.bytes_max != 0 && timeline_bytes(choice) + PAGE_BYTES > o.bytes_max) {
        if (choice->moments_max / 2 < MOMENTS_MIN) {
            return fail(error, EBB_E_ARGUMENT, where,
                        "bytes_max is too small: %zu bytes are needed for %u owners and %u spans",
                        timeline_bytes(choice) + PAGE_BYTES, choice->owners_max, choice->spans_max);
        }
        choice->moments_max /= 2;
    }
    return EBB_OK;
}

/* From here the ledger tells of every change. The first moment is what is there. */
static ebb_status observe(profiler *p, ebb_error *error)
{
    runtime *r = p->base.owner;

    if (!ledger_observe(r->ledger, timeline_change, timeline_started, p->t))
        return fail(error, EBB_E_STATE, "ebb_profiler_start",
                    "another profiler runs; stop it first");
    pthread_mutex_lock(&r->mutex);
    p->is_running = true;
    atomic_store(&r->lifecycle.profiler, p);
    pthread_mutex_unlock(&r->mutex);
    return EBB_OK;
}

ebb_status profiler_start(runtime *r, const ebb_profiler_options *options, uint64_t *id,
                          ebb_error *error)
{
    timeline_choice choice;
    managed *m = NULL;
    ebb_status status = read_choice(options, &choice, error);

    if (status == EBB_OK)
        status = managed_make(r, HANDLE_PROFILER, "profiler", sizeof(profiler), end, &m, error);
    if (status != EBB_OK) return status;
    profiler *p = (profiler *)m;
    void *block = region_block(m->home, timeline_bytes(&choice));
    if (block == NULL)
        status = region_fail(m->home, error, "ebb_profiler_start", "the timeline");
    else
        p->t = timeline_make(block, &choice, region_serial(m->home));
    if (status == EBB_OK) status = managed_issue(m, id, error);
    if (status != EBB_OK) {
        region_close(m->home);
        return status;
    }
    status = observe(p, error);
    if (status == EBB_OK) return EBB_OK;
    managed_close(HANDLE_PROFILER, *id, "ebb_profiler_start", 0, NULL, NULL);
    *id = 0;
    return status;
}

/* -- marks and spans --------------------------------------------------------------------------- */

static void mark_locked(void *context)
{
    locked *w = context;

    w->done = w->p->t->end_ns == 0;
    timeline_mark_add(w->p->t, w->text, clock_ns());
}

ebb_status profiler_mark(profiler *p, const char *label)
{
    locked w = {.p = p, .text = label};

    ledger_with_lock(p->base.owner->ledger, mark_locked, &w);
    return w.done ? EBB_OK : EBB_E_STATE;
}

/* A profiler that is there under the lock stays until it is let go. */
static void span_locked(void *context)
{
    const locked *w = context;
    profiler *p = atomic_load(&w->r->lifecycle.profiler);

    if (p == NULL) return;
    timeline_span_add(p->t, w->kind, w->text, w->begin_ns, w->end_ns,
                      (uint32_t)syscall(SYS_gettid));
}

void profiler_end(const runtime *r, timeline_kind kind, const char *name, uint64_t begin_ns)
{
    locked w = {.r = r,
                .kind = kind,
                .text = name,
                .begin_ns = begin_ns,
                .end_ns = begin_ns != 0 ? clock_ns() : 0};

    if (begin_ns != 0) ledger_with_lock(r->ledger, span_locked, &w);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void read_locked(void *context)
{
    const locked *w = context;
    const timeline *t = w->p->t;

    *w->profile = (ebb_profile){.current = t->live,
                                .peak = t->peak,
                                .peak_ns = t->peak_ns,
                                .time_ns = t->end_ns != 0 ? t->end_ns : clock_ns() - t->begin_ns,
                                .changes = t->changes,
                                .moments = t->moment_count + t->is_pending,
                                .joined = t->joined,
                                .owners = timeline_columns(t),
                                .marks = t->mark_count,
                                .spans = t->span_count,
                                .spans_dropped = t->spans_dropped};
}

void profiler_read(profiler *p, ebb_profile *profile)
{
    locked w = {.p = p, .profile = profile};

    ledger_with_lock(p->base.owner->ledger, read_locked, &w);
    profile->bytes_profiler = region_bytes_live(p->base.home);
}

static void copy_locked(void *context)
{
    locked *w = context;

    w->copy = timeline_copy(w->block, w->p->t, clock_ns());
}

/* A copy, in a region below the profiler's own: so the profile does not show its own writing. */
static ebb_status copy(profiler *p, region **home, const timeline **result, ebb_error *error)
{
    locked w = {.p = p};

    *home = region_open(p->base.home, "profile", EBB_CLASS_SCRATCH, 0);
    w.block = *home == NULL ? NULL : region_block(*home, p->t->bytes_block);
    if (w.block == NULL) {
        return region_fail(*home == NULL ? p->base.home : *home, error, "profile",
                           "a copy of the timeline");
    }
    ledger_with_lock(p->base.owner->ledger, copy_locked, &w);
    *result = w.copy;
    return EBB_OK;
}

static bool write_format(const timeline *t, ebb_profile_format format, ebb_text_function write,
                         void *context)
{
    static void (*const writers[])(profile_sink *, const timeline *) = {
        [EBB_PROFILE_TEXT] = profile_write_text,
        [EBB_PROFILE_JSON] = profile_write_json,
        [EBB_PROFILE_SVG] = profile_write_svg,
        [EBB_PROFILE_TRACE] = profile_write_trace,
    };
    profile_sink s;

    s.write = write;
    s.context = context;
    s.is_stopped = false;
    s.length = 0;
    writers[format](&s, t);
    return sink_end(&s);
}

ebb_status profiler_write(profiler *p, ebb_profile_format format, ebb_text_function write,
                          void *context, ebb_error *error)
{
    region *home = NULL;
    const timeline *t = NULL;
    ebb_status status = copy(p, &home, &t, error);

    if (status == EBB_OK && !write_format(t, format, write, context))
        status = fail(error, EBB_E_CANCELLED, "profile", "the profile was stopped by its reader");
    region_close(home);
    return status;
}

/* -- files ------------------------------------------------------------------------------------- */

typedef struct file_sink {
    file_writer file;
    ebb_status status;
    ebb_error *error;
} file_sink;

static bool put_file(void *context, const char *text, size_t length)
{
    file_sink *s = context;

    s->status = file_writer_put(&s->file, text, length, s->error);
    return s->status == EBB_OK;
}

static ebb_status save_file(region *home, const timeline *t, const char *path,
                            ebb_profile_format format, ebb_error *error)
{
    file_sink s = {.error = error};

    s.status = file_writer_open(home, path, &s.file, error);
    if (s.status == EBB_OK) write_format(t, format, put_file, &s);
    if (s.status == EBB_OK) s.status = file_writer_commit(&s.file, error);
    file_writer_discard(&s.file);
    return s.status;
}

typedef struct ending {
    const char *text;
    ebb_profile_format format;
} ending;

static const ending endings[] = {
    {".trace.json", EBB_PROFILE_TRACE},
    {".json", EBB_PROFILE_JSON},
    {".svg", EBB_PROFILE_SVG},
    {".txt", EBB_PROFILE_TEXT},
};
#define ENDING_COUNT (sizeof endings / sizeof *endings)

static const ending *find_ending(const char *path)
{
    const size_t length = strlen(path);

    for (size_t i = 0; i < ENDING_COUNT; i++) {
        const size_t end_length = strlen(endings[i].text);
        if (length > end_length && strcmp(path + length - end_length, endings[i].text) == 0)
            return &endings[i];
    }
    return NULL;
}

static bool is_folder(const char *path)
{
    struct stat facts;

    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

static ebb_status save_folder(region *home, const timeline *t, const char *path, ebb_error *error)
{
    ebb_status status = EBB_OK;

    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return fail(error, EBB_E_IO, path, "the folder cannot be made: %s", strerror(errno));
    for (size_t i = 0; i < ENDING_COUNT && status == EBB_OK; i++) {
        const char *name = region_format(home, "%s/profile%s", path, endings[i].text);
        status = name == NULL ? region_fail(home, error, path, "a file name")
                              : save_file(home, t, name, endings[i].format, error);
    }
    return status;
}

ebb_status profiler_save(profiler *p, const char *path, ebb_error *error)
{
    const size_t length = strlen(path);
    const bool to_folder = length > 0 && (path[length - 1] == '/' || is_folder(path));
    const ending *found = to_folder ? NULL : find_ending(path);
    region *home = NULL;
    const timeline *t = NULL;

    if (!to_folder && found == NULL) {
        return fail(error, EBB_E_ARGUMENT, path,
                    "expected a name that ends with .svg, .json, .trace.json or .txt, or a folder");
    }
    ebb_status status = copy(p, &home, &t, error);
    if (status == EBB_OK)
        status = to_folder ? save_folder(home, t, path, error)
                           : save_file(home, t, path, found->format, error);
    region_close(home);
    return status;
}
