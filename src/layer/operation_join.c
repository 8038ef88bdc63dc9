/* operation_join.c -- keras.ops that put tensors together or take them apart.
 * Source: keras/src/ops/numpy.py, core.py. */
#include "layer/operation.h"

#define ITEMS_MAX 64

typedef struct join_config {
    const json *axis, *sections;
    int64_t num;
} join_config;

static const layer_field join_fields[] = {
    {"axis", FIELD_JSON, offsetof(join_config, axis), false, 0, NULL}, FIELDS_END};

/* All items in the type they meet in. */
static void items_meet(layer_build *b, value *items, uint32_t count)
{
    for (uint32_t k = 1; k < count; k++) operation_meet(b, MEET_ANY, &items[0], &items[k]);
    for (uint32_t k = 1; k < count; k++) operation_meet(b, MEET_ANY, &items[0], &items[k]);
}

static bool items_join(layer_build *b, layer_call *call, value *items, uint32_t count, int axis)
{
    if (axis < 0) return false;
    items_meet(b, items, count);
    return operation_result(b, call, op_concat(b->graph, items, count, axis));
}

static bool concatenate_build(layer_build *b, const void *config, layer_call *call)
{
    const join_config *c = config;
    value items[ITEMS_MAX];
    const uint32_t count = operation_list(b, call, 0, "xs", items, ITEMS_MAX);
    return count > 0 && items_join(b, call, items, count, operation_axis(b, items[0], c->axis, 0));
}
OPERATION_DEF(concatenate, "Concatenate", NULL, sizeof(join_config), join_fields);

static bool stack_build(layer_build *b, const void *config, layer_call *call)
{
    const join_config *c = config;
    value items[ITEMS_MAX];
    const uint32_t count = operation_list(b, call, 0, "x", items, ITEMS_MAX);
    if (count == 0) return false;
    const int64_t rank = graph_rank(b->graph, items[0]), at = json_integer(c->axis, 0);
    const int64_t axis = at < 0 ? at + rank + 1 : at;
    if (axis < 0 || axis > rank) return layer_fail(b, EBB_E_SHAPE, "axis %lld", (long long)at);
    for (uint32_t k = 0; k < count; k++)
        items[k] = operation_axis_insert(b, items[k], (uint32_t)axis);
    return items_join(b, call, items, count, graph_ok(b->graph) ? (int)axis : -1);
}
OPERATION_DEF(stack, "Stack", NULL, sizeof(join_config), join_fields);

static bool append_build(layer_build *b, const void *config, layer_call *call)
{
    const join_config *c = config;
    value items[] = {operation_operand(b, call, 0, "x1"), operation_operand(b, call, 1, "x2")};
    if (!graph_ok(b->graph)) return false;
    for (uint32_t k = 0; k < 2 && c->axis == NULL; k++) items[k] = operation_flat(b, items[k]);
    return items_join(b, call, items, 2, operation_axis(b, items[0], c->axis, 0));
}
OPERATION_DEF(append, "Append", NULL, sizeof(join_config), join_fields);

/* Hstack joins along axis 1 (axis 0 of vectors), Vstack along 0, Dstack along 2; too few axes are
 * added. */
static bool stack_along(layer_build *b, layer_call *call, uint32_t axis, uint32_t rank_min)
{
    value items[ITEMS_MAX];
    const uint32_t count = operation_list(b, call, 0, "xs", items, ITEMS_MAX);
    for (uint32_t k = 0; k < count; k++) {
        while (graph_ok(b->graph) && graph_rank(b->graph, items[k]) < rank_min) {
            items[k] =
                operation_axis_insert(b, items[k], graph_rank(b->graph, items[k]) < 2 ? 0 : 2);
        }
    }
    if (count == 0 || !graph_ok(b->graph)) return false;
    const bool is_vector = graph_rank(b->graph, items[0]) == 1;
    return items_join(b, call, items, count, build_axis(b, items[0], is_vector ? 0 : axis));
}

static bool hstack_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    return stack_along(b, call, 1, 1);
}
OPERATION_DEF(hstack, "Hstack", NULL, 0, NULL);

static bool vstack_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    return stack_along(b, call, 0, 2);
}
OPERATION_DEF(vstack, "Vstack", NULL, 0, NULL);

