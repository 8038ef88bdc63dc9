/* suspend.c -- see suspend.h.
 *
 * Suspending: what can fail (weights of training, the file) comes before anything is given back.
 * Resuming: blocks are taken and filled beside what there is; only then the model changes. */
#include "runtime/suspend.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/advice.h"
#include "runtime/options.h"
#include "runtime/passes.h"

ebb_status model_awake(const model *m, const char *where, ebb_error *error)
{
    if (!atomic_load(&m->suspension.is_on)) return EBB_OK;
    return fail(error, EBB_E_STATE, where != NULL ? where : m->info.name,
                "the model '%.100s' is suspended; call ebb_model_resume() first", m->info.name);
}

void suspension_end(model *m)
{
    nameless_file_close(&m->suspension.file);
}

/* -- exclusive use ----------------------------------------------------------------------------- */

/* What a change works on: runtime and scope stay until it is done. */
typedef struct changing {
    uint64_t id, owner, scope;
    model *m;
} changing;

static ebb_status changing_begin(ebb_model handle, const char *where, changing *c, ebb_error *error)
{
    runtime *r = NULL;
    const ebb_status status = model_owner_acquire(handle, where, &r, error);

    *c = (changing){.id = handle.id};
    if (status != EBB_OK) return status;
    c->owner = r->id;
    if (model_scope_acquire(handle, &c->scope, where, error)) return EBB_OK;
    handle_release(c->owner);
    return EBB_E_STALE;
}

static void changing_end(const changing *c)
{
    model_scope_release(c->scope);
    handle_release(c->owner);
}

/* Is the model in the state that is wanted already? E_STALE. */
static ebb_status state_read(const changing *c, const char *where, bool *is_suspended,
                             ebb_error *error)
{
    const model *m = model_acquire((ebb_model){c->id}, where, error);

    if (m == NULL) return EBB_E_STALE;
    *is_suspended = atomic_load(&m->suspension.is_on);
    handle_release(c->id);
    return EBB_OK;
}

/* Waits until nobody uses the model; until changing_release() whoever wants it waits. Somebody else
 * who changes it is waited for. */
static ebb_status changing_hold(changing *c, uint64_t deadline_ns, const char *where,
                                ebb_error *error)
{
    void *object = NULL;
    bool is_suspended;

    while (!handle_replace_begin(HANDLE_MODEL, c->id, deadline_ns, &object)) {
        if (object != NULL || (deadline_ns != 0 && clock_ns() >= deadline_ns)) {
            return fail(error, EBB_E_BUSY, where,
                        "calls of the model were still running at the deadline; nothing was "
                        "changed, try again later");
        }
        const ebb_status status = state_read(c, where, &is_suspended, error);
        if (status != EBB_OK) return status;
    }
    c->m = object;
    pthread_mutex_lock(&c->m->training_mutex); /* a fork sees it before or after */
    return EBB_OK;
}

/* Advice takes the runtime's mutex, which comes before that of training. Returns `status`. */
static ebb_status changing_release(const changing *c, ebb_status status, ebb_error *error)
{
    pthread_mutex_unlock(&c->m->training_mutex);
    (void)advice_add(c->m, status, error);
    handle_replace_end(c->id, c->m);
    return status;
}

/* -- suspending -------------------------------------------------------------------------------- */

static ebb_status file_write(model *m, const char *folder, nameless_file *f, ebb_error *error)
{
    const weights *w = m->weights;
    const training *t = m->training;
    ebb_status status = nameless_file_open(m->owner->ledger, folder, f, error);

    if (status == EBB_OK) status = nameless_file_put(f, w->block, w->block_bytes, error);
    if (status == EBB_OK && t != NULL)
        status = nameless_file_put(f, t->variable_block, t->variable_bytes, error);
    if (status == EBB_OK && t != NULL)
        status = nameless_file_put(f, t->state_block, t->state_bytes, error);
    if (status != EBB_OK) nameless_file_close(f);
    return status;
}

static void lanes_give_back(model *m)
{
    plans_trim(m);
    for (uint32_t i = 0; i < m->planned_count; i++)
        for (uint32_t k = 0; k < m->lane_count; k++) executable_unbind(m->planned[i], k);
    for (uint32_t k = 0; k < m->lane_count; k++) m->lanes[k].arena = NULL;
    region_close(m->arenas);
    m->arenas = NULL;
}

/* Could the model come back below its own limit, with the copy beside the block? */
static bool has_room_later(const model *m, uint64_t stowed)
{
    const uint64_t limit = region_bytes_max(m->home);
    const uint64_t needed =
        region_bytes_live(m->home) + region_block_bytes(stowed) + weights_fold_bytes(m->weights);

    return limit == 0 || needed <= limit;
}

