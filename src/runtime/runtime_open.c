/* runtime_open.c -- opening, closing and reading a runtime. */
#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/array_room.h"
#include "runtime/arrays.h"
#include "runtime/devices.h"
#include "runtime/lifecycle/removal.h"
#include "runtime/lifecycle/temporary_file.h"
#include "runtime/model_builder.h"
#include "runtime/options.h"
#include "runtime/scope.h"
#include "runtime/training.h"

static ebb_status options_read(const ebb_runtime_options *options, ebb_runtime_options *result,
                               ebb_error *error)
{
    const ebb_runtime_options defaults = EBB_RUNTIME_OPTIONS_INIT;
    static const char where[] = "runtime options";

    *result = defaults;
    const ebb_status status =
        options_copy(result, sizeof *result, options, where, "EBB_RUNTIME_OPTIONS_INIT", error);
    if (status != EBB_OK) return status;
    if ((result->allocator.map == NULL) != (result->allocator.unmap == NULL)) {
        return fail(error, EBB_E_ARGUMENT, where, "allocator: give both map and unmap, or neither");
    }
    return EBB_OK;
}

/* What closes with devices_close(). */
static ebb_status fill(runtime *r, const ebb_runtime_options *o, const device_def *const *kinds,
                       uint32_t kind_count, ebb_error *error)
{
    const device_options device = {.isa = o->isa, .no_jit = o->no_jit, .threads = o->threads};

    r->log = (log_sink){o->log, o->log_context, o->log_level};
    const ebb_status status = devices_open(r, kinds, kind_count, &device, error);
    if (status == EBB_OK) atomic_store(&r->devices->is_soft, o->soft_placement);
    return status;
}

/* Everything but the ledger is in place: the runtime becomes known. */
static ebb_status publish(runtime *r, uint64_t *id, ebb_error *error)
{
    pthread_mutex_init(&r->mutex, NULL);
    lifecycle_open(r);
    executor_init(&r->executor, r->ledger, r->devices->physical[0].device.threads);
    ebb_status status = fork_register(r, error);
    if (status == EBB_OK) {
        *id = r->id = handle_issue(HANDLE_RUNTIME, r);
        if (*id != 0) return EBB_OK;
        fork_unregister(r);
        status =
            fail(error, EBB_E_MEMORY, "ebb_runtime_open", "no handle left for another runtime");
    }
    executor_fini(&r->executor);
    lifecycle_close(r);
    pthread_mutex_destroy(&r->mutex);
    return status;
}

ebb_status runtime_open_on(const ebb_runtime_options *options, const device_def *const *kinds,
                           uint32_t kind_count, uint64_t *id, ebb_error *error)
{
    ebb_runtime_options o;
    ebb_status status = options_read(options, &o, error);

    *id = 0;
    if (status != EBB_OK) return status;
    ledger *l = ledger_open(&o.allocator, o.bytes_max);
    if (l == NULL) return fail_memory(error, "ebb_runtime_open", "the ledger");
    runtime *r = region_new(ledger_root(l), runtime, 1);
    if (r == NULL) {
        status = region_fail(ledger_root(l), error, "ebb_runtime_open", "a runtime");
        ledger_close(l);
        return status;
    }
    r->ledger = l;
    r->root = ledger_root(l);
    status = fill(r, &o, kinds, kind_count, error);
    if (status == EBB_OK) {
        status = publish(r, id, error);
        if (status == EBB_OK) return EBB_OK;
        devices_close(r);
    }
    ledger_close(l);
    return status;
}

ebb_status runtime_open(const ebb_runtime_options *options, uint64_t *id, ebb_error *error)
{
    uint32_t count = 0;
    const device_def *const *kinds = device_defs(&count);

    return runtime_open_on(options, kinds, count, id, error);
}

void receipt_add(ebb_receipt *sum, const ebb_receipt *part)
{
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) sum->bytes[i] += part->bytes[i];
    sum->bytes_total += part->bytes_total;
    sum->threads += part->threads;
    sum->descriptors += part->descriptors;
    sum->models += part->models;
    sum->wait_ns += part->wait_ns;
    receipt_add_files(sum, part);
}

static model *newest_model(runtime *r)
{
    pthread_mutex_lock(&r->mutex);
    model *m = r->models;
    pthread_mutex_unlock(&r->mutex);
    return m;
}

/* In a forked child, a model that a thread of the parent was taking apart cannot be unloaded by
 * anybody: it leaves the list, and its regions go with the ledger. */
static void close_models(runtime *r, ebb_receipt *sum)
{
    for (model *m = newest_model(r); m != NULL; m = newest_model(r)) {
        ebb_receipt part = {0};
        if (model_unload(m->id, NULL, &part, NULL) == EBB_OK)
            receipt_add(sum, &part);
        else
            model_unlink(m);
    }
}

static void close_arrays(runtime *r)
{
    while (r->arrays != NULL) {
        arrays *a = r->arrays;
        void *object = NULL;
        const uint64_t id = a->id;
        const bool won = id != 0 && handle_close_begin(HANDLE_ARRAYS, id, 0, &object);
        arrays_close(r, a);
        if (won) handle_close_end(id);
    }
}

