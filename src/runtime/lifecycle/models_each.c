/* models_each.c -- see models_each.h.
 *
 *     caller    | load 0 | work 0 | work 1        | (wait) | work 2 |
 *     thread             | load 1 | load 2 -------|--------|
 *
 * Models live in a scope with the limit of the run, so a load that does not fit beside the model
 * that is worked with is refused by its plan, before it takes anything; it is tried again alone. */
#include "runtime/lifecycle/models_each.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/status.h"
#include "ebb/build.h"
#include "runtime/lifecycle/managed.h"
#include "runtime/options.h"
#include "runtime/scope.h"
#include "train/data/prefetch.h"

/* A file that is loaded, or was tried. */
typedef struct each_slot {
    uint64_t model;
    uint64_t load_ns;
    bool was_tried;
    ebb_status status;
    ebb_error error;
} each_slot;

typedef struct each_run {
    runtime *r;
    const each_call *call;
    ebb_each_options o;
    ebb_load_options load;
    ebb_scope scope;
    prefetch thread;
    int process;     /* whose thread it is */
    each_slot ahead; /* filled by the thread */
    ebb_each_report *report;
} each_run;

static ebb_status load_file(each_run *e, size_t index, each_slot *slot)
{
    const uint64_t begin = clock_ns();

    *slot = (each_slot){.was_tried = true};
    if (e->call->paths[index] == NULL) {
        slot->status =
            fail(&slot->error, EBB_E_ARGUMENT, "ebb_models_each", "path %zu is NULL", index);
    } else {
        slot->status =
            model_load(e->r, e->call->paths[index], &e->load, &slot->model, &slot->error);
    }
    slot->load_ns = clock_ns() - begin;
    return slot->status;
}

/* In the thread: a file that does not fit yet is not tried, and nobody is told. */
static ebb_status load_ahead(void *context, uint32_t number, ebb_error *error)
{
    each_run *e = context;
    const uint64_t begin = clock_ns();
    each_slot *slot = &e->ahead;
    const char *path = e->call->paths[number];
    model *staged = NULL;
    ebb_plan plan;

    (void)error;
    *slot = (each_slot){.was_tried = path != NULL};
    if (path == NULL) return EBB_OK;
    slot->status = model_plan(e->r, path, &e->load, &plan, &staged, &slot->error);
    if (slot->status == EBB_OK)
        slot->status = model_finish(staged, path, begin, &slot->model, &slot->error);
    else
        model_discard(staged);
    slot->load_ns = clock_ns() - begin;
    if (slot->status == EBB_E_MEMORY)
        slot->was_tried = false;
    else if (slot->status != EBB_OK)
        model_load_failed(e->r, path, &slot->error);
    return EBB_OK;
}

/* A forked child has no such thread, and nothing was loaded for it. */
static void wait_ahead(each_run *e)
{
    if (getpid() != e->process)
        e->ahead = (each_slot){0};
    else
        prefetch_wait(&e->thread, NULL);
}

static void note_peak(each_run *e)
{
    const scope *s = NULL;
    scope *found = NULL;

    if (scope_acquire(e->r, e->scope, &found, NULL) != EBB_OK) return;
    s = found;
    const uint64_t peak = region_bytes_peak(s->home);
    if (peak > e->report->bytes_peak) e->report->bytes_peak = peak;
    scope_release(found);
}

static void unload(each_run *e, uint64_t id)
{
    ebb_receipt part = {0};

    if (id != 0 && model_unload_pinned(id, 0, &part, NULL) == EBB_OK)
        receipt_add(&e->report->receipt, &part);
}

/* EBB_OK: go on. */
static ebb_status tell_failure(each_run *e, size_t index, const each_slot *slot, ebb_error *error)
{
    e->report->failed++;
    if (e->o.failed != NULL &&
        e->o.failed(e->call->context, index, e->call->paths[index], &slot->error))
        return EBB_OK;
    if (error != NULL) *error = slot->error;
    return slot->status;
}

