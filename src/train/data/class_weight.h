/* class_weight.h -- class_weight of fit(): {"0": 1.0, "1": 5.0} as weights of rows.
 *
 * The class of a row is y itself ([rows] or [rows, 1], rounded) or where it is largest ([rows,
 * classes]). Classes that are not named weigh 1. Sample weights are multiplied with them.
 * Source: class_weight_to_sample_weights() in keras/src/trainers/data_adapters. */
#ifndef EBB_TRAIN_DATA_CLASS_WEIGHT_H
#define EBB_TRAIN_DATA_CLASS_WEIGHT_H

#include "mem/region.h"
#include "ebb/tensor.h"

typedef struct class_weights {
    uint32_t count;
    int64_t *classes;
    float *weights;
} class_weights;

/* E_FORMAT, E_ARGUMENT: not an object of numbers by class numbers. */
ebb_status class_weights_read(region *home, const char *text, class_weights *result,
                              ebb_error *error);

/* Shape of the weights that come out: [rows], or that of `given`. E_SHAPE when y has more than one
 * class a row. given NULL: no sample weights. */
ebb_status class_weights_shape(const ebb_view *y, const ebb_view *given, ebb_view *result,
                               ebb_error *error);
/* Fills `result` (F32, as from class_weights_shape()). The dtypes of the views are known. */
void class_weights_apply(const class_weights *w, const ebb_view *y, const ebb_view *given,
                         const ebb_view *result);

#endif
