/* layer_weights.h -- which weights of an assembled model belong to which of its layers.
 *
 * The weights of a layer at the top, and of all inside it, stand together in model->weights. */
#ifndef EBB_LAYER_LAYER_WEIGHTS_H
#define EBB_LAYER_LAYER_WEIGHTS_H

#include "layer/assemble.h"

typedef struct layer_weights {
    const char *name; /* of the layer */
    uint32_t first, count;
} layer_weights;

/* One entry per layer of the model at the top, in `home`; NULL: no memory. */
layer_weights *layer_weights_list(region *home, const built_model *model);
/* The number of entries. */
uint32_t layer_weights_count(const built_model *model);
/* NULL: there is no such layer. */
const layer_weights *layer_weights_find(const layer_weights *list, uint32_t count,
                                        const char *name);

#endif
