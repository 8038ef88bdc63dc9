/* tf_frame.c -- see tf_frame.h. */
#include "tensorflow/tf_frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

bool frame_fail(frame *f, const char *node, ebb_status status, const char *format, ...)
{
    graph *g = f->build->graph;
    char text[sizeof g->error.text];
    va_list arguments;

    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    va_end(arguments);
    const char *scope = g->scope;
    g->scope = node;
    (void)graph_fail(g, status, "%s", text);
    g->scope = scope;
    return false;
}

/* -- names ------------------------------------------------------------------------------------- */

static uint32_t hash_of(const char *name, size_t length)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)name[i]) * 1099511628211u;
    return (uint32_t)(hash ^ hash >> 32);
}

static const char *name_at(const frame *f, uint32_t entry)
{
    if (entry < f->node_count) return f->nodes[entry].name;
    return f->function->arguments[entry - f->node_count].name;
}

/* The slot of a name: where it is, or would be. */
static uint32_t slot_of(const frame *f, const char *name, size_t length)
{
    uint32_t slot = hash_of(name, length) & (f->slot_count - 1);

    while (f->slots[slot] != 0) {
        const char *found = name_at(f, f->slots[slot] - 1);
        if (strncmp(found, name, length) == 0 && found[length] == '\0') break;
        slot = (slot + 1) & (f->slot_count - 1);
    }
    return slot;
}

bool frame_open(frame *f)
{
    const uint32_t arguments = f->function != NULL ? f->function->argument_count : 0;
    size_t slots = 16;

    if (!graph_ok(f->build->graph)) return false;
    while (slots < ((size_t)f->node_count + arguments) * 2) slots *= 2;
    if (slots > UINT32_MAX / 2)
        return frame_fail(f, NULL, EBB_E_UNSUPPORTED, "the graph has too many nodes");
    f->slot_count = (uint32_t)slots;
    f->slots = tf_memory(f->build, slots, sizeof *f->slots);
    f->states = tf_memory(f->build, (size_t)f->node_count + 1, sizeof *f->states);
    if (f->slots == NULL || f->states == NULL) return false;
    for (uint32_t i = 0; i < f->node_count + arguments; i++) {
        const char *name = name_at(f, i);
        const uint32_t slot = slot_of(f, name, strlen(name));
        if (f->slots[slot] != 0)
            return frame_fail(f, name, EBB_E_FORMAT, "two nodes have this name");
        f->slots[slot] = i + 1;
    }
    return true;
}

uint32_t frame_node_find(const frame *f, const char *name, size_t length)
{
    const uint32_t entry = f->slots[slot_of(f, name, length)];

    return entry == 0 || entry > f->node_count ? UINT32_MAX : entry - 1;
}

/* The number behind the last colon; false: there is none. */
static bool number_read(const char *text, uint32_t *number)
{
    uint64_t n = 0;

    if (*text == '\0') return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || n > UINT16_MAX) return false;
        n = n * 10 + (uint64_t)(*text - '0');
    }
    *number = (uint32_t)n;
    return true;
}

/* "node:2", "node:output:2" -> which output. Outputs with a name count behind those before it. */
static bool place_read(const tf_node *n, const char *rest, uint32_t *place)
{
    const char *colon = strchr(rest, ':');
    uint32_t number;

    if (colon == NULL) return number_read(rest, place);
    const tf_entry *e = tf_entry_find(n->op);
    const uint32_t first = e != NULL ? tf_entry_output(e, rest, (size_t)(colon - rest)) : 0;
    if (first == UINT32_MAX || !number_read(colon + 1, &number)) return false;
    *place = first + number;
    return true;
}

bool frame_source(const frame *f, const char *source, const tf_node **node, uint32_t *place)
{
    const char *colon = strchr(source, ':');
    const size_t length = colon != NULL ? (size_t)(colon - source) : strlen(source);
    const uint32_t entry = f->slots[slot_of(f, source, length)];

    if (entry == 0) return false;
    *place = 0;
    *node = NULL;
    if (entry > f->node_count) {
        *place = entry - f->node_count - 1;
        return true;
    }
    *node = &f->nodes[entry - 1];
    return colon == NULL || place_read(*node, colon + 1, place);
}

const tf_function *frame_function(frame *f, const tf_node *n, const char *attribute)
{
    const tf_attribute *a = tf_attribute_find(n, attribute);
    const tf_function *found = NULL;

    if (a != NULL && a->kind == TF_ATTRIBUTE_FUNCTION && a->count == 1)
        found = tf_function_find(f->importer->saved->def, a->values[0].s.bytes);
    if (found == NULL)
        (void)frame_fail(f, n->name, EBB_E_FORMAT, "%s: the function '%s' is missing", n->op,
                         attribute);
    return found;
}

/* -- calls ------------------------------------------------------------------------------------- */

