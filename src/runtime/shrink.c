/* shrink.c -- quantize, prune and expand of a loaded model, in place. See shrink.h. */
#include "runtime/shrink.h"

#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/devices.h"
#include "runtime/options.h"
#include "runtime/training.h"
#include "tensor/dtype.h"

#define DEADLINE_NS ((uint64_t)10000000000u)
#define TRIES       3u /* when somebody sets weights meanwhile */

/* -- options ----------------------------------------------------------------------------------- */

static ebb_status kind_read(const char *text, ebb_dtype *kind, ebb_error *error)
{
    *kind = text == NULL ? EBB_I8 : dtype_from_name(text);
    if (*kind == EBB_I8 || *kind == EBB_F16 || *kind == EBB_BF16) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, "quantize options",
                "dtype is \"%.40s\", expected \"int8\", \"float16\" or \"bfloat16\"", text);
}

static ebb_status quantize_read(const ebb_quantize_options *options, shrink_job *j,
                                ebb_error *error)
{
    ebb_quantize_options o = EBB_QUANTIZE_OPTIONS_INIT;
    const ebb_status status =
        options_copy(&o, sizeof o, options, "quantize options", "EBB_QUANTIZE_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    j->only = (name_list){o.only, o.only == NULL ? 0 : o.only_count};
    j->skip = (name_list){o.skip, o.skip == NULL ? 0 : o.skip_count};
    j->elements_min = o.elements_min;
    j->deadline_ns = o.deadline_ns;
    j->report = o.report;
    j->context = o.context;
    return kind_read(o.dtype, &j->kind, error);
}

static ebb_status prune_read(const ebb_prune_options *options, shrink_job *j, ebb_error *error)
{
    static const char where[] = "prune options";
    ebb_prune_options o = EBB_PRUNE_OPTIONS_INIT;
    const ebb_status status =
        options_copy(&o, sizeof o, options, where, "EBB_PRUNE_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    j->kind = EBB_F32;
    j->is_pruning = true;
    j->is_global = o.is_global;
    j->sparsity = o.sparsity == 0 ? 0.5 : o.sparsity;
    j->keep = o.keep;
    j->of = o.of;
    j->only = (name_list){o.only, o.only == NULL ? 0 : o.only_count};
    j->skip = (name_list){o.skip, o.skip == NULL ? 0 : o.skip_count};
    j->elements_min = o.elements_min;
    j->deadline_ns = o.deadline_ns;
    j->report = o.report;
    j->context = o.context;
    if (!(j->sparsity > 0 && j->sparsity < 1))
        return fail(error, EBB_E_ARGUMENT, where, "sparsity is %g, expected more than 0, below 1",
                    o.sparsity);
    if (j->of == 0 && j->keep == 0) return EBB_OK;
    const bool divides = j->of == 2 || j->of == 4 || j->of == 8 || j->of == 16;
    if (divides && j->keep > 0 && j->keep < j->of) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, where,
                "keep %u of %u: `of` is 2, 4, 8 or 16, and `keep` from 1 to below it", j->keep,
                j->of);
}

/* -- in place ---------------------------------------------------------------------------------- */

static ebb_status check_model(const model *m, ebb_error *error)
{
    if (m->options.inference_only) {
        return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                    "the model was loaded with inference_only, so its weights were folded; load it "
                    "without");
    }
    if (m->d->model == NULL && m->d->saved_graph != NULL)
        return description_no_layers(m->d, "its weights cannot be shrunk", error);
    if (m->d->model == NULL || m->d->config_text == NULL) {
        return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                    "the model has no configuration of Keras that it could be made from again");
    }
    if (m->training == NULL) return EBB_OK;
    return fail(error, EBB_E_STATE, m->info.name,
                "the model is compiled; end its training with ebb_model_uncompile() first");
}

static void read_bytes(const model *m, uint64_t *weights, uint64_t *total)
{
    ebb_memory memory = {0};

    region_read(m->home, &memory);
    *weights = memory.by_class[EBB_CLASS_WEIGHTS];
    *total = memory.live;
}

/* As the model was loaded, where it is. */
static ebb_load_options load_of(const model *m)
{
    ebb_load_options load = m->options;

    load.struct_size = sizeof load;
    load.device = ((const logical_device *)m->device)->name;
    load.architecture = NULL;
    return load;
}

