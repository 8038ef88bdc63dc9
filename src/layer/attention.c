/* attention.c -- Attention and AdditiveAttention: one head over [batch, length, size].
 *
 * inputs: [query, value] or [query, value, key]; masks: of query and value, from the argument or
 * with the inputs. Source: keras/src/layers/attention/attention.py, additive_attention.py. */
#include <inttypes.h>

#include "layer/attention_core.h"

/* What Keras subtracts from scores that do not count (65504 in float16, to the same effect). */
#define HIDDEN_BY 1e9f

typedef struct attention {
    bool use_scale, causal; /* causal: an argument of the constructor before Keras 2.11 */
    uint32_t score_mode;
    double dropout;
} attention;

enum { SCORE_DOT, SCORE_CONCAT };

#define ATTENTION_FIELDS(scaled)                                                                   \
    {"use_scale", FIELD_BOOL, offsetof(attention, use_scale), false, scaled, NULL},                \
        {"causal", FIELD_BOOL, offsetof(attention, causal), false, 0, NULL},                       \
    {                                                                                              \
        "dropout", FIELD_F64, offsetof(attention, dropout), false, 0, NULL                         \
    }

static const layer_field attention_fields[] = {
    ATTENTION_FIELDS(0),
    {"score_mode", FIELD_CHOICE, offsetof(attention, score_mode), false, 0, "dot|concat"},
    FIELD_END,
};
static const layer_field additive_attention_fields[] = {ATTENTION_FIELDS(1), FIELD_END};

typedef struct attention_inputs {
    value query, value, key, query_mask, value_mask;
    value mask_after; /* of the result */
} attention_inputs;

static value mask_item(layer_build *b, const call_argument *masks, uint32_t index)
{
    if (index >= masks->item_count || masks->items[index].kind != CALL_TENSOR) return VALUE_NONE;
    return attention_bool(b, masks->items[index].tensor.v);
}

static bool inputs_read(layer_build *b, const layer_call *call, attention_inputs *in)
{
    const call_argument *masks = call_find(call, 1, "mask");

    if (!graph_ok(b->graph)) return false;
    if (call->input_count < 2 || call->input_count > 3) {
        return layer_fail(b, EBB_E_UNSUPPORTED,
                          "expected [query, value] or [query, value, key], got %" PRIu32 " tensors",
                          call->input_count);
    }
    if (masks->kind == CALL_TENSOR)
        return layer_fail(b, EBB_E_FORMAT,
                          "mask: expected a list, of query and value; got one tensor");
    in->query = build_f32(b, call->inputs[0].v);
    in->value = build_f32(b, call->inputs[1].v);
    in->key = call->input_count > 2 ? build_f32(b, call->inputs[2].v) : in->value;
    const bool has_masks = masks->kind == CALL_LIST;
    in->query_mask = has_masks ? mask_item(b, masks, 0) : attention_mask_of(b, &call->inputs[0]);
    in->value_mask = has_masks ? mask_item(b, masks, 1) : attention_mask_of(b, &call->inputs[1]);
    in->mask_after = has_masks ? in->query_mask : attention_bool(b, call->inputs[0].mask);
    const value all[] = {in->query, in->value, in->key};
    for (uint32_t i = 0; i < 3 && graph_ok(b->graph); i++) {
        if (graph_rank(b->graph, all[i]) < 2)
            return layer_fail(b, EBB_E_SHAPE, "expected inputs of [batch, length, size]");
    }
    return graph_ok(b->graph);
}

/* query [..., q, 1, size] + key [..., 1, k, size], through tanh. */
static value tanh_of_sums(layer_build *b, const attention_inputs *in, value scale)
{
    graph *g = b->graph;
    const uint32_t rank = graph_rank(g, in->query);
    value sum = op_add(g, lowering_expand(b, in->query, rank - 1),
                       lowering_expand(b, in->key, graph_rank(g, in->key) - 2));

    if (scale != VALUE_NONE) sum = op_mul(g, sum, scale);
    return op_unary(g, UNARY_TANH, sum);
}

