/* regularization.c -- Dropout and its kin: what they get is what they give at inference.
 *
 * Source: Keras 3, keras/src/layers/regularization/. Training adds their random masks. */
#include "layer/lowering.h"

static const layer_field dropout_fields[] = {
    FIELD_UNUSED("rate"),
    FIELD_UNUSED("noise_shape"),
    FIELD_UNUSED("data_format"),
    FIELD_END,
};
static const layer_field noise_fields[] = {
    FIELD_UNUSED("stddev"),
    FIELD_END,
};
static const layer_field activity_fields[] = {
    FIELD_UNUSED("l1"),
    FIELD_UNUSED("l2"),
    FIELD_END,
};

#define REGULARIZATION(id, class_name, fields)                                                     \
    const layer_def layer_def_##id = {class_name,  "regularization", NULL, 0, fields,              \
                                      MASK_PASSES, lowering_identity};

REGULARIZATION(dropout, "Dropout", dropout_fields)
REGULARIZATION(spatial_dropout1d, "SpatialDropout1D", dropout_fields)
REGULARIZATION(spatial_dropout2d, "SpatialDropout2D", dropout_fields)
REGULARIZATION(spatial_dropout3d, "SpatialDropout3D", dropout_fields)
REGULARIZATION(gaussian_dropout, "GaussianDropout", dropout_fields)
REGULARIZATION(alpha_dropout, "AlphaDropout", dropout_fields)
REGULARIZATION(gaussian_noise, "GaussianNoise", noise_fields)
REGULARIZATION(activity_regularization, "ActivityRegularization", activity_fields)