static bool node_room(frame *f, const tf_node *n, frame_node *state, uint32_t count)
{
    if (count > TF_INPUTS_MAX)
        return frame_fail(f, n->name, EBB_E_UNSUPPORTED, "%s: more than %d outputs", n->op,
                          TF_INPUTS_MAX);
    state->outputs = tf_memory(f->build, count + 1, sizeof *state->outputs);
    state->output_count = count;
    return state->outputs != NULL;
}

typedef struct given {
    const tf_tensor *tensors;
} given;

static bool given_argument(void *context, uint32_t index, tf_tensor *result)
{
    *result = ((const given *)context)->tensors[index];
    return true;
}

/* The function's nodes are emitted in place of the call. Depth at most TF_CALL_DEPTH_MAX. */
static bool call_function(frame *f, const tf_node *n, frame_node *state, const tf_function *called,
                          const tf_tensor *inputs, uint32_t input_count)
{
    given arguments = {inputs};
    frame inner = {.importer = f->importer,
                   .build = f->build,
                   .nodes = called->nodes,
                   .node_count = called->node_count,
                   .function = called,
                   .depth = f->depth + 1,
                   .argument = given_argument,
                   .context = &arguments};

    if (inner.depth > TF_CALL_DEPTH_MAX)
        return frame_fail(f, n->name, EBB_E_UNSUPPORTED,
                          "functions call each other to a depth of more than %d",
                          TF_CALL_DEPTH_MAX);
    if (input_count != called->argument_count)
        return frame_fail(f, n->name, EBB_E_FORMAT, "%s: %u arguments for a function of %u", n->op,
                          input_count, called->argument_count);
    if (!frame_open(&inner) || !node_room(f, n, state, called->result_count)) return false;
    for (uint32_t i = 0; i < called->result_count; i++) {
        if (!frame_tensor(&inner, called->results[i].source, &state->outputs[i])) return false;
    }
    return true;
}

static bool emit_if(frame *f, const tf_node *n, frame_node *state, const tf_tensor *inputs,
                    uint32_t count)
{
    double truth = 0;

    if (count == 0) return frame_fail(f, n->name, EBB_E_FORMAT, "%s: no condition", n->op);
    if (!tf_find_scalar(f->build, &inputs[0], &truth))
        return graph_ok(f->build->graph) &&
               frame_fail(f, n->name, EBB_E_UNSUPPORTED,
                          "%s: the condition is computed from data; only constants and lengths "
                          "can choose a branch",
                          n->op);
    const tf_function *branch = frame_function(f, n, truth != 0 ? "then_branch" : "else_branch");
    return branch != NULL && call_function(f, n, state, branch, inputs + 1, count - 1);
}

/* -- nodes ------------------------------------------------------------------------------------- */

static bool is_variable(const char *op)
{
    return strcmp(op, "VarHandleOp") == 0 || strcmp(op, "VariableV2") == 0 ||
           strcmp(op, "Variable") == 0;
}

/* The variable that the node stands for, by the node's name or the variable's. */
static bool emit_variable(frame *f, const tf_node *n, frame_node *state)
{
    const tf_saved_graph *saved = f->importer->saved;
    const tf_attribute *shared = tf_attribute_find(n, "shared_name");
    const bool is_named = shared != NULL && shared->kind == TF_ATTRIBUTE_TEXT && shared->count == 1;

    if (!node_room(f, n, state, 1)) return false;
    for (int by_name = 0; by_name < (is_named ? 2 : 1); by_name++) {
        for (uint32_t i = 0; i < saved->variable_count; i++) {
            const tf_variable *v = &saved->variables[i];
            if (by_name == 0 ? strcmp(v->node, n->name) != 0 || f->function != NULL
                             : strcmp(v->name, shared->values[0].s.bytes) != 0)
                continue;
            state->outputs[0] = (tf_tensor){.type = TF_RESOURCE, .resource = i + 1};
            return true;
        }
    }
    return frame_fail(f, n->name, EBB_E_FORMAT, "%s: the variable has no stored value", n->op);
}

static bool emit_operation(frame *f, const tf_node *n, frame_node *state, const tf_tensor *inputs,
                           uint32_t count)
{
    tf_call call = {.op = n->op,
                    .name = n->name,
                    .inputs = inputs,
                    .input_count = count,
                    .attributes = n->attributes,
                    .attribute_count = n->attribute_count,
                    .outputs = f->importer->outputs};

    if (!tf_operation(f->build, &call) || !node_room(f, n, state, call.output_count)) return false;
    if (call.output_count > 0)
        memcpy(state->outputs, call.outputs, call.output_count * sizeof *call.outputs);
    return true;
}