static value sum_last(graph *g, value v)
{
    return graph_ok(g) ? op_reduce(g, REDUCE_SUM, v, 1u << (graph_rank(g, v) - 1), false)
                       : VALUE_NONE;
}

static value mask_scores(layer_build *b, const attention_inputs *in, value scores, bool is_causal)
{
    graph *g = b->graph;
    value mask = in->value_mask;

    if (!graph_ok(g)) return VALUE_NONE;
    if (mask != VALUE_NONE && (is_causal || graph_rank(g, mask) == 2))
        mask = lowering_expand(b, mask, graph_rank(g, mask) - 1);
    if (is_causal) {
        const dim rows = graph_dim(g, scores, -2), columns = graph_dim(g, scores, -1);
        mask = attention_and(b, mask, attention_triangle(b, rows, columns, true, 0));
    }
    if (mask == VALUE_NONE) return scores;
    return op_select(g, mask, scores, op_sub(g, scores, graph_scalar(g, HIDDEN_BY)));
}

static bool attend(layer_build *b, const attention *c, const attention_inputs *in, value scores,
                   layer_call *call)
{
    graph *g = b->graph;
    const bool is_causal = c->causal || attention_flag(call, 4, "use_causal_mask");

    scores = mask_scores(b, in, scores, is_causal);
    if (!graph_ok(g)) return false;
    value weights = op_softmax(g, scores, 1u << (graph_rank(g, scores) - 1), false);
    if (b->is_training) weights = build_dropout(b, weights, c->dropout, NULL);
    value y = op_matmul(g, weights, in->value, false, false);
    if (in->query_mask != VALUE_NONE && graph_ok(g)) {
        const value rows = lowering_expand(b, in->query_mask, graph_rank(g, in->query_mask));
        y = op_select(g, rows, y, graph_scalar(g, 0.0f));
    }
    if (attention_flag(call, 3, "return_attention_scores")) {
        call->outputs[1].v = weights;
        call->output_count = 2;
    }
    call->outputs[0].mask = in->mask_after;
    return lowering_done(b, call, y);
}

static bool attention_build(layer_build *b, const void *config, layer_call *call)
{
    const attention *c = config;
    graph *g = b->graph;
    attention_inputs in;
    value scores, scale = VALUE_NONE;

    if (!inputs_read(b, call, &in)) return false;
    if (c->use_scale) scale = build_weight(b, "scale", 0, NULL, NULL);
    if (c->score_mode == SCORE_CONCAT) {
        const value weight = build_weight(b, "concat_score_weight", 0, NULL, NULL);
        scores = op_mul(g, sum_last(g, tanh_of_sums(b, &in, scale)), weight);
    } else {
        scores = op_matmul(g, in.query, in.key, false, true);
        if (scale != VALUE_NONE) scores = op_mul(g, scores, scale);
    }
    return attend(b, c, &in, scores, call);
}

static bool additive_attention_build(layer_build *b, const void *config, layer_call *call)
{
    const attention *c = config;
    attention_inputs in;

    if (!inputs_read(b, call, &in)) return false;
    value sums = tanh_of_sums(b, &in, VALUE_NONE);
    if (c->use_scale) {
        const int64_t size = build_known_dim(b, in.query, -1, "size of the query");
        if (size < 0) return false;
        sums = op_mul(b->graph, sums, build_weight(b, "scale", 1, &size, NULL));
    }
    return attend(b, c, &in, sum_last(b->graph, sums), call);
}

const layer_def layer_def_attention = {
    "Attention", "attention", NULL, sizeof(attention), attention_fields, MASK_OWN, attention_build};
const layer_def layer_def_additive_attention = {"AdditiveAttention",
                                                "attention",
                                                NULL,
                                                sizeof(attention),
                                                additive_attention_fields,
                                                MASK_OWN,
                                                additive_attention_build};
