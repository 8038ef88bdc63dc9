/* core.c -- Dense, EinsumDense, Embedding, ReversibleEmbedding, Masking, Identity.
 *
 * Source: Keras 3, keras/src/layers/core/. LoRA weights are merged when Keras saves, so lora_* is
 * of no consequence; quantized variants keep other weights and are refused. */
#include "layer/assembly.h"
#include "layer/einsum.h"
#include "layer/lowering.h"
#include "tensor/dtype.h"

#include <inttypes.h>
#include <string.h>

/* -- Dense: y = activation(x . kernel + bias) over the last axis ------------------------------- */

typedef struct dense {
    int64_t units;
    bool use_bias;
    activation activation;
} dense;

static const layer_field dense_fields[] = {
    {"units", FIELD_I64, offsetof(dense, units), true, 0, NULL},
    {"activation", FIELD_ACTIVATION, offsetof(dense, activation), false, 0, NULL},
    {"use_bias", FIELD_BOOL, offsetof(dense, use_bias), false, 1, NULL},
    FIELD_INITIALIZER(kernel_initializer),
    FIELD_INITIALIZER(bias_initializer),
    FIELD_UNUSED("lora_rank"),
    FIELD_UNUSED("lora_alpha"),
    FIELD_END,
};

static bool dense_build(layer_build *b, const void *config, layer_call *call)
{
    const dense *c = config;
    const value x = lowering_input_f32(b, call, 2, EBB_RANK_MAX);
    if (x == VALUE_NONE) return false;
    if (c->units <= 0) {
        return layer_fail(b, EBB_E_FORMAT, "units: expected a positive number, got %" PRId64,
                          c->units);
    }
    const int64_t features = build_known_dim(b, x, -1, "features");
    if (features < 0) return false;

    const int64_t kernel_dims[] = {features, c->units};
    value y = op_matmul(b->graph, x, build_weight(b, "kernel", 2, kernel_dims, NULL), false, false);
    if (c->use_bias) {
        y = op_add(b->graph, y, build_weight(b, "bias", 1, &c->units, NULL));
    }
    return lowering_done(b, call, activation_build(b->graph, &c->activation, y));
}

const layer_def layer_def_dense = {"Dense",      "core",      NULL,       sizeof(dense),
                                   dense_fields, MASK_PASSES, dense_build};

/* -- EinsumDense: y = activation(einsum(equation, x, kernel) + bias) --------------------------- */

typedef struct einsum_dense {
    const char *equation, *bias_axes;
    int_list output_shape; /* without the batch axis; null where it follows from the input */
    activation activation;
} einsum_dense;

static const layer_field einsum_dense_fields[] = {
    {"equation", FIELD_TEXT, offsetof(einsum_dense, equation), true, 0, NULL},
    {"output_shape", FIELD_INTS, offsetof(einsum_dense, output_shape), true, 0, NULL},
    {"activation", FIELD_ACTIVATION, offsetof(einsum_dense, activation), false, 0, NULL},
    {"bias_axes", FIELD_TEXT, offsetof(einsum_dense, bias_axes), false, 0, NULL},
    FIELD_INITIALIZER(kernel_initializer),
    FIELD_INITIALIZER(bias_initializer),
    FIELD_UNUSED("lora_rank"),
    FIELD_UNUSED("lora_alpha"),
    FIELD_END,
};

/* "ab...,bc->ac..." taken apart: letters of each term, and where the ellipsis stands. */
typedef struct einsum_terms {
    char input[EBB_RANK_MAX + 1], kernel[EBB_RANK_MAX + 1], output[EBB_RANK_MAX + 1];
    bool is_left;    /* the ellipsis comes first */
    uint32_t elided; /* axes of the input behind the ellipsis */
    dim output_dims[EBB_RANK_MAX];
    uint32_t output_rank;
} einsum_terms;

