/* symbolic_operations.c -- operations of the table, gradients, and calls of models. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/session/model_call.h"
#include "runtime/session/path.h"
#include "tensor/dtype.h"
#include "train/nearest.h"

static const ebb_tensor none = {0};

/* -- the table --------------------------------------------------------------------------------- */

static ebb_tensor unknown(symbolic *s, const char *op)
{
    char names[160];
    tf_operation_info info;
    nearest n = nearest_begin(op);

    for (uint32_t i = 0; tf_operation_at(i, &info); i++) nearest_consider(&n, info.name);
    symbolic_fail(s, EBB_E_UNSUPPORTED, op,
                  "there is no operation of that name (or ebb does not have it); nearest are %s",
                  nearest_text(&n, names, sizeof names));
    return none;
}

/* Operations that are functions of their own here. */
static bool special(symbolic *s, const char *op, const ebb_tensor *inputs, size_t count,
                    const char *name, ebb_tensor *result)
{
    static const struct {
        const char *op;
        sym_kind kind;
        size_t inputs;
    } changes[] = {{"Assign", SYM_ASSIGN, 2},
                   {"AssignAdd", SYM_ASSIGN_ADD, 2},
                   {"AssignSub", SYM_ASSIGN_SUB, 2},
                   {"ReadVariableOp", SYM_READ, 1},
                   {"NoOp", SYM_GROUP, 0}};
    static const struct {
        const char *op, *instead;
    } others[] = {
        {"Const", "ebb_graph_constant"},           {"Placeholder", "ebb_graph_placeholder"},
        {"VariableV2", "ebb_graph_variable"},      {"VarHandleOp", "ebb_graph_variable"},
        {"Variable", "ebb_graph_variable"},        {"AssignVariableOp", "ebb_assign"},
        {"AssignAddVariableOp", "ebb_assign_add"}, {"AssignSubVariableOp", "ebb_assign_sub"}};

    *result = none;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        if (strcmp(op, changes[i].op) != 0) continue;
        if (count != changes[i].inputs)
            symbolic_fail(s, EBB_E_ARGUMENT, op, "takes %zu inputs, got %zu", changes[i].inputs,
                          count);
        else if (changes[i].kind == SYM_GROUP)
            *result = symbolic_group(s, NULL, 0, name);
        else if (changes[i].kind == SYM_READ)
            *result = symbolic_read(s, inputs[0]);
        else
            *result = symbolic_assign(s, changes[i].kind, inputs[0], inputs[1], name);
        return true;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(op, others[i].op) != 0) continue;
        symbolic_fail(s, EBB_E_ARGUMENT, op, "made by %s()", others[i].instead);
        return true;
    }
    return false;
}

static ebb_tensor add_operation(symbolic *s, sym_spec *spec, const ebb_tensor *inputs)
{
    uint32_t numbers[TF_INPUTS_MAX];

    for (uint32_t i = 0; i < spec->input_count; i++) {
        numbers[i] = symbolic_input(s, inputs[i]);
        if (numbers[i] == SYM_NONE) return none;
    }
    spec->inputs = numbers;
    return symbolic_add_tensor(s, spec);
}

ebb_tensor symbolic_operation(symbolic *s, const char *op, const ebb_tensor *inputs, size_t count,
                              const char *text)
{
    sym_spec spec = {.kind = SYM_OPERATION, .op = op};
    tf_attribute *attributes = NULL;
    ebb_tensor result;

    if (op == NULL || (inputs == NULL && count > 0) || count > TF_INPUTS_MAX) {
        symbolic_fail(s, EBB_E_ARGUMENT, op == NULL ? s->name : op,
                      "expected an operation and at most %d inputs", TF_INPUTS_MAX);
        return none;
    }
    for (size_t i = 0; i < count; i++)
        if (symbolic_input(s, inputs[i]) == SYM_NONE) return none;
    if (!symbolic_attributes(s, op, text, &attributes, &spec.attribute_count, &spec.name))
        return none;
    if (special(s, op, inputs, count, spec.name, &result)) return result;
    if (tf_operation_find(op) == SYM_NONE) return unknown(s, op);
    spec.attributes = attributes;
    spec.input_count = (uint32_t)count;
    return add_operation(s, &spec, inputs);
}

