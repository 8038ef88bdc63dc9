/* op_reduction.c -- pool, reduce, arg_reduce, softmax, normalize, cumulative: shape rules and
 * builders. Pool lengths as in Keras: SAME ceil(n / s); VALID floor((n - window) / s) + 1, at
 * least 1. */
#include "graph/op/gradient_rule.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t result;

    (void)u64_mul(a, b, &result);
    return result;
}

static bool check_axis(graph *g, const char *op, value x, uint32_t axis)
{
    char text[SHAPE_TEXT_MAX];

    if (axis < graph_rank(g, x)) return true;
    return graph_fault(g, EBB_E_SHAPE, "%s: there is no axis %u in %s", op, axis,
                       shape_text(g, graph_shape(g, x), text, sizeof text));
}

static bool check_axes(graph *g, const char *op, value x, uint32_t axes)
{
    char text[SHAPE_TEXT_MAX];

    if (axes >> graph_rank(g, x) == 0) return true;
    return graph_fault(g, EBB_E_SHAPE, "%s: the axes 0x%x are not all in %s", op, axes,
                       shape_text(g, graph_shape(g, x), text, sizeof text));
}

static uint32_t all_axes(const graph *g, value x)
{
    return (1u << graph_rank(g, x)) - 1;
}

/* An axis counted from either end; rank (so that the rule refuses it) when there is none. */
static uint32_t find_axis(const graph *g, value x, int axis)
{
    const int rank = (int)graph_rank(g, x), place = axis < 0 ? axis + rank : axis;

    return place >= 0 && place < rank ? (uint32_t)place : EBB_RANK_MAX;
}

/* -- pool ------------------------------------------------------------------------------------- */

static bool pool_length(graph *g, const pool_attributes *p, uint32_t i, dim length, dim *result)
{
    if (p->window[i] < 1 || p->strides[i] < 1 || p->window[i] > INT32_MAX ||
        p->strides[i] > INT32_MAX)
        return graph_fault(g, EBB_E_ARGUMENT,
                           "pool: spatial axis %u: window %lld, stride %lld; both start at 1", i,
                           (long long)p->window[i], (long long)p->strides[i]);
    if (p->same) {
        *result = dim_make(g, DIM_DIV_UP, length, p->strides[i]);
        return graph_ok(g);
    }
    if (dim_known(length) && length < p->window[i])
        return graph_fault(g, EBB_E_SHAPE, "pool: spatial axis %u has length %lld, the window %lld",
                           i, (long long)length, (long long)p->window[i]);
    const dim room = dim_make(g, DIM_SUB, length, p->window[i]);
    dim_require(g, room);
    *result = dim_make(g, DIM_ADD, dim_make(g, DIM_DIV, room, p->strides[i]), 1);
    return graph_ok(g);
}

static bool pool_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const pool_attributes *p = n->attributes;

    if (p->spatial < 1 || p->spatial > SPATIAL_MAX)
        return graph_fault(g, EBB_E_ARGUMENT, "pool: %u spatial axes; 1 to %d are possible",
                           p->spatial, SPATIAL_MAX);
    if (!expect_dtype(g, "pool", "x", n->inputs[0], EBB_F32) ||
        !expect_rank(g, "pool", "x", n->inputs[0], p->spatial + 2))
        return false;
    shapes[0] = *graph_shape(g, n->inputs[0]);
    for (uint32_t i = 0; i < p->spatial; i++)
        if (!pool_length(g, p, i, shapes[0].dims[i + 1], &shapes[0].dims[i + 1])) return false;
    dtypes[0] = EBB_F32;
    return true;
}

static uint64_t pool_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const pool_attributes *p = n->attributes;
    uint64_t flops = shape_count_at(graph_shape(g, n->outputs[0]), dim_values);

    for (uint32_t i = 0; i < p->spatial; i++) flops = times(flops, (uint64_t)p->window[i]);
    return flops;
}

