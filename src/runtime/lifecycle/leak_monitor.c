/* leak_monitor.c -- see leak_monitor.h. The list is guarded by the runtime's mutex; a check looks
 * at one entry at a time and writes without it. */
#include "runtime/lifecycle/leak_monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/observer.h"

typedef struct watched {
    struct watched *next; /* watched later */
    uint64_t model;
    uint64_t serial; /* of its region */
    uint64_t begin_ns;
    char label[128];
    char path[512];
} watched;

struct leak_monitor {
    managed base;
    region *list_home; /* NULL while nothing is watched */
    watched *first, *last;
    uint64_t live_before;
};

/* What became of one model. */
typedef struct finding {
    watched w;
    bool is_loaded;
    uint64_t bytes;
    ebb_memory memory; /* while it is loaded */
} finding;

static void end(void *object, ebb_receipt *receipt)
{
    leak_monitor *l = object;

    managed_end(&l->base, receipt); /* the list's region is below its own */
}

ebb_status leak_monitor_open(runtime *r, uint64_t *id, ebb_error *error)
{
    managed *m = NULL;
    ebb_status status =
        managed_make(r, HANDLE_MONITOR, "leak monitor", sizeof(leak_monitor), end, &m, error);

    if (status != EBB_OK) return status;
    status = managed_issue(m, id, error);
    if (status == EBB_OK)
        ((leak_monitor *)m)->live_before = region_bytes_live(r->root);
    else
        region_close(m->home);
    return status;
}

static ebb_status add(leak_monitor *l, const watched *w, ebb_error *error)
{
    if (l->list_home == NULL)
        l->list_home = region_open(l->base.home, "watched models", EBB_CLASS_META, 0);
    watched *kept = l->list_home == NULL ? NULL : region_new(l->list_home, watched, 1);
    if (kept == NULL) {
        return region_fail(l->list_home == NULL ? l->base.home : l->list_home, error, w->label,
                           "watching a model");
    }
    *kept = *w;
    if (l->last != NULL)
        l->last->next = kept;
    else
        l->first = kept;
    l->last = kept;
    return EBB_OK;
}

ebb_status leak_monitor_watch(leak_monitor *l, ebb_model handle, const char *label,
                              ebb_error *error)
{
    runtime *r = l->base.owner;
    const model *m = model_acquire(handle, "ebb_monitor_watch", error);
    watched w = {.model = handle.id, .begin_ns = clock_ns()};

    if (m == NULL) return EBB_E_STALE;
    const bool is_ours = m->owner == r;
    w.serial = region_serial(m->home);
    snprintf(w.label, sizeof w.label, "%s", label != NULL ? label : m->info.name);
    snprintf(w.path, sizeof w.path, "%s", m->file != NULL ? m->info.path : "");
    handle_release(handle.id);
    if (!is_ours) {
        return fail(error, EBB_E_ARGUMENT, "ebb_monitor_watch",
                    "the model belongs to another runtime than the monitor");
    }
    pthread_mutex_lock(&r->mutex);
    const ebb_status status = add(l, &w, error);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

void leak_monitor_clear(leak_monitor *l)
{
    runtime *r = l->base.owner;

    pthread_mutex_lock(&r->mutex);
    region_close(l->list_home);
    l->list_home = NULL;
    l->first = l->last = NULL;
    pthread_mutex_unlock(&r->mutex);
}

/* -- checking ---------------------------------------------------------------------------------- */

/* Entry `index`; false: there are no more. */
static bool look_at(leak_monitor *l, size_t index, finding *f)
{
    runtime *r = l->base.owner;

    *f = (finding){0};
    pthread_mutex_lock(&r->mutex);
    const watched *w = l->first;
    while (w != NULL && index-- > 0) w = w->next;
    if (w != NULL) f->w = *w;
    pthread_mutex_unlock(&r->mutex);
    if (w == NULL) return false;
    model *m = handle_acquire(HANDLE_MODEL, f->w.model);
    f->is_loaded = m != NULL;
    if (m != NULL) {
        region_read(m->home, &f->memory);
        handle_release(f->w.model);
    }
    ledger_region_bytes(r->ledger, f->w.serial, &f->bytes);
    return true;
}

static void count(const finding *f, ebb_monitor_report *report)
{
    report->watched++;
    report->bytes += f->bytes;
    if (f->is_loaded)
        report->loaded++;
    else if (f->bytes > 0)
        report->leaked++;
    else
        report->gone++;
}

/* 77824 as "77,824", at the end of `text`. */
static const char *grouped(uint64_t number, char text[32])
{
    char *at = text + 31;
    int digits = 0;

    *at = '\0';
    do {
        if (digits > 0 && digits % 3 == 0) *--at = ',';
        *--at = (char)('0' + number % 10);
        digits++;
        number /= 10;
    } while (number > 0);
    return at;
}

static void classes_text(const ebb_memory *memory, char *text, size_t capacity)
{
    char number[32];
    size_t length = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < EBB_CLASS_COUNT && length < capacity; i++) {
        if (memory->by_class[i] == 0 || i == EBB_CLASS_CODE) continue;
        length +=
            (size_t)snprintf(text + length, capacity - length, "%s%s %s", length > 0 ? ", " : "",
                             ebb_class_name((ebb_class)i), grouped(memory->by_class[i], number));
    }
}

static bool put(const finding *f, ebb_text_function write, void *context)
{
    static const char good[] = "Model successfully garbage collected";
    static const char bad[] = "Warning: Potential memory leak detected!";
    char text[1536], number[32], classes[320];
    const double age = (double)(clock_ns() - f->w.begin_ns) / 1e9;
    const char *bytes = grouped(f->bytes, number);
    int length;

    classes_text(&f->memory, classes, sizeof classes);
    if (!f->is_loaded && f->bytes == 0)
        length = snprintf(text, sizeof text, "%s: %s\n", f->w.label, good);
    else if (!f->is_loaded)
        length = snprintf(text, sizeof text, "%s: %s\n  unloaded, but %s bytes are still held\n",
                          f->w.label, bad, bytes);
    else
        length = snprintf(text, sizeof text,
                          "%s: %s\n  still loaded after %.3f s: %s bytes (%s)\n%s%s%s", f->w.label,
                          bad, age, bytes, classes, f->w.path[0] != '\0' ? "  from " : "",
                          f->w.path, f->w.path[0] != '\0' ? "\n" : "");
    return length > 0 && write(context, text, (size_t)length);
}

ebb_status leak_monitor_check(leak_monitor *l, ebb_text_function write, void *context,
                              ebb_monitor_report *report, ebb_error *error)
{
    finding f;

    *report = (ebb_monitor_report){.live_before = l->live_before};
    for (size_t i = 0; look_at(l, i, &f); i++) {
        count(&f, report);
        if (write == NULL || put(&f, write, context)) continue;
        return fail(error, EBB_E_CANCELLED, "ebb_monitor_check",
                    "the report was stopped by its reader");
    }
    report->live_now = region_bytes_live(l->base.owner->root);
    return EBB_OK;
}
