/* tf_tensor_list.c -- TensorList operations: lists that are known element by element, as one
 * tensor, or through a loop. Lists are values: setting an element makes another list.
 *
 * Elements that nobody has set are zeros where the shape of elements is known.
 * Source: tensorflow/core/kernels/list_kernels.cc. */
#include "tensorflow/tf_emit.h"

#include <string.h>

#define ITEMS_MAX 4096

static const tf_list *list_of(tf_build *b, const tf_call *c, uint32_t i)
{
    const tf_list *list = c->inputs[i].list;

    if (c->inputs[i].type == TF_VARIANT && list != NULL) return list;
    (void)tf_fail(b, c, EBB_E_ARGUMENT, "input %u is no list of tensors", i);
    return NULL;
}

static bool give_list(tf_build *b, tf_call *c, const tf_list *list)
{
    tf_list *copy = tf_memory(b, 1, sizeof *copy);
    tf_tensor t = {.type = TF_VARIANT, .list = copy};

    if (copy == NULL) return false;
    *copy = *list;
    return tf_give_tensor(b, c, 0, &t);
}

/* The shape of elements as it was told; -1, the whole shape or one of its lengths: not known. */
static void element_shape(tf_build *b, const tf_tensor *t, tf_list *list)
{
    const dim *lengths;
    uint32_t count;
    int64_t number;

    if (!tf_find_lengths(b, t, &lengths, &count) || count > EBB_RANK_MAX ||
        (t->has_lengths && t->rank == 0))
        return;
    list->element.rank = count;
    list->has_element = true;
    for (uint32_t i = 0; i < count; i++) {
        list->element.dims[i] = lengths[i];
        if (tf_dim_number(b->graph, lengths[i], &number) && number < 0) list->has_element = false;
    }
}

/* parameter 1: EmptyTensorList, whose second input is the most elements it may get. */
bool tf_emit_list_reserve(tf_build *b, tf_call *c, const tf_entry *e)
{
    tf_list list = {.kind = TF_LIST_RESERVED, .type = tf_type_attribute(c, e, "element_dtype")};

    element_shape(b, &c->inputs[0], &list);
    if (e->parameter == 0 && !tf_length(b, c, 1, "the number of elements", &list.count))
        return false;
    return graph_ok(b->graph) && give_list(b, c, &list);
}

bool tf_emit_list_from_tensor(tf_build *b, tf_call *c, const tf_entry *e)
{
    const value v = tf_input(b, c, 0);

    (void)e;
    if (v == VALUE_NONE) return false;
    shape s = *graph_shape(b->graph, v);
    if (s.rank == 0) return tf_fail(b, c, EBB_E_SHAPE, "of a scalar");
    tf_list list = {.kind = TF_LIST_STACKED,
                    .type = c->inputs[0].type,
                    .count = s.dims[0],
                    .stacked = v,
                    .has_element = true};
    list.element.rank = s.rank - 1;
    memcpy(list.element.dims, s.dims + 1, list.element.rank * sizeof(dim));
    return give_list(b, c, &list);
}

/* Zeros in the place of an element. */
static value unset(tf_build *b, const tf_call *c, const tf_list *list)
{
    const ebb_dtype dtype = tf_compute(list->type);

    if (list->has_element && dtype != EBB_DTYPE_NONE)
        return op_broadcast(b->graph, tf_scalar(b, 0, dtype), &list->element);
    (void)tf_fail(b, c, EBB_E_UNSUPPORTED, "an element that was never set, of unknown shape");
    return VALUE_NONE;
}

static value list_item(tf_build *b, const tf_call *c, const tf_list *list, int64_t i)
{
    if (i < 0 || (dim_known(list->count) && i >= list->count)) {
        (void)tf_fail(b, c, EBB_E_SHAPE, "there is no element %lld", (long long)i);
        return VALUE_NONE;
    }
    if (list->kind == TF_LIST_ITEMS && list->items[i] != VALUE_NONE) return list->items[i];
    return unset(b, c, list);
}

/* Items one above the other. */
static value stack_items(tf_build *b, const tf_call *c, const tf_list *list)
{
    graph *g = b->graph;
    value *rows = tf_memory(b, (size_t)list->count + 1, sizeof *rows);

    if (rows == NULL) return VALUE_NONE;
    for (dim i = 0; i < list->count; i++) {
        const value v = list_item(b, c, list, i);
        if (v == VALUE_NONE) return VALUE_NONE;
        shape s = *graph_shape(g, v), to = {.rank = s.rank + 1, .dims = {1}};
        if (to.rank > EBB_RANK_MAX) return graph_fail(g, EBB_E_SHAPE, "a list of too many axes");
        memcpy(to.dims + 1, s.dims, s.rank * sizeof(dim));
        rows[i] = op_reshape(g, v, &to);
    }
    return op_concat(g, rows, (uint32_t)list->count, 0);
}

static value stack_unset(tf_build *b, const tf_call *c, const tf_list *list)
{
    const value v = unset(b, c, list);
    shape to = {.rank = list->element.rank + 1, .dims = {list->count}};

    if (v == VALUE_NONE || to.rank > EBB_RANK_MAX) return VALUE_NONE;
    memcpy(to.dims + 1, list->element.dims, list->element.rank * sizeof(dim));
    return op_broadcast(b->graph, v, &to);
}