/* Copies the letters of [from, to); dots are dropped and noted. */
static bool term_letters(const char *from, const char *to, char *letters, bool *dots_first,
                         bool *dots_last)
{
    uint32_t count = 0;

    *dots_first = *dots_last = false;
    for (; from < to; from++) {
        if (*from == ' ') continue;
        if (*from == '.') {
            *(count == 0 ? dots_first : dots_last) = true;
            continue;
        }
        if (*dots_last || count == EBB_RANK_MAX) return false;
        letters[count++] = *from;
    }
    letters[count] = '\0';
    return count > 0 && !(*dots_first && *dots_last);
}

static bool terms_split(const char *equation, einsum_terms *t)
{
    const char *comma = strchr(equation, ','), *arrow = strstr(equation, "->");
    bool first[3], last[3];

    if (comma == NULL || arrow == NULL || arrow < comma) return false;
    const char *end = arrow + strlen(arrow);
    if (!term_letters(equation, comma, t->input, &first[0], &last[0]) ||
        !term_letters(comma + 1, arrow, t->kernel, &first[1], &last[1]) ||
        !term_letters(arrow + 2, end, t->output, &first[2], &last[2])) {
        return false;
    }
    t->is_left = first[0];
    return !first[1] && !last[1] && first[0] == first[2] && last[0] == last[2];
}

/* Dims of the output: batch, then output_shape, with the elided axes of the input in their place.
 */
static bool terms_output(layer_build *b, const einsum_dense *c, value x, einsum_terms *t)
{
    const shape *s = graph_shape(b->graph, x);
    uint32_t letter = (uint32_t)strlen(t->input), rank = 0;

    if (s->rank < letter || c->output_shape.count + 1 + (s->rank - letter) > EBB_RANK_MAX + 1) {
        return layer_fail(b, EBB_E_SHAPE, "equation \"%s\" does not fit an input of rank %" PRIu32,
                          c->equation, s->rank);
    }
    t->elided = s->rank - letter;
    t->output_dims[rank++] = s->dims[0];
    if (t->is_left) {
        for (uint32_t i = 1; i < t->elided; i++) t->output_dims[rank++] = s->dims[i];
    }
    for (uint32_t i = 0; i < c->output_shape.count && rank < EBB_RANK_MAX; i++) {
        t->output_dims[rank++] = c->output_shape.items[i];
    }
    if (!t->is_left) {
        for (uint32_t i = letter; i < s->rank && rank < EBB_RANK_MAX; i++)
            t->output_dims[rank++] = s->dims[i];
    }
    t->output_rank = rank;
    return true;
}

/* Length of the axis a letter names, from the output first, else from the input; -1 after
 * layer_fail. */
static int64_t letter_length(layer_build *b, const einsum_terms *t, value x, char letter)
{
    const char *at = strchr(t->output, letter);
    const uint32_t shift = t->is_left ? t->elided : 0;

    if (at != NULL) {
        const uint32_t axis = (uint32_t)(at - t->output) + shift;
        if (axis < t->output_rank && dim_known(t->output_dims[axis])) return t->output_dims[axis];
    }
    at = strchr(t->input, letter);
    if (at != NULL)
        return build_known_dim(b, x, (int)((uint32_t)(at - t->input) + shift), "kernel axis");
    layer_fail(b, EBB_E_SHAPE, "axis '%c' of the kernel has no known length", letter);
    return -1;
}

/* From the first bias letter of the output to its end: the axis' length, or 1 without bias; then
 * the elided axes. */
static value einsum_bias(layer_build *b, const einsum_dense *c, const einsum_terms *t, value x)
{
    int64_t dims[EBB_RANK_MAX];
    uint32_t rank = 0;

    for (const char *at = t->output; *at != '\0'; at++) {
        const bool has_bias = strchr(c->bias_axes, *at) != NULL;
        if (rank == 0 && !has_bias) continue;
        dims[rank++] = has_bias ? letter_length(b, t, x, *at) : 1;
        if (!graph_ok(b->graph)) return VALUE_NONE;
    }
    if (rank == 0) {
        layer_fail(b, EBB_E_FORMAT, "bias_axes \"%s\" names no axis of \"%s\"", c->bias_axes,
                   c->equation);
        return VALUE_NONE;
    }
    for (uint32_t i = 0; !t->is_left && i < t->elided && rank < EBB_RANK_MAX; i++) dims[rank++] = 1;
    return build_weight(b, "bias", rank, dims, NULL);
}

