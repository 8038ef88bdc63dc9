/* tf_export_loop.c -- a graph run once for each step, as "While" with two functions.
 *
 *     variables   step, steps, carried..., lists of results..., lists of elements..., invariants...
 *     condition   step < steps
 *     body        the graph, on elements taken out of their lists; its results put into theirs
 */
#include "tensorflow/tf_export_internal.h"

#include <stdio.h>

#include "base/status.h"

enum { LOOP_STEP, LOOP_STEPS, LOOP_OTHERS };

typedef struct variables {
    uint32_t results, sequences, invariants, count; /* where each kind begins; all */
    tf_attribute_value *types;
    tf_port *ports; /* of both functions */
} variables;

/* -- variables --------------------------------------------------------------------------------- */

static void port_set(variables *v, uint32_t place, const char *name, tf_type type, const shape *s)
{
    v->types[place].type = type;
    v->ports[place] = (tf_port){.name = name, .type = type};
    if (s != NULL) v->ports[place].shape = tf_shape_of(s);
}

static bool variables_make(emitter *e, const loop *l, variables *v)
{
    static const shape scalar = {.rank = 0};
    const graph *body = l->body;

    v->results = LOOP_OTHERS + l->carried_count;
    v->sequences = v->results + l->result_count;
    v->invariants = v->sequences + l->sequence_count;
    v->count = v->invariants + l->invariant_count;
    v->types = export_memory(e, v->count, sizeof *v->types);
    v->ports = export_memory(e, v->count, sizeof *v->ports);
    if (!export_ok(e)) return false;
    port_set(v, LOOP_STEP, "step", TF_INT32, &scalar);
    port_set(v, LOOP_STEPS, "steps", TF_INT32, &scalar);
    for (uint32_t i = 0; i < l->carried_count + l->sequence_count + l->invariant_count; i++) {
        const value_info *info = graph_value(body, body->inputs[i]);
        const uint32_t sequence = i - l->carried_count;
        const uint32_t invariant = sequence - l->sequence_count;
        const tf_type type = tf_type_of(info->dtype);
        if (i < l->carried_count) {
            port_set(v, LOOP_OTHERS + i, export_text(e, "carried_", i), type, &info->shape);
        } else if (sequence < l->sequence_count) {
            port_set(v, v->sequences + sequence, export_text(e, "elements_", sequence), TF_VARIANT,
                     &scalar);
        } else {
            port_set(v, v->invariants + invariant, export_text(e, "invariant_", invariant), type,
                     &info->shape);
        }
    }
    for (uint32_t i = 0; i < l->result_count; i++)
        port_set(v, v->results + i, export_text(e, "results_", i), TF_VARIANT, &scalar);
    return export_ok(e);
}

/* -- the two functions ------------------------------------------------------------------------- */

static const char *function_name(emitter *e, const char *part, uint32_t number)
{
    char *name = region_format(e->x->home, "%s_while_%s_%u", e->x->function, part, number);

    if (name == NULL) (void)export_memory(e, SIZE_MAX, 1);
    return name;
}

static void condition_make(emitter *outer, const char *name, const variables *v)
{
    emitter e = {.x = outer->x, .g = outer->g};
    tf_port *result = export_memory(&e, 1, sizeof *result);
    const tensor_ref goes_on = export_2(&e, TF_Less, TF_INT32, "step", "steps");

    if (!export_ok(&e)) return;
    *result = (tf_port){.name = "goes_on", .type = TF_BOOL};
    result->source = export_1(&e, TF_Identity, TF_BOOL, goes_on);
    const tf_function f = {.name = name,
                           .arguments = v->ports,
                           .argument_count = v->count,
                           .results = result,
                           .result_count = 1};
    export_function_end(&e, &f);
}

/* The shape of elements as lists want it: -1 where it is not known. */
static tensor_ref element_shape(emitter *e, const shape *s, uint32_t skipped)
{
    const tf_shape known = tf_shape_of(s);

    return export_list(e, known.dims + skipped, known.rank - skipped);
}

