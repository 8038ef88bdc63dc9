/* loss_ctc.c -- connectionist temporal classification: labels of which it is not known when they
 * are spoken.
 *
 * y_true [n, labels] of class numbers, 0 where there is none; y_pred [n, steps, classes] of logits,
 * class 0 being the blank -> [n]. Source: keras/src/losses/losses.py. */
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"

static value ctc_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    (void)config;
    (void)mask;
    if (graph_ok(g) && (graph_rank(g, y_true) != 2 || graph_rank(g, y_pred) != 3))
        return graph_fail(g, EBB_E_SHAPE,
                          "ctc: expected targets of rank 2 and predictions of rank 3, found ranks "
                          "%u and %u",
                          graph_rank(g, y_true), graph_rank(g, y_pred));
    return op_ctc(g, arith_float(g, y_pred), arith_integer(g, y_true));
}

const loss_def loss_def_ctc = {
    .entry = {.name = "CTC"},
    .default_name = "ctc",
    .values = ctc_values,
    .is_sparse = true,
};
