/* tf_operations.c -- TensorFlow functions that tf.keras recorded as layers, as operations of
 * keras.ops.
 *
 * tf.keras writes tf.reduce_mean(x, axis=1) as {"class_name": "TFOpLambda", "config": {"function":
 * "math.reduce_mean"}} with the arguments beside the first as kwargs of the call. The table says
 * which operation does the same, and where each kwarg goes: "y:1" is argument 1, "axis:axis" a
 * field of the config, "axis=0" a default that differs, "name:-" nothing. A function or kwarg that
 * is not here leaves the layer with the TensorFlow name as its class.
 *
 * Source: tf_keras/src/layers/core/tf_op_layer.py; signatures of TensorFlow 2.21 and keras/src/ops.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/keras/config_edit.h"
#include "format/keras/model_reader.h"
#include "format/keras/upgrade.h"

typedef struct operation {
    model_reader *r;
    layer_config *layer;
    config_edit config;
    const char *class_name, *module;
    bool is_layer; /* a layer does it, not an operation */
} operation;

typedef struct tf_function {
    const char *function, *class_name, *module, *keywords;
    /* What a table cannot say, on the arguments as written; false: not possible. NULL: nothing to
     * do. */
    bool (*prepare)(operation *o, call_config *call);
} tf_function;

static argument *keyword_find(const call_config *call, const char *name)
{
    for (uint32_t i = 1; i < call->argument_count; i++) {
        const char *own = call->arguments[i].name;
        if (own != NULL && strcmp(own, name) == 0) return &call->arguments[i];
    }
    return NULL;
}

static const json *keyword_literal(const call_config *call, const char *name)
{
    const argument *a = keyword_find(call, name);
    return a == NULL || a->kind != ARGUMENT_LITERAL ? NULL : a->literal;
}

static bool literal_set(operation *o, argument *a, json value)
{
    json *kept = region_new(o->r->home, json, 1);
    if (kept == NULL) {
        o->config.failed = true;
        return false;
    }
    *kept = value;
    a->kind = ARGUMENT_LITERAL;
    a->literal = kept;
    return true;
}

/* matmul(a, transpose_b=True) is an einsum. */
static bool prepare_matmul(operation *o, call_config *call)
{
    const bool a = json_boolean(keyword_literal(call, "transpose_a"), false);
    const bool b = json_boolean(keyword_literal(call, "transpose_b"), false);
    if (!a && !b) return true;
    const char *subscripts = a && b ? "...ji,...kj->...ik"
                             : a    ? "...ji,...jk->...ik"
                                    : "...ij,...kj->...ik";
    o->class_name = "Einsum";
    edit_set(&o->config, "subscripts", json_of_text(subscripts));
    if (a) literal_set(o, keyword_find(call, "transpose_a"), json_of_boolean(false));
    if (b) literal_set(o, keyword_find(call, "transpose_b"), json_of_boolean(false));
    return true;
}

/* A list holds sizes; keras.ops wants the indices where parts begin. */
static bool prepare_split(operation *o, call_config *call)
{
    argument *a = keyword_find(call, "num_or_size_splits");
    const json *sizes = a == NULL || a->kind != ARGUMENT_LITERAL ? NULL : a->literal;
    if (sizes == NULL || sizes->kind != JSON_ARRAY) return sizes != NULL;
    json *indices = json_items_new(o->r->home, sizes->count);
    int64_t total = 0;
    if (indices == NULL) return (o->config.failed = true, false);
    for (uint32_t i = 0; i + 1 < sizes->count; i++) {
        const int64_t size = json_integer(&sizes->as.items[i], -1);
        if (size < 0 || size > INT32_MAX) return false;
        total += size;
        indices[i] = json_of_integer(total);
    }
    return literal_set(o, a, json_of_array(indices, sizes->count > 0 ? sizes->count - 1 : 0));
}

static bool prepare_pad(operation *o, call_config *call)
{
    static const class_rename modes[] = {
        {"CONSTANT", "constant"}, {"REFLECT", "reflect"}, {"SYMMETRIC", "symmetric"}};
    argument *a = keyword_find(call, "mode");
    const char *mode = json_text(keyword_literal(call, "mode"), "CONSTANT");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(mode, modes[i].from) != 0) continue;
        argument *constant = keyword_find(call, "constant_values");
        if (constant != NULL && i > 0) literal_set(o, constant, json_of_null());
        return a == NULL || literal_set(o, a, json_of_text(modes[i].to));
    }
    return false;
}

