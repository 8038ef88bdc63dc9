/* description.h -- what a format reader makes of a file: a configuration tree and a directory of
 * tensors.
 *
 * No weights have been read; this is all that plan, summary and check need. The differences between
 * Keras 1, 2 and 3 files end here: layers see canonical class names and the newest field names.
 *
 *     description
 *       ├─ model (model_config): layers, each with its calls; nested models inside
 *       └─ tensors: directory of named arrays in the file, grouped as the file groups them
 *
 * Everything lives in the region given to the reader.
 */
#ifndef EBB_FORMAT_DESCRIPTION_H
#define EBB_FORMAT_DESCRIPTION_H

#include "ebb/tensor.h"
#include "format/source.h"
#include "json/json.h"
#include "tensor/packed.h"

typedef struct layer_config layer_config;
typedef struct model_config model_config;

/* Output `tensor` of call `node` (counted from 0) of layer `layer` (index in model_config.layers).
 */
typedef struct tensor_ref {
    uint32_t layer, node, tensor;
} tensor_ref;

typedef enum argument_kind { ARGUMENT_LITERAL, ARGUMENT_TENSOR, ARGUMENT_LIST } argument_kind;

/* One call argument: a tensor, a plain JSON value, or a list that holds at least one tensor. */
typedef struct argument {
    argument_kind kind;
    const char *name;    /* keyword; NULL = positional */
    tensor_ref ref;      /* TENSOR */
    const json *literal; /* LITERAL; may be NULL for null */
    struct argument
        *items; /* LIST (tuples and dicts too: dict values in sorted key order, with name) */
    uint32_t item_count;
} argument;

typedef struct call_config {
    argument *arguments; /* positional first */
    uint32_t argument_count;
} call_config;

struct layer_config {
    const char *class_name; /* canonical Keras 3: "Conv2D"; op nodes: "Add" with is_operation */
    const char *module;     /* "keras.layers", "keras.src.ops.numpy"; "" in old files */
    const char *registered_name; /* "package>Class" of custom classes; NULL for built-ins */
    const char *name;
    bool is_operation;        /* a node of keras.ops, not a layer */
    const json *config;       /* object; fields renamed to Keras 3's */
    const json *build_config; /* may be NULL */
    model_config *model;      /* nested Functional/Sequential, else NULL */
    call_config *calls;
    uint32_t call_count;
};

/* One input or output of a model: which tensor, and the name it goes by (dict key, else layer
 * name). */
typedef struct port_config {
    tensor_ref ref;
    const char *name;
} port_config;

struct model_config {
    const char *name;
    const char *class_name; /* "Functional" or "Sequential" */
    layer_config
        *layers; /* in file order; InputLayers included (Sequential: one is added if missing) */
    uint32_t layer_count;
    port_config *inputs, *outputs;
    uint32_t input_count, output_count;
    const json *source; /* {"class_name", "config", ...} as the file has it */
};

/* -- tensors -------------------------------------------------------------------------------- */

struct tensor_entry;

/* Reads elements [first, first + count) of the tensor, in its own dtype, native endian, row-major.
 */
typedef ebb_status (*tensor_read_function)(const struct tensor_entry *entry, uint64_t first,
                                           uint64_t count, void *bytes, ebb_error *error);

typedef struct tensor_entry {
    const char *path; /* full path in the file: "layers/dense/vars/0", "dense/dense/kernel:0" */
    const char *name; /* last component or the stored weight name */
    ebb_dtype dtype;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
    tensor_read_function read;
    void *context; /* of the reader */
} tensor_entry;

/* Tensors the file keeps together, in the file's order: a layer of a legacy .h5 (weight_names
 * order), or a "vars" group of a .keras (numeric order). */
typedef struct tensor_group {
    const char
        *name; /* legacy: layer name; .keras: path without "/vars" ("layers/dense", "" = root) */
    tensor_entry *tensors;
    uint32_t count;
} tensor_group;

/* A tensor of .keras files that ebb has shrunk, as metadata.json tells it. Its entry stands in the
 * directory like any other and reads as F32. */
typedef struct packed_tensor {
    const char *path;  /* object: "layers/dense" */
    uint32_t variable; /* number in its vars */
    packed_layout layout;
    bool is_copy; /* a wrapper's, of a weight that stands elsewhere */
    const tensor_entry *numbers, *scales; /* I8: as the file keeps it; else NULL */
} packed_tensor;

typedef enum weight_layout {
    WEIGHTS_BY_PATH, /* .keras, .weights.h5: group name = object path */
    WEIGHTS_BY_ORDER /* legacy .h5: k-th group with weights = k-th layer with weights */
} weight_layout;

typedef struct description {
    const char *path;
    const char *format;        /* "keras", "h5" */
    const char *keras_version; /* "" when the file does not say */
    uint32_t keras_major;      /* 1, 2, 3 */
    const char *backend;       /* "tensorflow", "theano", ... or "" */
    model_config *model;       /* NULL: the file holds weights only */
    const char *config_text;   /* JSON that `model` was read from, as it stood in the file */
    size_t config_length;
    weight_layout layout;
    tensor_group *groups;
    uint32_t group_count;
    const packed_tensor *packed; /* none: packed_count is 0 */
    uint32_t packed_count;
    const json *compile_config;    /* training_config / compile_config; may be NULL */
    const tensor_group *optimizer; /* its state in the file's order; NULL: none. Keras's order:
                                      format/saved_optimizer.h */
    const char *optimizer_problem; /* why the file's state cannot be read; NULL: it can */
    uint64_t file_bytes;
    source_identity identity;
    source *file; /* kept open until description_close() */
    source **more_files; /* of formats with several, likewise */
    uint32_t more_file_count;
    /* Of SavedModel folders: the graph, once saved_graph_read() was asked for it, and the region of
     * its constants' numbers, which may be closed when they are not needed any more. */
    const struct tf_saved_graph *saved_graph;
    region *saved_constants;
    const char *model_problem; /* why the layers cannot be had though the graph may be; NULL */
} description;

/* Group by name; NULL if there is none. */
const tensor_group *description_group(const description *d, const char *name);

/* Verifies that the file did not change and closes it. NULL is a no-op. */
ebb_status description_finish(description *d, ebb_error *error);
void description_close(description *d);
/* Fails: what was asked for needs layers, and the model is the graph of a folder. */
ebb_status description_no_layers(const description *d, const char *what, ebb_error *error);

#endif
