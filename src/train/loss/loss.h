/* loss.h -- the losses of Keras as functions that add nodes to a graph.
 *
 *     y_true, y_pred ──values──> one loss each (what the class is about)
 *                    ──reduce──> weights and masks applied, one number
 *
 * A loss is one entry in its family's file and one line in list.inc. Class weights are no business
 * of a loss: fit turns them into sample weights. Targets may be of any type; they are cast.
 *
 * When y_pred is what a softmax or sigmoid node gives, the crossentropies start from that node's
 * input instead and take it for logits, as Keras does: exact where probabilities round to 0 or 1.
 *
 * Source: keras/src/losses/loss.py and losses.py of 3.15. */
#ifndef EBB_TRAIN_LOSS_H
#define EBB_TRAIN_LOSS_H

#include "graph/op.h"
#include "train/object.h"

typedef enum loss_reduction {
    LOSS_SUM_OVER_BATCH_SIZE, /* sum / number of losses; "mean" is the same */
    LOSS_SUM,
    LOSS_MEAN,
    LOSS_MEAN_WITH_SAMPLE_WEIGHT, /* sum / sum of the weights */
    LOSS_NONE                     /* as they are */
} loss_reduction;

/* Emits the losses, before weights. *mask: set to a BOOL value of the losses' shape when the loss
 * itself leaves some out, else left alone. VALUE_NONE after a failure. */
typedef value (*loss_values)(graph *g, const void *config, value y_true, value y_pred, value *mask);

typedef struct loss_def {
    train_entry entry;        /* "Huber"; its fields without name, reduction, dtype */
    const char *default_name; /* of an instance of the class: "huber_loss" */
    loss_values values;
    bool is_sparse;    /* targets are class numbers below the last length of y_pred */
    bool takes_labels; /* targets are numbers of any size, without the last axis of y_pred */
} loss_def;

typedef struct loss {
    const loss_def *def;
    const char *name; /* as History and multi-output training call it */
    loss_reduction reduction;
    const void *config;
} loss;

/* Its entries are those of loss_defs. */
extern const train_table loss_table;

/* From a name ("mse", "Huber", "crossentropy") or a Keras object. Unknown names are
 * E_UNSUPPORTED with the nearest ones; unknown fields, wrong ranges: E_FORMAT or E_UNSUPPORTED.
 * `given` must live as long as the loss. */
ebb_status loss_read(region *home, const json *given, const char *where, loss *result,
                     ebb_error *error);
ebb_status loss_named(region *home, const char *name, const char *where, loss *result,
                      ebb_error *error);

typedef struct loss_operands {
    value y_true, y_pred;
    value sample_weight; /* VALUE_NONE: none */
    value mask;          /* the Keras mask of y_pred: BOOL; VALUE_NONE: none */
} loss_operands;

/* The reduced loss: a scalar, or with LOSS_NONE the weighted losses. VALUE_NONE after a failure,
 * which is in g->error. */
value loss_emit(graph *g, const loss *l, const loss_operands *operands);

/* Targets must be class numbers in [0, result); 0: they need not. What a graph cannot refuse (such
 * a loss is NaN) can be checked where the data is. *ignored: a class number that is allowed
 * besides, or INT64_MIN. */
int64_t loss_class_count(const graph *g, const loss *l, value y_true, value y_pred,
                         int64_t *ignored);

/* -- shared with metrics ------------------------------------------------------------------------
 */

/* Keras's apply_mask: the mask as weights, multiplied into sample_weight (may be VALUE_NONE).
 * is_mean: weights are scaled so that a mean over all is the mean over those that count. */
value loss_apply_mask(graph *g, value sample_weight, value mask, bool is_mean);

#endif
