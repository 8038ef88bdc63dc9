/* optimizer_muon.c -- Muon: the momentum of a matrix is brought near an orthogonal one by
 * Newton-Schulz steps; everything that is no matrix, embeddings and excluded layers go by Adam. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "train/optimizer/optimizer_state.h"
#include "train/optimizer/path_pattern.h"

typedef struct muon {
    optimizer_base base;
    double adam_beta_1, adam_beta_2, adam_weight_decay, epsilon, muon_a, muon_b, muon_c,
        adam_lr_ratio, momentum, rms_rate;
    int64_t ns_steps;
    bool nesterov, exclude_embeddings;
    const json *exclude_layers; /* list of patterns */
} muon;

static const layer_field muon_fields[] = {
    OPTIMIZER_FIELDS(0.004),
    TRAIN_FIELD(muon, adam_beta_1, FIELD_F64, 0.9),
    TRAIN_FIELD(muon, adam_beta_2, FIELD_F64, 0.999),
    TRAIN_FIELD(muon, adam_weight_decay, FIELD_F64_OR_NONE, 0.004),
    TRAIN_FIELD(muon, epsilon, FIELD_F64, 1e-7),
    TRAIN_FIELD(muon, muon_a, FIELD_F64, 3.4445),
    TRAIN_FIELD(muon, muon_b, FIELD_F64, -4.775),
    TRAIN_FIELD(muon, muon_c, FIELD_F64, 2.0315),
    TRAIN_FIELD(muon, adam_lr_ratio, FIELD_F64, 1),
    TRAIN_FIELD(muon, momentum, FIELD_F64, 0.95),
    TRAIN_FIELD(muon, rms_rate, FIELD_F64_OR_NONE, 0.2),
    TRAIN_FIELD(muon, ns_steps, FIELD_I64, 5),
    TRAIN_FIELD(muon, nesterov, FIELD_BOOL, 1),
    TRAIN_FIELD(muon, exclude_embeddings, FIELD_BOOL, 1),
    TRAIN_FIELD(muon, exclude_layers, FIELD_JSON, 0),
    TRAIN_FIELD_END,
};

#define NEWTON_SCHULZ_STEPS_MAX 64 /* each is three products in the graph */

static ebb_status muon_check(const void *config, const char *where, ebb_error *error)
{
    const muon *c = config;
    const json *list = c->exclude_layers;

    if (c->ns_steps < 0 || c->ns_steps > NEWTON_SCHULZ_STEPS_MAX) {
        return train_range_fail(error, where, "ns_steps", "a number from 0 to 64",
                                (double)c->ns_steps);
    }
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        const char *pattern = json_text(json_item(list, i), NULL);
        if (pattern != NULL && path_pattern_is_known(pattern)) continue;
        return fail(error, EBB_E_UNSUPPORTED, where,
                    "exclude_layers: expected texts; of regular expressions only '^', '$', '.', "
                    "'.*' and '|' are known here, found '%.60s'",
                    pattern != NULL ? pattern : "?");
    }
    return EBB_OK;
}

static bool holds_embedding(const char *path)
{
    static const char word[] = "embedding";

    for (; *path != '\0'; path++) {
        size_t i = 0;
        while (word[i] != '\0' && tolower((unsigned char)path[i]) == word[i]) i++;
        if (word[i] == '\0') return true;
    }
    return false;
}

static bool goes_by_adam(const optimizer_state *s, uint32_t index)
{
    const muon *c = s->o->config;
    const char *const path = s->variables[index].path;

    if (graph_rank(s->g, s->variables[index].v) != 2) return true;
    if (c->exclude_embeddings && holds_embedding(path)) return true;
    for (uint32_t i = 0; c->exclude_layers != NULL && i < c->exclude_layers->count; i++) {
        const char *pattern = json_text(json_item(c->exclude_layers, i), "");
        if (path_pattern_search(pattern, path)) return true;
    }
    return false;
}

