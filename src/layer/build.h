/* build.h -- what a layer's build function sees: its call, its weights, its children.
 *
 * Ops are emitted with the builders of graph/op.h on b->graph (sticky failure; check graph_ok at
 * the end only).
 *
 * Weights get the path under which a .keras file keeps them: object path + "/vars/<i>". A layer's
 * own weights are vars 0, 1, ... of the layer; inside build_scope_push(b, "cell") they are vars of
 * "<layer>/cell".
 */
#ifndef EBB_LAYER_BUILD_H
#define EBB_LAYER_BUILD_H

#include "layer/layer.h"

/* A Keras tensor: its value, its mask (BOOL, or VALUE_NONE), and the dtype Keras gives it. v is
 * always F32, I32 or BOOL: inputs of other types are cast as they enter. */
typedef struct layer_tensor {
    value v;
    value mask;
    ebb_dtype
        dtype; /* F32 also for what computes in float32 but is float16 in Keras: see declared */
    ebb_dtype
        declared; /* dtype by Keras's policy: F16 under mixed_float16; outputs are cast to it */
    bool is_mask_lost; /* see build_mask_drop() */
} layer_tensor;

typedef enum call_argument_kind {
    CALL_NONE,
    CALL_TENSOR,
    CALL_LIST,
    CALL_LITERAL
} call_argument_kind;

typedef struct call_argument {
    call_argument_kind kind;
    const char *name; /* keyword or NULL */
    layer_tensor tensor;
    const json *literal;
    struct call_argument *items; /* LIST */
    uint32_t item_count;
} call_argument;

#define LAYER_OUTPUTS_MAX 16

struct layer_call {
    /* Every tensor of the first positional argument, flattened: what most layers need. */
    const layer_tensor *inputs;
    uint32_t input_count;
    /* All arguments as given, for layers with several (attention, RNN initial_state, ops). */
    const call_argument *arguments;
    uint32_t argument_count;
    layer_tensor outputs[LAYER_OUTPUTS_MAX]; /* v set by build; dtype, declared and mask by default
                                                rules. declared may be set too: then it stays */
    uint32_t output_count;                   /* default 1 */
    bool is_bare; /* the layer is called past Keras's Layer.__call__: its own activity regularizer
                     does not count */
};

/* Positional `index` or keyword `name`, whichever is there; a CALL_NONE argument otherwise. */
const call_argument *call_find(const layer_call *call, uint32_t index, const char *name);

typedef struct layer_weight {
    const char *name;  /* "kernel" */
    const char *title; /* for people: "encoder/lstm/cell" */
    const char *path;  /* object path in a .keras file, without "/vars": "layers/lstm/cell" */
    uint32_t variable; /* index in vars of that object */
    value v;
    value latest;   /* what it holds after what was built so far: v, or the last build_update() */
    value computed; /* `latest` as computing sees it: a cast where that is not F32, I32 or BOOL */
    uint32_t index; /* number in built_model.weights after assembly; graph weight index before */
    ebb_dtype dtype;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
    bool trainable;
    bool is_state;  /* not trainable by its nature: moving statistics, adapted constants */
    bool is_listed; /* has its place in built_model.weights */
    /* As Keras's configuration has them or, where it leaves them out, as Keras's layer does. */
    const json *initializer;              /* never NULL but for build_state(): zeros */
    const json *regularizer, *constraint; /* NULL: none */
    int64_t forget_units; /* > 0: unit_forget_bias; [units] and [2 * units] are drawn with
                             `initializer`, and [units] ones stand between */
} layer_weight;

/* A wrapper that must see a weight of the layer inside before anything is computed with it. */
typedef struct weight_watch {
    void (*made)(void *context, layer_weight *w);
    void *context;
} weight_watch;

/* One layer object of a model (shared layers are one instance with several calls). */
typedef struct layer_instance {
    const layer_def *def;
    const layer_config *source; /* made up for children given as JSON inside wrappers */
    const char *name;
    const char *title; /* with the names of the models around it: "encoder/dense" */
    const char *class_name;
    void *config;
    const char *path;                  /* object path in a .keras file: "layers/dense_1" */
    bool trainable;                    /* false when it or a container around it is frozen */
    ebb_dtype compute, variable_dtype; /* Keras policy: F16 etc.; computing is done in F32 */
    struct layer_weight *weights;      /* own, in creation order */
    uint32_t weight_count, weight_capacity;
    struct layer_instance *
        *children; /* inner layers, cells, layers of a nested model; creation order */
    uint32_t child_count, child_capacity;
    struct nested_model *model;                /* Functional / Sequential */
    const struct layer_instance *adopted_from; /* build_adopt() */
    const char *adopted_name;
    const struct weight_watch *watch; /* asked about each weight as it is made; NULL */
    uint32_t random_count;            /* build_random() so far */
    shape output_shape;               /* of the first call's first output, for the summary */
    const shape *last_shapes;         /* of every output of the last call */
    uint32_t last_shape_count;
} layer_instance;

