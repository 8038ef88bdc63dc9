/* op_indexing.c -- gather, one_hot, resize, iota, random: which element goes where, or comes from
 * nowhere. */
#include "graph/op/gradient_rule.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

/* -- gather ----------------------------------------------------------------------------------- */

static bool gather_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const gather_attributes *a = n->attributes;
    const shape x = *graph_shape(g, n->inputs[0]), indices = *graph_shape(g, n->inputs[1]);

    if (!expect_dtype(g, "gather", "the indices", n->inputs[1], EBB_I32)) return false;
    if (a->axis >= x.rank)
        return graph_fault(g, EBB_E_SHAPE, "gather: there is no axis %u in rank %u", a->axis,
                           x.rank);
    if ((a->batch_dims != 0 && a->batch_dims != a->axis) || a->batch_dims > indices.rank)
        return graph_fault(g, EBB_E_SHAPE,
                           "gather: %u shared leading axes, with axis %u and indices of rank %u",
                           a->batch_dims, a->axis, indices.rank);
    if (x.rank - 1 + indices.rank - a->batch_dims > EBB_RANK_MAX)
        return shape_fault(g, "gather", "the result has too many axes", &x, &indices);
    shapes[0] = (shape){.rank = 0};
    for (uint32_t i = 0; i < a->axis; i++) {
        dim length = x.dims[i];
        if (i < a->batch_dims && dim_known(length) && dim_known(indices.dims[i]) &&
            length != indices.dims[i])
            return shape_fault(g, "gather", "the shared leading axes differ", &x, &indices);
        if (i < a->batch_dims) length = dim_make(g, DIM_SAME, length, indices.dims[i]);
        shapes[0].dims[shapes[0].rank++] = length;
    }
    for (uint32_t i = a->batch_dims; i < indices.rank; i++)
        shapes[0].dims[shapes[0].rank++] = indices.dims[i];
    for (uint32_t i = a->axis + 1; i < x.rank; i++) shapes[0].dims[shapes[0].rank++] = x.dims[i];
    dtypes[0] = graph_value(g, n->inputs[0])->dtype;
    return graph_ok(g);
}

static void gather_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const gather_attributes *a = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "axis %u shared %u%s", a->axis, a->batch_dims,
                   a->wrap ? " wrap" : "");
}

const op_def op_def_gather = {.name = "gather",
                              .attribute_bytes = sizeof(gather_attributes),
                              .inputs_min = 2,
                              .inputs_max = 2,
                              .output_count = 1,
                              .infer = gather_infer,
                              .flops = flops_none,
                              .describe = gather_describe,
                              .gradient = gradient_of_gather};

value op_gather(graph *g, value x, value indices, int axis)
{
    gather_attributes attributes = {.axis = EBB_RANK_MAX};

    if (!graph_ok(g)) return VALUE_NONE;
    const int rank = x < g->value_count ? (int)graph_rank(g, x) : 0,
              place = axis < 0 ? axis + rank : axis;
    if (place >= 0 && place < rank) attributes.axis = (uint32_t)place;
    return op_gather_with(g, x, indices, &attributes);
}

value op_gather_with(graph *g, value x, value indices, const gather_attributes *attributes)
{
    gather_attributes clean;

    memset(&clean, 0, sizeof clean);
    clean.axis = attributes->axis;
    clean.batch_dims = attributes->batch_dims;
    clean.wrap = attributes->wrap;
    return graph_node(g, OP_gather, (const value[]){x, indices}, 2, &clean);
}

/* -- one_hot ---------------------------------------------------------------------------------- */

static bool one_hot_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const one_hot_attributes *a = n->attributes;

    if (!expect_dtype(g, "one_hot", "the indices", n->inputs[0], EBB_I32)) return false;
    shapes[0] = *graph_shape(g, n->inputs[0]);
    if (shapes[0].rank == EBB_RANK_MAX || a->depth < 1)
        return graph_fault(g, EBB_E_SHAPE,
                           "one_hot: depth %lld behind %u axes; depth starts at 1, %d axes at most",
                           (long long)a->depth, shapes[0].rank, EBB_RANK_MAX);
    shapes[0].dims[shapes[0].rank++] = a->depth;
    dtypes[0] = EBB_F32;
    return true;
}

const op_def op_def_one_hot = {.name = "one_hot",
                               .attribute_bytes = sizeof(one_hot_attributes),
                               .inputs_min = 1,
                               .inputs_max = 1,
                               .output_count = 1,
                               .infer = one_hot_infer,
                               .flops = flops_none};

value op_one_hot(graph *g, value indices, int64_t depth)
{
    return graph_node(g, OP_one_hot, &indices, 1, &(one_hot_attributes){.depth = depth});
}

/* -- resize ----------------------------------------------------------------------------------- */

