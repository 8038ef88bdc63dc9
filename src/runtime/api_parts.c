/* api_parts.c -- the public functions of ebb/build.h about models from JSON and from other models,
 * copies of weights, and scopes: argument checks, handle to object, nothing else. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "json/json.h"
#include "mem/handle.h"
#include "runtime/recipe.h"
#include "runtime/scope.h"
#include "runtime/shrink.h"
#include "runtime/suspend.h"
#include "runtime/training.h"
#include "runtime/weights_replace.h"

/* What the model is called in reports and messages: the name in its configuration. A text that
 * cannot be read is called a file; whoever reads it next says what is wrong with it. */
static void name_of(runtime *r, const char *text, size_t length, char *name, size_t bytes)
{
    const json *config = NULL;
    region *work = region_open(r->root, "name", EBB_CLASS_SCRATCH, 0);
    const bool is_read =
        work != NULL && json_read(work, text, length, "model.json", &config, NULL) == EBB_OK;
    const char *found = is_read ? json_text(json_path(config, "config.name"), NULL) : NULL;

    (void)snprintf(name, bytes, "%s", found != NULL && found[0] != 0 ? found : "model.json");
    region_close(work);
}

ebb_status ebb_model_from_json(ebb_runtime handle, const char *text, size_t length,
                               const ebb_build_options *options, ebb_model *result,
                               ebb_error *error)
{
    static const char where[] = "ebb_model_from_json";
    ebb_build_options o;
    char name[128];

    if (text == NULL || result == NULL)
        return fail(error, EBB_E_ARGUMENT, where, "expected a text and a place for the handle");
    result->id = 0;
    ebb_status status = build_options_read(options, &o, error);
    if (status != EBB_OK) return status;
    runtime *r = runtime_acquire(handle, where, error);
    if (r == NULL) return EBB_E_STALE;
    const size_t bytes = length != 0 ? length : strlen(text);
    name_of(r, text, bytes, name, sizeof name);
    const recipe p = {.name = name,
                      .text = text,
                      .length = bytes,
                      .seed = o.seed,
                      .seed_by_number = o.seed_by_number};
    status = recipe_build(r, &p, &o, &result->id, error);
    handle_release(handle.id);
    return status;
}

static ebb_status clone(model *from, const ebb_build_options *o, ebb_model *result,
                        ebb_error *error)
{
    recipe_origin all = {.from_id = from->id};
    recipe p = {.name = from->info.name,
                .seed = o->seed,
                .origins = &all,
                .origin_count = o->new_weights ? 0 : 1};
    region *work = region_open(from->owner->root, "clone", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(from->owner->root, error, p.name, "a clone");
    ebb_status status = recipe_text_make(work, from, &p.text, error);
    if (status == EBB_OK) {
        p.length = strlen(p.text);
        status = recipe_pin(&p, "ebb_model_clone", error);
    }
    if (status == EBB_OK) status = recipe_build(from->owner, &p, o, &result->id, error);
    recipe_unpin(&p);
    region_close(work);
    return status;
}

ebb_status ebb_model_clone(ebb_model handle, const ebb_build_options *options, ebb_model *result,
                           ebb_error *error)
{
    ebb_build_options o;
    build_place place;

    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_model_clone", "expected a place for the handle");
    result->id = 0;
    ebb_status status = build_options_read(options, &o, error);
    if (status != EBB_OK) return status;
    model *m = model_acquire(handle, "ebb_model_clone", error);
    if (m == NULL) return EBB_E_STALE;
    build_options_place(m, &place, &o);
    status = o.new_weights ? EBB_OK : model_awake(m, "ebb_model_clone", error);
    if (status != EBB_OK) {
        handle_release(handle.id);
        return status;
    }
    status = m->packings != NULL && !o.new_weights ? shrink_clone(m, &o, &result->id, error)
                                                   : clone(m, &o, result, error);
    handle_release(handle.id);
    return status;
}

/* A builder of its own: import and finish. */
ebb_status ebb_model_cut(ebb_model handle, const ebb_import_options *until,
                         const ebb_build_options *options, ebb_model *result, ebb_error *error)
{
    ebb_model_info info;
    ebb_builder b;
    ebb_build_options o;
    build_place place;

    if (result != NULL) result->id = 0;
    ebb_status status = build_options_read(options, &o, error);
    if (status != EBB_OK) return status;
    model *m = model_acquire(handle, "ebb_model_cut", error);
    if (m == NULL) return EBB_E_STALE;
    const ebb_runtime owner = {m->owner->id};
    info = m->info;
    build_options_place(m, &place, &o);
    handle_release(handle.id);
    status = ebb_build_open(owner, info.name, &b, error);
    if (status != EBB_OK) return status;
    const ebb_tensor x = ebb_build_import(b, handle, until);
    status = ebb_build_finish(b, &x, 1, &o, result, error);
    return status;
}

/* -- weights ----------------------------------------------------------------------------------- */

ebb_status ebb_model_weights_copy(ebb_model from_handle, ebb_model to_handle,
                                  const ebb_weights_options *options, ebb_weights_report *report,
                                  ebb_error *error)
{
    static const char where[] = "ebb_model_weights_copy";
    model *from = model_acquire(from_handle, where, error);
    model *to = from == NULL ? NULL : model_acquire(to_handle, where, error);
    ebb_status status = EBB_E_STALE;

    if (to != NULL) {
        status = model_weights_copy(from, to, options, report, error);
        handle_release(to_handle.id);
    }
    if (from != NULL) handle_release(from_handle.id);
    return status;
}

ebb_status ebb_model_weights_load(ebb_model handle, const char *path,
                                  const ebb_weights_options *options, ebb_weights_report *report,
                                  ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_weights_load", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_weights_load(m, path, options, report, error);
    handle_release(handle.id);
    return status;
}

/* -- scopes ------------------------------------------------------------------------------------ */

ebb_status ebb_scope_open(ebb_runtime handle, const ebb_scope_options *options, ebb_scope *result,
                          ebb_error *error)
{
    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_scope_open", "expected a place for the handle");
    result->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_scope_open", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = scope_open(r, options, &result->id, error);
    handle_release(handle.id);
    return status;
}

static scope *scope_find(ebb_scope handle, const char *where, ebb_error *error)
{
    scope *s = handle_acquire(HANDLE_SCOPE, handle.id);

    if (s == NULL)
        fail(error, EBB_E_STALE, where, "the scope was closed, or the handle was never valid");
    return s;
}

ebb_status ebb_scope_close(ebb_scope handle, ebb_receipt *receipt, ebb_error *error)
{
    const scope *s = scope_find(handle, "ebb_scope_close", error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_runtime owner = {s->owner->id};
    handle_release(handle.id);
    runtime *r = runtime_acquire(owner, "ebb_scope_close", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = scope_close(handle, receipt, error);
    handle_release(owner.id);
    return status;
}

ebb_status ebb_scope_memory_read(ebb_scope handle, ebb_memory *memory)
{
    const scope *s = memory == NULL ? NULL : scope_find(handle, "ebb_scope_memory_read", NULL);

    if (s == NULL) return memory == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    *memory = (ebb_memory){0};
    region_read(s->home, memory);
    memory->peak = region_bytes_peak(s->home);
    memory->limit = region_bytes_max(s->home);
    handle_release(handle.id);
    return EBB_OK;
}