static bool einsum_dense_build(layer_build *b, const void *config, layer_call *call)
{
    const einsum_dense *c = config;
    const value x = lowering_input_f32(b, call, 1, EBB_RANK_MAX);
    einsum_terms t;
    int64_t dims[EBB_RANK_MAX];

    if (x == VALUE_NONE) return false;
    if (!terms_split(c->equation, &t)) {
        return layer_fail(b, EBB_E_FORMAT,
                          "equation \"%s\": expected ab,bc->ac with ... at one end at most",
                          c->equation);
    }
    if (!terms_output(b, c, x, &t)) return false;
    const uint32_t rank = (uint32_t)strlen(t.kernel);
    for (uint32_t i = 0; i < rank; i++) {
        dims[i] = letter_length(b, &t, x, t.kernel[i]);
        if (dims[i] < 0) return false;
    }
    const value kernel = build_weight(b, "kernel", rank, dims, NULL);
    value y = einsum_build(b, c->equation, x, kernel);
    if (c->bias_axes != NULL) y = op_add(b->graph, y, einsum_bias(b, c, &t, x));
    return lowering_done(b, call, activation_build(b->graph, &c->activation, y));
}

const layer_def layer_def_einsum_dense = {
    "EinsumDense",     "core", NULL, sizeof(einsum_dense), einsum_dense_fields, MASK_DROPS,
    einsum_dense_build};

/* -- Embedding, ReversibleEmbedding ------------------------------------------------------------ */

typedef struct embedding {
    int64_t input_dim, output_dim;
    bool mask_zero, tie_weights;
    const json *logit_soft_cap;
    const char *reverse_dtype;
} embedding;

#define EMBEDDING_FIELDS                                                                           \
    {"input_dim", FIELD_I64, offsetof(embedding, input_dim), true, 0, NULL},                       \
        {"output_dim", FIELD_I64, offsetof(embedding, output_dim), true, 0, NULL},                 \
        {"mask_zero", FIELD_BOOL, offsetof(embedding, mask_zero), false, 0, NULL},                 \
        FIELD_INITIALIZER(embeddings_initializer), FIELD_UNUSED("lora_rank"),                      \
        FIELD_UNUSED("lora_alpha")

static const layer_field embedding_fields[] = {EMBEDDING_FIELDS, FIELD_END};
static const layer_field reversible_embedding_fields[] = {
    EMBEDDING_FIELDS,
    {"tie_weights", FIELD_BOOL, offsetof(embedding, tie_weights), false, 1, NULL},
    {"logit_soft_cap", FIELD_JSON, offsetof(embedding, logit_soft_cap), false, 0, NULL},
    {"reverse_dtype", FIELD_TEXT, offsetof(embedding, reverse_dtype), false, 0, NULL},
    FIELD_END,
};

static value embedding_table(layer_build *b, const embedding *c)
{
    const int64_t dims[] = {c->input_dim, c->output_dim};

    if (c->input_dim > 0 && c->output_dim > 0) return build_weight(b, "embeddings", 2, dims, NULL);
    layer_fail(b, EBB_E_FORMAT,
               "input_dim, output_dim: expected positive numbers, got %" PRId64 ", %" PRId64,
               c->input_dim, c->output_dim);
    return VALUE_NONE;
}

/* Rows of the table; the mask looks at the input as it came, before it is made an index. */
static bool embedding_look_up(layer_build *b, const embedding *c, value table, layer_call *call)
{
    const gather_attributes rows = {.axis = 0, .wrap = true};
    const value x = lowering_input(b, call, 0, EBB_RANK_MAX - 1);
    if (x == VALUE_NONE) return false;

    if (c->mask_zero) {
        const value ids = graph_value(b->graph, x)->dtype == EBB_F32 ? x : build_i32(b, x);
        const value zero = ids == x && graph_value(b->graph, x)->dtype == EBB_F32
                               ? graph_scalar(b->graph, 0.0f)
                               : graph_scalar_i32(b->graph, 0);
        call->outputs[0].mask = op_compare(b->graph, COMPARE_NOT_EQUAL, ids, zero);
    }
    return lowering_done(b, call, op_gather_with(b->graph, table, build_i32(b, x), &rows));
}