/* x * rsqrt(max(sum(x^2), epsilon)): keras.ops bounds the root. */
static bool prepare_normalize(operation *o, call_config *call)
{
    argument *a = keyword_find(call, "epsilon");
    const double epsilon = json_number(keyword_literal(call, "epsilon"), 1e-12);
    if (a != NULL && a->kind != ARGUMENT_LITERAL) return false;
    if (keyword_find(call, "axis") == NULL) return false;
    edit_set(&o->config, "epsilon", json_of_number(sqrt(epsilon)));
    edit_set(&o->config, "order", json_of_integer(2));
    return a == NULL || literal_set(o, a, json_of_null());
}

static bool prepare_gather(operation *o, call_config *call)
{
    argument *axis = keyword_find(call, "axis");
    if (json_integer(keyword_literal(call, "batch_dims"), 0) != 0) return false;
    if (axis != NULL && axis->kind == ARGUMENT_LITERAL && axis->literal == NULL) {
        return literal_set(o, axis, json_of_integer(0));
    }
    return true;
}

static bool prepare_layer(operation *o, call_config *call)
{
    (void)call;
    o->is_layer = true;
    return true;
}

/* -- slices ------------------------------------------------------------------------------------ */

static bool slice_item(operation *o, const json *item, json *result)
{
    const char *class_name = json_text(json_get(item, "class_name"), "");
    config_edit object, empty;
    json config;

    *result = *item;
    if (item->kind == JSON_INTEGER || item->kind == JSON_NULL) return true;
    if (item->kind != JSON_OBJECT) return false;
    const bool is_ellipsis = strcmp(class_name, "__ellipsis__") == 0;
    const bool is_slice = json_get(item, "start") != NULL || json_get(item, "stop") != NULL;
    if (!is_ellipsis && !is_slice) return class_name[0] != '\0';
    edit_begin(&empty, o->r->home, NULL);
    bool good = edit_finish(&empty, &config);
    edit_begin(&object, o->r->home, NULL);
    edit_set(&object, "class_name", json_of_text(is_ellipsis ? "__ellipsis__" : "__slice__"));
    edit_set(&object, "config", is_ellipsis ? config : *item);
    good = edit_finish(&object, result) && good;
    if (!good) o->config.failed = true;
    return good;
}

static bool prepare_slice(operation *o, call_config *call)
{
    argument *a = keyword_find(call, "slice_spec");
    if (a == NULL || a->kind != ARGUMENT_LITERAL || a->literal == NULL) return false;
    const json *spec = a->literal;
    const uint32_t count = spec->kind == JSON_ARRAY ? spec->count : 1;
    json *items = json_items_new(o->r->home, count);
    if (items == NULL) return (o->config.failed = true, false);
    for (uint32_t i = 0; i < count; i++) {
        if (!slice_item(o, spec->kind == JSON_ARRAY ? &spec->as.items[i] : spec, &items[i]))
            return false;
    }
    return literal_set(o, a, json_of_array(items, count));
}

/* -- the table --------------------------------------------------------------------------------- */

#define NUMPY  "keras.src.ops.numpy"
#define NN     "keras.src.ops.nn"
#define REDUCE "axis:axis keepdims:keepdims keep_dims:keepdims"

