/* op_layout.c -- reshape, transpose, broadcast, concat, slice, pad: elements move, none is
 * computed. Lengths that are not known yet leave checks in the table of expressions
 * (graph/dim.h). */
#include "graph/op/gradient_rule.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

static bool check_target(graph *g, const char *op, const shape *to)
{
    if (to->rank <= EBB_RANK_MAX) {
        shape_require(g, to);
        return graph_ok(g);
    }
    return graph_fault(g, EBB_E_SHAPE, "%s: rank %u is above the highest, %d", op, to->rank,
                       EBB_RANK_MAX);
}

/* A copy with zeroes behind the rank: equal nodes must have equal bytes. */
static shape clean_shape(const shape *s)
{
    shape clean;

    memset(&clean, 0, sizeof clean);
    clean.rank = s->rank;
    for (uint32_t i = 0; i < s->rank && i < EBB_RANK_MAX; i++) clean.dims[i] = s->dims[i];
    return clean;
}

/* -- reshape ---------------------------------------------------------------------------------- */

static bool reshape_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const reshape_attributes *r = n->attributes;
    const shape *x = graph_shape(g, n->inputs[0]);

    if (!check_target(g, "reshape", &r->to)) return false;
    const dim from = shape_count(g, x), to = shape_count(g, &r->to);
    if (!graph_ok(g)) return false;
    if (dim_known(from) && dim_known(to) && from != to)
        return shape_fault(g, "reshape", "these shapes hold different numbers of elements", x,
                           &r->to);
    (void)dim_make(g, DIM_SAME, from, to);
    dtypes[0] = graph_value(g, n->inputs[0])->dtype;
    shapes[0] = r->to;
    return graph_ok(g);
}

const op_def op_def_reshape = {.name = "reshape",
                               .attribute_bytes = sizeof(reshape_attributes),
                               .inputs_min = 1,
                               .inputs_max = 1,
                               .output_count = 1,
                               .infer = reshape_infer,
                               .flops = flops_none,
                               .gradient = gradient_of_reshape};

value op_reshape(graph *g, value x, const shape *to)
{
    const reshape_attributes attributes = {.to = clean_shape(to)};

    return graph_node(g, OP_reshape, &x, 1, &attributes);
}

/* -- transpose -------------------------------------------------------------------------------- */

static bool transpose_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const transpose_attributes *t = n->attributes;
    const shape x = *graph_shape(g, n->inputs[0]);
    uint32_t seen = 0;

    shapes[0] = (shape){.rank = x.rank};
    for (uint32_t i = 0; i < x.rank; i++) {
        if (t->order[i] >= x.rank || (seen >> t->order[i] & 1) != 0)
            return graph_fault(
                g, EBB_E_SHAPE,
                "transpose: the order must name each of %u axes once; place %u says %u", x.rank, i,
                t->order[i]);
        seen |= 1u << t->order[i];
        shapes[0].dims[i] = x.dims[t->order[i]];
    }
    dtypes[0] = graph_value(g, n->inputs[0])->dtype;
    return true;
}

static void transpose_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const transpose_attributes *t = n->attributes;
    size_t used = 0;

    for (uint32_t i = 0; i < graph_rank(g, n->outputs[0]) && used < capacity; i++) {
        const int more =
            snprintf(text + used, capacity - used, "%s%u", i > 0 ? " " : "", t->order[i]);
        used += more > 0 ? (size_t)more : 0;
    }
}

const op_def op_def_transpose = {.name = "transpose",
                                 .attribute_bytes = sizeof(transpose_attributes),
                                 .inputs_min = 1,
                                 .inputs_max = 1,
                                 .output_count = 1,
                                 .infer = transpose_infer,
                                 .flops = flops_none,
                                 .describe = transpose_describe,
                                 .gradient = gradient_of_transpose};

value op_transpose(graph *g, value x, const uint32_t *order)
{
    transpose_attributes attributes = {.order = {0}};

    if (!graph_ok(g)) return VALUE_NONE;
    for (uint32_t i = 0; x < g->value_count && i < graph_rank(g, x); i++)
        attributes.order[i] = order[i];
    return graph_node(g, OP_transpose, &x, 1, &attributes);
}

/* -- broadcast -------------------------------------------------------------------------------- */

