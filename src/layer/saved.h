/* saved.h -- what the weights of an assembled model are called in files, for their writers. */
#ifndef EBB_LAYER_SAVED_H
#define EBB_LAYER_SAVED_H

#include "format/content.h"
#include "layer/bind.h"

/* By weight of the model, in `home`: is it trained when layers are as `is_trainable` answers? What
 * it takes is as in assemble_options. NULL: no memory. */
const bool *saved_trainable(region *home, const built_model *model,
                            bool (*is_trainable)(void *context, const char *title, bool otherwise),
                            void *context);

/* Fills in description, tensors, layers and is_converted; a tensor's `source` is its number in
 * model->weights. Of `training` (NULL: none) everything is taken over; sources of its tensors
 * should begin at model->weight_count, so that one read() can tell them apart. A state without
 * settings is that of the file (saved_optimizer_list()), and left out when weights were converted.
 * `trainable` is by weight, as the configuration in `d` has it.
 * Everything is in `home` or borrowed from the model. */
ebb_status saved_list(region *home, const description *d, const built_model *model,
                      const weight_source *sources, const bool *trainable,
                      const saved_training *training,
                      model_content *content, ebb_error *error);

#endif
