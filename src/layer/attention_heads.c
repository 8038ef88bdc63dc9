/* attention_heads.c -- MultiHeadAttention and GroupedQueryAttention.
 *
 *     query [batch, rows..., size]      -> query_dense -> [batch, rows..., heads, key_dim]
 *     key   [batch, columns..., size]   -> key_dense   -> [batch, columns..., heads, key_dim]
 *     value [batch, columns..., size]   -> value_dense -> [batch, columns..., heads, value_dim]
 *     softmax(query * key / sqrt(key_dim)) * value     -> output_dense -> [batch, rows...,
 * output_shape...]
 *
 * Each projection is one plain matmul with bias; the heads are cut out of its result afterwards.
 * Source: keras/src/layers/attention/multi_head_attention.py, grouped_query_attention.py. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "layer/attention_core.h"
#include "tensor/dtype.h"

/* What both classes have. */
typedef struct heads_common {
    bool use_bias, use_gate;
    double dropout;
    int64_t sliding_window;
    const json *activity_regularizer; /* of each projection */
} heads_common;

#define HEADS_FIELDS                                                                               \
    {"use_bias", FIELD_BOOL, offsetof(heads_common, use_bias), false, 1, NULL},                    \
        {"use_gate", FIELD_BOOL, offsetof(heads_common, use_gate), false, 0, NULL},                \
        {"dropout", FIELD_F64, offsetof(heads_common, dropout), false, 0, NULL},                   \
        {"sliding_window", FIELD_I64, offsetof(heads_common, sliding_window), false, 0, NULL},     \
        {"activity_regularizer",                                                                   \
         FIELD_JSON,                                                                               \
         offsetof(heads_common, activity_regularizer),                                             \
         false,                                                                                    \
         0,                                                                                        \
         NULL},                                                                                    \
        FIELD_INITIALIZER(kernel_initializer), FIELD_INITIALIZER(bias_initializer),                \
        FIELD_UNUSED("flash_attention")

/* -- the call
 * ---------------------------------------------------------------------------------------- */

typedef struct heads_call {
    value query, value, key; /* F32, of one rank >= 3 */
    value mask;              /* BOOL; VALUE_NONE */
    value mask_after;        /* of the result: the query's */
    bool is_mask_lost, wants_scores;
} heads_call;

/* The mask argument, or what the tensor carries. */
static value mask_of(layer_build *b, const layer_call *call, uint32_t index, const char *name,
                     const call_argument *tensor)
{
    const call_argument *given = call_find(call, index, name);
    if (given->kind == CALL_TENSOR) return attention_bool(b, given->tensor.v);
    return tensor->kind == CALL_TENSOR ? attention_mask_of(b, &tensor->tensor) : VALUE_NONE;
}

static value column_mask(layer_build *b, value mask)
{
    if (mask == VALUE_NONE || !graph_ok(b->graph)) return VALUE_NONE;
    return lowering_expand(b, mask, graph_rank(b->graph, mask) - 1);
}

/* The masks of all three tensors, the causal one and the window, together [batch, rows, columns].
 */
static void masks_read(layer_build *b, const layer_call *call, const heads_common *c,
                       value query_mask, heads_call *h)
{
    graph *g = b->graph;
    const call_argument *given = call_find(call, 6, "attention_mask");
    const bool is_causal = attention_flag(call, 9, "use_causal_mask");
    value rows = VALUE_NONE;

    if (query_mask != VALUE_NONE && graph_ok(g))
        rows = lowering_expand(b, query_mask, graph_rank(g, query_mask));
    const call_argument *value_at = call_find(call, 1, "value"),
                        *key_at = call_find(call, 2, "key");
    const value of_value = column_mask(b, mask_of(b, call, 4, "value_mask", value_at));
    const value of_key = column_mask(b, mask_of(b, call, 5, "key_mask", key_at));
    h->mask = attention_and(b, attention_and(b, rows, of_value), of_key);
    if (is_causal || c->sliding_window > 0) {
        const dim from = graph_ok(g) ? graph_dim(g, h->query, 1) : 1;
        const dim to = graph_ok(g) ? graph_dim(g, h->value, 1) : 1;
        h->mask = attention_and(b, h->mask,
                                attention_triangle(b, from, to, is_causal, c->sliding_window));
    }
    if (given->kind == CALL_TENSOR)
        h->mask = attention_and(b, attention_bool(b, given->tensor.v), h->mask);
}

