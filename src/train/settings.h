/* settings.h -- what compile() was told, brought into one form: an optimizer, and for every output
 * its loss, its weight and its metrics, named as History names them.
 *
 *     text of ebb_compile_options ──┐
 *     compile_config (Keras 3)    ──┼──> json ──settings_read──> settings
 *     training_config (Keras 1, 2)──┘
 *
 * Rules of names and of lists, objects and single values are those of
 * keras/src/trainers/compile_utils.py (CompileLoss, CompileMetrics) of 3.15.
 */
#ifndef EBB_TRAIN_SETTINGS_H
#define EBB_TRAIN_SETTINGS_H

#include "ebb/train.h"
#include "layer/assemble.h"
#include "train/loss/loss.h"
#include "train/metric/metric.h"
#include "train/optimizer/optimizer.h"

/* One metric of one output; several outputs may have metrics of one name. */
typedef struct output_metric {
    uint32_t output;
    bool is_weighted;  /* sees sample weights */
    const char *title; /* "accuracy", with several outputs "head_accuracy" */
    metric m;
} output_metric;

typedef struct output_loss {
    bool is_used; /* false: this output has no loss */
    double weight;
    bool has_weight;
    const char *title; /* "head_loss"; shown when there are several */
    loss l;
} output_loss;

typedef struct settings {
    optimizer *optimizer; /* NULL: evaluation only */
    output_loss *losses;  /* by output of the model */
    bool shows_losses;    /* each output's loss is reported too */
    /* As Keras reports them: all without sample weights by output, then the weighted ones. History
     * sorts its names. */
    output_metric *metrics;
    uint32_t metric_count;
    /* For files, in Keras 3's form: `config` itself unless that was a training_config. */
    const json *compile_config;
} settings;

/* Texts (JSON or names) of the options as one object of Keras 3's compile_config form:
 * {"optimizer", "loss", "loss_weights", "metrics", "weighted_metrics", ...}. Objects without a
 * module get Keras's. NULL in *result: everything was NULL. */
ebb_status settings_text_read(region *home, const ebb_compile_options *options, const json **result,
                              ebb_error *error);

/* A training_config of Keras 1 and 2 as Keras 3's compile_config. NULL: no memory. */
const json *settings_modernize(region *home, const json *training_config);

/* `config`: compile_config or training_config; it must live as long as the settings. When the
 * model's policy is mixed_float16 the optimizer is wrapped in a LossScaleOptimizer, as Keras does
 * by itself. Errors name the output. */
ebb_status settings_read(region *home, const json *config, const built_model *model,
                         settings *result, ebb_error *error);

#endif