static bool embedding_build(layer_build *b, const void *config, layer_call *call)
{
    const embedding *c = config;

    return embedding_look_up(b, c, embedding_table(b, c), call);
}

/* The layer does not cast what it gets: the logits are what input and table have in common. */
static ebb_dtype logits_dtype(const layer_build *b, const embedding *c, const layer_tensor *input)
{
    if (c->reverse_dtype != NULL) return dtype_from_name(c->reverse_dtype);
    return dtype_promote(input->declared, b->instance->variable_dtype);
}

static bool reversible_embedding_build(layer_build *b, const void *config, layer_call *call)
{
    const embedding *c = config;
    const call_argument *reverse = call_find(call, 1, "reverse");
    const value table = embedding_table(b, c);
    value kernel = table;

    if (!c->tie_weights) {
        const int64_t dims[] = {c->output_dim, c->input_dim};
        kernel = build_weight(b, "reverse_embeddings", 2, dims, NULL);
    }
    if (reverse->kind != CALL_LITERAL || !json_boolean(reverse->literal, false)) {
        return embedding_look_up(b, c, table, call);
    }
    const value x = lowering_input_f32(b, call, 2, EBB_RANK_MAX);
    const double cap = lowering_number(b, c->logit_soft_cap, 0, "logit_soft_cap");
    value y = op_matmul(b->graph, x, kernel, false, c->tie_weights);
    call->outputs[0].declared = logits_dtype(b, c, &call->inputs[0]);
    if (!json_is_null(c->logit_soft_cap)) {
        y = op_div(b->graph, y, graph_scalar(b->graph, (float)cap));
        y = op_mul(b->graph, op_unary(b->graph, UNARY_TANH, y), graph_scalar(b->graph, (float)cap));
    }
    return lowering_done(b, call, y);
}

const layer_def layer_def_embedding = {
    "Embedding", "core", NULL, sizeof(embedding), embedding_fields, MASK_OWN, embedding_build};
const layer_def layer_def_reversible_embedding = {"ReversibleEmbedding",
                                                  "core",
                                                  NULL,
                                                  sizeof(embedding),
                                                  reversible_embedding_fields,
                                                  MASK_OWN,
                                                  reversible_embedding_build};

/* -- Masking: steps where every feature equals mask_value become zero and masked --------------- */

typedef struct masking {
    const json *mask_value;
} masking;

static const layer_field masking_fields[] = {
    {"mask_value", FIELD_JSON, offsetof(masking, mask_value), false, 0, NULL},
    FIELD_END,
};

static bool masking_build(layer_build *b, const void *config, layer_call *call)
{
    const masking *c = config;
    const value x = lowering_input(b, call, 1, EBB_RANK_MAX);
    if (x == VALUE_NONE) return false;

    const uint32_t last = graph_rank(b->graph, x) - 1;
    const double skip = lowering_number(b, c->mask_value, 0, "mask_value");
    const value other = op_compare(b->graph, COMPARE_NOT_EQUAL, build_f32(b, x),
                                   graph_scalar(b->graph, (float)skip));
    const value keep = op_reduce(b->graph, REDUCE_ANY, other, 1u << last, true);
    const value zero = graph_value(b->graph, x)->dtype == EBB_I32 ? graph_scalar_i32(b->graph, 0)
                                                                  : graph_scalar(b->graph, 0.0f);
    call->outputs[0].mask = lowering_squeeze(b, keep, last);
    return lowering_done(b, call, op_select(b->graph, keep, x, zero));
}

const layer_def layer_def_masking = {"Masking",      "core",   NULL,         sizeof(masking),
                                     masking_fields, MASK_OWN, masking_build};

/* -- Identity ---------------------------------------------------------------------------------- */

const layer_def layer_def_identity = {"Identity",  "core",           NULL, 0, NULL,
                                      MASK_PASSES, lowering_identity};