static bool ranks_check(layer_build *b, const heads_call *h)
{
    const uint32_t rank = graph_rank(b->graph, h->query);

    if (rank >= 3 && rank < EBB_RANK_MAX && graph_rank(b->graph, h->value) == rank &&
        graph_rank(b->graph, h->key) == rank)
        return true;
    return layer_fail(b, EBB_E_SHAPE,
                      "expected query, value and key of one rank from 3 to %d, got %" PRIu32
                      ", %" PRIu32 " and %" PRIu32,
                      EBB_RANK_MAX - 1, rank, graph_rank(b->graph, h->value),
                      graph_rank(b->graph, h->key));
}

/* takes_query_mask: does an argument query_mask count, or only what the query carries? */
static bool heads_call_read(layer_build *b, const layer_call *call, const heads_common *c,
                            bool takes_query_mask, heads_call *h)
{
    const call_argument *query = call_find(call, 0, "query"),
                        *value_at = call_find(call, 1, "value");
    const call_argument *key = call_find(call, 2, "key");

    memset(h, 0, sizeof *h);
    if (!graph_ok(b->graph)) return false;
    if (query->kind != CALL_TENSOR || value_at->kind != CALL_TENSOR)
        return layer_fail(b, EBB_E_FORMAT, "expected a query and a value, each one tensor");
    h->query = build_f32(b, query->tensor.v);
    h->value = build_f32(b, value_at->tensor.v);
    h->key = key->kind == CALL_TENSOR ? build_f32(b, key->tensor.v) : h->value;
    if (!graph_ok(b->graph) || !ranks_check(b, h)) return false;
    h->mask_after = attention_bool(b, query->tensor.mask);
    h->is_mask_lost = query->tensor.is_mask_lost;
    const value query_mask = takes_query_mask ? mask_of(b, call, 3, "query_mask", query)
                                              : attention_mask_of(b, &query->tensor);
    h->wants_scores = attention_flag(call, 7, "return_attention_scores");
    masks_read(b, call, c, query_mask, h);
    return graph_ok(b->graph);
}

/* -- projections
 * ------------------------------------------------------------------------------------- */

typedef struct projection {
    const char *scope;
    int64_t heads, size;
    bool is_gate;
} projection;

static value flat_weight(layer_build *b, const char *name, uint32_t rank, const int64_t *dims,
                         uint32_t flat_rank, const dim *flat)
{
    return lowering_reshape(b, build_weight(b, name, rank, dims, NULL), flat_rank, flat);
}

/* x [..., size] -> [..., heads, size of a head]. */
static value project(layer_build *b, const heads_common *c, const projection *p, value x)
{
    graph *g = b->graph;
    const int64_t features = build_known_dim(b, x, -1, "features");
    dim dims[EBB_RANK_MAX];

    if (features < 0) return VALUE_NONE;
    const int64_t kernel_dims[] = {features, p->heads, p->size}, bias_dims[] = {p->heads, p->size};
    const dim width = p->heads * p->size, flat[] = {features, width};
    build_scope_push(b, p->scope);
    value y = op_matmul(g, x, flat_weight(b, "kernel", 3, kernel_dims, 2, flat), false, false);
    if (c->use_bias) y = op_add(g, y, flat_weight(b, "bias", 2, bias_dims, 1, &width));
    build_scope_pop(b);
    if (p->is_gate) y = op_unary(g, UNARY_SIGMOID, y);
    if (!build_penalty(b, c->activity_regularizer, y)) return VALUE_NONE;
    const shape *s = graph_shape(g, y);
    memcpy(dims, s->dims, s->rank * sizeof dims[0]);
    dims[s->rank - 1] = p->heads;
    dims[s->rank] = p->size;
    return lowering_reshape(b, y, s->rank + 1, dims);
}