static const tf_function functions[] = {
    {"__operators__.add", "Add", NUMPY, "y:1", NULL},
    {"__operators__.eq", "Equal", NUMPY, "y:1 other:1", NULL},
    {"__operators__.getitem", "GetItem", NUMPY, "slice_spec:1 var:-", prepare_slice},
    {"__operators__.ne", "NotEqual", NUMPY, "y:1 other:1", NULL},
    {"broadcast_to", "BroadcastTo", NUMPY, "shape:shape", NULL},
    {"cast", "Cast", "keras.src.ops.core", "dtype:dtype", NULL},
    {"clip_by_value", "Clip", NUMPY, "clip_value_min:x_min clip_value_max:x_max", NULL},
    {"concat", "Concatenate", NUMPY, "axis:axis", NULL},
    {"expand_dims", "ExpandDims", NUMPY, "axis:axis", NULL},
    {"gather", "Take", NUMPY, "indices:1 axis:axis axis=0 batch_dims:- validate_indices:-",
     prepare_gather},
    {"identity", "Identity", "keras.layers", "", prepare_layer},
    {"image.resize", "Resize", "keras.src.ops.image",
     "size:size method:interpolation antialias:antialias preserve_aspect_ratio:pad_to_aspect_ratio",
     NULL},
    {"linalg.matmul", "Matmul", NUMPY, "b:1 transpose_a:- transpose_b:-", prepare_matmul},
    {"math.abs", "Absolute", NUMPY, "", NULL},
    {"math.add", "Add", NUMPY, "y:1", NULL},
    {"math.add_n", "Add", "keras.layers", "", prepare_layer},
    {"math.argmax", "Argmax", NUMPY, "axis:axis axis=0 output_type:-", NULL},
    {"math.argmin", "Argmin", NUMPY, "axis:axis axis=0 output_type:-", NULL},
    {"math.ceil", "Ceil", NUMPY, "", NULL},
    {"math.cos", "Cos", NUMPY, "", NULL},
    {"math.cumsum", "Cumsum", NUMPY, "axis:axis axis=0", NULL},
    {"math.divide", "TrueDivide", NUMPY, "y:1", NULL},
    {"math.divide_no_nan", "DivideNoNan", NUMPY, "y:1", NULL},
    {"math.equal", "Equal", NUMPY, "y:1", NULL},
    {"math.erf", "Erf", "keras.src.ops.math", "", NULL},
    {"math.exp", "Exp", NUMPY, "", NULL},
    {"math.expm1", "Expm1", NUMPY, "", NULL},
    {"math.floor", "Floor", NUMPY, "", NULL},
    {"math.floordiv", "FloorDivide", NUMPY, "y:1", NULL},
    {"math.floormod", "Mod", NUMPY, "y:1", NULL},
    {"math.greater", "Greater", NUMPY, "y:1", NULL},
    {"math.greater_equal", "GreaterEqual", NUMPY, "y:1", NULL},
    {"math.l2_normalize", "Normalize", NN, "axis:axis epsilon:-", prepare_normalize},
    {"math.less", "Less", NUMPY, "y:1", NULL},
    {"math.less_equal", "LessEqual", NUMPY, "y:1", NULL},
    {"math.log", "Log", NUMPY, "", NULL},
    {"math.log1p", "Log1p", NUMPY, "", NULL},
    {"math.log_sigmoid", "LogSigmoid", NN, "", NULL},
    {"math.logical_and", "LogicalAnd", NUMPY, "y:1", NULL},
    {"math.logical_not", "LogicalNot", NUMPY, "", NULL},
    {"math.logical_or", "LogicalOr", NUMPY, "y:1", NULL},
    {"math.maximum", "Maximum", NUMPY, "y:1", NULL},
    {"math.minimum", "Minimum", NUMPY, "y:1", NULL},
    {"math.multiply", "Multiply", NUMPY, "y:1", NULL},
    {"math.negative", "Negative", NUMPY, "", NULL},
    {"math.not_equal", "NotEqual", NUMPY, "y:1", NULL},
    {"math.pow", "Power", NUMPY, "y:1", NULL},
    {"math.reciprocal", "Reciprocal", NUMPY, "", NULL},
    {"math.reduce_all", "All", NUMPY, REDUCE, NULL},
    {"math.reduce_any", "Any", NUMPY, REDUCE, NULL},
    {"math.reduce_logsumexp", "Logsumexp", "keras.src.ops.math", REDUCE, NULL},
    {"math.reduce_max", "Max", NUMPY, REDUCE, NULL},
    {"math.reduce_mean", "Mean", NUMPY, REDUCE, NULL},
    {"math.reduce_min", "Min", NUMPY, REDUCE, NULL},
    {"math.reduce_prod", "Prod", NUMPY, REDUCE, NULL},
    {"math.reduce_std", "Std", NUMPY, REDUCE, NULL},
    {"math.reduce_sum", "Sum", NUMPY, REDUCE, NULL},
    {"math.reduce_variance", "Var", NUMPY, REDUCE, NULL},
    {"math.round", "Round", NUMPY, "", NULL},
    {"math.rsqrt", "Rsqrt", "keras.src.ops.math", "", NULL},
    {"math.sigmoid", "Sigmoid", NN, "", NULL},
    {"math.sign", "Sign", NUMPY, "", NULL},
    {"math.sin", "Sin", NUMPY, "", NULL},
    {"math.softplus", "Softplus", NN, "", NULL},
    {"math.sqrt", "Sqrt", NUMPY, "", NULL},
    {"math.square", "Square", NUMPY, "", NULL},
    {"math.subtract", "Subtract", NUMPY, "y:1", NULL},
    {"math.tanh", "Tanh", NUMPY, "", NULL},
    {"math.truediv", "TrueDivide", NUMPY, "y:1", NULL},
    {"nn.elu", "Elu", NN, "", NULL},
    {"nn.gelu", "Gelu", NN, "approximate:approximate approximate=false", NULL},
    {"nn.leaky_relu", "LeakyRelu", NN, "alpha:negative_slope", NULL},
    {"nn.log_softmax", "LogSoftmax", NN, "axis:axis dim:axis", NULL},
    {"nn.relu", "Relu", NN, "", NULL},
    {"nn.relu6", "Relu6", NN, "", NULL},
    {"nn.selu", "Selu", NN, "", NULL},
    {"nn.sigmoid", "Sigmoid", NN, "", NULL},
    {"nn.silu", "Silu", NN, "", NULL},
    {"nn.softmax", "Softmax", NN, "axis:axis dim:axis", NULL},
    {"nn.softplus", "Softplus", NN, "", NULL},
    {"nn.softsign", "Softsign", NN, "", NULL},
    {"nn.swish", "Silu", NN, "", NULL},
    {"nn.tanh", "Tanh", NUMPY, "", NULL},
    {"one_hot", "OneHot", NN, "depth:num_classes axis:axis dtype:dtype", NULL},
    {"ones_like", "OnesLike", NUMPY, "dtype:dtype", NULL},
    {"pad", "Pad", NUMPY, "paddings:pad_width mode:mode constant_values:1", prepare_pad},
    {"repeat", "Repeat", NUMPY, "repeats:repeats axis:axis", NULL},
    {"reshape", "Reshape", NUMPY, "shape:newshape", NULL},
    {"reverse", "Flip", NUMPY, "axis:axis", NULL},
    {"split", "Split", NUMPY, "num_or_size_splits:indices_or_sections axis:axis axis=0",
     prepare_split},
    {"squeeze", "Squeeze", NUMPY, "axis:axis", NULL},
    {"stack", "Stack", NUMPY, "axis:axis axis=0", NULL},
    {"stop_gradient", "StopGradient", "keras.src.ops.core", "", NULL},
    {"tile", "Tile", NUMPY, "multiples:repeats", NULL},
    {"transpose", "Transpose", NUMPY, "perm:axes", NULL},
    {"unstack", "Unstack", "keras.src.ops.core", "num:num axis:axis", NULL},
    {"where", "Where", NUMPY, "x:1 y:2", NULL},
    {"zeros_like", "ZerosLike", NUMPY, "dtype:dtype", NULL},
};

