/* saved_model_writer.h -- a SavedModel folder as TensorFlow 2 loads it.
 *
 *     saved_model.pb                        graph, functions, signatures, objects
 *     variables/variables.index             names, places, checksums
 *     variables/variables.data-00000-of-00001
 *     assets/                               empty
 *
 * Objects are those that Keras's model.export() writes: a root with the lists variables,
 * trainable_variables and non_trainable_variables, the function `serve`, and the signatures `serve`
 * and `serving_default`. Equal contents give equal folders. Sources: tensorflow/core/protobuf/
 * saved_model.proto and those it names, tensorflow/python/saved_model/load.py, keras/src/export. */
#ifndef EBB_FORMAT_SAVEDMODEL_SAVED_MODEL_WRITER_H
#define EBB_FORMAT_SAVEDMODEL_SAVED_MODEL_WRITER_H

#include "format/savedmodel/graph_def.h"
#include "mem/region.h"

typedef struct saved_variable {
    const char *name; /* "dense/kernel" */
    ebb_dtype dtype;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
    bool trainable;
} saved_variable;

/* What callers of `serve` pass or get. */
typedef enum saved_structure {
    STRUCTURE_ONE, /* the tensor itself */
    STRUCTURE_LIST,
    STRUCTURE_DICT
} saved_structure;

typedef struct saved_port {
    const char *name; /* in signatures: identifiers, all different */
    const char *key;  /* DICT: in ascending order */
    tf_type type;
    tf_shape shape;
} saved_port;

typedef struct saved_model_content {
    const tf_function *functions; /* the last is `serve`: its arguments are the inputs, then
                                     resources; its results the outputs */
    uint32_t function_count;
    const uint32_t *captured; /* the resources: numbers of variables */
    uint32_t captured_count;
    saved_structure input_structure, output_structure;
    const saved_port *inputs, *outputs;
    uint32_t input_count, output_count;
    const saved_variable *variables;
    uint32_t variable_count;
    /* All elements of a variable, row-major, into `bytes`. */
    ebb_status (*read)(void *context, uint32_t variable, void *bytes, ebb_error *error);
    void *context;
} saved_model_content;

/* Tells the caller, after the new folder has the name, what the one that had it before is called
 * now; it is for the caller to remove. */
typedef struct saved_model_place {
    bool keeps_old; /* E_STATE instead of replacing a folder */
    char *replaced; /* NULL: there was none */
} saved_model_place;

/* Whole or not at all. `path` has no slash at its end. E_IO; E_STATE; E_ARGUMENT: something else
 * than a folder has the name; E_UNSUPPORTED: constants of 2 GB. Memory: in `home`, with the largest
 * variable. */
ebb_status saved_model_write(region *home, const saved_model_content *content, const char *path,
                             saved_model_place *place, ebb_error *error);

#endif
