/* model_load.c -- staged model -> ready model: admission, weights, code, arenas, seal, handle. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/advice.h"
#include "runtime/lifecycle/profiler.h"
#include "runtime/lifecycle/temporary_file.h"
#include "runtime/meter.h"
#include "runtime/options.h"
#include "runtime/passes.h"
#include "runtime/scope.h"
#include "runtime/suspend.h"
#include "runtime/training.h"

/* -- admission ----------------------------------------------------------------------------------
 */

static ebb_status admit_runtime(runtime *r, const model *m, const char *path, const ebb_plan *plan,
                                ebb_error *error)
{
    const uint64_t limit = region_bytes_max(r->root);
    const uint64_t live = region_bytes_live(r->root) - region_bytes_live(m->home);
    const uint64_t room = live < limit ? limit - live : 0;
    char advice[ADVICE_BYTES];

    if (limit == 0 || plan->peak <= room) return EBB_OK;
    return fail(error, EBB_E_MEMORY, path,
                "needs %" PRIu64 " bytes while loading, but of the runtime's limit of %" PRIu64
                " only %" PRIu64 " are free; %s; or ask for less with a smaller batch or fewer "
                "lanes",
                plan->peak, limit, room, advice_write(r, NULL, m, plan->peak - room, advice));
}

static ebb_status admit(runtime *r, const model *m, const char *path, const ebb_plan *plan,
                        ebb_error *error)
{
    if (m->options.bytes_max != 0 && plan->peak > m->options.bytes_max) {
        return fail(error, EBB_E_MEMORY, path,
                    "needs %" PRIu64 " bytes (%" PRIu64
                    " while loading), but bytes_max of this model is "
                    "%" PRIu64 "; raise it, plan for a smaller batch or fewer lanes",
                    plan->total, plan->peak, m->options.bytes_max);
    }
    ebb_status status = admit_runtime(r, m, path, plan, error);
    if (status == EBB_OK)
        status = device_admit(r, m->device, m, plan->peak, region_bytes_live(m->home), path, error);
    return status == EBB_OK ? scope_admit(m, path, plan, error) : status;
}

/* -- weights ------------------------------------------------------------------------------------
 */

static ebb_status read_weight(void *context, region *scratch, uint32_t index, uint64_t first,
                              uint64_t count, void *bytes, ebb_error *error)
{
    model *m = context;

    return bind_read(scratch, &m->sources[index], m->built->weights[index], first, count, bytes,
                     error);
}

static ebb_status fill_weights(model *m, ebb_error *error)
{
    const weight_reader file = {read_weight, m};
    region *staging = region_open(m->home, "staging", EBB_CLASS_SCRATCH, 0);

    if (staging == NULL) return region_fail(m->home, error, m->info.path, "staging");
    ebb_status status = weights_fill(m->weights, m->store, staging,
                                     m->maker != NULL ? m->maker : &file, error);
    region_close(staging);
    if (status == EBB_OK) status = description_finish(m->d, error);
    return status;
}

/* -- code and lanes ------------------------------------------------------------------------------
 */

static bool makes_code(const executable *e)
{
    for (uint32_t i = 0; i < e->step_count; i++) {
        if (e->steps[i].kernel->open != NULL) return true;
    }
    return false;
}

/* What a library takes for its generated code cannot be counted, so the process is measured around
 * it. */
static ebb_status open_code(model *m, ebb_error *error)
{
    bool any = false;
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < m->planned_count; i++) any |= makes_code(m->planned[i]);
    const uint64_t before = any ? meter_private_bytes() : 0;
    for (uint32_t i = 0; i < m->planned_count && status == EBB_OK; i++) {
        status = executable_open(m->planned[i], error);
    }
    const uint64_t after = any ? meter_private_bytes() : 0;
    if (after > before) region_measured(m->home, after - before);
    return status;
}

ebb_status lanes_open(model *m, region *home, ebb_error *error)
{
    for (uint32_t i = 0; i < m->lane_count && m->arena_bytes > 0; i++) {
        m->lanes[i].arena = region_block(home, m->arena_bytes);
        if (m->lanes[i].arena == NULL) return region_fail(home, error, m->info.path, "a lane");
        memset(m->lanes[i].arena, 0, m->arena_bytes); /* touched now, not in the first prediction */
    }
    for (uint32_t i = 0; i < m->planned_count; i++) {
        for (uint32_t k = 0; k < m->lane_count; k++) {
            const ebb_status status = executable_bind(m->planned[i], k, m->lanes[k].arena, error);
            if (status != EBB_OK) return status;
        }
    }
    return EBB_OK;
}