void runtime_attach(runtime *r, attachment *a)
{
    pthread_mutex_lock(&r->mutex);
    a->next = r->attachments;
    a->previous = NULL;
    if (a->next != NULL) a->next->previous = a;
    r->attachments = a;
    pthread_mutex_unlock(&r->mutex);
}

void runtime_detach(runtime *r, attachment *a)
{
    pthread_mutex_lock(&r->mutex);
    if (a->next != NULL) a->next->previous = a->previous;
    if (a->previous != NULL)
        a->previous->next = a->next;
    else if (r->attachments == a)
        r->attachments = a->next;
    a->next = a->previous = NULL;
    pthread_mutex_unlock(&r->mutex);
}

static const char *kind_name(handle_kind kind)
{
    switch (kind) {
    case HANDLE_GRAPH: return "a graph";
    case HANDLE_SESSION: return "a session";
    case HANDLE_FUNCTION: return "a function";
    case HANDLE_REGISTRY: return "a registry";
    case HANDLE_LAZY: return "a wrapper";
    case HANDLE_MONITOR: return "a leak monitor";
    case HANDLE_PROFILER: return "a profiler";
    case HANDLE_SPILL: return "a spill";
    case HANDLE_OPTIMIZER: return "an optimizer";
    default: return "an object";
    }
}

/* The runtime's handle is closed, so nothing new comes; what another thread is closing now is
 * waited for by asking again. */
static void close_attachments(runtime *r, ebb_receipt *sum)
{
    for (;;) {
        void *object = NULL;
        pthread_mutex_lock(&r->mutex);
        attachment *a = r->attachments;
        const attachment copy = a == NULL ? (attachment){0} : *a;
        pthread_mutex_unlock(&r->mutex);
        if (a == NULL) return;
        if (!handle_close_begin(copy.kind, copy.id, 0, &object)) {
            sched_yield();
            continue;
        }
        const uint64_t before = region_bytes_live(r->root);
        copy.close(copy.object, sum);
        handle_close_end(copy.id);
        log_line(&r->log, EBB_LOG_INFO, "the runtime closes: %s was open, %" PRIu64 " bytes",
                 kind_name(copy.kind), before - region_bytes_live(r->root));
    }
}

/* Does this thread train a model of the runtime now? It would wait for itself. */
static bool trains_here(ebb_runtime handle)
{
    runtime *r = handle_acquire(HANDLE_RUNTIME, handle.id);
    bool found = false;

    if (r == NULL) return false;
    pthread_mutex_lock(&r->mutex);
    for (model *m = r->models; m != NULL && !found; m = m->next) found = training_is_own(m);
    pthread_mutex_unlock(&r->mutex);
    handle_release(handle.id);
    return found;
}

/* Public: ebb_runtime_close. No new user can come in; those inside finish first. */
ebb_status ebb_runtime_close(ebb_runtime handle, ebb_receipt *receipt)
{
    const uint64_t begin = clock_ns();
    ebb_receipt sum = {0};
    void *object = NULL;

    if (trains_here(handle)) return EBB_E_STATE;
    if (!handle_close_begin(HANDLE_RUNTIME, handle.id, 0, &object)) return EBB_E_STALE;
    runtime *r = object;
    close_attachments(r, &sum);
    close_models(r, &sum);
    temporaries_close(r, &sum);
    ebb_memory rest = {0};
    region_read(r->root, &rest);
    close_arrays(r);
    arrays_in_memory_close(r);
    builders_close(r);
    scopes_close(r);
    fork_unregister(r);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) sum.bytes[i] += rest.by_class[i];
    sum.bytes_total += rest.live;
    executor_fini(&r->executor);
    lifecycle_close(r);
    pthread_mutex_destroy(&r->mutex);
    devices_close(r);
    ledger_close(r->ledger);
    handle_close_end(handle.id);
    sum.time_ns = clock_ns() - begin;
    if (receipt != NULL) *receipt = sum;
    return EBB_OK;
}

runtime *runtime_acquire(ebb_runtime handle, const char *where, ebb_error *error)
{
    runtime *r = handle_acquire(HANDLE_RUNTIME, handle.id);

    if (r == NULL)
        fail(error, EBB_E_STALE, where, "the runtime was closed, or the handle was never valid");
    return r;
}

void runtime_memory(runtime *r, ebb_memory *memory)
{
    *memory = (ebb_memory){0};
    region_read(r->root, memory);
    memory->peak = region_bytes_peak(r->root);
    memory->limit = region_bytes_max(r->root);
    memory->fixed = ledger_bytes_fixed(r->ledger);
    memory->threads = ledger_threads(r->ledger);
    memory->descriptors = ledger_descriptors(r->ledger);
    pthread_mutex_lock(&r->mutex);
    memory->models = r->model_count;
    pthread_mutex_unlock(&r->mutex);
}

void runtime_rest(const runtime *r)
{
    for (uint32_t i = 0; i < r->devices->physical_count; i++) {
        const device *d = &r->devices->physical[i].device;
        if (d->def->rest != NULL) d->def->rest(d);
    }
    ledger_rest(r->ledger);
    malloc_trim(0);
}