static bool broadcast_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const broadcast_attributes *b = n->attributes;
    const shape x = *graph_shape(g, n->inputs[0]);

    if (!check_target(g, "broadcast", &b->to)) return false;
    if (x.rank > b->to.rank)
        return shape_fault(g, "broadcast", "the target has fewer axes", &x, &b->to);
    for (uint32_t i = 0; i < x.rank; i++) {
        const dim from = x.dims[i], to = b->to.dims[b->to.rank - x.rank + i];
        if (from == 1 || from == to) continue;
        if (dim_known(from) && dim_known(to))
            return shape_fault(g, "broadcast", "these shapes do not fit together", &x, &b->to);
        (void)dim_make(g, DIM_SAME, dim_make(g, DIM_BROADCAST, from, to), to);
    }
    dtypes[0] = graph_value(g, n->inputs[0])->dtype;
    shapes[0] = b->to;
    return graph_ok(g);
}

const op_def op_def_broadcast = {.name = "broadcast",
                                 .attribute_bytes = sizeof(broadcast_attributes),
                                 .inputs_min = 1,
                                 .inputs_max = 1,
                                 .output_count = 1,
                                 .infer = broadcast_infer,
                                 .flops = flops_none,
                                 .gradient = gradient_of_broadcast};

value op_broadcast(graph *g, value x, const shape *to)
{
    const broadcast_attributes attributes = {.to = clean_shape(to)};

    return graph_node(g, OP_broadcast, &x, 1, &attributes);
}

/* -- concat ----------------------------------------------------------------------------------- */

static bool concat_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const concat_attributes *c = n->attributes;

    shapes[0] = *graph_shape(g, n->inputs[0]);
    dtypes[0] = graph_value(g, n->inputs[0])->dtype;
    if (c->axis >= shapes[0].rank)
        return graph_fault(g, EBB_E_SHAPE, "concat: there is no axis %u; the values have rank %u",
                           c->axis, shapes[0].rank);
    for (uint32_t i = 1; i < n->input_count; i++) {
        const shape *s = graph_shape(g, n->inputs[i]);
        bool is_equal = s->rank == shapes[0].rank;

        if (!expect_dtype(g, "concat", "every value", n->inputs[i], dtypes[0])) return false;
        for (uint32_t axis = 0; is_equal && axis < s->rank; axis++) {
            const dim a = shapes[0].dims[axis], b = s->dims[axis];
            if (axis != c->axis && dim_known(a) && dim_known(b)) is_equal = a == b;
        }
        if (!is_equal) {
            char left[SHAPE_TEXT_MAX], right[SHAPE_TEXT_MAX];
            return graph_fault(g, EBB_E_SHAPE,
                               "concat: on axis %u, the other axes must agree: %s and %s", c->axis,
                               shape_text(g, graph_shape(g, n->inputs[0]), left, sizeof left),
                               shape_text(g, s, right, sizeof right));
        }
        for (uint32_t axis = 0; axis < s->rank; axis++)
            shapes[0].dims[axis] = dim_make(g, axis == c->axis ? DIM_ADD : DIM_SAME,
                                            shapes[0].dims[axis], s->dims[axis]);
    }
    return graph_ok(g);
}

static void concat_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    (void)g;
    (void)snprintf(text, capacity, "axis %u", ((const concat_attributes *)n->attributes)->axis);
}

const op_def op_def_concat = {.name = "concat",
                              .attribute_bytes = sizeof(concat_attributes),
                              .inputs_min = 1,
                              .inputs_max = OP_INPUTS_MAX,
                              .output_count = 1,
                              .infer = concat_infer,
                              .flops = flops_none,
                              .describe = concat_describe,
                              .gradient = gradient_of_concat};

value op_concat(graph *g, const value *items, uint32_t count, int axis)
{
    value groups[OP_INPUTS_MAX];
    concat_attributes attributes = {.axis = EBB_RANK_MAX};

    if (!graph_ok(g)) return VALUE_NONE;
    if (count == 0 || count > OP_INPUTS_MAX * OP_INPUTS_MAX || items[0] >= g->value_count)
        return graph_fail(g, EBB_E_ARGUMENT, "concat: takes 1 to %d values, got %u",
                          OP_INPUTS_MAX * OP_INPUTS_MAX, count);
    const int rank = (int)graph_rank(g, items[0]), place = axis < 0 ? axis + rank : axis;
    if (place >= 0 && place < rank) attributes.axis = (uint32_t)place;
    if (count <= OP_INPUTS_MAX) return graph_node(g, OP_concat, items, count, &attributes);
    uint32_t group_count = 0;
    for (uint32_t done = 0; done < count;) {
        const uint32_t rest = count - done, some = rest < OP_INPUTS_MAX ? rest : OP_INPUTS_MAX;
        groups[group_count++] = graph_node(g, OP_concat, items + done, some, &attributes);
        done += some;
    }
    return graph_node(g, OP_concat, groups, group_count, &attributes);
}

/* -- slice ------------------------------------------------------------------------------------ */

