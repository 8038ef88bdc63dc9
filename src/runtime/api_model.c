/* api_model.c -- the public functions of ebb/model.h: argument checks, handle to object, nothing
 * else. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "layer/layer.h"
#include "mem/handle.h"
#include "runtime/devices.h"
#include "runtime/options.h"
#include "runtime/report.h"
#include "runtime/shrink.h"

ebb_status ebb_model_plan(ebb_runtime handle, const char *path, const ebb_load_options *options,
                          ebb_plan *plan, ebb_error *error)
{
    model *m = NULL;

    if (plan == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_model_plan", "expected a place for the plan");
    runtime *r = runtime_acquire(handle, "ebb_model_plan", error);
    if (r == NULL) return EBB_E_STALE;
    *plan = (ebb_plan){0};
    ebb_status status = model_plan(r, path, options, plan, &m, error);
    model_discard(m);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_load(ebb_runtime handle, const char *path, const ebb_load_options *options,
                          ebb_model *result, ebb_error *error)
{
    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_model_load", "expected a place for the handle");
    result->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_model_load", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = model_load(r, path, options, &result->id, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_unload(ebb_model handle, const ebb_unload_options *options,
                            ebb_receipt *receipt, ebb_error *error)
{
    uint64_t scope_id = 0;
    runtime *r = NULL;
    ebb_status status = model_owner_acquire(handle, "ebb_model_unload", &r, error);

    if (status != EBB_OK) return status;
    const uint64_t owner = r->id;
    status = EBB_E_STALE;
    if (model_scope_acquire(handle, &scope_id, "ebb_model_unload", error))
        status = model_unload(handle.id, options, receipt, error);
    model_scope_release(scope_id);
    handle_release(owner);
    return status;
}

ebb_status ebb_model_delete(ebb_model handle, const ebb_unload_options *options,
                            ebb_receipt *receipt, ebb_error *error)
{
    uint64_t scope_id = 0;
    runtime *r = NULL;
    ebb_status status = model_owner_acquire(handle, "ebb_model_delete", &r, error);

    if (status != EBB_OK) return status;
    const uint64_t owner = r->id;
    status = EBB_E_STALE;
    if (model_scope_acquire(handle, &scope_id, "ebb_model_delete", error))
        status = model_delete(handle, options, receipt, error);
    model_scope_release(scope_id);
    handle_release(owner);
    return status;
}

ebb_status ebb_file_remove(const char *path, ebb_receipt *receipt, ebb_error *error)
{
    ebb_receipt local = {0};
    const ebb_status status = model_files_remove(path, &local, error);

    if (receipt != NULL) *receipt = local;
    return status;
}

ebb_status ebb_file_remove_check(const char *path, ebb_receipt *receipt, ebb_error *error)
{
    ebb_receipt local = {0};
    const ebb_status status = model_files_check(path, &local, error);

    if (receipt != NULL) *receipt = local;
    return status;
}

ebb_status ebb_file_remove_with(const char *path, const ebb_remove_options *options,
                                ebb_receipt *receipt, ebb_error *error)
{
    ebb_remove_options o = EBB_REMOVE_OPTIONS_INIT;
    ebb_receipt local = {0};
    ebb_status status = options_copy(&o, sizeof o, options, "remove options",
                                     "EBB_REMOVE_OPTIONS_INIT", error);

    if (status == EBB_OK) {
        status = o.dry_run ? model_files_check_with(path, o.everything, &local, error)
                           : model_files_remove_with(path, o.everything, &local, error);
    }
    if (receipt != NULL) *receipt = local;
    return status;
}

bool ebb_model_alive(ebb_model handle)
{
    return handle_alive(HANDLE_MODEL, handle.id);
}

ebb_weak ebb_model_weak(ebb_model handle)
{
    return (ebb_weak){handle.id};
}

bool ebb_weak_get(ebb_weak weak, ebb_model *result)
{
    const bool alive = handle_alive(HANDLE_MODEL, weak.id);

    if (result != NULL) result->id = alive ? weak.id : 0;
    return alive;
}

ebb_status ebb_model_info_read(ebb_model handle, ebb_model_info *info)
{
    model *m = info == NULL ? NULL : model_acquire(handle, "ebb_model_info_read", NULL);

    if (m == NULL) return info == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    *info = m->info;
    const logical_device *device = m->device;
    memcpy(info->device, device->name, sizeof info->device);
    handle_release(handle.id);
    return EBB_OK;
}

ebb_status ebb_model_memory_read(ebb_model handle, ebb_memory *memory)
{
    model *m = memory == NULL ? NULL : model_acquire(handle, "ebb_model_memory_read", NULL);

    if (m == NULL) return memory == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    *memory = (ebb_memory){0};
    region_read(m->home, memory);
    memory->peak = region_bytes_peak(m->home);
    memory->limit = region_bytes_max(m->home);
    handle_release(handle.id);
    return EBB_OK;
}

/* -- ports and weights
 * ------------------------------------------------------------------------------ */