/* -- gradients --------------------------------------------------------------------------------- */

/* Faults of these calls are told at once, not kept. */
static ebb_status told(symbolic *s, const ebb_error *before, ebb_error *error)
{
    const ebb_error fault = s->error;

    s->error = *before;
    if (error != NULL) *error = fault;
    return fault.status;
}

static bool numbers_of(symbolic *s, const ebb_tensor *tensors, size_t count, uint32_t *numbers)
{
    for (size_t i = 0; i < count; i++) {
        numbers[i] = symbolic_input(s, tensors[i]);
        if (numbers[i] == SYM_NONE) return false;
    }
    return true;
}

static bool check_wanted(symbolic *s, const uint32_t *xs, size_t count)
{
    char text[SYM_NAME_BYTES + 16];

    for (size_t i = 0; i < count; i++) {
        const ebb_dtype dtype = tf_type_dtype(s->body.tensors[xs[i]].shadow.type);
        if (dtype_is_float(dtype) && !s->body.tensors[xs[i]].shadow.has_lengths) continue;
        symbolic_fail(s, EBB_E_DTYPE, "gradients", "'%s' is %s; gradients are of float tensors",
                      symbolic_tensor_name(s, xs[i], text, sizeof text), ebb_dtype_name(dtype));
        return false;
    }
    return true;
}

/* A model on the way from the xs to the ys lets no gradient through. The xs that the ys do not
 * depend on are left out: a run must not need them. */
static bool check_path(symbolic *s, uint32_t *numbers, uint32_t y_count, uint32_t x_count,
                       uint32_t *kept, uint32_t *kept_count)
{
    ebb_error error = {0};
    region *work = region_open(s->home, "gradients", EBB_CLASS_SCRATCH, 0);
    uint32_t *xs = numbers + y_count;
    sym_path path;

    if (work == NULL) return symbolic_no_memory(s, "gradients") != SYM_NONE;
    ebb_status status = path_find(work, s, numbers, y_count, xs, x_count, &path, &error);
    for (uint32_t i = 0; status == EBB_OK && i < s->body.node_count; i++) {
        if (s->body.nodes[i].kind != SYM_MODEL || !path_passes(s, &path, i)) continue;
        status = fail(&error, EBB_E_UNSUPPORTED, s->body.nodes[i].name,
                      "gradients do not pass the call of the model '%s'; train it with "
                      "ebb_model_fit()",
                      s->body.nodes[i].model_name);
    }
    *kept_count = 0;
    for (uint32_t i = 0; status == EBB_OK && i < x_count; i++) {
        if (!path_reaches(&path, xs[i])) continue;
        xs[*kept_count] = xs[i];
        kept[(*kept_count)++] = i;
    }
    region_close(work);
    if (status != EBB_OK && s->error.status == EBB_OK) s->error = error;
    return status == EBB_OK;
}

static void gradients_add(symbolic *s, const ebb_tensor *ys, size_t y_count, const ebb_tensor *xs,
                          size_t x_count, ebb_tensor *gradients)
{
    uint32_t *numbers = region_new(s->body.home, uint32_t, y_count + x_count);
    uint32_t *kept = region_new(s->body.home, uint32_t, x_count), count = 0;

    if (numbers == NULL || kept == NULL) {
        symbolic_no_memory(s, "gradients");
        return;
    }
    if (!numbers_of(s, ys, y_count, numbers) || !numbers_of(s, xs, x_count, numbers + y_count) ||
        !check_wanted(s, numbers + y_count, x_count) ||
        !check_path(s, numbers, (uint32_t)y_count, (uint32_t)x_count, kept, &count) || count == 0) {
        return;
    }
    const uint32_t node = symbolic_add(s, &(sym_spec){.kind = SYM_GRADIENT,
                                                      .op = "SymbolicGradient",
                                                      .name = "gradients",
                                                      .inputs = numbers,
                                                      .input_count = (uint32_t)y_count + count,
                                                      .output_count = count,
                                                      .y_count = (uint32_t)y_count});
    for (uint32_t i = 0; node != SYM_NONE && i < count; i++) {
        const uint32_t tensor = s->body.nodes[node].output_first + i;
        if (symbolic_has_value(s, tensor)) gradients[kept[i]] = symbolic_handle(s, tensor);
    }
}

