/* symbolic_values.c -- the nodes that are no operations of the table: constants, placeholders,
 * variables and what changes them, groups, control dependencies. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "runtime/devices.h"
#include "runtime/session/emit_node.h"
#include "runtime/session/symbolic.h"
#include "tensor/view.h"

static const ebb_tensor none = {0};

static const char *name_or(const char *name, const char *otherwise)
{
    return name != NULL && name[0] != '\0' ? name : otherwise;
}

/* -- constants and placeholders ------------------------------------------------------------------
 */

static bool check_type(symbolic *s, const char *name, ebb_dtype dtype, uint32_t rank,
                       const int64_t *dims, bool has_unknown)
{
    if (ebb_dtype_bytes(dtype) == 0)
        return symbolic_fail(s, EBB_E_DTYPE, name, "%d is no data type of EBB_DTYPE_MAP",
                             (int)dtype) != SYM_NONE;
    if (rank > EBB_RANK_MAX)
        return symbolic_fail(
                   s, EBB_E_ARGUMENT, name,
                   "expected a rank from 0 to %d, got %u; tensors of unknown rank are not "
                   "supported",
                   EBB_RANK_MAX, rank) != SYM_NONE;
    for (uint32_t i = 0; i < rank; i++) {
        if (dims == NULL || dims[i] < (has_unknown ? -1 : 0))
            return symbolic_fail(s, EBB_E_SHAPE, name, "axis %u has no usable length", i) !=
                   SYM_NONE;
    }
    return true;
}

ebb_tensor symbolic_constant(symbolic *s, const ebb_view *view, const char *name)
{
    const char *where = name_or(name, "Const");

    if (view == NULL || (view->data == NULL && ebb_view_bytes(view) != 0)) {
        symbolic_fail(s, EBB_E_ARGUMENT, where, "a constant needs a view with data");
        return none;
    }
    if (!check_type(s, where, view->dtype, view->rank, view->dims, false)) return none;
    const uint64_t bytes = ebb_view_bytes(view);
    tf_constant *c = region_new(s->body.home, tf_constant, 1);
    void *data = bytes > INT64_MAX ? NULL : region_alloc(s->body.home, bytes + 1, 1);
    if (c == NULL || data == NULL) {
        symbolic_no_memory(s, where);
        return none;
    }
    if (bytes > 0) memcpy(data, view->data, bytes);
    *c = (tf_constant){.type = tf_type_of(view->dtype),
                       .shape = {.has_rank = true, .rank = view->rank},
                       .count = bytes / ebb_dtype_bytes(view->dtype),
                       .data = data};
    memcpy(c->shape.dims, view->dims, view->rank * sizeof view->dims[0]);
    return symbolic_add_tensor(s, &(sym_spec){.kind = SYM_CONSTANT,
                                              .op = "Const",
                                              .name = name_or(name, NULL),
                                              .output_count = 1,
                                              .constant = c});
}

ebb_tensor symbolic_placeholder(symbolic *s, const char *name, ebb_dtype dtype, uint32_t rank,
                                const int64_t *dims)
{
    if (!check_type(s, name_or(name, "Placeholder"), dtype, rank, dims, true)) return none;
    return symbolic_add_tensor(s, &(sym_spec){.kind = SYM_PLACEHOLDER,
                                              .op = "Placeholder",
                                              .name = name_or(name, NULL),
                                              .output_count = 1,
                                              .dtype = dtype,
                                              .rank = rank,
                                              .dims = dims});
}

/* -- variables --------------------------------------------------------------------------------- */