/* x [..., heads, size of a head] -> [..., output_shape...]. */
static value project_back(layer_build *b, const heads_common *c, const char *scope,
                          const int_list *output, value x)
{
    graph *g = b->graph;
    int64_t kernel_dims[EBB_RANK_MAX];
    dim dims[EBB_RANK_MAX], width = 1;

    if (!graph_ok(g)) return VALUE_NONE;
    const shape s = *graph_shape(g, x);
    const uint32_t rows = s.rank - 2;
    if (rows + output->count > EBB_RANK_MAX || output->count + 2 > EBB_RANK_MAX) {
        layer_fail(b, EBB_E_UNSUPPORTED, "output_shape of %" PRIu32 " axes", output->count);
        return VALUE_NONE;
    }
    memcpy(dims, s.dims, rows * sizeof dims[0]);
    kernel_dims[0] = s.dims[rows];
    kernel_dims[1] = s.dims[rows + 1];
    for (uint32_t i = 0; i < output->count; i++) {
        const int64_t length = output->items[i];
        if (length <= 0 || length > INT32_MAX || width > INT32_MAX) {
            layer_fail(b, EBB_E_FORMAT, "output_shape: expected positive numbers, got %" PRId64,
                       length);
            return VALUE_NONE;
        }
        kernel_dims[i + 2] = dims[rows + i] = length;
        width *= length;
    }
    const dim flat[] = {kernel_dims[0] * kernel_dims[1], width};
    shape joined = {.rank = rows + 1};
    memcpy(joined.dims, s.dims, rows * sizeof joined.dims[0]);
    joined.dims[rows] = flat[0];
    build_scope_push(b, scope);
    value y =
        op_matmul(g, op_reshape(g, x, &joined),
                  flat_weight(b, "kernel", output->count + 2, kernel_dims, 2, flat), false, false);
    if (c->use_bias)
        y = op_add(g, y, flat_weight(b, "bias", output->count, kernel_dims + 2, 1, &width));
    build_scope_pop(b);
    if (!build_penalty(b, c->activity_regularizer, y)) return VALUE_NONE;
    return output->count == 1 ? y : lowering_reshape(b, y, rows + output->count, dims);
}

static bool counts_check(layer_build *b, const char *what, int64_t count)
{
    if (count > 0 && count <= INT32_MAX) return true;
    return layer_fail(b, EBB_E_FORMAT, "%s: expected a positive number, got %" PRId64, what, count);
}

static value scaled(layer_build *b, value query, int64_t key_dim)
{
    return op_mul(b->graph, query, graph_scalar(b->graph, (float)(1.0 / sqrt((double)key_dim))));
}

/* Sets the outputs: y, and the scores when the call asks for them. */
static bool heads_done(layer_build *b, layer_call *call, const heads_call *h, value y, value scores)
{
    call->outputs[0].mask = h->mask_after;
    call->outputs[0].is_mask_lost = h->is_mask_lost;
    if (h->wants_scores) {
        call->outputs[1].v = scores;
        call->output_count = 2;
    }
    return lowering_done(b, call, y);
}

/* -- MultiHeadAttention
 * -------------------------------------------------------------------------------- */

typedef struct multi_head_attention {
    heads_common common;
    int64_t num_heads, key_dim, value_dim;
    int_list output_shape, attention_axes;
} multi_head_attention;

static const layer_field multi_head_attention_fields[] = {
    HEADS_FIELDS,
    {"num_heads", FIELD_I64, offsetof(multi_head_attention, num_heads), true, 0, NULL},
    {"key_dim", FIELD_I64, offsetof(multi_head_attention, key_dim), true, 0, NULL},
    {"value_dim", FIELD_I64, offsetof(multi_head_attention, value_dim), false, 0, NULL},
    {"output_shape", FIELD_INTS, offsetof(multi_head_attention, output_shape), false, 0, NULL},
    {"attention_axes", FIELD_INTS, offsetof(multi_head_attention, attention_axes), false, 0, NULL},
    FIELD_UNUSED("query_shape"),
    FIELD_UNUSED("key_shape"),
    FIELD_UNUSED("value_shape"),
    FIELD_END,
};