struct layer_build {
    graph *graph;
    region *home;
    layer_instance *instance; /* being built */
    uint32_t keras_major;
    const char *scope;         /* object path below the instance, "" at first */
    uint32_t depth;            /* of nesting, bounded by LAYER_DEPTH_MAX */
    bool is_training;          /* training=True */
    struct assembly *assembly; /* of assembly.h */
};
#define LAYER_DEPTH_MAX 32

/* Error in words with the layer's name; returns false. */
bool layer_fail(layer_build *b, ebb_status status, const char *format, ...) EBB_PRINTF(3, 4);

/* -- weights --------------------------------------------------------------------------------------
 */

typedef struct weight_options {
    ebb_dtype dtype; /* NONE = the layer's variable dtype */
    bool is_not_trainable;
} weight_options;
/* `options` may be NULL. Computing sees F32 (integer weights: I32): a cast is emitted for other
 * stored types. */
value build_weight(layer_build *b, const char *name, uint32_t rank, const int64_t *dims,
                   const weight_options *options);
/* The weight of that name in the current scope; NULL: not made yet. */
layer_weight *build_weight_find(layer_build *b, const char *name);
void build_scope_push(layer_build *b, const char *attribute); /* "cell", "query_dense" */
void build_scope_pop(layer_build *b);
/* Keras lists weight `name` of a child before the layer's own ones, because the layer keeps it in
 * an attribute of its own (SpectralNormalization.kernel). In files it is variable 0 of the layer as
 * well. */
void build_adopt(layer_build *b, const layer_instance *child, const char *name);

/* -- children -------------------------------------------------------------------------------------
 */

/* The inner layer given by a config object {"class_name", "config", ...} under attribute name
 * ("layer", "cell"); made on the first call, found again later. Handles nested models too. NULL on
 * failure. */
layer_instance *build_child(layer_build *b, const char *attribute, const json *object);
/* Calls a child. `call` is filled like any layer_call (inputs, arguments). */
bool build_child_call(layer_build *b, layer_instance *child, layer_call *call);

/* MultiHeadAttention takes the mask off the tensors it is called with. Layers called with one
 * tensor alone have had their mask noted before, when the model was built; layers of several
 * tensors ask when the model runs, and find none on these tensors and what follows from them
 * (is_mask_lost). */
void build_mask_drop(layer_build *b, const layer_tensor *t);

/* -- training -------------------------------------------------------------------------------------
 */

/* Random numbers, other ones in every run unless the configuration says is_fixed. Each call has a
 * seed of its own: from the layer's "seed" and "draw" when that is a number, else from
 * assemble_options.seed and the path of the layer. Without variables the stream is the number of
 * the run (kernel_call.run). */
value build_random(layer_build *b, const random_attributes *attributes);
/* 0 with probability `rate`, else 1 / (1 - rate): what dropout multiplies with. `rate` is in
 * [0, 1]. */
value build_dropout_mask(layer_build *b, double rate, const shape *s);
/* keras.random.dropout: one mask item for each element of `noise`, which broadcasts to x; NULL: of
 * the shape of x. */
value build_dropout(layer_build *b, value x, double rate, const shape *noise);

/* After the call weight `name` of the current scope holds `next`. What reads it from now on sees
 * that, but no gradient passes. */
void build_update(layer_build *b, const char *name, value next);
void build_weight_update(layer_build *b, layer_weight *w, value next);
/* State number 0, 1, ... of the layer: a variable that is no weight of the model and begins as
 * zeros. Its value; VALUE_NONE where states are not kept. */
value build_state(layer_build *b, uint32_t number, const shape *s);
void build_state_update(layer_build *b, uint32_t number, value next);

/* Adds a penalty on x per row to the losses. `regularizer` may be null. */
bool build_penalty(layer_build *b, const json *regularizer, value x);

/* -- small help -----------------------------------------------------------------------------------
 */

/* Length of an axis that must be a known number; negative axes count from the end. -1 and
 * layer_fail otherwise. */
int64_t build_known_dim(layer_build *b, value v, int axis, const char *what);
/* Normalises a Keras axis to 0..rank-1; -1 and layer_fail if out of range. */
int build_axis(layer_build *b, value v, int64_t axis);
/* to channels-last and back for data_format channels_first: [n, c, ...] <-> [n, ..., c]. */
value build_channels_last(layer_build *b, value v);
value build_channels_first(layer_build *b, value v);
value build_f32(layer_build *b, value v); /* cast to F32 unless it is */
value build_i32(layer_build *b, value v);

#endif