static void pool_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const pool_attributes *p = n->attributes;
    const int length = snprintf(text, capacity, "%s %s", p->kind == POOL_MAX ? "max" : "average",
                                p->same ? "same" : "valid");
    size_t used = length > 0 ? (size_t)length : 0;

    (void)g;
    for (uint32_t i = 0; i < p->spatial && used < capacity; i++) {
        const int more = snprintf(text + used, capacity - used, " %lld/%lld",
                                  (long long)p->window[i], (long long)p->strides[i]);
        used += more > 0 ? (size_t)more : 0;
    }
}

const op_def op_def_pool = {.name = "pool",
                            .attribute_bytes = sizeof(pool_attributes),
                            .inputs_min = 1,
                            .inputs_max = 1,
                            .output_count = 1,
                            .infer = pool_infer,
                            .flops = pool_flops,
                            .describe = pool_describe,
                            .gradient = gradient_of_pool};

value op_pool(graph *g, value x, const pool_attributes *attributes)
{
    pool_attributes clean;

    memset(&clean, 0, sizeof clean);
    clean.kind = attributes->kind;
    clean.spatial = attributes->spatial;
    clean.same = attributes->same;
    for (uint32_t i = 0; i < attributes->spatial && i < SPATIAL_MAX; i++) {
        clean.window[i] = attributes->window[i];
        clean.strides[i] = attributes->strides[i];
    }
    return graph_node(g, OP_pool, &x, 1, &clean);
}

/* -- reduce ----------------------------------------------------------------------------------- */

static bool reduce_dtype(graph *g, value x, reduce_kind kind)
{
    const ebb_dtype dtype = graph_value(g, x)->dtype;

    if ((uint32_t)kind > REDUCE_LOG_SUM_EXP)
        return graph_fault(g, EBB_E_ARGUMENT, "reduce: no such reduction: %d", (int)kind);
    if (kind == REDUCE_ANY || kind == REDUCE_ALL)
        return expect_dtype(g, "reduce", "x", x, EBB_BOOL);
    if (dtype == EBB_I32 && kind != REDUCE_MEAN && kind != REDUCE_LOG_SUM_EXP) return true;
    return expect_dtype(g, "reduce", "x", x, EBB_F32);
}

static bool reduce_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const reduce_attributes *r = n->attributes;
    const shape x = *graph_shape(g, n->inputs[0]);
    const uint32_t axes = r->axes != 0 ? r->axes : all_axes(g, n->inputs[0]);

    if (!reduce_dtype(g, n->inputs[0], r->kind) || !check_axes(g, "reduce", n->inputs[0], axes))
        return false;
    shapes[0] = (shape){.rank = 0};
    for (uint32_t i = 0; i < x.rank; i++) {
        const bool is_reduced = (axes >> i & 1) != 0;
        if (!is_reduced || r->keep_dims)
            shapes[0].dims[shapes[0].rank++] = is_reduced ? 1 : x.dims[i];
    }
    dtypes[0] = graph_value(g, n->inputs[0])->dtype;
    return true;
}

static void reduce_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    static const char *const names[] = {"sum",  "mean", "max", "min",
                                        "prod", "any",  "all", "log_sum_exp"};
    const reduce_attributes *r = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "%s axes 0x%x%s", names[r->kind], r->axes,
                   r->keep_dims ? " kept" : "");
}

const op_def op_def_reduce = {.name = "reduce",
                              .attribute_bytes = sizeof(reduce_attributes),
                              .inputs_min = 1,
                              .inputs_max = 1,
                              .output_count = 1,
                              .infer = reduce_infer,
                              .flops = flops_of_input,
                              .describe = reduce_describe,
                              .gradient = gradient_of_reduce};

value op_reduce(graph *g, reduce_kind kind, value x, uint32_t axes, bool keep_dims)
{
    reduce_attributes attributes;

    if (!graph_ok(g)) return VALUE_NONE;
    memset(&attributes, 0, sizeof attributes);
    attributes.kind = kind;
    attributes.axes = axes != 0 || x >= g->value_count ? axes : all_axes(g, x);
    attributes.keep_dims = keep_dims;
    return graph_node(g, OP_reduce, &x, 1, &attributes);
}