/* Without axes: all between batch and features. */
static bool axes_read(layer_build *b, const int_list *given, uint32_t rank, attention_heads *to)
{
    uint32_t seen = 0;

    for (uint32_t i = 1; given->count == 0 && i + 1 < rank; i++) to->axes[to->axis_count++] = i;
    for (uint32_t i = 0; i < given->count; i++) {
        const int64_t axis = given->items[i] < 0 ? given->items[i] + rank : given->items[i];
        if (axis < 0 || axis + 1 >= rank || (seen >> axis & 1) != 0) {
            return layer_fail(b, EBB_E_SHAPE,
                              "attention_axes: %" PRId64
                              " is given twice or no axis before the features",
                              given->items[i]);
        }
        seen |= 1u << axis;
        to->axes[to->axis_count++] = (uint32_t)axis;
    }
    return true;
}

/* The mask gets axes of length 1 before those of rows and columns until it has as many as the
 * scores. */
static value mask_widen(layer_build *b, value mask, uint32_t axis_count, uint32_t rank)
{
    while (mask != VALUE_NONE && graph_ok(b->graph) && graph_rank(b->graph, mask) < rank) {
        const uint32_t have = graph_rank(b->graph, mask);
        if (have < 2 * axis_count) {
            layer_fail(b, EBB_E_SHAPE,
                       "a mask of rank %" PRIu32 " does not fit %" PRIu32 " attention axes", have,
                       axis_count);
            return VALUE_NONE;
        }
        mask = lowering_expand(b, mask, have - 2 * axis_count);
    }
    return mask;
}

/* A tensor that is cast on its way in is another one: then the caller's keeps its mask. */
static void masks_drop(layer_build *b, const layer_call *call)
{
    static const char *const names[] = {"query", "value", "key"};

    for (uint32_t i = 0; i < 3; i++) {
        const call_argument *a = call_find(call, i, names[i]);
        if (a->kind != CALL_TENSOR) continue;
        const bool is_cast =
            dtype_is_float(a->tensor.declared) && a->tensor.declared != b->instance->compute;
        if (!is_cast) build_mask_drop(b, &a->tensor);
    }
}

static bool multi_head_attention_build(layer_build *b, const void *config, layer_call *call)
{
    const multi_head_attention *c = config;
    const int64_t value_dim = c->value_dim > 0 ? c->value_dim : c->key_dim;
    heads_call h;
    attention_heads heads = {.repeats = 1};
    value scores = VALUE_NONE, gate = VALUE_NONE;

    if (!counts_check(b, "num_heads", c->num_heads) || !counts_check(b, "key_dim", c->key_dim) ||
        !counts_check(b, "value_dim", value_dim) ||
        !heads_call_read(b, call, &c->common, false, &h))
        return false;
    masks_drop(b, call);
    const uint32_t rank = graph_rank(b->graph, h.query);
    if (!axes_read(b, &c->attention_axes, rank, &heads)) return false;
    int_list output = c->output_shape;
    if (output.count == 0) {
        output.items[0] = build_known_dim(b, h.query, -1, "features");
        output.count = 1;
    }
    const projection of_query = {"query_dense", c->num_heads, c->key_dim, false};
    const projection of_key = {"key_dense", c->num_heads, c->key_dim, false};
    const projection of_gate = {"_gate_dense", c->num_heads, value_dim, true};
    const projection of_value = {"value_dense", c->num_heads, value_dim, false};
    heads.query = scaled(b, project(b, &c->common, &of_query, h.query), c->key_dim);
    heads.key = project(b, &c->common, &of_key, h.key);
    if (c->common.use_gate) gate = project(b, &c->common, &of_gate, h.query);
    heads.value = project(b, &c->common, &of_value, h.value);
    heads.mask = mask_widen(b, h.mask, heads.axis_count, rank + heads.axis_count);
    heads.dropout = b->is_training ? c->common.dropout : 0;
    heads.is_fused = c->common.dropout <= 0 && !h.wants_scores && rank == 3;
    value y = attention_heads_build(b, &heads, &scores);
    if (gate != VALUE_NONE) y = op_mul(b->graph, y, gate);
    return heads_done(b, call, &h, project_back(b, &c->common, "output_dense", &output, y), scores);
}