static void copy_name(ebb_tensor_info *info, const char *name)
{
    const size_t length = name == NULL ? 0 : strlen(name);
    const size_t kept = length < sizeof info->name ? length : sizeof info->name - 1;

    memset(info, 0, sizeof *info);
    if (kept > 0) memcpy(info->name, name, kept);
}

static void describe_port(const graph *g, const model_port *port, value v, ebb_tensor_info *info)
{
    const shape *s = graph_shape(g, v);

    copy_name(info, port->name);
    info->dtype = graph_value(g, v)->dtype;
    info->rank = s->rank;
    for (uint32_t i = 0; i < s->rank; i++) info->dims[i] = dim_known(s->dims[i]) ? s->dims[i] : -1;
}

ebb_status ebb_model_input(ebb_model handle, uint32_t index, ebb_tensor_info *info)
{
    model *m = info == NULL ? NULL : model_acquire(handle, "ebb_model_input", NULL);

    if (m == NULL) return info == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    const bool ok = index < m->built->input_count;
    if (ok)
        describe_port(m->built->graph, &m->built->inputs[index], m->built->graph->inputs[index],
                      info);
    handle_release(handle.id);
    return ok ? EBB_OK : EBB_E_ARGUMENT;
}

ebb_status ebb_model_output(ebb_model handle, uint32_t index, ebb_tensor_info *info)
{
    model *m = info == NULL ? NULL : model_acquire(handle, "ebb_model_output", NULL);

    if (m == NULL) return info == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    const bool ok = index < m->built->output_count;
    if (ok)
        describe_port(m->built->graph, &m->built->outputs[index], m->built->graph->outputs[index],
                      info);
    handle_release(handle.id);
    return ok ? EBB_OK : EBB_E_ARGUMENT;
}

ebb_status ebb_model_weight(ebb_model handle, uint32_t index, ebb_tensor_info *info)
{
    model *m = info == NULL ? NULL : model_acquire(handle, "ebb_model_weight", NULL);

    if (m == NULL) return info == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    const bool ok = index < m->built->weight_count;
    if (ok) {
        const layer_weight *w = m->built->weights[index];
        *info = (ebb_tensor_info){.dtype = w->dtype, .rank = w->rank, .trainable = w->trainable};
        snprintf(info->name, sizeof info->name, "%s%s%s", w->title, w->title[0] != 0 ? "/" : "",
                 w->name);
        memcpy(info->dims, w->dims, sizeof info->dims);
        shrink_describe(m, index, info);
    }
    handle_release(handle.id);
    return ok ? EBB_OK : EBB_E_ARGUMENT;
}

