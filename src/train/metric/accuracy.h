/* accuracy.h -- accuracy as plain text: which one is meant follows from the shapes. */
#ifndef EBB_TRAIN_ACCURACY_H
#define EBB_TRAIN_ACCURACY_H

#include "train/metric/metric.h"

value accuracy_by_shape(graph *g, const void *config, value y_true, value y_pred, value *mask);

#endif
