/* api_graph.c -- the public functions of ebb/graph.h about graphs: argument checks, handle to
 * object, nothing else. The short names are in api_operations.c. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/session/symbolic.h"

static const ebb_tensor none = {0};

/* -- graphs ------------------------------------------------------------------------------------ */

ebb_status ebb_graph_open(ebb_runtime handle, const ebb_graph_options *options, ebb_graph *graph,
                          ebb_error *error)
{
    if (graph == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_graph_open", "expected a place for the handle");
    graph->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_graph_open", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = symbolic_open(r, options, &graph->id, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_graph_close(ebb_graph graph, ebb_receipt *receipt, ebb_error *error)
{
    return symbolic_close(graph, receipt, error);
}

ebb_status ebb_graph_reset(ebb_graph graph, ebb_receipt *receipt, ebb_error *error)
{
    ebb_receipt local = {0};
    symbolic *s = symbolic_enter(graph, "ebb_graph_reset", error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = symbolic_reset(s, &local, error);
    local.live_after = region_bytes_live(s->owner->root);
    symbolic_leave(s);
    if (status == EBB_OK && receipt != NULL) *receipt = local;
    return status;
}

ebb_status ebb_graph_default(ebb_runtime handle, ebb_graph *graph, ebb_error *error)
{
    if (graph == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_graph_default", "expected a place for the handle");
    graph->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_graph_default", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = symbolic_default(r, graph, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_graph_as_default(ebb_runtime handle, ebb_graph graph, ebb_graph *previous,
                                ebb_error *error)
{
    runtime *r = runtime_acquire(handle, "ebb_graph_as_default", error);

    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = symbolic_as_default(r, graph, previous, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_graph_finalize(ebb_graph graph)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_finalize", NULL);

    if (s == NULL) return EBB_E_STALE;
    s->body.is_finalized = true;
    symbolic_leave(s);
    return EBB_OK;
}

ebb_status ebb_graph_error(ebb_graph graph, ebb_error *error)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_error", error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_error fault = s->error;
    s->error = (ebb_error){0};
    symbolic_leave(s);
    if (fault.status != EBB_OK && error != NULL) *error = fault;
    return fault.status;
}

/* -- looking ----------------------------------------------------------------------------------- */

static void text_copy(char *to, size_t capacity, const char *from)
{
    (void)snprintf(to, capacity, "%s", from);
}

ebb_status ebb_graph_info_read(ebb_graph graph, ebb_graph_info *info)
{
    if (info == NULL) return EBB_E_ARGUMENT;
    *info = (ebb_graph_info){0};
    symbolic *s = symbolic_enter(graph, "ebb_graph_info_read", NULL);
    if (s == NULL) return EBB_E_STALE;
    text_copy(info->name, sizeof info->name, s->name);
    info->operations = s->body.node_count;
    info->tensors = s->body.tensor_count;
    info->variables = s->body.variable_count;
    info->sessions = s->session_count;
    info->nodes_max = s->nodes_max;
    info->bytes_max = s->bytes_max;
    info->seed = s->seed;
    info->resets = s->epoch;
    info->is_finalized = s->body.is_finalized;
    symbolic_leave(s);
    return EBB_OK;
}

ebb_status ebb_graph_memory_read(ebb_graph graph, ebb_memory *memory)
{
    if (memory == NULL) return EBB_E_ARGUMENT;
    *memory = (ebb_memory){0};
    symbolic *s = symbolic_enter(graph, "ebb_graph_memory_read", NULL);
    if (s == NULL) return EBB_E_STALE;
    region_read(s->home, memory);
    memory->peak = region_bytes_peak(s->home);
    memory->limit = region_bytes_max(s->home);
    symbolic_leave(s);
    return EBB_OK;
}

uint32_t ebb_graph_operation_count(ebb_graph graph)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_operation_count", NULL);

    if (s == NULL) return 0;
    const uint32_t count = s->body.node_count;
    symbolic_leave(s);
    return count;
}

ebb_status ebb_graph_operation_read(ebb_graph graph, uint32_t index, ebb_operation_info *info)
{
    if (info == NULL) return EBB_E_ARGUMENT;
    *info = (ebb_operation_info){0};
    symbolic *s = symbolic_enter(graph, "ebb_graph_operation_read", NULL);
    if (s == NULL) return EBB_E_STALE;
    const bool is_there = index < s->body.node_count;
    if (is_there) {
        const sym_node *n = &s->body.nodes[index];
        text_copy(info->name, sizeof info->name, n->name);
        text_copy(info->op, sizeof info->op, n->op);
        text_copy(info->device, sizeof info->device, n->device);
        info->inputs = n->input_count;
        info->outputs = n->kind == SYM_GROUP ? 0 : n->output_count;
        info->controls = n->control_count;
    }
    symbolic_leave(s);
    return is_there ? EBB_OK : EBB_E_ARGUMENT;
}

ebb_status ebb_graph_tensor_info(ebb_graph graph, ebb_tensor tensor, ebb_tensor_info *info)
{
    ebb_error error = {0};

    if (info == NULL) return EBB_E_ARGUMENT;
    *info = (ebb_tensor_info){0};
    symbolic *s = symbolic_enter(graph, "ebb_graph_tensor_info", NULL);
    if (s == NULL) return EBB_E_STALE;
    const uint32_t number = symbolic_number(s, tensor, "the tensor", &error);
    if (number != SYM_NONE) {
        const sym_tensor *t = &s->body.tensors[number];
        symbolic_tensor_name(s, number, info->name, sizeof info->name);
        info->dtype = tf_type_dtype(t->shadow.type);
        info->rank = t->rank;
        memcpy(info->dims, t->dims, sizeof info->dims);
    }
    symbolic_leave(s);
    return number != SYM_NONE ? EBB_OK : tensor.id == 0 ? EBB_E_ARGUMENT : error.status;
}

ebb_status ebb_graph_find(ebb_graph graph, const char *name, ebb_tensor *tensor, ebb_error *error)
{
    uint32_t number;

    if (name == NULL || tensor == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_graph_find",
                    "expected a name and a place for the "
                    "tensor");
    *tensor = none;
    symbolic *s = symbolic_enter(graph, "ebb_graph_find", error);
    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = symbolic_find_tensor(s, name, &number, error);
    if (status == EBB_OK) *tensor = symbolic_handle(s, number);
    symbolic_leave(s);
    return status;
}

/* -- tensors ----------------------------------------------------------------------------------- */

ebb_tensor ebb_graph_constant(ebb_graph graph, const ebb_view *view, const char *name)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_constant", NULL);

    if (s == NULL) return none;
    const ebb_tensor x = symbolic_constant(s, view, name);
    symbolic_leave(s);
    return x;
}

ebb_tensor ebb_graph_number(ebb_graph graph, double number)
{
    float single = (float)number;

    return ebb_graph_constant(graph, &(ebb_view){.dtype = EBB_F32, .data = &single}, NULL);
}

ebb_tensor ebb_graph_placeholder(ebb_graph graph, const char *name, ebb_dtype dtype, uint32_t rank,
                                 const int64_t *dims)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_placeholder", NULL);

    if (s == NULL) return none;
    const ebb_tensor x = symbolic_placeholder(s, name, dtype, rank, dims);
    symbolic_leave(s);
    return x;
}

ebb_tensor ebb_graph_variable_from(ebb_graph graph, const char *name, ebb_tensor initial)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_variable_from", NULL);

    if (s == NULL) return none;
    const ebb_tensor x = symbolic_variable(s, name, initial);
    symbolic_leave(s);
    return x;
}