ebb_status ebb_model_weight_get(ebb_model handle, uint32_t index, const ebb_view *view,
                                ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_weight_get", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_weight_get(m, index, view, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_weight_set(ebb_model handle, uint32_t index, const ebb_view *view,
                                ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_weight_set", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_weight_set(m, index, view, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_save(ebb_model handle, const char *path, const ebb_save_options *options,
                          ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_save", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_save(m, path, options, error);
    handle_release(handle.id);
    return status;
}

/* -- predicting
 * ------------------------------------------------------------------------------------- */

ebb_status ebb_model_output_shapes(ebb_model handle, const ebb_views *inputs, ebb_view *outputs,
                                   size_t count, ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_output_shapes", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_output_shapes(m, inputs, outputs, count, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_predict(ebb_model handle, const ebb_views *inputs, const ebb_views *outputs,
                             ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_predict", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_predict(m, inputs, outputs, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_predict_files(ebb_model handle, const char *const *inputs,
                                   const char *const *outputs, const ebb_stream_options *options,
                                   ebb_error *error)
{
    if (inputs == NULL || outputs == NULL) {
        return fail(error, EBB_E_ARGUMENT, "ebb_model_predict_files",
                    "expected a path per input and output");
    }
    model *m = model_acquire(handle, "ebb_model_predict_files", error);
    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_predict_files(m, inputs, outputs, options, error);
    handle_release(handle.id);
    return status;
}

/* -- reports
 * ---------------------------------------------------------------------------------------- */

ebb_status ebb_model_summary(ebb_model handle, ebb_text_function write, void *context,
                             ebb_error *error)
{
    if (write == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_model_summary", "expected a text function");
    model *m = model_acquire(handle, "ebb_model_summary", error);
    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = report_model_summary(m, write, context, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_file_summary(ebb_runtime handle, const char *path, const ebb_load_options *options,
                            ebb_text_function write, void *context, ebb_error *error)
{
    if (write == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_file_summary", "expected a text function");
    runtime *r = runtime_acquire(handle, "ebb_file_summary", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = report_summary(r, path, options, write, context, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_file_check(ebb_runtime handle, const char *path, const ebb_load_options *options,
                          ebb_text_function write, void *context, uint32_t *problems,
                          ebb_error *error)
{
    if (write == NULL || problems == NULL) {
        return fail(error, EBB_E_ARGUMENT, "ebb_file_check",
                    "expected a text function and a place for the count");
    }
    runtime *r = runtime_acquire(handle, "ebb_file_check", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = report_problems(r, path, options, write, context, problems, error);
    handle_release(handle.id);
    return status;
}

uint32_t ebb_layer_count(void)
{
    return layer_table_count();
}

bool ebb_layer_read(uint32_t index, ebb_layer_info *info)
{
    if (info == NULL || index >= layer_table_count()) return false;
    const layer_def *def = layer_table_at(index);
    *info = (ebb_layer_info){.name = def->name, .family = def->family, .aliases = def->aliases};
    while (def->fields != NULL && def->fields[info->fields].key != NULL) info->fields++;
    return true;
}

bool ebb_layer_field_read(uint32_t index, uint32_t field, ebb_layer_field *info)
{
    static const char *const kinds[] = {
        [FIELD_I64] = "integer", [FIELD_F32] = "number",    [FIELD_BOOL] = "bool",
        [FIELD_TEXT] = "text",   [FIELD_CHOICE] = "choice", [FIELD_ACTIVATION] = "activation",
        [FIELD_INTS] = "list",   [FIELD_JSON] = "any",      [FIELD_TRAINING] = "any",
    };
    ebb_layer_info layer;

    if (info == NULL || !ebb_layer_read(index, &layer) || field >= layer.fields) return false;
    const layer_field *f = &layer_table_at(index)->fields[field];
    *info = (ebb_layer_field){.key = f->key,
                              .kind = kinds[f->kind],
                              .choices = f->kind == FIELD_CHOICE ? f->choices : NULL,
                              .required = f->required,
                              .otherwise = f->otherwise};
    return true;
}