/* -- taking apart
 * ------------------------------------------------------------------------------------- */

static const layer_field split_fields[] = {
    {"indices_or_sections", FIELD_JSON, offsetof(join_config, sections), true, 0, NULL},
    {"axis", FIELD_JSON, offsetof(join_config, axis), false, 0, NULL},
    FIELDS_END,
};

static bool outputs_fit(layer_build *b, layer_call *call, int64_t count)
{
    if (count < 1 || count > LAYER_OUTPUTS_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "%lld results; 1 to %d are possible",
                          (long long)count, LAYER_OUTPUTS_MAX);
    }
    call->output_count = (uint32_t)count;
    return true;
}

/* `count` parts; with `uneven` the first ones are longer by one where it does not divide. */
static bool split_evenly(layer_build *b, layer_call *call, value x, int axis, int64_t count,
                         bool uneven)
{
    const int64_t length = build_known_dim(b, x, axis, "the axis to split");
    if (length < 0 || !outputs_fit(b, call, count)) return false;
    if (!uneven && length % count != 0) {
        return layer_fail(b, EBB_E_SHAPE, "%lld elements do not make %lld equal parts",
                          (long long)length, (long long)count);
    }
    int64_t start = 0;
    for (int64_t k = 0; k < count; k++) {
        const int64_t part = length / count + (k < length % count);
        call->outputs[k].v = op_slice_axis(b->graph, x, axis, start, part, 1);
        start += part;
    }
    return graph_ok(b->graph);
}

static bool split_apply(layer_build *b, const join_config *c, layer_call *call, bool uneven)
{
    const value x = operation_operand(b, call, 0, "x");
    const int axis = x != VALUE_NONE ? operation_axis(b, x, c->axis, 0) : -1;
    if (axis < 0) return false;
    if (c->sections->kind != JSON_ARRAY) {
        return split_evenly(b, call, x, axis, json_integer(c->sections, 0), uneven);
    }
    const int64_t length = build_known_dim(b, x, axis, "the axis to split");
    if (length < 0 || !outputs_fit(b, call, (int64_t)c->sections->count + 1)) return false;
    int64_t start = 0;
    for (uint32_t k = 0; k < call->output_count; k++) {
        const bool is_last = k + 1 == call->output_count;
        int64_t end = is_last ? length : json_integer(json_item(c->sections, k), -1);
        if (!is_last && end < 0) end += length;
        if (end < start || end > length)
            return layer_fail(b, EBB_E_SHAPE, "the indices are not in order");
        call->outputs[k].v = op_slice_axis(b->graph, x, axis, start, end - start, 1);
        start = end;
    }
    return graph_ok(b->graph);
}

static bool split_build(layer_build *b, const void *config, layer_call *call)
{
    return split_apply(b, config, call, false);
}
OPERATION_DEF(split, "Split", NULL, sizeof(join_config), split_fields);

static bool array_split_build(layer_build *b, const void *config, layer_call *call)
{
    return split_apply(b, config, call, true);
}
OPERATION_DEF(array_split, "ArraySplit", NULL, sizeof(join_config), split_fields);

static const layer_field unstack_fields[] = {
    {"num", FIELD_I64, offsetof(join_config, num), false, -1, NULL},
    {"axis", FIELD_JSON, offsetof(join_config, axis), false, 0, NULL},
    FIELDS_END,
};

static bool unstack_build(layer_build *b, const void *config, layer_call *call)
{
    const join_config *c = config;
    const value x = operation_operand(b, call, 0, "x");
    const int axis = x != VALUE_NONE ? operation_axis(b, x, c->axis, 0) : -1;
    if (axis < 0) return false;
    const int64_t count = c->num >= 0 ? c->num : build_known_dim(b, x, axis, "the axis to unstack");
    if (count < 0 || !split_evenly(b, call, x, axis, count, false)) return false;
    for (uint32_t k = 0; k < call->output_count; k++) {
        call->outputs[k].v = operation_axis_remove(b, call->outputs[k].v, (uint32_t)axis);
    }
    return graph_ok(b->graph);
}
OPERATION_DEF(unstack, "Unstack", NULL, sizeof(join_config), unstack_fields);