ebb_tensor ebb_graph_variable(ebb_graph graph, const char *name, const ebb_view *initial)
{
    char constant[SYM_NAME_BYTES + 16];
    const bool has_name = name != NULL && name[0] != '\0';
    symbolic *s = symbolic_enter(graph, "ebb_graph_variable", NULL);

    if (s == NULL) return none;
    (void)snprintf(constant, sizeof constant, "%.90s/initial_value", has_name ? name : "Variable");
    const ebb_tensor from = symbolic_constant(s, initial, constant);
    const ebb_tensor x = from.id == 0 ? none : symbolic_variable(s, name, from);
    symbolic_leave(s);
    return x;
}

ebb_tensor ebb_graph_op(ebb_graph graph, const char *op, const ebb_tensor *inputs, size_t count,
                        const char *attributes)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_op", NULL);

    if (s == NULL) return none;
    const ebb_tensor x = symbolic_operation(s, op, inputs, count, attributes);
    symbolic_leave(s);
    return x;
}

ebb_tensor ebb_graph_op_format(ebb_graph graph, const char *op, const ebb_tensor *inputs,
                               size_t count, const char *format, ...)
{
    char text[2048];
    va_list arguments;

    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof text)
        return ebb_graph_op(graph, op, inputs, count, text);
    symbolic *s = symbolic_enter(graph, "ebb_graph_op_format", NULL);
    if (s == NULL) return none;
    symbolic_fail(s, EBB_E_ARGUMENT, op != NULL ? op : s->name,
                  "attributes of more than %zu characters; ebb_graph_op() takes longer ones",
                  sizeof text - 1);
    symbolic_leave(s);
    return none;
}

