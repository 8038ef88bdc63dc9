/* model_reader.h -- what the files that read a model configuration share.
 *
 * Order of work: every layer becomes a layer_config (layer_reader.c), then its calls are read with
 * node numbers as the file counts them (call_reader.c), then inputs and outputs (port_reader.c),
 * then the numbers are set right and checked (node_numbers.c). Sequential models make their own
 * calls (sequential.c).
 */
#ifndef EBB_FORMAT_KERAS_MODEL_READER_H
#define EBB_FORMAT_KERAS_MODEL_READER_H

#include "format/keras/model_config.h"

#define ARGUMENT_DEPTH_MAX 16 /* lists and dicts in call arguments that hold tensors */

typedef struct layer_name {
    const char *name;
    uint32_t index;
} layer_name;

typedef struct model_reader {
    region *home;
    uint32_t keras_major, depth;
    model_config *model;
    layer_name *names; /* sorted by name; Functional only */
    uint64_t calls;    /* read so far */
    bool is_legacy; /* calls are nested lists: nested models count their calls from 1 there too */
    const char *where;    /* the layer at work */
    char layer_text[128]; /* of layer_where() */
    ebb_error *error;
} model_reader;

/* E_MEMORY for the layer or model at work. */
ebb_status reader_no_memory(model_reader *r, const char *what);
/* Index of a layer by name; UINT32_MAX if there is none. */
uint32_t reader_layer(const model_reader *r, const char *name);

/* model_config_read() at a depth of nesting. */
ebb_status model_read(region *home, const json *object, uint32_t keras_major, uint32_t depth,
                      model_config **result, ebb_error *error);
/* Fills a layer from its object, all but its calls. `index` is its position, for names and errors.
 */
ebb_status layer_read(model_reader *r, const json *object, uint32_t index, layer_config *layer);
/* "layers[3] dense_1", until the next call. */
const char *layer_where(model_reader *r, uint32_t index, const char *name);

ebb_status calls_read(model_reader *r, const json *nodes, layer_config *layer);
/* A literal without Keras 2's wrappers. NULL literal for null. */
ebb_status literal_read(model_reader *r, const json *value, argument *result);

/* input_layers or output_layers. */
ebb_status ports_read(model_reader *r, const json *structure, const char *key, port_config **ports,
                      uint32_t *count);
/* Makes port names unique: the second "dense" becomes "dense_1". */
ebb_status ports_name(model_reader *r, port_config *ports, uint32_t count);

/* Makes every node number the number of a call, from 0, and checks that the call is there. */
ebb_status nodes_settle(model_reader *r);

ebb_status sequential_read(model_reader *r, const json *config, const json *object);

/* tf_operations.c: turns a TFOpLambda, SlicingOpLambda or TensorFlowOpLayer into the operation of
 * keras.ops that does the same. What has none gets the TensorFlow name as its class, so that it is
 * refused by name. */
bool tf_operation_is(const char *class_name);
ebb_status tf_operation_convert(model_reader *r, layer_config *layer);

#endif
