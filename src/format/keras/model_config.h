/* model_config.h -- a model's JSON configuration of any Keras version into the tree of
 * description.h.
 *
 * Grammars: Sequential (a list of layers, or {"name", "layers"}), Functional of Keras 1 and 2
 * (inbound nodes as nested lists), Functional of Keras 3 ({"args", "kwargs"} with
 * __keras_tensor__), nested to any depth below MODEL_DEPTH_MAX. Also called back by layers that
 * keep a whole model inside their config (TimeDistributed).
 */
#ifndef EBB_FORMAT_KERAS_MODEL_CONFIG_H
#define EBB_FORMAT_KERAS_MODEL_CONFIG_H

#include "format/description.h"

#define MODEL_DEPTH_MAX  32      /* models in models */
#define MODEL_LAYERS_MAX 100000  /* of one model */
#define MODEL_PORTS_MAX  512     /* inputs, or outputs, of one model */
#define MODEL_CALLS_MAX  1000000 /* of one model */

/* `object` is {"class_name": "Functional" | "Model" | "Sequential", "config": ...}. E_UNSUPPORTED
 * names a custom class. */
ebb_status model_config_read(region *home, const json *object, uint32_t keras_major,
                             model_config **result, ebb_error *error);

/* Which Keras wrote this configuration, told by its grammar and field names: 1, 2 or 3. */
uint32_t model_config_major(const json *object);

#endif
