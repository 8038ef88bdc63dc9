/* layer.h -- the table of Keras layers: name, configuration fields, build function. No kernels, no
 * memory.
 *
 * A layer is one entry in its family's file and one line in list.inc: LAYER(dense, its
 * constructor's parameters). The same table
 * drives loading, `ebb layers`, docs and tests. Operation nodes of Keras 3 (keras.ops in a
 * functional model) are entries too, in operation_list.inc, under their class name ("Add",
 * "GetItem"): looked up only for is_operation configs.
 */
#ifndef EBB_LAYER_LAYER_H
#define EBB_LAYER_LAYER_H

#include "format/description.h"
#include "graph/op.h"

typedef struct layer_build layer_build;
typedef struct layer_call layer_call;

typedef enum field_kind {
    FIELD_I64,        /* int64_t; JSON integer (or whole number) */
    FIELD_F32,        /* float */
    FIELD_BOOL,       /* bool */
    FIELD_TEXT,       /* const char *; NULL for null */
    FIELD_CHOICE,     /* uint32_t index into `choices` ("valid|same|causal") */
    FIELD_ACTIVATION, /* activation (below); null = linear */
    FIELD_INTS,       /* int_list; a single number becomes a list of one; null = empty */
    FIELD_JSON,       /* const json *: anything, read by the layer; NULL for null */
    FIELD_TRAINING,   /* const json *: initializers, regularizers, constraints; kept for training */
    FIELD_F64,        /* double: what training computes with before it rounds */
    FIELD_F64_OR_NONE, /* double; NAN for null, `otherwise` only when the key is missing */
    FIELD_GIVEN        /* const json *: what was given, null too; NULL: the key is missing */
} field_kind;

#define INT_LIST_MAX 16
typedef struct int_list {
    uint32_t count;
    int64_t items[INT_LIST_MAX]; /* null inside a list is INT_LIST_NULL */
} int_list;
#define INT_LIST_NULL INT64_MIN

/* An activation by name or object: one op or a few. */
typedef struct activation {
    const struct activation_def *def; /* NULL = linear */
    unary_attributes attributes;
} activation;

typedef struct layer_field {
    const char *key;
    field_kind kind;
    uint32_t
        offset; /* in the config struct; 0 with FIELD_TRAINING when the struct does not keep it */
    bool required;
    double otherwise;    /* default of I64, F32, F64, BOOL, CHOICE (index) */
    const char *choices; /* CHOICE: "a|b|c"; ACTIVATION, TEXT: default text or NULL */
} layer_field;

typedef enum layer_masking {
    MASK_DROPS,  /* the output carries no mask */
    MASK_PASSES, /* the mask of the first input goes to every output unchanged */
    MASK_OWN     /* build sets the outputs' masks itself */
} layer_masking;

typedef struct layer_def {
    const char *name;    /* canonical Keras 3 class name */
    const char *family;  /* "core", "convolution", ... */
    const char *aliases; /* "OldName|OtherName" or NULL */
    uint32_t config_bytes;
    const layer_field *fields; /* ends with key NULL; NULL = none */
    layer_masking masking;
    /* Emits ops for one call. Weights are created on the first call and found again on later ones.
     * False after graph_fail / layer_fail. */
    bool (*build)(layer_build *b, const void *config, layer_call *call);
} layer_def;

/* How Keras 3 makes an object: the parameters of its constructor, in order. They stand beside the
 * name in list.inc:
 *
 *     units, use_bias      the default is the field's of that name: its number, choice or text,
 * null where it has none, required where it is rate!                required, although a file may
 * do without strides=[1, 1]       the default as JSON, texts in '...' mask_value:number    what it
 * takes, where the field cannot say (ebb/objects.h)
 *     *                    what follows is given by name only
 *     **                   and any of what all objects of the kind take */
typedef struct constructor {
    const char *symbol; /* "dense" */
    const char *parameters;
} constructor;

const layer_def *layer_find(const char *class_name);     /* also by alias; NULL if unknown */
const layer_def *operation_find(const char *class_name); /* keras.ops node classes */
uint32_t layer_table_count(void);
const layer_def *layer_table_at(uint32_t index);
const constructor *layer_constructor_at(uint32_t index);
uint32_t operation_table_count(void);
const layer_def *operation_table_at(uint32_t index);
/* Is `name` one of "A|B|C"? `names` may be NULL. */
bool name_among(const char *names, const char *name);

/* Why a class cannot run: custom classes, Lambda, layers of another framework, unknown names
 * (refuse.c). EBB_OK and *def (NULL for nested models), or E_UNSUPPORTED. */
ebb_status layer_resolve(const layer_config *config, const char *where, const layer_def **def,
                         ebb_error *error);

/* Reads a config by its field table into zeroed memory of `config_bytes`. Unknown keys: name,
 * trainable, dtype, and keys whose value is null, false or an empty list are ignored, and what
 * every layer may carry: trainable, seed, build_config, batch_shape, *_initializer, *_regularizer,
 * *_constraint; anything else is an error that names the key. A field that is null counts as
 * missing. INTS flattens one level of nested lists: ((1, 2), (3, 4)) is 4 items. Plain numbers may
 * also be {"class_name": "__numpy__", "config": {"value": ...}}. */
ebb_status layer_config_read(const layer_def *def, region *home, const json *object,
                             const char *where, void *config, ebb_error *error);
/* The same for anything else with a name and a table of fields: optimizers, losses, metrics ... */
ebb_status fields_read(const char *name, const layer_field *fields, const json *object,
                       const char *where, void *config, ebb_error *error);

/* Keras's dtype policy: config["dtype"] as a name or a policy object. "mixed_float16": F16 and F32.
 * NONE for "string". Policies of quantized layers are E_UNSUPPORTED. */
ebb_status layer_policy_read(const json *config, const char *where, ebb_dtype *compute,
                             ebb_dtype *variable, ebb_error *error);
/* "string \"abc\"", "integer 3", "list of 2" for error texts. Returns text. */
char *json_describe(const json *given, char *text, uint32_t capacity);

/* -- activations (activation.c): the table of Keras activations
 * ------------------------------------ */

typedef struct activation_def {
    const char *name;
    const char *aliases;         /* "one|other" or NULL */
    unary_attributes attributes; /* when it is one unary op */
    /* when it is not (softmax, log_softmax, glu, sparsemax): emits ops; NULL otherwise */
    value (*build)(graph *g, value x);
} activation_def;

/* From a JSON string, null, or {"class_name": "function"/layer class, "config": ...}. */
ebb_status activation_read(const json *config, const char *where, activation *result,
                           ebb_error *error);
/* By plain name; E_UNSUPPORTED for an unknown one. NULL and "linear" are linear. */
ebb_status activation_named(const char *name, const char *where, activation *result,
                            ebb_error *error);
/* hard_sigmoid had another slope before Keras 3: keras/activations.py of 2.x. Other activations
 * stay. */
void activation_for_version(activation *a, uint32_t keras_major);
/* Only unary ones: RNN cells. */
bool activation_is_unary(const activation *a);
value activation_build(graph *g, const activation *a, value x);
uint32_t activation_count(void);
uint32_t activation_keras_count(void); /* without those that only files name */
const activation_def *activation_at(uint32_t index);

#endif