static bool arg_reduce_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const arg_reduce_attributes *a = n->attributes;
    const shape x = *graph_shape(g, n->inputs[0]);

    if (graph_value(g, n->inputs[0])->dtype != EBB_I32 &&
        !expect_dtype(g, "arg_reduce", "x", n->inputs[0], EBB_F32))
        return false;
    if (!check_axis(g, "arg_reduce", n->inputs[0], a->axis)) return false;
    if (x.dims[a->axis] == 0)
        return graph_fault(g, EBB_E_SHAPE, "arg_reduce: axis %u is empty", a->axis);
    dim_require(g, dim_make(g, DIM_SUB, x.dims[a->axis], 1));
    shapes[0] = (shape){.rank = 0};
    for (uint32_t i = 0; i < x.rank; i++)
        if (i != a->axis) shapes[0].dims[shapes[0].rank++] = x.dims[i];
    dtypes[0] = EBB_I32;
    return graph_ok(g);
}

static void arg_reduce_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const arg_reduce_attributes *a = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "%s axis %u", a->is_max ? "max" : "min", a->axis);
}

const op_def op_def_arg_reduce = {.name = "arg_reduce",
                                  .attribute_bytes = sizeof(arg_reduce_attributes),
                                  .inputs_min = 1,
                                  .inputs_max = 1,
                                  .output_count = 1,
                                  .infer = arg_reduce_infer,
                                  .flops = flops_of_input,
                                  .describe = arg_reduce_describe};

value op_arg_reduce(graph *g, bool is_max, value x, int axis)
{
    arg_reduce_attributes attributes;

    if (!graph_ok(g)) return VALUE_NONE;
    memset(&attributes, 0, sizeof attributes);
    attributes.is_max = is_max;
    attributes.axis = x < g->value_count ? find_axis(g, x, axis) : 0;
    return graph_node(g, OP_arg_reduce, &x, 1, &attributes);
}

/* -- softmax, normalize ----------------------------------------------------------------------- */

static bool softmax_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const softmax_attributes *s = n->attributes;

    if (!expect_dtype(g, "softmax", "x", n->inputs[0], EBB_F32) ||
        !check_axes(g, "softmax", n->inputs[0], s->axes))
        return false;
    if (s->axes == 0) return graph_fault(g, EBB_E_ARGUMENT, "softmax: no axis is given");
    dtypes[0] = EBB_F32;
    shapes[0] = *graph_shape(g, n->inputs[0]);
    return true;
}

static uint64_t softmax_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    return times(5, flops_of_input(g, n, dim_values)); /* maximum, difference, exp, sum, quotient */
}

static void softmax_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const softmax_attributes *s = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "%saxes 0x%x", s->is_log ? "log " : "", s->axes);
}

const op_def op_def_softmax = {.name = "softmax",
                               .attribute_bytes = sizeof(softmax_attributes),
                               .inputs_min = 1,
                               .inputs_max = 1,
                               .output_count = 1,
                               .infer = softmax_infer,
                               .flops = softmax_flops,
                               .describe = softmax_describe,
                               .gradient = gradient_of_softmax};

value op_softmax(graph *g, value x, uint32_t axes, bool is_log)
{
    softmax_attributes attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.axes = axes;
    attributes.is_log = is_log;
    return graph_node(g, OP_softmax, &x, 1, &attributes);
}