static bool node_emit(frame *f, const tf_node *n, frame_node *state, const tf_tensor *inputs,
                      uint32_t count)
{
    const bool is_call =
        strcmp(n->op, "PartitionedCall") == 0 || strcmp(n->op, "StatefulPartitionedCall") == 0;
    const bool is_while = strcmp(n->op, "While") == 0 || strcmp(n->op, "StatelessWhile") == 0;
    const bool is_if = strcmp(n->op, "If") == 0 || strcmp(n->op, "StatelessIf") == 0;

    if (++f->importer->emitted > TF_NODES_MAX)
        return frame_fail(f, n->name, EBB_E_UNSUPPORTED, "the graph has more than %d nodes",
                          TF_NODES_MAX);
    if (is_variable(n->op)) return emit_variable(f, n, state);
    if (is_while)
        return node_room(f, n, state, count) && frame_while(f, n, inputs, count, state->outputs);
    if (is_if) return emit_if(f, n, state, inputs, count);
    if (strcmp(n->op, "Placeholder") == 0)
        return frame_fail(f, n->name, EBB_E_UNSUPPORTED, "this input is not in the signature");
    const tf_function *called =
        is_call ? frame_function(f, n, "f") : tf_function_find(f->importer->saved->def, n->op);
    if (called != NULL) return call_function(f, n, state, called, inputs, count);
    return !is_call && emit_operation(f, n, state, inputs, count);
}

/* -- the walk ---------------------------------------------------------------------------------- */

/* A tensor whose node is done, or an argument. */
static bool tensor_fetch(frame *f, const char *source, tf_tensor *result)
{
    const tf_node *n;
    uint32_t place;

    if (!frame_source(f, source, &n, &place))
        return frame_fail(f, source, EBB_E_FORMAT, "there is no such tensor in the graph");
    if (n == NULL) return f->argument(f->context, place, result) && graph_ok(f->build->graph);
    const frame_node *state = &f->states[n - f->nodes];
    if (place >= state->output_count)
        return frame_fail(f, n->name, EBB_E_FORMAT, "%s has %u outputs, not number %u", n->op,
                          state->output_count, place);
    *result = state->outputs[place];
    return true;
}

/* Emits a node whose inputs are all done. */
static bool node_finish(frame *f, uint32_t index)
{
    const tf_node *n = &f->nodes[index];
    frame_node *state = &f->states[index];
    uint32_t count = 0;

    if (n->input_count > TF_INPUTS_MAX)
        return frame_fail(f, n->name, EBB_E_UNSUPPORTED, "%s: more than %d inputs", n->op,
                          TF_INPUTS_MAX);
    tf_tensor *inputs = tf_memory(f->build, n->input_count + 1, sizeof *inputs);
    if (inputs == NULL) return false;
    for (uint32_t i = 0; i < n->input_count; i++) {
        if (n->inputs[i][0] == '^') continue;
        if (!tensor_fetch(f, n->inputs[i], &inputs[count++])) return false;
    }
    if (!node_emit(f, n, state, inputs, count)) return false;
    state->is_done = true;
    state->is_open = false;
    return true;
}

/* Opens the inputs of a node that are not done. Returns how many; UINT32_MAX after a failure. */
static uint32_t inputs_open(frame *f, uint32_t index, uint32_t **stack, uint32_t *top,
                            uint32_t *capacity)
{
    const tf_node *n = &f->nodes[index], *from;
    uint32_t opened = 0, place;

    f->states[index].is_open = true;
    for (uint32_t i = 0; i < n->input_count; i++) {
        if (n->inputs[i][0] == '^') continue;
        if (!frame_source(f, n->inputs[i], &from, &place)) {
            (void)frame_fail(f, n->name, EBB_E_FORMAT, "its input '%.60s' is not in the graph",
                             n->inputs[i]);
            return UINT32_MAX;
        }
        if (from == NULL || f->states[from - f->nodes].is_done) continue;
        if (f->states[from - f->nodes].is_open) {
            (void)frame_fail(f, n->name, EBB_E_FORMAT, "the graph has a cycle at this node");
            return UINT32_MAX;
        }
        if (*top == *capacity) {
            uint32_t *larger = tf_memory(f->build, *capacity * 2u, sizeof *larger);
            if (larger == NULL) return UINT32_MAX;
            memcpy(larger, *stack, *top * sizeof *larger);
            *stack = larger;
            *capacity *= 2;
        }
        (*stack)[(*top)++] = (uint32_t)(from - f->nodes);
        opened++;
    }
    return opened;
}

bool frame_tensor(frame *f, const char *source, tf_tensor *result)
{
    uint32_t top = 0, capacity = 64, place;
    const tf_node *n;

    if (!graph_ok(f->build->graph)) return false;
    if (!frame_source(f, source, &n, &place))
        return frame_fail(f, source, EBB_E_FORMAT, "there is no such tensor in the graph");
    uint32_t *stack = tf_memory(f->build, capacity, sizeof *stack);
    if (stack == NULL) return false;
    if (n != NULL && !f->states[n - f->nodes].is_done) stack[top++] = (uint32_t)(n - f->nodes);
    while (top > 0) {
        const uint32_t index = stack[top - 1];
        if (f->states[index].is_done) {
            top--;
        } else {
            const uint32_t opened = inputs_open(f, index, &stack, &top, &capacity);
            if (opened == UINT32_MAX || (opened == 0 && !node_finish(f, index))) return false;
        }
    }
    return tensor_fetch(f, source, result);
}