bool tf_emit_list_stack(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_list *list = list_of(b, c, 0);
    value v = VALUE_NONE;

    (void)e;
    if (list == NULL) return false;
    if (list->kind == TF_LIST_STACKED) v = list->stacked;
    if (list->kind == TF_LIST_ITEMS) v = stack_items(b, c, list);
    if (list->kind == TF_LIST_RESERVED) v = stack_unset(b, c, list);
    if (list->kind == TF_LIST_LOOP) v = tf_loop_stacked(b, c, list);
    return v != VALUE_NONE && tf_give(b, c, 0, v, list->type);
}

bool tf_emit_list_get(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const tf_list *list = list_of(b, c, 0);
    double number;
    value v;

    (void)e;
    if (list == NULL) return false;
    if (list->kind == TF_LIST_LOOP) {
        v = tf_loop_element(b, c, list, &c->inputs[1]);
    } else if (list->kind == TF_LIST_STACKED) {
        const value at = tf_input(b, c, 1);
        v = at != VALUE_NONE ? op_gather(g, list->stacked, at, 0) : VALUE_NONE;
    } else if (tf_find_scalar(b, &c->inputs[1], &number)) {
        v = list_item(b, c, list, (int64_t)number);
    } else {
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "the number of the element is computed from data");
    }
    return v != VALUE_NONE && tf_give(b, c, 0, v, list->type);
}

/* A copy of the list with room for `count` items. */
static bool with_items(tf_build *b, const tf_call *c, const tf_list *list, dim count, tf_list *copy)
{
    if (!dim_known(count) || count > ITEMS_MAX)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "a list of unknown length, or of more than %d",
                       ITEMS_MAX);
    *copy = *list;
    copy->kind = TF_LIST_ITEMS;
    copy->count = count;
    copy->items = tf_memory(b, (size_t)count + 1, sizeof *copy->items);
    if (copy->items == NULL) return false;
    const dim kept = list->kind == TF_LIST_ITEMS ? list->count : 0;
    if (kept > 0) memcpy(copy->items, list->items, (size_t)kept * sizeof *copy->items);
    return true;
}

/* A tensor with row `at` replaced. */
static bool set_row(tf_build *b, tf_call *c, const tf_list *list)
{
    graph *g = b->graph;
    const value at = tf_input(b, c, 1), row = tf_input(b, c, 2);
    tf_list next = *list;

    if (!graph_ok(g)) return false;
    shape tall = {.rank = graph_rank(g, list->stacked)};
    for (uint32_t i = 0; i < tall.rank; i++) tall.dims[i] = i == 0 ? list->count : 1;
    const value here = op_compare(g, COMPARE_EQUAL, op_iota(g, list->count), at);
    next.stacked = op_select(g, op_reshape(g, here, &tall), row, list->stacked);
    return graph_ok(g) && give_list(b, c, &next);
}

bool tf_emit_list_set(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_list *list = list_of(b, c, 0);
    tf_list next;
    double number;

    (void)e;
    if (list == NULL) return false;
    if (list->kind == TF_LIST_STACKED) return set_row(b, c, list);
    const value v = tf_input(b, c, 2);
    if (v == VALUE_NONE) return false;
    if (list->kind == TF_LIST_LOOP) {
        if (list->is_written)
            return tf_fail(b, c, EBB_E_UNSUPPORTED, "two elements of a list in one step of a loop");
        next = *list;
        next.is_written = true;
        next.written = v;
        next.at = c->inputs[1];
        next.type = c->inputs[2].type;
        return give_list(b, c, &next);
    }
    if (!tf_find_scalar(b, &c->inputs[1], &number))
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "the number of the element is computed from data");
    if (number < 0 || (dim_known(list->count) && number >= (double)list->count))
        return tf_fail(b, c, EBB_E_SHAPE, "there is no element %g", number);
    if (!with_items(b, c, list, list->count, &next)) return false;
    next.items[(uint32_t)number] = v;
    return give_list(b, c, &next);
}

bool tf_emit_list_push(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_list *list = list_of(b, c, 0);
    tf_list next;

    (void)e;
    if (list == NULL) return false;
    const value v = tf_input(b, c, 1);
    if (v == VALUE_NONE) return false;
    if (list->kind != TF_LIST_ITEMS && list->kind != TF_LIST_RESERVED)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "onto a list of this kind");
    const dim count = dim_make(b->graph, DIM_ADD, list->count, 1);
    if (!with_items(b, c, list, count, &next)) return false;
    next.items[count - 1] = v;
    return give_list(b, c, &next);
}

bool tf_emit_list_length(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_list *list = list_of(b, c, 0);

    (void)e;
    if (list == NULL) return false;
    if (list->is_count_outside)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "the length of a list from outside of the loop");
    return tf_give_lengths(b, c, TF_INT32, 0, NULL, &list->count, 1);
}

bool tf_emit_list_element_shape(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_list *list = list_of(b, c, 0);

    if (list == NULL) return false;
    if (!list->has_element)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "the shape of the elements is not known");
    return tf_give_lengths(b, c, tf_type_attribute(c, e, "shape_type"), 1, NULL, list->element.dims,
                           list->element.rank);
}
