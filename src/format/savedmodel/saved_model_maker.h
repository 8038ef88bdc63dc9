/* saved_model_maker.h -- what the files that write SavedModel folders share; nobody outside
 * includes it.
 *
 * Messages live in one region. When there is no memory a maker hands out a sink: everything may be
 * written into it, through the pointer that was handed out, and nothing of it is ever packed. What
 * it says is lost with the next message. Lists are NULL then. */
#ifndef EBB_FORMAT_SAVEDMODEL_SAVED_MODEL_MAKER_H
#define EBB_FORMAT_SAVEDMODEL_SAVED_MODEL_MAKER_H

#include "format/savedmodel/saved_model_writer.h"
#include "saved_model_write.pb-c.h"

typedef struct maker {
    region *home;
    bool no_memory;
    uint64_t sink[32];
} maker;

/* Zeroed; NULL without memory. */
void *maker_memory(maker *m, size_t count, size_t size);
/* "name" or "name_3"; never NULL. */
char *maker_text(maker *m, const char *format, ...) EBB_PRINTF(2, 3);
/* An empty message of a kind; never NULL. */
void *maker_message(maker *m, const ProtobufCMessageDescriptor *kind);
#define MESSAGE(m, Type, type)                                                                     \
    ((Ebb__Write__##Type *)maker_message((m), &ebb__write__##type##__descriptor))
/* Bytes of a message; NULL: no memory, or none (*length 0). */
const uint8_t *maker_pack(maker *m, const void *message, size_t *length);

Ebb__Write__Shape *maker_shape(maker *m, const tf_shape *s);
Ebb__Write__Versions *maker_versions(maker *m, int32_t producer, int32_t consumer);
Ebb__Write__Graph *maker_graph(maker *m, const tf_graph_def *g);

/* -- the graph around the functions: saved_model_graph.c --------------------------------------- */

/* Names in the graph that the meta graph's other parts repeat. */
#define SAVED_WRAPPER          "__inference_signature_wrapper_serve"
#define SAVED_FILENAME         "saver_filename"
#define SAVED_SAVE             "saver_save"
#define SAVED_RESTORE          "saver_restore"
#define SAVED_INIT             "NoOp"
#define SAVED_CHECKPOINT_GRAPH "_CHECKPOINTABLE_OBJECT_GRAPH"
#define SAVED_SIGNATURES       2
extern const char *const saved_signatures[SAVED_SIGNATURES]; /* "serve", "serving_default" */
/* "StatefulPartitionedCall": the node that a signature runs. */
const char *saved_call_name(uint32_t signature);
/* "variables/3/.ATTRIBUTES/VARIABLE_VALUE" */
const char *saved_variable_key(maker *m, uint32_t variable);
/* Signatures name results "output_0" ..., or by the keys. */
const char *saved_output_name(maker *m, const saved_model_content *c, uint32_t output);
/* Numbers of inputs and outputs by name in ascending order: how signatures take and give them.
 * NULL: no memory. */
uint32_t *saved_inputs_sorted(maker *m, const saved_model_content *c);
uint32_t *saved_outputs_sorted(maker *m, const saved_model_content *c);

Ebb__Write__Graph *saved_graph_make(maker *m, const saved_model_content *c);

/* -- objects: saved_model_objects.c ------------------------------------------------------------ */

Ebb__Write__SavedObjects *saved_objects_make(maker *m, const saved_model_content *c);
Ebb__Write__CheckpointObjects *checkpoint_objects_make(maker *m, const saved_model_content *c);

#endif