static ebb_status make_ready(model *m, ebb_error *error)
{
    ebb_status status = fill_weights(m, error);

    if (status == EBB_OK) status = open_code(m, error);
    if (status == EBB_OK) status = lanes_open(m, m->arenas, error);
    if (status == EBB_OK && m->info.threads > 1) {
        status = executor_hold(&m->owner->executor, error);
        m->holds_executor = status == EBB_OK;
    }
    if (status != EBB_OK) return status;
    region_seal(m->home);
    m->plans = region_open(m->home, "plans", EBB_CLASS_META, 0);
    if (m->plans == NULL) return region_fail(m->home, error, m->info.path, "the plan cache");
    region_mark_cached(m->plans);
    m->options.architecture = m->options.device = NULL; /* the caller's strings */
    m->options.signature = NULL;
    m->maker = NULL;
    return EBB_OK;
}

/* Gives it a handle and puts it on the list, in one: who lists models finds whole ones. */
static bool publish(runtime *r, model *m, uint64_t *id)
{
    pthread_mutex_lock(&r->mutex);
    const uint64_t issued = *id = m->id = handle_issue(HANDLE_MODEL, m);
    if (issued != 0) {
        m->next = r->models;
        if (m->next != NULL) m->next->previous = m;
        r->models = m;
        r->model_count++;
    }
    pthread_mutex_unlock(&r->mutex);
    return issued != 0;
}

void model_unlink(model *m)
{
    runtime *r = m->owner;

    pthread_mutex_lock(&r->mutex);
    if (m->previous != NULL)
        m->previous->next = m->next;
    else
        r->models = m->next;
    if (m->next != NULL) m->next->previous = m->previous;
    r->model_count--;
    pthread_mutex_unlock(&r->mutex);
}

ebb_status model_plan(runtime *r, const char *path, const ebb_load_options *options, ebb_plan *plan,
                      model **staged, ebb_error *error)
{
    return model_plan_recipe(r, path, NULL, options, plan, staged, error);
}

ebb_status model_plan_recipe(runtime *r, const char *path, const recipe *recipe,
                             const ebb_load_options *options, ebb_plan *plan, model **staged,
                             ebb_error *error)
{
    ebb_load_options asked;
    ebb_status status = load_options_read(options, &asked, error);

    if (status != EBB_OK) return status;
    const uint64_t limit = asked.bytes_max;
    asked.bytes_max = 0; /* a limit too low for staging is answered with the whole plan as well */
    status = model_stage_recipe(r, path, recipe, &asked, staged, error);
    if (status != EBB_OK) return *staged != NULL ? advice_add(*staged, status, error) : status;
    (*staged)->options.bytes_max = limit;
    model_plan_read(*staged, plan);
    status = admit(r, *staged, path, plan, error);
    if (status == EBB_OK) region_limit((*staged)->home, limit);
    return status;
}

void model_load_failed(const runtime *r, const char *path, const ebb_error *error)
{
    const char *const name = path != NULL ? path : "(no path)";
    const bool is_named = strcmp(error->where, name) == 0;

    log_line(&r->log, EBB_LOG_ERROR, "%s: not loaded: %s%s%s", name, is_named ? "" : error->where,
             is_named ? "" : ": ", error->text);
}

ebb_status model_load(runtime *r, const char *path, const ebb_load_options *options, uint64_t *id,
                      ebb_error *error)
{
    const uint64_t begin = clock_ns();
    model *m = NULL;
    ebb_plan plan;
    ebb_error local, *const why = error != NULL ? error : &local;
    ebb_status status = model_plan(r, path, options, &plan, &m, why);

    if (status == EBB_OK)
        status = model_finish(m, path, begin, id, why);
    else
        model_discard(m);
    if (status != EBB_OK) model_load_failed(r, path, why);
    return status;
}

/* Once it has a handle another thread may unload it: what is told of it is noted before. */
static ebb_status make_known(model *m, const char *path, uint64_t begin, uint64_t *id,
                             ebb_error *error)
{
    runtime *const r = m->owner;
    scope *const s = m->pins_scope ? m->scope : NULL;
    const uint64_t bytes = region_bytes_live(m->home), span = profiler_begin(r);
    char name[sizeof m->info.name];

    memcpy(name, m->info.name, sizeof name);
    m->ready_ns = clock_ns();
    const uint64_t load_ns = m->ready_ns - begin;
    m->load_ns = m->info.load_ns = load_ns;
    m->pins_scope = false;
    if (!publish(r, m, id)) {
        m->pins_scope = s != NULL;
        return fail(error, EBB_E_MEMORY, path, "no handle left for another model");
    }
    profiler_end(r, TIMELINE_LOAD, name, span != 0 ? begin : 0);
    log_line(&r->log, EBB_LOG_INFO, "loaded %s: %" PRIu64 " bytes in %.1f ms", path, bytes,
             (double)load_ns / 1e6);
    scope_release(s);
    return EBB_OK;
}

ebb_status model_finish(model *m, const char *path, uint64_t begin, uint64_t *id, ebb_error *error)
{
    ebb_status status = make_ready(m, error);

    if (status == EBB_OK) status = make_known(m, path, begin, id, error);
    if (status == EBB_OK) return EBB_OK;
    (void)advice_add(m, status, error);
    model_discard(m);
    return status;
}

/* -- going ----------------------------------------------------------------------------------------
 */

