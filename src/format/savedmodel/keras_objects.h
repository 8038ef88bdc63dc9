/* keras_objects.h -- what tf.keras 2 wrote about its objects into a SavedModel folder: the
 * configuration of the model as JSON, and the names of its layers.
 *
 * In keras_metadata.pb from TensorFlow 2.5 on, inside saved_model.pb before. Source: tf_keras
 * src/saving/legacy/saved_model (save.py, load.py), protobuf/saved_metadata.proto. */
#ifndef EBB_FORMAT_SAVEDMODEL_KERAS_OBJECTS_H
#define EBB_FORMAT_SAVEDMODEL_KERAS_OBJECTS_H

#include "format/description.h"

#define SAVED_MODEL_BYTES_MAX ((uint64_t)INT32_MAX) /* protobuf's own limit */

typedef struct keras_object {
    const char *path;     /* below the model: "layer_with_weights-0" */
    const char *metadata; /* JSON */
} keras_object;

typedef struct keras_objects {
    const char *model; /* its JSON; NULL: tf.keras did not write this folder */
    const keras_object *layers;
    uint32_t layer_count;
} keras_objects;

/* Everything lives in `scratch`. */
ebb_status keras_objects_read(region *scratch, const char *folder, keras_objects *result,
                              ebb_error *error);

#endif