/* The variable whose tensor this is; SYM_NONE: the fault is kept. */
static uint32_t variable_of(symbolic *s, ebb_tensor x, uint32_t *tensor)
{
    char text[SYM_NAME_BYTES + 16];

    *tensor = symbolic_input(s, x);
    if (*tensor == SYM_NONE) return SYM_NONE;
    const sym_node *n = &s->body.nodes[s->body.tensors[*tensor].node];
    if (n->kind == SYM_VARIABLE) return n->variable;
    return symbolic_fail(s, EBB_E_ARGUMENT, n->name,
                         "expected a variable, '%s' is the result of %s",
                         symbolic_tensor_name(s, *tensor, text, sizeof text), n->op);
}

static bool same_kind(symbolic *s, const sym_variable *v, uint32_t tensor, const char *where)
{
    const sym_tensor *t = &s->body.tensors[tensor];
    char expected[160], got[160];
    const ebb_dtype dtype = tf_type_dtype(t->shadow.type);

    if (dtype != v->dtype)
        return symbolic_fail(s, EBB_E_DTYPE, where, "the variable is %s, the value %s",
                             ebb_dtype_name(v->dtype), ebb_dtype_name(dtype)) != SYM_NONE;
    bool fits = t->rank == v->rank;
    for (uint32_t i = 0; fits && i < t->rank; i++)
        fits = t->dims[i] < 0 || t->dims[i] == v->dims[i];
    if (fits) return true;
    return symbolic_fail(s, EBB_E_SHAPE, where, "the variable has shape %s, the value %s",
                         dims_text(v->rank, v->dims, expected, sizeof expected),
                         dims_text(t->rank, t->dims, got, sizeof got)) != SYM_NONE;
}

ebb_tensor symbolic_assign(symbolic *s, sym_kind kind, ebb_tensor variable, ebb_tensor x,
                           const char *name)
{
    static const char *const ops[] = {"Assign", "AssignAdd", "AssignSub"};
    uint32_t input;
    const uint32_t index = variable_of(s, variable, &input);

    if (index == SYM_NONE) return none;
    input = symbolic_input(s, x);
    const sym_variable *v = &s->body.variables[index];
    const char *op = ops[kind - SYM_ASSIGN];
    if (input == SYM_NONE || !same_kind(s, v, input, s->body.nodes[v->node].name)) return none;
    return symbolic_add_tensor(s, &(sym_spec){.kind = kind,
                                              .op = op,
                                              .name = name,
                                              .device = s->body.nodes[v->node].device,
                                              .inputs = &input,
                                              .input_count = 1,
                                              .output_count = 1,
                                              .variable = index});
}

ebb_tensor symbolic_read(symbolic *s, ebb_tensor variable)
{
    uint32_t input;
    const uint32_t index = variable_of(s, variable, &input);

    if (index == SYM_NONE) return none;
    return symbolic_add_tensor(
        s, &(sym_spec){.kind = SYM_READ,
                       .op = "ReadVariableOp",
                       .device = s->body.nodes[s->body.variables[index].node].device,
                       .output_count = 1,
                       .variable = index});
}

/* A variable without its initial assignment. */
static ebb_tensor variable_make(symbolic *s, const char *name, const sym_tensor *initial)
{
    sym_body *b = &s->body;
    void *items = b->variables;

    if (!symbolic_grow(s, &items, b->variable_count, &b->variable_capacity, sizeof *b->variables))
        return none;
    b->variables = items;
    sym_variable *v = &b->variables[b->variable_count];
    *v = (sym_variable){.node = b->node_count,
                        .initializer = SYM_NONE,
                        .dtype = tf_type_dtype(initial->shadow.type),
                        .rank = initial->rank};
    memcpy(v->dims, initial->dims, sizeof v->dims);
    const ebb_tensor x = symbolic_add_tensor(s, &(sym_spec){.kind = SYM_VARIABLE,
                                                            .op = "VariableV2",
                                                            .name = name,
                                                            .output_count = 1,
                                                            .variable = b->variable_count});
    if (x.id != 0) b->variable_count++;
    return x;
}

