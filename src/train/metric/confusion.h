/* confusion.h -- counts of true and false positives and negatives at one or many thresholds: what
 * a dozen metrics are made of.
 *
 * Evenly spread thresholds put each prediction into one bucket and add buckets up; others compare
 * every prediction with every threshold. Source: keras/src/metrics/metrics_utils.py. */
#ifndef EBB_TRAIN_CONFUSION_H
#define EBB_TRAIN_CONFUSION_H

#include "train/metric/metric.h"

typedef enum confusion_kind {
    CONFUSION_TRUE_POSITIVES,
    CONFUSION_FALSE_POSITIVES,
    CONFUSION_TRUE_NEGATIVES,
    CONFUSION_FALSE_NEGATIVES,
    CONFUSION_KINDS
} confusion_kind;

typedef struct confusion_thresholds {
    const float *numbers;
    uint32_t count;
    bool is_even; /* 0, 1/(n-1), ... 1, give or take Keras's epsilon at the ends */
    bool has_epsilon;
} confusion_thresholds;

/* Thresholds from null (`otherwise`), a number or a list, all between 0 and 1. */
ebb_status confusion_read(region *home, const json *given, float otherwise, const char *where,
                          confusion_thresholds *result, ebb_error *error);
/* Is a list of numbers spread evenly from 0 to 1, as numpy.allclose sees it? */
bool confusion_is_even(const float *numbers, uint32_t count);
/* 0, 1/(count-1), ... 1. E_MEMORY only. */
ebb_status confusion_spread(region *home, uint32_t count, const char *where,
                            confusion_thresholds *result, ebb_error *error);

typedef struct confusion_options {
    const confusion_thresholds *thresholds;
    int64_t top_k, class_id; /* INT64_MIN: none */
    bool multi_label;        /* one column of counts a label */
    value label_weights;     /* [labels]; VALUE_NONE: none */
} confusion_options;

#define CONFUSION_NONE INT64_MIN

/* counts[kind] becomes [thresholds] or [thresholds, labels]; VALUE_NONE after a failure. */
void confusion_counts(const metric_call *call, const confusion_options *options,
                      value counts[CONFUSION_KINDS]);

extern const char *const confusion_names[CONFUSION_KINDS]; /* "true_positives" */

#endif
