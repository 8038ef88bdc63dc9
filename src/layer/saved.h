/* saved.h -- what the weights of an assembled model are called in files, for their writers. */
#ifndef EBB_LAYER_SAVED_H
#define EBB_LAYER_SAVED_H

#include "format/content.h"
#include "layer/bind.h"

/* Fills in description, tensors, layers and is_converted; a tensor's `source` is its number in
 * model->weights. Of `training` (NULL: none) everything is taken over; sources of its tensors
 * should begin at model->weight_count, so that one read() can tell them apart. A state without
 * settings is that of the file (saved_optimizer_list()), and left out when weights were converted.
 * Everything is in `home` or borrowed from the model. */
ebb_status saved_list(region *home, const description *d, const built_model *model,
                      const weight_source *sources, const saved_training *training,
                      model_content *content, ebb_error *error);

#endif
