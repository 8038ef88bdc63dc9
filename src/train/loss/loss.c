/* loss.c -- weights, masks and the reduction: what all losses have in common. */
#include "train/loss/loss.h"

#include "train/arithmetic.h"

value loss_apply_mask(graph *g, value sample_weight, value mask, bool is_mean)
{
    value weights = sample_weight;

    if (mask == VALUE_NONE) return sample_weight;
    mask = arith_float(g, mask);
    if (is_mean) {
        /* total / valid, without asking for the total */
        const value share = arith_all(g, REDUCE_MEAN, mask);
        mask = op_mul(g, mask, arith_divide_no_nan(g, graph_scalar(g, 1), share));
    }
    if (sample_weight == VALUE_NONE) return mask;
    weights = arith_float(g, weights);
    arith_same_rank(g, &mask, &weights, true);
    return op_mul(g, weights, mask);
}

static value reduce(graph *g, loss_reduction reduction, value losses, value weights)
{
    if (reduction == LOSS_NONE || graph_rank(g, losses) == 0) return losses;
    if (reduction == LOSS_SUM) return arith_all(g, REDUCE_SUM, losses);
    if (reduction != LOSS_MEAN_WITH_SAMPLE_WEIGHT || weights == VALUE_NONE)
        return arith_all(g, REDUCE_MEAN, losses);
    return arith_divide_no_nan(g, arith_all(g, REDUCE_SUM, losses),
                               arith_all(g, REDUCE_SUM, weights));
}

value loss_emit(graph *g, const loss *l, const loss_operands *operands)
{
    const char *scope = g->scope;
    const bool is_mean = l->reduction == LOSS_MEAN || l->reduction == LOSS_SUM_OVER_BATCH_SIZE;
    value own = VALUE_NONE, mask = operands->mask, result = VALUE_NONE;

    g->scope = l->name;
    value losses = l->def->values(g, l->config, operands->y_true, operands->y_pred, &own);
    if (graph_ok(g)) {
        if (mask == VALUE_NONE)
            mask = own;
        else if (own != VALUE_NONE)
            mask = arith_both(g, mask, own);
        value weights = loss_apply_mask(g, operands->sample_weight, mask, is_mean);
        if (weights != VALUE_NONE) {
            weights = arith_float(g, weights);
            arith_same_rank(g, &losses, &weights, true);
            losses = op_mul(g, losses, weights);
        }
        result = reduce(g, l->reduction, losses, weights);
    }
    g->scope = scope;
    return graph_ok(g) ? result : VALUE_NONE;
}