static tensor_ref element_take(emitter *e, value v, tensor_ref list, tensor_ref index)
{
    const tensor_ref inputs[] = {list, index, element_shape(e, graph_shape(e->g, v), 0)};
    attributes a = {.count = 0};

    attributes_type(&a, "element_dtype", export_type(e, v));
    return export_node(e, TF_TensorListGetItem, inputs, 3, &a);
}

static tensor_ref element_put(emitter *e, value v, tensor_ref list, tensor_ref index)
{
    const tensor_ref inputs[] = {list, index, export_ref(e, v)};
    attributes a = {.count = 0};

    attributes_type(&a, "element_dtype", export_type(e, v));
    return export_node(e, TF_TensorListSetItem, inputs, 3, &a);
}

/* References of the graph's inputs. Returns the place of this step's results. */
static tensor_ref body_begin(emitter *e, const loop *l, const variables *v)
{
    const graph *g = e->g;
    tensor_ref place = "step";

    if (l->go_backwards) {
        const tensor_ref last = export_2(e, TF_Sub, TF_INT32, "steps", export_i32(e, 1));
        place = export_2(e, TF_Sub, TF_INT32, last, "step");
    }
    for (uint32_t i = 0; i < l->carried_count; i++)
        e->refs[g->inputs[i]] = v->ports[LOOP_OTHERS + i].name;
    for (uint32_t i = 0; i < l->sequence_count; i++) {
        const value element = g->inputs[l->carried_count + i];
        e->refs[element] = element_take(e, element, v->ports[v->sequences + i].name, place);
    }
    const uint32_t first = l->carried_count + l->sequence_count;
    for (uint32_t i = 0; i < l->invariant_count; i++)
        e->refs[g->inputs[first + i]] = v->ports[v->invariants + i].name;
    if (l->has_index) e->refs[g->inputs[first + l->invariant_count]] = place;
    return l->results_backwards ? place : "step";
}

static void body_make(emitter *outer, const char *name, const loop *l, const variables *v)
{
    emitter e;

    if (!emitter_open(outer->x, l->body, &e)) return;
    tf_port *results = export_memory(&e, v->count, sizeof *results);
    const tensor_ref place = body_begin(&e, l, v);
    export_graph(&e);
    if (!export_ok(&e)) return;
    for (uint32_t i = 0; i < v->count; i++) {
        tensor_ref next = v->ports[i].name;
        if (i == LOOP_STEP) {
            next = export_2(&e, TF_AddV2, TF_INT32, "step", export_i32(&e, 1));
        } else if (i >= LOOP_OTHERS && i < v->results) {
            next = export_ref(&e, l->body->outputs[i - LOOP_OTHERS]);
        } else if (i >= v->results && i < v->sequences) {
            next = element_put(&e, l->body->outputs[i - LOOP_OTHERS], next, place);
        }
        results[i] = (tf_port){.name = region_format(e.x->home, "%s_next", v->ports[i].name),
                               .type = v->ports[i].type,
                               .source = export_1(&e, TF_Identity, v->ports[i].type, next)};
        if (results[i].name == NULL) (void)export_memory(&e, SIZE_MAX, 1);
    }
    const tf_function f = {.name = name,
                           .arguments = v->ports,
                           .argument_count = v->count,
                           .results = results,
                           .result_count = v->count};
    export_function_end(&e, &f);
}

/* -- the node ---------------------------------------------------------------------------------- */

static tensor_ref list_of(emitter *e, const loop *l, uint32_t sequence)
{
    const value element = l->body->inputs[l->carried_count + sequence];
    const tensor_ref inputs[] = {l->sequences[sequence],
                                 element_shape(e, graph_shape(l->body, element), 0)};
    attributes a = {.count = 0};

    attributes_type(&a, "element_dtype", tf_type_of(graph_value(l->body, element)->dtype));
    attributes_type(&a, "shape_type", TF_INT32);
    return export_node(e, TF_TensorListFromTensor, inputs, 2, &a);
}

static tensor_ref list_reserve(emitter *e, const loop *l, uint32_t result, tf_type type)
{
    const tensor_ref inputs[] = {element_shape(e, &l->result_shapes[result], 1),
                                 length_ref(e, l->steps)};
    attributes a = {.count = 0};

    attributes_type(&a, "element_dtype", type);
    attributes_type(&a, "shape_type", TF_INT32);
    return export_node(e, TF_TensorListReserve, inputs, 2, &a);
}