static const tf_function *function_find(const char *name)
{
    if (strncmp(name, "compat.v1.", 10) == 0) name += 10;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcmp(functions[i].function, name) == 0) return &functions[i];
    }
    return NULL;
}

/* Finds "<name>:<to>" in the table's text; copies <to>. */
static bool keyword_target(const char *keywords, const char *name, char to[32])
{
    const size_t length = strlen(name);
    for (const char *at = keywords; *at != '\0';) {
        const size_t token = strcspn(at, " ");
        if (token > length + 1 && token - length - 1 < 32 && strncmp(at, name, length) == 0 &&
            at[length] == ':') {
            memcpy(to, at + length + 1, token - length - 1);
            to[token - length - 1] = '\0';
            return true;
        }
        at += token + (at[token] == ' ');
    }
    return false;
}

static json default_value(const char *text)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return json_of_boolean(text[0] == 't');
    return json_of_integer(text[0] == '-' ? -(text[1] - '0') : text[0] - '0');
}

/* Sets the defaults "axis=0" of fields that no kwarg gave. */
static void defaults_set(operation *o, const char *keywords)
{
    for (const char *at = keywords; *at != '\0';) {
        const size_t token = strcspn(at, " "), name = strcspn(at, "= ");
        if (name < token) {
            char text[32];
            snprintf(text, sizeof text, "%.*s", (int)(token - name - 1), at + name + 1);
            const char *field = region_text_length(o->r->home, at, name);
            if (field == NULL) {
                o->config.failed = true;
            } else if (edit_get(&o->config, field) == NULL) {
                edit_set(&o->config, field, default_value(text));
            }
        }
        at += token + (at[token] == ' ');
    }
}