ebb_tensor symbolic_variable(symbolic *s, const char *name, ebb_tensor initial)
{
    char assign[SYM_NAME_BYTES + 16];
    const uint32_t input = symbolic_input(s, initial);
    const char *wanted = name_or(name, "Variable");
    char dims[160];

    if (input == SYM_NONE) return none;
    const sym_tensor t = s->body.tensors[input];
    for (uint32_t i = 0; i < t.rank; i++) {
        if (t.dims[i] >= 0) continue;
        symbolic_fail(s, EBB_E_SHAPE, wanted,
                      "the initial value has shape %s; every length of a variable must be known",
                      dims_text(t.rank, t.dims, dims, sizeof dims));
        return none;
    }
    const ebb_tensor x = variable_make(s, wanted, &t);
    if (x.id == 0) return none;
    sym_variable *v = &s->body.variables[s->body.variable_count - 1];
    (void)snprintf(assign, sizeof assign, "%.100s/Assign", s->body.nodes[v->node].name);
    const ebb_tensor y = symbolic_assign(s, SYM_ASSIGN, x, initial, assign);
    if (y.id == 0) {
        s->body.variable_count--; /* its node stays, and nobody has it */
        return none;
    }
    v->initializer = s->body.node_count - 1;
    return x;
}

/* -- groups and order ----------------------------------------------------------------------------
 */

static ebb_tensor group_make(symbolic *s, const uint32_t *nodes, uint32_t count, const char *name)
{
    return symbolic_add_tensor(s, &(sym_spec){.kind = SYM_GROUP,
                                              .op = "NoOp",
                                              .name = name,
                                              .output_count = 1,
                                              .controls = nodes,
                                              .control_count = count});
}

/* The nodes that made the tensors; NULL: the fault is kept. */
static uint32_t *nodes_of(symbolic *s, const ebb_tensor *tensors, size_t count, const char *where)
{
    ebb_error error = {0};

    if (count > s->body.tensor_count || (count > 0 && tensors == NULL)) {
        symbolic_fail(s, EBB_E_ARGUMENT, where, "more tensors than the graph has, or none");
        return NULL;
    }
    uint32_t *nodes = region_new(s->body.home, uint32_t, count + 1);
    if (nodes == NULL) symbolic_no_memory(s, where);
    for (size_t i = 0; nodes != NULL && i < count; i++) {
        const uint32_t tensor = symbolic_number(s, tensors[i], "a tensor", &error);
        if (tensor == SYM_NONE) {
            if (s->error.status == EBB_OK) s->error = error;
            return NULL;
        }
        nodes[i] = s->body.tensors[tensor].node;
    }
    return nodes;
}

ebb_tensor symbolic_group(symbolic *s, const ebb_tensor *tensors, size_t count, const char *name)
{
    const uint32_t *nodes = nodes_of(s, tensors, count, name_or(name, "group"));

    if (nodes == NULL) return none;
    return group_make(s, nodes, (uint32_t)count, name_or(name, "group"));
}

ebb_tensor symbolic_initializer(symbolic *s)
{
    const sym_body *b = &s->body;
    uint32_t *nodes = region_new(b->home, uint32_t, (size_t)b->variable_count + 1);

    if (nodes == NULL) {
        symbolic_no_memory(s, "init");
        return none;
    }
    for (uint32_t i = 0; i < b->variable_count; i++) nodes[i] = b->variables[i].initializer;
    return group_make(s, nodes, b->variable_count, "init");
}

ebb_status symbolic_control_push(symbolic *s, const ebb_tensor *tensors, size_t count,
                                 ebb_error *error)
{
    sym_body *b = &s->body;
    ebb_error fault = {0};

    if (b->control_depth == SYM_SCOPES_MAX)
        return fail(error, EBB_E_ARGUMENT, s->name, "%u control dependencies are open already",
                    SYM_SCOPES_MAX);
    const ebb_error before = s->error;
    s->error = (ebb_error){0};
    const uint32_t *nodes = nodes_of(s, tensors, count, s->name);
    fault = s->error;
    s->error = before.status != EBB_OK ? before : fault;
    if (nodes == NULL) {
        if (error != NULL) *error = fault;
        return fault.status;
    }
    b->controls[b->control_depth++] = (sym_controls){nodes, (uint32_t)count};
    return EBB_OK;
}