/* Lengths are computed here: a loop without steps has no elements that would tell them. */
static tensor_ref list_stack(emitter *e, const shape *s, tf_type type, tensor_ref list)
{
    shape element = {.rank = s->rank - 1};
    attributes a = {.count = 0};

    for (uint32_t i = 0; i < element.rank; i++) element.dims[i] = s->dims[i + 1];
    attributes_type(&a, "element_dtype", type);
    attributes_int(&a, "num_elements", -1);
    return export_node(e, TF_TensorListStack, (const tensor_ref[]){list, length_shape(e, &element)},
                       2, &a);
}

static tf_type result_type(const loop *l, uint32_t result)
{
    return tf_type_of(graph_value(l->body, l->body->outputs[l->carried_count + result])->dtype);
}

static void loop_emit(emitter *e, const loop *l, const variables *v, const char *condition,
                      const char *body)
{
    tensor_ref *first = export_memory(e, v->count, sizeof *first);
    attributes a = {.count = 0};

    if (first == NULL) return;
    first[LOOP_STEP] = export_i32(e, 0);
    first[LOOP_STEPS] = length_ref(e, l->steps);
    for (uint32_t i = 0; i < l->carried_count; i++) first[LOOP_OTHERS + i] = l->carried[i];
    for (uint32_t i = 0; i < l->result_count; i++)
        first[v->results + i] = list_reserve(e, l, i, result_type(l, i));
    for (uint32_t i = 0; i < l->sequence_count; i++) first[v->sequences + i] = list_of(e, l, i);
    for (uint32_t i = 0; i < l->invariant_count; i++) first[v->invariants + i] = l->invariants[i];
    attributes_types(&a, "T", v->types, v->count);
    attributes_function(&a, "cond", condition);
    attributes_function(&a, "body", body);
    attributes_bool(&a, "_lower_using_switch_merge", true);
    const tensor_ref done = export_node(e, TF_While, first, v->count, &a);
    for (uint32_t i = 0; i < l->carried_count; i++)
        l->outputs[i] = export_at(e, done, LOOP_OTHERS + i);
    for (uint32_t i = 0; i < l->result_count; i++) {
        l->outputs[l->carried_count + i] = list_stack(e, &l->result_shapes[i], result_type(l, i),
                                                      export_at(e, done, v->results + i));
    }
}

void export_loop(emitter *e, const loop *l)
{
    const uint32_t number = e->x->loop_count++;
    variables v;

    if (!variables_make(e, l, &v)) return;
    const char *condition = function_name(e, "cond", number);
    const char *body = function_name(e, "body", number);
    if (!export_ok(e)) return;
    condition_make(e, condition, &v);
    body_make(e, body, l, &v);
    loop_emit(e, l, &v, condition, body);
}

/* -- scan -------------------------------------------------------------------------------------- */

void export_op_scan(emitter *e, const node *n)
{
    const scan_attributes *s = n->attributes;
    tensor_ref inputs[OP_INPUTS_MAX], outputs[OP_OUTPUTS_MAX];
    shape shapes[OP_OUTPUTS_MAX];

    for (uint32_t i = 0; i < n->input_count; i++) inputs[i] = export_input(e, n, i);
    for (uint32_t i = 0; i < s->results; i++)
        shapes[i] = *graph_shape(e->g, n->outputs[s->carried + i]);
    const loop l = {.body = s->body,
                    .carried = inputs,
                    .sequences = inputs + s->carried,
                    .invariants = inputs + s->carried + s->sequences,
                    .carried_count = s->carried,
                    .sequence_count = s->sequences,
                    .invariant_count = n->input_count - s->carried - s->sequences,
                    .result_count = s->results,
                    .steps = length_of(e, s->steps),
                    .go_backwards = s->go_backwards,
                    .results_backwards = s->go_backwards,
                    .has_index = s->has_index,
                    .result_shapes = shapes,
                    .outputs = outputs};
    export_loop(e, &l);
    for (uint32_t i = 0; i < s->carried + s->results && export_ok(e); i++)
        export_set(e, n, i, outputs[i]);
}