static bool resize_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const resize_attributes *r = n->attributes;

    if ((uint32_t)r->kind > RESIZE_LANCZOS5)
        return graph_fault(g, EBB_E_ARGUMENT, "resize: no such interpolation: %d", (int)r->kind);
    if (!expect_dtype(g, "resize", "x", n->inputs[0], EBB_F32) ||
        !expect_rank(g, "resize", "x", n->inputs[0], 4))
        return false;
    if (r->height == 0 || r->width == 0)
        return graph_fault(g, EBB_E_SHAPE, "resize: to an empty image");
    shapes[0] = *graph_shape(g, n->inputs[0]);
    if (shapes[0].dims[1] == 0 || shapes[0].dims[2] == 0)
        return graph_fault(g, EBB_E_SHAPE, "resize: the image is empty");
    shapes[0].dims[1] = r->height;
    shapes[0].dims[2] = r->width;
    shape_require(g, &shapes[0]);
    dtypes[0] = EBB_F32;
    return graph_ok(g);
}

static uint64_t resize_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    static const uint64_t taps[] = {0, 4, 16, 36, 100}; /* per element, by kind */
    const resize_attributes *r = n->attributes;
    uint64_t flops;

    (void)u64_mul(2 * taps[r->kind], shape_count_at(graph_shape(g, n->outputs[0]), dim_values),
                  &flops);
    return flops;
}

static void resize_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    static const char *const names[] = {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"};
    const resize_attributes *r = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "%s%s", names[r->kind], r->antialias ? " antialias" : "");
}

const op_def op_def_resize = {.name = "resize",
                              .attribute_bytes = sizeof(resize_attributes),
                              .inputs_min = 1,
                              .inputs_max = 1,
                              .output_count = 1,
                              .infer = resize_infer,
                              .flops = resize_flops,
                              .describe = resize_describe,
                              .gradient = gradient_of_resize};

value op_resize(graph *g, value x, const resize_attributes *attributes)
{
    resize_attributes clean;

    memset(&clean, 0, sizeof clean);
    clean.kind = attributes->kind;
    clean.antialias = attributes->antialias;
    clean.height = attributes->height;
    clean.width = attributes->width;
    return graph_node(g, OP_resize, &x, 1, &clean);
}

/* -- iota, random ----------------------------------------------------------------------------- */

static bool iota_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const iota_attributes *a = n->attributes;

    shapes[0] = (shape){.rank = 1, .dims = {a->length}};
    dtypes[0] = EBB_I32;
    shape_require(g, &shapes[0]);
    dim_require(g, a->start);
    if (shapes[0].dims[0] > INT32_MAX || a->start > INT32_MAX - shapes[0].dims[0])
        return graph_fault(g, EBB_E_SHAPE, "iota: %lld numbers do not fit int32",
                           (long long)shapes[0].dims[0]);
    return graph_ok(g);
}

static bool iota_is_fixed(const node *n)
{
    return dim_known(((const iota_attributes *)n->attributes)->start);
}

const op_def op_def_iota = {.name = "iota",
                            .attribute_bytes = sizeof(iota_attributes),
                            .output_count = 1,
                            .infer = iota_infer,
                            .flops = flops_none,
                            .is_fixed = iota_is_fixed};

value op_iota(graph *g, dim length)
{
    return graph_node(g, OP_iota, NULL, 0, &(iota_attributes){.length = length});
}

value op_length(graph *g, dim length)
{
    const iota_attributes one = {.length = 1, .start = length};

    if (dim_known(length) && length <= INT32_MAX) return graph_scalar_i32(g, (int32_t)length);
    return op_reshape(g, graph_node(g, OP_iota, NULL, 0, &one), &(shape){.rank = 0});
}

static bool random_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const random_attributes *r = n->attributes;

    if ((uint32_t)r->kind > RANDOM_TRUNCATED_NORMAL)
        return graph_fault(g, EBB_E_ARGUMENT, "random: no such distribution: %d", (int)r->kind);
    if (r->to.rank > EBB_RANK_MAX)
        return graph_fault(g, EBB_E_SHAPE, "random: rank %u is above the highest, %d", r->to.rank,
                           EBB_RANK_MAX);
    if (n->input_count > 0 && n->inputs[0] != VALUE_NONE &&
        (!expect_dtype(g, "random", "the stream", n->inputs[0], EBB_I32) ||
         !expect_rank(g, "random", "the stream", n->inputs[0], 0)))
        return false;
    shapes[0] = r->to;
    dtypes[0] = EBB_F32;
    shape_require(g, &shapes[0]);
    return graph_ok(g);
}

const op_def op_def_random = {.name = "random",
                              .attribute_bytes = sizeof(random_attributes),
                              .inputs_max = 1,
                              .output_count = 1,
                              .infer = random_infer,
                              .is_random = true};

value op_random(graph *g, const random_attributes *attributes)
{
    return op_random_stream(g, attributes, VALUE_NONE);
}

value op_random_stream(graph *g, const random_attributes *attributes, value stream)
{
    random_attributes clean;

    memset(&clean, 0, sizeof clean);
    clean.kind = attributes->kind;
    clean.to = attributes->to;
    clean.low = attributes->low;
    clean.high = attributes->high;
    clean.seed = attributes->seed;
    return graph_node(g, OP_random, &stream, stream != VALUE_NONE ? 1 : 0, &clean);
}
