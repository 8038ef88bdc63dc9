/* variable_access.h -- variables of training as callers see them: what they are, and their values
 * out and in.
 *
 * Counters of steps are int32 here and int64 in Keras and in files. */
#ifndef EBB_TRAIN_VARIABLE_ACCESS_H
#define EBB_TRAIN_VARIABLE_ACCESS_H

#include "ebb/model.h"
#include "train/emit.h"

void variable_describe(const train_variable *v, uint64_t stored_bytes, ebb_tensor_info *info);
/* Copies between the variable's memory and the view, converted. E_ARGUMENT, E_DTYPE, E_SHAPE. */
ebb_status variable_transfer(const train_variable *v, void *memory, const ebb_view *view,
                             bool is_set, ebb_error *error);

#endif