ebb_tensor ebb_graph_output(ebb_graph graph, ebb_tensor x, uint32_t index)
{
    ebb_tensor y = none;
    symbolic *s = symbolic_enter(graph, "ebb_graph_output", NULL);

    if (s == NULL) return none;
    const uint32_t number = symbolic_input(s, x);
    if (number != SYM_NONE) {
        const sym_node *n = &s->body.nodes[s->body.tensors[number].node];
        if (index < n->output_count)
            y = symbolic_handle(s, n->output_first + index);
        else
            symbolic_fail(s, EBB_E_ARGUMENT, n->name, "it has %u outputs, there is no number %u",
                          n->output_count, index);
    }
    symbolic_leave(s);
    return y;
}

ebb_tensor ebb_graph_name(ebb_graph graph, ebb_tensor x, const char *name)
{
    ebb_tensor y = none;
    symbolic *s = symbolic_enter(graph, "ebb_graph_name", NULL);

    if (s == NULL) return none;
    const uint32_t number = symbolic_input(s, x);
    if (number != SYM_NONE && s->body.is_finalized)
        symbolic_fail(s, EBB_E_STATE, s->name, "the graph is finalized: names stay");
    else if (number != SYM_NONE && symbolic_rename(s, number, name))
        y = x;
    symbolic_leave(s);
    return y;
}

uint32_t ebb_operation_count(void)
{
    return tf_operation_count();
}

bool ebb_operation_read(uint32_t index, ebb_operation *operation)
{
    tf_operation_info info;

    if (operation == NULL || !tf_operation_at(index, &info)) return false;
    *operation = (ebb_operation){info.name, info.inputs_min, info.inputs_max, info.attributes};
    return true;
}

/* -- variables and order ------------------------------------------------------------------------
 */

static ebb_tensor assign(ebb_graph graph, sym_kind kind, ebb_tensor variable, ebb_tensor value)
{
    symbolic *s = symbolic_enter(graph, "ebb_assign", NULL);

    if (s == NULL) return none;
    const ebb_tensor x = symbolic_assign(s, kind, variable, value, NULL);
    symbolic_leave(s);
    return x;
}

ebb_tensor ebb_assign(ebb_graph graph, ebb_tensor variable, ebb_tensor value)
{
    return assign(graph, SYM_ASSIGN, variable, value);
}