ebb_status symbolic_gradients(symbolic *s, const ebb_tensor *ys, size_t y_count,
                              const ebb_tensor *xs, size_t x_count, ebb_tensor *gradients,
                              ebb_error *error)
{
    const size_t most = s->body.tensor_count;
    const ebb_error before = s->error;

    if (ys == NULL || xs == NULL || gradients == NULL || y_count == 0 || x_count == 0 ||
        y_count > most || x_count > most) {
        return fail(error, EBB_E_ARGUMENT, s->name, "expected ys, xs and places for the gradients");
    }
    for (size_t i = 0; i < x_count; i++) gradients[i] = none;
    s->error = (ebb_error){0};
    gradients_add(s, ys, y_count, xs, x_count, gradients);
    return told(s, &before, error);
}

/* -- models ------------------------------------------------------------------------------------ */

static void model_add(symbolic *s, const model *m, uint64_t id, const ebb_tensor *inputs,
                      size_t input_count, ebb_tensor *outputs, size_t output_count)
{
    uint32_t numbers[PORTS_MAX];
    char name[SYM_NAME_BYTES];

    if (m->owner != s->owner) {
        symbolic_fail(s, EBB_E_ARGUMENT, m->info.name, "the model belongs to another runtime");
        return;
    }
    if (input_count != m->built->input_count || output_count != m->built->output_count) {
        symbolic_fail(s, EBB_E_ARGUMENT, m->info.name,
                      "the model has %u inputs and %u outputs, %zu and %zu were given",
                      m->built->input_count, m->built->output_count, input_count, output_count);
        return;
    }
    if (!numbers_of(s, inputs, input_count, numbers)) return;
    (void)snprintf(name, sizeof name, "%.100s", m->info.name);
    for (char *at = name; *at != '\0'; at++)
        if ((uint8_t)*at <= ' ' || strchr(":^\"'/", *at) != NULL) *at = '_';
    const uint32_t node = symbolic_add(s, &(sym_spec){.kind = SYM_MODEL,
                                                      .op = "ModelCall",
                                                      .name = name[0] == '_' ? "model" : name,
                                                      .inputs = numbers,
                                                      .input_count = (uint32_t)input_count,
                                                      .output_count = (uint32_t)output_count,
                                                      .model = id,
                                                      .model_name = m->info.name});
    for (size_t i = 0; node != SYM_NONE && i < output_count; i++)
        outputs[i] = symbolic_handle(s, s->body.nodes[node].output_first + (uint32_t)i);
}

ebb_status symbolic_model_call(symbolic *s, ebb_model handle, const ebb_tensor *inputs,
                               size_t input_count, ebb_tensor *outputs, size_t output_count,
                               ebb_error *error)
{
    const ebb_error before = s->error;

    if (inputs == NULL || outputs == NULL)
        return fail(error, EBB_E_ARGUMENT, s->name, "expected inputs and places for outputs");
    for (size_t i = 0; i < output_count; i++) outputs[i] = none;
    model *m = model_acquire(handle, "ebb_graph_model_call", error);
    if (m == NULL) return EBB_E_STALE;
    s->error = (ebb_error){0};
    model_add(s, m, handle.id, inputs, input_count, outputs, output_count);
    handle_release(handle.id);
    return told(s, &before, error);
}