static bool config_put(operation *o, const argument *a, const char *field)
{
    if (a->kind != ARGUMENT_LITERAL) return false;
    const char *kept = region_text(o->r->home, field);
    if (kept == NULL) {
        o->config.failed = true;
        return false;
    }
    edit_set(&o->config, kept, a->literal == NULL ? json_of_null() : *a->literal);
    return true;
}

/* False: a kwarg that the operation does not have. */
static bool call_convert(operation *o, const tf_function *f, call_config *call)
{
    argument placed[3] = {{0}, {0}, {0}};
    uint32_t count = 1;

    if (f->prepare != NULL && !f->prepare(o, call)) return false;
    placed[0] = call->arguments[0];
    for (uint32_t i = 1; i < call->argument_count; i++) {
        const argument *a = &call->arguments[i];
        const bool is_plain =
            a->kind == ARGUMENT_LITERAL &&
            (a->literal == NULL || (a->literal->kind == JSON_BOOL && !a->literal->as.boolean));
        char to[32];
        if (strcmp(a->name, "name") == 0) continue;
        if (!keyword_target(f->keywords, a->name, to)) {
            if (is_plain) continue;
            return false;
        }
        if (to[0] == '-') continue;
        if (to[0] >= '1' && to[0] <= '2') {
            const uint32_t at = (uint32_t)(to[0] - '0');
            placed[at] = *a;
            placed[at].name = NULL;
            if (at + 1 > count) count = at + 1;
        } else if (!config_put(o, a, to)) {
            return false;
        }
    }
    call->arguments = region_new(o->r->home, argument, count);
    if (call->arguments == NULL) return (o->config.failed = true, false);
    memcpy(call->arguments, placed, count * sizeof placed[0]);
    call->argument_count = count;
    return true;
}

bool tf_operation_is(const char *class_name)
{
    return name_in("|TFOpLambda|SlicingOpLambda|TensorFlowOpLayer|", class_name);
}

static ebb_status unknown(model_reader *r, layer_config *layer, const char *function)
{
    layer->class_name = region_format(r->home, "tf.%.120s", function);
    layer->is_operation = true;
    return layer->class_name == NULL ? reader_no_memory(r, "a class name") : EBB_OK;
}

/* -- single nodes (TensorFlow 2.0 to 2.3) ------------------------------------------------------ */

typedef struct raw_operation {
    const char *name, *function;
    const char *keywords[2]; /* what inputs 1 and 2 are called */
} raw_operation;

