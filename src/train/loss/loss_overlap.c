/* loss_overlap.c -- Dice and Tversky: how much two sets have in common, over chosen axes or over
 * everything. Source: keras/src/losses/losses.py. */
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"

typedef struct overlap_config {
    float alpha, beta;
    const json *axis; /* null, a number, or a list */
} overlap_config;

#define AXIS_FIELD                                                                                 \
    {                                                                                              \
        .key = "axis", .kind = FIELD_JSON, .offset = offsetof(overlap_config, axis)                \
    }

static const layer_field dice_fields[] = {AXIS_FIELD, {0}};

static const layer_field tversky_fields[] = {
    AXIS_FIELD,
    {.key = "alpha",
     .kind = FIELD_F32,
     .offset = offsetof(overlap_config, alpha),
     .otherwise = 0.5},
    {.key = "beta", .kind = FIELD_F32, .offset = offsetof(overlap_config, beta), .otherwise = 0.5},
    {0}};

static value sum(graph *g, value x, uint32_t axes)
{
    return axes == 0 ? x : op_reduce(g, REDUCE_SUM, x, axes, false);
}

static value dice_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    const overlap_config *c = config;

    (void)mask;
    if (!loss_pair(g, "dice", &y_true, &y_pred)) return VALUE_NONE;
    const uint32_t axes = arith_axes(g, y_pred, c->axis, "dice");
    const value common = sum(g, op_mul(g, y_true, y_pred), axes);
    const value all = op_add(g, sum(g, y_true, axes), sum(g, y_pred, axes));
    const value share =
        op_div(g, arith_affine(g, common, 2, 0), arith_affine(g, all, 1, KERAS_EPSILON));
    return arith_complement(g, share);
}

const loss_def loss_def_dice = {
    .entry = {.name = "Dice", .config_bytes = sizeof(overlap_config), .fields = dice_fields},
    .default_name = "dice",
    .values = dice_values,
};

/* Keras calls the targets inputs and the predictions targets; alpha goes with what was missed. */
static value tversky_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    const overlap_config *c = config;

    (void)mask;
    if (!loss_pair(g, "tversky", &y_true, &y_pred)) return VALUE_NONE;
    const uint32_t axes = arith_axes(g, y_pred, c->axis, "tversky");
    const value common = sum(g, op_mul(g, y_true, y_pred), axes);
    const value missed = sum(g, op_mul(g, arith_complement(g, y_pred), y_true), axes);
    const value wrong = sum(g, op_mul(g, y_pred, arith_complement(g, y_true)), axes);
    value all = op_add(g, common, arith_affine(g, missed, c->alpha, 0));
    all = op_add(g, all, arith_affine(g, wrong, c->beta, 0));
    return arith_complement(g, op_div(g, common, arith_affine(g, all, 1, KERAS_EPSILON)));
}

const loss_def loss_def_tversky = {
    .entry = {.name = "Tversky", .config_bytes = sizeof(overlap_config), .fields = tversky_fields},
    .default_name = "tversky",
    .values = tversky_values,
};
