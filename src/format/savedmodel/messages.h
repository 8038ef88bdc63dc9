/* messages.h -- protobuf messages of SavedModel folders, read into a region.
 *
 * Memory: protobuf-c asks for every message and list; all of it comes from one child region with a
 * limit that grows with the text, so that a small file cannot become a large tree. Depth is bounded
 * by saved_model_read.proto, in which no message holds one of its own kind. */
#ifndef EBB_FORMAT_SAVEDMODEL_MESSAGES_H
#define EBB_FORMAT_SAVEDMODEL_MESSAGES_H

#include "mem/region.h"
#include "saved_model_read.pb-c.h"

typedef Ebb__Read__Shape shape_message;
typedef Ebb__Read__Tensor tensor_message;
typedef Ebb__Read__AttrList attr_list_message;
typedef Ebb__Read__Attr attr_message;
typedef Ebb__Read__Node node_message;
typedef Ebb__Read__Function function_message;
typedef Ebb__Read__Graph graph_message;
typedef Ebb__Read__PortEntry port_message;
typedef Ebb__Read__Signature signature_message;
typedef Ebb__Read__MetaGraph meta_graph_message;
typedef Ebb__Read__SavedModel saved_model_message;
typedef Ebb__Read__SavedModelObjects saved_objects_message;
typedef Ebb__Read__SavedObjectGraph saved_object_graph_message;
typedef Ebb__Read__KerasMetadata keras_metadata_message;
typedef Ebb__Read__CheckpointObjects checkpoint_objects_message;
typedef Ebb__Read__CheckpointObject checkpoint_object_message;
typedef Ebb__Read__ObjectChild object_child_message;
typedef Ebb__Read__BundleHeader bundle_header_message;
typedef Ebb__Read__BundleEntry bundle_entry_message;

/* `kind` is what protobuf-c made, &ebb__read__saved_model__descriptor. Lives in a child of `home`.
 * E_FORMAT: the bytes are no such message; E_MEMORY. */
ebb_status message_read(region *home, const ProtobufCMessageDescriptor *kind, const void *bytes,
                        size_t length, const char *where, const void **result, ebb_error *error);

#endif
