/* object_graph.h -- the objects of a checkpoint: which Python object held which variable.
 *
 * Object 0 is the model; children have names ("layer-0", "kernel", "0" in lists). A variable is an
 * object with the key of its value in the bundle. Source: tensorflow/core/protobuf/
 * trackable_object_graph.proto, tensorflow/python/trackable/trackable_utils.py. */
#ifndef EBB_FORMAT_SAVEDMODEL_OBJECT_GRAPH_H
#define EBB_FORMAT_SAVEDMODEL_OBJECT_GRAPH_H

#include "format/savedmodel/bundle.h"
#include "format/savedmodel/keras_objects.h"
#include "format/savedmodel/messages.h"

/* *result is NULL when the checkpoint has none (TensorFlow 1). */
ebb_status object_graph_read(region *scratch, const bundle *b,
                             const checkpoint_objects_message **result, ebb_error *error);

/* Groups of the description as legacy .h5 files have them: one for each layer of the model, in
 * their order, trainable variables first. None if the model has no layers. */
ebb_status object_groups_read(region *home, region *scratch, const bundle *b,
                              const checkpoint_objects_message *objects, const keras_objects *names,
                              description *d, ebb_error *error);

/* The key of the variable that went by this name ("dense/kernel"); NULL: none, or several. */
const char *object_key_by_name(const checkpoint_objects_message *objects, const char *full_name);

#endif