static void muon_build(optimizer_state *s)
{
    static const slot_def slots[] = {{.name = "momentum"}, {.name = "velocity"}};

    for (uint32_t i = 0; i < s->count; i++) {
        optimizer_slots_of(s, i, 0, slots, goes_by_adam(s, i) ? 2 : 1);
    }
}

static double muon_weight_decay(const optimizer_state *s, uint32_t index)
{
    const muon *c = s->o->config;

    return goes_by_adam(s, index) ? c->adam_weight_decay : c->base.weight_decay;
}

enum { ADAM_ALPHA };

static void muon_prepare(optimizer_state *s)
{
    graph *const g = s->g;
    const muon *c = s->o->config;
    const value rate = arith_affine(g, s->learning_rate, (float)c->adam_lr_ratio, 0);
    const value root = op_unary(g, UNARY_SQRT, optimizer_correction(s, c->adam_beta_2));

    s->scalars[ADAM_ALPHA] =
        op_div(g, op_mul(g, rate, root), optimizer_correction(s, c->adam_beta_1));
}

static value adam_step(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const muon *c = s->o->config;
    const value m = optimizer_towards(g, slot(s, index, 0), gradient, 1 - c->adam_beta_1);
    const value v = optimizer_towards(g, slot(s, index, 1), optimizer_square(s, index, gradient),
                                      1 - c->adam_beta_2);
    const value below = arith_affine(g, op_unary(g, UNARY_SQRT, v), 1, (float)c->epsilon);

    optimizer_put(s, slot(s, index, 0), m);
    optimizer_put(s, slot(s, index, 1), v);
    return op_sub(g, w, op_div(g, op_mul(g, m, s->scalars[ADAM_ALPHA]), below));
}

/* Newton-Schulz on the matrix with no more rows than columns; the products are transposed instead
 * of the matrix where it has more. */
static value orthogonalized(graph *g, const muon *c, value x, bool is_tall)
{
    x = op_div(g, x, arith_affine(g, arith_norm(g, x, 0), 1, 1e-7f));
    for (int64_t i = 0; i < c->ns_steps && graph_ok(g); i++) {
        const value a = op_matmul(g, x, x, is_tall, !is_tall);
        const value aa = op_matmul(g, arith_affine(g, a, (float)c->muon_c, 0), a, false, false);
        const value b = op_add(g, arith_affine(g, a, (float)c->muon_b, 0), aa);
        const value bx =
            is_tall ? op_matmul(g, x, b, false, true) : op_matmul(g, b, x, false, false);

        x = op_add(g, arith_affine(g, x, (float)c->muon_a, 0), bx);
    }
    return x;
}

static value muon_update(optimizer_state *s, uint32_t index, value w, value gradient)
{
    graph *const g = s->g;
    const muon *c = s->o->config;

    if (!graph_ok(g)) return VALUE_NONE;
    if (goes_by_adam(s, index)) return adam_step(s, index, w, gradient);
    const value m = slot(s, index, 0);
    const value change = op_add(g, gradient, arith_affine(g, m, (float)(c->momentum - 1), 0));
    const value m_next = op_add(g, m, change);
    const value direction =
        c->nesterov ? op_add(g, gradient, arith_affine(g, m_next, (float)c->momentum, 0)) : m_next;
    const int64_t rows = graph_dim(g, w, 0), columns = graph_dim(g, w, 1);
    const float root = sqrtf((float)(rows > columns ? rows : columns));
    value step = op_mul(g, orthogonalized(g, c, direction, rows > columns), s->learning_rate);

    optimizer_put(s, m, m_next);
    if (!isnan(c->rms_rate)) step = arith_affine(g, step, (float)(root * c->rms_rate), 0);
    return op_sub(g, w, step);
}

const optimizer_def optimizer_def_muon = {
    .entry = {"Muon", NULL, sizeof(muon), muon_fields, muon_check},
    .default_name = "muon",
    .learning_rate = 0.001,
    .build = muon_build,
    .prepare = muon_prepare,
    .update = muon_update,
    .weight_decay = muon_weight_decay,
};
