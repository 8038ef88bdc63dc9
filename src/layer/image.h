/* image.h -- what the layers of images (preprocessing_image.c, augmentation.c) share. */
#ifndef EBB_LAYER_IMAGE_H
#define EBB_LAYER_IMAGE_H

#include "layer/lowering.h"

/* An image or a batch of them, as F32 [n, h, w, c]; undone by image_close(). */
value image_open(layer_build *b, const layer_call *call, uint32_t data_format);
value image_close(layer_build *b, const layer_call *call, uint32_t data_format, value x);

/* What random image layers do at inference: nothing; a cast of integer images to the layer's dtype;
 * not even a cast. Refused in training. */
bool image_keep(layer_build *b, const void *config, layer_call *call);
bool image_to_float(layer_build *b, const void *config, layer_call *call);
bool image_as_is(layer_build *b, const void *config, layer_call *call);

#endif