static const raw_operation raw_operations[] = {
    {"Abs", "math.abs", {NULL, NULL}},          {"Add", "math.add", {"y", NULL}},
    {"AddV2", "math.add", {"y", NULL}},         {"Elu", "nn.elu", {NULL, NULL}},
    {"Exp", "math.exp", {NULL, NULL}},          {"ExpandDims", "expand_dims", {"axis", NULL}},
    {"Log", "math.log", {NULL, NULL}},          {"Max", "math.reduce_max", {"axis", NULL}},
    {"Maximum", "math.maximum", {"y", NULL}},   {"Mean", "math.reduce_mean", {"axis", NULL}},
    {"Min", "math.reduce_min", {"axis", NULL}}, {"Minimum", "math.minimum", {"y", NULL}},
    {"Mul", "math.multiply", {"y", NULL}},      {"Neg", "math.negative", {NULL, NULL}},
    {"Pow", "math.pow", {"y", NULL}},           {"RealDiv", "math.truediv", {"y", NULL}},
    {"Relu", "nn.relu", {NULL, NULL}},          {"Relu6", "nn.relu6", {NULL, NULL}},
    {"Reshape", "reshape", {"shape", NULL}},    {"Rsqrt", "math.rsqrt", {NULL, NULL}},
    {"Sigmoid", "math.sigmoid", {NULL, NULL}},  {"Softmax", "nn.softmax", {NULL, NULL}},
    {"Sqrt", "math.sqrt", {NULL, NULL}},        {"Square", "math.square", {NULL, NULL}},
    {"Sub", "math.subtract", {"y", NULL}},      {"Sum", "math.reduce_sum", {"axis", NULL}},
    {"Tanh", "math.tanh", {NULL, NULL}},        {"Tile", "tile", {"multiples", NULL}},
    {"Transpose", "transpose", {"perm", NULL}},
};

/* Inputs in order: constants stand under their position, tensors fill the rest. False: more inputs
 * than known. */
static bool raw_call_name(model_reader *r, const raw_operation *raw, const json *config,
                          call_config *call)
{
    const argument given = call->arguments[0];
    const bool is_list = given.kind == ARGUMENT_LIST;
    const uint32_t tensors = is_list ? given.item_count : 1;
    const json *keep = json_path(config, "node_def.attr.keep_dims.b");
    uint32_t used = 0;

    call->arguments = region_new(r->home, argument, 4);
    if (call->arguments == NULL) return false;
    call->argument_count = 0;
    for (uint32_t i = 0; i < 3 && (i == 0 || raw->keywords[i - 1] != NULL); i++) {
        const char position[2] = {(char)('0' + i), '\0'};
        const json *constant = json_get(json_get(config, "constants"), position);
        argument *a = &call->arguments[call->argument_count++];
        if (constant != NULL) {
            a->literal = constant;
        } else if (used < tensors) {
            *a = is_list ? given.items[used] : given;
            used++;
        }
        a->name = i == 0 ? NULL : raw->keywords[i - 1];
    }
    if (keep != NULL) {
        call->arguments[call->argument_count++] = (argument){.name = "keepdims", .literal = keep};
    }
    return used == tensors;
}

static const tf_function *raw_function(model_reader *r, layer_config *layer)
{
    const char *name = json_text(json_path(layer->config, "node_def.op"), "");
    for (size_t i = 0; i < sizeof raw_operations / sizeof raw_operations[0]; i++) {
        if (strcmp(raw_operations[i].name, name) != 0) continue;
        if (layer->call_count != 1) return NULL;
        const bool good = raw_call_name(r, &raw_operations[i], layer->config, &layer->calls[0]);
        return good ? function_find(raw_operations[i].function) : NULL;
    }
    return NULL;
}

ebb_status tf_operation_convert(model_reader *r, layer_config *layer)
{
    const bool is_raw = strcmp(layer->class_name, "TensorFlowOpLayer") == 0;
    const char *name = json_text(json_get(layer->config, "function"), "");
    const tf_function *f = is_raw ? raw_function(r, layer) : function_find(name);
    json *config = region_new(r->home, json, 1);
    bool good = f != NULL && layer->call_count > 0;

    if (config == NULL) return reader_no_memory(r, "an operation");
    if (is_raw) name = json_text(json_path(layer->config, "node_def.op"), "raw_ops");
    operation o = {.r = r, .layer = layer};
    edit_begin(&o.config, r->home, NULL);
    edit_set(&o.config, "name", json_of_text(layer->name));
    if (good) {
        o.class_name = f->class_name;
        o.module = f->module;
        for (uint32_t i = 0; i < layer->call_count && good; i++)
            good = call_convert(&o, f, &layer->calls[i]);
        defaults_set(&o, f->keywords);
    }
    if (!edit_finish(&o.config, config)) return reader_no_memory(r, "an operation");
    if (!good) return unknown(r, layer, name);
    layer->class_name = o.class_name;
    layer->module = o.module;
    layer->is_operation = !o.is_layer;
    layer->config = config;
    return EBB_OK;
}
