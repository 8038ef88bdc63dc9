/* model_builder.h -- a model in the making: layers with their checked configurations, and a node
 * for every call of one.
 *
 *     arguments (text) -> JSON -> checked against the layer table -> layer
 *     call             -> node: which layer, which outputs of which nodes go in
 *     finish           -> the nodes that outputs need, in Keras's order -> model_config -> JSON
 * text
 *                      -> recipe.h, where text becomes a model as a file's would
 *
 * Everything lives in the builder's region. The first fault is sticky. In the builder's argument
 * trees tensor_ref.layer is the number of a node, and tensor_ref.node says nothing. */
#ifndef EBB_RUNTIME_MODEL_BUILDER_H
#define EBB_RUNTIME_MODEL_BUILDER_H

#include "ebb/build.h"
#include "runtime/recipe.h"

#define BUILDER_LAYERS_MAX 100000u
#define BUILDER_NODES_MAX  200000u
#define ARGUMENT_TEXT_MAX  ((size_t)1 << 20)

typedef struct builder_layer {
    layer_config config;      /* calls are in nodes */
    uint64_t source;          /* id of the model its weights come from; 0: initial ones */
    const char *source_layer; /* its name there; NULL: it is the whole model */
} builder_layer;

typedef struct builder_node {
    uint32_t layer;
    call_config call;
    uint32_t *parents; /* nodes, in the order of the arguments */
    uint32_t parent_count;
} builder_node;

typedef struct name_count {
    const char *base;
    uint32_t count;
} name_count;

typedef struct builder_shapes builder_shapes;

typedef struct builder {
    uint64_t id;
    runtime *owner;
    struct builder *next, *previous; /* in runtime->builders */
    region *home;
    const char *name; /* NULL: Keras's default */
    builder_layer *layers;
    uint32_t layer_count, layer_capacity;
    builder_node *nodes;
    uint32_t node_count, node_capacity;
    tensor_ref *tensors; /* what ebb_tensor stands for; .layer is a node */
    uint32_t tensor_count, tensor_capacity;
    name_count *names; /* defaults given so far */
    uint32_t name_count, name_capacity;
    builder_shapes *shapes; /* NULL: nobody asked for any yet */
    ebb_error error;               /* EBB_OK: none yet */
} builder;

/* -- builder.c: life, faults, lists ------------------------------------------------------------ */

ebb_status builder_open(runtime *r, const char *name, uint64_t *id, ebb_error *error);
/* Takes it off its runtime's list and gives its memory back. */
void builder_discard(builder *b);
/* Ends every builder of a runtime that is closing. */
void builders_close(runtime *r);

/* Notes the first fault; always false. */
bool builder_fail(builder *b, ebb_status status, const char *where, const char *format, ...)
    EBB_PRINTF(4, 5);
bool builder_no_memory(builder *b, const char *where);
bool builder_good(const builder *b);

/* Index of a layer by name; UINT32_MAX if there is none. */
uint32_t builder_layer_find(const builder *b, const char *name);
/* The same, or E_NOT_FOUND with the nearest names. */
uint32_t builder_layer_wanted(builder *b, const char *name);
/* Keras's default name for a class, not taken yet; NULL: no memory. */
const char *builder_default_name(builder *b, const char *class_name);
/* A new layer at the end, zeroed but for its name, which must be free; NULL: a fault. */
builder_layer *builder_layer_add(builder *b, const char *name);
/* A call of a layer whose arguments refer to nodes; UINT32_MAX: a fault. */
uint32_t builder_node_add(builder *b, uint32_t layer, const call_config *call);
/* What the caller holds for output `index` of a node; {0}: a fault. */
ebb_tensor builder_tensor_make(builder *b, uint32_t node, uint32_t index);
/* False: none of this builder (a fault, unless there is one already). */
bool builder_tensor_read(builder *b, ebb_tensor x, tensor_ref *ref);
/* The same without a fault. */
bool builder_tensor_find(const builder *b, ebb_tensor x, tensor_ref *ref);
ebb_layer builder_layer_handle(const builder *b, uint32_t layer);
bool builder_layer_read(builder *b, ebb_layer layer, uint32_t *index);

/* -- build_arguments.c: text into JSON --------------------------------------------------------- */

/* Keyword arguments or an object, as JSON in the builder's region; NULL: a fault. `text` may be
 * NULL. */
const json *builder_arguments_read(builder *b, const char *text, const char *where);
/* One value. NULL: a fault. */
const json *builder_value_read(builder *b, const char *text, const char *where);

/* -- build_layer.c: checks --------------------------------------------------------------------- */

/* A layer of this class with these arguments; UINT32_MAX: a fault. */
uint32_t builder_layer_make(builder *b, const char *class_name, const char *arguments);
uint32_t builder_input_make(builder *b, const char *name, ebb_dtype dtype, uint32_t rank,
                            const int64_t *dims);
/* Sets "trainable" in a layer's configuration. */
bool builder_trainable_set(builder *b, uint32_t layer, bool is_trainable);

/* -- build_operation.c ------------------------------------------------------------------------- */

/* An operation of keras.ops; UINT32_MAX: a fault. */
uint32_t builder_operation_make(builder *b, const char *class_name, const char *arguments);

/* -- build_shapes.c ---------------------------------------------------------------------------- */

ebb_status builder_tensor_info(builder *b, ebb_tensor x, ebb_tensor_info *info, ebb_error *error);

/* -- build_call.c ------------------------------------------------------------------------------ */

ebb_tensor builder_call(builder *b, uint32_t layer, const ebb_tensor *inputs, size_t count);
ebb_tensor builder_call_with(builder *b, uint32_t layer, const ebb_call_argument *arguments,
                             size_t count);

/* -- build_import.c ---------------------------------------------------------------------------- */

ebb_tensor builder_import(builder *b, model *from, const ebb_import_options *options);
uint32_t builder_model_make(builder *b, model *from, const char *name);

/* -- build_config.c: nodes into Keras 3's configuration ---------------------------------------- */

/* The text of the model with these outputs, in `work`, and what its layers' weights come from.
 * recipe->origins have no models yet, only their ids. */
ebb_status builder_recipe_make(builder *b, region *work, const ebb_tensor *outputs, size_t count,
                               bool is_sequential, recipe *result, ebb_error *error);

#endif