ebb_tensor ebb_assign_add(ebb_graph graph, ebb_tensor variable, ebb_tensor value)
{
    return assign(graph, SYM_ASSIGN_ADD, variable, value);
}

ebb_tensor ebb_assign_sub(ebb_graph graph, ebb_tensor variable, ebb_tensor value)
{
    return assign(graph, SYM_ASSIGN_SUB, variable, value);
}

ebb_tensor ebb_graph_read(ebb_graph graph, ebb_tensor variable)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_read", NULL);

    if (s == NULL) return none;
    const ebb_tensor x = symbolic_read(s, variable);
    symbolic_leave(s);
    return x;
}

ebb_tensor ebb_graph_group(ebb_graph graph, const ebb_tensor *tensors, size_t count,
                           const char *name)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_group", NULL);

    if (s == NULL) return none;
    const ebb_tensor x = symbolic_group(s, tensors, count, name);
    symbolic_leave(s);
    return x;
}

ebb_tensor ebb_graph_initializer(ebb_graph graph)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_initializer", NULL);

    if (s == NULL) return none;
    const ebb_tensor x = symbolic_initializer(s);
    symbolic_leave(s);
    return x;
}

ebb_status ebb_graph_control_push(ebb_graph graph, const ebb_tensor *tensors, size_t count,
                                  ebb_error *error)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_control_push", error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = symbolic_control_push(s, tensors, count, error);
    symbolic_leave(s);
    return status;
}

ebb_status ebb_graph_control_pop(ebb_graph graph)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_control_pop", NULL);

    if (s == NULL) return EBB_E_STALE;
    const bool is_open = s->body.control_depth > 0;
    if (is_open) s->body.control_depth--;
    symbolic_leave(s);
    return is_open ? EBB_OK : EBB_E_STATE;
}

ebb_status ebb_graph_after(ebb_graph graph, ebb_tensor x, ebb_tensor after, ebb_error *error)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_after", error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = symbolic_after(s, x, after, error);
    symbolic_leave(s);
    return status;
}

ebb_status ebb_graph_gradients(ebb_graph graph, const ebb_tensor *ys, size_t y_count,
                               const ebb_tensor *xs, size_t x_count, ebb_tensor *gradients,
                               ebb_error *error)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_gradients", error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = symbolic_gradients(s, ys, y_count, xs, x_count, gradients, error);
    symbolic_leave(s);
    return status;
}

ebb_status ebb_graph_seed(ebb_graph graph, uint64_t seed)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_seed", NULL);

    if (s == NULL) return EBB_E_STALE;
    const sym_body *b = &s->body;
    const bool may = graph_uses(b->build.graph, b->build.random) == 0 && !b->is_finalized;
    if (may) s->seed = s->body.build.seed = seed;
    symbolic_leave(s);
    return may ? EBB_OK : EBB_E_STATE;
}

/* -- devices and models -------------------------------------------------------------------------
 */

ebb_status ebb_graph_device_push(ebb_graph graph, const char *device, ebb_error *error)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_device_push", error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = symbolic_device_push(s, device, error);
    symbolic_leave(s);
    return status;
}

ebb_status ebb_graph_device_pop(ebb_graph graph)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_device_pop", NULL);

    if (s == NULL) return EBB_E_STALE;
    const bool is_open = s->body.device_depth > 0;
    if (is_open) s->body.device_depth--;
    symbolic_leave(s);
    return is_open ? EBB_OK : EBB_E_STATE;
}

ebb_status ebb_graph_model_call(ebb_graph graph, ebb_model model, const ebb_tensor *inputs,
                                size_t input_count, ebb_tensor *outputs, size_t output_count,
                                ebb_error *error)
{
    symbolic *s = symbolic_enter(graph, "ebb_graph_model_call", error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_status status =
        symbolic_model_call(s, model, inputs, input_count, outputs, output_count, error);
    symbolic_leave(s);
    return status;
}
