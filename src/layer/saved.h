/* saved.h -- what the weights of an assembled model are called in files, for their writers. */
#ifndef EBB_LAYER_SAVED_H
#define EBB_LAYER_SAVED_H

#include "format/content.h"
#include "layer/bind.h"

/* Fills in description, tensors, layers and is_converted; a tensor's `source` is its number in
 * model->weights. Everything is in `home` or borrowed from the model. */
ebb_status saved_list(region *home, const description *d, const built_model *model,
                      const weight_source *sources, model_content *content, ebb_error *error);

#endif