/* Works with file `index`, which is loaded; the next one is loaded meanwhile. */
static ebb_status work(each_run *e, size_t index, const each_slot *slot, bool was_ahead,
                       ebb_error *error)
{
    const bool looks_ahead = !e->o.no_prefetch && index + 1 < e->call->count;
    const char *path = e->call->paths[index];

    e->ahead = (each_slot){0};
    if (looks_ahead) prefetch_ask(&e->thread, (uint32_t)(index + 1));
    const uint64_t begin = clock_ns();
    const bool goes_on = e->call->function(e->call->context, (ebb_model){slot->model}, index, path);
    const uint64_t end = clock_ns();
    e->report->work_ns += end - begin;
    unload(e, slot->model);
    if (looks_ahead) wait_ahead(e);
    e->report->load_ns += e->ahead.load_ns;
    e->report->wait_ns += clock_ns() - end;
    e->report->done++;
    e->report->prefetched += was_ahead;
    if (goes_on) return EBB_OK;
    return fail(error, EBB_E_CANCELLED, path, "the function ended the run after %u of %zu files",
                e->report->done, e->call->count);
}

static ebb_status run_files(each_run *e, ebb_error *error)
{
    ebb_status status = EBB_OK;

    for (size_t i = 0; i < e->call->count && status == EBB_OK; i++) {
        each_slot slot = e->ahead;
        const bool was_ahead = slot.was_tried;
        e->ahead = (each_slot){0};
        if (!was_ahead) {
            load_file(e, i, &slot);
            e->report->load_ns += slot.load_ns;
            e->report->wait_ns += slot.load_ns;
        }
        status = slot.status == EBB_OK ? work(e, i, &slot, was_ahead, error)
                                       : tell_failure(e, i, &slot, error);
    }
    return status;
}

static ebb_status prepare(each_run *e, ebb_error *error)
{
    ebb_scope_options place = EBB_SCOPE_OPTIONS_INIT;
    const ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    const ebb_each_options defaults = EBB_EACH_OPTIONS_INIT;

    e->o = defaults;
    e->load = load;
    ebb_status status = options_copy(&e->o, sizeof e->o, e->call->options, "each options",
                                     "EBB_EACH_OPTIONS_INIT", error);
    if (status == EBB_OK)
        status = options_copy(&e->load, sizeof e->load, e->o.load, "load options",
                              "EBB_LOAD_OPTIONS_INIT", error);
    if (status != EBB_OK) return status;
    place.tag = "sequence";
    place.bytes_max = e->o.bytes_max;
    place.parent = e->load.scope;
    status = scope_open(e->r, &place, &e->scope.id, error);
    e->load.scope = e->scope;
    return status;
}

ebb_status models_each(runtime *r, const each_call *call, ebb_each_report *report, ebb_error *error)
{
    const uint64_t begin = clock_ns();
    each_run e = {.r = r, .call = call, .report = report, .process = getpid()};
    ebb_receipt rest = {0};

    *report = (ebb_each_report){0};
    ebb_status status = prepare(&e, error);
    if (status != EBB_OK) return status;
    const bool needs_thread = !e.o.no_prefetch && call->count > 1;
    if (needs_thread) prefetch_start(&e.thread, r->ledger, load_ahead, &e);
    if (needs_thread && !e.thread.has_thread) e.o.no_prefetch = true;
    status = run_files(&e, error);
    if (getpid() == e.process) {
        report->receipt.threads += e.thread.has_thread;
        prefetch_stop(&e.thread);
    }
    if (e.ahead.model != 0) unload(&e, e.ahead.model);
    note_peak(&e);
    if (scope_close(e.scope, &rest, NULL) == EBB_OK) receipt_add(&report->receipt, &rest);
    report->receipt.live_after = region_bytes_live(r->root);
    report->time_ns = report->receipt.time_ns = clock_ns() - begin;
    return status;
}