const layer_def layer_def_multi_head_attention = {"MultiHeadAttention",
                                                  "attention",
                                                  NULL,
                                                  sizeof(multi_head_attention),
                                                  multi_head_attention_fields,
                                                  MASK_OWN,
                                                  multi_head_attention_build};

/* -- GroupedQueryAttention: several heads of the query share one of key and value
 * ------------------------ */

typedef struct grouped_query_attention {
    heads_common common;
    int64_t head_dim, num_query_heads, num_key_value_heads;
} grouped_query_attention;

static const layer_field grouped_query_attention_fields[] = {
    HEADS_FIELDS,
    {"head_dim", FIELD_I64, offsetof(grouped_query_attention, head_dim), true, 0, NULL},
    {"num_query_heads", FIELD_I64, offsetof(grouped_query_attention, num_query_heads), true, 0,
     NULL},
    {"num_key_value_heads", FIELD_I64, offsetof(grouped_query_attention, num_key_value_heads), true,
     0, NULL},
    FIELD_END,
};

static bool grouped_query_attention_build(layer_build *b, const void *config, layer_call *call)
{
    const grouped_query_attention *c = config;
    heads_call h;
    attention_heads heads = {.axes = {1}, .axis_count = 1};
    value scores = VALUE_NONE, gate = VALUE_NONE;

    if (!counts_check(b, "head_dim", c->head_dim) ||
        !counts_check(b, "num_query_heads", c->num_query_heads) ||
        !counts_check(b, "num_key_value_heads", c->num_key_value_heads) ||
        !heads_call_read(b, call, &c->common, true, &h))
        return false;
    if (c->num_query_heads % c->num_key_value_heads != 0 || graph_rank(b->graph, h.query) != 3) {
        return layer_fail(b, EBB_E_SHAPE,
                          "expected inputs of rank 3 and num_query_heads (%" PRId64
                          ") a multiple of num_key_value_heads (%" PRId64 ")",
                          c->num_query_heads, c->num_key_value_heads);
    }
    heads.repeats = c->num_query_heads / c->num_key_value_heads;
    const int_list output = {1, {build_known_dim(b, h.query, -1, "features")}};
    const projection of_query = {"_query_dense", c->num_query_heads, c->head_dim, false};
    const projection of_key = {"_key_dense", c->num_key_value_heads, c->head_dim, false};
    const projection of_gate = {"_gate_dense", c->num_query_heads, c->head_dim, true};
    const projection of_value = {"_value_dense", c->num_key_value_heads, c->head_dim, false};
    heads.query = scaled(b, project(b, &c->common, &of_query, h.query), c->head_dim);
    heads.key = project(b, &c->common, &of_key, h.key);
    if (c->common.use_gate) gate = project(b, &c->common, &of_gate, h.query);
    heads.value = project(b, &c->common, &of_value, h.value);
    heads.mask = mask_widen(b, h.mask, 1, 4);
    heads.dropout = b->is_training ? c->common.dropout : 0;
    heads.is_fused = c->common.dropout <= 0 && !h.wants_scores;
    value y = attention_heads_build(b, &heads, &scores);
    if (gate != VALUE_NONE) y = op_mul(b->graph, y, gate);
    return heads_done(b, call, &h, project_back(b, &c->common, "_output_dense", &output, y),
                      scores);
}

const layer_def layer_def_grouped_query_attention = {
    "GroupQueryAttention",          "attention",
    "GroupedQueryAttention",        sizeof(grouped_query_attention),
    grouped_query_attention_fields, MASK_OWN,
    grouped_query_attention_build};