static bool slice_fault(graph *g, uint32_t axis, dim start, dim length, int64_t step, dim found)
{
    char first[64], many[64], all[64];

    return graph_fault(
        g, EBB_E_SHAPE, "slice: axis %u: %s items from %s by steps of %lld leave its length, %s",
        axis, dim_text(g, length, many, sizeof many), dim_text(g, start, first, sizeof first),
        (long long)step, dim_text(g, found, all, sizeof all));
}

/* First and last item lie inside; an empty slice may start anywhere up to the end. */
static bool check_slice(graph *g, uint32_t axis, dim start, dim length, int64_t step, dim found)
{
    const int64_t size = step < 0 ? -step : step;

    if (step == 0 || step == INT64_MIN)
        return graph_fault(g, EBB_E_ARGUMENT, "slice: axis %u: a step of %lld", axis,
                           (long long)step);
    dim_require(g, length);
    if (!graph_ok(g)) return false;
    if (dim_known(start) && dim_known(length) && dim_known(found)) {
        int64_t reach;
        if (length == 0) return start <= found || slice_fault(g, axis, start, length, step, found);
        const bool fits =
            i64_mul(length - 1, size, &reach) &&
            (step > 0 ? start < found && reach < found - start : start < found && reach <= start);
        return fits || slice_fault(g, axis, start, length, step, found);
    }
    const dim reach = dim_make(g, DIM_MUL, dim_make(g, DIM_SUB, length, 1), size);
    const dim after_start = dim_make(g, DIM_SUB, found, start); /* items from start to the end */
    if (step > 0) {
        dim_require(g, start);
        dim_require(g, dim_make(g, DIM_SUB, dim_make(g, DIM_SUB, after_start, reach), 1));
    } else {
        dim_require(g, dim_make(g, DIM_SUB, after_start, 1));
        dim_require(g, dim_make(g, DIM_SUB, start, reach));
    }
    return graph_ok(g) || slice_fault(g, axis, start, length, step, found);
}

static bool slice_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const slice_attributes *a = n->attributes;
    const shape x = *graph_shape(g, n->inputs[0]);

    shapes[0] = (shape){.rank = x.rank};
    for (uint32_t i = 0; i < x.rank; i++) {
        if (!check_slice(g, i, a->start[i], a->length[i], a->step[i], x.dims[i])) return false;
        shapes[0].dims[i] = a->length[i];
    }
    dtypes[0] = graph_value(g, n->inputs[0])->dtype;
    return true;
}

static bool slice_is_fixed(const node *n)
{
    const slice_attributes *a = n->attributes;

    for (uint32_t i = 0; i < EBB_RANK_MAX; i++)
        if (!dim_known(a->start[i])) return false;
    return true;
}

static void slice_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const slice_attributes *a = n->attributes;
    size_t used = 0;

    for (uint32_t i = 0; i < graph_rank(g, n->outputs[0]) && used < capacity; i++) {
        char start[64], length[64];
        const int more = snprintf(text + used, capacity - used, "%s%s+%s", i > 0 ? ", " : "",
                                  dim_text(g, a->start[i], start, sizeof start),
                                  dim_text(g, a->length[i], length, sizeof length));
        used += more > 0 ? (size_t)more : 0;
        if (a->step[i] == 1 || used >= capacity) continue;
        const int step = snprintf(text + used, capacity - used, "*%lld", (long long)a->step[i]);
        used += step > 0 ? (size_t)step : 0;
    }
}

const op_def op_def_slice = {.name = "slice",
                             .attribute_bytes = sizeof(slice_attributes),
                             .inputs_min = 1,
                             .inputs_max = 1,
                             .output_count = 1,
                             .infer = slice_infer,
                             .flops = flops_none,
                             .is_fixed = slice_is_fixed,
                             .describe = slice_describe,
                             .gradient = gradient_of_slice};

value op_slice(graph *g, value x, const slice_attributes *attributes)
{
    slice_attributes clean = {.start = {0}};

    if (!graph_ok(g)) return VALUE_NONE;
    for (uint32_t i = 0; x < g->value_count && i < graph_rank(g, x); i++) {
        clean.start[i] = attributes->start[i];
        clean.length[i] = attributes->length[i];
        clean.step[i] = attributes->step[i];
    }
    return graph_node(g, OP_slice, &x, 1, &clean);
}

value op_slice_axis(graph *g, value x, int axis, dim start, dim length, int64_t step)
{
    slice_attributes attributes = {.start = {0}};

    if (!graph_ok(g) || x >= g->value_count)
        return graph_fail(g, EBB_E_ARGUMENT, "slice: no such value");
    const int rank = (int)graph_rank(g, x), place = axis < 0 ? axis + rank : axis;
    if (place < 0 || place >= rank)
        return graph_fail(g, EBB_E_SHAPE, "slice: there is no axis %d in rank %d", axis, rank);
    for (int i = 0; i < rank; i++) {
        attributes.length[i] = i == place ? length : graph_dim(g, x, i);
        attributes.step[i] = i == place ? step : 1;
    }
    attributes.start[place] = start;
    return graph_node(g, OP_slice, &x, 1, &attributes);
}

