/* loss_values.h -- the formulas of losses that metrics of the same name use too, and the configs
 * they read. All cast their targets and bring ranks that differ by one together first. */
#ifndef EBB_TRAIN_LOSS_VALUES_H
#define EBB_TRAIN_LOSS_VALUES_H

#include "train/loss/loss.h"

typedef struct loss_crossentropy {
    bool from_logits;
    float label_smoothing;
    int64_t axis;
} loss_crossentropy;
extern const layer_field loss_crossentropy_fields[];

typedef struct loss_sparse_crossentropy {
    bool from_logits;
    int64_t ignore_class; /* INT64_MIN: none */
    int64_t axis;
} loss_sparse_crossentropy;
extern const layer_field loss_sparse_crossentropy_fields[];

typedef struct loss_axis {
    int64_t axis;
} loss_axis;
extern const layer_field loss_axis_fields[];

value loss_mean_squared_error(graph *g, const void *config, value y_true, value y_pred,
                              value *mask);
value loss_mean_absolute_error(graph *g, const void *config, value y_true, value y_pred,
                               value *mask);
value loss_mean_absolute_percentage_error(graph *g, const void *config, value y_true, value y_pred,
                                          value *mask);
value loss_mean_squared_logarithmic_error(graph *g, const void *config, value y_true, value y_pred,
                                          value *mask);
value loss_log_cosh(graph *g, const void *config, value y_true, value y_pred, value *mask);
/* The loss is minus the metric. */
value loss_cosine_similarity(graph *g, const void *config, value y_true, value y_pred, value *mask);
value loss_poisson(graph *g, const void *config, value y_true, value y_pred, value *mask);
value loss_kl_divergence(graph *g, const void *config, value y_true, value y_pred, value *mask);
value loss_hinge(graph *g, const void *config, value y_true, value y_pred, value *mask);
value loss_squared_hinge(graph *g, const void *config, value y_true, value y_pred, value *mask);
value loss_categorical_hinge(graph *g, const void *config, value y_true, value y_pred, value *mask);
value loss_binary_crossentropy(graph *g, const void *config, value y_true, value y_pred,
                               value *mask);
value loss_categorical_crossentropy(graph *g, const void *config, value y_true, value y_pred,
                                    value *mask);
value loss_sparse_categorical_crossentropy(graph *g, const void *config, value y_true, value y_pred,
                                           value *mask);

/* Which crossentropy or accuracy is meant by shapes alone: compile_utils.py. */
typedef enum loss_shape_kind {
    LOSS_SHAPE_BINARY,
    LOSS_SHAPE_SPARSE,
    LOSS_SHAPE_CATEGORICAL
} loss_shape_kind;
loss_shape_kind loss_shape(const graph *g, value y_true, value y_pred);

/* Both as F32, of equal rank where one axis of length 1 makes them so, and of lengths that fit;
 * false after a failure. */
bool loss_pair(graph *g, const char *what, value *y_true, value *y_pred);

/* Are these logits? Predictions made by a softmax or sigmoid node are replaced by that node's
 * input, which always are. */
bool loss_find_logits(const graph *g, bool from_logits, value *y_pred);

/* A loss or metric of the caller's own: loss_traced.c. */
typedef struct loss_traced_config {
    const json *model; /* a Functional of y_true and y_pred */
    const json *keras; /* what files say instead */
} loss_traced_config;
extern const layer_field loss_traced_fields[];
extern const loss_def loss_def_traced, loss_def_traced_labels;

#endif