ebb_status symbolic_device_push(symbolic *s, const char *device, ebb_error *error)
{
    sym_body *b = &s->body;
    char name[32] = "";

    if (b->device_depth == SYM_SCOPES_MAX)
        return fail(error, EBB_E_ARGUMENT, s->name, "%u device scopes are open already",
                    SYM_SCOPES_MAX);
    if (device != NULL && device[0] != '\0') {
        const ebb_status status = device_text_read(device, name, error);
        if (status != EBB_OK) return status;
    }
    const char *copy = name[0] == '\0' ? "" : region_text(b->home, name);
    if (copy == NULL) return region_fail(b->home, error, s->name, "a device scope");
    b->devices[b->device_depth++] = copy;
    return EBB_OK;
}

/* Does node `from` need node `wanted`? Marks what was seen; iterative. */
static bool needs(const symbolic *s, uint32_t from, uint32_t wanted, uint32_t *stack, bool *seen)
{
    const sym_body *b = &s->body;
    uint32_t depth = 0;

    stack[depth++] = from;
    seen[from] = true;
    while (depth > 0) {
        const sym_node *n = &b->nodes[stack[--depth]];
        if (n == &b->nodes[wanted]) return true;
        for (uint32_t i = 0; i < n->input_count + n->control_count; i++) {
            const uint32_t next = i < n->input_count ? b->tensors[n->inputs[i]].node
                                                     : n->controls[i - n->input_count];
            if (seen[next]) continue;
            seen[next] = true;
            stack[depth++] = next;
        }
    }
    return false;
}

static ebb_status control_add(symbolic *s, uint32_t node, uint32_t after, ebb_error *error)
{
    sym_body *b = &s->body;
    sym_node *n = &b->nodes[node];
    region *work = region_open(s->home, "order", EBB_CLASS_SCRATCH, 0);
    uint32_t *stack = work == NULL ? NULL : region_new(work, uint32_t, b->node_count);
    bool *seen = work == NULL ? NULL : region_new(work, bool, b->node_count);
    uint32_t *controls = region_new(b->home, uint32_t, (size_t)n->control_count + 1);
    ebb_status status = EBB_OK;

    if (stack == NULL || seen == NULL || controls == NULL)
        status = region_fail(work == NULL ? s->home : work, error, n->name, "the order");
    else if (needs(s, after, node, stack, seen))
        status = fail(error, EBB_E_ARGUMENT, n->name,
                      "a cycle: '%s' needs '%s' and cannot come before it", b->nodes[after].name,
                      n->name);
    region_close(work);
    if (status != EBB_OK) return status;
    if (n->control_count > 0) memcpy(controls, n->controls, n->control_count * sizeof *controls);
    controls[n->control_count++] = after;
    n->controls = controls;
    b->has_late_edges |= after > node;
    atomic_fetch_add(&s->edges, 1);
    return EBB_OK;
}

ebb_status symbolic_after(symbolic *s, ebb_tensor x, ebb_tensor after, ebb_error *error)
{
    ebb_error fault = {0};
    const uint32_t first = symbolic_number(s, x, "the operation", &fault);
    const uint32_t second =
        first == SYM_NONE ? SYM_NONE : symbolic_number(s, after, "what it comes after", &fault);

    if (second == SYM_NONE) {
        if (error != NULL) *error = fault;
        return fault.status;
    }
    if (s->body.is_finalized)
        return fail(error, EBB_E_STATE, s->name, "the graph is finalized: it cannot be changed");
    return control_add(s, s->body.tensors[first].node, s->body.tensors[second].node, error);
}