static bool normalize_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const normalize_attributes *a = n->attributes;
    const shape x = *graph_shape(g, n->inputs[0]);
    char found[SHAPE_TEXT_MAX], text[SHAPE_TEXT_MAX];

    if (!expect_dtype(g, "normalize", "x", n->inputs[0], EBB_F32)) return false;
    if (a->axis_count < 1 || a->axis_count > x.rank)
        return graph_fault(g, EBB_E_SHAPE, "normalize: %u trailing axes of %s", a->axis_count,
                           shape_text(g, &x, text, sizeof text));
    if (a->is_rms && n->input_count > 2 && n->inputs[2] != VALUE_NONE)
        return graph_fault(g, EBB_E_ARGUMENT, "normalize: root mean square takes no offset");
    for (uint32_t i = 1; i < n->input_count; i++) {
        const shape *s = graph_shape(g, n->inputs[i]);
        const char *what = i == 1 ? "scale" : "offset";
        bool is_equal = s->rank == a->axis_count;

        if (n->inputs[i] == VALUE_NONE) continue;
        if (!expect_dtype(g, "normalize", what, n->inputs[i], EBB_F32)) return false;
        for (uint32_t axis = 0; is_equal && axis < s->rank; axis++)
            is_equal = s->dims[axis] == x.dims[x.rank - a->axis_count + axis];
        if (!is_equal)
            return graph_fault(g, EBB_E_SHAPE,
                               "normalize: the %s is %s, x ends with %u other lengths: %s", what,
                               shape_text(g, s, found, sizeof found), a->axis_count,
                               shape_text(g, &x, text, sizeof text));
    }
    dtypes[0] = EBB_F32;
    shapes[0] = x;
    return true;
}

static uint64_t normalize_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    return times(8, flops_of_input(g, n, dim_values)); /* mean 1, variance 3, result 4 */
}

static void normalize_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const normalize_attributes *a = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "%slast %u epsilon %g", a->is_rms ? "rms " : "", a->axis_count,
                   (double)a->epsilon);
}

const op_def op_def_normalize = {.name = "normalize",
                                 .attribute_bytes = sizeof(normalize_attributes),
                                 .inputs_min = 1,
                                 .inputs_max = 3,
                                 .output_count = 1,
                                 .infer = normalize_infer,
                                 .flops = normalize_flops,
                                 .describe = normalize_describe,
                                 .gradient = gradient_of_normalize};

value op_normalize(graph *g, value x, value scale, value offset,
                   const normalize_attributes *attributes)
{
    normalize_attributes clean;

    memset(&clean, 0, sizeof clean);
    clean.axis_count = attributes->axis_count;
    clean.epsilon = attributes->epsilon;
    clean.is_rms = attributes->is_rms;
    return graph_node(g, OP_normalize, (const value[]){x, scale, offset}, 3, &clean);
}

/* -- cumulative ------------------------------------------------------------------------------- */

static bool cumulative_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const cumulative_attributes *a = n->attributes;

    if (graph_value(g, n->inputs[0])->dtype != EBB_I32 &&
        !expect_dtype(g, "cumulative", "x", n->inputs[0], EBB_F32))
        return false;
    dtypes[0] = graph_value(g, n->inputs[0])->dtype;
    shapes[0] = *graph_shape(g, n->inputs[0]);
    return check_axis(g, "cumulative", n->inputs[0], a->axis);
}

static void cumulative_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const cumulative_attributes *a = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "%s axis %u%s%s", a->is_product ? "product" : "sum", a->axis,
                   a->reverse ? " reverse" : "", a->exclusive ? " exclusive" : "");
}

const op_def op_def_cumulative = {.name = "cumulative",
                                  .attribute_bytes = sizeof(cumulative_attributes),
                                  .inputs_min = 1,
                                  .inputs_max = 1,
                                  .output_count = 1,
                                  .infer = cumulative_infer,
                                  .describe = cumulative_describe,
                                  .gradient = gradient_of_cumulative};

value op_cumulative(graph *g, value x, const cumulative_attributes *attributes)
{
    cumulative_attributes clean;

    memset(&clean, 0, sizeof clean);
    clean.is_product = attributes->is_product;
    clean.axis = attributes->axis;
    clean.reverse = attributes->reverse;
    clean.exclusive = attributes->exclusive;
    return graph_node(g, OP_cumulative, &x, 1, &clean);
}
