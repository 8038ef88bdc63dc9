/* content.h -- a model as the writers of files see it: its description, the names and shapes of its
 * weights, and a function that hands them over one at a time.
 *
 * Whoever has the weights fills it in (layer/saved.h knows the names). Extra variables, such as the
 * state of an optimizer, and settings of compile() come the same way. */
#ifndef EBB_FORMAT_CONTENT_H
#define EBB_FORMAT_CONTENT_H

#include "format/description.h"

typedef struct saved_tensor {
    const char *path;  /* object in .keras and .weights.h5, without "/vars": "layers/lstm/cell" */
    uint32_t variable; /* number in its vars */
    const char *name;  /* in .h5, below the layer's group: "lstm/lstm_cell/kernel" */
    ebb_dtype dtype;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
    uint32_t source; /* for read() */
    bool deflates;   /* .keras: mostly zeros, worth compressing */
} saved_tensor;

/* A layer of the model at the top, with its weights in the order of .h5 files. */
typedef struct saved_layer {
    const char *name;
    const saved_tensor *tensors;
    uint32_t count;
} saved_layer;

/* What training adds to a model's file. */
typedef struct saved_training {
    const saved_tensor *extra; /* optimizer.variables in Keras's order: path "optimizer", variable
                                  0, 1, ..., name "adam/iteration"; counters may be I32 */
    uint32_t extra_count;
    const json *compile_config; /* as Keras 3 has it in config.json; NULL: what the file had */
} saved_training;

typedef struct model_content {
    const description *description;
    const saved_tensor *tensors; /* of the model */
    uint32_t tensor_count;
    const saved_layer *layers;
    uint32_t layer_count;
    const saved_tensor *extra; /* as in saved_training; or none */
    uint32_t extra_count;
    const json *compile_config;
    const packed_tensor *packed; /* for metadata.json of .keras (format/keras/packed_tensors.h) */
    uint32_t packed_count;
    bool is_converted; /* weights were changed while loading: the file's own
                          configuration does not describe them */
    /* All elements in the tensor's own type, row-major. */
    ebb_status (*read)(void *context, const saved_tensor *tensor, void *bytes, ebb_error *error);
    void *context;
} model_content;

typedef struct write_options {
    bool deflates;  /* compresses the members of .keras; others: E_UNSUPPORTED */
    bool keeps_old; /* E_STATE instead of replacing a file */
} write_options;

/* Writes a file in the format its name ends in: whole or not at all. E_ARGUMENT for other endings.
 * Memory: children of `scratch`, closed before it returns. */
ebb_status content_write(region *scratch, const model_content *content, const char *path,
                         const write_options *options, ebb_error *error);

#endif