/* Chooses, measures and makes. Under the lock of training, so nobody sets weights. */
static ebb_status make_locked(shrink_job *j, uint64_t *id, bool *is_needed, ebb_error *error)
{
    const ebb_load_options load = load_of(j->m);
    ebb_status status = shrink_choose(j, error);

    if (status == EBB_OK) status = shrink_measure(j, error);
    if (status == EBB_OK) status = j->sum.changed > 0 ? shrink_make(j, &load, id, error) : EBB_OK;
    *is_needed = j->sum.changed > 0;
    return status;
}

/* One try: *is_done false when weights were set between making and taking the place. */
static ebb_status try_once(shrink_job *j, uint64_t id, bool *is_done, ebb_error *error)
{
    model *m = model_acquire((ebb_model){id}, "shrink", error);
    uint64_t fresh = 0;
    bool is_needed = false;

    if (m == NULL) return EBB_E_STALE;
    ebb_status status = training_publish(m, error);
    pthread_mutex_lock(&m->training_mutex);
    const uint32_t changes = atomic_load(&m->weight_changes);
    j->m = m;
    if (status == EBB_OK) status = training_publish_locked(m, error); /* a pass came between */
    if (status == EBB_OK) status = check_model(m, error);
    if (status == EBB_OK) status = make_locked(j, &fresh, &is_needed, error);
    pthread_mutex_unlock(&m->training_mutex);
    read_bytes(m, &j->sum.weights_before, &j->sum.total_before);
    j->sum.weights_after = j->sum.weights_before;
    j->sum.total_after = j->sum.total_before;
    const model *made = fresh == 0 ? NULL : handle_acquire(HANDLE_MODEL, fresh);
    if (made != NULL) {
        read_bytes(made, &j->sum.weights_after, &j->sum.total_after);
        handle_release(fresh);
    }
    handle_release(id);
    *is_done = !is_needed;
    if (status != EBB_OK || !is_needed) return status;
    const uint64_t begin = clock_ns();
    const uint64_t wait = j->deadline_ns == 0 ? DEADLINE_NS : j->deadline_ns;
    const uint64_t deadline = begin + wait < begin ? UINT64_MAX : begin + wait;
    status = shrink_replace(id, m, changes, fresh, deadline, is_done, error);
    j->sum.wait_ns += clock_ns() - begin;
    if (!*is_done) (void)model_unload(fresh, NULL, NULL, NULL);
    return status;
}

static ebb_status shrink_tries(runtime *r, shrink_job *j, uint64_t id, ebb_error *error)
{
    bool is_done = false;

    for (uint32_t i = 0; i < TRIES; i++) {
        j->work = region_open(r->root, "shrink", EBB_CLASS_SCRATCH, 0);
        if (j->work == NULL) return region_fail(r->root, error, "shrink", "lists of weights");
        const ebb_status status = try_once(j, id, &is_done, error);
        region_close(j->work);
        if (status != EBB_OK || is_done) return status;
    }
    return fail(error, EBB_E_BUSY, "shrink",
                "weights were set again and again meanwhile; nothing was changed");
}

/* The runtime and the scope stay until it is done. */
static ebb_status shrink_run(ebb_model handle, shrink_job *j, ebb_shrink_report *report,
                             const char *where, ebb_error *error)
{
    const uint64_t begin = clock_ns();
    uint64_t scope_id = 0;
    runtime *r = NULL;
    ebb_status status = model_owner_acquire(handle, where, &r, error);

    if (status != EBB_OK) return status;
    const uint64_t owner = r->id;
    status = EBB_E_STALE;
    if (model_scope_acquire(handle, &scope_id, where, error))
        status = shrink_tries(r, j, handle.id, error);
    model_scope_release(scope_id);
    handle_release(owner);
    j->sum.time_ns = clock_ns() - begin;
    if (report != NULL && status == EBB_OK) *report = j->sum;
    return status;
}

ebb_status model_quantize(ebb_model handle, const ebb_quantize_options *options,
                          ebb_shrink_report *report, ebb_error *error)
{
    shrink_job j = {0};
    const ebb_status status = quantize_read(options, &j, error);

    return status != EBB_OK ? status : shrink_run(handle, &j, report, "ebb_model_quantize", error);
}

ebb_status model_prune(ebb_model handle, const ebb_prune_options *options,
                       ebb_shrink_report *report, ebb_error *error)
{
    shrink_job j = {0};
    const ebb_status status = prune_read(options, &j, error);

    return status != EBB_OK ? status : shrink_run(handle, &j, report, "ebb_model_prune", error);
}

ebb_status model_expand(ebb_model handle, ebb_shrink_report *report, ebb_error *error)
{
    shrink_job j = {.kind = EBB_F32, .is_expanding = true};

    return shrink_run(handle, &j, report, "ebb_model_expand", error);
}
