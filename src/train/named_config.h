/* named_config.h -- what configs of losses and metrics say beyond their fields. */
#ifndef EBB_TRAIN_NAMED_CONFIG_H
#define EBB_TRAIN_NAMED_CONFIG_H

#include "layer/layer.h"

/* fields_read(), and Keras's meaning of an explicit null: the choice "none" where there is one, a
 * fault for an axis. */
ebb_status named_config_fields(const char *class_name, const layer_field *fields,
                               const json *settings, const char *where, void *config,
                               ebb_error *error);

/* Only float32 is computed: E_UNSUPPORTED for other compute types in settings["dtype"]. Integers
 * are told by *is_integer, when that is not NULL, and refused otherwise. */
ebb_status named_config_dtype(const json *settings, const char *where, bool *is_integer,
                              ebb_error *error);

#endif
