/* metric.h -- the metrics of Keras: sums kept over batches, and a number made of them.
 *
 *     update graph   y_true, y_pred, sample weight ──> next = variable + amount, for each variable
 *     result         variables ──> the number, in the same graph or in a small one of its own
 *
 * Every variable begins at 0 and every update adds, so a reset is zeros. Usual order in a step's
 * graph, where updates are outputs behind all others:
 *
 *     metric_read(home, config, where, &m, error);
 *     metric_update(emit, &m, &operands);
 *     graph_output(g, metric_result(g, &m, m.next));     what History shows after this batch
 *     metric_assign(emit, &m);
 *
 * Most metrics are the mean of a formula, often a loss's; the mask of y_pred becomes part of the
 * sample weights there. The others ignore masks, as in Keras.
 *
 * Source: keras/src/metrics of 3.15. */
#ifndef EBB_TRAIN_METRIC_H
#define EBB_TRAIN_METRIC_H

#include "train/emit.h"
#include "train/loss/loss.h"
#include "train/object.h"

#define METRIC_VARIABLES_MAX 5

typedef struct metric metric;
typedef struct metric_call metric_call;

typedef struct metric_def {
    train_entry entry;        /* "AUC"; its fields without name and dtype */
    const char *default_name; /* of an instance of the class: "auc" */
    bool is_integer;          /* counts in I32 unless its dtype says otherwise */
    bool ignores_mask;
    /* The formula whose mean is the metric; NULL: `update` does it all. */
    loss_values values;
    void (*update)(metric_call *call);
    /* From the variables, in the order in which `update` made them. NULL: total / count. */
    value (*result)(graph *g, const metric *m, const value *variables);
    /* What a config needs beyond its fields (tables of thresholds) and ranges between them; NULL:
     * nothing. */
    ebb_status (*prepare)(region *home, void *config, const char *where, ebb_error *error);
} metric_def;

struct metric {
    const metric_def *def;
    const char *name; /* as History calls it */
    const void *config;
    ebb_dtype dtype;         /* of counts: F32 or I32 */
    uint32_t variable_first; /* among the variables of its train_emit */
    uint32_t variable_count;
    value next[METRIC_VARIABLES_MAX]; /* what the variables hold after the update */
};

typedef struct metric_operands {
    value y_true;        /* VALUE_NONE for Mean and Sum */
    value y_pred;        /* of Mean and Sum: the values */
    value sample_weight; /* VALUE_NONE: none */
    value mask;          /* the Keras mask of y_pred, BOOL; VALUE_NONE: none */
} metric_operands;

/* Its entries are those of metric_defs. */
extern const train_table metric_table;

/* From a name ("auc", "mse", "accuracy", "Precision") or a Keras object. Unknown names are
 * E_UNSUPPORTED with the nearest ones. `given` must live as long as the metric. "accuracy" and
 * "acc" become binary, sparse or categorical by the shapes that metric_update() sees. */
ebb_status metric_read(region *home, const json *given, const char *where, metric *result,
                       ebb_error *error);
ebb_status metric_named(region *home, const char *name, const char *where, metric *result,
                        ebb_error *error);

/* Makes the variables and emits the sums. Failures are in the graph. */
void metric_update(train_emit *e, metric *m, const metric_operands *operands);
/* The updates of the variables: after the last graph_output(). */
void metric_assign(train_emit *e, const metric *m);
/* The result, from the variables of this metric as this graph knows them. */
value metric_result(graph *g, const metric *m, const value *variables);
/* Makes the variables of the metric known to another graph over the same weights: the result as a
 * graph of its own. variables[METRIC_VARIABLES_MAX]. */
void metric_variables(graph *g, const train_emit *e, const metric *m, value *variables);

/* -- for the files of the metrics
 * ------------------------------------------------------------------ */

struct metric_call {
    train_emit *emit;
    graph *graph;
    metric *metric;
    value y_true, y_pred, sample_weight, mask;
};

/* A variable of the shape and type of `amount`, to which the update adds it. */
void metric_add(metric_call *call, const char *name, value amount);
/* total and count of Mean: values [n, ...], weights as Keras brings them together. `mask` is one
 * that the values carry. */
void metric_add_mean(metric_call *call, value values, value mask);

#endif