/* Weights alone, where that is less than the block and the rest can be made again from them. */
static void weights_pack_up(model *m)
{
    weights *w = m->weights;
    const bool is_possible =
        !m->options.inference_only && m->packings == NULL && m->d->saved_graph == NULL;
    const uint64_t bytes = weights_stow_bytes(w);

    if (w->block == NULL || !is_possible || bytes == 0 || !has_room_later(m, bytes) ||
        region_block_bytes(bytes) >= region_block_bytes(w->block_bytes)) {
        return;
    }
    region *home = region_open(m->home, "weights", EBB_CLASS_WEIGHTS, 0);
    uint8_t *copy = home == NULL ? NULL : region_block(home, bytes);
    if (copy == NULL) {
        region_close(home);
        return;
    }
    weights_stow(w, copy);
    region_close(m->store);
    m->store = home;
    m->suspension.stowed = copy;
    w->block = NULL;
}

static void weights_drop(model *m)
{
    region_close(m->store);
    m->store = NULL;
    m->weights->block = NULL;
}

/* How many threads ended. */
static uint32_t threads_give_back(model *m)
{
    uint32_t threads = 0;

    if (m->holds_executor) threads = executor_release(&m->owner->executor);
    m->holds_executor = false;
    if (m->training == NULL || !m->training->holds_executor) return threads;
    m->training->holds_executor = false;
    return threads + executor_release(&m->owner->executor);
}

static void receipt_fill(ebb_receipt *receipt, const ebb_memory *before, const ebb_memory *after)
{
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++)
        receipt->bytes[i] = before->by_class[i] - after->by_class[i];
    receipt->bytes_total = before->live - after->live;
}

static ebb_status suspend_held(model *m, const ebb_suspend_options *o, ebb_receipt *receipt,
                               ebb_error *error)
{
    suspension *s = &m->suspension;
    nameless_file file = {.ledger = NULL};
    ebb_memory before = {0}, after = {0};
    ebb_status status = training_publish_locked(m, error);

    if (status == EBB_OK && o->to_disk) status = file_write(m, o->folder, &file, error);
    if (status != EBB_OK) return status;
    region_read(m->home, &before);
    lanes_give_back(m);
    s->file = file;
    s->stowed = NULL;
    if (o->to_disk)
        weights_drop(m);
    else
        weights_pack_up(m);
    if (m->passes != NULL) receipt->threads = passes_rest(m->passes);
    if (m->training != NULL) training_rest(m->training, o->to_disk);
    receipt->threads += threads_give_back(m);
    atomic_store(&s->is_on, true);
    atomic_store(&m->is_behind, true);
    region_read(m->home, &after);
    receipt_fill(receipt, &before, &after);
    return EBB_OK;
}

/* A model on disk is in memory as little as can be; one in memory could be less. */
static ebb_status suspend_again(const model *m, const ebb_suspend_options *o, ebb_error *error)
{
    if (!o->to_disk || m->suspension.file.ledger != NULL) return EBB_OK;
    return fail(error, EBB_E_STATE, "ebb_model_suspend",
                "the model '%.100s' is suspended in memory; resume it before it is suspended to "
                "disk",
                m->info.name);
}

static void log_suspend(const model *m, const ebb_receipt *receipt)
{
    log_line(&m->owner->log, EBB_LOG_INFO, "suspended %s: %" PRIu64 " bytes back%s", m->info.name,
             receipt->bytes_total, m->suspension.file.ledger != NULL ? ", weights on disk" : "");
}

ebb_status model_suspend(ebb_model handle, const ebb_suspend_options *options, ebb_receipt *receipt,
                         ebb_error *error)
{
    static const char where[] = "ebb_model_suspend";
    const uint64_t begin = clock_ns();
    ebb_suspend_options o = EBB_SUSPEND_OPTIONS_INIT;
    ebb_receipt local = {0};
    changing c;
    ebb_status status =
        options_copy(&o, sizeof o, options, "suspend options", "EBB_SUSPEND_OPTIONS_INIT", error);

    if (status == EBB_OK) status = changing_begin(handle, where, &c, error);
    if (status != EBB_OK) return status;
    const uint64_t wait = o.deadline_ns;
    const uint64_t deadline = wait == 0 ? 0 : begin + wait < begin ? UINT64_MAX : begin + wait;
    status = changing_hold(&c, deadline, where, error);
    if (status == EBB_OK) {
        local.wait_ns = clock_ns() - begin;
        const bool is_on = atomic_load(&c.m->suspension.is_on);
        status = is_on ? suspend_again(c.m, &o, error) : suspend_held(c.m, &o, &local, error);
        local.live_after = region_bytes_live(c.m->owner->root);
        if (status == EBB_OK && !is_on) log_suspend(c.m, &local);
        status = changing_release(&c, status, error);
    }
    changing_end(&c);
    local.time_ns = clock_ns() - begin;
    if (status == EBB_OK && receipt != NULL) *receipt = local;
    return status;
}

/* -- resuming ---------------------------------------------------------------------------------- */

/* What is made beside the suspended model. */
typedef struct waking {
    model *m;
    region *store, *arenas;
    uint8_t *block; /* NULL: the model's stayed */
    bool holds_executor;
} waking;

