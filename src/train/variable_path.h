/* variable_path.h -- what Keras calls the variables of a model that was read from a file:
 * "lstm/lstm_cell/kernel". Optimizers name their slots by it and choose by it. */
#ifndef EBB_TRAIN_VARIABLE_PATH_H
#define EBB_TRAIN_VARIABLE_PATH_H

#include "layer/assemble.h"

/* By weight of the model, in `home`. NULL: no memory. */
const char **variable_paths(region *home, const built_model *model);

#endif