uint32_t model_discard(model *m)
{
    uint32_t threads = 0;
    bool trim = false;

    if (m == NULL) return 0;
    runtime *const r = m->owner;
    scope *const pinned = m->pins_scope ? m->scope : NULL;
    threads = passes_close(m->passes);
    threads += training_close(m->training);
    plans_close(m);
    for (uint32_t i = 0; i < m->planned_count; i++) {
        trim |= makes_code(m->planned[i]);
        executable_close(m->planned[i]);
    }
    description_close(m->d);
    suspension_end(m);
    if (m->holds_executor) threads += executor_release(&r->executor);
    pthread_cond_destroy(&m->lane_free);
    pthread_mutex_destroy(&m->training_mutex);
    pthread_mutex_destroy(&m->mutex);
    region_close(m->home);
    scope_release(pinned);
    if (trim) runtime_rest(r);
    return threads;
}

static void fill_receipt(ebb_receipt *receipt, const model *m)
{
    ebb_memory held = {0};

    region_read(m->home, &held);
    memcpy(receipt->bytes, held.by_class, sizeof receipt->bytes);
    receipt->bytes_total = held.live;
    receipt->models = 1;
}

/* Wrappers wait for the room of models that are being taken apart. */
static void count_unloads(runtime *r, int more)
{
    pthread_mutex_lock(&r->mutex);
    r->lifecycle.unloads += more;
    lifecycle_changed(r);
    pthread_mutex_unlock(&r->mutex);
}

ebb_status model_unload(uint64_t id, const ebb_unload_options *options, ebb_receipt *receipt,
                        ebb_error *error)
{
    ebb_unload_options o = EBB_UNLOAD_OPTIONS_INIT;
    void *object = NULL;
    ebb_receipt local = {0};

    if (options_copy(&o, sizeof o, options, "unload options", "EBB_UNLOAD_OPTIONS_INIT", error) !=
        EBB_OK) {
        return EBB_E_ARGUMENT;
    }
    const uint64_t begin = clock_ns(), wait = o.deadline_ns;
    const uint64_t deadline = wait == 0 ? 0 : begin + wait < begin ? UINT64_MAX : begin + wait;
    if (!handle_close_begin(HANDLE_MODEL, id, deadline, &object)) {
        if (object != NULL) {
            return fail(error, EBB_E_BUSY, "ebb_model_unload",
                        "predictions were still running after %" PRIu64
                        " ms; the model stays loaded, try again later",
                        wait / 1000000);
        }
        return fail(error, EBB_E_STALE, "ebb_model_unload", "the model was already unloaded");
    }
    model *m = object;
    runtime *r = m->owner;
    local.wait_ns = clock_ns() - begin;
    fill_receipt(&local, m);
    const uint64_t span = profiler_begin(r);
    char name[sizeof m->info.path], title[sizeof m->info.name];
    memcpy(name, m->info.path, sizeof name);
    memcpy(title, m->info.name, sizeof title);
    count_unloads(r, 1);
    model_unlink(m);
    local.threads = model_discard(m);
    temporaries_remove(r, id, &local);
    local.live_after = region_bytes_live(r->root);
    handle_close_end(id);
    count_unloads(r, -1);
    local.time_ns = clock_ns() - begin;
    profiler_end(r, TIMELINE_UNLOAD, title, span);
    if (receipt != NULL) *receipt = local;
    log_line(&r->log, EBB_LOG_INFO, "unloaded %s: %" PRIu64 " bytes back", name, local.bytes_total);
    return EBB_OK;
}

model *model_acquire(ebb_model handle, const char *where, ebb_error *error)
{
    model *m = handle_acquire(HANDLE_MODEL, handle.id);

    if (m == NULL)
        fail(error, EBB_E_STALE, where, "the model was unloaded, or the handle was never valid");
    return m;
}

ebb_status model_owner_acquire(ebb_model handle, const char *where, runtime **r, ebb_error *error)
{
    model *m = model_acquire(handle, where, error);

    if (m == NULL) return EBB_E_STALE;
    const bool is_own = training_is_own(m);
    const ebb_runtime owner = {m->owner->id};
    handle_release(handle.id);
    if (is_own) {
        return fail(error, EBB_E_STATE, where,
                    "called by a callback of the training it would wait for");
    }
    *r = runtime_acquire(owner, where, error);
    return *r != NULL ? EBB_OK : EBB_E_STALE;
}

bool model_scope_acquire(ebb_model handle, uint64_t *id, const char *where, ebb_error *error)
{
    const model *m = model_acquire(handle, where, error);

    *id = 0;
    if (m == NULL) return false;
    const uint64_t found = m->scope != NULL ? m->scope->id : 0;
    handle_release(handle.id);
    if (found == 0) return true;
    if (handle_acquire(HANDLE_SCOPE, found) == NULL) {
        fail(error, EBB_E_STALE, where, "the model goes with its scope, which is being closed");
        return false;
    }
    *id = found;
    return true;
}

void model_scope_release(uint64_t id)
{
    if (id != 0) handle_release(id);
}
