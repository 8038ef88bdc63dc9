/* loss_traced.c -- a loss of the caller's own, traced to operations:
 *
 *     {"class_name": "Traced", "config": {"name", "reduction", "model", "keras"}}
 *
 * "model" is a Functional of y_true and y_pred; "keras" is what files say instead.
 *
 * It is no class of Keras and stands in no table. "TracedLabels" is the same for targets without
 * the last axis of the predictions. y_true comes as float32, of the rank of y_pred
 * where an axis of length 1 makes the difference. Source: LossFunctionWrapper in
 * keras/src/losses/losses.py. */
#include "layer/traced.h"
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"

const layer_field loss_traced_fields[] = {
    TRAIN_FIELD_REQUIRED(loss_traced_config, model, FIELD_JSON),
    TRAIN_FIELD(loss_traced_config, keras, FIELD_JSON, 0),
    TRAIN_FIELD_END,
};

static value values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    const loss_traced_config *c = config;

    (void)mask;
    y_true = arith_float(g, y_true);
    y_pred = arith_float(g, y_pred);
    arith_same_rank(g, &y_true, &y_pred, true);
    const value y[] = {y_true, y_pred};
    const value traced = traced_emit(g, c->model, "loss", y, 2);
    return traced == VALUE_NONE ? VALUE_NONE : arith_float(g, traced);
}

#define TRACED(symbol, class_name, labels)                                                         \
    const loss_def symbol = {                                                                      \
        .entry = {.name = class_name,                                                              \
                  .config_bytes = sizeof(loss_traced_config),                                      \
                  .fields = loss_traced_fields},                                                   \
        .default_name = "loss",                                                                    \
        .values = values,                                                                          \
        .takes_labels = labels,                                                                    \
    }

TRACED(loss_def_traced, "Traced", false);
TRACED(loss_def_traced_labels, "TracedLabels", true);