/* `old`: what the model had meanwhile. */
static void waking_undo(const waking *w, uint8_t *old)
{
    model *m = w->m;

    for (uint32_t i = 0; i < m->planned_count; i++)
        for (uint32_t k = 0; k < m->lane_count; k++) executable_unbind(m->planned[i], k);
    for (uint32_t k = 0; k < m->lane_count; k++) m->lanes[k].arena = NULL;
    if (w->holds_executor) (void)executor_release(&m->owner->executor);
    if (m->training != NULL) training_wake_undo(m->training, m->suspension.file.ledger == NULL);
    m->weights->block = old;
    region_close(w->arenas);
    region_close(w->store);
}

static ebb_status block_make(waking *w, ebb_error *error)
{
    const model *m = w->m;
    const uint64_t bytes = m->weights->block_bytes;

    if (m->weights->block != NULL || bytes == 0) return EBB_OK;
    w->store = region_open(m->home, "weights", EBB_CLASS_WEIGHTS, 0);
    w->block = w->store == NULL ? NULL : region_block(w->store, bytes);
    return w->block != NULL ? EBB_OK
                            : region_fail(w->store == NULL ? m->home : w->store, error,
                                          m->info.name, "its weights");
}

static ebb_status block_fill(const waking *w, ebb_error *error)
{
    const model *m = w->m;
    const suspension *s = &m->suspension;

    if (w->block == NULL) return EBB_OK;
    m->weights->block = w->block;
    if (s->file.ledger != NULL)
        return nameless_file_get(&s->file, 0, w->block, m->weights->block_bytes, error);
    region *work = region_open(m->home, "staging", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(m->home, error, m->info.name, "its weights");
    const ebb_status status = weights_unstow(m->weights, s->stowed, work, error);
    region_close(work);
    return status;
}

static ebb_status lanes_make(waking *w, ebb_error *error)
{
    model *m = w->m;

    w->arenas = region_open(m->home, "lanes", EBB_CLASS_ACTIVATIONS, 0);
    if (w->arenas == NULL) return region_fail(m->home, error, m->info.name, "its lanes");
    return lanes_open(m, w->arenas, error);
}

static ebb_status variables_read(const model *m, ebb_error *error)
{
    const suspension *s = &m->suspension;
    const training *t = m->training;
    const uint64_t at = m->weights->block_bytes;

    if (t == NULL || s->file.ledger == NULL) return EBB_OK;
    const ebb_status status =
        nameless_file_get(&s->file, at, t->variable_block, t->variable_bytes, error);
    if (status != EBB_OK) return status;
    return nameless_file_get(&s->file, at + t->variable_bytes, t->state_block, t->state_bytes,
                             error);
}

static ebb_status waking_make(waking *w, ebb_error *error)
{
    model *m = w->m;
    ebb_status status = block_make(w, error);

    if (status == EBB_OK) status = block_fill(w, error);
    if (status == EBB_OK) status = lanes_make(w, error);
    if (status == EBB_OK && m->training != NULL)
        status = training_wake_blocks(m->training, m->suspension.file.ledger == NULL, error);
    if (status == EBB_OK) status = variables_read(m, error);
    if (status == EBB_OK && m->info.threads > 1) {
        status = executor_hold(&m->owner->executor, error);
        w->holds_executor = status == EBB_OK;
    }
    return status;
}

/* From here on nothing fails. */
static void waking_take(const waking *w)
{
    model *m = w->m;
    suspension *s = &m->suspension;

    if (w->block != NULL) {
        region_close(m->store);
        m->store = w->store;
        region_seal(m->store);
    }
    m->arenas = w->arenas;
    region_seal(m->arenas);
    m->holds_executor = w->holds_executor;
    if (m->training != NULL) training_wake(m->training);
    nameless_file_close(&s->file);
    s->stowed = NULL;
    atomic_store(&m->is_behind, false);
    atomic_store(&s->is_on, false);
}

static ebb_status resume_held(model *m, ebb_error *error)
{
    waking w = {.m = m};
    uint8_t *const old = m->weights->block;
    const ebb_status status = waking_make(&w, error);

    if (status == EBB_OK)
        waking_take(&w);
    else
        waking_undo(&w, old);
    return status;
}

ebb_status model_resume(ebb_model handle, ebb_error *error)
{
    static const char where[] = "ebb_model_resume";
    const uint64_t begin = clock_ns();
    bool is_suspended = false;
    changing c;
    ebb_status status = changing_begin(handle, where, &c, error);

    if (status != EBB_OK) return status;
    status = state_read(&c, where, &is_suspended, error);
    if (status == EBB_OK && is_suspended) {
        status = changing_hold(&c, 0, where, error);
        if (status == EBB_OK) {
            if (atomic_load(&c.m->suspension.is_on)) status = resume_held(c.m, error);
            if (status == EBB_OK)
                log_line(&c.m->owner->log, EBB_LOG_INFO, "resumed %s in %.1f ms", c.m->info.name,
                         (double)(clock_ns() - begin) / 1e6);
            status = changing_release(&c, status, error);
        }
    }
    changing_end(&c);
    return status;
}