value op_reverse(graph *g, value x, int axis)
{
    if (!graph_ok(g) || x >= g->value_count)
        return graph_fail(g, EBB_E_ARGUMENT, "reverse: no such value");
    const dim length = graph_dim(g, x, axis);
    return op_slice_axis(g, x, axis, length == 0 ? 0 : dim_make(g, DIM_SUB, length, 1), length, -1);
}

/* -- pad -------------------------------------------------------------------------------------- */

/* How much a mirrored border may need of an axis: all of it, without its last element for
 * REFLECT. */
static bool check_mirror(graph *g, pad_kind kind, uint32_t axis, dim padding, dim length)
{
    char many[64], all[64];

    if (padding == 0) return true;
    const dim room = kind == PAD_REFLECT ? dim_make(g, DIM_SUB, length, 1) : length;
    if (graph_ok(g) && dim_known(padding) && dim_known(room) && padding <= room) return true;
    if (graph_ok(g) && !(dim_known(padding) && dim_known(room))) {
        dim_require(g, dim_make(g, DIM_SUB, room, padding));
        if (graph_ok(g)) return true;
    }
    return graph_fault(g, EBB_E_SHAPE, "pad: axis %u of length %s is too short to mirror %s", axis,
                       dim_text(g, length, all, sizeof all),
                       dim_text(g, padding, many, sizeof many));
}

static bool pad_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const pad_attributes *p = n->attributes;

    if ((uint32_t)p->kind > PAD_SYMMETRIC)
        return graph_fault(g, EBB_E_ARGUMENT, "pad: no such kind: %d", (int)p->kind);
    if (!expect_compute_dtype(g, "pad", n->inputs[0])) return false;
    shapes[0] = *graph_shape(g, n->inputs[0]);
    for (uint32_t i = 0; i < shapes[0].rank; i++) {
        const dim length = shapes[0].dims[i];

        dim_require(g, p->before[i]);
        dim_require(g, p->after[i]);
        if (p->kind != PAD_CONSTANT && (!check_mirror(g, p->kind, i, p->before[i], length) ||
                                        !check_mirror(g, p->kind, i, p->after[i], length)))
            return false;
        shapes[0].dims[i] =
            dim_make(g, DIM_ADD, dim_make(g, DIM_ADD, length, p->before[i]), p->after[i]);
    }
    dtypes[0] = graph_value(g, n->inputs[0])->dtype;
    return graph_ok(g);
}

static bool pad_is_fixed(const node *n)
{
    const pad_attributes *p = n->attributes;

    for (uint32_t i = 0; i < EBB_RANK_MAX; i++)
        if (!dim_known(p->before[i]) || !dim_known(p->after[i])) return false;
    return true;
}

static void pad_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    static const char *const names[] = {"constant", "reflect", "symmetric"};
    const pad_attributes *p = n->attributes;
    const int length = snprintf(text, capacity, "%s", names[p->kind]);
    size_t used = length > 0 ? (size_t)length : 0;

    for (uint32_t i = 0; i < graph_rank(g, n->outputs[0]) && used < capacity; i++) {
        char before[64], after[64];
        const int more = snprintf(text + used, capacity - used, " %s:%s",
                                  dim_text(g, p->before[i], before, sizeof before),
                                  dim_text(g, p->after[i], after, sizeof after));
        used += more > 0 ? (size_t)more : 0;
    }
}

const op_def op_def_pad = {.name = "pad",
                           .attribute_bytes = sizeof(pad_attributes),
                           .inputs_min = 1,
                           .inputs_max = 1,
                           .output_count = 1,
                           .infer = pad_infer,
                           .flops = flops_none,
                           .is_fixed = pad_is_fixed,
                           .describe = pad_describe,
                           .gradient = gradient_of_pad};

value op_pad(graph *g, value x, const pad_attributes *attributes)
{
    pad_attributes clean;

    if (!graph_ok(g)) return VALUE_NONE;
    memset(&clean, 0, sizeof clean);
    clean.kind = attributes->kind;
    clean.number = attributes->kind == PAD_CONSTANT ? attributes->number : 0;
    for (uint32_t i = 0; x < g->value_count && i < graph_rank(g, x); i++) {
        clean.before[i] = attributes->before[i];
        clean.after[i] = attributes->after[i];
    }
    return graph_node(g, OP_pad, &x, 1, &clean);
}
